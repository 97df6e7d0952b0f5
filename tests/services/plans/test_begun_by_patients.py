"""What a plan that its patient begins is until a practitioner has examined them: as the clinic's file says."""

from typing import Any

import pytest
from sqlalchemy import update

from booking import clock
from booking.models import Appointment
from booking.scheduling.status import Status
from booking.services.plans.adherence import Need, adherence
from booking.services.plans.booking import book
from booking.services.plans.changing import Decision, decide
from booking.services.transaction import run
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


def test_what_was_only_penciled_in_and_is_over_has_not_been_come_to(
    context: Any, standing_clock: StandingClock
) -> None:
    set_up(plan_clinic())
    made = book(wish(proposed("disc-gentle")[0], "disc-gentle"), actor="t", key="gentle-1")
    standing_clock.on(days=60)
    plan = seen(made)
    assert sum(one.came(clock.now()) for one in plan.visits) == 2, "the first of each kind"
    assert sum(dose.attended for week in plan.weeks for dose in week.doses) == 2
    (row,) = adherence(hired()).rows
    assert Need.UNCONFIRMED in row.needs and Need.UNDECIDED not in row.needs and Need.GATE not in row.needs
    # Whoever is checked in has come all the same.
    penciled = next(one for one in plan.visits if one.penciled)
    settled = update(Appointment).where(Appointment.id == penciled.id).values(status=Status.FULFILLED)
    run(lambda session: session.execute(settled))
    assert sum(one.came(clock.now()) for one in seen(made).visits) == 3


@pytest.mark.parametrize("setting", [{}, {"plans_patients_begin": "firm"}], ids=["penciled", "firm"])
def test_whoever_decides_how_it_goes_on_lifts_the_limits(
    context: Any, standing_clock: StandingClock, setting: dict[str, Any]
) -> None:
    set_up(plan_clinic(rules=setting))
    made = book(wish(proposed("disc-gentle")[0], "disc-gentle"), actor="t", key="gentle-1")
    standing_clock.on(minutes=10)
    decide(practitioner(), made.reference, Decision.CONTINUE, told=True, weeks=2, key="decide-01")
    assert not seen(made).is_limited
