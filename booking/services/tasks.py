"""What the desk owes about visits: good-faith estimates by their deadlines, and coverage to be checked.

A task is written in the transaction of the booking. It goes with its visit: it is on the list only while the visit lies
ahead, and coverage is due by the time that the visit has now. A plan's is owed for its first visit, and for the next one where
that is cancelled or moved behind it.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import and_, bindparam, func, or_, select, update
from sqlalchemy.orm import Session

from booking import clock
from booking.errors import NotFound
from booking.models import Appointment, Patient, Payment, Task, TaskKind
from booking.scheduling.estimates import coverage_due, estimate_due
from booking.scheduling.hours import day_at
from booking.scheduling.status import LIVE, Status
from booking.scheduling.timeline import cell_from
from booking.services import rows
from booking.services.clinic import Clinic, Practitioner, VisitType, the_clinic
from booking.services.idempotency import Answer, Key, once
from booking.services.staff import audit
from booking.services.staff.ownership import appointment_for
from booking.services.staff.who import Who
from booking.services.transaction import reading

# Who pays in one of these ways was promised that we ask the plan before the visit.
_COVERED_BY = (Payment.INSURANCE, Payment.MEDICARE_ADVANTAGE, Payment.ORIGINAL_MEDICARE)
# What is due later is only counted.
SHOWN_AHEAD = timedelta(days=7)
# No visit lies further ahead than this from its booking, so no older task is about one that is still to come.
_OLDEST = timedelta(days=400)


@dataclass(frozen=True)
class ToDo:
    """One thing to do about a visit, by the end of `due_on`."""

    id: int
    kind: TaskKind
    due_on: date
    reference: str
    patient_name: str
    patient_reference: str
    phone: str | None
    email: str | None
    payment: Payment | None
    starts_at: datetime
    visit_type: VisitType
    practitioner: Practitioner


@dataclass(frozen=True)
class ToDoList:
    """What is to be done in the next days, the most urgent first. `later`: how many more are due after that."""

    today: date
    overdue: tuple[ToDo, ...]
    due_today: tuple[ToDo, ...]
    soon: tuple[ToDo, ...]
    later: int


# What is owed about visits that lie ahead.
_OPEN = and_(
    Task.settled_at.is_(None),
    Task.due_on > bindparam("oldest_due"),
    Appointment.to_cell > bindparam("now_cell"),
    Appointment.status.in_(LIVE),
)
# How many of these are overdue or due today, as a part of other statements. Coverage goes by the visit.
PRESSING = (
    select(func.count(Task.id))
    .join(Appointment, Appointment.id == Task.appointment_id)
    .where(
        _OPEN,
        or_(
            and_(Task.kind == TaskKind.ESTIMATE, Task.due_on <= bindparam("today")),
            and_(Task.kind == TaskKind.COVERAGE, Appointment.from_cell < bindparam("covered_until")),
        ),
    )
)


def bounds(clinic: Clinic, now: datetime) -> dict[str, Any]:
    """What these statements want to know of now."""
    today = clinic.times.local_date(now)
    last = today
    while coverage_due(last + timedelta(days=1)) <= today:
        last += timedelta(days=1)
    return {
        "today": today,
        "oldest_due": today - _OLDEST,
        "now_cell": cell_from(now),
        "covered_until": day_at(last, clinic.zone).to_cell,
    }


def to_do(who: Who) -> ToDoList:
    """What is owed about visits that lie ahead. Shown to those who look after all patients; to others nothing."""
    now = clock.now()
    with reading() as session:
        clinic = the_clinic(session)
        today = clinic.times.local_date(now)
        statement = (
            select(Task, Appointment, Patient.reference)
            .join(Appointment, Appointment.id == Task.appointment_id)
            .join(Patient, Patient.id == Appointment.patient_id)
            .where(_OPEN)
        )
        found = session.execute(statement, bounds(clinic, now)).all() if who.sees_everybody else []
        tasks = [
            _shaped(clinic, task, appointment, patient_reference)
            for task, appointment, patient_reference in found
        ]
    tasks.sort(key=lambda one: (one.due_on, one.starts_at, one.id))
    last = today + SHOWN_AHEAD
    return ToDoList(
        today=today,
        overdue=tuple(one for one in tasks if one.due_on < today),
        due_today=tuple(one for one in tasks if one.due_on == today),
        soon=tuple(one for one in tasks if today < one.due_on <= last),
        later=sum(1 for one in tasks if one.due_on > last),
    )


def settle(who: Who, task_id: int, *, done: bool, key: str) -> TaskKind:
    """Takes a task off the list, with who did it; with `done` False puts it back. Says what kind it is. Twice is a quiet
    success. Raises NotFound, KeyReused.
    """

    def action(session: Session) -> Answer:
        now = clock.now()
        task = session.scalar(select(Task).where(Task.id == task_id).with_for_update())
        if task is None:
            raise NotFound
        appointment = appointment_for(session, who, _reference_of(session, task))
        if done == (task.settled_at is None):
            task.settled_at = now if done else None
            task.settled_by = who.name if done else ""
            what = "settled task" if done else "reopened task"
            audit.did(session, who, what, f"task/{task.id}", appointment.patient_id, kind=task.kind.value)
        return {"kind": task.kind.value}

    return TaskKind(once(Key.of(who.key, key, ["task", task_id, done]), action)["kind"])


# Parts of bookings and moves


def owe(session: Session, clinic: Clinic, appointment: Appointment, now: datetime) -> None:
    """What a new visit makes the desk owe. A part of the booking."""
    visit_on = clinic.times.local_date(appointment.starts_at)
    due: dict[TaskKind, date | None] = {}
    if appointment.payment is Payment.SELF:
        due[TaskKind.ESTIMATE] = estimate_due(clinic.times.local_date(now), visit_on)
    elif appointment.payment in _COVERED_BY:
        due[TaskKind.COVERAGE] = coverage_due(visit_on)
    tasks = [
        {"kind": kind, "appointment_id": appointment.id, "due_on": due_on, "made_at": now}
        for kind, due_on in due.items()
        if due_on
    ]
    rows.add_all(session, Task, tasks)


def moved(session: Session, clinic: Clinic, appointment: Appointment, now: datetime) -> None:
    """What a visit owes that was moved: an estimate, if it lies so far ahead only now. A part of the move.

    An estimate that is owed already, of a plan for any of its visits, keeps its deadline; coverage follows the visit by itself.
    """
    pass_on(session, appointment, now)
    if appointment.payment is not Payment.SELF:
        return
    of_plan = Appointment.plan_id == appointment.plan_id
    there = (
        select(Task.id)
        .join(Appointment, Appointment.id == Task.appointment_id)
        .where(
            Task.kind == TaskKind.ESTIMATE,
            of_plan if appointment.plan_id else Appointment.id == appointment.id,
        )
    )
    if session.scalar(there.limit(1)) is None:
        owe(session, clinic, appointment, now)


def pass_on(session: Session, appointment: Appointment, now: datetime) -> None:
    """What is owed of the plan of a visit that was moved, cancelled or missed is owed for the first of its visits that are still to
    come; but for what was owed of one that took place.
    """
    if appointment.plan_id is None:
        return
    session.flush()
    of_plan = select(Appointment.id).where(Appointment.plan_id == appointment.plan_id)
    to_come = Appointment.from_cell > cell_from(now)
    ahead = of_plan.where(to_come, Appointment.status.in_(LIVE))
    first = session.scalar(ahead.order_by(Appointment.from_cell).limit(1))
    if first is not None:
        theirs = of_plan.where(or_(to_come, Appointment.status.in_((Status.CANCELLED, Status.NOSHOW))))
        owed = update(Task).where(Task.settled_at.is_(None), Task.appointment_id.in_(theirs))
        session.execute(owed.values(appointment_id=first))


def due_of(task: Task, visit_on: date) -> date:
    """The last day for a task about a visit on that day: coverage goes with the visit, an estimate keeps its deadline."""
    return coverage_due(visit_on) if task.kind is TaskKind.COVERAGE else task.due_on


def _reference_of(session: Session, task: Task) -> str:
    return session.scalars(select(Appointment.reference).where(Appointment.id == task.appointment_id)).one()


def _shaped(clinic: Clinic, task: Task, appointment: Appointment, patient_reference: str) -> ToDo:
    visit_on = clinic.times.local_date(appointment.starts_at)
    return ToDo(
        id=task.id,
        kind=task.kind,
        due_on=due_of(task, visit_on),
        reference=appointment.reference,
        patient_name=f"{appointment.first_name} {appointment.last_name}",
        patient_reference=patient_reference,
        phone=appointment.phone,
        email=appointment.email,
        payment=appointment.payment,
        starts_at=appointment.starts_at,
        visit_type=clinic.visit_type_by_id[appointment.visit_type_id],
        practitioner=clinic.practitioner_by_id[appointment.practitioner_id],
    )
