"""When needles come out: the rest is counted from when they really went in, not from the plan."""

from datetime import datetime, timedelta

from booking.scheduling.timeline import CELL_MINUTES
from booking.scheduling.visit import Shape

OVERDUE_AFTER = timedelta(minutes=5)


def rest(shape: Shape) -> timedelta:
    """How long the patient rests alone: the phases without the practitioner. Zero for a visit without needles."""
    cells = sum(phase.cells for phase in shape.phases if not phase.practitioner)
    return timedelta(minutes=cells * CELL_MINUTES)


def has_needles(shape: Shape) -> bool:
    """Whether a visit of this shape has a rest, so that needles go in and come out."""
    return bool(rest(shape))


def needles_due(needles_in_at: datetime | None, shape: Shape) -> datetime | None:
    """When the needles are to come out; None before they are in, and for a visit without a rest."""
    return needles_in_at + rest(shape) if needles_in_at and has_needles(shape) else None


def overdue(due: datetime | None, now: datetime) -> bool:
    """Whether the needles should have been out for five minutes or more."""
    return due is not None and now >= due + OVERDUE_AFTER
