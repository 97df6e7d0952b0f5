"""What an operator needs to know about a running installation. `flask doctor` says what to do; `/readyz` says whether."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import current_app
from sqlalchemy import func, select

from booking import clock
from booking.models import Heartbeat, Message, MessageState
from booking.services.transaction import reading

SILENT_AFTER = timedelta(minutes=2)
# Trouble with older messages is past mending.
RECENT = timedelta(days=7)


@dataclass(frozen=True)
class Queue:
    """The outbox at a glance. `dead` and `to_call` count what was due in the last days and nobody has seen to."""

    due: int
    oldest_due_at: datetime | None
    dead: int
    to_call: int


def migrations() -> tuple[str | None, str | None]:
    """The database's revision, and the one that this program needs."""
    directory = current_app.extensions["migrate"].directory
    script = ScriptDirectory(directory)
    with reading() as session:
        return MigrationContext.configure(
            session.connection()
        ).get_current_revision(), script.get_current_head()


def last_heartbeat() -> Heartbeat | None:
    """The worker that ticked last, whichever it was."""
    with reading() as session:
        return session.scalar(select(Heartbeat).order_by(Heartbeat.ticked_at.desc()).limit(1))


def worker_is_silent() -> bool:
    beat = last_heartbeat()
    return beat is None or clock.now() - beat.ticked_at > SILENT_AFTER


def queue() -> Queue:
    now = clock.now()
    with reading() as session:
        due, oldest = session.execute(
            select(func.count(), func.min(Message.due_at)).where(
                Message.state == MessageState.QUEUED, Message.due_at <= now
            )
        ).one()
        counts = {
            state: number
            for state, number in session.execute(
                select(Message.state, func.count())
                .where(
                    Message.state.in_([MessageState.DEAD, MessageState.TO_CALL]),
                    Message.due_at > now - RECENT,
                    Message.settled_at.is_(None),
                )
                .group_by(Message.state)
            )
        }
    return Queue(due, oldest, counts.get(MessageState.DEAD, 0), counts.get(MessageState.TO_CALL, 0))
