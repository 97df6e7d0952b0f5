"""Times that can take the place of one visit of a plan: what was lost meanwhile, missed, or is to be exchanged."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from booking import clock
from booking.errors import NotFound, NotOffered
from booking.formatting import iso_utc
from booking.scheduling.plans.course import Course
from booking.scheduling.plans.keeping import Kept, Role, faults, is_rested, looked_at
from booking.scheduling.timeline import instant_of
from booking.services.clinic import Clinic, Practitioner, the_clinic
from booking.services.plans.choosing import Chosen, PlanWish, choose
from booking.services.plans.ground import Wanted
from booking.services.plans.wanted import Asked, PlanWanted
from booking.services.transaction import reading

OFFERED = 3


class Instead(NamedTuple):
    """A time that can take a visit's place, and with whom."""

    starts_at: datetime
    ends_at: datetime
    practitioner: Practitioner
    day: int


def replacements(wish: PlanWish, number: int) -> list[dict[str, Any]]:
    """The nearest times for the visit of this number in a plan that is to be booked, with all others as they are wished
    for. Empty where nothing keeps the plan's rules.
    """
    with reading() as session:
        clinic = the_clinic(session)
        try:
            course = _course(clinic, wish)
            asked = Asked.of(
                session, clinic,
                PlanWanted(
                    course=course, first_day=wish.first_day, presence=wish.presence, only=wish.only,
                    wished=wish.wished, returning=frozenset(wish.returning), audience=wish.audience,
                    visitor=wish.visitor,
                ),
                clock.now(),
            )  # fmt: skip
        except (NotFound, NotOffered):
            return []
    chosen = choose(clinic, course, wish.first_day, wish.visits)
    lost = chosen.pop(number)
    found = instead_of(asked, lost, chosen)
    return [{"starts_at": iso_utc(one.starts_at), "practitioner": one.practitioner.slug} for one in found]


def _course(clinic: Clinic, wish: PlanWish) -> Course:
    return clinic.plan_template(wish.template).course


def instead_of(asked: Asked, lost: Chosen, others: Iterable[Chosen], most: int = OFFERED) -> list[Instead]:
    """The times that take one visit's place best: in its week, days of rest kept, near its own time, and with the same
    person if that can be. At most one a day.
    """
    others = list(others)
    kept = [one.kept for one in others]
    candidates = []
    for day in _days(asked, lost.kept, kept):
        if not is_rested(day, lost.kept.modality, kept, asked.course.rest_days):
            continue
        there = [one.kept for one in others if one.kept.day == day]
        for choice in asked.choices(lost.visit_type, day):
            if any(one.starts < choice.ends and choice.starts < one.ends for one in there):
                continue
            cell = asked.cell(lost.visit_type, day, choice)
            if (cell, choice.person) == (lost.wanted.cell, lost.wanted.practitioner_id):
                continue
            as_kept = lost.kept._replace(day=day, starts=choice.starts, ends=choice.ends)
            other_person = choice.person != lost.wanted.practitioner_id
            away = abs(day - lost.kept.day), abs(choice.starts - lost.kept.starts)
            candidates.append(
                (other_person, *away, as_kept, Wanted(lost.visit_type.slug, choice.person, cell))
            )
    found: dict[int, Instead] = {}
    for *_, as_kept, wanted in sorted(candidates):
        if as_kept.day in found or len(found) == most:
            continue
        together = asked.ground.together(
            [*(one.wanted for one in others if one.kept.day == as_kept.day), wanted]
        )
        assignment = together[-1]
        if assignment is None or _breaks(asked, kept, as_kept):
            continue
        found[as_kept.day] = Instead(
            instant_of(assignment.from_cell),
            instant_of(assignment.to_cell),
            asked.clinic.practitioner_by_id[wanted.practitioner_id],
            as_kept.day,
        )
    return list(found.values())


def _days(asked: Asked, lost: Kept, others: list[Kept]) -> Iterable[int]:
    if lost.role is Role.REASSESSMENT:
        return looked_at(asked.course, asked.course.phase_of(lost.week), others)
    return range(lost.week * 7, min(lost.week * 7 + 7, len(asked.days)))


def _breaks(asked: Asked, others: list[Kept], one: Kept) -> bool:
    """Whether this visit would break a rule that isn't broken without it."""
    no_weeks = range(0)
    return len(faults(asked.course, [*others, one], no_weeks)) > len(faults(asked.course, others, no_weeks))
