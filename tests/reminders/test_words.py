"""What each message says, letter by letter, with the demo clinic's names: golden files in `words/`.

After a change of words that is meant: `GOLDEN=write pytest tests/reminders/test_words.py`, then read the difference.
"""

import os
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from email.message import EmailMessage
from functools import cache
from html.parser import HTMLParser
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from icalendar import Calendar
from sqlalchemy import select

from booking.demo import making
from booking.models import Appointment, Channel, Message, Role, StaffAccount
from booking.reminders.composing import compose
from booking.services import booking, clinic_file, clinic_rows, inbound_texts, links, links_again, visits
from booking.services.booking import Booked
from booking.services.clinic import the_clinic
from booking.services.desk import statuses, undoing
from booking.services.rescheduling import reschedule
from booking.services.staff import accounts, letters, passwords
from booking.services.staff.who import Who
from booking.services.transaction import reading
from tests.clinics import set_up
from tests.conftest import standing
from tests.reminders.conftest import TEXTED, drain, mail_settings, messages
from tests.reminders.sink import Sink
from tests.services import making as visits_of_tests
from tests.services.making import NEXT_WEEK
from tests.staffing import hired

pytestmark = pytest.mark.usefixtures("standing_clock", "context")

WORDS = Path(__file__).with_name("words")
TREATMENTS = re.compile(
    r"acup|needl|cupping|moxa|moxi|stim|laser|chiro|adjust|massage|integrative|loose clothes", re.IGNORECASE
)
# What an ordinary phone sends as one letter each.
CHEAP_LETTERS = re.compile(r"[A-Za-z0-9 .,:;/()'+&!?-]*")
# No time of day takes more letters than half past ten.
LONG_TIME = NEXT_WEEK + timedelta(hours=1, minutes=30)


