"""Whom the desk has to call, and what came of it."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from booking import clock
from booking.errors import NotFound, StaleEdit
from booking.formatting import iso_utc
from booking.models import Actor, Appointment, Channel, Message, MessageState, Patient, Reminders, Role
from booking.reminders.delivery import deliver_due
from booking.services import history, rescheduling, visits
from booking.services.clinic import present
from booking.services.desk import calls, merging, moving, record_page, resending, statuses, undoing
from booking.services.desk.calls import Why
from booking.services.desk.moving import Place
from booking.services.desk.pressing import pressing
from booking.services.desk.whom_to_call import Outcome
from booking.services.transaction import run
from tests.clinics import set_up
from tests.conftest import StandingClock
from tests.services.making import NEXT_WEEK, NINE, booked, heard, rows
from tests.staffing import hired

PHONE = "+18185550123"


@pytest.fixture(autouse=True)
def clinic_is_set_up(context: Flask, standing_clock: Any) -> None:
    set_up()


def listed() -> list[tuple[str, Why, int]]:
    return [(call.kind, call.why, call.tries) for call in calls.call_list(hired()).calls]


def wants_calls(**how: Any) -> Any:
    return booked(NEXT_WEEK, reminders=Reminders.CALL, phone=PHONE, email=None, **how)


def to_be_reminded(standing_clock: StandingClock) -> tuple[Any, Any]:
    """A visit of tomorrow, whose patient stands on the list to be reminded, and somebody at the desk."""
    visit, who = wants_calls(), hired()
    standing_clock.at(NEXT_WEEK - timedelta(hours=23))
    deliver_due()
    assert [call.kind for call in calls.call_list(who).calls] == ["reminder"]
    return visit, who


def ended(state: MessageState, channel: Channel = Channel.EMAIL) -> None:
    """As if the worker had tried what it has."""
    run(
        lambda session: session.execute(
            update(Message)
            .where(Message.channel == channel)
            .values(state=state, last_error="550 no such user")
        )
    )


def moved_by_staff(reference: str, by: timedelta, **facts: Any) -> None:
    """What a move by the desk leaves behind, as far as the list of calls looks at it."""

    def action(session: Any) -> None:
        appointment = session.scalars(select(Appointment).where(Appointment.reference == reference)).one()
        old = appointment.starts_at
        appointment.from_cell += int(by.total_seconds()) // 300
        appointment.to_cell += int(by.total_seconds()) // 300
        appointment.version += 1
        appointment.sequence += 1
        facts_kept = {
            "from": old.isoformat(), "to": appointment.starts_at.isoformat(), "from_practitioner": "ana",
            "to_practitioner": "ana",
        }  # fmt: skip
        history.note(session, appointment, "moved", Actor.STAFF, **facts_kept | facts)

    run(action)


def test_whoever_wants_to_be_called_is_on_the_list_when_it_is_time(
    context: Flask, standing_clock: StandingClock
) -> None:
    wants_calls()
    assert listed() == []
    standing_clock.on(days=4, hours=2)
    while deliver_due():
        pass
    assert listed() == [("reminder", Why.WANTED, 0)]


def test_whoever_is_reached_is_off_the_list(context: Flask, standing_clock: StandingClock) -> None:
    visit = wants_calls()
    standing_clock.on(days=4, hours=2)
    deliver_due()
    calls.settle(hired(name="Dana Desk"), visit.reference, Outcome.REACHED, key="call-0001")
    assert listed() == []
    called = [row for row in rows(Message) if row["settled_at"]]
    assert [(row["settled_as"], row["settled_by"]) for row in called] == [("reached", "Dana Desk")]


def test_no_answer_stays_on_the_list_with_a_count(context: Flask, standing_clock: StandingClock) -> None:
    visit, who = wants_calls(), hired()
    standing_clock.on(days=4, hours=2)
    deliver_due()
    calls.settle(who, visit.reference, Outcome.NO_ANSWER, key="call-0001")
    calls.settle(who, visit.reference, Outcome.NO_ANSWER, key="call-0002")
    calls.settle(who, visit.reference, Outcome.NO_ANSWER, key="call-0002")
    assert listed() == [("reminder", Why.WANTED, 2)]
    calls.settle(who, visit.reference, Outcome.LEFT_MESSAGE, key="call-0003")
    assert listed() == []


def test_what_was_settled_by_mistake_comes_back(context: Flask, standing_clock: StandingClock) -> None:
    visit, who = wants_calls(), hired()
    standing_clock.on(days=4, hours=2)
    deliver_due()
    calls.settle(who, visit.reference, Outcome.REACHED, key="call-0001")
    calls.put_back(who, visit.reference, key="back-0001")
    assert len(listed()) == 1
    with pytest.raises(NotFound):
        calls.put_back(who, visit.reference, key="back-0002")


def test_no_answer_is_taken_back(context: Flask, standing_clock: StandingClock) -> None:
    """The last one alone, of all visits of the call; one of long ago stays."""
    visit, who = wants_calls(), hired()
    booked(NEXT_WEEK + timedelta(hours=2), reminders=Reminders.CALL, phone=PHONE, email=None)
    standing_clock.on(days=4, hours=3)
    sent()
    before = rows(Message)
    calls.settle(who, visit.reference, Outcome.NO_ANSWER, key="call-0001")
    first, tried_once = calls.call_list(who), rows(Message)
    standing_clock.on(minutes=10)
    calls.settle(who, visit.reference, Outcome.NO_ANSWER, key="call-0002")
    assert calls.put_back(who, visit.reference, key="back-0001").patient == "Rosa Lima"
    assert calls.call_list(who) == first and first.calls[0].tries == 1 and rows(Message) == tried_once
    calls.put_back(who, visit.reference, key="back-0002")
    assert listed() == [("reminder", Why.WANTED, 0)]
    assert [row["settled_as"] for row in rows(Message)] == [row["settled_as"] for row in before]
    with pytest.raises(NotFound):
        calls.put_back(who, visit.reference, key="back-0003")


def test_what_was_tried_before_they_were_reached_stands_once_that_is_taken_back(
    context: Flask, standing_clock: StandingClock
) -> None:
    visit, who = to_be_reminded(standing_clock)
    calls.settle(who, visit.reference, Outcome.NO_ANSWER, key="call-0001")
    tried = rows(Message)
    standing_clock.on(minutes=10)
    calls.settle(who, visit.reference, Outcome.REACHED, key="call-0002")
    calls.put_back(who, visit.reference, key="back-0001")
    assert rows(Message) == tried and listed() == [("reminder", Why.WANTED, 1)]


def test_what_a_colleague_has_done_since_is_not_taken_back(
    context: Flask, standing_clock: StandingClock
) -> None:
    visit, who = to_be_reminded(standing_clock)
    calls.settle(who, visit.reference, Outcome.NO_ANSWER, key="call-0001")
    standing_clock.on(minutes=1)
    calls.settle(hired(name="Theo Lind"), visit.reference, Outcome.REACHED, key="call-0002")
    refused = calls.put_back(who, visit.reference, key="back-0001")
    assert refused.before == {"outcome": "reached", "by": "Theo Lind", "at": iso_utc(clock.now())}
    assert listed() == []


def test_whom_no_mail_reaches_is_called(context: Flask) -> None:
    booked(NEXT_WEEK, phone=PHONE)
    ended(MessageState.DEAD)
    assert listed() == [("confirmation", Why.UNREACHABLE, 0)]


def test_what_went_another_way_needs_no_call(context: Flask) -> None:
    booked(NEXT_WEEK, phone=PHONE, reminders=Reminders.BOTH, text_consent=True)
    ended(MessageState.DEAD, Channel.TEXT)
    assert listed() == []


def test_a_failure_about_a_time_that_is_no_more_is_not_on_the_list(context: Flask) -> None:
    visit = booked(NEXT_WEEK, phone=PHONE)
    ended(MessageState.DEAD)
    visits.cancel(visit.reference, visit.token, "", actor="t", key="cancel")
    assert listed() == []


def test_whom_we_moved_within_a_day_is_called_until_reached(
    context: Flask, standing_clock: StandingClock
) -> None:
    visit, who = booked(NINE - timedelta(hours=18), phone=PHONE), hired()
    moved_by_staff(visit.reference, timedelta(hours=1))
    standing_clock.on(minutes=3)
    (call,) = calls.call_list(who).calls
    assert (call.kind, call.why) == ("change", Why.SOON)
    assert call.old_starts_at == NINE - timedelta(hours=18)
    calls.settle(who, visit.reference, Outcome.NO_ANSWER, key="call-0001")
    assert [call.tries for call in calls.call_list(who).calls] == [1]
    calls.settle(who, visit.reference, Outcome.REACHED, key="call-0002")
    assert listed() == []


def test_whoever_has_confirmed_the_new_time_needs_no_call(context: Flask) -> None:
    visit = booked(NINE - timedelta(hours=18), phone=PHONE)
    moved_by_staff(visit.reference, timedelta(hours=1))
    visits.confirm(visit.reference, visit.token, actor="t", key="confirm-1")
    assert listed() == []


def test_whom_we_moved_far_ahead_or_spoke_with_needs_no_call(context: Flask) -> None:
    moved_by_staff(booked(NEXT_WEEK).reference, timedelta(hours=1))
    moved_by_staff(booked(NINE - timedelta(hours=18), phone=PHONE).reference, timedelta(hours=1), tell=False)
    assert listed() == []


def test_a_practitioner_has_no_list_of_calls(context: Flask) -> None:
    booked(NEXT_WEEK, phone=PHONE)
    ended(MessageState.DEAD)
    assert calls.call_list(hired(Role.PRACTITIONER, practitioner="ana")).calls == ()
    assert clock.now()


def test_a_real_move_on_short_notice_is_called_and_its_undoing_is_not(
    context: Flask, standing_clock: StandingClock
) -> None:
    visit, who = booked(NINE - timedelta(hours=18), phone=PHONE), hired()
    later = Place(starts_at=NINE - timedelta(hours=17))
    moved = moving.change(who, visit.reference, later, version=1, key="move-0001")
    standing_clock.on(minutes=3)
    assert listed() == [("change", Why.SOON, 0)]
    undoing.undo(who, moved.entry_id or 0, key="undo-0001")
    assert listed() == []
    moving.change(who, visit.reference, later, version=3, tell=False, key="move-0002")
    assert listed() == []


def test_a_visit_that_we_cancel_on_short_notice_is_called(
    context: Flask, standing_clock: StandingClock
) -> None:
    visit, who = booked(NINE - timedelta(hours=18), phone=PHONE), hired()
    statuses.cancel(who, visit.reference, reason="Ana is ill", version=1, key="cancel-01")
    standing_clock.on(minutes=3)
    assert listed() == [("cancellation", Why.SOON, 0)]


def test_a_tap_taken_back_leaves_the_call_about_the_move(
    context: Flask, standing_clock: StandingClock
) -> None:
    visit, who = booked(NINE - timedelta(hours=18), phone=PHONE), hired()
    moving.change(
        who, visit.reference, Place(starts_at=NINE - timedelta(hours=17)), version=1, key="move-0001"
    )
    standing_clock.on(minutes=3)
    tap = statuses.confirm(who, visit.reference, key="confirm-1")
    assert listed() == []
    undoing.undo(who, tap.entry_id or 0, key="undo-0001")
    assert listed() == [("change", Why.SOON, 0)]


def test_short_notice_is_counted_from_the_change(context: Flask, standing_clock: StandingClock) -> None:
    """Moved two days ahead isn't on short notice a day later; moved away from this afternoon is."""
    far, near, who = (
        booked(NINE + timedelta(days=1)),
        booked(NINE - timedelta(hours=18), first_name="Ada", phone=PHONE),
        hired(),
    )
    moving.change(
        who, far.reference, Place(starts_at=NINE + timedelta(days=1, hours=1)), version=1, key="move-0001"
    )
    moving.change(who, near.reference, Place(starts_at=NEXT_WEEK), version=1, key="move-0002")
    standing_clock.on(minutes=3)
    assert [call.patient_name for call in calls.call_list(who).calls] == ["Ada Lima"]
    standing_clock.on(hours=23)
    assert listed() == []


