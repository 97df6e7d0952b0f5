"""What all staff pages share: who is signed in, the ways that are open to them, where they begin, and the lock."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache, partial
from typing import Any

from flask import current_app, request, session, url_for
from flask_babel import get_locale, lazy_gettext as lazy

from booking import clock
from booking.models import Role
from booking.services.clinic import Clinic
from booking.services.desk.pressing import pressing
from booking.services.staff.sign_ins import Signed
from booking.services.staff.who import Who
from booking.web import access
from booking.web.pages import page, the_clinic_of_this_request

# In the order in which they stand in the menu: for whoever may, where the page is there.
_WAYS = (
    ("practitioner.today", lazy("My day")),
    ("practitioner.week", lazy("My week")),
    ("practitioner.plans", lazy("My plans")),
    ("practitioner.time_off", lazy("My time off")),
    ("practitioner.feed_settings", lazy("My calendar")),
    ("desk.today_board", lazy("Board")),
    ("desk.patients", lazy("Patients")),
    ("desk.plans", lazy("Plans")),
    ("desk.glance", lazy("At a glance")),
    ("desk.calls", lazy("Calls")),
    ("desk.to_do", lazy("To do")),
    ("desk.messages", lazy("Messages")),
    ("desk.close_today", lazy("Close the day")),
    ("desk.time_off", lazy("Time off")),
    ("sign_in.accounts", lazy("Accounts")),
    ("sign_in.audit_list", lazy("Audit")),
)
# What presses behind them.
_COUNTED = {
    "desk.calls": "calls",
    "desk.to_do": "tasks",
    "desk.messages": "messages",
    "desk.close_today": "unsettled",
}
# Somebody else's changes are seen as soon as on the board.
_COUNTED_EVERY = timedelta(seconds=10)


def staff_page(
    template: str, status: int = 200, *, clinic: Clinic | None = None, **values: Any
) -> tuple[str, int]:
    """A page for whoever is signed in."""
    clinic = clinic or the_clinic_of_this_request()
    return page(
        template,
        clinic,
        status,
        **signed_values(access.signed()),
        staff_counts=cache(partial(counts, access.who(), clinic)),
        **values,
    )


def signed_values(signed: Signed) -> dict[str, Any]:
    """What the layout of staff pages needs to know of whoever is signed in."""
    return {"signed": signed, "staff_ways": lambda: _ways(signed.who)}


def home(who: Who) -> str:
    """The endpoint where somebody begins: practitioners with their day, everybody else with the desk's board."""
    order = ("desk.today_board", "practitioner.today")
    if who.roles == {Role.PRACTITIONER}:
        order = order[::-1]
    return next((endpoint for endpoint in order if _open_to(who, endpoint)), "sign_in.me")


def _ways(who: Who) -> tuple[tuple[str, str], ...]:
    """Address and words of what the menu offers: the same to all who may do the same, so it is put together once."""
    kept: dict[Any, tuple[tuple[str, str], ...]] = current_app.extensions.setdefault("booking_ways", {})
    whose = who.roles, who.practitioner_id is not None, str(get_locale()), request.script_root
    if whose not in kept:
        kept[whose] = tuple(
            (url_for(endpoint), str(words)) for endpoint, words in _WAYS if _open_to(who, endpoint)
        )
    return kept[whose]


def counts(who: Who, clinic: Clinic) -> Mapping[str, int]:
    """How much presses behind an address of the menu, as it was a few seconds ago: but never before what was done here."""
    if not (access.may(who, "desk.calls") and who.sees_everybody):
        return {}
    kept: tuple[datetime, dict[str, int]] | None = current_app.extensions.get("booking_pressing")
    now = clock.now()
    # Another process may have counted before this browser's last form.
    stands = kept is not None and kept[0] <= now < kept[0] + _COUNTED_EVERY
    if kept is None or not stands or kept[0].timestamp() <= session.get("did_at", 0):
        found = pressing(who, clinic)
        numbers = {url_for(endpoint): getattr(found, what) for endpoint, what in _COUNTED.items()}
        kept = current_app.extensions["booking_pressing"] = (now, numbers)
    return kept[1]


def _open_to(who: Who, endpoint: str) -> bool:
    return (
        endpoint in current_app.view_functions
        and access.may(who, endpoint)
        and (not endpoint.startswith("practitioner.") or who.practitioner_id is not None)
    )
