"""Claims: a resource taken for some cells, and what takes it.

The database itself refuses two claims of one resource that overlap: an exclusion constraint on PostgreSQL, triggers on
SQLite, both made by the migrations. What else keeps a time from being offered is in `docs/claims.md`.
"""

import enum
from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from booking.models.base import Base, UTCDateTime, words


class AbsenceKind(enum.StrEnum):
    TIME_OFF = "time_off"
    CLOSURE = "closure"
    OUT_OF_USE = "out_of_use"


# In cells: a day of 25 hours. Hours don't cross midnight, and a visit lies within one stretch of them.
LONGEST_VISIT = 300


class Claim(Base):
    """One resource, taken from `from_cell` until `to_cell`, by exactly one appointment, hold or absence.

    `before` and `after` are the buffers, in cells, that the engine keeps around it. They are no part of the claim, so
    staff may shorten one; the database doesn't know of them.
    """

    __tablename__ = "claims"
    __table_args__ = (
        CheckConstraint("from_cell < to_cell", name="not_empty"),
        CheckConstraint(
            "CASE WHEN appointment_id IS NULL THEN 0 ELSE 1 END + CASE WHEN hold_id IS NULL THEN 0 ELSE 1 END"
            " + CASE WHEN absence_id IS NULL THEN 0 ELSE 1 END = 1",
            name="one_owner",
        ),
        CheckConstraint(
            f"absence_id IS NOT NULL OR to_cell - from_cell <= {LONGEST_VISIT}", name="a_day_at_most"
        ),
        Index("ix_claims_resource_id_to_cell", "resource_id", "to_cell"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    resource_id: Mapped[int] = mapped_column(ForeignKey("resources.id"))
    from_cell: Mapped[int]
    to_cell: Mapped[int]
    before: Mapped[int] = mapped_column(default=0)
    after: Mapped[int] = mapped_column(default=0)
    appointment_id: Mapped[int | None] = mapped_column(
        ForeignKey("appointments.id", ondelete="CASCADE"), index=True
    )
    hold_id: Mapped[int | None] = mapped_column(ForeignKey("holds.id", ondelete="CASCADE"), index=True)
    absence_id: Mapped[int | None] = mapped_column(ForeignKey("absences.id", ondelete="CASCADE"), index=True)


class Hold(Base):
    """A time that a visitor has chosen, kept for them while they type. It lapses by itself; no job is needed."""

    __tablename__ = "holds"
    __table_args__ = (CheckConstraint("from_cell < to_cell", name="not_empty"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    # Whose it is: the visitor's random mark, and a keyed hash of the network address, which counts holds only.
    visitor: Mapped[str] = mapped_column(String(64), index=True)
    network: Mapped[str] = mapped_column(String(64), index=True)
    visit_type_id: Mapped[int] = mapped_column(ForeignKey("visit_types.id"))
    practitioner_id: Mapped[int] = mapped_column(ForeignKey("practitioners.id"))
    from_cell: Mapped[int]
    to_cell: Mapped[int]
    made_at: Mapped[datetime] = mapped_column(UTCDateTime)
    lapses_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)


class Absence(Base):
    """Time off, a closure, or a room or device out of use: a record of its own.

    Its claims fill what is free at once, and take the rest as it comes free, so that somebody can fall ill on a day
    that is booked, and nobody is moved silently. A closure has no resource: it holds for every practitioner.
    """

    __tablename__ = "absences"
    __table_args__ = (
        CheckConstraint("from_cell < to_cell", name="not_empty"),
        CheckConstraint("(resource_id IS NULL) = (kind = 'closure')", name="closures_are_for_all"),
        Index("ix_absences_to_cell", "to_cell"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[AbsenceKind] = mapped_column(words(AbsenceKind, "kind"))
    resource_id: Mapped[int | None] = mapped_column(ForeignKey("resources.id"))
    from_cell: Mapped[int]
    to_cell: Mapped[int]
    reason: Mapped[str] = mapped_column(String(200), default="")
    # Made by the clinic's file, under this key; None for what staff enter.
    file_key: Mapped[str | None] = mapped_column(String(120), unique=True)
    made_at: Mapped[datetime] = mapped_column(UTCDateTime)
    # The account of whoever entered it; None for the file. Accounts are never removed.
    account_id: Mapped[int | None]
