"""A visit booked at the desk: who it is, what, and when, on one page that a keyboard gets through in seconds."""

from dataclasses import dataclass, replace
from datetime import date, datetime, time
from typing import Any

from flask import current_app, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _, lazy_gettext as lazy

from booking import clock
from booking.errors import (
    ContactCannotBeReached,
    KeyReused,
    LikelyKnown,
    NotFound,
    NotOffered,
    RecordMerged,
    Refusal,
)
from booking.formatting import iso_utc
from booking.models import BookableBy, Payment, Reminders, VisitKind
from booking.scheduling.hours import instant_at
from booking.scheduling.timeline import CELL_SECONDS, instant_of
from booking.services import idempotency
from booking.services.clinic import Clinic, Practitioner, VisitType
from booking.services.desk import new_visit, people
from booking.services.desk.new_visit import DeskWish, Known, NewPatient
from booking.services.desk.people import Found, Search
from booking.services.search import FreeTime
from booking.web import access, contacts
from booking.web.desk import answers, blueprint, saying
from booking.web.desk.patient_forms import FLAG_WORDS, Typed, american
from booking.web.desk.saying import No
from booking.web.free import instant
from booking.web.pages import the_clinic_of_this_request as present_clinic, today
from booking.web.staff import staff_page

LONGEST_QUESTION = 200
_FURTHEST_CELL = 2**31 // CELL_SECONDS

REMINDERS = {
    Reminders.EMAIL: lazy("By e-mail"),
    Reminders.TEXT: lazy("By text message"),
    Reminders.BOTH: lazy("By both"),
    Reminders.CALL: lazy("By a phone call"),
    Reminders.NONE: lazy("None"),
}
PAYMENTS = {
    Payment.INSURANCE: lazy("Insurance"),
    Payment.MEDICARE_ADVANTAGE: lazy("Medicare Advantage"),
    Payment.ORIGINAL_MEDICARE: lazy("Original Medicare"),
    Payment.SELF: lazy("Pays themselves"),
    Payment.NOT_SURE: lazy("Not sure"),
}
_FIELDS = (
    "patient", "new", "first_name", "last_name", "phone", "email", "born_on", "visit_type", "practitioner", "from",
    "time", "other_day", "other_time", "reminders", "payment", "note", "reason", "q", "next", "day", "cell",
)  # fmt: skip
NOW, OTHER = "now", "other"


@dataclass(frozen=True)
class Choice:
    """A time that can be chosen: `value` is what the form sends."""

    value: str
    starts_at: datetime
    practitioner: Practitioner | None
    from_board: bool = False


@dataclass(frozen=True)
class Asked:
    """What the form is about: whom, which visit, with whom; as far as it is known yet."""

    known: Known | None
    visit_type: VisitType
    practitioner: str | None


@blueprint.get("/book", endpoint="new_visit")
def new_visit_form() -> ResponseReturnValue:
    """The form, with what the address says: patient, visit type, practitioner, and day and cell from the board."""
    form = Typed({name: request.args.get(name, "") for name in _FIELDS})
    form.values |= {"tell": "1", "not": []}
    if form.values["new"] and not form.values["first_name"] + form.values["last_name"]:
        _prefill(form)
    try:
        return _page(form)
    except RecordMerged as refusal:
        query = {**request.args.to_dict(), "patient": refusal.facts["into"]}
        return redirect(url_for("desk.new_visit", **query), 303)


@blueprint.post("/book")
def book_visit() -> ResponseReturnValue:
    """Books, or shows the form again: with the times of another visit type, or with what is in the way."""
    form = Typed({name: request.form.get(name, "") for name in _FIELDS})
    form.values["tell"] = request.form.get("tell", "")
    form.values["not"] = request.form.getlist("not")
    form.values["text_consent"] = request.form.get("text_consent", "")
    if "show" in request.form:
        return _page(form)
    wish = _wish(form)
    if wish is None:
        return _page(form, status=422)
    key = answers.key()
    try:
        made = new_visit.book(access.who(), wish, key=key)
    except KeyReused:
        return _booked_already(form, key)
    except ContactCannotBeReached as refusal:
        form.refuse(refusal.facts["field"], _unreachable(refusal.facts["field"]))
        return _page(form, status=422)
    except RecordMerged as refusal:
        form.values["patient"] = refusal.facts["into"]
        return _page(form, refused=refusal)
    except Refusal as refusal:
        if saying.staff_words_for(refusal).status == 503:
            raise
        return _page(form, refused=refusal)
    return _done(made.reference, made.starts_at, wish.tell)


