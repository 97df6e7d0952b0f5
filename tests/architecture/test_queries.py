"""How the database looks things up in a long history: by index, whatever the length.

The statements are the product's own: taken down while it says them, or from where it keeps them. A plan changes with
the pages of a table, not with years: PostgreSQL reads a table of a few pages as a whole, whatever its indexes, and
turns to an index once that is cheaper, at some hundreds of rows; from there on a whole table only gets dearer. SQLite
decides by the form of a statement, without statistics: the product never gathers any. So a few thousand rows, a
hundred times a practice's first week (30 visits), stand for a hundred times a history; the controls show, with the
index taken away, that at this size the plan would be another.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from typing import Any
from unittest import mock

import pytest
from flask import Flask
from sqlalchemy import Connection, Table, event, text

from booking import clock
from booking.extensions import db
from booking.migrations import guards
from booking.models import (
    Absence,
    AbsenceKind,
    Appointment,
    Claim,
    HistoryEntry,
    KeptAnswer,
    Message,
    MessageState,
    Patient,
    Resource,
    ResourceKind,
)
from booking.reminders import delivery
from booking.services import holds, visits
from booking.services.clinic import present
from booking.services.desk.calls import call_list
from booking.services.desk.pressing import pressing
from booking.services.lookup import Lookup
from booking.services.occupancies import _TAKEN, open_window
from booking.services.rescheduling import reschedule
from booking.services.search import free_times
from tests import databases
from tests.clinics import clinic, practitioner, rooms, set_up
from tests.conftest import MONDAY, standing
from tests.services.making import NEXT_WEEK, NINE, booked
from tests.staffing import hired

PAST_VISITS = 3_000

# What grows with the years, and is never read as a whole.
GROWS = ("claims", "appointments", "messages", "patients", "history", "absences", "kept_answers", "resources")


@pytest.fixture
def long_history(database_kind: str, standing_clock: Any) -> Iterator[Flask]:
    """Past visits with patients, claims, messages and history, in bulk; and statistics that know of them."""
    kept = _kept_history(database_kind)
    with databases.renewed(database_kind, kept) as url, standing(url) as app, app.app_context():
        present()  # A process reads its clinic once.
        yield app


@cache
def _kept_history(kind: str) -> str:
    """It is made once."""
    with databases.renewed(kind) as url:
        with standing(url) as app, app.app_context():
            _fill_history()
        return databases.keep(url)


def _fill_history() -> None:
    set_up(clinic(practitioners=[practitioner("ana"), practitioner("ben")], rooms=rooms(4)))
    booked(NEXT_WEEK + timedelta(days=1))
    with db.engine.begin() as connection:
        one = {
            table: dict(connection.execute(table.select().limit(1)).mappings().one())
            for table in map(_table, (Appointment, Patient, Message, HistoryEntry, KeptAnswer))
        }
        people = list(connection.scalars(text("SELECT id FROM practitioners ORDER BY id")))
        places = list(connection.scalars(text("SELECT id FROM rooms ORDER BY id")))

        def fill(kind: Any, row: Callable[[int], dict[str, Any]]) -> None:
            table = _table(kind)
            like = one.get(table, {})
            connection.execute(table.insert(), [like | row(number) for number in range(PAST_VISITS)])

        def hull(number: int) -> dict[str, int]:
            first = 5_000_000 + number // len(places) * 12
            return {"from_cell": first, "to_cell": first + 10}

        fill(Resource, lambda n: {"id": 1000 + n, "kind": ResourceKind.PATIENT, "version": 1})
        fill(
            Patient,
            lambda n: {
                "id": 1000 + n,
                "name_key": f"guest|{n}",
                "email": f"{n}@example.com",
                "reference": f"PAST{n}",
            },
        )
        fill(Appointment, lambda n: hull(n) | {
            "id": 1000 + n, "reference": f"PAST{n}", "status": "fulfilled", "email": f"{n}@example.com",
            "patient_id": 1000 + n, "practitioner_id": people[n % 2], "room_id": places[n % 4],
        })  # fmt: skip
        fill(Claim, lambda n: hull(n) | {"resource_id": places[n % 4], "before": 0, "after": 2,
                                         "appointment_id": 1000 + n})  # fmt: skip
        fill(Claim, lambda n: hull(4 * n) | {"resource_id": people[n % 2], "before": 0, "after": 0,
                                             "appointment_id": 1000 + n})  # fmt: skip
        fill(Message, lambda n: {
            "id": 1000 + n, "subject": f"appointment/PAST{n}", "state": MessageState.SENT, "appointment_id": 1000 + n,
            "due_at": MONDAY - timedelta(hours=n), "address": f"{n}@example.com", "sent_at": MONDAY,
        })  # fmt: skip
        fill(HistoryEntry, lambda n: {
            "id": 1000 + n, "appointment_id": 1000 + n, "at": MONDAY - timedelta(hours=n),
        })  # fmt: skip
        fill(KeptAnswer, lambda n: {"key": f"past {n}"})
        fill(Absence, lambda n: hull(n) | {
            "kind": AbsenceKind.TIME_OFF, "resource_id": people[n % 2], "reason": "", "made_at": MONDAY,
        })  # fmt: skip
        if connection.dialect.name == "postgresql":
            for name in ("appointments", "messages", "history", "resources"):
                connection.execute(text(f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), 100000)"))
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        # As autovacuum does it; SQLite decides without.
        if connection.dialect.name == "postgresql":
            connection.execute(text("VACUUM ANALYZE"))


def _table(kind: Any) -> Table:
    table: Table = kind.__table__
    return table


def plan(statement: str, values: Any, connection: Connection | None = None) -> str:
    """How the database would answer a statement, in its own dialect and with its values."""
    if connection is None:
        with db.engine.connect() as connection:
            return plan(statement, values, connection)
    explain = "EXPLAIN QUERY PLAN " if connection.dialect.name == "sqlite" else "EXPLAIN "
    return "\n".join(str(row) for row in connection.exec_driver_sql(explain + statement, values))


def compiled(statement: Any, **values: Any) -> tuple[str, Any]:
    """A statement of the product, as the driver gets it."""
    said = list(taken_down(lambda: _execute(statement, values)))
    return said[-1]


def _execute(statement: Any, values: dict[str, Any]) -> None:
    with db.engine.connect() as connection:
        connection.execute(statement, values).all()


def taken_down(action: Callable[[], Any]) -> list[tuple[str, Any]]:
    """The statements that an action says, with their values; also those that no listener hears."""
    said: list[tuple[str, Any]] = []
    ask = Lookup.all

    def asked(lookup: Lookup, **values: Any) -> list[Any]:
        said.append(("a lookup", values))
        return ask(lookup, **values)

    def heard(connection: Any, cursor: Any, statement: str, values: Any, *_: Any) -> None:
        if not statement.startswith(("BEGIN", "COMMIT", "ROLLBACK")):
            said.append((statement, values))

    event.listen(db.engine, "before_cursor_execute", heard)
    try:
        with mock.patch.object(Lookup, "all", asked):
            action()
    finally:
        event.remove(db.engine, "before_cursor_execute", heard)
    return said


def read_whole(shown: str) -> set[str]:
    """The growing tables that a plan reads from end to end."""
    # SQLite calls it a scan also where it goes through all of an index. One has nothing but what doesn't grow: people,
    # rooms and devices.
    whole = re.findall(r"(?:Seq Scan on|SCAN) (\w+)(?! USING (?:COVERING )?INDEX ix_resources_shared)", shown)
    return set(whole) & set(GROWS)


@contextmanager
def without(index: str) -> Iterator[Connection]:
    """A connection that sees the database without one of its indexes; it comes back in the end."""
    with db.engine.connect() as connection, connection.begin() as attempt:
        connection.execute(text(f"DROP INDEX {index}"))
        yield connection
        attempt.rollback()


def what_is_taken() -> tuple[str, Any]:
    window = open_window(present(), clock.now())
    with db.engine.connect() as connection:
        shared = text("SELECT id FROM resources WHERE kind <> 'patient'")
        ids = list(connection.scalars(shared))
    return compiled(_TAKEN, ids=ids, start=window.start, end=window.end)


def test_what_is_taken_is_found_by_resource_and_end(long_history: Flask) -> None:
    shown = plan(*what_is_taken())
    assert "ix_claims_resource_id_to_cell" in shown
    assert "ix_absences_to_cell" in shown
    assert read_whole(shown) == set()


@pytest.mark.parametrize(
    ("index", "table"), [("ix_claims_resource_id_to_cell", "claims"), ("ix_absences_to_cell", "absences")]
)
def test_without_its_index_the_same_would_read_the_whole_table(
    long_history: Flask, index: str, table: str
) -> None:
    """The control: this history is long enough for a plan to matter, and `read_whole` sees it."""
    statement, values = what_is_taken()
    with without(index) as connection:
        assert table in read_whole(plan(statement, values, connection))


def guard(resource_id: int = 1, from_cell: int = 5_960_000, to_cell: int = 5_960_010) -> str:
    """What the database's guard asks for each claim, as the migrations have it, for one claim."""
    new = {"resource_id": resource_id, "from_cell": from_cell, "to_cell": to_cell, "id": 0}
    if db.engine.dialect.name == "sqlite":
        question = re.sub(r"NEW\.(\w+)", lambda found: str(new[found[1]]), guards._OVERLAPS)
        assert "claims_overlap_on_insert" in guards._SQLITE
        return f"SELECT {question}"
    elements = re.findall(r"(int4range\([^()]*\)) WITH (\S+?)[,)]", guards.OVERLAP_ON_POSTGRESQL + ")")
    assert [operator for _, operator in elements] == ["&&", "&&"]
    clashes = (
        f"{element} {operator} {re.sub(r'[a-z_]+_(?:id|cell)', lambda found: str(new[found[0]]), element)}"
        for element, operator in elements
    )
    return f"SELECT 1 FROM claims WHERE {' AND '.join(clashes)}"


