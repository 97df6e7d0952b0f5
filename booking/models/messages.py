"""The outbox: what we tell a person is a row, written in the transaction of the change that it tells of.

`docs/messages.md` follows one row from the booking to the mail server.
"""

import enum
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from booking.models.base import Base, UTCDateTime, words


class Channel(enum.StrEnum):
    EMAIL = "email"
    TEXT = "text"
    CALL = "call"


class MessageState(enum.StrEnum):
    """Where a message stands. SIMULATED, DEMO, UNSURE and DEAD are final; what was sent may come back, a call may be dropped,
    and what was dropped may wait again.
    """

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    # Written to a file instead of being sent: no provider is configured.
    SIMULATED = "simulated"
    # Made by the demo for its own past and future; never sent.
    DEMO = "demo"
    # On the list of calls that the desk makes.
    TO_CALL = "to_call"
    # No longer true, no longer wanted or no longer useful when its turn came; `last_error` says which.
    DROPPED = "dropped"
    # Cut off after it was handed over: nobody knows whether it arrived. Texts only; mail is sent again.
    UNSURE = "unsure"
    # Given up after the last try, or refused for good.
    DEAD = "dead"


# Messages that may still go: as they are, or handed over and not answered for.
YET_TO_GO = (MessageState.QUEUED, MessageState.SENDING)


class Message(Base):
    """One message to one person by one channel.

    Unique by what it tells: the same (subject, kind, sequence, channel) is written once, and again only as a numbered
    resend. `due_at` is the first instant at which it may go, `not_after` the last at which it is of use.
    """

    __tablename__ = "messages"
    __table_args__ = (
        UniqueConstraint("subject", "kind", "sequence", "channel", "resend"),
        Index("ix_messages_state_due_at", "state", "due_at"),
        Index("ix_messages_address_sent_at", "address", "sent_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    # "appointment/REFERENCE", "plan/REFERENCE", "plan/REFERENCE/MONDAY", "contact/RANDOM", "account/ID", "account/RANDOM",
    # "tomorrow/ACCOUNT/DATE".
    subject: Mapped[str] = mapped_column(String(80))
    # "confirmation", "change", "cancellation", "reminder-3d", "links", "cannot-come", …
    kind: Mapped[str] = mapped_column(String(40))
    sequence: Mapped[int] = mapped_column(default=0)
    channel: Mapped[Channel] = mapped_column(words(Channel, "channel"))
    resend: Mapped[int] = mapped_column(default=0)
    appointment_id: Mapped[int | None] = mapped_column(ForeignKey("appointments.id"), index=True)
    address: Mapped[str] = mapped_column(String(254))
    # What the words need and the appointment no longer knows, such as the old time after a change.
    facts: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    # The Message-ID header: fixed here, so that a second delivery can be recognised.
    mail_id: Mapped[str] = mapped_column(String(120))
    state: Mapped[MessageState] = mapped_column(words(MessageState, "state"), default=MessageState.QUEUED)
    written_at: Mapped[datetime] = mapped_column(UTCDateTime)
    due_at: Mapped[datetime] = mapped_column(UTCDateTime)
    not_after: Mapped[datetime] = mapped_column(UTCDateTime)
    attempts: Mapped[int] = mapped_column(default=0)
    lease: Mapped[str | None] = mapped_column(String(40))
    leased_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # Texts only: written before it is handed to the provider, for nobody can take a text back.
    handed_over_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    sent_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # As it went out, but for the link's token.
    sent_text: Mapped[str | None] = mapped_column(Text)
    # What the provider calls it.
    provider_id: Mapped[str | None] = mapped_column(String(80))
    last_error: Mapped[str] = mapped_column(String(500), default="")
    # What the desk did about one that is on its list of calls, or that failed; off the list from then on.
    settled_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    settled_as: Mapped[str] = mapped_column(String(40), default="", server_default="")
    settled_by: Mapped[str] = mapped_column(String(120), default="", server_default="")


class InboundText(Base):
    """A text that somebody sent us, kept for the desk."""

    __tablename__ = "inbound_texts"

    id: Mapped[int] = mapped_column(primary_key=True)
    provider_id: Mapped[str] = mapped_column(String(80), unique=True)
    phone: Mapped[str] = mapped_column(String(20), index=True)
    words: Mapped[str] = mapped_column(Text)
    # What it was taken for: "stop", "start", "help" or "message".
    taken_for: Mapped[str] = mapped_column(String(16))
    received_at: Mapped[datetime] = mapped_column(UTCDateTime)
    settled_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
