"""The desk's board: what a day, or a practitioner's week, looks like at this moment. Reads only.

Time is in five-minute cells. A board is made of columns, each a person, a room or a day of one person, in which every
stretch is counted in rows from the board's first row on. What is read is bounded by the days shown, whatever lies
before and after them.
"""

import enum
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, func, literal_column, select
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
from booking.scheduling.hours import day_at, open_timeline, week_start
from booking.scheduling.needles import overdue
from booking.scheduling.status import Status
from booking.scheduling.timeline import CELL_SECONDS, Window, cell_from, instant_of, stretches
from booking.services.clinic import Clinic, Practitioner, at_version, kept as clinic_kept, present
from booking.services.lookup import Lookup
from booking.services.occupancies import ABSENT_WITHIN, CLAIMED_WITHIN, within
from booking.services.staff.who import Who
from booking.services.transaction import reading

LATE_AFTER = timedelta(minutes=10)

_CELLS_A_DAY = 288
_CELLS_AN_HOUR = 12


class View(enum.StrEnum):
    """How a day is looked at."""

    PEOPLE = "people"
    ROOMS = "rooms"
    LIST = "list"


class Stretch(NamedTuple):
    """Rows of a column, half-open, and what is written on them."""

    from_row: int
    to_row: int
    words: str = ""

    @property
    def rows(self) -> int:
        return self.to_row - self.from_row


class Part(NamedTuple):
    """Rows of a visit, from its own first row on. `full`: the column's person or room is taken; else it is free."""

    from_row: int
    rows: int
    full: bool


class Needles(enum.StrEnum):
    """How it stands with a visit's needles."""

    NONE = ""
    IN = "in"
    DUE = "due"
    OVER = "over"


@dataclass(frozen=True)
class Visit:
    """A visit as the board shows it. `lane` of `lanes`: its place beside others of its column at the same time.

    `late_minutes` is 0 until somebody is late. `needles_out_at` is None but while needles are in.
    """

    reference: str
    patient: str
    phone: str | None
    visit_type: str
    status: Status
    confirmed: bool
    cannot_come: bool
    late_minutes: int
    needles: Needles
    needles_out_at: datetime | None
    note: bool
    version: int
    from_cell: int
    to_cell: int
    from_row: int
    to_row: int
    parts: tuple[Part, ...]
    practitioner: str
    practitioner_slug: str
    room: str
    devices: tuple[str, ...]
    lane: int = 0
    lanes: int = 1

    @property
    def rows(self) -> int:
        return self.to_row - self.from_row

    @property
    def movable(self) -> bool:
        """Whether it still lies ahead as far as its status tells."""
        return self.status in (Status.BOOKED, Status.ARRIVED)


@dataclass(frozen=True)
class Column:
    """A person, a room, or a day. `cell0` is the cell of its first row; `works`: it is open at some time."""

    key: str
    name: str
    on: date
    cell0: int
    works: bool
    closed: tuple[Stretch, ...]
    absences: tuple[Stretch, ...]
    held: tuple[Stretch, ...]
    buffers: tuple[Stretch, ...]
    free: tuple[Stretch, ...]
    visits: tuple[Visit, ...]
    now_row: int | None = None


@dataclass(frozen=True)
class Counts:
    """The day in figures."""

    visits: int
    expected: int
    here: int
    late: int
    unconfirmed: int
    cancelled: int


@dataclass(frozen=True)
class BoardDay:
    """A board. `hours` has the row of each full hour with its cell; `clinic` the names and the zone that hold for it."""

    clinic: Clinic
    on: date
    view: View
    rows: int
    hours: tuple[tuple[int, int], ...]
    columns: tuple[Column, ...]
    counts: Counts
    is_today: bool

    @property
    def visits(self) -> Iterator[Visit]:
        """Each once, in order of time, then of the columns."""
        seen = [visit for column in self.columns for visit in column.visits]
        return iter(sorted(seen, key=lambda visit: (visit.from_cell, visit.practitioner, visit.reference)))


