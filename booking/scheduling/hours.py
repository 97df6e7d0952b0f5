"""Wall time on its way in: weekly hours, dated overrides and local days become cells.

Weekly hours are the real minutes whose wall time lies in them, also on days of 23 or 25 hours. Two stretches that
touch are one. When messages go is reckoned in `reminder_times`; `booking.formatting` is the way out.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from booking.scheduling.timeline import CELL_SECONDS, Window, cell_at, cell_from, instant_of, stretches

_MIDNIGHT = time(0)
_CELLS_A_DAY = 24 * 60 * 60 // CELL_SECONDS

WallStretch = tuple[time, time]


@dataclass(frozen=True)
class Hours:
    """A stretch of every week. Monday is 0; `closes` at midnight means the end of the day."""

    weekday: int
    opens: time
    closes: time


@dataclass(frozen=True)
class DatedHours:
    """What replaces the weekly hours on one date. Without stretches, nothing is open."""

    on: date
    stretches: tuple[WallStretch, ...]


@dataclass(frozen=True)
class Day:
    """A local day as cells: 276, 288 or 300 of them where the clock moves by an hour."""

    on: date
    from_cell: int
    to_cell: int


@lru_cache(maxsize=4096)
def day_at(on: date, zone: ZoneInfo) -> Day:
    """The cells of a local day."""
    return Day(on, _first_cell(on, zone), _first_cell(on + timedelta(days=1), zone))


def day_of(cell: int, zone: ZoneInfo) -> date:
    """The local date on which a cell begins."""
    return instant_of(cell).astimezone(zone).date()


def days_between(first: date, last: date, zone: ZoneInfo) -> tuple[Day, ...]:
    """The local days from `first` to `last`, both included."""
    return tuple(day_at(first + timedelta(days=n), zone) for n in range((last - first).days + 1))


def days_of(window: Window, zone: ZoneInfo) -> tuple[Day, ...]:
    """The local days that have cells in the window."""
    return days_between(day_of(window.start, zone), day_of(window.end - 1, zone), zone)


def window_of(first: date, last: date, zone: ZoneInfo) -> Window:
    """The window of whole local days from `first` to `last`, both included."""
    start, end = _first_cell(first, zone), _first_cell(last + timedelta(days=1), zone)
    return Window.of(start, end)


def week_start(on: date) -> date:
    """The Sunday on or before a date: the clinic's weeks begin on Sunday."""
    return on - timedelta(days=(on.weekday() + 1) % 7)


def open_timeline(
    window: Window, zone: ZoneInfo, weekly: Iterable[Hours], dated: Iterable[DatedHours] = ()
) -> int:
    """Where the hours are open: weekly hours, replaced on the dates that have hours of their own."""
    by_weekday: dict[int, list[WallStretch]] = {}
    for hours in weekly:
        by_weekday.setdefault(hours.weekday, []).append((hours.opens, hours.closes))
    by_date = {hours.on: hours.stretches for hours in dated}
    open_cells = 0
    for day in days_of(window, zone):
        for opens, closes in by_date.get(day.on, by_weekday.get(day.on.weekday(), ())):
            for from_cell, to_cell in _cells(day, opens, closes, zone):
                open_cells |= window.stretch(from_cell, to_cell)
    return open_cells


def wall_at(minute: int) -> time:
    """What the clock shows so many minutes after midnight; at the end of the day it is midnight again."""
    return time(minute // 60 % 24, minute % 60)


def instant_at(on: date, wall: time, zone: ZoneInfo) -> datetime | None:
    """When the clock shows this time on this day, in UTC: the first of two such instants, None where it jumps over it."""
    instant = datetime.combine(on, wall, zone).astimezone(UTC)
    return instant if instant.astimezone(zone).replace(tzinfo=None) == datetime.combine(on, wall) else None


def grid(open_cells: int, step: int) -> int:
    """The starts that patients are offered: every `step` cells from the beginning of each stretch of hours.

    Anchored anew after a break; independent of the visit's length, of other visits and of the viewer.
    """
    starts = 0
    for first, last in stretches(open_cells):
        starts |= _comb(-(-(last - first) // step), step) << first
    return starts


@lru_cache(maxsize=1024)
def _comb(teeth: int, step: int) -> int:
    """So many ones, `step` apart."""
    return sum(1 << (tooth * step) for tooth in range(teeth))


def _first_cell(on: date, zone: ZoneInfo) -> int:
    """The first cell of a local day, also where midnight is jumped over or comes twice."""
    cell = cell_from(datetime.combine(on, _MIDNIGHT, zone).astimezone(UTC))
    while day_of(cell - 1, zone) >= on:
        cell -= 1
    return cell


def _cells(day: Day, opens: time, closes: time, zone: ZoneInfo) -> Iterator[tuple[int, int]]:
    """The cells of a day whose wall time lies in [opens, closes)."""
    if day.to_cell - day.from_cell == _CELLS_A_DAY:
        ends_on = day.on + timedelta(days=1) if closes == _MIDNIGHT else day.on
        yield (
            cell_at(datetime.combine(day.on, opens, zone).astimezone(UTC)),
            cell_at(datetime.combine(ends_on, closes, zone).astimezone(UTC)),
        )
        return
    # A day on which the clock moves: ask each cell what the clock shows.
    for cell in range(day.from_cell, day.to_cell):
        wall = instant_of(cell).astimezone(zone).time()
        if opens <= wall and (closes == _MIDNIGHT or wall < closes):
            yield cell, cell + 1
