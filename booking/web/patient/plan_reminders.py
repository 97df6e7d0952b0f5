"""How we remind of a plan and all its visits, asked and changed by the plan's link."""

import secrets
from typing import Any

from flask import current_app, redirect, session, url_for
from flask.typing import ResponseReturnValue

from booking.errors import ContactCannotBeReached, KeyReused, NotChangeable, Refusal, StaleEdit
from booking.models import PlanStatus
from booking.services.plans import reading, reminding
from booking.services.plans.reading import PlanView
from booking.services.reminded import Wished
from booking.web import limits
from booking.web.numerals import whole
from booking.web.pages import page
from booking.web.patient import blueprint
from booking.web.patient.forms import PlanRemindersForm
from booking.web.patient.plan_shown import one_day
from booking.web.words import advice_for, words_for

PATH = "/plan/<reference>/<token>/reminders"


@blueprint.get(PATH)
def plan_reminders(reference: str, token: str) -> ResponseReturnValue:
    plan = reading.by_link(reference, token)
    return _page(plan, _as_it_is(plan))


@blueprint.post(PATH)
def remind_of_plan(reference: str, token: str) -> ResponseReturnValue:
    limits.allow("change")
    plan, form = reading.by_link(reference, token), _form()
    if not form.validate():
        return _page(plan, form, 422)
    wished = Wished(form.by, form.of, text_consent=bool(form.texts_offered and form.text_consent.data))
    try:
        reminding.remind_otherwise(
            reference, token, wished, email=form.read.get("email"), phone=form.read.get("phone"),
            actor=f"link {reference}", key=form.key.data, version=whole(form.version.data),
        )  # fmt: skip
    except ContactCannotBeReached as refusal:
        form.refuse(refusal)
        # The next try is another one: it must not be answered with this refusal again.
        form.key.data = secrets.token_urlsafe(16)
        return _page(plan, form, 422)
    except (StaleEdit, NotChangeable, KeyReused) as refusal:
        # As it is now, to be looked at again: what was chosen was chosen on a page that isn't true any more.
        return _page(plan, _as_it_is(plan), words_for(refusal).status, refusal)
    session["reminded"] = reference
    return _to_plan(plan)


def _form(**how: Any) -> PlanRemindersForm:
    return PlanRemindersForm(texts_offered=current_app.config["BOOKING"].offers_texts, **how)


def _as_it_is(plan: PlanView) -> PlanRemindersForm:
    return _form(
        formdata=None, key=secrets.token_urlsafe(16), version=plan.version, reminders=plan.reminders.value,
        reminded_of=plan.reminded_of.value,
    )  # fmt: skip


def _page(
    plan: PlanView, form: PlanRemindersForm, status: int = 200, refused: Refusal | None = None
) -> ResponseReturnValue:
    if plan.status is not PlanStatus.RUNNING:
        return _to_plan(plan)
    return page(
        "patient/plan_reminders.html",
        plan.clinic,
        status,
        plan=plan,
        form=form,
        one_day=one_day(plan),
        texts_agreed=reminding.texts_agreed(plan.reference, plan.token),
        refused=words_for(refused) if refused else None,
        advice=advice_for(refused, plan.clinic) if refused else "",
    )


def _to_plan(plan: PlanView) -> ResponseReturnValue:
    return redirect(url_for("patient.plan", reference=plan.reference, token=plan.token), 303)
