"""What staff did to a plan is taken back: the plan, its visits, what they take and what waits to be told are as before."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from booking import clock
from booking.errors import NotChangeable, NotFound, OldPlaceTaken, StaleEdit, TooLateToUndo
from booking.formatting import iso_utc
from booking.models import Appointment, Claim, HistoryEntry, Message, Plan, PlanEntry, Reminders
from booking.reminders.delivery import deliver_due
from booking.services.desk import calls, statuses, undoing
from booking.services.desk.moving import Place, change
from booking.services.desk.new_visit import DeskWish, book as book_at_the_desk
from booking.services.desk.whom_to_call import Outcome
from booking.services.plans.booking import BookedPlan, book
from booking.services.plans.changing import (
    Decision,
    cancel_from,
    confirm,
    decide,
    go_on,
    pause,
    stop,
    told_now,
)
from booking.services.plans.extending import extend
from booking.services.plans.frequency import book_looks, change_doses
from booking.services.plans.reading import notes, opened
from booking.services.plans.shifting import shift
from booking.services.plans.taking_back import possible, take_back
from booking.services.staff.who import Who
from booking.services.transaction import run
from tests.clinics import plan_template
from tests.conftest import StandingClock
from tests.services.making import booked, rows
from tests.services.plans.making import (
    FOLLOW_UP,
    patient,
    practitioner,
    prescribed,
    proposed,
    running,
    seen,
    times_told,
    where_mei_is_alone,
    wish,
)
from tests.staffing import hired

pytestmark = pytest.mark.usefixtures("standing_clock", "context")

KEY, HOUR, DAY = "change-01", timedelta(hours=1), timedelta(days=1)
OF_A_CHANGE = ("version", "sequence", "changed_at")


@pytest.fixture(autouse=True)
def clinic_with_plans(context: Any, standing_clock: Any) -> None:
    own = plan_template(
        "own", {FOLLOW_UP: 2}, weeks=2, self_service=True, reassessment=["acupuncture-reassessment"]
    )
    where_mei_is_alone(own)


def of_stages() -> BookedPlan:
    """Three weeks' worth of what is decided upon after the first."""
    return running(prescribed(patient(), "stages"))


def by_themselves() -> BookedPlan:
    return book(wish(proposed("own")[0], "own"), actor="t", key="own-00001")


def paused(plan: BookedPlan, number: int = 0, *, tell: bool = True, key: str = KEY) -> None:
    day = seen(plan).standing[number].starts_at.date()
    pause(hired(), plan.reference, day, day, "Away", tell=tell, key=key)


def looks(plan: BookedPlan) -> list[str]:
    return [one.reference for one in seen(plan).standing if one.role == "reassessment"]


def shifted(plan: BookedPlan) -> None:
    visit = seen(plan).standing[0]
    shift(hired(), plan.reference, visit.reference, visit.starts_at + HOUR, None, partly=True, key=KEY)


def decided(decision: Decision, *, told: bool = True) -> Callable[[BookedPlan], Any]:
    return lambda plan: decide(practitioner(), plan.reference, decision, told=told, weeks=1, key=KEY)


def as_often_as(visits: int) -> Callable[[BookedPlan], Any]:
    return lambda plan: change_doses(hired(), plan.reference, 0, {FOLLOW_UP: (visits, visits)}, "", key=KEY)


CHANGES: dict[str, Callable[[BookedPlan], Any]] = {
    "stopped": lambda plan: stop(hired(), plan.reference, "The wrong one", key=KEY),
    "stopped quietly": lambda plan: stop(hired(), plan.reference, "Wrong", tell=False, key=KEY),
    "paused": paused,
    "went on sooner": lambda plan: go_on(hired(), plan.reference, seen(plan).pauses[0].first, "", key=KEY),
    "went on": decided(Decision.CONTINUE),
    "went on untold": decided(Decision.CONTINUE, told=False),
    "tapers": decided(Decision.TAPER),
    "stopped after the look": decided(Decision.STOP, told=False),
    "referred": decided(Decision.REFER),
    "less often": as_often_as(1),
    "more often": as_often_as(3),
    "extended": lambda plan: extend(hired(), plan.reference, "", key=KEY),
    "looked at again": lambda plan: book_looks(hired(), plan.reference, "", key=KEY),
    "moved": shifted,
    "confirmed": lambda plan: confirm(practitioner(), plan.reference, key=KEY),
}


