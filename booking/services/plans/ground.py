"""What is free for the visits of one plan: the engine, asked for all its visit types at once.

Proposals read it, a booking reads it under the lock; both ask the same engine, so that they can't disagree.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy.orm import Session

from booking.models import BookableBy
from booking.scheduling import offers as engine
from booking.scheduling.hours import Day, day_at, day_of, week_start
from booking.scheduling.offers import Assignment
from booking.scheduling.reasons import Reason, explain
from booking.scheduling.rules import PATIENT_LIMITS, PATIENT_RULES, STAFF_RULES
from booking.scheduling.situation import Situation
from booking.scheduling.timeline import Window
from booking.services.availability import situation, taken_under_lock
from booking.services.clinic import Clinic, Practitioner, VisitType
from booking.services.occupancies import (
    NOTHING_IGNORED,
    Ignoring,
    Kept,
    known,
    known_of_patient,
    shared_versions,
    window_for,
)
from booking.services.proposed import Proposed
from booking.services.question import Question

HORIZON_DAYS = 120
"""So far ahead plans are booked; single visits as the clinic's rules say."""


class Wanted(NamedTuple):
    """A start that a plan wants: which visit type, with whom."""

    visit_type: str
    practitioner_id: int
    cell: int


def question_of(
    clinic: Clinic,
    visit_type: str,
    people: Iterable[str] | None,
    audience: BookableBy,
    *,
    limited: bool = True,
) -> Question:
    """What is asked for one visit type: with anyone whom this audience may book, or with some of them only. `limited`: whether
    the clinic's limits per patient bind it.

    Raises NotFound for a visit type that the clinic doesn't have, NotOffered where nobody at all gives it.
    """
    asked = Question.of(clinic, visit_type, None, BookableBy.STAFF)
    return question_as_offered(clinic, asked.visit_type, people, audience, limited=limited)


def question_as_offered(
    clinic: Clinic,
    visit_type: VisitType,
    people: Iterable[str] | None,
    audience: BookableBy,
    *,
    limited: bool,
) -> Question:
    """The same for what a plan has already, as far as it is offered: the answer is empty where nobody gives it any more."""
    offering = clinic.who_offers(visit_type, audience)
    if people is not None:
        # Whoever names somebody may book with them also where they are on no list of ours.
        by_name = BookableBy.LINK if audience is BookableBy.PATIENTS else audience
        names = {person.slug for person in named(clinic, people)}
        offering = tuple(one for one in clinic.who_offers(visit_type, by_name) if one.slug in names)
    rules = STAFF_RULES if audience is BookableBy.STAFF else PATIENT_RULES
    return replace(
        Question.with_people(clinic, visit_type, offering, audience),
        rules=tuple(rule for rule in rules if limited or rule is not PATIENT_LIMITS),
        horizon_days=max(HORIZON_DAYS, clinic.horizon_days),
    )


def named(clinic: Clinic, people: Iterable[str]) -> Iterator[Practitioner]:
    """Those with whom somebody wants a plan. Whoever has left since, or never was there, gives nothing, and keeps nobody from the
    others.
    """
    return (person for slug in people if (person := clinic.person(slug)) is not None)


