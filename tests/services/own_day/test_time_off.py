"""Time off takes what is free and leaves what is booked, until that is moved."""

from datetime import date, time, timedelta
from itertools import pairwise
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event

from booking.errors import NotFound
from booking.extensions import db
from booking.models import Absence, AuditEntry, BookableBy, Claim, Role
from booking.services import visits
from booking.services.desk import moving
from booking.services.desk.moving import Place
from booking.services.own_day import time_off
from booking.services.own_day.time_off import Wanted
from booking.services.plans.asking_again import suffers
from booking.services.plans.reading import opened
from booking.services.search import free_times
from booking.services.staff.who import Who
from tests.clinics import clinic, needled, plan_clinic, practitioner, rooms, set_up, visit_type
from tests.conftest import StandingClock
from tests.services.making import NINE, booked, rows
from tests.services.plans.making import patient, prescribed, running, seen
from tests.staffing import hired

TUESDAY = date(2026, 9, 15)


@pytest.fixture
def ana(context: Flask, standing_clock: StandingClock) -> Who:
    set_up(
        clinic(
            visit_types=[visit_type(), needled()],
            practitioners=[
                practitioner("ana", name="Ana Ruiz", offers=["follow-up", "needles"]),
                practitioner(
                    "ben",
                    name="Ben Okoro",
                    away=[{"first": "2026-10-05", "last": "2026-10-09", "reason": "Vacation"}],
                ),
            ],
        )
    )
    return hired(Role.PRACTITIONER, practitioner="ana", name="Ana Ruiz")


def free_on(day: date, practitioner: str = "ana") -> list[str]:
    found = free_times("follow-up", practitioner, day, 1, audience=BookableBy.STAFF)
    return [f"{one.starts_at - timedelta(hours=7):%H:%M}" for one in found.each()]


def test_a_lunch_an_afternoon_and_a_week(ana: Who) -> None:
    time_off.enter(ana, None, Wanted(TUESDAY, TUESDAY, time(11), time(12)), key="a-lunch-1")
    morning = [start for start in free_on(TUESDAY) if start < "13:00"]
    assert (morning[0], morning[-1]) == ("09:00", "10:30")
    afternoon = date(2026, 9, 16)
    time_off.enter(ana, None, Wanted(afternoon, afternoon, opens=time(13)), key="afternoon")
    assert free_on(afternoon)[-1] == "11:30"
    time_off.enter(ana, None, Wanted(date(2026, 9, 21), date(2026, 9, 25)), key="a-week-123")
    assert free_on(date(2026, 9, 21)) == free_on(date(2026, 9, 25)) == []
    assert free_on(date(2026, 9, 28)) != []
    listed = time_off.listed(ana).entries
    assert [(one.whole_days, one.many_days) for one in listed] == [
        (False, False),
        (False, False),
        (True, True),
    ]


def test_the_same_hours_of_several_days_are_one_entry_each(ana: Who) -> None:
    entered = time_off.enter(ana, None, Wanted(TUESDAY, date(2026, 9, 17), time(9), time(12)), key="mornings")
    assert len(entered) == 3
    assert free_on(date(2026, 9, 17))[0] == "13:00"


def test_hours_on_the_day_the_clock_moves_are_those_of_the_wall(ana: Who) -> None:
    sunday = date(2026, 11, 1)
    (from_cell, to_cell), = Wanted(sunday, sunday, time(0), time(12)).stretches(clinic().zone)  # fmt: skip
    assert (to_cell - from_cell) / 12 == 13


def test_what_is_booked_stays_with_a_free_time_named_until_it_is_moved(ana: Who) -> None:
    visit = booked(visit_type="needles")
    # No lunch in a rest either: the visit counts from its first minute to its last.
    rest = Wanted(TUESDAY, TUESDAY, time(9, 20), time(10))
    time_off.enter(ana, None, rest, key="in-the-rest")
    (entry,) = time_off.listed(ana).entries
    (inside,) = entry.inside
    (free,) = inside.free
    assert inside.reference == visit.reference and free.practitioner.slug == "ana"
    assert free.starts_at >= NINE + timedelta(hours=1)
    assert "09:50" not in free_on(TUESDAY)

    visits.cancel(visit.reference, visit.token, "", actor="t", key="12345678")
    (entry,) = time_off.listed(ana).entries
    assert entry.inside == ()
    cells = sorted((row["from_cell"], row["to_cell"]) for row in rows(Claim) if row["absence_id"] == entry.id)
    # Its claims fill what the visit has left.
    assert sum(last - first for first, last in cells) == 8


