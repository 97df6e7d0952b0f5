"""Signing in: the password, then the second factor where there is one. Throttled by whoever calls, before any hash."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking.errors import WrongCode, WrongSignIn
from booking.models import StaffAccount
from booking.services.staff import audit, library
from booking.services.staff.who import Who
from booking.services.transaction import reading, run


@dataclass(frozen=True)
class Known:
    """Whose password it was. `second_factor`: a code is asked for before the sign-in begins."""

    account_id: int
    second_factor: bool


def with_password(email: str, password: str, *, address: str) -> Known:
    """Raises WrongSignIn, in the same time whether nobody has this address or it isn't their password."""
    with reading() as session:
        account = session.scalar(select(StaffAccount).where(StaffAccount.email == email))
    right = library.matches(password, account.password if account else None)
    if account is None or not right or not account.active:
        _note_failure(account, "sign-in refused", address)
        raise WrongSignIn
    return Known(account.id, account.tf_totp_secret is not None)


def with_code(account_id: int, code: str, *, address: str) -> None:
    """The one-time code of this moment, or a recovery code, which is used up. Raises WrongCode."""

    def action(session: Session) -> bool:
        account = session.get(StaffAccount, account_id, with_for_update=True)
        if account is None or not account.active or account.tf_totp_secret is None:
            return False
        if library.code_is_right(account, account.tf_totp_secret, code):
            return True
        if not library.use_recovery_code(account, code):
            return False
        who = Who(account.id, account.name, frozenset(), address=address)
        audit.did(session, who, "used a recovery code", f"account/{account.id}")
        return True

    if not run(action):
        with reading() as session:
            account = session.get(StaffAccount, account_id)
        _note_failure(account, "code refused", address)
        raise WrongCode


def _note_failure(account: StaffAccount | None, what: str, address: str) -> None:
    """What was typed isn't kept: it may be a password in the wrong field."""
    who = Who(
        account.id if account else 0, account.name if account else "?", frozenset(), address=address[:64]
    )
    run(lambda session: audit.did(session, who, what))
