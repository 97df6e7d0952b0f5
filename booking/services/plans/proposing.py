"""Up to three complete plans to choose from, each with what was bent and why; or why there is none, and what would help.

Reads only: what is chosen is looked up anew under the lock (`booking.services.plans.booking`).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import lru_cache
from typing import NamedTuple

from booking import clock
from booking.models import BookableBy
from booking.scheduling.hours import week_start
from booking.scheduling.plans.course import Course
from booking.scheduling.plans.effort import Stopped
from booking.scheduling.plans.keeping import Kept, Role, Rule, is_due, looked_at, newly_broken, waiting
from booking.scheduling.plans.proposals import Proposal as FoundPlan, propose as find_plans
from booking.scheduling.plans.task import Choice, Days, Planned, Task
from booking.scheduling.reasons import Reason, explain
from booking.scheduling.timeline import instant_of
from booking.services.clinic import Clinic, Practitioner, VisitType, the_clinic
from booking.services.plans.choosing import Chosen, VisitWish
from booking.services.plans.ground import Wanted
from booking.services.plans.impossible import Impossible, beyond_limits, not_found_in_time, why_none
from booking.services.plans.wanted import Asked, PlanWanted
from booking.services.transaction import reading


class Bent(NamedTuple):
    """That a visit isn't at its regular time. `day`, `minute`: when that would have been; `why` it isn't possible with this
    person then, or None where it would be, but the whole is better so.
    """

    day: date
    minute: int
    practitioner: Practitioner
    why: Reason | None
    cannot_come: bool = False


@dataclass(frozen=True)
class ProposedVisit:
    """A visit of a proposal. `penciled`: it holds its time until a practitioner has decided."""

    visit_type: VisitType
    care: str
    role: Role
    practitioner: Practitioner
    cell: int
    to_cell: int
    week: int
    room_kind: str | None
    penciled: bool
    bent: Bent | None = None

    @property
    def starts_at(self) -> datetime:
        return instant_of(self.cell)

    @property
    def wish(self) -> VisitWish:
        """The same, as somebody books it."""
        return VisitWish(self.visit_type.slug, self.practitioner.slug, self.starts_at)

    @property
    def ends_at(self) -> datetime:
        return instant_of(self.to_cell)


class Regular(NamedTuple):
    """A weekday and time at which a plan's visits of one kind of care mostly are. Monday is 0; minutes of the wall clock."""

    care: str
    weekday: int
    minute: int
    practitioner: Practitioner


@dataclass(frozen=True)
class Proposal:
    """A complete plan. `cost`, `bound`: see `Found`; a bound of 0 says that none is known. `looked_at`: whether each stage has its
    reassessment. `stopped`: the search ended behind it, before it had looked for others.
    """

    measure: str
    cost: int
    bound: int
    visits: tuple[ProposedVisit, ...]
    regular: tuple[Regular, ...]
    looked_at: bool
    stopped: bool = False

    @property
    def wishes(self) -> tuple[VisitWish, ...]:
        return tuple(visit.wish for visit in self.visits)


@dataclass(frozen=True)
class Proposals:
    """What was found. `weeks`: as many of the plan as lie within the horizon; `impossible` where nothing was found."""

    clinic: Clinic
    wanted: PlanWanted
    proposals: tuple[Proposal, ...]
    impossible: Impossible | None
    weeks: int


_ROUNDS = 8


class Limited(Stopped):
    """Nothing was found that keeps the clinic's limits of visits a week."""


def propose(wanted: PlanWanted) -> Proposals:
    """Raises NotFound for names that the clinic doesn't have, NotOffered where nobody gives a kind of care."""
    now = clock.now()
    with reading() as session:
        clinic = the_clinic(session)
        asked = Asked.of(session, clinic, wanted, now)
    try:
        found = _proposals(asked)
    except Limited:
        return Proposals(clinic, wanted, (), beyond_limits(asked), asked.weeks)
    except Stopped:
        return Proposals(clinic, wanted, (), not_found_in_time(asked), asked.weeks)
    return Proposals(clinic, wanted, tuple(found), None if found else why_none(asked), asked.weeks)


@lru_cache(maxsize=8)
def plans_for(task: Task) -> tuple[FoundPlan, ...]:
    """What is found for a task. The last few are kept: who reloads the page, or comes back to it, doesn't wait again, and
    what is free has to be the same for that.
    """
    return tuple(find_plans(task))


def _proposals(asked: Asked) -> list[Proposal]:
    """Raises Stopped where the search was broken off before it found one."""
    if not asked.weeks:
        return []
    return [
        _proposal(asked, one)
        for one in plans_that_can_be(asked, asked.task) or plans_that_can_be(asked, asked.task_at_any_minute)
    ]


