"""What the desk types about a patient, read as patients' own forms are. What is refused here reaches no use case."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from flask import request
from flask_babel import gettext as _, lazy_gettext as lazy

from booking import clock
from booking.formatting import phone
from booking.models import FLAGS
from booking.services.desk.directory import date_in
from booking.services.desk.records import Values, known_flags
from booking.web import allowance_words, contacts
from booking.web.pages import the_clinic_of_this_request

# What is typed to find somebody.
LONGEST_QUESTION = 200

FLAG_WORDS = {
    "ground floor": lazy("Ground floor"),
    "interpreter": lazy("Interpreter"),
    "female practitioner": lazy("Prefers a female practitioner"),
    "male practitioner": lazy("Prefers a male practitioner"),
    "hard of hearing": lazy("Hard of hearing"),
    "wheelchair": lazy("Wheelchair"),
}
FIELD_WORDS = {
    "first_name": lazy("First name"),
    "last_name": lazy("Last name"),
    "phone": lazy("Phone"),
    "email": lazy("E-mail"),
    "born_on": lazy("Date of birth"),
    "flags": lazy("To look after"),
    "preferences": lazy("Preferences"),
    "desk_note": lazy("Note of the desk"),
    "coverage": lazy("Coverage"),
    "q": lazy("Patient"),
    "visit_type": lazy("Visit"),
    "practitioner": lazy("With"),
    "time": lazy("Time"),
    "other_day": lazy("Time"),
    "reminders": lazy("Reminders"),
    "reminded_of": lazy("Reminded of"),
    "text_consent": lazy("Texts"),
    "payment": lazy("Payment"),
    "note": lazy("Note for this visit"),
}
CHANGE_WORDS = {
    "edited": lazy("Edited"),
    "reminders_changed": lazy("Reminders of upcoming visits changed"),
    "merged": lazy("Another record was merged into this one"),
    "merged_into": lazy("Merged into another record"),
    "merge_taken_back": lazy("A merge was taken back"),
    "coverage_added": lazy("Coverage added"),
    "coverage_changed": lazy("Coverage changed"),
    "coverage_moved": lazy("The order of coverage was changed"),
    "coverage_ended": lazy("Coverage ended"),
    "coverage_reopened": lazy("The end of coverage was taken back"),
    "coverage_improving": lazy("Whether the patient improves was recorded"),
    "coverage_seen": lazy("Coverage that runs low was seen to"),
}


@dataclass
class Typed:
    """A form as it was typed, what was understood of it, and what wasn't, by field."""

    values: dict[str, Any]
    read: dict[str, Any] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    def refuse(self, name: str, words: str) -> None:
        self.errors.setdefault(name, words)

    def understand(self, name: str, reader: Callable[[str], Any], *, needed: str = "") -> None:
        """Reads one field; an empty one is None, or refused with the words of `needed`."""
        words = self.values.get(name) or ""
        if not words.strip():
            self.read[name] = None
            if needed:
                self.refuse(name, needed)
            return
        try:
            self.read[name] = reader(words)
        except contacts.Unreadable as fault:
            self.read[name] = None
            self.refuse(name, str(fault))

    def understand_person(self, *, reachable: bool = True) -> None:
        """Name, phone, e-mail and birthday: one way to reach them is enough, and is asked for if they are to be `reachable`."""
        self.understand("first_name", contacts.name, needed=_("Please write the first name."))
        self.understand("last_name", contacts.name, needed=_("Please write the last name."))
        self.understand("phone", contacts.phone)
        self.understand("email", contacts.email)
        self.understand("born_on", birthday)
        if reachable and not any(self.values.get(name, "").strip() for name in ("phone", "email")):
            self.refuse("phone", _("Please write a phone number or an e-mail address. One is enough."))


def typed(*names: str) -> Typed:
    """These fields of the form that was sent, as they were typed."""
    return Typed({name: request.form.get(name, "") for name in names})


def birthday(words: str) -> date:
    """A date as people here write it, "3/4/1950", or as browsers do. Raises Unreadable."""
    today = clock.now().date()
    try:
        found = date.fromisoformat(date_in(words.strip(), today.year))
    except ValueError:
        raise contacts.Unreadable(_("Please write the date of birth like 3/4/1950.")) from None
    if not date(1900, 1, 1) <= found <= today:
        raise contacts.Unreadable(_("Please look at the year of the date of birth."))
    return found


def values_typed(form: Typed, *, reachable: bool = True) -> Values | None:
    """A record as it was typed, or None with the errors beside the fields. `reachable`: as `Typed.understand_person`."""
    form.understand_person(reachable=reachable)
    form.understand("preferences", contacts.note)
    form.understand("desk_note", contacts.note)
    flags = request.form.getlist("flags")
    if any(flag not in FLAGS for flag in flags):
        form.refuse("flags", _("Please choose from the list."))
    form.values["flags"] = flags
    if form.errors:
        return None
    read = form.read
    return Values(
        first_name=read["first_name"],
        last_name=read["last_name"],
        phone=read["phone"],
        email=read["email"],
        born_on=read["born_on"],
        flags=known_flags(flags),
        preferences=read["preferences"] or "",
        desk_note=read["desk_note"] or "",
    )


def as_typed(values: Values) -> dict[str, Any]:
    """A record as its form shows it."""
    return {
        **{name: value or "" for name, value in vars(values).items()},
        "born_on": american(values.born_on),
        "flags": list(values.flags),
    }


def american(on: date | None) -> str:
    """As it is typed: "3/4/1950"."""
    return f"{on.month}/{on.day}/{on.year}" if on else ""


def in_words(name: str, value: Any) -> str:
    """A field's value in a sentence about a change."""
    if not value:
        return _("nothing")
    if name == "flags":
        return ", ".join(str(FLAG_WORDS.get(flag, flag)) for flag in value)
    if name == "born_on":
        return american(date.fromisoformat(value))
    if name == "phone":
        return phone(value)
    if name == "coverage":
        return allowance_words.line(the_clinic_of_this_request(), value)
    return str(value)
