"""When reminders are due: the same time on the wall, and texts in their hours."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from booking.scheduling.reminder_times import days_before, not_after, text_due, within_text_hours

LA = ZoneInfo("America/Los_Angeles")


def at(day: int, hour: int, minute: int = 0, month: int = 11) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=LA).astimezone(UTC)


def test_a_day_before_is_the_same_wall_time_across_a_clock_change() -> None:
    assert days_before(at(2, 9), 1, LA) == at(1, 9)
    assert days_before(at(2, 9), 3, LA) == at(30, 9, month=10)
    assert at(2, 9) - at(30, 9, month=10) == timedelta(days=3, hours=1)


def test_a_wall_time_that_the_day_before_jumped_over_is_an_hour_later() -> None:
    start = datetime(2026, 3, 9, 2, 30, tzinfo=LA)
    assert days_before(start, 1, LA) == datetime(2026, 3, 8, 3, 30, tzinfo=LA).astimezone(UTC)


@pytest.mark.parametrize(
    ("hour", "minute", "may"), [(8, 59, False), (9, 0, True), (18, 59, True), (19, 0, False)]
)
def test_texts_go_from_nine_inclusive_to_seven_exclusive(hour: int, minute: int, may: bool) -> None:
    assert within_text_hours(at(10, hour, minute), LA, time(9), time(19)) is may


@pytest.mark.parametrize(
    ("due", "last_use", "goes"),
    [
        (at(10, 12), at(11, 12), at(10, 12)),
        # Early: it waits for the morning.
        (at(10, 7), at(10, 11), at(10, 9)),
        # Late: it waits for the next morning, if it is of use then.
        (at(10, 20), at(11, 19), at(11, 9)),
        # The morning would be too late: it goes the evening before.
        (at(10, 7), at(10, 8), at(9, 18, 59)),
        (at(10, 20), at(11, 7), at(10, 18, 59)),
    ],
)
def test_a_text_outside_its_hours_waits_or_goes_earlier(
    due: datetime, last_use: datetime, goes: datetime
) -> None:
    assert text_due(due, last_use, LA, time(9), time(19)) == goes


def test_a_message_is_of_use_until_half_an_hour_before() -> None:
    assert not_after(at(10, 9)) == at(10, 8, 30)
