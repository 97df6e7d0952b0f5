"""Counting requests in the database, for limits that all processes share."""

from datetime import datetime, timedelta

from sqlalchemy import delete
from sqlalchemy.orm import Session

from booking import clock
from booking.models import RequestCount
from booking.services.transaction import reading, run


def count(key: str, seconds: int, amount: int) -> int:
    """Adds `amount` to the key's window, which begins anew when it has ended. Returns how many there are now."""

    def action(session: Session) -> int:
        now = clock.now()
        row = session.get(RequestCount, key, with_for_update=True)
        if row is None or row.ends_at <= now:
            if row is not None:
                session.delete(row)
                session.flush()
            row = RequestCount(key=key, count=0, ends_at=now + timedelta(seconds=seconds))
            session.add(row)
        row.count += amount
        return row.count

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