def test_no_answer_keeps_why_we_call_and_a_confirmation_ends_it(
    context: Flask, standing_clock: StandingClock
) -> None:
    visit, who = booked(NINE - timedelta(hours=18), phone=PHONE), hired()
    moving.change(
        who, visit.reference, Place(starts_at=NINE - timedelta(hours=17)), version=1, key="move-0001"
    )
    standing_clock.on(minutes=3)
    calls.settle(who, visit.reference, Outcome.NO_ANSWER, key="call-0001")
    assert listed() == [("change", Why.SOON, 1)]
    visits.confirm(visit.reference, visit.token, actor="t", key="confirm-1")
    assert listed() == []


def test_a_call_that_was_due_survives_a_move_without_telling_and_an_undoing(
    context: Flask, standing_clock: StandingClock
) -> None:
    visit, who = to_be_reminded(standing_clock)
    later = Place(starts_at=NEXT_WEEK + timedelta(hours=1))
    moved = moving.change(who, visit.reference, later, version=1, tell=False, key="move-0001")
    deliver_due()
    assert [call.kind for call in calls.call_list(who).calls] == ["reminder"]
    undoing.undo(who, moved.entry_id or 0, key="undo-0001")
    deliver_due()
    assert [call.kind for call in calls.call_list(who).calls] == ["reminder"]


