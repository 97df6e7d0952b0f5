"""Holds: a time is kept while its visitor types, lapses by itself, and is in nobody's way then."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from booking import clock
from booking.errors import BeyondHorizon, NotFound, NotOffered, SlotTaken, TooManyHolds, TooSoon
from booking.extensions import db
from booking.models import Appointment, Claim, Hold, Resource, ResourceKind, Room
from booking.scheduling.timeline import instant_of
from booking.services import claims, holds
from booking.services.rescheduling import reschedule
from booking.services.search import free_times
from booking.services.transaction import run
from tests.clinics import clinic, practitioner, rooms, set_up
from tests.services.making import NEXT_WEEK, NINE, booked, rows

pytestmark = pytest.mark.usefixtures("standing_clock", "context")

HOUR = timedelta(hours=1)
OMAR = {"first_name": "Omar", "email": "omar@example.com"}


def hold(
    starts_at: datetime = NINE, visitor: str = "me", network: str = "here", practitioner: str | None = None
) -> holds.Held:
    return holds.hold("follow-up", practitioner, starts_at, visitor=visitor, network=network)


def held_by(visitor: str) -> list[datetime]:
    """What this visitor's rows hold, lapsed or not."""
    return [instant_of(row["from_cell"]) for row in rows(Hold) if row["visitor"] == visitor]


def claimed_by_holds() -> set[int | None]:
    return {row["hold_id"] for row in rows(Claim)} - {None}


def free(visitor: str | None = None) -> set[datetime]:
    return {one.starts_at for one in free_times("follow-up", None, NINE.date(), 1, visitor=visitor).each()}


def versions() -> dict[int, int]:
    shared = select(Resource.id, Resource.version).where(Resource.kind != ResourceKind.PATIENT)
    with db.engine.connect() as connection:
        return {one: version for one, version in connection.execute(shared)}


def test_a_hold_takes_practitioner_and_room_for_ten_minutes() -> None:
    set_up()
    assert hold() == holds.Held(NINE, "ana")
    (row,) = rows(Hold)
    assert row["lapses_at"] - row["made_at"] == timedelta(minutes=10)
    assert {(one["from_cell"], one["to_cell"]) for one in rows(Claim)} == {(row["from_cell"], row["to_cell"])}
    assert len(rows(Claim)) == 2
    assert NINE not in free()


def test_a_third_hold_releases_the_oldest_and_no_other(standing_clock: Any) -> None:
    set_up()
    for number in range(3):
        hold(NINE + number * HOUR)
        hold(NINE + number * HOUR + HOUR / 2, visitor="you")
        standing_clock.on(minutes=1)
    assert held_by("me") == [NINE + HOUR, NINE + 2 * HOUR]
    assert held_by("you") == [NINE + 1.5 * HOUR, NINE + 2.5 * HOUR]
    assert claimed_by_holds() == {row["id"] for row in rows(Hold)}
    assert NINE in free()
    assert not {NINE + HOUR, NINE + 2 * HOUR} & free()


def test_holds_of_one_moment_go_in_the_order_in_which_they_were_made() -> None:
    set_up()
    for number in (2, 1, 0):
        hold(NINE + number * HOUR)
    assert held_by("me") == [NINE + HOUR, NINE]


def test_choosing_a_time_that_overlaps_gives_up_that_one_and_keeps_the_other() -> None:
    set_up(clinic(rooms=rooms(1)))
    hold(NINE + 2 * HOUR)
    hold(NINE)
    hold(NINE + HOUR / 4)
    assert held_by("me") == [NINE + 2 * HOUR, NINE + HOUR / 4]


def test_the_same_time_again_lasts_anew(standing_clock: Any) -> None:
    set_up()
    hold()
    standing_clock.on(minutes=9)
    hold()
    standing_clock.on(minutes=9)
    assert held_by("me") == [NINE]
    with pytest.raises(SlotTaken):
        booked(**OMAR)


@pytest.mark.parametrize(
    ("how", "refusal"),
    [
        ({"starts_at": NINE + timedelta(minutes=5)}, SlotTaken),
        ({"starts_at": NINE - timedelta(hours=24)}, TooSoon),
        ({"starts_at": NINE + timedelta(days=91)}, BeyondHorizon),
        ({"practitioner": "nobody"}, NotFound),
        ({"practitioner": "zoe"}, NotOffered),
    ],
)
def test_what_cannot_be_booked_cannot_be_held(how: dict[str, Any], refusal: type[Exception]) -> None:
    set_up(clinic(practitioners=[practitioner("ana"), practitioner("zoe", offers=[])]))
    hold(NINE + HOUR)
    before = rows(Hold), rows(Claim)
    with pytest.raises(refusal):
        hold(**how)
    assert (rows(Hold), rows(Claim)) == before


