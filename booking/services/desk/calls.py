"""Whom the desk has to call: who wants to be reminded by telephone, and whom no message can reach.

The list is what the outbox says: reminders by call, messages that failed and went no other way, and visits that the
clinic moved or cancelled less than a day ahead and that nobody has confirmed: their patients are written to as well. Like
what is written, these wait until the time to take the change back is over. What came of a call is kept there too.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import groupby
from typing import Any

from sqlalchemy import and_, bindparam, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from booking import clock
from booking.errors import NotFound
from booking.formatting import iso_utc
from booking.models import (
    Actor,
    Appointment,
    Channel,
    HistoryEntry,
    Message,
    MessageState,
    Patient,
    Reminders,
)
from booking.scheduling.status import Status
from booking.scheduling.timeline import cell_from, instant_of
from booking.services import notices
from booking.services.clinic import Clinic, Practitioner, the_clinic
from booking.services.desk import states
from booking.services.idempotency import Answer, Key, once
from booking.services.staff import audit
from booking.services.staff.ownership import appointment_for
from booking.services.staff.who import Who
from booking.services.transaction import reading

# Messages about a visit that still lies ahead are no older than this.
_OLDEST = timedelta(days=400)
_PUT_BACK_WITHIN = timedelta(hours=12)

_FAILED = (MessageState.DEAD, MessageState.UNSURE)
_ON_ITS_WAY = (MessageState.QUEUED, MessageState.SENDING, MessageState.SENT, MessageState.SIMULATED)


class Outcome(StrEnum):
    """What came of a call. After "no answer" it stays on the list. TOLD: in another way, where there is no number."""

    REACHED = "reached"
    LEFT_MESSAGE = "left-message"
    NO_ANSWER = "no-answer"
    TOLD = "told"


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

    `flags`, `desk_note`: what to know of the patient before they pick up. `tries`: calls that nobody answered. `because`:
    the reason that was given for a change. `written`: the message by which they may know already. `after_all`: they were
    told that we had cancelled it.
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
    problem: str = ""
    because: str = ""
    written: Written | None = None
    after_all: bool = False

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """What can come of it."""
        if self.phone is None:
            return (Outcome.TOLD,)
        return Outcome.REACHED, Outcome.LEFT_MESSAGE, Outcome.NO_ANSWER


@dataclass(frozen=True)
class Settled:
    """A call that was made. `stopped`, `due_at`: the channel of a message about the same that doesn't go now, and when it
    would have gone, ISO in UTC. `before`: where it was to be made no more, what came of it, "by" whom and "at" what time,
    ISO in UTC; empty where nobody made it.
    """

    patient: str
    stopped: str = ""
    due_at: str = ""
    before: dict[str, str] | None = None


@dataclass(frozen=True)
class CallList:
    """Everybody to call, the soonest visit first."""

    calls: tuple[Call, ...] = field(default=())


# What is on the list, with the `bounds` of now.

_OTHER = aliased(Message)
_TOLD_OTHERWISE = exists().where(
    _OTHER.appointment_id == Message.appointment_id,
    _OTHER.kind == Message.kind,
    _OTHER.sequence == Message.sequence,
    _OTHER.state.in_(_ON_ITS_WAY),
)
# Whether what a message tells still holds.
_IS_TRUE = or_(
    and_(Message.kind == "cancellation", Appointment.status == Status.CANCELLED),
    and_(Message.kind != "cancellation", Appointment.status == Status.BOOKED),
)
_SPOKEN = (Outcome.REACHED, Outcome.TOLD)
_REACHED = tuple(outcome.value for outcome in (*_SPOKEN, Outcome.LEFT_MESSAGE))
# How the visit stands was told on the telephone: a message about it that fails later needs no call.
_TOLD_BY_CALL = exists().where(
    _OTHER.appointment_id == Message.appointment_id,
    _OTHER.sequence == Message.sequence,
    _OTHER.settled_at.is_not(None),
    _OTHER.settled_as.in_(_REACHED),
)
# Whether it is news to the patient: whoever says that they come knows when, and who has cancelled knows that.
_IS_NEWS = or_(
    and_(Message.kind.startswith("reminder-"), Appointment.cannot_come_at.is_(None)),
    and_(
        or_(
            Message.kind == "confirmation",
            and_(Message.kind == "change", Appointment.confirmed_at.is_(None)),
            and_(Message.kind == "cancellation", Appointment.cancelled_by == Actor.STAFF),
        ),
        ~_TOLD_BY_CALL,
    ),
)
# What the desk has put on the list stays there until it is settled.
_ASKED = Message.facts["why"].as_string() == Why.ASKED.value
# A message, and its visit, that somebody has to tell by telephone.
_TO_BE_CALLED = and_(
    Message.state.in_((MessageState.TO_CALL, *_FAILED)),
    Message.due_at > bindparam("oldest"),
    Message.settled_at.is_(None),
    Message.sequence == Appointment.sequence,
    Appointment.from_cell > bindparam("now_cell"),
    _IS_TRUE,
    or_(_ASKED, _IS_NEWS),
    or_(Message.state.not_in(_FAILED), ~_TOLD_OTHERWISE),
)
# The desk has spoken with them since the visit was changed last.
_SPOKEN_WITH = exists().where(
    _OTHER.appointment_id == Appointment.id,
    _OTHER.sequence == Appointment.sequence,
    _OTHER.settled_at.is_not(None),
    _OTHER.settled_as.in_(_REACHED),
)
# Whether there is a telephone by which somebody reaches them, and whether a message tells them how the visit stands.
_RECORD = aliased(Patient)
_HAS_A_NUMBER = or_(
    Appointment.phone.is_not(None),
    exists().where(_RECORD.id == Appointment.patient_id, _RECORD.phone.is_not(None)),
)
_WRITTEN_TO = exists().where(
    _OTHER.appointment_id == Appointment.id,
    _OTHER.sequence == Appointment.sequence,
    _OTHER.kind.in_(notices.ANSWERS),
    or_(_OTHER.state.in_(_ON_ITS_WAY), _OTHER.settled_as == notices.TOLD_TOGETHER),
)
# What a change by us left behind, and whether the desk has spoken with them while the visit stood as it left it.
_ENTRY = (
    HistoryEntry.id.label("entry_id"),
    HistoryEntry.what,
    HistoryEntry.at,
    HistoryEntry.why,
    HistoryEntry.facts,
    exists()
    .where(
        _OTHER.appointment_id == HistoryEntry.appointment_id,
        _OTHER.sequence == HistoryEntry.facts["sequence"].as_integer(),
        _OTHER.settled_at.is_not(None),
        _OTHER.settled_as.in_(_REACHED),
    )
    .label("reached"),
)
# A visit, and what staff did lately to its place, or to whether it stands.
_CHANGED_BY_US = and_(
    Appointment.from_cell > bindparam("now_cell"),
    # The same with the column that the index has.
    Appointment.to_cell > bindparam("now_cell"),
    HistoryEntry.at > bindparam("lately"),
    HistoryEntry.actor == Actor.STAFF,
    HistoryEntry.what.in_(("moved", "cancelled", "undone")),
    ~_SPOKEN_WITH,
    or_(_HAS_A_NUMBER, ~_WRITTEN_TO),
)


def bounds(now: datetime) -> dict[str, Any]:
    """What the statements of the list want to know of now."""
    return {"now_cell": cell_from(now), "oldest": now - _OLDEST, "lately": now - notices.SOON}


def call_list(who: Who) -> CallList:
    """Whom to call now. Empty for those who don't look after all patients."""
    now = clock.now()
    if not who.sees_everybody:
        return CallList()
    with reading() as session:
        clinic = the_clinic(session)
        found: dict[str, Call] = {}
        for call in (*_by_message(session, clinic, now), *_changed_soon(session, clinic, now)):
            known = found.get(call.reference)
            found[call.reference] = _the_weightier(known, call) if known else call
        calls = _with_what_was_written(session, found.values())
    return CallList(tuple(sorted(calls, key=lambda call: (call.starts_at, call.reference))))