def test_a_cancellation_taken_back_is_called_about_as_before(
    context: Flask, standing_clock: StandingClock
) -> None:
    visit, who = to_be_reminded(standing_clock)
    cancelled = statuses.cancel(who, visit.reference, tell=False, version=1, key="cancel-01")
    assert calls.call_list(who).calls == ()
    undoing.undo(who, cancelled.entry_id or 0, key="undo-0001")
    deliver_due()
    assert [call.kind for call in calls.call_list(who).calls] == ["reminder"]


SOON = NINE - timedelta(hours=18)
LATER = Place(starts_at=NINE - timedelta(hours=17))


def sent() -> None:
    while deliver_due():
        pass


def test_of_what_we_change_on_short_notice_the_call_says_why_and_that_they_were_written_to(
    context: Flask, standing_clock: StandingClock
) -> None:
    visit, who = booked(SOON, phone=PHONE), hired()
    sent()
    changed = moving.change(who, visit.reference, LATER, version=1, reason="Ana is ill.", key="move-0001")
    assert (changed.channel, changed.to_call) == ("email", True)
    standing_clock.on(minutes=3)
    (call,) = calls.call_list(who).calls
    assert call.because == "Ana is ill."
    assert call.written and (call.written.channel, call.written.gone) == (Channel.EMAIL, False)
    sent()
    (call,) = calls.call_list(who).calls
    assert call.written and call.written.gone and call.written.at == clock.now()
    assert (call.why, call.old_starts_at) == (Why.SOON, SOON)


def test_far_ahead_nobody_is_called_as_well(context: Flask) -> None:
    visit, who = booked(NEXT_WEEK, phone=PHONE), hired()
    changed = moving.change(
        who, visit.reference, Place(starts_at=NEXT_WEEK + timedelta(hours=1)), version=1, key="move-0001"
    )
    assert (changed.channel, changed.to_call) == ("email", False)
    assert listed() == []


def test_a_call_at_night_says_what_it_is_for_and_comes_no_second_time(
    context: Flask, standing_clock: StandingClock
) -> None:
    """Texts rest, so the outbox asks for the call as well: it isn't that our messages don't arrive."""
    visit, who = booked(NINE, phone=PHONE), hired()
    sent()
    standing_clock.at(NINE - timedelta(hours=5))
    statuses.cancel(who, visit.reference, reason="Ana is ill.", key="cancel-01")
    assert listed() == []
    standing_clock.on(minutes=3)
    assert listed() == [("cancellation", Why.SOON, 0)]
    sent()
    assert listed() == [("cancellation", Why.SOON, 0)]
    calls.settle(who, visit.reference, Outcome.REACHED, key="call-0001")
    assert listed() == []


@pytest.mark.parametrize("outcome", [Outcome.REACHED, Outcome.NO_ANSWER])
def test_whom_we_call_before_the_outbox_asks_for_it_is_called_once(
    context: Flask, standing_clock: StandingClock, outcome: Outcome
) -> None:
    visit, who = booked(NINE, phone=PHONE), hired()
    sent()
    standing_clock.at(NINE - timedelta(hours=5))
    statuses.cancel(who, visit.reference, reason="Ana is ill.", key="cancel-01")
    standing_clock.on(minutes=3)
    calls.settle(who, visit.reference, outcome, key="call-0001")
    sent()
    assert listed() == ([] if outcome is Outcome.REACHED else [("cancellation", Why.SOON, 1)])
    calls.settle(who, visit.reference, Outcome.REACHED, key="call-0002")
    assert listed() == []
    assert not [
        row for row in rows(Message) if row["state"] is MessageState.TO_CALL and not row["settled_at"]
    ]


def test_a_mail_that_fails_after_they_were_reached_needs_no_call(
    context: Flask, standing_clock: StandingClock
) -> None:
    visit, who = booked(SOON, phone=PHONE), hired()
    sent()
    moving.change(who, visit.reference, LATER, version=1, key="move-0001")
    standing_clock.on(minutes=3)
    sent()
    calls.settle(who, visit.reference, Outcome.REACHED, key="call-0001")
    ended(MessageState.DEAD)
    assert listed() == []
    calls.put_back(who, visit.reference, key="back-0001")
    assert listed() == [("change", Why.UNREACHABLE, 0)]


def test_moved_twice_the_call_tells_of_the_time_that_the_patient_knows(
    context: Flask, standing_clock: StandingClock
) -> None:
    visit, who = booked(SOON, phone=PHONE), hired()
    sent()
    moving.change(who, visit.reference, LATER, version=1, key="move-0001")
    once_more = Place(starts_at=NINE - timedelta(hours=16, minutes=30))
    moving.change(who, visit.reference, once_more, version=2, key="move-0002")
    standing_clock.on(minutes=3)
    (call,) = calls.call_list(who).calls
    assert (call.old_starts_at, call.starts_at) == (SOON, once_more.starts_at)


def test_moved_back_before_anybody_was_told_needs_no_call(context: Flask) -> None:
    visit, who = booked(SOON, phone=PHONE), hired()
    sent()
    moving.change(who, visit.reference, LATER, version=1, key="move-0001")
    back = moving.change(who, visit.reference, Place(starts_at=SOON), version=2, key="move-0002")
    assert not back.told and not back.to_call
    assert listed() == []


def test_a_move_that_comes_back_by_undo_is_called_about_again(
    context: Flask, standing_clock: StandingClock
) -> None:
    visit, who = booked(SOON, phone=PHONE), hired()
    sent()
    moving.change(who, visit.reference, LATER, version=1, key="move-0001")
    further = moving.change(
        who,
        visit.reference,
        Place(starts_at=NINE - timedelta(hours=16, minutes=30)),
        version=2,
        key="move-0002",
    )
    assert undoing.undo(who, further.entry_id or 0, key="undo-0001").to_call
    standing_clock.on(minutes=3)
    (call,) = calls.call_list(who).calls
    assert (call.old_starts_at, call.starts_at) == (SOON, LATER.starts_at)


