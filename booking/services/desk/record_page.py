"""A patient's record as staff see it, on a page that is bounded: lists are cut, with a way to more, and what is counted is
counted over two years.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, or_, select, tuple_
from sqlalchemy.orm import Session

from booking import clock
from booking.models import (
    Actor,
    Appointment,
    Channel,
    Merge,
    Message,
    MessageState,
    OptOut,
    Patient,
    PatientChange,
    PlanReminders,
    Reminders,
    TextConsent,
)
from booking.scheduling.status import LIVE, Status, cancelled_late, counts_as_attended, not_closed
from booking.scheduling.timeline import cell_from, instant_of
from booking.services.clinic import Clinic, Practitioner, VisitType, the_clinic
from booking.services.desk.records import Values, ahead_of, standing
from booking.services.desk.reminding import Way, ways_now
from booking.services.desk.states import BOOKED_BY_MISTAKE
from booking.services.reminded import Wished
from booking.services.staff import audit
from booking.services.staff.who import Who
from booking.services.transaction import reading

SHOWN = 10
COUNTED_OVER = timedelta(days=730)


@dataclass(frozen=True)
class VisitLine:
    """A visit in a patient's list."""

    reference: str
    starts_at: datetime
    ends_at: datetime
    visit_type: VisitType
    practitioner: Practitioner
    status: Status
    # Over, and nobody has said how it went: it counts as attended.
    not_closed: bool
    # Who cancelled it, if somebody did, whether that was late, and whether it only took back a mistake of the desk.
    cancelled_by: Actor | None
    late: bool
    by_mistake: bool
    confirmed: bool
    note: str
    desk_note: str


@dataclass(frozen=True)
class MessageLine:
    """`came_of`: how a call ended that was made, else empty."""

    kind: str
    channel: Channel
    address: str
    state: MessageState
    at: datetime
    visit: str
    came_of: str


@dataclass(frozen=True)
class ConsentLine:
    """Agreed to texts at this number; `stopped_at` if the number said STOP."""

    phone: str
    given_at: datetime
    wording_version: str
    stopped_at: datetime | None


@dataclass(frozen=True)
class ChangeLine:
    id: int
    at: datetime
    name: str
    what: str
    # Field, before and after.
    changes: tuple[tuple[str, Any, Any], ...]
    # How they are reminded since, where that was changed.
    reminded: Wished


@dataclass(frozen=True)
class MergeLine:
    """Another record that was merged into this one."""

    id: int
    reference: str
    name: str
    at: datetime
    by: str


@dataclass(frozen=True)
class Record:
    """A patient's page."""

    id: int
    reference: str
    edit: int
    values: Values
    created_at: datetime
    # To come or under way; and all others, the latest first.
    upcoming: tuple[VisitLine, ...]
    more_upcoming: bool
    past: tuple[VisitLine, ...]
    # The page with those before these begins before this cell.
    more_past: int | None
    attended: int
    no_shows: int
    late_cancellations: int
    messages: tuple[MessageLine, ...]
    # How they are reminded of what is to come.
    reminded: tuple[Way, ...]
    consents: tuple[ConsentLine, ...]
    stopped: bool
    changes: tuple[ChangeLine, ...]
    more_changes: int | None
    merges: tuple[MergeLine, ...]

    @property
    def name(self) -> str:
        return f"{self.values.first_name} {self.values.last_name}"


def record(
    who: Who, reference: str, *, past_before: int | None = None, changes_before: int | None = None
) -> Record:
    """The record of this patient, and writes down that it was opened.

    `past_before` and `changes_before` lead to older visits and changes. Raises NotFound; RecordMerged with where it is.
    """
    now = clock.now()
    with reading() as session:
        clinic = the_clinic(session)
        patient = standing(session, who, reference)
        found = _read(session, clinic, patient, now, past_before, changes_before)
    audit.saw(who, "opened patient", f"patient/{reference}", [found.id])
    return found


def _read(
    session: Session,
    clinic: Clinic,
    patient: Patient,
    now: datetime,
    past_before: int | None,
    changes_before: int | None,
) -> Record:
    upcoming = session.scalars(ahead_of(patient.id, now).limit(SHOWN + 1)).all()
    over = select(Appointment).where(
        Appointment.patient_id == patient.id,
        or_(Appointment.to_cell <= cell_from(now), Appointment.status.not_in(LIVE)),
    )
    if past_before is not None and (last := session.get(Appointment, past_before)) is not None:
        # Two visits may end together, such as one that was cancelled and the one that came instead.
        place = tuple_(Appointment.to_cell, Appointment.id)
        over = over.where(place < (last.to_cell, last.id))
    past = session.scalars(
        over.order_by(Appointment.to_cell.desc(), Appointment.id.desc()).limit(SHOWN + 1)
    ).all()
    attended, no_shows, late = _counted(session, clinic, patient.id, now)
    merged = _merges(session, patient.id)
    changes = _changes(session, [patient.id, *(gone for gone, _line in merged)], changes_before)
    consents = _consents(session, patient.id)
    stopped = patient.phone is not None and session.get(OptOut, patient.phone) is not None
    shown = [*upcoming[:SHOWN], *past[:SHOWN]]
    return Record(
        id=patient.id,
        reference=patient.reference,
        edit=patient.edit,
        values=Values.of(patient),
        created_at=patient.created_at,
        upcoming=tuple(visit_line(clinic, one) for one in upcoming[:SHOWN]),
        more_upcoming=len(upcoming) > SHOWN,
        past=tuple(visit_line(clinic, one) for one in past[:SHOWN]),
        more_past=past[SHOWN - 1].id if len(past) > SHOWN else None,
        attended=attended,
        no_shows=no_shows,
        late_cancellations=late,
        messages=_messages(session, shown),
        reminded=ways_now(session, patient.id, now),
        consents=consents,
        stopped=stopped,
        changes=tuple(changes[:SHOWN]),
        more_changes=changes[SHOWN - 1].id if len(changes) > SHOWN else None,
        merges=tuple(line for _gone, line in merged),
    )


