"""What was decided of a plan, and what was taken back, before its patient heard of it: their pages and programs show the plan as
they know it.
"""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from booking.scheduling.plans.keeping import Role
from booking.services import links
from booking.services.clinic import present
from booking.services.plans.booking import BookedPlan
from booking.services.plans.changing import Decision, cancel_from, decide, told_now
from booking.services.plans.frequency import change_doses
from booking.services.plans.reading import notes
from booking.services.plans.shifting import shift
from booking.services.plans.taking_back import take_back
from booking.services.plans.visits import PlanVisit
from tests.clinics import plan_template
from tests.conftest import StandingClock
from tests.services.plans.making import (
    FOLLOW_UP,
    at,
    patient,
    practitioner,
    prescribed,
    running,
    seen,
    where_mei_is_alone,
)
from tests.staffing import hired
from tests.web.conftest import on_both
from tests.web.test_plan_pages import words

HOUR = timedelta(hours=1)


@pytest.fixture
def plan(app: Flask) -> BookedPlan:
    """A plan with two visits in its first week and one in its second, behind a look: to continue adds one."""
    weeks = [
        {"weeks": 1, "doses": {FOLLOW_UP: 2}},
        {"weeks": 1, "doses": {FOLLOW_UP: 1}, "reassessed": False},
    ]
    with app.app_context():
        where_mei_is_alone(
            plan_template("fewer", {}, reassessment=["acupuncture-reassessment"], phases=weeks)
        )
        return running(prescribed(patient(), "fewer"))


def token(client: FlaskClient, plan: BookedPlan) -> str:
    with client.application.app_context():
        return plan.token


def way(client: FlaskClient, plan: BookedPlan) -> str:
    return f"/plan/{plan.reference}/{token(client, plan)}"


def shown(client: FlaskClient, plan: BookedPlan) -> str:
    return words(client.get(way(client, plan)))


def to_programs(client: FlaskClient, plan: BookedPlan) -> list[Any]:
    bearer = {"Authorization": f"Bearer {token(client, plan)}"}
    answer = client.get(f"/api/v1/plans/{plan.reference}", headers=bearer).get_json()
    return [
        answer["weeks"],
        [(one["starts_at"], one["status"], one["provisional"]) for one in answer["visits"]],
    ]


def in_calendar(client: FlaskClient, plan: BookedPlan) -> str:
    file = client.get(f"{way(client, plan)}/calendar.ics").text
    return "\n".join(line for line in file.splitlines() if line.startswith(("DTSTART", "STATUS")))


def all_of_it(client: FlaskClient, plan: BookedPlan) -> list[Any]:
    return [shown(client, plan), to_programs(client, plan), in_calendar(client, plan)]


def added(plan: BookedPlan) -> PlanVisit:
    booked = {one["reference"] for one in plan.visits}
    return next(one for one in seen(plan).standing if one.reference not in booked and one.role is Role.DOSE)


def goes_on(plan: BookedPlan, *, told: bool = False, key: str = "decide-01") -> None:
    decide(practitioner(), plan.reference, Decision.CONTINUE, told=told, key=key)


@on_both
def test_a_decision_changes_nothing_that_they_see_before_they_are_told(
    app: Flask, client: FlaskClient, plan: BookedPlan
) -> None:
    before = all_of_it(client, plan)
    with app.app_context():
        goes_on(plan)
        new = present().times.time(added(plan).starts_at)
    assert all_of_it(client, plan) == before
    with app.app_context():
        told_now(hired(), plan.reference, key="told-0001")
    after = shown(client, plan)
    assert new in after and "twice a week, for 1 week, then acupuncture twice a week" in after
    assert "Penciled in" not in after and "Penciled in" in before[0]


def test_of_what_begins_by_the_end_of_the_next_day_they_are_reminded_so_it_is_shown(
    app: Flask, client: FlaskClient, plan: BookedPlan, standing_clock: StandingClock
) -> None:
    with app.app_context():
        goes_on(plan)
        visit = added(plan)
        day = visit.starts_at.astimezone(present().zone).date()
        standing_clock.at(at(day - 2 * timedelta(days=1), 23))
    before = to_programs(client, plan)
    standing_clock.on(hours=2)
    after = to_programs(client, plan)
    assert len(after[1]) > len(before[1])


