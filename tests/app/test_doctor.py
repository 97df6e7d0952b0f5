"""`flask doctor`: what it finds wrong with an installation, each with what to do."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask_migrate import downgrade
from sqlalchemy import text, update

from booking import clock, doctor
from booking.extensions import db
from booking.migrations import guards
from booking.models import Message, Role
from booking.reminders.worker import Worker
from tests import databases
from tests.clinics import clinic, set_up
from tests.conftest import MakeApp
from tests.databases import free_port
from tests.services.making import booked
from tests.staffing import hired

Told = dict[str, str]


@pytest.fixture(autouse=True)
def now() -> Iterator[datetime]:
    """The clock stands at the present moment: the database has one of its own, and both are compared."""
    with clock.turned_to(datetime.now(UTC)):
        yield clock.now()


@pytest.fixture
def healthy(app: Flask) -> Flask:
    with app.app_context():
        set_up()
        hired(Role.OWNER, password="of somebody who can sign in")
    Worker(app, "first").tick()
    return app


def wrong(app: Flask) -> Told:
    """What isn't fine, with what to do about it; the command says the same, and whether anything is wrong."""
    with app.app_context():
        findings = doctor.examine()
    found = {finding.what: finding.to_do for finding in findings if not finding.fine}
    run = app.test_cli_runner().invoke(args=["doctor"])
    assert run.exit_code == (1 if found else 0)
    told = _without_seconds(run.output)
    for what, to_do in found.items():
        assert _without_seconds(f"WRONG   {what}\n        {to_do}") in told
    return found


def _without_seconds(words: str) -> str:
    """How far apart two clocks are is another number a moment later."""
    return re.sub(r"\d+ seconds", "… seconds", words)


def only(found: Told) -> tuple[str, str]:
    assert len(found) == 1, found
    return next(iter(found.items()))


def test_nothing_is_wrong_with_a_healthy_installation(healthy: Flask) -> None:
    assert wrong(healthy) == {}


def test_missing_guards_are_named(healthy: Flask) -> None:
    statements = {
        "sqlite": "DROP TRIGGER claims_overlap_on_insert",
        "postgresql": "ALTER TABLE claims DROP CONSTRAINT ex_claims_overlap",
    }
    with healthy.app_context():
        database = db.engine.dialect.name
        with db.engine.begin() as connection:
            connection.execute(text(statements[database]))
    what, to_do = only(wrong(healthy))
    assert "Guards against double booking are missing" in what and guards.NAMES[database][0] in what
    assert "booking/migrations/guards.py" in to_do


@pytest.mark.parametrize(
    "words",
    [
        "staff list",
        "staff who-saw ABC --since 2026-12-01 --until 2026-12-03",
        "messages",
        "clinic show",
        "demo",
    ],
)
def test_commands_say_that_a_database_is_not_migrated(
    make_app: MakeApp, database_kind: str, words: str
) -> None:
    with databases.unmigrated(database_kind) as url:
        run = make_app(url).test_cli_runner().invoke(args=words.split())
    assert (run.exit_code, run.output) == (
        1,
        "Error: The database is not migrated. Run: flask db upgrade\n",
    )


def test_commands_say_that_a_database_cannot_be_reached(make_app: MakeApp) -> None:
    app = make_app(f"postgresql://x@127.0.0.1:{free_port()}/x")
    run = app.test_cli_runner().invoke(args=["staff", "list"])
    assert (run.exit_code, run.output) == (
        1,
        "Error: The database can't be reached. flask doctor says more.\n",
    )


def test_a_mail_server_that_is_down(healthy: Flask, database_url: str, make_app: MakeApp) -> None:
    app = make_app(
        database_url,
        BOOKING_MAIL_HOST="127.0.0.1",
        BOOKING_MAIL_PORT=str(free_port()),
        BOOKING_MAIL_SECURITY="none",
        BOOKING_MAIL_TIMEOUT="2",
    )
    what, to_do = only(wrong(app))
    assert what.startswith("The mail server doesn't answer")
    assert "BOOKING_MAIL_HOST" in to_do


