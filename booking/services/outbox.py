"""The outbox for operators: what waits, what failed, and what they may do about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import current_app
from sqlalchemy import func, or_, select, update

from booking import clock
from booking.models import AuditEntry, Installation, Message, MessageState
from booking.services.staff import audit
from booking.services.staff.accounts import OPERATOR
from booking.services.transaction import reading, transaction

_TROUBLE = (MessageState.DEAD, MessageState.UNSURE, MessageState.TO_CALL)
# All but the failures and calls that the desk has seen to: those stay in their state, and are nobody's trouble any more.
_COUNTS = or_(Message.state.not_in(_TROUBLE), Message.settled_at.is_(None))


@dataclass(frozen=True)
class Listed:
    """Messages in the order in which somebody should look at them, and how many there are in each state; without the failures
    and calls that the desk has seen to.
    """

    counts: dict[MessageState, int]
    messages: Sequence[Message]


def look(state: MessageState | None, limit: int) -> Listed:
    """With a state, its messages, the latest first. Without, what needs a look: what failed, then what is due, next first."""
    with reading() as session:
        counted = session.execute(select(Message.state, func.count()).where(_COUNTS).group_by(Message.state))
        counts = {state: number for state, number in counted}
        if state is not None:
            which = select(Message).where(Message.state == state, _COUNTS).order_by(Message.due_at.desc())
            return Listed(counts, session.scalars(which.limit(limit)).all())
        failed = select(Message).where(Message.state.in_(_TROUBLE), _COUNTS).order_by(Message.due_at.desc())
        found = list(session.scalars(failed.limit(limit)))
        waiting = select(Message).where(Message.state.in_((MessageState.SENDING, MessageState.QUEUED)))
        if len(found) < limit:
            found += session.scalars(waiting.order_by(Message.due_at).limit(limit - len(found)))
        return Listed(counts, found)


def halt(why: str) -> None:
    """Stops all workers of this database until `resume`."""
    with transaction() as session:
        installation = session.get(Installation, 1)
        if installation is None:
            installation = Installation(id=1, instance=current_app.config["BOOKING"].instance)
            session.add(installation)
        installation.halted = why[:200]


def resume() -> None:
    """Lets the workers send again after they stopped to ask, or after this database was copied on purpose. All reminders
    that are due by now are accepted by that: see `burst`.
    """
    with transaction() as session:
        audit.did(session, OPERATOR, "resumed sending", "messages")
        installation = session.get(Installation, 1)
        if installation is not None:
            installation.halted = ""
            installation.instance = current_app.config["BOOKING"].instance


def burst(limit: int) -> int:
    """How many reminders are due at once, if they are more than the limit; else none. What was due and written when
    somebody said `resume` doesn't count, nor does what a worker has tried already, or put off for a reason.
    """
    now = clock.now()
    due = (
        select(func.count())
        .select_from(Message)
        .where(
            Message.state == MessageState.QUEUED,
            Message.due_at <= now,
            Message.kind.startswith("reminder"),
            Message.attempts == 0,
            Message.last_error == "",
        )
    )
    # Under a clock that ran ahead somebody may have accepted what is still to come.
    resumed = (
        select(AuditEntry.at)
        .where(AuditEntry.what == "resumed sending", AuditEntry.at <= now)
        .order_by(AuditEntry.at.desc())
        .limit(1)
    )
    with reading() as session:
        number = session.scalar(due) or 0
        # The audit is long, and this is asked every few seconds.
        if number > limit and (resumed_at := session.scalar(resumed)):
            after = or_(Message.due_at > resumed_at, Message.written_at > resumed_at)
            number = session.scalar(due.where(after)) or 0
    return number if number > limit else 0


def drop_due_before(instant: datetime) -> int:
    """Drops what was due before an instant and isn't sent, also what a worker had in hand: after a restore, all of that
    went out already. Returns how many.
    """
    with transaction() as session:
        dropped = session.execute(
            update(Message)
            .where(
                Message.state.in_((MessageState.QUEUED, MessageState.SENDING)),
                Message.due_at < instant,
            )
            .values(
                state=MessageState.DROPPED,
                last_error="Dropped after a restore.",
                lease=None,
                leased_until=None,
            )
            .execution_options(synchronize_session=False)
        )
        return dropped.rowcount  # type: ignore[attr-defined, no-any-return]
