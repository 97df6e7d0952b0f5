"""What makes up for a missed visit where the patient's own times have nothing: pages that say so, and what to do then."""

from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import delete, select, update
from werkzeug.test import TestResponse

from booking.extensions import db
from booking.models import Clinic, Offering, VisitType
from booking.scheduling.plans.windows import Presence, TimeWindow
from booking.services import links
from booking.services.desk.statuses import cancel
from booking.services.plans.booking import BookedPlan
from booking.services.plans.changing import pause
from tests.clinics import plan_clinic, plan_template
from tests.conftest import StandingClock
from tests.services.plans.making import FIRST_DAY, FOLLOW_UP, at, patient, prescribed, running, seen
from tests.staffing import hired, signed_in
from tests.web.conftest import on_both
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


def test_where_nothing_is_free_the_page_of_times_says_why_and_whom_to_call(
    client: FlaskClient, app: Flask, standing_clock: StandingClock
) -> None:
    """It alone looks for times: the pages that lead to it, opened as often as anybody likes, only know what is missing."""
    plan, way = lost(app, standing_clock, "thrice", {0, 2, 4})
    assert "In week 2 one visit is missing." in words(client.get(way))
    for page in (way, page_of_the_lost(app, plan)):
        assert f'href="{way}/make-up"' in client.get(page).text
    page = client.get(f"{way}/make-up")
    assert "leaves the days of rest between your visits. Please call us" in words(page)
    assert "Choose one" not in words(page)
    says = words(at_the_desk(app, plan))
    assert "keeps the days of rest, also outside the patient’s times." in says
    with app.app_context():
        standing_clock.at(at(FIRST_DAY + timedelta(days=21), 8))
    assert "That week and the next one are over." in words(at_the_desk(app, plan))
    for page in (way, page_of_the_lost(app, plan)):
        assert f"{way}/make-up" not in client.get(page).text


@on_both
def test_a_pause_is_said_and_what_it_took_and_has_no_other_time_is_named_once(
    client: FlaskClient, app: Flask
) -> None:
    presence = Presence((TimeWindow(frozenset({0, 2, 4}), 9 * 60, 12 * 60),))
    first = FIRST_DAY + timedelta(days=7)
    with app.app_context():
        plan = running(prescribed(patient(), "thrice", presence=presence), presence=presence)
        pause(hired(), plan.reference, first, first + timedelta(days=6), "Travels", key="pause-001")
        given_up = [one for one in seen(plan).visits if one.week == 1]
        way = f"/plan/{plan.reference}/{plan.token}"
    paused = "Your plan is paused from Mon, Sep 28 to Sun, Oct 4, when you can't come."
    shown = words(client.get(way))
    assert paused in shown and "3 visits are missing in this week. Your plan has a pause in it." in shown
    page = client.get(f"{way}/make-up")
    assert paused in words(page) and not times_on(page)
    assert page.text.count("<h2") == words(page).count("Please call us; we look for one with you") == 1
    assert words(page).count("Instead of") == len(given_up) == 3


def test_what_nobody_gives_any_more_is_said_to_be_and_the_desk_has_its_page(
    client: FlaskClient, app: Flask, standing_clock: StandingClock
) -> None:
    plan, way = lost(app, standing_clock, "once", {0})
    with app.app_context(), db.engine.begin() as connection:
        gone = select(VisitType.id).where(VisitType.slug == FOLLOW_UP).scalar_subquery()
        connection.execute(delete(Offering).where(Offering.visit_type_id == gone))
        connection.execute(update(Clinic).values(version=Clinic.version + 1))
    page = client.get(f"{way}/make-up")
    assert "nobody here gives all that your plan asks for. Please call us" in words(page)
    assert "Nobody gives all that this plan asks for any more." in words(at_the_desk(app, plan))


def page_of_the_lost(app: Flask, plan: BookedPlan) -> str:
    with app.app_context():
        gone = next(one for one in seen(plan).visits if one.week == 1)
        return f"/visit/{gone.reference}/{links.token(gone.reference, gone.link_number)}"