def test_a_clock_that_is_wrong(healthy: Flask, now: datetime) -> None:
    with clock.turned_to(now - timedelta(days=3650)):
        found = wrong(healthy)
    about_the_clock = [what for what in found if "clock" in what]
    assert len(about_the_clock) == 1
    assert "use NTP" in found[about_the_clock[0]]


def test_a_database_that_is_not_migrated(healthy: Flask) -> None:
    with healthy.app_context():
        downgrade(revision="base")
    assert wrong(healthy) == {"The database is not migrated.": "Run: flask db upgrade"}


@pytest.mark.parametrize(
    "address",
    ["sqlite:////nowhere/at/all.sqlite3", "postgresql://booking:hunter2@127.0.0.1:{port}/booking"],
)
def test_a_database_that_is_down(make_app: MakeApp, address: str) -> None:
    app = make_app(address.format(port=free_port()))
    what, to_do = only(wrong(app))
    assert what == "The database can't be reached."
    assert "BOOKING_DATABASE_URL" in to_do and "hunter2" not in to_do


def test_no_worker_and_one_that_fell_silent(app: Flask, now: datetime) -> None:
    with app.app_context():
        set_up()
        hired(Role.OWNER, password="of somebody who can sign in")
    silent = "No worker has ticked in the last two minutes; no message is sent."
    assert wrong(app) == {silent: "Start one: flask worker"}
    Worker(app, "first").tick()
    assert wrong(app) == {}
    with clock.turned_to(now + timedelta(seconds=121)):
        assert silent in wrong(app)


def test_a_worker_in_trouble_says_so(healthy: Flask, database_url: str, make_app: MakeApp) -> None:
    Worker(make_app(database_url, BOOKING_INSTANCE="copy"), "of a copy").tick()
    found = wrong(healthy)
    assert any(what.startswith("The worker says: ") for what in found)


def test_letters_that_were_given_up_are_counted_for_some_days_only(healthy: Flask, now: datetime) -> None:
    with healthy.app_context():
        booked(_a_monday_at_ten(now))

    def given_up(days_ago: int) -> None:
        with healthy.app_context(), db.engine.begin() as connection:
            due_at = now - timedelta(days=days_ago)
            connection.execute(
                update(Message).where(Message.kind == "confirmation").values(state="dead", due_at=due_at)
            )

    given_up(days_ago=6)
    what, to_do = only(wrong(healthy))
    assert what == "1 messages of the last 7 days were given up."
    assert to_do == "See them: flask messages --state dead"
    given_up(days_ago=8)
    assert wrong(healthy) == {}


def _a_monday_at_ten(now: datetime) -> datetime:
    """A Monday of the month to come, 10 am in Los Angeles or an hour before."""
    monday = (now + timedelta(days=28 - now.weekday())).date()
    return datetime(monday.year, monday.month, monday.day, 18, 0, tzinfo=UTC)


def test_no_clinic(app: Flask) -> None:
    with app.app_context():
        hired(Role.OWNER, password="of somebody who can sign in")
    Worker(app, "first").tick()
    what, to_do = only(wrong(app))
    assert what == "No clinic has been set up."
    assert "flask clinic apply FILE" in to_do


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"about": {"message_name": "Encino Acupuncture"}}, "would tell everybody"),
        ({"hours": {}, "practitioners": [{"id": "ana", "name": "Ana", "hours": {}, "offers": ["follow-up"]}]}, "has no free time"),
    ],
)  # fmt: skip
def test_a_clinic_that_tells_too_much_or_can_offer_nothing(
    healthy: Flask, how: dict[str, Any], words: str
) -> None:
    with healthy.app_context():
        set_up(clinic(**how))
    what, to_do = only(wrong(healthy))
    assert words in what and to_do
