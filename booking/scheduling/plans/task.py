"""What a plan asks for, what is free, and what counts as good. Values only.

A plan's weeks are blocks of seven days from its first day. Days are counted from there, from 0 on; the place of a day in its
week, 0 to 6, is called its weekday here, whatever the calendar calls it.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

WEEKDAYS = range(7)
IMPOSSIBLE = 1 << 40
"""A cost that nothing has."""


class Choice(NamedTuple):
    """A start that is free with a person. Minutes of the clinic's wall clock; the patient leaves at `ends`."""

    starts: int
    ends: int
    person: int


Days = tuple[tuple[Choice, ...], ...]
"""For each day of a plan what is free."""


@dataclass(frozen=True)
class Care:
    """One kind of care in a plan.

    `doses`: for each week the fewest and the most visits, each on a day of its own. `rest_days`: free days between two.
    `first`: what is free for the visit with which somebody new begins, in place of the first one, or None: of that week
    only in which it `begins`. `wished`: with whom, where that is a wish and no more. `elsewhere`: days on which the patient
    has such a visit already.
    """

    doses: tuple[tuple[int, int], ...]
    free: Days
    rest_days: int = 0
    first: Days | None = None
    wished: frozenset[int] = frozenset()
    elsewhere: tuple[int, ...] = ()

    def is_near(self, day: int) -> bool:
        """Whether a visit on this day has too few days of rest from one that the patient has already."""
        return any(abs(day - other) <= self.rest_days for other in self.elsewhere)

    @cached_property
    def begins(self) -> int:
        """The week in which it begins: the first that may not be without it."""
        return next((week for week, (fewest, _) in enumerate(self.doses) if fewest), 0)

    @cached_property
    def people(self) -> tuple[int, ...]:
        """Everybody with whom something is free, in order."""
        days = (*self.free, *(self.first or ()))
        return tuple(sorted({choice.person for day in days for choice in day}))


@dataclass(frozen=True)
class Pairing:
    """When two visits of a day are one trip: at most so many minutes lie between them. `in_order`: as the cares stand."""

    gap: int = 15
    in_order: bool = False


@dataclass(frozen=True)
class Task:
    """All that the finder is told. `most_trips`: to the clinic in a week, or None.

    `clashes`: choices of one day that can't both be had, though each can: (day, one for each care or None). `others`: where
    the visits of other plans begin: (kind of care, day, start).
    """

    cares: tuple[Care, ...]
    pairing: Pairing | None = Pairing()
    most_trips: int | None = None
    clashes: frozenset[tuple[int, tuple[Choice | None, ...]]] = frozenset()
    others: frozenset[tuple[int, int, int]] = frozenset()

    @property
    def weeks(self) -> int:
        return len(self.cares[0].doses)


@dataclass(frozen=True)
class Weights:
    """What a plan costs: whole numbers, and the sum of all terms is its cost.

    `time`: each weekday-and-start of a kind of care that isn't used yet. `person`: each person of a kind of care. `trip`:
    each way to the clinic. `wait`: each five minutes between two visits of one trip. `late`: each day that a visit lies after
    its week's first. `wish`: each visit with somebody else than was wished for. `before_noon`, `after_noon`: each visit that
    begins then. `again`: each visit that begins as one of another plan does. `missing`: each visit by which a week stays
    below its most.
    """

    time: int = 24
    person: int = 18
    trip: int = 6
    wait: int = 1
    late: int = 0
    wish: int = 9
    before_noon: int = 0
    after_noon: int = 0
    again: int = 0
    missing: int = 200


class Planned(NamedTuple):
    """A visit of a plan. `first`: it is the visit with which somebody new to this care begins."""

    day: int
    choice: Choice
    care: int
    first: bool


@dataclass(frozen=True)
class Found:
    """A plan and its cost. No plan costs less than `bound`, which is the cost itself unless not everything was looked through."""

    visits: tuple[Planned, ...]
    cost: int
    bound: int
