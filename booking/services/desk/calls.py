"""The list of calls: whom the desk has to call and why, what to know before one dials, and what came of it.

Who stands on it says `booking.services.desk.whom_to_call`. One visit is one call.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, and_, false, func, or_, select
from sqlalchemy.orm import Session

from booking import clock
from booking.errors import NotFound
from booking.formatting import iso_utc
from booking.models import (
    Appointment,
    Channel,
    HistoryEntry,
    Message,
    MessageState,
    Patient,
    Plan,
    Reminders,
)
from booking.scheduling.status import Status
from booking.services import notices
from booking.services.clinic import Clinic, Practitioner, the_clinic
from booking.services.desk import states, whom_to_call
from booking.services.desk.whom_to_call import Outcome
from booking.services.idempotency import Answer, Key, once
from booking.services.staff import audit
from booking.services.staff.ownership import appointment_for
from booking.services.staff.who import Who
from booking.services.transaction import reading

_PUT_BACK_WITHIN = timedelta(hours=12)
# In the facts of a message: each call about it that nobody answered, "at" what time, ISO in UTC, and "by" whom.
_TRIED = "tried"


class Why(StrEnum):
    """Why somebody is called: the weightiest last. ASKED: by the desk, which put the call there."""

    ONLY_PHONE = "only-phone"
    WANTED = "wanted"
    ASKED = notices.ASKED
    SOON = notices.ON_SHORT_NOTICE
    UNREACHABLE = notices.UNREACHABLE
    NO_CONTACT = "no-contact"


@dataclass(frozen=True)
class Written:
    """A message that tells the same. `at`: when it went, or, if it hasn't `gone` yet, when it will."""

    channel: Channel
    at: datetime
    gone: bool


@dataclass(frozen=True)
class Call:
    """One call about one visit. `kind`: what is to be said, "reminder", "confirmation", "change" or "cancellation".

    `flags`, `desk_note`: what to know of the patient before they pick up. `tries`: calls that nobody answered. `left_at`: when a
    message was left about the same, last. `because`: the reason that was given for a change. `written`: the message by which they
    may know already. `after_all`: they were told that we had cancelled it. `plan`: the reference of its plan, where the call is
    about that: `others_changed` if others of its visits have, and `plan_only` if nothing is to be said of this one by itself.
    `also`: the others of that day, or of the next morning, or of that week, of which they are reminded by the same call, in
    order.
    """

    reference: str
    version: int
    kind: str
    why: Why
    patient_name: str
    patient_reference: str
    phone: str | None
    email: str | None
    starts_at: datetime
    ends_at: datetime
    old_starts_at: datetime | None
    practitioner: Practitioner
    flags: tuple[str, ...] = ()
    desk_note: str = ""
    tries: int = 0
    tried_at: datetime | None = None
    left_at: datetime | None = None
    problem: str = ""
    because: str = ""
    written: Written | None = None
    after_all: bool = False
    plan: str = ""
    others_changed: bool = False
    plan_only: bool = False
    also: tuple["Call", ...] = ()

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """What can come of it."""
        if self.phone is None:
            return (Outcome.TOLD,)
        return Outcome.REACHED, Outcome.LEFT_MESSAGE, Outcome.NO_ANSWER


@dataclass(frozen=True)
class Settled:
    """A call that was made. `stays`: it is still to be made. `stopped`, `due_at`: the channel of a message about the same that
    doesn't go now, and when it would have gone, ISO in UTC. `before`: where it was to be made no more, or isn't to be taken back,
    what came of it, "by" whom and "at" what time, ISO in UTC; empty where nobody made it.
    """

    patient: str
    stays: bool = False
    stopped: str = ""
    due_at: str = ""
    before: dict[str, str] | None = None


@dataclass(frozen=True)
class CallList:
    """Everybody to call, the soonest visit first."""

    calls: tuple[Call, ...] = field(default=())


def call_list(who: Who) -> CallList:
    """Whom to call now. Empty for those who don't look after all patients."""
    now = clock.now()
    if not who.sees_everybody:
        return CallList()
    with reading() as session:
        clinic = the_clinic(session)
        found: dict[str, Call] = {}
        by_message, along = _by_message(session, clinic, now)
        for call in (*by_message, *_changed_soon(session, clinic, now)):
            known = found.get(call.reference)
            found[call.reference] = _the_weightier(known, call) if known else call
        for call in along:
            first = _first_of_its_day(call, by_message)
            if first is not None and call.reference not in found:
                found[first] = replace(found[first], also=_in_order(call, *found[first].also))
        calls = _with_what_they_may_know(session, found.values())
    return CallList(tuple(sorted(calls, key=lambda call: (call.starts_at, call.reference))))


