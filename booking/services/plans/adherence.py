"""Every plan that runs, week by week, and who needs somebody: who is short, who has stopped coming, whose gate is near.

What a plan is, is counted as on its own page (`reading.weeks_of`); here are only the questions that a list of all of them
answers. Few statements, however many plans there are.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from booking import clock
from booking.errors import ClinicNotReady
from booking.models import SERIES, Appointment, Clinic as ClinicRow, Coverage, Patient, Plan, PlanStatus
from booking.scheduling.allowances.counting import Pool, Visit, count
from booking.scheduling.plans.course import Course
from booking.scheduling.plans.keeping import Role, looked_at
from booking.scheduling.status import Status
from booking.services.allowances import Allowances, counted, pool_of, visits_of_patients
from booking.services.clinic import Clinic, Practitioner, VisitType, the_clinic
from booking.services.lookup import Lookup
from booking.services.plans.reading import (
    Dose,
    PlanVisit,
    Week,
    look_after,
    shaped,
    weeks_of,
)
from booking.services.plans.said import NOTHING_SAID, Said, pause_on, said_of
from booking.services.staff.ownership import theirs
from booking.services.staff.who import Who
from booking.services.transaction import reading

GATE_NEAR = timedelta(days=7)
SHOWN = (PlanStatus.PRESCRIBED, PlanStatus.RUNNING)
_DOSES = (Role.DOSE, Role.FIRST)


class Fate(StrEnum):
    """What became of one visit of a dose. LEFT: it is prescribed and isn't booked."""

    ATTENDED = "attended"
    MADE_UP = "made_up"
    MISSED = "missed"
    BOOKED = "booked"
    PENCILED = "penciled"
    LEFT = "left"


class Need(StrEnum):
    """Why somebody should look at a plan, the most urgent first.

    GIVEN_UP: its patient has cancelled a visit and all later ones, and nothing is booked in their place. STOPPED: two missed in a row, or nothing ahead though doses are left. UNDECIDED: looked at again, and nothing was decided.
    UNCONFIRMED: begun by the patient, who has been here since. SHORT: fewer visits than prescribed. NO_REASSESSMENT: nobody
    is booked to look again. GATE: somebody does within a week. ALLOWANCE: visits ahead, or what is still to be booked, may not
    be covered. NOT_CONFIRMED: begun by the patient, who hasn't been here yet. NOT_BOOKED: there is a link, and nothing is booked.
    PAUSED: it rests for some days.
    """

    GIVEN_UP = "given_up"
    STOPPED = "stopped"
    UNDECIDED = "undecided"
    UNCONFIRMED = "unconfirmed"
    SHORT = "short"
    NO_REASSESSMENT = "no_reassessment"
    GATE = "gate"
    ALLOWANCE = "allowance"
    NOT_CONFIRMED = "not_confirmed"
    NOT_BOOKED = "not_booked"
    PAUSED = "paused"


class CareWeek(NamedTuple):
    """One kind of care in one week, visit by visit."""

    care: VisitType
    fates: tuple[Fate, ...]


class BoardWeek(NamedTuple):
    """A week of a plan, from 0 on."""

    number: int
    first: date
    is_now: bool
    cares: tuple[CareWeek, ...]


@dataclass(frozen=True)
class Row:
    """A plan on the board. `short`: by how many visits; `gate_on`: when somebody looks again, or has to at the latest;
    `beyond_on`: the day of its first visit ahead that may not be covered; `paused_until`: the last day of the pause in which
    it is; `people`: who gives its visits.
    """

    reference: str
    name: str
    patient: str
    patient_name: str
    status: PlanStatus
    prescribed_by: Practitioner | None
    people: tuple[Practitioner, ...]
    first_day: date
    weeks: tuple[BoardWeek, ...]
    needs: tuple[Need, ...]
    short: int
    missed_in_a_row: int
    gate_on: date | None
    beyond_on: date | None
    paused_until: date | None
    next_at: datetime | None

    @property
    def week(self) -> int | None:
        """The number of the present week, from 0 on."""
        return next((week.number for week in self.weeks if week.is_now), None)


@dataclass(frozen=True)
class Adherence:
    """The board. `counts`: how many plans there are with each need, before one of them was asked for."""

    clinic: Clinic
    rows: tuple[Row, ...]
    counts: dict[Need, int]
    all: int


def adherence(who: Who, *, practitioner: str | None = None, need: Need | None = None) -> Adherence:
    """All plans that run or wait to be booked, but no series, those in need first: of a practitioner's patients, for them; of one
    practitioner, if asked for. Raises NotFound for a name that the clinic doesn't have.
    """
    now = clock.now()
    with reading() as session:
        clinic = the_clinic(session)
        person = clinic.practitioner(practitioner) if practitioner else None
        plans = session.execute(_plans(who)).all()
        visits = _visits(session, clinic, plans)
        coverage = _coverage(session, clinic, plans, now)
        said = said_of(session, select(Plan.id).where(Plan.status == PlanStatus.RUNNING))
    rows = [
        _row(
            clinic, plan, visits[plan.id], coverage.get(plan.patient_id), said.get(plan.id, NOTHING_SAID), now
        )
        for plan in plans
    ]
    if person is not None:
        rows = [row for row in rows if person == row.prescribed_by or person in row.people]
    counts = Counter(one for row in rows for one in row.needs)
    shown = [row for row in rows if need is None or need in row.needs]
    return Adherence(clinic, tuple(sorted(shown, key=_urgency)), dict(counts), len(rows))


_is_shown = or_(*(Plan.status == status for status in SHOWN))
_of_shown = Appointment.plan_id.in_(select(Plan.id).where(_is_shown))
_MARK = Lookup(
    select(
        ClinicRow.version,
        *(
            select(one).scalar_subquery()
            for one in (
                func.sum(Plan.version),
                # A merge gives plans to another record and touches nothing else of them.
                func.sum(Plan.patient_id),
            )
        ),
        *(
            select(one).where(_of_shown).scalar_subquery()
            for one in (func.sum(Appointment.version), func.count(Appointment.id))
        ),
        *(
            select(one)
            .where(Coverage.patient_id.in_(select(Plan.patient_id).where(_is_shown)))
            .scalar_subquery()
            for one in (func.max(Coverage.changed_at), func.count(Coverage.ended_at))
        ),
        select(func.sum(Patient.edit))
        .where(Patient.id.in_(select(Plan.patient_id).where(_is_shown)))
        .scalar_subquery(),
    )
)


def mark() -> tuple[Any, ...]:
    """What the board depends on, but for the time. While it stands, so does what is written of it. One statement."""
    row = _MARK()
    if row is None:
        raise ClinicNotReady
    return tuple(row)


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
            Patient.reference.label("patient"),
            Patient.first_name,
            Patient.last_name,
        )
        .join(Patient, Patient.id == Plan.patient_id)
        .where(Plan.status.in_(SHOWN), Plan.template != SERIES, theirs(who, Plan.patient_id))
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
            Appointment.penciled,
            Appointment.plan_id,
            Appointment.plan_role,
        )
        .where(Appointment.plan_id.in_(select(Plan.id).where(Plan.status.in_(SHOWN))))
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
        .where(Coverage.patient_id.in_(select(Plan.patient_id).where(Plan.status.in_(SHOWN))))
        .order_by(Coverage.position, Coverage.id)
    ):
        if one.patient_id in whose:
            pools[one.patient_id].append(pool_of(clinic, one))
    visits = visits_of_patients(session, pools) if pools else {}
    return {
        patient: counted(clinic, theirs, visits.get(patient, ()), now) for patient, theirs in pools.items()
    }


# A plan, judged


def _row(
    clinic: Clinic,
    plan: Any,
    visits: Sequence[PlanVisit],
    coverage: Allowances | None,
    said: Said,
    now: datetime,
) -> Row:
    course, today = Course.of(plan.course), clinic.times.local_date(now)
    weeks = weeks_of(clinic, course, plan.first_day, visits, now, said)
    doses = [one for one in visits if one.role in _DOSES]
    ahead = [one for one in visits if one.status is Status.BOOKED and one.starts_at > now]
    prescribed = plan.status is PlanStatus.PRESCRIBED
    short = 0 if prescribed else sum(week.left for week in weeks)
    # What a pause has taken wasn't missed by anybody.
    missed = _missed_in_a_row(
        [one for one in doses if not pause_on(clinic.times.local_date(one.starts_at), said.pauses)], now
    )
    pause = pause_on(today, said.pauses)
    gate, gate_on = (None, None) if prescribed else _gate(clinic, plan, course, visits, now)
    needs: set[Need | None] = {gate}
    given_up = said.given_up_from is not None and not any(
        one.role in _DOSES and one.starts_at >= said.given_up_from for one in ahead
    )
    if given_up and short:
        needs |= {Need.GIVEN_UP, Need.PAUSED} if pause else {Need.GIVEN_UP}
    elif prescribed or pause:
        needs.add(Need.NOT_BOOKED if prescribed else Need.PAUSED)
    elif missed >= 2 or (short and not any(one.role in _DOSES for one in ahead)):
        needs.add(Need.STOPPED)
    if short:
        needs.add(Need.SHORT)
    if not prescribed and plan.by_themselves and plan.confirmed_at is None:
        seen = any(_is_over(one, now) for one in doses)
        needs.add(Need.UNCONFIRMED if seen else Need.NOT_CONFIRMED)
    beyond_on, leaves_too_little = _allowance(clinic, coverage, ahead, weeks, today)
    if beyond_on or leaves_too_little:
        needs.add(Need.ALLOWANCE)
    people = {one.practitioner.id: one.practitioner for one in visits if one.stands}
    return Row(
        reference=plan.reference,
        name=plan.name,
        patient=plan.patient,
        patient_name=f"{plan.first_name} {plan.last_name}",
        status=plan.status,
        prescribed_by=clinic.practitioner_by_id.get(plan.prescribed_by or 0),
        people=tuple(people.values()),
        first_day=plan.first_day,
        weeks=tuple(_week(week, today, now) for week in weeks),
        needs=tuple(need for need in Need if need in needs),
        short=short,
        missed_in_a_row=missed,
        gate_on=gate_on,
        beyond_on=beyond_on,
        paused_until=pause.last if pause else None,
        next_at=ahead[0].starts_at if ahead else None,
    )


