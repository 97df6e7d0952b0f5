"""Times that make up for what a plan lacks. Nothing is held until it is chosen."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import product
from math import prod

from booking import clock
from booking.errors import NotOffered
from booking.models import BookableBy, PlanStatus
from booking.scheduling.plans.keeping import Kept
from booking.scheduling.plans.windows import Presence
from booking.scheduling.timeline import cell_at
from booking.services.plans.asking_again import asked_for, chosen_of
from booking.services.plans.choosing import Chosen
from booking.services.plans.ground import Wanted
from booking.services.plans.lacking import Missed, in_whose_place, is_open, missing
from booking.services.plans.reading import PlanView
from booking.services.plans.replacing import OFFERED, Instead, breaks, instead_of
from booking.services.plans.said import pause_on
from booking.services.plans.visits import PlanVisit, kept_at
from booking.services.plans.wanted import Asked

_LOOKED_AT = 1000
"""So many ways to choose among what is offered of a week are looked at, and then no further times are offered."""


class WhyNone(StrEnum):
    """Why there is no time in the week of what is missing, nor in the next one: the first of these that is so."""

    GONE = "gone"
    OVER = "over"
    FULL = "full"
    AWAY = "away"
    REST = "rest"
    OTHERS = "others"


@dataclass(frozen=True)
class MakeUp:
    """What a plan lacks, and times that would take its place. `replaces`: the visit that a first one at these times replaces,
    because it would come before it or too near. `outside`: whether the times lie outside the patient's windows, inside which
    there are none. `why_none`: where there are none outside either.
    """

    missed: Missed
    times: tuple[Instead, ...]
    replaces: PlanVisit | None = None
    outside: bool = False
    why_none: WhyNone | None = None


def make_up_times(plan: PlanView, audience: BookableBy) -> list[MakeUp]:
    """For each visit that a plan lacks up to three times that keep days of rest and windows: in its own week, or, where that
    has none, in the next one; where there are none, outside the windows. Whichever is taken for one of them, all that are offered
    for the others can still be. Of a kind of care that hasn't begun there are times for its first visit only: before the next
    one, else in its place.
    """
    if plan.status is not PlanStatus.RUNNING:
        return []
    lacks = [one for one in missing(plan, clock.now()) if not one.waits]
    try:
        asked = asked_for(plan, audience)
    except NotOffered:
        return [MakeUp(one, (), why_none=WhyNone.GONE) for one in lacks]
    # On days on which they are away there are none outside their windows either.
    outside = asked.with_presence(Presence(away=asked.wanted.presence.away))
    found = [MakeUp(one, (time,) if time else ()) for one, time in _one_each(asked.on_grid, plan, lacks)]
    none: Sequence[int] = range(len(found))
    # Staff may book any minute, and read one that patients don't choose only where there is no other.
    tries = ((asked.on_grid, False), (asked, False), (outside.on_grid, True), (outside, True))
    for there, is_outside in tries:
        _offer(there, plan, found, none, audience)
        for number in none:
            found[number] = replace(found[number], outside=is_outside)
        none = [number for number in none if not found[number].times]
    for number in none:
        found[number] = replace(
            found[number], outside=False, why_none=_why_none(outside, plan, found, number)
        )
    return found


def _offer(
    asked: Asked, plan: PlanView, found: list[MakeUp], numbers: Sequence[int], audience: BookableBy
) -> None:
    """Offers times for what is missing under these numbers; for a first visit that can't come before the next one, in that one's
    place. One for each before a second one for any.
    """
    for number in numbers:
        found[number] = _with_more(asked, plan, found, number, 1)
    for number in numbers:
        if not found[number].times and (
            replaced := in_whose_place(plan, found[number].missed, audience, asked.ground.now)
        ):
            found[number] = _with_more(asked, plan, found, number, 1, replaced)
    for number in numbers:
        if found[number].times:
            found[number] = _with_more(asked, plan, found, number, OFFERED, found[number].replaces)


def _with_more(
    asked: Asked,
    plan: PlanView,
    found: Sequence[MakeUp],
    number: int,
    most: int,
    replaces: PlanVisit | None = None,
) -> MakeUp:
    """What is missing under this number with up to so many times that go with all that is offered for the others, whichever is
    taken of that. `replaces`: in whose place it comes.
    """
    one = found[number]
    if len(one.times) >= most:
        return one
    besides = [there for there in found if there.times and there is not one]
    gone = [visit for visit in (replaces, *(there.replaces for there in besides)) if visit]
    for visit in gone:
        asked = asked.without(visit.id)
    standing = [chosen_of(plan, visit) for visit in plan.standing if visit not in gone]
    ways = [_ways_of(plan, there) for there in besides]
    others = [*standing, *(first for first, *_ in ways)]
    near = [way.kept for of_one in ways for way in of_one]

    def goes(time: Chosen) -> bool:
        return (
            asked.is_rested(time.kept.day, time.kept.modality, near)
            and all(
                _go_together(asked, time, way, [there for there in others if there is not of_one[0]])
                for of_one in ways
                for way in of_one
            )
            and _keeps_trips(asked, time, standing, ways)
        )

    times = list(one.times)
    for lost in _like(asked, plan, one.missed, others, replaces):
        times += instead_of(asked, lost, others, most, fits=goes, besides=times, same_day=True)
        if any(time.day // 7 == lost.kept.week for time in times):
            break
    return replace(one, times=tuple(times), replaces=replaces if times else None)


def _ways_of(plan: PlanView, one: MakeUp) -> list[Chosen]:
    """What may become of it: any of its times is taken, or what it would replace stays."""
    times = [as_chosen(plan, one.missed, time) for time in one.times]
    return [*times, chosen_of(plan, one.replaces)] if one.replaces else times


def _why_none(asked: Asked, plan: PlanView, found: Sequence[MakeUp], number: int) -> WhyNone:
    missed = found[number].missed
    if not missed.in_place and not is_open(plan, missed, asked.ground.now):
        return WhyNone.OVER
    days = range(missed.week * 7, min(missed.week + 2, asked.weeks) * 7)
    free = [day for day in days if asked.choices(missed.visit_type, day)]
    if not free:
        ever = any(asked.choices(missed.visit_type, day, always=True) for day in days)
        return WhyNone.AWAY if ever else WhyNone.FULL
    firsts = (as_chosen(plan, one.missed, one.times[0]) for one in found if one.times)
    others = [one.kept for one in (*(chosen_of(plan, one) for one in plan.standing), *firsts)]
    rested = any(asked.is_rested(day, missed.care.modality.slug, others) for day in free)
    return WhyNone.OTHERS if rested else WhyNone.REST


def as_missed(asked: Asked, plan: PlanView, missed: Missed, others: Sequence[Chosen]) -> Chosen | None:
    """What is missed, as something that is to be replaced: what was booked once, else like another of its kind, that stands or
    stood once; or where none ever did, like the first that can be had.
    """
    if missed.visit is not None:
        was = chosen_of(plan, missed.visit)
        # Where the pause that took it is over sooner, its own time is offered as well.
        is_freed = pause_on(plan.clinic.times.local_date(missed.visit.starts_at), plan.freed)
        like: Chosen | None = was._replace(wanted=was.wanted._replace(cell=0)) if is_freed else was
    else:
        stood = (chosen_of(plan, one) for one in plan.visits if one.role is not None)
        alike = (one for one in (*others, *stood) if one.kept.care == missed.care.slug)
        like = next(alike, None) or _first_choice(asked, plan, missed)
    if like is None:
        return None
    kept = like.kept._replace(day=missed.week * 7 + like.kept.day % 7, role=missed.role)
    return like._replace(visit_type=missed.visit_type, kept=kept)


def _first_choice(asked: Asked, plan: PlanView, missed: Missed) -> Chosen | None:
    """What is missed, at the first time that can be had from its week on."""
    for day in range(missed.week * 7, len(asked.days)):
        for choice in asked.choices(missed.visit_type, day):
            person = plan.clinic.practitioner_by_id[choice.person]
            kept = Kept(
                day, choice.starts, choice.ends, missed.care.slug, missed.care.modality.slug, missed.role
            )
            # At no time yet: what it is like is offered as well.
            wanted = Wanted(missed.visit_type.slug, person.id, asked.days[day].from_cell)
            return Chosen(missed.visit_type, person, kept, wanted)
    return None


def as_chosen(plan: PlanView, missed: Missed, time: Instead) -> Chosen:
    """What is missed, at a time that would take its place."""
    kept = kept_at(plan.clinic, plan.first_day, time.starts_at, time.ends_at, missed.care, missed.role)
    wanted = Wanted(missed.visit_type.slug, time.practitioner.id, cell_at(time.starts_at))
    return Chosen(missed.visit_type, time.practitioner, kept, wanted)


def _one_each(asked: Asked, plan: PlanView, lacks: Sequence[Missed]) -> list[tuple[Missed, Instead | None]]:
    """A time for each visit that is lacking, so that all can be had together: the best ones, or the earliest of each week
    where more of them fit in by that.
    """

    def fitted(best: Callable[[list[Instead]], Instead], most: int) -> list[tuple[Missed, Instead | None]]:
        there = [chosen_of(plan, one) for one in plan.standing]
        found = list[tuple[Missed, Instead | None]]()
        for missed in lacks:
            alike = _like(asked, plan, missed, there)
            times = next(filter(None, (instead_of(asked, lost, there, most) for lost in alike)), None)
            found.append((missed, best(times) if times else None))
            there += [as_chosen(plan, missed, best(times))] if times else []
        return found

    def whole(found: list[tuple[Missed, Instead | None]]) -> tuple[int, int]:
        had = [(one, missed.week) for missed, one in found if one]
        return len(had), sum(one.day // 7 == week for one, week in had)

    found = fitted(lambda times: times[0], 1)
    if len(lacks) == 1 or whole(found) == (len(lacks), len(lacks)):
        return found
    return max(found, fitted(lambda times: min(times, key=lambda one: one.starts_at), 7), key=whole)


def _go_together(asked: Asked, one: Chosen, other: Chosen, others: Iterable[Chosen]) -> bool:
    """Whether both can be had, besides others."""
    if breaks(asked.course, [*(there.kept for there in others), other.kept], one.kept):
        return False
    if one.kept.day != other.kept.day:
        return True
    apart = one.kept.ends <= other.kept.starts or other.kept.ends <= one.kept.starts
    return apart and None not in asked.ground.together([other.wanted, one.wanted])


def _keeps_trips(
    asked: Asked, one: Chosen, others: Iterable[Chosen], besides: Iterable[Sequence[Chosen]]
) -> bool:
    """Whether a time keeps the ways a week of the plan whichever is taken of all others: that isn't said by pairs. Where there are
    too many to be looked at, no.
    """
    if asked.course.most_trips is None:
        return True
    week = one.kept.week
    of_week = [{time.kept if time.kept.week == week else None for time in times} for times in besides]
    if prod(len(times) for times in of_week) > _LOOKED_AT:
        return False
    standing = [there.kept for there in others if there.kept.week == week]
    return not any(
        breaks(asked.course, [*standing, *filter(None, taken)], one.kept) for taken in product(*of_week)
    )


def _like(
    asked: Asked, plan: PlanView, missed: Missed, others: Sequence[Chosen], replaces: PlanVisit | None = None
) -> list[Chosen]:
    """What is missed, as something that is to be replaced: where the visit stands in whose place it comes, else in its own week,
    and then in the next one.
    """
    if replaces is not None:
        was = chosen_of(plan, replaces)
        return [was._replace(visit_type=missed.visit_type, kept=was.kept._replace(role=missed.role))]
    lost = None if missed.in_place else as_missed(asked, plan, missed, others)
    if lost is None:
        return []
    next_week = lost._replace(kept=lost.kept._replace(day=lost.kept.day + 7))
    return [lost, next_week] if missed.week + 1 < asked.weeks else [lost]
