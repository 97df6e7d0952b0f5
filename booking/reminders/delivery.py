"""From a due row to a delivered message.

Claim, commit; check that it is still true; send with no transaction open; mark. A worker that dies leaves its claims
to lapse, and another takes them up; one that is asked to stop gives them back. So a mail goes at least once, and twice if
the worker dies or the connection breaks after the final dot and before our mark, under the same Message-ID. A text goes at
most once: that it is handed over is written before, and what becomes of it then unknown is never sent again.
"""

import random
import secrets
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Update, bindparam, select, update
from sqlalchemy.orm import Session

from booking import clock
from booking.models import Appointment, Channel, Clinic as ClinicRow, Message, MessageState
from booking.reminders import plans, sharing
from booking.reminders.channels import Composed, Delivered, Outcome
from booking.reminders.channels.mail import Mailer, mailer
from booking.reminders.channels.texts import Texter, texter
from booking.reminders.checks import Drop, OtherWay, Verdict, Wait, verdict
from booking.reminders.composing import NothingToSay, compose
from booking.services import links_again, notices
from booking.services.clinic import Clinic, at_version, the_clinic
from booking.services.notices import TOLD_TOGETHER, another_way, plan_another_way
from booking.services.transaction import lock_names, reading, run

log = structlog.get_logger()

BATCH = 50
LEASE = timedelta(minutes=10)
# Far longer than one message takes, for a dialogue ends with the first step that times out; nearer to the end of the lease
# nothing is sent.
LEASE_LEFT = timedelta(minutes=5)
TRIES = 5
# After the first try, the second, …; with jitter, so that a crowd doesn't come back at one moment.
BACK_OFF = tuple(timedelta(seconds=seconds) for seconds in (30, 120, 300, 900, 3600))

# Said for every message, so put together once: what it is about, and a mark that counts only while the lease is ours.
_MESSAGE = (
    select(Message, Appointment, select(ClinicRow.version).scalar_subquery())
    .outerjoin(Appointment, Appointment.id == Message.appointment_id)
    .where(Message.id == bindparam("id"))
)
_messages = Message.__table__.c
_MARK = update(Message.__table__).where(
    _messages.id == bindparam("message_id"), _messages.lease == bindparam("our_lease")
)
_STILL_OURS = _MARK.where(_messages.state == MessageState.SENDING)


@dataclass(frozen=True)
class Claimed:
    """A message that is this worker's until its lease ends."""

    id: int
    lease: str
    # What it takes along, under the same lease: see `sharing`.
    along: tuple["Claimed", ...] = ()


def deliver_due(batch: int = BATCH, *, stopping: Callable[[], bool] = lambda: False) -> int:
    """Sends what is due, one batch. Returns how many were claimed: zero when the queue is empty.

    `stopping` is asked before each message; from then on nothing is begun, and the rest is given back.
    """
    claimed = claim(batch)
    if not claimed:
        return 0
    with ExitStack() as stack:
        mails = stack.enter_context(mailer())
        texts = stack.enter_context(texter())
        for number, one in enumerate(claimed):
            if stopping():
                _give_back(claimed[number:])
                break
            _deliver(one, mails, texts)
    return len(claimed)


def claim(batch: int = BATCH) -> list[Claimed]:
    """Takes due messages, and those whose worker died, under a lease, and commits before anything is sent.

    On PostgreSQL workers skip what others hold; on SQLite there is one writer at a time.
    """
    lease = secrets.token_hex(16)

    def action(session: Session) -> list[Claimed]:
        now = clock.now()
        due = select(Message).where(Message.state == MessageState.QUEUED, Message.due_at <= now)
        found = [
            *session.scalars(
                due.order_by(Message.due_at, Message.id).limit(batch).with_for_update(skip_locked=True)
            )
        ]
        abandoned = select(Message).where(Message.state == MessageState.SENDING, Message.leased_until < now)
        if len(found) < batch:
            found += session.scalars(abandoned.limit(batch - len(found)).with_for_update(skip_locked=True))
        claimed = [Claimed(one.id, lease) for one in found]
        for one in found:
            sharing.begin_anew(one)
        session.execute(
            update(Message)
            .where(Message.id.in_([one.id for one in claimed]))
            .values(
                state=MessageState.SENDING,
                lease=lease,
                leased_until=now + LEASE,
                attempts=Message.attempts + 1,
            )
            .execution_options(synchronize_session=False)
        )
        return claimed

    if not _anything_due():
        return []
    return run(action)


