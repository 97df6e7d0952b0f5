"""Whether visits keep what a plan prescribes: doses, days of rest, ways, and when somebody looks again.

One list of rules for whoever proposes, books, moves or repairs. Days are counted from the plan's first day, from 0 on.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise, zip_longest
from typing import Any, NamedTuple, Protocol

from booking.scheduling.plans.course import LOOKED_AT_WITHIN, REASSESSED_BEFORE, Course


class Role(StrEnum):
    """What a visit is to its plan. FIRST begins a kind of care with somebody new, and is one of its doses."""

    DOSE = "dose"
    FIRST = "first"
    REASSESSMENT = "reassessment"


class Kept(NamedTuple):
    """A visit of a plan. `care`: the ordinary visit type of its kind of care; its own one, for a reassessment. One before the
    plan's first day is of its first week.
    """

    day: int
    starts: int
    ends: int
    care: str
    modality: str
    role: Role = Role.DOSE

    @property
    def week(self) -> int:
        return max(0, self.day // 7)


class Placed(Protocol):
    """What a visit is to its plan, however else it is known."""

    @property
    def care(self) -> str: ...

    @property
    def week(self) -> int: ...

    @property
    def role(self) -> Role: ...


class Rule(StrEnum):
    TOO_FEW = "too_few"
    TOO_MANY = "too_many"
    REST_DAYS = "rest_days"
    FIRST_VISIT = "first_visit"
    TRIPS = "trips"
    NO_REASSESSMENT = "no_reassessment"
    REASSESSMENT_PLACE = "reassessment_place"
    NOT_OF_THE_PLAN = "not_of_the_plan"
    PAIR_ORDER = "pair_order"
    WINDOWS = "windows"


@dataclass(frozen=True)
class Fault:
    """What isn't kept. `week` counts from 0; `care` is the kind of care that suffers, or ""."""

    rule: Rule
    week: int
    care: str = ""

    @property
    def facts(self) -> dict[str, str | int]:
        """As the refusal PlanRulesBroken names it: weeks as people count them, from 1 on."""
        return {"rule": self.rule.value, "week": self.week + 1, "care": self.care}


def faults(course: Course, visits: Iterable[Kept], weeks: range | None = None) -> list[Fault]:
    """Everything that these visits don't keep, by week. `weeks`: those whose doses are to be whole; all, if left out.

    Pairing is no rule: two visits of a trip may be moved apart, and the patient decides.
    """
    ordered = sorted(visits)
    whole = range(course.weeks) if weeks is None else weeks
    found = [
        *_doses(course, ordered, whole),
        *_rest(course, ordered),
        *_firsts(ordered),
        *_trips(course, ordered),
        *_reassessments(course, ordered, whole),
    ]
    return sorted(found, key=lambda fault: (fault.week, fault.rule, fault.care))


def newly_broken(
    course: Course, before: Iterable[Kept], after: Iterable[Kept], weeks: range | None = None
) -> list[Fault]:
    """What visits don't keep any more once they are as `after`: each fault as often as it is new."""
    new = Counter(faults(course, after, weeks)) - Counter(faults(course, before, weeks))
    return list(new.elements())


def newly_turned(course: Course, before: Iterable[Kept], after: Iterable[Kept]) -> list[Fault]:
    """The pairs of one way that don't stand in their order any more once visits are as `after`, where a course wants one. No rule
    either: the patient decides.
    """
    new = Counter(_turned(course, after)) - Counter(_turned(course, before))
    return list(new.elements())


def _turned(course: Course, visits: Iterable[Kept]) -> Iterator[Fault]:
    if course.pairing is None or not course.pairing.in_order:
        return
    place = {care: number for number, care in enumerate(course.kinds)}
    doses = sorted(one for one in visits if one.role is not Role.REASSESSMENT and one.care in place)
    for one, other in pairwise(doses):
        near = one.day == other.day and other.starts - one.ends <= course.pairing.gap
        if near and place[one.care] > place[other.care]:
            yield Fault(Rule.PAIR_ORDER, other.week, other.care)


