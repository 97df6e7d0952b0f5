"""The patient's link: what it shows, what can be done by it and until when, and that looking changes nothing."""

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from icalendar import Calendar
from sqlalchemy import select, update

from booking.extensions import db
from booking.models import Appointment, Message
from booking.services import visits
from booking.services.rescheduling import reschedule
from tests.conftest import MONDAY, StandingClock
from tests.services.making import NEXT_WEEK, booked, rows
from tests.web.conftest import Send, fields

# Monday in a week, 9 am; its cut-off, a day before; and other times of that week.
CUT_OFF = NEXT_WEEK - timedelta(days=1)
TUESDAY = "2026-09-22T16:00:00Z"
THIS_AFTERNOON = "2026-09-14T20:00:00Z"


def link_of(app: Flask, **how: Any) -> str:
    with app.app_context():
        visit = booked(NEXT_WEEK, **how)
        return f"/visit/{visit.reference}/{visit.token}"


@pytest.fixture
def link(app: Flask) -> str:
    """The link of Rosa's visit with Ana."""
    return link_of(app)


def only_visit(app: Flask) -> Any:
    with app.app_context():
        (row,) = rows(Appointment)
        return row


def told(app: Flask) -> list[str]:
    with app.app_context():
        return [row["kind"] for row in rows(Message) if not row["kind"].startswith("reminder")]


