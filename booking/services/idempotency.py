"""The first answer under a key is the only one.

Each form and each API call that changes something carries a key. Its first answer, a success or a refusal, is kept
for 24 hours and given again; a fault (a rollback, a dead database) keeps nothing, so the same key may try again.
Other content under a used key is refused.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from booking import clock
from booking.errors import Busy, KeyReused, NotFound, Refusal
from booking.models import KeptAnswer
from booking.services.transaction import reading, run, transaction

KEPT_FOR = timedelta(hours=24)

Answer = dict[str, Any]


@dataclass(frozen=True)
class Key:
    """A key, whose it is, and a digest of the content that came with it."""

    actor: str
    key: str
    content: str

    @classmethod
    def of(cls, actor: str, key: str, content: Any) -> "Key":
        words = json.dumps(content, sort_keys=True, default=str, ensure_ascii=False)
        return cls(actor[:80], key[:80], hashlib.sha256(words.encode()).hexdigest())


def once(
    key: Key, action: Callable[[Session], Answer], *, on_refusal: Callable[[Refusal], Refusal] | None = None
) -> Answer:
    """Runs `action` in one transaction unless this key has an answer already, and keeps its answer.

    `action` returns plain values without secrets. `on_refusal` may add facts to a refusal before it is kept.
    Raises the refusal, now and each time the key comes again; KeyReused for other content.
    """

    def answer(session: Session) -> Answer | Refusal:
        if kept := _find(session, key):
            return _again(kept, key)
        given = action(session)
        session.add(_kept(key, None, given))
        return given

    try:
        first = run(answer)
    except IntegrityError:
        # The same key came twice at one moment, and the other one was quicker.
        kept_meanwhile = _kept_meanwhile(key)
        if kept_meanwhile is None:
            raise
        first = kept_meanwhile
    except (Busy, NotFound):
        # A fault, or nothing that is there to be answered for: whoever guesses links shall not fill our table.
        raise
    except Refusal as refusal:
        first = _keep(key, on_refusal(refusal) if on_refusal else refusal)
    if isinstance(first, Refusal):
        raise first
    return first


def answer_to(actor: str, key: str) -> Answer | None:
    """What this key was answered with, if that was a success: for a form that comes back by the back button."""
    with reading() as session:
        kept = session.get(KeptAnswer, (actor[:80], key[:80]))
        return None if kept is None or kept.refusal else kept.answer


def forget_old_answers(session: Session) -> None:
    session.execute(delete(KeptAnswer).where(KeptAnswer.kept_at < clock.now() - KEPT_FOR))


def _again(kept: KeptAnswer, key: Key) -> Answer | Refusal:
    if kept.content != key.content:
        return KeyReused()
    return Refusal.again(kept.refusal, kept.answer) if kept.refusal else kept.answer


def _keep(key: Key, refusal: Refusal) -> Answer | Refusal:
    try:
        with transaction() as session:
            if kept := _find(session, key):
                return _again(kept, key)
            session.add(_kept(key, refusal.code, refusal.facts))
    except IntegrityError:
        return _kept_meanwhile(key) or refusal
    return refusal


def _kept_meanwhile(key: Key) -> Answer | Refusal | None:
    with reading() as session:
        kept = session.get(KeptAnswer, (key.actor, key.key))
        return None if kept is None else _again(kept, key)


def _find(session: Session, key: Key) -> KeptAnswer | None:
    """The answer that still counts; one that is too old is removed to make room for the next."""
    kept = session.get(KeptAnswer, (key.actor, key.key))
    if kept is not None and kept.kept_at <= clock.now() - KEPT_FOR:
        session.delete(kept)
        session.flush()
        return None
    return kept


def _kept(key: Key, refusal: str | None, answer: Answer) -> KeptAnswer:
    return KeptAnswer(
        actor=key.actor, key=key.key, content=key.content, refusal=refusal, answer=answer, kept_at=clock.now()
    )
