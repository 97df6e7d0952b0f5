"""What was told once more: another way where the first one failed, or because the desk asked for it."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking.models import Actor, Appointment, Channel, Message, MessageState, Plan
from booking.scheduling.reminder_times import not_after
from booking.services import digests
from booking.services.message_rows import bare_row
from booking.services.notices.calling import LIST_BY_CALL, PLAN, call_anew, call_of_week
from booking.services.notices.writing import (
    ANSWERS,
    ASKED,
    ON_SHORT_NOTICE,
    TOLD_TOGETHER,
    UNREACHABLE,
    add_resend,
    address_of,
    next_resend,
    row_of,
    without_why,
)
from booking.services.rows import Row, add_all

# What somebody is called about instead of a message about a whole plan.
_SAID_BY_CALL = {
    "plan-link": "confirmation",
    "plan-confirmation": "confirmation",
    "plan-change": "change",
    "plan-make-up": "change",
    digests.KIND: LIST_BY_CALL,
}

# The facts of a confirmation of a plan that staff caused: what its patient is called about if it reaches nobody.
SAID_BY_CALL = "said_by_call"
# The facts of a change of a plan that its patient made themselves.
OWN = "own"

# Whoever it was for may know of it, or was to be told at this address in vain.
GONE = (MessageState.SENT, MessageState.SIMULATED, MessageState.UNSURE, MessageState.DEAD)


def another_way(session: Session, appointment: Appointment, message: Message, now: datetime) -> None:
    """Writes anew what could not reach the patient: a text as a mail if there is an address, else on the list of calls
    to make; a mail that the clinic began on that list, if there is a number.
    """
    by_mail = message.channel is Channel.TEXT and appointment.email
    of_the_clinic = message.kind.startswith("reminder-") or message.facts.get("by_clinic")
    own_wish = message.channel is Channel.EMAIL or message.kind == "cancellation"
    if own_wish and not of_the_clinic and not by_mail:
        return
    channel = Channel.EMAIL if by_mail else Channel.CALL
    address = appointment.email if by_mail else appointment.phone
    if address:
        facts = message.facts | ({"why": UNREACHABLE} if channel is Channel.CALL else {})
        row = row_of(appointment, message.kind, channel, address, now, now, message.not_after, facts)
        _add_once(session, row | {"sequence": message.sequence})


def cancellation_corrected(session: Session, appointment: Appointment, now: datetime) -> None:
    """What waits to tell that a visit is cancelled goes to its contact as it is now; where it has none of that kind, another
    way. What a worker has in hand for the old contact is told once more, and so is what went there of a visit that the clinic
    cancelled, unless somebody has told them on the telephone.
    """
    found = session.scalars(
        select(Message)
        .where(
            Message.appointment_id == appointment.id,
            Message.sequence == appointment.sequence,
            Message.kind == "cancellation",
        )
        .order_by(Message.id)
        .with_for_update()
    ).all()
    for message in found:
        by_call = message.channel is Channel.CALL
        in_hand = by_call and message.state in (MessageState.SENDING, MessageState.TO_CALL)
        if (message.state is MessageState.QUEUED or in_hand) and message.settled_at is None:
            message.address = address_of(appointment, message.channel) or ""
            if not message.address and not by_call:
                message.state, message.last_error = MessageState.DROPPED, "The contact was corrected."
                another_way(session, appointment, message, now)
    last = next((one for one in reversed(found) if one.channel is not Channel.CALL), None)
    if last is None or last.address in (appointment.email, appointment.phone, ""):
        return
    spoken = any(one.channel is Channel.CALL and one.settled_at is not None for one in found)
    went = last.state in GONE or last.settled_as == TOLD_TOGETHER
    went = went and appointment.cancelled_by is Actor.STAFF and not spoken
    if last.state is MessageState.SENDING or went:
        if address_of(appointment, last.channel):
            sent_again(session, appointment, last, last.channel, now)
        else:
            another_way(session, appointment, last, now)


def plan_another_way(session: Session, plan: Plan, message: Message, now: datetime) -> bool:
    """Writes anew what could not reach a plan's patient: a text as a mail if there is an address, else as a call about all its
    visits, or about those of a week. Says whether there is such a way. A mail that answers what they have just done is in their
    hands, and nobody is called about what they have changed themselves.
    """
    own = OWN in message.facts
    answers = message.kind in ("plan-link", "plan-confirmation") and SAID_BY_CALL not in message.facts
    if message.channel is Channel.EMAIL and (answers or own):
        return False
    if message.channel is Channel.TEXT and plan.email:
        row = bare_row(message.subject, message.kind, Channel.EMAIL, plan.email, now, now, message.not_after)
        _add_once(session, row | {"sequence": message.sequence, "facts": message.facts})
        return True
    if own or not plan.phone:
        return False
    kind = message.facts.get(SAID_BY_CALL) or _SAID_BY_CALL[message.kind]
    # Who wants to be called is called for that.
    facts = {PLAN: plan.reference} | ({} if message.channel is Channel.CALL else {"why": UNREACHABLE})
    if kind in ANSWERS:
        return call_anew(session, plan, now, facts, kind)
    return call_of_week(session, plan, digests.week_of(message.subject).isoformat(), now, facts)


def sent_again(
    session: Session, appointment: Appointment, message: Message, channel: Channel, now: datetime
) -> None:
    """What a message told, once more, by this channel and to the contact as it is now, as a numbered resend.

    The caller has made sure that it is still true, still of use, and that there is such a contact.
    """
    address = address_of(appointment, channel) or ""
    to_call = channel is Channel.CALL
    facts = without_why(message.facts) | ({"why": ASKED} if to_call else {})
    row = row_of(appointment, message.kind, channel, address, now, now, message.not_after, facts)
    row["state"] = MessageState.TO_CALL if to_call else MessageState.QUEUED
    add_resend(session, appointment, [row])


def call_made(session: Session, appointment: Appointment, kind: str, now: datetime) -> Message:
    """A call about a change on short notice, on the list of calls like one that the outbox asked for."""
    last_use, facts = not_after(appointment.starts_at), {"why": ON_SHORT_NOTICE}
    row = row_of(appointment, kind, Channel.CALL, appointment.phone or "", now, now, last_use, facts)
    message = Message(
        **row | {"state": MessageState.TO_CALL, "resend": next_resend(session, appointment, [kind])}
    )
    session.add(message)
    session.flush()
    return message


def _add_once(session: Session, row: Row) -> None:
    """Writes a message, unless it was written before. One that was dropped told nobody, as when the contact was corrected since;
    but for what was told together with others.
    """
    there = session.execute(
        select(Message.resend, Message.state, Message.settled_as).where(
            *(getattr(Message, name) == row[name] for name in ("subject", "kind", "sequence", "channel"))
        )
    ).all()
    if all(one.state is MessageState.DROPPED and one.settled_as != TOLD_TOGETHER for one in there):
        number = max((one.resend for one in there), default=-1) + 1
        add_all(session, Message, [row | {"resend": number}])
