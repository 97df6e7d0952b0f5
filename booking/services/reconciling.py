"""Finds visits whose reminders aren't as they should be, and puts them right.

The worker runs this now and then; a change of the clinic's reminder times, or of a visit's type, runs it at once. It is the net
under the outbox: a reminder that somehow was never written is written, one that is no longer wanted is dropped, and one that is
queued for another time gets its new time. So it is with the lists of the week of those on plans, and with calls about a plan that
are carried by a visit which has begun meanwhile.
"""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from booking import clock
from booking.models import Appointment, Channel, Message, MessageState, Plan, PlanReminders, PlanStatus
from booking.scheduling.status import Status
from booking.scheduling.timeline import cell_from
from booking.services import digests, notices, rows
from booking.services.clinic import the_clinic
from booking.services.rows import Row
from booking.services.transaction import reading

_NOT_WANTED = "The clinic's reminder times changed."


def anything_wrong() -> bool:
    """Whether it is worth taking the write lock: asked in a transaction that only reads."""
    with reading() as session:
        return bool(_looked_at(session) or _digests(session) or notices.left_behind(session, clock.now()))


def write_missing(session: Session, only: Appointment | None = None) -> int:
    """Puts the queued reminders of all future visits right, or those of one. Returns how many were missing."""
    missing: list[Row] = []
    for message, row in _looked_at(session, only):
        if message is None:
            missing.append(row)
        elif row:
            message.state, message.last_error = MessageState.QUEUED, ""
            message.due_at, message.not_after = row["due_at"], row["not_after"]
        else:
            message.state, message.last_error = MessageState.DROPPED, _NOT_WANTED
    rows.add_all(session, Message, missing)
    if only is not None:
        return len(missing)
    for plan in notices.left_behind(session, clock.now()):
        notices.pass_on(session, plan, clock.now())
    return len(missing) + digests.put_right(session, _digests(session))


def _digests(session: Session) -> list[digests.Change]:
    """What is to be changed of the lists of the week that people on plans get."""
    running = session.scalars(
        select(Plan).where(Plan.status == PlanStatus.RUNNING, Plan.reminded_of != PlanReminders.EACH)
    ).all()
    return digests.changes(session, the_clinic(session), running, clock.now()) if running else []


def _looked_at(session: Session, only: Appointment | None = None) -> list[tuple[Message | None, Row]]:
    """What is to be changed: a reminder that is missing (None) or has another time, and the row as it should be; an
    empty row for one that isn't wanted.
    """
    now = clock.now()
    clinic = the_clinic(session)
    ahead = select(Appointment).where(
        Appointment.to_cell > cell_from(now), Appointment.status == Status.BOOKED
    )
    ahead = ahead.options(selectinload(Appointment.plan))
    visits = session.scalars(ahead if only is None else ahead.where(Appointment.id == only.id)).all()
    written: dict[int | None, list[Message]] = {}
    for message in session.scalars(
        select(Message).where(
            Message.appointment_id.in_([visit.id for visit in visits]), Message.kind.startswith("reminder-")
        )
    ):
        written.setdefault(message.appointment_id, []).append(message)

    changes: list[tuple[Message | None, Row]] = []
    for visit in visits:
        if visit.visit_type_id not in clinic.visit_type_by_id:
            continue
        wanted = {(row["kind"], row["channel"]): row for row in notices.reminders(clinic, visit, now)}
        newest = _newest(visit, written.get(visit.id, ()))
        # What went before its way was changed isn't said once more.
        told = notices.told_kinds(newest.values())
        changes += [
            (None, row) for place, row in wanted.items() if place not in newest and place[0] not in told
        ]
        for message in written.get(visit.id, ()):
            place = (message.kind, message.channel)
            row = wanted.get(place, {}) if newest.get(place) is message else {}
            if not _as_it_should_be(message, row, now):
                changes.append((message, row))
    return changes


def _newest(visit: Appointment, messages: Iterable[Message]) -> dict[tuple[str, Channel], Message]:
    """What counts of each kind and channel: the last resend for the time that the visit has now."""
    newest: dict[tuple[str, Channel], Message] = {}
    for message in sorted(messages, key=lambda one: one.resend):
        if message.sequence == visit.sequence:
            newest[message.kind, message.channel] = message
    return newest


def _as_it_should_be(message: Message, row: Row, now: datetime) -> bool:
    if message.last_error == _NOT_WANTED:
        return not row
    # One that is due already, or that was put off after a try, is the worker's.
    untouched = message.due_at > now and not message.attempts and not message.last_error
    if message.state is not MessageState.QUEUED or not untouched:
        return True
    return bool(row) and (message.due_at, message.not_after) == (row["due_at"], row["not_after"])
