"""The visits of a board's days that are cancelled: what the board counts and doesn't draw."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import not_, select

from booking.errors import NotFound
from booking.models import Actor, Appointment
from booking.scheduling.status import Status
from booking.services.clinic import Clinic, Practitioner, VisitType, the_clinic
from booking.services.desk.drawing import Asked, window_of
from booking.services.desk.records import BY_MISTAKE
from booking.services.staff.who import Who
from booking.services.transaction import reading


@dataclass(frozen=True)
class Cancelled:
    reference: str
    name: str
    starts_at: datetime
    visit_type: VisitType
    practitioner: Practitioner
    by: Actor | None
    at: datetime | None
    reason: str


def cancelled_on(who: Who, asked: Asked) -> tuple[Clinic, tuple[Cancelled, ...]]:
    """Those that the board of these days counts, in the order of the day.

    Raises NotFound, also for whoever doesn't see all patients.
    """
    if not who.sees_everybody:
        raise NotFound
    with reading() as session:
        clinic = the_clinic(session)
        window = window_of(clinic, asked)
        wanted = select(Appointment).where(
            Appointment.status == Status.CANCELLED,
            Appointment.from_cell < window.end,
            Appointment.to_cell > window.start,
            not_(BY_MISTAKE),
        )
        if asked.person:
            wanted = wanted.where(Appointment.practitioner_id == clinic.practitioner(asked.person).id)
        found = session.scalars(wanted.order_by(Appointment.from_cell, Appointment.id))
        return clinic, tuple(
            Cancelled(
                one.reference,
                f"{one.first_name} {one.last_name}",
                one.starts_at,
                clinic.visit_type_by_id[one.visit_type_id],
                clinic.practitioner_by_id[one.practitioner_id],
                one.cancelled_by,
                one.cancelled_at,
                one.cancel_reason,
            )
            for one in found
        )
