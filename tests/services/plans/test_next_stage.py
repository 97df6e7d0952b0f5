"""Going on as often as before, where the stage that is prescribed next has more of one kind of care and less of another."""

from typing import Any

import pytest

from booking.scheduling.plans.keeping import Role
from booking.services.desk.statuses import cancel
from booking.services.plans.booking import BookedPlan
from booking.services.plans.changing import Decision, decide, into_next
from booking.services.plans.frequency import Fitted
from tests.clinics import plan_clinic, plan_template, set_up
from tests.services.plans.making import patient, practitioner, prescribed, running, seen
from tests.staffing import hired

pytestmark = pytest.mark.usefixtures("standing_clock", "context")

ACUPUNCTURE, CHIROPRACTIC = "acupuncture-follow-up", "chiropractic-follow-up"


@pytest.fixture
def plan(context: Any, standing_clock: Any) -> BookedPlan:
    phases = [
        {"weeks": 2, "doses": {ACUPUNCTURE: 1, CHIROPRACTIC: 3}},
        {"weeks": 2, "doses": {ACUPUNCTURE: 2, CHIROPRACTIC: 1}},
    ]
    look = {"reassessment": ["acupuncture-reassessment"]}
    set_up(plan_clinic(plan_templates=[plan_template("turned", {}, phases=phases, **look)]))
    return running(prescribed(patient(), "turned"))


def as_before(plan: BookedPlan) -> Fitted:
    found = into_next(seen(plan), Decision.CONTINUE)
    assert found is not None
    return found


def test_what_is_too_many_goes_from_its_first_week_as_well(plan: BookedPlan) -> None:
    shown = as_before(plan)
    assert [(one.week, one.care.slug) for one in shown.goes] == [(2, ACUPUNCTURE), (3, ACUPUNCTURE)]
    decide(practitioner(), plan.reference, Decision.CONTINUE, told=True, key="decide-01")
    doses = [dose for week in seen(plan).weeks for dose in week.doses]
    assert {(one.care.slug, one.booked, one.left) for one in doses} == {
        (ACUPUNCTURE, 1, 0),
        (CHIROPRACTIC, 3, 0),
    }


def test_what_the_week_before_lacks_it_makes_up_for(plan: BookedPlan) -> None:
    lost = next(
        one
        for one in seen(plan).standing
        if one.week == 1 and one.care.slug == ACUPUNCTURE and one.role is Role.DOSE
    )
    cancel(hired(), lost.reference, key="cancel-01")
    assert [(one.week, one.care.slug) for one in as_before(plan).goes] == [(3, ACUPUNCTURE)]
