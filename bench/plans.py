"""What finding a plan costs."""

import statistics
import time
from collections.abc import Iterator

from bench.measuring import Figure
from bench.plan_cases import cases
from booking.scheduling.plans.proposals import propose


def figures(repeats: int) -> Iterator[Figure]:
    for what, task, seconds in cases():
        spent = []
        for _ in range(repeats):
            began = time.process_time()
            proposals = propose(task)
            spent.append(time.process_time() - began)
        yield Figure(f"{what}: {len(proposals)} proposals", statistics.median(spent), "s", at_most=seconds)
        for one in proposals:
            if one.found.bound < one.found.cost:
                yield Figure(
                    f"  {one.measure}: stopped; its cost against the bound", one.found.cost / one.found.bound
                )
