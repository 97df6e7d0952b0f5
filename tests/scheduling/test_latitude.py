"""What staff may do with a place, against a naive oracle that walks over minutes and knows no timelines."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from booking.scheduling import hours
from booking.scheduling.latitude import Breach, Latitude, Own, Taken, assign, latitudes, shape_of_uses
from booking.scheduling.needles import needles_due, overdue, rest
from booking.scheduling.offers import Use
from booking.scheduling.timeline import cell_at, instant_of
from booking.scheduling.visit import Pad, Phase, Shape
from tests.scheduling import oracle
from tests.scheduling.test_against_the_oracle import situation, worlds

MINUTE = timedelta(minutes=1)
Span = tuple[datetime, datetime]


class Naive:
    """The world as staff see it. `own`: the visit that is to go elsewhere; it is no part of the world."""

    def __init__(self, world: oracle.World, own: oracle.Booked | None) -> None:
        self.world, self.own = world, own
        self._working: dict[tuple[str, date], list[datetime]] = {}

    # What is in the way

    def away(self, person: oracle.Person, start: datetime) -> bool:
        """Somebody's absence claims a minute in which their hands are needed, and it isn't the visit's own."""
        own = self._own(person.name)
        return any(
            self._in(minute, person.away + self.world.closures) and not self._in(minute, own)
            for first, last in person.type.uses("practitioner")
            for minute in _minutes(start, first, last)
        )

    def busy(self, resource: str, start: datetime, uses: list[tuple[int, int]]) -> bool:
        """A claim of somebody else, buffers left aside."""
        return any(
            begins <= minute < ends
            for first, last in uses
            for minute in _minutes(start, first, last)
            for visit in self.world.booked
            for begins, ends, _, _ in visit.uses(resource)
        )

    def without_room(self, person: oracle.Person, start: datetime) -> bool:
        uses = person.type.uses("room")
        return bool(uses) and all(self.busy(room, start, uses) for room in self.rooms(person))

    def without_device(self, person: oracle.Person, start: datetime) -> bool:
        uses = person.type.uses("device")
        return bool(uses) and all(self.busy(device, start, uses) for device in self.world.devices)

    def rooms(self, person: oracle.Person) -> list[str]:
        """Those of the right kinds; if there is none at all, any."""
        right = [room for room, kind in self.world.rooms.items() if kind in person.type.room_kinds]
        return right or list(self.world.rooms)

    # What is broken

    def broken(self, person: oracle.Person, start: datetime) -> set[Breach]:
        world, kind = self.world, person.type
        local = start.astimezone(world.zone).date()
        last = world.now.astimezone(world.zone).date() + timedelta(days=world.horizon_days)
        past = start + 5 * MINUTE <= world.now
        hands, room = kind.uses("practitioner"), kind.uses("room")
        right = [one for one, found in world.rooms.items() if found in kind.room_kinds]
        found = {
            Breach.IN_THE_PAST: past,
            Breach.TOO_SOON: not past and start < world.now + world.notice * MINUTE,
            Breach.BEYOND_HORIZON: local > last,
            Breach.PRACTITIONER_LIMIT: not world._within_limit(person, start),
            Breach.PAUSE: not world._free(person.name, start, hands, kind.pause),
            Breach.TURNOVER: bool(room)
            and not any(world._free(one, start, room, kind.turnover) for one in self.rooms(person)),
            Breach.OUTSIDE_HOURS: not self._there(person, start)
            and not self._there(person, start, or_break=True),
            Breach.IN_A_BREAK: not self._there(person, start) and self._there(person, start, or_break=True),
            Breach.TOO_MANY_AT_ONCE: self._crowded(person, start),
            Breach.OTHER_ROOM_KIND: bool(room) and not right,
        }
        return {code for code, broken in found.items() if broken}

    def _there(self, person: oracle.Person, start: datetime, *, or_break: bool = False) -> bool:
        """At work in every minute, nobody away but where the visit is already; with `or_break`, or on a break."""
        early, late, kind = 0, person.type.minutes, person.type
        if kind.within_hours:
            hands, room = kind.uses("practitioner"), kind.uses("room")
            early = min(
                [early, hands[0][0] - kind.pause[0], *(first - kind.turnover[0] for first, _ in room)]
            )
            late = max([late, hands[-1][1] + kind.pause[1], *(last + kind.turnover[1] for _, last in room)])
        own = self._own(person.name)
        here = [(own[0][0], own[-1][1])] if own else []
        return all(
            (or_break and self._on_a_break(person, minute))
            or (
                self.world.works(person, minute)
                and (not self._in(minute, person.away + self.world.closures) or self._in(minute, here))
            )
            for minute in _minutes(start, early, late)
        )

    def _on_a_break(self, person: oracle.Person, minute: datetime) -> bool:
        """Not at work, but before and after it on the same day."""
        zone = self.world.zone
        on = minute.astimezone(zone).date()
        if (person.name, on) not in self._working:
            around = (minute + n * MINUTE for n in range(-1500, 1505, 5))
            self._working[person.name, on] = [
                one for one in around if one.astimezone(zone).date() == on and self.world.works(person, one)
            ]
        working = self._working[person.name, on]
        return bool(working) and working[0] < minute < working[-1] and minute not in working

    def _crowded(self, person: oracle.Person, start: datetime) -> bool:
        return any(
            sum(
                visit.practitioner == person.name
                and visit.start <= minute < visit.start + visit.type.minutes * MINUTE
                for visit in self.world.booked
            )
            >= person.at_once
            for minute in _minutes(start, 0, person.type.minutes)
        )

    def _own(self, resource: str) -> list[Span]:
        return [(first, last) for first, last, _, _ in self.own.uses(resource)] if self.own else []

    def _in(self, minute: datetime, spans: list[Span]) -> bool:
        return any(first <= minute < last for first, last in spans)


