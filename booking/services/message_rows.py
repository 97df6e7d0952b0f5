"""What every row of the outbox begins with. Parts of use cases: nothing here asks the database."""

import secrets
from datetime import datetime
from urllib.parse import urlsplit

from flask import current_app

from booking.models import Channel, MessageState, Reminders
from booking.services.rows import Row

REMINDED_BY = {
    Reminders.EMAIL: (Channel.EMAIL,),
    Reminders.TEXT: (Channel.TEXT,),
    Reminders.BOTH: (Channel.EMAIL, Channel.TEXT),
    Reminders.CALL: (Channel.CALL,),
    Reminders.NONE: (),
}


def bare_row(
    subject: str, kind: str, channel: Channel, address: str, now: datetime, due: datetime, last_use: datetime
) -> Row:
    return {
        "subject": subject,
        "kind": kind,
        "sequence": 0,
        "channel": channel,
        "resend": 0,
        "appointment_id": None,
        "address": address,
        "facts": {},
        "mail_id": f"{secrets.token_hex(16)}@{urlsplit(current_app.config['BOOKING'].base_url).hostname}",
        "state": MessageState.QUEUED,
        "written_at": now,
        "due_at": due,
        "not_after": last_use,
        "attempts": 0,
        "last_error": "",
    }
