"""The worker: its heartbeat, its fences, and the net under the outbox."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, update

from booking.extensions import db
from booking.models import Heartbeat, Installation, Message
from booking.reminders.delivery import deliver_due
from booking.reminders.worker import Worker
from booking.services import reconciling
from booking.services.transaction import run
from tests.clinics import set_up
from tests.conftest import MONDAY, MakeApp
from tests.reminders.sink import Sink
from tests.services.making import NEXT_WEEK, booked, rows

pytestmark = pytest.mark.usefixtures("standing_clock")


@pytest.fixture
def worker(app: Flask) -> Worker:
    with app.app_context():
        set_up()
    return Worker(app, "first")


def test_a_tick_sends_what_is_due_and_leaves_a_heartbeat(worker: Worker, app: Flask, sink: Sink) -> None:
    with app.app_context():
        booked(NEXT_WEEK)
    worker.tick()
    assert len(sink.taken) == 1
    with app.app_context():
        (beat,) = rows(Heartbeat)
        assert (beat["worker"], beat["trouble"]) == ("first", "")
    assert app.test_client().get("/readyz").get_json()["worker"] is True


def test_a_silent_worker_is_seen(worker: Worker, app: Flask, standing_clock: Any) -> None:
    worker.tick()
    standing_clock.on(minutes=2, seconds=1)
    answer = app.test_client().get("/readyz")
    assert (answer.status_code, answer.get_json()["worker"]) == (503, False)


def test_a_copy_of_a_database_does_not_send(
    worker: Worker, app: Flask, make_app: MakeApp, sink: Sink, database_url: str
) -> None:
    worker.tick()
    with app.app_context():
        booked(NEXT_WEEK)
    copy = make_app(
        database_url,
        BOOKING_INSTANCE="staging",
        BOOKING_MAIL_HOST="127.0.0.1",
        BOOKING_MAIL_PORT=str(sink.port),
        BOOKING_MAIL_SECURITY="none",
    )
    Worker(copy, "copy").tick()
    assert sink.taken == []
    with app.app_context():
        told = {row["worker"]: row["trouble"] for row in rows(Heartbeat)}
        assert "belongs to the installation" in told["copy"]
    worker.tick()
    assert len(sink.taken) == 1


def test_a_burst_stops_and_asks(worker: Worker, app: Flask, sink: Sink, standing_clock: Any) -> None:
    app.config["BOOKING_BURST"] = 2
    with app.app_context():
        for hour in range(3):
            booked(NEXT_WEEK + timedelta(hours=hour), email=f"guest{hour}@example.com")
        while deliver_due():
            pass
        sink.taken.clear()
        standing_clock.at(NEXT_WEEK - timedelta(days=3) + timedelta(hours=2))
    worker.tick()
    worker.tick()
    assert sink.taken == []
    with app.app_context():
        assert "far above the usual" in rows(Installation)[0]["halted"]
    app.config["BOOKING_BURST"] = 2000
    assert "send again" in app.test_cli_runner().invoke(args=["messages", "resume"]).output
    worker.tick()
    assert len(sink.taken) == 3


def test_a_reminder_that_was_never_written_is_written(worker: Worker, app: Flask) -> None:
    with app.app_context():
        booked(NEXT_WEEK)
        with db.engine.begin() as connection:
            connection.execute(delete(Message).where(Message.kind == "reminder-1d"))
        assert run(reconciling.write_missing) == 1
        assert run(reconciling.write_missing) == 0
        assert {row["kind"] for row in rows(Message)} == {"confirmation", "reminder-3d", "reminder-1d"}


def test_tidying_leaves_alone_what_was_put_off(worker: Worker, app: Flask) -> None:
    later = NEXT_WEEK - timedelta(hours=5)
    with app.app_context():
        booked(NEXT_WEEK)
        with db.engine.begin() as connection:
            connection.execute(update(Message).values(attempts=1, last_error="451 not now", due_at=later))
    worker.tidy()
    with app.app_context():
        assert {row["due_at"].replace(tzinfo=MONDAY.tzinfo) for row in rows(Message)} == {later}
