"""A visit booked at the desk: who it is, what, and when, on one page that a keyboard gets through in seconds."""

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from flask import current_app, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _, lazy_gettext as lazy

from booking import clock
from booking.errors import (
    UNANSWERED,
    ContactCannotBeReached,
    KeyReused,
    LikelyKnown,
    NeedsReason,
    NotFound,
    NotOffered,
    PatientElsewhere,
    RecordMerged,
    Refusal,
)
from booking.formatting import iso_utc
from booking.models import Payment, Reminders, VisitKind
from booking.scheduling.latitude import Breach
from booking.scheduling.status import Status
from booking.scheduling.timeline import instant_of
from booking.services import idempotency
from booking.services.clinic import Clinic, Practitioner, VisitType
from booking.services.desk import board, new_visit, openings, panel, people
from booking.services.desk.new_visit import Known
from booking.services.desk.openings import Opening, WalkIn
from booking.services.desk.people import Found, Search
from booking.services.reminded import BY_TEXT
from booking.web import access, asked as of_form, change_words
from booking.web.desk import answers, blueprint, refusing
from booking.web.desk.new_visit_form import (
    NOW,
    OTHER,
    begun,
    chose_otherwise,
    chosen_time,
    forget,
    kept,
    put,
    sent,
    times_for,
    unreachable,
    wish_of,
    without_ours,
)
from booking.web.desk.patient_forms import FIELD_WORDS, FLAG_WORDS, LONGEST_QUESTION, Typed, american
from booking.web.desk.refusing import No
from booking.web.pages import the_clinic_of_this_request as present_clinic, today
from booking.web.staff import staff_page

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

_OF_THE_PERSON = ("first_name", "last_name", "phone", "email", "born_on")
# After these the time that was asked for may still be had.
_STILL_MEANT = {one.code for one in (KeyReused, LikelyKnown, NeedsReason, PatientElsewhere, RecordMerged)}


@dataclass(frozen=True)
class Choice:
    """A time that can be chosen: `value` is what the form sends. `soon`: sooner than the clinic's notice. `follows`: on
    the last visit that the patient has ahead.
    """

    value: str
    starts_at: datetime
    practitioner: Practitioner | None
    soon: bool
    from_board: bool = False
    follows: bool = False


@dataclass(frozen=True)
class Asked:
    """What the form is about: whom, which visit, with whom; as far as it is known yet. `likely`: the visit that it begins
    with.
    """

    known: Known | None
    visit_type: VisitType | None
    practitioner: Practitioner | None
    likely: VisitType | None

    @property
    def whom(self) -> str | None:
        """With whom, by slug; None is anyone."""
        return self.practitioner.slug if self.practitioner else None

    @property
    def can_be(self) -> bool:
        """Whether this person gives this visit; of anyone, somebody does."""
        person, wanted = self.practitioner, self.visit_type
        return wanted is not None and (person is None or wanted.slug in person.offerings)

    @property
    def new_to(self) -> str:
        """The kind of care that the patient hasn't had here, where a visit for those who have is chosen."""
        wanted = self.visit_type
        if wanted is None or wanted.kind is not VisitKind.RETURNING:
            return ""
        had = self.known.had if self.known else ()
        return "" if any(one.modality == wanted.modality for one in had) else wanted.modality.name


@blueprint.get("/book", endpoint="new_visit")
def ask_new_visit() -> ResponseReturnValue:
    """The form, with what the address says: patient, visit type, practitioner, and day and cell from the board."""
    form = begun()
    try:
        return _page(form)
    except RecordMerged as refusal:
        query = {**request.args.to_dict(), "patient": refusal.facts["into"]}
        return redirect(url_for("desk.new_visit", **query), 303)


@blueprint.post("/book")
def book_visit() -> ResponseReturnValue:
    """Books, or shows the form again: with the times of what is chosen by now, or with what is in the way."""
    form = sent()
    try:
        return _booked_or_shown(form)
    except RecordMerged as refusal:
        form.values["patient"] = refusal.facts["into"]
        return _page(form, no=_no(refusal))