def settle(who: Who, reference: str, outcome: Outcome, *, version: int | None = None, key: str) -> Settled:
    """Keeps what came of the call about a visit. Whoever was spoken with about a change isn't written to about it any more.
    `version`: the visit's, as the caller told it. Raises StaleEdit, NotFound, KeyReused.
    """

    def action(session: Session) -> Answer:
        now = clock.now()
        appointment = appointment_for(session, who, reference, for_update=True)
        states.refuse_stale(session, the_clinic(session), appointment, version)
        messages, stopped = _open(session, appointment, now), list[Message]()
        name = f"{appointment.first_name} {appointment.last_name}"
        if not messages:
            if not to_be_called_about(session, appointment, now):
                # Somebody else has just called; that call counts.
                return vars(Settled(name, before=_made_before(session, appointment)))
            kind = "cancellation" if appointment.status is Status.CANCELLED else "change"
            messages = [notices.call_made(session, appointment, kind, now)]
        if outcome in _SPOKEN and any(message.kind in notices.ANSWERS for message in messages):
            stopped = notices.stop_writing(session, appointment, "They were told by telephone.")
        for message in (*messages, *stopped):
            if message.state is MessageState.QUEUED:
                # The worker would put it on the list in a moment.
                message.state = MessageState.TO_CALL
            if outcome is Outcome.NO_ANSWER:
                tries = message.facts.get("tries", 0) + 1
                message.facts = message.facts | {"tries": tries, "tried_at": iso_utc(now)}
            else:
                message.settled_at = now
            message.settled_as, message.settled_by = outcome.value, who.name
        audit.did(
            session, who, "called", f"appointment/{reference}", appointment.patient_id, outcome=outcome.value
        )
        if not stopped:
            return vars(Settled(name))
        return vars(Settled(name, stopped[-1].channel.value, iso_utc(stopped[-1].due_at)))

    return Settled(**once(Key.of(who.key, key, ["call", reference, outcome.value, version]), action))