def settle(who: Who, reference: str, outcome: Outcome, *, version: int | None = None, key: str) -> Settled:
    """Keeps what came of the call about a visit, and about the others of its day of which they were reminded along. Whoever was
    spoken with about a change isn't written to about it any more.
    `version`: the visit's, as the caller told it. Raises StaleEdit, NotFound, KeyReused.
    """

    def action(session: Session) -> Answer:
        now = clock.now()
        appointment = appointment_for(session, who, reference, for_update=True)
        states.refuse_stale(session, the_clinic(session), appointment, version)
        messages, stopped = _open(session, appointment, now), list[Message]()
        name = f"{appointment.first_name} {appointment.last_name}"
        if not any(message.kind in notices.ANSWERS for message in messages):
            if whom_to_call.to_be_called_about(session, appointment, now):
                kind = "cancellation" if appointment.status is Status.CANCELLED else "change"
                messages.append(notices.call_made(session, appointment, kind, now))
        if not messages:
            # Somebody else has just called; that call counts.
            return vars(Settled(name, before=_made_before(session, appointment)))
        if outcome in whom_to_call.SPOKEN and any(message.kind in notices.ANSWERS for message in messages):
            stopped = notices.stop_writing(session, appointment, "They were told by telephone.")
        for message in (*messages, *_along(session, appointment, messages, now), *stopped):
            if message.state is MessageState.QUEUED:
                # The worker would put it on the list in a moment.
                message.state = MessageState.TO_CALL
            if outcome is Outcome.NO_ANSWER:
                tried = [*message.facts.get(_TRIED, ()), {"at": iso_utc(now), "by": who.name}]
                message.facts = message.facts | {_TRIED: tried}
            else:
                message.settled_at = now
                if notices.WEEK in message.facts:
                    message.facts = message.facts | {notices.NAMED: _of_its_week(session, message, now)}
            message.settled_as, message.settled_by = outcome.value, who.name
        audit.did(
            session, who, "called", f"appointment/{reference}", appointment.patient_id, outcome=outcome.value
        )
        if not stopped:
            stays = outcome is Outcome.NO_ANSWER or whom_to_call.to_be_called_about(session, appointment, now)
            return vars(Settled(name, stays))
        return vars(Settled(name, stopped=stopped[-1].channel.value, due_at=iso_utc(stopped[-1].due_at)))

    return Settled(**once(Key.of(who.key, key, ["call", reference, outcome.value, version]), action))


def _of_its_week(session: Session, call: Message, now: datetime) -> list[int]:
    """The visits that a call about a week of a plan names, by their ids."""
    plan = session.scalars(select(Plan).where(Plan.reference == call.facts[notices.PLAN])).one()
    return [one.id for one in notices.of_week(session, plan, call.facts[notices.WEEK], now)]


def _made_before(session: Session, appointment: Appointment) -> dict[str, str]:
    """What came of the last call about a visit as it stands."""
    last = session.scalar(
        select(Message)
        .where(
            Message.appointment_id == appointment.id,
            Message.sequence == appointment.sequence,
            Message.settled_as.in_(tuple(Outcome)),
            Message.settled_at.is_not(None),
        )
        .order_by(Message.settled_at.desc())
        .limit(1)
    )
    return _what_came_of(last) if last else {}


def put_back(who: Who, reference: str, *, key: str) -> Settled:
    """Takes back the last call about a visit, of today: one that was settled by mistake is on the list again, and a message that
    it stopped waits again; "no answer" counts no more. What a colleague has done since is theirs, and said. Raises NotFound,
    KeyReused.
    """

    def action(session: Session) -> Answer:
        appointment = appointment_for(session, who, reference, for_update=True)
        name = f"{appointment.first_name} {appointment.last_name}"
        found = _called_about(
            session, Message.appointment_id == appointment.id, Message.sequence == appointment.sequence
        )
        last = max(found, key=_called_at, default=None)
        if last is None or _called_at(last) <= clock.now() - _PUT_BACK_WITHIN:
            raise NotFound
        if last.settled_by != who.name:
            return vars(Settled(name, before=_what_came_of(last)))
        at = _called_at(last)
        for message in (*found, *_called_along(session, appointment)):
            if _called_at(message) == at:
                _take_back(message, appointment)
        audit.did(session, who, "put call back", f"appointment/{reference}", appointment.patient_id)
        return vars(Settled(name))

    return Settled(**once(Key.of(who.key, key, ["call back", reference]), action))


