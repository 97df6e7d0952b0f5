"""What a process keeps of what is taken, and what ends that; and the guards that the database keeps by itself."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from booking import clock
from booking.errors import Busy
from booking.extensions import db
from booking.models import LONGEST_VISIT, Absence, AbsenceKind, Appointment, Claim, Hold, Practitioner
from booking.scheduling.timeline import cell_at
from booking.services import absences, booking, clinic_rows, holds
from booking.services.availability import locked
from booking.services.clinic import present, the_clinic
from booking.services.clinic_file import ClinicFile
from booking.services.question import Moved, Question
from booking.services.search import FreeTimes, free_times
from booking.services.transaction import transaction
from tests.clinics import clinic, practitioner, rooms, set_up, visit_type
from tests.conftest import MONDAY, MakeApp
from tests.services.making import NINE, booked, rows

pytestmark = pytest.mark.usefixtures("standing_clock", "context")

TUESDAY = NINE.date()
OMAR = {"first_name": "Omar", "email": "omar@example.com"}

on_postgresql = pytest.mark.parametrize(
    "database_kind", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True
)


@pytest.fixture
def elsewhere(database_url: str, make_app: MakeApp) -> Flask:
    """Another process on the same database: an application that has kept nothing of what this one has."""
    return make_app(database_url)


def tuesday(visitor: str | None = None) -> FreeTimes:
    return free_times("follow-up", None, TUESDAY, 1, visitor=visitor)


def nine_is_free(visitor: str | None = None) -> bool:
    return any(free.starts_at == NINE for free in tuesday(visitor).each())


def hold_nine(visitor: str = "someone") -> None:
    holds.hold("follow-up", None, NINE, visitor=visitor, network="there")


# Answers that are kept, and what ends them


def test_an_answer_is_kept_while_nothing_changes(standing_clock: Any) -> None:
    set_up()
    standing_clock.on(minutes=1)
    first = tuesday()
    assert tuesday() is first
    # For everybody, and until the notice has moved on by a cell of five minutes.
    standing_clock.on(minutes=4)
    assert tuesday("somebody") is first
    standing_clock.on(seconds=1)
    assert tuesday() is not first


def test_a_notice_that_moves_on_takes_times_away(standing_clock: Any) -> None:
    set_up()
    ten = MONDAY + timedelta(hours=2)
    today = lambda: next(free_times("follow-up", None, MONDAY.date(), 1).each()).starts_at  # noqa: E731
    assert today() == ten
    standing_clock.on(seconds=1)
    assert today() == ten + timedelta(minutes=15)


def book_nine() -> None:
    booked(**OMAR)


def close_on_tuesday() -> None:
    set_up(clinic(closures=[{"first": TUESDAY, "last": TUESDAY}]))


def work_later() -> None:
    set_up(clinic(practitioners=[practitioner(hours={"tuesday": ["10:00-12:00"]})]))


def be_away() -> None:
    with transaction() as session:
        who = session.query(Practitioner).one().id
        absences.enter(session, AbsenceKind.TIME_OFF, who, cell_at(NINE), cell_at(NINE) + 12)


@pytest.mark.parametrize("change", [book_nine, hold_nine, close_on_tuesday, work_later, be_away])
def test_what_another_process_changes_ends_an_answer_that_this_one_has_kept(
    elsewhere: Flask, change: Callable[[], None]
) -> None:
    set_up()
    assert nine_is_free()
    with elsewhere.app_context():
        change()
    assert not nine_is_free()


def test_what_another_process_cancels_is_free_here(elsewhere: Flask) -> None:
    set_up(clinic(rooms=rooms(1)))
    with elsewhere.app_context():
        be_away()
    assert not nine_is_free()
    with elsewhere.app_context(), transaction() as session:
        absences.take_back(session, session.query(Absence).one())
    assert nine_is_free()


@pytest.mark.parametrize("asked_before", [0, 5, 9])
def test_a_hold_that_lapses_ends_what_was_kept_with_it(standing_clock: Any, asked_before: int) -> None:
    set_up()
    hold_nine()
    standing_clock.on(minutes=asked_before)
    assert not nine_is_free("me")
    standing_clock.on(minutes=10 - asked_before, seconds=-1)
    assert not nine_is_free("me")
    standing_clock.on(seconds=1)
    assert nine_is_free("me")


def test_a_hold_that_lapses_between_two_cells_ends_the_answer_as_well(standing_clock: Any) -> None:
    """The notice moves on every five minutes, and ends answers by itself: here it does not."""
    set_up()
    standing_clock.on(minutes=2)
    hold_nine()
    standing_clock.on(minutes=9)
    before = tuesday("me")
    standing_clock.on(seconds=59)
    assert tuesday("me") is before
    standing_clock.on(seconds=1)
    assert nine_is_free("me")


@pytest.mark.parametrize("holder_first", [True, False])
def test_a_hold_counts_as_free_for_its_visitor_and_for_nobody_else(holder_first: bool) -> None:
    set_up()
    hold_nine("me")
    for visitor in ("me", None, "someone", "me") if holder_first else (None, "me", "someone", "me", None):
        assert nine_is_free(visitor) == (visitor == "me"), visitor


def test_each_holder_sees_their_own_time_and_not_the_others() -> None:
    set_up()
    hold_nine("me")
    holds.hold("follow-up", None, NINE + timedelta(hours=1), visitor="you", network="there")
    seen = {
        visitor: {free.starts_at - NINE for free in tuesday(visitor).each()}
        & {timedelta(), timedelta(hours=1)}
        for visitor in ("me", "you", "neither")
    }
    assert seen == {"me": {timedelta()}, "you": {timedelta(hours=1)}, "neither": set()}


def test_one_visitors_answer_for_a_visit_that_moves_is_nobody_elses() -> None:
    set_up()
    visit = booked()
    own = rows(Appointment)[0]
    moved = Moved(own["id"], None, own["patient_id"], None)
    moving = free_times("follow-up", None, TUESDAY, 1, moved=moved)
    assert NINE in [free.starts_at for free in moving.each()]
    assert not nine_is_free()
    assert visit.starts_at == "2026-09-15T16:00:00Z"


# Nothing is kept of what was rolled back


class ChangedMyMind(Exception):
    pass


def test_nothing_is_kept_of_a_transaction_that_was_rolled_back(elsewhere: Flask) -> None:
    """The version that it made comes again, with other rows: here those of a booking at eleven."""
    set_up()
    assert nine_is_free()
    with pytest.raises(ChangedMyMind), transaction() as session:
        question = Question.of(the_clinic(session), "follow-up", None)
        who = question.practitioners[0].id
        absences.enter(session, AbsenceKind.TIME_OFF, who, cell_at(NINE), cell_at(NINE) + 12)
        assert locked(session, question, NINE, clock.now()).at(cell_at(NINE)) is None
        raise ChangedMyMind
    with elsewhere.app_context():
        booked(NINE + timedelta(hours=2), **OMAR)
    found = [free.starts_at - NINE for free in tuesday().each()]
    assert timedelta() in found
    assert timedelta(hours=2) not in found


def test_nothing_is_kept_of_a_clinic_that_was_only_tried_out(elsewhere: Flask) -> None:
    set_up()
    tried, meant = clinic(rules={"horizon_days": 30}), clinic(rules={"horizon_days": 60})
    clinic_rows.apply(tried, dry_run=True)
    # Nobody looks meanwhile; the version that was tried out comes again, with what was meant.
    with elsewhere.app_context():
        set_up(meant)
    assert present().horizon_days == 60


# A clinic that changes between the question and the lock


def longer(minutes: int) -> ClinicFile:
    return clinic(visit_types=[visit_type(phases=[{"name": "treatment", "minutes": minutes}])])


def changing_before_the_lock(
    monkeypatch: pytest.MonkeyPatch, elsewhere: Flask, changes: list[ClinicFile]
) -> list[int]:
    """Each booking asks for the lock only after the next of these changes was made by another process. Returns a list
    that grows with each attempt.
    """
    attempts: list[int] = []

    def change(definition: ClinicFile) -> None:
        with elsewhere.app_context(), clock.turned_to(MONDAY):
            set_up(definition)

    def later(*arguments: Any, **how: Any) -> Any:
        attempts.append(len(changes))
        if changes:
            other = threading.Thread(target=change, args=(changes.pop(0),))
            other.start()
            other.join()
        return locked(*arguments, **how)

    monkeypatch.setattr(booking, "locked", later)
    return attempts


# On SQLite whoever books has the only write lock already when the question is put.


@on_postgresql
def test_a_booking_begins_anew_when_the_clinic_changes_before_its_lock(
    monkeypatch: pytest.MonkeyPatch, elsewhere: Flask
) -> None:
    set_up()
    attempts = changing_before_the_lock(monkeypatch, elsewhere, [longer(45)])
    booked()
    assert len(attempts) == 2
    # By the rules of now, and once.
    assert {row["to_cell"] - row["from_cell"] for row in rows(Claim)} == {9}
    assert len({row["appointment_id"] for row in rows(Claim)}) == 1


@on_postgresql
def test_a_clinic_that_never_stops_changing_is_busy_and_nothing_is_kept(
    monkeypatch: pytest.MonkeyPatch, elsewhere: Flask
) -> None:
    set_up()
    changes = [longer(minutes) for minutes in (45, 50, 55, 60, 65)]
    changing_before_the_lock(monkeypatch, elsewhere, changes)
    with pytest.raises(Busy) as said:
        booked(key="once")
    assert said.value.facts["retry_after"] > 0
    assert rows(Claim) == []
    # A fault keeps no answer: the same key may try again.
    booked(key="once")
    assert {row["to_cell"] - row["from_cell"] for row in rows(Claim)} == {13}


# The guards of the database


def claim_of_another(cells: int = 12) -> dict[str, Any]:
    """Two visits an hour apart with the same person; the second one's claim of them."""
    set_up()
    booked()
    booked(NINE + timedelta(minutes=5 * cells), **OMAR)
    person = rows(Practitioner)[0]["id"]
    return dict([row for row in rows(Claim) if row["resource_id"] == person][-1])


