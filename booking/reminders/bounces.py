"""Mails that come back hours after the server took them, as delivery reports (RFC 3464) to the address that sent them.

A report counts only with the Message-ID of a mail that we sent, which nobody can guess, and whoever was written to knows of
their own mails only.
"""

import email
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.message import Message as Mail

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking import clock
from booking.models import YET_TO_GO, Appointment, Channel, Message, MessageState
from booking.reminders import plans
from booking.reminders.channels.mail import without_addresses
from booking.reminders.checks import TO_THE_CLINIC
from booking.reminders.delivery import let_go_another_way
from booking.services import notices
from booking.services.transaction import reading, run

# Anybody may send us a report, of any length.
_LONGEST_WORDS = 1000


@dataclass(frozen=True)
class Report:
    """That a mail reached nobody, and why, in the words of whichever server gave up."""

    mail_id: str
    why: str


def read(mail: bytes) -> Report | None:
    """What a mail reports; None if it is no report of a failure, such as one of a delay or somebody's answer."""
    try:
        parts = list(email.message_from_bytes(mail).walk())
    except RecursionError:
        # Mails in mails in mails: nobody's report.
        return None
    failed = next((block for block in _recipients(parts) if _word(block, "Action").lower() == "failed"), None)
    mail_id = next(filter(None, map(_returned, parts)), None)
    if failed is None or mail_id is None:
        return None
    why = _word(failed, "Diagnostic-Code").rpartition(";")[2].strip() or _word(failed, "Status")
    plain = "".join(letter if letter.isprintable() else " " for letter in why[:_LONGEST_WORDS])
    return Report(mail_id, without_addresses(" ".join(plain.split())))


def receive(report: Report) -> bool:
    """Marks the mail as failed, with what was told along with it, and lets what it told go another way, as if the server had
    refused it. False if there is no such mail, or it is known already that it failed.
    """
    which = (Message.mail_id == report.mail_id, Message.channel == Channel.EMAIL)
    # All messages are looked through, so not under the lock.
    with reading() as session:
        found = session.scalar(select(Message.id).where(*which, Message.state == MessageState.SENT))
    return found is not None and run(lambda session: _came_back(session, found, report.why))


def _came_back(session: Session, message_id: int, why: str) -> bool:
    now = clock.now()
    message = session.get_one(Message, message_id, with_for_update=True)
    if message.state is not MessageState.SENT:
        return False
    along = session.scalars(
        select(Message).where(
            Message.address == message.address,
            Message.sent_at == message.sent_at,
            Message.settled_as == notices.TOLD_TOGETHER,
        )
    ).all()
    for one in (message, *along):
        told = _is_told_anew(session, one)
        one.state, one.last_error = MessageState.DEAD, f"It came back: {why}"[:500]
        one.settled_at, one.settled_as = (now, notices.SENT_AGAIN) if told else (None, "")
        if not told and now < one.not_after:
            let_go_another_way(session, one, now)
    return True


def _is_told_anew(session: Session, message: Message) -> bool:
    """Whether its person has another message about the same: they have been given another contact since, or it was sent again."""
    visit = session.get(Appointment, message.appointment_id) if message.appointment_id else None
    about = visit or plans.plan_of(session, message)
    is_written_anew = message.kind not in (*TO_THE_CLINIC, "plan-make-up")
    if is_written_anew and about is not None and about.email != message.address:
        # Where nothing is written any more, nothing was.
        if notices.channel_of_clinic(about)[0] is not Channel.CALL:
            return True
    again = select(Message.id).where(
        Message.subject == message.subject,
        Message.kind == message.kind,
        Message.sequence == message.sequence,
        Message.resend > message.resend,
        Message.state.in_((*YET_TO_GO, MessageState.SENT, MessageState.SIMULATED, MessageState.TO_CALL)),
    )
    return session.scalar(again.limit(1)) is not None


def _recipients(parts: Sequence[Mail]) -> Iterator[Mail]:
    """What the report says of each recipient. Its first block is about the mail as a whole."""
    for part in parts:
        blocks = part.get_payload() if part.get_content_type() == "message/delivery-status" else []
        yield from (block for block in blocks[1:] if isinstance(block, Mail))


def _returned(part: Mail) -> str | None:
    """The Message-ID of the mail that this part brings back, whole or by its headers alone."""
    if part.get_content_type() == "message/rfc822":
        payload = part.get_payload()
        returned = payload[0] if isinstance(payload, list) and payload else None
    elif part.get_content_type() == "text/rfc822-headers":
        returned = email.message_from_bytes(bytes(part.get_payload(decode=True) or b""))
    else:
        return None
    found = (
        re.search(r"<([!-;=?-~]+)>", _word(returned, "Message-ID")) if isinstance(returned, Mail) else None
    )
    return found[1] if found else None


def _word(part: Mail, header: str) -> str:
    return str(part.get(header, ""))
