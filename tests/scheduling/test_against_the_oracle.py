"""The core and the naive oracle agree: over zones and clock changes, with phases, rooms, devices and buffers."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings, strategies as st

from booking.scheduling import hours, offers, rules
from booking.scheduling.hours import DatedHours, Hours
from booking.scheduling.occupancy import Occupancy, Taken, Visit
from booking.scheduling.reasons import explain
from booking.scheduling.situation import Circumstances, Limit, Practitioner, Situation, Thing
from booking.scheduling.timeline import Window, cell_at, instant_of, places
from booking.scheduling.visit import Pad, Phase, Shape
from tests.scheduling import oracle

# A zone and a day on or near which its clock changes, by an hour, by half an hour, at midnight; and a zone that is odd.
PLACES = [
    ("America/Los_Angeles", date(2026, 3, 8)),
    ("America/Los_Angeles", date(2026, 11, 1)),
    ("America/Los_Angeles", date(2026, 6, 10)),
    ("Europe/Berlin", date(2026, 3, 29)),
    ("Australia/Lord_Howe", date(2026, 4, 5)),
    ("Australia/Lord_Howe", date(2026, 10, 4)),
    ("America/Santiago", date(2026, 9, 6)),
    ("Africa/Cairo", date(2026, 4, 24)),
    ("America/Havana", date(2026, 11, 1)),
    ("Asia/Kathmandu", date(2026, 5, 5)),
]

five = st.integers(0, 6).map(lambda n: n * 5)


def needled() -> st.SearchStrategy[oracle.Type]:
    """What the clinic books most: needling, a rest in which others are treated, removal; with buffers that matter."""
    return st.builds(
        oracle.Type,
        phases=st.just(
            [
                oracle.Phase(10, practitioner=True, room=True, device=False),
                oracle.Phase(30, practitioner=False, room=True, device=False),
                oracle.Phase(10, practitioner=True, room=True, device=False),
            ]
        ),
        room_kinds=st.just(["quiet", "bright"]),
        pause=st.tuples(five, five),
        turnover=st.tuples(five, five),
        within_hours=st.booleans(),
    )


@st.composite
def types(draw: Any, with_device: bool) -> oracle.Type:
    if draw(st.booleans()):
        return draw(needled())
    phases = draw(
        st.lists(
            st.builds(
                oracle.Phase,
                minutes=st.sampled_from([5, 10, 15, 25, 40]),
                practitioner=st.booleans(),
                room=st.booleans(),
                device=st.booleans() if with_device else st.just(False),
            ),
            min_size=1,
            max_size=4,
        ).filter(lambda found: any(phase.practitioner for phase in found))
    )
    return oracle.Type(
        phases=phases,
        room_kinds=draw(st.sampled_from([[], ["quiet"], ["quiet", "bright"], ["bright"]])),
        pause=(draw(five), draw(five)),
        turnover=(draw(five), draw(five)),
        within_hours=draw(st.booleans()),
    )


@st.composite
def stretches(draw: Any) -> list[tuple[time, time]]:
    """One or two stretches of a day, often near midnight or where clocks change."""
    marks = sorted(draw(st.lists(st.integers(0, 96), min_size=2, max_size=4, unique=True)))
    walls = [time(mark // 4 % 24, mark % 4 * 15) for mark in marks]
    pairs = list(zip(walls[::2], walls[1::2], strict=False))
    return [(opens, closes) for opens, closes in pairs if closes == time(0) or opens < closes]


@st.composite
def worlds(draw: Any) -> tuple[oracle.World, date]:
    name, day = draw(st.sampled_from(PLACES))
    zone = ZoneInfo(name)
    midnight = datetime.combine(day, time(0), zone).astimezone(UTC)
    within = st.integers(-12, 48 * 12).map(lambda n: midnight + timedelta(minutes=5 * n))
    spans = st.tuples(within, st.integers(1, 60)).map(
        lambda at: (at[0], at[0] + timedelta(minutes=5 * at[1]))
    )
    known = draw(st.lists(types(with_device=True), min_size=1, max_size=3))
    rooms = draw(
        st.sampled_from(
            [{}, {"r1": "quiet"}, {"r1": "quiet", "r2": "bright"}, {"r1": "quiet", "r2": "quiet"}]
        )
    )
    devices = draw(st.sampled_from([[], ["d1"], ["d1", "d2"]]))
    people = [
        oracle.Person(
            name=name,
            type=draw(st.sampled_from(known)),
            weekly={weekday: draw(stretches()) for weekday in range(7)},
            dated=draw(st.dictionaries(st.just(day), stretches(), max_size=1)),
            away=draw(st.lists(spans, max_size=1)),
            at_once=draw(st.integers(1, 3)),
            rooms=draw(st.sampled_from([[], ["r2"], ["r2", "r1"]])),
        )
        for name in draw(st.sampled_from([["p1"], ["p1", "p2"], ["p2", "p1", "p3"]]))
    ]
    booked = draw(
        st.lists(
            st.builds(
                oracle.Booked,
                start=within,
                type=st.sampled_from(known),
                practitioner=st.sampled_from([person.name for person in people]),
                room=st.sampled_from([None, *rooms]),
                device=st.sampled_from([None, *devices]),
            ),
            max_size=6,
        )
    )
    world = oracle.World(
        zone=zone,
        people=people,
        rooms=rooms,
        devices=devices,
        booked=booked,
        closures=draw(st.lists(spans, max_size=1)),
        now=midnight
        + timedelta(minutes=draw(st.integers(-600, 600)), seconds=draw(st.sampled_from([0, 1, 59]))),
        notice=draw(st.sampled_from([0, 7, 120])),
        horizon_days=draw(st.sampled_from([0, 1, 90])),
        step=draw(st.sampled_from([5, 15, 20, 60])),
        limit=draw(st.sampled_from([None, ("day", 1), ("week", 2)])),
    )
    return world, day


def situation(world: oracle.World, day: date) -> Situation:
    """The same world in the core's words."""
    window = hours.window_of(day - timedelta(days=7), day + timedelta(days=8), world.zone)

    def cell(instant: datetime) -> int:
        return cell_at(instant)

    def occupancy(name: str, absences: list[tuple[datetime, datetime]] = []) -> Occupancy:  # noqa: B006
        return Occupancy.of(
            window,
            taken=[
                Taken(cell(first), cell(last), before // 5, after // 5)
                for visit in world.booked
                for first, last, before, after in visit.uses(name)
            ],
            absences=[(cell(first), cell(last)) for first, last in absences],
            visits=[
                Visit(cell(visit.start), cell(visit.start) + visit.type.minutes // 5, "any")
                for visit in world.booked
                if visit.practitioner == name
            ],
        )

    ids = {
        name: number
        for number, name in enumerate(
            [person.name for person in world.people] + [*world.rooms, *world.devices]
        )
    }

    def person(one: oracle.Person) -> Practitioner:
        weekly = [Hours(day, *stretch) for day, found in one.weekly.items() for stretch in found]
        dated = [DatedHours(on, tuple(found)) for on, found in one.dated.items()]
        open_cells = hours.open_timeline(window, world.zone, weekly, dated)
        return Practitioner(
            id=ids[one.name],
            slug=one.name,
            name=one.name,
            open=open_cells,
            grid=hours.grid(open_cells, world.step // 5),
            shape=shape(one.type),
            occupancy=occupancy(one.name, one.away),
            room_order=tuple(ids[room] for room in one.rooms if room in ids),
            at_once=one.at_once,
        )

    closed = 0
    for first, last in world.closures:
        closed |= window.stretch(cell(first), cell(last))
    limit = world.limit
    return Situation(
        window=window,
        days=hours.days_of(window, world.zone),
        practitioners=tuple(person(one) for one in world.people),
        rooms=tuple(Thing(ids[name], kind, name, occupancy(name)) for name, kind in world.rooms.items()),
        devices=tuple(Thing(ids[name], "device", name, occupancy(name)) for name in world.devices),
        rules=rules.PATIENT_RULES,
        circumstances=Circumstances(
            zone=world.zone,
            now=world.now,
            notice=timedelta(minutes=world.notice),
            horizon_days=world.horizon_days,
            visit_type="any",
            limits=(Limit("practitioner", limit[0], limit[1]),) if limit else (),  # type: ignore[arg-type]
        ),
        closed=closed,
    )


def shape(kind: oracle.Type) -> Shape:
    return Shape(
        phases=tuple(
            Phase(
                phase.minutes // 5,
                phase.practitioner,
                phase.room,
                frozenset({"device"} if phase.device else ()),
            )
            for phase in kind.phases
        ),
        room_kinds=tuple(kind.room_kinds),
        pause=Pad(kind.pause[0] // 5, kind.pause[1] // 5),
        turnover=Pad(kind.turnover[0] // 5, kind.turnover[1] // 5),
        buffers_within_hours=kind.within_hours,
    )


def asked(world: oracle.World, day: date) -> tuple[datetime, datetime]:
    """The day of the clock change and the one after."""
    window = hours.window_of(day, day + timedelta(days=1), world.zone)
    return instant_of(window.start), instant_of(window.end)


def starts_of(
    found: offers.Offers, names: Callable[[int], str], first: datetime, last: datetime
) -> dict[str, set[datetime]]:
    window: Window = found.situation.window
    return {
        names(one): {
            instant_of(window.start + place)
            for place in places(mask & window.stretch(cell_at(first), cell_at(last)))
        }
        for one, mask in found.by_practitioner.items()
    }


@settings(max_examples=70)
@given(worlds())
def test_the_core_offers_what_the_oracle_finds(case: tuple[oracle.World, date]) -> None:
    world, day = case
    first, last = asked(world, day)
    found = offers.find(situation(world, day))
    name = {person.id: person.name for person in found.situation.practitioners}
    assert starts_of(found, name.__getitem__, first, last) == world.starts(first, last)


@settings(max_examples=40)
@given(worlds())
def test_every_offer_goes_to_whom_it_should_and_gets_what_it_needs(case: tuple[oracle.World, date]) -> None:
    world, day = case
    found = offers.find(situation(world, day))
    names = {
        thing.id: thing.name
        for thing in (*found.situation.practitioners, *found.situation.rooms, *found.situation.devices)
    }
    people = {person.name: person for person in world.people}
    for offered_day in found.situation.days:
        if offered_day.on not in (day, day + timedelta(days=1)):
            continue
        for offer in found.on(offered_day):
            start = instant_of(offer.cell)
            free = [person for person in world.people if world.possible(person, start)]
            chosen = names[offer.practitioner_id]
            assert chosen == world.given_to(start, free)
            assert found.at(offer.cell) == offer
            visit = offers.assign(found.situation, offer.practitioner_id, offer.cell)
            room = world._with_room(people[chosen], start)
            device = world._with_device(people[chosen], start)
            assert (names[visit.room] if visit.room is not None else "") == room
            assert [names[one] for one in visit.devices] == ([device] if device else [])


@settings(max_examples=40)
@given(worlds())
def test_an_empty_answer_has_a_reason_and_only_an_empty_one(case: tuple[oracle.World, date]) -> None:
    world, day = case
    first, last = asked(world, day)
    asked_of = situation(world, day)
    free = any(world.starts(first, last).values())
    assert (explain(asked_of, cell_at(first), cell_at(last)) is None) == free
