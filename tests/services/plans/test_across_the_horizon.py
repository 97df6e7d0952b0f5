"""A stage of which not all weeks can be booked yet: somebody looks again before its thirteenth visit of one kind of care, and else
once all of it can be.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from booking import clock
from booking.errors import PlanRulesBroken
from booking.models import BookableBy
from booking.scheduling.plans.keeping import Role
from booking.services.clinic import present
from booking.services.desk.statuses import cancel
from booking.services.plans.adherence import Need, adherence
from booking.services.plans.booking import BookedPlan, book
from booking.services.plans.changing import Decision, decide
from booking.services.plans.frequency import book_looks, change_doses, looked_at_again, with_other_doses
from booking.services.plans.visits import PlanVisit
from booking.services.plans.wanted import weeks_within_horizon
from booking.web.plan_next import fits
from tests.clinics import plan_clinic, plan_template, set_up
from tests.conftest import StandingClock
from tests.services.plans.making import (
    FIRST_DAY,
    FOLLOW_UP,
    at,
    patient,
    practitioner,
    prescribed,
    proposed,
    running,
    seen,
    wish,
)
from tests.staffing import hired

pytestmark = pytest.mark.usefixtures("standing_clock", "context")


@pytest.fixture(autouse=True)
def clinic_with_long_plans(context: Any, standing_clock: Any) -> None:
    how = {"self_service": True, "reassessment": ["acupuncture-reassessment"]}
    set_up(
        plan_clinic(
            plan_templates=[
                plan_template("short", {FOLLOW_UP: 1}, weeks=1, **how),
                plan_template("long", {FOLLOW_UP: 1}, weeks=26, **how),
            ]
        )
    )


def stage_of(plan: BookedPlan, from_week: int = 0) -> tuple[list[PlanVisit], list[PlanVisit]]:
    """The doses of a plan from a week on, and its looks from then on."""
    there = [one for one in seen(plan).standing if one.week >= from_week]
    doses = [one for one in there if one.role is not Role.REASSESSMENT]
    return doses, [one for one in there if one.role is Role.REASSESSMENT]


def test_a_long_plan_is_looked_at_before_its_thirteenth_visit_and_not_booked_without() -> None:
    proposal = proposed("long")[0]
    looks = [one for one in proposal.visits if one.role is Role.REASSESSMENT]
    without = replace(proposal, visits=tuple(one for one in proposal.visits if one not in looks))
    with pytest.raises(PlanRulesBroken) as refused:
        book(wish(without, "long"), actor="t", key="without-1")
    assert refused.value.facts["faults"] == [{"rule": "no_reassessment", "week": 26, "care": ""}]
    plan = book(wish(proposal, "long"), actor="t", key="book-long")
    doses, (look,) = stage_of(plan)
    assert len(doses) > 13 and doses[11].starts_at <= look.starts_at < doses[12].starts_at


def test_whoever_goes_on_across_the_horizon_is_looked_at_before_the_thirteenth_visit() -> None:
    plan = running(prescribed(patient(), "short"))
    decide(practitioner(), plan.reference, Decision.CONTINUE, weeks=26, told=True, key="decide-01")
    shown = with_other_doses(seen(plan), 1, {}, BookableBy.STAFF)
    assert shown.unseen == () and len(shown.too_far) > 0
    change_doses(hired(), plan.reference, 1, {}, "", key="doses-001")
    doses, (look,) = stage_of(plan, 1)
    assert len(doses) > 13 and doses[11].starts_at <= look.starts_at < doses[12].starts_at


def test_without_that_look_the_board_and_the_plans_page_say_so_and_it_is_booked_anew() -> None:
    plan = running(prescribed(patient(), "long"))
    doses, (look,) = stage_of(plan)
    assert adherence(hired()).rows[0].needs == () and not fits(seen(plan), "look")
    cancel(hired(), look.reference, key="cancel-01")
    (row,) = adherence(hired()).rows
    the_day_before = doses[12].starts_at.date() - timedelta(days=1)
    assert row.needs == (Need.NO_REASSESSMENT,) and row.gate_on == the_day_before
    assert fits(seen(plan), "look")
    book_looks(hired(), plan.reference, "", key="look-0001")
    assert len(stage_of(plan)[1]) == 1 and adherence(hired()).rows[0].needs == ()


def test_while_twelve_can_be_booked_nobody_looks_again_yet_and_then_between_the_two(
    standing_clock: StandingClock,
) -> None:
    clinic = present()
    weeks = weeks_within_horizon(clinic, clinic.plan_template("long").course, FIRST_DAY, clock.now())
    plan = running(prescribed(patient(), "long", first_day=FIRST_DAY + timedelta(weeks=weeks - 12)))
    assert len(stage_of(plan)[0]) == 12 and stage_of(plan)[1] == []
    assert looked_at_again(seen(plan)).comes == () and not fits(seen(plan), "look")
    standing_clock.at(at(FIRST_DAY, 8))
    change_doses(hired(), plan.reference, 12, {}, "", key="doses-001")
    doses, (look,) = stage_of(plan)
    assert doses[11].starts_at <= look.starts_at < doses[12].starts_at
