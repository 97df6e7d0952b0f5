"""A practitioner's day: what stands on it, what lies between, whose needles come out when, and what may be tapped."""

from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from booking import clock
from booking.errors import NotFound, Refusal
from booking.extensions import db
from booking.models import AbsenceKind, Appointment, Patient, Role
from booking.scheduling.status import Status
from booking.scheduling.timeline import cell_at
from booking.services import absences, visits
from booking.services.clinic import present
from booking.services.desk import board, merging, moving, record_page, records, statuses, undoing
from booking.services.desk.moving import Place, change
from booking.services.desk.panel import panel
from booking.services.desk.statuses import Move
from booking.services.own_day import visit as own_visits
from booking.services.own_day.day import Gap, OwnVisit, own_day
from booking.services.own_day.week import colleagues_day, own_month, own_week
from booking.services.staff.who import Who
from booking.services.transaction import run
from tests.clinics import clinic, every_day, needled, practitioner, rooms, set_up, visit_type
from tests.conftest import StandingClock
from tests.services.making import NINE, booked, rows
from tests.services.plans.making import patient, prescribed, running, seen, where_mei_is_alone
from tests.staffing import hired

TUESDAY = date(2026, 9, 15)


@pytest.fixture
def ana(context: Flask, standing_clock: StandingClock) -> Who:
    set_up(
        clinic(
            visit_types=[
                visit_type(),
                needled(),
                visit_type("warm", phases=[{"name": "all", "minutes": 30, "needs": ["practitioner", "room", "lamp"]}]),
            ],
            rooms=rooms(3),
            devices=[{"id": "lamp-1", "name": "Lamp 1", "kind": "lamp"}],
            practitioners=[
                practitioner("ana", name="Ana Ruiz", offers=["follow-up", "needles", "warm"]),
                practitioner("ben", name="Ben Okoro"),
            ],
        )
    )  # fmt: skip
    return hired(Role.PRACTITIONER, practitioner="ana", name="Ana Ruiz")


def told(entries: list[OwnVisit | Gap]) -> list[str]:
    """The day in words, in Los Angeles, seven hours behind."""
    return [
        f"{one.starts_at - timedelta(hours=7):%H:%M}-{one.ends_at - timedelta(hours=7):%H:%M} "
        + (one.initials if isinstance(one, OwnVisit) else f"{one.kind} {one.reason}".strip())
        for one in entries
    ]


def away(person_id: int | None, from_hour: float, to_hour: float, reason: str = "") -> None:
    kind = AbsenceKind.CLOSURE if person_id is None else AbsenceKind.TIME_OFF
    first, last = (cell_at(NINE + timedelta(hours=hour - 9)) for hour in (from_hour, to_hour))
    run(lambda session: absences.enter(session, kind, person_id, first, last, reason=reason))


def test_a_day_is_told_with_its_breaks_and_free_stretches(ana: Who) -> None:
    booked()
    booked(NINE + timedelta(hours=1), first_name="Noor", last_name="Aziz", visit_type="warm")
    away(ana.practitioner_id, 15, 18, "Dentist")
    day = own_day(ana, TUESDAY)
    assert told(day.entries) == [
        "09:00-09:30 R. L.",
        "09:30-10:00 free",
        "10:00-10:30 N. A.",
        "10:30-12:00 free",
        "12:00-13:00 break",
        "13:00-15:00 free",
        "15:00-17:00 away Dentist",
    ]
    first = day.next(clock.now())
    assert first is not None and first.name == "Rosa Lima"
    warm = day.visits[1]
    assert warm.devices == ("Lamp 1",) and warm.room == "Room 1"


def test_a_pause_after_a_visit_is_not_free_as_on_the_board(
    context: Flask, standing_clock: StandingClock
) -> None:
    kinds = [visit_type(pause_after_minutes=10)]
    set_up(clinic(visit_types=kinds, practitioners=[practitioner("ana", name="Ana Ruiz")]))
    ana = hired(Role.PRACTITIONER, practitioner="ana")
    booked()
    booked(NINE + timedelta(hours=2, minutes=30), first_name="Noor", last_name="Aziz")
    assert told(own_day(ana, TUESDAY).entries) == [
        "09:00-09:30 R. L.",
        "09:40-11:30 free",
        "11:30-12:00 N. A.",
        "12:00-13:00 break",
        "13:00-17:00 free",
    ]
    (column,) = board.day(hired(), TUESDAY, board.View.PEOPLE).columns
    assert [one.from_row for one in column.free] == [20, 60]


