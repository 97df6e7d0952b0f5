"""Staff pages through the web server: the board of a full day, a refresh, a practitioner's day, finding and moving.

Against the yardsticks of the same run. The day is one of 7 practitioners and 70 visits.
"""

import gzip
import http.client
import random
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import brotli
from flask import Flask
from flask.testing import FlaskClient
from flask_wtf.csrf import generate_csrf
from sqlalchemy import text, update

from bench.measuring import Ask, Figure, cost, get, interleaved, post, rate, statements, unique_memory
from bench.pages import yardstick_server
from bench.storm import server
from booking import clock
from booking.extensions import db
from booking.models import BookableBy, Patient, Reminders, Role
from booking.scheduling.timeline import cell_at
from booking.services import booking
from booking.services.clinic import present
from booking.services.search import free_times
from booking.services.staff import sign_ins
from booking.services.staff.who import Who
from tests.staffing import hired

VISITS = 70
# A search that finds somebody by a part of the name, one with a typing error, one by number.
SEARCHES = ("marbel", "jonkla", "5551234", "rosanwil")


@dataclass(frozen=True)
class Signed:
    """A browser that is signed in: what it sends with each request."""

    cookie: dict[str, str]
    token: str

    def get(self, path: str, status: int = 200, **headers: str) -> Ask:
        def ask(connection: http.client.HTTPConnection) -> None:
            connection.request("GET", path, headers=self.cookie | headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status != status:
                raise RuntimeError(f"{path} answered {answer.status}")

        return ask

    def post(self, path: Callable[[], tuple[str, dict[str, Any]]]) -> Ask:
        def ask(connection: http.client.HTTPConnection) -> None:
            where, fields = path()
            form = urlencode(fields | {"csrf_token": self.token, "key": f"bench-{random.random()}"})
            headers = self.cookie | {
                "Content-Type": "application/x-www-form-urlencoded",
                "Accept": "application/json",
            }
            connection.request("POST", where, form, headers)
            answer = connection.getresponse()
            said = answer.read()
            if answer.status != 200:
                raise RuntimeError(f"{where} answered {answer.status}: {said[:200]!r}")

        return ask


def sign_in(app: Flask, who: Who) -> Signed:
    """The cookie and the form token of a browser that `who` has signed in with."""
    with app.app_context():
        secret = sign_ins.begin(who.account_id, address="127.0.0.1", browser="bench", phone=False)
    with app.test_request_context():
        from flask import session

        token = generate_csrf()
        kept = {"sign_in": secret, "csrf_token": session["csrf_token"]}
        signer = app.session_interface.get_signing_serializer(app)  # type: ignore[attr-defined]
        return Signed({"Cookie": f"{app.config['SESSION_COOKIE_NAME']}={signer.dumps(kept)}"}, token)


class Day:
    """A day with 70 visits of 7 practitioners, some weeks ahead, and the visits on it that are moved to and fro."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        with app.app_context():
            clinic = present()
            self.on: date = clinic.times.local_date(clock.now()) + timedelta(days=45)
            self.window = (
                cell_at(_midnight(self.on, clinic.zone)),
                cell_at(_midnight(self.on + timedelta(days=1), clinic.zone)),
            )
            self._fill()
            _known_for_long()
            self.today = clinic.times.local_date(clock.now())

    def count(self) -> int:
        query = text(
            "SELECT count(*) FROM appointments WHERE to_cell > :a AND from_cell < :b AND status <> 'cancelled'"
        )
        with db.engine.connect() as connection:
            return int(connection.scalar(query, {"a": self.window[0], "b": self.window[1]}) or 0)

    def _fill(self) -> None:
        people, number = sorted(present().practitioners), 0
        while self.count() < VISITS and number < 500:
            whom = people[number % len(people)]
            number += 1
            free = list(free_times("plain", whom, self.on, 1, audience=BookableBy.STAFF).each())
            # On the quarter of an hour, so that the day fills without splinters.
            free = [one for one in free if one.starts_at.minute in (0, 40)] or free
            if free:
                booking.book(
                    booking.Wish(
                        "plain", whom, free[0].starts_at, "Full", f"Day {'abcdefghijklmnop'[number % 16]}{'qrstuvwxyz'[number // 16 % 10]}",
                        f"day{number}@example.com", None, Reminders.EMAIL, audience=BookableBy.STAFF,
                    ),
                    actor="bench", key=f"day {self.on} {number} {random.random()}",
                )  # fmt: skip

    def visits(self) -> list[Any]:
        query = text(
            "SELECT a.reference, a.from_cell, a.patient_id, p.slug, r.reference AS patient FROM appointments a"
            " JOIN practitioners p ON p.id = a.practitioner_id JOIN patients r ON r.id = a.patient_id"
            " WHERE a.to_cell > :a AND a.from_cell < :b AND a.status = 'booked' ORDER BY a.id"
        )
        with self.app.app_context(), db.engine.connect() as connection:
            return list(connection.execute(query, {"a": self.window[0], "b": self.window[1]}))


class Moves:
    """Moves that succeed: single visits on days of their own, to the next quarter of an hour and back."""

    def __init__(self, app: Flask, count: int = 40) -> None:
        self._places: list[tuple[str, str, list[datetime]]] = []
        self._turn = 0
        with app.app_context():
            free = [
                one for one in free_times("plain", "person-6", days=85).each() if one.starts_at.minute == 0
            ]
            by_day: dict[date, list[datetime]] = {}
            for one in free:
                by_day.setdefault(present().times.local_date(one.starts_at), []).append(one.starts_at)
            roomy = [starts for starts in by_day.values() if len(starts) > 3][:count]
            for number, starts in enumerate(roomy):
                made = booking.book(
                    booking.Wish("plain", "person-6", starts[0], "Moved", f"Guest {'abcdefgh'[number % 8]}{'ijklmnop'[number // 8 % 8]}",
                                 f"moved{number}@example.com", None, Reminders.EMAIL, audience=BookableBy.STAFF),
                    actor="bench", key=f"moves {number} {random.random()}",
                )  # fmt: skip
                self._places.append((made.reference, "person-6", starts))

    def __call__(self) -> tuple[str, dict[str, Any]]:
        turn, place = divmod(self._turn, len(self._places))
        self._turn += 1
        reference, whom, starts = self._places[place]
        start = starts[1 + turn % 2]
        return (
            f"/desk/visits/{reference}/change",
            {"cell": cell_at(start.astimezone(UTC)), "practitioner": whom, "tell": "yes"},
        )


def figures(app: Flask, url: str, instance: str, *, repeats: int, requests: int) -> Iterator[Figure]:
    """Costs in processor time, sizes, statements and memory."""
    day, moves = Day(app), Moves(app)
    with app.app_context():
        _known_for_long()
        desk = hired(Role.DESK)
        ana = hired(Role.PRACTITIONER, practitioner="person-0", name="Person 0")
        full = day.count()
    visits = day.visits()
    clerk, practitioner = sign_in(app, desk), sign_in(app, ana)
    board = f"/desk/day/{day.on}"
    client = _client(app, clerk)
    page = client.get(board)
    tag = client.get(f"{board}/fragment", headers={"X-Poll": "1"}).headers.get("ETag", "")
    searches = iter(_forever(SEARCHES))
    with ExitStack() as stack:
        port, ours = stack.enter_context(server(url, instance, BOOKING_RATE_LIMITS="off"))
        yard_port, yard = stack.enter_context(yardstick_server(url))

        def search(connection: http.client.HTTPConnection) -> None:
            clerk.get(f"/desk/patients?q={next(searches)}", Accept="application/json")(connection)

        asks: dict[str, tuple[int, subprocess.Popen[bytes], Ask]] = {
            "R": (yard_port, yard, get("/read")),
            "board": (port, ours, clerk.get(board)),
            "refresh": (
                port,
                ours,
                clerk.get(f"{board}/fragment", 304, **{"If-None-Match": tag, "X-Poll": "1"}),
            ),
            "today": (port, ours, practitioner.get("/mine/today")),
            "times": (port, ours, clerk.get(f"/desk/visits/{visits[0].reference}/times")),
            "search": (port, ours, search),
            "W": (yard_port, yard, post("/write", lambda: b'{"name": "bench"}')),
            "move": (port, ours, clerk.post(moves)),
        }
        found: dict[str, list[float]] = {name: [] for name in asks}
        for _ in range(repeats):
            for name, (at, process, ask) in asks.items():
                found[name].append(cost(at, process.pid, ask, requests))
        took = {name: statistics.median(values) for name, values in found.items()}
        for name, against, most, what in (
            ("board", "R", 2.0, f"board of a day, 7 practitioners and {full} visits"),
            ("refresh", "R", 0.3, "a refresh when nothing changed (304)"),
            ("today", "R", 0.8, "a practitioner's day on the phone"),
            ("times", "R", 1.0, "find a time, 60 days, all practitioners"),
            ("search", "R", 1.0, "patient search over 20,000 patients"),
            ("move", "W", 2.5, "a move by the desk"),
        ):
            yield Figure(
                f"{what} ({took[name] * 1000:.2f} ms)",
                took[name] / took[against],
                f"x {against}",
                at_most=most,
            )
        for at, warming in ((port, clerk.get(board)), (yard_port, get("/read"))):
            rate(at, warming, 8, 4)
        warm, plain = unique_memory(ours.pid), unique_memory(yard.pid)
        yield Figure(
            f"memory of a web worker that serves staff ({warm / 2**20:.0f} MiB)",
            warm / plain,
            "x R",
            at_most=2.6,
        )
    yield Figure("the board, bytes", len(page.data) / 1000, "kB", at_most=100)
    yield Figure("the board on the wire", len(brotli.compress(page.data, quality=1)) / 1000, "kB", at_most=20)
    yield Figure("  the same with gzip", len(gzip.compress(page.data)) / 1000, "kB")
    for what, browser, path, most in (
        ("the board", clerk, board, 8),
        ("a practitioner's day", practitioner, "/mine/today", 6),
    ):
        yield Figure(
            f"SQL statements for {what}, nothing kept", _statements(app, browser, path), "", at_most=most
        )


def growth(short: Flask, long: Flask, repeats: int) -> Iterator[Figure]:
    """The same pages on a clinic with a short and with a long history, nothing kept in the process."""
    actions: dict[str, dict[str, Callable[[], object]]] = {"board": {}, "search": {}, "patient": {}}
    for name, app in (("short", short), ("long", long)):
        day = Day(app)
        with app.app_context():
            desk = hired(Role.DESK)
        client, visit = _client(app, sign_in(app, desk)), _with_history(app)
        asked = iter(_forever(SEARCHES))

        def board(
            app: Flask = app, client: FlaskClient = client, path: str = f"/desk/day/{day.on}"
        ) -> object:
            _forget(app)
            return _fine(client.get(path))

        def search(client: FlaskClient = client, asked: Iterator[str] = asked) -> object:
            return _fine(
                client.get(f"/desk/patients?q={next(asked)}", headers={"Accept": "application/json"})
            )

        def patient(client: FlaskClient = client, path: str = f"/desk/patients/{visit}") -> object:
            return _fine(client.get(path))

        actions["board"][name], actions["search"][name], actions["patient"][name] = board, search, patient
    for what, both, times in (
        ("the board, nothing kept in the process", actions["board"], 5),
        ("patient search", actions["search"], 8),
        ("a patient's page", actions["patient"], 5),
    ):
        took = interleaved(both, repeats * 4, times, time.perf_counter)
        name = f"{what} ({took['short'] * 1000:.2f} ms), with the long history"
        yield Figure(name, took["long"] / took["short"], at_most=1.15)


def _with_history(app: Flask) -> str:
    """A patient who has been here before."""
    with app.app_context(), db.engine.connect() as connection:
        return str(
            connection.scalar(
                text(
                    "SELECT reference FROM patients WHERE id ="
                    " (SELECT patient_id FROM appointments ORDER BY id LIMIT 1)"
                )
            )
        )


def _known_for_long() -> None:
    """Hundreds of patients who were new a minute ago, from what was booked for this, are no clinic's day."""
    then = clock.now() - timedelta(days=30)
    with db.engine.begin() as connection:
        connection.execute(update(Patient).where(Patient.changed_at > then).values(changed_at=then))


def _client(app: Flask, signed: Signed) -> FlaskClient:
    client = app.test_client(use_cookies=False)
    client.environ_base["HTTP_COOKIE"] = signed.cookie["Cookie"]
    return client


def _statements(app: Flask, signed: Signed, path: str) -> int:
    """How many a page says that finds nothing kept in the process."""
    client = _client(app, signed)
    client.get(path)  # What is written down once an hour is written by now.
    _forget(app)
    with app.app_context():
        engine = db.engine
    return statements(engine, lambda: _fine(client.get(path)))


def _forget(app: Flask) -> None:
    """What this process has kept of days and free times."""
    for name in [name for name in app.extensions if name.startswith("booking_") and name not in _STAYS]:
        app.extensions.pop(name)


# Made once for an application, not for a question.
_STAYS = (
    "booking_clinic",
    "booking_directory",
    "booking_noted_this_hour",
    "booking_limits_memory",
    "booking_limits_database",
)


def _fine(answer: Any) -> Any:
    if answer.status_code != 200:
        raise RuntimeError(f"{answer.request.path} answered {answer.status_code}")
    return answer


def _forever(words: tuple[str, ...]) -> Iterator[str]:
    while True:
        yield from words


def _midnight(on: date, zone: Any) -> datetime:
    return datetime(on.year, on.month, on.day, tzinfo=zone).astimezone(UTC)
