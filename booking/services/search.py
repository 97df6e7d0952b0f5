"""Free times, as pages and the API show them. Reads only.

`free_times` answers for some days; an empty answer comes with its reason and the nearest fix. An answer is kept by the
process and given again for as long as everything that it depends on stands, so that most visitors cost one statement.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import NamedTuple

from flask import current_app
from sqlalchemy import select
from sqlalchemy.orm import Session

from booking import clock
from booking.errors import NotOffered
from booking.formatting import iso_utc
from booking.models import Appointment, BookableBy
from booking.scheduling import offers as engine
from booking.scheduling.hours import Day, days_between
from booking.scheduling.reasons import Reason, explain
from booking.scheduling.timeline import Window, cell_from, instant_of
from booking.services.availability import situation
from booking.services.clinic import Clinic, Practitioner
from booking.services.occupancies import (
    Ignoring,
    Kept,
    known,
    known_of_patient,
    open_window,
    shared_versions,
    versions_now,
    window_for,
)
from booking.services.question import Moved, Question
from booking.services.transaction import reading

ALTERNATIVES = 3
ANSWERS_KEPT = 64


@dataclass(frozen=True)
class FreeTime:
    """A start that is free, and with whom the visit would be."""

    starts_at: datetime
    practitioner: Practitioner


@dataclass(frozen=True)
class FirstFree:
    """The nearest fix of an empty answer: the first free time with whom was asked for, and with anyone."""

    same: FreeTime | None
    anyone: FreeTime | None


@dataclass(frozen=True, eq=False)
class FreeTimes:
    """All free starts of some days. Plain values: nothing here asks the database.

    Each answer is itself only, so that what is made of it, such as a page, may be kept with it.
    """

    question: Question
    days: tuple[Day, ...]
    offers: engine.Offers
    reason: Reason | None
    first_free: FirstFree | None

    @property
    def clinic(self) -> Clinic:
        return self.question.clinic

    def free(self, offer: engine.Offer) -> FreeTime:
        """An offer in the clinic's own words."""
        return _free_time(self.clinic, offer)

    def each(self) -> Iterator[FreeTime]:
        for day in self.days:
            yield from map(self.free, self.offers.on(day))

    @cached_property
    def days_with_times(self) -> tuple[Day, ...]:
        window = self.offers.situation.window
        return tuple(
            day for day in self.days if self.offers.starts & window.stretch(day.from_cell, day.to_cell)
        )


def free_times(
    visit_type: str,
    practitioner: str | None,
    first: date | None = None,
    days: int = 30,
    *,
    audience: BookableBy = BookableBy.PATIENTS,
    visitor: str | None = None,
    moved: Moved | None = None,
) -> FreeTimes:
    """Free times on `days` local days from `first` on (today, if left out), with one practitioner or with anyone.

    The visitor's own holds, and the visit that is being moved, count as free; where another visit of its plan is, does not.
    Raises NotFound for unknown names, NotOffered where this audience can't book it.
    """
    now = clock.now()
    known_clinic, versions = versions_now()
    if known_clinic is not None and not moved:
        asked = _asked(known_clinic, visit_type, practitioner, first, days, audience, now)
        kept = _answers().get(asked)
        if kept is not None and kept.stands(known_clinic, versions, now, visitor):
            return kept.found

    with reading() as session:
        if known_clinic is None:
            clinic, versions = shared_versions(session)
        else:
            clinic = known_clinic
        asked = _asked(clinic, visit_type, practitioner, first, days, audience, now)
        first = asked.first
        question = Question.of(clinic, visit_type, practitioner, audience, moved)
        last = first + timedelta(days=days - 1)
        window = window_for(clinic, first, last)
        taken = _taken(session, question, window, now, versions)
        offers = _offers(question, window, now, taken, visitor)
        shown = days_between(first, last, clinic.zone)
        wanted = window.stretch(shown[0].from_cell, shown[-1].to_cell)
        if offers.starts & wanted:
            found = FreeTimes(question, shown, offers, None, None)
            if moved is None:
                _keep(asked, _Answer.of(found, versions, taken, now), visitor)
            return found
        whole = open_window(clinic, now)
        if whole.start <= window.start and window.end <= whole.end:
            # Seen as a whole, it also says until when somebody is away.
            taken = _taken(session, question, whole, now, versions)
            offers = _offers(question, whole, now, taken, visitor)
        reason = explain(offers.situation, shown[0].from_cell, shown[-1].to_cell)
        first_free = _first_free(session, question, now, versions, visitor, shown[0].from_cell)
    return FreeTimes(question, shown, offers, reason, first_free)


