"""From the start page to a booked visit, through the client."""

import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.exc import OperationalError

from booking.models import Appointment, Hold
from booking.services import transaction
from tests.services.making import rows
from tests.web.conftest import Send, fields, on_both

ROSA = {"first_name": "Rosa", "last_name": "Lima", "email": "rosa@example.com", "reminders": "email"}
TIMES = "/book/follow-up"
NINE_TUESDAY = "2026-09-15T16:00:00Z"


def times_of(page: str) -> list[str]:
    return re.findall(r'name="time" value="([^"]+)"', page)


def to_details(client: FlaskClient, send: Send, time: str = f"{NINE_TUESDAY} ana") -> Any:
    page = client.get(TIMES)
    held = send(page, f"{TIMES}/time", time=time)
    assert held.status_code == 303
    return client.get(held.headers["Location"])


def booked(client: FlaskClient, send: Send, **typed: str) -> Any:
    return send(to_details(client, send), f"{TIMES}/details", **(ROSA | typed))


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/book",
        "/care/care",
        "/with/ana",
        TIMES,
        f"{TIMES}?with=ana",
        f"{TIMES}?part=morning",
        "/privacy",
        "/policies",
        "/my-visit",
        "/demo/mail",
        "/api/v1/",
    ],
)
def test_every_page_answers_and_leads_to_notices(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    for needed in ('href="/privacy"', 'href="/policies"', "tel:+18185550100", "<h1>"):
        assert needed in answer.text
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert "style=" not in answer.text


def test_the_start_page_says_when_to_call_911(client: FlaskClient) -> None:
    assert "call 911 now" in client.get("/").text


def test_a_visit_is_booked_in_three_pages_and_a_confirmation(
    client: FlaskClient, send: Send, app: Flask
) -> None:
    answer = booked(client, send)
    assert answer.status_code == 303
    page = client.get(answer.headers["Location"])
    assert "You are booked." in page.text
    assert "Tuesday, September 15, 2026, 9:00 am" in page.text
    assert "r…@example.com" in page.text and "rosa@example.com" not in page.text
    with app.app_context():
        assert len(rows(Appointment)) == 1
        assert rows(Hold) == []


def test_first_available_shows_at_most_four_times_a_day_with_names(client: FlaskClient) -> None:
    page = client.get(TIMES).text
    (today,) = re.findall(r'<section class="day">(.*?)</section>', page, re.DOTALL)[:1]
    assert len(times_of(today)) == 4
    assert "Monday, September 14" in today and "today" in today
    assert "Ana Ruiz" in today
    whole = client.get(f"{TIMES}?day=2026-09-14").text
    assert len(times_of(whole)) > 4


def test_a_hold_is_made_when_a_time_is_chosen(client: FlaskClient, send: Send, app: Flask) -> None:
    to_details(client, send)
    with app.app_context():
        assert len(rows(Hold)) == 1


def test_what_was_typed_is_kept_and_every_fault_is_told(client: FlaskClient, send: Send) -> None:
    answer = booked(
        client, send, first_name="", email="rosa at example", reminders="text", note="<b>bold</b>"
    )
    assert answer.status_code == 422
    assert "<title>Error:" in answer.text
    assert 'value="rosa at example"' in answer.text
    assert "&lt;b&gt;bold&lt;/b&gt;" in answer.text
    for told in ("Please write the first name.", "name@example.com"):
        assert answer.text.count(told) == 2  # In the summary and beside the field.


@on_both
@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ({"email": "", "phone": ""}, "One is enough."),
        ({"reminders": "call"}, "please write your phone number"),
        ({"reminders": "text", "phone": "(818) 555-0123"}, "please tick that we may text you"),
        ({"phone": "12"}, "Please write a phone number with area code"),
        ({"first_name": "x" * 200}, "Please shorten it to 100 letters."),
        ({"note": "x" * 3000}, "Please shorten it to 2000 letters."),
        ({"reminders": "pigeon"}, "Not a valid choice"),
        ({"first_name": "123"}, "Please write a name."),
        ({"first_name": "a\u202eb\x00c"}, "letters"),
    ],
)
def test_each_field_has_its_bounds(
    client: FlaskClient, send: Send, typed: dict[str, str], told: str, app: Flask
) -> None:
    answer = booked(client, send, **typed)
    assert answer.status_code == 422
    assert told in answer.text
    with app.app_context():
        assert rows(Appointment) == []


def test_names_may_be_in_any_script(client: FlaskClient, send: Send, app: Flask) -> None:
    assert booked(client, send, first_name="李小龍", last_name="O’Connor-Šťastný").status_code == 303
    with app.app_context():
        assert rows(Appointment)[0]["first_name"] == "李小龍"


def test_a_double_tap_books_once(client: FlaskClient, send: Send, app: Flask) -> None:
    page = to_details(client, send)
    first = send(page, f"{TIMES}/details", **ROSA)
    second = send(page, f"{TIMES}/details", **ROSA)
    assert first.headers["Location"] == second.headers["Location"]
    with app.app_context():
        assert len(rows(Appointment)) == 1


def test_a_used_form_from_the_back_button_shows_the_visit_that_it_booked(
    client: FlaskClient, send: Send, app: Flask
) -> None:
    page = to_details(client, send)
    first = send(page, f"{TIMES}/details", **ROSA)
    changed = send(page, f"{TIMES}/details", **(ROSA | {"first_name": "Omar"}))
    assert changed.headers["Location"].startswith(first.headers["Location"])
    assert "already" in client.get(changed.headers["Location"]).text
    with app.app_context():
        assert len(rows(Appointment)) == 1


