"""The finder: nothing costs less than what it finds, where everything can be counted; and full plans are found whole."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, given, settings, strategies as st

from booking.scheduling.plans.effort import Stopped
from booking.scheduling.plans.finder import find
from booking.scheduling.plans.task import Care, Choice, Days, Found, Pairing, Task, Weights
from tests.scheduling.plans import naive
from tests.scheduling.plans.clinics import disc, tue_and_thu_after_four, weekdays_after_three

STARTS = [540, 545, 560, 575, 600, 615, 640, 700, 720, 735]
DOSES = [(1, 1), (0, 1), (1, 2), (2, 2), (0, 0)]


@st.composite
def free(draw: Any, weeks: int, fewest: int = 0) -> Days:
    """What is free on some days: a few starts, with one of two people, of different lengths."""
    choices = st.builds(
        lambda starts, minutes, person: Choice(starts, starts + minutes, person),
        st.sampled_from(STARTS), st.sampled_from([15, 30, 50]), st.sampled_from([1, 2]),
    )  # fmt: skip
    open_days = draw(st.sets(st.integers(0, weeks * 7 - 1), min_size=fewest, max_size=weeks * 4))
    return tuple(
        tuple(sorted(draw(st.sets(choices, min_size=1, max_size=2)))) if day in open_days else ()
        for day in range(weeks * 7)
    )


@st.composite
def cares(draw: Any, weeks: int) -> Care:
    return Care(
        doses=tuple(draw(st.lists(st.sampled_from(DOSES), min_size=weeks, max_size=weeks))),
        free=draw(free(weeks)),
        rest_days=draw(st.integers(0, 2)),
        first=draw(st.none() | free(weeks)),
        wished=draw(st.sampled_from([frozenset(), frozenset({1})])),
        elsewhere=tuple(draw(st.lists(st.integers(-2, weeks * 7), max_size=1))),
    )


@st.composite
def begun_late(draw: Any) -> Task:
    """Of somebody to whom some kind of care is new that they begin in a later week, or needn't begin in the first."""
    task = draw(tasks().filter(lambda task: task.weeks > 1))
    late = draw(st.sets(st.sampled_from(range(len(task.cares))), min_size=1))
    dose, none = st.sampled_from(DOSES), st.sampled_from([(0, 0), (0, 1)])
    doses = st.lists(dose, min_size=task.weeks - 1, max_size=task.weeks - 1)
    cares = tuple(
        replace(
            care,
            doses=(draw(none), *draw(doses)),
            free=draw(free(task.weeks, task.weeks)),
            first=draw(free(task.weeks, task.weeks)),
        )
        if number in late
        else care
        for number, care in enumerate(task.cares)
    )
    return replace(task, cares=cares)


def any_of(care: Care, day: int) -> tuple[Choice, ...]:
    return (*care.free[day], *(care.first[day] if care.first else ()))


@st.composite
def tasks(draw: Any, most_cares: int = 3) -> Task:
    weeks = draw(st.integers(1, 3))
    number = draw(st.integers(1, most_cares if weeks < 3 else min(2, most_cares)))
    task = Task(
        cares=tuple(draw(cares(weeks)) for _ in range(number)),
        pairing=draw(st.sampled_from([None, Pairing(15), Pairing(5, in_order=True), Pairing(30)])),
        most_trips=draw(st.sampled_from([None, None, 1, 2])),
        others=frozenset(draw(st.sets(st.tuples(st.just(0), st.integers(0, 6), st.sampled_from(STARTS)), max_size=2))),
    )  # fmt: skip
    if number != 2:
        return task
    both = [
        (day, (one, two))
        for day in range(weeks * 7)
        for one in any_of(task.cares[0], day)
        for two in any_of(task.cares[1], day)
    ]
    return replace(task, clashes=frozenset(draw(st.sets(st.sampled_from(both)))) if both else frozenset())


weights = st.builds(
    Weights,
    time=st.sampled_from([0, 5, 24]),
    person=st.sampled_from([0, 7, 18]),
    trip=st.sampled_from([0, 6, 30]),
    wait=st.sampled_from([0, 1, 4]),
    late=st.sampled_from([0, 3]),
    wish=st.sampled_from([0, 9]),
    before_noon=st.sampled_from([0, 5]),
    after_noon=st.sampled_from([0, 4]),
    again=st.sampled_from([0, 30]),
    missing=st.sampled_from([10, 200]),
)


def agree(task: Task, measure: Weights) -> None:
    assume(naive.size(task) <= 2_000)
    found = find(task, measure)
    assert (found and found.cost) == naive.least(task, measure)
    if found:
        assert found.bound == found.cost
        # Counted anew from its visits, each of which is free: it costs what it says.
        assert naive.cost(task, measure, list(found.visits)) == found.cost
        for visit in found.visits:
            care = task.cares[visit.care]
            days = care.first if visit.first else care.free
            assert days and visit.choice in days[visit.day]


@settings(max_examples=150)
@given(tasks(), weights)
def test_no_plan_costs_less(task: Task, measure: Weights) -> None:
    agree(task, measure)


@settings(max_examples=80)
@given(begun_late(), weights)
def test_nor_where_a_kind_of_care_begins_in_a_later_week(task: Task, measure: Weights) -> None:
    agree(task, measure)


@settings(max_examples=60)
@given(tasks(most_cares=1) | begun_late().filter(lambda task: len(task.cares) == 1), weights)
def test_no_plan_of_at_most_one_visit_a_week_costs_less(task: Task, measure: Weights) -> None:
    (care,) = task.cares
    doses = tuple((min(fewest, 1), min(most, 1)) for fewest, most in care.doses)
    agree(Task((replace(care, doses=doses),), task.pairing, None, others=task.others), measure)


