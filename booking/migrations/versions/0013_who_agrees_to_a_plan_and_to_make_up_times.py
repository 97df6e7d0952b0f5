"""Whether a plan that a patient begins waits for a practitioner, and who sends times that make up for a missed visit, is the clinic's
to say.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "clinic",
        sa.Column("plans_patients_begin", sa.String(length=16), server_default="penciled", nullable=False),
    )
    op.add_column(
        "clinic", sa.Column("make_up_sent_by", sa.String(length=16), server_default="desk", nullable=False)
    )


def downgrade() -> None:
    op.drop_column("clinic", "make_up_sent_by")
    op.drop_column("clinic", "plans_patients_begin")
