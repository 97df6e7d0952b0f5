"""Where a plan pairs kinds of care, what comes into it, or stays of it, spares ways: and lies at times that the plan has
already.
"""

from collections import Counter
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from booking.models import AbsenceKind, BookableBy
from booking.scheduling.plans.keeping import Role, Rule, ways
from booking.scheduling.plans.windows import Presence, TimeWindow
from booking.scheduling.timeline import cell_at
from booking.services import absences
from booking.services.clinic import present
from booking.services.desk import statuses
from booking.services.desk.moving import Place, change
from booking.services.plans.asking_again import kept_of
from booking.services.plans.booking import BookedPlan
from booking.services.plans.changing import Decision, decide, pause
from booking.services.plans.extending import extend
from booking.services.plans.frequency import change_doses, with_other_doses
from booking.services.plans.make_ups import make_up_times
from booking.services.plans.reading import PlanView
from booking.services.plans.replacing import Instead
from booking.services.plans.suffering import better_times, suffering_of
from booking.services.plans.visits import PlanVisit
from booking.services.transaction import run
from tests.clinics import plan_clinic, plan_template, set_up
from tests.conftest import StandingClock
from tests.services.plans.making import FIRST_DAY, at, patient, practitioner, prescribed, running, seen
from tests.staffing import hired

pytestmark = pytest.mark.usefixtures("standing_clock", "context")

ACUPUNCTURE, CHIROPRACTIC = "acupuncture-follow-up", "chiropractic-follow-up"
ONE_EACH = {ACUPUNCTURE: (1, 1), CHIROPRACTIC: (1, 1)}
TUESDAY, THURSDAY = 1, 3
AFTERNOONS = Presence((TimeWindow(frozenset({TUESDAY, THURSDAY}), 14 * 60, 17 * 60),))
"""When a plan's patient can come: a plan then has its pairs on both."""


@pytest.fixture(autouse=True)
def clinic_with_pairs(context: Any, standing_clock: Any) -> None:
    paired = {
        "pairing": {"gap_minutes": 15},
        "reassessment": ["acupuncture-reassessment", "chiropractic-reassessment"],
        "rest_days": {"acupuncture": 1, "chiropractic": 1},
    }
    templates = [
        plan_template("pairs", {ACUPUNCTURE: 2, CHIROPRACTIC: 2}, weeks=2, **paired),
        plan_template("pair-and-one", {ACUPUNCTURE: 2, CHIROPRACTIC: 1}, weeks=2, **paired),
        plan_template(
            "needles-first",
            {ACUPUNCTURE: 1, CHIROPRACTIC: 1},
            weeks=2,
            pairing={"gap_minutes": 15, "in_order": True},
        ),
    ]
    set_up(plan_clinic(plan_templates=templates))


def paired() -> BookedPlan:
    """Acupuncture and chiropractic on Tuesdays and Thursdays, on one way each."""
    plan = running(prescribed(patient(), "pairs"), presence=AFTERNOONS)
    assert [way_days(seen(plan), week) for week in (0, 1)] == [[TUESDAY, THURSDAY]] * 2
    return plan


def away(slugs: tuple[str, ...], day: date) -> None:
    cells = cell_at(at(day, 0)), cell_at(at(day, 20))
    for slug in slugs:
        who = present().practitioner(slug).id
        run(lambda session, who=who: absences.enter(session, AbsenceKind.TIME_OFF, who, *cells))  # type: ignore[misc]


def of_week(plan: PlanView, week: int) -> list[PlanVisit]:
    return [one for one in plan.standing if one.week == week and one.care.slug in ONE_EACH]


def way_days(plan: PlanView, week: int) -> list[int]:
    """The weekdays of a week's ways to the clinic; a day of two ways stands twice."""
    days: dict[int, list[Any]] = {}
    for one in of_week(plan, week):
        days.setdefault(kept_of(plan, one).day % 7, []).append(kept_of(plan, one))
    return [day for day, kept in sorted(days.items()) for _ in range(ways(plan.course, kept))]


