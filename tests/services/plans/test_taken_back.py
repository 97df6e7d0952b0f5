"""A cancellation of the desk's is taken back while nothing in the plan counts on the visit's being gone."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from booking import clock
from booking.errors import PlanWentOn
from booking.models import BookableBy
from booking.scheduling.plans.keeping import Role
from booking.services.desk import undoing
from booking.services.desk.states import Changed
from booking.services.desk.statuses import cancel, no_show
from booking.services.plans.booking import BookedPlan
from booking.services.plans.changing import Decision, decide, pause, stop
from booking.services.plans.extending import extend
from booking.services.plans.frequency import book_looks, change_doses
from booking.services.plans.make_ups import make_up_times
from booking.services.plans.repairing import not_needed, offer, take
from booking.services.plans.visits import PlanVisit
from tests.clinics import plan_clinic, set_up
from tests.conftest import StandingClock
from tests.services.plans.making import FIRST_DAY, FOLLOW_UP, patient, practitioner, prescribed, running, seen
from tests.staffing import hired

pytestmark = pytest.mark.usefixtures("standing_clock", "context")

KEY = "change-01"


@pytest.fixture
def plan(context: Any, standing_clock: Any) -> BookedPlan:
    set_up(plan_clinic())
    return running(prescribed(patient()))


def cancelled(plan: BookedPlan, standing_clock: Any) -> tuple[PlanVisit, int]:
    """The second visit of acupuncture, and the entry by which the desk has just cancelled it."""
    _first, visit = [one for one in seen(plan).standing if one.care.slug == FOLLOW_UP][:2]
    entry = cancel(hired(), visit.reference, key="cancel-01").entry_id
    standing_clock.on(minutes=1)
    return visit, entry


def looks(plan: BookedPlan) -> list[PlanVisit]:
    return [one for one in seen(plan).standing if one.role is Role.REASSESSMENT]


def made_up(plan: BookedPlan) -> None:
    (one,) = make_up_times(seen(plan), BookableBy.LINK)
    time = one.times[0]
    take(
        plan.reference, plan.token, one.missed.week, one.missed.care.slug, time.starts_at,
        time.practitioner.slug, actor="link", key=KEY,
    )  # fmt: skip


CHANGES: dict[str, Callable[[BookedPlan], object]] = {
    "made up": made_up,
    "not needed": lambda plan: not_needed(hired(), plan.reference, 0, FOLLOW_UP, "Is well.", key=KEY),
    "extended": lambda plan: extend(hired(), plan.reference, "", key=KEY),
    "less often": lambda plan: change_doses(hired(), plan.reference, 0, {FOLLOW_UP: (2, 2)}, "", key=KEY),
    "paused": lambda plan: pause(
        hired(), plan.reference, FIRST_DAY, FIRST_DAY + timedelta(days=6), "", key=KEY
    ),
    "stopped": lambda plan: stop(practitioner(), plan.reference, "Is well.", key=KEY),
    "decided": lambda plan: decide(practitioner(), plan.reference, Decision.STOP, told=True, key=KEY),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_visit_does_not_come_back_into_a_plan_that_goes_on_without_it(
    plan: BookedPlan, change: Callable[[BookedPlan], object], standing_clock: Any
) -> None:
    visit, entry = cancelled(plan, standing_clock)
    change(plan)
    before = seen(plan)
    assert isinstance(undoing.look(hired(), entry).refusal, PlanWentOn)
    with pytest.raises(PlanWentOn):
        undoing.undo(hired(), entry, key="undo-0001")
    assert seen(plan) == before and visit.reference not in [one.reference for one in before.standing]


def test_a_visit_comes_back_where_its_patient_was_only_offered_other_times(
    plan: BookedPlan, standing_clock: Any
) -> None:
    before = seen(plan).standing
    _visit, entry = cancelled(plan, standing_clock)
    offer(hired(), plan.reference, key=KEY)
    undoing.undo(hired(), entry, key="undo-0001")
    assert [one.reference for one in seen(plan).standing] == [one.reference for one in before]


@pytest.mark.parametrize("gone", [cancel, no_show])
def test_a_look_doesnt_come_back_once_another_one_is_booked(
    plan: BookedPlan, gone: Callable[..., Changed], standing_clock: StandingClock
) -> None:
    (look,) = looks(plan)
    standing_clock.at(look.starts_at + timedelta(minutes=20) if gone is no_show else clock.now())
    entry = gone(hired(), look.reference, key="gone-0001").entry_id
    standing_clock.on(minutes=1)
    book_looks(hired(), plan.reference, "", key=KEY)
    (other,) = looks(plan)
    with pytest.raises(PlanWentOn):
        undoing.undo(hired(), entry, key="undo-0001")
    assert looks(plan) == [other] and other.reference != look.reference


def test_another_visit_comes_back_though_a_look_was_booked(
    plan: BookedPlan, standing_clock: StandingClock
) -> None:
    (look,) = looks(plan)
    cancel(hired(), look.reference, key="cancel-02")
    visit, entry = cancelled(plan, standing_clock)
    book_looks(hired(), plan.reference, "", key=KEY)
    undoing.undo(hired(), entry, key="undo-0001")
    assert visit.reference in [one.reference for one in seen(plan).standing]