def test_moved_within_a_day_and_then_far_ahead_they_are_called_all_the_same(
    context: Flask, standing_clock: StandingClock
) -> None:
    """They know the time of today, whatever was between."""
    visit, who = booked(SOON, phone=PHONE), hired()
    sent()
    moving.change(who, visit.reference, Place(starts_at=NEXT_WEEK), version=1, key="move-0001")
    further = Place(starts_at=NEXT_WEEK + timedelta(hours=1))
    changed = moving.change(who, visit.reference, further, version=2, key="move-0002")
    standing_clock.on(minutes=3)
    assert changed.to_call and listed() == [("change", Why.SOON, 0)]
    back = undoing.undo(who, changed.entry_id or 0, key="undo-0001")
    standing_clock.on(minutes=3)
    (call,) = calls.call_list(who).calls
    assert back.to_call and (call.old_starts_at, call.starts_at) == (SOON, NEXT_WEEK)


def test_a_call_that_nobody_has_made_yet_is_made_about_the_time_that_they_know(
    context: Flask, standing_clock: StandingClock
) -> None:
    visit, who = booked(NEXT_WEEK, email=None, phone=PHONE, reminders=Reminders.NONE), hired()

    def called() -> list[Any]:
        standing_clock.on(minutes=3)
        sent()
        return [(call.old_starts_at, call.starts_at) for call in calls.call_list(who).calls]

    hour = timedelta(hours=1)
    moving.change(who, visit.reference, Place(starts_at=NEXT_WEEK + hour), version=1, key="move-0001")
    assert called() == [(NEXT_WEEK, NEXT_WEEK + hour)]
    further = Place(starts_at=NEXT_WEEK + 2 * hour)
    changed = moving.change(who, visit.reference, further, version=2, key="move-0002")
    assert called() == [(NEXT_WEEK, NEXT_WEEK + 2 * hour)]
    undoing.undo(who, changed.entry_id or 0, key="undo-0001")
    assert called() == [(NEXT_WEEK, NEXT_WEEK + hour)]
    moving.change(who, visit.reference, Place(starts_at=NEXT_WEEK), version=4, key="move-0003")
    assert called() == []


def test_whoever_was_called_about_a_move_knows_its_time(
    context: Flask, standing_clock: StandingClock
) -> None:
    visit, who = booked(NEXT_WEEK, email=None, phone=PHONE, reminders=Reminders.NONE), hired()
    hour = timedelta(hours=1)
    moving.change(who, visit.reference, Place(starts_at=NEXT_WEEK + hour), version=1, key="move-0001")
    standing_clock.on(minutes=3)
    sent()
    calls.settle(who, visit.reference, Outcome.REACHED, key="call-0001")
    moving.change(who, visit.reference, Place(starts_at=NEXT_WEEK), version=2, key="move-0002")
    standing_clock.on(minutes=3)
    sent()
    (call,) = calls.call_list(who).calls
    assert (call.old_starts_at, call.starts_at) == (NEXT_WEEK + hour, NEXT_WEEK)


def test_who_cancels_by_the_link_after_a_move_was_taken_back_knows(
    context: Flask, standing_clock: StandingClock
) -> None:
    visit, who = booked(NEXT_WEEK, phone=PHONE), hired()
    sent()
    changed = moving.change(who, visit.reference, Place(starts_at=SOON), version=1, key="move-0001")
    standing_clock.on(minutes=3)
    sent()
    undoing.undo(who, changed.entry_id or 0, key="undo-0001")
    standing_clock.on(minutes=3)
    assert listed() == [("change", Why.SOON, 0)] and pressing(who, present()).calls == 1
    visits.cancel(visit.reference, visit.token, "", actor="t", key="cancel")
    assert listed() == [] and pressing(who, present()).calls == 0


def test_who_cancels_by_the_link_after_our_move_knows(context: Flask, standing_clock: StandingClock) -> None:
    visit, who = booked(SOON, phone=PHONE), hired()
    moving.change(who, visit.reference, Place(starts_at=NEXT_WEEK), version=1, key="move-0001")
    standing_clock.on(minutes=3)
    assert listed() == [("change", Why.SOON, 0)]
    visits.cancel(visit.reference, visit.token, "", actor="t", key="cancel")
    assert listed() == []
    ended(MessageState.DEAD)
    assert listed() == []


def test_who_moves_it_by_the_link_after_our_move_knows_until_we_move_it_again(
    context: Flask, standing_clock: StandingClock
) -> None:
    visit, who = booked(SOON, phone=PHONE), hired()
    moving.change(who, visit.reference, Place(starts_at=NEXT_WEEK), version=1, key="move-0001")
    standing_clock.on(minutes=3)
    assert listed() == [("change", Why.SOON, 0)] and pressing(who, present()).calls == 1
    theirs = NEXT_WEEK + timedelta(hours=2)
    rescheduling.reschedule(visit.reference, visit.token, theirs, None, actor="t", key="theirs-01")
    assert listed() == [] and pressing(who, present()).calls == 0
    heard()
    standing_clock.at(NEXT_WEEK - timedelta(hours=20))
    moving.change(who, visit.reference, Place(starts_at=NEXT_WEEK), version=3, key="move-0002")
    standing_clock.on(minutes=3)
    assert listed() == [("change", Why.SOON, 0)]


def test_who_has_asked_for_it_is_not_called(context: Flask, standing_clock: StandingClock) -> None:
    visit, who = booked(SOON, phone=PHONE), hired()
    sent()
    changed = statuses.cancel(who, visit.reference, by=Actor.PATIENT, key="cancel-01")
    assert (changed.channel, changed.to_call) == ("email", False)
    standing_clock.on(minutes=3)
    sent()
    assert listed() == []


def test_who_was_told_on_the_telephone_is_neither_written_to_nor_called(
    context: Flask, standing_clock: StandingClock
) -> None:
    visit, who = booked(SOON, phone=PHONE), hired()
    sent()
    changed = moving.change(who, visit.reference, LATER, version=1, spoken=True, key="move-0001")
    assert not changed.told and not changed.to_call
    cancelled = statuses.cancel(who, visit.reference, spoken=True, key="cancel-01")
    assert not cancelled.told
    standing_clock.on(minutes=3)
    sent()
    assert listed() == []
    assert not [row for row in rows(Message) if row["kind"] in ("change", "cancellation")]


