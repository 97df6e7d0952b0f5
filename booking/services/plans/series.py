"""A series: visits on fixed weekdays at fixed times for some weeks, looked at date by date before anything is booked.

Each date has its time, so nothing but the people is open: it is the same person wherever that can be. What can't be is named with
its reason, and with times that could take its place. Nothing is prescribed by a series, so it asks for no least number of visits.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from itertools import combinations, groupby, pairwise, product
from typing import NamedTuple

from sqlalchemy.orm import Session

from booking import clock
from booking.errors import NotOffered
from booking.models import BookableBy
from booking.scheduling.hours import instant_at, wall_at
from booking.scheduling.plans.course import Course, Dose, Phase
from booking.scheduling.plans.fewest import by_most, fewest
from booking.scheduling.plans.keeping import Kept, Role
from booking.scheduling.plans.task import Choice
from booking.scheduling.reasons import Reason, Why, explain
from booking.scheduling.timeline import CELL_MINUTES, cell_at, instant_of
from booking.services.allowances import Planned as ToBeBooked, allowances_of
from booking.services.clinic import Clinic, Practitioner, VisitType, the_clinic
from booking.services.plans.besides import days_near_plans
from booking.services.plans.choosing import Chosen, VisitWish
from booking.services.plans.ground import HORIZON_DAYS, Wanted
from booking.services.plans.replacing import Instead, breaks
from booking.services.plans.wanted import Asked, Kind, PlanWanted
from booking.services.proposed import Proposed
from booking.services.question import Question
from booking.services.transaction import reading

MOST_VISITS = 40
MOST_WEEKS = HORIZON_DAYS // 7
OFFERED = 3
_TRIED = 20
"""So many ways of the dates of a day, the best first, are tried for one that can be had as a whole."""


class Slot(NamedTuple):
    """A weekday, Monday is 0, and a minute of the wall clock at which one kind of care is to be. `practitioner`: with whom; None
    is anyone. Names are slugs.
    """

    visit_type: str
    weekday: int
    minute: int
    practitioner: str | None = None

    @property
    def wall(self) -> time:
        return wall_at(self.minute)


@dataclass(frozen=True)
class Series:
    """`weeks`: blocks of seven days from the first day; the slots are in the first of each `every` of them."""

    slots: tuple[Slot, ...]
    first_day: date
    weeks: int
    every: int = 1

    @property
    def course(self) -> Course:
        """What its visits keep, in the words of plans: so many a week at most."""
        counted = Counter(slot.visit_type for slot in self.slots)
        doses = tuple(Dose(name, 0, most) for name, most in counted.items())
        return Course((Phase(self.weeks, doses, self.every),), rest_days={})

    def dates(self) -> Iterator[tuple[int, Slot]]:
        """All its dates in order: days from the first one, each with its slot."""
        first = self.first_day.weekday()
        days = (
            (week * 7 + (slot.weekday - first) % 7, slot)
            for week in range(0, self.weeks, self.every)
            for slot in self.slots
        )
        return iter(sorted(days, key=lambda one: (one[0], one[1].minute)))


@dataclass(frozen=True)
class DateOf:
    """A date of a series: its visit, or why there is none and what could take its place.

    `question`: what was asked of the engine for it. `why`: None where another visit of the series stands in its way. `begins`: with
    it somebody new begins, so that it can't be left out. `beyond`: by what is recorded, it may not be covered. `near_plan`: it
    leaves no days of rest to a visit of the patient's plan.
    """

    on: date
    slot: Slot
    visit_type: VisitType
    visit: VisitWish | None
    question: Question
    why: Reason | None = None
    instead: tuple[Instead, ...] = ()
    begins: bool = False
    beyond: bool = False
    near_plan: bool = False


@dataclass(frozen=True)
class Preview:
    """All dates of a series, in order. `wanted`: the same in the words of plans."""

    clinic: Clinic
    series: Series
    wanted: PlanWanted
    dates: tuple[DateOf, ...]

    @property
    def visits(self) -> tuple[VisitWish, ...]:
        return tuple(one.visit for one in self.dates if one.visit is not None)

    @property
    def offered(self) -> frozenset[VisitWish]:
        """All that can be chosen of it: its visits, and what could take the place of those that can't be."""
        instead = (
            VisitWish(one.visit_type.slug, free.practitioner.slug, free.starts_at)
            for one in self.dates
            for free in one.instead
        )
        return frozenset((*self.visits, *instead))

    @property
    def clashes(self) -> tuple[DateOf, ...]:
        return tuple(one for one in self.dates if one.visit is None)


