"""A patient's record: what its page shows, what an edit changes, and what nobody loses by it."""

from datetime import date, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, update

from booking import clock
from booking.errors import ContactCannotBeReached, NotFound, StaleRecord
from booking.extensions import db
from booking.formatting import iso_utc
from booking.models import (
    Actor,
    Appointment,
    AuditEntry,
    Channel,
    HistoryEntry,
    Message,
    Patient,
    PatientChange,
    Reminders,
    Role,
)
from booking.reminders import delivery
from booking.reminders.delivery import deliver_due
from booking.scheduling.status import Status
from booking.services import links, visits
from booking.services.desk import calls, moving, record_page, records, statuses, undoing
from booking.services.desk.asking import Place
from booking.services.desk.records import Edited, Values
from booking.services.transaction import run
from tests.clinics import clinic, practitioner, set_up
from tests.conftest import StandingClock
from tests.services.making import NEXT_WEEK, NINE, booked, heard, rows
from tests.staffing import hired

ROSA = Values("Rosa", "Lima", None, "rosa@example.com")


@pytest.fixture(autouse=True)
def a_clinic(context: Flask, standing_clock: StandingClock) -> None:
    set_up(clinic(practitioners=[practitioner("ana"), practitioner("ben")]))


def reference() -> str:
    return str(rows(Patient)[0]["reference"])


def edited(
    values: Values, *, version: int = 1, visits_too: bool = True, key: str = "key-1", who: Any = None
) -> Edited:
    return records.edit(who or hired(), reference(), values, version=version, visits_too=visits_too, key=key)


def edit(values: Values, **how: Any) -> list[str]:
    """The visits that were changed with it."""
    return edited(values, **how).visits


def test_messages_of_several_visits_stand_in_order_of_time(
    context: Flask, standing_clock: StandingClock
) -> None:
    booked(NINE + timedelta(days=14))
    booked(NINE + timedelta(days=7))
    at = [one.at for one in record_page.record(hired(), str(rows(Patient)[0]["reference"])).messages]
    assert len(at) == 6 and at == sorted(at, reverse=True)


def test_a_page_has_visits_messages_and_who_looked(context: Flask, standing_clock: StandingClock) -> None:
    made = booked()
    who = hired()
    found = record_page.record(who, reference())
    assert found.name == "Rosa Lima" and found.edit == 1
    assert [one.reference for one in found.upcoming] == [made.reference] and found.past == ()
    assert found.messages and {one.visit for one in found.messages} == {made.reference}
    opened = [one for one in rows(AuditEntry) if one["what"] == "opened patient"]
    assert [(one["patient_id"], one["account_id"]) for one in opened] == [(found.id, who.account_id)]
    standing_clock.at(NINE + timedelta(days=1))
    later = record_page.record(who, reference())
    assert later.upcoming == () and [one.reference for one in later.past] == [made.reference]


def test_no_shows_and_late_cancellations_are_counted_apart(
    context: Flask, standing_clock: StandingClock
) -> None:
    made = [booked(NINE + timedelta(days=day)) for day in (0, 1, 2, 3, 6)]
    ends = [Status.NOSHOW, Status.CANCELLED, Status.CANCELLED, Status.CANCELLED, Status.FULFILLED]
    late_by = [None, timedelta(hours=2), timedelta(hours=2), timedelta(days=3), None]
    # What the clinic cancels in the last minute isn't the patient's doing.
    by = [None, Actor.PATIENT, Actor.STAFF, Actor.PATIENT, None]
    for one, status, before, actor in zip(made, ends, late_by, by, strict=True):
        starts_at = (
            next(row for row in rows(Appointment) if row["reference"] == one.reference)["from_cell"] * 300
        )
        cancelled = None
        if before is not None:
            from datetime import UTC, datetime

            cancelled = datetime.fromtimestamp(starts_at, UTC) - before
        run(
            lambda session, one=one, status=status, cancelled=cancelled, actor=actor: session.execute(
                update(Appointment)
                .where(Appointment.reference == one.reference)
                .values(status=status, cancelled_at=cancelled, cancelled_by=actor)
            )
        )
    standing_clock.on(days=30)
    found = record_page.record(hired(), reference())
    assert (found.no_shows, found.late_cancellations) == (1, 1)


