"""Texts by Twilio, against a local server that speaks its API; and its signed webhook."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest
from flask import Flask
from twilio.request_validator import RequestValidator

from booking.models import InboundText, Message, OptOut, Reminders
from booking.reminders.delivery import deliver_due
from tests.clinics import set_up
from tests.conftest import MakeApp
from tests.services.making import NEXT_WEEK, booked, rows

pytestmark = pytest.mark.usefixtures("standing_clock")

TOKEN = "a token for tests"
TEXTED: dict[str, Any] = {
    "phone": "+18185550123",
    "reminders": Reminders.TEXT,
    "text_consent": True,
    "email": None,
}


class Provider:
    """What was sent, and what the server answers."""

    def __init__(self) -> None:
        self.sent: list[dict[str, str]] = []
        self.status, self.stall = 201, 0.0


@pytest.fixture
def provider() -> Iterator[tuple[Provider, int]]:
    state = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            state.sent.append({name: values[0] for name, values in body.items()} | {"path": self.path})
            time.sleep(state.stall)
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

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield state, server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def app(database_url: str, make_app: MakeApp, provider: tuple[Provider, int]) -> Flask:
    made = make_app(
        database_url,
        BOOKING_TEXTS="twilio",
        BOOKING_TWILIO_ACCOUNT="AC123",
        BOOKING_TWILIO_TOKEN=TOKEN,
        BOOKING_TWILIO_FROM="+18185550199",
        BOOKING_TWILIO_API=f"http://127.0.0.1:{provider[1]}",
    )
    with made.app_context():
        set_up()
    return made


def sent_state(app: Flask) -> dict[str, Any]:
    with app.app_context():
        booked(NEXT_WEEK, **TEXTED)
        deliver_due()
        return next(dict(row) for row in rows(Message) if row["kind"] == "confirmation")


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