def _booked_or_shown(form: Typed) -> ResponseReturnValue:
    if "move" in request.form:
        return _move_first(form)
    if "whom" in request.form:
        return _page_about(form, request.form["whom"])
    if "show" in request.form:
        return _page(form, again="again" in request.form)
    if chose_otherwise(form):
        return _page(form, other_times=True)
    wish = wish_of(form)
    if wish is None:
        return _page(form, status=422)
    key = of_form.key()
    try:
        made = new_visit.book(access.who(), wish, key=key)
    except KeyReused:
        return _booked_already(form, key)
    except ContactCannotBeReached as refusal:
        form.refuse(*unreachable(wish, refusal.facts["field"]))
        return _page(form, status=422)
    except (*UNANSWERED, RecordMerged):
        raise
    except Refusal as refusal:
        return _page(form, no=_no(refusal))
    return _done(form, made.reference, made.entry_id)


def _page_about(form: Typed, reference: str) -> ResponseReturnValue:
    """The form about one of the likely records, or, without a reference, about somebody new after all. All that was typed
    stays; not the visit that the form began with: for somebody else another one may be likely.
    """
    values = form.values
    if reference:
        likely = _asked(present_clinic(), form, None).likely
        values["guessed"] = likely is not None and values["visit_type"] == likely.slug
    else:
        without_ours(form)
    values["patient"] = reference
    return _page(form)


def _move_first(form: Typed) -> ResponseReturnValue:
    """To the patient's other visit, which is to be moved first: its page leads back here, where all stands that was typed. An
    address doesn't say what was typed about a person.
    """
    here = {"patient": form.values["patient"] or None} | _here(form, _asked(present_clinic(), form, None))
    number = kept(form, url_for("desk.new_visit", **here))
    back = url_for("desk.new_visit", kept=number, **here)
    return redirect(url_for("desk.ask_change", reference=request.form["move"], next=back), 303)


def _done(form: Typed, reference: str, entry: int) -> ResponseReturnValue:
    """Says whose visit is booked when and with whom, with a way back. A form that is sent once more after its visit was
    taken back comes with a new key.
    """
    made = panel.head(access.who(), reference)
    if made.status is Status.CANCELLED:
        no = replace(
            _no(KeyReused()),
            status=409,
            title=_("The visit that this form booked was cancelled."),
            advice=_("Nothing is booked now. Press “Book” again to book it anew."),
        )
        return _page(form, no=no)
    forget(form)
    times = made.clinic.times
    here = made.status is Status.ARRIVED
    booked = (
        _("Booked, and here: %(name)s, %(when)s, with %(practitioner)s.")
        if here
        else _("Booked: %(name)s, %(when)s, with %(practitioner)s.")
    )
    says = booked % {
        "name": made.name,
        "when": times.short_moment(made.starts_at),
        "practitioner": made.practitioner.name,
    }
    if here or not form.values["tell"]:
        says += " " + _("Nobody is written to now.")
    day = times.local_date(made.starts_at).isoformat()
    then = of_form.onward(url_for("desk.day", day=day, visit=reference))
    return answers.done(says, then, entry=entry, version=made.version)


def _booked_already(form: Typed, key: str) -> ResponseReturnValue:
    """The back button brought a form back that was sent before: the visit that it booked, or the form with a new key."""
    earlier = idempotency.answer_to(access.who().key, key)
    if earlier is not None and "entry_id" in earlier:
        return _done(form, earlier["reference"], earlier["entry_id"])
    return _page(form, no=_no(KeyReused()))


# The page


