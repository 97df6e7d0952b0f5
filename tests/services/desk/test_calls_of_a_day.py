"""Visits of one day are one call: who comes to two on one trip is reminded once."""

from datetime import timedelta

import pytest
from flask import Flask

from booking.models import Message, PlanReminders, Reminders
from booking.reminders.delivery import deliver_due
from booking.services import links, visits
from booking.services.clinic import present
from booking.services.desk import calls, moving, statuses
from booking.services.desk.moving import Place
from booking.services.desk.pressing import pressing
from booking.services.desk.whom_to_call import Outcome
from booking.services.plans.booking import BookedPlan
from tests.clinics import plan_clinic, set_up
from tests.conftest import StandingClock
from tests.services.making import NEXT_WEEK, booked, rows
from tests.services.plans.making import patient, prescribed, running, seen
from tests.staffing import hired

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def plan(context: Flask, standing_clock: StandingClock) -> BookedPlan:
    """Of somebody who is reminded by telephone: acupuncture and chiropractic on one trip, tomorrow."""
    set_up(plan_clinic())
    made = running(
        prescribed(patient(email=None), "disc"), reminders=Reminders.CALL, reminded_of=PlanReminders.EACH
    )
    standing_clock.at(seen(made).visits[0].starts_at - 20 * HOUR)
    drained()
    return made


def drained() -> None:
    while deliver_due():
        pass


def listed() -> list[tuple[str, str, list[str]]]:
    """Of each card its visit, what is to be said, and the visits that are told along. As many as the number at the desk says."""
    found = calls.call_list(hired()).calls
    assert pressing(hired(), present()).calls == len(found)
    return [(one.reference, one.kind, [other.reference for other in one.also]) for one in found]


def settled() -> list[str]:
    return [row["settled_as"] for row in rows(Message) if row["kind"] == "reminder-1d" and row["settled_at"]]


def test_two_visits_of_one_trip_are_one_call_that_settles_both(plan: BookedPlan) -> None:
    first, second, *_ = [one.reference for one in seen(plan).visits]
    assert listed() == [(first, "reminder", [second])]
    (call,) = calls.call_list(hired()).calls
    assert call.why is calls.Why.WANTED
    calls.settle(hired(), first, Outcome.NO_ANSWER, key="call-0001")
    assert [one.tries for one in calls.call_list(hired()).calls] == [1]
    calls.settle(hired(), first, Outcome.REACHED, key="call-0002")
    assert (listed(), settled()) == ([], ["reached", "reached"])
    calls.put_back(hired(), first, key="back-0001")
    assert (listed(), settled()) == ([(first, "reminder", [second])], [])


def test_of_two_reminders_that_wait_each_visit_is_named_once(
    context: Flask, standing_clock: StandingClock
) -> None:
    set_up()
    first, second = (
        booked(at, phone="+18185550123", email=None, reminders=Reminders.CALL).reference
        for at in (NEXT_WEEK, NEXT_WEEK + HOUR)
    )
    for before in (3 * DAY, DAY):
        standing_clock.at(NEXT_WEEK - before + HOUR)
        drained()
    waits = sorted(row["kind"] for row in rows(Message) if row["state"] == "to_call")
    assert waits == ["reminder-1d", "reminder-1d", "reminder-3d", "reminder-3d"]
    assert listed() == [(first, "reminder", [second])]


def test_the_second_is_called_about_by_itself_once_the_first_is_off(plan: BookedPlan) -> None:
    first, second, *_ = [one.reference for one in seen(plan).visits]
    statuses.cancel(hired(), first, reason="Mei is ill.", tell=False, key="cancel-01")
    assert listed() == [(second, "reminder", [])]


def test_a_change_of_the_second_is_a_call_by_itself(plan: BookedPlan, standing_clock: StandingClock) -> None:
    first, second, *_ = seen(plan).visits
    place = Place(starts_at=second.starts_at + 2 * HOUR)
    moving.change(hired(), second.reference, place, version=None, reason="Aaron is late.", key="move-0001")
    standing_clock.on(minutes=4)
    drained()
    assert listed() == [(first.reference, "reminder", []), (second.reference, "change", [])]


def test_who_has_another_number_is_called_by_themselves(
    context: Flask, standing_clock: StandingClock
) -> None:
    set_up(plan_clinic())
    made = prescribed(patient(email=None), "disc")
    plan = running(made, reminders=Reminders.CALL, reminded_of=PlanReminders.EACH)
    first, second, *_ = seen(plan).visits
    token = links.token(second.reference, 1)
    visits.correct_contact(second.reference, token, None, "+18185550177", actor="son", key="contact-1")
    standing_clock.at(first.starts_at - 20 * HOUR)
    drained()
    assert listed() == [(first.reference, "reminder", []), (second.reference, "reminder", [])]