def test_who_was_told_on_the_telephone_of_what_they_had_not_heard_yet_is_not_called(
    context: Flask, standing_clock: StandingClock
) -> None:
    visit, who = booked(NEXT_WEEK, email=None, phone=PHONE, reminders=Reminders.NONE), hired()
    cancelled = statuses.cancel(who, visit.reference, key="cancel-01")
    standing_clock.on(minutes=3)
    calls.settle(who, visit.reference, Outcome.REACHED, key="call-0001")
    assert undoing.undo(who, cancelled.entry_id or 0, key="undo-0001").channel == "call"
    later = Place(starts_at=NEXT_WEEK + timedelta(hours=1))
    changed = moving.change(who, visit.reference, later, version=3, spoken=True, key="move-0001")
    assert not changed.told
    standing_clock.on(minutes=3)
    sent()
    assert listed() == []


def test_a_reminder_by_call_that_was_due_is_over_once_they_were_told_on_the_telephone(
    context: Flask, standing_clock: StandingClock
) -> None:
    visit, who = to_be_reminded(standing_clock)
    later = Place(starts_at=NEXT_WEEK + timedelta(minutes=30))
    moving.change(who, visit.reference, later, version=1, spoken=True, key="move-0001")
    sent()
    assert listed() == []


def test_who_is_here_is_not_called(context: Flask, standing_clock: StandingClock) -> None:
    visit, who = booked(NINE, phone=PHONE), hired()
    sent()
    standing_clock.at(NINE - timedelta(minutes=20))
    statuses.arrive(who, visit.reference, key="arrive-01")
    statuses.cancel(who, visit.reference, reason="Ana is ill.", key="cancel-01")
    assert listed() == []


def test_who_has_only_a_telephone_is_called_for_that_reason(
    context: Flask, standing_clock: StandingClock
) -> None:
    visit, who = booked(NEXT_WEEK, email=None, phone=PHONE, reminders=Reminders.NONE), hired()
    changed = moving.change(
        who, visit.reference, Place(starts_at=NEXT_WEEK + timedelta(hours=1)), version=1, key="move-0001"
    )
    assert (changed.channel, changed.to_call) == ("call", True)
    standing_clock.on(minutes=3)
    sent()
    assert listed() == [("change", Why.ONLY_PHONE, 0)]


def test_a_call_that_the_desk_asks_for_says_so(context: Flask) -> None:
    booked(NEXT_WEEK, phone=PHONE)
    sent()
    (message,) = [row for row in rows(Message) if row["kind"] == "confirmation"]
    resending.resend(hired(), message["id"], Channel.CALL, key="call-0001")
    assert listed() == [("confirmation", Why.ASKED, 0)]


def test_a_message_left_about_a_change_on_short_notice_keeps_them_on_the_list_until_reached(
    context: Flask, standing_clock: StandingClock
) -> None:
    visit, who = booked(SOON, phone=PHONE), hired()
    sent()
    moving.change(who, visit.reference, LATER, version=1, key="move-0001")
    standing_clock.on(minutes=3)
    sent()
    assert calls.settle(who, visit.reference, Outcome.LEFT_MESSAGE, key="call-0001").stays
    left_at = clock.now()
    assert [(call.why, call.left_at) for call in calls.call_list(who).calls] == [(Why.SOON, left_at)]
    assert pressing(who, present()).calls == 1
    # They are still owed the news: a further change can't be kept from them.
    assert moving.preview(who, visit.reference, HALF_PAST).owed
    standing_clock.on(minutes=5)
    calls.settle(who, visit.reference, Outcome.NO_ANSWER, key="call-0002")
    assert [(call.tries, call.left_at) for call in calls.call_list(who).calls] == [(1, left_at)]
    assert not calls.settle(who, visit.reference, Outcome.REACHED, key="call-0003").stays
    assert listed() == [] and pressing(who, present()).calls == 0


def test_a_message_that_was_left_is_taken_back(context: Flask, standing_clock: StandingClock) -> None:
    visit, who = booked(SOON, phone=PHONE), hired()
    moving.change(who, visit.reference, LATER, version=1, key="move-0001")
    standing_clock.on(minutes=3)
    calls.settle(who, visit.reference, Outcome.LEFT_MESSAGE, key="call-0001")
    calls.put_back(who, visit.reference, key="back-0001")
    assert [(call.why, call.left_at) for call in calls.call_list(who).calls] == [(Why.SOON, None)]


def test_who_confirms_after_a_message_was_left_is_called_no_more(
    context: Flask, standing_clock: StandingClock
) -> None:
    visit, who = booked(SOON, phone=PHONE), hired()
    moving.change(who, visit.reference, LATER, version=1, key="move-0001")
    standing_clock.on(minutes=3)
    calls.settle(who, visit.reference, Outcome.LEFT_MESSAGE, key="call-0001")
    visits.confirm(visit.reference, visit.token, actor="t", key="confirm-1")
    assert listed() == []


def test_a_message_left_about_a_change_far_ahead_is_enough(
    context: Flask, standing_clock: StandingClock
) -> None:
    visit, who = wants_calls(), hired()
    moving.change(
        who, visit.reference, Place(starts_at=NEXT_WEEK + timedelta(hours=1)), version=1, key="move-0001"
    )
    standing_clock.on(minutes=3)
    sent()
    assert listed() == [("change", Why.WANTED, 0)]
    assert not calls.settle(who, visit.reference, Outcome.LEFT_MESSAGE, key="call-0001").stays
    assert listed() == []


def test_who_was_reached_is_called_again_if_the_desk_asks_for_it(
    context: Flask, standing_clock: StandingClock
) -> None:
    visit, who = booked(SOON, phone=PHONE), hired()
    sent()
    moving.change(who, visit.reference, LATER, version=1, key="move-0001")
    standing_clock.on(minutes=3)
    sent()
    calls.settle(who, visit.reference, Outcome.REACHED, key="call-0001")
    assert listed() == []
    (mail,) = [row for row in rows(Message) if (row["kind"], row["channel"]) == ("change", Channel.EMAIL)]
    resending.resend(who, mail["id"], Channel.CALL, key="call-0002")
    assert listed() == [("change", Why.ASKED, 0)]
    calls.settle(who, visit.reference, Outcome.REACHED, key="call-0003")
    assert listed() == []


