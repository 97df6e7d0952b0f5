"""Whom the desk has to call: who wants to be reminded by telephone, and whom no message can reach.

The list is what the outbox says: reminders by call, messages that failed and went no other way, and visits that the
clinic moved or cancelled less than a day ahead and that nobody has confirmed. What came of a call is kept there too.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from booking import clock
from booking.errors import NotFound
from booking.formatting import iso_utc
from booking.models import Actor, Appointment, Channel, HistoryEntry, Message, MessageState, Patient
from booking.scheduling.status import Status
from booking.scheduling.timeline import cell_from
from booking.services import notices
from booking.services.clinic import Clinic, Practitioner, the_clinic
from booking.services.idempotency import Answer, Key, once
from booking.services.staff import audit
from booking.services.staff.ownership import appointment_for
from booking.services.staff.who import Who
from booking.services.transaction import reading

# What the clinic changes less than this before a visit is told by telephone as well.
SOON = timedelta(hours=24)
# Messages about a visit that still lies ahead are no older than this.
_OLDEST = timedelta(days=400)
_PUT_BACK_WITHIN = timedelta(hours=12)

_FAILED = (MessageState.DEAD, MessageState.UNSURE)
_ON_ITS_WAY = (MessageState.QUEUED, MessageState.SENDING, MessageState.SENT, MessageState.SIMULATED)


class Outcome(StrEnum):
    """What came of a call. After "no answer" it stays on the list."""

    REACHED = "reached"
    LEFT_MESSAGE = "left-message"
    NO_ANSWER = "no-answer"


class Why(StrEnum):
    """Why somebody is called rather than written to."""

    WANTED = "wanted"
    UNREACHABLE = "unreachable"
    SOON = "soon"


@dataclass(frozen=True)
class Call:
    """One call about one visit. `kind`: what is to be said, "reminder", "confirmation", "change" or "cancellation".

    `tries`: calls that nobody answered.
    """

    reference: str
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
    tries: int = 0
    tried_at: datetime | None = None
    problem: str = ""


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
        for call in (*_by_message(session, clinic, now), *_changed_soon(session, clinic, now)):
            known = found.get(call.reference)
            found[call.reference] = _the_weightier(known, call) if known else call
    return CallList(tuple(sorted(found.values(), key=lambda call: (call.starts_at, call.reference))))


def settle(who: Who, reference: str, outcome: Outcome, *, key: str) -> None:
    """Keeps what came of the call about a visit. Raises NotFound, KeyReused."""

    def action(session: Session) -> Answer:
        now = clock.now()
        appointment = appointment_for(session, who, reference, for_update=True)
        messages = _open(session, appointment)
        if not messages:
            if not _changed_by_us(session, appointment, now):
                # Somebody else has just called; that call counts.
                return {}
            kind = "cancellation" if appointment.status is Status.CANCELLED else "change"
            messages = [notices.call_made(session, appointment, kind, now)]
        for message in messages:
            if outcome is Outcome.NO_ANSWER:
                tries = message.facts.get("tries", 0) + 1
                message.facts = message.facts | {"tries": tries, "tried_at": iso_utc(now)}
            else:
                message.settled_at = now
            message.settled_as, message.settled_by = outcome.value, who.name
        audit.did(
            session, who, "called", f"appointment/{reference}", appointment.patient_id, outcome=outcome.value
        )
        return {}

    once(Key.of(who.key, key, ["call", reference, outcome.value]), action)


def put_back(who: Who, reference: str, *, key: str) -> None:
    """Puts a call back on the list that was settled by mistake, today. Raises NotFound, KeyReused."""

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
        audit.did(session, who, "put call back", f"appointment/{reference}", appointment.patient_id)
        return {}

    once(Key.of(who.key, key, ["call back", reference]), action)


def _by_message(session: Session, clinic: Clinic, now: datetime) -> list[Call]:
    """Reminders by call, and what failed and isn't on its way by other means."""
    rows = session.execute(
        select(Message, Appointment, Patient)
        .join(Appointment, Appointment.id == Message.appointment_id)
        .join(Patient, Patient.id == Appointment.patient_id)
        .where(
            Message.state.in_((MessageState.TO_CALL, *_FAILED)),
            Message.due_at > now - _OLDEST,
            Message.settled_at.is_(None),
            Message.sequence == Appointment.sequence,
            Appointment.from_cell > cell_from(now),
        )
    ).all()
    failed = {appointment.id for message, appointment, _ in rows if message.state in _FAILED}
    on_its_way = _told_otherwise(session, failed)
    calls = []
    for message, appointment, patient in rows:
        told = (appointment.id, message.kind, message.sequence) in on_its_way
        if _is_true(message, appointment) and not (message.state in _FAILED and told):
            why = Why.WANTED if _wanted(message, appointment) else Why.UNREACHABLE
            calls.append(_call(clinic, appointment, patient, message.kind, why, message))
    return calls


def _told_otherwise(session: Session, appointment_ids: Iterable[int]) -> set[tuple[int | None, str, int]]:
    """What is on its way, or arrived, about these visits: (appointment, kind, sequence)."""
    ids = sorted(appointment_ids)
    if not ids:
        return set()
    sent = select(Message.appointment_id, Message.kind, Message.sequence).where(
        Message.appointment_id.in_(ids), Message.state.in_(_ON_ITS_WAY)
    )
    return {(appointment_id, kind, sequence) for appointment_id, kind, sequence in session.execute(sent)}


