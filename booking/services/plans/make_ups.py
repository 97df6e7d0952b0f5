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
from booking.services.plans.reading import PlanView, PlanVisit, kept_at
from booking.services.plans.replacing import OFFERED, Instead, breaks, instead_of
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
    now = asked.ground.now
    others = [chosen_of(plan, one) for one in plan.standing]
    offered = [[one] if one else [] for one in _one_each(asked, plan, lacks, others)]
    for number in range(len(lacks)):
        _offer_more(asked, plan, lacks, number, offered, others)
    found = [MakeUp(missed, tuple(times)) for missed, times in zip(lacks, offered, strict=True)]
    found = [
        _in_place(asked, plan, one, found, replaced)
        if not one.times and (replaced := in_whose_place(plan, one.missed, audience, now))
        else one
        for one in found
    ]
    return found if all(one.times for one in found) else _outside(asked, plan, found, others)


def _outside(asked: Asked, plan: PlanView, found: Sequence[MakeUp], others: Sequence[Chosen]) -> list[MakeUp]:
    """The same, with times outside the patient's windows for what has none inside, or why there are none either. On days on
    which they are away there are none.
    """
    at_any_time = asked.with_presence(Presence(away=asked.wanted.presence.away))
    lacks, offered = [one.missed for one in found], [list(one.times) for one in found]
    none = [number for number, times in enumerate(offered) if not times]
    # One for each before a second one for any.
    for most in (1, OFFERED):
        for number in none:
            _offer_more(at_any_time, plan, lacks, number, offered, others, most)
    widened = list(found)
    for number in none:
        one, times = found[number], tuple(offered[number])
        if times:
            widened[number] = replace(one, times=times, replaces=None, outside=True)
        elif one.replaces and (there := _in_place(at_any_time, plan, one, widened, one.replaces)).times:
            widened[number] = replace(there, outside=True)
        else:
            firsts = (as_chosen(plan, there.missed, there.times[0]) for there in widened if there.times)
            widened[number] = replace(
                one, why_none=_why_none(at_any_time, plan, one.missed, [*others, *firsts])
            )
    return widened


def _why_none(asked: Asked, plan: PlanView, missed: Missed, others: Iterable[Chosen]) -> WhyNone:
    if not missed.in_place and not is_open(plan, missed, asked.ground.now):
        return WhyNone.OVER
    days = range(missed.week * 7, min(missed.week + 2, asked.weeks) * 7)
    free = [day for day in days if asked.choices(missed.visit_type, day)]
    if not free:
        ever = any(asked.choices(missed.visit_type, day, always=True) for day in days)
        return WhyNone.AWAY if ever else WhyNone.FULL
    modality, kept = missed.care.modality.slug, [one.kept for one in others]
    rested = any(asked.is_rested(day, modality, kept) for day in free)
    return WhyNone.OTHERS if rested else WhyNone.REST


def _offer_more(
    asked: Asked,
    plan: PlanView,
    lacks: Sequence[Missed],
    number: int,
    offered: Sequence[list[Instead]],
    others: Sequence[Chosen],
    most: int = OFFERED,
) -> None:
    """Offers for what is missing under this number up to so many times, which go with all that is offered for the others."""
    besides = [
        [as_chosen(plan, lacks[n], one) for one in times]
        for n, times in enumerate(offered)
        if times and n != number
    ]
    firsts = [*others, *(times[0] for times in besides)]
    for time in _times(asked, plan, lacks[number], firsts, most=7):
        one = as_chosen(plan, lacks[number], time)
        if (
            len(offered[number]) < most
            and all(time.day != there.day for there in offered[number])
            and all(
                _go_together(asked, one, other, [there for there in firsts if there is not times[0]])
                for times in besides
                for other in times
            )
            and _keeps_trips(asked, one, others, besides)
        ):
            offered[number].append(time)


def as_missed(asked: Asked, plan: PlanView, missed: Missed, others: Sequence[Chosen]) -> Chosen | None:
    """What is missed, as something that is to be replaced: what was booked once, else like another of its kind, that stands or
    stood once; or where none ever did, like the first that can be had.
    """
    if missed.visit is not None:
        like: Chosen | None = chosen_of(plan, missed.visit)
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


def _in_place(
    asked: Asked, plan: PlanView, missing: MakeUp, offered: Iterable[MakeUp], replaced: PlanVisit
) -> MakeUp:
    """Times at which a first visit takes another one's place, at its own time if that can be, and that go with all others."""
    missed, was = missing.missed, chosen_of(plan, replaced)
    others = [chosen_of(plan, one) for one in plan.standing if one.reference != replaced.reference]
    without = asked.without(replaced.id)
    lost = was._replace(visit_type=missed.visit_type, kept=was.kept._replace(role=missed.role))
    besides = [[as_chosen(plan, one.missed, time) for time in one.times] for one in offered if one.times]
    times = [
        time
        for time in instead_of(without, lost, others, most=7)
        if all(
            _go_together(without, as_chosen(plan, missed, time), other, others)
            for times in besides
            for other in times
        )
        and _keeps_trips(without, as_chosen(plan, missed, time), others, besides)
    ]
    return MakeUp(missed, tuple(times[:OFFERED]), replaced)


def _one_each(
    asked: Asked, plan: PlanView, lacks: Sequence[Missed], others: Sequence[Chosen]
) -> list[Instead | None]:
    """A time for each visit that is lacking, so that all can be had together: the best ones, or the earliest of each week
    where more of them fit in by that.
    """

    def fitted(best: Callable[[list[Instead]], Instead], most: int) -> list[Instead | None]:
        there, found = list(others), list[Instead | None]()
        for missed in lacks:
            times = _times(asked, plan, missed, there, most)
            found.append(best(times) if times else None)
            there += [as_chosen(plan, missed, best(times))] if times else []
        return found

    def whole(found: list[Instead | None]) -> tuple[int, int]:
        had = [(one, missed.week) for one, missed in zip(found, lacks, strict=True) if one]
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


def _times(
    asked: Asked, plan: PlanView, missed: Missed, others: Sequence[Chosen], most: int = OFFERED
) -> list[Instead]:
    lost = None if missed.in_place else as_missed(asked, plan, missed, others)
    if lost is None:
        return []
    found = instead_of(asked, lost, others, most)
    if found or missed.week + 1 >= asked.weeks:
        return found
    next_week = lost._replace(kept=lost.kept._replace(day=lost.kept.day + 7))
    return instead_of(asked, next_week, others, most)
