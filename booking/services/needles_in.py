"""Where needles are in at this moment, and when they come out: rooms and times, and nothing of anybody.

It is what a locked screen still shows, so that nobody lies forgotten while a phone is put away.
"""

from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import and_, bindparam, select

from booking import clock
from booking.models import LONGEST_VISIT, Appointment, Claim
from booking.scheduling.needles import needles_due, overdue, rest
from booking.scheduling.status import Status
from booking.scheduling.timeline import cell_from
from booking.services.clinic import Clinic
from booking.services.staff.who import Who
from booking.services.transaction import reading

NEEDLES_ARE_IN = and_(
    Appointment.status == Status.CHECKED_IN,
    Appointment.needles_in_at.is_not(None),
    Appointment.needles_out_at.is_(None),
    # Longer ago, it was forgotten to say so.
    Appointment.to_cell > bindparam("needles_since"),
    Appointment.to_cell < bindparam("needles_since") + 2 * LONGEST_VISIT,
)
# Each visit that has needles in, with what it takes of the practitioner's hands.
WITH_NEEDLES = (
    select(
        Appointment.id,
        Appointment.room_id,
        Appointment.from_cell,
        Appointment.to_cell,
        Appointment.needles_in_at,
        Claim.from_cell.label("hands_from"),
        Claim.to_cell.label("hands_to"),
    )
    .join(
        Claim,
        and_(Claim.appointment_id == Appointment.id, Claim.resource_id == Appointment.practitioner_id),
    )
    .where(NEEDLES_ARE_IN)
    .order_by(Appointment.id, Claim.from_cell)
)


@dataclass(frozen=True)
class RoomWithNeedles:
    """A room in which somebody lies with needles. `room` is empty for a visit that has none."""

    room: str
    out_at: datetime
    over: bool


def bounds(now: datetime) -> dict[str, Any]:
    """What these statements want to know of now."""
    return {"needles_since": cell_from(now) - LONGEST_VISIT}


def rooms_with_needles(clinic: Clinic, who: Who) -> tuple[RoomWithNeedles, ...]:
    """Those that come out first before all others: all of the clinic's for the desk, else those of one's own visits."""
    now = clock.now()
    wanted = (
        WITH_NEEDLES
        if who.sees_everybody
        else WITH_NEEDLES.where(Appointment.practitioner_id == (who.practitioner_id or 0))
    )
    with reading() as session:
        rows = session.execute(wanted, bounds(now)).all()
    rooms = {room.id: room.name for room in clinic.rooms}
    found = []
    for _, some in groupby(rows, key=attrgetter("id")):
        visit, *others = some
        hands = [(one.hands_from, one.hands_to) for one in (visit, *others)]
        out_at = needles_due(visit.needles_in_at, rest(visit.from_cell, visit.to_cell, hands))
        if out_at is not None:
            found.append(RoomWithNeedles(rooms.get(visit.room_id, ""), out_at, overdue(out_at, now)))
    return tuple(sorted(found, key=attrgetter("out_at", "room")))
