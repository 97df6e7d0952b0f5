"""The first answer under a key is the only one.

Each form and each API call that changes something carries a key. Its first answer, a success or a refusal, is kept
for 24 hours and given again; a fault (a rollback, a dead database) keeps nothing, nor does what isn't there (NotFound), so
the same key may try again. Other content under a used key is refused.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import and_, bindparam, delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from booking import clock
from booking.errors import UNANSWERED, KeyReused, NotFound, Refusal
from booking.models import KeptAnswer
from booking.services import rows
from booking.services.transaction import reading, run

KEPT_FOR = timedelta(hours=24)

Answer = dict[str, Any]

# Every change asks this first, so it is put together once.
_SAME = and_(KeptAnswer.actor == bindparam("actor"), KeptAnswer.key == bindparam("key"))
_KEPT = select(KeptAnswer.content, KeptAnswer.refusal, KeptAnswer.answer, KeptAnswer.kept_at).where(_SAME)


class Kept(NamedTuple):
    """What a key was answered with."""

    content: str
    refusal: str | None
    answer: Answer
    kept_at: datetime

    @property
    def counts(self) -> bool:
        return self.kept_at > clock.now() - KEPT_FOR


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

    def first(give: Callable[[Session], Answer | Refusal]) -> Answer | Refusal:
        def answer(session: Session) -> Answer | Refusal:
            kept = _find(session, key)
            if kept and kept.counts:
                return _again(kept, key)
            if kept:
                session.execute(delete(KeptAnswer).where(_SAME), {"actor": key.actor, "key": key.key})
            given = give(session)
            rows.add_all(session, KeptAnswer, [_kept(key, given)])
            return given

        try:
            return run(answer)
        except IntegrityError:
            # The same key came twice at one moment, and the other one was quicker.
            with reading() as session:
                kept = _find(session, key)
            if kept is None:
                raise
            return _again(kept, key)

    try:
        found = first(action)
    except (NotFound, *UNANSWERED):
        # A fault, or nothing that is there to be answered for: whoever guesses links shall not fill our table.
        raise
    except Refusal as refusal:
        refused = on_refusal(refusal) if on_refusal else refusal
        found = first(lambda _: refused)
    if isinstance(found, Refusal):
        raise found
    return found


def given_before(key: Key) -> Answer | None:
    """What this key was answered with, if it was. Raises what it was refused with; KeyReused for other content."""
    with reading() as session:
        kept = _find(session, key)
    found = _again(kept, key) if kept and kept.counts else None
    if isinstance(found, Refusal):
        raise found
    return found


def answer_to(actor: str, key: str) -> Answer | None:
    """What this key was answered with, if that was a success: for a form that comes back by the back button."""
    with reading() as session:
        kept = _find(session, Key.of(actor, key, None))
        return None if kept is None or kept.refusal or not kept.counts else kept.answer


def forget_old_answers(session: Session) -> None:
    session.execute(delete(KeptAnswer).where(KeptAnswer.kept_at < clock.now() - KEPT_FOR))


def _again(kept: Kept, key: Key) -> Answer | Refusal:
    if kept.content != key.content:
        return KeyReused()
    return Refusal.again(kept.refusal, kept.answer) if kept.refusal else kept.answer


def _find(session: Session, key: Key) -> Kept | None:
    row = session.connection().execute(_KEPT, {"actor": key.actor, "key": key.key}).one_or_none()
    return None if row is None else Kept(*row)


def _kept(key: Key, given: Answer | Refusal) -> rows.Row:
    refusal, answer = (given.code, given.facts) if isinstance(given, Refusal) else (None, given)
    return vars(key) | {"refusal": refusal, "answer": answer, "kept_at": clock.now()}
