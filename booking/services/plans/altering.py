"""Changing several visits of a plan in one transaction: giving some up, adding others, making penciled ones firm.

Parts of use cases: they receive the session and never commit. Locks, in this order: the plan (`running`), its visits, then
everything that they take or leave. Then the visits are changed, then the plan is (`changed`), and last its patient is told.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import update
from sqlalchemy.orm import Session

from booking import clock
from booking.errors import NotChangeable, StaleEdit, VisitsTaken
from booking.models import Actor, Appointment, BookableBy, Plan, PlanStatus
from booking.scheduling.plans.course import LOOKED_AT_WITHIN, Course
from booking.scheduling.plans.keeping import Kept, waiting
from booking.scheduling.status import Status
from booking.services import claims, history, placing
from booking.services.clinic import Clinic, Practitioner
from booking.services.plans import links
from booking.services.plans.as_it_was import AsItWas, all_visits, kept
from booking.services.plans.choosing import Chosen, questions_for
from booking.services.plans.ground import Ground
from booking.services.plans.recording import noted, record_all
from booking.services.staff.ownership import plan_for
from booking.services.staff.who import Who


class By(NamedTuple):
    """Who changes a plan, and why. `beyond`: that part of it by which visits are booked all the same where the payer is to be
    asked first.
    """

    actor: Actor
    name: str = ""
    account_id: int | None = None
    why: str = ""
    beyond: str = ""

    @classmethod
    def staff(cls, who: Who, why: str = "", beyond: str = "") -> "By":
        whole = f"{why.strip()[: 499 - len(beyond)]} {beyond}" if beyond else why
        return cls(Actor.STAFF, who.name, who.account_id, whole.strip()[:500], beyond)


PATIENT = By(Actor.PATIENT)


def running(session: Session, who: Who, reference: str, version: int | None) -> Plan:
    """A plan that runs, locked to be changed by staff. Raises NotFound, StaleEdit where it isn't any more as it was shown,
    NotChangeable.
    """
    return _as_shown(plan_for(session, who, reference, for_update=True), version)


def running_by_link(session: Session, reference: str, token: str, version: int | None) -> Plan:
    """The same, to be changed by its patient."""
    return _as_shown(links.plan_by_link(session, reference, token, clock.now(), for_update=True), version)


def _as_shown(plan: Plan, version: int | None) -> Plan:
    if version is not None and version != plan.version:
        raise StaleEdit(shown=None, now={"status": plan.status.value})
    refuse_at_rest(plan)
    return plan


def refuse_at_rest(plan: Plan) -> None:
    """Refuses to change a plan that doesn't run."""
    if plan.status is not PlanStatus.RUNNING:
        raise NotChangeable(visit_status=plan.status.value)


def changed(
    session: Session,
    plan: Plan,
    what: str,
    by: By,
    now: datetime,
    *,
    was: AsItWas | None = None,
    **facts: Any,
) -> int:
    """Writes down that a plan was changed: its next version, under which its patient is told afterwards, and its history.
    `was`: how it was before, by which staff may take it back. Returns the number of the history's entry.
    """
    plan.version += 1
    plan.sequence += 1
    plan.changed_at = now
    session.flush()
    return noted(
        session, plan, what, by.actor, now, why=by.why, name=by.name, account_id=by.account_id,
        before=kept(session, plan, was) if was else None, **facts,
    )  # fmt: skip


def visits_to_change(session: Session, plan: Plan) -> list[Appointment]:
    """All visits of a plan that are still ahead and stand, locked, in order."""
    now = clock.now()
    return [one for one in all_visits(session, plan) if one.status is Status.BOOKED and one.starts_at > now]


def lock_what_they_take(session: Session, visits: Iterable[Appointment], also: Iterable[int] = ()) -> None:
    """Everything that these visits take, and `also` others, in one go."""
    claims.lock(session, {*claims.taken_by(session, [one.id for one in visits]), *also})


