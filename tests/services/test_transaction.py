"""Transactions, and the connections that they run on."""

import psycopg
import pytest
from flask import Flask
from sqlalchemy import text

from booking.errors import Busy
from booking.extensions import db
from booking.services import transaction
from booking.services.transaction import reading, run

on_postgresql = pytest.mark.parametrize(
    "database_kind", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True
)


def test_a_transaction_does_not_open_another_inside(context: Flask) -> None:
    with transaction.transaction(), pytest.raises(RuntimeError, match="open already"), reading():
        pass


def test_reading_keeps_nothing(context: Flask) -> None:
    with reading() as session:
        session.execute(text("INSERT INTO opt_outs (phone, at, words) VALUES ('1', '2026-01-01', '')"))
    assert run(lambda session: session.scalar(text("SELECT count(*) FROM opt_outs"))) == 0


def end_the_connection_in_the_pool() -> None:
    """As a database does that is started again. It is the only one: others may rest there from tests before."""
    db.engine.dispose()
    pid = run(lambda session: session.scalar(text("SELECT pg_backend_pid()")))
    url = db.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", (pid,))
        while other.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", (pid,)).fetchone():
            pass


@on_postgresql
def test_a_connection_that_died_while_idle_is_replaced(
    context: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transaction, "IDLE_SECONDS", 0)
    end_the_connection_in_the_pool()
    assert run(lambda session: session.scalar(text("SELECT 1"))) == 1


@on_postgresql
def test_one_that_died_a_moment_ago_is_told_as_busy_once(context: Flask) -> None:
    end_the_connection_in_the_pool()
    with pytest.raises(Busy):
        run(lambda session: session.scalar(text("SELECT 1")))
    assert run(lambda session: session.scalar(text("SELECT 1"))) == 1
