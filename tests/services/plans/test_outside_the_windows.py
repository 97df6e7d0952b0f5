"""Where no time makes up for a visit when the patient can come: others, said to be so, or why there are none."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from booking.models import AbsenceKind, BookableBy
from booking.scheduling.plans.keeping import Rule, faults
from booking.scheduling.plans.windows import Presence, TimeWindow
from booking.scheduling.timeline import cell_at
from booking.services import absences
from booking.services.clinic import present
from booking.services.desk.statuses import cancel
from booking.services.plans.asking_again import kept_of
from booking.services.plans.booking import BookedPlan
from booking.services.plans.make_ups import MakeUp, WhyNone, as_chosen, make_up_times
from booking.services.plans.repairing import take, take_for
from booking.services.transaction import run
from tests.clinics import plan_clinic, plan_template, set_up
from tests.conftest import StandingClock
from tests.services.plans.making import FIRST_DAY, at, patient, prescribed, running, seen
from tests.staffing import hired

pytestmark = pytest.mark.usefixtures("standing_clock", "context")

ACUPUNCTURE = "acupuncture-follow-up"
MONDAYS = Presence((TimeWindow(frozenset({0}), 9 * 60, 12 * 60),))
THRICE = Presence((TimeWindow(frozenset({0, 2, 4}), 9 * 60, 12 * 60),))


def lost(clock: StandingClock, template: str, presence: Presence) -> BookedPlan:
    """Of a plan the first visit of the second week is cancelled, and that day is over."""
    plan = running(prescribed(patient(), template, presence=presence), presence=presence)
    first = next(one for one in seen(plan).standing if one.week == 1)
    cancel(hired(), first.reference, key="cancel-01")
    clock.at(at(FIRST_DAY + timedelta(days=7), 18))
    return plan


def offered(plan: BookedPlan, audience: BookableBy = BookableBy.STAFF) -> MakeUp:
    (one,) = make_up_times(seen(plan), audience)
    return one


def nobody_works(first: int, days: int) -> None:
    cells = [cell_at(at(FIRST_DAY + timedelta(days=day), 0)) for day in (first, first + days)]
    for person in present().practitioners.values():
        run(lambda session, person=person: absences.enter(session, AbsenceKind.TIME_OFF, person.id, *cells))  # type: ignore[misc]


@pytest.mark.parametrize("audience", [BookableBy.STAFF, BookableBy.LINK])
def test_outside_the_windows_are_times_that_keep_the_days_of_rest(
    context: Any, standing_clock: StandingClock, audience: BookableBy
) -> None:
    set_up(plan_clinic())
    plan = lost(standing_clock, "weekly", MONDAYS)
    one = offered(plan, audience)
    assert one.times and one.outside and one.why_none is None
    assert all(time.day // 7 == 1 and time.day % 7 for time in one.times)
    shown = seen(plan)
    for time in one.times:
        kept = [*(kept_of(shown, there) for there in shown.standing), as_chosen(shown, one.missed, time).kept]
        assert not {fault.rule for fault in faults(shown.course, kept)} - {Rule.TOO_FEW}
    # Such a time can be taken, like any other.
    time = one.times[0]
    chosen = (plan.reference, one.missed.week, ACUPUNCTURE, time.starts_at, time.practitioner.slug)
    if audience is BookableBy.STAFF:
        take_for(hired(), *chosen, key="take-0001")
    else:
        take(plan.reference, plan.token, *chosen[1:], actor="link", key="take-0001")
    assert make_up_times(seen(plan), audience) == []


def test_where_the_windows_have_a_time_nothing_else_is_offered(
    context: Any, standing_clock: StandingClock
) -> None:
    set_up(plan_clinic())
    presence = Presence((*MONDAYS.windows, TimeWindow(frozenset({3}), 9 * 60, 12 * 60)))
    one = offered(lost(standing_clock, "weekly", presence))
    assert {time.day for time in one.times} == {10} and not one.outside


def test_two_that_are_missing_are_both_offered_times_that_go_together(
    context: Any, standing_clock: StandingClock
) -> None:
    """Monday and Wednesday are gone with their windows; of Thursday to Saturday only two days go together."""
    set_up(plan_clinic(plan_templates=[plan_template("twice", {ACUPUNCTURE: 2})]))
    presence = Presence((TimeWindow(frozenset({0, 2}), 9 * 60, 12 * 60),))
    plan = running(prescribed(patient(), "twice", presence=presence), presence=presence)
    for number, one in enumerate(one for one in seen(plan).standing if one.week == 1):
        cancel(hired(), one.reference, key=f"cancel-{number}1")
    standing_clock.at(at(FIRST_DAY + timedelta(days=9), 18))
    found = make_up_times(seen(plan), BookableBy.STAFF)
    assert len(found) == 2 and all(one.times and one.outside for one in found)
    first, second = ({time.day for time in one.times} for one in found)
    assert all(abs(one - other) > 1 for one in first for other in second)


def test_where_no_free_day_is_rested_that_is_why(context: Any, standing_clock: StandingClock) -> None:
    set_up(plan_clinic(plan_templates=[plan_template("thrice", {ACUPUNCTURE: 3})]))
    one = offered(lost(standing_clock, "thrice", THRICE))
    assert (one.times, one.why_none) == ((), WhyNone.REST)


def test_where_nobody_is_there_that_is_why(context: Any, standing_clock: StandingClock) -> None:
    set_up(plan_clinic())
    plan = lost(standing_clock, "weekly", MONDAYS)
    nobody_works(7, 7)
    nobody_works(15, 6)
    one = offered(plan)
    # The Monday of the next week has its own visit, in the window and out of it.
    assert (one.times, one.why_none) == ((), WhyNone.REST)
    nobody_works(14, 1)
    assert offered(plan).why_none is WhyNone.FULL


def test_where_the_patient_is_away_that_is_why(context: Any, standing_clock: StandingClock) -> None:
    set_up(plan_clinic())
    away = (FIRST_DAY + timedelta(days=8), FIRST_DAY + timedelta(days=20))
    plan = lost(standing_clock, "weekly", MONDAYS)
    shown = seen(plan)
    (one,) = make_up_times(replace(shown, presence=Presence(MONDAYS.windows, (away,))), BookableBy.STAFF)
    assert (one.times, one.why_none) == ((), WhyNone.AWAY)


def test_once_its_weeks_are_over_that_is_why(context: Any, standing_clock: StandingClock) -> None:
    set_up(plan_clinic())
    plan = lost(standing_clock, "weekly", MONDAYS)
    standing_clock.at(at(FIRST_DAY + timedelta(days=21), 8))
    assert offered(plan).why_none is WhyNone.OVER