def _minutes(start: datetime, first: int, last: int) -> list[datetime]:
    # Everything stands on multiples of five minutes, so a cell's first minute speaks for it.
    return [start + offset * MINUTE for offset in range(first, last, 5)]


@settings(max_examples=50)
@given(worlds(), st.integers(0, 6))
def test_staff_may_do_what_the_oracle_says(case: tuple[oracle.World, date], which: int) -> None:
    world, day = case
    own = world.booked[which] if which < len(world.booked) else None
    world = replace(world, booked=[visit for visit in world.booked if visit is not own])
    asked = situation(world, day)
    naive, mine = Naive(world, own), Own(tuple(own_uses(asked, own)) if own else ())
    window = hours.window_of(day, day + timedelta(days=1), world.zone)
    for latitude in latitudes(asked, mine).values():
        person = next(one for one in world.people if one.name == latitude.person.slug)
        for cell in range(window.start, window.end, 5):
            start = instant_of(cell)
            hands = person.type.uses("practitioner")
            in_the_way = {
                Taken.AWAY: naive.away(person, start),
                Taken.PRACTITIONER_TAKEN: naive.busy(person.name, start, hands),
                Taken.ROOM_TAKEN: naive.without_room(person, start),
                Taken.DEVICE_TAKEN: naive.without_device(person, start),
            }
            assert set(latitude.taken_at(cell)) == {code for code, found in in_the_way.items() if found}
            if not any(in_the_way.values()):
                assert set(latitude.breaches_at(cell)) == naive.broken(person, start), start
            assert_agrees(latitude, cell)


def assert_agrees(latitude: Latitude, cell: int) -> None:
    """The timelines say what the codes say."""
    bit = latitude.window.bit(cell)
    taken, breaches = latitude.taken_at(cell), latitude.breaches_at(cell)
    assert bool(latitude.free & bit) == (not taken and not breaches)
    assert bool(latitude.with_reason & bit) == (not taken and bool(breaches))