def _page(
    form: Typed, *, no: No | None = None, other_times: bool = False, again: bool = False, status: int = 200
) -> ResponseReturnValue:
    """The form. `no`: what was refused; `other_times`: its times are no longer those from which one was chosen; `again`: it
    was filled with what was typed a while ago.
    """
    clinic, who, values = present_clinic(), access.who(), form.values
    known = new_visit.known(who, values["patient"]) if values["patient"] else None
    asked = _asked(clinic, form, known)
    words = values["q"]
    search = Search(words, (), False)
    if not known and not values["new"] and words.strip() and len(words) <= LONGEST_QUESTION:
        search = people.search(who, words)
    likely = _likely(who, form) if no and no.code == LikelyKnown.code else ()
    next_visits = board.next_visits(who, (one.id for one in (*search.found, *likely)))
    stays = (no is None or no.code in _STILL_MEANT) and not (other_times or "show" in request.form)
    meant = _meant(clinic, form, asked) if stays else None
    choices = _choices(clinic, form, asked, meant, free=known is not None or bool(values["new"]))
    offered = {NOW, OTHER, *(choice.value for choice in choices)}
    if again and values["time"] not in offered:
        _say_gone(form, clinic)
    # After a refusal nothing is chosen instead of what was: Enter shall not book another time than was meant.
    if choices and not (no or other_times or form.errors) and values["time"] not in offered:
        values["time"] = _likeliest(clinic, known, choices).value
    walk_in = _walk_in(asked)
    # What comes back from a draft was typed, also where nothing was chosen.
    fresh = request.method == "GET" and "kept" not in request.args
    if known and (fresh or "whom" in request.form):
        usual = {"reminders": known.habits.reminders.value, "payment": known.habits.payment or ""}
        for name, value in usual.items():
            if value and not values[name]:
                put(form, name, value)
    return staff_page(
        "desk/new_visit.html",
        no.status if no else status,
        form=form,
        asked=asked,
        known=known,
        search=search,
        likely=likely,
        next_visits=next_visits,
        no=no,
        other_times=other_times,
        choices=choices,
        walk_in=walk_in,
        walk_in_breaks=_breaks(clinic, walk_in) if walk_in else [],
        times_for=times_for(
            asked.visit_type.slug if asked.visit_type else "",
            asked.practitioner.slug if asked.practitioner else "",
        ),
        reminders=reminders_offered(),
        payments=PAYMENTS,
        field_words=FIELD_WORDS,
        flag_words=FLAG_WORDS,
        american=american,
        person_fields=_OF_THE_PERSON,
        # What was typed for somebody new, before a record was chosen instead.
        typed=_typed_words(form) if known else [],
        key=of_form.fresh_key(),
        this_day=today(clinic),
        here=_here(form, asked),
        NOW=NOW,
        OTHER=OTHER,
    )


def _asked(clinic: Clinic, form: Typed, known: Known | None) -> Asked:
    """What is to be booked: as chosen, else what is likely; nothing, as long as it isn't known for whom."""
    person = clinic.practitioners.get(form.values["practitioner"])
    likely = None
    if known or form.values["new"]:
        likely = new_visit.likely_type(clinic, known.had if known else (), person.slug if person else None)
    chosen = clinic.visit_types.get(form.values["visit_type"])
    if likely and form.values.get("guessed"):
        put(form, "visit_type", likely.slug)
        chosen = likely
    return Asked(known, chosen or likely, person, likely)


def _meant(clinic: Clinic, form: Typed, asked: Asked) -> Choice | None:
    """The time that was chosen of those shown, if one was."""
    starts_at, whom = chosen_time(form)
    if starts_at is None:
        return None
    person = clinic.practitioners.get(whom)
    return replace(_choice(starts_at, person, _soon(asked, starts_at)), value=form.values["time"])


def _choices(
    clinic: Clinic, form: Typed, asked: Asked, meant: Choice | None, *, free: bool
) -> tuple[Choice, ...]:
    """The time that the board gave first; then, once it is known for whom and which visit, what follows on the last one, and
    the next free ones. Before them what is `meant`, where it isn't among them.
    """
    found: dict[str, Choice] = {}
    on, cell = of_form.day_or_none(form.values["day"]), of_form.cell(form.values["cell"])
    if cell is not None:
        starts_at = instant_of(cell)
        choice = _choice(starts_at, asked.practitioner, _soon(asked, starts_at), from_board=True)
        found[choice.value] = choice
    if not free:
        return tuple(found.values())
    first = of_form.day_or_none(form.values["from"]) or on
    # Whoever asks for a place or a day of the board, or looks from another day on, has something else in mind.
    if cell is None and first in (None, today(clinic)):
        for one in _follows(clinic, asked):
            choice = _choice(one.starts_at, one.practitioner, one.soon, follows=True)
            found.setdefault(choice.value, choice)
    for one in _openings(asked, first):
        choice = _choice(one.starts_at, one.practitioner, one.soon)
        found.setdefault(choice.value, choice)
    if meant and meant.value not in found:
        return (meant, *found.values())
    return tuple(found.values())


def _say_gone(form: Typed, clinic: Clinic) -> None:
    """The time that was chosen a while ago, if one was, isn't offered any more."""
    chosen, _whom = chosen_time(form)
    if chosen:
        when = clinic.times.short_moment(chosen)
        words = _(
            "%(when)s, which you had chosen, isn’t free any more. Please choose another time.", when=when
        )
        form.refuse("time", words)


