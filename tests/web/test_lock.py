"""The lock: what counts as being there, what a locked screen answers, and what was typed comes back to the same person."""

import re
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from booking.models import AuditEntry, Patient, Role, StaffAccount
from booking.services.desk import statuses
from booking.services.staff import accounts, drafts, library
from booking.services.staff.who import Who
from booking.services.transaction import run
from tests.clinics import clinic, needled, practitioner, set_up
from tests.conftest import StandingClock
from tests.services.making import NINE, booked, rows
from tests.staffing import hired, signed_in
from tests.web.conftest import fields, on_both
from tests.web.test_sign_in import joined, sign_in

PIN = "271828"


@pytest.fixture
def clerk(app: Flask) -> Who:
    return with_pin(app, Role.OWNER)


@cache
def _kept_pin() -> str:
    return library.hashed(PIN)


def with_pin(app: Flask, *roles: Role, **how: Any) -> Who:
    with app.app_context():
        who, kept = hired(*roles, **how), _kept_pin()
        run(lambda session: setattr(session.get_one(StaffAccount, who.account_id), "pin", kept))
    return who


def token(client: FlaskClient) -> str:
    return fields(client.get("/staff/me").text)["csrf_token"]


def open_again(client: FlaskClient, pin: str = PIN, **more: Any) -> TestResponse:
    return client.post("/staff/unlock", data=fields(client.get("/staff/locked").text) | {"pin": pin} | more)


def test_a_quarter_of_an_hour_without_a_key_locks(
    app: Flask, clerk: Who, standing_clock: StandingClock
) -> None:
    client = signed_in(app, clerk)
    standing_clock.on(minutes=14, seconds=59)
    assert client.get("/staff/accounts", headers={"X-Poll": "1"}).status_code == 200
    standing_clock.on(seconds=1)
    answer = client.get("/staff/accounts?page=2")
    assert (answer.status_code, answer.location) == (303, "/staff/locked?next=/staff/accounts?page%3D2")


def test_pages_forms_keys_and_taps_keep_it_open_and_polls_dont(
    app: Flask, clerk: Who, standing_clock: StandingClock
) -> None:
    client = signed_in(app, clerk)
    proof = token(client)
    for _ in range(3):
        standing_clock.on(minutes=10)
        assert client.post("/staff/active", data={"csrf_token": proof}).status_code == 204
    standing_clock.on(minutes=10)
    assert client.get("/staff/me").status_code == 200
    for _ in range(2):
        standing_clock.on(minutes=7, seconds=30)
        answer = client.get("/staff/me", headers={"X-Poll": "1"})
    assert (answer.status_code, answer.json["code"]) == (423, "locked")


def test_a_phone_locks_after_five_minutes(app: Flask, standing_clock: StandingClock) -> None:
    joined(app)
    client = app.test_client()
    client.environ_base["HTTP_USER_AGENT"] = "Mozilla/5.0 (iPhone) Mobile/15E148"
    sign_in(client)
    standing_clock.on(minutes=5)
    assert client.get("/staff/me").location.startswith("/staff/locked")


def test_the_pin_opens_the_page_that_was_left(app: Flask, clerk: Who, standing_clock: StandingClock) -> None:
    client = signed_in(app, clerk)
    standing_clock.on(minutes=15)
    locked = client.get(client.get("/staff/accounts").location)
    assert locked.status_code == 200 and "Dana Desk" in locked.text
    answer = client.post("/staff/unlock", data=fields(locked.text) | {"pin": PIN})
    assert (answer.status_code, answer.location) == (303, "/staff/accounts")
    assert client.get("/staff/accounts").status_code == 200
    # A form that was refused stands at an address at which there is no page.
    standing_clock.on(minutes=15)
    assert open_again(client, next="/desk/visits/AAAA/status").location == "/desk/"


def test_five_wrong_pins_ask_for_the_password(app: Flask, clerk: Who, standing_clock: StandingClock) -> None:
    client = signed_in(app, clerk)
    standing_clock.on(minutes=15)
    for left in (4, 3, 2, 1):
        answer = open_again(client, "000001")
        assert answer.status_code == 422
        assert (f"{left} more tries" if left > 1 else "One more try") in answer.text
    assert open_again(client, "000001").location == "/staff/sign-in"
    assert client.get("/staff/me").location.startswith("/staff/sign-in")


