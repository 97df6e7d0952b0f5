"""Sign-ins: which browser is whose, until when, and whether its screen is locked. Asked at each request.

A full sign-in lasts a shift. After some minutes without a key, a tap or a form the screen locks: nothing of a patient is
shown until the same person opens it again. What a page asks for by itself doesn't keep it open.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from booking import clock
from booking.models import Role, SignIn, StaffAccount
from booking.services import rows
from booking.services.staff.who import Who
from booking.services.transaction import reading, run

SHIFT = timedelta(hours=12)
LOCKS_AFTER = timedelta(minutes=15)
LOCKS_AFTER_ON_A_PHONE = timedelta(minutes=5)
# Activity is written down once a minute at the most.
_NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True)
class Signed:
    """A sign-in that counts, and whose it is. While `locked`, nobody is shown anything."""

    who: Who
    email: str
    shortcuts: bool
    has_pin: bool
    locked: bool
    ends_at: datetime
    locks_after: timedelta


_FIND = (
    select(
        SignIn.id,
        SignIn.active_at,
        SignIn.ends_at,
        SignIn.locked_at,
        SignIn.phone,
        StaffAccount.id.label("account_id"),
        StaffAccount.name,
        StaffAccount.email,
        StaffAccount.role_names,
        StaffAccount.practitioner_id,
        StaffAccount.shortcuts,
        StaffAccount.pin,
    )
    .join(StaffAccount, StaffAccount.id == SignIn.account_id)
    .where(SignIn.mark == bindparam("mark"), SignIn.ended_at.is_(None), StaffAccount.active)
)


def begin(account_id: int, *, address: str, browser: str, phone: bool) -> str:
    """A new sign-in of this account. Returns the secret that the browser keeps."""
    secret = secrets.token_urlsafe(32)

    def action(session: Session) -> None:
        now = clock.now()
        row = {
            "account_id": account_id,
            "mark": _mark(secret),
            "made_at": now,
            "active_at": now,
            "ends_at": now + SHIFT,
            "phone": phone,
            "address": address[:64],
            "browser": browser[:200],
        }
        rows.add_all(session, SignIn, [row])

    run(action)
    return secret


def find(secret: str, *, address: str) -> Signed | None:
    """The sign-in of this secret, or None if it has ended, was revoked or never was."""
    now = clock.now()
    with reading() as session:
        row = session.connection().execute(_FIND, {"mark": _mark(secret)}).one_or_none()
    if row is None or now >= row.ends_at:
        return None
    locks_after = LOCKS_AFTER_ON_A_PHONE if row.phone else LOCKS_AFTER
    return Signed(
        who=Who(
            account_id=row.account_id,
            name=row.name,
            roles=frozenset(Role(name) for name in row.role_names),
            practitioner_id=row.practitioner_id,
            sign_in_id=row.id,
            address=address,
        ),
        email=row.email,
        shortcuts=row.shortcuts,
        has_pin=row.pin is not None,
        locked=row.locked_at is not None or now - row.active_at >= locks_after,
        ends_at=row.ends_at,
        locks_after=locks_after,
    )


def note_activity(signed: Signed) -> None:
    """Keeps the screen open: somebody pressed a key, tapped, or sent a form."""
    now = clock.now()

    def action(session: Session) -> None:
        session.execute(
            update(SignIn)
            .where(SignIn.id == signed.who.sign_in_id, SignIn.active_at < now - _NOTED_EVERY)
            .values(active_at=now)
            .execution_options(synchronize_session=False)
        )

    with reading() as session:
        seen = session.scalar(select(SignIn.active_at).where(SignIn.id == signed.who.sign_in_id))
    if seen is not None and seen < now - _NOTED_EVERY:
        run(action)


def _mark(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
