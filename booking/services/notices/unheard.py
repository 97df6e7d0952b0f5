"""What a patient hasn't heard yet of what was decided of their plan (`Plan.untold`), and what of it they hear otherwise."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from booking import clock
from booking.models import Appointment, HistoryEntry, Message, Plan
from booking.scheduling.status import Status
from booking.services import digests
from booking.services.clinic import Clinic, the_clinic
from booking.services.history import OF_WORDS
from booking.services.notices.calling import is_about_a_plan
from booking.services.notices.knowing import Knew, as_penciled, begins, facts_of
from booking.services.notices.news import ToTell, to_tell
from booking.services.notices.writing import ANSWERS, HAS_GONE, NAMED
from booking.services.rows import Row

# These list the visits of a plan as their patient knows them, and not as they were decided to be.
_AS_KNOWN = ("plan-confirmation", "plan-change", *ANSWERS)
# What is written of a visit without its being elsewhere, or otherwise, than before.
_STAYS = (*OF_WORDS, "confirmed", "cannot_come")
# A list of the week goes so long before that week at the earliest, and a visit may have been moved so far ahead of its plan.
_LISTED_BEFORE = timedelta(weeks=2)
_GONE = select(
    Message.kind, Message.channel, Message.facts, Message.appointment_id,
    func.coalesce(Message.sent_at, Message.settled_at, Message.due_at).label("at"),
).where(HAS_GONE)  # fmt: skip


def heard_of(
    session: Session, plan: Plan, visits: Iterable[int], *, as_they_stand: bool = False
) -> dict[int, datetime]:
    """Of which of these visits of a plan, by their ids, a message has gone, by itself or naming them among others, and when the
    last one did: only one that has them `as_they_stand`, if that is asked.
    """
    wanted = {*visits}
    if not wanted:
        return {}
    # Found by what they are about: of those that were sent there are as many as ever.
    first = digests.monday_of(plan.first_day) - _LISTED_BEFORE
    weeks = (the_clinic(session).times.local_date(clock.now()) + _LISTED_BEFORE - first).days // 7 + 1
    lists = [digests.subject_of(plan, first + timedelta(weeks=week)) for week in range(weeks)]
    about = or_(
        Message.subject.in_([f"plan/{plan.reference}", *lists]),
        Message.appointment_id.in_(select(Appointment.id).where(Appointment.plan_id == plan.id)),
    )
    found: dict[int, datetime] = {}
    for one in session.execute(_GONE.where(about)):
        by_itself = one.kind in ANSWERS or one.kind.startswith("reminder-")
        named = set() if as_they_stand and one.kind in _AS_KNOWN else {*one.facts.get(NAMED, ())}
        if by_itself and not is_about_a_plan(one.kind, one.channel, one.facts):
            named.add(one.appointment_id)
        found |= {number: max(one.at, found.get(number, one.at)) for number in wanted & named}
    return found


def is_heard_of(session: Session, appointment: Appointment) -> bool:
    plan = session.get(Plan, appointment.plan_id or 0)
    return plan is not None and bool(heard_of(session, plan, [appointment.id]))


def yet_to_hear(session: Session, plan: Plan) -> Knew:
    """How a patient knows visits that were decided to be otherwise: not those of which a message has told since, as they stand,
    by itself or in a list of the week.
    """
    if plan.untold_since is None:
        return {}
    heard = heard_of(session, plan, map(int, plan.untold), as_they_stand=True)
    changed = session.execute(
        select(HistoryEntry.appointment_id, func.max(HistoryEntry.at))
        .join(Appointment, Appointment.id == HistoryEntry.appointment_id)
        .where(
            Appointment.id.in_(heard),
            Appointment.status != Status.CANCELLED,
            HistoryEntry.what.not_in(_STAYS),
        )
        .group_by(HistoryEntry.appointment_id)
    )
    told = {str(number) for number, at in changed if heard[number] > at}
    told |= {str(number) for number in heard if plan.untold[str(number)] is None}
    return {number: known for number, known in plan.untold.items() if number not in told}


def as_decided(session: Session, appointment: Appointment) -> Knew:
    """What of its plan's that is `yet_to_hear` is about this visit, if anything is."""
    plan, number = session.get(Plan, appointment.plan_id or 0), str(appointment.id)
    if plan is None or number not in plan.untold:
        return {}
    return {one: known for one, known in yet_to_hear(session, plan).items() if one == number}


