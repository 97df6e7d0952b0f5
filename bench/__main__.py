"""What pages and use cases cost, against yardsticks in the same run. A figure that isn't reached is printed as it is."""

import argparse
import http.client
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from bench import history, yardsticks
from bench.clinic import contended_starts, fresh
from bench.storm import appointment, server
from booking import clock
from booking.extensions import db
from booking.models import Claim
from booking.reminders.delivery import claim
from booking.scheduling import offers as engine
from booking.services.search import free_times
from tests.databases import free_port

TICKS = os.sysconf("SC_CLK_TCK")
Row = tuple[str, str, float, str, bool | None]


def processor_seconds(pid: int) -> float:
    """What a server and its workers have used so far."""
    total = 0.0
    for one in (pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / TICKS
    return total


def unique_memory(pid: int) -> int:
    """The unique set of the server's first worker, in bytes."""
    worker = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0]
    lines = Path(f"/proc/{worker}/smaps_rollup").read_text().splitlines()
    return sum(
        int(line.split()[1]) * 1024 for line in lines if line.startswith(("Private_Clean", "Private_Dirty"))
    )


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


Ask = Callable[[http.client.HTTPConnection], None]


def get(path: str) -> Ask:
    def ask(connection: http.client.HTTPConnection) -> None:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200, (path, answer.status)

    return ask


def post(path: str, body: Callable[[], bytes], wanted: int = 201) -> Ask:
    def ask(connection: http.client.HTTPConnection) -> None:
        headers = {"Content-Type": "application/json", "Idempotency-Key": f"{random.random()}"}
        connection.request("POST", path, body(), headers)
        answer = connection.getresponse()
        said = answer.read()
        assert answer.status == wanted, (path, answer.status, said[:200])

    return ask