@on_both
@pytest.mark.parametrize("pin", ["", "\x00", "x" * 5000, "１２３４５６"])
def test_a_pin_that_is_none_is_answered_in_words(
    app: Flask, clerk: Who, standing_clock: StandingClock, pin: str
) -> None:
    client = signed_in(app, clerk)
    standing_clock.on(minutes=15)
    assert open_again(client, pin).status_code == 422


def test_a_form_that_came_too_late_is_kept_and_given_back(
    app: Flask, clerk: Who, standing_clock: StandingClock
) -> None:
    client = signed_in(app, clerk)
    form = fields(client.get("/staff/accounts").text)
    standing_clock.on(minutes=15)
    typed = {"email": "new@clinic.example", "name": "Half typed", "roles": ["desk", "manager"]}
    answer = client.post("/staff/accounts", data=form | typed)
    assert answer.location == "/staff/locked?next=/staff/drafts"
    back = open_again(client, next="/staff/drafts")
    assert back.location == "/staff/drafts"
    page = client.get("/staff/drafts").text
    assert 'action="/staff/accounts"' in page and page.count("Half typed") == 2
    kept = fields(page)
    sent = client.post("/staff/accounts", data=kept | typed)
    assert sent.status_code == 303 and sent.location.startswith("/staff/accounts/")
    assert "nothing left" in client.get("/staff/drafts").text


def test_a_draft_is_shown_in_the_words_of_its_form_with_a_way_back_to_it(app: Flask, clerk: Who) -> None:
    client = signed_in(app, clerk)
    proof = {"X-CSRFToken": token(client)}
    pairs = [
        ["new", "1"],
        ["day", "2026-11-26"],
        ["tell", "1"],
        ["first_name", "Nora"],
        ["note", "Left knee"],
    ]
    sent = [{"path": "/desk/book", "page": "/desk/book?new=1", "fields": pairs}]
    assert client.post("/staff/drafts", json=sent, headers=proof).status_code == 204
    open_again(client)
    main = client.get("/staff/drafts").text.partition("<main")[2]
    named = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", main)
    assert named == [("First name", "Nora"), ("Note for this visit", "Left knee")]
    assert "New visit · " in main
    assert re.search(r'<a class="button" href="/desk/book\?new=1#kept"[^>]*>Open the form with it', main)


def test_a_draft_of_a_visit_says_for_whom_what_when_and_with_whom(app: Flask, clerk: Who) -> None:
    with app.app_context():
        visit = booked(practitioner="ana").reference
        rosa = rows(Patient)[0]["reference"]
        typed = {
            "patient": rosa,
            "visit_type": "follow-up",
            "practitioner": "",
            "time": "2026-09-21T16:00:00Z ana",
        }
        drafts.keep(clerk.account_id, "/desk/book", typed.items(), page=f"/desk/book?patient={rosa}")
        change = {"day": "2026-09-22", "time": "10:30", "practitioner": "ana", "reason": "Ana is ill"}
        drafts.keep(clerk.account_id, f"/desk/visits/{visit}/change", change.items())
        drafts.keep(clerk.account_id, "/desk/book?x", [("time", "now"), ("patient", "NOBODY")])
    client = signed_in(app, clerk)
    main = " ".join(re.sub(r"<[^>]+>", " ", client.get("/staff/drafts").text.partition("<main")[2]).split())
    assert (
        "Patient Rosa Lima Visit Follow-up, 30 minutes Time Monday, September 21, 2026, 9:00 am With Ana Ruiz"
        in main
    )
    assert "Time Now, as a walk-in" in main
    assert "Patient Rosa Lima Time Tuesday, September 22, 10:30 With Ana Ruiz Why Ana is ill" in main
    assert "Go on; this stays here" in main
    assert "3 forms that you typed and didn" in client.get("/staff/me").text


