"""What a plan and its visits were before staff changed them, by which the change is taken back."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("plan_history", sa.Column("before", sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    op.drop_column("plan_history", "before")
