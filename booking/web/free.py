"""Free times on their way through links, forms and refusals."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from booking.services.clinic import Clinic
from booking.services.search import FreeTime


def instant(words: str | None) -> datetime | None:
    """An instant as our own links write it, "2026-12-03T17:15:00Z"; None for anything else."""
    try:
        found = datetime.strptime(words or "", "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
    return found if found.timestamp() % 300 == 0 and 2000 <= found.year < 2100 else None


def nearest_of(clinic: Clinic, found: Iterable[Mapping[str, str]]) -> tuple[FreeTime, ...]:
    """The alternatives that a refusal names, as free times."""
    times = [(instant(one["starts_at"]), clinic.practitioner(one["practitioner"])) for one in found]
    return tuple(FreeTime(starts_at, person) for starts_at, person in times if starts_at)
