"""What each message about a plan says, letter by letter: golden files in `words/`, as in `test_words`."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from icalendar import Calendar

from booking import clock
from booking.demo import making as demo
from booking.models import Message, Patient, Plan, Reminders
from booking.reminders.composing import compose
from booking.services import notices
from booking.services.clinic import the_clinic
from booking.services.desk import records, statuses
from booking.services.desk.moving import Place, change as move
from booking.services.plans import changing, prescribing, recording
from booking.services.plans.as_it_was import all_visits
from booking.services.plans.booking import BookedPlan, book
from booking.services.transaction import reading, run
from tests.clinics import plan_clinic, set_up
from tests.conftest import standing
from tests.reminders.conftest import drain, mail_settings, message
from tests.reminders.sink import Sink
from tests.reminders.test_words import CHEAP_LETTERS, TREATMENTS, golden, parts_of, written_out
from tests.services.making import rows
from tests.services.plans.making import (
    FIRST_DAY,
    at,
    patient,
    practitioner,
    prescribed,
    proposed,
    running,
    seen,
    wish,
)
from tests.staffing import hired

pytestmark = pytest.mark.usefixtures("standing_clock", "context")

BY_TEXT: dict[str, Any] = {
    "email": None,
    "phone": "+18185550123",
    "reminders": Reminders.TEXT,
    "text_consent": True,
}


@pytest.fixture
def app(database_url: str, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    """A clinic with plans, at an address as long as a real one. References count up, so links are always the same."""
    number = count(1)
    for module in (prescribing, recording):
        monkeypatch.setattr(module, "random_reference", lambda: f"CARE{next(number):06}")
    address = "https://visits.stillwater.example"
    with standing(database_url, **mail_settings(sink, BOOKING_BASE_URL=address)) as app:
        with app.app_context():
            set_up(plan_clinic(about={"message_name": "Stillwater Care"}))
        yield app


def weekly(**how: Any) -> BookedPlan:
    """Six visits, one a week, all firm."""
    return running(prescribed(patient(), "weekly"), **how)


def gentle(**how: Any) -> BookedPlan:
    """Begun by the patient: only the first visits are firm."""
    (proposal, *_) = proposed("disc-gentle")
    return book(wish(proposal, "disc-gentle", **how), actor="t", key="gentle")


def link(_: Any) -> None:
    prescribed(patient(), "weekly")


def confirmation(_: Any) -> None:
    weekly()


def confirmation_of_penciled_visits(_: Any) -> None:
    gentle()


def with_a_corrected_address() -> None:
    """The desk finds that the patient's address was written wrongly, once what there is to tell has gone there."""
    drain()
    (rosa,) = rows(Patient)
    right = records.Values("Rosa", "Lima", rosa["phone"], "rosa@mail.example.com")
    records.edit(hired(), rosa["reference"], right, version=1, visits_too=True, key="edit-0001")


def link_of_a_corrected_contact(_: Any) -> None:
    prescribed(patient(), "weekly")
    with_a_corrected_address()


def confirmation_of_a_corrected_contact(_: Any) -> None:
    weekly()
    with_a_corrected_address()


def change(standing_clock: Any) -> None:
    made = gentle()
    changing.confirm(practitioner(), made.reference, key="confirm-1")
    standing_clock.on(minutes=3)


def change_that_cancels_all(standing_clock: Any) -> None:
    made = weekly()
    changing.stop(practitioner(), made.reference, "Gone abroad.", key="stop-0001")
    standing_clock.on(minutes=3)


def change_that_leaves_no_others(standing_clock: Any) -> None:
    """Each visit that stands is a new one: no list stands twice."""
    made = weekly()
    statuses.cancel(hired(), made.visits[0]["reference"], tell=False, key="cancel-1")
    drain()

    def action(session: Any) -> None:
        plan, clinic = session.query(Plan).filter_by(reference=made.reference).one(), the_clinic(session)
        first, *others = all_visits(session, plan)
        knew = notices.as_known(clinic, [first]) | notices.never_known(others)
        notices.plan_changed(session, clinic, plan, [], clock.now(), knew)

    run(action)
    standing_clock.on(minutes=5)


