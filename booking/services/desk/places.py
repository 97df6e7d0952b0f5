"""Where a visit could go: what is free, what needs a reason, and why not. The change itself asks the same engine."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from functools import reduce
from heapq import merge
from itertools import islice
from operator import itemgetter, or_
from typing import Any

from sqlalchemy.orm import Session

from booking import clock
from booking.errors import NotOffered
from booking.models import Appointment
from booking.scheduling.hours import days_between
from booking.scheduling.latitude import OF_THE_WISH, Breach, Latitude, Taken
from booking.scheduling.offers import Use
from booking.scheduling.status import Status
from booking.scheduling.timeline import Window, instant_of, places as places_in, stretches
from booking.services.claims import uses_of
from booking.services.clinic import Clinic, Practitioner, the_clinic
from booking.services.desk.asking import (
    Answer,
    Place,
    Wanted,
    asked,
    elsewhere,
    in_the_way_at,
    refuse_absurd,
    wanted,
)
from booking.services.desk.moving import facts_of, refuse_settled, what_gives_way, where_it_begins
from booking.services.desk.panel import Head
from booking.services.occupancies import open_window, versions_now, window_for
from booking.services.staff.ownership import appointment_for
from booking.services.staff.who import Who
from booking.services.transaction import reading

Stretch = tuple[int, int]
_Free = tuple[int, bool, str, Latitude, bool]
OwnStart = tuple[tuple[Taken, ...], tuple[Breach, ...]]

LONGEST_LOOK = 62  # Days that are shown at once.
DAYS_SEARCHED = 60  # Unless somebody says until when.
_LOOKED_AT_FIRST = 7  # Days, each weekday once: they have enough times for nearly everybody.
NOON = time(12)


@dataclass(frozen=True)
class Hindrance:
    """What keeps a place: a code of `Taken` or `Breach`. `hard`: nobody can pass it.

    `facts`: for something taken {"with_": [...]} as in Clash, for the patient's other visit those of PatientElsewhere.
    """

    code: str
    hard: bool
    facts: dict[str, Any]


@dataclass(frozen=True)
class Starts:
    """Starts of one practitioner, as half-open stretches of five-minute cells, in order. `soon`: those of
    `with_reason` that are only sooner than the clinic's notice.
    """

    free: tuple[Stretch, ...]
    with_reason: tuple[Stretch, ...]
    soon: tuple[Stretch, ...] = ()


@dataclass(frozen=True)
class Places:
    """All places of a visit on some days, by the practitioner's slug. `cells`: length of the visit with each.

    `from_cell` and `to_cell` are the first cell of the first day and the cell after the last.
    """

    reference: str
    from_cell: int
    to_cell: int
    practitioners: dict[str, Starts]
    cells: dict[str, int]
    _who: Who = field(repr=False)
    _clinic: Clinic = field(repr=False)
    _appointment: Appointment = field(repr=False)
    _answer: Answer = field(repr=False)
    _now: datetime = field(repr=False)
    # What keeps it from its own start.
    _own_start: OwnStart = field(repr=False)
    _place: Place | None = field(repr=False)

    def why(self, slug: str, cell: int) -> list[Hindrance]:
        """What keeps this start with this practitioner; empty where all rules are kept, or where the visit stands as it is.

        A practitioner who doesn't give such visits, or isn't there, is hindrance enough; so is a cell of other days.
        """
        person = self._clinic.person(slug)
        latitude = self._answer.by_practitioner.get(person.id) if person else None
        if latitude is None or person is None or not self.from_cell <= cell < self.to_cell:
            return [Hindrance(Taken.NOT_OFFERED.value, True, {})]
        if _under_way(self._appointment) and cell != self._appointment.from_cell:
            return [Hindrance(Taken.UNDER_WAY.value, True, {})]
        stands = _stands(self._appointment, person, cell)
        taken, breaches = self._own_start if stands else (latitude.taken_at(cell), latitude.breaches_at(cell))
        found = []
        if taken:
            with reading() as session:
                found = [self._hindrance(session, person, cell, code) for code in taken]
        facts = facts_of(self._answer, breaches)
        if Breach.PENCILED in breaches and not taken:
            facts[Breach.PENCILED] = self._what_gives_way(slug, cell)
        return [*found, *(Hindrance(code.value, False, facts.get(code.value, {})) for code in breaches)]

    def _what_gives_way(self, slug: str, cell: int) -> dict[str, Any]:
        place = replace(self._place or Place(), starts_at=instant_of(cell), practitioner=slug)
        with reading() as session:
            return what_gives_way(session, self._who, self._clinic, self._appointment, place, self._now)

    def _hindrance(self, session: Session, person: Practitioner, cell: int, code: Taken) -> Hindrance:
        visit = self._appointment
        if code is Taken.PATIENT_ELSEWHERE:
            length = self._answer.situation.by_id[person.id].shape.length
            other = elsewhere(session, self._clinic, visit, cell, cell + length)
            return Hindrance(code.value, True, other or {})
        with_ = in_the_way_at(
            session, self._clinic, self._who, visit, self._answer, person.id, cell, [code], self._now
        )
        return Hindrance(code.value, True, {"with_": with_})


@dataclass(frozen=True)
class FreeTime:
    """A start at which all rules are kept, with one practitioner. `soon`: all but the clinic's notice."""

    starts_at: datetime
    ends_at: datetime
    practitioner: Practitioner
    soon: bool = False


