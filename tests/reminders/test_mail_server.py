"""The mail server: whom we believe, what it may say at each step, and what becomes of the mail when it fails."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from booking.models import Reminders
from booking.reminders.channels import Composed, Delivered, Outcome
from booking.reminders.channels.mail import mailer
from booking.reminders.delivery import BACK_OFF, TRIES
from tests.clinics import clinic as clinic_of, set_up
from tests.conftest import standing
from tests.reminders import sink as sinks
from tests.reminders.conftest import drain, mail_settings, message, messages, states
from tests.reminders.sink import Sink
from tests.services.making import NEXT_WEEK, booked

pytestmark = pytest.mark.usefixtures("standing_clock")

BY_MAIL_WITH_PHONE: dict[str, Any] = {"phone": "+18185550123", "reminders": Reminders.EMAIL}


@pytest.fixture
def clinic(app: Flask) -> Iterator[Flask]:
    with app.app_context():
        set_up()
        yield app


def remind(standing_clock: Any, sink: Sink, **how: Any) -> None:
    """A visit is booked, its confirmation sent, and its first reminder due."""
    booked(NEXT_WEEK, **how)
    drain()
    sink.taken.clear()
    standing_clock.at(NEXT_WEEK - timedelta(days=3))


# Whom we believe


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A certificate for 127.0.0.1 that only itself vouches for, and its key."""
    folder = tmp_path_factory.mktemp("certificate")
    made, key = folder / "made.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=mail server of a test", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", str(key), "-out", str(made)],
        check=True, capture_output=True,
    )  # fmt: skip
    return str(made), str(key)


ConfirmBy = Callable[..., dict[str, Any]]


@pytest.fixture
def confirm_by(database_url: str) -> ConfirmBy:
    """Books a visit with these settings of the mail server, and says what became of its confirmation."""

    def confirm(sink: Sink, **settings: str) -> dict[str, Any]:
        with standing(database_url, **mail_settings(sink, **settings)) as app, app.app_context():
            set_up()
            booked(NEXT_WEEK)
            drain()
            return message(kind="confirmation")

    return confirm


Server = Callable[[tuple[str, str]], AbstractContextManager[Sink]]
OVER_TLS = pytest.mark.parametrize(
    ("security", "server"),
    [("tls", sinks.running), ("starttls", lambda certificate: sinks.running(certificate, starttls=True))],
    ids=["tls", "starttls"],
)


@OVER_TLS
def test_a_certificate_that_nobody_vouches_for_is_refused_and_nothing_is_said(
    confirm_by: ConfirmBy, certificate: tuple[str, str], security: str, server: Server
) -> None:
    with server(certificate) as sink:
        login = {"BOOKING_MAIL_USER": "clinic", "BOOKING_MAIL_PASSWORD": "secret"}
        row = confirm_by(sink, BOOKING_MAIL_SECURITY=security, **login)
    assert (row["state"], sink.taken, sink.logins) == ("queued", [], [])
    assert "certificate verify failed" in row["last_error"]


@OVER_TLS
def test_the_same_certificate_is_believed_when_the_installation_names_it(
    confirm_by: ConfirmBy, certificate: tuple[str, str], security: str, server: Server
) -> None:
    with server(certificate) as sink:
        row = confirm_by(sink, BOOKING_MAIL_SECURITY=security, BOOKING_MAIL_CA_FILE=certificate[0])
    assert (row["state"], len(sink.taken)) == ("sent", 1)


def test_a_certificate_for_another_name_is_refused(
    confirm_by: ConfirmBy, certificate: tuple[str, str]
) -> None:
    with sinks.running(certificate) as sink:
        row = confirm_by(
            sink,
            BOOKING_MAIL_HOST="localhost",
            BOOKING_MAIL_SECURITY="tls",
            BOOKING_MAIL_CA_FILE=certificate[0],
        )
    assert (row["state"], sink.taken) == ("queued", [])
    assert "certificate is not valid for 'localhost'" in row["last_error"]


