"""Past and future visits in bulk: a clinic that has been open for years."""

import random
from datetime import datetime, timedelta
from typing import Any

from flask import Flask
from sqlalchemy import insert, text

from booking import clock
from booking.extensions import db
from booking.models import Appointment, Claim, HistoryEntry, Message, Patient, Resource
from booking.scheduling.timeline import cell_at
from booking.services.clinic import present

PAST, FUTURE = 12_000, 1_600
_CELLS = {"practitioner": ((0, 3), (8, 10)), "room": ((0, 10),), "patient": ((0, 10),)}


def fill(app: Flask, times: int = 1) -> None:
    """12,000 past visits, `times` over, and 1,600 future ones, with claims, messages and history."""
    with app.app_context():
        clinic = present()
        people, rooms = sorted(clinic.practitioner_by_id), sorted(room.id for room in clinic.rooms)
        now, dice = clock.now(), random.Random(4)
        today = datetime.combine(now.astimezone(clinic.zone).date(), datetime.min.time(), clinic.zone)
        batch = _Batch(clinic.visit_types["follow-up"].id, now)
        # A working day holds six starts an hour apart for each practitioner; the future takes two or three of them.
        batch.future(people, rooms, today, dice, FUTURE)
        batch.write()
        slots_a_day = len(people) * 6
        for number in range(PAST * times):
            day, slot = divmod(number, slots_a_day)
            place, hour = slot % len(people), slot // len(people)
            batch.visit(
                people[place],
                rooms[place],
                today - timedelta(days=day + 1) + timedelta(hours=9 + hour),
                "fulfilled",
            )
            if len(batch.visits) >= 5000:
                batch.write()
        batch.write()
        with db.engine.begin() as connection:
            connection.execute(text("ANALYZE"))


class _Batch:
    """Rows of several tables, written together."""

    def __init__(self, visit_type_id: int, now: datetime) -> None:
        self._visit_type_id, self._now = visit_type_id, now
        with db.engine.connect() as connection:
            self._next_resource = connection.scalar(text("SELECT max(id) FROM resources")) + 1
            self._next_visit = 1
        self._patients: dict[int, int] = {}
        self._seen: dict[int, int] = {}
        self._clear()

    def _clear(self) -> None:
        self.resources: list[Any] = []
        self.patients: list[Any] = []
        self.visits: list[Any] = []
        self.claims: list[Any] = []
        self.history: list[Any] = []
        self.messages: list[Any] = []

    def future(
        self, people: list[int], rooms: list[int], today: datetime, dice: random.Random, wanted: int
    ) -> None:
        places = [
            (person, room, day, hour)
            for person, room in zip(people, rooms, strict=True)
            for day in range(1, 89)
            for hour in (9, 10, 11, 14, 15, 16)
        ]
        for person, room, day, hour in dice.sample(places, wanted):
            self.visit(person, room, today + timedelta(days=day, hours=hour), "booked")

    def visit(self, practitioner: int, room: int, start: datetime, status: str) -> None:
        patient = self._patient(practitioner)
        first, visit = cell_at(start), self._next_visit
        self._next_visit += 1
        self.visits.append(
            {
                "id": visit, "reference": f"H{visit}", "patient_id": patient, "practitioner_id": practitioner,
                "visit_type_id": self._visit_type_id, "room_id": room, "from_cell": first, "to_cell": first + 10,
                "status": status, "version": 1, "sequence": 0, "link_number": 1, "first_name": "Long", "last_name": "Ago",
                "email": f"patient{patient}@example.com", "phone": None, "reminders": "email", "payment": None, "note": "",
                "policy_version": "1", "booked_at": self._now, "booked_by": "patient", "cancel_reason": "", "changed_at": self._now,
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
                "at": self._now,
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
             "state": "sent", "written_at": self._now, "due_at": start, "not_after": start, "attempts": 1, "last_error": ""}
        )  # fmt: skip

    def _patient(self, practitioner: int) -> int:
        """A new patient for every eighth visit of a practitioner: nobody is in two places at once."""
        seen = self._seen.get(practitioner, 0)
        self._seen[practitioner] = seen + 1
        if seen % 8:
            return self._patients[practitioner]
        new = self._next_resource
        self._next_resource += 1
        self._patients[practitioner] = new
        self.resources.append({"id": new, "kind": "patient", "version": 0})
        self.patients.append(
            {
                "id": new,
                "first_name": "Long",
                "last_name": "Ago",
                "name_key": f"long|ago{new}",
                "email": f"patient{new}@example.com",
                "phone": None,
                "created_at": self._now,
            }
        )
        return new

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
                if rows:
                    connection.execute(insert(table), rows)
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT setval('resources_id_seq', (SELECT max(id) FROM resources))"))
                connection.execute(
                    text("SELECT setval('appointments_id_seq', (SELECT max(id) FROM appointments))")
                )
        self._clear()
