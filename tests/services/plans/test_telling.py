"""What a change of a plan tells to whom: also those who can only be called."""

from datetime import datetime, timedelta
from typing import Any, Protocol

import pytest
from sqlalchemy import update

from booking import clock
from booking.formatting import iso_utc
from booking.models import (
    Actor,
    Appointment,
    BookableBy,
    Message,
    MessageState,
    Patient,
    Plan,
    PlanEntry,
    Reminders,
)
from booking.reminders.delivery import deliver_due
from booking.scheduling.plans.keeping import Role as PlanRole
from booking.services import links as visit_links, reconciling, visits
from booking.services.clinic import present
from booking.services.desk import calls, records, statuses, undoing
from booking.services.desk.moving import Place, change
from booking.services.desk.pressing import pressing
from booking.services.desk.records import Values
from booking.services.desk.whom_to_call import Outcome
from booking.services.plans.adherence import Need, adherence
from booking.services.plans.booking import BookedPlan
from booking.services.plans.changing import Decision, cancel_from, decide, pause, stop, told_now
from booking.services.plans.make_ups import make_up_times
from booking.services.plans.repairing import offer, take_for
from booking.services.plans.shifting import shift
from booking.services.plans.visits import PlanVisit
from booking.services.rescheduling import reschedule
from booking.services.transaction import run
from tests.clinics import plan_clinic, set_up
from tests.conftest import StandingClock
from tests.services.making import rows
from tests.services.plans.making import (
    patient,
    practitioner,
    prescribed,
    running,
    seen,
    times_told,
    where_mei_is_alone,
)
from tests.staffing import hired

pytestmark = pytest.mark.usefixtures("standing_clock", "context")

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Cancels(Protocol):
    def __call__(self, plan: BookedPlan, *, tell: bool) -> None: ...


@pytest.fixture(autouse=True)
def clinic_with_plans(context: Any, standing_clock: Any) -> None:
    set_up(plan_clinic())


def weekly(**how: Any) -> BookedPlan:
    return running(prescribed(patient(**how), "weekly"))


@pytest.fixture
def by_telephone() -> BookedPlan:
    """A plan of somebody who has nothing but a telephone."""
    made = prescribed(patient(email=None), "weekly")
    return running(made, reminders=Reminders.CALL)


def paused(plan: BookedPlan, number: int, *, tell: bool = True) -> None:
    day = seen(plan).visits[number].starts_at.date()
    pause(hired(), plan.reference, day, day, "Away", tell=tell, key=f"pause-{number}")


def made_up(plan: BookedPlan) -> None:
    offered = make_up_times(seen(plan), BookableBy.STAFF)[0]
    time, missed = offered.times[0], offered.missed
    who, care = time.practitioner.slug, missed.care.slug
    take_for(hired(), plan.reference, missed.week, care, time.starts_at, who, key="make-up-1")


def to_call() -> list[tuple[str, str, str]]:
    """Who is on the list of calls: of which visit, about what and why."""
    deliver_due()
    return [(one.reference, one.kind, one.why.value) for one in calls.call_list(hired()).calls]


def test_who_can_only_be_called_is_called_about_the_next_visit_that_stands(by_telephone: BookedPlan) -> None:
    first, second, *_ = [one.reference for one in seen(by_telephone).visits]
    paused(by_telephone, 0)
    assert to_call() == [(second, "change", "asked")]
    assert {row["address"] for row in rows(Message) if row["kind"] == "change"} == {"+18185550123"}
    # Whoever was reached about one change has still to hear of the next.
    calls.settle(hired(), second, Outcome.REACHED, key="call-0001")
    assert to_call() == []
    paused(by_telephone, 3)
    assert to_call() == [(second, "change", "asked")]
    assert first != second


def test_they_are_called_about_all_that_is_cancelled_moved_and_made_up(by_telephone: BookedPlan) -> None:
    second = seen(by_telephone).visits[1]
    shift(hired(), by_telephone.reference, second.reference, second.starts_at + HOUR, None, key="shift-001")
    assert [kind for _, kind, _ in to_call()] == ["change"]
    first = seen(by_telephone).visits[0].reference
    calls.settle(hired(), first, Outcome.REACHED, key="call-0001")
    paused(by_telephone, 2, tell=False)
    assert to_call() == []
    made_up(by_telephone)
    assert to_call() == [(first, "change", "asked")]
    stop(hired(), by_telephone.reference, "Gone abroad", key="stop-0001")
    last = max(rows(Appointment), key=lambda row: row["from_cell"])
    assert to_call() == [(last["reference"], "cancellation", "asked")]


def test_nobody_is_called_about_what_they_did_or_have_heard(by_telephone: BookedPlan) -> None:
    paused(by_telephone, 0, tell=False)
    third = seen(by_telephone).standing[2].reference
    cancel_from(by_telephone.reference, by_telephone.token, third, "Moving", actor="t", key="cancel-01")
    assert to_call() == []


def test_who_is_written_to_is_not_called() -> None:
    plan = weekly()
    paused(plan, 0)
    assert [row["channel"] for row in rows(Message) if row["kind"] == "plan-change"] == ["email"]
    assert not [row for row in rows(Message) if row["channel"] == "call"]


