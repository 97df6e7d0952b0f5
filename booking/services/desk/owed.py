"""What patients still wait to hear of what the clinic has changed: they can't be left untold of what becomes of it next.

Parts of use cases: they receive the session and never commit. They ask before anything is changed.
"""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy.orm import Session

from booking.models import Appointment
from booking.services import notices
from booking.services.clinic import Clinic
from booking.services.desk import whom_to_call
from booking.services.rows import Row


def waiting(session: Session, clinic: Clinic, visit: Appointment, now: datetime) -> list[Row]:
    """What waits to be told of a visit, by itself or with its plan."""
    with_plan = notices.waiting_with_plan(session, visit, notices.known_of(visit, clinic))
    return [*with_plan, *notices.waiting(session, visit, now)]


def waits_for_news(session: Session, clinic: Clinic, visit: Appointment, now: datetime) -> bool:
    """Whether what the clinic has changed before is still to be told, by a message or on the telephone."""
    waits = waiting(session, clinic, visit, now)
    in_writing = any(notices.is_change_by_clinic(one["kind"], one["facts"]) for one in waits)
    return in_writing or whom_to_call.to_be_called_about(session, visit, now)


def any_waits_for_news(
    session: Session, clinic: Clinic, visits: Iterable[Appointment], now: datetime
) -> bool:
    """The same of any of several visits."""
    return any(waits_for_news(session, clinic, one, now) for one in visits)
