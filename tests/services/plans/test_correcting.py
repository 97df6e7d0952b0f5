"""A patient's contact, corrected at the desk: their plans have it too, and each tells of it once."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from booking import clock
from booking.errors import ContactCannotBeReached, NotFound
from booking.formatting import iso_utc
from booking.models import Appointment, Message, Patient, Plan, PlanEntry
from booking.scheduling.timeline import cell_from, instant_of
from booking.services.desk import records
from booking.services.desk.moving import Place, change
from booking.services.desk.records import Edited, Values
from booking.services.plans import links, reading
from booking.services.plans.booking import book
from booking.services.plans.changing import Decision, decide, stop, told_now
from booking.services.transaction import run
from tests.clinics import plan_clinic, set_up
from tests.conftest import StandingClock
from tests.services.making import rows
from tests.services.plans.making import (
    FIRST_DAY,
    at,
    patient,
    practitioner,
    prescribed,
    proposed,
    running,
    times_told,
    where_mei_is_alone,
    wish,
)
from tests.staffing import hired

NEW = Values("Rosa", "Pereira", "+18185550123", "new@example.com")


@pytest.fixture(autouse=True)
def a_clinic(context: Flask, standing_clock: StandingClock) -> None:
    set_up(plan_clinic())


def edited(values: Values, *, visits_too: bool = True) -> Edited:
    reference = rows(Patient)[0]["reference"]
    return records.edit(hired(), reference, values, version=1, visits_too=visits_too, key="edit-0001")


def edit(values: Values, *, visits_too: bool = True) -> list[str]:
    """The visits that were changed with it."""
    return edited(values, visits_too=visits_too).visits


def queued(kind: str) -> list[dict[str, Any]]:
    return [row for row in rows(Message) if row["kind"] == kind and row["state"] == "queued"]


def test_a_plan_that_runs_takes_the_new_contact_and_tells_of_all_visits_at_once() -> None:
    made = running(prescribed(patient()))
    assert len(edit(NEW)) == 21
    (plan,) = rows(Plan)
    assert (plan["last_name"], plan["email"], plan["link_number"]) == ("Pereira", "new@example.com", 2)
    assert {row["email"] for row in rows(Appointment)} == {"new@example.com"}
    (told,) = queued("plan-confirmation")
    assert told["address"] == "new@example.com" and queued("confirmation") == []
    waiting = [row for row in rows(Message) if row["state"] == "queued"]
    assert {row["address"] for row in waiting} == {"new@example.com"}
    assert queued("plan-digest") and queued("reminder-1d")
    assert rows(PlanEntry)[-1]["what"] == "contact corrected"
    with pytest.raises(NotFound):
        reading.by_link(made.reference, made.token)
    assert reading.by_link(made.reference, links.token(made.reference, 2)).email == "new@example.com"


def test_what_was_decided_goes_to_the_new_contact_once_the_patient_was_told(
    standing_clock: StandingClock,
) -> None:
    where_mei_is_alone()
    made = running(prescribed(patient(), "stages"))
    standing_clock.at(at(FIRST_DAY + timedelta(days=6), 8))
    decide(practitioner(), made.reference, Decision.CONTINUE, told=False, key="decide-01")
    edit(NEW)
    assert queued("plan-confirmation") == queued("plan-change") == []
    told_now(practitioner(), made.reference, key="told-0001")
    (told,) = queued("plan-change")
    assert told["address"] == "new@example.com" and times_told(told["facts"])["firm"]


def test_what_was_moved_while_a_decision_waits_is_told_to_the_new_contact_by_itself(
    standing_clock: StandingClock,
) -> None:
    where_mei_is_alone()
    made = running(prescribed(patient(), "stages"))
    standing_clock.at(at(FIRST_DAY + timedelta(days=6), 8))
    decide(practitioner(), made.reference, Decision.CONTINUE, told=False, key="decide-01")
    visit = next(one for one in rows(Appointment) if one["from_cell"] > cell_from(clock.now()))
    knew = instant_of(visit["from_cell"])
    there = Place(starts_at=knew + timedelta(hours=1))
    change(hired(), visit["reference"], there, version=None, reason="Mei is late", key="move-0001")
    edit(NEW)
    (told,) = queued("change")
    assert (told["address"], told["facts"]["old_starts_at"]) == ("new@example.com", iso_utc(knew))
    assert queued("plan-confirmation") == queued("confirmation") == []


@pytest.mark.parametrize("texted", [False, True])
def test_who_keeps_the_address_is_sent_a_plan_anew_only_if_the_old_number_had_a_text(texted: bool) -> None:
    running(prescribed(patient()))
    sent = update(Message).where(Message.kind == "plan-confirmation").values(state="sent")
    run(lambda session: session.execute(sent))
    if texted:
        to_number = {"channel": "text", "address": "+18185550123"}
        run(lambda session: session.execute(sent.values(to_number)))
    kept = Values("Rosa", "Lima", "+18185550188", "rosa@example.com")
    found = edited(kept)
    assert (len(found.visits), found.ended, found.written) == (21, texted, texted)
    assert {row["phone"] for row in (*rows(Plan), *rows(Appointment))} == {"+18185550188"}
    assert [row["facts"]["corrected"] for row in queued("plan-confirmation")] == [True] * texted
    assert queued("confirmation") == []
    assert rows(PlanEntry)[-1]["what"] == "contact corrected"
    (plan,) = rows(Plan)
    assert plan["link_number"] == 1 + texted


def test_a_call_about_a_plan_goes_to_the_corrected_number_though_the_address_stays() -> None:
    made = running(prescribed(patient()))
    about = update(Message).where(Message.kind == "reminder-1d", Message.channel == "email")
    of_plan = {"plan": made.reference}
    call = {
        "channel": "call",
        "kind": "change",
        "address": "+18185550123",
        "state": "to_call",
        "facts": of_plan,
    }
    first = min(row["id"] for row in queued("reminder-1d"))
    run(lambda session: session.execute(about.where(Message.id == first).values(call)))
    edited(Values("Rosa", "Lima", "+18185550188", "rosa@example.com"))
    (row,) = [row for row in rows(Message) if row["id"] == first]
    assert (row["state"], row["address"]) == ("to_call", "+18185550188")


@pytest.mark.parametrize("visits_too", [True, False])
def test_a_plan_that_waits_to_be_booked_sends_its_link_anew(visits_too: bool) -> None:
    made = prescribed(patient())
    assert edit(NEW, visits_too=visits_too) == []
    (told,) = queued("plan-link")
    assert told["address"] == "new@example.com"
    with pytest.raises(NotFound):
        reading.by_link(made.reference, made.token)
    found = reading.by_link(made.reference, links.token(made.reference, 2))
    assert (found.email, found.last_name) == ("new@example.com", "Pereira")


def test_a_plan_that_runs_stays_as_it_is_if_not_asked_for() -> None:
    made = running(prescribed(patient()))
    before = rows(Message)
    assert edit(NEW, visits_too=False) == []
    assert reading.by_link(made.reference, made.token).email == "rosa@example.com"
    assert rows(Message) == before


def test_a_new_name_alone_tells_nobody_and_the_link_stays() -> None:
    made = running(prescribed(patient()))
    before = rows(Message)
    edit(Values("Rosa", "Pereira", "+18185550123", "rosa@example.com"))
    assert reading.by_link(made.reference, made.token).last_name == "Pereira"
    assert rows(Message) == before and rows(PlanEntry)[-1]["what"] == "name corrected"


def test_a_plan_that_could_reach_nobody_any_more_is_named() -> None:
    made = prescribed(patient())
    with pytest.raises(ContactCannotBeReached) as refused:
        edit(Values("Rosa", "Lima", "+18185550123", None))
    assert refused.value.facts == {"plan": made.reference, "field": "email"}
    assert rows(Plan)[0]["email"] == "rosa@example.com"


@pytest.mark.parametrize("called_off", [False, True])
def test_a_plan_that_somebody_began_with_an_address_of_their_own_learns_nothing_of_a_new_number(
    called_off: bool,
) -> None:
    patient(email=None)
    (proposal, *_) = proposed("disc-gentle")
    by_stranger = wish(proposal, "disc-gentle", phone="+18185550123", email="stranger@example.com")
    made = book(by_stranger, actor="t", key="gentle-001")
    assert {row["patient_id"] for row in rows(Plan)} == {row["id"] for row in rows(Patient)}
    if called_off:
        stop(hired(), made.reference, "Nobody knows them", key="stop-0001")

    def of_the_stranger() -> list[Any]:
        return [rows(Plan), rows(PlanEntry), rows(Appointment), rows(Message)]

    before = of_the_stranger()
    assert edited(Values("Rosa", "Pereira", "+13105559876", None)) == Edited(kept_plans=1)
    assert of_the_stranger() == before
    assert reading.by_link(made.reference, made.token).phone == "+18185550123"
