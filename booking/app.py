"""Puts the pieces together: configuration, extensions, pages, commands."""

import os
import re
import sys
from pathlib import Path

import structlog
from flask import Flask
from structlog.typing import EventDict
from werkzeug.middleware.proxy_fix import ProxyFix

from booking import cli, config, models, web
from booking.extensions import babel, compress, csrf, db, mail, migrate
from booking.services import transaction
from booking.services.staff import library

assert models  # Imported so that the tables are known before anybody asks for them.
MIGRATIONS = Path(__file__).with_name("migrations")


def create_app(settings: dict[str, str] | None = None, *, instance_path: str | None = None) -> Flask:
    """The application. `settings` stands in for the environment, in tests.

    Raises ConfigurationError with every fault of the configuration at once.
    """
    instance = Path(instance_path or os.environ.get("BOOKING_INSTANCE_PATH") or _default_instance())
    instance.mkdir(parents=True, exist_ok=True)
    checked = config.load(instance, settings)
    _write_logs_as_json()

    app = Flask("booking", instance_path=str(instance.resolve()), static_folder=None)
    app.config.update(checked.flask())
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = transaction.engine_options(checked.database_url)
    if checked.proxies:
        hops = checked.proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=0)  # type: ignore[method-assign]

    db.init_app(app)
    migrate.init_app(app, db, directory=str(MIGRATIONS), render_as_batch=True, compare_type=True)
    mail.init_app(app)
    csrf.init_app(app)
    babel.init_app(app)
    compress.init_app(app)
    with app.app_context():
        transaction.prepare(db.engine)

    library.init_app(app)
    web.init_app(app)
    cli.init_app(app)
    return app


def _default_instance() -> Path:
    """`instance/` beside wsgi.py in a checkout; in the present folder for the installed package."""
    checkout = Path(__file__).parent.parent
    return (checkout if (checkout / "wsgi.py").exists() else Path.cwd()) / "instance"


# What PostgreSQL adds to a fault: the row that didn't fit, with somebody's name and address, over several lines.
_ROWS = re.compile(
    r"^(DETAIL|CONTEXT):.*?(?=^\[SQL|^Traceback|^The above|^During handling|\Z)", re.DOTALL | re.MULTILINE
)


def _without_rows(_logger: object, _name: str, event: EventDict) -> EventDict:
    if "exception" in event:
        event["exception"] = _ROWS.sub("", event["exception"])
    return event


def _write_logs_as_json() -> None:
    """One JSON object a line. Tracebacks without local variables: those may hold a person's data."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _without_rows,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )
