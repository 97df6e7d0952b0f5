"""The JSON API: what it gives, what it refuses, and that it repeats nobody's data."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from icalendar import Calendar
from limits import parse
from sqlalchemy.exc import OperationalError
from werkzeug.test import TestResponse

from booking.errors import Refusal
from booking.models import Appointment
from booking.services import transaction
from booking.web import limits, problems
from tests.clinics import set_up
from tests.conftest import MONDAY, MakeApp
from tests.services.making import rows
from tests.web.conftest import on_both

pytestmark = on_both

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


def test_a_dead_database_is_busy_and_says_when_to_come_again(
    book: Book, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dead(*_: Any, **__: Any) -> Any:
        raise OperationalError("", {}, Exception("the database is down"))

    # A process that has just begun knows nothing of the clinic yet.
    client.application.extensions.pop("booking_clinic", None)
    monkeypatch.setattr(transaction.Session, "connection", dead)
    answers = [book(), client.get("/api/v1/offers?visit_type=follow-up"), client.get("/api/v1/visit-types")]
    for answer in answers:
        assert (answer.status_code, answer.get_json()["code"]) == (503, "busy")
        assert answer.mimetype == "application/problem+json"
        assert int(answer.headers["Retry-After"]) > 0


def test_a_fault_of_ours_is_a_problem_without_its_inside(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("booking.web.api.clinic.free_times", broken)
    answer = client.get("/api/v1/offers?visit_type=follow-up")
    assert (answer.status_code, answer.get_json()["code"]) == (500, "internal_error")
    assert answer.mimetype == "application/problem+json"
    assert "secret detail" not in answer.text


@pytest.fixture
def change(client: FlaskClient, book: Book) -> Callable[..., TestResponse]:
    """Changes one visit, that is booked for this: `change("confirm")`."""
    made = book(starts_at="2026-09-21T16:00:00Z").get_json()
    path, keys = f"/api/v1/appointments/{made['reference']}", iter(range(100))

    def post(what: str, **how: Any) -> TestResponse:
        headers = {"Authorization": f"Bearer {made['manage_token']}", "Idempotency-Key": f"c{next(keys)}"}
        return client.post(f"{path}/{what}", json=how, headers=headers)

    return post


def test_a_cancelled_visit_names_its_status_when_it_should_change(
    change: Callable[..., TestResponse],
) -> None:
    assert change("cancel").get_json()["status"] == "cancelled"
    for answer in (change("confirm"), change("reschedule", starts_at=NINE)):
        assert (answer.status_code, answer.get_json()["code"]) == (409, "not_changeable")
        assert answer.get_json()["visit_status"] == "cancelled"
    # Cancelling again is what was wanted.
    assert change("cancel").status_code == 200


def test_a_stale_change_has_what_was_shown_and_what_is_now(change: Callable[..., TestResponse]) -> None:
    assert change("reschedule", starts_at="2026-09-22T16:00:00Z", practitioner="ben", version=1).get_json()[
        "version"
    ] == 2  # fmt: skip
    for answer in (
        change("reschedule", starts_at="2026-09-23T16:00:00Z", version=1),
        change("cancel", version=1),
    ):
        assert (answer.status_code, answer.get_json()["code"]) == (409, "stale_edit")
        shown, now = answer.get_json()["shown"], answer.get_json()["now"]
        assert shown == {"starts_at": "2026-09-21T16:00:00Z", "practitioner": "ana", "status": "booked"}
        assert now == {"starts_at": "2026-09-22T16:00:00Z", "practitioner": "ben", "status": "booked"}


def test_what_patients_ask_for_is_listed_but_not_booked(client: FlaskClient, book: Book) -> None:
    types = {one["id"]: one for one in client.get("/api/v1/visit-types").get_json()["visit_types"]}
    assert {slug: one["on_request"] for slug, one in types.items()} == {
        "follow-up": False,
        "first": False,
        "special": True,
    }
    assert types["special"]["tell_us"] == "Tell us about a pacemaker."
    for answer in (book(visit_type="special"), client.get("/api/v1/offers?visit_type=special")):
        assert (answer.status_code, answer.get_json()["code"]) == (409, "not_offered")


def test_a_price_that_is_hidden_is_hidden_from_programs_too(client: FlaskClient) -> None:
    types = {one["id"]: one for one in client.get("/api/v1/visit-types").get_json()["visit_types"]}
    assert (types["follow-up"]["price_cents"], types["first"]["price_cents"]) == (9500, None)


def test_too_many_searches_say_when_to_come_again(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(limits.RATES, "search", parse("2 per minute"))
    answers = [client.get("/api/v1/offers?visit_type=follow-up") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].get_json()["code"] == "too_many_requests"
    assert 0 < int(answers[2].headers["Retry-After"]) <= 61
    # The pages' searches are counted with them.
    assert client.get("/book/follow-up").status_code == 429


@pytest.mark.parametrize("name", ["rosa@example.com", "Rosa Lima", "<script>", "x" * 500])
def test_a_field_that_is_unknown_is_not_repeated(client: FlaskClient, book: Book, name: str) -> None:
    for answer in (
        client.get("/api/v1/offers", query_string={"visit_type": "follow-up", name: "1"}),
        client.get("/api/v1/practitioners", query_string=[(name, "1"), (name, "2")]),
        book(**{name: "1"}),
    ):
        assert answer.status_code == 422
        assert name not in answer.text


def test_texts_that_are_not_offered_are_refused_by_their_field(
    database_url: str, make_app: MakeApp, standing_clock: Any
) -> None:
    app = make_app(database_url, BOOKING_TEXTS="none")
    with app.app_context():
        set_up()
    patient = wanted()["patient"] | {"phone": "(818) 555-0123"}
    for reminders in ("text", "both"):
        answer = app.test_client().post(
            "/api/v1/appointments",
            json=wanted(reminders=reminders, text_consent=True, patient=patient),
            headers={"Idempotency-Key": reminders},
        )
        assert answer.status_code == 422
        assert [error["field"] for error in answer.get_json()["errors"]] == ["reminders"]


_OFFERS = [{"starts_at": NINE, "local": "2026-09-15T09:00-07:00", "practitioner": "ana"}]
_STATE = {"starts_at": NINE, "practitioner": "ana", "status": "booked"}
FACTS: dict[str, dict[str, Any]] = {
    "not_found": {},
    "slot_taken": {"alternatives": _OFFERS},
    "not_offered": {},
    "too_soon": {"earliest": NINE},
    "beyond_horizon": {"last_day": "2026-12-13"},
    "too_many_visits": {"limit": 6, "phone": "+18185550100"},
    "limit_reached": {"phone": "+18185550100"},
    "too_many_holds": {"retry_after": 60},
    "too_many_requests": {"retry_after": 60},
    "too_late_to_change": {"until": NINE, "phone": "+18185550100"},
    "only_penciled_in": {},
    "not_changeable": {"visit_status": "cancelled"},
    "stale_edit": {"shown": _STATE, "now": _STATE},
    "visits_taken": {"lost": [_OFFERS[0] | {"visit_type": "follow-up", "replacements": _OFFERS}]},
    "plan_rules_broken": {"faults": [{"rule": "too_few", "week": 2, "care": "follow-up"}]},
    "needs_prescription": {"phone": "+18185550100"},
    "plan_running": {"phone": "+18185550100"},
    "beyond_coverage": {"phone": "+18185550100"},
    "key_reused": {},
    "contact_cannot_be_reached": {"field": "email"},
    "clinic_not_ready": {},
    "busy": {"retry_after": 5},
    "contention": {"retry_after": 2},
    # The clinic's file is applied by a command; no program hears of this one.
    "still_needed": {},
}
# What only people hear who are signed in; the API has no staff.
_OF_STAFF = {
    "needs_reason", "clash", "patient_elsewhere", "illegal_status", "old_place_taken", "plan_went_on", "too_late_to_undo", "nothing_to_send",
    "already_gone", "stale_record", "likely_known", "visits_overlap", "record_merged", "not_mergeable", "wrong_sign_in",
    "wrong_code", "wrong_pin", "password_too_weak", "pin_too_weak", "second_factor_needed", "link_ended", "address_taken",
    "last_owner", "too_much_for_a_file",
}  # fmt: skip


def test_every_refusal_is_a_problem_with_the_facts_that_it_promises(app: Flask) -> None:
    kinds = {kind.code: kind for kind in Refusal.kinds()}
    assert set(FACTS) == set(kinds) - _OF_STAFF and set(kinds) >= _OF_STAFF
    with app.test_request_context("/api/v1/appointments"):
        for code, facts in FACTS.items():
            answer = problems.of_refusal(kinds[code](**facts))
            told = json.loads(answer.get_data(as_text=True))
            assert answer.mimetype == "application/problem+json", code
            assert told["code"] == ("busy" if code == "contention" else code)
            assert told["status"] == answer.status_code >= 400 and told["title"], code
            body = {name: value for name, value in facts.items() if name != "retry_after"}
            assert {name: told.get(name) for name in body} == body, code
            assert answer.headers.get("Retry-After") == (
                str(facts["retry_after"]) if "retry_after" in facts else None
            ), code


def test_the_document_names_the_header_as_it_is_sent(client: FlaskClient) -> None:
    document = client.get("/api/v1/openapi.json").get_json()
    headers = {
        path: {
            parameter["name"]
            for parameter in route["post"].get("parameters", ())
            if parameter["in"] == "header"
        }
        for path, route in document["paths"].items()
        if "post" in route and "proposals" not in path
    }
    assert len(headers) == 5
    assert all(names == {"Idempotency-Key"} for names in headers.values()), headers
    assert "Idempotency_Key" not in json.dumps(document)
    assert "Idempotency-Key" in client.get("/api/v1/").text
