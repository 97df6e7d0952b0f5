"""Plans over more weeks than one search can look through: a few weeks at a time, each at the times of those before where that
can be.

What one search has to look through doubles with each week. So a few weeks are searched whole. The others keep their times and
people, and only weeks that can't have everything else that is free. That is tried from each part on, and the cheapest is taken:
a plan that may not be the best; how far from it at most is said.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from booking.scheduling.plans.effort import Stopped
from booking.scheduling.plans.task import Care, Choice, Days, Found, Planned, Task, Weights

Find = Callable[[Task, Weights], Found | None]
Bound = Callable[[Task, Weights], int]
Start = tuple[int, int, int]
"""A kind of care, a weekday, a start."""
Time = tuple[int, int, int, int]
"""A kind of care, a weekday, a start and with whom."""

_SEVERAL_KINDS, _ONE_KIND = 4, 12
# So many weeks at a time, where they are too many.
_AT_A_TIME = {True: 4, False: 8}


def is_long(task: Task) -> bool:
    """Whether one search would look through too many weeks. Those without a visit don't count."""
    used = sum(any(care.doses[week][1] for care in task.cares) for week in range(task.weeks))
    return used > (_SEVERAL_KINDS if len(task.cares) > 1 else _ONE_KIND)


def find_in_parts(task: Task, weights: Weights, find: Find, bound: Bound) -> Found | None:
    """A plan of all weeks, or None where there is none. `find` says the best of a few weeks, `bound` what they cost at least.
    Raises Stopped where it can't be told: the effort is spent, or what was settled first leaves others no rest.
    """
    parts = _parts(task)
    least = _least(task, weights, bound, parts)
    best: list[Found] | None = None
    try:
        for first, alone in _beginnings(task, weights, find, parts):
            if alone is None:
                return None
            found = _from(first, task, weights, find, parts, alone)
            if found and (best is None or _cost(weights, found) < _cost(weights, best)):
                best = found
    except Stopped:
        if best is None:
            raise
    if best is None:
        raise Stopped(least)
    visits = [
        _moved(one, weeks.start) for weeks, part in zip(parts, best, strict=True) for one in part.visits
    ]
    cost = _cost(weights, best)
    return Found(tuple(sorted(visits)), cost, min(cost, least))


def _beginnings(
    task: Task, weights: Weights, find: Find, parts: Sequence[range]
) -> Iterator[tuple[int, Found | None]]:
    """Parts to begin with, by their numbers, each at its best: first where times that other weeks seldom have cost more."""
    starts = [_starts(task, week) for week in range(task.weeks)]
    for number, weeks in enumerate(parts):
        others = [starts[week] for week in range(task.weeks) if week not in weeks]
        yield number, _foreseeing(_part(task, weeks), others, weights, find)
    yield 0, find(_part(task, parts[0]), weights)


