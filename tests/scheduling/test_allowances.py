"""How visits draw on what insurance and packages allow: each rule and each edge as a case, and what holds for all."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from booking.scheduling.allowances.counting import (
    Count,
    Pool,
    Standing,
    State,
    Visit,
    count,
)
from booking.scheduling.allowances.terms import (
    Asked,
    Authorisation,
    Beyond,
    Cap,
    Kind,
    SameDay,
    Span,
    Terms,
    Window,
    usual_beyond,
)

NEEDLES, SPINE = "acupuncture", "chiropractic"
YEAR = Window(Span.CALENDAR_YEAR)
EVER = Window(Span.LIFETIME)
ELEVEN = Window(Span.ELEVEN_MONTHS)
IN_90 = Window(Span.ROLLING, days=90)
START = date(2026, 3, 2)


def pool(limit: int | None = 3, window: Window = EVER, number: int = 1, **how: Any) -> Pool:
    ended_on = how.pop("ended_on", None)
    how = {"kind": Kind.INSURANCE, "modalities": (NEEDLES,)} | how
    return Pool(number, f"Pool {number}", Terms(limit=limit, window=window, **how), ended_on)


def visits(*days: date, modality: str = NEEDLES, state: State = State.BOOKED) -> list[Visit]:
    return [
        Visit(day, modality, state, f"{modality} {day} {number}", number) for number, day in enumerate(days)
    ]


def every(days: int, times: int, first: date = START) -> list[date]:
    return [first + timedelta(days * number) for number in range(times)]


def standings(found: Count) -> list[Standing]:
    return [mark.standing for _visit, mark in found.marks]


def beyond(found: Count) -> list[date]:
    return [visit.day for visit, mark in found.marks if mark.beyond]


def left(found: Count, day: date, number: int = 1) -> int | None:
    bound = next(one for one in found.left(day) if one.pool.id == number).tightest
    return bound and bound.left


# Windows


@pytest.mark.parametrize(
    ("window", "day", "first", "last"),
    [
        (IN_90, date(2026, 3, 31), date(2026, 1, 1), date(2026, 3, 31)),
        (Window(Span.ROLLING, days=1), date(2028, 2, 29), date(2028, 2, 29), date(2028, 2, 29)),
        # Over a leap day.
        (Window(Span.ROLLING, days=60), date(2028, 3, 31), date(2028, 2, 1), date(2028, 3, 31)),
        (YEAR, date(2026, 12, 31), date(2026, 1, 1), date(2026, 12, 31)),
        (YEAR, date(2027, 1, 1), date(2027, 1, 1), date(2027, 12, 31)),
        (Window(Span.CONTRACT_YEAR, month=7, day=1), date(2026, 6, 30), date(2025, 7, 1), date(2026, 6, 30)),
        (Window(Span.CONTRACT_YEAR, month=7, day=1), date(2026, 7, 1), date(2026, 7, 1), date(2027, 6, 30)),
        (Window(Span.CONTRACT_YEAR, month=2, day=29), date(2028, 2, 29), date(2028, 2, 29), date(2029, 2, 27)),
        (Window(Span.CONTRACT_YEAR, month=2, day=29), date(2028, 2, 28), date(2027, 2, 28), date(2028, 2, 28)),
        (Window(Span.MONTH), date(2028, 2, 29), date(2028, 2, 1), date(2028, 2, 29)),
        (Window(Span.MONTH, day=15), date(2027, 1, 14), date(2026, 12, 15), date(2027, 1, 14)),
        (Window(Span.MONTH, day=31), date(2026, 3, 30), date(2026, 2, 28), date(2026, 3, 30)),
        (Window(Span.MONTH, day=31), date(2026, 4, 30), date(2026, 4, 30), date(2026, 5, 30)),
        # The clinic's example: a first visit on March 21, 2020, a new year from March 1, 2021.
        (ELEVEN, date(2020, 3, 21), date(2020, 3, 21), date(2021, 2, 28)),
        (ELEVEN, date(2020, 2, 29), date(2020, 2, 29), date(2021, 1, 31)),
        (EVER, date(2026, 3, 2), date.min, date.max),
    ],
)  # fmt: skip
def test_a_window_has_a_first_and_a_last_day(window: Window, day: date, first: date, last: date) -> None:
    assert window.around(day) == (first, last)


@pytest.mark.parametrize(
    ("days", "lies_beyond"),
    [
        ([date(2020, 3, 21), date(2020, 4, 1), date(2021, 2, 28)], [date(2021, 2, 28)]),
        ([date(2020, 3, 21), date(2020, 4, 1), date(2021, 3, 1)], []),
        # The next year begins with its first visit, not with the day on which it could.
        ([date(2020, 3, 21), date(2021, 5, 30), date(2022, 4, 30), date(2022, 4, 30)], [date(2022, 4, 30)]),
        ([date(2020, 3, 21), date(2021, 5, 30), date(2022, 4, 30), date(2022, 5, 1)], []),
    ],
)
def test_medicares_year_begins_anew_after_eleven_full_months(
    days: list[date], lies_beyond: list[date]
) -> None:
    assert beyond(count([pool(2, ELEVEN)], visits(*days))) == lies_beyond


@pytest.mark.parametrize(("after", "is_beyond"), [(89, True), (90, False)])
def test_the_last_day_of_a_rolling_window_still_counts(after: int, is_beyond: bool) -> None:
    days = every(2, 12)
    found = count([pool(12, IN_90)], visits(*days, START + timedelta(after)))
    assert bool(beyond(found)) is is_beyond


def test_a_calendar_year_begins_anew_at_its_change() -> None:
    days = [date(2026, 12, 30), date(2026, 12, 31), date(2027, 1, 1)]
    assert beyond(count([pool(1, YEAR)], visits(*days))) == [date(2026, 12, 31)]


def test_what_is_left_is_said_of_each_later_window_in_which_a_visit_lies() -> None:
    found = count([pool(2, YEAR)], visits(date(2026, 12, 1), date(2026, 12, 29), date(2027, 1, 5)))
    bounds = [one.tightest for one in found.left_until(date(2026, 12, 1))]
    assert [(one.left, one.last) for one in bounds if one] == [
        (0, date(2026, 12, 31)),
        (1, date(2027, 12, 31)),
    ]
    this_year = count([pool(2, YEAR)], visits(date(2026, 12, 1)))
    assert len(this_year.left_until(date(2026, 12, 1))) == 1
    # Asked of a plan that isn't booked yet, whose last visit lies there.
    assert len(this_year.left_until(date(2026, 12, 1), date(2027, 2, 1))) == 2


@pytest.mark.parametrize(
    ("window", "how"),
    [
        (Window(Span.ROLLING, days=90), {}),
        (EVER, {}),
        (YEAR, {"ends": date(2026, 12, 31)}),
        (YEAR, {"cap": Cap(20, Window(Span.ROLLING, days=90))}),
    ],
)
def test_nothing_is_said_of_later_where_there_are_no_such_windows(
    window: Window, how: dict[str, Any]
) -> None:
    found = count([pool(2, window, **how)], visits(date(2026, 12, 1), date(2026, 12, 29), date(2027, 1, 5)))
    assert len(found.left_until(date(2026, 12, 1), date(2029, 1, 1))) == 1


def test_a_membership_has_so_many_each_month() -> None:
    days = [date(2028, 2, 1), date(2028, 2, 28), date(2028, 2, 29), date(2028, 3, 1)]
    found = count([pool(2, Window(Span.MONTH), kind=Kind.MEMBERSHIP)], visits(*days))
    assert beyond(found) == [date(2028, 2, 29)]


# Pools that share, and follow on one another


def test_two_modalities_use_up_a_shared_year_in_four_weeks() -> None:
    shared = pool(20, YEAR, modalities=(NEEDLES, SPINE))
    plan = [*visits(*every(2, 12)), *visits(*every(3, 8), modality=SPINE)]
    found = count([shared], plan)
    assert not beyond(found) and left(found, START) == 0
    assert beyond(count([shared], [*plan, *visits(date(2026, 12, 1))])) == [date(2026, 12, 1)]
    assert not beyond(count([shared], [*plan, *visits(date(2027, 1, 1))]))


def test_two_pools_that_share_a_modality_are_drawn_on_in_their_order() -> None:
    insurance = pool(2, YEAR, number=1)
    package = pool(2, EVER, number=2, kind=Kind.PACKAGE, modalities=(NEEDLES, SPINE))
    booked = visits(*every(7, 5))
    found = count([insurance, package], booked)
    assert [mark.pool for _visit, mark in found.marks] == [1, 1, 2, 2, 1]
    assert standings(found)[-1] is Standing.ABOVE
    other_way = count([package, insurance], booked)
    assert [mark.pool for _visit, mark in other_way.marks] == [2, 2, 1, 1, 2]
    assert [mark.number for _visit, mark in found.marks] == [1, 2, 1, 2, 0]


def test_care_for_which_nothing_is_recorded_says_nothing() -> None:
    found = count([pool()], visits(START, modality="massage"))
    assert standings(found) == [Standing.UNRECORDED] and not beyond(found)
    assert count([], []).left(START) == ()


def test_a_limit_of_nothing_puts_every_visit_beyond() -> None:
    found = count([pool(0, kind=Kind.ORIGINAL_MEDICARE)], visits(START))
    assert beyond(found) == [START] and not found.low(START)


# First twelve, then eight more


def medicare(*improving: date) -> Pool:
    return pool(
        12, IN_90, more=8, improving=improving, cap=Cap(20, ELEVEN), kind=Kind.MEDICARE_ADVANTAGE, beyond=Beyond.ASK
    )  # fmt: skip


def test_the_thirteenth_is_beyond_until_the_patient_is_recorded_as_improving() -> None:
    days = every(2, 21)
    assert beyond(count([medicare()], visits(*days))) == days[12:]
    # Recorded on the day of the 12th: all that follow have eight more, and the 21st has none.
    assert beyond(count([medicare(days[11])], visits(*days))) == days[20:]
    assert left(count([medicare(days[11])], visits(*days[:12])), days[11]) == 8


def test_what_lay_beyond_before_it_was_recorded_stays_beyond() -> None:
    days = every(2, 14)
    assert beyond(count([medicare(days[13])], visits(*days))) == [days[12]]


def test_twenty_a_year_are_the_most_whatever_rolls() -> None:
    # Twelve in 90 days, and twelve more later in the same year: four too many.
    days = [*every(7, 12), *every(7, 12, START + timedelta(120))]
    found = count([medicare()], visits(*days))
    assert beyond(found) == days[20:]
    assert not beyond(count([medicare()], visits(*every(7, 12), *every(7, 12, date(2027, 2, 1)))))


def test_having_improved_last_year_doesnt_help_in_this_one() -> None:
    again = date(2027, 3, 1)
    days = every(2, 13, again)
    found = count([medicare(START + timedelta(5))], visits(START, *days))
    assert beyond(found) == [days[12]]


@pytest.mark.parametrize(("kind", "stops"), [(Kind.MEDICARE_ADVANTAGE, True), (Kind.INSURANCE, False)])
def test_medicare_advantage_stops_and_others_warn(kind: Kind, stops: bool) -> None:
    found = count([pool(0, kind=kind, beyond=usual_beyond(kind))], visits(START))
    assert found.marks[0][1].beyond and found.marks[0][1].stops is stops


# Authorisations


def authorised(*given: Authorisation, free: int = 0, limit: int | None = None) -> Pool:
    return pool(limit, YEAR, kind=Kind.AUTHORISATION, free=free, authorisations=given)


MARCH = Authorisation("A1", Asked.GIVEN, date(2026, 3, 10), date(2026, 3, 31), 2)


@pytest.mark.parametrize(
    ("day", "standing"),
    [
        (date(2026, 3, 9), Standing.BEFORE),
        (date(2026, 3, 10), Standing.DRAWS),
        (date(2026, 3, 31), Standing.DRAWS),
        (date(2026, 4, 1), Standing.AFTER),
    ],
)
def test_a_visit_outside_of_an_authorisation_says_so(day: date, standing: Standing) -> None:
    assert standings(count([authorised(MARCH)], visits(day))) == [standing]


def test_the_first_visits_are_free_of_it() -> None:
    days = [date(2026, 3, 2), date(2026, 3, 4), date(2026, 3, 6), *every(2, 3, date(2026, 3, 10))]
    found = count([authorised(MARCH, free=2, limit=24)], visits(*days))
    draws, above = Standing.DRAWS, Standing.ABOVE
    assert standings(found) == [draws, draws, Standing.BEFORE, draws, draws, above]
    assert left(found, date(2026, 3, 14)) == 0


@pytest.mark.parametrize(
    ("given", "standing"),
    [
        ((), Standing.UNAUTHORISED),
        ((Authorisation("", Asked.ASKED),), Standing.ASKED),
        ((replace(MARCH, state=Asked.ASKED),), Standing.ASKED),
        # A second one goes on where the first is used up or over.
        ((Authorisation("A0", Asked.GIVEN, None, date(2026, 3, 1), 9), MARCH), Standing.DRAWS),
        ((Authorisation("A0", Asked.GIVEN, count=0), MARCH), Standing.DRAWS),
        ((Authorisation("A0", Asked.GIVEN, count=0), replace(MARCH, state=Asked.ASKED)), Standing.ABOVE),
        ((Authorisation("A0", Asked.GIVEN),), Standing.DRAWS),
    ],
)
def test_an_authorisation_that_is_asked_for_is_none_yet(
    given: tuple[Authorisation, ...], standing: Standing
) -> None:
    assert standings(count([authorised(*given)], visits(date(2026, 3, 16)))) == [standing]


@pytest.mark.parametrize(
    ("day", "standing", "since"),
    [
        (date(2026, 1, 31), Standing.BEFORE, date(2026, 2, 1)),
        (date(2026, 2, 1), Standing.DRAWS, None),
        (date(2027, 1, 31), Standing.DRAWS, None),
        (date(2027, 2, 1), Standing.AFTER, date(2027, 1, 31)),
    ],
)
def test_a_package_is_valid_from_its_first_to_its_last_day(
    day: date, standing: Standing, since: date | None
) -> None:
    package = pool(12, kind=Kind.PACKAGE, begins=date(2026, 2, 1), ends=date(2027, 1, 31))
    found = count([package], visits(day))
    assert standings(found) == [standing] and found.marks[0][1].since == since


def test_what_was_ended_has_counted_until_the_day_before() -> None:
    old, new = pool(2, YEAR, number=1, ended_on=date(2026, 6, 1)), pool(2, YEAR, number=2)
    days = [date(2026, 5, 30), date(2026, 5, 31), date(2026, 6, 1), date(2026, 6, 2)]
    found = count([old, new], visits(*days))
    assert [mark.pool for _visit, mark in found.marks] == [1, 1, 2, 2]
    assert [one.pool.id for one in found.left(date(2026, 6, 1))] == [2]
    mistaken = replace(old, terms=replace(old.terms, void=True))
    assert [mark.pool for _visit, mark in count([mistaken, new], visits(*days)).marks] == [2] * 4


# Two visits of a day, and visits that didn't take place


@pytest.mark.parametrize(("same_day", "used"), [(SameDay.EACH, 3), (SameDay.ONE, 1), (SameDay.ONE_A_KIND, 2)])
def test_visits_of_one_day_count_as_the_payer_says(same_day: SameDay, used: int) -> None:
    shared = pool(3, modalities=(NEEDLES, SPINE), same_day=same_day)
    found = count([shared], [*visits(START, START), *visits(START, modality=SPINE)])
    assert not beyond(found) and left(found, START) == 3 - used


def test_a_second_visit_of_the_day_counts_with_the_last_that_there_was_room_for() -> None:
    found = count([pool(1, same_day=SameDay.ONE)], visits(START, START, START + timedelta(1)))
    assert standings(found) == [Standing.DRAWS, Standing.SAME_DAY, Standing.ABOVE]


@pytest.mark.parametrize("state", [State.MISSED, State.CANCELLED_LATE])
@pytest.mark.parametrize("counts", [True, False])
def test_who_didnt_come_counts_by_rule(state: State, counts: bool) -> None:
    terms = {"counts_missed": counts} if state is State.MISSED else {"counts_late": counts}
    found = count([pool(2, **terms), pool(9, number=2, counts_missed=True, counts_late=True)], [
        *visits(START, state=state), *visits(*every(1, 2, START + timedelta(1)))
    ])  # fmt: skip
    assert standings(found)[0] is (Standing.DRAWS if counts else Standing.NOT_COUNTED)
    # It isn't drawn from the second one instead.
    assert [mark.pool for _visit, mark in found.marks] == ([1, 1, 2] if counts else [1, 1, 1])
    full = count([pool(0)], visits(START, state=state))
    assert standings(full) == [Standing.NOT_COUNTED]


# What is left


def test_left_is_the_limit_without_what_was_attended_and_what_is_booked() -> None:
    done, ahead = visits(*every(7, 4), state=State.ATTENDED), visits(*every(7, 3, START + timedelta(40)))
    found = count([pool(12, YEAR)], [*done, *ahead])
    bound = found.left(START + timedelta(30))[0].tightest
    assert bound and (bound.limit, bound.used, bound.booked, bound.left) == (12, 4, 3, 5)
    assert bound.last == date(2026, 12, 31)
    assert found.mark_of(ahead[0].name) == found.marks[4][1] and found.marks[4][1].number == 5


def test_what_is_booked_ahead_counts_in_a_rolling_window_too() -> None:
    found = count([pool(12, IN_90)], visits(*every(2, 12, START + timedelta(30))))
    assert left(found, START) == 0
    bound = found.left(START)[0].tightest
    assert bound and bound.last == START + timedelta(119)
    assert left(found, START + timedelta(119)) == 0 and left(found, START + timedelta(120)) == 1


def test_a_medicare_year_that_begins_with_a_visit_ahead_counts_from_there() -> None:
    found = count([pool(20, ELEVEN)], visits(*every(2, 5, START + timedelta(10))))
    assert left(found, START) == 15
    assert left(count([pool(20, ELEVEN)], []), START) == 20


def test_what_the_payer_has_counted_already_is_counted_once() -> None:
    before = visits(*every(1, 3), state=State.ATTENDED)
    as_of = START + timedelta(10)
    found = count([pool(12, YEAR, used=5, used_on=as_of)], [*before, *visits(as_of)])
    assert standings(found) == [Standing.NOT_COUNTED] * 3 + [Standing.DRAWS]
    assert left(found, as_of) == 6 and found.marks[3][1].number == 6


@pytest.mark.parametrize(
    ("day", "left_then", "last", "is_low"),
    [
        (date(2026, 1, 31), 0, date(2026, 1, 31), False),
        (date(2026, 2, 1), 2, None, True),
        (date(2026, 2, 5), 2, None, True),
        (date(2026, 2, 6), 0, None, False),
    ],
)
def test_of_what_isnt_valid_nothing_is_left_and_it_doesnt_run_low(
    day: date, left_then: int, last: date | None, is_low: bool
) -> None:
    package = pool(3, kind=Kind.PACKAGE, begins=date(2026, 2, 1), ends=date(2026, 2, 5))
    found = count([package], visits(date(2026, 2, 3)))
    bound = found.left(day)[0].tightest
    assert bound and (bound.left, bound.last) == (left_then, last)
    assert bool(found.low(day)) is is_low


A12 = Authorisation("A12", Asked.GIVEN, ends=date(2026, 6, 30), count=12)
NEW_YEARS_EVE = date(2026, 12, 31)


@pytest.mark.parametrize(
    ("one", "limit", "left_then", "last", "is_low"),
    [
        # Five were booked. As long as some are free, they are what is left; and none, where none was given.
        (authorised(free=9), 9, 4, NEW_YEARS_EVE, False),
        (authorised(free=6), 6, 1, NEW_YEARS_EVE, True),
        (authorised(free=5), 5, 0, NEW_YEARS_EVE, True),
        (authorised(replace(A12, state=Asked.ASKED), free=6), 6, 1, NEW_YEARS_EVE, True),
        (authorised(replace(A12, begins=date(2026, 5, 1)), free=6), 6, 1, NEW_YEARS_EVE, True),
        # With what was given, whether some are free still or not.
        (authorised(A12, free=6), 18, 13, A12.ends, False),
        (authorised(A12, free=3), 12, 10, A12.ends, False),
        (authorised(replace(A12, count=2), free=3), 5, 0, A12.ends, True),
        (authorised(A12), 12, 7, A12.ends, False),
        # One after the other: what the first has no more, the second has.
        (authorised(replace(A12, count=3), A12), 12, 10, A12.ends, False),
        (authorised(replace(A12, count=6), replace(A12, count=1)), 7, 2, A12.ends, True),
        # None where nobody said how many, or nothing was given.
        (authorised(replace(A12, count=None), free=6), None, None, None, False),
        (authorised(), None, None, None, False),
        # One that is over leaves nothing.
        (authorised(replace(A12, ends=START)), 12, 0, START, False),
    ],
)  # fmt: skip
def test_what_is_authorised_is_left_besides_what_is_free_of_it(
    one: Pool, limit: int | None, left_then: int | None, last: date | None, is_low: bool
) -> None:
    day = START + timedelta(9)
    found = count([one], visits(*every(1, 5)))
    bounds = found.left(day)[0].bounds
    shown = [(bound.limit, bound.left, bound.last) for bound in bounds]
    assert shown == ([] if limit is None else [(limit, left_then, last)])
    assert all(bound.used + bound.booked + bound.to_come == bound.limit for bound in bounds)
    assert bool(found.low(day)) is is_low


def test_what_is_authorised_for_days_that_come_or_are_over_is_named_with_them() -> None:
    given = [
        Authorisation(name, Asked.GIVEN, START + timedelta(first), START + timedelta(first + 6), number)
        for name, first, number in (("A", 10, 4), ("B", 20, 2))
    ]
    authorised = pool(None, kind=Kind.AUTHORISATION, free=0, authorisations=tuple(given))
    found = count([authorised], visits(*every(2, 1, START + timedelta(12))))
    shown = {
        day: (bound.authorisation, bound.begins, bound.to_come, bound.left, bound.last)
        for day in (0, 10, 18, 30)
        if (bound := found.left(START + timedelta(day))[0].tightest)
    }
    a, b = given
    assert shown == {
        0: ("A", a.begins, 3, 0, a.ends),
        10: ("A", None, 3, 3, a.ends),
        18: ("B", b.begins, 2, 0, b.ends),
        30: ("B", None, 2, 0, b.ends),
    }
    assert not any(low.left is not None for day in (0, 18, 30) for low in found.low(START + timedelta(day)))


@pytest.mark.parametrize(
    ("insured", "marked"),
    [
        # Full, or without an authorisation: the payer has counted it all the same, and the package isn't touched.
        (pool(5, YEAR, used=5, used_on=START), (Standing.NOT_COUNTED, 1)),
        (pool(None, YEAR, free=0, used=5, used_on=START), (Standing.NOT_COUNTED, 1)),
        # What the payer has counted is what lies in the time in which it is valid.
        (pool(5, YEAR, used=5, used_on=START, begins=START), (Standing.DRAWS, 2)),
        (pool(5, YEAR, used=0, used_on=START), (Standing.DRAWS, 1)),
    ],
)
def test_a_visit_that_the_payer_has_counted_draws_on_no_other_pool(
    insured: Pool, marked: tuple[Standing, int]
) -> None:
    package = pool(1, number=2, kind=Kind.PACKAGE)
    found = count([insured, package], visits(START - timedelta(1), state=State.ATTENDED))
    assert [(mark.standing, mark.pool) for _visit, mark in found.marks] == [marked]
    assert left(found, START, 2) == (0 if marked == (Standing.DRAWS, 2) else 1)


@pytest.mark.parametrize(
    ("one", "left_then", "ends"),
    [
        (pool(12), 3, None),
        (pool(13), None, None),
        (pool(99, ends=START + timedelta(23)), None, START + timedelta(23)),
        (pool(99, ends=START + timedelta(24)), None, None),
        (authorised(Authorisation("A", ends=START + timedelta(12))), None, START + timedelta(12)),
        # Another one goes on after it.
        (authorised(Authorisation("A", ends=START + timedelta(12)), Authorisation("B")), None, None),
        # A year that ends begins anew.
        (pool(99, Window(Span.CONTRACT_YEAR, month=3, day=20)), None, None),
    ],
)
def test_it_runs_low_with_three_left_or_fourteen_days_before_its_end(
    one: Pool, left_then: int | None, ends: date | None
) -> None:
    found = count([one], visits(*every(1, 9))).low(START + timedelta(9))
    assert [(low.left, low.ends) for low in found] == ([(left_then, ends)] if left_then or ends else [])


# What holds for all

DAYS = st.dates(date(2027, 11, 20), date(2028, 3, 20)) | st.sampled_from(
    [date(2027, 12, 31), date(2028, 1, 1), date(2028, 2, 29)]
)
WINDOWS = st.sampled_from([
    Window(Span.ROLLING, days=10), YEAR, ELEVEN, EVER, Window(Span.MONTH, day=31),
    Window(Span.CONTRACT_YEAR, month=2, day=29),
])  # fmt: skip
AUTHORISATIONS = st.builds(
    Authorisation, st.just("A"), st.sampled_from(Asked), st.none() | DAYS, st.none() | DAYS, st.none() | st.integers(0, 3)
)  # fmt: skip
TERMS = st.builds(
    Terms,
    kind=st.sampled_from(Kind),
    modalities=st.sampled_from([(NEEDLES,), (SPINE,), (NEEDLES, SPINE)]),
    limit=st.none() | st.integers(0, 6),
    window=WINDOWS,
    more=st.integers(0, 2),
    improving=st.lists(DAYS, max_size=2).map(tuple),
    cap=st.none() | st.builds(Cap, st.integers(0, 6), WINDOWS),
    free=st.none() | st.integers(0, 2),
    authorisations=st.lists(AUTHORISATIONS, max_size=2).map(tuple),
    same_day=st.sampled_from(SameDay),
    counts_missed=st.booleans(),
    counts_late=st.booleans(),
    beyond=st.sampled_from(Beyond),
    begins=st.none() | DAYS,
    ends=st.none() | DAYS,
    used=st.integers(0, 2),
    used_on=DAYS,
    void=st.booleans(),
)
POOLS = st.lists(st.tuples(TERMS, st.none() | DAYS), max_size=3).map(
    lambda found: [
        Pool(number, str(number), terms, ended) for number, (terms, ended) in enumerate(found, start=1)
    ]
)
VISITS = st.lists(st.tuples(DAYS, st.sampled_from([NEEDLES, SPINE]), st.sampled_from(State)), max_size=14).map(
    lambda found: [Visit(*one, str(number), number % 3) for number, one in enumerate(found)]
)  # fmt: skip


@given(POOLS, VISITS)
def test_counting_visit_by_visit_comes_to_the_same_as_counting_anew(
    pools: list[Pool], some: list[Visit]
) -> None:
    whole = count(pools, some)
    one_by_one: list[Any] = []
    for number in range(len(whole.marks)):
        one_by_one.append(count(pools, [visit for visit, _mark in whole.marks[: number + 1]]).marks[-1])
    assert tuple(one_by_one) == whole.marks


@given(POOLS, VISITS, st.randoms())
def test_the_order_in_which_visits_are_given_doesnt_matter(
    pools: list[Pool], some: list[Visit], random: Random
) -> None:
    shuffled = list(some)
    random.shuffle(shuffled)
    assert count(pools, shuffled) == count(pools, some)


@given(TERMS)
def test_terms_are_kept_as_plain_values(terms: Terms) -> None:
    assert Terms.of(terms.as_plain()) == terms


@given(POOLS, VISITS)
def test_what_is_drawn_is_what_the_marks_say_and_every_window_keeps_its_limit(
    pools: list[Pool], some: list[Visit]
) -> None:
    found = count(pools, some)
    for one in found.pools:
        drawn = [
            visit.day
            for visit, mark in found.marks
            if mark == replace(mark, standing=Standing.DRAWS, pool=one.id)
        ]
        before = [draw.day for draw in found.draws[one.id] if not draw.modality]
        assert drawn == [draw.day for draw in found.draws[one.id] if draw.modality]
        if one.terms.limit is not None:
            _keeps(one.terms, [*before, *drawn])


def _keeps(terms: Terms, days: list[date]) -> None:
    """Counted in another way: around each visit, how many of its window there are by then."""
    limit = (terms.limit or 0) + (terms.more if terms.improving else 0)
    for number, day in enumerate(days[terms.used :], start=terms.used):
        first, last = terms.window.around(day, days[:number])
        assert first <= day <= last
        assert len([one for one in days[: number + 1] if first <= one]) <= limit


@given(st.lists(DAYS, max_size=14), st.integers(0, 5), DAYS, st.integers(1, 30))
def test_one_more_visit_fits_wherever_something_is_left_of_a_rolling_window(
    days: list[date], limit: int, day: date, length: int
) -> None:
    """By trying: where one is left, a visit pushes no other beyond; where none is, one is too much."""
    one = pool(limit, Window(Span.ROLLING, days=length))
    kept = [visit for visit, mark in count([one], visits(*days)).marks if not mark.beyond]
    found = count([one], kept)
    with_it = count([one], [*kept, Visit(day, NEEDLES, name="it", at=99)])
    assert (left(found, day) == 0) == bool(beyond(with_it))


@settings(max_examples=50)
@given(VISITS)
def test_without_pools_nothing_is_beyond(some: Iterable[Visit]) -> None:
    assert set(standings(count([], some))) <= {Standing.UNRECORDED}