def _give_back(claimed: Sequence[Claimed]) -> None:
    """Lets other workers have at once what this one has not begun, as if it had never been claimed. What went along with
    another message is settled, and not ours any more.
    """
    whose = [_whose(one) for one in claimed]
    # A text that a dead worker had handed over isn't free again; it waits for its lease to end, as it did before.
    mark = _STILL_OURS.where(_messages.handed_over_at.is_(None)).values(attempts=_messages.attempts - 1)
    values: dict[str, object] = {"state": MessageState.QUEUED, "lease": None, "leased_until": None}
    run(lambda session: session.connection().execute(mark, [values | one for one in whose]))


def _anything_due() -> bool:
    """Whether it is worth taking the write lock."""
    now = clock.now()
    with reading() as session:
        for waiting in (
            select(Message.id).where(Message.state == MessageState.QUEUED, Message.due_at <= now),
            select(Message.id).where(Message.state == MessageState.SENDING, Message.leased_until < now),
        ):
            if session.scalar(waiting.limit(1)) is not None:
                return True
    return False


def _deliver(one: Claimed, mails: Mailer, texts: Texter | None) -> None:
    """Sends one message. Whatever happens to it doesn't keep the others."""
    try:
        composed = _composed(one)
    except Exception as fault:
        log.exception("message not composed", message=one.id)
        failed = Delivered(Outcome.NOT_SENT, f"{type(fault).__name__} while it was composed.")
        _try_again(one, failed, clock.now())
        return
    if composed is None:
        return
    one, channel, message = composed
    try:
        delivered = _sent(channel, message, mails, texts)
    except Exception as fault:
        log.exception("message not sent", message=one.id)
        delivered = Delivered(Outcome.UNSURE, f"{type(fault).__name__} while it was sent.")
    _mark(one, channel, message, delivered)


def _sent(channel: Channel, message: Composed, mails: Mailer, texts: Texter | None) -> Delivered:
    if channel is not Channel.TEXT:
        return mails.send(message)
    return texts.send(message) if texts else Delivered(Outcome.REFUSED, "Texts are not configured.")


def _composed(one: Claimed) -> tuple[Claimed, Channel, Composed] | None:
    """The message, checked in this very moment; None if it doesn't go now, which is then settled."""
    now = clock.now()
    with reading() as session:
        message, _, clinic_version = session.execute(_MESSAGE, {"id": one.id}).one()
        if message.lease != one.lease or message.state is not MessageState.SENDING:
            return None
        if message.leased_until is None or now > message.leased_until - LEASE_LEFT:
            # Another worker may take it up before we are done; whoever does, begins anew.
            return None
        if message.handed_over_at is not None:
            handed_over, said, composed = True, None, None
        else:
            clinic = at_version(session, clinic_version)
            handed_over, said, composed = False, verdict(session, clinic, message, now), None
        channel: Channel = message.channel
        goes = not handed_over and not said
        shared = goes and sharing.is_shared(session, clinic, message, now)
        if goes and not shared and channel is not Channel.CALL:
            try:
                composed = compose(session, clinic, message)
            except NothingToSay:
                said = Drop("This contact has no upcoming visits.")
    if handed_over:
        _unsure(one, "The worker died while it was sent; a text isn't sent twice.")
    elif said:
        _obey(one, said)
    elif shared:
        return _composed_together(one)
    elif composed is None:
        _settle(one, MessageState.TO_CALL, "")
    elif channel is not Channel.TEXT or _handed_over(one):
        return one, channel, composed
    return None


