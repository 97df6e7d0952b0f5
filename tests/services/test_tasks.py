"""What the desk owes about visits: it is written with the booking, and goes with the visit."""

from datetime import date, timedelta
from typing import Any

import pytest
from flask import Flask

from booking.errors import NotFound
from booking.models import Payment, Task, TaskKind
from booking.services import tasks, visits
from booking.services.desk.panel import panel
from booking.services.rescheduling import reschedule
from tests.clinics import set_up
from tests.conftest import StandingClock
from tests.services.making import NEXT_WEEK, NINE, booked, rows
from tests.staffing import hired

TWO_WEEKS = NINE + timedelta(days=13)


@pytest.fixture(autouse=True)
def clinic_is_set_up(context: Flask, standing_clock: Any) -> None:
    set_up()


def listed() -> list[tuple[TaskKind, date]]:
    found = tasks.to_do(hired())
    return [(one.kind, one.due_on) for one in (*found.overdue, *found.due_today, *found.soon)]


def test_who_pays_themselves_is_owed_an_estimate(context: Flask) -> None:
    booked(NEXT_WEEK, payment=Payment.SELF)
    booked(TWO_WEEKS, payment=Payment.SELF, first_name="Ida")
    assert listed() == [(TaskKind.ESTIMATE, date(2026, 9, 15)), (TaskKind.ESTIMATE, date(2026, 9, 17))]


def test_a_visit_tomorrow_owes_no_estimate(context: Flask) -> None:
    booked(NINE, payment=Payment.SELF)
    assert rows(Task) == []


@pytest.mark.parametrize(
    "payment", [Payment.INSURANCE, Payment.MEDICARE_ADVANTAGE, Payment.ORIGINAL_MEDICARE]
)
def test_coverage_is_checked_before_the_visit(context: Flask, payment: Payment) -> None:
    booked(NEXT_WEEK, payment=payment)
    assert listed() == [(TaskKind.COVERAGE, date(2026, 9, 18))]


def test_whoever_is_not_sure_owes_nothing_and_is_owed_nothing(context: Flask) -> None:
    booked(NEXT_WEEK, payment=Payment.NOT_SURE)
    booked(NEXT_WEEK + timedelta(hours=1), payment=None)
    assert rows(Task) == []


def test_a_moved_visit_takes_its_tasks_along(context: Flask) -> None:
    visit = booked(NEXT_WEEK, payment=Payment.INSURANCE)
    reschedule(visit.reference, visit.token, NEXT_WEEK + timedelta(days=1), None, actor="t", key="move")
    assert listed() == [(TaskKind.COVERAGE, date(2026, 9, 21))]


def test_the_visit_itself_says_the_same_date(context: Flask) -> None:
    visit = booked(NEXT_WEEK, payment=Payment.INSURANCE)
    reschedule(visit.reference, visit.token, NEXT_WEEK + timedelta(days=1), None, actor="t", key="move")
    (task,) = panel(hired(), visit.reference).tasks
    assert [(task[1], task[2])] == listed()


def test_a_visit_that_is_moved_far_ahead_owes_an_estimate_from_then_on(
    context: Flask, standing_clock: StandingClock
) -> None:
    visit = booked(NINE + timedelta(days=1), payment=Payment.SELF)
    assert listed() == []
    reschedule(visit.reference, visit.token, NEXT_WEEK, None, actor="t", key="move")
    reschedule(visit.reference, visit.token, TWO_WEEKS, None, actor="t", key="again")
    assert listed() == [(TaskKind.ESTIMATE, date(2026, 9, 15))]


def test_a_cancelled_visit_is_owed_nothing(context: Flask) -> None:
    visit = booked(NEXT_WEEK, payment=Payment.SELF)
    visits.cancel(visit.reference, visit.token, "", actor="t", key="cancel")
    assert listed() == []


def test_a_task_is_settled_once_and_can_be_put_back(context: Flask) -> None:
    who = hired(name="Dana Desk")
    booked(NEXT_WEEK, payment=Payment.SELF)
    (task,) = rows(Task)
    assert tasks.settle(who, task["id"], done=True, key="settle-1") is TaskKind.ESTIMATE
    assert tasks.settle(who, task["id"], done=True, key="settle-2") is TaskKind.ESTIMATE
    assert listed() == []
    assert rows(Task)[0]["settled_by"] == "Dana Desk"
    tasks.settle(who, task["id"], done=False, key="reopen-1")
    assert len(listed()) == 1


def test_what_is_late_comes_first_and_what_is_far_is_counted(
    context: Flask, standing_clock: StandingClock
) -> None:
    booked(NEXT_WEEK, payment=Payment.SELF)
    booked(NEXT_WEEK + timedelta(days=25), payment=Payment.INSURANCE, first_name="Ida")
    standing_clock.on(days=2)
    found = tasks.to_do(hired())
    assert (len(found.overdue), len(found.due_today), len(found.soon), found.later) == (1, 0, 0, 1)


def test_a_task_that_is_not_there_is_not_found(context: Flask) -> None:
    with pytest.raises(NotFound):
        tasks.settle(hired(), 4711, done=True, key="settle-1")
