"""A running plan is confirmed, stopped, paused, decided upon; what it lacks is made up; how often changes."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from booking import clock
from booking.errors import NotChangeable, NotFound, PlanRulesBroken, StaleEdit, TooLateToChange
from booking.models import Actor, Appointment, BookableBy, Claim, Message, Plan, PlanEntry, PlanStatus, Role
from booking.reminders.delivery import deliver_due
from booking.scheduling.plans.course import Course, Dose, Phase
from booking.scheduling.plans.keeping import Role as PlanRole, Rule, faults
from booking.scheduling.plans.windows import Presence, TimeWindow
from booking.scheduling.status import Status
from booking.scheduling.timeline import cell_at
from booking.services.desk import statuses
from booking.services.plans.adherence import Fate, Need, adherence
from booking.services.plans.asking_again import kept_of, suffers
from booking.services.plans.booking import BookedPlan, book
from booking.services.plans.changing import (
    Decision,
    cancel_from,
    confirm,
    decide,
    go_on,
    pause,
    preview,
    stop,
)
from booking.services.plans.extending import extend
from booking.services.plans.frequency import change_doses, from_week_on, with_other_doses
from booking.services.plans.lacking import lacking
from booking.services.plans.make_ups import make_up_times
from booking.services.plans.reading import PlanView
from booking.services.plans.repairing import not_needed, offer, take, take_for
from booking.services.plans.said import Pause, cut_short
from booking.services.plans.suffering import suffering
from booking.services.plans.visits import PlanVisit
from booking.services.transaction import run
from tests.clinics import plan_clinic, plan_template, set_up
from tests.conftest import StandingClock
from tests.services.making import rows
from tests.services.plans.making import (
    FIRST_DAY,
    at,
    patient,
    practitioner,
    prescribed,
    proposed,
    running,
    seen,
    times_told,
    wish,
)
from tests.staffing import hired

pytestmark = pytest.mark.usefixtures("standing_clock", "context")

ACUPUNCTURE, CHIROPRACTIC = "acupuncture-follow-up", "chiropractic-follow-up"


@pytest.fixture(autouse=True)
def clinic_with_plans(context: Any, standing_clock: Any) -> None:
    set_up(plan_clinic())


@pytest.fixture
def gentle() -> BookedPlan:
    """A plan that its patient began by themselves."""
    return book(wish(proposed("disc-gentle")[0], "disc-gentle"), actor="t", key="gentle-1")


@pytest.fixture
def disc() -> BookedPlan:
    return running(prescribed(patient()))


def live(kind: str) -> list[Any]:
    return [row for row in rows(Message) if row["kind"] == kind and row["state"] == "queued"]


def of(plan: PlanView, care: str, week: int) -> list[PlanVisit]:
    return [one for one in plan.standing if one.care.slug == care and one.week == week]


def every_rule_is_kept(plan: PlanView, *but: Rule) -> None:
    broken = [
        one
        for one in faults(plan.course, [kept_of(plan, one) for one in plan.standing])
        if one.rule not in but
    ]
    assert broken == []


# Confirmed by a practitioner


def test_a_confirmed_plan_is_firm_and_its_patient_hears_of_it_once(gentle: BookedPlan) -> None:
    done = confirm(practitioner(), gentle.reference, key="confirm-1")
    assert len(done.firm) == 11 and not any(row["penciled"] for row in rows(Appointment))
    assert rows(Plan)[0]["confirmed_at"] == clock.now()
    (told,) = live("plan-change")
    assert len(times_told(told["facts"])["firm"]) == 11
    again = confirm(practitioner(), gentle.reference, key="confirm-2")
    assert again.firm == [] and len(live("plan-change")) == 1


def test_visits_that_are_firm_now_are_reminded_of(gentle: BookedPlan) -> None:
    before = len(live("reminder-1d"))
    confirm(practitioner(), gentle.reference, key="confirm-1")
    assert before == 2 and len(live("reminder-1d")) == 13


def test_who_wasnt_told_of_a_decision_is_reminded_of_what_is_firm_all_the_same(gentle: BookedPlan) -> None:
    done = decide(practitioner(), gentle.reference, Decision.CONTINUE, told=False, key="decide-01")
    assert len(done.firm) == 11 and live("plan-change") == []
    assert len(live("reminder-1d")) == 13


def test_what_follows_on_a_decision_is_firm_though_nobody_had_confirmed_the_plan(gentle: BookedPlan) -> None:
    decide(practitioner(), gentle.reference, Decision.CONTINUE, weeks=1, told=False, key="decide-01")
    assert rows(Plan)[0]["confirmed_at"] == clock.now()
    change_doses(
        hired(), gentle.reference, 4, {ACUPUNCTURE: (2, 2), CHIROPRACTIC: (1, 1)}, "", key="doses-001"
    )
    further = [
        one for one in seen(gentle).standing if one.week == 4 and one.role is not PlanRole.REASSESSMENT
    ]
    assert further and not any(one.penciled for one in further)


def test_a_decision_that_changes_no_visit_is_told_by_no_empty_message(disc: BookedPlan) -> None:
    decide(practitioner(), disc.reference, Decision.CONTINUE, told=True, key="decide-01")
    assert live("plan-change") == []


def test_a_decision_is_told_after_another_change_was(
    gentle: BookedPlan, standing_clock: StandingClock
) -> None:
    change_doses(hired(), gentle.reference, 3, {ACUPUNCTURE: (1, 1)}, "", key="doses-001")
    standing_clock.on(minutes=3)
    deliver_due()
    decide(practitioner(), gentle.reference, Decision.CONTINUE, told=True, key="decide-01")
    sent = [row for row in rows(Message) if row["kind"] == "plan-change" and row["state"] == "sent"]
    assert len(sent) == len(live("plan-change")) == 1


# Stopped and paused


def test_a_stopped_plan_frees_all_that_lies_ahead_and_tells_it_once(disc: BookedPlan) -> None:
    done = stop(hired(), disc.reference, "Moves away.", key="stop-0001")
    assert len(done.cancelled) == 21 and rows(Claim) == []
    assert {row["status"] for row in rows(Appointment)} == {"cancelled"}
    assert rows(Plan)[0]["status"] == "stopped"
    assert len(live("plan-change")) == 1 and live("reminder-1d") == []
    assert stop(hired(), disc.reference, "Moves away.", key="stop-0002").cancelled == []
    with pytest.raises(NotChangeable):
        pause(hired(), disc.reference, FIRST_DAY, FIRST_DAY, "", key="pause-001")


@pytest.mark.parametrize("decision", [None, Decision.REFER], ids=["stopped", "decided"])
def test_of_a_plan_that_is_over_nothing_is_left_and_what_was_ahead_counts_as_given_up(
    decision: Decision | None, disc: BookedPlan, standing_clock: StandingClock
) -> None:
    standing_clock.at(at(FIRST_DAY + timedelta(days=6), 20))
    if decision:
        decide(practitioner(), disc.reference, decision, told=False, key="decide-01")
        (row,) = adherence(hired()).rows
        fates = {fate for week in row.weeks for one in week.cares for fate in one.fates}
        assert fates == {Fate.ATTENDED, Fate.MISSED}, "On the board until the patient was told."
    else:
        stop(hired(), disc.reference, "Moves away.", key="stop-0001")
    doses = [dose for week in seen(disc).weeks for dose in week.doses]
    assert sum(one.attended for one in doses) == 5 and sum(one.missed for one in doses) == 15
    assert not any(one.left or one.booked or one.made_up for one in doses)


def test_of_a_plan_that_is_stopped_quietly_no_week_is_listed(disc: BookedPlan) -> None:
    assert live("plan-digest")
    stop(hired(), disc.reference, "", tell=False, key="stop-0001")
    assert live("plan-change") == live("plan-digest") == []


def test_what_is_past_stays_as_it_was(disc: BookedPlan, standing_clock: StandingClock) -> None:
    standing_clock.at(at(FIRST_DAY + timedelta(days=7), 0))
    done = stop(hired(), disc.reference, "", key="stop-0001")
    assert len(done.cancelled) == 16
    week = seen(disc).weeks[0]
    assert [dose.attended for dose in week.doses] == [3, 2]


def test_less_often_the_first_visit_of_who_is_new_stays() -> None:
    """Of Wednesday, Friday and Tuesday the last two lie the farthest apart."""
    set_up(plan_clinic(plan_templates=[plan_template("three", {ACUPUNCTURE: 3}, rest_days={})]))
    wednesday = FIRST_DAY + timedelta(days=2)
    then = Presence((TimeWindow(frozenset({1, 2, 4}), 9 * 60, 17 * 60),))
    new = prescribed(patient(), "three", returning=("chiropractic",), first_day=wednesday)
    plan = running(new, presence=then)
    change_doses(hired(), plan.reference, 0, {ACUPUNCTURE: (2, 2)}, "", key="doses-001")
    after = seen(plan)
    assert [len(of(after, ACUPUNCTURE, week)) for week in range(3)] == [2, 2, 2]
    assert after.standing[0].begins and after.firsts_due(clock.now()) == {}


def test_what_makes_up_for_a_week_stays_also_where_that_week_made_up_for_the_one_before(
    standing_clock: StandingClock,
) -> None:
    plan = running(prescribed(patient(), "weekly"))
    for week in (0, 1):
        own = next(
            one for one in of(seen(plan), ACUPUNCTURE, week) if one.reference not in seen(plan).made_up
        )
        statuses.cancel(hired(), own.reference, key=f"cancel-{week}-1")
        standing_clock.at(at(FIRST_DAY + timedelta(days=week * 7 + 6), 20))
        (time, *_) = make_up_times(seen(plan), BookableBy.STAFF)[0].times
        take_for(
            hired(),
            plan.reference,
            week,
            ACUPUNCTURE,
            time.starts_at,
            time.practitioner.slug,
            key=f"take-{week}-1",
        )
    shown = seen(plan)
    assert [len(of(shown, ACUPUNCTURE, week)) for week in range(4)] == [0, 1, 2, 1]
    same = with_other_doses(shown, 2, {ACUPUNCTURE: (1, 1)}, BookableBy.STAFF)
    assert same.goes == same.comes == ()
    # What is one more than that goes all the same.
    added = replace(shown, made_up={})
    assert len(with_other_doses(added, 2, {ACUPUNCTURE: (1, 1)}, BookableBy.STAFF).goes) == 1


def test_what_was_never_booked_is_named_or_booked_though_something_was_made_up_for_its_week() -> None:
    """A third visit is prescribed, and leaves no day on which its patient can come; one of the two is missed and made up."""
    set_up(plan_clinic(plan_templates=[plan_template("two", {ACUPUNCTURE: 2})]))
    two_days = Presence((TimeWindow(frozenset({0, 3}), 9 * 60, 17 * 60),))
    plan = running(prescribed(patient(), "two"), presence=two_days)
    three = {ACUPUNCTURE: (3, 3)}
    change_doses(hired(), plan.reference, 1, three, "", key="doses-001")
    statuses.cancel(hired(), of(seen(plan), ACUPUNCTURE, 1)[0].reference, key="cancel-01")
    (time, *_) = make_up_times(seen(plan), BookableBy.STAFF)[0].times
    take_for(hired(), plan.reference, 1, ACUPUNCTURE, time.starts_at, time.practitioner.slug, key="take-0001")
    again = with_other_doses(seen(plan), 1, three, BookableBy.STAFF)
    assert again.goes == again.comes == ()
    assert [one.week for one in again.lacks] == [1, 2, 3]
    run(lambda session: session.execute(update(Plan).values(presence=Presence().as_plain())))
    comes = with_other_doses(seen(plan), 1, three, BookableBy.STAFF).comes
    assert [one.kept.week for one in comes] == [1, 2, 3]


def test_each_visit_without_a_time_is_named() -> None:
    set_up(plan_clinic(plan_templates=[plan_template("two", {ACUPUNCTURE: 2}, weeks=2)]))
    two_days = Presence((TimeWindow(frozenset({0, 3}), 9 * 60, 17 * 60),))
    plan = running(prescribed(patient(), "two"), presence=two_days)
    found = with_other_doses(seen(plan), 0, {ACUPUNCTURE: (4, 4)}, BookableBy.STAFF)
    assert found.comes == () and [one.week for one in found.lacks] == [0] * 2 + [1] * 2


def test_what_was_made_up_in_the_next_week_is_not_booked_again(standing_clock: StandingClock) -> None:
    plan = running(prescribed(patient(), "weekly"))
    statuses.cancel(hired(), of(seen(plan), ACUPUNCTURE, 1)[0].reference, key="cancel-01")
    standing_clock.at(at(FIRST_DAY + timedelta(days=13), 8))
    (time, *_) = make_up_times(seen(plan), BookableBy.STAFF)[0].times
    assert time.day // 7 == 2
    take_for(hired(), plan.reference, 1, ACUPUNCTURE, time.starts_at, time.practitioner.slug, key="take-0001")
    same = with_other_doses(seen(plan), 1, {ACUPUNCTURE: (1, 1)}, BookableBy.STAFF)
    assert same.goes == same.comes == same.lacks == ()


def test_a_week_of_holidays_is_given_back_and_stands_as_left(disc: BookedPlan) -> None:
    first = FIRST_DAY + timedelta(days=14)
    pause(hired(), disc.reference, first, first + timedelta(days=6), "Travels.", key="pause-001")
    plan = seen(disc)
    assert [week.left for week in plan.weeks] == [0, 0, 5, 0]
    assert len(plan.standing) == 16 and plan.presence.is_away(first)
    assert make_up_times(plan, BookableBy.STAFF)[0].missed.week == 2
    # Less often afterwards: nothing goes that makes up for these, and nothing comes that nobody chose.
    shown = with_other_doses(plan, 3, {ACUPUNCTURE: (2, 2)}, BookableBy.STAFF)
    assert (
        shown.goes == shown.comes == ()
        and with_other_doses(plan, 2, {ACUPUNCTURE: (2, 2)}, BookableBy.STAFF).comes == ()
    )
    not_needed(hired(), disc.reference, 2, ACUPUNCTURE, "Feels well.", key="not-001")
    assert [week.left for week in seen(disc).weeks] == [0, 0, 4, 0]
    assert adherence(hired()).rows[0].short == 4 and rows(PlanEntry)[-1]["why"] == "Feels well."
    for number in (2, 3):
        not_needed(hired(), disc.reference, 2, ACUPUNCTURE, "Feels well.", key=f"not-00{number}")
    with pytest.raises(NotFound):
        not_needed(hired(), disc.reference, 2, ACUPUNCTURE, "Feels well.", key="not-004")


def days(*numbers: int) -> list[date]:
    """Days of the plan, from 0 on."""
    return [FIRST_DAY + timedelta(days=number) for number in numbers]


def test_a_trip_that_ends_sooner_leaves_its_days_to_be_booked_again(
    disc: BookedPlan, standing_clock: StandingClock
) -> None:
    trip, back, last = days(7, 14, 27)
    who = hired()
    pause(hired(), disc.reference, trip, last, "Travels.", key="pause-001")
    standing_clock.at(at(days(12)[0], 8))
    heard = len(rows(Message))

    def offered() -> set[date]:
        times = [time for one in make_up_times(seen(disc), BookableBy.STAFF) for time in one.times]
        return {FIRST_DAY + timedelta(days=time.day) for time in times}

    paused = seen(disc)
    assert paused.stands_as is PlanStatus.PAUSED and not offered()
    go_on(who, disc.reference, back, "Comes home sooner", key="go-on-001")
    plan = seen(disc)
    assert plan.pauses == (Pause(trip, back - timedelta(days=1)),) and plan.standing == paused.standing
    assert min(offered()) >= back and len(rows(Message)) == heard
    assert plan.weeks == paused.weeks and rows(PlanEntry)[-1]["facts"] == {"first": back.isoformat()}
    # Nothing is paused there any more; under the same key it is done already.
    go_on(who, disc.reference, back, "Comes home sooner", key="go-on-001")
    with pytest.raises(NotChangeable):
        go_on(who, disc.reference, back, "", key="go-on-002")
    standing_clock.at(at(back, 7))
    (row,) = adherence(hired()).rows
    assert seen(disc).stands_as is PlanStatus.RUNNING
    assert not {Need.PAUSED, Need.STOPPED} & {*row.needs} and row.missed_in_a_row == 0


def test_a_trip_that_is_called_off_leaves_other_absences(standing_clock: StandingClock) -> None:
    own, trip = days(21, 22), days(7, 9)
    plan = running(prescribed(patient(), "weekly"), presence=Presence(away=((own[0], own[1]),)))
    pause(hired(), plan.reference, trip[0], trip[1], "Travels.", key="pause-001")
    (offered,) = make_up_times(seen(plan), BookableBy.LINK)
    was = seen(plan).visits[1].starts_at
    assert was not in [time.starts_at for time in offered.times]
    go_on(hired(), plan.reference, trip[0], "Stays", key="go-on-001")
    assert seen(plan).pauses == () and seen(plan).presence.away == ((own[0], own[1]),)
    (offered,) = make_up_times(seen(plan), BookableBy.LINK)
    assert offered.times[0].starts_at == was, "the plan's own time comes first, as it is free"


@pytest.mark.parametrize(
    ("pauses", "day", "left"),
    [
        ([(0, 9)], 4, [(0, 3)]),
        ([(0, 9)], 0, []),
        ([(0, 9)], 9, [(0, 8)]),
        ([(0, 9)], 10, [(0, 9)]),
        # One that was made longer; and another one, later.
        ([(0, 9), (10, 12), (14, 15)], 4, [(0, 3), (14, 15)]),
        ([(6, 12), (0, 9)], 4, [(0, 3)]),
        ([(6, 12), (0, 9)], 8, [(6, 7), (0, 7)]),
        ([(0, 2), (5, 6)], 5, [(0, 2)]),
    ],
)
def test_it_goes_on_from_a_day_of_a_pause(
    pauses: list[tuple[int, int]], day: int, left: list[tuple[int, int]]
) -> None:
    rests = [Pause(*days(*one)) for one in pauses]
    assert cut_short(rests, days(day)[0]) == tuple(Pause(*days(*one)) for one in left)


def test_a_change_of_what_was_changed_meanwhile_is_refused(disc: BookedPlan) -> None:
    version = seen(disc).version
    pause(hired(), disc.reference, FIRST_DAY, FIRST_DAY, "", version=version, key="pause-001")
    with pytest.raises(StaleEdit):
        stop(hired(), disc.reference, "", version=version, key="stop-0001")


def test_nobody_changes_a_plan_of_somebody_elses_patient(disc: BookedPlan) -> None:
    stranger = hired(Role.PRACTITIONER, practitioner="lin", name="Lin")
    if any(one.practitioner.slug == "lin" for one in seen(disc).visits):
        pytest.fail("the plan was to be without Lin")
    with pytest.raises(NotFound):
        stop(stranger, disc.reference, "", key="stop-0001")


# Decided after a reassessment


@pytest.mark.parametrize("decision", [Decision.STOP, Decision.REFER])
@pytest.mark.parametrize("told", [False, True])
def test_to_stop_or_refer_cancels_what_lies_ahead_and_never_says_why(
    disc: BookedPlan, standing_clock: StandingClock, decision: Decision, told: bool
) -> None:
    standing_clock.at(at(FIRST_DAY + timedelta(days=21), 0))
    goes, firm = preview(seen(disc), decision, clock.now())
    done = decide(practitioner(), disc.reference, decision, note="No progress.", told=told, key="decide-01")
    assert [one.reference for one in goes] == done.cancelled and firm == () and len(done.cancelled) == 6
    assert rows(Plan)[0]["status"] == "completed"
    messages = live("plan-change")
    assert len(messages) == told
    assert not any("progress" in str(row["facts"]) or decision.value in str(row["facts"]) for row in messages)
    assert rows(PlanEntry)[-1]["facts"]["decision"] == decision.value


def test_to_continue_a_plan_without_another_phase_adds_one(disc: BookedPlan) -> None:
    decide(practitioner(), disc.reference, Decision.CONTINUE, told=False, weeks=2, key="decide-01")
    plan = seen(disc)
    assert plan.course.weeks == 6 and [week.left for week in plan.weeks] == [0, 0, 0, 0, 5, 5]
    assert plan.decided_phases == 1


def test_to_taper_goes_on_with_fewer(disc: BookedPlan) -> None:
    fewer = {ACUPUNCTURE: (1, 1), CHIROPRACTIC: (0, 0)}
    decide(practitioner(), disc.reference, Decision.TAPER, told=False, weeks=4, doses=fewer, key="decide-01")
    plan = seen(disc)
    assert [week.left for week in plan.weeks] == [0, 0, 0, 0, 1, 1, 1, 1]


# Missed and made up


def missed(disc: BookedPlan, standing_clock: StandingClock) -> PlanVisit:
    """The first acupuncture of the second week, to which its patient didn't come."""
    visit = of(seen(disc), ACUPUNCTURE, 1)[0]
    standing_clock.at(visit.starts_at + timedelta(minutes=20))
    statuses.no_show(hired(), visit.reference, key="noshow-01")
    return visit


