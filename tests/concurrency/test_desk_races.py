"""Races of the desk, with a barrier: several desks at one moment; and the proof that the race is real without guards."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text

from booking.errors import Clash, OldPlaceTaken, SlotTaken, StaleEdit
from booking.extensions import db
from booking.models import Appointment, Claim, HistoryEntry, Merge, Message, Patient
from booking.services.claims import uses_of
from booking.services.clinic import the_clinic
from booking.services.desk import merging, moving, statuses
from booking.services.desk.asking import asked, wanted
from booking.services.desk.moving import Changed, Place, change
from booking.services.desk.undoing import undo
from booking.services.occupancies import window_for
from booking.services.staff.who import Who
from booking.services.transaction import reading
from tests.clinics import clinic, practitioner, rooms, set_up
from tests.concurrency.test_races import AT_ONCE, overlaps, storm
from tests.conftest import MONDAY
from tests.services.making import NEXT_WEEK, booked, rows
from tests.staffing import hired

ELSEWHERE = timedelta(days=1)
HALF_AN_HOUR = timedelta(minutes=30)


@pytest.fixture
def app(app: Flask, standing_clock: Any) -> Flask:
    with app.app_context():
        set_up(clinic(practitioners=[practitioner("ana"), practitioner("ben")], rooms=rooms(2)))
    return app


def desks(app: Flask) -> list[Who]:
    with app.app_context():
        return [hired(name=f"Desk {number}") for number in range(AT_ONCE)]


def visits(app: Flask) -> list[Any]:
    """One for each desk, all on another day, each of another patient."""
    with app.app_context():
        return [
            booked(
                NEXT_WEEK + ELSEWHERE + timedelta(days=number // 4, minutes=30 * (number % 4)),
                practitioner="ana",
                email=f"{number}@example.com",
            )
            for number in range(AT_ONCE)
        ]


def test_of_many_desks_that_want_one_gap_one_gets_it_and_the_others_hear_who_has_it(app: Flask) -> None:
    made, who = visits(app), desks(app)

    def attempt(number: int) -> Changed:
        place = Place(starts_at=NEXT_WEEK)
        return change(who[number], made[number].reference, place, version=1, key=f"race-{number:04}")

    answers = storm(app, attempt)
    with app.app_context():
        assert sum(isinstance(answer, Changed) for answer in answers) == 1
        refused = [answer for answer in answers if isinstance(answer, Clash)]
        assert len(refused) == AT_ONCE - 1
        assert all(answer.facts["with_"][0]["what"] == "practitioner" for answer in refused)
        assert overlaps() == 0
        assert len({claim["appointment_id"] for claim in rows(Claim)}) == AT_ONCE
        assert [row["kind"] for row in rows(Message) if row["sequence"] == 1].count("confirmation") == 1


def test_one_visit_moved_by_many_desks_moves_once_and_says_who_did_it(app: Flask) -> None:
    who = desks(app)
    with app.app_context():
        visit = booked(NEXT_WEEK, practitioner="ana")

    def attempt(number: int) -> Changed:
        place = Place(starts_at=NEXT_WEEK + timedelta(minutes=30 * (1 + number % 4)))
        return change(who[number], visit.reference, place, version=1, key=f"race-{number:04}")

    answers = storm(app, attempt)
    with app.app_context():
        (winner,) = [number for number, answer in enumerate(answers) if isinstance(answer, Changed)]
        stale = [answer for answer in answers if isinstance(answer, StaleEdit)]
        assert len(stale) == AT_ONCE - 1
        assert {answer.facts["by"] for answer in stale} == {f"Desk {winner}"}
        (row,) = rows(Appointment)
        assert (row["version"], row["sequence"]) == (2, 1)
        assert len(rows(HistoryEntry)) == 2 and overlaps() == 0


def test_a_tap_of_many_desks_counts_once(app: Flask, standing_clock: Any) -> None:
    who = desks(app)
    with app.app_context():
        visit = booked(NEXT_WEEK, practitioner="ana")
    answers = storm(
        app, lambda number: statuses.confirm(who[number], visit.reference, key=f"tap-{number:04}")
    )
    with app.app_context():
        assert all(isinstance(answer, Changed) for answer in answers)
        assert len({answer.entry_id for answer in answers if answer.entry_id}) == 1
        assert rows(Appointment)[0]["version"] == 2


def test_an_undo_and_a_move_into_the_old_place_end_in_one_of_both(app: Flask) -> None:
    made, who = visits(app), desks(app)
    with app.app_context():
        first = booked(NEXT_WEEK, practitioner="ana", email="first@example.com")
        gone = change(
            who[0],
            first.reference,
            Place(starts_at=NEXT_WEEK + timedelta(hours=1)),
            version=1,
            key="away-0001",
        )

    def attempt(number: int) -> Changed:
        if number % 2:
            return undo(who[number], gone.entry_id or 0, key=f"undo-{number:04}")
        place = Place(starts_at=NEXT_WEEK)
        return change(who[number], made[number].reference, place, version=1, key=f"race-{number:04}")

    answers = storm(app, attempt)
    with app.app_context():
        assert overlaps() == 0
        here = [
            row["reference"] for row in rows(Appointment) if row["from_cell"] * 300 == NEXT_WEEK.timestamp()
        ]
        assert len(here) == 1
        undone = [answer for answer in answers[1::2] if isinstance(answer, Changed)]
        if here == [first.reference]:
            assert len(undone) == AT_ONCE // 2
            assert all(isinstance(answer, Clash) for answer in answers[::2])
        else:
            assert not undone and all(isinstance(answer, OldPlaceTaken) for answer in answers[1::2])


def asked_before_anybody_wrote(app: Flask, made: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every move now looks at what was possible before the storm: check first, write later."""
    answers: dict[int, Any] = {}
    with app.app_context(), reading() as session:
        clinic_now, on = the_clinic(session), NEXT_WEEK.date()
        for visit in made:
            found = session.scalars(select(Appointment).where(Appointment.reference == visit.reference)).one()
            uses = uses_of(session, found)
            wish = wanted(clinic_now, found, uses, Place(starts_at=NEXT_WEEK))
            window = window_for(clinic_now, on, on)
            answers[found.id] = asked(session, clinic_now, found, uses, wish, window, MONDAY)
    monkeypatch.setattr(moving, "asked_under_lock", lambda _, __, visit, *rest: answers[visit.id])


