"""However a visit was lost, it is missing until it is made up or somebody says why it isn't needed."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from booking import clock
from booking.models import BookableBy
from booking.scheduling.status import Status
from booking.services import links, visits
from booking.services.desk import statuses
from booking.services.desk.moving import Place, change
from booking.services.plans.adherence import Need, adherence
from booking.services.plans.booking import BookedPlan, book
from booking.services.plans.changing import confirm
from booking.services.plans.frequency import change_doses
from booking.services.plans.lacking import missing
from booking.services.plans.make_ups import make_up_times
from booking.services.plans.repairing import needed, not_needed, take, take_for
from booking.services.plans.suffering import better_times
from booking.services.plans.visits import PlanVisit
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


def missed(visit: PlanVisit, clock_: StandingClock) -> None:
    clock_.at(visit.starts_at + timedelta(minutes=20))
    statuses.no_show(hired(), visit.reference, key="noshow-01")


def cancelled_by_the_patient(visit: PlanVisit, clock_: StandingClock) -> None:
    token = links.token(visit.reference, visit.link_number)
    visits.cancel(visit.reference, token, "", actor="t", key="cancel-01")


def cancelled_by_the_clinic(visit: PlanVisit, clock_: StandingClock) -> None:
    statuses.cancel(hired(), visit.reference, key="cancel-01")


def only_penciled_in(visit: PlanVisit, clock_: StandingClock) -> None:
    """Until it was over: its plan is confirmed after that."""
    assert visit.penciled
    clock_.at(visit.ends_at)


def begun(lost: Callable[[PlanVisit, StandingClock], None]) -> BookedPlan:
    """A visit a week, prescribed; or begun by its patient, of which all but the first is penciled in."""
    set_up(plan_clinic(plan_templates=[plan_template("weekly", {FOLLOW_UP: 1}, self_service=True)]))
    if lost is only_penciled_in:
        return book(wish(proposed("weekly")[0], "weekly"), actor="visitor", key="begun-0001")
    return running(prescribed(patient(), "weekly"))


def lacks(plan: BookedPlan) -> list[int]:
    """The weeks that lack a visit, by the plan; the board of plans and the sum of its page say the same."""
    weeks = [one.week for one in missing(seen(plan), clock.now())]
    (row,) = adherence(hired()).rows
    assert (Need.SHORT in row.needs, row.short) == (bool(weeks), len(weeks))
    assert [week.number for week in seen(plan).weeks for _ in range(week.left)] == weeks
    return weeks


@pytest.mark.parametrize(
    "lost", [missed, cancelled_by_the_patient, cancelled_by_the_clinic, only_penciled_in]
)
def test_it_is_made_up_or_said_not_to_be_needed(
    lost: Callable[[PlanVisit, StandingClock], None], standing_clock: StandingClock
) -> None:
    """On Sunday of its week, when only the next one has times."""
    plan = begun(lost)
    lost(seen(plan).standing[1], standing_clock)
    standing_clock.at(at(FIRST_DAY + timedelta(days=13), 7))
    if lost is only_penciled_in:
        confirm(practitioner(), plan.reference, key="confirm-01")
    assert lacks(plan) == [1]

    entry = not_needed(hired(), plan.reference, 1, FOLLOW_UP, "Is well.", key="not-0001")
    assert lacks(plan) == []
    needed(hired(), plan.reference, entry, key="needed-01")
    assert lacks(plan) == [1]

    (offered,) = make_up_times(seen(plan), BookableBy.LINK)
    time = offered.times[-1]
    assert time.day // 7 == 2
    take(
        plan.reference, plan.token, 1, FOLLOW_UP, time.starts_at, time.practitioner.slug, actor="link", key="take-001",
    )  # fmt: skip
    assert lacks(plan) == []
    # Also once all of it is over, and nobody has settled anything.
    standing_clock.at(at(FIRST_DAY + timedelta(days=28), 7))
    assert lacks(plan) == []


def test_of_an_old_week_nothing_is_offered_and_it_is_missing_until_somebody_says_why_not(
    standing_clock: StandingClock,
) -> None:
    plan = begun(missed)
    missed(seen(plan).standing[1], standing_clock)
    standing_clock.at(at(FIRST_DAY + timedelta(days=21), 7))
    (offered,) = make_up_times(seen(plan), BookableBy.STAFF)
    assert lacks(plan) == [1] and not offered.times
    not_needed(hired(), plan.reference, 1, FOLLOW_UP, "Is well.", key="not-0001")
    assert lacks(plan) == []


def often(**how: Any) -> tuple[BookedPlan, list[PlanVisit]]:
    """Three visits a week, with those of the first one."""
    set_up(plan_clinic(plan_templates=[plan_template("often", {FOLLOW_UP: 3}, **how)]))
    plan = running(prescribed(patient(), "often"))
    return plan, [one for one in seen(plan).standing if one.week == 0]


def test_that_it_isnt_needed_is_of_what_was_prescribed_then() -> None:
    plan, (first, second, _) = often()
    statuses.cancel(hired(), first.reference, key="cancel-01")
    not_needed(hired(), plan.reference, 0, FOLLOW_UP, "Is well.", key="not-0001")
    change_doses(hired(), plan.reference, 0, {FOLLOW_UP: (2, 2)}, "", key="doses-001")
    assert lacks(plan) == []
    statuses.cancel(hired(), second.reference, key="cancel-02")
    assert lacks(plan) == [0]
    # Of two there is one visit, and that one more isn't needed has been said of these.
    entry = not_needed(hired(), plan.reference, 0, FOLLOW_UP, "Is well.", key="not-0002")
    assert lacks(plan) == []
    needed(hired(), plan.reference, entry, key="needed-01")
    assert lacks(plan) == [0]


def test_what_makes_up_for_a_week_stays_where_less_is_needed_of_it_than_was_said(
    standing_clock: StandingClock,
) -> None:
    plan, (first, second, _) = often(rest_days={"acupuncture": 0})
    for number, one in enumerate((first, second)):
        statuses.cancel(hired(), one.reference, key=f"cancel-0{number}")
    not_needed(hired(), plan.reference, 0, FOLLOW_UP, "Is well.", key="not-0001")
    standing_clock.at(at(FIRST_DAY + timedelta(days=6), 20))
    (offered,) = make_up_times(seen(plan), BookableBy.STAFF)
    time = offered.times[0]
    assert time.day // 7 == 1
    take_for(hired(), plan.reference, 0, FOLLOW_UP, time.starts_at, time.practitioner.slug, key="take-001")
    change_doses(hired(), plan.reference, 0, {FOLLOW_UP: (2, 2)}, "", key="doses-001")
    assert lacks(plan) == [] and len([one for one in seen(plan).standing if one.week == 1]) == 3


def test_whoever_came_after_all_needs_what_was_said_not_to_be_needed(standing_clock: StandingClock) -> None:
    plan, (first, second, third) = often()
    statuses.cancel(hired(), third.reference, key="cancel-03")
    missed(first, standing_clock)
    not_needed(hired(), plan.reference, 0, FOLLOW_UP, "Is well.", key="not-0001")
    assert lacks(plan) == [0]
    statuses.correct(hired(), first.reference, Status.FULFILLED, reason="Came late", key="correct-1")
    assert lacks(plan) == [0]
    statuses.cancel(hired(), second.reference, key="cancel-02")
    assert lacks(plan) == [0, 0]


def test_what_is_moved_before_the_plans_first_day_is_of_its_first_week() -> None:
    plan, (first, *_) = often()
    place = Place(starts_at=at(FIRST_DAY - timedelta(days=3), 10))
    change(hired(), first.reference, place, version=first.version, reason="Wished so", key="move-0001")
    found = seen(plan)
    assert lacks(plan) == [] and len(found.weeks[0].visits) == 3
    moved = found.that_stands(first.reference)
    assert moved is not None
    for audience in (BookableBy.LINK, BookableBy.STAFF):
        better = better_times(found, moved, audience)
        assert better and {one.day // 7 for one in better} == {0}
    statuses.cancel(hired(), first.reference, key="cancel-01")
    assert lacks(plan) == [0]