def test_what_was_missed_is_made_up_within_the_rules(disc: BookedPlan, standing_clock: StandingClock) -> None:
    visit = missed(disc, standing_clock)
    plan = seen(disc)
    (lack,) = lacking(plan, clock.now())
    assert (lack.week, lack.care.slug, lack.visit and lack.visit.reference) == (
        1,
        ACUPUNCTURE,
        visit.reference,
    )
    (make_up,) = make_up_times(plan, BookableBy.LINK)
    assert 1 <= len(make_up.times) <= 3
    best = make_up.times[0]
    take(
        disc.reference,
        disc.token,
        1,
        ACUPUNCTURE,
        best.starts_at,
        best.practitioner.slug,
        actor="link",
        key="take-0001",
    )
    after = seen(disc)
    dose = next(one for one in after.weeks[1].doses if one.care.slug == ACUPUNCTURE)
    assert (dose.missed, dose.made_up, dose.left) == (1, 1, 0) or after.weeks[2].doses[0].booked == 4
    assert make_up_times(after, BookableBy.LINK) == [] or after.weeks[1].left
    every_rule_is_kept(after, Rule.TOO_FEW, Rule.TOO_MANY)


def test_what_was_made_up_already_is_not_made_up_twice(
    disc: BookedPlan, standing_clock: StandingClock
) -> None:
    missed(disc, standing_clock)
    (make_up,) = make_up_times(seen(disc), BookableBy.STAFF)
    who, best, other = hired(), make_up.times[0], make_up.times[-1]
    take_for(who, disc.reference, 1, ACUPUNCTURE, best.starts_at, best.practitioner.slug, key="take-0001")
    with pytest.raises(NotFound):
        take_for(who, disc.reference, 1, ACUPUNCTURE, other.starts_at, other.practitioner.slug, key="take-2")


