"""What was typed before a screen locked, in the words of its form: a person reads no names of fields."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask_babel import gettext as _, lazy_gettext as lazy

from booking.errors import NotFound, RecordMerged
from booking.services.desk import new_visit, panel
from booking.services.staff import audit
from booking.services.staff.drafts import Fields, Kept
from booking.services.staff.who import Who
from booking.web.asked import day_or_none
from booking.web.free import instant
from booking.web.pages import the_clinic_of_this_request
from booking.web.sign_in.going_on import endpoint_at

# What people type, as forms call it; whatever else a form sends was chosen, or says where it belongs.
_WORDS = {
    "q": lazy("Looked for"),
    "first_day": lazy("First day"),
    "first_name": lazy("First name"),
    "last_name": lazy("Last name"),
    "name": lazy("Name"),
    "phone": lazy("Phone"),
    "email": lazy("E-mail"),
    "born_on": lazy("Date of birth"),
    "preferences": lazy("Preferences"),
    "desk_note": lazy("Note of the desk"),
    "note": lazy("Note for this visit"),
    "reason": lazy("Why"),
    "other_day": lazy("Day"),
    "other_time": lazy("Time"),
    "first": lazy("First day"),
    "last": lazy("Last day"),
    "opens": lazy("From"),
    "closes": lazy("Until"),
}
_FORMS = {
    "desk.book_visit": lazy("New visit"),
    "desk.change": lazy("Change of a visit"),
    "desk.cancel": lazy("Cancelling a visit"),
    "desk.note": lazy("Note for a visit"),
    "desk.save_patient": lazy("Patient"),
    "desk.enter_time_off": lazy("Time off"),
    "desk.propose_plan": lazy("New plan"),
    "desk.book_plan": lazy("Booking of a plan"),
    "desk.change_plan": lazy("Change of a plan"),
    "practitioner.change_plan": lazy("Change of a plan"),
    "practitioner.prescribe": lazy("New plan"),
    "practitioner.enter_time_off": lazy("My time off"),
    "sign_in.invite": lazy("Invitation of a colleague"),
    "sign_in.change_account": lazy("Account"),
}


@dataclass(frozen=True)
class Shown:
    """A draft as its page shows it. `lines`: what was typed, with the form's words; `fields`: all that is sent, unless the
    form only `asks`, or `seeks` somebody.
    """

    number: int
    title: str
    kept_at: datetime
    lines: tuple[tuple[Any, str], ...]
    path: str
    page: str
    fields: Fields
    asks: bool
    seeks: bool


def shown(draft: Kept, who: Who) -> Shown:
    written = ((_WORDS[name], value) for name, value in draft.fields if name in _WORDS and value.strip())
    lines = (*_chosen(draft, who), *written)
    title = _("A search") if draft.seeks else _FORMS.get(endpoint_at(draft.path, "POST")) or _("A form")
    # A form that was refused stood at an address that only takes forms, and this list has no form to type in.
    page = draft.page if endpoint_at(draft.page, "GET") not in ("", "sign_in.draft_list") else ""
    return Shown(
        draft.number, title, draft.kept_at, lines, draft.path, page, draft.fields, draft.asks, draft.seeks
    )


def _chosen(draft: Kept, who: Who) -> Iterator[tuple[Any, str]]:
    """Whom a visit is for, and what, when and with whom it was to be, as far as the form said."""
    said, clinic = dict(draft.fields), the_clinic_of_this_request()
    if name := _whose(draft, said, who):
        yield lazy("Patient"), name
    if found := clinic.visit_types.get(said.get("visit_type", "")):
        yield lazy("Visit"), found.name
    start, _between, whom = said.get("time", "").partition(" ")
    at = instant(start)
    if at:
        yield lazy("Time"), clinic.times.moment(at)
    elif start == "now":
        yield lazy("Time"), _("Now, as a walk-in")
    elif start and start != "other":
        # A change of a visit, where day and time are typed.
        on = day_or_none(said.get("day", ""))
        yield lazy("Time"), f"{clinic.times.day(on)}, {start}" if on else start
    if person := clinic.practitioners.get(whom or said.get("practitioner", "")):
        yield lazy("With"), person.name


def _whose(draft: Kept, said: dict[str, str], who: Who) -> str:
    """The name of the patient whom the form is about, if they are known and seen by this person."""
    with suppress(NotFound, RecordMerged):
        if said.get("patient"):
            return new_visit.known(who, said["patient"]).name
        if draft.path.startswith("/desk/visits/"):
            visit = panel.head(who, draft.path.split("/")[3])
            audit.saw_visit(who, visit.reference, visit.patient_id)
            return visit.name
    return ""