def as_they_know(session: Session, appointment: Appointment, known: Row) -> Row:
    """A visit that is `known` so, as its patient knows it who isn't told yet how it was decided to be."""
    decided = as_decided(session, appointment).get(str(appointment.id)) or {}
    return known | facts_of(decided)


def is_unheard(session: Session, appointment: Appointment, waiting: Iterable[Row]) -> bool:
    """Whether a patient hasn't heard of a visit, which a decision added of which they aren't told yet, nor is to hear of it by what
    is `waiting`.
    """
    to_hear = any(one["kind"] in ANSWERS for one in waiting)
    return not to_hear and None in as_decided(session, appointment).values()


def is_soon(session: Session, now: datetime, *starts: datetime) -> bool:
    """Whether a visit that begins, or began, at `starts` is told of by itself also where it `is_unheard`: by the end of tomorrow
    their plan's page shows it as it is, and no reminder may be left to tell of it.
    """
    times = the_clinic(session).times
    return times.local_date(min(starts)) <= times.local_date(now) + timedelta(days=1)


def news_of(
    session: Session, appointment: Appointment, known: Row, waiting: list[Row], to_be: Row, now: datetime
) -> ToTell | None:
    """What is to be told of a visit by itself, as `to_tell` has it: as its patient knows it where they aren't told yet what was
    decided, and as newly booked where they haven't heard of it.
    """
    news = to_tell(as_they_know(session, appointment, known), waiting, to_be)
    if news is None or not is_unheard(session, appointment, waiting):
        return news
    unheard = not is_soon(session, now, begins(known), begins(to_be))
    return ToTell("confirmation", {}, owed=False, unheard=unheard)


def once_told(clinic: Clinic, untold: Knew, visits: Iterable[Appointment]) -> Knew:
    """What of that which is `untold` waits still once something else tells where these visits are, or that they are cancelled: that
    they are firm.
    """
    rest = dict(untold)
    for one in visits:
        known = rest.pop(str(one.id), None)
        if known and known["penciled"] and one.status is Status.BOOKED and not one.penciled:
            rest |= as_penciled(clinic, [one])
    return rest


def hears(session: Session, clinic: Clinic, appointment: Appointment) -> Knew:
    """A visit is told of by itself, `once_told`. Returns what waited of it until now."""
    plan = _waiting_plan(session, appointment)
    if plan is None or str(appointment.id) not in plan.untold:
        return {}
    waited = {str(appointment.id): plan.untold[str(appointment.id)]}
    plan.untold = once_told(clinic, plan.untold, [appointment])
    plan.version += 1
    return waited


def waits_again(session: Session, appointment: Appointment, waited: Knew) -> bool:
    """What `waited` of a visit waits to be told with what was decided, as before. Says whether that waits still."""
    plan = _waiting_plan(session, appointment)
    if plan is None:
        return False
    plan.untold = plan.untold | waited
    plan.version += 1
    return True


def _waiting_plan(session: Session, appointment: Appointment) -> Plan | None:
    """The plan of a visit, locked, if something that was decided of it waits to be told."""
    plan = session.get(Plan, appointment.plan_id or 0)
    if plan is None or plan.untold_since is None:
        return None
    # The visit is locked, and its plan isn't: whoever tells what was decided may do so at this moment. Where they have locked the
    # plan and wait for the visit, one of the two begins anew.
    session.flush()
    session.refresh(plan, with_for_update=True)
    return plan if plan.untold_since is not None else None
