"""What every answer tells the browser, and that nobody's data is in a log or on a page that says that we failed."""

import io
import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from booking.services import booking
from tests.clinics import set_up
from tests.conftest import MakeApp
from tests.services.making import NEXT_WEEK, booked
from tests.web.conftest import Send, fields

NINE = "2026-09-15T16:00:00Z"
TIMES = "/book/follow-up"
ROSA = {
    "first_name": "Rosalinde",
    "last_name": "Limberg",
    "email": "rosalinde@mail.example",
    "phone": "(818) 555-0123",
    "reminders": "email",
    "note": "My knee hurts.",
}
# Nothing of this may be in a log or on the page of an error.
HERS = ("rosalinde", "limberg", "mail.example", "5550123", "555-0123", "knee")

POLICY = {
    "default-src": "'none'",
    "style-src": "'self'",
    "script-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
}
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
}


@pytest.fixture
def link(app: Flask) -> str:
    with app.app_context():
        visit = booked(NEXT_WEEK)
        return f"/visit/{visit.reference}/{visit.token}"


@pytest.fixture
def pages(client: FlaskClient, send: Send, link: str) -> dict[str, TestResponse]:
    """Every page and error state that a patient may see."""
    paths = ["/", "/book", "/care/care", "/with/ana", TIMES, f"{TIMES}?with=ana", f"{TIMES}?day=2026-09-19",
             f"{TIMES}/details?time={NINE}&with=ana", "/privacy", "/policies", "/my-visit", "/demo/mail", "/api/v1/",
             link, f"{link}/booked", f"{link}/contact", f"{link}/cancel", f"{link}/move",
             "/nothing", "/book/special", f"{link}x"]  # fmt: skip
    found = {path: client.get(path) for path in paths}
    details = found[f"{TIMES}/details?time={NINE}&with=ana"]
    found["wrong details"] = send(details, f"{TIMES}/details", first_name="")
    found["wrong contact"] = send(found[f"{link}/contact"], f"{link}/contact", email="no address")
    found["soon"] = send(found[f"{link}/move"], f"{link}/move", time="2026-09-14T20:00:00Z ana")
    found["without a token"] = client.post("/my-visit", data={"contact": "a@example.com"})
    found["not allowed"] = client.delete("/book")
    found["too large"] = client.post("/my-visit", data={"contact": "x" * 300_000})
    return found


def test_every_answer_has_every_header(client: FlaskClient, pages: dict[str, TestResponse]) -> None:
    others = {
        path: client.get(path)
        for path in ("/api/v1/visit-types", "/api/v1/nothing", "/healthz", "/favicon.ico")
    }
    for name, answer in (pages | others).items():
        policy = dict(part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; "))
        assert policy == POLICY, name
        assert {header: answer.headers.get(header) for header in HEADERS} == HEADERS, name
        assert "Strict-Transport-Security" not in answer.headers, name


def test_pages_are_kept_by_nobody_but_the_empty_form_by_its_own_browser(
    pages: dict[str, TestResponse],
) -> None:
    for name, answer in pages.items():
        kept = "private, no-cache" if name.startswith(f"{TIMES}/details?") else "no-store"
        assert answer.headers["Cache-Control"] == kept, name


def test_no_page_has_a_style_or_a_script_of_its_own(pages: dict[str, TestResponse]) -> None:
    for name, answer in pages.items():
        page = answer.text
        assert answer.mimetype == "text/html" and "<h1>" in page, name
        assert re.findall(r"<style|\sstyle=|\son\w+=\"|javascript:", page) == [], name
        scripts = re.findall(r"<script([^>]*)>(.*?)</script>", page, re.DOTALL)
        assert scripts and all("src=" in tag and not inside for tag, inside in scripts), name


def test_every_page_has_a_title_one_heading_and_fields_with_names(pages: dict[str, TestResponse]) -> None:
    for name, answer in pages.items():
        page = answer.text
        assert re.search(r"<title>\S[^<]+</title>", page), name
        assert page.count("<h1>") == 1, name
        ids = re.findall(r'\sid="([^"]+)"', page)
        assert len(ids) == len(set(ids)), f"{name} has an id twice"
        wanted = re.findall(r'\s(?:for|aria-labelledby)="([^"]+)"', page) + re.findall(
            r'href="#([^"]+)"', page
        )
        described = [
            one for words in re.findall(r'aria-describedby="([^"]+)"', page) for one in words.split()
        ]
        assert set(wanted + described) <= set(ids), f"{name} points to what isn't there"


def test_over_https_browsers_come_back_over_https_only_with_safe_cookies(
    database_url: str, make_app: MakeApp, standing_clock: Any
) -> None:
    app = make_app(database_url, BOOKING_BASE_URL="https://visits.example")
    with app.app_context():
        set_up()
    answer = app.test_client().get("/my-visit", base_url="https://visits.example")
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    (cookie,) = answer.headers.getlist("Set-Cookie")
    assert cookie.startswith("__Host-visit=")
    assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
    assert "Domain" not in cookie


def test_the_cookie_is_out_of_reach_for_scripts_and_other_sites(client: FlaskClient) -> None:
    (cookie,) = client.get("/my-visit").headers.getlist("Set-Cookie")
    assert cookie.startswith("visit=") and {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))


