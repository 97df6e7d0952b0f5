"""What a plan that is there already asks for: how its visits are proposed, repaired and changed."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime

from booking import clock
from booking.models import BookableBy
from booking.scheduling.plans.course import Course
from booking.scheduling.plans.keeping import Fault, Kept, Role, newly_broken
from booking.scheduling.plans.windows import Presence
from booking.scheduling.status import Status
from booking.scheduling.timeline import cell_at
from booking.services import holds
from booking.services.plans.besides import days_besides, may_know
from booking.services.plans.choosing import Chosen
from booking.services.plans.ground import Wanted
from booking.services.plans.reading import PlanView
from booking.services.plans.visits import PlanVisit, kept_at
from booking.services.plans.wanted import Asked, PlanWanted
from booking.services.transaction import reading


def wanted_by(
    plan: PlanView,
    audience: BookableBy,
    *,
    first_day: date | None = None,
    presence: Presence | None = None,
) -> PlanWanted:
    """A plan as it is to be proposed to its patient, away from the visits that they have besides, at times that are held for it
    as well. `first_day`, `presence`: where they want it otherwise than was prescribed.
    """
    return PlanWanted(
        course=plan.course,
        first_day=first_day or plan.first_day,
        presence=presence or plan.presence,
        only=plan.only,
        wished=plan.wished,
        returning=frozenset(plan.returning),
        audience=audience,
        patient_id=plan.patient_id,
        visitor=holds.of_plan(plan.reference),
        elsewhere=days_besides(plan, audience),
        busy_with=None if may_know(plan, audience) else frozenset(one.id for one in plan.visits),
        prescribed=True,
        limited=plan.is_limited,
    )


def asked_for(
    plan: PlanView, audience: BookableBy, course: Course | None = None, *, until: date = date.min
) -> Asked:
    """What a plan that runs asks for: it keeps to what is free, for nothing gives way to what is moved or made up. `until`: as in
    `Asked.of`.
    """
    wanted = wanted_by(plan, audience)
    due = {care.modality.slug for care in plan.firsts_due(clock.now())}
    standing = tuple(one.visit_type for one in plan.standing)
    wanted = replace(wanted, returning=wanted.returning - due, standing=standing)
    if course is not None:
        wanted = wanted.with_course(course)
    with reading() as session:
        asked = Asked.of(session, plan.clinic, wanted, clock.now(), until=until)
    return replace(asked, ground=asked.ground.giving(frozenset()))


def kept_of(plan: PlanView, visit: PlanVisit) -> Kept:
    return kept_at(
        plan.clinic, plan.first_day, visit.starts_at, visit.ends_at, visit.care, visit.role or Role.DOSE
    )


def as_they_stand(plan: PlanView) -> dict[Kept, bool]:
    """The visits of a plan that stand, each with whether it is only penciled in."""
    return {kept_of(plan, one): one.penciled and one.status is Status.BOOKED for one in plan.standing}


def suffers(plan: PlanView, moved: Mapping[str, tuple[datetime, datetime]]) -> list[Fault]:
    """What a plan wouldn't keep any more with some of its visits at other times, from and to, by their references. A series
    asks for nothing.
    """
    if plan.is_series:
        return []
    there = [
        replace(one, starts_at=moved[one.reference][0], ends_at=moved[one.reference][1])
        if one.reference in moved
        else one
        for one in plan.standing
    ]
    before, after = ([kept_of(plan, one) for one in visits] for visits in (plan.standing, there))
    return newly_broken(plan.course, before, after)


def chosen_of(plan: PlanView, visit: PlanVisit) -> Chosen:
    wanted = Wanted(visit.visit_type.slug, visit.practitioner.id, cell_at(visit.starts_at))
    return Chosen(visit.visit_type, visit.practitioner, kept_of(plan, visit), wanted)
