"""An application that sends to a mail server of the test's own, and what tests of messages say again and again."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from booking.models import Message, Reminders
from booking.reminders import delivery
from booking.reminders.delivery import Claimed, deliver_due
from tests.conftest import standing
from tests.reminders import sink as sinks
from tests.reminders.sink import Sink
from tests.services.making import rows

# Of somebody who gave a number only, and wants texts.
TEXTED: dict[str, Any] = {
    "phone": "+18185550123",
    "reminders": Reminders.TEXT,
    "text_consent": True,
    "email": None,
}


@pytest.fixture
def sink() -> Iterator[Sink]:
    with sinks.running() as running:
        yield running


def mail_settings(sink: Sink, **others: str) -> dict[str, str]:
    return {
        "BOOKING_MAIL_HOST": "127.0.0.1",
        "BOOKING_MAIL_PORT": str(sink.port),
        "BOOKING_MAIL_SECURITY": "none",
        "BOOKING_MAIL_SENDER": "visits@clinic.example",
        "BOOKING_MAIL_TIMEOUT": "2",
    } | others


@pytest.fixture
def app(database_url: str, sink: Sink) -> Iterator[Flask]:
    with standing(database_url, **mail_settings(sink)) as app:
        yield app


def drain() -> None:
    """Sends until nothing is due."""
    while deliver_due():
        pass


def deliver_while(action: Callable[[], object]) -> None:
    """Sends a batch; the action happens between its claim and its first message."""
    claim = delivery.claim

    def claim_and_act(batch: int) -> list[Claimed]:
        claimed = claim(batch)
        action()
        return claimed

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(delivery, "claim", claim_and_act)
        assert deliver_due()


def die_at(owner: object, step: str, *, done: bool = False) -> None:
    """Sends a batch with a worker that dies when it comes to a step, or right after the step is done."""
    real = getattr(owner, step)

    def dies(*given: Any, **named: Any) -> None:
        if done:
            real(*given, **named)
        raise SystemExit

    with pytest.MonkeyPatch.context() as patched, pytest.raises(SystemExit):
        patched.setattr(owner, step, dies)
        deliver_due()


def messages(**which: Any) -> list[dict[str, Any]]:
    """The messages with these values, in the order in which they were written."""
    return [dict(row) for row in rows(Message) if all(row[name] == value for name, value in which.items())]


def message(**which: Any) -> dict[str, Any]:
    """The one message with these values."""
    (found,) = messages(**which)
    return found


def states() -> dict[str, str]:
    return {row["kind"]: row["state"] for row in rows(Message)}


def ways(kind: str) -> set[tuple[str, str]]:
    """By which channels a kind of message goes or went, and how far it came."""
    return {(row["channel"].value, row["state"].value) for row in messages(kind=kind)}


def text_files(app: Flask) -> list[str]:
    """The texts that were written to files instead of being sent, the words alone."""
    found = sorted(Path(app.instance_path, "mail").glob("*.txt"))
    return [path.read_text().split("\n\n", 1)[1].strip() for path in found]
