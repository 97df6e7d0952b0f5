"""How migrations run: on the application's own engine, in one transaction, in batch mode on SQLite.

Batch mode rebuilds a table, and SQLite drops the triggers of the old one without a word. A migration that touches
`claims` or `history` must call `booking.migrations.guards.restore()` at its end; a test checks that the guards live.
"""

from typing import Any

from alembic import context
from flask import current_app
from sqlalchemy import MetaData

database = current_app.extensions["migrate"].db
metadata: MetaData = database.metadata


def include_object(thing: Any, name: str | None, kind: str, reflected: bool, compared: Any) -> bool:
    """Leaves the guards to the migrations: no model describes them."""
    return not (kind == "index" and reflected and name == "ex_claims_overlap")


def run() -> None:
    with database.engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=metadata,
            render_as_batch=True,
            compare_type=True,
            include_object=include_object,
            transaction_per_migration=False,
        )
        with context.begin_transaction():
            context.run_migrations()


if context.is_offline_mode():
    raise SystemExit("Migrations look at the database that they change; there is no offline mode.")
run()
