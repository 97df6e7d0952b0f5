"""In which weeks a kind of care may use a weekday, by its doses and days of rest."""

from collections.abc import Iterator
from typing import NamedTuple

from booking.scheduling.plans.covering import Weeks
from booking.scheduling.plans.supply import Supply
from booking.scheduling.plans.task import WEEKDAYS, Care

COUNT = 4
"""Bits for the visits of one week: all weeks' visits are one number, which is added to and compared at once."""
VISITS = (1 << COUNT) - 1

Before = tuple[tuple[int, Weeks], ...]
"""Weekdays on which a care was, with the weeks, as far as days of rest reach."""


class Option(NamedTuple):
    """The weeks in which a care uses a weekday, how many they are (in its place), and what is known of its weeks then."""

    weeks: Weeks
    visits: int
    counts: int
    before: Before


Options = tuple[list[Option], list[int], list[Weeks]]


class Doses:
    """In which weeks one kind of care may use a weekday, by the doses and the days of rest."""

    def __init__(self, care: Care, supply: Supply, weeks: int, place: int) -> None:
        self.care, self.supply, self.weeks, self.place = care, supply, weeks, place
        self.first: Weeks = 1 << weeks if supply.new else 0
        self.begins: Weeks = 1 << supply.begins
        self.fewest = [fewest for fewest, _ in care.doses]
        self.most = [most for _, most in care.doses]
        self.open = [self._open(weekday) for weekday in WEEKDAYS]
        self._room = self._rooms()
        # How many visits may lie before a weekday.
        self.until = [self._before(weekday) for weekday in range(8)]
        self._options: dict[tuple[int, int, Before], Options] = {}

    def _open(self, weekday: int) -> Weeks:
        weeks = self.supply.open[weekday] & (1 << self.weeks) - 1
        if self.supply.open[weekday] & self.first:
            weeks |= self.begins
        for week in range(self.weeks):
            if self.care.is_near(week * 7 + weekday) or not self.most[week]:
                weeks &= ~(1 << week)
        return weeks

    def _rooms(self) -> list[list[int]]:
        """For each week how many visits its days from a weekday on have room for."""
        rooms = []
        for week in range(self.weeks):
            room = [0] * 8
            for weekday in reversed(WEEKDAYS):
                taken = 0
                if self.open[weekday] >> week & 1:
                    taken = 1 + room[min(7, weekday + 1 + self.care.rest_days)]
                room[weekday] = max(room[weekday + 1], taken)
            rooms.append(room)
        return rooms

    def _before(self, weekday: int) -> int:
        """How many visits the days before a weekday have room for."""
        total = 0
        for week in range(self.weeks):
            room = [0] * (weekday + 1)
            for day in range(weekday):
                taken = 1 + room[max(0, day - self.care.rest_days)] if self.open[day] >> week & 1 else 0
                room[day + 1] = max(room[day], taken)
            total += min(room[weekday], self.most[week])
        return total

    def possible(self, weekday: int) -> Iterator[Weeks]:
        """All sets of weeks that may use a weekday, the first visit being it or not."""
        for weeks in _subsets(self.open[weekday]):
            for some in {weeks, self._with_first(weeks)} if self.first else (weeks,):
                if not some & ~self.supply.open[weekday]:
                    yield some

    def _with_first(self, weeks: Weeks) -> Weeks:
        """The same with the first visit in the week in which it begins."""
        return weeks & ~self.begins | self.first if weeks & self.begins else weeks

    def options(self, weekday: int, counts: int, before: Before) -> Options:
        """What can be settled for a weekday, as the weeks stand so far; and of each its visits and its weeks."""
        key = weekday, counts, before
        found = self._options.get(key)
        if found is None:
            some = list(self._find_options(weekday, counts, before))
            found = self._options[key] = some, [one.visits for one in some], [one.weeks for one in some]
        return found

    def _find_options(self, weekday: int, counts: int, before: Before) -> Iterator[Option]:
        rest = self.care.rest_days
        may, must = self.open[weekday], 0
        for earlier, weeks in before:
            if weekday - earlier <= rest:
                may &= ~weeks
            if 7 + earlier - weekday <= rest:  # The week after begins with a visit.
                may &= ~(weeks >> 1)
        for week, room in enumerate(self._room):
            visits, one = counts >> COUNT * week & VISITS, 1 << week
            if visits >= self.most[week] or visits + 1 + room[min(7, weekday + 1 + rest)] < self.fewest[week]:
                may &= ~one
            if visits + room[weekday + 1] < self.fewest[week]:
                must |= one
        if must & ~may:
            return
        new = self.first and not counts >> COUNT * self.supply.begins & VISITS
        kept = tuple(one for one in before if one[0] < rest or one[0] > weekday - rest)
        for some in _subsets(may & ~must):
            weeks = some | must
            real = self._with_first(weeks) if new else weeks
            if not real & ~self.supply.open[weekday]:
                then = (*kept, (weekday, weeks)) if rest and weeks else kept if rest else ()
                yield Option(real, weeks.bit_count() << self.place, counts + spread(weeks), then)


def _subsets(weeks: Weeks) -> Iterator[Weeks]:
    some = weeks
    while some:
        yield some
        some = (some - 1) & weeks
    yield 0


def spread(weeks: Weeks) -> int:
    """One more for each of these weeks."""
    more, place = 0, 0
    while weeks:
        if weeks & 1:
            more |= 1 << place
        weeks >>= 1
        place += COUNT
    return more
