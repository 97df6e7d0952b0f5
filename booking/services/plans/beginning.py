"""A plan that its patient began waits for whoever examines them: at the first visit of each kind of care, which alone is firm.
Where that is missed or cancelled, the next one is made firm: else nobody would be reminded of it, nor examined at it.

The worker asks now and then, for there are many ways to lose a visit.
"""

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from booking import clock
from booking.models import Actor, Appointment, Plan, PlanStatus
from booking.scheduling.plans.keeping import Role, is_gated
from booking.scheduling.status import Status
from booking.scheduling.timeline import cell_from
from booking.services import notices
from booking.services.clinic import the_clinic
from booking.services.plans.altering import By, changed, make_firm, visits_to_change
from booking.services.plans.one_by_one import one_by_one
from booking.services.plans.reading import PlanView, view
from booking.services.plans.said import MADE_FIRM
from booking.services.plans.visits import PlanVisit
from booking.services.transaction import reading, run

_BY_ITSELF = By(Actor.SYSTEM)


def make_the_next_firm() -> int:
    """Makes the next visit firm of each kind of care that is to begin, in plans that nobody has confirmed. Their patients are told.
    Says in how many plans.
    """
    visits = select(Appointment.id).where(Appointment.plan_id == Plan.id)
    ahead = visits.where(
        Appointment.penciled,
        Appointment.status == Status.BOOKED,
        Appointment.from_cell > cell_from(clock.now()),
    )
    lost = visits.where(Appointment.status.in_((Status.CANCELLED, Status.NOSHOW)))
    wanted = select(Plan.id).where(
        Plan.status == PlanStatus.RUNNING,
        Plan.by_themselves,
        Plan.confirmed_at.is_(None),
        exists(ahead),
        exists(lost),
    )
    with reading() as session:
        plan_ids = session.scalars(wanted.order_by(Plan.id)).all()
    return one_by_one(_begin, plan_ids)


def to_begin(plan: PlanView) -> list[str]:
    """The references of visits that are to be firm: of each kind of care of which nothing took place the next one that no look is
    waited for, though what makes up for the lost one is firm, and comes later. Not of one of which a first visit is due: that is
    chosen before.
    """
    now = clock.now()
    doses = [one for one in plan.standing if one.role is not Role.REASSESSMENT]
    begun = {one.care for one in doses if one.came(now) or (one.starts_at <= now and not one.penciled)}
    begun |= {*plan.firsts_due(now)}
    following: dict[str, PlanVisit] = {}
    for one in doses:
        gated = is_gated(plan.course, one.week, one.role or Role.DOSE, plan.decided_phases)
        if one.care not in begun and one.starts_at > now and not gated:
            following.setdefault(one.care.slug, one)
    return [one.reference for one in following.values() if one.penciled]


def _begin(plan_id: int) -> int:
    """Whether it was to be done in this plan. It is looked at before anything is locked: most go on as they are."""
    with reading() as session:
        if not to_begin(view(session, the_clinic(session), session.get_one(Plan, plan_id))):
            return 0

    def action(session: Session) -> int:
        now, clinic = clock.now(), the_clinic(session)
        plan = session.get_one(Plan, plan_id, with_for_update=True)
        if plan.status is not PlanStatus.RUNNING or plan.confirmed_at is not None:
            return 0
        ahead = visits_to_change(session, plan)
        references = to_begin(view(session, clinic, plan))
        visits = [one for one in ahead if one.reference in references]
        if not visits:
            return 0
        make_firm(session, visits, _BY_ITSELF, now)
        changed(session, plan, MADE_FIRM, _BY_ITSELF, now)
        notices.plan_changed(session, clinic, plan, visits, now, notices.as_penciled(clinic, visits))
        return 1

    return run(action)
