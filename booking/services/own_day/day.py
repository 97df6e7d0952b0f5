"""A practitioner's day: the visits with what each needs, and what lies between them.

A process keeps what it has read of a day for as long as the day's mark stands: the versions of the clinic and of the
practitioner, and those of the visits and patients. One statement asks for it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from flask import current_app
from sqlalchemy import and_, bindparam, func, null, or_, select, union_all
from sqlalchemy.orm import Session, aliased

from booking import clock
from booking.errors import ClinicNotReady
from booking.formatting import Times
from booking.models import (
    Absence,
    AbsenceKind,
    Appointment,
    Claim,
    Clinic as ClinicRow,
    Patient,
    Resource,
)
from booking.scheduling import needles
from booking.scheduling.hours import Day, day_at, open_timeline
from booking.scheduling.status import Status
from booking.scheduling.timeline import Window, cell_from, instant_of, stretches
from booking.services.clinic import Clinic, Practitioner, VisitType, at_version, present
from booking.services.desk.statuses import Move, possible
from booking.services.lookup import Lookup
from booking.services.occupancies import ABSENT_WITHIN, within
from booking.services.own_day.whose import initials, practitioner_of
from booking.services.plans.places import PlanPlace, places_of
from booking.services.staff.who import Who
from booking.services.transaction import reading

LATE_AFTER = timedelta(minutes=10)
DAYS_KEPT = 64

Mark = tuple[Any, ...]


@dataclass(frozen=True)
class OwnVisit:
    """A visit as the practitioner who gives it sees it. `rest` is how long the needles stay; zero if there are none.

    `taken_from` and `taken_until`: with the practitioner's pauses before and after it.
    """

    id: int
    reference: str
    version: int
    status: Status
    starts_at: datetime
    ends_at: datetime
    visit_type: VisitType
    first_name: str
    last_name: str
    room: str
    devices: tuple[str, ...]
    note: str
    desk_note: str
    flags: tuple[str, ...]
    confirmed_at: datetime | None
    cannot_come_at: datetime | None
    arrived_at: datetime | None
    started_at: datetime | None
    needles_in_at: datetime | None
    needles_out_at: datetime | None
    rest: timedelta
    taken_from: datetime
    taken_until: datetime
    cancel_reason: str
    plan: PlanPlace | None = None

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}"

    @property
    def initials(self) -> str:
        return initials(self.first_name, self.last_name)

    @property
    def minutes(self) -> int:
        return int((self.ends_at - self.starts_at).total_seconds()) // 60

    @property
    def needles_are_in(self) -> bool:
        return (
            self.status is Status.CHECKED_IN
            and self.needles_in_at is not None
            and self.needles_out_at is None
        )

    @property
    def has_needles(self) -> bool:
        return bool(self.rest)

    @property
    def needles_due(self) -> datetime | None:
        """When the needles come out, counted from when they really went in; None while none are in."""
        return needles.needles_due(self.needles_in_at, self.rest) if self.needles_are_in else None

    def overdue(self, now: datetime) -> bool:
        """Whether somebody lies with needles for five minutes longer than meant, or more."""
        return needles.overdue(self.needles_due, now)

    def is_late(self, now: datetime) -> bool:
        """Late enough for a word, and still to be expected."""
        return self._is_expected and self.starts_at + LATE_AFTER <= now and not self.is_over(now)

    def not_arrived(self, now: datetime) -> bool:
        """Expected until a time that is over, and nobody has said that they came or didn't."""
        return self._is_expected and self.is_over(now)

    def is_over(self, now: datetime) -> bool:
        return self.ends_at <= now

    @property
    def _is_expected(self) -> bool:
        """Whoever said that they can't come isn't waited for, nor who never read that the visit is booked."""
        penciled = self.plan is not None and self.plan.penciled
        return self.status is Status.BOOKED and self.cannot_come_at is None and not penciled

    @property
    def waits(self) -> bool:
        """Still to come into the room."""
        return self.status in (Status.BOOKED, Status.ARRIVED)

    def moves(self, now: datetime, times: Times) -> tuple[Move, ...]:
        """What may be tapped now. Confirming and cancelling are for the desk."""
        return tuple(move for move in possible(self, now, times) if move not in (Move.CONFIRM, Move.CANCEL))


