"""How a visit that somebody chose travels in a form: its type, with whom, and its start."""

from booking.formatting import iso_utc
from booking.services.plans.choosing import VisitWish
from booking.web.free import instant


def written(one: VisitWish) -> str:
    return f"{one.visit_type} {one.practitioner} {iso_utc(one.starts_at)}"


def read(words: str) -> VisitWish | None:
    """What `written` wrote; None for anything else."""
    visit_type, _space, rest = words.partition(" ")
    practitioner, _space, start = rest.partition(" ")
    starts_at = instant(start)
    if not visit_type or not practitioner or starts_at is None:
        return None
    return VisitWish(visit_type, practitioner, starts_at)
