"""The patient's link: see the visit, confirm it, put it into a calendar, move it, cancel it."""

import secrets
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Any, get_args

from flask import current_app, redirect, request, session, url_for
from flask.typing import ResponseReturnValue

from booking import clock
from booking.errors import (
    BeyondCoverage,
    ContactCannotBeReached,
    KeyReused,
    LimitReached,
    NotChangeable,
    Refusal,
    SlotTaken,
    StaleEdit,
    TooLateToChange,
)
from booking.formatting import iso_utc
from booking.models import BookableBy, PlanStatus
from booking.scheduling.status import Status
from booking.services import calendar, rescheduling, visits
from booking.services.plans import as_told, reading
from booking.services.plans.lacking import still_lacking
from booking.services.plans.reading import PlanView
from booking.services.plans.series_booking import may_come_again
from booking.services.plans.suffering import Suffering, keeping, suffering_of
from booking.services.search import free_times
from booking.services.visits import Visit
from booking.web import limits, visitor
from booking.web.free import instant, nearest_of
from booking.web.numerals import whole
from booking.web.pages import page, today
from booking.web.patient import blueprint
from booking.web.patient.booking import Chosen, day_asked
from booking.web.patient.forms import ActionForm, CancelForm, ContactForm
from booking.web.patient.plan_allowance import Uncovered, coverage_of, uncovered_on
from booking.web.patient.plan_shown import WaysFrom, follows_another, one_day, ways_from
from booking.web.patient.reminding import reminded
from booking.web.patient.times import DAYS_SEARCHED, PartOfDay, laid_out
from booking.web.plan_words import broken
from booking.web.words import advice_for, words_for


@dataclass(frozen=True)
class Moved:
    """A move that has just been made, and when the visit was before."""

    old: datetime | None


PATH = "/visit/<reference>/<token>"
ANYONE = "anyone"


@blueprint.get("/v/<reference>/<token>")
def visit_of_text(reference: str, token: str) -> ResponseReturnValue:
    """The link of a text, which is short."""
    return redirect(url_for("patient.visit", reference=reference, token=token))


@blueprint.get(PATH)
def visit(reference: str, token: str) -> ResponseReturnValue:
    return _visit_page(visits.visit(reference, token))


@blueprint.get(f"{PATH}/booked")
def booked(reference: str, token: str) -> ResponseReturnValue:
    """What follows on a booking: the visit, and that there is nothing more to do where that is so."""
    found = visits.visit(reference, token)
    if not found.is_ahead(clock.now()):
        return redirect(url_for("patient.visit", reference=reference, token=token), 303)
    return page(
        "patient/booked.html",
        found.clinic,
        visit=found,
        links=calendar.links(found),
        may_change=found.may_change(clock.now()),
        again=request.args.get("again") is not None,
        corrected=session.pop("corrected", None) == reference,
        may_come_again=may_come_again(found),
    )


@blueprint.get(f"{PATH}/calendar.ics")
def calendar_file(reference: str, token: str) -> ResponseReturnValue:
    found = visits.visit(reference, token)
    headers = {"Content-Disposition": f'attachment; filename="visit-{reference}.ics"'}
    return (
        calendar.entry(found, method="PUBLISH"),
        200,
        {"Content-Type": "text/calendar; charset=utf-8", **headers},
    )


@blueprint.post(f"{PATH}/confirm")
def confirm(reference: str, token: str) -> ResponseReturnValue:
    """The patient says that they are coming."""
    limits.allow("change")
    form = ActionForm()
    if form.validate():
        visits.confirm(reference, token, actor=f"link {reference}", key=form.key.data)
    return redirect(url_for("patient.visit", reference=reference, token=token), 303)


@blueprint.post(f"{PATH}/cannot-come")
def cannot_come(reference: str, token: str) -> ResponseReturnValue:
    limits.allow("change")
    form = ActionForm()
    if form.validate():
        visits.cannot_come(reference, token, actor=f"link {reference}", key=form.key.data)
    return redirect(url_for("patient.visit", reference=reference, token=token), 303)


@blueprint.get(f"{PATH}/contact")
def contact(reference: str, token: str) -> ResponseReturnValue:
    """Where we write to about this visit, and how we remind of it, to be corrected."""
    found = visits.visit(reference, token)
    plan = _plan_that_reminds(found)
    form = _contact_form(
        plan, formdata=None, key=secrets.token_urlsafe(16), version=found.version, email=found.email,
        phone=found.phone, reminders=found.reminders.value,
    )  # fmt: skip
    return _contact_page(found, plan, form)


