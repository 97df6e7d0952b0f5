"""How a patient is reminded, changed at the desk with their record: upcoming visits and open plans with the record's contact."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from booking import clock
from booking.errors import ContactCannotBeReached, StaleRecord
from booking.formatting import iso_utc
from booking.models import (
    Appointment,
    HistoryEntry,
    Message,
    OptOut,
    Patient,
    PatientChange,
    Plan,
    PlanEntry,
    PlanReminders,
    Reminders,
    TextConsent,
)
from booking.services import digests, reconciling, rows as writing, visits
from booking.services.desk import records
from booking.services.desk.records import Edited, Habits, Values
from booking.services.plans.booking import book
from booking.services.reminded import Wished
from booking.services.transaction import run
from tests.clinics import plan_clinic, set_up
from tests.conftest import StandingClock
from tests.services.making import NEXT_WEEK, booked, rows
from tests.services.plans.making import patient, prescribed, proposed, running, wish
from tests.staffing import hired

PHONE = "+18185550123"
ROSA = Values("Rosa", "Lima", PHONE, "rosa@example.com")
NO_MAIL = Values("Rosa", "Lima", PHONE, None)
BY_TEXT = Wished(Reminders.TEXT, text_consent=True)


@pytest.fixture(autouse=True)
def a_clinic(context: Flask, standing_clock: StandingClock) -> None:
    set_up()


def edit(values: Values, wished: Wished, key: str = "edit-0001", **how: Any) -> Edited:
    record = rows(Patient)[0]
    asked = {"version": record["edit"], "visits_too": True} | how
    who = asked.pop("who", None) or hired()
    return records.edit(who, record["reference"], values, key=key, wished=wished, **asked)


def waiting(*kinds: str) -> set[tuple[str, str, str]]:
    return {
        (row["kind"], row["channel"], row["address"])
        for row in rows(Message)
        if row["state"] == "queued" and (not kinds or row["kind"] in kinds)
    }


def test_upcoming_visits_are_reminded_of_by_text_and_nobody_is_written_to() -> None:
    booked(NEXT_WEEK, phone=PHONE)
    booked(NEXT_WEEK + timedelta(days=7), phone=PHONE)
    told = [row for row in rows(Message) if row["kind"] == "confirmation"]
    found = edit(ROSA, BY_TEXT)
    assert found.reminded and found.visits == found.kept == []
    assert waiting("reminder-1d", "reminder-3d") == {
        ("reminder-1d", "text", PHONE),
        ("reminder-3d", "text", PHONE),
    }
    assert [row for row in rows(Message) if row["kind"] == "confirmation"] == told
    assert {(row["reminders"], row["version"]) for row in rows(Appointment)} == {("text", 2)}
    assert [row["phone"] for row in rows(TextConsent)] == [PHONE]
    entries = [one for one in rows(HistoryEntry) if one["what"] == "reminders_changed"]
    assert [(one["actor"], one["actor_name"]) for one in entries] == [("staff", hired().name)] * 2
    (change,) = rows(PatientChange)
    assert (change["what"], change["facts"]) == ("reminders_changed", {"changes": {}, "reminders": "text"})
    assert not reconciling.anything_wrong()


@pytest.mark.parametrize("by", [Reminders.CALL, Reminders.TEXT, Reminders.NONE])
def test_a_mail_address_is_taken_away_in_the_same_save(by: Reminders) -> None:
    booked(NEXT_WEEK, phone=PHONE)
    with pytest.raises(ContactCannotBeReached):
        edit(NO_MAIL, Wished(), "edit-0000")
    found = edit(NO_MAIL, Wished(by, text_consent=True))
    (row,) = rows(Appointment)
    assert (row["email"], row["phone"], row["reminders"]) == (None, PHONE, by.value)
    assert found.reminded and found.visits == [row["reference"]]
    expected = (
        set()
        if by is Reminders.NONE
        else {("reminder-1d", by.value, PHONE), ("reminder-3d", by.value, PHONE)}
    )
    assert waiting("reminder-1d", "reminder-3d") == expected
    assert not reconciling.anything_wrong()
    assert [one["what"] for one in rows(HistoryEntry)] == ["booked", "reminders_changed", "contact_corrected"]
    assert row["version"] == 3


def test_a_visit_without_a_number_has_the_records_for_texts() -> None:
    booked(NEXT_WEEK)
    found = edit(ROSA, BY_TEXT)
    (row,) = rows(Appointment)
    assert (row["phone"], row["email"], row["link_number"]) == (PHONE, "rosa@example.com", 1)
    assert waiting("reminder-1d") == {("reminder-1d", "text", PHONE)} and found.reminded
    assert [row["kind"] for row in rows(Message)].count("confirmation") == 1


def test_what_was_due_and_has_not_gone_goes_at_once_in_the_new_way(standing_clock: StandingClock) -> None:
    booked(NEXT_WEEK, phone=PHONE)
    standing_clock.at(NEXT_WEEK - timedelta(hours=23))
    edit(NO_MAIL, BY_TEXT)
    texts = [row for row in rows(Message) if row["kind"] == "reminder-1d" and row["channel"] == "text"]
    assert [(row["state"], row["due_at"]) for row in texts] == [("queued", clock.now())]


def test_a_visit_with_another_contact_is_kept_and_named() -> None:
    booked(NEXT_WEEK, phone=PHONE)
    other = booked(NEXT_WEEK + timedelta(days=7), phone=PHONE)
    visits.correct_contact(other.reference, other.token, "son@example.com", None, actor="t", key="contact-1")
    found = edit(ROSA, BY_TEXT)
    assert found.kept == [iso_utc(NEXT_WEEK + timedelta(days=7))]
    assert [row["reminders"] for row in rows(Appointment)] == ["text", "email"]


def test_texts_need_an_agreement_and_no_stop() -> None:
    booked(NEXT_WEEK, phone=PHONE)
    with pytest.raises(ContactCannotBeReached) as refused:
        edit(ROSA, Wished(Reminders.BOTH))
    assert refused.value.facts["field"] == "text_consent"
    run(lambda session: writing.add(session, OptOut(phone=PHONE, at=clock.now(), words="STOP")))
    with pytest.raises(ContactCannotBeReached) as refused:
        edit(ROSA, BY_TEXT, "edit-0002")
    assert refused.value.facts["field"] == "stopped"
    assert rows(TextConsent) == [] and rows(PatientChange) == []


def test_it_happens_once_and_a_stale_wish_is_refused() -> None:
    booked(NEXT_WEEK, phone=PHONE)
    who = hired()
    for _ in range(2):
        edit(ROSA, BY_TEXT, version=1, who=who)
    assert rows(Appointment)[0]["version"] == 2
    with pytest.raises(StaleRecord) as stale:
        edit(ROSA, Wished(Reminders.CALL), "edit-0002", version=1)
    assert stale.value.facts["changes"] == {} and rows(Appointment)[0]["reminders"] == "text"


def test_the_next_visit_is_booked_as_the_last_one_is_reminded_of_now() -> None:
    booked(NEXT_WEEK, phone=PHONE)
    edit(ROSA, BY_TEXT)

    def habits(session: Any) -> Habits:
        return records.habits(session, session.get_one(Patient, rows(Patient)[0]["id"]))

    assert run(habits).reminders is Reminders.TEXT


def test_a_plan_that_runs_and_one_that_waits_are_reminded_of_as_is_wished() -> None:
    set_up(plan_clinic())
    running(prescribed(patient()))
    found = edit(NO_MAIL, Wished(Reminders.TEXT, PlanReminders.DIGEST, text_consent=True))
    (plan,) = rows(Plan)
    assert found.reminded and found.kept_plans == 0
    assert (plan["email"], plan["reminders"], plan["reminded_of"]) == (None, "text", "digest")
    assert {row["reminders"] for row in rows(Appointment)} == {"text"}
    assert waiting("reminder-1d") == set() and waiting(digests.KIND) == {(digests.KIND, "text", PHONE)}
    assert [one["what"] for one in rows(PlanEntry)][-2:] == ["reminders changed", "contact corrected"]
    assert not reconciling.anything_wrong()


def test_a_plan_that_waits_to_be_booked_begins_as_is_wished() -> None:
    set_up(plan_clinic())
    prescribed(patient())
    edit(ROSA, Wished(Reminders.TEXT, PlanReminders.EACH, text_consent=True))
    (plan,) = rows(Plan)
    assert (plan["status"], plan["reminders"], plan["reminded_of"]) == ("prescribed", "text", "each")
    assert [row["kind"] for row in rows(Message)] == ["plan-link"]


def test_a_plan_with_another_contact_is_kept_and_named() -> None:
    set_up(plan_clinic())
    patient(email=None)
    (proposal, *_) = proposed("disc-gentle")
    theirs = wish(proposal, "disc-gentle", phone=PHONE, email="stranger@example.com")
    book(theirs, actor="t", key="gentle-001")
    before = rows(Message)
    found = edit(NO_MAIL, Wished(Reminders.CALL, PlanReminders.EACH))
    assert (found.kept_plans, found.kept, found.reminded) == (1, [], False)
    assert rows(Message) == before and rows(Plan)[0]["reminders"] == "email"


def test_where_nothing_is_reminded_of_otherwise_the_record_says_nothing() -> None:
    booked(NEXT_WEEK, phone=PHONE)
    record = Values("Rosa", "Lima", PHONE, "rosa@example.com")
    assert not edit(record, Wished(Reminders.EMAIL)).reminded
    assert rows(PatientChange) == [] and rows(Appointment)[0]["version"] == 1


def test_of_what_alone_leaves_the_way_of_each_visit() -> None:
    set_up(plan_clinic())
    running(prescribed(patient()))
    edit(ROSA, Wished(of=PlanReminders.EACH))
    assert waiting(digests.KIND) == set()
    assert waiting("reminder-1d") == {("reminder-1d", "email", "rosa@example.com")}
    assert {row["version"] for row in rows(Appointment)} == {1}
    assert not reconciling.anything_wrong()