def test_a_server_without_starttls_gets_no_mail_in_the_open(confirm_by: ConfirmBy, sink: Sink) -> None:
    row = confirm_by(sink, BOOKING_MAIL_SECURITY="starttls")
    assert (row["state"], sink.taken) == ("queued", [])


@pytest.mark.parametrize(("password", "state"), [("right", "sent"), ("wrong", "queued")])
def test_we_sign_in_and_a_wrong_password_waits_for_a_person(
    confirm_by: ConfirmBy, certificate: tuple[str, str], password: str, state: str
) -> None:
    with sinks.running(certificate, starttls=True) as sink:
        sink.password = b"right"
        row = confirm_by(
            sink,
            BOOKING_MAIL_SECURITY="starttls",
            BOOKING_MAIL_CA_FILE=certificate[0],
            BOOKING_MAIL_USER="clinic",
            BOOKING_MAIL_PASSWORD=password,
        )
    assert sink.logins == [(b"clinic", password.encode())]
    assert row["state"] == state
    assert password not in row["last_error"]


# What it may say


@pytest.mark.parametrize(
    ("step", "says", "state"),
    [
        ("to_sender", "451 later", "queued"),
        ("to_sender", "550 we don't know you", "queued"),
        ("to_recipient", "450 try later", "queued"),
        ("to_recipient", "503 what was that", "queued"),
        ("to_recipient", "550 no such person", "dead"),
        ("to_data", "451 later", "queued"),
        ("to_data", "554 not now", "queued"),
        ("answer", "451 later", "queued"),
        ("answer", "554 looks like spam", "queued"),
    ],
)
def test_only_a_refused_recipient_ends_a_mail_at_once(
    clinic: Flask, sink: Sink, standing_clock: Any, step: str, says: str, state: str
) -> None:
    booked(NEXT_WEEK)
    setattr(sink, step, says)
    drain()
    row = message(kind="confirmation")
    assert (row["state"], row["last_error"]) == (state, says)
    assert sink.taken == []


@pytest.mark.parametrize("step", ["to_data", "answer"])
def test_what_the_server_declines_for_good_is_tried_five_times_and_is_then_dead(
    clinic: Flask, sink: Sink, standing_clock: Any, step: str
) -> None:
    booked(NEXT_WEEK)
    setattr(sink, step, "554 looks like spam")
    for _ in range(TRIES):
        assert message(kind="confirmation")["state"] == "queued"
        drain()
        standing_clock.on(hours=2)
    row = message(kind="confirmation")
    assert (row["state"], row["attempts"], row["last_error"]) == ("dead", 5, "554 looks like spam")


def test_a_sender_who_is_not_welcome_is_tried_as_long_as_it_is_of_use(
    clinic: Flask, sink: Sink, standing_clock: Any
) -> None:
    booked(NEXT_WEEK)
    sink.to_sender = "550 we don't know you"
    for _ in range(TRIES + 3):
        drain()
        standing_clock.on(hours=2)
    assert (message(kind="confirmation")["state"], message(kind="confirmation")["attempts"]) == ("queued", 8)
    sink.to_sender = sinks.OK
    drain()
    assert message(kind="confirmation")["state"] == "sent"


def test_a_reminder_to_a_refused_address_goes_on_the_list_of_calls(
    clinic: Flask, sink: Sink, standing_clock: Any
) -> None:
    remind(standing_clock, sink, **BY_MAIL_WITH_PHONE)
    sink.to_recipient = "550 no such person"
    drain()
    told = {(row["channel"], row["state"], row["address"]) for row in messages(kind="reminder-3d")}
    assert told == {("email", "dead", "rosa@example.com"), ("call", "to_call", "+18185550123")}
    assert [row["kind"] for row in messages(channel="call")] == ["reminder-3d"]


def test_a_reminder_to_a_refused_address_without_a_phone_is_shown_as_dead(
    clinic: Flask, sink: Sink, standing_clock: Any
) -> None:
    remind(standing_clock, sink)
    sink.to_recipient = "550 no such person"
    drain()
    assert message(kind="reminder-3d")["state"] == "dead"
    assert "550 no such person" in clinic.test_cli_runner().invoke(args=["messages"]).output