def times(plan: PlanView, weeks: range) -> set[tuple[str, int, int, str]]:
    """Kinds of care, weekdays, starts and people of these weeks."""
    kept = [(one, kept_of(plan, one)) for week in weeks for one in of_week(plan, week)]
    return {(there.care, there.day % 7, there.starts, one.practitioner.slug) for one, there in kept}


def is_on_the_way(plan: PlanView, without: PlanVisit, time: Instead) -> bool:
    there = [one for one in plan.standing if one.reference != without.reference]
    moved = replace(without, starts_at=time.starts_at, ends_at=time.ends_at)
    before, after = ([kept_of(plan, one) for one in some] for some in (there, [*there, moved]))
    return ways(plan.course, after) == ways(plan.course, before)


# Tapered


@pytest.mark.parametrize("busy", [("mei", "dan"), ("aaron", "lin"), ()])
def test_a_taper_keeps_one_paired_trip_a_week_at_times_that_the_plan_has(
    busy: tuple[str, ...], standing_clock: StandingClock
) -> None:
    """Whoever of the two can't come on Tuesdays: both are on Thursdays."""
    plan = paired()
    for week in (2, 3):
        away(busy, FIRST_DAY + timedelta(days=week * 7 + TUESDAY))
    standing_clock.at(at(FIRST_DAY + timedelta(days=13), 20))
    decide(practitioner(), plan.reference, Decision.CONTINUE, weeks=2, told=False, key="decide-01")
    change_doses(hired(), plan.reference, 2, ONE_EACH, "", key="doses-001")
    after = seen(plan)
    for week in (2, 3):
        assert Counter(one.care.slug for one in of_week(after, week)) == dict.fromkeys(ONE_EACH, 1)
        (day,) = way_days(after, week)
        assert day == THURSDAY or not busy
    assert times(after, range(2, 4)) <= times(after, range(2))


def test_what_comes_lies_at_the_usual_time_rather_than_at_one_that_was_once(
    standing_clock: StandingClock,
) -> None:
    """The first visit, which the others of its kind are taken to be like, was half an hour earlier."""
    plan = paired()
    standing_clock.at(at(FIRST_DAY + timedelta(days=13), 20))
    decide(practitioner(), plan.reference, Decision.CONTINUE, weeks=2, told=False, key="decide-01")
    shown, half_an_hour = seen(plan), timedelta(minutes=30)
    first = next(one for one in shown.standing if one.care.slug == ACUPUNCTURE)
    once = replace(first, starts_at=first.starts_at - half_an_hour, ends_at=first.ends_at - half_an_hour)
    moved = replace(shown, visits=tuple(once if one == first else one for one in shown.visits))
    found = with_other_doses(moved, 3, ONE_EACH, BookableBy.STAFF)
    doses = (one for one in found.comes if one.kept.role is not Role.REASSESSMENT)
    came = {(one.kept.care, one.kept.day % 7, one.kept.starts, one.practitioner.slug) for one in doses}
    assert len(came) == 2 and came <= times(shown, range(1, 2))


def test_of_days_on_which_both_kinds_come_one_stays() -> None:
    """Acupuncture on Tuesday and Thursday, chiropractic on Monday and Thursday: of one each both are on Thursday."""
    shown = seen(paired())
    visits = tuple(
        replace(one, starts_at=one.starts_at - timedelta(days=1), ends_at=one.ends_at - timedelta(days=1))
        if one.care.slug == CHIROPRACTIC and kept_of(shown, one).day % 7 == TUESDAY
        else one
        for one in shown.visits
    )
    apart = replace(shown, visits=visits)
    found = with_other_doses(apart, 1, ONE_EACH, BookableBy.STAFF)
    left = [one for one in of_week(apart, 1) if one not in found.goes]
    assert [kept_of(apart, one).day % 7 for one in left] == [THURSDAY] * 2 and found.comes == ()


