"""The configuration: every fault at once, in words; and what production refuses."""

import gc
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask

from booking import config, gunicorn_settings
from booking.config import ConfigurationError
from booking.extensions import db
from booking.services import clinic as clinics
from tests import databases
from tests.clinics import set_up
from tests.conftest import KINDS, MakeApp

FIT = {
    "BOOKING_ENV": "production",
    "BOOKING_DATABASE_URL": "postgresql://booking:secret@db/booking",
    "BOOKING_BASE_URL": "https://visits.clinic.example",
    "BOOKING_SECRET_KEY": "a" * 40,
    "BOOKING_LINK_KEY": "b" * 40,
    "BOOKING_INSTANCE": "clinic",
    "BOOKING_MAIL_HOST": "mail.clinic.example",
    "BOOKING_MAIL_SENDER": "Clinic <visits@clinic.example>",
}


def faults(tmp_path: Path, **how: str) -> list[str]:
    with pytest.raises(ConfigurationError) as fault:
        config.load(tmp_path, FIT | how)
    return fault.value.faults


def test_a_fit_production_starts(tmp_path: Path) -> None:
    checked = config.load(tmp_path, FIT)
    assert checked.production
    assert checked.database_url == "postgresql+psycopg://booking:secret@db/booking"
    assert checked.texts == "none"
    assert checked.flask()["SESSION_COOKIE_SECURE"] is True


def test_an_empty_production_hears_everything_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as fault:
        config.load(tmp_path, {"BOOKING_ENV": "production"})
    told = str(fault.value)
    for word in (
        "BOOKING_SECRET_KEY",
        "BOOKING_LINK_KEY",
        "BOOKING_BASE_URL",
        "BOOKING_INSTANCE",
        "BOOKING_MAIL_HOST",
    ):
        assert word in told


@pytest.mark.parametrize(
    ("how", "word"),
    [
        ({"BOOKING_SECRET_KEY": "short"}, "too short"),
        ({"BOOKING_LINK_KEY": "a" * 40}, "are the same"),
        ({"BOOKING_DEBUG": "on"}, "BOOKING_DEBUG"),
        ({"BOOKING_RATE_LIMITS": "off"}, "BOOKING_RATE_LIMITS"),
        ({"BOOKING_BASE_URL": "http://visits.clinic.example"}, "must be https"),
        ({"BOOKING_BASE_URL": "visits"}, "whole address"),
        ({"BOOKING_MAIL_SENDER": "no-reply@clinic.example"}, "no-reply"),
        ({"BOOKING_MAIL_SENDER": "Clinic <do.not.reply@clinic.example>"}, "no-reply"),
        ({"BOOKING_MAIL_SECURITY": "none"}, "in the open"),
        ({"BOOKING_TEXTS": "file"}, "simulated"),
        ({"BOOKING_TEXTS": "twilio"}, "BOOKING_TWILIO_TOKEN"),
        ({"BOOKING_MAIL_USER": "me"}, "go together"),
        ({"BOOKING_MAIL_PORT": "many"}, "whole number"),
        ({"BOOKING_DATABASE_URL": "mysql://x"}, "sqlite:///FILE"),
        ({"BOOKING_COLOUR": "red"}, "is no setting"),
    ],
)
def test_each_fault_is_told_in_words(tmp_path: Path, how: dict[str, str], word: str) -> None:
    assert any(word in fault for fault in faults(tmp_path, **how))


def test_secrets_are_never_told(tmp_path: Path) -> None:
    assert "hunter2" not in " ".join(faults(tmp_path, BOOKING_DATABASE_URL="mysql://me:hunter2@db/x"))


def test_a_file_in_the_instance_folder_is_read_and_the_environment_wins(tmp_path: Path) -> None:
    (tmp_path / "config.py").write_text("BOOKING_LANGUAGE = 'es'\nBOOKING_INSTANCE = 'file'\n")
    checked = config.load(tmp_path, {"BOOKING_INSTANCE": "environment"})
    assert (checked.language, checked.instance) == ("es", "environment")
    (tmp_path / "config.py").write_text("this is no Python")
    with pytest.raises(ConfigurationError, match="can't be read"):
        config.load(tmp_path, {})


def test_production_does_not_open_without_its_pages(
    database_url: str, make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app(database_url, **{name: value for name, value in FIT.items() if "DATABASE" not in name})
    with pytest.raises(ConfigurationError, match="no privacy notice"):
        gunicorn_settings.refuse_unfit(app)
    with app.app_context():
        set_up()
    gunicorn_settings.refuse_unfit(app)
    monkeypatch.setattr(
        clinics, "present", lambda: type("Bare", (), {"privacy": " ", "policies": "x", "cancellation": "x"})
    )
    with pytest.raises(ConfigurationError, match="no privacy"):
        gunicorn_settings.refuse_unfit(app)


@pytest.mark.parametrize("kind", KINDS)
def test_before_the_first_migration_the_web_server_starts(kind: str, make_app: MakeApp) -> None:
    """Nobody can be searched for yet; `flask doctor` says what to do."""
    with databases.unmigrated(kind) as url:
        app = make_app(url)
        server = SimpleNamespace(app=SimpleNamespace(wsgi=lambda: app))
        gunicorn_settings.when_ready(server)
        gc.unfreeze()
        with app.app_context():
            db.engine.dispose()
        assert "booking_directory" not in app.extensions


def test_the_demo_and_its_mailbox_stay_out_of_production(database_url: str, make_app: MakeApp) -> None:
    app: Flask = make_app(
        database_url, **{name: value for name, value in FIT.items() if "DATABASE" not in name}
    )
    assert app.test_client().get("/demo/mail").status_code == 404
    refused: Any = app.test_cli_runner().invoke(args=["demo"])
    assert refused.exit_code == 1
    assert "production" in refused.output
