"""What the desk keeps besides visits: things to do, and patients' records changed and merged."""

import enum
from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from booking.models.base import Base, UTCDateTime, words


class TaskKind(enum.StrEnum):
    """A good-faith estimate that is owed; coverage that was promised to be checked."""

    ESTIMATE = "estimate"
    COVERAGE = "coverage"


class Task(Base):
    """Something that the desk owes about a visit, by the end of a day."""

    __tablename__ = "tasks"
    __table_args__ = (Index("ix_tasks_settled_at_due_on", "settled_at", "due_on"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[TaskKind] = mapped_column(words(TaskKind, "kind"))
    appointment_id: Mapped[int] = mapped_column(ForeignKey("appointments.id"), index=True)
    due_on: Mapped[date]
    made_at: Mapped[datetime] = mapped_column(UTCDateTime)
    settled_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    settled_by: Mapped[str] = mapped_column(String(120), default="")


class PatientChange(Base):
    """What was changed in a patient's record, by whom. Appended, never rewritten: the database refuses it."""

    __tablename__ = "patient_changes"

    id: Mapped[int] = mapped_column(primary_key=True)
    patient_id: Mapped[int] = mapped_column(ForeignKey("patients.id"), index=True)
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    account_id: Mapped[int | None] = mapped_column(ForeignKey("staff_accounts.id"))
    name: Mapped[str] = mapped_column(String(120))
    what: Mapped[str] = mapped_column(String(40))
    # {"field": [before, after]}, or what was merged.
    facts: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)


class Merge(Base):
    """Two records of one patient, made one. `facts` has what came from the other, so that it can be taken back."""

    __tablename__ = "merges"

    id: Mapped[int] = mapped_column(primary_key=True)
    kept_id: Mapped[int] = mapped_column(ForeignKey("patients.id"), index=True)
    gone_id: Mapped[int] = mapped_column(ForeignKey("patients.id"), index=True)
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    name: Mapped[str] = mapped_column(String(120))
    facts: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    undone_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
