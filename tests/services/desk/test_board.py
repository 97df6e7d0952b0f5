"""The board as data: who is where, what is free, and that it costs the same whatever lies before and after."""

from datetime import date, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, update

from booking.errors import NotFound
from booking.extensions import db
from booking.models import AbsenceKind, Appointment, Practitioner, Role
from booking.scheduling.status import Status
from booking.scheduling.timeline import cell_at, instant_of
from booking.services import absences
from booking.services.desk import board, new_visit, statuses
from booking.services.desk.board import Asked, BoardDay, Needles, View
from booking.services.desk.new_visit import DeskWish, NewPatient
from booking.services.desk.undoing import undo
from booking.services.staff.who import Who
from booking.services.transaction import run
from tests.clinics import clinic, needled, practitioner, rooms, set_up, visit_type
from tests.conftest import StandingClock
from tests.services.making import NINE, booked
from tests.staffing import hired

TUESDAY = date(2026, 9, 15)
DESK = Who(1, "Dana Desk", frozenset({Role.DESK}))


@pytest.fixture
def house(context: Flask, standing_clock: StandingClock) -> Flask:
    set_up(
        clinic(
            visit_types=[visit_type(turnover_after_minutes=10, pause_after_minutes=5), needled()],
            practitioners=[
                practitioner("ana", name="Ana Ruiz", offers=["follow-up", "needles"]),
                practitioner("ben", name="Ben Okoro"),
            ],
            rooms=rooms(3),
        )
    )
    return context


def tuesday(view: View = View.PEOPLE) -> BoardDay:
    return board.day(DESK, TUESDAY, view)


def column(found: BoardDay, key: str) -> board.Column:
    return next(one for one in found.columns if one.key == key)


def test_a_day_shows_who_works_when_with_the_break_and_what_is_free(house: Flask) -> None:
    ana = column(tuesday(), "ana")
    # From eight to eight, as the clinic is open; she works from nine to five, with lunch.
    assert tuesday().rows == 144
    assert [(one.from_row, one.to_row) for one in ana.closed] == [(0, 12), (48, 60), (108, 144)]
    assert [(one.from_row, one.to_row) for one in ana.free] == [(12, 48), (60, 108)]
    assert ana.now_row is None and ana.works


def test_a_visit_takes_its_rows_and_its_buffers_are_seen(house: Flask) -> None:
    visit = booked(practitioner="ana")
    ana = column(tuesday(), "ana")
    assert [(one.reference, one.from_row, one.to_row) for one in ana.visits] == [(visit.reference, 12, 18)]
    assert [(one.from_row, one.to_row) for one in ana.buffers] == [(18, 19)]
    assert [(one.from_row, one.to_row) for one in ana.free] == [(19, 48), (60, 108)]
    room = column(tuesday(View.ROOMS), "room-1")
    assert [(one.from_row, one.to_row) for one in room.buffers] == [(18, 20)]
    assert room.visits[0].practitioner == "Ana Ruiz"


def test_during_the_rest_the_practitioner_is_free_and_the_room_is_not(house: Flask) -> None:
    booked(visit_type="needles", practitioner="ana")
    ana = column(tuesday(), "ana")
    assert [(part.from_row, part.rows, part.full) for part in ana.visits[0].parts] == [
        (0, 3, True),
        (3, 5, False),
        (8, 2, True),
    ]
    assert (15, 20) in [(one.from_row, one.to_row) for one in ana.free]
    room = column(tuesday(View.ROOMS), "room-1")
    assert [(part.rows, part.full) for part in room.visits[0].parts] == [(10, True)]


def test_visits_at_the_same_time_lie_side_by_side(house: Flask) -> None:
    booked(visit_type="needles", practitioner="ana")
    booked(NINE + timedelta(minutes=15), visit_type="needles", practitioner="ana", first_name="Otto")
    booked(NINE + timedelta(hours=2), practitioner="ana", first_name="Eva")
    first, second, third = column(tuesday(), "ana").visits
    assert [(one.lane, one.lanes) for one in (first, second, third)] == [(0, 2), (1, 2), (0, 1)]


