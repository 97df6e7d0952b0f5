"""One visit of a plan with all later ones: moved or cancelled by the plan's link. What it would do is shown before it is done,
and nothing is done that wasn't shown.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import NamedTuple

from flask import redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from werkzeug.datastructures import MultiDict

from booking import clock
from booking.errors import (
    BeyondCoverage,
    KeyReused,
    NotChangeable,
    NotFound,
    Refusal,
    StaleEdit,
    TooLateToChange,
    VisitsTaken,
)
from booking.formatting import phone
from booking.models import BookableBy
from booking.scheduling.hours import wall_at
from booking.scheduling.reasons import Why
from booking.services.allowances import Planned
from booking.services.plans import as_told, changing, shifting
from booking.services.plans.allowed import allowed
from booking.services.plans.ground import question_of
from booking.services.plans.reading import PlanView
from booking.services.plans.shifting import Shift, Shifts
from booking.services.plans.visits import PlanVisit
from booking.web import asked, limits, reasons
from booking.web.pages import page
from booking.web.patient import blueprint
from booking.web.patient.forms import ActionForm, CancelForm
from booking.web.patient.plan_allowance import known, left_words
from booking.web.patient.plan_shown import ways_from
from booking.web.plan_words import broken

PATH = "/plan/<reference>/<token>/from/<visit>"
REFUSALS = (BeyondCoverage, KeyReused, NotChangeable, StaleEdit, TooLateToChange, VisitsTaken)


class Stays(NamedTuple):
    """A visit that isn't moved, when it would have been, and why."""

    visit: PlanVisit
    starts_at: datetime
    why: str


class Wanted(NamedTuple):
    """A day and a time as they were asked for, and the instant that they are, if they are understood. `refused`: references of
    visits that couldn't be moved there when it was tried.
    """

    day: str
    time: str
    starts_at: datetime | None
    refused: frozenset[str] = frozenset()

    @classmethod
    def of(cls, plan: PlanView, sent: MultiDict[str, str]) -> "Wanted":
        """A time that was offered and pressed stands for what was chosen besides."""
        day, _space, wall = sent.get("to", "").partition(" ")
        day, wall = day or sent.get("day", ""), wall or sent.get("time", "")
        refused = frozenset(sent.getlist("refused")) & {one.reference for one in plan.visits}
        return cls(day, wall, asked.moment(day, wall, plan.clinic.zone), refused)

    @property
    def is_said(self) -> bool:
        return bool(self.day or self.time)


# Moved


@blueprint.get(f"{PATH}/move")
def choose_for_later(reference: str, token: str, visit: str) -> ResponseReturnValue:
    """Where all of them could go; once that is chosen, what it would do."""
    limits.allow("search")
    plan = as_told.by_link(reference, token)
    found = _visit(plan, visit)
    if found is None or not ways_from(plan, found).move:
        return _to_plan(plan)
    wanted = Wanted.of(plan, request.args)
    return _move_page(plan, found, wanted) if wanted.is_said else _choose_page(plan, found, wanted)


@blueprint.post(f"{PATH}/move")
def move_later(reference: str, token: str, visit: str) -> ResponseReturnValue:
    limits.allow("change")
    plan = as_told.by_link(reference, token)
    found, wanted, form = _visit(plan, visit), Wanted.of(plan, request.form), ActionForm()
    if found is None:
        return _to_plan(plan)
    seen = asked.version()
    # Sent once more, a form is answered as it was the first time, whatever the plan is by now.
    as_seen = seen in (None, plan.version)
    if wanted.starts_at is None or not form.validate() or (as_seen and _wrong(plan, found, wanted)):
        return _move_page(plan, found, wanted, 422)
    if as_seen and request.form.get("shown") != _mark(_preview(plan, found, wanted)):
        return _move_page(
            plan, found, wanted, 409, _("This is what it would do now. Please look at it again.")
        )
    try:
        shifting.shift_by_link(
            reference,
            token,
            visit,
            wanted.starts_at,
            refused=wanted.refused,
            version=seen,
            actor=f"link {reference}",
            key=form.key.data,
        )
    except REFUSALS as refusal:
        again = as_told.by_link(reference, token)
        found = _visit(again, visit)
        if found is None or not ways_from(again, found).move:
            return _to_plan(again)
        if isinstance(refusal, VisitsTaken):
            lost = {one["reference"] for one in refusal.facts["lost"]}
            wanted = wanted._replace(refused=wanted.refused | lost)
        return _move_page(again, found, wanted, 409, _refused(refusal))
    session["later"] = [reference, "moved"]
    return _to_plan(plan)