# Extended


def test_what_moves_to_the_end_is_paired_there() -> None:
    plan = paired()
    away(("mei", "dan"), FIRST_DAY + timedelta(days=14 + TUESDAY))
    tuesday = FIRST_DAY + timedelta(days=7 + TUESDAY)
    pause(hired(), plan.reference, tuesday, tuesday, "Travels", key="pause-001")
    extend(hired(), plan.reference, "", key="extend-01")
    after = seen(plan)
    assert len(of_week(after, 2)) == 2 and way_days(after, 2) == [THURSDAY]
    assert times(after, range(2, 3)) <= times(after, range(2))


# One visit at another time


def with_one_chiropractic() -> tuple[BookedPlan, PlanVisit]:
    anytime = Presence((TimeWindow(frozenset(range(5)), 13 * 60, 17 * 60),))
    plan = running(prescribed(patient(), "pair-and-one"), presence=anytime)
    (visit,) = (one for one in of_week(seen(plan), 0) if one.care.slug == CHIROPRACTIC)
    assert len(way_days(seen(plan), 0)) == 2
    return plan, visit


def test_what_was_missed_is_made_up_on_the_way_to_another_visit(standing_clock: StandingClock) -> None:
    plan, visit = with_one_chiropractic()
    standing_clock.at(visit.starts_at + timedelta(minutes=20))
    statuses.no_show(hired(), visit.reference, key="noshow-01")
    (make_up,) = make_up_times(seen(plan), BookableBy.LINK)
    assert len(make_up.times) == 3 and is_on_the_way(seen(plan), visit, make_up.times[0])
    # Other days are offered as well.
    assert not is_on_the_way(seen(plan), visit, make_up.times[1])


def test_better_times_of_a_visit_are_on_the_way_to_another_first() -> None:
    plan, visit = with_one_chiropractic()
    found = better_times(seen(plan), visit, BookableBy.STAFF)
    assert [is_on_the_way(seen(plan), visit, one) for one in found] == [True, False, False]


# In the order in which the kinds of care stand


def test_a_move_that_turns_the_order_of_a_pair_says_so() -> None:
    plan = running(prescribed(patient(), "needles-first"), presence=AFTERNOONS)
    needles, adjusted = of_week(seen(plan), 0)
    assert needles.care.slug == ACUPUNCTURE and adjusted.starts_at - needles.ends_at == timedelta(minutes=10)
    length = adjusted.ends_at - adjusted.starts_at

    def faults(starts_at: datetime) -> list[Rule]:
        found = suffering_of(seen(plan), adjusted.reference, starts_at, starts_at + length, BookableBy.STAFF)
        return [one.rule for one in found.faults] if found else []

    assert faults(needles.starts_at - length) == [Rule.PAIR_ORDER]
    assert faults(needles.starts_at - length - timedelta(minutes=20)) == [], "another way"
    assert faults(needles.ends_at + timedelta(minutes=15)) == []


def test_what_is_made_up_on_the_way_to_another_visit_keeps_their_order(standing_clock: StandingClock) -> None:
    """Though before it would be nearer to its own time, and as many ways."""
    plan = running(prescribed(patient(), "needles-first"), presence=AFTERNOONS)
    needles, adjusted = of_week(seen(plan), 0)
    noon = at(FIRST_DAY + timedelta(days=THURSDAY), 12)
    change(
        hired(), adjusted.reference, Place(noon), version=adjusted.version, reason="Asked.", key="change-01"
    )
    statuses.cancel(hired(), adjusted.reference, key="cancel-01")
    anytime = replace(seen(plan), presence=Presence())
    (make_up,) = make_up_times(anytime, BookableBy.LINK)
    (on_its_day,) = (one for one in make_up.times if one.day == kept_of(anytime, needles).day)
    assert make_up.times[0] == on_its_day and on_its_day.starts_at == needles.ends_at + timedelta(minutes=10)
