"""What all staff pages share: who is signed in stands on each, and the style is the denser one."""

from typing import Any

from booking.services.clinic import Clinic
from booking.web import access
from booking.web.pages import page, the_clinic_of_this_request


def staff_page(
    template: str, status: int = 200, *, clinic: Clinic | None = None, **values: Any
) -> tuple[str, int]:
    """A page for whoever is signed in."""
    return page(template, clinic or the_clinic_of_this_request(), status, signed=access.signed(), **values)
