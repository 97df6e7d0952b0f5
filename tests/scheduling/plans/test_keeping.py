"""What a plan's visits don't keep any more once some of them are elsewhere."""

from booking.scheduling.plans.course import Course, Dose, Phase
from booking.scheduling.plans.keeping import (
    Kept,
    Role,
    Rule,
    faults,
    is_due,
    look_of,
    looked_at,
    newly_broken,
)


def test_a_fault_is_new_as_often_as_it_was_not_there_before() -> None:
    course = Course((Phase(1, (Dose("care", 3, 3),)),), {"modality": 1})

    def on(*days: int) -> list[Kept]:
        return [Kept(day, 540, 600, "care", "modality") for day in days]

    assert newly_broken(course, on(0, 2, 4), on(0, 2, 4)) == []
    assert [one.rule for one in newly_broken(course, on(0, 1, 4), on(0, 1, 2))] == [Rule.REST_DAYS]
    assert newly_broken(course, on(0, 1, 2), on(0, 2, 4)) == []


def test_the_look_of_one_stage_isnt_blamed_for_what_another_lacks() -> None:
    phase = Phase(1, (Dose("care", 3, 3),))
    course = Course((phase, phase), {"modality": 1}, reassessment=("look",))
    doses = [Kept(day, 540, 600, "care", "modality") for day in (0, 2, 4, 7, 9, 11)]
    second = Kept(14, 540, 600, "look", "modality", Role.REASSESSMENT)
    found = faults(course, [*doses, second])
    assert [(one.rule, one.week) for one in found] == [(Rule.NO_REASSESSMENT, 0)]
    nobodys = Kept(30, 540, 600, "look", "modality", Role.REASSESSMENT)
    found = faults(course, [*doses, second, nobodys])
    assert [(one.rule, one.week) for one in found] == [(Rule.REASSESSMENT_PLACE, 0)]


def test_a_late_look_is_of_the_stage_before_it() -> None:
    course = Course(
        (Phase(1, (Dose("care", 2, 2),)), Phase(3, (Dose("care", 2, 2),))), {}, reassessment=("look",)
    )
    doses = [Kept(day, 540, 600, "care", "modality") for day in (0, 2, 7, 9, 14, 16, 21, 23)]
    late, second = (Kept(day, 700, 730, "look", "modality", Role.REASSESSMENT) for day in (15, 24))
    visits = sorted([*doses, late])
    assert [look_of(course, visits, stage) for stage in (0, 1)] == [late, None]
    assert [(one.rule, one.week) for one in faults(course, visits)] == [
        (Rule.REASSESSMENT_PLACE, 0),
        (Rule.NO_REASSESSMENT, 3),
    ]
    both = sorted([*visits, second])
    assert [look_of(course, both, stage) for stage in (0, 1)] == [late, second]
    assert newly_broken(course, visits, both) == []
    # What lies on the days of the second stage's look is that one, also where the first stage never had one.
    assert [look_of(course, sorted([*doses, second]), stage) for stage in (0, 1)] == [None, second]


def test_of_a_stage_that_cant_be_booked_whole_a_look_is_due_before_the_thirteenth_visit_alone() -> None:
    course = Course((Phase(26, (Dose("care", 1, 1),)),), {}, reassessment=("look",))
    doses = [Kept(week * 7, 540, 600, "care", "modality") for week in range(26)]
    assert [is_due(course, 0, doses[:weeks], weeks) for weeks in (12, 13, 17)] == [False, True, True]
    assert [is_due(course, 0, doses[:9], weeks) for weeks in (25, 26)] == [False, True]
    assert faults(course, doses[:12], range(12)) == []
    assert [one.rule for one in faults(course, doses[:13], range(13))] == [Rule.NO_REASSESSMENT]
    look = Kept(80, 540, 600, "look", "modality", Role.REASSESSMENT)
    assert faults(course, [*doses[:13], look], range(13)) == []


def test_a_visit_before_the_first_day_is_of_the_first_week_and_still_lies_outside_the_plan() -> None:
    course = Course((Phase(13, (Dose("care", 1, 1),)),), {}, reassessment=("look",))
    doses = [Kept(day, 540, 600, "care", "modality") for day in (-3, *range(7, 91, 7))]
    assert [one.week for one in doses] == [*range(13)]
    # The look sees twelve of these, and comes before the thirteenth.
    look = Kept(80, 540, 600, "look", "modality", Role.REASSESSMENT)
    late = look._replace(day=85)
    assert looked_at(course, 0, doses) == range(77, 84)
    found = faults(course, [*doses, look])
    assert [(one.rule, one.week) for one in found] == [(Rule.NOT_OF_THE_PLAN, -1)], "before the plan begins"
    assert Rule.REASSESSMENT_PLACE in [one.rule for one in faults(course, [*doses, late])]


def test_the_way_to_a_visit_before_the_first_day_is_one_of_the_first_weeks() -> None:
    course = Course((Phase(1, (Dose("care", 1, 2),)),), {}, most_trips=1)
    before, within = (Kept(day, 540, 600, "care", "modality") for day in (-3, 2))
    assert (Rule.TRIPS, 0) in [(one.rule, one.week) for one in faults(course, [before, within])]
    assert Rule.TRIPS not in [one.rule for one in faults(course, [before])]
