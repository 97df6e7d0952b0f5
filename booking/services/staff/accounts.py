"""Accounts of the staff, as owners, managers and operators look after them: invited, changed, ended.

An owner may do all of it; a manager may neither touch nor make an owner. Whom one may not touch isn't there: NotFound.
"""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking import clock
from booking.errors import AddressTaken, LastOwner, LinkEnded, NotFound
from booking.models import Practitioner, Role, StaffAccount
from booking.services.staff import audit, letters, library, passwords, sign_ins
from booking.services.staff.who import Who
from booking.services.transaction import lock_names, reading, run

# Whoever has a terminal on the server.
OPERATOR = Who(0, "operator", frozenset({Role.OWNER}))


@dataclass(frozen=True)
class Account:
    """An account as a page shows it. `invited`: there is an invitation that nobody has accepted yet."""

    number: int
    name: str
    email: str
    roles: tuple[Role, ...]
    practitioner: str | None
    active: bool
    invited: bool
    second_factor: bool
    may_be_changed: bool


@dataclass(frozen=True)
class Invited:
    number: int
    link: str


@dataclass(frozen=True)
class Invitation:
    """An invitation that is open: for whom, and until when."""

    number: int
    email: str
    name: str
    ends_at: datetime


def listed(who: Who) -> list[Account]:
    """All accounts, those that are open first."""
    with reading() as session:
        found = session.execute(_WITH_PRACTITIONER.order_by(StaffAccount.active.desc(), StaffAccount.name))
        return [_shown(who, account, slug) for account, slug in found]


def one(who: Who, number: int) -> Account:
    """Raises NotFound."""
    with reading() as session:
        row = session.execute(_WITH_PRACTITIONER.where(StaffAccount.id == number)).one_or_none()
    if row is None or not sign_ins.may_touch(who, row[0].role_names):
        raise NotFound
    return _shown(who, *row)


def invite(
    who: Who, email: str, roles: Iterable[Role], *, name: str = "", practitioner: str | None = None
) -> Invited:
    """Makes an account that nobody can sign in to yet, and writes to the address. Again, while nobody accepted it.

    Raises AddressTaken where somebody has that account, NotFound for an unknown practitioner or a role not to be given.
    """
    email, names = email.strip().lower(), _given(who, roles)

    def action(session: Session) -> Invited:
        lock_names(session, f"account {email}")
        account = session.scalar(select(StaffAccount).where(StaffAccount.email == email).with_for_update())
        if account is None:
            account = StaffAccount(
                email=email,
                name=name or email.partition("@")[0],
                fs_uniquifier=secrets.token_hex(16),
                created_at=clock.now(),
            )
            session.add(account)
        elif account.password is not None or not sign_ins.may_touch(who, account.role_names):
            raise AddressTaken
        account.name = name or account.name
        account.role_names = names
        account.practitioner_id = _practitioner(session, practitioner)
        account.active = True
        session.flush()
        return _invited(session, who, account)

    return run(action)


def invite_again(who: Who, number: int) -> Invited:
    """A new link; the one before ends. Raises NotFound where nobody waits for one."""

    def action(session: Session) -> Invited:
        account = _locked(session, who, number)
        if account.password is not None or not account.active:
            raise NotFound
        return _invited(session, who, account)

    return run(action)


def invitation(mark: str) -> Invitation:
    """Raises LinkEnded for one that was accepted, replaced, is older than seven days, or never was."""
    with reading() as session:
        account = _by_mark(session, mark)
        assert account.invited_at is not None
        return Invitation(account.id, account.email, account.name, account.invited_at + letters.INVITED_FOR)


def accept(
    mark: str, *, name: str, password: str, pin: str, second_factor: bool = False, address: str = ""
) -> int:
    """Makes the account its owner's, by an invitation, which is used up. Returns its number.

    With `second_factor`, eight letters are enough, and the codes have to be set up next.
    Raises LinkEnded, PasswordTooWeak, PinTooWeak.
    """
    with reading() as session:
        account = _by_mark(session, mark)
    account.name = name
    passwords.check_password(password, account, second_factor=second_factor)
    passwords.check_pin(pin)
    hashed, hashed_pin = library.hashed(password), library.hashed(pin)

    def action(session: Session) -> int:
        kept = _by_mark(session, mark, for_update=True)
        kept.name, kept.password, kept.pin = name, hashed, hashed_pin
        kept.needs_second_factor = second_factor
        kept.invitation = None
        kept.fs_uniquifier = secrets.token_hex(16)
        who = Who(kept.id, name, frozenset(), address=address[:64])
        audit.did(session, who, "accepted invitation", f"account/{kept.id}")
        return kept.id

    return run(action)


def change(who: Who, number: int, *, name: str, roles: Iterable[Role], practitioner: str | None) -> None:
    """Raises NotFound, LastOwner."""
    names = _given(who, roles)

    def action(session: Session) -> None:
        account = _locked(session, who, number)
        if str(Role.OWNER) not in names:
            _keep_an_owner(session, account)
        before = list(account.role_names)
        account.name, account.role_names = name, names
        account.practitioner_id = _practitioner(session, practitioner)
        audit.did(session, who, "changed account", f"account/{number}", roles=[before, names])

    run(action)


