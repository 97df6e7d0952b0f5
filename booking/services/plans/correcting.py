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

    def corrected(self, before: "Identity", after: "Identity") -> "Identity | None":
        """With the new name and contact where these are the old ones; None where any contact is neither. Whoever knows a
        patient's name and number may have written their own address beside them, and would be told the new number.
        """
        theirs = {None, before.email, before.phone, after.email, after.phone}
        if not theirs.issuperset((self.email, self.phone)):
            return None
        first_name, last_name = after[:2] if self[:2] == before[:2] else self[:2]
        email = after.email if self.email == before.email else self.email
        phone = after.phone if self.phone == before.phone else self.phone
        return Identity(first_name, last_name, email, phone)


def ends_links(session: Session, before: Identity, after: Identity) -> bool:
    """Whether a contact that was corrected is told anew, and the links from before end. Not where the address to which we write
    stays, and no text went to the number that was given up: nobody else has what was sent.
    """
    if before.email is None or before.email != after.email:
        return True
    return before.phone not in (None, after.phone) and notices.texted(session, before.phone or "")


class Corrected(NamedTuple):
    """The plans that have a new contact and are told of it, and those that keep another one."""

    told: list[Plan]
    kept: list[Plan]


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
) -> Corrected:
    """Gives the patient's plans the new name and contact where they have the old ones, and no other contact: `begun_too`, or
    all but those that run. Raises ContactCannotBeReached.
    """
    corrected = Corrected([], [])
    for plan in lock_plans(session, patient_id, now):
        if not begun_too and plan.status is PlanStatus.RUNNING:
            continue
        was = Identity(plan.first_name, plan.last_name, plan.email, plan.phone)
        now_is = was.corrected(before, after)
        if now_is is None:
            corrected.kept.append(plan)
            continue
        if now_is == was:
            continue
        if now_is[2:] != was[2:]:
            try:
                refuse_unreachable(plan.reminders, now_is.email, now_is.phone)
            except ContactCannotBeReached as refusal:
                if plan.status in _OPEN:
                    raise ContactCannotBeReached(plan=plan.reference, **refusal.facts) from None
            if ends_links(session, was, now_is):
                plan.link_number += 1
                corrected.told.append(plan)
        plan.first_name, plan.last_name, plan.email, plan.phone = now_is
        plan.version += 1
        plan.changed_at = now
        if now_is.phone != was.phone and plan not in corrected.told:
            notices.number_corrected(session, plan, was.phone)
        what = "contact corrected" if now_is[2:] != was[2:] else "name corrected"
        noted(session, plan, what, Actor.STAFF, now, name=who.name, account_id=who.account_id or None)
    session.flush()
    return corrected


def listed_anew(plans: Corrected) -> list[Plan]:
    """Those whose links ended and that are sent anew: to be booked, or with all their visits, unless a decision waits."""
    return [one for one in plans.told if one.status in _OPEN and not one.untold]


def tell(session: Session, clinic: Clinic, plans: list[Plan], now: datetime) -> None:
    """What plans with a new contact have to say goes there: the link, all visits once more, or that they are
    called off. Their visits have it as well.
    """
    for plan in plans:
        if plan.status in _OPEN:
            notices.plan_contact_corrected(session, clinic, plan, now)
        else:
            notices.plan_end_corrected(session, clinic, plan, now)
