"""What the visits of one weekday cost, in whichever weeks they lie.

Plans are steady when the same weekday-and-start comes again: each that is used costs once, however many weeks use it. So the
weeks that use a weekday meet in its starts, and nowhere else; and a weekday's cost is a function of the sets of weeks in
which each kind of care uses it.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from itertools import combinations, pairwise, product
from operator import itemgetter

from booking.scheduling.plans.covering import Row, Starts, Way, Weeks, cheapest
from booking.scheduling.plans.supply import NOT_USED, Alike, Supply
from booking.scheduling.plans.task import IMPOSSIBLE, WEEKDAYS, Choice, Task, Weights

Slots = tuple[int, ...]
"""For each kind of care the place of the week, or of the first visit, that it uses of a weekday; or -1."""


class Weekdays:
    """What each weekday costs with these supplies, one for each kind of care."""

    def __init__(self, task: Task, weights: Weights, supplies: Sequence[Supply], alike: Alike) -> None:
        self.task, self.weights, self.supplies, self._alike = task, weights, supplies, alike
        self._pairing = task.pairing
        self._another_trip = weights.trip if task.most_trips is None else None
        self.cares = range(len(supplies))
        self._weeks = task.weeks
        self._least: dict[tuple[int, Slots], int] = {}
        self._rows: dict[tuple[int, Slots], Row | None] = {}
        self._starts = [
            [[weights.time * fewest for fewest in covers.fewest] for covers in supply.covers]
            for supply in supplies
        ]
        # Weeks in which somebody new begins are looked at by themselves, for they have two places.
        self._begins = {one.begins for one in supplies if one.new}
        self._later = (1 << task.weeks) - 1 & ~sum(1 << week for week in self._begins)
        self._beginning = (2 << task.weeks) - 1 & ~self._later
        self._costs: dict[tuple[int, tuple[Weeks, ...]], int] = {}
        self._clashing = frozenset(day for day, _ in task.clashes)

    # Bounds

    def least_of(self, weekday: int, slots: Slots) -> int:
        """The least that one week costs on a weekday, but for its starts: never more than it does."""
        found = self._least.get((weekday, slots))
        if found is None:
            used = [care for care in self.cares if slots[care] != NOT_USED]
            found = self.weights.trip + sum(self.supplies[care].least[weekday][slots[care]] for care in used)
            for one, other in pairwise(used):
                if found < IMPOSSIBLE:
                    found += self._apart(weekday, (one, slots[one]), (other, slots[other]))
            self._least[weekday, slots] = found
        return found

    def _apart(self, weekday: int, one: tuple[int, int], other: tuple[int, int]) -> int:
        """The least that lies between two visits of a day: a wait, or another trip."""
        if len(self.cares) > 2:
            return 0
        pairing, weights = self._pairing, self.weights
        trip = IMPOSSIBLE if self._another_trip is None else self._another_trip
        if pairing is None:
            return trip
        starts, ends = self.supplies[one[0]].grid[weekday][one[1]]
        starts2, ends2 = self.supplies[other[0]].grid[weekday][other[1]]
        for steps in range(pairing.gap // 5 + 1):
            if ends << steps & starts2 or (not pairing.in_order and ends2 << steps & starts):
                return min(trip, steps * weights.wait)
        return trip

    def bound(self, weekday: int) -> Callable[[tuple[Weeks, ...]], int]:
        """Says the least that a weekday may cost in some weeks; quickly, and never more than it does."""
        if len(self.cares) == 2:
            return self._bounds_of_two[weekday]
        return partial(self._bound, weekday)

    def _bound(self, weekday: int, weeks: tuple[Weeks, ...]) -> int:
        found = 0
        for care, some in enumerate(weeks):
            found += self._starts[care][weekday][some]
        beginning = self._beginning
        found += self._at_beginning[weekday][tuple([some & beginning for some in weeks])]
        for cares, least in self._by_cares[weekday]:
            together = self._later
            for care, some in enumerate(weeks):
                together &= some if care in cares else ~some
            found += least[together]
        return found

    @cached_property
    def _bounds_of_two(self) -> list[Callable[[tuple[Weeks, ...]], int]]:
        """The same, for what is asked by far the most often."""
        return [self._bound_of_two(weekday) for weekday in WEEKDAYS]

    def _bound_of_two(self, weekday: int) -> Callable[[tuple[Weeks, ...]], int]:
        starts, starts2 = (self._starts[care][weekday] for care in self.cares)
        only, only2, both = (least for _, least in self._by_cares[weekday])
        least, beginning, later = self._at_beginning[weekday], self._beginning, self._later

        def bound(weeks: tuple[Weeks, ...]) -> int:
            one, other = weeks
            return (
                starts[one] + starts2[other] + least[one & beginning, other & beginning]
                + only[one & ~other & later] + only2[other & ~one & later] + both[one & other & later]
            )  # fmt: skip

        return bound

    @cached_property
    def _at_beginning(self) -> list[dict[tuple[Weeks, ...], int]]:
        """For each weekday the least that all weeks cost in which somebody new begins, by what each care uses of them."""
        used = list(product(*map(self._places_at_beginning, self.supplies)))
        return [{weeks: self._least_at_beginning(weekday, weeks) for weeks in used} for weekday in WEEKDAYS]

    def _places_at_beginning(self, supply: Supply) -> list[Weeks]:
        found = [0]
        for week in self._begins:
            first = [1 << self._weeks] if supply.new and week == supply.begins else []
            found += [some | place for some in found for place in (1 << week, *first)]
        return found

    def _least_at_beginning(self, weekday: int, weeks: tuple[Weeks, ...]) -> int:
        slots = (self._slots_of(week, weeks) for week in self._begins)
        return sum(self.least_of(weekday, one) for one in slots if max(one) != NOT_USED)

    @cached_property
    def _by_cares(self) -> list[list[tuple[frozenset[int], list[int]]]]:
        """For each weekday and each set of cares the least that exactly they cost in any set of weeks in which nobody begins."""
        sets = [frozenset(some) for size in self.cares for some in combinations(self.cares, size + 1)]
        return [[(cares, self._sums(weekday, cares)) for cares in sets] for weekday in WEEKDAYS]

    def _sums(self, weekday: int, cares: frozenset[int]) -> list[int]:
        sums = [0] * (1 << self._weeks)
        for week in range(self._weeks):
            one = 1 << week
            if not one & self._later:
                continue
            least = self.least_of(
                weekday, tuple([week if care in cares else NOT_USED for care in self.cares])
            )
            for weeks in range(one):
                sums[one | weeks] = sums[weeks] + least
        return sums

    def _slots(self, weeks: tuple[Weeks, ...]) -> Iterator[Slots]:
        """For each week that uses the weekday, in which slot each care does."""
        for week in range(self._weeks):
            slots = self._slots_of(week, weeks)
            if max(slots) != NOT_USED:
                yield slots

    def _slots_of(self, week: int, weeks: tuple[Weeks, ...]) -> Slots:
        return tuple([supply.slot(week, some) for supply, some in zip(self.supplies, weeks, strict=True)])

    # The truth

    def cost(self, weekday: int, weeks: tuple[Weeks, ...], spend: Callable[[], None]) -> int:
        """What a weekday costs in these weeks, at its best. `spend` is called for each state that is looked at for it."""
        found = self._costs.get((weekday, weeks))
        if found is None:
            rows = [self._row(weekday, slots) for slots in self._slots(weeks)]
            possible = [row for row in rows if row is not None]
            found = IMPOSSIBLE
            if len(possible) == len(rows):
                found, _ = self._cheapest(possible, weekday, weeks, spend)
            self._costs[weekday, weeks] = found
        return found

    def ways(self, weekday: int, weeks: tuple[Weeks, ...]) -> Iterator[tuple[Slots, Way]]:
        """How it costs that, which was found before: for each week that uses the weekday its way."""
        slots = list(self._slots(weeks))
        rows = [row for some in slots if (row := self._row(weekday, some))]
        _, starts = self._cheapest(rows, weekday, weeks)
        for some, row in zip(slots, rows, strict=True):
            yield some, next(one for one in row.ways if one.starts == starts[row.kind])

    def _cheapest(
        self,
        rows: Sequence[Row],
        weekday: int,
        weeks: tuple[Weeks, ...],
        spend: Callable[[], None] = lambda: None,
    ) -> tuple[int, dict[int, Starts]]:
        """What a way for each week costs, and the starts of each kind. Weeks in which the same starts are free at the same
        costs are alike at the best, so they are looked at as one.
        """
        of_kind = {row.kind: row for row in rows}
        alike = sorted(Counter(row.kind for row in rows).items())
        found = self._alike.covered.get(tuple(alike))
        if found is None:
            covers = [supply.covers[weekday] for supply in self.supplies]
            together, times = [of_kind[kind] for kind, _ in alike], [number for _, number in alike]
            cost, ways = cheapest(together, self.weights.time, weeks, covers, times=times, spend=spend)
            starts = {kind: way.starts for (kind, _), way in zip(alike, ways, strict=True)}
            found = self._alike.covered[tuple(alike)] = cost, starts
        return found

    def _row(self, weekday: int, slots: Slots) -> Row | None:
        """All ways to lie in a week on a weekday: for each starts the cheapest. None where there is none."""
        if (weekday, slots) in self._rows:
            return self._rows[weekday, slots]
        week = max(supply.week(slot) for supply, slot in zip(self.supplies, slots, strict=True))
        day = week * 7 + weekday
        free = [
            0 if slot == NOT_USED else id(supply.choices[weekday][slot])
            for supply, slot in zip(self.supplies, slots, strict=True)
        ]
        key = (self.weights.trip, day if day in self._clashing else None, *free)
        if key not in self._alike.rows:
            ways = self._find_ways(weekday, slots, day)
            self._alike.rows[key] = Row(ways, self._alike.kind(ways)) if ways else None
        found = self._rows[weekday, slots] = self._alike.rows[key]
        return found

    def _find_ways(self, weekday: int, slots: Slots, day: int) -> list[Way]:
        best: dict[tuple[int | None, ...], Way] = {}
        clashing = day in self._clashing
        for cost, choices in self._had(weekday, slots):
            if clashing and (day, choices) in self.task.clashes:
                continue
            starts = tuple([one and one.starts for one in choices])
            known = best.get(starts)
            if known is None or cost < known.cost:
                best[starts] = Way(cost, starts, choices)
        return sorted(best.values(), key=itemgetter(0))

    def _had(self, weekday: int, slots: Slots) -> Iterator[tuple[int, tuple[Choice | None, ...]]]:
        """All that somebody can have on a weekday of one week, with its cost."""
        trip = self.weights.trip
        used = [care for care in self.cares if slots[care] != NOT_USED]
        free = [self.supplies[care].choices[weekday][slots[care]] for care in used]
        if len(used) == len(slots) == 2:
            for cost, one in free[0]:
                for cost2, two in free[1]:
                    between = self._between(one, two, in_order=True)
                    if between is not None:
                        yield cost + cost2 + trip + between, (one, two)
            return
        nothing: list[Choice | None] = [None] * len(slots)
        for visits in product(*free):
            cost, choices = trip, nothing.copy()
            for care, (alone, one) in zip(used, visits, strict=True):
                cost += alone
                choices[care] = one
            day = sorted((one, care) for care, one in enumerate(choices) if one)
            waits = [
                self._between(one, two, in_order=care < care2) for (one, care), (two, care2) in pairwise(day)
            ]
            if None not in waits:
                yield cost + sum(filter(None, waits)), tuple(choices)

    def _between(self, one: Choice, two: Choice, *, in_order: bool) -> int | None:
        """What lies between two visits of a day, a wait or another trip; None where nobody could be at both."""
        wait = two.starts - one.ends
        if wait < 0:
            wait, in_order = one.starts - two.ends, not in_order
            if wait < 0:
                return None
        pairing = self._pairing
        if pairing and wait <= pairing.gap and (in_order or not pairing.in_order):
            return wait // 5 * self.weights.wait
        return self._another_trip