def _made_before(session: Session, appointment: Appointment) -> dict[str, str]:
    """What came of the last call about a visit as it stands."""
    last = session.scalar(
        select(Message)
        .where(
            Message.appointment_id == appointment.id,
            Message.sequence == appointment.sequence,
            Message.settled_as.in_([outcome.value for outcome in Outcome]),
            Message.settled_at.is_not(None),
        )
        .order_by(Message.settled_at.desc())
        .limit(1)
    )
    if last is None or last.settled_at is None:
        return {}
    return {"outcome": last.settled_as, "by": last.settled_by, "at": iso_utc(last.settled_at)}


def put_back(who: Who, reference: str, *, key: str) -> Settled:
    """Puts a call back on the list that was settled by mistake, today; a message that it stopped waits again. Raises
    NotFound, KeyReused.
    """

    def action(session: Session) -> Answer:
        appointment = appointment_for(session, who, reference, for_update=True)
        settled = session.scalars(
            select(Message).where(
                Message.appointment_id == appointment.id,
                Message.sequence == appointment.sequence,
                Message.settled_at > clock.now() - _PUT_BACK_WITHIN,
                Message.settled_as.in_([outcome.value for outcome in Outcome]),
            )
        ).all()
        if not settled:
            raise NotFound
        for message in settled:
            message.settled_at, message.settled_as, message.settled_by = None, "", ""
            # The contact may have been corrected meanwhile.
            if message.state is MessageState.DROPPED and message.address in (
                appointment.email,
                appointment.phone,
            ):
                message.state, message.last_error = MessageState.QUEUED, ""
        audit.did(session, who, "put call back", f"appointment/{reference}", appointment.patient_id)
        return vars(Settled(f"{appointment.first_name} {appointment.last_name}"))

    return Settled(**once(Key.of(who.key, key, ["call back", reference]), action))


# To be counted, as a part of other statements: how many visits are on the list by their messages, and the changes that
# may put others there.
BY_MESSAGE = (
    select(func.count(Message.appointment_id.distinct()))
    .join(Appointment, Appointment.id == Message.appointment_id)
    .where(_TO_BE_CALLED)
)
CHANGES = (
    select(
        Appointment.id,
        Appointment.status,
        Appointment.cancelled_by,
        Appointment.confirmed_at,
        Appointment.from_cell,
        *_ENTRY,
    )
    .join(HistoryEntry, HistoryEntry.appointment_id == Appointment.id)
    .where(
        _CHANGED_BY_US,
        ~exists().where(Message.appointment_id == Appointment.id, _TO_BE_CALLED),
    )
)