def test_a_visit_that_was_cancelled_is_none_of_the_next_ones(
    context: Flask, standing_clock: StandingClock
) -> None:
    stands, cancelled, missed = (booked(NINE + timedelta(days=day)) for day in (1, 2, 0))
    statuses.cancel(hired(), cancelled.reference, key="cancel-01")
    standing_clock.at(NINE + timedelta(minutes=20))
    statuses.no_show(hired(), missed.reference, key="no-show-01")
    found = record_page.record(hired(), reference())
    assert [one.reference for one in found.upcoming] == [stands.reference]
    assert [(one.reference, one.cancelled_by) for one in found.past] == [
        (cancelled.reference, Actor.STAFF),
        (missed.reference, None),
    ]


def test_long_lists_are_cut_and_lead_to_more(context: Flask, standing_clock: StandingClock) -> None:
    for week in range(record_page.SHOWN + 3):
        with clock.turned_to(NINE + timedelta(days=7 * week - 2)):
            booked(NINE + timedelta(days=7 * week, hours=2))
    standing_clock.on(days=200)
    who = hired()
    first = record_page.record(who, reference())
    assert len(first.past) == record_page.SHOWN and first.more_past
    rest = record_page.record(who, reference(), past_before=first.more_past)
    assert len(rest.past) == 3 and rest.more_past is None
    assert not {one.reference for one in first.past} & {one.reference for one in rest.past}


def test_visits_that_end_together_are_all_listed(context: Flask, standing_clock: StandingClock) -> None:
    """As after a cancellation, when the patient books the same time again: also where a page ends between the two."""
    for week in range(record_page.SHOWN):
        start = NINE + timedelta(days=7 * week, hours=2)
        with clock.turned_to(start - timedelta(days=2)):
            first = booked(start, key=f"first-{week}")
            visits.cancel(first.reference, first.token, "", actor="t", key=f"cancel-{week}")
            booked(start, key=f"again-{week}")
    standing_clock.on(days=400)
    who, before, found = hired(), None, []
    while True:
        page = record_page.record(who, reference(), past_before=before)
        found += [one.reference for one in page.past]
        before = page.more_past
        if before is None:
            break
    assert len(found) == len(set(found)) == 2 * record_page.SHOWN


def test_a_page_asks_the_same_statements_however_much_there_is(
    context: Flask, standing_clock: StandingClock
) -> None:
    who = hired()
    booked()

    def asked() -> int:
        said: list[str] = []

        def note(*given: Any) -> None:
            said.append(given[2])

        event.listen(db.engine, "before_cursor_execute", note)
        record_page.record(who, reference())
        event.remove(db.engine, "before_cursor_execute", note)
        return len(said)

    few = asked()
    for day in (1, 2, 6, 7, 8):
        booked(NINE + timedelta(days=day))
    edit(Values("Rosa", "Lima", "+18185550199", "rosa@example.com"))
    assert asked() <= few + 1 <= 16


def test_whom_a_practitioner_does_not_have_is_not_there(context: Flask) -> None:
    booked(practitioner="ana")
    ben = hired(Role.PRACTITIONER, practitioner="ben")
    ana = hired(Role.PRACTITIONER, practitioner="ana")
    assert record_page.record(ana, reference()).name == "Rosa Lima"
    for nobody in (
        lambda: record_page.record(ben, reference()),
        lambda: record_page.record(hired(), "NOTHERE"),
    ):
        with pytest.raises(NotFound):
            nobody()


def test_an_edit_is_kept_with_what_was_before(context: Flask) -> None:
    booked()
    who = hired()
    values = Values(
        "Rosa",
        "Lima",
        "+18185550199",
        "rosa@example.com",
        date(1950, 3, 4),
        ("interpreter",),
        "Mornings",
        "Kind",
    )
    edit(values, who=who)
    found = record_page.record(who, reference())
    assert found.values == values and found.edit == 2
    (change,) = found.changes
    assert change.name == who.name and {name: (before, after) for name, before, after in change.changes} == {
        "phone": (None, "+18185550199"),
        "born_on": (None, "1950-03-04"),
        "flags": ([], ["interpreter"]),
        "preferences": ("", "Mornings"),
        "desk_note": ("", "Kind"),
    }
    assert [one["what"] for one in rows(AuditEntry) if one["kind"] == "write"] == ["edited patient"]


def test_the_same_edit_twice_is_one_and_no_change_is_none(context: Flask) -> None:
    booked()
    who = hired()
    edit(Values("Rosa", "Lima", None, "new@example.com"), who=who)
    edit(Values("Rosa", "Lima", None, "new@example.com"), who=who)
    edit(Values("Rosa", "Lima", None, "new@example.com"), version=2, key="key-2", who=who)
    assert len(rows(PatientChange)) == 1 and rows(Patient)[0]["edit"] == 2


