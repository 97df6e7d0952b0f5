"""What a change of a plan tells to whom: also those who can only be called."""

from datetime import timedelta
from typing import Any

import pytest

from booking.models import Appointment, BookableBy, Message, Reminders
from booking.reminders.delivery import deliver_due
from booking.services.desk import calls
from booking.services.desk.whom_to_call import Outcome
from booking.services.plans.booking import BookedPlan
from booking.services.plans.changing import cancel_from, pause, stop
from booking.services.plans.repairing import make_up_times, take_for
from booking.services.plans.shifting import shift
from tests.clinics import plan_clinic, set_up
from tests.services.making import rows
from tests.services.plans.making import patient, prescribed, running, seen
from tests.staffing import hired

pytestmark = pytest.mark.usefixtures("standing_clock", "context")

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def clinic_with_plans(context: Any, standing_clock: Any) -> None:
    set_up(plan_clinic())


def weekly(**how: Any) -> BookedPlan:
    return running(prescribed(patient(**how), "weekly"))


@pytest.fixture
def by_telephone() -> BookedPlan:
    """A plan of somebody who has nothing but a telephone."""
    made = prescribed(patient(email=None), "weekly")
    return running(made, reminders=Reminders.CALL)


def paused(plan: BookedPlan, number: int, *, tell: bool = True) -> None:
    day = seen(plan).visits[number].starts_at.date()
    pause(hired(), plan.reference, day, day, "Away", tell=tell, key=f"pause-{number}")


def made_up(plan: BookedPlan) -> None:
    offered = make_up_times(seen(plan), BookableBy.STAFF)[0]
    time, missed = offered.times[0], offered.missed
    who, care = time.practitioner.slug, missed.care.slug
    take_for(hired(), plan.reference, missed.week, care, time.starts_at, who, key="make-up-1")


def to_call() -> list[tuple[str, str, str]]:
    """Who is on the list of calls: of which visit, about what and why."""
    deliver_due()
    return [(one.reference, one.kind, one.why.value) for one in calls.call_list(hired()).calls]


def test_who_can_only_be_called_is_called_about_the_next_visit_that_stands(by_telephone: BookedPlan) -> None:
    first, second, *_ = [one.reference for one in seen(by_telephone).visits]
    paused(by_telephone, 0)
    assert to_call() == [(second, "change", "asked")]
    assert {row["address"] for row in rows(Message) if row["kind"] == "change"} == {"+18185550123"}
    # Whoever was reached about one change has still to hear of the next.
    calls.settle(hired(), second, Outcome.REACHED, key="call-0001")
    assert to_call() == []
    paused(by_telephone, 3)
    assert to_call() == [(second, "change", "asked")]
    assert first != second


def test_they_are_called_about_all_that_is_cancelled_moved_and_made_up(by_telephone: BookedPlan) -> None:
    second = seen(by_telephone).visits[1]
    shift(hired(), by_telephone.reference, second.reference, second.starts_at + HOUR, None, key="shift-001")
    assert [kind for _, kind, _ in to_call()] == ["change"]
    first = seen(by_telephone).visits[0].reference
    calls.settle(hired(), first, Outcome.REACHED, key="call-0001")
    paused(by_telephone, 2, tell=False)
    assert to_call() == []
    made_up(by_telephone)
    assert to_call() == [(first, "change", "asked")]
    stop(hired(), by_telephone.reference, "Gone abroad", key="stop-0001")
    last = max(rows(Appointment), key=lambda row: row["from_cell"])
    assert to_call() == [(last["reference"], "cancellation", "asked")]


def test_nobody_is_called_about_what_they_did_or_have_heard(by_telephone: BookedPlan) -> None:
    paused(by_telephone, 0, tell=False)
    third = seen(by_telephone).standing[2].reference
    cancel_from(by_telephone.reference, by_telephone.token, third, "Moving", actor="t", key="cancel-01")
    assert to_call() == []


def test_who_is_written_to_is_not_called() -> None:
    plan = weekly()
    paused(plan, 0)
    assert [row["channel"] for row in rows(Message) if row["kind"] == "plan-change"] == ["email"]
    assert not [row for row in rows(Message) if row["channel"] == "call"]
