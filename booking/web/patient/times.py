"""How free times are laid out on a page: few at first, all of them on demand."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal
from urllib.parse import urlencode

from booking.scheduling.offers import Offer
from booking.scheduling.timeline import instant_of
from booking.services.search import FreeTime, FreeTimes
from booking.web.pages import away
from booking.web.reasons import sentence

DAYS_SHOWN = 5
TIMES_SHOWN = 4
DAYS_SEARCHED = 30

PartOfDay = Literal["morning", "afternoon", ""]


@dataclass(frozen=True)
class ShownDay:
    """A day with the times that are shown of it. `all_times` links to the rest, if there is more."""

    on: date
    away: str
    times: tuple[FreeTime, ...]
    all_times: str | None


@dataclass(frozen=True)
class Fix:
    """The nearest thing that helps: a link and the free time that it leads to."""

    link: str
    free: FreeTime


@dataclass(frozen=True)
class TimesPage:
    """The free times that a page shows, and the ways to others."""

    days: tuple[ShownDay, ...]
    earlier: str | None
    later: str | None
    part: PartOfDay
    parts: Mapping[str, str]
    one_day: date | None
    reason: str | None
    fixes: tuple[Fix, ...]
    # Where the part of the day alone leaves nothing: the same days at any time.
    any_time: str | None


def laid_out(
    found: FreeTimes, path: str, whom: str | None, part: PartOfDay, one_day: date | None, today: date
) -> TimesPage:
    """The page for what was found. `path` and `whom` make the links to other days."""

    def link(**query: str | None) -> str:
        asked = {"with": whom, "part": part or None} | query
        words = urlencode({name: value for name, value in asked.items() if value})
        return f"{path}?{words}" if words else path

    times = found.clinic.times
    shown: list[ShownDay] = []
    rest = False
    for day in found.days_with_times:
        free = found.offers.on(day)
        if part:
            free = [one for one in free if _in_part(times.local(instant_of(one.cell)), part)]
        if not free:
            continue
        if len(shown) == DAYS_SHOWN:
            rest = True
            break
        few = free if one_day else spread(free, TIMES_SHOWN)
        all_times = link(day=day.on.isoformat()) if len(few) < len(free) else None
        shown.append(ShownDay(day.on, away(day.on, today), tuple(map(found.free, few)), all_times))

    first, last = found.days[0].on, found.days[-1].on
    end = shown[-1].on if rest else last
    horizon = today + timedelta(days=found.clinic.horizon_days)
    back = max(today, first - timedelta(days=max(7, (end - first).days + 1)))
    reason, fixes = _explained(found, link) if not shown else (None, ())
    return TimesPage(
        days=tuple(shown),
        earlier=link(**{"from": back.isoformat()}) if first > today else None,
        later=link(**{"from": (end + timedelta(days=1)).isoformat()}) if end < horizon else None,
        part=part,
        parts={name: link(part=name or None) for name in ("", "morning", "afternoon")},
        one_day=one_day,
        reason=reason,
        fixes=fixes,
        any_time=link(part=None, **_same_days(found, one_day))
        if part and found.days_with_times and not shown
        else None,
    )


def _same_days(found: FreeTimes, one_day: date | None) -> dict[str, str]:
    return {"day" if one_day else "from": found.days[0].on.isoformat()}


def spread(free: list[Offer], count: int) -> list[Offer]:
    """At most so many of them, spread evenly from the first to the last."""
    if len(free) <= count:
        return free
    return [free[round(index * (len(free) - 1) / (count - 1))] for index in range(count)]


def _in_part(local: datetime, part: PartOfDay) -> bool:
    return (local.hour < 12) == (part == "morning")


def _explained(found: FreeTimes, link: object) -> tuple[str | None, tuple[Fix, ...]]:
    """Why nothing is shown, and what is nearest: with whom was asked for, and with anyone."""
    assert callable(link)
    reason = sentence(found.reason, found.question) if found.reason else None
    fixes: list[Fix] = []
    for free, whom in _nearest(found):
        on = found.clinic.times.local_date(free.starts_at).isoformat()
        fixes.append(Fix(link(**{"from": on, "part": None, "with": whom}), free))
    return reason, tuple(fixes)


def _nearest(found: FreeTimes) -> Iterable[tuple[FreeTime, str | None]]:
    if found.first_free is None:
        return
    wanted = found.question.wanted
    if found.first_free.same:
        yield found.first_free.same, wanted.slug if wanted else None
    anyone = found.first_free.anyone
    if (
        wanted
        and anyone
        and (found.first_free.same is None or anyone.starts_at < found.first_free.same.starts_at)
    ):
        yield anyone, None
