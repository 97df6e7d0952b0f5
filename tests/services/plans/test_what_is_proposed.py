"""What is proposed can be booked: whoever proposes and whoever checks keep the same rules."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from booking.errors import PlanRulesBroken
from booking.scheduling.plans.keeping import Role
from booking.services.plans.adherence import Need, adherence
from booking.services.plans.booking import book
from tests.clinics import plan_clinic, plan_template, set_up
from tests.services.plans.making import BOTH, FIRST_DAY, proposed, wish
from tests.staffing import hired

pytestmark = pytest.mark.usefixtures("standing_clock", "context")

ACUPUNCTURE, CHIROPRACTIC = "acupuncture-follow-up", "chiropractic-follow-up"


def template(slug: str, *phases: tuple[int, dict[str, int]], by: str, **how: Any) -> dict[str, Any]:
    """With so many weeks and doses a phase, after each of which is looked `by` these modalities."""
    return plan_template(
        slug,
        {},
        self_service=True,
        phases=[{"weeks": weeks, "doses": doses} for weeks, doses in phases],
        reassessment=[f"{modality}-reassessment" for modality in by.split()],
        **how,
    )


THRICE, BOTH_KINDS = {ACUPUNCTURE: 3}, {ACUPUNCTURE: 3, CHIROPRACTIC: 2}
TEMPLATES = [
    template("one-stage", (2, THRICE), by="acupuncture"),
    template("thirteen", (5, THRICE), by="acupuncture"),
    template("two-stages", (2, THRICE), (2, THRICE), by="acupuncture"),
    template("by-either", (2, BOTH_KINDS), (2, BOTH_KINDS), by="acupuncture chiropractic"),
    template("few-trips", (1, {CHIROPRACTIC: 3}), (1, {CHIROPRACTIC: 3}), by="acupuncture", most_trips=3),
    template("three-stages", (1, THRICE), (1, THRICE), (1, {ACUPUNCTURE: 1}), by="acupuncture"),
]
KNOWN = {"returning": BOTH}
NEW_AND_FAR = {"returning": frozenset(), "first_day": FIRST_DAY + timedelta(days=91)}


@pytest.fixture(autouse=True)
def clinic_with_plans(context: Any, standing_clock: Any) -> None:
    set_up(plan_clinic(plan_templates=TEMPLATES))


@pytest.mark.parametrize("how", [KNOWN, NEW_AND_FAR], ids=["known", "new, across the horizon"])
def test_what_is_proposed_is_booked(how: dict[str, Any]) -> None:
    for one in TEMPLATES:
        slug = one["id"]
        proposal = proposed(slug, **how)[0]
        asked = wish(
            proposal, slug, email=f"{slug}@example.com", **how | {"returning": tuple(how["returning"])}
        )
        assert len(book(asked, actor="t", key=f"proposed {slug}").visits) == len(proposal.visits)


def test_nobody_looks_again_after_a_stage_of_which_the_horizon_leaves_a_part() -> None:
    """Else its last weeks would lie behind a look that came too early, and could never be booked."""
    cut = proposed("by-either", first_day=FIRST_DAY + timedelta(days=91), returning=BOTH)[0]
    assert [one.role for one in cut.visits].count(Role.REASSESSMENT) == 1
    cut = proposed("one-stage", first_day=FIRST_DAY + timedelta(days=105), returning=BOTH)[0]
    assert [one.role for one in cut.visits] == [Role.DOSE] * 3


def test_a_look_that_can_be_had_isnt_left_out_where_another_cant() -> None:
    proposal = proposed("two-stages")[0]
    looks = [one for one in proposal.visits if one.role is Role.REASSESSMENT]
    assert [one.week >= 3 for one in looks] == [True]
    without = replace(proposal, visits=tuple(one for one in proposal.visits if one not in looks))
    with pytest.raises(PlanRulesBroken) as refused:
        book(wish(without, "two-stages"), actor="t", key="without-3")
    assert refused.value.facts["faults"] == [{"rule": "no_reassessment", "week": 4, "care": ""}]


def test_the_board_says_which_stage_has_no_look() -> None:
    booked = book(wish(proposed("two-stages")[0], "two-stages"), actor="t", key="two-stages")
    row = next(row for row in adherence(hired()).rows if row.reference == booked.reference)
    # Not that of the second stage: seven days after the first one's last week, at the latest.
    assert Need.NO_REASSESSMENT in row.needs and row.gate_on == FIRST_DAY + timedelta(days=20)