def moved_by_the_desk(plan: BookedPlan) -> tuple[PlanVisit, datetime]:
    """Its second visit, a day later than its patient knows; and when they think that it is."""
    knew = seen(plan).visits[1]
    there = Place(starts_at=knew.starts_at + DAY)
    change(hired(), knew.reference, there, version=None, reason="Mei is away", key="move-0001")
    return seen(plan).visits[1], knew.starts_at


def shifted(plan: BookedPlan, visit: PlanVisit, *, tell: bool, by: timedelta = HOUR) -> None:
    shift(hired(), plan.reference, visit.reference, visit.starts_at + by, None, tell=tell, key="shift-001")


def waits(kind: str) -> list[dict[str, Any]]:
    """The facts of what waits to be told, of a change of a plan with what it tells."""
    return [
        row["facts"] | (times_told(row["facts"]) if kind == "plan-change" else {})
        for row in rows(Message)
        if row["kind"] == kind and row["state"] == "queued"
    ]


def test_a_move_that_nobody_heard_of_is_told_with_the_plans_next_change_as_they_knew_it() -> None:
    plan = weekly()
    visit, knew = moved_by_the_desk(plan)
    assert len(waits("change")) == 1
    shifted(plan, visit, tell=True)
    (told,) = waits("plan-change")
    assert iso_utc(knew) in told["cancelled"] and iso_utc(visit.starts_at) not in told["cancelled"]
    assert iso_utc(visit.starts_at + HOUR) in told["added"] and not waits("change")


def test_a_move_that_the_plans_next_change_takes_back_is_not_told() -> None:
    plan = weekly()
    visit, _ = moved_by_the_desk(plan)
    shifted(plan, visit, tell=True, by=-DAY)
    assert not waits("plan-change") and not waits("change")


def test_what_is_cancelled_is_named_as_they_knew_it() -> None:
    plan = weekly()
    visit, knew = moved_by_the_desk(plan)
    stop(hired(), plan.reference, "Gone abroad", key="stop-0001")
    (told,) = waits("plan-change")
    assert iso_utc(knew) in told["cancelled"] and iso_utc(visit.starts_at) not in told["cancelled"]


def test_who_still_waits_to_hear_of_a_move_hears_of_the_plans_next_change_whatever_is_chosen() -> None:
    plan = weekly()
    visit, knew = moved_by_the_desk(plan)
    shifted(plan, visit, tell=False)
    (told,) = waits("plan-change")
    assert iso_utc(knew) in told["cancelled"] and iso_utc(visit.starts_at + HOUR) in told["added"]
    assert not waits("change")


def moved_soon(plan: BookedPlan) -> None:
    moved(seen(plan).visits[0])


def shifted_soon(plan: BookedPlan) -> None:
    shifted(plan, seen(plan).visits[0], tell=True)


def shifted_once_more(plan: BookedPlan) -> None:
    visit = seen(plan).visits[0]
    shift(
        hired(),
        plan.reference,
        visit.reference,
        visit.starts_at + HOUR,
        None,
        partly=True,
        tell=False,
        key="shift-002",
    )


def paused_first(plan: BookedPlan) -> None:
    paused(plan, 0, tell=False)


def stopped_quietly(plan: BookedPlan) -> None:
    stopped(plan, tell=False)


@pytest.mark.parametrize("minutes", [1, 4])
@pytest.mark.parametrize("before", [moved_soon, shifted_soon])
@pytest.mark.parametrize("then", [shifted_once_more, paused_first, stopped_quietly])
def test_who_was_to_be_called_on_short_notice_is_called_about_the_plans_next_change_whatever_is_chosen(
    standing_clock: StandingClock, minutes: int, before: Any, then: Any
) -> None:
    """Whether the news hasn't gone yet, or has, and they are to be called about it as well."""
    plan = weekly()
    deliver_due()
    first = seen(plan).visits[0]
    standing_clock.at(first.starts_at - 12 * HOUR)
    deliver_due()
    before(plan)
    standing_clock.on(minutes=minutes)
    deliver_due()
    then(plan)
    assert len(waits("plan-change")) == 1
    standing_clock.on(minutes=4)
    kind = "change" if then is shifted_once_more else "cancellation"
    assert to_call() == [(first.reference, kind, "soon")]


def test_a_call_that_waited_is_owed_as_well(by_telephone: BookedPlan) -> None:
    paused(by_telephone, 0)
    second = seen(by_telephone).visits[1]
    assert to_call() == [(second.reference, "change", "asked")]
    shifted(by_telephone, second, tell=False)
    assert to_call() == [(second.reference, "change", "asked")]


def test_what_is_only_made_firm_still_owes_the_move_before_it() -> None:
    where_mei_is_alone()
    plan = running(prescribed(patient(), "stages"))
    knew = next(one for one in seen(plan).standing if one.penciled)
    there = Place(starts_at=knew.starts_at + HOUR)
    change(hired(), knew.reference, there, version=None, reason="Mei is away", key="move-0001")
    decide(practitioner(), plan.reference, Decision.CONTINUE, told=False, key="decide-01")
    (told,) = waits("change")
    assert told["old_starts_at"] == iso_utc(knew.starts_at) and not waits("plan-change")


