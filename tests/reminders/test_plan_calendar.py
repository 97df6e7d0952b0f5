"""The calendar of a patient who opens the file of each mail about their plan: what stands in it is what stands."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from icalendar import Calendar

from booking.models import BookableBy, Patient
from booking.services.clinic import present
from booking.services.desk import panel, records
from booking.services.desk.moving import Place, change
from booking.services.plans import as_told
from booking.services.plans.booking import BookedPlan
from booking.services.plans.changing import Decision, cancel_from, decide, pause, stop, told_now
from booking.services.plans.frequency import change_doses
from booking.services.plans.make_ups import make_up_times
from booking.services.plans.repairing import take_for
from booking.services.plans.shifting import shift
from tests.clinics import plan_clinic, plan_template, set_up
from tests.conftest import StandingClock
from tests.reminders.conftest import drain
from tests.reminders.sink import Sink
from tests.services.making import rows
from tests.services.plans.making import FOLLOW_UP, patient, practitioner, prescribed, running, seen
from tests.staffing import hired

pytestmark = pytest.mark.usefixtures("standing_clock", "context")

HOUR = timedelta(hours=1)
Doing = Callable[[BookedPlan], object]


@pytest.fixture(autouse=True)
def clinic_with_plans(app: Flask, context: Any, standing_clock: Any) -> None:
    set_up(plan_clinic())


def known(made: BookedPlan, standing_clock: StandingClock) -> BookedPlan:
    """What was said of its visits has gone, two hours ago."""
    drain()
    standing_clock.on(hours=2)
    return made


@pytest.fixture
def weekly(sink: Sink, standing_clock: StandingClock) -> BookedPlan:
    """Six visits, one a week."""
    return known(running(prescribed(patient(), "weekly")), standing_clock)


def in_calendar(sink: Sink) -> dict[str, datetime]:
    """By their references when the visits begin in the calendar of whoever opened the files of all mails."""
    entries: dict[str, Any] = {}
    for mail in sink.taken:
        for part in mail.walk():
            if part.get_content_type() == "text/calendar":
                for one in Calendar.from_ical(part.get_payload(decode=True)).walk("vevent"):
                    there = entries.get(one["uid"])
                    if there is None or there["sequence"] <= one["sequence"]:
                        entries[one["uid"]] = one
    return {
        uid.partition("@")[0]: one["dtstart"].dt
        for uid, one in entries.items()
        if one["status"] != "CANCELLED"
    }


def standing(plan: BookedPlan) -> dict[str, datetime]:
    return {one.reference: one.starts_at for one in seen(plan).standing}


def changed_in(sink: Sink) -> str:
    """What the last mail says of the visits that are otherwise by now."""
    said = str(sink.taken[-1].get_body(("plain",)).get_content())
    return said.partition("All other visits")[0].partition("No other visits")[0]


def named(at: datetime) -> str:
    return f"{present().times.moment(at)}, with Mei Tanaka"


# Moved, and cancelled before that was told


def shifted(plan: BookedPlan) -> None:
    first = seen(plan).standing[0]
    shift(hired(), plan.reference, first.reference, first.starts_at + HOUR, None, key="shift-001")


def moved(plan: BookedPlan) -> None:
    visit = seen(plan).standing[1]
    there = Place(starts_at=visit.starts_at + 4 * HOUR)
    change(hired(), visit.reference, there, version=None, reason="Mei is late.", key="move-0001")


def stopped(plan: BookedPlan) -> None:
    stop(hired(), plan.reference, "Gone abroad", key="stop-0001")


def paused(plan: BookedPlan) -> None:
    day = seen(plan).standing[1].starts_at.date()
    pause(hired(), plan.reference, day, day, "Away", key="pause-001")


@pytest.mark.parametrize("then", [stopped, paused])
@pytest.mark.parametrize("first", [shifted, moved])
def test_what_is_moved_and_cancelled_before_that_is_told_leaves_the_calendar_and_is_named_as_it_was_known(
    weekly: BookedPlan, sink: Sink, standing_clock: StandingClock, first: Doing, then: Doing
) -> None:
    knew = standing(weekly)
    assert in_calendar(sink) == knew
    first(weekly)
    standing_clock.on(minutes=1)
    then(weekly)
    standing_clock.on(minutes=5)
    drain()
    stands = standing(weekly)
    assert in_calendar(sink) == stands
    gone = [reference for reference in knew if reference not in stands]
    assert gone and [at for one in gone if named(at := knew[one]) not in changed_in(sink)] == []
    for reference in gone:
        shown = panel.panel(hired(), reference).messages
        assert ("plan-change", "sent") in {(one.kind, one.state.value) for one in shown}


# Cancelled, and booked anew at its time before that was told


@pytest.fixture
def often(sink: Sink, standing_clock: StandingClock) -> BookedPlan:
    """Three visits a week for two weeks, and as many again once somebody has decided."""
    weeks = {"weeks": 2, "doses": {FOLLOW_UP: 3}}
    stages = plan_template("often", {}, reassessment=["acupuncture-reassessment"], phases=[weeks, weeks])
    set_up(plan_clinic(plan_templates=[stages]))
    return known(running(prescribed(patient(), "often")), standing_clock)


def so_often(plan: BookedPlan, week: int, visits: int, *, tell: bool = True) -> None:
    doses, key = {FOLLOW_UP: (visits, visits)}, f"doses-{week}-{visits}"
    change_doses(hired(), plan.reference, week, doses, "", tell=tell, key=key)


def is_said_to_be_new(sink: Sink, at: datetime) -> bool:
    return f"{named(at)}. It is booked anew at the same time, with a new link." in changed_in(sink)


def test_visits_that_are_booked_anew_at_the_times_of_others_are_told_and_take_their_places_in_the_calendar(
    often: BookedPlan, sink: Sink, standing_clock: StandingClock
) -> None:
    knew = standing(often)
    so_often(often, 1, 2)
    standing_clock.on(minutes=1)
    so_often(often, 1, 3)
    standing_clock.on(minutes=5)
    drain()
    stands = standing(often)
    assert in_calendar(sink) == stands
    anew = [at for one, at in stands.items() if one not in knew and at in knew.values()]
    assert anew and [at for at in anew if not is_said_to_be_new(sink, at)] == []
    assert [at for at in anew if changed_in(sink).count(named(at)) > 1] == []


def test_so_are_those_that_are_booked_anew_while_a_decision_waits(
    often: BookedPlan, sink: Sink, standing_clock: StandingClock
) -> None:
    knew = standing(often)
    decide(practitioner(), often.reference, Decision.CONTINUE, told=False, key="decide-01")
    standing_clock.on(days=1)
    so_often(often, 2, 2, tell=False)
    standing_clock.on(days=1)
    so_often(often, 2, 3, tell=False)
    moved(often)
    standing_clock.on(minutes=5)
    drain()
    assert set(in_calendar(sink)) == set(knew)
    told_now(practitioner(), often.reference, key="told-0001")
    standing_clock.on(minutes=5)
    drain()
    stands = standing(often)
    assert in_calendar(sink) == stands
    anew = [at for one, at in stands.items() if one not in knew and at in knew.values()]
    assert anew and [at for at in anew if not is_said_to_be_new(sink, at)] == []


def test_what_they_knew_leaves_the_calendar_once_they_are_told_that_it_is_over(
    often: BookedPlan, sink: Sink, standing_clock: StandingClock
) -> None:
    knew = standing(often)
    decide(practitioner(), often.reference, Decision.CONTINUE, told=False, key="decide-01")
    so_often(often, 1, 2, tell=False)
    so_often(often, 1, 3, tell=False)
    assert [one for one, at in standing(often).items() if one not in knew and at in knew.values()]
    decide(practitioner(), often.reference, Decision.STOP, told=True, key="decide-02")
    standing_clock.on(minutes=5)
    drain()
    assert in_calendar(sink) == standing(often) == {}
    for reference in knew:
        shown = panel.panel(hired(), reference).messages
        assert ("plan-change", "sent") in {(one.kind, one.state.value) for one in shown}


def test_what_comes_and_goes_while_a_decision_waits_is_not_on_their_page(
    often: BookedPlan, standing_clock: StandingClock
) -> None:
    knew = standing(often)

    def shown() -> dict[str, str]:
        return {
            one.reference: one.status.value for one in as_told.by_link(often.reference, often.token).visits
        }

    decide(practitioner(), often.reference, Decision.CONTINUE, told=False, weeks=2, key="decide-01")
    so_often(often, 1, 2, tell=False)
    standing_clock.on(minutes=10)
    so_often(often, 1, 3, tell=False)
    standing_clock.on(minutes=10)
    came = standing(often).keys() - knew.keys()
    assert came and not came & shown().keys()
    so_often(often, 1, 2, tell=False)
    gone = came - standing(often).keys()
    assert gone and not gone & shown().keys()
    assert shown().keys() >= knew.keys()


def test_what_its_patient_cancelled_and_somebody_books_at_its_time_is_told(
    weekly: BookedPlan, sink: Sink, standing_clock: StandingClock
) -> None:
    last = seen(weekly).standing[-1]
    cancel_from(weekly.reference, weekly.token, last.reference, "", actor="rosa", key="from-0001")
    offered = make_up_times(seen(weekly), BookableBy.STAFF)[0]
    care, who = offered.missed.care.slug, last.practitioner.slug
    take_for(hired(), weekly.reference, offered.missed.week, care, last.starts_at, who, key="make-up-1")
    standing_clock.on(minutes=5)
    drain()
    assert in_calendar(sink) == standing(weekly) and is_said_to_be_new(sink, last.starts_at)


def test_what_is_booked_anew_and_moved_before_that_is_told_is_another_visit(
    often: BookedPlan, sink: Sink, standing_clock: StandingClock
) -> None:
    knew = standing(often)
    so_often(often, 1, 2)
    so_often(often, 1, 3)
    (visit, *_) = [one for one in seen(often).standing if one.reference not in knew and one.week == 1]
    shift(
        hired(),
        often.reference,
        visit.reference,
        visit.starts_at + HOUR,
        None,
        "Late",
        partly=True,
        key="shift-002",
    )
    standing_clock.on(minutes=5)
    drain()
    assert visit.starts_at in knew.values() and in_calendar(sink) == standing(often)
    assert f"It was {present().times.moment(visit.starts_at)}" not in changed_in(sink)


def test_what_a_list_to_another_address_has_told_and_is_given_up_next_leaves_the_calendar(
    weekly: BookedPlan, sink: Sink, standing_clock: StandingClock
) -> None:
    desk, (who,) = hired(), rows(Patient)
    change_doses(desk, weekly.reference, 2, {FOLLOW_UP: (3, 3)}, "", key="doses-001")
    values, version, _ = records.to_edit(desk, who["reference"])
    other = replace(values, email="rosa.lima@example.com")
    records.edit(desk, who["reference"], other, version=version, visits_too=True, key="edit-0001")
    standing_clock.on(minutes=1)
    drain()
    assert in_calendar(sink) == standing(weekly)
    told = len(sink.taken)
    change_doses(desk, weekly.reference, 2, {FOLLOW_UP: (1, 1)}, "", key="doses-002")
    standing_clock.on(minutes=5)
    drain()
    assert in_calendar(sink) == standing(weekly)
    assert len(sink.taken) == told + 1 and "Cancelled:" in changed_in(sink)
