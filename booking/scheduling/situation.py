"""What is asked of the engine: who and what could take part, the rules, and what they need to know.

Values only. `offers` finds the starts, `rules` has the rules, `reasons` says why nothing is left.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from booking.scheduling.hours import Day
from booking.scheduling.occupancy import Occupancy
from booking.scheduling.timeline import Window
from booking.scheduling.visit import Shape

Scope = Literal["practitioner", "patient"]


@dataclass(frozen=True)
class Limit:
    """At most so many visits per local day, or per week from Sunday on.

    Counted are one practitioner's visits or one patient's; with `visit_type`, only those of that type, and only who
    books that type is bound.
    """

    scope: Scope
    per: Literal["day", "week"]
    visits: int
    visit_type: str | None = None
    practitioner: str | None = None


@dataclass(frozen=True)
class Circumstances:
    """What the rules need to know besides who is free."""

    zone: ZoneInfo
    now: datetime
    notice: timedelta
    horizon_days: int
    visit_type: str
    limits: tuple[Limit, ...] = ()

    @property
    def not_before(self) -> datetime:
        """Inclusive, and in real minutes."""
        return self.now + self.notice

    @property
    def last_day(self) -> date:
        """The last day that may be booked, counted in the clinic's calendar days."""
        return self.now.astimezone(self.zone).date() + timedelta(days=self.horizon_days)


class Rule(NamedTuple):
    """A rule and the code under which a refusal names it."""

    code: str
    permitted: Callable[[Situation, Practitioner], int]


@dataclass(frozen=True)
class Practitioner:
    """Somebody who may give the visit. `shape` has their own durations, `room_order` the rooms that they prefer."""

    id: int
    slug: str
    name: str
    open: int
    grid: int
    shape: Shape
    occupancy: Occupancy
    room_order: tuple[int, ...] = ()
    at_once: int = 2


@dataclass(frozen=True)
class Thing:
    """A room or a device."""

    id: int
    kind: str
    name: str
    occupancy: Occupancy


@dataclass(frozen=True)
class Situation:
    """Everything that decides where a visit can begin. All timelines speak of `window`.

    `closed`: closures of the whole clinic. `patient`: what the patient has already, if we know who it is.
    """

    window: Window
    days: tuple[Day, ...]
    practitioners: tuple[Practitioner, ...]
    rooms: tuple[Thing, ...]
    devices: tuple[Thing, ...]
    rules: tuple[Rule, ...]
    circumstances: Circumstances
    closed: int = 0
    patient: Occupancy | None = None

    @cached_property
    def by_id(self) -> dict[int, Practitioner]:
        return {person.id: person for person in self.practitioners}
