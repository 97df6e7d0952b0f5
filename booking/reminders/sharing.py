"""Several messages to one person that go as one, where care is dense: the reminders of one day, and what the clinic changed
of one plan within three minutes: of single visits and of the plan as a whole.

Whoever sends the first takes the others along under its own lease, under a lock on the person's address, so that of two
workers one takes and the other finds nothing left. A change of a plan as a whole goes for those of its visits, whichever
was first. What became of the one is kept with the others too. Visits of people who aren't on a plan are told of one by one.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, bindparam, select
from sqlalchemy.orm import Session

from booking.models import YET_TO_GO, Appointment, Channel, Message, MessageState, Plan
from booking.reminders.checks import Wait, verdict
from booking.reminders.plans import plan_of
from booking.scheduling.hours import day_at
from booking.scheduling.status import Status
from booking.scheduling.timeline import cell_from
from booking.services.clinic import Clinic
from booking.services.notices import ANSWERS, TAKEN_BACK_WITHIN, reminder_days
from booking.services.transaction import lock_names

FACT = "together"
"""The facts of a message that goes for several: {"messages": their ids, "visits": the ids of the visits that it names}."""

CHANGE = "plan-change"
"""Tells what was changed of a plan as a whole; also in whose words changes go together."""

# Each with its visit, or with none where it is about a plan as a whole.
Companions = Sequence[tuple[Message, Appointment | None]]

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


def begin_anew(message: Message) -> None:
    """Forgets with what a message went that is tried again: what goes with it is found each time."""
    if FACT in message.facts:
        message.facts = _without_others(message)


def _without_others(message: Message) -> dict[str, Any]:
    return {name: value for name, value in message.facts.items() if name != FACT}


def is_shared(session: Session, clinic: Clinic, message: Message, now: datetime) -> bool:
    """Whether a message may go together with others: `take` then says with which."""
    visit = _visit_of(session, message)
    if message.channel is Channel.CALL or (visit is None and message.kind != CHANGE):
        return False
    if visit is not None and visit.plan_id is None and not _is_on_a_plan(session, clinic, visit, now):
        return False
    companions, lease = _companions(session, clinic, message, visit, now), message.lease
    if _are_several(message, companions, _visits(session, clinic, message, visit, companions, now)):
        return True
    # Another worker may have taken it along meanwhile, and what it went with has gone.
    session.refresh(message, ["lease"])
    return message.lease != lease


def _visit_of(session: Session, message: Message) -> Appointment | None:
    return session.get_one(Appointment, message.appointment_id) if message.appointment_id else None


def _is_on_a_plan(session: Session, clinic: Clinic, visit: Appointment, now: datetime) -> bool:
    """Whether the patient of a visit has one of a plan on its day, or ahead."""
    day = day_at(clinic.times.local_date(visit.starts_at), clinic.zone)
    asked = {"patient_id": visit.patient_id, "since": min(day.from_cell, cell_from(now))}
    return session.connection().scalar(_ON_A_PLAN, asked) is not None


def take(
    session: Session, clinic: Clinic, message_id: int, lease: str, now: datetime
) -> list[int] | Wait | None:
    """Takes along what goes with a message that is in a worker's hands under this lease. Returns the ids of them all, first of
    the one that goes for the others, where they are noted; Wait where something that belongs to it isn't due yet; None if
    another worker has taken the message itself.
    """
    message = session.get_one(Message, message_id)
    lock_names(session, f"together {message.address}")
    session.refresh(message)
    if message.lease != lease or message.state is not MessageState.SENDING:
        return None
    visit = _visit_of(session, message)
    companions = _still_there(session, _companions(session, clinic, message, visit, now))
    all_of_them = [message, *(one for one, _ in companions)]
    if message.kind in (*ANSWERS, CHANGE) and (until := _last_due(all_of_them, now)):
        return Wait(until)
    first = next((one for one in all_of_them if one.kind == CHANGE), message)
    if first.state is MessageState.QUEUED:
        first.attempts += 1  # As if it had been claimed.
    for one in all_of_them:
        one.state, one.lease, one.leased_until = MessageState.SENDING, lease, message.leased_until
    visits = _visits(session, clinic, message, visit, companions, now)
    facts = _without_others(first)
    if _are_several(message, companions, visits):
        facts[FACT] = {"messages": [one.id for one in all_of_them], "visits": [one.id for one in visits]}
    first.facts = facts
    return [first.id, *(one.id for one in all_of_them if one is not first)]


def _still_there(session: Session, companions: Companions) -> Companions:
    """Those that nobody has dropped or taken meanwhile; nobody can from here on."""
    wanted = select(Message.id).where(
        Message.id.in_([one.id for one, _ in companions]),
        Message.state.in_(YET_TO_GO),
        Message.handed_over_at.is_(None),
    )
    there = set(session.scalars(wanted.order_by(Message.id).with_for_update()))
    return [(one, its) for one, its in companions if one.id in there]


def _last_due(messages: Sequence[Message], now: datetime) -> datetime | None:
    """Until when changes wait for each other: until the last of them can't be taken back any more. What is due later than
    that was tried before, or waits for the morning.
    """
    return max((one.due_at for one in messages if now < one.due_at <= now + TAKEN_BACK_WITHIN), default=None)


def _companions(
    session: Session, clinic: Clinic, message: Message, visit: Appointment | None, now: datetime
) -> Companions:
    """What goes with a message, each with its visit. Another worker's that goes for several already is left to it."""
    if visit is None or message.kind in ANSWERS:
        return _other_changes(session, clinic, message, visit, now)
    found = _of_visits(session, message, Appointment.patient_id == visit.patient_id)
    rows: Companions = [
        (one, its) for one, its in found if _is_reminder(clinic, message, visit, one, its, now)
    ]
    if visit.plan_id is None and all(its is None or its.plan_id is None for _, its in rows):
        return []
    return rows


