"""What the clinic changes is told in three minutes, keeps quiet hours, and reaches whoever would else come in vain."""

from datetime import timedelta
from typing import Any

import pytest

from booking.models import Reminders
from booking.scheduling.status import Status
from booking.services import visits
from booking.services.desk import calls, new_visit, statuses
from booking.services.desk.moving import Place, change
from booking.services.desk.new_visit import DeskWish, NewPatient
from booking.services.desk.undoing import undo
from tests.clinics import clinic, every_day, practitioner, set_up
from tests.reminders.conftest import TEXTED, drain, messages, ways
from tests.reminders.sink import Sink
from tests.services.making import NEXT_WEEK, booked
from tests.staffing import hired

pytestmark = pytest.mark.usefixtures("standing_clock", "context")

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
BOTH = TEXTED | {"email": "rosa@example.com", "reminders": Reminders.BOTH}


@pytest.fixture
def early(context: Any, standing_clock: Any) -> None:
    """A clinic that opens at seven; texts may go from nine to seven."""
    set_up(clinic(hours=every_day("7:00-20:00"), practitioners=[practitioner(hours=every_day("7:00-17:00"))]))


def moved(reference: str, key: str = "move-0001", **how: Any) -> int:
    changed = change(hired(), reference, Place(**how), version=None, reason="Ana is ill.", key=key)
    assert changed.entry_id
    return changed.entry_id


def test_a_change_goes_after_three_minutes_and_never_if_it_is_undone(
    early: None, sink: Sink, standing_clock: Any
) -> None:
    visit = booked(NEXT_WEEK)
    drain()
    entry = moved(visit.reference, starts_at=NEXT_WEEK + HOUR)
    standing_clock.on(minutes=2, seconds=59)
    drain()
    assert ways("change") == {("email", "queued")}
    undo(hired(), entry, key="undo-0001")
    standing_clock.on(minutes=5)
    drain()
    assert ways("change") == {("email", "dropped")}
    moved(visit.reference, "move-0002", starts_at=NEXT_WEEK + 2 * HOUR)
    standing_clock.on(minutes=3)
    drain()
    assert ("email", "sent") in ways("change")


def test_a_text_of_the_clinic_keeps_quiet_hours(early: None, standing_clock: Any) -> None:
    visit = booked(NEXT_WEEK, **TEXTED)
    drain()
    standing_clock.at(NEXT_WEEK - timedelta(days=3) + 11 * HOUR)  # Eight in the evening.
    moved(visit.reference, starts_at=NEXT_WEEK + HOUR)
    standing_clock.on(minutes=4)
    drain()
    (row,) = [row for row in messages() if row["kind"] == "change"]
    assert (row["channel"], row["state"]) == ("text", "queued")
    assert row["due_at"] == NEXT_WEEK - timedelta(days=2)
    standing_clock.at(row["due_at"])
    drain()
    assert ways("change") == {("text", "simulated")}


def test_who_would_come_before_texts_may_go_is_told_from_six_on_and_called(
    early: None, standing_clock: Any
) -> None:
    start = NEXT_WEEK - HOUR - HOUR  # Seven in the morning.
    visit = booked(start, **TEXTED)
    drain()
    standing_clock.at(start - 11 * HOUR)  # Eight in the evening before.
    moved(visit.reference, starts_at=NEXT_WEEK + 5 * HOUR)
    standing_clock.on(minutes=4)
    drain()
    assert ways("change") == {("text", "queued"), ("call", "to_call")}
    standing_clock.at(start - HOUR - MINUTE)
    drain()
    assert ("text", "queued") in ways("change")
    standing_clock.at(start - HOUR)
    drain()
    assert ways("change") == {("text", "simulated"), ("call", "to_call")}


def test_a_mail_of_that_kind_goes_at_once_and_its_reader_is_called_too(
    early: None, standing_clock: Any
) -> None:
    start = NEXT_WEEK - 2 * HOUR
    visit = booked(start, **BOTH)
    drain()
    standing_clock.at(start - 2 * HOUR)
    statuses.cancel(hired(), visit.reference, reason="Ana is ill.", key="cancel-01")
    standing_clock.on(minutes=3)
    drain()
    assert ways("cancellation") == {("email", "sent"), ("call", "to_call")}


def test_a_call_that_nobody_has_made_goes_with_the_change_that_it_tells_of(
    early: None, standing_clock: Any
) -> None:
    visit = booked(NEXT_WEEK, email=None, phone="+18185550123", reminders=Reminders.CALL)
    entry = moved(visit.reference, starts_at=NEXT_WEEK + HOUR)
    standing_clock.on(minutes=4)
    drain()
    assert ways("change") == {("call", "to_call")}
    undo(hired(), entry, key="undo-0001")
    assert ways("change") == {("call", "dropped")}


