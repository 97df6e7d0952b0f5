"""Small clinics for tests: valid by default, so that a test states only what matters to it."""

from datetime import datetime
from typing import Any

import psycopg
from flask import current_app
from sqlalchemy import Connection, event, func, select

from booking import clock
from booking.extensions import db
from booking.models import Clinic as ClinicRow
from booking.services import clinic_rows
from booking.services.clinic import Clinic, present
from booking.services.clinic_file import ClinicFile

WEEK = ("monday", "tuesday", "wednesday", "thursday", "friday")

ABOUT = {
    "name": "Test Clinic",
    "message_name": "Test Clinic",
    "zone": "America/Los_Angeles",
    "address": ["1 Main Street", "Encino, CA 91436"],
    "phone": "(818) 555-0100",
    "phone_hours": "Monday to Friday 9 am to 5 pm",
    "mailbox": "desk@clinic.example",
}
POLICIES = {
    "version": "1",
    "cancellation": "Please cancel a day before.",
    "policies": "Be on time.",
    "privacy": "We keep your secrets.",
    "text_consent": "Please text me.",
    "text_consent_version": "1",
}


def every_day(*stretches: str) -> dict[str, list[str]]:
    return {day: list(stretches) for day in WEEK}


def practitioner(slug: str = "ana", **how: Any) -> dict[str, Any]:
    return {
        "id": slug,
        "name": slug.title(),
        "hours": every_day("9:00-12:00", "13:00-17:00"),
        "offers": ["follow-up"],
    } | how


def visit_type(slug: str = "follow-up", **how: Any) -> dict[str, Any]:
    return {
        "id": slug,
        "name": slug.title(),
        "modality": "care",
        "room_kinds": ["room"],
        "phases": [{"name": "treatment", "minutes": 30}],
    } | how


def needled(slug: str = "needles", **how: Any) -> dict[str, Any]:
    """15 minutes of needling, 25 of rest, 10 of removal."""
    phases = [
        {"name": "needling", "minutes": 15},
        {"name": "rest", "minutes": 25, "needs": ["room"]},
        {"name": "removal", "minutes": 10},
    ]
    return visit_type(slug, phases=phases, **how)


def rooms(count: int = 2, kind: str = "room") -> list[dict[str, str]]:
    return [{"id": f"{kind}-{n}", "name": f"{kind.title()} {n}", "kind": kind} for n in range(1, count + 1)]


def clinic(**how: Any) -> ClinicFile:
    """One practitioner, one visit type of 30 minutes, two rooms, Monday to Friday from nine to five with lunch."""
    return ClinicFile.model_validate(
        {
            "clinic": ABOUT | how.pop("about", {}),
            "policies": POLICIES,
            "hours": every_day("8:00-20:00"),
            "modalities": [{"id": "care", "name": "Care"}],
            "visit_types": [visit_type()],
            "rooms": rooms(),
            "practitioners": [practitioner()],
        }
        | how
    )


def plan_template(slug: str, doses: dict[str, int | str], *, weeks: int = 4, **how: Any) -> dict[str, Any]:
    """Of one phase, with a free day between two visits of acupuncture."""
    return {
        "id": slug,
        "name": slug.replace("-", " ").capitalize(),
        "rest_days": {"acupuncture": 1},
        "phases": [{"weeks": weeks, "doses": doses}],
    } | how


