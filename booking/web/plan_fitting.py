"""What goes and what comes so that a plan has another course, in words."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date

from flask_babel import gettext as _, ngettext

from booking import clock
from booking.scheduling.plans.course import Course
from booking.scheduling.timeline import instant_of
from booking.services.allowances import Planned
from booking.services.plans import frequency
from booking.services.plans.allowed import allowed
from booking.services.plans.reading import PlanView
from booking.services.plans.visits import PlanVisit
from booking.services.plans.wanted import bookable_from
from booking.web import allowance_words
from booking.web.plan_change import Preview, line


def fitting_of(plan: PlanView, found: frequency.Fitted) -> Preview:
    """What goes and what comes, and what of it may not be covered."""

    def shown(visits: Iterable[PlanVisit]) -> tuple[str, ...]:
        return tuple(line(plan, one.starts_at, one.visit_type, one.practitioner) for one in visits)

    coming = sorted(found.comes, key=lambda one: one.wanted.cell)
    comes = tuple(line(plan, instant_of(one.wanted.cell), one.visit_type, one.practitioner) for one in coming)
    planned = [Planned(instant_of(one.wanted.cell), one.visit_type.modality.slug) for one in coming]
    covered = allowed(plan, planned, [one.reference for one in found.goes])
    pushed = [one for one in plan.standing if one.reference in covered.pushed]
    lacks = tuple(
        _("Week %(week)d: %(care)s", week=one.week + 1, care=one.care.modality.name) for one in found.lacks
    )
    lists = (
        (_("Cancelled"), shown(found.goes)),
        (_("Booked"), comes),
        (_("No time was found for"), lacks),
        (_("Booked already, and may not be covered then"), shown(pushed)),
    )
    changes = bool(found.goes or comes)
    notes = [] if found.goes or comes else [_("No visit is changed by it.")]
    if lacks:
        notes.append(_("These stay left on the plan, to be chosen later."))
    notes += [
        _("No time was found for the reassessment after week %(week)d.", week=found.course.stages[stage].stop)
        for stage in found.unseen
    ]
    if found.too_far:
        notes.append(_too_far(plan, found.too_far))
    if covered.beyond:
        notes.append(
            ngettext(
                "%(num)d of these visits may not be covered. Tell the patient before it is booked.",
                "%(num)d of these visits may not be covered. Tell the patient before they are booked.",
                len(covered.beyond),
            )
        )
        left = allowed(plan, (), until=planned[-1].starts_at).left
        notes += allowance_words.of_pools(plan.clinic, left)
    beyond = tuple(comes[number] for number in covered.beyond)
    return Preview(lists, tuple(notes), possible=changes, beyond=beyond, stops=covered.stops)


def _too_far(plan: PlanView, weeks: range) -> str:
    return ngettext(
        "Week %(first)d lies too far ahead. It can be booked from %(day)s on, by “More or less often”.",
        "Weeks %(first)d to %(last)d lie too far ahead. Week %(first)d can be booked from %(day)s on, by “More or less often”, "
        "and each of the others a week after the one before it.",
        len(weeks), first=weeks.start + 1, last=weeks.stop,
        day=plan.clinic.times.day(bookable_from(plan.clinic, plan.first_day, weeks.start)),
    )  # fmt: skip


def from_week(course: Course, week: int) -> Course:
    """What a course prescribes from a week on, by phases, without what was moved."""
    begins, phases = 0, []
    for phase in course.phases:
        begins += phase.weeks
        if begins > week:
            phases.append(phase)
    return replace(course, phases=tuple(phases) or course.phases, moved=())


def today_of(plan: PlanView) -> date:
    return plan.clinic.times.local_date(clock.now())
