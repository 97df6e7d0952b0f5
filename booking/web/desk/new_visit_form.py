"""What the form of a visit booked at the desk says: whom, which visit, and when; what isn't understood is said beside it."""

from contextlib import suppress
from datetime import datetime
from typing import Any

from flask import request, url_for
from flask_babel import gettext as _
from werkzeug.datastructures import MultiDict

from booking import clock
from booking.errors import NotFound
from booking.models import Payment, Reminders
from booking.scheduling.hours import instant_at
from booking.scheduling.timeline import cell_in, instant_of
from booking.services.clinic import Clinic
from booking.services.desk.new_visit import DeskWish, NewPatient
from booking.services.staff import drafts
from booking.web import access, asked as of_form, contacts
from booking.web.desk.patient_forms import LONGEST_QUESTION, Typed
from booking.web.free import instant
from booking.web.numerals import whole
from booking.web.pages import the_clinic_of_this_request as present_clinic

_FIELDS = (
    "patient", "new", "first_name", "last_name", "phone", "email", "born_on", "visit_type", "practitioner", "from",
    "time", "other_day", "other_time", "reminders", "payment", "note", "reason", "q", "next", "day", "cell", "now_with",
    "kept",
)  # fmt: skip
# The times that aren't chosen from those shown: this moment, and one that is typed.
NOW, OTHER = "now", "other"


def begun() -> Typed:
    """The form with what the address says, or as it was kept."""
    number = whole(request.args.get("kept"))
    for draft in drafts.of(access.who().account_id) if number else ():
        if draft.number == number and draft.path == _path():
            # The record that stands may be another one by now: the address says which.
            now = [("patient", request.args.get("patient", "")), ("kept", str(number))]
            return _typed(MultiDict([*now, *map(tuple, draft.fields)]))
    form = Typed({name: request.args.get(name, "") for name in _FIELDS})
    form.values |= {"tell": "1", "not": [], "ours": []}
    if form.values["new"] and not form.values["first_name"] + form.values["last_name"]:
        _prefill(form)
    return form


def sent() -> Typed:
    """The form as it was sent."""
    return _typed(request.form)


def _typed(given: MultiDict[str, str]) -> Typed:
    form = Typed({name: given.get(name, "") for name in (*_FIELDS, "tell", "text_consent")})
    form.values |= {"not": given.getlist("not"), "ours": given.getlist("ours")}
    return form


def kept(form: Typed, page: str) -> int | None:
    """Keeps the form as it was sent, instead of as it was kept before, while something else is done first; `page`: where it is
    asked for. Returns its number, or None for what is absurdly long.
    """
    forget(form)
    fields = [pair for pair in request.form.items(multi=True) if pair[0] not in ("kept", "move")]
    return drafts.keep(access.who().account_id, _path(), fields, page=page)


def forget(form: Typed) -> None:
    """What was kept of a form that is booked is no draft any more."""
    number = whole(form.values["kept"])
    if number:
        with suppress(NotFound):
            drafts.forget(access.who().account_id, number)


def put(form: Typed, name: str, value: str) -> None:
    """What nobody has said yet, as it is likely for this patient. It is kept apart from what was typed."""
    form.values[name] = value
    form.values["ours"].append(f"{name} {value}")


def without_ours(form: Typed) -> None:
    """Leaves what was typed: for another person something else is likely."""
    for name, _between, value in (one.partition(" ") for one in form.values["ours"]):
        if form.values.get(name) == value:
            form.values[name] = ""
    form.values["ours"] = []


def _path() -> str:
    return url_for("desk.book_visit")


def chose_otherwise(form: Typed) -> bool:
    """Whether the times in the form were made for another visit or another person than is chosen by now: without
    JavaScript nothing else notices.
    """
    values, made_for = form.values, request.form.get("times_for")
    return (
        made_for is not None
        and made_for != times_for(values["visit_type"], values["practitioner"])
        and values["visit_type"] in {"", *present_clinic().visit_types}
        and values["time"] not in (NOW, OTHER)
    )


def times_for(visit_type: str, practitioner: str) -> str:
    """What times are made for, as the form sends it back."""
    return f"{visit_type} {practitioner}"


