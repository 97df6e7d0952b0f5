"""The demo: a believable clinic around today, whose own messages are never sent, and in which one can book."""

import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from sqlalchemy import make_url

from booking import clock
from booking.app import create_app
from booking.demo import making
from booking.extensions import db
from booking.models import (
    Absence,
    AbsenceKind,
    Appointment,
    BookableBy,
    Device,
    HistoryEntry,
    Installation,
    Message,
    Plan,
    Practitioner,
    Room,
)
from booking.reminders.delivery import deliver_due
from booking.scheduling.timeline import cell_from, instant_of
from booking.services.clinic import Clinic, present
from booking.services.search import free_times
from tests import databases
from tests.conftest import KINDS, MONDAY, MakeApp, StandingClock, standing
from tests.services.making import booked, rows

pytestmark = pytest.mark.usefixtures("standing_clock")

HERE = ZoneInfo("America/Los_Angeles")
TODAY = date(2026, 9, 14)


@contextmanager
def _loaded(kind: str, instance: Path) -> Iterator[str]:
    with getattr(databases, kind)() as url:
        app = create_app(databases.SETTINGS | {"BOOKING_DATABASE_URL": url}, instance_path=str(instance))
        with app.app_context(), clock.turned_to(MONDAY):
            told = app.test_cli_runner().invoke(args=["demo"])
            assert told.exit_code == 0, told.output
            db.engine.dispose()
        yield url


