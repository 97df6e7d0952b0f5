"""The visits of a plan that somebody chose but hasn't booked: how they travel from page to page, and as weeks to read.

A choice isn't stored. It travels in addresses and forms, and whoever books it has all of it checked.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from typing import NamedTuple

from booking.scheduling.timeline import CELL_MINUTES, cell_at, instant_of
from booking.services.clinic import Clinic
from booking.services.plans.choosing import Chosen, VisitWish, choose
from booking.services.plans.proposing import ProposedVisit, penciled
from booking.services.plans.wanted import PlanWanted
from booking.web import plan_words
from booking.web.asked import FURTHEST_CELL

MOST = 60
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


class DayOf(NamedTuple):
    """A day with its visits, each with its number among all of the plan. `waits`: in words how long one waits before a visit, by
    its number.
    """

    on: date
    visits: tuple[tuple[int, ProposedVisit], ...]
    waits: Mapping[int, str]


class WeekOf(NamedTuple):
    """A week of a plan, from 0 on. `is_after`: it lies behind the plan's last, and has what comes then."""

    number: int
    first: date
    last: date
    is_after: bool
    days: tuple[DayOf, ...]


@dataclass(frozen=True)
class Choice:
    """Visits in order, as they were chosen."""

    visits: tuple[VisitWish, ...]

    @classmethod
    def of(cls, visits: Iterable[VisitWish]) -> "Choice":
        return cls(tuple(sorted(visits, key=lambda one: (one.starts_at, one.visit_type))))

    @classmethod
    def proposed(cls, visits: Iterable[ProposedVisit]) -> "Choice":
        return cls.of(one.wish for one in visits)

    @classmethod
    def read(cls, words: str) -> "Choice | None":
        """From what `written` wrote; None for anything else."""
        found = []
        for group in words.split("~"):
            visit_type, _dot, rest = group.partition(".")
            practitioner, _dot, starts = rest.partition(".")
            for start in starts.split("."):
                cell = int(start, 36) if start.isascii() and start.isalnum() and len(start) < 7 else 0
                if not visit_type or not practitioner or not 0 < cell < FURTHEST_CELL:
                    return None
                found.append(VisitWish(visit_type, practitioner, instant_of(cell)))
        return cls.of(found) if len(found) <= MOST else None

    @property
    def written(self) -> str:
        """In few letters, since it stands in addresses: "visit-type.person.start.start~visit-type…"."""
        groups: dict[tuple[str, str], list[str]] = {}
        for one in self.visits:
            groups.setdefault((one.visit_type, one.practitioner), []).append(_base36(cell_at(one.starts_at)))
        return "~".join(".".join([*names, *starts]) for names, starts in groups.items())

    def with_other(self, number: int, other: VisitWish) -> "Choice":
        """The same with another time or person for one visit."""
        return Choice.of([*self.visits[:number], other, *self.visits[number + 1 :]])


def shown(clinic: Clinic, wanted: PlanWanted, choice: Choice) -> tuple[ProposedVisit, ...]:
    """The visits as pages show them. Raises NotFound, PlanRulesBroken for visits of none of the plan's kinds."""
    chosen = choose(clinic, wanted.course, wanted.first_day, choice.visits)
    return tuple(penciled(clinic, wanted, [_as_proposed(one) for one in chosen]))


def weeks_of(clinic: Clinic, wanted: PlanWanted, visits: Sequence[ProposedVisit]) -> list[WeekOf]:
    """The same week by week and day by day; weeks without any visit are left out."""
    by_week = groupby(enumerate(visits), key=lambda one: one[1].week)
    waits = plan_words.waits(clinic, wanted.course, visits)
    return [
        WeekOf(
            number,
            wanted.first_day + timedelta(days=number * 7),
            wanted.first_day + timedelta(days=number * 7 + 6),
            number >= wanted.course.weeks,
            tuple(
                DayOf(on, tuple(of_day), waits)
                for on, of_day in groupby(of_week, key=lambda one: clinic.times.local_date(one[1].starts_at))
            ),
        )
        for number, of_week in by_week
    ]


def _as_proposed(one: Chosen) -> ProposedVisit:
    cell = one.wanted.cell
    return ProposedVisit(
        visit_type=one.visit_type,
        care=one.kept.care,
        role=one.kept.role,
        practitioner=one.practitioner,
        cell=cell,
        to_cell=cell + (one.kept.ends - one.kept.starts) // CELL_MINUTES,
        week=one.kept.week,
        room_kind=None,
        penciled=False,
    )


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits
