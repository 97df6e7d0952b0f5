"""Every plan that runs, week by week, and who needs somebody: who is short, who has stopped coming, whose gate is near.

Few statements, however many plans there are. What is said of each: `judging.py`.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import reduce
from typing import Any

from sqlalchemy import func, literal_column, or_, select, true
from sqlalchemy.orm import Session

from booking import clock
from booking.errors import ClinicNotReady
from booking.models import SERIES, Appointment, Clinic as ClinicRow, Coverage, Patient, Plan, PlanStatus
from booking.scheduling.allowances.counting import Pool
from booking.scheduling.plans.course import Course
from booking.services.allowances import Allowances, counted, pool_of, visits_of_patients
from booking.services.clinic import Clinic, the_clinic
from booking.services.lookup import Lookup
from booking.services.plans.allowed import leaves_too_little
from booking.services.plans.judging import SHOWN, BoardWeek, Fate, Need, Row, cares_of, judged
from booking.services.plans.said import NOTHING_SAID, said_of
from booking.services.plans.visits import PlanVisit, firsts_due, shaped, treated_besides
from booking.services.plans.weeks import Week, weeks_of
from booking.services.staff.ownership import theirs
from booking.services.staff.who import Who
from booking.services.transaction import reading

__all__ = ["Adherence", "BoardWeek", "Fate", "Need", "Row", "adherence", "cares_of", "mark"]


@dataclass(frozen=True)
class Adherence:
    """The board. `counts`: how many plans there are with each need, before one of them was asked for."""

    clinic: Clinic
    rows: tuple[Row, ...]
    counts: dict[Need, int]
    all: int


def adherence(who: Who, *, practitioner: str | None = None, need: Need | None = None) -> Adherence:
    """All plans that run or wait to be booked, or are over without their patient having been told, but no series, those in need
    first: of a practitioner's patients, for them; of one practitioner, if asked for. Raises NotFound for a name that the clinic
    doesn't have.
    """
    now = clock.now()
    with reading() as session:
        clinic = the_clinic(session)
        person = clinic.practitioner(practitioner) if practitioner else None
        plans = session.execute(_plans(who)).all()
        visits = _visits(session, clinic, plans)
        coverage = _coverage(session, clinic, plans, now)
        no_first = [plan.id for plan in plans if firsts_due(clinic, visits[plan.id], now)]
        besides = treated_besides(session, clinic, no_first, now)
        said = said_of(session, select(Plan.id).where(Plan.status == PlanStatus.RUNNING))
    weeks = {
        plan.id: weeks_of(
            clinic,
            Course.of(plan.course),
            plan.first_day,
            visits[plan.id],
            now,
            said.get(plan.id, NOTHING_SAID),
        )
        for plan in plans
    }
    too_little = _leaving_too_little(clinic, plans, weeks, coverage, now)
    rows = [
        judged(
            clinic,
            plan,
            visits[plan.id],
            weeks[plan.id],
            said.get(plan.id, NOTHING_SAID),
            _beyond(coverage.get(plan.patient_id)),
            besides.get(plan.id, ()),
            now,
            too_little=plan.patient_id in too_little,
        )
        for plan in plans
    ]
    if person is not None:
        rows = [row for row in rows if person == row.prescribed_by or person in row.people]
    counts = Counter(one for row in rows for one in row.needs)
    shown = [row for row in rows if need is None or need in row.needs]
    return Adherence(clinic, tuple(sorted(shown, key=_urgency)), dict(counts), len(rows))


# Each part has an index; "is not null" has none on SQLite. In words, not as parameters: how few plans that are is known for these.
_is_shown = or_(
    *(Plan.status == literal_column(f"'{status.value}'") for status in SHOWN),
    Plan.untold_since > literal_column("'1970-01-01'"),
)
_shown_patients = select(Plan.patient_id).where(_is_shown)
# Without the resource that each patient is as well.
_records = Patient.__table__.c
_DEPENDS_ON = [
    one.subquery()
    for one in (
        select(
            func.sum(Plan.version).label("plans"),
            # Which they are: one may come as another goes.
            func.sum(Plan.id).label("which"),
            # A merge gives plans to another record and touches nothing else of them.
            func.sum(Plan.patient_id).label("whose"),
        ).where(_is_shown),
        select(
            func.sum(Appointment.version).label("visits"), func.count(Appointment.id).label("how_many")
        ).where(Appointment.plan_id.in_(select(Plan.id).where(_is_shown))),
        select(
            func.max(Coverage.changed_at).label("covered"), func.count(Coverage.ended_at).label("ended")
        ).where(Coverage.patient_id.in_(_shown_patients)),
        select(func.sum(_records.edit).label("edits")).where(_records.id.in_(_shown_patients)),
    )
]
# Each is one row.
_MARK = Lookup(
    select(ClinicRow.version, *(column for one in _DEPENDS_ON for column in one.c)).select_from(
        reduce(lambda so_far, one: so_far.join(one, true()), _DEPENDS_ON, ClinicRow.__table__)
    )
)


def mark() -> tuple[Any, ...]:
    """What the board depends on, but for the time. While it stands, so does what is written of it. One statement."""
    row = _MARK()
    if row is None:
        raise ClinicNotReady
    return tuple(row)


# What coverage leaves


def _leaving_too_little(
    clinic: Clinic,
    plans: Sequence[Any],
    weeks: Mapping[int, tuple[Week, ...]],
    coverage: Mapping[int, Allowances],
    now: datetime,
) -> set[int]:
    """The patients whose coverage leaves less than all their plans together still have to book."""
    today = clinic.times.local_date(now)
    theirs: dict[int, list[Week]] = defaultdict(list)
    for plan in plans:
        if plan.status in SHOWN and plan.patient_id in coverage:
            theirs[plan.patient_id] += weeks[plan.id]
    return {patient for patient, of in theirs.items() if leaves_too_little(coverage[patient], of, today)}


def _beyond(coverage: Allowances | None) -> frozenset[str]:
    return frozenset(reference for reference, _mark in coverage.ahead_beyond()) if coverage else frozenset()


# Read


def _plans(who: Who) -> Any:
    return (
        select(
            Plan.id,
            Plan.patient_id,
            Plan.reference,
            Plan.name,
            Plan.course,
            Plan.first_day,
            Plan.status,
            Plan.prescribed_by,
            Plan.by_themselves,
            Plan.confirmed_at,
            Plan.decided_phases,
            Plan.untold_since,
            Patient.reference.label("patient"),
            Patient.first_name,
            Patient.last_name,
        )
        .join(Patient, Patient.id == Plan.patient_id)
        .where(_is_shown, Plan.template != SERIES, theirs(who, Plan.patient_id))
    )


def _visits(session: Session, clinic: Clinic, plans: Sequence[Any]) -> dict[int, list[PlanVisit]]:
    """By plan its visits, in order."""
    by_id = {plan.id: plan for plan in plans}
    found: dict[int, list[PlanVisit]] = defaultdict(list)
    if not by_id:
        return found
    rows = session.execute(
        select(
            Appointment.id,
            Appointment.reference,
            Appointment.link_number,
            Appointment.version,
            Appointment.visit_type_id,
            Appointment.practitioner_id,
            Appointment.from_cell,
            Appointment.to_cell,
            Appointment.status,
            Appointment.cancelled_by,
            Appointment.penciled,
            Appointment.plan_id,
            Appointment.plan_role,
        )
        .where(Appointment.plan_id.in_(select(Plan.id).where(_is_shown)))
        .order_by(Appointment.from_cell)
    )
    for row in rows:
        plan = by_id.get(row.plan_id)
        if plan is not None:
            found[plan.id].append(shaped(clinic, plan, row))
    return found


def _coverage(session: Session, clinic: Clinic, plans: Sequence[Any], now: datetime) -> dict[int, Allowances]:
    """By patient what is left of their coverage, where any is recorded. Two statements; one, where there is none."""
    pools: dict[int, list[Pool]] = defaultdict(list)
    whose = {plan.patient_id for plan in plans}
    for one in session.scalars(
        select(Coverage)
        .where(Coverage.patient_id.in_(select(Plan.patient_id).where(_is_shown)))
        .order_by(Coverage.position, Coverage.id)
    ):
        if one.patient_id in whose:
            pools[one.patient_id].append(pool_of(clinic, one))
    visits = visits_of_patients(session, pools) if pools else {}
    return {
        patient: counted(clinic, theirs, visits.get(patient, ()), now) for patient, theirs in pools.items()
    }


_RANK = {need: rank for rank, need in enumerate(Need)}
_NO_HURRY = date(9999, 12, 31)


def _urgency(row: Row) -> tuple[Any, ...]:
    """By what is needed, then by how much and how soon, then by name."""
    first = _RANK[row.needs[0]] if row.needs else len(_RANK)
    return (
        first,
        -row.missed_in_a_row,
        -row.short,
        row.gate_on or _NO_HURRY,
        row.patient_name,
        row.reference,
    )
