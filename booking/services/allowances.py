"""What is left of a patient's coverage: their pools and visits as the pure core counts them.

Nothing that is counted is stored, so what is shown is always what a recount says.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Row, and_, or_, select
from sqlalchemy.orm import Session

from booking.models import Actor, Appointment, Coverage
from booking.scheduling.allowances.counting import (
    Count,
    Left,
    Mark,
    Pool,
    Standing,
    State,
    Visit,
    besides,
    count,
)
from booking.scheduling.allowances.terms import Terms
from booking.scheduling.status import LIVE, Status, cancelled_late, counts_as_attended, lapsed
from booking.scheduling.timeline import instant_of
from booking.services.clinic import Clinic


class Planned(NamedTuple):
    """A visit that is about to be booked. `modality`: its slug."""

    starts_at: datetime
    modality: str


@dataclass(frozen=True)
class Allowances:
    """A patient's coverage, counted. `these`: the marks of visits about to be booked, in their order; `pushed`: references of
    visits that are booked and would be beyond only because of them. `starts`: when each visit begins.
    """

    count: Count
    left: tuple[Left, ...]
    these: tuple[Mark, ...]
    pushed: tuple[str, ...]
    starts: Mapping[str, datetime]

    @property
    def recorded(self) -> bool:
        return bool(self.count.pools)

    @property
    def stops(self) -> bool:
        """Whether staff are to be asked before these visits are booked: for them, or for those that they push beyond."""
        pushed = (self.count.mark_of(reference) for reference in self.pushed)
        return any(mark and mark.beyond and mark.stops for mark in (*self.these, *pushed))

    def pool(self, mark: Mark) -> Pool | None:
        return next((pool for pool in self.count.pools if pool.id == mark.pool), None)

    def ahead_beyond(self) -> tuple[tuple[str, Mark], ...]:
        """Visits that are booked and lie beyond, by their references, the next one first."""
        return tuple(
            (visit.name, mark)
            for visit, mark in self.count.marks
            if mark.beyond and visit.state is State.BOOKED and visit.name in self.starts
        )


@dataclass(frozen=True)
class OfVisit:
    """How one visit counts: what is left, on its day, of the pool on which it draws or which has no room for it."""

    pool: Pool
    left: Left
    mark: Mark


class VisitRow(NamedTuple):
    """What of an appointment counts here."""

    patient_id: int
    reference: str
    visit_type_id: int
    from_cell: int
    to_cell: int
    status: Status
    cancelled_at: datetime | None
    penciled: bool


_VISITS = select(
    Appointment.patient_id,
    Appointment.reference,
    Appointment.visit_type_id,
    Appointment.from_cell,
    Appointment.to_cell,
    Appointment.status,
    Appointment.cancelled_at,
    Appointment.penciled,
).where(
    or_(
        Appointment.status.in_((*LIVE, Status.FULFILLED, Status.NOSHOW)),
        # What the clinic itself cancelled is none of theirs.
        and_(Appointment.status == Status.CANCELLED, Appointment.cancelled_by == Actor.PATIENT),
    )
)


def allowances_of(
    session: Session,
    clinic: Clinic,
    patient_id: int,
    now: datetime,
    and_these: Sequence[Planned] = (),
    without: Collection[str] = (),
) -> Allowances:
    """A patient's coverage, with visits about to be booked, and without those (by reference) that give way to them."""
    pools = pools_of(session, clinic, patient_id)
    found = session.execute(_VISITS.where(Appointment.patient_id == patient_id)).all() if pools else ()
    return counted(clinic, pools, [row for row in found if row.reference not in without], now, and_these)


def asks_first(
    session: Session,
    clinic: Clinic,
    patient_id: int,
    planned: Sequence[Planned],
    now: datetime,
    instead_of: Mapping[str, Planned] | None = None,
) -> bool:
    """Whether the payer is to be asked before these visits are booked. `instead_of`: those, by their references, whose place they
    take; where it was so of them already, it needn't be asked again.
    """
    given_up = instead_of or {}
    if not allowances_of(session, clinic, patient_id, now, planned, given_up).stops:
        return False
    before = [*given_up.values()]
    return not before or not allowances_of(session, clinic, patient_id, now, before, given_up).stops