def test_what_was_sent_too_late_knows_the_page_that_it_came_from(
    app: Flask, clerk: Who, standing_clock: StandingClock
) -> None:
    client = signed_in(app, clerk)
    form = fields(client.get("/staff/accounts").text)
    standing_clock.on(minutes=15)
    for referrer, page in (
        ("http://localhost/staff/accounts?a=1", "/staff/accounts?a=1"),
        ("http://localhost.evil.example/staff/accounts", ""),
        ("https://evil.example/?http://localhost/staff", ""),
    ):
        client.post("/staff/accounts", data=form | {"name": "Half"}, headers={"Referer": referrer})
        with app.app_context():
            assert [one.page for one in drafts.of(clerk.account_id)] == [page]


@pytest.mark.parametrize("page", ["/desk/visits/AAAA/status", "/staff/drafts", "/nowhere"])
def test_a_page_that_has_no_form_to_open_is_no_way_back(app: Flask, clerk: Who, page: str) -> None:
    with app.app_context():
        drafts.keep(clerk.account_id, "/desk/book", [("note", "Left knee")], page=page)
    shown = signed_in(app, clerk).get("/staff/drafts").text
    assert "Left knee" in shown and "Open the form with it" not in shown


def test_nobody_else_sees_what_was_typed(app: Flask, clerk: Who, standing_clock: StandingClock) -> None:
    other = with_pin(app, Role.OWNER)
    with app.app_context():
        drafts.keep(clerk.account_id, "/staff/accounts", [("name", "Half typed")])
        (kept,) = drafts.of(clerk.account_id)
    client = signed_in(app, other)
    assert "Half typed" not in client.get("/staff/drafts").text
    answer = client.post(f"/staff/drafts/{kept.number}/forget", data={"csrf_token": token(client)})
    assert answer.status_code == 404
    assert client.get("/staff/drafts", headers={"Accept": "application/json"}).json == []


@on_both
def test_secrets_are_no_drafts_and_neither_is_the_absurd(context: Flask, standing_clock: Any) -> None:
    who = hired()
    drafts.keep(who.account_id, "/x", [("password", "hunter2"), ("new_pin", "1"), ("note", "a")])
    assert [one.fields for one in drafts.of(who.account_id)] == [[["note", "a"]]]
    drafts.keep(who.account_id, "/y", [("note", "x" * 30_000)])
    drafts.keep(who.account_id, "/z", [(str(number), "") for number in range(300)])
    drafts.keep(who.account_id, "/" + "a" * 1000, [("note", "a")])
    drafts.keep(who.account_id, "https://evil.example/", [("note", "a")])
    assert [one.path for one in drafts.of(who.account_id)] == ["/x"]
    for number in range(30):
        drafts.keep(who.account_id, f"/n/{number}", [("note", "a")])
    assert len(drafts.of(who.account_id)) == drafts.MOST_DRAFTS
    standing_clock.on(hours=13)
    assert drafts.of(who.account_id) == []


@on_both
def test_two_forms_at_one_address_are_kept_side_by_side(context: Flask) -> None:
    who = hired()

    def kept(*fields: tuple[str, str]) -> list[dict[str, str]]:
        drafts.keep(who.account_id, "/desk/book", fields)
        return [dict(one.fields) for one in drafts.of(who.account_id)]

    rosa, zoe = (("patient", "ROSA"), ("note", "Left knee")), (("patient", "ZOE"), ("note", "Cold hands"))
    assert kept(*rosa) == [dict(rosa)]
    assert kept(*zoe) == [dict(zoe), dict(rosa)]
    # Of somebody new nobody knows more than which of the windows it is.
    nora = (("new", "1"), ("key", "window-1"), ("first_name", "Nora"))
    vera = (("new", "1"), ("key", "window-2"), ("first_name", "Vera"))
    kept(*nora)
    assert kept(*vera) == [dict(one) for one in (vera, nora, zoe, rosa)]
    # The same form once more takes the place of what was kept of it.
    further = (*nora, ("last_name", "Quist"))
    assert kept(*further) == [dict(one) for one in (further, vera, zoe, rosa)]
    # The same words under another key, as when they were sent and the page keeps them at that moment too.
    again = (("new", "1"), ("key", "another"), ("next", "/desk/"), ("first_name", "Vera"))
    assert kept(*again) == [dict(one) for one in (again, further, zoe, rosa)]


