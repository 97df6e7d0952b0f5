"""The best weekdays for given people.

Weeks meet in three places only: the starts of a weekday, the people, and the days of rest across the edge of two weeks. So
the search goes from weekday to weekday, and settles for each in which weeks each kind of care uses it. What is known of the
weeks so far (how many visits each has, and which days were the last) is all that later weekdays have to know, so that ways
which come to the same are followed once. The least that later weekdays cost for so many visits more is counted beforehand,
from the least of each: the search takes first what may be best (A*), and ends when nothing can be better.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from heapq import heappop, heappush
from itertools import count, product
from typing import Any, NamedTuple

from booking.scheduling.plans.covering import Weeks
from booking.scheduling.plans.doses import COUNT, VISITS, Before, Doses, Option, spread
from booking.scheduling.plans.effort import Effort
from booking.scheduling.plans.supply import NOT_USED, Alike
from booking.scheduling.plans.task import IMPOSSIBLE, WEEKDAYS, Planned, Task, Weights
from booking.scheduling.plans.weekdays import Weekdays

# A number for each kind of care in one integer, each with room to spare, so that they are added and compared at once.
PLACE = 10
_GUARD = 1 << PLACE - 1


class Settled(NamedTuple):
    """What was settled for a weekday, and for those before it."""

    earlier: "Settled | None"
    weekday: int
    weeks: tuple[Weeks, ...]


class State(NamedTuple):
    """What weekdays that aren't settled yet have to know.

    `left`: how many visits are still to come. `days`: on how many the patient comes in each week. `counts`: how many visits
    each week has, and `before`: on which weekdays they were, for each kind of care.
    """

    left: int
    days: int
    counts: tuple[int, ...]
    before: tuple[Before, ...]
    settled: Settled | None


class Step(NamedTuple):
    """What may be settled for a weekday. Most are never looked at, so what it leads to is said when it is."""

    left: int
    days: int
    weeks: tuple[Weeks, ...]
    options: tuple[Option, ...]

    def after(self, state: State, weekday: int) -> State:
        counts = tuple([option.counts for option in self.options])
        before = tuple([option.before for option in self.options])
        return State(self.left, self.days, counts, before, Settled(state.settled, weekday, self.weeks))


class Search:
    """The best weekdays for these kinds of care, each with its supply, and numbered in its `PLACE`."""

    def __init__(self, task: Task, weights: Weights, doses: Sequence[Doses], alike: Alike) -> None:
        self.task, self.weights, self.doses = task, weights, doses
        self.weekdays = Weekdays(task, weights, [one.supply for one in doses], alike)
        self._all = _packed([sum(doses.most) for doses in self.doses])
        self._rest = self._least_for_the_rest()
        self.bound = self._rest[0].get(self._all, IMPOSSIBLE)

    def _least_for_the_rest(self) -> list[dict[int, int]]:
        """For each weekday, by how many visits are still to come: the least that it and those after it cost."""
        rest: list[dict[int, int]] = [{} for _ in range(8)]
        spare = [range(sum(one.most) - sum(one.fewest) + 1) for one in self.doses]
        for unused in product(*spare):
            rest[7][_packed(unused)] = self.weights.missing * sum(unused)
        guards = _packed([_GUARD] * len(self.doses))
        for weekday in reversed(WEEKDAYS):
            # No more than there are, and no fewer than the days before have no room for.
            most = self._all + guards
            fewest = guards - _packed([max(0, sum(one.most) - one.until[weekday]) for one in self.doses])
            later = list(rest[weekday + 1].items())
            found: dict[int, int] = {}
            known = found.get
            for visits, cost in self._least_by_visits(weekday).items():
                for left, then in later:
                    both = visits + left
                    if cost + then < known(both, IMPOSSIBLE):
                        found[both] = cost + then
            rest[weekday] = {
                left: cost for left, cost in found.items()
                if (most - left) & guards == guards and (fewest + left) & guards == guards
            }  # fmt: skip
        return rest

    def _least_by_visits(self, weekday: int) -> dict[int, int]:
        """The least that so many visits on a weekday cost."""
        least: dict[int, int] = {}
        sets = [list(doses.possible(weekday)) for doses in self.doses]
        numbers = [[weeks.bit_count() << doses.place for weeks in some]
                   for doses, some in zip(self.doses, sets, strict=True)]  # fmt: skip
        known = least.get
        costs = map(self.weekdays.bound(weekday), product(*sets))
        for visits, cost in zip(map(sum, product(*numbers)), costs, strict=True):
            if cost < known(visits, IMPOSSIBLE):
                least[visits] = cost
        return least

    def run(self, below: int, effort: Effort) -> tuple[int, tuple[Planned, ...]] | None:
        """The least cost below this one, with its visits; or None. Raises Stopped."""
        if self.bound >= below:
            return None
        number = count()
        cares = len(self.doses)
        nothing = State(self._all, 0, (0,) * cares, ((),) * cares, None)
        # What it comes to at least, the furthest first; the cost so far, and whether it is the truth for the last weekday.
        ahead: list[tuple[int, int, int, int, State, Step | None]] = [(self.bound, 0, 0, 0, nothing, None)]
        seen: dict[Any, int] = {}
        while ahead:
            least, back, _, cost, state, step = heappop(ahead)
            if least >= below:
                return None
            weekday = -back
            if step is not None:
                cost += self.weekdays.cost(weekday - 1, step.weeks, partial(effort.spend, least))
                truth = cost + self._rest[weekday][step.left]
                state = step.after(state, weekday - 1)
                if truth > least:
                    if truth < below:
                        heappush(ahead, (truth, back, next(number), cost, state, None))
                    continue
            known = weekday, state.days, state.counts, state.before
            if seen.get(known, IMPOSSIBLE) <= cost:
                continue
            seen[known] = cost
            if weekday == len(WEEKDAYS):
                return least, tuple(self._visits(state.settled))
            effort.spend(least)
            for reached, following in self._following(weekday, cost, state, below):
                heappush(ahead, (reached, back - 1, next(number), cost, state, following))
        return None

    def _following(self, weekday: int, cost: int, state: State, below: int) -> Iterator[tuple[int, "Step"]]:
        """All that can be settled for a weekday, with what that comes to at least, if that is below this."""
        rest, bound = self._rest[weekday + 1], self.weekdays.bound(weekday)
        found = [doses.options(weekday, counts, before)
                 for doses, counts, before in zip(self.doses, state.counts, state.before, strict=True)]  # fmt: skip
        some, visits, weeks = (product(*lists) for lists in zip(*found, strict=True))
        for options, taken, used in zip(some, map(sum, visits), weeks, strict=True):
            left = state.left - taken
            then = rest.get(left)
            if then is None or cost + then >= below:
                continue
            reached = cost + bound(used) + then
            if reached < below:
                days = self._days(state.days, used)
                if days is not None:
                    yield reached, Step(left, days, used, options)

    def _days(self, days: int, weeks: Sequence[Weeks]) -> int | None:
        """On how many days of each week the patient comes by then, or None where that is too often. 0 if it may be any."""
        most = self.task.most_trips
        if most is None:
            return 0
        days += spread(self._weeks_of(weeks))
        if any(days >> COUNT * week & VISITS > most for week in range(self.task.weeks)):
            return None
        return days

    def _weeks_of(self, weeks: Sequence[Weeks]) -> Weeks:
        """The weeks that any care uses, that of its first visit as well."""
        union = 0
        for some, doses in zip(weeks, self.doses, strict=True):
            union |= some | (some >> self.task.weeks) * doses.begins
        return union & (1 << self.task.weeks) - 1

    def _visits(self, settled: Settled | None) -> Iterator[Planned]:
        while settled is not None:
            for slots, way in self.weekdays.ways(settled.weekday, settled.weeks):
                for care, (slot, choice) in enumerate(zip(slots, way.choices, strict=True)):
                    if slot != NOT_USED and choice is not None:
                        day = self.doses[care].supply.week(slot) * 7 + settled.weekday
                        yield Planned(day, choice, care, first=slot == self.task.weeks)
            settled = settled.earlier


def _packed(numbers: Sequence[int]) -> int:
    return sum(number << PLACE * place for place, number in enumerate(numbers))