def test_a_call_about_a_plan_goes_to_the_number_that_was_corrected(by_telephone: BookedPlan) -> None:
    _first, second, *_ = [one.reference for one in seen(by_telephone).visits]
    paused(by_telephone, 0)
    assert to_call() == [(second, "change", "asked")]
    values = Values("Rosa", "Lima", "+18185550188", None)
    records.edit(hired(), rows(Patient)[0]["reference"], values, version=1, visits_too=True, key="edit-0001")
    assert to_call() == [(second, "change", "asked")]
    (waits,) = [row for row in rows(Message) if row["kind"] == "change" and row["state"] == "to_call"]
    assert waits["address"] == "+18185550188"


def moved(visit: PlanVisit, by: timedelta = HOUR, **how: Any) -> None:
    there = Place(starts_at=visit.starts_at + by)
    change(hired(), visit.reference, there, version=None, reason="Mei is away", key="move-0002", **how)


def cancelled_by_the_desk(visit: PlanVisit) -> None:
    statuses.cancel(hired(), visit.reference, reason="Mei is ill", key="cancel-001")


def cancelled_by_the_patient(visit: PlanVisit) -> None:
    token = visit_links.token(visit.reference, visit.link_number)
    visits.cancel(visit.reference, token, "", actor="t", key="cancel-001")


def moved_and_told_on_the_telephone(visit: PlanVisit) -> None:
    moved(visit, spoken=True)


def moved_quietly(visit: PlanVisit) -> None:
    moved(visit, tell=False)


def of_the_plan() -> list[str]:
    """About which visits somebody is called to tell what has become of all of them."""
    deliver_due()
    return [one.reference for one in calls.call_list(hired()).calls if one.plan]


@pytest.mark.parametrize(
    "alone",
    [
        moved,
        moved_quietly,
        moved_and_told_on_the_telephone,
        cancelled_by_the_desk,
        cancelled_by_the_patient,
    ],
)
def test_what_becomes_of_the_visit_alone_that_carries_a_call_leaves_the_plans_others_to_be_told(
    by_telephone: BookedPlan, standing_clock: StandingClock, alone: Any
) -> None:
    _first, second, third, *_ = seen(by_telephone).visits
    paused(by_telephone, 0)
    assert of_the_plan() == [second.reference]
    alone(second)
    standing_clock.on(minutes=4)
    stands = alone in (moved, moved_quietly, moved_and_told_on_the_telephone)
    assert of_the_plan() == [second.reference if stands else third.reference]
    calls.settle(hired(), of_the_plan()[0], Outcome.REACHED, key="call-0001")
    assert of_the_plan() == []


def test_a_call_is_still_to_be_made_once_the_visit_that_carried_it_has_begun(
    by_telephone: BookedPlan, standing_clock: StandingClock
) -> None:
    _first, second, third, *_ = seen(by_telephone).visits
    paused(by_telephone, 0)
    assert of_the_plan() == [second.reference]
    standing_clock.at(second.starts_at + HOUR)
    assert of_the_plan() == [] and reconciling.anything_wrong()
    run(reconciling.write_missing)
    assert of_the_plan() == [third.reference] and not reconciling.anything_wrong()


def test_a_call_that_no_worker_has_seen_before_its_visit_began_is_still_to_be_made(
    by_telephone: BookedPlan, standing_clock: StandingClock
) -> None:
    first, second, *_ = seen(by_telephone).visits
    deliver_due()
    standing_clock.at(first.starts_at - timedelta(minutes=20))
    paused(by_telephone, 3)
    standing_clock.at(first.starts_at + HOUR)
    deliver_due()
    run(reconciling.write_missing)
    assert to_call() == [(second.reference, "change", "asked")]


def test_a_visit_that_is_taken_back_brings_no_second_call(
    by_telephone: BookedPlan, standing_clock: StandingClock
) -> None:
    _first, second, third, *_ = seen(by_telephone).visits
    paused(by_telephone, 0)
    assert of_the_plan() == [second.reference]
    entry = statuses.cancel(hired(), second.reference, reason="Mei is ill", key="cancel-001").entry_id
    assert of_the_plan() == [third.reference]
    undoing.undo(hired(), entry or 0, key="undo-0001")
    standing_clock.on(minutes=4)
    assert to_call() == [(third.reference, "change", "asked")]


def test_a_call_says_whether_anything_is_to_be_said_of_its_own_visit(
    by_telephone: BookedPlan, standing_clock: StandingClock
) -> None:
    second = seen(by_telephone).visits[1]
    paused(by_telephone, 0)
    deliver_due()
    (about,) = calls.call_list(hired()).calls
    assert about.plan == by_telephone.reference and about.plan_only
    moved(second)
    standing_clock.on(minutes=4)
    deliver_due()
    (about,) = calls.call_list(hired()).calls
    assert about.plan == by_telephone.reference and not about.plan_only
    assert about.old_starts_at == second.starts_at


@pytest.mark.parametrize("reaches", [True, False])
def test_who_has_no_number_is_on_the_list_only_if_no_message_about_the_plan_reaches_them(
    standing_clock: StandingClock, reaches: bool
) -> None:
    plan = weekly()
    deliver_due()
    first = seen(plan).visits[0]
    standing_clock.at(first.starts_at - 12 * HOUR)
    deliver_due()
    for one in (Patient, Appointment, Plan):
        run(lambda session, one=one: session.execute(update(one).values(phone=None)))
    shifted(plan, first, tell=True)
    standing_clock.on(minutes=5)
    deliver_due()
    (told,) = [row for row in rows(Message) if row["kind"] == "plan-change"]
    if not reaches:
        ended = update(Message).where(Message.id == told["id"]).values(state=MessageState.DEAD)
        run(lambda session: session.execute(ended))
    assert told["state"] == MessageState.SENT
    on_the_list = [] if reaches else [(first.reference, "change", "soon")]
    assert to_call() == on_the_list
    assert pressing(hired(), present()).calls == len(on_the_list)


