"""In which week somebody new begins each kind of care.

That is where its first visit lies, so it is settled before anything is searched. Mostly there is one such week: the first with
a dose. Where a dose may be left out, as with "0-1", there are several.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from operator import itemgetter

from booking.scheduling.plans.task import Care, Task

_NONE = (0, 0)


def beginnings(task: Task) -> list[tuple[Task, int]]:
    """The task for all weeks in which somebody new can begin; and how many visits are missing before, the fewest first."""
    found = []
    for ways in product(*(list(_of_one_care(care)) for care in task.cares)):
        cares, missing = zip(*ways, strict=True)
        found.append((replace(task, cares=cares), sum(missing)))
    return sorted(found, key=itemgetter(1))


def _of_one_care(care: Care) -> Iterator[tuple[Care, int]]:
    if care.first is None:
        yield care, 0
        return
    missing = 0
    for week, (fewest, most) in enumerate(care.doses):
        if most:
            doses = (*[_NONE] * week, (max(1, fewest), most), *care.doses[week + 1 :])
            yield replace(care, doses=doses), missing
        if fewest:
            return
        missing += most
    yield replace(care, doses=(_NONE,) * len(care.doses)), missing
