"""Texts: simulated and saying so, bound by STOP, consent, hours and caps, and another way when they can't go."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from booking import clock
from booking.extensions import db
from booking.models import TextConsent
from booking.reminders import delivery
from booking.reminders.channels import texts as channel
from booking.reminders.delivery import LEASE, deliver_due
from booking.services import inbound_texts, links_again, outbox, visits
from tests.clinics import clinic, practitioner, set_up
from tests.conftest import MONDAY
from tests.reminders.conftest import (
    TEXTED,
    deliver_while,
    die_at,
    drain,
    message,
    messages,
    states,
    text_files,
    ways,
)
from tests.reminders.sink import Sink
from tests.services.making import NEXT_WEEK, booked

pytestmark = pytest.mark.usefixtures("standing_clock", "context")

WITH_MAIL = TEXTED | {"email": "rosa@example.com"}
THREE_DAYS_BEFORE = NEXT_WEEK - timedelta(days=3)
# With an address, without one: where a reminder goes that can't go as a text.
OTHER_WAYS = pytest.mark.parametrize(
    ("how", "other"), [(WITH_MAIL, ("email", "sent")), (TEXTED, ("call", "to_call"))], ids=["mail", "call"]
)


def test_texts_are_simulated_and_say_so(app: Flask) -> None:
    set_up()
    booked(NEXT_WEEK, **TEXTED)
    drain()
    assert states()["confirmation"] == "simulated"
    (words,) = text_files(app)
    assert words.startswith("Test Clinic: booked for Mon, Sep 21, 9:00 am Pacific Time.")
    assert words.endswith("Reply STOP to end.")


# Hours and caps


def test_a_reminder_that_would_fall_into_quiet_hours_is_written_for_the_morning(standing_clock: Any) -> None:
    early = practitioner(hours={"monday": ["8:00-12:00"]})
    set_up(clinic(practitioners=[early]))
    start = NEXT_WEEK - timedelta(hours=1)  # 8 am: three days before is outside text hours.
    booked(start, **TEXTED)
    assert message(kind="reminder-3d")["due_at"] == start - timedelta(days=3) + timedelta(hours=1)


def test_a_text_that_comes_to_its_turn_in_quiet_hours_waits_for_the_morning(
    app: Flask, standing_clock: Any
) -> None:
    set_up()
    booked(NEXT_WEEK, **TEXTED)
    drain()
    standing_clock.at(
        THREE_DAYS_BEFORE + timedelta(hours=10, minutes=1)
    )  # A minute past seven in the evening.
    drain()
    row = message(kind="reminder-3d")
    assert (row["state"], row["attempts"]) == ("queued", 0)
    assert row["due_at"] == THREE_DAYS_BEFORE + timedelta(days=1)
    standing_clock.at(row["due_at"])
    drain()
    assert ways("reminder-3d") == {("text", "simulated")}


@OTHER_WAYS
def test_a_text_that_has_no_hours_left_goes_another_way(
    sink: Sink, standing_clock: Any, how: dict[str, Any], other: tuple[str, str]
) -> None:
    set_up()
    booked(NEXT_WEEK, **how)
    drain()
    standing_clock.at(
        NEXT_WEEK - timedelta(hours=13)
    )  # Eight in the evening before; at nine the visit begins.
    drain()
    assert ways("reminder-1d") == {("text", "dropped"), other}


@pytest.mark.parametrize(
    ("minutes_before_midnight", "state"), [(30, "simulated"), (0, "queued"), (-30, "queued")]
)
def test_texts_may_go_until_midnight_where_the_clinic_says_so(
    standing_clock: Any, minutes_before_midnight: int, state: str
) -> None:
    set_up(clinic(rules={"texts": "9:00-24:00"}))
    booked(NEXT_WEEK, **TEXTED)
    drain()
    midnight = THREE_DAYS_BEFORE + timedelta(hours=15)
    standing_clock.at(midnight - timedelta(minutes=minutes_before_midnight))
    drain()
    assert states()["reminder-3d"] == state


def test_an_answer_is_bound_by_no_hours_and_no_caps(app: Flask, standing_clock: Any) -> None:
    set_up()
    visit = booked(NEXT_WEEK, **TEXTED)
    standing_clock.at(THREE_DAYS_BEFORE)
    drain()
    standing_clock.on(hours=11)
    visits.cancel(visit.reference, visit.token, "", actor="t", key="c")
    drain()
    assert states()["reminder-3d"] == states()["cancellation"] == "simulated"
    assert len(text_files(app)) == 3


def test_at_most_one_text_a_day(app: Flask, standing_clock: Any) -> None:
    set_up()
    for hour in range(2):
        booked(NEXT_WEEK + timedelta(hours=hour), **TEXTED)
    standing_clock.at(THREE_DAYS_BEFORE + timedelta(hours=2))
    drain()
    waiting = message(kind="reminder-3d", state="queued")
    assert (waiting["due_at"], waiting["attempts"]) == (THREE_DAYS_BEFORE + timedelta(days=1), 0)
    assert len(messages(kind="reminder-3d", state="simulated")) == 1


@OTHER_WAYS
def test_what_is_above_the_cap_of_a_week_goes_another_way(
    sink: Sink, standing_clock: Any, how: dict[str, Any], other: tuple[str, str]
) -> None:
    set_up(clinic(rules={"texts_a_week": 1}))
    booked(NEXT_WEEK, **how)
    for days in (3, 1):
        standing_clock.at(NEXT_WEEK - timedelta(days=days))
        drain()
    assert ways("reminder-3d") == {("text", "simulated")}
    assert ways("reminder-1d") == {("text", "dropped"), other}


def in_two_workers(app: Flask, standing_clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two reminders for one number, each in a worker's hands. A worker that has looked at the caps waits for the other
    to have looked as well, as long as a lock doesn't keep that one from looking."""
    set_up()
    for hour in range(2):
        booked(NEXT_WEEK + timedelta(hours=hour), **TEXTED)
    drain()
    at = THREE_DAYS_BEFORE + timedelta(hours=2)
    standing_clock.at(at)
    composed, looked = threading.Barrier(2), threading.Barrier(2)
    compose, verdict = delivery.compose, delivery.verdict
    late = threading.local()

    def compose_together(*given: Any) -> Any:
        words = compose(*given)
        composed.wait(20)
        late.now = True
        return words

    def look_together(*given: Any) -> Any:
        said = verdict(*given)
        if getattr(late, "now", False):
            with suppress(threading.BrokenBarrierError):
                looked.wait(0.5)
        return said

    monkeypatch.setattr(delivery, "compose", compose_together)
    monkeypatch.setattr(delivery, "verdict", look_together)

    def work(_: int) -> None:
        with app.app_context(), clock.turned_to(at):
            assert deliver_due(batch=1)

    with ThreadPoolExecutor(2) as crowd:
        list(crowd.map(work, range(2)))


