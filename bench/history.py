"""Past and future visits in bulk: a clinic that has been open for years.

The past is loaded once and kept between runs in a folder of its own (BENCH_FOLDER, else below /var/tmp), under a name
that changes with the migrations and with this file; each run works on a copy, to which it adds the future.
"""

import hashlib
import json
import os
import random
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import Connection, Table, insert, text

from bench import clinic as measured
from booking import clock
from booking.extensions import db
from booking.migrations import guards, versions
from booking.models import Appointment, BookableBy, Claim, HistoryEntry, Message, Patient, Resource
from booking.scheduling.timeline import cell_at, instant_of
from booking.services.clinic import present
from tests import databases

PAST, FUTURE, PATIENTS = 12_000, 1_600, 20_000
# Names that differ as names do: a search that finds everybody measures nothing.
_SYLLABLES = ("an", "bel", "cor", "dal", "el", "fan", "gor", "har", "is", "jon", "kal", "lin", "mar", "nor", "ol", "pet", "quin", "ros",
              "san", "tam", "ul", "vic", "wil", "yor", "zim")  # fmt: skip
_CELLS = {"practitioner": ((0, 3), (8, 10)), "room": ((0, 10),), "patient": ((0, 10),)}


def folder() -> Path:
    """Where histories are kept between runs."""
    return Path(os.environ.get("BENCH_FOLDER", f"/var/tmp/booking-bench-{os.getuid()}"))


@contextmanager
def clinic_with(kind: str, times: int) -> Iterator[tuple[str, Flask]]:
    """A fresh database with 12,000 past visits, `times` over, and 1,600 future ones, and an application on it."""
    parts = [Path(__file__), Path(measured.__file__), *sorted(Path(versions.__file__).parent.glob("*.py"))]
    mark = hashlib.sha256(b"".join(part.read_bytes() for part in parts)).hexdigest()[:8]
    with tempfile.TemporaryDirectory() as instance:
        template = (_sqlite_file if kind == "sqlite" else _postgresql_database)(times, mark)
        with getattr(databases, kind)(template) as url:
            app = measured.make_app(url, instance)
            future(app)
            try:
                yield url, app
            finally:
                with app.app_context():
                    db.engine.dispose()


def past(app: Flask, times: int = 1) -> None:
    """20,000 patients with 12,000 past visits, `times` over, with claims, messages and history."""
    with app.app_context():
        batch = _Batch()
        batch.register(PATIENTS)
        # A working day holds six starts an hour apart for each practitioner.
        slots_a_day = len(batch.people) * 6
        for number in range(PAST * times):
            day, slot = divmod(number, slots_a_day)
            hour, place = divmod(slot, len(batch.people))
            batch.visit(place, batch.today - timedelta(days=day + 1) + timedelta(hours=9 + hour), "fulfilled")
            if len(batch.visits) >= 20_000:
                batch.write()
        batch.write()


def future(app: Flask) -> None:
    """1,600 visits of the next 88 days: two or three a day for each practitioner."""
    with app.app_context():
        batch = _Batch()
        places = [
            (place, day, hour)
            for place in range(len(batch.people))
            for day in range(1, 89)
            for hour in (9, 10, 11, 14, 15, 16)
        ]
        for place, day, hour in random.Random(4).sample(places, FUTURE):
            batch.visit(place, batch.today + timedelta(days=day, hours=hour), "booked")
        batch.write()
        if db.engine.dialect.name == "postgresql":
            # Which would do so by itself soon; on SQLite nobody does, in a clinic neither.
            with db.engine.begin() as connection:
                connection.execute(text("ANALYZE"))


def _sqlite_file(times: int, mark: str) -> Path:
    kept = folder() / f"{times}-times-{mark}.sqlite3"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as instance, measured.fresh("sqlite", instance) as (url, app):
            past(app, times)
            with app.app_context():
                db.engine.dispose()
            connection = sqlite3.connect(url.removeprefix("sqlite:///"))
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.execute("PRAGMA journal_mode=DELETE")
            connection.close()
            shutil.copyfile(url.removeprefix("sqlite:///"), kept.with_suffix(".loading"))
            kept.with_suffix(".loading").rename(kept)
    return kept


def _postgresql_database(times: int, mark: str) -> str:
    databases.keep_cluster_in(folder() / "postgresql")
    kept = f"booking_bench_{times}_times_{mark}"
    if not databases.administer("SELECT 1 FROM pg_database WHERE datname = %s", kept):
        with tempfile.TemporaryDirectory() as instance, measured.fresh("postgresql", instance) as (_, app):
            with app.app_context(), db.engine.begin() as connection:
                connection.execute(text("ALTER TABLE claims DROP CONSTRAINT ex_claims_overlap"))
            past(app, times)
            with app.app_context():
                with db.engine.begin() as connection:
                    connection.execute(text("SET LOCAL statement_timeout = 0"))
                    connection.execute(text(guards.OVERLAP_ON_POSTGRESQL))
                name = db.engine.url.database
                db.engine.dispose()
            databases.administer(f"ALTER DATABASE {name} RENAME TO {kept}")
    return kept


