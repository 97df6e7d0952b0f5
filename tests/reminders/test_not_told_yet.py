"""What was decided of a plan, before its patient was told: what other messages about the plan say meanwhile."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from icalendar import Calendar

from booking import clock
from booking.models import Actor, PlanReminders
from booking.scheduling.plans.keeping import Role as PlanRole
from booking.services import links
from booking.services.clinic import present
from booking.services.desk import panel, statuses, undoing
from booking.services.desk.moving import Place, change, preview
from booking.services.desk.states import Changed
from booking.services.plans import as_told
from booking.services.plans.booking import BookedPlan
from booking.services.plans.changing import Decision, cancel_from, decide, pause, stop, told_now
from booking.services.plans.shifting import shift
from booking.services.plans.visits import PlanVisit
from booking.services.rescheduling import reschedule
from booking.services.visits import confirm
from booking.web.change_words import tells
from tests.clinics import plan_clinic, plan_template, set_up
from tests.reminders.conftest import drain
from tests.reminders.sink import Sink
from tests.services.plans.making import (
    FIRST_DAY,
    FOLLOW_UP,
    at,
    patient,
    practitioner,
    prescribed,
    running,
    seen,
    where_mei_is_alone,
)
from tests.staffing import hired

pytestmark = pytest.mark.usefixtures("standing_clock", "context")

HOUR = timedelta(hours=1)


@pytest.fixture
def weekly(sink: Sink, standing_clock: Any) -> BookedPlan:
    """Six visits, one a week; what was said of them has gone, two hours ago."""
    set_up(plan_clinic())
    return known(running(prescribed(patient(), "weekly")), sink, standing_clock)


@pytest.fixture
def stages(sink: Sink, standing_clock: Any) -> BookedPlan:
    """A plan whose second week waits for a decision."""
    where_mei_is_alone()
    return known(running(prescribed(patient(), "stages")), sink, standing_clock)


@pytest.fixture
def fewer(sink: Sink, standing_clock: Any) -> BookedPlan:
    """A plan with two visits in its first week and one in its second, that goes on as before: a visit is added, of which its
    patient hasn't heard.
    """
    weeks = [{"weeks": 1, "doses": {FOLLOW_UP: visits}} for visits in (2, 1)]
    where_mei_is_alone(plan_template("fewer", {}, reassessment=["acupuncture-reassessment"], phases=weeks))
    made = known(running(prescribed(patient(), "fewer")), sink, standing_clock)
    decide(practitioner(), made.reference, Decision.CONTINUE, told=False, key="decide-01")
    return made


def known(made: BookedPlan, sink: Sink, standing_clock: Any) -> BookedPlan:
    drain()
    standing_clock.on(hours=2)
    sink.taken.clear()
    return made


def says(visit: PlanVisit, later: timedelta = timedelta(0)) -> str:
    return present().times.moment(visit.starts_at + later)


def shifted(plan: BookedPlan, visit: PlanVisit, by: timedelta = HOUR, *, tell: bool = True) -> None:
    shift(
        hired(),
        plan.reference,
        visit.reference,
        visit.starts_at + by,
        None,
        "Late",
        partly=True,
        tell=tell,
        key=f"shift {visit.starts_at}",
    )


def mail(sink: Sink, standing_clock: Any) -> Any:
    """The one that goes by and by."""
    standing_clock.on(minutes=5)
    drain()
    (one,) = sink.taken
    sink.taken.clear()
    return one


def words(mail: Any) -> str:
    return str(mail.get_body(("plain",)).get_content())


def in_calendar(mail: Any) -> list[str]:
    (file,) = [
        part.get_payload(decode=True) for part in mail.walk() if part.get_content_type() == "text/calendar"
    ]
    return [str(one["status"]) for one in Calendar.from_ical(file).walk("vevent")]


def test_what_is_moved_before_is_told_as_if_nothing_had_been_cancelled(
    weekly: BookedPlan, sink: Sink, standing_clock: Any
) -> None:
    visit = seen(weekly).visits[2]
    shifted(weekly, visit)
    standing_clock.on(minutes=1)
    decide(hired(), weekly.reference, Decision.STOP, told=False, key="decide-01")
    moved = mail(sink, standing_clock)
    assert moved["Subject"].startswith("Changed")
    assert says(visit, HOUR) in words(moved) and "ancelled" not in words(moved)
    assert set(in_calendar(moved)) == {"CONFIRMED"}
    told_now(hired(), weekly.reference, key="told-0001")
    off = mail(sink, standing_clock)
    assert off["Subject"].startswith("Cancelled")
    assert says(visit, HOUR) in words(off) and says(visit) not in words(off)


def moved(visit: PlanVisit) -> None:
    there = Place(starts_at=visit.starts_at + HOUR)
    change(hired(), visit.reference, there, version=None, reason="Late", key="move-0001")


@pytest.mark.parametrize("at_once", [False, True])
def test_a_visit_that_was_moved_and_then_cancelled_is_told_from_when_they_knew_it(
    weekly: BookedPlan, sink: Sink, standing_clock: Any, at_once: bool
) -> None:
    visit = seen(weekly).visits[2]
    moved(visit)
    standing_clock.on(minutes=1)
    decide(hired(), weekly.reference, Decision.STOP, told=False, key="decide-01")
    if not at_once:
        told = mail(sink, standing_clock)
        assert told["Subject"].startswith("Changed") and "ancelled" not in words(told)
        assert says(visit) in words(told) and says(visit, HOUR) in words(told)
    told_now(hired(), weekly.reference, key="told-0001")
    off = mail(sink, standing_clock)
    assert off["Subject"].startswith("Cancelled")
    assert (says(visit) in words(off), says(visit, HOUR) in words(off)) == (at_once, not at_once)


def test_what_is_moved_later_is_told_as_if_nothing_had_become_firm(
    stages: BookedPlan, sink: Sink, standing_clock: Any
) -> None:
    firm, *_ = seen(stages).standing
    decide(practitioner(), stages.reference, Decision.CONTINUE, told=False, key="decide-01")
    shifted(stages, firm)
    told = mail(sink, standing_clock)
    assert words(told).count("penciled in") and "TENTATIVE" in in_calendar(told)
    assert not any(one.penciled for one in seen(stages).standing)


def test_what_is_firm_without_their_knowing_is_moved_as_penciled_in_and_then_told_to_be_booked(
    stages: BookedPlan, sink: Sink, standing_clock: Any
) -> None:
    visit = next(one for one in seen(stages).standing if one.penciled)
    decide(practitioner(), stages.reference, Decision.CONTINUE, told=False, key="decide-01")
    shifted(stages, visit)
    assert in_calendar(mail(sink, standing_clock)).count("TENTATIVE") == 2
    told_now(practitioner(), stages.reference, key="told-0001")
    told = mail(sink, standing_clock)
    assert says(visit, HOUR) in words(told).partition("penciled in is booked")[2].partition("All other")[0]
    assert "TENTATIVE" not in in_calendar(told)


def test_single_visits_that_are_moved_meanwhile_are_told_as_if_nothing_had_been_decided(
    weekly: BookedPlan, sink: Sink, standing_clock: Any
) -> None:
    first, second, *_ = seen(weekly).visits
    for number, visit in enumerate((first, second)):
        there = Place(starts_at=visit.starts_at + HOUR)
        change(hired(), visit.reference, there, version=None, reason="Late", key=f"move-000{number}")
    decide(hired(), weekly.reference, Decision.STOP, told=False, key="decide-01")
    told = mail(sink, standing_clock)
    assert told["Subject"].startswith("Changed") and "ancelled" not in words(told)
    assert [at for at in (says(first, HOUR), says(second, HOUR)) if at not in words(told)] == []


def test_what_the_patient_gives_up_meanwhile_says_nothing_of_it(
    stages: BookedPlan, sink: Sink, standing_clock: Any
) -> None:
    decide(practitioner(), stages.reference, Decision.CONTINUE, told=False, key="decide-01")
    last = seen(stages).standing[-1]
    cancel_from(stages.reference, stages.token, last.reference, "", actor="rosa", key="from-0001")
    told = mail(sink, standing_clock)
    assert says(last) in words(told) and "TENTATIVE" in in_calendar(told)


def test_once_the_plan_is_stopped_nothing_is_said_to_stand(
    stages: BookedPlan, sink: Sink, standing_clock: Any
) -> None:
    day = seen(stages).standing[-1].starts_at.date()
    decide(practitioner(), stages.reference, Decision.CONTINUE, told=False, key="decide-01")
    pause(hired(), stages.reference, day, day, "Away", tell=False, key="pause-001")
    stop(hired(), stages.reference, "Gone abroad", key="stop-0001")
    assert mail(sink, standing_clock)["Subject"].startswith("Cancelled")


# Of what they haven't heard


def added(plan: BookedPlan) -> PlanVisit:
    """The visit that was added when it was decided."""
    booked = {one["reference"] for one in plan.visits}
    new = [one for one in seen(plan).standing if one.reference not in booked]
    (one,) = [one for one in new if one.role is PlanRole.DOSE]
    return one


def told_at_last(plan: BookedPlan, sink: Sink, standing_clock: Any) -> str:
    told_now(practitioner(), plan.reference, key="told-0001")
    return words(mail(sink, standing_clock))


def paused(plan: BookedPlan, visit: PlanVisit) -> None:
    day = visit.starts_at.date()
    pause(hired(), plan.reference, day, day, "Away", tell=True, key=f"pause {day}")


def test_a_visit_of_which_they_never_heard_is_not_said_to_be_cancelled(
    fewer: BookedPlan, sink: Sink, standing_clock: Any
) -> None:
    visit = added(fewer)
    paused(fewer, visit)
    hears_nothing(sink, standing_clock)
    assert says(visit) not in told_at_last(fewer, sink, standing_clock)


def test_nor_is_it_said_to_be_moved_and_is_new_where_it_is_by_then(
    fewer: BookedPlan, sink: Sink, standing_clock: Any
) -> None:
    visit = added(fewer)
    shifted(fewer, visit)
    hears_nothing(sink, standing_clock)
    paused(fewer, seen(fewer).standing[0])
    assert says(visit, HOUR) not in words(mail(sink, standing_clock))
    told = told_at_last(fewer, sink, standing_clock)
    assert says(visit, HOUR) in told.partition("New:")[2] and says(visit) not in told


Single = Callable[[PlanVisit], Changed]
NOT_HEARD = "They haven't heard of this visit yet, so nobody is written to: it is told with what was decided."


def moved_by_itself(visit: PlanVisit, *, tell: bool = True) -> Changed:
    there = Place(starts_at=visit.starts_at + HOUR)
    assert tells(present(), preview(hired(), visit.reference, there)) == NOT_HEARD
    return change(hired(), visit.reference, there, version=None, reason="Late", tell=tell, key="move-0001")


def moved_without_a_word(visit: PlanVisit) -> Changed:
    return moved_by_itself(visit, tell=False)


def cancelled_by_itself(visit: PlanVisit) -> Changed:
    assert tells(present(), statuses.preview_cancellation(hired(), visit.reference)) == NOT_HEARD
    return statuses.cancel(hired(), visit.reference, reason="Mei is ill.", key="cancel-01")


def hears_nothing(sink: Sink, standing_clock: Any) -> None:
    standing_clock.on(minutes=5)
    drain()
    assert sink.taken == []


@pytest.mark.parametrize("move", [moved_by_itself, moved_without_a_word])
def test_a_visit_of_which_they_never_heard_is_new_where_it_was_moved_by_itself(
    fewer: BookedPlan, sink: Sink, standing_clock: Any, move: Single
) -> None:
    visit = added(fewer)
    done = move(visit)
    assert not done.told and not done.to_call and done.facts["tell"] is False
    hears_nothing(sink, standing_clock)
    assert visit.id not in {one.id for one in as_told.by_link(fewer.reference, fewer.token).visits}
    paused(fewer, seen(fewer).standing[0])
    other = words(mail(sink, standing_clock))
    assert says(visit, HOUR) not in other and says(visit) not in other
    told = told_at_last(fewer, sink, standing_clock)
    assert says(visit, HOUR) in told.partition("New:")[2] and says(visit) not in told


def test_nor_is_it_told_to_be_cancelled_by_itself(fewer: BookedPlan, sink: Sink, standing_clock: Any) -> None:
    visit = added(fewer)
    done = cancelled_by_itself(visit)
    assert not done.told and not done.to_call and done.facts["tell"] is False
    hears_nothing(sink, standing_clock)
    assert says(visit) not in told_at_last(fewer, sink, standing_clock)


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("do", [moved_by_itself, cancelled_by_itself])
def test_once_that_is_taken_back_it_is_told_as_it_was_added(
    fewer: BookedPlan, sink: Sink, standing_clock: Any, do: Single, at_once: bool
) -> None:
    visit = added(fewer)
    entry = do(visit).entry_id
    assert entry is not None
    if at_once:
        told_now(practitioner(), fewer.reference, key="told-0001")
    undoing.undo(hired(), entry, key="undo-0001")
    if not at_once:
        hears_nothing(sink, standing_clock)
        told_now(practitioner(), fewer.reference, key="told-0001")
    told = words(mail(sink, standing_clock))
    before, _, new = told.partition("New:")
    assert says(visit) in new and says(visit) not in before and says(visit, HOUR) not in told


def test_whom_the_desk_has_told_of_it_on_the_telephone_is_told_of_what_comes_next(
    fewer: BookedPlan, sink: Sink, standing_clock: Any
) -> None:
    visit = added(fewer)
    there = Place(starts_at=visit.starts_at + HOUR)
    change(
        hired(), visit.reference, there, version=None, reason="Late", tell=False, spoken=True, key="move-0001"
    )
    hears_nothing(sink, standing_clock)
    assert not statuses.preview_cancellation(hired(), visit.reference).unheard
    statuses.cancel(hired(), visit.reference, reason="Mei is ill.", key="cancel-01")
    assert says(visit, HOUR) in words(mail(sink, standing_clock))


def test_who_was_reminded_of_it_is_told_that_it_is_moved(
    fewer: BookedPlan, sink: Sink, standing_clock: Any
) -> None:
    visit = added(fewer)
    standing_clock.at(visit.starts_at - timedelta(hours=23))
    drain()
    assert any(says(visit) in words(one) for one in sink.taken)
    sink.taken.clear()
    moved(visit)
    told = mail(sink, standing_clock)
    assert told["Subject"].startswith("Moved") and f"It was {says(visit)}" in words(told)


def test_what_was_moved_without_a_word_is_as_they_know_it_in_other_news(
    stages: BookedPlan, sink: Sink, standing_clock: Any
) -> None:
    visit, *_, last = seen(stages).standing
    decide(practitioner(), stages.reference, Decision.CONTINUE, told=False, key="decide-01")
    shifted(stages, visit, tell=False)
    paused(stages, last)
    told = words(mail(sink, standing_clock))
    assert says(visit) in told and says(visit, HOUR) not in told
    told = told_at_last(stages, sink, standing_clock)
    assert f"Your visit is moved to this time. It was {says(visit)}." in told


@pytest.mark.parametrize("number", [0, -1], ids=["firm", "penciled"])
def test_what_was_moved_without_a_word_and_is_moved_on_was_where_they_know_it(
    stages: BookedPlan, sink: Sink, standing_clock: Any, number: int
) -> None:
    standing = seen(stages).standing
    visit = [one for one in standing if one.role is PlanRole.DOSE][number]
    was_penciled = sum(one.penciled for one in standing)
    decide(practitioner(), stages.reference, Decision.CONTINUE, told=False, key="decide-01")
    shifted(stages, visit, tell=False)
    shifted(stages, seen(stages).that_stands(visit.reference) or visit)
    moved = mail(sink, standing_clock)
    assert f"Your visit is moved to this time. It was {says(visit)}." in words(moved)
    assert says(visit, HOUR) not in words(moved)
    assert in_calendar(moved).count("TENTATIVE") == was_penciled
    told = told_at_last(stages, sink, standing_clock)
    assert says(visit, 2 * HOUR) in told and "What was penciled in is booked now." in told
    assert "It was" not in told and "Cancelled" not in told


def test_what_was_moved_without_a_word_and_is_cancelled_was_where_they_know_it(
    stages: BookedPlan, sink: Sink, standing_clock: Any
) -> None:
    visit = seen(stages).standing[0]
    decide(practitioner(), stages.reference, Decision.CONTINUE, told=False, key="decide-01")
    shifted(stages, visit, tell=False)
    paused(stages, visit)
    off = words(mail(sink, standing_clock)).partition("Cancelled:")[2].partition("All other")[0]
    assert says(visit) in off and says(visit, HOUR) not in off
    assert "Cancelled" not in told_at_last(stages, sink, standing_clock)


# Of what they have heard meanwhile


def fewer_of(
    sink: Sink, standing_clock: Any, *, first_day: date = FIRST_DAY, **rules: Any
) -> tuple[BookedPlan, PlanVisit]:
    """The same as `fewer` with other rules, and the visit that was added; without rules they are reminded of each by itself."""
    weeks = [{"weeks": 1, "doses": {FOLLOW_UP: visits}} for visits in (2, 1)]
    template = plan_template("fewer", {}, reassessment=["acupuncture-reassessment"], phases=weeks)
    where_mei_is_alone(template, **rules)
    wanted = {} if rules else {"reminded_of": PlanReminders.EACH}
    made = running(prescribed(patient(), "fewer", first_day=first_day), **wanted)
    known(made, sink, standing_clock)
    decide(practitioner(), made.reference, Decision.CONTINUE, told=False, key="decide-01")
    return made, added(made)


def shown(plan: BookedPlan) -> list[PlanVisit]:
    """What stands firm on their page."""
    visits = as_told.by_link(plan.reference, plan.token).visits
    return [one for one in visits if one.stands and not one.penciled]


def listed(sink: Sink, standing_clock: Any, on: date) -> str:
    """The list of the week that goes on this day."""
    standing_clock.at(at(on, 9))
    drain()
    sink.taken.clear()
    standing_clock.at(at(on, 10, 5))
    drain()
    (one,) = sink.taken
    sink.taken.clear()
    return words(one)


def test_what_a_list_has_named_stands_on_their_page_as_well(
    fewer: BookedPlan, sink: Sink, standing_clock: Any
) -> None:
    told = listed(sink, standing_clock, date(2026, 9, 25))
    named = [one.starts_at for one in seen(fewer).standing if says(one) in told]
    assert added(fewer).starts_at in named
    assert [one.starts_at for one in shown(fewer) if one.starts_at >= named[0]] == named


def test_what_an_early_list_has_named_is_told_to_be_moved(sink: Sink, standing_clock: Any) -> None:
    _, visit = fewer_of(sink, standing_clock, first_day=date(2026, 9, 23), digest="monday 10:00")
    assert says(visit) in listed(sink, standing_clock, date(2026, 9, 21))
    moved(visit)
    told = mail(sink, standing_clock)
    assert told["Subject"].startswith("Moved") and f"It was {says(visit)}" in words(told)


def test_what_no_list_has_named_is_told_with_what_was_decided(sink: Sink, standing_clock: Any) -> None:
    plan, visit = fewer_of(sink, standing_clock)
    standing_clock.at(visit.starts_at - timedelta(days=8))
    drain()
    sink.taken.clear()
    assert not moved_by_itself(visit).told
    hears_nothing(sink, standing_clock)
    assert (
        says(visit, HOUR)
        in told_at_last(plan, sink, standing_clock).partition("New:")[2].partition("All other")[0]
    )


def test_what_is_moved_to_tomorrow_is_told_at_once_as_booked(sink: Sink, standing_clock: Any) -> None:
    plan, visit = fewer_of(sink, standing_clock)
    standing_clock.at(visit.starts_at - timedelta(hours=26))
    drain()
    sink.taken.clear()
    moved(visit)
    told = mail(sink, standing_clock)
    assert told["Subject"].startswith("Your visit on") and says(visit, HOUR) in words(told)
    assert says(visit) not in words(told)
    assert visit.id in {one.id for one in shown(plan)}


def test_what_was_told_by_itself_and_goes_back_stands_where_it_was(
    fewer: BookedPlan, sink: Sink, standing_clock: Any
) -> None:
    visit = added(fewer)
    listed(sink, standing_clock, date(2026, 9, 25))
    moved(visit)
    mail(sink, standing_clock)
    back = Place(starts_at=visit.starts_at)
    change(hired(), visit.reference, back, version=None, reason="Late", key="move-0002")
    assert says(visit) in words(mail(sink, standing_clock))
    assert visit.starts_at in [one.starts_at for one in shown(fewer) if one.id == visit.id]
    paused(fewer, seen(fewer).standing[-1])
    assert says(visit) in words(mail(sink, standing_clock))


def test_what_is_moved_to_tomorrow_without_a_word_is_new_when_told_at_last(
    sink: Sink, standing_clock: Any
) -> None:
    plan, visit = fewer_of(sink, standing_clock)
    standing_clock.at(visit.starts_at - timedelta(hours=26))
    drain()
    sink.taken.clear()
    there = Place(starts_at=visit.starts_at + HOUR)
    change(hired(), visit.reference, there, version=None, reason="Late", tell=False, key="move-0001")
    assert (
        says(visit, HOUR)
        in told_at_last(plan, sink, standing_clock).partition("New:")[2].partition("All other")[0]
    )


def test_what_was_moved_without_a_word_and_then_by_itself_was_where_they_know_it(
    stages: BookedPlan, sink: Sink, standing_clock: Any
) -> None:
    visit = [one for one in seen(stages).standing if one.role is PlanRole.DOSE][-1]
    decide(practitioner(), stages.reference, Decision.CONTINUE, told=False, key="decide-01")
    shifted(stages, visit, tell=False)
    there = Place(starts_at=visit.starts_at + 2 * HOUR)
    change(hired(), visit.reference, there, version=None, reason="Late", key="move-0001")
    told = words(mail(sink, standing_clock))
    assert f"It was {says(visit)}." in told and says(visit, HOUR) not in told
    told = told_at_last(stages, sink, standing_clock)
    assert "It was" not in told and says(visit, 2 * HOUR) in told


def test_news_of_others_in_between_tells_nothing_of_what_is_taken_back(
    fewer: BookedPlan, sink: Sink, standing_clock: Any
) -> None:
    visit = added(fewer)
    paused(fewer, seen(fewer).standing[0])
    standing_clock.on(minutes=2)
    entry = cancelled_by_itself(visit).entry_id
    assert entry is not None
    assert says(visit) not in words(mail(sink, standing_clock))
    undoing.undo(hired(), entry, key="undo-0001")
    hears_nothing(sink, standing_clock)
    assert visit.id not in {one.id for one in shown(fewer)}
    assert (
        says(visit)
        in told_at_last(fewer, sink, standing_clock).partition("New:")[2].partition("All other")[0]
    )


def test_once_a_move_is_taken_back_what_was_decided_of_the_visit_waits_as_before(
    stages: BookedPlan, sink: Sink, standing_clock: Any
) -> None:
    visit = seen(stages).standing[0]
    decide(practitioner(), stages.reference, Decision.CONTINUE, told=False, key="decide-01")
    shifted(stages, visit, tell=False)
    there = Place(starts_at=visit.starts_at + 2 * HOUR)
    entry = change(hired(), visit.reference, there, version=None, reason="Late", key="move-0001").entry_id
    assert entry is not None
    undoing.undo(hired(), entry, key="undo-0001")
    hears_nothing(sink, standing_clock)
    told = told_at_last(stages, sink, standing_clock)
    assert f"Your visit is moved to this time. It was {says(visit)}." in told and says(visit, HOUR) in told


def test_what_they_move_themselves_meanwhile_is_not_told_once_more(
    stages: BookedPlan, sink: Sink, standing_clock: Any
) -> None:
    visit = next(one for one in seen(stages).standing if one.penciled and one.role is PlanRole.DOSE)
    decide(practitioner(), stages.reference, Decision.CONTINUE, told=False, key="decide-01")
    reschedule(
        visit.reference,
        links.token(visit.reference, visit.link_number),
        visit.starts_at + HOUR,
        None,
        actor="rosa",
        key="rosa-0001",
    )
    assert says(visit, HOUR) in words(mail(sink, standing_clock))
    told = told_at_last(stages, sink, standing_clock)
    assert "It was" not in told and says(visit) not in told and says(visit, HOUR) in told


@pytest.mark.parametrize("by", [Actor.PATIENT, Actor.STAFF])
def test_a_cancellation_names_the_visit_as_they_know_it_and_taken_back_it_waits_as_before(
    stages: BookedPlan, sink: Sink, standing_clock: Any, by: Actor
) -> None:
    visit = seen(stages).standing[0]
    decide(practitioner(), stages.reference, Decision.CONTINUE, told=False, key="decide-01")
    shifted(stages, visit, tell=False)
    first = statuses.cancel(hired(), visit.reference, by=by, reason="Ill", key="cancel-01").entry_id
    assert first is not None
    undoing.undo(hired(), first, key="undo-0001")
    hears_nothing(sink, standing_clock)
    statuses.cancel(hired(), visit.reference, by=by, reason="Ill", key="cancel-02")
    off = words(mail(sink, standing_clock))
    assert says(visit) in off and says(visit, HOUR) not in off
    assert says(visit) not in told_at_last(stages, sink, standing_clock)


@pytest.mark.parametrize("told", [True, False])
def test_what_a_list_has_named_is_told_to_be_cancelled_with_the_plan(
    fewer: BookedPlan, sink: Sink, standing_clock: Any, told: bool
) -> None:
    visit = added(fewer)
    assert says(visit) in listed(sink, standing_clock, date(2026, 9, 25))
    decide(practitioner(), fewer.reference, Decision.STOP, told=told, key="decide-02")
    off = words(mail(sink, standing_clock)) if told else told_at_last(fewer, sink, standing_clock)
    assert says(visit) in off.partition("Cancelled:")[2]


def test_what_a_list_has_named_and_is_moved_without_a_word_was_where_the_list_had_it(
    fewer: BookedPlan, sink: Sink, standing_clock: Any
) -> None:
    visit = added(fewer)
    assert says(visit) in listed(sink, standing_clock, date(2026, 9, 25))
    shifted(fewer, visit, tell=False)
    told = told_at_last(fewer, sink, standing_clock)
    assert f"Your visit is moved to this time. It was {says(visit)}." in told


def moved_and_listed(stages: BookedPlan, sink: Sink, standing_clock: Any) -> PlanVisit:
    """A visit that was moved without a word, and named in a list of the week where it is by then."""
    visit = [one for one in seen(stages).standing if one.role is PlanRole.DOSE][-1]
    decide(practitioner(), stages.reference, Decision.CONTINUE, told=False, key="decide-01")
    shifted(stages, visit, tell=False)
    assert says(visit, HOUR) in listed(sink, standing_clock, date(2026, 9, 25))
    standing_clock.on(minutes=5)
    return visit


def noted(visit: PlanVisit) -> None:
    panel.note(hired(), visit.reference, "Brings scans", key="note-0001")


def confirmed(visit: PlanVisit) -> None:
    confirm(visit.reference, links.token(visit.reference, visit.link_number), actor="rosa", key="confirm-01")


@pytest.mark.parametrize("touch", [noted, confirmed])
def test_what_they_have_heard_stays_so_whatever_is_written_of_the_visit(
    stages: BookedPlan, sink: Sink, standing_clock: Any, touch: Callable[[PlanVisit], None]
) -> None:
    visit = moved_and_listed(stages, sink, standing_clock)
    touch(visit)
    assert visit.starts_at + HOUR in [one.starts_at for one in shown(stages) if one.id == visit.id]
    there = Place(starts_at=visit.starts_at + 2 * HOUR)
    change(hired(), visit.reference, there, version=None, reason="Late", key="move-0001")
    assert f"It was {says(visit, HOUR)}." in words(mail(sink, standing_clock))


def test_what_others_are_told_with_in_one_mail_is_no_word_of_where_it_is_by_now(
    stages: BookedPlan, sink: Sink, standing_clock: Any
) -> None:
    *others, visit = [one for one in seen(stages).standing if one.role is PlanRole.DOSE]
    decide(practitioner(), stages.reference, Decision.CONTINUE, told=False, key="decide-01")
    shifted(stages, visit, tell=False)
    standing_clock.on(minutes=5)
    for number, other in enumerate(others[:2]):
        there = Place(starts_at=other.starts_at + HOUR)
        change(hired(), other.reference, there, version=None, reason="Late", key=f"move-100{number}")
    assert says(visit) in words(mail(sink, standing_clock))
    assert visit.id not in {one.id for one in shown(stages)}


def test_what_is_tomorrow_is_listed_among_other_news_as_on_their_page(
    sink: Sink, standing_clock: Any
) -> None:
    weeks = [{"weeks": number, "doses": {FOLLOW_UP: doses}} for number, doses in ((1, 2), (2, 1))]
    where_mei_is_alone(plan_template("fewer", {}, reassessment=["acupuncture-reassessment"], phases=weeks))
    plan = running(prescribed(patient(), "fewer"), reminded_of=PlanReminders.EACH)
    known(plan, sink, standing_clock)
    decide(practitioner(), plan.reference, Decision.CONTINUE, told=False, key="decide-01")
    booked = {one["reference"] for one in plan.visits}
    doses = [one for one in seen(plan).standing if one.role is PlanRole.DOSE]
    visit = next(one for one in doses if one.reference not in booked)
    standing_clock.at(visit.starts_at - timedelta(hours=26))
    drain()
    sink.taken.clear()
    assert visit.id in {one.id for one in shown(plan)}
    shifted(plan, next(one for one in reversed(seen(plan).standing) if one.reference in booked))
    assert says(visit) in words(mail(sink, standing_clock))


def test_once_a_list_has_named_it_staff_read_of_no_message_about_it(
    fewer: BookedPlan, sink: Sink, standing_clock: Any
) -> None:
    visit = added(fewer)
    assert visit.id in seen(fewer).untold_news(clock.now()).added
    listed(sink, standing_clock, date(2026, 9, 25))
    assert visit.id not in seen(fewer).untold_news(clock.now()).added
