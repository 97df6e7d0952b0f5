"""Who did what to an appointment, when and why: appended with every change, and read back."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking import clock
from booking.formatting import iso_utc
from booking.models import Actor, Appointment, HistoryEntry
from booking.scheduling.status import Status
from booking.services import rows
from booking.services.clinic import Clinic

State = dict[str, str]
# So long what was done to a visit, or to a plan, can be taken back at the most.
UNDO_WITHIN = timedelta(minutes=10)
# What is written of a visit and leaves it as it stands: it is in nobody's way, and stays.
OF_WORDS = ("noted", "name_corrected", "contact_corrected", "number_corrected", "reminders_changed")


@dataclass(frozen=True)
class Entry:
    """One thing that was done to an appointment. `name` is the person of staff who did it; `facts` are as `note` took them."""

    id: int
    at: datetime
    actor: Actor
    name: str
    what: str
    why: str
    facts: dict[str, Any]


def note(
    session: Session,
    appointment: Appointment,
    what: str,
    actor: Actor,
    *,
    why: str = "",
    name: str = "",
    account_id: int | None = None,
    **facts: Any,
) -> int:
    """Appends an entry and returns its id. `what` is a verb of the glossary: booked, moved, cancelled, confirmed, …"""
    entry = HistoryEntry(
        appointment_id=appointment.id,
        at=clock.now(),
        actor=actor,
        actor_name=name,
        account_id=account_id,
        what=what,
        why=why,
        facts=facts,
    )
    rows.add(session, entry)
    return entry.id


def entries_of(session: Session, appointment: Appointment) -> tuple[Entry, ...]:
    """Everything that was done to an appointment, oldest first."""
    entries = session.scalars(
        select(HistoryEntry).where(HistoryEntry.appointment_id == appointment.id).order_by(HistoryEntry.id)
    )
    return tuple(map(shaped, entries))


def shaped(entry: HistoryEntry) -> Entry:
    return Entry(entry.id, entry.at, entry.actor, entry.actor_name, entry.what, entry.why, entry.facts)


def state_at(session: Session, appointment: Appointment, version: int) -> State | None:
    """How the appointment stood at a version: {"starts_at", "practitioner", "status"}, as far as its history tells.

    Each change raises the version by one and appends one entry. None for a version that never was.
    """
    entries = session.scalars(
        select(HistoryEntry)
        .where(HistoryEntry.appointment_id == appointment.id)
        .order_by(HistoryEntry.id)
        .limit(version)
    ).all()
    if not 1 <= version == len(entries):
        return None
    state = {"status": Status.BOOKED.value}
    for entry in entries:
        facts = entry.facts
        if "state" in facts:
            # What staff did says itself how it stood then.
            state |= facts["state"]
        elif entry.what == "booked":
            state |= {name: facts[name] for name in ("starts_at", "practitioner") if name in facts}
        elif entry.what == "moved":
            state |= {"starts_at": facts["to"], "practitioner": facts["to_practitioner"]}
        elif entry.what in _STATUSES:
            state["status"] = entry.what
    return state


def state_of(clinic: Clinic, appointment: Appointment) -> State:
    """How the appointment stands, in the same words."""
    return {
        "starts_at": iso_utc(appointment.starts_at),
        "practitioner": clinic.practitioner_by_id[appointment.practitioner_id].slug,
        "status": appointment.status.value,
    }


_STATUSES = frozenset(Status) - {Status.BOOKED}
