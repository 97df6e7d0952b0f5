"""Times that make up for a missed visit, sent by themselves where the clinic's file says so (`make_up_sent_by`).

The worker asks now and then: a no-show or cancellation that is taken back within minutes offers nothing. Each is offered once,
with all else that its plan lacks by then; what nothing can make up for now, or what the payer is to be asked about, is left to the
desk, and asked for again as long as it can be made up.
"""

from datetime import datetime
from functools import partial

from sqlalchemy import Select, exists, select
from sqlalchemy.orm import Session

from booking import clock
from booking.errors import NotOffered
from booking.models import SERIES, Actor, Appointment, BookableBy, Channel, Plan, PlanEntry, PlanStatus
from booking.scheduling.plans.keeping import Role
from booking.scheduling.status import Status
from booking.services import notices
from booking.services.allowances import Planned
from booking.services.clinic import the_clinic
from booking.services.plans.allowed import each_alone
from booking.services.plans.lacking import still_lacking
from booking.services.plans.make_ups import make_up_times
from booking.services.plans.one_by_one import one_by_one
from booking.services.plans.reading import PlanView, view
from booking.services.plans.recording import noted
from booking.services.plans.said import GIVEN_UP, OFFERED_MAKE_UP
from booking.services.transaction import reading, run


def send_due() -> int:
    """Sends each patient who has missed a visit the link to times for it, once. Returns how many were sent."""
    with reading() as session:
        if the_clinic(session).make_up_sent_by != "worker":
            return 0
        plan_ids = session.scalars(_lacking_what_was_missed(clock.now()).with_only_columns(Plan.id)).all()
    return one_by_one(_offer, plan_ids)


def _offer(plan_id: int) -> int:
    """To one patient, where something can be had."""
    now = clock.now()
    with reading() as session:
        plan = session.scalar(_lacking_what_was_missed(now).where(Plan.id == plan_id))
        shown = view(session, the_clinic(session), plan) if plan else None
    if shown is None or not _can_be_made_up(shown, now):
        return 0
    return run(partial(_send, plan_id=plan_id))


def _can_be_made_up(plan: PlanView, now: datetime) -> bool:
    """Whether there is a way to write, and a time that can be taken without asking the payer first."""
    if notices.channel_of_clinic(plan)[0] is Channel.CALL or not still_lacking(plan, now):
        return False
    try:
        offered = make_up_times(plan, BookableBy.LINK)
    except NotOffered:
        # The clinic offers no more what the plan asks for.
        return False
    times = [Planned(time.starts_at, one.missed.care.modality.slug) for one in offered for time in one.times]
    return any(not one.stops for one in each_alone(plan, times))


def _send(session: Session, plan_id: int) -> int:
    """To one patient, unless somebody has done it meanwhile."""
    now = clock.now()
    wanted = _lacking_what_was_missed(now).where(Plan.id == plan_id).with_for_update(of=Plan)
    plan = session.scalar(wanted)
    if plan is None:
        return 0
    noted(session, plan, OFFERED_MAKE_UP, Actor.SYSTEM, now)
    return int(notices.make_up_offered(session, plan, now))


def _lacking_what_was_missed(now: datetime) -> Select[tuple[Plan]]:
    """Plans of which a visit was missed or cancelled since their patient was sent times last, or gave up all later ones."""
    heard = exists().where(
        PlanEntry.plan_id == Plan.id,
        PlanEntry.what.in_((OFFERED_MAKE_UP, GIVEN_UP)),
        PlanEntry.at >= Appointment.changed_at,
    )
    missed = exists().where(
        Appointment.plan_id == Plan.id,
        Appointment.status.in_((Status.NOSHOW, Status.CANCELLED)),
        Appointment.plan_role.in_((Role.DOSE.value, Role.FIRST.value)),
        # What gave way was promised to nobody.
        ~Appointment.penciled,
        Appointment.changed_at <= now - notices.TAKEN_BACK_WITHIN,
        ~heard,
    )
    return select(Plan).where(Plan.status == PlanStatus.RUNNING, Plan.template != SERIES, missed)