def _composed_together(one: Claimed) -> tuple[Claimed, Channel, Composed] | None:
    """A message with what goes along with it, or that with which it goes along; None if it doesn't go now."""
    taken = run(lambda session: sharing.take(session, the_clinic(session), one.id, one.lease, clock.now()))
    if isinstance(taken, Wait):
        _wait(one, taken.until, "", counted=False)
        return None
    if taken is None:
        return None
    first, *along = (Claimed(number, one.lease) for number in taken)
    one = replace(first, along=tuple(along))
    with reading() as session:
        message = session.get_one(Message, one.id)
        channel: Channel = message.channel
        composed = compose(session, the_clinic(session), message)
    if channel is not Channel.TEXT or _handed_over(one):
        return one, channel, composed
    return None


def _handed_over(one: Claimed) -> bool:
    """Notes that a text goes now; from here on nobody can take it back. False if by now it may not go any more.

    Its number is locked meanwhile: of two workers with a text each for the same person, one sees the other's.
    """

    def action(session: Session) -> Verdict | bool:
        now = clock.now()
        message, _, clinic_version = session.execute(_MESSAGE, {"id": one.id}).one()
        lock_names(session, f"texts {message.address}")
        said = verdict(session, at_version(session, clinic_version), message, now)
        if said:
            return said
        if one.along and _dropped(session, at_version(session, clinic_version), one.along, now):
            # It was composed with what is no longer so: it is composed anew.
            return Wait(now)
        marked = session.connection().execute(_STILL_OURS, {"handed_over_at": now} | _whose(one))
        if marked.rowcount:
            for other in one.along:
                session.connection().execute(_STILL_OURS, {"handed_over_at": now} | _whose(other))
        return bool(marked.rowcount)

    said = run(action)
    if isinstance(said, Drop | Wait | OtherWay):
        # What it had taken along wasn't told by it.
        _obey(replace(one, along=()), said)
        _release(one)
        return False
    return bool(said)


def _dropped(session: Session, clinic: Clinic, claimed: Iterable[Claimed], now: datetime) -> bool:
    """Ends what isn't true or of use any more of these. Says whether there was any."""
    messages = session.scalars(select(Message).where(Message.id.in_([one.id for one in claimed]))).all()
    gone = [(one, said) for one in messages if isinstance(said := verdict(session, clinic, one, now), Drop)]
    for one, said in gone:
        one.state, one.last_error = MessageState.DROPPED, said.why
        one.lease = one.leased_until = None
    return bool(gone)


def _obey(one: Claimed, said: Drop | Wait | OtherWay) -> None:
    if isinstance(said, Drop):
        _settle(one, MessageState.DROPPED, said.why)
    elif isinstance(said, Wait):
        _wait(one, said.until, "It waits for the hours in which texts may go.", counted=False)
    else:
        _other_way(one, said.why)


def _mark(one: Claimed, channel: Channel, composed: Composed, delivered: Delivered) -> None:
    """Keeps what became of it. A mail of which nobody knows is sent again under the same Message-ID; a text isn't."""
    now = clock.now()
    if delivered.outcome in (Outcome.SENT, Outcome.SIMULATED):
        state = MessageState.SENT if delivered.outcome is Outcome.SENT else MessageState.SIMULATED
        sent = {"sent_at": now, "sent_text": composed.kept, "provider_id": delivered.provider_id}
        _settle(one, state, "", named=composed.named, **sent)
    elif delivered.outcome is Outcome.UNSURE and channel is Channel.TEXT:
        for each in (one, *one.along):
            _unsure(each, delivered.detail, sent_at=now, sent_text=composed.kept)
    elif delivered.outcome is Outcome.REFUSED:
        _other_way(
            one, delivered.detail, MessageState.DROPPED if channel is Channel.TEXT else MessageState.DEAD
        )
        _release(one)
    else:
        _try_again(one, delivered, now)
        _release(one)


def _try_again(one: Claimed, delivered: Delivered, now: datetime) -> None:
    """Later, with growing pauses, as long as it is of use; what the server declines itself, five times at the most."""
    with reading() as session:
        message = session.get_one(Message, one.id)
        attempts, not_after = message.attempts, message.not_after
    later = now + BACK_OFF[min(attempts, len(BACK_OFF)) - 1] * random.uniform(0.8, 1.2)
    if later > not_after:
        _other_way(one, f"Not delivered before it was too late. {delivered.detail}", MessageState.DEAD)
    elif delivered.outcome is Outcome.DECLINED and attempts >= TRIES:
        _other_way(one, delivered.detail, MessageState.DEAD)
    else:
        _wait(one, later, delivered.detail)


