"""Plans of one kind of care and at most one visit a week, over many weeks.

There the weekdays of a week exclude one another, so all of them are treated as one: with a start for each weekday-and-start,
and a row for each week. What is left is to cover the weeks with few of them.
"""

from collections.abc import Iterator
from functools import partial

from booking.scheduling.plans.covering import Covers, Row, Way, cheapest
from booking.scheduling.plans.effort import Effort
from booking.scheduling.plans.supply import Supply
from booking.scheduling.plans.task import IMPOSSIBLE, WEEKDAYS, Choice, Planned, Task, Weights

_DAY = 24 * 60


def is_sparse(task: Task) -> bool:
    return len(task.cares) == 1 and all(most <= 1 for _, most in task.cares[0].doses)


class SparseSearch:
    """The best day and start of each week with this supply."""

    def __init__(self, task: Task, weights: Weights, supply: Supply) -> None:
        self._weights, self._care, self._supply = weights, task.cares[0], supply
        self._weeks = [week for week, (_, most) in enumerate(self._care.doses) if most]
        self._first = supply.begins if supply.new else None
        self._rows = [self._row(week, task.weeks if week == self._first else week) for week in self._weeks]
        self._covers = Covers(
            [[(way.cost, way.choices[0]) for way in row if way.choices[0]] for row in self._rows]
        )
        self._must = sum(1 << number for number, week in enumerate(self._weeks) if self._care.doses[week][0])
        self.bound = weights.time * self._covers.fewest[self._must] + sum(
            row[0].cost if row else IMPOSSIBLE for row in self._rows
        )

    def _row(self, week: int, slot: int) -> list[Way]:
        """All ways to lie in a week; their starts count on through the week."""
        ways = []
        for weekday in WEEKDAYS:
            if self._care.is_near(week * 7 + weekday):
                continue
            for cost, one in self._supply.choices[weekday][slot]:
                moved = Choice(one.starts + weekday * _DAY, one.ends + weekday * _DAY, one.person)
                ways.append(Way(cost + self._weights.trip, (moved.starts,), (moved,)))
        if not self._care.doses[week][0]:
            ways.append(Way(self._weights.missing, (None,), (None,)))
        return sorted(ways, key=lambda way: way.cost)

    def run(self, below: int, effort: Effort) -> tuple[int, tuple[Planned, ...]] | None:
        """The least cost below this one, with its visits; or None. Raises Stopped."""
        if self.bound >= below:
            return None
        if not self._rows:
            return 0, ()
        cost, ways = cheapest(
            [Row(row) for row in self._rows], self._weights.time, (self._must,), [self._covers],
            below=below, apart=self._apart, spend=partial(effort.spend, self.bound),
        )  # fmt: skip
        return (cost, tuple(self._visits(ways))) if cost < below else None

    def _apart(self, number: int, one: Way, following: Way) -> bool:
        """Whether a week's visit and the next one's have their days of rest between them."""
        if one.starts[0] is None or following.starts[0] is None:
            return True
        between = (self._weeks[number + 1] - self._weeks[number]) * 7
        days = between + following.starts[0] // _DAY - one.starts[0] // _DAY
        return days > self._care.rest_days

    def _visits(self, ways: tuple[Way, ...]) -> Iterator[Planned]:
        for week, way in zip(self._weeks, ways, strict=True):
            one = way.choices[0]
            if one:
                weekday = one.starts // _DAY
                choice = Choice(one.starts - weekday * _DAY, one.ends - weekday * _DAY, one.person)
                yield Planned(week * 7 + weekday, choice, 0, first=week == self._first)
