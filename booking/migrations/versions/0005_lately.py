"""What happened lately is found by its time: whom the desk has to call stands in each of its pages, as a number."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_history_at", "history", ["at"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_history_at", "history")
