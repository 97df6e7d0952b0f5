"""A plan as it stands: its visits, and week by week what was prescribed and what became of it.

The dose is the truth, and visits serve it: what counts is what the visits are now, not what they were when they were booked.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Row, and_, or_, select
from sqlalchemy.orm import Session

from booking import clock
from booking.models import (
    SERIES,
    Actor,
    Appointment,
    Plan,
    PlanEntry,
    PlanReminders,
    PlanStatus,
    Reminders,
    VisitKind,
)
from booking.scheduling.plans.course import Course
from booking.scheduling.plans.keeping import Kept, Role, looks_of
from booking.scheduling.plans.windows import Presence
from booking.scheduling.status import Status, lapsed
from booking.scheduling.timeline import cell_from, instant_of
from booking.services.clinic import Clinic, Practitioner, VisitType, the_clinic
from booking.services.plans import links
from booking.services.plans.said import NOTHING_SAID, Pause, Said, pause_on, said_of
from booking.services.plans.wanted import first_visit_of
from booking.services.staff import audit
from booking.services.staff.ownership import plan_for
from booking.services.staff.who import Who
from booking.services.transaction import reading
from booking.services.visits import Changeable, Visit, shaped as as_visit

_MISSED = (Status.NOSHOW, Status.CANCELLED)


@dataclass(frozen=True)
class PlanVisit(Changeable):
    """A visit of a plan. `care`: the ordinary visit type of its kind of care. `lapsed`: it was only penciled in, and is over; what
    its week lacks by that is asked for again. `week`: of the plan, from 0 on.
    """

    id: int
    reference: str
    link_number: int
    version: int
    visit_type: VisitType
    care: VisitType
    role: Role | None
    practitioner: Practitioner
    starts_at: datetime
    ends_at: datetime
    status: Status
    penciled: bool
    lapsed: bool
    week: int

    @property
    def stands(self) -> bool:
        return self.status not in _MISSED and not self.lapsed

    def came(self, now: datetime) -> bool:
        """Whether it took place. What is over and was never settled counts as if it had, unless it `lapsed`."""
        return self.stands and (self.status is not Status.BOOKED or self.ends_at <= now)

    @property
    def begins(self) -> bool:
        """Whether it is the first visit with which its kind of care begins."""
        return self.visit_type.kind is VisitKind.FIRST and self.visit_type != self.care


class Dose(NamedTuple):
    """What became of one kind of care in one week, without what was moved from it into a further one. `made_up`: of those
    missed, as many as others took the place of, in whichever week. `left`: how many the fewest of the dose still lacks, but for
    those of which somebody said that they aren't needed. `given_up`: so many were booked once, and nothing was chosen in their place.
    """

    care: VisitType
    fewest: int
    most: int
    booked: int
    attended: int
    missed: int
    made_up: int
    left: int
    given_up: int

    @property
    def never_booked(self) -> int:
        """How many of those left were never booked."""
        return max(0, self.left - self.given_up)


class Week(NamedTuple):
    """A week of a plan, from 0 on, from its first day to its last."""

    number: int
    first: date
    last: date
    doses: tuple[Dose, ...]
    visits: tuple[PlanVisit, ...]

    @property
    def left(self) -> int:
        return sum(dose.left for dose in self.doses)


@dataclass(frozen=True)
class PlanView:
    """A plan with all that belongs to it. Plain values: nothing here asks the database. `pause`: the one that it is in, if it
    runs; `pauses`: all, past and to come. `made_up`: by the references of make-ups the week of whose dose they are.
    `treated_besides`: modalities, looked for where a first visit is due.
    """

    clinic: Clinic
    id: int
    reference: str
    version: int
    link_number: int
    patient_id: int
    name: str
    template: str
    course: Course
    first_day: date
    status: PlanStatus
    first_name: str
    last_name: str
    email: str | None
    phone: str | None
    reminders: Reminders
    reminded_of: PlanReminders
    presence: Presence
    only: dict[str, tuple[str, ...]]
    wished: dict[str, tuple[str, ...]]
    returning: tuple[str, ...]
    by_themselves: bool
    prescribed_by: Practitioner | None
    reason: str
    confirmed_at: datetime | None
    is_limited: bool
    is_of_somebody_known: bool
    decided_phases: int
    untold_since: datetime | None
    untold: Mapping[str, Sequence[str]]
    agreed_at: datetime | None
    made_at: datetime
    visits: tuple[PlanVisit, ...]
    weeks: tuple[Week, ...]
    pauses: tuple[Pause, ...]
    pause: Pause | None
    not_needed: Mapping[tuple[int, str], int]
    made_up: Mapping[str, int]
    treated_besides: Collection[str]

    @property
    def stands_as(self) -> PlanStatus:
        """Its status as it is shown."""
        return PlanStatus.PAUSED if self.pause else self.status

    @property
    def token(self) -> str:
        return links.token(self.reference, self.link_number)

    @property
    def is_series(self) -> bool:
        """Whether its visits were booked together and nothing is prescribed."""
        return self.template == SERIES

    @property
    def standing(self) -> tuple[PlanVisit, ...]:
        """The visits that were or are to be, in order."""
        return tuple(one for one in self.visits if one.stands and one.role is not None)

    def firsts_due(self, now: datetime) -> dict[VisitType, tuple[VisitType, PlanVisit]]:
        """As `firsts_due`, but for those of which their patient had a visit besides."""
        found = firsts_due(self.clinic, self.visits, now)
        return {care: due for care, due in found.items() if care.modality.slug not in self.treated_besides}

    def that_stands(self, reference: str) -> PlanVisit | None:
        return next((one for one in self.standing if one.reference == reference), None)

    @property
    def last_day(self) -> date:
        return self.first_day + timedelta(days=self.course.weeks * 7 - 1)


class PlanNote(NamedTuple):
    """One thing that was done to a plan."""

    id: int
    at: datetime
    actor: Actor
    name: str
    what: str
    why: str
    facts: dict[str, Any]


def by_link(reference: str, token: str) -> PlanView:
    """The plan that this link opens. Raises NotFound."""
    with reading() as session:
        plan = links.plan_by_link(session, reference, token, clock.now())
        return view(session, the_clinic(session), plan)


def of_visit(visit: Visit) -> PlanView | None:
    """The plan of a visit that its link has opened, where its contact is the plan's too: whoever was given the link of one
    visit alone sees no others by it.
    """
    if not visit.in_plan:
        return None
    with reading() as session:
        plan = session.scalars(
            select(Plan).join(Appointment, Appointment.plan_id == Plan.id).where(Appointment.id == visit.id)
        ).one()
        if not {visit.email, visit.phone} <= {plan.email, plan.phone, None}:
            return None
        return view(session, the_clinic(session), plan)


def visits_by_link(reference: str, token: str) -> tuple[Visit, ...]:
    """The visits of this plan that weren't cancelled, each as its own link opens it. Raises NotFound."""
    with reading() as session:
        plan = links.plan_by_link(session, reference, token, clock.now())
        clinic = the_clinic(session)
        rows = session.scalars(
            select(Appointment)
            .where(Appointment.plan_id == plan.id, Appointment.status != Status.CANCELLED)
            .order_by(Appointment.from_cell)
        )
        return tuple(as_visit(clinic, row) for row in rows)