def _foreseeing(part: Task, others: Sequence[set[Start]], weights: Weights, find: Find) -> Found | None:
    """The best of a part where a start costs more that seldom is among those of the other weeks."""
    had = Counter(start for starts in others for start in starts)
    rare = frozenset(
        (number, day, one.starts)
        for number, care in enumerate(part.cares)
        for day, choices in enumerate(care.free)
        for one in choices
        if had[number, day % 7, one.starts] * 2 <= len(others)
    )
    seldom = replace(weights, again=weights.again + weights.time // 3)
    found = find(replace(part, others=part.others | rare), seldom)
    if found is None:
        return None
    begun = [(one.care, one.day, one.choice.starts) for one in found.visits]
    paid = seldom.again * sum(one in part.others or one in rare for one in begun)
    return replace(found, cost=found.cost - paid + weights.again * sum(one in part.others for one in begun))


def _starts(task: Task, week: int) -> set[Start]:
    days = range(week * 7, week * 7 + 7)
    return {
        (number, day % 7, one.starts)
        for number, care in enumerate(task.cares)
        for day in days
        for one in care.free[day]
    }


def _from(
    first: int, task: Task, weights: Weights, find: Find, parts: Sequence[range], alone: Found
) -> list[Found] | None:
    """A plan that keeps to the times of its `first` part; None where a part can't be had beside the others."""
    found = {first: alone}
    order = [*range(first + 1, len(parts)), *reversed(range(first))]
    for number in order:
        part, times = _beside(task, parts, number, found)
        best = _at_times(part, weights, find, times) or find(part, weights)
        if best is None:
            return None
        found[number] = best
    # Whatever a part has for itself alone may be had at times that the others have by now.
    for number in (first, *order):
        part, times = _beside(task, parts, number, found)
        best = _at_times(part, weights, find, times)
        if best and _cost(weights, [*(found | {number: best}).values()]) < _cost(weights, [*found.values()]):
            found[number] = best
    return [found[number] for number in range(len(parts))]


def _beside(
    task: Task, parts: Sequence[range], number: int, found: Mapping[int, Found]
) -> tuple[Task, set[Time]]:
    """A part as it is beside the others that were found, with the rest from their visits; and the times that they have."""
    weeks = parts[number]
    others = [
        _moved(one, parts[other].start - weeks.start)
        for other, part in found.items()
        if other != number
        for one in part.visits
    ]
    return _rested(_part(task, weeks), others), _times(others)


def _least(task: Task, weights: Weights, bound: Bound, parts: Sequence[range]) -> int:
    """What all weeks cost at least: one part by itself, and the others as if times and people that come again were free."""
    free = replace(weights, time=0, person=0)
    some = [_part(task, weeks) for weeks in parts]
    alone, beside = ([bound(part, its) for part in some] for its in (weights, free))
    return max(one - its for one, its in zip(alone, beside, strict=True)) + sum(beside)


def _at_times(task: Task, weights: Weights, find: Find, times: Collection[Time]) -> Found | None:
    """The best at these times alone, but for weeks that they leave short, which may have all that is free; or None."""
    only = _only_at(task, times)
    short = [week for week in range(task.weeks) if find(_part(only, range(week, week + 1)), weights) is None]
    return find(_with_all_in(only, task, short), weights)


def _cost(weights: Weights, found: Sequence[Found]) -> int:
    """What all of these cost: a start and a person that several have count once."""
    starts = [{(one.care, one.day % 7, one.choice.starts) for one in part.visits} for part in found]
    people = [{(one.care, one.choice.person) for one in part.visits} for part in found]
    twice = weights.time * (sum(map(len, starts)) - len(set().union(*starts)))
    twice += weights.person * (sum(map(len, people)) - len(set().union(*people)))
    return sum(one.cost for one in found) - twice


def _parts(task: Task) -> list[range]:
    """Weeks in parts, all but the last as long as one search can have them."""
    size = _AT_A_TIME[len(task.cares) > 1]
    return [range(first, min(first + size, task.weeks)) for first in range(0, task.weeks, size)]


def _part(task: Task, weeks: range) -> Task:
    """Some weeks of a task, by themselves."""
    days, before = slice(weeks.start * 7, weeks.stop * 7), weeks.start * 7
    cares = tuple(
        replace(
            care,
            doses=care.doses[weeks.start : weeks.stop],
            free=care.free[days],
            first=care.first[days] if care.first is not None and care.begins in weeks else None,
            elsewhere=tuple(day - before for day in care.elsewhere),
        )
        for care in task.cares
    )
    clashes = frozenset((day - before, choices) for day, choices in task.clashes)
    others = frozenset((care, day - before, starts) for care, day, starts in task.others)
    return replace(task, cares=cares, clashes=clashes, others=others)


def _rested(task: Task, visits: Sequence[Planned]) -> Task:
    """With the rest from visits in the weeks around it."""

    def rested(number: int, care: Care) -> Care:
        near = range(-care.rest_days, task.weeks * 7 + care.rest_days)
        days = [one.day for one in visits if one.care == number and one.day in near]
        return replace(care, elsewhere=(*care.elsewhere, *days)) if days else care

    return replace(task, cares=tuple(rested(number, care) for number, care in enumerate(task.cares)))


def _times(visits: Sequence[Planned]) -> set[Time]:
    return {(one.care, one.day % 7, one.choice.starts, one.choice.person) for one in visits}


def _only_at(task: Task, times: Collection[Time]) -> Task:
    def kept(number: int, free: Days) -> Iterator[tuple[Choice, ...]]:
        for day, choices in enumerate(free):
            yield tuple(one for one in choices if (number, day % 7, one.starts, one.person) in times)

    cares = (replace(care, free=tuple(kept(number, care.free))) for number, care in enumerate(task.cares))
    return replace(task, cares=tuple(cares))


def _with_all_in(only: Task, task: Task, weeks: Collection[int]) -> Task:
    """What only some times are left of, but for these weeks, which have all."""
    cares = (
        replace(
            less,
            free=tuple(
                whole if day // 7 in weeks else some
                for day, (some, whole) in enumerate(zip(less.free, care.free, strict=True))
            ),
        )
        for less, care in zip(only.cares, task.cares, strict=True)
    )
    return replace(only, cares=tuple(cares))


def _moved(visit: Planned, weeks: int) -> Planned:
    return visit._replace(day=visit.day + 7 * weeks)