def test_a_time_that_breaks_the_rest_days_is_not_taken(
    disc: BookedPlan, standing_clock: StandingClock
) -> None:
    missed(disc, standing_clock)
    plan = seen(disc)
    second = of(plan, ACUPUNCTURE, 1)[0]
    same_day = second.starts_at - timedelta(hours=2)
    with pytest.raises(PlanRulesBroken) as refused:
        take(disc.reference, disc.token, 1, ACUPUNCTURE, same_day, "mei", actor="link", key="take-0001")
    assert {"rule": "rest_days", "week": 2, "care": ACUPUNCTURE} in refused.value.facts["faults"]
    too_late = second.starts_at + timedelta(days=14)
    with pytest.raises(PlanRulesBroken) as refused:
        take(disc.reference, disc.token, 1, ACUPUNCTURE, too_late, "mei", actor="link", key="take-0002")
    assert [fault["rule"] for fault in refused.value.facts["faults"]] == ["not_of_the_plan"]


def test_the_patient_gets_a_link_to_the_times_when_the_desk_agrees(
    disc: BookedPlan, standing_clock: StandingClock
) -> None:
    missed(disc, standing_clock)
    assert offer(hired(), disc.reference, key="offer-001")
    assert len(live("plan-make-up")) == 1


def test_before_one_visit_is_moved_the_desk_is_told_what_suffers_with_better_times(disc: BookedPlan) -> None:
    plan, dana = seen(disc), hired()
    first, second = of(plan, ACUPUNCTURE, 1)[:2]
    next_to = first.starts_at + timedelta(days=1)
    found = suffering(dana, second.reference, next_to, next_to + (second.ends_at - second.starts_at))
    assert found is not None and [fault.rule for fault in found.faults] == [Rule.REST_DAYS]
    assert found.better
    assert not any(suffers(plan, {second.reference: (one.starts_at, one.ends_at)}) for one in found.better)
    assert suffering(dana, second.reference, second.starts_at, second.ends_at) is None


