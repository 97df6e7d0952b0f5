"""Why a plan can't be, and the smallest relaxations with which it could: each one tried, none guessed."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from itertools import pairwise, product
from typing import NamedTuple

from booking.errors import NotOffered
from booking.scheduling.plans.effort import Stopped
from booking.scheduling.plans.finder import find
from booking.scheduling.plans.task import Care, Choice, Days, Task, Weights
from booking.scheduling.plans.windows import TimeWindow
from booking.scheduling.reasons import Reason, explain
from booking.services.clinic import Practitioner, VisitType
from booking.services.plans.wanted import LATEST_START, Asked, Besides, PlanWanted

_NOON = 12 * 60
_HALVES = ((0, _NOON), (_NOON, 24 * 60))
"""Mornings, and afternoons with evenings."""
_EFFORT = 12_000
"""For one relaxation: as much less than for a plan as it was when only weekdays' states were counted."""


class Lack(StrEnum):
    """What a week lacks for one kind of care, when it isn't a reason of the engine's."""

    WINDOWS = "windows"
    REST_DAYS = "rest_days"
    TOGETHER = "together"
    BEYOND_HORIZON = "beyond_horizon"
    STOPPED = "stopped"
    LIMITS = "limits"
    ELSEWHERE = "elsewhere"


class WeekReason(NamedTuple):
    """Why a week has too few visits of one kind of care. `days`: on how many days it has one at all, `needs`: how many it
    needs. `why`: the engine's reason of the others, the most frequent one first, each with whom it is about, or None for
    anyone. `besides`: visits that the patient has outside the plan, without which there would be more.
    """

    care: VisitType
    lack: Lack | None
    days: int
    needs: int
    why: tuple[tuple[Reason, Practitioner | None], ...] = ()
    besides: tuple[Besides, ...] = ()


@dataclass(frozen=True)
class Relaxation:
    """One change with which the plan can be. `kind`: "window", "any_time", "practitioners", "besides", "start" or "fewer".

    Facts: "weekday" (Monday 0), "opens" and "closes" (minutes of the day); "modality"; "on" and "care", of a visit outside the plan
    that is moved, or none for all of them; "day"; "week", "care" and "visits". "any_time": only if the patient leaves the times
    open as well.
    """

    kind: str
    facts: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Impossible:
    """The first week, from 0 on, that fails; why; and what would help."""

    week: int
    reasons: tuple[WeekReason, ...]
    relaxations: tuple[Relaxation, ...]


def why_none(asked: Asked) -> Impossible:
    """What is in the way of a plan that wasn't found."""
    if not asked.weeks:
        care = asked.kinds[0].care
        return Impossible(0, (WeekReason(care, Lack.BEYOND_HORIZON, 0, 1),), ())
    task = asked.task
    short = next(iter(_short(task)), None)
    if short is None:
        # Each kind of care could be by itself.
        week = _first_week_together(task)
        reasons = tuple(
            WeekReason(kind.care, Lack.TOGETHER, 0, care.doses[week][0])
            for kind, care in zip(asked.kinds, task.cares, strict=True)
        )
    else:
        week = short[0]
        reasons = tuple(_reason(asked, task, number, week) for at, number in _short(task) if at == week)
    return Impossible(week, reasons, tuple(_relaxations(asked, week)))


def not_found_in_time(asked: Asked) -> Impossible:
    """What to say where the search was broken off: nothing is known of why."""
    reasons = tuple(WeekReason(kind.care, Lack.STOPPED, 0, 0) for kind in asked.kinds)
    return Impossible(0, reasons, ())


def beyond_limits(asked: Asked) -> Impossible:
    """What to say where none was found that keeps the clinic's limits of visits a week."""
    reasons = tuple(WeekReason(kind.care, Lack.LIMITS, 0, 0) for kind in asked.kinds)
    return Impossible(0, reasons, ())


# Whether a kind of care could be, by itself


def _days(care: Care, first: Days | None = None) -> list[bool]:
    """On which days of the plan a kind of care is free at all."""
    return [bool(day) and not care.is_near(number) for number, day in enumerate(first or care.free)]


def _given(care: Care) -> tuple[list[int], list[tuple[int, bool]]]:
    """How many of the fewest visits each week can have: the earliest days are taken, which leaves the most room for those
    that follow. And on which days.
    """
    free, first = _days(care), _days(care, care.first) if care.first is not None else None
    given, days, last, begun = [], [], -1 - care.rest_days, first is None
    for week, (fewest, _) in enumerate(care.doses):
        count = 0
        for day in range(week * 7, week * 7 + 7):
            if count == fewest or day - last <= care.rest_days:
                continue
            is_free = free[day] if begun else (first or [])[day]
            if is_free:
                days.append((day, not begun))
                count, last, begun = count + 1, day, True
        given.append(count)
    return given, days