def test_the_guard_looks_at_one_claim(long_history: Flask) -> None:
    shown = plan(guard(), ())
    assert read_whole(shown) == set()
    if db.engine.dialect.name == "sqlite":
        assert "ix_claims_resource_id_to_cell (resource_id=? AND to_cell>?)" in shown
        # The first by its end, without sorting those that end later.
        assert "TEMP B-TREE" not in shown
    else:
        assert "ex_claims_overlap" in shown
        # Both halves of it, so that neither a resource's nor a moment's claims are gone through.
        (condition,) = re.findall(r"Index Cond: (.*)", shown)
        assert condition.count("&&") == 2


def test_without_its_index_the_guard_would_read_all_claims(long_history: Flask) -> None:
    if db.engine.dialect.name == "sqlite":
        with without("ix_claims_resource_id_to_cell") as connection:
            assert read_whole(plan(guard(), (), connection)) == {"claims"}
        return
    with db.engine.connect() as connection, connection.begin() as attempt:
        connection.execute(text("ALTER TABLE claims DROP CONSTRAINT ex_claims_overlap"))
        assert read_whole(plan(guard(), (), connection)) == {"claims"}
        attempt.rollback()


def due_messages() -> tuple[str, Any]:
    """What a worker asks for when it claims what is due. Here that is one confirmation."""
    said = taken_down(lambda: delivery.claim(50))
    return next(one for one in said if one[0].startswith("SELECT") and "ORDER BY messages.due_at" in one[0])


