"""What was decided of a plan and waits to be told: what of it the desk tells on the telephone, and what it takes back."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from booking.models import PlanReminders, Reminders
from booking.scheduling.plans.keeping import Role as PlanRole
from booking.services import links, visits
from booking.services.desk import calls, statuses, undoing
from booking.services.desk.moving import Place, change
from booking.services.desk.states import Changed
from booking.services.desk.whom_to_call import Outcome
from booking.services.plans.booking import BookedPlan
from booking.services.plans.changing import Decision, decide, told_now
from booking.services.plans.visits import PlanVisit
from tests.clinics import plan_template
from tests.reminders.conftest import drain
from tests.reminders.sink import Sink
from tests.reminders.test_not_told_yet import HOUR, added, known, mail, says, told_at_last, words
from tests.services.plans.making import (
    FOLLOW_UP,
    at,
    patient,
    practitioner,
    prescribed,
    running,
    seen,
    where_mei_is_alone,
)
from tests.staffing import hired

pytestmark = pytest.mark.usefixtures("standing_clock", "context")


@pytest.fixture
def plan(sink: Sink, standing_clock: Any) -> BookedPlan:
    """A plan whose second week waits for a decision."""
    where_mei_is_alone()
    return known(running(prescribed(patient(), "stages")), sink, standing_clock)


@pytest.fixture
def visit(plan: BookedPlan) -> PlanVisit:
    """One of that week."""
    return next(one for one in seen(plan).standing if one.penciled and one.role is PlanRole.DOSE)


def goes_on(plan: BookedPlan, *, told: bool = False) -> None:
    decide(practitioner(), plan.reference, Decision.CONTINUE, told=told, key="decide-01")


def moved(visit: PlanVisit, by: timedelta = HOUR) -> Changed:
    there = Place(starts_at=visit.starts_at + by)
    return change(hired(), visit.reference, there, version=None, reason="Late", key=f"move {by}")


def moved_on(visit: PlanVisit) -> Changed:
    return moved(visit, 2 * HOUR)


def cancelled(visit: PlanVisit) -> Changed:
    return statuses.cancel(hired(), visit.reference, reason="Ill", key="cancel-01")


def undone(done: Changed) -> None:
    assert done.entry_id is not None
    undoing.undo(hired(), done.entry_id, key="undo-0001")


def call_all() -> list[calls.Call]:
    """Calls everybody on the list, and reaches them."""
    drain()
    found = calls.call_list(hired()).calls
    for one in found:
        calls.settle(hired(), one.reference, Outcome.REACHED, key=f"{one.kind} {one.starts_at}")
    return list(found)


@pytest.fixture
def called(sink: Sink, standing_clock: Any) -> PlanVisit:
    """A visit that a decision added, and that a list of the week by telephone is to name: of the plan of somebody without mail."""
    weeks = [{"weeks": 1, "doses": {FOLLOW_UP: number}} for number in (2, 1)]
    where_mei_is_alone(plan_template("fewer", {}, reassessment=["acupuncture-reassessment"], phases=weeks))
    made = running(
        prescribed(patient(email=None), "fewer"), reminders=Reminders.CALL, reminded_of=PlanReminders.DIGEST
    )
    known(made, sink, standing_clock)
    goes_on(made)
    call_all()
    standing_clock.at(at(date(2026, 9, 25), 10, 5))
    return added(made)


def test_a_list_of_the_week_by_telephone_has_told_of_its_visits_once_it_was_made(
    called: PlanVisit, standing_clock: Any
) -> None:
    (card,) = call_all()
    assert called.starts_at in {one.starts_at for one in (card, *card.also)}
    standing_clock.on(hours=1)
    assert cancelled(called).to_call


def test_a_list_by_telephone_that_was_put_back_has_told_nothing(
    called: PlanVisit, standing_clock: Any
) -> None:
    (card,) = call_all()
    calls.put_back(hired(), card.reference, key="back-0001")
    standing_clock.on(hours=1)
    assert not cancelled(called).to_call


@pytest.mark.parametrize("then", [moved_on, cancelled])
def test_an_undo_leaves_to_be_told_what_the_change_took_the_place_of(
    plan: BookedPlan, visit: PlanVisit, sink: Sink, standing_clock: Any, then: Callable[[PlanVisit], Changed]
) -> None:
    goes_on(plan)
    moved(visit)
    standing_clock.on(minutes=1)
    undone(then(visit))
    told = words(mail(sink, standing_clock))
    assert f"It was {says(visit)}" in told and says(visit, HOUR) in told
    told = told_at_last(plan, sink, standing_clock)
    assert "It was" not in told and says(visit, HOUR) in told


def test_what_was_told_at_last_says_nothing_of_a_move_that_is_taken_back(
    plan: BookedPlan, visit: PlanVisit, sink: Sink, standing_clock: Any
) -> None:
    goes_on(plan)
    done = moved(visit)
    standing_clock.on(minutes=1)
    told_now(practitioner(), plan.reference, key="told-0001")
    standing_clock.on(minutes=1)
    undone(done)
    told = words(mail(sink, standing_clock))
    assert "It was" not in told and says(visit) in told


def test_a_card_names_no_message_from_before_the_change_that_it_is_about(
    plan: BookedPlan, visit: PlanVisit, sink: Sink, standing_clock: Any
) -> None:
    goes_on(plan, told=True)
    mail(sink, standing_clock)
    visits.correct_contact(
        visit.reference,
        links.token(visit.reference, visit.link_number),
        None,
        "+18185550199",
        reminders=Reminders.CALL,
        actor="rosa",
        key="rosa-0001",
    )
    standing_clock.at(visit.starts_at - 3 * HOUR)
    drain()
    cancelled(visit)
    standing_clock.on(minutes=5)
    drain()
    (card,) = (one for one in calls.call_list(hired()).calls if one.reference == visit.reference)
    assert card.kind == "cancellation" and card.written is None
