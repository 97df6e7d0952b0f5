"""A visit gets another place: time, practitioner, room, devices, type or length."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from booking.services.staff.who import Who


@dataclass(frozen=True)
class Place:
    """Where and how a visit is to be; None keeps. Names are slugs; `phase_minutes` one number a phase of the type."""

    starts_at: datetime | None = None
    practitioner: str | None = None
    room: str | None = None
    devices: tuple[str, ...] | None = None
    visit_type: str | None = None
    phase_minutes: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Changed:
    """A visit after a change. `entry_id` is the history entry, by which it is undone; None if nothing was to change.

    `told`: a message to the patient is queued. `due_at`: when it goes, ISO in UTC, or None. `undo_until`: ISO, or None.
    """

    reference: str
    entry_id: int | None
    version: int
    told: bool = False
    due_at: str | None = None
    undo_until: str | None = None


@dataclass(frozen=True)
class Preview:
    """What a change would mean. `channel`: "email", "text", "call", or "" where nobody would be told.

    `breaches`: codes that need a reason. `clash`: what is in the way, as in the refusal Clash; with any, it can't be.
    `elsewhere`: the patient's other visit, as in the refusal PatientElsewhere, or None.
    """

    reference: str
    version: int
    starts_at: datetime
    ends_at: datetime
    practitioner: str
    room: str | None
    channel: str
    address: str
    subject: str
    text: str
    due_at: datetime | None
    breaches: tuple[str, ...] = ()
    clash: tuple[dict[str, Any], ...] = ()
    elsewhere: dict[str, Any] | None = None
    facts: dict[str, Any] = field(default_factory=dict)


def change(
    who: Who,
    reference: str,
    place: Place,
    *,
    version: int | None,
    reason: str = "",
    tell: bool = True,
    key: str,
) -> Changed:
    """Gives the visit another place, once per key.

    Raises NeedsReason, Clash, PatientElsewhere, StaleEdit, NotChangeable, NotOffered, NotFound, KeyReused.
    """
    raise NotImplementedError


def preview(who: Who, reference: str, place: Place) -> Preview:
    """What `change` would do, and what the patient would be told. Changes nothing. Raises NotFound, NotOffered,
    NotChangeable."""
    raise NotImplementedError
