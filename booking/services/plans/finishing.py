"""Plans that are over with nothing left to decide: a plan without a reassessment, a package, a series. They end by themselves."""

from datetime import datetime, timedelta

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from booking import clock
from booking.models import Actor, Appointment, Plan, PlanStatus
from booking.scheduling.status import LIVE
from booking.services.clinic import the_clinic
from booking.services.plans.altering import By, changed
from booking.services.plans.reading import PlanView, view
from booking.services.plans.said import ENDED

# Until then what became of a visit can be corrected, and made up for.
OVER_FOR = timedelta(days=7)
_BY_ITSELF = By(Actor.SYSTEM)


def end_what_is_over(session: Session) -> int:
    """Ends each plan of which nothing is ahead, missing, unsettled or to be decided, a week after its last day. Nobody is written
    to. Says how many.
    """
    now, clinic = clock.now(), the_clinic(session)
    unsettled = exists().where(Appointment.plan_id == Plan.id, Appointment.status.in_(LIVE))
    plans = session.scalars(
        select(Plan)
        .where(
            Plan.status == PlanStatus.RUNNING,
            Plan.first_day < clinic.times.local_date(now) - OVER_FOR,
            ~unsettled,
        )
        .order_by(Plan.id)
        .with_for_update()
    ).all()
    over = [(plan, shown) for plan in plans if is_over(shown := view(session, clinic, plan), now)]
    for plan, shown in over:
        # Of one whose visits were all called off nothing was completed.
        plan.status = PlanStatus.COMPLETED if shown.standing else PlanStatus.STOPPED
        changed(session, plan, ENDED, _BY_ITSELF, now)
    return len(over)


def is_over(plan: PlanView, now: datetime) -> bool:
    """Whether its last day was a week ago, no week lacks a visit, and nobody has to decide how it goes on."""
    on = plan.clinic.times.local_date
    last = max([plan.last_day, *(on(one.starts_at) for one in plan.standing)])
    decided = not plan.course.reassessment or plan.decided_phases >= plan.course.looks
    return decided and not any(week.left for week in plan.weeks) and last + OVER_FOR < on(now)
