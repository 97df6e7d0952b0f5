"""References and patients' links.

A link carries an HMAC of the appointment's reference and link number under a key of the configuration. So a reminder
that is written later can contain it, rows hold no secret, and raising the number revokes it.
"""

import hashlib
import hmac
from base64 import b32encode
from datetime import datetime, timedelta

from flask import current_app
from sqlalchemy import select
from sqlalchemy.orm import Session

from booking.errors import NotFound
from booking.models import Appointment

LIFE_AFTER_VISIT = timedelta(days=30)
_TOKEN_BYTES = 16


def token(reference: str, link_number: int) -> str:
    """The secret part of a link."""
    return mark(f"visit {reference} {link_number}")


def mark(of: str) -> str:
    """128 bits that stand for these words, and that only this installation can make."""
    key = current_app.config["BOOKING"].link_key.encode()
    made = hmac.new(key, of.encode(), hashlib.sha256).digest()
    return b32encode(made[:_TOKEN_BYTES]).decode().rstrip("=").lower()


def address(reference: str, link_number: int) -> str:
    """The whole link, as a message contains it."""
    return f"{current_app.config['BOOKING'].base_url}/visit/{reference}/{token(reference, link_number)}"


def short_address(reference: str, link_number: int) -> str:
    """The same in fewer letters, for texts. It leads to the whole link."""
    return f"{current_app.config['BOOKING'].base_url}/v/{reference}/{token(reference, link_number)}"


def appointment_by_link(session: Session, reference: str, given: str, now: datetime) -> Appointment:
    """The appointment that this link opens.

    Raises NotFound for one that doesn't exist, for a wrong or revoked token, and from 30 days after the visit on.
    """
    appointment = session.scalar(select(Appointment).where(Appointment.reference == reference))
    # An unknown reference is compared as well, so that it takes the same time as a wrong token.
    expected = token(reference, appointment.link_number if appointment else 0)
    right = hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace"))
    if appointment is None or not right or now > appointment.ends_at + LIFE_AFTER_VISIT:
        raise NotFound
    return appointment