def plans_that_can_be(asked: Asked, task: Task) -> tuple[FoundPlan, ...]:
    """What is found for a task of which all visits can be had together. Raises Stopped, Limited."""
    # Two visits of a day may each be free and yet not both: such pairs are named, and it is searched again. A week of the
    # calendar, in which visits are limited, lies across two of the plan: what is too much in it is left out.
    too_many: set[tuple[int, int]] = set()
    bounds: dict[str, int] = {}
    for _ in range(_ROUNDS):
        found = plans_for(task)
        if not too_many:
            bounds = {one.measure: one.found.bound for one in found}
        clashes = {clash for one in found for clash in _clashes(asked, task, one.found.visits)}
        beyond = {one for plan in found for one in _too_many(asked, plan.found.visits)} - too_many
        if too_many and not found:
            break
        if not clashes and not beyond:
            return tuple(_bounded(one, bounds) for one in found) if too_many else found
        too_many |= beyond
        task = replace(_without(task, beyond), clashes=task.clashes | clashes)
    raise Limited(0) if too_many else Stopped(0)


def _bounded(plan: FoundPlan, bounds: Mapping[str, int]) -> FoundPlan:
    """A plan that was found after more was left out than the limits ask for. By its measure nothing is better than what was found
    before; if nothing was proposed by it then, nothing is known. What is at other times costs no less than the steadiest.
    """
    measure = "steady" if plan.measure == "other-times" else plan.measure
    bound = min(plan.found.cost, bounds.get(measure, 0))
    return replace(plan, found=replace(plan.found, bound=bound))


def _too_many(asked: Asked, planned: Sequence[Planned]) -> Iterator[tuple[int, int]]:
    """Of visits that a week has no room for by the clinic's limits, the kind of care and the days until that week's end."""
    if not asked.ground.counts_weeks:
        return
    together = asked.ground.together([place.wanted for place in _visits(asked, planned)])
    for visit, had in zip(planned, together, strict=True):
        if had is None:
            sunday = week_start(asked.days[visit.day].on)
            yield from (
                (visit.care, day) for day in range(visit.day, (sunday - asked.wanted.first_day).days + 7)
            )


def _without(task: Task, left_out: Set[tuple[int, int]]) -> Task:
    """The same task without what is free for some kinds of care, by number, on some days."""

    def left(care: int, days: Days) -> Days:
        return tuple(() if (care, day) in left_out else free for day, free in enumerate(days))

    cares = (
        replace(
            care, free=left(number, care.free), first=None if care.first is None else left(number, care.first)
        )
        for number, care in enumerate(task.cares)
    )
    return replace(task, cares=tuple(cares))


class _Place(NamedTuple):
    """A visit as it is placed, before it is described."""

    visit_type: VisitType
    care: str
    role: Role
    day: int
    choice: Choice
    cell: int

    @property
    def kept(self) -> Kept:
        modality = self.visit_type.modality.slug
        return Kept(self.day, self.choice.starts, self.choice.ends, self.care, modality, self.role)

    @property
    def wanted(self) -> Wanted:
        return Wanted(self.visit_type.slug, self.choice.person, self.cell)


def _visits(asked: Asked, planned: Iterable[Planned]) -> list[_Place]:
    found = []
    for visit in planned:
        start = asked.start(visit)
        role = Role.FIRST if visit.first else Role.DOSE
        care = asked.kinds[visit.care].care.slug
        found.append(_Place(start.visit_type, care, role, visit.day, visit.choice, start.cell))
    return found


def _clashes(
    asked: Asked, task: Task, planned: Sequence[Planned]
) -> Iterator[tuple[int, tuple[Choice | None, ...]]]:
    """Days whose visits can't all be had, as the finder wants to be told."""
    days: dict[int, list[tuple[int, _Place]]] = defaultdict(list)
    for visit, place in zip(planned, _visits(asked, planned), strict=True):
        days[place.day].append((visit.care, place))
    for day, visits in days.items():
        if len(visits) > 1 and None in asked.ground.together([place.wanted for _, place in visits]):
            choices: list[Choice | None] = [None] * len(task.cares)
            for care, place in visits:
                choices[care] = place.choice
            yield day, tuple(choices)