def test_time_off_a_closure_and_a_hold_are_seen_and_not_free(house: Flask) -> None:
    def action(session: Any) -> None:
        ben = session.query(Practitioner).filter_by(slug="ben").one()
        start = cell_at(NINE)
        absences.enter(session, AbsenceKind.TIME_OFF, ben.id, start, start + 12)
        absences.enter(session, AbsenceKind.CLOSURE, None, start + 24, start + 36)

    run(action)
    ben = column(tuesday(), "ben")
    assert [(one.from_row, one.to_row, one.words) for one in ben.absences] == [
        (12, 24, "time_off"),
        (36, 48, "closure"),
    ]
    assert [(one.from_row, one.to_row) for one in ben.free] == [(24, 36), (60, 108)]


def test_lateness_begins_after_ten_minutes_and_after_its_end_the_visit_is_marked_until_it_is_settled(
    house: Flask, standing_clock: StandingClock
) -> None:
    visit, who = booked(practitioner="ana"), hired()
    seen = []
    for minutes in (9, 10, 29, 30, 60 * 24):
        standing_clock.at(NINE + timedelta(minutes=minutes))
        found = tuesday()
        shown = column(found, "ana").visits[0]
        seen.append((shown.late_minutes, shown.not_arrived))
        assert (found.counts.late, found.counts.not_arrived) == (shown.late_minutes > 0, shown.not_arrived)
    assert seen == [(0, False), (10, False), (29, False), (0, True), (0, True)]
    # Whoever said that they can't come isn't waited for.
    run(lambda session: session.execute(update(Appointment).values(cannot_come_at=NINE)))
    for minutes in (15, 60):
        standing_clock.at(NINE + timedelta(minutes=minutes))
        assert (tuesday().counts.late, tuesday().counts.not_arrived) == (0, 0)
    statuses.no_show(who, visit.reference, key="no-show-1")
    found = tuesday()
    assert not column(found, "ana").visits[0].not_arrived and found.counts.not_arrived == 0


def test_needles_that_are_in_stand_on_every_board_until_they_are_out(
    house: Flask, standing_clock: StandingClock
) -> None:
    visit, who = booked(visit_type="needles", practitioner="ana"), hired()
    next_week = Asked(TUESDAY + timedelta(days=7))
    before = board.stamp(who, next_week)
    standing_clock.at(NINE + timedelta(minutes=15))
    statuses.needles_in(who, visit.reference, key="needles-1")
    stamp, found = board.board(who, next_week)
    (one,) = found.needles
    assert (one.reference, one.room, one.practitioner) == (visit.reference, "Room 1", "Ana Ruiz")
    assert (one.out_at, one.standing) == (NINE + timedelta(minutes=40), Needles.IN)
    assert stamp.needles != before.needles
    standing_clock.at(NINE + timedelta(minutes=46))
    assert board.board(who, next_week)[1].needles[0].standing is Needles.OVER
    statuses.needles_out(who, visit.reference, key="needles-2")
    assert board.board(who, next_week)[1].needles == ()


def test_needles_are_due_by_their_real_start_and_over_after_five_minutes(
    house: Flask, standing_clock: StandingClock
) -> None:
    visit = booked(visit_type="needles", practitioner="ana")
    with db.engine.begin() as connection:
        connection.execute(
            update(Appointment)
            .where(Appointment.reference == visit.reference)
            .values(needles_in_at=NINE + timedelta(minutes=20), status=Status.CHECKED_IN)
        )
    seen = []
    for minutes in (44, 45, 50):
        standing_clock.at(NINE + timedelta(minutes=minutes))
        found = column(tuesday(), "ana").visits[0]
        assert found.needles_out_at == NINE + timedelta(minutes=45)
        seen.append(found.needles)
    assert seen == [Needles.IN, Needles.DUE, Needles.OVER]


def test_a_week_has_the_days_of_one_person_side_by_side(house: Flask) -> None:
    visit = booked(practitioner="ana")
    booked(practitioner="ben", first_name="Otto")
    found = board.week(DESK, "ana", TUESDAY)
    assert found.columns[0].on.isoformat() == "2026-09-13"
    assert [one.works for one in found.columns] == [False, True, True, True, True, True, False]
    assert [one.reference for one in found.visits] == [visit.reference]
    assert found.columns[2].visits[0].from_row == 12
    assert found.counts.visits == 1


@pytest.mark.parametrize("day", ["2026-03-08", "2026-11-01"])
def test_in_the_week_in_which_the_clock_moves_nine_is_in_the_same_row(house: Flask, day: str) -> None:
    found = board.week(DESK, "ana", date.fromisoformat(day))
    times = {found.clinic.times.local(instant_of(one.cell0)).time().hour for one in found.columns}
    assert times == {8}
    assert {one.closed[0].to_row for one in found.columns[1:6]} == {12}