@pytest.fixture
def app(database_url: str, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    """The demo's clinic, at an address as long as a real one. References count up, so links are always the same."""
    number = count(1)
    monkeypatch.setattr(booking, "random_reference", lambda: f"CARE{next(number):06}")
    address = "https://visits.stillwater.example"
    with standing(database_url, **mail_settings(sink, BOOKING_BASE_URL=address)) as app:
        with app.app_context():
            set_up(_demo_clinic())
        yield app


@cache
def _demo_clinic() -> clinic_file.ClinicFile:
    return clinic_file.parse(making.FILE.read_text(encoding="utf-8"))


def booked(starts_at: Any = LONG_TIME, **how: Any) -> Booked:
    chosen = {"visit_type": "acupuncture-follow-up", "practitioner": "mei-tanaka"}
    return visits_of_tests.booked(starts_at, **(chosen | how))


def golden(name: str, said: str) -> None:
    """Compares with the file of this name, or writes it where that was asked for."""
    file = WORDS / f"{name}.txt"
    if os.environ.get("GOLDEN") == "write":
        file.write_text(said, encoding="utf-8")
    assert said == file.read_text(encoding="utf-8")


# Mails


class _Shown(HTMLParser):
    """A page's text and where its links lead, block by block. Refuses tags that don't pair."""

    _ALONE = ("meta", "br")
    _BLOCKS = ("p", "div", "title", "br")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.parts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self._ALONE:
            self.open.append(tag)
        if tag in self._BLOCKS:
            self.parts.append("\n")
        if tag == "a":
            self.parts.append(f"[{dict(attrs)['href']}] ")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.parts.append(re.sub(r"\s+", " ", data))


def shown(html: str) -> str:
    page = _Shown()
    page.feed(html)
    page.close()
    assert page.open == []
    lines = (line.strip() for line in "".join(page.parts).splitlines())
    return "\n".join(line for line in lines if line)


def parts_of(mail: EmailMessage) -> dict[str, str]:
    """Each part of a mail by its name, decoded; the calendar's long lines put together again."""
    parts = {f"{name}": str(mail[name]) for name in ("Subject", "From", "To", "Reply-To")}
    for part in mail.walk():
        content = part.get_payload(decode=True)
        if not isinstance(content, bytes):
            continue
        words = content.decode().replace("\r\n", "\n")
        if part.get_content_type() == "text/html":
            words = shown(words)
        elif part.get_content_type() == "text/calendar":
            words = words.replace("\n ", "")
        parts[part.get_content_type()] = words
    return parts


def written_out(parts: dict[str, str]) -> str:
    said = "\n".join(f"=== {name}\n{words.strip()}\n" for name, words in parts.items())
    # What opens an account is made by chance and by the minute.
    return re.sub(r"(/staff/(?:invitation|reset)/)[\w.-]+", r"\1…", said)


def confirmation(standing_clock: Any) -> None:
    booked()


def confirmation_past_its_cut_off(standing_clock: Any) -> None:
    standing_clock.at(LONG_TIME - timedelta(hours=23))
    booked()


def confirmation_of_a_corrected_contact(standing_clock: Any) -> None:
    visit = booked(email="wrong@example.com")
    drain()
    visits.correct_contact(visit.reference, visit.token, "rosa@example.com", None, actor="t", key="contact")


def change(standing_clock: Any) -> None:
    visit = booked(NEXT_WEEK)
    reschedule(visit.reference, visit.token, LONG_TIME, None, actor="t", key="m")


def change_past_its_cut_off(standing_clock: Any) -> None:
    visit = booked(NEXT_WEEK + timedelta(days=1, hours=1))
    standing_clock.at(LONG_TIME - timedelta(hours=23))
    reschedule(visit.reference, visit.token, LONG_TIME, None, actor="t", key="m")


def cancellation(standing_clock: Any) -> None:
    visit = booked()
    visits.cancel(visit.reference, visit.token, "I have a cold.", actor="t", key="c")


def cancellation_by_the_clinic(standing_clock: Any) -> None:
    visit = booked()
    statuses.cancel(hired(), visit.reference, reason="Mei is ill.", key="cancel-01")
    standing_clock.on(minutes=3)


def confirmation_by_the_clinic_after_all(standing_clock: Any) -> None:
    who, visit = hired(), booked()
    cancelled = statuses.cancel(who, visit.reference, reason="Mei is ill.", key="cancel-01")
    standing_clock.on(minutes=3)
    drain()
    undoing.undo(who, cancelled.entry_id or 0, key="undo-0001")
    standing_clock.on(minutes=3)


def reminder(standing_clock: Any) -> None:
    booked()
    standing_clock.at(LONG_TIME - timedelta(days=3))


def reminder_past_its_cut_off(standing_clock: Any) -> None:
    booked()
    standing_clock.at(LONG_TIME - timedelta(hours=23))


def cannot_come(standing_clock: Any) -> None:
    visit = booked()
    standing_clock.at(LONG_TIME - timedelta(hours=3))
    visits.cannot_come(visit.reference, visit.token, actor="t", key="c")


def comes_after_all(standing_clock: Any) -> None:
    cannot_come(standing_clock)
    (visit,) = visits_of_tests.rows(Appointment)
    visits.confirm(visit["reference"], links.token(visit["reference"], 1), actor="t", key="y")


def links_wanted(standing_clock: Any) -> None:
    booked()
    booked(NEXT_WEEK + timedelta(days=1, hours=1), visit_type="massage-60", practitioner="rosa-delgado")
    drain()
    links_again.ask("rosa@example.com")


def _hired() -> int:
    invited = accounts.invite(accounts.OPERATOR, "dana@stillwater.example", [Role.DESK], name="Dana Desk")
    return invited.number


def staff_invitation(_: Any) -> None:
    _hired()


def staff_password(_: Any) -> None:
    _hired()
    mark = invitation_mark()
    who = Who(
        accounts.accept(mark, name="Dana Desk", password="a kettle on the stove", pin="271828"),
        "Dana",
        frozenset(),
    )
    passwords.change_password(who, "a kettle on the stove", "a kettle off the stove")


def staff_reset(_: Any) -> None:
    _hired()
    accounts.accept(invitation_mark(), name="Dana Desk", password="a kettle on the stove", pin="271828")
    passwords.ask_to_reset("dana@stillwater.example")


def invitation_mark() -> str:
    with reading() as session:
        return letters.invitation_mark(session.scalars(select(StaffAccount)).one())


MAILS = (
    staff_invitation,
    staff_password,
    staff_reset,
    confirmation,
    confirmation_past_its_cut_off,
    confirmation_of_a_corrected_contact,
    change,
    change_past_its_cut_off,
    cancellation,
    cancellation_by_the_clinic,
    confirmation_by_the_clinic_after_all,
    reminder,
    reminder_past_its_cut_off,
    cannot_come,
    comes_after_all,
    links_wanted,
)
PAST_THE_CUT_OFF = (confirmation_past_its_cut_off, change_past_its_cut_off, reminder_past_its_cut_off)


def name_of(story: Callable[..., Any]) -> str:
    return story.__name__.replace("_", "-")


def last_mail(story: Callable[[Any], None], standing_clock: Any, sink: Sink) -> dict[str, str]:
    """The parts of the mail that a story ends with."""
    story(standing_clock)
    drain()
    return parts_of(sink.taken[-1])


@pytest.mark.parametrize("story", MAILS, ids=name_of)
def test_a_mail_says_what_it_said_when_we_last_read_it(
    story: Callable[[Any], None], standing_clock: Any, sink: Sink
) -> None:
    said = last_mail(story, standing_clock, sink)
    golden(f"mail-{name_of(story)}", written_out(said))
    assert not TREATMENTS.search(written_out(said))
    if "text/calendar" in said:
        assert not TREATMENTS.search(str(Calendar.from_ical(said["text/calendar"])))


@pytest.mark.parametrize("story", PAST_THE_CUT_OFF, ids=name_of)
def test_past_the_cut_off_no_part_of_a_mail_offers_a_change(
    story: Callable[[Any], None], standing_clock: Any, sink: Sink
) -> None:
    said = last_mail(story, standing_clock, sink)
    for offer in ("change or cancel", "use this link"):
        assert [part for part, words in said.items() if offer in words] == []
    assert "(818) 555-0100" in said["text/plain"]


def test_a_cancelled_visit_leads_nowhere_in_the_calendar(standing_clock: Any, sink: Sink) -> None:
    calendar = last_mail(cancellation, standing_clock, sink)["text/calendar"]
    assert "METHOD:CANCEL" in calendar
    assert "link" not in calendar
    assert "https://" not in calendar


@pytest.mark.parametrize("story", [confirmation, reminder, cancellation], ids=name_of)
def test_the_text_part_and_the_html_part_lead_to_the_same_places(
    story: Callable[[Any], None], standing_clock: Any, sink: Sink
) -> None:
    said = last_mail(story, standing_clock, sink)
    addresses = re.compile(r"https://[^\s\]]+")
    assert set(addresses.findall(said["text/plain"])) == set(addresses.findall(said["text/html"])) != set()


# Texts


def text_confirmation(standing_clock: Any) -> None:
    booked(**TEXTED)


def text_confirmation_of_a_corrected_contact(standing_clock: Any) -> None:
    visit = booked(**TEXTED)
    drain()
    visits.correct_contact(visit.reference, visit.token, None, "+18185550188", actor="t", key="contact")


def text_change(standing_clock: Any) -> None:
    visit = booked(NEXT_WEEK, **TEXTED)
    reschedule(visit.reference, visit.token, LONG_TIME, None, actor="t", key="m")


def text_cancellation(standing_clock: Any) -> None:
    visit = booked(**TEXTED)
    visits.cancel(visit.reference, visit.token, "", actor="t", key="c")


def text_cancellation_by_the_clinic(standing_clock: Any) -> None:
    visit = booked(**TEXTED)
    # Texts of the clinic go from nine on.
    standing_clock.on(hours=2)
    statuses.cancel(hired(), visit.reference, reason="Mei is ill.", key="cancel-01")
    standing_clock.on(minutes=3)


def text_reminder(standing_clock: Any) -> None:
    booked(**TEXTED)
    standing_clock.at(LONG_TIME - timedelta(days=3))


def text_links(standing_clock: Any) -> None:
    booked(**TEXTED)
    links_again.ask("+18185550123")


def text_help(standing_clock: Any) -> None:
    inbound_texts.receive("+18185550123", "HELP", "SM1")


def text_message(standing_clock: Any) -> None:
    inbound_texts.receive("+18185550123", "running late", "SM1")


WITH_A_LINK = (
    text_confirmation,
    text_confirmation_of_a_corrected_contact,
    text_change,
    text_reminder,
    text_links,
)
TEXTS = (*WITH_A_LINK, text_cancellation, text_cancellation_by_the_clinic, text_help, text_message)


def last_text(story: Callable[[Any], None], standing_clock: Any) -> str:
    """The words of the text that a story ends with, as they would go out."""
    story(standing_clock)
    with reading() as session:
        row = session.get_one(Message, max(one["id"] for one in due_texts(standing_clock.now)))
        return compose(session, the_clinic(session), row).text


def due_texts(now: Any) -> list[dict[str, Any]]:
    return [row for row in messages(channel=Channel.TEXT, state="queued") if row["due_at"] <= now]


@pytest.mark.parametrize("story", TEXTS, ids=name_of)
def test_a_text_says_what_it_said_when_we_last_read_it(
    story: Callable[[Any], None], standing_clock: Any
) -> None:
    words = last_text(story, standing_clock)
    golden(name_of(story), words + "\n")
    assert not TREATMENTS.search(words)
    assert CHEAP_LETTERS.fullmatch(words)
    assert len(words) <= 160


@pytest.mark.parametrize("story", WITH_A_LINK, ids=name_of)
def test_a_text_about_a_visit_that_stands_has_room_for_its_link(
    story: Callable[[Any], None], standing_clock: Any
) -> None:
    words = last_text(story, standing_clock)
    (visit,) = visits_of_tests.rows(Appointment)
    assert links.short_address(visit["reference"], visit["link_number"]) in words


def test_letters_that_are_dear_are_written_with_cheap_ones(standing_clock: Any) -> None:
    definition = clinic_file.parse(making.FILE.read_text(encoding="utf-8"))
    about = definition.clinic.model_copy(update={"message_name": "Clínica “Ōsaka”"})
    clinic_rows.apply(definition.model_copy(update={"clinic": about}))
    words = last_text(text_confirmation, standing_clock)
    assert words.startswith("Clinica Osaka: booked for Mon, Sep 21, 10:30 am Pacific Time.")


def kind_of(story: Callable[..., Any]) -> str:
    """The template that a story reads."""
    return re.split("-past|-by-the-clinic|-of-a-corrected", name_of(story))[0]


def test_every_kind_of_message_that_we_write_is_read_here() -> None:
    """So that a new template doesn't go out unread."""
    templates = Path(making.__file__).parent.parent / "templates"
    kinds = {path.name.split(".")[0] for path in (templates / "mail").glob("*.subject.txt")}
    read = {kind_of(story).replace("links-wanted", "links") for story in MAILS}
    # `test_tomorrow` reads the practitioners' list of tomorrow, and `test_plan_words` what is said of plans.
    assert {kind for kind in kinds if not kind.startswith("plan-")} == read | {"tomorrow"}
    kinds = {path.name.split(".")[0] for path in (templates / "text").glob("*.txt")}
    read = {kind_of(story) for story in TEXTS}
    of_visits = {kind for kind in kinds if not kind.startswith("plan-")}
    assert {kind if kind.startswith("text-") else f"text-{kind}" for kind in of_visits} == read
