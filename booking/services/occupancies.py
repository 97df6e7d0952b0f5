"""What is taken, as timelines: rows become occupancies, and a process keeps them.

What costs is fetching claims, so each process keeps the occupancy of a resource for as long as the version on the
resource's row stands. Three traps are avoided here: what is kept comes from read-only transactions only (a version
that is bumped and rolled back comes again); the version is read before the claims; and an entry also ends when its
earliest hold lapses.
"""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import cached_property
from itertools import chain
from typing import NamedTuple

from flask import current_app
from sqlalchemy import ColumnElement, and_, bindparam, exists, func, literal, null, or_, select, union_all
from sqlalchemy.orm import Session

from booking.models import (
    LONGEST_VISIT,
    Absence,
    Appointment,
    Claim,
    Clinic as ClinicRow,
    Hold,
    Plan,
    Resource,
    ResourceKind,
)
from booking.scheduling.hours import grid, open_timeline, week_start, window_of
from booking.scheduling.occupancy import Occupancy, Taken, Visit
from booking.scheduling.timeline import Window
from booking.services.clinic import Clinic, at_version, kept_at
from booking.services.lookup import Lookup

# Cells around a day that a visit on it may touch: visits and their buffers near midnight.
_MARGIN = 36


@dataclass(frozen=True)
class Ignoring:
    """Whose claims count as free: the visit that is being moved, the visitor's own holds, other visits that are to be given
    up, all that give way (`GIVES_WAY`), but for the patient's `own`: of theirs none is given up unasked.
    """

    appointment_id: int | None = None
    visitor: str | None = None
    others: frozenset[int] = frozenset()
    penciled: bool = False
    own: frozenset[int] = frozenset()

    def __bool__(self) -> bool:
        return self != NOTHING_IGNORED


NOTHING_IGNORED = Ignoring()


class Claimed(NamedTuple):
    """A claim of a visit or a hold, with the hull of its visit."""

    from_cell: int
    to_cell: int
    before: int
    after: int
    appointment_id: int | None
    hold_id: int | None
    visitor: str | None
    lapses_at: datetime | None
    visit_from: int
    visit_to: int
    visit_type_id: int
    gives_way: bool | None

    @property
    def counts_from(self) -> int:
        """The first cell that would be another's without it, the presence of its patient and its buffers included."""
        return min(self.visit_from, self.from_cell - self.before)

    @property
    def counts_to(self) -> int:
        return max(self.visit_to, self.to_cell + self.after)

    def meets(self, window: Window) -> bool:
        return self.from_cell < window.end and window.start < self.to_cell


Stretch = tuple[int, int]


