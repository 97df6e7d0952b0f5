"""Texts that people send us. STOP, START and HELP are honoured at once; everything else is kept for the desk."""

import re
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking import clock
from booking.models import Channel, InboundText, Message, MessageState, OptOut
from booking.services import notices
from booking.services.transaction import run

# The carriers' words, and what people write in their own.
_STOP = re.compile(
    r"\W*(stop|stopall|unsubscribe|cancel|end|quit|revoke|optout|opt[ -]out|remove me|no more( texts?| messages?)?"
    r"|(please )?(stop|quit|don'?t|do not) (texting|text|messaging|sending)\b.*|leave me alone)\W*",
    re.IGNORECASE | re.DOTALL,
)
_START = re.compile(r"\W*(start|unstop|yes)\W*", re.IGNORECASE)
_HELP = re.compile(r"\W*(help|info)\W*", re.IGNORECASE)

USEFUL_FOR = timedelta(hours=4)
ANSWERED_ONCE_IN = timedelta(hours=24)


def receive(phone: str, words: str, provider_id: str) -> str:
    """Keeps a text, once per provider's id, and does what it says. Returns what it was taken for."""
    return run(lambda session: _receive(session, phone, words, provider_id))


def opt_out(session: Session, phone: str, words: str) -> None:
    """No more texts to this number: in this transaction, also for what is queued."""
    if session.get(OptOut, phone) is None:
        session.add(OptOut(phone=phone, at=clock.now(), words=words[:160]))
    for message in session.scalars(
        select(Message).where(
            Message.address == phone, Message.channel == Channel.TEXT, Message.state == MessageState.QUEUED
        )
    ):
        message.state, message.last_error = MessageState.DROPPED, "This number wants no texts."


def _receive(session: Session, phone: str, words: str, provider_id: str) -> str:
    known = session.scalar(select(InboundText).where(InboundText.provider_id == provider_id))
    if known is not None:
        return known.taken_for
    taken_for = _meaning(words)
    now = clock.now()
    answered = session.scalar(
        select(InboundText.id)
        .where(
            InboundText.phone == phone,
            InboundText.taken_for == taken_for,
            InboundText.received_at > now - ANSWERED_ONCE_IN,
        )
        .limit(1)
    )
    session.add(
        InboundText(phone=phone, words=words, provider_id=provider_id, taken_for=taken_for, received_at=now)
    )
    if taken_for == "stop":
        opt_out(session, phone, words)
    elif taken_for == "start":
        left = session.get(OptOut, phone)
        if left is not None:
            session.delete(left)
    # STOP is confirmed by the carrier; what else came is answered once a day, so two machines never talk for ever.
    if taken_for in ("help", "message") and answered is None and session.get(OptOut, phone) is None:
        notices.text_answer(session, f"text-{taken_for}", phone, now, now + USEFUL_FOR)
    return taken_for


def _meaning(words: str) -> str:
    for meaning, pattern in (("stop", _STOP), ("start", _START), ("help", _HELP)):
        if pattern.fullmatch(words):
            return meaning
    return "message"
