"""Time off: entered, shown with what is booked in it, and taken back, by practitioners for themselves or by the desk.

What is booked stays until somebody moves it; the time off takes what is free at once and the rest as it comes free
(`booking.services.absences`).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking import clock
from booking.errors import NotFound
from booking.models import Absence, AbsenceKind, Appointment, BookableBy, Plan
from booking.scheduling.hours import Hours, open_timeline, window_of
from booking.scheduling.status import LIVE
from booking.scheduling.timeline import Window, cell_from, instant_of
from booking.services import absences
from booking.services.clinic import Clinic, Practitioner, the_clinic
from booking.services.idempotency import Answer, Key, once
from booking.services.own_day.day import open_of
from booking.services.own_day.elsewhere import Elsewhere
from booking.services.own_day.whose import practitioner_of
from booking.services.plans.places import PlanPlace, places_of
from booking.services.plans.reading import PlanView, view
from booking.services.plans.suffering import TimesThatKeep
from booking.services.proposed import Proposed
from booking.services.search import FreeTime
from booking.services.staff import audit
from booking.services.staff.who import Who
from booking.services.transaction import reading

# So many visits have their free times at once, as of a full week; not those of a quarter of a year.
TIMES_A_PAGE = 60
LISTED = 200


@dataclass(frozen=True)
class Wanted:
    """Days off, both included; with `opens` and `closes` these hours of each of them. Midnight closes the day."""

    first: date
    last: date
    opens: time | None = None
    closes: time | None = None
    reason: str = ""

    def stretches(self, zone: ZoneInfo) -> Iterator[tuple[int, int]]:
        """The same in cells; none for hours that no clock shows on that day."""
        if self.opens is None and self.closes is None:
            window = window_of(self.first, self.last, zone)
            yield window.start, window.end
            return
        for number in range((self.last - self.first).days + 1):
            on = self.first + timedelta(days=number)
            window = window_of(on, on, zone)
            hours = Hours(on.weekday(), self.opens or time(0), self.closes or time(0))
            cells = open_timeline(window, zone, [hours])
            if cells:
                yield window.start + (cells & -cells).bit_length() - 1, window.start + cells.bit_length()


@dataclass(frozen=True)
class Inside:
    """A visit that still stands in somebody's time off, and free times near its own: one that stays free if those of the
    visits before it are taken; for a visit of a `plan`, those that keep its rules. They are looked for on one `page` of the
    visits only.
    """

    reference: str
    starts_at: datetime
    name: str
    page: int
    free: tuple[FreeTime, ...]
    plan: PlanPlace | None = None


@dataclass(frozen=True)
class TimeOff:
    """Time off that isn't over. `in_file`: the clinic's file says it, and so only the file can take it back."""

    id: int
    practitioner: Practitioner
    starts_at: datetime
    ends_at: datetime
    whole_days: bool
    reason: str
    in_file: bool
    inside: tuple[Inside, ...]

    @property
    def last_moment(self) -> datetime:
        """An instant on the last day: whole days end at the midnight that belongs to the next."""
        return self.ends_at - timedelta(minutes=1)

    @property
    def many_days(self) -> bool:
        return self.ends_at - self.starts_at > timedelta(hours=25)


@dataclass(frozen=True)
class Listed:
    """Time off that isn't over, soonest first. `beyond`: what was asked for besides and stands further on; `later`: from which
    day on there is more, None if this is all.
    """

    clinic: Clinic
    entries: tuple[TimeOff, ...]
    beyond: tuple[TimeOff, ...]
    later: date | None


def listed(
    who: Who,
    practitioner: str | None = None,
    *,
    since: date | None = None,
    besides: Iterable[int] = (),
    page: int = 1,
) -> Listed:
    """Time off that isn't over, or with `since` before that day: of one practitioner, or for the desk of all; and `besides`,
    by their ids, wherever they stand. The visits inside have free times on this `page` of them.

    Raises NotFound for somebody else's.
    """
    now = clock.now()
    with reading() as session:
        clinic = the_clinic(session)
        people = _people(clinic, who, practitioner)
        from_cell = window_of(since, since, clinic.zone).start if since else 0
        to_come = (
            select(Absence)
            .where(
                Absence.kind == AbsenceKind.TIME_OFF,
                Absence.resource_id.in_(people),
                Absence.to_cell > cell_from(now),
            )
            .order_by(Absence.from_cell, Absence.id)
        )
        here = session.scalars(to_come.where(Absence.to_cell > from_cell).limit(LISTED + 1)).all()
        here, further = here[:LISTED], here[LISTED:]
        named = set(besides) - {entry.id for entry in here}
        beyond = session.scalars(to_come.where(Absence.id.in_(named))).all() if named else []
        visits = {entry.id: _visits_in(session, entry, now) for entry in (*here, *beyond)}
        inside = _with_times(session, clinic, [one for there in visits.values() for one in there], page)

        def shown(entries: Iterable[Absence]) -> tuple[TimeOff, ...]:
            return tuple(
                TimeOff(
                    id=entry.id,
                    practitioner=people[entry.resource_id or 0],
                    starts_at=instant_of(entry.from_cell),
                    ends_at=instant_of(entry.to_cell),
                    whole_days=_whole_days(clinic, entry),
                    reason=entry.reason,
                    in_file=entry.file_key is not None,
                    inside=tuple(inside[one.id] for one in visits[entry.id]),
                )
                for entry in entries
            )

        later = clinic.times.local_date(instant_of(further[0].from_cell)) if further else None
        return Listed(clinic, shown(here), shown(beyond), later)


def enter(who: Who, practitioner: str | None, wanted: Wanted, *, key: str) -> list[int]:
    """Enters time off, once per key: for whoever asks if no practitioner is named. Returns the ids of what was entered.

    Raises NotFound for somebody else's, KeyReused.
    """

    def action(session: Session) -> Answer:
        clinic = the_clinic(session)
        person = _person(clinic, who, practitioner)
        entered = []
        for from_cell, to_cell in wanted.stretches(clinic.zone):
            absence = absences.enter(
                session,
                AbsenceKind.TIME_OFF,
                person.id,
                from_cell,
                to_cell,
                reason=wanted.reason,
                account_id=who.account_id,
            )
            entered.append(absence.id)
            audit.did(session, who, "entered time off", f"absence/{absence.id}", practitioner=person.slug)
        return {"ids": entered}

    content = [
        "time off",
        practitioner,
        wanted.first,
        wanted.last,
        wanted.opens,
        wanted.closes,
        wanted.reason,
    ]
    ids: list[int] = once(Key.of(who.key, key, content), action)["ids"]
    return ids


def changes_nothing(clinic: Clinic, entry: TimeOff) -> bool:
    """Whether nobody works in this time anyway."""
    window = Window.of(cell_from(entry.starts_at), cell_from(entry.ends_at))
    return not open_of(clinic, entry.practitioner, window)


def own_name(who: Who) -> str:
    """The slug of the practitioner that this account is. Raises NotFound for who gives no visits."""
    with reading() as session:
        return practitioner_of(the_clinic(session), who).slug


def take_back(who: Who, absence_id: int, *, key: str, practitioner: str | None = None) -> None:
    """Ends time off, once per key: its time can be booked again. With `practitioner`, only theirs.

    Raises NotFound for somebody else's, and for what the clinic's file says; KeyReused.
    """

    def action(session: Session) -> Answer:
        clinic = the_clinic(session)
        absence = session.get(Absence, absence_id, with_for_update=True)
        if (
            absence is None
            or absence.kind is not AbsenceKind.TIME_OFF
            or absence.file_key is not None
            or absence.resource_id not in _people(clinic, who, practitioner)
        ):
            raise NotFound
        person = clinic.practitioner_by_id[absence.resource_id]
        absences.take_back(session, absence)
        audit.did(session, who, "took back time off", f"absence/{absence_id}", practitioner=person.slug)
        return {}

    once(Key.of(who.key, key, ["take back", absence_id]), action)


def _people(clinic: Clinic, who: Who, practitioner: str | None) -> dict[int, Practitioner]:
    """Those whose time off somebody may see and change."""
    if practitioner is None and who.sees_everybody:
        return {person.id: person for person in clinic.practitioners.values()}
    person = _person(clinic, who, practitioner)
    return {person.id: person}


def _person(clinic: Clinic, who: Who, practitioner: str | None) -> Practitioner:
    if practitioner is None:
        return practitioner_of(clinic, who)
    person = clinic.practitioner(practitioner)
    if not who.sees_everybody and person.id != who.practitioner_id:
        raise NotFound
    return person


def _visits_in(session: Session, absence: Absence, now: datetime) -> list[Appointment]:
    """Visits that stand in an absence, rests included: nobody is away while a patient of theirs lies with needles."""
    return list(
        session.scalars(
            select(Appointment)
            .where(
                Appointment.practitioner_id == absence.resource_id,
                Appointment.to_cell > max(absence.from_cell, cell_from(now)),
                Appointment.from_cell < absence.to_cell,
                Appointment.status.in_(LIVE),
            )
            .order_by(Appointment.from_cell, Appointment.id)
        )
    )


def _with_times(
    session: Session, clinic: Clinic, visits: Iterable[Appointment], page: int
) -> dict[int, Inside]:
    """By their ids these visits, those of this page with free times."""
    each = {visit.id: visit for visit in visits}
    pages = {id_: number // TIMES_A_PAGE + 1 for number, id_ in enumerate(each)}
    shown = [visit for visit in each.values() if pages[visit.id] == page]
    free = _free_times(session, clinic, shown)
    places = places_of(session, clinic, {one.plan_id for one in each.values() if one.plan_id is not None})
    return {
        visit.id: Inside(
            reference=visit.reference,
            starts_at=visit.starts_at,
            name=f"{visit.first_name} {visit.last_name}",
            page=pages[visit.id],
            free=free.get(visit.id, ()),
            plan=places.get(visit.id),
        )
        for visit in each.values()
    }


def _free_times(
    session: Session, clinic: Clinic, visits: Sequence[Appointment]
) -> dict[int, tuple[FreeTime, ...]]:
    proposed = Proposed()
    elsewhere = Elsewhere(session, (one.patient_id for one in visits if one.plan_id is None), proposed)
    keeping, plans = TimesThatKeep(BookableBy.STAFF, proposed), dict[int, PlanView]()
    found = dict[int, tuple[FreeTime, ...]]()
    for visit in visits:
        if visit.plan_id is None:
            one = elsewhere.place_for(visit)
            found[visit.id] = (one,) if one else ()
            continue
        if visit.plan_id not in plans:
            plans[visit.plan_id] = view(session, clinic, session.get_one(Plan, visit.plan_id))
        times = keeping.of(plans[visit.plan_id], visit.reference)
        found[visit.id] = tuple(FreeTime(kept.starts_at, kept.practitioner) for kept in times)
    return found


def _whole_days(clinic: Clinic, absence: Absence) -> bool:
    first = clinic.times.local_date(instant_of(absence.from_cell))
    last = clinic.times.local_date(instant_of(absence.to_cell - 1))
    window = window_of(first, last, clinic.zone)
    return (window.start, window.end) == (absence.from_cell, absence.to_cell)
