"""What a patient knows of visits that gave way (`booking.services.giving_way`), and of those that stand again."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking.models import Appointment, Message, MessageState, Plan
from booking.services import giving_way
from booking.services.clinic import Clinic
from booking.services.giving_way import Back
from booking.services.notices.knowing import KNEW, Knew, as_known, known_of, same_place
from booking.services.notices.unheard import heard_of
from booking.services.notices.waiting import as_it_waited, in_vain


def yet_to_be_told(session: Session, plan: Plan, now: datetime) -> list[Appointment]:
    """Visits that gave way of which their patient is yet to hear: what told since that they were moved before has told of it."""
    found = giving_way.untold(session, plan, now)
    heard = heard_of(session, plan, [one.id for one in found])
    told = [
        one for one in found if one.cancelled_at and heard.get(one.id, one.cancelled_at) > one.cancelled_at
    ]
    giving_way.count_as_told(told)
    return [one for one in found if one not in told]


def known_until_then(session: Session, clinic: Clinic, visits: Iterable[Appointment]) -> Knew:
    """How these are known: as they are, or were, or from before they were moved, where nothing has told that."""
    knew = as_known(clinic, visits := list(visits))
    for one in visits:
        knew |= as_it_waited(one, in_vain(session, one), knew)
    return knew


def known_otherwise(session: Session, clinic: Clinic, plan: Plan, back: Iterable[Back]) -> Knew:
    """How visits that stand again are known, of those that are known otherwise, or not at all, and of which nothing that waits
    tells.
    """
    changes = session.execute(
        select(Message.state, Message.facts).where(
            Message.subject == f"plan/{plan.reference}", Message.kind == "plan-change"
        )
    ).all()
    told_from = [(one.state, one.facts.get(KNEW, {})) for one in changes]
    waits = {number for state, knew in told_from if state is MessageState.QUEUED for number in knew}
    new = {number for _, knew in told_from for number, known in knew.items() if known is None}
    back = [one for one in back if str(one.visit.id) not in waits]
    heard = heard_of(session, plan, [one.visit.id for one in back])
    found: Knew = {}
    for visit, gave_way_at, told in back:
        number, heard_at = str(visit.id), heard.get(visit.id)
        if told or (heard_at is None and number in new) or (heard_at is not None and heard_at > gave_way_at):
            found[number] = None
            continue
        known = known_until_then(session, clinic, [visit])[number]
        if known is None or not same_place(known, known_of(visit, clinic)):
            found[number] = known
    return found
