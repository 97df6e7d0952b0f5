"""Several days at a glance: the week with its visits, the month in numbers, and when colleagues are busy."""

from calendar import Calendar
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from booking import clock
from booking.errors import NotFound
from booking.models import AbsenceKind
from booking.scheduling.hours import Day, day_at, days_between, week_start
from booking.scheduling.status import Status
from booking.scheduling.timeline import Window, cell_from, instant_of, stretches
from booking.services.clinic import Clinic, Practitioner
from booking.services.occupancies import known, shared_versions, window_for
from booking.services.own_day.day import Away, OwnVisit, open_of, visits_between
from booking.services.own_day.whose import practitioner_of
from booking.services.staff.who import Who
from booking.services.transaction import reading

_SUNDAY_FIRST = Calendar(6)
# Less is over before somebody has crossed the corridor.
SHORTEST_FREE = timedelta(minutes=10)


@dataclass(frozen=True)
class TimeAway:
    """Time off or a closure, as far as it lies on one day. `all_day`: nothing of the working day is left."""

    closure: bool
    all_day: bool
    starts_at: datetime
    ends_at: datetime
    reason: str


@dataclass(frozen=True)
class WeekDay:
    """A day of the week. `works`: somebody may be booked on it, time off left aside."""

    on: date
    is_today: bool
    is_over: bool
    works: bool
    opens_at: datetime | None
    closes_at: datetime | None
    visits: tuple[OwnVisit, ...]
    away: tuple[TimeAway, ...]

    @property
    def is_shown(self) -> bool:
        return self.works or bool(self.visits) or bool(self.away)


@dataclass(frozen=True)
class Week:
    """A week from Sunday on."""

    clinic: Clinic
    practitioner: Practitioner
    first: date
    days: tuple[WeekDay, ...]

    @property
    def is_present(self) -> bool:
        return any(day.is_today for day in self.days)

    @property
    def last(self) -> date:
        return self.first + timedelta(days=6)

    @property
    def before(self) -> date:
        return self.first - timedelta(days=7)

    @property
    def after(self) -> date:
        return self.first + timedelta(days=7)


@dataclass(frozen=True)
class MonthDay:
    """A day in numbers. `inside`: it belongs to the month; the days around it fill the weeks."""

    on: date
    inside: bool
    is_today: bool
    works: bool
    visits: int
    minutes: int
    away: bool


@dataclass(frozen=True)
class Month:
    clinic: Clinic
    first: date
    weeks: tuple[tuple[MonthDay, ...], ...]

    @property
    def before(self) -> date:
        return (self.first - timedelta(days=1)).replace(day=1)

    @property
    def after(self) -> date:
        return (self.first + timedelta(days=32)).replace(day=1)


@dataclass(frozen=True)
class Stretch:
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True)
class Colleague:
    """A colleague's day: when they are taken and when they are free. Not by whom, and not why.

    `next_free`: the first stretch, or what is left of it, in which somebody could ask them for something.
    """

    name: str
    busy: tuple[Stretch, ...]
    free: tuple[Stretch, ...]
    next_free: Stretch | None

    def is_free(self, now: datetime) -> bool:
        return self.next_free is not None and self.next_free.starts_at <= now

    @property
    def works(self) -> bool:
        return bool(self.busy or self.free)


@dataclass(frozen=True)
class ColleaguesDay:
    """`people`: whoever is free first stands first, then who has no time left, then who doesn't work on that day."""

    clinic: Clinic
    on: date
    now: datetime
    people: tuple[Colleague, ...]


def own_week(who: Who, on: date | None = None) -> Week:
    """The week in which a date lies; this one, if none is given. Raises NotFound for who gives no visits."""
    now = clock.now()
    with reading() as session:
        clinic, _ = shared_versions(session)
        person = practitioner_of(clinic, who)
        today = clinic.times.local_date(now)
        first = week_start(on or today)
        days = days_between(first, first + timedelta(days=6), clinic.zone)
        window = Window.of(days[0].from_cell, days[-1].to_cell)
        visits, absences = visits_between(session, clinic, person, window)
    shown = tuple(_week_day(clinic, person, day, today, visits, absences) for day in days)
    return Week(clinic, person, first, shown)


