"""Appointments and their history."""

import enum
from datetime import datetime
from typing import TYPE_CHECKING, Any, Optional

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, Text, false
from sqlalchemy.orm import Mapped, mapped_column, relationship

from booking.models.base import Base, UTCDateTime, words
from booking.models.clinic import VisitType
from booking.models.patients import Patient
from booking.models.resources import Practitioner
from booking.scheduling.status import Status
from booking.scheduling.timeline import instant_of

if TYPE_CHECKING:
    from booking.models.plans import Plan


class Reminders(enum.StrEnum):
    """How somebody wants to be reminded."""

    EMAIL = "email"
    TEXT = "text"
    BOTH = "both"
    CALL = "call"
    NONE = "none"


class Payment(enum.StrEnum):
    """How somebody expects to pay. Their own words to the desk; nothing is decided by it."""

    INSURANCE = "insurance"
    MEDICARE_ADVANTAGE = "medicare_advantage"
    ORIGINAL_MEDICARE = "original_medicare"
    SELF = "self"
    NOT_SURE = "not_sure"


class Actor(enum.StrEnum):
    """Who did something."""

    PATIENT = "patient"
    STAFF = "staff"
    SYSTEM = "system"


class Appointment(Base):
    """A visit that was booked. Its time is the hull of its claims: from the first phase to the end of the last.

    `sequence` is the calendar entry's: it grows when time, place, person or a cancellation changes what a patient was
    told, and only then. `version` guards against stale edits and grows with every change. `link_number` is part of
    the patient's link: raising it revokes the link.
    """

    __tablename__ = "appointments"
    __table_args__ = (
        CheckConstraint("from_cell < to_cell", name="not_empty"),
        CheckConstraint("email IS NOT NULL OR phone IS NOT NULL OR reminders = 'none'", name="reachable"),
        Index("ix_appointments_practitioner_id_to_cell", "practitioner_id", "to_cell"),
        Index("ix_appointments_patient_id_to_cell", "patient_id", "to_cell"),
        Index("ix_appointments_email_to_cell", "email", "to_cell"),
        Index("ix_appointments_phone_to_cell", "phone", "to_cell"),
        Index("ix_appointments_to_cell", "to_cell"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    reference: Mapped[str] = mapped_column(String(20), unique=True)
    patient_id: Mapped[int] = mapped_column(ForeignKey("patients.id"))
    practitioner_id: Mapped[int] = mapped_column(ForeignKey("practitioners.id"))
    visit_type_id: Mapped[int] = mapped_column(ForeignKey("visit_types.id"))
    room_id: Mapped[int | None] = mapped_column(ForeignKey("rooms.id"))
    from_cell: Mapped[int]
    to_cell: Mapped[int]
    status: Mapped[Status] = mapped_column(words(Status, "status"), default=Status.BOOKED)
    version: Mapped[int] = mapped_column(default=1)
    sequence: Mapped[int] = mapped_column(default=0)
    link_number: Mapped[int] = mapped_column(default=1)

    # As given for this visit: another visit of the same patient may have others, and nothing here changes the record.
    first_name: Mapped[str] = mapped_column(String(100))
    last_name: Mapped[str] = mapped_column(String(100))
    email: Mapped[str | None] = mapped_column(String(254))
    phone: Mapped[str | None] = mapped_column(String(20))
    reminders: Mapped[Reminders] = mapped_column(words(Reminders, "reminders"))
    payment: Mapped[Payment | None] = mapped_column(words(Payment, "payment"))
    note: Mapped[str] = mapped_column(Text, default="")
    policy_version: Mapped[str] = mapped_column(String(40), default="")

    booked_at: Mapped[datetime] = mapped_column(UTCDateTime)
    booked_by: Mapped[Actor] = mapped_column(words(Actor, "booked_by"), default=Actor.PATIENT)
    confirmed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    cannot_come_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    cancelled_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    cancelled_by: Mapped[Actor | None] = mapped_column(words(Actor, "cancelled_by"))
    cancel_reason: Mapped[str] = mapped_column(String(500), default="")
    changed_at: Mapped[datetime] = mapped_column(UTCDateTime)

    # How the visit went, as staff tapped it. The status says where it stands, these say since when.
    arrived_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    needles_in_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    needles_out_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # The desk's own note about this visit; `note` is the patient's.
    desk_note: Mapped[str] = mapped_column(Text, default="", server_default="")
    # Minutes of each phase, where staff made this visit longer or shorter; None for the practitioner's own.
    phase_minutes: Mapped[list[int] | None] = mapped_column(JSON(none_as_null=True))

    # The plan that it belongs to, and what it is to it (`scheduling.plans.keeping.Role`). Plans are never removed.
    plan_id: Mapped[int | None] = mapped_column(index=True)
    plan_role: Mapped[str | None] = mapped_column(String(16))
    # It holds its time until a practitioner has decided; nobody is reminded of it.
    penciled: Mapped[bool] = mapped_column(default=False, server_default=false())

    patient: Mapped[Patient] = relationship()
    practitioner: Mapped[Practitioner] = relationship(foreign_keys=[practitioner_id])
    visit_type: Mapped[VisitType] = relationship()
    plan: Mapped[Optional["Plan"]] = relationship(
        primaryjoin="foreign(Appointment.plan_id) == Plan.id", viewonly=True
    )

    @property
    def starts_at(self) -> datetime:
        return instant_of(self.from_cell)

    @property
    def ends_at(self) -> datetime:
        return instant_of(self.to_cell)


class HistoryEntry(Base):
    """Who did what to an appointment, when and why. Appended, never rewritten: the database refuses it."""

    __tablename__ = "history"
    __table_args__ = (Index("ix_history_at", "at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    appointment_id: Mapped[int] = mapped_column(ForeignKey("appointments.id"), index=True)
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    actor: Mapped[Actor] = mapped_column(words(Actor, "actor"))
    actor_name: Mapped[str] = mapped_column(String(120), default="")
    what: Mapped[str] = mapped_column(String(40))
    why: Mapped[str] = mapped_column(String(500), default="")
    facts: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    # The account of staff who did it. Accounts are never removed.
    account_id: Mapped[int | None]
