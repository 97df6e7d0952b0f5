"""Treatment plans: their templates, what was prescribed, what belongs to them; and what insurance allows."""

import sqlalchemy as sa
from alembic import op

from booking.migrations.guards import append_only, release_append_only

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "plan_templates",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("slug", sa.String(length=60), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("self_service", sa.Boolean(), nullable=False),
        sa.Column("course", sa.JSON(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_templates")),
        sa.UniqueConstraint("slug", name=op.f("uq_plan_templates_slug")),
    )
    op.create_table(
        "coverages",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("patient_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("terms", sa.JSON(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["patient_id"], ["patients.id"], name=op.f("fk_coverages_patient_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_coverages")),
    )
    op.create_index(op.f("ix_coverages_patient_id"), "coverages", ["patient_id"], unique=False)
    op.create_table(
        "plans",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("reference", sa.String(length=20), nullable=False),
        sa.Column("patient_id", sa.Integer(), nullable=False),
        sa.Column("template", sa.String(length=60), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("course", sa.JSON(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "prescribed",
                "running",
                "paused",
                "stopped",
                "completed",
                name="status",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("link_number", sa.Integer(), nullable=False),
        sa.Column("presence", sa.JSON(), nullable=False),
        sa.Column("only_with", sa.JSON(), nullable=False),
        sa.Column("rather_with", sa.JSON(), nullable=False),
        sa.Column("known_in", sa.JSON(), nullable=False),
        sa.Column("first_name", sa.String(length=100), nullable=False),
        sa.Column("last_name", sa.String(length=100), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("phone", sa.String(length=20), nullable=True),
        sa.Column(
            "reminders",
            sa.Enum(
                "email",
                "text",
                "both",
                "call",
                "none",
                name="reminders",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column(
            "reminded_of",
            sa.Enum(
                "each",
                "digest",
                "both",
                name="reminded_of",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("by_themselves", sa.Boolean(), nullable=False),
        sa.Column("prescribed_by", sa.Integer(), nullable=True),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_phases", sa.Integer(), nullable=False),
        sa.Column("agreed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "made_by",
            sa.Enum(
                "patient",
                "staff",
                "system",
                name="made_by",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["patient_id"], ["patients.id"], name=op.f("fk_plans_patient_id")),
        sa.ForeignKeyConstraint(["prescribed_by"], ["practitioners.id"], name=op.f("fk_plans_prescribed_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plans")),
        sa.UniqueConstraint("reference", name=op.f("uq_plans_reference")),
    )
    op.create_index(op.f("ix_plans_patient_id"), "plans", ["patient_id"], unique=False)
    op.create_index("ix_plans_status_first_day", "plans", ["status", "first_day"], unique=False)
    op.create_table(
        "plan_history",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("plan_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "actor",
            sa.Enum(
                "patient",
                "staff",
                "system",
                name="actor",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("actor_name", sa.String(length=120), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("what", sa.String(length=40), nullable=False),
        sa.Column("why", sa.String(length=500), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name=op.f("fk_plan_history_plan_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_history")),
    )
    op.create_index(op.f("ix_plan_history_plan_id"), "plan_history", ["plan_id"], unique=False)
    op.add_column("appointments", sa.Column("plan_id", sa.Integer(), nullable=True))
    op.add_column("appointments", sa.Column("plan_role", sa.String(length=16), nullable=True))
    op.add_column(
        "appointments", sa.Column("penciled", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    op.create_index(op.f("ix_appointments_plan_id"), "appointments", ["plan_id"], unique=False)
    append_only("plan_history")


def downgrade() -> None:
    release_append_only("plan_history")
    op.drop_index(op.f("ix_appointments_plan_id"), table_name="appointments")
    op.drop_column("appointments", "penciled")
    op.drop_column("appointments", "plan_role")
    op.drop_column("appointments", "plan_id")
    op.drop_index(op.f("ix_plan_history_plan_id"), table_name="plan_history")
    op.drop_table("plan_history")
    op.drop_index("ix_plans_status_first_day", table_name="plans")
    op.drop_index(op.f("ix_plans_patient_id"), table_name="plans")
    op.drop_table("plans")
    op.drop_index(op.f("ix_coverages_patient_id"), table_name="coverages")
    op.drop_table("coverages")
    op.drop_table("plan_templates")
