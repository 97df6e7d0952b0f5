"""Booking a plan: when can you come, choose one of the proposals, say how we reach you, booked; and the link that shows it.

Two ways lead here: the link of a plan that a practitioner prescribed, and a plan that patients begin by themselves.
"""

import secrets
from contextlib import suppress

from flask import make_response, redirect, request, session, url_for
from flask.typing import ResponseReturnValue

from booking.errors import UNANSWERED, KeyReused, NotFound, PlanRunning, Refusal
from booking.models import PlanStatus
from booking.services import calendar, idempotency, visits
from booking.services.plans import as_told, booking as plan_booking, links, reading
from booking.services.plans.proposing import propose
from booking.services.visits import Visit
from booking.web import asked, limits, plan_none_words, plan_words, visitor
from booking.web.numerals import whole
from booking.web.pages import page, the_clinic_of_this_request as present_clinic
from booking.web.patient import blueprint
from booking.web.patient.forms import PlanDetailsForm
from booking.web.patient.plan_allowance import marks_of
from booking.web.patient.plan_asking import Answers
from booking.web.patient.plan_choice import Choice, weeks_of
from booking.web.patient.plan_details import (
    details_page,
    form_of,
    held,
    other_time_page,
    with_other_time,
)
from booking.web.patient.plan_shown import shown_plan, to_prepare
from booking.web.patient.plan_way import Way
from booking.web.words import words_for

PATH = "/plan/<reference>/<token>"
OWN = "/plans/<template>"


# The plan of a link


@blueprint.get(PATH)
def plan(reference: str, token: str) -> ResponseReturnValue:
    """While nothing is booked: when can you come? From then on the plan as it stands."""
    found = as_told.by_link(reference, token)
    if found.status is PlanStatus.PRESCRIBED:
        return _ask(Way.of_link(found))
    made_up = next((one for one in found.visits if one.reference == request.args.get("made")), None)
    of, done = session.pop("later", ("", ""))
    return page(
        "patient/plan.html",
        found.clinic,
        made_up=made_up,
        later_done=done if of == reference else "",
        just_reminded=session.pop("reminded", None) == reference,
        **shown_plan(found),
    )


@blueprint.get(f"{PATH}/proposals")
def plan_proposals(reference: str, token: str) -> ResponseReturnValue:
    way = _prescribed(reference, token)
    return way if not isinstance(way, Way) else _proposals(way)


@blueprint.post(f"{PATH}/choose")
def choose_plan(reference: str, token: str) -> ResponseReturnValue:
    limits.allow("hold")
    way = _prescribed(reference, token)
    return way if not isinstance(way, Way) else choose_for(way)


@blueprint.get(f"{PATH}/details")
def plan_details(reference: str, token: str) -> ResponseReturnValue:
    way = _prescribed(reference, token)
    return way if not isinstance(way, Way) else details_for(way)


@blueprint.post(f"{PATH}/details")
def book_plan(reference: str, token: str) -> ResponseReturnValue:
    limits.allow("book")
    way = _prescribed(reference, token)
    if isinstance(way, Way):
        return book_for(way)
    # The form may come a second time: it is answered with what it booked.
    return _booked_already(asked.given_key()) or way


@blueprint.get(f"{PATH}/booked")
def plan_booked(reference: str, token: str) -> ResponseReturnValue:
    """What follows on a booking: all visits, and what comes next."""
    found = as_told.by_link(reference, token)
    if found.status is not PlanStatus.RUNNING:
        return _to("plan", reference, token)
    again, values = request.args.get("again") is not None, shown_plan(found)
    return page(
        "patient/plan_booked.html",
        found.clinic,
        again=again,
        began=_began(found.reference),
        prepare=to_prepare(found, values["ahead"]),
        **values,
    )


@blueprint.get(f"{PATH}/calendar.ics")
def plan_calendar(reference: str, token: str) -> ResponseReturnValue:
    """All visits as one calendar file."""
    found = as_told.visits_by_link(reference, token)
    if not found:
        return _to("plan", reference, token)
    headers = {"Content-Disposition": f'attachment; filename="visits-{reference}.ics"'}
    return calendar.plan_calendar(found), 200, {"Content-Type": "text/calendar; charset=utf-8", **headers}


# A plan that patients begin by themselves


@blueprint.get("/plans")
def plans() -> ResponseReturnValue:
    """Which plan: those that somebody may begin without a practitioner's prescription."""
    clinic = present_clinic()
    own = [one for one in clinic.plan_templates.values() if one.self_service]
    return page("patient/plans.html", clinic, templates=own)


@blueprint.get(OWN)
def begin_plan(template: str) -> ResponseReturnValue:
    return _ask(Way.of_template(present_clinic(), template))


@blueprint.get(f"{OWN}/proposals")
def own_proposals(template: str) -> ResponseReturnValue:
    return _proposals(Way.of_template(present_clinic(), template))


@blueprint.post(f"{OWN}/choose")
def choose_own(template: str) -> ResponseReturnValue:
    limits.allow("hold")
    return choose_for(Way.of_template(present_clinic(), template))


@blueprint.get(f"{OWN}/details")
def own_details(template: str) -> ResponseReturnValue:
    return details_for(Way.of_template(present_clinic(), template))


@blueprint.post(f"{OWN}/details")
def book_own(template: str) -> ResponseReturnValue:
    limits.allow("book")
    return book_for(Way.of_template(present_clinic(), template))


# The same for both


def _ask(way: Way, status: int = 200) -> ResponseReturnValue:
    return page(
        "patient/plan_ask.html",
        way.clinic,
        status,
        way=way,
        asking=way.asking,
        answers=way.answers(request.args),
    )


