"""What the desk does about messages: send one again, send it another way, take one back, and note what was seen to.

A message goes again only if what it tells is still so, under the next number; the worker sends it like any other.
"""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking import clock
from booking.errors import AlreadyGone, NotFound, NothingToSend
from booking.models import (
    Appointment,
    Channel,
    InboundText,
    Message,
    MessageState,
    OptOut,
    TextConsent,
)
from booking.scheduling.status import Status
from booking.services import notices
from booking.services.idempotency import Answer, Key, once
from booking.services.staff import audit
from booking.services.staff.ownership import appointment_of
from booking.services.staff.who import Who

# What a patient is told about a visit, and what may be told again.
KINDS = ("confirmation", "change", "cancellation")
_SEEN = "seen to"
_ON_THEIR_WAY = (MessageState.QUEUED, MessageState.SENDING, MessageState.TO_CALL)
_WANT_EYES = (MessageState.DEAD, MessageState.UNSURE, MessageState.TO_CALL)


def resend(who: Who, message_id: int, channel: Channel | None = None, *, key: str) -> None:
    """Sends a message once more, by its own channel or another one, to the visit's contact as it is now.

    By telephone means: on the list of calls. Raises NothingToSend, NotFound, KeyReused.
    """

    def action(session: Session) -> Answer:
        now = clock.now()
        message, appointment = _of_visit(session, who, message_id)
        way = channel or message.channel
        because = _why_not(session, message, appointment, way, now)
        if because:
            raise NothingToSend(because=because)
        notices.sent_again(session, appointment, message, way, now)
        if message.state in (MessageState.DEAD, MessageState.UNSURE) and message.settled_at is None:
            message.settled_at, message.settled_as, message.settled_by = now, notices.SENT_AGAIN, who.name
        _note(session, who, notices.SENT_AGAIN, message, appointment, channel=way.value)
        return {}

    once(Key.of(who.key, key, ["resend", message_id, channel]), action)


def take_back(who: Who, message_id: int, *, key: str) -> None:
    """Keeps a message that waits from going. Twice is a quiet success. Raises AlreadyGone, NotFound, KeyReused."""

    def action(session: Session) -> Answer:
        message, appointment = _of_visit(session, who, message_id)
        if message.state is MessageState.DROPPED and message.settled_by:
            return {}
        if message.state is not MessageState.QUEUED:
            raise AlreadyGone(state=message.state.value)
        message.state, message.last_error = MessageState.DROPPED, "Taken back by the desk."
        message.settled_at, message.settled_as, message.settled_by = clock.now(), "taken back", who.name
        _note(session, who, "took message back", message, appointment)
        return {}

    once(Key.of(who.key, key, ["take back", message_id]), action)


def settle(who: Who, message_id: int, *, key: str) -> None:
    """Takes a message that failed off the lists: somebody has seen to it. Twice is a quiet success. One that is about
    no visit, such as an invitation, is for whoever looks after all patients.

    Raises NotFound, KeyReused.
    """

    def action(session: Session) -> Answer:
        message, appointment = session.get(Message, message_id), None
        if message is None or message.appointment_id is not None or not who.sees_everybody:
            message, appointment = _of_visit(session, who, message_id)
        if message.state in _WANT_EYES and message.settled_at is None:
            message.settled_at, message.settled_as, message.settled_by = clock.now(), _SEEN, who.name
            _note(session, who, "settled message", message, appointment)
        return {}

    once(Key.of(who.key, key, ["settle message", message_id]), action)


def settle_text(who: Who, text_id: int, *, key: str) -> None:
    """Takes a text that somebody sent us off the list: it was read. Raises NotFound, KeyReused."""

    def action(session: Session) -> Answer:
        text = session.scalar(select(InboundText).where(InboundText.id == text_id).with_for_update())
        if text is None or not who.sees_everybody:
            raise NotFound
        if text.settled_at is None:
            text.settled_at = clock.now()
            audit.did(session, who, "settled text", f"text/{text_id}")
        return {}

    once(Key.of(who.key, key, ["settle text", text_id]), action)


def may_go_again(message: Message, appointment: Appointment, now: datetime) -> bool:
    """Whether what a message tells is still so and of use, and it doesn't wait already."""
    waits = message.state in (MessageState.QUEUED, MessageState.SENDING)
    return not waits and not _untrue(message, appointment) and now <= message.not_after


def _of_visit(session: Session, who: Who, message_id: int) -> tuple[Message, Appointment]:
    """A message to a patient and its visit, both locked, if `who` may see it. Raises NotFound."""
    appointment = appointment_of(session, who, Message, message_id, for_update=True)
    message = session.scalars(select(Message).where(Message.id == message_id).with_for_update()).one()
    return message, appointment


def _why_not(
    session: Session, message: Message, appointment: Appointment, way: Channel, now: datetime
) -> str:
    if _untrue(message, appointment) or message.state in (MessageState.QUEUED, MessageState.SENDING):
        return "untrue"
    if now > message.not_after:
        return "late"
    if not (appointment.email if way is Channel.EMAIL else appointment.phone):
        return "contact"
    if way is Channel.TEXT:
        if session.get(OptOut, appointment.phone) is not None:
            return "stop"
        consent = select(TextConsent.id).where(TextConsent.phone == appointment.phone)
        if session.scalar(consent.limit(1)) is None:
            return "consent"
    same = select(Message.id).where(
        Message.appointment_id == appointment.id,
        Message.kind == message.kind,
        Message.sequence == message.sequence,
        Message.channel == way,
        Message.state.in_(_ON_THEIR_WAY),
        Message.settled_at.is_(None),
    )
    # Somebody at another desk has just sent it: the patient is told once.
    return "" if session.scalar(same.limit(1)) is None else "waits"


def _untrue(message: Message, appointment: Appointment) -> bool:
    """Whether a message tells of what isn't so any more, or isn't meant for the patient; or it is about the other visits of a plan
    as well, of which its own has only carried the call.
    """
    of_visits = message.kind in KINDS or message.kind.startswith("reminder-")
    if not of_visits or notices.PLAN in message.facts:
        return True
    wanted = Status.CANCELLED if message.kind == "cancellation" else Status.BOOKED
    return message.sequence != appointment.sequence or appointment.status is not wanted


def _note(
    session: Session, who: Who, what: str, message: Message, appointment: Appointment | None, **facts: object
) -> None:
    patient_id = appointment.patient_id if appointment else None
    audit.did(session, who, what, f"message/{message.id}", patient_id, kind=message.kind, **facts)
