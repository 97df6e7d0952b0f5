"""A call about a whole plan is for whoever the plan tells, and says of no visit more than is so."""

from datetime import timedelta

import pytest
from flask import Flask

from booking.errors import NothingToSend
from booking.models import Channel, Message, Reminders
from booking.services import links, visits
from booking.services.desk import calls, panel, resending
from booking.services.desk.whom_to_call import Outcome
from booking.services.plans.booking import BookedPlan
from booking.services.plans.changing import pause
from booking.services.plans.visits import PlanVisit
from tests.clinics import plan_clinic, set_up
from tests.conftest import StandingClock
from tests.reminders.conftest import drain
from tests.services.making import rows
from tests.services.plans.making import patient, prescribed, running, seen
from tests.staffing import hired

HOUR = timedelta(hours=1)
SON, MOTHER = "+18185550177", "+18185550123"


@pytest.fixture
def plan(context: Flask, standing_clock: StandingClock) -> BookedPlan:
    """Of somebody who has nothing but a telephone, with a visit a week."""
    set_up(plan_clinic())
    return running(prescribed(patient(email=None), "weekly"), reminders=Reminders.CALL)


def paused(plan: BookedPlan, number: int) -> None:
    day = seen(plan).visits[number].starts_at.date()
    pause(hired(), plan.reference, day, day, "Away", key=f"pause-{number}")


def with_the_sons_number(plan: BookedPlan, number: int) -> None:
    visit = seen(plan).visits[number]
    token = links.token(visit.reference, visit.link_number)
    visits.correct_contact(visit.reference, token, None, SON, actor="son", key=f"contact-{number}")


def listed() -> list[tuple[str, str | None]]:
    drain()
    return [(one.reference, one.phone) for one in calls.call_list(hired()).calls]


def test_it_goes_to_the_plans_number_also_where_its_next_visit_has_another(plan: BookedPlan) -> None:
    with_the_sons_number(plan, 1)
    paused(plan, 0)
    third = seen(plan).visits[2]
    assert listed() == [(third.reference, MOTHER)]
    (call,) = [row for row in rows(Message) if row["kind"] == "change"]
    assert call["address"] == MOTHER


def test_where_all_visits_ahead_have_another_number_it_still_goes_to_the_plans(plan: BookedPlan) -> None:
    for number in range(1, len(seen(plan).visits)):
        with_the_sons_number(plan, number)
    paused(plan, 0)
    assert listed() == [(seen(plan).visits[1].reference, MOTHER)]


def test_it_does_not_go_again_in_writing_as_if_it_were_about_its_visit(plan: BookedPlan) -> None:
    paused(plan, 0)
    ((reference, _phone),) = listed()
    (said,) = [one for one in panel.panel(hired(), reference).messages if one.kind == "change"]
    assert not said.may_go_again and said.other_ways == ()
    with pytest.raises(NothingToSend):
        resending.resend(hired(), said.id, Channel.TEXT, key="resend-01")


def on_the_eve(plan: BookedPlan, standing_clock: StandingClock) -> PlanVisit:
    """Its first visit, which is tomorrow."""
    first = seen(plan).visits[0]
    standing_clock.at(first.starts_at - 12 * HOUR)
    drain()
    return first


def test_a_cancellation_on_short_notice_is_one_call(plan: BookedPlan, standing_clock: StandingClock) -> None:
    first = on_the_eve(plan, standing_clock)
    paused(plan, 0)
    standing_clock.on(minutes=4)
    assert listed() == [(first.reference, MOTHER)]
    calls.settle(hired(), first.reference, Outcome.REACHED, key="call-0001")
    assert listed() == []


def test_where_more_is_cancelled_than_on_short_notice_they_are_called_about_all_as_well(
    plan: BookedPlan, standing_clock: StandingClock
) -> None:
    first = on_the_eve(plan, standing_clock)
    second, third = seen(plan).visits[1:3]
    pause(hired(), plan.reference, first.starts_at.date(), second.starts_at.date(), "Away", key="pause-001")
    standing_clock.on(minutes=4)
    assert listed() == [(first.reference, MOTHER), (third.reference, MOTHER)]


def test_what_is_told_by_a_call_of_its_own_leaves_one_about_all_that_waits(
    plan: BookedPlan, standing_clock: StandingClock
) -> None:
    paused(plan, 3)
    first = on_the_eve(plan, standing_clock)
    assert [reference for reference, _ in listed()] == [first.reference]
    paused(plan, 0)
    standing_clock.on(minutes=4)
    second = seen(plan).visits[1]
    assert listed() == [(first.reference, MOTHER), (second.reference, MOTHER)]