def test_a_cancelled_visit_is_counted_and_not_shown(house: Flask) -> None:
    visit = booked(practitioner="ana")
    with db.engine.begin() as connection:
        connection.execute(
            update(Appointment)
            .where(Appointment.reference == visit.reference)
            .values(status=Status.CANCELLED)
        )
    found = tuesday()
    assert (found.counts.visits, found.counts.cancelled) == (0, 1)
    assert list(found.visits) == []


def test_a_booking_that_was_taken_back_counts_for_nothing(house: Flask) -> None:
    rosa = NewPatient("Rosa", "Lima", "+18185550199", None)
    dana = hired()
    made = new_visit.book(dana, DeskWish(rosa, "follow-up", "ana", NINE), key="book-0001")
    undo(dana, made.entry_id, key="undo-0001")
    assert (tuesday().counts.visits, tuesday().counts.cancelled) == (0, 0)


def test_a_practitioner_alone_sees_no_board(house: Flask) -> None:
    ana = hired(Role.PRACTITIONER, practitioner="ana")
    with pytest.raises(NotFound):
        board.day(ana, TUESDAY, View.PEOPLE)
    with pytest.raises(NotFound):
        board.stamp(ana, Asked(TUESDAY))


def test_nobody_has_a_week_whom_the_clinic_does_not_know(house: Flask) -> None:
    with pytest.raises(NotFound):
        board.week(DESK, "nobody", TUESDAY)


def test_the_stamp_changes_with_whatever_the_board_shows(house: Flask, standing_clock: StandingClock) -> None:
    asked = Asked(TUESDAY)
    seen = [board.stamp(DESK, asked)]
    assert board.stamp(DESK, asked) == seen[0]
    visit = booked(practitioner="ana")
    seen.append(board.stamp(DESK, asked))
    with db.engine.begin() as connection:
        connection.execute(
            update(Appointment)
            .where(Appointment.reference == visit.reference)
            .values(version=2, status=Status.ARRIVED)
        )
    seen.append(board.stamp(DESK, asked))
    standing_clock.on(minutes=1)
    seen.append(board.stamp(DESK, asked))
    assert len(set(seen)) == 4


def test_a_board_takes_four_statements_and_its_stamp_one(house: Flask) -> None:
    """The stamp goes to the driver directly, so that only the other three are heard here."""
    for hour in range(3):
        for name in ("ana", "ben"):
            booked(NINE + timedelta(hours=hour), practitioner=name, first_name=f"N{hour}{name}")
    said: list[str] = []

    def heard(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith(("BEGIN", "COMMIT", "ROLLBACK")):
            said.append(statement)

    tuesday()
    event.listen(db.engine, "before_cursor_execute", heard)
    try:
        tuesday()
        assert len(said) == 3
        said.clear()
        board.stamp(DESK, Asked(TUESDAY))
        assert said == []
    finally:
        event.remove(db.engine, "before_cursor_execute", heard)


def test_the_board_never_reads_what_grows_as_a_whole(house: Flask) -> None:
    """The bounds of both ends stand in each statement, so an index ends where the day ends."""
    booked(practitioner="ana")
    said: list[tuple[str, Any]] = []

    def heard(connection: Any, cursor: Any, statement: str, values: Any, *_: Any) -> None:
        if statement.startswith(("SELECT", "(SELECT")):
            said.append((statement, values))

    event.listen(db.engine, "before_cursor_execute", heard)
    try:
        tuesday()
    finally:
        event.remove(db.engine, "before_cursor_execute", heard)
    assert said and all("to_cell" in statement or "clinic" in statement for statement, _ in said)
    if db.engine.dialect.name != "sqlite":
        # PostgreSQL reads a table of a few rows as a whole, whatever its indexes.
        return
    with db.engine.connect() as connection:
        plans = [
            str(row[3])
            for statement, values in said
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
        ]
    whole = [
        step
        for step in plans
        if step.startswith("SCAN")
        and any(f" {name}" in step for name in ("appointments", "claims", "patients", "absences"))
    ]
    assert whole == []
    assert any("ix_appointments_to_cell" in step for step in plans)
