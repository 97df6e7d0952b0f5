"""Places that were found for visits, before anybody has them: each counts as taken for those that are looked for after it."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol, TypeVar

from booking.scheduling.occupancy import Occupancy, Taken, Visit
from booking.scheduling.offers import Assignment
from booking.scheduling.situation import Situation


class _Occupied(Protocol):
    @property
    def id(self) -> int: ...

    @property
    def occupancy(self) -> Occupancy: ...


Some = TypeVar("Some", bound=_Occupied)


class Proposed:
    """What was proposed so far. A patient who isn't known yet is None."""

    def __init__(self) -> None:
        # By resource, patients among them: the visits, with what they take of it.
        self._by_resource: dict[int | None, list[tuple[Visit, list[Taken]]]] = {}

    def add(self, place: Assignment, visit_type: str, patient_id: int | None) -> None:
        visit = Visit(place.from_cell, place.to_cell, visit_type)
        taken: dict[int | None, list[Taken]] = {patient_id: [Taken(visit.from_cell, visit.to_cell)]}
        for use in place.uses:
            taken.setdefault(use.resource_id, []).append(Taken(*use[1:]))
        for resource_id, cells in taken.items():
            self._by_resource.setdefault(resource_id, []).append((visit, cells))

    def beside(self, asked: Situation, patient_id: int | None) -> Situation:
        """The same situation, of this patient, once all that was proposed is had."""
        if not self._by_resource:
            return asked
        patient = asked.patient
        if patient_id in self._by_resource:
            patient = self._with(patient or Occupancy(asked.window), patient_id)
        return replace(
            asked,
            practitioners=self._each(asked.practitioners),
            rooms=self._each(asked.rooms),
            devices=self._each(asked.devices),
            patient=patient,
        )

    def _each(self, some: Iterable[Some]) -> tuple[Some, ...]:
        return tuple(
            replace(one, occupancy=self._with(one.occupancy, one.id))  # type: ignore[type-var]
            if one.id in self._by_resource
            else one
            for one in some
        )

    def _with(self, occupancy: Occupancy, resource_id: int | None) -> Occupancy:
        window = occupancy.window
        for visit, taken in self._by_resource[resource_id]:
            if visit.from_cell < window.end and window.start < visit.to_cell:
                occupancy = occupancy.plus(visit, taken)
        return occupancy
