"""Several messages to one person that go as one, where care is dense: the reminders of one day, and what the clinic changed
of one plan within three minutes.

Whoever sends the first takes the others along under its own lease, under a lock on the person's address, so that of two
workers one takes and the other finds nothing left. What became of the one is kept with the others too. Visits of people who
aren't on a plan are told of one by one.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from booking.models import LIVE, Appointment, Channel, Message, MessageState
from booking.reminders.checks import Wait
from booking.scheduling.hours import day_at
from booking.scheduling.status import Status
from booking.scheduling.timeline import cell_from
from booking.services.clinic import Clinic
from booking.services.notices import ANSWERS, TAKEN_BACK_WITHIN, reminder_days
from booking.services.transaction import lock_names

FACT = "together"
"""The facts of a message that goes for several: {"messages": their ids, "visits": the ids of the visits that it names}."""

# Asked for every message, and mostly in vain, so put together once.
_ON_A_PLAN = (
    select(Appointment.id)
    .where(
        Appointment.patient_id == bindparam("patient_id"),
        Appointment.to_cell > bindparam("since"),
        Appointment.plan_id.is_not(None),
        Appointment.status == Status.BOOKED,
    )
    .limit(1)
)


def is_shared(session: Session, clinic: Clinic, message: Message, now: datetime) -> bool:
    """Whether a message may go together with others: `take` then says with which."""
    if message.appointment_id is None or message.channel is Channel.CALL:
        return False
    if FACT in message.facts:
        return True
    visit = session.get_one(Appointment, message.appointment_id)
    if visit.plan_id is None and not _is_on_a_plan(session, clinic, visit, now):
        return False
    return len(_all(session, clinic, message, visit, now)) > 1


def _is_on_a_plan(session: Session, clinic: Clinic, visit: Appointment, now: datetime) -> bool:
    """Whether the patient of a visit has one of a plan on its day, or ahead."""
    day = day_at(clinic.times.local_date(visit.starts_at), clinic.zone)
    asked = {"patient_id": visit.patient_id, "since": min(day.from_cell, cell_from(now))}
    return session.connection().scalar(_ON_A_PLAN, asked) is not None


def take(
    session: Session, clinic: Clinic, message_id: int, lease: str, now: datetime
) -> list[int] | Wait | None:
    """Takes along what goes with a message that is in a worker's hands under this lease, and notes it there. Returns the ids of
    what was taken; Wait where something that belongs to it isn't due yet; None if another worker has taken the message itself.
    """
    message = session.get_one(Message, message_id)
    lock_names(session, f"together {message.address}")
    session.refresh(message)
    if message.lease != lease or message.state is not MessageState.SENDING:
        return None
    visit = session.get_one(Appointment, message.appointment_id)
    others = [one for one, _ in _companions(session, clinic, message, visit, now)]
    if message.kind in ANSWERS and (until := _last_due(message, others, now)):
        return Wait(until)
    for one in others:
        one.state, one.lease, one.leased_until = MessageState.SENDING, lease, message.leased_until
    visits = _all(session, clinic, message, visit, now)
    facts = {name: value for name, value in message.facts.items() if name != FACT}
    if len(visits) > 1:
        ids = [one.id for one in (message, *others)]
        facts[FACT] = {"messages": ids, "visits": [one.id for one in visits]}
    message.facts = facts
    return [one.id for one in others]


def _last_due(message: Message, others: Sequence[Message], now: datetime) -> datetime | None:
    """Until when changes wait for each other: each can be taken back for three minutes, and those of three minutes go together."""
    first = min(one.written_at for one in (message, *others))
    later = [one.due_at for one in others if one.due_at > now and one.written_at <= first + TAKEN_BACK_WITHIN]
    return max(later, default=None)


def _companions(
    session: Session, clinic: Clinic, message: Message, visit: Appointment, now: datetime
) -> list[tuple[Message, Appointment]]:
    """What goes with a message, each with its visit. Another worker's that goes for several already is left to it."""
    changes = message.kind in ANSWERS
    if changes and (visit.plan_id is None or not message.facts.get("by_clinic")):
        return []
    of_person = (
        Appointment.plan_id == visit.plan_id if changes else Appointment.patient_id == visit.patient_id
    )
    found = session.execute(
        select(Message, Appointment)
        .join(Appointment, Appointment.id == Message.appointment_id)
        .where(
            of_person,
            Message.id != message.id,
            Message.address == message.address,
            Message.channel == message.channel,
            Message.sequence == Appointment.sequence,
            Message.state.in_(LIVE),
            Message.handed_over_at.is_(None),
        )
        .order_by(Appointment.from_cell, Message.id)
    ).tuples()
    goes_with = _is_change if changes else _is_reminder
    rows = [
        (one, its)
        for one, its in found
        if not (one.state is MessageState.SENDING and FACT in one.facts)
        and goes_with(clinic, message, visit, one, its, now)
    ]
    if not changes and visit.plan_id is None and all(its.plan_id is None for _, its in rows):
        return []
    return rows


