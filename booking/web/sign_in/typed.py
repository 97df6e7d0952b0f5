"""What was typed before a screen locked, in the words of its form: a person reads no names of fields."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import current_app
from flask_babel import gettext as _, lazy_gettext as lazy
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from booking.services.staff.drafts import Fields, Kept

# What people type, as forms call it; whatever else a form sends was chosen, or says where it belongs.
_WORDS = {
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
    "practitioner.enter_time_off": lazy("My time off"),
    "sign_in.invite": lazy("Invitation of a colleague"),
    "sign_in.change_account": lazy("Account"),
}


@dataclass(frozen=True)
class Shown:
    """A draft as its page shows it. `lines`: what was typed, with the form's words; `fields`: all that is sent."""

    number: int
    title: str
    kept_at: datetime
    lines: tuple[tuple[Any, str], ...]
    path: str
    page: str
    fields: Fields


def shown(draft: Kept) -> Shown:
    lines = tuple((_WORDS[name], value) for name, value in draft.fields if name in _WORDS and value.strip())
    title = _FORMS.get(_endpoint(draft.path, "POST")) or _("A form")
    # A form that was refused stood at an address that only takes forms, and this list has no form to type in.
    page = draft.page if _endpoint(draft.page, "GET") not in ("", "sign_in.draft_list") else ""
    return Shown(draft.number, title, draft.kept_at, lines, draft.path, page, draft.fields)


def _endpoint(path: str, method: str) -> str:
    """Where an address leads, as the table of access calls it; nothing for what is no longer there."""
    try:
        endpoint, _values = current_app.url_map.bind("").match(path.partition("?")[0], method=method)
    except (HTTPException, RequestRedirect):
        return ""
    return str(endpoint)
