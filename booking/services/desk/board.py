"""The desk's board: what a day, or a practitioner's week, looks like at this moment. Reads only.

What is read is bounded by the days shown, whatever lies before and after them; `drawing` makes a board of it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import ColumnElement, bindparam, func, literal_column, not_, select
from sqlalchemy.orm import Session

from booking import clock
from booking.errors import ClinicNotReady, NotFound
from booking.models import (
    Absence,
    Appointment,
    Claim,
    Clinic as ClinicRow,
    Hold,
    Patient,
    PatientChange,
    Resource,
    ResourceKind,
)
from booking.scheduling.status import LIVE
from booking.scheduling.timeline import cell_from, instant_of
from booking.services import needles_in
from booking.services.clinic import Clinic, at_version, kept as clinic_kept, present
from booking.services.desk.drawing import (
    Asked,
    BoardClaim,
    BoardDay,
    Column,
    Drawing,
    Needles,
    Rows,
    View,
    Visit,
    window_of,
)
from booking.services.desk.records import BY_MISTAKE
from booking.services.lookup import Lookup
from booking.services.occupancies import ABSENT_WITHIN, CLAIMED_WITHIN, within
from booking.services.staff.who import Who
from booking.services.transaction import reading

__all__ = [
    "Asked",
    "BoardDay",
    "Column",
    "Needles",
    "NextVisit",
    "Stamp",
    "View",
    "Visit",
    "board",
    "day",
    "next_visits",
    "stamp",
    "the_clinic_of",
    "week",
]


@dataclass(frozen=True)
class Stamp:
    """What a board depends on: while two are equal, the same board would be read. Names and notes may lag by a minute."""

    minute: int
    clinic_version: int
    resources: int
    records: int
    visits: int
    needles: int


@dataclass(frozen=True)
class NextVisit:
    """On which board a patient stands next."""

    reference: str
    starts_at: datetime


# Every version of the clinic's people and things, and every version of the visits of these days: a sum grows with each
# of them, and is seen when its transaction is, which the greatest number of a row need not be.
_OF_THE_DAYS = within(Appointment)
# More than all versions of a day will ever add up to.
_EACH: ColumnElement[int] = literal_column("1099511627776")
_STAMP = Lookup(
    select(
        ClinicRow.version,
        select(func.sum(Resource.version))
        .where(Resource.kind != ResourceKind.PATIENT)
        .correlate(None)
        .scalar_subquery(),
        select(func.max(PatientChange.id)).correlate(None).scalar_subquery(),
        # How many there are, and their versions, in one number.
        select(func.sum(Appointment.version + _EACH)).where(_OF_THE_DAYS).correlate(None).scalar_subquery(),
        select(func.sum(Appointment.version + _EACH))
        .where(needles_in.NEEDLES_ARE_IN)
        .correlate(None)
        .scalar_subquery(),
    )
)
_NEEDLES = needles_in.WITH_NEEDLES.add_columns(Appointment.reference, Appointment.practitioner_id)
_VISITS = (
    select(
        Appointment.id,
        Appointment.reference,
        Appointment.practitioner_id,
        Appointment.visit_type_id,
        Appointment.room_id,
        Appointment.from_cell,
        Appointment.to_cell,
        Appointment.status,
        Appointment.version,
        Appointment.confirmed_at,
        Appointment.cannot_come_at,
        Appointment.penciled,
        Appointment.needles_in_at,
        Appointment.needles_out_at,
        ((Appointment.note != "") | (Appointment.desk_note != "")).label("note"),
        func.coalesce(Appointment.phone, Patient.phone).label("phone"),
        Patient.reference.label("patient_reference"),
        Patient.first_name,
        Patient.last_name,
    )
    .join(Patient, Patient.id == Appointment.patient_id)
    .where(_OF_THE_DAYS, not_(BY_MISTAKE))
)
_CLAIMS = (
    select(
        Claim.resource_id,
        Claim.from_cell,
        Claim.to_cell,
        Claim.before,
        Claim.after,
        Claim.appointment_id,
        Claim.hold_id,
        Hold.lapses_at,
    )
    .outerjoin(Hold, Hold.id == Claim.hold_id)
    .where(CLAIMED_WITHIN)
)
_NEXT = (
    select(Appointment.patient_id, Appointment.reference, Appointment.from_cell)
    .where(
        Appointment.patient_id.in_(bindparam("patients", expanding=True)),
        Appointment.to_cell > bindparam("now"),
        Appointment.status.in_(LIVE),
    )
    .order_by(Appointment.from_cell.desc())
)
_ABSENCES = select(Absence.resource_id, Absence.from_cell, Absence.to_cell, Absence.kind).where(ABSENT_WITHIN)


def day(who: Who, on: date, view: View) -> BoardDay:
    """The board of a day: practitioners side by side, or rooms. Raises NotFound for whoever doesn't see all patients."""
    return board(who, Asked(on, view))[1]