def to_be_called(changes: Iterable[Any], now: datetime) -> int:
    """How many of the visits of these rows of CHANGES are on the list, given in order of visits and entries."""
    by_visit = (list(rows) for _, rows in groupby(changes, key=lambda row: row.id))
    return sum(_to_be_told(rows[0], rows, now) is not None for rows in by_visit)


def _by_message(session: Session, clinic: Clinic, now: datetime) -> list[Call]:
    """Reminders by call, and what failed and isn't on its way by other means."""
    wanted = (
        select(Message, Appointment, Patient)
        .join(Appointment, Appointment.id == Message.appointment_id)
        .join(Patient, Patient.id == Appointment.patient_id)
        .where(_TO_BE_CALLED)
    )
    calls = []
    for message, appointment, patient in session.execute(wanted, bounds(now)):
        why = _why(message, appointment, patient)
        calls.append(_call(clinic, appointment, patient, message.kind, why, message))
    return calls


def _why(message: Message, appointment: Appointment, patient: Patient) -> Why:
    if message.state in _FAILED:
        return Why.UNREACHABLE
    if not (appointment.email or appointment.phone or patient.phone):
        return Why.NO_CONTACT
    if "why" in message.facts:
        return Why(message.facts["why"])
    if message.channel is Channel.CALL and appointment.reminders is Reminders.CALL:
        return Why.WANTED
    channel, _address = notices.channel_of_clinic(appointment)
    return Why.ONLY_PHONE if channel is Channel.CALL else Why.UNREACHABLE


def _changed_soon(session: Session, clinic: Clinic, now: datetime) -> list[Call]:
    """Visits that the clinic moved or cancelled within a day of their beginning, and of which nobody said "I know"."""
    wanted = (
        select(Appointment, Patient, *_ENTRY)
        .join(Patient, Patient.id == Appointment.patient_id)
        .join(HistoryEntry, HistoryEntry.appointment_id == Appointment.id)
        .where(_CHANGED_BY_US)
        .order_by(Appointment.id, HistoryEntry.id)
    )
    calls = []
    found = session.execute(wanted, bounds(now))
    for (appointment, patient), rows in groupby(found, key=lambda row: (row[0], row[1])):
        entry = _to_be_told(appointment, rows, now)
        if entry is not None:
            kind = "cancellation" if appointment.status is Status.CANCELLED else "change"
            call = _call(clinic, appointment, patient, kind, Why.SOON)
            old = _old_start(entry) if kind == "change" else None
            after_all = entry.facts.get("after_all", False)
            calls.append(replace(call, old_starts_at=old, because=entry.why, after_all=after_all))
    return calls


def _with_what_was_written(session: Session, calls: Iterable[Call]) -> list[Call]:
    """These calls, those about a change with the message that tells of it too."""
    calls = list(calls)
    soon = [call.reference for call in calls if call.why is Why.SOON]
    written = _written(session, soon) if soon else {}
    return [replace(call, written=written.get(call.reference)) for call in calls]


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
            or_(Message.state.in_(_ON_ITS_WAY), Message.settled_as == notices.TOLD_TOGETHER),
        )
        .order_by(Message.id)
    )
    return {
        reference: Written(channel, sent_at or due_at, sent_at is not None)
        for reference, channel, sent_at, due_at in found
    }


def _to_be_told(appointment: Any, entries: Iterable[Any], now: datetime) -> Any:
    """The change by which the visit stands as it does, of these, oldest first, if the patient has to hear of it by telephone:
    on short notice, still ahead, not to be taken back any more, and not answered by "I'm coming"; else None. Both are rows,
    or what there is of them.
    """
    last, reached = _standing(entries)
    if last is None or reached or not _told(last) or not _on_short_notice(appointment, last, now):
        return None
    if now < last.at + notices.TAKEN_BACK_WITHIN:
        return None
    if appointment.status is Status.CANCELLED:
        # Who has cancelled themselves since knows.
        return last if appointment.cancelled_by is Actor.STAFF else None
    return last if appointment.status is Status.BOOKED and appointment.confirmed_at is None else None


