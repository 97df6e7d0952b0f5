"""What keeps the installation honest: kept answers, counted requests, heartbeats, and whose database this is."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, String
from sqlalchemy.orm import Mapped, mapped_column

from booking.models.base import Base, UTCDateTime


class KeptAnswer(Base):
    """The first answer under an idempotency key: a success or a refusal, never a fault. Holds no secret."""

    __tablename__ = "kept_answers"

    actor: Mapped[str] = mapped_column(String(80), primary_key=True)
    key: Mapped[str] = mapped_column(String(80), primary_key=True)
    content: Mapped[str] = mapped_column(String(64))
    refusal: Mapped[str | None] = mapped_column(String(40))
    answer: Mapped[dict[str, Any]] = mapped_column(JSON)
    kept_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)


class RequestCount(Base):
    """How many requests of one kind came from one visitor in a window of time, for limits that all processes share."""

    __tablename__ = "request_counts"

    key: Mapped[str] = mapped_column(String(160), primary_key=True)
    count: Mapped[int]
    ends_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)


class Heartbeat(Base):
    """When a worker last looked at the queue, and what it saw."""

    __tablename__ = "heartbeats"

    worker: Mapped[str] = mapped_column(String(80), primary_key=True)
    started_at: Mapped[datetime] = mapped_column(UTCDateTime)
    ticked_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)
    trouble: Mapped[str] = mapped_column(String(500), default="")


class Installation(Base):
    """Whose database this is: a copy of it elsewhere doesn't send. `halted`: why the workers stopped and ask."""

    __tablename__ = "installation"
    __table_args__ = (CheckConstraint("id = 1", name="only_one"),)

    id: Mapped[int] = mapped_column(primary_key=True, default=1)
    instance: Mapped[str] = mapped_column(String(64))
    halted: Mapped[str] = mapped_column(String(200), default="")
