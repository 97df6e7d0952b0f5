"""What makes up for a missed visit where the patient's own times have nothing: pages that say so, and lead nowhere in vain."""

from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from booking.scheduling.plans.windows import Presence, TimeWindow
from booking.services import links
from booking.services.desk.statuses import cancel
from booking.services.plans.booking import BookedPlan
from tests.clinics import plan_clinic, plan_template
from tests.conftest import StandingClock
from tests.services.plans.making import FIRST_DAY, FOLLOW_UP, at, patient, prescribed, running, seen
from tests.staffing import hired, signed_in
from tests.web.test_plan_pages import hidden, times_on, words

pytestmark = pytest.mark.clinic(
    plan_clinic(
        plan_templates=[plan_template("once", {FOLLOW_UP: 1}), plan_template("thrice", {FOLLOW_UP: 3})]
    )
)


def lost(app: Flask, clock: StandingClock, template: str, weekdays: set[int]) -> tuple[BookedPlan, str]:
    """Its patient can come in the mornings of these days. On the evening of the second week's first one that visit was missed."""
    presence = Presence((TimeWindow(frozenset(weekdays), 9 * 60, 12 * 60),))
    with app.app_context():
        plan = running(prescribed(patient(), template, presence=presence), presence=presence)
        first = next(one for one in seen(plan).standing if one.week == 1)
        cancel(hired(), first.reference, key="cancel-01")
        clock.at(at(FIRST_DAY + timedelta(days=7), 18))
        return plan, f"/plan/{plan.reference}/{plan.token}"


def at_the_desk(app: Flask, plan: BookedPlan) -> TestResponse:
    with app.app_context():
        return signed_in(app, hired()).get(f"/desk/plans/{plan.reference}")


def test_times_outside_those_that_were_given_are_said_to_be_and_one_is_taken(
    client: FlaskClient, app: Flask, standing_clock: StandingClock
) -> None:
    plan, way = lost(app, standing_clock, "once", {0})
    assert f"{way}/make-up" in client.get(way).text
    page = client.get(f"{way}/make-up")
    assert "These are outside the times you gave" in words(page) and times_on(page)
    assert "outside the times they gave; the days of rest are kept" in words(at_the_desk(app, plan))
    answer = client.post(f"{way}/make-up", data=hidden(page) | {"time": times_on(page)[0]})
    assert "Booked:" in words(client.get(answer.location))


def test_nobody_is_led_to_a_page_without_times(
    client: FlaskClient, app: Flask, standing_clock: StandingClock
) -> None:
    plan, way = lost(app, standing_clock, "thrice", {0, 2, 4})
    page = client.get(way)
    assert "In week 2 one visit is missing. We found no other time here. Please call us" in words(page)
    assert f"{way}/make-up" not in page.text
    with app.app_context():
        gone = next(one for one in seen(plan).visits if one.week == 1)
        at_its_page = f"/visit/{gone.reference}/{links.token(gone.reference, gone.link_number)}"
    visit = client.get(at_its_page)
    assert "This visit is cancelled." in words(visit) and f"{way}/make-up" not in visit.text
    # Who kept its address reads why.
    page = client.get(f"{way}/make-up")
    assert "leaves the days of rest between your visits. Please call us" in words(page)
    assert "Choose one" not in words(page)
    says = words(at_the_desk(app, plan))
    assert "keeps the days of rest, also outside the patient’s times." in says
    with app.app_context():
        standing_clock.at(at(FIRST_DAY + timedelta(days=21), 8))
    assert "That week and the next one are over." in words(at_the_desk(app, plan))
    assert "Choose another time" not in words(client.get(way))