# How often


def test_other_doses_keep_the_rhythm_of_every_second_week() -> None:
    course = Course((Phase(8, (Dose(ACUPUNCTURE, 1, 1),), every=2),), rest_days={})
    for week in (3, 4):
        doses = from_week_on(course, week, {ACUPUNCTURE: (2, 2)}).doses(ACUPUNCTURE)
        assert [most for _, most in doses] == [1, 0, 1, 0, 2, 0, 2, 0]


def test_a_kind_of_care_that_was_set_to_none_comes_back(disc: BookedPlan) -> None:
    change_doses(hired(), disc.reference, 1, {CHIROPRACTIC: (0, 0)}, "", key="doses-001")
    assert [len(of(seen(disc), CHIROPRACTIC, week)) for week in range(4)] == [2, 0, 0, 0]
    change_doses(hired(), disc.reference, 2, {CHIROPRACTIC: (2, 2)}, "", key="doses-002")
    plan = seen(disc)
    assert [len(of(plan, CHIROPRACTIC, week)) for week in range(4)] == [2, 0, 2, 2]
    assert [week.left for week in plan.weeks] == [0, 0, 0, 0]
    every_rule_is_kept(plan)


def test_other_doses_of_a_kind_are_for_the_phases_that_have_it() -> None:
    both, one = (Dose(ACUPUNCTURE, 3, 3), Dose(CHIROPRACTIC, 2, 2)), (Dose(ACUPUNCTURE, 1, 1),)
    course = Course((Phase(2, both), Phase(1, ()), Phase(2, one)), rest_days={})
    for week, often in ((0, [1, 1, 0, 0, 0]), (1, [2, 1, 0, 0, 0]), (2, [2, 2, 0, 1, 1])):
        fewest = from_week_on(course, week, {CHIROPRACTIC: (1, 1)}).doses(CHIROPRACTIC)
        assert [most for _, most in fewest] == often, week