@dataclass(frozen=True)
class Stamp:
    """What a board depends on: while two are equal, the same board would be read. Names and notes may lag by a minute."""

    minute: int
    clinic_version: int
    resources: int
    records: int
    visits: int


class Asked(NamedTuple):
    """Which board. With `person`, the week of `on`; else that day in a view."""

    on: date
    view: View = View.PEOPLE
    person: str = ""

    @property
    def first(self) -> date:
        return week_start(self.on) if self.person else self.on

    @property
    def last(self) -> date:
        return self.first + timedelta(days=6) if self.person else self.on


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
    )
)
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
        Appointment.needles_in_at,
        Appointment.needles_out_at,
        ((Appointment.note != "") | (Appointment.desk_note != "")).label("note"),
        func.coalesce(Appointment.phone, Patient.phone).label("phone"),
        Patient.first_name,
        Patient.last_name,
    )
    .join(Patient, Patient.id == Appointment.patient_id)
    .where(_OF_THE_DAYS)
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
_ABSENCES = select(Absence.resource_id, Absence.from_cell, Absence.to_cell, Absence.kind).where(ABSENT_WITHIN)


class _Claimed(NamedTuple):
    from_cell: int
    to_cell: int
    before: int
    after: int
    appointment_id: int | None
    hold_id: int | None


@dataclass(frozen=True)
class _Rows:
    """What the database has of some days."""

    visits: tuple[Any, ...]
    claimed: Mapping[int, tuple[_Claimed, ...]]
    absences: tuple[tuple[int | None, int, int, str], ...]


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
        rows = _read(session, clinic, asked)
    return seen, _Drawing(clinic, asked, rows, now).board()


def _see_all(who: Who) -> None:
    if not who.sees_everybody:
        raise NotFound


def _clinic_seen() -> Clinic:
    """The clinic as this process saw it last: a board of another version is thrown away by its stamp."""
    return clinic_kept() or present()