def may_take(clinic: Clinic, plan: Plan, people: Iterable[Practitioner]) -> set[int]:
    """Everything that visits of a plan with these people may take."""
    things = [*clinic.rooms, *clinic.devices]
    return {plan.patient_id, *(one.id for one in people), *(thing.id for thing in things)}


def give_up(
    session: Session,
    visits: Sequence[Appointment],
    by: By,
    now: datetime,
    *,
    missed: bool = False,
    **facts: Any,
) -> None:
    """Cancels these visits, which are locked with all that they take. They are no missed visits of the plan: it asks for them
    no more, unless `missed` says so. `tell`: whether their patient is to hear of it.
    """
    placing.cancel_all(session, visits, by.actor, by.why, now)
    for visit in visits:
        if not missed:
            visit.plan_role = None
        visit.version += 1
        visit.changed_at = now
        note(session, visit, "cancelled", by, **facts)
    session.flush()


def make_firm(session: Session, visits: Sequence[Appointment], by: By, now: datetime) -> None:
    """These visits, which are locked, are penciled in no more: they give way to nobody, which whoever has kept what they
    take is to know.
    """
    taken = claims.taken_by(session, [one.id for one in visits])
    claims.lock(session, taken)
    claims.bump(session, taken)
    session.execute(
        update(Appointment)
        .where(Appointment.id.in_([one.id for one in visits]))
        .values(penciled=False, changed_at=now, version=Appointment.version + 1)
        .execution_options(synchronize_session="fetch")
    )
    for visit in visits:
        note(session, visit, "made firm", by)


def as_they_wait(
    plan: Plan, course: Course, others: Mapping[Kept, bool], chosen: Sequence[Chosen]
) -> list[tuple[Chosen, bool]]:
    """Further visits of a plan, each with whether it is penciled in where it lies, as `add` takes them. `others`: those that stand,
    with whether they are (`as_they_stand`).
    """
    whole = sorted([*others, *(one.kept for one in chosen)])
    confirmed = plan.confirmed_at is not None
    marks = waiting(course, whole, decided=plan.decided_phases, confirmed=confirmed, marks=others)
    waits = dict(zip(whole, marks, strict=True))
    return [(one, waits[one.kept]) for one in chosen]


def add(
    session: Session,
    clinic: Clinic,
    plan: Plan,
    chosen: Sequence[tuple[Chosen, bool]],
    by: By,
    now: datetime,
    *,
    audience: BookableBy,
) -> list[Appointment]:
    """Books further visits of a plan, each (what was chosen, whether it is penciled in): all, or VisitsTaken with those that
    can't be had.
    """
    if not chosen:
        return []
    wanted = [one for one, _ in chosen]
    days = [one.kept.day for one in wanted]
    ground = Ground.locked(
        session, clinic, questions_for(clinic, wanted, audience, limited=plan.is_limited),
        plan.first_day + timedelta(days=min(days)),
        plan.first_day + timedelta(days=max(days) + LOOKED_AT_WITHIN), now, patient_id=plan.patient_id,
    )  # fmt: skip
    assigned = ground.together([one.wanted for one in wanted])
    lost = [one for one, assignment in zip(wanted, assigned, strict=True) if assignment is None]
    if lost:
        raise VisitsTaken(lost=[one.facts | {"replacements": []} for one in lost])
    visits = [
        (one, assignment, penciled)
        for (one, penciled), assignment in zip(chosen, assigned, strict=True)
        if assignment is not None
    ]
    return record_all(
        session, plan, visits, by.actor, now, why=by.why, actor_name=by.name, account_id=by.account_id
    )


def note(session: Session, visit: Appointment, what: str, by: By, **facts: Any) -> None:
    """Appends to the history of a visit that was changed with its plan."""
    history.note(
        session, visit, what, by.actor, why=by.why, name=by.name, account_id=by.account_id,
        version=visit.version, **facts,
    )  # fmt: skip