def week(who: Who, person: str, on: date) -> BoardDay:
    """The days of one practitioner's week, side by side. Raises NotFound."""
    return board(who, Asked(on, View.PEOPLE, person))[1]


def the_clinic_of(who: Who) -> Clinic:
    """The clinic, for the way to its board. Raises NotFound for whoever may not see that."""
    _see_all(who)
    return present()


def stamp(who: Who, asked: Asked) -> Stamp:
    """What this board depends on now: one statement, whatever there is."""
    _see_all(who)
    return _stamp(_clinic_seen(), asked, clock.now())


def board(who: Who, asked: Asked) -> tuple[Stamp, BoardDay]:
    """A board, and what it depends on. Raises NotFound."""
    _see_all(who)
    now = clock.now()
    # Before the rows: what changes in between makes the next stamp another one.
    seen = _stamp(_clinic_seen(), asked, now)
    with reading() as session:
        clinic = at_version(session, seen.clinic_version)
        if asked.person:
            clinic.practitioner(asked.person)
        rows = _read(session, clinic, asked, needles=bool(seen.needles))
    return seen, Drawing(clinic, asked, rows, now).board()


def next_visits(who: Who, patients: Iterable[int]) -> dict[int, NextVisit]:
    """The next visit of each of these patients who has one. Raises NotFound for whoever doesn't see all patients."""
    _see_all(who)
    bounds = {"patients": list(patients), "now": cell_from(clock.now())}
    if not bounds["patients"]:
        return {}
    with reading() as session:
        # The soonest of a patient comes last, and stays.
        return {
            patient: NextVisit(reference, instant_of(from_cell))
            for patient, reference, from_cell in session.connection().execute(_NEXT, bounds)
        }


def _see_all(who: Who) -> None:
    if not who.sees_everybody:
        raise NotFound


def _clinic_seen() -> Clinic:
    """The clinic as this process saw it last: a board of another version is thrown away by its stamp."""
    return clinic_kept() or present()


def _stamp(clinic: Clinic, asked: Asked, now: datetime) -> Stamp:
    window = window_of(clinic, asked)
    row = _STAMP(start=window.start, end=window.end, **needles_in.bounds(now))
    if row is None:
        raise ClinicNotReady
    version, resources, records, visits, needles = row
    return Stamp(
        # Only what lies around now changes with the minutes; a hold lapses on any day.
        int(now.timestamp()) // 60,
        version,
        int(resources or 0),
        records or 0,
        int(visits or 0),
        int(needles or 0),
    )


def _read(session: Session, clinic: Clinic, asked: Asked, *, needles: bool) -> Rows:
    """Three statements, and one more where there are `needles` in."""
    window = window_of(clinic, asked)
    bounds = {"start": window.start, "end": window.end}
    connection = session.connection()
    visits = tuple(connection.execute(_VISITS, bounds))
    ids = {*clinic.practitioner_by_id, *(thing.id for thing in (*clinic.rooms, *clinic.devices))}
    # A room that the clinic has no more may still have visits.
    ids |= {visit.room_id for visit in visits if visit.room_id is not None}
    now = clock.now()
    claimed: dict[int, list[BoardClaim]] = {}
    for resource_id, *rest, lapses_at in connection.execute(_CLAIMS, bounds | {"ids": sorted(ids)}):
        if lapses_at is None or lapses_at > now:
            claimed.setdefault(resource_id, []).append(BoardClaim(*rest))
    absences = tuple((row[0], row[1], row[2], str(row[3])) for row in connection.execute(_ABSENCES, bounds))
    return Rows(
        visits,
        {one: tuple(sorted(found)) for one, found in claimed.items()},
        absences,
        tuple(connection.execute(_NEEDLES, needles_in.bounds(now))) if needles else (),
    )
