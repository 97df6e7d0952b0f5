"""Wall time becomes cells: also on days of 23 and 25 hours."""

from datetime import date, time
from zoneinfo import ZoneInfo

import pytest

from booking.scheduling import hours
from booking.scheduling.hours import DatedHours, Hours

LA = ZoneInfo("America/Los_Angeles")
SPRING, FALL = date(2026, 3, 8), date(2026, 11, 1)


def open_minutes(on: date, opens: time, closes: time, zone: ZoneInfo = LA) -> int:
    window = hours.window_of(on, on, zone)
    return hours.open_timeline(window, zone, [Hours(on.weekday(), opens, closes)]).bit_count() * 5


@pytest.mark.parametrize(("on", "cells"), [(SPRING, 276), (FALL, 300), (date(2026, 6, 1), 288)])
def test_a_day_has_23_24_or_25_hours(on: date, cells: int) -> None:
    assert hours.window_of(on, on, LA).length == cells


@pytest.mark.parametrize(("on", "minutes"), [(SPRING, 150), (FALL, 270), (date(2026, 6, 1), 210)])
def test_weekly_hours_are_the_real_minutes_whose_wall_time_lies_in_them(on: date, minutes: int) -> None:
    assert open_minutes(on, time(0, 30), time(4)) == minutes


def test_the_end_of_the_day_may_be_closing_time() -> None:
    assert open_minutes(date(2026, 6, 1), time(22), time(0)) == 120


def test_a_day_begins_at_its_first_real_instant_where_midnight_is_jumped_over() -> None:
    santiago = ZoneInfo("America/Santiago")
    window = hours.window_of(date(2026, 9, 6), date(2026, 9, 6), santiago)
    assert window.length == 276


def test_dated_hours_replace_weekly_ones() -> None:
    on = date(2026, 6, 1)
    window = hours.window_of(on, on, LA)
    weekly = [Hours(0, time(9), time(17))]
    assert (
        hours.open_timeline(window, LA, weekly, [DatedHours(on, ((time(10), time(11)),))]).bit_count() == 12
    )
    assert hours.open_timeline(window, LA, weekly, [DatedHours(on, ())]) == 0


def test_the_grid_begins_anew_after_a_break() -> None:
    on = date(2026, 6, 1)
    window = hours.window_of(on, on, LA)
    weekly = [Hours(0, time(9, 5), time(9, 50)), Hours(0, time(10, 20), time(11))]
    starts = hours.grid(hours.open_timeline(window, LA, weekly), 3)
    shown = [place * 5 for place in range(288) if starts >> place & 1]
    assert shown == [9 * 60 + 5, 9 * 60 + 20, 9 * 60 + 35, 10 * 60 + 20, 10 * 60 + 35, 10 * 60 + 50]


def test_weeks_begin_on_sunday() -> None:
    assert hours.week_start(date(2026, 11, 1)) == date(2026, 11, 1)
    assert hours.week_start(date(2026, 11, 7)) == date(2026, 11, 1)
