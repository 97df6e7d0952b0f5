"""How a patient is reminded of a plan, changed by its link: the plan and all its visits at once."""

from datetime import date, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from booking import clock
from booking.errors import ContactCannotBeReached, NotChangeable, NotFound, StaleEdit
from booking.models import Appointment, HistoryEntry, Message, Plan, PlanEntry, PlanReminders, Reminders
from booking.reminders.delivery import deliver_due
from booking.scheduling.timeline import instant_of
from booking.services import digests, links as visit_links, reconciling, visits as visits_of
from booking.services.clinic import present
from booking.services.desk import panel
from booking.services.plans import links
from booking.services.plans.booking import BookedPlan, book
from booking.services.plans.changing import stop
from booking.services.plans.reminding import remind_otherwise
from booking.services.reminded import Wished
from booking.services.transaction import run
from tests.clinics import plan_clinic, set_up
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
    wish,
)
from tests.staffing import hired

BY_TEXT = Wished(Reminders.TEXT, text_consent=True)


@pytest.fixture(autouse=True)
def a_clinic(context: Flask, standing_clock: StandingClock) -> None:
    set_up(plan_clinic())


@pytest.fixture
def plan() -> BookedPlan:
    return running(prescribed(patient()))


def remind(plan: BookedPlan, wished: Wished, key: str = "remind-1", **how: Any) -> None:
    remind_otherwise(plan.reference, plan.token, wished, actor="t", key=key, **how)


def waiting(kind: str) -> list[dict[str, Any]]:
    return [row for row in rows(Message) if row["kind"] == kind and row["state"] == "queued"]


def channels(kind: str) -> set[str]:
    return {row["channel"] for row in waiting(kind)}


def weeks() -> set[date]:
    """The Mondays of the weeks in which a visit that isn't penciled in stands."""
    times = present().times
    stand = (one for one in rows(Appointment) if not one["penciled"] and one["status"] == "booked")
    return {digests.monday_of(times.local_date(instant_of(one["from_cell"]))) for one in stand}


def lists() -> set[tuple[str, str]]:
    return {(row["subject"], row["channel"]) for row in waiting(digests.KIND)}


def test_a_plan_and_all_its_visits_are_reminded_of_by_text(plan: BookedPlan) -> None:
    reminded_of, told = len(waiting("reminder-1d")), [row["kind"] for row in rows(Message)]
    assert channels("reminder-1d") == channels(digests.KIND) == {"email"}
    remind(plan, BY_TEXT)
    assert channels("reminder-1d") == channels(digests.KIND) == {"text"}
    assert len(waiting("reminder-1d")) == reminded_of and len(lists()) == len(weeks())
    assert {row["reminders"] for row in (*rows(Plan), *rows(Appointment))} == {"text"}
    entries = [one["actor"] for one in rows(HistoryEntry) if one["what"] == "reminders_changed"]
    assert entries == ["patient"] * len(rows(Appointment))
    last = rows(PlanEntry)[-1]
    assert (last["what"], last["actor"]) == ("reminders changed", "patient")
    assert last["facts"] == {"reminders": "text", "reminded_of": "both"}
    new = [row["kind"] for row in rows(Message)][len(told) :]
    assert set(new) == {"reminder-1d", digests.KIND}
    assert not reconciling.anything_wrong()


def test_there_and_back_again_there_is_one_of_each(plan: BookedPlan) -> None:
    before = lists(), len(waiting("reminder-1d"))
    wishes = [
        BY_TEXT,
        Wished(of=PlanReminders.DIGEST),
        Wished(Reminders.EMAIL),
        Wished(of=PlanReminders.EACH),
        BY_TEXT,
        Wished(Reminders.NONE),
        Wished(Reminders.EMAIL, PlanReminders.BOTH),
    ]
    for number, wished in enumerate(wishes):
        remind(plan, wished, f"remind-{number}")
        assert not reconciling.anything_wrong()
    assert (lists(), len(waiting("reminder-1d"))) == before
    assert channels("reminder-1d") == {"email"}


def test_the_list_of_the_week_alone_is_in_place_of_each_visits_reminder(plan: BookedPlan) -> None:
    remind(plan, Wished(of=PlanReminders.DIGEST))
    assert waiting("reminder-1d") == [] and len(lists()) == len(weeks())
    told = panel.panel(hired(), rows(Appointment)[0]["reference"])
    why = {(one.kind, one.why) for one in told.unwritten}
    assert not {kind for kind, _why in why} & {"reminder-1d", "reminder"}
    dropped = [row["last_error"] for row in rows(Message) if row["state"] == "dropped"]
    assert set(dropped) == {digests.WANTED_OTHERWISE}