def for_staff(who: Who, reference: str) -> PlanView:
    """The plan of this reference, written down as seen. Raises NotFound."""
    with reading() as session:
        plan = plan_for(session, who, reference)
        found = view(session, the_clinic(session), plan)
    audit.saw(who, "opened plan", f"plan/{reference}", [found.patient_id])
    return found


def notes(who: Who, reference: str) -> tuple[PlanNote, ...]:
    """Everything that was done to a plan, oldest first. Raises NotFound."""
    with reading() as session:
        plan = plan_for(session, who, reference)
        entries = session.scalars(
            select(PlanEntry).where(PlanEntry.plan_id == plan.id).order_by(PlanEntry.id)
        )
        return tuple(
            PlanNote(one.id, one.at, one.actor, one.actor_name, one.what, one.why, one.facts)
            for one in entries
        )


# Parts of other use cases


def visits_of(session: Session, clinic: Clinic, plan: Plan) -> list[PlanVisit]:
    """All visits of a plan, cancelled ones as well, in order."""
    rows = session.scalars(
        select(Appointment).where(Appointment.plan_id == plan.id).order_by(Appointment.from_cell)
    )
    return [shaped(clinic, plan, row) for row in rows]


def shaped(clinic: Clinic, plan: Plan | Row[Any], row: Appointment | Row[Any]) -> PlanVisit:
    """A visit of a plan, both as they are or as rows with the same columns."""
    visit_type = clinic.visit_type_by_id[row.visit_type_id]
    starts_at, ends_at = instant_of(row.from_cell), instant_of(row.to_cell)
    day = (clinic.times.local_date(starts_at) - plan.first_day).days
    return PlanVisit(
        id=row.id,
        reference=row.reference,
        link_number=row.link_number,
        version=row.version,
        visit_type=visit_type,
        care=_care(clinic, plan, visit_type, row.plan_role),
        role=Role(row.plan_role) if row.plan_role else None,
        practitioner=clinic.practitioner_by_id[row.practitioner_id],
        starts_at=starts_at,
        ends_at=ends_at,
        status=row.status,
        penciled=row.penciled,
        lapsed=lapsed(row.status, ends_at, clock.now(), penciled=row.penciled),
        week=day // 7,
    )


