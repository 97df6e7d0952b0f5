"""Mail about accounts: rows in the outbox, written with what they tell of. `booking.reminders` finds their words.

A row holds no secret: the links are made when the mail is.
"""

import hashlib
import hmac
import secrets
from datetime import timedelta

from flask import current_app
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from booking import clock
from booking.models import Channel, Message, StaffAccount
from booking.services import rows
from booking.services.message_rows import bare_row
from booking.services.staff import library

INVITED_FOR = timedelta(days=7)
_NEWS_IS_OF_USE_FOR = timedelta(days=2)


def invitation_mark(account: StaffAccount) -> str:
    """The secret part of an invitation's link: only this installation can make it, and a new invitation ends it."""
    key = current_app.config["BOOKING"].link_key.encode()
    words = f"invitation {account.id} {account.fs_uniquifier}".encode()
    return hmac.new(key, words, hashlib.sha256).hexdigest()[:40]


def digest(mark: str) -> str:
    """What the account's row keeps of it."""
    return hashlib.sha256(mark.encode("utf-8", "replace")).hexdigest()


def invitation_link(account: StaffAccount) -> str:
    return f"{current_app.config['BOOKING'].base_url}/staff/invitation/{invitation_mark(account)}"


def reset_link(account: StaffAccount) -> str:
    return f"{current_app.config['BOOKING'].base_url}/staff/reset/{library.reset_mark(account)}"


def invited(session: Session, account: StaffAccount) -> None:
    _write(session, f"account/{account.id}", "staff-invitation", account.email, INVITED_FOR)


def password_changed(session: Session, account: StaffAccount) -> None:
    """Tells the owner of an address that a password was set; if it wasn't them, they will want to know."""
    _write(session, f"account/{account.id}", "staff-password", account.email, _NEWS_IS_OF_USE_FOR)


def reset_wanted(session: Session, email: str) -> None:
    """Somebody asked for a new password for this address; whether anybody has it, the worker finds out."""
    _write(session, f"account/{secrets.token_hex(8)}", "staff-reset", email, library.RESET_WITHIN)


def account_of(session: Session, message: Message) -> StaffAccount | None:
    """Whom a letter is for, if they are still to have it."""
    account = session.scalar(select(StaffAccount).where(StaffAccount.email == message.address))
    if account is None or not account.active:
        return None
    fitting = {
        "staff-invitation": account.invitation is not None,
        "staff-reset": account.password is not None,
    }
    return account if fitting.get(message.kind, True) else None


def _write(session: Session, subject: str, kind: str, address: str, of_use_for: timedelta) -> None:
    now = clock.now()
    same = select(func.max(Message.resend)).where(Message.subject == subject, Message.kind == kind)
    last = session.scalar(same)
    row = bare_row(subject, kind, Channel.EMAIL, address, now, now, now + of_use_for)
    rows.add_all(session, Message, [row | {"resend": 0 if last is None else last + 1}])
