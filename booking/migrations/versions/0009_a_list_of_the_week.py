"""When somebody on a plan gets the list of their next week is the clinic's to say."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "clinic",
        sa.Column("digest", sa.String(length=20), server_default="friday 10:00", nullable=False),
    )


def downgrade() -> None:
    op.drop_column("clinic", "digest")