def _is_change(
    clinic: Clinic, message: Message, visit: Appointment, one: Message, its: Appointment, now: datetime
) -> bool:
    if one.kind not in ANSWERS or not one.facts.get("by_clinic"):
        return False
    cancelled = its.status is Status.CANCELLED
    return cancelled if one.kind == "cancellation" else its.status is Status.BOOKED


def _is_reminder(
    clinic: Clinic, message: Message, visit: Appointment, one: Message, its: Appointment, now: datetime
) -> bool:
    """Of the same day; of texts, of which so many may go a day, whatever would go today."""
    if not (message.kind.startswith("reminder-") and one.kind.startswith("reminder-")) or not _stands(
        its, now
    ):
        return False
    day, today = clinic.times.local_date, clinic.times.local_date(now)
    if one.kind == message.kind and day(its.starts_at) == day(visit.starts_at):
        return True
    return message.channel is Channel.TEXT and day(one.due_at) <= today


def _all(
    session: Session, clinic: Clinic, message: Message, visit: Appointment, now: datetime
) -> list[Appointment]:
    """All visits that a message names, in order: its own, those of what goes with it, and of a reminder all others of its day
    that stand and of which one is reminded so early.
    """
    named = {visit.id: visit}
    companions = _companions(session, clinic, message, visit, now)
    named |= {its.id: its for _, its in companions}
    if message.kind.startswith("reminder-"):
        on = clinic.times.local_date(visit.starts_at)
        others = _of_day(session, clinic, visit, on)
        if visit.plan_id is not None or any(one.plan_id is not None for one in others):
            named |= {one.id: one for one in others if _is_told(clinic, message, one, now)}
    return sorted(named.values(), key=lambda one: (one.from_cell, one.id))


def _of_day(session: Session, clinic: Clinic, visit: Appointment, on: date) -> Iterable[Appointment]:
    day = day_at(on, clinic.zone)
    return session.scalars(
        select(Appointment).where(
            Appointment.patient_id == visit.patient_id,
            Appointment.to_cell > day.from_cell,
            Appointment.from_cell < day.to_cell,
            Appointment.status == Status.BOOKED,
        )
    ).all()


def _is_told(clinic: Clinic, message: Message, visit: Appointment, now: datetime) -> bool:
    contact = visit.email if message.channel is Channel.EMAIL else visit.phone
    days = int(message.kind.removeprefix("reminder-").removesuffix("d"))
    return contact == message.address and _stands(visit, now) and days in reminder_days(clinic, visit)


def _stands(visit: Appointment, now: datetime) -> bool:
    return (
        visit.status is Status.BOOKED
        and not visit.penciled
        and visit.cannot_come_at is None
        and visit.from_cell > cell_from(now)
    )


def facts_of(message: Message) -> dict[str, Any] | None:
    """What a message that goes for several notes of them; None for one that goes for itself."""
    found: dict[str, Any] | None = message.facts.get(FACT)
    return found
