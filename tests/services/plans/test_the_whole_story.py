"""From the practitioner's link to the reassessment, as somebody with a slipped disc goes through it: at every step the plan
tells the truth about doses, rules, coverage, and what will be said.
"""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from booking import clock
from booking.models import Appointment, BookableBy, Claim, Message, Patient, PlanEntry
from booking.scheduling.allowances.terms import Kind, Span, Terms, Window
from booking.scheduling.plans.keeping import Role as PlanRole, Rule, faults
from booking.scheduling.plans.windows import Presence, TimeWindow
from booking.scheduling.status import Status
from booking.services.allowances import Allowances, allowances_of
from booking.services.clinic import the_clinic
from booking.services.desk import coverage, statuses
from booking.services.links import token as token_of
from booking.services.plans.asking_again import kept_of
from booking.services.plans.booking import BookedPlan
from booking.services.plans.changing import Decision, decide, pause
from booking.services.plans.make_ups import make_up_times
from booking.services.plans.repairing import take
from booking.services.plans.suffering import better_times
from booking.services.plans.visits import PlanVisit
from booking.services.rescheduling import reschedule
from booking.services.transaction import reading
from tests.clinics import plan_clinic, set_up
from tests.conftest import StandingClock
from tests.services.making import rows
from tests.services.plans.making import FIRST_DAY, patient, practitioner, prescribed, running, seen
from tests.staffing import hired

pytestmark = pytest.mark.usefixtures("standing_clock", "context")

ACUPUNCTURE, CHIROPRACTIC = "acupuncture-follow-up", "chiropractic-follow-up"
TUESDAY, WEDNESDAY, THURSDAY, SATURDAY = 1, 2, 3, 5
WHEN = Presence(
    (
        TimeWindow(frozenset({TUESDAY, THURSDAY}), 16 * 60, 19 * 60),
        TimeWindow(frozenset({SATURDAY}), 8 * 60, 13 * 60),
        TimeWindow(frozenset({WEDNESDAY}), 9 * 60, 12 * 60),
    )
)
INSURED = Terms(Kind.INSURANCE, ("acupuncture", "chiropractic"), 20, Window(Span.CALENDAR_YEAR))


def counted() -> Allowances:
    with reading() as session:
        return allowances_of(session, the_clinic(session), rows(Patient)[0]["id"], clock.now())


def left() -> int:
    (of_pool,) = counted().count.left(clock.now().date())
    assert of_pool.tightest is not None
    return of_pool.tightest.left


def beyond() -> set[str]:
    return {reference for reference, _ in counted().ahead_beyond()}


def tells_the_truth(booked: BookedPlan, *but: Rule) -> None:
    """Of the plan as it is shown, against rows: doses, rules, claims, coverage, reminders."""
    plan = seen(booked)
    visits = [row for row in rows(Appointment) if row["plan_id"] == plan.id]
    stands = {row["reference"]: row for row in visits if row["status"] in (Status.BOOKED, Status.FULFILLED)}
    assert {one.reference for one in plan.standing} == set(stands)
    for week in plan.weeks:
        for dose in week.doses:
            here = [one for one in plan.visits if one.week == week.number and one.care.slug == dose.care.slug]
            doses = [one for one in here if one.role in (PlanRole.DOSE, PlanRole.FIRST) and one.stands]
            # What nobody settled counts as attended once it is over.
            ahead_of = [one for one in doses if one.status is Status.BOOKED and one.ends_at > clock.now()]
            assert (dose.booked, dose.attended) == (len(ahead_of), len(doses) - len(ahead_of))
            assert dose.left == max(0, dose.fewest - dose.booked - dose.attended)
    broken = {one.rule for one in faults(plan.course, [kept_of(plan, one) for one in plan.standing])}
    assert broken <= set(but)
    ahead = {row["id"] for row in stands.values() if row["status"] is Status.BOOKED}
    assert {row["appointment_id"] for row in rows(Claim) if row["appointment_id"]} >= ahead
    assert (left(), len(beyond())) == (max(0, 20 - len(stands)), max(0, len(stands) - 20))
    to_come = {
        row["id"]
        for row in stands.values()
        if row["status"] is Status.BOOKED and not row["penciled"]
        and row["from_cell"] * 300 > (clock.now() + timedelta(days=2)).timestamp()
    }  # fmt: skip
    reminded = {
        number
        for row in rows(Message)
        if row["kind"] == "reminder-1d" and row["state"] == "queued"
        for number in row["facts"].get("visits", [row["appointment_id"]])
    }
    assert to_come <= reminded


def comes_to(visit: PlanVisit, standing_clock: StandingClock) -> None:
    """Somebody who came, was treated, and left."""
    desk, name = hired(), visit.reference
    standing_clock.at(visit.starts_at)
    statuses.arrive(desk, name, key=f"arrive {name}")
    statuses.start(desk, name, key=f"start {name}")
    statuses.finish(desk, name, key=f"finish {name}")


