"""Whose calendar it is."""

from booking.errors import NotFound
from booking.services.clinic import Clinic, Practitioner
from booking.services.staff.who import Who


def practitioner_of(clinic: Clinic, who: Who) -> Practitioner:
    """The practitioner that this account is. Raises NotFound for an account that is none, or is one no more."""
    found = clinic.practitioner_by_id.get(who.practitioner_id or 0)
    if found is None or found.slug not in clinic.practitioners:
        raise NotFound
    return found


def initials(first_name: str, last_name: str) -> str:
    """As in "R. L.": enough to know who it is, too little to tell others."""
    return " ".join(f"{name[0]}." for name in (first_name.strip(), last_name.strip()) if name)
