"""The board of plans: what became of each visit, who needs somebody, in which order, and how much of the database it asks."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, select, update

from booking.errors import NotFound
from booking.extensions import db
from booking.models import Actor, Appointment, Patient, Plan, PlanStatus
from booking.scheduling.allowances.terms import Kind, SameDay, Span, Terms, Window
from booking.scheduling.status import Status
from booking.services.clinic import present
from booking.services.desk import coverage, panel, statuses
from booking.services.desk.statuses import cancel, correct
from booking.services.own_day.day import own_day
from booking.services.plans.adherence import Fate, Need, Row, adherence, mark
from booking.services.plans.changing import pause
from booking.services.plans.reading import opened
from tests.clinics import plan_clinic, set_up
from tests.conftest import MONDAY, StandingClock
from tests.services.making import NINE, booked
from tests.services.plans.making import FIRST_DAY, practitioner, prescribed, running
from tests.staffing import hired

MONDAY_OF_THE_PLAN = MONDAY + timedelta(days=7)


@pytest.fixture(autouse=True)
def a_clinic(context: Flask, standing_clock: StandingClock) -> None:
    set_up(plan_clinic())


def patient(first_name: str = "Rosa", day: int = 0) -> str:
    """Somebody who was here once before."""
    visit = booked(
        NINE + timedelta(days=day), visit_type="acupuncture-first", practitioner="mei", first_name=first_name,
        email=f"{first_name}@example.com".lower(),
    )  # fmt: skip
    with db.engine.connect() as connection:
        wanted = select(Patient.reference).join(Appointment, Appointment.patient_id == Patient.id)
        return str(connection.scalar(wanted.where(Appointment.reference == visit.reference)))


def a_plan(template: str = "disc", first_name: str = "Rosa", **how: Any) -> str:
    made = prescribed(patient(first_name, how.pop("day", 0)), template, **how)
    running(made, key=f"book {first_name}")
    return made.reference


def row_of(reference: str, **how: Any) -> Row:
    return next(row for row in adherence(hired(), **how).rows if row.reference == reference)


def become(reference: str, number: int, status: Status) -> None:
    """Lets the visit of this number in a plan have become so."""
    visit = seen_visits(reference)[number]
    with db.engine.begin() as connection:
        connection.execute(
            update(Appointment)
            .where(Appointment.id == visit.id)
            .values(status=status, version=Appointment.version + 1)
        )


def seen_visits(reference: str) -> tuple[Any, ...]:
    return opened(hired(), reference).visits


def marks(row: Row, week: int, care: str = "acupuncture-follow-up") -> list[str]:
    return [
        mark.value for marked in row.weeks[week].cares if marked.care.slug == care for mark in marked.fates
    ]


def test_a_plan_that_has_just_begun_goes_as_planned() -> None:
    row = row_of(a_plan())
    assert marks(row, 0) == ["booked"] * 3 and marks(row, 3, "chiropractic-follow-up") == ["booked"] * 2
    assert (row.needs, row.short, row.week) == ((), 0, None)
    assert row.prescribed_by is not None and row.prescribed_by.slug == "mei"


def test_what_was_missed_and_not_made_up_leaves_the_plan_short(standing_clock: StandingClock) -> None:
    reference = a_plan("weekly")
    become(reference, 0, Status.NOSHOW)
    standing_clock.at(MONDAY_OF_THE_PLAN + timedelta(days=7))
    row = row_of(reference)
    assert marks(row, 0) == ["missed", "left"] and row.week == 1
    assert row.needs == (Need.SHORT,) and (row.short, row.missed_in_a_row) == (1, 1)


def test_two_missed_in_a_row_have_stopped_coming(standing_clock: StandingClock) -> None:
    reference = a_plan("weekly")
    become(reference, 0, Status.NOSHOW)
    become(reference, 1, Status.CANCELLED)
    standing_clock.at(MONDAY_OF_THE_PLAN + timedelta(days=14))
    row = row_of(reference)
    assert row.needs == (Need.STOPPED, Need.SHORT) and row.missed_in_a_row == 2
    # One that comes after all ends it.
    become(reference, 2, Status.FULFILLED)
    standing_clock.on(days=7)
    assert row_of(reference).needs == (Need.SHORT,)


def test_what_the_clinic_cancels_nobody_has_missed(standing_clock: StandingClock) -> None:
    reference = a_plan("weekly")
    visits = [one.reference for one in seen_visits(reference)[1:3]]
    for number, one in enumerate(visits):
        cancel(hired(), one, reason="Mei is ill", key=f"cancel-0{number}")
    standing_clock.at(MONDAY_OF_THE_PLAN + timedelta(days=20))
    assert row_of(reference).needs == (Need.SHORT,) and row_of(reference).missed_in_a_row == 0
    # What its patient asked the desk to cancel is theirs.
    for number, one in enumerate(visits):
        correct(
            hired(), one, Status.CANCELLED, by=Actor.PATIENT, reason="They called", key=f"wish-000{number}"
        )
    row = row_of(reference)
    assert row.needs == (Need.STOPPED, Need.SHORT) and row.missed_in_a_row == 2


def test_nothing_ahead_though_doses_are_left_is_a_stop() -> None:
    reference = a_plan("weekly")
    for number in range(6):
        become(reference, number, Status.CANCELLED)
    row = row_of(reference)
    assert row.needs == (Need.STOPPED, Need.SHORT) and (row.short, row.next_at) == (6, None)


def test_who_came_to_the_last_visit_or_missed_one_alone_has_not_stopped_coming(
    standing_clock: StandingClock,
) -> None:
    reference = a_plan("weekly")
    become(reference, 5, Status.NOSHOW)
    standing_clock.at(MONDAY_OF_THE_PLAN + timedelta(days=42))
    row = row_of(reference)
    assert row.needs == (Need.SHORT,) and (row.short, row.next_at) == (1, None)
    # One more, and they have.
    become(reference, 4, Status.NOSHOW)
    assert row_of(reference).needs == (Need.STOPPED, Need.SHORT)


def test_who_has_a_visit_ahead_has_not_stopped_coming() -> None:
    reference = a_plan("weekly")
    for number in (4, 5):
        become(reference, number, Status.CANCELLED)
    assert row_of(reference).needs == (Need.SHORT,)


def test_who_came_to_the_look_has_not_stopped_coming(standing_clock: StandingClock) -> None:
    reference = a_plan()
    visits = seen_visits(reference)
    look = next(n for n, one in enumerate(visits) if one.role == "reassessment")
    missed = [n for n, one in enumerate(visits) if one.role != "reassessment"][-2:]
    for number in missed:
        become(reference, number, Status.NOSHOW)
    become(reference, look, Status.FULFILLED)
    standing_clock.at(max(one.ends_at for one in visits))
    assert visits[look].starts_at > max(visits[number].starts_at for number in missed)
    row = row_of(reference)
    assert row.needs == (Need.UNDECIDED, Need.SHORT) and (row.short, row.missed_in_a_row) == (2, 0)


def test_the_gate_is_near_then_waits_for_a_decision(standing_clock: StandingClock) -> None:
    reference = a_plan()
    look = next(one for one in seen_visits(reference) if one.role == "reassessment")
    on = present().times.local_date(look.starts_at)
    assert row_of(reference).gate_on == on
    standing_clock.at(look.starts_at - timedelta(days=6))
    assert Need.GATE in row_of(reference).needs
    standing_clock.at(look.ends_at + timedelta(hours=1))
    assert Need.UNDECIDED in row_of(reference).needs


def test_no_reassessment_is_booked() -> None:
    reference = a_plan()
    number = next(n for n, one in enumerate(seen_visits(reference)) if one.role == "reassessment")
    become(reference, number, Status.CANCELLED)
    row = row_of(reference)
    # Seven days after the last of four weeks, at the latest.
    assert row.needs == (Need.NO_REASSESSMENT,) and row.gate_on == FIRST_DAY + timedelta(days=34)


def test_whose_allowance_ends_before_the_plan_does() -> None:
    reference = a_plan("weekly")
    before = mark()
    terms = Terms(Kind.INSURANCE, ("acupuncture",), 4, Window(Span.CALENDAR_YEAR))
    coverage.record(hired(), row_of(reference).patient, "Blue Shield", terms, key="record-1")
    # One visit lies before the plan.
    row = row_of(reference)
    assert (row.needs, row.beyond_on) == (
        (Need.ALLOWANCE,),
        FIRST_DAY + timedelta(days=21),
    ) and mark() != before
    # What isn't booked yet needs some of it too.
    for number in range(3, 6):
        become(reference, number, Status.CANCELLED)
    row = row_of(reference)
    assert Need.ALLOWANCE in row.needs and row.beyond_on is None


NEEDLES, SPINE = ("acupuncture",), ("chiropractic",)
BOTH = NEEDLES + SPINE
EVER = Window(Span.LIFETIME)
SECOND_WEEK = FIRST_DAY + timedelta(days=7)


@pytest.mark.parametrize(
    ("pools", "too_little"),
    [
        # One visit was booked before; twelve and eight are to be, and both kinds draw on one pool.
        ([Terms(Kind.INSURANCE, BOTH, 21, EVER)], False),
        ([Terms(Kind.INSURANCE, BOTH, 20, EVER)], True),
        ([Terms(Kind.INSURANCE, BOTH, 20, EVER, same_day=SameDay.ONE)], True),
        ([Terms(Kind.INSURANCE, NEEDLES, 13, EVER)], False),
        ([Terms(Kind.INSURANCE, NEEDLES, 12, EVER)], True),
        ([Terms(Kind.INSURANCE, NEEDLES, 12, EVER), Terms(Kind.PACKAGE, BOTH, 9, EVER)], False),
        ([Terms(Kind.INSURANCE, NEEDLES, 12, EVER), Terms(Kind.PACKAGE, BOTH, 8, EVER)], True),
        # Three are free of an authorisation, and none was given.
        ([Terms(Kind.AUTHORISATION, NEEDLES, None, EVER, free=3)], True),
        # What ends before the last is booked; and what goes on after it, though today nothing is left of that.
        ([Terms(Kind.PACKAGE, NEEDLES, 99, EVER, ends=SECOND_WEEK - timedelta(days=1))], True),
        (
            [
                Terms(Kind.PACKAGE, NEEDLES, 99, EVER, ends=SECOND_WEEK - timedelta(days=1)),
                Terms(Kind.PACKAGE, NEEDLES, 9, EVER, begins=SECOND_WEEK),
            ],
            False,
        ),
        # So many a month, of a plan that lies in two.
        ([Terms(Kind.MEMBERSHIP, NEEDLES, 9, Window(Span.MONTH))], False),
    ],
)  # fmt: skip
def test_what_a_plan_still_has_to_book_is_counted_against_all_that_is_left(
    pools: list[Terms], too_little: bool
) -> None:
    reference = prescribed(patient()).reference
    for number, terms in enumerate(pools):
        coverage.record(hired(), row_of(reference).patient, "Pool", terms, key=f"record {number}")
    row = row_of(reference)
    assert (Need.ALLOWANCE in row.needs) is too_little and row.beyond_on is None


def test_what_two_plans_of_a_patient_still_have_to_book_is_counted_together() -> None:
    whose = patient()
    references = [prescribed(whose, "weekly").reference for _ in range(2)]
    coverage.record(hired(), whose, "Blue Shield", Terms(Kind.INSURANCE, NEEDLES, 12, EVER), key="record-1")
    # One visit lies before the plans, which have six each.
    assert all(Need.ALLOWANCE in row_of(reference).needs for reference in references)


def test_what_begins_within_a_week_is_there_for_that_week() -> None:
    reference = prescribed(patient(), "weekly").reference
    thursday = FIRST_DAY + timedelta(days=3)
    package = Terms(Kind.PACKAGE, NEEDLES, 6, EVER, begins=thursday)
    coverage.record(hired(), row_of(reference).patient, "Package", package, key="record-1")
    assert Need.ALLOWANCE not in row_of(reference).needs


def test_what_is_booked_later_may_be_pushed_out_by_what_is_to_be_booked_before() -> None:
    reference = a_plan("weekly")
    become(reference, 0, Status.CANCELLED)
    terms = Terms(Kind.INSURANCE, NEEDLES, 6, EVER)
    coverage.record(hired(), row_of(reference).patient, "Blue Shield", terms, key="record-1")
    row = row_of(reference)
    assert Need.ALLOWANCE in row.needs and row.beyond_on is None


def test_what_isnt_booked_or_is_paused_is_said(standing_clock: StandingClock) -> None:
    made = prescribed(patient())
    assert row_of(made.reference).needs == (Need.NOT_BOOKED,)
    running(made)
    last = FIRST_DAY + timedelta(days=6)
    pause(hired(), made.reference, FIRST_DAY, last, "Travels.", key="pause-001")
    standing_clock.at(MONDAY_OF_THE_PLAN + timedelta(days=5))
    row = row_of(made.reference)
    assert row.needs == (Need.SHORT, Need.PAUSED) and row.paused_until == last
    plan = opened(hired(), made.reference)
    assert (plan.status, plan.stands_as) == (PlanStatus.RUNNING, PlanStatus.PAUSED)
    # Once it is over, nobody says that they have stopped coming.
    standing_clock.at(MONDAY_OF_THE_PLAN + timedelta(days=7))
    row = row_of(made.reference)
    assert row.needs == (Need.SHORT,) and row.missed_in_a_row == 0
    with db.engine.begin() as connection:
        connection.execute(update(Plan).values(status=PlanStatus.STOPPED))
    assert adherence(hired()).rows == ()


def test_those_in_need_stand_first_and_may_be_asked_for(standing_clock: StandingClock) -> None:
    fine, short, gone = (a_plan("weekly", name, day=day) for day, name in enumerate(("Ada", "Ben", "Cleo")))
    become(short, 0, Status.NOSHOW)
    for number in (0, 1):
        become(gone, number, Status.NOSHOW)
    standing_clock.at(MONDAY_OF_THE_PLAN + timedelta(days=14))
    board = adherence(hired())
    assert [row.reference for row in board.rows] == [gone, short, fine]
    assert board.counts == {Need.STOPPED: 1, Need.SHORT: 2} and board.all == 3
    assert [row.reference for row in adherence(hired(), need=Need.STOPPED).rows] == [gone]
    assert [row.patient_name for row in board.rows] == ["Cleo Lima", "Ben Lima", "Ada Lima"]


def test_practitioners_see_plans_of_their_own_patients() -> None:
    reference = a_plan("weekly", only={"acupuncture": ("mei",)})
    assert [row.reference for row in adherence(practitioner("mei")).rows] == [reference]
    assert adherence(practitioner("lin")).rows == ()


def test_one_practitioners_plans_may_be_asked_for() -> None:
    reference = a_plan("weekly", only={"acupuncture": ("mei",)})
    assert [row.reference for row in adherence(hired(), practitioner="mei").rows] == [reference]
    assert adherence(hired(), practitioner="dan").rows == ()
    with pytest.raises(NotFound):
        adherence(hired(), practitioner="nobody")


def test_what_the_board_shows_is_what_the_plans_page_counts(standing_clock: StandingClock) -> None:
    reference = a_plan()
    for number, status in ((0, Status.FULFILLED), (1, Status.NOSHOW), (4, Status.CANCELLED)):
        become(reference, number, status)
    standing_clock.at(MONDAY_OF_THE_PLAN + timedelta(days=5))
    row = row_of(reference)
    for week, shown in zip(opened(hired(), reference).weeks, row.weeks, strict=True):
        for dose, marked in zip(week.doses, shown.cares, strict=True):
            counted = [marked.fates.count(one) for one in (Fate.ATTENDED, Fate.LEFT, Fate.MADE_UP)]
            assert counted == [dose.attended, dose.left, dose.made_up]
            assert marked.fates.count(Fate.MISSED) == dose.missed - dose.made_up
            assert marked.fates.count(Fate.BOOKED) + marked.fates.count(Fate.PENCILED) == dose.booked


@contextmanager
def counted() -> Iterator[list[str]]:
    said: list[str] = []

    def heard(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if not statement.startswith(("BEGIN", "ROLLBACK", "COMMIT")):
            said.append(statement)

    event.listen(db.engine, "before_cursor_execute", heard)
    try:
        yield said
    finally:
        event.remove(db.engine, "before_cursor_execute", heard)


def test_as_many_statements_whatever_the_number_of_plans() -> None:
    who = hired()
    a_plan("weekly", "Ada")
    with counted() as one:
        adherence(who)
    for number in range(3):
        a_plan(
            "weekly",
            "Eve" + "abcd"[number],
            day=number + 1,
            first_day=FIRST_DAY + timedelta(days=7 * number),
        )
    with counted() as several:
        assert len(adherence(who).rows) == 4
    assert len(several) == len(one) <= 5


def test_the_mark_stands_until_something_changes() -> None:
    reference = a_plan("weekly")
    before = mark()
    assert mark() == before
    visit = seen_visits(reference)[0]
    statuses.cancel(hired(), visit.reference, key="cancel-it")
    assert mark() != before


def test_a_visit_knows_which_of_how_many_it_is(standing_clock: StandingClock) -> None:
    reference = a_plan()
    visits = [one for one in seen_visits(reference) if one.care.slug == "acupuncture-follow-up"]
    place = panel.brief(hired(), visits[4].reference).plan
    assert place is not None and (place.plan, place.number, place.of) == (reference, 5, 12)
    become(reference, 0, Status.CANCELLED)
    looks = next(one for one in seen_visits(reference) if one.role == "reassessment")
    found = panel.brief(hired(), looks.reference).plan
    assert found is not None and found.reassessment


def test_a_practitioners_day_says_it_and_hears_of_changes_elsewhere(standing_clock: StandingClock) -> None:
    reference = a_plan("weekly", only={"acupuncture": ("mei",)})
    mei, (first, second, *_rest) = practitioner("mei"), seen_visits(reference)
    on = present().times.local_date(second.starts_at)
    (visit,) = own_day(mei, on).visits
    assert visit.plan is not None and (visit.plan.number, visit.plan.of) == (2, 6)
    become(reference, 0, Status.CANCELLED)
    (visit,) = own_day(mei, on).visits
    assert visit.plan is not None and (visit.plan.number, visit.plan.of) == (1, 6)
    assert first.reference != second.reference
