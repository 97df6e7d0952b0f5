"""What somebody asks for when they ask for a plan, and the finder's task that it makes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import NamedTuple

from sqlalchemy.orm import Session

from booking.models import BookableBy, VisitKind
from booking.scheduling.hours import Day
from booking.scheduling.plans.course import LOOKED_AT_WITHIN, Course
from booking.scheduling.plans.keeping import Kept, is_rested
from booking.scheduling.plans.task import Care, Choice, Days, Planned, Task
from booking.scheduling.plans.windows import Presence
from booking.scheduling.timeline import CELL_MINUTES, instant_of, places
from booking.services.clinic import Clinic, VisitType
from booking.services.plans.ground import HORIZON_DAYS, Ground, named, question_as_offered, question_of
from booking.services.proposed import Proposed
from booking.services.question import Question
from booking.services.transaction import reading

_CELLS_A_DAY = 24 * 60 // CELL_MINUTES
LATEST_START = 21
"""So many days later a start is looked at, where a plan can't be from its own first day on."""


@dataclass(frozen=True)
class PlanWanted:
    """`only`: by modality with whom, and with nobody else; `wished`: with whom rather. `returning`: modalities in which the
    patient has been treated here before. `elsewhere`: by modality the days of visits that they have already, each with its
    visit type. `busy_with`: of their visits those, by their ids, whose times are left out; None is all. `standing`: as
    what its own visits stand, where it has some: staff may have given one another visit type than its kinds'. `prescribed`: by
    a practitioner, so that all of it is firm. `limited`: whether the clinic's limits per patient bind it.
    """

    course: Course
    first_day: date
    presence: Presence = Presence()
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    wished: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    returning: frozenset[str] = frozenset()
    audience: BookableBy = BookableBy.PATIENTS
    patient_id: int | None = None
    visitor: str | None = None
    elsewhere: Mapping[str, Mapping[date, VisitType]] = field(default_factory=dict)
    busy_with: frozenset[int] | None = None
    standing: tuple[VisitType, ...] = ()
    prescribed: bool = False
    limited: bool = True

    def with_course(self, course: Course) -> "PlanWanted":
        return replace(self, course=course)


class Besides(NamedTuple):
    """A visit that the patient has already, outside the plan."""

    on: date
    visit_type: VisitType


class Kind(NamedTuple):
    """One kind of care of a plan. `first`: with which visit somebody new begins, or None."""

    care: VisitType
    first: VisitType | None


def first_visit_of(clinic: Clinic, care: VisitType) -> VisitType | None:
    """The visit type with which somebody new begins this kind of care; None where it begins with itself."""
    if care.kind is VisitKind.FIRST:
        return None
    return next(
        (
            one
            for one in clinic.visit_types.values()
            if one.kind is VisitKind.FIRST and one.modality == care.modality and not one.on_request
        ),
        None,
    )


def kinds_of(clinic: Clinic, wanted: PlanWanted) -> tuple[Kind, ...]:
    """The kinds of care of a plan, each with the visit that it begins with. Raises NotFound."""
    cares = [clinic.visit_type(name) for name in wanted.course.kinds]
    return tuple(
        Kind(care, None if care.modality.slug in wanted.returning else first_visit_of(clinic, care))
        for care in cares
    )


