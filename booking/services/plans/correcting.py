"""A patient's name or contact, corrected in their plans: those that run, wait to be booked, or are over and
have still to be told of.

Parts of the use case that corrects the record: they receive the session and never commit.
"""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import bindparam, exists, or_, select
from sqlalchemy.orm import Session

from booking.errors import ContactCannotBeReached
from booking.models import Actor, Appointment, Plan, PlanStatus
from booking.scheduling.status import Status
from booking.scheduling.timeline import cell_from
from booking.services import notices
from booking.services.clinic import Clinic
from booking.services.plans.recording import noted
from booking.services.staff.who import Who
from booking.services.visits import refuse_unreachable

_OPEN = (PlanStatus.PRESCRIBED, PlanStatus.RUNNING)
# Over, by the clinic's wish, with visits that would be ahead: its patient is told of that, or was to be.
_CALLED_OFF = exists().where(
    Appointment.plan_id == Plan.id,
    Appointment.status == Status.CANCELLED,
    Appointment.cancelled_by == Actor.STAFF,
    Appointment.from_cell > bindparam("now_cell"),
)


class Identity(NamedTuple):
    """Who somebody is and how they are reached."""

    first_name: str
    last_name: str
    email: str | None
    phone: str | None


def lock_plans(session: Session, patient_id: int, now: datetime) -> list[Plan]:
    """The plans of a patient that aren't over, or of whose end they are told, locked: before their visits, and before the
    patient's record.
    """
    wanted = (
        select(Plan)
        .where(Plan.patient_id == patient_id, or_(Plan.status.in_(_OPEN), _CALLED_OFF))
        .order_by(Plan.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return list(session.scalars(wanted, {"now_cell": cell_from(now)}))


def correct_plans(
    session: Session,
    who: Who,
    patient_id: int,
    before: Identity,
    after: Identity,
    now: datetime,
    *,
    begun_too: bool,
) -> list[Plan]:
    """Gives the patient's plans the new name and contact where they have the old ones: `begun_too`, or all but those that run.
    Returns those with a new contact. Raises ContactCannotBeReached.
    """
    corrected = []
    for plan in lock_plans(session, patient_id, now):
        if not begun_too and plan.status is PlanStatus.RUNNING:
            continue
        was = Identity(plan.first_name, plan.last_name, plan.email, plan.phone)
        named = after if was[:2] == before[:2] else was
        now_is = Identity(
            named.first_name,
            named.last_name,
            after.email if was.email == before.email else was.email,
            after.phone if was.phone == before.phone else was.phone,
        )
        if now_is == was:
            continue
        if now_is[2:] != was[2:]:
            try:
                refuse_unreachable(plan.reminders, now_is.email, now_is.phone)
            except ContactCannotBeReached as refusal:
                if plan.status in _OPEN:
                    raise ContactCannotBeReached(plan=plan.reference, **refusal.facts) from None
            if any(old and old != new for old, new in zip(was[2:], now_is[2:], strict=True)):
                plan.link_number += 1
            corrected.append(plan)
        plan.first_name, plan.last_name, plan.email, plan.phone = now_is
        plan.version += 1
        plan.changed_at = now
        what = "contact corrected" if plan in corrected else "name corrected"
        noted(session, plan, what, Actor.STAFF, now, name=who.name, account_id=who.account_id or None)
    session.flush()
    return corrected


def tell(session: Session, clinic: Clinic, plans: list[Plan], now: datetime) -> None:
    """What plans with a new contact have to say goes there: the link, all visits once more, or that they are
    called off. Their visits have it as well.
    """
    for plan in plans:
        if plan.status in _OPEN:
            notices.plan_contact_corrected(session, clinic, plan, now)
        else:
            notices.plan_end_corrected(session, plan, now)
