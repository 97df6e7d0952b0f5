"""Who is coming, and "You are booked": what is said, kept and stored, and when it is true."""

import re
from dataclasses import replace
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from limits import parse
from werkzeug.test import TestResponse

from booking.models import Appointment, Hold, Message, PriceShown, TextConsent
from booking.services.clinic import present
from booking.web import limits
from booking.web.prices import prices
from tests.clinics import clinic, set_up, visit_type
from tests.conftest import MONDAY, StandingClock
from tests.services.making import rows
from tests.web.conftest import Send, fields

ROSA = {"first_name": "Rosa", "last_name": "Lima", "email": "rosa@example.com", "reminders": "email"}
NINE_TUESDAY = "2026-09-15T16:00:00Z"
DETAILS = f"/book/follow-up/details?time={NINE_TUESDAY}&with=ana"


def book(client: FlaskClient, send: Send, page: str = DETAILS, **typed: str) -> TestResponse:
    return send(client.get(page), page.partition("?")[0], **(ROSA | typed))


def booked_page(client: FlaskClient, send: Send, page: str = DETAILS, **typed: str) -> str:
    answer = book(client, send, page, **typed)
    assert answer.status_code == 303, answer.text
    return unescape(client.get(answer.headers["Location"]).text)


def the_one(app: Flask, kind: Any) -> Any:
    with app.app_context():
        (row,) = rows(kind)
        return row


def clinic_with(app: Flask, **how: Any) -> None:
    """The clinic with this one visit type."""
    with app.app_context():
        set_up(clinic(visit_types=[visit_type(**how)]))


def test_the_page_says_when_to_call_911_and_what_a_note_is_for(client: FlaskClient) -> None:
    page = client.get(DETAILS).text
    assert "New numbness around the groin" in page and "call 911 now" in page
    assert "Our staff read this when they prepare your visit, not right away." in page
    assert "This is not a promise that it is covered." in page
    assert page.index("Please cancel a day before.") < page.index("Book this visit")


def test_payment_note_and_the_policy_that_was_shown_are_stored(
    client: FlaskClient, send: Send, app: Flask
) -> None:
    book(client, send, payment="original_medicare", note="  Stairs are hard.\r\nThank you.  ")
    row = the_one(app, Appointment)
    assert (row["payment"], row["note"]) == ("original_medicare", "Stairs are hard.\nThank you.")
    assert row["policy_version"] == "1"


def test_payment_and_note_may_be_left_open(client: FlaskClient, send: Send, app: Flask) -> None:
    book(client, send)
    assert (the_one(app, Appointment)["payment"], the_one(app, Appointment)["note"]) == (None, "")


@pytest.mark.parametrize(
    ("shown", "words"), [("exact", "$95"), ("from", "from $95"), ("hidden", "")]
)  # fmt: skip
def test_a_price_is_shown_as_the_clinic_wants_it(
    client: FlaskClient, send: Send, app: Flask, shown: str, words: str
) -> None:
    clinic_with(app, price_cents=9500, price_shown=shown)
    pages = [client.get(path).text for path in ("/book", "/book/follow-up", DETAILS)]
    for page in (*pages, booked_page(client, send)):
        assert words in page
        assert ("$" in page) == bool(words)
        assert ("from $" in page) == (shown == "from")


def test_a_price_with_cents_shows_them(client: FlaskClient, app: Flask) -> None:
    clinic_with(app, price_cents=9550, price_shown="exact")
    assert "$95.50" in client.get(DETAILS).text


def test_the_prices_of_several_visits_are_added_up(app: Flask) -> None:
    clinic_with(app, price_cents=9550, price_shown="exact")
    with app.test_request_context():
        one = present().visit_type("follow-up")
        other = replace(one, slug="long", name="Long", price_cents=11000, price_shown=PriceShown.FROM)
        hidden = replace(one, slug="first", price_shown=PriceShown.HIDDEN)
        assert prices([one, one]) == ((f"{one.name}: 2 visits, $95.50 each",), "$191", ())
        assert prices([other, one]) == (("Long: from $110", f"{one.name}: $95.50"), "from $205.50", ())
        assert prices([one, hidden]) == ((f"{one.name}: $95.50",), "$95.50", (one.name,))


def test_consent_to_texts_is_asked_for_unticked_and_stored_as_it_was_shown(
    client: FlaskClient, send: Send, app: Flask
) -> None:
    page = unescape(client.get(DETAILS).text)
    (box,) = re.findall(r'<input type="checkbox" [^>]*>', page)
    assert "checked" not in box.replace("checkbox", "")
    assert "Please text me. You don't have to agree in order to be treated." in page
    book(client, send, reminders="text", phone="(818) 555-0123", text_consent="y")
    consent = the_one(app, TextConsent)
    assert (consent["phone"], consent["wording"], consent["wording_version"]) == (
        "+18185550123",
        "Please text me.",
        "1",
    )
    assert consent["given_at"].replace(tzinfo=MONDAY.tzinfo) == MONDAY


