"""What nobody means, sent anyway: each gets a right status and a clear answer, and nothing breaks or is half-done."""

import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.datastructures import MultiDict
from werkzeug.routing import IntegerConverter

from booking.models import Appointment, Hold, Role
from booking.scheduling.timeline import instant_of
from tests.clinics import clinic, practitioner, set_up
from tests.conftest import MakeApp
from tests.services.making import NEXT_WEEK, booked, rows
from tests.staffing import hired, signed_in
from tests.web.conftest import fields, on_both

pytestmark = on_both

NINE = "2026-09-15T16:00:00Z"
TIMES = "/book/follow-up"
FORM = {
    "time": NINE,
    "with": "ana",
    "anyone": "",
    "key": "a-key-of-this-form",
    "first_name": "Rosa",
    "last_name": "Lima",
    "phone": "(818) 555-0123",
    "email": "rosa@example.com",
    "reminders": "email",
    "text_consent": "",
    "payment": "",
    "note": "",
}
BOOKING = {
    "visit_type": "follow-up",
    "starts_at": NINE,
    "patient": {"first_name": "Rosa", "last_name": "Lima", "email": "rosa@example.com"},
    "reminders": "email",
}
CARRY = ("POST", "PUT", "PATCH", "DELETE")  # What comes with the others is never read.
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "TRACE")


def token_of(client: FlaskClient) -> dict[str, str]:
    return {"csrf_token": fields(client.get("/my-visit").text)["csrf_token"]}


def appointments(app: Flask) -> int:
    with app.app_context():
        return len(rows(Appointment))


@pytest.mark.parametrize("rubbish", ["\x00", "Ro\x00sa", "\ud800", "\x1b[31m", "\uffff"])
def test_no_field_of_the_booking_form_breaks_by_rubbish(
    client: FlaskClient, app: Flask, rubbish: str
) -> None:
    token = token_of(client)
    for field in FORM:
        # As a browser would never send it: a surrogate is three bytes that are no UTF-8.
        body = token | FORM | {field: rubbish, "key": rubbish if field == "key" else f"key-for-{field}"}
        sent = "&".join(f"{name}={_percent(value)}" for name, value in body.items())
        answer = client.post(f"{TIMES}/details", data=sent, content_type="application/x-www-form-urlencoded")
        assert answer.status_code in (303, 404, 409, 422), f"{field}: {answer.status_code}"
    with app.app_context():
        for row in rows(Appointment):
            assert rubbish not in row["first_name"] + row["last_name"] + row["note"]


def _percent(words: str) -> str:
    return "".join(f"%{byte:02x}" for byte in words.encode("utf-8", "surrogatepass"))


def test_a_path_of_rubbish_is_not_found(client: FlaskClient) -> None:
    for path in (
        "/%00",
        "/book/%00",
        "/book/follow-up%00",
        "/with/a%00",
        "/visit/%00/x",
        "/visit/X/%00",
        "/v/%00/%00",
        "/book/%ED%A0%80",
        "/visit/%ED%A0%80/%ED%A0%80",
        "/static/%00",
        "/demo/mail/%00",
        "/book/%FF",
        "/care/%2e%2e%2f",
        "/api/v1/appointments/%00",
        "/api/v1/appointments/%ED%A0%80",
        "/demo/mail/..%2fconfig.py",
    ):
        answer = client.get(path, headers={"Authorization": "Bearer abc"})
        assert answer.status_code == 404
        assert (answer.mimetype == "application/problem+json") == path.startswith("/api/")


def test_a_query_of_rubbish_is_answered(client: FlaskClient) -> None:
    for rubbish in (
        "%00",
        "%ED%A0%80",
        "%FF",
        "x" * 5000,
        "%F0%9F%A6%94",
        "-1",
        "1e9",
        "'--",
    ):
        for name in ("with", "from", "day", "part", "time", "anyone"):
            for path in (TIMES, f"{TIMES}/details"):
                answer = client.get(f"{path}?{name}={rubbish}&time={NINE}")
                assert answer.status_code in (200, 303, 404), f"{path} {name}: {answer.status_code}"
        for name in ("visit_type", "practitioner", "from", "days"):
            answer = client.get(f"/api/v1/offers?visit_type=follow-up&{name}={rubbish}")
            assert answer.status_code in (404, 422), f"{name}: {answer.status_code}"


def test_a_key_that_is_none_is_refused_and_books_nothing(client: FlaskClient, app: Flask) -> None:
    for key in (
        "\x00" * 9,
        "é" * 9,
        "k" * 81,
        "short",
        " " * 9,
        "key with spaces",
    ):
        answer = client.post(f"{TIMES}/details", data=token_of(client) | FORM | {"key": key})
        assert answer.status_code == 422
        api = client.post(
            "/api/v1/appointments", json=BOOKING, environ_overrides={"HTTP_IDEMPOTENCY_KEY": "k\x00" if "\x00" in key else ""}
        )  # fmt: skip
        assert (api.status_code, api.get_json()["code"]) == (400, "idempotency_key_missing")
        assert appointments(app) == 0