def test_a_day_off_shows_as_long_as_one_would_work_and_a_closure_says_so(ana: Who) -> None:
    away(None, 0, 24, "Holiday")
    assert told(own_day(ana, TUESDAY).entries) == ["09:00-12:00 closed Holiday", "13:00-17:00 closed Holiday"]


def test_a_cancelled_visit_stays_on_the_day_as_such_and_its_time_is_free(ana: Who) -> None:
    visit = booked()
    visits.cancel(visit.reference, visit.token, "", actor="t", key="12345678")
    day = own_day(ana, TUESDAY)
    assert told(day.entries)[:2] == ["09:00-09:30 R. L.", "09:00-12:00 free"]
    assert day.standing == () and day.next(clock.now()) is None
    assert [visit.status for visit in day.visits] == [Status.CANCELLED]


def test_a_day_is_read_once_and_read_again_after_any_change(ana: Who, standing_clock: StandingClock) -> None:
    visit = booked()
    first = own_day(ana, TUESDAY)
    assert own_day(ana, TUESDAY) is first
    standing_clock.at(NINE)
    statuses.arrive(ana, visit.reference, key="arrived-1")
    second = own_day(ana, TUESDAY)
    assert second is not first and second.visits[0].status is Status.ARRIVED
    set_up(clinic(practitioners=[practitioner("ana", hours=every_day("9:00-10:00"))]))
    assert told(own_day(ana, TUESDAY).entries)[-1] == "09:30-10:00 free"


def test_somebody_elses_visits_are_on_nobody_elses_day(ana: Who) -> None:
    booked(practitioner="ben")
    assert own_day(ana, TUESDAY).visits == ()
    with pytest.raises(NotFound):
        own_day(Who(99, "Nobody", frozenset({Role.PRACTITIONER})))
    with pytest.raises(NotFound):
        own_day(Who(99, "A room", frozenset({Role.PRACTITIONER}), practitioner_id=10_000))


def test_needles_are_due_counted_from_when_they_really_went_in(
    ana: Who, standing_clock: StandingClock
) -> None:
    reference = booked(visit_type="needles").reference
    standing_clock.at(NINE + timedelta(minutes=7))
    statuses.start(ana, reference, key="started-1")
    standing_clock.at(NINE + timedelta(minutes=20))
    statuses.needles_in(ana, reference, key="needles-in")
    (lying,) = own_day(ana, TUESDAY).in_room
    assert lying.needles_due == NINE + timedelta(minutes=45)
    assert not lying.overdue(NINE + timedelta(minutes=49)) and lying.overdue(NINE + timedelta(minutes=50))


def test_a_visit_isnt_done_while_needles_are_in(ana: Who, standing_clock: StandingClock) -> None:
    reference = booked(visit_type="needles").reference
    standing_clock.at(NINE)
    statuses.start(ana, reference, key="started-1")
    statuses.needles_in(ana, reference, key="needles-in")
    (lying,) = own_day(ana, TUESDAY).in_room
    assert lying.moves(NINE, present().times) == (Move.NEEDLES_OUT,)
    with pytest.raises(Refusal):
        statuses.finish(ana, reference, key="finished-1")
    out = statuses.needles_out(ana, reference, key="needles-out")
    (rested,) = own_day(ana, TUESDAY).in_room
    assert rested.moves(NINE, present().times) == (Move.FINISH,) and rested.needles_due is None
    # Taken back, they are in again, and due when they were.
    assert out.entry_id is not None
    undoing.undo(ana, out.entry_id, key="undo-1234")
    (again,) = own_day(ana, TUESDAY).in_room
    assert again.needles_due == NINE + timedelta(minutes=25)