def _standing(entries: Iterable[Any]) -> tuple[Any, bool]:
    """The last of these changes that wasn't taken back without a word, and whether somebody has been reached while the visit
    stood so.
    """
    stood: list[tuple[int, Any, bool]] = [(0, None, False)]
    for entry in entries:
        _, last, reached = stood[-1]
        if entry.what != "undone" or entry.facts.get("tell"):
            last, reached = entry, entry.reached
        elif not states.same_entry(entry.facts["before"], entry.facts["after"]):
            # As before what it undid, whose patient has heard of neither. A tap touches no place.
            _, last, reached = next(one for one in reversed(stood) if one[0] < entry.facts["entry"])
            reached = reached or entry.reached
        stood.append((entry.entry_id, last, reached))
    return stood[-1][1:]


def _told(entry: Any) -> bool:
    """Whether the patient was to be told: not where the desk has just spoken with them, or nothing of theirs changed. Of
    what was taken back only if that had to be told as well: else it is again as the patient knows it.
    """
    facts = entry.facts
    if entry.what == "moved" and (facts.get("from"), facts.get("from_practitioner")) == (
        facts.get("to"),
        facts.get("to_practitioner"),
    ):
        return False
    told: bool = facts.get("tell", entry.what != "undone")
    return told


def _on_short_notice(appointment: Any, entry: Any, now: datetime) -> bool:
    """Whether the visit began less than a day after the change, as it is or as it was, and that time is still ahead."""
    starts = [instant_of(appointment.from_cell), *([old] if (old := _old_start(entry)) else [])]
    return notices.on_short_notice(entry.at, [start for start in starts if now < start])


def _old_start(entry: Any) -> datetime | None:
    """When the visit began before the change: as the patient knows it, who may not have heard of the one before."""
    old = entry.facts.get("knew") or entry.facts.get("from")
    if old:
        return datetime.fromisoformat(old)
    return instant_of(entry.facts["before"]["from_cell"]) if "before" in entry.facts else None


def to_be_called_about(session: Session, appointment: Appointment, now: datetime) -> bool:
    """Whether this visit stands on the list although there is no message about it."""
    entries = session.execute(
        select(*_ENTRY)
        .join(Appointment, Appointment.id == HistoryEntry.appointment_id)
        .where(Appointment.id == appointment.id, _CHANGED_BY_US)
        .order_by(HistoryEntry.id),
        bounds(now),
    )
    return _to_be_told(appointment, entries, now) is not None


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
                or_(Message.state.in_((MessageState.TO_CALL, *_FAILED)), in_a_moment),
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
    old, tried = facts.get("old_starts_at"), facts.get("tried_at")
    return Call(
        reference=appointment.reference,
        version=appointment.version,
        kind=kind.partition("-")[0],
        why=why,
        patient_name=f"{appointment.first_name} {appointment.last_name}",
        patient_reference=patient.reference,
        phone=appointment.phone or patient.phone,
        email=appointment.email,
        starts_at=appointment.starts_at,
        ends_at=appointment.ends_at,
        old_starts_at=datetime.fromisoformat(old) if old else None,
        practitioner=clinic.practitioner_by_id[appointment.practitioner_id],
        flags=tuple(patient.flags),
        desk_note=patient.desk_note,
        tries=facts.get("tries", 0),
        tried_at=datetime.fromisoformat(tried) if tried else None,
        problem=message.last_error if message and message.state in _FAILED else "",
        after_all=facts.get("after_all", False),
    )


_WEIGHT = ("reminder", "confirmation", "change", "cancellation")
_STRENGTH = tuple(Why)


def _the_weightier(one: Call, other: Call) -> Call:
    """One call for one visit: about the change rather than about the reminder, with what the other one knows."""
    weight = lambda call: (_WEIGHT.index(call.kind), _STRENGTH.index(call.why))  # noqa: E731
    first, second = sorted((one, other), key=weight, reverse=True)
    return replace(
        first,
        old_starts_at=first.old_starts_at or second.old_starts_at,
        tries=max(first.tries, second.tries),
        tried_at=first.tried_at or second.tried_at,
        problem=first.problem or second.problem,
        because=first.because or second.because,
        after_all=first.after_all or second.after_all,
    )