def alternatives(
    visit_type: str,
    practitioner: str | None,
    starts_at: datetime,
    audience: BookableBy = BookableBy.PATIENTS,
    *,
    lost_with: str | None = None,
    moved: Moved | None = None,
) -> list[dict[str, str]]:
    """The free times nearest to one that can't be had, nearest first, with the same practitioner where that gives
    enough, else with anyone: {"starts_at" (ISO, UTC), "practitioner" (slug)}.

    `lost_with`: with whom the time was lost, where somebody else may have it at the same time.
    """
    now = clock.now()
    nearest: dict[datetime, FreeTime] = {}
    with reading() as session:
        clinic, versions = shared_versions(session)
        for whom in dict.fromkeys((practitioner, None)):
            try:
                question = Question.of(clinic, visit_type, whom, audience, moved)
            except NotOffered:
                continue
            for offer in _nearest(session, question, starts_at, now, versions):
                free = _free_time(clinic, offer)
                # What was just refused is no alternative: with that person, or if anyone was asked for, with anyone.
                lost = not (practitioner or lost_with) or free.practitioner.slug in (practitioner, lost_with)
                if free.starts_at != starts_at or not lost:
                    nearest.setdefault(free.starts_at, free)
            if len(nearest) >= ALTERNATIVES:
                break
    best = sorted(nearest.values(), key=lambda free: (abs(free.starts_at - starts_at), free.starts_at))
    return [
        {"starts_at": iso_utc(free.starts_at), "practitioner": free.practitioner.slug}
        for free in best[:ALTERNATIVES]
    ]


def _first_free(
    session: Session,
    question: Question,
    now: datetime,
    versions: Mapping[int, int],
    visitor: str | None,
    from_cell: int,
) -> FirstFree:
    """The first free times from a cell on, or if there are none up to the horizon, from now on."""

    def first(asked: Question) -> FreeTime | None:
        window = open_window(asked.clinic, now)
        found = _offers(asked, window, now, _taken(session, asked, window, now, versions), visitor)
        offer = found.first(from_cell) or found.first(cell_from(now))
        return None if offer is None else _free_time(asked.clinic, offer)

    same = first(question)
    if question.wanted is None:
        return FirstFree(same, same)
    try:
        with_anyone = Question.of(
            question.clinic, question.visit_type.slug, None, question.audience, question.moved
        )
    except NotOffered:
        # By that person's link only, or by nobody.
        return FirstFree(same, None)
    return FirstFree(same, first(with_anyone))


def _nearest(
    session: Session,
    question: Question,
    starts_at: datetime,
    now: datetime,
    versions: Mapping[int, int],
) -> list[engine.Offer]:
    """Offers of the days around a start: more days as long as they are too few."""
    clinic = question.clinic
    on = max(clinic.times.local_date(starts_at), clinic.times.local_date(now))
    offers: list[engine.Offer] = []
    for reach in (1, 7, clinic.horizon_days):
        first, last = (
            max(on - timedelta(days=reach), clinic.times.local_date(now)),
            on + timedelta(days=reach),
        )
        window = window_for(clinic, first, last)
        found = _offers(question, window, now, _taken(session, question, window, now, versions))
        offers = [offer for day in days_between(first, last, clinic.zone) for offer in found.on(day)]
        if len(offers) >= ALTERNATIVES:
            break
    return offers


