"""At one moment many want a time at which something is penciled in, while its practitioner decides that it stands."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from booking.errors import Clash, Refusal, SlotTaken, VisitsTaken
from booking.models import Appointment, HistoryEntry
from booking.scheduling.plans.windows import Presence, TimeWindow
from booking.scheduling.timeline import cell_at
from booking.services import booking
from booking.services.clinic import present
from booking.services.desk import new_visit, undoing
from booking.services.desk.new_visit import BookedHere, DeskWish
from booking.services.plans.booking import BookedPlan, book as book_plan
from booking.services.plans.changing import Decision, Outcome, decide
from booking.services.plans.visits import PlanVisit
from tests.clinics import plan_template
from tests.concurrency.test_races import overlaps, storm
from tests.services.making import rows, wish
from tests.services.plans.making import (
    FIRST,
    FOLLOW_UP,
    patient,
    practitioner,
    prescribed,
    proposed,
    running,
    seen,
    where_mei_is_alone,
    wish as plan_wish,
)
from tests.staffing import hired


@pytest.fixture
def app(app: Flask, standing_clock: Any) -> Flask:
    with app.app_context():
        where_mei_is_alone(plan_template("begun", {FOLLOW_UP: 2}, weeks=1, self_service=True))
    return app


def at_one_moment(app: Flask, attempts: list[Callable[[], Any]]) -> list[Any]:
    """What each gave or refused, in order."""
    return storm(app, lambda number: attempts[number](), len(attempts))


def first_visit(visit: PlanVisit, key: str) -> booking.Booked:
    how: dict[str, Any] = {"visit_type": FIRST, "practitioner": "mei", "starts_at": visit.starts_at}
    return booking.book(
        wish(**how, first_name=key, email=f"{key}@example.com"), actor="t", key=f"first {key}"
    )


def new_plan(visit: PlanVisit, key: str) -> Callable[[], BookedPlan]:
    """Books somebody's own plan of two visits, the first at the time of this one."""
    local = visit.starts_at.astimezone(present().zone)
    opens, others = local.hour * 60 + local.minute, frozenset(range(7)) - {local.weekday()}
    then = TimeWindow(frozenset({local.weekday()}), opens, opens + 80)
    presence = Presence((then, TimeWindow(others, 0, 24 * 60)))
    (proposal, *_) = proposed("begun", local.date(), returning=frozenset(), presence=presence)
    assert proposal.wishes[0] == (FIRST, "mei", visit.starts_at)
    how: dict[str, Any] = {"first_day": local.date(), "returning": (), "presence": presence}
    asked = plan_wish(proposal, "begun", **how, first_name=key, email=f"{key}@example.com")
    return lambda: book_plan(asked, actor="t", key=f"plan {key}")


@pytest.mark.parametrize("at", [0, 6], ids=["who decides begins", "who decides comes last"])
def test_it_stands_or_gives_way_to_one_and_whoever_decides_is_never_refused(app: Flask, at: int) -> None:
    with app.app_context():
        plan = running(prescribed(patient(), "stages"))
        visit = next(one for one in seen(plan).standing if one.penciled)
        mei, dana, others = practitioner(), hired(), [patient(name, f"{name}@example.com") for name in "xyz"]

    def at_the_desk(other: str) -> Callable[[], BookedHere]:
        asked = DeskWish(other, FOLLOW_UP, None, visit.starts_at, reason="Penciled in")
        return lambda: new_visit.book(dana, asked, key=f"desk {other}")

    def decides() -> Outcome:
        return decide(mei, plan.reference, Decision.CONTINUE, told=True, key="decision")

    takers: list[Callable[[], Any]] = [
        *(at_the_desk(other) for other in others),
        *(lambda key=key: first_visit(visit, key) for key in "abc"),  # type: ignore[misc]
    ]
    answers = at_one_moment(app, [*takers[:at], decides, *takers[at:]])
    decided = answers.pop(at)
    assert isinstance(decided, Outcome), decided
    made = [one for one in answers if not isinstance(one, Refusal)]
    assert all(isinstance(one, SlotTaken | Clash) for one in answers if isinstance(one, Refusal)), answers
    with app.app_context():
        assert overlaps() == 0
        standing = next(row for row in rows(Appointment) if row["reference"] == visit.reference)
        gave_way = [row for row in rows(HistoryEntry) if row["what"] == "gave way"]
        if standing["status"] == "booked":
            assert not made and not gave_way and not standing["penciled"]
        else:
            assert len(made) == 1 and len(gave_way) == 1
            assert visit.reference not in {one.reference for one in seen(plan).standing}


@pytest.mark.parametrize("at", [0, 4], ids=["who decides begins", "who decides comes last"])
def test_of_new_plans_one_is_booked_there_whole_or_none(app: Flask, at: int) -> None:
    with app.app_context():
        plan = running(prescribed(patient(), "stages"))
        visit = next(one for one in seen(plan).standing if one.penciled)
        mei, takers = practitioner(), [new_plan(visit, key) for key in "abcd"]

    def decides() -> Outcome:
        return decide(mei, plan.reference, Decision.CONTINUE, told=True, key="decision")

    answers = at_one_moment(app, [*takers[:at], decides, *takers[at:]])
    decided = answers.pop(at)
    assert isinstance(decided, Outcome), decided
    made = [one for one in answers if isinstance(one, BookedPlan)]
    assert all(isinstance(one, BookedPlan | VisitsTaken) for one in answers), answers
    with app.app_context():
        assert overlaps() == 0
        standing = next(row for row in rows(Appointment) if row["reference"] == visit.reference)
        assert len(made) == (standing["status"] == "cancelled")
        theirs = [row for row in rows(Appointment) if row["email"] != "rosa@example.com"]
        assert len(theirs) == 2 * len(made)


def test_what_comes_back_when_its_taker_is_undone_comes_back_once(app: Flask) -> None:
    with app.app_context():
        plan = running(prescribed(patient(), "stages"))
        visit = next(one for one in seen(plan).standing if one.penciled)
        mei, dana = practitioner(), hired()
        asked = DeskWish(
            patient("Otto", "otto@example.com"), FOLLOW_UP, None, visit.starts_at, reason="Penciled"
        )
        made = new_visit.book(dana, asked, key="desk-0001")
    at_one_moment(
        app,
        [
            *(lambda key=key: undoing.undo(dana, made.entry_id, key=f"undo-{key}") for key in "abc"),  # type: ignore[misc]
            lambda: decide(mei, plan.reference, Decision.CONTINUE, told=True, key="decision"),
            lambda: first_visit(visit, "someone"),
        ],
    )
    with app.app_context():
        assert overlaps() == 0
        came_back = [row for row in rows(HistoryEntry) if row["what"] == "came back"]
        at_that_time = [
            row
            for row in rows(Appointment)
            if row["from_cell"] == cell_at(visit.starts_at) and row["status"] == "booked"
        ]
        assert len(came_back) <= 1 and len(at_that_time) == 1, (came_back, at_that_time)
