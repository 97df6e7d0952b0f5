"""Who walks in may leave neither a number nor an address: nobody reminds them then, and the database holds to that."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_REACHABLE = "email IS NOT NULL OR phone IS NOT NULL"
_OR_NOT_REMINDED = f"{_REACHABLE} OR reminders = 'none'"


def upgrade() -> None:
    _say_anew("patients", _REACHABLE, None)
    _say_anew("appointments", _REACHABLE, _OR_NOT_REMINDED)


def downgrade() -> None:
    _say_anew("appointments", _OR_NOT_REMINDED, _REACHABLE)
    _say_anew("patients", None, _REACHABLE)


def _say_anew(table: str, before: str | None, after: str | None) -> None:
    """Puts one check of a table in another's place; None is none."""
    name = f"ck_{table}_reachable"
    if op.get_bind().dialect.name == "sqlite":
        _write_anew(table, _clause(name, before), _clause(name, after))
        return
    if before:
        op.drop_constraint(op.f(name), table, type_="check")
    if after:
        op.create_check_constraint(op.f(name), table, after)


def _clause(name: str, words: str | None) -> str:
    return f"CONSTRAINT {name} CHECK ({words}), " if words else ""


def _write_anew(table: str, before: str, after: str) -> None:
    """SQLite can't change a check, and a table to which others refer can't be rebuilt while they are held to it. Its own way
    for what no row is stored by: to write the words of the table anew (https://www.sqlite.org/lang_altertable.html, 7).
    """
    connection = op.get_bind()
    find = sa.text("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = :table")
    words: str = " ".join(connection.scalar(find, {"table": table}).split())
    key = f"CONSTRAINT pk_{table} PRIMARY KEY"
    if (before and before not in words) or key not in words:
        raise AssertionError(f"The table {table} isn't as the migrations before made it: {words}")
    words = words.replace(before, after) if before else words.replace(key, after + key)
    version = connection.scalar(sa.text("PRAGMA schema_version"))
    connection.execute(sa.text("PRAGMA writable_schema = ON"))
    write = sa.text("UPDATE sqlite_master SET sql = :words WHERE type = 'table' AND name = :table")
    connection.execute(write, {"words": words, "table": table})
    connection.execute(sa.text(f"PRAGMA schema_version = {version + 1}"))
    connection.execute(sa.text("PRAGMA writable_schema = OFF"))
