"""One-time codes of one's own account: set up, switched off, and the recovery codes for a lost phone."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from booking.errors import NotFound, SecondFactorNeeded, WrongCode, WrongSignIn
from booking.models import StaffAccount
from booking.services.staff import audit, library
from booking.services.staff.ownership import own_account
from booking.services.staff.who import Who
from booking.services.transaction import run


@dataclass(frozen=True)
class SetUp:
    """What an authenticator needs: a picture for its camera (SVG), or a key to type. `secret` goes with the form."""

    secret: str
    picture: str
    key: str


@dataclass(frozen=True)
class State:
    on: bool
    needed: bool
    recovery_codes_left: int


def state(who: Who) -> State:
    account = own_account(who)
    return State(
        on=account.tf_totp_secret is not None,
        needed=account.needs_second_factor,
        recovery_codes_left=len(account.mf_recovery_codes or ()),
    )


def prepare(who: Who, secret: str | None = None) -> SetUp:
    """A new secret, or the one that was begun with (encrypted, so it may lie in a form). Nothing is kept yet."""
    secret = secret or library.new_code_secret()
    picture, key = library.how_to_set_up(own_account(who), secret)
    return SetUp(secret, picture, key)


def is_a_secret(words: str) -> bool:
    """Whether this is a secret as `prepare` makes them, and whole."""
    return library.is_code_secret(words)


def turn_on(who: Who, secret: str, code: str) -> list[str]:
    """Switches the codes on, once a first one was right. Returns the recovery codes, which are shown this once.

    Raises WrongCode.
    """

    def action(session: Session) -> list[str]:
        account = session.get_one(StaffAccount, who.account_id, with_for_update=True)
        if account.tf_totp_secret is not None:
            # Whoever has the phone that counts keeps it: switching off comes first, and asks for the password.
            raise WrongCode
        account.tf_counter = None
        if not library.code_is_right(account, secret, code):
            raise WrongCode
        codes = library.turn_on_codes(account, secret)
        audit.did(session, who, "turned codes on", f"account/{account.id}")
        return codes

    return run(action)


def turn_off(who: Who, password: str) -> None:
    """Raises WrongSignIn for a wrong password, SecondFactorNeeded while the password is a short one."""
    account = own_account(who)
    if not library.matches(password, account.password):
        raise WrongSignIn

    def action(session: Session) -> None:
        kept = session.get_one(StaffAccount, who.account_id, with_for_update=True)
        if kept.needs_second_factor:
            raise SecondFactorNeeded
        library.turn_off_codes(kept)
        audit.did(session, who, "turned codes off", f"account/{kept.id}")

    run(action)


def new_recovery_codes(who: Who, password: str) -> list[str]:
    """New ones instead of those before. Raises WrongSignIn for a wrong password, NotFound without a second factor."""
    if not library.matches(password, own_account(who).password):
        raise WrongSignIn

    def action(session: Session) -> list[str]:
        account = session.get_one(StaffAccount, who.account_id, with_for_update=True)
        if account.tf_totp_secret is None:
            raise NotFound
        audit.did(session, who, "made recovery codes", f"account/{account.id}")
        return library.new_recovery_codes(account)

    return run(action)
