"""Where a visit can begin: the conventions, one by one, on a single day from cell 0 on."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from booking.scheduling.hours import Day
from booking.scheduling.occupancy import Occupancy, Taken, Visit
from booking.scheduling.offers import assign, find
from booking.scheduling.situation import Circumstances, Practitioner, Situation, Thing
from booking.scheduling.timeline import Window, places
from booking.scheduling.visit import Pad, Phase, Shape

DAY = Window(0, 60)
NEEDLED = (Phase(2), Phase(4, practitioner=False), Phase(2))


def situation(
    shape: Shape,
    taken: list[Taken] | None = None,
    visits: list[Visit] | None = None,
    rooms: int = 1,
    open_cells: int = DAY.stretch(10, 40),
    at_once: int = 2,
    absences: list[tuple[int, int]] | None = None,
    room_taken: list[Taken] | None = None,
) -> Situation:
    """One practitioner, at work from cell 10 to 40."""
    occupancy = Occupancy.of(DAY, taken or (), absences or (), visits or ())
    return Situation(
        window=DAY,
        days=(Day(date(1970, 1, 1), 0, 60),),
        practitioners=(
            Practitioner(1, "ana", "Ana", open_cells, DAY.full, shape, occupancy, at_once=at_once),
        ),
        rooms=tuple(
            Thing(10 + n, "room", f"Room {n}", Occupancy.of(DAY, (room_taken or ()) if n == 0 else ()))
            for n in range(rooms)
        ),
        devices=(),
        rules=(),
        circumstances=Circumstances(
            ZoneInfo("UTC"), datetime(1970, 1, 1, tzinfo=UTC), timedelta(), 90, "any"
        ),
    )


def starts(case: Situation) -> list[int]:
    return list(places(find(case).starts))


def plain(cells: int, **how: object) -> Shape:
    return Shape((Phase(cells, room=False),), **how)  # type: ignore[arg-type]


def test_a_visit_may_end_exactly_at_closing() -> None:
    assert starts(situation(plain(5))) == list(range(10, 36))


def test_touching_is_no_clash() -> None:
    assert starts(situation(plain(5), [Taken(20, 25)]))[-1] == 35
    found = starts(situation(plain(5), [Taken(20, 25)]))
    assert 15 in found and 25 in found
    assert not set(found) & set(range(16, 25))


@pytest.mark.parametrize(
    ("old", "new", "first"), [((0, 3), (1, 0), 28), ((0, 1), (3, 0), 28), ((0, 0), (2, 0), 27)]
)
def test_between_two_visits_counts_the_larger_buffer(
    old: tuple[int, int], new: tuple[int, int], first: int
) -> None:
    found = starts(situation(plain(5, pause=Pad(*new)), [Taken(20, 25, *old)]))
    assert min(start for start in found if start > 20) == first


def test_buffers_may_reach_past_closing_unless_said_otherwise() -> None:
    assert starts(situation(plain(5, pause=Pad(2, 3)))) == list(range(10, 36))
    assert starts(situation(plain(5, pause=Pad(2, 3), buffers_within_hours=True))) == list(range(12, 33))


def test_no_buffer_stands_between_phases() -> None:
    shape = Shape(NEEDLED, ("room",), pause=Pad(2, 2))
    # Another patient's hands-on stretch fills the whole rest, from cell 12 to 16.
    other = [Taken(12, 16)]
    assert 10 in starts(situation(shape, other))
    # A buffer before the first use and after the last one is kept.
    assert 10 not in starts(situation(shape, [Taken(9, 10)]))
    assert 10 not in starts(situation(shape, [Taken(18, 19)]))
    assert 10 in starts(situation(shape, [Taken(20, 21)]))


def test_the_whole_visit_lies_in_one_stretch_of_hours() -> None:
    lunch = DAY.stretch(10, 20) | DAY.stretch(24, 40)
    shape = Shape(NEEDLED, ("room",))
    assert not set(starts(situation(shape, open_cells=lunch))) & set(range(13, 24))


def test_no_absence_falls_into_a_rest() -> None:
    shape = Shape(NEEDLED, ("room",))
    assert not set(starts(situation(shape, absences=[(25, 26)]))) & set(range(18, 26))


def test_at_most_so_many_patients_at_once() -> None:
    shape = Shape(NEEDLED, ("room",))
    resting = [Visit(10, 40, "long"), Visit(10, 20, "short")]
    found = starts(situation(shape, visits=resting, at_once=2))
    assert min(found) == 20
    assert starts(situation(shape, visits=resting, at_once=3))[0] == 10


def test_a_room_is_taken_from_the_first_to_the_last_phase_that_needs_it() -> None:
    shape = Shape((Phase(2, room=False), Phase(2), Phase(2, room=False)), ("room",))
    assert shape.room and (shape.room.from_offset, shape.room.to_offset) == (2, 4)
    visit = assign(situation(shape), 1, 10)
    assert [use for use in visit.uses if use.resource_id == 10] == [(10, 12, 14, 0, 0)]


def test_the_next_room_serves_when_the_first_is_taken() -> None:
    shape = Shape((Phase(3),), ("room",))
    case = situation(shape, rooms=2, room_taken=[Taken(10, 40)])
    assert assign(case, 1, 20).room == 11
    assert starts(situation(shape, rooms=1, room_taken=[Taken(10, 40)])) == []


@pytest.mark.parametrize("phases", [(), (Phase(2, practitioner=False),)])
def test_a_visit_without_anything_to_do_is_refused(phases: tuple[Phase, ...]) -> None:
    with pytest.raises(ValueError, match="at least one phase"):
        Shape(phases)


def test_a_phase_takes_time() -> None:
    with pytest.raises(ValueError, match="five minutes"):
        Phase(0)
