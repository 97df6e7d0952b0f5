"""Taking back what was just done to a visit: by its history entry, which knows how it was before.

Before a booking there was no visit. Taken back, it is one that staff cancelled, and that nobody hears of.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from booking import clock
from booking.errors import NotChangeable, NotFound, PlanWentOn, Refusal, StaleEdit, TooLateToUndo
from booking.formatting import iso_utc
from booking.models import Actor, Appointment, HistoryEntry, Message, MessageState, Plan
from booking.scheduling.plans.keeping import Role
from booking.scheduling.status import Status
from booking.services import giving_way, history, notices, placing, tasks
from booking.services.claims import uses_of
from booking.services.clinic import Clinic, the_clinic
from booking.services.desk import states
from booking.services.desk.states import BOOKED_BY_MISTAKE, Changed, Snapshot
from booking.services.desk.statuses import take_again
from booking.services.history import OF_WORDS, UNDO_WITHIN, Entry, shaped
from booking.services.idempotency import Key, once
from booking.services.plans.said import EXTENDED, LOOK_BOOKED, WITHOUT_IT, was_done_since
from booking.services.staff.ownership import appointment_of
from booking.services.staff.who import Who
from booking.services.transaction import reading

__all__ = ["Doing", "cancellation_to_undo", "look", "take_back", "undo"]

# What practitioners do to their visits themselves, in the words of the history: also where the desk did it for them.
_TAPS = ("arrived", "checked-in", "needles_in", "needles_out", "fulfilled", "noshow")
# What in a plan's history counts on a cancelled visit's being gone.
_WITHOUT_IT = (*WITHOUT_IT, "decided", "stopped")
# Another look may be booked once one was cancelled, or nobody came to it.
_WITHOUT_A_LOOK = {
    Status.CANCELLED: (*_WITHOUT_IT, LOOK_BOOKED),
    Status.NOSHOW: (LOOK_BOOKED, EXTENDED, "changed doses"),
}
# One thing that was done to a visit, as a row or read back.
_Done = TypeVar("_Done", Entry, HistoryEntry)


@dataclass(frozen=True)
class Doing:
    """What would be taken back: whose visit, and what was done to it. `told_at`: when its patient was written to about it.
    `refusal`: why it can't be taken back, but for its old place, which is asked for when it is.
    """

    reference: str
    name: str
    entry: Entry
    told_at: datetime | None
    refusal: Refusal | None


def look(who: Who, entry_id: int) -> Doing:
    """Changes nothing. Raises NotFound."""
    with reading() as session:
        visit = appointment_of(session, who, HistoryEntry, entry_id)
        entry = session.get_one(HistoryEntry, entry_id)
        refusal = None
        if not _undone_already(session, entry):
            try:
                _refuse(session, the_clinic(session), who, visit, entry, clock.now())
            except Refusal as why:
                refusal = why
        return Doing(
            visit.reference,
            f"{visit.first_name} {visit.last_name}",
            shaped(entry),
            _told_at(session, visit, entry),
            refusal,
        )


def cancellation_to_undo(visit: Appointment, entries: tuple[Entry, ...], now: datetime) -> int | None:
    """The entry by which a cancelled visit can be as it was, if staff cancelled it a moment ago."""
    number = max((number for number, one in enumerate(entries) if one.what == "cancelled"), default=None)
    if number is None or visit.status is not Status.CANCELLED or _left(entries[number + 1 :]):
        return None
    entry = entries[number]
    return entry.id if "before" in entry.facts and now <= entry.at + UNDO_WITHIN else None


def undo(who: Who, entry_id: int, *, key: str) -> Changed:
    """Takes back the change or the booking of this history entry, within ten minutes. Twice is a quiet success.

    A message that waits is dropped; for one that went, or was told on the telephone, another one goes. Where the old place
    is taken, nothing changes.
    Several changes are taken back one after the other, the last one first.
    Raises OldPlaceTaken, StaleEdit if the visit was changed since, PlanWentOn, TooLateToUndo, NotChangeable
    for what staff didn't do to the visit, NotFound, also for what is the desk's to do and to take back; KeyReused.
    """
    answer = once(
        Key.of(who.key, key, ["undo", entry_id]), lambda session: vars(take_back(session, who, entry_id))
    )
    return Changed(**answer)


def take_back(session: Session, who: Who, entry_id: int) -> Changed:
    """A part of use cases. Refuses before it changes anything."""
    now = clock.now()
    _lock_plan(session, entry_id)
    visit = appointment_of(session, who, HistoryEntry, entry_id, for_update=True)
    entry = session.get_one(HistoryEntry, entry_id)
    clinic = the_clinic(session)
    if _undone_already(session, entry):
        return states.unchanged(clinic, visit)
    _refuse(session, clinic, who, visit, entry, now)

    then, known = _before(visit, entry, now), notices.known_of(visit, clinic)
    was_cancelled, by_clinic = visit.status is Status.CANCELLED, visit.cancelled_by is not Actor.PATIENT
    before = states.snapshot(visit, uses_of(session, visit))
    uses = states.uses_in(session, visit, then)
    take_again(session, clinic, who, visit, uses, entry.at, now)
    states.restore(visit, then)
    session.flush()
    gave_way = entry.facts.get("gave_way", ())
    for plan, back in giving_way.bring_back(session, gave_way, Actor.STAFF, now, who).items():
        notices.came_back(session, clinic, plan, back, now)
    told = notices.Told(None, [])
    if not states.same_entry(before, then):
        placing.pencil(session, visit)
        visit.sequence += 1
        session.flush()
        told = notices.taken_back(
            session,
            clinic,
            visit,
            entry.facts.get("sequence", 0),
            entry.facts.get("dropped", []),
            None if was_cancelled else known,
            now,
            since=entry.at,
            spoken=[one.facts["sequence"] for one in _spoken(session, entry)],
            by_clinic=by_clinic,
            decided=entry.facts.get("decided", {}),
        )
        if told.corrects or told.after_all:
            # Who had confirmed has heard otherwise since.
            visit.confirmed_at = None
        if told.due_at is None and visit.status is Status.BOOKED and _has_another_contact(session, entry):
            # What was on its way there spoke of the visit as it was before it was taken back.
            notices.contact_corrected(session, clinic, visit, now)
        tasks.moved(session, clinic, visit, now)
    else:
        states.remind_as_the_type_wants(session, visit, before)
        if visit.status is Status.CANCELLED and entry.facts.get("tell"):
            notices.drop_queued(session, visit, "The change was taken back.")
        elif visit.status is Status.CANCELLED:
            notices.wish_corrected(session, visit)
    return states.keep(
        session,
        who,
        clinic,
        visit,
        "undone",
        before,
        uses,
        now,
        told=told,
        entry=entry.id,
        undid=entry.what,
        tell=told.corrects or told.to_call,
        dropped=told.dropped,
    )


def _told_at(session: Session, visit: Appointment, entry: HistoryEntry) -> datetime | None:
    """When a message went, or somebody was called, about what this entry changed in the patient's calendar, or about what
    was done and taken back since; if it changed anything there.
    """
    facts = entry.facts
    if "before" in facts and states.same_entry(facts["before"], facts["after"]):
        return None
    if spoken := _spoken(session, entry):
        return spoken[-1].at
    by_call = case((Message.state == MessageState.TO_CALL, Message.settled_at))
    by_itself = session.scalar(
        select(func.max(func.coalesce(Message.sent_at, by_call))).where(
            Message.appointment_id == entry.appointment_id,
            Message.sequence >= facts.get("sequence", 0),
            Message.kind.in_(notices.ANSWERS),
        )
    )
    with_plan = notices.told_with_plan(session, visit, entry.at)
    return max((at for at in (by_itself, with_plan) if at), default=None)


def _before(visit: Appointment, entry: HistoryEntry, now: datetime) -> Snapshot:
    """How the visit was before this entry."""
    if not _is_booking(entry):
        before: Snapshot = entry.facts["before"]
        return before
    return states.snapshot(visit, ()) | {
        "status": Status.CANCELLED.value,
        "arrived_at": None,
        "cancelled_at": now.isoformat(),
        "cancelled_by": Actor.STAFF.value,
        "cancel_reason": BOOKED_BY_MISTAKE,
    }


def _is_booking(entry: HistoryEntry) -> bool:
    """Whether this is the booking itself, by staff: the first version of a visit, under its first sequence."""
    return entry.what == "booked" and entry.actor is Actor.STAFF


def _refuse(
    session: Session, clinic: Clinic, who: Who, visit: Appointment, entry: HistoryEntry, now: datetime
) -> None:
    # A change of a plan that was taken back is made again on the plan's page, and told.
    if entry.facts.get("with_plan"):
        raise NotChangeable(visit_status=visit.status.value)
    # To take back a booking is to cancel the visit, which is the desk's to do.
    if "before" not in entry.facts and not (_is_booking(entry) and who.sees_everybody):
        raise NotChangeable(visit_status=visit.status.value)
    if not (who.sees_everybody or entry.account_id == who.account_id or entry.what in _TAPS):
        raise NotFound
    version, later = entry.facts.get("version", 1), _later(session, entry)
    left = _left(later)
    if left or visit.version != version + len(later):
        shown: dict[str, Any] | None = history.state_at(session, visit, version)
        changed = states.change_of(left[-1]) if left else states.last_change(session, visit)
        raise StaleEdit(shown=shown, now=history.state_of(clinic, visit), **changed)
    if now > entry.at + UNDO_WITHIN:
        raise TooLateToUndo(until=iso_utc(entry.at + UNDO_WITHIN))
    if visit.status in _WITHOUT_A_LOOK and _before(visit, entry, now)["status"] != visit.status:
        _refuse_without_it(session, visit, entry)


def _lock_plan(session: Session, entry_id: int) -> None:
    """The plan of a visit that its plan may do without, before the visit itself: in the order in which whoever changes a plan
    locks them.
    """
    its = select(Plan.id).join(Appointment, Appointment.plan_id == Plan.id).join(HistoryEntry)
    gone = its.where(HistoryEntry.id == entry_id, Appointment.status.in_(_WITHOUT_A_LOOK))
    session.execute(gone.with_for_update(of=Plan))


def _refuse_without_it(session: Session, visit: Appointment, entry: HistoryEntry) -> None:
    """Refuses to bring a visit back into a plan that goes on without it since."""
    is_look, is_cancelled = visit.plan_role == Role.REASSESSMENT, visit.status is Status.CANCELLED
    what = _WITHOUT_A_LOOK[visit.status] if is_look else _WITHOUT_IT if is_cancelled else ()
    if was_done_since(session, visit.plan_id, what, entry.at):
        raise PlanWentOn


def _left(later: Sequence[_Done]) -> list[_Done]:
    """What still stands of what was done to a visit, but for words: what was taken back again is in nobody's way, so that
    several changes are taken back one after the other.
    """
    left = list[_Done]()
    for one in later:
        if one.what == "undone" and left and left[-1].id == one.facts.get("entry"):
            left.pop()
        elif one.what not in OF_WORDS:
            left.append(one)
    return left


def _later(session: Session, entry: HistoryEntry) -> Sequence[HistoryEntry]:
    """What was done to its visit since, oldest first."""
    return session.scalars(
        select(HistoryEntry)
        .where(HistoryEntry.appointment_id == entry.appointment_id, HistoryEntry.id > entry.id)
        .order_by(HistoryEntry.id)
    ).all()


def _has_another_contact(session: Session, entry: HistoryEntry) -> bool:
    return any(one.what == "contact_corrected" for one in _later(session, entry))


def _spoken(session: Session, entry: HistoryEntry) -> list[HistoryEntry]:
    """This and what was done since, as far as it was told on the telephone."""
    return [one for one in (entry, *_later(session, entry)) if one.facts.get("spoken")]


def _undone_already(session: Session, entry: HistoryEntry) -> bool:
    """Whether the last that was done to the visit was the undoing of this: done once more since, it isn't undone."""
    later = [one for one in _later(session, entry) if one.what not in OF_WORDS]
    return bool(later) and later[-1].what == "undone" and later[-1].facts.get("entry") == entry.id
