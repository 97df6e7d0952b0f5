"""How the database looks things up, at a hundred times a small clinic's history: by index, whatever the length."""

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, text

from booking.extensions import db
from booking.models import Appointment, Claim
from booking.services.search import free_times
from tests.clinics import clinic, practitioner, rooms, set_up
from tests.services.making import NINE, booked

PAST_VISITS = 12_000


@pytest.fixture
def long_history(context: Flask, standing_clock: Any) -> Flask:
    """Past visits with their claims, in bulk, and what the database knows of them brought up to date."""
    set_up(clinic(practitioners=[practitioner("ana"), practitioner("ben")], rooms=rooms(4)))
    booked(NINE)
    with db.engine.begin() as connection:
        (one,) = connection.execute(Appointment.__table__.select()).mappings()
        people = list(connection.scalars(text("SELECT id FROM practitioners")))
        places = list(connection.scalars(text("SELECT id FROM rooms")))
        visits, claims = [], []
        for number in range(PAST_VISITS):
            place, first = number % len(places), 5_000_000 + number // len(places) * 12
            hull = {"from_cell": first, "to_cell": first + 10}
            who = {
                "practitioner_id": people[place % len(people)],
                "room_id": places[place],
                "status": "fulfilled",
            }
            visits.append(dict(one) | hull | who | {"id": 1000 + number, "reference": f"PAST{number}"})
            claims.append(
                hull
                | {"resource_id": places[place], "before": 0, "after": 2, "appointment_id": 1000 + number}
            )
            if place < len(people):
                claims.append(
                    hull
                    | {"resource_id": people[place], "before": 0, "after": 0, "appointment_id": 1000 + number}
                )
        connection.execute(Appointment.__table__.insert(), visits)
        connection.execute(Claim.__table__.insert(), claims)
        connection.execute(text("ANALYZE"))
    return context


def plan(statement: str, **values: Any) -> str:
    explain = "EXPLAIN QUERY PLAN " if db.engine.dialect.name == "sqlite" else "EXPLAIN "
    with db.engine.connect() as connection:
        return "\n".join(str(row) for row in connection.execute(text(explain + statement), values))


def test_claims_of_a_window_are_found_by_resource_and_end(long_history: Flask) -> None:
    shown = plan(
        "SELECT * FROM claims WHERE resource_id IN (1, 2, 3) AND to_cell > 5960000 AND from_cell < 5990000"
        " AND absence_id IS NULL"
    )
    assert "ix_claims_resource_id_to_cell" in shown
    assert "Seq Scan" not in shown and "SCAN claims" not in shown


def test_the_guard_looks_at_one_claim(long_history: Flask) -> None:
    if db.engine.dialect.name != "sqlite":
        shown = plan(
            "SELECT 1 FROM claims WHERE int4range(resource_id, resource_id, '[]') && int4range(1, 1, '[]')"
            " AND int4range(from_cell, to_cell) && int4range(5960000, 5960010)"
        )
        assert "ex_claims_overlap" in shown
        return
    shown = plan(
        "SELECT from_cell FROM claims WHERE resource_id = 1 AND to_cell > 5960000 ORDER BY to_cell LIMIT 1"
    )
    assert "ix_claims_resource_id_to_cell" in shown
    assert "TEMP B-TREE" not in shown


def test_due_messages_are_found_by_state_and_time(long_history: Flask) -> None:
    booked(NINE)
    shown = plan(
        "SELECT id FROM messages WHERE state = 'queued' AND due_at <= '2026-01-01' ORDER BY due_at LIMIT 50"
    )
    assert "ix_messages_state_due_at" in shown or db.engine.dialect.name == "postgresql"
    assert "SCAN messages" not in shown


def counted(action: Any) -> list[str]:
    statements: list[str] = []

    def heard(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith(("BEGIN", "COMMIT", "ROLLBACK")):
            statements.append(statement)

    event.listen(db.engine, "before_cursor_execute", heard)
    try:
        action()
    finally:
        event.remove(db.engine, "before_cursor_execute", heard)
    return statements


@pytest.mark.parametrize("days", [1, 30, 90])
def test_offers_take_three_statements_at_the_most(long_history: Flask, days: int) -> None:
    cold = counted(lambda: free_times("follow-up", None, days=days, visitor="me"))
    warm = counted(lambda: free_times("follow-up", None, days=days, visitor="me"))
    assert len(cold) <= 3
    assert len(warm) == 1
