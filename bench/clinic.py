"""A clinic to measure and to storm: six practitioners, rooms, a device, and every weekday open."""

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cache
from multiprocessing.context import ForkServerContext
from typing import Any

from flask import Flask

from booking import clock
from booking.app import create_app
from booking.extensions import db
from booking.services import clinic_rows
from booking.services.clinic import present
from booking.services.clinic_file import ClinicFile
from tests import databases

SETTINGS = databases.SETTINGS | {"BOOKING_RATE_LIMITS": "off", "BOOKING_BASE_URL": "http://127.0.0.1"}
_WEEK = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def definition(practitioners: int = 7, rooms: int = 7, **rules: Any) -> ClinicFile:
    """So many practitioners, of whom six give a visit type with a rest and a device; open every day."""
    week = {day: ["9:00-13:00", "14:00-18:00"] for day in _WEEK}
    return ClinicFile.model_validate(
        {
            "clinic": {
                "name": "Measured Clinic", "message_name": "Measured", "zone": "America/Los_Angeles",
                "address": ["1 Main Street"], "phone": "(818) 555-0100", "phone_hours": "9 to 5", "mailbox": "desk@clinic.example",
            },
            "policies": {
                "version": "1", "cancellation": "Please call.", "policies": "Be on time.", "privacy": "Kept.",
                "text_consent": "Text me.", "text_consent_version": "1",
            },
            "rules": {"visits_without_staff": 100} | rules,
            "hours": week,
            "modalities": [{"id": "care", "name": "Care"}],
            "visit_types": [
                {
                    "id": "follow-up", "name": "Follow-up", "modality": "care", "room_kinds": ["room"], "turnover_after_minutes": 10,
                    "phases": [
                        {"name": "needling", "minutes": 15},
                        {"name": "rest", "minutes": 25, "needs": ["room", "e-stim"]},
                        {"name": "removal", "minutes": 10},
                    ],
                },
                {"id": "plain", "name": "Plain", "modality": "care", "room_kinds": ["room"], "turnover_after_minutes": 10,
                 "phases": [{"name": "treatment", "minutes": 30}]},
            ],
            "rooms": [{"id": f"room-{n}", "name": f"Room {n}", "kind": "room"} for n in range(rooms)],
            "devices": [{"id": f"e-stim-{n}", "name": f"Unit {n}", "kind": "e-stim"} for n in range(4)],
            "practitioners": [
                {"id": f"person-{n}", "name": f"Person {n}", "hours": week, "offers": ["follow-up", "plain"] if n < 6 else ["plain"]}
                for n in range(practitioners)
            ],
        }
    )  # fmt: skip


@cache
def fresh_processes() -> ForkServerContext:
    """Makes processes in which our modules are read already, and which share nothing else with this one."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["bench.soak"])
    return context


def make_app(url: str, instance: str, **settings: str) -> Flask:
    return create_app(SETTINGS | {"BOOKING_DATABASE_URL": url} | settings, instance_path=instance)


@contextmanager
def fresh(kind: str, instance: str, **how: Any) -> Iterator[tuple[str, Flask]]:
    """A fresh database of this kind with the clinic in it, and an application on it."""
    with getattr(databases, kind)() as url:
        app = make_app(url, instance)
        with app.app_context():
            clinic_rows.apply(definition(**how))
        try:
            yield url, app
        finally:
            with app.app_context():
                db.engine.dispose()


def contended_starts(app: Flask, days: int = 3) -> list[datetime]:
    """A few dozen starts of the next days, on the grid."""
    with app.app_context():
        zone = present().zone
    first = (clock.now().astimezone(zone) + timedelta(days=2)).date()
    return [
        datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)
        for day in (first + timedelta(days=n) for n in range(days))
        for hour in (9, 10, 11, 14, 15, 16)
        for minute in (0, 15, 30, 45)
    ]