def test_the_page_of_a_visit_made_firm_says_that_it_is_penciled_in(
    app: Flask, client: FlaskClient, plan: BookedPlan
) -> None:
    with app.app_context():
        visit = next(one for one in seen(plan).standing if one.penciled)
        goes_on(plan)
        secret = links.token(visit.reference, visit.link_number)
    link, bearer = f"/visit/{visit.reference}/{secret}", {"Authorization": f"Bearer {secret}"}

    def to_its_program() -> Any:
        return client.get(f"/api/v1/appointments/{visit.reference}", headers=bearer).get_json()["provisional"]

    assert "This visit is penciled in" in client.get(link).text and to_its_program() is True
    with app.app_context():
        told_now(hired(), plan.reference, key="told-0001")
    assert "This visit is penciled in" not in client.get(link).text and to_its_program() is False


def test_what_was_moved_without_a_word_stands_where_they_know_it(
    app: Flask, client: FlaskClient, plan: BookedPlan
) -> None:
    with app.app_context():
        goes_on(plan)
        visit = seen(plan).standing[1]
        times = present().times
        shift(
            hired(), plan.reference, visit.reference, visit.starts_at + HOUR, None, "Late",
            partly=True, tell=False, key="shift-001",
        )  # fmt: skip
        was, now_is = times.time(visit.starts_at), times.time(visit.starts_at + HOUR)
        day = times.short_day(times.local_date(visit.starts_at))
    page = shown(client, plan)
    of_day = page.partition(f"{day} {was}")[2]
    assert of_day and "Please call us first" in of_day[:120] and f"{day} {now_is}" not in page
    assert "missing" not in page


@on_both
def test_what_fewer_visits_would_leave_out_isnt_missing_before_they_are_told(
    app: Flask, client: FlaskClient
) -> None:
    weeks = [{"weeks": 1, "doses": {FOLLOW_UP: visits}} for visits in (1, 2)]
    with app.app_context():
        where_mei_is_alone(plan_template("more", {}, reassessment=["acupuncture-reassessment"], phases=weeks))
        plan = running(prescribed(patient(), "more"))
    before = to_programs(client, plan)[0]
    with app.app_context():
        decide(practitioner(), plan.reference, Decision.TAPER, told=False, key="decide-01")
        change_doses(hired(), plan.reference, 1, {FOLLOW_UP: (1, 1)}, "", tell=False, key="doses-001")
    page = shown(client, plan)
    assert "Please call us first" in page and "missing" not in page
    assert to_programs(client, plan)[0] == before


def test_all_later_ones_are_given_up_with_those_of_which_they_havent_heard(
    app: Flask, client: FlaskClient, plan: BookedPlan
) -> None:
    with app.app_context():
        last = seen(plan).standing[-1]
        goes_on(plan)
        visit = added(plan)
    first = plan.visits[0]["reference"]
    page = words(client.get(f"{way(client, plan)}/from/{first}/cancel"))
    assert f"Cancel these {len(plan.visits)} visits?" in page
    with app.app_context():
        cancel_from(plan.reference, plan.token, first, "", actor="rosa", key="from-0001")
        assert not seen(plan).standing
    assert visit.starts_at != last.starts_at
    assert shown(client, plan).count("✕ Cancelled") == len(plan.visits)


@on_both
def test_what_was_taken_back_before_they_heard_of_it_is_shown_to_nobody(
    app: Flask, client: FlaskClient, plan: BookedPlan
) -> None:
    before = all_of_it(client, plan)
    with app.app_context():
        goes_on(plan, told=True)
        entry = notes(hired(), plan.reference)[-1].id
        take_back(hired(), plan.reference, entry, key="back-0001")
    assert all_of_it(client, plan) == before
    with app.app_context():
        goes_on(plan, told=True, key="decide-02")
    assert "Cancelled" not in shown(client, plan)
    assert {status for _, status, _ in to_programs(client, plan)[1]} == {"booked"}
