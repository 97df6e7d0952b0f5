"""Extending a plan: what its weeks lack, after a holiday or an illness, moves into further weeks at its end, or from now on
where that is over.
"""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime

from booking import clock
from booking.models import BookableBy
from booking.scheduling.plans.course import Course, Dose, Moved, Phase
from booking.services.plans.altering import By
from booking.services.plans.frequency import Fitted, carry_out, fitted
from booking.services.plans.lacking import Missed, lacking
from booking.services.plans.reading import PlanView, brief
from booking.services.plans.said import EXTENDED
from booking.services.plans.visits import look_after
from booking.services.staff.who import Who


@dataclass(frozen=True)
class Extended:
    """What it does to a plan: `moved` from its weeks into further `weeks`, and the visits that are booked there."""

    moved: tuple[Missed, ...]
    weeks: range
    fitted: Fitted


def is_decided_first(plan: PlanView, now: datetime) -> bool:
    """Whether the look after the last week came, when nothing stood behind it, and nothing was decided upon it yet: further weeks
    would lie behind it.
    """
    course, day_of = plan.course, plan.clinic.times.local_date
    if plan.decided_phases >= course.looks or not course.phases[-1].reassessed:
        return False
    look = look_after(plan.clinic, plan.first_day, course, plan.standing, course.looks - 1)
    if look is None or not look.came(now):
        return False
    return day_of(plan.standing[-1].starts_at) <= day_of(look.starts_at)


def extended(plan: PlanView) -> Extended:
    """What it would do to extend a plan by as many weeks as there are in which something is lacking. Where its last week is over
    these begin with the present one, or with the next one if more can be had by that.
    """
    now = clock.now()
    moved = tuple(lacking(plan, now))
    further: dict[int, Counter[str]] = {}
    for one in moved:
        further.setdefault(one.week, Counter())[one.care.slug] += 1
    looked_at = plan.decided_phases < plan.course.looks

    def beginning_in(week: int) -> Extended:
        course = _with(plan.course, further, week, looked_at=looked_at)
        weeks = range(week, week + len(further))
        return Extended(moved, weeks, fitted(plan, course, week, [], BookableBy.STAFF))

    present = (plan.clinic.times.local_date(now) - plan.first_day).days // 7
    found = beginning_in(max(plan.course.weeks, present))
    if not found.fitted.lacks or present < plan.course.weeks:
        return found
    return min(found, beginning_in(present + 1), key=lambda one: len(one.fitted.lacks))


def extend(
    who: Who, reference: str, reason: str, *, beyond: str = "", tell: bool = True, version: int | None = None,
    key: str,
) -> Extended:  # fmt: skip
    """Extends a plan as `extended` shows it, in one transaction and one message. `beyond`: why all the same, where the payer is to
    be asked first.

    Raises VisitsTaken, BeyondCoverage, NotChangeable, StaleEdit, NotFound, KeyReused.
    """
    change = extended(brief(who, reference))
    facts = {"weeks": len(change.weeks), "moved": [[one.week, one.care.slug] for one in change.moved]}
    carry_out(
        who, reference, change.fitted, EXTENDED, By.staff(who, reason, beyond),
        ["extend", reference, reason, tell, beyond], facts, tell=tell, version=version, key=key,
    )  # fmt: skip
    return change


def _with(course: Course, further: dict[int, Counter[str]], first: int, *, looked_at: bool) -> Course:
    """With a further week, from the `first` on, for each of these, which has what is moved from it; and none of anything in the
    weeks between. What is looked at after the last week is looked at after these.
    """
    looked_at = looked_at and course.phases[-1].reassessed
    last = len(further) - 1
    phases = [
        Phase(1, tuple(Dose(care, n, n) for care, n in one.items()), reassessed=looked_at and number == last)
        for number, one in enumerate(further.values())
    ]
    moved = [
        Moved(week, care, n, first + number)
        for number, (week, one) in enumerate(further.items())
        for care, n in one.items()
    ]
    if not phases:
        return course
    if first > course.weeks:
        phases.insert(0, Phase(first - course.weeks, (), reassessed=False))
    before = course.phases[-1]
    before = replace(before, reassessed=before.reassessed and not looked_at)
    return replace(course, phases=(*course.phases[:-1], before, *phases), moved=(*course.moved, *moved))
