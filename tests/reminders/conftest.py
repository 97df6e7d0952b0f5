"""An application that sends to a mail server of the test's own."""

from collections.abc import Iterator

import pytest
from flask import Flask

from tests.conftest import MakeApp
from tests.reminders import sink as sinks
from tests.reminders.sink import Sink


@pytest.fixture
def sink() -> Iterator[Sink]:
    with sinks.running() as running:
        yield running


@pytest.fixture
def app(database_url: str, make_app: MakeApp, sink: Sink) -> Flask:
    return make_app(
        database_url,
        BOOKING_MAIL_HOST="127.0.0.1",
        BOOKING_MAIL_PORT=str(sink.port),
        BOOKING_MAIL_SECURITY="none",
        BOOKING_MAIL_SENDER="visits@clinic.example",
        BOOKING_MAIL_TIMEOUT="2",
    )