def comes_until(booked: BookedPlan, until: int, standing_clock: StandingClock) -> None:
    """To all visits before this week that nobody has come to yet."""
    for visit in seen(booked).standing:
        if visit.status is Status.BOOKED and visit.week < until and visit.role is not PlanRole.REASSESSMENT:
            comes_to(visit, standing_clock)


def test_from_the_link_to_the_reassessment_the_plan_tells_the_truth(standing_clock: StandingClock) -> None:
    set_up(plan_clinic())
    rosa = patient()
    coverage.record(hired(), rosa, "Blue Shield", INSURED, key="coverage")

    # Twenty visits and the reassessment, all when she can come; what the insurance may not pay is marked.
    booked = running(prescribed(rosa), presence=WHEN)
    plan = seen(booked)
    assert Counter((one.week, one.care.slug) for one in plan.standing if one.role is PlanRole.DOSE) == {
        (week, care): dose for week in range(4) for care, dose in ((ACUPUNCTURE, 3), (CHIROPRACTIC, 2))
    }
    zone = plan.clinic.zone
    for one in plan.standing:
        begins, ends = one.starts_at.astimezone(zone), one.ends_at.astimezone(zone)
        assert any(
            opens <= begins.hour * 60 + begins.minute and ends.hour * 60 + ends.minute <= closes
            for opens, closes in WHEN.on(begins.date())
        )
    last = max(plan.standing, key=lambda one: one.starts_at)
    assert (left(), beyond()) == (0, {last.reference})
    tells_the_truth(booked)

    # One is missed, and made up by the link.
    missed = next(one for one in plan.standing if one.care.slug == CHIROPRACTIC)
    standing_clock.at(missed.starts_at + timedelta(minutes=20))
    statuses.no_show(hired(), missed.reference, key="no-show")
    tells_the_truth(booked, Rule.TOO_FEW)
    (make_up,) = make_up_times(seen(booked), BookableBy.LINK)
    time = make_up.times[0]
    take(
        booked.reference, booked.token, 0, CHIROPRACTIC, time.starts_at, time.practitioner.slug,
        actor="link", key="make up",
    )  # fmt: skip
    tells_the_truth(booked, Rule.TOO_FEW, Rule.TOO_MANY)

    # One is moved by its patient, to one of the times that keep the plan.
    comes_until(booked, 1, standing_clock)
    plan = seen(booked)
    moved = next(one for one in plan.standing if one.week == 1 and one.care.slug == CHIROPRACTIC)
    elsewhere = better_times(plan, moved, BookableBy.LINK)[0]
    reschedule(
        moved.reference, token_of(moved.reference, 1), elsewhere.starts_at, elsewhere.practitioner.slug,
        actor="link", key="move it",
    )  # fmt: skip
    tells_the_truth(booked, Rule.TOO_FEW, Rule.TOO_MANY)

    # A week's holiday: nothing stands in it, and the plan says what is left to do.
    comes_until(booked, 2, standing_clock)
    away = FIRST_DAY + timedelta(weeks=2)
    pause(hired(), booked.reference, away, away + timedelta(days=6), "Travels.", key="holiday")
    assert not any(one.week == 2 for one in seen(booked).standing)
    assert [dose.left for dose in seen(booked).weeks[2].doses] == [3, 2]
    tells_the_truth(booked, Rule.TOO_FEW, Rule.TOO_MANY)

    # The reassessment: it goes on with fewer, and the patient hears which visits stand, never the decision.
    comes_until(booked, 4, standing_clock)
    looked_at = next(one for one in seen(booked).standing if one.role is PlanRole.REASSESSMENT)
    comes_to(looked_at, standing_clock)
    decide(
        practitioner(), booked.reference, Decision.TAPER,
        note="Better.", told=True, weeks=4, doses={ACUPUNCTURE: (1, 1), CHIROPRACTIC: (1, 1)}, key="decide",
    )  # fmt: skip
    after = seen(booked)
    assert [[(dose.fewest, dose.left) for dose in week.doses] for week in after.weeks[4:]] == [
        [(1, 1), (1, 1)]
    ] * 4
    assert make_up_times(after, BookableBy.STAFF)
    # The visits of the weeks that were added, and when somebody looks at them, are still to be chosen.
    tells_the_truth(booked, Rule.TOO_FEW, Rule.TOO_MANY, Rule.NO_REASSESSMENT)
    said = [entry["what"] for entry in rows(PlanEntry)]
    assert said.count("booked") == 1 and {"paused", "decided"} <= set(said)
    assert not any("Better." in str(row["facts"]) for row in rows(Message))
    gone: dict[str, Any] = {
        row["reference"]: row for row in rows(Appointment) if row["status"] is Status.CANCELLED
    }
    assert not {row["appointment_id"] for row in rows(Claim)} & {row["id"] for row in gone.values()}
