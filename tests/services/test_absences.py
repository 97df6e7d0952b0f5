"""Time off, closures, and rooms out of use: they take what is free at once, and the rest as it comes free."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from booking import clock
from booking.errors import SlotTaken
from booking.models import Absence, AbsenceKind, Appointment, Claim, Practitioner, Room
from booking.scheduling.reasons import Why
from booking.scheduling.timeline import cell_at
from booking.services import absences, claims, holds, visits
from booking.services.search import free_times
from booking.services.transaction import run, transaction
from tests.clinics import clinic, practitioner, rooms, set_up
from tests.conftest import MakeApp
from tests.services.making import NEXT_WEEK, booked, rows

pytestmark = pytest.mark.usefixtures("standing_clock", "context")

# The absences of these tests last from nine to noon; what else there is, is from ten to half past.
NOON = NEXT_WEEK + timedelta(hours=3)
TEN = NEXT_WEEK + timedelta(hours=1)
START, END = cell_at(NEXT_WEEK), cell_at(NOON)
AROUND = {(START, START + 12), (START + 18, END)}
WHOLE = {(START, END)}
OMAR = {"first_name": "Omar", "email": "omar@example.com"}

KINDS = [AbsenceKind.TIME_OFF, AbsenceKind.CLOSURE, AbsenceKind.OUT_OF_USE]


def resource_of(kind: AbsenceKind) -> int | None:
    """Ana, everybody, or the only room."""
    if kind is AbsenceKind.CLOSURE:
        return None
    row: int = rows(Practitioner if kind is AbsenceKind.TIME_OFF else Room)[0]["id"]
    return row


def enter(kind: AbsenceKind, first: datetime = NEXT_WEEK, last: datetime = NOON) -> int:
    with transaction() as session:
        return absences.enter(session, kind, resource_of(kind), cell_at(first), cell_at(last)).id


def take_back(absence_id: int) -> None:
    with transaction() as session:
        absences.take_back(session, session.get_one(Absence, absence_id))


def taken(absence_id: int | None = None) -> set[tuple[int, int]]:
    """The cells that absences have claimed, put together where they touch."""
    merged: list[tuple[int, int]] = []
    for row in sorted(rows(Claim), key=lambda row: row["from_cell"]):
        if row["absence_id"] is None or absence_id not in (None, row["absence_id"]):
            continue
        if merged and merged[-1][1] == row["from_cell"]:
            merged[-1] = (merged[-1][0], row["to_cell"])
        else:
            merged.append((row["from_cell"], row["to_cell"]))
    return set(merged)


def set_up_one_of_each() -> None:
    set_up(clinic(rooms=rooms(1)))


def hold_ten() -> None:
    holds.hold("follow-up", None, TEN, visitor="someone", network="there")


def forget_lapsed() -> None:
    run(lambda session: claims.forget_lapsed(session, clock.now()))


@pytest.mark.parametrize("kind", KINDS)
def test_an_absence_takes_what_is_free_and_nobody_can_book_there(kind: AbsenceKind) -> None:
    set_up_one_of_each()
    enter(kind)
    assert taken() == WHOLE
    with pytest.raises(SlotTaken):
        booked(TEN)
    booked(NOON + timedelta(hours=1))


@pytest.mark.parametrize("kind", KINDS)
def test_a_visit_inside_stands_and_gives_its_cells_over_when_it_is_cancelled(kind: AbsenceKind) -> None:
    set_up_one_of_each()
    visit = booked(TEN)
    enter(kind)
    assert taken() == AROUND
    assert rows(Appointment)[0]["status"] == "booked"
    visits.cancel(visit.reference, visit.token, "", actor="t", key="c")
    assert taken() == WHOLE
    with pytest.raises(SlotTaken):
        booked(TEN, **OMAR)


@pytest.mark.parametrize("kind", KINDS)
def test_a_hold_that_lapsed_gives_its_cells_over_when_it_is_forgotten(
    kind: AbsenceKind, standing_clock: Any
) -> None:
    set_up_one_of_each()
    hold_ten()
    enter(kind)
    assert taken() == AROUND
    standing_clock.on(minutes=10, seconds=1)
    forget_lapsed()
    assert taken() == WHOLE


@pytest.mark.parametrize("kind", KINDS)
def test_a_hold_that_had_lapsed_already_is_taken_at_once(kind: AbsenceKind, standing_clock: Any) -> None:
    set_up_one_of_each()
    hold_ten()
    standing_clock.on(minutes=10)
    enter(kind)
    assert taken() == WHOLE


def test_whoever_looks_for_a_time_clears_a_lapsed_hold_away_for_the_absence(standing_clock: Any) -> None:
    set_up_one_of_each()
    hold_ten()
    enter(AbsenceKind.TIME_OFF)
    standing_clock.on(minutes=10)
    booked(NOON + timedelta(hours=1))
    assert taken() == WHOLE


@pytest.mark.parametrize("kind", KINDS)
def test_an_absence_that_is_taken_back_frees_its_time(kind: AbsenceKind) -> None:
    set_up_one_of_each()
    visit = booked(TEN)
    absence = enter(kind)
    visits.cancel(visit.reference, visit.token, "", actor="t", key="c")
    take_back(absence)
    assert (rows(Absence), taken()) == ([], set())
    booked(TEN, **OMAR)


def test_what_another_absence_wants_as_well_stays_taken() -> None:
    set_up_one_of_each()
    first = enter(AbsenceKind.TIME_OFF)
    second = enter(AbsenceKind.TIME_OFF, TEN, NOON + timedelta(hours=2))
    assert taken(second) == {(END, END + 24)}
    take_back(first)
    assert taken() == {(START + 12, END + 24)}
    booked(NEXT_WEEK)


def test_a_closure_and_a_time_off_share_a_day_and_go_one_by_one() -> None:
    set_up_one_of_each()
    closure, away = enter(AbsenceKind.CLOSURE), enter(AbsenceKind.TIME_OFF)
    take_back(closure)
    assert taken(away) == WHOLE
    with pytest.raises(SlotTaken):
        booked(TEN)
    take_back(away)
    booked(TEN, key="once more")


def test_a_closure_takes_everybody_and_no_room() -> None:
    set_up(clinic(practitioners=[practitioner("ana"), practitioner("ben")]))
    enter(AbsenceKind.CLOSURE)
    claimed = {row["resource_id"] for row in rows(Claim)}
    assert claimed == {row["id"] for row in rows(Practitioner)}
    found = free_times("follow-up", None, NEXT_WEEK.date(), 1)
    assert min(free.starts_at for free in found.each()) == NOON + timedelta(hours=1)


def test_time_off_is_one_persons_alone() -> None:
    set_up(clinic(practitioners=[practitioner("ana"), practitioner("ben")]))
    enter(AbsenceKind.TIME_OFF)
    assert booked(TEN).practitioner == "ben"


def test_a_room_out_of_use_sends_visits_to_another(standing_clock: Any) -> None:
    set_up(clinic(rooms=rooms(2)))
    enter(AbsenceKind.OUT_OF_USE)
    booked(TEN)
    (visit,) = rows(Appointment)
    assert [row["slug"] for row in rows(Room) if row["id"] == visit["room_id"]] == ["room-2"]


def test_the_only_room_out_of_use_is_the_reason() -> None:
    set_up_one_of_each()
    enter(AbsenceKind.OUT_OF_USE, NEXT_WEEK, NEXT_WEEK + timedelta(hours=8))
    found = free_times("follow-up", None, NEXT_WEEK.date(), 1)
    assert found.reason and found.reason.why is Why.NO_ROOM
    assert found.first_free and found.first_free.same


@pytest.mark.parametrize("kind", KINDS)
def test_other_processes_see_an_absence_come_and_go(
    kind: AbsenceKind, database_url: str, make_app: MakeApp
) -> None:
    set_up_one_of_each()
    elsewhere: Flask = make_app(database_url)

    def ten_is_free() -> bool:
        with elsewhere.app_context():
            found = free_times("follow-up", None, NEXT_WEEK.date(), 1)
            return any(free.starts_at == TEN for free in found.each())

    assert ten_is_free()
    absence = enter(kind)
    assert not ten_is_free()
    take_back(absence)
    assert ten_is_free()