@dataclass(frozen=True)
class Kept:
    """What a process knows of one resource: of one version, within one window."""

    version: int
    clinic_version: int
    window: Window
    claimed: tuple[Claimed, ...]
    # Claims of holds that had lapsed already: they bind nobody, and whoever wants their cells clears them away.
    lapsed: tuple[Claimed, ...]
    absences: tuple[Stretch, ...]
    closures: tuple[Stretch, ...]
    lapses_at: datetime | None
    occupancy: Occupancy
    # The same for the smaller windows that pages ask for again and again.
    slices: dict[Window, Occupancy] = field(default_factory=dict)

    def good_for(self, version: int, clinic: Clinic, window: Window, now: datetime) -> bool:
        return (
            self.version == version
            and self.clinic_version == clinic.version
            and self.window.start <= window.start
            and window.end <= self.window.end
            and (self.lapses_at is None or now < self.lapses_at)
        )

    def only(self, appointment_ids: Set[int], names: Mapping[int, str]) -> "Kept":
        """The same with the claims of these visits and no others."""
        claimed = tuple(one for one in self.claimed if one.appointment_id in appointment_ids)
        occupancy = _occupancy(self.window, claimed, (), names)
        return replace(
            self, claimed=claimed, lapsed=(), absences=(), lapses_at=None, occupancy=occupancy, slices={}
        )

    def within(self, window: Window, ignoring: Ignoring, names: Mapping[int, str]) -> Occupancy:
        found = self._slice(window)
        hidden = self._hidden(ignoring, window) if ignoring else ()
        if hidden:
            # Only the cells in which what is hidden counts are looked at once more.
            hull = Window.of(min(one.counts_from for one in hidden), max(one.counts_to for one in hidden))
            near = [
                one
                for counts_from, counts_to, one in self._hulls
                if counts_from < hull.end and counts_to > hull.start and one not in hidden
            ]
            found = found.replaced(_occupancy(hull, near, self.absences, names))
        return found

    @cached_property
    def _hulls(self) -> list[tuple[int, int, Claimed]]:
        return [(one.counts_from, one.counts_to, one) for one in self.claimed]

    @cached_property
    def giving_way(self) -> tuple[Claimed, ...]:
        """Claims of visits that give way to others."""
        return tuple(one for one in self.claimed if one.gives_way)

    def _hidden(self, ignoring: Ignoring, window: Window) -> Set[Claimed]:
        """What counts in the window and is ignored."""
        of_visit, of_visitor = self._owners
        ignored = chain(
            of_visit.get(ignoring.appointment_id, ()),
            of_visitor.get(ignoring.visitor, ()),
            *(of_visit.get(other, ()) for other in ignoring.others),
            (one for one in self.giving_way if one.appointment_id not in ignoring.own)
            if ignoring.penciled
            else (),
        )
        return {one for one in ignored if one.counts_from < window.end and window.start < one.counts_to}

    @cached_property
    def _owners(self) -> tuple[dict[int | None, list[Claimed]], dict[str | None, list[Claimed]]]:
        """Claims by the visit, and by the visitor who holds them."""
        of_visit: dict[int | None, list[Claimed]] = {}
        of_visitor: dict[str | None, list[Claimed]] = {}
        for one in self.claimed:
            if one.hold_id is None:
                of_visit.setdefault(one.appointment_id, []).append(one)
            else:
                of_visitor.setdefault(one.visitor, []).append(one)
        return of_visit, of_visitor

    def _slice(self, window: Window) -> Occupancy:
        found = self.slices.get(window)
        if found is None:
            # Several threads may come here at once; each goes on with what it has found itself.
            found = self.occupancy.within(window)
            if len(self.slices) > 8:
                self.slices.clear()
            self.slices[window] = found
        return found


@dataclass
class Store:
    """What one process keeps: resources by id, and open cells and grids by clinic version and window."""

    resources: dict[int, Kept] = field(default_factory=dict)
    hours: dict[tuple[int, Window], dict[int, tuple[int, int]]] = field(default_factory=dict)


def _store() -> Store:
    store: Store = current_app.extensions.setdefault("booking_availability", Store())
    return store


# Read with every page of offers, so put together once. 0 stands for the clinic itself.
_VERSIONS = union_all(
    select(literal(0).label("id"), ClinicRow.version),
    select(Resource.id, Resource.version).where(Resource.kind != ResourceKind.PATIENT),
)


_VERSIONS_NOW = Lookup(_VERSIONS)


def shared_versions(session: Session) -> tuple[Clinic, dict[int, int]]:
    """The clinic, and the versions of all practitioners, rooms and devices: one statement."""
    versions: dict[int, int] = dict(session.connection().execute(_VERSIONS).tuples().all())
    return at_version(session, versions.pop(0, None)), versions


def versions_now() -> tuple[Clinic | None, dict[int, int]]:
    """The same outside a transaction, for whoever may find that nothing has changed. The clinic is None where this
    process doesn't have it as it is now.
    """
    versions = dict(_VERSIONS_NOW.all())
    return kept_at(versions.pop(0, None)), versions


def open_window(clinic: Clinic, now: datetime) -> Window:
    """Everything that patients can be offered: from this week's Sunday, for weekly limits, to past the horizon."""
    today = clinic.times.local_date(now)
    return window_for(clinic, week_start(today), today + timedelta(days=clinic.horizon_days + 7))


