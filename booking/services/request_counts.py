"""Counting requests in the database, for limits that all processes share."""

from datetime import datetime, timedelta

from sqlalchemy import case, delete
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from booking import clock
from booking.models import RequestCount
from booking.services.transaction import reading, run


def count(key: str, seconds: int, amount: int) -> int:
    """Adds `amount` to the key's window, which begins anew when it has ended. Returns how many there are now."""

    def action(session: Session) -> int:
        # One statement, so that two first requests at one moment count as two.
        now = clock.now()
        insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
        row = insert(RequestCount).values(key=key, count=amount, ends_at=now + timedelta(seconds=seconds))
        over = RequestCount.ends_at <= now
        counted = row.on_conflict_do_update(
            index_elements=[RequestCount.key],
            set_={
                "count": case((over, row.excluded.count), else_=RequestCount.count + amount),
                "ends_at": case((over, row.excluded.ends_at), else_=RequestCount.ends_at),
            },
        )
        return session.scalars(counted.returning(RequestCount.count)).one()

    return run(action)


def counted(key: str) -> tuple[int, datetime | None]:
    """How many there are in the key's window, and when it ends."""
    with reading() as session:
        row = session.get(RequestCount, key)
        if row is None or row.ends_at <= clock.now():
            return 0, None
        return row.count, row.ends_at


def forget(session: Session, key: str | None = None) -> None:
    """Removes what no longer counts, or one key's count."""
    which = RequestCount.ends_at <= clock.now() if key is None else RequestCount.key == key
    session.execute(delete(RequestCount).where(which))