def _take_back(message: Message, appointment: Appointment) -> None:
    """As it was before the last call about it."""
    tried = message.facts.get(_TRIED, [])
    if message.settled_at is None:
        tried = tried[:-1]
        message.facts = message.facts | {_TRIED: tried}
    elif notices.WEEK in message.facts:
        message.facts = {name: said for name, said in message.facts.items() if name != notices.NAMED}
    message.settled_at = None
    message.settled_as = Outcome.NO_ANSWER.value if tried else ""
    message.settled_by = tried[-1]["by"] if tried else ""
    # The contact may have been corrected meanwhile.
    if message.state is MessageState.DROPPED and message.address in (appointment.email, appointment.phone):
        message.state, message.last_error = MessageState.QUEUED, ""


def _called_at(message: Message) -> datetime:
    """When somebody called about it last."""
    return message.settled_at or datetime.fromisoformat(message.facts[_TRIED][-1]["at"])


def _what_came_of(message: Message) -> dict[str, str]:
    return {"outcome": message.settled_as, "by": message.settled_by, "at": iso_utc(_called_at(message))}


def _called_about(session: Session, *about: ColumnElement[bool]) -> list[Message]:
    """What somebody has called about, of these messages of visits, and of plans."""
    found = session.scalars(
        select(Message)
        .outerjoin(Appointment, Appointment.id == Message.appointment_id)
        .where(Message.settled_as.in_(tuple(Outcome)), *about)
    )
    return [one for one in found if one.settled_at is not None or one.facts.get(_TRIED)]


def _called_along(session: Session, appointment: Appointment) -> list[Message]:
    """What calls settled about the patient's other visits, and of what was to be written about its plan."""
    others = and_(
        Appointment.patient_id == appointment.patient_id,
        Appointment.id != appointment.id,
        Message.sequence == Appointment.sequence,
    )
    plan = session.get(Plan, appointment.plan_id) if appointment.plan_id else None
    of_plan = Message.subject == f"plan/{plan.reference}" if plan else false()
    return _called_about(session, or_(others, of_plan))


def _by_message(session: Session, clinic: Clinic, now: datetime) -> tuple[list[Call], list[Call]]:
    """Reminders by call, and what failed and isn't on its way by other means; and the reminders of which somebody is called along
    with that of an earlier visit.
    """
    wanted = (
        select(Message, Appointment, Patient, whom_to_call.TOLD_WITH_EARLIER)
        .join(Appointment, Appointment.id == Message.appointment_id)
        .join(Patient, Patient.id == Appointment.patient_id)
        .where(whom_to_call.TO_BE_CALLED)
        .order_by(Appointment.from_cell, Message.id)
    )
    calls: list[Call] = []
    along: list[Call] = []
    for message, appointment, patient, goes_along in session.execute(wanted, whom_to_call.bounds(now)):
        why = _why(message, appointment, patient)
        call = _call(clinic, appointment, patient, message.kind, why, message)
        if call.plan and notices.WEEK in message.facts:
            week = notices.of_week(session, appointment.plan, message.facts[notices.WEEK], now)
            others = (one for one in week if one is not appointment)
            call = replace(call, also=tuple(_call(clinic, one, patient, call.kind, why) for one in others))
        (along if goes_along else calls).append(call)
    return calls, along


def _first_of_its_day(call: Call, calls: Iterable[Call]) -> str | None:
    """The visit with whose reminder, the last before it of these, somebody is called about another one."""
    whose = [
        one.reference
        for one in calls
        if (one.kind, one.patient_reference, one.phone) == (call.kind, call.patient_reference, call.phone)
        and one.starts_at < call.starts_at
    ]
    return whose[-1] if whose else None


