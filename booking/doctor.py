"""What is wrong with an installation, and what to do about it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from flask import current_app
from sqlalchemy import func, select, text

from booking import clock
from booking.config import Config
from booking.errors import Busy, ClinicNotReady, Refusal
from booking.extensions import db
from booking.migrations import guards
from booking.models import BookableBy, Installation
from booking.reminders.channels import mail
from booking.services import health
from booking.services.clinic import Clinic, missing_pages, present
from booking.services.clinic_file import TELLTALE
from booking.services.search import free_times
from booking.services.staff import accounts as staff, passwords
from booking.services.transaction import reading

_CLOCK_MAY_DIFFER = timedelta(seconds=30)


@dataclass(frozen=True)
class Finding:
    """Something that was looked at. `to_do` says what helps where it isn't fine, or could be better."""

    fine: bool
    what: str
    to_do: str = ""


def examine() -> list[Finding]:
    """Everything that was looked at, in an order in which to mend it."""
    try:
        return list(_findings())
    except Busy:
        return [Finding(False, "The database can't be reached.", _reach())]


def _findings() -> Iterator[Finding]:
    with reading() as session:
        session.execute(text("SELECT 1"))
    yield Finding(True, f"The database answers ({db.engine.dialect.name}).")
    present_revision, needed = health.migrations()
    if present_revision != needed:
        yield Finding(False, "The database is not migrated.", "Run: flask db upgrade")
        return
    yield Finding(True, "The database is migrated.")
    yield from _guards()
    yield from _clock()
    yield from _mail()
    yield from _worker()
    yield from _clinic()
    yield from _staff()


def _reach() -> str:
    url = db.engine.url.render_as_string(hide_password=True)
    return f"Is it running, and is BOOKING_DATABASE_URL right? It is {url}."


def _guards() -> Iterator[Finding]:
    with reading() as session:
        if db.engine.dialect.name == "sqlite":
            query = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        else:
            query = "SELECT conname FROM pg_constraint UNION SELECT tgname FROM pg_trigger"
        there = {str(name) for name in session.scalars(text(query))}
    missing = [name for name in guards.NAMES[db.engine.dialect.name] if name not in there]
    yield Finding(
        not missing,
        f"Guards against double booking are missing: {', '.join(missing)}."
        if missing
        else "The guards against double booking are alive.",
        "Stop web server and workers, restore the schema from booking/migrations/guards.py, and look for overlaps: docs/claims.md"
        if missing
        else "",
    )


def _clock() -> Iterator[Finding]:
    if db.engine.dialect.name != "postgresql":
        sane = clock.now().year >= 2026
        yield Finding(
            sane,
            "The clock is plausible." if sane else "The clock is years behind.",
            "" if sane else "Set the clock; use NTP.",
        )
        return
    with reading() as session:
        theirs: datetime = session.scalar(select(func.now()))
    apart = abs(clock.now() - theirs.astimezone(UTC))
    yield Finding(
        apart < _CLOCK_MAY_DIFFER,
        f"This machine's clock and the database's are {apart.total_seconds():.0f} seconds apart.",
        "" if apart < _CLOCK_MAY_DIFFER else "Set both clocks; use NTP.",
    )


def _mail() -> Iterator[Finding]:
    config: Config = current_app.config["BOOKING"]
    if not config.mail_host:
        yield Finding(
            not config.production,
            "No mail server is set; messages land in instance/mail.",
            "For real mail, set BOOKING_MAIL_HOST.",
        )
        return
    trouble = mail.trouble_with_server()
    yield Finding(
        not trouble,
        f"The mail server doesn't answer: {trouble}" if trouble else "The mail server answers.",
        "Look at BOOKING_MAIL_HOST, _PORT, _SECURITY, _USER and _PASSWORD." if trouble else "",
    )


def _worker() -> Iterator[Finding]:
    silent = health.worker_is_silent()
    yield Finding(
        not silent,
        "No worker has ticked in the last two minutes; no message is sent." if silent else "A worker ticks.",
        "Start one: flask worker" if silent else "",
    )
    beat = health.last_heartbeat()
    if beat is not None and beat.trouble:
        yield Finding(False, f"The worker says: {beat.trouble}", "Mend that; it goes on by itself.")
    with reading() as session:
        installation = session.get(Installation, 1)
    if installation is not None and installation.halted:
        yield Finding(
            False,
            f"Sending is halted: {installation.halted}",
            "When that is as it should be: flask messages resume",
        )
    waiting = health.queue()
    if waiting.dead:
        yield Finding(
            False,
            f"{waiting.dead} messages of the last {health.RECENT.days} days were given up.",
            "See them: flask messages --state dead",
        )
    if waiting.to_call:
        yield Finding(
            True,
            f"{waiting.to_call} reminders wait for a telephone call.",
            "See them: flask messages --state to_call",
        )


def _clinic() -> Iterator[Finding]:
    try:
        clinic = present()
    except ClinicNotReady:
        yield Finding(
            False,
            "No clinic has been set up.",
            "Run: flask clinic apply FILE (or flask demo, to try things out)",
        )
        return
    yield Finding(True, f"The clinic is {clinic.name}, in {clinic.zone.key}.")
    for missing in missing_pages():
        yield Finding(False, missing, "Write it, and apply the file again: flask clinic apply FILE")
    for name in (clinic.message_name, *(person.name for person in clinic.practitioners.values())):
        if told := TELLTALE.search(name):
            yield Finding(
                False,
                f"“{name}” would tell everybody who sees a message what it is about (“{told[0]}”).",
                "Give the clinic a message_name, and practitioners names, without treatments and titles of care.",
            )
    yield from _something_to_offer(clinic)


def _staff() -> Iterator[Finding]:
    """Whether somebody can sign in who may do everything, and nobody with what stands in our README."""
    there = staff.owners()
    yield Finding(
        there > 0,
        f"{there} owners can sign in." if there else "No owner can sign in.",
        "" if there else "Run: flask staff invite ADDRESS --role owner",
    )
    config: Config = current_app.config["BOOKING"]
    known = passwords.demo_passwords() if config.production else []
    if known:
        yield Finding(
            False,
            f"These accounts have the demo's password, which everybody can read: {', '.join(known)}.",
            "Nobody gets in with it here. End them: flask staff deactivate ADDRESS",
        )


def _something_to_offer(clinic: Clinic) -> Iterator[Finding]:
    """Whether each visit type that patients may choose has a free time at all."""
    for visit_type in clinic.visit_types.values():
        if visit_type.on_request or not clinic.who_offers(visit_type, BookableBy.PATIENTS):
            continue
        try:
            found = free_times(visit_type.slug, None, days=clinic.horizon_days)
        except Refusal:
            continue
        if found.reason:
            yield Finding(
                False,
                f"“{visit_type.name}” has no free time in {clinic.horizon_days} days: {found.reason.why.value}.",
                "Look at the practitioners' hours, the kinds of rooms and devices, and what the visit needs.",
            )
