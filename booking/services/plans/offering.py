"""Times that make up for a missed visit, sent by themselves where the clinic's file says so (`make_up_sent_by`).

The worker asks now and then: a no-show or cancellation that is taken back within minutes offers nothing. Each is offered once,
with all else that its plan lacks by then; what nothing can make up for now, or what the payer is to be asked about, is left to the
desk, and asked for again as long as it can be made up.
"""

from functools import partial

from sqlalchemy import Select, and_, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from booking import clock
from booking.models import (
    SERIES,
    Actor,
    Appointment,
    BookableBy,
    Channel,
    HistoryEntry,
    Plan,
    PlanEntry,
    PlanStatus,
)
from booking.scheduling.plans.keeping import Role
from booking.scheduling.status import Status
from booking.services import notices
from booking.services.allowances import Planned
from booking.services.clinic import the_clinic
from booking.services.plans.allowed import each_alone
from booking.services.plans.judging import has_given_up
from booking.services.plans.lacking import still_lacking
from booking.services.plans.make_ups import make_up_times
from booking.services.plans.one_by_one import one_by_one
from booking.services.plans.reading import PlanView, view
from booking.services.plans.recording import noted
from booking.services.plans.said import GIVEN_UP, NOTHING_SAID, OFFERED_MAKE_UP, WENT_ON, pause_on, said_of
from booking.services.transaction import reading, run


def send_due() -> int:
    """Sends each patient who has missed a visit the link to times for it, once. Returns how many were sent."""
    with reading() as session:
        if the_clinic(session).make_up_sent_by != "worker":
            return 0
        plan_ids = session.scalars(_missed().with_only_columns(Plan.id).distinct()).all()
    return one_by_one(_offer, plan_ids)


def _offer(plan_id: int) -> int:
    """To one patient, where something can be had."""
    with reading() as session:
        plan = _wants_times(session, session.get_one(Plan, plan_id))
    if plan is None or not _can_be_made_up(plan):
        return 0
    return run(partial(_send, plan_id=plan_id))


def _send(session: Session, plan_id: int) -> int:
    """To one patient, unless somebody has done it meanwhile, who had the plan locked."""
    plan = session.get_one(Plan, plan_id, with_for_update=True)
    if _wants_times(session, plan) is None:
        return 0
    now = clock.now()
    noted(session, plan, OFFERED_MAKE_UP, Actor.SYSTEM, now)
    return int(notices.make_up_offered(session, plan, now))


def _wants_times(session: Session, plan: Plan) -> PlanView | None:
    """A plan that lacks what was missed and can be made up yet; None while it rests, for what only a pause has taken, and where
    its patient gave up all later visits.
    """
    clinic, now = the_clinic(session), clock.now()
    shown = view(session, clinic, plan)
    given_up = has_given_up(said_of(session, [plan.id]).get(plan.id, NOTHING_SAID), shown.visits, now)
    if shown.pause or given_up or not still_lacking(shown, now):
        return None
    missed = session.execute(_missed().where(Appointment.plan_id == plan.id))
    days = [(clinic.times.local_date(one.starts_at), offered) for one, offered in missed]
    wants = any(
        not pause_on(day, shown.pauses) and (not offered or pause_on(day, shown.freed))
        for day, offered in days
    )
    return shown if wants else None


def _can_be_made_up(plan: PlanView) -> bool:
    """Whether there is a way to write, and a time that can be taken without asking the payer first."""
    if notices.channel_of_clinic(plan)[0] is Channel.CALL:
        return False
    offered = make_up_times(plan, BookableBy.LINK)
    times = [Planned(time.starts_at, one.missed.care.modality.slug) for one in offered for time in one.times]
    return any(not one.stops for one in each_alone(plan, times))


def _missed() -> Select[tuple[Appointment, bool]]:
    """Visits of plans that run that were missed or cancelled a while ago, and since then their patient wasn't sent times; nor given
    up with all later ones; none while it may be taken back that a pause ended sooner. With those of which times were sent only
    before a pause ended sooner, each with whether it is one of these: what the pause had taken wasn't offered then.
    """
    # Not what gave way, which was promised to nobody.
    became_so = or_(
        HistoryEntry.what.in_((Status.NOSHOW.value, Status.CANCELLED.value)),
        and_(HistoryEntry.what == "corrected", HistoryEntry.facts["to"].as_string() == Status.NOSHOW.value),
    )
    missed_at = (
        select(func.max(HistoryEntry.at))
        .where(HistoryEntry.appointment_id == Appointment.id, became_so)
        # Also where it stands two levels deep: else it would be the last of all visits that are.
        .correlate(Appointment)
        .scalar_subquery()
    )
    offered = and_(PlanEntry.plan_id == Plan.id, PlanEntry.what == OFFERED_MAKE_UP, PlanEntry.at >= missed_at)
    later = aliased(PlanEntry)
    went_on = (
        exists()
        .where(later.plan_id == Plan.id, later.what == WENT_ON, later.id > PlanEntry.id)
        .correlate(Plan, PlanEntry)
    )
    given_up = exists().where(
        PlanEntry.plan_id == Plan.id,
        PlanEntry.what == GIVEN_UP,
        PlanEntry.at >= Appointment.cancelled_at,
    )
    goes_on = exists().where(
        PlanEntry.plan_id == Plan.id,
        PlanEntry.what == WENT_ON,
        PlanEntry.at > clock.now() - notices.TAKEN_BACK_WITHIN,
    )
    return (
        select(Appointment, exists().where(offered))
        .join(Plan, Plan.id == Appointment.plan_id)
        .where(
            Plan.status == PlanStatus.RUNNING,
            Plan.template != SERIES,
            Appointment.status.in_((Status.NOSHOW, Status.CANCELLED)),
            Appointment.plan_role.in_((Role.DOSE.value, Role.FIRST.value)),
            missed_at <= clock.now() - notices.TAKEN_BACK_WITHIN,
            ~exists().where(offered, ~went_on),
            ~given_up,
            ~goes_on,
        )
    )