@pytest.fixture
def extended(disc: BookedPlan) -> BookedPlan:
    """One of acupuncture that its second week lacked has a further week."""
    statuses.cancel(hired(), of(seen(disc), ACUPUNCTURE, 1)[0].reference, key="cancel-001")
    extend(hired(), disc.reference, "", key="extend-01")
    assert [len(of(seen(disc), ACUPUNCTURE, week)) for week in range(5)] == [3, 2, 3, 3, 1]
    return disc


@pytest.mark.parametrize(
    ("week", "fewer", "left"),
    [
        (2, 2, [3, 2, 2, 2, 1]),
        (2, 0, [3, 2, 0, 0, 0]),
        # The second week has what it is to have, and nothing is moved from it any more.
        (1, 2, [3, 2, 2, 2, 0]),
        # There is nothing but the further week.
        (4, 2, [3, 2, 3, 3, 2]),
    ],
)
def test_a_further_week_keeps_what_was_moved_there(
    week: int, fewer: int, left: list[int], extended: BookedPlan
) -> None:
    change_doses(hired(), extended.reference, week, {ACUPUNCTURE: (fewer, fewer)}, "", key="doses-001")
    plan = seen(extended)
    assert [len(of(plan, ACUPUNCTURE, week)) for week in range(5)] == left
    assert not any(week.left for week in plan.weeks) and not lacking(plan, clock.now())