def deactivate(who: Who, number: int) -> None:
    """Nobody signs in to it any more, and all its sign-ins end. Raises NotFound, LastOwner."""

    def action(session: Session) -> None:
        account = _locked(session, who, number)
        _keep_an_owner(session, account)
        account.active, account.invitation = False, None
        sign_ins.end_all(session, account.id)
        audit.did(session, who, "deactivated account", f"account/{number}")

    run(action)


def activate(who: Who, number: int) -> None:
    """Opens an account again that was ended. Raises NotFound."""

    def action(session: Session) -> None:
        _locked(session, who, number).active = True
        audit.did(session, who, "activated account", f"account/{number}")

    run(action)


def end_sign_ins(who: Who, number: int) -> None:
    """Everywhere. Raises NotFound."""

    def action(session: Session) -> None:
        account = _locked(session, who, number)
        sign_ins.end_all(session, account.id)
        audit.did(session, who, "ended sign-ins", f"account/{number}")

    run(action)


def drop_second_factor(who: Who, number: int) -> None:
    """For somebody who lost both phone and recovery codes. Ends their sign-ins.

    Raises NotFound, for one's own codes as well: those `second_factor.turn_off` switches off, for the password.
    """

    def action(session: Session) -> None:
        account = _locked(session, who, number)
        if number == who.account_id:
            raise NotFound
        library.turn_off_codes(account)
        sign_ins.end_all(session, account.id)
        audit.did(session, who, "dropped second factor", f"account/{number}")

    run(action)


def owners() -> int:
    """How many owners can sign in."""
    with reading() as session:
        found = session.scalars(
            select(StaffAccount.role_names).where(StaffAccount.active, StaffAccount.password.is_not(None))
        )
        return sum(str(Role.OWNER) in names for names in found)


def by_address(email: str) -> int:
    """The number of the account with this address. Raises NotFound."""
    with reading() as session:
        number = session.scalar(select(StaffAccount.id).where(StaffAccount.email == email.strip().lower()))
    if number is None:
        raise NotFound
    return number


_WITH_PRACTITIONER = select(StaffAccount, Practitioner.slug).outerjoin(
    Practitioner, Practitioner.id == StaffAccount.practitioner_id
)


def _shown(who: Who, account: StaffAccount, slug: str | None) -> Account:
    return Account(
        number=account.id,
        name=account.name,
        email=account.email,
        roles=tuple(role for role in Role if str(role) in account.role_names),
        practitioner=slug,
        active=account.active,
        invited=account.invitation is not None,
        second_factor=account.tf_totp_secret is not None,
        may_be_changed=sign_ins.may_touch(who, account.role_names),
    )


def _given(who: Who, roles: Iterable[Role]) -> list[str]:
    """The roles to be given, as a row keeps them."""
    names = sorted({str(role) for role in roles})
    if not names or not sign_ins.may_touch(who, names):
        raise NotFound
    return names


def _locked(session: Session, who: Who, number: int) -> StaffAccount:
    account = session.get(StaffAccount, number, with_for_update=True)
    if account is None or not sign_ins.may_touch(who, account.role_names):
        raise NotFound
    return account


def _invited(session: Session, who: Who, account: StaffAccount) -> Invited:
    account.fs_uniquifier = secrets.token_hex(16)
    account.invitation = letters.digest(letters.invitation_mark(account))
    account.invited_at = clock.now()
    letters.invited(session, account)
    audit.did(session, who, "invited", f"account/{account.id}", roles=account.role_names)
    return Invited(account.id, letters.invitation_link(account))


def _by_mark(session: Session, mark: str, *, for_update: bool = False) -> StaffAccount:
    wanted = select(StaffAccount).where(StaffAccount.invitation == letters.digest(mark), StaffAccount.active)
    account = session.scalar(wanted.with_for_update() if for_update else wanted)
    if account is None or account.invited_at is None:
        raise LinkEnded
    if clock.now() >= account.invited_at + letters.INVITED_FOR:
        raise LinkEnded
    return account


def _practitioner(session: Session, slug: str | None) -> int | None:
    if not slug:
        return None
    found = session.scalar(select(Practitioner.id).where(Practitioner.slug == slug))
    if found is None:
        raise NotFound
    return found


def _keep_an_owner(session: Session, account: StaffAccount) -> None:
    """Raises LastOwner where nobody else who can sign in is one."""
    if str(Role.OWNER) not in account.role_names:
        return
    lock_names(session, "owners")
    others = session.scalars(
        select(StaffAccount.role_names).where(
            StaffAccount.id != account.id, StaffAccount.active, StaffAccount.password.is_not(None)
        )
    )
    if not any(str(Role.OWNER) in names for names in others):
        raise LastOwner