def test_each_visit_is_shown_a_free_time_that_no_other_is_shown(ana: Who) -> None:
    # One room: what Ana's patients are shown can't be shown to Ben's either.
    set_up(
        clinic(
            visit_types=[visit_type(room_kinds=["cabin"], phases=[{"name": "treatment", "minutes": 60}])],
            rooms=rooms(1, "cabin"),
            practitioners=[practitioner("ana", name="Ana Ruiz"), practitioner("ben", name="Ben Okoro")],
        )
    )
    hour, names = timedelta(hours=1), ("Rosa", "Otto", "Zoe", "Ida")
    for n, name in enumerate(names):
        whom = "ana" if n % 2 else "ben"
        # From nine to twelve, and after lunch.
        starts_at = NINE + (n + (n == 3)) * hour
        booked(starts_at, practitioner=whom, first_name=name, email=f"{name}@example.com")
    desk = hired(Role.DESK)
    for whom in ("ana", "ben"):
        time_off.enter(desk, whom, Wanted(TUESDAY, TUESDAY), key=f"off-{whom}-1")
    inside = [visit for entry in time_off.listed(desk).entries for visit in entry.inside]
    assert len(inside) == 4 and all(visit.free for visit in inside)
    starts = sorted(free.starts_at for visit in inside for free in visit.free)
    assert all(later - sooner >= hour for sooner, later in pairwise(starts))
    # Those who take what they were shown, one after the other, all get it.
    for visit in inside:
        (free,) = visit.free
        place = Place(starts_at=free.starts_at, practitioner=free.practitioner.slug)
        moving.change(desk, visit.reference, place, version=None, key=f"moved-{visit.reference}")
    assert all(not entry.inside for entry in time_off.listed(desk).entries)


