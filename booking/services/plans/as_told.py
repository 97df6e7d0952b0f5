"""A plan as its patient knows it, as their pages and programs show it: without what was decided and waits to be told, as in
messages about it (`reminders.plans`), and without visits that were taken back, or given up, before anybody heard of them.

What begins before the end of the next day is shown as it is, of that they are reminded; and so is what a message has named since.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, undefer

from booking import clock
from booking.models import Actor, Appointment, Plan, PlanEntry
from booking.scheduling.plans.course import Course
from booking.scheduling.plans.keeping import Role
from booking.scheduling.status import Status
from booking.services import notices
from booking.services.clinic import the_clinic
from booking.services.desk.states import BOOKED_BY_MISTAKE
from booking.services.plans import links
from booking.services.plans.reading import OVER, PlanView, plan_of_visit, view, weeks_with
from booking.services.plans.visits import PlanVisit
from booking.services.plans.weeks import Week, asking_no_more
from booking.services.transaction import reading
from booking.services.visits import Visit, shaped


def by_link(reference: str, token: str) -> PlanView:
    """The plan that this link opens, as its patient knows it. Raises NotFound."""
    with reading() as session:
        return as_told(session, links.plan_by_link(session, reference, token, clock.now()))


def of_visit(visit: Visit) -> PlanView | None:
    """The plan of a visit that its link has opened, as `reading.of_visit`, as its patient knows it."""
    with reading() as session:
        plan = plan_of_visit(session, visit)
        return None if plan is None else as_told(session, plan)


def visits_by_link(reference: str, token: str) -> tuple[Visit, ...]:
    """The visits of this plan that stand as far as its patient knows, each as its own link opens it. Raises NotFound."""
    with reading() as session:
        plan = links.plan_by_link(session, reference, token, clock.now())
        found, clinic = as_told(session, plan), the_clinic(session)
        known = {one.id: one for one in found.visits if one.status is not Status.CANCELLED}
        rows = session.scalars(
            select(Appointment).where(Appointment.id.in_(known)).order_by(Appointment.from_cell)
        )
        return tuple(replace(shaped(clinic, row), penciled=known[row.id].penciled) for row in rows)


# A part of other use cases


def as_told(session: Session, plan: Plan) -> PlanView:
    found = view(session, the_clinic(session), plan)
    never = _never_told(session, plan)
    visits = [one for one in found.visits if one.status is not Status.CANCELLED or one.reference not in never]
    if plan.untold_since is not None:
        visits = _without_untold(found, visits)
    elif len(visits) == len(found.visits):
        return found
    was = _before(session, plan)
    confirmed = was.get("confirmed_at", plan.confirmed_at and plan.confirmed_at.isoformat())
    course = Course.of(was.get("course", plan.course))
    told = replace(
        found,
        course=course,
        confirmed_at=confirmed and datetime.fromisoformat(confirmed),
        visits=tuple(visits),
    )
    return replace(told, weeks=_weeks(told))


def _before(session: Session, plan: Plan) -> dict[str, Any]:
    """How a plan was before the first decision that waits to be told; empty where nothing waits."""
    if plan.untold_since is None:
        return {}
    entry = session.scalar(
        select(PlanEntry)
        .where(PlanEntry.plan_id == plan.id, PlanEntry.what == "decided", PlanEntry.at == plan.untold_since)
        .options(undefer(PlanEntry.before))
        .limit(1)
    )
    before: dict[str, Any] = (entry and entry.before) or {"plan": {}}
    return dict(before["plan"])


def _never_told(session: Session, plan: Plan) -> set[str]:
    """The references of visits that were taken back as booked by mistake before their patient heard of them: with a change of the
    whole plan always, others where no message of them has gone.
    """
    by_mistake = session.scalars(
        select(Appointment).where(
            Appointment.plan_id == plan.id,
            Appointment.status == Status.CANCELLED,
            Appointment.cancelled_by == Actor.STAFF,
            Appointment.cancel_reason == BOOKED_BY_MISTAKE,
        )
    ).all()
    heard = notices.heard_of(session, plan, [one.id for one in by_mistake if one.plan_role is not None])
    return {one.reference for one in by_mistake if one.id not in heard}


def _without_untold(plan: PlanView, visits: Sequence[PlanVisit]) -> list[PlanVisit]:
    """Those visits of which they know, where they know them. What was moved since, or cancelled, stands there as cancelled: they
    are to call before they come.
    """
    times, shown = plan.clinic.times, list[PlanVisit]()
    soon = times.local_date(clock.now()) + timedelta(days=1)
    for one in visits:
        later = one.status is Status.BOOKED and times.local_date(one.starts_at) > soon
        known = plan.untold.get(str(one.id), {}) if later or one.status is Status.CANCELLED else {}
        if known is None:
            continue
        if not known:
            shown.append(one)
        elif later and notices.same_place(known, notices.known_visit(one)):
            shown.append(replace(one, penciled=known["penciled"]))
        else:
            shown.append(_where_it_was(plan, one, known))
    return sorted(shown, key=lambda one: one.starts_at)


def _where_it_was(plan: PlanView, visit: PlanVisit, known: dict[str, Any]) -> PlanVisit:
    starts_at = notices.begins(known)
    day = (plan.clinic.times.local_date(starts_at) - plan.first_day).days
    return replace(
        visit,
        starts_at=starts_at,
        ends_at=datetime.fromisoformat(known["old_ends_at"]),
        practitioner=plan.clinic.person(known["old_practitioner"]) or visit.practitioner,
        status=Status.CANCELLED,
        by_us=True,
        week=max(0, day // 7),
    )


def _weeks(plan: PlanView) -> tuple[Week, ...]:
    """The weeks of a plan with the visits of which they know. What they don't know to be cancelled isn't missing to them."""
    gone = plan.gone_untold(clock.now())
    as_they_know = [
        replace(one, status=Status.BOOKED, role=one.role or _role_before(one)) if one.id in gone else one
        for one in plan.visits
    ]
    weeks = tuple(
        week._replace(visits=tuple(one for one in plan.visits if one.week == week.number))
        for week in weeks_with(plan, plan.course, as_they_know)
    )
    return asking_no_more(weeks) if plan.status in OVER else weeks


def _role_before(visit: PlanVisit) -> Role:
    """What a visit was of which a plan asks no more: no first one, since none is left out."""
    return Role.DOSE if visit.visit_type == visit.care else Role.REASSESSMENT