def own_uses(asked: Any, own: oracle.Booked) -> list[Use]:
    """What a visit of the oracle has taken, in the core's words."""
    ids = {one.name: one.id for one in (*asked.practitioners, *asked.rooms, *asked.devices)}
    return [
        Use(ids[name], cell_at(first), cell_at(last))
        for name in (own.practitioner, own.room, own.device)
        if name in ids
        for first, last, _, _ in own.uses(name)
    ]


@settings(max_examples=30)
@given(worlds())
def test_whatever_is_possible_gets_what_it_needs_and_nothing_that_is_taken(
    case: tuple[oracle.World, date],
) -> None:
    world, day = case
    asked = situation(world, day)
    names = {one.id: one.name for one in (*asked.practitioners, *asked.rooms, *asked.devices)}
    window = hours.window_of(day, day, world.zone)
    for person_id, latitude in latitudes(asked).items():
        for cell in range(window.start, window.end, 7):
            if not latitude.possible & latitude.window.bit(cell):
                continue
            visit = assign(asked, person_id, cell)
            for use in visit.uses:
                for other in world.booked:
                    for first, last, _, _ in other.uses(names[use.resource_id]):
                        assert cell_at(last) <= use.from_cell or use.to_cell <= cell_at(first)
            if Breach.TURNOVER not in latitude.breaches_at(cell) and visit.room is not None:
                person = next(one for one in world.people if one.name == names[person_id])
                uses = person.type.uses("room")
                assert world._free(names[visit.room], instant_of(cell), uses, person.type.turnover)


# Small things of their own

NEEDLED = Shape(
    (Phase(3), Phase(5, practitioner=False), Phase(2)), ("room",), pause=Pad(1, 2), turnover=Pad(0, 2)
)


def test_a_shape_is_found_again_in_what_it_took() -> None:
    hands = [
        Use(1, part.from_offset, part.to_offset, part.before, part.after) for part in NEEDLED.practitioner
    ]
    room = Use(2, 0, 10, 0, 2)
    assert shape_of_uses(0, 10, hands, room, {}, like=NEEDLED) == NEEDLED


@pytest.mark.parametrize(
    ("hands", "minutes"),
    [
        ([(100, 110)], 0),
        ([(100, 103)], 35),
        ([(100, 102), (104, 106), (109, 110)], 25),
        ([], 0),
    ],
)
def test_a_patient_rests_while_nobodys_hands_are_needed(hands: list[tuple[int, int]], minutes: int) -> None:
    """Also twice, and also at the end; and not in a visit that has given its time back."""
    assert rest(100, 110, hands) == timedelta(minutes=minutes)


def test_needles_are_due_by_when_they_went_in() -> None:
    went_in = datetime(2026, 9, 15, 16, 17, 30, tzinfo=UTC)
    resting = rest(100, 110, [(100, 103), (108, 110)])
    due = needles_due(went_in, resting)
    assert due == went_in + timedelta(minutes=25)
    assert needles_due(None, resting) is None and needles_due(went_in, timedelta()) == went_in
    assert not overdue(due, due + timedelta(minutes=4, seconds=59))
    assert overdue(due, due + timedelta(minutes=5))
    assert not overdue(None, went_in)


@pytest.mark.parametrize("shortened", [False, True])
def test_a_shortened_visit_is_free_nowhere_and_possible_where_it_was(shortened: bool) -> None:
    world = oracle.World(
        zone=hours.ZoneInfo("UTC"), people=[], rooms={}, devices=[], booked=[], closures=[],
        now=datetime(2026, 9, 15, tzinfo=UTC), notice=0, horizon_days=9, step=5,
    )  # fmt: skip
    world.people = [
        oracle.Person(
            "p1",
            oracle.Type([oracle.Phase(30, True, False, False)], [], (0, 0), (0, 0), False),
            {day: [(datetime.min.time(), datetime.min.time())] for day in range(7)},
        )
    ]
    (latitude,) = latitudes(situation(world, date(2026, 9, 16)), shortened=shortened).values()
    assert bool(latitude.free) is not shortened
    assert latitude.possible
