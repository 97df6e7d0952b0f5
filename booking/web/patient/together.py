"""Two kinds of care on one day, booked in one go: which two, from which day on, one of the ways to have both, who is coming.

From the choice of a time on these are the pages of plans: held while somebody types, exchanged, booked all or nothing.
"""

from datetime import date, timedelta

from flask import request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from booking.errors import NotOffered
from booking.models import BookableBy
from booking.services.clinic import Clinic
from booking.services.plans.same_day import SameDay, days_with_both
from booking.web import limits, series_words, visitor
from booking.web.pages import page, the_clinic_of_this_request as present_clinic, today
from booking.web.patient import blueprint
from booking.web.patient.plan_asking import day_typed
from booking.web.patient.plan_choice import Choice
from booking.web.patient.plan_way import Way
from booking.web.patient.plans import book_for, choose_for, details_for
from booking.web.patient.start import care_to_choose

DAYS_SHOWN = 5
OF_KINDS = "/together/<kinds>"


@blueprint.get("/together")
def together() -> ResponseReturnValue:
    """Which two, and from which day on; and once that is said, the days on which both can be had."""
    clinic, kinds = present_clinic(), tuple(request.args.getlist("kind"))
    if "first" not in request.args:
        return _choice_page(clinic, kinds)
    first = day_typed(request.args["first"])
    last = today(clinic) + timedelta(days=clinic.horizon_days)
    if not _go_together(clinic, kinds):
        return _choice_page(
            clinic, kinds, 422, {"kind": [_("Please choose two visits of different kinds of care.")]}
        )
    if first is None or not today(clinic) <= first <= last:
        said = _("Please choose a day from today until %(day)s.", day=clinic.times.day(last))
        return _choice_page(clinic, kinds, 422, {"first": [said]})
    limits.allow("search")
    try:
        days = days_with_both(
            kinds, first, audience=BookableBy.PATIENTS, visitor=visitor.known_mark(), most=DAYS_SHOWN
        )
    except NotOffered:
        days = ()
    later = days[-1].on + timedelta(days=1) if len(days) == DAYS_SHOWN else None
    return page(
        "patient/together_times.html",
        clinic,
        way=Way.of_one_day(clinic, kinds),
        first=first,
        days=[(day.on, _ways(clinic, day)) for day in days],
        later=later if later and later <= last else None,
    )


@blueprint.post(f"{OF_KINDS}/choose")
def choose_together(kinds: str) -> ResponseReturnValue:
    limits.allow("hold")
    return choose_for(_way(kinds))


@blueprint.get(f"{OF_KINDS}/details")
def together_details(kinds: str) -> ResponseReturnValue:
    return details_for(_way(kinds))


@blueprint.post(f"{OF_KINDS}/details")
def book_together(kinds: str) -> ResponseReturnValue:
    limits.allow("book")
    return book_for(_way(kinds))


def _way(kinds: str) -> Way:
    """Raises NotFound."""
    return Way.of_one_day(present_clinic(), tuple(kinds.split("+")))


def _ways(clinic: Clinic, day: SameDay) -> list[tuple[list[str], str]]:
    """Each way to have both in words, visit by visit, and as a form sends it."""
    return [(series_words.way(clinic, way), Choice.of(way).written) for way in day.ways]


def _go_together(clinic: Clinic, kinds: tuple[str, ...]) -> bool:
    types = [one for care in care_to_choose(clinic) for one in care.visit_types if one.slug in kinds]
    return len(kinds) == len(types) == len({one.modality for one in types}) == 2


def _choice_page(
    clinic: Clinic, kinds: tuple[str, ...], status: int = 200, errors: dict[str, list[str]] | None = None
) -> ResponseReturnValue:
    tomorrow: date = today(clinic) + timedelta(days=1)
    return page(
        "patient/together.html",
        clinic,
        status,
        care=[one for one in care_to_choose(clinic) if one.visit_types],
        kinds=kinds,
        first=request.args.get("first") or tomorrow.isoformat(),
        this_day=today(clinic),
        errors=errors or {},
    )
