"""What a plan prescribes: doses week by week, days of rest, and when somebody looks again. Values only.

Kinds of care are named by the visit type of their ordinary visit, modalities by their slugs, as in the clinic's file.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate
from typing import Any, NamedTuple

from booking.scheduling.plans.task import Pairing

LOOKED_AT_WITHIN = 7
"""So many days after a stage's last week, at the latest, somebody looks again how it goes on."""
MOST_REST_DAYS = 30
"""So many free days between two visits, at most, a plan may ask for."""
REASSESSED_BEFORE = 13
"""Before the visit of this number in a stage, if it has so many of one kind of care."""


class Dose(NamedTuple):
    """So many visits a week of one kind of care: the fewest and the most."""

    visit_type: str
    fewest: int
    most: int


@dataclass(frozen=True)
class Phase:
    """So many weeks with the same doses. `every`: the doses are those of each so many weeks' first; the others have none.

    `reassessed`: after it somebody looks again, if the plan has reassessments.
    """

    weeks: int
    doses: tuple[Dose, ...]
    every: int = 1
    reassessed: bool = True


class Moved(NamedTuple):
    """So many visits of one kind of care that a further week has in place of an earlier one."""

    week: int
    visit_type: str
    visits: int
    to: int


@dataclass(frozen=True)
class Course:
    """All phases of a plan. `rest_days`: free days between two visits of a modality. `most_trips`: in a week, or None.
    `moved`: what phases that were added later have of the weeks before them, which ask for it no more.

    `reassessment`: visit types of which one decides, after a stage, how it goes on; none where nobody needs to. A stage are the
    weeks until somebody looks again.
    """

    phases: tuple[Phase, ...]
    rest_days: Mapping[str, int]
    pairing: Pairing | None = None
    most_trips: int | None = None
    reassessment: tuple[str, ...] = ()
    moved: tuple[Moved, ...] = ()

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> "Course":
        """From the plain values in which a clinic's file and a patient's plan keep it (`as_plain`)."""
        pairing = given.get("pairing")
        return cls(
            phases=tuple(
                Phase(
                    phase["weeks"],
                    tuple(Dose(name, *dose) for name, dose in phase["doses"].items()),
                    phase.get("every", 1),
                    phase.get("reassessed", True),
                )
                for phase in given["phases"]
            ),
            rest_days=dict(given.get("rest_days", {})),
            pairing=Pairing(pairing["gap_minutes"], pairing["in_order"]) if pairing else None,
            most_trips=given.get("most_trips"),
            reassessment=tuple(given.get("reassessment", ())),
            moved=tuple(Moved(*one) for one in given.get("moved", ())),
        )

    def as_plain(self) -> dict[str, Any]:
        pairing = self.pairing
        return {
            "phases": [
                {
                    "weeks": phase.weeks,
                    "every": phase.every,
                    "reassessed": phase.reassessed,
                    "doses": {dose.visit_type: [dose.fewest, dose.most] for dose in phase.doses},
                }
                for phase in self.phases
            ],
            "rest_days": dict(self.rest_days),
            "pairing": {"gap_minutes": pairing.gap, "in_order": pairing.in_order} if pairing else None,
            "most_trips": self.most_trips,
            "reassessment": list(self.reassessment),
            "moved": [list(one) for one in self.moved],
        }

    @cached_property
    def weeks(self) -> int:
        return sum(phase.weeks for phase in self.phases)

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """The visit types of all doses, in the order in which they are named first."""
        return tuple(dict.fromkeys(dose.visit_type for phase in self.phases for dose in phase.doses))

    def doses(self, visit_type: str) -> tuple[tuple[int, int], ...]:
        """For each week of the plan the fewest and the most visits of a kind of care."""
        found: list[tuple[int, int]] = []
        for phase in self.phases:
            dose = next((one for one in phase.doses if one.visit_type == visit_type), None)
            for week in range(phase.weeks):
                counts = dose is not None and week % phase.every == 0
                found.append((dose.fewest, dose.most) if dose is not None and counts else (0, 0))
        for one in self.moved:
            if one.visit_type == visit_type and one.week < len(found):
                fewest, most = found[one.week]
                found[one.week] = max(0, fewest - one.visits), max(0, most - one.visits)
        return tuple(found)

    @cached_property
    def stages(self) -> tuple[range, ...]:
        """The weeks of each stage. What comes after the last look is one as well."""
        found: list[range] = []
        first = week = 0
        for phase in self.phases:
            week += phase.weeks
            if self.reassessment and phase.reassessed:
                found.append(range(first, week))
                first = week
        return (*found, range(first, week)) if first < week else tuple(found)

    @property
    def last_prescribed(self) -> Phase:
        """The phase that was prescribed last: not a further week that has what was moved there."""
        week, found = 0, self.phases[-1]
        made_up = {one.to for one in self.moved}
        for phase in self.phases:
            if phase.doses and week not in made_up:
                found = phase
            week += phase.weeks
        return found

    def weekly(self, stage: int) -> float:
        """How many visits a week on average, at least, are prescribed for a stage, wherever they were moved."""
        weeks, course = self.stages[stage], replace(self, moved=())
        return sum(course.doses(care)[week][0] for care in self.kinds for week in weeks) / len(weeks)

    def as_before(self, stage: int) -> "Course":
        """The same with the doses and the rhythm of the weeks before a stage in all of it; but what was moved stays where it is."""
        weeks = self.stages[stage]
        before = self.until(weeks.start).last_prescribed
        others, first, phases = {one.to for one in self.moved}, 0, []
        for phase in self.phases:
            is_meant = first in weeks and first not in others and phase.doses
            phases.append(replace(phase, doses=before.doses, every=before.every) if is_meant else phase)
            first += phase.weeks
        return replace(self, phases=tuple(phases))

    @property
    def looks(self) -> int:
        """After how many stages somebody looks again."""
        return sum(phase.reassessed for phase in self.phases) if self.reassessment else 0

    def stage_of(self, week: int) -> int:
        """The number of the stage in which a week lies; of the last one for what comes after it."""
        return next(
            (number for number, weeks in enumerate(self.stages) if week < weeks.stop), len(self.stages) - 1
        )

    def until(self, weeks: int) -> "Course":
        """The same with the phases that end within so many weeks."""
        ends = accumulate(phase.weeks for phase in self.phases)
        within = (phase for phase, end in zip(self.phases, ends, strict=True) if end <= weeks)
        return replace(self, phases=tuple(within))
