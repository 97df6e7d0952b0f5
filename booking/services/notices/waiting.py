"""What of the outbox is about one visit already: what waits and is dropped by a change, and what its patient has heard."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import bindparam, or_, select, update
from sqlalchemy.orm import Session

from booking.models import Appointment, Channel, Message, MessageState, Plan
from booking.services import digests
from booking.services.clinic import Clinic, the_clinic
from booking.services.notices.again import OWN
from booking.services.notices.calling import IS_ABOUT_A_PLAN
from booking.services.notices.knowing import KNEW, Knew, facts_of, same_place
from booking.services.notices.news import heard, is_change_by_clinic
from booking.services.notices.unheard import hears
from booking.services.notices.ways import has_own_contact
from booking.services.notices.writing import ANSWERS, HAS_GONE, NAMED, TOLD_TOGETHER
from booking.services.rows import Row

# What lists all visits of a plan as they stand.
_OF_ALL = ("plan-confirmation", "plan-change")
# Every change says these, so they are put together once.
_DROP = (
    update(Message)
    .where(
        Message.appointment_id == bindparam("visit"),
        Message.state.in_((MessageState.QUEUED, MessageState.TO_CALL)),
        Message.settled_at.is_(None),
        ~IS_ABOUT_A_PLAN,
    )
    .values(state=MessageState.DROPPED, last_error=bindparam("why"))
)
_WAITING = (
    select(
        Message.kind,
        Message.channel,
        Message.facts,
        Message.state,
        Message.sequence,
        Message.written_at,
        # What a worker has tried, or put off for a reason, was due as well.
        (or_(Message.due_at <= bindparam("now"), Message.attempts > 0, Message.last_error != "")).label(
            "due"
        ),
    )
    .where(
        Message.appointment_id == bindparam("visit"),
        Message.state.in_((MessageState.QUEUED, MessageState.SENDING, MessageState.TO_CALL)),
        Message.settled_at.is_(None),
        ~IS_ABOUT_A_PLAN,
    )
    .order_by(Message.id)
)


def drop_queued(session: Session, appointment: Appointment, why: str) -> None:
    """Drops what is queued about an appointment, and the calls that nobody has made yet, but for those about its plan, which
    are passed on (`calling`). What a worker holds at this moment it checks again before sending.
    """
    session.connection().execute(_DROP, {"visit": appointment.id, "why": why})


def drop_waiting(session: Session, appointment: Appointment, why: str, now: datetime) -> list[Row]:
    """Drops all that waits, and returns what of it counts: see `waiting`."""
    found = waiting(session, appointment, now)
    drop_queued(session, appointment, why)
    return found


def waiting(session: Session, appointment: Appointment, now: datetime) -> list[Row]:
    """What waits to be told, as {"kind", "channel", "facts"}: answers that are queued, or that are to be told by a call
    which nobody has made yet, each kind once; and reminders whose time has come, such as such a call. Those of another time
    are written anew by `reminders`. What a message of the plan has told meanwhile doesn't wait any more.
    """
    answers: dict[str, Row] = {}
    reminding: list[Row] = []
    wanted = {"visit": appointment.id, "now": now}
    for kind, channel, facts, state, sequence, written_at, due in (
        session.connection().execute(_WAITING, wanted).all()
    ):
        row = {"kind": kind, "channel": channel.value, "facts": dict(facts)}
        if kind in ANSWERS and state is MessageState.QUEUED:
            if not told_with_plan(session, appointment, written_at):
                answers[kind] = row
        elif kind in ANSWERS and state is MessageState.TO_CALL:
            if not went(session, appointment, [sequence]):
                answers.setdefault(kind, row)
        elif kind.startswith("reminder-") and due:
            reminding.append(row)
    return [*answers.values(), *reminding]


def in_vain(session: Session, appointment: Appointment) -> list[Row]:
    """What was last to tell how a visit stands, as `waiting` has it, where it was dropped and nothing has told that since."""
    last = session.scalar(
        select(Message)
        .where(
            Message.appointment_id == appointment.id,
            Message.kind.in_(ANSWERS),
            Message.channel != Channel.CALL,
            ~IS_ABOUT_A_PLAN,
        )
        .order_by(Message.id.desc())
        .limit(1)
    )
    if last is None or last.state is not MessageState.DROPPED or last.settled_as == TOLD_TOGETHER:
        return []
    if told_with_plan(session, appointment, last.written_at) is not None:
        return []
    return [{"kind": last.kind, "channel": last.channel.value, "facts": dict(last.facts)}]


def as_it_waited(visit: Appointment, waited: list[Row], knew: Knew) -> Knew:
    """How a visit is known, until now as they `knew` it, where what the clinic did before still `waited` to be told: as it was
    then.
    """
    number, found = str(visit.id), Knew()
    for one in waited:
        if one["kind"] in ANSWERS and one["facts"].get("by_clinic"):
            if one["kind"] == "confirmation":
                found[number] = None
            elif before := heard([one]):
                found[number] = (knew.get(number) or {"penciled": visit.penciled}) | before
    return found


def waiting_with_plan(session: Session, appointment: Appointment, known: Row) -> list[Row]:
    """What waits in a message about its plan as a whole, as `waiting` has it: that this visit, until now as `known`, is new or
    is moved there.
    """
    change, number = _change_of_plan(session, appointment), str(appointment.id)
    if change is None or number not in change.facts.get(KNEW, {}):
        return []
    before: Row | None = change.facts[KNEW][number]
    if before and same_place(before, known):
        return []
    kind = "change" if before else "confirmation"
    facts = {"by_clinic": True} | facts_of(before or {})
    return [{"kind": kind, "channel": change.channel.value, "facts": facts}]


def told_apart(session: Session, clinic: Clinic, appointment: Appointment, known: Row) -> list[Row]:
    """The same, which goes no more with the plan, and neither does what was decided of this visit: a message of its own tells how
    it stands.
    """
    found, change = waiting_with_plan(session, appointment, known), _change_of_plan(session, appointment)
    if change is not None:
        knew = {name: how for name, how in change.facts[KNEW].items() if name != str(appointment.id)}
        change.facts = change.facts | {KNEW: knew}
    hears(session, clinic, appointment)
    return found


def tell_with_plan(session: Session, appointment: Appointment, waited: list[Row]) -> bool:
    """What `waited` to tell from where this visit was moved goes with a message about its plan, if one waits. Says whether it
    does.
    """
    change = _change_of_plan(session, appointment)
    known = next((one["facts"] for one in waited if "old_starts_at" in one["facts"]), None)
    if change is None or known is None:
        return False
    theirs = {name: known[name] for name in known if name.startswith("old_")}
    its = {str(appointment.id): theirs | {"penciled": appointment.penciled}}
    change.facts = change.facts | {KNEW: its | change.facts[KNEW]}
    return True


def known_with_plan(session: Session, appointment: Appointment, knew: Knew) -> None:
    """What waits to tell of a change of its plan tells of this visit from how they `knew` it."""
    change = _change_of_plan(session, appointment)
    if change is not None:
        change.facts = change.facts | {KNEW: change.facts[KNEW] | knew}


def _change_of_plan(session: Session, appointment: Appointment) -> Message | None:
    """What waits to tell of a change of its plan as a whole."""
    if appointment.plan_id is None:
        return None
    subject = f"plan/{session.get_one(Plan, appointment.plan_id).reference}"
    return session.scalar(
        select(Message)
        .where(
            Message.subject == subject, Message.kind == "plan-change", Message.state == MessageState.QUEUED
        )
        .order_by(Message.id.desc())
        .limit(1)
    )


def went(session: Session, appointment: Appointment, sequences: Sequence[int]) -> bool:
    """Whether the patient was told, or may have been told, how the visit stood under these sequences: reminded as well."""
    told = select(Message.id).where(
        Message.appointment_id == appointment.id,
        Message.sequence.in_(sequences),
        or_(Message.kind.in_(ANSWERS), Message.kind.startswith("reminder-")),
        HAS_GONE,
    )
    return session.scalar(told.limit(1)) is not None


def is_told(session: Session, appointment: Appointment, kind: str) -> bool:
    """Whether a message of this kind tells, or has told, how the visit stands by now."""
    there = select(Message.id).where(
        Message.appointment_id == appointment.id,
        Message.sequence == appointment.sequence,
        Message.kind == kind,
        Message.state != MessageState.DROPPED,
    )
    return session.scalar(there.limit(1)) is not None


def cancellation_told(session: Session, appointment: Appointment, since: datetime) -> bool:
    """Whether the patient was told, is about to be, or may have been, that their visit was cancelled then."""
    waits = select(Message.id).where(
        Message.appointment_id == appointment.id,
        Message.sequence == appointment.sequence,
        Message.kind == "cancellation",
        Message.state.in_((MessageState.QUEUED, MessageState.TO_CALL)),
        Message.settled_at.is_(None),
    )
    return (
        session.scalar(waits.limit(1)) is not None
        or went(session, appointment, [appointment.sequence])
        or told_with_plan(session, appointment, since) is not None
    )


def told_with_plan(session: Session, appointment: Appointment, since: datetime) -> datetime | None:
    """When a message about its plan last told, after then, how the visit stands: by naming it, or by leaving it out of all. Where
    the visit has a contact of its own, what went elsewhere told them nothing.
    """
    if appointment.plan_id is None:
        return None
    plan = session.get_one(Plan, appointment.plan_id)
    week = digests.monday_of(the_clinic(session).times.local_date(appointment.starts_at))
    visits = session.scalars(select(Appointment.id).where(Appointment.plan_id == plan.id)).all()
    # Found by what they are about: of those that were sent there are as many as ever.
    about = or_(
        Message.subject.in_([f"plan/{plan.reference}", digests.subject_of(plan, week)]),
        Message.appointment_id.in_(visits),
    )
    found = session.scalars(
        select(Message).where(about, Message.sent_at > since).order_by(Message.sent_at.desc())
    )
    went = [one for one in found if one.state in (MessageState.SENT, MessageState.SIMULATED)]
    if has_own_contact(appointment):
        went = [one for one in went if one.address in (appointment.email, appointment.phone)]
    return next((one.sent_at for one in went if _names(one, appointment)), None)


def _names(message: Message, appointment: Appointment) -> bool:
    if message.kind == digests.KIND:
        # What isn't firm, or whoever can't come, is on no such list.
        return not appointment.penciled and appointment.cannot_come_at is None
    named = message.facts.get(NAMED)
    if message.kind in _OF_ALL or (message.kind in ANSWERS and named is not None):
        return True
    return message.kind != "plan-make-up" and appointment.id in (named or ())


def stop_writing(session: Session, appointment: Appointment, why: str) -> list[Message]:
    """Drops what waits to tell in writing how the visit stands, as the clinic changed it, and returns it; a message about its plan
    only where that tells of no other visit. What a worker holds goes all the same, and so does a first confirmation, which brings
    the patient their link.
    """
    waits = session.scalars(
        select(Message)
        .where(
            Message.appointment_id == appointment.id,
            Message.sequence == appointment.sequence,
            Message.kind.in_(ANSWERS),
            Message.channel != Channel.CALL,
            Message.state == MessageState.QUEUED,
        )
        .order_by(Message.id)
        .with_for_update()
    )
    stopped = [message for message in waits if is_change_by_clinic(message.kind, message.facts)]
    of_plan = _change_of_plan(session, appointment)
    if of_plan is not None and _tells_of_it_alone(of_plan, appointment):
        session.refresh(of_plan, with_for_update=True)
        stopped += [of_plan] if of_plan.state is MessageState.QUEUED else []
    for message in stopped:
        message.state, message.last_error = MessageState.DROPPED, why
    return stopped


def _tells_of_it_alone(change: Message, appointment: Appointment) -> bool:
    """Whether what waits to tell of a change of a plan, by the clinic, tells of no visit but this one."""
    return OWN not in change.facts and {*change.facts[KNEW]} <= {str(appointment.id)}
