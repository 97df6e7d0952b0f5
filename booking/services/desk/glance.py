"""Today at a glance: what wants somebody's eyes at the desk in this minute. Reads only."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking import clock
from booking.errors import NotFound
from booking.models import Appointment, Heartbeat
from booking.scheduling.status import Status
from booking.scheduling.timeline import cell_from, instant_of
from booking.services.clinic import Clinic, Practitioner
from booking.services.desk import board
from booking.services.desk.board import Asked, BoardDay, Needles, Visit
from booking.services.desk.outgoing import Outgoing, Reply, failed_messages, replies_to_read
from booking.services.desk.pressing import Pressing, pressing
from booking.services.health import SILENT_AFTER
from booking.services.staff.who import Who
from booking.services.transaction import reading

# A free stretch that is shorter is of no use to anybody.
SHORTEST_GAP = timedelta(minutes=15)
# From then on a day wants to be closed.
LATE_AFTERNOON = time(16)
# Who says "I can't come" does so in the last days.
AHEAD = timedelta(days=14)


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
class Worker:
    """Who sends the messages. `silent`: nothing has gone for two minutes or more, or never."""

    ticked_at: datetime | None
    silent: bool
    trouble: str


@dataclass(frozen=True)
class Glance:
    """The day in lists, each the most urgent first. `late`: also those who were expected until a time that is over, until
    somebody settles it. `closes`: it is time to close the day.
    """

    clinic: Clinic
    on: date
    now: datetime
    closes: bool
    here: tuple[Visit, ...]
    late: tuple[Visit, ...]
    needles: tuple[Visit, ...]
    unconfirmed: tuple[Visit, ...]
    cannot_come: tuple[Refused, ...]
    gaps: tuple[Gap, ...]
    failed: tuple[Outgoing, ...]
    replies: tuple[Reply, ...]
    worker: Worker
    pressing: Pressing

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
        now=now,
        closes=_closes(clinic, visits, now),
        here=tuple(one for one in visits if one.status in (Status.ARRIVED, Status.CHECKED_IN)),
        late=tuple(one for one in visits if one.late_minutes or one.not_arrived),
        needles=tuple(
            sorted(
                (one for one in visits if one.needles_out_at is not None),
                key=lambda one: one.needles_out_at or now,
            )
        ),
        unconfirmed=tuple(one for one in visits if one.unconfirmed),
        cannot_come=refused,
        gaps=_gaps(today, now),
        failed=failed,
        replies=replies,
        worker=worker,
        pressing=pressing(who, clinic),
    )


def _closes(clinic: Clinic, visits: tuple[Visit, ...], now: datetime) -> bool:
    """From late afternoon on, or as soon as all visits of the day are over."""
    over = bool(visits) and all(instant_of(one.to_cell) <= now for one in visits)
    return over or clinic.times.local(now).time() >= LATE_AFTERNOON


def _cannot_come(session: Session, clinic: Clinic, now: datetime) -> tuple[Refused, ...]:
    visits = session.scalars(
        select(Appointment)
        .where(
            Appointment.to_cell > cell_from(now),
            Appointment.to_cell < cell_from(now + AHEAD),
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