def test_fewer_a_week_keeps_the_days_that_lie_farthest_apart(disc: BookedPlan) -> None:
    shown = with_other_doses(seen(disc), 2, {ACUPUNCTURE: (2, 2)}, BookableBy.STAFF)
    assert len(shown.goes) == 2 and shown.comes == () and shown.lacks == ()
    change_doses(hired(), disc.reference, 2, {ACUPUNCTURE: (2, 2)}, "Better.", key="doses-001")
    plan = seen(disc)
    assert [len(of(plan, ACUPUNCTURE, week)) for week in range(4)] == [3, 3, 2, 2]
    assert [week.left for week in plan.weeks] == [0, 0, 0, 0]
    assert {row["plan_role"] for row in rows(Appointment) if row["status"] == "cancelled"} == {None}
    (told,) = live("plan-change")
    assert len(times_told(told["facts"])["cancelled"]) == 2
    every_rule_is_kept(plan)


def test_how_far_visits_lie_apart_goes_by_the_clinics_days() -> None:
    """Late on a Wednesday in winter it is Thursday elsewhere already."""
    presence = Presence(
        (TimeWindow(frozenset({0, 4}), 9 * 60, 11 * 60), TimeWindow(frozenset({2}), 16 * 60, 17 * 60))
    )
    monday = date(2026, 11, 9)
    made = running(prescribed(patient("Omar", "omar@example.com"), first_day=monday), presence=presence)
    change_doses(hired(), made.reference, 1, {ACUPUNCTURE: (2, 2)}, "Better.", key="fewer-001")
    left = {local.weekday() for local in locals_of(seen(made), ACUPUNCTURE, 1)}
    assert left == {0, 4}


