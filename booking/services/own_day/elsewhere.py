"""Where visits could go at whose time somebody is away: each to a place that stays free if those before it are taken."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from booking import clock
from booking.errors import NotOffered
from booking.models import Appointment, BookableBy
from booking.scheduling import offers as engine
from booking.scheduling.hours import days_between
from booking.scheduling.offers import Assignment
from booking.scheduling.situation import Situation
from booking.scheduling.timeline import Window, instant_of
from booking.services.availability import situation
from booking.services.occupancies import (
    Ignoring,
    known,
    known_of_patient,
    open_window,
    shared_versions,
    window_for,
)
from booking.services.proposed import Proposed
from booking.services.question import Question
from booking.services.search import FreeTime


class Elsewhere:
    """Free times for one visit after the other, of these patients, beside what was proposed to others."""

    def __init__(self, session: Session, patient_ids: Iterable[int], proposed: Proposed) -> None:
        self._session, self._now = session, clock.now()
        self._clinic, self._versions = shared_versions(session)
        self._whole, ids = open_window(self._clinic, self._now), sorted(set(patient_ids))
        # Read in one statement, however many they are; nothing of patients is kept.
        self._patients = known(
            session, self._clinic, ids, self._whole, self._now, dict.fromkeys(ids, -1), keep=False
        )
        self._proposed = proposed

    def place_for(self, visit: Appointment) -> FreeTime | None:
        """The free time nearest to the visit's own: with the same practitioner if there is one, else with anyone. None
        for what the clinic doesn't offer any more.
        """
        clinic = self._clinic
        visit_type = clinic.visit_type_by_id[visit.visit_type_id].slug
        person = clinic.practitioner_by_id[visit.practitioner_id].slug
        if visit_type not in clinic.visit_types or person not in clinic.practitioners:
            return None
        for whom in (person, None):
            try:
                question = Question.of(clinic, visit_type, whom, BookableBy.STAFF)
            except NotOffered:
                continue
            found = self._nearest(question, visit)
            if found is not None:
                self._proposed.add(found, visit_type, visit.patient_id)
                return FreeTime(instant_of(found.from_cell), clinic.practitioner_by_id[found.practitioner_id])
        return None

    def _nearest(self, question: Question, visit: Appointment) -> Assignment | None:
        """The place nearest in time: further days as long as there is none."""
        clinic, at = self._clinic, max(visit.starts_at, self._now)
        on, today = clinic.times.local_date(at), clinic.times.local_date(self._now)
        for reach in (1, 7, clinic.horizon_days):
            first, last = max(on - timedelta(days=reach), today), on + timedelta(days=reach)
            asked = self._situation(question, window_for(clinic, first, last), visit)
            offers = engine.find(asked)
            shown = [one for day in days_between(first, last, clinic.zone) for one in offers.on(day)]
            if shown:
                best = min(shown, key=lambda one: (_far(one.cell, at), one.cell))
                return engine.assign(asked, best.practitioner_id, best.cell)
        return None

    def _situation(self, question: Question, window: Window, visit: Appointment) -> Situation:
        session, clinic, now, patient = self._session, self._clinic, self._now, visit.patient_id
        taken = known(session, clinic, question.resource_ids, window, now, self._versions, keep=True)
        if self._whole.start <= window.start and window.end <= self._whole.end:
            taken[patient] = self._patients[patient]
        else:
            taken |= known_of_patient(session, clinic, patient, window, now)
        asked = situation(question, window, now, taken, Ignoring(visit.id), patient)
        return self._proposed.beside(asked, patient)


def _far(cell: int, at: datetime) -> timedelta:
    return abs(instant_of(cell) - at)