def places(who: Who, reference: str, first: date, days: int = 1, *, place: Place | None = None) -> Places:
    """Where this visit can go on `days` local days from `first` on, 62 at the most; with `place`, as it would be with
    another type, length, room or devices.

    Raises NotFound, NotChangeable, NotOffered, BeyondHorizon for days that are years away.
    """
    now = clock.now()
    with reading() as session:
        clinic = the_clinic(session)
        refuse_absurd(clinic, first, now)
        appointment = appointment_for(session, who, reference)
        last = first + timedelta(days=min(max(days, 1), LONGEST_LOOK) - 1)
        uses = uses_of(session, appointment)
        wish = _wish(clinic, appointment, uses, place)
        answer = asked(session, clinic, appointment, uses, wish, window_for(clinic, first, last), now)
        shown = days_between(first, last, clinic.zone)
        from_cell, to_cell = shown[0].from_cell, shown[-1].to_cell
        # Where it stands it may stay, whatever the rules say by now.
        own_start: OwnStart = where_it_begins(session, clinic, appointment, place, now) if place else ((), ())
        return Places(
            reference=appointment.reference,
            from_cell=from_cell,
            to_cell=to_cell,
            practitioners={
                one.person.slug: _starts(appointment, answer, one.person.id, from_cell, to_cell, own_start)
                for one in answer.by_practitioner.values()
            },
            cells={one.person.slug: one.person.shape.length for one in answer.by_practitioner.values()},
            _who=who,
            _clinic=clinic,
            _appointment=appointment,
            _answer=answer,
            _now=now,
            _own_start=own_start,
            _place=place,
        )


def find_times(
    found: Head,
    *,
    first: date | None = None,
    days: int = DAYS_SEARCHED,
    weekdays: tuple[int, ...] | None = None,
    part: str = "",
    place: Place | None = None,
    limit: int = 12,
) -> list[FreeTime]:
    """The next times at which a visit keeps all rules, on the clinic's grid and where a free stretch begins, soonest
    first; where several people are free, the visit's own first, then by name. With `place`, as it would be with that
    person, type, length, room or devices: a rule that such a wish breaks wherever it goes is left aside.

    `first` is today if left out. `weekdays`: Monday is 0. `part`: "", "morning" (before noon) or "afternoon".
    Raises NotFound for an unknown practitioner, NotChangeable, BeyondHorizon.
    """
    now = clock.now()
    clinic, appointment = found.clinic, found.appointment
    today = clinic.times.local_date(now)
    first = max(first or today, today)
    refuse_absurd(clinic, first, now)
    if place and place.practitioner:
        clinic.practitioner(place.practitioner)
    if _under_way(appointment):
        return []
    try:
        wish = _wish(clinic, appointment, found.uses, place)
    except NotOffered:
        return []
    # Beyond the horizon no rule is kept.
    last = min(
        first + timedelta(days=min(max(days, 1), 366) - 1), today + timedelta(days=clinic.horizon_days)
    )
    shown = days_between(first, last, clinic.zone)
    free: list[FreeTime] = []
    _, versions = versions_now()
    with reading() as session:
        for week in (shown[:_LOOKED_AT_FIRST], shown[_LOOKED_AT_FIRST:]):
            some = [day for day in week if weekdays is None or day.on.weekday() in weekdays]
            if not some:
                continue
            window = window_for(clinic, some[0].on, some[-1].on)
            answer = asked(session, clinic, appointment, found.uses, wish, window, now, versions=versions)
            cells = reduce(or_, (window.stretch(day.from_cell, day.to_cell) for day in some))
            free += _free(clinic, appointment, place, answer, cells, part, limit=limit - len(free))
            if len(free) >= limit:
                break
    return free


