"""The same time every week: from the link of a visit some more like it, at a second time each week as well where that is wished,
with whoever gave it, its contact and its reminders.
"""

import secrets
from collections.abc import Mapping
from datetime import time

from flask import redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _, ngettext

from booking.errors import UNANSWERED, KeyReused, NotChangeable, PlanRulesBroken, Refusal, VisitsTaken
from booking.services import idempotency
from booking.services.clinic import Clinic
from booking.services.plans import links, series_booking
from booking.services.plans.series import Preview, Series
from booking.services.plans.series_booking import Again
from booking.web import asked, limits, series_words, visitor
from booking.web.numerals import whole
from booking.web.pages import page
from booking.web.patient import blueprint
from booking.web.patient.visit import PATH
from booking.web.windows import weekdays
from booking.web.words import advice_for, words_for

_ASKED = ("weeks", "also", "at")


@blueprint.get(f"{PATH}/weekly")
def weekly(reference: str, token: str) -> ResponseReturnValue:
    """How many more; and once that is said, all dates, to be booked."""
    try:
        found = series_booking.again(reference, token)
    except NotChangeable:
        return redirect(url_for("patient.visit", reference=reference, token=token), 303)
    series, trouble = _asked(found, request.args)
    if series:
        limits.allow("search")
    return _page(found, series, 422 if trouble else 200, trouble)


@blueprint.post(f"{PATH}/weekly")
def book_weekly(reference: str, token: str) -> ResponseReturnValue:
    limits.allow("book")
    actor, key = f"link {reference}", asked.given_key()
    try:
        found = series_booking.again(reference, token)
    except NotChangeable:
        return redirect(url_for("patient.visit", reference=reference, token=token), 303)
    series, trouble = _asked(found, request.form)
    # Looked at before it is asked for an answer: what this form has booked meanwhile isn't free any more.
    offered = _looked_at(found, series).offered if series else frozenset()
    earlier = idempotency.answer_to(actor, key)
    if earlier is not None and "link_number" in earlier and "visits" in earlier:
        # The form came a second time: it is answered with what it booked.
        return _to_booked(
            earlier["reference"], links.token(earlier["reference"], earlier["link_number"]), again=1
        )
    if trouble:
        return _page(found, None, 422, trouble)
    if not series or not key:
        return redirect(url_for("patient.weekly", reference=reference, token=token), 303)
    chosen = series_words.chosen(request.form)
    if chosen.open:
        return _page(found, series, 422, _("Please choose for each date that can't be."))
    if not chosen.visits:
        return _page(found, series, 422, _("No date is left. Please choose at least one."))
    clinic = found.visit.clinic
    gone = [one.starts_at for one in chosen.visits if one not in offered]
    if gone:
        return _page(found, series, 409, series_words.gone(clinic, gone))
    try:
        made = series_booking.book_again(
            found,
            series,
            chosen.visits,
            name=series_words.name(clinic, chosen.visits),
            policy_version=clinic.policy_version,
            visitor=visitor.known_mark(),
            actor=actor,
            key=key,
        )
    except VisitsTaken as refusal:
        return _page(found, series, 409, series_words.lost(clinic, refusal))
    except PlanRulesBroken:
        return _page(found, series, 422, series_words.on_one_day(clinic, chosen.visits))
    except KeyReused:
        return _page(
            found, series, 409, _("This page was sent before with other dates. Please look, and book again.")
        )
    except UNANSWERED:
        raise
    except Refusal as refusal:
        words = words_for(refusal)
        return _page(found, series, words.status, f"{words.title} {advice_for(refusal, clinic)}")
    session["weekly"] = [made.reference, reference, token]
    return _to_booked(made.reference, made.token)


def _page(found: Again, series: Series | None, status: int = 200, trouble: str = "") -> ResponseReturnValue:
    dates = []
    if series:
        dates = series_words.shown(
            _looked_at(found, series), request.form if request.method == "POST" else None
        )
    clinic = found.visit.clinic
    return page(
        "patient/weekly.html",
        clinic,
        status,
        visit=found.visit,
        care=found.care,
        most=found.most,
        sent={name: request.values.get(name, "") for name in _ASKED},
        other_times=_other_times(clinic),
        other_days=[day for day in weekdays(clinic) if day.number != found.weekday],
        dates=dates,
        trouble=trouble,
        key=secrets.token_urlsafe(16),
    )


def _other_times(clinic: Clinic) -> list[tuple[str, str]]:
    """Each quarter of an hour while the clinic is open on any day: as the form sends it, and in words."""
    opens = min(hours.opens for hours in clinic.hours)
    quarters = (time(hour, minute) for hour in range(24) for minute in (0, 15, 30, 45))
    return [
        (f"{wall:%H:%M}", clinic.times.wall_time(wall))
        for wall in quarters
        if wall >= opens and any(wall < hours.closes or hours.closes == time(0) for hours in clinic.hours)
    ]


def _looked_at(found: Again, series: Series) -> Preview:
    return series_booking.preview_again(found, series, visitor=visitor.known_mark())


def _asked(found: Again, values: Mapping[str, str]) -> tuple[Series | None, str]:
    """What was asked for; nothing where nobody has said so yet, or with what is wrong about it."""
    weeks, also = whole(values.get("weeks", ""), 1), None
    if not weeks or not found.most:
        return None, ""
    if values.get("also"):
        weekday, wall = whole(values["also"]), asked.wall_time(values.get("at", ""))
        if weekday not in range(7) or weekday == found.weekday or wall is None:
            return None, _("Please choose both the other weekday and its time.")
        also = weekday, wall.hour * 60 + wall.minute
    series = found.series(min(weeks, found.most + 1), also)
    if len(list(series.dates())) > found.most:
        return None, ngettext(
            "Here you can book %(num)d more visit. Please choose fewer weeks, or call us.",
            "Here you can book %(num)d more visits. Please choose fewer weeks, or call us.",
            found.most,
        )
    return series, ""


def _to_booked(reference: str, token: str, **query: int) -> ResponseReturnValue:
    return redirect(url_for("patient.plan_booked", reference=reference, token=token, **query), 303)