def _choose_page(
    plan: PlanView, visit: PlanVisit, wanted: Wanted, status: int = 200, trouble: str = ""
) -> ResponseReturnValue:
    alike = shifting.alike(plan, visit, clock.now())
    if not alike:
        return _to_plan(plan)
    openings = shifting.openings(plan, visit.reference, BookableBy.LINK)
    return page(
        "patient/plan_later_times.html",
        plan.clinic,
        status,
        plan=plan,
        visit=visit,
        alike=alike,
        openings=openings,
        days=[(day, _first_on(plan, visit, alike, day)) for day in openings.days],
        wanted=wanted,
        trouble=trouble,
        wall=wall_at,
        sent=_sent,
    )


def _move_page(
    plan: PlanView, visit: PlanVisit, wanted: Wanted, status: int = 200, trouble: str = ""
) -> ResponseReturnValue:
    """What it would do to move them there; the choice once more, where nobody can say."""
    wrong = _wrong(plan, visit, wanted)
    if wrong:
        return _choose_page(plan, visit, wanted, 422, wrong)
    shown, now = _preview(plan, visit, wanted), clock.now()
    covered = allowed(
        known(plan),
        [Planned(one.starts_at, one.visit.visit_type.modality.slug) for one in shown.going],
        [one.visit.reference for one in shown.going],
    )
    moved = [replace(one.visit, starts_at=one.starts_at) for one in shown.going]
    return page(
        "patient/plan_later_move.html",
        plan.clinic,
        status,
        plan=plan,
        visit=visit,
        wanted=wanted,
        trouble=trouble,
        going=shown.going,
        stays=[Stays(one.visit, one.starts_at, _why(plan, one)) for one in shown.shifts if not one.free],
        late=any(one.late for one in shown.shifts),
        better=shown.better,
        suffers=list(
            dict.fromkeys(broken(plan.clinic, one.facts, plan.course.weeks) for one in shown.broken)
        ),
        soon=[one for one in moved if not one.may_change(now)],
        uncovered={shown.going[number].visit.reference for number in covered.beyond},
        pushed=bool(covered.pushed),
        left=left_words(plan.clinic, allowed(plan, ())) if covered.beyond or covered.pushed else [],
        mark=_mark(shown),
        key=asked.fresh_key(),
        sent=_sent,
    )


def _preview(plan: PlanView, visit: PlanVisit, wanted: Wanted) -> Shifts:
    starts_at = wanted.starts_at or visit.starts_at
    return shifting.preview(
        plan, visit.reference, starts_at, None, BookableBy.LINK, partly=True, refused=wanted.refused
    )


def _wrong(plan: PlanView, visit: PlanVisit, wanted: Wanted) -> str:
    """What isn't understood of what was asked for: a day that isn't one of its week would take it out of its plan."""
    if wanted.starts_at is None:
        return _("Please choose a day and a time.")
    day = (plan.clinic.times.local_date(wanted.starts_at) - plan.first_day).days
    if day // 7 != visit.week:
        return _("Please choose one of these days.")
    if wanted.starts_at == visit.starts_at:
        return _("That is their time already. Please choose another one.")
    return ""


def _why(plan: PlanView, one: Shift) -> str:
    """Why a visit isn't moved, to its patient."""
    times = plan.clinic.times
    if one.late:
        return _("Changes here ended %(until)s.", until=times.short_moment(one.visit.change_until))
    if one.refused:
        # It may be for a visit besides, of which nothing is said to whoever has the link (decision 0006).
        return _("That time can't be booked here.")
    other = shifting.own_visit_there(plan, one)
    if other is not None:
        when = times.time(other.starts_at)
        return _("You have %(visit)s at %(time)s.", visit=other.visit_type.name, time=when)
    if one.why is None and one.starts_at != one.visit.starts_at:
        return _("That is outside the weeks of your plan.")
    if one.why is None:
        return _("On that day no clock shows this time.")
    if one.why.why is Why.PATIENT_BUSY:
        return _("You have another visit then.")
    asked_for = question_of(plan.clinic, one.visit.visit_type.slug, None, BookableBy.LINK)
    return reasons.sentence(one.why, replace(asked_for, wanted=one.practitioner))


# Cancelled