def change_claim(claim: dict[str, Any], **values: Any) -> None:
    with db.engine.begin() as connection:
        connection.execute(update(Claim.__table__).where(Claim.id == claim["id"]).values(**values))


@pytest.mark.parametrize("by", [-7, -12, -11])
def test_a_claim_that_is_changed_into_an_overlap_is_refused(by: int) -> None:
    claim = claim_of_another()
    before = rows(Claim)
    with pytest.raises(IntegrityError, match="overlap"):
        change_claim(claim, from_cell=claim["from_cell"] + by, to_cell=claim["to_cell"] + by)
    assert rows(Claim) == before


def test_a_claim_that_grows_into_another_is_refused_and_one_that_touches_is_not() -> None:
    claim = claim_of_another()
    with pytest.raises(IntegrityError, match="overlap"):
        change_claim(claim, from_cell=claim["from_cell"] - 7)
    change_claim(claim, from_cell=claim["from_cell"] - 6)
    change_claim(claim, before=3, after=3)


def test_a_claim_that_goes_to_a_resource_which_is_taken_is_refused() -> None:
    set_up()
    booked()
    first, other = rows(Claim)[:2]
    with pytest.raises(IntegrityError, match="overlap"):
        change_claim(dict(first), resource_id=other["resource_id"])