def test_a_call_about_a_cancellation_of_their_own_is_on_the_list_if_the_desk_asks_for_it(
    context: Flask,
) -> None:
    visit, who = booked(NEXT_WEEK, phone=PHONE), hired()
    visits.cancel(visit.reference, visit.token, "", actor="t", key="cancel")
    sent()
    assert listed() == []
    (mail,) = [row for row in rows(Message) if row["kind"] == "cancellation"]
    resending.resend(who, mail["id"], Channel.CALL, key="call-0001")
    assert listed() == [("cancellation", Why.ASKED, 0)]


def test_records_that_are_merged_and_taken_apart_leave_the_calls_as_they_were(
    context: Flask, standing_clock: StandingClock
) -> None:
    visit, who = booked(NINE, phone=PHONE), hired()
    booked(NEXT_WEEK, first_name="Rosie", email="rosie@example.com", phone="+18185550199")
    sent()
    standing_clock.at(NINE - timedelta(hours=5))
    statuses.cancel(who, visit.reference, reason="Ana is ill.", key="cancel-01")
    standing_clock.on(minutes=3)
    calls.settle(who, visit.reference, Outcome.REACHED, key="call-0001")
    rosa, rosie = (row["reference"] for row in rows(Patient))
    merge = merging.merge(who, rosie, rosa, stays_version=1, goes_version=1, key="merge-001")
    merging.take_back(who, rosie, merge, key="apart-001")
    standing_clock.on(minutes=3)
    sent()
    assert listed() == []


AT_NIGHT = NINE - timedelta(hours=5)


def text_that_waits_for_the_morning(standing_clock: StandingClock) -> Any:
    """A visit that was moved at night; its patient is called, and would have a text at six."""
    visit = booked(
        NINE, email=None, phone=PHONE, reminders=Reminders.TEXT, text_consent=True, practitioner="ana"
    )
    sent()
    standing_clock.at(AT_NIGHT)
    moving.change(
        hired(), visit.reference, Place(starts_at=NINE + timedelta(hours=1)), version=1, key="move-0001"
    )
    standing_clock.on(minutes=3)
    sent()
    return visit


def told_in_writing(kind: str = "change") -> list[MessageState]:
    return [
        row["state"]
        for row in rows(Message)
        if row["kind"] == kind and row["channel"] is not Channel.CALL and row["sequence"]
    ]


def test_whoever_is_reached_is_not_written_to_about_the_same(
    context: Flask, standing_clock: StandingClock
) -> None:
    visit, who = text_that_waits_for_the_morning(standing_clock), hired()
    settled = calls.settle(who, visit.reference, Outcome.REACHED, key="call-0001")
    assert (settled.patient, settled.stopped, bool(settled.due_at)) == ("Rosa Lima", "text", True)
    assert told_in_writing() == [MessageState.DROPPED]
    standing_clock.at(NINE - timedelta(hours=1))
    sent()
    assert told_in_writing() == [MessageState.DROPPED] and listed() == []
    # They know the new time: what follows says so.
    further = Place(starts_at=NINE + timedelta(hours=2))
    moving.change(who, visit.reference, further, version=2, key="move-0002")
    (told,) = [row for row in rows(Message) if row["kind"] == "change" and row["sequence"] == 2]
    assert told["facts"]["old_starts_at"] == "2026-09-15T17:00:00Z"


def test_put_back_on_the_list_what_was_stopped_goes(context: Flask, standing_clock: StandingClock) -> None:
    visit, who = text_that_waits_for_the_morning(standing_clock), hired()
    calls.settle(who, visit.reference, Outcome.REACHED, key="call-0001")
    assert calls.put_back(who, visit.reference, key="back-0001").patient == "Rosa Lima"
    assert told_in_writing() == [MessageState.QUEUED]
    assert listed() == [("change", Why.SOON, 0)]
    standing_clock.at(NINE - timedelta(hours=2))
    sent()
    assert told_in_writing() == [MessageState.SIMULATED]


@pytest.mark.parametrize("outcome", [Outcome.LEFT_MESSAGE, Outcome.NO_ANSWER])
def test_whoever_was_not_spoken_with_is_written_to(
    context: Flask, standing_clock: StandingClock, outcome: Outcome
) -> None:
    visit = text_that_waits_for_the_morning(standing_clock)
    assert not calls.settle(hired(), visit.reference, outcome, key="call-0001").stopped
    assert told_in_writing() == [MessageState.QUEUED]


def test_a_call_stands_on_the_list_once_the_change_cannot_be_taken_back_any_more(
    context: Flask, standing_clock: StandingClock
) -> None:
    visit, who = booked(SOON, email=None, phone=PHONE, reminders=Reminders.NONE), hired()
    changed = moving.change(who, visit.reference, LATER, version=1, key="move-0001")
    standing_clock.on(minutes=2, seconds=59)
    sent()
    assert listed() == [] and pressing(who, present()).calls == 0
    standing_clock.on(seconds=1)
    assert changed.due_at == iso_utc(clock.now())
    assert len(listed()) == 1 and pressing(who, present()).calls == 1
    sent()
    assert len(listed()) == 1 and pressing(who, present()).calls == 1


def test_what_was_said_on_the_telephone_is_not_what_was_changed_meanwhile(
    context: Flask, standing_clock: StandingClock
) -> None:
    visit, who = booked(SOON, email=None, phone=PHONE, reminders=Reminders.NONE), hired()
    moving.change(who, visit.reference, LATER, version=1, key="move-0001")
    standing_clock.on(minutes=3)
    sent()
    # One clerk dials, a colleague moves the visit once more.
    further = Place(starts_at=NINE - timedelta(hours=19))
    moving.change(who, visit.reference, further, version=2, key="move-0002")
    calls.settle(who, visit.reference, Outcome.REACHED, key="call-0001")
    standing_clock.on(minutes=3)
    sent()
    assert [call.starts_at for call in calls.call_list(who).calls] == [further.starts_at]


def test_without_a_number_they_are_promised_no_call_and_stand_on_the_list_if_nothing_else_reaches_them(
    context: Flask, standing_clock: StandingClock
) -> None:
    visit, who = booked(SOON), hired()
    preview = moving.preview(who, visit.reference, LATER)
    assert not preview.to_call and not statuses.preview_cancellation(who, visit.reference).to_call
    changed = moving.change(who, visit.reference, LATER, version=1, key="move-0001")
    assert changed.told and not changed.to_call
    standing_clock.on(minutes=3)
    assert listed() == []
    sent()
    assert listed() == [] and pressing(who, present()).calls == 0
    ended(MessageState.DEAD)
    (call,) = calls.call_list(who).calls
    assert (call.phone, call.outcomes, pressing(who, present()).calls) == (None, (Outcome.TOLD,), 1)
    calls.settle(who, visit.reference, Outcome.TOLD, key="call-0001")
    assert listed() == []


