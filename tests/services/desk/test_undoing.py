"""Undo: what comes back, what the patient hears, and when it is too late."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from booking.errors import NotChangeable, NotFound, OldPlaceTaken, StaleEdit, TooLateToUndo
from booking.formatting import iso_utc
from booking.models import (
    AbsenceKind,
    Actor,
    Appointment,
    Claim,
    HistoryEntry,
    Message,
    Patient,
    Reminders,
    Role,
)
from booking.scheduling.status import Status
from booking.scheduling.timeline import cell_at
from booking.services import absences, visits
from booking.services.clinic import present
from booking.services.desk import calls, new_visit, record_page, records, statuses
from booking.services.desk.moving import Changed, Place, change
from booking.services.desk.new_visit import BookedHere, DeskWish, NewPatient
from booking.services.desk.panel import note, panel
from booking.services.desk.records import Values
from booking.services.desk.undoing import look, undo
from booking.services.desk.whom_to_call import Outcome
from booking.services.transaction import run
from tests.conftest import MONDAY
from tests.services.making import NEXT_WEEK, NINE, booked, rows
from tests.staffing import hired

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)

pytestmark = pytest.mark.usefixtures("standing_clock", "context", "the_clinic")


def known_to_the_patient() -> None:
    """What has waited so far is sent."""
    run(
        lambda session: session.execute(
            update(Message.__table__)
            .where(Message.__table__.c.kind.in_(("confirmation", "change", "cancellation")))
            .where(Message.__table__.c.state == "queued")
            .values(state="sent")
        )
    )


def moved(reference: str, key: str = "move-0001", **how: Any) -> Changed:
    return change(hired(), reference, Place(**how), version=None, key=key)


def state() -> Any:
    """Everything about the visits but for what counts changes."""
    visits_ = [
        {name: value for name, value in row.items() if name not in ("version", "sequence", "changed_at")}
        for row in rows(Appointment)
    ]
    claims = [tuple(value for name, value in row.items() if name != "id") for row in rows(Claim)]
    return visits_, sorted(claims, key=str)


def waiting() -> list[Any]:
    return [
        row for row in rows(Message) if row["state"] == "queued" and not row["kind"].startswith("reminder")
    ]


def test_a_move_comes_back_and_nobody_hears_of_either() -> None:
    visit = booked(practitioner="ana")
    known_to_the_patient()
    before = state()
    changed = moved(visit.reference, starts_at=NINE + HOUR, practitioner="ben")
    back = undo(hired(), changed.entry_id or 0, key="undo-0001")
    assert state() == before and waiting() == []
    (row,) = rows(Appointment)
    assert (row["version"], row["sequence"], back.version) == (3, 2, 3)
    reminders = [one for one in rows(Message) if one["state"] == "queued"]
    assert {one["sequence"] for one in reminders} == {2}
    entry = rows(HistoryEntry)[-1]
    assert (entry["what"], entry["facts"]["entry"]) == ("undone", changed.entry_id)


def test_what_was_sent_meanwhile_is_followed_by_another_message() -> None:
    visit = booked(practitioner="ana")
    known_to_the_patient()
    changed = moved(visit.reference, starts_at=NINE + HOUR)
    known_to_the_patient()
    assert undo(hired(), changed.entry_id or 0, key="undo-0001").told
    (message,) = waiting()
    assert message["kind"] == "change" and message["facts"]["old_starts_at"] == "2026-09-15T17:00:00Z"


def test_what_was_told_on_the_telephone_is_told_otherwise_once_it_is_taken_back() -> None:
    visit, dana = booked(practitioner="ana"), hired()
    known_to_the_patient()
    later = Place(starts_at=NINE + HOUR)
    changed = change(dana, visit.reference, later, version=None, spoken=True, key="move-0001")
    assert waiting() == []
    assert undo(dana, changed.entry_id or 0, key="undo-0001").told
    (message,) = waiting()
    assert message["kind"] == "change" and message["facts"]["old_starts_at"] == "2026-09-15T17:00:00Z"
    cancelled = statuses.cancel(dana, visit.reference, spoken=True, key="cancel-01")
    assert waiting() == []
    assert undo(dana, cancelled.entry_id or 0, key="undo-0002").told
    assert [message["kind"] for message in waiting()] == ["confirmation"]


def test_who_had_confirmed_and_heard_of_a_move_that_is_taken_back_is_called_until_they_confirm_anew(
    standing_clock: Any,
) -> None:
    visit, dana = booked(practitioner="ana", phone="+18185550123"), hired()
    known_to_the_patient()
    standing_clock.at(NINE - 20 * HOUR)
    statuses.confirm(dana, visit.reference, key="confirm-01")
    unheard = moved(visit.reference, starts_at=NINE + HOUR)
    undo(dana, unheard.entry_id or 0, key="undo-0001")
    assert rows(Appointment)[0]["confirmed_at"]
    changed = moved(visit.reference, "move-0002", starts_at=NINE + HOUR)
    known_to_the_patient()
    assert undo(dana, changed.entry_id or 0, key="undo-0002").to_call
    assert rows(Appointment)[0]["confirmed_at"] is None
    standing_clock.on(minutes=4)
    assert [call.starts_at for call in calls.call_list(dana).calls] == [NINE]
    statuses.confirm(dana, visit.reference, key="confirm-02")
    assert calls.call_list(dana).calls == ()


def test_who_is_here_is_not_written_to_when_a_change_is_taken_back(standing_clock: Any) -> None:
    visit, dana = booked(practitioner="ana"), hired()
    known_to_the_patient()
    standing_clock.at(NINE - 20 * MINUTE)
    statuses.arrive(dana, visit.reference, key="arrive-01")
    later = Place(starts_at=NINE + HOUR)
    changed = change(dana, visit.reference, later, version=None, spoken=True, reason="-", key="move-0001")
    assert not undo(dana, changed.entry_id or 0, key="undo-0001").told
    assert waiting() == []


def test_a_confirmation_that_waited_is_sent_after_all() -> None:
    visit = booked(practitioner="ana")
    changed = moved(visit.reference, starts_at=NINE + HOUR)
    undo(hired(), changed.entry_id or 0, key="undo-0001")
    (message,) = waiting()
    assert (message["kind"], message["sequence"]) == ("confirmation", 2)


def test_undone_twice_is_a_quiet_success_and_the_undoing_can_be_undone() -> None:
    visit = booked(practitioner="ana")
    changed = moved(visit.reference, starts_at=NINE + HOUR)
    there = state()
    dana = hired()
    back = undo(dana, changed.entry_id or 0, key="undo-0001")
    assert undo(dana, changed.entry_id or 0, key="undo-0001") == back
    assert undo(dana, changed.entry_id or 0, key="undo-0002").entry_id is None
    undo(dana, back.entry_id or 0, key="undo-0003")
    assert state() == there


def test_an_old_place_that_is_taken_says_by_whom_and_nothing_changes() -> None:
    visit = booked(practitioner="ana")
    changed = moved(visit.reference, starts_at=NINE + HOUR)
    booked(practitioner="ana", email="x@example.com", first_name="Xenia")
    before = (state(), rows(Message), rows(HistoryEntry))
    with pytest.raises(OldPlaceTaken) as refused:
        undo(hired(), changed.entry_id or 0, key="undo-0001")
    assert {(by["what"], by["whose"]) for by in refused.value.facts["by"]} >= {("practitioner", "Xenia Lima")}
    assert (state(), rows(Message), rows(HistoryEntry)) == before


def test_changed_since_says_who() -> None:
    visit = booked(practitioner="ana")
    changed = moved(visit.reference, starts_at=NINE + HOUR)
    visits.confirm(visit.reference, visit.token, actor="t", key="yes")
    with pytest.raises(StaleEdit) as stale:
        undo(hired(), changed.entry_id or 0, key="undo-0001")
    assert (stale.value.facts["by_actor"], stale.value.facts["what"]) == ("patient", "confirmed")


def test_changed_since_says_who_of_those_that_are_in_the_way() -> None:
    visit, dana, theo, mia = booked(), hired(), hired(name="Theo Desk"), hired(name="Mia Desk")
    changed = moved(visit.reference, starts_at=NINE + HOUR)
    change(theo, visit.reference, Place(starts_at=NINE + 2 * HOUR), version=None, key="move-0002")
    again = change(mia, visit.reference, Place(starts_at=NINE), version=None, key="move-0003")
    undo(mia, again.entry_id or 0, key="undo-0001")
    note(mia, visit.reference, "Rings before.", key="note-0001")
    with pytest.raises(StaleEdit) as stale:
        undo(dana, changed.entry_id or 0, key="undo-0002")
    assert (stale.value.facts["by"], stale.value.facts["what"]) == ("Theo Desk", "moved")


@pytest.mark.parametrize("what", ["noted", "name_corrected"])
def test_a_note_or_a_name_since_is_in_nobodys_way_and_stays(what: str) -> None:
    visit, dana = booked(practitioner="ana"), hired()
    known_to_the_patient()
    changed = moved(visit.reference, starts_at=NINE + HOUR)
    if what == "noted":
        note(dana, visit.reference, "Rings before.", key="note-0001")
    else:
        corrected(last_name="Limão")
    kept = {"noted": ("desk_note", "Rings before."), "name_corrected": ("last_name", "Limão")}[what]
    assert look(dana, changed.entry_id or 0).refusal is None
    undo(dana, changed.entry_id or 0, key="undo-0001")
    (row,) = rows(Appointment)
    assert (row["from_cell"], row[kept[0]]) == (cell_at(NINE), kept[1]) and waiting() == []
    # What is said of it afterwards doesn't make it undone any less.
    note(dana, visit.reference, "Rings after.", key="note-0002")
    assert undo(dana, changed.entry_id or 0, key="undo-0002").entry_id is None


def test_a_contact_that_was_corrected_since_hears_of_the_visit_as_it_is_again() -> None:
    visit, dana = booked(practitioner="ana"), hired()
    known_to_the_patient()
    changed = moved(visit.reference, starts_at=NINE + HOUR)
    corrected(email="rosa.lima@example.com")
    undo(dana, changed.entry_id or 0, key="undo-0001")
    (row,) = rows(Appointment)
    assert (row["from_cell"], row["email"]) == (cell_at(NINE), "rosa.lima@example.com")
    (message,) = waiting()
    assert (message["kind"], message["address"]) == ("confirmation", "rosa.lima@example.com")
    assert message["sequence"] == row["sequence"]


@pytest.mark.parametrize(
    ("contact", "by"),
    [
        ({"phone": "+18185550123", "email": None}, Reminders.CALL),
        ({"phone": "+18185550123"}, Reminders.EMAIL),
    ],
)
def test_a_visit_that_is_taken_back_reminds_by_the_contact_that_it_has(
    contact: dict[str, Any], by: Reminders
) -> None:
    visit, dana = booked(NEXT_WEEK), hired()
    known_to_the_patient()
    cancelled = statuses.cancel(dana, visit.reference, key="cancel-01")
    record, rosa = rows(Patient)[0]["reference"], Values("Rosa", "Lima", None, "rosa@example.com")
    records.edit(dana, record, replace(rosa, **contact), version=1, visits_too=True, key="edit-0001")
    undo(dana, cancelled.entry_id or 0, key="undo-0001")
    (row,) = rows(Appointment)
    assert (row["status"], row["reminders"]) == ("booked", by)
    reminders = [one for one in rows(Message) if one["kind"].startswith("reminder-")]
    assert any(one["state"] == "queued" and one["channel"] == by.value for one in reminders)


def test_a_cancellation_can_be_taken_back_once_a_correction_of_it_was() -> None:
    visit, dana = booked(), hired()
    cancelled = statuses.cancel(dana, visit.reference, key="cancel-01")
    assert panel(dana, visit.reference).take_back == cancelled.entry_id
    said = statuses.correct(
        dana, visit.reference, Status.CANCELLED, by=Actor.PATIENT, reason="She phoned", key="correct-1"
    )
    assert panel(dana, visit.reference).take_back is None
    undo(dana, said.entry_id or 0, key="undo-0001")
    note(dana, visit.reference, "Rings before.", key="note-0001")
    assert panel(dana, visit.reference).take_back == cancelled.entry_id
    undo(dana, cancelled.entry_id or 0, key="undo-0002")
    assert panel(dana, visit.reference).take_back is None


def corrected(**values: Any) -> None:
    """The patient's record is corrected, and the visits ahead with it."""
    record, rosa = rows(Patient)[0]["reference"], Values("Rosa", "Lima", None, "rosa@example.com")
    assert records.edit(hired(), record, replace(rosa, **values), version=1, visits_too=True, key="edit-0001")