def _is_over(visit: PlanVisit, now: datetime) -> bool:
    """Whether it took place, or counts as if it had."""
    return visit.stands and (visit.status is not Status.BOOKED or visit.ends_at <= now)


def _missed_in_a_row(doses: Sequence[PlanVisit], now: datetime) -> int:
    """How many of the latest visits were missed, one after the other."""
    count = 0
    for one in reversed([one for one in doses if one.starts_at <= now]):
        if one.stands:
            break
        count += 1
    return count


def _gate(
    clinic: Clinic, plan: Any, course: Course, visits: Sequence[PlanVisit], now: datetime
) -> tuple[Need | None, date | None]:
    """What is to be done about the reassessment that comes next, and when it is or has to be."""
    stage = plan.decided_phases
    if not course.reassessment or stage >= course.looks:
        return None, None
    look = look_after(clinic, plan.first_day, course, [one for one in visits if one.stands], stage)
    if look is None:
        last = looked_at(course, stage, []).stop - 1
        return Need.NO_REASSESSMENT, plan.first_day + timedelta(days=last)
    on = clinic.times.local_date(look.starts_at)
    if _is_over(look, now):
        return Need.UNDECIDED, on
    return (Need.GATE if look.starts_at <= now + GATE_NEAR else None), on


def _allowance(
    clinic: Clinic,
    coverage: Allowances | None,
    ahead: Sequence[PlanVisit],
    weeks: Sequence[Week],
    today: date,
) -> tuple[date | None, bool]:
    """The day of the first visit ahead that may not be covered, and whether less is left than the plan still has to book."""
    if coverage is None:
        return None, False
    beyond = {reference for reference, _mark in coverage.ahead_beyond()}
    first = next((one for one in ahead if one.reference in beyond), None)
    too_little = _leaves_too_little(coverage, weeks, today)
    return (clinic.times.local_date(first.starts_at) if first else None), too_little


def _leaves_too_little(coverage: Allowances, weeks: Sequence[Week], today: date) -> bool:
    """Whether any visit would lie beyond that doesn't yet, if what is left were booked: each on a day of its own, from its week
    and from today on.
    """
    counted_now = coverage.count
    taken = {visit.day for visit, _mark in counted_now.marks}
    to_book: list[Visit] = []
    day = today
    for week in weeks:
        day = max(day, week.first)
        for dose in week.doses:
            for _ in range(dose.left):
                while day in taken:
                    day += timedelta(days=1)
                to_book.append(Visit(day, dose.care.modality.slug))
                taken.add(day)
    if not to_book:
        return False
    beyond = {visit.name for visit, mark in counted_now.marks if mark.beyond}
    visits = [visit for visit, _mark in counted_now.marks]
    with_these = count(counted_now.pools, [*visits, *to_book])
    return any(mark.beyond and visit.name not in beyond for visit, mark in with_these.marks)


def cares_of(week: Week, now: datetime | None = None) -> tuple[CareWeek, ...]:
    """What became of each visit of a week, by kind of care."""
    now = now or clock.now()
    return tuple(CareWeek(dose.care, tuple(_fates(week, dose, now))) for dose in week.doses)


def _week(week: Week, today: date, now: datetime) -> BoardWeek:
    return BoardWeek(week.number, week.first, week.first <= today <= week.last, cares_of(week, now))


def _fates(week: Week, dose: Dose, now: datetime) -> Iterator[Fate]:
    made_up = dose.made_up
    for one in week.visits:
        if one.care.slug != dose.care.slug or one.role not in _DOSES:
            continue
        if not one.stands:
            made_up -= 1
            yield Fate.MADE_UP if made_up >= 0 else Fate.MISSED
        elif _is_over(one, now):
            yield Fate.ATTENDED
        else:
            yield Fate.PENCILED if one.penciled else Fate.BOOKED
    yield from (Fate.LEFT for _ in range(dose.left))


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