@pytest.mark.parametrize("how", ["moved", "cancelled"])
def test_who_left_no_way_to_reach_them_stands_on_the_list_until_somebody_has_told_them(
    context: Flask, standing_clock: StandingClock, how: str
) -> None:
    """However far ahead: no message goes, so only the list remembers it."""
    visit, who = booked(NEXT_WEEK), hired()
    sent()
    run(lambda session: session.execute(update(Appointment).values(email=None, reminders=Reminders.NONE)))
    if how == "moved":
        changed = moving.change(
            who, visit.reference, Place(starts_at=NEXT_WEEK + timedelta(hours=1)), version=1, key="move-0001"
        )
    else:
        changed = statuses.cancel(who, visit.reference, key="cancel-01")
    assert (changed.channel, changed.to_call) == ("call", True)
    standing_clock.on(minutes=3)
    sent()
    standing_clock.on(days=2)
    (call,) = calls.call_list(who).calls
    assert (call.phone, call.why, call.outcomes) == (None, Why.NO_CONTACT, (Outcome.TOLD,))
    calls.settle(who, visit.reference, Outcome.TOLD, key="call-0001")
    assert listed() == []


def test_who_told_them_something_that_has_changed_since_is_told_so(
    context: Flask, standing_clock: StandingClock
) -> None:
    visit, who = booked(SOON, phone=PHONE), hired()
    moving.change(who, visit.reference, LATER, version=1, key="move-0001")
    standing_clock.on(minutes=3)
    (call,) = calls.call_list(who).calls
    moving.change(
        who, visit.reference, Place(starts_at=NINE + timedelta(hours=2)), version=2, key="move-0002"
    )
    with pytest.raises(StaleEdit):
        calls.settle(who, visit.reference, Outcome.REACHED, version=call.version, key="call-0001")
    standing_clock.on(minutes=3)
    assert listed() == [("change", Why.SOON, 0)]


def test_the_number_of_their_record_will_do(context: Flask, standing_clock: StandingClock) -> None:
    visit, who = booked(SOON), hired()
    run(lambda session: session.execute(update(Patient).values(phone=PHONE)))
    assert moving.change(who, visit.reference, LATER, version=1, key="move-0001").to_call
    standing_clock.on(minutes=3)
    assert [call.phone for call in calls.call_list(who).calls] == [PHONE]


@pytest.mark.parametrize("told", ["call", "phone"])
@pytest.mark.parametrize("email", ["rosa@example.com", None])
def test_who_was_told_that_it_is_cancelled_is_told_that_it_takes_place(
    context: Flask, standing_clock: StandingClock, told: str, email: str | None
) -> None:
    visit, who = booked(SOON, email=email, phone=PHONE, reminders=Reminders.NONE), hired()
    sent()
    visits.confirm(visit.reference, visit.token, actor="t", key="confirm-1")
    cancelled = statuses.cancel(who, visit.reference, spoken=told == "phone", key="cancel-01")
    standing_clock.on(minutes=3)
    sent()
    if told == "call":
        calls.settle(who, visit.reference, Outcome.REACHED, key="call-0001")
    undone = undoing.undo(who, cancelled.entry_id or 0, key="undo-0001")
    assert undone.to_call
    standing_clock.on(minutes=3)
    (call,) = calls.call_list(who).calls
    assert call.after_all
    calls.settle(who, visit.reference, Outcome.NO_ANSWER, key="call-0002")
    (call,) = calls.call_list(who).calls
    assert call.after_all and call.tries == 1
    calls.settle(who, visit.reference, Outcome.REACHED, key="call-0003")
    assert listed() == []


def test_moved_before_they_were_told_that_it_takes_place_they_hear_both(
    context: Flask, standing_clock: StandingClock
) -> None:
    visit, who = booked(SOON, phone=PHONE), hired()
    sent()
    cancelled = statuses.cancel(who, visit.reference, key="cancel-01")
    standing_clock.on(minutes=3)
    sent()
    undone = undoing.undo(who, cancelled.entry_id or 0, key="undo-0001")
    moving.change(who, visit.reference, LATER, version=undone.version, key="move-0001")
    standing_clock.on(minutes=3)
    (call,) = calls.call_list(who).calls
    assert (call.after_all, call.old_starts_at, call.starts_at) == (True, SOON, LATER.starts_at)


def test_what_they_had_cancelled_themselves_we_never_said_to_be_off(
    context: Flask, standing_clock: StandingClock
) -> None:
    visit, who = booked(SOON, phone=PHONE), hired()
    sent()
    cancelled = statuses.cancel(who, visit.reference, by=Actor.PATIENT, key="cancel-01")
    standing_clock.on(minutes=3)
    sent()
    undoing.undo(who, cancelled.entry_id or 0, key="undo-0001")
    standing_clock.on(minutes=3)
    assert [call.after_all for call in calls.call_list(who).calls] == [False]


def moved_twice(standing_clock: StandingClock, **how: Any) -> tuple[Any, Any, moving.Changed]:
    """Moved on short notice, which a mail has told and a call is due about; and moved once more."""
    visit, who = booked(SOON, phone=PHONE), hired()
    sent()
    moving.change(who, visit.reference, LATER, version=1, key="move-0001")
    standing_clock.on(minutes=3)
    sent()
    assert listed() == [("change", Why.SOON, 0)]
    return visit, who, moving.change(who, visit.reference, HALF_PAST, version=2, key="move-0002", **how)


HALF_PAST = Place(starts_at=NINE - timedelta(hours=17, minutes=30))


def test_a_second_move_that_is_taken_back_leaves_the_call_about_the_first(
    context: Flask, standing_clock: StandingClock
) -> None:
    visit, who, second = moved_twice(standing_clock)
    assert listed() == []
    undoing.undo(who, second.entry_id or 0, key="undo-0001")
    (call,) = calls.call_list(who).calls
    assert (call.kind, call.why, call.old_starts_at) == ("change", Why.SOON, SOON)
    assert pressing(who, present()).calls == 1
    calls.settle(who, visit.reference, Outcome.REACHED, version=4, key="call-0001")
    assert listed() == []


