"""Links to plans: like those to visits, an HMAC of a reference and a link number that only this installation can make."""

import hmac
from datetime import datetime, timedelta

from flask import current_app
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from booking.errors import NotFound
from booking.models import SERIES, Appointment, Plan, PlanStatus
from booking.scheduling.timeline import cell_from
from booking.services import links

LIFE_OF_A_PRESCRIPTION = timedelta(days=90)
"""So long a link opens a plan of which nothing was booked; else until 30 days after its last visit."""


def token(reference: str, link_number: int) -> str:
    """The secret part of a link."""
    return links.mark(f"plan {reference} {link_number}")


def address(reference: str, link_number: int) -> str:
    """The whole link, as a message contains it."""
    return f"{current_app.config['BOOKING'].base_url}/plan/{reference}/{token(reference, link_number)}"


def plan_by_link(
    session: Session, reference: str, given: str, now: datetime, *, for_update: bool = False
) -> Plan:
    """The plan that this link opens, locked if it is about to change. Raises NotFound."""
    wanted = select(Plan).where(Plan.reference == reference)
    plan = session.scalar(wanted.with_for_update() if for_update else wanted)
    # An unknown reference is compared as well, so that it takes the same time as a wrong token.
    expected = token(reference, plan.link_number if plan else 0)
    right = hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace"))
    if plan is None or not right or _has_ended(session, plan, now):
        raise NotFound
    return plan


def _has_ended(session: Session, plan: Plan, now: datetime) -> bool:
    if now <= plan.changed_at + LIFE_OF_A_PRESCRIPTION:
        return False
    last = session.scalar(select(func.max(Appointment.to_cell)).where(Appointment.plan_id == plan.id))
    return last is None or last < cell_from(now - links.LIFE_AFTER_VISIT)


def make_up_address(session: Session, visit_id: int, contact: str | None) -> str:
    """Where the time for a cancelled visit of a plan that runs is chosen anew; nothing for any other visit, or for a contact
    that isn't the plan's.
    """
    plan = session.scalar(
        select(Plan)
        .join(Appointment, Appointment.plan_id == Plan.id)
        .where(Appointment.id == visit_id, Plan.status == PlanStatus.RUNNING, Plan.template != SERIES)
    )
    if plan is None or contact not in (plan.email, plan.phone):
        return ""
    return address_of_times(plan)


def address_of_times(plan: Plan) -> str:
    """Where times for what a plan lacks are chosen."""
    return f"{address(plan.reference, plan.link_number)}/make-up"