def _other_changes(
    session: Session, clinic: Clinic, message: Message, visit: Appointment | None, now: datetime
) -> Companions:
    """Of the plan as a whole, which comes first, and of its visits."""
    if visit is None:
        plan = plan_of(session, message)
    else:
        of_clinic = visit.plan_id is not None and message.facts.get("by_clinic")
        plan = session.get_one(Plan, visit.plan_id) if of_clinic else None
    if plan is None or message.address not in (plan.email, plan.phone):
        return []  # Whoever has single visits isn't told of the others, nor given the plan's link.
    whole: Companions = []
    if visit is not None:
        of_plan = (Message.subject == f"plan/{plan.reference}", Message.kind == CHANGE)
        waits = session.scalars(select(Message).where(*of_plan, *_waits_like(message)).order_by(Message.id))
        whole = [
            (one, None) for one in waits if _is_free(one) and verdict(session, clinic, one, now) is None
        ][:1]
    found = _of_visits(session, message, Appointment.plan_id == plan.id)
    return [*whole, *((one, its) for one, its in found if _is_change(one, its))]


def _of_visits(
    session: Session, message: Message, whose: ColumnElement[bool]
) -> list[tuple[Message, Appointment]]:
    found = session.execute(
        select(Message, Appointment)
        .join(Appointment, Appointment.id == Message.appointment_id)
        .where(whose, Message.sequence == Appointment.sequence, *_waits_like(message))
        .order_by(Appointment.from_cell, Message.id)
    ).tuples()
    return [(one, its) for one, its in found if _is_free(one)]


def _waits_like(message: Message) -> tuple[ColumnElement[bool], ...]:
    """Another one that waits to go to the same contact."""
    return (
        Message.id != message.id,
        Message.address == message.address,
        Message.channel == message.channel,
        Message.state.in_(YET_TO_GO),
        Message.handed_over_at.is_(None),
    )


def _is_free(one: Message) -> bool:
    """Whether it may be taken: not what is on its way for several."""
    return not (one.state is MessageState.SENDING and FACT in one.facts)


def _are_several(message: Message, companions: Companions, visits: Sequence[Appointment]) -> bool:
    """Whether it is about more than one visit, or besides about a plan as a whole."""
    return len(visits) + [message.kind, *(one.kind for one, _ in companions)].count(CHANGE) > 1


def _is_change(one: Message, its: Appointment) -> bool:
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


def _visits(
    session: Session,
    clinic: Clinic,
    message: Message,
    visit: Appointment | None,
    companions: Companions,
    now: datetime,
) -> list[Appointment]:
    """All visits that a message names, in order: its own, those of what goes with it, and of a reminder all others of its day
    that stand and of which one is reminded so early.
    """
    named = {its.id: its for its in (visit, *(its for _, its in companions)) if its is not None}
    if visit is not None and message.kind.startswith("reminder-"):
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
