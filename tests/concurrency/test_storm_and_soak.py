"""The storms and soaks in their short form; `make storm` and `make soak` have the long ones."""

from datetime import UTC, datetime
from typing import Any

import pytest

from bench import plan_soak, plan_storm, soak, storm
from tests.conftest import KINDS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

BOTH = pytest.mark.parametrize("kind", KINDS)


def fine(found: dict[str, Any]) -> None:
    assert found["overlaps"] == 0, found
    assert found["half_bookings"] == 0, found
    assert found.get("faults", 0) == 0, found


@BOTH
def test_a_storm_through_the_use_cases(kind: str) -> None:
    found = storm.through_use_cases(kind, attempts=240, processes=2)
    fine(found)
    assert found["outcomes"]["booked"] > 20
    assert found["outcomes"]["slot_taken"] > 20


@BOTH
def test_a_storm_at_the_desk(kind: str) -> None:
    found = storm.through_the_desk(kind, attempts=240, processes=2)
    fine(found)
    for something in ("changed", "undone", "clash"):
        assert found["outcomes"][something] > 5, found


@BOTH
def test_a_storm_through_http(kind: str) -> None:
    found = storm.through_http(kind, attempts=240)
    fine(found)
    assert found["outcomes"]["201"] > 20
    assert found["outcomes"]["409"] > 20


@BOTH
def test_a_storm_of_whole_plans(kind: str) -> None:
    found = plan_storm.through_plans(kind, attempts=24, processes=2)
    fine(found)
    assert found["outcomes"]["booked"] > 8 and found["outcomes"]["some lost"] > 4, found


@BOTH
def test_the_mutant_without_guards_double_books(kind: str) -> None:
    assert storm.mutant(kind) >= 100


@BOTH
def test_killed_workers_lose_no_reminder(kind: str) -> None:
    found = soak.killed_workers(kind, reminders=60, kills=2, texts=30)
    assert found["kills"] == 2
    for nothing in ("lost", "texts_lost", "texts_twice", "not_sent"):
        assert not found[nothing], found
    assert found["repeats"] <= found["kills"]


@BOTH
def test_killed_web_workers_leave_no_half_booking(kind: str) -> None:
    found = soak.killed_web_workers(kind, bookings=80, kills=4)
    assert found["kills"] > 0
    assert found["acknowledged"] == 80
    for nothing in ("half_bookings", "overlaps", "acknowledged_but_not_there", "there_but_not_acknowledged"):
        assert found[nothing] == 0, found


@BOTH
@pytest.mark.parametrize(
    "first",
    [datetime(2026, 3, 2, 8, tzinfo=UTC), datetime(2026, 10, 26, 8, tzinfo=UTC)],
    ids=["spring", "fall"],
)
def test_weeks_around_a_clock_change(kind: str, first: datetime) -> None:
    found = soak.simulated(kind, first, days=12)
    for nothing in soak.WRONG:
        assert not found[nothing], found
    for something in ("moved", "cancelled", "stopped", "lost_and_written_again"):
        assert found[something], found
    assert {"reminder-3d by text", "reminder-1d by email", "reminder-1d by call"} <= found["heard"].keys()


@BOTH
def test_weeks_of_patients_on_plans(kind: str) -> None:
    """Around a clock change, with visits that are missed, made up, and decided upon."""
    found = plan_soak.simulated(kind, datetime(2026, 2, 16, 16, tzinfo=UTC), days=33, patients=3)
    for nothing in plan_soak.WRONG:
        assert not found[nothing], found
    assert found["begun"] == 3 and found["confirmed"] and found["sent"]["reminder-1d"] > 20, found
