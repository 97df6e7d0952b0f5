"""Who works here: accounts, their sign-ins, what they were typing, and who saw or did what.

Passwords, one-time codes and recovery codes are the accounts library's business; these rows only keep them.
"""

import enum
from datetime import datetime
from typing import Any

from flask_security import RoleMixin, UserMixin
from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from booking.models.base import Base, UTCDateTime


class Role(enum.StrEnum):
    """What somebody is to the clinic. A person may be several; `booking/web/access.py` says what each may do."""

    OWNER = "owner"
    MANAGER = "manager"
    DESK = "desk"
    PRACTITIONER = "practitioner"


class NamedRole(RoleMixin):
    """A role as the accounts library wants it: something with a name."""

    def __init__(self, name: str) -> None:
        self.name = name


class StaffAccount(Base, UserMixin):
    """Somebody who signs in. Never removed: the audit speaks of them. `active` ends it.

    `password`, `tf_…` and `mf_…` have the names that the accounts library looks for. `pin` opens a locked screen and is
    hashed like a password. There is a calendar feed while `feed_number` is above 0. Its
    amount only grows, so that an address which was revoked never opens again; below 0 the feed is switched off.
    """

    __tablename__ = "staff_accounts"

    id: Mapped[int] = mapped_column(primary_key=True)
    # Lower case, as it is written to.
    email: Mapped[str] = mapped_column(String(254), unique=True)
    name: Mapped[str] = mapped_column(String(120))
    active: Mapped[bool] = mapped_column(default=True)
    # Slugs of `Role`.
    role_names: Mapped[list[str]] = mapped_column(JSON, default=list)
    practitioner_id: Mapped[int | None] = mapped_column(ForeignKey("practitioners.id"))
    fs_uniquifier: Mapped[str] = mapped_column(String(64), unique=True)
    password: Mapped[str | None] = mapped_column(String(255))
    # A password of 8 to 14 letters is enough only together with a second factor.
    needs_second_factor: Mapped[bool] = mapped_column(default=False)
    tf_primary_method: Mapped[str | None] = mapped_column(String(64))
    tf_totp_secret: Mapped[str | None] = mapped_column(String(255))
    # The half minute of the last code that was used: a code counts once.
    tf_counter: Mapped[int | None]
    mf_recovery_codes: Mapped[list[str] | None] = mapped_column(JSON)
    pin: Mapped[str | None] = mapped_column(String(255))
    # A digest of the invitation that is open, and when it was sent.
    invitation: Mapped[str | None] = mapped_column(String(64), unique=True)
    invited_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    # What the person prefers.
    shortcuts: Mapped[bool] = mapped_column(default=True)
    tomorrow_by_mail: Mapped[bool] = mapped_column(default=False)
    feed_number: Mapped[int] = mapped_column(default=0)
    feed_names: Mapped[bool] = mapped_column(default=False)

    @property
    def roles(self) -> list[NamedRole]:  # type: ignore[override]
        return [NamedRole(name) for name in self.role_names]


class SignIn(Base):
    """One browser that is signed in. Looked up at each request, so that ending it counts at once.

    `active_at`: the last key, tap or form. `locked_at`: since when the screen is locked, None while it is open.
    """

    __tablename__ = "sign_ins"

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("staff_accounts.id"), index=True)
    # A digest of the secret in the browser's cookie.
    mark: Mapped[str] = mapped_column(String(64), unique=True)
    made_at: Mapped[datetime] = mapped_column(UTCDateTime)
    active_at: Mapped[datetime] = mapped_column(UTCDateTime)
    ends_at: Mapped[datetime] = mapped_column(UTCDateTime)
    locked_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    wrong_pins: Mapped[int] = mapped_column(default=0)
    # A phone locks sooner.
    phone: Mapped[bool] = mapped_column(default=False)
    address: Mapped[str] = mapped_column(String(64), default="")
    browser: Mapped[str] = mapped_column(String(200), default="")


class Draft(Base):
    """What somebody had typed into a form when their screen locked. Shown to nobody else."""

    __tablename__ = "drafts"

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("staff_accounts.id"), index=True)
    path: Mapped[str] = mapped_column(String(1000))
    page: Mapped[str | None] = mapped_column(String(1000))
    fields: Mapped[list[list[str]]] = mapped_column(JSON)
    kept_at: Mapped[datetime] = mapped_column(UTCDateTime)


class AuditEntry(Base):
    """Who saw or did what, when, and from where. Appended, never rewritten: the database refuses it.

    `once` is set where something is written down once an hour at the most, such as a look at a day of the board.
    """

    __tablename__ = "audit"
    __table_args__ = (
        Index("ix_audit_patient_id_at", "patient_id", "at"),
        Index("ix_audit_at", "at"),
        CheckConstraint("kind IN ('read', 'write')", name="kind"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    account_id: Mapped[int | None] = mapped_column(ForeignKey("staff_accounts.id"))
    # As it was then; also of somebody who has no account, such as an operator at a terminal.
    name: Mapped[str] = mapped_column(String(120))
    kind: Mapped[str] = mapped_column(String(5))
    # A name that has its words in `booking.web.audit_words`: "opened patient", "searched", "saw board", "moved", …
    what: Mapped[str] = mapped_column(String(40))
    patient_id: Mapped[int | None] = mapped_column(ForeignKey("patients.id"))
    # "appointment/REFERENCE", "message/ID", "board/2026-12-03", …
    subject: Mapped[str] = mapped_column(String(120), default="")
    address: Mapped[str] = mapped_column(String(64), default="")
    facts: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    once: Mapped[str | None] = mapped_column(String(120), unique=True)
