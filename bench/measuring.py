"""How things are measured: processor time per request, rates, memory, and what is printed."""

import http.client
import random
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from sqlalchemy import Engine, event

from booking.services.lookup import Lookup

Ask = Callable[[http.client.HTTPConnection], None]


@dataclass(frozen=True)
class Figure:
    """A figure, and what it should be. Without bounds it is for reading only."""

    what: str
    value: float
    unit: str = "x"
    at_most: float | None = None
    at_least: float | None = None

    @property
    def reached(self) -> bool:
        return (self.at_most is None or self.value <= self.at_most) and (
            self.at_least is None or self.value >= self.at_least
        )

    def __str__(self) -> str:
        wanted = f"<= {self.at_most:g}" if self.at_most is not None else ""
        wanted = f">= {self.at_least:g}" if self.at_least is not None else wanted
        mark = ("reached" if self.reached else "NOT REACHED") if wanted else ""
        return f"  {self.what:<68} {self.value:10.3f} {self.unit:<8} {wanted:<8} {mark}".rstrip()


def processor_seconds(pid: int) -> float:
    """What a server and its workers have used so far, to the microsecond: threads that have ended are counted as well.

    From the processor clock of each process; what /proc tells of them comes in steps of a hundredth of a second, as
    long as five requests.
    """
    workers = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return sum(time.clock_gettime(_processor_clock(one)) for one in (pid, *map(int, workers)))


def _processor_clock(pid: int) -> int:
    """The number of a process's own clock, as Linux makes it (clock_getcpuclockid in the C library)."""
    of_the_whole_process = 2
    return (~pid << 3) | of_the_whole_process


def unique_memory(pid: int) -> int:
    """The unique set of the largest of a server's workers, in bytes."""

    def of(worker: str) -> int:
        lines = Path(f"/proc/{worker}/smaps_rollup").read_text().splitlines()
        return sum(
            int(line.split()[1]) * 1024
            for line in lines
            if line.startswith(("Private_Clean", "Private_Dirty"))
        )

    return max(map(of, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def get(path: str) -> Ask:
    def ask(connection: http.client.HTTPConnection) -> None:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path} answered {answer.status}")

    return ask


def post(path: str, body: Callable[[], bytes]) -> Ask:
    def ask(connection: http.client.HTTPConnection) -> None:
        headers = {"Content-Type": "application/json", "Idempotency-Key": f"{random.random()}"}
        connection.request("POST", path, body(), headers)
        answer = connection.getresponse()
        said = answer.read()
        if answer.status != 201:
            raise RuntimeError(f"{path} answered {answer.status}: {said[:200]!r}")

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


def rate(port: int, ask: Ask, clients: int, seconds: float = 1.5) -> tuple[float, float]:
    """Answers a second, and the longest wait. Raises what a client met."""
    done, slowest, met = [0] * clients, [0.0] * clients, list[Exception]()
    until = time.perf_counter() + seconds

    def one(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            while time.perf_counter() < until:
                began = time.perf_counter()
                ask(connection)
                slowest[number] = max(slowest[number], time.perf_counter() - began)
                done[number] += 1
        except Exception as fault:
            met.append(fault)

    crowd = [threading.Thread(target=one, args=(number,)) for number in range(clients)]
    began = time.perf_counter()
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    if met:
        raise met[0]
    return sum(done) / (time.perf_counter() - began), max(slowest)


def statements(engine: Engine, action: Callable[[], object]) -> int:
    """How many statements an action says, also those that go to the driver directly and that no listener hears."""
    said: list[str] = []

    def heard(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith(("BEGIN", "COMMIT", "ROLLBACK")):
            said.append(statement)

    ask = Lookup.all

    def asked(lookup: Lookup, **values: Any) -> list[Any]:
        said.append("a lookup")
        return ask(lookup, **values)

    event.listen(engine, "before_cursor_execute", heard)
    try:
        with mock.patch.object(Lookup, "all", asked):
            action()
    finally:
        event.remove(engine, "before_cursor_execute", heard)
    return len(said)


def interleaved(
    actions: dict[str, Callable[[], object]], repeats: int, times: int, timer: Callable[[], float]
) -> dict[str, float]:
    """The median seconds of each action, which take turns, so that what else the machine does meets all of them."""
    found: dict[str, list[float]] = {name: [] for name in actions}
    for action in actions.values():
        action()
    for _ in range(repeats):
        for name, action in actions.items():
            began = timer()
            for _ in range(times):
                action()
            found[name].append((timer() - began) / times)
    return {name: statistics.median(values) for name, values in found.items()}
