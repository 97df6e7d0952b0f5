"""A plan as it stands, with all that belongs to it. Its visits are in `visits`, what became of its weeks in `weeks`."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking import clock
from booking.models import SERIES, Actor, Appointment, Plan, PlanEntry, PlanReminders, PlanStatus, Reminders
from booking.scheduling.plans.course import Course
from booking.scheduling.plans.windows import Presence
from booking.scheduling.status import Status
from booking.services import notices
from booking.services.clinic import Clinic, Practitioner, VisitType, the_clinic
from booking.services.plans import links
from booking.services.plans.said import NOTHING_SAID, NotNeeded, Pause, Said, pause_on, said_of
from booking.services.plans.visits import (
    PlanVisit,
    care_of,
    firsts_due,
    never_begun,
    treated_besides,
    visits_of,
)
from booking.services.plans.weeks import Week, asking_no_more, weeks_of
from booking.services.staff import audit
from booking.services.staff.ownership import plan_for
from booking.services.staff.who import Who
from booking.services.transaction import reading
from booking.services.visits import Visit

OVER = (PlanStatus.STOPPED, PlanStatus.COMPLETED)


@dataclass(frozen=True)
class PlanView:
    """A plan with all that belongs to it. Plain values: nothing here asks the database. `pause`: the one that it is in, if it
    runs; `pauses`: all, past and to come; `freed`: days of those that ended sooner. `made_up`: by the references of make-ups the
    week of whose dose they are.
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
    untold: notices.Knew
    agreed_at: datetime | None
    made_at: datetime
    visits: tuple[PlanVisit, ...]
    weeks: tuple[Week, ...]
    pauses: tuple[Pause, ...]
    freed: tuple[Pause, ...]
    pause: Pause | None
    not_needed: tuple[NotNeeded, ...]
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

    def firsts_due(self, now: datetime) -> dict[VisitType, tuple[VisitType, PlanVisit | None]]:
        """As `firsts_due`, with those of which nothing was ever booked; but for those of which their patient had a visit
        besides.
        """
        found = _firsts_due(self.clinic, self.course, self.returning, self.visits, now)
        return {care: due for care, due in found.items() if care.modality.slug not in self.treated_besides}

    def ahead(self, now: datetime) -> tuple[PlanVisit, ...]:
        """The visits that are booked and haven't begun."""
        return tuple(one for one in self.visits if one.status is Status.BOOKED and one.starts_at > now)

    def that_stands(self, reference: str) -> PlanVisit | None:
        return next((one for one in self.standing if one.reference == reference), None)

    def untold_news(self, now: datetime) -> notices.News:
        """What its patient isn't told yet of what was decided."""
        are = {
            str(one.id): None if one.status is Status.CANCELLED else notices.known_visit(one)
            for one in self.visits
        }
        return notices.news(self.untold, are, now)

    def gone_untold(self, now: datetime) -> set[int]:
        """The ids of visits ahead, of a plan as its patient knows it, of which they aren't told yet that they don't stand there."""
        return {
            one.id
            for one in self.visits
            if one.status is Status.CANCELLED and one.starts_at > now and self.untold.get(str(one.id))
        }

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
    with reading() as session:
        plan = plan_of_visit(session, visit)
        return None if plan is None else view(session, the_clinic(session), plan)


def opened(who: Who, reference: str) -> PlanView:
    """The plan of this reference, written down as seen. Raises NotFound."""
    found = brief(who, reference)
    audit.saw(who, "opened plan", f"plan/{reference}", [found.patient_id])
    return found


def brief(who: Who, reference: str) -> PlanView:
    """The same for who shows nothing of it, as when something is done to it: nothing is written down. Raises NotFound."""
    with reading() as session:
        return view(session, the_clinic(session), plan_for(session, who, reference))


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


def plan_of_visit(session: Session, visit: Visit) -> Plan | None:
    """The plan of a visit that has its contact."""
    if not visit.in_plan:
        return None
    plan = session.scalars(
        select(Plan).join(Appointment, Appointment.plan_id == Plan.id).where(Appointment.id == visit.id)
    ).one()
    return plan if {visit.email, visit.phone} <= {plan.email, plan.phone, None} else None


def view(session: Session, clinic: Clinic, plan: Plan) -> PlanView:
    visits = tuple(visits_of(session, clinic, plan))
    course, now = Course.of(plan.course), clock.now()
    said = said_of(session, [plan.id]).get(plan.id, NOTHING_SAID)
    weeks = weeks_of(clinic, course, plan.first_day, visits, now, said)
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
        untold=notices.yet_to_hear(session, plan),
        agreed_at=plan.agreed_at,
        made_at=plan.made_at,
        visits=visits,
        weeks=asking_no_more(weeks) if plan.status in OVER else weeks,
        pauses=said.pauses,
        freed=said.freed,
        pause=pause_on(clinic.times.local_date(now), said.pauses) if runs else None,
        not_needed=said.not_needed,
        made_up=said.made_up,
        treated_besides=treated_besides(
            session, clinic, [plan.id] if _firsts_due(clinic, course, plan.known_in, visits, now) else [], now
        ).get(plan.id, ()),
    )


def _firsts_due(
    clinic: Clinic, course: Course, known_in: Collection[str], visits: Sequence[PlanVisit], now: datetime
) -> dict[VisitType, tuple[VisitType, PlanVisit | None]]:
    new = never_begun(clinic, course.kinds, known_in, visits)
    return {**{care: (begins, None) for care, begins in new.items()}, **firsts_due(clinic, visits, now)}


def with_kinds_of(plan: PlanView, course: Course) -> PlanView:
    """The same where a plan has this course, by which visits may be of a kind of care that it has no more."""
    kinds = [*plan.course.kinds, *course.kinds]
    visits = tuple(
        replace(one, care=care_of(plan.clinic, one.visit_type, one.role, kinds)) for one in plan.visits
    )
    if visits == plan.visits and {*course.kinds} <= {*plan.course.kinds}:
        return plan
    with reading() as session:
        besides = treated_besides(session, plan.clinic, [plan.id], clock.now()).get(plan.id, ())
    return replace(plan, course=course, visits=visits, treated_besides=besides)


def weeks_with(plan: PlanView, course: Course, visits: Sequence[PlanVisit]) -> tuple[Week, ...]:
    """What would become of its weeks if a plan had this course, and these visits."""
    said = Said(plan.pauses, plan.not_needed, plan.made_up)
    return weeks_of(plan.clinic, course, plan.first_day, visits, clock.now(), said)