def test_without_the_tick_no_consent_is_stored(client: FlaskClient, send: Send, app: Flask) -> None:
    book(client, send, phone="(818) 555-0123")
    with app.app_context():
        assert rows(TextConsent) == []


@pytest.mark.parametrize(
    ("time", "sentence", "kinds"),
    [
        ("2026-09-14T20:00:00Z", "Your visit is soon, so there will be no other reminder", []),
        ("2026-09-15T16:00:00Z", "We remind you 1 day before.", ["reminder-1d"]),
        ("2026-09-17T16:00:00Z", "We remind you 3 days before and 1 day before.", ["reminder-1d", "reminder-3d"]),
        ("2026-09-21T16:00:00Z", "We remind you 3 days before and 1 day before.", ["reminder-1d", "reminder-3d"]),
    ],
    ids=["today", "tomorrow", "in three days", "next week"],
)  # fmt: skip
def test_the_reminders_that_are_promised_are_those_that_are_written(
    client: FlaskClient, send: Send, app: Flask, time: str, sentence: str, kinds: list[str]
) -> None:
    page = f"/book/follow-up/details?time={time}&with=ana"
    assert sentence in client.get(page).text
    book(client, send, page)
    with app.app_context():
        written = sorted(row["kind"] for row in rows(Message) if row["kind"].startswith("reminder"))
    assert written == kinds


def test_nothing_more_to_do_is_said_only_where_it_is_so(client: FlaskClient, send: Send, app: Flask) -> None:
    assert "Nothing more to do." in booked_page(client, send)
    by_phone = {"email": "", "phone": "(818) 555-0123", "reminders": "none", "first_name": "Omar"}
    ten = DETAILS.replace("T16", "T17")
    assert "Nothing more to do." not in booked_page(client, send, ten, **by_phone)


def test_whoever_should_tell_us_something_has_something_to_do(
    client: FlaskClient, send: Send, app: Flask
) -> None:
    clinic_with(app, tell_us="Tell us about a pacemaker.")
    page = booked_page(client, send)
    assert "Nothing more to do." not in page and "Tell us about a pacemaker." in page


@pytest.mark.parametrize("reminders", ["call", "none"])
def test_without_an_e_mail_address_the_page_says_to_keep_it(
    client: FlaskClient, send: Send, reminders: str
) -> None:
    page = booked_page(client, send, email="", phone="818 555 0123", reminders=reminders)
    assert "Please keep this page, print it, or write the time down" in page
    assert "We reach you at …0123." in page
    assert "555-0123" not in page and "We wrote to" not in page


def test_whoever_is_texted_is_told_to_which_number(client: FlaskClient, send: Send) -> None:
    page = booked_page(
        client, send, email="", phone="(818) 555-0123", reminders="text", text_consent="y"
    )  # fmt: skip
    assert "We text …0123." in page and "Please keep this page" not in page


def test_a_visit_that_is_soon_does_not_promise_that_it_can_be_changed(
    client: FlaskClient, send: Send
) -> None:
    page = booked_page(client, send, "/book/follow-up/details?time=2026-09-14T20:00:00Z&with=ana")
    assert "Your visit is soon, so it can't be changed here." in page
    assert "You can change or cancel" not in page


@pytest.mark.parametrize(
    ("query", "back"),
    [
        ("time=2026-09-15T16:00:00Z&with=ana", "/book/follow-up?with=ana&from=2026-09-15"),
        ("time=2026-09-15T16:00:00Z&with=ana&anyone=1", "/book/follow-up?from=2026-09-15"),
        ("time=2026-09-14T20:00:00Z&with=ana", "/book/follow-up?with=ana"),
    ],
)
def test_choosing_another_time_keeps_the_day_and_the_person_asked_for(
    client: FlaskClient, query: str, back: str
) -> None:
    page = unescape(client.get(f"/book/follow-up/details?{query}").text)
    assert f'<a href="{back}">Choose another time</a>' in page


def test_ten_holds_of_a_network_stop_nobody_from_booking(app: Flask) -> None:
    starts = [f"2026-09-{day}T{hour}:00:00Z" for day in (15, 16) for hour in (16, 17, 18, 20, 21, 22)]
    for start in starts:
        visitor = app.test_client()
        held = visitor.post(
            "/book/follow-up/time",
            data=fields(visitor.get("/book/follow-up").text) | {"time": f"{start} ana"},
        )
        assert held.status_code == 303
    with app.app_context():
        assert len(rows(Hold)) == 10
    # The twelfth visitor, who holds nothing, books.
    details = held.headers["Location"]
    answer = visitor.post(details.partition("?")[0], data=fields(visitor.get(details).text) | ROSA)
    assert answer.status_code == 303