def test_what_the_server_says_of_an_address_is_kept_without_the_address(clinic: Flask, sink: Sink) -> None:
    booked(NEXT_WEEK)
    sink.to_recipient = "550 <rosa@example.com>: no such person"
    drain()
    assert message(kind="confirmation")["last_error"] == "550 … no such person"


# When it fails


def test_a_server_that_nobody_finds_is_tried_again(clinic: Flask, sink: Sink, standing_clock: Any) -> None:
    there = sink.port
    booked(NEXT_WEEK)
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(clinic.config["BOOKING"].values, "BOOKING_MAIL_PORT", sinks.free_port())
        drain()
    row = message(kind="confirmation")
    assert (row["state"], row["attempts"], sink.port) == ("queued", 1, there)
    assert row["last_error"].startswith("The mail server can't be reached: ConnectionRefusedError")
    standing_clock.on(minutes=1)
    drain()
    assert message(kind="confirmation")["state"] == "sent"


def test_a_silent_server_keeps_nobody_waiting_for_ever_and_is_tried_again(
    clinic: Flask, sink: Sink, standing_clock: Any
) -> None:
    clinic.config["BOOKING"].values["BOOKING_MAIL_TIMEOUT"] = 1
    booked(NEXT_WEEK)
    sink.stall = 2
    drain()
    row = message(kind="confirmation")
    assert (row["state"], row["attempts"]) == ("queued", 1)
    assert "timed out" in row["last_error"]
    sink.stall = 0
    standing_clock.on(minutes=1)
    drain()
    assert message(kind="confirmation")["state"] == "sent"
    assert len(set(sink.mail_ids)) == 1


def test_a_batch_goes_over_one_connection(clinic: Flask, sink: Sink) -> None:
    three_visits()
    drain()
    assert (len(sink.taken), sink.connections) == (3, 1)


def test_what_is_left_of_a_batch_goes_over_a_new_connection_when_the_first_is_lost(
    clinic: Flask, sink: Sink, standing_clock: Any
) -> None:
    three_visits()
    sink.hang_up_after = 1
    drain()
    # The mail that found the line dead waits for its next turn; the one after it doesn't.
    assert (len(sink.taken), sink.connections) == (2, 2)
    standing_clock.on(minutes=1)
    drain()
    assert sorted(sink.recipients) == [f"guest{number}@example.com" for number in range(3)]


def test_a_mail_cut_off_after_the_final_dot_is_sent_again_with_the_same_id(
    clinic: Flask, sink: Sink, standing_clock: Any
) -> None:
    booked(NEXT_WEEK)
    sink.die_after_dot = True
    drain()
    assert "after the final dot" in message(kind="confirmation")["last_error"]
    sink.die_after_dot = False
    standing_clock.on(minutes=1)
    drain()
    assert states()["confirmation"] == "sent"
    assert len(sink.mail_ids) == 2
    assert set(sink.mail_ids) == {f"<{message(kind='confirmation')['mail_id']}>"}


def test_a_mail_that_fails_in_an_unforeseen_way_ends_its_connection_and_keeps_nobody(
    clinic: Flask, sink: Sink
) -> None:
    # SMTP can't carry this address, and its client finds that out in the middle of the dialogue.
    booked(NEXT_WEEK, email="rösa@example.com")
    booked(NEXT_WEEK + timedelta(hours=1), email="omar@example.com", first_name="Omar")
    drain()
    assert sink.recipients == ["omar@example.com"]
    assert sink.connections == 2
    row = message(kind="confirmation", address="rösa@example.com")
    assert (row["state"], row["last_error"]) == ("queued", "UnicodeEncodeError while it was sent.")


def test_a_line_that_begins_with_a_dot_arrives_with_its_dot(clinic: Flask, sink: Sink) -> None:
    set_up(clinic_of(about={"message_name": ".Palace"}))
    booked(NEXT_WEEK)
    drain()
    (mail,) = sink.taken
    assert b"\n.Palace, 1 Main Street" in mail.as_bytes()


