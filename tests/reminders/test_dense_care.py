"""Weeks of dense care through the real outbox, across a clock change: all that was due went, once, and was true."""

from collections import Counter, defaultdict
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, update

from booking import clock
from booking.extensions import db
from booking.models import Appointment, Message, PlanReminders, Reminders
from booking.scheduling.status import Status
from booking.services import links, reconciling, visits
from booking.services.clinic import present
from booking.services.desk import calls, panel, statuses
from booking.services.message_rows import WhyNot
from booking.services.notices import NAMED
from booking.services.plans import changing
from booking.services.plans.booking import BookedPlan, book
from booking.services.transaction import run
from tests.clinics import plan_clinic, set_up
from tests.reminders.conftest import drain, message, messages, text_files
from tests.reminders.sink import Sink
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

pytestmark = pytest.mark.usefixtures("standing_clock", "context")

# The clocks go back on November 1, 2026, in the middle of these plans.
ACROSS = date(2026, 10, 12)


@pytest.fixture(autouse=True)
def clinic_with_plans(app: Flask, context: Any, standing_clock: Any) -> None:
    set_up(plan_clinic())


def gentle(**how: Any) -> BookedPlan:
    (proposal, *_) = proposed("disc-gentle", first_day=how.get("first_day", FIRST_DAY))
    return book(wish(proposal, "disc-gentle", **how), actor="t", key=f"gentle {how}")


def local(instant: datetime) -> datetime:
    return present().times.local(instant)


def test_all_that_was_due_went_once_and_was_true(sink: Sink, standing_clock: Any) -> None:
    dense = running(prescribed(patient(), "disc", first_day=ACROSS))
    penciled = gentle(first_day=ACROSS, first_name="Omar", email="omar@example.com")
    gone = {}
    lost = {dense.visits[9]["reference"]: "link", dense.visits[13]["reference"]: "clinic"}
    standing_clock.at(at(ACROSS - timedelta(days=4), 7))
    while standing_clock.now < at(ACROSS + timedelta(weeks=5), 0):
        now = standing_clock.now
        if local(now).date() == date(2026, 10, 20) and local(now).hour == 12:
            for reference, by in lost.items():
                gone[reference] = now
                if by == "link":
                    visits.cancel(reference, links.token(reference, 1), "", actor="t", key=f"c {reference}")
                else:
                    statuses.cancel(hired(), reference, reason="Mei is ill.", key=f"cancel {reference}")
        drain()
        standing_clock.on(minutes=30)

    by_id = {row["id"]: row for row in rows(Appointment)}
    sent = messages(state="sent")
    assert Counter(row["mail_id"] for row in sent).most_common(1)[0][1] == 1
    assert len(sink.taken) == len(set(sink.mail_ids)) == len(sent)
    assert messages(state="queued") == messages(state="dead") == []

    reminded: dict[tuple[int, date], list[Any]] = defaultdict(list)
    for row in sent:
        named = row["facts"].get(NAMED, [row["appointment_id"]])
        if not row["kind"].startswith("reminder-"):
            continue
        for number in named:
            visit = by_id[number]
            assert not visit["penciled"] and visit["status"] is Status.BOOKED
        visit = by_id[named[0]]
        begins = datetime.fromtimestamp(visit["from_cell"] * 300, clock.now().tzinfo)
        # At the same time on the wall, also over the night that had 25 hours.
        assert local(row["sent_at"]).replace(tzinfo=None) == local(begins).replace(tzinfo=None) - timedelta(
            days=1
        )
        reminded[visit["patient_id"], local(begins).date()].append(named)
    wanted: dict[tuple[int, date], list[int]] = defaultdict(list)
    for visit in by_id.values():
        begins = datetime.fromtimestamp(visit["from_cell"] * 300, clock.now().tzinfo)
        if visit["status"] is Status.BOOKED and not visit["penciled"]:
            wanted[visit["patient_id"], local(begins).date()].append(visit["id"])
    assert {place: [sorted(named)] for place, named in wanted.items()} == {
        place: [sorted(one) for one in named] for place, named in reminded.items()
    }

    digests = messages(kind="plan-digest", state="sent")
    assert {(local(row["sent_at"]).strftime("%a %H:%M")) for row in digests} == {"Fri 10:00"}
    of_dense = [row for row in digests if row["subject"].startswith(f"plan/{dense.reference}/")]
    told = Counter(number for row in of_dense for number in row["facts"][NAMED])
    standing_then = {
        row["id"]
        for row in by_id.values()
        if row["email"] == "rosa@example.com" and (row["status"] is Status.BOOKED or row["reference"] in gone)
    }
    assert set(told.values()) == {1} and set(told) <= standing_then
    # The weeks in which Omar has nothing firm have no list.
    assert len([row for row in digests if row not in of_dense]) == 1
    assert len({visit["penciled"] for visit in penciled.visits}) == 2


