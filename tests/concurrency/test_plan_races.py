"""A plan that was just stopped is taken back by many at one moment, while somebody books the place of one of its visits; and one is
prescribed while its record is merged.
"""

from datetime import date
from typing import Any

import pytest
from flask import Flask

from booking.errors import OldPlaceTaken, SlotTaken
from booking.models import Appointment, Patient, Plan, PlanEntry
from booking.services.desk import merging
from booking.services.plans.booking import BookedPlan
from booking.services.plans.changing import stop
from booking.services.plans.prescribing import Prescription, prescribe
from booking.services.plans.reading import notes
from booking.services.plans.taking_back import take_back
from booking.services.staff.who import Who
from tests.concurrency.test_races import AT_ONCE, overlaps, storm
from tests.services.making import booked, rows
from tests.services.plans.making import patient, prescribed, running, seen, where_mei_is_alone
from tests.staffing import hired


@pytest.fixture
def stopped(app: Flask, standing_clock: Any) -> tuple[BookedPlan, int, list[Who]]:
    with app.app_context():
        where_mei_is_alone()
        plan = running(prescribed(patient(), "stages"))
        stop(hired(), plan.reference, "The wrong one", key="stop-0001")
        desks = [hired(name=f"Desk {number}") for number in range(AT_ONCE)]
        return plan, notes(hired(), plan.reference)[-1].id, desks


def test_of_many_who_take_it_back_one_does_and_the_others_succeed_quietly(
    app: Flask, stopped: tuple[BookedPlan, int, list[Who]]
) -> None:
    plan, entry, desks = stopped
    answers = storm(
        app, lambda number: take_back(desks[number], plan.reference, entry, key=f"race-{number:04}")
    )
    assert answers == [None] * AT_ONCE
    with app.app_context():
        assert [row["what"] for row in rows(PlanEntry)].count("taken back") == 1
        assert seen(plan).version == 4 and overlaps() == 0


def test_either_all_visits_come_back_or_one_place_is_booked(
    app: Flask, stopped: tuple[BookedPlan, int, list[Who]]
) -> None:
    plan, entry, desks = stopped
    with app.app_context():
        place = seen(plan).visits[1].starts_at

    def attempt(number: int) -> object:
        if number % 2:
            return take_back(desks[number], plan.reference, entry, key=f"race-{number:04}")
        return booked(
            place, key=f"race-{number:04}", visit_type="acupuncture-first", practitioner="mei",
            first_name="Vera", email=f"vera{number}@example.com",
        )  # fmt: skip

    answers = storm(app, attempt)
    with app.app_context():
        of_plan = [row for row in rows(Appointment) if row["plan_id"] is not None]
        others = len(rows(Appointment)) - len(of_plan)
        stand = {row["status"].value for row in of_plan}
        assert (stand, others) in (({"booked"}, 0), ({"cancelled"}, 1))
        refusals = [one for one in answers if isinstance(one, SlotTaken | OldPlaceTaken)]
        assert len(refusals) == (AT_ONCE // 2 if others == 0 else AT_ONCE - 1)
        assert overlaps() == 0


@pytest.mark.parametrize("round_number", range(4))
def test_no_plan_stays_with_a_record_that_was_merged(
    app: Flask, standing_clock: Any, round_number: int
) -> None:
    with app.app_context():
        where_mei_is_alone()
        stays, goes = patient(), patient("Rosalinda", "other@example.com")
        desks = [hired(name=f"Desk {number}") for number in range(AT_ONCE)]

    def attempt(number: int) -> object:
        if number == round_number:
            return merging.merge(
                desks[number], stays, goes, stays_version=1, goes_version=1, key="merge-0001"
            )
        wanted = Prescription(patient=goes, template="stages", first_day=date(2026, 9, 21))
        return prescribe(desks[number], wanted, tell=False, key=f"race-{number:04}")

    storm(app, attempt)
    with app.app_context():
        gone = {row["id"] for row in rows(Patient) if row["merged_into_id"] is not None}
        assert gone and not [row for row in rows(Plan) if row["patient_id"] in gone]
