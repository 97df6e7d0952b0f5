"""What an operator sees and may do: the outbox, `flask messages`, `flask doctor`; and the history of each change."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text, update
from sqlalchemy.exc import DBAPIError

from booking import clock
from booking.errors import SlotTaken, TooLateToChange
from booking.extensions import db
from booking.models import (
    Actor,
    BookableBy,
    Channel,
    Heartbeat,
    HistoryEntry,
    Installation,
    Message,
    MessageState,
    Reminders,
    Role,
)
from booking.reminders.delivery import deliver_due
from booking.services import health, outbox, visits
from booking.services.desk import calls
from booking.services.desk.whom_to_call import Outcome
from booking.services.rescheduling import reschedule
from booking.services.transaction import run
from tests.clinics import clinic, practitioner, rooms, set_up, visit_type
from tests.conftest import MONDAY, MakeApp
from tests.services.making import NEXT_WEEK, NINE, booked, rows
from tests.staffing import hired

pytestmark = pytest.mark.usefixtures("standing_clock", "context")

HOUR = timedelta(hours=1)


def message(number: int = 0, **how: Any) -> None:
    """A row of the outbox, as it may stand there."""
    values: dict[str, Any] = {
        "subject": f"contact/{number}",
        "kind": "links",
        "channel": Channel.EMAIL,
        "address": f"guest{number}@example.com",
        "mail_id": f"{number}@visits.example",
        "written_at": MONDAY,
        "due_at": MONDAY + number * HOUR,
        "not_after": MONDAY + timedelta(days=30),
    }
    run(lambda session: session.add(Message(**(values | how))))


def one_in_each_state() -> None:
    for number, state in enumerate(MessageState):
        message(number, state=state)


def subjects(listed: outbox.Listed) -> list[str]:
    return [one.subject.removeprefix("contact/") for one in listed.messages]


def states() -> list[str]:
    return [row["state"] for row in rows(Message)]


# Looking


def test_what_failed_comes_first_then_what_is_due_next() -> None:
    for number, state in enumerate(
        [MessageState.QUEUED, MessageState.DEAD, MessageState.SENDING, MessageState.TO_CALL,
         MessageState.SENT, MessageState.UNSURE, MessageState.QUEUED, MessageState.DROPPED]
    ):  # fmt: skip
        message(number, state=state)
    # Of what failed the latest first, of what waits the next.
    assert subjects(outbox.look(None, 50)) == ["5", "3", "1", "0", "2", "6"]
    assert subjects(outbox.look(None, 4)) == ["5", "3", "1", "0"]
    assert subjects(outbox.look(None, 2)) == ["5", "3"]


def test_one_state_alone_comes_the_latest_first_and_all_are_counted() -> None:
    one_in_each_state()
    message(20, state=MessageState.SENT)
    listed = outbox.look(MessageState.SENT, 50)
    assert subjects(listed) == ["20", "2"]
    assert listed.counts == dict.fromkeys(MessageState, 1) | {MessageState.SENT: 2}
    assert subjects(outbox.look(MessageState.SENT, 1)) == ["20"]


@pytest.mark.parametrize("state", [MessageState.DEAD, MessageState.UNSURE, MessageState.TO_CALL])
def test_what_the_desk_has_seen_to_is_no_trouble_any_more(state: MessageState) -> None:
    message(0, state=state)
    message(1, state=state, settled_at=MONDAY, settled_as="reached")
    # What went in one message with another is settled too, and was no trouble.
    message(2, state=MessageState.DROPPED, settled_at=MONDAY, settled_as="together")
    assert subjects(outbox.look(None, 50)) == subjects(outbox.look(state, 50)) == ["0"]
    assert outbox.look(None, 50).counts == {state: 1, MessageState.DROPPED: 1}
    assert subjects(outbox.look(MessageState.DROPPED, 50)) == ["2"]


# What operators may do


def test_after_a_restore_what_was_due_is_dropped_and_the_rest_goes_on() -> None:
    for number, state in enumerate((MessageState.QUEUED, MessageState.SENDING, MessageState.SENT)):
        message(number, state=state, lease="a worker's", leased_until=MONDAY)
    message(3)
    message(4)
    assert outbox.drop_due_before(MONDAY + 3 * HOUR) == 2
    assert states() == ["dropped", "dropped", "sent", "queued", "queued"]
    assert [row["lease"] for row in rows(Message)[:2]] == [None, None]
    assert "restore" in rows(Message)[0]["last_error"]


def test_halted_workers_wait_until_they_are_resumed() -> None:
    outbox.resume()
    assert rows(Installation) == []
    outbox.halt("Why? " + "y" * 300)
    outbox.halt("Too many at once.")
    assert [(row["instance"], row["halted"]) for row in rows(Installation)] == [
        ("tests", "Too many at once.")
    ]
    outbox.resume()
    assert [row["halted"] for row in rows(Installation)] == [""]


def test_a_copy_that_is_resumed_belongs_to_who_resumed_it(database_url: str, make_app: MakeApp) -> None:
    outbox.halt("Somebody asked.")
    with make_app(database_url, BOOKING_INSTANCE="the new home").app_context():
        outbox.resume()
    assert [row["instance"] for row in rows(Installation)] == ["the new home"]


# `flask messages`


def told(app: Flask, *arguments: str, fails: bool = False) -> str:
    result = app.test_cli_runner().invoke(args=list(arguments))
    assert (result.exit_code != 0) == fails, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.output


def test_messages_are_listed_with_counts_and_without_anybodys_address(context: Flask) -> None:
    assert told(context, "messages") == "No messages.\n"
    message(0)
    message(1, state=MessageState.DEAD, attempts=5, last_error="550 No such user here.")
    message(2, state=MessageState.SENT)
    first, second, counts = told(context, "messages").splitlines()
    assert first.split("  ")[0] == "2026-09-14 16:00Z"
    assert all(words in first for words in ("dead", "email", "links", "contact/1", "5 tries", "(550 No such"))
    assert "queued" in second and "tries" not in second
    assert sorted(counts.split(", ")) == ["1 dead", "1 queued", "1 sent"]
    assert "@example.com" not in told(context, "messages", "--state", "sent")


def test_messages_of_one_state_and_not_too_many(context: Flask) -> None:
    for number in range(3):
        message(number, state=MessageState.DEAD)
    message(4)
    assert len(told(context, "messages", "--state", "dead", "--limit", "2").splitlines()) == 3
    assert "Invalid value" in told(context, "messages", "--state", "lost", fails=True)
    assert "Invalid value" in told(context, "messages", "--limit", "0", fails=True)


@pytest.mark.parametrize("instant", ["2026-09-14T16:00:00Z", "2026-09-14T09:00:00-07:00"])
def test_messages_are_dropped_before_an_instant_of_any_zone(context: Flask, instant: str) -> None:
    for number in range(3):
        message(number)
    assert told(context, "messages", "drop", "--due-before", instant) == "Dropped 1 messages.\n"
    assert states() == ["dropped", "queued", "queued"]


@pytest.mark.parametrize(
    ("instant", "reason"), [("2026-09-14T16:00:00", "needs a zone"), ("yesterday", "Write the instant"),
                            ("2026-02-30T16:00:00Z", "Write the instant"), ("", "Write the instant")],
)  # fmt: skip
def test_an_instant_that_is_none_drops_nothing(context: Flask, instant: str, reason: str) -> None:
    message()
    assert reason in told(context, "messages", "drop", "--due-before", instant, fails=True)
    assert states() == ["queued"]


def test_the_command_resumes(context: Flask) -> None:
    outbox.halt("Too many at once.")
    assert "send again" in told(context, "messages", "resume")
    assert rows(Installation)[0]["halted"] == ""


# `flask doctor`


def a_worker_that_ticks(**how: Any) -> None:
    values = {"worker": "first", "started_at": MONDAY, "ticked_at": clock.now()} | how
    run(lambda session: session.add(Heartbeat(**values)))


def healthy(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation without a fault. PostgreSQL's clock is real; ours stands."""
    set_up()
    hired(Role.OWNER, password="of somebody who can sign in")
    a_worker_that_ticks()
    if db.engine.dialect.name == "postgresql":
        monkeypatch.setattr("booking.doctor._CLOCK_MAY_DIFFER", timedelta(days=36500))


