"""Where so many visits of one kind of care are prescribed that somebody looks before the last of them, the others find times behind
that look as well.
"""

from typing import Any

import pytest

from booking.models import BookableBy
from booking.scheduling.plans.keeping import Role
from booking.services.desk.statuses import cancel
from booking.services.plans.booking import BookedPlan
from booking.services.plans.frequency import with_other_doses
from booking.services.plans.make_ups import make_up_times
from booking.services.plans.suffering import better_times
from booking.services.plans.visits import PlanVisit
from tests.clinics import plan_clinic, plan_template, set_up
from tests.services.plans.making import patient, prescribed, running, seen
from tests.staffing import hired

pytestmark = pytest.mark.usefixtures("standing_clock", "context")

ACUPUNCTURE, CHIROPRACTIC = "acupuncture-follow-up", "chiropractic-follow-up"


@pytest.fixture
def plan(context: Any, standing_clock: Any) -> BookedPlan:
    doses = {ACUPUNCTURE: 2, CHIROPRACTIC: 1}
    eight = plan_template("eight", doses, weeks=8, reassessment=["acupuncture-reassessment"])
    set_up(plan_clinic(plan_templates=[eight]))
    return running(prescribed(patient(), "eight"))


def of(plan: BookedPlan, care: str, week: int) -> PlanVisit:
    return next(
        one
        for one in seen(plan).standing
        if one.care.slug == care and one.week == week and one.role is not Role.REASSESSMENT
    )


def test_what_is_missed_there_is_made_up_exchanged_and_had_more_often(plan: BookedPlan) -> None:
    (look,) = [one for one in seen(plan).standing if one.role is Role.REASSESSMENT]
    assert look.week == 5
    assert better_times(seen(plan), of(plan, CHIROPRACTIC, 7), BookableBy.STAFF)
    more = with_other_doses(seen(plan), 7, {CHIROPRACTIC: (2, 2)}, BookableBy.STAFF)
    assert [one.kept.week for one in more.comes] == [7] and more.lacks == ()
    cancel(hired(), of(plan, CHIROPRACTIC, 6).reference, key="cancel-01")
    (one,) = make_up_times(seen(plan), BookableBy.LINK)
    assert [time.day // 7 for time in one.times] == [6] * 3 and one.why_none is None


def test_so_they_do_where_so_many_of_them_were_missed_that_thirteen_dont_stand(plan: BookedPlan) -> None:
    for week in range(4):
        cancel(hired(), of(plan, ACUPUNCTURE, week).reference, key=f"cancel-{week}")
    for care in (ACUPUNCTURE, CHIROPRACTIC):
        cancel(hired(), of(plan, care, 6).reference, key=f"cancel-{care}")
    last = [one for one in make_up_times(seen(plan), BookableBy.LINK) if one.missed.week == 6]
    assert len(last) == 2 and all(one.times for one in last)