def is_gated(course: Course, week: int, role: Role, decided: int) -> bool:
    """Whether a visit of this week lies behind a look upon which nobody has decided yet, once so many were decided upon."""
    return bool(course.reassessment) and role is not Role.REASSESSMENT and course.stage_of(week) > decided


def waiting(
    course: Course,
    visits: Iterable[Placed],
    *,
    decided: int,
    confirmed: bool,
    marks: Mapping[Any, bool] | None = None,
) -> list[bool]:
    """Which of a plan's visits, in order, hold their times until a practitioner has decided: what is gated, and of a plan that
    nobody has confirmed, all but the first visit of each kind of care. `marks`: of those that stand already whether they do; what
    is only penciled in begins nothing.
    """
    begun: set[str] = set()
    found = []
    for one in visits:
        begins = one.role is not Role.REASSESSMENT and one.care not in begun
        gated = is_gated(course, one.week, one.role, decided)
        waits = marks[one] if marks and one in marks else gated or not (confirmed or begins)
        if not waits:
            begun.add(one.care)
        found.append(waits)
    return found


def trips(visits: Sequence[Kept], gap: int) -> int:
    """Ways to the clinic on one day. Visits of which the next begins at most so many minutes after the last are one way."""
    ways, until = 0, None
    for visit in sorted(visits, key=lambda one: one.starts):
        if until is None or visit.starts - until > gap:
            ways += 1
        until = visit.ends
    return ways


def ways(course: Course, visits: Iterable[Kept]) -> int:
    """Ways to the clinic on all days of these visits; none are counted where a course doesn't pair its kinds of care."""
    if course.pairing is None:
        return 0
    days: dict[int, list[Kept]] = {}
    for one in visits:
        days.setdefault(one.day, []).append(one)
    return sum(trips(of_day, course.pairing.gap) for of_day in days.values())


def looked_at(course: Course, stage: int, visits: Iterable[Kept]) -> range:
    """The days on which somebody may look again after a stage, by the visits that it has."""
    weeks = course.stages[stage]
    given = [one for one in sorted(visits) if one.week in weeks and one.role is not Role.REASSESSMENT]
    first = given[-1].day if given else weeks.stop * 7 - 1
    last = weeks.stop * 7 - 1 + LOOKED_AT_WITHIN
    for care in course.kinds:
        days = [one.day for one in given if one.care == care]
        if len(days) >= REASSESSED_BEFORE:
            first, last = min(first, days[REASSESSED_BEFORE - 2]), min(last, days[REASSESSED_BEFORE - 1] - 1)
    return range(first, last + 1)


def is_due(course: Course, stage: int, visits: Iterable[Kept], weeks: int) -> bool:
    """Whether somebody is to look again after a stage, once so many weeks of a plan can be booked: after one that goes on beyond
    them, only where its thirteenth visit of one kind of care can be.
    """
    return looked_at(course, stage, visits).stop <= weeks * 7 + LOOKED_AT_WITHIN


def looks_of(course: Course, visits: Sequence[Kept]) -> tuple[list[Kept | None], list[Kept]]:
    """The look after each stage: on its days, or else the first one between these and the next stage's; and the looks that are
    no stage's.
    """
    found, left = list[Kept | None](), sorted(one for one in visits if one.role is Role.REASSESSMENT)
    days = [looked_at(course, stage, visits) for stage in range(course.looks)]
    for its, others in zip_longest(days, days[1:]):
        of_stage = next((one for one in left if one.day in its), None)
        if of_stage is None:
            late = (one for one in left if one.day >= its.stop and (others is None or one.day < others.start))
            of_stage = next(late, None)
        found.append(of_stage)
        left = [one for one in left if one is not of_stage]
    return found, left


