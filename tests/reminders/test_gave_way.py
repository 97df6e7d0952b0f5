"""What gave way before its patient was told where it was, or that it was: they read of it once, from how they know it."""

from datetime import timedelta

import pytest

from booking.services.clinic import present
from booking.services.desk import new_visit, undoing
from booking.services.desk.moving import Place, change
from booking.services.desk.new_visit import DeskWish, NewPatient
from booking.services.plans.booking import BookedPlan
from booking.services.plans.frequency import change_doses
from booking.services.plans.shifting import shift
from booking.services.plans.visits import PlanVisit
from tests.clinics import plan_clinic, plan_template, set_up
from tests.conftest import StandingClock
from tests.reminders.conftest import drain
from tests.reminders.sink import Sink
from tests.services.plans.making import FOLLOW_UP, patient, prescribed, running, seen
from tests.staffing import hired

pytestmark = pytest.mark.usefixtures("standing_clock", "context")

HOUR = timedelta(hours=1)


@pytest.fixture
def stages(sink: Sink, standing_clock: StandingClock) -> BookedPlan:
    """Two visits a week for two weeks, and as many again that wait for a decision; told two hours ago."""
    week = {"weeks": 2, "doses": {FOLLOW_UP: 2}}
    template = plan_template("stages", {}, reassessment=["acupuncture-reassessment"], phases=[week, week])
    set_up(plan_clinic(plan_templates=[template]))
    made = running(prescribed(patient(), "stages"))
    drain()
    standing_clock.on(hours=2)
    sink.taken.clear()
    return made


def penciled(plan: BookedPlan, number: int = 0) -> PlanVisit:
    return [one for one in seen(plan).standing if one.penciled][number]


def moved(plan: BookedPlan, visit: PlanVisit) -> None:
    there = Place(starts_at=visit.starts_at + HOUR)
    change(hired(), visit.reference, there, version=None, reason="Late", key=f"move {visit.reference}")


def shifted(plan: BookedPlan, visit: PlanVisit) -> None:
    there = visit.starts_at + HOUR
    shift(hired(), plan.reference, visit.reference, there, None, partly=True, key=f"shift {there}")


def gives_way(plan: BookedPlan, reference: str) -> int:
    """To somebody else, whom the desk books in its place. The entry by which that is undone."""
    (visit,) = [one for one in seen(plan).standing if one.reference == reference]
    olga = NewPatient("Olga", "Berg", "+18185550199", "olga@example.com")
    wish = DeskWish(olga, FOLLOW_UP, visit.practitioner.slug, visit.starts_at, reason="In pain")
    return new_visit.book(hired(), wish, key=f"book {reference}").entry_id


def told(sink: Sink, standing_clock: StandingClock) -> str:
    """What Rosa reads next of what is otherwise: the one mail, or nothing."""
    standing_clock.on(minutes=4)
    drain()
    said = [
        str(mail.get_body(("plain",)).get_content())  # type: ignore[union-attr]
        for mail in sink.taken
        if "rosa" in str(mail["To"])
    ]
    sink.taken.clear()
    assert len(said) <= 1
    return said[0].partition("All other visits")[0] if said else ""


def at(visit: PlanVisit, later: timedelta = timedelta(0)) -> str:
    return present().times.moment(visit.starts_at + later)


def test_what_was_moved_and_gave_way_before_that_was_told_is_off_where_they_know_it(
    stages: BookedPlan, sink: Sink, standing_clock: StandingClock
) -> None:
    visit = penciled(stages)
    moved(stages, visit)
    gives_way(stages, visit.reference)
    assert told(sink, standing_clock) == ""
    shifted(stages, seen(stages).standing[0])
    said = told(sink, standing_clock)
    assert at(visit) in said.partition("Cancelled:")[2] and at(visit, HOUR) not in said


def test_what_a_message_told_that_waited_when_it_gave_way_is_not_told_again(
    stages: BookedPlan, sink: Sink, standing_clock: StandingClock
) -> None:
    visit = penciled(stages)
    shifted(stages, visit)
    gives_way(stages, visit.reference)
    assert at(visit) in told(sink, standing_clock).partition("Cancelled:")[2]
    shifted(stages, seen(stages).standing[0])
    said = told(sink, standing_clock)
    assert said and "Cancelled:" not in said


@pytest.mark.parametrize("change", [moved, shifted])
def test_what_comes_back_is_told_from_how_they_know_it(
    stages: BookedPlan, sink: Sink, standing_clock: StandingClock, change: object
) -> None:
    visit = penciled(stages)
    (moved if change is moved else shifted)(stages, visit)
    entry = gives_way(stages, visit.reference)
    off = told(sink, standing_clock)
    undoing.undo(hired(), entry, key="undo-0001")
    said = told(sink, standing_clock)
    assert at(visit, HOUR) in said
    # Who has read that it was off reads of another one.
    assert (f"It was {at(visit)}" in said) == (off == "")


def test_what_was_new_and_gave_way_before_that_was_told_is_told_when_it_comes_back(
    stages: BookedPlan, sink: Sink, standing_clock: StandingClock
) -> None:
    knew = {one.reference for one in seen(stages).standing}
    change_doses(hired(), stages.reference, 3, {FOLLOW_UP: (3, 3)}, "", key="doses-001")
    (new,) = [one for one in seen(stages).standing if one.reference not in knew and one.penciled]
    entry = gives_way(stages, new.reference)
    assert at(new) not in told(sink, standing_clock)
    undoing.undo(hired(), entry, key="undo-0001")
    assert at(new) in told(sink, standing_clock).partition("New:")[2]


def test_what_neither_moved_nor_was_told_to_be_off_comes_back_without_a_word(
    stages: BookedPlan, sink: Sink, standing_clock: StandingClock
) -> None:
    entry = gives_way(stages, penciled(stages).reference)
    assert told(sink, standing_clock) == ""
    undoing.undo(hired(), entry, key="undo-0001")
    assert told(sink, standing_clock) == ""
