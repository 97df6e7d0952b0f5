"""A timeline is an integer: bit *i* says whether the *i*-th five-minute cell of a window is free (or taken, or open).

Cells are numbered from the Unix epoch, so a cell is the same for everybody, whatever the zone. Opening hours minus
claims is ``&~``, "any practitioner" is ``|``, "practitioner and room and device" is ``&``. A stretch is half-open: two
that touch don't overlap.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

CELL_MINUTES = 5
CELL_SECONDS = CELL_MINUTES * 60


def cell_at(instant: datetime) -> int:
    """The cell that begins at this instant. Raises ValueError for an instant between two cells."""
    seconds = instant.timestamp()
    if seconds % CELL_SECONDS:
        raise ValueError("Visits begin on a multiple of five minutes.")
    return int(seconds) // CELL_SECONDS


def cell_from(instant: datetime) -> int:
    """The first cell that begins at this instant or after it."""
    return -int(-instant.timestamp() // CELL_SECONDS)


def cell_in(instant: datetime) -> int:
    """The cell that runs at this instant: at the present one, the last that isn't past."""
    return int(instant.timestamp()) // CELL_SECONDS


def instant_of(cell: int) -> datetime:
    """When a cell begins, in UTC."""
    return datetime.fromtimestamp(cell * CELL_SECONDS, UTC)


@dataclass(frozen=True)
class Window:
    """The cells that a timeline speaks of: `length` of them, from `start` on."""

    start: int
    length: int

    @classmethod
    def of(cls, from_cell: int, to_cell: int) -> "Window":
        """From a cell until before another."""
        return cls(from_cell, to_cell - from_cell)

    @property
    def end(self) -> int:
        return self.start + self.length

    @cached_property
    def full(self) -> int:
        """A timeline of ones."""
        return (1 << self.length) - 1

    def stretch(self, from_cell: int, to_cell: int) -> int:
        """A timeline with ones from `from_cell` until before `to_cell`, as far as they lie in the window."""
        first = max(from_cell - self.start, 0)
        last = min(to_cell - self.start, self.length)
        return ((1 << last) - 1) ^ ((1 << first) - 1) if first < last else 0

    def holds(self, cell: int) -> bool:
        return self.start <= cell < self.end

    def bit(self, cell: int) -> int:
        """The timeline of this one cell; nothing outside the window."""
        return 1 << (cell - self.start) if self.holds(cell) else 0


def fits(free: int, cells: int) -> int:
    """Where `cells` ones stand in a row: a one at each place at which such a row begins.

    Shifts and ands; the length known to fit doubles, so a visit of n cells takes log2(n) steps.
    """
    if cells < 1:
        raise ValueError("Nothing that takes no time can fit.")
    known = 1
    while known < cells:
        step = min(known, cells - known)
        free &= free >> step
        known += step
    return free


def widen(taken: int, before: int, after: int) -> int:
    """Each one spread over so many cells before and after it. May reach past the end of the window, never before it."""
    for spread, later in ((after, True), (before, False)):
        known = 0
        while known < spread:
            step = min(known + 1, spread - known)
            taken |= taken << step if later else taken >> step
            known += step
    return taken


def stretches(timeline: int) -> Iterator[tuple[int, int]]:
    """The runs of ones as (first place, place after the last), in order."""
    place = 0
    while timeline:
        zeros = (timeline & -timeline).bit_length() - 1
        timeline >>= zeros
        ones = (~timeline & (timeline + 1)).bit_length() - 1
        yield place + zeros, place + zeros + ones
        timeline >>= ones
        place += zeros + ones


def places(timeline: int) -> Iterator[int]:
    """The places of the ones, in order."""
    # Byte by byte: taking the lowest bit off a long integer again and again costs its whole length each time.
    for index, byte in enumerate(timeline.to_bytes((timeline.bit_length() + 7) // 8, "little")):
        while byte:
            lowest = byte & -byte
            yield index * 8 + lowest.bit_length() - 1
            byte ^= lowest


def first_place(timeline: int) -> int | None:
    """The place of the first one, or None."""
    return (timeline & -timeline).bit_length() - 1 if timeline else None