def test_a_stale_edit_says_who_changed_what_and_changes_nothing(context: Flask) -> None:
    booked()
    edit(Values("Rosa", "Lima", "+18185550199", "rosa@example.com"), who=hired(name="Carla"))
    with pytest.raises(StaleRecord) as refused:
        edit(Values("Rosa", "Pereira", None, "rosa@example.com"), key="key-2")
    assert refused.value.facts["by"] == "Carla"
    assert refused.value.facts["changes"] == {"phone": [None, "+18185550199"]}
    assert rows(Patient)[0]["last_name"] == "Lima"


def test_upcoming_visits_take_the_new_contact_and_are_told(context: Flask) -> None:
    made = booked()
    changed = edit(Values("Rosa", "Lima", None, "new@example.com"))
    assert changed == [made.reference]
    (visit,) = rows(Appointment)
    assert (visit["email"], visit["version"], visit["link_number"]) == ("new@example.com", 2, 2)
    queued = {(one["kind"], one["address"]) for one in rows(Message) if one["state"] == "queued"}
    assert ("confirmation", "new@example.com") in queued
    assert not any(address == "rosa@example.com" for _, address in queued)
    with pytest.raises(NotFound):
        visits.visit(made.reference, made.token)
    assert visits.visit(made.reference, links.token(made.reference, 2)).email == "new@example.com"


def test_a_change_that_is_still_to_be_told_by_telephone_is_told_to_the_new_number(
    context: Flask, standing_clock: StandingClock
) -> None:
    how: dict[str, Any] = {"email": None, "phone": "+18185550123", "reminders": Reminders.CALL}
    made = booked(NEXT_WEEK, practitioner="ana", **how)
    moving.change(
        hired(), made.reference, Place(starts_at=NEXT_WEEK + timedelta(hours=2)), version=1, key="move-001"
    )
    standing_clock.on(minutes=4)
    while deliver_due():
        pass
    edit(Values("Rosa", "Lima", "+18185550188", None))
    while deliver_due():
        pass
    changes = [(row["address"], row["state"]) for row in rows(Message) if row["kind"] == "change"]
    assert changes == [("+18185550123", "dropped"), ("+18185550188", "to_call")]


@pytest.mark.parametrize("visits_too", [True, False])
def test_whoever_is_to_be_called_about_a_cancelled_visit_is_called_at_the_corrected_number(
    context: Flask, standing_clock: StandingClock, visits_too: bool
) -> None:
    made, who = booked(NINE, email=None, phone="+18185550123", reminders=Reminders.CALL), hired()
    standing_clock.at(NINE - timedelta(hours=5))
    statuses.cancel(who, made.reference, reason="Ana is ill.", key="cancel-01")
    corrected = Values("Rosa", "Pereira", "+18185550188", None)
    assert edit(corrected, visits_too=visits_too) == []
    standing_clock.on(minutes=4)
    while deliver_due():
        pass
    (call,) = calls.call_list(who).calls
    assert (call.kind, call.patient_name, call.phone) == ("cancellation", "Rosa Pereira", "+18185550188")
    told = [(row["address"], row["state"]) for row in rows(Message) if row["kind"] == "cancellation"]
    assert told == [("+18185550188", "to_call")]


CORRECTED = [
    (Values("Rosa", "Lima", "+18185550123", "new@example.com"), ("email", "new@example.com")),
    (Values("Rosa", "Lima", "+18185550123", None), ("call", "+18185550123")),
]


def cancelled(by: Actor = Actor.STAFF) -> str:
    """A visit of the patient's that the desk has cancelled: its reference."""
    made = booked(NEXT_WEEK, phone="+18185550123")
    heard()
    statuses.cancel(hired(), made.reference, by=by, reason="Ana is ill.", key="cancel-01")
    return made.reference


def cancellations(state: str = "queued") -> list[tuple[str, str]]:
    """Where it is told, in this state, that a visit is cancelled."""
    told = [row for row in rows(Message) if row["kind"] == "cancellation" and row["state"] == state]
    return [(row["channel"], row["address"]) for row in told]


@pytest.mark.parametrize(("corrected", "told"), CORRECTED)
@pytest.mark.parametrize("went", [False, True])
def test_that_it_is_cancelled_is_written_to_the_corrected_address_or_else_said(
    context: Flask, standing_clock: StandingClock, corrected: Values, told: tuple[str, str], went: bool
) -> None:
    cancelled()
    if went:
        heard()
    edit(corrected)
    assert cancellations() == [told]
    assert cancellations("sent") == ([("email", "rosa@example.com")] if went else [])


