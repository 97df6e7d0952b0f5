"""The calendar of a patient who opens the file of each mail about their plan: what stands in it is what stands."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from icalendar import Calendar

from booking.services.clinic import present
from booking.services.desk import panel
from booking.services.desk.moving import Place, change
from booking.services.plans.booking import BookedPlan
from booking.services.plans.changing import pause, stop
from booking.services.plans.shifting import shift
from tests.clinics import plan_clinic, set_up
from tests.conftest import StandingClock
from tests.reminders.conftest import drain
from tests.reminders.sink import Sink
from tests.services.plans.making import patient, prescribed, running, seen
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