def _along(
    session: Session, appointment: Appointment, messages: Iterable[Message], now: datetime
) -> list[Message]:
    """The reminders of later visits of its day of which somebody is called along with these."""
    wanted = (
        select(Message, Appointment.from_cell)
        .join(Appointment, Appointment.id == Message.appointment_id)
        .where(
            Appointment.patient_id == appointment.patient_id,
            Appointment.from_cell > appointment.from_cell,
            Message.kind.in_([one.kind for one in messages]),
            Message.address.in_([one.address for one in messages]),
            whom_to_call.TO_BE_CALLED,
            whom_to_call.TOLD_WITH_EARLIER,
        )
        .order_by(Appointment.from_cell)
    )
    found, last = [], appointment.from_cell
    for message, from_cell in session.execute(wanted, whom_to_call.bounds(now)):
        if from_cell - last >= whom_to_call.A_DAYS_VISITS:
            break
        found.append(message)
        last = from_cell
    return found


def _contact(message: Message | None, appointment: Appointment) -> Plan | Appointment:
    """Whose number is called: a plan's where the call is about all of its visits, of which others may have another one."""
    of_plan = message is not None and notices.is_about_a_plan(message.kind, message.channel, message.facts)
    return appointment.plan if of_plan and appointment.plan else appointment


def _why(message: Message, appointment: Appointment, patient: Patient) -> Why:
    contact = _contact(message, appointment)
    if message.state in whom_to_call.FAILED:
        return Why.UNREACHABLE
    if not (contact.email or contact.phone or patient.phone):
        return Why.NO_CONTACT
    if "why" in message.facts:
        return Why(message.facts["why"])
    if message.channel is Channel.CALL and contact.reminders is Reminders.CALL:
        return Why.WANTED
    channel, _address = notices.channel_of_clinic(contact)
    return Why.ONLY_PHONE if channel is Channel.CALL else Why.UNREACHABLE


def _changed_soon(session: Session, clinic: Clinic, now: datetime) -> list[Call]:
    """Visits that the clinic moved or cancelled within a day of their beginning, and of which nobody said "I know"."""
    wanted = (
        select(Appointment, Patient, *whom_to_call.ENTRY)
        .join(Patient, Patient.id == Appointment.patient_id)
        .join(HistoryEntry, HistoryEntry.appointment_id == Appointment.id)
        .where(whom_to_call.CHANGED_BY_US)
        .order_by(Appointment.id, HistoryEntry.id)
    )
    calls = []
    found = session.execute(wanted, whom_to_call.bounds(now))
    for (appointment, patient), rows in groupby(found, key=lambda row: (row[0], row[1])):
        entry = whom_to_call.to_be_told(appointment, rows, now)
        if entry is not None:
            kind = "cancellation" if appointment.status is Status.CANCELLED else "change"
            call = _call(clinic, appointment, patient, kind, Why.SOON)
            old = whom_to_call.old_start(entry) if kind == "change" else None
            after_all = entry.facts.get("after_all", False)
            written = _written_of_plan(session, appointment, entry.at)
            calls.append(
                replace(call, old_starts_at=old, because=entry.why, after_all=after_all, written=written)
            )
    return calls


def _with_what_they_may_know(session: Session, calls: Iterable[Call]) -> list[Call]:
    """These calls, those about a change with the message that tells of it too, and when one was left on the telephone."""
    calls = list(calls)
    soon = [call.reference for call in calls if call.why is Why.SOON]
    written = _written(session, soon) if soon else {}
    left_at = _left_at(session, soon) if soon else {}
    return [
        replace(call, written=written.get(call.reference, call.written), left_at=left_at.get(call.reference))
        for call in calls
    ]


def _left_at(session: Session, references: list[str]) -> dict[str, datetime]:
    """When a message was left last that tells how each of these visits stands."""
    found = session.execute(
        select(Appointment.reference, func.max(Message.settled_at))
        .join(Message, Message.appointment_id == Appointment.id)
        .where(
            Appointment.reference.in_(references),
            Message.sequence == Appointment.sequence,
            Message.kind.in_(notices.ANSWERS),
            Message.settled_as == Outcome.LEFT_MESSAGE,
        )
        .group_by(Appointment.reference)
    )
    return {reference: at for reference, at in found}


def _written_of_plan(session: Session, appointment: Appointment, since: datetime) -> Written | None:
    """The message about its plan as a whole, from after then, that tells that this visit isn't as they knew it any more."""
    if appointment.plan_id is None:
        return None
    found = session.scalars(
        select(Message)
        .where(
            Message.subject == f"plan/{session.get_one(Plan, appointment.plan_id).reference}",
            Message.kind == "plan-change",
            Message.state.in_(whom_to_call.ON_ITS_WAY),
            Message.due_at > since,
        )
        .order_by(Message.id.desc())
    )
    tells = (one for one in found if one.facts[notices.KNEW].get(str(appointment.id)))
    return next(
        (Written(one.channel, one.sent_at or one.due_at, one.sent_at is not None) for one in tells), None
    )