def _short(task: Task) -> Iterator[tuple[int, int]]:
    """Weeks that can't have the fewest visits of a kind of care, and its number; by week."""
    found = [
        (week, number)
        for number, care in enumerate(task.cares)
        for week, (count, (fewest, _)) in enumerate(zip(_given(care)[0], care.doses, strict=True))
        if count < fewest
    ]
    yield from sorted(found)


def _is_possible(task: Task) -> bool:
    if any(_short(task)):
        return False
    if _goes_together(task):
        return True
    try:
        return find(task, Weights(), _EFFORT) is not None
    except Stopped:
        return False


def _goes_together(task: Task) -> bool:
    """Whether the earliest days of each kind of care go together: then there is a plan, and nobody needs to look for it."""
    days: dict[int, list[Sequence[Choice]]] = {}
    for care in task.cares:
        for day, begins in _given(care)[1]:
            free = care.first if begins and care.first is not None else care.free
            days.setdefault(day, []).append(free[day])
    weekly = Counter(day // 7 for day, visits in days.items() for _ in visits)
    if task.clashes or (task.most_trips is not None and max(weekly.values(), default=0) > task.most_trips):
        return False
    return all(_apart(visits) for visits in days.values())


def _apart(visits: Sequence[Sequence[Choice]]) -> bool:
    """Whether somebody can have one of each on a day, one after the other."""
    return any(
        all(first.ends <= second.starts for first, second in pairwise(sorted(some)))
        for some in product(*visits)
    )


def _first_week_together(task: Task) -> int:
    """The first week until which the kinds of care can't be had together."""
    for week in range(task.weeks):
        cares = tuple(
            replace(care, doses=care.doses[: week + 1] + ((0, 0),) * (task.weeks - week - 1))
            for care in task.cares
        )
        if not _is_possible(replace(task, cares=cares)):
            return week
    return task.weeks - 1


# Reasons


def _reason(asked: Asked, task: Task, number: int, week: int) -> WeekReason:
    care, kind = task.cares[number], asked.kinds[number]
    begins = care.first is not None and week == care.begins
    visit_type = kind.first if begins and kind.first else kind.care
    free = _days(care, care.first) if begins and care.first is not None else _days(care)
    days = range(week * 7, week * 7 + 7)
    count, needs = sum(free[day] for day in days), care.doses[week][0]
    given, besides = _given(replace(care, elsewhere=()))[0][week], tuple(_besides(asked, number, week))
    lack: Lack | None = None
    if given >= needs and besides:
        lack = Lack.ELSEWHERE
    elif sum(bool(asked.choices(visit_type, day)) for day in days) >= needs:
        lack = Lack.REST_DAYS
    elif sum(bool(asked.choices(visit_type, day, always=True)) for day in days) >= needs:
        lack = Lack.WINDOWS
    matters = given > _given(care)[0][week]
    why = _engine_reasons(asked, visit_type, days)
    return WeekReason(kind.care, lack, count, needs, why, besides if matters else ())


def _besides(asked: Asked, number: int, week: int) -> Iterator[Besides]:
    """The visits outside the plan that are too near to days of this week for one kind of care."""
    rest_days, care = asked.task.cares[number].rest_days, asked.kinds[number].care
    first = asked.wanted.first_day + timedelta(days=week * 7)
    for on, visit_type in sorted(
        asked.wanted.elsewhere.get(care.modality.slug, {}).items(), key=lambda one: one[0]
    ):
        if -rest_days <= (on - first).days < 7 + rest_days:
            yield Besides(on, visit_type)


def _engine_reasons(
    asked: Asked, visit_type: VisitType, days: range
) -> tuple[tuple[Reason, Practitioner | None], ...]:
    """Why the days without any time have none: of each person where somebody is away, else of all together."""
    offers = asked.ground.offers(visit_type.slug)
    found: Counter[tuple[Reason, int | None]] = Counter()
    for number in days:
        day = asked.days[number]
        for person in offers.situation.practitioners:
            alone = replace(offers.situation, practitioners=(person,))
            reason = explain(alone, day.from_cell, day.to_cell)
            if reason is not None and reason.until is not None:
                found[reason, person.id] += 1
        reason = explain(offers.situation, day.from_cell, day.to_cell)
        if reason is not None:
            found[reason, None] += 1
    people = asked.clinic.practitioner_by_id
    return tuple(
        (reason, None if person is None else people[person]) for (reason, person), _ in found.most_common(4)
    )


# What would help


def _relaxations(asked: Asked, week: int) -> Iterator[Relaxation]:
    """At most one of each kind, those that ask the least of the patient first."""
    if found := [*_one_more_window(asked), *_others(asked, week)]:
        yield from found
    elif asked.wanted.presence.windows:
        # Two changes, where none by itself is enough.
        for one in _others(_at_any_time(asked), week):
            yield Relaxation(one.kind, {**one.facts, "any_time": True})


def _others(asked: Asked, week: int) -> Iterator[Relaxation]:
    yield from _other_practitioners(asked)
    yield from _without_besides(asked, week)
    yield from _later_start(asked)
    yield from _fewer(asked, week)


def _at_any_time(asked: Asked) -> Asked:
    return asked.with_presence(replace(asked.wanted.presence, windows=()))


def _one_more_window(asked: Asked) -> Iterator[Relaxation]:
    presence = asked.wanted.presence
    if not presence.windows:
        return
    candidates = []
    for weekday, (opens, closes) in product(range(7), _HALVES):
        more = TimeWindow(frozenset({weekday}), opens, closes)
        wider = asked.with_presence(replace(presence, windows=(*presence.windows, more)))
        # On a day on which they come anyway, that asks less.
        comes = any(weekday in one.weekdays for one in presence.windows)
        candidates.append((not comes, weekday, opens, more, wider))
    for _, weekday, _, more, wider in sorted(candidates, key=lambda one: one[:3]):
        if _is_possible(wider.task):
            yield Relaxation("window", {"weekday": weekday, "opens": more.opens, "closes": more.closes})
            return
    if _is_possible(_at_any_time(asked).task):
        yield Relaxation("any_time")


def _other_practitioners(asked: Asked) -> Iterator[Relaxation]:
    for modality in asked.wanted.only:
        only = {name: people for name, people in asked.wanted.only.items() if name != modality}
        wider = _again(asked, replace(asked.wanted, only=only))
        if wider is not None and _is_possible(wider.task):
            yield Relaxation("practitioners", {"modality": modality})
            return


def _without_besides(asked: Asked, week: int) -> Iterator[Relaxation]:
    """A visit outside the plan that is moved to a day on which it isn't in the way; all of them, if one isn't enough. Those that
    took place stay.
    """
    today = asked.clinic.times.local_date(asked.ground.now)
    for number, kind in enumerate(asked.kinds):
        modality = kind.care.modality.slug
        for on, visit_type in _besides(asked, number, week):
            if on <= today:
                continue
            left = {day: one for day, one in asked.wanted.elsewhere[modality].items() if day != on}
            elsewhere = {**asked.wanted.elsewhere, modality: left}
            if _is_possible(replace(asked, wanted=replace(asked.wanted, elsewhere=elsewhere)).task):
                yield Relaxation("besides", {"on": on, "care": visit_type})
                return
    there = asked.wanted.elsewhere
    past = {name: {on: one for on, one in days.items() if on <= today} for name, days in there.items()}
    if past != there and _is_possible(replace(asked, wanted=replace(asked.wanted, elsewhere=past)).task):
        yield Relaxation("besides")


def _later_start(asked: Asked) -> Iterator[Relaxation]:
    """The first day on which it can begin; rather one on which they come."""
    starts = [(days, asked.wanted.first_day + timedelta(days=days)) for days in range(1, LATEST_START + 1)]
    for days, first_day in sorted(starts, key=lambda one: not asked.wanted.presence.on(one[1])):
        if asked.weeks_from(first_day) == asked.weeks and _is_possible(asked.task_from(days)):
            yield Relaxation("start", {"day": first_day})
            return


def _fewer(asked: Asked, week: int) -> Iterator[Relaxation]:
    """One kind of care with fewer visits in the week that fails."""
    task = asked.task
    for number, kind in enumerate(asked.kinds):
        care = task.cares[number]
        fewest, most = care.doses[week]
        for visits in range(fewest - 1, -1, -1):
            doses = (*care.doses[:week], (visits, most), *care.doses[week + 1 :])
            cares = tuple(
                replace(one, doses=doses) if n == number else one for n, one in enumerate(task.cares)
            )
            if _is_possible(replace(task, cares=cares)):
                yield Relaxation("fewer", {"week": week, "care": kind.care, "visits": visits})
                return


def _again(asked: Asked, wanted: PlanWanted) -> Asked | None:
    try:
        return asked.anew(wanted)
    except NotOffered:
        return None