def test_ten_minutes_are_enough(standing_clock: Any) -> None:
    visit = booked(practitioner="ana")
    changed = moved(visit.reference, starts_at=NINE + HOUR)
    standing_clock.on(minutes=10, seconds=1)
    with pytest.raises(TooLateToUndo):
        undo(hired(), changed.entry_id or 0, key="undo-0001")


def test_what_isnt_there_isnt_ones_own_or_isnt_the_staffs_cannot_be_undone() -> None:
    visit = booked(practitioner="ana")
    changed = moved(visit.reference, starts_at=NINE + HOUR)
    with pytest.raises(NotFound):
        undo(hired(), 9999, key="undo-0001")
    with pytest.raises(NotFound):
        undo(hired(Role.PRACTITIONER, practitioner="ben"), changed.entry_id or 0, key="undo-0002")
    with pytest.raises(NotChangeable):
        undo(hired(), rows(HistoryEntry)[0]["id"], key="undo-0003")


def test_a_cancellation_taken_back_books_the_time_again() -> None:
    visit = booked(practitioner="ana")
    known_to_the_patient()
    before = state()
    cancelled = statuses.cancel(hired(), visit.reference, key="cancel-01")
    undo(hired(), cancelled.entry_id or 0, key="undo-0001")
    assert state() == before and waiting() == []
    again = statuses.cancel(hired(), visit.reference, key="cancel-02")
    known_to_the_patient()
    undo(hired(), again.entry_id or 0, key="undo-0002")
    (message,) = waiting()
    assert message["kind"] == "confirmation"


