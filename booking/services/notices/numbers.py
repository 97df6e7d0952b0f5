"""A number that was given up, where the address stays: nobody is written to about it, and what waits to go there goes to the
number that there is now.
"""

from sqlalchemy import and_, not_, or_, select, update
from sqlalchemy.orm import Session

from booking.models import Appointment, Channel, Message, MessageState, Plan
from booking.services.notices.calling import IS_ABOUT_A_PLAN, PLAN

# A call that a worker has in hand is on its way to the list alone.
_WAITS = and_(
    Message.settled_at.is_(None),
    or_(
        Message.state == MessageState.QUEUED,
        and_(
            Message.channel == Channel.CALL,
            Message.state.in_((MessageState.SENDING, MessageState.TO_CALL)),
        ),
    ),
)


def texted(session: Session, number: str) -> bool:
    """Whether a text went to this number, or may have gone: whoever has it may have a link of ours. Those that wait are kept
    from the workers until the transaction is over.
    """
    states = session.scalars(
        select(Message.state)
        .where(
            Message.address == number,
            Message.channel == Channel.TEXT,
            Message.state != MessageState.DROPPED,
        )
        .with_for_update()
    ).all()
    return any(state is not MessageState.QUEUED for state in states)


def number_corrected(session: Session, of: Appointment | Plan, before: str | None) -> None:
    """What waits to go to the number that a visit, or a plan, had `before` goes to the one that it has now; without one, a call
    keeps its place on the list.
    """
    if before is None:
        return
    if isinstance(of, Plan):
        subject = f"plan/{of.reference}"
        its_calls = and_(IS_ABOUT_A_PLAN, Message.facts[PLAN].as_string() == of.reference)
        about = or_(Message.subject == subject, Message.subject.startswith(f"{subject}/"), its_calls)
    else:
        about = and_(Message.appointment_id == of.id, not_(IS_ABOUT_A_PLAN))
    waits = update(Message).where(Message.address == before, _WAITS, about)
    if not of.phone:
        waits = waits.where(Message.channel == Channel.CALL)
    session.connection().execute(waits.values(address=of.phone or ""))
