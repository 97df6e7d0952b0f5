"""What a plan's weeks lack moves into further weeks at its end: it is prescribed there, and nowhere twice."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from booking import clock
from booking.extensions import db
from booking.models import BookableBy
from booking.scheduling.plans.course import Course, Dose, Moved, Phase
from booking.services.desk.statuses import cancel
from booking.services.plans.adherence import Fate, adherence
from booking.services.plans.booking import BookedPlan
from booking.services.plans.changing import Decision, decide, pause
from booking.services.plans.extending import extend, extended, is_decided_first
from booking.services.plans.frequency import from_week_on, with_other_doses
from booking.services.plans.lacking import lacking
from booking.services.plans.make_ups import make_up_times
from booking.services.plans.places import places_of
from booking.services.plans.reading import PlanView
from booking.services.plans.repairing import not_needed, take_for
from booking.web.plan_next import fits
from tests.clinics import plan_clinic, plan_template, set_up
from tests.conftest import StandingClock
from tests.services.plans.making import FIRST_DAY, at, patient, practitioner, prescribed, running, seen
from tests.staffing import hired

pytestmark = pytest.mark.usefixtures("standing_clock", "context")

ACUPUNCTURE, CHIROPRACTIC = "acupuncture-follow-up", "chiropractic-follow-up"
WHOLE = {ACUPUNCTURE: 12, CHIROPRACTIC: 8}


@pytest.fixture(autouse=True)
def clinic_with_plans(context: Any, standing_clock: Any) -> None:
    set_up(plan_clinic())


def away(plan: BookedPlan, first: int, last: int) -> None:
    """On these days of the plan its patient can't come."""
    days = [FIRST_DAY + timedelta(days=one) for one in (first, last)]
    pause(hired(), plan.reference, *days, "Travels", key=f"pause-{first}")


def summed(plan: PlanView, care: str) -> tuple[int, ...]:
    """Prescribed, booked, missed, made up and left in the whole plan."""
    doses = [dose for week in plan.weeks for dose in week.doses if dose.care.slug == care]
    counts = [(one.fewest, one.booked, one.missed, one.made_up, one.left) for one in doses]
    return tuple(sum(numbers) for numbers in zip(*counts, strict=True))


def everywhere_true(plan: BookedPlan, missed: dict[str, int], left: dict[str, int]) -> PlanView:
    """The plan's page and the board count as many as were prescribed, and all that was missed and isn't left is made up."""
    found = seen(plan)
    (row,) = adherence(hired()).rows
    for care, whole in WHOLE.items():
        made_up = missed[care] - left[care]
        assert summed(found, care) == (whole, whole - left[care], missed[care], made_up, left[care])
        fates = [
            fate for week in row.weeks for one in week.cares if one.care.slug == care for fate in one.fates
        ]
        assert fates.count(Fate.MADE_UP) == made_up and fates.count(Fate.MISSED) == left[care]
        assert fates.count(Fate.LEFT) == left[care] and fates.count(Fate.BOOKED) == whole - left[care]
    assert row.short == sum(left.values())
    return found


def everywhere_short(plan: BookedPlan) -> PlanView:
    missed = {dose.care.slug: dose.missed for dose in seen(plan).weeks[2].doses}
    assert all(missed.values())
    return everywhere_true(plan, missed, missed)


def test_what_was_moved_is_prescribed_once_and_made_up_where_it_was_missed() -> None:
    plan = running(prescribed(patient()))
    away(plan, 14, 17)
    missed = {dose.care.slug: dose.missed for dose in everywhere_short(plan).weeks[2].doses}
    extend(hired(), plan.reference, "", key="extend-01")
    found = everywhere_true(plan, missed, {ACUPUNCTURE: 0, CHIROPRACTIC: 0})
    for before, further in zip(found.weeks[2].doses, found.weeks[4].doses, strict=True):
        assert before.fewest + further.fewest == WHOLE[before.care.slug] // 4
        assert (before.made_up, further.made_up) == (before.missed, 0)
    of = {place.of for place in places_of(db.session(), found.clinic, [found.id]).values() if place.number}
    assert of == set(WHOLE.values())


