"""What staff read where something is not there, is refused or breaks: their own layout and words, and a way back."""

import re
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from booking.errors import Busy
from booking.models import Role
from booking.services.own_day import day as own_days
from booking.services.staff.who import Who
from booking.web.words import FAULTS, FOR_STAFF, WORDS
from tests.conftest import StandingClock
from tests.services.making import NINE, booked
from tests.staffing import hired, signed_in
from tests.web.conftest import fields

PATIENTS_ONLY = ("Privacy notice", "Find my visit", "To the start page", "call us", "Our number")


@pytest.fixture
def ana(app: Flask) -> FlaskClient:
    with app.app_context():
        return signed_in(app, hired(Role.PRACTITIONER, practitioner="ana", name="Ana Ruiz"))


def token(client: FlaskClient) -> str:
    return fields(client.get("/staff/me").text)["csrf_token"]


def is_for_staff(answer: Any, back: str) -> bool:
    menu = re.search(r'<nav aria-label="Staff">.*?</nav>', answer.text, re.DOTALL)
    foreign = [words for words in PATIENTS_ONLY if words in answer.text]
    return (
        bool(menu) and 'href="/staff/me"' in answer.text and f'href="{back}"' in answer.text and not foreign
    )


@pytest.mark.parametrize(
    "path",
    ["/desk/nothing", "/desk/visits/ZZZZZZZZZZ", "/desk/day/yesterday", "/mine/today", "/staff/accounts"],
)
def test_the_desk_finds_its_way_back_from_what_is_not_there(desk: FlaskClient, path: str) -> None:
    answer = desk.get(path)
    assert answer.status_code == 404 and is_for_staff(answer, "/desk/")
    assert "To the board" in answer.text


@pytest.mark.parametrize("path", ["/mine/visits/ZZZZZZZZZZ", "/mine/nothing", "/desk/", "/staff/audit"])
def test_a_practitioner_finds_their_way_back_to_their_day(ana: FlaskClient, path: str) -> None:
    answer = ana.get(path)
    assert answer.status_code == 404 and is_for_staff(answer, "/mine/today")
    assert "To my day" in answer.text


def test_the_menu_counts_what_presses_also_where_something_is_not_there(
    app: Flask, dana: Who, standing_clock: StandingClock
) -> None:
    with app.app_context():
        booked(practitioner="ana")
    standing_clock.at(NINE + timedelta(hours=2))
    desk = signed_in(app, dana)
    counted = re.compile(r'href="/desk/close"[^>]*>Close the day <span class="count">1</span>')
    assert counted.search(desk.get("/desk/patients").text)
    assert counted.search(desk.get("/desk/nothing").text)


def test_not_there_and_not_for_this_role_are_the_same(ana: FlaskClient) -> None:
    def said(path: str) -> str:
        return re.sub(r'(value|content)="[^"]*"', "", ana.get(path).text)

    assert said("/desk/nothing") == said("/desk/calls") == said("/staff/accounts/1") == said("/mine/nothing")


def test_whatever_else_goes_wrong_stays_among_staff(desk: FlaskClient) -> None:
    sent = {"csrf_token": token(desk)}
    for answer, status in (
        (desk.post("/desk/calls", data=sent), 405),
        (desk.post("/desk/time-off/1/take-back", data=sent), 422),
        (desk.post("/desk/time-off", data={"csrf_token": "old"}), 400),
        (desk.post("/desk/visits/ZZZZZZZZZZ/status", data=sent), 422),
        (desk.post("/desk/time-off", data=sent | {"reason": "x" * 3_000_000}), 413),
    ):
        assert answer.status_code == status, answer.text
        assert is_for_staff(answer, "/desk/"), status


def test_a_fault_and_a_busy_database_are_told_to_staff_in_their_words(
    app: Flask, ana: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("broken")

    def busy(*_: Any) -> None:
        raise Busy(retry_after=5)

    monkeypatch.setitem(app.config, "PROPAGATE_EXCEPTIONS", False)
    monkeypatch.setattr(own_days, "_mark", broken)
    answer = ana.get("/mine/today")
    assert answer.status_code == 500 and is_for_staff(answer, "/mine/today")
    assert "look whether it was kept" in answer.text and "please say:" in answer.text
    monkeypatch.setattr(own_days, "_mark", busy)
    answer = ana.get("/mine/today")
    assert answer.status_code == 503 and is_for_staff(answer, "/mine/today")
    assert answer.headers["Retry-After"] == "5"


def test_a_locked_screen_and_a_visitor_read_no_menu(
    app: Flask, desk: FlaskClient, standing_clock: StandingClock
) -> None:
    standing_clock.on(minutes=16)
    for client, back in ((desk, "/staff/"), (app.test_client(), "/staff/sign-in")):
        answer = client.get("/desk/nothing")
        assert answer.status_code == 404 and f'href="{back}"' in answer.text
        assert "Dana Desk" not in answer.text and "<nav" not in answer.text


def test_patients_pages_keep_theirs_also_for_staff(desk: FlaskClient) -> None:
    answer = desk.get("/visits/ZZZZZZZZZZ/nothing")
    assert answer.status_code == 404 and "To the start page" in answer.text and "Dana" not in answer.text


def test_no_staff_are_told_to_call_us() -> None:
    told = [(FOR_STAFF.get(code) or words) for code, words in (WORDS | FAULTS).items()]  # type: ignore[operator]
    assert [str(words.title) for words in told if "call us" in f"{words.title} {words.advice}".lower()] == []


def test_a_secret_that_was_sent_too_often_stands_on_no_page(app: Flask, client: FlaskClient) -> None:
    form = fields(client.get("/staff/sign-in").text)
    typed = {"email": "dana@clinic.example", "password": "a kettle on the stove"}
    answers = [client.post("/staff/sign-in", data=form | typed) for _ in range(11)]
    assert answers[-1].status_code == 429
    assert "kettle" not in answers[-1].text and 'href="/staff/sign-in"' in answers[-1].text