class Between(StrEnum):
    """What lies between visits."""

    FREE = "free"
    BREAK = "break"
    AWAY = "away"
    CLOSED = "closed"


@dataclass(frozen=True)
class Gap:
    """Some time of the day without a visit. `reason`: of time off or a closure, in the words of who entered it."""

    kind: Between
    starts_at: datetime
    ends_at: datetime
    reason: str = ""

    @property
    def minutes(self) -> int:
        return int((self.ends_at - self.starts_at).total_seconds()) // 60


@dataclass(frozen=True)
class OwnDay:
    """A day of one practitioner. Plain values, and the same object for as long as `mark` stands.

    `entries` has visits and gaps in the order of their times; cancelled visits stand among them as such.
    """

    clinic: Clinic
    practitioner: Practitioner
    on: date
    mark: Mark
    visits: tuple[OwnVisit, ...]
    gaps: tuple[Gap, ...]

    @property
    def entries(self) -> list[OwnVisit | Gap]:
        return sorted((*self.visits, *self.gaps), key=lambda one: (one.starts_at, one.ends_at))

    @property
    def standing(self) -> tuple[OwnVisit, ...]:
        return tuple(visit for visit in self.visits if visit.status is not Status.CANCELLED)

    def next(self, now: datetime) -> OwnVisit | None:
        """Who comes next into the room: of those who wait and whose time isn't over, the first."""
        return next((visit for visit in self.visits if visit.waits and not visit.is_over(now)), None)

    def unsettled(self, now: datetime) -> tuple[OwnVisit, ...]:
        """Whose time is over, and nobody has said what became of the visit."""
        return tuple(visit for visit in self.visits if visit.waits and visit.is_over(now))

    @property
    def in_room(self) -> tuple[OwnVisit, ...]:
        """Who is in a room now, needles that come out first before all others."""
        here = (visit for visit in self.visits if visit.status is Status.CHECKED_IN)
        return tuple(
            sorted(here, key=lambda one: (one.needles_due is None, one.needles_due or one.starts_at))
        )


def own_day(who: Who, on: date | None = None) -> OwnDay:
    """The day of whoever asks, today if no date is given. Raises NotFound for somebody who gives no visits."""
    now, practitioner_id = clock.now(), who.practitioner_id or 0
    days: dict[tuple[int, date], OwnDay] = current_app.extensions.setdefault("booking_own_days", {})
    clinic: Clinic = current_app.extensions.get("booking_clinic") or present()
    while True:
        day = day_at(on or clinic.times.local_date(now), clinic.zone)
        # Read before what it stands for: whatever changes in between is read, and read once more.
        mark = _mark(practitioner_id, day)
        kept = days.get((practitioner_id, day.on))
        if kept is not None and kept.mark == mark:
            return kept
        with reading() as session:
            found = at_version(session, mark[0])
            if found.zone == clinic.zone:
                person = practitioner_of(found, who)
                visits, absences = _read(session, found, person, day)
                break
        clinic = found
    fresh = OwnDay(found, person, day.on, mark, visits, _gaps(found, person, day, visits, absences))
    if len(days) >= DAYS_KEPT:
        days.clear()
    days[practitioner_id, day.on] = fresh
    return fresh


def visits_between(
    session: Session, clinic: Clinic, person: Practitioner, window: Window
) -> tuple[tuple[OwnVisit, ...], tuple["Away", ...]]:
    """Visits, and what keeps somebody away, that lie in a window or reach into it."""
    return _read(session, clinic, person, Day(date.min, window.start, window.end))


# Patients and practitioners are resources too; here only what is said of them as such counts.
_patients: Any = Patient.__table__
_resources: Any = Resource.__table__

