"""The matrix: every route, method and role, on records of one's own and on others', by the table in `booking/web/access.py`.

Its cells are made from the routes of the application. A route, a method or a name in an address that nobody declared fails.
"""

import re
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from itsdangerous import URLSafeTimedSerializer
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from booking import clock
from booking.app import create_app
from booking.extensions import db
from booking.models import Role
from booking.web import limits
from booking.web.access import ACCESS, read
from tests import databases
from tests.conftest import MONDAY, MakeApp
from tests.staffing import signed_in
from tests.web import matrix
from tests.web.matrix import NOTHING, OTHER, OWN, World

NUMBERS = count()
ONLY_ASKS = {"HEAD", "OPTIONS"}
# Words of the table that bind somebody to some records.
BOUND = ("own", "self", "staff")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One clinic for all cells, on SQLite: who may what depends neither on the database nor on what was done before."""
    instance = tmp_path_factory.mktemp("matrix")
    with databases.sqlite() as url, clock.turned_to(MONDAY):
        app = create_app(databases.SETTINGS | {"BOOKING_DATABASE_URL": url}, instance_path=str(instance))
        yield matrix.made(app)
        with app.app_context():
            db.engine.dispose()


@pytest.fixture
def app(world: World) -> Flask:
    return world.app


def _routes() -> list[tuple[str, str]]:
    """Every route and method that the application has, not that the table has."""
    with databases.sqlite() as url:
        app = create_app(databases.SETTINGS | {"BOOKING_DATABASE_URL": url})
    return sorted(
        {
            (rule.endpoint, method)
            for rule in app.url_map.iter_rules()
            for method in (rule.methods or set()) - ONLY_ASKS
        }
    )


ROUTES = _routes()
STAFF = [route for route in ROUTES if route in ACCESS and ACCESS[route].for_staff]
VISITORS = [route for route in ROUTES if route in ACCESS and not ACCESS[route].for_staff]


def rule_of(app: Flask, endpoint: str, method: str) -> Rule:
    found = [rule for rule in app.url_map.iter_rules(endpoint) if method in (rule.methods or set())]
    return max(found, key=lambda rule: len(rule.arguments))


def address(app: Flask, endpoint: str, method: str, values: dict[str, Any]) -> str:
    rule = rule_of(app, endpoint, method)
    with app.test_request_context():
        built = rule.build({name: values[name] for name in rule.arguments})
    assert built is not None, f"{endpoint} takes no {values}"
    return built[1]


def ask(world: World, client: FlaskClient, endpoint: str, method: str, path: str, **how: Any) -> TestResponse:
    """The request as a page of ours would send it: forms with their token and a key."""
    if method == "GET":
        return client.get(path, query_string=matrix.query(world, endpoint), **how)
    with client.session_transaction() as session:
        session["csrf_token"] = "a token of this test"
    with client.application.app_context():
        signer = URLSafeTimedSerializer(client.application.config["SECRET_KEY"], salt="wtf-csrf-token")
        token = signer.dumps("a token of this test")
    form = {"csrf_token": token, "key": f"key-{next(NUMBERS):08}", **matrix.form(world, endpoint)}
    return client.open(path, method=method, data=form, **how)


def let_in(answer: TestResponse) -> bool:
    """Whether it came as far as the view: what that then says of a form is no matter of access."""
    if answer.status_code in (401, 403, 404, 405, 423):
        return False
    assert answer.status_code < 500, answer.text
    to = answer.location or ""
    if answer.request.path in ("/staff/lock", "/staff/sign-out"):
        # Where they lead whoever may: the doors themselves.
        return to in ("/staff/locked", "/staff/sign-in")
    return not to.startswith(("/staff/sign-in?", "/staff/locked")) and to != "/staff/sign-in"


def without_chance(page: str) -> str:
    """A page without what differs at each request."""
    return re.sub(r'(value|content)="[^"]*"', "", page)


def test_every_route_and_method_is_declared() -> None:
    assert [route for route in ROUTES if route not in ACCESS] == []


def test_every_row_of_the_table_is_a_route() -> None:
    assert [route for route in ACCESS if route not in ROUTES] == []


def test_every_name_in_an_address_leads_to_something_that_the_matrix_knows(app: Flask) -> None:
    unknown = []
    for endpoint, method in STAFF:
        for name in rule_of(app, endpoint, method).arguments:
            try:
                matrix.value(endpoint, name)
            except KeyError:
                unknown.append(f"{endpoint}/{name}")
    assert unknown == []


def test_the_table_speaks_only_words_that_it_explains() -> None:
    for access in ACCESS.values():
        assert access.visitor in ("open", "link", "own", "local", "demo", "-")
        assert set(access.roles.values()) <= {"all", "own", "self", "staff"}
        assert bool(access.roles) is access.for_staff, access.endpoint


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize(("endpoint", "method"), STAFF)
def test_staff_reach_what_the_table_says_and_nothing_else(
    world: World, endpoint: str, method: str, role: Role, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One clerk of the matrix tries more often than a person may.
    monkeypatch.setattr(limits, "_hit", lambda *_: None)
    names = rule_of(world.app, endpoint, method).arguments
    records = [name for name in names if name in matrix.RECORDS]
    word = ACCESS[endpoint, method].roles.get(role)
    answers = {}
    for whose in matrix.WHOSE if records else (OWN,):
        values = {name: matrix.value(endpoint, name)(world, role, whose) for name in names}
        client = signed_in(world.app, world.people[role])
        path = address(world.app, endpoint, method, values)
        answers[whose] = ask(world, client, endpoint, method, path)
    if word is None:
        assert {answer.status_code for answer in answers.values()} == {404}
        return
    assert let_in(answers[OWN]), f"{answers[OWN].status_code}: {answers[OWN].text[:400]}"
    if not records:
        return
    assert answers[NOTHING].status_code == 404
    if word in BOUND:
        assert answers[OTHER].status_code == 404
        assert without_chance(answers[OTHER].text) == without_chance(answers[NOTHING].text)
    else:
        assert let_in(answers[OTHER]), f"{answers[OTHER].status_code}: {answers[OTHER].text[:400]}"


@pytest.mark.parametrize(("endpoint", "method"), STAFF)
def test_a_visitor_of_a_staff_page_is_asked_to_sign_in(world: World, endpoint: str, method: str) -> None:
    names = rule_of(world.app, endpoint, method).arguments
    answers = []
    for whose in (OWN, NOTHING):
        values = {name: matrix.value(endpoint, name)(world, Role.OWNER, whose) for name in names}
        path = address(world.app, endpoint, method, values)
        answers.append(ask(world, world.app.test_client(), endpoint, method, path))
    for answer in answers:
        assert answer.status_code == 303 and answer.location.startswith("/staff/sign-in")
    assert let_in(answers[0]) is False


@pytest.mark.parametrize(("endpoint", "method"), STAFF)
def test_a_locked_screen_shows_and_does_nothing(world: World, endpoint: str, method: str) -> None:
    role = next(iter(ACCESS[endpoint, method].roles))
    names = rule_of(world.app, endpoint, method).arguments
    values = {name: matrix.value(endpoint, name)(world, role, OWN) for name in names}
    path = address(world.app, endpoint, method, values)
    client = signed_in(world.app, world.people[role])
    with clock.turned_to(MONDAY + timedelta(minutes=16)):
        answer = ask(world, client, endpoint, method, path)
    if endpoint in ("sign_in.locked", "sign_in.unlock", "sign_in.sign_out", "sign_in.keep_drafts"):
        assert answer.status_code < 500 and "Rosa" not in answer.text
        return
    assert answer.status_code == 303 and answer.location.startswith("/staff/locked")


def _visitor_values(world: World, endpoint: str, spoilt: bool) -> tuple[dict[str, Any], dict[str, str]]:
    """Names in the address, and headers, of a visitor's route."""
    link = matrix.LINKS.get(endpoint) or matrix.LINKS.get(endpoint.partition(".")[0])
    values = dict(matrix.OPEN.get(endpoint, {}))
    if ACCESS_WORD[endpoint] == "link" and link:
        values |= link(world)
        if spoilt:
            values["token"] = "aaaa" + str(values["token"])[4:]
    headers = (
        {"Authorization": f"Bearer {values['token']}"}
        if endpoint.startswith("api.") and "token" in values
        else {}
    )
    return values, headers


