"""What a plan's pages say of its patient's coverage: what is left, and which visits may not be covered. Never a promise."""

from collections.abc import Sequence
from dataclasses import dataclass

from flask_babel import gettext as _

from booking.models import BookableBy
from booking.services.allowances import Planned
from booking.services.clinic import Clinic
from booking.services.plans.allowed import Allowed, allowed
from booking.services.plans.besides import may_know
from booking.services.plans.proposing import ProposedVisit
from booking.services.plans.reading import PlanView
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


def known(plan: PlanView | None) -> PlanView | None:
    """The plan, if by its link anything may be said of its patient's coverage."""
    return plan if plan is not None and may_know(plan, BookableBy.LINK) else None


def left_words(clinic: Clinic, found: Allowed) -> list[str]:
    """What is left of each pool with a limit, window by window."""
    return allowance_words.of_pools(clinic, found.left)
