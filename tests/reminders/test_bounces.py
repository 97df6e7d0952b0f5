"""Mails that come back: reports of mail servers as they are, and what isn't one."""

from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage
from time import perf_counter
from typing import Any

import pytest
from flask import Flask

from booking.models import Patient, Reminders
from booking.reminders import bounces
from booking.services import visits
from booking.services.desk import calls, records, resending
from booking.services.desk.moving import Place, change
from booking.services.plans.changing import pause
from tests.clinics import plan_clinic, set_up
from tests.databases import free_port
from tests.reminders.conftest import drain, message, messages
from tests.reminders.sink import Sink
from tests.services.making import NEXT_WEEK, booked, rows
from tests.services.plans.making import FIRST_DAY, at, patient, prescribed, running
from tests.staffing import hired

pytestmark = pytest.mark.usefixtures("standing_clock", "context")

WORDS = "smtp; 550 5.1.1 <ada@mail.example>: no such user"


def report_of(
    mail: EmailMessage, *, action: str = "failed", words: str = WORDS, headers_only: bool = False
) -> bytes:
    """What a mail server writes to the sender of a mail."""
    returned = mail.as_bytes()
    if headers_only:
        returned = returned.split(b"\n\n", 1)[0] + b"\n"
    kind = b"text/rfc822-headers" if headers_only else b"message/rfc822"
    said = f"Diagnostic-Code: {words}\n" if words else ""
    return (
        b"From: MAILER-DAEMON@mail.example\nTo: visits@clinic.example\nSubject: Undelivered Mail\n"
        b'MIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary="part"\n\n'
        b"--part\nContent-Type: text/plain\n\nWe are sorry.\n\n"
        b"--part\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mail.example\n\n"
        b"Final-Recipient: rfc822; ada@mail.example\n"
        + f"Action: {action}\nStatus: 5.1.1\n{said}\n".encode()
        + b"--part\nContent-Type: " + kind + b"\n\n" + returned + b"\n--part--\n"
    )  # fmt: skip


def came_back(mail: bytes) -> bool:
    report = bounces.read(mail)
    return report is not None and bounces.receive(report)


def reminded(sink: Sink, standing_clock: Any, **contact: Any) -> EmailMessage:
    """Somebody with an address and a number, and the mail that reminded them."""
    set_up()
    booked(NEXT_WEEK, **contact or {"phone": "+18185550123"})
    standing_clock.at(NEXT_WEEK - timedelta(days=1))
    drain()
    return sink.taken[-1]


@pytest.mark.parametrize("headers_only", [False, True])
def test_whom_a_reminder_did_not_reach_is_called(sink: Sink, standing_clock: Any, headers_only: bool) -> None:
    mail = reminded(sink, standing_clock)
    assert came_back(report_of(mail, headers_only=headers_only))
    failed = message(kind="reminder-1d", channel="email")
    assert (failed["state"], failed["last_error"]) == ("dead", "It came back: 550 5.1.1 … no such user")
    drain()
    assert message(kind="reminder-1d", channel="call")["state"] == "to_call"
    assert [call.phone for call in calls.call_list(hired()).calls] == ["+18185550123"]


def test_the_same_report_twice_is_one_call(sink: Sink, standing_clock: Any) -> None:
    mail = reminded(sink, standing_clock)
    assert came_back(report_of(mail))
    assert not came_back(report_of(mail))
    assert len(messages(channel="call")) == 1


@pytest.mark.parametrize("words", ["", "5.7.1", "\udcff; 500 a@b " * 400])
def test_any_words_will_do(sink: Sink, standing_clock: Any, words: str) -> None:
    mail = reminded(sink, standing_clock)
    assert came_back(report_of(mail, words=words.encode("utf-8", "replace").decode()))
    assert message(kind="reminder-1d", channel="email")["last_error"].startswith("It came back: 5")


def test_a_mail_that_came_back_too_late_to_help_is_only_marked(sink: Sink, standing_clock: Any) -> None:
    mail = reminded(sink, standing_clock)
    standing_clock.at(NEXT_WEEK + timedelta(hours=3))
    assert came_back(report_of(mail))
    assert messages(channel="call") == []


def test_what_is_no_report_of_a_failure_changes_nothing(sink: Sink, standing_clock: Any) -> None:
    mail = reminded(sink, standing_clock)
    stranger = EmailMessage()
    stranger["Message-ID"] = "<nobody@elsewhere.example>"
    for other in (
        report_of(mail, action="delayed"),
        report_of(mail, action="delivered"),
        report_of(stranger),
        report_of(EmailMessage()),
        mail.as_bytes(),
        report_of(mail)[:400],
        b"",
        b"\xff\xfe\x00" * 100,
    ):
        assert not came_back(other)
    assert message(kind="reminder-1d")["state"] == "sent"


def test_whom_something_else_has_told_since_is_not_called(sink: Sink, standing_clock: Any) -> None:
    set_up()
    desk = hired()
    booked(NEXT_WEEK, phone="+18185550123")
    other = booked(NEXT_WEEK + timedelta(hours=2), first_name="Rosa", email="rosa@mail.example")
    drain()
    first, second = sink.taken
    ada = rows(Patient)[0]["reference"]
    values, version, _ahead = records.to_edit(desk, ada)
    right = replace(values, email="ada@right.example")
    records.edit(desk, ada, right, version=version, visits_too=True, key="correct the record")
    (sent,) = messages(subject=f"appointment/{other.reference}", kind="confirmation")
    resending.resend(desk, sent["id"], key="send again")
    drain()
    assert came_back(report_of(first)) and came_back(report_of(second))
    assert [row["settled_as"] for row in messages(state="dead")] == ["sent again", "sent again"]
    assert not calls.call_list(desk).calls