def drop_the_guard() -> None:
    with db.engine.begin() as connection:
        if db.engine.dialect.name == "sqlite":
            connection.execute(text("DROP TRIGGER claims_overlap_on_insert"))
        else:
            connection.execute(text("ALTER TABLE claims DROP CONSTRAINT ex_claims_overlap"))


def all_want_one_gap(app: Flask, made: list[Any], who: list[Who]) -> list[Any]:
    def attempt(number: int) -> Changed:
        place = Place(starts_at=NEXT_WEEK)
        return change(who[number], made[number].reference, place, version=1, key=f"race-{number:04}")

    return storm(app, attempt)


def test_the_race_is_real_without_lock_and_guard(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: with the question before the lock and the database's guard taken away, the gap is given to all."""
    made, who = visits(app), desks(app)
    asked_before_anybody_wrote(app, made, monkeypatch)
    with app.app_context():
        drop_the_guard()
    answers = all_want_one_gap(app, made, who)
    with app.app_context():
        assert sum(isinstance(answer, Changed) for answer in answers) == AT_ONCE
        assert overlaps() >= AT_ONCE * (AT_ONCE - 1) // 2


def test_the_guard_of_the_database_holds_alone(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    made, who = visits(app), desks(app)
    asked_before_anybody_wrote(app, made, monkeypatch)
    answers = all_want_one_gap(app, made, who)
    with app.app_context():
        assert sum(isinstance(answer, Changed) for answer in answers) == 1
        assert sum(isinstance(answer, SlotTaken) for answer in answers) == AT_ONCE - 1
        assert overlaps() == 0
        assert len({claim["appointment_id"] for claim in rows(Claim)}) == AT_ONCE


def test_records_merged_while_their_visits_are_booked_and_moved(app: Flask) -> None:
    """Two desks merge the two records of one patient, each into the other, while others book for them and move their
    visits. Whoever was late hears of it; nobody is in two places at once, and each visit's time is its patient's.
    """
    who = desks(app)
    with app.app_context():
        one = booked(NEXT_WEEK, practitioner="ana")
        other = booked(NEXT_WEEK + ELSEWHERE, practitioner="ben", last_name="Lima-Costa")
        first, second = (row["reference"] for row in rows(Patient))

    def attempt(number: int) -> Any:
        key = f"race-{number:04}"
        if number in (0, 1):
            stays, goes = (first, second) if number else (second, first)
            return merging.merge(who[number], stays, goes, stays_version=1, goes_version=1, key=key)
        if number in (2, 3):
            return booked(
                NEXT_WEEK + ELSEWHERE * (number - 2) + HALF_AN_HOUR,
                practitioner="ana",
                last_name=("Lima", "Lima-Costa")[number % 2],
                key=key,
            )
        visit, to = ((one, other)[number % 2], NEXT_WEEK + ELSEWHERE * (1 + number % 2) + HALF_AN_HOUR)
        return change(who[number], visit.reference, Place(starts_at=to), version=None, key=key)

    answers = storm(app, attempt)
    with app.app_context():
        assert all(answer is not None for answer in answers)
        merged = [answer for answer in answers[:2] if isinstance(answer, int)]
        assert len(merged) == len(rows(Merge)) <= 1
        assert overlaps() == 0
        visits = {row["id"]: row["patient_id"] for row in rows(Appointment)}
        patients = {row["id"]: row["merged_into_id"] for row in rows(Patient)}
        assert all(patients[owner] is None for owner in visits.values())
        taken = [row for row in rows(Claim) if row["resource_id"] in patients]
        assert {row["appointment_id"]: row["resource_id"] for row in taken} == visits


def test_whoever_books_by_a_record_merged_long_ago_is_with_the_one_that_stayed(app: Flask) -> None:
    """E went into G long ago. While somebody books with E's address, G goes into K: no visit stays with G."""
    who = desks(app)
    with app.app_context():
        for number, name in enumerate(("E", "G", "K")):
            booked(NEXT_WEEK + ELSEWHERE * number, last_name=name, email=f"{name.lower()}@example.com")
        e, g, k = (row["reference"] for row in rows(Patient))
        merging.merge(who[0], g, e, stays_version=1, goes_version=1, key="merge-0001")

    def attempt(number: int) -> Any:
        if number == 0:
            return merging.merge(who[0], k, g, stays_version=1, goes_version=2, key="merge-0002")
        start = NEXT_WEEK + ELSEWHERE * 3 + HALF_AN_HOUR * number
        return booked(start, last_name="E", email="e@example.com", key=f"race-{number:04}")

    storm(app, attempt)
    with app.app_context():
        owners = {row["patient_id"] for row in rows(Appointment)}
        patients = {row["id"]: row["merged_into_id"] for row in rows(Patient)}
        assert all(patients[owner] is None for owner in owners) and overlaps() == 0
