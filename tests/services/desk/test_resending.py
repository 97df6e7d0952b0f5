"""Messages sent again, another way, or taken back; replies read."""

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from booking.errors import AlreadyGone, NotFound, NothingToSend
from booking.models import AuditEntry, Channel, InboundText, Message, MessageState, Reminders, Role
from booking.reminders.delivery import deliver_due
from booking.services import inbound_texts, visits
from booking.services.desk import outgoing, resending
from booking.services.staff import accounts
from booking.services.transaction import run
from tests.clinics import set_up
from tests.conftest import StandingClock
from tests.services.making import NEXT_WEEK, booked, rows
from tests.staffing import hired


@pytest.fixture(autouse=True)
def clinic_is_set_up(context: Flask, standing_clock: Any) -> None:
    set_up()


def message(kind: str, channel: Channel = Channel.EMAIL) -> Any:
    return next(row for row in rows(Message) if row["kind"] == kind and row["channel"] is channel)


def ways(kind: str) -> list[tuple[Channel, MessageState, int]]:
    return [(row["channel"], row["state"], row["resend"]) for row in rows(Message) if row["kind"] == kind]


def sent() -> None:
    run(lambda session: session.execute(update(Message).values(state=MessageState.SENT)))


def test_a_message_goes_once_more_under_the_next_number(context: Flask) -> None:
    booked(NEXT_WEEK)
    deliver_due()
    resending.resend(hired(), message("confirmation")["id"], key="again-001")
    sent()
    resending.resend(hired(), message("confirmation")["id"], key="again-002")
    assert ways("confirmation") == [
        (Channel.EMAIL, MessageState.SENT, 0),
        (Channel.EMAIL, MessageState.SENT, 1),
        (Channel.EMAIL, MessageState.QUEUED, 2),
    ]
    assert [row["what"] for row in rows(AuditEntry)] == ["sent again", "sent again"]


def test_pressed_twice_it_goes_once(context: Flask) -> None:
    booked(NEXT_WEEK)
    who = hired()
    sent()
    for _ in range(2):
        resending.resend(who, message("confirmation")["id"], key="again-001")
    assert len(ways("confirmation")) == 2


def test_two_desks_send_it_again_at_once_and_it_goes_once(context: Flask) -> None:
    booked(NEXT_WEEK)
    sent()
    number = message("confirmation")["id"]
    resending.resend(hired(), number, key="again-001")
    with pytest.raises(NothingToSend) as refused:
        resending.resend(hired(name="Theo"), number, key="again-002")
    assert refused.value.facts == {"because": "waits"}
    assert len(ways("confirmation")) == 2


def test_it_goes_another_way_as_text_or_as_call(context: Flask) -> None:
    booked(NEXT_WEEK, phone="+18185550123", reminders=Reminders.BOTH, text_consent=True)
    sent()
    who, number = hired(), message("confirmation")["id"]
    resending.resend(who, number, Channel.TEXT, key="again-001")
    resending.resend(who, number, Channel.CALL, key="again-002")
    assert ways("confirmation")[1:] == [
        (Channel.TEXT, MessageState.QUEUED, 1),
        (Channel.CALL, MessageState.TO_CALL, 2),
    ]


@pytest.mark.parametrize(
    ("channel", "because"), [(Channel.CALL, "contact"), (Channel.TEXT, "contact"), (Channel.EMAIL, "")]
)
def test_without_a_number_nobody_is_called(context: Flask, channel: Channel, because: str) -> None:
    booked(NEXT_WEEK)
    sent()
    number = message("confirmation")["id"]
    if not because:
        resending.resend(hired(), number, channel, key="again-001")
        return
    with pytest.raises(NothingToSend) as refused:
        resending.resend(hired(), number, channel, key="again-001")
    assert refused.value.facts == {"because": because}


def test_no_text_without_consent_or_after_stop(context: Flask) -> None:
    booked(NEXT_WEEK, phone="+18185550123")
    sent()
    number, who = message("confirmation")["id"], hired()
    with pytest.raises(NothingToSend) as refused:
        resending.resend(who, number, Channel.TEXT, key="again-001")
    assert refused.value.facts == {"because": "consent"}
    inbound_texts.receive("+18185550123", "STOP", "sm-1")
    with pytest.raises(NothingToSend) as refused:
        resending.resend(who, number, Channel.TEXT, key="again-002")
    assert refused.value.facts == {"because": "stop"}


def test_what_is_no_longer_so_is_not_told_again(context: Flask, standing_clock: StandingClock) -> None:
    visit = booked(NEXT_WEEK)
    sent()
    number, who = message("confirmation")["id"], hired()
    standing_clock.at(NEXT_WEEK)
    standing_clock.on(minutes=1)
    with pytest.raises(NothingToSend) as refused:
        resending.resend(who, number, key="again-001")
    assert refused.value.facts == {"because": "late"}
    standing_clock.on(days=-3)
    visits.cancel(visit.reference, visit.token, "", actor="t", key="cancel")
    with pytest.raises(NothingToSend) as refused:
        resending.resend(who, number, key="again-002")
    assert refused.value.facts == {"because": "untrue"}


def test_one_reminder_is_taken_back_and_the_others_stay(context: Flask) -> None:
    booked(NEXT_WEEK)
    resending.take_back(hired(name="Dana Desk"), message("reminder-3d")["id"], key="back-0001")
    assert message("reminder-3d")["state"] is MessageState.DROPPED
    assert message("reminder-3d")["settled_by"] == "Dana Desk"
    assert message("reminder-1d")["state"] is MessageState.QUEUED


def test_what_has_gone_cannot_be_taken_back(context: Flask) -> None:
    booked(NEXT_WEEK)
    deliver_due()
    with pytest.raises(AlreadyGone):
        resending.take_back(hired(), message("confirmation")["id"], key="back-0001")


def test_a_message_of_somebody_elses_patient_is_not_found(context: Flask) -> None:
    booked(NEXT_WEEK)
    sent()
    stranger = hired(Role.PRACTITIONER)
    for action in (resending.resend, resending.take_back, resending.settle):
        with pytest.raises(NotFound):
            action(stranger, message("confirmation")["id"], key=f"{action.__name__}-1")
        with pytest.raises(NotFound):
            action(stranger, 4711, key=f"{action.__name__}-2")


def test_a_failed_letter_of_the_staff_is_seen_to_by_whoever_looks_after_all(context: Flask) -> None:
    who, practitioner = hired(Role.OWNER), hired(Role.PRACTITIONER)
    accounts.invite(who, "new@clinic.example", [Role.DESK])
    run(lambda session: session.execute(update(Message).values(state=MessageState.DEAD)))
    letter = message("staff-invitation")["id"]
    with pytest.raises(NotFound):
        resending.settle(practitioner, letter, key="settle-0001")
    assert [one.id for one in outgoing.messages(who).failed] == [letter]
    resending.settle(who, letter, key="settle-0002")
    assert message("staff-invitation")["settled_by"] == who.name
    assert not outgoing.messages(who).failed


def test_a_reply_that_was_read_is_off_the_list(context: Flask) -> None:
    inbound_texts.receive("+18185550123", "I am running late", "sm-1")
    (text,) = rows(InboundText)
    resending.settle_text(hired(), text["id"], key="read-0001")
    assert rows(InboundText)[0]["settled_at"] is not None
    with pytest.raises(NotFound):
        resending.settle_text(hired(Role.PRACTITIONER), text["id"], key="read-0002")
