"""How a patient is reminded of one visit, changed by its link: one reminder each, in the new way, and nothing told twice."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from booking import clock
from booking.errors import ContactCannotBeReached, KeyReused, NotChangeable, NotFound, StaleEdit
from booking.models import Appointment, HistoryEntry, Message, OptOut, Reminders, TextConsent
from booking.reminders import delivery
from booking.services import reconciling, rows as writing, visits
from booking.services.booking import Booked
from booking.services.desk import moving, undoing
from booking.services.desk.asking import Place
from booking.services.transaction import run
from tests.clinics import set_up
from tests.conftest import StandingClock
from tests.services.making import NEXT_WEEK, booked, rows
from tests.staffing import hired

PHONE = "+18185550123"
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def a_clinic(context: Flask, standing_clock: StandingClock) -> None:
    set_up()


def remind(visit: Booked, by: Reminders, key: str = "remind-1", **how: Any) -> str:
    asked = {"email": "rosa@example.com", "phone": PHONE, "agrees_to_texts": True} | how
    email, phone = asked.pop("email"), asked.pop("phone")
    return visits.correct_contact(
        visit.reference, visit.token, email, phone, reminders=by, actor="t", key=key, **asked
    )


def reachable(**how: Any) -> Booked:
    return booked(NEXT_WEEK, phone=PHONE, **how)


def reminders(*states: str) -> list[tuple[str, str]]:
    return sorted(
        (row["kind"], row["channel"])
        for row in rows(Message)
        if row["kind"].startswith("reminder-") and row["state"] in (states or ("queued",))
    )


def ends_as(kind: str, state: str, **more: Any) -> None:
    run(
        lambda session: session.execute(
            update(Message).where(Message.kind == kind).values(state=state, **more)
        )
    )


def test_texts_instead_of_mail_are_one_each_and_nobody_is_written_to_about_it() -> None:
    visit = reachable()
    before = rows(Message)
    token = remind(visit, Reminders.TEXT)
    assert token == visit.token
    assert reminders() == [("reminder-1d", "text"), ("reminder-3d", "text")]
    assert reminders("dropped") == [("reminder-1d", "email"), ("reminder-3d", "email")]
    assert {row["due_at"] for row in rows(Message)} == {row["due_at"] for row in before}
    others = [row for row in rows(Message) if not row["kind"].startswith("reminder-")]
    assert [row["kind"] for row in others] == ["confirmation"]
    assert [row["phone"] for row in rows(TextConsent)] == [PHONE]
    assert not reconciling.anything_wrong()


def test_there_and_back_again_there_is_one_reminder_each() -> None:
    visit = reachable()
    ways = [Reminders.TEXT, Reminders.EMAIL, Reminders.BOTH, Reminders.CALL, Reminders.EMAIL]
    for number, by in enumerate(ways):
        remind(visit, by, f"remind-{number}")
    assert reminders() == [("reminder-1d", "email"), ("reminder-3d", "email")]
    assert not reconciling.anything_wrong()
    assert [one["what"] for one in rows(HistoryEntry)] == ["booked", *["reminders_changed"] * len(ways)]


def test_what_has_been_sent_is_not_sent_again(standing_clock: StandingClock) -> None:
    visit = reachable()
    standing_clock.at(NEXT_WEEK - timedelta(days=3) - timedelta(minutes=30))
    ends_as("reminder-3d", "sent", sent_at=clock.now())
    remind(visit, Reminders.TEXT)
    assert reminders() == [("reminder-1d", "text")] and reminders("sent") == [("reminder-3d", "email")]
    assert not reconciling.anything_wrong()


def test_what_was_due_and_has_not_gone_goes_at_once_in_the_new_way(standing_clock: StandingClock) -> None:
    visit = reachable()
    standing_clock.at(NEXT_WEEK - timedelta(days=1) + HOUR)
    ends_as("reminder-3d", "sent", sent_at=clock.now())
    remind(visit, Reminders.TEXT)
    (row,) = [row for row in rows(Message) if row["channel"] == "text"]
    assert (row["kind"], row["state"], row["due_at"]) == ("reminder-1d", "queued", clock.now())


def test_who_is_on_the_list_of_calls_and_wants_mail_is_written_to_instead(
    standing_clock: StandingClock,
) -> None:
    visit = reachable(reminders=Reminders.CALL)
    standing_clock.at(NEXT_WEEK - timedelta(days=1) + HOUR)
    ends_as("reminder-3d", "to_call", settled_at=clock.now(), settled_as="reached")
    ends_as("reminder-1d", "to_call")
    remind(visit, Reminders.EMAIL)
    assert reminders() == [("reminder-1d", "email")]
    assert reminders("to_call") == [("reminder-3d", "call")]
    assert not reconciling.anything_wrong()


def test_a_text_that_a_worker_has_in_hand_but_has_not_handed_over_is_kept_back(
    standing_clock: StandingClock,
) -> None:
    visit = reachable(reminders=Reminders.TEXT, text_consent=True)
    standing_clock.at(NEXT_WEEK - timedelta(days=3))
    (claimed,) = [one for one in delivery.claim() if _kind(one.id) == "reminder-3d"]
    remind(visit, Reminders.EMAIL)
    assert reminders() == [("reminder-1d", "email"), ("reminder-3d", "email")]
    assert not delivery._handed_over(claimed)


def _kind(number: int) -> str:
    return str(next(row["kind"] for row in rows(Message) if row["id"] == number))


def test_who_wants_no_reminders_has_none() -> None:
    visit = reachable()
    remind(visit, Reminders.NONE)
    assert reminders() == [] and not reconciling.anything_wrong()


def test_a_mail_address_is_taken_away_with_its_reminders() -> None:
    visit = reachable()
    remind(visit, Reminders.TEXT, email=None)
    assert reminders() == [("reminder-1d", "text"), ("reminder-3d", "text")]
    (row,) = rows(Appointment)
    assert (row["email"], row["reminders"], row["version"]) == (None, "text", 3)


def test_texts_need_an_agreement_for_that_number() -> None:
    visit = reachable()
    with pytest.raises(ContactCannotBeReached) as refused:
        remind(visit, Reminders.TEXT, agrees_to_texts=False)
    assert refused.value.facts == {"field": "text_consent"}
    remind(visit, Reminders.TEXT, "remind-2")
    remind(visit, Reminders.BOTH, "remind-3", agrees_to_texts=False)
    with pytest.raises(ContactCannotBeReached):
        remind(visit, Reminders.BOTH, "remind-4", phone="+18185550177", agrees_to_texts=False)
    assert len(rows(TextConsent)) == 1


def test_a_number_that_said_stop_is_refused_to_its_owner_and_of_others_nothing_is_told() -> None:
    visit = reachable()
    for phone in (PHONE, "+18185550177"):
        run(
            lambda session, phone=phone: writing.add(
                session, OptOut(phone=phone, at=clock.now(), words="STOP")
            )
        )
    with pytest.raises(ContactCannotBeReached) as refused:
        remind(visit, Reminders.TEXT)
    assert refused.value.facts == {"field": "stopped"}
    remind(visit, Reminders.TEXT, "remind-2", phone="+18185550177")


def test_it_happens_once_and_what_is_stale_or_past_is_refused(standing_clock: StandingClock) -> None:
    visit = reachable()
    for _ in range(2):
        remind(visit, Reminders.TEXT, version=1)
    assert rows(Appointment)[0]["version"] == 2
    with pytest.raises(KeyReused):
        remind(visit, Reminders.EMAIL)
    with pytest.raises(StaleEdit):
        remind(visit, Reminders.EMAIL, "remind-2", version=1)
    with pytest.raises(NotFound):
        visits.correct_contact(
            visit.reference, "wrong", None, PHONE, reminders=Reminders.CALL, actor="t", key="remind-3"
        )
    standing_clock.at(NEXT_WEEK)
    with pytest.raises(NotChangeable):
        remind(visit, Reminders.CALL, "remind-4")


def test_what_the_desk_moved_before_can_still_be_taken_back() -> None:
    visit, who = reachable(), hired()
    there = Place(starts_at=NEXT_WEEK + HOUR)
    moved = moving.change(who, visit.reference, there, version=None, reason="", key="move-0001")
    assert moved.entry_id
    remind(visit, Reminders.TEXT)
    undoing.undo(who, moved.entry_id, key="undo-0001")
    assert reminders() == [("reminder-1d", "text"), ("reminder-3d", "text")]


def test_a_mail_in_hand_for_an_address_that_is_taken_away_goes_as_a_text(
    standing_clock: StandingClock,
) -> None:
    visit = reachable()
    standing_clock.at(NEXT_WEEK - timedelta(days=3))
    (claimed,) = [one for one in delivery.claim() if _kind(one.id) == "reminder-3d"]
    remind(visit, Reminders.TEXT, email=None)
    assert ("reminder-3d", "text") in reminders()
    assert delivery._composed(claimed) is None
    assert reminders("sent", "sending") == []


def test_a_mail_in_hand_is_not_told_by_text_as_well(standing_clock: StandingClock) -> None:
    visit = reachable()
    standing_clock.at(NEXT_WEEK - timedelta(days=3))
    delivery.claim()
    remind(visit, Reminders.TEXT)
    assert reminders() == [("reminder-1d", "text")] and reminders("sending") == [("reminder-3d", "email")]