def everything(app: Flask) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables."""
    with app.app_context(), db.engine.connect() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))]
            for table in db.metadata.sorted_tables
        }


def test_until_the_cut_off_a_visit_can_be_moved_and_cancelled(
    client: FlaskClient, link: str, standing_clock: StandingClock
) -> None:
    standing_clock.at(CUT_OFF)
    page = client.get(link).text
    assert "Move to another time" in page and "Cancel the visit" in page
    assert "I can't come" not in unescape(page)


def test_after_the_cut_off_the_page_says_why_and_whom_to_call(
    client: FlaskClient, link: str, standing_clock: StandingClock
) -> None:
    standing_clock.at(CUT_OFF + timedelta(seconds=1))
    page = client.get(link).text
    assert "Changes here ended Sunday, September 20, 2026, 9:00 am" in page
    assert "because somebody else may need the time" in page
    assert 'href="tel:+18185550100">(818) 555-0100</a> (Monday to Friday 9 am to 5 pm)' in page
    assert "Move to another time" not in page and "Cancel the visit" not in page
    for closed in ("move", "cancel"):
        assert client.get(f"{link}/{closed}").headers["Location"] == link


@pytest.mark.parametrize(
    ("change", "typed"), [("cancel", {"reason": ""}), ("move", {"time": f"{TUESDAY} ana", "sure": "1"})]
)
def test_a_page_from_before_the_cut_off_changes_nothing_after_it(
    client: FlaskClient,
    send: Send,
    app: Flask,
    link: str,
    standing_clock: StandingClock,
    change: str,
    typed: dict[str, str],
) -> None:
    page = client.get(f"{link}/{change}")
    standing_clock.at(CUT_OFF + timedelta(seconds=1))
    answer = send(page, f"{link}/{change}", **typed)
    assert answer.status_code == 409
    assert "Please call us at (818) 555-0100." in answer.text
    assert (only_visit(app)["status"], only_visit(app)["version"]) == ("booked", 1)


def test_i_can_not_come_is_told_at_once_and_can_be_taken_back(
    client: FlaskClient, send: Send, app: Flask, link: str, standing_clock: StandingClock
) -> None:
    standing_clock.at(NEXT_WEEK - timedelta(hours=3))
    page = client.get(link)
    assert "and we hear of it at once" in page.text
    assert send(page, f"{link}/cannot-come").headers["Location"] == link
    page = client.get(link)
    assert "We know that you can't come." in unescape(page.text)
    assert page.text.count("/cannot-come") == 0
    assert only_visit(app)["status"] == "booked"
    send(page, f"{link}/confirm")
    page = client.get(link)
    assert "We know that you are coming." in page.text and "/cannot-come" in page.text
    assert told(app)[-2:] == ["cannot-come", "comes-after-all"]


def test_saying_yes_twice_is_kept_once(client: FlaskClient, send: Send, app: Flask, link: str) -> None:
    page = client.get(link)
    for _ in range(2):
        assert send(page, f"{link}/confirm").status_code == 303
    assert only_visit(app)["version"] == 2
    assert "Yes, I'm coming" not in unescape(client.get(link).text)


def test_a_corrected_contact_has_a_new_link_and_the_old_one_opens_nothing(
    client: FlaskClient, send: Send, app: Flask, link: str
) -> None:
    page = client.get(f"{link}/contact")
    answer = send(page, f"{link}/contact", email="Rosa@Right.example", phone="")
    assert answer.status_code == 303
    where = answer.headers["Location"]
    shown = client.get(where)
    assert "It is corrected." in shown.text and "r…@right.example" in shown.text
    assert not where.startswith(link)
    assert client.get(link).status_code == 404
    assert client.get(where.removesuffix("/booked")).status_code == 200
    assert only_visit(app)["email"] == "rosa@right.example"
    # The thanks are for this visit to the page only.
    assert "It is corrected." not in client.get(where).text


def test_contacts_that_can_not_be_read_are_kept_and_told_both(
    client: FlaskClient, send: Send, app: Flask, link: str
) -> None:
    answer = send(client.get(f"{link}/contact"), f"{link}/contact", email="rosa at example", phone="12")
    assert answer.status_code == 422
    assert 'value="rosa at example"' in answer.text and 'value="12"' in answer.text
    for problem in ("Please write an e-mail address like", "Please write a phone number with area code"):
        assert answer.text.count(problem) == 2
    assert only_visit(app)["version"] == 1


@pytest.mark.parametrize(
    ("reminders", "typed"),
    [
        ("email", {"email": "", "phone": "(818) 555-0123"}),
        ("call", {"email": "rosa@right.example", "phone": ""}),
        ("none", {"email": "", "phone": ""}),
        ("none", {"email": "  ", "phone": " "}),
    ],
)
def test_a_contact_that_the_reminders_need_is_not_taken_away(
    client: FlaskClient, send: Send, app: Flask, reminders: str, typed: dict[str, str]
) -> None:
    mine = link_of(app, reminders=reminders, phone="+18185550199")
    answer = send(client.get(f"{mine}/contact"), f"{mine}/contact", **typed)
    assert answer.status_code == 422
    assert "The reminders don't fit the contact that was given." in unescape(answer.text)
    for value in filter(str.strip, typed.values()):
        assert f'value="{value}"' in answer.text
    assert only_visit(app)["version"] == 1


def test_a_moved_visit_says_what_its_time_was_once(
    client: FlaskClient, send: Send, app: Flask, link: str
) -> None:
    page = client.get(f"{link}/move")
    answer = send(page, f"{link}/move", time=f"{TUESDAY} ben")
    assert answer.headers["Location"] == link
    shown = client.get(link).text
    assert "Your visit is moved." in shown
    assert "It was Monday, September 21, 2026, 9:00 am." in shown
    assert "Tuesday, September 22, 2026, 9:00 am" in shown and "Ben Okoro" in shown
    assert "Your visit is moved." not in client.get(link).text


def test_a_move_to_a_time_past_its_cut_off_asks_first(
    client: FlaskClient, send: Send, app: Flask, link: str
) -> None:
    page = client.get(f"{link}/move")
    asked = send(page, f"{link}/move", time=f"{THIS_AFTERNOON} ana")
    assert asked.status_code == 200
    assert "Move it to a time that is soon?" in asked.text
    assert "From Monday, September 21, 2026, 9:00 am to Monday, September 14, 2026, 1:00 pm" in asked.text
    assert "(818) 555-0100" in asked.text and "Please cancel a day before." in asked.text
    assert only_visit(app)["version"] == 1
    assert send(asked, f"{link}/move").status_code == 303
    assert only_visit(app)["version"] == 2
    assert "Changes here ended" in client.get(link).text


@pytest.mark.parametrize("time", ["2026-09-15T16:00:00Z", TUESDAY])
def test_a_move_that_can_still_be_changed_asks_nothing(
    client: FlaskClient, send: Send, link: str, time: str
) -> None:
    assert send(client.get(f"{link}/move"), f"{link}/move", time=f"{time} ana").status_code == 303


def test_the_present_time_is_marked_and_the_own_practitioner_comes_first(
    client: FlaskClient, link: str
) -> None:
    page = client.get(f"{link}/move?day=2026-09-21").text
    assert re.search(r'<span class="now">9:00 am<small>as it is now</small>', page)
    assert "<strong>Ana Ruiz</strong></span></summary>" in page
    assert "2026-09-21T16:15:00Z ana" in page and " ben" not in "".join(
        re.findall(r'name="time" value="([^"]+)"', page)
    )
    anyone = client.get(f"{link}/move?day=2026-09-21&with=anyone").text
    assert "<strong>First available</strong></span></summary>" in anyone


def test_a_move_to_a_time_that_was_just_taken_shows_others_and_moves_nothing(
    client: FlaskClient, send: Send, app: Flask, link: str
) -> None:
    page = client.get(f"{link}/move?with=ana&day=2026-09-22")
    with app.app_context():
        booked(NEXT_WEEK + timedelta(days=1), practitioner="ana", first_name="Omar", email="omar@example.com")
    answer = send(page, f"{link}/move", time=f"{TUESDAY} ana")
    assert answer.status_code == 409
    assert "Somebody else has just taken 9:00 am." in answer.text
    assert answer.text.count("<span>Tue, Sep 22") >= 2
    with app.app_context():
        assert [row["version"] for row in rows(Appointment)] == [1, 1]


def moved(app: Flask, link: str) -> None:
    _, reference, token = link.strip("/").split("/")
    with app.app_context():
        reschedule(reference, token, NEXT_WEEK + timedelta(days=2), "ben", actor="test", key="elsewhere")


def cancelled(app: Flask, link: str, reason: str = "") -> None:
    _, reference, token = link.strip("/").split("/")
    with app.app_context():
        visits.cancel(reference, token, reason, actor="test", key="elsewhere")


@pytest.mark.parametrize(
    ("meanwhile", "now"), [(moved, "Wednesday, September 23, 2026, 9:00 am"), (cancelled, "cancelled")]
)
def test_a_stale_move_shows_both_states(
    client: FlaskClient, send: Send, app: Flask, link: str, meanwhile: Callable[..., None], now: str
) -> None:
    page = client.get(f"{link}/move")
    meanwhile(app, link)
    answer = send(page, f"{link}/move", time=f"{TUESDAY} ana")
    assert answer.status_code == 409
    assert f"You saw: Monday, September 21, 2026, 9:00 am. Now it is: {now}." in answer.text
    assert only_visit(app)["version"] == 2


def test_a_stale_cancellation_and_a_stale_correction_show_both_states(
    client: FlaskClient, send: Send, app: Flask, link: str
) -> None:
    cancelling, correcting = client.get(f"{link}/cancel"), client.get(f"{link}/contact")
    moved(app, link)
    for answer in (
        send(cancelling, f"{link}/cancel", reason=""),
        send(correcting, f"{link}/contact", email="rosa@right.example"),
    ):
        assert answer.status_code == 409
        assert "You saw: Monday, September 21, 2026, 9:00 am. Now it is: Wednesday" in answer.text
    assert (only_visit(app)["status"], only_visit(app)["email"]) == ("booked", "rosa@example.com")


@pytest.mark.parametrize("reason", ["", "Feeling better"])
def test_a_visit_is_cancelled_with_and_without_a_reason(
    client: FlaskClient, send: Send, app: Flask, link: str, reason: str
) -> None:
    answer = send(client.get(f"{link}/cancel"), f"{link}/cancel", reason=reason)
    assert answer.headers["Location"] == link
    row = only_visit(app)
    assert (row["status"], row["cancel_reason"]) == ("cancelled", reason)
    assert told(app)[-1] == "cancellation"
    assert "We are writing to r…@example.com." in client.get(link).text
    assert "We are writing" not in client.get(link).text, "it is said once"


def test_a_reason_that_is_too_long_is_kept(client: FlaskClient, send: Send, app: Flask, link: str) -> None:
    answer = send(client.get(f"{link}/cancel"), f"{link}/cancel", reason="long " * 101)
    assert answer.status_code == 422
    assert "<title>Error:" in answer.text and "long long long" in answer.text
    assert only_visit(app)["status"] == "booked"


def test_a_cancelled_visit_says_so_and_leads_to_another(client: FlaskClient, app: Flask, link: str) -> None:
    cancelled(app, link)
    page = client.get(link).text
    assert "This visit is cancelled." in page
    assert "Cancelled: Monday, September 21, 2026, 9:00 am" in page
    assert 'href="/book/follow-up"' in page and "Move to another time" not in page
    for closed in ("booked", "move", "cancel"):
        assert client.get(f"{link}/{closed}").headers["Location"] == link


@pytest.mark.parametrize("change", ["confirm", "cannot-come"])
def test_what_is_cancelled_or_over_can_not_be_changed(
    client: FlaskClient, send: Send, app: Flask, link: str, standing_clock: StandingClock, change: str
) -> None:
    page = client.get(link)
    standing_clock.at(NEXT_WEEK)
    answer = send(page, f"{link}/{change}")
    assert answer.status_code == 409
    assert "This visit can't be changed any more." in unescape(answer.text)
    assert only_visit(app)["version"] == 1


def test_a_past_visit_leads_to_the_next(
    client: FlaskClient, link: str, standing_clock: StandingClock
) -> None:
    standing_clock.at(NEXT_WEEK + timedelta(hours=2))
    page = client.get(link).text
    assert "This visit is over." in page
    assert 'href="/book/follow-up?with=ana">Book the next visit' in page
    assert "Yes, I'm coming" not in unescape(page) and "I can't come" not in unescape(page)
    assert client.get(f"{link}/booked").headers["Location"] == link


def test_the_calendar_file_says_the_least(client: FlaskClient, link: str) -> None:
    answer = client.get(f"{link}/calendar.ics")
    assert answer.mimetype == "text/calendar"
    assert answer.headers["Content-Disposition"].endswith('.ics"')
    calendar = Calendar.from_ical(answer.data)
    (entry,) = calendar.walk("VEVENT")
    assert calendar["METHOD"] == "PUBLISH"
    assert entry["DTSTART"].dt == NEXT_WEEK and entry["DTEND"].dt == NEXT_WEEK + timedelta(minutes=30)
    assert f"http://visits.example{link}" in entry["DESCRIPTION"]
    assert "does not cancel the visit" in entry["DESCRIPTION"]
    assert "Follow" not in answer.text and "Rosa" not in answer.text


def test_links_lead_to_the_usual_calendars(client: FlaskClient, link: str) -> None:
    hrefs = [unescape(href) for href in re.findall(r'href="(https://[^"]+)"', client.get(link).text)]
    found = {urlsplit(href).hostname: parse_qs(urlsplit(href).query) for href in hrefs}
    assert set(found) == {"calendar.google.com", "outlook.live.com", "calendar.yahoo.com"}
    assert found["calendar.google.com"]["dates"] == ["20260921T160000Z/20260921T163000Z"]
    assert found["outlook.live.com"]["startdt"] == ["2026-09-21T16:00:00Z"]
    assert found["calendar.yahoo.com"]["et"] == ["20260921T163000Z"]
    assert all(
        "Visit at Test Clinic" in str(asked) and "Follow" not in str(asked) for asked in found.values()
    )


def paths_to_look_at(app: Flask, link: str) -> list[str]:
    """Every page of the patients, with names that exist."""
    _, reference, token = link.strip("/").split("/")
    names = {
        "reference": reference,
        "token": token,
        "visit_type": "follow-up",
        "modality": "care",
        "practitioner": "ana",
    }
    with app.test_request_context():
        rules = [rule for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ())]
        # Those of plans are looked at in test_plan_pages, those of two visits on one day in test_series_pages.
        pages = [
            rule
            for rule in rules
            if rule.endpoint.startswith("patient.") and not rule.rule.startswith(("/plan", "/together/"))
        ]
        return [rule.build({name: names[name] for name in rule.arguments})[1] for rule in pages]  # type: ignore[index]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_looking_changes_nothing(
    client: FlaskClient, send: Send, app: Flask, link: str, method: str, standing_clock: StandingClock
) -> None:
    before = everything(app)
    paths = paths_to_look_at(app, link)
    assert link in paths and len(paths) > 12
    for at in (MONDAY, NEXT_WEEK - timedelta(hours=1), NEXT_WEEK + timedelta(days=1)):
        standing_clock.at(at)
        for path in (*paths, "/book/follow-up/details?time=2026-09-15T16:00:00Z&with=ana"):
            assert client.open(path, method=method).status_code < 400, path
    assert everything(app) == before
    # What is compared would show a change.
    standing_clock.at(MONDAY)
    send(client.get(link), f"{link}/confirm")
    assert everything(app) != before


@pytest.mark.parametrize("more", ["", "/booked", "/calendar.ics", "/contact", "/cancel", "/move"])
def test_a_revoked_link_opens_nothing(client: FlaskClient, app: Flask, link: str, more: str) -> None:
    assert client.get(f"{link}{more}").status_code == 200
    with app.app_context(), db.engine.begin() as connection:
        connection.execute(update(Appointment).values(link_number=2))
    assert client.get(f"{link}{more}").status_code == 404


def test_a_link_ends_thirty_days_after_the_visit(
    client: FlaskClient, link: str, standing_clock: StandingClock
) -> None:
    standing_clock.at(NEXT_WEEK + timedelta(days=30, minutes=30))
    assert client.get(link).status_code == 200
    standing_clock.on(seconds=1)
    for path in (link, f"{link}/calendar.ics", f"{link}/contact"):
        answer = client.get(path)
        assert answer.status_code == 404
        assert "the link may have ended" in answer.text


def test_a_change_by_a_wrong_link_is_not_found(
    client: FlaskClient, send: Send, app: Flask, link: str
) -> None:
    wrong = f"{link[:-1]}{'a' if link[-1] != 'a' else 'b'}"
    for change, typed in (
        ("confirm", {}),
        ("cannot-come", {}),
        ("cancel", {"reason": ""}),
        ("contact", {"email": "omar@example.com"}),
        ("move", {"time": f"{TUESDAY} ana"}),
    ):
        page = client.get(link if change in ("confirm", "cannot-come") else f"{link}/{change}")
        assert client.post(f"{wrong}/{change}", data=fields(page.text) | typed).status_code == 404, change
    assert only_visit(app)["version"] == 1


def test_the_short_link_of_a_text_leads_to_the_visit(client: FlaskClient, link: str) -> None:
    answer = client.get(link.replace("/visit/", "/v/"))
    assert answer.status_code in (302, 303, 307)
    assert answer.headers["Location"] == link