def test_a_third_hold_that_is_refused_releases_nothing() -> None:
    set_up()
    booked(NINE + 2 * HOUR, **OMAR)
    hold(NINE)
    hold(NINE + HOUR)
    with pytest.raises(SlotTaken):
        hold(NINE + 2 * HOUR)
    assert held_by("me") == [NINE, NINE + HOUR]


def test_a_network_holds_ten_and_says_when_it_may_hold_more(standing_clock: Any) -> None:
    set_up(clinic(practitioners=[practitioner("ana"), practitioner("ben")]))
    times = [NINE + number * HOUR / 2 for number in range(6)]
    chosen = [(start, person) for start in times for person in ("ana", "ben")]
    for number, (start, person) in enumerate(chosen[:10]):
        hold(start, visitor=f"{number}", practitioner=person)
        standing_clock.on(seconds=1)
    with pytest.raises(TooManyHolds) as refused:
        hold(times[5], visitor="late")
    assert refused.value.facts == {"retry_after": 591}
    assert len(rows(Hold)) == 10
    hold(times[5], visitor="late", network="elsewhere")
    # The same time once more makes no more of them.
    hold(times[0], visitor="0", practitioner="ana")
    standing_clock.on(minutes=10)
    hold(NINE + 4 * HOUR, visitor="late")


def test_a_visitors_own_lapsed_hold_costs_nothing(standing_clock: Any) -> None:
    set_up()
    hold()
    standing_clock.on(minutes=10)
    booked(visitor="me")
    assert rows(Hold) == []
    assert claimed_by_holds() == set()


def test_a_lapsed_hold_of_a_time_that_went_to_another_is_a_taken_time(standing_clock: Any) -> None:
    set_up()
    hold()
    standing_clock.on(minutes=10)
    booked(**OMAR)
    with pytest.raises(SlotTaken):
        booked(visitor="me")


def test_a_lapsed_hold_may_be_held_by_another_and_not_a_moment_earlier(standing_clock: Any) -> None:
    set_up()
    hold()
    standing_clock.on(minutes=10, seconds=-1)
    with pytest.raises(SlotTaken):
        hold(visitor="you")
    standing_clock.on(seconds=1)
    hold(visitor="you")
    assert held_by("you") == [NINE]
    assert claimed_by_holds() == {row["id"] for row in rows(Hold) if row["visitor"] == "you"}


def test_a_lapsed_hold_leaves_its_room_to_somebody_elses_visit(standing_clock: Any) -> None:
    """Whoever wants the room clears it away; what it keeps of another practitioner stays until somebody wants that."""
    set_up(clinic(practitioners=[practitioner("ana"), practitioner("ben")], rooms=rooms(1)))
    hold(practitioner="ana")
    standing_clock.on(minutes=10)
    booked(practitioner="ben")
    assert rows(Appointment)[0]["room_id"] == rows(Room)[0]["id"]
    booked(NINE + HOUR, practitioner="ana", **OMAR)
    booked(NINE + timedelta(days=1), practitioner="ana", first_name="Mia")


def test_a_booking_gives_up_whatever_its_visitor_held_and_nobody_elses() -> None:
    set_up()
    hold(NINE)
    hold(NINE + HOUR)
    hold(NINE + 2 * HOUR, visitor="you")
    booked(visitor="me")
    assert held_by("me") == []
    assert held_by("you") == [NINE + 2 * HOUR]
    assert NINE + HOUR in free()


def test_a_booking_that_is_refused_keeps_the_hold() -> None:
    set_up()
    booked(NINE + HOUR, **OMAR)
    hold(NINE)
    with pytest.raises(SlotTaken):
        booked(NINE + HOUR, visitor="me")
    assert held_by("me") == [NINE]


def test_an_own_hold_is_used_up_by_a_move() -> None:
    set_up()
    visit = booked(NEXT_WEEK)
    hold(NINE)
    reschedule(visit.reference, visit.token, NINE, None, actor="t", key="m", visitor="me")
    assert rows(Hold) == []
    assert {instant_of(row["from_cell"]) for row in rows(Claim)} == {NINE}


def test_lapsed_holds_are_forgotten_and_others_are_told(standing_clock: Any) -> None:
    set_up(clinic(practitioners=[practitioner("ana"), practitioner("ben")]))
    hold(practitioner="ana")
    standing_clock.on(minutes=5)
    hold(NINE + HOUR, visitor="you", practitioner="ben")
    standing_clock.on(minutes=5, seconds=1)
    before = versions()
    gone = {row["resource_id"] for row in rows(Claim) if row["hold_id"] == rows(Hold)[0]["id"]}
    run(lambda session: claims.forget_lapsed(session, clock.now()))
    assert (held_by("me"), held_by("you")) == ([], [NINE + HOUR])
    assert claimed_by_holds() == {row["id"] for row in rows(Hold)}
    bumped = {one for one, version in versions().items() if version != before[one]}
    assert bumped == gone
    run(lambda session: claims.forget_lapsed(session, clock.now()))
    assert held_by("you") == [NINE + HOUR]