def test_due_messages_are_found_by_state_and_time(long_history: Flask) -> None:
    shown = plan(*due_messages())
    assert "ix_messages_state_due_at" in shown
    assert read_whole(shown) == set()


def test_without_its_index_the_outbox_would_be_read_whole(long_history: Flask) -> None:
    statement, values = due_messages()
    with without("ix_messages_state_due_at") as connection:
        assert read_whole(plan(statement, values, connection)) == {"messages"}


def book_once_more() -> None:
    booked(NINE, visitor="me", phone="+18185550123")


def hold_a_time() -> None:
    holds.hold("follow-up", None, NINE, visitor="me", network="here")


def move_and_cancel() -> None:
    visit = booked(NINE)
    reschedule(visit.reference, visit.token, NEXT_WEEK, None, actor="t", key="m")
    visits.cancel(visit.reference, visit.token, "", actor="t", key="c")


def correct_a_contact() -> None:
    visit = booked(NEXT_WEEK)
    visits.correct_contact(visit.reference, visit.token, "right@example.com", None, actor="t", key="c")


def claim_what_is_due() -> None:
    assert delivery.claim(50)


def look_for_times() -> None:
    free_times("follow-up", None, days=30, visitor="me")


def see_what_presses() -> None:
    pressing(hired(), present())
    call_list(hired())


@pytest.mark.parametrize(
    "action",
    [
        book_once_more,
        hold_a_time,
        move_and_cancel,
        correct_a_contact,
        claim_what_is_due,
        look_for_times,
        see_what_presses,
    ],
)
def test_no_use_case_reads_what_grows_as_a_whole(long_history: Flask, action: Callable[[], None]) -> None:
    said = [
        (statement, values)
        for statement, values in taken_down(action)
        if statement.lstrip("( ").startswith(("SELECT", "UPDATE", "DELETE"))
        and isinstance(values, tuple | dict)
    ]
    assert said
    slow = {statement: found for statement, values in said if (found := read_whole(plan(statement, values)))}
    assert slow == {}


@pytest.mark.parametrize("days", [1, 30, 90])
def test_offers_take_three_statements_at_the_most(long_history: Flask, days: int) -> None:
    look = lambda: free_times("follow-up", None, days=days, visitor="me")  # noqa: E731
    cold, warm = taken_down(look), taken_down(look)
    assert len(cold) <= 3
    assert len(warm) == 1