def test_each_tap_can_be_taken_back(standing_clock: Any) -> None:
    visit, dana = booked(visit_type="needles", practitioner="ana"), hired()
    standing_clock.at(NINE + 20 * MINUTE)
    for number, step in enumerate(
        (statuses.confirm, statuses.arrive, statuses.start, statuses.needles_in, statuses.needles_out,
         statuses.finish)
    ):  # fmt: skip
        before = state()
        changed = step(dana, visit.reference, key=f"tap-000{number}")
        undo(dana, changed.entry_id or 0, key=f"undo-000{number}")
        assert state() == before
        step(dana, visit.reference, key=f"tap-100{number}")


def test_the_last_few_taps_are_taken_back_one_after_the_other(standing_clock: Any) -> None:
    visit, dana = booked(visit_type="needles", practitioner="ana"), hired()
    standing_clock.at(NINE + 20 * MINUTE)
    stood, entries = [], []
    for number, step in enumerate((statuses.arrive, statuses.start, statuses.needles_in)):
        stood.append(state())
        entries.append(step(dana, visit.reference, key=f"tap-000{number}").entry_id or 0)
    # Not the second while the third stands.
    with pytest.raises(StaleEdit):
        undo(dana, entries[1], key="undo-9999")
    for number, (before, entry) in enumerate(reversed([*zip(stood, entries, strict=True)])):
        undo(dana, entry, key=f"undo-000{number}")
        assert state() == before


