"""Treatment plans: what was prescribed to a patient, and what became of it. Their visits are appointments."""

import enum
from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from booking.models.appointments import Actor, Reminders
from booking.models.base import Base, UTCDateTime, words


class PlanStatus(enum.StrEnum):
    """PRESCRIBED: there is a link, and nothing is booked. PAUSED: how a plan that runs is shown on the days of a pause; never
    kept.
    """

    PRESCRIBED = "prescribed"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    COMPLETED = "completed"


class PlanReminders(enum.StrEnum):
    """Of what somebody on a plan is reminded: of each visit the day before, by a list of the week, or both."""

    EACH = "each"
    DIGEST = "digest"
    BOTH = "both"


class PlanTemplate(Base):
    """What plans are made from, as the clinic's file has it. `course`: plain values of `scheduling.plans.course`."""

    __tablename__ = "plan_templates"

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(String(60), unique=True)
    name: Mapped[str] = mapped_column(String(120))
    summary: Mapped[str] = mapped_column(Text, default="")
    # Patients may begin it by themselves.
    self_service: Mapped[bool] = mapped_column(default=False)
    course: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    position: Mapped[int] = mapped_column(default=0)
    active: Mapped[bool] = mapped_column(default=True)


SERIES = ""
"""The template of a series: visits on fixed weekdays, or of one day, that were booked together. Nothing is prescribed by it."""


class Plan(Base):
    """One patient's plan: a copy of its template, changed for them alone; or a series, which has none (SERIES).

    `by_themselves`: the patient began it; `confirmed_at` is when a practitioner then agreed, or at once, where nobody has to.
    `decided_phases`: after so many phases it was decided to go on. `link_number` is part of the plan's link: raising it revokes the
    link.
    """

    __tablename__ = "plans"
    __table_args__ = (Index("ix_plans_status_first_day", "status", "first_day"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    reference: Mapped[str] = mapped_column(String(20), unique=True)
    patient_id: Mapped[int] = mapped_column(ForeignKey("patients.id"), index=True)
    template: Mapped[str] = mapped_column(String(60))
    name: Mapped[str] = mapped_column(String(120))
    course: Mapped[dict[str, Any]] = mapped_column(JSON)
    first_day: Mapped[date]
    status: Mapped[PlanStatus] = mapped_column(words(PlanStatus, "status"))
    version: Mapped[int] = mapped_column(default=1)
    # The calendar's, and that of its messages.
    sequence: Mapped[int] = mapped_column(default=0)
    link_number: Mapped[int] = mapped_column(default=1)

    # When they can come, with whom only, with whom rather (by modality), and the modalities in which they aren't new.
    presence: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    only_with: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    rather_with: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    known_in: Mapped[list[str]] = mapped_column(JSON, default=list)

    first_name: Mapped[str] = mapped_column(String(100))
    last_name: Mapped[str] = mapped_column(String(100))
    email: Mapped[str | None] = mapped_column(String(254))
    phone: Mapped[str | None] = mapped_column(String(20))
    reminders: Mapped[Reminders] = mapped_column(words(Reminders, "reminders"))
    reminded_of: Mapped[PlanReminders] = mapped_column(
        words(PlanReminders, "reminded_of"), default=PlanReminders.BOTH
    )

    by_themselves: Mapped[bool] = mapped_column(default=False)
    prescribed_by: Mapped[int | None] = mapped_column(ForeignKey("practitioners.id"))
    reason: Mapped[str] = mapped_column(String(500), default="")
    confirmed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    decided_phases: Mapped[int] = mapped_column(default=0)
    # Since when something that was decided waits until somebody has told the patient, and how they know the visits that are
    # otherwise by that (`notices.knowing`).
    untold_since: Mapped[datetime | None] = mapped_column(UTCDateTime, index=True)
    untold: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict, server_default="{}")
    # When the patient agreed to it, as staff recorded it or by booking it; how and who: in the history.
    agreed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    made_at: Mapped[datetime] = mapped_column(UTCDateTime)
    made_by: Mapped[Actor] = mapped_column(words(Actor, "made_by"))
    changed_at: Mapped[datetime] = mapped_column(UTCDateTime)

    @property
    def is_limited(self) -> bool:
        """Whether the clinic's limits per patient bind it: not, where a practitioner has prescribed or confirmed it."""
        by_nobody = self.by_themselves and self.confirmed_at in (None, self.agreed_at)
        return self.template == SERIES or by_nobody

    @property
    def is_of_somebody_known(self) -> bool:
        """Whether staff know whose it is: not, where somebody began it by a name, and no practitioner has confirmed it."""
        return self.made_by is not Actor.PATIENT or not self.is_limited


class PlanEntry(Base):
    """Who did what to a plan, when and why. Appended, never rewritten: the database refuses it."""

    __tablename__ = "plan_history"

    id: Mapped[int] = mapped_column(primary_key=True)
    plan_id: Mapped[int] = mapped_column(ForeignKey("plans.id"), index=True)
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    actor: Mapped[Actor] = mapped_column(words(Actor, "actor"))
    actor_name: Mapped[str] = mapped_column(String(120), default="")
    account_id: Mapped[int | None]
    what: Mapped[str] = mapped_column(String(40))
    why: Mapped[str] = mapped_column(String(500), default="")
    facts: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    # How the plan and its visits were before a change by staff, by which it is taken back: of use for minutes, and long.
    before: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True), deferred=True)


class Coverage(Base):
    """A pool of visits that a patient's insurance, or a package that they bought, allows. `terms`: plain values of
    `scheduling.allowances`. Pools are drawn on in the order of `position`.
    """

    __tablename__ = "coverages"

    id: Mapped[int] = mapped_column(primary_key=True)
    patient_id: Mapped[int] = mapped_column(ForeignKey("patients.id"), index=True)
    name: Mapped[str] = mapped_column(String(120))
    terms: Mapped[dict[str, Any]] = mapped_column(JSON)
    position: Mapped[int] = mapped_column(default=0)
    made_at: Mapped[datetime] = mapped_column(UTCDateTime)
    changed_at: Mapped[datetime] = mapped_column(UTCDateTime)
    # It counts no more; what was drawn from it stays in the history.
    ended_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
