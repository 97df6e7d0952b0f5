"""Messages for the desk: what failed, what came in, and what goes next. Reads only."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from booking import clock
from booking.errors import NotFound
from booking.models import Appointment, Channel, Message, MessageState
from booking.services.clinic import Clinic, the_clinic
from booking.services.desk.glance import Failed, Reply, failed_messages, replies_to_read
from booking.services.staff.who import Who
from booking.services.transaction import reading

_SHOWN = 50


@dataclass(frozen=True)
class Waiting:
    """A message that is to go. `problem`: why it hasn't gone when it was tried."""

    id: int
    kind: str
    channel: Channel
    due_at: datetime
    problem: str
    reference: str | None
    patient: str
    address: str


@dataclass(frozen=True)
class Messages:
    """`waiting` has the next to go; `waiting_in_all` says how many there are."""

    clinic: Clinic
    failed: tuple[Failed, ...]
    replies: tuple[Reply, ...]
    waiting: tuple[Waiting, ...]
    waiting_in_all: int


def messages(who: Who) -> Messages:
    """How it stands with messages. Raises NotFound for whoever doesn't look after all patients."""
    if not who.sees_everybody:
        raise NotFound
    now = clock.now()
    with reading() as session:
        waits = Message.state.in_((MessageState.QUEUED, MessageState.SENDING))
        next_ones = session.execute(
            select(Message, Appointment)
            .outerjoin(Appointment, Appointment.id == Message.appointment_id)
            .where(waits)
            .order_by(Message.due_at, Message.id)
            .limit(_SHOWN)
        )
        return Messages(
            clinic=the_clinic(session),
            failed=failed_messages(session, now),
            replies=replies_to_read(session, now),
            waiting=tuple(
                Waiting(
                    id=message.id,
                    kind=message.kind,
                    channel=message.channel,
                    due_at=message.due_at,
                    problem=message.last_error,
                    reference=visit.reference if visit else None,
                    patient=f"{visit.first_name} {visit.last_name}" if visit else "",
                    address=message.address,
                )
                for message, visit in next_ones
            ),
            waiting_in_all=session.scalar(select(func.count()).select_from(Message).where(waits)) or 0,
        )
