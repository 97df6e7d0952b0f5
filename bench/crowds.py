"""Many processes at once, and what they must not leave behind."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from flask import Flask
from sqlalchemy import text

from bench.clinic import fresh_processes
from booking.extensions import db

OVERLAPS = """
    SELECT count(*) FROM claims a JOIN claims b
    ON a.resource_id = b.resource_id AND a.id < b.id AND a.from_cell < b.to_cell AND b.from_cell < a.to_cell
"""


def count(app: Flask, query: str) -> int:
    with app.app_context(), db.engine.connect() as connection:
        return int(connection.execute(text(query)).scalar_one())


def crowd(one: Callable[..., None], processes: int, url: str, attempts: int, *more: Any) -> Counter[str]:
    """So many processes at once, each with its share of the attempts; what came of all of them."""
    made = fresh_processes()
    barrier, results = made.Barrier(processes), made.Queue()
    members = [
        made.Process(target=one, args=(url, seed, attempts // processes, *more, barrier, results))
        for seed in range(processes)
    ]
    for process in members:
        process.start()
    outcomes = sum((results.get(timeout=7200) for _ in members), Counter[str]())
    for process in members:
        process.join()
    return outcomes