def test_who_has_cancelled_themselves_or_heard_it_at_an_address_that_stays_is_told_nothing_again(
    context: Flask, standing_clock: StandingClock
) -> None:
    by_them = cancelled(Actor.PATIENT)
    heard()
    edit(CORRECTED[0][0])
    assert cancellations() == []
    statuses.correct(
        hired(), by_them, Status.CANCELLED, by=Actor.STAFF, reason="Ana is ill.", key="correct-1"
    )
    # To where they have heard it.
    edit(Values("Rosa", "Lima", "+18185550123", "rosa@example.com"), version=2, key="key-2")
    assert cancellations() == []


def test_a_cancellation_that_a_worker_has_in_hand_is_told_once_more_at_the_corrected_address(
    context: Flask, standing_clock: StandingClock
) -> None:
    cancelled()
    standing_clock.on(minutes=3)
    (in_hand,) = delivery.claim()
    edit(CORRECTED[0][0])
    # What the worker has read already goes there, and is kept as what it was.
    assert cancellations("sending") == [("email", "rosa@example.com")]
    assert cancellations() == [("email", "new@example.com")]
    assert in_hand.id == next(row["id"] for row in rows(Message) if row["state"] == "sending")


def test_visits_stay_as_they_are_if_not_asked_for(context: Flask) -> None:
    made = booked()
    assert edit(Values("Rosa", "Lima", None, "new@example.com"), visits_too=False) == []
    assert visits.visit(made.reference, made.token).email == "rosa@example.com"


def test_a_visit_with_a_contact_of_its_own_keeps_it(context: Flask) -> None:
    booked()
    run(lambda session: session.execute(update(Appointment).values(email="daughter@example.com")))
    assert edited(Values("Rosa", "Lima", None, "new@example.com")) == Edited(kept=[iso_utc(NINE)])
    assert rows(Appointment)[0]["email"] == "daughter@example.com"
    # Nothing to keep where neither name nor contact changes.
    noted = Values("Rosa", "Lima", None, "new@example.com", preferences="Mornings")
    assert edited(noted, version=2, key="key-2") == Edited()


@pytest.mark.parametrize("by_clinic", [False, True])
def test_whoever_booked_with_a_patients_number_and_an_address_of_their_own_learns_nothing_of_the_new_one(
    context: Flask, standing_clock: StandingClock, by_clinic: bool
) -> None:
    rosas = booked(NINE, email=None, phone="+18185550123", reminders=Reminders.CALL)
    strangers = booked(NEXT_WEEK, email="stranger@example.com", phone="+18185550123")
    if by_clinic:
        statuses.cancel(hired(), strangers.reference, key="cancel-01")

    def of_the_stranger() -> list[dict[str, Any]]:
        visit = [row for row in rows(Appointment) if row["reference"] == strangers.reference]
        return visit + [row for row in rows(Message) if row["appointment_id"] == visit[0]["id"]]

    before = of_the_stranger()
    new = Values("Rosa", "Pereira", "+13105559876", None)
    assert edited(new) == Edited([rosas.reference], [iso_utc(NEXT_WEEK)], ended=True)
    assert of_the_stranger() == before
    assert visits.visit(strangers.reference, strangers.token).phone == "+18185550123"


def test_a_link_from_before_an_address_was_added_ends(context: Flask) -> None:
    """Whoever booked with the number alone may be somebody else, who has this link."""
    made = booked(email=None, phone="+18185550123", reminders=Reminders.CALL)
    edit(Values("Rosa", "Lima", "+18185550123", "new@example.com"))
    with pytest.raises(NotFound):
        visits.visit(made.reference, made.token)
    assert ("confirmation", "new@example.com") in {
        (row["kind"], row["address"]) for row in rows(Message) if row["state"] == "queued"
    }


def test_a_visit_that_has_the_new_address_already_gets_the_new_number_too(context: Flask) -> None:
    made = booked(phone="+18185550123")
    run(lambda session: session.execute(update(Appointment).values(email="new@example.com")))
    assert edited(Values("Rosa", "Lima", "+18185550188", "new@example.com")) == Edited([made.reference])
    assert rows(Appointment)[0]["phone"] == "+18185550188"


