"""Plans that are over with nothing left to decide: a plan without a reassessment, a package, a series. They end by themselves."""

from datetime import datetime, timedelta

from sqlalchemy import Select, exists, select
from sqlalchemy.orm import Session

from booking import clock
from booking.models import Actor, Appointment, Plan, PlanStatus
from booking.scheduling.status import LIVE
from booking.services.clinic import Clinic, the_clinic
from booking.services.plans.altering import By, changed
from booking.services.plans.one_by_one import one_by_one
from booking.services.plans.reading import PlanView, view
from booking.services.plans.said import ENDED
from booking.services.transaction import reading, run

# Until then what became of a visit can be corrected, and made up for.
OVER_FOR = timedelta(days=7)
_BY_ITSELF = By(Actor.SYSTEM)


def end_what_is_over() -> int:
    """Ends each plan of which nothing is ahead, missing, unsettled, to be confirmed or decided, a week after its last day. Nobody
    is written to. Says how many.
    """
    with reading() as session:
        plan_ids = session.scalars(_settled(the_clinic(session)).with_only_columns(Plan.id)).all()
    return one_by_one(_end, plan_ids)


def is_over(plan: PlanView, now: datetime) -> bool:
    """Whether its last day was a week ago, no week lacks a visit, and nobody has to confirm it or to decide how it goes on."""
    on = plan.clinic.times.local_date
    last = max([plan.last_day, *(on(one.starts_at) for one in plan.standing)])
    decided = not plan.course.reassessment or plan.decided_phases >= plan.course.looks
    confirmed = not plan.by_themselves or plan.confirmed_at is not None
    return confirmed and decided and not any(week.left for week in plan.weeks) and last + OVER_FOR < on(now)


def _end(plan_id: int) -> int:
    """Whether this one was. It is looked at before anything is locked: most that are settled lack something, and go on."""
    with reading() as session:
        if _if_over(session, plan_id, for_update=False) is None:
            return 0

    def action(session: Session) -> int:
        found = _if_over(session, plan_id, for_update=True)
        if found is None:
            return 0
        plan, shown = found
        # Of one whose visits were all called off nothing was completed.
        plan.status = PlanStatus.COMPLETED if shown.standing else PlanStatus.STOPPED
        changed(session, plan, ENDED, _BY_ITSELF, clock.now())
        return 1

    return run(action)


def _if_over(session: Session, plan_id: int, *, for_update: bool) -> tuple[Plan, PlanView] | None:
    clinic = the_clinic(session)
    wanted = _settled(clinic).where(Plan.id == plan_id)
    plan = session.scalar(wanted.with_for_update(of=Plan) if for_update else wanted)
    shown = view(session, clinic, plan) if plan else None
    return (plan, shown) if plan and shown and is_over(shown, clock.now()) else None


def _settled(clinic: Clinic) -> Select[tuple[Plan]]:
    """Plans that run, of which no visit is still to come or to be settled."""
    unsettled = exists().where(Appointment.plan_id == Plan.id, Appointment.status.in_(LIVE))
    return (
        select(Plan)
        .where(
            Plan.status == PlanStatus.RUNNING,
            Plan.first_day < clinic.times.local_date(clock.now()) - OVER_FOR,
            ~unsettled,
        )
        .order_by(Plan.id)
    )
