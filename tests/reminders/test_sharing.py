"""Dense care: visits of one day share a reminder, and what the clinic changes of a plan at once is told at once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from booking import clock
from booking.models import Appointment, PlanReminders, Reminders
from booking.reminders import delivery
from booking.reminders.delivery import Claimed, deliver_due
from booking.services import visits
from booking.services.desk import statuses, undoing
from booking.services.plans.booking import BookedPlan, book
from booking.services.plans.changing import confirm
from tests.clinics import plan_clinic, set_up
from tests.reminders.conftest import die_at, drain, messages, text_files
from tests.reminders.sink import OK, Sink
from tests.services.making import booked, rows
from tests.services.plans.making import FIRST_DAY, at, patient, prescribed, proposed, running, wish
from tests.staffing import hired

pytestmark = pytest.mark.usefixtures("standing_clock", "context")

DAY_BEFORE = FIRST_DAY - timedelta(days=1)
BY_TEXT: dict[str, Any] = {
    "email": None,
    "phone": "+18185550123",
    "reminders": Reminders.TEXT,
    "text_consent": True,
}


@pytest.fixture(autouse=True)
def clinic_with_plans(app: Flask, context: Any, standing_clock: Any) -> None:
    set_up(plan_clinic())


def dense(sink: Sink, standing_clock: Any) -> BookedPlan:
    """Two visits on the first day; all that was said at once has gone, and the list of the first week."""
    made = running(prescribed(patient()))
    drain()
    standing_clock.at(at(DAY_BEFORE - timedelta(days=2), 10))
    drain()
    sink.taken.clear()
    return made


def words(mail: Any) -> str:
    return str(mail.get_body(("plain",)).get_content())


def of_first_day() -> list[dict[str, Any]]:
    on = {
        one["id"]: one
        for one in rows(Appointment)
        if one["from_cell"] < rows(Appointment)[0]["from_cell"] + 288
    }
    return [row for row in messages(kind="reminder-1d") if row["appointment_id"] in on]


def test_visits_of_one_day_share_one_reminder(sink: Sink, standing_clock: Any) -> None:
    made = dense(sink, standing_clock)
    standing_clock.at(at(DAY_BEFORE, 10, 30))
    drain()
    (mail,) = sink.taken
    first, second = made.visits[:2]
    assert first["reference"] in words(mail) and second["reference"] in words(mail)
    told, along = of_first_day()
    assert (told["state"], along["state"]) == ("sent", "dropped")
    assert along["last_error"] == "Told in one message with others."
    assert along["sent_text"] == told["sent_text"]


def test_a_visit_that_belongs_to_no_plan_is_told_with_the_others_of_its_day(
    sink: Sink, standing_clock: Any
) -> None:
    made = dense(sink, standing_clock)
    single = booked(at(FIRST_DAY, 15), visit_type="chiropractic-follow-up", practitioner="lin")
    drain()
    sink.taken.clear()
    standing_clock.at(at(DAY_BEFORE, 16))
    drain()
    # The single visit's reminder of three days before names it alone.
    early, mail = sink.taken
    assert made.visits[0]["reference"] not in words(early)
    assert made.visits[0]["reference"] in words(mail) and single.reference in words(mail)


def test_who_cannot_come_is_not_reminded_of_that_visit(sink: Sink, standing_clock: Any) -> None:
    made = dense(sink, standing_clock)
    standing_clock.at(at(DAY_BEFORE, 9, 30) - timedelta(minutes=31))
    first = made.visits[0]
    visits.cancel(
        first["reference"], visits.links.token(first["reference"], 1), "", actor="t", key="cancel-1"
    )
    drain()
    sink.taken.clear()
    standing_clock.at(at(DAY_BEFORE, 16))
    drain()
    (mail,) = sink.taken
    assert first["reference"] not in words(mail) and made.visits[1]["reference"] in words(mail)


def test_a_visit_booked_after_the_reminder_went_has_its_own(sink: Sink, standing_clock: Any) -> None:
    dense(sink, standing_clock)
    standing_clock.at(at(DAY_BEFORE, 10, 30))
    drain()
    booked(at(FIRST_DAY, 16), visit_type="chiropractic-follow-up", practitioner="lin")
    standing_clock.at(at(DAY_BEFORE, 16))
    drain()
    sent = [row for row in messages(kind="reminder-1d") if row["state"] == "sent"]
    assert len(sent) == 2


def test_two_workers_at_one_moment_send_one_reminder(app: Flask, sink: Sink, standing_clock: Any) -> None:
    dense(sink, standing_clock)
    now = at(DAY_BEFORE, 16)
    standing_clock.at(now)

    def work(_: int) -> None:
        with app.app_context(), clock.turned_to(now):
            while deliver_due(batch=1):
                pass

    with ThreadPoolExecutor(2) as crowd:
        list(crowd.map(work, range(2)))
    assert len(sink.taken) == 1
    assert sorted(row["state"] for row in of_first_day()) == ["dropped", "sent"]


def test_what_a_dead_worker_took_along_goes_when_its_lease_ends(sink: Sink, standing_clock: Any) -> None:
    dense(sink, standing_clock)
    standing_clock.at(at(DAY_BEFORE, 16))
    die_at(delivery, "_sent")
    assert {row["state"] for row in of_first_day()} == {"sending"}
    standing_clock.on(minutes=11)
    drain()
    assert len(sink.taken) == 1
    assert sorted(row["state"] for row in of_first_day()) == ["dropped", "sent"]


def test_what_could_not_be_sent_is_tried_again_as_one(sink: Sink, standing_clock: Any) -> None:
    dense(sink, standing_clock)
    standing_clock.at(at(DAY_BEFORE, 16))
    sink.answer = "451 not now"
    deliver_due()
    assert {row["state"] for row in of_first_day()} == {"queued"}
    sink.answer = OK
    standing_clock.on(minutes=1)
    drain()
    assert len(sink.taken) == 1


def test_what_went_along_with_another_is_not_given_back_by_a_worker_that_stops(
    sink: Sink, standing_clock: Any
) -> None:
    dense(sink, standing_clock)
    standing_clock.at(at(DAY_BEFORE, 16))
    assert deliver_due(stopping=lambda: bool(sink.taken)) > 1
    assert sorted(row["state"] for row in of_first_day()) == ["dropped", "sent"]
    drain()
    assert len(sink.taken) == 1


def test_texts_of_one_day_are_one(app: Flask, standing_clock: Any) -> None:
    (proposal, *_) = proposed("disc-gentle")
    book(wish(proposal, "disc-gentle", **BY_TEXT), actor="t", key="gentle")
    drain()
    standing_clock.at(at(DAY_BEFORE - timedelta(days=2), 10))
    drain()
    standing_clock.at(at(DAY_BEFORE, 16))
    drain()
    assert text_files(app)[-1].startswith("Test Clinic: your visits: Mon, Sep 21, 9:00 am, 10:00 am.")
    assert len(text_files(app)) == 3  # The confirmation and the list of the week as well.


# Changes


def test_what_the_clinic_cancels_of_a_plan_within_three_minutes_is_one_message(
    sink: Sink, standing_clock: Any
) -> None:
    made, who = dense(sink, standing_clock), hired()
    for number in (2, 4, 6):
        statuses.cancel(who, made.visits[number]["reference"], reason="Mei is ill.", key=f"cancel-{number}")
        standing_clock.on(minutes=1)
    standing_clock.on(minutes=1)
    drain()
    assert sink.taken == []  # The last one can still be taken back.
    standing_clock.on(minutes=2)
    drain()
    (mail,) = sink.taken
    assert mail["Subject"] == "Changed: your visits at Test Clinic"
    assert sorted(row["state"] for row in messages(kind="cancellation")) == ["dropped", "dropped", "sent"]


def test_one_cancelled_visit_keeps_the_message_of_a_single_one(sink: Sink, standing_clock: Any) -> None:
    made, who = dense(sink, standing_clock), hired()
    statuses.cancel(who, made.visits[2]["reference"], reason="Mei is ill.", key="cancel-1")
    standing_clock.on(minutes=3)
    drain()
    (mail,) = sink.taken
    assert mail["Subject"].startswith("Cancelled:") and "text/calendar" in [
        part.get_content_type() for part in mail.walk()
    ]


def test_a_change_that_was_told_with_others_is_told_otherwise_when_it_is_taken_back(
    sink: Sink, standing_clock: Any
) -> None:
    made, who = dense(sink, standing_clock), hired()
    entries = [
        statuses.cancel(who, made.visits[number]["reference"], reason="Mei is ill.", key=f"cancel-{number}")
        for number in (2, 4)
    ]
    standing_clock.on(minutes=3)
    drain()
    undoing.undo(who, entries[1].entry_id or 0, key="undo-0001")
    standing_clock.on(minutes=3)
    drain()
    assert "takes place after all" in words(sink.taken[-1])


@pytest.mark.parametrize("number", [0, 1])
def test_a_text_for_two_of_which_one_is_cancelled_at_the_last_moment_tells_of_the_other(
    app: Flask, sink: Sink, standing_clock: Any, number: int
) -> None:
    (proposal, *_) = proposed("disc-gentle")
    made = book(
        wish(proposal, "disc-gentle", reminded_of=PlanReminders.EACH, **BY_TEXT), actor="t", key="gentle-1"
    )
    confirm(hired(), made.reference, key="confirm-1")
    standing_clock.at(at(DAY_BEFORE - timedelta(days=2), 10, 1))
    drain()
    before = len(text_files(app))
    standing_clock.at(at(DAY_BEFORE, 10, 30))
    handed_over, gone = delivery._handed_over, made.visits[number]["reference"]

    def cancelled_just_before(one: Claimed) -> bool:
        if one.along:
            statuses.cancel(hired(), gone, tell=False, key="cancel-1")
        return handed_over(one)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(delivery, "_handed_over", cancelled_just_before)
        drain()
    drain()
    (text,) = text_files(app)[before:]
    times = ["9:00 am", "10:00 am"]
    assert times[1 - number] in text and times[number] not in text


def test_what_is_too_late_to_be_told_along_keeps_the_rest_from_nothing(
    app: Flask, sink: Sink, standing_clock: Any
) -> None:
    (proposal, *_) = proposed("disc-gentle")
    made = book(
        wish(proposal, "disc-gentle", reminded_of=PlanReminders.EACH, **BY_TEXT), actor="t", key="gentle-1"
    )
    confirm(hired(), made.reference, key="confirm-1")
    standing_clock.at(at(DAY_BEFORE, 16))
    drain()
    standing_clock.at(at(FIRST_DAY, 8))
    before = len(text_files(app))
    first, _second, later = made.visits[:3]
    for number, one in enumerate((later, first)):
        statuses.cancel(hired(), one["reference"], tell=True, key=f"cancel-{number}")
    # The worker was down until the visit of today, of which it could still have been told, was over.
    standing_clock.at(at(FIRST_DAY, 12))
    rounds = 0
    while deliver_due():
        rounds += 1
        assert rounds < 9
    assert len(text_files(app)) == before + 1
    (told,) = messages(kind="cancellation", state="simulated")
    assert told["subject"] == f"appointment/{later['reference']}"
    assert {row["last_error"] for row in messages(kind="cancellation", state="dropped")} == {
        "It came too late to be of use."
    }
