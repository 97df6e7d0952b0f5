"""A visit in full, for the practitioner: its facts, what happened to it, and when this patient comes next."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking import clock
from booking.errors import NotFound
from booking.models import Appointment, BookableBy, HistoryEntry, Patient, Plan
from booking.scheduling.status import Status
from booking.scheduling.timeline import Window, cell_from, instant_of
from booking.services.clinic import Clinic, VisitType, the_clinic
from booking.services.desk.asking import Place
from booking.services.desk.places import nearest
from booking.services.history import Entry, entries_of
from booking.services.own_day.day import OwnVisit, visits_between
from booking.services.own_day.whose import practitioner_of
from booking.services.plans.reading import view
from booking.services.plans.suffering import TimesThatKeep
from booking.services.search import FreeTime
from booking.services.staff import audit
from booking.services.staff.ownership import appointment_for, appointment_of, theirs
from booking.services.staff.who import Who
from booking.services.transaction import reading

NEXT_SHOWN = 12
# Other times for a visit: so many with whoever gives it, and one each with so many colleagues.
OWN_TIMES, COLLEAGUES = 5, 2
_APART = timedelta(minutes=30)


@dataclass(frozen=True)
class OtherVisit:
    """Another visit of the same patient, whoever gives it."""

    reference: str
    starts_at: datetime
    visit_type: VisitType
    practitioner: str
    status: Status


@dataclass(frozen=True)
class FullVisit:
    """A visit with its history. `own`: whoever asks gives it, and so may tap how it goes. `theirs`: its patient is one of theirs;
    else, of a visit of theirs that was cancelled, nothing but that visit is shown.
    """

    clinic: Clinic
    visit: OwnVisit
    on: date
    practitioner: str
    own: bool
    theirs: bool
    history: tuple[Entry, ...]
    next_visits: tuple[OtherVisit, ...]


def full_visit(who: Who, reference: str) -> FullVisit:
    """The visit, if it or its patient is theirs; the look is written down. Raises NotFound."""
    now = clock.now()
    with reading() as session:
        clinic = the_clinic(session)
        own = practitioner_of(clinic, who)
        appointment = appointment_for(session, who, reference)
        is_theirs = _is_theirs(session, who, appointment.patient_id)
        found = FullVisit(
            clinic=clinic,
            visit=_shaped(session, clinic, appointment),
            on=clinic.times.local_date(appointment.starts_at),
            practitioner=clinic.practitioner_by_id[appointment.practitioner_id].name,
            own=appointment.practitioner_id == own.id,
            theirs=is_theirs,
            history=entries_of(session, appointment),
            next_visits=_next_visits(session, clinic, appointment, now) if is_theirs else (),
        )
        patient_id = appointment.patient_id
    audit.saw(who, "opened visit", f"appointment/{reference}", [patient_id])
    return found


def brief(who: Who, reference: str) -> OwnVisit:
    """The visit alone, for a page that has just shown it: nothing is written down. Raises NotFound."""
    with reading() as session:
        return _shaped(session, the_clinic(session), appointment_for(session, who, reference))


def refuse_of_others(who: Who, reference: str) -> None:
    """Raises NotFound for a visit that somebody else gives: how it goes is theirs, or the desk's, to say."""
    with reading() as session:
        _refuse_of_others(who, appointment_for(session, who, reference))


def refuse_of_others_by_entry(who: Who, entry_id: int) -> None:
    """The same for the visit that an entry of the history is about, unless they have done this themselves a moment ago."""
    with reading() as session:
        visit = appointment_of(session, who, HistoryEntry, entry_id)
        if session.get_one(HistoryEntry, entry_id).account_id != who.account_id:
            _refuse_of_others(who, visit)


def _refuse_of_others(who: Who, appointment: Appointment) -> None:
    if appointment.practitioner_id != who.practitioner_id:
        raise NotFound


def other_times(who: Who, reference: str) -> tuple[FreeTime, ...]:
    """The free times around a visit's own, half an hour apart, with the same practitioner, and the nearest with each of a few
    colleagues; for a visit of a plan those that keep its rules, if there are any. None for what the clinic doesn't offer any
    more. Raises NotFound, NotChangeable.
    """
    with reading() as session:
        clinic = the_clinic(session)
        appointment = appointment_for(session, who, reference)
        starts_at = appointment.starts_at
        visit_type = clinic.visit_type_by_id[appointment.visit_type_id]
        person = clinic.practitioner_by_id[appointment.practitioner_id]
        plan = (
            view(session, clinic, session.get_one(Plan, appointment.plan_id)) if appointment.plan_id else None
        )
    keeping = TimesThatKeep(BookableBy.STAFF).of(plan, reference) if plan else ()
    if keeping:
        return tuple(FreeTime(one.starts_at, one.practitioner) for one in keeping)
    own = nearest(who, reference, Place(), limit=OWN_TIMES, apart=_APART)
    others = [
        one
        for colleague in clinic.who_offers(visit_type, BookableBy.STAFF)
        if colleague != person
        for one in nearest(who, reference, Place(practitioner=colleague.slug), limit=1)
    ]
    others.sort(key=lambda one: abs(one.starts_at - starts_at))
    return tuple(FreeTime(one.starts_at, one.practitioner) for one in [*own, *others[:COLLEAGUES]])


def _shaped(session: Session, clinic: Clinic, appointment: Appointment) -> OwnVisit:
    person = clinic.practitioner_by_id[appointment.practitioner_id]
    window = Window.of(appointment.from_cell, appointment.to_cell)
    visits, _ = visits_between(session, clinic, person, window)
    return next(visit for visit in visits if visit.id == appointment.id)


def _is_theirs(session: Session, who: Who, patient_id: int) -> bool:
    wanted = select(Patient.id).where(Patient.id == patient_id, theirs(who, Patient.id))
    return session.scalar(wanted) is not None


def _next_visits(
    session: Session, clinic: Clinic, appointment: Appointment, now: datetime
) -> tuple[OtherVisit, ...]:
    ahead = (
        select(Appointment)
        .where(
            Appointment.patient_id == appointment.patient_id,
            Appointment.to_cell > cell_from(now),
            Appointment.id != appointment.id,
            Appointment.status != Status.CANCELLED,
        )
        .order_by(Appointment.to_cell)
        .limit(NEXT_SHOWN)
    )
    return tuple(
        OtherVisit(
            one.reference,
            instant_of(one.from_cell),
            clinic.visit_type_by_id[one.visit_type_id],
            clinic.practitioner_by_id[one.practitioner_id].name,
            one.status,
        )
        for one in session.scalars(ahead)
    )
