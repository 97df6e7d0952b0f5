"""Which of how many a visit is in its plan, as in "visit 5 of 12"."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking import clock
from booking.models import Appointment, Plan
from booking.scheduling.plans.course import Course
from booking.scheduling.plans.keeping import Role
from booking.scheduling.status import Status, lapsed
from booking.scheduling.timeline import instant_of
from booking.services.clinic import Clinic


class PlanPlace(NamedTuple):
    """A visit's place in its plan: the `number`th `of` so many of its kind of care. None for a reassessment, for what was
    missed and for what the plan asks for no more.
    """

    plan: str
    name: str
    number: int | None
    of: int
    reassessment: bool
    penciled: bool


def places_of(session: Session, clinic: Clinic, plan_ids: Collection[int]) -> dict[int, PlanPlace]:
    """By appointment the places of all visits of these plans. Two statements, none where there are no plans."""
    if not plan_ids:
        return {}
    plans = session.execute(
        select(Plan.id, Plan.reference, Plan.name, Plan.course).where(Plan.id.in_(plan_ids))
    ).all()
    visits = session.execute(
        select(
            Appointment.id,
            Appointment.plan_id,
            Appointment.plan_role,
            Appointment.visit_type_id,
            Appointment.to_cell,
            Appointment.status,
            Appointment.penciled,
        )
        .where(Appointment.plan_id.in_(plan_ids))
        .order_by(Appointment.from_cell)
    ).all()
    by_plan: dict[int, list[Any]] = defaultdict(list)
    for visit in visits:
        by_plan[visit.plan_id].append(visit)
    return {number: place for plan in plans for number, place in _placed(clinic, plan, by_plan[plan.id])}


def _placed(clinic: Clinic, plan: Any, visits: Iterable[Any]) -> Iterator[tuple[int, PlanPlace]]:
    prescribed, now = _prescribed(clinic, Course.of(plan.course)), clock.now()
    counted: dict[str, list[int]] = defaultdict(list)
    for visit in visits:
        gone = visit.status in (Status.CANCELLED, Status.NOSHOW) or lapsed(
            visit.status, instant_of(visit.to_cell), now, penciled=visit.penciled
        )
        if visit.plan_role in (Role.DOSE, Role.FIRST) and not gone:
            modality = clinic.visit_type_by_id[visit.visit_type_id].modality.slug
            counted[modality].append(visit.id)
    for visit in visits:
        modality = clinic.visit_type_by_id[visit.visit_type_id].modality.slug
        standing = counted[modality]
        number = standing.index(visit.id) + 1 if visit.id in standing else None
        yield (
            visit.id,
            PlanPlace(
                plan=plan.reference,
                name=plan.name,
                number=number,
                of=max(prescribed.get(modality, 0), len(standing)),
                reassessment=visit.plan_role == Role.REASSESSMENT,
                penciled=visit.penciled,
            ),
        )


def _prescribed(clinic: Clinic, course: Course) -> dict[str, int]:
    """By modality how many visits the whole plan asks for at least."""
    found: dict[str, int] = defaultdict(int)
    for name in course.kinds:
        visit_type = clinic.visit_types.get(name)
        if visit_type is not None:
            found[visit_type.modality.slug] += sum(fewest for fewest, _ in course.doses(name))
    return found
