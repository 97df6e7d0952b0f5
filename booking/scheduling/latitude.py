"""What staff may do with a place: where all rules are kept, where a reason is needed, and where nobody may.

The same question as `offers`, for those who may pass the rules. Nobody passes a clash: cells that a visit, a hold or an
absence has claimed. A visit that stands keeps its own cells, also where an absence was entered over them later.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property, lru_cache, reduce
from itertools import pairwise
from operator import and_, or_
from typing import NamedTuple

from booking.scheduling.hours import Day
from booking.scheduling.offers import Assignment, Use, hands_free, inside, patient_free
from booking.scheduling.rules import HORIZON, NOTICE, PATIENT_LIMITS, PRACTITIONER_LIMITS
from booking.scheduling.situation import Practitioner, Situation, Thing
from booking.scheduling.timeline import Window, cell_in, fits
from booking.scheduling.visit import Pad, Part, Phase, Shape


class Breach(StrEnum):
    """A rule that staff may pass with a reason."""

    IN_THE_PAST = "in_the_past"
    TOO_SOON = "too_soon"
    BEYOND_HORIZON = "beyond_horizon"
    OUTSIDE_HOURS = "outside_hours"
    IN_A_BREAK = "in_a_break"
    PRACTITIONER_LIMIT = "practitioner_limit"
    PATIENT_LIMIT = "patient_limit"
    PAUSE = "pause"
    TURNOVER = "turnover"
    TOO_MANY_AT_ONCE = "too_many_at_once"
    SHORTENED = "shortened"
    OTHER_ROOM_KIND = "other_room_kind"
    # Something is penciled in there that gives way.
    PENCILED = "penciled"
    # The payer is to be asked first.
    BEYOND_COVERAGE = "beyond_coverage"
    # A plan's days of rest from it aren't kept.
    NEAR_PLAN = "near_plan"


class Taken(StrEnum):
    """Something that nobody can pass."""

    NOT_OFFERED = "not_offered"
    AWAY = "away"
    PRACTITIONER_TAKEN = "practitioner_taken"
    ROOM_TAKEN = "room_taken"
    DEVICE_TAKEN = "device_taken"
    PATIENT_ELSEWHERE = "patient_elsewhere"
    # Who lies in the room has begun when they began.
    UNDER_WAY = "under_way"


# What a wish breaks wherever it goes, or nowhere.
OF_THE_WISH = (Breach.SHORTENED, Breach.OTHER_ROOM_KIND)
# What depends on the start alone: a visit that keeps its start keeps these.
OF_THE_START = frozenset({Breach.IN_THE_PAST, Breach.TOO_SOON, Breach.BEYOND_HORIZON})


@dataclass(frozen=True)
class Own:
    """What the visit has already. `of` tells whose cells they are."""

    uses: tuple[Use, ...] = ()

    def of(self, resource_id: int, window: Window) -> int:
        cells = (
            window.stretch(use.from_cell, use.to_cell) for use in self.uses if use.resource_id == resource_id
        )
        return reduce(or_, cells, 0)


NOTHING = Own()


@dataclass(frozen=True)
class Latitude:
    """One practitioner's starts: what each clash and each rule permits, as timelines."""

    person: Practitioner
    window: Window
    hard: Mapping[Taken, int] = field(repr=False)
    soft: Mapping[Breach, int] = field(repr=False)

    @cached_property
    def possible(self) -> int:
        """Where nothing is in the way."""
        return reduce(and_, self.hard.values(), self.window.full)

    @cached_property
    def free(self) -> int:
        """Where all rules are kept as well."""
        return reduce(and_, self.soft.values(), self.possible)

    @property
    def with_reason(self) -> int:
        return self.possible & ~self.free

    def but_for(self, *rules: Breach) -> int:
        """Where all other rules are kept, whatever becomes of these."""
        others = (permitted for code, permitted in self.soft.items() if code not in rules)
        return reduce(and_, others, self.possible)

    def taken_at(self, cell: int) -> tuple[Taken, ...]:
        """What is in the way of this start."""
        bit = self.window.bit(cell)
        return tuple(code for code, permitted in self.hard.items() if not permitted & bit)

    def breaches_at(self, cell: int) -> tuple[Breach, ...]:
        """Which rules this start breaks."""
        bit = self.window.bit(cell)
        return tuple(code for code in Breach if not self.soft[code] & bit)

    def at_work(self, day: Day) -> range:
        """From the first to the last cell of their working hours of a day, breaks included; none where they aren't in."""
        hours = self.person.open & self.window.stretch(day.from_cell, day.to_cell)
        first = self.window.start + (hours & -hours).bit_length() - 1
        return range(first, self.window.start + hours.bit_length()) if hours else range(0)

    def over(self, penciled: "Latitude") -> "Latitude":
        """The same, where what is penciled in gives way to it: `penciled` is how it would be without all of that. What is
        free as it is keeps the rules as they are.
        """
        as_it_is, instead = self.possible, self.window.full & ~self.possible
        soft = {code: self.soft[code] & as_it_is | penciled.soft[code] & instead for code in self.soft}
        soft[Breach.PENCILED] = as_it_is | self.window.full & ~penciled.possible
        return replace(self, hard=penciled.hard, soft=soft)


