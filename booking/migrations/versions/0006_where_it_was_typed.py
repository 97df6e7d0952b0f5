"""A draft knows the page on which it was typed, so that it can be given back there."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("drafts", sa.Column("page", sa.String(length=300), nullable=True))


def downgrade() -> None:
    op.drop_column("drafts", "page")