@blueprint.get(f"{PATH}/cancel")
def ask_to_cancel_later(reference: str, token: str, visit: str) -> ResponseReturnValue:
    """Which visits would be cancelled, and which stay."""
    plan = as_told.by_link(reference, token)
    found = _visit(plan, visit)
    if found is None or not ways_from(plan, found).cancel:
        return _to_plan(plan)
    return _cancel_page(plan, found, CancelForm(formdata=None))


@blueprint.post(f"{PATH}/cancel")
def cancel_later(reference: str, token: str, visit: str) -> ResponseReturnValue:
    limits.allow("change")
    plan = as_told.by_link(reference, token)
    found, form = _visit(plan, visit), CancelForm()
    if found is None:
        return _to_plan(plan)
    if not form.validate():
        return _cancel_page(plan, found, form, 422)
    seen = asked.version()
    if seen in (None, plan.version) and request.form.get("shown") != _mark(_cancelled(plan, found)):
        words = _("These are the visits now. Please look at them again.")
        return _cancel_page(plan, found, form, 409, words)
    try:
        changing.cancel_from(
            reference, token, visit, form.read["reason"], version=seen, actor=f"link {reference}", key=form.key.data
        )  # fmt: skip
    except REFUSALS as refusal:
        again = as_told.by_link(reference, token)
        found = _visit(again, visit)
        if found is None or not ways_from(again, found).cancel:
            return _to_plan(again)
        return _cancel_page(again, found, form, 409, _refused(refusal))
    session["later"] = [reference, "cancelled"]
    return _to_plan(plan)


def _cancel_page(
    plan: PlanView, visit: PlanVisit, form: CancelForm, status: int = 200, trouble: str = ""
) -> ResponseReturnValue:
    gone, stays = _cancelled(plan, visit)
    if not gone:
        return _to_plan(plan)
    return page(
        "patient/plan_later_cancel.html",
        plan.clinic,
        status,
        plan=plan,
        visit=visit,
        form=form,
        trouble=trouble,
        gone=gone,
        stays=stays,
        mark=_mark((gone, stays)),
        key=asked.fresh_key(),
    )


def _cancelled(plan: PlanView, visit: PlanVisit) -> tuple[tuple[PlanVisit, ...], tuple[PlanVisit, ...]]:
    return changing.cancelled_from(plan, visit.reference, clock.now())


# For both


def _visit(plan: PlanView, reference: str) -> PlanVisit | None:
    """The visit of this plan; None where it doesn't stand any more. Raises NotFound for one that isn't the plan's."""
    found = next((one for one in plan.visits if one.reference == reference), None)
    if found is None:
        raise NotFound
    return found if found in plan.standing else None


def _refused(refusal: Refusal) -> str:
    """Why nothing was done, above what it would do now."""
    if isinstance(refusal, StaleEdit):
        return _("Nothing is changed: your visits were changed meanwhile. This is how it would be now.")
    if isinstance(refusal, VisitsTaken):
        return _("Nothing is changed: one of these times at least is taken. This is how it would be now.")
    if isinstance(refusal, BeyondCoverage):
        return _(
            "Nothing is changed: we have to ask your insurance before. Please call us: %(phone)s.",
            phone=phone(refusal.facts["phone"]),
        )
    if isinstance(refusal, KeyReused):
        return _("This page was sent before, with something else. This is how it would be now.")
    return _("Nothing is changed. This is how it would be now.")


def _first_on(plan: PlanView, visit: PlanVisit, alike: Sequence[PlanVisit], day: date) -> date:
    """The first day on which one of these would be, if the first were on this one: that may be over already."""
    local = plan.clinic.times.local_date
    by = day - local(visit.starts_at)
    moved = [local(one.starts_at) + by for one in alike]
    return next((on for on in moved if on >= local(clock.now())), day)


def _mark(shown: Shifts | Sequence[Sequence[PlanVisit]]) -> str:
    """Of what was shown: another one as soon as something else would be done."""
    return hashlib.sha256(repr(shown).encode()).hexdigest()[:32]


def _sent(at: datetime, plan: PlanView) -> str:
    """As the form sends a time that is offered."""
    return f"{at.astimezone(plan.clinic.zone):%Y-%m-%d %H:%M}"


def _to_plan(plan: PlanView) -> ResponseReturnValue:
    return redirect(url_for("patient.plan", reference=plan.reference, token=plan.token), 303)