def _changed_soon(session: Session, clinic: Clinic, now: datetime) -> list[Call]:
    """Visits that the clinic moved or cancelled within a day of their beginning, and of which nobody said "I know"."""
    rows = session.execute(
        select(Appointment, Patient, HistoryEntry)
        .join(Patient, Patient.id == Appointment.patient_id)
        .join(HistoryEntry, HistoryEntry.appointment_id == Appointment.id)
        .where(
            Appointment.from_cell > cell_from(now),
            Appointment.from_cell <= cell_from(now + SOON),
            # The same with the column that the index has.
            Appointment.to_cell > cell_from(now),
            HistoryEntry.at > now - SOON,
            _BY_US,
        )
        .order_by(HistoryEntry.id)
    ).all()
    latest = {appointment.id: (appointment, patient, entry) for appointment, patient, entry in rows}
    settled = _settled_calls(session, latest)
    calls = []
    for appointment, patient, entry in latest.values():
        if (appointment.id, appointment.sequence) in settled or not _told(entry):
            continue
        kind = "cancellation" if appointment.status is Status.CANCELLED else "change"
        call = _call(clinic, appointment, patient, kind, Why.SOON)
        old = entry.facts.get("from") if kind == "change" else None
        calls.append(replace(call, old_starts_at=datetime.fromisoformat(old) if old else None))
    return calls


# What staff did to a visit that its patient has to know, where the patient hasn't said since that they know.
_BY_US = and_(
    HistoryEntry.actor == Actor.STAFF,
    or_(
        and_(
            HistoryEntry.what == "moved",
            Appointment.status == Status.BOOKED,
            Appointment.confirmed_at.is_(None),
        ),
        and_(HistoryEntry.what == "cancelled", Appointment.status == Status.CANCELLED),
        HistoryEntry.what == "undone",
    ),
)


def _told(entry: HistoryEntry) -> bool:
    """Whether the patient was to be told: not where the desk has just spoken with them, or nothing of theirs changed."""
    facts = entry.facts
    if entry.what == "undone":
        # It is again as the patient knows it.
        return False
    if entry.what == "moved" and (facts.get("from"), facts.get("from_practitioner")) == (
        facts.get("to"),
        facts.get("to_practitioner"),
    ):
        return False
    told: bool = facts.get("told", facts.get("tell", True))
    return told


def _settled_calls(session: Session, appointment_ids: Iterable[int]) -> set[tuple[int | None, int]]:
    """Visits about whose last change somebody was called, as (appointment, sequence)."""
    ids = sorted(appointment_ids)
    if not ids:
        return set()
    called = select(Message.appointment_id, Message.sequence).where(
        Message.appointment_id.in_(ids),
        Message.settled_at.is_not(None),
        Message.settled_as.in_([Outcome.REACHED.value, Outcome.LEFT_MESSAGE.value]),
    )
    return {(appointment_id, sequence) for appointment_id, sequence in session.execute(called)}


def _changed_by_us(session: Session, appointment: Appointment, now: datetime) -> bool:
    """Whether this visit stands on the list although there is no message about it."""
    if appointment.starts_at <= now or appointment.starts_at > now + SOON:
        return False
    statement = (
        select(HistoryEntry)
        .join(Appointment, Appointment.id == HistoryEntry.appointment_id)
        .where(Appointment.id == appointment.id, HistoryEntry.at > now - SOON, _BY_US)
        .order_by(HistoryEntry.id.desc())
        .limit(1)
    )
    entry = session.scalar(statement)
    settled = (appointment.id, appointment.sequence) in _settled_calls(session, [appointment.id])
    return entry is not None and _told(entry) and not settled


def _open(session: Session, appointment: Appointment) -> list[Message]:
    return list(
        session.scalars(
            select(Message).where(
                Message.appointment_id == appointment.id,
                Message.sequence == appointment.sequence,
                Message.state.in_((MessageState.TO_CALL, *_FAILED)),
                Message.settled_at.is_(None),
            )
        )
    )


def _is_true(message: Message, appointment: Appointment) -> bool:
    """Whether what a message tells still holds."""
    if message.kind == "cancellation":
        return appointment.status is Status.CANCELLED
    if appointment.status is not Status.BOOKED:
        return False
    if message.kind.startswith("reminder-"):
        return appointment.cannot_come_at is None
    return message.kind in ("confirmation", "change")


def _wanted(message: Message, appointment: Appointment) -> bool:
    return message.channel is Channel.CALL and appointment.reminders.value == Channel.CALL.value


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
        tries=facts.get("tries", 0),
        tried_at=datetime.fromisoformat(tried) if tried else None,
        problem=message.last_error if message and message.state in _FAILED else "",
    )


_WEIGHT = ("reminder", "confirmation", "change", "cancellation")


def _the_weightier(one: Call, other: Call) -> Call:
    """One call for one visit: about the change rather than about the reminder, with what the other one knows."""
    first, second = sorted((one, other), key=lambda call: _WEIGHT.index(call.kind), reverse=True)
    return replace(
        first,
        old_starts_at=first.old_starts_at or second.old_starts_at,
        tries=max(first.tries, second.tries),
        tried_at=first.tried_at or second.tried_at,
        problem=first.problem or second.problem,
    )