def test_a_healthy_installation_passes(context: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    healthy(context, monkeypatch)
    said = told(context, "doctor")
    assert "WRONG" not in said
    for fine in ("The database answers", "is migrated", "guards against double booking are alive",
                 "A worker ticks", "The clinic is Test Clinic"):  # fmt: skip
        assert fine in said


def without_a_guard() -> None:
    with db.engine.begin() as connection:
        if db.engine.dialect.name == "sqlite":
            connection.execute(text("DROP TRIGGER claims_overlap_on_update"))
        else:
            connection.execute(text("ALTER TABLE claims DROP CONSTRAINT ex_claims_overlap"))


def not_migrated() -> None:
    with db.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))


def silent_for_two_minutes() -> None:
    with db.engine.begin() as connection:
        silent = MONDAY - timedelta(minutes=2, seconds=1)
        connection.execute(update(Heartbeat.__table__).values(ticked_at=silent))


def in_trouble() -> None:
    with db.engine.begin() as connection:
        connection.execute(update(Heartbeat.__table__).values(trouble="The mail server refuses us."))


def given_up() -> None:
    message(state=MessageState.DEAD)


def no_hours_left() -> None:
    set_up(clinic(practitioners=[practitioner(hours={})]))


def telling() -> None:
    set_up(
        clinic(about={"message_name": "Needles & Co"}, practitioners=[practitioner(name="Ana Lima, L.Ac.")])
    )


