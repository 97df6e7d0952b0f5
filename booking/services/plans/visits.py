"""The visits of a plan, each as it stands: whether it took place, of which week and kind of care it is."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, and_, or_, select
from sqlalchemy.orm import Session

from booking import clock
from booking.models import Actor, Appointment, Plan, VisitKind
from booking.scheduling.plans.course import Course
from booking.scheduling.plans.keeping import Kept, Role, look_of
from booking.scheduling.status import Status, lapsed
from booking.scheduling.timeline import cell_from, instant_of
from booking.services.clinic import Clinic, Practitioner, VisitType
from booking.services.plans.wanted import first_visit_of
from booking.services.visits import Changeable

_MISSED = (Status.NOSHOW, Status.CANCELLED)


@dataclass(frozen=True)
class PlanVisit(Changeable):
    """A visit of a plan. `care`: the ordinary visit type of its kind of care. `lapsed`: it was only penciled in, and is over; what
    its week lacks by that is asked for again. `by_us`: it was cancelled, and that wasn't its patient's wish. `week`: of the plan,
    from 0 on; before its first day the first one.
    """

    id: int
    reference: str
    link_number: int
    version: int
    visit_type: VisitType
    care: VisitType
    role: Role | None
    practitioner: Practitioner
    starts_at: datetime
    ends_at: datetime
    status: Status
    penciled: bool
    lapsed: bool
    by_us: bool
    week: int

    @property
    def stands(self) -> bool:
        return self.status not in _MISSED and not self.lapsed

    def came(self, now: datetime) -> bool:
        """Whether it took place. What is over and was never settled counts as if it had, unless it `lapsed`."""
        return self.stands and (self.status is not Status.BOOKED or self.ends_at <= now)

    @property
    def begins(self) -> bool:
        """Whether it is the first visit with which its kind of care begins."""
        return self.visit_type.kind is VisitKind.FIRST and self.visit_type != self.care


def visits_of(session: Session, clinic: Clinic, plan: Plan) -> list[PlanVisit]:
    """All visits of a plan, cancelled ones as well, in order."""
    rows = session.scalars(
        select(Appointment).where(Appointment.plan_id == plan.id).order_by(Appointment.from_cell)
    )
    return [shaped(clinic, plan, row) for row in rows]


def shaped(clinic: Clinic, plan: Plan | Row[Any], row: Appointment | Row[Any]) -> PlanVisit:
    """A visit of a plan, both as they are or as rows with the same columns."""
    visit_type = clinic.visit_type_by_id[row.visit_type_id]
    starts_at, ends_at = instant_of(row.from_cell), instant_of(row.to_cell)
    day = (clinic.times.local_date(starts_at) - plan.first_day).days
    kinds = (name for phase in plan.course["phases"] for name in phase["doses"])
    return PlanVisit(
        id=row.id,
        reference=row.reference,
        link_number=row.link_number,
        version=row.version,
        visit_type=visit_type,
        care=care_of(clinic, visit_type, row.plan_role, kinds),
        role=Role(row.plan_role) if row.plan_role else None,
        practitioner=clinic.practitioner_by_id[row.practitioner_id],
        starts_at=starts_at,
        ends_at=ends_at,
        status=row.status,
        penciled=row.penciled,
        lapsed=lapsed(row.status, ends_at, clock.now(), penciled=row.penciled),
        by_us=row.status is Status.CANCELLED and row.cancelled_by in (Actor.STAFF, Actor.SYSTEM),
        week=max(0, day // 7),
    )


def firsts_due(
    clinic: Clinic, visits: Iterable[PlanVisit], now: datetime
) -> dict[VisitType, tuple[VisitType, PlanVisit]]:
    """Kinds of care of which the first visit was missed, and no other took place since: each with the visit type with which it is
    to begin yet, and the visit that was missed.
    """
    lost: dict[VisitType, PlanVisit] = {}
    begun: set[VisitType] = set()
    for one in visits:
        if one.role is Role.REASSESSMENT:
            continue
        if one.came(now) or (one.begins and one.stands):
            begun.add(one.care)
        elif one.begins and not one.stands:
            lost[one.care] = one
    found = {care: (first_visit_of(clinic, care), was) for care, was in lost.items() if care not in begun}
    return {care: (begins, was) for care, (begins, was) in found.items() if begins is not None}


def never_begun(
    clinic: Clinic, kinds: Iterable[str], known_in: Collection[str], visits: Iterable[PlanVisit]
) -> dict[VisitType, VisitType]:
    """Those of a plan's kinds of care that are new to its patient and of which nothing was ever booked: each with the visit type
    with which it is to begin.
    """
    begun = {*known_in, *(one.care.modality.slug for one in visits if one.role is not Role.REASSESSMENT)}
    cares = (clinic.visit_types_ever[name] for name in kinds)
    found = {care: first_visit_of(clinic, care) for care in cares if care.modality.slug not in begun}
    return {care: begins for care, begins in found.items() if begins is not None}


def treated_besides(
    session: Session, clinic: Clinic, plan_ids: Collection[int], now: datetime
) -> dict[int, set[str]]:
    """By plan the modalities in which its patient was treated besides since it was made. Nothing of a plan that nobody has
    prescribed: its link may be somebody's who only gave their name.
    """
    if not plan_ids:
        return {}
    is_over = and_(Appointment.to_cell <= cell_from(now), Appointment.penciled.is_(False))
    took_place = or_(Appointment.status != Status.BOOKED, is_over)
    rows = session.execute(
        select(Plan, Appointment.visit_type_id, Appointment.to_cell)
        .join(Appointment, Appointment.patient_id == Plan.patient_id)
        .where(
            Plan.id.in_(plan_ids),
            Appointment.plan_id.is_distinct_from(Plan.id),
            Appointment.status.not_in(_MISSED),
            took_place,
        )
    )
    found: dict[int, set[str]] = defaultdict(set)
    for plan, visit_type, to_cell in rows:
        if not plan.is_limited and instant_of(to_cell) > plan.made_at:
            found[plan.id].add(clinic.visit_type_by_id[visit_type].modality.slug)
    return found


def kept_at(
    clinic: Clinic, first_day: date, starts_at: datetime, ends_at: datetime, care: VisitType, role: Role
) -> Kept:
    """A visit in the words of a plan's rules."""
    local = starts_at.astimezone(clinic.zone)
    minute = local.hour * 60 + local.minute
    minutes = int((ends_at - starts_at).total_seconds()) // 60
    day = (local.date() - first_day).days
    return Kept(day, minute, minute + minutes, care.slug, care.modality.slug, role)


def look_after(
    clinic: Clinic, first_day: date, course: Course, standing: Iterable[PlanVisit], stage: int
) -> PlanVisit | None:
    """The reassessment after a stage, as `look_of` finds it."""
    if stage >= course.looks:
        return None
    visits = {
        kept_at(clinic, first_day, one.starts_at, one.ends_at, one.care, one.role): one
        for one in standing
        if one.role is not None
    }
    look = look_of(course, list(visits), stage)
    return visits[look] if look else None


def care_of(clinic: Clinic, visit_type: VisitType, role: str | None, kinds: Iterable[str]) -> VisitType:
    """The ordinary visit type of a visit's kind of care: that of a plan's kinds which has the same modality."""
    if role == Role.REASSESSMENT:
        return visit_type
    cares = (clinic.visit_types_ever.get(name) for name in kinds)
    return next((one for one in cares if one and one.modality == visit_type.modality), visit_type)