class _Batch:
    """Rows of several tables, written together."""

    def __init__(self) -> None:
        clinic = present()
        given = clinic.who_offers(clinic.visit_types["follow-up"], BookableBy.STAFF)
        self.people, self.rooms = (
            sorted(person.id for person in given),
            sorted(room.id for room in clinic.rooms),
        )
        self._visit_type_id, self._now = clinic.visit_types["follow-up"].id, clock.now()
        # Records that have just changed, and twenty thousand at that, would be another thing to measure.
        self._long_ago = self._now - timedelta(days=60)
        day = self._now.astimezone(clinic.zone).date()
        self.today = datetime.combine(day, datetime.min.time(), clinic.zone)
        with db.engine.connect() as connection:
            self._next_resource = 1 + connection.scalar(text("SELECT max(id) FROM resources"))
            self._next_visit = 1 + connection.scalar(text("SELECT coalesce(max(id), 0) FROM appointments"))
        self._patients: dict[int, list[int]] = {one: [] for one in self.people}
        self._seen: dict[int, int] = {}
        self._dice = random.Random(7)
        self._clear()

    def _clear(self) -> None:
        self.resources: list[Any] = []
        self.patients: list[Any] = []
        self.visits: list[Any] = []
        self.claims: list[Any] = []
        self.history: list[Any] = []
        self.messages: list[Any] = []

    def visit(self, place: int, start: datetime, status: str) -> None:
        practitioner, room = self.people[place], self.rooms[place]
        patient = self._patient(practitioner)
        first, visit = cell_at(start), self._next_visit
        self._next_visit += 1
        # A week before, and what lies further ahead on one of the last thirty days: a clinic isn't booked in one minute.
        booked_at = min(instant_of(first) - timedelta(days=7), self._now - timedelta(days=visit % 30))
        self.visits.append(
            {
                "id": visit, "reference": f"H{visit}", "patient_id": patient, "practitioner_id": practitioner,
                "visit_type_id": self._visit_type_id, "room_id": room, "from_cell": first, "to_cell": first + 10,
                "status": status, "version": 1, "sequence": 0, "link_number": 1, "first_name": "Long", "last_name": "Ago",
                "email": f"patient{patient}@example.com", "phone": None, "reminders": "email", "payment": None, "note": "",
                "policy_version": "1", "booked_at": booked_at, "booked_by": "patient", "cancel_reason": "", "changed_at": booked_at,
            }
        )  # fmt: skip
        for resource, kind in ((practitioner, "practitioner"), (room, "room"), (patient, "patient")):
            for begins, ends in _CELLS[kind]:
                self.claims.append(
                    {"resource_id": resource, "from_cell": first + begins, "to_cell": first + ends,
                     "before": 0, "after": 2 if kind == "room" else 0, "appointment_id": visit}
                )  # fmt: skip
        self.history.append(
            {
                "appointment_id": visit,
                "at": booked_at,
                "actor": "patient",
                "actor_name": "",
                "what": "booked",
                "why": "",
                "facts": {},
            }
        )
        self.messages.append(
            {"subject": f"appointment/H{visit}", "kind": "confirmation", "sequence": 0, "channel": "email", "resend": 0,
             "appointment_id": visit, "address": f"patient{patient}@example.com", "facts": {}, "mail_id": f"h{visit}@example.com",
             "state": "sent", "written_at": booked_at, "due_at": start, "not_after": start, "attempts": 1, "last_error": ""}
        )  # fmt: skip

    def register(self, patients: int) -> None:
        """So many patients, each of one practitioner."""
        for number in range(patients):
            self._new_patient(self.people[number % len(self.people)])

    def _patient(self, practitioner: int) -> int:
        """Another one for every eighth visit of a practitioner, and in the end the first again; always of that
        practitioner only, so that nobody is in two places at once.
        """
        seen = self._seen.get(practitioner, 0)
        self._seen[practitioner] = seen + 1
        theirs = self._patients[practitioner]
        turn = seen // 8
        if turn >= len(theirs) and len(theirs) < PATIENTS // len(self.people):
            self._new_patient(practitioner)
        return theirs[turn % len(theirs)]

    def _new_patient(self, practitioner: int) -> None:
        new = self._next_resource
        self._next_resource += 1
        self._patients[practitioner].append(new)
        first, last = (self._dice.choice(_SYLLABLES) + self._dice.choice(_SYLLABLES) for _ in range(2))
        last += self._dice.choice(_SYLLABLES)
        self.resources.append({"id": new, "kind": "patient", "version": 0})
        self.patients.append(
            {
                "id": new,
                "first_name": first.title(),
                "last_name": last.title(),
                "name_key": f"{first}|{last}",
                "email": f"patient{new}@example.com",
                "phone": f"+1818{5_000_000 + new}",
                "born_on": date(1935 + new % 60, 1 + new % 12, 1 + new % 28),
                "created_at": self._long_ago,
                "changed_at": self._long_ago,
                "reference": f"L{new}",
            }
        )

    def write(self) -> None:
        with db.engine.begin() as connection:
            for table, rows in (
                (Resource.__table__, self.resources),
                (Patient.__table__, self.patients),
                (Appointment.__table__, self.visits),
                (Claim.__table__, self.claims),
                (HistoryEntry.__table__, self.history),
                (Message.__table__, self.messages),
            ):
                if rows and connection.dialect.name == "postgresql":
                    _copy(connection, table, rows)
                elif rows:
                    connection.execute(insert(table), rows)
            if connection.dialect.name == "postgresql":
                for name in ("resources", "appointments"):
                    connection.execute(text(f"SELECT setval('{name}_id_seq', (SELECT max(id) FROM {name}))"))
        self._clear()


def _copy(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    columns = list(rows[0])
    cursor = connection.connection.cursor()
    with cursor.copy(f"COPY {table.name} ({', '.join(columns)}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(
                [json.dumps(value) if isinstance(value, dict) else value for value in row.values()]
            )
