"""The pages on which a plan is arranged at the desk: its form, its proposals, and other times for one of its visits."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from flask import request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from booking.errors import VisitsTaken
from booking.formatting import iso_utc
from booking.models import Reminders
from booking.services.allowances import Planned
from booking.services.clinic import Clinic
from booking.services.plans import arranging, prescribing
from booking.services.plans.allowed import allowed_to
from booking.services.plans.arranging import Arranged
from booking.services.plans.choosing import VisitWish
from booking.services.plans.impossible import Impossible
from booking.services.plans.proposing import Proposals, ProposedVisit
from booking.services.plans.replacing import instead
from booking.web import (
    access,
    asked,
    course_words,
    plan_none_words,
    plan_words,
    prescriptions,
    windows,
    wishes,
)
from booking.web.desk.plan_form import Form, relaxed, with_another_time
from booking.web.desk.reminding import REMINDED_OF, reminders_for
from booking.web.free import instant
from booking.web.pages import today
from booking.web.staff import staff_page

TIMES_OFFERED = 6
Weeks = list[tuple[int, list[tuple[int, ProposedVisit]]]]
"""By week the visits, each with its number in the plan."""


class Shown(NamedTuple):
    """A plan as it could be booked; in words what of it isn't at its regular time, and why. `beyond`: the numbers of visits that
    may not be covered; `pushed`: when others begin, booked already, that may not be covered then; `asks`: the payer is to be asked
    before it is booked; `waits`: in words how long one waits before a visit.
    """

    title: str
    bent: tuple[str, ...]
    weeks: Weeks
    beyond: frozenset[int]
    pushed: tuple[datetime, ...]
    asks: bool
    waits: Mapping[int, str]
    good_for: str = ""


def form_page(form: Form, status: int = 200, trouble: str = "") -> ResponseReturnValue:
    assert form.template is not None
    return staff_page(
        "desk/plan_form.html",
        status,
        form=form,
        trouble=trouble,
        fields=prescriptions.dose_fields(form.clinic, form.template, form.values),
        prescribed=course_words.prescribed(form.clinic, form.template.course),
        weekdays=windows.weekdays(form.clinic),
        parts=windows.PARTS,
        is_open=windows.is_open,
        box=windows.box,
        ticked=set(form.values.getlist(windows.FIELD)),
        returning=set(form.values.getlist("returning")),
        this_day=today(form.clinic),
        besides=()
        if form["plan"]
        else prescribing.besides(access.who(), form.whose.reference, form.template.course),
        key=asked.fresh_key(),
    )


def proposals_page(form: Form, found: Arranged, proposals: Proposals) -> ResponseReturnValue:
    """Up to three proposals, each of which can be booked or changed."""
    by_link = arranging.chosen_by_link(found)
    return _proposals_page(
        form,
        found,
        [
            *([_kept(form, found, *by_link)] if by_link else ()),
            *(
                Shown(
                    plan_words.title(proposals, one),
                    _bent(form.clinic, one.visits),
                    _by_week(one.visits),
                    *_covered(found, one.visits),
                    _waits(form.clinic, found, one.visits),
                    plan_words.good_for(proposals, one) if len(proposals.proposals) > 1 else "",
                )
                for one in proposals.proposals
            ),
        ],
        [note.message for note in plan_words.notes(proposals)],
    )


def _kept(form: Form, found: Arranged, visits: tuple[ProposedVisit, ...], until: datetime) -> Shown:
    """What the patient has chosen already."""
    title = _("Chosen by the link, and kept until %(time)s", time=form.clinic.times.time(until))
    waits = _waits(form.clinic, found, visits)
    return Shown(title, (), _by_week(visits), *_covered(found, visits), waits)


def impossible_page(form: Form, found: Arranged, impossible: Impossible) -> ResponseReturnValue:
    """Why there is no such plan, and the smallest changes with which there would be."""
    return staff_page(
        "desk/plan_impossible.html",
        form=form,
        week=impossible.week,
        reasons=plan_none_words.reasons(form.clinic, found.wanted, impossible),
        relaxations=[
            (plan_none_words.relaxation(form.clinic, found.wanted, one), relaxed(form, one))
            for one in impossible.relaxations
        ],
        key=asked.fresh_key(),
    )


def times_page(
    form: Form, found: Arranged, visits: tuple[VisitWish, ...], number: int
) -> ResponseReturnValue:
    """Other times for one visit, with all others as they are. Raises PlanRulesBroken."""
    shown = arranging.as_chosen(found, visits)
    if number >= len(shown):
        return chosen_page(form, found, visits)
    return staff_page(
        "desk/plan_times.html",
        form=form,
        visits=visits,
        number=number,
        visit=shown[number],
        free=instead(found.wanted, visits, [number], TIMES_OFFERED)[0],
        iso=iso_utc,
        key=request.form.get("key", ""),
    )


def chosen_page(
    form: Form,
    found: Arranged,
    visits: tuple[VisitWish, ...],
    status: int = 200,
    *,
    trouble: str = "",
    lost: tuple[str, ...] = (),
) -> ResponseReturnValue:
    """The plan as it was chosen, to be booked. Raises PlanRulesBroken."""
    shown = arranging.as_chosen(found, visits)
    title = _("%(name)s for %(whom)s", name=found.name, whom=found.whose.name)
    waits = _waits(form.clinic, found, shown)
    proposals = [Shown(title, (), _by_week(shown), *_covered(found, shown), waits)]
    return _proposals_page(form, found, proposals, lost, status, trouble=trouble)


def lost_page(
    form: Form, found: Arranged, visits: tuple[VisitWish, ...], refusal: VisitsTaken
) -> ResponseReturnValue:
    """The plan with other times for what was taken meanwhile."""
    said, times = [], form.clinic.times
    for one in refusal.facts["lost"]:
        was = next(n for n, visit in enumerate(visits) if iso_utc(visit.starts_at) == one["starts_at"])
        moment = times.short_moment(visits[was].starts_at)
        if not one["replacements"]:
            said.append(
                _("%(when)s was taken meanwhile, and nothing in its week takes its place.", when=moment)
            )
            continue
        best = one["replacements"][0]
        visits = with_another_time(visits, f"{was} {best['practitioner']} {best['starts_at']}")
        other = instant(best["starts_at"])
        said.append(
            _(
                "%(when)s was taken meanwhile. Instead: %(other)s.",
                when=moment,
                other=times.short_moment(other) if other else "",
            )
        )
    trouble = _(
        "Some of these times were taken meanwhile. Nothing is booked yet; please look, and book again."
    )
    return chosen_page(form, found, visits, 409, trouble=trouble, lost=tuple(said))


def _proposals_page(
    form: Form,
    found: Arranged,
    proposals: Sequence[Shown],
    notes: Sequence[str],
    status: int = 200,
    *,
    trouble: str = "",
) -> ResponseReturnValue:
    """The page from which a plan is booked."""
    reminders = reminders_for(found.whose)
    return staff_page(
        "desk/plan_proposals.html",
        status,
        form=form,
        asked=found,
        proposals=proposals,
        notes=notes,
        trouble=trouble,
        reminders=reminders,
        reminded_of=REMINDED_OF,
        text_consent_needed=not found.whose.texts and Reminders.TEXT in reminders,
        written=wishes.written,
        key=asked.fresh_key(),
    )


def _bent(clinic: Clinic, visits: tuple[ProposedVisit, ...]) -> tuple[str, ...]:
    return tuple(words for one in visits if (words := plan_words.bent(clinic, one)))


def _waits(clinic: Clinic, found: Arranged, visits: Sequence[ProposedVisit]) -> dict[int, str]:
    return plan_words.waits(clinic, found.wanted.course, _in_order(visits))


def _covered(
    found: Arranged, visits: Sequence[ProposedVisit]
) -> tuple[frozenset[int], tuple[datetime, ...], bool]:
    """Which of these visits, by their numbers in order, may not be covered; when those begin that they push beyond; and whether
    the payer is to be asked first.
    """
    planned = [Planned(one.starts_at, one.visit_type.modality.slug) for one in _in_order(visits)]
    assert found.wanted.patient_id is not None  # Known: the desk arranges it for a record.
    covered = allowed_to(found.clinic, found.wanted.patient_id, planned)
    return frozenset(covered.beyond), tuple(covered.pushed.values()), covered.stops


def _in_order(visits: Sequence[ProposedVisit]) -> list[ProposedVisit]:
    return sorted(visits, key=lambda one: one.cell)


def _by_week(visits: tuple[ProposedVisit, ...]) -> Weeks:
    """Week by week each visit with its number in the plan."""
    weeks: dict[int, list[tuple[int, ProposedVisit]]] = {}
    for number, visit in enumerate(_in_order(visits)):
        weeks.setdefault(visit.week, []).append((number, visit))
    return sorted(weeks.items())