def plan_clinic(**how: Any) -> ClinicFile:
    """Acupuncture with Mei and Dan, chiropractic with Aaron and Lin, Monday to Friday from nine to five with lunch, and
    Mei and Aaron on Saturday mornings. Plans: `disc` (3 + 2 a week), `disc-gentle` (2 + 1, self-service), `weekly` (1).
    """
    acupuncture = {"modality": "acupuncture", "room_kinds": ["treatment"]}
    chiropractic = {"modality": "chiropractic", "room_kinds": ["adjusting"]}
    eighty, forty, twenty = ([{"name": "treatment", "minutes": minutes}] for minutes in (80, 40, 20))
    two: dict[str, Any] = {
        "pairing": {"gap_minutes": 15},
        "reassessment": ["acupuncture-reassessment", "chiropractic-reassessment"],
    }
    saturdays = every_day("9:00-12:00", "13:00-17:00") | {"saturday": ["8:00-13:00"]}

    def gives(modality: str) -> list[str | dict[str, str]]:
        looks_again = {"visit_type": f"{modality}-reassessment", "bookable_by": "link"}
        return [f"{modality}-first", f"{modality}-follow-up", looks_again]

    return clinic(
        **{
            "hours": every_day("8:00-20:00") | {"saturday": ["8:00-13:00"]},
            "modalities": [
                {"id": "acupuncture", "name": "Acupuncture"},
                {"id": "chiropractic", "name": "Chiropractic"},
            ],
            "visit_types": [
                needled("acupuncture-follow-up", kind="returning", **acupuncture),
                visit_type("acupuncture-first", kind="first", **acupuncture | {"phases": eighty}),
                visit_type("acupuncture-reassessment", kind="returning", **acupuncture | {"phases": forty}),
                visit_type("chiropractic-follow-up", kind="returning", **chiropractic | {"phases": twenty}),
                visit_type("chiropractic-first", kind="first", **chiropractic | {"phases": forty}),
                visit_type(
                    "chiropractic-reassessment", kind="returning", **chiropractic | {"phases": twenty}
                ),
            ],
            "rooms": [*rooms(3, "treatment"), *rooms(2, "adjusting")],
            "practitioners": [
                practitioner("mei", name="Mei Tanaka", hours=saturdays, offers=gives("acupuncture")),
                practitioner("dan", name="Daniel Okafor", offers=gives("acupuncture")),
                practitioner("aaron", name="Aaron Feld", hours=saturdays, offers=gives("chiropractic")),
                practitioner("lin", name="Linh Pham", offers=gives("chiropractic")),
            ],
            "plan_templates": [
                plan_template("disc", {"acupuncture-follow-up": 3, "chiropractic-follow-up": 2}, **two),
                plan_template(
                    "disc-gentle",
                    {"acupuncture-follow-up": 2, "chiropractic-follow-up": 1},
                    self_service=True,
                    **two,
                ),
                plan_template("weekly", {"acupuncture-follow-up": 1}, weeks=6),
            ],
        }
        | how
    )


def set_up(definition: ClinicFile | None = None) -> None:
    """Makes this the clinic of the database, in an application context.

    What applying it says to a fresh database is the same each time, and most of what a small test would cost: it is
    listened to once, and said again to the next. So is what is read of it then: the next one is given the snapshot, as if
    it had read the clinic already.
    """
    wanted = definition or clinic()
    with db.engine.begin() as connection:
        fresh = not connection.scalar(select(func.count()).select_from(ClinicRow))
        locale = current_app.config["BABEL_DEFAULT_LOCALE"]
        same = (connection.dialect.name, wanted.model_dump_json(), clock.now(), locale)
        if fresh and same in _SAID:
            said, snapshot = _SAID[same]
            _say_again(connection, said)
            current_app.extensions["booking_clinic"] = snapshot
            return
    said: list[tuple[str, Any]] = []

    def listen(*given: Any) -> None:
        _, _, statement, parameters, *_ = given
        if statement.startswith(("INSERT", "UPDATE", "DELETE")):
            said.append((statement, parameters))

    event.listen(db.engine, "before_cursor_execute", listen)
    try:
        clinic_rows.apply(wanted)
    finally:
        event.remove(db.engine, "before_cursor_execute", listen)
    if fresh:
        _SAID[same] = said, present()


def _say_again(connection: Connection, said: list[tuple[str, Any]]) -> None:
    if connection.dialect.name == "postgresql":
        # All at once: each way to the server costs as much as what is done there.
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        cursor = psycopg.ClientCursor(driver)
        cursor.execute(
            "; ".join(
                cursor.mogrify(statement, one)
                for statement, parameters in said
                for one in (parameters if isinstance(parameters, list) else [parameters])
            )
        )
        return
    for statement, parameters in said:
        connection.exec_driver_sql(statement, parameters)


# By the kind of database, the clinic, the moment, and the language.
_SAID: dict[tuple[str, str, datetime, str], tuple[list[tuple[str, Any]], Clinic]] = {}
