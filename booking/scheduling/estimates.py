"""When a patient who pays themselves is owed a good-faith estimate, and when coverage must have been checked.

Business days are Monday to Friday. Where a federal holiday would move a deadline, the day that is too early is taken: a
holiday counts as a business day when a deadline is counted, and doesn't count when it would give more time.
"""

from datetime import date, timedelta

# Booked so many business days ahead, or more: an estimate is owed; and from the second number on, with more time.
OWED_FROM = 3
MORE_TIME_FROM = 10
SOON, WITH_MORE_TIME = 1, 3


def estimate_due(booked_on: date, visit_on: date) -> date | None:
    """The last day for the estimate, or None where so short a notice owes none."""
    if len(weekdays_between(booked_on, visit_on)) < OWED_FROM:
        return None
    ahead = sum(1 for day in weekdays_between(booked_on, visit_on) if not is_holiday(day))
    return weekday_after(booked_on, WITH_MORE_TIME if ahead >= MORE_TIME_FROM else SOON)


def coverage_due(visit_on: date) -> date:
    """The last weekday before the visit, on which a plan still answers the telephone."""
    day = visit_on - timedelta(days=1)
    while day.weekday() > 4:
        day -= timedelta(days=1)
    return day


def weekdays_between(first: date, last: date) -> list[date]:
    """Mondays to Fridays after `first`, up to and with `last`."""
    days = (first + timedelta(days=n) for n in range(1, (last - first).days + 1))
    return [day for day in days if day.weekday() <= 4]


def weekday_after(day: date, number: int) -> date:
    """The weekday that comes so many weekdays after a date."""
    while number:
        day += timedelta(days=1)
        number -= day.weekday() <= 4
    return day


def is_holiday(day: date) -> bool:
    """Whether it is a federal holiday of the United States, or a Friday or Monday on which one is kept."""
    by_date = {(1, 1), (6, 19), (7, 4), (11, 11), (12, 25)}
    kept_for = {0: day - timedelta(days=1), 4: day + timedelta(days=1)}.get(day.weekday(), day)
    if (day.month, day.day) in by_date or (kept_for.month, kept_for.day) in by_date:
        return True
    which = (day.day - 1) // 7 + 1
    last = (day + timedelta(days=7)).month != day.month
    monday = day.weekday() == 0 and (
        (day.month, which) in {(1, 3), (2, 3), (9, 1), (10, 2)} or (day.month == 5 and last)
    )
    thanksgiving = day.weekday() == 3 and (day.month, which) == (11, 4)
    return monday or thanksgiving
