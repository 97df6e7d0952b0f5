"""What the clinic changes of a plan as a whole, and of one of its other visits, within three minutes is one message."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from booking import clock
from booking.models import Channel, Reminders
from booking.reminders.delivery import deliver_due
from booking.services.clinic import present
from booking.services.desk import panel, statuses, undoing
from booking.services.desk.moving import Place, change
from booking.services.plans.booking import BookedPlan
from booking.services.plans.changing import pause
from booking.services.plans.shifting import shift
from tests.clinics import plan_clinic, set_up
from tests.reminders.conftest import drain, messages, text_files
from tests.reminders.sink import OK, Sink
from tests.services.plans.making import patient, prescribed, running, seen
from tests.staffing import hired

pytestmark = pytest.mark.usefixtures("standing_clock", "context")

HOUR = timedelta(hours=1)
Doing = Callable[[BookedPlan], int]


@pytest.fixture(autouse=True)
def clinic_with_plans(app: Flask, context: Any, standing_clock: Any) -> None:
    set_up(plan_clinic())


@pytest.fixture
def plan(sink: Sink, standing_clock: Any) -> BookedPlan:
    """Six visits, one a week; what was said of them has gone, two hours ago."""
    made = running(prescribed(patient(), "weekly"))
    drain()
    standing_clock.on(hours=2)
    sink.taken.clear()
    return made


def paused(plan: BookedPlan) -> int:
    """The third visit is given back, by a change of the plan as a whole."""
    day = seen(plan).visits[2].starts_at.date()
    pause(hired(), plan.reference, day, day, "Away", tell=True, key="pause-0001")
    return 0


def cancelled(plan: BookedPlan) -> int:
    reference = plan.visits[4]["reference"]
    return statuses.cancel(hired(), reference, reason="Mei is ill.", key="cancel-01").entry_id or 0


def moved(plan: BookedPlan) -> int:
    visit = seen(plan).visits[4]
    place = Place(starts_at=visit.starts_at + HOUR)
    return (
        change(hired(), visit.reference, place, version=None, reason="Mei is late.", key="move-0001").entry_id
        or 0
    )


ORDERS = pytest.mark.parametrize(
    ("first", "second"), [(paused, cancelled), (cancelled, paused)], ids=["plan-first", "visit-first"]
)


def words(mail: Any) -> str:
    return str(mail.get_body(("plain",)).get_content())


def said_of(plan: BookedPlan, number: int) -> str:
    """How a mail names a visit as it was booked."""
    return present().times.moment(seen(plan).visits[number].starts_at)


def ended() -> dict[str, tuple[str, str]]:
    return {
        row["kind"]: (row["state"].value, row["settled_as"])
        for row in messages()
        if row["kind"] in ("cancellation", "plan-change") and row["channel"] is not Channel.CALL
    }


@ORDERS
def test_one_visit_and_the_plan_are_told_together(
    plan: BookedPlan, sink: Sink, standing_clock: Any, first: Doing, second: Doing
) -> None:
    gone = [said_of(plan, 2), said_of(plan, 4)]
    stays = [said_of(plan, number) for number in (0, 1, 3, 5)]
    first(plan)
    standing_clock.on(minutes=2)
    second(plan)
    standing_clock.on(minutes=1)
    drain()
    assert sink.taken == []  # The second can still be taken back.
    standing_clock.on(minutes=2)
    drain()
    (mail,) = sink.taken
    assert mail["Subject"] == "Changed: your visits at Test Clinic"
    said = words(mail)
    assert [at for at in (*gone, *stays) if at not in said] == []
    assert (
        said.index(gone[0]) < said.index(gone[1]) < said.index("All other visits stay") < said.index(stays[0])
    )
    assert ended() == {"plan-change": ("sent", ""), "cancellation": ("dropped", "told together")}


@ORDERS
def test_each_visit_shows_the_message_that_told_of_it(
    plan: BookedPlan, sink: Sink, standing_clock: Any, first: Doing, second: Doing
) -> None:
    first(plan)
    second(plan)
    standing_clock.on(minutes=3)
    drain()
    for number in (2, 4, 5):
        shown = panel.panel(hired(), plan.visits[number]["reference"]).messages
        assert ("plan-change", "sent") in {(one.kind, one.state.value) for one in shown}


def test_a_moved_visit_says_what_it_was(plan: BookedPlan, sink: Sink, standing_clock: Any) -> None:
    was = said_of(plan, 4)
    moved(plan)
    standing_clock.on(minutes=1)
    paused(plan)
    standing_clock.on(minutes=3)
    drain()
    (mail,) = sink.taken
    assert f"Your visit is moved to this time. It was {was}." in words(mail)
    assert words(mail).index("Changed:") < words(mail).index("Cancelled:")


@ORDERS
def test_by_text_it_is_one_too(app: Flask, standing_clock: Any, first: Doing, second: Doing) -> None:
    made = running(prescribed(patient(email=None), "weekly"), reminders=Reminders.TEXT, text_consent=True)
    drain()
    standing_clock.on(hours=2)  # Ten in the morning.
    before = len(text_files(app))
    first(made)
    standing_clock.on(minutes=2)
    second(made)
    standing_clock.on(minutes=3)
    drain()
    (text,) = text_files(app)[before:]
    assert text.startswith("Test Clinic: some of your visits have changed:")
    assert ended()["cancellation"] == ("dropped", "told together")


@ORDERS
def test_what_is_taken_back_is_not_told(
    plan: BookedPlan, sink: Sink, standing_clock: Any, first: Doing, second: Doing
) -> None:
    entry = first(plan) + second(plan)
    standing_clock.on(minutes=2)
    undoing.undo(hired(), entry, key="undo-0001")
    standing_clock.on(minutes=3)
    drain()
    (mail,) = sink.taken
    said = words(mail)
    assert said.index(said_of(plan, 4)) > said.index("All other visits stay as they are.")
    assert ended()["cancellation"] == ("dropped", "")


def test_taken_back_after_it_was_told_it_takes_place_after_all(
    plan: BookedPlan, sink: Sink, standing_clock: Any
) -> None:
    paused(plan)
    entry = cancelled(plan)
    standing_clock.on(minutes=3)
    drain()
    undoing.undo(hired(), entry, key="undo-0001")
    standing_clock.on(minutes=3)
    drain()
    assert "takes place after all" in words(sink.taken[-1]) and len(sink.taken) == 2


def test_while_more_is_changed_all_of_it_waits(plan: BookedPlan, sink: Sink, standing_clock: Any) -> None:
    cancelled(plan)
    standing_clock.on(minutes=2)
    paused(plan)
    standing_clock.on(minutes=2)
    drain()
    day = seen(plan).visits[3].starts_at.date()
    pause(hired(), plan.reference, day, day, "Away", tell=True, key="pause-0002")
    standing_clock.on(minutes=1)
    drain()
    assert sink.taken == []
    standing_clock.on(minutes=2)
    drain()
    (mail,) = sink.taken
    changed = words(mail).partition("All other visits")[0]
    assert [number for number in range(6) if said_of(plan, number) in changed] == [2, 3, 4]


@ORDERS
def test_what_could_not_be_sent_is_tried_again_as_one(
    plan: BookedPlan, sink: Sink, standing_clock: Any, first: Doing, second: Doing
) -> None:
    first(plan)
    second(plan)
    standing_clock.on(minutes=3)
    sink.answer = "451 not now"
    drain()
    assert ended() == {"plan-change": ("queued", ""), "cancellation": ("queued", "")}
    sink.answer = OK
    standing_clock.on(minutes=1)
    drain()
    assert len(sink.taken) == 1 and ended()["plan-change"] == ("sent", "")
    (told,) = messages(kind="plan-change")
    assert told["attempts"] == 2


@ORDERS
def test_where_the_one_is_refused_the_other_goes_by_itself(
    plan: BookedPlan, sink: Sink, standing_clock: Any, first: Doing, second: Doing
) -> None:
    first(plan)
    second(plan)
    standing_clock.on(minutes=3)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sink, "to_recipient", "550 no such mailbox")
        assert deliver_due(batch=1) == 1
    drain()
    assert ended() == {"plan-change": ("dead", ""), "cancellation": ("sent", "")}
    (mail,) = sink.taken
    assert mail["Subject"].startswith("Cancelled:")


@ORDERS
def test_two_workers_at_one_moment_send_one(
    app: Flask, plan: BookedPlan, sink: Sink, standing_clock: Any, first: Doing, second: Doing
) -> None:
    first(plan)
    second(plan)
    standing_clock.on(minutes=3)
    now = standing_clock.now

    def work(_: int) -> None:
        with app.app_context(), clock.turned_to(now):
            while deliver_due(batch=1):
                pass

    with ThreadPoolExecutor(2) as crowd:
        list(crowd.map(work, range(2)))
    assert len(sink.taken) == 1
    assert ended() == {"plan-change": ("sent", ""), "cancellation": ("dropped", "told together")}


# One visit after its plan was shifted


def shifted(plan: BookedPlan) -> None:
    """The last two visits, from nine to ten."""
    visit = seen(plan).visits[4]
    shift(hired(), plan.reference, visit.reference, visit.starts_at + HOUR, None, key="shift-001")


def changed_in(mail: Any) -> str:
    return words(mail).partition("All other visits")[0].partition("No other visits")[0]


def test_a_visit_that_was_shifted_and_moved_on_is_told_once_from_where_its_patient_knew_it(
    plan: BookedPlan, sink: Sink, standing_clock: Any
) -> None:
    knew, knew_last = said_of(plan, 4), said_of(plan, 5)
    shifted(plan)
    between = said_of(plan, 4)
    standing_clock.on(minutes=1)
    moved(plan)
    standing_clock.on(minutes=3)
    drain()
    (mail,) = sink.taken
    said = changed_in(mail)
    assert f"Your visit is moved to this time. It was {knew}." in said
    assert between not in words(mail) and said.count(knew) == 1 and said.count(said_of(plan, 4)) == 1
    assert f"{said_of(plan, 5)}, with" in said and f"It was {knew_last}." in said
    assert "Cancelled:" not in said and "New:" not in said


@pytest.mark.parametrize("way", [1, 2], ids=["at-once", "on-the-way"])
def test_a_visit_that_was_shifted_and_moved_back_was_never_moved(
    plan: BookedPlan, sink: Sink, standing_clock: Any, way: int
) -> None:
    shifted(plan)
    knew = seen(plan).visits[4].starts_at - HOUR
    for number, hours in ((1, 2), (2, 0)) if way == 2 else ((2, 0),):
        there = Place(starts_at=knew + hours * HOUR)
        reference = plan.visits[4]["reference"]
        change(hired(), reference, there, version=None, reason="Mei is in.", key=f"move-{number:04}")
    standing_clock.on(minutes=3)
    drain()
    (mail,) = sink.taken
    assert said_of(plan, 4) not in changed_in(mail) and said_of(plan, 4) in words(mail)
    assert said_of(plan, 5) in changed_in(mail)


def test_a_visit_that_was_shifted_and_cancelled_is_cancelled_where_its_patient_knew_it(
    plan: BookedPlan, sink: Sink, standing_clock: Any
) -> None:
    knew = said_of(plan, 4)
    shifted(plan)
    between = said_of(plan, 4)
    cancelled(plan)
    standing_clock.on(minutes=3)
    drain()
    (mail,) = sink.taken
    assert knew in changed_in(mail).partition("Cancelled:")[2] and between not in words(mail)


@pytest.mark.parametrize("done", [moved, cancelled])
def test_what_was_shifted_and_then_changed_is_as_shifted_once_that_is_taken_back(
    plan: BookedPlan, sink: Sink, standing_clock: Any, done: Doing
) -> None:
    knew = said_of(plan, 4)
    shifted(plan)
    standing_clock.on(minutes=1)
    undoing.undo(hired(), done(plan), key="undo-0001")
    standing_clock.on(minutes=4)
    drain()
    (mail,) = sink.taken
    said = changed_in(mail)
    assert f"It was {knew}." in said and said.count(said_of(plan, 4)) == 1
    assert "Cancelled:" not in said and "New:" not in said


def test_a_visit_of_which_nothing_was_told_as_it_was_back_is_told_once_it_isnt(
    plan: BookedPlan, sink: Sink, standing_clock: Any
) -> None:
    last = seen(plan).visits[5]
    knew = said_of(plan, 5)
    shift(hired(), plan.reference, last.reference, last.starts_at + HOUR, None, key="shift-001")
    there = Place(starts_at=last.starts_at)
    back = change(hired(), last.reference, there, version=None, reason="Mei is in.", key="move-0001")
    standing_clock.on(minutes=4)
    drain()
    assert sink.taken == []
    undoing.undo(hired(), back.entry_id or 0, key="undo-0001")
    standing_clock.on(minutes=3)
    drain()
    (mail,) = sink.taken
    assert said_of(plan, 5) in words(mail) and knew in words(mail)
