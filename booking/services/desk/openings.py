"""The times that the desk may book without asking why, unless the payer is to be asked first: the next free ones, what follows
on a patient's last visit, and whom somebody who walks in would see.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import chain

from booking import clock
from booking.models import BookableBy
from booking.scheduling import offers as engine
from booking.scheduling.hours import instant_at
from booking.scheduling.latitude import Breach, assign, latitudes
from booking.scheduling.rules import NOTICE, STAFF_RULES
from booking.scheduling.timeline import cell_in, instant_of
from booking.services.clinic import Clinic, Practitioner, VisitType
from booking.services.desk.new_visit import Known, about, at_work, choice
from booking.services.search import free_times

# What the form shows at once: so many times, so many of one day, so far apart; and before them, within the notice.
TIMES_SHOWN, TIMES_A_DAY, SOON_SHOWN = 12, 4, 8
_APART = timedelta(minutes=30)
_DAYS_SEARCHED = 30
# After the last visit that a patient has ahead: when the next one is proposed, and from when on it may be.
_WEEK, _RESTED = timedelta(days=7), timedelta(days=2)
# What a time that is offered here keeps: the notice is the patients'.
_RULES = tuple(rule for rule in STAFF_RULES if rule is not NOTICE)


@dataclass(frozen=True)
class Opening:
    """A time that the desk may book without asking why. `soon`: sooner than the clinic's notice."""

    starts_at: datetime
    practitioner: Practitioner
    soon: bool


def next_times(
    visit_type: str, practitioner: str | None, first: date | None = None, *, besides: Known | None = None
) -> tuple[Opening, ...]:
    """The next free times at which all rules but the notice are kept, some of each day, from `first` on; not while the
    patient is elsewhere, nor on days of rest of their plan. Raises NotFound, NotOffered.
    """
    soon: list[Opening] = []
    later: list[Opening] = []
    for day in _openings(visit_type, practitioner, first, besides):
        soon += _apart(one for one in day if one.soon)
        later += _apart(one for one in day if not one.soon)[:TIMES_A_DAY]
        if len(later) >= TIMES_SHOWN:
            break
    return (*soon[:SOON_SHOWN], *later[:TIMES_SHOWN])


def proposed(clinic: Clinic, visit_type: VisitType, practitioner: str | None, known: Known) -> Opening | None:
    """What follows on the last visit that the patient has ahead: a week later at the same time, else the first free time
    after a day of rest; with the same person, if that can be. None without such a visit. Raises NotFound, NotOffered.
    """
    if not known.upcoming:
        return None
    last = known.upcoming[-1]
    on, wall = clinic.times.local_date(last.starts_at), clinic.times.local(last.starts_at).time()
    week_later = instant_at(on + _WEEK, wall, clinic.zone) or last.starts_at + _WEEK
    same = clinic.practitioners.get(last.practitioner.slug)
    usual = same.slug if same and visit_type.slug in same.offerings else None
    for whom in dict.fromkeys((practitioner or usual, practitioner)):
        days = _openings(visit_type.slug, whom, on + _RESTED, known)
        found = _this_or_the_first(week_later, chain.from_iterable(days))
        if found is not None:
            return found
    return None


def _this_or_the_first(starts_at: datetime, openings: Iterable[Opening]) -> Opening | None:
    first = None
    for one in openings:
        if one.starts_at == starts_at:
            return one
        first = first or one
        if one.starts_at > starts_at:
            break
    return first


def _openings(
    visit_type: str, practitioner: str | None, first: date | None, besides: Known | None
) -> Iterator[list[Opening]]:
    """The free times of each day at which all rules but the notice are kept, and the patient neither rests nor is elsewhere."""
    found = free_times(visit_type, practitioner, first, _DAYS_SEARCHED, audience=BookableBy.STAFF)
    clinic, wanted = found.clinic, found.question.visit_type
    offers = engine.find(replace(found.offers.situation, rules=_RULES))
    elsewhere_at = [(one.starts_at, one.ends_at) for one in besides.upcoming] if besides else []
    now = clock.now()

    def opening(offer: engine.Offer) -> Opening:
        starts_at = instant_of(offer.cell)
        person = clinic.practitioner_by_id[offer.practitioner_id]
        return Opening(starts_at, person, is_soon(wanted, starts_at, now))

    def possible(one: Opening) -> bool:
        ends_at = one.starts_at + timedelta(minutes=_minutes(one.practitioner, wanted))
        meets = any(begins < ends_at and one.starts_at < ends for begins, ends in elsewhere_at)
        return one.starts_at >= now and not meets

    rests = _days_of_rest(besides, wanted)
    for day in found.days:
        yield [] if day.on in rests else [one for one in map(opening, offers.on(day)) if possible(one)]


def _days_of_rest(known: Known | None, visit_type: VisitType) -> frozenset[date]:
    """The days that are too near to a visit of the patient's plan."""
    return known.near_plans.get(visit_type.modality.slug, frozenset()) if known else frozenset()


def _apart(openings: Iterable[Opening]) -> list[Opening]:
    """Those of a day that aren't too close to one another."""
    found: list[Opening] = []
    for one in openings:
        if not found or one.starts_at - found[-1].starts_at >= _APART:
            found.append(one)
    return found


def is_soon(visit_type: VisitType, starts_at: datetime, now: datetime) -> bool:
    """Whether this start lies ahead, but sooner than the notice that patients keep."""
    return now <= starts_at < now + visit_type.notice


def _minutes(person: Practitioner, visit_type: VisitType) -> int:
    offering = person.offerings.get(visit_type.slug)
    return offering.minutes if offering else visit_type.minutes


@dataclass(frozen=True)
class WalkIn:
    """Whom somebody who walks in now would see, and where: None is a visit without a room. `breaches`: what it would be asked
    a reason for. `hours`: from when until when they are in today, or None.
    """

    practitioner: Practitioner
    room: str | None
    breaches: tuple[Breach, ...]
    hours: tuple[datetime, datetime] | None


def walk_in(visit_type: str, practitioner: str | None, known: Known | None = None) -> WalkIn | None:
    """What a booking would choose for who walks in at this moment: of anyone only who is in, or about to be, or was until a short
    while ago. None where nobody of them is free. Raises NotFound, NotOffered.
    """
    found = free_times(visit_type, practitioner, None, 1, audience=BookableBy.STAFF)
    clinic, offers, start = found.clinic, found.offers, cell_in(clock.now())
    window = offers.situation.window
    if not window.start <= start < window.end:
        return None
    choices = latitudes(offers.situation)
    choices = choices if practitioner else about(offers, choices, start)
    if not choices:
        return None
    best = choice(offers, choices, start)
    if best.taken_at(start):
        return None
    visit = assign(offers.situation, best.person.id, start)
    room = next((one.name for one in clinic.rooms if one.id == visit.room), None)
    # Nobody is asked why those who stand here come so soon.
    breaches = [code for code in best.breaches_at(start) if code is not Breach.TOO_SOON]
    if clinic.times.local_date(instant_of(start)) in _days_of_rest(known, found.question.visit_type):
        breaches.append(Breach.NEAR_PLAN)
    hours = at_work(offers, best, start)
    return WalkIn(
        clinic.practitioner_by_id[best.person.id],
        room,
        tuple(breaches),
        (instant_of(hours[0]), instant_of(hours[-1] + 1)) if hours else None,
    )
