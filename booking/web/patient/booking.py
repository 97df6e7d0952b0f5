"""Booking: choose a practitioner and a time, say who is coming, booked."""

import secrets
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any, get_args

from flask import current_app, make_response, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import generate_csrf

from booking.errors import UNANSWERED, KeyReused, Refusal, SlotTaken, TooManyHolds
from booking.formatting import iso_utc
from booking.models import BookableBy, Payment, Reminders
from booking.services import booking, holds, idempotency, links
from booking.services.clinic import Clinic, Practitioner, VisitType
from booking.services.search import FreeTime, FreeTimes, alternatives, free_times
from booking.web import limits, visitor
from booking.web.free import instant, nearest_of
from booking.web.pages import page, the_clinic_of_this_request as present_clinic, today
from booking.web.patient import blueprint
from booking.web.patient.forms import DetailsForm
from booking.web.patient.reminding import reminding
from booking.web.patient.times import DAYS_SEARCHED, PartOfDay, laid_out
from booking.web.words import advice_for, words_for

# Stands in a page that is kept, where each visitor's own token belongs.
_TOKEN = "the-token-of-this-form"  # noqa: S105 - it marks a place, and is no secret


@dataclass(frozen=True)
class Chosen:
    """What is being booked: the summary that stays in sight."""

    visit_type: VisitType
    practitioner: Practitioner | None
    minutes: int
    starts_at: datetime | None = None


@blueprint.get("/book/<visit_type>")
def times(visit_type: str) -> ResponseReturnValue:
    """The free times of a visit type, with anyone or with one practitioner."""
    limits.allow("search")
    whom = request.args.get("with")
    return _times_page(visit_type, None if whom == "anyone" else whom or None)


@blueprint.post("/book/<visit_type>/time")
def hold(visit_type: str) -> ResponseReturnValue:
    """Keeps the chosen time while the patient types."""
    limits.allow("hold")
    clinic = present_clinic()
    start, _between, whom = request.form.get("time", "").partition(" ")
    starts_at = instant(start)
    if starts_at is None:
        return redirect(url_for("patient.times", visit_type=visit_type), 303)
    asked = request.form.get("with") or None
    clinic.visit_type(visit_type)
    try:
        _hold(visit_type, whom or asked, starts_at)
    except SlotTaken:
        return _times_page(visit_type, asked, lost=starts_at, status=409)
    query = {"with": whom, "anyone": None if asked else "1"}
    return redirect(url_for("patient.details", visit_type=visit_type, time=iso_utc(starts_at), **query), 303)


@blueprint.get("/book/<visit_type>/details")
def details(visit_type: str) -> ResponseReturnValue:
    """Who is coming. Reachable without a hold: a lapsed one costs nothing if the time is still free."""
    starts_at = instant(request.args.get("time"))
    if starts_at is None:
        return redirect(url_for("patient.times", visit_type=visit_type), 303)
    clinic = present_clinic()
    form = _form(formdata=None, anyone=request.args.get("anyone"))
    form.key.data = secrets.token_urlsafe(16)
    # Known from now on, so that the same form sent twice at once is the same visitor's.
    visitor.mark()
    answer = make_response(
        _details_page(clinic, visit_type, starts_at, request.args.get("with") or None, form)
    )
    # An empty form: the back button may bring it back as it was left, with what was typed and its used key.
    answer.headers["Cache-Control"] = "private, no-cache"
    return answer


