"""Delivery: due, stale, refused, tried again, given up; and never twice."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from icalendar import Calendar
from sqlalchemy import update

from booking.errors import Busy
from booking.extensions import db
from booking.models import Message, MessageState, Reminders, TextConsent
from booking.reminders import delivery
from booking.reminders.delivery import LEASE, claim, deliver_due
from booking.services import inbound_texts, links_again, visits
from booking.services.rescheduling import reschedule
from tests.clinics import clinic, practitioner, set_up, visit_type
from tests.conftest import MONDAY
from tests.reminders.sink import Sink
from tests.services.making import NEXT_WEEK, booked, rows

pytestmark = pytest.mark.usefixtures("standing_clock", "context")

TEXTED: dict[str, Any] = {
    "phone": "+18185550123",
    "reminders": Reminders.TEXT,
    "text_consent": True,
    "email": None,
}


def drain() -> None:
    while deliver_due():
        pass


def states() -> dict[str, str]:
    return {row["kind"]: row["state"] for row in rows(Message)}


def texts(app: Flask) -> list[str]:
    return [path.read_text() for path in sorted(Path(app.instance_path, "mail").glob("*.txt"))]


def test_what_is_due_is_sent_and_what_is_not_waits(sink: Sink, standing_clock: Any) -> None:
    set_up()
    booked(NEXT_WEEK)
    drain()
    assert states() == {"confirmation": "sent", "reminder-3d": "queued", "reminder-1d": "queued"}
    standing_clock.at(NEXT_WEEK - timedelta(days=3))
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
    assert mail["Subject"] == "Your visit on Mon, Sep 21, 9:00 am"
    assert text.splitlines()[0] == "Monday, September 21, 2026, 9:00 am (Pacific Time)"
    assert f"http://visits.example/visit/{visit.reference}/{visit.token}" in text
    assert mail["From"] == "Palace <visits@clinic.example>"
    assert mail["Reply-To"] == "desk@clinic.example"
    assert "cupunct" not in mail.as_string() + text
    html = mail.get_body(("html",)).get_content()  # type: ignore[union-attr]
    assert visit.token in html and "cupunct" not in html


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


def test_a_batch_goes_over_one_connection(sink: Sink) -> None:
    set_up()
    for hour in range(3):
        booked(NEXT_WEEK + timedelta(hours=hour), email=f"guest{hour}@example.com")
    drain()
    assert (len(sink.taken), sink.connections) == (3, 1)


def test_a_message_that_is_no_longer_true_is_not_sent(sink: Sink) -> None:
    set_up()
    visit = booked(NEXT_WEEK)
    claimed = claim()
    visits.cancel(visit.reference, visit.token, "", actor="t", key="c")
    with delivery.mailer() as mails, delivery.texter() as sms:
        for one in claimed:
            delivery._deliver(one, mails, sms)
    assert sink.taken == []
    assert states()["confirmation"] == "dropped"


def test_a_reminder_that_comes_too_late_is_dropped(sink: Sink, standing_clock: Any) -> None:
    set_up()
    booked(NEXT_WEEK)
    standing_clock.at(NEXT_WEEK - timedelta(minutes=29))
    drain()
    assert set(states().values()) == {"dropped", "sent"}
    assert [mail["Subject"].split(":")[0] for mail in sink.taken] == ["Your visit on Mon, Sep 21, 9"]


@pytest.mark.parametrize(
    ("says", "state"), [("450 try later", "queued"), ("550 no such person", "dead"), ("451 later", "queued")]
)
def test_what_the_server_says_decides(sink: Sink, says: str, state: str) -> None:
    set_up()
    booked(NEXT_WEEK)
    sink.to_recipient = says
    drain()
    assert states()["confirmation"] == state


def test_a_dead_server_is_tried_again_until_it_is_too_late(sink: Sink, standing_clock: Any) -> None:
    set_up()
    booked(NEXT_WEEK)
    sink.answer = "451 not now"
    waits = []
    for _ in range(4):
        before = standing_clock.now
        drain()
        (row,) = [row for row in rows(Message) if row["kind"] == "confirmation"]
        assert row["state"] == "queued"
        due = row["due_at"].replace(tzinfo=MONDAY.tzinfo)
        waits.append((due - before).total_seconds())
        standing_clock.at(due)
    assert all(
        low <= wait <= high
        for wait, (low, high) in zip(waits, [(24, 36), (96, 144), (240, 360), (720, 1080)], strict=True)
    )
    sink.answer = "250 OK"
    drain()
    assert states()["confirmation"] == "sent"


def test_a_silent_server_keeps_nobody_waiting_for_ever(sink: Sink) -> None:
    set_up()
    booked(NEXT_WEEK)
    sink.stall = 3
    drain()
    (row,) = [row for row in rows(Message) if row["kind"] == "confirmation"]
    assert (row["state"], row["attempts"]) == ("queued", 1)


def test_a_mail_cut_off_after_the_final_dot_is_sent_again_with_the_same_id(
    sink: Sink, standing_clock: Any
) -> None:
    set_up()
    booked(NEXT_WEEK)
    sink.die_after_dot = True
    drain()
    assert states()["confirmation"] == "queued"
    sink.die_after_dot = False
    standing_clock.on(minutes=1)
    drain()
    assert states()["confirmation"] == "sent"
    assert len(sink.mail_ids) == 2
    assert len(set(sink.mail_ids)) == 1


def test_what_a_dead_worker_held_is_taken_up_by_another(sink: Sink, standing_clock: Any) -> None:
    set_up()
    booked(NEXT_WEEK)
    assert len(claim()) == 1
    assert claim() == []
    standing_clock.at(MONDAY + LEASE + timedelta(seconds=1))
    drain()
    assert states()["confirmation"] == "sent"


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

    def confirmations() -> dict[str, str]:
        return {row["address"]: row["state"] for row in rows(Message) if row["kind"] == "confirmation"}

    with monkeypatch.context() as patched:
        patched.setattr(delivery, "compose", fails_for_one)
        drain()
    assert confirmations() == {"rosa@example.com": "queued", "other@example.com": "sent"}
    standing_clock.on(minutes=1)
    drain()
    assert confirmations() == {"rosa@example.com": "sent", "other@example.com": "sent"}


# Texts


def test_texts_are_simulated_and_say_so(app: Flask) -> None:
    set_up()
    booked(NEXT_WEEK, **TEXTED)
    drain()
    assert states()["confirmation"] == "simulated"
    (text,) = texts(app)
    words = text.split("\n\n", 1)[1].strip()
    assert words.startswith("Test Clinic: booked for Mon, Sep 21, 9:00 am Pacific Time.")
    assert words.endswith("Reply STOP to end.")
    assert len(words) <= 160


def test_no_text_goes_in_quiet_hours(standing_clock: Any) -> None:
    early = practitioner(hours={"monday": ["8:00-12:00"], "tuesday": ["8:00-12:00"]})
    set_up(clinic(practitioners=[early]))
    start = NEXT_WEEK - timedelta(hours=1)  # 8 am: three days before is outside text hours.
    booked(start, **TEXTED)
    (row,) = [row for row in rows(Message) if row["kind"] == "reminder-3d"]
    assert row["due_at"].replace(tzinfo=MONDAY.tzinfo) == start - timedelta(days=3) + timedelta(hours=1)


def test_an_answer_is_not_bound_by_quiet_hours(app: Flask, standing_clock: Any) -> None:
    set_up()
    standing_clock.at(MONDAY - timedelta(hours=3))
    booked(NEXT_WEEK, **TEXTED)
    drain()
    assert states()["confirmation"] == "simulated"


def test_stop_is_honoured_at_once_and_the_reminder_goes_another_way(sink: Sink, standing_clock: Any) -> None:
    set_up()
    booked(NEXT_WEEK, **(TEXTED | {"email": "rosa@example.com"}))
    assert inbound_texts.receive("+18185550123", "Stop!", "SM1") == "stop"
    standing_clock.at(NEXT_WEEK - timedelta(days=3) + timedelta(hours=2))
    drain()
    reminders = {(row["channel"], row["state"]) for row in rows(Message) if row["kind"] == "reminder-3d"}
    assert reminders == {("text", "dropped"), ("email", "sent")}
    assert [mail["To"] for mail in sink.taken if "Reminder" in mail["Subject"]] == ["rosa@example.com"]


def test_a_text_without_consent_becomes_a_mail_or_a_call(sink: Sink, standing_clock: Any) -> None:
    set_up()
    booked(NEXT_WEEK, **(TEXTED | {"email": "rosa@example.com"}))
    booked(NEXT_WEEK + timedelta(hours=1), **(TEXTED | {"phone": "+18185550124", "first_name": "Omar"}))
    with db.engine.begin() as connection:
        connection.execute(TextConsent.__table__.delete())
    standing_clock.at(NEXT_WEEK - timedelta(days=3) + timedelta(hours=2))
    drain()
    other = {(row["kind"], row["channel"], row["state"]) for row in rows(Message) if row["channel"] != "text"}
    assert ("reminder-3d", "email", "sent") in other
    assert ("reminder-3d", "call", "to_call") in other


def test_at_most_one_text_a_day(app: Flask, standing_clock: Any) -> None:
    set_up()
    for hour in range(2):
        booked(NEXT_WEEK + timedelta(hours=hour), **TEXTED)
    standing_clock.at(NEXT_WEEK - timedelta(days=3) + timedelta(hours=2))
    drain()
    reminders = [row for row in rows(Message) if row["kind"] == "reminder-3d"]
    assert sorted(row["state"] for row in reminders) == ["queued", "simulated"]
    (waiting,) = [row for row in reminders if row["state"] == "queued"]
    assert waiting["due_at"].replace(tzinfo=MONDAY.tzinfo) == NEXT_WEEK - timedelta(days=2)
    assert waiting["attempts"] == 0


@pytest.mark.parametrize(
    ("words", "meaning"),
    [
        ("STOP", "stop"), ("stop please", "stop"), ("STOP ALL", "stop"), ("Opt me out", "stop"), ("don’t text me", "stop"),
        ("ＳＴＯＰ", "stop"), ("Is there a bus stop near you?", "message"), ("Can I stop by on Friday?", "message"), ("Please stop texting me", "stop"), ("Unsubscribe.", "stop"),
        ("don't text me any more", "stop"), ("START", "start"), ("help", "help"), ("running late, sorry", "message"),
        ("cancel", "stop"), ("", "message"),
    ],
)  # fmt: skip
def test_inbound_texts_are_understood(words: str, meaning: str) -> None:
    set_up()
    assert inbound_texts.receive("+18185550123", words, "SM1") == meaning
    assert inbound_texts.receive("+18185550123", "something else", "SM1") == meaning


def test_a_text_to_us_is_kept_and_answered_once(app: Flask) -> None:
    set_up()
    for number in range(3):
        inbound_texts.receive("+18185550123", "running late", f"SM{number}")
    drain()
    assert [text.split("\n\n", 1)[1].strip() for text in texts(app)] == [
        "Test Clinic: We don't read texts right away. Please call (818) 555-0100."
    ]


# Links again


def test_links_go_to_the_contact_that_asked_and_to_nobody_else(sink: Sink) -> None:
    set_up()
    mine = booked(NEXT_WEEK)
    other = booked(NEXT_WEEK + timedelta(hours=1), first_name="Omar", email="omar@example.com")
    drain()
    sink.taken.clear()
    links_again.ask("rosa@example.com")
    links_again.ask("nobody@example.com")
    drain()
    (mail,) = sink.taken
    text = mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert mail["To"] == "rosa@example.com"
    assert mine.token in text and other.reference not in text
    assert sorted(row["state"] for row in rows(Message) if row["kind"] == "links") == ["dropped", "sent"]


def test_what_is_kept_of_a_message_opens_nothing(sink: Sink) -> None:
    set_up()
    visit = booked(NEXT_WEEK)
    drain()
    (row,) = [row for row in rows(Message) if row["kind"] == "confirmation"]
    assert visit.reference in row["sent_text"]
    assert visit.token not in row["sent_text"]


def test_a_number_of_workers_share_the_queue(sink: Sink) -> None:
    set_up()
    for hour in range(4):
        booked(NEXT_WEEK + timedelta(hours=hour % 3, days=hour // 3), email=f"guest{hour}@example.com")
    first, second = claim(2), claim(50)
    assert len(first) == 2
    assert len(second) == 2
    assert not {one.id for one in first} & {one.id for one in second}
    with db.engine.begin() as connection:
        connection.execute(update(Message).values(lease=None))
