"""To whom visits give way that nobody has decided on is the clinic's to say."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "clinic",
        sa.Column(
            "penciled_gives_way_to", sa.String(length=16), server_default="first_visits", nullable=False
        ),
    )


def downgrade() -> None:
    op.drop_column("clinic", "penciled_gives_way_to")