@pytest.mark.parametrize("rubbish", ["\\u0000", "\\ud800", "\\u001b"])
def test_no_field_of_the_api_breaks_by_rubbish(client: FlaskClient, app: Flask, rubbish: str) -> None:
    for field in ("first_name", "last_name", "email", "phone"):
        body = json.dumps(BOOKING | {"patient": BOOKING["patient"] | {field: "RUBBISH"}})  # type: ignore[operator]
        answer = client.post(
            "/api/v1/appointments",
            data=body.replace("RUBBISH", rubbish),
            content_type="application/json",
            headers={"Idempotency-Key": "k"},
        )
        assert answer.status_code in (400, 422), field
        assert answer.mimetype == "application/problem+json"
    assert appointments(app) == 0


def test_a_form_with_a_file_is_refused(client: FlaskClient, app: Flask) -> None:
    for path in (
        f"{TIMES}/details",
        f"{TIMES}/time",
        "/my-visit",
        "/api/v1/appointments",
    ):
        sent = FORM | token_of(client) | {"note": (io.BytesIO(b"MZ"), "note.exe")}
        answer = client.post(path, data=sent, content_type="multipart/form-data")
        assert answer.status_code in (400, 415)
        assert appointments(app) == 0


def test_a_form_may_come_in_parts(client: FlaskClient) -> None:
    answer = client.post(f"{TIMES}/details", data=token_of(client) | FORM, content_type="multipart/form-data")
    assert answer.status_code == 303


def test_a_body_that_breaks_off_is_a_bad_request(client: FlaskClient) -> None:
    for path, kind, body in (
        (f"{TIMES}/details", "application/x-www-form-urlencoded", b"first_name=Ro"),
        (
            f"{TIMES}/details",
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="key"\r\n\r\nab',
        ),
        (f"{TIMES}/details", "multipart/form-data", b"no boundary"),
        ("/api/v1/appointments", "application/json", b'{"visit_type": "follow'),
    ):
        answer = client.post(
            path,
            input_stream=io.BytesIO(body),
            content_type=kind,
            environ_overrides={"CONTENT_LENGTH": "1000"},
            headers={"Idempotency-Key": "k"},
        )
        assert answer.status_code == 400


def test_a_length_that_is_none_is_answered(client: FlaskClient) -> None:
    for length in (
        "-1",
        "many",
        "1e9",
        "",
    ):
        for path in (f"{TIMES}/details", "/api/v1/appointments"):
            answer = client.post(
                path, input_stream=io.BytesIO(b"a=1"), environ_overrides={"CONTENT_LENGTH": length}
            )
            assert 400 <= answer.status_code < 500


def test_a_huge_body_is_refused(client: FlaskClient) -> None:
    for path, kind in (
        (f"{TIMES}/details", "application/x-www-form-urlencoded"),
        (f"{TIMES}/details", "multipart/form-data; boundary=x"),
        ("/my-visit", "application/x-www-form-urlencoded"),
        ("/api/v1/appointments", "application/json"),
        ("/visit/X/Y/cancel", "application/x-www-form-urlencoded"),
    ):
        answer = client.post(path, data=b"note=" + b"x" * 300_000, content_type=kind)
        assert answer.status_code == 413
        if not path.startswith("/api/"):
            assert "That is too long for us to take." in answer.text


def test_a_field_that_is_there_twice_is_taken_once(client: FlaskClient, app: Flask) -> None:
    doubled = MultiDict((name, value) for name, value in (token_of(client) | FORM).items() for _ in range(2))
    doubled.add("first_name", "Omar")
    assert client.post(f"{TIMES}/details", data=doubled).status_code == 303
    with app.app_context():
        assert [row["first_name"] for row in rows(Appointment)] == ["Rosa"]


@pytest.fixture
def names(app: Flask) -> dict[str, Any]:
    """Names for every part of a route, with those of a visit that is there."""
    with app.app_context():
        visit = booked(NEXT_WEEK)
        return {
            "reference": visit.reference, "token": visit.token, "visit_type": "follow-up", "modality": "care",
            "practitioner": "ana", "name": "nothing.eml", "path": "nothing/patient.css", "day": "2026-09-15", "month": "2026-09",
            "person": "ana", "number": 1, "entry": 1, "merge": 1, "message": 1, "task": 1, "text": 1,
            "template": "disc-gentle", "kinds": "follow-up+massage", "change": "stop", "visit": visit.reference,
        }  # fmt: skip


