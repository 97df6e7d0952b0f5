"""Links that somebody asks for again: of a plan one, where it is theirs with all its visits, else one for each visit."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from booking.models import Reminders
from booking.services import links, links_again, visits
from booking.services.plans.booking import BookedPlan
from booking.services.plans.changing import Decision, decide
from tests.clinics import plan_template
from tests.reminders.conftest import drain, text_files
from tests.reminders.sink import Sink
from tests.services.making import booked
from tests.services.plans.making import (
    FIRST_DAY,
    FOLLOW_UP,
    at,
    patient,
    practitioner,
    prescribed,
    running,
    seen,
    where_mei_is_alone,
)

pytestmark = pytest.mark.usefixtures("standing_clock", "context")

PHONE = "+18185550123"


def later() -> datetime:
    return at(FIRST_DAY + timedelta(weeks=4), 9)


@pytest.fixture
def plan(context: Any, standing_clock: Any) -> BookedPlan:
    """A plan of four visits, its look among them; to continue it adds one."""
    weeks = [
        {"weeks": 1, "doses": {FOLLOW_UP: 2}},
        {"weeks": 1, "doses": {FOLLOW_UP: 1}, "reassessed": False},
    ]
    where_mei_is_alone(plan_template("fewer", {}, reassessment=["acupuncture-reassessment"], phases=weeks))
    return running(prescribed(patient(), "fewer"), reminders=Reminders.BOTH, text_consent=True)


def mailed(sink: Sink, contact: str = "rosa@example.com") -> str:
    """What the mail says that comes when this contact asks for its links."""
    drain()
    sink.taken.clear()
    links_again.ask(contact)
    drain()
    (mail,) = sink.taken
    assert mail["To"] == contact
    text: str = mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    return text.replace("\r\n", "\n")


def test_visits_of_a_plan_come_as_its_one_link_beside_other_visits(plan: BookedPlan, sink: Sink) -> None:
    single = booked(later(), visit_type=FOLLOW_UP, practitioner="mei")
    omars = booked(
        later() + timedelta(hours=2), visit_type=FOLLOW_UP, practitioner="mei",
        first_name="Omar", email="omar@example.com",
    )  # fmt: skip
    text = mailed(sink)
    assert text.count("/plan/") == text.count("/visit/") == 1
    its = (
        f"and {len(plan.visits) - 1} more visits\nhttp://visits.example/plan/{plan.reference}/{plan.token}\n"
    )
    assert its in text and text.index(its) < text.index(single.token)
    assert mailed(sink, "omar@example.com").count("http") == 1
    assert omars.reference not in text


def test_by_text_too(plan: BookedPlan, app: Flask) -> None:
    drain()
    links_again.ask(PHONE)
    drain()
    text = text_files(app)[-1]
    assert text.count("http") == 1 and f"/plan/{plan.reference}/{plan.token}" in text


def test_where_one_of_its_visits_has_another_contact_each_comes_by_itself(
    plan: BookedPlan, sink: Sink
) -> None:
    """The link of the plan would show that one as well, or to its contact all others."""
    first, *others = plan.visits
    visits.correct_contact(
        first["reference"],
        links.token(first["reference"], 1),
        "omar@example.com",
        PHONE,
        actor="t",
        key="correct-1",
    )
    hers, his = mailed(sink), mailed(sink, "omar@example.com")
    assert "/plan/" not in hers + his
    assert all(links.token(one["reference"], 1) in hers and one["reference"] not in his for one in others)
    assert first["reference"] not in hers and his.count(first["reference"]) == 1


def test_what_was_decided_and_not_told_yet_is_not_counted(plan: BookedPlan, sink: Sink) -> None:
    before, stood = mailed(sink), len(seen(plan).standing)
    decide(practitioner(), plan.reference, Decision.CONTINUE, told=False, key="decide-01")
    assert len(seen(plan).standing) > stood
    assert mailed(sink) == before
