"""Taking back what staff have just done to a plan: the plan and its visits are as they were, and nobody hears of either.

Possible while the patient hasn't heard of the change, and nothing else was done to the plan, nor to a visit that it changed.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session, undefer

from booking import clock
from booking.errors import NotChangeable, NotFound, OldPlaceTaken, Refusal, StaleEdit, TooLateToUndo
from booking.formatting import iso_utc
from booking.models import YET_TO_GO, Actor, Appointment, HistoryEntry, Message, MessageState, Plan, PlanEntry
from booking.scheduling.offers import Use
from booking.scheduling.timeline import instant_of
from booking.services import claims, digests, notices, placing, tasks
from booking.services.clinic import the_clinic
from booking.services.desk import states
from booking.services.desk.statuses import take_again
from booking.services.idempotency import Answer, Key, once
from booking.services.plans.altering import By, changed
from booking.services.plans.as_it_was import WAITS, all_visits, is_about, restore_plan, restore_visit
from booking.services.plans.said import TAKEN_BACK
from booking.services.rows import Row
from booking.services.staff import audit
from booking.services.staff.ownership import plan_for
from booking.services.staff.who import Who
from booking.services.transaction import reading

_WHY = "The change was taken back."


class Possible(NamedTuple):
    """A change that can be taken back, by the number of its entry, until somebody is told of it."""

    entry: int
    until: datetime


def possible(who: Who, reference: str) -> Possible | None:
    """What was last done to a plan, if `who` may take that back just now; whether the old places are free is asked when it is
    taken back. Raises NotFound.
    """
    with reading() as session:
        plan, now = plan_for(session, who, reference), clock.now()
        lately = _entries(plan).where(PlanEntry.at > now - notices.TAKEN_BACK_WITHIN)
        last = session.scalar(lately.order_by(PlanEntry.id.desc()).limit(1))
        if last is None or not last.before:
            return None
        visits = session.scalars(select(Appointment).where(Appointment.plan_id == plan.id)).all()
        messages = session.scalars(_messages(session, plan, last, visits)).all()
        try:
            _refuse(who, plan, last, visits, messages, now)
        except Refusal:
            return None
        return Possible(last.id, last.at + notices.TAKEN_BACK_WITHIN)


def take_back(who: Who, reference: str, entry_id: int, *, key: str) -> None:
    """Takes back the change of this number, all of it or nothing. Twice is a quiet success.

    Raises OldPlaceTaken with all that is in the way, each with "visit", when the one begins that it was to be again; StaleEdit if
    anything was done since; TooLateToUndo; NotChangeable for what can't be taken back; NotFound, also for what a colleague has
    done; KeyReused.
    """

    def action(session: Session) -> Answer:
        plan = plan_for(session, who, reference, for_update=True)
        entry = session.scalar(_entries(plan).where(PlanEntry.id == entry_id))
        if entry is None:
            raise NotFound
        back = select(PlanEntry.facts).where(PlanEntry.plan_id == plan.id, PlanEntry.what == TAKEN_BACK)
        if any(facts["entry"] == entry.id for facts in session.scalars(back)):
            return {}
        visits = all_visits(session, plan)
        messages = session.scalars(
            _messages(session, plan, entry, visits).order_by(Message.id).with_for_update()
        ).all()
        now = clock.now()
        _refuse(who, plan, entry, visits, messages, now)
        before: Row = entry.before or {}
        _take_visits_back(session, who, entry, {one.reference: one for one in visits}, now)
        restore_plan(plan, before["plan"])
        by = By.staff(who)
        changed(session, plan, TAKEN_BACK, by, now, entry=entry.id, undid=entry.what)
        audit.did(session, who, "took back change of plan", f"plan/{reference}", plan.patient_id)
        _as_they_waited(plan, visits, messages, before)
        session.flush()
        notices.pass_on(session, plan, now)
        digests.replan(session, the_clinic(session), plan, now)
        return {}

    once(Key.of(who.key, key, ["take back", reference, entry_id]), action)


def _entries(plan: Plan) -> Select[tuple[PlanEntry]]:
    return select(PlanEntry).where(PlanEntry.plan_id == plan.id).options(undefer(PlanEntry.before))


def _messages(
    session: Session, plan: Plan, entry: PlanEntry, visits: Iterable[Appointment]
) -> Select[tuple[Message]]:
    """What waited about a plan and its visits before a change, and all that was written, or has gone, since."""
    before: Row = entry.before or {}
    starts = [one.starts_at for one in _theirs(visits, before)]
    starts += [instant_of(one["from_cell"]) for one in before.get("visits", {}).values()]
    waited = [number for number, _, _ in before.get("waited", ())]
    since = or_(Message.id > before.get("last", 0), Message.sent_at > entry.at)
    return select(Message).where(or_(Message.id.in_(waited), is_about(session, plan, visits, starts) & since))


def _refuse(
    who: Who,
    plan: Plan,
    entry: PlanEntry,
    visits: Sequence[Appointment],
    messages: Sequence[Message],
    now: datetime,
) -> None:
    before = entry.before
    if not before:
        raise NotChangeable(visit_status=plan.status.value)
    if not (who.sees_everybody or entry.account_id == who.account_id):
        raise NotFound
    waited = {number for number, _, _ in before["waited"]}
    # What was told in one message with an earlier change is to be told as it was, of whichever visits.
    joined = any(one.kind == "plan-change" and one.id in waited for one in messages)
    same = visits if joined else _theirs(visits, before)
    if plan.version != before["version"] or any(
        one.version != before["now"].get(one.reference) for one in same
    ):
        raise StaleEdit(shown=None, now={"status": plan.status.value})
    theirs = {one.id for one in _theirs(visits, before)}
    until = entry.at + notices.TAKEN_BACK_WITHIN
    if now >= until or any(_has_told(one, entry, before["last"], theirs) for one in messages):
        raise TooLateToUndo(until=iso_utc(until))


def _theirs(visits: Iterable[Appointment], before: Row) -> list[Appointment]:
    """The visits that a change changed or added."""
    names = {*before.get("visits", ()), *before.get("new", ())}
    return [one for one in visits if one.reference in names]


def _has_told(message: Message, entry: PlanEntry, last: int, theirs: set[int]) -> bool:
    """Whether a message has told since how the plan, or one of the visits that were changed, stands."""
    called_at = message.settled_at if message.state in (MessageState.TO_CALL, MessageState.DROPPED) else None
    if any(at and at > entry.at for at in (message.sent_at, called_at)):
        has_gone = True
    else:
        waits = message.state in (*WAITS, MessageState.DROPPED) and message.state != MessageState.SENDING
        has_gone = message.id > last and (not waits or message.settled_at is not None)
    # A call about a plan is carried by its next visit, whichever were changed.
    of_plan = notices.is_about_a_plan(message.kind, message.channel, message.facts)
    about_it = of_plan or message.appointment_id in (None, *theirs) or notices.NAMED in message.facts
    return has_gone and about_it


def _take_visits_back(
    session: Session, who: Who, entry: PlanEntry, visits: Mapping[str, Appointment], now: datetime
) -> None:
    """Each visit is what it was and where it was, and those that were added are cancelled."""
    before: Row = entry.before or {}
    clinic, changed_then = the_clinic(session), _theirs(visits.values(), before)
    was = {name: states.uses_in(session, visits[name], one) for name, one in before["visits"].items()}
    taken = {*claims.taken_by(session, [one.id for one in changed_then])}
    taken |= {use.resource_id for uses in was.values() for use in uses}
    claims.lock(session, taken)
    last = _last_of(session, changed_then)

    def keep(visit: Appointment, stood: states.Snapshot, uses: Sequence[Use]) -> None:
        undone = last[visit.id]
        session.flush()
        states.keep(
            session, who, clinic, visit, "undone", stood, uses, now,
            entry=undone.id, undid=undone.what, with_plan=True,
        )  # fmt: skip

    for visit in changed_then:
        if visit.reference not in was:
            stood = states.snapshot(visit, claims.uses_of(session, visit))
            placing.cancel(session, visit, Actor.STAFF, states.BOOKED_BY_MISTAKE, now)
            visit.plan_role = None
            keep(visit, stood, ())
    lost: list[Row] = []
    # The last first, as each went from where it was when those before it had gone.
    for name, uses in reversed(was.items()):
        visit, kept = visits[name], before["visits"][name]
        stood = states.snapshot(visit, claims.uses_of(session, visit))
        try:
            take_again(session, clinic, who, visit, uses, entry.at, now)
        except OldPlaceTaken as refusal:
            at = iso_utc(instant_of(kept["from_cell"]))
            lost += [one | {"visit": at} for one in refusal.facts["by"]]
            continue
        restore_visit(visit, kept)
        visit.sequence += 1
        keep(visit, stood, uses)
    if lost:
        raise OldPlaceTaken(by=sorted(lost, key=lambda one: one["visit"]))
    for name in before["gave_way"]:
        visits[name].penciled = True
    claims.bump(session, taken)
    for visit in changed_then[:1]:
        tasks.pass_on(session, visit, now)


def _last_of(session: Session, visits: Iterable[Appointment]) -> dict[int, HistoryEntry]:
    """By their ids what was last done to these visits."""
    entries = select(HistoryEntry).where(HistoryEntry.appointment_id.in_([one.id for one in visits]))
    return {one.appointment_id: one for one in session.scalars(entries.order_by(HistoryEntry.id))}


def _as_they_waited(
    plan: Plan, visits: Sequence[Appointment], messages: Iterable[Message], before: Row
) -> None:
    """What was written since is dropped, and what waited before waits again, about the plan and the visits that were changed, as
    they are by now. The lists of a week are planned by themselves.
    """
    waited = {number: (state, error) for number, state, error in before["waited"]}
    sequences = {one.id: one.sequence for one in visits}
    theirs = {None, *(one.id for one in _theirs(visits, before))}
    for one in messages:
        of_plan = notices.is_about_a_plan(one.kind, one.channel, one.facts)
        waits = one.settled_at is None and one.state in (*WAITS, MessageState.DROPPED)
        if not waits or not (of_plan or one.appointment_id in theirs):
            continue
        if one.id not in waited:
            if one.kind != digests.KIND and one.state in WAITS:
                one.state, one.last_error = MessageState.DROPPED, _WHY
            continue
        if one.state is MessageState.DROPPED:
            state, one.last_error = waited[one.id]
            one.state = MessageState.QUEUED if state in YET_TO_GO else MessageState(state)
            one.lease = None
        if one.kind != digests.KIND:
            one.sequence = sequences[one.appointment_id] if one.appointment_id else plan.sequence