@blueprint.post(f"{PATH}/contact")
def correct_contact(reference: str, token: str) -> ResponseReturnValue:
    limits.allow("change")
    found = visits.visit(reference, token)
    plan = _plan_that_reminds(found)
    form = _contact_form(plan)
    try:
        if not form.validate():
            return _contact_page(found, plan, form, 422)
        email, phone = form.read.get("email"), form.read.get("phone")
        # Who had the old contact has the old link; from here on only the new one opens the visit.
        token = visits.correct_contact(
            reference,
            token,
            email,
            phone,
            reminders=form.by,
            agrees_to_texts=bool(form.text_consent and form.text_consent.data),
            actor=f"link {reference}",
            key=form.key.data,
            version=whole(form.version.data),
        )
    except ContactCannotBeReached as refusal:
        form.refuse(refusal)
        # The next try is another one: it must not be answered with this refusal again.
        form.key.data = secrets.token_urlsafe(16)
        return _contact_page(found, plan, form, 422)
    except (StaleEdit, NotChangeable, KeyReused) as refusal:
        return _visit_page(visits.visit(reference, token), refusal)
    if (email, phone) == (found.email, found.phone):
        session["reminded"] = reference
        return redirect(url_for("patient.visit", reference=reference, token=token), 303)
    session["corrected"] = reference
    return redirect(url_for("patient.booked", reference=reference, token=token), 303)


@blueprint.get(f"{PATH}/cancel")
def ask_to_cancel(reference: str, token: str) -> ResponseReturnValue:
    found = visits.visit(reference, token)
    form = CancelForm(formdata=None, version=found.version, key=secrets.token_urlsafe(16))
    return _cancel_page(found, form)


@blueprint.post(f"{PATH}/cancel")
def cancel(reference: str, token: str) -> ResponseReturnValue:
    limits.allow("change")
    form = CancelForm()
    if not form.validate():
        return _cancel_page(visits.visit(reference, token), form, 422)
    try:
        visits.cancel(
            reference,
            token,
            form.read["reason"],
            actor=f"link {reference}",
            key=form.key.data,
            version=whole(form.version.data),
        )
    except (StaleEdit, TooLateToChange, NotChangeable, KeyReused) as refusal:
        return _visit_page(visits.visit(reference, token), refusal)
    session["cancelled"] = reference
    return redirect(url_for("patient.visit", reference=reference, token=token), 303)


@blueprint.get(f"{PATH}/move")
def choose_other_time(reference: str, token: str) -> ResponseReturnValue:
    """Other times: with the visit's own practitioner first, or with anyone."""
    limits.allow("search")
    found = visits.visit(reference, token)
    if not found.may_change(clock.now()):
        return redirect(url_for("patient.visit", reference=reference, token=token), 303)
    return _move_page(found)


@blueprint.post(f"{PATH}/move")
def move(reference: str, token: str) -> ResponseReturnValue:
    limits.allow("change")
    start, _between, whom = request.form.get("time", "").partition(" ")
    starts_at = instant(start)
    if starts_at is None:
        return redirect(url_for("patient.choose_other_time", reference=reference, token=token), 303)
    before = visits.visit(reference, token)
    now = clock.now()
    if "sure" not in request.form and before.may_change(now):
        there, plan = before.moved_to(starts_at), reading.of_visit(before)
        suffers = plan and suffering_of(plan, reference, starts_at, there.ends_at, BookableBy.LINK)
        if suffers or there.is_settled(now):
            return _sure_page(before, there, suffers, uncovered_on(before, plan, [starts_at]))
    try:
        rescheduling.reschedule(
            reference,
            token,
            starts_at,
            whom or None,
            actor=f"link {reference}",
            # A page that the back button brings back may ask for another time: that is another wish.
            key=sha256(f"{request.form.get('key', '')} {start} {whom}".encode()).hexdigest(),
            version=whole(request.form.get("version")),
            visitor=visitor.known_mark(),
        )
    except SlotTaken as refusal:
        return _move_page(visits.visit(reference, token), refusal, start, 409)
    except (BeyondCoverage, StaleEdit, TooLateToChange, NotChangeable, LimitReached, KeyReused) as refusal:
        return _visit_page(visits.visit(reference, token), refusal)
    session["moved"] = [reference, iso_utc(before.starts_at)]
    return redirect(url_for("patient.visit", reference=reference, token=token), 303)


def _sure_page(
    before: Visit, there: Visit, suffers: Suffering | None, uncovered: Uncovered
) -> ResponseReturnValue:
    """What somebody should know before their visit is moved there."""
    return page(
        "patient/move_sure.html",
        before.clinic,
        visit=before,
        starts_at=there.starts_at,
        soon=there.is_settled(clock.now()),
        suffers=list(dict.fromkeys(broken(before.clinic, one.facts, suffers.weeks) for one in suffers.faults))
        if suffers
        else [],
        better=suffers.better if suffers else (),
        uncovered=uncovered,
        form=request.form,
    )


def _contact_form(plan: PlanView | None, **how: Any) -> ContactForm:
    texts = current_app.config["BOOKING"].offers_texts
    return ContactForm(texts_offered=texts, asks_reminders=plan is None, **how)


def _plan_that_reminds(found: Visit) -> PlanView | None:
    """The plan with which a visit is reminded of: one that runs and has its contact."""
    plan = reading.of_visit(found)
    return plan if plan is not None and plan.status is PlanStatus.RUNNING else None