def last_entry(plan: BookedPlan) -> int:
    return notes(hired(), plan.reference)[-1].id


def back(plan: BookedPlan, key: str = "back-0001", who: Who | None = None) -> None:
    take_back(who or hired(), plan.reference, last_entry(plan), key=key)


def plain(row: Any, *but: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in (*OF_A_CHANGE, *but)}


def everything() -> dict[str, Any]:
    """Plans, visits, what they take, and what waits; but for what was booked and taken back again."""
    gone = [one["id"] for one in rows(Appointment) if one["cancel_reason"] == "Booked by mistake"]
    waits = ("id", "sequence", "written_at", "attempts", "lease", "leased_until", "mail_id")
    return {
        "plans": [plain(one) for one in rows(Plan)],
        "visits": [plain(one) for one in rows(Appointment) if one["id"] not in gone],
        "claims": sorted(str(plain(one, "id")) for one in rows(Claim)),
        "waits": sorted(
            str(plain(one, *waits))
            for one in rows(Message)
            if one["state"] in ("queued", "to_call") and one["settled_at"] is None
        ),
    }


def is_change(row: Any) -> bool:
    return bool(row["kind"] == "plan-change")


def went() -> list[Any]:
    """What has gone out to the patient, but for their first confirmation."""
    first = ("plan-link", "plan-confirmation")
    return [one for one in rows(Message) if one["state"] == "sent" and one["kind"] not in first]


def before_it(name: str) -> BookedPlan:
    """A plan of which two earlier changes wait to be told: a look is cancelled where one is to be booked, a visit is where it is
    extended.
    """
    plan = by_themselves() if name == "confirmed" else of_stages()
    deliver_due()
    if name == "looked at again":
        statuses.cancel(hired(), looks(plan)[0], key="cancel-01")
    else:
        paused(plan, 1, key="before-01")
    visit = seen(plan).standing[2]
    there = Place(starts_at=visit.starts_at + HOUR)
    change(hired(), visit.reference, there, version=None, reason="Mei is away", key="before-02")
    return plan


@pytest.mark.parametrize("name", CHANGES)
def test_everything_is_as_before_and_what_waited_is_told_as_if_nothing_had_been_done(
    name: str, standing_clock: StandingClock
) -> None:
    plan = before_it(name)
    before, shown = everything(), seen(plan)
    standing_clock.on(minutes=1)
    CHANGES[name](plan)
    assert everything() != before
    standing_clock.on(minutes=1)
    assert possible(hired(), plan.reference) is not None
    back(plan)
    assert everything() == before
    for one in (row for row in rows(Appointment) if row["cancel_reason"] == "Booked by mistake"):
        assert (one["status"], one["plan_role"]) == ("cancelled", None)
    now = seen(plan)
    assert (now.pauses, now.made_up, now.not_needed) == (shown.pauses, shown.made_up, shown.not_needed)
    assert [week.left for week in now.weeks] == [week.left for week in shown.weeks]
    # Told of is what was done before, in one message, and nothing else.
    waited = [
        times_told(row["facts"]) for row in rows(Message) if is_change(row) and row["state"] == "queued"
    ]
    standing_clock.on(minutes=5)
    deliver_due()
    assert [times_told(row["facts"]) for row in went() if is_change(row)] == waited
    assert len(went()) == 1


@pytest.mark.parametrize("name", ["stopped", "moved"])
def test_who_waited_for_nothing_hears_nothing_at_all(name: str, standing_clock: StandingClock) -> None:
    """Also on short notice, of which they are called as well."""
    plan = of_stages()
    standing_clock.at(seen(plan).standing[0].starts_at - 12 * HOUR)
    deliver_due()
    before, heard = everything(), went()
    CHANGES[name](plan)
    standing_clock.on(minutes=2)
    back(plan)
    standing_clock.on(minutes=5)
    deliver_due()
    assert everything() == before and went() == heard
    assert calls.call_list(hired()).calls == ()


