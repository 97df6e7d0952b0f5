"""Where a visit could go: what is free, what needs a reason, and why not."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from booking.services.clinic import Practitioner
from booking.services.staff.who import Who

Stretch = tuple[int, int]


@dataclass(frozen=True)
class Hindrance:
    """What keeps a place: a code of `Taken` or `Breach`. `hard`: nobody can pass it. `facts` as in the refusals."""

    code: str
    hard: bool
    facts: dict[str, Any]


@dataclass(frozen=True)
class Room:
    """Starts of one practitioner, as half-open stretches of five-minute cells, in order."""

    free: tuple[Stretch, ...]
    with_reason: tuple[Stretch, ...]


@dataclass(frozen=True)
class Places:
    """All places of a visit on some days, by the practitioner's slug. `cells`: length of the visit with each."""

    reference: str
    from_cell: int
    to_cell: int
    practitioners: dict[str, Room]
    cells: dict[str, int]

    def why(self, slug: str, cell: int) -> list[Hindrance]:
        """What keeps this start with this practitioner; empty where all rules are kept."""
        raise NotImplementedError


@dataclass(frozen=True)
class FreeTime:
    """A start at which all rules are kept, with one practitioner."""

    starts_at: datetime
    ends_at: datetime
    practitioner: Practitioner


def places(who: Who, reference: str, first: date, days: int = 1) -> Places:
    """Where this visit can go on `days` local days from `first` on. Raises NotFound, NotChangeable."""
    raise NotImplementedError


def find_times(
    who: Who,
    reference: str,
    *,
    first: date | None = None,
    days: int = 60,
    weekdays: tuple[int, ...] | None = None,
    part: str = "",
    practitioner: str | None = None,
    limit: int = 12,
) -> list[FreeTime]:
    """The next times at which this visit keeps all rules. `weekdays`: Monday is 0. `part`: "", "morning" (before noon)
    or "afternoon". Raises NotFound, NotChangeable."""
    raise NotImplementedError
