"""Which visits stand on the list of calls, as conditions and as numbers: what `booking.services.desk.calls` shows.

The list is what the outbox says: reminders by call, messages that failed and went no other way, and visits that the clinic moved or
cancelled less than a day ahead and that nobody has confirmed, or moved themselves since: their patients are written to as well.
Like what is written, these wait until the time to take the change back is over.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import groupby
from typing import Any

from sqlalchemy import and_, bindparam, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from booking.models import (
    Actor,
    Appointment,
    HistoryEntry,
    Message,
    MessageState,
    Patient,
    Plan,
)
from booking.scheduling.status import Status
from booking.scheduling.timeline import CELL_MINUTES, cell_from, instant_of
from booking.services import notices
from booking.services.desk import states

# Messages about a visit that still lies ahead are no older than this.
_OLDEST = timedelta(days=400)
FAILED = (MessageState.DEAD, MessageState.UNSURE)
ON_ITS_WAY = (MessageState.QUEUED, MessageState.SENDING, MessageState.SENT, MessageState.SIMULATED)


class Outcome(StrEnum):
    """What came of a call. After "no answer" it stays on the list, and after a message left about a change on short notice as well.
    TOLD: in another way, where there is no number.
    """

    REACHED = "reached"
    LEFT_MESSAGE = "left-message"
    NO_ANSWER = "no-answer"
    TOLD = "told"


# What is on the list, with the `bounds` of now.

_OTHER = aliased(Message)
_TOLD_OTHERWISE = exists().where(
    _OTHER.appointment_id == Message.appointment_id,
    _OTHER.kind == Message.kind,
    _OTHER.sequence == Message.sequence,
    _OTHER.state.in_(ON_ITS_WAY),
)
# Whether what a message tells still holds.
_IS_TRUE = or_(
    and_(Message.kind == "cancellation", Appointment.status == Status.CANCELLED),
    and_(Message.kind != "cancellation", Appointment.status == Status.BOOKED),
)
SPOKEN = (Outcome.REACHED, Outcome.TOLD)
# How the visit stands was told on the telephone: a message about it that fails later needs no call. One left on their machine is
# enough as well, but for a change on short notice: about that they are called until somebody has spoken with them.
_TOLD_BY_CALL = exists().where(
    _OTHER.appointment_id == Message.appointment_id,
    _OTHER.sequence == Message.sequence,
    _OTHER.settled_at.is_not(None),
    or_(
        _OTHER.settled_as.in_(SPOKEN),
        and_(
            _OTHER.settled_as == Outcome.LEFT_MESSAGE,
            Message.facts["why"].as_string().is_distinct_from(notices.ON_SHORT_NOTICE),
        ),
    ),
)
# Whether it is news to the patient: whoever says that they come knows when, and who has cancelled knows that.
_IS_NEWS = or_(
    and_(Message.kind.startswith("reminder-"), Appointment.cannot_come_at.is_(None)),
    and_(
        or_(
            Message.kind == "confirmation",
            and_(Message.kind == "change", Appointment.confirmed_at.is_(None)),
            and_(Message.kind == "cancellation", Appointment.cancelled_by == Actor.STAFF),
        ),
        ~_TOLD_BY_CALL,
    ),
)
# What the desk has put on the list stays there until it is settled, and so does what is about other visits as well.
_ASKED = or_(Message.facts["why"].as_string() == notices.ASKED, notices.IS_ABOUT_A_PLAN)
# Visits of one day lie less than this apart; those of a late evening and an early morning may, too.
A_DAYS_VISITS = 12 * 60 // CELL_MINUTES
_EARLIER = aliased(Appointment)
# A reminder of which somebody is to be called along with that of an earlier visit of the same day.
TOLD_WITH_EARLIER = and_(
    Message.kind.startswith("reminder-"),
    ~notices.IS_ABOUT_A_PLAN,
    Message.state == MessageState.TO_CALL,
    exists()
    .where(
        _OTHER.appointment_id == _EARLIER.id,
        _OTHER.kind == Message.kind,
        _OTHER.address == Message.address,
        _OTHER.state == MessageState.TO_CALL,
        _OTHER.settled_at.is_(None),
        _OTHER.sequence == _EARLIER.sequence,
        _EARLIER.patient_id == Appointment.patient_id,
        _EARLIER.status == Status.BOOKED,
        _EARLIER.cannot_come_at.is_(None),
        _EARLIER.from_cell > bindparam("now_cell"),
        _EARLIER.from_cell > Appointment.from_cell - A_DAYS_VISITS,
        _EARLIER.from_cell < Appointment.from_cell,
    )
    # Also within another question about messages.
    .correlate(Message, Appointment),
)
# A message, and its visit, that somebody has to tell by telephone.
TO_BE_CALLED = and_(
    Message.state.in_((MessageState.TO_CALL, *FAILED)),
    Message.due_at > bindparam("oldest"),
    Message.settled_at.is_(None),
    Message.sequence == Appointment.sequence,
    Appointment.from_cell > bindparam("now_cell"),
    _IS_TRUE,
    or_(_ASKED, _IS_NEWS),
    or_(Message.state.not_in(FAILED), ~_TOLD_OTHERWISE),
)
# The desk has spoken with them since the visit was changed last.
_SPOKEN_WITH = exists().where(
    _OTHER.appointment_id == Appointment.id,
    _OTHER.sequence == Appointment.sequence,
    _OTHER.settled_at.is_not(None),
    _OTHER.settled_as.in_(SPOKEN),
)
# Whether there is a telephone by which somebody reaches them, and whether a message tells them how the visit stands.
_RECORD = aliased(Patient)
_HAS_A_NUMBER = or_(
    Appointment.phone.is_not(None),
    exists().where(_RECORD.id == Appointment.patient_id, _RECORD.phone.is_not(None)),
)
_WRITTEN_TO = or_(
    exists().where(
        _OTHER.appointment_id == Appointment.id,
        _OTHER.sequence == Appointment.sequence,
        _OTHER.kind.in_(notices.ANSWERS),
        or_(_OTHER.state.in_(ON_ITS_WAY), _OTHER.settled_as == notices.TOLD_TOGETHER),
    ),
    # With its plan, since it was changed.
    exists().where(
        Plan.id == Appointment.plan_id,
        _OTHER.subject == "plan/" + Plan.reference,
        _OTHER.kind == "plan-change",
        _OTHER.state.in_(ON_ITS_WAY),
        _OTHER.due_at > HistoryEntry.at,
    ),
)
# What a change by us left behind, and whether the desk has spoken with them while the visit stood as it left it.
ENTRY = (
    HistoryEntry.id.label("entry_id"),
    HistoryEntry.what,
    HistoryEntry.at,
    HistoryEntry.why,
    HistoryEntry.facts,
    exists()
    .where(
        _OTHER.appointment_id == HistoryEntry.appointment_id,
        _OTHER.sequence == HistoryEntry.facts["sequence"].as_integer(),
        _OTHER.settled_at.is_not(None),
        _OTHER.settled_as.in_(SPOKEN),
    )
    .label("reached"),
)
_LATER = aliased(HistoryEntry)
# Who has moved it themselves since knows how it stands.
_MOVED_BY_THEM_SINCE = exists().where(
    _LATER.appointment_id == HistoryEntry.appointment_id,
    _LATER.id > HistoryEntry.id,
    _LATER.actor == Actor.PATIENT,
    _LATER.what == "moved",
)
# A visit, and what staff did lately to its place, or to whether it stands.
CHANGED_BY_US = and_(
    Appointment.from_cell > bindparam("now_cell"),
    # The same with the column that the index has.
    Appointment.to_cell > bindparam("now_cell"),
    HistoryEntry.at > bindparam("lately"),
    HistoryEntry.actor == Actor.STAFF,
    or_(
        HistoryEntry.what.in_(("moved", "cancelled", "undone")),
        # Said to be their wish at first, and told them as ours only then.
        and_(HistoryEntry.what == "corrected", HistoryEntry.facts["tell"].as_boolean()),
    ),
    ~_SPOKEN_WITH,
    ~_MOVED_BY_THEM_SINCE,
    or_(_HAS_A_NUMBER, ~_WRITTEN_TO),
)
# To be counted, as a part of other statements: how many visits are on the list by their messages, and the changes that
# may put others there.
BY_MESSAGE = (
    select(func.count(Message.appointment_id.distinct()))
    .join(Appointment, Appointment.id == Message.appointment_id)
    .where(TO_BE_CALLED, ~TOLD_WITH_EARLIER)
)
CHANGES = (
    select(
        Appointment.id,
        Appointment.status,
        Appointment.cancelled_by,
        Appointment.confirmed_at,
        Appointment.from_cell,
        *ENTRY,
    )
    .join(HistoryEntry, HistoryEntry.appointment_id == Appointment.id)
    .where(
        CHANGED_BY_US,
        ~exists().where(Message.appointment_id == Appointment.id, TO_BE_CALLED, ~TOLD_WITH_EARLIER),
    )
)


def bounds(now: datetime) -> dict[str, Any]:
    """What the statements of the list want to know of now."""
    return {"now_cell": cell_from(now), "oldest": now - _OLDEST, "lately": now - notices.SOON}


def to_be_called(changes: Iterable[Any], now: datetime) -> int:
    """How many of the visits of these rows of CHANGES are on the list, given in order of visits and entries."""
    by_visit = (list(rows) for _, rows in groupby(changes, key=lambda row: row.id))
    return sum(to_be_told(rows[0], rows, now) is not None for rows in by_visit)


def to_be_called_about(session: Session, appointment: Appointment, now: datetime) -> bool:
    """Whether this visit stands on the list although there is no message about it."""
    entries = session.execute(
        select(*ENTRY)
        .join(Appointment, Appointment.id == HistoryEntry.appointment_id)
        .where(Appointment.id == appointment.id, CHANGED_BY_US)
        .order_by(HistoryEntry.id),
        bounds(now),
    )
    return to_be_told(appointment, entries, now) is not None


def to_be_told(appointment: Any, entries: Iterable[Any], now: datetime) -> Any:
    """The change by which the visit stands as it does, of these, oldest first, if the patient has to hear of it by telephone:
    on short notice, still ahead, not to be taken back any more, and not answered by "I'm coming"; else None. Both are rows,
    or what there is of them.
    """
    last, reached = _standing(entries)
    if last is None or reached or not _told(last) or not _on_short_notice(appointment, last, now):
        return None
    if now < last.at + notices.TAKEN_BACK_WITHIN:
        return None
    if appointment.status is Status.CANCELLED:
        # Who has cancelled themselves since knows.
        return last if appointment.cancelled_by is Actor.STAFF else None
    return last if appointment.status is Status.BOOKED and appointment.confirmed_at is None else None


def _standing(entries: Iterable[Any]) -> tuple[Any, bool]:
    """The last of these changes that wasn't taken back without a word, and whether somebody has been reached while the visit
    stood so.
    """
    stood: list[tuple[int, Any, bool]] = [(0, None, False)]
    for entry in entries:
        _, last, reached = stood[-1]
        if entry.what != "undone" or entry.facts.get("tell"):
            last, reached = entry, entry.reached
        elif not states.same_entry(entry.facts["before"], entry.facts["after"]):
            # As before what it undid, whose patient has heard of neither. A tap touches no place.
            _, last, reached = next(one for one in reversed(stood) if one[0] < entry.facts["entry"])
            reached = reached or entry.reached
        stood.append((entry.entry_id, last, reached))
    return stood[-1][1:]


def _told(entry: Any) -> bool:
    """Whether the patient was to be told: not where the desk has just spoken with them, or nothing of theirs changed. Of
    what was taken back only if that had to be told as well: else it is again as the patient knows it.
    """
    facts = entry.facts
    if entry.what == "moved" and (facts.get("from"), facts.get("from_practitioner")) == (
        facts.get("to"),
        facts.get("to_practitioner"),
    ):
        return False
    told: bool = facts.get("tell", entry.what != "undone")
    return told


def _on_short_notice(appointment: Any, entry: Any, now: datetime) -> bool:
    """Whether the visit began less than a day after the change, as it is or as it was, and that time is still ahead."""
    starts = [instant_of(appointment.from_cell), *([old] if (old := old_start(entry)) else [])]
    return notices.on_short_notice(entry.at, [start for start in starts if now < start])


def old_start(entry: Any) -> datetime | None:
    """When the visit began before the change: as the patient knows it, who may not have heard of the one before."""
    # Of a correction "from" is the status that was said.
    old = entry.facts.get("knew") or (entry.facts.get("from") if entry.what == "moved" else None)
    if old:
        return datetime.fromisoformat(old)
    return instant_of(entry.facts["before"]["from_cell"]) if "before" in entry.facts else None