def test_nobody_is_called_about_it_and_who_was_to_be_called_still_is(standing_clock: StandingClock) -> None:
    plan = running(prescribed(patient(email=None), "stages"), reminders=Reminders.CALL)
    deliver_due()
    paused(plan, 0, key="before-01")
    deliver_due()
    called = [one.reference for one in calls.call_list(hired()).calls]
    before = everything()
    stop(hired(), plan.reference, "The wrong one", key=KEY)
    deliver_due()
    assert [one.reference for one in calls.call_list(hired()).calls] != called
    back(plan)
    assert everything() == before
    assert [one.reference for one in calls.call_list(hired()).calls] == called


def test_the_history_says_so_and_what_was_taken_back_counts_no_more() -> None:
    plan = of_stages()
    visit = statuses.cancel(hired(), seen(plan).standing[1].reference, key="cancel-01")
    paused(plan)
    entry = last_entry(plan)
    back(plan)
    last = notes(hired(), plan.reference)[-1]
    assert (last.what, last.facts) == ("taken back", {"entry": entry, "undid": "paused"})
    assert seen(plan).pauses == ()
    (of_visit,) = [one for one in rows(HistoryEntry) if one["what"] == "undone"]
    assert of_visit["facts"]["undid"] == "cancelled"
    # The plan goes on without nothing.
    assert visit.entry_id is not None
    undoing.undo(hired(), visit.entry_id, key="undo-0001")
    assert len(seen(plan).standing) == len(seen(plan).visits)


def test_a_visit_alone_does_not_follow_a_change_that_was_taken_back() -> None:
    """It would be cancelled, and its patient told nothing; who wants it so changes the plan once more."""
    plan = of_stages()
    paused(plan)
    back(plan)
    (entry,) = [one["id"] for one in rows(HistoryEntry) if one["what"] == "undone"]
    before = everything()
    with pytest.raises(NotChangeable):
        undoing.undo(hired(), entry, key="undo-0001")
    assert everything() == before


def test_once_done_it_can_be_done_again_and_taken_back_again(standing_clock: StandingClock) -> None:
    plan = of_stages()
    deliver_due()
    before = everything()
    for time in ("once", "twice"):
        stop(hired(), plan.reference, "The wrong one", key=f"stop-{time}")
        back(plan, key=f"back-{time}")
        assert everything() == before
    stop(hired(), plan.reference, "The right one", key="stop-at-last")
    standing_clock.on(minutes=4)
    deliver_due()
    assert [row["kind"] for row in went()] == ["plan-change"]


def test_pressed_twice_it_is_a_quiet_success() -> None:
    plan = of_stages()
    stop(hired(), plan.reference, "The wrong one", key=KEY)
    entry = last_entry(plan)
    take_back(hired(), plan.reference, entry, key="back-0001")
    done = everything(), len(rows(PlanEntry))
    for key in ("back-0001", "back-0002"):
        take_back(hired(), plan.reference, entry, key=key)
    assert (everything(), len(rows(PlanEntry))) == done
    assert possible(hired(), plan.reference) is None


def test_a_decision_that_waits_to_be_told_is_as_it_was_and_told_as_it_was() -> None:
    plan = of_stages()
    deliver_due()
    decide(practitioner(), plan.reference, Decision.CONTINUE, told=False, key="before-01")
    before = everything()
    paused(plan, -1, tell=False)
    assert seen(plan).untold_news(clock.now()).cancelled
    back(plan)
    assert everything() == before
    firm = [one for one in seen(plan).visits if one.id in seen(plan).untold_news(clock.now()).firm]
    told_now(practitioner(), plan.reference, key="told-0001")
    (told,) = [row["facts"] for row in rows(Message) if is_change(row) and row["state"] == "queued"]
    assert (
        times_told(told)
        == {"cancelled": set(), "firm": {iso_utc(one.starts_at) for one in firm}, "added": set()}
        and firm
    )