def _contact_page(
    found: Visit, plan: PlanView | None, form: ContactForm, status: int = 200
) -> ResponseReturnValue:
    """`plan`: the one with which the visit is reminded of, if one does."""
    return page(
        "patient/contact.html",
        found.clinic,
        status,
        visit=found,
        form=form,
        plan=plan,
        texts_agreed=visits.texts_agreed(found.reference, found.token),
    )


def _visit_page(found: Visit, refused: Refusal | None = None) -> ResponseReturnValue:
    now = clock.now()
    plan = as_told.of_visit(found)
    known = next((one for one in plan.visits if one.id == found.id), None) if plan else None
    if known and known.penciled:
        found = replace(found, penciled=True)
    call_first = plan is not None and found.id in plan.gone_untold(now)
    if known and call_first:
        found = replace(
            found, starts_at=known.starts_at, ends_at=known.ends_at, practitioner=known.practitioner
        )
    return page(
        "patient/visit.html",
        found.clinic,
        words_for(refused).status if refused else 200,
        visit=found,
        on_the_way=plan is not None and follows_another(plan, found),
        ahead=found.is_ahead(now),
        may_change=found.may_change(now),
        links=calendar.links(found),
        form=ActionForm(formdata=None, key=secrets.token_urlsafe(16)),
        refused=words_for(refused) if refused else None,
        advice=advice_for(refused, found.clinic) if refused else "",
        moved=_moved(found),
        reminded=reminded(found.reminders, plan.reminded_of if plan and not one_day(plan) else None),
        just_reminded=session.pop("reminded", None) == found.reference,
        just_cancelled=session.pop("cancelled", None) == found.reference,
        call_first=call_first,
        may_come_again=may_come_again(found),
        plan=plan,
        prescribed=plan is not None and plan.status is PlanStatus.RUNNING and not plan.is_series,
        covered=coverage_of(found, plan),
        lacks=plan is not None and found.status is Status.CANCELLED and bool(still_lacking(plan, now)),
        later=_later(plan, found),
    )


def _later(plan: PlanView | None, found: Visit) -> WaysFrom | None:
    """What may be done with it and all later ones of its plan."""
    standing = plan.standing if plan else ()
    return next((ways_from(plan, one) for one in standing if plan and one.reference == found.reference), None)


def _moved(found: Visit) -> Moved | None:
    """What this page follows on, if it is a move of this visit."""
    reference, old = session.pop("moved", ("", ""))
    return Moved(instant(old)) if reference == found.reference else None


def _cancel_page(found: Visit, form: CancelForm, status: int = 200) -> ResponseReturnValue:
    if not found.may_change(clock.now()):
        return redirect(url_for("patient.visit", reference=found.reference, token=found.token), 303)
    return page("patient/cancel.html", found.clinic, status, visit=found, form=form)


def _near(visit: Visit, plan: PlanView | None) -> date | None:
    """From which day on other times for a visit of a plan are shown first: shortly before its own. Of any other visit
    the soonest are.
    """
    if plan is None or not plan.that_stands(visit.reference):
        return None
    return max(today(visit.clinic), visit.clinic.times.local_date(visit.starts_at) - timedelta(days=2))


def _move_page(
    found: Visit, refused: SlotTaken | None = None, lost: str | None = None, status: int = 200
) -> ResponseReturnValue:
    clinic = found.clinic
    people = clinic.who_offers(found.visit_type, BookableBy.LINK)
    own = found.practitioner.slug if found.practitioner in people else None
    whom_word = request.args.get("with") or own or ANYONE
    whom = None if whom_word == ANYONE else whom_word
    plan = reading.of_visit(found)
    one_day: date | None = day_asked(request.args.get("day"))
    free = free_times(
        found.visit_type.slug,
        whom,
        one_day or day_asked(request.args.get("from")) or _near(found, plan),
        1 if one_day else DAYS_SEARCHED,
        audience=BookableBy.LINK,
        visitor=visitor.known_mark(),
        moved=found.moved,
    )
    part: PartOfDay = next((one for one in get_args(PartOfDay) if one == request.args.get("part")), "")
    path = url_for("patient.choose_other_time", reference=found.reference, token=found.token)
    # After a refusal the same days and the same person are shown again.
    asked = {name: value for name in ("with", "day", "from", "part") if (value := request.args.get(name))}
    facts = refused.facts.get("alternatives", ()) if refused else ()
    shown = laid_out(free, path, whom_word, part, one_day, today(clinic))
    kept = keeping(plan, found.reference) if plan and not request.args and not refused else []
    return page(
        "patient/times.html",
        clinic,
        status,
        shown=shown,
        covered=coverage_of(found, plan),
        uncovered=uncovered_on(
            found, plan, [*(day.times[0].starts_at for day in shown.days), *(one.starts_at for one in kept)]
        ),
        chosen=Chosen(found.visit_type, found.practitioner, found.minutes, found.starts_at),
        people=people,
        whom=whom,
        wanted=free.question.wanted.name if free.question.wanted else "",
        lost=instant(lost),
        nearest=nearest_of(clinic, facts),
        action=url_for("patient.choose_other_time", reference=found.reference, token=found.token, **asked),
        moving=found,
        keeping=kept,
        key=secrets.token_urlsafe(16),
        path=path,
    )
