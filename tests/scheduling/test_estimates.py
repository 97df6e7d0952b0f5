"""Deadlines of good-faith estimates, in business days."""

from datetime import date

import pytest

from booking.scheduling.estimates import coverage_due, estimate_due, is_holiday, weekdays_between

MONDAY = date(2026, 9, 14)


@pytest.mark.parametrize(
    ("visit_on", "due"),
    [
        (date(2026, 9, 14), None),
        (date(2026, 9, 16), None),
        (date(2026, 9, 17), date(2026, 9, 15)),
        (date(2026, 9, 25), date(2026, 9, 15)),
        (date(2026, 9, 28), date(2026, 9, 17)),
        (date(2026, 12, 1), date(2026, 9, 17)),
    ],
    ids=["today", "two ahead", "three ahead", "nine ahead", "ten ahead", "far ahead"],
)
def test_the_deadline_depends_on_how_far_ahead_it_was_booked(visit_on: date, due: date | None) -> None:
    assert estimate_due(MONDAY, visit_on) == due


def test_a_deadline_never_falls_on_a_weekend() -> None:
    friday, saturday = date(2026, 9, 18), date(2026, 9, 19)
    assert estimate_due(friday, date(2026, 9, 24)) == date(2026, 9, 21)
    assert estimate_due(saturday, date(2026, 10, 30)) == date(2026, 9, 23)


def test_a_holiday_never_gives_more_time() -> None:
    """Ten weekdays ahead with Thanksgiving between them are nine business days; Thanksgiving doesn't put a deadline off."""
    monday, wednesday = date(2026, 11, 16), date(2026, 11, 25)
    assert len(weekdays_between(monday, date(2026, 11, 30))) == 10
    assert estimate_due(monday, date(2026, 11, 30)) == date(2026, 11, 17)
    assert estimate_due(wednesday, date(2026, 12, 2)) == date(2026, 11, 26)


def test_the_federal_holidays_of_a_year() -> None:
    found = [day for day in weekdays_between(date(2025, 12, 31), date(2026, 12, 31)) if is_holiday(day)]
    assert [f"{day:%m-%d}" for day in found] == [
        "01-01", "01-19", "02-16", "05-25", "06-19", "07-03", "09-07", "10-12", "11-11", "11-26", "12-25",
    ]  # fmt: skip


def test_coverage_is_checked_on_the_last_weekday_before_the_visit() -> None:
    assert coverage_due(date(2026, 9, 17)) == date(2026, 9, 16)
    assert coverage_due(MONDAY) == date(2026, 9, 11)