def test_what_a_colleague_did_since_is_not_taken_back_with_ones_own_tap(standing_clock: Any) -> None:
    visit, dana, theo = booked(visit_type="needles", practitioner="ana"), hired(), hired(name="Theo Desk")
    standing_clock.at(NINE + 20 * MINUTE)
    first = statuses.arrive(dana, visit.reference, key="tap-0001").entry_id or 0
    second = statuses.start(dana, visit.reference, key="tap-0002").entry_id or 0
    undo(dana, second, key="undo-0001")
    change(theo, visit.reference, Place(room="room-2"), version=None, key="move-0001")
    with pytest.raises(StaleEdit):
        undo(dana, first, key="undo-0002")


def test_a_no_show_taken_back_has_its_time_again(standing_clock: Any) -> None:
    visit, dana = booked(practitioner="ana"), hired()
    before = state()
    standing_clock.at(NINE + 20 * MINUTE)
    changed = statuses.no_show(dana, visit.reference, key="noshow-01")
    assert state() != before
    undo(dana, changed.entry_id or 0, key="undo-0001")
    assert state() == before


def test_out_of_time_off_and_back_into_it() -> None:
    """The time off was there before the move, so it didn't take the place meanwhile: it waits again."""
    visit = booked(practitioner="ana")
    ana = present().practitioners["ana"].id
    off = (cell_at(NINE), cell_at(NINE + 2 * HOUR))
    run(lambda session: absences.enter(session, AbsenceKind.TIME_OFF, ana, *off).id)
    before = state()
    changed = moved(visit.reference, starts_at=NINE + 5 * HOUR)
    undo(hired(), changed.entry_id or 0, key="undo-0001")
    assert state() == before
    again = moved(visit.reference, "move-0002", starts_at=NINE + 5 * HOUR)
    late = (cell_at(NINE), cell_at(NINE + HOUR))
    run(lambda session: _later(session, ana, late))
    with pytest.raises(OldPlaceTaken):
        undo(hired(), again.entry_id or 0, key="undo-0002")


