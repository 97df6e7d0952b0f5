"""Messages for the desk: what failed, what came in, and what goes next. Reads only."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, func, select
from sqlalchemy.orm import Session

from booking import clock
from booking.errors import NotFound
from booking.models import Appointment, Channel, InboundText, Message, MessageState
from booking.scheduling.status import LIVE
from booking.scheduling.timeline import cell_from
from booking.services.clinic import Clinic, the_clinic
from booking.services.staff.who import Who
from booking.services.transaction import reading

_SHOWN = 50
# What failed longer ago is past mending.
_BACK = timedelta(days=7)
_REPLIES_BACK = timedelta(days=30)


@dataclass(frozen=True)
class Outgoing:
    """A message that is to go, or that didn't reach its patient. `problem`: why not, or not yet. `starts_at`: of its visit."""

    id: int
    kind: str
    channel: Channel
    state: MessageState
    problem: str
    due_at: datetime
    reference: str | None
    patient: str
    address: str
    starts_at: datetime | None


@dataclass(frozen=True)
class Reply:
    """A text that somebody sent us. `reference`, `patient`, `starts_at`: of the next visit booked with this number, if
    there is one.
    """

    id: int
    phone: str
    words: str
    received_at: datetime
    reference: str | None
    patient: str
    starts_at: datetime | None


@dataclass(frozen=True)
class Messages:
    """`waiting` has the next to go; `waiting_in_all` says how many there are."""

    clinic: Clinic
    failed: tuple[Outgoing, ...]
    replies: tuple[Reply, ...]
    waiting: tuple[Outgoing, ...]
    waiting_in_all: int


_FAILED = and_(
    Message.state.in_((MessageState.DEAD, MessageState.UNSURE)),
    Message.due_at > bindparam("failed_since"),
    Message.settled_at.is_(None),
)
_UNREAD = and_(
    InboundText.settled_at.is_(None),
    InboundText.taken_for == "message",
    InboundText.received_at > bindparam("unread_since"),
)
# How many there are, as parts of other statements.
FAILED, UNREAD = (
    select(func.count(Message.id)).where(_FAILED),
    select(func.count(InboundText.id)).where(_UNREAD),
)


def bounds(now: datetime) -> dict[str, Any]:
    """What these statements want to know of now."""
    return {"failed_since": now - _BACK, "unread_since": now - _REPLIES_BACK}


def messages(who: Who) -> Messages:
    """How it stands with messages. Raises NotFound for whoever doesn't look after all patients."""
    if not who.sees_everybody:
        raise NotFound
    now = clock.now()
    with reading() as session:
        waits = Message.state.in_((MessageState.QUEUED, MessageState.SENDING))
        return Messages(
            clinic=the_clinic(session),
            failed=failed_messages(session, now),
            replies=replies_to_read(session, now),
            waiting=_outgoing(session, now, waits, Message.due_at),
            waiting_in_all=session.scalar(select(func.count()).select_from(Message).where(waits)) or 0,
        )


def failed_messages(session: Session, now: datetime) -> tuple[Outgoing, ...]:
    """What failed in the last days and nobody has seen to, the latest first. A part of reads."""
    return _outgoing(session, now, _FAILED, Message.due_at.desc())


def _outgoing(
    session: Session, now: datetime, which: ColumnElement[bool], order: Any
) -> tuple[Outgoing, ...]:
    """The first of these messages, each with its visit."""
    found = session.execute(
        select(Message, Appointment)
        .outerjoin(Appointment, Appointment.id == Message.appointment_id)
        .where(which)
        .order_by(order, Message.id)
        .limit(_SHOWN),
        bounds(now),
    )
    return tuple(
        Outgoing(
            id=message.id,
            kind=message.kind,
            channel=message.channel,
            state=message.state,
            problem=message.last_error,
            due_at=message.due_at,
            reference=visit.reference if visit else None,
            patient=f"{visit.first_name} {visit.last_name}" if visit else "",
            address=message.address,
            starts_at=visit.starts_at if visit else None,
        )
        for message, visit in found
    )


def replies_to_read(session: Session, now: datetime) -> tuple[Reply, ...]:
    """Texts that nobody has read, the oldest first, with whose they may be. A part of reads."""
    texts = session.scalars(
        select(InboundText).where(_UNREAD).order_by(InboundText.received_at).limit(_SHOWN),
        bounds(now),
    ).all()
    visits: dict[str | None, Appointment] = {}
    if texts:
        ahead = select(Appointment).where(
            Appointment.phone.in_({text.phone for text in texts}),
            Appointment.to_cell > cell_from(now),
            Appointment.status.in_(LIVE),
        )
        for visit in session.scalars(ahead.order_by(Appointment.from_cell.desc())):
            visits[visit.phone] = visit
    return tuple(_reply(text, visits.get(text.phone)) for text in texts)


def _reply(text: InboundText, visit: Appointment | None) -> Reply:
    return Reply(
        id=text.id,
        phone=text.phone,
        words=text.words,
        received_at=text.received_at,
        reference=visit.reference if visit else None,
        patient=f"{visit.first_name} {visit.last_name}" if visit else "",
        starts_at=visit.starts_at if visit else None,
    )
