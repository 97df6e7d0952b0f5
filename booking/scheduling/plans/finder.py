"""The plan that costs least: with whom, and when.

People are chosen around the search for days: the fewest, and those with whom the least is possible, first.
"""

from collections.abc import Iterator
from dataclasses import replace
from heapq import heapify, heappop, heappush
from itertools import combinations, product

from booking.scheduling.plans.beginnings import beginnings
from booking.scheduling.plans.doses import Doses
from booking.scheduling.plans.effort import Effort, Stopped
from booking.scheduling.plans.parts import find_in_parts, is_long
from booking.scheduling.plans.search import PLACE, Search
from booking.scheduling.plans.sparse import SparseSearch, is_sparse
from booking.scheduling.plans.supply import Alike, Supply
from booking.scheduling.plans.task import IMPOSSIBLE, Care, Found, Task, Weights

EFFORT = 60_000
"""So many states are looked at before the search stops with the best so far: those of the weekdays, and those of covering a
weekday's weeks.
"""

People = tuple[int, ...]
Group = tuple[People, ...]
"""For each kind of care with whom."""


def find(task: Task, weights: Weights, effort: int | Effort = EFFORT) -> Found | None:
    """The plan that costs least, or None where there is none.

    Where the effort doesn't suffice, the best so far; raises Stopped where there is none yet. Of a plan over many weeks one that
    is near the best (`parts`).
    """
    spent = Effort(effort) if isinstance(effort, int) else effort
    best: Found | None = None
    stopped: Stopped | None = None
    least = IMPOSSIBLE
    for settled, visits in beginnings(task):
        missing = weights.missing * visits
        if best is not None and (missing >= best.cost or spent.is_spent):
            least = min(least, missing)
            break
        try:
            found = _find(settled, weights, spent)
        except Stopped as reason:
            stopped, least = reason, min(least, missing + reason.bound)
            continue
        if found is not None:
            least = min(least, missing + found.bound)
            if best is None or missing + found.cost < best.cost:
                best = replace(found, cost=missing + found.cost)
    if best is None and stopped is not None:
        raise stopped
    return best and replace(best, bound=min(best.cost, least))


def _find(task: Task, weights: Weights, spent: Effort) -> Found | None:
    if is_sparse(task) or not is_long(task):
        return _Finder(task, weights, spent).find()
    return find_in_parts(
        task,
        weights,
        lambda part, its: _Finder(part, its, spent).find(),
        lambda part, its: _Finder(part, its, spent).bound,
    )


class _Finder:
    """Looks first at the groups of people with whom the least is possible, as far as is known.

    What is known of a group gets dearer and better: how many they are; what each kind of care costs by itself, at least and
    in truth; what they cost together, at least and in truth.
    """

    def __init__(self, task: Task, weights: Weights, effort: Effort) -> None:
        self._task, self._weights, self._effort = task, weights, effort
        self._alike = Alike()
        self._supplies: dict[tuple[int, People], Supply] = {}
        self._doses: dict[tuple[int, People, int], Doses] = {}
        self._alone: dict[tuple[int, People], Search] = {}
        self._costs: dict[tuple[int, People], int] = {}
        self._searches: dict[Group, Search | SparseSearch] = {}

    @property
    def bound(self) -> int:
        """What it costs at least, but for how many people there are."""
        return self._search(tuple(care.people for care in self._task.cares)).bound

    def find(self) -> Found | None:
        everybody = self.bound
        bounds = [self._together_at_least]
        if len(self._task.cares) > 1:
            bounds = [self._alone_at_least, self._alone_in_truth, *bounds]
        # What it comes to at least; how many of the bounds are known.
        ahead: list[tuple[int, int, Group]] = [
            (self._people(group) + everybody, 0, group)
            for group in product(*(list(_groups(care)) for care in self._task.cares))
        ]
        heapify(ahead)
        best: Found | None = None
        while ahead and (best is None or ahead[0][0] < best.cost):
            least, known, group = heappop(ahead)
            below = best.cost if best else IMPOSSIBLE
            if known < len(bounds):
                least = max(least, self._people(group) + bounds[known](group))
                if least < below:
                    heappush(ahead, (least, known + 1, group))
                continue
            try:
                best = self._in_truth(group, below) or best
            except Stopped as stopped:
                if best is None:
                    raise
                bound = min(least, stopped.bound + self._people(group))
                return Found(best.visits, best.cost, min(best.cost, bound))
        return best

    def _people(self, group: Group) -> int:
        return self._weights.person * sum(map(len, group))

    def _alone_at_least(self, group: Group) -> int:
        return sum(self._search_alone(care, people).bound for care, people in enumerate(group))

    def _alone_in_truth(self, group: Group) -> int:
        return sum(self._cost_alone(care, people) for care, people in enumerate(group))

    def _together_at_least(self, group: Group) -> int:
        search = self._searches[group] = self._search(group)
        return search.bound

    def _in_truth(self, group: Group, below: int) -> Found | None:
        search, people = self._searches.pop(group), self._people(group)
        found = search.run(below - people, self._effort)
        if found is None:
            return None
        cost, visits = found
        return Found(tuple(sorted(visits)), cost + people, cost + people)

    def _supply(self, care: int, people: People) -> Supply:
        supply = self._supplies.get((care, people))
        if supply is None:
            supply = Supply(self._task, self._weights, care, people, self._alike)
            self._supplies[care, people] = supply
        return supply

    def _doses_of(self, care: int, people: People, place: int) -> Doses:
        key = care, people, place
        found = self._doses.get(key)
        if found is None:
            supply = self._supply(care, people)
            found = self._doses[key] = Doses(self._task.cares[care], supply, self._task.weeks, PLACE * place)
        return found

    def _search(self, group: Group) -> Search | SparseSearch:
        if is_sparse(self._task):
            return SparseSearch(self._task, self._weights, self._supply(0, group[0]))
        doses = [self._doses_of(care, people, care) for care, people in enumerate(group)]
        return Search(self._task, self._weights, doses, self._alike)

    def _search_alone(self, care: int, people: People) -> Search:
        """One kind of care by itself. Trips are the first one's, so that the sum of all is no more than they cost together."""
        search = self._alone.get((care, people))
        if search is None:
            weights = self._weights if care == 0 else replace(self._weights, trip=0)
            doses = [self._doses_of(care, people, 0)]
            search = self._alone[care, people] = Search(self._task, weights, doses, self._alike)
        return search

    def _cost_alone(self, care: int, people: People) -> int:
        cost = self._costs.get((care, people))
        if cost is None:
            found = self._search_alone(care, people).run(IMPOSSIBLE, self._effort)
            cost = self._costs[care, people] = found[0] if found else IMPOSSIBLE
        return cost


def _groups(care: Care) -> Iterator[People]:
    """With whom a kind of care may be; with nobody, where it may be left out."""
    fewest = 0 if not any(fewest for fewest, _ in care.doses) else 1
    for size in range(fewest, len(care.people) + 1):
        yield from combinations(care.people, size)