def test_a_name_that_only_has_the_letters_of_a_secret_is_kept(context: Flask) -> None:
    who = hired()
    typed = [("told", "1"), ("dose-cupping", "1-2"), ("dose-cold-laser", "2-2"), ("dose-pin", "1-1")]
    drafts.keep(who.account_id, "/x", [*typed, ("csrf_token", "x"), ("draft", "7")])
    assert [one.fields for one in drafts.of(who.account_id)] == [[list(pair) for pair in typed]]


def test_no_secret_that_a_template_asks_for_is_kept(context: Flask) -> None:
    asked = {
        named.rpartition(".")[2]
        for template in (Path(context.root_path) / "templates").rglob("*.html")
        for named in re.findall(r"\{\{ secret\(([\w.]+)", template.read_text())
    }
    assert {"code", "old", "password", "pin"} <= asked
    who = hired()
    drafts.keep(who.account_id, "/x", [(name, "river") for name in asked | {"secret"}])
    assert drafts.of(who.account_id) == []


def test_a_page_keeps_its_forms_and_locks_even_a_moment_after_the_server(
    app: Flask, clerk: Who, standing_clock: StandingClock
) -> None:
    client = signed_in(app, clerk)
    proof = token(client)
    standing_clock.on(minutes=16)
    sent = [{"path": "/staff/accounts", "fields": [["name", "Half"], ["csrf_token", "x"]]}]
    assert client.post("/staff/drafts", json=sent, headers={"X-CSRFToken": proof}).status_code == 204
    with app.app_context():
        assert [one.fields for one in drafts.of(clerk.account_id)] == [[["name", "Half"]]]
    assert open_again(client, next="/staff/accounts").location == "/staff/accounts#kept"


@on_both
@pytest.mark.parametrize(
    "sent", [None, 1, "x", {}, [1], [{}], [{"path": 1, "fields": []}], [{"path": "//evil", "fields": [["a", "b"]]}],
             [{"path": "/x", "fields": [1, ["a"], ["a", 2], ["\x00", "b"], ["a", "\x00"]]}], [[]] * 500],
)  # fmt: skip
def test_whatever_a_script_sends_as_drafts_it_locks(app: Flask, clerk: Who, sent: Any) -> None:
    client = signed_in(app, clerk)
    assert client.post("/staff/drafts", json=sent, headers={"X-CSRFToken": token(client)}).status_code == 204
    assert client.get("/staff/me").location.startswith("/staff/locked")


def test_what_was_typed_when_the_shift_ended_is_kept_as_well(
    app: Flask, clerk: Who, standing_clock: StandingClock
) -> None:
    client = signed_in(app, clerk)
    form = fields(client.get("/staff/accounts").text)
    standing_clock.on(hours=12)
    answer = client.post("/staff/accounts", data=form | {"name": "Half typed"})
    assert answer.location == "/staff/sign-in?next=/staff/drafts"
    with app.app_context():
        assert [one.path for one in drafts.of(clerk.account_id)] == ["/staff/accounts"]


HALF_TYPED = [{"path": "/staff/accounts", "page": "/staff/accounts", "fields": [["name", "Half typed"]]}]


def test_what_a_page_keeps_when_the_shift_ended_is_offered_on_that_page_after_the_sign_in(
    app: Flask, standing_clock: StandingClock
) -> None:
    who = joined(app, Role.OWNER)
    client = app.test_client()
    sign_in(client)
    proof = {"X-CSRFToken": token(client), "Accept": "application/json"}
    standing_clock.on(hours=12)
    # As the script of a page does it: a key is answered with 401, the page sends its forms and goes to the lock.
    assert client.post("/staff/active", headers=proof).status_code == 401
    assert client.post("/staff/drafts", json=HALF_TYPED, headers=proof).status_code == 204
    with app.app_context():
        assert [one.fields for one in drafts.of(who.account_id)] == [[["name", "Half typed"]]]
    assert client.get("/staff/drafts", headers=proof).status_code == 401
    left = client.get("/staff/locked?next=/staff/accounts?a%3D1")
    assert left.location == "/staff/sign-in?next=/staff/accounts?a%3D1"
    assert sign_in(client, page=left.location).location == "/staff/accounts?a=1#kept"
    (kept,) = client.get("/staff/drafts", headers={"Accept": "application/json"}).json
    assert (kept["path"], kept["fields"]) == ("/staff/accounts", [["name", "Half typed"]])
    assert client.get("/staff/accounts?a=1").status_code == 200


