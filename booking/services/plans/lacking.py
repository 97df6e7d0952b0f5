"""What a plan still lacks: doses of its weeks, and a first visit that was missed."""

from datetime import datetime
from typing import NamedTuple

from booking.models import BookableBy, PlanStatus
from booking.scheduling.plans.keeping import Role
from booking.scheduling.status import Status
from booking.services.clinic import VisitType
from booking.services.plans.reading import PlanView
from booking.services.plans.visits import PlanVisit
from booking.services.plans.weeks import Week


class Missed(NamedTuple):
    """A visit that a plan still lacks: of which kind of care, in which week, and in whose place, if it was booked once.

    `begins`: the visit type with which its kind of care is to begin, where the first visit was missed and nothing took place
    since; `waits` for that first visit to be chosen. `in_place`: no dose lacks it, and the first visit can only take the next
    one's place.
    """

    care: VisitType
    week: int
    visit: PlanVisit | None
    begins: VisitType | None = None
    waits: bool = False
    in_place: bool = False

    @property
    def visit_type(self) -> VisitType:
        """As what it is made up."""
        return self.begins or self.care

    @property
    def role(self) -> Role:
        return Role.FIRST if self.begins else Role.DOSE


def missing(plan: PlanView, now: datetime) -> list[Missed]:
    """All visits that are to be chosen anew, by week: what the plan's weeks lack, of weeks that are over as well; and of each
    kind of care whose first visit was missed that one, before all others.
    """
    found = _lacked(plan, now)
    for care, (begins, was) in plan.firsts_due(now).items():
        theirs = [number for number, one in enumerate(found) if one.care == care]
        first = next((number for number in theirs if is_open(plan, found[number], now)), None)
        for number in theirs:
            marks = {"begins": begins} if number == first else {"waits": True}
            found[number] = found[number]._replace(**marks)
        following = _next_of(plan, care, now)
        if first is None and following is not None:
            found.append(Missed(care, following.week, was, begins, in_place=True))
    return sorted(found, key=lambda one: one.week)


def lacking(plan: PlanView, now: datetime) -> list[Missed]:
    """The visits that a plan's weeks lack, those of weeks that are over as well, by week."""
    return [one for one in missing(plan, now) if not one.in_place]


def still_lacking(plan: PlanView, now: datetime) -> list[Missed]:
    """Those of a running plan that can be made up yet: until the end of the week after theirs."""
    if plan.status is not PlanStatus.RUNNING:
        return []
    return [one for one in missing(plan, now) if is_open(plan, one, now)]


def in_whose_place(plan: PlanView, missed: Missed, audience: BookableBy, now: datetime) -> PlanVisit | None:
    """The visit that gives its place to a first one, where that can't come before it; patients give up none past its cut-off."""
    following = _next_of(plan, missed.care, now) if missed.begins else None
    if following is None or (audience is not BookableBy.STAFF and not following.may_change(now)):
        return None
    return following


def _lacked(plan: PlanView, now: datetime) -> list[Missed]:
    today = plan.clinic.times.local_date(now)
    found = []
    for week in plan.weeks:
        if week.first > today and not any(dose.missed for dose in week.doses):
            continue
        for dose in week.doses:
            gone = missed_in(week, dose.care.slug)
            of = [*[None] * dose.left, *gone][len(gone) :]
            found += [Missed(dose.care, week.number, one) for one in of]
    return found


def missed_in(week: Week, care: str) -> list[PlanVisit]:
    """The visits of a kind of care that a week has missed, in order."""
    return [
        one
        for one in week.visits
        if not one.stands and one.role in (Role.DOSE, Role.FIRST) and one.care.slug == care
    ]


def is_open(plan: PlanView, missed: Missed, now: datetime) -> bool:
    """Whether it can be made up yet: its own week or the next one isn't over."""
    day = (plan.clinic.times.local_date(now) - plan.first_day).days
    return day < min(missed.week + 2, plan.course.weeks) * 7


def _next_of(plan: PlanView, care: VisitType, now: datetime) -> PlanVisit | None:
    """The next visit of a kind of care that hasn't begun yet."""
    return next(
        (
            one
            for one in plan.standing
            if one.care == care
            and one.role is Role.DOSE
            and one.status is Status.BOOKED
            and one.starts_at > now
        ),
        None,
    )
