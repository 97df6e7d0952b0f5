"""A plan before staff change it, with its visits and what waits to be told of them: kept with the entry of its history, so that
the change can be taken back (`taking_back`).
"""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from booking import clock
from booking.models import YET_TO_GO, Appointment, Message, MessageState, Plan, PlanStatus
from booking.scheduling.status import Status
from booking.services import claims, digests
from booking.services.clinic import the_clinic
from booking.services.desk import states
from booking.services.rows import Row

# What waits to be told, or to be called about.
WAITS = (*YET_TO_GO, MessageState.TO_CALL)
_PLAIN = ("course", "presence", "decided_phases", "untold")
_MOMENTS = ("confirmed_at", "untold_since")


class AsItWas(NamedTuple):
    """`known`: the references of all its visits. `before`, as it is kept: "plan"; "visits" that stand and are ahead, by their
    references; "gave_way", of which their patient hasn't heard; "waited", each message with its state and error; and the "last" of
    all messages.
    """

    known: frozenset[str]
    before: Row


def as_it_is(session: Session, plan: Plan) -> AsItWas:
    """A plan, which is locked, as it stands. Locks its visits."""
    visits, now = all_visits(session, plan), clock.now()
    ahead = [one for one in visits if one.status is Status.BOOKED and one.starts_at > now]
    about = is_about(session, plan, visits, [one.starts_at for one in ahead])
    waits = session.scalars(
        select(Message).where(about, Message.state.in_(WAITS), Message.settled_at.is_(None))
    )
    uses = claims.uses_of_all(session, ahead)
    moments = {name: getattr(plan, name) for name in _MOMENTS}
    before = {
        "plan": {name: getattr(plan, name) for name in _PLAIN}
        | {name: at and at.isoformat() for name, at in moments.items()}
        | {"status": plan.status.value},
        "visits": {
            one.reference: states.snapshot(one, uses[one.id])
            | {"version": one.version, "penciled": one.penciled, "plan_role": one.plan_role}
            for one in ahead
        },
        "gave_way": [one.reference for one in visits if one.status is Status.CANCELLED and one.penciled],
        "waited": [[one.id, one.state.value, one.last_error] for one in waits],
        "last": session.scalar(select(func.max(Message.id))) or 0,
    }
    return AsItWas(frozenset(one.reference for one in visits), before)


def kept(session: Session, plan: Plan, was: AsItWas) -> Row:
    """What the history keeps of a change that was just made: how the "visits" were that it changed, which are "new", and the
    versions of the plan and, "now", of all visits, by which one sees what was done since.
    """
    before, now = was.before["visits"], {one.reference: one.version for one in all_visits(session, plan)}
    return was.before | {
        "version": plan.version,
        "now": now,
        "new": [name for name in now if name not in was.known],
        "visits": {name: one for name, one in before.items() if one["version"] != now[name]},
    }


def restore_plan(plan: Plan, kept: Row) -> None:
    for name in _PLAIN:
        setattr(plan, name, kept[name])
    for name in _MOMENTS:
        setattr(plan, name, kept[name] and datetime.fromisoformat(kept[name]))
    plan.status = PlanStatus(kept["status"])


def restore_visit(visit: Appointment, kept: Row) -> None:
    """Makes a visit what it was, but for its claims."""
    states.restore(visit, kept)
    visit.penciled, visit.plan_role = kept["penciled"], kept["plan_role"]


def all_visits(session: Session, plan: Plan) -> list[Appointment]:
    """All visits of a plan, locked, in order."""
    rows = session.scalars(
        select(Appointment)
        .where(Appointment.plan_id == plan.id)
        .order_by(Appointment.id)
        .with_for_update(of=Appointment)
        .execution_options(populate_existing=True)
    )
    return sorted(rows, key=lambda one: one.from_cell)


def is_about(
    session: Session, plan: Plan, visits: Iterable[Appointment], starts: Iterable[datetime]
) -> ColumnElement[bool]:
    """Messages about a plan as a whole, about any of its visits, or that list those of a week in which one starts."""
    of_plan, times = f"plan/{plan.reference}", the_clinic(session).times
    weeks = {digests.subject_of(plan, digests.monday_of(times.local_date(at))) for at in starts}
    return or_(Message.subject.in_({of_plan, *weeks}), Message.appointment_id.in_([one.id for one in visits]))
