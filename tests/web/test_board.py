"""The board's pages: who may see them, what they say, what a refresh costs, and what is printed."""

import re
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, select, update

from booking.extensions import db
from booking.models import Appointment, AuditEntry, Role
from booking.scheduling.status import Status
from booking.scheduling.timeline import cell_at
from booking.services.desk import statuses
from tests.clinics import clinic, needled, practitioner, set_up
from tests.conftest import StandingClock
from tests.services.making import NINE, booked, rows
from tests.staffing import hired, signed_in

DAY = "/desk/day/2026-09-15"


@pytest.fixture
def desk(app: Flask) -> FlaskClient:
    with app.app_context():
        who = hired(Role.DESK)
    return signed_in(app, who)


@pytest.fixture
def visit(app: Flask) -> Any:
    with app.app_context():
        return booked(practitioner="ana", phone="+18185550123", note="Ground floor, please.")


def arrive(app: Flask, reference: str) -> None:
    with app.app_context(), db.engine.begin() as connection:
        connection.execute(
            update(Appointment)
            .where(Appointment.reference == reference)
            .values(status=Status.ARRIVED, version=Appointment.version + 1)
        )


def test_the_day_shows_people_with_their_visits(desk: FlaskClient, visit: Any) -> None:
    page = desk.get(DAY)
    assert page.status_code == 200
    assert "Tuesday, September 15" in page.text
    assert "Ana Ruiz" in page.text and "Ben Okoro" in page.text
    assert f'id="v-{visit.reference}"' in page.text and "Rosa Lima" in page.text
    assert "Booked" in page.text and "Break" in page.text
    assert f'href="/desk/visits/{visit.reference}"' in page.text


@pytest.mark.parametrize("view", ["rooms", "list", "people", "nonsense"])
def test_each_view_has_the_visit(desk: FlaskClient, visit: Any, view: str) -> None:
    page = desk.get(f"{DAY}?view={view}")
    assert page.status_code == 200
    assert f'id="v-{visit.reference}"' in page.text


def test_the_list_says_all_in_words(desk: FlaskClient, visit: Any) -> None:
    words = re.sub(r"<[^>]+>|\s+", " ", desk.get(f"{DAY}?view=list").text)
    words = re.sub(r" +", " ", words)
    assert "9:00 am Rosa Lima until 9:30 am ○ Booked Follow-up, 30 minutes with Ana Ruiz, Room 1" in words
    assert "(818) 555-0123" in words
    assert "9:30 am–12:00 pm" in words


def test_the_week_of_one_person(desk: FlaskClient, visit: Any) -> None:
    page = desk.get("/desk/week/ana/2026-09-17")
    assert page.status_code == 200
    assert "Week of Ana Ruiz" in page.text and f'id="v-{visit.reference}"' in page.text


def test_the_start_leads_to_today_or_to_the_day_asked_for(desk: FlaskClient) -> None:
    assert desk.get("/desk/").location == "/desk/day/2026-09-14"
    assert desk.get("/desk/?day=2026-09-20&view=rooms").location == "/desk/day/2026-09-20?view=rooms"
    assert desk.get("/desk/?day=2026-09-20&person=ana").location == "/desk/week/ana/2026-09-20"


@pytest.mark.parametrize(
    "path",
    [
        "/desk/day/today",
        "/desk/day/2026-13-01",
        "/desk/day/9999-12-31",
        "/desk/day/0001-01-01",
        "/desk/day/2026-9-1",
        "/desk/day/20260914",
        "/desk/day/%00",
        "/desk/day/" + "9" * 5000,
        "/desk/day/nothing/fragment",
        "/desk/day/nothing/sheet",
        "/desk/week/nobody/2026-09-14",
        "/desk/week/ana/soon",
        "/desk/week/nobody/2026-09-14/fragment",
        "/desk/?day=yesterday&person=nobody",
    ],
)
def test_what_is_no_day_is_not_here(desk: FlaskClient, path: str) -> None:
    assert desk.get(path).status_code == 404