_sibling = aliased(Appointment)
_OWN = and_(Appointment.practitioner_id == bindparam("practitioner_id"), within(Appointment))

# Everything that the day depends on. A status or a note raises a visit's version, a move its practitioner's as well.
_MARK = Lookup(
    select(
        ClinicRow.version,
        _resources.c.version,
        func.count(Appointment.id),
        func.sum(Appointment.version),
        func.sum(_patients.c.edit),
        # A merge gives a visit to another record and touches nothing else of it.
        func.sum(Appointment.patient_id),
        # Which of how many a visit is depends on the others of its plan.
        select(func.sum(_sibling.version))
        .where(_sibling.plan_id.in_(select(Appointment.plan_id).where(_OWN).correlate(None)))
        .scalar_subquery(),
    )
    .select_from(ClinicRow)
    .outerjoin(_resources, _resources.c.id == bindparam("practitioner_id"))
    .outerjoin(Appointment, _OWN)
    .outerjoin(_patients, _patients.c.id == Appointment.patient_id)
    .group_by(ClinicRow.version, _resources.c.version)
)


def _mark(practitioner_id: int, day: Day) -> Mark:
    row = _MARK(practitioner_id=practitioner_id, start=day.from_cell, end=day.to_cell)
    if row is None:
        raise ClinicNotReady
    return tuple(row)


class Away(NamedTuple):
    """Time off or a closure, in cells."""

    kind: AbsenceKind
    from_cell: int
    to_cell: int
    reason: str


_VISIT = (
    Appointment.id,
    Appointment.from_cell,
    Appointment.to_cell,
    Appointment.reference,
    Appointment.version,
    Appointment.status,
    Appointment.visit_type_id,
    Appointment.room_id,
    Appointment.first_name,
    Appointment.last_name,
    Appointment.note,
    Appointment.desk_note,
    Appointment.confirmed_at,
    Appointment.cannot_come_at,
    Appointment.arrived_at,
    Appointment.started_at,
    Appointment.needles_in_at,
    Appointment.needles_out_at,
    Appointment.cancel_reason,
    Appointment.plan_id,
    _patients.c.flags,
    Claim.resource_id.label("taken_id"),
    Claim.from_cell.label("taken_from"),
    Claim.to_cell.label("taken_to"),
    Claim.before.label("taken_before"),
    Claim.after.label("taken_after"),
)
# Visits, with a row for each use of a device or of the practitioner's hands, and what keeps the practitioner away.
_DAY = union_all(
    select(*_VISIT, null().label("kind"))
    .join(_patients, _patients.c.id == Appointment.patient_id)
    .outerjoin(
        Claim,
        and_(
            Claim.appointment_id == Appointment.id,
            Claim.resource_id.in_(bindparam("taken_ids", expanding=True)),
        ),
    )
    .where(_OWN),
    select(
        null(),
        Absence.from_cell,
        Absence.to_cell,
        Absence.reason,
        *(null() for _ in _VISIT[4:]),
        Absence.kind.label("kind"),
    ).where(
        or_(Absence.resource_id == bindparam("practitioner_id"), Absence.resource_id.is_(None)),
        ABSENT_WITHIN,
    ),
)


