"""In each of how many weeks a patient comes, changed from a week on: to taper from once a week to every second one."""

from typing import Any

import pytest

from booking.errors import PlanRulesBroken
from booking.models import BookableBy
from booking.scheduling.plans.course import Course, Dose, Moved, Phase
from booking.services.plans.booking import BookedPlan
from booking.services.plans.changing import Decision, decide
from booking.services.plans.frequency import change_doses, from_week_on, with_other_doses
from tests.clinics import plan_clinic, set_up
from tests.conftest import StandingClock
from tests.services.plans.making import patient, practitioner, prescribed, running, seen
from tests.staffing import hired

ACUPUNCTURE, CHIROPRACTIC = "acupuncture-follow-up", "chiropractic-follow-up"


@pytest.fixture(autouse=True)
def _clinic(context: Any, standing_clock: StandingClock) -> None:
    set_up(plan_clinic())


@pytest.fixture
def weekly() -> BookedPlan:
    """Once a week, for six weeks."""
    return running(prescribed(patient(), "weekly"))


def in_weeks(plan: BookedPlan) -> list[int]:
    return sorted(one.week for one in seen(plan).standing)


def test_every_second_week_thins_out_and_each_week_fills_again(weekly: BookedPlan) -> None:
    fewer = with_other_doses(seen(weekly), 1, {}, BookableBy.STAFF, every=2)
    assert ([one.week for one in fewer.goes], fewer.comes, fewer.lacks) == ([2, 4], (), ())
    change_doses(hired(), weekly.reference, 1, {}, "Better.", every=2, key="doses-001")
    assert in_weeks(weekly) == [0, 1, 3, 5]
    assert [week.left for week in seen(weekly).weeks] == [0] * 6
    change_doses(hired(), weekly.reference, 2, {}, "Worse.", every=1, key="doses-002")
    assert in_weeks(weekly) == [0, 1, 2, 3, 4, 5]


def test_a_rhythm_stays_where_only_the_doses_are_changed(weekly: BookedPlan) -> None:
    change_doses(hired(), weekly.reference, 1, {}, "Better.", every=2, key="doses-001")
    change_doses(hired(), weekly.reference, 2, {ACUPUNCTURE: (2, 2)}, "Worse.", key="doses-002")
    assert in_weeks(weekly) == [0, 1, 3, 3, 5, 5]


def test_another_rhythm_begins_with_its_week_also_where_the_one_before_had_none_there() -> None:
    course = Course((Phase(6, (Dose(ACUPUNCTURE, 1, 1),), every=3), Phase(2, (Dose(ACUPUNCTURE, 2, 2),))), {})
    given = [most for _, most in from_week_on(course, 2, {}, 2).doses(ACUPUNCTURE)]
    assert given == [1, 0, 1, 0, 1, 0, 2, 0]
    # Without one it is the next of those in which they come anyway.
    assert [most for _, most in from_week_on(course, 2, {ACUPUNCTURE: (3, 3)}).doses(ACUPUNCTURE)] == [
        1, 0, 0, 3, 0, 0, 3, 3,
    ]  # fmt: skip


def test_what_was_moved_into_a_further_week_stays_there_in_any_rhythm() -> None:
    phases = (Phase(4, (Dose(ACUPUNCTURE, 2, 2),)), Phase(1, (Dose(ACUPUNCTURE, 1, 1),)))
    course = Course(phases, {}, moved=(Moved(0, ACUPUNCTURE, 1, 4),))
    other = from_week_on(course, 1, {}, 2)
    assert ([most for _, most in other.doses(ACUPUNCTURE)], other.moved) == ([1, 2, 0, 2, 1], course.moved)


def test_to_taper_beyond_what_was_prescribed_may_be_in_every_second_week(weekly: BookedPlan) -> None:
    decide(
        practitioner(), weekly.reference, Decision.TAPER, weeks=4, doses={ACUPUNCTURE: (1, 1)}, every=2,
        told=True, key="decide-01",
    )  # fmt: skip
    assert [most for _, most in seen(weekly).course.doses(ACUPUNCTURE)[6:]] == [1, 0, 1, 0]
    change_doses(hired(), weekly.reference, 6, {}, "", key="doses-001")
    assert in_weeks(weekly) == [*range(6), 6, 8]


def test_more_than_a_week_has_room_for_is_refused_of_a_plan_that_runs_too(weekly: BookedPlan) -> None:
    for doses in ({ACUPUNCTURE: (9, 9)}, {ACUPUNCTURE: (5, 5)}, {ACUPUNCTURE: (3, 2)}):
        with pytest.raises(PlanRulesBroken):
            change_doses(hired(), weekly.reference, 1, doses, "", key="doses-001")
        with pytest.raises(PlanRulesBroken):
            decide(practitioner(), weekly.reference, Decision.TAPER, doses=doses, told=True, key="decide-01")
    assert in_weeks(weekly) == [*range(6)]