def test_what_the_clinic_begins_counts_among_the_texts_of_a_day(early: None, standing_clock: Any) -> None:
    """One a day: the second change of a day waits for the next morning."""
    visit = booked(NEXT_WEEK, **TEXTED)
    drain()
    standing_clock.on(hours=2)
    for number in (1, 2):
        moved(visit.reference, f"move-000{number}", starts_at=NEXT_WEEK + number * HOUR)
        standing_clock.on(minutes=4)
        drain()
    (second,) = [row for row in messages() if row["kind"] == "change" and row["sequence"] == 2]
    assert second["state"] == "queued" and second["due_at"] > standing_clock.now + 12 * HOUR


def test_who_has_only_a_telephone_by_now_is_called_about_what_waited_to_be_written(
    early: None, standing_clock: Any
) -> None:
    visit = booked(NEXT_WEEK, phone="+18185550123", reminders=Reminders.CALL)
    drain()
    moved(visit.reference, starts_at=NEXT_WEEK + HOUR)
    standing_clock.on(minutes=2)
    visits.correct_contact(visit.reference, visit.token, None, "+18185550123", actor="ada", key="contact-1")
    standing_clock.on(minutes=2)
    drain()
    (call,) = calls.call_list(hired()).calls
    assert (call.reference, call.kind, call.old_starts_at) == (visit.reference, "change", NEXT_WEEK)
    assert ("email", "sent") not in ways("change")


def test_nobody_is_called_to_hear_what_they_have_just_booked_on_the_telephone(
    early: None, standing_clock: Any
) -> None:
    ada = NewPatient("Ada", "Byron", "+18185550123", "ada@example.com")
    asked = DeskWish(ada, "follow-up", None, NEXT_WEEK, reminders=Reminders.CALL)
    visit = new_visit.book(hired(), asked, key="book-0001")
    visits.correct_contact(visit.reference, visit.token, None, "+18185550123", actor="ada", key="contact-1")
    standing_clock.on(minutes=4)
    drain()
    assert calls.call_list(hired()).calls == ()


def test_what_waits_outlasts_a_wrong_tap(early: None, sink: Sink, standing_clock: Any) -> None:
    visit = booked(NEXT_WEEK + 4 * HOUR)
    drain()
    standing_clock.at(NEXT_WEEK)
    moved(visit.reference, starts_at=NEXT_WEEK + 5 * HOUR)
    standing_clock.on(minutes=2)
    tap = statuses.arrive(hired(), visit.reference, key="arrive-01")
    standing_clock.on(minutes=2)
    drain()
    assert ways("change") == {("email", "queued")}
    assert tap.entry_id is not None
    undo(hired(), tap.entry_id, key="undo-0001")
    standing_clock.on(minutes=10)
    drain()
    assert ways("change") == {("email", "sent")}


def test_what_waits_goes_to_nobody_who_is_here(early: None, sink: Sink, standing_clock: Any) -> None:
    visit = booked(NEXT_WEEK + 4 * HOUR)
    drain()
    standing_clock.at(NEXT_WEEK)
    moved(visit.reference, starts_at=NEXT_WEEK + HOUR)
    standing_clock.on(minutes=2)
    statuses.arrive(hired(), visit.reference, key="arrive-01")
    for _ in range(8):
        standing_clock.on(minutes=10)
        drain()
    assert ways("change") == {("email", "dropped")}


def test_who_was_said_to_be_here_and_moved_is_told_once_they_are_to_come_after_all(
    early: None, sink: Sink, standing_clock: Any
) -> None:
    visit = booked(NEXT_WEEK + 2 * HOUR, phone="+18185550123")
    drain()
    standing_clock.at(NEXT_WEEK)
    statuses.arrive(hired(), visit.reference, key="arrive-01")
    moved(visit.reference, starts_at=NEXT_WEEK + 3 * HOUR)
    assert ways("change") == set(), "who is here has been told"
    corrected = statuses.correct(
        hired(), visit.reference, Status.BOOKED, reason="Another Rosa.", key="correct-1"
    )
    assert corrected.told and corrected.to_call
    standing_clock.on(minutes=3)
    drain()
    assert ways("change") == {("email", "sent")}
    assert "It was" in sink.taken[-1].get_body(("plain",)).get_content()  # type: ignore[union-attr]
    (call,) = calls.call_list(hired()).calls
    assert call.old_starts_at == NEXT_WEEK + 2 * HOUR
    assert call.reference == visit.reference


def test_a_correction_of_what_stands_where_it_was_tells_nobody(
    early: None, sink: Sink, standing_clock: Any
) -> None:
    visit = booked(NEXT_WEEK + 2 * HOUR)
    drain()
    standing_clock.at(NEXT_WEEK)
    statuses.arrive(hired(), visit.reference, key="arrive-01")
    entry = moved(visit.reference, starts_at=NEXT_WEEK + 3 * HOUR)
    undo(hired(), entry, key="undo-0001")
    corrected = statuses.correct(hired(), visit.reference, Status.BOOKED, reason="No.", key="correct-1")
    assert not corrected.told and not corrected.to_call and ways("change") == set()
