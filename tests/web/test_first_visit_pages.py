"""A first visit that was missed, on the pages of its plan: it is asked for before all others, and staff read that there is none
yet.
"""

import re
from datetime import timedelta
from html import unescape

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from booking.scheduling.plans.keeping import Role as Part
from booking.services.desk import statuses
from booking.services.plans.booking import BookedPlan
from tests.clinics import plan_clinic, plan_template
from tests.conftest import StandingClock
from tests.services.plans.making import FIRST, FOLLOW_UP, patient, prescribed, running, seen
from tests.staffing import hired
from tests.web.conftest import fields

pytestmark = pytest.mark.clinic(plan_clinic(plan_templates=[plan_template("twice", {FOLLOW_UP: 2})]))


@pytest.fixture
def plan(app: Flask, standing_clock: StandingClock) -> BookedPlan:
    """Its first visit was missed last night."""
    with app.app_context():
        made = running(prescribed(patient(), "twice", returning=()))
        first = seen(made).visits[0]
        assert first.role is Part.FIRST
        standing_clock.at(first.starts_at + timedelta(minutes=20))
        statuses.no_show(hired(), first.reference, key="noshow-01")
        standing_clock.at(first.starts_at + timedelta(hours=20))
    return made


def test_the_patient_chooses_a_first_visit_and_reads_whose_place_it_takes(
    client: FlaskClient, app: Flask, plan: BookedPlan
) -> None:
    with app.app_context():
        way = f"/plan/{plan.reference}/{plan.token}"
    page = client.get(f"{way}/make-up")
    assert "Acupuncture-First" in words(page)
    assert "This visit comes first. It takes the place of your visit on Wednesday" in words(page)
    times = [unescape(one) for one in re.findall(r'name="time" value="([^"]+)"', page.text)]
    answer = client.post(f"{way}/make-up", data=fields(page.text) | {"time": times[0]})
    assert answer.status_code == 303 and "Acupuncture-First" in words(client.get(answer.location))
    with app.app_context():
        standing = seen(plan).standing
    assert standing[0].visit_type.slug == FIRST and len(standing) == 7
    assert "comes first" not in words(client.get(f"{way}/make-up"))


def test_staff_read_that_there_was_no_first_visit_yet_and_take_a_time(
    plan: BookedPlan, desk: FlaskClient
) -> None:
    assert "No first visit yet" in words(desk.get("/desk/plans"))
    page = desk.get(f"/desk/plans/{plan.reference}")
    assert "No first visit yet" in words(page) and "it takes the place of Wed, Sep 23" in words(page)
    (take, *_others) = re.findall(r'name="take" value="([^"]+)"', page.text)
    done = desk.post(
        f"/desk/plans/{plan.reference}/change/make-up",
        data=fields(page.text) | {"key": "take-00001", "take": take},
    )
    assert done.status_code == 303
    assert "No first visit yet" not in words(desk.get("/desk/plans"))


def words(page: TestResponse) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page.text)).split())
