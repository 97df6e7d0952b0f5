"""What presses at the desk, in numbers: the same as the lists show, for one statement."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, update

from booking.extensions import db
from booking.models import Appointment, Channel, Message, MessageState, Payment, Reminders, Role
from booking.reminders.delivery import deliver_due
from booking.scheduling.status import Status
from booking.services import inbound_texts, tasks
from booking.services.clinic import present
from booking.services.desk import calls, closing, moving, outgoing
from booking.services.desk.moving import Place
from booking.services.desk.pressing import Pressing, pressing
from booking.services.transaction import run
from tests.clinics import set_up
from tests.conftest import StandingClock
from tests.services.making import NEXT_WEEK, NINE, booked
from tests.staffing import hired


@pytest.fixture(autouse=True)
def clinic_is_set_up(context: Flask, standing_clock: Any) -> None:
    set_up()


def failed(channel: Channel = Channel.EMAIL) -> None:
    run(
        lambda session: session.execute(
            update(Message).where(Message.channel == channel).values(state=MessageState.DEAD)
        )
    )


def listed() -> Pressing:
    """How many the lists themselves show."""
    who = hired()
    owed, written = tasks.to_do(who), outgoing.messages(who)
    return Pressing(
        calls=len(calls.call_list(who).calls),
        tasks=len(owed.overdue) + len(owed.due_today),
        messages=len(written.failed) + len(written.replies),
        unsettled=len(closing.unsettled(who, owed.today)),
    )


def test_nothing_presses_in_an_empty_clinic(context: Flask) -> None:
    assert pressing(hired(), present()) == Pressing() == listed()


def test_as_many_calls_as_the_list_has(context: Flask, standing_clock: StandingClock) -> None:
    """By a message that failed, by a reminder, by a change on short notice, and by two of these at once."""
    who = hired()
    soon = NINE - timedelta(hours=18)
    by_change = booked(soon, first_name="Ida", phone="+18185550123")
    by_both = booked(soon + timedelta(minutes=30), first_name="Ada", phone="+18185550124")
    booked(NEXT_WEEK, first_name="Uma", reminders=Reminders.CALL, phone="+18185550123", email=None)
    for number, visit in enumerate((by_change, by_both)):
        later = Place(starts_at=soon + timedelta(minutes=60 + 30 * number))
        moving.change(who, visit.reference, later, version=1, key=f"move-000{number}")
    standing_clock.on(minutes=3)
    assert pressing(who, present()) == listed()
    assert listed().calls == 2
    failed()
    assert pressing(who, present()) == listed()
    assert listed().calls == 2
    calls.settle(who, by_both.reference, calls.Outcome.NO_ANSWER, key="call-0001")
    assert pressing(who, present()) == listed()
    calls.settle(who, by_both.reference, calls.Outcome.REACHED, key="call-0002")
    assert (pressing(who, present()), listed().calls) == (listed(), 1)
    standing_clock.at(NEXT_WEEK - timedelta(days=1))
    deliver_due()
    assert (pressing(who, present()), listed().calls) == (listed(), 1)


def test_a_message_that_went_another_way_is_no_call(context: Flask) -> None:
    booked(NEXT_WEEK, phone="+18185550123", reminders=Reminders.BOTH, text_consent=True)
    failed(Channel.TEXT)
    found = pressing(hired(), present())
    assert (found, found.calls) == (listed(), 0)
    assert found.messages


def test_tasks_press_by_their_days_and_coverage_goes_by_the_visit(
    context: Flask, standing_clock: StandingClock
) -> None:
    booked(NEXT_WEEK, payment=Payment.SELF)
    booked(NEXT_WEEK + timedelta(hours=1), payment=Payment.INSURANCE, first_name="Ida")
    seen = []
    for _ in range(6):
        assert pressing(hired(), present()) == listed()
        seen.append(pressing(hired(), present()).tasks)
        standing_clock.on(days=1)
    # The estimate from Tuesday on, coverage for Monday's visit from Friday on.
    assert seen == [0, 1, 1, 1, 2, 2]


def test_replies_and_visits_that_are_over_press_until_somebody_sees_to_them(
    context: Flask, standing_clock: StandingClock
) -> None:
    booked(NINE)
    booked(NINE + timedelta(hours=1), first_name="Zoe")
    inbound_texts.receive("+18185550123", "Where do I park?", "sm-1")
    standing_clock.at(NINE + timedelta(minutes=40))
    found = pressing(hired(), present())
    assert found == listed()
    assert (found.messages, found.unsettled) == (1, 1)
    run(lambda session: session.execute(update(Appointment).values(status=Status.FULFILLED)))
    assert pressing(hired(), present()).unsettled == 0


def test_it_takes_one_statement_and_practitioners_none(context: Flask) -> None:
    booked(NINE)
    people = (hired(), hired(Role.PRACTITIONER, practitioner="ana"))
    clinic, said = present(), list[str]()

    def heard(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith(("BEGIN", "COMMIT", "ROLLBACK")):
            said.append(statement)

    event.listen(db.engine, "before_cursor_execute", heard)
    try:
        assert [pressing(who, clinic) for who in people] == [Pressing(), Pressing()]
    finally:
        event.remove(db.engine, "before_cursor_execute", heard)
    assert len(said) == 1