def test_a_time_taken_meanwhile_offers_the_nearest_three_and_keeps_what_was_typed(app: Flask) -> None:
    one, other = app.test_client(), app.test_client()

    def sending(client: FlaskClient) -> Send:
        return lambda page, to, **typed: client.post(to, data=fields(page.text) | typed)

    page = one.get(f"{TIMES}/details?time={NINE_TUESDAY}&with=ana")
    booked(other, sending(other), first_name="Omar", email="omar@example.com")
    answer = sending(one)(page, f"{TIMES}/details", **(ROSA | {"note": "stairs are hard"}))
    assert answer.status_code == 409
    assert "Somebody else has just taken that time." in answer.text
    others = re.findall(r'name="other_time" value="([^"]+)"', answer.text)
    assert len(others) == 3
    assert "stairs are hard" in answer.text
    again = sending(one)(answer, f"{TIMES}/details", **ROSA, note="stairs are hard", other_time=others[0])
    assert again.status_code == 200 and "stairs are hard" in again.text
    assert sending(one)(again, f"{TIMES}/details", **ROSA).status_code == 303


def test_choosing_a_time_that_was_just_taken_shows_the_nearest(app: Flask) -> None:
    one, other = app.test_client(), app.test_client()
    page = one.get(TIMES)
    for client in (other, one):
        answer = client.post(
            f"{TIMES}/time", data=fields(client.get(TIMES).text) | {"time": f"{NINE_TUESDAY} ana"}
        )
    assert answer.status_code == 409
    assert "Somebody else has just taken 9:00 am." in answer.text
    assert page.status_code == 200


def test_an_empty_answer_says_why_and_what_is_nearest(client: FlaskClient) -> None:
    page = client.get(f"{TIMES}?with=ana&from=2026-09-19&day=2026-09-19").text
    assert "Ana Ruiz doesn&#39;t work then." in page
    assert "Mon, Sep 21, 9:00 am, with Ana Ruiz" in page


@on_both
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/book/nothing", 404), ("/with/nobody", 404), ("/care/nothing", 404), ("/book/special", 409),
        (f"{TIMES}?with=nobody", 404), (f"{TIMES}?from=2026-02-30", 200), (f"{TIMES}?from=9999-12-31", 200),
        (f"{TIMES}?from=0001-01-01", 200), (f"{TIMES}?day=soon&part=night", 200), (f"{TIMES}/details", 303),
        (f"{TIMES}/details?time=2026-02-30T00:00:00Z", 303), (f"{TIMES}/details?time={NINE_TUESDAY}&with=nobody", 404),
        ("/visit/NOSUCH/token", 404), ("/visit/NOSUCH/token/calendar.ics", 404), ("/%00", 404), ("/book/\ud800".encode("utf-8", "replace").decode(), 404),
    ],
)  # fmt: skip
def test_bad_addresses_get_a_clear_answer(client: FlaskClient, path: str, status: int) -> None:
    assert client.get(path).status_code == status


def test_a_method_that_is_not_allowed_says_which_are(client: FlaskClient) -> None:
    answer = client.delete("/book")
    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]


def test_a_form_without_its_token_is_refused_with_words(client: FlaskClient) -> None:
    answer = client.post(f"{TIMES}/details", data=ROSA)
    assert answer.status_code == 400
    assert "Nothing was sent, and nothing is lost." in answer.text
    assert "Try again with what I typed" in answer.text and ROSA["first_name"] in answer.text


def test_too_much_is_refused(client: FlaskClient) -> None:
    assert client.post(f"{TIMES}/details", data={"note": "x" * 400_000}).status_code == 413


def test_a_dead_database_keeps_what_was_typed(
    client: FlaskClient, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = to_details(client, send)

    def dead(*_: Any, **__: Any) -> Any:
        raise OperationalError("", {}, Exception("the database is down"))

    monkeypatch.setattr(transaction.Session, "connection", dead)
    answer = send(page, f"{TIMES}/details", **ROSA)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert 'name="first_name" value="Rosa"' in answer.text
    monkeypatch.undo()
    assert send(answer, f"{TIMES}/details").status_code == 303


def test_a_fault_of_ours_is_a_page_with_a_reference(
    client: FlaskClient, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("booking.web.patient.booking.free_times", broken)
    answer = client.get(TIMES)
    assert answer.status_code == 500
    assert "please say:" in answer.text and "secret detail" not in answer.text


def test_a_network_holds_ten_times_and_whoever_comes_then_goes_on_without(
    app: Flask, client: FlaskClient
) -> None:
    page = client.get(TIMES)
    times = times_of(client.get(f"{TIMES}?day=2026-09-15&with=ana").text) + times_of(
        client.get(f"{TIMES}?day=2026-09-16&with=ana").text
    )
    statuses = []
    for time in times[::2][:12]:
        visitor = app.test_client()
        page = visitor.get(TIMES)
        statuses.append(visitor.post(f"{TIMES}/time", data=fields(page.text) | {"time": time}).status_code)
    assert statuses == [303] * 12
    with app.app_context():
        assert len(rows(Hold)) == 10


def test_nothing_of_ours_comes_from_elsewhere(client: FlaskClient) -> None:
    page = client.get("/").text
    assert not re.findall(r'(?:src|href)="https?://', page)


def test_assets_are_kept_for_a_year_and_change_their_address(client: FlaskClient) -> None:
    (sheet,) = re.findall(r'href="(/static/[^"]+\.css)"', client.get("/").text)
    answer = client.get(sheet)
    assert "immutable" in answer.headers["Cache-Control"]
    assert client.get("/static/other/patient.css").status_code == 404