def test_a_pin_that_is_typed_after_the_shift_leads_over_the_sign_in_to_the_page_that_was_left(
    app: Flask, clerk: Who, standing_clock: StandingClock
) -> None:
    client = signed_in(app, clerk)
    standing_clock.on(hours=11)
    form = fields(client.get("/staff/locked?next=/staff/accounts").text)
    standing_clock.on(hours=1)
    answer = client.post("/staff/unlock", data=form | {"pin": PIN})
    assert answer.location == "/staff/sign-in?next=/staff/accounts"
    with app.app_context():
        assert drafts.of(clerk.account_id) == []


@pytest.mark.parametrize("how", ["revoked", "deactivated", "other", "forged"])
@pytest.mark.parametrize("hours", [1, 12])
def test_nothing_is_kept_for_a_sign_in_that_ended_otherwise_or_for_anybody_else(
    app: Flask, clerk: Who, standing_clock: StandingClock, how: str, hours: int
) -> None:
    client = signed_in(app, clerk)
    proof = {"X-CSRFToken": token(client)}
    with app.app_context():
        boss = hired(Role.OWNER, password="one that is set")
        if how == "revoked":
            accounts.end_sign_ins(boss, clerk.account_id)
        elif how == "deactivated":
            accounts.deactivate(boss, clerk.account_id)
    if how == "other":
        signed_in(app, boss, client)
    elif how == "forged":
        with client.session_transaction() as session:
            session["sign_in"] = "x" * 43
    standing_clock.on(hours=hours)
    client.post("/staff/drafts", json=HALF_TYPED, headers=proof)
    client.post("/staff/accounts", data={"name": "Half typed"}, headers=proof)
    with app.app_context():
        assert drafts.of(clerk.account_id) == []
        assert len(drafts.of(boss.account_id)) == (how == "other")


def test_a_page_that_does_not_prove_itself_keeps_nothing_after_the_shift(
    app: Flask, clerk: Who, standing_clock: StandingClock
) -> None:
    client = signed_in(app, clerk)
    standing_clock.on(hours=12)
    assert client.post("/staff/drafts", json=HALF_TYPED).status_code == 400
    with app.app_context():
        assert drafts.of(clerk.account_id) == []


def test_the_button_locks_at_once(app: Flask, clerk: Who) -> None:
    client = signed_in(app, clerk)
    answer = client.post("/staff/lock", data={"csrf_token": token(client), "next": "/staff/accounts"})
    assert answer.location == "/staff/locked?next=/staff/accounts"
    assert client.get("/staff/accounts").status_code == 303


@pytest.mark.parametrize(
    "sent", ["[" * 20_000, '[{"path": "/desk/x", "fields": [["note", "half \\ud800"], ["\\ud800", "x"]]}]']
)
def test_rubbish_as_drafts_locks_and_leaves_a_page_of_drafts_that_opens(
    app: Flask, clerk: Who, sent: str
) -> None:
    client = signed_in(app, clerk)
    headers = {"X-CSRFToken": token(client), "Content-Type": "application/json"}
    assert client.post("/staff/drafts", data=sent, headers=headers).status_code == 204
    assert client.get("/staff/me").location == "/staff/locked?next=/staff/me"
    open_again(client)
    assert client.get("/staff/drafts").status_code == 200


@pytest.mark.parametrize(
    "path", ["/staff/me/password", "/staff/me/pin", "/staff/me/codes/off", "/staff/me/codes/recovery"]
)
def test_a_password_that_is_sent_to_a_locked_screen_is_kept_nowhere(
    app: Flask, clerk: Who, standing_clock: StandingClock, path: str
) -> None:
    client = signed_in(app, clerk)
    typed = fields(client.get("/staff/me").text) | {
        "old": "a quiet river",
        "password": "a loud river",
        "pin": "1",
    }
    standing_clock.on(minutes=16)
    assert client.post(path, data=typed).status_code == 303
    with app.app_context():
        assert not [one for one in drafts.of(clerk.account_id) if "river" in str(one.fields)]