ACCESS_WORD = {endpoint: access.visitor for (endpoint, _), access in ACCESS.items()}
WITH_A_LINK = [route for route in VISITORS if ACCESS[route].visitor == "link" and route[0] != "texts.twilio"]


@pytest.mark.parametrize(("endpoint", "method"), WITH_A_LINK)
def test_a_link_opens_its_own_and_a_spoilt_one_nothing(
    world: World, endpoint: str, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "_hit", lambda *_: None)
    answers = []
    for spoilt in (False, True):
        values, headers = _visitor_values(world, endpoint, spoilt)
        path = address(world.app, endpoint, method, values)
        client = world.app.test_client()
        if endpoint.startswith("api.") and method == "POST":
            headers |= {"Idempotency-Key": f"a-key-of-this-test-{spoilt}"}
            answers.append(
                client.open(path, method=method, json=API_BODIES.get(endpoint, {}), headers=headers)
            )
        else:
            answers.append(
                ask(world, client, endpoint, method, path, headers=headers, follow_redirects=spoilt)
            )
    assert let_in(answers[0]), f"{answers[0].status_code}: {answers[0].text[:400]}"
    assert answers[1].status_code in (404, 410)


API_BODIES = {"api.reschedule": {"starts_at": "2026-09-22T16:00:00Z"}}