def own_month(who: Who, month: date | None = None) -> Month:
    """The month of a date in whole weeks; this one, if none is given. Raises NotFound for who gives no visits."""
    now = clock.now()
    with reading() as session:
        clinic, _ = shared_versions(session)
        person = practitioner_of(clinic, who)
        today = clinic.times.local_date(now)
        first = (month or today).replace(day=1)
        weeks = _SUNDAY_FIRST.monthdatescalendar(first.year, first.month)
        days = days_between(weeks[0][0], weeks[-1][-1], clinic.zone)
        window = Window.of(days[0].from_cell, days[-1].to_cell)
        visits, absences = visits_between(session, clinic, person, window)
    by_date = {
        day.on: _month_day(_week_day(clinic, person, day, today, visits, absences), first) for day in days
    }
    return Month(clinic, first, tuple(tuple(by_date[on] for on in week) for week in weeks))


def colleagues_day(who: Who, on: date | None = None) -> ColleaguesDay:
    """When colleagues are free or busy on a day, today if none is given.

    Raises NotFound for who gives no visits, and where the clinic doesn't want it seen.
    """
    now = clock.now()
    with reading() as session:
        clinic, versions = shared_versions(session)
        own = practitioner_of(clinic, who)
        if clinic.colleagues != "busy":
            raise NotFound
        shown = on or clinic.times.local_date(now)
        others = [person for person in clinic.practitioners.values() if person.id != own.id]
        window = window_for(clinic, shown, shown)
        taken = known(session, clinic, [person.id for person in others], window, now, versions, keep=False)
    day = day_at(shown, clinic.zone)
    inside = window.stretch(day.from_cell, day.to_cell)
    people = []
    for person in others:
        entry = taken[person.id]
        absent = 0
        for from_cell, to_cell in (*entry.absences, *entry.closures):
            absent |= window.stretch(from_cell, to_cell)
        busy = 0
        for claim in entry.claimed:
            busy |= window.stretch(claim.from_cell, claim.to_cell)
        open_cells = open_of(clinic, person, window) & inside
        free = open_cells & ~busy & ~absent
        taken_up = _stretches(window, (open_cells | busy & inside) & (busy | absent))
        open_stretches = _stretches(window, free)
        people.append(Colleague(person.name, taken_up, open_stretches, _next_free(open_stretches, now)))
    midnight = instant_of(day.to_cell)
    people.sort(key=lambda one: (not one.works, one.next_free.starts_at if one.next_free else midnight))
    return ColleaguesDay(clinic, shown, now, tuple(people))


def _next_free(free: Iterable[Stretch], now: datetime) -> Stretch | None:
    left = (Stretch(max(one.starts_at, now), one.ends_at) for one in free)
    return next((one for one in left if one.ends_at - one.starts_at >= SHORTEST_FREE), None)


def _week_day(
    clinic: Clinic,
    person: Practitioner,
    day: Day,
    today: date,
    visits: Iterable[OwnVisit],
    absences: Iterable[Away],
) -> WeekDay:
    window = Window.of(day.from_cell, day.to_cell)
    open_cells = open_of(clinic, person, window)
    hours = _stretches(window, open_cells)
    own = tuple(visit for visit in visits if day.from_cell <= cell_from(visit.starts_at) < day.to_cell)
    away = []
    for absence in absences:
        cells = window.stretch(absence.from_cell, absence.to_cell)
        if not cells:
            continue
        all_day = not open_cells & ~cells
        ends = _stretches(window, cells)[0]
        closure = absence.kind is AbsenceKind.CLOSURE
        away.append(TimeAway(closure, all_day, ends.starts_at, ends.ends_at, absence.reason))
    return WeekDay(
        on=day.on,
        is_today=day.on == today,
        is_over=day.on < today,
        works=bool(open_cells),
        opens_at=hours[0].starts_at if hours else None,
        closes_at=hours[-1].ends_at if hours else None,
        visits=own,
        away=tuple(sorted(away, key=lambda one: one.starts_at)),
    )


def _month_day(day: WeekDay, month: date) -> MonthDay:
    standing = [visit for visit in day.visits if visit.status is not Status.CANCELLED]
    return MonthDay(
        on=day.on,
        inside=day.on.replace(day=1) == month,
        is_today=day.is_today,
        works=day.works,
        visits=len(standing),
        minutes=sum(visit.minutes for visit in standing),
        away=bool(day.away),
    )


def _stretches(window: Window, timeline: int) -> tuple[Stretch, ...]:
    return tuple(
        Stretch(instant_of(window.start + first), instant_of(window.start + last))
        for first, last in stretches(timeline)
    )