def weeks_within_horizon(clinic: Clinic, course: Course, first_day: date, now: datetime) -> int:
    """As many whole weeks of a plan as may be booked now."""
    return min(course.weeks, max(0, ((last_day(clinic, now) - first_day).days + 1) // 7))


def last_day(clinic: Clinic, now: datetime) -> date:
    """The last day on which visits of plans may be booked now."""
    return clinic.times.local_date(now) + timedelta(days=max(HORIZON_DAYS, clinic.horizon_days))


def bookable_from(clinic: Clinic, first_day: date, week: int) -> date:
    """From which day on this week of a plan may be booked, as a whole."""
    last = first_day + timedelta(days=week * 7 + 6)
    return last - timedelta(days=max(HORIZON_DAYS, clinic.horizon_days))


class Start(NamedTuple):
    """A free start, as the finder's choice stands for it."""

    visit_type: VisitType
    practitioner_id: int
    cell: int


@dataclass(frozen=True)
class Asked:
    """A plan that is asked for, with what is free for it. `weeks`: as many as lie within the horizon."""

    wanted: PlanWanted
    clinic: Clinic
    kinds: tuple[Kind, ...]
    ground: Ground
    weeks: int
    _only_on_grid: bool = False
    # What is free on each day at any time; and at which cell each choice begins, on days on which the clock changes.
    _free_on: dict[tuple[str, int], tuple[Choice, ...]] = field(
        default_factory=dict, repr=False, compare=False
    )
    _starts: dict[tuple[str, int], dict[Choice, int]] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(
        cls, session: Session, clinic: Clinic, wanted: PlanWanted, now: datetime, *, until: date = date.min
    ) -> "Asked":
        """`until`: up to which day at least it is known what is free. Raises NotFound for names that the clinic doesn't have,
        NotOffered where a kind of care is given by nobody.
        """
        kinds = kinds_of(clinic, wanted)
        weeks = weeks_within_horizon(clinic, wanted.course, wanted.first_day, now)
        last = wanted.first_day + timedelta(days=weeks * 7 - 1 + max(LOOKED_AT_WITHIN, LATEST_START))
        ground = Ground.read(
            session, clinic, _questions(clinic, wanted, kinds), wanted.first_day, max(last, wanted.first_day, until), now,
            patient_id=wanted.patient_id, busy_with=wanted.busy_with, visitor=wanted.visitor,
        )  # fmt: skip
        return cls(wanted, clinic, kinds, ground, weeks)

    def anew(self, wanted: PlanWanted) -> "Asked":
        """Another plan of the same clinic and moment. Raises NotFound, NotOffered."""
        with reading() as session:
            return Asked.of(session, self.clinic, wanted, self.ground.now)

    @property
    def on_grid(self) -> "Asked":
        """The same at times that patients may book, though staff may book any minute."""
        return replace(self, _only_on_grid=True, _free_on={}, _starts={})

    def without(self, visit_id: int) -> "Asked":
        """The same once a visit that the patient has is given up."""
        return replace(self, ground=self.ground.without(visit_id), _free_on={}, _starts={})

    def once_had(self, proposed: Proposed) -> "Asked":
        """The same once all that was proposed until now is had."""
        return replace(self, ground=self.ground.once_had(proposed), _free_on={}, _starts={})

    def weeks_from(self, first_day: date) -> int:
        """How many of its weeks would lie within the horizon if it began on this day."""
        return weeks_within_horizon(self.clinic, self.wanted.course, first_day, self.ground.now)

    @property
    def course(self) -> Course:
        """All of it, with what can't be booked yet."""
        return self.wanted.course

    @cached_property
    def days(self) -> list[Day]:
        return self.ground.days

    @cached_property
    def task(self) -> Task:
        """What the finder has to know. Its cares are in the order of `kinds`.

        Staff may book any minute, but a plan recurs, and recurs at times that people remember: those that patients may book.
        """
        return self.task_from(0)

    @property
    def task_at_any_minute(self) -> Task:
        """The same with all that this audience may book, where there is no plan at those times."""
        return self.task_from(0, on_grid=False)

    def with_presence(self, presence: Presence) -> "Asked":
        """The same plan for somebody who can come at other times."""
        return replace(self, wanted=replace(self.wanted, presence=presence))

    def task_from(self, first: int, *, on_grid: bool = True) -> Task:
        """The same for a plan that begins so many days later, up to LATEST_START."""
        course, first_day = self.course, self.wanted.first_day + timedelta(days=first)
        cares = []
        for care, begins in self.kinds:
            modality = care.modality.slug
            wished = {one.id for one in named(self.clinic, self.wanted.wished.get(modality, ()))}
            others = self.wanted.elsewhere.get(modality, ())
            cares.append(
                Care(
                    doses=course.doses(care.slug)[: self.weeks],
                    free=self._free(care, first, on_grid=on_grid),
                    rest_days=course.rest_days.get(modality, 0),
                    first=self._free(begins, first, on_grid=on_grid) if begins else None,
                    wished=frozenset(wished),
                    elsewhere=tuple(sorted((on - first_day).days for on in others)),
                )
            )
        return Task(tuple(cares), course.pairing, course.most_trips)

    def start(self, visit: Planned) -> Start:
        """What a planned visit stands for."""
        care, first = self.kinds[visit.care]
        visit_type = first if visit.first and first else care
        return Start(visit_type, visit.choice.person, self.cell(visit_type, visit.day, visit.choice))

    def is_rested(self, day: int, modality: str, visits: Iterable[Kept]) -> bool:
        """Whether a visit of this modality on this day of the plan keeps its days of rest: from these visits, and from those
        that the patient has besides.
        """
        near = self.course.rest_days.get(modality, 0)
        besides = ((on - self.wanted.first_day).days for on in self.wanted.elsewhere.get(modality, ()))
        return is_rested(day, modality, visits, self.course.rest_days) and not any(
            abs(day - there) <= near for there in besides
        )

    def cell(self, visit_type: VisitType, day: int, choice: Choice) -> int:
        """At which cell one of the `choices` of this visit type and day begins."""
        on = self.days[day]
        if _has_all_hours(on):
            return on.from_cell + choice.starts // CELL_MINUTES
        return self._starts[visit_type.slug, day][choice]

    def choices(self, visit_type: VisitType, day: int, *, always: bool = False) -> tuple[Choice, ...]:
        """What is free on a day of the plan when the patient can come; `always`, at any time of it."""
        key = visit_type.slug, day
        free = self._free_on.get(key)
        if free is None:
            free = self._free_on[key] = self._at_any_time(visit_type, day)
        if always:
            return free
        return tuple(
            one
            for opens, closes in self.wanted.presence.on(self.days[day].on)
            for one in free
            if opens <= one.starts and one.ends <= closes
        )

    def _at_any_time(self, visit_type: VisitType, day: int) -> tuple[Choice, ...]:
        offers = self.ground.offers(visit_type.slug)
        by_id, window, on = offers.situation.by_id, offers.situation.window, self.days[day]
        inside = window.stretch(on.from_cell, on.to_cell)
        people = [
            (one.id, one.shape.length, places(free & inside & (one.grid if self._only_on_grid else free)))
            for one, free in ((by_id[number], free) for number, free in offers.by_practitioner.items())
        ]
        if _has_all_hours(on):
            first = (window.start - on.from_cell) * CELL_MINUTES
            starts = (
                Choice(minute, minute + cells * CELL_MINUTES, person_id)
                for person_id, cells, free in people
                for minute in (first + place * CELL_MINUTES for place in free)
            )
            return tuple(sorted(starts))
        begins = self._starts[visit_type.slug, day] = {}
        for person_id, cells, free in people:
            for cell in (window.start + place for place in free):
                choice = Choice(self.minute(on, cell), self.minute(on, cell + cells), person_id)
                # An hour that comes twice: the first of the two.
                begins.setdefault(choice, cell)
        return tuple(sorted(begins))

    def _free(self, visit_type: VisitType, first: int, *, on_grid: bool) -> Days:
        situation = self.ground.offers(visit_type.slug).situation
        start, by_id = situation.window.start, situation.by_id

        def free_on(day: int) -> tuple[Choice, ...]:
            free = self.choices(visit_type, day)
            if not on_grid or self.wanted.audience is not BookableBy.STAFF:
                return free
            return tuple(
                one for one in free if by_id[one.person].grid >> self.cell(visit_type, day, one) - start & 1
            )

        return tuple(free_on(first + day) for day in range(self.weeks * 7))

    def minute(self, on: Day, cell: int) -> int:
        """Of the wall clock, counted from the day's midnight."""
        if _has_all_hours(on):
            return (cell - on.from_cell) * CELL_MINUTES
        wall = instant_of(cell).astimezone(self.clinic.zone)
        return (wall.date() - on.on).days * 24 * 60 + wall.hour * 60 + wall.minute


def _has_all_hours(on: Day) -> bool:
    """Whether a day has as many hours as most: on those on which the clock changes its minutes aren't simply counted."""
    return on.to_cell - on.from_cell == _CELLS_A_DAY


def _questions(clinic: Clinic, wanted: PlanWanted, kinds: tuple[Kind, ...]) -> dict[str, Question]:
    found = {}
    for visit_type in (one for kind in kinds for one in kind if one is not None):
        people = wanted.only.get(visit_type.modality.slug)
        found[visit_type.slug] = question_of(
            clinic, visit_type.slug, people, wanted.audience, limited=wanted.limited
        )
    # Patients don't choose this one by itself, but with its plan.
    by_plan = BookableBy.STAFF if wanted.audience is BookableBy.STAFF else BookableBy.LINK
    # Where nobody looks again any more, the rest can be all the same.
    for name in wanted.course.reassessment:
        visit_type = clinic.visit_type(name)
        found.setdefault(name, question_as_offered(clinic, visit_type, None, by_plan, limited=wanted.limited))
    for visit_type in wanted.standing:
        if visit_type.slug not in found:
            people = wanted.only.get(visit_type.modality.slug)
            found[visit_type.slug] = question_as_offered(
                clinic, visit_type, people, wanted.audience, limited=wanted.limited
            )
    return found
