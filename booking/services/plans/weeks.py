"""Week by week what a plan prescribed, and what became of it.

The dose is the truth, and visits serve it: what counts is what the visits are now, not what they were when they were booked.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import NamedTuple

from booking.scheduling.plans.course import Course
from booking.scheduling.plans.keeping import Role
from booking.services.clinic import Clinic, VisitType
from booking.services.plans.said import NotNeeded, Said
from booking.services.plans.visits import PlanVisit


class Dose(NamedTuple):
    """What became of one kind of care in one week, without what was moved from it into a further one. `made_up`: of those missed,
    as many as others took the place of, in whichever week. `left`: how many the fewest of the dose still lacks, but for those of
    which somebody said that they aren't needed. `given_up`: so many were booked once, and nothing was chosen in their place.
    """

    care: VisitType
    fewest: int
    most: int
    booked: int
    attended: int
    missed: int
    made_up: int
    left: int
    given_up: int

    @property
    def never_booked(self) -> int:
        """How many of those left were never booked."""
        return max(0, self.left - self.given_up)


class Week(NamedTuple):
    """A week of a plan, from 0 on, from its first day to its last."""

    number: int
    first: date
    last: date
    doses: tuple[Dose, ...]
    visits: tuple[PlanVisit, ...]

    @property
    def left(self) -> int:
        return sum(dose.left for dose in self.doses)


def weeks_of(
    clinic: Clinic, course: Course, first_day: date, visits: Sequence[PlanVisit], now: datetime, said: Said
) -> tuple[Week, ...]:
    """Week by week what was prescribed and what became of it."""
    weeks = []
    doses = {name: course.doses(name) for name in course.kinds}
    moved: Counter[tuple[int, str]] = Counter()
    for one in course.moved:
        moved[one.week, one.visit_type] += one.visits
    made_up, not_needed = _MadeUp(visits, said.made_up), not_needed_of(course, visits, said.not_needed)
    for number in range(course.weeks):
        first = first_day + timedelta(days=number * 7)
        of_week = tuple(one for one in visits if one.week == number)
        weeks.append(
            Week(
                number,
                first,
                first + timedelta(days=6),
                tuple(
                    _dose(
                        clinic.visit_types_ever[name],
                        weekly[number],
                        [
                            one
                            for one in of_week
                            if one.care.slug == name and one.role in (Role.DOSE, Role.FIRST)
                        ],
                        now,
                        not_needed[number, name],
                        moved[number, name],
                        made_up,
                        number,
                    )
                    for name, weekly in doses.items()
                    if weekly[number][1] or any(one.care.slug == name for one in of_week)
                ),
                of_week,
            )
        )
    weeks = _made_up_by_what_was_moved(course, weeks)
    following = [*weeks[1:], None]
    return tuple(
        _made_up_later(week, later, not_needed, made_up) for week, later in zip(weeks, following, strict=True)
    )


def not_needed_of(
    course: Course, visits: Iterable[PlanVisit], said: Collection[NotNeeded]
) -> Counter[tuple[int, str]]:
    """By week and visit type how many of the visits that it lacks a plan doesn't need. What was said of one that took place after
    all counts no more, nor what is prescribed no more either.
    """
    stands = {one.reference for one in visits if one.stands} if said else set()
    of = defaultdict[tuple[int, str], list[int]](list)
    prescribed = replace(course, moved=())
    for one in said:
        if one.visit in stands or one.week >= course.weeks:
            continue
        fewest = prescribed.doses(one.care)[one.week][0]
        of[one.week, one.care].append((one.fewest or fewest) - fewest)
    return Counter({where: max(0, len(fewer) - max(0, *fewer)) for where, fewer in of.items()})


def asking_no_more(weeks: Iterable[Week]) -> tuple[Week, ...]:
    """The same of a plan that is over: nothing is left of it."""
    return tuple(
        week._replace(doses=tuple(dose._replace(left=0, given_up=0) for dose in week.doses)) for week in weeks
    )


class _MadeUp:
    """Which visits are of another week's dose than of that in which they lie. Weeks are asked about in order."""

    def __init__(self, visits: Sequence[PlanVisit], weeks: Mapping[str, int]) -> None:
        self._weeks = weeks
        self._later = [one for one in visits if weeks.get(one.reference, one.week) < one.week]
        self._taken: Counter[tuple[int, str]] = Counter()

    def here(self, visits: Iterable[PlanVisit]) -> int:
        """How many of a week's visits make up for others of the same week."""
        return sum(one.stands and self._weeks.get(one.reference) == one.week for one in visits)

    def later(self, week: int, care: str, lacks: int) -> int:
        """How many later visits make up for what a week lacks: these are none of their own week's any more."""
        there = [
            one
            for one in self._later
            if one.stands and one.care.slug == care and self._weeks[one.reference] == week
        ][:lacks]
        for one in there:
            self._taken[one.week, care] += 1
        return len(there)

    def taken(self, week: int, care: str) -> int:
        """How many of a week's visits make up for what an earlier one lacks."""
        return self._taken[week, care]

    def booked_first(self, visits: Iterable[PlanVisit]) -> int:
        """How many of a week's visits were missed and made up for no others."""
        return sum(not one.stands and one.reference not in self._weeks for one in visits)

    def missed(self, visits: Iterable[PlanVisit]) -> int:
        """How many of a week's visits were to make up for an earlier one's, and were missed."""
        return sum(not one.stands for one in visits if one in self._later)


