"""A plan judged for the board: what became of each of its visits, and why somebody should look at it.

What a plan is, is counted as on its own page (`weeks.weeks_of`). It asks no database.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from booking import clock
from booking.models import PlanStatus
from booking.scheduling.plans.course import Course
from booking.scheduling.plans.keeping import Role, is_due, looked_at
from booking.scheduling.status import Status
from booking.services.clinic import Clinic, Practitioner, VisitType
from booking.services.plans.said import Said, pause_on
from booking.services.plans.visits import PlanVisit, firsts_due, kept_at, look_after
from booking.services.plans.wanted import weeks_within_horizon
from booking.services.plans.weeks import Dose, Week, asking_no_more

GATE_NEAR = timedelta(days=7)
SHOWN = (PlanStatus.PRESCRIBED, PlanStatus.RUNNING)
_DOSES = (Role.DOSE, Role.FIRST)


class Fate(StrEnum):
    """What became of one visit of a dose. LEFT: it is prescribed and isn't booked."""

    ATTENDED = "attended"
    MADE_UP = "made_up"
    MISSED = "missed"
    BOOKED = "booked"
    PENCILED = "penciled"
    LEFT = "left"


class Need(StrEnum):
    """Why somebody should look at a plan, the most urgent first.

    GIVEN_UP: its patient has cancelled a visit and all later ones, and nothing is booked in their place. UNTOLD: the patient wasn't
    told yet what was decided. STOPPED: two missed in a row and nothing since, or the plan's last two given up, nothing ahead and
    doses left. UNDECIDED: looked at again, and nothing was decided.
    UNCONFIRMED: begun by the patient, who has been here since. NO_FIRST_VISIT: a kind of care whose first visit was missed goes on
    without one. SHORT: fewer visits than prescribed, of weeks that can be booked. NO_REASSESSMENT: nobody
    is booked to look again. GATE: somebody does within a week. ALLOWANCE: visits ahead, or what is still to be booked, may not
    be covered. NOT_CONFIRMED: begun by the patient, who hasn't been here yet. NOT_BOOKED: there is a link, and nothing is booked.
    PAUSED: it rests for some days.
    """

    GIVEN_UP = "given_up"
    UNTOLD = "untold"
    STOPPED = "stopped"
    UNDECIDED = "undecided"
    UNCONFIRMED = "unconfirmed"
    NO_FIRST_VISIT = "no_first_visit"
    SHORT = "short"
    NO_REASSESSMENT = "no_reassessment"
    GATE = "gate"
    ALLOWANCE = "allowance"
    NOT_CONFIRMED = "not_confirmed"
    NOT_BOOKED = "not_booked"
    PAUSED = "paused"


class CareWeek(NamedTuple):
    """One kind of care in one week, visit by visit."""

    care: VisitType
    fates: tuple[Fate, ...]


class BoardWeek(NamedTuple):
    """A week of a plan, from 0 on."""

    number: int
    first: date
    is_now: bool
    cares: tuple[CareWeek, ...]


@dataclass(frozen=True)
class Row:
    """A plan on the board. `short`: by how many visits; `gate_on`: when somebody looks again, or has to at the latest;
    `beyond_on`: the day of its first visit ahead that may not be covered; `paused_until`: the last day of the pause in which
    it is; `given_up_from`: the day from which on its patient has cancelled all visits; `people`: who gives its visits.
    """

    reference: str
    name: str
    patient: str
    patient_name: str
    status: PlanStatus
    prescribed_by: Practitioner | None
    people: tuple[Practitioner, ...]
    first_day: date
    weeks: tuple[BoardWeek, ...]
    needs: tuple[Need, ...]
    short: int
    missed_in_a_row: int
    gate_on: date | None
    beyond_on: date | None
    paused_until: date | None
    given_up_from: date | None
    next_at: datetime | None

    @property
    def week(self) -> int | None:
        """The number of the present week, from 0 on."""
        return next((week.number for week in self.weeks if week.is_now), None)