def wanted_for(
    series: Series,
    audience: BookableBy,
    *,
    returning: frozenset[str],
    patient_id: int | None = None,
    visitor: str | None = None,
) -> PlanWanted:
    """The same in the words of plans. `returning`: modalities in which the patient has been treated here before."""
    return PlanWanted(
        course=series.course,
        first_day=series.first_day,
        returning=returning,
        audience=audience,
        patient_id=patient_id,
        visitor=visitor,
        prescribed=True,
    )


def preview(series: Series, wanted: PlanWanted) -> Preview:
    """What can be had of a series, date by date. Raises NotFound for names that the clinic doesn't have, NotOffered where nobody
    gives a kind of care.
    """
    now = clock.now()
    with reading() as session:
        clinic = the_clinic(session)
        asked = Asked.of(session, clinic, wanted, now)
        if not all(question.practitioners for question in asked.ground.questions.values()):
            raise NotOffered
        # The week in which the horizon ends as well: each of its dates is looked at by itself.
        asked = replace(asked, weeks=min(wanted.course.weeks, asked.weeks + 1))
        dates = tuple(_Dates(asked, series, _near_plans(session, clinic, wanted)).all())
        if wanted.patient_id is not None:
            standing = [number for number, one in enumerate(dates) if one.visit is not None]
            planned = [
                ToBeBooked(one.visit.starts_at, one.visit_type.modality.slug)
                for one in dates
                if one.visit is not None
            ]
            marks = allowances_of(session, clinic, wanted.patient_id, now, planned).these
            beyond = {number for number, mark in zip(standing, marks, strict=True) if mark.beyond}
            dates = tuple(replace(one, beyond=number in beyond) for number, one in enumerate(dates))
    return Preview(clinic, series, wanted, dates)


def _near_plans(session: Session, clinic: Clinic, wanted: PlanWanted) -> dict[str, frozenset[date]]:
    """The days near visits of the patient's plans, as `days_near_plans`; only staff may read of them."""
    if wanted.audience is not BookableBy.STAFF or wanted.patient_id is None:
        return {}
    return days_near_plans(session, clinic, wanted.patient_id)