def counted(
    clinic: Clinic,
    pools: Sequence[Pool],
    rows: Iterable[VisitRow | Row[tuple[int, str, int, int, int, Status, datetime | None, bool]]],
    now: datetime,
    and_these: Sequence[Planned] = (),
) -> Allowances:
    """The same for whoever has read them already."""
    given = [VisitRow(*row) for row in rows]
    visits = [visit for row in given if (visit := _visit(clinic, row, now)) is not None]
    new = [
        Visit(
            clinic.times.local_date(one.starts_at),
            one.modality,
            State.BOOKED,
            f"+{number}",
            int(one.starts_at.timestamp()),
        )
        for number, one in enumerate(and_these)
    ]
    found = besides(count(pools, visits), new)
    return Allowances(
        count=found.count,
        left=found.count.left(clinic.times.local_date(now)),
        these=found.these,
        pushed=found.pushed,
        starts={row.reference: instant_of(row.from_cell) for row in given},
    )


def of_visit(session: Session, clinic: Clinic, appointment: Appointment, now: datetime) -> OfVisit | None:
    """How a visit counts; None where nothing is recorded for it, or it doesn't count."""
    found = allowances_of(session, clinic, appointment.patient_id, now)
    mark = found.count.mark_of(appointment.reference)
    pool = found.pool(mark) if mark else None
    if mark is None or pool is None or mark.standing is Standing.NOT_COUNTED:
        return None
    day = clinic.times.local_date(appointment.starts_at)
    left = next((one for one in found.count.left(day) if one.pool.id == pool.id), None)
    return OfVisit(pool, left, mark) if left else None


def pools_of(session: Session, clinic: Clinic, patient_id: int) -> tuple[Pool, ...]:
    """A patient's pools in the order in which they are drawn on: those that were ended as well."""
    return tuple(pool_of(clinic, one) for one in coverages_of(session, patient_id))


def coverages_of(session: Session, patient_id: int) -> Sequence[Coverage]:
    return session.scalars(
        select(Coverage).where(Coverage.patient_id == patient_id).order_by(Coverage.position, Coverage.id)
    ).all()


def pool_of(clinic: Clinic, coverage: Coverage) -> Pool:
    """From the day on which it was ended it counts no more."""
    ended_on = clinic.times.local_date(coverage.ended_at) if coverage.ended_at else None
    return Pool(coverage.id, coverage.name, Terms.of(coverage.terms), ended_on)


def visits_of_patients(
    session: Session, patient_ids: Iterable[int], since_cell: int | None = None
) -> dict[int, list[VisitRow]]:
    """What counts of the visits of several patients, by patient."""
    wanted = _VISITS.where(Appointment.patient_id.in_(sorted(patient_ids)))
    if since_cell is not None:
        wanted = wanted.where(Appointment.to_cell > since_cell)
    found: dict[int, list[VisitRow]] = {}
    for row in session.execute(wanted):
        found.setdefault(row.patient_id, []).append(VisitRow(*row))
    return found


def _visit(clinic: Clinic, row: VisitRow, now: datetime) -> Visit | None:
    visit_type = clinic.visit_type_by_id[row.visit_type_id]
    starts_at, ends_at = instant_of(row.from_cell), instant_of(row.to_cell)
    if lapsed(row.status, ends_at, now, penciled=row.penciled):
        return None
    if counts_as_attended(row.status, ends_at, now, penciled=row.penciled):
        state = State.ATTENDED
    elif row.status in LIVE:
        state = State.BOOKED
    elif row.status is Status.NOSHOW:
        state = State.MISSED
    elif cancelled_late(row.status, starts_at, visit_type.cut_off, row.cancelled_at):
        state = State.CANCELLED_LATE
    else:
        return None
    day = clinic.times.local_date(starts_at)
    return Visit(day, visit_type.modality.slug, state, row.reference, int(starts_at.timestamp()))