def without_privacy() -> None:
    with db.engine.begin() as connection:
        connection.execute(text("UPDATE clinic SET privacy = ' ', version = version + 1"))


@pytest.mark.parametrize(
    ("breaking", "wrong", "to_do"),
    [
        (without_a_guard, "Guards against double booking are missing", "guards.py"),
        (not_migrated, "is not migrated", "flask db upgrade"),
        (silent_for_two_minutes, "No worker has ticked", "flask worker"),
        (in_trouble, "The mail server refuses us.", "Mend that"),
        (lambda: outbox.halt("Too many at once."), "halted: Too many at once.", "flask messages resume"),
        (given_up, "1 messages of the last 7 days were given up", "flask messages --state dead"),
        (no_hours_left, "has no free time in 90 days: closed", "Look at the practitioners' hours"),
        (telling, "“Needles & Co” would tell everybody", "message_name"),
        (telling, "“Ana Lima, L.Ac.” would tell everybody", "message_name"),
        (without_privacy, "has no privacy", "flask clinic apply"),
    ],
)
def test_the_doctor_finds_what_is_wrong_and_says_what_helps(
    context: Flask, monkeypatch: pytest.MonkeyPatch, breaking: Any, wrong: str, to_do: str
) -> None:
    healthy(context, monkeypatch)
    breaking()
    said = told(context, "doctor", fails=True).splitlines()
    place = next(number for number, line in enumerate(said) if wrong in line)
    assert said[place].startswith("WRONG")
    assert to_do in said[place + 1]


