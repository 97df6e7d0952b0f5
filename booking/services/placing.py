"""A visit takes another place, or gives up the one it has: its columns and its claims together, whoever changes it.

Parts of use cases: they receive the session and never commit. The visit is locked, and so is everything that it takes or
leaves. Its next version, its history and what is told of it are the use case's.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from booking.models import Actor, Appointment, Plan, PlanStatus
from booking.scheduling.offers import Assignment
from booking.scheduling.plans.course import Course
from booking.scheduling.plans.keeping import Role, is_gated
from booking.scheduling.status import Status
from booking.services import claims, tasks
from booking.services.clinic import the_clinic


def move(session: Session, appointment: Appointment, place: Assignment) -> None:
    """Gives a visit another time or person, and so the next entry in its patient's calendar. What it keeps of its claims stays
    its own, whatever absence waits for it. That they come, or can't, was said of the old time.
    """
    has, uses = claims.uses_of(session, appointment), [*place.uses, place.patient_use(appointment.patient_id)]
    claims.exchange(session, has, uses, appointment_id=appointment.id)
    put(session, appointment, place)
    appointment.sequence += 1
    appointment.confirmed_at = appointment.cannot_come_at = None


def put(session: Session, appointment: Appointment, place: Assignment) -> None:
    """Time, person and room as they are to be, in the visit's columns alone."""
    appointment.practitioner_id, appointment.room_id = place.practitioner_id, place.room
    appointment.from_cell, appointment.to_cell = place.from_cell, place.to_cell
    pencil(session, appointment)


def pencil(session: Session, appointment: Appointment) -> None:
    """Of a plan that runs, a visit is penciled in where it lies behind a look that nobody has decided upon, and else firm; of one
    that nobody has confirmed, what waits for that waits on.
    """
    plan = session.get(Plan, appointment.plan_id) if appointment.plan_id else None
    if plan is None or plan.status is not PlanStatus.RUNNING:
        return
    day = (the_clinic(session).times.local_date(appointment.starts_at) - plan.first_day).days
    role = Role(appointment.plan_role or Role.DOSE)
    gated = is_gated(Course.of(plan.course), day // 7, role, plan.decided_phases)
    appointment.penciled = gated or (appointment.penciled and plan.confirmed_at is None)


def cancel(session: Session, appointment: Appointment, by: Actor, why: str, now: datetime) -> None:
    """Cancels a visit as somebody wished, and frees its time. Whether it may be is for the use case to say."""
    cancel_all(session, [appointment], by, why, now)


def cancel_all(
    session: Session, appointments: Sequence[Appointment], by: Actor, why: str, now: datetime
) -> None:
    """The same of several visits of one plan."""
    for one in appointments:
        _cancel(session, one, by, why, now)
    for one in appointments[:1]:
        tasks.pass_on(session, one, now)


def _cancel(session: Session, appointment: Appointment, by: Actor, why: str, now: datetime) -> None:
    appointment.status = Status.CANCELLED
    appointment.cancelled_at, appointment.cancelled_by, appointment.cancel_reason = now, by, why
    appointment.sequence += 1
    claims.give_back(session, appointment_id=appointment.id)
