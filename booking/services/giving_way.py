"""Visits that nobody has decided on give way, where the clinic's file says so: to the desk, and to first visits of patients.

Parts of use cases: they receive the session and never commit. Whoever wants such a time finds the few visits without which
it is free, gives them up in the same transaction, and then books or moves as always: the claims are still the database's. What
was given up stands in its plan as missed, so that it is booked anew; its patient hears of it with the next message about the plan.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, exists, select
from sqlalchemy.orm import Session

from booking.errors import SlotTaken
from booking.formatting import iso_utc
from booking.models import Actor, Appointment, Claim, HistoryEntry, Plan, PlanStatus
from booking.scheduling.offers import Assignment, Offers, Use
from booking.scheduling.status import Status
from booking.scheduling.timeline import cell_at
from booking.services import claims, history, placing
from booking.services.availability import locked
from booking.services.clinic import Clinic
from booking.services.occupancies import GIVES_WAY, Ignoring, within
from booking.services.plans.ground import Ground, Wanted
from booking.services.plans.recording import noted
from booking.services.plans.said import WITHOUT_IT, was_done_since
from booking.services.question import Question
from booking.services.staff import audit
from booking.services.staff.who import Who

GAVE_WAY, CAME_BACK = "gave way", "came back"
# Cells around a visit in which another one may keep it away: buffers.
_NEAR = 36


class Back(NamedTuple):
    """A visit that gave way and stands again. `told`: what was written since has told that it doesn't, or waits to."""

    visit: Appointment
    gave_way_at: datetime
    told: bool


def few(
    session: Session,
    from_cell: int,
    to_cell: int,
    possible: Callable[[frozenset[int]], bool],
    *,
    patient_id: int | None = None,
) -> frozenset[int] | None:
    """Visits that give way without which something in these cells is possible: one, where one is enough; else no more than needed.
    None where nothing helps. `patient_id`: whose visits don't, as they aren't asked.
    """
    left = frozenset(
        session.scalars(
            select(Appointment.id)
            .join(Plan, Plan.id == Appointment.plan_id)
            .where(
                GIVES_WAY,
                Appointment.status == Status.BOOKED,
                Appointment.patient_id.is_distinct_from(patient_id),
                within(Appointment),
            ),
            {"start": from_cell - _NEAR, "end": to_cell + _NEAR},
        )
    )
    if not left or not possible(left):
        return None
    for one in sorted(left):
        if possible(frozenset({one})):
            return frozenset({one})
    for one in sorted(left):
        if possible(left - {one}):
            left -= {one}
    return left


def offers_without(
    session: Session,
    question: Question,
    starts_at: datetime,
    now: datetime,
    *,
    visitor: str | None,
    patient_id: int | None = None,
) -> tuple[Offers, frozenset[int]] | None:
    """For a start that a patient can't have as it is: the offers without the few visits that give way to it, and which
    those are. None where it can't be had so either.
    """
    start = cell_at(starts_at)

    def offers(others: frozenset[int]) -> Offers:
        ignoring = Ignoring(visitor=visitor, others=others)
        return locked(session, question, starts_at, now, ignoring=ignoring, patient_id=patient_id)

    given = few(
        session,
        start,
        start + _longest(question),
        lambda others: offers(others).at(start) is not None,
        patient_id=patient_id,
    )
    if given is None:
        return None
    return offers(given), given


def together(
    session: Session, ground: Ground, wanted: Sequence[Wanted]
) -> tuple[list[Assignment | None], frozenset[int]]:
    """What the visits of a new plan take, under the lock (`Ground.together`), and the few visits that give way to its first
    ones: none, where all can be had as it is.
    """
    assigned, given = ground.together(wanted), frozenset[int]()
    for number, one in enumerate(wanted):
        question = ground.questions[one.visit_type]
        if assigned[number] is not None or not question.takes_penciled:
            continue

        def is_had(others: frozenset[int], number: int = number, so_far: frozenset[int] = given) -> bool:
            return ground.giving(so_far | others).together(wanted)[number] is not None

        found = few(session, one.cell, one.cell + _longest(question), is_had, patient_id=ground.patient_id)
        given |= found or frozenset()
        assigned = ground.giving(given).together(wanted)
    return assigned, given


def give_up(
    session: Session,
    visits: Iterable[int],
    by: Actor,
    now: datetime,
    who: Who | None = None,
) -> list[str]:
    """Gives up these visits for another one; returns their references. `who`: of the staff, if it is them; the audit names each
    visit's patient. Raises SlotTaken where one was decided on meanwhile.

    They are locked after what they take, for nobody knew of them before; whoever decides on them just now may have to wait for
    us and we for them, and then one of the two begins anew.
    """
    ids = list(visits)
    if not ids:
        return []
    plans = _locked_plans(session, Appointment.id.in_(ids))
    found = session.scalars(
        select(Appointment)
        .where(Appointment.id.in_(ids))
        .order_by(Appointment.id)
        .with_for_update(of=Appointment)
        .execution_options(populate_existing=True)
    ).all()
    for visit in found:
        if visit.status is not Status.BOOKED or not visit.penciled:
            raise SlotTaken
        plan, uses = plans[visit.plan_id or 0], claims.uses_of(session, visit)
        placing.cancel(session, visit, by, "", now)
        visit.version += 1
        visit.changed_at = now
        history.note(
            session, visit, GAVE_WAY, by, **_signed(who), version=visit.version, plan=plan.reference,
            uses=[list(use) for use in uses], state={"status": Status.CANCELLED.value},
        )  # fmt: skip
        _of_plan(session, plan, visit, GAVE_WAY, by, now, who)
    session.flush()
    return [one.reference for one in found]