def _done(reference: str, starts_at: str, tell: bool) -> ResponseReturnValue:
    clinic = present_clinic()
    moment = datetime.fromisoformat(starts_at)
    day = clinic.times.local_date(moment).isoformat()
    then = answers.onward(url_for("desk.day", day=day, visit=reference))
    says = _("Booked: %(when)s.", when=clinic.times.short_moment(moment))
    if not tell:
        says += " " + _("Nobody is written to now.")
    return answers.done(says, then)


def _booked_already(form: Typed, key: str) -> ResponseReturnValue:
    """The back button brought a form back that was sent before: the visit that it booked, or the form with a new key."""
    earlier = idempotency.answer_to(access.who().key, key)
    if earlier is not None and "starts_at" in earlier:
        return _done(earlier["reference"], earlier["starts_at"], True)
    return _page(form, refused=KeyReused())


# What was typed, understood


def _wish(form: Typed) -> DeskWish | None:
    """What is to be booked, or None with the errors beside the fields."""
    values = form.values
    patient = _patient(form)
    clinic = present_clinic()
    visit_type = values["visit_type"]
    if visit_type not in clinic.visit_types:
        form.refuse("visit_type", _("Please choose a visit."))
    starts_at, whom = _time(form, clinic)
    if whom and whom not in clinic.practitioners:
        form.refuse("practitioner", _("Please choose who gives it."))
    reminders = _one_of(form, "reminders", Reminders)
    payment = _one_of(form, "payment", Payment)
    form.understand("note", contacts.note)
    reason = answers.reason()
    if values["time"] == NOW and not reason:
        reason = _("Walk-in")
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
        reason=reason,
        tell=bool(values["tell"]),
    )


def _patient(form: Typed) -> str | NewPatient | None:
    if form.values["patient"]:
        return str(form.values["patient"])
    if not form.values["new"]:
        form.refuse("q", _("Please choose the patient, or press “Somebody new”."))
        return None
    form.understand_person()
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


