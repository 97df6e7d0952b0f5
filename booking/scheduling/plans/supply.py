"""What is free of one kind of care with some people, seen by weekday and by week.

A set of weeks is a number with a bit for each. The visit with which somebody new begins has a place of its own, after those
of all weeks, for in the week in which they begin it stands instead of the first one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from booking.scheduling.plans.covering import Covers, Row, Starts, Way, Weeks
from booking.scheduling.plans.task import IMPOSSIBLE, WEEKDAYS, Choice, Days, Task, Weights

NOT_USED = -1
Day = tuple[tuple[int, Choice], ...]
"""What is free of a day, each with its cost."""


@dataclass
class Alike:
    """What is worked out once for all that is alike, in one search for a plan: days on which the same is free at the same
    costs are one object, and known by it.
    """

    days: dict[Day, Day] = field(default_factory=dict)
    covers: dict[tuple[int, ...], Covers] = field(default_factory=dict)
    rows: dict[tuple[object, ...], Row | None] = field(default_factory=dict)
    kinds: dict[tuple[tuple[int, Starts], ...], int] = field(default_factory=dict)
    covered: dict[tuple[tuple[int, int], ...], tuple[int, dict[int, Starts]]] = field(default_factory=dict)

    def kind(self, ways: Iterable[Way]) -> int:
        """A number that ways with the same starts at the same costs have in common, whoever they are with."""
        return self.kinds.setdefault(tuple([one[:2] for one in ways]), len(self.kinds))


class Supply:
    """What is free of one kind of care with some people, by weekday and week. `new`: for somebody who is to begin it, in the week
    that it `begins` in.
    """

    def __init__(
        self, task: Task, weights: Weights, number: int, people: Sequence[int], alike: Alike
    ) -> None:
        care = task.cares[number]
        self.new, self.begins, self._weeks = care.first is not None, care.begins, task.weeks
        slots = [(care.free, week * 7) for week in range(task.weeks)]
        if care.first is not None:
            slots.append((care.first, care.begins * 7))
        alone, clashing = _Alone(task, weights, number), {day for day, _ in task.clashes}

        def day(free: Days, on: int) -> Day:
            found = alone.free(on, free[on], people, each=on in clashing)
            return alike.days.setdefault(found, found)

        self.choices = [[day(free, week + weekday) for free, week in slots] for weekday in WEEKDAYS]
        self.open: list[Weeks] = [
            sum(1 << slot for slot, day in enumerate(row) if day) for row in self.choices
        ]
        self.least = [
            [min((cost for cost, _ in day), default=IMPOSSIBLE) for day in row] for row in self.choices
        ]
        self.covers = [self._covers(row, alike) for row in self.choices]

    def week(self, slot: int) -> int:
        """In which week a place is."""
        return self.begins if slot == self._weeks else slot

    def slot(self, week: int, weeks: Weeks) -> int:
        """Which place of a week a set has, the week's own or that of the first visit; or -1."""
        if week == self.begins and weeks >> self._weeks:
            return self._weeks
        return week if weeks >> week & 1 else NOT_USED

    def _covers(self, row: Sequence[Day], alike: Alike) -> Covers:
        key = tuple(map(id, row))
        found = alike.covers.get(key)
        if found is None:
            found = alike.covers[key] = Covers(row)
        return found

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

    def free(self, day: int, choices: Sequence[Choice], people: Sequence[int], *, each: bool) -> Day:
        """What is free with these people. Of some who differ in nothing else the cheapest, unless `each` is wanted."""
        costs = ((self.cost(day, one), one) for one in choices if one.person in people)
        if each or len(people) == 1:
            return tuple(costs)
        best: dict[tuple[int, int], tuple[int, Choice]] = {}
        for cost, one in costs:
            known = best.get(one[:2])
            if known is None or cost < known[0]:
                best[one[:2]] = cost, one
        return tuple(best.values())

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
