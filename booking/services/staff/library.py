"""What the accounts library does for us: hashes, one-time codes, recovery codes, and the marks in links.

Flask-Security-Too is set up here, and spoken to from here only. Its views are off: they know neither our sign-ins nor the
lock. Its secrets follow from BOOKING_SECRET_KEY, so there is nothing else to configure; passwords don't depend on it.
"""

import hashlib
import hmac
from base64 import b64encode, urlsafe_b64encode
from datetime import timedelta
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, current_app
from flask_security import MailUtil, Security, Totp, UserDatastore, hash_password, verify_password
from flask_security.recoverable import generate_reset_password_token
from flask_security.utils import check_and_get_token_status, verify_hash
from sqlalchemy import select

from booking.config import Config
from booking.models import StaffAccount
from booking.models.staff import NamedRole
from booking.services.transaction import reading

# Of everybody in the demo, as our README tells. Production takes neither; `flask doctor` looks for them.
DEMO_PASSWORD = "quiet river stone 42"  # noqa: S105 - it is meant to be known.
DEMO_PIN = "246802"
RESET_WITHIN = timedelta(hours=1)
# What argon2 is given at the most: more would only cost time.
LONGEST = 1000
# A code of the half minute before or after ours is right as well.
_CLOCKS_MAY_DIFFER = 30


class _Accounts(UserDatastore):
    """The library's way to our rows.

    What it changes belongs to the session in which we loaded it, and is committed with our transaction, or not at all.
    """

    def __init__(self) -> None:
        super().__init__(StaffAccount, NamedRole)

    def find_user(self, case_insensitive: bool = False, **wanted: Any) -> StaffAccount | None:
        with reading() as session:
            found: StaffAccount | None = session.scalar(select(StaffAccount).filter_by(**wanted))
            return found

    def find_role(self, role: str) -> NamedRole | None:
        return NamedRole(role)

    def put(self, model: Any) -> Any:
        return model

    def commit(self) -> None:
        """Nothing: whoever opened the transaction commits it."""


class _NoMail(MailUtil):
    """The library sends nothing: a message is a row, written with what it tells of."""

    def send_mail(self, *_: Any, **__: Any) -> None:
        raise RuntimeError("Mail is written into the outbox (booking.services.staff.letters).")


class _Codes(Totp):
    """One-time codes, each of which counts once."""

    def get_last_counter(self, user: StaffAccount) -> int | None:  # type: ignore[override]
        return user.tf_counter

    def set_last_counter(self, user: StaffAccount, tmatch: Any) -> None:  # type: ignore[override]
        user.tf_counter = tmatch.counter

    def generate_qrcode(self, username: str, totp: str) -> str:
        """The picture as SVG for the page itself: our policy takes no pictures from data."""
        import qrcode
        from qrcode.image.svg import SvgPathImage

        image = qrcode.make(self.get_totp_uri(username, totp), image_factory=SvgPathImage)
        return str(image.to_string(encoding="unicode"))


def init_app(app: Flask) -> None:
    config: Config = app.config["BOOKING"]
    app.config.update(_settings(config))
    hooks = (app.before_request_funcs, app.after_request_funcs, app.template_context_processors)
    before = [list(each[None]) for each in hooks]
    security = Security(mail_util_cls=_NoMail, totp_cls=_Codes)
    security.init_app(app, _Accounts(), register_blueprint=False)
    # It would ask at every request and page, also a patient's, who is signed in to it, and leave a mark in the session, so
    # that no browser could go back to a form as it was left. Nobody ever is: our guard knows.
    for each, was in zip(hooks, before, strict=True):
        each[None][:] = was  # type: ignore[index]


def _settings(config: Config) -> dict[str, Any]:
    return {
        "SECURITY_PASSWORD_HASH": "argon2",
        "SECURITY_PASSWORD_SCHEMES": ["argon2"],
        "SECURITY_DEPRECATED_PASSWORD_SCHEMES": [],
        # What OWASP asks for: 19 MiB, twice. More would cost a web worker its memory, and whoever opens a screen a second.
        "SECURITY_PASSWORD_HASH_PASSLIB_OPTIONS": {
            "argon2__memory_cost": 19_456,
            "argon2__rounds": 2,
            "argon2__parallelism": 1,
        },
        # Without a pepper, so that passwords outlive a new BOOKING_SECRET_KEY.
        "SECURITY_PASSWORD_SINGLE_HASH": ["argon2"],
        "SECURITY_PASSWORD_SALT": _derived(config, "password salt").hex(),
        # What a reset's link contains of the password is a digest of its hash, which nobody can guess.
        "SECURITY_HASHING_SCHEMES": ["hex_sha256"],
        "SECURITY_DEPRECATED_HASHING_SCHEMES": [],
        "SECURITY_TWO_FACTOR": True,
        "SECURITY_TWO_FACTOR_ENABLED_METHODS": ["authenticator"],
        "SECURITY_TOTP_SECRETS": {"1": b64encode(_derived(config, "one-time codes")).decode()},
        "SECURITY_TOTP_ISSUER": urlsplit(config.base_url).hostname or "booking",
        "SECURITY_MULTI_FACTOR_RECOVERY_CODES": True,
        "SECURITY_MULTI_FACTOR_RECOVERY_CODES_N": 8,
        "SECURITY_MULTI_FACTOR_RECOVERY_CODES_KEYS": [urlsafe_b64encode(_derived(config, "recovery codes"))],
        "SECURITY_RESET_PASSWORD_WITHIN": RESET_WITHIN,
        "SECURITY_RETURN_GENERIC_RESPONSES": True,
        "SECURITY_CLI_USERS_NAME": "",
        "SECURITY_CLI_ROLES_NAME": "",
    }


