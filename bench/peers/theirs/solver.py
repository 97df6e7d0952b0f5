"""OR-Tools' CP-SAT, told what a plan may be and what it costs. Each line on standard input is the number of a case."""

import json
import sys
from collections import defaultdict
from typing import Any

from ortools.sat.python import cp_model

from bench.plan_cases import cases
from booking.scheduling.plans.task import Task, Weights

SECONDS, WORKERS = 10, 2


def solve(task: Task, weights: Weights) -> dict[str, Any]:
    """For tasks of at most two kinds of care, without first visits."""
    model = cp_model.CpModel()
    terms: list[Any] = []
    chosen: dict[tuple[int, int], list[tuple[Any, Any]]] = {}
    comes: dict[tuple[int, int], Any] = {}
    times: dict[Any, Any] = defaultdict(lambda: model.new_bool_var(""))
    people: dict[Any, Any] = defaultdict(lambda: model.new_bool_var(""))
    for number, care in enumerate(task.cares):
        for day, free in enumerate(care.free):
            if not free:
                continue
            row = [(model.new_bool_var(""), choice) for choice in free]
            for one, choice in row:
                model.add_implication(one, times[number, day % 7, choice.starts])
                model.add_implication(one, people[number, choice.person])
            chosen[number, day] = row
            comes[number, day] = model.new_bool_var("")
            model.add(sum(one for one, _ in row) == comes[number, day])
        for week, (fewest, most) in enumerate(care.doses):
            visits = sum(
                comes[number, day] for day in range(week * 7, week * 7 + 7) if (number, day) in comes
            )
            model.add(visits >= fewest)
            model.add(visits <= most)
        for day in range(task.weeks * 7):
            for later in range(day + 1, day + care.rest_days + 1):
                if (number, day) in comes and (number, later) in comes:
                    model.add_bool_or(comes[number, day].Not(), comes[number, later].Not())
    for day in range(task.weeks * 7):
        terms += [
            weights.trip * comes[number, day] for number in range(len(task.cares)) if (number, day) in comes
        ]
        if (0, day) in chosen and (1, day) in chosen:
            _pair(model, terms, task, weights, chosen[0, day], chosen[1, day])
    terms += [weights.time * one for one in times.values()] + [
        weights.person * one for one in people.values()
    ]
    model.minimize(sum(terms))
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds, solver.parameters.num_workers = SECONDS, WORKERS
    status = solver.solve(model)
    known = status in (cp_model.OPTIMAL, cp_model.FEASIBLE)
    return {
        "cost": round(solver.objective_value) if known else None,
        "proven": status == cp_model.OPTIMAL,
        "impossible": status == cp_model.INFEASIBLE,
    }


def _pair(model: Any, terms: list[Any], task: Task, weights: Weights, ones: Any, others: Any) -> None:
    """Two visits of a day exclude each other, or are one trip, or two."""
    for one, choice in ones:
        for other, choice2 in others:
            gap = max(choice2.starts - choice.ends, choice.starts - choice2.ends)
            if gap < 0:
                model.add_bool_or(one.Not(), other.Not())
            elif task.pairing and gap <= task.pairing.gap:
                together = model.new_bool_var("")
                model.add_implication(together, one)
                model.add_implication(together, other)
                terms.append((weights.wait * (gap // 5) - weights.trip) * together)


def main() -> None:
    tasks = [task for _, task, _ in cases()]
    for line in sys.stdin:
        print(json.dumps(solve(tasks[int(line)], Weights())), flush=True)


if __name__ == "__main__":
    main()
