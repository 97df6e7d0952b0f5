"""Plans for a slipped disc in a clinic two thirds booked, by how many give it and when somebody can come."""

from collections.abc import Iterator
from itertools import product

from booking.scheduling.plans.task import Task
from tests.scheduling.plans import clinics

WINDOWS = {
    "at any time": (clinics.anytime, 2.0),
    "after 3 pm and on Saturdays": (clinics.weekdays_after_three, 0.5),
    "Tue and Thu after 4 pm, Saturdays": (clinics.two_evenings_and_saturdays, 0.5),
}
PEOPLE = {"1 practitioner of each": (1, 1), "3 practitioners": (2, 1), "6 practitioners": (4, 2)}
CHIROPRACTIC = {"12 + 4 visits": 1, "12 + 8 visits": 2}
SEED = 1


def cases() -> Iterator[tuple[str, Task, float]]:
    """Each with what three proposals may take, in seconds."""
    for (when, (window, seconds)), (who, people), (visits, chiropractic) in product(
        WINDOWS.items(), PEOPLE.items(), CHIROPRACTIC.items()
    ):
        task = clinics.disc(SEED, people, window, doses=(3, chiropractic))
        yield f"{visits}, {who}, {when}", task, seconds
