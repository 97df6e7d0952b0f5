"""Texts by Twilio, against a local server that speaks its API; and its signed webhook."""

import json
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest
from flask import Flask
from twilio.http import http_client
from twilio.request_validator import RequestValidator

from booking.models import InboundText, OptOut
from booking.reminders.delivery import deliver_due
from tests.clinics import set_up
from tests.conftest import standing
from tests.databases import free_port
from tests.reminders.conftest import TEXTED, drain, message, ways
from tests.services.making import NEXT_WEEK, booked, rows

pytestmark = pytest.mark.usefixtures("standing_clock")

TOKEN = "a token for tests"
PATIENT = http_client.TwilioHttpClient


class Provider:
    """What was sent, and what the server answers."""

    def __init__(self) -> None:
        self.sent: list[dict[str, str]] = []
        self.status, self.stall, self.hangs_up = 201, 0.0, False


@pytest.fixture
def provider() -> Iterator[tuple[Provider, int]]:
    state, released = Provider(), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            state.sent.append({name: values[0] for name, values in body.items()} | {"path": self.path})
            if state.hangs_up:
                return
            released.wait(state.stall)
            said = (
                {"sid": "SM123", "status": "queued"}
                if state.status == 201
                else {"code": 21211, "message": "no", "status": state.status}
            )
            content = json.dumps(said).encode()
            self.send_response(state.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Says nothing between the tests' dots."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None:
            """Whoever waited for us may be gone."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield state, server.server_address[1]
    released.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def app(database_url: str, provider: tuple[Provider, int]) -> Iterator[Flask]:
    with standing(
        database_url,
        BOOKING_TEXTS="twilio",
        BOOKING_TWILIO_ACCOUNT="AC123",
        BOOKING_TWILIO_TOKEN=TOKEN,
        BOOKING_TWILIO_FROM="+18185550199",
        BOOKING_TWILIO_API=f"http://127.0.0.1:{provider[1]}",
    ) as app:
        with app.app_context():
            set_up()
        yield app


def sent_state(app: Flask) -> dict[str, Any]:
    with app.app_context():
        booked(NEXT_WEEK, **TEXTED)
        deliver_due()
        return message(kind="confirmation", channel="text")


def test_a_text_is_handed_over(app: Flask, provider: tuple[Provider, int]) -> None:
    row = sent_state(app)
    assert (row["state"], row["provider_id"]) == ("sent", "SM123")
    (text,) = provider[0].sent
    assert text["path"] == "/2010-04-01/Accounts/AC123/Messages.json"
    assert (text["To"], text["From"]) == ("+18185550123", "+18185550199")
    assert text["Body"].startswith("Test Clinic: booked")


@pytest.mark.parametrize(("status", "state"), [(429, "queued"), (503, "queued"), (400, "dropped")])
def test_what_the_provider_says_decides(
    app: Flask, provider: tuple[Provider, int], status: int, state: str
) -> None:
    provider[0].status = status
    assert sent_state(app)["state"] == state


def test_a_text_that_the_provider_can_not_be_reached_for_is_tried_again(
    app: Flask, provider: tuple[Provider, int], monkeypatch: pytest.MonkeyPatch, standing_clock: Any
) -> None:
    with monkeypatch.context() as patched:
        patched.setitem(app.config["BOOKING"].values, "BOOKING_TWILIO_API", f"http://127.0.0.1:{free_port()}")
        row = sent_state(app)
    assert (row["state"], row["handed_over_at"]) == ("queued", None)
    standing_clock.on(minutes=1)
    with app.app_context():
        drain()
        assert message(kind="confirmation")["state"] == "sent"
    assert len(provider[0].sent) == 1


def hang_up(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    provider.hangs_up = True


def stay_silent(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    provider.stall = 20.0
    monkeypatch.setattr(http_client, "TwilioHttpClient", lambda timeout: PATIENT(timeout=0.5))


@pytest.mark.parametrize("fail", [hang_up, stay_silent])
def test_a_text_in_doubt_is_not_sent_again_and_a_reminder_goes_another_way_as_well(
    app: Flask,
    provider: tuple[Provider, int],
    monkeypatch: pytest.MonkeyPatch,
    standing_clock: Any,
    fail: Callable[[Provider, pytest.MonkeyPatch], None],
) -> None:
    with app.app_context():
        booked(NEXT_WEEK, **TEXTED)
        drain()
        standing_clock.at(NEXT_WEEK - timedelta(days=3))
        fail(provider[0], monkeypatch)
        drain()
        assert ways("reminder-3d") == {("text", "unsure"), ("call", "to_call")}
        standing_clock.on(hours=5)
        drain()
    assert [text["Body"].split(":")[1][:7] for text in provider[0].sent] == [" booked", " your v"]


def test_a_number_that_the_provider_refuses_is_called(
    app: Flask, provider: tuple[Provider, int], standing_clock: Any
) -> None:
    with app.app_context():
        booked(NEXT_WEEK, **TEXTED)
        drain()
        standing_clock.at(NEXT_WEEK - timedelta(days=3))
        provider[0].status = 400
        drain()
        assert ways("reminder-3d") == {("text", "dropped"), ("call", "to_call")}


def inbound(app: Flask, words: str, sid: str = "SM9", token: str = TOKEN) -> int:
    form = {"From": "+18185550123", "Body": words, "MessageSid": sid}
    signature = RequestValidator(token).compute_signature("http://visits.example/texts/twilio", form)
    return (
        app.test_client()
        .post("/texts/twilio", data=form, headers={"X-Twilio-Signature": signature})
        .status_code
    )


def test_a_signed_stop_is_honoured_and_an_unsigned_one_is_not(app: Flask) -> None:
    assert inbound(app, "STOP", token="another") == 403
    with app.app_context():
        assert rows(OptOut) == []
    assert inbound(app, "STOP") == 200
    with app.app_context():
        assert [row["phone"] for row in rows(OptOut)] == ["+18185550123"]
    assert inbound(app, "START", sid="SM10") == 200
    with app.app_context():
        assert rows(OptOut) == []


def test_the_same_text_twice_is_kept_once(app: Flask) -> None:
    assert [inbound(app, "running late"), inbound(app, "running late")] == [200, 200]
    with app.app_context():
        (kept,) = rows(InboundText)
        assert kept["taken_for"] == "message"
