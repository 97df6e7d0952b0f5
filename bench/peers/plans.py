"""The finder of plans against a general solver: the same plans, the same score, and ten seconds for the solver."""

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from bench.measuring import Figure
from bench.plan_cases import cases
from booking.scheduling.plans.finder import find
from booking.scheduling.plans.task import Weights

_ROOT = Path(__file__).parent.parent.parent


def figures(python: str) -> Iterator[Figure]:
    """The cost of the best plan in parts of the best that the solver finds: never more than 1."""
    solver = subprocess.Popen(
        [python, "-m", "bench.peers.theirs.solver"], cwd=_ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )  # fmt: skip
    assert solver.stdin
    assert solver.stdout
    for number, (what, task, _) in enumerate(cases()):
        began = time.perf_counter()
        found = find(task, Weights())
        ours = time.perf_counter() - began
        print(number, file=solver.stdin, flush=True)
        theirs = json.loads(solver.stdout.readline())
        if found is None or theirs["cost"] is None:
            yield Figure(
                f"{what}: no plan, says the finder; and the solver",
                float(found is None),
                "",
                at_least=float(theirs["impossible"]),
            )
        else:
            proven = "its optimum" if theirs["proven"] else "what it has after 10 s"
            yield Figure(f"{what}: cost against {proven}", found.cost / theirs["cost"], "x", at_most=1)
            yield Figure("  seconds that the finder took", ours, "s")
    solver.stdin.close()
    solver.wait(60)
