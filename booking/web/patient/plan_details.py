"""The chosen plan with the form of who is coming: one visit may be exchanged, what was lost is replaced, what was typed stays."""

import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from flask import current_app, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from booking.errors import Refusal, TooManyHolds
from booking.formatting import phone
from booking.scheduling.plans.windows import Presence
from booking.services.desk.records import usual_reminders
from booking.services.plans import reminding
from booking.services.plans.choosing import VisitWish
from booking.services.plans.holding import hold_plan
from booking.services.plans.replacing import Instead, instead
from booking.services.reminded import BY_TEXT
from booking.web import visitor
from booking.web.free import instant
from booking.web.numerals import whole
from booking.web.pages import page
from booking.web.patient.forms import PlanDetailsForm
from booking.web.patient.plan_allowance import marks_of
from booking.web.patient.plan_asking import Answers
from booking.web.patient.plan_choice import Choice, shown, weeks_of
from booking.web.patient.plan_way import Way
from booking.web.words import advice_for, words_for

_OFFERED = 6
# Buttons that lead to other pages of the same form, and what the form itself brings anew.
_NOT_CARRIED = {"csrf_token", "other", "instead", "keep"}


def form_of(way: Way, *, prefilled: bool = False) -> PlanDetailsForm:
    """The form as it was sent; `prefilled`, as it is shown first: with what stands in the plan that was prescribed."""
    how: dict[str, Any] = {
        "texts_offered": current_app.config["BOOKING"].offers_texts,
        "asks_name": way.plan is None,
    }
    plan = way.plan
    if plan is not None and reminding.texts_agreed(plan.reference, plan.token):
        how["agreed_at"] = plan.phone
    if not prefilled:
        return PlanDetailsForm(**how)
    if plan is not None:
        by_text = plan.reminders in BY_TEXT and not (how["texts_offered"] and "agreed_at" in how)
        how |= {
            "email": plan.email,
            "phone": phone(plan.phone) if plan.phone else None,
            # What would be refused isn't chosen for them.
            "reminders": (usual_reminders(plan.email, plan.phone) if by_text else plan.reminders).value,
            "reminded_of": plan.reminded_of.value,
        }
    return PlanDetailsForm(formdata=None, key=secrets.token_urlsafe(16), **how)


def held(way: Way, answers: Answers, choice: Choice) -> list[int]:
    """Keeps all visits while the patient types; the numbers of those that somebody else has. Where a network holds as many
    as it may one goes on without: what nobody holds can be booked.
    """
    with suppress(TooManyHolds):
        return hold_plan(
            way.course, answers.first_day, choice.visits,
            audience=way.audience, visitor=way.holder, network=visitor.network(),
        )  # fmt: skip
    return []


def details_page(
    way: Way,
    answers: Answers,
    choice: Choice,
    form: PlanDetailsForm,
    *,
    lost: Sequence[int] = (),
    refused: Refusal | None = None,
    before: Choice | None = None,
    status: int = 200,
) -> ResponseReturnValue:
    """`before`: the choice before one of its visits was exchanged, or kept after all."""
    wanted = way.wanted(answers)
    visits = shown(way.clinic, wanted, choice)
    lost = [number for number in lost if number < len(visits)]
    offered = instead(wanted, choice.visits, lost) if lost else []
    marks = marks_of(way.clinic, way.plan, visits)
    return page(
        "patient/plan_details.html",
        way.clinic,
        status,
        way=way,
        answers=answers,
        chosen=choice.written,
        visits=visits,
        weeks=weeks_of(way.clinic, wanted, visits),
        lost=list(zip(lost, (visits[number] for number in lost), offered, strict=True)),
        marks=marks,
        exchanged=_exchanged(way, before, choice) if before else None,
        form=form,
        refused=words_for(refused) if refused else None,
        advice=advice_for(refused, way.clinic) if refused else "",
    )


def _exchanged(way: Way, before: Choice, now: Choice) -> str:
    """What has become of which visit, in words."""
    gone = [one for one in before.visits if one not in now.visits]
    come = [one for one in now.visits if one not in before.visits]
    if not gone or not come:
        return _("Nothing was changed. These are your visits.")
    clinic, new = way.clinic, come[0]
    return _(
        "Changed: %(visit)s on %(now)s with %(name)s, instead of %(was)s.",
        visit=clinic.visit_type(new.visit_type).name,
        now=clinic.times.short_moment(new.starts_at),
        name=clinic.practitioner(new.practitioner).name,
        was=clinic.times.short_moment(gone[0].starts_at),
    )


def other_time_page(way: Way, answers: Answers, choice: Choice, which: str) -> ResponseReturnValue:
    """Other times for one visit: when the patient said that they can come, and else. Everything that was typed comes along."""
    wanted = way.wanted(answers)
    visits = shown(way.clinic, wanted, choice)
    number = whole(which)
    if number is None or number >= len(visits):
        return details_page(way, answers, choice, form_of(way))
    (inside,) = instead(wanted, choice.visits, [number], _OFFERED)
    outside: list[Instead] = []
    if answers.presence.windows:
        at_any_time = Presence(away=answers.presence.away)
        (others,) = instead(
            replace(wanted, presence=at_any_time), choice.visits, [number], _OFFERED + len(inside)
        )
        outside = [one for one in others if one not in inside]
    return page(
        "patient/plan_other.html",
        way.clinic,
        way=way,
        visit=visits[number],
        number=number,
        inside=inside,
        outside=outside,
        carried=[(name, value) for name, value in request.form.items(multi=True) if name not in _NOT_CARRIED],
    )


def with_other_time(choice: Choice, words: str) -> Choice:
    """The choice with a visit exchanged, as the button says: "number instant person". Whatever else it says is ignored."""
    which, _between, rest = words.partition(" ")
    start, _between, person = rest.partition(" ")
    number, starts_at = whole(which), instant(start)
    if number is None or number >= len(choice.visits) or starts_at is None or not person:
        return choice
    visit_type = choice.visits[number].visit_type
    return choice.with_other(number, VisitWish(visit_type, person, starts_at))
