"""Calls about a plan, where no message reaches its patient: one visit carries such a call, which is about all of them.

Whatever becomes of that visit by itself, the call is passed on to another one, until somebody has made it.
"""

from datetime import datetime

from sqlalchemy import ColumnElement, Select, and_, case, or_, select
from sqlalchemy.orm import Session

from booking.models import Appointment, Channel, Message, MessageState, Plan
from booking.scheduling.status import Status
from booking.scheduling.timeline import cell_from
from booking.services.notices.writing import ANSWERS, ASKED, next_resend, row_of
from booking.services.rows import Row, add_all

PLAN = "plan"
"""The facts of a call that is about a whole plan: its reference."""

IS_ABOUT_A_PLAN = and_(
    Message.channel == Channel.CALL,
    Message.kind.in_(ANSWERS),
    Message.facts[PLAN].as_string().is_not(None),
)
_WAITS = and_(
    IS_ABOUT_A_PLAN,
    Message.state.in_((MessageState.QUEUED, MessageState.SENDING, MessageState.TO_CALL)),
    Message.settled_at.is_(None),
)


def is_about_a_plan(kind: str, channel: Channel, facts: Row) -> bool:
    return channel is Channel.CALL and kind in ANSWERS and PLAN in facts


def call_anew(
    session: Session, plan: Plan, now: datetime, facts: Row | None = None, kind: str = "change"
) -> bool:
    """A call about a plan, in place of those that wait: about the next visit that stands, or where none does the last one that
    was cancelled. It stays on the list until it is made, whatever the patient has said of that visit. Says whether there is
    such a visit.
    """
    drop_calls(session, plan, "They are called about another visit of the plan.")
    visit = next_of(session, plan, now)
    if visit is None:
        visit, kind = _last_cancelled(session, plan, now), "cancellation"
    if visit is None:
        return False
    facts = facts or {"why": ASKED, PLAN: plan.reference}
    row = row_of(visit, kind, Channel.CALL, plan.phone or "", now, now, visit.starts_at, facts)
    add_all(session, Message, [row | {"resend": next_resend(session, visit, [kind])}])
    return True


def drop_calls(session: Session, plan: Plan, why: str) -> bool:
    """Drops the calls about a plan that wait, for what they were to tell is told otherwise. Says whether there were any."""
    there = session.scalars(_waiting_of(plan)).all()
    for one in there:
        one.state, one.last_error, one.lease = MessageState.DROPPED, why, None
    session.flush()
    return bool(there)


def pass_on(session: Session, plan: Plan, now: datetime) -> None:
    """Where the visit that carries the call about a plan can't any more, another one does."""
    carried = _waiting_of(plan).join(Appointment, Appointment.id == Message.appointment_id)
    stale = session.scalar(carried.where(_carries_no_more(now)).limit(1))
    if stale is not None:
        kind = stale.kind if stale.kind != "cancellation" else "change"
        call_anew(session, plan, now, dict(stale.facts), kind)


def pass_on_of(session: Session, appointment: Appointment, now: datetime) -> None:
    """The same after one visit was changed by itself."""
    if appointment.plan_id is not None:
        pass_on(session, session.get_one(Plan, appointment.plan_id), now)


def left_behind(session: Session, now: datetime) -> list[Plan]:
    """The plans about which nobody would be called any more, as the visit that carries the call has begun or was given up."""
    references = session.scalars(
        select(Message.facts[PLAN].as_string())
        .join(Appointment, Appointment.id == Message.appointment_id)
        .where(_WAITS, _carries_no_more(now))
    ).all()
    if not references:
        return []
    return list(session.scalars(select(Plan).where(Plan.reference.in_(references)).order_by(Plan.id)))


def next_of(session: Session, plan: Plan, after: datetime) -> Appointment | None:
    """The next visit of a plan that still stands, after this moment: of those with the plan's number, if there is one."""
    wanted = select(Appointment).where(
        Appointment.plan_id == plan.id,
        Appointment.status == Status.BOOKED,
        Appointment.from_cell > cell_from(after),
    )
    return session.scalar(wanted.order_by(_is_anothers(plan), Appointment.from_cell).limit(1))


def _is_anothers(plan: Plan) -> ColumnElement[int]:
    """Whether it has another number than the plan: last in order, for somebody else may be called about it by itself."""
    return case((Appointment.phone == plan.phone, 0), else_=1)


def _last_cancelled(session: Session, plan: Plan, now: datetime) -> Appointment | None:
    wanted = select(Appointment).where(
        Appointment.plan_id == plan.id,
        Appointment.status == Status.CANCELLED,
        Appointment.from_cell > cell_from(now),
    )
    return session.scalar(wanted.order_by(_is_anothers(plan), Appointment.from_cell.desc()).limit(1))


def _waiting_of(plan: Plan) -> Select[tuple[Message]]:
    of_plan = Message.facts[PLAN].as_string() == plan.reference
    return select(Message).where(_WAITS, of_plan).order_by(Message.id)


def _carries_no_more(now: datetime) -> ColumnElement[bool]:
    """Whether the visit of a call has begun, or isn't as it was when the call was written."""
    return or_(
        Message.sequence != Appointment.sequence,
        Appointment.from_cell <= cell_from(now),
        and_(Message.kind == "cancellation", Appointment.status != Status.CANCELLED),
        and_(Message.kind != "cancellation", Appointment.status != Status.BOOKED),
    )