def _later(session: Any, ana: int, cells: tuple[int, int]) -> None:
    """The old time off ends, and another one is entered after the move."""
    from booking.models import Absence

    for old in session.query(Absence).all():
        absences.take_back(session, old)
    new = absences.enter(session, AbsenceKind.TIME_OFF, ana, *cells)
    session.execute(
        update(Absence.__table__)
        .where(Absence.__table__.c.id == new.id)
        .values(made_at=new.made_at + timedelta(minutes=1))
    )


def test_what_was_done_once_more_is_not_said_to_be_undone() -> None:
    visit, dana = booked(), hired()
    first = moved(visit.reference, starts_at=NINE + HOUR)
    assert first.entry_id
    back = undo(dana, first.entry_id, key="undo-0001")
    assert back.entry_id
    undo(dana, back.entry_id, key="undo-0002")
    assert rows(Appointment)[0]["from_cell"] == cell_at(NINE + HOUR)
    # It stands again, and is taken back again.
    assert undo(dana, first.entry_id, key="undo-0003").entry_id
    assert rows(Appointment)[0]["from_cell"] == cell_at(NINE)


def entries(*done: Changed) -> list[int]:
    return [one.entry_id or 0 for one in done]


def told_of() -> list[tuple[str, str]]:
    """What waits to be told, and since when they think that the visit begins."""
    return [(row["kind"], row["facts"].get("old_starts_at", "")) for row in waiting()]


def test_two_moves_are_taken_back_one_after_the_other() -> None:
    visit, dana = booked(practitioner="ana"), hired()
    known_to_the_patient()
    before = state()
    first = moved(visit.reference, starts_at=NINE + HOUR)
    between = state()
    second = moved(visit.reference, "move-0002", starts_at=NINE + 2 * HOUR, room="room-2")
    one, two = entries(first, second)
    with pytest.raises(StaleEdit):
        undo(dana, one, key="undo-9999")
    undo(dana, two, key="undo-0002")
    assert state() == between
    assert told_of() == [("change", iso_utc(NINE))]
    assert look(dana, one).refusal is None
    undo(dana, one, key="undo-0001")
    assert state() == before
    # They have heard of neither.
    assert told_of() == []


def test_what_was_told_between_two_moves_is_told_otherwise_once_both_are_taken_back() -> None:
    """They know the second place, by mail, and are told once: of the first."""
    visit, dana = booked(practitioner="ana"), hired()
    known_to_the_patient()
    quiet = change(
        dana,
        visit.reference,
        Place(starts_at=NINE + HOUR),
        version=None,
        tell=False,
        key="move-0001",
    )
    second = moved(visit.reference, "move-0002", starts_at=NINE + 2 * HOUR)
    known_to_the_patient()
    one, two = entries(quiet, second)
    undo(dana, two, key="undo-0002")
    back = undo(dana, one, key="undo-0001")
    assert back.told
    assert told_of() == [("change", iso_utc(NINE + 2 * HOUR))]


def test_what_was_said_on_the_telephone_of_the_second_move_is_known_when_the_first_is_taken_back() -> None:
    visit, dana = booked(practitioner="ana"), hired()
    known_to_the_patient()
    first = change(
        dana, visit.reference, Place(starts_at=NINE + HOUR), version=None, tell=False, key="move-0001"
    )
    second = change(
        dana, visit.reference, Place(starts_at=NINE + 2 * HOUR), version=None, spoken=True, key="move-0002"
    )
    one, two = entries(first, second)
    undo(dana, two, key="undo-0002")
    undo(dana, one, key="undo-0001")
    assert told_of() == [("change", iso_utc(NINE + 2 * HOUR))]


def test_what_was_never_heard_of_is_not_corrected_when_two_changes_are_taken_back() -> None:
    """A move, then a cancellation of which a mail went: the move taken back as well, they hear that it takes place."""
    visit, dana = booked(practitioner="ana"), hired()
    known_to_the_patient()
    first = moved(visit.reference, starts_at=NINE + HOUR)
    cancelled = statuses.cancel(dana, visit.reference, version=None, key="cancel-01")
    known_to_the_patient()
    one, two = entries(first, cancelled)
    undo(dana, two, key="undo-0002")
    undo(dana, one, key="undo-0001")
    (row,) = waiting()
    assert (row["kind"], row["facts"]["after_all"]) == ("confirmation", True)
    assert rows(Appointment)[0]["from_cell"] == cell_at(NINE)
    assert rows(Appointment)[0]["confirmed_at"] is None


