"""How the weeks of a plan look, before and after a change: what is prescribed, and on which weekdays at which times."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from flask_babel import gettext as _

from booking.scheduling.plans.course import Course
from booking.scheduling.plans.keeping import Role
from booking.scheduling.timeline import instant_of
from booking.services.clinic import Clinic, Modality
from booking.services.plans.frequency import Fitted
from booking.services.plans.reading import PlanView
from booking.web import course_words
from booking.web.plan_words import list_of

_A_MONDAY = date(2001, 1, 1)


class Held(NamedTuple):
    """A visit by the week of the plan in which it lies."""

    week: int
    modality: Modality
    starts_at: datetime


def standing(plan: PlanView, without: Iterable[str] = ()) -> list[Held]:
    """The doses of a plan, without those that go, by their references."""
    return [
        Held(one.week, one.care.modality, one.starts_at)
        for one in plan.standing
        if one.role is not Role.REASSESSMENT and one.reference not in set(without)
    ]


def after(plan: PlanView, change: Fitted) -> list[Held]:
    """The same once a change is made."""
    comes = [
        Held(one.kept.week, one.visit_type.modality, instant_of(one.wanted.cell))
        for one in change.comes
        if one.kept.role is not Role.REASSESSMENT
    ]
    return [*standing(plan, [one.reference for one in change.goes]), *comes]


def in_words(clinic: Clinic, course: Course, weeks: range, visits: Iterable[Held]) -> str:
    """As in "Acupuncture 3 times a week, for 2 weeks. Acupuncture: Mon, Wed and Fri 9:15 am". `course`: what is prescribed in these
    weeks.
    """
    by_care: dict[Modality, list[Held]] = defaultdict(list)
    for one in sorted(visits, key=lambda one: one.starts_at):
        if one.week in weeks:
            by_care[one.modality].append(one)
    times = [
        _("%(care)s: %(times)s", care=care.name, times=_usual_times(clinic, held))
        for care, held in sorted(by_care.items(), key=lambda item: item[0].name)
    ]
    return ". ".join([course_words.prescribed(clinic, course), "; ".join(times) or _("Nothing is booked")])


def _usual_times(clinic: Clinic, held: Iterable[Held]) -> str:
    """The weekdays and times that lie in half of the weeks at least."""
    found = [(one.week, clinic.times.local(one.starts_at)) for one in held]
    often = Counter((at.time(), at.weekday()) for _week, at in found)
    weeks = len({week for week, _at in found})
    days: dict[time, list[int]] = defaultdict(list)
    for (at, weekday), number in sorted(often.items()):
        if 2 * number >= weeks:
            days[at].append(weekday)
    in_order = sorted(days.items(), key=lambda item: (item[1][0], item[0]))
    words = [
        _(
            "%(days)s %(times)s",
            days=list_of([clinic.times.short_weekday(_A_MONDAY + timedelta(days=one)) for one in weekdays]),
            times=clinic.times.wall_time(at),
        )
        for at, weekdays in in_order
    ]
    return ", ".join(words) or _("at changing times")
