"""What gives way to the desk: the audit names its patient too, whose visit somebody gave up or brought back."""

from datetime import timedelta
from typing import Any

import pytest

from booking import clock
from booking.models import Appointment
from booking.services.desk import moving, new_visit, undoing
from booking.services.desk.moving import Place
from booking.services.desk.new_visit import DeskWish
from booking.services.staff.who_saw import who_saw
from tests.services.making import booked, rows
from tests.services.plans.making import (
    FIRST,
    FOLLOW_UP,
    patient,
    prescribed,
    running,
    seen,
    where_mei_is_alone,
)
from tests.staffing import hired

pytestmark = pytest.mark.usefixtures("standing_clock", "context")


@pytest.fixture
def penciled(context: Any, standing_clock: Any) -> Any:
    where_mei_is_alone()
    plan = running(prescribed(patient(), "stages"))
    return next(one for one in seen(plan).standing if one.penciled)


def written(reference: str) -> list[tuple[str, str]]:
    """Who did what to a visit, as the audit of its patient has it."""
    (visit,) = [row for row in rows(Appointment) if row["reference"] == reference]
    entries = who_saw(visit["patient_id"], clock.now(), clock.now()).entries
    return [(one.name, one.what) for one in entries if one.subject == f"appointment/{reference}"]


def test_who_books_over_a_penciled_visit_and_takes_it_back_is_in_its_patients_audit(penciled: Any) -> None:
    dana, ada = hired(name="Dana Desk"), hired(name="Ada Desk")
    other = patient("Otto", "otto@example.com")
    asked = DeskWish(other, FOLLOW_UP, None, penciled.starts_at, reason="Penciled in")
    made = new_visit.book(dana, asked, key="desk-0001")
    assert written(penciled.reference) == [("Dana Desk", "gave way")]
    undoing.undo(ada, made.entry_id, key="undo-0001")
    assert written(penciled.reference) == [("Dana Desk", "gave way"), ("Ada Desk", "came back")]


def test_so_is_who_moves_a_visit_there(penciled: Any) -> None:
    other = booked(
        penciled.starts_at + timedelta(days=7), visit_type=FOLLOW_UP, first_name="Otto", email="o@example.com"
    )
    place = Place(starts_at=penciled.starts_at)
    dana = hired(name="Dana Desk")
    moving.change(dana, other.reference, place, version=None, reason="Penciled in", key="moved-001")
    assert written(penciled.reference) == [("Dana Desk", "gave way")]
    assert [what for _, what in written(other.reference)] == ["moved"]


def test_what_gives_way_to_a_patient_is_nothing_that_staff_did(penciled: Any) -> None:
    booked(penciled.starts_at, visit_type=FIRST, first_name="Otto", email="o@example.com")
    assert [row["status"] for row in rows(Appointment) if row["reference"] == penciled.reference] == [
        "cancelled"
    ]
    assert written(penciled.reference) == []
