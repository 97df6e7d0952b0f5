"""What a plan makes the desk owe, an estimate or a check of its coverage, is owed as long as a visit of it is to come."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from booking import clock
from booking.models import Payment, TaskKind
from booking.scheduling.status import Status
from booking.services import tasks
from booking.services.desk import moving, statuses
from booking.services.desk.moving import Place
from booking.services.plans import changing, taking_back
from booking.services.plans.booking import BookedPlan
from tests.clinics import plan_clinic, set_up
from tests.conftest import StandingClock
from tests.services.plans.making import patient, prescribed, running, seen
from tests.staffing import hired


@pytest.fixture(autouse=True)
def _clinic(context: Flask, standing_clock: Any) -> None:
    set_up(plan_clinic())


def owed() -> list[tuple[TaskKind, str]]:
    found = tasks.to_do(hired())
    return [(one.kind, one.reference) for one in (*found.overdue, *found.due_today, *found.soon)]


def ahead(made: BookedPlan) -> list[str]:
    return [one.reference for one in seen(made).standing if one.starts_at > clock.now()]


def cancelled(made: BookedPlan, visit: str) -> None:
    statuses.cancel(hired(), visit, reason="Ill", key="cancel-01")


def moved(made: BookedPlan, visit: str) -> None:
    place = Place(starts_at=seen(made).standing[-1].starts_at + timedelta(days=1))
    moving.change(hired(), visit, place, version=None, reason="Travels", key="moved-001")


def stopped_and_taken_back(made: BookedPlan, visit: str) -> None:
    changing.stop(hired(), made.reference, "The wrong one", key="stop-0001")
    assert owed() == []
    change = taking_back.possible(hired(), made.reference)
    assert change is not None
    taking_back.take_back(hired(), made.reference, change.entry, key="back-0001")


@pytest.mark.parametrize(
    ("payment", "kind"), [(Payment.SELF, TaskKind.ESTIMATE), (Payment.INSURANCE, TaskKind.COVERAGE)]
)
def test_it_is_owed_for_the_next_visit_once_the_first_is_cancelled(payment: Payment, kind: TaskKind) -> None:
    made = running(prescribed(patient()), payment=payment)
    first, second = ahead(made)[:2]
    assert owed() == [(kind, first)]
    cancelled(made, first)
    assert owed() == [(kind, second)]


@pytest.mark.parametrize("corrected", [False, True])
def test_it_is_owed_for_the_next_visit_once_the_first_is_missed(
    corrected: bool, standing_clock: StandingClock
) -> None:
    made = running(prescribed(patient()), payment=Payment.INSURANCE)
    first, second = ahead(made)[:2]
    standing_clock.at(seen(made).standing[0].starts_at + timedelta(minutes=20))
    if corrected:
        statuses.arrive(hired(), first, key="here-0001")
        statuses.correct(hired(), first, Status.NOSHOW, reason="Somebody else", key="wrong-001")
    else:
        statuses.no_show(hired(), first, key="noshow-01")
    assert owed() == [(TaskKind.COVERAGE, second)]


def test_it_is_owed_for_the_first_of_them_wherever_they_are_moved() -> None:
    made = running(prescribed(patient()), payment=Payment.INSURANCE)
    first, second = ahead(made)[:2]
    moved(made, first)
    assert owed() == [(TaskKind.COVERAGE, second)]


@pytest.mark.parametrize(
    ("change", "payment"),
    [
        (cancelled, Payment.SELF),
        (cancelled, Payment.INSURANCE),
        (moved, Payment.INSURANCE),
        (stopped_and_taken_back, Payment.SELF),
    ],
)
def test_what_was_owed_of_a_visit_that_took_place_is_not_owed_again(
    change: Callable[[BookedPlan, str], None], payment: Payment, standing_clock: StandingClock
) -> None:
    made = running(prescribed(patient()), payment=payment)
    standing_clock.at(seen(made).standing[8].starts_at - timedelta(days=1))
    assert owed() == []
    change(made, ahead(made)[1])
    assert owed() == [] and tasks.to_do(hired()).later == 0


def test_a_plan_that_is_stopped_owes_nothing_and_all_again_once_that_is_taken_back() -> None:
    made = running(prescribed(patient()), payment=Payment.INSURANCE)
    stopped_and_taken_back(made, "")
    assert [kind for kind, _ in owed()] == [TaskKind.COVERAGE]
    assert owed()[0][1] in ahead(made)