def _stamp(clinic: Clinic, asked: Asked, now: datetime) -> Stamp:
    window = _window(clinic, asked)
    row = _STAMP(start=window.start, end=window.end)
    if row is None:
        raise ClinicNotReady
    version, resources, records, visits = row
    # Only what lies around now changes with the minutes; a hold lapses on any day.
    return Stamp(int(now.timestamp()) // 60, version, int(resources or 0), records or 0, int(visits or 0))


def _window(clinic: Clinic, asked: Asked) -> Window:
    first, last = day_at(asked.first, clinic.zone), day_at(asked.last, clinic.zone)
    return Window(first.from_cell, last.to_cell - first.from_cell)


def _read(session: Session, clinic: Clinic, asked: Asked) -> _Rows:
    """Three statements."""
    window = _window(clinic, asked)
    bounds = {"start": window.start, "end": window.end}
    connection = session.connection()
    visits = tuple(connection.execute(_VISITS, bounds))
    ids = {*clinic.practitioner_by_id, *(thing.id for thing in (*clinic.rooms, *clinic.devices))}
    # A room that the clinic has no more may still have visits.
    ids |= {visit.room_id for visit in visits if visit.room_id is not None}
    now = clock.now()
    claimed: dict[int, list[_Claimed]] = {}
    for resource_id, *rest, lapses_at in connection.execute(_CLAIMS, bounds | {"ids": sorted(ids)}):
        if lapses_at is None or lapses_at > now:
            claimed.setdefault(resource_id, []).append(_Claimed(*rest))
    absences = tuple((row[0], row[1], row[2], str(row[3])) for row in connection.execute(_ABSENCES, bounds))
    return _Rows(visits, {one: tuple(sorted(found)) for one, found in claimed.items()}, absences)


class _Drawing:
    """Rows of the database on their way to a board."""

    def __init__(self, clinic: Clinic, asked: Asked, rows: _Rows, now: datetime) -> None:
        self._clinic, self._asked, self._now = clinic, asked, now
        self._visits = {row.id: row for row in rows.visits if row.status is not Status.CANCELLED}
        person = clinic.practitioner(asked.person).id if asked.person else None
        self._cancelled = sum(
            row.status is Status.CANCELLED and person in (None, row.practitioner_id) for row in rows.visits
        )
        self._claimed, self._absences = rows.claimed, rows.absences
        self._parts: dict[tuple[int, int], list[_Claimed]] = {}
        for resource_id, found in rows.claimed.items():
            for claimed in found:
                if claimed.appointment_id is not None:
                    self._parts.setdefault((resource_id, claimed.appointment_id), []).append(claimed)
        self._devices = {thing.id: thing.name for thing in clinic.devices}
        self._rooms = {thing.id: thing for thing in clinic.rooms}
        self._window = _window(clinic, asked)
        self._clinic_open = open_timeline(self._window, clinic.zone, clinic.hours, clinic.dated_hours)
        self._first_row, self._rows_shown = self._frame()

    def board(self) -> BoardDay:
        asked, clinic = self._asked, self._clinic
        if asked.person:
            person = clinic.practitioner(asked.person)
            columns = [
                self._of_person(person, on, key=on.isoformat())
                for on in (asked.first + timedelta(days=n) for n in range(7))
            ]
        elif asked.view is View.ROOMS:
            columns = self._of_rooms()
        else:
            columns = [self._of_person(person, asked.on) for person in self._people()]
        cell0 = self._cell0(asked.on)
        today = clinic.times.local_date(self._now)
        visits = [
            row
            for row in self._visits.values()
            if not asked.person or row.practitioner_id == clinic.practitioner(asked.person).id
        ]
        return BoardDay(
            clinic=clinic,
            on=asked.on,
            view=asked.view,
            rows=self._rows_shown,
            hours=tuple((row, cell0 + row) for row in range(0, self._rows_shown, _CELLS_AN_HOUR)),
            columns=tuple(columns),
            counts=Counts(
                visits=len(visits),
                expected=sum(row.status is Status.BOOKED for row in visits),
                here=sum(row.status in (Status.ARRIVED, Status.CHECKED_IN) for row in visits),
                late=sum(self._late(row) > 0 for row in visits),
                unconfirmed=sum(row.status is Status.BOOKED and row.confirmed_at is None for row in visits),
                cancelled=self._cancelled,
            ),
            is_today=asked.first <= today <= asked.last,
        )

    def _people(self) -> list[Practitioner]:
        """Those who work here, and those who don't any more but have visits that day."""
        clinic = self._clinic
        busy = {row.practitioner_id for row in self._visits.values()}
        gone = [
            person
            for person in clinic.practitioner_by_id.values()
            if person.id in busy and person.slug not in clinic.practitioners
        ]
        return [*clinic.practitioners.values(), *gone]

    def _frame(self) -> tuple[int, int]:
        """The first row, in cells after midnight, and how many rows there are: full hours around all that is open or
        booked.
        """
        first, last = _CELLS_A_DAY, 0
        opened = self._clinic_open
        for person in self._clinic.practitioners.values():
            opened |= self._open(person)
        begun = [(self._window.start + a, self._window.start + b) for a, b in stretches(opened)]
        begun += [(row.from_cell, row.to_cell) for row in self._visits.values()]
        for n in range((self._asked.last - self._asked.first).days + 1):
            shown = day_at(self._asked.first + timedelta(days=n), self._clinic.zone)
            # Counted from the end of the day: a clock moves in the small hours.
            midnight = shown.to_cell - _CELLS_A_DAY
            for from_cell, to_cell in begun:
                if from_cell < shown.to_cell and to_cell > shown.from_cell:
                    first = min(first, max(from_cell, shown.from_cell) - midnight)
                    last = max(last, min(to_cell, shown.to_cell) - midnight)
        if first >= last:
            first, last = 9 * _CELLS_AN_HOUR, 17 * _CELLS_AN_HOUR
        first -= first % _CELLS_AN_HOUR
        last += -last % _CELLS_AN_HOUR
        return first, last - first

    def _cell0(self, on: date) -> int:
        return day_at(on, self._clinic.zone).to_cell - _CELLS_A_DAY + self._first_row

    def _open(self, person: Practitioner) -> int:
        return open_timeline(self._window, self._clinic.zone, person.hours, person.dated_hours)

    def _of_person(self, person: Practitioner, on: date, key: str = "") -> Column:
        mine = [row for row in self._visits.values() if row.practitioner_id == person.id]
        opened = self._clinic_open & self._open(person)
        return self._column(key or person.slug, person.name, on, person.id, opened, mine, person=True)

    def _of_rooms(self) -> list[Column]:
        on = self._asked.on
        columns = []
        known = {room.id for room in self._clinic.rooms}
        for room in self._clinic.rooms:
            mine = [row for row in self._visits.values() if row.room_id == room.id]
            columns.append(
                self._column(room.slug, room.name, on, room.id, self._clinic_open, mine, person=False)
            )
        elsewhere = [row for row in self._visits.values() if row.room_id not in known]
        if elsewhere:
            columns.append(self._column("", "", on, None, self._clinic_open, elsewhere, person=False))
        return columns

    def _column(
        self,
        key: str,
        name: str,
        on: date,
        resource_id: int | None,
        opened: int,
        mine: Iterable[Any],
        *,
        person: bool,
    ) -> Column:
        cell0 = self._cell0(on)
        shown = Window(cell0, self._rows_shown)
        opened = _cut(opened, self._window, shown)
        claimed = self._claimed.get(resource_id or 0, ())
        blocked = 0
        buffers: list[Stretch] = []
        held: list[Stretch] = []
        for one in claimed:
            blocked |= shown.stretch(one.from_cell - one.before, one.to_cell + one.after)
            for from_cell, to_cell in (
                (one.from_cell - one.before, one.from_cell),
                (one.to_cell, one.to_cell + one.after),
            ):
                buffers += _stretches(shown, shown.stretch(from_cell, to_cell))
            if one.hold_id is not None:
                held += _stretches(shown, shown.stretch(one.from_cell, one.to_cell))
        absences: list[Stretch] = []
        for whose, from_cell, to_cell, kind in self._absences:
            if whose == resource_id or (whose is None and person):
                away = shown.stretch(from_cell, to_cell) & (opened if kind != "out_of_use" else shown.full)
                blocked |= away
                absences += _stretches(shown, away, kind)
        now_cell = int(self._now.timestamp()) // CELL_SECONDS
        ahead = shown.stretch(cell_from(self._now), shown.end)
        visits = [self._visit(row, cell0, resource_id) for row in mine if _meets(row, on, self._clinic)]
        return Column(
            key=key,
            name=name,
            on=on,
            cell0=cell0,
            works=bool(opened),
            closed=tuple(_stretches(shown, shown.full & ~opened)),
            absences=tuple(absences),
            held=tuple(held),
            buffers=tuple(buffers),
            free=tuple(_stretches(shown, opened & ~blocked & ahead)) if resource_id else (),
            visits=_in_lanes(visits),
            now_row=now_cell - cell0 if shown.holds(now_cell) else None,
        )

    def _visit(self, row: Any, cell0: int, resource_id: int | None) -> Visit:
        clinic = self._clinic
        person = clinic.practitioner_by_id[row.practitioner_id]
        visit_type = clinic.visit_type_by_id[row.visit_type_id]
        room = self._rooms.get(row.room_id)
        taken = self._parts.get((resource_id or 0, row.id), [])
        if resource_id is None or not taken:
            parts: tuple[Part, ...] = (Part(0, row.to_cell - row.from_cell, True),)
        else:
            parts = tuple(_parts(row.from_cell, row.to_cell, taken))
        needles, out_at = self._needles(row)
        return Visit(
            reference=row.reference,
            patient=f"{row.first_name} {row.last_name}",
            phone=row.phone,
            visit_type=visit_type.name,
            status=row.status,
            confirmed=row.confirmed_at is not None,
            cannot_come=row.cannot_come_at is not None,
            late_minutes=self._late(row),
            needles=needles,
            needles_out_at=out_at,
            note=bool(row.note),
            version=row.version,
            from_cell=row.from_cell,
            to_cell=row.to_cell,
            from_row=row.from_cell - cell0,
            to_row=row.to_cell - cell0,
            parts=parts,
            practitioner=person.name,
            practitioner_slug=person.slug,
            room=room.name if room else "",
            devices=tuple(name for one, name in self._devices.items() if (one, row.id) in self._parts),
        )

    def _late(self, row: Any) -> int:
        """For how many minutes somebody has been late, once it is worth a word."""
        behind = self._now - instant_of(row.from_cell)
        waiting = row.status is Status.BOOKED and behind >= LATE_AFTER and row.to_cell > cell_from(self._now)
        return int(behind.total_seconds()) // 60 if waiting else 0

    def _needles(self, row: Any) -> tuple[Needles, datetime | None]:
        if row.needles_in_at is None or row.needles_out_at is not None:
            return Needles.NONE, None
        hands = self._parts.get((row.practitioner_id, row.id), [])
        rest = hands[1].from_cell - hands[0].to_cell if len(hands) > 1 else 0
        out_at = row.needles_in_at + timedelta(seconds=rest * CELL_SECONDS)
        if overdue(out_at, self._now):
            return Needles.OVER, out_at
        return (Needles.DUE if self._now >= out_at else Needles.IN), out_at


def _parts(from_cell: int, to_cell: int, taken: Iterable[_Claimed]) -> Iterator[Part]:
    """The stretches in which the column's own resource is taken, and those between them, in which it is free."""
    at = from_cell
    for one in taken:
        if one.from_cell > at:
            yield Part(at - from_cell, one.from_cell - at, False)
        yield Part(one.from_cell - from_cell, one.to_cell - one.from_cell, True)
        at = one.to_cell
    if at < to_cell:
        yield Part(at - from_cell, to_cell - at, False)


def _meets(row: Any, on: date, clinic: Clinic) -> bool:
    shown = day_at(on, clinic.zone)
    return bool(row.from_cell < shown.to_cell and row.to_cell > shown.from_cell)


def _cut(timeline: int, window: Window, shown: Window) -> int:
    """A timeline of one window as one of another that overlaps it."""
    later = shown.start - window.start
    return (timeline >> later if later >= 0 else timeline << -later) & shown.full


def _stretches(shown: Window, timeline: int, words: str = "") -> list[Stretch]:
    return [Stretch(first, last, words) for first, last in stretches(timeline)]


def _in_lanes(visits: Iterable[Visit]) -> tuple[Visit, ...]:
    """Those at the same time side by side: each gets the first lane that is free, and as many as its group needs."""
    placed: list[Visit] = []
    group: list[Visit] = []
    ends: list[int] = []

    def close() -> None:
        placed.extend(replace(visit, lanes=len(ends)) for visit in group)
        group.clear()
        ends.clear()

    for visit in sorted(visits, key=lambda one: (one.from_cell, -one.to_cell, one.reference)):
        if ends and visit.from_cell >= max(ends):
            close()
        lane = next((n for n, end in enumerate(ends) if end <= visit.from_cell), len(ends))
        if lane == len(ends):
            ends.append(visit.to_cell)
        ends[lane] = visit.to_cell
        group.append(replace(visit, lane=lane))
    close()
    return tuple(placed)
