"""Storms: many processes and threads want the same few times, on both databases.

Through the use cases and through HTTP, behind a barrier and at random. At the end no two claims of one resource may
overlap, every appointment has all of its claims, and no answer was a fault but a declared 503. A mutant, with the check
before the lock and without the database's guard, must show at least a hundred overlaps, or the zero means nothing.
"""

import argparse
import http.client
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

from sqlalchemy import text

from bench import plan_storm
from bench.clinic import SETTINGS, contended_starts, fresh, make_app
from bench.crowds import OVERLAPS, count, crowd
from booking.errors import Busy, Refusal
from booking.extensions import db
from booking.models import Reminders, Role
from booking.services import booking, visits
from booking.services.desk import moving, statuses, undoing
from booking.services.rescheduling import reschedule
from booking.services.search import free_times
from booking.services.staff.who import Who
from tests import databases
from tests.databases import free_port

PROCESSES = 4
# A visit that stands has a practitioner, a room, a patient, a history and something to tell; one that doesn't, no claims.
HALF_BOOKINGS = """
    SELECT count(*) FROM appointments a WHERE
    (a.status = 'booked') <> (
        EXISTS (SELECT 1 FROM claims c WHERE c.appointment_id = a.id AND c.resource_id = a.practitioner_id)
        AND EXISTS (SELECT 1 FROM claims c WHERE c.appointment_id = a.id AND c.resource_id = a.room_id)
        AND EXISTS (SELECT 1 FROM claims c WHERE c.appointment_id = a.id AND c.resource_id = a.patient_id))
    OR NOT EXISTS (SELECT 1 FROM history h WHERE h.appointment_id = a.id)
    OR NOT EXISTS (SELECT 1 FROM messages m WHERE m.appointment_id = a.id)
"""


# Through the use cases