def window_for(clinic: Clinic, first: date, last: date) -> Window:
    """The window in which starts on these local days are decided: with a margin, since visits and buffers may reach
    past midnight, and in whole weeks if weekly limits have to be counted.
    """
    if any(limit.per == "week" for limit in clinic.limits):
        first, last = week_start(first), week_start(last) + timedelta(days=6)
    days = window_of(first, last, clinic.zone)
    return Window(days.start - _MARGIN, days.length + 2 * _MARGIN)


def within(kind: type[Claim] | type[Appointment]) -> ColumnElement[bool]:
    """Which claims of visits and holds, or which visits, meet the window of a statement's `start` and `end`."""
    return and_(
        kind.to_cell > bindparam("start"),
        kind.from_cell < bindparam("end"),
        # Follows from the line above, as none is longer, and lets the index end where the window ends.
        kind.to_cell < bindparam("end") + LONGEST_VISIT,
    )


# The claims of visits and holds of the resources in a statement's `ids`, and the absences that meet its window.
CLAIMED_WITHIN = and_(
    Claim.resource_id.in_(bindparam("ids", expanding=True)),
    within(Claim),
    # Of the three owners, not the absence. Said as "absence_id IS NULL" it would tempt SQLite to its index on that.
    or_(Claim.appointment_id.is_not(None), Claim.hold_id.is_not(None)),
)
ABSENT_WITHIN = and_(Absence.to_cell > bindparam("start"), Absence.from_cell < bindparam("end"))

# A visit that nobody has decided on gives way to others, if the clinic wants it so. What is penciled in of a plan that its
# patient began is held for them until a practitioner has confirmed the plan.
GIVES_WAY = and_(Appointment.penciled, Plan.confirmed_at.is_not(None))

# Claims of visits and holds; holds of a time at which something is penciled in, which claim nothing, and keep others from its
# practitioner; absences, which have nothing but their resource and their cells; and the clinic's version, which has no end.
_TAKEN = union_all(
    select(
        Claim.resource_id,
        Claim.from_cell,
        Claim.to_cell,
        Claim.before,
        Claim.after,
        Claim.appointment_id,
        Claim.hold_id,
        Hold.visitor,
        Hold.lapses_at,
        func.coalesce(Appointment.from_cell, Hold.from_cell),
        func.coalesce(Appointment.to_cell, Hold.to_cell),
        func.coalesce(Appointment.visit_type_id, Hold.visit_type_id),
        GIVES_WAY,
    )
    .outerjoin(Appointment, Appointment.id == Claim.appointment_id)
    .outerjoin(Plan, Plan.id == Appointment.plan_id)
    .outerjoin(Hold, Hold.id == Claim.hold_id)
    .where(CLAIMED_WITHIN),
    select(
        Hold.practitioner_id,
        Hold.from_cell,
        Hold.to_cell,
        literal(0),
        literal(0),
        null(),
        Hold.id,
        Hold.visitor,
        Hold.lapses_at,
        Hold.from_cell,
        Hold.to_cell,
        Hold.visit_type_id,
        null(),
    ).where(
        Hold.practitioner_id.in_(bindparam("ids", expanding=True)),
        Hold.to_cell > bindparam("start"),
        Hold.from_cell < bindparam("end"),
        ~exists().where(Claim.hold_id == Hold.id),
    ),
    select(
        Absence.resource_id, Absence.from_cell, Absence.to_cell, *(null() for _ in Claimed._fields[2:])
    ).where(ABSENT_WITHIN),
    select(null(), ClinicRow.version, *(null() for _ in Claimed._fields[1:])),
)


