"""Today at a glance: what wants somebody's eyes at the desk in this minute. Reads only."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking import clock
from booking.errors import NotFound
from booking.models import (
    Appointment,
    Channel,
    Heartbeat,
    InboundText,
    Message,
    MessageState,
)
from booking.scheduling.status import LIVE, Status
from booking.scheduling.timeline import cell_from, instant_of
from booking.services import tasks
from booking.services.clinic import Clinic, Practitioner
from booking.services.desk import board, calls
from booking.services.desk.board import Asked, BoardDay, Needles, Visit
from booking.services.health import SILENT_AFTER
from booking.services.staff.who import Who
from booking.services.transaction import reading

# A free stretch that is shorter is of no use to anybody.
SHORTEST_GAP = timedelta(minutes=15)
# Who says "I can't come" does so in the last days; what failed longer ago is past mending.
_AHEAD = timedelta(days=14)
_BACK = timedelta(days=7)
_REPLIES_BACK = timedelta(days=30)
_SHOWN = 50


@dataclass(frozen=True)
class Gap:
    """A stretch of today in which somebody works and has no visit, from now on."""

    practitioner: str
    practitioner_slug: str
    from_cell: int
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True)
class Refused:
    """A patient pressed "I can't come" for a visit that still stands."""

    reference: str
    patient: str
    phone: str | None
    starts_at: datetime
    practitioner: Practitioner


@dataclass(frozen=True)
class Failed:
    """A message that didn't reach its patient, and that nobody has seen to yet."""

    id: int
    kind: str
    channel: Channel
    state: MessageState
    problem: str
    due_at: datetime
    reference: str | None
    patient: str
    address: str


@dataclass(frozen=True)
class Reply:
    """A text that somebody sent us. `reference`, `patient`: of the next visit booked with this number, if there is one."""

    id: int
    phone: str
    words: str
    received_at: datetime
    reference: str | None
    patient: str


@dataclass(frozen=True)
class Worker:
    """Who sends the messages. `silent`: nothing has gone for two minutes or more, or never."""

    ticked_at: datetime | None
    silent: bool
    trouble: str


@dataclass(frozen=True)
class Glance:
    """The day in lists, each the most urgent first."""

    clinic: Clinic
    on: date
    here: tuple[Visit, ...]
    late: tuple[Visit, ...]
    needles: tuple[Visit, ...]
    unconfirmed: tuple[Visit, ...]
    cannot_come: tuple[Refused, ...]
    gaps: tuple[Gap, ...]
    failed: tuple[Failed, ...]
    replies: tuple[Reply, ...]
    worker: Worker
    to_call: int
    to_do: int

    @property
    def needles_over(self) -> int:
        return sum(visit.needles is Needles.OVER for visit in self.needles)


def glance(who: Who) -> Glance:
    """How it stands now. Raises NotFound for whoever doesn't look after all patients."""
    now = clock.now()
    if not who.sees_everybody:
        raise NotFound
    clinic = board.the_clinic_of(who)
    _, today = board.board(who, Asked(clinic.times.local_date(now)))
    visits = tuple(today.visits)
    with reading() as session:
        clinic = today.clinic
        refused = _cannot_come(session, clinic, now)
        failed = failed_messages(session, now)
        replies = replies_to_read(session, now)
        worker = _worker(session, now)
    return Glance(
        clinic=clinic,
        on=today.on,
        here=tuple(one for one in visits if one.status in (Status.ARRIVED, Status.CHECKED_IN)),
        late=tuple(one for one in visits if one.late_minutes),
        needles=tuple(
            sorted(
                (one for one in visits if one.needles_out_at is not None),
                key=lambda one: one.needles_out_at or now,
            )
        ),
        unconfirmed=tuple(
            one
            for one in visits
            if one.status is Status.BOOKED
            and not one.confirmed
            and not one.cannot_come
            and instant_of(one.from_cell) > now
        ),
        cannot_come=refused,
        gaps=_gaps(today, now),
        failed=failed,
        replies=replies,
        worker=worker,
        to_call=len(calls.call_list(who).calls),
        to_do=tasks.to_do(who).pressing,
    )


def failed_messages(session: Session, now: datetime) -> tuple[Failed, ...]:
    """What failed in the last days and nobody has seen to, the latest first. A part of reads."""
    found = session.execute(
        select(Message, Appointment)
        .outerjoin(Appointment, Appointment.id == Message.appointment_id)
        .where(
            Message.state.in_((MessageState.DEAD, MessageState.UNSURE)),
            Message.due_at > now - _BACK,
            Message.settled_at.is_(None),
        )
        .order_by(Message.due_at.desc(), Message.id)
        .limit(_SHOWN)
    )
    return tuple(
        Failed(
            id=message.id,
            kind=message.kind,
            channel=message.channel,
            state=message.state,
            problem=message.last_error,
            due_at=message.due_at,
            reference=visit.reference if visit else None,
            patient=f"{visit.first_name} {visit.last_name}" if visit else "",
            address=message.address,
        )
        for message, visit in found
    )


def replies_to_read(session: Session, now: datetime) -> tuple[Reply, ...]:
    """Texts that nobody has read, the oldest first, with whose they may be. A part of reads."""
    texts = session.scalars(
        select(InboundText)
        .where(
            InboundText.settled_at.is_(None),
            InboundText.taken_for == "message",
            InboundText.received_at > now - _REPLIES_BACK,
        )
        .order_by(InboundText.received_at)
        .limit(_SHOWN)
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
    return tuple(
        Reply(
            id=text.id,
            phone=text.phone,
            words=text.words,
            received_at=text.received_at,
            reference=visits[text.phone].reference if text.phone in visits else None,
            patient=f"{visits[text.phone].first_name} {visits[text.phone].last_name}"
            if text.phone in visits
            else "",
        )
        for text in texts
    )


def _cannot_come(session: Session, clinic: Clinic, now: datetime) -> tuple[Refused, ...]:
    visits = session.scalars(
        select(Appointment)
        .where(
            Appointment.to_cell > cell_from(now),
            Appointment.to_cell < cell_from(now + _AHEAD),
            Appointment.cannot_come_at.is_not(None),
            Appointment.status == Status.BOOKED,
        )
        .order_by(Appointment.from_cell)
    )
    return tuple(
        Refused(
            reference=one.reference,
            patient=f"{one.first_name} {one.last_name}",
            phone=one.phone,
            starts_at=one.starts_at,
            practitioner=clinic.practitioner_by_id[one.practitioner_id],
        )
        for one in visits
    )


def _gaps(today: BoardDay, now: datetime) -> tuple[Gap, ...]:
    gaps = []
    for column in today.columns:
        for stretch in column.free:
            from_cell = max(column.cell0 + stretch.from_row, cell_from(now))
            starts_at, ends_at = instant_of(from_cell), instant_of(column.cell0 + stretch.to_row)
            if ends_at - starts_at >= SHORTEST_GAP:
                gaps.append(Gap(column.name, column.key, from_cell, starts_at, ends_at))
    return tuple(sorted(gaps, key=lambda gap: (gap.starts_at, gap.practitioner)))


def _worker(session: Session, now: datetime) -> Worker:
    beat = session.scalar(select(Heartbeat).order_by(Heartbeat.ticked_at.desc()).limit(1))
    if beat is None:
        return Worker(None, silent=True, trouble="")
    return Worker(beat.ticked_at, now - beat.ticked_at > SILENT_AFTER, beat.trouble)
