"""What a plan's visits don't keep any more once some of them are elsewhere."""

from booking.scheduling.plans.course import Course, Dose, Phase
from booking.scheduling.plans.keeping import Kept, Rule, newly_broken


def test_a_fault_is_new_as_often_as_it_was_not_there_before() -> None:
    course = Course((Phase(1, (Dose("care", 3, 3),)),), {"modality": 1})

    def on(*days: int) -> list[Kept]:
        return [Kept(day, 540, 600, "care", "modality") for day in days]

    assert newly_broken(course, on(0, 2, 4), on(0, 2, 4)) == []
    assert [one.rule for one in newly_broken(course, on(0, 1, 4), on(0, 1, 2))] == [Rule.REST_DAYS]
    assert newly_broken(course, on(0, 1, 2), on(0, 2, 4)) == []