def _written(session: Session, references: list[str]) -> dict[str, Written]:
    """The last message that tells how each of these visits stands."""
    found = session.execute(
        select(Appointment.reference, Message.channel, Message.sent_at, Message.due_at)
        .join(Message, Message.appointment_id == Appointment.id)
        .where(
            Appointment.reference.in_(references),
            Message.sequence == Appointment.sequence,
            Message.kind.in_(notices.ANSWERS),
            Message.channel != Channel.CALL,
            or_(Message.state.in_(whom_to_call.ON_ITS_WAY), Message.settled_as == notices.TOLD_TOGETHER),
        )
        .order_by(Message.id)
    )
    return {
        reference: Written(channel, sent_at or due_at, sent_at is not None)
        for reference, channel, sent_at, due_at in found
    }


def _open(session: Session, appointment: Appointment, now: datetime) -> list[Message]:
    """What stands on the list about a visit, and a call about a change that the worker puts there in a moment. One that isn't
    due yet is about a change that nobody has seen on the list.
    """
    in_a_moment = and_(
        Message.channel == Channel.CALL,
        Message.due_at <= now,
        Message.kind.in_(notices.ANSWERS),
        Message.state.in_((MessageState.QUEUED, MessageState.SENDING)),
    )
    return list(
        session.scalars(
            select(Message).where(
                Message.appointment_id == appointment.id,
                Message.sequence == appointment.sequence,
                or_(Message.state.in_((MessageState.TO_CALL, *whom_to_call.FAILED)), in_a_moment),
                Message.settled_at.is_(None),
            )
        )
    )


def _call(
    clinic: Clinic,
    appointment: Appointment,
    patient: Patient,
    kind: str,
    why: Why,
    message: Message | None = None,
) -> Call:
    facts: dict[str, Any] = message.facts if message else {}
    old, tried = facts.get("old_starts_at"), facts.get(_TRIED)
    contact = _contact(message, appointment)
    of_plan = contact is not appointment
    return Call(
        reference=appointment.reference,
        version=appointment.version,
        kind=kind.partition("-")[0],
        why=why,
        patient_name=f"{appointment.first_name} {appointment.last_name}",
        patient_reference=patient.reference,
        phone=contact.phone or patient.phone,
        email=contact.email,
        starts_at=appointment.starts_at,
        ends_at=appointment.ends_at,
        old_starts_at=datetime.fromisoformat(old) if old else None,
        practitioner=clinic.practitioner_by_id[appointment.practitioner_id],
        flags=tuple(patient.flags),
        desk_note=patient.desk_note,
        tries=len(tried) if tried else 0,
        tried_at=datetime.fromisoformat(tried[-1]["at"]) if tried else None,
        problem=message.last_error if message and message.state in whom_to_call.FAILED else "",
        after_all=facts.get("after_all", False),
        plan=facts[notices.PLAN] if of_plan else "",
        others_changed=of_plan and kind in notices.ANSWERS,
        plan_only=of_plan and kind in ("change", "cancellation"),
    )


_WEIGHT = ("reminder", "confirmation", "change", "cancellation")
_STRENGTH = tuple(Why)


def _the_weightier(one: Call, other: Call) -> Call:
    """One call for one visit: about the change rather than about the reminder, with what the other one knows."""
    weight = lambda call: (not call.plan_only, _WEIGHT.index(call.kind), _STRENGTH.index(call.why))  # noqa: E731
    first, second = sorted((one, other), key=weight, reverse=True)
    return replace(
        first,
        old_starts_at=first.old_starts_at or second.old_starts_at,
        tries=max(first.tries, second.tries),
        tried_at=first.tried_at or second.tried_at,
        problem=first.problem or second.problem,
        because=first.because or second.because,
        after_all=first.after_all or second.after_all,
        plan=first.plan or second.plan,
        others_changed=first.others_changed or second.others_changed,
        also=_in_order(*first.also, *second.also),
    )


def _in_order(*calls: Call) -> tuple[Call, ...]:
    """These of other visits, each once."""
    each = {call.reference: call for call in calls}
    return tuple(sorted(each.values(), key=lambda call: call.starts_at))
