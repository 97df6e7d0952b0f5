"""What a plan would suffer if one of its visits were elsewhere, and times that keep it whole."""

from dataclasses import dataclass, replace
from datetime import datetime

from booking.errors import NotOffered
from booking.models import BookableBy, Plan, PlanStatus
from booking.scheduling.plans.keeping import Fault, Role, newly_turned
from booking.scheduling.timeline import cell_at
from booking.services.clinic import the_clinic
from booking.services.plans.asking_again import asked_for, chosen_of, kept_of, suffers
from booking.services.plans.besides import days_besides, near_besides
from booking.services.plans.reading import PlanView, view
from booking.services.plans.replacing import Instead, instead_of
from booking.services.plans.visits import PlanVisit, kept_at
from booking.services.plans.wanted import Asked
from booking.services.proposed import Proposed
from booking.services.staff.ownership import appointment_for
from booking.services.staff.who import Who
from booking.services.transaction import reading


@dataclass(frozen=True)
class Suffering:
    """What a plan of so many weeks wouldn't keep any more if one of its visits were elsewhere, and times that keep all of it."""

    weeks: int
    faults: tuple[Fault, ...]
    better: tuple[Instead, ...]


def suffering(who: Who, reference: str, starts_at: datetime, ends_at: datetime) -> Suffering | None:
    """What the plan of a visit would suffer if that were at another time; None where it wouldn't, or where there is no plan
    that runs. Raises NotFound.
    """
    with reading() as session:
        appointment = appointment_for(session, who, reference)
        plan = session.get(Plan, appointment.plan_id) if appointment.plan_id else None
        if plan is None:
            return None
        found = view(session, the_clinic(session), plan)
    return suffering_of(found, reference, starts_at, ends_at, BookableBy.STAFF)


def suffering_of(
    plan: PlanView, reference: str, starts_at: datetime, ends_at: datetime, audience: BookableBy
) -> Suffering | None:
    """The same of a plan that is seen already."""
    visit = plan.that_stands(reference)
    if visit is None or plan.status is not PlanStatus.RUNNING:
        return None
    there = kept_at(plan.clinic, plan.first_day, starts_at, ends_at, visit.care, visit.role or Role.DOSE)
    broken = suffers(plan, {reference: (starts_at, ends_at)})
    broken += near_besides(plan, days_besides(plan, audience), kept_of(plan, visit), there)
    others = [kept_of(plan, one) for one in plan.standing if one.reference != reference]
    broken += newly_turned(plan.course, [*others, kept_of(plan, visit)], [*others, there])
    if not broken:
        return None
    try:
        better = better_times(plan, visit, audience)
    except NotOffered:
        # The clinic offers no more what the plan asks for besides.
        better = []
    return Suffering(plan.course.weeks, tuple(broken), tuple(better))


def better_times(
    plan: PlanView, visit: PlanVisit, audience: BookableBy, asked: Asked | None = None
) -> list[Instead]:
    """Times for one visit of a plan that keep all of its rules. `asked`: what the plan asks for, where that is known already."""
    others = [chosen_of(plan, one) for one in plan.standing if one.reference != visit.reference]
    return instead_of(asked or asked_for(plan, audience), chosen_of(plan, visit), others, same_day=True)


def keeping(plan: PlanView, reference: str) -> list[Instead]:
    """Times to which a patient can move one visit of their plan, and all of the plan is kept; none of one that asks for nothing,
    or that runs no more.
    """
    visit = plan.that_stands(reference)
    if visit is None or plan.is_series or plan.status is not PlanStatus.RUNNING:
        return []
    try:
        return better_times(plan, visit, BookableBy.LINK)
    except NotOffered:
        return []


class TimesThatKeep:
    """Times for visits of several plans that keep their rules, for one visit after the other: the first of each is left, and keeps
    the rules, if the first ones before it are taken, and whatever else was `proposed`.
    """

    def __init__(self, audience: BookableBy, proposed: Proposed | None = None) -> None:
        self._audience, self._proposed = audience, proposed or Proposed()
        self._asked: dict[int, Asked] = {}
        self._moved: dict[str, Instead] = {}

    def of(self, plan: PlanView, reference: str) -> tuple[Instead, ...]:
        """For this visit of the plan; none for what the plan asks for no more, or the clinic offers no more."""
        visit = plan.that_stands(reference)
        if visit is None:
            return ()
        if plan.id not in self._asked:
            try:
                self._asked[plan.id] = asked_for(plan, self._audience)
            except NotOffered:
                return ()
        asked = self._asked[plan.id].once_had(self._proposed)
        found = better_times(self._as_moved(plan), visit, self._audience, asked)
        if found:
            self._propose(asked, visit, found[0])
        return tuple(found)

    def _propose(self, asked: Asked, visit: PlanVisit, to: Instead) -> None:
        name = visit.visit_type.slug
        place = asked.ground.offers(name).assigned(to.practitioner.id, cell_at(to.starts_at))
        if place is not None:
            self._proposed.add(place, name, asked.wanted.patient_id)
        self._moved[visit.reference] = to

    def _as_moved(self, plan: PlanView) -> PlanView:
        """The plan with its visits where they were proposed to be."""
        visits = (
            replace(one, starts_at=to.starts_at, ends_at=to.ends_at, practitioner=to.practitioner)
            if (to := self._moved.get(one.reference))
            else one
            for one in plan.visits
        )
        return replace(plan, visits=tuple(visits))
