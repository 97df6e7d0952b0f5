"""What goes to an address rather than about a visit. What it says is read when it goes."""

import secrets
from datetime import datetime

from sqlalchemy.orm import Session

from booking.models import Channel, Message
from booking.services.message_rows import bare_row
from booking.services.rows import add_all


def links_wanted(
    session: Session, channel: Channel, address: str, now: datetime, useful_until: datetime
) -> None:
    """Queues an answer to "send me my link again".

    Nothing is looked up here, so that a contact that nobody knows costs the same time; the worker finds the visits.
    """
    subject = f"contact/{secrets.token_hex(8)}"
    add_all(session, Message, [bare_row(subject, "links", channel, address, now, now, useful_until)])


def text_answer(session: Session, kind: str, phone: str, now: datetime, useful_until: datetime) -> None:
    """Queues our answer to a text that somebody sent us."""
    subject = f"contact/{secrets.token_hex(8)}"
    add_all(session, Message, [bare_row(subject, kind, Channel.TEXT, phone, now, now, useful_until)])


def own_list(
    session: Session, subject: str, kind: str, address: str, now: datetime, useful_until: datetime
) -> None:
    """Queues a practitioner's own list. What it says is read when it goes."""
    add_all(session, Message, [bare_row(subject, kind, Channel.EMAIL, address, now, now, useful_until)])
