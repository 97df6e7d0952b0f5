"""A visit that was only penciled in, and is over without anybody having settled it, wasn't given."""

from datetime import timedelta
from typing import Any

import pytest

from booking import clock
from booking.models import Appointment, BookableBy
from booking.scheduling.allowances.terms import Kind, Span, Terms, Window
from booking.scheduling.status import Status
from booking.services.allowances import allowances_of
from booking.services.clinic import present
from booking.services.desk import coverage, new_visit
from booking.services.desk.new_visit import DeskWish
from booking.services.desk.record_page import record
from booking.services.desk.statuses import cancel, finish
from booking.services.plans.adherence import Fate, Need, adherence
from booking.services.plans.booking import BookedPlan
from booking.services.plans.lacking import still_lacking
from booking.services.plans.make_ups import make_up_times
from booking.services.plans.places import places_of
from booking.services.plans.repairing import take_for
from booking.services.plans.visits import PlanVisit
from booking.services.plans.weeks import Dose
from booking.services.transaction import reading
from tests.conftest import StandingClock
from tests.services.making import rows
from tests.services.plans.making import (
    FOLLOW_UP,
    patient,
    prescribed,
    running,
    seen,
    where_mei_is_alone,
)
from tests.staffing import hired

pytestmark = pytest.mark.usefixtures("standing_clock", "context")

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def rosa(context: Any, standing_clock: StandingClock) -> str:
    where_mei_is_alone()
    return patient()


@pytest.fixture
def stages(rosa: str) -> BookedPlan:
    """Two visits of its first week stand; the two of its second one are penciled in, behind a look."""
    return running(prescribed(rosa, "stages"))


def doses(plan: BookedPlan) -> list[PlanVisit]:
    return [one for one in seen(plan).visits if one.role == "dose"]


def second_week(plan: BookedPlan) -> Dose:
    return seen(plan).weeks[1].doses[0]


def test_it_is_neither_booked_nor_come_to_and_its_dose_is_asked_for_again(
    stages: BookedPlan, standing_clock: StandingClock
) -> None:
    third, fourth = doses(stages)[2:]
    standing_clock.at(third.ends_at - timedelta(minutes=1))
    dose = second_week(stages)
    assert (dose.booked, dose.attended, dose.missed, dose.left) == (2, 0, 0, 0)
    standing_clock.at(third.ends_at)
    dose = second_week(stages)
    assert (dose.booked, dose.attended, dose.missed, dose.left) == (1, 0, 1, 1)
    (missed,) = still_lacking(seen(stages), clock.now())
    assert missed.visit and missed.visit.reference == third.reference
    cancel(hired(), fourth.reference, key="cancel-01")
    first, _other = make_up_times(seen(stages), BookableBy.STAFF)
    take_for(
        hired(), stages.reference, 1, FOLLOW_UP, first.times[0].starts_at,
        first.times[0].practitioner.slug, key="make-up-1",
    )  # fmt: skip
    dose = second_week(stages)
    assert (dose.booked, dose.missed, dose.made_up, dose.left) == (1, 2, 1, 1)


def test_the_board_asks_for_a_decision_and_says_of_nobody_that_they_stopped_coming(
    stages: BookedPlan, standing_clock: StandingClock
) -> None:
    standing_clock.at(doses(stages)[-1].ends_at)
    (row,) = adherence(hired()).rows
    assert row.weeks[1].cares[0].fates == (Fate.MISSED, Fate.MISSED, Fate.LEFT, Fate.LEFT)
    assert Need.UNDECIDED in row.needs and Need.SHORT in row.needs and Need.STOPPED not in row.needs
    assert row.short == 2 and row.missed_in_a_row == 0


def test_once_somebody_settles_it_as_attended_it_was_given(
    stages: BookedPlan, rosa: str, standing_clock: StandingClock
) -> None:
    third = doses(stages)[2]
    limit = Terms(Kind.INSURANCE, ("acupuncture",), 20, Window(Span.CALENDAR_YEAR))
    coverage.record(hired(), rosa, "Blue Shield", limit, key="coverage")

    def counted() -> tuple[int, int, int, int]:
        with reading() as session:
            number = rows(Appointment)[0]["patient_id"]
            (left,) = allowances_of(session, present(), number, clock.now()).left
            places = places_of(session, present(), {row["plan_id"] for row in rows(Appointment)})
        attended = record(hired(), rosa).attended
        bound = left.tightest
        assert bound is not None
        return bound.used, bound.booked, attended, sum(one.number is not None for one in places.values())

    # Both looks draw on it as well, and have no number.
    assert counted() == (0, 6, 0, 4)
    standing_clock.at(third.ends_at)
    assert counted() == (3, 2, 3, 3)
    finish(hired(), third.reference, key="finish-01")
    assert counted() == (4, 2, 4, 4)
    assert second_week(stages).attended == 1 and second_week(stages).left == 0
    assert next(row["status"] for row in rows(Appointment) if row["id"] == third.id) is Status.FULFILLED


def test_nothing_has_to_rest_from_it(stages: BookedPlan, rosa: str, standing_clock: StandingClock) -> None:
    third, fourth = doses(stages)[2:]
    cancel(hired(), fourth.reference, key="cancel-01")
    standing_clock.at(third.ends_at)
    new_visit.book(hired(), DeskWish(rosa, FOLLOW_UP, None, third.starts_at + DAY), key="book-0001")
