"""mroudai-django-slots in a process of its own: the answers once, then what they cost.

The first line on standard input is the clinic; the answer has the starts of each practitioner, in seconds
since 1970, found by asking for all days at once and day by day. Each further line is a number of times to ask
in both ways; the answer is what one time took of the processor.
"""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from slots.engine import Slot, generate_slots

Stretch = tuple[datetime, datetime]


@dataclass(frozen=True)
class Service:
    id: int
    duration_minutes: int
    minimum_notice_minutes: int


@dataclass(frozen=True)
class Provider:
    """`windows` and `busy` by day: all that the library asks its caller for, ready in memory."""

    id: int
    windows: dict[date, list[Stretch]]
    busy: dict[tuple[date, date], list[Stretch]]


def working_windows(provider: Provider, date: date, tz: Any) -> list[Stretch]:
    return provider.windows[date]


def busy_intervals(
    provider: Provider, service: Service, start_date: date, end_date: date, tz: Any
) -> list[Stretch]:
    return provider.busy[start_date, end_date]


class Library:
    """The question, put to the library."""

    def __init__(self, clinic: dict[str, Any]) -> None:
        self._zone = ZoneInfo(clinic["zone"])
        first = date.fromisoformat(clinic["first"])
        self._days = [first + timedelta(days=n) for n in range(clinic["days"])]
        self._service = Service(1, clinic["minutes"]["plain"], clinic["notice_minutes"])
        self._providers = [self._provider(place, clinic) for place in range(len(clinic["people"]))]

    def _provider(self, place: int, clinic: dict[str, Any]) -> Provider:
        windows = {
            day: [
                tuple(datetime.fromisoformat(f"{day}T{at}").replace(tzinfo=self._zone) for at in part)
                for part in clinic["hours"]
            ]
            for day in self._days
        }
        daily: dict[date, list[Stretch]] = {day: [] for day in self._days}
        for whose, begins, minutes, _ in clinic["visits"]:
            start = datetime.fromisoformat(begins).replace(tzinfo=self._zone)
            if whose == place and start.date() in daily:
                daily[start.date()].append((start, start + timedelta(minutes=minutes)))
        busy = {(day, day): visits for day, visits in daily.items()}
        busy[self._days[0], self._days[-1]] = [visit for visits in daily.values() for visit in visits]
        return Provider(place, windows, busy)

    def at_once(self) -> list[dict[date, list[Slot]]]:
        return [self._ask(provider, self._days[0], self._days[-1]) for provider in self._providers]

    def day_by_day(self) -> list[dict[date, list[Slot]]]:
        return [self._ask(provider, day, day) for provider in self._providers for day in self._days]

    def _ask(self, provider: Provider, first: date, last: date) -> dict[date, list[Slot]]:
        found: dict[date, list[Slot]] = generate_slots(self._service, provider, first, last, tz=self._zone)
        return found

    def starts(self, found: list[dict[date, list[Slot]]]) -> list[list[int]]:
        """The starts of each practitioner."""
        starts: list[list[int]] = [[] for _ in self._providers]
        for slot in (slot for days in found for slots in days.values() for slot in slots):
            starts[slot.provider_id].append(int(slot.start.timestamp()))
        return starts


def main() -> None:
    library = Library(json.loads(sys.stdin.readline()))
    ways = (library.at_once, library.day_by_day)
    print(json.dumps([library.starts(ask()) for ask in ways]), flush=True)
    for line in sys.stdin:
        print(json.dumps([_seconds(ask, int(line)) for ask in ways]), flush=True)


def _seconds(ask: Callable[[], object], times: int) -> float:
    began = time.process_time()
    for _ in range(times):
        ask()
    return (time.process_time() - began) / times


if __name__ == "__main__":
    main()
