"""Why a patient got which message about a visit, and why others didn't go or were never written: a part of what the panel shows."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking.models import YET_TO_GO, Appointment, Message, Plan
from booking.scheduling.hours import day_at
from booking.scheduling.status import Status
from booking.services import digests, notices
from booking.services.clinic import Clinic, the_clinic
from booking.services.message_rows import Unwritten
from booking.services.notices import NAMED


def story(session: Session, appointment: Appointment) -> Sequence[Message]:
    """All messages about a visit: its own, with why one didn't go, and those about several that named it or will name it."""
    own = select(Message).where(Message.appointment_id == appointment.id)
    found = list(session.scalars(own))
    if appointment.plan_id is not None:
        found += _of_plan(session, appointment, session.get_one(Plan, appointment.plan_id))
    told = {message.id for message in found}
    return [*found, *(one for one in _of_its_day(session, appointment) if one.id not in told)]


def unwritten(
    session: Session, clinic: Clinic, appointment: Appointment, story: Sequence[Message], now: datetime
) -> tuple[Unwritten, ...]:
    """What was never written about a visit that stands or took place, and why: by the rules that decide it. `story`: what was
    written.
    """
    if appointment.status is Status.CANCELLED:
        return ()
    found = notices.unwritten(clinic, appointment, now)
    if appointment.plan_id is not None:
        plan = session.get_one(Plan, appointment.plan_id)
        found += digests.unwritten(clinic, plan, appointment, now)
    written = {
        (one.kind, channel)
        for one in story
        if one.appointment_id != appointment.id or one.sequence == appointment.sequence
        for channel in (one.channel, None)
    }
    reminded = any(kind.startswith("reminder-") for kind, _channel in written)
    return tuple(
        one
        for one in found
        if (one.kind, one.channel) not in written and not (one.kind == "reminder" and reminded)
    )


def _of_plan(session: Session, appointment: Appointment, plan: Plan) -> list[Message]:
    day = the_clinic(session).times.local_date(appointment.starts_at)
    whole, week = f"plan/{plan.reference}", digests.subject_of(plan, digests.monday_of(day))
    found = session.scalars(select(Message).where(Message.subject.in_((whole, week))).order_by(Message.id))
    return [one for one in found if _names(one, appointment) or _is_about(one, appointment, week)]


def _is_about(message: Message, appointment: Appointment, week: str) -> bool:
    """Whether a message that hasn't gone is about this visit: the list of its week, or what goes to all that stand."""
    if NAMED in message.facts or appointment.penciled:
        return False
    return message.subject == week or (message.state in YET_TO_GO and message.kind == "plan-confirmation")


def _of_its_day(session: Session, appointment: Appointment) -> list[Message]:
    """Reminders of the patient's other visits that named this one."""
    clinic = the_clinic(session)
    day = day_at(clinic.times.local_date(appointment.starts_at), clinic.zone)
    others = session.scalars(
        select(Message)
        .join(Appointment, Appointment.id == Message.appointment_id)
        .where(
            Appointment.patient_id == appointment.patient_id,
            Appointment.id != appointment.id,
            # Texts that wait take those of the next day along.
            Appointment.to_cell > day.from_cell - 2 * (day.to_cell - day.from_cell),
            Appointment.from_cell < day.to_cell + 2 * (day.to_cell - day.from_cell),
        )
    )
    return [one for one in others if _names(one, appointment)]


def _names(message: Message, appointment: Appointment) -> bool:
    return appointment.id in message.facts.get(NAMED, ())
