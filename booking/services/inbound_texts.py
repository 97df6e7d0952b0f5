"""Texts that people send us. STOP, START and HELP are honoured at once; everything else is kept for the desk."""

import re
import unicodedata
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking import clock
from booking.models import InboundText, OptOut
from booking.services import notices
from booking.services.transaction import run

# The carriers' words alone, and what people write in their own: any of it ends texts, in a short message. Whoever ends
# them by mistake loses nothing but the texts, for reminders then come in another way.
_STOP = re.compile(
    r"(stopall|unsubscribe|cancel|end|quit|revoke|optout)"
    r"|(please |pls |just )?stop( (all|it|please|this|these|the|texts?|texting|messages?|messaging|sending|contacting|now|thanks"
    r"|thank|you|me|to|us))*"
    r"|wrong number\b.*"
    r"|.*\b(unsubscribe|opt me out|opt out|remove me|take me off|no more|leave me alone)\b.*"
    r"|.*\b(don'?t|do not|quit) (text|texting|message|messaging|send|sending|contact)\b.*"
)
_LONGEST_STOP = 60
_START = re.compile(r"(start|unstop|yes)")
_HELP = re.compile(r"(help|info)")

USEFUL_FOR = timedelta(hours=4)
ANSWERED_ONCE_IN = timedelta(hours=24)


def receive(phone: str, words: str, provider_id: str) -> str:
    """Keeps a text, once per provider's id, and does what it says. Returns what it was taken for."""
    # What no database takes, and no telephone sends.
    words = "".join(
        letter for letter in words if unicodedata.category(letter) not in ("Cc", "Cs") or letter == "\n"
    )
    return run(lambda session: _receive(session, phone, words, provider_id))


def opt_out(session: Session, phone: str, words: str) -> None:
    """No more texts to this number, from this transaction on.

    What is queued stays: when its turn comes the worker sees that no text may go, and it goes by mail or on the list of
    calls, so that nobody loses a reminder by saying STOP.
    """
    if session.get(OptOut, phone) is None:
        session.add(OptOut(phone=phone, at=clock.now(), words=words[:160]))


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
    """stop, start, help, or message for everything else."""
    plain = unicodedata.normalize("NFKC", words).replace("’", "'").casefold()
    plain = " ".join(re.sub(r"[^\w' ]+", " ", plain).split())
    if len(plain) <= _LONGEST_STOP and _STOP.fullmatch(plain):
        return "stop"
    for meaning, pattern in (("start", _START), ("help", _HELP)):
        if pattern.fullmatch(plain):
            return meaning
    return "message"