def test_who_lies_longest_stands_first(ana: Who, standing_clock: StandingClock) -> None:
    references = [
        booked(NINE + timedelta(minutes=15 * n), visit_type="needles", email=f"{n}@example.com", first_name=name).reference
        for n, name in enumerate(("Rosa", "Noor"))
    ]  # fmt: skip
    standing_clock.at(NINE + timedelta(minutes=15))
    for number, reference in enumerate(reversed(references)):
        statuses.start(ana, reference, key=f"started-{number}")
        statuses.needles_in(ana, reference, key=f"needles-{number}")
        standing_clock.on(minutes=3)
    assert [visit.first_name for visit in own_day(ana, TUESDAY).in_room] == ["Noor", "Rosa"]


def test_next_is_the_first_whose_time_is_not_over_and_what_is_over_waits_to_be_settled(
    ana: Who, standing_clock: StandingClock
) -> None:
    ruth = booked(first_name="Ruth", practitioner="ana").reference
    came = booked(NINE + timedelta(minutes=30), first_name="Came", practitioner="ana").reference
    cannot = booked(NINE + timedelta(minutes=60), first_name="Can’t", practitioner="ana").reference
    true = booked(NINE + timedelta(minutes=90), first_name="Teresa", practitioner="ana").reference
    with db.engine.begin() as connection:
        connection.execute(
            update(Appointment).where(Appointment.reference == cannot).values(cannot_come_at=NINE)
        )
    seen = []
    for minutes in (9, 29, 30, 75, 90, 120):
        standing_clock.at(now := NINE + timedelta(minutes=minutes))
        if minutes == 30:
            statuses.arrive(hired(), came, key="arrive-1")
        day = own_day(ana, TUESDAY)
        found = day.next(now)
        marked = [one.first_name for one in day.visits if one.not_arrived(now)]
        late = [one.first_name for one in day.visits if one.is_late(now)]
        over = [one.reference for one in day.unsettled(now)]
        seen.append((minutes, found and found.first_name, late, marked, over))
    assert seen == [
        (9, "Ruth", [], [], []),
        (29, "Ruth", ["Ruth"], [], []),
        (30, "Came", [], ["Ruth"], [ruth]),
        (75, "Can’t", [], ["Ruth"], [ruth, came]),
        (90, "Teresa", [], ["Ruth"], [ruth, came, cannot]),
        (120, None, [], ["Ruth", "Teresa"], [ruth, came, cannot, true]),
    ]


def test_what_is_only_penciled_in_is_not_waited_for(context: Any, standing_clock: Any) -> None:
    where_mei_is_alone()
    plan = running(prescribed(patient(), "stages"))
    visit = next(one for one in seen(plan).standing if one.penciled)
    mei = hired(Role.PRACTITIONER, practitioner="mei")
    for at in (visit.starts_at + timedelta(minutes=15), visit.ends_at):
        standing_clock.at(at)
        (found,) = own_day(mei, visit.starts_at.date()).visits
        assert not found.is_late(at) and not found.not_arrived(at)


def test_a_visit_with_a_length_of_its_own_has_a_rest_of_its_own(ana: Who) -> None:
    visit = booked(visit_type="needles")
    change(hired(), visit.reference, Place(phase_minutes=(15, 35, 10)), version=1, key="longer-1")
    assert own_day(ana, TUESDAY).visits[0].rest == timedelta(minutes=35)


def test_a_visit_rests_as_it_was_booked_whatever_the_clinic_changes_since(
    ana: Who, standing_clock: StandingClock
) -> None:
    """On the phone, at the desk and on the board it is the same, for all ask what the visit has taken."""
    visit = booked(visit_type="needles")
    with db.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE visit_phases SET minutes = 20 WHERE minutes = 25")
        connection.exec_driver_sql("UPDATE clinic SET version = version + 1")
    assert own_day(ana, TUESDAY).visits[0].rest == timedelta(minutes=25)
    standing_clock.at(NINE)
    statuses.needles_in(hired(), visit.reference, key="needles-1")
    due = clock.now() + timedelta(minutes=25)
    assert panel(hired(), visit.reference).needles_due == due
    assert [one.out_at for one in board.day(hired(), TUESDAY, board.View.PEOPLE).needles] == [due]


