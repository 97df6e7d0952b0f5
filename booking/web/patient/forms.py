"""The patient's forms. What they refuse never reaches a use case."""

from collections.abc import Callable
from typing import Any

from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import BooleanField, Field, HiddenField, RadioField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired, Length, Optional, Regexp, ValidationError

from booking.errors import ContactCannotBeReached
from booking.models import Payment, PlanReminders, Reminders
from booking.services.reminded import BY_TEXT
from booking.web import contacts
from booking.web.words import words_for

REMINDERS = {
    Reminders.EMAIL: _("By e-mail"),
    Reminders.TEXT: _("By text message"),
    Reminders.BOTH: _("By both"),
    Reminders.CALL: _("By a phone call from us"),
    Reminders.NONE: _("No reminders"),
}
REMINDED_OF = {
    PlanReminders.EACH: _("Each visit, the day before"),
    PlanReminders.DIGEST: _("A list once a week, on Friday, of the week that follows"),
    PlanReminders.BOTH: _("Both"),
}
PAYMENTS = {
    Payment.INSURANCE: _("Insurance"),
    Payment.MEDICARE_ADVANTAGE: _("Medicare Advantage"),
    Payment.ORIGINAL_MEDICARE: _("Original Medicare"),
    Payment.SELF: _("I pay myself"),
    Payment.NOT_SURE: _("Not sure"),
}


# By the field that ContactCannotBeReached names.
_NOT_REACHED = {
    "email": _("To be reminded by e-mail, please write your e-mail address."),
    "phone": _("To be reminded by phone, please write your phone number."),
    "text_consent": _("To be reminded by text, please tick that we may text you."),
    "stopped": _(
        "This number has asked us for no more texts (STOP). Send us START to get them again, or choose another way."
    ),
}

_KEY = (InputRequired(), Regexp(r"[!-~]{8,80}\Z"))


def reminders_choices(texts_offered: bool) -> list[SelectChoice]:
    wanted = [kind for kind in Reminders if texts_offered or kind not in BY_TEXT]
    return [SelectChoice(kind.value, REMINDERS[kind]) for kind in wanted]


class _Reads:
    """A validator that reads the words of a field and puts what it understood in their place."""

    def __init__(self, reader: Callable[[str], str]) -> None:
        self.reader = reader

    def __call__(self, form: FlaskForm, field: Field) -> None:
        try:
            self.understood(form, field.name, self.reader(field.data or ""))
        except contacts.Unreadable as fault:
            raise ValidationError(str(fault)) from None

    @staticmethod
    def understood(form: FlaskForm, name: str, value: str) -> None:
        form.read[name] = value


class DetailsForm(FlaskForm):
    """Who is coming, how to reach them, and what else the visit needs.

    `read` has what was understood; the fields keep what was typed, so that nothing typed is changed or lost.
    """

    key = HiddenField(validators=_KEY)
    # Whether the person came with the time, as "first available" does, rather than being asked for.
    anyone = HiddenField(validators=[Length(max=1)])
    first_name = StringField(
        _("First name"), validators=[InputRequired(_("Please write the first name.")), _Reads(contacts.name)]
    )
    last_name = StringField(
        _("Last name"), validators=[InputRequired(_("Please write the last name.")), _Reads(contacts.name)]
    )
    phone = StringField(_("Phone"), validators=[Optional(), _Reads(contacts.phone)])
    email = StringField(_("E-mail"), validators=[Optional(), _Reads(contacts.email)])
    reminders = RadioField(
        _("How should we remind you?"),
        validators=[InputRequired(_("Please choose how we should remind you."))],
    )
    text_consent = BooleanField()
    payment = RadioField(
        _("How do you expect to pay?"),
        choices=[SelectChoice(kind.value, words) for kind, words in PAYMENTS.items()],
        validators=[Optional()],
        default=None,
    )
    note = TextAreaField(_("Anything we should know?"), validators=[_Reads(contacts.note)])

    def __init__(self, *given: Any, texts_offered: bool, **named: Any) -> None:
        super().__init__(*given, **named)
        self.read: dict[str, str] = {}
        self.texts_offered = texts_offered
        self.reminders.choices = reminders_choices(texts_offered)

    def validate(self, extra_validators: Any = None) -> bool:
        fine = super().validate(extra_validators)
        return self._contacts_fit() and fine

    def _contacts_fit(self) -> bool:
        """Phone or e-mail is enough, but it must be the one that the reminders need."""
        phone, email = ((field.data or "").strip() for field in (self.phone, self.email))
        wanted = self.reminders.data
        if not phone and not email:
            self._refuse(self.phone, _("Please write a phone number or an e-mail address. One is enough."))
        elif wanted in ("email", "both") and not email:
            self._refuse(self.email, _NOT_REACHED["email"])
        elif wanted in ("text", "both", "call") and not phone:
            self._refuse(self.phone, _NOT_REACHED["phone"])
        elif wanted in ("text", "both") and not self.agrees_to_texts:
            self._refuse(self.text_consent, _NOT_REACHED["text_consent"])
        else:
            return True
        return False

    @property
    def agrees_to_texts(self) -> bool:
        return bool(self.text_consent.data)

    @staticmethod
    def _refuse(field: Field, words: Any) -> None:
        field.errors = [*field.errors, words]