def _time(form: Typed, clinic: Clinic) -> tuple[datetime | None, str]:
    """When, and with whom: a time that was shown, now, or a day and a time that were typed."""
    values = form.values
    if values["time"] == NOW:
        now = clock.now()
        return instant_of(int(now.timestamp()) // CELL_SECONDS), values["practitioner"]
    if values["time"] == OTHER:
        on = answers.day_or_none(values["other_day"])
        wall = _wall_time(values["other_time"])
        if on is None or wall is None:
            form.refuse("other_day", _("Please write the day and the time. Times go by five minutes."))
            return None, ""
        moment = instant_at(on, wall, clinic.zone)
        if moment is None:
            form.refuse("other_day", _("The clock jumps over this time on that day. Please choose another."))
        return moment, values["practitioner"]
    start, _between, whom = values["time"].partition(" ")
    found = instant(start)
    if found is None:
        form.refuse("time", _("Please choose a time."))
    return found, whom or values["practitioner"]


def _wall_time(words: str) -> time | None:
    try:
        found = time.fromisoformat(words) if len(words) == 5 else None
    except ValueError:
        return None
    return found if found is not None and found.minute % 5 == 0 else None


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


# The page


def _page(form: Typed, *, refused: Refusal | None = None, status: int = 200) -> ResponseReturnValue:
    clinic, who, values = present_clinic(), access.who(), form.values
    known = new_visit.known(who, values["patient"]) if values["patient"] else None
    asked = _asked(clinic, form, known)
    words = values["q"]
    search = Search(words, (), False)
    if not known and not values["new"] and words.strip() and len(words) <= LONGEST_QUESTION:
        search = people.search(who, words)
    no = _no(refused, clinic)
    if no:
        status = no.status
    likely = _likely(who, form) if isinstance(refused, LikelyKnown) else ()
    choices = _choices(clinic, form, asked, free=known is not None or bool(values["new"]))
    offered = {NOW, OTHER, *(choice.value for choice in choices)}
    # After a refusal nothing is chosen instead of what was: Enter shall not book another time than was meant.
    if choices and not refused and not form.errors and values["time"] not in offered:
        values["time"] = choices[0].value
    reminders = values["reminders"] or (known.habits.reminders.value if known else "")
    return staff_page(
        "desk/new_visit.html",
        status,
        form=form,
        asked=asked,
        known=known,
        search=search,
        likely=likely,
        no=no,
        choices=choices,
        people=clinic.who_offers(asked.visit_type, BookableBy.STAFF),
        reminders=_reminders(),
        chosen_reminders=reminders,
        payments=PAYMENTS,
        chosen_payment=values["payment"]
        or (known.habits.payment.value if known and known.habits.payment else ""),
        flag_words=FLAG_WORDS,
        american=american,
        key=answers.fresh_key(),
        this_day=today(clinic),
        here=_here(form),
        NOW=NOW,
        OTHER=OTHER,
    )


def _asked(clinic: Clinic, form: Typed, known: Known | None) -> Asked:
    """What is to be booked: as chosen, else as last time, else the first of the list that isn't a first visit."""
    wanted = form.values["visit_type"] or (known.habits.visit_type if known else "") or ""
    types = list(clinic.visit_types.values())
    usual = next((one for one in types if one.kind is not VisitKind.FIRST), types[0])
    visit_type = clinic.visit_types.get(wanted, usual)
    form.values["visit_type"] = visit_type.slug
    whom = form.values["practitioner"]
    person = clinic.practitioners.get(whom)
    if person is not None and visit_type.slug not in person.offerings and not form.values["cell"]:
        person = None
    return Asked(known, visit_type, person.slug if person else None)


def _choices(clinic: Clinic, form: Typed, asked: Asked, *, free: bool) -> tuple[Choice, ...]:
    """The time that the board gave first; then the next free ones, once it is known for whom."""
    found: list[Choice] = []
    on, cell = answers.day_or_none(form.values["day"]), _cell(form.values["cell"])
    if cell is not None:
        person = clinic.practitioners.get(form.values["practitioner"])
        starts_at = instant_of(cell)
        value = f"{iso_utc(starts_at)} {person.slug if person else ''}".strip()
        found.append(Choice(value, starts_at, person, from_board=True))
    if not free:
        return tuple(found)
    first: date | None = answers.day_or_none(form.values["from"]) or on
    try:
        times = new_visit.next_times(asked.visit_type.slug, asked.practitioner, first, besides=asked.known)
    except (NotOffered, NotFound):
        times = ()
    taken = {choice.value for choice in found}
    found += [choice for one in times if (choice := _choice(one)).value not in taken]
    return tuple(found)


def _choice(free: FreeTime) -> Choice:
    return Choice(f"{iso_utc(free.starts_at)} {free.practitioner.slug}", free.starts_at, free.practitioner)


def _cell(words: str) -> int | None:
    if not (words.isascii() and words.isdigit() and len(words) < 10):
        return None
    cell = int(words)
    return cell if 0 < cell < _FURTHEST_CELL else None


def _likely(who: Any, form: Typed) -> tuple[Found, ...]:
    read = form.read
    found = people.alike(
        who,
        read.get("first_name") or "",
        read.get("last_name") or "",
        email=read.get("email"),
        phone=read.get("phone"),
        born_on=read.get("born_on"),
    )
    form.values["not"] = [one.reference for one in found]
    return found


def _no(refused: Refusal | None, clinic: Clinic) -> No | None:
    if refused is None:
        return None
    no = saying.no(refused, clinic)
    if isinstance(refused, NotOffered):
        no = replace(no, advice=_("Please choose somebody who gives this visit, or another time."))
    return no


def _reminders() -> dict[Reminders, Any]:
    texts = current_app.config["BOOKING"].texts != "none"
    return {
        kind: words
        for kind, words in REMINDERS.items()
        if texts or kind not in (Reminders.TEXT, Reminders.BOTH)
    }


def _here(form: Typed) -> dict[str, str]:
    """What links of this page carry on: what is to be booked and when, never what was typed about a person."""
    names = ("visit_type", "practitioner", "from", "day", "cell", "next")
    return {name: form.values[name] for name in names if form.values[name]}


def _unreachable(field: str) -> str:
    return {
        "email": _("To be reminded by e-mail, an address is needed."),
        "phone": _("To be reminded by phone, a number is needed."),
        "text_consent": _("To be texted, they have to agree. Please ask, and tick it."),
    }.get(field, _("Please choose other reminders."))