# The list of the week


def weekly_digests() -> dict[str, str]:
    return {row["subject"].rpartition("/")[2]: row["state"].value for row in messages(kind="plan-digest")}


def test_a_list_is_written_for_each_week_and_dropped_where_nothing_stands(sink: Sink) -> None:
    made = running(prescribed(patient(), "weekly"))
    assert len(weekly_digests()) == 6 and set(weekly_digests().values()) == {"queued"}
    third = made.visits[2]["reference"]
    visits.cancel(third, links.token(third, 1), "", actor="t", key="cancel-3")
    assert weekly_digests()["2026-10-05"] == "dropped"
    assert [*weekly_digests().values()].count("queued") == 5


def test_who_wants_no_list_gets_none_and_who_wants_it_alone_gets_no_reminders() -> None:
    gentle(reminded_of=PlanReminders.EACH)
    assert weekly_digests() == {} and len(messages(kind="reminder-1d")) == 2
    gentle(
        reminded_of=PlanReminders.DIGEST, first_day=FIRST_DAY + timedelta(weeks=1), email="omar@example.com"
    )
    assert len(weekly_digests()) == 1 and len(messages(kind="reminder-1d")) == 2


def test_the_panel_says_why_something_of_a_plan_was_never_written() -> None:
    def why(visit: dict[str, Any]) -> set[tuple[str, WhyNot]]:
        return {(one.kind, one.why) for one in panel.panel(hired(), visit["reference"]).unwritten}

    listed = gentle(reminded_of=PlanReminders.DIGEST).visits
    assert why(listed[0]) == {("reminder", WhyNot.WANTS_LIST)}
    assert why(listed[-2]) == {("reminder", WhyNot.PENCILED), ("plan-digest", WhyNot.PENCILED)}
    each = gentle(
        reminded_of=PlanReminders.EACH, first_day=FIRST_DAY + timedelta(weeks=1), email="omar@example.com"
    ).visits
    assert why(each[0]) == {("reminder-3d", WhyNot.NOT_ON_PLANS), ("plan-digest", WhyNot.WANTS_EACH)}


def test_a_list_that_was_never_written_is_written() -> None:
    running(prescribed(patient(), "weekly"))
    with db.engine.begin() as connection:
        connection.execute(delete(Message).where(Message.kind == "plan-digest"))
    assert reconciling.anything_wrong()
    assert run(reconciling.write_missing) == 6
    assert not reconciling.anything_wrong() and len(weekly_digests()) == 6


def test_penciled_visits_are_in_no_list_until_they_are_firm(standing_clock: Any) -> None:
    made = gentle()
    assert len(weekly_digests()) == 1
    changing.confirm(practitioner(), made.reference, key="confirm-1")
    assert len(weekly_digests()) == 4


def test_the_clinic_says_when_the_list_goes(standing_clock: Any) -> None:
    set_up(plan_clinic(rules={"digest": "thursday 16:00"}))
    running(prescribed(patient(), "weekly"))
    first = min(row["due_at"] for row in messages(kind="plan-digest"))
    assert first == at(FIRST_DAY - timedelta(days=4), 16)


# Texts