def test_a_booking_is_taken_back_after_a_no_show_that_was_taken_back(standing_clock: Any) -> None:
    standing_clock.at(NINE + 14 * MINUTE)
    made = booked_here(NINE, reason="Overlooked")
    standing_clock.at(NINE + 16 * MINUTE)
    changed = statuses.no_show(hired(), made.reference, key="noshow-01")
    undo(hired(), changed.entry_id or 0, key="undo-0001")
    assert undo(hired(), made.entry_id, key="undo-0002").state["status"] == "cancelled"


def test_what_a_colleague_changed_and_took_back_is_in_nobodys_way() -> None:
    visit, dana, theo = booked(practitioner="ana"), hired(), hired(name="Theo Desk")
    before = state()
    first = moved(visit.reference, starts_at=NINE + HOUR).entry_id or 0
    again = change(theo, visit.reference, Place(room="room-2"), version=None, key="move-0002").entry_id or 0
    undo(theo, again, key="undo-0001")
    undo(dana, first, key="undo-0002")
    assert state() == before


MARIA = NewPatient("Maria", "Lopez", "+18185550111", "maria@example.com")


def booked_here(starts_at: datetime = NEXT_WEEK, **how: Any) -> BookedHere:
    """By the desk, for somebody new."""
    return new_visit.book(hired(), DeskWish(MARIA, "follow-up", "ana", starts_at, **how), key="book-0001")


def test_a_booking_taken_back_is_a_mistake_of_the_desk_and_nobody_hears_of_it() -> None:
    made = booked_here()
    assert len(waiting()) == 1
    back = undo(hired(), made.entry_id, key="undo-0001")
    (visit,) = rows(Appointment)
    assert (visit["status"], visit["cancelled_by"], visit["cancel_reason"], visit["version"]) == (
        "cancelled", Actor.STAFF, "Booked by mistake", 2,
    )  # fmt: skip
    assert rows(Claim) == [] and not back.told
    assert {one["state"] for one in rows(Message)} == {"dropped"}
    entry = rows(HistoryEntry)[-1]
    assert (entry["what"], entry["facts"]["undid"]) == ("undone", "booked")
    # Who was made with it stays, and the time is free.
    assert len(rows(Patient)) == 1
    booked(NEXT_WEEK, practitioner="ana")


def test_a_booking_taken_back_is_no_late_cancellation_and_none_to_call_about(standing_clock: Any) -> None:
    this_afternoon = MONDAY + 5 * HOUR
    made, dana = booked_here(this_afternoon), hired()
    maria = rows(Patient)[0]["reference"]
    undo(dana, made.entry_id, key="undo-0001")
    found = record_page.record(dana, maria)
    assert (found.late_cancellations, found.upcoming) == (0, ())
    assert [(one.late, one.by_mistake) for one in found.past] == [(False, True)]
    assert calls.call_list(dana).calls == ()
    # Nor is one that the desk cancels instead of taking it back.
    wish = DeskWish(maria, "follow-up", "ana", this_afternoon)
    again = new_visit.book(dana, wish, key="book-0002")
    statuses.cancel(dana, again.reference, key="cancel-01")
    assert record_page.record(dana, maria).late_cancellations == 0


def test_a_walk_in_is_taken_back_with_the_arrival(standing_clock: Any) -> None:
    standing_clock.at(MONDAY + 2 * HOUR)
    made, dana = booked_here(MONDAY + 2 * HOUR, here=True, short_notice="Walk-in"), hired()
    assert [(one["status"], one["arrived_at"]) for one in rows(Appointment)] == [
        ("arrived", MONDAY + 2 * HOUR)
    ]
    back = undo(dana, made.entry_id, key="undo-0001")
    (visit,) = rows(Appointment)
    assert (visit["status"], visit["arrived_at"], visit["cancel_reason"]) == (
        "cancelled", None, "Booked by mistake",
    )  # fmt: skip
    assert rows(Claim) == []
    # And once more: the patient is there after all.
    undo(dana, back.entry_id or 0, key="undo-0002")
    assert [(one["status"], one["arrived_at"]) for one in rows(Appointment)] == [
        ("arrived", MONDAY + 2 * HOUR)
    ]