def _hammer(url: str, seed: int, attempts: int, starts: list[datetime], barrier: Any, results: Any) -> None:
    """One process: books, moves and cancels at random, with barriers in between so that all meet on one time."""
    dice, outcomes, mine = random.Random(seed), Counter[str](), list[booking.Booked]()
    with tempfile.TemporaryDirectory() as instance:
        app = make_app(url, instance)
        with app.app_context():
            barrier.wait(60)
            for number in range(attempts):
                together = number % 50 == 0
                if together:
                    # A process that fell behind keeps nobody waiting for long; the next barrier is whole again.
                    with suppress(threading.BrokenBarrierError):
                        barrier.wait(5)
                start = starts[number // 50 % len(starts)] if together else dice.choice(starts)
                outcomes[_attempt(dice, start, mine, f"{seed}-{number}")] += 1
            db.engine.dispose()
    results.put(outcomes)


def _attempt(dice: random.Random, start: datetime, mine: list[booking.Booked], key: str) -> str:
    try:
        choice = dice.random()
        if mine and choice < 0.15:
            visit = mine.pop(dice.randrange(len(mine)))
            visits.cancel(visit.reference, visit.token, "", actor="storm", key=key)
            return "cancelled"
        if mine and choice < 0.3:
            visit = dice.choice(mine)
            reschedule(visit.reference, visit.token, start, None, actor="storm", key=key)
            return "moved"
        whom = f"person-{dice.randrange(6)}" if choice < 0.65 else None
        mine.append(booking.book(_wish(start, whom, key), actor="storm", key=key))
    except Busy:
        return "busy (503)"
    except Refusal as refusal:
        return refusal.code
    return "booked"


def _wish(start: datetime, whom: str | None, key: str) -> booking.Wish:
    return booking.Wish(
        visit_type="follow-up" if hash(key) % 2 else "plain",
        practitioner=whom,
        starts_at=start.astimezone(UTC),
        first_name="Storm",
        last_name="Guest",
        email=f"guest{key}@example.com",
        phone=None,
        reminders=Reminders.EMAIL,
    )


def through_use_cases(kind: str, attempts: int, processes: int = PROCESSES) -> dict[str, Any]:
    """So many attempts over several processes. What came of them, with overlaps and half-bookings."""
    with tempfile.TemporaryDirectory() as instance, fresh(kind, instance) as (url, app):
        starts, began = contended_starts(app), time.perf_counter()
        outcomes = crowd(_hammer, processes, url, attempts, starts)
        return {
            "attempts": sum(outcomes.values()),
            "seconds": round(time.perf_counter() - began, 1),
            "outcomes": dict(outcomes),
            "overlaps": count(app, OVERLAPS),
            "half_bookings": count(app, HALF_BOOKINGS),
        }


# Through the desk

# A visit that has a place has its claims; one that is cancelled has none. What a missed one keeps depends on when.
HALF_MOVES = """
    SELECT count(*) FROM appointments a WHERE
    (a.status = 'cancelled' AND EXISTS (SELECT 1 FROM claims c WHERE c.appointment_id = a.id))
    OR (a.status IN ('booked', 'arrived', 'checked-in') AND NOT (
        EXISTS (SELECT 1 FROM claims c WHERE c.appointment_id = a.id AND c.resource_id = a.practitioner_id
                AND c.from_cell = a.from_cell)
        AND EXISTS (SELECT 1 FROM claims c WHERE c.appointment_id = a.id AND c.resource_id = a.room_id)
        AND EXISTS (SELECT 1 FROM claims c WHERE c.appointment_id = a.id AND c.resource_id = a.patient_id
                    AND c.from_cell = a.from_cell AND c.to_cell = a.to_cell)))
    OR a.version <> (SELECT count(*) FROM history h WHERE h.appointment_id = a.id)
"""


def _desk(
    url: str,
    seed: int,
    attempts: int,
    references: list[str],
    starts: list[datetime],
    barrier: Any,
    results: Any,
) -> None:
    """One process: a desk that moves, changes, taps, cancels and takes back at random, and meets the others."""
    dice, outcomes, done = random.Random(seed), Counter[str](), list[int]()
    with tempfile.TemporaryDirectory() as instance:
        app = make_app(url, instance)
        with app.app_context():
            who = Who(0, f"Desk {seed}", frozenset({Role.DESK}))
            barrier.wait(60)
            for number in range(attempts):
                together = number % 50 == 0
                if together:
                    with suppress(threading.BrokenBarrierError):
                        barrier.wait(5)
                start = starts[number // 50 % len(starts)] if together else dice.choice(starts)
                outcomes[_at_the_desk(dice, who, references, start, done, f"{seed}-{number}")] += 1
            db.engine.dispose()
    results.put(outcomes)


def _at_the_desk(
    dice: random.Random, who: Who, references: list[str], start: datetime, done: list[int], key: str
) -> str:
    reference, choice = dice.choice(references), dice.random()
    person = f"person-{dice.randrange(6)}"
    try:
        if done and choice < 0.2:
            undoing.undo(who, done.pop(), key=key)
            return "undone"
        if choice < 0.3:
            changed = statuses.cancel(who, reference, tell=dice.random() < 0.5, key=key)
        elif choice < 0.4:
            step = dice.choice([statuses.confirm, statuses.arrive, statuses.start, statuses.no_show])
            changed = step(who, reference, key=key)
        elif choice < 0.5:
            minutes = dice.choice([(30,), (45,), (20,)])
            place = moving.Place(phase_minutes=minutes, room=f"room-{dice.randrange(6)}")
            changed = moving.change(who, reference, place, version=None, reason="Storm.", key=key)
        else:
            place = moving.Place(starts_at=start, practitioner=dice.choice([None, person]))
            changed = moving.change(who, reference, place, version=None, reason="Storm.", key=key)
    except Busy:
        return "busy (503)"
    except Refusal as refusal:
        return refusal.code
    if changed.entry_id is None:
        return "nothing to do"
    done.append(changed.entry_id)
    return "changed"


def through_the_desk(kind: str, attempts: int, processes: int = PROCESSES) -> dict[str, Any]:
    """So many moves, changes, taps and undos over several desks. What came of them, with overlaps and half-done moves."""
    with tempfile.TemporaryDirectory() as instance, fresh(kind, instance) as (url, app):
        starts, references = [start.astimezone(UTC) for start in contended_starts(app)], list[str]()
        with app.app_context():
            for number, start in enumerate(starts):
                for person in range(2):
                    wish = _wish(start, f"person-{(number + person) % 6}", f"{number}-{person}")
                    wish = booking.Wish(**{**wish.__dict__, "visit_type": "plain"})
                    with suppress(Refusal):
                        made = booking.book(wish, actor="storm", key=f"made-{number}-{person}")
                        references.append(made.reference)
        began = time.perf_counter()
        outcomes = crowd(_desk, processes, url, attempts, references, starts)
        return {
            "attempts": sum(outcomes.values()),
            "seconds": round(time.perf_counter() - began, 1),
            "outcomes": dict(outcomes),
            "overlaps": count(app, OVERLAPS),
            "half_bookings": count(app, HALF_MOVES),
        }


# Through HTTP


@contextmanager
def server(url: str, instance: str, **settings: str) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """A real web server on a free port, as it runs in production."""
    port = free_port()
    environment = (
        os.environ
        | SETTINGS
        | settings
        | {
            "BOOKING_DATABASE_URL": url,
            "BOOKING_INSTANCE_PATH": instance,
            "PYTHONPATH": str(Path(__file__).parent.parent),
        }
    )
    command = [sys.executable, "-m", "gunicorn", "--config", "python:booking.gunicorn_settings",
               "--bind", f"127.0.0.1:{port}", "booking.app:create_app()"]  # fmt: skip
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    try:
        for _ in range(200):
            with suppress(OSError):
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
                connection.request("GET", "/healthz")
                if connection.getresponse().status == 200:
                    break
            time.sleep(0.1)
        else:
            raise RuntimeError("The web server did not start.")
        yield port, process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def appointment(start: datetime, whom: str, email: str) -> bytes:
    """The body of a booking."""
    return json.dumps(
        {
            "visit_type": "follow-up",
            "practitioner": whom,
            "starts_at": start.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "patient": {"first_name": "Storm", "last_name": "Guest", "email": email},
            "reminders": "email",
        }
    ).encode()


def _client(
    port: int, seed: int, attempts: int, starts: list[datetime], barrier: threading.Barrier, said: list[Any]
) -> None:
    dice = random.Random(seed)
    outcomes, slowest = Counter[str](), 0.0
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for number in range(attempts):
        if number % 20 == 0:
            with suppress(threading.BrokenBarrierError):
                barrier.wait(30)
        start = starts[number // 20 % len(starts)] if number % 20 == 0 else dice.choice(starts)
        whom = dice.choice(["anyone", f"person-{dice.randrange(6)}"])
        key = f"{seed}-{number}"
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        began = time.perf_counter()
        try:
            connection.request(
                "POST", "/api/v1/appointments", appointment(start, whom, f"guest{key}@example.com"), headers
            )
            answer = connection.getresponse()
            made = json.loads(answer.read())
            outcomes[str(answer.status)] += 1
            slowest = max(slowest, time.perf_counter() - began)
            if answer.status == 201 and dice.random() < 0.7:
                # Makes room again, so that the storm doesn't end in a full calendar.
                mine = headers | {
                    "Authorization": f"Bearer {made['manage_token']}",
                    "Idempotency-Key": f"c{key}",
                }
                connection.request("POST", f"/api/v1/appointments/{made['reference']}/cancel", b"{}", mine)
                gone = connection.getresponse()
                gone.read()
                outcomes[f"cancel {gone.status}"] += 1
        except (OSError, http.client.HTTPException) as fault:
            outcomes[type(fault).__name__] += 1
            connection.close()
    said.append((outcomes, slowest))


def through_http(kind: str, attempts: int, threads: int = 8) -> dict[str, Any]:
    """So many bookings by several clients of a running server."""
    with (
        tempfile.TemporaryDirectory() as instance,
        fresh(kind, instance) as (url, app),
        server(url, instance) as (port, _),
    ):
        starts, barrier, said = contended_starts(app), threading.Barrier(threads), list[Any]()
        began = time.perf_counter()
        each = attempts // threads
        clients = [
            threading.Thread(target=_client, args=(port, seed, each, starts, barrier, said))
            for seed in range(threads)
        ]
        for thread in clients:
            thread.start()
        for thread in clients:
            thread.join()
        outcomes = sum((one for one, _ in said), Counter[str]())
        return {
            "attempts": sum(outcomes.values()),
            "seconds": round(time.perf_counter() - began, 1),
            "outcomes": dict(outcomes),
            "slowest_seconds": round(max(slowest for _, slowest in said), 2),
            "faults": sum(
                number
                for status, number in outcomes.items()
                if not status.removeprefix("cancel ").startswith(("2", "4", "503"))
            ),
            "overlaps": count(app, OVERLAPS),
            "half_bookings": count(app, HALF_BOOKINGS),
        }


# The mutant


def mutant(kind: str, rounds: int = 4, threads: int = 8) -> int:
    """The same race with the check before the lock and without the database's guard. Returns the overlaps."""
    with tempfile.TemporaryDirectory() as instance, fresh(kind, instance) as (_, app):
        with app.app_context(), db.engine.begin() as connection:
            if kind == "sqlite":
                connection.execute(text("DROP TRIGGER claims_overlap_on_insert"))
            else:
                connection.execute(text("ALTER TABLE claims DROP CONSTRAINT ex_claims_overlap"))
        for number, start in enumerate(
            contended_starts(app)[:: len(contended_starts(app)) // rounds][:rounds]
        ):
            with app.app_context():
                found = free_times("plain", "person-0", start.date(), 1)
            barrier = threading.Barrier(threads)

            def one(
                thread: int, start: datetime = start, number: int = number, barrier: Any = barrier
            ) -> None:
                with app.app_context():
                    barrier.wait()
                    key = f"mutant-{number}-{thread}"
                    wish = _wish(start, "person-0", key)
                    with suppress(Refusal):
                        booking.book(
                            booking.Wish(**{**wish.__dict__, "visit_type": "plain"}), actor="storm", key=key
                        )

            with mock.patch.object(booking, "locked", lambda *_, found=found, **__: found.offers):
                racing = [threading.Thread(target=one, args=(thread,)) for thread in range(threads)]
                for thread in racing:
                    thread.start()
                for thread in racing:
                    thread.join()
        return count(app, OVERLAPS)


def main() -> int:
    databases.on_disk()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--use-cases", type=int, default=100_000, help="attempts through the use cases")
    parser.add_argument("--desk", type=int, default=20_000, help="moves, changes, taps and undos at the desk")
    parser.add_argument("--http", type=int, default=20_000, help="attempts through HTTP")
    parser.add_argument(
        "--plans", type=int, default=2_000, help="whole plans that eight processes want at once"
    )
    parser.add_argument("--databases", nargs="+", default=["sqlite", "postgresql"])
    given = parser.parse_args()
    fine = True
    for kind in given.databases:
        overlaps = mutant(kind)
        print(
            f"{kind}: the mutant without guards shows {overlaps} overlaps (at least 100 are wanted)",
            flush=True,
        )
        fine &= overlaps >= 100
        for name, storm, attempts in (
            ("use cases", through_use_cases, given.use_cases),
            ("desk", through_the_desk, given.desk),
            ("HTTP", through_http, given.http),
            ("plans", plan_storm.through_plans, given.plans),
        ):
            found = storm(kind, attempts)
            print(f"{kind}, {name}: {json.dumps(found)}", flush=True)
            fine &= found["overlaps"] == 0 and found["half_bookings"] == 0 and found.get("faults", 0) == 0
    print("No overlap, no half-booking, no fault." if fine else "SOMETHING IS WRONG.")
    return 0 if fine else 1


if __name__ == "__main__":
    raise SystemExit(main())
