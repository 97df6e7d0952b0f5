"""What every row of the outbox begins with. Parts of use cases: nothing here asks the database."""

import secrets
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
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


class WhyNot(StrEnum):
    """Why something isn't written ahead of a visit.

    PENCILED: nobody has decided on it yet. WANTS_NONE: no reminders were wanted. WANTS_LIST, WANTS_EACH: of a plan the list of
    the week alone, or no list. NOT_ON_PLANS: in dense care the day before is enough. NOT_RUNNING: the plan is paused or over.
    NO_CONTACT: there is no address or number for it. NO_TEXT_HOURS: no text may go at any time at which it would be of use. LATE:
    its time was past when the visit was booked or last changed, and what told of that is the reminder.
    """

    PENCILED = "penciled"
    WANTS_NONE = "wants_none"
    WANTS_LIST = "wants_list"
    WANTS_EACH = "wants_each"
    NOT_ON_PLANS = "not_on_plans"
    NOT_RUNNING = "not_running"
    NO_CONTACT = "no_contact"
    NO_TEXT_HOURS = "no_text_hours"
    LATE = "late"


class Unwritten(NamedTuple):
    """What isn't written, and why: of all channels where `channel` is None. `kind` as of messages; "reminder" is all of them."""

    kind: str
    channel: Channel | None
    why: WhyNot


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
