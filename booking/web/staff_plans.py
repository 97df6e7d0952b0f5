"""Treatment plans as all staff see them: a plan's page, its link, and the board of those that run.

The desk and practitioners have these pages under addresses of their own; `ways` are those of whoever asks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from flask import abort, current_app, flash, get_flashed_messages, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _, lazy_gettext as lazy
from markupsafe import Markup

from booking import clock
from booking.errors import NotChangeable
from booking.models import Actor, Channel, PlanStatus
from booking.services import notices
from booking.services.plans import adherence, handing_over, prescribing, reading, taking_back
from booking.services.plans.adherence import Adherence, BoardWeek, Fate, Need, Row
from booking.services.plans.holding import held_for
from booking.services.plans.reading import PlanNote, PlanView
from booking.services.plans.said import (
    ASKED_FOR,
    ENDED,
    EXTENDED,
    GIVEN_UP,
    LOOK_BOOKED,
    MADE_FIRM,
    MADE_UP,
    NEEDED,
    NOT_NEEDED,
    OFFERED_MAKE_UP,
    PAUSED,
    TAKEN_BACK,
    TOLD,
    WENT_ON,
)
from booking.services.staff import audit
from booking.web import access, asked, course_words, plan_next, prescriptions
from booking.web.codes import for_a_camera
from booking.web.pages import the_clinic_of_this_request, today
from booking.web.staff import staff_page
from booking.web.visit_words import STANDINGS, whom


@dataclass(frozen=True)
class Ways:
    """Where an audience has its pages. `book`: where a plan that was prescribed is booked, or "" where it isn't."""

    plan: str
    plans: str
    link: str
    send: str
    withdraw: str
    visit: str
    change: str
    patient: str = "desk.patient"
    book: str = ""


STATUSES = {
    PlanStatus.PRESCRIBED: ("○", lazy("Not booked yet"), "amber"),
    PlanStatus.RUNNING: ("●", lazy("Runs"), "green"),
    PlanStatus.PAUSED: ("‖", lazy("Paused"), "amber"),
    PlanStatus.STOPPED: ("✕", lazy("Stopped"), "slate"),
    PlanStatus.COMPLETED: ("✔", lazy("Completed"), "slate"),
}
# A symbol, a word, and the colour's name: never colour alone.
MARKS = {
    Fate.ATTENDED: ("✔", lazy("came"), "green"),
    Fate.MADE_UP: ("↺", lazy("made up"), "slate"),
    Fate.MISSED: ("✕", lazy("missed or given up"), "clay"),
    Fate.BOOKED: ("●", lazy("booked"), "blue"),
    Fate.PENCILED: ("◌", lazy("penciled in"), "blue"),
    Fate.LEFT: ("□", lazy("not booked"), "amber"),
}
NEEDS = {
    Need.GIVEN_UP: (lazy("Has cancelled all later visits"), "clay"),
    Need.UNTOLD: (lazy("To be told what was decided"), "clay"),
    Need.STOPPED: (lazy("Has stopped coming"), "clay"),
    Need.UNDECIDED: (lazy("To be decided"), "clay"),
    Need.UNCONFIRMED: (lazy("To be confirmed"), "clay"),
    Need.NO_FIRST_VISIT: (lazy("No first visit yet"), "amber"),
    Need.SHORT: (lazy("Short of visits"), "amber"),
    Need.NO_REASSESSMENT: (lazy("No reassessment booked"), "amber"),
    Need.GATE: (lazy("Reassessment soon"), "blue"),
    Need.ALLOWANCE: (lazy("Allowance ends"), "amber"),
    Need.NOT_CONFIRMED: (lazy("Not confirmed yet"), "slate"),
    Need.NOT_BOOKED: (lazy("Not booked yet"), "slate"),
    Need.PAUSED: (lazy("Paused"), "slate"),
}
_HAPPENED = {
    "prescribed": lazy("Prescribed"),
    "booked": lazy("Booked"),
    "withdrawn": lazy("Taken back before it was booked"),
    "confirmed": lazy("Confirmed"),
    "stopped": lazy("Stopped"),
    ENDED: lazy("Ended: nothing of it is ahead or missing"),
    PAUSED: lazy("Paused"),
    WENT_ON: lazy("Ended the pause sooner"),
    "decided": lazy("Decided how it goes on"),
    TOLD: lazy("Told the patient what was decided"),
    "changed doses": lazy("Changed how often they come"),
    LOOK_BOOKED: lazy("Booked a reassessment"),
    MADE_FIRM: lazy("Made the next visit firm, in place of one that was missed or cancelled"),
    "moved": lazy("Moved visits"),
    GIVEN_UP: lazy("Cancelled one visit and all later ones"),
    EXTENDED: lazy("Extended: what was missing has further weeks"),
    MADE_UP: lazy("Booked a visit in place of one that was missed or cancelled"),
    ASKED_FOR: lazy("Chose a time about which the payer is to be asked first"),
    OFFERED_MAKE_UP: lazy("Times in place of a visit that was missed or cancelled were sent"),
    "gave way": lazy("A penciled visit gave way to another one"),
    "came back": lazy("A penciled visit that gave way is back"),
    "contact corrected": lazy("Corrected where we write to"),
    "reminders changed": lazy("Reminders changed"),
    "name corrected": lazy("Corrected the name"),
}
# By whether somebody had seen the patient by then; of what was kept before that was, it isn't said.
_WHEN = {
    ("confirmed", True): lazy("Confirmed after the examination"),
    ("confirmed", False): lazy("Confirmed before the examination"),
    ("decided", True): lazy("Decided after a reassessment"),
    ("decided", False): lazy("Decided before the reassessment"),
}