def test_after_a_merge_the_day_has_the_flags_of_the_record_that_stayed(ana: Who) -> None:
    booked()
    booked(NINE + timedelta(days=1), last_name="Lima-Costa")
    who = hired()
    goes, stays = (row["reference"] for row in rows(Patient))
    kept = record_page.record(who, stays)
    records.edit(
        who, stays, replace(kept.values, flags=("wheelchair",)), version=1, visits_too=False, key="edit-0001"
    )
    assert own_day(ana, TUESDAY).visits[0].flags == ()
    merging.merge(who, stays, goes, stays_version=2, goes_version=1, key="merge-001")
    assert own_day(ana, TUESDAY).visits[0].flags == ("wheelchair",)


def test_a_week_and_a_month_are_the_same_days(ana: Who) -> None:
    booked()
    away(ana.practitioner_id, 15, 18, "Dentist")
    week = own_week(ana, TUESDAY)
    assert (week.first, week.last) == (date(2026, 9, 13), date(2026, 9, 19))
    tuesday = week.days[2]
    assert [visit.name for visit in tuesday.visits] == ["Rosa Lima"] and tuesday.away[0].reason == "Dentist"
    assert not tuesday.away[0].all_day and not week.days[0].works
    month = own_month(ana, TUESDAY)
    found = {day.on: day for days in month.weeks for day in days}
    assert found[TUESDAY].visits == 1 and found[TUESDAY].away and found[date(2026, 9, 16)].visits == 0
    assert month.weeks[0][0].on == date(2026, 8, 30) and not month.weeks[0][0].inside


def test_a_week_in_which_the_clock_moves_has_all_its_days(ana: Who) -> None:
    week = own_week(ana, date(2026, 11, 1))
    assert [day.on.day for day in week.days] == [1, 2, 3, 4, 5, 6, 7]
    monday = week.days[1]
    assert monday.opens_at is not None and monday.opens_at.hour == 17


def test_colleagues_are_busy_when_they_are_taken_or_away(ana: Who) -> None:
    booked(practitioner="ben")
    (ben,) = colleagues_day(ana, TUESDAY).people
    assert ben.name == "Ben Okoro"
    assert [(one.starts_at, one.ends_at) for one in ben.busy] == [(NINE, NINE + timedelta(minutes=30))]
    assert ben.free[0].starts_at == NINE + timedelta(minutes=30)


def test_a_visit_in_full_has_its_history_and_what_comes_next(ana: Who, standing_clock: StandingClock) -> None:
    reference = booked().reference
    later = booked(NINE + timedelta(days=1), practitioner="ben").reference
    standing_clock.at(NINE)
    statuses.arrive(ana, reference, key="arrived-1")
    found = own_visits.full_visit(ana, reference)
    assert [(one.what, one.name) for one in found.history] == [("booked", ""), ("arrived", "Ana Ruiz")]
    assert [one.reference for one in found.next_visits] == [later]
    assert not own_visits.full_visit(ana, later).own


def test_other_times_are_none_at_which_the_patient_is_elsewhere(ana: Who) -> None:
    visit = booked(practitioner="ana")
    booked(NINE + timedelta(minutes=30), practitioner="ben")
    offered = own_visits.other_times(ana, visit.reference)
    assert [one.practitioner.slug for one in offered] == ["ana"] * 5 + ["ben"]
    own = [one.starts_at for one in offered[:-1]]
    assert all(later - one >= timedelta(minutes=30) for one, later in pairwise(own)), (
        "never five minutes apart"
    )
    for one in offered:
        place = Place(one.starts_at, one.practitioner.slug)
        assert moving.preview(ana, visit.reference, place).elsewhere is None


def test_a_visit_of_somebody_elses_patient_is_not_there(ana: Who) -> None:
    theirs = booked(practitioner="ben", first_name="Tom", email="tom@example.com").reference
    asked: list[Any] = [
        own_visits.full_visit,
        own_visits.other_times,
        own_visits.refuse_of_others,
        own_visits.brief,
    ]
    for ask in asked:
        with pytest.raises(NotFound):
            ask(ana, theirs)
    with pytest.raises(NotFound):
        own_visits.refuse_of_others_by_entry(ana, 1)
    with pytest.raises(NotFound):
        own_visits.refuse_of_others_by_entry(ana, 999_999)