@pytest.mark.parametrize("kind", ["confirmation", "reminder-3d"])
def test_of_a_booking_that_the_patient_was_told_of_a_cancellation_goes(kind: str) -> None:
    made = booked_here()
    of_kind = Message.__table__.c.kind == kind
    run(lambda session: session.execute(update(Message.__table__).where(of_kind).values(state="sent")))
    assert undo(hired(), made.entry_id, key="undo-0001").told
    (message,) = waiting()
    assert (message["kind"], message["sequence"]) == ("cancellation", 1)


def test_who_may_not_cancel_takes_no_booking_back() -> None:
    made = booked_here()
    with pytest.raises(NotChangeable):
        undo(hired(Role.PRACTITIONER, practitioner="ana"), made.entry_id, key="undo-0001")
    assert rows(Appointment)[0]["status"] == "booked"


def test_what_the_desk_did_is_not_a_practitioners_to_take_back(standing_clock: Any) -> None:
    """But for the taps, which are theirs as well; and what they did themselves."""
    dana, ana = hired(), hired(Role.PRACTITIONER, practitioner="ana")
    cancelled, given, own = (
        booked(NINE + number * HOUR, practitioner=person, email=f"{number}@example.com").reference
        for number, person in enumerate(("ana", "ben", "ana"))
    )
    refused = [
        statuses.cancel(dana, cancelled, key="cancel-01"),
        moved(given, practitioner="ana"),
        undo(dana, moved(own, starts_at=NEXT_WEEK, key="move-0002").entry_id or 0, key="undo-0001"),
    ]
    before = state()
    for number, entry in enumerate(entries(*refused)):
        with pytest.raises(NotFound):
            undo(ana, entry, key=f"undo-100{number}")
    assert state() == before
    standing_clock.at(NINE)
    tap = statuses.arrive(dana, own, key="arrive-01")
    undo(ana, tap.entry_id or 0, key="undo-0002")
    later = change(ana, own, Place(starts_at=NEXT_WEEK), version=None, key="move-0003")
    undo(ana, later.entry_id or 0, key="undo-0003")
    assert state() == before


def test_a_patient_who_writes_the_desks_words_has_cancelled_late(standing_clock: Any) -> None:
    this_afternoon = MONDAY + 5 * HOUR
    made, dana = booked_here(this_afternoon), hired()
    run(
        lambda session: session.execute(
            update(Appointment).values(
                status="cancelled",
                cancelled_at=MONDAY,
                cancelled_by=Actor.PATIENT,
                cancel_reason="Booked by mistake",
            )
        )
    )
    assert made.reference and record_page.record(dana, rows(Patient)[0]["reference"]).late_cancellations == 1


def test_a_booking_taken_back_twice_is_a_quiet_success_and_the_mistake_was_none() -> None:
    made, dana = booked_here(), hired()
    there = state()
    back = undo(dana, made.entry_id, key="undo-0001")
    assert undo(dana, made.entry_id, key="undo-0002").entry_id is None
    undo(dana, back.entry_id or 0, key="undo-0003")
    assert state() == there
    (message,) = waiting()
    assert message["kind"] == "confirmation"


def test_a_booking_that_somebody_changed_since_or_long_ago_stands(standing_clock: Any) -> None:
    made = booked_here()
    visits.confirm(made.reference, made.token, actor="t", key="yes")
    with pytest.raises(StaleEdit) as stale:
        undo(hired(), made.entry_id, key="undo-0001")
    assert (stale.value.facts["by_actor"], stale.value.facts["what"]) == ("patient", "confirmed")
    other = new_visit.book(
        hired(), DeskWish(rows(Patient)[0]["reference"], "follow-up", "ben", NINE), key="book-0002"
    )
    standing_clock.on(minutes=10, seconds=1)
    with pytest.raises(TooLateToUndo):
        undo(hired(), other.entry_id, key="undo-0002")
    assert {one["status"] for one in rows(Appointment)} == {"booked"}


