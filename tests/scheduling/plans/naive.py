"""Every plan there is, and what it costs, counted visit by visit: slow, and plain enough to be believed."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations, pairwise, product

from booking.scheduling.plans.task import Planned, Task, Weights


def least(task: Task, weights: Weights) -> int | None:
    """What the best of all plans costs, or None where there is none."""
    plans = product(*(list(_of_one_care(task, care)) for care in range(len(task.cares))))
    costs = [cost(task, weights, [visit for part in plan for visit in part]) for plan in plans]
    return min((one for one in costs if one is not None), default=None)


def size(task: Task) -> int:
    """How many plans there are."""
    total = 1
    for care in range(len(task.cares)):
        total *= sum(1 for _ in _of_one_care(task, care))
    return total


def cost(task: Task, weights: Weights, visits: list[Planned]) -> int | None:
    """The sum of all terms, or None where somebody would have to be in two places, or come too often."""
    total = weights.time * len({(one.care, one.day % 7, one.choice.starts) for one in visits})
    total += weights.person * len({(one.care, one.choice.person) for one in visits})
    days: dict[int, list[Planned]] = defaultdict(list)
    for one in visits:
        days[one.day].append(one)
        total += _alone(task, weights, one)
    for day in days.values():
        spent = _day(task, weights, sorted(day, key=lambda one: one.choice))
        if spent is None:
            return None
        total += spent
    for week in range(task.weeks):
        if task.most_trips is not None and sum(day // 7 == week for day in days) > task.most_trips:
            return None
        for number, care in enumerate(task.cares):
            had = sum(one.care == number and one.day // 7 == week for one in visits)
            total += weights.missing * (care.doses[week][1] - had)
    return total


def _alone(task: Task, weights: Weights, one: Planned) -> int:
    wished = task.cares[one.care].wished
    return (
        weights.late * (one.day % 7)
        + (weights.before_noon if one.choice.starts < 12 * 60 else weights.after_noon)
        + (weights.wish if wished and one.choice.person not in wished else 0)
        + (weights.again if (one.care, one.day, one.choice.starts) in task.others else 0)
    )


def _day(task: Task, weights: Weights, visits: list[Planned]) -> int | None:
    had = {one.care: one.choice for one in visits}
    if (visits[0].day, tuple(had.get(care) for care in range(len(task.cares)))) in task.clashes:
        return None
    total = weights.trip
    for one, two in pairwise(visits):
        gap = two.choice.starts - one.choice.ends
        if gap < 0:
            return None
        pairing = task.pairing
        if pairing and gap <= pairing.gap and (one.care < two.care or not pairing.in_order):
            total += weights.wait * (gap // 5)
        elif task.most_trips is not None:
            return None
        else:
            total += weights.trip
    return total


def _of_one_care(task: Task, number: int, week: int = 0, last: int = -1000) -> Iterator[list[Planned]]:
    """All that one kind of care may be from a week on, if its last visit was on this day."""
    care = task.cares[number]
    if week == task.weeks:
        yield []
        return
    fewest, most = care.doses[week]
    for visits in range(fewest, most + 1):
        for days in combinations(range(week * 7, week * 7 + 7), visits):
            if any(later - day <= care.rest_days for day, later in pairwise((last, *days))):
                continue
            if any(abs(day - other) <= care.rest_days for day in days for other in care.elsewhere):
                continue
            for some in product(*_free(task, number, days, begun=last >= 0)):
                for rest in _of_one_care(task, number, week + 1, days[-1] if days else last):
                    yield [*some, *rest]


def _free(task: Task, number: int, days: tuple[int, ...], *, begun: bool) -> list[list[Planned]]:
    """What is free on each of these days. Somebody new begins with a first visit, in whichever week that is."""
    care = task.cares[number]
    free = []
    for place, day in enumerate(days):
        if care.first is not None and place == 0 and not begun:
            free.append([Planned(day, choice, number, first=True) for choice in care.first[day]])
        else:
            free.append([Planned(day, choice, number, first=False) for choice in care.free[day]])
    return free