# A plan's page


def plan_page(ways: Ways, reference: str, *, back: str = "") -> ResponseReturnValue:
    """A plan with its weeks and doses, its history, and what may be done with it."""
    plan, notes = reading.opened(access.who(), reference), reading.notes(access.who(), reference)
    undone = {note.facts["entry"] for note in notes if note.what == TAKEN_BACK}
    undo = taking_back.possible(access.who(), reference)
    return staff_page(
        "staff/plan.html",
        clinic=plan.clinic,
        plan=plan,
        prescribed=course_words.prescribed(plan.clinic, plan.course),
        ways=ways,
        stands_as=STATUSES[plan.stands_as],
        standings=STANDINGS,
        history=[
            (note, happened(note), whom(plan.clinic, note.actor, note.name), note.id in undone)
            for note in reversed(notes)
        ],
        undo=undo,
        last=next((happened(note) for note in notes if undo and note.id == undo.entry), ""),
        not_needed=_not_needed(plan, notes),
        just_said=get_flashed_messages(category_filter=["plan-not-needed"]),
        agreed=_agreed(plan, notes),
        whose=handing_over.patient_of(access.who(), reference),
        totals=_totals(plan),
        marks_of=[
            [(one.care.modality.name, one.fates) for one in adherence.cares_of(week)] for week in plan.weeks
        ],
        said=_marks_said,
        opened=next((week.number for week in plan.weeks if week.left), 0),
        this_day=today(plan.clinic),
        now=clock.now(),
        told=get_flashed_messages(category_filter=["plan"]),
        troubles=get_flashed_messages(category_filter=["plan-trouble"]),
        next=plan_next.offered(plan),
        kept=held_for(reference) if plan.status is PlanStatus.PRESCRIBED else None,
        is_called=is_called(plan),
        patients_may="desk.patient" in current_app.view_functions
        and access.may(access.who(), "desk.patient"),
        back=back,
        key=asked.fresh_key(),
    )


@dataclass(frozen=True)
class Total:
    """What became of one kind of care in the whole plan."""

    name: str
    prescribed: int
    most: int
    booked: int
    attended: int
    missed: int
    made_up: int
    left: int


def _totals(plan: PlanView) -> list[Total]:
    found = []
    for care in dict.fromkeys(dose.care for week in plan.weeks for dose in week.doses):
        doses = [dose for week in plan.weeks for dose in week.doses if dose.care == care]
        found.append(
            Total(
                care.modality.name,
                prescribed=sum(one.fewest for one in doses),
                most=sum(one.most for one in doses),
                booked=sum(one.booked for one in doses),
                attended=sum(one.attended for one in doses),
                missed=sum(one.missed for one in doses),
                made_up=sum(one.made_up for one in doses),
                left=sum(one.left for one in doses),
            )
        )
    return found