def visit_line(clinic: Clinic, one: Appointment) -> VisitLine:
    visit_type = clinic.visit_type_by_id[one.visit_type_id]
    return VisitLine(
        reference=one.reference,
        starts_at=one.starts_at,
        ends_at=one.ends_at,
        visit_type=visit_type,
        practitioner=clinic.practitioner_by_id[one.practitioner_id],
        status=one.status,
        not_closed=not_closed(one.status, one.ends_at, clock.now()),
        cancelled_by=one.cancelled_by,
        late=_late(visit_type, one),
        by_mistake=one.cancelled_by is Actor.STAFF and one.cancel_reason == BOOKED_BY_MISTAKE,
        confirmed=one.confirmed_at is not None,
        note=one.note,
        desk_note=one.desk_note,
    )


def _late(visit_type: VisitType, one: Appointment) -> bool:
    """Whether the patient cancelled late; what the clinic cancels is none of theirs."""
    late = cancelled_late(one.status, one.starts_at, visit_type.cut_off, one.cancelled_at)
    return late and one.cancelled_by is Actor.PATIENT


def _counted(session: Session, clinic: Clinic, patient_id: int, now: datetime) -> tuple[int, int, int]:
    """Visits that count as attended, no-shows, and visits that the patient cancelled after the cut-off, of two years."""
    given = session.execute(
        select(Appointment.status, Appointment.to_cell, Appointment.penciled).where(
            Appointment.patient_id == patient_id,
            Appointment.to_cell > cell_from(now - COUNTED_OVER),
            Appointment.status.not_in((Status.NOSHOW, Status.CANCELLED)),
        )
    )
    attended = sum(
        counts_as_attended(status, instant_of(to_cell), now, penciled=penciled)
        for status, to_cell, penciled in given
    )
    missed = session.scalars(
        select(Appointment).where(
            Appointment.patient_id == patient_id,
            Appointment.to_cell > cell_from(now - COUNTED_OVER),
            Appointment.status.in_((Status.NOSHOW, Status.CANCELLED)),
        )
    ).all()
    no_shows = sum(one.status is Status.NOSHOW for one in missed)
    return attended, no_shows, sum(_late(clinic.visit_type_by_id[one.visit_type_id], one) for one in missed)


def _messages(session: Session, visits: Sequence[Appointment]) -> tuple[MessageLine, ...]:
    """The latest about the visits that are shown, in order of when they went or will go."""
    by_id = {one.id: one.reference for one in visits}
    if not by_id:
        return ()
    found = session.scalars(
        select(Message)
        .where(Message.appointment_id.in_(by_id), Message.kind.not_in(("cannot-come", "comes-after-all")))
        .order_by(func.coalesce(Message.sent_at, Message.due_at).desc(), Message.id.desc())
        .limit(SHOWN)
    )
    return tuple(
        MessageLine(
            one.kind,
            one.channel,
            one.address,
            one.state,
            one.sent_at or one.due_at,
            by_id[one.appointment_id or 0],
            one.settled_as if one.state is MessageState.TO_CALL and one.settled_at else "",
        )
        for one in found
    )


def _consents(session: Session, patient_id: int) -> tuple[ConsentLine, ...]:
    """The latest for each number."""
    rows = session.execute(
        select(TextConsent, OptOut.at)
        .outerjoin(OptOut, OptOut.phone == TextConsent.phone)
        .where(TextConsent.patient_id == patient_id)
        .order_by(TextConsent.id.desc())
        .limit(50)
    ).all()
    lines: dict[str, ConsentLine] = {}
    for consent, stopped_at in rows:
        line = ConsentLine(consent.phone, consent.given_at, consent.wording_version, stopped_at)
        lines.setdefault(consent.phone, line)
    return tuple(lines.values())


def _merges(session: Session, patient_id: int) -> list[tuple[int, MergeLine]]:
    """Records that were merged into this one, the latest first."""
    found = session.execute(
        select(Merge, Patient.reference, Patient.first_name, Patient.last_name)
        .join(Patient, Patient.id == Merge.gone_id)
        .where(Merge.kept_id == patient_id, Merge.undone_at.is_(None))
        .order_by(Merge.id.desc())
        .limit(SHOWN)
    ).all()
    return [
        (merge.gone_id, MergeLine(merge.id, reference, f"{first} {last}", merge.at, merge.name))
        for merge, reference, first, last in found
    ]


def _changes(session: Session, patient_ids: list[int], before: int | None) -> list[ChangeLine]:
    """Those of a record, and of others that were merged into it: each merge once, as this record tells it."""
    wanted = select(PatientChange).where(
        PatientChange.patient_id.in_(patient_ids),
        or_(PatientChange.patient_id == patient_ids[0], PatientChange.what != "merged_into"),
    )
    if before is not None:
        wanted = wanted.where(PatientChange.id < before)
    return [
        ChangeLine(
            one.id,
            one.at,
            one.name,
            one.what,
            tuple((name, *pair) for name, pair in one.facts.get("changes", {}).items()),
            _reminded(one.facts),
        )
        for one in session.scalars(wanted.order_by(PatientChange.id.desc()).limit(SHOWN + 1))
    ]


def _reminded(facts: dict[str, Any]) -> Wished:
    by, of = facts.get("reminders"), facts.get("reminded_of")
    return Wished(Reminders(by) if by else None, PlanReminders(of) if of else None)
