"""What the coverage of a plan's patient leaves for its visits. Of somebody whom we don't know nothing is said."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import count
from types import MappingProxyType
from typing import NamedTuple

from sqlalchemy.orm import Session

from booking import clock
from booking.errors import BeyondCoverage
from booking.models import Actor, Appointment, BookableBy, Plan
from booking.scheduling.allowances.counting import Left, Mark, Pool, Visit, besides
from booking.services.allowances import (
    Allowances,
    OfVisit,
    Planned,
    allowances_of,
    asks_first,
    counted,
    of_visit,
    pools_of,
    visits_of_patients,
)
from booking.services.clinic import Clinic, the_clinic
from booking.services.plans.besides import may_know
from booking.services.plans.reading import PlanView
from booking.services.plans.weeks import Week
from booking.services.transaction import reading
from booking.services.visits import Visit as PatientsVisit


class Allowed(NamedTuple):
    """`left`: of each pool today, and in each later window in which a visit lies. `beyond`: the marks of visits that may not be
    covered, by their numbers; `stops`: whether staff are to be asked before these are booked. `pushed`: by their references when
    visits begin that are booked and would be beyond because of them.
    """

    left: tuple[Left, ...]
    beyond: dict[int, Mark]
    stops: bool
    pushed: Mapping[str, datetime] = MappingProxyType({})


def allowed(
    plan: PlanView | None,
    chosen: Sequence[Planned],
    without: Collection[str] = (),
    until: datetime | None = None,
) -> Allowed:
    """What is left of the coverage that is recorded, once visits are booked that are about to be, and others are gone
    (`without`, by their references). `until`: when the last visit is of which it is asked, where that isn't one of these.
    """
    if plan is None:
        return Allowed((), {}, stops=False)
    return allowed_to(plan.clinic, plan.patient_id, chosen, without, until)


def allowed_to(
    clinic: Clinic,
    patient_id: int,
    chosen: Sequence[Planned],
    without: Collection[str] = (),
    until: datetime | None = None,
) -> Allowed:
    """The same for a patient."""
    with reading() as session:
        found = allowances_of(session, clinic, patient_id, clock.now(), chosen, without)
    today = clinic.times.local_date(clock.now())
    last = clinic.times.local_date(until) if until else today
    counts = found.count.left_until(today, last)
    left = tuple(one for one in counts if not (ends := one.pool.terms.ends) or today <= ends)
    beyond = {number: mark for number, mark in enumerate(found.these) if mark.beyond}
    pushed = {reference: found.starts[reference] for reference in found.pushed}
    return Allowed(left, beyond, found.stops, pushed)


def of_visit_by_link(visit: PatientsVisit, plan: PlanView | None) -> OfVisit | None:
    """How a visit counts that its link has opened. `plan`: its plan, as `reading.of_visit` has it."""
    with reading() as session:
        appointment = session.get_one(Appointment, visit.id)
        known = _is_of_somebody_known(appointment, plan)
        return of_visit(session, visit.clinic, appointment, clock.now()) if known else None


def on_days(
    visit: PatientsVisit, plan: PlanView | None, offered: Mapping[date, datetime]
) -> dict[date, "Alone"]:
    """How it would count on other days, at these times of them; without those on which nothing would be beyond. What is beyond
    already, as it stands, isn't pushed, nor asked about.
    """
    modality, now = visit.visit_type.modality.slug, clock.now()
    with reading() as session:
        appointment = session.get_one(Appointment, visit.id)
        if not _is_of_somebody_known(appointment, plan):
            return {}
        pools = pools_of(session, visit.clinic, appointment.patient_id)
        theirs = visits_of_patients(session, [appointment.patient_id]) if pools else {}
    rows = theirs.get(appointment.patient_id, [])
    already = {name for name, _mark in counted(visit.clinic, pools, rows, now).ahead_beyond()}
    others = [row for row in rows if row.reference != visit.reference]

    def placed(at: datetime) -> Allowances:
        return counted(visit.clinic, pools, others, now, [Planned(at, modality)])

    asked_already, found = placed(visit.starts_at).stops, {}
    for day, at in offered.items():
        there = placed(at)
        beyond, pushes = there.these[0].beyond, bool(set(there.pushed) - already)
        if beyond or pushes:
            found[day] = Alone(beyond, pushes, there.stops and not asked_already)
    return found


def _is_of_somebody_known(appointment: Appointment, plan: PlanView | None) -> bool:
    """Whether staff know whose visit it is, and the contact with it is theirs: not, where somebody booked it by a name."""
    if appointment.plan_id is not None:
        return plan is not None and may_know(plan, BookableBy.LINK)
    return appointment.booked_by is not Actor.PATIENT


class Alone(NamedTuple):
    """How one visit would count that is booked besides what is: whether it may not be covered, or a later one then, and whether
    staff are to be asked first.
    """

    beyond: bool
    pushes: bool
    stops: bool


def each_alone(plan: PlanView, offered: Sequence[Planned]) -> list[Alone]:
    """How each of these visits would count if it alone were booked."""
    if not offered:
        return []
    now = clock.now()
    with reading() as session:
        pools = pools_of(session, plan.clinic, plan.patient_id)
        visits = visits_of_patients(session, [plan.patient_id]).get(plan.patient_id, []) if pools else []
    found = [counted(plan.clinic, pools, visits, now, [one]) for one in offered]
    return [Alone(one.these[0].beyond, bool(one.pushed), one.stops) for one in found]


def refuse_beyond(
    session: Session,
    clinic: Clinic,
    patient_id: int,
    chosen: Sequence[Planned],
    now: datetime,
    without: Collection[str] = (),
) -> None:
    """A part of use cases that book; the patient is locked. `without`: what goes for these, and what was written for them already.
    Raises BeyondCoverage where the payer is to be asked before.
    """
    if allowances_of(session, clinic, patient_id, now, chosen, without).stops:
        raise BeyondCoverage(phone=clinic.phone)


def refuse_moved_beyond(
    session: Session,
    plan: Plan | None,
    moved: Mapping[str, tuple[datetime, datetime]],
    modality: str,
    now: datetime,
    audience: BookableBy = BookableBy.LINK,
) -> None:
    """A part of use cases that move visits of a plan, by their references from when to when. Raises BeyondCoverage where the payer
    is to be asked before they lie there, and wasn't where they were; nothing is said to whom nothing is to be known.
    """
    if plan is None or not may_know(plan, audience):
        return
    clinic = the_clinic(session)
    if _asks_first_there(session, clinic, plan.patient_id, moved, modality, now):
        raise BeyondCoverage(phone=clinic.phone)


def asked_before_moved(plan: PlanView, moved: Mapping[str, tuple[datetime, datetime]], modality: str) -> bool:
    """Whether staff are to ask the payer before they move visits of a plan so."""
    with reading() as session:
        return _asks_first_there(session, plan.clinic, plan.patient_id, moved, modality, clock.now())


def _asks_first_there(
    session: Session,
    clinic: Clinic,
    patient_id: int,
    moved: Mapping[str, tuple[datetime, datetime]],
    modality: str,
    now: datetime,
) -> bool:
    there = [Planned(to, modality) for _from, to in moved.values()]
    before = {reference: Planned(at, modality) for reference, (at, _to) in moved.items()}
    return asks_first(session, clinic, patient_id, there, now, before)


def leaves_too_little(coverage: Allowances, weeks: Iterable[Week], today: date) -> bool:
    """Whether any visit would lie beyond that doesn't yet, if what these weeks lack were booked: each on a day of its own, from its
    week and from today on.
    """
    counted_now = coverage.count
    taken = {visit.day for visit, _mark in counted_now.marks}
    to_book: list[Visit] = []
    day = today
    for week in sorted(weeks, key=lambda one: one.first):
        day = max(day, week.first)
        for dose in week.doses:
            modality = dose.care.modality.slug
            for _ in range(dose.left):
                on = _day_for(counted_now.pools, modality, day, week.last, taken)
                to_book.append(Visit(on, modality, name=f"+{len(to_book)}"))
                taken.add(on)
    found = besides(counted_now, to_book)
    return bool(found.pushed) or any(mark.beyond for mark in found.these)


def _day_for(pools: Sequence[Pool], modality: str, first: date, last: date, taken: Collection[date]) -> date:
    """The first day that isn't taken; in this week one on which the most pools are valid, since some begin in it."""
    theirs = [one for one in pools if modality in one.terms.modalities]
    days = (first + timedelta(days=number) for number in range((last - first).days + 1))
    free = [day for day in days if day not in taken]
    if free:
        return max(free, key=lambda day: sum(one.is_valid(day) for one in theirs))
    later = (first + timedelta(days=number) for number in count())
    return next(day for day in later if day not in taken)


def beyond_of(plan: PlanView) -> frozenset[str]:
    """The references of visits that are booked, lie ahead and may not be covered."""
    with reading() as session:
        found = allowances_of(session, plan.clinic, plan.patient_id, clock.now())
    return frozenset(reference for reference, _mark in found.ahead_beyond())
