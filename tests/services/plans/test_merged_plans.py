"""Plans and what insurance allows go along when two records become one, and back when they are two again."""

from typing import Any

import pytest
from flask import Flask

from booking import clock
from booking.errors import NotChangeable
from booking.models import Appointment, Claim, Coverage, Patient, Plan
from booking.services import rows as writing
from booking.services.desk import merging
from booking.services.plans import prescribing
from booking.services.transaction import run
from tests.clinics import plan_clinic, set_up
from tests.conftest import StandingClock
from tests.services.making import NINE, booked, rows
from tests.services.plans.making import prescribed, running
from tests.staffing import hired


@pytest.fixture(autouse=True)
def two_records(context: Flask, standing_clock: StandingClock) -> None:
    """Rosa Lima, and Rosa Lima-Costa, each with a visit today."""
    set_up(plan_clinic())
    booked(NINE, visit_type="acupuncture-first", practitioner="mei")
    booked(
        NINE, visit_type="acupuncture-first", practitioner="dan", last_name="Lima-Costa",
        email="rlc@example.com",
    )  # fmt: skip


def whose() -> dict[str, list[Any]]:
    """By kind of record the patients to whom they belong."""
    patient_ids = {row["id"] for row in rows(Patient)}
    claims = [row["resource_id"] for row in rows(Claim) if row["resource_id"] in patient_ids]
    return {"claims": sorted(claims)} | {
        kind.__name__: [row["patient_id"] for row in rows(kind)] for kind in (Appointment, Plan, Coverage)
    }


def test_plans_and_coverages_go_along_and_back(standing_clock: StandingClock) -> None:
    stays, goes = rows(Patient)
    made = prescribed(goes["reference"])
    running(made)
    now = clock.now()
    pool = Coverage(patient_id=goes["id"], name="Pool", terms={}, made_at=now, changed_at=now)
    run(lambda session: writing.add(session, pool))
    # Today's two visits lie at one time; once they are over, they keep nobody apart.
    standing_clock.on(days=2)
    before = whose()

    found = merging.preview(hired(), stays["reference"], goes["reference"])
    assert (found.stays.plans, found.goes.plans, found.goes.coverages) == (0, 1, 1)
    number = merging.merge(
        hired(), stays["reference"], goes["reference"], stays_version=1, goes_version=1, key="merge-1"
    )
    assert set(whose()["Appointment"]) == {stays["id"]}
    assert (whose()["Plan"], whose()["Coverage"]) == ([stays["id"]], [stays["id"]])
    assert [one.reference for one in prescribing.plans_of(hired(), stays["reference"])] == [made.reference]

    merging.take_back(hired(), stays["reference"], number, key="back-1")
    assert whose() == before


def test_visits_that_a_plan_got_meanwhile_go_back_with_it(standing_clock: StandingClock) -> None:
    stays, goes = rows(Patient)
    made = prescribed(goes["reference"])
    standing_clock.on(days=2)
    number = merging.merge(
        hired(), stays["reference"], goes["reference"], stays_version=1, goes_version=1, key="merge-1"
    )
    running(made)
    merging.take_back(hired(), stays["reference"], number, key="back-1")
    of_plan = {row["patient_id"] for row in rows(Appointment) if row["plan_id"] is not None}
    assert of_plan == {goes["id"]}
    with pytest.raises(NotChangeable):
        prescribing.withdraw(hired(), made.reference, "", key="withdraw")
