"""A plan for which there is no time to look again yet is booked all the same, as it was proposed."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from booking.errors import PlanRulesBroken
from booking.scheduling.plans.keeping import Role
from booking.scheduling.plans.windows import Presence, TimeWindow
from booking.services.clinic import present
from booking.services.plans.booking import book
from tests.clinics import plan_clinic, plan_template, set_up
from tests.services.plans.making import clinic_with_a_longer_look, proposed, wish

pytestmark = pytest.mark.usefixtures("standing_clock", "context")

TUESDAY = 1
ONCE_A_WEEK = plan_template(
    "weekly", {"acupuncture-follow-up": 1}, self_service=True, reassessment=["acupuncture-reassessment"]
)


def test_what_was_proposed_without_a_look_is_booked_without(context: Any, standing_clock: Any) -> None:
    closed = {"first": "2026-10-13", "last": "2026-10-27"}
    set_up(plan_clinic(closures=[closed], plan_templates=[ONCE_A_WEEK]))
    proposal = proposed("weekly")[0]
    assert not proposal.looked_at and len(proposal.visits) == 4
    assert len(book(wish(proposal, "weekly"), actor="t", key="without-1").visits) == 4


def test_a_look_that_can_be_had_isnt_left_out(context: Any, standing_clock: Any) -> None:
    set_up(plan_clinic(plan_templates=[ONCE_A_WEEK]))
    proposal = proposed("weekly")[0]
    assert proposal.looked_at and len(proposal.visits) == 5
    without = replace(
        proposal, visits=tuple(one for one in proposal.visits if one.role is not Role.REASSESSMENT)
    )
    with pytest.raises(PlanRulesBroken) as refused:
        book(wish(without, "weekly"), actor="t", key="without-2")
    assert {fault["rule"] for fault in refused.value.facts["faults"]} == {"no_reassessment"}


MORNING_OR_AFTERNOON = (
    TimeWindow(frozenset({TUESDAY}), 9 * 60, 9 * 60 + 50),
    TimeWindow(frozenset({TUESDAY}), 15 * 60, 15 * 60 + 50),
)


@pytest.mark.parametrize("away", [(), ((date(2026, 12, 24), date(2026, 12, 26)),)])
def test_who_neednt_name_their_hours_again_had_no_time_for_the_look_in_them(
    context: Any, standing_clock: Any, away: Any
) -> None:
    set_up(clinic_with_a_longer_look())
    proposal = proposed("weekly", presence=Presence(MORNING_OR_AFTERNOON, away))[0]
    assert not proposal.looked_at and proposed("weekly")[0].looked_at
    # One of the visits is in the afternoon, the others in the morning: the time between is none of theirs.
    first, *rest = proposal.wishes
    local = first.starts_at.astimezone(present().zone)
    other = first._replace(starts_at=first.starts_at + timedelta(hours=6 if local.hour == 9 else -6))
    asked = replace(wish(proposal, "weekly", presence=Presence(away=away)), visits=(other, *rest))
    with pytest.raises(PlanRulesBroken):
        book(asked, actor="t", key="without-3")
    assert len(book(replace(asked, hours_said=False), actor="t", key="without-4").visits) == 4