def test_who_wants_the_list_alone_once_its_time_is_past_gets_it_at_once(
    plan: BookedPlan, standing_clock: StandingClock
) -> None:
    remind(plan, Wished(of=PlanReminders.EACH))
    standing_clock.at(at(FIRST_DAY - timedelta(days=2), 12))
    remind(plan, Wished(of=PlanReminders.DIGEST), "remind-2")
    now = [row["subject"] for row in waiting(digests.KIND) if row["due_at"] == clock.now()]
    assert now == [f"plan/{plan.reference}/{FIRST_DAY.isoformat()}"]
    assert len(lists()) == len(weeks()) and not reconciling.anything_wrong()
    remind(plan, Wished(of=PlanReminders.BOTH), "remind-3")
    assert len(waiting(digests.KIND)) == len(weeks())


def test_a_list_that_was_sent_does_not_go_again_in_another_way(
    plan: BookedPlan, standing_clock: StandingClock
) -> None:
    standing_clock.at(at(FIRST_DAY - timedelta(days=2), 12))
    week = f"plan/{plan.reference}/{FIRST_DAY.isoformat()}"
    sent = update(Message).where(Message.subject == week).values(state="sent", sent_at=clock.now())
    run(lambda session: session.execute(sent))
    remind(plan, BY_TEXT)
    remind(plan, Wished(Reminders.EMAIL, PlanReminders.DIGEST), "remind-2")
    assert [row["state"] for row in rows(Message) if row["subject"] == week] == ["sent"]


def test_a_list_that_was_due_and_has_not_gone_goes_at_once_by_a_call(
    plan: BookedPlan, standing_clock: StandingClock
) -> None:
    standing_clock.at(at(FIRST_DAY - timedelta(days=2), 12))
    ends = update(Message).where(Message.kind == "plan-confirmation").values(state="sent")
    run(lambda session: session.execute(ends))
    remind(plan, Wished(Reminders.CALL, PlanReminders.DIGEST))
    while deliver_due():
        pass
    called = [row for row in rows(Message) if row["state"] == "to_call"]
    assert [row["kind"] for row in called] == ["reminder-week"]


def test_a_visit_with_a_contact_of_its_own_stays_as_it_is(plan: BookedPlan) -> None:
    first = plan.visits[0]
    token = visit_links.token(first["reference"], 1)
    visits_of.correct_contact(first["reference"], token, "son@example.com", None, actor="t", key="contact-1")
    remind(plan, BY_TEXT)
    ways = {(row["email"], row["reminders"]) for row in rows(Appointment)}
    assert ways == {("son@example.com", "email"), ("rosa@example.com", "text")}


def test_a_number_that_the_plan_lacks_is_added_with_the_wish() -> None:
    (proposal, *_) = proposed("disc-gentle")
    plan = book(wish(proposal, "disc-gentle"), actor="t", key="gentle-001")
    with pytest.raises(ContactCannotBeReached) as refused:
        remind(plan, BY_TEXT)
    assert refused.value.facts == {"field": "phone"}
    remind(plan, BY_TEXT, "remind-2", phone="+18185550177")
    assert {row["phone"] for row in (*rows(Plan), *rows(Appointment))} == {"+18185550177"}
    assert {row["address"] for row in waiting("reminder-1d")} == {"+18185550177"}
    remind(plan, Wished(Reminders.EMAIL), "remind-3", phone="+18185550188")
    assert rows(Plan)[0]["phone"] == "+18185550177"


def test_it_happens_once_and_what_is_stale_or_foreign_or_over_is_refused(plan: BookedPlan) -> None:
    version = rows(Plan)[0]["version"]
    for _ in range(2):
        remind(plan, BY_TEXT, version=version)
    assert rows(Plan)[0]["version"] == version + 1
    with pytest.raises(StaleEdit):
        remind(plan, Wished(Reminders.EMAIL), "remind-2", version=version)
    with pytest.raises(ContactCannotBeReached):
        remind(
            running(prescribed(patient("Omar", "omar@example.com")), key="other"),
            BY_TEXT._replace(text_consent=False),
            "r3",
        )
    with pytest.raises(NotFound):
        remind_otherwise(plan.reference, links.token("OTHER", 1), BY_TEXT, actor="t", key="remind-4")
    stop(practitioner(), plan.reference, "", key="stop-0001")
    with pytest.raises(NotChangeable):
        remind(plan, Wished(Reminders.EMAIL), "remind-5")


def test_the_same_as_before_changes_nothing(plan: BookedPlan) -> None:
    before = rows(Message), rows(PlanEntry), rows(HistoryEntry)
    remind(plan, Wished(Reminders.EMAIL, PlanReminders.BOTH))
    assert (rows(Message), rows(PlanEntry), rows(HistoryEntry)) == before