def wish_of(form: Typed) -> DeskWish | None:
    """What is to be booked, or None with the errors beside the fields."""
    values = form.values
    patient = _patient(form)
    clinic = present_clinic()
    visit_type = values["visit_type"]
    if visit_type not in clinic.visit_types:
        form.refuse("visit_type", _("Please choose a visit."))
    starts_at, whom = time_of(form, clinic)
    if values["time"] == NOW and not whom and request.form.get("times_for") == times_for(visit_type, ""):
        # The person whom the form named, as long as it is about the same visit.
        whom = values["now_with"]
    if whom and whom not in clinic.practitioners:
        form.refuse("practitioner", _("Please choose who gives it."))
    reminders = _one_of(form, "reminders", Reminders)
    payment = _one_of(form, "payment", Payment)
    form.understand("note", contacts.note)
    here = values["time"] == NOW
    if form.errors or patient is None or starts_at is None:
        return None
    return DeskWish(
        patient=patient,
        visit_type=visit_type,
        practitioner=whom or None,
        starts_at=starts_at,
        reminders=reminders,
        payment=payment,
        note=form.read["note"] or "",
        text_consent=bool(values["text_consent"]),
        reason=of_form.reason(),
        short_notice=_("Walk-in") if here else _("By telephone, on short notice"),
        tell=bool(values["tell"]),
        here=here,
    )


def _patient(form: Typed) -> str | NewPatient | None:
    if form.values["patient"]:
        return str(form.values["patient"])
    if not form.values["new"]:
        form.refuse("q", _("Please choose the patient, or press “Somebody new”."))
        return None
    form.understand_person(reachable=form.values["time"] != NOW)
    read = form.read
    if not read["first_name"] or not read["last_name"]:
        return None
    return NewPatient(
        read["first_name"],
        read["last_name"],
        read["phone"],
        read["email"],
        read["born_on"],
        tuple(form.values["not"]),
    )


def time_of(form: Typed, clinic: Clinic) -> tuple[datetime | None, str]:
    """When, and with whom: a time that was shown, now, or a day and a time that were typed."""
    values = form.values
    if values["time"] == NOW:
        now = clock.now()
        return instant_of(cell_in(now)), values["practitioner"]
    if values["time"] == OTHER:
        on = of_form.day_or_none(values["other_day"])
        wall = of_form.wall_time(values["other_time"])
        if on is None or wall is None:
            form.refuse("other_day", _("Please write the day and the time. Times go by five minutes."))
            return None, ""
        moment = instant_at(on, wall, clinic.zone)
        if moment is None:
            form.refuse("other_day", _("The clock jumps over this time on that day. Please choose another."))
        return moment, values["practitioner"]
    found, whom = chosen_time(form)
    if found is None:
        form.refuse("time", _("Please choose a time."))
    return found, whom


def chosen_time(form: Typed) -> tuple[datetime | None, str]:
    """The time that was chosen of those shown, if one was, and with whom."""
    start, _between, whom = form.values["time"].partition(" ")
    return instant(start), whom or form.values["practitioner"]


def _one_of(form: Typed, name: str, kind: Any) -> Any:
    words = form.values[name]
    if not words:
        return None
    try:
        return kind(words)
    except ValueError:
        form.refuse(name, _("Please choose from the list."))
        return None


def _prefill(form: Typed) -> None:
    """What was typed to find somebody is the beginning of a new record."""
    words = form.values["q"][:LONGEST_QUESTION].strip()
    if "@" in words:
        form.values["email"] = words
    elif any(letter.isdigit() for letter in words):
        form.values["phone"] = words
    else:
        first, _space, last = words.partition(" ")
        form.values["first_name"], form.values["last_name"] = first.title(), last.title()


def unreachable(wish: DeskWish, field: str) -> tuple[str, str]:
    """The field, and what is missing."""
    if isinstance(wish.patient, str) and wish.reminders in (None, Reminders.NONE):
        return "patient", _(
            "The record has no phone number and no e-mail address. Please open it and write one; one is enough."
        )
    words = {
        "email": _("To be reminded by e-mail, an address is needed."),
        "phone": _("To be reminded by phone, a number is needed."),
        "text_consent": _("To be texted, they have to agree. Please ask, and tick it."),
    }
    return field, words.get(field, _("Please choose other reminders."))