def make_up(_: Any) -> None:
    made = weekly()
    statuses.cancel(hired(), made.visits[1]["reference"], tell=False, key="cancel-1")
    _offered(made)


def _offered(made: BookedPlan) -> None:
    run(
        lambda session: notices.make_up_offered(
            session, session.query(Plan).filter_by(reference=made.reference).one(), clock.now()
        )
    )


def digest(standing_clock: Any) -> None:
    running(prescribed(patient(), "disc"))
    standing_clock.at(at(FIRST_DAY - timedelta(days=3), 10))


def day(standing_clock: Any) -> None:
    digest(standing_clock)
    drain()
    standing_clock.at(at(FIRST_DAY - timedelta(days=1), 10, 30))


def change_of_several_visits_by_the_clinic(standing_clock: Any) -> None:
    made, who = weekly(), hired()
    for number in (1, 3):
        visit = made.visits[number]["reference"]
        statuses.cancel(who, visit, reason="Mei is ill.", key=f"cancel-{number}")
    standing_clock.on(minutes=3)


def change_of_the_plan_and_of_another_visit(standing_clock: Any) -> None:
    made, who = weekly(), hired()
    second, fourth, fifth = (seen(made).visits[number] for number in (1, 3, 4))
    drain()
    later = Place(starts_at=fourth.starts_at + timedelta(hours=1))
    move(who, fourth.reference, later, version=None, reason="Mei is late.", key="move-0001")
    statuses.cancel(who, fifth.reference, reason="Mei is ill.", key="cancel-01")
    away = second.starts_at.date()
    changing.pause(who, made.reference, away, away, "Away", tell=True, key="pause-0001")
    standing_clock.on(minutes=3)


def move_of_a_penciled_visit(standing_clock: Any) -> None:
    made = gentle()
    penciled = next(one for one in seen(made).visits if one.penciled)
    drain()
    later = Place(starts_at=penciled.starts_at + timedelta(hours=1))
    move(hired(), penciled.reference, later, version=None, reason="Mei is late.", key="move-0001")
    standing_clock.on(minutes=3)


MAILS = (
    day,
    move_of_a_penciled_visit,
    change_of_the_plan_and_of_another_visit,
    change_of_several_visits_by_the_clinic,
    link,
    confirmation,
    confirmation_of_penciled_visits,
    link_of_a_corrected_contact,
    confirmation_of_a_corrected_contact,
    change,
    change_that_cancels_all,
    change_that_leaves_no_others,
    make_up,
    digest,
)


def name_of(story: Callable[..., Any]) -> str:
    return "plan-" + story.__name__.replace("_", "-")


@pytest.mark.parametrize("story", MAILS, ids=name_of)
def test_a_mail_says_what_it_said_when_we_last_read_it(
    story: Callable[[Any], None], standing_clock: Any, sink: Sink
) -> None:
    story(standing_clock)
    drain()
    said = parts_of(sink.taken[-1])
    golden(f"mail-{name_of(story)}", written_out(said))
    assert not TREATMENTS.search(written_out(said))
    if "text/calendar" in said:
        assert not TREATMENTS.search(str(Calendar.from_ical(said["text/calendar"])))


def text_link(_: Any) -> None:
    prescribed(patient(email=None), "weekly")
    run(lambda session: _as_texts(session))


def _as_texts(session: Any) -> None:
    plan = session.query(Plan).one()
    plan.email, plan.phone, plan.reminders = None, BY_TEXT["phone"], Reminders.TEXT
    notices.plan_prescribed(session, plan, clock.now())


def text_confirmation(_: Any) -> None:
    gentle(**BY_TEXT)


def text_change(_: Any) -> None:
    made = gentle(**BY_TEXT)
    changing.confirm(practitioner(), made.reference, key="confirm-1")


def text_make_up(_: Any) -> None:
    _offered(gentle(**BY_TEXT))