def latitudes(situation: Situation, own: Own = NOTHING, *, shortened: bool = False) -> dict[int, Latitude]:
    """For each practitioner, what staff may do. `shortened`: the visit is to be shorter than it should.

    The situation's rooms and devices are those that may be taken; where one is wished for, it alone.
    """
    # Of rooms, devices and the patient it is the same for all who take the same.
    shared = {
        shape: _shared(situation, shape, own) for shape in {one.shape for one in situation.practitioners}
    }
    return {
        person.id: Latitude(
            person,
            situation.window,
            hard=_clashes(situation, person, own) | shared[person.shape].hard,
            soft=_rules(situation, person, own, shortened) | shared[person.shape].soft,
        )
        for person in situation.practitioners
    }


def assign(
    situation: Situation,
    practitioner_id: int,
    cell: int,
    own: Own = NOTHING,
    preferred: tuple[int, ...] = (),
) -> Assignment:
    """A concrete room and concrete devices for a possible start.

    `preferred` come first, then the practitioner's rooms, then kinds, then names; and before all that, what keeps the
    turnover. Raises ValueError where nothing is free.
    """
    person = situation.by_id[practitioner_id]
    shape, window = person.shape, situation.window
    uses = [Use.of(person.id, cell, part) for part in shape.practitioner]
    order = [*preferred, *person.room_order]

    def place(thing: Thing) -> tuple[int, int, str, int]:
        kind = shape.room_kinds.index(thing.kind) if thing.kind in shape.room_kinds else len(shape.room_kinds)
        return order.index(thing.id) if thing.id in order else len(order), kind, thing.name, thing.id

    room = None
    if shape.room:
        room = _first(sorted(_rooms(situation, shape), key=place), shape.room, cell, own, window)
        uses.append(Use.of(room, cell, shape.room))
    devices = []
    for kind, part in shape.devices.items():
        fitting = sorted((one for one in situation.devices if one.kind == kind), key=place)
        devices.append(_first(fitting, part, cell, own, window))
        uses.append(Use.of(devices[-1], cell, part))
    return Assignment(person.id, room, tuple(devices), cell, cell + shape.length, tuple(uses))


def shape_of_uses(
    from_cell: int,
    to_cell: int,
    hands: Iterable[Use],
    room: Use | None,
    devices: Mapping[str, Use],
    like: Shape,
) -> Shape:
    """The shape that a visit has by what it has taken: for one that no longer is as its visit type says."""
    hands = sorted(hands, key=lambda use: use.from_cell)
    marks = sorted(
        {from_cell, to_cell}
        | {
            cell
            for use in (*hands, *([room] if room else []), *devices.values())
            for cell in (use.from_cell, use.to_cell)
        }
    )

    def has(use: Use | None, cell: int) -> bool:
        return use is not None and use.from_cell <= cell < use.to_cell

    return Shape(
        phases=tuple(
            Phase(
                last - first,
                practitioner=any(has(use, first) for use in hands),
                room=has(room, first),
                devices=frozenset(kind for kind, use in devices.items() if has(use, first)),
            )
            for first, last in pairwise(marks)
        ),
        room_kinds=like.room_kinds if room else (),
        pause=Pad(hands[0].before, hands[-1].after) if hands else Pad(),
        turnover=Pad(room.before, room.after) if room else Pad(),
        buffers_within_hours=like.buffers_within_hours,
    )


# What is in the way. Buffers are no part of a claim, so they aren't here.


def _clashes(situation: Situation, person: Practitioner, own: Own) -> dict[Taken, int]:
    window, shape = situation.window, person.shape
    absent = (person.occupancy.absent | situation.closed) & ~own.of(person.id, window)
    return {
        Taken.AWAY: _hands(window.full & ~absent, shape),
        Taken.PRACTITIONER_TAKEN: _hands(window.full & ~person.occupancy.taken, shape),
    }


class _Shared(NamedTuple):
    hard: dict[Taken, int]
    soft: dict[Breach, int]


