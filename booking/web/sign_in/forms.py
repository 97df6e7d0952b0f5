"""The forms about accounts. What they refuse never reaches a use case."""

from typing import Any

from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import (
    BooleanField,
    Field,
    HiddenField,
    PasswordField,
    SelectField,
    SelectMultipleField,
    StringField,
)
from wtforms.validators import InputRequired, Length, ValidationError
from wtforms.widgets import CheckboxInput, ListWidget

from booking.models import Role
from booking.services.staff.library import LONGEST
from booking.web import contacts

ROLES = {
    Role.OWNER: _("Owner"),
    Role.MANAGER: _("Manager"),
    Role.DESK: _("Front desk"),
    Role.PRACTITIONER: _("Practitioner"),
}

_PASSWORD = (
    InputRequired(_("Please type your password.")),
    Length(max=LONGEST, message=_("That is too long for a password.")),
)


class _Reading(FlaskForm):
    """`read` has what was understood; the fields keep what was typed."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.read: dict[str, str] = {}

    def understand(self, field: Field, reader: Any) -> None:
        try:
            self.read[field.name] = reader(field.data or "")
        except contacts.Unreadable as fault:
            raise ValidationError(str(fault)) from None


class SignInForm(_Reading):
    next = HiddenField()
    email = StringField(_("E-mail"), validators=[InputRequired(_("Please type your e-mail address."))])
    password = PasswordField(_("Password"), validators=_PASSWORD)

    def validate_email(self, field: Field) -> None:
        self.understand(field, contacts.email)


class CodeForm(FlaskForm):
    code = StringField(_("Code"), validators=[InputRequired(_("Please type the code.")), Length(max=40)])


class PinForm(FlaskForm):
    next = HiddenField()
    pin = PasswordField(_("PIN"), validators=[InputRequired(_("Please type your PIN.")), Length(max=20)])


class ForgottenForm(_Reading):
    email = StringField(_("E-mail"), validators=[InputRequired(_("Please type your e-mail address."))])

    def validate_email(self, field: Field) -> None:
        self.understand(field, contacts.email)


class NewPasswordForm(FlaskForm):
    password = PasswordField(_("New password"), validators=_PASSWORD)


class AcceptForm(_Reading):
    name = StringField(_("Your name"), validators=[InputRequired(_("Please write your name."))])
    password = PasswordField(_("Password"), validators=_PASSWORD)
    pin = PasswordField(
        _("PIN of six digits"), validators=[InputRequired(_("Please choose a PIN.")), Length(max=20)]
    )
    second_factor = BooleanField(_("I also use codes from an authenticator; the next page sets them up"))

    def validate_name(self, field: Field) -> None:
        self.understand(field, contacts.name)


class ChangePasswordForm(FlaskForm):
    old = PasswordField(_("Present password"), validators=_PASSWORD)
    password = PasswordField(_("New password"), validators=_PASSWORD)


class ChangePinForm(FlaskForm):
    old = PasswordField(_("Password"), validators=_PASSWORD)
    pin = PasswordField(
        _("New PIN of six digits"), validators=[InputRequired(_("Please choose a PIN.")), Length(max=20)]
    )


class ConfirmForm(FlaskForm):
    """Something that asks for the password again."""

    old = PasswordField(_("Password"), validators=_PASSWORD)


class SetUpForm(CodeForm):
    secret = HiddenField(validators=[InputRequired(), Length(max=600)])


class PreferForm(FlaskForm):
    shortcuts = BooleanField(_("Keyboard shortcuts"))


class AccountForm(_Reading):
    """Who somebody is to the clinic. `roles` are those that may be given by whoever asks."""

    name = StringField(_("Name"), validators=[InputRequired(_("Please write a name."))])
    roles = SelectMultipleField(
        _("Roles"),
        validators=[InputRequired(_("Please choose at least one role."))],
        widget=ListWidget(prefix_label=False),
        option_widget=CheckboxInput(),
    )
    practitioner = SelectField(_("Practitioner"), default="")

    def __init__(self, *given: Any, roles: list[Role], people: list[tuple[str, str]], **named: Any) -> None:
        super().__init__(*given, **named)
        self.roles.choices = [(str(role), ROLES[role]) for role in roles]
        self.practitioner.choices = [("", _("Nobody who gives visits")), *people]

    def validate_name(self, field: Field) -> None:
        self.understand(field, contacts.name)

    def validate_practitioner(self, field: Field) -> None:
        if str(Role.PRACTITIONER) in (self.roles.data or ()) and not field.data:
            raise ValidationError(_("Please say which practitioner this is."))

    @property
    def chosen_roles(self) -> list[Role]:
        return [Role(name) for name in self.roles.data or ()]


class InviteForm(AccountForm):
    email = StringField(_("E-mail"), validators=[InputRequired(_("Please write the address."))])

    def validate_email(self, field: Field) -> None:
        self.understand(field, contacts.email)