def firsts_due(
    clinic: Clinic, visits: Iterable[PlanVisit], now: datetime
) -> dict[VisitType, tuple[VisitType, PlanVisit]]:
    """Kinds of care of which the first visit was missed, and no other took place since: each with the visit type with which it is
    to begin yet, and the visit that was missed.
    """
    lost: dict[VisitType, PlanVisit] = {}
    begun: set[VisitType] = set()
    for one in visits:
        if one.role is Role.REASSESSMENT:
            continue
        if one.came(now) or (one.begins and one.stands):
            begun.add(one.care)
        elif one.begins and not one.stands:
            lost[one.care] = one
    found = {care: (first_visit_of(clinic, care), was) for care, was in lost.items() if care not in begun}
    return {care: (begins, was) for care, (begins, was) in found.items() if begins is not None}


def treated_besides(
    session: Session, clinic: Clinic, plan_ids: Collection[int], now: datetime
) -> dict[int, set[str]]:
    """By plan the modalities in which its patient was treated besides since it was made. Nothing of a plan that nobody has
    prescribed: its link may be somebody's who only gave their name.
    """
    if not plan_ids:
        return {}
    is_over = and_(Appointment.to_cell <= cell_from(now), Appointment.penciled.is_(False))
    took_place = or_(Appointment.status != Status.BOOKED, is_over)
    rows = session.execute(
        select(Plan, Appointment.visit_type_id, Appointment.to_cell)
        .join(Appointment, Appointment.patient_id == Plan.patient_id)
        .where(
            Plan.id.in_(plan_ids),
            Appointment.plan_id.is_distinct_from(Plan.id),
            Appointment.status.not_in(_MISSED),
            took_place,
        )
    )
    found: dict[int, set[str]] = defaultdict(set)
    for plan, visit_type, to_cell in rows:
        if not plan.is_limited and instant_of(to_cell) > plan.made_at:
            found[plan.id].add(clinic.visit_type_by_id[visit_type].modality.slug)
    return found


def kept_at(
    clinic: Clinic, first_day: date, starts_at: datetime, ends_at: datetime, care: VisitType, role: Role
) -> Kept:
    """A visit in the words of a plan's rules."""
    local = starts_at.astimezone(clinic.zone)
    minute = local.hour * 60 + local.minute
    minutes = int((ends_at - starts_at).total_seconds()) // 60
    day = (local.date() - first_day).days
    return Kept(day, minute, minute + minutes, care.slug, care.modality.slug, role)


def look_after(
    clinic: Clinic, first_day: date, course: Course, standing: Iterable[PlanVisit], stage: int
) -> PlanVisit | None:
    """The reassessment after a stage: the one on its days; where it has none, the first later one that is on no stage's."""
    if stage >= course.looks:
        return None
    visits = {
        kept_at(clinic, first_day, one.starts_at, one.ends_at, one.care, one.role): one
        for one in standing
        if one.role is not None
    }
    looks, left = looks_of(course, list(visits))
    begins = course.stages[stage].start * 7
    look = looks[stage] or next((one for one in left if one.day >= begins), None)
    return visits[look] if look else None