def test_who_has_no_address_any_more_is_called_about_the_change_that_came_back(
    sink: Sink, standing_clock: Any
) -> None:
    set_up()
    visit = booked(NEXT_WEEK, phone="+18185550123", reminders=Reminders.CALL)
    drain()
    place = Place(starts_at=NEXT_WEEK + timedelta(hours=1))
    change(hired(), visit.reference, place, version=None, reason="Ana is ill.", key="move-0001")
    standing_clock.on(minutes=3)
    drain()
    visits.correct_contact(visit.reference, visit.token, None, "+18185550123", actor="ada", key="contact-1")
    assert calls.call_list(hired()).calls == ()
    assert came_back(report_of(sink.taken[-1]))
    drain()
    (call,) = calls.call_list(hired()).calls
    assert (call.reference, call.kind, call.why.value) == (visit.reference, "change", "unreachable")


@pytest.mark.parametrize(
    ("pauses", "about"), [(True, (1, "change", "unreachable")), (False, (0, "confirmation", "unreachable"))]
)
def test_whose_new_address_takes_no_mail_is_called_about_their_plan(
    sink: Sink, standing_clock: Any, pauses: bool, about: tuple[int, str, str]
) -> None:
    set_up(plan_clinic())
    made = running(prescribed(patient(email=None), "weekly"), reminders=Reminders.CALL)
    if pauses:
        pause(hired(), made.reference, FIRST_DAY, FIRST_DAY, "Away", key="pause-0001")
    drain()
    assert len(calls.call_list(hired()).calls) == pauses
    values = records.Values("Rosa", "Lima", "+18185550123", "rosa@nowhere.example")
    reference = rows(Patient)[0]["reference"]
    records.edit(hired(), reference, values, version=1, visits_too=True, key="edit-0001")
    drain()
    assert calls.call_list(hired()).calls == ()
    assert came_back(report_of(sink.taken[-1]))
    drain()
    (call,) = calls.call_list(hired()).calls
    number, *what = about
    assert (call.reference, call.kind, call.why.value) == (made.visits[number]["reference"], *what)
    assert message(kind="plan-confirmation", channel="email")["state"] == "dead"


def test_the_clinic_hears_that_its_own_mailbox_takes_no_mail(sink: Sink, standing_clock: Any) -> None:
    set_up()
    visit = booked(NEXT_WEEK)
    visits.cannot_come(visit.reference, visit.token, actor="t", key="cannot-1")
    drain()
    sent = message(kind="cannot-come", state="sent")
    (mail,) = [one for one in sink.taken if one["Message-ID"] == f"<{sent['mail_id']}>"]
    assert came_back(report_of(mail))
    failed = message(kind="cannot-come")
    assert (failed["state"], failed["settled_at"]) == ("dead", None)


def test_however_long_or_odd_a_report_is_it_is_read_at_once(sink: Sink, standing_clock: Any) -> None:
    mail = reminded(sink, standing_clock)
    begun = perf_counter()
    for words in ("x" * 2_000_000, "a@" * 1_000_000, "\x00\x07 no"):
        assert bounces.read(report_of(mail, words=words))
    assert perf_counter() - begun < 2
    nested = b"Content-Type: message/rfc822\r\n\r\n" * 2000
    assert bounces.read(nested) is None
    odd = EmailMessage()
    odd["Message-ID"] = "<" + "x" * 32 + "\x00@clinic.example>"
    assert not came_back(report_of(odd))


def test_what_was_told_along_comes_back_as_well(sink: Sink, standing_clock: Any) -> None:
    set_up(plan_clinic())
    running(prescribed(patient()))
    drain()
    standing_clock.at(at(FIRST_DAY - timedelta(days=1), 10, 30))
    drain()
    told = message(kind="reminder-1d", state="sent")
    (mail,) = [one for one in sink.taken if one["Message-ID"] == f"<{told['mail_id']}>"]
    assert came_back(report_of(mail))
    drain()
    # Two visits of one day.
    assert [row["state"] for row in messages(kind="reminder-1d", channel="call")] == ["to_call", "to_call"]


def test_the_command_reads_what_the_mail_server_gives_it(app: Flask, sink: Sink, standing_clock: Any) -> None:
    mail = report_of(reminded(sink, standing_clock))
    run = app.test_cli_runner()

    def read(given: bytes) -> Any:
        return run.invoke(args=["messages", "bounced"], input=given)

    assert "no report" in read(b"Subject: Hello\n\nWhen do you open?").output
    marked = read(mail)
    assert (marked.exit_code, marked.output) == (0, "Marked as failed.\n")
    assert "No mail of ours" in read(mail).output


def test_while_there_is_no_database_the_mail_server_is_to_try_again(
    sink: Sink, standing_clock: Any, make_app: Any
) -> None:
    mail = report_of(reminded(sink, standing_clock))
    dead = make_app(f"postgresql://nobody@127.0.0.1:{free_port()}/nothing")
    with dead.app_context():
        later = dead.test_cli_runner().invoke(args=["messages", "bounced"], input=mail)
    assert later.exit_code == 75 and "try again later" in later.output
