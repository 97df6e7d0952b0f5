"""The week, the month, and when colleagues are busy."""

from datetime import date, timedelta

from flask import abort, redirect, request, url_for
from flask.typing import ResponseReturnValue

from booking.services.own_day.week import colleagues_day, own_month, own_week
from booking.services.staff import audit
from booking.web import access
from booking.web.practitioner import blueprint
from booking.web.practitioner.words import STATUSES
from booking.web.staff import staff_page


@blueprint.get("/week")
@blueprint.get("/week/<day>", endpoint="week_of")
def week(day: str | None = None) -> ResponseReturnValue:
    """The week of a date, or this one. `?day=` is what the form "go to a date" sends."""
    asked = request.args.get("day")
    if day is None and asked is not None:
        return redirect(url_for("practitioner.week_of", day=date_of(asked).isoformat()))
    who = access.who()
    found = own_week(who, date_of(day) if day else None)
    audit.saw_this_hour(who, "saw own week", f"week/{found.first.isoformat()}")
    return staff_page("practitioner/week.html", clinic=found.clinic, week=found, statuses=STATUSES)


@blueprint.get("/month")
@blueprint.get("/month/<month>", endpoint="month_of")
def month(month: str | None = None) -> ResponseReturnValue:
    """The month in numbers: "2026-12", or this one. No names are in it."""
    found = own_month(access.who(), date_of(f"{month}-01") if month else None)
    return staff_page("practitioner/month.html", clinic=found.clinic, month=found)


@blueprint.get("/colleagues")
@blueprint.get("/colleagues/<day>", endpoint="colleagues_on")
def colleagues(day: str | None = None) -> ResponseReturnValue:
    """When colleagues are free or busy, if the clinic wants it seen."""
    found = colleagues_day(access.who(), date_of(day) if day else None)
    return staff_page(
        "practitioner/colleagues.html",
        clinic=found.clinic,
        shown=found,
        before=found.on - timedelta(days=1),
        after=found.on + timedelta(days=1),
    )


def date_of(words: str) -> date:
    """A date of an address. Answers 404 to what is none, or is one that no calendar here has."""
    try:
        found = date.fromisoformat(words)
    except ValueError:
        abort(404)
    # With room on both sides for the weeks around it.
    return found if 2001 <= found.year < 2099 and words == found.isoformat() else abort(404)
