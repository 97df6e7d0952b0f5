"""A decision that nobody has told the patient yet waits, with what its message will list."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("plans", sa.Column("untold_since", sa.DateTime(timezone=True), nullable=True))
    op.add_column("plans", sa.Column("untold", sa.JSON(), server_default="{}", nullable=False))
    op.create_index("ix_plans_untold_since", "plans", ["untold_since"])


def downgrade() -> None:
    op.drop_index("ix_plans_untold_since", "plans")
    op.drop_column("plans", "untold")
    op.drop_column("plans", "untold_since")
