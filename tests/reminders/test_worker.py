"""The worker: its heartbeat, its fences, and the net under the outbox."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, update

from booking import clock
from booking.demo import making
from booking.extensions import db
from booking.models import Heartbeat, Installation, KeptAnswer, Message
from booking.reminders.delivery import LEASE
from booking.reminders.worker import Worker
from booking.services import reconciling, visits
from tests.clinics import clinic, set_up
from tests.conftest import MakeApp
from tests.reminders.conftest import deliver_while, drain, mail_settings, message, messages, states
from tests.reminders.sink import OK, Sink
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


class _Watched(list[Any]):
    """What the sink takes; with the first, before it has answered, something happens."""

    def __init__(self, happens: Callable[[], None]) -> None:
        super().__init__()
        self._happens = happens

    def append(self, mail: Any) -> None:
        super().append(mail)
        self._happens()


def test_a_worker_that_is_told_to_stop_ends_after_the_message_in_hand_and_gives_the_rest_back(
    worker: Worker, app: Flask, sink: Sink
) -> None:
    with app.app_context():
        for hour in range(3):
            booked(NEXT_WEEK + timedelta(hours=hour), email=f"guest{hour}@example.com")
    sink.taken = _Watched(worker._stopping.set)
    worker.tick()
    assert len(sink.taken) == 1
    with app.app_context():
        left = messages(kind="confirmation", state="queued")
        assert [(row["lease"], row["leased_until"], row["attempts"]) for row in left] == [(None, None, 0)] * 2
    worker.tick()
    assert len(sink.taken) == 1
    Worker(app, "next").tick()
    assert sorted(sink.recipients) == [f"guest{number}@example.com" for number in range(3)]
    with app.app_context():
        assert {row["attempts"] for row in messages(kind="confirmation")} == {1}


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
    copy = make_app(database_url, **mail_settings(sink, BOOKING_INSTANCE="staging"))
    Worker(copy, "copy").tick()
    assert sink.taken == []
    with app.app_context():
        told = {row["worker"]: row["trouble"] for row in rows(Heartbeat)}
        assert "belongs to the installation" in told["copy"]
    worker.tick()
    assert len(sink.taken) == 1


def test_a_copy_that_is_meant_to_take_over_sends_and_the_first_one_stops(
    worker: Worker, app: Flask, make_app: MakeApp, sink: Sink, database_url: str
) -> None:
    worker.tick()
    with app.app_context():
        booked(NEXT_WEEK)
    copy = make_app(database_url, **mail_settings(sink, BOOKING_INSTANCE="moved"))
    assert "send again" in copy.test_cli_runner().invoke(args=["messages", "resume"]).output
    worker.tick()
    assert sink.taken == []
    Worker(copy, "copy").tick()
    assert len(sink.taken) == 1


ALL_ARE_DUE = NEXT_WEEK - timedelta(days=3) + timedelta(hours=2)


@pytest.fixture
def three_visits(worker: Worker, app: Flask, sink: Sink, standing_clock: Any) -> None:
    """Their confirmations have gone, and their first reminders are due: one more than may be due at once."""
    app.config["BOOKING_BURST"] = 2
    with app.app_context():
        for hour in range(3):
            booked(NEXT_WEEK + timedelta(hours=hour), email=f"guest{hour}@example.com")
        drain()
    sink.taken.clear()
    standing_clock.at(ALL_ARE_DUE)


def resume(app: Flask) -> None:
    assert "send again" in app.test_cli_runner().invoke(args=["messages", "resume"]).output


def halted(app: Flask) -> str:
    with app.app_context():
        return str(rows(Installation)[0]["halted"])


@pytest.mark.usefixtures("three_visits")
def test_a_burst_stops_and_asks_and_goes_out_when_it_is_accepted(
    worker: Worker, app: Flask, sink: Sink, standing_clock: Any
) -> None:
    worker.tick()
    worker.tick()
    assert sink.taken == []
    assert "3 reminders are due at once, far above the usual" in halted(app)
    resume(app)
    worker.tick()
    assert sorted(sink.recipients) == [f"guest{number}@example.com" for number in range(3)]
    assert halted(app) == ""


@pytest.mark.usefixtures("three_visits")
def test_what_was_accepted_goes_out_also_after_the_mail_server_declined_it(
    worker: Worker, app: Flask, sink: Sink, standing_clock: Any
) -> None:
    worker.tick()
    sink.answer = "451 not now"
    resume(app)
    worker.tick()
    sink.answer = OK
    sink.taken.clear()
    standing_clock.on(minutes=1)
    worker.tick()
    assert (len(sink.taken), halted(app)) == (3, "")


@pytest.mark.usefixtures("three_visits")
def test_the_next_burst_stops_and_asks_again(
    worker: Worker, app: Flask, sink: Sink, standing_clock: Any
) -> None:
    resume(app)
    worker.tick()
    assert len(sink.taken) == 3
    sink.taken.clear()
    standing_clock.on(days=2)
    worker.tick()
    assert (sink.taken, "3 reminders are due at once" in halted(app)) == ([], True)
    resume(app)
    worker.tick()
    assert len(sink.taken) == 3


@pytest.mark.usefixtures("three_visits")
def test_what_is_written_after_a_burst_was_accepted_counts_towards_the_next_one(
    worker: Worker, app: Flask, sink: Sink, standing_clock: Any
) -> None:
    """As after an import, of reminders that are due already."""
    resume(app)
    accepted = clock.now()
    standing_clock.on(seconds=1)
    written_anew = update(Message).where(Message.kind == "reminder-3d").values(written_at=clock.now())
    with app.app_context(), db.engine.begin() as connection:
        assert connection.execute(written_anew.where(Message.due_at <= accepted)).rowcount == 3
    worker.tick()
    assert (sink.taken, "3 reminders are due at once" in halted(app)) == ([], True)


@pytest.mark.usefixtures("three_visits")
def test_what_was_accepted_under_a_clock_that_ran_ahead_accepts_nothing_once_it_is_right(
    worker: Worker, app: Flask, sink: Sink, standing_clock: Any
) -> None:
    standing_clock.on(days=300)
    resume(app)
    standing_clock.at(ALL_ARE_DUE)
    worker.tick()
    assert (sink.taken, "3 reminders are due at once" in halted(app)) == ([], True)


def test_what_a_restore_brought_back_is_dropped_and_so_is_what_a_worker_has_in_hand(
    worker: Worker, app: Flask, sink: Sink, standing_clock: Any
) -> None:
    with app.app_context():
        booked(NEXT_WEEK)
        drain()
        sink.taken.clear()
        standing_clock.at(NEXT_WEEK - timedelta(days=3))

        def drop() -> None:
            said = app.test_cli_runner().invoke(
                args=["messages", "drop", "--due-before", "2026-09-19T00:00:00Z"]
            )
            assert said.output == "Dropped 1 messages.\n"

        deliver_while(drop)
        standing_clock.on(seconds=LEASE.total_seconds() + 1)
        drain()
        assert sink.taken == []
        assert states() == {"confirmation": "sent", "reminder-3d": "dropped", "reminder-1d": "queued"}


# The demo


@pytest.fixture
def small_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "PAST", 1)
    monkeypatch.setattr(making, "FUTURE", 2)
    monkeypatch.setattr(making, "_plan", lambda *_: [])


def load_demo_and(meanwhile: Callable[[], None]) -> None:
    """Loads the demo; what is to happen meanwhile happens when its visits are there and their messages still wait."""
    run = making.run

    def run_and(action: Any) -> Any:
        if action is making._keep_quiet:
            meanwhile()
        return run(action)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(making, "run", run_and)
        making.make()


@pytest.mark.usefixtures("small_demo")
def test_nothing_is_sent_while_the_demo_loads_and_nothing_of_it_afterwards(
    app: Flask, sink: Sink, standing_clock: Any
) -> None:
    beats = []

    def meanwhile() -> None:
        assert messages(state="queued")
        Worker(app, "early").tick()
        beats.extend(rows(Heartbeat))

    with app.app_context():
        load_demo_and(meanwhile)
        assert "The demo is being loaded" in beats[0]["trouble"]
        for _ in range(40):
            standing_clock.on(days=1)
            Worker(app, "later").tick()
        assert sink.taken == []
        assert {row["state"] for row in messages()} == {"demo"}


@pytest.mark.usefixtures("small_demo")
def test_an_interrupted_demo_sends_nothing_until_the_command_finishes_it(
    app: Flask, sink: Sink, standing_clock: Any
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with app.app_context(), pytest.raises(KeyboardInterrupt):
        load_demo_and(interrupt)
    worker = Worker(app, "only")
    with app.app_context():
        waiting = messages(state="queued")
        standing_clock.at(max(row["due_at"] for row in waiting))
        worker.tick()
        assert (sink.taken, messages(state="queued")) == ([], waiting)
    said = app.test_cli_runner().invoke(args=["demo"]).output
    assert said.startswith("The demo was interrupted while it loaded")
    worker.tick()
    assert sink.taken == []
    with app.app_context():
        assert {row["state"] for row in messages()} == {"demo"}
        assert rows(Installation)[0]["halted"] == ""


# The net under the outbox


def test_a_reminder_that_was_never_written_is_written(worker: Worker, app: Flask) -> None:
    with app.app_context():
        booked(NEXT_WEEK)
        with db.engine.begin() as connection:
            connection.execute(delete(Message).where(Message.kind == "reminder-1d"))
        worker.tidy()
        worker.tidy()
        assert message(kind="reminder-1d")["due_at"] == NEXT_WEEK - timedelta(days=1)


def test_nothing_waits_for_the_write_lock_when_every_reminder_is_as_it_should_be(
    worker: Worker, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    write_missing = reconciling.write_missing
    monkeypatch.setattr(
        reconciling, "write_missing", lambda session: written.append(write_missing(session)) or 0
    )
    with app.app_context():
        booked(NEXT_WEEK)
        worker.tidy()
        assert written == []
        with db.engine.begin() as connection:
            connection.execute(delete(Message).where(Message.kind == "reminder-1d"))
    worker.tidy()
    assert written == [1]


def test_a_reminder_that_is_queued_for_another_time_gets_its_own(worker: Worker, app: Flask) -> None:
    with app.app_context():
        booked(NEXT_WEEK)
        with db.engine.begin() as connection:
            moved = update(Message).where(Message.kind == "reminder-1d")
            connection.execute(moved.values(due_at=NEXT_WEEK - timedelta(hours=5)))
        worker.tidy()
        row = message(kind="reminder-1d")
        assert (row["state"], row["due_at"]) == ("queued", NEXT_WEEK - timedelta(days=1))


def test_a_reminder_that_the_clinic_no_longer_wants_is_dropped_and_is_back_when_it_does(
    worker: Worker, app: Flask, sink: Sink, standing_clock: Any
) -> None:
    with app.app_context():
        booked(NEXT_WEEK)
        set_up(clinic(rules={"reminder_days": [3]}))
        assert (states()["reminder-3d"], states()["reminder-1d"]) == ("queued", "dropped")
        set_up(clinic(rules={"reminder_days": [3, 1]}))
        assert states()["reminder-1d"] == "queued"
        assert not reconciling.anything_wrong()
        for days in (3, 1):
            standing_clock.at(NEXT_WEEK - timedelta(days=days))
            worker.tick()
        assert [row["kind"] for row in messages(state="sent")] == [
            "confirmation",
            "reminder-3d",
            "reminder-1d",
        ]


def test_the_reminders_of_a_corrected_contact_are_left_as_they_are(worker: Worker, app: Flask) -> None:
    with app.app_context():
        visit = booked(NEXT_WEEK)
        visits.correct_contact(visit.reference, visit.token, "right@example.com", None, actor="t", key="c")
        before = messages()
        worker.tidy()
        assert messages() == before
        waiting = [(row["kind"], row["address"]) for row in messages(state="queued")]
        assert sorted(waiting) == [
            (kind, "right@example.com") for kind in ("confirmation", "reminder-1d", "reminder-3d")
        ]


def test_tidying_leaves_alone_what_was_put_off(worker: Worker, app: Flask) -> None:
    later = NEXT_WEEK - timedelta(hours=5)
    with app.app_context():
        booked(NEXT_WEEK)
        with db.engine.begin() as connection:
            connection.execute(update(Message).values(attempts=1, last_error="451 not now", due_at=later))
        worker.tidy()
        assert {row["due_at"] for row in messages()} == {later}


def test_where_one_thing_cannot_be_tidied_all_others_are_and_the_heartbeat_tells(
    worker: Worker, app: Flask, monkeypatch: pytest.MonkeyPatch, standing_clock: Any
) -> None:
    def cannot() -> bool:
        raise LookupError("of a bug")

    with app.app_context():
        booked(NEXT_WEEK)
        assert len(rows(KeptAnswer)) == 1
    standing_clock.at(NEXT_WEEK + timedelta(days=30))
    with monkeypatch.context() as patched:
        patched.setattr(reconciling, "anything_wrong", cannot)
        worker.tidy()
    worker.tick()
    with app.app_context():
        assert rows(KeptAnswer) == []
        assert rows(Heartbeat)[0]["trouble"] == "LookupError while tidying (missing reminders)."
    worker.tidy()
    worker.tick()
    with app.app_context():
        assert rows(Heartbeat)[0]["trouble"] == ""