def _not_needed(plan: PlanView, notes: Sequence[PlanNote]) -> list[tuple[PlanNote, str]]:
    """What was said of missing visits and can be taken back, each with its kind of care."""
    if plan.status is not PlanStatus.RUNNING:
        return []
    taken_back = {note.facts["entry"] for note in notes if note.what == NEEDED}
    came = {one.reference for one in plan.standing}
    return [
        (note, plan.clinic.visit_type(note.facts["care"]).modality.name)
        for note in notes
        if note.what == NOT_NEEDED and note.id not in taken_back and note.facts.get("visit") not in came
    ]


def happened(note: PlanNote) -> str:
    """What was done, in words."""
    if note.what == NOT_NEEDED:
        return _("A missing visit of week %(number)d isn’t needed", number=note.facts["week"] + 1)
    if note.what == NEEDED:
        return _("A missing visit of week %(number)d is needed after all", number=note.facts["week"] + 1)
    if note.what == TAKEN_BACK:
        undid = note.facts["undid"]
        return _("Taken back: %(what)s", what=_HAPPENED.get(undid, undid))
    words = str(
        _WHEN.get((note.what, note.facts.get("examined", note.facts.get("seen"))))
        or _HAPPENED.get(note.what)
        or note.what.replace("_", " ").capitalize()
    )
    if "agreed" in note.facts:
        return _(
            "%(what)s; the patient agreed: %(how)s",
            what=words,
            how=prescriptions.agreed(note.facts["agreed"]),
        )
    return words


def _agreed(plan: PlanView, notes: Sequence[PlanNote]) -> str:
    """How and when the patient agreed to the plan, in words."""
    for note in notes:
        when = plan.clinic.times.short_moment(note.at)
        if "agreed" in note.facts:
            return f"{prescriptions.agreed(note.facts['agreed'])} · {when}"
        if note.what == "booked" and note.actor == Actor.PATIENT:
            return _("by booking it · %(when)s", when=when)
    return _("Not recorded")


def say(words: str, *, trouble: bool = False) -> None:
    """Told once, on the plan's page that follows."""
    flash(words, "plan-trouble" if trouble else "plan")


def say_done(plan: PlanView, done: str, written: str, otherwise: str) -> None:
    """What was done; and `written` where the patient is written to, `otherwise` where they can only be called."""
    say(f"{done} {otherwise if is_called(plan) else written}")


def is_called(plan: PlanView) -> bool:
    """Whether the patient is told by telephone, as there is no other way."""
    channel, _address = notices.channel_of_clinic(plan)
    return channel is Channel.CALL


def say_booked(reference: str, done: str) -> None:
    plan = reading.brief(access.who(), reference)
    say_done(plan, done, _("The patient gets one list of them."), _("Nobody is written to."))


def say_sent(told: bool) -> None:
    if told:
        say(_("The link was sent."))
    else:
        say(_("There is no way to write to them. Please show them the link, or let the desk book it."))


def sent(ways: Ways, reference: str) -> ResponseReturnValue:
    """Sends the link once more."""
    try:
        say_sent(prescribing.send_link(access.who(), reference, key=asked.key()))
    except NotChangeable:
        say(_("It was booked or taken back meanwhile: its link isn't sent any more."))
    return redirect(url_for(ways.plan, reference=reference), 303)


def withdrawn(ways: Ways, reference: str) -> ResponseReturnValue:
    """Takes back a plan that isn't booked yet."""
    try:
        prescribing.withdraw(access.who(), reference, asked.reason(), key=asked.key())
        say(_("Taken back. The link opens nothing any more."))
    except NotChangeable:
        say(_("It was booked meanwhile: what is booked is stopped, not taken back."))
    return redirect(url_for(ways.plan, reference=reference), 303)


def link_page(ways: Ways, reference: str) -> ResponseReturnValue:
    """The link as it is, to be handed over: in letters, and as a picture for the patient's own phone."""
    found = handing_over.link_of(access.who(), reference)
    return staff_page("staff/plan_link.html", found=found, ways=ways, picture=for_a_camera(found.address))


