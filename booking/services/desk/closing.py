"""Closing a day: what nobody settled."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, func, select
from sqlalchemy.orm import Session

from booking import clock
from booking.models import Appointment
from booking.scheduling.hours import day_at
from booking.scheduling.status import LIVE, Status
from booking.scheduling.timeline import cell_in, instant_of
from booking.services.clinic import Clinic, the_clinic
from booking.services.desk import states
from booking.services.desk.asking import refuse_absurd, uses_of
from booking.services.desk.statuses import done
from booking.services.idempotency import Answer, Key, once
from booking.services.staff import audit
from booking.services.staff.who import Who
from booking.services.transaction import reading

_CLOSES = (Status.ARRIVED, Status.CHECKED_IN)


@dataclass(frozen=True)
class Unsettled:
    """A past visit that nobody settled. `closes`: closing the day makes it done; `left_as`: what is counted if nobody says
    more.
    """

    reference: str
    version: int
    name: str
    practitioner: str
    starts_at: datetime
    ends_at: datetime
    status: Status
    needles_in: bool
    closes: bool

    @property
    def left_as(self) -> "Left":
        if self.needles_in:
            return Left.NEEDLES_IN
        return Left.CAME if self.closes else Left.NEVER_CHECKED_IN


@dataclass(frozen=True)
class Closed:
    """A visit that closing the day has made done. `entry_id`: the history entry, by which that is taken back."""

    name: str
    entry_id: int | None
    version: int


class Left(StrEnum):
    """How a visit stands that nobody settles."""

    CAME = "came"
    NEVER_CHECKED_IN = "never checked in"
    NEEDLES_IN = "needles in"


_UNSETTLED = and_(
    Appointment.from_cell >= bindparam("day_from"),
    Appointment.from_cell < bindparam("day_to"),
    # Says the same for the index, which has the end.
    Appointment.to_cell > bindparam("day_from"),
    Appointment.to_cell <= bindparam("over_by"),
    Appointment.status.in_(LIVE),
)
_TO_COME = and_(
    Appointment.from_cell >= bindparam("day_from"),
    Appointment.from_cell < bindparam("day_to"),
    Appointment.to_cell > bindparam("over_by"),
    Appointment.status.in_(LIVE),
)
# How many of them there are, as a part of other statements.
UNSETTLED = select(func.count(Appointment.id)).where(_UNSETTLED)


def bounds(clinic: Clinic, on: date, now: datetime) -> dict[str, Any]:
    """What these statements want to know of a day and of now."""
    day = day_at(on, clinic.zone)
    return {
        "day_from": day.from_cell,
        "day_to": day.to_cell,
        "over_by": cell_in(now),
    }


def unsettled(who: Who, on: date) -> list[Unsettled]:
    """The visits of a local day that are over and neither done nor missed nor cancelled, in order; practitioners' own
    for practitioners. Raises BeyondHorizon for a day that is years away.
    """
    now = clock.now()
    with reading() as session:
        clinic = the_clinic(session)
        refuse_absurd(clinic, on, now)
        return [_unsettled(clinic, visit) for visit in _open(session, clinic, who, on, now)]


def to_come(who: Who, on: date) -> int:
    """How many visits of a local day aren't over yet, and stand."""
    with reading() as session:
        clinic = the_clinic(session)
        wanted = select(func.count(Appointment.id)).where(_TO_COME, *_own(who))
        return session.scalar(wanted, bounds(clinic, on, clock.now())) or 0


def close_day(who: Who, on: date, *, key: str) -> tuple[Closed, ...]:
    """Makes all visits of the day done that are over and whose patients had come, and returns which.

    Those that stand as booked stay so: they count as attended, "not closed". So do those whose needles are still in.
    Raises BeyondHorizon for a day that is years away, KeyReused.
    """

    def action(session: Session) -> Answer:
        now = clock.now()
        clinic = the_clinic(session)
        refuse_absurd(clinic, on, now)
        closing = [visit for visit in _open(session, clinic, who, on, now, for_update=True) if _closes(visit)]
        closed = []
        for visit in sorted(closing, key=lambda visit: (visit.from_cell, visit.id)):
            uses = uses_of(session, visit)
            before = states.snapshot(visit, uses)
            done(visit, now)
            kept = states.keep(
                session, who, clinic, visit, Status.FULFILLED.value, before, uses, now, closed=True
            )
            closed.append(vars(Closed(f"{visit.first_name} {visit.last_name}", kept.entry_id, kept.version)))
        audit.did(session, who, "closed day", f"day/{on.isoformat()}", visits=len(closing))
        return {"closed": closed}

    answer = once(Key.of(who.key, key, ["close day", on]), action)
    return tuple(Closed(**one) for one in answer["closed"])


def _open(
    session: Session, clinic: Clinic, who: Who, on: date, now: datetime, *, for_update: bool = False
) -> list[Appointment]:
    """Visits of the day that are over and unsettled, in order. To be changed, they are locked in order of their ids."""
    wanted = select(Appointment).where(_UNSETTLED, *_own(who))
    if for_update:
        wanted = wanted.order_by(Appointment.id).with_for_update(of=Appointment)
    found = session.scalars(wanted, bounds(clinic, on, now))
    return sorted(found, key=lambda visit: (visit.from_cell, visit.id))


def _own(who: Who) -> list[ColumnElement[bool]]:
    """Of which visits somebody closes the day: practitioners of their own."""
    return [] if who.sees_everybody else [Appointment.practitioner_id == (who.practitioner_id or 0)]


def _unsettled(clinic: Clinic, visit: Appointment) -> Unsettled:
    return Unsettled(
        reference=visit.reference,
        version=visit.version,
        name=f"{visit.first_name} {visit.last_name}",
        practitioner=clinic.practitioner_by_id[visit.practitioner_id].name,
        starts_at=instant_of(visit.from_cell),
        ends_at=instant_of(visit.to_cell),
        status=visit.status,
        needles_in=_needles_are_in(visit),
        closes=_closes(visit),
    )


def _closes(visit: Appointment) -> bool:
    return visit.status in _CLOSES and not _needles_are_in(visit)


def _needles_are_in(visit: Appointment) -> bool:
    return visit.needles_in_at is not None and visit.needles_out_at is None