@pytest.fixture(scope="module", params=KINDS)
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a database into which the demo was loaded, on Monday morning."""
    with _loaded(request.param, tmp_path_factory.mktemp("demo")) as url:
        yield url


@pytest.fixture
def database_url(loaded: str) -> Iterator[str]:
    """A copy of it for each test."""
    url = make_url(loaded)
    name = str(url.database)
    copy = databases.sqlite(name) if url.get_backend_name() == "sqlite" else databases.postgresql(name)
    with copy as address:
        yield address


def local(cell: int) -> datetime:
    return instant_of(cell).astimezone(HERE)


def days(absence: Any) -> set[date]:
    """The days into which an absence falls."""
    first, last = local(absence["from_cell"]).date(), local(absence["to_cell"] - 1).date()
    return {first + timedelta(days=number) for number in range((last - first).days + 1)}


def test_some_300_visits_are_past_and_250_to_come(context: Flask) -> None:
    ends = [row["to_cell"] for row in rows(Appointment)]
    past = sum(cell <= cell_from(MONDAY) for cell in ends)
    assert 280 <= past <= 320
    assert 230 <= len(ends) - past <= 270


def test_past_visits_were_given_or_missed_and_those_to_come_are_booked(context: Flask) -> None:
    past: Counter[str] = Counter()
    gave_way = {row["appointment_id"] for row in rows(HistoryEntry) if row["what"] == "gave way"}
    for row in rows(Appointment):
        if row["to_cell"] <= cell_from(MONDAY):
            past[row["status"]] += 1
        else:
            assert row["status"] == "booked" or row["id"] in gave_way
    assert set(past) == {"fulfilled", "noshow"}
    assert past["fulfilled"] > 10 * past["noshow"] > 0


def test_a_visit_that_nobody_had_decided_on_gave_way_to_a_first_one_and_others_may(context: Flask) -> None:
    (entry,) = [row for row in rows(HistoryEntry) if row["what"] == "gave way"]
    by_id = {row["id"]: row for row in rows(Appointment)}
    gone = by_id[entry["appointment_id"]]
    (plan,) = [row for row in rows(Plan) if row["id"] == gone["plan_id"]]
    assert plan["template"] == "low-back" and gone["status"] == "cancelled"
    first = present().visit_type("acupuncture-first").id
    there = ("practitioner_id", "from_cell")
    assert [gone[name] for name in there] in [
        [row[name] for name in there] for row in by_id.values() if row["visit_type_id"] == first
    ]
    assert any(
        row["penciled"] and row["status"] == "booked"
        for row in by_id.values()
        if row["plan_id"] == plan["id"]
    )


def test_each_visit_was_booked_before_it_began_and_before_now(context: Flask) -> None:
    booked_entries = {row["appointment_id"]: row for row in rows(HistoryEntry) if row["what"] == "booked"}
    for row in rows(Appointment):
        booked_at = row["booked_at"].replace(tzinfo=MONDAY.tzinfo)
        assert booked_at < MONDAY and booked_at < instant_of(row["from_cell"])
        assert booked_entries[row["id"]]["at"] == row["booked_at"]


def test_seven_practitioners_give_three_kinds_of_care(context: Flask) -> None:
    clinic: Clinic = present()
    gives = {
        person.slug: {clinic.visit_types[slug].modality.slug for slug in person.offerings}
        for person in clinic.practitioners.values()
    }
    assert len(gives) == 7
    by_modality = Counter(modality for modalities in gives.values() for modality in modalities)
    assert set(by_modality) == {"acupuncture", "chiropractic", "massage"}
    assert min(by_modality.values()) >= 2
    assert sum(len(modalities) == 2 for modalities in gives.values()) == 2


def test_rooms_of_three_kinds_at_least_two_e_stim_units_and_one_laser(context: Flask) -> None:
    assert len({row["room_kind"] for row in rows(Room)}) >= 3
    assert Counter(row["device_kind"] for row in rows(Device)) == {"e-stim": 2, "laser": 1}


def test_it_is_open_late_on_two_days_and_on_saturday_morning(context: Flask) -> None:
    clinic = present()
    hours = {one.weekday: (one.opens.hour, one.closes.hour) for one in clinic.hours}
    assert hours[1][1] == hours[3][1] == 19
    assert hours[5] == (8, 13)
    assert 6 not in hours
    people = clinic.practitioners.values()
    # Lunch breaks are gaps in a day; part-timers aren't there every day.
    assert any(sum(one.weekday == day for one in person.hours) == 2 for person in people for day in range(6))
    assert any(len({one.weekday for one in person.hours}) <= 4 for person in people)


def test_visits_last_as_long_as_they_do_there(context: Flask) -> None:
    clinic = present()
    for slug, minutes, turnover in (
        ("acupuncture-follow-up", [15, 25, 10], 10), ("acupuncture-first", [45, 25, 10], 10),
        ("chiropractic-follow-up", [15], 5), ("chiropractic-first", [45], 5),
        ("massage-60", [60], 15), ("massage-90", [90], 15),
    ):  # fmt: skip
        found = clinic.visit_types[slug]
        assert [phase.minutes for phase in found.phases] == minutes, slug
        assert found.turnover.after * 5 == turnover, slug


def test_special_treatments_are_asked_for(context: Flask) -> None:
    on_request = {slug for slug, one in present().visit_types.items() if one.on_request}
    assert on_request == {"acupuncture-e-stim", "moxibustion", "laser"}


def test_a_closure_leaves_tuesdays_thursdays_and_saturdays_alone_and_somebody_is_away(
    context: Flask,
) -> None:
    absences = rows(Absence)
    closed = set().union(*(days(one) for one in absences if one["kind"] == AbsenceKind.CLOSURE))
    five_weeks = {TODAY + timedelta(days=number) for number in range(36)}
    assert closed & five_weeks
    assert not {day for day in closed if day.weekday() in (1, 3, 5)}
    away = [one for one in absences if one["kind"] == AbsenceKind.TIME_OFF]
    assert away and any(days(one) & five_weeks for one in away)
    slug_of = {row["id"]: row["slug"] for row in rows(Practitioner)}
    assert {slug_of[one["resource_id"]] for one in away} == {"grace-whitfield"}


@pytest.mark.parametrize("today", [TODAY + timedelta(days=number) for number in range(7)])
def test_whatever_day_it_is_the_closure_is_on_another_than_tuesday_thursday_and_saturday(
    today: date,
) -> None:
    definition = making.clinic_file.parse(making.FILE.read_text(encoding="utf-8"))
    around = making._around(definition, today)
    assert around.closures
    for closure in around.closures:
        assert closure.first == closure.last and closure.first.weekday() not in (1, 3, 5)
        assert today < closure.first <= today + timedelta(days=35)


def test_some_patients_come_two_or_three_times_a_week(context: Flask) -> None:
    weeks: dict[int, Counter[tuple[int, int]]] = {}
    for row in rows(Appointment):
        weeks.setdefault(row["patient_id"], Counter())[local(row["from_cell"]).isocalendar()[:2]] += 1
    often = [
        patient for patient, counted in weeks.items() if sum(number >= 2 for number in counted.values()) >= 4
    ]
    assert 2 <= len(often) <= 8
    assert any(number >= 3 for patient in often for number in weeks[patient].values())


@pytest.mark.parametrize("day", range(7))
def test_it_loads_on_every_day_of_the_week_late_as_well(
    day: int, standing_clock: StandingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What depends on the weekday are its plans, and when their parts begin: the rest only fills days."""
    monkeypatch.setattr(making, "_fill", lambda *_: 0)
    standing_clock.at(datetime(2026, 9, 14 + day, 23, tzinfo=HERE).astimezone(UTC))
    with databases.renewed("sqlite") as url, standing(url) as app:
        told = app.test_cli_runner().invoke(args=["demo"])
        assert told.exit_code == 0, told.output
        with app.app_context():
            assert {row["template"] for row in rows(Plan)} == {"disc", "disc-gentle", "low-back", "sciatica"}


