"""Holding all visits of a plan that was chosen, while its patient types. Like the hold of a single time, it lapses by itself
after ten minutes, and one that lapsed costs nothing if the times are still free.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking import clock
from booking.models import BookableBy, Claim, Hold
from booking.scheduling.offers import Assignment
from booking.scheduling.plans.course import LOOKED_AT_WITHIN, Course
from booking.scheduling.timeline import instant_of
from booking.services import claims, giving_way, holds, rows
from booking.services.clinic import the_clinic
from booking.services.plans.choosing import Chosen, VisitWish, choose, questions_for
from booking.services.plans.ground import Ground
from booking.services.transaction import reading, run


class HeldFor(NamedTuple):
    """What is held for a plan that was prescribed, in order, and until when."""

    visits: tuple[VisitWish, ...]
    until: datetime


def held_for(plan: str) -> HeldFor | None:
    """What somebody with a plan's link has chosen, and not booked yet."""
    with reading() as session:
        clinic = the_clinic(session)
        found = session.execute(
            select(Hold.visit_type_id, Hold.practitioner_id, Hold.from_cell, Hold.lapses_at)
            .where(Hold.visitor == holds.of_plan(plan), Hold.lapses_at > clock.now())
            .order_by(Hold.from_cell)
        ).all()
    types = {one.id: slug for slug, one in clinic.visit_types.items()}
    people = {one.id: slug for slug, one in clinic.practitioners.items()}
    visits = [
        VisitWish(types[kind], people[person], instant_of(cell))
        for kind, person, cell, _lapses in found
        if kind in types and person in people
    ]
    return HeldFor(tuple(visits), found[0].lapses_at) if visits else None


def hold_plan(
    course: Course,
    first_day: date,
    visits: Sequence[VisitWish],
    *,
    audience: BookableBy,
    visitor: str,
    network: str,
) -> list[int]:
    """Keeps these visits for ten minutes, instead of whatever this visitor held: for a plan that was prescribed, the plan itself
    (`holds.of_plan`). Returns the numbers, in the order of their times, of those that somebody else has; the others are held.

    Raises TooManyHolds when the network holds as many as it may, of which a plan is one; PlanRulesBroken for visits of none
    of the plan's kinds, NotOffered, NotFound.
    """
    return run(lambda session: _hold(session, course, first_day, visits, audience, visitor, network))


def _hold(
    session: Session,
    course: Course,
    first_day: date,
    visits: Sequence[VisitWish],
    audience: BookableBy,
    visitor: str,
    network: str,
) -> list[int]:
    now, clinic = clock.now(), the_clinic(session)
    chosen = choose(clinic, course, first_day, visits)
    last_day = first_day + timedelta(days=course.weeks * 7 - 1 + LOOKED_AT_WITHIN)
    own = holds.of_visitor(session, visitor)
    ground = Ground.locked(
        # Whose it will be isn't known: whether that is too much for one patient is asked when it is booked.
        session, clinic, questions_for(clinic, chosen, audience, limited=False), first_day, last_day, now,
        visitor=visitor, also=claims.held_by(session, own),
    )  # fmt: skip
    assigned, given_way = giving_way.together(session, ground, [one.wanted for one in chosen])
    claims.drop_holds(session, own)
    holds.refuse_too_many(session, network, now)
    kept = [
        (one, assignment) for one, assignment in zip(chosen, assigned, strict=True) if assignment is not None
    ]
    if kept:
        _take(session, kept, visitor, holds.of_plans(network), given_way)
    return [number for number, assignment in enumerate(assigned) if assignment is None]


def _take(
    session: Session,
    kept: Sequence[tuple[Chosen, Assignment]],
    visitor: str,
    network: str,
    given_way: frozenset[int],
) -> None:
    """`given_way`: what is penciled in at some of these times keeps its claims until the plan is booked, and there the hold alone
    keeps others away.
    """
    now = clock.now()
    ids = rows.add_many(
        session,
        Hold,
        [
            {
                "visitor": visitor,
                "network": network,
                "visit_type_id": one.visit_type.id,
                "practitioner_id": assignment.practitioner_id,
                "from_cell": assignment.from_cell,
                "to_cell": assignment.to_cell,
                "made_at": now,
                "lapses_at": now + holds.LASTS,
            }
            for one, assignment in kept
        ],
    )
    by_cell = dict(session.execute(select(Hold.from_cell, Hold.id).where(Hold.id.in_(ids))).tuples().all())
    uses = [
        (by_cell[assignment.from_cell], use)
        for _, assignment in kept
        if not (given_way and giving_way.is_taken(session, assignment.uses))
        for use in assignment.uses
    ]
    rows.add_all(
        session,
        Claim,
        (
            {
                "resource_id": use.resource_id,
                "from_cell": use.from_cell,
                "to_cell": use.to_cell,
                "before": use.before,
                "after": use.after,
                "appointment_id": None,
                "hold_id": hold_id,
            }
            for hold_id, use in uses
        ),
    )
    claims.bump(session, {use.resource_id for _, assignment in kept for use in assignment.uses})
