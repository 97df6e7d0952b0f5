"""How a board is drawn: rows of the database become columns, in which every stretch is counted in five-minute rows.

A column is a person, a room or a day of one person. Nothing here asks the database; `board` does.
"""

import enum
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any, NamedTuple

from booking.scheduling.hours import day_at, open_timeline, week_start
from booking.scheduling.needles import overdue, rest
from booking.scheduling.status import Status, lapsed
from booking.scheduling.timeline import Window, cell_from, cell_in, instant_of, stretches
from booking.services.clinic import Clinic, Practitioner

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

    `late_minutes` is 0 until somebody is late; `not_arrived`: it is over, and nobody has said that they came or didn't;
    `unconfirmed`: it is still ahead, and nobody has said that they come, or can't. What is only penciled in is none of these, and
    once it is over, `lapsed`.
    `needles_out_at` is None but while needles are in.
    """

    reference: str
    first_name: str
    last_name: str
    patient_reference: str
    phone: str | None
    visit_type: str
    status: Status
    confirmed: bool
    cannot_come: bool
    penciled: bool
    lapsed: bool
    late_minutes: int
    not_arrived: bool
    unconfirmed: bool
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
    def patient(self) -> str:
        return f"{self.first_name} {self.last_name}"

    @property
    def brief_patient(self) -> str:
        """As in "R. Lima", for where there is no room."""
        return brief(self.patient)

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

    @property
    def brief_name(self) -> str:
        """A person's, as in "Dr. A. Feld"."""
        return brief(self.name)


@dataclass(frozen=True)
class Counts:
    """The day in figures."""

    visits: int
    expected: int
    here: int
    late: int
    not_arrived: int
    unconfirmed: int
    cancelled: int


@dataclass(frozen=True)
class NeedlesIn:
    """Where needles are in at this moment, whatever day the board shows: in whom is only said on the board of their own day."""

    out_at: datetime
    standing: Needles
    reference: str
    room: str
    practitioner: str


@dataclass(frozen=True)
class BoardDay:
    """A board. `hours` has the row of each full hour with its cell, `opens` is the row in which the clinic opens; `clinic`
    has the names and the zone that hold for it; `needles` those who are due first.
    """

    clinic: Clinic
    on: date
    view: View
    rows: int
    hours: tuple[tuple[int, int], ...]
    opens: int
    columns: tuple[Column, ...]
    counts: Counts
    needles: tuple[NeedlesIn, ...]
    is_today: bool

    @property
    def visits(self) -> Iterator[Visit]:
        """Each once, in order of time, then of the columns."""
        seen = [visit for column in self.columns for visit in column.visits]
        return iter(sorted(seen, key=lambda visit: (visit.from_cell, visit.practitioner, visit.reference)))


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


class BoardClaim(NamedTuple):
    from_cell: int
    to_cell: int
    before: int
    after: int
    appointment_id: int | None
    hold_id: int | None


@dataclass(frozen=True)
class Rows:
    """What the database has of some days."""

    visits: tuple[Any, ...]
    claimed: Mapping[int, tuple[BoardClaim, ...]]
    absences: tuple[tuple[int | None, int, int, str], ...]
    needles: tuple[Any, ...]


def brief(name: str) -> str:
    """As in "R. Lima", or "Dr. A. Feld": with the first letters of all names but the last."""
    *others, last = name.split() or [""]
    return " ".join([*(one if one.endswith(".") else f"{one[0]}." for one in others), last])


def window_of(clinic: Clinic, asked: Asked) -> Window:
    first, last = day_at(asked.first, clinic.zone), day_at(asked.last, clinic.zone)
    return Window.of(first.from_cell, last.to_cell)


