"""Waiting for one's turn, trying again, and giving up politely; and keys that come twice, at once or later."""

import os
import secrets
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from booking import clock
from booking.errors import Busy, KeyReused, NotFound, SlotTaken
from booking.extensions import db
from booking.models import Appointment, KeptAnswer, OptOut, Room
from booking.services import claims, idempotency, transaction, visits
from booking.services.idempotency import Answer, Key, once
from booking.services.transaction import Contention, run
from booking.services.turnstile import CannotQueue, Turnstile, WaitedTooLong
from tests.clinics import clinic, rooms, set_up
from tests.conftest import MONDAY
from tests.services.making import NEXT_WEEK, booked, rows

on_sqlite = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
on_postgresql = pytest.mark.parametrize(
    "database_kind", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True
)

# Long enough for any machine, and never waited for by a test that passes.
LONG = 60


def at_once(*actions: Callable[[], Any]) -> list[Any]:
    """Runs each in a thread of its own. What each returned, or the exception that ended it."""
    answers: list[Any] = [None] * len(actions)

    def one(number: int) -> None:
        try:
            answers[number] = actions[number]()
        except Exception as fault:
            answers[number] = fault

    threads = [threading.Thread(target=one, args=(number,)) for number in range(len(actions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert not any(thread.is_alive() for thread in threads)
    return answers


# The turnstile itself. Two of them on one file are like two processes.


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "clinic.sqlite3"


def may_pass(turnstile: Turnstile) -> bool:
    try:
        with turnstile.pass_through(0):
            return True
    except WaitedTooLong:
        return False


def descriptors_of(database: Path) -> int:
    """How many descriptors this process has of the lock files."""
    folder = Path("/proc/self/fd")
    links = (os.readlink(one) for one in folder.iterdir() if one.is_symlink())
    return sum(link.startswith(str(database)) for link in links)


def standing_in_the_door(turnstile: Turnstile, database: Path, then: Callable[[], Any]) -> threading.Thread:
    """A thread that is in the door by now, and does `then` when it gets into the room."""

    def wait() -> None:
        with turnstile.pass_through(LONG):
            then()

    thread = threading.Thread(target=wait)
    thread.start()
    while not is_locked(database.with_name(database.name + ".door")):
        assert thread.is_alive()
    return thread


def is_locked(path: Path) -> bool:
    """Whether somebody holds this lock, as the system tells it: without trying to take it."""
    try:
        inode = path.stat().st_ino
    except FileNotFoundError:
        return False
    held = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    return any(f":{inode} " in line and "->" not in line for line in held)


@pytest.mark.parametrize("same_process", [True, False])
def test_one_at_a_time_within_a_process_and_between_two(database: Path, same_process: bool) -> None:
    first = Turnstile(database)
    second = first if same_process else Turnstile(database)
    with first.pass_through(LONG):
        assert not may_pass(second)
    assert may_pass(second)
    assert may_pass(first)


def test_each_attempt_has_descriptors_of_its_own_and_closes_them(database: Path) -> None:
    first, second = Turnstile(database), Turnstile(database)
    assert may_pass(first)
    assert descriptors_of(database) == 0
    with first.pass_through(LONG):
        assert descriptors_of(database) == 2
        assert not may_pass(second)
        assert descriptors_of(database) == 2
    with pytest.raises(ZeroDivisionError), second.pass_through(LONG):
        1 / 0  # noqa: B018
    assert descriptors_of(database) == 0
    assert may_pass(first)


def test_whoever_gives_up_stands_in_nobodys_way(database: Path) -> None:
    first, second, third = (Turnstile(database) for _ in range(3))
    with first.pass_through(LONG):
        assert not may_pass(second)
        assert not may_pass(second)
    assert may_pass(third)
    assert may_pass(second)


def test_whoever_stands_in_the_door_is_next(database: Path) -> None:
    """One who leaves the room and wants to come back at once comes after the one who waited: many times over."""
    first, second = Turnstile(database), Turnstile(database)
    for _ in range(20):
        order: list[str] = []
        with first.pass_through(LONG):
            waiting = standing_in_the_door(second, database, lambda order=order: order.append("waited"))  # type: ignore[misc]
        with first.pass_through(LONG):
            order.append("came back")
        waiting.join(LONG)
        assert order == ["waited", "came back"]


def test_nobody_passes_the_one_in_the_door(database: Path) -> None:
    first, second, third = (Turnstile(database) for _ in range(3))
    passed = threading.Event()
    with first.pass_through(LONG):
        waiting = standing_in_the_door(second, database, passed.set)
        assert not any(may_pass(third) for _ in range(100))
        assert not passed.is_set()
    waiting.join(LONG)
    assert passed.is_set()
    assert may_pass(third)


@pytest.mark.parametrize("turnstiles", [1, 4])
def test_all_who_wait_get_their_turn_and_no_two_are_in_the_room(database: Path, turnstiles: int) -> None:
    gates = [Turnstile(database) for _ in range(turnstiles)]
    inside: list[int] = []
    seen: list[int] = []

    def visit(number: int) -> None:
        with gates[number % turnstiles].pass_through(LONG):
            inside.append(number)
            seen.append(len(inside))
            inside.remove(number)

    answers = at_once(*(lambda number=number: visit(number) for number in range(12)))  # type: ignore[misc]
    assert answers == [None] * 12
    assert seen == [1] * 12


def test_locks_that_cannot_be_opened_are_said_so(tmp_path: Path) -> None:
    nowhere = Turnstile(tmp_path / "no such folder" / "clinic.sqlite3")
    for _ in range(2):
        with pytest.raises(CannotQueue), nowhere.pass_through(LONG):
            pass


# Transactions behind it


def write(phone: str = "+18185550123") -> None:
    run(lambda session: session.add(OptOut(phone=phone, at=clock.now())))


def file_of(app: Flask) -> Path:
    with app.app_context():
        return Path(str(db.engine.url.database))


@on_sqlite
def test_a_writer_whose_turn_does_not_come_is_told_when_to_try_again(
    context: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transaction, "PATIENCE_SECONDS", 0)
    with Turnstile(file_of(context)).pass_through(LONG):
        with pytest.raises(Busy) as said:
            write()
        assert said.value.facts == {"retry_after": 2}
        # Who only reads doesn't queue.
        assert rows(OptOut) == []
    write()
    assert len(rows(OptOut)) == 1


@on_sqlite
def test_a_database_that_is_locked_past_the_turnstile_is_busy(context: Flask) -> None:
    """As by a backup, or somebody's own sqlite3: they know nothing of our door."""
    with db.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout = 0")
    other = sqlite3.connect(file_of(context), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Busy) as said:
        write()
    assert said.value.facts["retry_after"] > 0
    other.execute("ROLLBACK")
    other.close()
    write()


@on_sqlite
def test_a_folder_in_which_no_lock_can_be_made_is_busy_and_can_be_read(context: Flask) -> None:
    # As on a disk that became read-only, which the superuser, who may run this test, would not notice.
    door = file_of(context).with_name(file_of(context).name + ".door")
    door.mkdir()
    try:
        with pytest.raises(Busy) as said:
            write()
        assert said.value.facts["retry_after"] > 0
        assert rows(OptOut) == []
    finally:
        door.rmdir()
    write()


def crossing(app: Flask) -> tuple[list[Any], list[int]]:
    """Two transactions at one moment that lock the same two rows in opposite order, so that neither can go on. What
    became of each, and how often each was tried.
    """
    with app.app_context():
        set_up(clinic(rooms=rooms(2)))
        ids = [row["id"] for row in rows(Room)]
    both_hold_one = threading.Barrier(2)
    attempts = [0, 0]

    def one(number: int) -> str:
        mine, others = ids[number], ids[1 - number]

        def action(session: Session) -> None:
            attempts[number] += 1
            session.execute(select(Room.id).where(Room.id == mine).with_for_update())
            if attempts[number] == 1:
                both_hold_one.wait(LONG)
            session.execute(select(Room.id).where(Room.id == others).with_for_update())
            claims.bump(session, [mine, others])

        with app.app_context():
            run(action)
        return "done"

    return at_once(lambda: one(0), lambda: one(1)), attempts


def versions_of_rooms(app: Flask) -> list[int]:
    with app.app_context(), Session(db.engine) as session:
        return list(session.scalars(select(Room.version).order_by(Room.id)))


@on_postgresql
def test_a_deadlock_is_tried_again_until_both_are_done(app: Flask) -> None:
    answers, attempts = crossing(app)
    assert answers == ["done", "done"]
    # The server takes one of them back, and on a slow day the other has waited too long by then.
    assert max(attempts) == 2
    before, after = versions_of_rooms(app)
    assert before == after


@on_postgresql
def test_a_deadlock_that_may_not_be_tried_again_is_busy_and_the_other_goes_on(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transaction, "RETRIES", 1)
    answers, _ = crossing(app)
    done, gave_up = sorted(answers, key=lambda answer: answer != "done")
    assert done == "done"
    assert isinstance(gave_up, Busy) and not isinstance(gave_up, Contention)
    assert gave_up.facts["retry_after"] > 0


def test_what_never_succeeds_is_tried_five_times_and_then_busy(context: Flask) -> None:
    attempts: list[Session] = []

    def action(session: Session) -> None:
        attempts.append(session)
        session.add(OptOut(phone=f"{len(attempts)}", at=MONDAY))
        session.flush()
        raise Contention(retry_after=2)

    with pytest.raises(Busy) as said:
        run(action)
    assert not isinstance(said.value, Contention)
    assert said.value.facts == {"retry_after": 2}
    # Each time with a session of its own, and nothing of any is left.
    assert len(set(attempts)) == 5
    assert rows(OptOut) == []


# Keys that come twice

CONTENT = ["something", "wanted"]
KEY = Key.of("me", "key", CONTENT)


def answering(*answers: Answer | Exception) -> Callable[[Session], Answer]:
    """An action that gives these answers one after another, and writes a row each time that it is asked."""
    left = list(answers)

    def action(session: Session) -> Answer:
        answer = left.pop(0)
        session.add(OptOut(phone=secrets.token_hex(6), at=MONDAY))
        session.flush()
        if isinstance(answer, Exception):
            raise answer
        return answer

    return action


@pytest.mark.parametrize(
    "fault", [Busy(retry_after=5), NotFound(), ZeroDivisionError("a bug")], ids=["busy", "not found", "a bug"]
)
def test_a_fault_keeps_nothing_and_the_key_may_try_again(context: Flask, fault: Exception) -> None:
    action = answering(fault, {"done": 1})
    with pytest.raises(type(fault)):
        once(KEY, action)
    assert (rows(KeptAnswer), rows(OptOut)) == ([], [])
    assert once(KEY, action) == {"done": 1}
    assert once(KEY, action) == {"done": 1}
    assert len(rows(OptOut)) == 1


def test_a_refusal_is_kept_with_its_facts_and_what_it_wrote_is_not(context: Flask) -> None:
    action = answering(SlotTaken(alternatives=["later"]), {"done": 1})
    for _ in range(2):
        with pytest.raises(SlotTaken) as refused:
            once(KEY, action)
        assert refused.value.facts == {"alternatives": ["later"]}
    assert rows(OptOut) == []


def test_other_content_under_a_used_key_is_refused_and_another_person_has_other_keys(context: Flask) -> None:
    once(KEY, answering({"done": 1}))
    with pytest.raises(KeyReused):
        once(Key.of("me", "key", ["something", "else"]), answering({"done": 2}))
    assert once(Key.of("you", "key", ["something", "else"]), answering({"done": 3})) == {"done": 3}
    assert once(KEY, answering()) == {"done": 1}


def test_an_answer_counts_for_a_day_and_the_key_is_free_then(context: Flask, standing_clock: Any) -> None:
    once(KEY, answering({"done": 1}))
    standing_clock.on(hours=24, seconds=-1)
    assert once(KEY, answering()) == {"done": 1}
    standing_clock.on(seconds=1)
    assert once(Key.of("me", "key", "other content"), answering({"done": 2})) == {"done": 2}
    (kept,) = rows(KeptAnswer)
    assert kept["answer"] == {"done": 2}


def test_old_answers_are_forgotten_and_those_that_count_are_not(context: Flask, standing_clock: Any) -> None:
    once(KEY, answering({"done": 1}))
    standing_clock.on(hours=1)
    once(Key.of("me", "later", CONTENT), answering({"done": 2}))
    standing_clock.on(hours=23, seconds=1)
    run(idempotency.forget_old_answers)
    assert [row["key"] for row in rows(KeptAnswer)] == ["later"]


def test_a_form_that_comes_back_finds_what_it_did_and_no_refusal(context: Flask, standing_clock: Any) -> None:
    once(KEY, answering({"done": 1}))
    with pytest.raises(SlotTaken):
        once(Key.of("me", "refused", CONTENT), answering(SlotTaken()))
    assert idempotency.answer_to("me", "key") == {"done": 1}
    assert idempotency.answer_to("me", "refused") is None
    assert idempotency.answer_to("you", "key") is None
    assert idempotency.answer_to("me", "unknown") is None


@pytest.mark.parametrize("contents", [1, 2])
def test_one_key_at_one_moment_acts_once(app: Flask, contents: int) -> None:
    """On PostgreSQL both look before either has an answer; on SQLite the second waits for the first."""
    both_look = threading.Barrier(2)
    postgresql = db_is_postgresql(app)

    def one(number: int) -> Answer:
        def action(session: Session) -> Answer:
            if postgresql and not both_look.broken:
                both_look.wait(LONG)
            session.add(OptOut(phone=f"{number}", at=MONDAY))
            session.flush()
            return {"by": number}

        with app.app_context(), clock.turned_to(MONDAY):
            return once(Key.of("me", "key", f"content {number % contents}"), action)

    answers = at_once(lambda: one(0), lambda: one(1))
    with app.app_context():
        (written,) = rows(OptOut)
        (kept,) = rows(KeptAnswer)
    first = {"by": int(written["phone"])}
    assert kept["answer"] == first
    assert first in answers
    (second,) = [answer for answer in answers if answer is not answers[answers.index(first)]]
    assert second == first if contents == 1 else isinstance(second, KeyReused)


def db_is_postgresql(app: Flask) -> bool:
    with app.app_context():
        return db.engine.dialect.name == "postgresql"


def test_guessed_links_do_not_fill_the_table(context: Flask, standing_clock: Any) -> None:
    set_up()
    visit = booked(NEXT_WEEK)
    before = rows(KeptAnswer)
    for guess in ("", "wrong", visit.token[:-1]):
        with pytest.raises(NotFound):
            visits.cancel(visit.reference, guess, "", actor="t", key=f"guess {guess}")
    assert rows(KeptAnswer) == before
    visits.cancel(visit.reference, visit.token, "", actor="t", key="guess wrong")
    assert rows(Appointment)[0]["status"] == "cancelled"
