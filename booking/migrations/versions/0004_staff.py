"""Staff: accounts, sign-ins and the audit; what the desk keeps about visits, patients and messages."""

import secrets

import sqlalchemy as sa
from alembic import op

from booking.migrations.guards import append_only, release_append_only

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_APPENDED = ("audit", "patient_changes")
_ALPHABET = "23456789CDFGHJKMNPQRTVWXYZ"


def upgrade() -> None:
    op.create_table(
        "merges",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kept_id", sa.Integer(), nullable=False),
        sa.Column("gone_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["gone_id"], ["patients.id"], name=op.f("fk_merges_gone_id")),
        sa.ForeignKeyConstraint(["kept_id"], ["patients.id"], name=op.f("fk_merges_kept_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_merges")),
    )
    op.create_index("ix_merges_gone_id", "merges", ["gone_id"], unique=False)
    op.create_index("ix_merges_kept_id", "merges", ["kept_id"], unique=False)

    op.create_table(
        "staff_accounts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("role_names", sa.JSON(), nullable=False),
        sa.Column("practitioner_id", sa.Integer(), nullable=True),
        sa.Column("fs_uniquifier", sa.String(length=64), nullable=False),
        sa.Column("password", sa.String(length=255), nullable=True),
        sa.Column("needs_second_factor", sa.Boolean(), nullable=False),
        sa.Column("tf_primary_method", sa.String(length=64), nullable=True),
        sa.Column("tf_totp_secret", sa.String(length=255), nullable=True),
        sa.Column("tf_counter", sa.Integer(), nullable=True),
        sa.Column("mf_recovery_codes", sa.JSON(), nullable=True),
        sa.Column("pin", sa.String(length=255), nullable=True),
        sa.Column("invitation", sa.String(length=64), nullable=True),
        sa.Column("invited_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("shortcuts", sa.Boolean(), nullable=False),
        sa.Column("tomorrow_by_mail", sa.Boolean(), nullable=False),
        sa.Column("feed_number", sa.Integer(), nullable=False),
        sa.Column("feed_names", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["practitioner_id"], ["practitioners.id"], name=op.f("fk_staff_accounts_practitioner_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff_accounts")),
        sa.UniqueConstraint("email", name=op.f("uq_staff_accounts_email")),
        sa.UniqueConstraint("fs_uniquifier", name=op.f("uq_staff_accounts_fs_uniquifier")),
        sa.UniqueConstraint("invitation", name=op.f("uq_staff_accounts_invitation")),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("kind", sa.String(length=5), nullable=False),
        sa.Column("what", sa.String(length=40), nullable=False),
        sa.Column("patient_id", sa.Integer(), nullable=True),
        sa.Column("subject", sa.String(length=120), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("once", sa.String(length=120), nullable=True),
        sa.CheckConstraint("kind IN ('read', 'write')", name=op.f("ck_audit_kind")),
        sa.ForeignKeyConstraint(["account_id"], ["staff_accounts.id"], name=op.f("fk_audit_account_id")),
        sa.ForeignKeyConstraint(["patient_id"], ["patients.id"], name=op.f("fk_audit_patient_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
        sa.UniqueConstraint("once", name=op.f("uq_audit_once")),
    )
    op.create_index("ix_audit_at", "audit", ["at"], unique=False)
    op.create_index("ix_audit_patient_id_at", "audit", ["patient_id", "at"], unique=False)

    op.create_table(
        "drafts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("path", sa.String(length=300), nullable=False),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.Column("kept_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["staff_accounts.id"], name=op.f("fk_drafts_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drafts")),
        sa.UniqueConstraint("account_id", "path", name=op.f("uq_drafts_account_id_path")),
    )
    op.create_table(
        "patient_changes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("patient_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("what", sa.String(length=40), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["staff_accounts.id"], name=op.f("fk_patient_changes_account_id")
        ),
        sa.ForeignKeyConstraint(["patient_id"], ["patients.id"], name=op.f("fk_patient_changes_patient_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_patient_changes")),
    )
    op.create_index("ix_patient_changes_patient_id", "patient_changes", ["patient_id"], unique=False)

    op.create_table(
        "sign_ins",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("mark", sa.String(length=64), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("active_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("locked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("wrong_pins", sa.Integer(), nullable=False),
        sa.Column("phone", sa.Boolean(), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("browser", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["staff_accounts.id"], name=op.f("fk_sign_ins_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_ins")),
        sa.UniqueConstraint("mark", name=op.f("uq_sign_ins_mark")),
    )
    op.create_index("ix_sign_ins_account_id", "sign_ins", ["account_id"], unique=False)

    op.create_table(
        "tasks",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "estimate", "coverage", name="kind", native_enum=False, create_constraint=True, length=32
            ),
            nullable=False,
        ),
        sa.Column("appointment_id", sa.Integer(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_by", sa.String(length=120), nullable=False),
        sa.ForeignKeyConstraint(
            ["appointment_id"], ["appointments.id"], name=op.f("fk_tasks_appointment_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tasks")),
    )
    op.create_index("ix_tasks_appointment_id", "tasks", ["appointment_id"], unique=False)
    op.create_index("ix_tasks_settled_at_due_on", "tasks", ["settled_at", "due_on"], unique=False)

    op.add_column("absences", sa.Column("account_id", sa.Integer(), nullable=True))

    op.add_column("appointments", sa.Column("arrived_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("appointments", sa.Column("started_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("appointments", sa.Column("needles_in_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("appointments", sa.Column("needles_out_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("appointments", sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("appointments", sa.Column("desk_note", sa.Text(), server_default="", nullable=False))
    op.add_column("appointments", sa.Column("phase_minutes", sa.JSON(none_as_null=True), nullable=True))

    op.add_column(
        "clinic", sa.Column("colleagues", sa.String(length=16), server_default="busy", nullable=False)
    )

    op.add_column("history", sa.Column("account_id", sa.Integer(), nullable=True))

    op.add_column("messages", sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "messages", sa.Column("settled_as", sa.String(length=40), server_default="", nullable=False)
    )
    op.add_column(
        "messages", sa.Column("settled_by", sa.String(length=120), server_default="", nullable=False)
    )

    op.add_column("patients", sa.Column("reference", sa.String(length=20), server_default="", nullable=False))
    op.add_column("patients", sa.Column("born_on", sa.Date(), nullable=True))
    op.add_column("patients", sa.Column("flags", sa.JSON(), server_default="[]", nullable=False))
    op.add_column("patients", sa.Column("preferences", sa.Text(), server_default="", nullable=False))
    op.add_column("patients", sa.Column("desk_note", sa.Text(), server_default="", nullable=False))
    op.add_column("patients", sa.Column("merged_into_id", sa.Integer(), nullable=True))
    op.add_column("patients", sa.Column("changed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("patients", sa.Column("edit", sa.Integer(), server_default="1", nullable=False))
    op.create_index("ix_patients_changed_at", "patients", ["changed_at"], unique=False)
    _name_patients()
    op.create_index("ix_patients_reference", "patients", ["reference"], unique=True)
    append_only(*_APPENDED)


def _name_patients() -> None:
    """Every patient who is there gets a reference, and counts as changed when the record was made."""
    patients = sa.table(
        "patients", *(sa.column(name) for name in ("id", "reference", "changed_at", "created_at"))
    )
    connection = op.get_bind()
    names = [
        {"patient": patient, "name": "".join(secrets.choice(_ALPHABET) for _ in range(10))}
        for patient in connection.scalars(sa.select(patients.c.id)).all()
    ]
    if names:
        connection.execute(
            sa.update(patients)
            .where(patients.c.id == sa.bindparam("patient"))
            .values(reference=sa.bindparam("name"), changed_at=patients.c.created_at),
            names,
        )


def downgrade() -> None:
    release_append_only(*_APPENDED)
    op.drop_index("ix_patients_reference", "patients")
    op.drop_index("ix_patients_changed_at", "patients")
    op.drop_column("patients", "edit")
    op.drop_column("patients", "changed_at")
    op.drop_column("patients", "merged_into_id")
    op.drop_column("patients", "desk_note")
    op.drop_column("patients", "preferences")
    op.drop_column("patients", "flags")
    op.drop_column("patients", "born_on")
    op.drop_column("patients", "reference")
    op.drop_column("messages", "settled_by")
    op.drop_column("messages", "settled_as")
    op.drop_column("messages", "settled_at")
    op.drop_column("history", "account_id")
    op.drop_column("clinic", "colleagues")
    op.drop_column("appointments", "phase_minutes")
    op.drop_column("appointments", "desk_note")
    op.drop_column("appointments", "ended_at")
    op.drop_column("appointments", "needles_out_at")
    op.drop_column("appointments", "needles_in_at")
    op.drop_column("appointments", "started_at")
    op.drop_column("appointments", "arrived_at")
    op.drop_column("absences", "account_id")
    op.drop_table("tasks")
    op.drop_table("sign_ins")
    op.drop_table("patient_changes")
    op.drop_table("drafts")
    op.drop_table("audit")
    op.drop_table("staff_accounts")
    op.drop_table("merges")