@pytest.mark.parametrize(
    ("change", "guard"),
    [
        ({"cells": 0}, "not_empty"),
        ({"cells": -1}, "not_empty"),
        ({"also_an_absence": True}, "one_owner"),
        ({"owner": None}, "one_owner"),
        ({"cells": LONGEST_VISIT + 1}, "a_day_at_most"),
    ],
)
def test_the_database_refuses_claims_that_make_no_sense(change: dict[str, Any], guard: str) -> None:
    set_up()
    booked()
    with transaction() as session:
        person = session.query(Practitioner).one().id
        absences.enter(session, AbsenceKind.TIME_OFF, person, cell_at(NINE) + 600, cell_at(NINE) + 601)
    whose, absence = rows(Claim)[0]["appointment_id"], rows(Absence)[0]["id"]
    start = cell_at(NINE) + 2000

    def insert(cells: int = LONGEST_VISIT, owner: int | None = whose, also_an_absence: bool = False) -> None:
        with db.engine.begin() as connection:
            connection.execute(
                Claim.__table__.insert(),
                {"resource_id": person, "from_cell": start, "to_cell": start + cells, "before": 0, "after": 0,
                 "appointment_id": owner, "absence_id": absence if also_an_absence else None},
            )  # fmt: skip

    with pytest.raises(IntegrityError, match=guard):
        insert(**change)
    # The same without the fault is welcome.
    insert()


def test_an_absence_may_be_longer_than_a_day() -> None:
    set_up()
    with transaction() as session:
        person = session.query(Practitioner).one().id
        absences.enter(
            session, AbsenceKind.TIME_OFF, person, cell_at(NINE), cell_at(NINE) + 10 * LONGEST_VISIT
        )
    (claim,) = rows(Claim)
    assert claim["to_cell"] - claim["from_cell"] == 10 * LONGEST_VISIT


def test_a_claim_goes_with_its_owner() -> None:
    set_up()
    hold_nine()
    with db.engine.begin() as connection:
        connection.execute(Hold.__table__.delete())
    assert rows(Claim) == []
