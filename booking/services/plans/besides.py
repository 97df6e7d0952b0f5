"""A plan's visits and those that its patient has besides: the days of rest between them, and who may know of either."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from booking import clock
from booking.models import SERIES, Appointment, BookableBy, Plan, PlanStatus
from booking.scheduling.plans.course import MOST_REST_DAYS, Course
from booking.scheduling.plans.keeping import Fault, Kept, Rule
from booking.scheduling.status import Status
from booking.scheduling.timeline import cell_from, instant_of
from booking.services.allowances import Planned
from booking.services.clinic import Clinic, VisitType
from booking.services.plans.reading import PlanView
from booking.services.transaction import reading


def elsewhere(
    session: Session, clinic: Clinic, patient_id: int, plan_id: int | None
) -> dict[str, dict[date, VisitType]]:
    """By modality the days of a patient's visits that belong to no plan, or to another one, in order; each with its visit type.
    Not those so long ago that nothing has to rest from them.
    """
    there = session.execute(
        select(Appointment.visit_type_id, Appointment.from_cell, Appointment.plan_id)
        .where(Appointment.patient_id == patient_id, *_to_rest_from())
        .order_by(Appointment.from_cell)
    )
    days: dict[str, dict[date, VisitType]] = {}
    for number, from_cell, of_plan in there:
        if plan_id is None or of_plan != plan_id:
            visit_type = clinic.visit_type_by_id[number]
            on = clinic.times.local_date(instant_of(from_cell))
            days.setdefault(visit_type.modality.slug, {})[on] = visit_type
    return days


def may_know(plan: Plan | PlanView, audience: BookableBy) -> bool:
    """Whether anything may be read of when a plan's patient comes besides, and of their coverage: not by the link of one that
    nobody has prescribed, for it may be somebody's who only gave their name.
    """
    return audience is BookableBy.STAFF or plan.is_of_somebody_known


def days_besides(plan: PlanView, audience: BookableBy) -> dict[str, dict[date, VisitType]]:
    """The days of the visits that a plan's patient has besides, as `elsewhere`; none to whom they aren't to be known."""
    if not may_know(plan, audience):
        return {}
    with reading() as session:
        return elsewhere(session, plan.clinic, plan.patient_id, plan.id)


def too_near(
    session: Session, clinic: Clinic, plan: Plan, first_day: date, visits: Iterable[Kept]
) -> list[Kept]:
    """Those of a plan's visits that leave no days of rest from one that its patient has besides. Asked once the patient is
    locked.
    """
    others = elsewhere(session, clinic, plan.patient_id, plan.id)
    return [one for one in visits if _is_near(Course.of(plan.course), first_day, others, one)]


def near_besides(
    plan: PlanView, others: Mapping[str, Mapping[date, VisitType]], before: Kept, after: Kept
) -> list[Fault]:
    """What a visit of a plan wouldn't keep of its rest from `others`, which are `days_besides`, once it is moved."""
    if plan.is_series:
        return []
    was, is_now = (_is_near(plan.course, plan.first_day, others, one) for one in (before, after))
    return [Fault(Rule.REST_DAYS, after.week, after.care)] if is_now and not was else []


def _is_near(
    course: Course, first_day: date, others: Mapping[str, Mapping[date, VisitType]], one: Kept
) -> bool:
    near = course.rest_days.get(one.modality, 0)
    return any(abs((on - first_day).days - one.day) <= near for on in others.get(one.modality, ()))


def is_near_a_plan(
    session: Session,
    clinic: Clinic,
    patient_id: int,
    planned: Planned,
    instead_of: Planned | None = None,
    *,
    of_plan: int | None = None,
) -> bool:
    """Whether a visit would leave no days of rest to a visit of a plan of this patient, other than its own. `instead_of`:
    where it stands; of the visits that it is near there it needn't be asked again.
    """
    of_plans = _visits_of_plans(session, clinic, patient_id, of_plan)

    def near(one: Planned) -> set[datetime]:
        day = clinic.times.local_date(one.starts_at)
        return {
            other.starts_at
            for other, rest in of_plans
            if other.modality == one.modality
            and abs(clinic.times.local_date(other.starts_at) - day) <= timedelta(days=rest)
        }

    return bool(near(planned) - (near(instead_of) if instead_of else set()))


def days_near_plans(session: Session, clinic: Clinic, patient_id: int) -> dict[str, frozenset[date]]:
    """By modality the days on which a further visit would leave no days of rest to one of a plan of this patient."""
    days: dict[str, frozenset[date]] = {}
    for one, rest in _visits_of_plans(session, clinic, patient_id):
        on = clinic.times.local_date(one.starts_at)
        near = {on + timedelta(days=apart) for apart in range(-rest, rest + 1)}
        days[one.modality] = days.get(one.modality, frozenset()) | near
    return days


def _visits_of_plans(
    session: Session, clinic: Clinic, patient_id: int, but_of: int | None = None
) -> list[tuple[Planned, int]]:
    """The visits of a patient's plans from which days of rest are to be kept, and how many."""
    found = session.execute(
        select(Plan.course, Appointment.visit_type_id, Appointment.from_cell)
        .join(Plan, Plan.id == Appointment.plan_id)
        .where(
            Appointment.patient_id == patient_id,
            *_to_rest_from(),
            Plan.status == PlanStatus.RUNNING,
            Plan.template != SERIES,
            Plan.id.is_distinct_from(but_of),
        )
    )
    visits = ((course, clinic.visit_type_by_id[number].modality.slug, cell) for course, number, cell in found)
    return [
        (Planned(instant_of(cell), modality), Course.of(course).rest_days.get(modality, 0))
        for course, modality, cell in visits
    ]


def _to_rest_from() -> tuple[ColumnElement[bool], ...]:
    """Visits from which days of rest are to be kept: those ahead, and those that took place, as of today or yesterday."""
    now = clock.now()
    longest_ago = now - timedelta(days=MOST_REST_DAYS + 1)
    return (
        Appointment.to_cell > cell_from(longest_ago),
        # What was only penciled in and is over took place no more than what was cancelled.
        or_(
            Appointment.status != Status.BOOKED,
            Appointment.penciled.is_(False),
            Appointment.to_cell > cell_from(now),
        ),
        Appointment.status.not_in((Status.CANCELLED, Status.NOSHOW)),
    )