@dataclass(frozen=True)
class Ground:
    """What is free for some visit types, from one day to another. `questions` are by visit type; `for_first`: what counts as
    free for those to which visits give way that nobody has decided on (`Question.takes_penciled`); `proposed` to others, it isn't
    free.
    """

    clinic: Clinic
    questions: Mapping[str, Question]
    first: date
    last: date
    now: datetime
    taken: Mapping[int, Kept]
    patient_id: int | None = None
    ignoring: Ignoring = NOTHING_IGNORED
    for_first: Ignoring = NOTHING_IGNORED
    proposed: Proposed = field(default_factory=Proposed, repr=False, compare=False)
    # What has been asked before: of each visit type, and of the visits of a day or week.
    _offers: dict[str, engine.Offers] = field(default_factory=dict, init=False, repr=False, compare=False)
    _had: "dict[tuple[date, tuple[Wanted, ...]], list[Assignment | None]]" = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @classmethod
    def read(
        cls,
        session: Session,
        clinic: Clinic,
        questions: Mapping[str, Question],
        first: date,
        last: date,
        now: datetime,
        *,
        patient_id: int | None = None,
        busy_with: frozenset[int] | None = None,
        visitor: str | None = None,
    ) -> "Ground":
        """As pages see it. One statement, and one more for a patient, of whose visits only these are known where `busy_with` says
        so.
        """
        window = window_for(clinic, first, last)
        _, versions = shared_versions(session)
        taken = known(session, clinic, _resources(questions), window, now, versions, keep=True)
        own: frozenset[int] = frozenset()
        if patient_id is not None:
            of_patient = known_of_patient(session, clinic, patient_id, window, now)
            if busy_with is not None:
                names = clinic.visit_type_slugs
                of_patient = {one: entry.only(busy_with, names) for one, entry in of_patient.items()}
            taken = taken | of_patient
            own = frozenset(one.appointment_id or 0 for one in of_patient[patient_id].giving_way)
        ignoring, for_first = Ignoring(visitor=visitor), Ignoring(visitor=visitor, penciled=True, own=own)
        return cls(clinic, questions, first, last, now, taken, patient_id, ignoring, for_first)

    @classmethod
    def locked(
        cls,
        session: Session,
        clinic: Clinic,
        questions: Mapping[str, Question],
        first: date,
        last: date,
        now: datetime,
        *,
        patient_id: int | None = None,
        visitor: str | None = None,
        also: Iterable[int] = (),
    ) -> "Ground":
        """The same under the lock of everything that may be taken, where nothing gives way yet (`giving`). `also`: further
        resources to lock.
        """
        window = window_for(clinic, first, last)
        wanted = _resources(questions) + ([] if patient_id is None else [patient_id])
        taken = taken_under_lock(session, clinic, wanted, window, now, also=also)
        ignoring = Ignoring(visitor=visitor)
        return cls(clinic, questions, first, last, now, taken, patient_id, ignoring, ignoring)

    def giving(self, visits: frozenset[int]) -> "Ground":
        """The same where these visits give way to first ones, and no others."""
        return replace(self, for_first=replace(self.ignoring, others=visits))

    def without(self, visit_id: int) -> "Ground":
        """The same once this visit is given up as well."""
        ignoring = replace(self.ignoring, others=self.ignoring.others | {visit_id})
        return replace(self, ignoring=ignoring, for_first=ignoring)

    def once_had(self, proposed: Proposed) -> "Ground":
        """The same once all that was proposed until now is had."""
        return replace(self, proposed=proposed)

    @property
    def days(self) -> list[Day]:
        zone, count = self.clinic.zone, (self.last - self.first).days + 1
        return [day_at(date.fromordinal(self.first.toordinal() + n), zone) for n in range(count)]

    @property
    def counts_weeks(self) -> bool:
        """Whether visits of one week may be too many for another: the clinic limits how many a patient has in a week."""
        binds = any(PATIENT_LIMITS in question.rules for question in self.questions.values())
        return binds and any((limit.scope, limit.per) == ("patient", "week") for limit in self.clinic.limits)

    def beside(self, others: Iterable[Wanted], cell: int) -> list[Wanted]:
        """Those of the others that may keep a visit away that begins at this cell."""
        return [one for one in others if self._period(one.cell) == self._period(cell)]

    def holds(self, day: date) -> bool:
        """Whether it says what is free on this day."""
        return self.first <= day <= self.last

    def situation(self, visit_type: str, window: Window) -> Situation:
        question = self.questions[visit_type]
        ignoring = self.for_first if question.takes_penciled else self.ignoring
        asked = situation(question, window, self.now, self.taken, ignoring, self.patient_id)
        return self.proposed.beside(asked, self.patient_id)

    def offers(self, visit_type: str) -> engine.Offers:
        """All its free starts."""
        found = self._offers.get(visit_type)
        if found is None:
            window = window_for(self.clinic, self.first, self.last)
            found = self._offers[visit_type] = engine.find(self.situation(visit_type, window))
        return found

    def together(self, wanted: Sequence[Wanted]) -> list[Assignment | None]:
        """For each start what it takes, if all are had together; None for those that can't be, or not any more."""
        periods: dict[date, list[int]] = defaultdict(list)
        for number, one in enumerate(wanted):
            periods[self._period(one.cell)].append(number)
        found: list[Assignment | None] = [None] * len(wanted)
        for day, numbers in periods.items():
            asked = day, tuple(wanted[number] for number in numbers)
            if asked not in self._had:
                self._had[asked] = self._in(*asked)
            for number, assignment in zip(numbers, self._had[asked], strict=True):
                found[number] = assignment
        return found

    def for_moved(self, one: Wanted, appointment_id: int) -> Assignment | None:
        """The same for a visit that is to be moved: what it has now counts as free."""
        offers = engine.find(self._moving(one, appointment_id))
        return offers.assigned(one.practitioner_id, one.cell)

    def why_not_moved(self, one: Wanted, appointment_id: int) -> Reason | None:
        """Why a visit can't be moved there."""
        asked = self._moving(one, appointment_id)
        people = tuple(person for person in asked.practitioners if person.id == one.practitioner_id)
        return explain(replace(asked, practitioners=people), one.cell, one.cell + 1)

    def _moving(self, one: Wanted, appointment_id: int) -> Situation:
        window = window_for(self.clinic, *[day_of(one.cell, self.clinic.zone)] * 2)
        ignoring = replace(self.ignoring, appointment_id=appointment_id)
        return replace(self, ignoring=ignoring, for_first=ignoring).situation(one.visit_type, window)

    def _period(self, cell: int) -> date:
        """The first day of the day or week whose visits are looked at together."""
        day = day_of(cell, self.clinic.zone)
        return week_start(day) if self.counts_weeks else day

    def _in(self, day: date, wanted: Sequence[Wanted]) -> list[Assignment | None]:
        """The same for one day or week: in their order, and where that leaves one without a room, in the other."""
        if len(wanted) == 1:
            (one,) = wanted
            return [self.offers(one.visit_type).assigned(one.practitioner_id, one.cell)]
        given = self._one_after_the_other(day, wanted)
        if None not in given:
            return given
        other = self._one_after_the_other(day, wanted[::-1])[::-1]
        return other if other.count(None) < given.count(None) else given

    def _one_after_the_other(self, day: date, wanted: Iterable[Wanted]) -> list[Assignment | None]:
        window = window_for(self.clinic, day, day)
        given: list[Assignment | None] = []
        before = Proposed()
        for one in wanted:
            asked = before.beside(self.situation(one.visit_type, window), self.patient_id)
            had = engine.find(asked).assigned(one.practitioner_id, one.cell)
            given.append(had)
            if had is not None:
                before.add(had, one.visit_type, self.patient_id)
        return given


def _resources(questions: Mapping[str, Question]) -> list[int]:
    return list(dict.fromkeys(one for question in questions.values() for one in question.resource_ids))