OTHER_NUMBER = Values("Rosa", "Lima", "+18185550188", "rosa@example.com")


def test_who_keeps_the_address_keeps_the_link_and_is_not_written_to_because_a_number_was_corrected(
    context: Flask,
) -> None:
    made = booked(NEXT_WEEK, phone="+18185550123", reminders=Reminders.BOTH, text_consent=True)
    heard()
    before = rows(Message)
    assert edited(OTHER_NUMBER) == Edited([made.reference])
    assert visits.visit(made.reference, made.token).phone == "+18185550188"
    # What waits goes to the number that there is now; all else is as it was.
    changed = [dict(row) | {"address": "+18185550188"} if row["channel"] == "text" else row for row in before]
    assert {row["state"] for row in before if row["channel"] == "text"} == {"queued"}
    assert rows(Message) == changed
    (_booked, corrected) = rows(HistoryEntry)
    assert corrected["what"] == "number_corrected"


@pytest.mark.parametrize("state", ["sent", "sending", "dead"])
def test_a_link_that_went_by_text_to_the_old_number_ends_and_the_new_one_comes(
    context: Flask, standing_clock: StandingClock, state: str
) -> None:
    made = booked(NEXT_WEEK, phone="+18185550123", reminders=Reminders.BOTH, text_consent=True)
    heard()
    by_text = update(Message).where(Message.channel == Channel.TEXT, Message.kind == "reminder-3d")
    run(lambda session: session.execute(by_text.values(state=state)))
    assert edited(OTHER_NUMBER) == Edited([made.reference], ended=True, written=True)
    with pytest.raises(NotFound):
        visits.visit(made.reference, made.token)
    told = [row for row in rows(Message) if row["kind"] == "confirmation" and row["state"] == "queued"]
    assert [(row["address"], row["facts"]) for row in told] == [("rosa@example.com", {"corrected": True})]


def test_a_call_that_waits_is_made_to_the_corrected_number_though_the_address_stays(
    context: Flask, standing_clock: StandingClock
) -> None:
    booked(NEXT_WEEK, phone="+18185550123", reminders=Reminders.CALL)
    standing_clock.at(NEXT_WEEK - timedelta(days=3))
    while deliver_due():
        pass
    edit(OTHER_NUMBER)
    (call,) = calls.call_list(hired()).calls
    assert call.phone == "+18185550188"
    assert [row["state"] for row in rows(Message) if row["kind"] == "confirmation"].count("queued") == 0


def test_a_move_taken_back_after_a_number_was_corrected_is_told_to_nobody(
    context: Flask, standing_clock: StandingClock
) -> None:
    made = booked(NEXT_WEEK, practitioner="ana", phone="+18185550123")
    heard()
    there = Place(starts_at=NEXT_WEEK + timedelta(hours=2))
    moved = moving.change(hired(), made.reference, there, version=1, key="move-001")
    edit(OTHER_NUMBER)
    (change,) = [row for row in rows(Message) if row["kind"] == "change"]
    assert (change["state"], change["address"]) == ("queued", "rosa@example.com")
    undoing.undo(hired(), moved.entry_id or 0, key="undo-001")
    answers = [row for row in rows(Message) if row["kind"] in ("change", "confirmation")]
    assert sorted(row["state"] for row in answers) == ["dropped", "sent"]


def test_a_new_name_goes_to_upcoming_visits_and_tells_nobody(context: Flask) -> None:
    booked()
    before = len(rows(Message))
    edit(Values("Rosa", "Pereira", None, "rosa@example.com"))
    (visit,) = rows(Appointment)
    assert (visit["last_name"], visit["version"], visit["sequence"]) == ("Pereira", 2, 0)
    assert len(rows(Message)) == before


def test_reminders_that_would_reach_nobody_are_refused_with_the_visit(context: Flask) -> None:
    made = booked()
    with pytest.raises(ContactCannotBeReached) as refused:
        edit(Values("Rosa", "Lima", "+18185550199", None))
    assert refused.value.facts == {"field": "email", "visit": made.reference}
    assert rows(Patient)[0]["email"] == "rosa@example.com" and rows(PatientChange) == []


def test_a_visit_begins_as_the_last_one_was_booked(context: Flask) -> None:
    booked(NEXT_WEEK, reminders=Reminders.CALL, phone="+18185550199", practitioner="ben")

    def ask(session: Any) -> Any:
        return records.habits(session, session.get(Patient, rows(Patient)[0]["id"]))

    assert run(ask).reminders is Reminders.CALL
