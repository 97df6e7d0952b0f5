"""Prescribing a plan on a phone, its page, its link, and the board of one's own patients."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from booking.models import Message, Patient, Plan, Role
from booking.services.desk import statuses
from booking.services.transaction import run
from tests.clinics import plan_clinic
from tests.conftest import StandingClock
from tests.services.making import NINE, booked, rows
from tests.services.plans.making import patient, prescribed, running
from tests.staffing import hired, signed_in
from tests.web.conftest import fields

pytestmark = pytest.mark.clinic(plan_clinic())

VISIT_TYPE = "acupuncture-first"


@pytest.fixture
def visit(app: Flask, standing_clock: Any) -> str:
    with app.app_context():
        return booked(NINE, visit_type=VISIT_TYPE, practitioner="mei").reference


@pytest.fixture
def mei(app: Flask, visit: str) -> FlaskClient:
    with app.app_context():
        who = hired(Role.PRACTITIONER, practitioner="mei", name="Mei Tanaka")
    return signed_in(app, who)


@pytest.fixture
def dan(app: Flask, visit: str) -> FlaskClient:
    """He has never had this patient."""
    with app.app_context():
        who = hired(Role.PRACTITIONER, practitioner="dan", name="Daniel Okafor")
    return signed_in(app, who)


def all_of(app: Flask, kind: Any) -> list[Any]:
    with app.app_context():
        return rows(kind)


def test_from_a_visit_a_plan_is_prescribed_and_its_link_sent(
    app: Flask, mei: FlaskClient, visit: str
) -> None:
    page = mei.get(f"/mine/visits/{visit}")
    choose = f"/mine/visits/{visit}/plan"
    assert choose in page.text
    assert f"{choose}/disc" in mei.get(choose).text
    form = mei.get(f"{choose}/disc")
    assert "It goes to r…@example.com." in form.text
    sent = mei.post(f"{choose}/disc", data=fields(form.text) | {"first": "2026-09-21", "with_me": "1"})
    assert sent.status_code == 303
    (plan,) = all_of(app, Plan)
    assert (plan["template"], plan["status"], plan["first_day"].isoformat()) == (
        "disc",
        "prescribed",
        "2026-09-21",
    )
    assert plan["rather_with"] == {"acupuncture": ["mei"]}
    assert [row["kind"] for row in all_of(app, Message) if row["subject"].startswith("plan/")] == [
        "plan-link"
    ]
    there = mei.get(sent.location)
    assert "The link was sent." in there.text and "Undo: take the plan back" in there.text
    # Sent once more by the back button, it is the same plan.
    again = mei.post(f"{choose}/disc", data=fields(form.text) | {"first": "2026-09-21", "with_me": "1"})
    assert again.location == sent.location and len(all_of(app, Plan)) == 1


def test_what_they_had_before_it_begins_is_ticked_and_can_be_changed(
    app: Flask, mei: FlaskClient, visit: str
) -> None:
    address, box = f"/mine/visits/{visit}/plan/disc", '<input type="checkbox" name="returning" value="%s"%s>'
    form = mei.get(address).text
    assert box % ("acupuncture", " checked") in form and box % ("chiropractic", "") in form
    sent = fields(form) | {"first": "2026-09-21", "returning": "chiropractic"}
    stepped = mei.post(address, data=sent | {"step": "acupuncture-follow-up-"}).text
    assert box % ("acupuncture", "") in stepped and box % ("chiropractic", " checked") in stepped
    mei.post(address, data=sent)
    assert [plan["known_in"] for plan in all_of(app, Plan)] == [["chiropractic"]]


def test_the_patients_agreement_is_recorded_with_the_prescription_and_shown(
    app: Flask, mei: FlaskClient, visit: str
) -> None:
    address = f"/mine/visits/{visit}/plan/disc"
    form = fields(mei.get(address).text) | {"first": "2026-09-21"}
    for wrong in ({"agreed_by": "Maria Lopez"}, {"agreed": "by pigeon", "agreed_by": "Maria Lopez"}):
        refused = mei.post(address, data=form | wrong)
        assert refused.status_code == 422 and "Please choose how they agreed." in refused.text
        assert 'value="Maria Lopez"' in refused.text
    done = mei.post(address, data=form | {"agreed": "in_person", "agreed_by": "Maria Lopez"})
    there = mei.get(done.location).text
    assert "<dt>Agreed</dt><dd>in person, Maria Lopez for them · Mon, Sep 14, " in there
    assert "Prescribed; the patient agreed: in person, Maria Lopez for them" in there


def test_plus_and_minus_change_the_doses(app: Flask, mei: FlaskClient, visit: str) -> None:
    address = f"/mine/visits/{visit}/plan/disc"
    form = mei.get(address)
    more = mei.post(address, data=fields(form.text) | {"step": "acupuncture-follow-up-"})
    assert more.status_code == 200 and "2 a week" in more.text
    values = {"dose-acupuncture-follow-up": "2-2", "dose-chiropractic-follow-up": "", "first": "2026-09-15"}
    mei.post(address, data=fields(more.text) | values)
    (plan,) = all_of(app, Plan)
    assert plan["course"]["phases"][0]["doses"] == {
        "acupuncture-follow-up": [2, 2],
        "chiropractic-follow-up": [2, 2],
    }


def test_what_no_week_has_room_for_is_not_prescribed(app: Flask, mei: FlaskClient, visit: str) -> None:
    address = f"/mine/visits/{visit}/plan/disc"
    form = fields(mei.get(address).text)
    wrong: list[dict[str, str]] = [
        {"first": "2026-09-01"},
        {"first": "soon"},
        {"first": "other", "other_day": ""},
        {"first": "2026-09-21", "dose-acupuncture-follow-up": "7-7"},
        {"first": "2026-09-21", "dose-acupuncture-follow-up": "0-0", "dose-chiropractic-follow-up": "0-0"},
    ]
    for sent in wrong:
        assert mei.post(address, data=form | sent).status_code == 422, sent
    far = mei.post(address, data=form | {"first": "other", "other_day": "2030-01-01"})
    assert far.status_code == 422 and "from tomorrow until Tuesday, January 12, 2027" in far.text, (
        "the last day is named"
    )
    assert all_of(app, Plan) == []


def test_a_plan_that_isnt_booked_is_taken_back(app: Flask, mei: FlaskClient) -> None:
    with app.app_context():
        made = prescribed(rows(Patient)[0]["reference"])
        link = made.address
    address = f"/mine/plans/{made.reference}"
    shown = mei.get(f"{address}/link")
    assert link in shown.text and "<svg" in shown.text
    taken_back = mei.post(f"{address}/withdraw", data=fields(mei.get(address).text) | {"key": "withdraw-1"})
    assert "Taken back." in mei.get(taken_back.location).text
    assert all_of(app, Plan)[0]["status"] == "stopped"
    assert mei.get(f"{address}/link").status_code == 404


def test_a_plans_page_has_its_weeks_doses_visits_and_history(app: Flask, mei: FlaskClient) -> None:
    with app.app_context():
        made = prescribed(rows(Patient)[0]["reference"], reason="Numbness since May")
        booking = running(made)
    page = mei.get(f"/mine/plans/{made.reference}")
    assert page.status_code == 200
    assert "Numbness since May" in page.text and "Week 4" in page.text and "Prescribed" in page.text
    assert all(f"/mine/visits/{one['reference']}" in page.text for one in booking.visits)
    visit_page = mei.get(f"/mine/visits/{booking.visits[0]['reference']}").text
    assert f"/mine/plans/{made.reference}" in visit_page and re.search(r"visit 1 of \d+", visit_page)


def test_other_practitioners_patients_plans_are_not_here(app: Flask, dan: FlaskClient, visit: str) -> None:
    with app.app_context():
        made = prescribed(rows(Patient)[0]["reference"])
    for address in (
        f"/mine/plans/{made.reference}",
        f"/mine/plans/{made.reference}/link",
        f"/mine/visits/{visit}/plan",
    ):
        assert dan.get(address).status_code == 404
    token = fields(dan.get("/mine/plans").text)
    for what in ("send", "withdraw"):
        assert (
            dan.post(
                f"/mine/plans/{made.reference}/{what}", data=token | {"key": "somebody-else"}
            ).status_code
            == 404
        )
    assert made.reference not in dan.get("/mine/plans").text


def test_a_cancelled_visit_shows_on_the_day_neither_the_plan_nor_the_flags_of_who_is_nobodys_patient_here(
    app: Flask, standing_clock: StandingClock
) -> None:
    with app.app_context():
        booking = running(prescribed(patient()))
        run(lambda session: session.execute(update(Patient).values(flags=["ground floor"])))
        aaron = hired(Role.PRACTITIONER, practitioner="aaron", name="Aaron Feld")
        his = [one for one in booking.visits if one["practitioner"] == "aaron"]
    standing_clock.at(datetime.fromisoformat(his[0]["starts_at"]) - timedelta(hours=2))
    page = signed_in(app, aaron)
    shown = page.get("/mine/today").text
    assert "ground floor" in shown and (link := re.search(r'href="(/mine/plans/\w+)"', shown))
    assert page.get(link[1]).status_code == 200
    with app.app_context():
        for number, one in enumerate(his):
            statuses.cancel(hired(), one["reference"], reason="Moves away", key=f"cancel-{number:02}")
    assert page.get(link[1]).status_code == 404
    shown = page.get("/mine/today").text
    assert f"/mine/visits/{his[0]['reference']}" in shown and "Cancelled" in shown
    assert "ground floor" not in shown and link[1] not in shown


def test_the_board_has_the_plans_of_ones_own_patients(app: Flask, mei: FlaskClient) -> None:
    with app.app_context():
        made = prescribed(rows(Patient)[0]["reference"])
    assert "Not booked yet" in mei.get("/mine/plans").text
    with app.app_context():
        running(made)
    board = mei.get("/mine/plans").text
    assert f"/mine/plans/{made.reference}" in board and "Goes as planned" in board