def test_who_was_reached_about_the_first_move_is_not_called_again_when_the_second_is_taken_back(
    context: Flask, standing_clock: StandingClock
) -> None:
    visit, who = booked(SOON, phone=PHONE), hired()
    sent()
    moving.change(who, visit.reference, LATER, version=1, key="move-0001")
    standing_clock.on(minutes=3)
    sent()
    calls.settle(who, visit.reference, Outcome.REACHED, key="call-0001")
    for number in (2, 3):
        moved = moving.change(who, visit.reference, HALF_PAST, version=None, key=f"move-000{number}")
        undoing.undo(who, moved.entry_id or 0, key=f"undo-000{number}")
        assert listed() == []
        assert pressing(who, present()).calls == 0
    standing_clock.on(minutes=3)
    assert listed() == []


def test_who_was_reached_between_two_moves_that_were_taken_back_is_not_called_again(
    context: Flask, standing_clock: StandingClock
) -> None:
    visit, who, second = moved_twice(standing_clock)
    undoing.undo(who, second.entry_id or 0, key="undo-0001")
    calls.settle(who, visit.reference, Outcome.REACHED, key="call-0001")
    third = moving.change(who, visit.reference, HALF_PAST, version=None, key="move-0003")
    undoing.undo(who, third.entry_id or 0, key="undo-0003")
    assert listed() == []
    assert pressing(who, present()).calls == 0


def test_what_is_taken_back_and_done_again_is_called_about(
    context: Flask, standing_clock: StandingClock
) -> None:
    _visit, who, second = moved_twice(standing_clock)
    back = undoing.undo(who, second.entry_id or 0, key="undo-0001")
    undoing.undo(who, back.entry_id or 0, key="undo-0002")
    standing_clock.on(minutes=3)
    (call,) = calls.call_list(who).calls
    assert (call.starts_at, call.kind) == (HALF_PAST.starts_at, "change")


def test_a_change_of_the_end_that_is_taken_back_leaves_the_call_about_the_move(
    context: Flask, standing_clock: StandingClock
) -> None:
    visit, who = booked(SOON, phone=PHONE), hired()
    sent()
    moving.change(who, visit.reference, LATER, version=1, key="move-0001")
    standing_clock.on(minutes=3)
    sent()
    longer = moving.change(
        who, visit.reference, Place(phase_minutes=(75,)), version=2, reason="More time", key="move-0002"
    )
    undoing.undo(who, longer.entry_id or 0, key="undo-0001")
    assert [(call.kind, call.old_starts_at) for call in calls.call_list(who).calls] == [("change", SOON)]


def test_whoever_is_still_to_be_called_is_told_of_a_further_move_whatever_is_chosen(
    context: Flask, standing_clock: StandingClock
) -> None:
    """They were to be reached, and would hear of neither."""
    visit, who, second = moved_twice(standing_clock)
    undoing.undo(who, second.entry_id or 0, key="undo-0001")
    assert moving.preview(who, visit.reference, HALF_PAST).owed
    third = moving.change(who, visit.reference, HALF_PAST, version=None, tell=False, key="move-0003")
    assert (third.told, third.to_call) == (True, True)
    standing_clock.on(minutes=3)
    (call,) = calls.call_list(who).calls
    assert (call.starts_at, call.old_starts_at) == (HALF_PAST.starts_at, LATER.starts_at)


def test_moved_again_before_the_first_news_went_they_are_called_too_whatever_is_chosen(
    context: Flask, standing_clock: StandingClock
) -> None:
    visit, who = booked(SOON, phone=PHONE), hired()
    sent()
    moving.change(who, visit.reference, LATER, version=1, key="move-0001")
    second = moving.change(who, visit.reference, HALF_PAST, version=2, tell=False, key="move-0002")
    assert (second.told, second.to_call) == (True, True)
    standing_clock.on(minutes=3)
    (call,) = calls.call_list(who).calls
    assert (call.starts_at, call.old_starts_at) == (HALF_PAST.starts_at, SOON)


@pytest.mark.parametrize("minutes", [1, 4])
def test_who_still_waits_to_hear_of_a_move_hears_that_we_cancel_whatever_is_chosen(
    context: Flask, standing_clock: StandingClock, minutes: int
) -> None:
    """Whether the news hasn't gone yet, or has, and they are to be called about it as well."""
    visit, who = booked(SOON, phone=PHONE), hired()
    sent()
    assert not statuses.preview_cancellation(who, visit.reference).owed
    moving.change(who, visit.reference, LATER, version=1, key="move-0001")
    standing_clock.on(minutes=minutes)
    sent()
    assert statuses.preview_cancellation(who, visit.reference).owed
    assert not statuses.preview_cancellation(who, visit.reference, Actor.PATIENT).owed
    cancelled = statuses.cancel(who, visit.reference, tell=False, key="cancel-01")
    assert (cancelled.told, cancelled.to_call) == (True, True)
    standing_clock.on(minutes=3)
    assert listed() == [("cancellation", Why.SOON, 0)]


@pytest.mark.parametrize("how", [{"spoken": True}, {"by": Actor.PATIENT, "tell": False}])
def test_who_has_just_said_or_heard_that_it_is_cancelled_is_owed_nothing(
    context: Flask, standing_clock: StandingClock, how: dict[str, Any]
) -> None:
    visit, who = booked(SOON, phone=PHONE), hired()
    sent()
    moving.change(who, visit.reference, LATER, version=1, key="move-0001")
    cancelled = statuses.cancel(who, visit.reference, key="cancel-01", **how)
    assert (cancelled.told, cancelled.to_call) == (False, False)
    standing_clock.on(minutes=3)
    assert listed() == []


def test_who_was_told_of_a_further_move_on_the_telephone_is_not_called(
    context: Flask, standing_clock: StandingClock
) -> None:
    visit, who, second = moved_twice(standing_clock)
    undoing.undo(who, second.entry_id or 0, key="undo-0001")
    third = moving.change(who, visit.reference, HALF_PAST, version=None, spoken=True, key="move-0003")
    assert (third.told, third.to_call) == (False, False)
    standing_clock.on(minutes=3)
    assert listed() == []


def test_the_record_says_what_came_of_a_call_that_was_made(standing_clock: StandingClock) -> None:
    visit, who = to_be_reminded(standing_clock)
    (patient,) = rows(Patient)

    def came_of() -> set[str]:
        found = record_page.record(who, patient["reference"]).messages
        return {one.came_of for one in found if one.state is MessageState.TO_CALL}

    assert came_of() == {""}
    calls.settle(who, visit.reference, Outcome.REACHED, key="call-0001")
    assert came_of() == {"reached"}