# The board


def board_page(ways: Ways, *, own: bool) -> ResponseReturnValue:
    """All plans that run, those in need first. What is written of them is kept while they stand, a minute at most."""
    who, clinic = access.who(), the_clinic_of_this_request()
    person, need = request.args.get("practitioner", ""), request.args.get("need", "")
    if (person and person not in clinic.practitioners) or (need and need not in set(Need)):
        abort(404)
    fragment = _written(
        (who.account_id, own, person, need),
        lambda: _board(
            ways,
            adherence.adherence(who, practitioner=person or None, need=Need(need) if need else None),
            person,
            need,
            own,
        ),
    )
    audit.saw_this_hour(who, "saw plans", "plans")
    return staff_page("staff/plans.html", clinic=clinic, fragment=fragment, own=own)


def _written(key: tuple[Any, ...], write: Callable[[], str]) -> Markup:
    """What is written for this key, anew once a minute and whenever anything on it has changed."""
    pages: dict[Any, tuple[Any, Markup]] = current_app.extensions.setdefault("booking_plan_boards", {})
    stands = (adherence.mark(), clock.now().replace(second=0, microsecond=0))
    kept = pages.get(key)
    if kept is None or kept[0] != stands:
        if len(pages) > 64:
            pages.clear()
        # What has no other letters is made into bytes in no time, again and again. Our own template has escaped it.
        plain = write().encode("ascii", "xmlcharrefreplace").decode()
        kept = pages[key] = (stands, Markup(plain))  # noqa: S704
    return kept[1]


def _board(ways: Ways, found: Adherence, person: str, need: str, own: bool) -> str:
    clinic = found.clinic
    # Asked for once: a board links to its plans hundreds of times.
    plans_path = url_for(ways.plan, reference="-").removesuffix("-")
    return render_template(
        "staff/plans_board.html",
        found=found,
        clinic=clinic,
        times=clinic.times,
        ways=ways,
        plans_path=plans_path,
        people=() if own else tuple(clinic.practitioners.values()),
        person=person,
        need=need,
        needs={need: (str(words), tone) for need, (words, tone) in NEEDS.items()},
        marks=MARKS,
        line=_line(),
        statuses=STATUSES,
    )


def _marks_said(name: str, marks: tuple[Fate, ...]) -> Markup:
    """The marks of one kind of care in one week: symbols for eyes, and the same in words."""
    symbols = Markup().join(
        Markup('<i class="{}">{}</i>').format(MARKS[mark][2], MARKS[mark][0] * len(list(alike)))
        for mark, alike in groupby(marks)
    )
    counted = [(marks.count(mark), str(MARKS[mark][1])) for mark in Fate if mark in marks]
    words = ", ".join(f"{number} {word}" for number, word in counted) or _("none")
    return Markup('<span class="plan-marks" role="img" aria-label="{}: {}">{}</span>').format(
        name, words, symbols
    )


def _week_said(week: BoardWeek, *, with_marks: bool) -> Markup:
    """A week on the board: its number, and what became of its visits."""
    number = Markup('<b><span class="visually-hidden">{} </span>{}</b>').format(_("Week"), week.number + 1)
    marks = [_marks_said(care.modality.name, fates) for care, fates in week.cares] if with_marks else []
    if week.is_now:
        now = Markup('<span class="visually-hidden"> {}</span>').format(_("now"))
        return Markup('<li class="now">{}{}{}</li>').format(number, now, Markup().join(marks))
    return Markup("<li>{}{}</li>").format(number, Markup().join(marks))


def _line() -> Callable[[Row], Markup]:
    """Writes the weeks of a row. Most weeks are like others, and are written once."""
    kept: dict[Any, Markup] = {}

    def said(week: BoardWeek, with_marks: bool) -> Markup:
        key = (week.number, week.is_now, with_marks, tuple((care.slug, fates) for care, fates in week.cares))
        if key not in kept:
            kept[key] = _week_said(week, with_marks=with_marks)
        return kept[key]

    def line(row: Row) -> Markup:
        return Markup().join(said(week, row.status is not PlanStatus.PRESCRIBED) for week in row.weeks)

    return line
