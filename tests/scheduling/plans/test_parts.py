"""Plans over many weeks, found a few weeks at a time: they keep every rule, cost what they say, and none costs less than is
said.
"""

from unittest import mock

import pytest
from hypothesis import assume, given, settings

from booking.scheduling.plans import finder, parts
from booking.scheduling.plans.effort import Stopped
from booking.scheduling.plans.finder import find
from booking.scheduling.plans.task import Found, Task, Weights
from tests.scheduling.plans import naive
from tests.scheduling.plans.clinics import disc
from tests.scheduling.plans.test_finder import begun_late, kept, tasks, weights


def week_by_week(task: Task, measure: Weights) -> Found | None:
    one_week = dict.fromkeys((True, False), 1)
    with (
        mock.patch.object(parts, "_AT_A_TIME", one_week),
        mock.patch.object(finder, "is_long", return_value=True),
    ):
        return find(task, measure)


@settings(max_examples=100)
@given(tasks() | begun_late(), weights)
def test_week_by_week_a_plan_is_found_if_there_is_one_and_its_bound_is_true(
    task: Task, measure: Weights
) -> None:
    assume(naive.size(task) <= 2_000)
    least = naive.least(task, measure)
    try:
        found = week_by_week(task, measure)
    except Stopped:
        # What was settled first left others no rest: nobody says that there is no plan.
        assert any(care.rest_days for care in task.cares) and task.weeks > 1
        return
    assert (found is None) == (least is None)
    if found and least is not None:
        kept(task, found)
        assert naive.cost(task, measure, list(found.visits)) == found.cost
        assert found.bound <= least <= found.cost


@pytest.mark.parametrize(("weeks", "doses"), [(5, (2, 2)), (8, (2, 1)), (17, (1, 1))])
def test_two_kinds_of_care_over_many_weeks_are_found_whole(weeks: int, doses: tuple[int, int]) -> None:
    task = disc(1, practitioners=(2, 1), doses=doses, weeks=weeks)
    found = find(task, Weights())
    assert found and len(found.visits) == weeks * sum(doses)
    kept(task, found)
    assert naive.cost(task, Weights(), list(found.visits)) == found.cost and found.bound <= found.cost


def test_one_kind_of_care_over_many_weeks_is_found_whole() -> None:
    task = disc(1, practitioners=(2, 1), doses=(2, 1), weeks=16)
    alone = Task(task.cares[:1])
    found = find(alone, Weights())
    assert found and len(found.visits) == 32
    kept(alone, found)


def test_where_the_clinic_is_free_the_times_are_the_same_in_all_weeks() -> None:
    found = find(disc(1, practitioners=(2, 1), doses=(2, 1), weeks=9, full=0), Weights())
    assert found and found.bound <= found.cost
    assert len({(one.care, one.day % 7, one.choice.starts, one.choice.person) for one in found.visits}) == 3