def _proposals(way: Way) -> ResponseReturnValue:
    limits.allow("search")
    answers = way.answers(request.args)
    if answers.errors:
        return _ask(way, 422)
    found = propose(way.wanted(answers))
    shown = [
        {
            "title": plan_words.title(found, one),
            "good_for": plan_words.good_for(found, one) if len(found.proposals) > 1 else "",
            "different": plan_words.different(way.clinic, one),
            "mostly": plan_words.is_mostly(way.clinic, one),
            "weeks": weeks_of(way.clinic, found.wanted, one.visits),
            "visits": one.visits,
            "chosen": Choice.proposed(one.visits).written,
            "complete": one.looked_at,
            "marks": marks_of(way.clinic, way.plan, one.visits),
        }
        for one in found.proposals
    ]
    none = found.impossible
    return page(
        "patient/plan_proposals.html",
        way.clinic,
        way=way,
        answers=answers,
        proposals=shown,
        notes=plan_words.notes(found),
        reasons=plan_none_words.reasons(way.clinic, found.wanted, none) if none else [],
        fixes=[
            (
                plan_none_words.relaxation(way.clinic, found.wanted, one),
                way.url("proposals", **query) if (query := answers.relaxed(way.asking, one)) else "",
            )
            for one in (none.relaxations if none else ())
        ],
        failing=none.week + 1 if none else 0,
    )


def choose_for(way: Way) -> ResponseReturnValue:
    """Keeps all visits while the patient types."""
    answers, choice = way.answers(request.form), Choice.read(request.form.get("visits", ""))
    if answers.errors or choice is None:
        return redirect(way.url("ask"), 303)
    lost = held(way, answers, choice)
    query = answers.query(visits=choice.written, lost=lost or None)
    return redirect(way.url("details", **query), 303)


def details_for(way: Way) -> ResponseReturnValue:
    """Who is coming. Reachable without a hold: a lapsed one costs nothing if the times are still free."""
    answers, choice = way.answers(request.args), Choice.read(request.args.get("visits", ""))
    if answers.errors or choice is None:
        return redirect(way.url("ask"), 303)
    form = form_of(way, prefilled=True)
    # Known from now on, so that the same form sent twice at once is the same visitor's.
    visitor.mark()
    lost = [number for one in request.args.getlist("lost") if (number := whole(one, 2)) is not None]
    answer = make_response(details_page(way, answers, choice, form, lost=lost))
    # An empty form: the back button may bring it back as it was left, with what was typed and its used key.
    answer.headers["Cache-Control"] = "private, no-cache"
    return answer


def book_for(way: Way) -> ResponseReturnValue:
    answers, choice = way.answers(request.form), Choice.read(request.form.get("visits", ""))
    if answers.errors or choice is None:
        return redirect(way.url("ask"), 303)
    form = form_of(way)
    if "other" in request.form:
        limits.allow("search")
        return other_time_page(way, answers, choice, request.form["other"])
    if "instead" in request.form or "keep" in request.form:
        before, choice = choice, with_other_time(choice, request.form.get("instead", ""))
        lost = held(way, answers, choice)
        return details_page(way, answers, choice, form, lost=lost, before=before, status=409 if lost else 200)
    if not form.validate():
        return details_page(way, answers, choice, form, lost=held(way, answers, choice), status=422)
    try:
        made = plan_booking.book(
            way.wish(answers, choice, form), actor=f"visitor {visitor.mark()}", key=form.key.data
        )
    except KeyReused as refusal:
        return _booked_already(form.key.data) or _refused(way, answers, choice, form, refusal)
    except PlanRunning as refusal:
        if way.plan is None:
            return _refused(way, answers, choice, form, refusal)
        # Booked meanwhile, by another page of the same link.
        return redirect(way.url("ask"), 303)
    except UNANSWERED:
        raise
    except Refusal as refusal:
        return _refused(way, answers, choice, form, refusal)
    return _to("plan_booked", made.reference, made.token)


def _refused(
    way: Way, answers: Answers, choice: Choice, form: PlanDetailsForm, refusal: Refusal
) -> ResponseReturnValue:
    """The form again, with what was typed. The next try is another one: it must not be answered with this refusal again."""
    form.key.data = secrets.token_urlsafe(16)
    lost = held(way, answers, choice)
    return details_page(
        way, answers, choice, form, lost=lost, refused=refusal, status=words_for(refusal).status
    )


def _booked_already(key: str) -> ResponseReturnValue | None:
    """The back button brought a form back that was sent before: the plan that it booked."""
    earlier = idempotency.answer_to(f"visitor {visitor.mark()}", key)
    if earlier is None or "link_number" not in earlier:
        return None
    token = links.token(earlier["reference"], earlier["link_number"])
    return _to("plan_booked", earlier["reference"], token, again=1)


def _began(reference: str) -> Visit | None:
    """The visit at whose time each week these were booked just now, by the same browser: it isn't one of them."""
    weekly, *of = session.get("weekly", ("", "", ""))
    if weekly != reference:
        return None
    with suppress(NotFound):
        return visits.visit(*of)
    return None


def _prescribed(reference: str, token: str) -> Way | ResponseReturnValue:
    """The way to a plan of which nothing is booked yet; else to the plan as it stands."""
    found = reading.by_link(reference, token)
    return Way.of_link(found) if found.status is PlanStatus.PRESCRIBED else _to("plan", reference, token)


def _to(endpoint: str, reference: str, token: str, **query: int) -> ResponseReturnValue:
    return redirect(url_for(f"patient.{endpoint}", reference=reference, token=token, **query), 303)
