"""What may be done with a plan as it stands: what its page offers, and nothing else."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from flask_babel import gettext as _

from booking import clock
from booking.models import BookableBy, PlanStatus
from booking.scheduling.plans.keeping import Role
from booking.services.allowances import Planned
from booking.services.plans.allowed import Alone, allowed, beyond_of, each_alone
from booking.services.plans.asking_again import kept_of
from booking.services.plans.extending import is_decided_first
from booking.services.plans.frequency import without_look
from booking.services.plans.lacking import lacking, missing
from booking.services.plans.make_ups import MakeUp, make_up_times
from booking.services.plans.reading import PlanView
from booking.services.plans.said import Pause
from booking.services.plans.visits import PlanVisit, look_after
from booking.services.plans.wanted import weeks_within_horizon
from booking.web import allowance_words


class Next(NamedTuple):
    """What a plan's page offers. `beyond`, `asks`: as in `beyond_among`, `asked_first`. `uncovered`: visits ahead that may not be
    covered; `besides`: how many that belong to other plans, or to none. `left`: in words what coverage leaves. `look`: the
    reassessment after which nothing was decided yet. `rests`: the pauses that aren't over. `may`: by change. `examined_at`: the
    visit at which the patient is seen first, where that is still ahead. `decided_first`: as in `is_decided_first`.
    """

    confirm: bool
    decided_first: bool
    examined_at: PlanVisit | None
    missed: list[MakeUp]
    beyond: Mapping[tuple[str, datetime], str]
    asks: frozenset[tuple[str, datetime]]
    uncovered: tuple[PlanVisit, ...]
    besides: int
    left: list[str]
    look: PlanVisit | None
    rests: Sequence[Pause]
    may: Mapping[str, bool]
    movable: frozenset[str]


def offered(plan: PlanView) -> Next:
    now = clock.now()
    may = {
        change: fits(plan, change)
        for change in ("decide", "doses", "extend", "go-on", "look", "pause", "stop", "shift")
    }
    # Looked up only where something is missing: it asks the engine.
    missed = make_up_times(plan, BookableBy.STAFF) if missing(plan, now) else []
    beyond, marks = beyond_of(plan), at_times(plan, missed)
    return Next(
        confirm=to_be_confirmed(plan),
        decided_first=is_decided_first(plan, now),
        examined_at=_examined_at(plan, now),
        missed=missed,
        beyond=beyond_among(marks),
        asks=asked_first(marks),
        uncovered=tuple(one for one in plan.ahead(now) if one.reference in beyond),
        besides=len(beyond - {one.reference for one in plan.standing}),
        left=allowance_words.of_pools(plan.clinic, allowed(plan, ()).left),
        look=_look_to_decide_upon(plan, now) if may["decide"] else None,
        rests=rests(plan),
        may=may,
        movable=frozenset(one.reference for one in plan.ahead(now) if one.role is not Role.REASSESSMENT)
        if may["shift"]
        else frozenset(),
    )


def at_times(plan: PlanView, missed: Sequence[MakeUp]) -> dict[tuple[str, datetime], Alone]:
    """What coverage says of each of these times, by its kind of care and its start, if it is taken."""
    times = [(one.missed.care, time.starts_at) for one in missed for time in one.times]
    marks = each_alone(plan, [Planned(at, care.modality.slug) for care, at in times])
    return {(care.slug, at): mark for (care, at), mark in zip(times, marks, strict=True)}


def beyond_among(marks: Mapping[tuple[str, datetime], Alone]) -> dict[tuple[str, datetime], str]:
    """At which of these times there is something to say of coverage if they are taken, and what."""
    return {
        at: _("may not be covered") if mark.beyond else _("a later visit may not be covered then")
        for at, mark in marks.items()
        if mark.beyond or mark.pushes
    }


def asked_first(marks: Mapping[tuple[str, datetime], Alone]) -> frozenset[tuple[str, datetime]]:
    """Before which of these times the payer is to be asked."""
    return frozenset(at for at, mark in marks.items() if mark.stops)


def fits(plan: PlanView, change: str) -> bool:
    """Whether a plan is in a state for this change."""
    if plan.is_series and change not in ("shift", "stop"):
        return False
    if change == "decide" and plan.decided_phases >= plan.course.looks:
        return False
    if change == "go-on" and not rests(plan):
        return False
    if change == "look" and not unseen(plan):
        return False
    if change == "extend" and (not lacking(plan, clock.now()) or is_decided_first(plan, clock.now())):
        return False
    return plan.status is PlanStatus.RUNNING


def rests(plan: PlanView) -> list[Pause]:
    """The pauses that aren't over, in order."""
    today = plan.clinic.times.local_date(clock.now())
    return sorted(one for one in plan.pauses if one.last >= today)


def unseen(plan: PlanView) -> list[int]:
    """The stages after which somebody is to look again and nobody is booked to, though they could be."""
    weeks = weeks_within_horizon(plan.clinic, plan.course, plan.first_day, clock.now())
    return without_look(plan, plan.course, [kept_of(plan, one) for one in plan.standing], range(weeks))


def to_be_confirmed(plan: PlanView) -> bool:
    return plan.by_themselves and plan.confirmed_at is None and plan.status is PlanStatus.RUNNING


def _examined_at(plan: PlanView, now: datetime) -> PlanVisit | None:
    return None if any(one.came(now) for one in plan.standing) else next(iter(plan.standing), None)


def _look_to_decide_upon(plan: PlanView, now: datetime) -> PlanVisit | None:
    look = look_after(plan.clinic, plan.first_day, plan.course, plan.standing, plan.decided_phases)
    return look if look and look.came(now) else None