def by_text_at_night(standing_clock: StandingClock, number: int) -> PlanVisit:
    """A visit of somebody who wants texts that is shifted with all later ones: they can be told of it only in the morning."""
    plan = running(prescribed(patient(email=None), "weekly"), reminders=Reminders.TEXT, text_consent=True)
    deliver_due()
    visit = seen(plan).visits[number]
    standing_clock.at(visit.starts_at - 13 * HOUR)
    deliver_due()
    shifted(plan, visit, tell=True)
    standing_clock.on(minutes=5)
    deliver_due()
    assert to_call() == [(visit.reference, "change", "soon")]
    return visit


def test_who_is_reached_about_the_one_visit_that_was_shifted_is_not_written_to(
    standing_clock: StandingClock,
) -> None:
    visit = by_text_at_night(standing_clock, -1)
    assert calls.settle(hired(), visit.reference, Outcome.REACHED, key="call-0001").stopped == "text"
    assert to_call() == [] and not waits("plan-change")
    calls.put_back(hired(), visit.reference, key="back-0001")
    assert to_call() == [(visit.reference, "change", "soon")] and len(waits("plan-change")) == 1


def test_who_is_reached_about_one_of_several_visits_that_were_shifted_is_written_to(
    standing_clock: StandingClock,
) -> None:
    visit = by_text_at_night(standing_clock, -2)
    assert not calls.settle(hired(), visit.reference, Outcome.REACHED, key="call-0001").stopped
    assert to_call() == [] and len(waits("plan-change")) == 1


# A decision, told later


def needs(plan: BookedPlan) -> set[Need]:
    """For what somebody is to look at it."""
    return {need for row in adherence(hired()).rows if row.reference == plan.reference for need in row.needs}


def stages() -> BookedPlan:
    """A plan whose second week waits for a decision, which isn't told to its patient at once."""
    where_mei_is_alone()
    plan = running(prescribed(patient(), "stages"))
    decide(practitioner(), plan.reference, Decision.CONTINUE, told=False, key="decide-01")
    return plan


def decided(plan: BookedPlan, *, tell: bool) -> None:
    decide(practitioner(), plan.reference, Decision.STOP, told=tell, key="decide-01")


def stopped(plan: BookedPlan, *, tell: bool) -> None:
    stop(hired(), plan.reference, "Gone abroad", tell=tell, key="stop-0001")


def paused_next(plan: BookedPlan, *, tell: bool) -> None:
    paused(plan, 1, tell=tell)


@pytest.mark.parametrize("tell", [True, False])
@pytest.mark.parametrize("cancels", [decided, stopped, paused_next])
def test_who_is_not_to_be_told_is_not_called_about_what_is_cancelled_on_short_notice(
    standing_clock: StandingClock, cancels: Cancels, tell: bool
) -> None:
    plan = weekly()
    deliver_due()
    visit = seen(plan).visits[1]
    standing_clock.at(visit.starts_at - 20 * HOUR)
    cancels(plan, tell=tell)
    assert (
        next(one for one in rows(Appointment) if one["reference"] == visit.reference)["status"] == "cancelled"
    )
    standing_clock.on(minutes=4)
    assert to_call() == ([(visit.reference, "cancellation", "soon")] if tell else [])


def test_what_was_decided_is_told_once_the_patient_was_told_and_only_once() -> None:
    plan = stages()
    behind = [one for one in seen(plan).standing if one.week == 1 and one.role is PlanRole.DOSE]
    firm = {iso_utc(one.starts_at) for one in behind}
    assert not waits("plan-change") and Need.UNTOLD in needs(plan)
    mei = practitioner()
    assert told_now(mei, plan.reference, key="told-0001")
    (told,) = waits("plan-change")
    assert set(told["firm"]) == firm and Need.UNTOLD not in needs(plan)
    assert told_now(mei, plan.reference, key="told-0001"), "the same press once more"
    assert not told_now(mei, plan.reference, key="told-0002")
    assert len(waits("plan-change")) == 1
    assert [row["what"] for row in rows(PlanEntry)].count("told") == 1


def test_a_plan_that_is_over_stays_on_the_board_until_its_patient_was_told(by_telephone: BookedPlan) -> None:
    decide(practitioner(), by_telephone.reference, Decision.REFER, told=False, key="decide-01")
    assert needs(by_telephone) == {Need.UNTOLD} and to_call() == []
    told_now(practitioner(), by_telephone.reference, key="told-0001")
    assert needs(by_telephone) == set()
    assert [kind for _, kind, _ in to_call()] == ["cancellation"]


