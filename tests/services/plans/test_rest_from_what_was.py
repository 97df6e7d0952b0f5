"""Days of rest are kept from visits that took place as well: of today, or of yesterday."""

from datetime import date, timedelta

import pytest

from booking.errors import NeedsReason, VisitsTaken
from booking.models import BookableBy
from booking.scheduling.plans.windows import Presence, TimeWindow
from booking.services.clinic import present
from booking.services.desk import new_visit, statuses
from booking.services.desk.new_visit import DeskWish
from booking.services.plans.asking_again import wanted_by
from booking.services.plans.booking import book
from booking.services.plans.prescribing import Prescribed
from booking.services.plans.proposing import Proposal, Proposals, propose
from booking.services.plans.reading import by_link
from tests.clinics import plan_clinic, plan_template, set_up
from tests.conftest import StandingClock
from tests.services.plans.making import FIRST_DAY, FOLLOW_UP, at, patient, prescribed, running, seen, wish
from tests.staffing import hired

pytestmark = pytest.mark.usefixtures("context")

TOMORROW = FIRST_DAY + timedelta(days=1)


def found(made: Prescribed, presence: Presence | None = None) -> Proposals:
    return propose(wanted_by(by_link(made.reference, made.token), BookableBy.LINK, presence=presence))


def first_day(of: Proposal) -> date:
    return of.visits[0].starts_at.astimezone(present().zone).date()


def come(standing_clock: StandingClock, reference: str) -> None:
    """The patient is here for this visit, which is at nine on the first day."""
    standing_clock.at(at(FIRST_DAY, 9))
    statuses.arrive(hired(), reference, key="arrive-01")


def test_a_plan_that_begins_tomorrow_keeps_them_from_todays_visit(standing_clock: StandingClock) -> None:
    set_up(plan_clinic())
    rosa = patient()
    made = prescribed(rosa, "weekly", first_day=TOMORROW)
    tomorrow = next(one for one in found(made).proposals if first_day(one) == TOMORROW)
    come(
        standing_clock,
        new_visit.book(hired(), DeskWish(rosa, FOLLOW_UP, None, at(FIRST_DAY, 9)), key="book-0001").reference,
    )
    for hour in (9, 12):
        standing_clock.at(at(FIRST_DAY, hour))
        assert TOMORROW not in [first_day(one) for one in found(made).proposals]
    # Nor is it booked, where its times were shown before.
    asked = wish(
        tomorrow, "weekly", plan=made.reference, token=made.token, audience=BookableBy.LINK,
        first_day=TOMORROW,
    )  # fmt: skip
    with pytest.raises(VisitsTaken) as refused:
        book(asked, actor="link", key="book-plan-1")
    assert len(refused.value.facts["lost"]) == 1


def test_where_that_leaves_no_plan_what_took_place_is_named_and_nobody_is_to_move_it(
    standing_clock: StandingClock,
) -> None:
    set_up(plan_clinic(plan_templates=[plan_template("weekly", {FOLLOW_UP: 1}, weeks=1)]))
    rosa = patient()
    made = prescribed(rosa, "weekly", first_day=TOMORROW)
    only_then = Presence((TimeWindow(frozenset({TOMORROW.weekday()}), 9 * 60, 17 * 60),))
    visit = new_visit.book(hired(), DeskWish(rosa, FOLLOW_UP, None, at(FIRST_DAY, 9)), key="book-0001")

    def helps() -> set[str]:
        none = found(made, only_then).impossible
        assert none is not None and [one.on for one in none.reasons[0].besides] == [FIRST_DAY]
        return {one.kind for one in none.relaxations}

    assert "besides" in helps()
    come(standing_clock, visit.reference)
    assert "besides" not in helps()


def test_so_does_what_comes_besides_from_a_plans_visit_of_today(standing_clock: StandingClock) -> None:
    set_up(plan_clinic())
    rosa = patient()
    nine = Presence((TimeWindow(frozenset({FIRST_DAY.weekday()}), 9 * 60, 10 * 60),))
    plan = running(prescribed(rosa, "weekly"), presence=nine)
    come(standing_clock, seen(plan).standing[0].reference)
    standing_clock.at(at(FIRST_DAY, 12))
    with pytest.raises(NeedsReason) as refused:
        new_visit.book(hired(), DeskWish(rosa, FOLLOW_UP, None, at(TOMORROW, 14)), key="book-0001")
    assert refused.value.facts["breaches"] == ["near_plan"]