def test_every_route_answers_every_method(
    client: FlaskClient, app: Flask, names: dict[str, Any], database_kind: str
) -> None:
    token, seen = token_of(client), set()
    # What no route takes is refused before a database is asked, whichever it is.
    taken = {method for rule in app.url_map.iter_rules() for method in rule.methods or ()}
    methods = METHODS if database_kind == "sqlite" else sorted(taken)
    bearer = {"Authorization": f"Bearer {names['token']}", "Idempotency-Key": "k"}
    with app.test_request_context():
        built = [
            (rule.build({name: names[name] for name in rule.arguments})[1], rule.endpoint)  # type: ignore[index]
            for rule in app.url_map.iter_rules()
        ]
    # Where one route shows a form and another takes it, they share an address.
    for path in dict.fromkeys(path for path, _ in built):
        for method in methods:
            hows = (
                {"data": token},
                {"json": {}, "headers": bearer},
                {"data": b"\xff\xfe", "content_type": "text/plain"},
            )
            for how in hows if method in CARRY else hows[:1]:
                answer = client.open(path, method=method, **how)  # type: ignore[arg-type]
                # Alive but without a worker is what /readyz is there to say.
                fine = answer.status_code < 500 or path == "/readyz"
                assert fine, f"{method} {path}: {answer.status_code}"
                if answer.status_code == 405:
                    assert answer.headers["Allow"], f"{method} {path}"
                seen.add(path)
    assert {endpoint for path, endpoint in built if path in seen} == set(app.view_functions)


@pytest.mark.parametrize("number", [2**31 - 1, 2**31, 10**20])
def test_a_row_of_any_number_is_asked_for_and_is_not_there(
    app: Flask, names: dict[str, Any], number: int
) -> None:
    with app.app_context():
        staff = signed_in(app, hired(*Role, practitioner="ana"))
    form = {
        "csrf_token": fields(staff.get("/desk/calls").text)["csrf_token"],
        "key": "a-key-of-this-form",
        "do": "again",
    }
    with app.test_request_context():
        asked = [
            (method, rule.build({one: names[one] for one in rule.arguments} | {name: number})[1])  # type: ignore[index]
            for rule in app.url_map.iter_rules()
            for name, converter in rule._converters.items()
            if isinstance(converter, IntegerConverter)
            for method in sorted((rule.methods or set()) & {"GET", "POST"})
        ]
    assert len(asked) > 10
    for method, path in asked:
        answer = staff.open(path, method=method, data=form if method == "POST" else None)
        assert answer.status_code == 404, f"{method} {path}: {answer.status_code}"


def test_a_cookie_of_rubbish_is_as_good_as_none(app: Flask) -> None:
    for cookie in (
        "visit=",
        "visit=rubbish",
        "visit=.eJw.x.y",
        "visit=" + "x" * 4000,
        "visit=\x00",
        "visit=\xff\xfe",
        "=;;=",
        "visit",
        "visit=eyJ2aXNpdG9yIjoxfQ.aaaaaa.bbbbbbbbbbbbbbbbbbbbbbbbbbb",
    ):
        client = app.test_client(use_cookies=False)
        for path in (TIMES, "/my-visit", f"{TIMES}/details?time={NINE}"):
            answer = client.get(path, environ_overrides={"HTTP_COOKIE": cookie})
            assert answer.status_code == 200
        assert client.post(f"{TIMES}/time", environ_overrides={"HTTP_COOKIE": cookie}).status_code == 400


@pytest.fixture
def behind_a_proxy(database_url: str, make_app: MakeApp, standing_clock: Any) -> Flask:
    app = make_app(database_url, BOOKING_PROXIES="1")
    with app.app_context():
        set_up()
    return app


def network_of(app: Flask, forwarded: str) -> str:
    """Whose hold it is, for a visitor whom the proxy names like this."""
    client = app.test_client()
    headers = {"X-Forwarded-For": forwarded}
    sent = fields(client.get(TIMES).text) | {"time": f"{NINE} ana"}
    answer = client.post(f"{TIMES}/time", data=sent, headers=headers)
    assert answer.status_code == 303, forwarded
    with app.app_context():
        network: str = rows(Hold)[-1]["network"]
    return network


def test_addresses_are_read_as_proxies_write_them(behind_a_proxy: Flask, standing_clock: Any) -> None:
    def network(forwarded: str) -> str:
        found = network_of(behind_a_proxy, forwarded)
        # The hold lapses, and the next visitor may have the same time.
        standing_clock.on(minutes=10)
        return found

    plain = network("203.0.113.7")
    assert network("203.0.113.7:51234") == plain
    # Only the last hop is our own proxy's word.
    assert network("198.51.100.9, 203.0.113.7") == plain
    assert network("198.51.100.9") != plain
    # Of the same network, for IPv6.
    assert network("2001:db8::1") == network("[2001:db8::2]:443") != network("2001:db8:1::1")


