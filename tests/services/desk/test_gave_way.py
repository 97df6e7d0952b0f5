"""What gives way to the desk: the audit names its patient too, whose visit somebody gave up or brought back."""

from datetime import timedelta
from typing import Any

import pytest

from booking import clock
from booking.models import Appointment, BookableBy, Claim, Patient, Plan
from booking.services.desk import merging, moving, new_visit, undoing
from booking.services.desk.moving import Place
from booking.services.desk.new_visit import DeskWish
from booking.services.plans import changing, repairing
from booking.services.plans.lacking import lacking
from booking.services.plans.make_ups import make_up_times
from booking.services.plans.reading import opened
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


def given_up_for_another(penciled: Any) -> int:
    """The entry of the booking for which a penciled visit gave way."""
    asked = DeskWish(patient("Otto", "otto@example.com"), FOLLOW_UP, None, penciled.starts_at, reason="x")
    entry = new_visit.book(hired(), asked, key="desk-0001").entry_id
    assert entry is not None
    return entry


def row_of(reference: str) -> dict[str, Any]:
    (found,) = [row for row in rows(Appointment) if row["reference"] == reference]
    return found


@pytest.mark.parametrize("goes_on", ["made up", "not needed", "paused"])
def test_an_undo_brings_nothing_back_into_a_plan_that_goes_on_without_it(
    penciled: Any, standing_clock: Any, goes_on: str
) -> None:
    entry = given_up_for_another(penciled)
    standing_clock.on(minutes=3)
    (reference,) = [row["reference"] for row in rows(Plan)]
    plan = opened(hired(), reference)
    (missed,) = lacking(plan, clock.now())
    if goes_on == "made up":
        (made_up,) = make_up_times(plan, BookableBy.STAFF)
        hour = timedelta(hours=1)
        time = next(one for one in made_up.times if abs(one.starts_at - penciled.starts_at) > hour)
        repairing.take_for(
            hired(), reference, missed.week, missed.care.slug, time.starts_at, time.practitioner.slug, key="made-0001"
        )  # fmt: skip
    elif goes_on == "not needed":
        repairing.not_needed(hired(), reference, missed.week, missed.care.slug, "Is well.", key="said-0001")
    else:
        day = penciled.starts_at.date()
        changing.pause(hired(), reference, day, day, "Travels.", key="pause-001")
    before = [one.starts_at for one in opened(hired(), reference).standing]
    undoing.undo(hired(), entry, key="undo-0001")
    assert row_of(penciled.reference)["status"] == "cancelled"
    assert [one.starts_at for one in opened(hired(), reference).standing] == before


def test_what_comes_back_takes_the_time_of_the_record_that_stands(penciled: Any) -> None:
    entry = given_up_for_another(penciled)
    (rosa,) = [row for row in rows(Patient) if row["first_name"] == "Rosa"]
    stays = patient("Rosa", "other@example.com")
    (other,) = [row for row in rows(Patient) if row["reference"] == stays]
    merging.merge(
        hired(), stays, rosa["reference"], stays_version=other["edit"], goes_version=rosa["edit"], key="merge-001"
    )  # fmt: skip
    undoing.undo(hired(), entry, key="undo-0001")
    visit = row_of(penciled.reference)
    claimed = {row["resource_id"] for row in rows(Claim) if row["appointment_id"] == visit["id"]}
    assert visit["status"] == "booked" and other["id"] in claimed and rosa["id"] not in claimed