def test_a_rate_limit_keeps_what_was_typed(
    client: FlaskClient,
    send: Send,
    app: Flask,
    monkeypatch: pytest.MonkeyPatch,
    standing_clock: StandingClock,
) -> None:
    monkeypatch.setitem(limits.RATES, "book", parse("1 per 10 minutes"))
    assert book(client, send, first_name="").status_code == 422
    answer = book(client, send, note="Stairs are hard.")
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert 'name="note" value="Stairs are hard."' in answer.text
    assert 'name="email" value="rosa@example.com"' in answer.text
    standing_clock.at(MONDAY + timedelta(minutes=10))
    assert send(answer, "/book/follow-up/details").status_code == 303
    assert the_one(app, Appointment)["note"] == "Stairs are hard."


UNREADABLE = [
    ("email", "rosa"), ("email", "rosa@"), ("email", "rosa@example"), ("email", "rosa lima@example.com"),
    ("email", "rosa@example.com, omar@example.com"), ("email", "rösa@example.com"), ("email", "a" * 250 + "@example.com"),
    ("phone", "818"), ("phone", "rosa"), ("phone", "(818) 555-0100 ext. 5"), ("phone", "+"), ("phone", "1" * 100),
    ("phone", "٨١٨"),
]  # fmt: skip


def test_a_contact_that_can_not_be_read_is_kept_as_typed(client: FlaskClient, send: Send, app: Flask) -> None:
    for field, typed in UNREADABLE:
        answer = book(client, send, **{"phone": "(818) 555-0123", "reminders": "none"} | {field: typed})
        assert answer.status_code == 422, typed
        assert f'name="{field}" value="{typed}"' in unescape(answer.text)
        assert f'<a href="#{field}">' in answer.text and f'id="{field}-error-1"' in answer.text
    with app.app_context():
        assert rows(Appointment) == []


def test_both_contacts_that_can_not_be_read_are_told(client: FlaskClient, send: Send) -> None:
    answer = book(client, send, email="rosa", phone="12")
    assert '<a href="#email">' in answer.text and '<a href="#phone">' in answer.text


def test_an_e_mail_of_spaces_is_none(client: FlaskClient, send: Send, app: Flask) -> None:
    assert book(client, send, email="   ").status_code == 422
    assert book(client, send, email="   ", phone=" ", reminders="none").status_code == 422
    assert book(client, send, email="   ", phone="(818) 555-0123", reminders="none").status_code == 303
    row = the_one(app, Appointment)
    assert (row["email"], row["phone"]) == (None, "+18185550123")


def test_a_contact_is_read_whatever_spaces_stand_around_it(
    client: FlaskClient, send: Send, app: Flask
) -> None:
    assert book(client, send, email=" Rosa@Example.COM ", phone=" 818.555.0123 ").status_code == 303
    row = the_one(app, Appointment)
    assert (row["email"], row["phone"]) == ("rosa@example.com", "+18185550123")


def test_more_visits_than_one_may_book_name_the_phone_and_keep_what_was_typed(
    client: FlaskClient, send: Send, app: Flask
) -> None:
    with app.app_context():
        set_up(clinic(rules={"visits_without_staff": 1}))
    assert book(client, send).status_code == 303
    answer = book(client, send, DETAILS.replace("T16", "T18"), note="Stairs are hard.")
    assert answer.status_code == 409
    assert "To book more, please call us at (818) 555-0100." in answer.text
    assert "Stairs are hard." in answer.text


@pytest.mark.parametrize("contact", ["rosa@example.com", "(818) 555-0123"])
def test_asking_for_a_link_gets_the_same_answer_whether_we_know_the_contact_or_not(
    app: Flask, client: FlaskClient, send: Send, contact: str
) -> None:
    def asked() -> tuple[int, str, str]:
        visitor = app.test_client()
        sent = visitor.post("/my-visit", data=fields(visitor.get("/my-visit").text) | {"contact": contact})
        page = visitor.get(sent.headers["Location"]).text
        return sent.status_code, sent.text, re.sub(r'name="csrf_token" value="[^"]+"', "", page)

    unknown = asked()
    assert unknown[0] == 303 and "If we know this address or number" in unknown[2]
    book(client, send, phone="(818) 555-0123")
    assert asked() == unknown
    with app.app_context():
        wanted = [row for row in rows(Message) if row["kind"] == "links"]
    assert len(wanted) == 2


def test_a_contact_that_is_none_is_told_beside_the_field(client: FlaskClient, send: Send) -> None:
    answer = send(client.get("/my-visit"), "/my-visit", contact="rosa at example")
    assert answer.status_code == 422
    assert 'value="rosa at example"' in answer.text and 'id="contact-error-1"' in answer.text
