"""A plan arranged at the desk while the patient is on the telephone: template, times, proposals, booked; by keyboard too.

What is asked for travels in the form from page to page (`plan_form`); nothing of it is kept until it is booked or its link is
sent. The pages are in `plan_pages`.
"""

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from booking.errors import (
    BeyondCoverage,
    ContactCannotBeReached,
    KeyReused,
    NotOffered,
    PlanRulesBroken,
    PlanRunning,
    RecordMerged,
    Refusal,
    VisitsTaken,
)
from booking.models import PlanReminders
from booking.services.plans import arranging, prescribing
from booking.services.plans.arranging import Arranged
from booking.services.plans.choosing import VisitWish
from booking.services.plans.proposing import propose
from booking.web import access, asked, course_words, payer, plan_words, staff_plans
from booking.web.desk import blueprint, reminding
from booking.web.desk.plan_form import Form, arranged, begun, sent, visits_sent, with_another_time
from booking.web.desk.plan_pages import (
    chosen_page,
    form_page,
    impossible_page,
    lost_page,
    proposals_page,
    times_page,
)
from booking.web.staff import staff_page


@blueprint.get("/plans/new")
def new_plan() -> ResponseReturnValue:
    """Which template; then its form. `?plan=`: one that was prescribed and is booked now."""
    try:
        form = begun()
    except RecordMerged as refusal:
        query = {**request.args.to_dict(), "patient": refusal.facts["into"]}
        return redirect(url_for("desk.new_plan", **query), 303)
    except PlanRunning:
        return _running_already(request.args["plan"])
    if form.template is None:
        return staff_page(
            "desk/plan_new.html",
            form=form,
            plans=prescribing.plans_of(access.who(), form.whose.reference),
            statuses=staff_plans.STATUSES,
            prescribed=course_words.prescribed,
        )
    return form_page(form)


@blueprint.post("/plans/new")
def propose_plan() -> ResponseReturnValue:
    """Up to three proposals, or why there is none; or the form again, after a plus or a minus; or only the link is sent."""
    try:
        form = sent()
    except PlanRunning:
        return _running_already(request.form["plan"])
    if "step" in request.form or "change" in request.form:
        return form_page(form)
    found = arranged(form)
    if isinstance(found, str):
        return form_page(form, 422, found)
    if request.form.get("do") == "link":
        made = prescribing.prescribe(access.who(), found.prescription, tell=True, key=asked.key())
        staff_plans.say_sent(made.told)
        return redirect(url_for("desk.plan", reference=made.reference), 303)
    try:
        proposals = propose(found.wanted)
    except NotOffered:
        return form_page(form, 422, _("Nobody of those chosen gives one of these kinds of care."))
    if proposals.impossible is not None and arranging.chosen_by_link(found) is None:
        return impossible_page(form, found, proposals.impossible)
    return proposals_page(form, found, proposals)


@blueprint.post("/plans/book")
def book_plan() -> ResponseReturnValue:
    """Books what was chosen; or shows other times for one visit, or the plan with one of them taken."""
    try:
        form = sent()
    except PlanRunning:
        return _running_already(request.form["plan"])
    found, visits = arranged(form), visits_sent()
    if isinstance(found, str):
        return form_page(form, 422, found)
    try:
        if "exchange" in request.form:
            return times_page(form, found, visits, asked.number(request.form["exchange"]) or 0)
        if "take" in request.form:
            return chosen_page(form, found, with_another_time(visits, request.form["take"]))
        return _booked(form, found, visits)
    except PlanRulesBroken as refusal:
        words = [plan_words.broken(form.clinic, fault) for fault in refusal.facts["faults"]]
        return form_page(form, 422, " ".join([_("These visits don't keep the plan."), *words]))


def _booked(form: Form, found: Arranged, visits: tuple[VisitWish, ...]) -> ResponseReturnValue:
    """Raises PlanRulesBroken."""
    reminders, reminded_of = reminding.read(form["reminders"], form["reminded_of"])
    if reminders is None:
        return form_page(form, 422, _("Please choose how they are reminded."))
    key = asked.key()
    try:
        made = arranging.book_whole(
            access.who(),
            found,
            visits,
            reminders=reminders,
            text_consent="text_consent" in request.form,
            reminded_of=reminded_of or PlanReminders.BOTH,
            beyond=payer.was_asked(request.form),
            key=key,
        )
    except Refusal as refusal:
        form.values["plan"] = refusal.facts.get("plan", form["plan"])
        return _not_booked(form, found, visits, refusal)
    staff_plans.say_booked(made.reference, _("Booked: all visits of the plan."))
    return redirect(url_for("desk.plan", reference=made.reference), 303)


def _not_booked(
    form: Form, found: Arranged, visits: tuple[VisitWish, ...], refusal: Refusal
) -> ResponseReturnValue:
    """The same plan to be booked otherwise; it is prescribed by now. Raises what has no page of its own here."""
    match refusal:
        case VisitsTaken():
            return lost_page(form, found, visits, refusal)
        case BeyondCoverage():
            return chosen_page(form, found, visits, 422, trouble=payer.ask_first())
        case ContactCannotBeReached():
            trouble = reminding.unreachable(refusal.facts["field"])
            return chosen_page(form, found, visits, 422, trouble=trouble)
        case KeyReused() | PlanRunning():
            trouble = _("This plan is booked already, or was taken back.")
            return chosen_page(form, found, visits, 409, trouble=trouble)
    raise refusal


def _running_already(plan: str) -> ResponseReturnValue:
    staff_plans.say(_("This plan is booked already, or was taken back."))
    return redirect(url_for("desk.plan", reference=plan), 303)