def _proposal(asked: Asked, plan: FoundPlan) -> Proposal:
    places = _visits(asked, plan.found.visits)
    regular = _regular(asked, places)
    whole, complete = _with_reassessments(asked, places)
    bent = dict(_bent(asked, places, regular))
    assigned = asked.ground.together([place.wanted for place in whole])
    rooms = {room.id: room.kind for room in asked.clinic.rooms}
    visits = []
    for place, assignment in sorted(zip(whole, assigned, strict=True), key=lambda pair: pair[0].cell):
        assert assignment is not None  # Whatever clashes was left out before.
        visits.append(
            ProposedVisit(
                visit_type=place.visit_type,
                care=place.care,
                role=place.role,
                practitioner=asked.clinic.practitioner_by_id[place.choice.person],
                cell=place.cell,
                to_cell=assignment.to_cell,
                week=place.day // 7,
                room_kind=rooms.get(assignment.room) if assignment.room else None,
                penciled=False,
                bent=bent.get(place),
            )
        )
    return Proposal(
        plan.measure,
        plan.found.cost,
        plan.found.bound,
        tuple(penciled(asked.clinic, asked.wanted, visits)),
        tuple(regular),
        complete,
        plan.stopped,
    )


def penciled(clinic: Clinic, wanted: PlanWanted, visits: Sequence[ProposedVisit]) -> Iterator[ProposedVisit]:
    """These visits, in order, with those marked that hold their times until a practitioner has decided: what comes after a
    reassessment; and of a plan that a patient begins by themselves, all but the first visit of each kind of care, unless the
    clinic's file says otherwise.
    """
    by_themselves = wanted.audience is BookableBy.PATIENTS and not wanted.prescribed
    confirmed = not by_themselves or clinic.plans_patients_begin == "firm"
    marks = waiting(wanted.course, visits, decided=0, confirmed=confirmed)
    for visit, waits in zip(visits, marks, strict=True):
        yield replace(visit, penciled=waits)


# The regular times, and what isn't at them


def _regular(asked: Asked, places: Iterable[_Place]) -> list[Regular]:
    """The times that recur, the most frequent of each weekday; of plans without any, the first of each."""
    times: dict[tuple[str, int], Counter[tuple[int, int]]] = defaultdict(Counter)
    first = asked.wanted.first_day.weekday()
    for place in places:
        if place.role is Role.DOSE:
            key = (place.care, (first + place.day) % 7)
            times[key][place.choice.starts, place.choice.person] += 1
    found = []
    for (care, weekday), counted in times.items():
        ((minute, person), times_used) = min(counted.items(), key=lambda item: (-item[1], item[0]))
        if times_used * 2 >= counted.total() and times_used > 1:
            found.append(Regular(care, weekday, minute, asked.clinic.practitioner_by_id[person]))
    order = {care: number for number, care in enumerate(asked.wanted.course.kinds)}
    return sorted(found, key=lambda one: (order[one.care], one.weekday, one.minute))


