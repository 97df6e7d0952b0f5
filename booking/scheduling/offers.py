"""The engine: where a visit can begin, with whom, and in which room.

Every constraint is a timeline of permitted starts; an offer is where all of them are one. "Anyone" is the union over
practitioners. Because each of a visit's resources is one room, or one device of a kind, for the whole of its part,
the union over rooms is exact: where it is one, `assign` finds a concrete room.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property, reduce
from operator import and_, or_
from typing import NamedTuple

from booking.scheduling.hours import Day
from booking.scheduling.situation import Practitioner, Situation, Thing
from booking.scheduling.timeline import first_place, fits, places
from booking.scheduling.visit import Part, Shape


class Use(NamedTuple):
    """Cells of one resource that a visit takes, with the buffers around them."""

    resource_id: int
    from_cell: int
    to_cell: int
    before: int = 0
    after: int = 0

    @classmethod
    def of(cls, resource_id: int, cell: int, part: Part) -> "Use":
        """What a visit that begins at this cell takes of it."""
        return cls(resource_id, cell + part.from_offset, cell + part.to_offset, part.before, part.after)


class Offer(NamedTuple):
    cell: int
    practitioner_id: int


@dataclass(frozen=True)
class Assignment:
    """A visit with everything that it takes."""

    practitioner_id: int
    room: int | None
    devices: tuple[int, ...]
    from_cell: int
    to_cell: int
    uses: tuple[Use, ...]

    def patient_use(self, patient_id: int) -> Use:
        """The patient is there from the first phase to the last."""
        return Use(patient_id, self.from_cell, self.to_cell)


@dataclass(frozen=True)
class Offers:
    """All permitted starts of a situation."""

    situation: Situation
    by_practitioner: dict[int, int] = field(repr=False)

    @cached_property
    def starts(self) -> int:
        """With anyone."""
        return reduce(or_, self.by_practitioner.values(), 0)

    def at(self, cell: int) -> Offer | None:
        """The offer at this cell, with whom it would be, or None."""
        day = next((day for day in self.situation.days if day.from_cell <= cell < day.to_cell), None)
        bit = self.situation.window.bit(cell)
        if day is None:
            return None
        for practitioner_id in self._ranked(day):
            if self.by_practitioner[practitioner_id] & bit:
                return Offer(cell, practitioner_id)
        return None

    def assigned(self, practitioner_id: int, cell: int) -> Assignment | None:
        """What a visit takes that begins at this cell with this person; None where that isn't offered."""
        free = self.by_practitioner.get(practitioner_id, 0)
        if not free & self.situation.window.bit(cell):
            return None
        return assign(self.situation, practitioner_id, cell)

    def on(self, day: Day) -> list[Offer]:
        """Each start of a day once, in order, with the person whom it would go to."""
        window = self.situation.window
        left = self.starts & window.stretch(day.from_cell, day.to_cell)
        found: list[Offer] = []
        for practitioner_id in self._ranked(day) if left else ():
            theirs = left & self.by_practitioner[practitioner_id]
            left ^= theirs
            found += [Offer(window.start + place, practitioner_id) for place in places(theirs)]
        return sorted(found)

    def first(self, from_cell: int) -> Offer | None:
        """The earliest start from this cell on."""
        window = self.situation.window
        place = first_place(self.starts & window.stretch(from_cell, window.end))
        return None if place is None else self.at(window.start + place)

    def _ranked(self, day: Day) -> list[int]:
        """Those with the fewest visits that day first, then by name."""

        def rank(person: Practitioner) -> tuple[int, str, int]:
            return person.occupancy.visits_on(day.from_cell, day.to_cell), person.name, person.id

        return [person.id for person in sorted(self.situation.practitioners, key=rank)]


def find(situation: Situation) -> Offers:
    """All starts that every constraint permits."""
    things: dict[Shape, int] = {}
    by_practitioner: dict[int, int] = {}
    for person in situation.practitioners:
        if person.shape not in things:
            things[person.shape] = with_room(situation, person.shape) & with_devices(situation, person.shape)
        by_practitioner[person.id] = (
            things[person.shape]
            & on_site(situation, person)
            & hands_free(person)
            & ruled(situation, person)
            & patient_free(situation, person.shape)
        )
    return Offers(situation, by_practitioner)


