"""Delivery: due, stale, in nobody's or in two workers' hands, corrected in between; and never twice."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from icalendar import Calendar

from booking import clock
from booking.errors import Busy
from booking.models import Message, MessageState, Reminders
from booking.reminders import delivery
from booking.reminders.delivery import LEASE, LEASE_LEFT, claim, deliver_due
from booking.services import links_again, visits
from booking.services.rescheduling import reschedule
from tests.clinics import clinic, set_up, visit_type
from tests.conftest import MONDAY
from tests.reminders.conftest import (
    TEXTED,
    deliver_while,
    die_at,
    drain,
    message,
    messages,
    states,
    text_files,
)
from tests.reminders.sink import Sink
from tests.services.making import NEXT_WEEK, booked

pytestmark = pytest.mark.usefixtures("standing_clock", "context")

THREE_DAYS_BEFORE = NEXT_WEEK - timedelta(days=3)


def test_what_is_due_is_sent_and_what_is_not_waits(sink: Sink, standing_clock: Any) -> None:
    set_up()
    booked(NEXT_WEEK)
    drain()
    assert states() == {"confirmation": "sent", "reminder-3d": "queued", "reminder-1d": "queued"}
    standing_clock.at(THREE_DAYS_BEFORE)
    drain()
    drain()
    assert states() == {"confirmation": "sent", "reminder-3d": "sent", "reminder-1d": "queued"}
    assert len(sink.taken) == 2


def test_a_mail_says_the_least_and_leads_to_the_visit(sink: Sink) -> None:
    secret = visit_type("follow-up", name="Acupuncture for the lower back", bring="loose clothes")
    set_up(clinic(visit_types=[secret], about={"name": "Acupuncture Palace", "message_name": "Palace"}))
    visit = booked(NEXT_WEEK)
    drain()
    (mail,) = sink.taken
    text = mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    html = mail.get_body(("html",)).get_content()  # type: ignore[union-attr]
    assert f"http://visits.example/visit/{visit.reference}/{visit.token}" in text
    assert visit.token in html
    assert mail["From"] == "Palace <visits@clinic.example>"
    assert "cupunct" not in mail.as_string() + text + html


def calendar_of(mail: Any) -> Any:
    (part,) = [part for part in mail.walk() if part.get_content_type() == "text/calendar"]
    return part, Calendar.from_ical(part.get_payload(decode=True))


def test_the_calendar_entry_keeps_its_uid_and_its_sequence_grows(sink: Sink) -> None:
    set_up()
    visit = booked(NEXT_WEEK)
    drain()
    reschedule(visit.reference, visit.token, NEXT_WEEK + timedelta(hours=1), None, actor="t", key="m")
    drain()
    visits.cancel(visit.reference, visit.token, "", actor="t", key="c")
    drain()
    entries = []
    for mail, method in zip(sink.taken, ("REQUEST", "REQUEST", "CANCEL"), strict=True):
        part, calendar = calendar_of(mail)
        assert part.get_param("method") == method == calendar["METHOD"]
        entries.append(calendar.walk("VEVENT")[0])
    assert len({str(entry["UID"]) for entry in entries}) == 1
    assert [entry["SEQUENCE"] for entry in entries] == [0, 1, 2]
    assert entries[1].decoded("DTSTART") == NEXT_WEEK + timedelta(hours=1)
    assert str(entries[0]["ORGANIZER"]) == "mailto:desk@clinic.example"
    assert [str(entry["STATUS"]) for entry in entries] == ["CONFIRMED", "CONFIRMED", "CANCELLED"]


def test_what_is_kept_of_a_message_opens_nothing(sink: Sink) -> None:
    set_up()
    visit = booked(NEXT_WEEK)
    drain()
    kept = message(kind="confirmation")["sent_text"]
    assert visit.reference in kept
    assert visit.token not in kept


# No longer true, or too late


def test_a_message_that_is_no_longer_true_is_not_sent(sink: Sink) -> None:
    set_up()
    visit = booked(NEXT_WEEK)
    deliver_while(lambda: visits.cancel(visit.reference, visit.token, "", actor="t", key="c"))
    assert sink.taken == []
    assert states()["confirmation"] == "dropped"


def test_a_reminder_that_comes_too_late_is_dropped(sink: Sink, standing_clock: Any) -> None:
    set_up()
    booked(NEXT_WEEK)
    standing_clock.at(NEXT_WEEK - timedelta(minutes=29))
    drain()
    assert states() == {"confirmation": "sent", "reminder-3d": "dropped", "reminder-1d": "dropped"}
    assert len(sink.taken) == 1


@pytest.mark.parametrize("trouble", [ValueError, Busy])
def test_one_message_that_can_not_be_composed_keeps_nobody_and_is_tried_again(
    sink: Sink, monkeypatch: pytest.MonkeyPatch, standing_clock: Any, trouble: type[Exception]
) -> None:
    set_up()
    booked(NEXT_WEEK)
    booked(NEXT_WEEK + timedelta(hours=1), email="other@example.com")
    compose = delivery.compose

    def fails_for_one(session: Any, clinic: Any, message: Message) -> Any:
        if message.address == "rosa@example.com":
            raise trouble
        return compose(session, clinic, message)

    with monkeypatch.context() as patched:
        patched.setattr(delivery, "compose", fails_for_one)
        drain()
    assert sink.recipients == ["other@example.com"]
    assert message(kind="confirmation", address="rosa@example.com")["state"] == "queued"
    standing_clock.on(minutes=1)
    drain()
    assert sink.recipients == ["other@example.com", "rosa@example.com"]


# In whose hands


def test_a_worker_whose_lease_is_nearly_over_sends_nothing(sink: Sink, standing_clock: Any) -> None:
    set_up()
    booked(NEXT_WEEK)
    deliver_while(lambda: standing_clock.on(seconds=(LEASE - LEASE_LEFT).total_seconds() + 1))
    assert (sink.taken, states()["confirmation"]) == ([], "sending")
    drain()
    assert sink.taken == []
    standing_clock.at(MONDAY + LEASE + timedelta(seconds=1))
    drain()
    assert (len(sink.taken), states()["confirmation"]) == (1, "sent")


def test_what_a_dead_worker_held_is_taken_up_by_another_when_its_lease_ends(
    sink: Sink, standing_clock: Any
) -> None:
    set_up()
    booked(NEXT_WEEK)
    die_at(delivery, "compose")
    drain()
    assert sink.taken == []
    standing_clock.at(MONDAY + LEASE + timedelta(seconds=1))
    drain()
    assert (len(sink.taken), states()["confirmation"]) == (1, "sent")


def test_a_mail_whose_worker_died_before_its_mark_goes_again_under_the_same_id(
    sink: Sink, standing_clock: Any
) -> None:
    set_up()
    booked(NEXT_WEEK)
    die_at(delivery, "_mark")
    standing_clock.at(MONDAY + LEASE + timedelta(seconds=1))
    drain()
    assert states()["confirmation"] == "sent"
    assert sink.mail_ids == [f"<{message(kind='confirmation')['mail_id']}>"] * 2


def test_a_lease_that_passed_on_marks_nothing(sink: Sink, standing_clock: Any) -> None:
    set_up()
    booked(NEXT_WEEK)
    (slow,) = claim()
    standing_clock.at(MONDAY + LEASE + timedelta(seconds=1))
    (quick,) = claim()
    delivery._settle(slow, MessageState.DEAD, "too slow")
    assert states()["confirmation"] == "sending"
    delivery._settle(quick, MessageState.SENT, "")
    assert states()["confirmation"] == "sent"


def test_workers_at_one_moment_send_each_message_once(app: Flask, sink: Sink, standing_clock: Any) -> None:
    set_up()
    for number in range(6):
        how = (
            {"email": f"guest{number}@example.com"}
            if number % 2
            else TEXTED | {"phone": f"+1818555020{number}"}
        )
        booked(NEXT_WEEK + timedelta(minutes=30 * number), first_name=f"Guest{number}", **how)
    workers, at = 3, standing_clock.now
    start = threading.Barrier(workers)

    def work(_: int) -> int:
        with app.app_context(), clock.turned_to(at):
            start.wait(20)
            claimed = 0
            while number := deliver_due(batch=1):
                claimed += number
            return claimed

    with ThreadPoolExecutor(workers) as crowd:
        claimed = list(crowd.map(work, range(workers)))
    assert sum(claimed) == 6
    assert sorted(sink.recipients) == [f"guest{number}@example.com" for number in (1, 3, 5)]
    assert len(text_files(app)) == 3
    assert {row["attempts"] for row in messages(kind="confirmation")} == {1}


def test_workers_share_the_queue(sink: Sink) -> None:
    set_up()
    for hour in range(3):
        booked(NEXT_WEEK + timedelta(hours=hour), email=f"guest{hour}@example.com")
    first, second = claim(2), claim(50)
    assert (len(first), len(second)) == (2, 1)
    assert not {one.id for one in first} & {one.id for one in second}


# A contact that is corrected


def corrected(visit: Any, email: str, token: str = "") -> str:
    return visits.correct_contact(
        visit.reference, token or visit.token, email, None, actor="t", key=f"contact {email}"
    )


def test_a_contact_corrected_in_the_last_moment_gets_the_reminder_and_the_old_one_gets_nothing(
    sink: Sink, standing_clock: Any
) -> None:
    set_up()
    visit = booked(NEXT_WEEK, email="wrong@example.com")
    drain()
    sink.taken.clear()
    standing_clock.at(THREE_DAYS_BEFORE)
    deliver_while(lambda: corrected(visit, "right@example.com"))
    drain()
    assert set(sink.recipients) == {"right@example.com"}
    subjects = sorted(str(mail["Subject"]).split(" ")[0] for mail in sink.taken)
    assert subjects == ["Reminder:", "Your"]


def test_a_contact_corrected_twice_in_the_last_moment_gets_the_reminder_once(
    sink: Sink, standing_clock: Any
) -> None:
    set_up()
    visit = booked(NEXT_WEEK, email="wrong@example.com")
    drain()
    sink.taken.clear()
    standing_clock.at(THREE_DAYS_BEFORE)
    deliver_while(
        lambda: corrected(visit, "right@example.com", corrected(visit, "wrong-as-well@example.com"))
    )
    drain()
    reminders = [mail["To"] for mail in sink.taken if "Reminder" in mail["Subject"]]
    assert (reminders, set(sink.recipients)) == (["right@example.com"], {"right@example.com"})


def test_a_reminder_that_was_put_off_goes_to_the_corrected_contact(sink: Sink, standing_clock: Any) -> None:
    set_up()
    visit = booked(NEXT_WEEK, email="wrong@example.com")
    drain()
    standing_clock.at(THREE_DAYS_BEFORE)
    sink.answer = "451 not now"
    drain()
    corrected(visit, "right@example.com")
    sink.answer = "250 OK"
    sink.taken.clear()
    standing_clock.on(minutes=1)
    drain()
    assert [mail["To"] for mail in sink.taken if "Reminder" in mail["Subject"]] == ["right@example.com"]


def test_the_reminders_of_a_corrected_contact_are_written_once(sink: Sink, standing_clock: Any) -> None:
    set_up()
    visit = booked(NEXT_WEEK, email="wrong@example.com", phone="+18185550123", reminders=Reminders.EMAIL)
    corrected(visit, "right@example.com")
    standing_clock.at(NEXT_WEEK - timedelta(hours=1))
    drain()
    kinds = [row["kind"] for row in messages(state="sent")]
    assert sorted(kinds) == ["confirmation", "reminder-1d", "reminder-3d"]
    assert set(sink.recipients) == {"right@example.com"}


# Links again


def test_links_go_to_the_contact_that_asked_and_to_nobody_else(sink: Sink) -> None:
    set_up()
    mine = booked(NEXT_WEEK)
    other = booked(NEXT_WEEK + timedelta(hours=1), first_name="Omar", email="omar@example.com")
    drain()
    sink.taken.clear()
    links_again.ask("rosa@example.com")
    drain()
    (mail,) = sink.taken
    text = mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert mail["To"] == "rosa@example.com"
    assert mine.token in text and other.reference not in text


@pytest.mark.parametrize("unknown", ["nobody@example.com", "+18185550999"])
def test_a_contact_that_nobody_knows_costs_the_same_row_and_gets_nothing(
    app: Flask, sink: Sink, unknown: str
) -> None:
    set_up()
    booked(NEXT_WEEK, phone="+18185550123")
    drain()
    sink.taken.clear()
    for contact in ("rosa@example.com", unknown):
        before = len(messages())
        links_again.ask(contact)
        assert len(messages()) == before + 1
    drain()
    assert sink.recipients == ["rosa@example.com"]
    assert text_files(app) == []
    assert message(address=unknown)["state"] == "dropped"
