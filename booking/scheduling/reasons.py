"""Why nothing is offered: the constraints put back one by one, until the last start is gone.

The constraint that takes the last one is the reason. So every empty answer has exactly one, and it is true: with that
constraint lifted, and those that come after it, there would be a time.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from booking.scheduling import offers
from booking.scheduling.hours import day_of
from booking.scheduling.rules import GRID, HORIZON, NOTICE, PATIENT_LIMITS, PRACTITIONER_LIMITS
from booking.scheduling.situation import Practitioner, Situation
from booking.scheduling.timeline import cell_from, first_place


class Why(StrEnum):
    NOT_OFFERED = "not_offered"
    CLOSED = "closed"
    TOO_SHORT = "too_short"
    BEYOND_HORIZON = "beyond_horizon"
    TOO_SOON = "too_soon"
    AWAY = "away"
    FULLY_BOOKED = "fully_booked"
    LIMIT_REACHED = "limit_reached"
    NO_ROOM = "no_room"
    NO_DEVICE = "no_device"
    PATIENT_BUSY = "patient_busy"


@dataclass(frozen=True)
class Reason:
    """Why a stretch of time has no offer. `until`: the day on which the practitioner is back, the last day that may
    be booked, or None. `not_before`: for TOO_SOON, the first cell that isn't.
    """

    why: Why
    until: date | None = None
    not_before: int | None = None


def explain(situation: Situation, from_cell: int, to_cell: int) -> Reason | None:
    """Why no visit can begin in [from_cell, to_cell); None if one can."""
    if not situation.practitioners:
        return Reason(Why.NOT_OFFERED)
    wanted = situation.window.stretch(from_cell, to_cell)
    starts = {person.id: wanted for person in situation.practitioners}
    for why, constraint in _constraints(situation):
        starts = {person.id: starts[person.id] & constraint(person) for person in situation.practitioners}
        if not any(starts.values()):
            return _with_facts(why, situation, from_cell)
    return None


def _constraints(situation: Situation) -> Iterator[tuple[Why, Callable[[Practitioner], int]]]:
    rules = {rule.code: rule for rule in situation.rules}
    yield Why.CLOSED, lambda person: person.open & ~situation.closed
    yield Why.TOO_SHORT, lambda person: offers.in_hours(situation, person)
    if GRID.code in rules:
        yield Why.TOO_SHORT, lambda person: GRID.permitted(situation, person)
    for why, rule in ((Why.BEYOND_HORIZON, HORIZON), (Why.TOO_SOON, NOTICE)):
        if rule.code in rules:
            yield why, lambda person, rule=rule: rule.permitted(situation, person)  # type: ignore[misc]
    yield Why.AWAY, lambda person: situation.window.full & ~person.occupancy.absent
    yield Why.FULLY_BOOKED, lambda person: offers.on_site(situation, person) & offers.hands_free(person)
    for rule in (PRACTITIONER_LIMITS, PATIENT_LIMITS):
        if rule.code in rules:
            yield Why.LIMIT_REACHED, lambda person, rule=rule: rule.permitted(situation, person)  # type: ignore[misc]
    yield Why.NO_ROOM, lambda person: offers.with_room(situation, person.shape)
    yield Why.NO_DEVICE, lambda person: offers.with_devices(situation, person.shape)
    yield Why.PATIENT_BUSY, lambda person: offers.patient_free(situation, person.shape)


def _with_facts(why: Why, situation: Situation, from_cell: int) -> Reason:
    facts = situation.circumstances
    if why is Why.BEYOND_HORIZON:
        return Reason(why, until=facts.last_day)
    if why is Why.TOO_SOON:
        return Reason(why, not_before=cell_from(facts.not_before))
    if why is Why.AWAY:
        back = [_back(situation, person, from_cell) for person in situation.practitioners]
        return Reason(why, until=min((day for day in back if day), default=None))
    return Reason(why)


def _back(situation: Situation, person: Practitioner, from_cell: int) -> date | None:
    """The first day from `from_cell` on that this person works and isn't away."""
    there = person.open & ~person.occupancy.absent & ~situation.closed
    first = first_place(there & situation.window.stretch(from_cell, situation.window.end))
    return None if first is None else day_of(situation.window.start + first, situation.circumstances.zone)