def _unsure(one: Claimed, why: str, **more: object) -> None:
    """Nobody knows whether the text arrived. It isn't sent again; a reminder goes another way as well."""
    _other_way(one, why, MessageState.UNSURE, **more)


def _other_way(one: Claimed, why: str, state: MessageState = MessageState.DROPPED, **more: object) -> None:
    """Ends a message that can't reach its person in this way, and lets what it told go another."""

    def action(session: Session) -> None:
        message = session.get_one(Message, one.id)
        if message.lease != one.lease:
            return
        ended_as = state
        if not let_go_another_way(session, message, clock.now()) and state is MessageState.DROPPED:
            # Nobody hears of it: somebody has to see that.
            ended_as = MessageState.DEAD
        ended = {"state": ended_as, "last_error": why[:500], "lease": None, "leased_until": None} | more
        session.connection().execute(_MARK, ended | _whose(one))

    run(action)


def let_go_another_way(session: Session, message: Message, now: datetime) -> bool:
    """Writes anew what a message couldn't tell, if there is another way: as a mail, or as a call. False if a plan's patient
    hears of it in none.
    """
    appointment = session.get(Appointment, message.appointment_id) if message.appointment_id else None
    if appointment is not None:
        another_way(session, appointment, message, now)
    elif plan := plans.plan_of(session, message):
        return plan_another_way(session, plan, message, now)
    elif message.kind == "links" and message.channel is Channel.TEXT:
        links_again.by_mail(session, message)
    return True


def _settle(
    one: Claimed, state: MessageState, why: str, *, named: tuple[int, ...] = (), **more: object
) -> None:
    """Ends a message. What went along with it was told by it, and ends with it. `named`: the visits of which it told."""
    ended: dict[str, object] = {"lease": None, "leased_until": None}
    told = ended | {
        "state": MessageState.DROPPED,
        "last_error": "Told in one message with others.",
        "settled_as": TOLD_TOGETHER,
        "settled_at": clock.now(),
        "sent_at": more.get("sent_at"),
        "sent_text": more.get("sent_text"),
    }

    def action(session: Session) -> None:
        mark = session.connection().execute
        if named:
            facts = session.get_one(Message, one.id).facts
            more["facts"] = facts | {notices.NAMED: list(named)}
        mark(_MARK, ended | {"state": state, "last_error": why[:500]} | more | _whose(one))
        for other in one.along:
            mark(_MARK, told | _whose(other))

    run(action)


def _release(one: Claimed) -> None:
    """Lets what went along with a message that didn't go, go by itself: not before that one, if it is tried again."""
    if not one.along:
        return

    def action(session: Session) -> None:
        message, now = session.get_one(Message, one.id), clock.now()
        due = max(message.due_at, now) if message.state is MessageState.QUEUED else now
        values = {"state": MessageState.QUEUED, "lease": None, "leased_until": None, "handed_over_at": None}
        for other in one.along:
            session.connection().execute(_MARK, values | {"due_at": due} | _whose(other))

    run(action)


def _wait(one: Claimed, until: datetime, why: str, *, counted: bool = True) -> None:
    values: dict[str, object] = {
        "state": MessageState.QUEUED,
        "due_at": until,
        "last_error": why[:500],
        "lease": None,
        "leased_until": None,
        "handed_over_at": None,
    }
    _write(one, values, _MARK if counted else _MARK.values(attempts=_messages.attempts - 1))


def _write(one: Claimed, values: dict[str, object], mark: Update = _MARK) -> None:
    """Marks a message, if it is still ours: a lease that ended may have passed to another worker."""

    def action(session: Session) -> None:
        session.connection().execute(mark, values | _whose(one))

    run(action)


def _whose(one: Claimed) -> dict[str, object]:
    return {"message_id": one.id, "our_lease": one.lease}