@pytest.mark.parametrize("day", ["1850-01-01", "2099-01-01", "yesterday", "x" * 3000])
@pytest.mark.parametrize("board", ["view=rooms", "person=ana"])
def test_a_day_that_the_board_cannot_go_to_is_said_on_the_board(
    desk: FlaskClient, day: str, board: str
) -> None:
    page = desk.get(f"/desk/?day={day}&{board}")
    assert page.status_code == 422
    assert "The board can't go to that day." in page.text and 'data-day="2026-09-14"' in page.text
    assert f'name="day" value="{day[:10]}"' in page.text
    # The next who look at today find nothing of it.
    assert "go to that day" not in desk.get("/desk/day/2026-09-14?view=rooms").text


@pytest.mark.parametrize(
    "path", [DAY, f"{DAY}/fragment", f"{DAY}/sheet", "/desk/week/ana/2026-09-15", "/desk/"]
)
def test_a_practitioner_has_no_board(app: Flask, path: str) -> None:
    with app.app_context():
        ana = hired(Role.PRACTITIONER, practitioner="ana")
    assert signed_in(app, ana).get(path).status_code == 404
    assert app.test_client().get(path).status_code in (303, 401)


def test_nothing_new_is_a_304_of_two_statements(app: Flask, desk: FlaskClient, visit: Any) -> None:
    first = desk.get(f"{DAY}/fragment")
    tag = first.headers["ETag"]
    said: list[str] = []

    def heard(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        said.append(statement)

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", heard)
    try:
        again = desk.get(f"{DAY}/fragment", headers={"If-None-Match": tag, "X-Poll": "1"})
    finally:
        event.remove(engine, "before_cursor_execute", heard)
    assert (again.status_code, again.data) == (304, b"")
    # Its two, who is asking and the stamp, go to the driver directly; nothing else is asked.
    assert said == []


def test_a_change_comes_with_the_next_refresh(app: Flask, desk: FlaskClient, visit: Any) -> None:
    tag = desk.get(f"{DAY}/fragment").headers["ETag"]
    arrive(app, visit.reference)
    fresh = desk.get(f"{DAY}/fragment", headers={"If-None-Match": tag})
    assert fresh.status_code == 200 and fresh.headers["ETag"] != tag
    assert "Here" in fresh.text and 'data-version="2"' in fresh.text


def test_minutes_that_change_nothing_are_still_a_304(
    desk: FlaskClient, visit: Any, standing_clock: StandingClock
) -> None:
    tag = desk.get(f"{DAY}/fragment").headers["ETag"]
    standing_clock.on(minutes=2)
    assert desk.get(f"{DAY}/fragment", headers={"If-None-Match": tag, "X-Poll": "1"}).status_code == 304


def test_whoever_comes_late_stands_out(desk: FlaskClient, visit: Any, standing_clock: StandingClock) -> None:
    standing_clock.at(NINE + timedelta(minutes=12))
    with desk.application.app_context():
        who = hired(Role.DESK)
    page = signed_in(desk.application, who).get(DAY)
    assert "12 min late" in page.text and "is-late" in page.text


def test_whoever_never_came_stays_marked_until_the_visit_is_settled(
    app: Flask, visit: Any, standing_clock: StandingClock
) -> None:
    standing_clock.at(NINE + timedelta(hours=5))
    with app.app_context():
        who = hired(Role.DESK)
    desk = signed_in(app, who)
    for path in (DAY, f"{DAY}?view=rooms", f"{DAY}?view=list"):
        page = desk.get(path).text
        assert "Not arrived" in page and "1 not arrived" in page and "is-late" in page
    arrive(app, visit.reference)
    page = desk.get(DAY).text
    assert "Not arrived" not in page and "1 not arrived" not in page


def test_a_patient_who_is_found_is_shown_with_the_next_visit_and_where_it_is(
    app: Flask, desk: FlaskClient, visit: Any
) -> None:
    with app.app_context():
        booked(NINE + timedelta(days=1), practitioner="ana")
        ana = hired(Role.PRACTITIONER, practitioner="ana")
    page = desk.get("/desk/patients?q=lima").text
    assert "next Tue, Sep 15, 9:00 am" in page and f"{DAY}?visit={visit.reference}" in page
    # Practitioners have no board.
    page = signed_in(app, ana).get("/desk/patients?q=lima").text
    assert "Rosa Lima" in page and "next Tue" not in page


def test_which_cell_runs_just_now_is_told_with_the_places_of_a_visit(
    desk: FlaskClient, visit: Any, standing_clock: StandingClock
) -> None:
    for minutes in (0, 4):
        standing_clock.at(NINE - timedelta(hours=25) + timedelta(minutes=minutes))
        found = desk.get(f"/desk/visits/{visit.reference}/places?day=2026-09-15").json
        assert found["now"] == cell_at(NINE - timedelta(hours=25))


def test_a_day_that_was_seen_is_written_down_once_an_hour(
    app: Flask, desk: FlaskClient, visit: Any, standing_clock: StandingClock
) -> None:
    for _ in range(3):
        desk.get(DAY)
        desk.get(f"{DAY}?view=rooms")
    with app.app_context():
        seen = [row for row in rows(AuditEntry) if row["what"] == "saw board"]
    assert [row["subject"] for row in seen] == ["board/2026-09-15"]
    tag = desk.get(f"{DAY}/fragment").headers["ETag"]
    standing_clock.on(minutes=61)
    with app.app_context():
        who = hired(Role.DESK)
    signed_in(app, who).get(f"{DAY}/fragment", headers={"If-None-Match": tag})
    with app.app_context(), db.engine.connect() as connection:
        names = connection.scalars(select(AuditEntry.account_id).where(AuditEntry.what == "saw board")).all()
    assert len(names) == 1, "A poll answered by 304 writes nothing."


def test_the_sheet_has_a_page_for_the_desk_and_one_for_each_with_phone_numbers(
    app: Flask, desk: FlaskClient, visit: Any
) -> None:
    page = desk.get(f"{DAY}/sheet")
    assert page.status_code == 200
    assert page.text.count('class="sheet"') == 2
    assert page.text.count("(818) 555-0123") == 2
    with app.app_context():
        assert [row["what"] for row in rows(AuditEntry)].count("printed day") == 1


def test_what_patients_wrote_is_written_as_text(app: Flask, desk: FlaskClient) -> None:
    with app.app_context():
        booked(practitioner="ana", first_name="<b>Rosa", last_name='"><script>alert(1)</script>')
    for path in (DAY, f"{DAY}?view=list", f"{DAY}?view=rooms", f"{DAY}/sheet", "/desk/week/ana/2026-09-15"):
        page = desk.get(path).text
        assert "<script>alert" not in page and "&lt;b&gt;Rosa" in page


def test_a_full_day_is_small(app: Flask, desk: FlaskClient) -> None:
    with app.app_context():
        for number in range(28):
            person, half_hours = ("ana", "ben")[number % 2], number // 2
            starts_at = NINE + timedelta(minutes=30 * half_hours + (60 if half_hours >= 6 else 0))
            booked(
                starts_at, practitioner=person, first_name=f"Rosa {number}", email=f"r{number}@example.com"
            )
    plain = desk.get(DAY)
    wired = desk.get(DAY, headers={"Accept-Encoding": "br"})
    assert plain.text.count("data-ref=") == 28
    assert len(plain.data) < 40_000
    assert len(wired.data) < 9_000


@pytest.mark.parametrize("path", ["", "?view=rooms", "?view=list"])
def test_while_needles_are_in_every_view_of_the_day_says_when_they_come_out(
    app: Flask, standing_clock: StandingClock, path: str
) -> None:
    with app.app_context():
        set_up(clinic(visit_types=[needled()], practitioners=[practitioner("ana", offers=["needles"])]))
        visit, who = booked(visit_type="needles"), hired()
        standing_clock.at(NINE)
        statuses.needles_in(who, visit.reference, key="needles-1")
    shown = signed_in(app, who).get(f"/desk/day/2026-09-15{path}")
    assert shown.status_code == 200 and "9:25" in shown.text
    assert "Room 1: needles out at 9:25 am<" in shown.text
    # Whose they are is only said on the board of that day, which the audit names.
    assert "Rosa" not in signed_in(app, who).get(f"/desk/day/2026-09-16{path}").text
    standing_clock.at(NINE + timedelta(minutes=30))
    over = signed_in(app, who).get(f"/desk/day/2026-09-15{path}").text
    assert "Room 1: needles still in, due out at 9:25 am<" in over
    # Said of needles that are over time, these would be read as of needles that are out.
    assert "out since" not in over and "Needles in, due 9:25 am" in over
