"""Resources: whoever and whatever can't be in two places at once.

A resource's row is also its lock, and its `version` grows with every change of its claims, absences or hours: a
process may keep what it has computed for as long as the version stands.
"""

import enum

from sqlalchemy import JSON, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from booking.models.base import Base, words


class ResourceKind(enum.StrEnum):
    PRACTITIONER = "practitioner"
    ROOM = "room"
    DEVICE = "device"
    PATIENT = "patient"


class Resource(Base):
    __tablename__ = "resources"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[ResourceKind] = mapped_column(words(ResourceKind, "kind"))
    version: Mapped[int] = mapped_column(default=0)

    __mapper_args__ = {"polymorphic_on": "kind"}


# The versions of everything but patients are read with every page of offers; there are a few dozen of them.
Index(
    "ix_resources_shared",
    Resource.id,
    Resource.version,
    sqlite_where=Resource.kind != ResourceKind.PATIENT.value,
    postgresql_where=Resource.kind != ResourceKind.PATIENT.value,
)


class Practitioner(Resource):
    __tablename__ = "practitioners"
    __mapper_args__ = {"polymorphic_identity": ResourceKind.PRACTITIONER}

    id: Mapped[int] = mapped_column(ForeignKey("resources.id"), primary_key=True)
    slug: Mapped[str] = mapped_column(String(60), unique=True)
    # As the clinic writes it in messages: without anything that names a treatment.
    name: Mapped[str] = mapped_column(String(120))
    credentials: Mapped[str] = mapped_column(String(120), default="")
    profile: Mapped[str] = mapped_column(Text, default="")
    # Slugs of the rooms that this practitioner prefers, first choice first.
    room_order: Mapped[list[str]] = mapped_column(JSON, default=list)
    at_once: Mapped[int | None]
    position: Mapped[int] = mapped_column(default=0)
    active: Mapped[bool] = mapped_column(default=True)


class Room(Resource):
    __tablename__ = "rooms"
    __mapper_args__ = {"polymorphic_identity": ResourceKind.ROOM}

    id: Mapped[int] = mapped_column(ForeignKey("resources.id"), primary_key=True)
    slug: Mapped[str] = mapped_column(String(60), unique=True)
    name: Mapped[str] = mapped_column(String(80))
    room_kind: Mapped[str] = mapped_column(String(40))
    active: Mapped[bool] = mapped_column(default=True)


class Device(Resource):
    __tablename__ = "devices"
    __mapper_args__ = {"polymorphic_identity": ResourceKind.DEVICE}

    id: Mapped[int] = mapped_column(ForeignKey("resources.id"), primary_key=True)
    slug: Mapped[str] = mapped_column(String(60), unique=True)
    name: Mapped[str] = mapped_column(String(80))
    device_kind: Mapped[str] = mapped_column(String(40))
    active: Mapped[bool] = mapped_column(default=True)