def test_a_line_that_is_longer_than_servers_take_arrives_as_it_is(clinic: Flask, sink: Sink) -> None:
    long = ", ".join(["Ö = quiet river stone"] * 100)
    said = Composed(
        to="rosa@example.com", subject="Düne", text=long, kept="", mail_id="one@clinic.example",
        html=f"<p>{long}</p>", sender_name="Clínica",
    )  # fmt: skip
    with mailer() as way:
        assert way.send(said) == Delivered(Outcome.SENT)
    (mail,) = sink.taken
    assert mail["Subject"] == "Düne"
    for subtype, words in (("plain", said.text), ("html", said.html)):
        part = mail.get_body((subtype,))
        assert part is not None and part.get_content().strip() == words


def test_each_pause_is_longer_and_within_its_jitter(clinic: Flask, sink: Sink, standing_clock: Any) -> None:
    booked(NEXT_WEEK)
    sink.answer = "451 not now"
    for nominal in (*BACK_OFF, BACK_OFF[-1], BACK_OFF[-1]):
        drain()
        row = message(kind="confirmation")
        pause = row["due_at"] - standing_clock.now
        assert nominal * 0.8 <= pause <= nominal * 1.2
        standing_clock.at(row["due_at"])


def test_nothing_is_tried_after_it_is_of_use_and_the_reason_is_kept(
    clinic: Flask, sink: Sink, standing_clock: Any
) -> None:
    remind(standing_clock, sink, **BY_MAIL_WITH_PHONE)
    standing_clock.at(NEXT_WEEK - timedelta(days=1))
    sink.answer = "451 not now"
    for _ in range(60):
        drain()
        row = message(kind="reminder-1d", channel="email")
        if row["state"] != "queued":
            break
        assert row["due_at"] <= row["not_after"] == NEXT_WEEK - timedelta(minutes=30)
        standing_clock.at(row["due_at"])
    assert row["state"] == "dead"
    assert row["last_error"] == "Not delivered before it was too late. 451 not now"
    assert message(kind="reminder-1d", channel="call")["state"] == "to_call"


def test_a_server_that_is_dead_for_six_hours_costs_no_message_that_is_still_of_use(
    clinic: Flask, sink: Sink, standing_clock: Any
) -> None:
    # Two visits whose reminders fall due in these hours, and two that are booked in them: one of these begins before
    # anybody can be told.
    for hour in range(2):
        booked(NEXT_WEEK + timedelta(hours=hour), email=f"due{hour}@example.com")
    drain()
    sink.taken.clear()
    began = NEXT_WEEK - timedelta(days=3)
    dead_port = sinks.free_port()
    values = clinic.config["BOOKING"].values
    values["BOOKING_MAIL_PORT"] = dead_port
    standing_clock.at(began)
    booked(began + timedelta(hours=4), email="soon@example.com")
    booked(NEXT_WEEK + timedelta(hours=2), email="later@example.com")
    while standing_clock.now < began + timedelta(hours=6):
        drain()
        standing_clock.on(minutes=5)
    assert sink.taken == []
    shown = clinic.test_cli_runner().invoke(args=["messages"]).output
    assert shown.count("can't be reached") == 5
    values["BOOKING_MAIL_PORT"] = sink.port
    while standing_clock.now < began + timedelta(hours=8):
        drain()
        standing_clock.on(minutes=5)
    # The visit that was booked for later has its confirmation and its reminder.
    assert sorted(sink.recipients) == ["due0@example.com", "due1@example.com", *["later@example.com"] * 2]
    dead = message(address="soon@example.com")
    assert (dead["kind"], dead["state"]) == ("confirmation", "dead")
    assert dead["last_error"].startswith("Not delivered before it was too late.")


def three_visits() -> None:
    for number in range(3):
        booked(NEXT_WEEK + timedelta(hours=number), email=f"guest{number}@example.com")