def test_what_is_told_later_is_told_as_it_stands_by_then() -> None:
    plan = stages()
    one, other = [visit for visit in seen(plan).standing if visit.week == 1 and visit.role is PlanRole.DOSE]
    day = one.starts_at.date()
    pause(hired(), plan.reference, day, day, "Away", tell=False, key="pause-001")
    told_now(practitioner(), plan.reference, key="told-0001")
    (told,) = waits("plan-change")
    assert told["cancelled"] == {iso_utc(one.starts_at)}
    assert iso_utc(one.starts_at) not in told["firm"] and iso_utc(other.starts_at) in told["firm"]


def test_the_next_decision_tells_what_waited_too(standing_clock: StandingClock) -> None:
    plan = stages()
    firm = {iso_utc(one.starts_at) for one in seen(plan).standing if one.week == 1}
    decide(practitioner(), plan.reference, Decision.STOP, told=True, key="decide-02")
    (told,) = waits("plan-change")
    assert set(told["cancelled"]) >= firm and not told["firm"] and needs(plan) == set()


def test_what_is_past_by_then_is_told_no_more(standing_clock: StandingClock) -> None:
    plan = stages()
    standing_clock.at(seen(plan).standing[-1].starts_at + HOUR)
    assert told_now(practitioner(), plan.reference, key="told-0001")
    assert not waits("plan-change") and Need.UNTOLD not in needs(plan)


# Several changes of a plan within three minutes


def test_changes_of_a_plan_within_three_minutes_are_one_message(standing_clock: StandingClock) -> None:
    plan = weekly()
    first, _second, third, *_ = [iso_utc(one.starts_at) for one in seen(plan).visits]
    paused(plan, 0)
    standing_clock.on(minutes=2)
    deliver_due()
    paused(plan, 2)
    standing_clock.on(minutes=2)
    deliver_due()
    (told,) = waits("plan-change")
    assert told["cancelled"] == {first, third}
    standing_clock.on(minutes=1)
    deliver_due()
    assert sorted(row["state"] for row in rows(Message) if row["kind"] == "plan-change") == [
        "dropped",
        "sent",
    ]


def test_what_is_changed_once_the_message_has_gone_is_told_by_another(standing_clock: StandingClock) -> None:
    plan = weekly()
    paused(plan, 0)
    standing_clock.on(minutes=3)
    deliver_due()
    paused(plan, 2)
    (told,) = waits("plan-change")
    assert told["cancelled"] == {iso_utc(seen(plan).visits[2].starts_at)}


def test_what_came_and_went_within_three_minutes_is_not_told(standing_clock: StandingClock) -> None:
    plan = weekly()
    knew = seen(plan).visits[1].starts_at
    shift(hired(), plan.reference, seen(plan).visits[1].reference, knew + HOUR, None, key="shift-001")
    standing_clock.on(minutes=1)
    shift(hired(), plan.reference, seen(plan).visits[1].reference, knew, None, key="shift-002")
    (told,) = waits("plan-change")
    assert iso_utc(knew + HOUR) not in (*told["cancelled"], *told["added"])
    standing_clock.on(minutes=4)
    deliver_due()
    assert not [row for row in rows(Message) if row["kind"] == "plan-change" and row["state"] == "sent"]


def text_of_the_change(time: StandingClock) -> str:
    """What the one mail says that tells what was changed of the plan, once it goes."""
    time.on(minutes=4)
    deliver_due()
    (sent,) = [row for row in rows(Message) if row["kind"] == "plan-change" and row["state"] == "sent"]
    return str(sent["sent_text"])


def changed_in(said: str) -> str:
    """What such a mail says of the visits that are otherwise by now."""
    return said.partition("Changed:")[2].partition("All other")[0]


def shifted_to(plan: BookedPlan, number: int, by: timedelta, whom: str | None, *, tell: bool = True) -> None:
    """A visit and all later ones."""
    visit = seen(plan).visits[number]
    key = f"shift-{number}-{by}-{whom}"
    shift(hired(), plan.reference, visit.reference, visit.starts_at + by, whom, tell=tell, key=key)


def test_a_time_that_came_back_with_another_person_is_told(standing_clock: StandingClock) -> None:
    plan = weekly()
    deliver_due()
    shifted_to(plan, 1, HOUR, None)
    standing_clock.on(minutes=1)
    shifted_to(plan, 1, -HOUR, "dan")
    said = text_of_the_change(standing_clock)
    assert changed_in(said).count("not with Mei") == 5


def test_who_comes_with_another_person_and_then_back_hears_nothing(standing_clock: StandingClock) -> None:
    plan = weekly()
    deliver_due()
    shifted_to(plan, 1, HOUR * 0, "dan")
    standing_clock.on(minutes=1)
    shifted_to(plan, 1, HOUR * 0, "mei")
    standing_clock.on(minutes=4)
    deliver_due()
    assert not [row for row in rows(Message) if row["kind"] == "plan-change" and row["state"] == "sent"]


def test_all_that_go_to_another_person_are_named_those_that_went_a_minute_before_too(
    standing_clock: StandingClock,
) -> None:
    plan = weekly()
    deliver_due()
    shifted_to(plan, 3, HOUR * 0, "dan")
    standing_clock.on(minutes=1)
    shifted_to(plan, 1, HOUR * 0, "dan")
    said = text_of_the_change(standing_clock)
    assert changed_in(said).count("not with Mei") == 5


