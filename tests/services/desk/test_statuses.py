"""How a visit goes: each tap, what isn't legal, what is kept, and what nobody is told."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from booking.errors import IllegalStatus, NeedsReason, NotFound, OldPlaceTaken, StaleEdit
from booking.formatting import iso_utc
from booking.models import (
    Actor,
    Appointment,
    AuditEntry,
    Claim,
    HistoryEntry,
    Message,
    Patient,
    Reminders,
    Role,
)
from booking.reminders.delivery import deliver_due
from booking.scheduling.status import Status, cancelled_late, counts_as_attended, not_closed
from booking.scheduling.timeline import cell_at
from booking.services import visits
from booking.services.clinic import present
from booking.services.desk import calls, record_page, statuses
from booking.services.desk.moving import Place, change
from booking.services.desk.states import Changed
from booking.services.desk.statuses import Move, possible
from booking.services.desk.undoing import undo
from booking.services.staff.who import Who
from tests.conftest import MONDAY
from tests.services.making import NINE, booked, heard, rows
from tests.staffing import hired

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)

pytestmark = pytest.mark.usefixtures("standing_clock", "context", "the_clinic")


def one() -> Any:
    return rows(Appointment)[0]


def last() -> Any:
    return rows(HistoryEntry)[-1]


def test_a_visit_with_needles_from_the_door_to_the_end(standing_clock: Any) -> None:
    visit, dana = booked(visit_type="needles"), hired()
    before = rows(Message)
    standing_clock.at(NINE - 5 * MINUTE)
    arrived = statuses.arrive(dana, visit.reference, version=1, key="arrive-01")
    assert (one()["status"], one()["arrived_at"], one()["version"]) == ("arrived", NINE - 5 * MINUTE, 2)
    assert arrived.entry_id == last()["id"] and last()["what"] == "arrived"
    standing_clock.at(NINE + 3 * MINUTE)
    statuses.start(dana, visit.reference, version=2, key="start-01")
    assert (one()["status"], one()["started_at"]) == ("checked-in", NINE + 3 * MINUTE)
    standing_clock.at(NINE + 15 * MINUTE)
    statuses.needles_in(dana, visit.reference, version=3, key="in-000001")
    with pytest.raises(IllegalStatus) as refused:
        statuses.finish(dana, visit.reference, version=4, key="finish-01")
    assert refused.value.facts["because"] == "needles"
    assert (one()["status"], one()["version"]) == ("checked-in", 4)
    standing_clock.at(NINE + 41 * MINUTE)
    statuses.needles_out(dana, visit.reference, version=4, key="out-00001")
    statuses.finish(dana, visit.reference, version=5, key="finish-02")
    assert (one()["needles_in_at"], one()["needles_out_at"]) == (NINE + 15 * MINUTE, NINE + 41 * MINUTE)
    assert (one()["status"], one()["ended_at"], one()["version"]) == ("fulfilled", NINE + 41 * MINUTE, 6)
    assert [row["what"] for row in rows(HistoryEntry)] == [
        "booked", "arrived", "checked-in", "needles_in", "needles_out", "fulfilled",
    ]  # fmt: skip
    assert [row["what"] for row in rows(AuditEntry)][-1] == "fulfilled"
    # Nobody is told of any of this, and the calendar entry stays.
    assert rows(Message) == before and one()["sequence"] == 0


def test_a_button_pressed_twice_succeeds_quietly(standing_clock: Any) -> None:
    visit, dana = booked(visit_type="needles"), hired()
    standing_clock.at(NINE)
    for step, again in ((statuses.arrive, "a"), (statuses.start, "b"), (statuses.needles_in, "c"),
                        (statuses.needles_out, "d"), (statuses.finish, "e")):  # fmt: skip
        first = step(dana, visit.reference, key=f"key-{again}-0001")
        assert step(dana, visit.reference, key=f"key-{again}-0001") == first
        assert step(dana, visit.reference, version=1, key=f"key-{again}-0002").entry_id is None
    assert one()["version"] == 6


def test_needles_bring_the_patient_into_the_room_and_only_where_there_are_needles(
    standing_clock: Any,
) -> None:
    plain = booked(practitioner="ben", email="ben@example.com")
    visit, dana = booked(visit_type="needles", practitioner="ana"), hired()
    standing_clock.at(NINE)
    statuses.needles_in(dana, visit.reference, key="in-000001")
    row = next(row for row in rows(Appointment) if row["reference"] == visit.reference)
    assert row["status"] == "checked-in" and row["arrived_at"] == row["started_at"] == NINE
    for step in (statuses.needles_in, statuses.needles_out):
        with pytest.raises(IllegalStatus) as refused:
            step(dana, plain.reference, key=f"none-{step.__name__}")
        assert refused.value.facts["because"] == "no_needles"


def test_nobody_is_here_on_another_day_and_what_is_over_can_be_done(standing_clock: Any) -> None:
    visit, dana = booked(), hired()
    # The last minute of the day before, by the clinic's clocks, and the first of the day after.
    for at in (NINE - 9 * HOUR - MINUTE, NINE + 15 * HOUR):
        standing_clock.at(at)
        for step in (statuses.arrive, statuses.start, *([statuses.finish] if at < NINE else [])):
            with pytest.raises(IllegalStatus) as refused:
                step(dana, visit.reference, key=f"{step.__name__} {at:%d}")
            assert refused.value.facts["because"] == "another_day"
            assert refused.value.facts["starts_at"] == iso_utc(NINE)
    assert one()["version"] == 1 and len(rows(HistoryEntry)) == 1
    statuses.finish(dana, visit.reference, key="finish-01")
    assert one()["status"] == "fulfilled"


def test_who_comes_long_before_a_visit_of_today_is_here(standing_clock: Any) -> None:
    visit, dana = booked(), hired()
    evening = Place(starts_at=NINE + 11 * HOUR)
    change(dana, visit.reference, evening, version=None, reason="Works all day", key="move-0001")
    standing_clock.at(NINE - 2 * HOUR)
    statuses.arrive(dana, visit.reference, key="arrive-01")
    assert one()["status"] == "arrived"


def test_a_no_show_is_said_a_quarter_of_an_hour_later_and_gives_the_rest_back(standing_clock: Any) -> None:
    visit, dana = booked(), hired()
    messages = rows(Message)
    standing_clock.at(NINE + 14 * MINUTE)
    with pytest.raises(IllegalStatus) as refused:
        statuses.no_show(dana, visit.reference, key="noshow-01")
    assert refused.value.facts["not_before"] == "2026-09-15T16:15:00Z"
    standing_clock.at(NINE + 16 * MINUTE)
    statuses.no_show(dana, visit.reference, key="noshow-02")
    assert one()["status"] == "noshow" and one()["to_cell"] == cell_at(NINE) + 6
    assert {row["to_cell"] for row in rows(Claim)} == {cell_at(NINE) + 4}
    # Nobody is written to about it.
    assert rows(Message) == messages
    # The rest is free: for another who waits, with the same practitioner.
    other = booked(NINE + 4 * HOUR, practitioner="ana", email="x@example.com")
    change(
        dana,
        other.reference,
        Place(starts_at=NINE + 20 * MINUTE),
        version=None,
        reason="Waits.",
        key="gap-00001",
    )


def test_a_no_show_that_comes_after_all_gets_the_rest_back_if_it_is_free(standing_clock: Any) -> None:
    visit, dana = booked(practitioner="ana"), hired()
    before = [(row["resource_id"], row["from_cell"], row["to_cell"]) for row in rows(Claim)]
    standing_clock.at(NINE + 16 * MINUTE)
    statuses.no_show(dana, visit.reference, key="noshow-01")
    with pytest.raises(NeedsReason):
        statuses.correct(dana, visit.reference, Status.ARRIVED, reason=" ", key="correct-01")
    statuses.correct(dana, visit.reference, Status.ARRIVED, reason="Stuck in traffic.", key="correct-02")
    assert one()["status"] == "arrived" and one()["arrived_at"] == NINE + 16 * MINUTE
    after = [(row["resource_id"], row["from_cell"], row["to_cell"]) for row in rows(Claim)]
    assert sorted(after) == sorted(before)
    assert (last()["what"], last()["why"]) == ("corrected", "Stuck in traffic.")
    assert (last()["facts"]["from"], last()["facts"]["to"]) == ("noshow", "arrived")


def test_a_no_show_of_another_day_is_not_here(standing_clock: Any) -> None:
    visit, dana = booked(practitioner="ana"), hired()
    standing_clock.at(NINE + 16 * MINUTE)
    statuses.no_show(dana, visit.reference, key="noshow-01")
    standing_clock.on(days=1)
    with pytest.raises(IllegalStatus) as refused:
        statuses.correct(dana, visit.reference, Status.ARRIVED, reason="Came.", key="correct-01")
    assert refused.value.facts["because"] == "another_day" and one()["status"] == "noshow"


def test_a_no_show_whose_rest_is_taken_says_by_whom(standing_clock: Any) -> None:
    visit, dana = booked(practitioner="ana"), hired()
    other = booked(NINE + 4 * HOUR, practitioner="ana", email="x@example.com", first_name="Xenia")
    standing_clock.at(NINE + 16 * MINUTE)
    statuses.no_show(dana, visit.reference, key="noshow-01")
    change(
        dana,
        other.reference,
        Place(starts_at=NINE + 20 * MINUTE),
        version=None,
        reason="Waits.",
        key="gap-00001",
    )
    with pytest.raises(OldPlaceTaken) as refused:
        statuses.correct(dana, visit.reference, Status.ARRIVED, reason="There.", key="correct-02")
    assert {by["whose"] for by in refused.value.facts["by"]} == {"Xenia Lima"}
    assert one()["status"] == "noshow" and one()["version"] == 2


def test_a_no_show_that_comes_late_is_here_by_one_tap_if_the_rest_is_free(standing_clock: Any) -> None:
    visit, dana = booked(practitioner="ana"), hired()
    before = [(row["resource_id"], row["from_cell"], row["to_cell"]) for row in rows(Claim)]
    standing_clock.at(NINE + 16 * MINUTE)
    statuses.no_show(dana, visit.reference, key="noshow-01")
    standing_clock.at(NINE + 20 * MINUTE)
    late = statuses.arrive(dana, visit.reference, version=2, key="arrive-01")
    assert one()["status"] == "arrived" and one()["arrived_at"] == NINE + 20 * MINUTE
    after = [(row["resource_id"], row["from_cell"], row["to_cell"]) for row in rows(Claim)]
    assert sorted(after) == sorted(before)
    assert (last()["what"], last()["why"]) == ("arrived", "Came late")
    undo(dana, late.entry_id or 0, key="undo-0001")
    assert (one()["status"], one()["arrived_at"]) == ("noshow", None)
    assert {row["to_cell"] for row in rows(Claim)} == {cell_at(NINE) + 4}


def test_who_comes_late_and_whose_time_is_taken_hears_by_whom(standing_clock: Any) -> None:
    visit, dana = booked(practitioner="ana"), hired()
    other = booked(NINE + 4 * HOUR, practitioner="ana", email="x@example.com", first_name="Xenia")
    standing_clock.at(NINE + 16 * MINUTE)
    statuses.no_show(dana, visit.reference, key="noshow-01")
    soon = Place(starts_at=NINE + 20 * MINUTE)
    change(dana, other.reference, soon, version=None, reason="Waits.", key="gap-00001")
    with pytest.raises(OldPlaceTaken) as refused:
        statuses.arrive(dana, visit.reference, key="arrive-01")
    assert {by["whose"] for by in refused.value.facts["by"]} == {"Xenia Lima"}
    assert one()["status"] == "noshow" and one()["version"] == 2


def test_a_no_show_of_yesterday_does_not_come_late(standing_clock: Any) -> None:
    visit, dana = booked(practitioner="ana"), hired()
    standing_clock.at(NINE + 16 * MINUTE)
    statuses.no_show(dana, visit.reference, key="noshow-01")
    standing_clock.at(NINE + 24 * HOUR)
    with pytest.raises(IllegalStatus):
        statuses.arrive(dana, visit.reference, key="arrive-01")


def test_done_can_be_corrected_to_no_show_and_a_cancelled_visit_stands_no_more(standing_clock: Any) -> None:
    visit, dana = booked(), hired()
    standing_clock.at(NINE + 5 * MINUTE)
    statuses.start(dana, visit.reference, key="start-0001")
    statuses.finish(dana, visit.reference, key="finish-001")
    standing_clock.at(NINE + 15 * MINUTE)
    statuses.correct(dana, visit.reference, Status.NOSHOW, reason="Wrong patient.", key="correct-01")
    assert (one()["status"], one()["arrived_at"], one()["ended_at"]) == ("noshow", None, None)
    statuses.correct(
        dana, visit.reference, Status.CANCELLED, by=Actor.PATIENT, reason="They had called.", key="correct-02"
    )
    assert one()["status"] == "cancelled" and one()["cancelled_by"] == "patient" and rows(Claim) == []
    with pytest.raises(IllegalStatus):
        statuses.correct(dana, visit.reference, Status.BOOKED, reason="x", key="correct-03")


def test_whose_wish_a_cancellation_was_can_be_corrected_and_what_counts_follows(standing_clock: Any) -> None:
    visit, dana = booked(practitioner="ana", phone="+18185550123"), hired()
    standing_clock.at(NINE - 2 * HOUR)
    statuses.cancel(dana, visit.reference, by=Actor.STAFF, reason="Ana is ill.", key="cancel-01")
    standing_clock.on(minutes=4)
    heard()
    written, (was, claimed) = rows(Message), (one(), rows(Claim))
    assert (late_cancellations(dana), to_call(dana)) == (0, ["cancellation"])
    with pytest.raises(NeedsReason):
        correct_to(Actor.PATIENT, " ", "correct-01")
    corrected = correct_to(Actor.PATIENT, "She has a cold.", "correct-02")
    assert (one()["cancelled_by"], one()["cancel_reason"]) == ("patient", "She has a cold.")
    # Late is when it was cancelled, not when that was put right; she knows, and hears of nothing.
    assert one()["cancelled_at"] == was["cancelled_at"] and one()["sequence"] == was["sequence"]
    assert (late_cancellations(dana), to_call(dana)) == (1, [])
    assert rows(Message) == written and rows(Claim) == claimed
    assert (last()["what"], last()["why"], last()["actor_name"]) == (
        "corrected",
        "She has a cold.",
        dana.name,
    )
    assert correct_to(Actor.PATIENT, "She has a cold.", "correct-03").entry_id is None
    undo(dana, corrected.entry_id or 0, key="undo-0001")
    assert (one()["cancelled_by"], one()["cancel_reason"]) == ("staff", "Ana is ill.")
    assert (late_cancellations(dana), to_call(dana)) == (0, ["cancellation"])


def test_why_it_was_cancelled_can_be_corrected_by_itself_and_not_over_a_colleagues_words() -> None:
    visit, dana = booked(), hired()
    statuses.cancel(dana, visit.reference, by=Actor.PATIENT, reason="Ill", key="cancel-01")
    correct_to(Actor.PATIENT, "On holiday", "correct-01", version=2)
    assert (one()["cancel_reason"], last()["facts"]["before"]["cancel_reason"]) == ("On holiday", "Ill")
    with pytest.raises(StaleEdit):
        correct_to(Actor.STAFF, "Ana is ill.", "correct-02", version=2)
    assert one()["cancelled_by"] == "patient"


def correct_to(by: Actor, reason: str, key: str, **how: Any) -> Changed:
    """Whose wish it was that the only visit is cancelled, and why."""
    return statuses.correct(
        hired(), one()["reference"], Status.CANCELLED, by=by, reason=reason, key=key, **how
    )


def late_cancellations(who: Who) -> int:
    return record_page.record(who, rows(Patient)[0]["reference"]).late_cancellations


def to_call(who: Who) -> list[str]:
    return [call.kind for call in calls.call_list(who).calls]


def test_staff_cancel_free_the_time_and_tell_in_three_minutes() -> None:
    visit, dana = booked(), hired()
    changed = statuses.cancel(dana, visit.reference, reason="Ana is ill.", version=1, key="cancel-01")
    assert (one()["status"], one()["cancelled_by"], one()["cancel_reason"]) == (
        "cancelled",
        "staff",
        "Ana is ill.",
    )
    assert rows(Claim) == [] and one()["sequence"] == 1
    (message,) = [row for row in rows(Message) if row["state"] == "queued"]
    assert message["kind"] == "cancellation" and message["due_at"] == MONDAY + 3 * MINUTE
    assert changed.told and last()["why"] == "Ana is ill."
    assert statuses.cancel(dana, visit.reference, key="cancel-02").entry_id is None


def test_staff_cancel_without_a_word() -> None:
    visit = booked()
    assert not statuses.cancel(hired(), visit.reference, tell=False, key="cancel-01").told
    assert [row["state"] for row in rows(Message) if row["state"] == "queued"] == []


def test_the_words_of_a_cancellation_can_be_seen_before() -> None:
    visit = booked()
    words = statuses.preview_cancellation(hired(), visit.reference)
    assert words.channel == "email" and "cancelled" in words.text and one()["status"] == "booked"


def test_what_the_patient_asked_for_is_cancelled_by_them_and_told_without_a_call() -> None:
    visit = booked(phone="+18185550123")
    changed = statuses.cancel(hired(), visit.reference, by=Actor.PATIENT, reason="A cold.", key="cancel-01")
    assert (one()["cancelled_by"], changed.channel, changed.to_call) == (Actor.PATIENT, "email", False)
    assert (last()["actor"], last()["facts"]["by"]) == (Actor.STAFF, "patient")
    (message,) = [row for row in rows(Message) if row["kind"] == "cancellation"]
    assert message["due_at"] == MONDAY + 3 * MINUTE and not message["facts"].get("by_clinic")


@pytest.mark.parametrize("first", [Actor.STAFF, Actor.PATIENT])
def test_a_cancellation_that_waits_is_told_as_whose_wish_it_was_corrected_to(first: Actor) -> None:
    visit, dana = booked(), hired()
    other = Actor.PATIENT if first is Actor.STAFF else Actor.STAFF
    statuses.cancel(dana, visit.reference, by=first, reason="A cold.", key="cancel-01")

    def says() -> tuple[bool, bool]:
        (message,) = [row for row in rows(Message) if row["kind"] == "cancellation"]
        assert (message["state"], message["due_at"]) == ("queued", MONDAY + 3 * MINUTE)
        return "by_clinic" in message["facts"], "begins_at" in message["facts"]

    ours = (first is Actor.STAFF,) * 2
    assert says() == ours
    said = correct_to(other, "As they say.", "correct-01")
    assert says() == (not ours[0],) * 2 and said.told and said.channel == "email"
    undo(dana, said.entry_id or 0, key="undo-0001")
    assert says() == ours and one()["cancelled_by"] == first


@pytest.mark.parametrize("soon", [False, True])
def test_what_was_told_to_nobody_as_their_wish_is_told_once_it_is_corrected_to_ours(
    standing_clock: Any, soon: bool
) -> None:
    visit, dana = booked(phone="+18185550123"), hired()
    standing_clock.at(NINE - 3 * HOUR if soon else MONDAY)
    statuses.cancel(dana, visit.reference, by=Actor.PATIENT, reason="A cold.", tell=False, key="cancel-01")
    said = correct_to(Actor.STAFF, "Ana is ill.", "correct-01")
    waits, *_call = [row for row in rows(Message) if row["kind"] == "cancellation"]
    assert said.told and waits["state"] == "queued" and waits["facts"]["by_clinic"]
    standing_clock.on(minutes=4)
    assert bool(calls.call_list(dana).calls) == soon
    undo(dana, said.entry_id or 0, key="undo-0001")
    states = {row["state"] for row in rows(Message) if row["kind"] == "cancellation"}
    assert states == {"dropped"} and not calls.call_list(dana).calls
    # And once more, under the next number.
    assert correct_to(Actor.STAFF, "Ana is ill.", "correct-02").told


def asked_for_untold(reference: str) -> None:
    statuses.cancel(hired(), reference, by=Actor.PATIENT, reason="A cold.", tell=False, key="cancel-01")


def asked_for_and_told(reference: str) -> None:
    statuses.cancel(hired(), reference, by=Actor.PATIENT, reason="A cold.", key="cancel-01")
    deliver_due()


def cancelled_on_the_telephone(reference: str) -> None:
    statuses.cancel(hired(), reference, by=Actor.PATIENT, reason="A cold.", spoken=True, key="cancel-01")


@pytest.mark.parametrize(
    ("done", "tell"),
    [(asked_for_untold, False), (asked_for_and_told, True), (cancelled_on_the_telephone, True)],
)
def test_a_corrected_wish_tells_nobody_who_knows_nor_whom_staff_leave_untold(
    standing_clock: Any, done: Any, tell: bool
) -> None:
    visit = booked()
    done(visit.reference)
    standing_clock.on(minutes=4)
    deliver_due()
    before = len(rows(Message))
    assert not correct_to(Actor.STAFF, "Ana is ill.", "correct-01", tell=tell).told
    assert len(rows(Message)) == before


def test_the_words_follow_whose_wish_it_was() -> None:
    visit, only_phone = (
        booked(),
        booked(NINE + HOUR, email=None, phone="+18185550123", reminders=Reminders.NONE),
    )
    asked, ours = (
        statuses.preview_cancellation(hired(), visit.reference, by) for by in (Actor.PATIENT, Actor.STAFF)
    )
    assert "sorry" in ours.text and "sorry" not in asked.text
    # Who has asked on the telephone has heard it there.
    asked, ours = (
        statuses.preview_cancellation(hired(), only_phone.reference, by)
        for by in (Actor.PATIENT, Actor.STAFF)
    )
    assert (asked.channel, ours.channel, ours.to_call) == ("", "call", True)


def test_the_desk_confirms_what_the_patient_said_by_telephone() -> None:
    visit = booked()
    statuses.confirm(hired(), visit.reference, key="confirm-1")
    assert one()["confirmed_at"] == MONDAY and last()["what"] == "confirmed"
    statuses.cancel(hired(), visit.reference, key="cancel-01")
    with pytest.raises(IllegalStatus):
        statuses.confirm(hired(), booked_and_cancelled(), key="confirm-2")


def booked_and_cancelled() -> str:
    visit = booked(email="c@example.com")
    statuses.cancel(hired(), visit.reference, key="cancel-02")
    return visit.reference


def test_a_patients_yes_makes_no_tap_stale_but_another_desks_move_does(standing_clock: Any) -> None:
    visit, dana = booked(), hired()
    visits.confirm(visit.reference, visit.token, actor="t", key="yes")
    standing_clock.at(NINE)
    statuses.arrive(dana, visit.reference, version=1, key="arrive-01")
    change(dana, visit.reference, Place(practitioner="ben"), version=3, reason="x", key="move-0001")
    with pytest.raises(StaleEdit) as stale:
        statuses.start(dana, visit.reference, version=3, key="start-001")
    assert stale.value.facts["by"] == "Dana Desk" and stale.value.facts["shown"]["practitioner"] == "ana"


def test_a_practitioner_taps_for_their_own_patients_only(standing_clock: Any) -> None:
    visit = booked(practitioner="ana")
    ana, ben = (hired(Role.PRACTITIONER, practitioner=slug) for slug in ("ana", "ben"))
    standing_clock.at(NINE)
    with pytest.raises(NotFound):
        statuses.arrive(ben, visit.reference, key="arrive-01")
    statuses.arrive(ana, visit.reference, key="arrive-02")
    assert one()["status"] == "arrived"


def offered(status: Status, minutes: int, **how: Any) -> set[Move]:
    values = {"confirmed_at": None, "needles_in_at": None, "needles_out_at": None, "has_needles": True}
    visit: Any = SimpleNamespace(status=status, starts_at=NINE, **(values | how))
    return set(possible(visit, NINE + minutes * MINUTE, present().times))


def test_only_what_is_legal_is_offered() -> None:
    cancel, finish = Move.CANCEL, Move.FINISH
    assert offered(Status.BOOKED, -24 * 60) == {Move.CONFIRM, cancel}
    assert offered(Status.BOOKED, -10) == {Move.CONFIRM, Move.ARRIVE, Move.START, cancel}
    assert offered(Status.BOOKED, 14) == {Move.ARRIVE, Move.START, finish, cancel}
    assert offered(Status.BOOKED, 15) == {Move.ARRIVE, Move.START, finish, Move.NO_SHOW, cancel}
    assert offered(Status.ARRIVED, 0) == {Move.START, Move.NEEDLES_IN, finish, cancel}
    assert offered(Status.CHECKED_IN, 0) == {Move.NEEDLES_IN, finish}
    assert offered(Status.CHECKED_IN, 0, has_needles=False) == {finish}
    assert offered(Status.CHECKED_IN, 20, needles_in_at=NINE) == {Move.NEEDLES_OUT}
    assert offered(Status.CHECKED_IN, 30, needles_in_at=NINE, needles_out_at=NINE) == {finish}
    for over in (Status.FULFILLED, Status.CANCELLED):
        assert offered(over, 30) == set()
    # Who comes late is here after all, on the same day.
    assert offered(Status.NOSHOW, 30) == offered(Status.NOSHOW, 15 * 60 - 1) == {Move.ARRIVE}
    assert offered(Status.NOSHOW, 15 * 60) == set()
    # Nobody is here on another day, be it the evening before; on the day, from midnight on.
    assert offered(Status.BOOKED, -9 * 60 - 1) == {Move.CONFIRM, cancel}
    assert offered(Status.BOOKED, -9 * 60) == {Move.CONFIRM, Move.ARRIVE, Move.START, cancel}
    assert offered(Status.BOOKED, 15 * 60) == {finish, Move.NO_SHOW, cancel}
    assert offered(Status.ARRIVED, 15 * 60) == {finish, cancel}


def test_late_cancellations_and_no_shows_are_counted_apart() -> None:
    day = timedelta(days=1)
    assert not cancelled_late(Status.CANCELLED, NINE, day, NINE - day)
    assert cancelled_late(Status.CANCELLED, NINE, day, NINE - day + MINUTE)
    assert not cancelled_late(Status.NOSHOW, NINE, day, None)
    assert counts_as_attended(Status.FULFILLED, NINE, NINE - HOUR, penciled=False)
    assert counts_as_attended(Status.BOOKED, NINE, NINE, penciled=False) and not_closed(
        Status.BOOKED, NINE, NINE
    )
    assert not counts_as_attended(Status.NOSHOW, NINE, NINE + HOUR, penciled=False)
    assert not counts_as_attended(Status.BOOKED, NINE, NINE - MINUTE, penciled=False)


def test_what_was_only_penciled_in_counts_as_attended_once_somebody_says_so() -> None:
    assert not counts_as_attended(Status.BOOKED, NINE, NINE, penciled=True)
    assert counts_as_attended(Status.FULFILLED, NINE, NINE, penciled=True)


def test_a_no_show_that_was_done_and_is_in_the_room_after_all_has_its_whole_time(standing_clock: Any) -> None:
    visit, dana = booked(), hired()
    taken = [(row["resource_id"], row["from_cell"], row["to_cell"]) for row in rows(Claim)]
    standing_clock.at(NINE + 16 * MINUTE)
    statuses.no_show(dana, visit.reference, key="noshow-01")
    statuses.correct(dana, visit.reference, Status.FULFILLED, reason="Came", key="correct-1")
    statuses.correct(dana, visit.reference, Status.CHECKED_IN, reason="Still here", key="correct-2")
    assert sorted(taken) == sorted(
        (row["resource_id"], row["from_cell"], row["to_cell"]) for row in rows(Claim)
    )


def test_a_no_show_that_was_done_does_not_come_back_over_somebody_else(standing_clock: Any) -> None:
    visit, dana = booked(practitioner="ana"), hired()
    other = booked(NINE + HOUR, practitioner="ana", email="sam@example.com")
    standing_clock.at(NINE + 16 * MINUTE)
    statuses.no_show(dana, visit.reference, key="noshow-01")
    change(
        dana,
        other.reference,
        Place(starts_at=NINE + 20 * MINUTE),
        version=None,
        reason="Gap",
        key="gap-00001",
    )
    statuses.correct(dana, visit.reference, Status.FULFILLED, reason="Came", key="correct-1")
    with pytest.raises(OldPlaceTaken):
        statuses.correct(dana, visit.reference, Status.CHECKED_IN, reason="Still here", key="correct-2")


def test_nobody_who_has_arrived_is_missed_before_a_quarter_past(standing_clock: Any) -> None:
    visit, dana = booked(), hired()
    standing_clock.at(NINE - HOUR)
    statuses.arrive(dana, visit.reference, key="arrive-01")
    with pytest.raises(IllegalStatus) as refused:
        statuses.correct(dana, visit.reference, Status.NOSHOW, reason="Not here", key="correct-1")
    assert refused.value.facts["because"] == "too_early"
    standing_clock.at(NINE + 15 * MINUTE)
    statuses.correct(dana, visit.reference, Status.NOSHOW, reason="Not here", key="correct-2")
    assert one()["status"] == "noshow"
