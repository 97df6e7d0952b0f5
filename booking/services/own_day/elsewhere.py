"""Where visits could go at whose time somebody is away: each to a place that stays free if those before it are taken."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from sqlalchemy.orm import Session

from booking import clock
from booking.errors import NotOffered
from booking.models import Appointment, BookableBy
from booking.scheduling import offers as engine
from booking.scheduling.hours import days_between
from booking.scheduling.occupancy import Occupancy, Taken, Visit
from booking.scheduling.offers import Assignment, Use
from booking.scheduling.situation import Situation
from booking.scheduling.timeline import Window, instant_of
from booking.services.availability import situation
from booking.services.occupancies import Ignoring, known, known_of_patient, shared_versions, window_for
from booking.services.question import Question
from booking.services.search import FreeTime


class _Occupied(Protocol):
    @property
    def id(self) -> int: ...

    @property
    def occupancy(self) -> Occupancy: ...


Some = TypeVar("Some", bound=_Occupied)


@dataclass(frozen=True)
class _Planned:
    """A visit in the place that was found for it."""

    visit: Visit
    uses: tuple[Use, ...]
    patient_id: int

    @classmethod
    def of(cls, found: Assignment, visit_type: str, patient_id: int) -> "_Planned":
        uses = (*found.uses, found.patient_use(patient_id))
        return cls(Visit(found.from_cell, found.to_cell, visit_type), uses, patient_id)

    def added_to(self, asked: Situation, patient_id: int) -> Situation:
        """The same question once this visit is there. `patient_id`: who is asked about."""
        patient = asked.patient
        if patient is not None and patient_id == self.patient_id:
            patient = patient.plus(self.visit, self._taken_of(patient_id))
        return replace(
            asked,
            practitioners=self._added(asked.practitioners),
            rooms=self._added(asked.rooms),
            devices=self._added(asked.devices),
            patient=patient,
        )

    def _added(self, some: Iterable[Some]) -> tuple[Some, ...]:
        ids = {use.resource_id for use in self.uses}
        return tuple(
            replace(one, occupancy=one.occupancy.plus(self.visit, self._taken_of(one.id)))  # type: ignore[type-var]
            if one.id in ids
            else one
            for one in some
        )

    def _taken_of(self, resource_id: int) -> list[Taken]:
        return [Taken(*use[1:]) for use in self.uses if use.resource_id == resource_id]


class Elsewhere:
    """Free times for one visit after the other."""

    def __init__(self, session: Session) -> None:
        self._session, self._now = session, clock.now()
        self._clinic, self._versions = shared_versions(session)
        self._planned: list[_Planned] = []

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
                self._planned.append(_Planned.of(found, visit_type, visit.patient_id))
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
        taken |= known_of_patient(session, clinic, patient, window, now)
        asked = situation(question, window, now, taken, Ignoring(visit.id), patient)
        for planned in self._planned:
            asked = planned.added_to(asked, patient)
        return asked


def _far(cell: int, at: datetime) -> timedelta:
    return abs(instant_of(cell) - at)
