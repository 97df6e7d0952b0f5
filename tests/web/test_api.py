"""The JSON API: what it gives, what it refuses, and that it repeats nobody's data."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from icalendar import Calendar
from werkzeug.test import TestResponse

from booking.models import Appointment
from tests.conftest import MONDAY
from tests.services.making import rows

NINE = "2026-09-15T16:00:00Z"
Book = Callable[..., TestResponse]


def wanted(**how: Any) -> dict[str, Any]:
    return {
        "visit_type": "follow-up",
        "practitioner": "anyone",
        "starts_at": NINE,
        "patient": {"first_name": "Rosa", "last_name": "Lima", "email": "rosa@example.com", "phone": None},
        "reminders": "email",
    } | how


@pytest.fixture
def book(client: FlaskClient) -> Book:
    def post(key: str | None = "k1", **how: Any) -> TestResponse:
        headers = {"Idempotency-Key": key} if key is not None else {}
        return client.post("/api/v1/appointments", json=wanted(**how), headers=headers)

    return post


def test_visit_types_and_practitioners_have_readable_ids(client: FlaskClient) -> None:
    types = client.get("/api/v1/visit-types").get_json()["visit_types"]
    assert {
        "id": "follow-up",
        "name": "Follow-up, 30 minutes",
        "modality": "care",
        "minutes": 30,
    }.items() <= types[0].items()
    people = client.get("/api/v1/practitioners?visit_type=first").get_json()["practitioners"]
    assert [person["id"] for person in people] == ["ana"]
    assert client.get("/api/v1/practitioners?visit_type=nothing").status_code == 404


def test_offers_name_the_instant_the_wall_time_and_who(client: FlaskClient) -> None:
    found = client.get(
        "/api/v1/offers?visit_type=follow-up&practitioner=ben&from=2026-09-15&days=1"
    ).get_json()
    assert found["time_zone"] == "America/Los_Angeles"
    assert found["offers"][0] == {"starts_at": NINE, "local": "2026-09-15T09:00-07:00", "practitioner": "ben"}
    anyone = client.get("/api/v1/offers?visit_type=follow-up&from=2026-09-15&days=1").get_json()["offers"]
    assert len({offer["starts_at"] for offer in anyone}) == len(anyone)


def test_an_empty_answer_has_its_reason(client: FlaskClient) -> None:
    found = client.get("/api/v1/offers?visit_type=follow-up&from=2026-09-19&days=1").get_json()
    assert found["offers"] == []
    (reason,) = found["reasons"]
    assert reason["code"] == "closed"
    assert reason["first_free"]["starts_at"] == "2026-09-21T16:00:00Z"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "visit_type"), ("visit_type=follow-up&days=0", "days"), ("visit_type=follow-up&days=91", "days"),
        ("visit_type=follow-up&days=many", "days"), ("visit_type=follow-up&from=2026-02-30", "from"),
        ("visit_type=follow-up&from=99999-01-01", "from"), ("visit_type=follow-up&visit_type=first", "visit_type"),
        ("visit_type=follow-up&colour=red", "colour"), ("visit_type=follow-up&days=1e9", "days"),
    ],
)  # fmt: skip
def test_a_bad_query_names_its_field(client: FlaskClient, query: str, field: str) -> None:
    answer = client.get(f"/api/v1/offers?{query}")
    assert answer.status_code == 422
    assert answer.mimetype == "application/problem+json"
    assert [error["field"] for error in answer.get_json()["errors"]] == [field]


def test_a_visit_is_booked_and_managed(client: FlaskClient, book: Book) -> None:
    answer = book()
    assert answer.status_code == 201
    made = answer.get_json()
    assert {
        "status": "booked",
        "starts_at": NINE,
        "local": "2026-09-15T09:00-07:00",
        "practitioner": "ana",
    }.items() <= made.items()
    assert made["manage_url"] == f"http://visits.example/visit/{made['reference']}/{made['manage_token']}"
    mine = {"Authorization": f"Bearer {made['manage_token']}"}
    path = f"/api/v1/appointments/{made['reference']}"
    assert client.get(path, headers=mine).get_json()["version"] == 1
    entry = Calendar.from_ical(client.get(f"{path}/calendar.ics", headers=mine).data)
    assert "DTSTART" in entry.walk("VEVENT")[0]
    confirmed = client.post(f"{path}/confirm", json={}, headers=mine | {"Idempotency-Key": "c"})
    assert confirmed.get_json()["confirmed_at"] == "2026-09-14T15:00:00Z"
    later = {"starts_at": "2026-09-17T16:00:00Z", "practitioner": "ben"}
    moved = client.post(f"{path}/reschedule", json=later, headers=mine | {"Idempotency-Key": "m"})
    assert (moved.get_json()["starts_at"], moved.get_json()["practitioner"]) == (
        "2026-09-17T16:00:00Z",
        "ben",
    )
    gone = client.post(f"{path}/cancel", json={"reason": "better"}, headers=mine | {"Idempotency-Key": "x"})
    assert gone.get_json()["status"] == "cancelled"


def test_the_same_key_gets_the_same_answer(book: Book, app: Flask) -> None:
    first, second = book(), book()
    assert (first.status_code, first.get_json()) == (second.status_code, second.get_json())
    assert book(starts_at="2026-09-15T17:00:00Z").get_json()["code"] == "key_reused"
    with app.app_context():
        assert len(rows(Appointment)) == 1


def test_a_missing_key_is_refused(book: Book) -> None:
    answer = book(key=None)
    assert (answer.status_code, answer.get_json()["code"]) == (400, "idempotency_key_missing")


def test_a_taken_time_comes_with_three_alternatives_shaped_like_offers(book: Book) -> None:
    for number in range(2):
        assert (
            book(
                f"k{number}",
                patient=wanted()["patient"]
                | {"first_name": f"Guest{number}".replace("0", "a").replace("1", "b")},
            ).status_code
            == 201
        )
    answer = book("other", patient=wanted()["patient"] | {"first_name": "Omar"})
    assert (answer.status_code, answer.get_json()["code"]) == (409, "slot_taken")
    assert len(answer.get_json()["alternatives"]) == 3
    assert set(answer.get_json()["alternatives"][0]) == {"starts_at", "local", "practitioner"}


@pytest.mark.parametrize(
    ("how", "field"),
    [
        ({"starts_at": "2026-09-15T16:00:00"}, "starts_at"), ({"starts_at": "2026-09-15T16:01:00Z"}, "starts_at"),
        ({"starts_at": "9999-12-31T23:55:00Z"}, "starts_at"), ({"starts_at": 5}, "starts_at"), ({"starts_at": None}, "starts_at"),
        ({"starts_at": "2026-02-30T00:00:00Z"}, "starts_at"), ({"reminders": "pigeon"}, "reminders"),
        ({"text_consent": "yes"}, "text_consent"), ({"colour": "red"}, "colour"), ({"visit_type": ["follow-up"]}, "visit_type"),
        ({"patient": {"first_name": "Rosa", "last_name": "Lima"}}, "patient"), ({"patient": []}, "patient"),
        ({"patient": {"first_name": "", "last_name": "Lima", "email": "a@example.com"}}, "patient.first_name"),
        ({"patient": {"first_name": "x" * 101, "last_name": "Lima", "email": "a@example.com"}}, "patient.first_name"),
        ({"patient": {"first_name": "Rosa", "last_name": "Lima", "email": "no address"}}, "patient.email"),
        ({"patient": {"first_name": "Rosa", "last_name": "Lima", "phone": "abc"}}, "patient.phone"),
        ({"reminders": "call"}, "patient.phone"), ({"reminders": "text"}, "text_consent"), ({"note": "x" * 2001}, "note"),
    ],
)  # fmt: skip
def test_bad_input_names_its_field_and_repeats_nothing(
    book: Book, how: dict[str, Any], field: str, app: Flask
) -> None:
    answer = book(**how)
    assert answer.status_code == 422, answer.text
    assert field in [error["field"] for error in answer.get_json()["errors"]]
    assert "rosa@" not in answer.text.lower() and "Lima" not in answer.text and "pigeon" not in answer.text
    with app.app_context():
        assert rows(Appointment) == []


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 400), (b"\xff", "application/json", 400), (b"", "application/json", 400),
        (b"[]", "application/json", 422), (b"{}", "text/plain", 415), (b"a=1", "application/x-www-form-urlencoded", 415),
        (b'{"visit_type": NaN}', "application/json", 400), (b'{"a": 1, "a": 2}', "application/json", 400),
        (b"[" * 100_000, "application/json", 400), (b"x" * 400_000, "application/json", 413),
    ],
)  # fmt: skip
def test_what_is_no_json_gets_a_clear_answer(
    client: FlaskClient, body: bytes, kind: str, status: int
) -> None:
    answer = client.post(
        "/api/v1/appointments", data=body, content_type=kind, headers={"Idempotency-Key": "k"}
    )
    assert answer.status_code == status
    assert answer.mimetype == "application/problem+json"
    assert answer.get_json()["code"]


@pytest.mark.parametrize(
    ("starts_at", "code"),
    [
        ("2026-09-14T15:30:00Z", "too_soon"),
        ("2025-01-06T16:00:00Z", "too_soon"),
        ("2027-06-01T16:00:00Z", "beyond_horizon"),
        ("2026-09-15T16:05:00Z", "slot_taken"),
        ("2026-09-19T16:00:00Z", "slot_taken"),
    ],
)
def test_what_is_not_offered_is_refused(book: Book, starts_at: str, code: str) -> None:
    answer = book(starts_at=starts_at)
    assert (answer.status_code, answer.get_json()["code"]) == (409, code)


@pytest.mark.parametrize("token", ["", "Bearer", "Bearer x", "Basic abc", "Bearer é"])
def test_a_wrong_token_opens_nothing(client: FlaskClient, book: Book, token: str) -> None:
    reference = book().get_json()["reference"]
    path = f"/api/v1/appointments/{reference}"
    headers = {"Authorization": token.encode("utf-8").decode("latin-1"), "Idempotency-Key": "k"}
    for answer in (
        client.get(path, headers=headers),
        client.get(f"{path}/calendar.ics", headers=headers),
        client.post(f"{path}/cancel", json={}, headers=headers),
        client.post(f"{path}/confirm", json={}, headers=headers),
        client.post(f"{path}/reschedule", json={"starts_at": NINE}, headers=headers),
    ):
        assert (answer.status_code, answer.get_json()["code"]) == (404, "not_found")


def test_a_method_that_is_not_allowed(client: FlaskClient) -> None:
    answer = client.put("/api/v1/appointments")
    assert (answer.status_code, answer.get_json()["code"]) == (405, "method_not_allowed")
    assert "POST" in answer.headers["Allow"]


def test_too_late_to_change_names_the_phone(client: FlaskClient, book: Book, standing_clock: Any) -> None:
    made = book().get_json()
    standing_clock.at(MONDAY + timedelta(hours=2))
    headers = {"Authorization": f"Bearer {made['manage_token']}", "Idempotency-Key": "x"}
    answer = client.post(f"/api/v1/appointments/{made['reference']}/cancel", json={}, headers=headers)
    assert (answer.status_code, answer.get_json()["code"]) == (409, "too_late_to_change")
    assert answer.get_json()["phone"] == "+18185550100"


def test_too_many_requests_say_when_to_come_again(client: FlaskClient, book: Book) -> None:
    answers = [book(f"k{number}", starts_at="2027-06-01T16:00:00Z") for number in range(41)]
    assert answers[39].status_code == 409
    assert answers[40].status_code == 429
    assert int(answers[40].headers["Retry-After"]) > 0


def test_the_document_describes_every_route(client: FlaskClient, app: Flask) -> None:
    document = client.get("/api/v1/openapi.json").get_json()
    assert document["openapi"].startswith("3.1")
    routes = {
        rule.rule.replace("<reference>", "{reference}")
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/v1/") and not rule.rule.endswith(("openapi.json", "/v1/"))
    }
    assert set(document["paths"]) == routes
    assert json.dumps(document)
