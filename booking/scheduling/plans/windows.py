"""When somebody can come: windows of the week, and days on which they can't."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple


class TimeWindow(NamedTuple):
    """A stretch of some weekdays, Monday 0, in minutes of the wall clock. A visit lies wholly inside."""

    weekdays: frozenset[int]
    opens: int
    closes: int


@dataclass(frozen=True)
class Presence:
    """When somebody can come: at any time, where no window is named. `away`: first and last days of absences."""

    windows: tuple[TimeWindow, ...] = ()
    away: tuple[tuple[date, date], ...] = ()

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> "Presence":
        """From plain values, as a plan keeps them (`as_plain`)."""
        return cls(
            tuple(
                TimeWindow(frozenset(one["weekdays"]), one["opens"], one["closes"])
                for one in given.get("windows", ())
            ),
            tuple(
                (date.fromisoformat(first), date.fromisoformat(last)) for first, last in given.get("away", ())
            ),
        )

    def as_plain(self) -> dict[str, Any]:
        return {
            "windows": [
                {"weekdays": sorted(one.weekdays), "opens": one.opens, "closes": one.closes}
                for one in self.windows
            ],
            "away": [[first.isoformat(), last.isoformat()] for first, last in self.away],
        }

    def is_away(self, day: date) -> bool:
        return any(first <= day <= last for first, last in self.away)

    def on(self, day: date) -> tuple[tuple[int, int], ...]:
        """The stretches of a day in which they can come. Those that touch or overlap are one."""
        if self.is_away(day):
            return ()
        if not self.windows:
            return ((0, 24 * 60),)
        joined: list[tuple[int, int]] = []
        for opens, closes in sorted(
            (one.opens, one.closes) for one in self.windows if day.weekday() in one.weekdays
        ):
            if joined and opens <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(joined[-1][1], closes))
            else:
                joined.append((opens, closes))
        return tuple(joined)