def _made_up_later(
    week: Week, later: Week | None, not_needed: Counter[tuple[int, str]], made_up: _MadeUp
) -> Week:
    """What a week lacks may be made up in the next one as well by what was moved there, as more than that week's own."""
    more = {}
    for dose in later.doses if later else ():
        number, care = week.number + 1, dose.care.slug
        own = dose.most - not_needed[number, care]
        more[dose.care] = max(0, dose.booked + dose.attended - made_up.taken(number, care) - own)
    doses = []
    for dose in week.doses:
        there = min(dose.left, more.get(dose.care, 0))
        left = dose.left - there
        doses.append(dose._replace(left=left, made_up=_not_left(dose.missed, left, dose.made_up + there)))
    return week._replace(doses=tuple(doses))


def _made_up_by_what_was_moved(course: Course, weeks: list[Week]) -> list[Week]:
    """What was moved into further weeks is made up as far as it was booked there, or moved on from there."""
    booked = Counter(
        {
            (week.number, dose.care.slug): dose.booked + dose.attended + dose.missed
            for week in weeks
            for dose in week.doses
        }
    )
    there: Counter[tuple[int, str]] = Counter()
    for one in sorted(course.moved, reverse=True):
        to = one.to, one.visit_type
        there[one.week, one.visit_type] += min(one.visits, booked[to] + there[to])

    def whole(week: Week, dose: Dose) -> Dose:
        return dose._replace(made_up=min(dose.missed, dose.made_up + there[week.number, dose.care.slug]))

    return [week._replace(doses=tuple(whole(week, dose) for dose in week.doses)) for week in weeks]


def _dose(
    care: VisitType,
    dose: tuple[int, int],
    visits: Sequence[PlanVisit],
    now: datetime,
    not_needed: int,
    moved: int,
    others: _MadeUp,
    week: int,
) -> Dose:
    fewest, most = dose
    booked = attended = missed = 0
    for one in visits:
        if not one.stands:
            missed += 1
        elif one.came(now):
            attended += 1
        else:
            booked += 1
    own = booked + attended - others.taken(week, care.slug)
    lacks = max(0, fewest - own - not_needed)
    later = others.later(week, care.slug, lacks)
    here = max(others.here(visits), own + missed - others.missed(visits) - most - moved)
    left = lacks - later
    chosen = others.here(visits) + later
    given_up = max(0, others.booked_first(visits) - chosen - not_needed - moved)
    made_up = _not_left(missed, left, here + later)
    return Dose(care, fewest, most, booked, attended, missed, made_up, left, given_up)


def _not_left(missed: int, left: int, made_up: int) -> int:
    """How many of what a week missed were made up, where it still lacks so many: what took the place of a visit that was to be
    made up nothing.
    """
    return max(0, min(missed - left, made_up))
