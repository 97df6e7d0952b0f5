"""Closing a day: what nobody settled."""

from dataclasses import dataclass
from datetime import date, datetime

from booking.scheduling.status import Status
from booking.services.staff.who import Who


@dataclass(frozen=True)
class Unsettled:
    """A past visit that nobody settled. `closes`: closing the day makes it done."""

    reference: str
    version: int
    name: str
    practitioner: str
    starts_at: datetime
    ends_at: datetime
    status: Status
    needles_in: bool
    closes: bool


def unsettled(who: Who, on: date) -> list[Unsettled]:
    """The past visits of a local day that are neither done nor missed nor cancelled, in order."""
    raise NotImplementedError


def close_day(who: Who, on: date, *, key: str) -> int:
    """Makes all visits of the day done whose patients had arrived, and returns how many. Booked ones stay as they are:
    they count as attended, "not closed"."""
    raise NotImplementedError