def locals_of(plan: PlanView, care: str, week: int) -> list[datetime]:
    return [one.starts_at.astimezone(plan.clinic.zone) for one in of(plan, care, week)]


def test_more_a_week_adds_at_times_that_the_plan_has(gentle: BookedPlan) -> None:
    confirm(practitioner(), gentle.reference, key="confirm-1")
    change_doses(hired(), gentle.reference, 2, {ACUPUNCTURE: (3, 3)}, "Worse.", key="doses-001")
    plan = seen(gentle)
    assert [len(of(plan, ACUPUNCTURE, week)) for week in range(4)] == [2, 2, 3, 3]
    assert [week.left for week in plan.weeks] == [0, 0, 0, 0]
    every_rule_is_kept(plan)


def test_a_kind_of_care_is_left_out_from_a_week_on(disc: BookedPlan) -> None:
    change_doses(hired(), disc.reference, 1, {CHIROPRACTIC: (0, 0)}, "", key="doses-001")
    plan = seen(disc)
    assert [len(of(plan, CHIROPRACTIC, week)) for week in range(4)] == [2, 0, 0, 0]


def test_the_plan_knows_who_did_what(disc: BookedPlan) -> None:
    stop(hired(name="Dana Desk"), disc.reference, "Moves away.", key="stop-0001")
    last = rows(PlanEntry)[-1]
    assert (last["what"], last["actor"], last["actor_name"], last["why"]) == (
        "stopped",
        Actor.STAFF,
        "Dana Desk",
        "Moves away.",
    )


