"""Pages and bookings through the web server, against the yardsticks on the same kind of server and database."""

import http.client
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from pathlib import Path

from flask import Flask
from sqlalchemy import text

from bench.measuring import Ask, Figure, cost, get, post, rate, unique_memory
from bench.storm import appointment, server
from booking import clock
from booking.extensions import db
from booking.models import Reminders
from booking.services import booking
from booking.services.search import free_times
from tests.databases import free_port

# What the limit of searches lets one visitor ask, and the pause that it wants in between.
SEARCHES, PAUSE_SECONDS = 50, 26


class Bookings:
    """Bodies of bookings that succeed: each takes another free start. When they are used up, the visits go again."""

    def __init__(self, app: Flask) -> None:
        self._app, self._lock, self._number = app, threading.Lock(), 0
        with app.app_context():
            self._starts = [
                (one.starts_at, one.practitioner.slug)
                for person in range(6)
                for one in free_times("plain", f"person-{person}", days=85).each()
                if one.starts_at.minute == 0
            ]
        random.Random(6).shuffle(self._starts)
        self._free = iter(self._starts)

    def clear(self) -> None:
        """Takes all of its visits away, as if they had never been."""
        with self._app.app_context(), db.engine.begin() as connection:
            ours = "SELECT id FROM appointments WHERE email LIKE 'bench-%'"
            connection.execute(text(f"DELETE FROM claims WHERE appointment_id IN ({ours})"))
            connection.execute(
                text(
                    f"UPDATE appointments SET status = 'cancelled', to_cell = from_cell + 1 WHERE id IN ({ours})"
                )
            )
            connection.execute(text("UPDATE resources SET version = version + 1 WHERE kind <> 'patient'"))
        self._free = iter(self._starts)

    def wishes(self) -> Iterator[booking.Wish]:
        """The same for the use case."""
        for start, whom in self._starts:
            self._number += 1
            yield booking.Wish(
                "plain", whom, start, "Bench", "Guest", f"bench-{self._number}-{random.random()}@example.com", None, Reminders.EMAIL
            )  # fmt: skip

    def __call__(self) -> bytes:
        with self._lock:
            start, whom = next(self._free)
            self._number += 1
            email = f"bench-{self._number}-{random.random()}@example.com"
        return json.dumps(json.loads(appointment(start, whom, email)) | {"visit_type": "plain"}).encode()


@contextmanager
def yardstick_server(url: str) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """The yardsticks on the same kind of server."""
    port = free_port()
    environment = os.environ | {
        "YARDSTICK_DATABASE_URL": url,
        "PYTHONPATH": str(Path(__file__).parent.parent),
    }
    command = [sys.executable, "-m", "gunicorn", "--worker-class", "gthread", "--workers", "2", "--threads", "32", "--preload",
               "--no-control-socket", "--log-level", "warning", "--bind", f"127.0.0.1:{port}", "bench.yardsticks:create()"]  # fmt: skip
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    try:
        for _ in range(200):
            with suppress(OSError):
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
                connection.request("GET", "/hello")
                connection.getresponse().read()
                break
            time.sleep(0.1)
        yield port, process
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def figures(
    app: Flask, url: str, instance: str, *, repeats: int, requests: int, after: int
) -> Iterator[Figure]:
    """`repeats` samples of `requests` each, taken in turns; memory once more after so many requests."""
    with ExitStack() as stack:
        port, ours = stack.enter_context(server(url, instance, BOOKING_RATE_LIMITS="off"))
        # Reading is measured with limits on, as they are for patients.
        reading_port, reading = stack.enter_context(server(url, instance, BOOKING_RATE_LIMITS="on"))
        yard_port, yard = stack.enter_context(yardstick_server(url))
        day = (clock.now() + timedelta(days=3)).date()
        bookings = Bookings(app)
        book = post("/api/v1/appointments", bookings)
        anyone, one = get("/book/follow-up"), get(f"/book/follow-up?with=person-1&day={day}")
        asks: dict[str, tuple[int, int, Ask, int]] = {
            "R": (yard_port, yard.pid, get("/read"), requests),
            "anyone": (reading_port, reading.pid, anyone, SEARCHES - 10),
            "one": (reading_port, reading.pid, one, SEARCHES - 10),
            "W": (yard_port, yard.pid, post("/write", lambda: b'{"name": "bench"}'), requests),
            "book": (port, ours.pid, book, requests),
            "H": (yard_port, yard.pid, get("/hello"), requests),
        }
        found: dict[str, list[float]] = {name: [] for name in asks}
        for number in range(repeats):
            for name, (at, pid, ask, times) in asks.items():
                found[name].append(cost(at, pid, ask, times))
            bookings.clear()
            if number < repeats - 1:
                time.sleep(PAUSE_SECONDS)
        cpu = {name: statistics.median(values) for name, values in found.items()}
        for name in ("R", "W", "H"):
            yield Figure(f"yardstick {name}", cpu[name] * 1000, "ms")
        for what, name, against, most in (
            ("page 2, anyone of 6, 30 days", "anyone", "R", 1.25),
            ("page 2, one practitioner, one day", "one", "R", 0.8),
            ("POST /appointments", "book", "W", 2.0),
        ):
            ratio = cpu[name] / cpu[against]
            yield Figure(f"{what} ({cpu[name] * 1000:.2f} ms)", ratio, f"x {against}", at_most=most)
        yield from _crowd(port, book, bookings, max(repeats * 2, 4), 0.9 if url.startswith("sqlite") else 1.4)
        yield from _memory(port, ours.pid, yard_port, yard.pid, anyone, after)


def _crowd(port: int, book: Ask, bookings: Bookings, repeats: int, least: float) -> Iterator[Figure]:
    alone, together, waits = [], [], []
    for _ in range(repeats):
        alone.append(rate(port, book, 1)[0])
        many, wait = rate(port, book, 8)
        together.append(many)
        waits.append(wait)
        bookings.clear()
    ratio = statistics.median(together) / statistics.median(alone)
    yield Figure(
        f"bookings of 8 clients ({statistics.median(together):.0f}/s) against one", ratio, at_least=least
    )
    yield Figure("longest wait of a booking, 8 clients", max(waits), "s", at_most=1)


def _memory(port: int, pid: int, yard_port: int, yard_pid: int, ask: Ask, after: int) -> Iterator[Figure]:
    """A worker's unique set when it is warm, and once more after so many requests."""
    for at, warming in ((port, ask), (yard_port, get("/read"))):
        rate(at, warming, 8, 4)
    warm, yard = unique_memory(pid), unique_memory(yard_pid)
    yield Figure(f"memory of a web worker ({warm / 2**20:.0f} MiB)", warm / yard, "x R", at_most=2.0)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for _ in range(after):
        ask(connection)
    yield Figure(f"its memory after {after} more requests", unique_memory(pid) / warm, at_most=1.05)
