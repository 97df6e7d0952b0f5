"""Covering weeks with few starts: for each week one of its ways, where each start that is used costs once."""

from collections.abc import Callable, Sequence
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


class _LastRow:
    """The ways of the row that is settled last, so that its best is looked up: some starts are used by then."""

    def __init__(self, ways: Sequence[Way], times: int, time: int) -> None:
        self._times, self._time, self._cheapest = times, time, ways[0]
        self._cares = [care for care, start in enumerate(ways[0].starts) if start is not None]
        self._by_starts = {one.starts: one for one in ways}
        self._with: list[dict[int | None, Way]] = [{} for _ in ways[0].starts]
        for one in ways:
            for care in self._cares:
                self._with[care].setdefault(one.starts[care], one)

    def best(self, used: Sequence[set[int]]) -> tuple[int, Way]:
        """The cheapest way, and its cost with the starts that it opens."""
        times, time, cares = self._times, self._time, self._cares
        best = self._cheapest.cost * times + time * len(cares), self._cheapest
        for care in cares:
            for start in used[care]:
                one = self._with[care].get(start)
                if one is not None:
                    best = min(best, (one.cost * times + time * (len(cares) - 1), one))
        if len(cares) == 2:
            for starts in product(*(used[care] if care in cares else (None,) for care in range(len(used)))):
                one = self._by_starts.get(starts)
                if one is not None:
                    best = min(best, (one.cost * times, one))
        return best


def _nothing() -> None:
    return None


def cheapest(
    rows: Sequence[Sequence[Way]],
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
    order = sorted(range(len(rows)), key=lambda number: len(rows[number]))
    rest = [0]
    for number in reversed(order):
        rest.append(rest[-1] + rows[number][0].cost * counted[number])
    rest.reverse()
    fewest = [one.fewest for one in covers]
    by_start = [one.by_start for one in covers]
    used: list[set[int]] = [set() for _ in cares]
    picked: list[Way | None] = [None] * len(rows)
    least = rest[0] + time * sum(fewest[care][weeks[care]] for care in cares)
    # Of three kinds of care there are too many ways to use two starts and open a third.
    has_last_row = bool(rows) and apart is None and len(weeks) < 3
    last_row = _LastRow(rows[order[-1]], counted[order[-1]], time) if has_last_row else None
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
        if last_row is not None and depth + 1 == len(order):
            more_cost, one = last_row.best(used)
            if cost + more_cost < best:
                picked[number] = one
                best, way = cost + more_cost, tuple([some for some in picked if some is not None])
                picked[number] = None
            return
        needed = [fewest[care][open_[care]] for care in cares]
        row, count = rows[number], counted[number]
        base = cost + time * sum(needed) + rest[depth + 1]
        if base + row[0].cost * count >= best:
            return
        opening = [covers[care].opening(open_[care]) for care in cares]
        options = []
        for place, one in enumerate(row):
            extra = one.cost * count
            if base + extra >= best:
                break
            for care, begins in enumerate(one.starts):
                if begins is not None and begins not in used[care]:
                    extra += time * opening[care][begins]
            if base + extra < best and goes(number, one):
                options.append((extra, place, one))
        options.sort()
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

    go(0, 0, weeks)
    return best, way