@pytest.mark.parametrize(
    ("endpoint", "method"),
    [route for route in VISITORS if ACCESS[route].visitor == "open" and route[0] != "static"],
)
def test_what_is_open_is_open_to_everybody(
    world: World, endpoint: str, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "_hit", lambda *_: None)
    values, headers = _visitor_values(world, endpoint, False)
    path = address(world.app, endpoint, method, values)
    visitor = world.app.test_client()
    clerk = signed_in(world.app, world.people[Role.DESK])
    if endpoint.startswith("api."):
        answers = [client.open(path, method=method, headers=headers) for client in (visitor, clerk)]
    else:
        answers = [ask(world, client, endpoint, method, path) for client in (visitor, clerk)]
    assert {answer.status_code for answer in answers} & {401, 403, 404, 405, 423} == set()
    assert len({answer.status_code for answer in answers}) == 1


def test_the_provider_signs_its_texts(world: World) -> None:
    assert world.app.test_client().post("/texts/twilio").status_code in (403, 404)


def test_metrics_are_for_this_machine(world: World) -> None:
    client = world.app.test_client()
    assert client.get("/metrics").status_code == 200
    assert client.get("/metrics", environ_base={"REMOTE_ADDR": "192.0.2.7"}).status_code in (403, 404)


def test_the_demos_mailbox_is_not_there_in_production(make_app: MakeApp, tmp_path: Path) -> None:
    app = make_app(
        f"sqlite:///{tmp_path}/never-opened.sqlite3",
        BOOKING_ENV="production",
        BOOKING_BASE_URL="https://visits.example",
        BOOKING_MAIL_HOST="mail.example",
        BOOKING_MAIL_SENDER="visits@clinic.example",
    )
    demo = {endpoint for endpoint, _ in ACCESS if ACCESS_WORD[endpoint] == "demo"}
    assert demo and demo & set(app.view_functions) == set()


def test_a_code_is_asked_only_of_whoever_gave_the_password(world: World) -> None:
    client = world.app.test_client()
    assert client.get("/staff/code").location == "/staff/sign-in"
    answer = ask(world, client, "sign_in.check_code", "POST", "/staff/code")
    assert answer.location == "/staff/sign-in"


def test_what_nobody_declared_is_closed_to_everybody(tmp_path: Path) -> None:
    with databases.sqlite() as url, clock.turned_to(MONDAY):
        app = create_app(databases.SETTINGS | {"BOOKING_DATABASE_URL": url}, instance_path=str(tmp_path))
        app.add_url_rule("/undeclared", "undeclared", lambda: "open")
        view = app.view_functions["sign_in.accounts"]
        app.add_url_rule("/staff/accounts", "sign_in.accounts", view, methods=["DELETE"])
        made = matrix.made(app)
        owner = signed_in(app, made.people[Role.OWNER])
        for client in (app.test_client(), owner):
            assert client.get("/undeclared").status_code == 404
            assert ask(made, client, "", "DELETE", "/staff/accounts").status_code == 404
        with app.app_context():
            db.engine.dispose()


@pytest.mark.parametrize("method", sorted(ONLY_ASKS))
@pytest.mark.parametrize(("endpoint", "declared"), STAFF)
def test_head_and_options_are_guarded_like_the_rest(
    world: World, endpoint: str, declared: str, method: str
) -> None:
    names = rule_of(world.app, endpoint, declared).arguments
    values = {name: matrix.value(endpoint, name)(world, Role.OWNER, OWN) for name in names}
    path = address(world.app, endpoint, declared, values)
    answer = world.app.test_client().open(path, method=method)
    assert answer.status_code in (303, 405)


def test_the_table_refuses_to_say_something_twice() -> None:
    with pytest.raises(ValueError, match="declared twice"):
        read("desk.day GET - all all all -\ndesk.day GET,POST - all all all -")
