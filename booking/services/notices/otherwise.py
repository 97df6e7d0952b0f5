"""Reminders in another way than was wanted when they were written. What waits is dropped and written anew, what has been sent
isn't sent again, and what was about to go goes now. Their contact may be corrected in between.

Parts of use cases: they receive the session and never commit.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking.models import (
    Appointment,
    Channel,
    Message,
    MessageState,
    Plan,
    PlanReminders,
    PlanStatus,
    Reminders,
)
from booking.scheduling.reminder_times import not_after
from booking.services import digests
from booking.services.clinic import Clinic
from booking.services.message_rows import REMINDED_BY, bare_row
from booking.services.notices.calling import LIST_BY_CALL
from booking.services.notices.reminding import reminder_days, reminders
from booking.services.notices.writing import TOLD_TOGETHER, address_of, row_of
from booking.services.rows import Row, add_all

_TOLD = (MessageState.SENDING, MessageState.SENT, MessageState.SIMULATED, MessageState.UNSURE)


class Left(NamedTuple):
    """What waited in a way that isn't wanted any more. `kinds`: of reminders, by the visit's id. `lists`: of the week, by their
    subjects, and until when each is of use.
    """

    kinds: dict[int, set[str]]
    lists: dict[str, datetime]


def leave_way(
    session: Session,
    clinic: Clinic,
    visits: Sequence[Appointment],
    plans: Sequence[Plan],
    changed: Collection[int],
    now: datetime,
) -> Left:
    """Drops what waits to remind of these visits, and of these plans by the week, and isn't wanted so any more. `changed`: the
    visits, by their ids, that have another way; of the others it is what they are reminded of that may have changed.
    """
    left = Left({}, {})
    for visit, messages in _of_visits(session, visits):
        for message in messages:
            in_hand = message.state is MessageState.SENDING
            if (_waits(message) or in_hand) and not _stays(clinic, visit, message, visit.id in changed):
                left.kinds.setdefault(visit.id, set()).add(message.kind)
                if _waits(message):
                    _drop(message)
    for plan, messages in _of_plans(session, plans):
        for message in messages:
            if _waits(message) and message.channel not in _wants_lists_by(plan):
                _drop(message)
                left.lists[message.subject] = message.not_after
                if message.due_at <= now:
                    for visit in _of_week(clinic, plan, message.subject, visits):
                        left.kinds.setdefault(visit.id, set()).update(_kinds(clinic, visit))
    session.flush()
    return left


def take_way(
    session: Session,
    clinic: Clinic,
    visits: Sequence[Appointment],
    plans: Sequence[Plan],
    left: Left,
    now: datetime,
) -> None:
    """Writes what is ahead in the way that is wanted now, and what was left and has no time in it any more: at once."""
    rows: list[Row] = []
    for visit, messages in _of_visits(session, visits):
        number = max((one.resend for one in messages), default=-1) + 1
        found = _anew(clinic, visit, messages, left.kinds.get(visit.id, set()), now)
        rows += [row | {"resend": number} for row in found]
    add_all(session, Message, rows)
    for plan, _lists in _of_plans(session, plans):
        digests.replan(session, clinic, plan, now)
    for plan, lists in _of_plans(session, plans):
        add_all(session, Message, list(_lists_now(clinic, plan, lists, visits, left, now)))


def told_kinds(messages: Iterable[Message]) -> set[str]:
    """Which reminders have gone, or are going, in whatever way."""
    return {one.kind for one in messages if _is_told(one)}


def _anew(
    clinic: Clinic, visit: Appointment, messages: Sequence[Message], left: set[str], now: datetime
) -> Iterator[Row]:
    # What a worker has in hand for an address that isn't theirs any more won't go.
    in_vain = [one for one in messages if one.state is MessageState.SENDING and not _is_theirs(one, visit)]
    there = told_kinds(one for one in messages if one not in in_vain)
    waits = {(one.kind, one.channel) for one in messages if _waits(one)}
    refused = {(one.kind, one.channel, one.address) for one in messages if one.state is MessageState.DEAD}
    ahead = [row for row in reminders(clinic, visit, now) if row["kind"] not in there]
    yield from (row for row in ahead if (row["kind"], row["channel"]) not in waits)
    there |= {kind for kind, _channel in waits} | {row["kind"] for row in ahead}
    last_use = not_after(visit.starts_at)
    for kind in sorted((left & _kinds(clinic, visit)) - there):
        for channel in REMINDED_BY[visit.reminders]:
            address = address_of(visit, channel)
            if address and now < last_use and (kind, channel, address) not in refused:
                yield row_of(visit, kind, channel, address, now, now, last_use)


def _lists_now(
    clinic: Clinic,
    plan: Plan,
    lists: Sequence[Message],
    visits: Iterable[Appointment],
    left: Left,
    now: datetime,
) -> Iterator[Row]:
    """The lists of weeks for which one has no time any more: those that were left, and those in place of the reminders of visits
    of which nobody is reminded one by one any more.
    """
    of_use = {subject: until for subject, until in left.lists.items() if _is_of(subject, plan)}
    for visit in sorted(visits, key=lambda one: one.from_cell):
        week = digests.monday_of(clinic.times.local_date(visit.starts_at))
        alone = visit.plan_id == plan.id and plan.reminded_of is PlanReminders.DIGEST
        if alone and visit.id in left.kinds and digests.due_before(clinic, week) <= now:
            of_use.setdefault(digests.subject_of(plan, week), not_after(visit.starts_at))
    there = {one.subject for one in lists if _waits(one) or _is_told(one)}
    for subject, until in sorted(of_use.items()):
        for channel in _wants_lists_by(plan):
            address = plan.email if channel is Channel.EMAIL else plan.phone
            if subject not in there and address and now < until:
                same = [one.resend for one in lists if (one.subject, one.channel) == (subject, channel)]
                row = bare_row(subject, digests.KIND, channel, address, now, now, until)
                yield row | {"resend": max(same, default=-1) + 1}


def _stays(clinic: Clinic, visit: Appointment, message: Message, changed: bool) -> bool:
    if message.kind == LIST_BY_CALL:
        return visit.reminders is not Reminders.NONE
    in_this_way = not changed or message.channel in REMINDED_BY[visit.reminders]
    return in_this_way and message.kind in _kinds(clinic, visit)


def _kinds(clinic: Clinic, visit: Appointment) -> set[str]:
    return {f"reminder-{days}d" for days in reminder_days(clinic, visit)}


def _wants_lists_by(plan: Plan) -> tuple[Channel, ...]:
    runs = plan.status is PlanStatus.RUNNING
    return REMINDED_BY[plan.reminders] if runs and plan.reminded_of is not PlanReminders.EACH else ()


def _of_week(
    clinic: Clinic, plan: Plan, subject: str, visits: Iterable[Appointment]
) -> Iterator[Appointment]:
    week = digests.week_of(subject)
    for visit in visits:
        if visit.plan_id == plan.id and digests.monday_of(clinic.times.local_date(visit.starts_at)) == week:
            yield visit


def _of_visits(
    session: Session, visits: Sequence[Appointment]
) -> Iterator[tuple[Appointment, list[Message]]]:
    """Each visit with its reminders, as it stands."""
    found = session.scalars(
        select(Message)
        .where(Message.appointment_id.in_([one.id for one in visits]), Message.kind.startswith("reminder-"))
        .order_by(Message.id)
        .with_for_update()
    ).all()
    for visit in visits:
        of_visit = (visit.id, visit.sequence)
        yield visit, [one for one in found if (one.appointment_id, one.sequence) == of_visit]


def _of_plans(session: Session, plans: Sequence[Plan]) -> Iterator[tuple[Plan, list[Message]]]:
    """Each plan with its lists of the week."""
    for plan in plans:
        found = select(Message).where(
            Message.subject.startswith(f"plan/{plan.reference}/"), Message.kind == digests.KIND
        )
        yield plan, list(session.scalars(found.order_by(Message.id).with_for_update()))


def _is_theirs(message: Message, visit: Appointment) -> bool:
    return message.address in (visit.email, visit.phone)


def _is_of(subject: str, plan: Plan) -> bool:
    return subject.split("/")[1] == plan.reference


def _waits(message: Message) -> bool:
    """Whether it can still be kept from going: not a mail that a worker has in hand, nor a text that it has handed over."""
    in_hand = message.state is MessageState.SENDING
    if in_hand and (message.channel is Channel.EMAIL or message.handed_over_at is not None):
        return False
    waits = in_hand or message.state in (MessageState.QUEUED, MessageState.TO_CALL)
    return waits and message.settled_at is None


def _is_told(message: Message) -> bool:
    if message.state is MessageState.TO_CALL:
        return message.settled_at is not None
    told = message.state in _TOLD and not _waits(message)
    return told or message.settled_as == TOLD_TOGETHER


def _drop(message: Message) -> None:
    message.state, message.last_error, message.lease = MessageState.DROPPED, digests.WANTED_OTHERWISE, None
