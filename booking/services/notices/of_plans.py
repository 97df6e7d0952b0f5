"""What a plan tells: one message about all of its visits, or about several, and the reminders of each."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from booking.models import Appointment, Channel, Message, MessageState, Plan, PlanStatus
from booking.scheduling.status import Status
from booking.services import digests
from booking.services.clinic import Clinic
from booking.services.message_rows import REMINDED_BY, bare_row
from booking.services.notices.reminding import reminders
from booking.services.notices.waiting import drop_queued
from booking.services.rows import Row, add_all

# The link to a plan that isn't booked yet is of use so long.
PLAN_LINK_OF_USE = timedelta(days=7)


def plan_prescribed(session: Session, plan: Plan, now: datetime) -> bool:
    """The link by which a patient books their plan, now. Says whether there is a way to send it."""
    return _sent_anew(session, plan, "plan-link", now)


def plan_booked(
    session: Session, clinic: Clinic, plan: Plan, visits: Sequence[Appointment], now: datetime
) -> None:
    """One confirmation of all visits at once, and the reminders of each that are still to come."""
    rows = list(_of_plan(plan, "plan-confirmation", now, visits[-1].starts_at))
    for visit in visits:
        rows += reminders(clinic, visit, now)
    add_all(session, Message, rows)
    digests.replan(session, clinic, plan, now)


def plan_changed(
    session: Session, clinic: Clinic, plan: Plan, visits: Sequence[Appointment], now: datetime, facts: Row, *,
    tell: bool = True,
) -> None:  # fmt: skip
    """One message about several visits of a plan at once, now, if `tell`; and what else goes about each of them from then on.

    `visits`: those that were changed, as they are now. `facts`: {"cancelled": [ISO in UTC, …], "added": […], "firm": […]},
    when they began or begin. The plan's sequence has grown by the change.
    """
    rows: list[Row] = []
    for visit in visits:
        drop_queued(session, visit, "The plan was changed.")
        if visit.status is Status.BOOKED:
            rows += reminders(clinic, visit, now)
    useful_until = max([visit.ends_at for visit in visits], default=now + PLAN_LINK_OF_USE)
    message = _of_plan(plan, "plan-change", now, useful_until, facts) if tell else ()
    add_all(session, Message, [*message, *rows])
    digests.replan(session, clinic, plan, now)


def make_up_offered(session: Session, plan: Plan, now: datetime) -> bool:
    """The link to times for visits that a plan lacks, now. Says whether there is a way to send it."""
    return _sent_anew(session, plan, "plan-make-up", now)


def plan_contact_corrected(session: Session, clinic: Clinic, plan: Plan, now: datetime) -> None:
    """What is queued about a plan goes to the contact as it is now, as one message: the link to book it, or all visits."""
    session.execute(
        update(Message)
        .where(Message.subject == f"plan/{plan.reference}", Message.state == MessageState.QUEUED)
        .values(state=MessageState.DROPPED, last_error="The contact was corrected.")
    )
    if plan.status is PlanStatus.PRESCRIBED:
        _sent_anew(session, plan, "plan-link", now)
    elif plan.status is PlanStatus.RUNNING:
        _sent_anew(session, plan, "plan-confirmation", now)
    digests.replan(session, clinic, plan, now)


def _sent_anew(session: Session, plan: Plan, kind: str, now: datetime) -> bool:
    """A link to a plan, as often as it is asked for."""
    rows = list(_of_plan(plan, kind, now, now + PLAN_LINK_OF_USE))
    last = session.scalar(
        select(func.max(Message.resend)).where(
            Message.subject == f"plan/{plan.reference}", Message.kind == kind
        )
    )
    add_all(session, Message, [row | {"resend": 0 if last is None else last + 1} for row in rows])
    return bool(rows)


def _of_plan(
    plan: Plan, kind: str, now: datetime, useful_until: datetime, facts: Row | None = None
) -> Iterator[Row]:
    """A message about a whole plan at once, by mail if there is an address, else by text if texts are wanted."""
    if plan.email:
        channel, address = Channel.EMAIL, plan.email
    elif plan.phone and Channel.TEXT in REMINDED_BY[plan.reminders]:
        channel, address = Channel.TEXT, plan.phone
    else:
        return
    row = bare_row(f"plan/{plan.reference}", kind, channel, address, now, now, useful_until)
    yield row | {"sequence": plan.sequence, "facts": facts or {}}