class _Dates:
    """The dates of a series, each looked up. `near_plans`: by modality days that leave no rest to visits of a plan."""

    def __init__(self, asked: Asked, series: Series, near_plans: Mapping[str, frozenset[date]]) -> None:
        self._asked, self._series, self._clinic = asked, series, asked.clinic
        self._near_plans = near_plans
        self._kinds = {kind.care.slug: kind for kind in asked.kinds}
        self._until = _last_day(asked)
        self._standing = self._found()
        self._beside = asked.once_had(self._proposed())

    def all(self) -> Iterator[DateOf]:
        had = {(one.kept.day, one.kept.care): one for one in self._standing}
        offered: set[tuple[str, int]] = set()
        for day, slot in self._series.dates():
            kind, one = self._kinds[slot.visit_type], had.get((day, slot.visit_type))
            visit_type = self._visit_type(day, slot)
            question = replace(self._asked.ground.questions[visit_type.slug], wanted=self._person(slot))
            found = DateOf(self._on(day), slot, visit_type, None, question, begins=visit_type != kind.care)
            if one is not None:
                starts_at = instant_of(one.wanted.cell)
                visit = VisitWish(visit_type.slug, one.practitioner.slug, starts_at)
                yield replace(found, visit=visit, near_plan=self._is_near(kind, day))
            elif found.on > self._until or day >= self._asked.weeks * 7:
                yield replace(found, why=Reason(Why.BEYOND_HORIZON, until=self._until))
            else:
                instead = self._instead(slot, self._as_lost(day, slot, found))
                # Of a kind of care there is one a day: two dates aren't offered the same, unless there is nothing else.
                instead = [one for one in instead if (slot.visit_type, one.day) not in offered] or instead
                instead = sorted(instead[:OFFERED], key=lambda one: one.starts_at)
                offered |= {(slot.visit_type, one.day) for one in instead}
                yield replace(found, why=self._why(day, slot, question), instead=tuple(instead))

    # What can be had

    def _found(self) -> list[Chosen]:
        """The visits, of each kind of care with as few people as can be. Of a day on which not all can be had together, as many as
        can, with others where that helps.
        """
        ways = {(day, slot): self._ways(day, slot) for day, slot in self._series.dates()}
        rather = {
            name: _rather([ways[one] for one in ways if one[1].visit_type == name]) for name in self._kinds
        }
        found: list[Chosen] = []
        for _day, dates in groupby(ways, key=lambda one: one[0]):
            ranked = (
                sorted(ways[one], key=lambda way: rather[way.kept.care][way.wanted.practitioner_id])
                for one in dates
            )
            found += self._together([some for some in ranked if some], found)
        return found

    def _ways(self, day: int, slot: Slot) -> list[Chosen]:
        """A date with each with whom it is free."""
        if day >= self._asked.weeks * 7 or self._on(day) > self._until:
            return []
        care, visit_type = self._kinds[slot.visit_type].care, self._visit_type(day, slot)
        person = self._person(slot)
        role = Role.DOSE if visit_type == care else Role.FIRST
        return [
            self._chosen(visit_type, care, day, one, role)
            for one in self._asked.choices(visit_type, day)
            if one.starts == slot.minute and (person is None or one.person == person.id)
        ]

    def _together(self, dates: Sequence[Sequence[Chosen]], before: Sequence[Chosen]) -> list[Chosen]:
        """Of the dates of a day, each with its ways, the best first, as many as can be had beside what comes before."""
        for count in range(len(dates), 0, -1):
            for some in combinations(dates, count):
                places = sorted(product(*(range(len(ways)) for ways in some)), key=sum)
                for these in places[:_TRIED]:
                    chosen = [ways[place] for ways, place in zip(some, these, strict=True)]
                    if self._are_had(chosen, before):
                        return chosen
        return []

    def _are_had(self, chosen: Sequence[Chosen], before: Iterable[Chosen]) -> bool:
        if any(one.kept.ends > after.kept.starts for one, after in pairwise(chosen)):
            return False
        wanted = [one.wanted for one in chosen]
        beside = self._asked.ground.beside((one.wanted for one in before), wanted[0].cell)
        return None not in self._asked.ground.together([*beside, *wanted])

    def _proposed(self) -> Proposed:
        """What is taken once all that can be had is had."""
        ground, proposed = self._asked.ground, Proposed()
        together = ground.together([one.wanted for one in self._standing])
        for one, had in zip(self._standing, together, strict=True):
            if had is not None:
                proposed.add(had, one.visit_type.slug, ground.patient_id)
        return proposed

    def _visit_type(self, day: int, slot: Slot) -> VisitType:
        """What is had on a date: on the first one of a kind of care that is new to the patient, that with which it begins."""
        kind = self._kinds[slot.visit_type]
        first_day = next(day for day, one in self._series.dates() if one.visit_type == slot.visit_type)
        return kind.first if kind.first and day == first_day else kind.care

    def _chosen(self, visit_type: VisitType, care: VisitType, day: int, choice: Choice, role: Role) -> Chosen:
        cell = self._asked.cell(visit_type, day, choice)
        kept = Kept(day, choice.starts, choice.ends, care.slug, care.modality.slug, role)
        person = self._clinic.practitioner_by_id[choice.person]
        return Chosen(visit_type, person, kept, Wanted(visit_type.slug, person.id, cell))

    # What can't

    def _as_lost(self, day: int, slot: Slot, date_of: DateOf) -> Chosen:
        """A date as it would have been."""
        visit_type, care = date_of.visit_type, self._kinds[slot.visit_type].care
        person = self._person(slot) or self._usual(care)
        offering = person.offerings.get(visit_type.slug)
        ends = slot.minute + (offering.minutes if offering else visit_type.minutes)
        role = Role.FIRST if date_of.begins else Role.DOSE
        kept = Kept(day, slot.minute, ends, care.slug, care.modality.slug, role)
        starts_at = self._starts(day, slot)
        return Chosen(visit_type, person, kept, Wanted(visit_type.slug, person.id, cell_at(starts_at)))

    def _usual(self, care: VisitType) -> Practitioner:
        """With whom most of this kind of care is."""
        people = [one.practitioner for one in self._standing if one.kept.care == care.slug]
        if people:
            return max(people, key=people.count)
        offers = self._asked.ground.offers(care.slug)
        return self._clinic.practitioner_by_id[offers.situation.practitioners[0].id]

    def _instead(self, slot: Slot, lost: Chosen) -> list[Instead]:
        """The best of the same day, the same time with somebody else, and the other days of its week, the best first; none that
        is nearer to another date. Where anybody was asked for, it is with whoever has the nearest time.
        """

        def away(day: int, choice: Choice) -> tuple[int, ...]:
            how_far = abs(day - lost.kept.day), abs(choice.starts - lost.kept.starts)
            other = choice.person != lost.wanted.practitioner_id
            return (*how_far, other) if slot.practitioner is None else (other, *how_far)

        found, kept = [], [one.kept for one in self._standing]
        for day in self._days_near(slot, lost.kept):
            free = sorted((away(day, one), one) for one in self._beside.choices(lost.visit_type, day))
            same_time = [one for one in free if (day, one[1].starts) == (lost.kept.day, lost.kept.starts)]
            for how_far, one in dict.fromkeys((*free[:1], *same_time[:1])):
                there = lost.kept._replace(day=day, starts=one.starts, ends=one.ends)
                if not breaks(self._asked.course, kept, there):
                    found.append((day != lost.kept.day, how_far, day, one))
        return [self._as_instead(lost.visit_type, day, one) for *_, day, one in sorted(found)]

    def _days_near(self, slot: Slot, lost: Kept) -> Iterator[int]:
        """The days of its week to which a date may go."""
        dates = (day for day, one in self._series.dates() if one.visit_type == slot.visit_type)
        others = [day for day in dates if day != lost.day]
        for day in range(lost.week * 7, lost.week * 7 + 7):
            may_be = self._on(day) <= self._until and not self._is_near(self._kinds[slot.visit_type], day)
            if may_be and all(abs(day - lost.day) <= abs(day - other) for other in others):
                yield day

    def _as_instead(self, visit_type: VisitType, day: int, choice: Choice) -> Instead:
        offers, cell = self._beside.ground.offers(visit_type.slug), self._beside.cell(visit_type, day, choice)
        length = offers.situation.by_id[choice.person].shape.length
        person = self._clinic.practitioner_by_id[choice.person]
        return Instead(instant_of(cell), instant_of(cell + length), person, day)

    def _why(self, day: int, slot: Slot, question: Question) -> Reason | None:
        """None where it could be had by itself."""
        if self._instant(day, slot) is None:
            return Reason(Why.CLOSED)
        situation, wanted = self._asked.ground.offers(question.visit_type.slug).situation, question.wanted
        people = tuple(one for one in situation.practitioners if wanted is None or one.id == wanted.id)
        cell = cell_at(self._starts(day, slot))
        return explain(replace(situation, practitioners=people), cell, cell + 1)

    # Parts

    def _is_near(self, kind: Kind, day: int) -> bool:
        return self._on(day) in self._near_plans.get(kind.care.modality.slug, ())

    def _person(self, slot: Slot) -> Practitioner | None:
        return self._clinic.practitioner(slot.practitioner) if slot.practitioner else None

    def _on(self, day: int) -> date:
        return self._series.first_day + timedelta(days=day)

    def _instant(self, day: int, slot: Slot) -> datetime | None:
        return instant_at(self._on(day), slot.wall, self._clinic.zone)

    def _starts(self, day: int, slot: Slot) -> datetime:
        """When it begins; where the clock jumps over that, an instant near it."""
        midnight = self._asked.days[day].from_cell
        return self._instant(day, slot) or instant_of(midnight + slot.minute // CELL_MINUTES)


def _rather(ways: Iterable[Sequence[Chosen]]) -> dict[int, int]:
    """With whom the dates of a kind of care are rather: as few people as can be, and then who has the most of them."""
    times = [[one.wanted.practitioner_id for one in some] for some in ways]
    order = dict.fromkeys((*fewest(times), *by_most(times)))
    return {person: place for place, person in enumerate(order)}


def _last_day(asked: Asked) -> date:
    """The last day that may be booked: of patients, as for their single visits."""
    by_staff = asked.wanted.audience is BookableBy.STAFF
    days = max(HORIZON_DAYS, asked.clinic.horizon_days) if by_staff else asked.clinic.horizon_days
    return asked.clinic.times.local_date(asked.ground.now) + timedelta(days=days)
