"""Proposals: up to three, unlike one another, each the best by its own measure."""

from booking.scheduling.plans.finder import find
from booking.scheduling.plans.proposals import MEASURES, propose, unlike
from booking.scheduling.plans.task import Care, Choice, Task
from tests.scheduling.plans.clinics import disc, tue_and_thu_after_four


def test_three_proposals_are_each_the_best_of_their_kind_and_unlike() -> None:
    task = disc(1, practitioners=(2, 1), doses=(2, 1))
    proposals = propose(task)
    assert proposals[0].measure == "steady"
    assert len(proposals) == 3
    for number, one in enumerate(proposals):
        if one.measure != "other-times":
            assert one.found == find(task, MEASURES[one.measure])
        for other in proposals[:number]:
            assert unlike(one.found.visits, other.found.visits)


def test_where_nothing_else_is_free_there_is_one_proposal() -> None:
    free = tuple((Choice(540, 570, 1),) if day % 7 == 1 else () for day in range(14))
    proposals = propose(Task((Care(((1, 1),) * 2, free),)))
    assert [one.measure for one in proposals] == ["steady"]


def test_where_the_effort_ends_before_the_next_measure_that_is_said() -> None:
    task = disc(1, practitioners=(2, 1), doses=(2, 1))
    (only,) = propose(task, effort=700)
    assert (only.found, only.stopped) == (propose(task)[0].found, True)
    steadiest, fewest_trips = propose(task, effort=1500)
    assert fewest_trips.found.bound < fewest_trips.found.cost
    assert (steadiest.stopped, fewest_trips.stopped) == (False, True)
    assert not any(one.stopped for one in propose(task))


def test_where_there_is_no_plan_there_is_no_proposal() -> None:
    assert propose(disc(1, practitioners=(1, 1), window=tue_and_thu_after_four)) == []
