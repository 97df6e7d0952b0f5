"""What is over ends by itself, where nobody has to decide how it goes on."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from booking.extensions import db
from booking.models import Appointment, Message, PlanReminders, PlanStatus, Reminders
from booking.scheduling.status import Status
from booking.services.plans import series_booking
from booking.services.plans.adherence import Need, adherence
from booking.services.plans.booking import BookedPlan, book
from booking.services.plans.changing import confirm
from booking.services.plans.finishing import end_what_is_over
from booking.services.plans.reading import notes, opened
from booking.services.plans.repairing import not_needed
from booking.services.plans.series import Series, Slot
from tests.clinics import plan_clinic, plan_template, set_up
from tests.conftest import StandingClock
from tests.services.making import rows
from tests.services.plans.making import (
    BOTH,
    FIRST_DAY,
    at,
    patient,
    practitioner,
    prescribed,
    proposed,
    running,
    wish,
)
from tests.staffing import hired

ACUPUNCTURE = "acupuncture-follow-up"


@pytest.fixture(autouse=True)
def _clinic(context: Any, standing_clock: StandingClock) -> None:
    set_up(plan_clinic())


def settled(plan: BookedPlan, *missed: int, status: Status = Status.FULFILLED) -> None:
    """All visits of a plan have taken place, but for those of these numbers."""
    with db.engine.begin() as connection:
        for number, one in enumerate(opened(hired(), plan.reference).visits):
            became = Status.NOSHOW if number in missed else status
            connection.execute(update(Appointment).where(Appointment.id == one.id).values(status=became))


def on_day(clock: StandingClock, day: int) -> int:
    """How many end on this day of the plan."""
    clock.at(at(FIRST_DAY + timedelta(days=day), 12))
    return end_what_is_over()


def status_of(plan: BookedPlan) -> PlanStatus:
    return opened(hired(), plan.reference).status


def test_a_plan_that_nobody_decides_upon_ends_a_week_after_its_last_day(
    standing_clock: StandingClock,
) -> None:
    weekly, before = running(prescribed(patient(), "weekly")), len(rows(Message))
    settled(weekly)
    # Six weeks, and until the end of the seventh what became of the last visit may be corrected.
    assert on_day(standing_clock, 6 * 7 + 6) == 0 and len(adherence(hired()).rows) == 1
    assert on_day(standing_clock, 7 * 7) == 1 and on_day(standing_clock, 7 * 7 + 1) == 0
    assert status_of(weekly) is PlanStatus.COMPLETED and adherence(hired()).rows == ()
    assert notes(hired(), weekly.reference)[-1].what == "ended" and len(rows(Message)) == before


def test_what_is_missing_keeps_it_until_somebody_says_that_it_isnt_needed(
    standing_clock: StandingClock,
) -> None:
    weekly = running(prescribed(patient(), "weekly"))
    settled(weekly, 2)
    assert on_day(standing_clock, 60) == 0 and status_of(weekly) is PlanStatus.RUNNING
    not_needed(hired(), weekly.reference, 2, ACUPUNCTURE, "She is well", key="not-needed")
    assert on_day(standing_clock, 60) == 1


def test_what_isnt_settled_or_decided_goes_on(standing_clock: StandingClock) -> None:
    weekly = running(prescribed(patient(), "weekly"))
    settled(weekly, status=Status.BOOKED)
    assert on_day(standing_clock, 90) == 0 and status_of(weekly) is PlanStatus.RUNNING


def test_what_somebody_has_to_decide_upon_goes_on(standing_clock: StandingClock) -> None:
    disc = running(prescribed(patient()))
    settled(disc)
    assert on_day(standing_clock, 90) == 0 and status_of(disc) is PlanStatus.RUNNING


def test_what_its_patient_began_waits_to_be_confirmed(standing_clock: StandingClock) -> None:
    set_up(plan_clinic(plan_templates=[plan_template("weekly", {ACUPUNCTURE: 1}, self_service=True)]))
    begun = book(wish(proposed("weekly")[0], "weekly"), actor="visitor", key="begun-0001")
    settled(begun)
    assert on_day(standing_clock, 60) == 0 and status_of(begun) is PlanStatus.RUNNING
    assert Need.UNCONFIRMED in adherence(hired()).rows[0].needs
    confirm(practitioner(), begun.reference, key="confirm-01")
    assert on_day(standing_clock, 60) == 1 and status_of(begun) is PlanStatus.COMPLETED


@pytest.mark.parametrize(
    ("status", "ends_as"),
    [(Status.FULFILLED, PlanStatus.COMPLETED), (Status.CANCELLED, PlanStatus.STOPPED)],
)
def test_a_series_ends_once_its_last_visit_is_over(
    standing_clock: StandingClock, status: Status, ends_as: PlanStatus
) -> None:
    who, rosa = hired(), patient()
    series = Series((Slot(ACUPUNCTURE, 1, 9 * 60),), FIRST_DAY, 3)
    visits = series_booking.preview_for(who, rosa, series, BOTH).visits
    made = series_booking.book_for(
        who, rosa, series, visits, name="Three visits", returning=BOTH, reminders=Reminders.EMAIL,
        text_consent=False, reminded_of=PlanReminders.BOTH, key="series-1",
    )  # fmt: skip
    settled(made, status=status)
    assert on_day(standing_clock, 3 * 7 + 6) == 0
    assert on_day(standing_clock, 4 * 7) == 1 and status_of(made) is ends_as
