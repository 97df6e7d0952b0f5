"""A plan that was booked, as its patient reads it: week by week its visits and how each of them stands."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from itertools import groupby
from typing import Any, NamedTuple

from flask import url_for
from flask_babel import gettext as _, lazy_gettext as lazy, ngettext

from booking import clock
from booking.formatting import phone
from booking.models import PlanStatus, VisitKind
from booking.scheduling.plans.keeping import Role
from booking.scheduling.status import Status
from booking.services import links
from booking.services.plans.allowed import allowed, beyond_of
from booking.services.plans.changing import cancelled_from
from booking.services.plans.lacking import still_lacking
from booking.services.plans.reading import PlanView
from booking.services.plans.shifting import alike
from booking.services.plans.visits import PlanVisit
from booking.services.plans.weeks import Week
from booking.services.visits import Visit
from booking.web import course_words
from booking.web.patient.plan_allowance import known, left_words
from booking.web.patient.reminding import reminded
from booking.web.plan_words import list_of

# A visit that begins so soon after another one is come to from that.
ON_THE_WAY = timedelta(hours=1)


class Standing(NamedTuple):
    """How a visit stands: symbol, word and the name of its colours."""

    symbol: str
    words: Any
    tone: str


_BOOKED = Standing("○", lazy("Booked"), "plain")
_PENCILED = Standing("✎", lazy("Penciled in"), "amber")
_LAPSED = Standing("✎", lazy("Was penciled in"), "plain")
# It is cancelled, and they are to be told why before they read that.
_UNTOLD = Standing("☏", lazy("Please call us first"), "amber")
_CAME = Standing("✔", lazy("You came"), "green")
_STANDINGS = {
    Status.CANCELLED: Standing("✕", lazy("Cancelled"), "clay"),
    Status.NOSHOW: Standing("✕", lazy("Missed"), "clay"),
    Status.FULFILLED: _CAME,
    Status.ARRIVED: Standing("◆", lazy("You are here"), "blue"),
    Status.CHECKED_IN: Standing("◆", lazy("You are here"), "blue"),
}


class ShownVisit(NamedTuple):
    """`uncovered`: it may not be covered, by what is recorded."""

    visit: PlanVisit
    standing: Standing
    href: str
    uncovered: bool


class WaysFrom(NamedTuple):
    """How many visits a patient may move, or cancel, with one and all later ones together; none where it is alone, or past its
    cut-off: then the later ones are chosen from the first that isn't.
    """

    move: int
    cancel: int


def ways_from(plan: PlanView, visit: PlanVisit) -> WaysFrom:
    """`visit`: one that stands. Those that are moved together are alike; all are cancelled together."""
    now = clock.now()
    if plan.status is not PlanStatus.RUNNING or not visit.may_change(now):
        return WaysFrom(0, 0)
    like = [] if visit.role is Role.REASSESSMENT else alike(plan, visit, now)
    gone, stays = cancelled_from(plan, visit.reference, now)
    return WaysFrom(
        move=sum(one.may_change(now) for one in like) if len(like) > 1 else 0,
        cancel=len(gone) if len(gone) + len(stays) > 1 else 0,
    )


def follows_another(plan: PlanView, visit: PlanVisit | Visit) -> bool:
    """Whether they are there already when it begins, or on their way from one visit of the plan to the next: nobody comes early
    to it.
    """
    before = (visit.starts_at - one.ends_at for one in plan.standing if one.id != visit.id)
    return any(timedelta(0) <= gap <= ON_THE_WAY for gap in before)


class Prepared(NamedTuple):
    """A visit, and by how many minutes one is to be early."""

    visit: PlanVisit
    early: int


def to_prepare(plan: PlanView, ahead: Sequence[PlanVisit]) -> list[Prepared]:
    """The first of these visits, and each other first one of a kind of care for which there is something to bring, to say, or to be
    early.
    """
    found: list[Prepared] = []
    for one in ahead:
        what = one.visit_type
        early = 0 if follows_another(plan, one) else what.arrive_early_minutes
        is_first = what.kind is VisitKind.FIRST and (what.bring or what.tell_us or early)
        if not found or is_first:
            found.append(Prepared(one, early))
    return found


Days = tuple[tuple[date, tuple[ShownVisit, ...]], ...]


class ShownWeek(NamedTuple):
    """`lacks`: in words what the week doesn't have, or nothing. `can_be_made_up`: the patient can choose another time."""

    number: int
    first: date
    last: date
    days: Days
    lacks: str
    can_be_made_up: bool


