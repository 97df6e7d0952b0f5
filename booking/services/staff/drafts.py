"""What somebody was typing when their screen locked, or something else had to be done first: kept for that person only,
for a shift.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qsl, urlsplit

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from booking import clock
from booking.errors import NotFound
from booking.models import Draft
from booking.services import rows
from booking.services.staff.sign_ins import SHIFT
from booking.services.transaction import lock_names, reading, run

MOST_FIELDS = 200
MOST_LETTERS = 20_000
MOST_DRAFTS = 20
LONGEST_PATH = 1000
# Whatever a form calls a secret, such as the old password, and what belongs to one sending only: as a name, or a part of
# one between underscores, as in `new_pin`. Other names may have the same letters: `told`, `dose-cupping`.
_NEVER_KEPT = {"password", "pin", "code", "secret", "old", "csrf", "draft"}
# By these a form is told from others at its address: about another patient, or in another window.
_ITS_OWN = {"patient", "new", "key"}
# What says nothing of what was typed.
_OF_ONE_SENDING = {"key", "version", "next"}

Fields = list[list[str]]


@dataclass(frozen=True)
class Kept:
    """A form as it was: where it goes, the page with it as far as that is known, and what stands in it."""

    number: int
    path: str
    page: str
    fields: Fields
    kept_at: datetime

    @property
    def asks(self) -> bool:
        """Whether the form only asks: then the address that it leads to says all that stands in it."""
        return parse_qsl(urlsplit(self.path).query, keep_blank_values=True) == [
            (name, value) for name, value in self.fields
        ]

    @property
    def seeks(self) -> bool:
        """Whether somebody was looked for: nothing is sent then, and the words alone are kept."""
        names = {name for name, _ in self.fields}
        return "q" in names and "key" not in names


def keep(account_id: int, path: str, fields: Iterable[tuple[str, str]], *, page: str = "") -> int | None:
    """Keeps a form instead of what was kept of the same form before, beside those of others at its address; returns its
    number. What is absurdly long isn't kept.
    """
    kept = [[name[:200], value] for name, value in fields if not _NEVER_KEPT & set(name.lower().split("_"))]
    too_much = len(kept) > MOST_FIELDS or sum(len(value) for _, value in kept) > MOST_LETTERS
    if too_much or not kept or len(path) > LONGEST_PATH or not path.startswith("/"):
        return None

    def action(session: Session) -> int:
        now = clock.now()
        lock_names(session, f"drafts {account_id}")
        at_its_address = select(Draft).where(Draft.account_id == account_id, Draft.path == path)
        before = [one.id for one in session.scalars(at_its_address) if _is_same(one.fields, kept)]
        session.execute(delete(Draft).where(Draft.id.in_(before)))
        session.execute(delete(Draft).where(Draft.kept_at < now - SHIFT))
        newest = select(Draft.id).where(Draft.account_id == account_id).order_by(Draft.kept_at.desc())
        old = session.scalars(newest.offset(MOST_DRAFTS - 1).limit(100)).all()
        session.execute(delete(Draft).where(Draft.id.in_(old)))
        where = page if len(page) <= LONGEST_PATH else ""
        row = Draft(account_id=account_id, path=path, page=where or None, fields=kept, kept_at=now)
        rows.add(session, row)
        return row.id

    return run(action)


def _is_same(one: Fields, other: Fields) -> bool:
    """Whether it is one form; or the same words, sent and kept by their page at one moment."""

    def own(fields: Fields) -> Fields:
        return sorted(pair for pair in fields if pair[0] in _ITS_OWN)

    def words(fields: Fields) -> Fields:
        return sorted(pair for pair in fields if pair[0] not in _OF_ONE_SENDING)

    return own(one) == own(other) or words(one) == words(other)


def of(account_id: int) -> list[Kept]:
    """What is kept for this person, newest first."""
    wanted = (
        select(Draft)
        .where(Draft.account_id == account_id, Draft.kept_at >= clock.now() - SHIFT)
        .order_by(Draft.kept_at.desc(), Draft.id.desc())
    )
    with reading() as session:
        return [
            Kept(row.id, row.path, row.page or "", row.fields, row.kept_at) for row in session.scalars(wanted)
        ]


def forget(account_id: int, number: int) -> None:
    """Raises NotFound for one that isn't there, or is somebody else's."""

    def action(session: Session) -> None:
        gone = session.execute(delete(Draft).where(Draft.id == number, Draft.account_id == account_id))
        if not gone.rowcount:  # type: ignore[attr-defined]
            raise NotFound

    run(action)