@blueprint.post("/book/<visit_type>/details")
def book(visit_type: str) -> ResponseReturnValue:
    """Books, and shows the visit."""
    limits.allow("book")
    clinic = present_clinic()
    starts_at, whom = instant(request.form.get("time")), request.form.get("with") or None
    if starts_at is None:
        return redirect(url_for("patient.times", visit_type=visit_type), 303)
    form = _form()
    if "other_time" in request.form:
        return _with_other_time(clinic, visit_type, starts_at, whom, form)
    if not form.validate():
        return _details_page(clinic, visit_type, starts_at, whom, form, status=422)
    actor = f"visitor {visitor.mark()}"
    try:
        made = booking.book(_wish(clinic, visit_type, starts_at, whom, form), actor=actor, key=form.key.data)
    except KeyReused:
        return _booked_already(clinic, visit_type, starts_at, whom, form, actor)
    except UNANSWERED:
        raise
    except Refusal as refusal:
        # The next try is another one: it must not be answered with this refusal again.
        form.key.data = secrets.token_urlsafe(16)
        if isinstance(refusal, SlotTaken) and form.anyone.data:
            # The booking named those of the person who came with the time; anyone was asked for.
            refusal.facts["alternatives"] = _alternatives(visit_type, whom, starts_at, form)
        status = words_for(refusal).status
        return _details_page(clinic, visit_type, starts_at, whom, form, refused=refusal, status=status)
    return redirect(url_for("patient.booked", reference=made.reference, token=made.token), 303)


def _wish(
    clinic: Clinic, visit_type: str, starts_at: datetime, whom: str | None, form: DetailsForm
) -> booking.Wish:
    return booking.Wish(
        visit_type=visit_type,
        practitioner=whom,
        starts_at=starts_at,
        first_name=form.read["first_name"],
        last_name=form.read["last_name"],
        email=form.read.get("email"),
        phone=form.read.get("phone"),
        reminders=Reminders(form.reminders.data),
        text_consent=form.texts_offered and form.text_consent.data,
        payment=Payment(form.payment.data) if form.payment.data else None,
        note=form.read.get("note", ""),
        policy_version=clinic.policy_version,
        visitor=visitor.known_mark(),
    )


def _with_other_time(
    clinic: Clinic, visit_type: str, lost: datetime, whom: str | None, form: DetailsForm
) -> ResponseReturnValue:
    """One of the alternatives was chosen: the same form with that time, held, and everything that was typed."""
    start, _between, who = request.form["other_time"].partition(" ")
    starts_at = instant(start)
    if starts_at is None:
        return _details_page(clinic, visit_type, lost, whom, form)
    form.key.data = secrets.token_urlsafe(16)
    try:
        _hold(visit_type, who or None, starts_at)
    except UNANSWERED:
        raise
    except Refusal as refusal:
        if isinstance(refusal, SlotTaken):
            refusal.facts["alternatives"] = _alternatives(visit_type, who or whom, starts_at, form)
        status = words_for(refusal).status
        return _details_page(clinic, visit_type, lost, whom, form, refused=refusal, status=status)
    return _details_page(clinic, visit_type, starts_at, who or None, form)


def _hold(visit_type: str, whom: str | None, starts_at: datetime) -> None:
    """Keeps the time while the patient types. Raises SlotTaken.

    Where a network holds as many as it may (a library, a phone company's), one goes on without: a time can be booked
    that nobody holds.
    """
    with suppress(TooManyHolds):
        holds.hold(visit_type, whom, starts_at, visitor=visitor.mark(), network=visitor.network())


def _alternatives(
    visit_type: str, whom: str | None, starts_at: datetime, form: DetailsForm
) -> list[dict[str, str]]:
    """The nearest free times: with anyone, if that was asked for and the person only came with the time."""
    return alternatives(visit_type, None if form.anyone.data else whom, starts_at, lost_with=whom)


def _booked_already(
    clinic: Clinic, visit_type: str, starts_at: datetime, whom: str | None, form: DetailsForm, actor: str
) -> ResponseReturnValue:
    """The back button brought a form back that was sent before: the visit that it booked, or the form with a new key."""
    earlier = idempotency.answer_to(actor, form.key.data)
    if earlier is not None and "link_number" in earlier:
        token = links.token(earlier["reference"], earlier["link_number"])
        return redirect(url_for("patient.booked", reference=earlier["reference"], token=token, again=1), 303)
    form.key.data = secrets.token_urlsafe(16)
    return _details_page(clinic, visit_type, starts_at, whom, form, refused=KeyReused(), status=422)


