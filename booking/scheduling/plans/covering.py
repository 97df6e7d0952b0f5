"""Covering weeks with few starts: for each week one of its ways, where each start that is used costs once."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import product
from typing import NamedTuple

from booking.scheduling.plans.task import IMPOSSIBLE, Choice

Weeks = int
"""A set of weeks, with a bit for each."""


Starts = tuple[int | None, ...]
"""For each kind of care a start, or None."""


class Way(NamedTuple):
    """A way to lie in one week on a weekday."""

    cost: int
    starts: Starts
    choices: tuple[Choice | None, ...]


class Covers:
    """With how few starts a set of weeks can be covered. `by_start`: the weeks in which each is free."""

    def __init__(self, days: Sequence[Sequence[tuple[int, Choice]]]) -> None:
        self.by_start: dict[int, Weeks] = {}
        for slot, day in enumerate(days):
            for _, one in day:
                self.by_start[one.starts] = self.by_start.get(one.starts, 0) | 1 << slot
        widest: list[Weeks] = []
        for weeks in sorted(set(self.by_start.values()), key=int.bit_count, reverse=True):
            if not any(weeks & wider == weeks for wider in widest):
                widest.append(weeks)
        self.fewest = [0] * (1 << len(days))
        for weeks in range(1, len(self.fewest)):
            lowest = weeks & -weeks
            covering = [self.fewest[weeks & ~some] for some in widest if some & lowest]
            self.fewest[weeks] = 1 + min(covering) if covering else IMPOSSIBLE
        self._opening: dict[Weeks, dict[int, int]] = {}

    def opening(self, weeks: Weeks) -> dict[int, int]:
        """By how many starts, at least, these weeks need more than the fewest, if this one is opened for them."""
        found = self._opening.get(weeks)
        if found is None:
            fewest, needed = self.fewest, self.fewest[weeks]
            found = self._opening[weeks] = {
                start: 1 + fewest[weeks & ~free] - needed for start, free in self.by_start.items()
            }
        return found


class Row:
    """The ways to lie in one week, or in some that are alike; the cheapest first. There is one. Rows of one `kind` have the same
    starts at the same costs.
    """

    def __init__(self, ways: Sequence[Way], kind: int = 0) -> None:
        self.ways, self.kind = ways, kind
        self.least = ways[0].cost
        self._cares = [care for care, start in enumerate(ways[0].starts) if start is not None]

    def best(self, used: Sequence[set[int]], times: int, time: int) -> tuple[int, Way]:
        """The cheapest way where these starts are used already, and its cost with the starts that it opens."""
        cares = self._cares
        best = self.least * times + time * len(cares), self.ways[0]
        for care in cares:
            for start in used[care]:
                one = self._with[care].get(start)
                if one is not None:
                    best = min(best, (one.cost * times + time * (len(cares) - 1), one))
        if len(cares) == 2:
            for starts in product(*(used[care] if care in cares else (None,) for care in range(len(used)))):
                known = self._by_starts.get(starts)
                if known is not None:
                    best = min(best, (known[1].cost * times, known[1]))
        return best

    def below(
        self, cut: int, times: int, opening: Sequence[Mapping[int, int]]
    ) -> Iterator[tuple[int, int, Way]]:
        """The ways that cost less than this with what their starts add (`opening`, for each kind of care): the cost, the place,
        the way; in no order.
        """
        if len(self._cares) == len(opening) == 2:
            yield from self._pairs_below(cut, times, *opening)
            return
        for place, one in enumerate(self.ways):
            cost = one.cost * times
            if cost >= cut:
                return
            for care, start in enumerate(one.starts):
                if start is not None:
                    cost += opening[care][start]
            if cost < cut:
                yield cost, place, one

    def _pairs_below(
        self, cut: int, times: int, opening: Mapping[int, int], opening2: Mapping[int, int]
    ) -> Iterator[tuple[int, int, Way]]:
        """The same for two kinds of care, without a look at all pairs: a pair costs no less than its halves do."""
        halves, halves2 = self._halves
        ahead = sorted((cost * times + opening[start], start) for start, cost in halves.items())
        ahead2 = sorted((cost * times + opening2[start], start) for start, cost in halves2.items())
        for half, start in ahead:
            if half + ahead2[0][0] >= cut:
                return
            for half2, start2 in ahead2:
                if half + half2 >= cut:
                    break
                known = self._by_starts.get((start, start2))
                if known is not None:
                    place, one = known
                    cost = one.cost * times + opening[start] + opening2[start2]
                    if cost < cut:
                        yield cost, place, one

    @cached_property
    def _by_starts(self) -> dict[Starts, tuple[int, Way]]:
        return {one.starts: (place, one) for place, one in enumerate(self.ways)}

    @cached_property
    def _with(self) -> list[dict[int | None, Way]]:
        """For each kind of care by its start the cheapest way."""
        found: list[dict[int | None, Way]] = [{} for _ in self.ways[0].starts]
        for one in self.ways:
            for care in self._cares:
                found[care].setdefault(one.starts[care], one)
        return found

    @cached_property
    def _halves(self) -> tuple[dict[int, int], dict[int, int]]:
        """What each start of the first kind of care costs at least, and by how much each of the second adds to that at least."""
        first, second = dict[int, int](), dict[int, int]()
        for cost, (start, _), _choices in self.ways:
            if start is not None:
                first.setdefault(start, cost)
        for cost, (start, start2), _choices in self.ways:
            if start is not None and start2 is not None:
                second[start2] = min(second.get(start2, IMPOSSIBLE), cost - first[start])
        return first, second


def _nothing() -> None:
    return None


def cheapest(
    rows: Sequence[Row],
    time: int,
    weeks: tuple[Weeks, ...],
    covers: Sequence[Covers],
    *,
    times: Sequence[int] | None = None,
    below: int = IMPOSSIBLE,
    apart: Callable[[int, Way, Way], bool] | None = None,
    spend: Callable[[], None] = _nothing,
) -> tuple[int, tuple[Way, ...]]:
    """A way for each row so that all of them, and the starts that they use, cost least. Branches and bounds.

    `weeks`: those of each care that have to be covered. What has to be opened for those that no start covers yet isn't held
    against a way. `times`: how many weeks a row stands for, where that isn't one each. `apart`: whether the ways of a row and of
    the next one go together. `spend` is called for each state.
    """
    cares = range(len(weeks))
    counted = times or [1] * len(rows)
    order = sorted(range(len(rows)), key=lambda number: len(rows[number].ways))
    rest = [0]
    for number in reversed(order):
        rest.append(rest[-1] + rows[number].least * counted[number])
    rest.reverse()
    fewest = [one.fewest for one in covers]
    by_start = [one.by_start for one in covers]
    used: list[set[int]] = [set() for _ in cares]
    picked: list[Way | None] = [None] * len(rows)
    least = rest[0] + time * sum(fewest[care][weeks[care]] for care in cares)
    # Of three kinds of care there are too many ways to use two starts and open a third.
    looks_up = apart is None and len(weeks) < 3
    best: int = below
    way: tuple[Way, ...] = ()

    def goes(number: int, one: Way) -> bool:
        if apart is None:
            return True
        before = picked[number - 1] if number else None
        after = picked[number + 1] if number + 1 < len(picked) else None
        return (before is None or apart(number - 1, before, one)) and (
            after is None or apart(number, one, after)
        )

    def go(depth: int, cost: int, open_: tuple[Weeks, ...]) -> None:
        """`open_`: for each care the weeks that no start of those used covers."""
        nonlocal best, way
        if depth == len(order):
            if cost < best:
                best, way = cost, tuple([one for one in picked if one is not None])
            return
        spend()
        number = order[depth]
        row, count = rows[number], counted[number]
        if looks_up and depth + 1 == len(order):
            more_cost, one = row.best(used, count, time)
            if cost + more_cost < best:
                picked[number] = one
                best, way = cost + more_cost, tuple([some for some in picked if some is not None])
                picked[number] = None
            return
        needed = [fewest[care][open_[care]] for care in cares]
        base = cost + time * sum(needed) + rest[depth + 1]
        if base + row.least * count >= best:
            return
        opening = [
            {
                start: 0 if start in used[care] else time * more
                for start, more in covers[care].opening(open_[care]).items()
            }
            for care in cares
        ]
        options = sorted(one for one in row.below(best - base, count, opening) if goes(number, one[2]))
        for extra, _, one in options:
            if base + extra >= best:
                break
            opened = [
                (care, start)
                for care, start in enumerate(one.starts)
                if start is not None and start not in used[care]
            ]
            still = list(open_)
            for care, start in opened:
                used[care].add(start)
                still[care] &= ~by_start[care][start]
            picked[number] = one
            go(depth + 1, cost + one.cost * count + time * len(opened), tuple(still))
            picked[number] = None
            for care, start in opened:
                used[care].discard(start)
            if best == least:
                return

    def go_straight() -> None:
        """One way for each row, each as good as those before it allow: what costs as much needn't be looked at."""
        nonlocal best, way
        cost, found = 0, list[Way | None]([None] * len(rows))
        opened: list[set[int]] = [set() for _ in cares]
        for number in order:
            more, one = rows[number].best(opened, counted[number], time)
            cost, found[number] = cost + more, one
            for care, start in enumerate(one.starts):
                if start is not None:
                    opened[care].add(start)
        if cost < best:
            best, way = cost, tuple([one for one in found if one is not None])

    if looks_up:
        go_straight()
    go(0, 0, weeks)
    return best, way
