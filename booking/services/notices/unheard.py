"""Visits that a decision added of which its patient isn't told yet: of one by itself nothing is told either."""

from collections.abc import Iterable

from sqlalchemy.orm import Session

from booking.formatting import iso_utc
from booking.models import Appointment, Plan
from booking.scheduling.status import Status
from booking.services.notices.news import moved_from
from booking.services.notices.waiting import went
from booking.services.notices.writing import ANSWERS, times_told
from booking.services.rows import Row


def is_unheard(session: Session, appointment: Appointment, at: str, dropped: Iterable[Row] = ()) -> bool:
    """Whether a visit, which is or was `at` this time, ISO in UTC, is one of which its patient hasn't heard: they aren't told yet
    what was decided, nor reminded of it. `dropped`: what was to be told of it by itself.
    """
    plan = _waiting_plan(session, appointment)
    if plan is None or any(one["kind"] in ANSWERS for one in dropped):
        return False
    waits = times_told(plan.untold)
    return (
        at in waits["added"]
        and not moved_from(session, [appointment.id], waits["cancelled"], plan.untold.get("whose"))
        and not went(session, appointment, range(appointment.sequence + 1))
    )


def goes_on_unheard(session: Session, appointment: Appointment, was: str, *, spoken: bool = False) -> bool:
    """What waits to be told has such a visit, that `was` at this time, where it is by now, if it stands; not what they have just heard
    on the telephone. Says whether anything waits still.
    """
    plan = _waiting_plan(session, appointment)
    if plan is None:
        return False
    stands = appointment.status is Status.BOOKED and not spoken
    now_at = {iso_utc(appointment.starts_at)} if stands else set()
    plan.untold = plan.untold | {"added": sorted({*plan.untold.get("added", ())} - {was} | now_at)}
    return True


def _waiting_plan(session: Session, appointment: Appointment) -> Plan | None:
    """The plan of a visit, if something that was decided of it waits to be told."""
    plan = session.get_one(Plan, appointment.plan_id) if appointment.plan_id else None
    return plan if plan is not None and plan.untold_since is not None else None
