"""A visit in full, for the desk: its patient, how it stands, what may be done now, what was done, and what was said."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking import clock
from booking.models import (
    Actor,
    Appointment,
    Channel,
    HistoryEntry,
    InboundText,
    Message,
    MessageState,
    OptOut,
    Patient,
    Payment,
    Plan,
    PlanStatus,
    Reminders,
    Task,
    TaskKind,
)
from booking.scheduling.needles import needles_due, overdue
from booking.scheduling.offers import Use
from booking.scheduling.status import CORRECTIONS, LIVE, Status
from booking.scheduling.timeline import cell_from
from booking.services import history, tasks
from booking.services.allowances import OfVisit, of_visit
from booking.services.claims import uses_of
from booking.services.clinic import Clinic, Practitioner, Thing, VisitType, the_clinic
from booking.services.desk import asking, resending, states, undoing
from booking.services.desk.statuses import Move, possible
from booking.services.desk.stories import story, unwritten
from booking.services.desk.whom_to_call import Outcome, to_be_called_about
from booking.services.history import Entry, entries_of
from booking.services.idempotency import Answer, Key, once
from booking.services.message_rows import Unwritten
from booking.services.notices import ANSWERS
from booking.services.plans.lacking import missing
from booking.services.plans.places import PlanPlace, places_of
from booking.services.plans.reading import view
from booking.services.staff import audit
from booking.services.staff.ownership import appointment_for
from booking.services.staff.who import Who
from booking.services.transaction import reading

_NEXT_VISITS = 5
_REPLIES = 5


@dataclass(frozen=True)
class Said:
    """A message about the visit. `text` is what went out, but for the link's token; empty before it went.

    `may_go_again`: what it tells is still so. `other_ways`: by which else it could go. `of_several`: it names this visit among
    others. `waits`: it can be taken back. `called`: somebody has called, and needs to no more.
    """

    id: int
    kind: str
    channel: Channel
    state: MessageState
    resend: int
    address: str
    due_at: datetime
    sent_at: datetime | None
    text: str
    problem: str
    settled_as: str
    settled_by: str
    may_go_again: bool
    other_ways: tuple[Channel, ...]
    of_several: bool = False
    called: bool = False

    @property
    def waits(self) -> bool:
        return self.state is MessageState.QUEUED and not self.of_several

    @property
    def failed(self) -> bool:
        return (
            not self.of_several
            and self.state in (MessageState.DEAD, MessageState.UNSURE)
            and not self.settled_as
        )


@dataclass(frozen=True)
class OtherVisit:
    """Another visit of the same patient."""

    reference: str
    starts_at: datetime
    visit_type: VisitType
    practitioner: Practitioner
    status: Status


@dataclass(frozen=True)
class Standing:
    """How a visit stands, as far as what may be done now depends on it."""

    status: Status
    starts_at: datetime
    confirmed_at: datetime | None
    needles_in_at: datetime | None
    needles_out_at: datetime | None
    has_needles: bool


@dataclass(frozen=True)
class PatientSeen:
    """The patient as the panel shows them."""

    reference: str
    name: str
    phone: str | None
    email: str | None
    born_on: date | None
    flags: tuple[str, ...]
    preferences: str
    desk_note: str
    wants_no_texts: bool


@dataclass(frozen=True)
class Head:
    """A visit as a form about it shows it. `phases`: each with its minutes. `appointment` and `uses` are for use cases that
    go on from here: they needn't read it again.
    """

    clinic: Clinic
    reference: str
    version: int
    status: Status
    starts_at: datetime
    ends_at: datetime
    visit_type: VisitType
    practitioner: Practitioner
    room: Thing | None
    devices: tuple[Thing, ...]
    phases: tuple[tuple[str, int], ...]
    name: str
    confirmed_at: datetime | None
    cannot_come_at: datetime | None
    patient_id: int
    appointment: Appointment = field(repr=False)
    uses: tuple[Use, ...] = field(repr=False)

    @property
    def minutes(self) -> int:
        return int((self.ends_at - self.starts_at).total_seconds()) // 60

    @property
    def changeable(self) -> bool:
        """Whether it can be given another place."""
        return self.status in (Status.BOOKED, Status.ARRIVED)


@dataclass(frozen=True)
class Panel(Head):
    """Everything about one visit. `moves` are those that are legal now; `corrections` need a reason. `take_back`: the entry
    by which a cancellation can be taken back. `to_make_up`: it was missed, and its plan lacks one of its kind.
    """

    id: int
    email: str | None
    phone: str | None
    reminders: Reminders
    payment: Payment | None
    note: str
    desk_note: str
    booked_at: datetime
    cancelled_by: Actor | None
    cancel_reason: str
    needles_in_at: datetime | None
    needles_out_at: datetime | None
    needles_due: datetime | None
    needles_over: bool
    moves: tuple[Move, ...]
    corrections: tuple[Status, ...]
    take_back: int | None
    patient: PatientSeen
    history: tuple[Entry, ...]
    messages: tuple[Said, ...]
    # What was never written, and why.
    unwritten: tuple[Unwritten, ...]
    replies: tuple[tuple[datetime, str], ...]
    tasks: tuple[tuple[int, TaskKind, date], ...]
    # What is left where something is recorded.
    allowance: OfVisit | None
    next_visits: tuple[OtherVisit, ...]
    plan: PlanPlace | None
    to_make_up: bool


def panel(who: Who, reference: str) -> Panel:
    """The visit of this reference, and that it was opened is written down. Raises NotFound."""
    found = brief(who, reference)
    audit.saw(who, "opened visit", f"appointment/{reference}", [found.patient_id])
    return found


def brief(who: Who, reference: str) -> Panel:
    """The same for a step that follows on the panel: the opening was written down there. Raises NotFound."""
    with reading() as session:
        appointment = appointment_for(session, who, reference)
        return _shaped(session, the_clinic(session), appointment, clock.now())


def head(who: Who, reference: str) -> Head:
    """What a form about the visit says of it. Raises NotFound."""
    with reading() as session:
        appointment = appointment_for(session, who, reference)
        clinic = the_clinic(session)
        return Head(**_head(clinic, appointment, uses_of(session, appointment)))


def note(who: Who, reference: str, words: str, *, version: int | None = None, key: str) -> None:
    """Keeps the desk's own note about the visit; what it `said` before stays in the history. The same again changes nothing.

    Raises StaleEdit if the note was changed since `version`, NotFound, KeyReused.
    """

    def action(session: Session) -> Answer:
        appointment = appointment_for(session, who, reference, for_update=True)
        if appointment.desk_note == words:
            return {}
        # Whatever else was done meanwhile leaves the note as it was shown.
        if version is not None and _noted_since(session, appointment, version):
            states.refuse_stale(session, the_clinic(session), appointment, version)
        said, appointment.desk_note = appointment.desk_note, words
        appointment.version += 1
        appointment.changed_at = clock.now()
        history.note(
            session, appointment, "noted", Actor.STAFF, name=who.name, account_id=who.account_id,
            version=appointment.version, said=said,
        )  # fmt: skip
        audit.did(session, who, "noted", f"appointment/{reference}", appointment.patient_id)
        return {}

    once(Key.of(who.key, key, ["note", reference, words]), action)


def _noted_since(session: Session, appointment: Appointment, version: int) -> bool:
    """Whether one of the changes after this version was another note: each change has one entry."""
    entries = session.scalars(
        select(HistoryEntry.what)
        .where(HistoryEntry.appointment_id == appointment.id)
        .order_by(HistoryEntry.id)
        .offset(version)
    )
    return "noted" in set(entries)


def _shaped(session: Session, clinic: Clinic, appointment: Appointment, now: datetime) -> Panel:
    patient = session.get_one(Patient, appointment.patient_id)
    uses = uses_of(session, appointment)
    rest, due = asking.rest_of(appointment, uses), None
    if appointment.needles_out_at is None and appointment.status is Status.CHECKED_IN:
        due = needles_due(appointment.needles_in_at, rest)
    standing = Standing(
        appointment.status,
        appointment.starts_at,
        appointment.confirmed_at,
        appointment.needles_in_at,
        appointment.needles_out_at,
        bool(rest),
    )
    phone = appointment.phone or patient.phone
    written = story(session, appointment)
    corrections, entries = CORRECTIONS.get(appointment.status, frozenset()), entries_of(session, appointment)
    return Panel(
        **_head(clinic, appointment, uses),
        id=appointment.id,
        email=appointment.email,
        phone=phone,
        reminders=appointment.reminders,
        payment=appointment.payment,
        note=appointment.note,
        desk_note=appointment.desk_note,
        booked_at=appointment.booked_at,
        cancelled_by=appointment.cancelled_by,
        cancel_reason=appointment.cancel_reason,
        needles_in_at=appointment.needles_in_at,
        needles_out_at=appointment.needles_out_at,
        needles_due=due,
        needles_over=overdue(due, now),
        moves=possible(standing, now, clinic.times),
        # In the order of a day, not of a set.
        corrections=tuple(status for status in Status if status in corrections),
        take_back=undoing.cancellation_to_undo(appointment, entries, now),
        patient=_patient(session, patient, phone),
        # The latest first.
        history=entries[::-1],
        messages=_messages(session, appointment, written, now),
        unwritten=unwritten(session, clinic, appointment, written, now),
        replies=_replies(session, phone),
        tasks=_tasks(session, clinic, appointment)
        if appointment.status in LIVE and appointment.ends_at > now
        else (),
        allowance=of_visit(session, clinic, appointment, now),
        next_visits=_next_visits(session, clinic, appointment, now),
        plan=places_of(session, clinic, [appointment.plan_id]).get(appointment.id)
        if appointment.plan_id is not None
        else None,
        to_make_up=_to_make_up(session, clinic, appointment, now),
    )


def _to_make_up(session: Session, clinic: Clinic, appointment: Appointment, now: datetime) -> bool:
    if appointment.plan_id is None or appointment.status not in (Status.NOSHOW, Status.CANCELLED):
        return False
    plan = view(session, clinic, session.get_one(Plan, appointment.plan_id))
    care = next(one.care for one in plan.visits if one.id == appointment.id)
    return plan.status is PlanStatus.RUNNING and any(one.care == care for one in missing(plan, now))


def _head(clinic: Clinic, appointment: Appointment, uses: tuple[Use, ...]) -> dict[str, Any]:
    taken = {use.resource_id for use in uses}
    visit_type = clinic.visit_type_by_id[appointment.visit_type_id]
    minutes = asking.phase_minutes_of(clinic, appointment)
    return {
        "clinic": clinic,
        "reference": appointment.reference,
        "version": appointment.version,
        "status": appointment.status,
        "starts_at": appointment.starts_at,
        "ends_at": appointment.ends_at,
        "visit_type": visit_type,
        "practitioner": clinic.practitioner_by_id[appointment.practitioner_id],
        "room": next((room for room in clinic.rooms if room.id == appointment.room_id), None),
        "devices": tuple(device for device in clinic.devices if device.id in taken),
        "phases": tuple(zip((phase.name for phase in visit_type.phases), minutes, strict=False)),
        "name": f"{appointment.first_name} {appointment.last_name}",
        "confirmed_at": appointment.confirmed_at,
        "cannot_come_at": appointment.cannot_come_at,
        "patient_id": appointment.patient_id,
        "appointment": appointment,
        "uses": uses,
    }


def _patient(session: Session, patient: Patient, phone: str | None) -> PatientSeen:
    return PatientSeen(
        reference=patient.reference,
        name=f"{patient.first_name} {patient.last_name}",
        phone=patient.phone,
        email=patient.email,
        born_on=patient.born_on,
        flags=tuple(patient.flags),
        preferences=patient.preferences,
        desk_note=patient.desk_note,
        wants_no_texts=phone is not None and session.get(OptOut, phone) is not None,
    )


def _messages(
    session: Session, appointment: Appointment, written: Sequence[Message], now: datetime
) -> tuple[Said, ...]:
    """What waits first, by when it is due; then what went or was dropped, the latest first."""
    left = [one for one in written if one.settled_as == Outcome.LEFT_MESSAGE]
    stays = bool(left) and to_be_called_about(session, appointment, now)
    said = [_said(message, appointment, now, stays) for message in written]
    waiting = sorted(
        (one for one in said if one.state is MessageState.QUEUED), key=lambda one: (one.due_at, one.id)
    )
    over = sorted(
        (one for one in said if one.state is not MessageState.QUEUED),
        key=lambda one: (one.sent_at or one.due_at, one.id),
        reverse=True,
    )
    return (*waiting, *over)


def _said(message: Message, appointment: Appointment, now: datetime, stays: bool) -> Said:
    """`stays`: the visit is on the list of calls until somebody has spoken with its patient."""
    # What is about several visits is sent again, or taken back, for all of them, where the plan is shown.
    of_several = message.appointment_id != appointment.id
    again = not of_several and resending.may_go_again(message, appointment, now)
    reachable = {
        Channel.EMAIL: appointment.email,
        Channel.TEXT: appointment.phone,
        Channel.CALL: appointment.phone,
    }
    return Said(
        id=message.id,
        kind=message.kind,
        channel=message.channel,
        state=message.state,
        resend=message.resend,
        address=message.address,
        due_at=message.due_at,
        sent_at=message.sent_at,
        text=message.sent_text or "",
        problem=message.last_error,
        settled_as=message.settled_as,
        settled_by=message.settled_by,
        may_go_again=again and bool(reachable[message.channel]),
        other_ways=tuple(
            channel
            for channel, contact in reachable.items()
            if again and contact and channel is not message.channel
        ),
        of_several=of_several,
        called=message.state is MessageState.TO_CALL
        and message.settled_at is not None
        and not (stays and message.kind in ANSWERS and message.settled_as == Outcome.LEFT_MESSAGE),
    )


def _replies(session: Session, phone: str | None) -> tuple[tuple[datetime, str], ...]:
    """What came by text from this number lately."""
    if not phone:
        return ()
    texts = session.scalars(
        select(InboundText)
        .where(InboundText.phone == phone)
        .order_by(InboundText.received_at.desc())
        .limit(_REPLIES)
    )
    return tuple((text.received_at, text.words) for text in texts)


def _tasks(
    session: Session, clinic: Clinic, appointment: Appointment
) -> tuple[tuple[int, TaskKind, date], ...]:
    owed = session.scalars(
        select(Task).where(Task.appointment_id == appointment.id, Task.settled_at.is_(None)).order_by(Task.id)
    )
    visit_on = clinic.times.local_date(appointment.starts_at)
    found = [(task.id, task.kind, tasks.due_of(task, visit_on)) for task in owed]
    return tuple(sorted(found, key=lambda task: task[2]))


def _next_visits(
    session: Session, clinic: Clinic, appointment: Appointment, now: datetime
) -> tuple[OtherVisit, ...]:
    visits = session.scalars(
        select(Appointment)
        .where(
            Appointment.patient_id == appointment.patient_id,
            Appointment.to_cell > cell_from(now),
            Appointment.id != appointment.id,
            Appointment.status.in_(LIVE),
        )
        .order_by(Appointment.to_cell)
        .limit(_NEXT_VISITS)
    )
    return tuple(
        OtherVisit(
            one.reference,
            one.starts_at,
            clinic.visit_type_by_id[one.visit_type_id],
            clinic.practitioner_by_id[one.practitioner_id],
            one.status,
        )
        for one in visits
    )
