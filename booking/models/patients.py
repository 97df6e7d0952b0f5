"""Patients, and what they have agreed to.

A patient is a name with a way to reach them, not an address: couples share one. Who walks in may leave no way at all. The
normalised columns are what two records are compared by (`booking.services.patients`).
"""

from datetime import date, datetime

from sqlalchemy import JSON, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from booking import clock
from booking.models.base import Base, UTCDateTime, random_reference
from booking.models.resources import Resource, ResourceKind


class Patient(Resource):
    __tablename__ = "patients"
    __mapper_args__ = {"polymorphic_identity": ResourceKind.PATIENT}
    __table_args__ = (
        Index("ix_patients_email_name_key", "email", "name_key"),
        Index("ix_patients_phone_name_key", "phone", "name_key"),
        Index("ix_patients_reference", "reference", unique=True),
        Index("ix_patients_changed_at", "changed_at"),
    )

    id: Mapped[int] = mapped_column(ForeignKey("resources.id"), primary_key=True)
    first_name: Mapped[str] = mapped_column(String(100))
    last_name: Mapped[str] = mapped_column(String(100))
    # Both names without case, accents and surplus spaces.
    name_key: Mapped[str] = mapped_column(String(220))
    # Lower case, as it is written to; E.164.
    email: Mapped[str | None] = mapped_column(String(254))
    phone: Mapped[str | None] = mapped_column(String(20))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)

    # What staff add. Patients see none of it.
    reference: Mapped[str] = mapped_column(String(20), default=random_reference, server_default="")
    born_on: Mapped[date | None]
    # Words of `FLAGS`: what a visit of theirs needs.
    flags: Mapped[list[str]] = mapped_column(JSON, default=list, server_default="[]")
    preferences: Mapped[str] = mapped_column(Text, default="", server_default="")
    # Of the desk, not clinical.
    desk_note: Mapped[str] = mapped_column(Text, default="", server_default="")
    # The record that this one was merged into; it is on no list then.
    merged_into_id: Mapped[int | None]
    # Of the record itself: a search keeps what it knows of records and asks for those changed since.
    changed_at: Mapped[datetime | None] = mapped_column(UTCDateTime, default=clock.now)
    # Guards against stale edits of the record; `version` is the resource's.
    edit: Mapped[int] = mapped_column(default=1, server_default="1")


FLAGS = (
    "ground floor",
    "interpreter",
    "female practitioner",
    "male practitioner",
    "hard of hearing",
    "wheelchair",
)


class TextConsent(Base):
    """Somebody agreed to texts at this number, in these words, at this time. Kept also after it is withdrawn."""

    __tablename__ = "text_consents"

    id: Mapped[int] = mapped_column(primary_key=True)
    patient_id: Mapped[int] = mapped_column(ForeignKey("patients.id"), index=True)
    phone: Mapped[str] = mapped_column(String(20), index=True)
    wording: Mapped[str] = mapped_column(Text)
    wording_version: Mapped[str] = mapped_column(String(40))
    given_at: Mapped[datetime] = mapped_column(UTCDateTime)


class OptOut(Base):
    """This number wants no texts from us (STOP), until it says START. It binds whatever any patient's record says."""

    __tablename__ = "opt_outs"

    phone: Mapped[str] = mapped_column(String(20), primary_key=True)
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    words: Mapped[str] = mapped_column(String(160), default="")