def test_two_workers_at_one_moment_never_pass_the_cap_together(
    app: Flask, standing_clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_two_workers(app, standing_clock, monkeypatch)
    assert sorted(row["state"] for row in messages(kind="reminder-3d")) == ["queued", "simulated"]


@pytest.mark.parametrize(
    "database_kind", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True
)
def test_without_the_lock_of_the_number_they_would(
    app: Flask, standing_clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "lock_names", lambda *_: None)
    in_two_workers(app, standing_clock, monkeypatch)
    assert sorted(row["state"] for row in messages(kind="reminder-3d")) == ["simulated", "simulated"]


# STOP and consent


@OTHER_WAYS
def test_stop_is_honoured_at_once_and_the_reminder_goes_another_way(
    app: Flask, sink: Sink, standing_clock: Any, how: dict[str, Any], other: tuple[str, str]
) -> None:
    set_up()
    booked(NEXT_WEEK, **how)
    drain()
    before = text_files(app)
    assert inbound_texts.receive("+18185550123", "Stop!", "SM1") == "stop"
    standing_clock.at(THREE_DAYS_BEFORE)
    drain()
    assert ways("reminder-3d") == {("text", "dropped"), other}
    assert text_files(app) == before


def stop() -> None:
    inbound_texts.receive("+18185550123", "STOP", "SM1")


def test_a_stop_after_the_claim_is_honoured(app: Flask, sink: Sink, standing_clock: Any) -> None:
    set_up()
    booked(NEXT_WEEK, **WITH_MAIL)
    drain()
    standing_clock.at(THREE_DAYS_BEFORE)
    deliver_while(stop)
    drain()
    assert text_files(app) == []
    assert ways("reminder-3d") == {("text", "dropped"), ("email", "sent")}


def test_a_stop_after_the_text_was_composed_is_honoured(
    app: Flask, sink: Sink, standing_clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_up()
    booked(NEXT_WEEK, **WITH_MAIL)
    drain()
    standing_clock.at(THREE_DAYS_BEFORE)
    compose = delivery.compose

    def stop_meanwhile(*given: Any) -> Any:
        words = compose(*given)
        stop()
        return words

    monkeypatch.setattr(delivery, "compose", stop_meanwhile)
    drain()
    assert text_files(app) == []
    assert ways("reminder-3d") == {("text", "dropped"), ("email", "sent")}


def test_a_text_that_is_dropped_after_it_was_composed_is_not_sent(
    app: Flask, standing_clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_up()
    booked(NEXT_WEEK, **TEXTED)
    compose = delivery.compose

    def drop_meanwhile(*given: Any) -> Any:
        words = compose(*given)
        assert outbox.drop_due_before(MONDAY + timedelta(seconds=1)) == 1
        return words

    monkeypatch.setattr(delivery, "compose", drop_meanwhile)
    drain()
    assert (text_files(app), states()["confirmation"]) == ([], "dropped")


def test_start_after_stop_lets_texts_go_again(app: Flask, standing_clock: Any) -> None:
    set_up()
    booked(NEXT_WEEK, **TEXTED)
    drain()
    stop()
    assert inbound_texts.receive("+18185550123", "START", "SM2") == "start"
    standing_clock.at(THREE_DAYS_BEFORE)
    drain()
    assert ways("reminder-3d") == {("text", "simulated")}


@OTHER_WAYS
def test_a_text_without_consent_goes_another_way(
    sink: Sink, standing_clock: Any, how: dict[str, Any], other: tuple[str, str]
) -> None:
    set_up()
    booked(NEXT_WEEK, **how)
    with db.engine.begin() as connection:
        connection.execute(TextConsent.__table__.delete())
    standing_clock.at(THREE_DAYS_BEFORE)
    drain()
    assert ways("reminder-3d") == {("text", "dropped"), other}


# Workers that die


def test_a_text_that_was_not_handed_over_is_sent_by_another_worker(app: Flask, standing_clock: Any) -> None:
    set_up()
    booked(NEXT_WEEK, **TEXTED)
    die_at(delivery, "compose")
    standing_clock.at(MONDAY + LEASE + timedelta(seconds=1))
    drain()
    assert states()["confirmation"] == "simulated"
    assert len(text_files(app)) == 1


@OTHER_WAYS
@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
def test_a_text_that_was_handed_over_is_unsure_and_a_reminder_goes_another_way_as_well(
    app: Flask, sink: Sink, standing_clock: Any, how: dict[str, Any], other: tuple[str, str], done: bool
) -> None:
    set_up()
    booked(NEXT_WEEK, **how)
    drain()
    before = len(text_files(app))
    standing_clock.at(THREE_DAYS_BEFORE)
    die_at(channel.FileTexter, "send", done=done)
    standing_clock.on(seconds=LEASE.total_seconds() + 1)
    drain()
    assert ways("reminder-3d") == {("text", "unsure"), other}
    assert len(text_files(app)) == before + done


def test_a_text_that_was_handed_over_is_not_given_back_by_a_worker_that_stops(
    app: Flask, standing_clock: Any
) -> None:
    """As if nobody had touched it: somebody at the desk could take it back."""
    set_up()
    booked(NEXT_WEEK, **TEXTED)
    die_at(channel.FileTexter, "send", done=True)
    for _ in range(2):
        standing_clock.on(seconds=LEASE.total_seconds() + 1)
        assert deliver_due(stopping=lambda: True)
        assert states()["confirmation"] == "sending"
    standing_clock.on(seconds=LEASE.total_seconds() + 1)
    drain()
    assert ways("confirmation") == {("text", "unsure"), ("call", "to_call")}
    assert len(text_files(app)) == 1


# What people write to us


@pytest.mark.parametrize(
    ("words", "meaning"),
    [
        ("STOP", "stop"), ("stop please", "stop"), ("STOP ALL", "stop"), ("Opt me out", "stop"), ("don’t text me", "stop"),
        ("ＳＴＯＰ", "stop"), ("Is there a bus stop near you?", "message"), ("Can I stop by on Friday?", "message"), ("Please stop texting me", "stop"), ("Unsubscribe.", "stop"),
        ("don't text me any more", "stop"), ("START", "start"), ("help", "help"), ("running late, sorry", "message"),
        ("cancel", "stop"), ("", "message"),
    ],
)  # fmt: skip
def test_inbound_texts_are_understood(words: str, meaning: str) -> None:
    assert inbound_texts._meaning(words) == meaning


def test_a_text_that_comes_twice_is_taken_for_what_it_was_the_first_time() -> None:
    set_up()
    assert inbound_texts.receive("+18185550123", "STOP", "SM1") == "stop"
    assert inbound_texts.receive("+18185550123", "something else", "SM1") == "stop"


def test_a_text_to_us_is_kept_and_answered_once_a_day(app: Flask, standing_clock: Any) -> None:
    set_up()
    for number in range(3):
        inbound_texts.receive("+18185550123", "running late", f"SM{number}")
    drain()
    answer = "Test Clinic: We don't read texts right away. Please call (818) 555-0100."
    assert text_files(app) == [answer]
    standing_clock.on(days=1, seconds=1)
    inbound_texts.receive("+18185550123", "me again", "SM9")
    drain()
    assert text_files(app) == [answer, answer]


def test_who_said_stop_gets_no_answer_either(app: Flask) -> None:
    set_up()
    stop()
    inbound_texts.receive("+18185550123", "HELP", "SM2")
    drain()
    assert text_files(app) == []


def test_links_asked_for_by_a_number_go_to_it_as_a_text(app: Flask) -> None:
    set_up()
    visit = booked(NEXT_WEEK, **TEXTED)
    links_again.ask("+18185550123")
    drain()
    assert f"http://visits.example/v/{visit.reference}/{visit.token}" in text_files(app)[-1]


def test_links_asked_for_by_a_number_without_consent_go_to_the_mail_address_on_record(
    app: Flask, sink: Sink
) -> None:
    set_up()
    visit = booked(NEXT_WEEK, phone="+18185550123")
    other = booked(NEXT_WEEK + timedelta(hours=1), first_name="Omar", email="omar@example.com")
    drain()
    sink.taken.clear()
    links_again.ask("+18185550123")
    drain()
    (mail,) = sink.taken
    text = mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert mail["To"] == "rosa@example.com"
    assert visit.token in text and other.reference not in text
    assert text_files(app) == []


def test_where_neither_the_old_nor_the_new_number_may_be_texted_somebody_calls_the_new_one() -> None:
    """The first call was dropped with the number that was wrong; it told nobody."""
    set_up()
    visit = booked(NEXT_WEEK, **TEXTED)
    inbound_texts.receive("+18185550123", "STOP", "in-1")
    drain()
    assert ("call", "to_call") in ways("confirmation")
    visits.correct_contact(visit.reference, visit.token, None, "+18185550188", actor="t", key="c")
    drain()
    calls = [row for row in messages(kind="confirmation") if row["channel"] == "call"]
    assert [(row["address"], row["state"]) for row in calls] == [
        ("+18185550123", "dropped"),
        ("+18185550188", "to_call"),
    ]