def nearest(
    who: Who, reference: str, place: Place, *, limit: int = 3, apart: timedelta = timedelta()
) -> list[FreeTime]:
    """For a place that can't be: the starts around it at which the same wish, with the same person, breaks no other rule,
    but perhaps the clinic's notice; so far apart at least, and in order. Raises NotFound, NotChangeable.
    """
    now = clock.now()
    with reading() as session:
        clinic = the_clinic(session)
        appointment = appointment_for(session, who, reference)
        refuse_settled(appointment)
        if _under_way(appointment):
            return []
        uses = uses_of(session, appointment)
        try:
            wish = wanted(clinic, appointment, uses, place)
            answer = asked(session, clinic, appointment, uses, wish, open_window(clinic, now), now)
        except NotOffered:
            return []
    at = place.starts_at or appointment.starts_at
    found = _free(clinic, appointment, place, answer, answer.situation.window.full, soon=True)
    found.sort(key=lambda one: abs(one.starts_at - at))
    near: list[FreeTime] = []
    for one in found:
        if len(near) == limit:
            break
        if all(abs(one.starts_at - other.starts_at) >= apart for other in near):
            near.append(one)
    return sorted(near, key=lambda one: one.starts_at)


def _wish(clinic: Clinic, appointment: Appointment, uses: tuple[Use, ...], place: Place | None) -> Wanted:
    """What a page asks about: everybody who could give the visit, where it names nobody."""
    refuse_settled(appointment)
    anyone = place is None or place.practitioner is None
    return wanted(clinic, appointment, uses, place or Place(), anyone=anyone)


def _starts(
    appointment: Appointment,
    answer: Answer,
    practitioner_id: int,
    from_cell: int,
    to_cell: int,
    own_start: OwnStart,
) -> Starts:
    latitude, window = answer.by_practitioner[practitioner_id], answer.situation.window
    shown = window.stretch(from_cell, to_cell)
    if _under_way(appointment):
        shown &= window.bit(appointment.from_cell)
    taken, breaches = own_start
    stands = window.bit(appointment.from_cell) if practitioner_id == appointment.practitioner_id else 0
    free = 0 if taken or breaches else stands
    with_reason = stands if breaches and not taken else 0
    return Starts(
        free=_in_cells(window, (latitude.free & ~stands | free) & shown),
        with_reason=_in_cells(window, (latitude.with_reason & ~stands | with_reason) & shown),
        soon=_in_cells(window, latitude.but_for(Breach.TOO_SOON) & ~latitude.free & ~stands & shown),
    )


def _in_cells(window: Window, timeline: int) -> tuple[Stretch, ...]:
    return tuple((window.start + first, window.start + last) for first, last in stretches(timeline))


def _stands(appointment: Appointment, person: Practitioner, cell: int) -> bool:
    return cell == appointment.from_cell and person.id == appointment.practitioner_id


def _under_way(appointment: Appointment) -> bool:
    """Whether its start can't be changed any more."""
    return appointment.status is Status.CHECKED_IN


def _free(
    clinic: Clinic,
    appointment: Appointment,
    place: Place | None,
    answer: Answer,
    shown: int,
    part: str = "",
    *,
    soon: bool = False,
    limit: int | None = None,
) -> list[FreeTime]:
    """The free starts among these cells, whatever rule the wish itself breaks; with `soon` also those that are only sooner
    than the clinic's notice. Where the visit stands is none, unless it would be another kind of visit, or in another room.
    With `limit` the first ones.
    """
    as_it_is = place is None or replace(place, starts_at=None, practitioner=None) == Place()

    def of(latitude: Latitude) -> Iterator[_Free]:
        person, window = clinic.practitioner_by_id[latitude.person.id], latitude.window
        theirs = person.id == appointment.practitioner_id
        kept = latitude.but_for(*OF_THE_WISH)
        starts = latitude.but_for(*OF_THE_WISH, Breach.TOO_SOON) if soon else kept
        # Also where a free stretch begins beside the grid: else it might be missed.
        begins = starts & ~(starts << 1)
        if as_it_is and theirs:
            starts &= ~window.bit(appointment.from_cell)
        for at in places_in(starts & (latitude.person.grid | begins) & shown):
            cell = window.start + at
            if not part or _in_the_morning(clinic, cell) == (part == "morning"):
                yield cell, not theirs, person.name, latitude, not kept >> at & 1

    # Each has them in order, so that no more are looked at than are shown.
    found = islice(merge(*map(of, answer.by_practitioner.values()), key=itemgetter(0, 1, 2)), limit)
    return [
        FreeTime(
            instant_of(cell),
            instant_of(cell + latitude.person.shape.length),
            clinic.practitioner_by_id[latitude.person.id],
            is_soon,
        )
        for cell, _, _, latitude, is_soon in found
    ]


def _in_the_morning(clinic: Clinic, cell: int) -> bool:
    return instant_of(cell).astimezone(clinic.zone).time() < NOON
