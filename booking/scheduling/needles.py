"""When needles come out: the rest is counted from when they really went in, not from the plan."""

from collections.abc import Collection
from datetime import datetime, timedelta

from booking.scheduling.timeline import CELL_MINUTES

OVERDUE_AFTER = timedelta(minutes=5)


def rest(from_cell: int, to_cell: int, hands: Collection[tuple[int, int]]) -> timedelta:
    """How long the patient of a visit rests alone: the cells of the visit that aren't among those of the practitioner's
    `hands`, as the visit has taken them. Zero for a visit without needles, and for one that takes nobody's time any more.
    """
    alone = to_cell - from_cell - sum(last - first for first, last in hands) if hands else 0
    return timedelta(minutes=alone * CELL_MINUTES)


def needles_due(needles_in_at: datetime | None, rest: timedelta) -> datetime | None:
    """When the needles are to come out, for a visit without a rest at once; None before they are in."""
    return needles_in_at + rest if needles_in_at else None


def overdue(due: datetime | None, now: datetime) -> bool:
    """Whether the needles should have been out for five minutes or more."""
    return due is not None and now >= due + OVERDUE_AFTER