def test_rubbish_for_an_address_is_answered(behind_a_proxy: Flask) -> None:
    for forwarded in (
        "rubbish",
        "",
        ",",
        "203.0.113.7, ",
        "256.1.1.1",
        "[::1",
        ":::",
        "1.2.3.4:port",
        "\xff",
        "x" * 3000,
    ):
        client = behind_a_proxy.test_client()
        headers = {"X-Forwarded-For": forwarded, "X-Forwarded-Proto": "rubbish"}
        sent = token_of(client) | {"contact": "rosa@example.com"}
        assert client.get(TIMES, headers=headers).status_code == 200
        assert client.post("/my-visit", data=sent, headers=headers).status_code == 303
        assert client.get("/metrics", headers=headers).status_code in (200, 404)


def test_without_a_proxy_of_ours_nobody_chooses_their_address(client: FlaskClient, app: Flask) -> None:
    networks = set()
    for forwarded in ("203.0.113.7", "198.51.100.9"):
        visitor = app.test_client()
        sent = fields(visitor.get(TIMES).text) | {"time": f"{NINE} {'ana' if not networks else 'ben'}"}
        visitor.post(f"{TIMES}/time", data=sent, headers={"X-Forwarded-For": forwarded})
        with app.app_context():
            networks.add(rows(Hold)[-1]["network"])
    assert len(networks) == 1


# Sunday nights on which the clock is changed.


@pytest.fixture
def at_night(app: Flask) -> Flask:
    """A clinic that is open on Sundays from midnight to six."""
    hours = {"sunday": ["0:00-6:00"]}
    with app.app_context():
        set_up(clinic(hours=hours, practitioners=[practitioner("ana", hours=hours)]))
    return app


def test_an_hour_that_occurs_twice_is_offered_twice_and_stays_clear(
    at_night: Flask, client: FlaskClient
) -> None:
    found = client.get("/api/v1/offers?visit_type=follow-up&from=2026-11-01&days=1").get_json()["offers"]
    local = {offer["local"]: offer["starts_at"] for offer in found}
    assert local["2026-11-01T01:00-07:00"] == "2026-11-01T08:00:00Z"
    assert local["2026-11-01T01:00-08:00"] == "2026-11-01T09:00:00Z"
    # Seven hours, in quarters, the last visit ending at six.
    assert len(found) == 7 * 4 - 1
    page = client.get(f"{TIMES}?day=2026-11-01").text
    assert (page.count(">1:00 am PDT<"), page.count(">1:00 am PST<")) == (1, 1)
    for starts_at, said in (
        ("2026-11-01T08:00:00Z", "2026-11-01T01:00-07:00"),
        ("2026-11-01T09:00:00Z", "2026-11-01T01:00-08:00"),
    ):
        made = client.post(
            "/api/v1/appointments",
            json=BOOKING | {"starts_at": starts_at},
            headers={"Idempotency-Key": starts_at},
        )
        assert (made.status_code, made.get_json()["local"]) == (201, said)
    with at_night.app_context():
        starts = [instant_of(row["from_cell"]) for row in rows(Appointment)]
    assert starts[1] - starts[0] == timedelta(hours=1)


def test_an_hour_that_does_not_exist_is_not_offered(
    at_night: Flask, client: FlaskClient, standing_clock: Any
) -> None:
    standing_clock.at(datetime(2027, 3, 1, 16, 0, tzinfo=UTC))
    found = client.get("/api/v1/offers?visit_type=follow-up&from=2027-03-14&days=1").get_json()["offers"]
    local = [offer["local"] for offer in found]
    assert "2027-03-14T01:45-08:00" in local and "2027-03-14T03:00-07:00" in local
    assert not [words for words in local if words.startswith("2027-03-14T02")]
    assert len(found) == 5 * 4 - 1
    page = client.get(f"{TIMES}?day=2027-03-14").text
    assert ">1:45 am" in page and ">3:00 am" in page and ">2:" not in page


def test_wall_time_alone_names_no_instant(at_night: Flask, client: FlaskClient) -> None:
    for words in (
        "2027-03-14T02:30",
        "2027-03-14T02:30:00",
        "2026-11-01T01:30",
    ):
        answer = client.post(
            "/api/v1/appointments", json=BOOKING | {"starts_at": words}, headers={"Idempotency-Key": "k"}
        )
        assert answer.status_code == 422
        assert answer.get_json()["errors"][0]["field"] == "starts_at"
        assert client.get(f"{TIMES}/details?time={words}").status_code == 303