def known(
    session: Session,
    clinic: Clinic,
    ids: list[int],
    window: Window,
    now: datetime,
    versions: Mapping[int, int],
    *,
    keep: bool,
) -> dict[int, Kept]:
    """What is taken of these resources: what is kept where it is still good, what the database says where it isn't.

    One statement at the most. `keep` only in a read-only transaction: what is read then stays with the process.
    """
    kept = _store().resources
    # Other threads change what is kept while we look: each entry is taken once, and what was looked at is what is used.
    found = {
        one: entry
        for one in ids
        if (entry := kept.get(one)) and entry.good_for(versions[one], clinic, window, now)
    }
    stale = [one for one in ids if one not in found]
    if stale:
        whole = open_window(clinic, now)
        inside = whole.start <= window.start and window.end <= whole.end
        fresh = _read(session, clinic, stale, whole if keep and inside else window, now, versions)
        if keep and inside:
            kept.update(fresh)
        found |= fresh
    return found


def known_of_patient(
    session: Session, clinic: Clinic, patient_id: int, window: Window, now: datetime
) -> dict[int, Kept]:
    """When a patient is here already. Their version is of no use to anybody: patients aren't kept."""
    return known(session, clinic, [patient_id], window, now, {patient_id: -1}, keep=False)


def hours_of(clinic: Clinic, window: Window, now: datetime) -> dict[int, tuple[int, int]]:
    """For each practitioner the open cells and the grid of starts, kept for one clinic version."""
    kept = _store().hours
    found = kept.get((clinic.version, window))
    if found is not None:
        return found
    whole = open_window(clinic, now)
    if window != whole and whole.start <= window.start and window.end <= whole.end:
        later = window.start - whole.start
        found = {
            one: (open_cells >> later & window.full, starts >> later & window.full)
            for one, (open_cells, starts) in hours_of(clinic, whole, now).items()
        }
    else:
        clinic_open = open_timeline(window, clinic.zone, clinic.hours, clinic.dated_hours)
        found = {}
        for person in clinic.practitioners.values():
            open_cells = clinic_open & open_timeline(window, clinic.zone, person.hours, person.dated_hours)
            found[person.id] = (open_cells, grid(open_cells, clinic.step_cells))
    if len(kept) > 64:
        kept.clear()
    kept[clinic.version, window] = found
    return found


def _read(
    session: Session,
    clinic: Clinic,
    ids: list[int],
    window: Window,
    now: datetime,
    versions: Mapping[int, int],
) -> dict[int, Kept]:
    claimed: dict[int, list[Claimed]] = {one: [] for one in ids}
    lapsed: dict[int, list[Claimed]] = {one: [] for one in ids}
    absences: dict[int | None, list[Stretch]] = {}
    clinic_version = 0
    wanted = {"ids": sorted(ids), "start": window.start, "end": window.end}
    for resource_id, *rest in session.connection().execute(_TAKEN, wanted):
        claim = Claimed(*rest)
        if claim.to_cell is None:
            clinic_version = claim.from_cell
            continue
        if claim.appointment_id is None and claim.hold_id is None:
            absences.setdefault(resource_id, []).append((claim.from_cell, claim.to_cell))
            continue
        lapses = claim.lapses_at is not None and claim.lapses_at <= now
        (lapsed if lapses else claimed)[resource_id].append(claim)
    return {
        one: Kept(
            version=versions[one],
            clinic_version=clinic_version,
            window=window,
            claimed=tuple(claimed[one]),
            lapsed=tuple(lapsed[one]),
            absences=tuple(absences.get(one, ())),
            closures=tuple(absences.get(None, ())),
            lapses_at=min((claim.lapses_at for claim in claimed[one] if claim.lapses_at), default=None),
            occupancy=_occupancy(window, claimed[one], absences.get(one, ()), clinic.visit_type_slugs),
        )
        for one in ids
    }


def _occupancy(
    window: Window, claimed: Iterable[Claimed], absences: Iterable[Stretch], names: Mapping[int, str]
) -> Occupancy:
    claimed = list(claimed)
    visits = {
        (claim.appointment_id, claim.hold_id): Visit(
            claim.visit_from, claim.visit_to, names.get(claim.visit_type_id, "")
        )
        for claim in claimed
    }
    return Occupancy.of(
        window,
        taken=[Taken(claim.from_cell, claim.to_cell, claim.before, claim.after) for claim in claimed],
        absences=absences,
        visits=visits.values(),
    )
