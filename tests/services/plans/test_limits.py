"""The clinic's limits and plans: visits of a plan count for one another, and what a practitioner has prescribed isn't limited by
how many visits its patient has.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import pytest

from booking.errors import VisitsTaken
from booking.models import Appointment, BookableBy, Plan
from booking.scheduling.hours import week_start
from booking.scheduling.plans.windows import Presence, TimeWindow
from booking.services import links
from booking.services.clinic import present
from booking.services.plans.booking import book
from booking.services.plans.choosing import VisitWish
from booking.services.plans.impossible import Lack
from booking.services.plans.make_ups import make_up_times
from booking.services.plans.proposing import Proposal, propose
from booking.services.plans.series import Series, Slot, preview, wanted_for
from booking.services.plans.wanted import PlanWanted
from booking.services.visits import cancel
from tests.clinics import plan_clinic, set_up
from tests.services.making import rows
from tests.services.plans.making import BOTH, patient, prescribed, proposed, running, seen, wish

pytestmark = pytest.mark.usefixtures("standing_clock", "context")

FOLLOW_UP = "acupuncture-follow-up"
THURSDAY = date(2026, 9, 24)
"""Weeks of a plan that begins then lie across two of the calendar's, in which visits are counted."""


def limited(visits: int) -> None:
    """At most so many visits a week for one patient."""
    limit = {"scope": "patient", "per": "week", "visits": visits}
    set_up(plan_clinic(rules={"limits": [limit]}))


def most_in_a_week(visits: Iterable[VisitWish]) -> int:
    zone = present().zone
    return max(Counter(week_start(one.starts_at.astimezone(zone).date()) for one in visits).values())


def gentle() -> list[Proposal]:
    return proposed("disc-gentle", THURSDAY)


def test_a_plan_that_a_patient_begins_keeps_the_limits_among_its_own_visits() -> None:
    set_up(plan_clinic())
    without_limits = gentle()[0].wishes
    assert most_in_a_week(without_limits) == 4
    limited(3)
    found = gentle()
    assert found and all(most_in_a_week(one.wishes) <= 3 for one in found)
    how: dict[str, Any] = {"first_day": THURSDAY}
    with pytest.raises(VisitsTaken) as refused:
        book(wish(found[0], "disc-gentle", visits=without_limits, **how), actor="t", key="too-many")
    assert refused.value.facts["lost"] and not rows(Appointment) and not rows(Plan)
    made = book(wish(found[0], "disc-gentle", **how), actor="t", key="plan-0001")
    assert len(made.visits) == len(found[0].visits)


def test_a_plan_that_is_dearer_for_the_limits_says_how_much_better_one_could_be() -> None:
    mornings = TimeWindow(frozenset({1, 3, 5}), 9 * 60, 13 * 60)
    presence = Presence((mornings,), ((THURSDAY, THURSDAY),))
    set_up(plan_clinic())
    best = {one.measure: one.cost for one in proposed("disc-gentle", THURSDAY, presence=presence)}
    limited(3)
    found = proposed("disc-gentle", THURSDAY, presence=presence)
    assert found and all(one.bound == best[one.measure] < one.cost for one in found)


def test_where_the_limits_leave_no_plan_that_is_said() -> None:
    limited(1)
    course = present().plan_template("disc-gentle").course
    found = propose(PlanWanted(course, THURSDAY, returning=BOTH))
    assert not found.proposals and found.impossible
    assert {one.lack for one in found.impossible.reasons} == {Lack.LIMITS}


def test_what_a_practitioner_prescribed_passes_the_limits_of_its_patient_and_is_made_up() -> None:
    limited(2)
    made = running(prescribed(patient(), "disc"))
    assert most_in_a_week(VisitWish("", "", one.starts_at) for one in seen(made).standing) >= 5
    gone = next(one for one in seen(made).standing if one.care.slug == FOLLOW_UP)
    visit = next(one for one in made.visits if one["reference"] == gone.reference)
    cancel(gone.reference, links.token(gone.reference, visit["link_number"]), "", actor="t", key="cancel-01")
    (missed,) = make_up_times(seen(made), BookableBy.LINK)
    assert missed.times


def test_a_series_keeps_the_limits_as_single_visits_do() -> None:
    limited(1)
    tuesdays, thursdays = (Slot(FOLLOW_UP, weekday, 9 * 60, None) for weekday in (1, 3))
    series = Series((tuesdays, thursdays), THURSDAY - timedelta(days=3), 2)
    found = preview(series, wanted_for(series, BookableBy.LINK, returning=BOTH))
    assert [one.visit is not None for one in found.dates] == [True, False, True, False]