def test_what_the_caps_swallow_of_a_plan_goes_by_mail_or_to_the_calls(
    app: Flask, standing_clock: Any
) -> None:
    set_up(plan_clinic(rules={"texts_a_week": 1}))
    begins = FIRST_DAY + timedelta(weeks=1)
    made = gentle(
        first_day=begins, email=None, phone="+18185550123", reminders=Reminders.TEXT, text_consent=True
    )
    changing.confirm(practitioner(), made.reference, key="confirm-1")
    for day in (-14, -3, -1, 1):
        standing_clock.at(at(begins + timedelta(days=day), 12))
        drain()
    # The confirmation, the firm times, and the reminder of Monday: it comes before the list of the week.
    assert text_files(app)[-1].startswith("Test Clinic: your visits: Mon, Sep 28, 9:00 am, 10:00 am.")
    assert len(text_files(app)) == 3
    listed = min(messages(kind="plan-digest"), key=lambda row: row["subject"])
    assert (listed["state"], listed["last_error"]) == (
        "dropped",
        "The reminders of these visits are this number's texts of that week.",
    )
    (call,) = messages(state="to_call", kind="reminder-1d")
    assert call["facts"]["why"] == "unreachable"


def test_a_late_list_is_swallowed_by_the_reminder_of_a_day_with_two_visits(
    app: Flask, standing_clock: Any
) -> None:
    set_up(plan_clinic(rules={"texts_a_week": 1}))
    begins = FIRST_DAY + timedelta(weeks=1)
    made = gentle(
        first_day=begins, email=None, phone="+18185550123", reminders=Reminders.TEXT, text_consent=True
    )
    changing.confirm(practitioner(), made.reference, key="confirm-1")
    standing_clock.at(at(begins - timedelta(days=14), 12))
    drain()
    listed = min(messages(kind="plan-digest"), key=lambda row: row["subject"])
    late = at(begins - timedelta(days=1), 14)
    run(
        lambda session: session.execute(update(Message).where(Message.id == listed["id"]).values(due_at=late))
    )
    standing_clock.at(late - timedelta(hours=2))
    drain()
    assert text_files(app)[-1].startswith("Test Clinic: your visits: Mon, Sep 28, 9:00 am, 10:00 am.")
    standing_clock.at(late)
    drain()
    (listed,) = messages(id=listed["id"])
    assert (listed["state"].value, listed["last_error"]) == (
        "dropped",
        "The reminders of these visits are this number's texts of that week.",
    )
    assert messages(state="to_call") == []


def test_a_list_by_text_is_not_swallowed_by_the_reminders_of_somebody_else_at_the_same_number(
    standing_clock: Any,
) -> None:
    """A mother, who wants the list alone, shares her number with her child."""
    by_text: dict[str, Any] = {"reminders": Reminders.TEXT, "text_consent": True}
    running(prescribed(patient("Rosa", email=None)), reminded_of=PlanReminders.EACH, **by_text)
    mother = prescribed(patient("Maria", email=None), "weekly")
    plan = running(mother, reminded_of=PlanReminders.DIGEST, key="book-two", **by_text)
    second = plan.visits[1]["reference"]
    standing_clock.at(at(FIRST_DAY + timedelta(days=4), 10))
    drain()
    (swallowed,) = messages(kind="plan-digest", subject=f"plan/{plan.reference}/2026-09-28")
    assert swallowed["last_error"] == "Reminders are this number's texts of that week."
    (call,) = [one for one in calls.call_list(hired()).calls if one.patient_name == "Maria Lima"]
    assert (call.reference, call.kind, call.why) == (second, "reminder", calls.Why.UNREACHABLE)


# Why did I get this, why didn't I


def test_the_panel_of_a_visit_shows_what_named_it(sink: Sink, standing_clock: Any) -> None:
    made, who = running(prescribed(patient())), hired()
    drain()
    standing_clock.at(at(FIRST_DAY - timedelta(days=3), 10))
    drain()
    standing_clock.at(at(FIRST_DAY - timedelta(days=1), 12))
    drain()
    said = {(one.kind, one.state.value) for one in panel.panel(who, made.visits[0]["reference"]).messages}
    assert {("plan-confirmation", "sent"), ("plan-digest", "sent"), ("reminder-1d", "sent")} <= said
    second = panel.panel(who, made.visits[1]["reference"]).messages
    along = next(one for one in second if one.kind == "reminder-1d" and not one.of_several)
    assert (along.state.value, along.settled_as) == ("dropped", "told together")
    last = panel.panel(who, made.visits[-1]["reference"]).messages
    assert [one.kind for one in last if one.state.value == "queued"] == ["reminder-1d", "plan-digest"][::-1]
    assert message(kind="plan-confirmation")["facts"][NAMED] == [row["id"] for row in rows(Appointment)]
