"""What all tests share: a fresh application on each database, a clock that stands, and no way out of this machine."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, settings

from booking import clock
from booking.app import create_app
from booking.extensions import db
from tests import databases

settings.register_profile(
    "project", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
settings.load_profile("project")

# A Monday morning in Los Angeles, 8 am, far from any clock change.
MONDAY = datetime(2026, 9, 14, 15, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def nothing_leaves_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that would open a connection to anywhere else fails."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"A test tried to reach {address}.")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A fresh database, once on SQLite and once on PostgreSQL."""
    with getattr(databases, request.param)() as url:
        yield url


MakeApp = Callable[..., Flask]


@pytest.fixture
def make_app(tmp_path: Path) -> Iterator[MakeApp]:
    """Applications with settings of one's own, closed at the end."""
    made: list[Flask] = []

    def make(database_url: str, **settings: str) -> Flask:
        app = create_app(
            databases.SETTINGS | {"BOOKING_DATABASE_URL": database_url} | settings,
            instance_path=str(tmp_path / f"instance-{len(made)}"),
        )
        made.append(app)
        return app

    yield make
    for app in made:
        with app.app_context():
            db.engine.dispose()


@pytest.fixture
def app(database_url: str, make_app: MakeApp) -> Flask:
    """The application on a fresh database. No context is pushed: requests and use cases bring their own."""
    return make_app(database_url)


@pytest.fixture
def context(app: Flask) -> Iterator[Flask]:
    """The application with its context, for use cases that are called directly."""
    with app.app_context():
        yield app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


class StandingClock:
    """A clock that stands at Monday, 8 am, until it is turned."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.at(MONDAY)

    def at(self, instant: datetime) -> None:
        self.now = instant
        self._stack.enter_context(clock.turned_to(instant))

    def on(self, **by: float) -> None:
        self.at(self.now + timedelta(**by))


@pytest.fixture
def standing_clock() -> Iterator[StandingClock]:
    with ExitStack() as stack:
        yield StandingClock(stack)


@contextmanager
def in_context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield
