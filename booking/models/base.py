"""What all rows share: the declarative base and the column types."""

import enum
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import DateTime, Dialect, Enum
from sqlalchemy.types import TypeDecorator

from booking.extensions import db

if TYPE_CHECKING:
    from booking.extensions import Base as Base
else:
    Base = db.Model


class UTCDateTime(TypeDecorator[datetime]):
    """An instant. Goes in aware, of any zone; comes out aware, in UTC, on both databases."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("An instant needs a zone; this datetime is naive.")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# Without letters and digits that look alike, read aloud or written down.
_ALPHABET = "23456789CDFGHJKMNPQRTVWXYZ"


def random_reference(letters: int = 10) -> str:
    """A random name for a row, for addresses. It carries no order and is no secret."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(letters))


def words(kind: type[enum.StrEnum], name: str) -> Enum:
    """A column of an enumeration's values, guarded by a check that the database keeps."""

    def values(members: Any) -> list[str]:
        return [member.value for member in members]

    return Enum(kind, values_callable=values, native_enum=False, create_constraint=True, name=name, length=32)