def _derived(config: Config, purpose: str) -> bytes:
    return hmac.new(config.secret_key.encode(), f"staff {purpose}".encode(), hashlib.sha256).digest()


def _security() -> Any:
    return current_app.extensions["security"]


# Passwords and PINs. Slow on purpose: outside of transactions, and after the throttle.


def hashed(secret: str) -> str:
    return str(hash_password(_normal(secret)))


def matches(secret: str, kept: str | None) -> bool:
    """Whether this is the secret that was hashed. Takes the same time where nothing is kept, or nobody gets in with it."""
    right = was_hashed(secret, kept or _nobodys())
    return right and kept is not None and not everybody_knows(secret)


def was_hashed(secret: str, kept: str) -> bool:
    return bool(verify_password(_normal(secret), kept))


def everybody_knows(secret: str) -> bool:
    """Whether this is the demo's password or PIN, and this isn't the demo."""
    config: Config = current_app.config["BOOKING"]
    # As it would be hashed: other letters may stand for the same.
    return config.production and _normal(secret) in (DEMO_PASSWORD, DEMO_PIN)


def _normal(secret: str) -> str:
    return str(_security().password_util.normalize(secret[:LONGEST]))


@cache
def _nobodys() -> str:
    return str(hash_password("of nobody at all"))


# One-time codes and recovery codes.


def new_code_secret() -> str:
    return str(_security().totp_factory.generate_totp_secret())


def code_secret_of(key: str) -> str:
    """The secret of a key that is known, as of the demo's."""
    secret: str = _security().totp_factory._totp(key=key).to_json(encrypt=True)
    return secret


def is_code_secret(words: str) -> bool:
    """Whether this is a secret that `new_code_secret` made: encrypted by us, and whole."""
    if "enckey" not in words:
        return False
    try:
        _security().totp_factory.get_totp_pretty_key(words)
    except (ValueError, TypeError, KeyError, AssertionError):
        return False
    return True


def code_is_right(account: StaffAccount, secret: str, code: str) -> bool:
    """Whether this is the code of this moment. The account remembers it, and doesn't take it again."""
    digits = "".join(code.split())
    if not (digits.isascii() and digits.isdigit() and len(digits) == 6):
        return False
    return bool(_security().totp_factory.verify_totp(digits, secret, account, window=_CLOCKS_MAY_DIFFER))


def how_to_set_up(account: StaffAccount, secret: str) -> tuple[str, str]:
    """A picture (SVG) for an authenticator's camera, and the key to type instead."""
    factory = _security().totp_factory
    return factory.generate_qrcode(account.email, secret), factory.get_totp_pretty_key(secret)


def turn_on_codes(account: StaffAccount, secret: str) -> list[str]:
    """Keeps the secret. Returns new recovery codes, which are shown this once."""
    _security().datastore.tf_set(account, "authenticator", totp_secret=secret)
    return new_recovery_codes(account)


def turn_off_codes(account: StaffAccount) -> None:
    account.tf_primary_method = account.tf_totp_secret = account.mf_recovery_codes = account.tf_counter = None


def new_recovery_codes(account: StaffAccount) -> list[str]:
    codes: list[str] = _security().mf_recovery_codes_util.create_recovery_codes(account)
    return codes


def use_recovery_code(account: StaffAccount, code: str) -> bool:
    """Whether this is one of the account's recovery codes, which is used up by that."""
    util, given = _security().mf_recovery_codes_util, code.strip().lower()
    if not util.check_recovery_code(account, given):
        return False
    # A new list: a change inside of the old one would not be seen as one.
    account.mf_recovery_codes = list(account.mf_recovery_codes or [])
    return bool(util.delete_recovery_code(account, given))


# Links that set a new password: signed, for an hour, and only as long as the password is still the old one.


def reset_mark(account: StaffAccount) -> str:
    return str(generate_reset_password_token(account))  # type: ignore[no-untyped-call]


def whose_reset(mark: str) -> str | None:
    """The `fs_uniquifier` that an unspoilt mark is for. `reset_still_counts` says whether it was used."""
    expired, invalid, found = check_and_get_token_status(mark, "reset", RESET_WITHIN)
    return None if expired or invalid or not found else str(found[0])


def reset_still_counts(mark: str, account: StaffAccount) -> bool:
    _, _, found = check_and_get_token_status(mark, "reset", RESET_WITHIN)
    return bool(found and account.password and verify_hash(found[1], account.password))
