"""Several forms at one address are kept side by side, also of a form whose address says much."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("drafts") as drafts:
        drafts.drop_constraint("uq_drafts_account_id_path", type_="unique")
        drafts.create_index("ix_drafts_account_id", ["account_id"])
        drafts.alter_column("path", type_=sa.String(length=1000), existing_nullable=False)
        drafts.alter_column("page", type_=sa.String(length=1000), existing_nullable=True)


def downgrade() -> None:
    # They are kept for a shift; of two at one address nobody can say which one to keep.
    op.execute("DELETE FROM drafts")
    with op.batch_alter_table("drafts") as drafts:
        drafts.alter_column("page", type_=sa.String(length=300), existing_nullable=True)
        drafts.alter_column("path", type_=sa.String(length=300), existing_nullable=False)
        drafts.drop_index("ix_drafts_account_id")
        drafts.create_unique_constraint("uq_drafts_account_id_path", ["account_id", "path"])
