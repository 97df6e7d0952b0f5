"""Finds visits whose reminders aren't as they should be, and puts them right.

The worker runs this now and then, and a change of the clinic's reminder times runs it at once. It is the net under
the outbox: a reminder that somehow was never written is written, one that is no longer wanted is dropped, and one
that is queued for another time gets its new time.
"""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking import clock
from booking.models import Appointment, Message, MessageState
from booking.scheduling.status import Status
from booking.scheduling.timeline import cell_from
from booking.services import notices, rows
from booking.services.clinic import the_clinic

_NOT_WANTED = "The clinic's reminder times changed."


def write_missing(session: Session) -> int:
    """Puts the queued reminders of all future visits right. Returns how many were missing."""
    now = clock.now()
    clinic = the_clinic(session)
    visits = session.scalars(
        select(Appointment).where(Appointment.to_cell > cell_from(now), Appointment.status == Status.BOOKED)
    ).all()
    by_visit: dict[int | None, list[Message]] = {}
    for message in session.scalars(
        select(Message).where(
            Message.appointment_id.in_([visit.id for visit in visits]), Message.kind.startswith("reminder-")
        )
    ):
        by_visit.setdefault(message.appointment_id, []).append(message)

    missing: list[dict[str, Any]] = []
    for visit in visits:
        if visit.visit_type_id not in clinic.visit_type_by_id:
            continue
        wanted = {(row["kind"], row["channel"]): row for row in notices.reminders(clinic, visit, now)}
        for message in by_visit.get(visit.id, []):
            row = (
                wanted.pop((message.kind, message.channel), None)
                if message.sequence == visit.sequence
                else None
            )
            if row is not None and message.last_error == _NOT_WANTED:
                message.state, message.last_error = MessageState.QUEUED, ""
            # One that is due already, or that was put off after a try, is the worker's.
            untouched = message.due_at > now and not message.attempts and not message.last_error
            if message.state is not MessageState.QUEUED or not untouched:
                continue
            if row is not None:
                message.due_at, message.not_after = row["due_at"], row["not_after"]
            else:
                message.state, message.last_error = MessageState.DROPPED, _NOT_WANTED
        missing += wanted.values()
    rows.add_all(session, Message, missing)
    return len(missing)