def test_that_a_visit_gave_way_before_is_still_to_be_told() -> None:
    plan = of_stages()
    deliver_due()
    gives_way = next(one for one in seen(plan).standing if one.penciled)
    asked = DeskWish(
        patient("Otto", "otto@example.com"), FOLLOW_UP, None, gives_way.starts_at, reason="Urgent"
    )
    book_at_the_desk(hired(), asked, key="desk-0001")
    before = everything()
    for key in ("stop-0001", "stop-0002"):
        stop(hired(), plan.reference, "The wrong one", key=key)
        (told,) = [row["facts"] for row in rows(Message) if is_change(row) and row["state"] == "queued"]
        assert iso_utc(gives_way.starts_at) in times_told(told)["cancelled"]
        if key == "stop-0001":
            back(plan)
            assert everything() == before


# Refused


def refused(plan: BookedPlan, entry: int, refusal: type[Exception], who: Who | None = None) -> Any:
    before, entries = everything(), len(rows(PlanEntry))
    with pytest.raises(refusal) as found:
        take_back(who or hired(), plan.reference, entry, key="refused-01")
    assert (everything(), len(rows(PlanEntry))) == (before, entries)
    return found.value


def somebody_else(starts_at: Any) -> None:
    booked(
        starts_at,
        visit_type="acupuncture-first",
        practitioner="mei",
        first_name="Vera",
        email="v@example.com",
    )


def test_where_an_old_place_is_taken_nothing_comes_back_and_who_has_it_is_named() -> None:
    plan = of_stages()
    first, *_ = seen(plan).standing
    stop(hired(), plan.reference, "The wrong one", key=KEY)
    somebody_else(first.starts_at)
    refusal = refused(plan, last_entry(plan), OldPlaceTaken)
    assert {one["visit"] for one in refusal.facts["by"]} == {iso_utc(first.starts_at)}
    (mei,) = [one for one in refusal.facts["by"] if one["what"] == "practitioner"]
    assert (mei["by"], mei["whose"]) == ("visit", "Vera Lima")
    assert seen(plan).status == "stopped"


def cancelled_alone(plan: BookedPlan) -> None:
    statuses.cancel(hired(), seen(plan).standing[0].reference, key="later-01")


def given_up(plan: BookedPlan) -> None:
    first = seen(plan).standing[0].reference
    cancel_from(plan.reference, plan.token, first, "Moving", actor="t", key="later-01")


@pytest.mark.parametrize(
    "later",
    [lambda plan: paused(plan, key="later-01"), cancelled_alone, given_up],
    ids=["the plan by us", "a visit", "the plan by its patient"],
)
def test_what_was_changed_since_stays(later: Callable[[BookedPlan], None]) -> None:
    plan = of_stages()
    shifted(plan)
    entry = last_entry(plan)
    later(plan)
    refused(plan, entry, StaleEdit)


def test_what_is_done_to_another_visit_is_in_nobodys_way_and_told(standing_clock: StandingClock) -> None:
    plan = of_stages()
    deliver_due()
    last = seen(plan).standing[-1].reference
    before = {one["appointment_id"] for one in rows(Message) if one["kind"] == "reminder-1d"}
    paused(plan)
    statuses.cancel(hired(), last, key="later-01")
    back(plan)
    assert seen(plan).pauses == () and len(before) > 1
    (gone,) = [one["id"] for one in rows(Appointment) if one["status"].value == "cancelled"]
    waits = {
        one["appointment_id"]
        for one in rows(Message)
        if one["state"] == "queued" and "reminder" in one["kind"]
    }
    assert waits == before - {gone}
    standing_clock.on(minutes=4)
    deliver_due()
    assert [(one["kind"], one["appointment_id"]) for one in went()] == [("cancellation", gone)]


def test_where_a_message_joined_an_earlier_one_none_of_its_visits_was_changed_since() -> None:
    """It would be told as it was before that."""
    plan = of_stages()
    shifted(plan)
    moved = seen(plan).standing[0]
    paused(plan, 1, key="pause-001")
    there = Place(starts_at=moved.starts_at + HOUR)
    change(hired(), moved.reference, there, version=None, reason="Mei is away", key="later-01")
    assert possible(hired(), plan.reference) is None
    refused(plan, last_entry(plan), StaleEdit)


@pytest.mark.parametrize("tell", [True, False])
def test_it_can_be_taken_back_for_three_minutes(tell: bool, standing_clock: StandingClock) -> None:
    plan = of_stages()
    deliver_due()
    stop(hired(), plan.reference, "The wrong one", tell=tell, key=KEY)
    standing_clock.on(minutes=3)
    assert possible(hired(), plan.reference) is None
    refused(plan, last_entry(plan), TooLateToUndo)


