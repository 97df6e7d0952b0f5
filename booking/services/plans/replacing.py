"""Times that can take the place of one visit of a plan: what was lost meanwhile, missed, or is to be exchanged."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking import clock
from booking.errors import NotOffered
from booking.formatting import iso_utc
from booking.models import Plan
from booking.scheduling.plans.course import REASSESSED_BEFORE, Course
from booking.scheduling.plans.keeping import (
    Fault,
    Kept,
    Role,
    Rule,
    looked_at,
    looks_of,
    newly_broken,
    newly_turned,
    ways,
)
from booking.scheduling.timeline import instant_of
from booking.services import holds
from booking.services.clinic import Clinic, Practitioner, the_clinic
from booking.services.plans.besides import elsewhere
from booking.services.plans.choosing import Chosen, PlanWish, VisitWish, choose
from booking.services.plans.ground import Wanted
from booking.services.plans.wanted import Asked, PlanWanted
from booking.services.transaction import reading

OFFERED = 3
_APART = timedelta(hours=1)


class Instead(NamedTuple):
    """A time that can take a visit's place, and with whom."""

    starts_at: datetime
    ends_at: datetime
    practitioner: Practitioner
    day: int


def replacements(wish: PlanWish, numbers: Sequence[int]) -> list[list[dict[str, Any]]]:
    """For each visit of these numbers in a plan that is to be booked the nearest times, with all others as they are wished
    for. Empty where nothing keeps the plan's rules.
    """
    with reading() as session:
        wanted = wanted_with(session, the_clinic(session), wish)
    return [
        [{"starts_at": iso_utc(one.starts_at), "practitioner": one.practitioner.slug} for one in found]
        for found in instead(wanted, wish.visits, numbers)
    ]


def instead(
    wanted: PlanWanted, visits: Sequence[VisitWish], numbers: Sequence[int], most: int = OFFERED
) -> list[list[Instead]]:
    """For each visit of these numbers, in the order of their times, what can take its place in a plan that isn't booked
    yet. Raises NotFound, PlanRulesBroken for visits of none of the plan's kinds.
    """
    with reading() as session:
        clinic = the_clinic(session)
        try:
            asked = Asked.of(session, clinic, wanted, clock.now())
        except NotOffered:
            return [[] for _ in numbers]
    chosen = choose(clinic, wanted.course, wanted.first_day, visits)
    return [
        instead_of(asked, chosen[number], chosen[:number] + chosen[number + 1 :], most, same_day=True)
        for number in numbers
    ]


def wanted_with(session: Session, clinic: Clinic, wish: PlanWish) -> PlanWanted:
    """What somebody who wishes to book this asks for: of a plan that was prescribed, as it was."""
    plan = session.scalar(select(Plan).where(Plan.reference == wish.plan)) if wish.plan else None
    return PlanWanted(
        course=Course.of(plan.course) if plan else wish.course_of(clinic),
        first_day=wish.first_day,
        presence=wish.presence,
        only=wish.only,
        wished=wish.wished,
        returning=frozenset(wish.returning),
        audience=wish.audience,
        patient_id=plan.patient_id if plan else wish.patient_id,
        visitor=holds.of_plan(wish.plan) if wish.plan else wish.visitor,
        elsewhere=elsewhere(session, clinic, plan.patient_id, plan.id) if plan else {},
        prescribed=plan is not None or wish.course is not None,
        limited=plan is None,
    )


