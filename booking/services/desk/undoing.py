"""Taking back what was just done to a visit: by its history entry, which knows how it was before.

Before a booking there was no visit. Taken back, it is one that staff cancelled, and that nobody hears of.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking import clock
from booking.errors import NotChangeable, StaleEdit, TooLateToUndo
from booking.formatting import iso_utc
from booking.models import Actor, Appointment, HistoryEntry
from booking.scheduling.status import Status
from booking.services import history, notices, tasks
from booking.services.clinic import Clinic, the_clinic
from booking.services.desk import states
from booking.services.desk.asking import uses_of
from booking.services.desk.states import BOOKED_BY_MISTAKE, UNDO_WITHIN, Changed, Snapshot
from booking.services.desk.statuses import take_again
from booking.services.idempotency import Key, once
from booking.services.staff.ownership import appointment_of
from booking.services.staff.who import Who

__all__ = ["UNDO_WITHIN", "undo"]

# How a visit goes on its day, as the history calls it: what patients are never written to about.
_STEPS = frozenset({"arrived", "checked-in", "needles_in", "needles_out", "fulfilled", "noshow"})


def undo(who: Who, entry_id: int, *, key: str) -> Changed:
    """Takes back the change or the booking of this history entry, within ten minutes. Twice is a quiet success.

    A message that waits is dropped; for one that went, or was told on the telephone, another one goes. Where the old place
    is taken, nothing changes.
    Several steps of a day are taken back one after the other, the last one first.
    Raises OldPlaceTaken, StaleEdit if the visit was changed since, TooLateToUndo, NotChangeable for what staff didn't do
    to the visit, NotFound, KeyReused.
    """
    answer = once(
        Key.of(who.key, key, ["undo", entry_id]), lambda session: vars(_undo(session, who, entry_id))
    )
    return Changed(**answer)


def _undo(session: Session, who: Who, entry_id: int) -> Changed:
    now = clock.now()
    visit = appointment_of(session, who, HistoryEntry, entry_id, for_update=True)
    entry = session.get_one(HistoryEntry, entry_id)
    clinic = the_clinic(session)
    if _undone_already(session, visit, entry):
        return states.unchanged(clinic, visit)
    _refuse(session, clinic, who, visit, entry, now)

    then, known = _before(visit, entry, now), notices.known_of(visit, clinic)
    was_cancelled = visit.status is Status.CANCELLED
    before = states.snapshot(visit, uses_of(session, visit))
    uses = states.uses_in(session, visit, then)
    take_again(session, clinic, who, visit, uses, entry.at, now)
    states.restore(visit, then)
    session.flush()
    told = notices.Told(None, [])
    if not states.same_entry(before, then):
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
            spoken=entry.facts.get("spoken", False),
            by_clinic=entry.facts.get("by", Actor.STAFF.value) == Actor.STAFF.value,
        )
        if was_cancelled and told.corrects:
            # Who had confirmed has heard since that they need not come.
            visit.confirmed_at = None
        tasks.moved(session, clinic, visit, now)
    else:
        states.remind_as_the_type_wants(session, visit, before)
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
    # To take back a booking is to cancel the visit, which is the desk's to do.
    if "before" not in entry.facts and not (_is_booking(entry) and who.sees_everybody):
        raise NotChangeable(visit_status=visit.status.value)
    version = entry.facts.get("version", 1)
    if visit.version != version and not _all_since_is_undone(session, visit, entry):
        shown: dict[str, Any] | None = history.state_at(session, visit, version)
        raise StaleEdit(shown=shown, now=states.state_of(clinic, visit), **states.last_change(session, visit))
    if now > entry.at + UNDO_WITHIN:
        raise TooLateToUndo(until=iso_utc(entry.at + UNDO_WITHIN))


def _all_since_is_undone(session: Session, visit: Appointment, entry: HistoryEntry) -> bool:
    """Whether the visit stands as after this step of its day, for all that was done since are such steps, taken back: so
    several are taken back one after the other.
    """
    later = session.scalars(
        select(HistoryEntry)
        .where(HistoryEntry.appointment_id == entry.appointment_id, HistoryEntry.id > entry.id)
        .order_by(HistoryEntry.id)
    ).all()
    if not later or later[-1].facts.get("version") != visit.version or entry.what not in _STEPS:
        return False
    left: list[int] = []
    for one in later:
        if one.what == "undone" and left and left[-1] == one.facts.get("entry"):
            left.pop()
        elif one.what in _STEPS:
            left.append(one.id)
        else:
            return False
    return not left


def _undone_already(session: Session, visit: Appointment, entry: HistoryEntry) -> bool:
    """Whether the last that was done to the visit was the undoing of this: done once more since, it isn't undone."""
    later = session.scalars(
        select(HistoryEntry).where(
            HistoryEntry.appointment_id == entry.appointment_id,
            HistoryEntry.id > entry.id,
            HistoryEntry.what == "undone",
        )
    )
    return any(
        one.facts.get("entry") == entry.id and one.facts.get("version") == visit.version for one in later
    )
