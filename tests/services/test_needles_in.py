"""Where needles are in: rooms and times, of the visits that somebody gives, or of all for the desk."""

from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any

import pytest

from booking.models import Role
from booking.services.clinic import present
from booking.services.desk import statuses
from booking.services.needles_in import RoomWithNeedles, rooms_with_needles
from booking.services.staff.who import Who
from tests.clinics import clinic, needled, practitioner, rooms, set_up
from tests.conftest import StandingClock
from tests.services.making import NINE, booked
from tests.staffing import hired


@pytest.fixture
def dana(context: Any, standing_clock: StandingClock) -> Who:
    set_up(
        clinic(
            visit_types=[needled()],
            rooms=rooms(3),
            practitioners=[practitioner("ana", offers=["needles"]), practitioner("ben", offers=["needles"])],
        )
    )
    return hired(Role.DESK)


def lying(dana: Who, standing_clock: StandingClock, slug: str, at: datetime, first_name: str) -> str:
    """Somebody who has had needles in since `at`; they rest for 25 minutes."""
    standing_clock.at(NINE - timedelta(hours=3))
    visit = booked(
        NINE,
        practitioner=slug,
        visit_type="needles",
        first_name=first_name,
        email=f"{first_name}@example.com",
    )
    standing_clock.at(at)
    statuses.needles_in(dana, visit.reference, key=f"in-{first_name}-0001")
    return visit.reference


def seen(who: Who) -> list[tuple[str, int, bool]]:
    """Room, minutes after nine, and whether they are over."""
    return [
        (one.room, int((one.out_at - NINE).total_seconds()) // 60, one.over)
        for one in rooms_with_needles(present(), who)
    ]


def test_the_desk_sees_all_rooms_first_out_first_and_practitioners_their_own(
    dana: Who, standing_clock: StandingClock
) -> None:
    ana = hired(Role.PRACTITIONER, practitioner="ana")
    ben = hired(Role.PRACTITIONER, practitioner="ben")
    lying(dana, standing_clock, "ben", NINE + timedelta(minutes=20), "Tom")
    lying(dana, standing_clock, "ana", NINE + timedelta(minutes=15), "Rosa")
    assert seen(dana) == [("Room 2", 40, False), ("Room 1", 45, False)]
    assert seen(ana) == [("Room 2", 40, False)]
    assert seen(ben) == [("Room 1", 45, False)]
    assert seen(hired(Role.PRACTITIONER)) == []


def test_five_minutes_late_they_are_over_and_once_out_they_are_gone(
    dana: Who, standing_clock: StandingClock
) -> None:
    reference = lying(dana, standing_clock, "ana", NINE + timedelta(minutes=15), "Rosa")
    standing_clock.at(NINE + timedelta(minutes=44))
    assert seen(dana) == [("Room 1", 40, False)]
    standing_clock.at(NINE + timedelta(minutes=45))
    assert seen(dana) == [("Room 1", 40, True)]
    statuses.needles_out(dana, reference, key="out-0001")
    assert seen(dana) == []


def test_what_was_forgotten_days_ago_is_not_told_for_ever(dana: Who, standing_clock: StandingClock) -> None:
    lying(dana, standing_clock, "ana", NINE, "Rosa")
    standing_clock.at(NINE + timedelta(days=2))
    assert seen(dana) == []


def test_nothing_of_anybody_is_told() -> None:
    assert {field.name for field in fields(RoomWithNeedles)} == {"room", "out_at", "over"}