def test_before_it_is_taken_back_one_sees_whose_it_is_and_whether_they_were_told(standing_clock: Any) -> None:
    visit, dana = booked(practitioner="ana"), hired()
    known_to_the_patient()
    changed = moved(visit.reference, starts_at=NINE + HOUR)
    entry = changed.entry_id or 0
    found = look(dana, entry)
    assert (found.reference, found.name, found.entry.what) == (visit.reference, "Rosa Lima", "moved")
    assert (found.told_at, found.refusal) == (None, None)
    told_at = MONDAY + 3 * MINUTE
    run(
        lambda session: session.execute(
            update(Message.__table__)
            .where(Message.__table__.c.kind == "change")
            .values(state="sent", sent_at=told_at)
        )
    )
    assert look(dana, entry).told_at == told_at
    standing_clock.at(MONDAY + 11 * MINUTE)
    assert isinstance(look(dana, entry).refusal, TooLateToUndo)
    with pytest.raises(NotFound):
        look(dana, 99_999)


def test_who_was_called_about_it_was_told(standing_clock: Any) -> None:
    soon, dana = NINE - 18 * HOUR, hired()
    visit = booked(soon, practitioner="ana", email=None, phone="+18185550123", reminders=Reminders.NONE)
    changed = moved(visit.reference, starts_at=soon + HOUR)
    standing_clock.on(minutes=3)
    assert look(dana, changed.entry_id or 0).told_at is None
    calls.settle(dana, visit.reference, Outcome.REACHED, key="call-0001")
    assert look(dana, changed.entry_id or 0).told_at == standing_clock.now


def test_who_was_told_on_the_telephone_just_then_was_told() -> None:
    visit, dana = booked(practitioner="ana"), hired()
    known_to_the_patient()
    entry = statuses.cancel(dana, visit.reference, spoken=True, key="cancel-01").entry_id or 0
    assert look(dana, entry).told_at == MONDAY


def test_who_wanted_it_cancelled_is_never_told_that_it_takes_place_after_all() -> None:
    """Undone, and the undoing undone, it is still the patient who has cancelled."""
    visit, dana = booked(practitioner="ana"), hired()
    known_to_the_patient()
    cancelled = statuses.cancel(dana, visit.reference, by=Actor.PATIENT, key="cancel-01")
    known_to_the_patient()
    standing = undo(dana, cancelled.entry_id or 0, key="undo-0001")
    known_to_the_patient()
    again = undo(dana, standing.entry_id or 0, key="undo-0002")
    known_to_the_patient()
    undo(dana, again.entry_id or 0, key="undo-0003")
    (waiting,) = [row for row in rows(Message) if row["state"] == "queued" and row["kind"] == "confirmation"]
    assert not waiting["facts"].get("after_all")


def test_a_step_of_the_day_is_nothing_that_somebody_was_told(standing_clock: Any) -> None:
    visit, dana = booked(practitioner="ana"), hired()
    known_to_the_patient()
    standing_clock.at(NINE)
    arrived = statuses.arrive(dana, visit.reference, key="arrive-01")
    assert look(dana, arrived.entry_id or 0).told_at is None


def test_a_colleague_takes_a_cancellation_back_from_the_visit_for_ten_minutes(standing_clock: Any) -> None:
    visit, dana, eve = booked(practitioner="ana"), hired(), hired(Role.DESK, name="Eve Early")
    assert panel(eve, visit.reference).take_back is None
    cancelled = statuses.cancel(dana, visit.reference, key="cancel-01")
    entry = panel(eve, visit.reference).take_back
    assert entry == cancelled.entry_id
    standing_clock.at(MONDAY + 11 * MINUTE)
    assert panel(eve, visit.reference).take_back is None
    standing_clock.at(MONDAY + 9 * MINUTE)
    undo(eve, entry or 0, key="undo-0001")
    (row,) = rows(Appointment)
    assert row["status"] == "booked"
    assert panel(eve, visit.reference).take_back is None


def test_a_note_leaves_a_cancellation_to_be_taken_back() -> None:
    visit, dana = booked(), hired()
    cancelled = statuses.cancel(dana, visit.reference, key="cancel-01")
    note(dana, visit.reference, "Rings again.", key="note-0001")
    assert panel(dana, visit.reference).take_back == cancelled.entry_id
    undo(dana, cancelled.entry_id or 0, key="undo-0001")
    (row,) = rows(Appointment)
    assert (row["status"], row["desk_note"]) == ("booked", "Rings again.")


def test_what_the_patient_cancelled_is_not_taken_back_by_the_desk() -> None:
    visit = booked(practitioner="ana")
    visits.cancel(visit.reference, visit.token, "", actor="test", key="cancel-01")
    assert panel(hired(), visit.reference).take_back is None
