"""Whose a patient is: of whom a plan names as well, not only of who gives visits or prescribes."""

import pytest
from flask import Flask
from sqlalchemy import update

from booking.errors import NotFound
from booking.models import Plan
from booking.services.plans import prescribing
from booking.services.plans.adherence import adherence
from booking.services.staff.ownership import patient_for, plan_for
from booking.services.transaction import reading, run
from tests.clinics import plan_clinic, set_up
from tests.conftest import StandingClock
from tests.services.plans.making import patient, practitioner, prescribed

EVERYBODY = ("mei", "dan", "aaron", "lin")


@pytest.fixture(autouse=True)
def _clinic(context: Flask, standing_clock: StandingClock) -> None:
    set_up(plan_clinic())


def who_reach(rosa: str, plan: str) -> list[str]:
    """The practitioners who reach a patient, and with her the plan."""
    found = []
    for slug in EVERYBODY:
        who = practitioner(slug)
        with reading() as session:
            try:
                patient_for(session, who, rosa)
            except NotFound:
                with pytest.raises(NotFound):
                    plan_for(session, who, plan)
            else:
                assert plan_for(session, who, plan).reference == plan
                found.append(slug)
    return found


def test_whom_a_plan_names_reaches_its_patient_before_anything_is_booked() -> None:
    rosa = patient()
    plan = prescribed(rosa, wished={"acupuncture": ("dan", "mei"), "chiropractic": ("lin",)}).reference
    assert who_reach(rosa, plan) == ["mei", "dan", "lin"]
    # Also by the board of their plans.
    assert [row.reference for row in adherence(practitioner("lin")).rows] == [plan]
    prescribing.withdraw(practitioner("mei"), plan, "Another one was meant.", key="withdraw-1")
    assert who_reach(rosa, plan) == ["mei"], "who prescribed it sees what became of it"


def test_who_prescribed_a_plan_sees_for_a_year_what_became_of_it(standing_clock: StandingClock) -> None:
    rosa = patient()
    plan = prescribed(rosa).reference
    prescribing.withdraw(practitioner("mei"), plan, "She won't come.", key="withdraw-1")
    standing_clock.on(days=364)
    assert who_reach(rosa, plan) == ["mei"]
    standing_clock.on(days=2)
    assert who_reach(rosa, plan) == []


@pytest.mark.parametrize("column", ["only_with", "rather_with"])
def test_a_kind_of_care_that_is_called_like_somebody_names_nobody(column: str) -> None:
    rosa = patient()
    plan = prescribed(rosa).reference
    names = {"lin": ["aaron", "dandan"], "dan": []}
    run(lambda session: session.execute(update(Plan).values({column: names})))
    assert who_reach(rosa, plan) == ["mei", "aaron"]