def test_there_is_something_to_book_soon(context: Flask) -> None:
    clinic = present()
    for slug, visit_type in clinic.visit_types.items():
        if clinic.who_offers(visit_type, BookableBy.PATIENTS) and not visit_type.on_request:
            found = free_times(slug, None, TODAY, 7)
            assert next(found.each(), None), f"{slug} has no free time in the first week"


def test_none_of_its_messages_is_ever_sent(context: Flask, app: Flask, standing_clock: StandingClock) -> None:
    before = Counter(row["state"] for row in rows(Message))
    assert before["demo"] > 500 and before["queued"] == before["sending"] == 0
    assert rows(Installation)[0]["halted"] == ""
    for _ in range(2):
        assert deliver_due() == 0
        standing_clock.on(days=3)
    assert Counter(row["state"] for row in rows(Message)) == before
    assert not list(Path(app.instance_path).glob("mail/*"))


def test_loading_it_again_changes_nothing(context: Flask, app: Flask) -> None:
    kinds = (Appointment, Message, HistoryEntry, Practitioner, Absence)
    before = [rows(kind) for kind in kinds]
    told = app.test_cli_runner().invoke(args=["demo"])
    assert told.exit_code == 0 and "nothing was changed" in told.output.lower()
    assert [rows(kind) for kind in kinds] == before


def test_production_refuses_it(database_url: str, make_app: MakeApp) -> None:
    app = make_app(
        database_url,
        BOOKING_ENV="production",
        BOOKING_BASE_URL="https://visits.example",
        BOOKING_MAIL_HOST="mail.example",
        BOOKING_MAIL_SENDER="visits@clinic.example",
    )
    told = app.test_cli_runner().invoke(args=["demo"])
    assert told.exit_code == 1 and "the demo never goes there" in told.output


def test_whoever_books_in_it_gets_their_confirmation(
    context: Flask, app: Flask, standing_clock: StandingClock
) -> None:
    free = next(free_times("acupuncture-follow-up", None, TODAY + timedelta(days=8), 7).each())
    booked(free.starts_at, visit_type="acupuncture-follow-up")
    while deliver_due():
        pass
    (mail,) = Path(app.instance_path).glob("mail/*.eml")
    assert "rosa@example.com" in mail.read_text() and "acupuncture" not in mail.read_text().lower()
    page = app.test_client().get("/demo/mail").text
    assert "rosa@example.com" in page
    # And the reminder, when its time has come.
    shutil.rmtree(mail.parent)
    standing_clock.at(free.starts_at - timedelta(days=3) + timedelta(minutes=1))
    while deliver_due():
        pass
    assert len(list(mail.parent.glob("*.eml"))) == 1