def test_a_visit_that_was_moved_and_is_shifted_back_to_another_person_is_told(
    standing_clock: StandingClock,
) -> None:
    plan = weekly()
    deliver_due()
    moved(seen(plan).visits[5])
    standing_clock.on(minutes=1)
    shifted_to(plan, 5, -HOUR, "dan")
    said = text_of_the_change(standing_clock)
    assert changed_in(said).count("not with Mei") == 1


# A visit that is changed by itself while the message about its plan waits


def shifted_and_moved_on(plan: BookedPlan, time: StandingClock) -> tuple[datetime, datetime]:
    """A visit that was shifted with all later ones, and then moved by itself a minute later: as known, and as it is now."""
    deliver_due()
    knew = seen(plan).visits[1].starts_at
    shifted_to(plan, 1, HOUR, None)
    time.on(minutes=1)
    moved(seen(plan).visits[1], DAY)
    return knew, knew + HOUR + DAY


def on_day(at: datetime) -> str:
    return present().times.moment(at)


def test_what_was_shifted_and_then_moved_is_new_at_the_corrected_address_as_it_stands(
    standing_clock: StandingClock,
) -> None:
    plan = weekly()
    knew, stands = shifted_and_moved_on(plan, standing_clock)
    contact_is("rosa.lima@example.com", visits_too=True)
    said = text_of_the_change(standing_clock)
    assert (
        f"{on_day(stands)}, with Mei Tanaka. Your visit is moved to this time. It was {on_day(knew)}." in said
    )
    assert "Cancelled" not in said
    assert on_day(knew + HOUR) not in said


def moved_by_its_link(visit: PlanVisit) -> None:
    token = visit_links.token(visit.reference, visit.link_number)
    there = visit.starts_at + 2 * DAY
    reschedule(visit.reference, token, there, visit.practitioner.slug, actor="t", key="move-0004")


def moved_by_us_and_by_its_link(visit: PlanVisit) -> None:
    moved(visit, DAY)
    moved_by_its_link(visit)


def cancelled_as_they_asked(visit: PlanVisit) -> None:
    statuses.cancel(hired(), visit.reference, by=Actor.PATIENT, key="cancel-002")


@pytest.mark.parametrize(
    "done",
    [moved_by_its_link, moved_by_us_and_by_its_link, cancelled_by_the_patient, cancelled_as_they_asked],
)
def test_what_the_patient_did_themselves_meanwhile_is_told_by_its_own_message_alone(
    standing_clock: StandingClock, done: Any
) -> None:
    plan = weekly()
    deliver_due()
    knew = seen(plan).visits[1].starts_at
    shifted_to(plan, 1, HOUR, None)
    standing_clock.on(minutes=1)
    done(seen(plan).visits[1])
    said = text_of_the_change(standing_clock)
    assert on_day(knew) not in said and on_day(knew + HOUR) not in said
    assert changed_in(said).count("It was") == 4 and "Cancelled" not in said


def test_what_they_asked_to_cancel_is_told_with_the_plan_once_it_is_taken_back(
    standing_clock: StandingClock,
) -> None:
    plan = weekly()
    deliver_due()
    visit = seen(plan).visits[1]
    shifted_to(plan, 1, HOUR, None)
    entry = statuses.cancel(hired(), visit.reference, by=Actor.PATIENT, key="cancel-002").entry_id or 0
    standing_clock.on(minutes=1)
    undoing.undo(hired(), entry, key="undo-0001")
    assert [facts["old_starts_at"] for facts in waits("change")] == [iso_utc(visit.starts_at)]


def sent(kind: str) -> str:
    """What the last message of this kind says."""
    return str([row["sent_text"] for row in rows(Message) if row["kind"] == kind and row["sent_text"]][-1])


def test_a_cancellation_after_a_shift_names_the_time_they_knew_and_so_does_taking_it_back(
    standing_clock: StandingClock,
) -> None:
    plan = weekly()
    deliver_due()
    visit = seen(plan).visits[1]
    shifted_to(plan, 1, HOUR, None)
    standing_clock.on(minutes=1)
    entry = statuses.cancel(hired(), visit.reference, reason="Mei is ill", key="cancel-001").entry_id or 0
    gone = text_of_the_change(standing_clock).partition("Cancelled")[2].partition("All other")[0]
    assert on_day(visit.starts_at) in gone and on_day(visit.starts_at + HOUR) not in gone
    undoing.undo(hired(), entry, key="undo-0001")
    standing_clock.on(minutes=4)
    deliver_due()
    said = sent("confirmation")
    assert "takes place after all" in said and said.startswith(on_day(visit.starts_at + HOUR))
    assert f"It was {on_day(visit.starts_at)}." in said


@pytest.mark.parametrize("by", [Actor.STAFF, Actor.PATIENT])
def test_a_visit_that_is_cancelled_before_its_move_was_told_is_cancelled_as_they_knew_it(
    standing_clock: StandingClock, by: Actor
) -> None:
    plan = weekly()
    deliver_due()
    visit = seen(plan).visits[1]
    moved(visit, DAY)
    words = statuses.preview_cancellation(hired(), visit.reference, by)
    statuses.cancel(hired(), visit.reference, by=by, key="cancel-001")
    standing_clock.on(minutes=4)
    deliver_due()
    assert sent("cancellation").strip() == words.text
    assert on_day(visit.starts_at) in words.text and on_day(visit.starts_at + DAY) not in words.text


# What the mail about the plan told of one of its visits, taken back


