"""What is taken of one resource, as timelines."""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import zip_longest
from typing import NamedTuple

from booking.scheduling.timeline import Window, widen
from booking.scheduling.visit import Part


class Taken(NamedTuple):
    """Cells that a visit or a hold takes of a resource, with the buffers that it keeps around them."""

    from_cell: int
    to_cell: int
    before: int = 0
    after: int = 0


class Visit(NamedTuple):
    """The presence of a patient, from the first phase to the end of the last, rest included."""

    from_cell: int
    to_cell: int
    visit_type: str


@dataclass(frozen=True)
class Occupancy:
    """What is taken of one resource within a window.

    `taken`: cells of visits and holds. `padded`: the same, each with its own buffers. `absent`: time off, or out of
    use. `crowds`: at place n, the cells in which more than n patients are present. `visits` tells whose they are.
    """

    window: Window
    taken: int = 0
    padded: int = 0
    absent: int = 0
    crowds: tuple[int, ...] = ()
    visits: tuple[Visit, ...] = ()
    _blocked: dict[tuple[int, int], int] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(
        cls,
        window: Window,
        taken: Iterable[Taken] = (),
        absences: Iterable[tuple[int, int]] = (),
        visits: Iterable[Visit] = (),
    ) -> "Occupancy":
        all_taken = all_padded = absent = 0
        for from_cell, to_cell, before, after in taken:
            all_taken |= window.stretch(from_cell, to_cell)
            all_padded |= window.stretch(from_cell - before, to_cell + after)
        for from_cell, to_cell in absences:
            absent |= window.stretch(from_cell, to_cell)
        seen = tuple(visits)
        crowds: tuple[int, ...] = ()
        for visit in seen:
            crowds = _joined(crowds, window.stretch(visit.from_cell, visit.to_cell))
        return cls(window, all_taken, all_padded, absent, crowds, seen)

    def plus(self, visit: Visit, taken: Iterable[Taken]) -> "Occupancy":
        """The same, with one more visit and what it takes."""
        more = Occupancy.of(self.window, taken)
        here = self.window.stretch(visit.from_cell, visit.to_cell)
        return Occupancy(
            self.window,
            self.taken | more.taken,
            self.padded | more.padded,
            self.absent,
            _joined(self.crowds, here),
            (*self.visits, visit),
        )

    def within(self, window: Window) -> "Occupancy":
        """The same for a smaller window that lies in this one."""
        if window == self.window:
            return self
        later, full = window.start - self.window.start, window.full
        if later < 0 or window.end > self.window.end:
            raise ValueError("The smaller window reaches out of the larger one.")
        return Occupancy(
            window,
            self.taken >> later & full,
            self.padded >> later & full,
            self.absent >> later & full,
            tuple(crowd >> later & full for crowd in self.crowds),
            tuple(
                visit
                for visit in self.visits
                if visit.from_cell < window.end and visit.to_cell > window.start
            ),
        )

    def replaced(self, part: "Occupancy") -> "Occupancy":
        """The same, with what lies in the window of `part` as that has it."""
        hull = part.window
        later, room = hull.start - self.window.start, self.window.stretch(hull.start, hull.end)

        def instead(here: int, there: int) -> int:
            return here & ~room | (there << later & room if later >= 0 else there >> -later & room)

        crowds = (instead(*both) for both in zip_longest(self.crowds, part.crowds, fillvalue=0))

        def meets(visit: Visit) -> bool:
            return visit.from_cell < hull.end and hull.start < visit.to_cell

        visits = (
            *(one for one in self.visits if not meets(one)),
            *(
                one
                for one in part.visits
                if meets(one) and one.to_cell > self.window.start and one.from_cell < self.window.end
            ),
        )
        return Occupancy(
            self.window,
            instead(self.taken, part.taken),
            instead(self.padded, part.padded),
            instead(self.absent, part.absent),
            tuple(crowds),
            visits,
        )

    def visits_on(self, from_cell: int, to_cell: int) -> int:
        """How many visits begin in these cells."""
        return bisect_left(self._starts, to_cell) - bisect_left(self._starts, from_cell)

    @cached_property
    def _starts(self) -> list[int]:
        return sorted(visit.from_cell for visit in self.visits)

    def free_for(self, part: Part) -> int:
        """The cells that a new use with this part's buffers may take, absences left aside.

        Between two uses counts the larger of their buffers: the new one keeps away from the old ones by its own
        buffers, and from the old ones' buffers by none.
        """
        pads = (part.before, part.after)
        blocked = self._blocked.get(pads)
        if blocked is None:
            blocked = self.padded | widen(self.taken, part.after, part.before) & self.window.full
            self._blocked[pads] = blocked
        return self.window.full ^ blocked

    def crowded(self, at_once: int) -> int:
        """The cells in which so many patients, or more, are present already."""
        return self.crowds[at_once - 1] if at_once <= len(self.crowds) else 0


def _joined(crowds: tuple[int, ...], here: int) -> tuple[int, ...]:
    """The crowds with one more patient, who is present in the cells `here`."""
    found = list(crowds)
    for level, crowd in enumerate(found):
        found[level], here = crowd | here, crowd & here
        if not here:
            break
    if here:
        found.append(here)
    return tuple(found)
