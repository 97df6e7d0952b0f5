"""Who agreed to texts at their number before isn't asked again when they book their plan, and nothing is chosen for them that would
be refused.
"""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from booking import clock
from booking.models import Appointment, OptOut, Reminders
from booking.services import rows as new_rows
from booking.services.transaction import run
from tests.clinics import plan_clinic
from tests.services.making import booked, rows
from tests.services.plans.making import patient, prescribed
from tests.web.conftest import on_both
from tests.web.test_plan_pages import chosen, sent, words

pytestmark = pytest.mark.clinic(plan_clinic())

NUMBER = "+18185550123"
BOTH_WAYS = {"email": "rosa@example.com", "reminders": "both", "reminded_of": "both"}


@pytest.fixture
def way(app: Flask) -> str:
    """The link of a plan of somebody whose last visit was reminded of by mail and by text, as they had agreed."""
    with app.app_context():
        reference = patient()
        booked(
            visit_type="acupuncture-follow-up", practitioner="mei", first_name="Rosa", last_name="Lima",
            email="rosa@example.com", phone=NUMBER, reminders=Reminders.BOTH, text_consent=True,
        )  # fmt: skip
        made = prescribed(reference, "weekly")
        return f"/plan/{made.reference}/{made.token}"


def preset(page: str) -> list[str]:
    return re.findall(r'name="reminders" value="(\w+)"[^>]* checked', page)


@on_both
def test_what_is_preset_is_booked_at_the_first_press(app: Flask, client: FlaskClient, way: str) -> None:
    details = chosen(client, way)
    assert preset(details.text) == ["both"]
    assert "You have agreed to texts at" in words(details)
    answer = sent(client, way, details, phone="(818) 555-0123", **BOTH_WAYS)
    assert answer.status_code == 303, words(answer)
    with app.app_context():
        assert {row["reminders"] for row in rows(Appointment) if row["plan_id"]} == {"both"}


@on_both
def test_for_another_number_they_are_asked(app: Flask, client: FlaskClient, way: str) -> None:
    details = chosen(client, way)
    answer = sent(client, way, details, phone="(818) 555-0199", **BOTH_WAYS)
    assert answer.status_code == 422 and "please tick that we may text you" in words(answer)


def test_who_said_stop_since_isnt_preset_to_texts(app: Flask, client: FlaskClient, way: str) -> None:
    with app.app_context():
        run(lambda session: new_rows.add(session, OptOut(phone=NUMBER, at=clock.now())))
    details = chosen(client, way)
    assert preset(details.text) == ["email"]
    assert "You have agreed to texts" not in words(details)
