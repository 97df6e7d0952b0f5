"""Two kinds of care on one day: for each day the best ways to have both, one after the other, in the course of that day.

On a single day the finder's measure comes to few ways and little waiting, so all pairs are compared; what is free, and whether
both can be had together, says the same engine as for plans.
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice
from typing import NamedTuple

from booking import clock
from booking.models import BookableBy
from booking.scheduling.plans.course import Course, Dose, Phase
from booking.scheduling.plans.task import Choice, Pairing
from booking.scheduling.timeline import instant_of
from booking.services.clinic import VisitType, the_clinic
from booking.services.plans.choosing import VisitWish
from booking.services.plans.ground import Wanted
from booking.services.plans.wanted import Asked, PlanWanted
from booking.services.transaction import reading

LOOKED_AT = 28
"""So many days are looked through for days on which both can be had."""
_PART = 120
"""Of each so many minutes of a day the best way is shown."""
_TRIED = 20
"""So many ways of a part of a day, the best first, are tried for one that can be had as a whole."""


@dataclass(frozen=True)
class SameDay:
    """A day, and ways to have both kinds of care on it: the visits of each in order, the earliest way first."""

    on: date
    ways: tuple[tuple[VisitWish, VisitWish], ...]


def course_of(kinds: tuple[str, ...], weeks: int = 1) -> Course:
    """One of each a week, in the words of plans."""
    return Course((Phase(weeks, tuple(Dose(name, 1, 1) for name in kinds)),), rest_days={}, pairing=Pairing())


def days_with_both(
    kinds: tuple[str, ...], first: date, *, audience: BookableBy, visitor: str | None, most: int
) -> tuple[SameDay, ...]:
    """The first days from this one on, at most so many, on which both of these visit types can be had. Raises NotFound,
    NotOffered.
    """
    with reading() as session:
        clinic = the_clinic(session)
        wanted = PlanWanted(
            course_of(kinds, LOOKED_AT // 7),
            first,
            # Whoever is new has chosen the first visit by itself.
            returning=frozenset(clinic.visit_type(name).modality.slug for name in kinds),
            audience=audience,
            visitor=visitor,
            prescribed=True,
        )
        asked = Asked.of(session, clinic, wanted, clock.now())
    days = (
        SameDay(first + timedelta(days=day), ways)
        for day in range(_days_to_look_at(asked))
        if (ways := tuple(_ways(asked, day)))
    )
    return tuple(islice(days, most))


class _Way(NamedTuple):
    """Two visits, one after the other, in the order of what is better. `trips`: 1 where the wait is short."""

    trips: int
    wait: int
    first: Choice
    second: Choice
    first_type: VisitType
    second_type: VisitType


def _days_to_look_at(asked: Asked) -> int:
    """As far as patients may book single visits."""
    clinic = asked.clinic
    last = clinic.times.local_date(asked.ground.now) + timedelta(days=clinic.horizon_days)
    return max(0, min(asked.weeks * 7, (last - asked.wanted.first_day).days + 1))


def _ways(asked: Asked, day: int) -> Iterator[tuple[VisitWish, VisitWish]]:
    """The best of each part of a day; where some are one trip, only those."""
    one, other = (kind.care for kind in asked.kinds)
    ways = sorted(
        [*_in_order(asked, day, one, other), *_in_order(asked, day, other, one)], key=lambda way: way[:4]
    )
    fewest = min((way.trips for way in ways), default=0)
    parts: dict[int, list[_Way]] = {}
    for way in ways:
        if way.trips == fewest:
            parts.setdefault(way.first.starts // _PART, []).append(way)
    for _, of_part in sorted(parts.items()):
        had = (pair for way in of_part[:_TRIED] if (pair := _had(asked, day, way)))
        yield from islice(had, 1)


def _in_order(asked: Asked, day: int, first: VisitType, second: VisitType) -> Iterator[_Way]:
    """Each start of one visit with the earliest of the other that follows."""
    after = asked.choices(second, day)
    for choice in asked.choices(first, day):
        place = bisect_left(after, choice.ends, key=lambda one: one.starts)
        if place < len(after):
            wait = after[place].starts - choice.ends
            trips = 1 if wait <= Pairing().gap else 2
            yield _Way(trips, wait, choice, after[place], first, second)


def _had(asked: Asked, day: int, way: _Way) -> tuple[VisitWish, VisitWish] | None:
    """Both as somebody books them, if they can be had together."""
    wanted = [
        Wanted(visit_type.slug, choice.person, asked.cell(visit_type, day, choice))
        for visit_type, choice in ((way.first_type, way.first), (way.second_type, way.second))
    ]
    if None in asked.ground.together(wanted):
        return None
    first, second = (
        VisitWish(
            one.visit_type, asked.clinic.practitioner_by_id[one.practitioner_id].slug, instant_of(one.cell)
        )
        for one in wanted
    )
    return first, second
