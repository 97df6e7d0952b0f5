"""The clinic as data: its rules, kinds of care, visit types, people and their hours.

These rows are written by `booking.services.clinic_file` only, and read whole into the snapshot of
`booking.services.clinic`. What happens at the clinic (visits, absences, claims) has homes of its own.
"""

import enum
from datetime import date, time
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from booking.models.base import Base, words
from booking.models.resources import Practitioner


class PriceShown(enum.StrEnum):
    EXACT = "exact"
    FROM = "from"
    HIDDEN = "hidden"


class VisitKind(enum.StrEnum):
    """For whom a visit type is meant. Asked in plain words, never enforced."""

    FIRST = "first"
    RETURNING = "returning"
    EITHER = "either"


class BookableBy(enum.StrEnum):
    """Who may book a visit type with a practitioner."""

    PATIENTS = "patients"
    LINK = "link"
    STAFF = "staff"


class Clinic(Base):
    """The one clinic of this database, with its rules. `version` grows with every change to anything in this module."""

    __tablename__ = "clinic"
    __table_args__ = (CheckConstraint("id = 1", name="only_one"),)

    id: Mapped[int] = mapped_column(primary_key=True, default=1)
    version: Mapped[int] = mapped_column(default=1)
    name: Mapped[str] = mapped_column(String(120))
    message_name: Mapped[str] = mapped_column(String(40))
    zone: Mapped[str] = mapped_column(String(64))
    address: Mapped[list[str]] = mapped_column(JSON)
    arrival: Mapped[str] = mapped_column(Text, default="")
    phone: Mapped[str] = mapped_column(String(20))
    phone_hours: Mapped[str] = mapped_column(String(120))
    mailbox: Mapped[str] = mapped_column(String(254))
    welcome: Mapped[str] = mapped_column(Text, default="")
    privacy: Mapped[str] = mapped_column(Text)
    policies: Mapped[str] = mapped_column(Text)
    cancellation: Mapped[str] = mapped_column(Text)
    policy_version: Mapped[str] = mapped_column(String(40))
    text_consent: Mapped[str] = mapped_column(Text)
    text_consent_version: Mapped[str] = mapped_column(String(40))

    step_minutes: Mapped[int] = mapped_column(default=15)
    notice_minutes: Mapped[int] = mapped_column(default=120)
    first_visit_notice_minutes: Mapped[int | None]
    horizon_days: Mapped[int] = mapped_column(default=90)
    cut_off_minutes: Mapped[int] = mapped_column(default=24 * 60)
    at_once: Mapped[int] = mapped_column(default=2)
    visits_without_staff: Mapped[int] = mapped_column(default=6)
    # Limits are None or a list of {"scope": "practitioner" | "patient", "per": "day" | "week", "visits": n,
    # "visit_type": slug or None, "practitioner": slug or None}.
    limits: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)
    # Days before the visit on which a reminder goes; [3, 1] by default.
    reminder_days: Mapped[list[int]] = mapped_column(JSON, default=lambda: [3, 1])
    texts_from: Mapped[time] = mapped_column(default=time(9))
    texts_until: Mapped[time] = mapped_column(default=time(19))
    texts_a_day: Mapped[int] = mapped_column(default=1)
    texts_a_week: Mapped[int] = mapped_column(default=3)
    # When somebody on a plan gets the list of their next week, such as "friday 10:00".
    digest: Mapped[str] = mapped_column(String(20), default="friday 10:00", server_default="friday 10:00")
    # What a practitioner sees of colleagues' days: "busy" (taken or free, no names) or "nothing".
    colleagues: Mapped[str] = mapped_column(String(16), default="busy", server_default="busy")
    # To whom visits give way that nobody has decided on: "first_visits" (and the desk), "desk" or "nobody".
    penciled_gives_way_to: Mapped[str] = mapped_column(
        String(16), default="first_visits", server_default="first_visits"
    )
    # Of a plan that a patient begins all but the first visits are "penciled" in until a practitioner confirms it, or all are
    # "firm".
    plans_patients_begin: Mapped[str] = mapped_column(
        String(16), default="penciled", server_default="penciled"
    )
    # Who sends a patient the link to times that make up for a missed visit: the "desk", when it agrees, or the "worker", by itself.
    make_up_sent_by: Mapped[str] = mapped_column(String(16), default="desk", server_default="desk")

    hours: Mapped[list["ClinicHours"]] = relationship(cascade="all, delete-orphan", order_by="ClinicHours.id")
    dated_hours: Mapped[list["ClinicDatedHours"]] = relationship(
        cascade="all, delete-orphan", order_by="ClinicDatedHours.id"
    )