def view(session: Session, clinic: Clinic, plan: Plan) -> PlanView:
    visits = tuple(visits_of(session, clinic, plan))
    course, now = Course.of(plan.course), clock.now()
    said = said_of(session, [plan.id]).get(plan.id, NOTHING_SAID)
    runs = plan.status is PlanStatus.RUNNING
    return PlanView(
        clinic=clinic,
        id=plan.id,
        reference=plan.reference,
        version=plan.version,
        link_number=plan.link_number,
        patient_id=plan.patient_id,
        name=plan.name,
        template=plan.template,
        course=course,
        first_day=plan.first_day,
        status=plan.status,
        first_name=plan.first_name,
        last_name=plan.last_name,
        email=plan.email,
        phone=plan.phone,
        reminders=plan.reminders,
        reminded_of=plan.reminded_of,
        presence=Presence.of(plan.presence),
        only={modality: tuple(people) for modality, people in plan.only_with.items()},
        wished={modality: tuple(people) for modality, people in plan.rather_with.items()},
        returning=tuple(plan.known_in),
        by_themselves=plan.by_themselves,
        prescribed_by=clinic.practitioner_by_id.get(plan.prescribed_by or 0),
        reason=plan.reason,
        confirmed_at=plan.confirmed_at,
        is_limited=plan.is_limited,
        is_of_somebody_known=plan.is_of_somebody_known,
        decided_phases=plan.decided_phases,
        untold_since=plan.untold_since,
        untold=plan.untold,
        agreed_at=plan.agreed_at,
        made_at=plan.made_at,
        visits=visits,
        weeks=weeks_of(clinic, course, plan.first_day, visits, now, said),
        pauses=said.pauses,
        pause=pause_on(clinic.times.local_date(now), said.pauses) if runs else None,
        not_needed=said.not_needed,
        made_up=said.made_up,
        treated_besides=treated_besides(
            session, clinic, [plan.id] if firsts_due(clinic, visits, now) else [], now
        ).get(plan.id, ()),
    )


def weeks_of(
    clinic: Clinic, course: Course, first_day: date, visits: Sequence[PlanVisit], now: datetime, said: Said
) -> tuple[Week, ...]:
    """Week by week what was prescribed and what became of it."""
    weeks = []
    doses = {name: course.doses(name) for name in course.kinds}
    moved: Counter[tuple[int, str]] = Counter()
    for one in course.moved:
        moved[one.week, one.visit_type] += one.visits
    made_up = _MadeUp(visits, said.made_up)
    for number in range(course.weeks):
        first = first_day + timedelta(days=number * 7)
        of_week = tuple(one for one in visits if one.week == number)
        weeks.append(
            Week(
                number,
                first,
                first + timedelta(days=6),
                tuple(
                    _dose(
                        clinic.visit_types_ever[name],
                        weekly[number],
                        [
                            one
                            for one in of_week
                            if one.care.slug == name and one.role in (Role.DOSE, Role.FIRST)
                        ],
                        now,
                        said.not_needed.get((number, name), 0),
                        moved[number, name],
                        made_up,
                        number,
                    )
                    for name, weekly in doses.items()
                    if weekly[number][1] or any(one.care.slug == name for one in of_week)
                ),
                of_week,
            )
        )
    weeks = _made_up_by_what_was_moved(course, weeks)
    following = [*weeks[1:], None]
    return tuple(
        _made_up_later(week, later, said.not_needed, made_up)
        for week, later in zip(weeks, following, strict=True)
    )


def weeks_with(plan: PlanView, course: Course, visits: Sequence[PlanVisit]) -> tuple[Week, ...]:
    """The same if a plan had this course, and these visits."""
    said = Said(plan.pauses, plan.not_needed, plan.made_up)
    return weeks_of(plan.clinic, course, plan.first_day, visits, clock.now(), said)


