"""What was decided before its patient was told: it waits on the plan's page and on the board, and goes by one press."""

from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from booking.models import Channel, Message, Plan, Role
from booking.services import links
from booking.services.clinic import present
from booking.services.plans.changing import Decision, decide, told_now
from booking.services.plans.shifting import shift
from booking.services.staff.who import Who
from tests.clinics import plan_clinic
from tests.conftest import StandingClock
from tests.services.making import rows
from tests.services.plans.making import (
    FIRST_DAY,
    at,
    patient,
    practitioner,
    prescribed,
    running,
    seen,
    times_told,
)
from tests.staffing import hired, signed_in
from tests.web.conftest import fields, on_both

pytestmark = pytest.mark.clinic(plan_clinic())


@on_both
@pytest.mark.parametrize("where", ["desk", "mine"])
def test_what_was_decided_is_told_from_the_plans_page_and_goes_once(
    app: Flask, standing_clock: StandingClock, where: str
) -> None:
    with app.app_context():
        plan = running(prescribed(patient()))
        standing_clock.at(at(FIRST_DAY, 20))
        decide(practitioner(), plan.reference, Decision.REFER, told=False, key="decide-01")
        who = practitioner() if where == "mine" else hired(Role.DESK)
    client, page = signed_in(app, who), f"/{where}/plans/{plan.reference}"
    board = client.get(f"/{where}/plans?need=untold").text
    assert "To be told what was decided" in board and plan.reference in board
    shown = client.get(page)
    assert "hasn’t been told yet" in shown.text and "I have told the patient" in shown.text
    sent = fields(shown.text) | {"key": "told-0001"}
    done = client.post(f"{page}/change/told", data=sent)
    assert done.status_code == 303
    after = client.get(done.location).text
    assert "The patient gets one list of the visits." in after and "I have told the patient" not in after
    assert "Told the patient what was decided" in after
    client.post(f"{page}/change/told", data=sent | {"key": "told-0002"})
    assert "Nothing waits any more" in client.get(page).text
    with app.app_context():
        (told,) = [row for row in rows(Message) if row["kind"] == "plan-change"]
        assert (
            told["channel"] == Channel.EMAIL
            and len(times_told(told["facts"])["cancelled"]) == len(plan.visits) - 2
        )
        assert rows(Plan)[0]["untold_since"] is None
    assert plan.reference not in client.get(f"/{where}/plans").text


def test_until_they_were_told_a_change_is_told_only_if_staff_say_so(app: Flask, dana: Who) -> None:
    with app.app_context():
        plan = running(prescribed(patient()))
    client = signed_in(app, dana)
    page = f"/desk/plans/{plan.reference}/change/doses?from_week=1"
    ticked = 'name="tell" value="1" checked'
    assert ticked in client.get(page).text
    with app.app_context():
        decide(practitioner(), plan.reference, Decision.CONTINUE, told=False, key="decide-01")
    assert ticked not in client.get(page).text


def test_the_plan_says_nothing_of_what_was_decided_before_its_patient_was_told(
    app: Flask, client: FlaskClient, standing_clock: StandingClock
) -> None:
    with app.app_context():
        plan = running(prescribed(patient()))
        link, token = f"/plan/{plan.reference}/{plan.token}", plan.token
        standing_clock.at(at(FIRST_DAY, 20))
        decide(practitioner(), plan.reference, Decision.REFER, told=False, key="decide-01")

    def read() -> tuple[str, str]:
        page = client.get(link).text
        bearer = {"Authorization": f"Bearer {token}"}
        return page, client.get(f"/api/v1/plans/{plan.reference}", headers=bearer).get_json()["status"]

    page, status = read()
    assert (
        "Please call us before you come: (818) 555-0100." in page and page.count("Please call us first") > 1
    )
    assert "Your plan is complete." not in page and "Cancelled" not in page and status == "running"
    with app.app_context():
        told_now(hired(), plan.reference, key="told-0001")
    page, status = read()
    assert "Your plan is complete." in page and "Cancelled" in page and "call us" not in page
    assert status == "completed"


def test_the_page_of_a_visit_that_is_cancelled_and_untold_says_to_call_first(
    app: Flask, client: FlaskClient
) -> None:
    with app.app_context():
        plan = running(prescribed(patient()))
        decide(practitioner(), plan.reference, Decision.STOP, told=False, key="decide-01")
        visit = seen(plan).visits[0]
        link = f"/visit/{visit.reference}/{links.token(visit.reference, visit.link_number)}"
    page = client.get(link).text
    assert "Please call us before you come:" in page
    assert "cancelled" not in page.lower() and "We are writing" not in page
    assert "Book another time" not in page and "is over" not in page
    with app.app_context():
        told_now(hired(), plan.reference, key="told-0001")
    page = client.get(link).text
    assert "This visit is cancelled." in page and "call us before" not in page


@on_both
def test_the_page_of_a_visit_that_is_moved_and_untold_has_it_where_its_plans_page_has_it(
    app: Flask, client: FlaskClient
) -> None:
    with app.app_context():
        plan = running(prescribed(patient()))
        decide(practitioner(), plan.reference, Decision.CONTINUE, told=False, key="decide-01")
        visit = seen(plan).standing[-1]
        there = visit.starts_at + timedelta(hours=1)
        before, after = (present().times.moment(one) for one in (visit.starts_at, there))
        link = f"/visit/{visit.reference}/{links.token(visit.reference, visit.link_number)}"
        shift(
            hired(), plan.reference, visit.reference, there, None, "Late",
            partly=True, tell=False, key="shift-001",
        )  # fmt: skip
    page = client.get(link).text
    assert "Please call us before you come:" in page and before in page and after not in page
    assert "Move to another time" not in page and "cancelled" not in page.lower()
    with app.app_context():
        told_now(hired(), plan.reference, key="told-0001")
    page = client.get(link).text
    assert after in page and "call us before" not in page