def cost(port: int, pid: int, ask: Ask, requests: int) -> float:
    """Processor seconds per request, one client."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for _ in range(10):
        ask(connection)
    before = processor_seconds(pid)
    for _ in range(requests):
        ask(connection)
    return (processor_seconds(pid) - before) / requests


def rate(port: int, ask: Ask, clients: int, seconds: float = 2.0) -> tuple[float, float]:
    """Answers a second, and the longest wait."""
    done, slowest, until = [0] * clients, [0.0] * clients, time.perf_counter() + seconds

    def one(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while time.perf_counter() < until:
            began = time.perf_counter()
            ask(connection)
            slowest[number] = max(slowest[number], time.perf_counter() - began)
            done[number] += 1

    crowd = [threading.Thread(target=one, args=(number,)) for number in range(clients)]
    began = time.perf_counter()
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    return sum(done) / (time.perf_counter() - began), max(slowest)


class Bookings:
    """Bodies of bookings that succeed: each takes another free start."""

    def __init__(self, app: Flask) -> None:
        self._starts = [
            (start, f"person-{person}") for start in contended_starts(app, 85)[::4] for person in range(6)
        ]
        random.Random(5).shuffle(self._starts)
        self._free: Iterator[tuple[datetime, str]] | None = None
        self._app, self._lock, self._number = app, threading.Lock(), 0

    def __call__(self) -> bytes:
        with self._lock:
            if self._free is None:
                with self._app.app_context():
                    free = [
                        (one.starts_at, one.practitioner.slug)
                        for person in range(6)
                        for one in free_times("plain", f"person-{person}", days=85).each()
                        if one.starts_at.minute == 0
                    ]
                random.Random(6).shuffle(free)
                self._free = iter(free)
            start, whom = next(self._free)
            self._number += 1
            body = json.loads(appointment(start, whom, f"bench{self._number}-{random.random()}@example.com"))
        return json.dumps(body | {"visit_type": "plain"}).encode()


def median(measure: Callable[[], float], repeats: int) -> float:
    return statistics.median(measure() for _ in range(repeats))


def pages(app: Flask, url: str, instance: str, repeats: int, requests: int, kind: str) -> Iterator[Row]:
    """Pages and bookings, interleaved with the yardsticks."""
    with ExitStack() as stack:
        port, ours = stack.enter_context(server(url, instance, BOOKING_RATE_LIMITS="off"))
        reading_port, reading = stack.enter_context(server(url, instance, BOOKING_RATE_LIMITS="on"))
        yard_port, yard = stack.enter_context(yardstick_server(url))
        day = (clock.now() + timedelta(days=3)).date()
        bookings = Bookings(app)
        asks = {
            "R": (yard_port, yard, get("/read")),
            "W": (yard_port, yard, post("/write", lambda: b'{"name": "bench"}')),
            "H": (yard_port, yard, get("/hello")),
            "anyone": (reading_port, reading, get("/book/follow-up")),
            "one": (reading_port, reading, get(f"/book/follow-up?with=person-1&day={day}")),
            "book": (port, ours, post("/api/v1/appointments", bookings)),
        }
        found: dict[str, list[float]] = {name: [] for name in asks}
        for _ in range(repeats):
            # The limit of searches is real; what it counts is kept below it by asking in turns.
            for name, (at, process, ask) in asks.items():
                found[name].append(cost(at, process.pid, ask, 40 if name in ("anyone", "one") else requests))
            if repeats > 1:
                time.sleep(26 if kind == "slow" else 0)
        cpu = {name: statistics.median(values) for name, values in found.items()}
        for name in ("R", "W", "H"):
            yield f"yardstick {name}", "ms", cpu[name] * 1000, "", None
        for what, name, against, most in (
            ("page 2, anyone of 6, 30 days", "anyone", "R", 1.25),
            ("page 2, one practitioner, one day", "one", "R", 0.8),
            ("POST /appointments", "book", "W", 2.0),
        ):
            ratio = cpu[name] / cpu[against]
            yield f"{what} ({cpu[name] * 1000:.2f} ms)", f"x {against}", ratio, f"<= {most}", ratio <= most
        singles, crowds, waits = [], [], []
        for _ in range(max(repeats, 3)):
            singles.append(rate(port, asks["book"][2], 1)[0])
            many, wait = rate(port, asks["book"][2], 8)
            crowds.append(many)
            waits.append(wait)
        least = 0.9 if url.startswith("sqlite") else 1.4
        ratio = statistics.median(crowds) / statistics.median(singles)
        yield (
            f"bookings, 8 clients ({statistics.median(crowds):.0f}/s) against one",
            "x",
            ratio,
            f">= {least}",
            ratio >= least,
        )
        yield "longest wait of a booking, 8 clients", "s", max(waits), "<= 1", max(waits) <= 1
        ratio = unique_memory(ours.pid) / unique_memory(yard.pid)
        yield (
            f"memory of a web worker ({unique_memory(ours.pid) / 2**20:.0f} MiB)",
            "x R",
            ratio,
            "<= 2.0",
            ratio <= 2.0,
        )


def inside(app: Flask, repeats: int) -> Iterator[Row]:
    """The use case and the pure engine against fetching the claims as rows."""

    def timed(action: Callable[[], object], times: int) -> float:
        began = time.process_time()
        for _ in range(times):
            action()
        return (time.process_time() - began) / times

    with app.app_context():
        found = free_times("follow-up", None, days=30)
        asked = found.offers.situation
        people = [person.id for person in asked.practitioners]

        def fetch() -> object:
            with Session(db.engine) as session:
                return session.scalars(
                    select(Claim).where(
                        Claim.resource_id.in_(people),
                        Claim.to_cell > asked.window.start,
                        Claim.from_cell < asked.window.end,
                    )
                ).all()

        fetches = median(lambda: timed(fetch, 20), repeats)
        use_case = median(lambda: timed(lambda: free_times("follow-up", None, days=30), 50), repeats)
        pure = median(lambda: timed(lambda: engine.find(asked), 500), repeats)
        one_day = median(lambda: timed(lambda: free_times("follow-up", None, days=1), 50), repeats)
        ninety = median(lambda: timed(lambda: free_times("follow-up", None, days=90), 50), repeats)
        single = median(lambda: timed(lambda: free_times("follow-up", "person-1", days=30), 50), repeats)
        yield "fetching the claims of 6, 30 days", "ms", fetches * 1000, "", None
        yield (
            f"offers use case, anyone of 6, 30 days ({use_case * 1000:.2f} ms)",
            "x fetch",
            use_case / fetches,
            "<= 0.5",
            use_case / fetches <= 0.5,
        )
        yield (
            f"pure engine, the same ({pure * 1e6:.0f} us)",
            "x fetch",
            pure / fetches,
            "<= 0.02",
            pure / fetches <= 0.02,
        )
        yield "6 practitioners against one", "x", use_case / single, "<= 4", use_case / single <= 4
        yield "30 days against one", "x", use_case / one_day, "<= 2.5", use_case / one_day <= 2.5
        yield "90 days against 30", "x", ninety / use_case, "<= 3.3", ninety / use_case <= 3.3
        yield "claiming, with nothing due", "ms", median(lambda: timed(claim, 50), repeats) * 1000, "", None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repeats, no long history")
    parser.add_argument(
        "--times", type=int, nargs="+", help="how often the history of 12,000 visits (1 and 100)"
    )
    parser.add_argument("--databases", nargs="+", default=["sqlite", "postgresql"])
    given = parser.parse_args()
    repeats, requests = (3, 60) if given.quick else (5, 150)
    missed = 0
    print(
        f"{datetime.now(UTC):%Y-%m-%d %H:%M}Z, {os.cpu_count()} cores, Python {sys.version.split()[0]}, {repeats} repeats"
    )
    for kind in given.databases:
        for times in given.times or ([1] if given.quick else [1, 100]):
            with tempfile.TemporaryDirectory() as instance, fresh(kind, instance) as (url, app):
                history.fill(app, times)
                yardsticks.fill(url)
                print(f"\n{kind}, {times} x history", flush=True)
                for rows in (
                    inside(app, repeats),
                    pages(app, url, instance, repeats, requests, "fast" if given.quick else "slow"),
                ):
                    for what, unit, value, target, reached in rows:
                        mark = "" if reached is None else ("reached" if reached else "NOT REACHED")
                        missed += reached is False
                        print(f"  {what:<64} {value:9.3f} {unit:<8} {target:<8} {mark}", flush=True)
    print(f"\n{missed} figures not reached." if missed else "\nAll figures reached.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