# Given up by the patient


def given_up(plan: BookedPlan, visit: PlanVisit, **how: Any) -> None:
    asked = {"actor": "link", "key": "cancel-01"} | how
    cancel_from(plan.reference, plan.token, visit.reference, "I am moving away.", **asked)


def test_what_a_patient_cancels_is_missing_and_the_desk_sees_that_they_gave_it_up() -> None:
    plan = running(prescribed(patient(), "weekly"))
    visit, version = seen(plan).standing[2], seen(plan).version
    for _again in range(2):
        given_up(plan, visit, version=version)
    after = seen(plan)
    assert after.status is PlanStatus.RUNNING and len(after.standing) == 2
    assert [one.week for one in lacking(after, clock.now())] == [2, 3, 4, 5]
    assert len(gone()) == 4 and min(one["from_cell"] for one in gone()) == cell_at(visit.starts_at)
    assert {(one["cancelled_by"], one["cancel_reason"]) for one in gone()} == {
        (Actor.PATIENT, "I am moving away.")
    }
    (entry,) = [row for row in rows(PlanEntry) if row["what"] == "given up"]
    assert (entry["actor"], entry["why"]) == (Actor.PATIENT, "I am moving away.")
    (told,) = live("plan-change")
    assert len(times_told(told["facts"])["cancelled"]) == 4 and len(live("reminder-1d")) == 2
    (row,) = adherence(hired()).rows
    assert row.needs[:2] == (Need.GIVEN_UP, Need.SHORT)
    with pytest.raises(StaleEdit):
        given_up(plan, after.standing[0], version=version, key="cancel-02")
    # Once a later visit is booked again they come, though not as often as was prescribed.
    time = make_up_times(after, BookableBy.LINK)[0].times[0]
    take(
        plan.reference,
        plan.token,
        2,
        ACUPUNCTURE,
        time.starts_at,
        time.practitioner.slug,
        actor="t",
        key="m-1",
    )
    (row,) = adherence(hired()).rows
    assert row.needs == (Need.SHORT,)


def gone() -> list[Any]:
    return [row for row in rows(Appointment) if row["status"] is Status.CANCELLED]


def test_what_is_past_its_cut_off_isnt_given_up(standing_clock: StandingClock) -> None:
    plan = running(prescribed(patient(), "weekly"))
    first, *_, last = seen(plan).standing
    standing_clock.at(first.change_until + timedelta(minutes=1))
    given_up(plan, first)
    assert seen(plan).standing == (first,) and len(gone()) == 5
    assert adherence(hired()).rows[0].needs[0] is Need.GIVEN_UP
    with pytest.raises(TooLateToChange):
        given_up(plan, first, key="cancel-02")
    with pytest.raises(NotFound):
        given_up(plan, last, key="cancel-03")


def test_a_plan_that_was_stopped_is_given_up_no_more() -> None:
    plan = running(prescribed(patient(), "weekly"))
    visit = seen(plan).standing[0]
    stop(hired(), plan.reference, "", key="stop-0001")
    with pytest.raises(NotChangeable):
        given_up(plan, visit)