def look_of(course: Course, visits: Sequence[Kept], stage: int) -> Kept | None:
    """The look after a stage, as `looks_of` finds it; where it has none, the first later one that is no stage's."""
    looks, left = looks_of(course, visits)
    begins = course.stages[stage].start * 7
    return looks[stage] or next((one for one in left if one.day >= begins), None)


def is_rested(
    day: int, modality: str, visits: Iterable[Kept], rest_days: Mapping[str, int], *, same_day: bool = False
) -> bool:
    """Whether a visit of this modality on this day keeps its days of rest from all others."""
    near = rest_days.get(modality, 0)
    return not any(
        one.modality == modality and abs(one.day - day) <= near and not (same_day and one.day == day)
        for one in visits
    )


def _counted(visits: Iterable[Kept]) -> Counter[tuple[int, str]]:
    return Counter((one.week, one.care) for one in visits if one.role is not Role.REASSESSMENT)


def _doses(course: Course, visits: Sequence[Kept], whole: range) -> Iterator[Fault]:
    given, doses = _counted(visits), {care: course.doses(care) for care in course.kinds}
    for week, care in given:
        if care not in doses or week >= course.weeks:
            yield Fault(Rule.NOT_OF_THE_PLAN, week, care)
    for one in visits:
        if one.day < 0 and one.role is not Role.REASSESSMENT:
            yield Fault(Rule.NOT_OF_THE_PLAN, one.day // 7, one.care)
    for care, weekly in doses.items():
        for week, (fewest, most) in enumerate(weekly):
            if given[week, care] > most:
                yield Fault(Rule.TOO_MANY, week, care)
            elif given[week, care] < fewest and week in whole:
                yield Fault(Rule.TOO_FEW, week, care)


def _rest(course: Course, visits: Sequence[Kept]) -> Iterator[Fault]:
    last: dict[str, int] = {}
    for one in visits:
        before = last.get(one.modality)
        if before is not None and one.day - before <= course.rest_days.get(one.modality, 0):
            yield Fault(Rule.REST_DAYS, one.week, one.care)
        last[one.modality] = one.day


def _firsts(visits: Sequence[Kept]) -> Iterator[Fault]:
    begun: set[str] = set()
    for one in visits:
        if one.role is Role.FIRST and one.care in begun:
            yield Fault(Rule.FIRST_VISIT, one.week, one.care)
        if one.role is not Role.REASSESSMENT:
            begun.add(one.care)


def _trips(course: Course, visits: Sequence[Kept]) -> Iterator[Fault]:
    if course.most_trips is None:
        return
    gap = course.pairing.gap if course.pairing else 0
    weekly: Counter[int] = Counter()
    for day in {one.day for one in visits}:
        weekly[max(0, day // 7)] += trips([one for one in visits if one.day == day], gap)
    for week, ways in weekly.items():
        if ways > course.most_trips:
            yield Fault(Rule.TRIPS, week)


def _reassessments(course: Course, visits: Sequence[Kept], whole: range) -> Iterator[Fault]:
    for one in visits:
        if one.role is Role.REASSESSMENT and one.care not in course.reassessment:
            yield Fault(Rule.NOT_OF_THE_PLAN, one.week, one.care)
    if not course.reassessment:
        return
    looks, left = looks_of(course, visits)
    lacking = []
    for stage, (weeks, look) in enumerate(zip(course.stages, looks, strict=False)):
        if look is None and is_due(course, stage, visits, whole.stop):
            lacking.append(weeks.stop - 1)
        elif look is not None and look.day not in looked_at(course, stage, visits):
            yield Fault(Rule.REASSESSMENT_PLACE, weeks.stop - 1)
    # Only what is no other stage's look can be one that lies wrong.
    for number, week in enumerate(lacking):
        yield Fault(Rule.REASSESSMENT_PLACE if number < len(left) else Rule.NO_REASSESSMENT, week)
    for one in left[len(lacking) :]:
        yield Fault(Rule.REASSESSMENT_PLACE, one.week, one.care)
