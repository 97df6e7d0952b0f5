"""What a patient's pages of plans and visits say of their coverage: what is left, and which visits may not be covered. Never a
promise.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from flask_babel import gettext as _

from booking.formatting import phone
from booking.models import BookableBy
from booking.services.allowances import Planned
from booking.services.clinic import Clinic
from booking.services.plans.allowed import Allowed, allowed, of_visit_by_link, on_days
from booking.services.plans.besides import may_know
from booking.services.plans.proposing import ProposedVisit
from booking.services.plans.reading import PlanView
from booking.services.visits import Visit
from booking.web import allowance_words


@dataclass(frozen=True)
class Marks:
    """In words: of each visit by its number, of all together with those booked already, and what is left now. `stops`: staff are
    asked before it is booked.
    """

    by_number: dict[int, str]
    words: str
    left: list[str]
    stops: bool


def marks_of(clinic: Clinic, plan: PlanView | None, visits: Sequence[ProposedVisit]) -> Marks:
    """What is to be said of these visits before they are booked. Nothing, of somebody whom we don't know."""
    plan = known(plan)
    found = allowed(plan, [Planned(one.starts_at, one.visit_type.modality.slug) for one in visits])
    numbers = [number + 1 for number in found.beyond]
    said = [
        allowance_words.beyond(numbers, stops=found.stops),
        allowance_words.pushed(clinic, found.pushed.values()),
        _("We will check and call you before you come.")
        if found.pushed and not (numbers or found.stops)
        else "",
    ]
    words = [one for one in said if one]
    return Marks(
        {number: _("Visit %(number)d: may not be covered", number=number + 1) for number in found.beyond},
        " ".join(words),
        left_words(clinic, allowed(plan, (), until=visits[-1].starts_at)) if words else [],
        found.stops,
    )


def coverage_of(visit: Visit, plan: PlanView | None) -> tuple[str, str] | None:
    """Of a visit that its link has opened what is left, and why it may not be covered. `plan`: its plan, if it has one."""
    found = of_visit_by_link(visit, plan)
    said = allowance_words.to_patient(visit.clinic, found) if found else ("", "")
    return said if any(said) else None


class Uncovered(NamedTuple):
    """In words: what may not be covered if a visit is moved to a day, and what we do then."""

    by_day: dict[date, str]
    note: str


def uncovered_on(visit: Visit, plan: PlanView | None, offered: Iterable[datetime]) -> Uncovered:
    """Of the times to which a visit can be moved, of each day one, those on which something may not be covered."""
    local_date = visit.clinic.times.local_date
    there = on_days(visit, plan, {local_date(one): one for one in offered})
    by_day = {
        day: _("may not be covered") if one.beyond else _("a later visit may not be covered then")
        for day, one in there.items()
    }
    if not by_day:
        return Uncovered({}, "")
    if visit.in_plan and any(one.stops for one in there.values()):
        return Uncovered(
            by_day,
            _(
                "Where it says that a visit may not be covered, we have to ask your insurance before we move it there. "
                "Please call us: %(phone)s.",
                phone=phone(visit.clinic.phone),
            ),
        )
    return Uncovered(
        by_day,
        _("Where it says that a visit may not be covered, we will check and call you before you come."),
    )


def known(plan: PlanView | None) -> PlanView | None:
    """The plan, if by its link anything may be said of its patient's coverage."""
    return plan if plan is not None and may_know(plan, BookableBy.LINK) else None


def left_words(clinic: Clinic, found: Allowed) -> list[str]:
    """What is left of each pool with a limit, window by window."""
    return allowance_words.of_pools(clinic, found.left)