def _form(**how: Any) -> DetailsForm:
    return DetailsForm(texts_offered=current_app.config["BOOKING"].offers_texts, **how)


def _times_page(
    visit_type: str,
    whom: str | None,
    *,
    lost: datetime | None = None,
    status: int = 200,
) -> ResponseReturnValue:
    one_day = day_asked(request.args.get("day"))
    first = one_day or day_asked(request.args.get("from"))
    if lost:
        first = present_clinic().times.local_date(lost)
    found = free_times(visit_type, whom, first, 1 if one_day else DAYS_SEARCHED, visitor=visitor.known_mark())
    part: PartOfDay = next((one for one in get_args(PartOfDay) if one == request.args.get("part")), "")
    wanted = (found, whom, part, one_day, today(found.clinic))
    if not lost:
        return _written(*wanted).replace(_TOKEN, generate_csrf()), status
    nearest = nearest_of(found.clinic, alternatives(visit_type, whom, lost))
    return _times(*wanted, lost=lost, nearest=nearest), status


@lru_cache(maxsize=64)
def _written(*wanted: Any) -> str:
    """The page as it is for everybody, with a place for the token of each one's form.

    Free times that are the same object are the same answer, so what was written of them once need not be again.
    """
    return _times(*wanted, csrf_token=lambda: _TOKEN)


def _times(
    found: FreeTimes,
    whom: str | None,
    part: PartOfDay,
    one_day: date | None,
    today: date,
    *,
    lost: datetime | None = None,
    nearest: tuple[FreeTime, ...] = (),
    **more: Any,
) -> str:
    question = found.question
    path = url_for("patient.times", visit_type=question.visit_type.slug)
    return page(
        "patient/times.html",
        found.clinic,
        shown=laid_out(found, path, whom, part, one_day, today),
        chosen=_chosen(question.visit_type, question.wanted, None),
        people=found.clinic.who_offers(question.visit_type, BookableBy.PATIENTS),
        whom=whom,
        wanted=question.wanted.name if question.wanted else "",
        lost=lost,
        nearest=nearest,
        action=url_for("patient.hold", visit_type=question.visit_type.slug),
        moving=None,
        key="",
        path=path,
        **more,
    )[0]


def _details_page(
    clinic: Clinic,
    visit_type: str,
    starts_at: datetime,
    whom: str | None,
    form: DetailsForm,
    *,
    refused: Refusal | None = None,
    status: int = 200,
) -> ResponseReturnValue:
    practitioner = clinic.practitioner(whom) if whom else None
    chosen = _chosen(clinic.visit_type(visit_type), practitioner, starts_at)
    # Back to the same day, with the person if somebody was asked for.
    day = clinic.times.local_date(starts_at).isoformat()
    query = {
        "with": None if form.anyone.data else whom,
        "from": None if day <= today(clinic).isoformat() else day,
    }
    return page(
        "patient/details.html",
        clinic,
        status,
        form=form,
        chosen=chosen,
        back=url_for("patient.times", visit_type=visit_type, **query),
        reminding=reminding(clinic, chosen.visit_type, starts_at),
        whom=whom,
        starts_at=iso_utc(starts_at),
        refused=words_for(refused) if refused else None,
        advice=advice_for(refused, clinic) if refused else "",
        nearest=nearest_of(clinic, refused.facts.get("alternatives", ())) if refused else (),
    )


def _chosen(visit_type: VisitType, practitioner: Practitioner | None, starts_at: datetime | None) -> Chosen:
    offering = practitioner.offerings.get(visit_type.slug) if practitioner else None
    return Chosen(visit_type, practitioner, offering.minutes if offering else visit_type.minutes, starts_at)


def day_asked(words: str | None) -> date | None:
    """A date of an address; None for what is no date, or one that no calendar here has."""
    try:
        found = date.fromisoformat(words or "")
    except ValueError:
        return None
    return found if 2000 <= found.year < 2100 else None