class PlanDetailsForm(DetailsForm):
    """The same for a plan. Whose plan it is stands in it, where a practitioner prescribed it. `agreed_at`: the number to which they
    agreed to get texts before, if they did.
    """

    reminded_of = RadioField(
        _("Of what should we remind you?"),
        choices=[SelectChoice(kind.value, words) for kind, words in REMINDED_OF.items()],
        validators=[Optional()],
        default=PlanReminders.BOTH.value,
    )

    def __init__(self, *given: Any, asks_name: bool, agreed_at: str | None = None, **named: Any) -> None:
        super().__init__(*given, **named)
        self.agreed_at = agreed_at
        if not asks_name:
            del self.first_name, self.last_name

    @property
    def agrees_to_texts(self) -> bool:
        agreed_before = self.agreed_at is not None and self.read.get("phone") == self.agreed_at
        return agreed_before or super().agrees_to_texts


class ReachedForm(FlaskForm):
    """How somebody is reminded of what is booked. What doesn't fit their contact, or isn't agreed to, the use case refuses."""

    version = HiddenField()
    key = HiddenField(validators=_KEY)
    phone = StringField(_("Phone"), validators=[Optional(), _Reads(contacts.phone)])
    email = StringField(_("E-mail"), validators=[Optional(), _Reads(contacts.email)])
    reminders = RadioField(_("How should we remind you?"), validators=[Optional()])
    text_consent = BooleanField()

    def __init__(self, *given: Any, texts_offered: bool, **named: Any) -> None:
        super().__init__(*given, **named)
        self.read: dict[str, str] = {}
        self.texts_offered = texts_offered
        self.reminders.choices = reminders_choices(texts_offered)

    @property
    def by(self) -> Reminders | None:
        """What was chosen; None leaves it as it is."""
        return Reminders(self.reminders.data) if self.reminders and self.reminders.data else None

    def refuse(self, refusal: ContactCannotBeReached) -> None:
        """Says at its field what doesn't fit."""
        name = refusal.facts["field"]
        field = self._fields.get("text_consent" if name == "stopped" else name, self.email or self.phone)
        words = _NOT_REACHED[name] if self.by else words_for(refusal).title
        field.errors = [*field.errors, words]


class ContactForm(ReachedForm):
    """How to reach the patient about one visit, corrected. `asks_reminders`: not of a visit that is reminded of with its plan."""

    def __init__(self, *given: Any, asks_reminders: bool, **named: Any) -> None:
        super().__init__(*given, **named)
        if not asks_reminders:
            del self.reminders, self.text_consent
            self.reminders = self.text_consent = None


class PlanRemindersForm(ReachedForm):
    """The same of a plan and all its visits; the contact is asked for as far as the plan has none."""

    reminded_of = RadioField(
        _("Of what should we remind you?"),
        choices=[SelectChoice(kind.value, words) for kind, words in REMINDED_OF.items()],
        validators=[Optional()],
    )

    @property
    def of(self) -> PlanReminders | None:
        return PlanReminders(self.reminded_of.data) if self.reminded_of.data else None


class LinkAgainForm(FlaskForm):
    contact = StringField(
        _("E-mail or phone"),
        validators=[InputRequired(_("Please write the e-mail address or phone number that you gave us."))],
    )

    def validate_contact(self, field: Field) -> None:
        reader = contacts.email if "@" in field.data else contacts.phone
        try:
            self.read = reader(field.data)
        except contacts.Unreadable as fault:
            raise ValidationError(str(fault)) from None


class ActionForm(FlaskForm):
    """A button that changes something, once."""

    key = HiddenField(validators=_KEY)


class CancelForm(ActionForm):
    version = HiddenField()
    reason = TextAreaField(
        _("Why? You don't have to say."), validators=[Length(max=500), _Reads(contacts.note)]
    )

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.read: dict[str, str] = {}
