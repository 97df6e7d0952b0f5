"""Several visits of a plan are missing at once: what is offered for one of them goes with what is offered for the others."""

from datetime import timedelta
from itertools import combinations, product
from typing import Any

import pytest

from booking.models import AbsenceKind, BookableBy
from booking.scheduling.plans.keeping import Rule, faults
from booking.scheduling.plans.windows import Presence, TimeWindow
from booking.scheduling.timeline import cell_at
from booking.services import absences
from booking.services.desk.statuses import cancel
from booking.services.plans.asking_again import kept_of
from booking.services.plans.booking import BookedPlan
from booking.services.plans.reading import PlanView
from booking.services.plans.repairing import MakeUp, as_chosen, make_up_times, take
from booking.services.transaction import run
from tests.clinics import plan_clinic, plan_template, set_up
from tests.conftest import StandingClock
from tests.services.making import booked
from tests.services.plans.making import FIRST_DAY, at, patient, prescribed, running, seen
from tests.staffing import hired

pytestmark = pytest.mark.usefixtures("standing_clock", "context")

ACUPUNCTURE = "acupuncture-follow-up"


def lost(plan: BookedPlan, *which: int) -> PlanView:
    """Of the second week these visits of acupuncture are cancelled."""
    of_week = [one for one in seen(plan).standing if one.week == 1 and one.care.slug == ACUPUNCTURE]
    for number in which:
        cancel(hired(), of_week[number].reference, key=f"cancel-{number}-1")
    return seen(plan)


def go_together(plan: PlanView, offered: list[MakeUp]) -> None:
    """Whichever is taken of each, the plan keeps its rules, and no two are at once."""
    standing = [kept_of(plan, one) for one in plan.standing]
    for times in product(*(one.times for one in offered)):
        taken = [as_chosen(plan, one.missed, time).kept for one, time in zip(offered, times, strict=True)]
        broken = {one.rule for one in faults(plan.course, [*standing, *taken])}
        assert broken <= {Rule.TOO_FEW, Rule.TOO_MANY}
        assert all(
            one.day != other.day or one.ends <= other.starts or other.ends <= one.starts
            for one, other in combinations([*standing, *taken], 2)
        )


def test_two_of_a_kind_are_offered_days_that_go_together(context: Any) -> None:
    set_up(plan_clinic())
    plan = running(prescribed(patient()))
    after = lost(plan, 0, 2)
    offered = make_up_times(after, BookableBy.LINK)
    assert len(offered) == 2 and all(one.times for one in offered)
    go_together(after, offered)
    # What was offered for the second can still be had once the first was taken.
    for number, one in enumerate(offered):
        time = one.times[0]
        take(
            plan.reference, plan.token, one.missed.week, ACUPUNCTURE, time.starts_at, time.practitioner.slug,
            actor="link", key=f"take-000{number}",
        )  # fmt: skip
    assert sum(week.left for week in seen(plan).weeks) == 0


def test_all_of_a_week_are_offered_times_that_go_together(context: Any) -> None:
    set_up(plan_clinic())
    plan = running(prescribed(patient()))
    for number, one in enumerate(one for one in seen(plan).standing if one.week == 1):
        cancel(hired(), one.reference, key=f"cancel-{number}-1")
    after = seen(plan)
    offered = make_up_times(after, BookableBy.STAFF)
    assert len(offered) == 5 and all(one.times for one in offered)
    assert all(time.day // 7 == 1 for one in offered for time in one.times)
    go_together(after, offered)


def test_the_best_day_for_one_is_left_where_it_leaves_no_day_for_the_other(context: Any) -> None:
    """Tuesday to Thursday, a free day between two, and on the days that go together only the other practitioner."""
    set_up(plan_clinic(plan_templates=[plan_template("twice", {ACUPUNCTURE: 2})]))
    days = Presence((TimeWindow(frozenset({1, 2, 3}), 9 * 60, 17 * 60),))
    plan = running(prescribed(patient(), "twice"), presence=days)
    after = lost(plan, 0, 1)
    person = next(one.practitioner for one in after.visits if one.week == 1)
    assert all(one.practitioner == person for one in after.visits if one.week == 1)
    for number in (8, 10):
        cells = [cell_at(at(FIRST_DAY + timedelta(days=number), hour)) for hour in (8, 20)]
        run(lambda session, cells=cells: absences.enter(session, AbsenceKind.TIME_OFF, person.id, *cells))  # type: ignore[misc]
    offered = make_up_times(after, BookableBy.STAFF)
    assert [[time.day for time in one.times] for one in offered] in ([[8], [10]], [[10], [8]])


def test_no_day_is_offered_that_is_too_near_to_a_visit_besides_the_plan(context: Any) -> None:
    set_up(plan_clinic())
    plan = running(prescribed(patient(), "weekly"))
    after = lost(plan, 0)
    (before,) = make_up_times(after, BookableBy.STAFF)
    day = before.times[0].day
    noon = at(FIRST_DAY + timedelta(days=day), 14)
    booked(noon, visit_type=ACUPUNCTURE, practitioner=before.times[0].practitioner.slug)
    (now,) = make_up_times(after, BookableBy.STAFF)
    assert now.times and all(abs(one.day - day) > 1 for one in now.times)


def test_a_make_up_in_the_next_week_counts_for_its_own_where_the_dose_is_a_range(
    context: Any, standing_clock: StandingClock
) -> None:
    set_up(plan_clinic(plan_templates=[plan_template("range", {ACUPUNCTURE: "1-2"})]))
    plan = running(prescribed(patient(), "range"))
    for number, visit in enumerate([one for one in seen(plan).standing if one.week in (1, 2)][:3]):
        cancel(hired(), visit.reference, key=f"cancel-{number}-1")
    standing_clock.at(at(FIRST_DAY + timedelta(days=13), 20))
    (offered,) = make_up_times(seen(plan), BookableBy.LINK)
    (time, *_) = offered.times
    assert (offered.missed.week, time.day // 7) == (1, 2)
    take(
        plan.reference, plan.token, 1, ACUPUNCTURE, time.starts_at, time.practitioner.slug,
        actor="link", key="take-0001",
    )  # fmt: skip
    assert make_up_times(seen(plan), BookableBy.LINK) == []
    assert counts(plan, 1) == (0, 2, 1, 0) and counts(plan, 2) == (2, 1, 0, 0)
    # It isn't one of the week in which it lies: that lacks its own once it is given up.
    own, made_up = sorted((one for one in seen(plan).standing if one.week == 2), key=lambda one: one.id)
    cancel(hired(), own.reference, key="cancel-own")
    assert counts(plan, 1) == (0, 2, 1, 0) and counts(plan, 2) == (1, 2, 0, 1)
    cancel(hired(), made_up.reference, key="cancel-made-up")
    assert counts(plan, 1) == (0, 2, 0, 1) and counts(plan, 2) == (0, 3, 0, 1)


def test_what_was_missed_of_a_range_that_is_kept_all_the_same_was_not_made_up(context: Any) -> None:
    set_up(plan_clinic(plan_templates=[plan_template("range", {ACUPUNCTURE: "1-2"})]))
    plan = running(prescribed(patient(), "range"))
    lost(plan, 0)
    assert counts(plan, 1) == (1, 1, 0, 0)


def counts(plan: BookedPlan, week: int) -> tuple[int, int, int, int]:
    """Of the only kind of care: booked, missed, made up, left."""
    (dose,) = seen(plan).weeks[week].doses
    return dose.booked, dose.missed, dose.made_up, dose.left