def test_what_is_missed_again_is_left_there_and_moved_on_from_there() -> None:
    plan = running(prescribed(patient()))
    away(plan, 14, 20)
    extend(hired(), plan.reference, "", key="extend-01")
    away(plan, 28, 34)
    twice = {ACUPUNCTURE: 6, CHIROPRACTIC: 4}
    left = {ACUPUNCTURE: 3, CHIROPRACTIC: 2}
    assert everywhere_true(plan, twice, left).weeks[2].left == 0
    extend(hired(), plan.reference, "", key="extend-02")
    found = everywhere_true(plan, twice, {ACUPUNCTURE: 0, CHIROPRACTIC: 0})
    assert [sum(dose.fewest for dose in week.doses) for week in found.weeks] == [5, 5, 0, 5, 0, 5]


@pytest.mark.parametrize(("day", "week"), [(35, 5), (46, 7)], ids=["a Monday", "a Friday"])
def test_a_plan_that_is_over_goes_on_from_now_on(day: int, week: int, standing_clock: StandingClock) -> None:
    """On a Monday in the week that begins; on a Friday three visits don't fit into what is left of it."""
    plan = running(prescribed(patient()))
    away(plan, 21, day - 1)
    standing_clock.at(at(FIRST_DAY + timedelta(days=day), 8))
    shown = extended(seen(plan))
    assert shown.weeks == range(week, week + 1) and shown.fitted.lacks == ()
    extend(hired(), plan.reference, "", key="extend-01")
    found = seen(plan)
    assert summed(found, ACUPUNCTURE) == (12, 3, 3, 3, 0) and summed(found, CHIROPRACTIC) == (8, 2, 2, 2, 0)
    doses = [[dose.fewest for dose in one.doses if dose.fewest] for one in found.weeks]
    assert doses == [[3, 2], [3, 2], [3, 2], *[[]] * (week - 3), [3, 2]]
    assert lacking(found, clock.now()) == [] and found.course.looks == 1
    # In the weeks between nothing is prescribed: how often they come is changed as ever.
    assert from_week_on(found.course, 4, {ACUPUNCTURE: (2, 2)}).doses(ACUPUNCTURE)[week] == (2, 2)


def test_once_the_look_came_it_is_decided_first_and_then_extended(standing_clock: StandingClock) -> None:
    """Behind a look nothing is booked of the stage that it saw."""
    plan = running(prescribed(patient()))
    *_, last_week = (one for one in seen(plan).standing if one.week == 3 and one.care.slug == ACUPUNCTURE)
    cancel(hired(), last_week.reference, key="cancel-01")
    look = next(one for one in seen(plan).standing if one.role == "reassessment")
    assert fits(seen(plan), "extend") and not is_decided_first(seen(plan), clock.now())
    standing_clock.at(look.ends_at + timedelta(hours=1))
    assert not fits(seen(plan), "extend") and is_decided_first(seen(plan), clock.now())
    decide(practitioner(), plan.reference, Decision.CONTINUE, weeks=2, told=True, key="decide-01")
    assert fits(seen(plan), "extend")
    shown = extended(seen(plan)).fitted
    assert [(one.kept.week, one.kept.care) for one in shown.comes][:1] == [(6, ACUPUNCTURE)]
    assert shown.lacks == ()


def test_a_look_before_the_thirteenth_visit_keeps_nobody_from_extending(
    standing_clock: StandingClock,
) -> None:
    look = {"reassessment": ["acupuncture-reassessment"]}
    set_up(plan_clinic(plan_templates=[plan_template("eight", {ACUPUNCTURE: 2}, weeks=8, **look)]))
    plan = running(prescribed(patient(), "eight"))
    looked = next(one for one in seen(plan).standing if one.role == "reassessment")
    cancel(hired(), seen(plan).standing[-1].reference, key="cancel-01")
    standing_clock.at(looked.ends_at + timedelta(hours=1))
    assert fits(seen(plan), "extend") and extended(seen(plan)).fitted.lacks == ()