def a_morning_of_visits(number: int) -> None:
    """So many visits with Ana, one after the other, each of another patient."""
    for n in range(number):
        # Six in each morning.
        starts_at = NINE + timedelta(days=n // 6, minutes=30 * (n % 6))
        booked(starts_at, practitioner="ana", first_name=f"P{n}", email=f"p{n}@example.com")


def test_each_visit_of_a_full_week_has_a_free_time_at_the_cost_of_a_few_statements(ana: Who) -> None:
    set_up(
        clinic(practitioners=[practitioner("ana", name="Ana Ruiz"), practitioner("ben", name="Ben Okoro")])
    )
    a_morning_of_visits(18)
    time_off.enter(ana, None, Wanted(TUESDAY, date(2026, 9, 19)), key="a-week-off")
    said: list[str] = []

    def heard(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        said.append(statement)

    event.listen(db.engine, "before_cursor_execute", heard)
    try:
        (entry,) = time_off.listed(ana).entries
    finally:
        event.remove(db.engine, "before_cursor_execute", heard)
    assert len(entry.inside) == 18 and all(visit.free for visit in entry.inside)
    starts = [(free.starts_at, free.practitioner.id) for visit in entry.inside for free in visit.free]
    assert len(set(starts)) == 18
    assert len([one for one in said if one.startswith("SELECT")]) <= 8, "\n".join(said)


def test_what_is_too_much_for_a_page_has_its_free_times_on_the_next(
    ana: Who, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time_off, "TIMES_A_PAGE", 2)
    a_morning_of_visits(5)
    # What two entries list is counted once.
    for key in ("day-off-1", "day-off-2"):
        time_off.enter(ana, None, Wanted(TUESDAY, TUESDAY), key=key)
    for page, whose in ((1, {0, 1}), (2, {2, 3}), (3, {4}), (4, set[int]())):
        for entry in time_off.listed(ana, page=page).entries:
            assert {n for n, visit in enumerate(entry.inside) if visit.free} == whose
            assert [visit.page for visit in entry.inside] == [1, 1, 2, 2, 3]


def test_taken_back_it_can_be_booked_again(ana: Who) -> None:
    before = free_on(TUESDAY)
    (number,) = time_off.enter(ana, None, Wanted(TUESDAY, TUESDAY), key="day-off-1")
    assert free_on(TUESDAY) == []
    time_off.take_back(ana, number, key="take-back")
    time_off.take_back(ana, number, key="take-back")
    assert free_on(TUESDAY) == before and time_off.listed(ana).entries == ()
    assert [row["what"] for row in rows(AuditEntry)] == ["entered time off", "took back time off"]


def test_the_same_form_twice_is_one_time_off(ana: Who) -> None:
    wanted = Wanted(TUESDAY, TUESDAY)
    assert time_off.enter(ana, None, wanted, key="day-off-1") == time_off.enter(
        ana, None, wanted, key="day-off-1"
    )
    assert len([row for row in rows(Absence) if row["file_key"] is None]) == 1


def test_the_desk_enters_it_for_anybody_and_a_practitioner_for_nobody_else(ana: Who) -> None:
    desk = hired(Role.DESK)
    wanted = Wanted(TUESDAY, TUESDAY)
    (number,) = time_off.enter(desk, "ben", wanted, key="day-off-1")
    assert free_on(TUESDAY, "ben") == []
    assert [one.practitioner.slug for one in time_off.listed(desk).entries] == ["ben", "ben"]
    with pytest.raises(NotFound):
        time_off.enter(ana, "ben", wanted, key="day-off-2")
    with pytest.raises(NotFound):
        time_off.listed(ana, "ben")
    with pytest.raises(NotFound):
        time_off.take_back(ana, number, key="take-back")
    with pytest.raises(NotFound):
        time_off.enter(desk, "nobody", wanted, key="day-off-3")


def test_what_the_clinics_file_says_only_the_file_takes_back(ana: Who) -> None:
    desk = hired(Role.DESK)
    (vacation,) = time_off.listed(desk, "ben").entries
    assert vacation.in_file and vacation.reason == "Vacation"
    with pytest.raises(NotFound):
        time_off.take_back(desk, vacation.id, key="take-back")


def test_what_is_over_is_listed_no_more(ana: Who, standing_clock: StandingClock) -> None:
    time_off.enter(ana, None, Wanted(TUESDAY, TUESDAY), key="day-off-1")
    standing_clock.on(days=2)
    assert time_off.listed(ana).entries == ()


def test_visits_of_plans_are_shown_times_that_keep_the_plan(
    context: Flask, standing_clock: StandingClock
) -> None:
    set_up(plan_clinic())
    desk, plan = hired(Role.DESK), seen(running(prescribed(patient())))
    away = next(one for one in plan.standing if one.care.slug == "acupuncture-follow-up")
    on = away.starts_at.date()
    time_off.enter(desk, away.practitioner.slug, Wanted(on, on), key="away-0001")
    (entry,) = time_off.listed(desk).entries
    (inside,) = entry.inside
    assert inside.plan is not None and (inside.plan.number, inside.plan.of) == (1, 12)
    assert inside.free
    for free in inside.free:
        assert (free.starts_at.date(), free.practitioner.slug) != (on, away.practitioner.slug)
        until = free.starts_at + (away.ends_at - away.starts_at)
        assert suffers(plan, {away.reference: (free.starts_at, until)}) == []


def test_those_who_take_the_first_time_that_they_are_shown_all_get_it_and_no_plan_suffers(
    context: Flask, standing_clock: StandingClock
) -> None:
    set_up(plan_clinic())
    desk, names = hired(Role.DESK), [f"P{n}" for n in range(5)]
    for name in names:
        running(prescribed(patient(name, f"{name}@example.com"), "disc"), key=f"book-{name}")
    for n in range(3):
        starts_at = NINE + timedelta(days=6 + n % 2, hours=6, minutes=30 * n)
        booked(
            starts_at,
            visit_type="chiropractic-follow-up",
            practitioner="aaron",
            first_name=f"Single{n}",
            email=f"s{n}@example.com",
        )
    time_off.enter(desk, "aaron", Wanted(date(2026, 9, 21), date(2026, 9, 23)), key="away-0001")
    (entry,) = time_off.listed(desk).entries
    of_plans = [visit for visit in entry.inside if visit.plan]
    assert len(of_plans) > len(names) and len(entry.inside) == len(of_plans) + 3
    assert all(visit.free for visit in entry.inside)
    # More than one to choose from is shown where there is more.
    assert all(len(visit.free) > 1 for visit in of_plans[:3])
    for visit in entry.inside:
        free = visit.free[0]
        place = Place(starts_at=free.starts_at, practitioner=free.practitioner.slug)
        if visit.plan:
            plan = opened(desk, visit.plan.plan)
            of_plan = plan.that_stands(visit.reference)
            assert of_plan is not None
            until = free.starts_at + (of_plan.ends_at - of_plan.starts_at)
            assert suffers(plan, {visit.reference: (free.starts_at, until)}) == []
        moving.change(desk, visit.reference, place, version=None, key=f"moved-{visit.reference}")
    assert not time_off.listed(desk).entries[0].inside