def _bent(
    asked: Asked, places: Sequence[_Place], regular: Sequence[Regular]
) -> Iterator[tuple[_Place, Bent]]:
    """Which visits aren't at a regular time, though one of their week is empty: that of their day, else the nearest."""
    first = asked.wanted.first_day.weekday()
    for care in {one.care for one in regular}:
        slots = [one for one in regular if one.care == care]
        for week in {place.day // 7 for place in places}:
            others = [one for one in places if one.care == care and one.day // 7 == week]
            left = {((one.weekday - first) % 7, one.minute, one.practitioner.id): one for one in slots}
            for place in tuple(others):
                if left.pop((place.day % 7, place.choice.starts, place.choice.person), None):
                    others.remove(place)
            on_their_days = {weekday for weekday, _, _ in left}
            for place in sorted(others, key=lambda one: (one.day % 7 not in on_their_days, one.day)):
                near = min(left, key=lambda at: (abs(at[0] - place.day % 7), at), default=None)
                if near is not None:
                    slot = left.pop(near)
                    yield place, _bent_from(asked, place, week * 7 + near[0], slot)


def _bent_from(asked: Asked, place: _Place, day: int, slot: Regular) -> Bent:
    on = asked.days[day]
    offers = asked.ground.offers(place.visit_type.slug)
    person = offers.situation.by_id.get(slot.practitioner.id)
    cell = next(
        (start for start in range(on.from_cell, on.to_cell) if asked.minute(on, start) == slot.minute),
        None,
    )
    why = None
    if person is not None and cell is not None:
        why = explain(replace(offers.situation, practitioners=(person,)), cell, cell + 1)
    ends = slot.minute + place.visit_type.minutes
    inside = any(opens <= slot.minute and ends <= closes for opens, closes in asked.wanted.presence.on(on.on))
    return Bent(on.on, slot.minute, slot.practitioner, why, cannot_come=not inside)


# When somebody looks again


def _with_reassessments(asked: Asked, places: list[_Place]) -> tuple[list[_Place], bool]:
    """The visits with a reassessment after each stage, and whether each stage has one."""
    course, found, complete = asked.course, list(places), True
    if not course.reassessment:
        return found, True
    for stage in range(course.looks):
        visits = [place.kept for place in found]
        if not is_due(course, stage, visits, asked.weeks):
            continue
        at = _reassessment(asked, found, looked_at(course, stage, visits))
        if at is None:
            complete = False
        else:
            found.append(at)
    return found, complete


def can_be_looked_at(asked: Asked, visits: Iterable[Chosen], week: int) -> bool:
    """Whether there is time to look again after the stage of this week, in a plan with these visits."""
    return look_for(asked, visits, asked.course.stage_of(week)) is not None


def look_for(asked: Asked, visits: Iterable[Chosen], stage: int) -> VisitWish | None:
    """A time to look again after a stage, in a plan with these visits; where the days for it are over, the next there is."""
    places = [
        _Place(
            one.visit_type,
            one.kept.care,
            one.kept.role,
            one.kept.day,
            Choice(one.kept.starts, one.kept.ends, one.practitioner.id),
            one.wanted.cell,
        )
        for one in visits
    ]
    days = looked_at(asked.course, stage, [place.kept for place in places])
    last = _last_dosed(asked.course, stage) * 7
    if last in days:
        # What is missing there is seen as well once it is made up.
        days = range(last, days.stop)
    today = (asked.clinic.times.local_date(asked.ground.now) - asked.wanted.first_day).days
    is_over = days.stop <= today
    place = _reassessment(asked, places, range(today, len(asked.days)) if is_over else days, late=is_over)
    if place is None:
        return None
    person = asked.clinic.practitioner_by_id[place.choice.person]
    return VisitWish(place.visit_type.slug, person.slug, instant_of(place.cell))


def _last_dosed(course: Course, stage: int) -> int:
    """The last week of a stage that has visits."""
    weekly = [course.doses(care) for care in course.kinds]
    weeks = course.stages[stage]
    return max((week for week in weeks if any(doses[week][0] for doses in weekly)), default=weeks.start)


def _reassessment(asked: Asked, places: list[_Place], days: range, *, late: bool = False) -> _Place | None:
    """The best of these days: on the way to another visit if that can be, soon, and with all rules of the plan kept, but that it is
    `late`.
    """
    kept = [place.kept for place in places]
    for on_a_way in (True, False):
        candidates = sorted(_looks(asked, places, kept, days, on_a_way=on_a_way))
        for _, day, choice, name in candidates:
            place = _looked_at(asked, places, kept, day, choice, name, late=late)
            if place is not None:
                return place
    return None


def _looks(
    asked: Asked, places: Sequence[_Place], kept: Sequence[Kept], days: range, *, on_a_way: bool
) -> Iterator[tuple[int, int, Choice, str]]:
    """When somebody could look again on these days: those on which they come anyway, or the others. The best are the least."""
    gap = asked.course.pairing.gap if asked.course.pairing else 15
    for name in asked.course.reassessment:
        visit_type = asked.clinic.visit_type(name)
        modality = visit_type.modality.slug
        for day in days:
            others = [place.choice for place in places if place.day == day]
            if bool(others) is not on_a_way or day >= len(asked.days):
                continue
            if not asked.is_rested(day, modality, kept):
                continue
            for choice in asked.choices(visit_type, day):
                apart = [max(one.starts - choice.ends, choice.starts - one.ends) for one in others]
                if min(apart, default=0) >= 0:
                    yield 0 if min(apart, default=0) <= gap else 1, day, choice, name


def _looked_at(
    asked: Asked,
    places: Sequence[_Place],
    kept: Sequence[Kept],
    day: int,
    choice: Choice,
    name: str,
    *,
    late: bool,
) -> _Place | None:
    """A look at this time, if it keeps the plan's rules, but that it is `late`, and can be had with the visits beside it."""
    visit_type = asked.clinic.visit_type(name)
    place = _Place(visit_type, name, Role.REASSESSMENT, day, choice, asked.cell(visit_type, day, choice))
    broken = newly_broken(asked.course, kept, [*kept, place.kept], range(0))
    if any(not late or one.rule is not Rule.REASSESSMENT_PLACE for one in broken):
        return None
    beside = asked.ground.beside((one.wanted for one in places), place.cell)
    return None if None in asked.ground.together([*beside, place.wanted]) else place
