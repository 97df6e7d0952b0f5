"""What is free of one kind of care with some people, seen by weekday and by week.

A set of weeks is a number with a bit for each. The visit with which somebody new begins has a place of its own, after those
of all weeks, for in the first week it stands instead of the first one.
"""

from collections.abc import Iterable, Sequence
from functools import cached_property

from booking.scheduling.plans.covering import Covers, Weeks
from booking.scheduling.plans.task import IMPOSSIBLE, WEEKDAYS, Choice, Task, Weights


class Supply:
    """What is free of one kind of care with some people, by weekday and week."""

    def __init__(self, task: Task, weights: Weights, number: int, people: Sequence[int]) -> None:
        care = task.cares[number]
        self.new = care.first is not None
        slots = [(care.free, week * 7) for week in range(task.weeks)]
        if care.first is not None:
            slots.append((care.first, 0))
        alone = _Alone(task, weights, number)
        self.choices = [[[(alone.cost(day + weekday, one), one) for one in free[day + weekday] if one.person in people]
                         for free, day in slots] for weekday in WEEKDAYS]  # fmt: skip
        self.open: list[Weeks] = [
            sum(1 << slot for slot, day in enumerate(row) if day) for row in self.choices
        ]
        self.least = [
            [min((cost for cost, _ in day), default=IMPOSSIBLE) for day in row] for row in self.choices
        ]
        self.covers = [Covers(row) for row in self.choices]

    @cached_property
    def grid(self) -> list[list[tuple[int, int]]]:
        """The starts and the ends of each day as bits, one for five minutes."""
        return [[(_bits(one.starts for _, one in day), _bits(one.ends for _, one in day)) for day in row]
                for row in self.choices]  # fmt: skip


class _Alone:
    """What a visit costs by itself."""

    def __init__(self, task: Task, weights: Weights, care: int) -> None:
        self._care, self._weights, self._others = care, weights, task.others
        self._wished = task.cares[care].wished

    def cost(self, day: int, one: Choice) -> int:
        weights = self._weights
        cost = weights.late * (day % 7) + (
            weights.before_noon if one.starts < 12 * 60 else weights.after_noon
        )
        if self._wished and one.person not in self._wished:
            cost += weights.wish
        if (self._care, day, one.starts) in self._others:
            cost += weights.again
        return cost


def _bits(minutes: Iterable[int]) -> int:
    bits = 0
    for minute in minutes:
        bits |= 1 << minute // 5
    return bits