def _likeliest(clinic: Clinic, known: Known | None, choices: tuple[Choice, ...]) -> Choice:
    """What the board gave; else the first time that is neither sooner than the notice nor on a day on which the patient
    comes anyway, if there is such a one.
    """
    local_date = clinic.times.local_date
    days = {local_date(one.starts_at) for one in known.upcoming} if known else set()

    def doubt(one: Choice) -> tuple[bool, bool]:
        return (False, False) if one.from_board else (one.soon, local_date(one.starts_at) in days)

    return min(choices, key=doubt)


def _follows(clinic: Clinic, asked: Asked) -> tuple[Opening, ...]:
    """The time after the patient's last visit, if they have one ahead."""
    if asked.visit_type is None or not asked.can_be or asked.known is None:
        return ()
    try:
        found = openings.proposed(clinic, asked.visit_type, asked.whom, asked.known)
    except (NotOffered, NotFound):
        return ()
    return (found,) if found else ()


def _openings(asked: Asked, first: date | None) -> tuple[Opening, ...]:
    if asked.visit_type is None or not asked.can_be:
        return ()
    try:
        return openings.next_times(asked.visit_type.slug, asked.whom, first, besides=asked.known)
    except (NotOffered, NotFound):
        return ()


def _walk_in(asked: Asked) -> WalkIn | None:
    """Whom somebody who walks in now would see; None where that isn't asked yet, or nobody is free."""
    if asked.visit_type is None or not asked.can_be:
        return None
    try:
        return openings.walk_in(asked.visit_type.slug, asked.whom, asked.known)
    except (NotOffered, NotFound):
        return None


def _breaks(clinic: Clinic, walk_in: WalkIn) -> list[str]:
    """What it would be asked a reason for; out of hours, when the person is in."""
    hours = [code for code in walk_in.breaches if code is Breach.OUTSIDE_HOURS]
    others = [code for code in walk_in.breaches if code is not Breach.OUTSIDE_HOURS]
    return [*(_when_in(clinic, walk_in) for _code in hours), *change_words.breaches(clinic, others, {})]


def _when_in(clinic: Clinic, walk_in: WalkIn) -> str:
    name, now = walk_in.practitioner.name, clock.now()
    if walk_in.hours is None:
        return _("%(name)s isn't in today.", name=name)
    begins, ends = walk_in.hours
    if now < begins:
        return _("%(name)s's day begins at %(time)s.", name=name, time=clinic.times.time(begins))
    if now < ends:
        return _("%(name)s's day ends at %(time)s.", name=name, time=clinic.times.time(ends))
    return _("%(name)s's day ended at %(time)s.", name=name, time=clinic.times.time(ends))


def _soon(asked: Asked, starts_at: datetime) -> bool:
    wanted = asked.visit_type
    return wanted is not None and openings.is_soon(wanted, starts_at, clock.now())


def _choice(starts_at: datetime, practitioner: Practitioner | None, soon: bool, **where_from: bool) -> Choice:
    value = f"{iso_utc(starts_at)} {practitioner.slug if practitioner else ''}".strip()
    return Choice(value, starts_at, practitioner, soon, **where_from)


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


def _typed_words(form: Typed) -> list[str]:
    first, last, *rest = (form.values[name].strip() for name in _OF_THE_PERSON)
    return [words for words in (f"{first} {last}".strip(), *rest) if words]


def _no(refused: Refusal) -> No:
    no = refusing.no(refused, present_clinic())
    if isinstance(refused, NotOffered):
        no = replace(no, advice=_("Please choose somebody who gives this visit, or another time."))
    return no


def reminders_offered() -> dict[Reminders, Any]:
    texts = current_app.config["BOOKING"].offers_texts
    return {kind: words for kind, words in REMINDERS.items() if texts or kind not in BY_TEXT}


def _here(form: Typed, asked: Asked) -> dict[str, str]:
    """What links of this page carry on: what is to be booked and when, never what was typed about a person. The visit that
    the form began with is none that was chosen: for somebody else another one may be likely.
    """
    names = ("visit_type", "practitioner", "from", "day", "cell", "next")
    here = {name: form.values[name] for name in names if form.values[name]}
    if asked.likely and here.get("visit_type") == asked.likely.slug:
        del here["visit_type"]
    return here
