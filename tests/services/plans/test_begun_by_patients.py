"""What a plan that its patient begins is until a practitioner has examined them: as the clinic's file says."""

from typing import Any

import pytest

from booking.models import Appointment
from booking.services.plans.adherence import Need, adherence
from booking.services.plans.booking import book
from booking.services.plans.changing import Decision, decide
from tests.clinics import plan_clinic, set_up
from tests.conftest import StandingClock
from tests.services.making import rows
from tests.services.plans.making import practitioner, proposed, seen, wish
from tests.staffing import hired

pytestmark = pytest.mark.usefixtures("standing_clock", "context")


@pytest.mark.parametrize(("setting", "firm"), [({}, 2), ({"plans_patients_begin": "firm"}, 13)])
def test_the_clinics_file_says_whether_it_waits(
    context: Any, standing_clock: Any, setting: dict[str, Any], firm: int
) -> None:
    set_up(plan_clinic(rules=setting))
    proposal = proposed("disc-gentle")[0]
    assert sum(not one.penciled for one in proposal.visits) == firm
    made = book(wish(proposal, "disc-gentle"), actor="t", key="gentle-1")
    booked = rows(Appointment)
    assert len(booked) == 13 and sum(not row["penciled"] for row in booked) == firm
    needs = {need for row in adherence(hired()).rows for need in row.needs}
    assert (Need.NOT_CONFIRMED in needs) == (not setting)
    # Whoever began it by themselves is bound by the clinic's limits as before.
    assert seen(made).is_limited


@pytest.mark.parametrize("setting", [{}, {"plans_patients_begin": "firm"}], ids=["penciled", "firm"])
def test_whoever_decides_how_it_goes_on_lifts_the_limits(
    context: Any, standing_clock: StandingClock, setting: dict[str, Any]
) -> None:
    set_up(plan_clinic(rules=setting))
    made = book(wish(proposed("disc-gentle")[0], "disc-gentle"), actor="t", key="gentle-1")
    standing_clock.on(minutes=10)
    decide(practitioner(), made.reference, Decision.CONTINUE, told=True, weeks=2, key="decide-01")
    assert not seen(made).is_limited