def instead_of(
    asked: Asked,
    lost: Chosen,
    others: Iterable[Chosen],
    most: int = OFFERED,
    *,
    rather_as: Iterable[Chosen] = (),
    fits: Callable[[Chosen], bool] = lambda _: True,
    besides: Sequence[Instead] = (),
    same_day: bool = False,
) -> list[Instead]:
    """The times that take one visit's place best: in its week, days of rest kept, from visits besides the plan as well. Where the
    plan pairs kinds of care those on the way to another visit come first, and last those that turn the order of a pair; then the
    times of its kind that most of `rather_as` have; then those near its own time, and with the same person if that can be.
    Only what `fits`, and together with those that there are `besides` no more than `most`: each on another day; with `same_day`,
    where there are not so many days, others of the same ones, an hour apart.
    """
    others, usual = list(others), usual_times(rather_as)
    kept, modality = [one.kept for one in others], lost.kept.modality
    candidates = []
    for day in _days(asked, lost.kept, kept):
        if not asked.is_rested(day, modality, kept):
            continue
        there = [one.kept for one in others if one.kept.day == day]
        for choice in asked.choices(lost.visit_type, day):
            if any(one.starts < choice.ends and choice.starts < one.ends for one in there):
                continue
            cell = asked.cell(lost.visit_type, day, choice)
            if Wanted(lost.visit_type.slug, choice.person, cell) == lost.wanted:
                continue
            as_kept = lost.kept._replace(day=day, starts=choice.starts, ends=choice.ends)
            other_person = choice.person != lost.wanted.practitioner_id
            near = other_person, abs(day - lost.kept.day), abs(choice.starts - lost.kept.starts)
            more_ways = ways(asked.course, [*there, as_kept]) - ways(asked.course, there)
            turned = len(newly_turned(asked.course, there, [*there, as_kept]))
            used = usual[lost.kept.care, day % 7, choice.starts, choice.person]
            candidates.append(
                (turned, more_ways, -used, *near, as_kept, Wanted(lost.visit_type.slug, choice.person, cell))
            )
    found, left = list(besides), sorted(candidates)
    for apart in (None, _APART) if same_day else (None,):
        again = []
        for candidate in left:
            *_, as_kept, wanted = candidate
            if len(found) >= most:
                break
            starts_at = instant_of(wanted.cell)
            if any(
                one.day == as_kept.day and (apart is None or abs(one.starts_at - starts_at) < apart)
                for one in found
            ):
                again.append(candidate)
                continue
            person = asked.clinic.practitioner_by_id[wanted.practitioner_id]
            if not fits(Chosen(lost.visit_type, person, as_kept, wanted)):
                continue
            beside = asked.ground.beside((one.wanted for one in others), wanted.cell)
            assignment = asked.ground.together([*beside, wanted])[-1]
            if assignment is None or breaks(asked.course, kept, as_kept):
                continue
            found.append(
                Instead(instant_of(assignment.from_cell), instant_of(assignment.to_cell), person, as_kept.day)
            )
        left = again
    return found[len(besides) :]


def usual_times(visits: Iterable[Chosen]) -> Counter[tuple[str, int, int, int]]:
    """How many of a plan's visits have each of its times."""
    return Counter(time_of(one) for one in visits)


def time_of(visit: Chosen) -> tuple[str, int, int, int]:
    """Its kind of care, weekday, start and person."""
    kept = visit.kept
    return kept.care, kept.day % 7, kept.starts, visit.wanted.practitioner_id


def _days(asked: Asked, lost: Kept, others: list[Kept]) -> Iterable[int]:
    if lost.role is Role.REASSESSMENT:
        return looked_at(asked.course, asked.course.stage_of(lost.week), others)
    # Whoever looks again has to have seen all of it; the look after the stage before may lie in this one.
    stage = asked.course.stage_of(lost.week)
    weeks = asked.course.stages[stage]
    stands = Counter(one.care for one in others if one.week in weeks and one.role is not Role.REASSESSMENT)
    stands[lost.care] += 1
    if any(
        max(stands[care], sum(asked.course.doses(care)[week][0] for week in weeks)) >= REASSESSED_BEFORE
        for care in asked.course.kinds
    ):
        # So many of a kind have their look before the last of them: where this one may be the rules say.
        return range(lost.week * 7, min(lost.week * 7 + 7, len(asked.days)))
    looks, left = looks_of(asked.course, others)
    later = [one.day for one in (*looks[stage:], *left) if one and one.day >= weeks.start * 7]
    until = min(later, default=len(asked.days)) + 1
    return range(lost.week * 7, min(lost.week * 7 + 7, len(asked.days), until))


def breaks(course: Course, others: Sequence[Kept], one: Kept) -> list[Fault]:
    """The rules that this visit, in the place of another, would break. It may be one more than its week's own: what can't be
    made up in its week is made up in the next.
    """
    broken = newly_broken(course, others, [*others, one], range(0))
    return [fault for fault in broken if fault.rule is not Rule.TOO_MANY]
