"""What is good enough as a password or a PIN, and setting new ones.

Fifteen letters or more; eight are enough together with a second factor. No rules about capitals and signs. Nothing here
knows how a hash is made: that is the library's business.
"""

import re
import secrets

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking.errors import LinkEnded, PasswordTooWeak, PinTooWeak, WrongSignIn
from booking.models import StaffAccount
from booking.services.staff import audit, letters, library, sign_ins
from booking.services.staff.ownership import own_account
from booking.services.staff.who import Who
from booking.services.transaction import reading, run

LONG_ENOUGH = 15
WITH_SECOND_FACTOR = 8

# What is left of the most common ones when digits and signs are taken away.
_COMMON = frozenset(
    [
        "password",
        "passwort",
        "passphrase",
        "letmein",
        "welcome",
        "admin",
        "administrator",
        "qwerty",
        "qwertyuiop",
        "qwertyuiopasdfgh",
        "asdfghjkl",
        "zxcvbnm",
        "iloveyou",
        "sunshine",
        "princess",
        "football",
        "baseball",
        "superman",
        "dragon",
        "monkey",
        "trustno",
        "changeme",
        "changemenow",
        "secret",
        "master",
        "shadow",
        "michael",
        "jennifer",
        "computer",
        "internet",
        "starwars",
        "whatever",
        "charlie",
        "abcdefgh",
        "abcdefghijklmnop",
        "correcthorsebatterystaple",
        "clinic",
        "acupuncture",
        "reception",
        "frontdesk",
    ]
)
_EASY_PINS = frozenset({"123456", "654321", "012345", "543210", "112233", "121212", "123123", "101010"})


def check_password(password: str, account: StaffAccount, *, second_factor: bool = False) -> None:
    """Raises PasswordTooWeak, with why."""
    least = WITH_SECOND_FACTOR if second_factor else LONG_ENOUGH
    if len(password) < least:
        raise PasswordTooWeak(why="short")
    if len(password) > library.LONGEST:
        raise PasswordTooWeak(why="long")
    if library.everybody_knows(password):
        raise PasswordTooWeak(why="known")
    letters_only = re.sub(r"[\W\d_]", "", password.lower())
    for word in (*account.name.lower().split(), account.email.partition("@")[0]):
        if len(word) >= 4 and len(password) - len(word) < WITH_SECOND_FACTOR and word in password.lower():
            raise PasswordTooWeak(why="name")
    if len(set(password)) < 5 or letters_only in _COMMON or _twice_a_common_one(letters_only):
        raise PasswordTooWeak(why="common")


def check_pin(pin: str) -> None:
    """Raises PinTooWeak for anything but six digits, and for six that everybody tries first."""
    six_digits = len(pin) == 6 and pin.isascii() and pin.isdigit()
    if not six_digits or len(set(pin)) == 1 or pin in _EASY_PINS or library.everybody_knows(pin):
        raise PinTooWeak


def change_password(who: Who, old: str, new: str) -> None:
    """A new password for whoever is signed in. Ends their other sign-ins; a short one asks for the second factor.

    Raises WrongSignIn for a wrong old one, PasswordTooWeak.
    """
    account = own_account(who)
    if not library.matches(old, account.password):
        raise WrongSignIn
    check_password(new, account, second_factor=account.tf_totp_secret is not None)
    hashed, short = library.hashed(new), len(new) < LONG_ENOUGH

    def action(session: Session) -> None:
        kept = session.get_one(StaffAccount, who.account_id, with_for_update=True)
        if kept.password != account.password:
            raise WrongSignIn
        _set(kept, hashed, short)
        sign_ins.end_all(session, kept.id, but=who.sign_in_id)
        letters.password_changed(session, kept)
        audit.did(session, who, "changed password", f"account/{kept.id}")

    run(action)


def change_pin(who: Who, password: str, pin: str) -> None:
    """A new PIN. Raises WrongSignIn for a wrong password, PinTooWeak."""
    account = own_account(who)
    if not library.matches(password, account.password):
        raise WrongSignIn
    check_pin(pin)
    hashed = library.hashed(pin)

    def action(session: Session) -> None:
        session.get_one(StaffAccount, who.account_id, with_for_update=True).pin = hashed
        audit.did(session, who, "changed pin", f"account/{who.account_id}")

    run(action)


def ask_to_reset(email: str) -> None:
    """Queues a link by which a new password can be set.

    Nothing is looked up here, so an address that nobody knows costs the same time; the worker finds the account.
    """
    run(lambda session: letters.reset_wanted(session, email))


def who_resets(mark: str) -> StaffAccount:
    """Whose link this is. Raises LinkEnded for one that was used, is older than an hour, or never was."""
    uniquifier = library.whose_reset(mark)
    with reading() as session:
        wanted = select(StaffAccount).where(StaffAccount.fs_uniquifier == uniquifier, StaffAccount.active)
        account = session.scalar(wanted) if uniquifier else None
    if account is None or not library.reset_still_counts(mark, account):
        raise LinkEnded
    return account


def reset(mark: str, password: str, *, address: str) -> None:
    """Sets a new password by a link, and ends all sign-ins of that person.

    Raises LinkEnded, PasswordTooWeak.
    """
    account = who_resets(mark)
    check_password(password, account, second_factor=account.tf_totp_secret is not None)
    hashed, short = library.hashed(password), len(password) < LONG_ENOUGH

    def action(session: Session) -> None:
        kept = session.get_one(StaffAccount, account.id, with_for_update=True)
        if not kept.active or not library.reset_still_counts(mark, kept):
            raise LinkEnded
        _set(kept, hashed, short)
        sign_ins.end_all(session, kept.id)
        letters.password_changed(session, kept)
        who = Who(kept.id, kept.name, frozenset(), address=address)
        audit.did(session, who, "set a new password by link", f"account/{kept.id}")

    run(action)


def demo_passwords() -> list[str]:
    """The addresses of accounts with the password or the PIN that our README tells. Takes a while for each account."""
    with reading() as session:
        wanted = select(StaffAccount.email, StaffAccount.password, StaffAccount.pin)
        accounts = session.execute(wanted.where(StaffAccount.active).order_by(StaffAccount.email)).all()
    demos = library.DEMO_PASSWORD, library.DEMO_PIN
    return [
        email
        for email, *kept in accounts
        if any(one and library.was_hashed(demo, one) for demo, one in zip(demos, kept, strict=True))
    ]


def _set(account: StaffAccount, hashed: str, short: bool) -> None:
    account.password = hashed
    account.needs_second_factor = short
    # Marks in links that were made before count no more.
    account.fs_uniquifier = secrets.token_hex(16)


def _twice_a_common_one(words: str) -> bool:
    half = words[: len(words) // 2]
    return bool(half) and half * 2 == words and half in _COMMON