def _taken(
    session: Session, question: Question, window: Window, now: datetime, versions: Mapping[int, int]
) -> dict[int, Kept]:
    """What is taken of all that the visit may take, and of its patient's time: for staff all of it, else what other visits of
    its plan take. Who knows a visit's link learns nothing of others: they may have booked it for a patient whose name and
    number they know.
    """
    clinic, moved = question.clinic, question.moved
    taken = known(session, clinic, question.resource_ids, window, now, versions, keep=True)
    by_staff = question.audience is BookableBy.STAFF
    if moved is None or not (by_staff or moved.plan_id):
        return taken
    of_patient = known_of_patient(session, clinic, moved.patient_id, window, now)
    if not by_staff:
        visits = frozenset(
            session.scalars(select(Appointment.id).where(Appointment.plan_id == moved.plan_id))
        )
        of_patient = {one: entry.only(visits, clinic.visit_type_slugs) for one, entry in of_patient.items()}
    return taken | of_patient


def _offers(
    question: Question, window: Window, now: datetime, taken: Mapping[int, Kept], visitor: str | None = None
) -> engine.Offers:
    moved = question.moved
    ignoring = Ignoring(moved and moved.appointment_id, visitor, penciled=question.takes_penciled)
    patient_id = moved.patient_id if moved and moved.patient_id in taken else None
    return engine.find(situation(question, window, now, taken, ignoring, patient_id))


def _free_time(clinic: Clinic, offer: engine.Offer) -> FreeTime:
    return FreeTime(instant_of(offer.cell), clinic.practitioner_by_id[offer.practitioner_id])


# Answers that are kept. Those without a free time are not: they are few, and depend on more.


class Asked(NamedTuple):
    """A question, as answers are kept by it."""

    visit_type: str
    practitioner: str | None
    first: date
    days: int
    audience: BookableBy


@dataclass(frozen=True)
class _Answer:
    """An answer, and everything that it depends on."""

    found: FreeTimes
    versions: Mapping[int, int]
    today: date
    not_before: int
    lapses_at: datetime | None
    # For whom it may be another one: their own holds count as free.
    holders: frozenset[str | None]

    @classmethod
    def of(
        cls, found: FreeTimes, versions: Mapping[int, int], taken: Mapping[int, Kept], now: datetime
    ) -> "_Answer":
        claimed = [claim for entry in taken.values() for claim in entry.claimed]
        return cls(
            found=found,
            versions=versions,
            today=found.clinic.times.local_date(now),
            not_before=cell_from(found.offers.situation.circumstances.not_before),
            lapses_at=min((entry.lapses_at for entry in taken.values() if entry.lapses_at), default=None),
            holders=frozenset(claim.visitor for claim in claimed if claim.visitor),
        )

    def stands(self, clinic: Clinic, versions: Mapping[int, int], now: datetime, visitor: str | None) -> bool:
        """Whether the same question would find the same now."""
        return (
            self.found.clinic is clinic
            and self.versions == versions
            and self.today == clinic.times.local_date(now)
            and self.not_before == cell_from(now + self.found.question.visit_type.notice)
            and (self.lapses_at is None or now < self.lapses_at)
            and visitor not in self.holders
        )


def _asked(
    clinic: Clinic,
    visit_type: str,
    practitioner: str | None,
    first: date | None,
    days: int,
    audience: BookableBy,
    now: datetime,
) -> Asked:
    today = clinic.times.local_date(now)
    return Asked(visit_type, practitioner, max(first or today, today), days, audience)


def _answers() -> dict[Asked, _Answer]:
    answers: dict[Asked, _Answer] = current_app.extensions.setdefault("booking_free_times", {})
    return answers


def _keep(asked: Asked, answer: _Answer, visitor: str | None) -> None:
    """Keeps an answer that is the same for everybody but the holders named in it."""
    if visitor in answer.holders:
        return
    kept = _answers()
    if len(kept) >= ANSWERS_KEPT:
        kept.clear()
    kept[asked] = answer
