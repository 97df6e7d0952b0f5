"""Booking in a line, for tests about what comes after it, and reading rows back as they are."""

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import select

from booking.extensions import db
from booking.models import Message, Reminders
from booking.services.booking import Booked, Wish, book
from tests.conftest import MONDAY

# Tuesday and the Monday after, 9 am.
NINE = MONDAY + timedelta(hours=25)
NEXT_WEEK = NINE + timedelta(days=6)


def wish(starts_at: datetime = NINE, **how: Any) -> Wish:
    return Wish(
        **{
            "visit_type": "follow-up",
            "practitioner": None,
            "starts_at": starts_at,
            "first_name": "Rosa",
            "last_name": "Lima",
            "email": "rosa@example.com",
            "phone": None,
            "reminders": Reminders.EMAIL,
        }
        | how
    )


def booked(starts_at: datetime = NINE, key: str = "", **how: Any) -> Booked:
    return book(wish(starts_at, **how), actor="test", key=key or _key(starts_at, how))


def _key(starts_at: datetime, how: dict[str, Any]) -> str:
    return sha256(f"{starts_at}{sorted(how.items())}".encode()).hexdigest()


def rows(kind: Any) -> list[Any]:
    with db.engine.connect() as connection:
        table = kind.__table__
        return list(connection.execute(select(table).order_by(*table.primary_key)).mappings())


def heard() -> None:
    """What was to be told so far has gone out."""
    table = Message.__table__
    with db.engine.begin() as connection:
        answers = table.c.kind.in_(("confirmation", "change", "cancellation"))
        connection.execute(table.update().where(answers, table.c.state == "queued").values(state="sent"))