def kept(task: Task, found: Found) -> None:
    """Every week has its doses, and the days of rest are free."""
    for number, care in enumerate(task.cares):
        days = [visit.day for visit in found.visits if visit.care == number]
        for week, (fewest, most) in enumerate(care.doses):
            assert fewest <= sum(day // 7 == week for day in days) <= most
        assert all(later - day > care.rest_days for day, later in pairwise(days))


@pytest.mark.parametrize("seed", [1, 2])
def test_a_disc_plan_of_twenty_visits_is_found_whole(seed: int) -> None:
    task = disc(seed, practitioners=(2, 1))
    found = find(task, Weights())
    assert found and found.bound == found.cost
    assert len(found.visits) == 20
    kept(task, found)
    assert naive.cost(task, Weights(), list(found.visits)) == found.cost


def test_windows_narrow_what_is_found() -> None:
    anytime = find(disc(1, practitioners=(3, 2)), Weights())
    afternoons = disc(1, practitioners=(3, 2), window=weekdays_after_three)
    found = find(afternoons, Weights())
    assert anytime and found and found.cost >= anytime.cost
    assert all(visit.choice.starts >= 15 * 60 or visit.day % 7 == 5 for visit in found.visits)


def test_where_the_days_dont_suffice_there_is_no_plan() -> None:
    # Three times a week with a day of rest between, on Tuesdays, Thursdays and Saturdays, needs all of them each week.
    task = disc(1, practitioners=(1, 1), window=tue_and_thu_after_four)
    assert find(task, Weights()) is None


def test_a_free_clinic_gives_the_same_times_each_week_in_one_trip() -> None:
    found = find(disc(1, practitioners=(1, 1), full=0), Weights())
    assert found
    times = {(visit.care, visit.day % 7, visit.choice.starts) for visit in found.visits}
    assert len(times) == 5
    assert len({visit.day for visit in found.visits}) == 12


def test_the_first_visit_is_of_its_own_kind() -> None:
    task = disc(1, practitioners=(1, 1), full=0)
    longer = tuple(
        tuple(Choice(one.starts, one.ends + 30, one.person) for one in day) for day in task.cares[0].free
    )
    care = replace(task.cares[0], first=longer)
    found = find(replace(task, cares=(care, task.cares[1])), Weights())
    assert found
    needled = [visit for visit in found.visits if visit.care == 0]
    assert [visit.first for visit in needled] == [True] + [False] * 11


def test_a_kind_that_begins_in_a_later_week_begins_there_with_its_first_visit() -> None:
    task = disc(1, practitioners=(2, 1))
    needled, adjusted = task.cares
    longer = tuple(
        tuple(Choice(one.starts, one.ends + 30, one.person) for one in day) for day in adjusted.free
    )
    late = replace(adjusted, doses=((0, 0), (0, 0), (2, 2), (2, 2)), first=longer)
    task = replace(task, cares=(needled, late))
    found = find(task, Weights())
    assert found and found.bound == found.cost == naive.cost(task, Weights(), list(found.visits))
    visits = [visit for visit in found.visits if visit.care == 1]
    assert [visit.first for visit in visits] == [True, False, False, False]
    assert visits[0].day in range(14, 21) and visits[0].choice in longer[visits[0].day]


def test_a_first_visit_in_a_later_week_is_of_that_weeks_ways_and_clashes() -> None:
    nine, then, later = Choice(540, 570, 1), Choice(570, 600, 2), Choice(660, 690, 2)
    free = tuple((nine,) if day % 7 in (0, 1) else () for day in range(14))
    first = tuple({7: (later,), 8: (then,)}.get(day, ()) for day in range(14))
    cares = Care(((1, 1), (1, 1)), free), Care(((0, 0), (1, 1)), ((),) * 14, first=first)
    task = Task(cares, most_trips=1)
    found = find(task, Weights(time=0, trip=0, late=1))
    assert found and [(one.day, one.care, one.first) for one in found.visits] == [
        (0, 0, False),
        (8, 0, False),
        (8, 1, True),
    ]
    assert find(replace(task, clashes=frozenset({(8, (nine, then))})), Weights()) is None


def test_where_the_first_dose_may_be_left_out_somebody_new_begins_with_the_next() -> None:
    free = tuple((Choice(540, 570, 1),) if day % 7 == 1 else () for day in range(14))
    first = tuple(day if number >= 7 else () for number, day in enumerate(free))
    found = find(Task((Care(((0, 1), (1, 1)), free, first=first),)), Weights())
    assert found and [(one.day, one.first) for one in found.visits] == [(8, True)]
    assert found.cost == found.bound == 24 + 18 + 6 + 200


def test_a_search_that_may_not_go_on_says_so() -> None:
    task = disc(1, practitioners=(2, 1), doses=(3, 1))
    with pytest.raises(Stopped):
        find(task, Weights(), effort=10)
    whole = find(task, Weights())
    assert whole
    for effort in (100, 200, 400):
        try:
            found = find(task, Weights(), effort=effort)
        except Stopped:
            continue
        assert found and found.bound <= whole.cost <= found.cost


def test_nothing_asked_is_a_plan_of_nothing() -> None:
    found = find(Task((Care(doses=((0, 0),), free=((),) * 7),)), Weights())
    assert found == Found((), 0, 0)
