"""Patients, and what they have agreed to.

A patient is a name with a way to reach them, not an address: couples share one. The normalised columns are what two
records are compared by (`booking.services.patients`).
"""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from booking.models.base import Base, UTCDateTime
from booking.models.resources import Resource, ResourceKind


class Patient(Resource):
    __tablename__ = "patients"
    __mapper_args__ = {"polymorphic_identity": ResourceKind.PATIENT}
    __table_args__ = (
        CheckConstraint("email IS NOT NULL OR phone IS NOT NULL", name="reachable"),
        Index("ix_patients_email_name_key", "email", "name_key"),
        Index("ix_patients_phone_name_key", "phone", "name_key"),
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