@pytest.fixture
def lying(app: Flask, standing_clock: StandingClock) -> str:
    """Rosa, with Ana's needles in from quarter past nine on; they come out twenty-five minutes later."""
    with app.app_context():
        set_up(
            clinic(
                visit_types=[needled()],
                practitioners=[
                    practitioner("ana", name="Ana Ruiz", offers=["needles"]),
                    practitioner("ben", name="Ben Okoro", offers=["needles"]),
                ],
            )
        )
        reference = booked(NINE, practitioner="ana", visit_type="needles").reference
        standing_clock.at(NINE + timedelta(minutes=15))
        statuses.needles_in(hired(), reference, key="needles-in-1")
    return reference


POLL = {"X-Poll": "1"}


@pytest.mark.parametrize("slug", ["ana", None], ids=["practitioner", "desk"])
def test_a_locked_screen_says_where_needles_are_in_and_of_whom_nothing(
    app: Flask, lying: str, standing_clock: StandingClock, slug: str | None
) -> None:
    with app.app_context():
        who = hired(Role.PRACTITIONER if slug else Role.DESK, practitioner=slug)
    client = signed_in(app, who)
    standing_clock.on(minutes=20)
    before = entries(app)
    page = client.get("/staff/locked")
    assert page.status_code == 200 and "Room 1: needles out at 9:40 am" in page.text
    part = client.get("/staff/locked", headers=POLL)
    assert "Room 1: needles out at 9:40 am" in part.text and "As of 9:35 am" in part.text
    assert "<html" not in part.text and "<a" not in part.text
    for told in (page.text, part.text):
        assert not [word for word in ("Rosa", "Lima", lying, "Ana Ruiz", "/visits/") if word in told]
    standing_clock.on(minutes=10)
    over = client.get("/staff/locked", headers=POLL).text
    assert "Room 1: needles still in, due out at 9:40 am" in over and "needles over" in over
    # Nothing of it is a read of anybody's data.
    assert entries(app) == before


def test_a_colleagues_needles_are_not_on_a_locked_screen(
    app: Flask, lying: str, standing_clock: StandingClock
) -> None:
    with app.app_context():
        client = signed_in(app, hired(Role.PRACTITIONER, practitioner="ben"))
    standing_clock.on(minutes=20)
    page = client.get("/staff/locked").text
    assert "eedles out" not in page and "As of 9:35 am" in page


def test_looking_for_needles_neither_opens_a_screen_nor_keeps_it_open(
    app: Flask, lying: str, standing_clock: StandingClock
) -> None:
    client = signed_in(app, with_pin(app, Role.OWNER))
    for _ in range(4):
        standing_clock.on(minutes=5)
        client.get("/staff/locked", headers=POLL)
    assert client.get("/staff/me").location.startswith("/staff/locked")
    assert open_again(client).status_code == 303
    # Opened in another window: a page that still asks is led on.
    assert client.get("/staff/locked", headers=POLL).status_code == 303


def test_who_may_not_see_anything_yet_sees_no_needles(
    app: Flask, lying: str, standing_clock: StandingClock
) -> None:
    with app.app_context():
        who = hired(Role.OWNER)
        run(
            lambda session: setattr(
                session.get_one(StaffAccount, who.account_id), "needs_second_factor", True
            )
        )
    client = signed_in(app, who)
    standing_clock.on(minutes=20)
    assert "eedles out" not in client.get("/staff/locked").text


def test_after_a_wrong_pin_one_can_type_the_next(
    app: Flask, clerk: Who, standing_clock: StandingClock
) -> None:
    client = signed_in(app, clerk)
    standing_clock.on(minutes=15)
    page = open_again(client, "000001").text
    field = re.search(r'<input type="password" id="pin"[^>]*>', page)
    assert field and 'data-behaviour="focus-here"' in field[0] and page.count("focus-here") == 1
    assert 'aria-describedby="pin-error-1 "' in field[0] and 'aria-invalid="true"' in field[0]
    assert re.search(
        r'<p class="error" role="alert" id="pin-error-1">That is not your PIN. 4 more tries', page
    )


def entries(app: Flask) -> int:
    with app.app_context():
        return len([row for row in rows(AuditEntry) if row["what"] != "signed in"])
