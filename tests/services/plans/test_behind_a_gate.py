"""What lies behind a look that nobody has decided upon is penciled in, however it came there; what lies before it is firm."""

from datetime import timedelta
from typing import Any

import pytest

from booking.models import Message
from booking.services import links
from booking.services.desk.moving import Place, change
from booking.services.desk.undoing import undo
from booking.services.plans.booking import BookedPlan
from booking.services.plans.changing import Decision, decide, pause
from booking.services.plans.extending import extend
from booking.services.plans.frequency import change_doses
from booking.services.plans.reading import PlanView
from booking.services.plans.shifting import shift
from booking.services.rescheduling import reschedule
from tests.clinics import plan_clinic, plan_template, set_up
from tests.services.making import rows
from tests.services.plans.making import FIRST_DAY, patient, practitioner, prescribed, running, seen
from tests.staffing import hired

pytestmark = pytest.mark.usefixtures("standing_clock", "context")

ACUPUNCTURE, WEEK = "acupuncture-follow-up", timedelta(days=7)
PHASE = {"weeks": 2, "doses": {ACUPUNCTURE: 1}}
LOOKED_AT_ONCE = plan_template(
    "two-stages",
    {},
    self_service=True,
    phases=[PHASE, PHASE | {"reassessed": False}],
    reassessment=["acupuncture-reassessment"],
)


@pytest.fixture
def plan(context: Any, standing_clock: Any) -> BookedPlan:
    set_up(plan_clinic(plan_templates=[LOOKED_AT_ONCE]))
    return running(prescribed(patient(), "two-stages"))


def penciled_by_place(plan: BookedPlan) -> PlanView:
    """What stands from the third week on, and nothing else, is penciled in, and reminded of is what is firm."""
    found = seen(plan)
    for one in found.standing:
        assert one.penciled == (one.week >= 2 and one.role == "dose"), one.starts_at
    reminders = [row for row in rows(Message) if row["kind"] == "reminder-1d" and row["state"] == "queued"]
    assert len(reminders) == sum(not one.penciled for one in found.standing)
    return found


def test_more_often_adds_what_waits_where_it_waits(plan: BookedPlan) -> None:
    change_doses(hired(), plan.reference, 1, {ACUPUNCTURE: (2, 2)}, "Worse.", key="doses-001")
    found = penciled_by_place(plan)
    assert [week.doses[0].booked for week in found.weeks] == [1, 2, 2, 2]
    decide(practitioner(), plan.reference, Decision.CONTINUE, told=True, key="decide-01")
    assert not any(one.penciled for one in seen(plan).standing)


def test_a_further_week_waits_too(plan: BookedPlan) -> None:
    first = FIRST_DAY + timedelta(days=7)
    pause(hired(), plan.reference, first, first + timedelta(days=6), "Travels", key="pause-001")
    extend(hired(), plan.reference, "", key="extend-01")
    assert penciled_by_place(plan).standing[-1].week == 4


def test_what_is_moved_is_as_its_place_is(plan: BookedPlan) -> None:
    second = seen(plan).standing[1]
    day = timedelta(days=1)
    for number, to in enumerate((second.starts_at + WEEK + day, second.starts_at + day)):
        shift(hired(), plan.reference, second.reference, to, None, key=f"shift-00{number}")
        penciled_by_place(plan)


def test_so_is_what_the_desk_or_its_patient_moves_alone(plan: BookedPlan) -> None:
    second, day = seen(plan).standing[1], timedelta(days=1)
    behind, before = second.starts_at + WEEK + day, second.starts_at + day
    moved = change(hired(), second.reference, Place(starts_at=behind), version=None, key="move-001")
    penciled_by_place(plan)
    undo(hired(), moved.entry_id or 0, key="undo-001")
    penciled_by_place(plan)
    for number, to in enumerate((behind, before)):
        token = links.token(second.reference, second.link_number)
        reschedule(second.reference, token, to, None, actor="link", key=f"move-01{number}")
        penciled_by_place(plan)