def told_of_by_the_plans_mail(plan: BookedPlan, time: StandingClock, change: Any) -> int:
    """The entry of a change of the first visit of which nobody was told by itself, as the mail about another one went after it."""
    # The confirmation of the whole plan.
    deliver_due()
    paused(plan, 3)
    time.on(minutes=1)
    entry: int = change(seen(plan).visits[0]).entry_id
    time.on(minutes=3)
    deliver_due()
    assert [row["state"] for row in rows(Message) if row["kind"] == "plan-change"] == ["sent"]
    return entry


def moved_and_named(visit: PlanVisit) -> Any:
    there = Place(starts_at=visit.starts_at + HOUR)
    return change(hired(), visit.reference, there, version=None, tell=False, key="move-0003")


def cancelled_and_left_out(visit: PlanVisit) -> Any:
    return statuses.cancel(hired(), visit.reference, reason="Mei is ill", tell=False, key="cancel-001")


@pytest.mark.parametrize(
    ("done", "kind", "says"),
    [
        (moved_and_named, "change", "old_starts_at"),
        (cancelled_and_left_out, "confirmation", "after_all"),
    ],
)
def test_what_the_plans_mail_told_of_a_visit_is_told_otherwise_once_it_is_taken_back(
    standing_clock: StandingClock, done: Any, kind: str, says: str
) -> None:
    plan = weekly()
    knew = seen(plan).visits[0].starts_at
    entry = told_of_by_the_plans_mail(plan, standing_clock, done)
    assert undoing.look(hired(), entry).told_at == clock.now()
    undoing.undo(hired(), entry, key="undo-0001")
    (told,) = waits(kind)
    assert told[says] == (iso_utc(knew + HOUR) if kind == "change" else True)
    assert seen(plan).visits[0].starts_at == knew


def test_what_the_plans_mail_told_before_a_change_is_no_news_of_it(standing_clock: StandingClock) -> None:
    plan = weekly()
    deliver_due()
    standing_clock.on(minutes=1)
    entry = moved_and_named(seen(plan).visits[0]).entry_id
    assert undoing.look(hired(), entry).told_at is None
    undoing.undo(hired(), entry, key="undo-0001")
    assert not waits("change")


def test_a_mail_that_went_in_the_moment_of_a_change_told_nothing_of_it(standing_clock: StandingClock) -> None:
    plan = weekly()
    deliver_due()
    entry = cancelled_and_left_out(seen(plan).visits[0]).entry_id
    assert undoing.look(hired(), entry).told_at is None
    undoing.undo(hired(), entry, key="undo-0001")
    assert not waits("confirmation")


@pytest.mark.parametrize(("number", "told"), [(0, True), (-1, False)])
def test_a_visit_that_the_list_of_its_week_lacks_is_told_to_take_place_after_all(
    standing_clock: StandingClock, number: int, told: bool
) -> None:
    """It went while the cancellation waited. That of another week says nothing of it."""
    plan = running(prescribed(patient()))
    deliver_due()
    goes_at = min(row["due_at"] for row in rows(Message) if row["kind"] == "plan-digest")
    standing_clock.at(goes_at - timedelta(minutes=1))
    deliver_due()
    week = goes_at.date() + timedelta(days=7)
    ahead = [one for one in seen(plan).visits if one.starts_at > goes_at and one.starts_at.date() < week]
    visit = (ahead if told else seen(plan).visits)[number]
    entry = statuses.cancel(hired(), visit.reference, reason="Mei is ill", key="cancel-001").entry_id or 0
    standing_clock.on(minutes=2)
    deliver_due()
    assert [row["state"] for row in rows(Message) if row["kind"] == "plan-digest"].count("sent") == 1
    assert (undoing.look(hired(), entry).told_at == clock.now()) == told
    undoing.undo(hired(), entry, key="undo-0001")
    assert [facts["after_all"] for facts in waits("confirmation")] == [True] * told


def test_a_move_that_waits_while_the_plans_mail_tells_of_it_is_known_from_there(
    standing_clock: StandingClock,
) -> None:
    plan = weekly()
    deliver_due()
    first = seen(plan).visits[0]
    there = Place(starts_at=first.starts_at + HOUR)
    entry = change(hired(), first.reference, there, version=None, key="move-0003").entry_id
    # All visits once more, as they stand by now.
    standing_clock.on(minutes=1)
    contact_is("rosa.lima@example.com", visits_too=True)
    deliver_due()
    undoing.undo(hired(), entry or 0, key="undo-0001")
    (told,) = waits("change")
    assert told["old_starts_at"] == iso_utc(first.starts_at + HOUR)


# The end of a plan, and a contact that is corrected


@pytest.mark.parametrize("visits_too", [True, False])
@pytest.mark.parametrize("minutes", [1, 4])
def test_that_a_plan_was_stopped_is_told_at_the_corrected_address(
    standing_clock: StandingClock, minutes: int, visits_too: bool
) -> None:
    plan = weekly()
    deliver_due()
    stop(hired(), plan.reference, "Gone abroad", key="stop-0001")
    standing_clock.on(minutes=minutes)
    deliver_due()
    contact_is("rosa.lima@example.com", visits_too=visits_too)
    (told,) = [row for row in rows(Message) if row["kind"] == "plan-change" and row["state"] == "queued"]
    assert told["address"] == "rosa.lima@example.com" and times_told(told["facts"])["cancelled"]
    standing_clock.on(minutes=3)
    deliver_due()
    told = [row for row in rows(Message) if row["kind"] == "plan-change"][-1]
    assert told["state"] == "sent" and "Your visits are cancelled" in told["sent_text"]


