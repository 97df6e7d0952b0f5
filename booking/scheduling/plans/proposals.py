"""Up to three plans to choose from: each the best by its own measure, and unlike the others."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from booking.scheduling.plans.effort import Effort, Stopped
from booking.scheduling.plans.finder import EFFORT, find
from booking.scheduling.plans.task import Found, Planned, Task, Weights

MEASURES = {
    "steady": Weights(),
    "fewest-trips": Weights(time=12, person=9, trip=40),
    "soonest": Weights(time=12, person=9, late=6),
    "other-times": Weights(again=30),
}
"""By what a plan may be best. The last one has no measure of its own: it is the steadiest away from the others."""

UNLIKE = 3
"""One visit in so many, at least, lies elsewhere than in each other plan."""
NEAR = range(-25, 30, 5)
"""Minutes by which a visit of the same day may begin earlier or later and still be at the same time for who reads it."""


@dataclass(frozen=True)
class Proposal:
    """`stopped`: the effort was spent after it, before the next measure had a plan."""

    measure: str
    found: Found
    stopped: bool = False


def propose(
    task: Task, measures: dict[str, Weights] = MEASURES, most: int = 3, effort: int = EFFORT
) -> list[Proposal]:
    """The best plan by each measure, the first measure first, as far as they are unlike; none where there is no plan.

    All share the effort. Raises Stopped where it doesn't suffice for one plan.
    """
    chosen: list[Proposal] = []
    left = Effort(effort)
    for measure, weights in measures.items():
        if len(chosen) == most:
            break
        try:
            found = find(replace(task, others=_begun(chosen)) if weights.again else task, weights, left)
        except Stopped:
            if not chosen:
                raise
            chosen[-1] = replace(chosen[-1], stopped=True)
            break
        if found is None:
            break
        if all(unlike(found.visits, other.found.visits) for other in chosen):
            chosen.append(Proposal(measure, found))
    return chosen


def unlike(visits: Sequence[Planned], others: Sequence[Planned]) -> bool:
    """Whether a third of the visits, at least, are at other times than the others, or with somebody else."""
    near = {(*begins, person) for begins, person in _near(others)}
    apart = [one for one in visits if (one.care, one.day, one.choice.starts, one.choice.person) not in near]
    return UNLIKE * len(apart) >= len(visits)


def _begun(proposals: Iterable[Proposal]) -> frozenset[tuple[int, int, int]]:
    return frozenset(begins for one in proposals for begins, _person in _near(one.found.visits))


def _near(visits: Iterable[Planned]) -> Iterator[tuple[tuple[int, int, int], int]]:
    """All that is at the same time as one of these visits for who reads it: kind of care, day and start; and with whom."""
    for one in visits:
        for minutes in NEAR:
            yield (one.care, one.day, one.choice.starts + minutes), one.choice.person