class ClinicHours(Base):
    """A stretch of the week in which the clinic is open. Monday is 0; `closes` at 0:00 means the end of the day."""

    __tablename__ = "clinic_hours"
    __table_args__ = (CheckConstraint("weekday BETWEEN 0 AND 6", name="weekday"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    clinic_id: Mapped[int] = mapped_column(ForeignKey("clinic.id"))
    weekday: Mapped[int]
    opens: Mapped[time]
    closes: Mapped[time]


class ClinicDatedHours(Base):
    """Replaces the clinic's weekly hours on one date; both times are null where it is closed all day."""

    __tablename__ = "clinic_dated_hours"

    id: Mapped[int] = mapped_column(primary_key=True)
    clinic_id: Mapped[int] = mapped_column(ForeignKey("clinic.id"))
    on: Mapped[date] = mapped_column("on_date")
    opens: Mapped[time | None]
    closes: Mapped[time | None]


class Modality(Base):
    """A kind of care."""

    __tablename__ = "modalities"

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(String(60), unique=True)
    name: Mapped[str] = mapped_column(String(80))
    summary: Mapped[str] = mapped_column(Text, default="")
    symbol: Mapped[str] = mapped_column(String(40), default="care")
    position: Mapped[int] = mapped_column(default=0)
    active: Mapped[bool] = mapped_column(default=True)


class VisitType(Base):
    """What people book."""

    __tablename__ = "visit_types"

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(String(60), unique=True)
    name: Mapped[str] = mapped_column(String(120))
    modality_id: Mapped[int] = mapped_column(ForeignKey("modalities.id"))
    kind: Mapped[VisitKind] = mapped_column(words(VisitKind, "kind"), default=VisitKind.EITHER)
    summary: Mapped[str] = mapped_column(Text, default="")
    # Shown, but not chosen by patients: they ask for it, and their practitioner decides.
    on_request: Mapped[bool] = mapped_column(default=False)
    price_cents: Mapped[int | None]
    price_shown: Mapped[PriceShown] = mapped_column(
        words(PriceShown, "price_shown"), default=PriceShown.HIDDEN
    )
    bring: Mapped[str] = mapped_column(Text, default="")
    arrive_early_minutes: Mapped[int] = mapped_column(default=0)
    tell_us: Mapped[str] = mapped_column(Text, default="")
    # Room kinds that serve, in order of preference; none for a visit without a room.
    room_kinds: Mapped[list[str]] = mapped_column(JSON, default=list)
    pause_before_minutes: Mapped[int] = mapped_column(default=0)
    pause_after_minutes: Mapped[int] = mapped_column(default=0)
    turnover_before_minutes: Mapped[int] = mapped_column(default=0)
    turnover_after_minutes: Mapped[int] = mapped_column(default=0)
    buffers_within_hours: Mapped[bool] = mapped_column(default=False)
    notice_minutes: Mapped[int | None]
    cut_off_minutes: Mapped[int | None]
    reminder_days: Mapped[list[int] | None] = mapped_column(JSON)
    position: Mapped[int] = mapped_column(default=0)
    active: Mapped[bool] = mapped_column(default=True)

    modality: Mapped[Modality] = relationship()
    phases: Mapped[list["VisitPhase"]] = relationship(
        cascade="all, delete-orphan", order_by="VisitPhase.position"
    )


class VisitPhase(Base):
    """A stretch of a visit and what it needs."""

    __tablename__ = "visit_phases"
    __table_args__ = (CheckConstraint("minutes > 0 AND minutes % 5 = 0", name="minutes"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    visit_type_id: Mapped[int] = mapped_column(ForeignKey("visit_types.id"))
    position: Mapped[int]
    name: Mapped[str] = mapped_column(String(40))
    minutes: Mapped[int]
    practitioner: Mapped[bool] = mapped_column(default=True)
    room: Mapped[bool] = mapped_column(default=True)
    device_kinds: Mapped[list[str]] = mapped_column(JSON, default=list)


class Offering(Base):
    """That a practitioner offers a visit type, and how."""

    __tablename__ = "offerings"
    __table_args__ = (UniqueConstraint("practitioner_id", "visit_type_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    practitioner_id: Mapped[int] = mapped_column(ForeignKey("practitioners.id"))
    visit_type_id: Mapped[int] = mapped_column(ForeignKey("visit_types.id"))
    bookable_by: Mapped[BookableBy] = mapped_column(
        words(BookableBy, "bookable_by"), default=BookableBy.PATIENTS
    )
    takes_new: Mapped[bool] = mapped_column(default=True)
    # This practitioner's own minutes per phase, in the order of the visit type's phases.
    phase_minutes: Mapped[list[int] | None] = mapped_column(JSON)

    practitioner: Mapped[Practitioner] = relationship()
    visit_type: Mapped[VisitType] = relationship()


class WorkingHours(Base):
    """A stretch of a practitioner's week. Breaks are the gaps between stretches."""

    __tablename__ = "working_hours"
    __table_args__ = (CheckConstraint("weekday BETWEEN 0 AND 6", name="weekday"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    practitioner_id: Mapped[int] = mapped_column(ForeignKey("practitioners.id"), index=True)
    weekday: Mapped[int]
    opens: Mapped[time]
    closes: Mapped[time]


class DatedWorkingHours(Base):
    """Replaces a practitioner's weekly hours on one date; both times are null on a day without work."""

    __tablename__ = "dated_working_hours"

    id: Mapped[int] = mapped_column(primary_key=True)
    practitioner_id: Mapped[int] = mapped_column(ForeignKey("practitioners.id"), index=True)
    on: Mapped[date] = mapped_column("on_date")
    opens: Mapped[time | None]
    closes: Mapped[time | None]
