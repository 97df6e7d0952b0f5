"""A time zone as calendars read it: VTIMEZONE with yearly rules where the zone has such rules.

Outlook reads yearly rules only; Apple and Google know the zone by its name and read both. A zone whose clock moves on
dates of no rule is written with the moves of its years.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from icalendar import Timezone, TimezoneDaylight, TimezoneStandard, vRecur

_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_YEARS = 4
_HOUR = timedelta(hours=1)


@lru_cache(maxsize=16)
def timezone(zone: ZoneInfo, year: int) -> Timezone:
    """The zone from the beginning of a year on."""
    found = Timezone()
    found.add("tzid", zone.key)
    moves = list(_moves(zone, year))
    if not moves:
        start = datetime(year, 1, 1, tzinfo=zone)
        found.add_component(_observance(start, [start], start.utcoffset()))
        return found
    # What holds at the beginning of the year is told by the last move before it.
    by_name: dict[str, list[datetime]] = {}
    for move in moves:
        by_name.setdefault(f"{move.dst()} {move.utcoffset()} {move.tzname()}", []).append(move)
    for same in by_name.values():
        before = (same[0].astimezone(UTC) - _HOUR).astimezone(zone).utcoffset()
        found.add_component(_observance(same[0], same, before))
    return found


def _moves(zone: ZoneInfo, year: int) -> Iterator[datetime]:
    """The instants at which the clock moves, in local time after the move, to the minute."""
    at = datetime(year - 1, 1, 1, tzinfo=UTC)
    end = datetime(year + _YEARS - 1, 1, 1, tzinfo=UTC)
    while at < end:
        later = at + timedelta(days=1)
        if at.astimezone(zone).utcoffset() != later.astimezone(zone).utcoffset():
            low, high = at, later
            while high - low > timedelta(minutes=1):
                middle = low + (high - low) / 2
                middle = middle.replace(second=0, microsecond=0)
                if middle in (low, high):
                    break
                same = middle.astimezone(zone).utcoffset() == at.astimezone(zone).utcoffset()
                low, high = (middle, high) if same else (low, middle)
            yield high.astimezone(zone)
        at = later


def _observance(
    first: datetime, moves: list[datetime], offset_before: timedelta | None
) -> TimezoneStandard | TimezoneDaylight:
    observance = TimezoneDaylight() if first.dst() else TimezoneStandard()
    before = offset_before or timedelta(0)
    # On the wall as it was until then.
    walls = [(move.astimezone(UTC) + before).replace(tzinfo=None) for move in moves]
    observance.add("dtstart", walls[0])
    observance.add("tzoffsetfrom", before)
    observance.add("tzoffsetto", first.utcoffset())
    observance.add("tzname", first.tzname())
    if len(moves) == _YEARS:
        rule = _rule([wall.date() for wall in walls], len({wall.time() for wall in walls}) == 1)
        if rule is not None:
            observance.add("rrule", rule)
            return observance
    if len(walls) > 1:
        observance.add("rdate", walls[1:])
    return observance


def _rule(days: list[date], same_time: bool) -> vRecur | None:
    """As in "the second Sunday of March", if that is when the clock moves each year."""
    if not same_time or len({(day.month, day.weekday()) for day in days}) != 1:
        return None
    numbers = {(day.day - 1) // 7 + 1 for day in days}
    is_last = all((day + timedelta(days=7)).month != day.month for day in days)
    if not is_last and len(numbers) != 1:
        return None
    number = -1 if is_last else numbers.pop()
    by_day = f"{number}{_WEEKDAYS[days[0].weekday()]}"
    return vRecur({"FREQ": ["YEARLY"], "BYMONTH": [days[0].month], "BYDAY": [by_day]})