@pytest.mark.parametrize("tapers", [False, True])
def test_what_goes_on_after_further_weeks_is_what_was_prescribed(tapers: bool) -> None:
    plan = running(prescribed(patient()))
    cancel(hired(), seen(plan).standing[2].reference, key="cancel-01")
    extend(hired(), plan.reference, "", key="extend-01")
    decision, doses = (Decision.TAPER, {ACUPUNCTURE: (1, 1)}) if tapers else (Decision.CONTINUE, None)
    decide(practitioner(), plan.reference, decision, doses=doses, told=True, key="decide-01")
    weeks = [{dose.care.slug: dose.fewest for dose in week.doses} for week in seen(plan).weeks]
    often = {ACUPUNCTURE: 1 if tapers else 3, CHIROPRACTIC: 2}
    assert weeks[4] == {ACUPUNCTURE: 1} and weeks[5:] == [often] * 4


def test_less_often_leaves_what_stands_in_a_week_from_which_some_was_moved() -> None:
    phases = (Phase(4, (Dose(ACUPUNCTURE, 3, 3),)), Phase(1, (Dose(ACUPUNCTURE, 2, 2),)))
    course = Course(phases, {}, moved=(Moved(2, ACUPUNCTURE, 2, 4),))
    assert [most for _, most in course.doses(ACUPUNCTURE)] == [3, 3, 1, 3, 2]
    fewer = from_week_on(course, 1, {ACUPUNCTURE: (2, 2)})
    assert [most for _, most in fewer.doses(ACUPUNCTURE)] == [3, 2, 1, 2, 1] and fewer.moved[0].visits == 1
    assert from_week_on(course, 3, {ACUPUNCTURE: (2, 2)}).moved == course.moved
    assert Course.of(course.as_plain()) == course


def test_what_a_week_needs_no_more_leaves_room_to_make_up_for_the_week_before() -> None:
    plan, who = running(prescribed(patient(), "weekly")), hired()
    second, third = ((one.starts_at.date() - FIRST_DAY).days for one in seen(plan).standing[1:3])
    away(plan, second, second)
    away(plan, third, third)
    not_needed(who, plan.reference, 2, ACUPUNCTURE, "Is better", key="not-needed-1")
    assert [week.left for week in seen(plan).weeks] == [0, 1, 0, 0, 0, 0]
    was = seen(plan).visits[2]
    day_after = was.starts_at + timedelta(days=1)
    take_for(who, plan.reference, 1, ACUPUNCTURE, day_after, was.practitioner.slug, key="take-001")
    after = seen(plan)
    assert [week.left for week in after.weeks] == [0] * 6 and after.weeks[1].doses[0].made_up == 1


@pytest.mark.parametrize("new", [False, True])
def test_where_nothing_of_its_kind_stands_any_more_it_is_booked_and_can_be_made_up(
    new: bool, standing_clock: StandingClock
) -> None:
    set_up(plan_clinic(plan_templates=[plan_template("once", {ACUPUNCTURE: 1}, weeks=2)]))
    returning = ("chiropractic",) if new else ("acupuncture", "chiropractic")
    plan = running(prescribed(patient(), "once", returning=returning))
    for number, one in enumerate(seen(plan).standing):
        cancel(hired(), one.reference, key=f"cancel-{number}-1")
    extend(hired(), plan.reference, "", key="extend-01")
    further = seen(plan).standing
    assert [one.week for one in further] == [2, 3]
    for one in further:
        cancel(hired(), one.reference, key=f"cancel-{one.week}-1")
    standing_clock.at(at(FIRST_DAY + timedelta(days=14), 8))
    offered = make_up_times(seen(plan), BookableBy.STAFF)
    assert offered[0].missed.week == 2 and offered[0].times
    # Also a dose that was never booked, of which nothing ever stood.
    empty = replace(seen(plan), visits=())
    found = with_other_doses(empty, 2, {ACUPUNCTURE: (1, 1)}, BookableBy.STAFF)
    assert [one.kept.week for one in found.comes] == [2, 3] and found.lacks == ()