def _shared(situation: Situation, shape: Shape, own: Own) -> _Shared:
    """What doesn't depend on who gives a visit of this shape."""
    full, rooms = situation.window.full, _rooms(situation, shape)
    kinds = not shape.room or any(room.kind in shape.room_kinds for room in situation.rooms)
    devices = (
        _any(situation, [one for one in situation.devices if one.kind == kind], part, own, _unclaimed)
        for kind, part in shape.devices.items()
    )
    return _Shared(
        hard={
            Taken.ROOM_TAKEN: _any(situation, rooms, shape.room, own, _unclaimed),
            Taken.DEVICE_TAKEN: reduce(and_, devices, full),
            Taken.PATIENT_ELSEWHERE: patient_free(situation, shape),
        },
        soft={
            Breach.TURNOVER: _any(situation, rooms, shape.room, own, _with_buffers),
            Breach.OTHER_ROOM_KIND: full if kinds else 0,
        },
    )


def _rules(situation: Situation, person: Practitioner, own: Own, shortened: bool) -> dict[Breach, int]:
    window, shape = situation.window, person.shape
    full = window.full
    # The cell that runs just now isn't past.
    present = window.stretch(cell_in(situation.circumstances.now), window.end)
    there = person.open & ~(
        (person.occupancy.absent | situation.closed) & ~_hull(own.uses, person.id, window)
    )
    crowded = person.occupancy.crowded(person.at_once)
    at_work = inside(there, shape)
    in_a_break = inside(there | _breaks(person.open, window, situation.days), shape) & ~at_work
    return {
        Breach.IN_THE_PAST: present,
        Breach.TOO_SOON: NOTICE.permitted(situation, person) | full & ~present,
        Breach.BEYOND_HORIZON: HORIZON.permitted(situation, person),
        Breach.OUTSIDE_HOURS: at_work | in_a_break,
        Breach.IN_A_BREAK: full & ~in_a_break,
        Breach.PRACTITIONER_LIMIT: PRACTITIONER_LIMITS.permitted(situation, person),
        Breach.PATIENT_LIMIT: PATIENT_LIMITS.permitted(situation, person),
        Breach.PAUSE: hands_free(person),
        Breach.TOO_MANY_AT_ONCE: fits(full ^ crowded, shape.length) if crowded else full,
        Breach.SHORTENED: 0 if shortened else full,
        Breach.PENCILED: full,
        Breach.BEYOND_COVERAGE: full,
        Breach.NEAR_PLAN: full,
    }


# The same hours are asked about again and again.
@lru_cache(maxsize=256)
def _breaks(hours: int, window: Window, days: tuple[Day, ...]) -> int:
    """Between the first and the last working hours of a day."""
    breaks = 0
    for day in days:
        opened = hours & window.stretch(day.from_cell, day.to_cell)
        if opened:
            breaks |= (1 << opened.bit_length()) - (opened & -opened) & ~opened
    return breaks


def _hands(free: int, shape: Shape) -> int:
    """Where the practitioner's parts lie in `free`, buffers left aside."""
    return reduce(and_, (fits(free, part.length) >> part.from_offset for part in shape.practitioner))


def _hull(uses: Iterable[Use], resource_id: int, window: Window) -> int:
    """From the first to the last cell that the visit has of a resource: its rest is inside."""
    mine = [use for use in uses if use.resource_id == resource_id]
    if not mine:
        return 0
    return window.stretch(min(use.from_cell for use in mine), max(use.to_cell for use in mine))


def _rooms(situation: Situation, shape: Shape) -> list[Thing]:
    """The rooms of the right kinds; where none of them is, such as a room that was wished for, all."""
    return [room for room in situation.rooms if room.kind in shape.room_kinds] or list(situation.rooms)


def _unclaimed(thing: Thing, part: Part) -> int:
    return thing.occupancy.window.full & ~thing.occupancy.taken


def _with_buffers(thing: Thing, part: Part) -> int:
    return thing.occupancy.free_for(part)


def _in_use(thing: Thing, own: Own, window: Window) -> int:
    """Where a thing isn't out of use, but for what the visit has of it already."""
    return window.full & ~(thing.occupancy.absent & ~own.of(thing.id, window))


def _any(
    situation: Situation,
    things: Iterable[Thing],
    part: Part | None,
    own: Own,
    free: Callable[[Thing, Part], int],
) -> int:
    """Where one of the things is free for the whole of its part."""
    window = situation.window
    if part is None:
        return window.full
    starts = (fits(free(one, part) & _in_use(one, own, window), part.length) for one in things)
    return reduce(or_, starts, 0) >> part.from_offset


def _first(things: list[Thing], part: Part, cell: int, own: Own, window: Window) -> int:
    wanted = window.stretch(cell + part.from_offset, cell + part.to_offset)
    for free in (_with_buffers, _unclaimed):
        for thing in things:
            if not wanted & ~(free(thing, part) & _in_use(thing, own, window)):
                return thing.id
    raise ValueError("This start isn't possible: nothing is free for it.")
