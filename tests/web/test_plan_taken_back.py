"""What was just done to a plan is taken back from its page, or the page says why not; by desk and practitioners."""

import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from booking.models import Appointment, Role
from booking.services.plans.booking import BookedPlan
from booking.services.plans.changing import pause, stop
from tests.clinics import plan_clinic
from tests.conftest import StandingClock
from tests.services.making import booked, rows
from tests.services.plans.making import patient, prescribed, running, seen
from tests.staffing import hired, signed_in
from tests.web.conftest import fields

pytestmark = pytest.mark.clinic(plan_clinic())


@pytest.fixture
def plan(app: Flask) -> BookedPlan:
    with app.app_context():
        return running(prescribed(patient(), "weekly"))


def page_of(plan: BookedPlan, where: str = "desk") -> str:
    return f"/{where}/plans/{plan.reference}"


def stopped(desk: FlaskClient, plan: BookedPlan) -> str:
    """The plan's page after the desk has stopped it there."""
    to = f"{page_of(plan)}/change/stop"
    shown = desk.post(to, data=fields(desk.get(to).text) | {"reason": "The wrong one"})
    done = desk.post(to, data=fields(shown.text) | {"do": "1"})
    assert done.status_code == 303, done.text
    return desk.get(done.location).text


def undo_form(page: str) -> tuple[str, dict[str, str]]:
    """Where the form goes that takes back, and what it sends; none where nothing can be taken back."""
    found = re.search(r'<form method="post" action="([^"]*/change/take-back)".*?</form>', page, re.S)
    return (found[1], fields(found[0])) if found else ("", {})


def undone(client: FlaskClient, page: str) -> tuple[TestResponse, str]:
    to, typed = undo_form(page)
    done = client.post(to, data=typed)
    assert done.status_code == 303 and done.location.endswith(to.partition("/change")[0])
    return done, client.get(done.location).text


def statuses(app: Flask) -> set[str]:
    with app.app_context():
        return {row["status"].value for row in rows(Appointment)}


def test_what_was_done_is_said_with_a_way_back(app: Flask, desk: FlaskClient, plan: BookedPlan) -> None:
    before = desk.get(page_of(plan)).text
    assert undo_form(before) == ("", {})
    page = stopped(desk, plan)
    assert re.search(r"Undo<span[^>]*>: Stopped", page) and "until 8:03 am" in page
    assert undo_form(desk.get(page_of(plan)).text)[0], "also for whoever comes back to it"
    _, back = undone(desk, page)
    assert "Taken back: the plan and its visits are as they were. Nobody is told of it." in back
    assert "Taken back: Stopped" in back and "· taken back" in back
    assert undo_form(back) == ("", {}) and statuses(app) == {"booked"}
    link = f"/desk/visits/{plan.visits[0]['reference']}"
    assert "Taken back: Cancelled" in desk.get(link).text


def test_pressed_again_it_says_the_same(desk: FlaskClient, plan: BookedPlan) -> None:
    page = stopped(desk, plan)
    undone(desk, page)
    assert "Taken back: the plan and its visits are as they were." in undone(desk, page)[1]


def test_why_it_stays_is_said_on_the_plans_page(
    app: Flask, desk: FlaskClient, plan: BookedPlan, standing_clock: StandingClock
) -> None:
    page = stopped(desk, plan)
    with app.app_context():
        at = seen(plan).visits[0]
        booked(
            at.starts_at, visit_type=at.visit_type.slug, practitioner=at.practitioner.slug,
            first_name="Vera", email="vera@example.com",
        )  # fmt: skip
    _, taken = undone(desk, page)
    assert "Nothing was taken back: where visits were before, something else is by now." in taken
    assert "Mon, Sep 21, Mei Tanaka: Vera Lima, 9:00 am to" in taken
    standing_clock.on(minutes=3)
    _, late = undone(desk, re.sub(r'name="key" value="', r"\g<0>x", page))
    assert "that can be done for three minutes" in late and undo_form(late) == ("", {})


def test_what_was_changed_since_is_said(app: Flask, desk: FlaskClient, plan: BookedPlan) -> None:
    with app.app_context():
        day = seen(plan).visits[0].starts_at.date()
        pause(hired(), plan.reference, day, day, "Away", key="pause-001")
    page = desk.get(page_of(plan)).text
    with app.app_context():
        stop(hired(), plan.reference, "Gone", key="stop-0001")
    assert "was changed since. This is how it stands now." in undone(desk, page)[1]


def test_practitioners_have_it_for_what_they_did(app: Flask, plan: BookedPlan) -> None:
    with app.app_context():
        mei, ben = (hired(Role.PRACTITIONER, practitioner=slug) for slug in ("mei", "aaron"))
        stop(mei, plan.reference, "Gone", key="stop-0001")
    client = signed_in(app, mei)
    page = client.get(page_of(plan, "mine")).text
    with app.app_context():
        other = signed_in(app, ben)
    to, typed = undo_form(page)
    token = fields(other.get("/mine/plans").text)["csrf_token"]
    assert other.post(to, data=typed | {"csrf_token": token}).status_code == 404
    assert "Taken back: the plan" in undone(client, page)[1]


@pytest.mark.parametrize("typed", [{"entry": ""}, {"entry": "x"}, {}])
def test_a_form_that_names_nothing_is_none_of_ours(
    desk: FlaskClient, plan: BookedPlan, typed: dict[str, Any]
) -> None:
    data = fields(desk.get(f"{page_of(plan)}/change/stop").text)
    sent = {name: data[name] for name in ("csrf_token", "key")} | typed
    assert desk.post(f"{page_of(plan)}/change/take-back", data=sent).status_code == 422
    unknown = sent | {"entry": str(2**70)}
    assert desk.post(f"{page_of(plan)}/change/take-back", data=unknown).status_code in (404, 422)
    assert desk.get(f"{page_of(plan)}/change/take-back").status_code == 404
