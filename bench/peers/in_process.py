"""mroudai-django-slots, the quickest slot library we know of, against our engine and our use case.

Neither side speaks HTTP here: hours and visits are in memory, and the question is where a visit can begin.
The library is asked for all days at once, as its own selectors ask it, and day by day with the visits of that
day alone, which its documentation doesn't tell but which is quicker. Our use case asks the database, too,
whether what it knows is still so.
"""

import json
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from bench.measuring import Figure
from bench.peers.clinic import DAYS, VISIT_TYPE, Asked
from bench.peers.environment import Environment
from booking.scheduling import offers as engine
from booking.scheduling.timeline import instant_of, places
from booking.services.search import free_times

_OURS, _THEIRS, _ROUNDS = 40, 2, 5


def figures(asked: Asked, peers: Environment, repeats: int) -> Iterator[Figure]:
    """All questions in turns. Raises ValueError if the starts that are found differ, person by person."""
    known = free_times(VISIT_TYPE, None, asked.first, DAYS)
    situation, window = known.offers.situation, known.offers.situation.window
    wanted = window.stretch(known.days[0].from_cell, known.days[-1].to_cell)

    def instants(timeline: int) -> list[datetime]:
        return [instant_of(window.start + place) for place in places(timeline & wanted)]

    def pure() -> list[datetime]:
        return instants(engine.find(situation).starts)

    def use_case() -> list[datetime]:
        return [free.starts_at for free in free_times(VISIT_TYPE, None, asked.first, DAYS).each()]

    took: dict[str, list[float]] = {name: [] for name in ("engine", "use case", "at once", "day by day")}
    with _library(peers) as ask:
        by_slug = {person.slug: known.offers.by_practitioner[person.id] for person in situation.practitioners}
        ours = [[start.timestamp() for start in instants(by_slug[slug])] for slug in asked.told["people"]]
        anyone = sorted({start for starts in ours for start in starts})
        if any(theirs != ours for theirs in ask(asked.told)):
            raise ValueError("The library and our engine find different starts.")
        if not anyone or any([start.timestamp() for start in mine()] != anyone for mine in (pure, use_case)):
            raise ValueError("Our own answers differ.")
        for _ in range(repeats * _ROUNDS):
            took["engine"].append(_seconds(pure))
            took["use case"].append(_seconds(use_case))
            at_once, day_by_day = ask(_THEIRS)
            took["at once"].append(at_once)
            took["day by day"].append(day_by_day)
    cost = {name: statistics.median(seconds) * 1000 for name, seconds in took.items()}

    def against(ours: str, theirs: str, least: float | None = None) -> Figure:
        costs = f"{cost[ours]:.2f} ms against {cost[theirs]:.1f} ms {theirs}"
        return Figure(f"our {ours}: {costs}", cost[theirs] / cost[ours], at_least=least)

    yield Figure("in process: starts with anyone of 6 on 30 days, the same ones", len(anyone), "")
    yield against("engine", "at once", 20)
    yield against("engine", "day by day")
    yield against("use case", "at once")
    yield against("use case", "day by day")


def _seconds(question: Callable[[], object]) -> float:
    began = time.process_time()
    for _ in range(_OURS):
        question()
    return (time.process_time() - began) / _OURS


@contextmanager
def _library(peers: Environment) -> Iterator[Callable[[Any], Any]]:
    """The library in a process of its own, as its environment isn't ours: a line to it, a line from it."""
    process = subprocess.Popen(
        [peers.python, "-m", "bench.peers.theirs.slots"],
        env=peers.variables(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip

    def ask(words: Any) -> Any:
        process.stdin.write(json.dumps(words) + "\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    try:
        yield ask
    finally:
        process.stdin.close()
        process.wait(60)
