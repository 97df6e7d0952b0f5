"""Clinics that are partly booked, as plans find them: acupuncture of 50 minutes, chiropractic of 15."""

import random
from collections.abc import Callable

from booking.scheduling.plans.task import Care, Choice, Days, Task

Window = Callable[[int, int, int], bool]

# Monday to Saturday in minutes of the day; Tuesday and Thursday longer.
HOURS = {0: (540, 1080), 1: (540, 1140), 2: (540, 1080), 3: (540, 1140), 4: (540, 1080), 5: (480, 780)}
LUNCH = range(13 * 60, 14 * 60, 5)


def anytime(weekday: int, starts: int, ends: int) -> bool:
    return True


def weekdays_after_three(weekday: int, starts: int, ends: int) -> bool:
    return starts >= 15 * 60 or weekday == 5


def tue_and_thu_after_four(weekday: int, starts: int, ends: int) -> bool:
    return weekday in (1, 3) and starts >= 16 * 60


def two_evenings_and_saturdays(weekday: int, starts: int, ends: int) -> bool:
    return weekday == 5 or tue_and_thu_after_four(weekday, starts, ends)


def disc(
    seed: int,
    practitioners: tuple[int, int],
    window: Window = anytime,
    doses: tuple[int, int] = (3, 2),
    weeks: int = 4,
    full: float = 0.66,
) -> Task:
    """Acupuncture and chiropractic so many times a week, in a clinic of which so much is booked."""
    dice = random.Random(seed)
    acupuncture = _free(dice, range(1, 1 + practitioners[0]), 50, weeks, full, window)
    chiropractic = _free(dice, range(100, 100 + practitioners[1]), 15, weeks, full, window)
    return Task(
        (
            Care(((doses[0], doses[0]),) * weeks, acupuncture, rest_days=1),
            Care(((doses[1], doses[1]),) * weeks, chiropractic),
        )
    )


def _free(dice: random.Random, people: range, minutes: int, weeks: int, full: float, window: Window) -> Days:
    days = []
    for day in range(weeks * 7):
        free = []
        if day % 7 in HOURS:
            opens, closes = HOURS[day % 7]
            for person in people:
                booked = _booked(dice, opens, closes, minutes, full)
                for starts in range(opens, closes - minutes + 1, 15):
                    if booked.isdisjoint(range(starts, starts + minutes, 5)) and window(
                        day % 7, starts, starts + minutes
                    ):
                        free.append(Choice(starts, starts + minutes, person))
        days.append(tuple(sorted(free)))
    return tuple(days)


def _booked(dice: random.Random, opens: int, closes: int, minutes: int, full: float) -> set[int]:
    booked = set(LUNCH)
    starts = opens + dice.choice((0, 0, 15, 30))
    while starts + minutes <= closes:
        visit = range(starts, starts + minutes, 5)
        if dice.random() < full and booked.isdisjoint(visit):
            booked.update(visit)
        starts += minutes if minutes <= 15 else minutes + 10
    return booked