def judged(
    clinic: Clinic,
    plan: Any,
    visits: Sequence[PlanVisit],
    weeks: Sequence[Week],
    said: Said,
    beyond: Collection[str],
    besides: Collection[str],
    now: datetime,
    *,
    too_little: bool,
) -> Row:
    """A plan as the board shows it. `beyond`: references of visits ahead that may not be covered; `besides`: modalities in which
    its patient was treated besides; `too_little`: whether coverage leaves less than what the plans of its patient still have to
    book.
    """
    course, today = Course.of(plan.course), clinic.times.local_date(now)
    doses = [one for one in visits if one.role in _DOSES]
    ahead = [one for one in visits if one.status is Status.BOOKED and one.starts_at > now]
    prescribed = plan.status is PlanStatus.PRESCRIBED
    # Of weeks that can't be booked yet nothing is missing, nor is their look.
    within = weeks_within_horizon(clinic, course, plan.first_day, now)
    short = 0 if prescribed else sum(week.left for week in weeks[:within])
    # What a pause or the clinic has taken wasn't missed by anybody, nor what was firm for nobody.
    kept = [
        one
        for one in visits
        if not (one.lapsed or one.by_us or pause_on(clinic.times.local_date(one.starts_at), said.pauses))
    ]
    missed = _missed_in_a_row([one for one in kept if one.starts_at <= now])
    pause = pause_on(today, said.pauses)
    gate, gate_on = (None, None) if prescribed else _gate(clinic, plan, course, visits, within, now)
    needs: set[Need | None] = {gate}
    if has_given_up(said, visits, now) and short:
        needs |= {Need.GIVEN_UP, Need.PAUSED} if pause else {Need.GIVEN_UP}
    elif prescribed or pause:
        needs.add(Need.NOT_BOOKED if prescribed else Need.PAUSED)
    elif missed >= 2 or (short and _ends_in_gaps(kept, now) and (missed or gate is not Need.UNDECIDED)):
        needs.add(Need.STOPPED)
    due = {care for care in firsts_due(clinic, visits, now) if care.modality.slug not in besides}
    if any(one.role in _DOSES and one.care in due for one in ahead):
        needs.add(Need.NO_FIRST_VISIT)
    if short:
        needs.add(Need.SHORT)
    if not prescribed and plan.by_themselves and plan.confirmed_at is None:
        seen = any(one.came(now) for one in doses)
        needs.add(Need.UNCONFIRMED if seen else Need.NOT_CONFIRMED)
    beyond_at = next((one.starts_at for one in ahead if one.reference in beyond), None)
    beyond_on = clinic.times.local_date(beyond_at) if beyond_at else None
    if beyond_on or (too_little and any(week.left for week in weeks)):
        needs.add(Need.ALLOWANCE)
    if plan.status not in SHOWN:
        # It is over, and lacks nothing any more.
        needs, short, missed, gate_on, beyond_on = set(), 0, 0, None, None
        weeks = asking_no_more(weeks)
    if plan.untold_since is not None:
        needs.add(Need.UNTOLD)
    people = {one.practitioner.id: one.practitioner for one in visits if one.stands}
    return Row(
        reference=plan.reference,
        name=plan.name,
        patient=plan.patient,
        patient_name=f"{plan.first_name} {plan.last_name}",
        status=plan.status,
        prescribed_by=clinic.practitioner_by_id.get(plan.prescribed_by or 0),
        people=tuple(people.values()),
        first_day=plan.first_day,
        weeks=tuple(_week(week, today, now) for week in weeks),
        needs=tuple(need for need in Need if need in needs),
        short=short,
        missed_in_a_row=missed,
        gate_on=gate_on,
        beyond_on=beyond_on,
        paused_until=pause.last if pause else None,
        given_up_from=clinic.times.local_date(said.given_up_from) if said.given_up_from else None,
        next_at=ahead[0].starts_at if ahead else None,
    )


def has_given_up(said: Said, visits: Iterable[PlanVisit], now: datetime) -> bool:
    """Whether its patient has cancelled a visit and all later ones, and nothing is booked in their place."""
    since = said.given_up_from
    return since is not None and not any(
        one.role in _DOSES and one.status is Status.BOOKED and one.starts_at > now and one.starts_at >= since
        for one in visits
    )


def _missed_in_a_row(visits: Sequence[PlanVisit]) -> int:
    """How many doses in a row are the last of these visits, all missed. Who came to a look has come."""
    count = 0
    for one in reversed(visits):
        if one.stands:
            break
        count += one.role in _DOSES
    return count


def _ends_in_gaps(visits: Sequence[PlanVisit], now: datetime) -> bool:
    """Whether no dose is ahead, and the last two or more don't stand, those to come included."""
    # A look ahead is no visit that they have come to.
    told = [one for one in visits if one.starts_at <= now or one.role in _DOSES]
    return not any(one.stands and one.starts_at > now for one in told) and _missed_in_a_row(told) >= 2


def _gate(
    clinic: Clinic, plan: Any, course: Course, visits: Sequence[PlanVisit], within: int, now: datetime
) -> tuple[Need | None, date | None]:
    """What is to be done about the reassessment that comes next, and when it is or has to be. `within`: how many of the plan's
    weeks can be booked.
    """
    stage = plan.decided_phases
    if not course.reassessment or stage >= course.looks:
        return None, None
    standing = [one for one in visits if one.stands]
    look = look_after(clinic, plan.first_day, course, standing, stage)
    if look is None:
        kept = [
            kept_at(clinic, plan.first_day, one.starts_at, one.ends_at, one.care, one.role)
            for one in standing
            if one.role is not None
        ]
        last = looked_at(course, stage, kept).stop - 1
        can_be = is_due(course, stage, kept, within)
        return Need.NO_REASSESSMENT if can_be else None, plan.first_day + timedelta(days=last)
    on = clinic.times.local_date(look.starts_at)
    if look.came(now):
        return Need.UNDECIDED, on
    return (Need.GATE if look.starts_at <= now + GATE_NEAR else None), on


def cares_of(week: Week, now: datetime | None = None) -> tuple[CareWeek, ...]:
    """What became of each visit of a week, by kind of care."""
    now = now or clock.now()
    return tuple(CareWeek(dose.care, tuple(_fates(week, dose, now))) for dose in week.doses)


def _week(week: Week, today: date, now: datetime) -> BoardWeek:
    return BoardWeek(week.number, week.first, week.first <= today <= week.last, cares_of(week, now))


def _fates(week: Week, dose: Dose, now: datetime) -> Iterator[Fate]:
    made_up = dose.made_up
    for one in week.visits:
        if one.care.slug != dose.care.slug or one.role not in _DOSES:
            continue
        if not one.stands:
            made_up -= 1
            yield Fate.MADE_UP if made_up >= 0 else Fate.MISSED
        elif one.came(now):
            yield Fate.ATTENDED
        else:
            yield Fate.PENCILED if one.penciled else Fate.BOOKED
    yield from (Fate.LEFT for _ in range(dose.left))