def assign(situation: Situation, practitioner_id: int, cell: int) -> Assignment:
    """A concrete room and concrete devices for an offered start.

    The practitioner's preferred rooms come first, then the order of kinds, then names.
    """
    person = situation.by_id[practitioner_id]
    shape = person.shape
    order = {room_id: place for place, room_id in enumerate(person.room_order)}

    def preference(room: Thing) -> tuple[int, int, str, int]:
        return order.get(room.id, len(order)), shape.room_kinds.index(room.kind), room.name, room.id

    uses = [Use.of(person.id, cell, part) for part in shape.practitioner]
    room = None
    if shape.room:
        fitting = [thing for thing in situation.rooms if thing.kind in shape.room_kinds]
        room = _first_free(sorted(fitting, key=preference), shape.room, cell)
        uses.append(Use.of(room, cell, shape.room))
    devices = []
    for kind, part in shape.devices.items():
        fitting = sorted(
            (thing for thing in situation.devices if thing.kind == kind), key=lambda one: (one.name, one.id)
        )
        devices.append(_first_free(fitting, part, cell))
        uses.append(Use.of(devices[-1], cell, part))
    return Assignment(person.id, room, tuple(devices), cell, cell + shape.length, tuple(uses))


# The constraints, each as a timeline of permitted starts. `reasons` leaves them out one by one.


def in_hours(situation: Situation, person: Practitioner) -> int:
    """The whole visit, rest included, lies in one stretch of working hours."""
    return inside(person.open, person.shape)


def on_site(situation: Situation, person: Practitioner) -> int:
    """In hours, with no absence or closure in it, and not more than so many of their patients at once."""
    present = person.open & ~(person.occupancy.absent | situation.closed)
    crowded = person.occupancy.crowded(person.at_once)
    starts = inside(present, person.shape)
    return starts & fits(situation.window.full ^ crowded, person.shape.length) if crowded else starts


def hands_free(person: Practitioner) -> int:
    """The practitioner is free in each phase that needs them, buffers kept."""
    free = [
        fits(person.occupancy.free_for(part), part.length) >> part.from_offset
        for part in person.shape.practitioner
    ]
    return reduce(and_, free)


def with_room(situation: Situation, shape: Shape) -> int:
    """One room is free for the whole of its part."""
    if shape.room is None:
        return situation.window.full
    return _one_of((room for room in situation.rooms if room.kind in shape.room_kinds), shape.room)


def with_devices(situation: Situation, shape: Shape) -> int:
    """For each kind that the visit needs, one device is free."""
    starts = situation.window.full
    for kind, part in shape.devices.items():
        starts &= _one_of((device for device in situation.devices if device.kind == kind), part)
    return starts


def ruled(situation: Situation, person: Practitioner) -> int:
    """What the rules of this audience permit."""
    starts = situation.window.full
    for rule in situation.rules:
        starts &= rule.permitted(situation, person)
    return starts


def patient_free(situation: Situation, shape: Shape) -> int:
    """The patient isn't somewhere else."""
    if situation.patient is None:
        return situation.window.full
    return fits(situation.patient.free_for(Part(0, shape.length)), shape.length)


def inside(present: int, shape: Shape) -> int:
    """Where the whole visit lies in these cells; with its buffers, where they belong to the hours."""
    if not shape.buffers_within_hours:
        return fits(present, shape.length)
    before, after = shape.reach
    return fits(present, before + shape.length + after) << before


def _one_of(things: Iterable[Thing], part: Part) -> int:
    starts = 0
    for thing in things:
        occupancy = thing.occupancy
        starts |= fits(occupancy.free_for(part) & ~occupancy.absent, part.length)
    return starts >> part.from_offset


def _first_free(things: list[Thing], part: Part, cell: int) -> int:
    for thing in things:
        wanted = thing.occupancy.window.stretch(cell + part.from_offset, cell + part.to_offset)
        if not wanted & ~(thing.occupancy.free_for(part) & ~thing.occupancy.absent):
            return thing.id
    raise ValueError("This start was not offered: nothing is free for it.")
