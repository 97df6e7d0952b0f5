"""Somebody looks again after each stage of a plan that runs: where nobody is booked to any more, or yet, they are booked."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from booking import clock
from booking.models import Appointment, BookableBy
from booking.scheduling.plans.keeping import Role, Rule, faults
from booking.scheduling.plans.windows import Presence, TimeWindow
from booking.scheduling.timeline import cell_at
from booking.services.desk.statuses import cancel, no_show
from booking.services.plans.adherence import Need, adherence
from booking.services.plans.asking_again import kept_of
from booking.services.plans.booking import BookedPlan
from booking.services.plans.changing import Decision, decide, pause
from booking.services.plans.extending import extend, extended
from booking.services.plans.frequency import (
    book_looks,
    change_doses,
    looked_at_again,
    next_stage,
    with_other_doses,
)
from booking.services.plans.make_ups import make_up_times
from booking.services.plans.visits import PlanVisit
from booking.services.transaction import run
from tests.clinics import plan_clinic, plan_template, set_up
from tests.conftest import StandingClock
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
from tests.staffing import hired

pytestmark = pytest.mark.usefixtures("standing_clock", "context")

LAST_WEEK = FIRST_DAY + timedelta(days=21)


@pytest.fixture(autouse=True)
def clinic_with_plans(context: Any, standing_clock: Any) -> None:
    set_up(plan_clinic())


@pytest.fixture
def disc() -> BookedPlan:
    return running(prescribed(patient()))


def looks(plan: BookedPlan) -> list[PlanVisit]:
    return [one for one in seen(plan).standing if one.role is Role.REASSESSMENT]


def is_looked_at(plan: BookedPlan, *but: Rule) -> bool:
    """Whether the board and the rules miss nobody who looks again."""
    shown, (row,) = seen(plan), adherence(hired()).rows
    broken = {one.rule for one in faults(shown.course, [kept_of(shown, one) for one in shown.standing])}
    missed = broken & {Rule.NO_REASSESSMENT, Rule.REASSESSMENT_PLACE} - set(but)
    return Need.NO_REASSESSMENT not in row.needs and not missed


def test_a_look_that_a_pause_took_is_booked_where_the_plan_is_extended(disc: BookedPlan) -> None:
    pause(hired(), disc.reference, LAST_WEEK, LAST_WEEK + timedelta(days=13), "Ill", key="pause-001")
    assert not looks(disc) and not is_looked_at(disc)
    extend(hired(), disc.reference, "", key="extend-01")
    (look,) = looks(disc)
    assert look == seen(disc).standing[-1] and is_looked_at(disc)


def test_whoever_goes_on_for_some_weeks_is_looked_at_after_them(disc: BookedPlan) -> None:
    decide(practitioner(), disc.reference, Decision.CONTINUE, weeks=2, told=True, key="decide-01")
    assert not is_looked_at(disc)
    change = change_doses(hired(), disc.reference, 4, {}, "", key="doses-001")
    assert len(change.comes) == 11 and change.lacks == change.unseen == ()
    first, second = looks(disc)
    assert (first.week, second.week) == (3, 5) and is_looked_at(disc)


def test_weeks_that_were_too_far_ahead_have_their_look_once_they_can_be_booked(
    standing_clock: StandingClock,
) -> None:
    today = clock.now().date()
    plan = running(prescribed(patient(), first_day=today + timedelta(days=103)))
    assert not looks(plan) and looked_at_again(seen(plan)).comes == ()
    assert adherence(hired()).rows[0].needs == (), "What can't be booked yet isn't missing."
    standing_clock.at(at(today + timedelta(days=100), 8))
    assert adherence(hired()).rows[0].needs == (Need.SHORT, Need.NO_REASSESSMENT)
    change_doses(hired(), plan.reference, 0, {}, "", key="doses-001")
    assert len(looks(plan)) == 1 and is_looked_at(plan)


@pytest.mark.parametrize("comes", [False, True], ids=["no-show", "cancelled"])
def test_a_look_that_was_missed_or_called_off_is_booked_anew(
    comes: bool, disc: BookedPlan, standing_clock: StandingClock
) -> None:
    (look,) = looks(disc)
    if comes:
        cancel(hired(), look.reference, key="cancel-01")
    else:
        standing_clock.at(look.starts_at + timedelta(minutes=20))
        no_show(hired(), look.reference, key="noshow-01")
    shown = looked_at_again(seen(disc))
    assert not is_looked_at(disc) and [one.kept.role for one in shown.comes] == [Role.REASSESSMENT]
    book_looks(hired(), disc.reference, "", key="look-0001")
    (anew,) = looks(disc)
    assert anew.reference != look.reference and not anew.penciled and is_looked_at(disc)
    assert looked_at_again(seen(disc)).comes == ()


@pytest.mark.parametrize("weeks", [6, 10])
def test_where_its_days_are_over_somebody_looks_again_as_soon_as_can_be(
    weeks: int, disc: BookedPlan, standing_clock: StandingClock
) -> None:
    cancel(hired(), looks(disc)[0].reference, key="cancel-01")
    monday = FIRST_DAY + timedelta(weeks=weeks)
    standing_clock.at(at(monday, 8))
    book_looks(hired(), disc.reference, "", key="look-0001")
    (look,) = looks(disc)
    assert look.starts_at.date() == monday and is_looked_at(disc, Rule.REASSESSMENT_PLACE)


def test_after_a_look_that_came_late_a_plan_goes_on_and_is_looked_at_again(
    disc: BookedPlan, standing_clock: StandingClock
) -> None:
    cancel(hired(), looks(disc)[0].reference, key="cancel-01")
    standing_clock.at(at(FIRST_DAY + timedelta(days=35), 7))
    book_looks(hired(), disc.reference, "", key="look-0001")
    (late,) = looks(disc)
    standing_clock.at(late.starts_at + timedelta(hours=2))
    decide(practitioner(), disc.reference, Decision.CONTINUE, weeks=3, told=True, key="decide-01")
    assert adherence(hired()).rows[0].needs == (Need.SHORT, Need.NO_REASSESSMENT)
    shown = with_other_doses(seen(disc), 5, {}, BookableBy.STAFF)
    doses = [one for one in shown.comes if one.kept.role is Role.DOSE]
    assert len(doses) == 10 and shown.lacks == shown.unseen == ()
    change_doses(hired(), disc.reference, 5, {}, "", key="doses-001")
    assert [one.week for one in looks(disc)] == [5, 6] and is_looked_at(disc, Rule.REASSESSMENT_PLACE)


def test_a_look_that_came_late_isnt_the_one_that_the_next_stage_lacks(standing_clock: StandingClock) -> None:
    phases = [{"weeks": 2, "doses": {FOLLOW_UP: 2}}, {"weeks": 6, "doses": {FOLLOW_UP: 2}}]
    two = plan_template("two", {}, reassessment=["acupuncture-reassessment"], phases=phases)
    where_mei_is_alone(two)
    plan = running(prescribed(patient(), "two"))
    first, second = looks(plan)
    cancel(hired(), first.reference, key="cancel-01")
    standing_clock.at(at(FIRST_DAY + timedelta(days=21), 7))
    book_looks(hired(), plan.reference, "", key="look-0001")
    standing_clock.at(at(FIRST_DAY + timedelta(days=26), 7))
    decide(practitioner(), plan.reference, Decision.CONTINUE, told=True, key="decide-01")
    cancel(hired(), second.reference, key="cancel-02")
    assert Need.NO_REASSESSMENT in adherence(hired()).rows[0].needs
    assert [one.kept.role for one in looked_at_again(seen(plan)).comes] == [Role.REASSESSMENT]
    dose = next(one for one in seen(plan).standing if one.role is Role.DOSE and one.week == 5)
    cancel(hired(), dose.reference, key="cancel-03")
    made_up = make_up_times(seen(plan), BookableBy.LINK)[-1]
    assert made_up.missed.week == 5 and len(made_up.times) == 3


def test_going_on_into_the_next_stage_books_who_looks_again_after_it() -> None:
    where_mei_is_alone()
    plan = running(prescribed(patient(), "stages"))
    *_, last = looks(plan)
    cancel(hired(), last.reference, key="cancel-01")
    shown = next_stage(seen(plan))
    assert shown and [one.kept.role for one in shown.comes] == [Role.REASSESSMENT]
    decide(practitioner(), plan.reference, Decision.CONTINUE, told=True, key="decide-01")
    assert looks(plan)[-1].week >= 1 and is_looked_at(plan)


def test_as_often_as_before_goes_on_after_the_look_that_lies_before_the_thirteenth_visit() -> None:
    phases = [{"weeks": 1, "doses": {FOLLOW_UP: 2}}, {"weeks": 8, "every": 2, "doses": {FOLLOW_UP: 1}}]
    look = {"reassessment": ["acupuncture-reassessment"], "rest_days": {"acupuncture": 1}}
    set_up(plan_clinic(plan_templates=[plan_template("rarer", {}, phases=phases, **look)]))
    mornings = Presence((TimeWindow(frozenset({0, 2}), 9 * 60, 12 * 60),))
    plan = running(prescribed(patient(), "rarer"), presence=mornings)
    decide(practitioner(), plan.reference, Decision.CONTINUE, told=True, key="decide-01")
    found = seen(plan)
    left = [week.left for week in found.weeks]
    assert left == [0, 1, 0, 0, 0, 0, 0, 1, 0], "On these Wednesdays somebody looks again."
    *_, last = looks(plan)
    doses = [one.starts_at for one in found.standing if one.role is not Role.REASSESSMENT]
    assert doses[13] <= last.starts_at < doses[14] and len(looks(plan)) == 2 and is_looked_at(plan)


def test_only_the_look_that_is_in_the_way_of_further_weeks_is_booked_anew() -> None:
    """The look of the first stage lies in the weeks of the second one."""
    week = {"weeks": 1, "doses": {FOLLOW_UP: 1}}
    phases = [week, week | {"weeks": 2}]
    look = {"reassessment": ["acupuncture-reassessment"]}
    set_up(plan_clinic(plan_templates=[plan_template("two", {}, phases=phases, **look)]))
    plan = running(prescribed(patient(), "two"))
    before, after = looks(plan)
    shift = cell_at(at(FIRST_DAY + timedelta(days=8), 16)) - cell_at(before.starts_at)
    there = {"from_cell": Appointment.from_cell + shift, "to_cell": Appointment.to_cell + shift}
    run(lambda session: session.execute(update(Appointment).where(Appointment.id == before.id).values(there)))
    lost = [one for one in seen(plan).standing if one.role == "dose" and one.week > 0]
    for one in lost:
        cancel(hired(), one.reference, key=f"cancel-{one.id}-1")
    shown = extended(seen(plan)).fitted
    assert [one.reference for one in shown.goes] == [after.reference]
    assert [one.kept.role for one in shown.comes].count(Role.REASSESSMENT) == 1
    assert shown.lacks == shown.unseen == ()


def test_a_stage_for_whose_look_there_is_no_time_is_named(disc: BookedPlan) -> None:
    pause(hired(), disc.reference, LAST_WEEK, LAST_WEEK + timedelta(days=60), "Ill", key="pause-001")
    shown = extended(seen(disc)).fitted
    assert shown.comes == () and shown.unseen == (0,) and len(shown.lacks) == 5
