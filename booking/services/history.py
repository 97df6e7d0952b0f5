"""Who did what to an appointment, when and why: appended with every change."""

from typing import Any

from sqlalchemy.orm import Session

from booking import clock
from booking.models import Actor, Appointment, HistoryEntry
from booking.services import rows


def note(
    session: Session,
    appointment: Appointment,
    what: str,
    actor: Actor,
    *,
    why: str = "",
    name: str = "",
    **facts: Any,
) -> None:
    """Appends an entry. `what` is a verb of the glossary: booked, moved, cancelled, confirmed, cannot_come, …"""
    rows.add(
        session,
        HistoryEntry(
            appointment_id=appointment.id,
            at=clock.now(),
            actor=actor,
            actor_name=name,
            what=what,
            why=why,
            facts=facts,
        ),
    )