def test_only_whoever_is_sent_a_form_gets_a_cookie(client: FlaskClient, link: str) -> None:
    for path in ("/", "/book", "/privacy", "/policies", "/nothing", "/healthz", "/api/v1/visit-types"):
        assert "Set-Cookie" not in client.get(path).headers, path


@pytest.fixture
def logs(app: Flask, caplog: pytest.LogCaptureFixture) -> Iterator[Any]:
    """All that is logged from here on: by us, as it is written, and by the packages below us."""
    caplog.set_level(logging.DEBUG)
    factory, written = structlog.get_config()["logger_factory"], io.StringIO()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(written))
    yield lambda: written.getvalue() + caplog.text
    structlog.configure(logger_factory=factory)


def assert_nothing_of_hers(words: str, *more: str) -> None:
    found = [one for one in (*HERS, *more) if one.lower() in words.lower()]
    assert found == [], words


def details(client: FlaskClient) -> dict[str, str]:
    return fields(client.get(f"{TIMES}/details?time={NINE}&with=ana").text) | ROSA


def test_a_fault_of_the_database_tells_nobodys_data(
    client: FlaskClient, logs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = details(client)
    # The database refuses the row, which is full of what she typed; PostgreSQL would like to show it.
    monkeypatch.setattr(booking, "random_reference", lambda: None)
    answer = client.post(f"{TIMES}/details", data=sent)
    assert answer.status_code == 500
    assert "IntegrityError" in logs()
    assert_nothing_of_hers(logs())
    assert_nothing_of_hers(answer.text)


def test_a_fault_of_the_database_in_the_api_tells_nobodys_data(
    client: FlaskClient, logs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(booking, "random_reference", lambda: None)
    patient = {name: ROSA[name] for name in ("first_name", "last_name", "email", "phone")}
    answer = client.post(
        "/api/v1/appointments",
        json={"visit_type": "follow-up", "starts_at": NINE, "patient": patient, "reminders": "email"},
        headers={"Idempotency-Key": "k"},
    )
    assert (answer.status_code, answer.get_json()["code"]) == (500, "internal_error")
    assert answer.mimetype == "application/problem+json"
    assert_nothing_of_hers(logs())
    assert_nothing_of_hers(answer.text)


def test_a_fault_in_a_page_of_a_visit_tells_no_link(
    client: FlaskClient, link: str, logs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("our fault")

    monkeypatch.setattr("booking.web.patient.visit.calendar.links", broken)
    answer = client.get(link)
    assert answer.status_code == 500
    (line,) = [json.loads(line) for line in logs().splitlines() if line.startswith('{"')]
    assert "our fault" in line["exception"] and line["rule"] == "/visit/<reference>/<token>"
    # Whoever calls about it can be found in the log.
    assert line["request"] in answer.text
    _, _, reference, token = link.split("/")
    assert_nothing_of_hers(logs(), "rosa@", token, reference)
    assert token not in answer.text and "our fault" not in answer.text


@pytest.mark.parametrize("status", [303, 404, 409, 422])
def test_what_goes_well_or_is_refused_leaves_nothing_in_the_log(
    client: FlaskClient, app: Flask, logs: Any, status: int
) -> None:
    sent = details(client)
    if status == 409:
        with app.app_context():
            booked(NEXT_WEEK.replace(day=15), practitioner="ana")
    if status == 422:
        sent |= {"email": "rosalinde at mail.example", "phone": "555-0123"}
    path = f"{TIMES}/details" if status != 404 else "/book/nothing/details"
    assert client.post(path, data=sent).status_code == status
    assert_nothing_of_hers(logs())


def test_an_error_page_repeats_nothing_but_the_form_that_can_be_sent_again(client: FlaskClient) -> None:
    answer = client.post(f"{TIMES}/details", data=ROSA)
    assert answer.status_code == 400
    visible = re.sub(r'<input type="hidden"[^>]*>', "", answer.text)
    assert_nothing_of_hers(visible)
    assert 'value="rosalinde@mail.example"' in answer.text
