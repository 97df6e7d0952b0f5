"""The statuses of an appointment, after HL7 FHIR, and the moves between them.

Whether a patient has confirmed is a fact of its own, not a status. `MOVES` are the steps of a day, `CORRECTIONS` what staff
may say with a reason.
"""

import enum
from datetime import datetime, timedelta


class Status(enum.StrEnum):
    PROPOSED = "proposed"
    PENDING = "pending"
    BOOKED = "booked"
    ARRIVED = "arrived"
    CHECKED_IN = "checked-in"
    FULFILLED = "fulfilled"
    CANCELLED = "cancelled"
    NOSHOW = "noshow"
    WAITLIST = "waitlist"


class IllegalMove(ValueError):
    """This status doesn't follow on that one."""


# What follows on what in the run of a day.
MOVES: dict[Status, frozenset[Status]] = {
    Status.PROPOSED: frozenset({Status.PENDING, Status.BOOKED, Status.CANCELLED}),
    Status.PENDING: frozenset({Status.BOOKED, Status.CANCELLED}),
    Status.WAITLIST: frozenset({Status.PROPOSED, Status.BOOKED, Status.CANCELLED}),
    Status.BOOKED: frozenset(
        {Status.ARRIVED, Status.CHECKED_IN, Status.FULFILLED, Status.NOSHOW, Status.CANCELLED}
    ),
    Status.ARRIVED: frozenset({Status.CHECKED_IN, Status.FULFILLED, Status.CANCELLED}),
    Status.CHECKED_IN: frozenset({Status.FULFILLED}),
    Status.FULFILLED: frozenset(),
    Status.CANCELLED: frozenset(),
    Status.NOSHOW: frozenset(),
}

# What staff may correct, with a reason. A cancelled visit has given its time away: it is booked anew instead, and all that can
# be said otherwise is whose wish it was, and why.
CORRECTIONS: dict[Status, frozenset[Status]] = {
    Status.ARRIVED: frozenset({Status.BOOKED, Status.NOSHOW}),
    Status.CHECKED_IN: frozenset({Status.ARRIVED, Status.BOOKED}),
    Status.FULFILLED: frozenset({Status.CHECKED_IN, Status.ARRIVED, Status.BOOKED, Status.NOSHOW}),
    Status.NOSHOW: frozenset({Status.BOOKED, Status.ARRIVED, Status.FULFILLED, Status.CANCELLED}),
    Status.CANCELLED: frozenset({Status.CANCELLED}),
}

# Visits that still lie ahead or are under way: they keep their claims.
LIVE = frozenset({Status.PROPOSED, Status.PENDING, Status.BOOKED, Status.ARRIVED, Status.CHECKED_IN})


def can(now: Status, then: Status) -> bool:
    """Whether `then` follows on `now`. The same again is always possible: a button pressed twice succeeds quietly."""
    return now is then or then in MOVES[now]


def move(now: Status, then: Status) -> Status:
    """`then`. Raises IllegalMove where it doesn't follow on `now`."""
    if not can(now, then):
        raise IllegalMove(f"{then} doesn't follow on {now}.")
    return then


# How long after the start a no-show may be said.
NO_SHOW_AFTER = timedelta(minutes=15)


def lapsed(status: Status, ends_at: datetime, now: datetime, *, penciled: bool) -> bool:
    """Whether a visit is over, was never settled, and was penciled in until then: it was firm for nobody, and wasn't given."""
    return penciled and status is Status.BOOKED and ends_at <= now


def counts_as_attended(status: Status, ends_at: datetime, now: datetime, *, penciled: bool) -> bool:
    """Whether a visit counts as given: done, or over and never settled ("not closed"), unless it `lapsed`."""
    over = status in LIVE and ends_at <= now
    return status is Status.FULFILLED or (over and not lapsed(status, ends_at, now, penciled=penciled))


def not_closed(status: Status, ends_at: datetime, now: datetime) -> bool:
    """Whether a visit is over and nobody has said how it went."""
    return status in LIVE and ends_at <= now


def cancelled_late(
    status: Status, starts_at: datetime, cut_off: timedelta, cancelled_at: datetime | None
) -> bool:
    """Whether a visit was cancelled after its cut-off; counted apart from no-shows. The cut-off itself is in time."""
    return status is Status.CANCELLED and cancelled_at is not None and cancelled_at > starts_at - cut_off
