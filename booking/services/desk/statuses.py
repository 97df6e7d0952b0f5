"""How a visit goes: arrived, in the room, needles, done, no-show, cancelled, confirmed, and corrected."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from booking.scheduling.status import Status
from booking.services.desk.moving import Changed
from booking.services.staff.who import Who


class Move(StrEnum):
    """What can be offered for a visit, as the form's `to`."""

    ARRIVE = "arrived"
    START = "checked-in"
    FINISH = "fulfilled"
    NO_SHOW = "noshow"
    CONFIRM = "confirmed"
    NEEDLES_IN = "needles-in"
    NEEDLES_OUT = "needles-out"
    CANCEL = "cancelled"


@dataclass(frozen=True)
class Standing:
    """How a visit stands, as far as the moves depend on it. Any object with these attributes will do."""

    status: Status
    starts_at: datetime
    confirmed_at: datetime | None
    needles_in_at: datetime | None
    needles_out_at: datetime | None
    has_needles: bool


def possible(visit: Standing, now: datetime) -> tuple[Move, ...]:
    """The moves to offer, in the order in which a day goes. Illegal ones aren't among them."""
    raise NotImplementedError


def arrive(who: Who, reference: str, *, version: int | None = None, key: str) -> Changed:
    raise NotImplementedError


def start(who: Who, reference: str, *, version: int | None = None, key: str) -> Changed:
    raise NotImplementedError


def finish(who: Who, reference: str, *, version: int | None = None, key: str) -> Changed:
    raise NotImplementedError


def no_show(who: Who, reference: str, *, version: int | None = None, key: str) -> Changed:
    raise NotImplementedError


def confirm(who: Who, reference: str, *, version: int | None = None, key: str) -> Changed:
    raise NotImplementedError


def needles_in(who: Who, reference: str, *, version: int | None = None, key: str) -> Changed:
    raise NotImplementedError


def needles_out(who: Who, reference: str, *, version: int | None = None, key: str) -> Changed:
    raise NotImplementedError


def cancel(
    who: Who, reference: str, *, reason: str = "", tell: bool = True, version: int | None = None, key: str
) -> Changed:
    raise NotImplementedError


def correct(
    who: Who, reference: str, to: Status, *, reason: str, version: int | None = None, key: str
) -> Changed:
    raise NotImplementedError
