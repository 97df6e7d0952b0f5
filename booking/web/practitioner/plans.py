"""Plans that a practitioner prescribes on a phone at the end of a visit, and those of their patients."""

from datetime import date, timedelta

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from booking.errors import PlanRulesBroken
from booking.services.clinic import Clinic, Modality, PlanTemplate
from booking.services.plans import handing_over, prescribing
from booking.services.plans.ground import HORIZON_DAYS
from booking.services.plans.prescribing import Prescription
from booking.web import access, asked, course_words, prescriptions, staff_plans
from booking.web.contacts import Unreadable
from booking.web.pages import the_clinic_of_this_request, today
from booking.web.plan_routes import add_routes
from booking.web.plan_words import broken
from booking.web.practitioner import blueprint
from booking.web.staff import staff_page

OTHER = "other"
"""Another first day than those that are proposed."""

add_routes(blueprint, own=True)


@blueprint.get("/visits/<reference>/plan")
def choose_plan(reference: str) -> ResponseReturnValue:
    """Which template; and the plans that the patient has already."""
    patient = handing_over.whose_visit(access.who(), reference)
    return staff_page(
        "practitioner/plan_choose.html",
        reference=reference,
        patient=patient,
        plans=prescribing.plans_of(access.who(), patient.reference),
        prescribed=course_words.prescribed,
        statuses=staff_plans.STATUSES,
    )


@blueprint.get("/visits/<reference>/plan/<template>")
def prescribe_plan(reference: str, template: str) -> ResponseReturnValue:
    """The template as it would be prescribed."""
    return _form(reference, template)


@blueprint.post("/visits/<reference>/plan/<template>")
def prescribe(reference: str, template: str) -> ResponseReturnValue:
    """Prescribes it and sends the link; or shows the form again after a press of a plus or a minus."""
    who, clinic = access.who(), the_clinic_of_this_request()
    found = clinic.plan_template(template)
    fields = prescriptions.dose_fields(clinic, found, request.form)
    if "step" in request.form:
        return _form(reference, template)
    first_day = _first_day(clinic)
    if first_day is None:
        last = clinic.times.date(_last_day(clinic))
        return _form(
            reference, template, 422, _("Please choose a first day from tomorrow until %(day)s.", day=last)
        )
    try:
        agreed = prescriptions.agreement(request.form)
    except Unreadable as unreadable:
        return _form(reference, template, 422, str(unreadable))
    key = asked.key()
    wish = Prescription(
        patient=handing_over.whose_visit(who, reference).reference,
        template=template,
        first_day=first_day,
        doses=prescriptions.doses(fields),
        wished=_rather_with_me(clinic, found) if "with_me" in request.form else {},
        returning=tuple(
            one.slug for one in _modalities(clinic, found) if one.slug in request.form.getlist("returning")
        ),
        reason=asked.reason(),
        agreed=agreed,
    )
    try:
        made = prescribing.prescribe(who, wish, tell=True, key=key)
    except PlanRulesBroken as refusal:
        words = " ".join(broken(clinic, fault) for fault in refusal.facts["faults"])
        return _form(reference, template, 422, words)
    staff_plans.say_sent(made.told)
    return redirect(url_for("practitioner.plan", reference=made.reference), 303)


def _form(reference: str, template: str, status: int = 200, trouble: str = "") -> ResponseReturnValue:
    clinic = the_clinic_of_this_request()
    found = clinic.plan_template(template)
    patient = handing_over.whose_visit(access.who(), reference)
    this_day = today(clinic)
    monday, is_new = prescriptions.next_monday(this_day), request.method == "GET"
    return staff_page(
        "practitioner/plan_prescribe.html",
        status,
        reference=reference,
        one=found,
        patient=patient,
        fields=prescriptions.dose_fields(clinic, found, request.form),
        first_days=(monday, this_day + timedelta(days=1)),
        chosen=request.form.get("first", monday.isoformat()),
        other_day=request.form.get("other_day", ""),
        least_day=this_day + timedelta(days=1),
        with_me="with_me" in request.form or is_new,
        me=_rather_with_me(clinic, found),
        modalities=_modalities(clinic, found),
        returning=prescribing.treated_in(access.who(), patient.reference, monday)
        if is_new
        else request.form.getlist("returning"),
        besides=prescribing.besides(access.who(), patient.reference, found.course),
        reason=request.form.get("reason", ""),
        agreed=request.form.get("agreed", ""),
        agreed_by=request.form.get("agreed_by", ""),
        trouble=trouble,
        OTHER=OTHER,
        key=asked.fresh_key(),
    )


def _first_day(clinic: Clinic) -> date | None:
    chosen = request.form.get("first", "")
    on = asked.day_or_none(request.form.get("other_day", "") if chosen == OTHER else chosen)
    return on if on is not None and today(clinic) <= on <= _last_day(clinic) else None


def _last_day(clinic: Clinic) -> date:
    """The last day on which patients may begin what is prescribed now."""
    return today(clinic) + timedelta(days=HORIZON_DAYS)


def _rather_with_me(clinic: Clinic, template: PlanTemplate) -> dict[str, tuple[str, ...]]:
    """The kinds of care of a template that whoever asks gives themselves."""
    me = clinic.practitioner_by_id.get(access.who().practitioner_id or 0)
    cares = [clinic.visit_type(name) for name in template.course.kinds]
    return {one.modality.slug: (me.slug,) for one in cares if me is not None and one.slug in me.offerings}


def _modalities(clinic: Clinic, template: PlanTemplate) -> tuple[Modality, ...]:
    return tuple(dict.fromkeys(clinic.visit_type(name).modality for name in template.course.kinds))
