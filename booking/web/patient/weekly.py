"""The same time every week: from the link of a visit some more like it, with whoever gave it, its contact and its reminders."""

import secrets

from flask import redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from booking.errors import KeyReused, NotChangeable, PlanRulesBroken, Refusal, VisitsTaken
from booking.services import idempotency
from booking.services.plans import links, series_booking
from booking.services.plans.series import Preview
from booking.services.plans.series_booking import Again
from booking.web import asked, limits, series_words, visitor
from booking.web.numerals import whole
from booking.web.pages import page
from booking.web.patient import blueprint
from booking.web.patient.visit import PATH
from booking.web.words import advice_for, words_for


@blueprint.get(f"{PATH}/weekly")
def weekly(reference: str, token: str) -> ResponseReturnValue:
    """How many more; and once that is said, all dates, to be booked."""
    try:
        found = series_booking.again(reference, token)
    except NotChangeable:
        return redirect(url_for("patient.visit", reference=reference, token=token), 303)
    weeks = _weeks(found, request.args.get("weeks", ""))
    if weeks:
        limits.allow("search")
    return _page(found, weeks)


@blueprint.post(f"{PATH}/weekly")
def book_weekly(reference: str, token: str) -> ResponseReturnValue:
    limits.allow("book")
    actor, key = f"link {reference}", asked.given_key()
    try:
        found = series_booking.again(reference, token)
    except NotChangeable:
        return redirect(url_for("patient.visit", reference=reference, token=token), 303)
    weeks = _weeks(found, request.form.get("weeks", ""))
    # Looked at before it is asked for an answer: what this form has booked meanwhile isn't free any more.
    offered = _looked_at(found, weeks).offered if weeks else frozenset()
    earlier = idempotency.answer_to(actor, key)
    if earlier is not None and "link_number" in earlier and "visits" in earlier:
        # The form came a second time: it is answered with what it booked.
        return _to_booked(
            earlier["reference"], links.token(earlier["reference"], earlier["link_number"]), again=1
        )
    if not weeks or not key:
        return redirect(url_for("patient.weekly", reference=reference, token=token), 303)
    chosen = series_words.chosen(request.form)
    if chosen.open:
        return _page(found, weeks, 422, _("Please choose for each date that can't be."))
    if not chosen.visits:
        return _page(found, weeks, 422, _("No date is left. Please choose at least one."))
    clinic = found.visit.clinic
    gone = [one.starts_at for one in chosen.visits if one not in offered]
    if gone:
        return _page(found, weeks, 409, series_words.gone(clinic, gone))
    try:
        made = series_booking.book_again(
            found,
            weeks,
            chosen.visits,
            name=series_words.name(clinic, chosen.visits),
            policy_version=clinic.policy_version,
            visitor=visitor.known_mark(),
            actor=actor,
            key=key,
        )
    except VisitsTaken as refusal:
        return _page(found, weeks, 409, series_words.lost(clinic, refusal))
    except PlanRulesBroken:
        return _page(found, weeks, 422, series_words.on_one_day(clinic, chosen.visits))
    except KeyReused:
        return _page(
            found, weeks, 409, _("This page was sent before with other dates. Please look, and book again.")
        )
    except Refusal as refusal:
        words = words_for(refusal)
        if words.status == 503:
            raise
        return _page(found, weeks, words.status, f"{words.title} {advice_for(refusal, clinic)}")
    session["weekly"] = [made.reference, reference, token]
    return _to_booked(made.reference, made.token)


def _page(found: Again, weeks: int, status: int = 200, trouble: str = "") -> ResponseReturnValue:
    dates = []
    if weeks:
        dates = series_words.shown(
            _looked_at(found, weeks), request.form if request.method == "POST" else None
        )
    return page(
        "patient/weekly.html",
        found.visit.clinic,
        status,
        visit=found.visit,
        care=found.care,
        most=found.most,
        weeks=weeks,
        dates=dates,
        trouble=trouble,
        key=secrets.token_urlsafe(16),
    )


def _looked_at(found: Again, weeks: int) -> Preview:
    return series_booking.preview_again(found, weeks, visitor=visitor.known_mark())


def _weeks(found: Again, words: str) -> int:
    """How many more were asked for; 0 where nobody has said so, or more than may be booked here."""
    weeks = whole(words) or 0
    return weeks if weeks <= found.most else 0


def _to_booked(reference: str, token: str, **query: int) -> ResponseReturnValue:
    return redirect(url_for("patient.plan_booked", reference=reference, token=token, **query), 303)
