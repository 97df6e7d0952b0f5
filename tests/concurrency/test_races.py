"""Races, with a barrier: many at one moment want the same time. And the proof that the race is real without guards."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from booking import clock
from booking.errors import Refusal, SlotTaken
from booking.extensions import db
from booking.models import Appointment, Claim, Hold, Patient
from booking.services import booking, holds, visits
from booking.services.rescheduling import reschedule
from booking.services.search import free_times
from tests.clinics import clinic, practitioner, rooms, set_up
from tests.conftest import MONDAY
from tests.services.making import NEXT_WEEK, booked, rows, wish

AT_ONCE = 8


@pytest.fixture
def app(app: Flask, standing_clock: Any) -> Flask:
    with app.app_context():
        set_up(clinic(practitioners=[practitioner("ana"), practitioner("ben")], rooms=rooms(2)))
    return app


def storm(app: Flask, attempt: Callable[[int], Any], at_once: int = AT_ONCE) -> list[Any]:
    """Runs `attempt(0)`, `attempt(1)`, … at one moment; what each gave or refused, in order."""
    barrier = threading.Barrier(at_once)
    answers: list[Any] = [None] * at_once

    def one(number: int) -> None:
        with app.app_context(), clock.turned_to(MONDAY):
            barrier.wait()
            try:
                answers[number] = attempt(number)
            except Refusal as refusal:
                answers[number] = refusal

    threads = [threading.Thread(target=one, args=(number,)) for number in range(at_once)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def overlaps() -> int:
    """Pairs of claims of one resource that overlap: what must never be."""
    query = """
        SELECT count(*) FROM claims a JOIN claims b
        ON a.resource_id = b.resource_id AND a.id < b.id AND a.from_cell < b.to_cell AND b.from_cell < a.to_cell
    """
    with db.engine.connect() as connection:
        return int(connection.execute(text(query)).scalar_one())


def someone(number: int, practitioner: str | None = "ana", **how: Any) -> booking.Wish:
    return wish(NEXT_WEEK, practitioner=practitioner, email=f"guest{number}@example.com", **how)


def test_of_many_who_want_one_time_one_gets_it(app: Flask) -> None:
    answers = storm(app, lambda number: booking.book(someone(number), actor="t", key=f"{number}"))
    with app.app_context():
        assert sum(isinstance(answer, booking.Booked) for answer in answers) == 1
        assert sum(isinstance(answer, SlotTaken) for answer in answers) == AT_ONCE - 1
        assert overlaps() == 0
        assert len(rows(Appointment)) == 1


def test_anyone_fills_everybody_and_no_more(app: Flask) -> None:
    answers = storm(app, lambda number: booking.book(someone(number, None), actor="t", key=f"{number}"))
    with app.app_context():
        assert sum(isinstance(answer, booking.Booked) for answer in answers) == 2
        assert overlaps() == 0


def test_one_patient_at_one_moment_becomes_one_record_in_one_place(app: Flask) -> None:
    answers = storm(
        app,
        lambda number: booking.book(
            wish(NEXT_WEEK, practitioner=("ana", "ben")[number % 2]), actor="t", key=f"{number}"
        ),
    )
    with app.app_context():
        assert sum(isinstance(answer, booking.Booked) for answer in answers) == 1
        assert len(rows(Patient)) == 1


def test_one_key_at_one_moment_books_once_and_answers_all(app: Flask) -> None:
    answers = storm(app, lambda number: booking.book(someone(0), actor="t", key="same"))
    with app.app_context():
        assert len({answer.reference for answer in answers if isinstance(answer, booking.Booked)}) == 1
        assert all(isinstance(answer, booking.Booked) for answer in answers)
        assert len(rows(Appointment)) == 1


def test_six_visits_are_enough_also_at_one_moment(app: Flask) -> None:
    def attempt(number: int) -> Any:
        start = NEXT_WEEK + timedelta(minutes=30 * number if number < 6 else 30 * number + 60)
        return booking.book(wish(start, first_name=f"Guest {number}"), actor="t", key=f"{number}")

    answers = storm(app, attempt)
    with app.app_context():
        assert sum(isinstance(answer, booking.Booked) for answer in answers) == 6


def test_holds_at_one_moment_hold_once(app: Flask) -> None:
    answers = storm(
        app,
        lambda number: holds.hold("follow-up", "ana", NEXT_WEEK, visitor=f"{number}", network=f"{number}"),
    )
    with app.app_context():
        assert sum(isinstance(answer, holds.Held) for answer in answers) == 1
        assert len(rows(Hold)) == 1


def test_two_who_move_to_one_time_do_not_both_get_it(app: Flask) -> None:
    with app.app_context():
        made = [
            booked(
                NEXT_WEEK + timedelta(days=1 + number // 4, minutes=30 * (number % 4)),
                practitioner="ana",
                email=f"{number}@example.com",
            )
            for number in range(AT_ONCE)
        ]

    def attempt(number: int) -> str:
        visit = made[number]
        reschedule(visit.reference, visit.token, NEXT_WEEK, "ana", actor="t", key=f"m{number}")
        return "moved"

    answers = storm(app, attempt)
    with app.app_context():
        assert answers.count("moved") == 1
        assert overlaps() == 0
        assert len({claim["appointment_id"] for claim in rows(Claim)}) == AT_ONCE


def test_moving_and_cancelling_at_one_moment_ends_in_one_of_both(app: Flask) -> None:
    with app.app_context():
        visit = booked(NEXT_WEEK, practitioner="ana")

    def attempt(number: int) -> str:
        if number % 2:
            visits.cancel(visit.reference, visit.token, "", actor="t", key=f"c{number}")
        else:
            later = NEXT_WEEK + timedelta(hours=1 + number)
            reschedule(visit.reference, visit.token, later, "ana", actor="t", key=f"m{number}")
        return "done"

    storm(app, attempt)
    with app.app_context():
        (row,) = rows(Appointment)
        assert overlaps() == 0
        assert (row["status"] == "cancelled") == (rows(Claim) == [])


def checked_before_anybody_wrote(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every booking now looks at offers that were computed before the storm: check first, insert later."""
    with app.app_context():
        found = free_times("follow-up", "ana", NEXT_WEEK.date(), 1)
    monkeypatch.setattr(booking, "locked", lambda *_, **__: found.offers)


def test_the_race_is_real_without_lock_and_guard(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: with the check before the lock and the database's guard taken away, the storm double-books."""
    checked_before_anybody_wrote(app, monkeypatch)
    with app.app_context(), db.engine.begin() as connection:
        if db.engine.dialect.name == "sqlite":
            connection.execute(text("DROP TRIGGER claims_overlap_on_insert"))
        else:
            connection.execute(text("ALTER TABLE claims DROP CONSTRAINT ex_claims_overlap"))
    answers = storm(app, lambda number: booking.book(someone(number), actor="t", key=f"{number}"))
    with app.app_context():
        assert sum(isinstance(answer, booking.Booked) for answer in answers) == AT_ONCE
        # Each pair of visits overlaps with its practitioner and with its room.
        assert overlaps() == 2 * AT_ONCE * (AT_ONCE - 1) // 2


def test_the_guard_of_the_database_holds_alone(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    checked_before_anybody_wrote(app, monkeypatch)
    answers = storm(app, lambda number: booking.book(someone(number), actor="t", key=f"{number}"))
    with app.app_context():
        assert sum(isinstance(answer, booking.Booked) for answer in answers) == 1
        assert sum(isinstance(answer, SlotTaken) for answer in answers) == AT_ONCE - 1
        assert overlaps() == 0
