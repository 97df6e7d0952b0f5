"""A plan for which there is no time to look again yet is booked all the same, as it was proposed."""

from dataclasses import replace
from typing import Any

import pytest

from booking.errors import PlanRulesBroken
from booking.scheduling.plans.keeping import Role
from booking.scheduling.plans.windows import Presence, TimeWindow
from booking.services.clinic_file import ClinicFile
from booking.services.plans.booking import book
from tests.clinics import plan_clinic, plan_template, set_up
from tests.services.plans.making import proposed, wish

pytestmark = pytest.mark.usefixtures("standing_clock", "context")

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


def test_who_books_without_saying_when_they_can_come_could_when_it_was_proposed(
    context: Any, standing_clock: Any
) -> None:
    """Their hours were so narrow that there was no time for the look in them; in whatever hours it could be had."""
    look = {
        "acupuncture-reassessment": {
            "phases": [{"name": "look", "minutes": 60, "needs": ["practitioner", "room"]}]
        }
    }
    definition = plan_clinic(plan_templates=[ONCE_A_WEEK]).model_dump(mode="json")
    types = [one | look.get(one["id"], {}) for one in definition["visit_types"]]
    set_up(ClinicFile.model_validate(definition | {"visit_types": types}))
    narrow = Presence((TimeWindow(frozenset({1}), 15 * 60, 15 * 60 + 50),))
    proposal = proposed("weekly", presence=narrow)[0]
    assert not proposal.looked_at and proposed("weekly")[0].looked_at
    assert len(book(wish(proposal, "weekly"), actor="t", key="without-3").visits) == 4
