"""Visits that a decision added of which its patient isn't told yet: of one by itself nothing is told either."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from booking.formatting import iso_utc
from booking.models import Appointment, Plan
from booking.scheduling.status import Status
from booking.services.notices.news import moved_from
from booking.services.notices.waiting import went
from booking.services.notices.writing import ANSWERS, times_told
from booking.services.rows import Row

# A list of the week, which goes on a Friday, names nothing that is further away.
_LISTED_WITHIN = timedelta(days=10)


def is_unheard(
    session: Session,
    appointment: Appointment,
    at: str,
    now: datetime,
    dropped: Iterable[Row] = (),
    *,
    to: datetime | None = None,
) -> bool:
    """Whether a visit, which is or was `at` this time, ISO in UTC, and is to be moved `to` that, is one of which its patient hasn't
    heard: they aren't told yet what was decided, nor reminded of it. What is soon, or was to be, they may have read in a list of
    the week, and no reminder may be left to tell them: it is told like any. `dropped`: what was to be told of it by itself.
    """
    plan = _waiting_plan(session, appointment)
    if plan is None or any(one["kind"] in ANSWERS for one in dropped):
        return False
    if min(to or appointment.starts_at, datetime.fromisoformat(at)) < now + _LISTED_WITHIN:
        return False
    waits = times_told(plan.untold)
    return (
        at in waits["added"]
        and not moved_from(session, [appointment.id], waits["cancelled"], plan.untold.get("whose"))
        and not went(session, appointment, range(appointment.sequence + 1))
    )


def goes_on_unheard(session: Session, appointment: Appointment, was: str, *, spoken: bool = False) -> bool:
    """What waits to be told has such a visit, that `was` at this time, where it is by now, if it stands; not what they have just
    heard on the telephone. Says whether anything waits still.
    """
    plan = _waiting_plan(session, appointment)
    if plan is None:
        return False
    # The visit is locked, and its plan isn't: whoever tells what was decided may do so at this moment.
    session.flush()
    session.refresh(plan, with_for_update=True)
    if plan.untold_since is None:
        return False
    stands = appointment.status is Status.BOOKED and not spoken
    now_at = {iso_utc(appointment.starts_at)} if stands else set()
    plan.untold = plan.untold | {"added": sorted({*plan.untold.get("added", ())} - {was} | now_at)}
    plan.version += 1
    return True


def _waiting_plan(session: Session, appointment: Appointment) -> Plan | None:
    """The plan of a visit, if something that was decided of it waits to be told."""
    plan = session.get_one(Plan, appointment.plan_id) if appointment.plan_id else None
    return plan if plan is not None and plan.untold_since is not None else None