def bring_back(
    session: Session, references: Sequence[str], by: Actor, now: datetime, who: Who
) -> dict[Plan, list[Back]]:
    """Puts back what was given up for a visit that is no more: each that nobody has touched since, but for words, if its
    time is free, its plan still runs and doesn't go on without it. It is penciled in as before, unless that was decided on
    meanwhile.
    """
    back: dict[Plan, list[Back]] = {}
    if not references:
        return back
    plans = _locked_plans(session, Appointment.reference.in_(references))
    found = session.scalars(
        select(Appointment)
        .where(Appointment.reference.in_(references), Appointment.status == Status.CANCELLED)
        .order_by(Appointment.id)
        .with_for_update(of=Appointment)
        .execution_options(populate_existing=True)
    )
    for visit in found:
        entry = session.scalar(
            select(HistoryEntry)
            .where(HistoryEntry.appointment_id == visit.id, HistoryEntry.what.not_in(history.OF_WORDS))
            .order_by(HistoryEntry.id.desc())
            .limit(1)
        )
        if entry is None or entry.what != GAVE_WAY or visit.starts_at <= now:
            continue
        plan = plans[visit.plan_id or 0]
        if plan.status is not PlanStatus.RUNNING:
            continue
        if was_done_since(session, plan.id, WITHOUT_IT, entry.at):
            continue
        uses = claims.uses_again(session, visit, entry.facts["uses"])
        claims.lock(session, [use.resource_id for use in uses])
        if is_taken(session, uses):
            continue
        claims.take(session, uses, appointment_id=visit.id)
        claims.bump(session, [use.resource_id for use in uses])
        back.setdefault(plan, []).append(Back(visit, entry.at, told=not visit.penciled))
        visit.penciled = True
        placing.pencil(session, visit)
        visit.status = Status.BOOKED
        visit.cancelled_at = visit.cancelled_by = None
        visit.sequence += 1
        visit.version += 1
        visit.changed_at = now
        history.note(
            session, visit, CAME_BACK, by, **_signed(who), version=visit.version,
            state={"status": Status.BOOKED.value},
        )  # fmt: skip
        _of_plan(session, plan, visit, CAME_BACK, by, now, who)
    session.flush()
    return back


def _locked_plans(session: Session, whose: ColumnElement[bool]) -> dict[int, Plan]:
    """The plans of these visits, by their ids."""
    wanted = select(Plan).where(Plan.id.in_(select(Appointment.plan_id).where(whose))).order_by(Plan.id)
    found = session.scalars(wanted.with_for_update().execution_options(populate_existing=True))
    return {one.id: one for one in found}


def untold(session: Session, plan: Plan, now: datetime) -> list[Appointment]:
    """Visits of this plan that gave way, are still ahead by their time, and of which its patient hasn't heard, in order."""
    found = session.scalars(
        select(Appointment).where(
            Appointment.plan_id == plan.id,
            Appointment.status == Status.CANCELLED,
            Appointment.penciled,
            exists().where(HistoryEntry.appointment_id == Appointment.id, HistoryEntry.what == GAVE_WAY),
        )
    ).all()
    return sorted((one for one in found if one.starts_at > now), key=lambda one: one.from_cell)


def count_as_told(visits: Iterable[Appointment]) -> None:
    """From now on their patient has heard that these visits gave way: kept as being penciled in no more."""
    for one in visits:
        one.penciled = False


def named(session: Session, clinic: Clinic, who: Who, visits: Iterable[int]) -> list[dict[str, Any]]:
    """These visits as facts of the breach PENCILED: whose ("" for those who don't see that patient), when, with whom, and who
    is to decide ("" where that isn't known).
    """
    found = session.execute(
        select(Appointment, Plan.prescribed_by)
        .join(Plan, Plan.id == Appointment.plan_id)
        .where(Appointment.id.in_(list(visits)))
        .order_by(Appointment.from_cell, Appointment.id)
    ).all()
    return [
        {
            "whose": (
                f"{visit.first_name} {visit.last_name}"
                if who.sees_everybody or visit.practitioner_id == who.practitioner_id
                else ""
            ),
            "name": clinic.practitioner_by_id[visit.practitioner_id].name,
            "starts_at": iso_utc(visit.starts_at),
            "decides": clinic.practitioner_by_id[decides].name if decides else "",
        }
        for visit, decides in found
    ]


def is_taken(session: Session, uses: Iterable[Use]) -> bool:
    """Whether somebody has claims there, who may have to give way."""
    return session.scalar(select(Claim.id).where(claims.meeting(uses)).limit(1)) is not None


# Parts


def _longest(question: Question) -> int:
    return max((question.shape_with(one).length for one in question.practitioners), default=0)


def _of_plan(
    session: Session, plan: Plan, visit: Appointment, what: str, by: Actor, now: datetime, who: Who | None
) -> None:
    plan.version += 1
    plan.changed_at = now
    at = iso_utc(visit.starts_at)
    noted(session, plan, what, by, now, visit=visit.reference, starts_at=at, **_signed(who))
    if who is not None:
        audit.did(session, who, what, f"appointment/{visit.reference}", visit.patient_id)


def _signed(who: Who | None) -> dict[str, Any]:
    """Whose it is, for a history."""
    return {"name": who.name, "account_id": who.account_id} if who else {"name": "", "account_id": None}