class Drawing:
    """Rows of the database on their way to a board."""

    def __init__(self, clinic: Clinic, asked: Asked, rows: Rows, now: datetime) -> None:
        self._clinic, self._asked, self._now = clinic, asked, now
        self._visits = {row.id: row for row in rows.visits if row.status is not Status.CANCELLED}
        person = clinic.practitioner(asked.person).id if asked.person else None
        self._cancelled = sum(
            row.status is Status.CANCELLED and person in (None, row.practitioner_id) for row in rows.visits
        )
        self._claimed, self._absences = rows.claimed, rows.absences
        self._needles_now = rows.needles
        self._parts: dict[tuple[int, int], list[BoardClaim]] = {}
        for resource_id, found in rows.claimed.items():
            for claimed in found:
                if claimed.appointment_id is not None:
                    self._parts.setdefault((resource_id, claimed.appointment_id), []).append(claimed)
        self._devices = {thing.id: thing.name for thing in clinic.devices}
        self._rooms = {thing.id: thing for thing in clinic.rooms}
        self._window = window_of(clinic, asked)
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
            opens=self._opens(),
            columns=tuple(columns),
            counts=Counts(
                visits=len(visits),
                expected=sum(row.status is Status.BOOKED for row in visits),
                here=sum(row.status in (Status.ARRIVED, Status.CHECKED_IN) for row in visits),
                late=sum(self._late(row) > 0 for row in visits),
                not_arrived=sum(self._not_arrived(row) for row in visits),
                unconfirmed=sum(self._unconfirmed(row) for row in visits),
                cancelled=self._cancelled,
            ),
            needles=tuple(self._needles_in()),
            is_today=asked.first <= today <= asked.last,
        )

    def _needles_in(self) -> list[NeedlesIn]:
        found = []
        for _, some in groupby(self._needles_now, key=lambda row: row.reference):
            rows = [*some]
            row, room = rows[0], self._rooms.get(rows[0].room_id)
            out_at, standing = self._due(row, [(one.hands_from, one.hands_to) for one in rows])
            found.append(
                NeedlesIn(
                    out_at,
                    standing,
                    row.reference,
                    room.name if room else "",
                    self._clinic.practitioner_by_id[row.practitioner_id].name,
                )
            )
        return sorted(found, key=lambda one: (one.out_at, one.reference))

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

    def _opens(self) -> int:
        """The row in which the clinic opens, on the day on which that is earliest."""
        rows = []
        for on in (self._asked.first + timedelta(days=n) for n in range(7 if self._asked.person else 1)):
            shown = day_at(on, self._clinic.zone)
            opened = self._clinic_open & self._window.stretch(shown.from_cell, shown.to_cell)
            if opened:
                first = self._window.start + (opened & -opened).bit_length() - 1
                rows.append(first - (shown.to_cell - _CELLS_A_DAY) - self._first_row)
        return max(min(rows, default=0), 0)

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
        now_cell = cell_in(self._now)
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
            first_name=row.first_name,
            last_name=row.last_name,
            patient_reference=row.patient_reference,
            phone=row.phone,
            visit_type=visit_type.name,
            status=row.status,
            confirmed=row.confirmed_at is not None,
            cannot_come=row.cannot_come_at is not None,
            penciled=row.penciled,
            lapsed=lapsed(row.status, instant_of(row.to_cell), self._now, penciled=row.penciled),
            late_minutes=self._late(row),
            not_arrived=self._not_arrived(row),
            unconfirmed=self._unconfirmed(row),
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
        waiting = self._is_expected(row) and behind >= LATE_AFTER and not self._is_over(row)
        return int(behind.total_seconds()) // 60 if waiting else 0

    def _not_arrived(self, row: Any) -> bool:
        return self._is_expected(row) and self._is_over(row)

    def _unconfirmed(self, row: Any) -> bool:
        """Of those who are still ahead: whether they have said neither that they come nor that they can't."""
        ahead = instant_of(row.from_cell) > self._now
        return ahead and self._is_expected(row) and row.confirmed_at is None

    def _is_expected(self, row: Any) -> bool:
        """Whoever said that they can't come isn't waited for, nor who never read that the visit is booked."""
        return row.status is Status.BOOKED and row.cannot_come_at is None and not row.penciled

    def _is_over(self, row: Any) -> bool:
        return instant_of(row.to_cell) <= self._now

    def _needles(self, row: Any) -> tuple[Needles, datetime | None]:
        if row.needles_in_at is None or row.needles_out_at is not None:
            return Needles.NONE, None
        hands = self._parts.get((row.practitioner_id, row.id), [])
        out_at, standing = self._due(row, [(one.from_cell, one.to_cell) for one in hands])
        return standing, out_at

    def _due(self, visit: Any, hands: list[tuple[int, int]]) -> tuple[datetime, Needles]:
        """When needles are to come out, and how it stands with that. `hands`: cells of the practitioner's time."""
        out_at: datetime = visit.needles_in_at + rest(visit.from_cell, visit.to_cell, hands)
        if overdue(out_at, self._now):
            return out_at, Needles.OVER
        return out_at, Needles.DUE if self._now >= out_at else Needles.IN


def _parts(from_cell: int, to_cell: int, taken: Iterable[BoardClaim]) -> Iterator[Part]:
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