def shown_plan(plan: PlanView) -> dict[str, Any]:
    """The values of the pages about a plan that was booked."""
    now = clock.now()
    ahead = [one for one in plan.standing if one.status is Status.BOOKED and one.starts_at > now]
    beyond = beyond_of(plan) if known(plan) else frozenset()
    lacks = Counter(one.week for one in still_lacking(plan, now))
    weeks = [_week(plan, week, beyond, week.number in lacks) for week in plan.weeks]
    later = _days(plan, beyond, [one for one in plan.visits if one.week >= len(plan.weeks)])
    return {
        "plan": plan,
        "prescribed": course_words.prescribed(plan.clinic, plan.course),
        "weeks": weeks,
        "later": later,
        "one_day": one_day(plan),
        "ahead": ahead,
        "next": ahead[0] if ahead else None,
        "next_ways": ways_from(plan, ahead[0]) if ahead else None,
        "came": sum(one.came(now) for one in plan.standing),
        "waits": any(one.penciled for one in ahead),
        "unconfirmed": plan.by_themselves and plan.confirmed_at is None,
        "looks": [one for one in ahead if one.role is Role.REASSESSMENT],
        "reminded": reminded(plan.reminders, None if one_day(plan) else plan.reminded_of),
        "running": plan.status is PlanStatus.RUNNING,
        "said": _said(plan),
        "lacks": _lacks(lacks),
        "left": left_words(plan.clinic, allowed(known(plan), ())),
        "uncovered": any(one.reference in beyond for one in ahead),
    }


def one_day(plan: PlanView) -> date | None:
    """The day on which all visits of a series are, if it is one."""
    days = {plan.clinic.times.local_date(one.starts_at) for one in plan.visits} if plan.is_series else set()
    return days.pop() if len(days) == 1 else None


def _lacks(by_week: Mapping[int, int]) -> str:
    """How many visits are missing, and in which weeks of the plan; nothing, where none is."""
    weeks, number = sorted(week + 1 for week in by_week), sum(by_week.values())
    if not weeks:
        return ""
    first, last = weeks[0], weeks[-1]
    if first == last:
        return ngettext(
            "In week %(week)d one visit is missing.",
            "%(num)d visits are missing in week %(week)d.",
            number,
            week=first,
        )
    if len(weeks) > 2 and len(weeks) == last - first + 1:
        return _(
            "%(num)d visits are missing in weeks %(first)d to %(last)d.", num=number, first=first, last=last
        )
    return _(
        "%(num)d visits are missing in weeks %(weeks)s.",
        num=number,
        weeks=list_of([str(one) for one in weeks]),
    )


def _said(plan: PlanView) -> str:
    """What to know first of a plan that doesn't run, or rests; nothing of what was decided before they were told."""
    if plan.gone_untold(clock.now()) or (plan.untold_since and plan.status is PlanStatus.COMPLETED):
        return _("Please call us before you come: %(phone)s.", phone=phone(plan.clinic.phone))
    if paused := pause_ahead(plan):
        return paused
    return {
        PlanStatus.STOPPED: _("Your plan has ended. Nothing more is booked from it."),
        PlanStatus.COMPLETED: _("These visits are over.") if plan.is_series else _("Your plan is complete."),
    }.get(plan.status, "")


def pause_ahead(plan: PlanView) -> str:
    """That it rests, or will; nothing, where it doesn't."""
    times, today = plan.clinic.times, plan.clinic.times.local_date(clock.now())
    if plan.status is not PlanStatus.RUNNING:
        return ""
    if plan.pause:
        return _(
            "Your plan is paused until %(day)s. After that it goes on.", day=times.short_day(plan.pause.last)
        )
    coming = min((one for one in plan.pauses if one.first > today), default=None)
    if coming is None:
        return ""
    return _(
        "Your plan is paused from %(first)s to %(last)s, when you can't come. The visits of these days were given up.",
        first=times.short_day(coming.first),
        last=times.short_day(coming.last),
    )


def _week(plan: PlanView, week: Week, beyond: frozenset[str], can_be_made_up: bool) -> ShownWeek:
    over = week.last < plan.clinic.times.local_date(clock.now())
    if not week.visits:
        # A week of rest, or one that lies too far ahead.
        due = any(dose.fewest for dose in week.doses)
        lacks = _("Nothing is booked for this week yet.") if due and not over else ""
    elif week.left and plan.status is PlanStatus.RUNNING and not over:
        lacks = ngettext(
            "%(num)d visit is missing in this week.", "%(num)d visits are missing in this week.", week.left
        )
        if any(one.first <= week.last and week.first <= one.last for one in plan.pauses):
            lacks = _("%(missing)s Your plan has a pause in it.", missing=lacks)
    else:
        lacks = ""
    days = _days(plan, beyond, week.visits)
    return ShownWeek(week.number, week.first, week.last, days, lacks, can_be_made_up)


def _days(plan: PlanView, beyond: frozenset[str], visits: Sequence[PlanVisit]) -> Days:
    gone = plan.gone_untold(clock.now())
    by_day = groupby(visits, key=lambda one: plan.clinic.times.local_date(one.starts_at))
    return tuple(
        (on, tuple(_visit(one, one.reference in beyond, one.id in gone) for one in of_day))
        for on, of_day in by_day
    )


def _visit(visit: PlanVisit, uncovered: bool, untold: bool) -> ShownVisit:
    token = links.token(visit.reference, visit.link_number)
    href = url_for("patient.visit", reference=visit.reference, token=token)
    stands = _UNTOLD if untold else _standing(visit)
    return ShownVisit(visit, stands, href, uncovered)


def _standing(visit: PlanVisit) -> Standing:
    if visit.status is not Status.BOOKED:
        return _STANDINGS.get(visit.status, _BOOKED)
    now = clock.now()
    if visit.came(now):
        return _CAME
    if visit.lapsed:
        return _LAPSED
    return _PENCILED if visit.penciled else _BOOKED
