"""Holding a time while a patient types.

A hold lapses after ten minutes, and with it its claims, if it has any. Nothing depends on a job having run: whoever
wants the cells clears lapsed holds in the same transaction. A hold that lapsed costs nothing if the time is still free.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from booking import clock
from booking.errors import TooManyHolds
from booking.models import BookableBy, Hold
from booking.scheduling.offers import assign
from booking.scheduling.timeline import cell_at
from booking.services import claims, giving_way, rows
from booking.services.availability import locked, refusal_at
from booking.services.clinic import the_clinic
from booking.services.occupancies import Ignoring
from booking.services.question import Question
from booking.services.transaction import lock_names, run

LASTS = timedelta(minutes=10)
OF_ONE_VISITOR = 2
OF_ONE_NETWORK = 10


@dataclass(frozen=True)
class Held:
    """The time that is held, and with whom."""

    starts_at: datetime
    practitioner: str


def hold(
    visit_type: str, practitioner: str | None, starts_at: datetime, *, visitor: str, network: str
) -> Held:
    """Keeps a time for this visitor for ten minutes; their third hold releases their oldest.

    Raises SlotTaken, TooSoon or BeyondHorizon when the time isn't offered, TooManyHolds when the network address
    holds ten, NotOffered or NotFound for what can't be booked.
    """
    return run(lambda session: _hold(session, visit_type, practitioner, starts_at, visitor, network))


def of_visitor(session: Session, visitor: str | None) -> frozenset[int]:
    """The ids of what this visitor holds."""
    if visitor is None:
        return frozenset()
    return frozenset(session.scalars(select(Hold.id).where(Hold.visitor == visitor)))


def of_plan(reference: str) -> str:
    """Who holds the visits of a plan that was prescribed: the plan itself, whoever chose them, so that whoever books it for its
    patient takes them over.
    """
    return f"plan {reference}"


def of_plans(network: str) -> str:
    """The mark that visits of a plan bear which is held from this network: together they count as one hold."""
    return f"plan {network}"


def refuse_too_many(session: Session, network: str, now: datetime) -> None:
    """A part of use cases that are about to hold one more. Raises TooManyHolds."""
    lock_names(session, f"network {network}")
    single = select(Hold.lapses_at).where(Hold.network == network, Hold.lapses_at > now)
    plans = (
        select(func.min(Hold.lapses_at))
        .where(Hold.network == of_plans(network), Hold.lapses_at > now)
        .group_by(Hold.visitor)
    )
    holding = sorted([*session.scalars(single), *session.scalars(plans)])
    if len(holding) >= OF_ONE_NETWORK:
        raise TooManyHolds(retry_after=int((holding[0] - now).total_seconds()) + 1)


def _hold(
    session: Session,
    visit_type: str,
    practitioner: str | None,
    starts_at: datetime,
    visitor: str,
    network: str,
) -> Held:
    now = clock.now()
    clinic = the_clinic(session)
    question = Question.of(clinic, visit_type, practitioner, BookableBy.PATIENTS)
    start = cell_at(starts_at)
    own = session.scalars(select(Hold).where(Hold.visitor == visitor).order_by(Hold.made_at, Hold.id)).all()
    also = claims.held_by(session, [one.id for one in own])
    offers = locked(session, question, starts_at, now, ignoring=Ignoring(visitor=visitor), also=also)
    offer = offers.at(start)
    gives_way = False
    if offer is None and question.takes_penciled:
        instead = giving_way.offers_without(session, question, starts_at, now, visitor=visitor)
        if instead is not None:
            gives_way, (offers, _visits) = True, instead
            offer = offers.at(start)
    if offer is None:
        raise refusal_at(offers, start, clinic.phone)

    visit = assign(offers.situation, offer.practitioner_id, start)
    # What overlaps gives way to the new one, as does the oldest of too many; a plan's visits aren't counted.
    overlapping = {one.id for one in own if one.from_cell < visit.to_cell and visit.from_cell < one.to_cell}
    others = [one.id for one in own if one.id not in overlapping and not one.network.startswith(of_plans(""))]
    claims.drop_holds(session, overlapping | set(others[: len(others) - OF_ONE_VISITOR + 1]))
    refuse_too_many(session, network, now)
    made = Hold(
        visitor=visitor,
        network=network,
        visit_type_id=question.visit_type.id,
        practitioner_id=offer.practitioner_id,
        from_cell=visit.from_cell,
        to_cell=visit.to_cell,
        made_at=now,
        lapses_at=now + LASTS,
    )
    rows.add(session, made)
    if not gives_way:
        # Else what is penciled in there keeps its claims until this is booked, and the hold alone keeps others away.
        claims.take(session, visit.uses, hold_id=made.id)
    claims.bump(session, [use.resource_id for use in visit.uses])
    return Held(starts_at, clinic.practitioner_by_id[offer.practitioner_id].slug)