def text_digest(standing_clock: Any) -> None:
    made = gentle(**BY_TEXT)
    changing.confirm(practitioner(), made.reference, key="confirm-1")
    standing_clock.at(at(FIRST_DAY - timedelta(days=3), 10))


TEXTS = (text_link, text_confirmation, text_change, text_make_up, text_digest)


@pytest.mark.parametrize("story", TEXTS, ids=name_of)
def test_a_text_says_what_it_said_when_we_last_read_it_and_has_room_for_its_link(
    story: Callable[[Any], None], standing_clock: Any
) -> None:
    story(standing_clock)
    kind = name_of(story).replace("plan-text-", "plan-")
    with reading() as session:
        due = [row["id"] for row in rows(Message) if row["kind"] == kind and row["channel"] == "text"]
        words = compose(session, the_clinic(session), session.get_one(Message, due[0])).text
    golden(name_of(story).replace("plan-text", "text-plan"), words + "\n")
    assert not TREATMENTS.search(words)
    assert CHEAP_LETTERS.fullmatch(words)
    assert len(words) <= 160
    assert "https://visits.stillwater.example/plan/" in words


def test_every_kind_of_message_about_plans_is_read_here() -> None:
    templates = Path(demo.__file__).parent.parent / "templates"
    mails = {path.name.split(".")[0] for path in (templates / "mail").glob("plan-*.subject.txt")}
    texts = {path.name.split(".")[0] for path in (templates / "text").glob("plan-*.txt")}
    read = {name_of(story).split("-of-")[0].split("-that-")[0] for story in MAILS}
    # A visit of a plan that is moved alone has a message of its own.
    assert mails == read - {"plan-move"}
    # `test_sharing` reads the text of a day.
    assert texts == {name_of(story).replace("plan-text-", "plan-") for story in TEXTS} | {"plan-day"}


def test_the_calendar_has_every_visit_under_its_own_uid(standing_clock: Any, sink: Sink) -> None:
    made = weekly()
    drain()
    calendar = Calendar.from_ical(parts_of(sink.taken[-1])["text/calendar"])
    uids = [str(event["uid"]).partition("@")[0] for event in calendar.walk("VEVENT")]
    assert uids == [visit["reference"] for visit in made.visits]
    assert calendar["method"] == "PUBLISH"


def test_a_confirmation_that_was_late_shows_the_visits_as_they_stand_then(
    standing_clock: Any, sink: Sink
) -> None:
    made = weekly()
    changing.stop(practitioner(), made.reference, "Gone abroad.", key="stop-0001")
    drain()
    assert message(kind="plan-confirmation")["last_error"] == "No visit stands in that week."


def test_each_visit_of_a_long_plan_has_a_line_of_its_own(standing_clock: Any, sink: Sink) -> None:
    """Servers refuse lines of more than 998 octets; only what a template writes in one goes encoded."""
    made = running(prescribed(patient()))
    assert len(made.visits) > 11
    drain()
    changing.stop(practitioner(), made.reference, "Gone abroad.", key="stop-0001")
    standing_clock.on(minutes=3)
    drain()
    assert [mail["Subject"].partition(":")[0] for mail in sink.taken[-1:]] == ["Cancelled"]
    for mail in sink.taken:
        encoded = {part["Content-Transfer-Encoding"] for part in mail.walk() if not part.is_multipart()}
        assert "quoted-printable" not in encoded
        assert max(map(len, mail.as_bytes().splitlines())) < 500


def test_a_cancelled_visit_leads_to_other_times_for_it(standing_clock: Any, sink: Sink) -> None:
    made = weekly()
    drain()
    statuses.cancel(hired(), made.visits[1]["reference"], reason="Mei is ill.", key="cancel-1")
    standing_clock.on(minutes=3)
    drain()
    parts = parts_of(sink.taken[-1])
    for kind in ("text/plain", "text/html"):
        assert f"/plan/{made.reference}/{made.token}/make-up" in parts[kind]


def test_a_link_goes_only_while_nothing_is_booked(sink: Sink) -> None:
    weekly()
    drain()
    assert message(kind="plan-link")["last_error"] == "The plan is running."
