"""The claims of visits and holds are a day long at the most: so a day's claims are found without reading all later ones."""

import sqlalchemy as sa
from alembic import op

from booking.migrations.guards import restore

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Batch mode, which rebuilds the table on SQLite, forgets checks that it isn't given.
_CHECKS = {
    "not_empty": "from_cell < to_cell",
    "one_owner": "CASE WHEN appointment_id IS NULL THEN 0 ELSE 1 END + CASE WHEN hold_id IS NULL THEN 0 ELSE 1 END"
    " + CASE WHEN absence_id IS NULL THEN 0 ELSE 1 END = 1",
}
_LENGTH = {"a_day_at_most": "absence_id IS NOT NULL OR to_cell - from_cell <= 300"}


def upgrade() -> None:
    _rebuild(_CHECKS | _LENGTH)


def downgrade() -> None:
    _rebuild(_CHECKS)


def _rebuild(checks: dict[str, str]) -> None:
    if op.get_bind().dialect.name == "sqlite":
        given = [sa.CheckConstraint(words, name=name) for name, words in checks.items()]
        with op.batch_alter_table("claims", recreate="always", table_args=given):
            pass
        restore()
        return
    (name,), (words,) = _LENGTH.keys(), _LENGTH.values()
    if name in checks:
        op.create_check_constraint(name, "claims", words)
    else:
        op.drop_constraint(name, "claims", type_="check")
