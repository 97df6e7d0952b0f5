"""When somebody can come, as the forms of patients and of staff ask for it: the parts of each weekday, ticked or not."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, time, timedelta
from typing import Any, NamedTuple

from flask_babel import lazy_gettext as lazy

from booking.scheduling.plans.windows import TimeWindow
from booking.services.clinic import Clinic

_A_MONDAY = date(2001, 1, 1)
_MIDNIGHT = 24 * 60


class Part(NamedTuple):
    """A part of the day, in minutes of the wall clock. Those that touch are one."""

    slug: str
    words: Any
    hours: Any
    opens: int
    closes: int


PARTS = (
    Part("morning", lazy("Morning"), lazy("until noon"), 0, 12 * 60),
    Part("midday", lazy("Midday"), lazy("noon to 2"), 12 * 60, 14 * 60),
    Part("afternoon", lazy("Afternoon"), lazy("2 to 4"), 14 * 60, 16 * 60),
    Part("evening", lazy("Evening"), lazy("after 4"), 16 * 60, 24 * 60),
)
FIELD = "when"
"""The name of all boxes."""


class Weekday(NamedTuple):
    """A weekday on which the clinic is open. Monday is 0."""

    number: int
    name: str
    short: str


def weekdays(clinic: Clinic) -> tuple[Weekday, ...]:
    """Those on which the clinic is open, in order."""
    days = sorted({hours.weekday for hours in clinic.hours})
    times = clinic.times
    return tuple(
        Weekday(
            day,
            times.weekday(_A_MONDAY + timedelta(days=day)),
            times.short_weekday(_A_MONDAY + timedelta(days=day)),
        )
        for day in days
    )


def is_open(clinic: Clinic, weekday: int, part: Part) -> bool:
    """Whether the clinic is open at any time of this part of the day."""
    return bool(open_within(clinic, weekday, part.opens, part.closes))


def open_within(clinic: Clinic, weekday: int, opens: int, closes: int) -> list[tuple[int, int]]:
    """When the clinic is open within a stretch of a weekday; in minutes of the wall clock."""
    stretches = (
        (max(opens, _minute(hours.opens)), min(closes, _minute(hours.closes) or _MIDNIGHT))
        for hours in clinic.hours
        if hours.weekday == weekday
    )
    return [(first, last) for first, last in stretches if first < last]


def _minute(wall: time) -> int:
    return wall.hour * 60 + wall.minute


def box(weekday: int, part: Part) -> str:
    """What a box sends."""
    return f"{weekday}-{part.slug}"


def read(ticked: Iterable[str]) -> tuple[TimeWindow, ...]:
    """What was ticked; nothing is at any time. What no page of ours sends is left out."""
    sent, days = set(ticked), defaultdict(set)
    for part in PARTS:
        for weekday in range(7):
            if box(weekday, part) in sent:
                days[part].add(weekday)
    return tuple(TimeWindow(frozenset(of), part.opens, part.closes) for part, of in days.items())


def ticked(windows: Iterable[TimeWindow]) -> frozenset[str]:
    """The boxes that these windows fill, to show them again."""
    windows = tuple(windows)
    return frozenset(
        box(weekday, part)
        for part in PARTS
        for weekday in range(7)
        if any(
            weekday in one.weekdays and one.opens <= part.opens and part.closes <= one.closes
            for one in windows
        )
    )
