"""Sign-ins: which browser is whose, until when, and whether its screen is locked. Asked at each request.

A full sign-in lasts a shift. After some minutes without a key, a tap or a form the screen locks: nothing of a patient is
shown until the same person opens it again. What a page asks for by itself doesn't keep it open.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, bindparam, select, update
from sqlalchemy.orm import Session

from booking import clock
from booking.errors import NotFound, WrongPin
from booking.models import Role, SignIn, StaffAccount
from booking.services import rows
from booking.services.lookup import Lookup
from booking.services.staff import audit, library
from booking.services.staff.who import Who
from booking.services.transaction import reading, run

SHIFT = timedelta(hours=12)
LOCKS_AFTER = timedelta(minutes=15)
LOCKS_AFTER_ON_A_PHONE = timedelta(minutes=5)
PIN_TRIES = 5
# Activity is written down this often at the most; pages tell of it once a minute.
_NOTED_EVERY = timedelta(seconds=45)
# How long ago a sign-in may have ended and still stand in the list.
_LISTED_FOR = timedelta(days=30)


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
    active_at: datetime | None = None
    # Their password is too short to be enough, and there is no second factor yet.
    lacks_second_factor: bool = False


@dataclass(frozen=True)
class Listed:
    """A sign-in as a page shows it."""

    number: int
    name: str
    made_at: datetime
    active_at: datetime
    address: str
    browser: str
    open: bool
    this_one: bool


# Asked by each request of staff.
_FIND = Lookup(
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
        StaffAccount.needs_second_factor,
        StaffAccount.tf_totp_secret,
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
        name = session.scalar(select(StaffAccount.name).where(StaffAccount.id == account_id)) or ""
        audit.did(session, Who(account_id, name, frozenset(), address=address[:64]), "signed in")

    run(action)
    return secret


def find(secret: str, *, address: str) -> Signed | None:
    """The sign-in of this secret, or None if it has ended, was revoked or never was."""
    now = clock.now()
    row = _FIND(mark=_mark(secret))
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
            address=address[:64],
        ),
        email=row.email,
        shortcuts=row.shortcuts,
        has_pin=row.pin is not None,
        locked=row.locked_at is not None or now - row.active_at >= locks_after,
        ends_at=row.ends_at,
        locks_after=locks_after,
        active_at=row.active_at,
        lacks_second_factor=row.needs_second_factor and row.tf_totp_secret is None,
    )


def whose_shift_is_over(secret: str) -> int | None:
    """The account of a sign-in that ended by itself, at the end of a shift: what is typed there is kept for them."""
    row = _FIND(mark=_mark(secret))
    return None if row is None or clock.now() < row.ends_at else int(row.account_id)


def note_activity(signed: Signed) -> None:
    """Keeps the screen open: somebody pressed a key, tapped, or sent a form."""
    now = clock.now()
    if signed.locked or (signed.active_at is not None and now - signed.active_at < _NOTED_EVERY):
        return
    run(
        lambda session: _change(
            session,
            SignIn.id == signed.who.sign_in_id,
            # Not once it is locked: another window may have done that a moment ago.
            SignIn.locked_at.is_(None) & (SignIn.active_at > now - signed.locks_after),
            active_at=now,
        )
    )


def lock(who: Who) -> None:
    """Locks this screen now."""
    now = clock.now()

    def action(session: Session) -> None:
        if _change(session, SignIn.id == who.sign_in_id, SignIn.locked_at.is_(None), locked_at=now):
            audit.did(session, who, "locked")

    run(action)


def unlock(signed: Signed, pin: str) -> None:
    """Opens the screen again for the person whose sign-in it is.

    Raises WrongPin with how many tries are `left`; at 0 the sign-in has ended, and the password is asked for. A try is
    counted before it is looked at, so that many at one moment are not more than five.
    """
    who = signed.who

    def count(session: Session) -> str | None:
        if not _change(
            session,
            SignIn.id == who.sign_in_id,
            SignIn.wrong_pins < PIN_TRIES,
            wrong_pins=SignIn.wrong_pins + 1,
        ):
            return None
        return session.scalar(select(StaffAccount.pin).where(StaffAccount.id == who.account_id))

    right = library.matches(pin, run(count))

    def settle(session: Session) -> int:
        now = clock.now()
        if right:
            _change(session, SignIn.id == who.sign_in_id, None, locked_at=None, active_at=now, wrong_pins=0)
            audit.did(session, who, "unlocked")
            return 0
        audit.did(session, who, "wrong pin")
        wrong = session.scalar(select(SignIn.wrong_pins).where(SignIn.id == who.sign_in_id)) or 0
        if wrong >= PIN_TRIES:
            _change(session, SignIn.id == who.sign_in_id, None, ended_at=now)
        return PIN_TRIES - wrong

    left = run(settle)
    if not right:
        raise WrongPin(left=max(0, left))


def sign_out(who: Who) -> None:
    def action(session: Session) -> None:
        _change(session, SignIn.id == who.sign_in_id, None, ended_at=clock.now())
        audit.did(session, who, "signed out")

    run(action)


def listed(who: Who) -> list[Listed]:
    """Those that count or ended lately, newest first: everybody's for owners and managers, else one's own."""
    now = clock.now()
    wanted = (
        select(SignIn, StaffAccount.name, StaffAccount.active)
        .join(StaffAccount, StaffAccount.id == SignIn.account_id)
        .where(SignIn.made_at > now - _LISTED_FOR)
        .order_by(SignIn.made_at.desc(), SignIn.id.desc())
        .limit(200)
    )
    if not _looks_after_accounts(who):
        wanted = wanted.where(SignIn.account_id == who.account_id)
    with reading() as session:
        found = session.execute(wanted).all()
    return [
        Listed(
            number=row.id,
            name=name,
            made_at=row.made_at,
            active_at=row.active_at,
            address=row.address,
            browser=row.browser,
            open=active and row.ended_at is None and now < row.ends_at,
            this_one=row.id == who.sign_in_id,
        )
        for row, name, active in found
    ]


def end(who: Who, number: int) -> None:
    """Ends a sign-in: one's own, or, by owners and managers, anybody's; an owner's by owners only. Raises NotFound."""

    def action(session: Session) -> None:
        owner = session.execute(
            select(StaffAccount.id, StaffAccount.role_names)
            .join(SignIn, SignIn.account_id == StaffAccount.id)
            .where(SignIn.id == number)
        ).one_or_none()
        if owner is None or not (owner.id == who.account_id or may_touch(who, owner.role_names)):
            raise NotFound
        _change(session, SignIn.id == number, SignIn.ended_at.is_(None), ended_at=clock.now())
        audit.did(session, who, "ended sign-in", f"account/{owner.id}")

    run(action)


def end_all(session: Session, account_id: int, *, but: int = 0) -> None:
    """Ends all sign-ins of an account, but perhaps the one from which this is done. Part of a use case."""
    which = (SignIn.account_id == account_id) & (SignIn.id != but)
    _change(session, which, SignIn.ended_at.is_(None), ended_at=clock.now())


def may_touch(who: Who, role_names: list[str]) -> bool:
    """Whether `who` may change an account with these roles: owners any, managers all but owners'."""
    if Role.OWNER in who.roles:
        return True
    return Role.MANAGER in who.roles and str(Role.OWNER) not in role_names


def _looks_after_accounts(who: Who) -> bool:
    return bool(who.roles & {Role.OWNER, Role.MANAGER})


def _change(
    session: Session, which: ColumnElement[bool], only_if: ColumnElement[bool] | None, **values: object
) -> bool:
    """Whether there was one to change."""
    statement = update(SignIn).where(which).values(**values).execution_options(synchronize_session=False)
    done = session.execute(statement if only_if is None else statement.where(only_if))
    return bool(done.rowcount)  # type: ignore[attr-defined]


def _mark(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