def _read(
    session: Session, clinic: Clinic, person: Practitioner, day: Day
) -> tuple[tuple[OwnVisit, ...], tuple[Away, ...]]:
    rooms = {room.id: room.name for room in clinic.rooms}
    devices = {device.id: device.name for device in clinic.devices}
    rows: dict[int, Any] = {}
    taken: dict[int, set[str]] = {}
    hands: dict[int, set[tuple[int, int]]] = {}
    ends: dict[int, list[int]] = {}
    away: list[Away] = []
    asked = {
        "practitioner_id": person.id,
        "start": day.from_cell,
        "end": day.to_cell,
        "taken_ids": [person.id, *devices],
    }
    for row in session.connection().execute(_DAY, asked):
        if row.id is None:
            away.append(Away(AbsenceKind(row.kind), row.from_cell, row.to_cell, row.reference))
            continue
        rows[row.id] = row
        if row.taken_id == person.id:
            hands.setdefault(row.id, set()).add((row.taken_from, row.taken_to))
            ends.setdefault(row.id, []).extend(
                (row.taken_from - row.taken_before, row.taken_to + row.taken_after)
            )
        elif row.taken_id is not None:
            taken.setdefault(row.id, set()).add(devices[row.taken_id])
    places = places_of(session, clinic, {row.plan_id for row in rows.values() if row.plan_id is not None})
    visits = tuple(
        OwnVisit(
            id=row.id,
            reference=row.reference,
            version=row.version,
            status=row.status,
            starts_at=instant_of(row.from_cell),
            ends_at=instant_of(row.to_cell),
            visit_type=clinic.visit_type_by_id[row.visit_type_id],
            first_name=row.first_name,
            last_name=row.last_name,
            room=rooms.get(row.room_id, ""),
            devices=tuple(sorted(taken.get(row.id, ()))),
            note=row.note,
            desk_note=row.desk_note,
            flags=tuple(row.flags or ()),
            confirmed_at=row.confirmed_at,
            cannot_come_at=row.cannot_come_at,
            arrived_at=row.arrived_at,
            started_at=row.started_at,
            needles_in_at=row.needles_in_at,
            needles_out_at=row.needles_out_at,
            rest=needles.rest(row.from_cell, row.to_cell, hands.get(row.id, ())),
            taken_from=instant_of(min([row.from_cell, *ends.get(row.id, ())])),
            taken_until=instant_of(max([row.to_cell, *ends.get(row.id, ())])),
            cancel_reason=row.cancel_reason,
            plan=places.get(row.id),
        )
        for row in sorted(rows.values(), key=lambda row: (row.from_cell, row.to_cell, row.id))
    )
    return visits, tuple(away)


def _gaps(
    clinic: Clinic, person: Practitioner, day: Day, visits: Iterable[OwnVisit], absences: Iterable[Away]
) -> tuple[Gap, ...]:
    window = Window.of(day.from_cell, day.to_cell)
    open_cells = open_of(clinic, person, window)
    given = pauses = 0
    for visit in visits:
        if visit.status is not Status.CANCELLED:
            given |= window.stretch(cell_from(visit.starts_at), cell_from(visit.ends_at))
            pauses |= window.stretch(cell_from(visit.taken_from), cell_from(visit.taken_until))
    gaps: list[Gap] = []
    away = 0
    for absence in absences:
        cells = window.stretch(absence.from_cell, absence.to_cell)
        kind = Between.CLOSED if absence.kind is AbsenceKind.CLOSURE else Between.AWAY
        # A day off shows as long as the working day; a visit that still stands inside shows by itself.
        shown = cells & ~away & (open_cells or window.full)
        gaps += _each(window, shown, kind, absence.reason)
        away |= cells
    gaps += _each(window, open_cells & ~given & ~pauses & ~away, Between.FREE)
    hull = window.stretch(*_hull(window, open_cells)) if open_cells else 0
    gaps += _each(window, hull & ~open_cells & ~given & ~away, Between.BREAK)
    return tuple(gaps)


def open_of(clinic: Clinic, person: Practitioner, window: Window) -> int:
    """The working hours of somebody, as a timeline."""
    return open_timeline(window, clinic.zone, clinic.hours, clinic.dated_hours) & open_timeline(
        window, clinic.zone, person.hours, person.dated_hours
    )


def _hull(window: Window, timeline: int) -> tuple[int, int]:
    runs = list(stretches(timeline))
    return window.start + runs[0][0], window.start + runs[-1][1]


def _each(window: Window, timeline: int, kind: Between, reason: str = "") -> list[Gap]:
    return [
        Gap(kind, instant_of(window.start + first), instant_of(window.start + last), reason)
        for first, last in stretches(timeline)
    ]
