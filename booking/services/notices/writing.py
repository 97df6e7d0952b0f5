"""The rows of messages about one visit: to its own contact, under its own sequence. Nothing here asks what is wanted."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from booking.models import Appointment, Channel, Message, MessageState
from booking.services.message_rows import bare_row
from booking.services.notices.ways import channel_of_clinic
from booking.services.rows import Row, add_all

# What tells a patient how their visit stands.
ANSWERS = ("confirmation", "change", "cancellation")
# How a message ends that another one told along, and a failed one that was told once more.
TOLD_TOGETHER, SENT_AGAIN = "told together", "sent again"
# Where the facts of a message about several visits keep which they were, by their ids.
NAMED = "named"
# Why somebody is called rather than written to, as the facts of a call keep it.
UNREACHABLE, ON_SHORT_NOTICE, ASKED = "unreachable", "soon", "asked"


# What a patient has heard, or may have: a call once it was made.
HAS_GONE = or_(
    Message.state.not_in(
        (MessageState.QUEUED, MessageState.TO_CALL, MessageState.DROPPED, MessageState.DEAD)
    ),
    and_(Message.state == MessageState.TO_CALL, Message.settled_at.is_not(None)),
    Message.settled_as == TOLD_TOGETHER,
)


def row_of(
    appointment: Appointment,
    kind: str,
    channel: Channel,
    address: str,
    now: datetime,
    due: datetime,
    last_use: datetime,
    facts: Row | None = None,
) -> Row:
    subject = f"appointment/{appointment.reference}"
    return bare_row(subject, kind, channel, address, now, due, last_use) | {
        "sequence": appointment.sequence,
        "appointment_id": appointment.id,
        "facts": facts or {},
    }


def answer(
    appointment: Appointment,
    kind: str,
    now: datetime,
    facts: Row | None = None,
    useful_until: datetime | None = None,
) -> Iterator[Row]:
    """A message at once, by mail if there is an address, else by text if texts are wanted; else nobody is written to,
    and the page that answers is the answer.
    """
    channel, address = channel_of_clinic(appointment)
    if channel is not Channel.CALL:
        until = useful_until or appointment.starts_at
        yield row_of(appointment, kind, channel, address, now, now, until, facts)


def address_of(appointment: Appointment, channel: Channel) -> str | None:
    return appointment.email if channel is Channel.EMAIL else appointment.phone


def without_why(facts: Row) -> Row:
    """What a call was for isn't what the next message about the same is for."""
    return {name: said for name, said in facts.items() if name != "why"}


def add_resend(session: Session, appointment: Appointment, rows: list[Row]) -> None:
    """Writes messages that may have been written before, under the next number."""
    number = next_resend(session, appointment, [row["kind"] for row in rows])
    add_all(session, Message, [row | {"resend": number} for row in rows])


def next_resend(session: Session, appointment: Appointment, kinds: list[str]) -> int:
    last = session.scalar(
        select(func.max(Message.resend)).where(
            Message.appointment_id == appointment.id,
            Message.sequence == appointment.sequence,
            Message.kind.in_(kinds),
        )
    )
    return 0 if last is None else last + 1