def test_who_has_no_address_any_more_is_called_about_the_end_of_their_plan() -> None:
    plan = weekly()
    stop(hired(), plan.reference, "Gone abroad", key="stop-0001")
    contact_is(None, visits_too=True)
    last = max(rows(Appointment), key=lambda row: row["from_cell"])
    assert to_call() == [(last["reference"], "cancellation", "asked")]
    assert not waits("plan-change")


def test_the_end_of_a_plan_of_which_its_patient_was_not_told_is_told_by_nobody_before(
    standing_clock: StandingClock,
) -> None:
    plan = weekly()
    paused(plan, 0)
    standing_clock.on(minutes=4)
    deliver_due()
    decide(practitioner(), plan.reference, Decision.REFER, told=False, key="decide-01")
    contact_is("rosa.lima@example.com", visits_too=True)
    assert not waits("plan-change")
    told_now(practitioner(), plan.reference, key="told-0001")
    (told,) = [row for row in rows(Message) if row["kind"] == "plan-change" and row["state"] == "queued"]
    assert told["address"] == "rosa.lima@example.com"


@pytest.mark.parametrize("minutes", [1, 4])
def test_that_all_visits_are_cancelled_is_told_at_the_corrected_address(
    standing_clock: StandingClock, minutes: int
) -> None:
    plan = weekly()
    deliver_due()
    visits = seen(plan).visits
    first, last = visits[0].starts_at.date(), visits[-1].starts_at.date()
    pause(hired(), plan.reference, first, last, "Abroad", key="pause-001")
    standing_clock.on(minutes=minutes)
    deliver_due()
    contact_is("rosa.lima@example.com", visits_too=True)
    standing_clock.on(minutes=3)
    deliver_due()
    told = [row for row in rows(Message) if row["kind"] == "plan-change"][-1]
    assert (told["address"], told["state"]) == ("rosa.lima@example.com", "sent")
    assert "Your visits are cancelled" in told["sent_text"]


def test_what_was_just_changed_is_told_at_the_corrected_address_when_it_was_to_go(
    standing_clock: StandingClock,
) -> None:
    plan = weekly()
    deliver_due()
    paused(plan, 0)
    standing_clock.on(minutes=1)
    contact_is("rosa.lima@example.com", visits_too=True)
    deliver_due()
    (told,) = [row for row in rows(Message) if row["kind"] == "plan-change" and row["state"] == "queued"]
    assert (told["address"], told["due_at"]) == ("rosa.lima@example.com", clock.now() + timedelta(minutes=2))
    standing_clock.on(minutes=2)
    assert "September 21" in text_of_the_change(standing_clock).partition("Cancelled")[2]


def test_who_is_only_called_by_now_is_called_about_what_was_just_changed(
    standing_clock: StandingClock,
) -> None:
    plan = running(prescribed(patient(), "weekly"), reminders=Reminders.CALL)
    deliver_due()
    paused(plan, 0)
    standing_clock.on(minutes=1)
    contact_is(None, visits_too=True)
    assert to_call() == [(seen(plan).visits[1].reference, "change", "asked")]


def test_who_is_only_called_by_now_is_called_about_what_went_to_the_old_address(
    standing_clock: StandingClock,
) -> None:
    plan = running(prescribed(patient(), "weekly"), reminders=Reminders.CALL)
    deliver_due()
    paused(plan, 2)
    standing_clock.on(minutes=4)
    deliver_due()
    contact_is(None, visits_too=True)
    assert to_call() == [(seen(plan).visits[0].reference, "change", "asked")]


def test_who_was_to_be_called_about_a_plan_of_which_nothing_stands_is_called_with_a_new_address_too(
    by_telephone: BookedPlan, standing_clock: StandingClock
) -> None:
    visits = seen(by_telephone).visits
    first, last = visits[0].starts_at.date(), visits[-1].starts_at.date()
    pause(hired(), by_telephone.reference, first, last, "Abroad", key="pause-001")
    deliver_due()
    contact_is("rosa@example.com", visits_too=True)
    standing_clock.on(minutes=4)
    assert to_call() == [(visits[-1].reference, "cancellation", "asked")]


def test_a_link_to_other_times_that_waits_goes_to_the_corrected_address(
    standing_clock: StandingClock,
) -> None:
    plan = weekly()
    paused(plan, 0)
    standing_clock.on(minutes=4)
    deliver_due()
    offer(hired(), plan.reference, key="offer-001")
    contact_is("rosa.lima@example.com", visits_too=True)
    deliver_due()
    told = [(row["address"], row["state"]) for row in rows(Message) if row["kind"] == "plan-make-up"]
    assert told == [("rosa@example.com", "dropped"), ("rosa.lima@example.com", "sent")]


def contact_is(email: str | None, *, visits_too: bool) -> None:
    rosa = rows(Patient)[0]
    values = Values("Rosa", "Lima", rosa["phone"], email)
    records.edit(hired(), rosa["reference"], values, version=1, visits_too=visits_too, key="edit-0001")
