"""A visit before and after what staff did to it: kept with the history entry, so that it can be taken back."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking.errors import StaleEdit
from booking.formatting import iso_utc
from booking.models import Actor, Appointment, HistoryEntry
from booking.scheduling.offers import Use
from booking.scheduling.status import Status
from booking.services import claims, history, reconciling
from booking.services.clinic import Clinic
from booking.services.notices import Told
from booking.services.staff import audit
from booking.services.staff.who import Who

# Why a booking that the desk has taken back is cancelled.
BOOKED_BY_MISTAKE = "Booked by mistake"

Snapshot = dict[str, Any]
_NOBODY = Told(None, [])

_MOMENTS = (
    "confirmed_at",
    "cannot_come_at",
    "cancelled_at",
    "arrived_at",
    "started_at",
    "needles_in_at",
    "needles_out_at",
    "ended_at",
)
_PLAIN = (
    "practitioner_id",
    "visit_type_id",
    "room_id",
    "from_cell",
    "to_cell",
    "phase_minutes",
    "cancel_reason",
)


@dataclass(frozen=True)
class Changed:
    """A visit after a change. `entry_id` is the history entry, by which it is undone; None if nothing was to change.

    `state`: how it stands now, as in `history.state_of`. `told`: the patient hears of it, by `channel`. `due_at`: when, ISO in UTC,
    or None. `to_call`: they stand on the list of calls, until reached. `facts`: those of the history entry.
    """

    reference: str
    entry_id: int | None
    version: int
    state: dict[str, str]
    told: bool = False
    due_at: str | None = None
    channel: str = ""
    to_call: bool = False
    facts: dict[str, Any] = field(default_factory=dict)


def snapshot(appointment: Appointment, uses: Sequence[Use]) -> Snapshot:
    """Everything about a visit that staff change here, as plain values."""
    kept: Snapshot = {name: getattr(appointment, name) for name in _PLAIN}
    kept |= {name: _iso(getattr(appointment, name)) for name in _MOMENTS}
    kept["status"] = appointment.status.value
    kept["cancelled_by"] = appointment.cancelled_by and appointment.cancelled_by.value
    kept["uses"] = [list(use) for use in uses]
    return kept


def restore(appointment: Appointment, kept: Snapshot) -> None:
    """Makes the visit what it was, but for its claims."""
    for name in _PLAIN:
        setattr(appointment, name, kept[name])
    for name in _MOMENTS:
        setattr(appointment, name, kept[name] and datetime.fromisoformat(kept[name]))
    appointment.status = Status(kept["status"])
    appointment.cancelled_by = Actor(kept["cancelled_by"]) if kept["cancelled_by"] else None


def uses_in(session: Session, appointment: Appointment, kept: Snapshot) -> list[Use]:
    """What the visit had taken."""
    return claims.uses_again(session, appointment, kept["uses"])


def same_entry(before: Snapshot, after: Snapshot) -> bool:
    """Whether the patient's calendar entry is the same for both: time, person, and whether it stands."""
    names = ("from_cell", "to_cell", "practitioner_id")
    cancelled = Status.CANCELLED.value
    return all(before[name] == after[name] for name in names) and (
        (before["status"] == cancelled) == (after["status"] == cancelled)
    )


def remind_as_the_type_wants(session: Session, appointment: Appointment, before: Snapshot) -> None:
    """Puts the reminders right of a visit that has another type in the same calendar entry."""
    if appointment.visit_type_id != before["visit_type_id"]:
        session.flush()
        reconciling.write_missing(session, appointment)


def keep(
    session: Session,
    who: Who,
    clinic: Clinic,
    appointment: Appointment,
    what: str,
    before: Snapshot,
    uses: Sequence[Use],
    now: datetime,
    *,
    why: str = "",
    told: Told = _NOBODY,
    **facts: Any,
) -> Changed:
    """Writes down a change that was made: the next version, its history entry and the audit's. Once a change."""
    appointment.version += 1
    appointment.changed_at = now
    session.flush()
    state = history.state_of(clinic, appointment)
    entry_id = history.note(
        session,
        appointment,
        what,
        Actor.STAFF,
        why=why,
        name=who.name,
        account_id=who.account_id,
        before=before,
        after=snapshot(appointment, uses),
        version=appointment.version,
        sequence=appointment.sequence,
        state=state,
        **({"knew": told.knew} if told.knew else {}),
        **({"after_all": True} if told.after_all else {}),
        **({"decided": told.decided} if told.decided else {}),
        **facts,
    )
    audit.did(session, who, what, f"appointment/{appointment.reference}", appointment.patient_id)
    return Changed(
        reference=appointment.reference,
        entry_id=entry_id,
        version=appointment.version,
        state=state,
        told=told.due_at is not None,
        due_at=None if told.due_at is None else iso_utc(told.due_at),
        channel=told.channel.value if told.channel else "",
        to_call=told.to_call,
        facts=facts,
    )


def unchanged(clinic: Clinic, appointment: Appointment) -> Changed:
    """A quiet success."""
    return Changed(appointment.reference, None, appointment.version, history.state_of(clinic, appointment))


def refuse_stale(
    session: Session,
    clinic: Clinic,
    appointment: Appointment,
    version: int | None,
    *,
    same_will_do: bool = False,
) -> None:
    """Refuses a change of a visit that is no longer as it was shown, and says who changed it.

    `same_will_do`: what changed may be anything but its time, person and status, such as the patient's "I'm coming".
    """
    stale = changed_since(session, clinic, appointment, version)
    if stale and not (same_will_do and stale.facts["shown"] == stale.facts["now"]):
        raise stale


def changed_since(
    session: Session, clinic: Clinic, appointment: Appointment, version: int | None
) -> StaleEdit | None:
    """What became of a visit since it was shown in this version; None where it is as it was."""
    if version is None or version == appointment.version:
        return None
    shown, now = history.state_at(session, appointment, version), history.state_of(clinic, appointment)
    return StaleEdit(shown=shown, now=now, **last_change(session, appointment))


def last_change(session: Session, appointment: Appointment) -> dict[str, Any]:
    """Who changed the visit last, as facts of a StaleEdit."""
    last = session.scalar(
        select(HistoryEntry)
        .where(HistoryEntry.appointment_id == appointment.id)
        .order_by(HistoryEntry.id.desc())
        .limit(1)
    )
    if last is None:
        return {"by": "", "by_actor": "system", "what": "", "at": None}
    return change_of(last)


def change_of(entry: HistoryEntry) -> dict[str, Any]:
    """Who changed a visit by this entry, as facts of a StaleEdit."""
    return {
        "by": entry.actor_name,
        "by_actor": entry.actor.value,
        "what": entry.what,
        "at": iso_utc(entry.at),
    }


def _iso(instant: datetime | None) -> str | None:
    # To the microsecond: a moment that is taken back is the same moment.
    return None if instant is None else instant.isoformat()
