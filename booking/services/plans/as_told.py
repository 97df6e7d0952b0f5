"""A plan as its patient knows it, as their pages and programs show it: without what was decided and waits to be told, as in
messages about it (`reminders.plans`), and without visits that were taken back, or given up, before anybody heard of them.

What begins before the end of the next day is shown as it is: of that they are reminded.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session, undefer

from booking import clock
from booking.formatting import iso_utc
from booking.models import Actor, Appointment, Channel, Message, Plan, PlanEntry
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
    before = _before(session, plan)
    never = _never_told(session, plan) | {*before.get("new", ())}
    visits = [one for one in found.visits if one.status is not Status.CANCELLED or one.reference not in never]
    if plan.untold_since is not None:
        visits = _without_untold(session, found, visits)
    elif len(visits) == len(found.visits):
        return found
    was = before.get("plan", {})
    confirmed = was.get("confirmed_at", plan.confirmed_at and plan.confirmed_at.isoformat())
    course = Course.of(was.get("course", plan.course))
    return replace(
        found,
        course=course,
        confirmed_at=confirmed and datetime.fromisoformat(confirmed),
        visits=tuple(visits),
        weeks=_weeks(found, course, visits),
    )


def _before(session: Session, plan: Plan) -> dict[str, Any]:
    """How a plan was before the first decision that waits to be told, and what is new by it; empty where nothing waits."""
    if plan.untold_since is None:
        return {}
    entry = session.scalar(
        select(PlanEntry)
        .where(PlanEntry.plan_id == plan.id, PlanEntry.what == "decided", PlanEntry.at == plan.untold_since)
        .options(undefer(PlanEntry.before))
        .limit(1)
    )
    return (entry and entry.before) or {}


def _never_told(session: Session, plan: Plan) -> set[str]:
    """The references of visits that were taken back as booked by mistake, or came and went while a decision waits to be told,
    before their patient heard of them: taken back with a change of the whole plan always, others where no message of them has gone.
    """
    found = session.scalars(
        select(Appointment).where(
            Appointment.plan_id == plan.id,
            Appointment.status == Status.CANCELLED,
            Appointment.cancelled_by == Actor.STAFF,
        )
    )
    by_mistake, others = list[Appointment](), list[Appointment]()
    for one in found:
        (by_mistake if one.cancel_reason == BOOKED_BY_MISTAKE else others).append(one)
    heard = _heard_of(session, plan, [one for one in by_mistake if one.plan_role is not None])
    never = {one.reference for one in by_mistake if one.id not in heard}
    return never | _came_and_went(session, plan, others)


def _came_and_went(session: Session, plan: Plan, cancelled: Sequence[Appointment]) -> set[str]:
    """Those of these visits that were booked since a decision waits to be told, of which no message has gone, and that aren't yet
    to be told as cancelled either. Of whoever is only called no message says what they have heard.
    """
    since = plan.untold_since
    if since is None or notices.channel_of_clinic(plan)[0] is Channel.CALL:
        return set()
    since_then = [one for one in cancelled if one.booked_at >= since]
    heard = _heard_of(session, plan, since_then)
    new = [one for one in since_then if one.id not in heard]
    gone, whose = plan.untold.get("cancelled", ()), plan.untold.get("whose", {})
    moves = notices.moved_from(session, [one.id for one in new], gone, whose)
    return {
        one.reference
        for one in new
        if one.id not in moves
        and not ((at := iso_utc(one.starts_at)) in gone and whose.get(at, one.id) == one.id)
    }


def _heard_of(session: Session, plan: Plan, visits: Sequence[Appointment]) -> set[int]:
    """The ids of those of these visits of which a message has gone, by itself or with the plan."""
    if not visits:
        return set()
    sent = select(Message.facts, Message.appointment_id).where(
        Message.sent_at.is_not(None),
        or_(
            Message.appointment_id.in_([one.id for one in visits]),
            Message.subject == f"plan/{plan.reference}",
        ),
    )
    told, by_itself = set[str](), set[int | None]()
    for facts, of in session.execute(sent):
        told.update(facts.get("added", ()))
        by_itself.add(of)
    return {one.id for one in visits if one.id in by_itself or iso_utc(one.starts_at) in told}


def _without_untold(session: Session, plan: PlanView, visits: Sequence[PlanVisit]) -> list[PlanVisit]:
    """Those visits of which they know, where they know them. What was moved since, or cancelled, stands there as cancelled: they
    are to call before they come.
    """
    gone, firm, added = notices.times_told(plan.untold).values()
    times = plan.clinic.times
    soon = times.local_date(clock.now()) + timedelta(days=1)
    later = [
        one
        for one in visits
        if one.status is Status.CANCELLED
        or (one.status is Status.BOOKED and times.local_date(one.starts_at) > soon)
    ]
    new = {one.id for one in later if one.stands and iso_utc(one.starts_at) in added}
    off = {one.id for one in later if not one.stands}
    moves = notices.moved_from(session, new | off, gone, plan.untold.get("whose"))
    shown = []
    for one in visits:
        if one.id in moves:
            shown.append(_where_it_was(plan, one, moves[one.id]))
        elif one in later and one.stands and iso_utc(one.starts_at) in firm:
            shown.append(replace(one, penciled=True))
        elif one.id not in new:
            shown.append(one)
    return sorted(shown, key=lambda one: one.starts_at)


def _where_it_was(plan: PlanView, visit: PlanVisit, move: dict[str, Any]) -> PlanVisit:
    starts_at = datetime.fromisoformat(move["from"])
    day = (plan.clinic.times.local_date(starts_at) - plan.first_day).days
    return replace(
        visit,
        starts_at=starts_at,
        ends_at=starts_at + (visit.ends_at - visit.starts_at),
        practitioner=plan.clinic.person(move["from_practitioner"]) or visit.practitioner,
        status=Status.CANCELLED,
        by_us=True,
        week=max(0, day // 7),
    )


def _weeks(plan: PlanView, course: Course, visits: Sequence[PlanVisit]) -> tuple[Week, ...]:
    """The weeks of a plan with these visits. What they don't know to be cancelled isn't missing to them."""
    gone, now = notices.times_told(plan.untold)["cancelled"], clock.now()
    as_they_know = [
        replace(one, status=Status.BOOKED, role=one.role or _role_before(one))
        if one.starts_at > now and iso_utc(one.starts_at) in gone
        else one
        for one in visits
    ]
    weeks = tuple(
        week._replace(visits=tuple(one for one in visits if one.week == week.number))
        for week in weeks_with(plan, course, as_they_know)
    )
    return asking_no_more(weeks) if plan.status in OVER else weeks


def _role_before(visit: PlanVisit) -> Role:
    """What a visit was of which a plan asks no more: no first one, since none is left out."""
    return Role.DOSE if visit.visit_type == visit.care else Role.REASSESSMENT