def test_what_its_patient_has_heard_is_not_taken_back() -> None:
    """Of a decision that waited until they were told; of a stop by a message that went early."""
    plan = of_stages()
    stop(hired(), plan.reference, "The wrong one", key=KEY)
    run(
        lambda session: session.execute(
            update(Message).where(Message.kind == "plan-change").values(due_at=clock.now())
        )
    )
    deliver_due()
    assert possible(hired(), plan.reference) is None
    refused(plan, last_entry(plan), TooLateToUndo)


@pytest.mark.parametrize("outcome", [Outcome.REACHED, Outcome.LEFT_MESSAGE])
@pytest.mark.parametrize("waits_already", [False, True])
def test_what_its_patient_was_told_on_the_telephone_is_not_taken_back(
    waits_already: bool, outcome: Outcome, standing_clock: StandingClock
) -> None:
    """Also by a call that waited already to tell of an earlier change; it is carried by a visit that none of them changed."""
    plan = running(prescribed(patient(email=None), "stages"), reminders=Reminders.CALL)
    deliver_due()
    if waits_already:
        paused(plan, 3, key="before-01")
    standing_clock.on(minutes=10)
    deliver_due()
    paused(plan, 2, tell=not waits_already)
    standing_clock.on(minutes=1)
    deliver_due()
    (call,) = calls.call_list(hired()).calls
    calls.settle(hired(), call.reference, outcome, version=call.version, key="called-01")
    assert possible(hired(), plan.reference) is None
    refused(plan, last_entry(plan), TooLateToUndo)


def test_who_was_called_and_did_not_answer_has_heard_nothing(standing_clock: StandingClock) -> None:
    plan = running(prescribed(patient(email=None), "stages"), reminders=Reminders.CALL)
    deliver_due()
    standing_clock.on(minutes=10)
    before = everything()
    paused(plan, 2)
    deliver_due()
    (call,) = calls.call_list(hired()).calls
    calls.settle(hired(), call.reference, Outcome.NO_ANSWER, version=call.version, key="called-01")
    back(plan)
    assert everything() == before and calls.call_list(hired()).calls == ()


def test_a_decision_of_which_its_patient_was_told_stays() -> None:
    plan = of_stages()
    decide(practitioner(), plan.reference, Decision.STOP, told=False, key=KEY)
    entry = last_entry(plan)
    told_now(practitioner(), plan.reference, key="told-0001")
    refused(plan, entry, StaleEdit)
    refused_too = last_entry(plan)
    with pytest.raises(NotChangeable):
        take_back(hired(), plan.reference, refused_too, key="refused-02")


def test_practitioners_take_back_what_they_did_themselves_and_the_desk_takes_back_everything() -> None:
    plan, mei = of_stages(), practitioner()
    stop(hired(), plan.reference, "The wrong one", key=KEY)
    assert possible(mei, plan.reference) is None
    refused(plan, last_entry(plan), NotFound, mei)
    back(plan)
    stop(mei, plan.reference, "The wrong one", key="stop-0002")
    assert possible(mei, plan.reference) is not None
    back(plan, "back-0002", mei)
    stop(mei, plan.reference, "The wrong one", key="stop-0003")
    back(plan, "back-0003")
    assert seen(plan).status == "running"


def test_who_stops_a_plan_that_is_theirs_by_its_visits_alone_sees_it_and_takes_that_back() -> None:
    plan, mei = of_stages(), practitioner()
    run(
        lambda session: session.execute(update(Plan).values(prescribed_by=None, only_with={}, rather_with={}))
    )
    stop(mei, plan.reference, "The wrong one", key=KEY)
    assert opened(mei, plan.reference).status == "stopped"
    back(plan, who=mei)
    assert seen(plan).status == "running"


def test_what_the_patient_did_or_another_plan_is_not_taken_back() -> None:
    plan = of_stages()
    given_up(plan)
    refused(plan, last_entry(plan), NotChangeable)
    with pytest.raises(NotFound):
        take_back(hired(), plan.reference, last_entry(plan) + 1, key="refused-02")