class _MadeUp:
    """Which visits are of another week's dose than of that in which they lie. Weeks are asked about in order."""

    def __init__(self, visits: Sequence[PlanVisit], weeks: Mapping[str, int]) -> None:
        self._weeks = weeks
        self._later = [one for one in visits if weeks.get(one.reference, one.week) < one.week]
        self._taken: Counter[tuple[int, str]] = Counter()

    def here(self, visits: Iterable[PlanVisit]) -> int:
        """How many of a week's visits make up for others of the same week."""
        return sum(one.stands and self._weeks.get(one.reference) == one.week for one in visits)

    def later(self, week: int, care: str, lacks: int) -> int:
        """How many later visits make up for what a week lacks: these are none of their own week's any more."""
        there = [
            one
            for one in self._later
            if one.stands and one.care.slug == care and self._weeks[one.reference] == week
        ][:lacks]
        for one in there:
            self._taken[one.week, care] += 1
        return len(there)

    def taken(self, week: int, care: str) -> int:
        """How many of a week's visits make up for what an earlier one lacks."""
        return self._taken[week, care]

    def booked_first(self, visits: Iterable[PlanVisit]) -> int:
        """How many of a week's visits were missed and made up for no others."""
        return sum(not one.stands and one.reference not in self._weeks for one in visits)

    def missed(self, visits: Iterable[PlanVisit]) -> int:
        """How many of a week's visits were to make up for an earlier one's, and were missed."""
        return sum(not one.stands for one in visits if one in self._later)


def _made_up_later(
    week: Week, later: Week | None, not_needed: Mapping[tuple[int, str], int], made_up: _MadeUp
) -> Week:
    """What a week lacks may be made up in the next one as well by what was moved there, as more than that week's own."""
    more = {}
    for dose in later.doses if later else ():
        number, care = week.number + 1, dose.care.slug
        own = dose.most - not_needed.get((number, care), 0)
        more[dose.care] = max(0, dose.booked + dose.attended - made_up.taken(number, care) - own)
    doses = []
    for dose in week.doses:
        there = min(dose.left, more.get(dose.care, 0))
        left = dose.left - there
        doses.append(dose._replace(left=left, made_up=_not_left(dose.missed, left, dose.made_up + there)))
    return week._replace(doses=tuple(doses))


def _made_up_by_what_was_moved(course: Course, weeks: list[Week]) -> list[Week]:
    """What was moved into further weeks is made up as far as it was booked there, or moved on from there."""
    booked = Counter(
        {
            (week.number, dose.care.slug): dose.booked + dose.attended + dose.missed
            for week in weeks
            for dose in week.doses
        }
    )
    there: Counter[tuple[int, str]] = Counter()
    for one in sorted(course.moved, reverse=True):
        to = one.to, one.visit_type
        there[one.week, one.visit_type] += min(one.visits, booked[to] + there[to])

    def whole(week: Week, dose: Dose) -> Dose:
        return dose._replace(made_up=min(dose.missed, dose.made_up + there[week.number, dose.care.slug]))

    return [week._replace(doses=tuple(whole(week, dose) for dose in week.doses)) for week in weeks]


def _dose(
    care: VisitType,
    dose: tuple[int, int],
    visits: Sequence[PlanVisit],
    now: datetime,
    not_needed: int,
    moved: int,
    others: _MadeUp,
    week: int,
) -> Dose:
    fewest, most = dose
    booked = attended = missed = 0
    for one in visits:
        if not one.stands:
            missed += 1
        elif one.came(now):
            attended += 1
        else:
            booked += 1
    own = booked + attended - others.taken(week, care.slug)
    lacks = max(0, fewest - own - not_needed)
    later = others.later(week, care.slug, lacks)
    here = max(others.here(visits), own + missed - others.missed(visits) - most - moved)
    left = lacks - later
    chosen = others.here(visits) + later
    given_up = max(0, others.booked_first(visits) - chosen - not_needed - moved)
    made_up = _not_left(missed, left, here + later)
    return Dose(care, fewest, most, booked, attended, missed, made_up, left, given_up)


def _not_left(missed: int, left: int, made_up: int) -> int:
    """How many of what a week missed were made up, where it still lacks so many: what took the place of a visit that was to be
    made up nothing.
    """
    return max(0, min(missed - left, made_up))


def _care(clinic: Clinic, plan: Plan | Row[Any], visit_type: VisitType, role: str | None) -> VisitType:
    """The ordinary visit type of a visit's kind of care: the plan's of the same modality."""
    if role == Role.REASSESSMENT:
        return visit_type
    cares = (clinic.visit_types_ever.get(name) for phase in plan.course["phases"] for name in phase["doses"])
    return next((one for one in cares if one and one.modality == visit_type.modality), visit_type)