def test_calls_that_wait_are_told_and_are_no_fault(context: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    healthy(context, monkeypatch)
    message(state=MessageState.TO_CALL)
    assert "1 reminders wait for a telephone call" in told(context, "doctor")


def test_what_the_desk_has_seen_to_is_told_to_no_operator(
    context: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    healthy(context, monkeypatch)
    for number, state in enumerate((MessageState.DEAD, MessageState.TO_CALL)):
        message(number, state=state, settled_at=MONDAY, settled_as="seen to")
    said = told(context, "doctor")
    assert "given up" not in said and "telephone call" not in said
    client = context.test_client()
    assert client.get("/readyz").get_json()["dead"] == 0
    measured = client.get("/metrics").get_data(as_text=True).splitlines()
    assert {"booking_messages_dead 0.0", "booking_messages_to_call 0.0"} <= set(measured)


def test_a_call_that_was_made_does_not_wait(context: Flask, standing_clock: Any) -> None:
    set_up()
    visit = booked(NEXT_WEEK, reminders=Reminders.CALL, phone="+18185550123", email=None)
    standing_clock.at(NEXT_WEEK - HOUR)
    deliver_due()
    waiting = health.queue().to_call
    calls.settle(hired(), visit.reference, Outcome.REACHED, key="call-0001")
    assert (waiting > 0, health.queue().to_call) == (True, 0)
    assert "to_call" not in told(context, "messages")


def test_trouble_of_weeks_ago_is_past_mending(context: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    healthy(context, monkeypatch)
    message(state=MessageState.DEAD, due_at=MONDAY - timedelta(days=7))
    assert "given up" not in told(context, "doctor")


def test_a_database_that_is_not_there_is_said_without_its_password(make_app: MakeApp) -> None:
    away = "postgresql+psycopg://clinic:s3cret@127.0.0.1:1/clinic"
    lost = make_app(away)
    with lost.app_context():
        said = told(lost, "doctor", fails=True)
    assert "WRONG   The database can't be reached." in said
    assert "127.0.0.1:1" in said and "s3cret" not in said


# History


def history() -> list[tuple[str, str]]:
    return [(entry["what"], entry["actor"]) for entry in rows(HistoryEntry)]


def last_entry() -> Any:
    return rows(HistoryEntry)[-1]


def test_a_move_is_written_down_with_both_times_and_both_people(standing_clock: Any) -> None:
    set_up(clinic(practitioners=[practitioner("ana"), practitioner("ben")]))
    visit = booked(NEXT_WEEK, practitioner="ana")
    standing_clock.on(hours=1)
    reschedule(visit.reference, visit.token, NEXT_WEEK + HOUR, "ben", actor="t", key="m")
    assert history() == [("booked", "patient"), ("moved", "patient")]
    booked_first, moved = rows(HistoryEntry)
    assert booked_first["facts"] == {"starts_at": "2026-09-21T16:00:00Z", "practitioner": "ana"}
    assert moved["facts"] == {
        "from": "2026-09-21T16:00:00Z",
        "to": "2026-09-21T17:00:00Z",
        "from_practitioner": "ana",
        "to_practitioner": "ben",
    }
    assert moved["at"] - booked_first["at"] == HOUR
    assert moved["appointment_id"] == booked_first["appointment_id"]


def test_a_cancellation_is_written_down_with_its_reason() -> None:
    set_up()
    visit = booked(NEXT_WEEK)
    visits.cancel(visit.reference, visit.token, "Feeling better", actor="t", key="c")
    assert (last_entry()["what"], last_entry()["why"]) == ("cancelled", "Feeling better")


def test_a_corrected_contact_is_written_down_without_the_addresses() -> None:
    set_up()
    visit = booked(NEXT_WEEK)
    visits.correct_contact(visit.reference, visit.token, "right@example.com", None, actor="t", key="c")
    entry = last_entry()
    assert (entry["what"], entry["actor"]) == ("contact_corrected", Actor.PATIENT)
    # History is for ever; where somebody was written to stands in the visit and its messages.
    assert "example.com" not in str(dict(entry))


def test_whoever_says_twice_that_they_cannot_come_is_written_down_each_time_it_changes(
    standing_clock: Any,
) -> None:
    set_up()
    visit = booked(NEXT_WEEK)
    standing_clock.at(NEXT_WEEK - HOUR)
    who = (visit.reference, visit.token)
    for key, change in enumerate(
        (visits.cannot_come, visits.cannot_come, visits.confirm, visits.confirm, visits.cannot_come)
    ):
        change(*who, actor="t", key=f"{key}")
    assert [what for what, _ in history()] == ["booked", "cannot_come", "confirmed", "cannot_come"]
    assert last_entry()["at"] - rows(HistoryEntry)[0]["at"] == NEXT_WEEK - HOUR - MONDAY


def test_what_staff_book_is_written_down_as_theirs() -> None:
    set_up()
    booked(audience=BookableBy.STAFF)
    assert history() == [("booked", "staff")]


def test_what_is_refused_or_changes_nothing_is_not_written_down(standing_clock: Any) -> None:
    set_up(clinic(rooms=rooms(1)))
    visit = booked(NEXT_WEEK)
    booked(NINE, first_name="Omar", email="omar@example.com")
    who = (visit.reference, visit.token)
    before = history()
    with pytest.raises(SlotTaken):
        reschedule(*who, NINE, None, actor="t", key="taken")
    reschedule(*who, NEXT_WEEK, None, actor="t", key="same")
    visits.correct_contact(*who, "rosa@example.com", None, actor="t", key="same contact")
    standing_clock.at(NEXT_WEEK - HOUR)
    with pytest.raises(TooLateToChange):
        visits.cancel(*who, "", actor="t", key="late")
    assert history() == before


@pytest.mark.parametrize("statement", ["UPDATE history SET why = 'none'", "DELETE FROM history"])
def test_history_is_never_rewritten(statement: str) -> None:
    set_up(clinic(visit_types=[visit_type()]))
    booked(reminders=Reminders.NONE)
    before = rows(HistoryEntry)
    with pytest.raises(DBAPIError, match="history is appended"), db.engine.begin() as connection:
        connection.execute(text(statement))
    assert rows(HistoryEntry) == before
