"""A plan and its visits, written down: the plan's row as it begins, all its visits at once, and what is done to it.

Parts of use cases that have looked and locked: they receive the session and never commit.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking.formatting import iso_utc
from booking.models import (
    SERIES,
    Actor,
    Appointment,
    BookableBy,
    HistoryEntry,
    Payment,
    Plan,
    PlanEntry,
    PlanStatus,
)
from booking.models.base import random_reference
from booking.scheduling.offers import Assignment
from booking.scheduling.plans.course import Course
from booking.services import claims, rows
from booking.services.clinic import Clinic
from booking.services.plans.choosing import Chosen, PlanWish


def new_plan(
    session: Session, clinic: Clinic, wish: PlanWish, course: Course, patient_id: int, now: datetime
) -> Plan:
    """A plan that wasn't prescribed before it is booked: one that its patient begins, or a series."""
    by_staff, is_series = wish.audience is BookableBy.STAFF, wish.course is not None
    by_themselves = not by_staff and not is_series
    plan = Plan(
        reference=random_reference(),
        patient_id=patient_id,
        template=SERIES if is_series else wish.template,
        name=wish.name if is_series else clinic.plan_template(wish.template).name,
        course=course.as_plain(),
        first_day=wish.first_day,
        status=PlanStatus.PRESCRIBED,
        first_name=wish.first_name,
        last_name=wish.last_name,
        email=wish.email,
        phone=wish.phone,
        reminders=wish.reminders,
        by_themselves=by_themselves,
        made_at=now,
        made_by=Actor.STAFF if by_staff else Actor.PATIENT,
        changed_at=now,
    )
    session.add(plan)
    session.flush()
    return plan


def begin(session: Session, clinic: Clinic, plan: Plan, wish: PlanWish, now: datetime) -> None:
    """The plan runs from now on, as its patient wants it. Nobody has to confirm what was prescribed, nor what a patient begins
    where the clinic's file says so.
    """
    plan.status, plan.first_day = PlanStatus.RUNNING, wish.first_day
    plan.presence = wish.presence.as_plain()
    plan.only_with = {name: list(people) for name, people in wish.only.items()}
    plan.rather_with = {name: list(people) for name, people in wish.wished.items()}
    plan.known_in = list(wish.returning)
    plan.email, plan.phone, plan.reminders = wish.email, wish.phone, wish.reminders
    plan.reminded_of = wish.reminded_of or plan.reminded_of
    plan.agreed_at, plan.changed_at = plan.agreed_at or now, now
    if not plan.by_themselves or clinic.plans_patients_begin == "firm":
        plan.confirmed_at = now
    plan.version += 1
    session.flush()


def record_all(
    session: Session,
    plan: Plan,
    visits: Sequence[tuple[Chosen, Assignment, bool]],
    by: Actor,
    now: datetime,
    *,
    payment: Payment | None = None,
    note: str = "",
    policy_version: str = "",
    **history_of: Any,
) -> list[Appointment]:
    """The appointments of a plan, with what they take and their first entries of history: a statement for each table.

    A part of use cases that have locked everything in the assignments, and the patient. Each is (what was chosen, what it
    takes, whether it is penciled in). `history_of`: who did it, as columns of the history.
    """
    given = []
    for number, (one, assignment, is_penciled) in enumerate(visits):
        given.append(
            {
                "reference": random_reference(),
                "patient_id": plan.patient_id,
                "practitioner_id": assignment.practitioner_id,
                "visit_type_id": one.visit_type.id,
                "room_id": assignment.room,
                "from_cell": assignment.from_cell,
                "to_cell": assignment.to_cell,
                "first_name": plan.first_name,
                "last_name": plan.last_name,
                "email": plan.email,
                "phone": plan.phone,
                "reminders": plan.reminders,
                "payment": payment,
                "note": note if number == 0 else "",
                "policy_version": policy_version,
                "booked_at": now,
                "booked_by": by,
                "changed_at": now,
                "plan_id": plan.id,
                "plan_role": one.kept.role.value,
                "penciled": is_penciled,
            }
        )
    ids = rows.add_many(session, Appointment, given)
    made = session.scalars(
        select(Appointment).where(Appointment.id.in_(ids)).order_by(Appointment.from_cell)
    ).all()
    by_cell = {appointment.from_cell: appointment for appointment in made}
    people = {assignment.from_cell: one.practitioner.slug for one, assignment, _ in visits}
    taken = {
        by_cell[assignment.from_cell].id: (*assignment.uses, assignment.patient_use(plan.patient_id))
        for _, assignment, _ in visits
    }
    claims.take_for_several(session, taken)
    claims.bump(session, {use.resource_id for uses in taken.values() for use in uses})
    rows.add_all(
        session,
        HistoryEntry,
        (
            {
                "appointment_id": appointment.id,
                "at": now,
                "actor": by,
                "what": "booked",
                "facts": {
                    "starts_at": iso_utc(appointment.starts_at),
                    "practitioner": people[appointment.from_cell],
                    "plan": plan.reference,
                },
                **history_of,
            }
            for appointment in made
        ),
    )
    return list(made)


def noted(
    session: Session,
    plan: Plan,
    what: str,
    by: Actor,
    now: datetime,
    *,
    why: str = "",
    name: str = "",
    account_id: int | None = None,
    before: dict[str, Any] | None = None,
    **facts: Any,
) -> int:
    """Appends to the history of a plan. Returns the entry's number."""
    entry = PlanEntry(
        plan_id=plan.id, at=now, actor=by, actor_name=name, account_id=account_id, what=what, why=why, facts=facts,
        before=before,
    )  # fmt: skip
    rows.add(session, entry)
    return entry.id
