"""What the clinic's file has no more: visit types that plans need stay, those that are over still open, and whoever left is
looked for no more.
"""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from booking.extensions import db
from booking.models import Appointment, BookableBy, Clinic, Heartbeat, Plan, PlanStatus, VisitType
from booking.reminders.worker import Worker
from booking.scheduling.status import Status
from booking.services import clinic_rows
from booking.services.clinic_file import ClinicFile
from booking.services.clinic_rows import StillNeeded
from booking.services.plans.adherence import adherence
from booking.services.plans.asking_again import wanted_by
from booking.services.plans.booking import BookedPlan
from booking.services.plans.changing import stop
from booking.services.plans.finishing import end_what_is_over
from booking.services.plans.prescribing import plans_of, withdraw
from booking.services.plans.proposing import propose
from booking.services.plans.reading import by_link
from booking.services.plans.suffering import TimesThatKeep
from tests.clinics import plan_clinic, plan_template, set_up
from tests.conftest import StandingClock
from tests.services.making import rows
from tests.services.plans.making import (
    FIRST_DAY,
    FOLLOW_UP,
    at,
    patient,
    prescribed,
    proposed,
    running,
    seen,
)
from tests.staffing import hired

ADJUSTING = "chiropractic-follow-up"
WEEKLY, ADJUSTED = plan_template("weekly", {FOLLOW_UP: 1}), plan_template("adjusted", {ADJUSTING: 1})


@pytest.fixture(autouse=True)
def _clinic(context: Any, standing_clock: StandingClock) -> None:
    set_up(plan_clinic(plan_templates=[WEEKLY, ADJUSTED]))


def without(slug: str) -> ClinicFile:
    """The clinic once nobody gives this any more."""
    definition = plan_clinic(plan_templates=[WEEKLY]).model_dump(mode="json")
    definition["visit_types"] = [one for one in definition["visit_types"] if one["id"] != slug]
    for person in definition["practitioners"]:
        person["offers"] = [one for one in person["offers"] if one["visit_type"] != slug]
    return ClinicFile.model_validate(definition)


def took_place(plan: BookedPlan) -> None:
    ids = [one.id for one in seen(plan).visits]
    with db.engine.begin() as connection:
        connection.execute(update(Appointment).where(Appointment.id.in_(ids)).values(status=Status.FULFILLED))


def test_a_visit_type_that_a_plan_asks_for_does_not_go_before_the_plan_is_over() -> None:
    rosa, ida = patient(), patient("Ida", "ida@example.com")
    runs, waits = running(prescribed(rosa, "adjusted")), prescribed(ida, "adjusted")
    took_place(runs)
    for plans, name in ((2, runs.reference), (1, waits.reference)):
        with pytest.raises(StillNeeded) as refused:
            clinic_rows.apply(without(ADJUSTING))
        assert refused.value.facts["needed"] == [
            f"{ADJUSTING} is asked for by {plans} plans that run or wait to be booked; stop or withdraw them first, "
            "or keep it in the file"
        ]
        if name == runs.reference:
            stop(hired(), name, "She moves away", key="stop-0001")
    withdraw(hired(), waits.reference, "No more", key="withdraw-1")
    assert clinic_rows.apply(without(ADJUSTING)).changes
    # What was prescribed and took place is read as before.
    (theirs,) = plans_of(hired(), rosa)
    assert [(dose.care.slug, dose.attended, dose.left) for week in theirs.weeks for dose in week.doses] == [
        (ADJUSTING, 1, 0)
    ] * 4


def test_a_plan_whose_visit_type_is_gone_all_the_same_keeps_nobody_from_the_board(
    standing_clock: StandingClock,
) -> None:
    """As a database has it that was there before it was refused."""
    weekly = running(prescribed(patient(), "weekly"))
    other = running(prescribed(patient("Ida", "ida@example.com"), "adjusted"), key="book-other")
    took_place(weekly)
    with db.engine.begin() as connection:
        connection.execute(update(VisitType).where(VisitType.slug == ADJUSTING).values(active=False))
        connection.execute(update(Clinic).values(version=Clinic.version + 1))
    assert len(adherence(hired()).rows) == 2
    assert [one.care.slug for one in seen(other).standing] == [ADJUSTING] * 4
    standing_clock.at(at(FIRST_DAY + timedelta(days=60), 12))
    assert end_what_is_over() == 1 and seen(weekly).status is PlanStatus.COMPLETED


def test_a_plan_that_cannot_be_read_keeps_no_other_from_ending_and_the_heartbeat_tells(
    context: Flask, standing_clock: StandingClock
) -> None:
    unreadable = running(prescribed(patient("Ida", "ida@example.com"), "weekly"), key="book-other")
    weekly = running(prescribed(patient(), "weekly"))
    took_place(unreadable)
    took_place(weekly)
    course = {"phases": [{"weeks": 4, "doses": {"of-no-clinic": [1, 1]}}]}
    with db.engine.begin() as connection:
        connection.execute(update(Plan).where(Plan.reference == unreadable.reference).values(course=course))
    standing_clock.at(at(FIRST_DAY + timedelta(days=60), 12))
    worker = Worker(context)
    worker.tidy()
    worker.tick()
    assert seen(weekly).status is PlanStatus.COMPLETED
    (beat,) = rows(Heartbeat)
    assert beat["trouble"] == "1 plan couldn't be looked at (plans that are over); the log says why."


@pytest.mark.parametrize(
    ("how", "is_there"),
    [
        pytest.param({"wished": {"acupuncture": ("dan",)}}, True, id="rather"),
        pytest.param({"only": {"acupuncture": ("dan", "mei")}}, True, id="one of two"),
        pytest.param({"only": {"acupuncture": ("dan",)}}, False, id="only"),
    ],
)
def test_who_has_left_is_named_by_a_prescription_in_vain(how: dict[str, Any], is_there: bool) -> None:
    made = prescribed(patient(), "weekly", **how)
    definition = plan_clinic(plan_templates=[WEEKLY, ADJUSTED]).model_dump(mode="json")
    definition["practitioners"] = [one for one in definition["practitioners"] if one["id"] != "dan"]
    set_up(ClinicFile.model_validate(definition))
    found = propose(wanted_by(by_link(made.reference, made.token), BookableBy.LINK)).proposals
    people = {visit.practitioner.slug for one in found for visit in one.visits}
    assert people == ({"mei"} if is_there else set())


def test_a_name_that_nobody_ever_had_keeps_nobody_from_what_is_there() -> None:
    """As a database has it from when programs could still send one."""
    for how in ({"only": {"acupuncture": ("nobody", "mei")}}, {"wished": {"acupuncture": ("nobody",)}}):
        assert proposed("weekly", **how)
    assert not proposed("weekly", only={"acupuncture": ("nobody",)})
    made = running(prescribed(patient(), "weekly"))
    with db.engine.begin() as connection:
        connection.execute(update(Plan).values(only_with={"acupuncture": ["nobody"]}))
    plan = seen(made)
    assert TimesThatKeep(BookableBy.STAFF).of(plan, plan.standing[0].reference) == ()
