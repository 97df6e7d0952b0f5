"""The clinic that all of them are asked about, and how it is told to the peers.

There are twelve rooms for six practitioners, and "plain" visits of half an hour are asked for: nobody ever
waits for a room, and none fits into another visit's rest. So what the peers don't know of (rooms, devices,
rests) decides nothing.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import Flask
from sqlalchemy import select

from bench import history
from bench.clinic import definition, fresh
from booking import clock
from booking.extensions import db
from booking.models import Appointment
from booking.scheduling.timeline import CELL_MINUTES, instant_of
from booking.services.clinic import present

VISIT_TYPE, DAYS = "plain", 30


@dataclass(frozen=True)
class Asked:
    """One clinic with its visits, on our side and in words for the peers: the same days, the same visits."""

    url: str
    instance: str
    app: Flask
    first: date
    told: dict[str, Any]


@contextmanager
def asked() -> Iterator[Asked]:
    with tempfile.TemporaryDirectory() as instance, fresh("sqlite", instance, rooms=12) as (url, app):
        history.past(app)
        history.future(app)
        with app.app_context():
            # From tomorrow on: no start comes too close while they are being asked.
            first = present().times.local_date(clock.now()) + timedelta(days=1)
            yield Asked(url, instance, app, first, _told(first))


def _told(first: date) -> dict[str, Any]:
    """Plain values. A visit is whose it is, its local beginning, its minutes, and its patient."""
    file, clinic = definition(), present()
    people = sorted(clinic.practitioner_by_id.values(), key=lambda person: person.slug)
    place = {person.id: number for number, person in enumerate(people)}
    visits = select(
        Appointment.practitioner_id, Appointment.from_cell, Appointment.to_cell, Appointment.patient_id
    )
    with db.engine.connect() as connection:
        rows = connection.execute(visits).all()
    return {
        "zone": clinic.zone.key,
        "first": first.isoformat(),
        "days": DAYS,
        "people": [person.slug for person in people],
        "hours": [[f"{at:%H:%M}" for at in part] for part in file.hours.monday],
        "minutes": {slug: visit_type.minutes for slug, visit_type in clinic.visit_types.items()},
        "step_minutes": file.rules.step_minutes,
        "notice_minutes": file.rules.notice_minutes,
        "horizon_days": file.rules.horizon_days,
        "visits": [
            [place[whose], _local(begins, clinic.zone), (ends - begins) * CELL_MINUTES, patient]
            for whose, begins, ends, patient in rows
        ],
    }


def _local(cell: int, zone: ZoneInfo) -> str:
    return f"{instant_of(cell).astimezone(zone):%Y-%m-%dT%H:%M}"
