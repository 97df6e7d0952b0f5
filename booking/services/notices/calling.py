"""Calls about a plan, where no message reaches its patient: one visit carries such a call, which is about all of them, or about
those of a week.

Whatever becomes of that visit by itself, the call is passed on to another one, until somebody has made it.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta

from sqlalchemy import ColumnElement, Select, and_, case, or_, select
from sqlalchemy.orm import Session

from booking.models import Actor, Appointment, Channel, HistoryEntry, Message, MessageState, Plan
from booking.scheduling.hours import day_at
from booking.scheduling.status import Status
from booking.scheduling.timeline import cell_from
from booking.services.clinic import the_clinic
from booking.services.notices.ways import on_short_notice
from booking.services.notices.writing import ANSWERS, ASKED, next_resend, row_of
from booking.services.rows import Row, add_all

PLAN = "plan"
"""The facts of a call that is about a whole plan, or about a week of it: its reference."""

WEEK = "week"
"""The facts of a call that is about a week of a plan: its Monday."""

LIST_BY_CALL = "reminder-week"
"""The kind of such a call: the list of the week, by telephone."""

_OF_WEEK = and_(Message.kind == LIST_BY_CALL, Message.facts[WEEK].as_string().is_not(None))
IS_ABOUT_A_PLAN = and_(
    Message.channel == Channel.CALL,
    Message.facts[PLAN].as_string().is_not(None),
    or_(Message.kind.in_(ANSWERS), _OF_WEEK),
)
_WAITS = and_(
    IS_ABOUT_A_PLAN,
    Message.state.in_((MessageState.QUEUED, MessageState.SENDING, MessageState.TO_CALL)),
    Message.settled_at.is_(None),
)


# What no list of a week names.
_IS_UNNAMED = or_(Appointment.penciled.is_(True), Appointment.cannot_come_at.is_not(None))


def is_about_a_plan(kind: str, channel: Channel, facts: Row) -> bool:
    return channel is Channel.CALL and PLAN in facts and (kind in ANSWERS or WEEK in facts)


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


def call_of_week(session: Session, plan: Plan, monday: str, now: datetime, facts: Row) -> bool:
    """A call that tells of a plan's visits of a week, unless it was written before: carried by the first of those that are ahead.
    Says whether there is any.
    """
    facts = facts | {PLAN: plan.reference, WEEK: monday}
    there = select(Message.id).where(
        IS_ABOUT_A_PLAN,
        *(Message.facts[name].as_string() == facts[name] for name in (PLAN, WEEK)),
        Message.state != MessageState.DROPPED,
    )
    if session.scalar(there.limit(1)) is not None:
        return True
    visits = of_week(session, plan, monday, now)
    if not visits:
        return False
    first = min(visits, key=lambda one: (one.phone != plan.phone, one.from_cell))
    row = row_of(first, LIST_BY_CALL, Channel.CALL, plan.phone or "", now, now, first.starts_at, facts)
    add_all(session, Message, [row | {"resend": next_resend(session, first, [LIST_BY_CALL])}])
    return True


def of_week(session: Session, plan: Plan, monday: str, now: datetime) -> Sequence[Appointment]:
    """The visits of a plan that the list of a week names, in order: not what is only penciled in, nor to what they can't come."""
    zone, day = the_clinic(session).zone, date.fromisoformat(monday)
    first, last = day_at(day, zone), day_at(day + timedelta(days=6), zone)
    wanted = select(Appointment).where(
        Appointment.plan_id == plan.id,
        Appointment.status == Status.BOOKED,
        ~_IS_UNNAMED,
        Appointment.from_cell >= max(first.from_cell, cell_from(now) + 1),
        Appointment.from_cell < last.to_cell,
    )
    return session.scalars(wanted.order_by(Appointment.from_cell)).all()


def call_of_change(
    session: Session, plan: Plan, visits: Iterable[Appointment], told: Iterable[str], now: datetime
) -> bool:
    """A call about what is `told` of visits of a plan, unless these are no more than those of `visits` that are on the list of
    calls by themselves. Says whether there is such a call.
    """
    by_themselves = {str(one.id) for one in visits if _is_called_about(session, plan, one, now)}
    return by_themselves.issuperset(told) or call_anew(session, plan, now)


def _is_called_about(session: Session, plan: Plan, visit: Appointment, now: datetime) -> bool:
    """Whether a visit has just been changed on short notice, from and to whichever time, so that the plan's patient is called about
    it.
    """
    entries = select(HistoryEntry).where(HistoryEntry.appointment_id == visit.id)
    last = session.scalars(entries.order_by(HistoryEntry.id.desc()).limit(1)).one()
    told = last.actor is Actor.STAFF and last.what in ("cancelled", "moved") and last.facts.get("tell")
    starts = [visit.starts_at]
    if last.what == "moved":
        starts.append(datetime.fromisoformat(last.facts["from"]))
    return bool(told) and visit.phone == plan.phone and all(on_short_notice(now, [at]) for at in starts)


def drop_calls(session: Session, plan: Plan, why: str) -> bool:
    """Drops the calls about a plan that wait, for what they were to tell is told otherwise: not those about a week. Says whether
    there were any.
    """
    there = session.scalars(_waiting_of(plan).where(~_OF_WEEK)).all()
    for one in there:
        _drop(one, why)
    session.flush()
    return bool(there)


def pass_on(session: Session, plan: Plan, now: datetime) -> None:
    """Where the visit that carries a call about a plan can't any more, another one does; of a week one of its own, if there is
    any.
    """
    carried = _waiting_of(plan).join(Appointment, Appointment.id == Message.appointment_id)
    for stale in session.scalars(carried.where(_carries_no_more(now))).all():
        if WEEK in stale.facts:
            _drop(stale, "They are called about other visits of the week.")
            session.flush()
            call_of_week(session, plan, stale.facts[WEEK], now, dict(stale.facts))
        else:
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


def _drop(call: Message, why: str) -> None:
    call.state, call.last_error, call.lease = MessageState.DROPPED, why, None


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
        and_(_OF_WEEK, _IS_UNNAMED),
    )
