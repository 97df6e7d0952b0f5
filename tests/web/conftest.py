"""A clinic behind the client, and forms sent as a browser would send them."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from booking.models import Role
from booking.services.clinic_file import ClinicFile
from booking.services.staff.who import Who
from tests.clinics import clinic, practitioner, set_up, visit_type
from tests.conftest import KINDS
from tests.staffing import hired, signed_in

on_both = pytest.mark.parametrize("database_kind", KINDS, indirect=True)
# What another database may take otherwise: a zero byte, more than fits, signs beyond the usual, too high a number, its own words.
TRYING = ("\x00", "x" * 3000, "💥", "99999999999999999999", "'; DROP TABLE patients; --")


def on_both_where_trying(name: str, words: Sequence[str]) -> pytest.MarkDecorator:
    """Each of these absurd words on SQLite, and those of `TRYING` on PostgreSQL as well."""
    trying = [
        pytest.param("postgresql", word, marks=pytest.mark.postgresql) for word in words if word in TRYING
    ]
    return pytest.mark.parametrize(
        ("database_kind", name), [*(("sqlite", word) for word in words), *trying], indirect=["database_kind"]
    )


@pytest.fixture(params=["sqlite"])
def database_kind(request: pytest.FixtureRequest) -> str:
    """SQLite alone: how a page shows a use case, which is itself tried on both databases. What comes to a database as a
    page was sent it, absurd, at the wrong moment or again, is tried `on_both`.
    """
    kind: str = request.param
    return kind


def _usual_clinic() -> ClinicFile:
    return clinic(
        visit_types=[
            visit_type("follow-up", name="Follow-up, 30 minutes", price_cents=9500, price_shown="exact"),
            visit_type("first", kind="first", bring="Your insurance card"),
            visit_type("special", on_request=True, tell_us="Tell us about a pacemaker."),
        ],
        practitioners=[
            practitioner("ana", name="Ana Ruiz", offers=["follow-up", "first", "special"]),
            practitioner("ben", name="Ben Okoro", offers=["follow-up"]),
        ],
    )


@pytest.fixture
def app(app: Flask, standing_clock: Any, request: pytest.FixtureRequest) -> Flask:
    """With a clinic: the usual one, or what the test, or its module, is marked with."""
    marked = request.node.get_closest_marker("clinic")
    with app.app_context():
        set_up(marked.args[0] if marked else _usual_clinic())
    return app


Send = Callable[..., TestResponse]


def fields(page: str) -> dict[str, str]:
    """The hidden fields of a page."""
    return dict(re.findall(r'<input type="hidden" name="([\w]+)" value="([^"]*)"', page))


@pytest.fixture
def send(client: FlaskClient) -> Send:
    """Sends the form of a page that was just fetched, with its hidden fields."""

    def sent(page: TestResponse, to: str, **typed: str) -> TestResponse:
        return client.post(to, data=fields(page.text) | typed)

    return sent


@pytest.fixture
def dana(app: Flask) -> Who:
    """A clerk of the desk."""
    with app.app_context():
        return hired(Role.DESK, name="Dana Desk")


@pytest.fixture
def desk(app: Flask, dana: Who) -> FlaskClient:
    """Her browser, signed in."""
    return signed_in(app, dana)
