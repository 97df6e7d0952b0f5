"""What a running plan lacks, and other times for it: the patient chooses one, and it is booked."""

import secrets
from collections.abc import Iterable
from typing import Any

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue

from booking import clock
from booking.errors import (
    UNANSWERED,
    BeyondCoverage,
    KeyReused,
    NotChangeable,
    NotFound,
    Refusal,
    VisitsTaken,
)
from booking.models import BookableBy
from booking.services import idempotency
from booking.services.plans import reading, repairing
from booking.services.plans.allowed import allowed
from booking.services.plans.lacking import still_lacking
from booking.services.plans.make_ups import MakeUp, make_up_times
from booking.services.plans.reading import PlanView
from booking.web import asked, limits, visitor
from booking.web.free import instant
from booking.web.numerals import whole
from booking.web.pages import page
from booking.web.patient import blueprint
from booking.web.patient.plan_allowance import known, left_words
from booking.web.patient.plan_shown import pause_ahead
from booking.web.plan_next import asked_first, at_times, beyond_among
from booking.web.words import words_for

PATH = "/plan/<reference>/<token>/make-up"


@blueprint.get(PATH)
def plan_make_up(reference: str, token: str) -> ResponseReturnValue:
    """For each visit that the plan lacks up to three times, each a button that books it."""
    limits.allow("search")
    # Known from now on, so that the same button pressed twice at once is the same visitor's.
    visitor.mark()
    return _times(reading.by_link(reference, token))


@blueprint.post(PATH)
def take_make_up(reference: str, token: str) -> ResponseReturnValue:
    """Books the time of the button that was pressed. What was lost meanwhile is proposed anew."""
    limits.allow("book")
    plan = reading.by_link(reference, token)
    form, actor = request.form, f"visitor {visitor.mark()}"
    week, key = whole(form.get("week"), 3), asked.given_key()
    start, _between, person = form.get("time", "").partition(" ")
    starts_at = instant(start)
    if starts_at is None or not key or week is None:
        return redirect(url_for("patient.plan_make_up", reference=reference, token=token), 303)
    try:
        made = repairing.take(
            reference, token, week - 1, form.get("care", ""), starts_at, person,
            replaces=instant(form.get("replaces")), actor=actor, key=key,
        )  # fmt: skip
    except KeyReused:
        # The back button brought the page back after a time of it was booked.
        return _to_plan(plan, (idempotency.answer_to(actor, key) or {}).get("reference"))
    except (NotFound, NotChangeable):
        # It isn't missing any more, or the plan runs no more: its page says how it stands.
        return _to_plan(plan)
    except UNANSWERED:
        raise
    except Refusal as refusal:
        return _times(reading.by_link(reference, token), refusal)
    return _to_plan(plan, made)


def _offered(plan: PlanView) -> list[MakeUp]:
    lacking = still_lacking(plan, clock.now())
    return [one for one in make_up_times(plan, BookableBy.LINK) if one.missed in lacking] if lacking else []


def _joined(found: Iterable[MakeUp]) -> list[list[MakeUp]]:
    """Those of which the page says the same are one: of a week and kind of care, for which there is no time, for one reason."""
    joined: dict[Any, list[MakeUp]] = {}
    for number, one in enumerate(found):
        alike = number if one.times else (one.missed.week, one.missed.visit_type.slug, one.why_none)
        joined.setdefault(alike, []).append(one)
    return list(joined.values())


def _times(plan: PlanView, refusal: Refusal | None = None) -> ResponseReturnValue:
    found = _offered(plan)
    if not found:
        return _to_plan(plan)
    marks = at_times(plan, found) if known(plan) else {}
    beyond_coverage = beyond_among(marks)
    return page(
        "patient/plan_make_up.html",
        plan.clinic,
        409 if refusal else 200,
        plan=plan,
        lacks=[(of_one, secrets.token_urlsafe(16)) for of_one in _joined(found)],
        number=len(found),
        paused=pause_ahead(plan),
        beyond_coverage=beyond_coverage,
        asks=bool(asked_first(marks)),
        left=left_words(plan.clinic, allowed(plan, ())) if beyond_coverage else [],
        refused=words_for(refusal) if refusal else None,
        beyond=isinstance(refusal, BeyondCoverage),
        taken=isinstance(refusal, VisitsTaken),
    )


def _to_plan(plan: PlanView, made: str | None = None) -> ResponseReturnValue:
    way = {"reference": plan.reference, "token": plan.token}
    return redirect(url_for("patient.plan", **way, made=made), 303)
