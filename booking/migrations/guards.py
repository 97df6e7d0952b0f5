"""The guards that the database keeps by itself, and that no model can describe.

Two claims of one resource never overlap: an exclusion constraint on PostgreSQL, triggers on SQLite. History is
appended, never rewritten. `restore()` puts them in place; migrations that rebuild one of these tables call it again.
"""

from alembic import op

# The claims of a resource never overlap, so only the first that ends after the new one's start can clash with it:
# one step down the index on (resource_id, to_cell), however long the history.
_OVERLAPS = """
    (SELECT from_cell FROM claims
      WHERE resource_id = NEW.resource_id AND to_cell > NEW.from_cell AND id IS NOT NEW.id
      ORDER BY to_cell LIMIT 1) < NEW.to_cell
"""

_SQLITE = {
    "claims_overlap_on_insert": f"""
        CREATE TRIGGER claims_overlap_on_insert BEFORE INSERT ON claims
        WHEN {_OVERLAPS} BEGIN SELECT RAISE(ABORT, 'claims overlap'); END
    """,
    "claims_overlap_on_update": f"""
        CREATE TRIGGER claims_overlap_on_update BEFORE UPDATE OF resource_id, from_cell, to_cell ON claims
        WHEN {_OVERLAPS} BEGIN SELECT RAISE(ABORT, 'claims overlap'); END
    """,
    "history_is_not_rewritten": """
        CREATE TRIGGER history_is_not_rewritten BEFORE UPDATE ON history
        BEGIN SELECT RAISE(ABORT, 'history is appended, never rewritten'); END
    """,
    "history_is_not_removed": """
        CREATE TRIGGER history_is_not_removed BEFORE DELETE ON history
        BEGIN SELECT RAISE(ABORT, 'history is appended, never removed'); END
    """,
}

OVERLAP_ON_POSTGRESQL = """
    ALTER TABLE claims ADD CONSTRAINT ex_claims_overlap EXCLUDE USING gist (
        int4range(resource_id, resource_id, '[]') WITH &&, int4range(from_cell, to_cell) WITH &&)
"""

_POSTGRESQL = {
    "ex_claims_overlap": OVERLAP_ON_POSTGRESQL,
    "history_is_kept": """
        CREATE TRIGGER history_is_kept BEFORE UPDATE OR DELETE ON history
        FOR EACH ROW EXECUTE FUNCTION history_is_kept()
    """,
}

_HISTORY_FUNCTION = """
    CREATE OR REPLACE FUNCTION history_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'history is appended, never rewritten'; END $$
"""

NAMES = {"sqlite": tuple(_SQLITE), "postgresql": tuple(_POSTGRESQL)}


def restore() -> None:
    """Puts the guards in place where they are missing. Part of a migration."""
    if op.get_bind().dialect.name == "sqlite":
        for name, statement in _SQLITE.items():
            op.execute(f"DROP TRIGGER IF EXISTS {name}")
            op.execute(statement)
        return
    op.execute(_HISTORY_FUNCTION)
    op.execute("ALTER TABLE claims DROP CONSTRAINT IF EXISTS ex_claims_overlap")
    op.execute("DROP TRIGGER IF EXISTS history_is_kept ON history")
    for statement in _POSTGRESQL.values():
        op.execute(statement)


def append_only(*tables: str) -> None:
    """Makes the database refuse to rewrite or remove rows of these tables. Part of a migration."""
    for table in tables:
        refused = f"{table} is appended, never rewritten"
        if op.get_bind().dialect.name == "sqlite":
            for name, what in _refusals(table).items():
                op.execute(
                    f"CREATE TRIGGER {name} BEFORE {what} ON {table} BEGIN SELECT RAISE(ABORT, '{refused}'); END"
                )
            continue
        op.execute(
            f"CREATE OR REPLACE FUNCTION {table}_is_kept() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN RAISE EXCEPTION '{refused}'; END $$"
        )
        op.execute(
            f"CREATE TRIGGER {table}_is_kept BEFORE UPDATE OR DELETE ON {table}"
            f" FOR EACH ROW EXECUTE FUNCTION {table}_is_kept()"
        )


def release_append_only(*tables: str) -> None:
    """Takes these guards away, before a migration removes the tables."""
    for table in tables:
        if op.get_bind().dialect.name == "sqlite":
            for name in _refusals(table):
                op.execute(f"DROP TRIGGER IF EXISTS {name}")
        else:
            op.execute(f"DROP TRIGGER IF EXISTS {table}_is_kept ON {table}")
            op.execute(f"DROP FUNCTION IF EXISTS {table}_is_kept()")


def _refusals(table: str) -> dict[str, str]:
    return {f"{table}_is_not_rewritten": "UPDATE", f"{table}_is_not_removed": "DELETE"}
