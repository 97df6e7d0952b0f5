"""The practitioner's pages: today with its taps, the week, time off, the calendar feed; and nothing that isn't theirs."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event

from booking.errors import Busy
from booking.extensions import db
from booking.models import Absence, Actor, Appointment, AuditEntry, Role
from booking.services.booking import Booked
from booking.services.desk import statuses, undoing
from booking.services.own_day import feed as feeds
from booking.services.staff.who import Who
from tests.clinics import clinic, needled, practitioner, set_up, visit_type
from tests.conftest import StandingClock, standing
from tests.services.making import NINE, booked, heard, rows
from tests.staffing import hired, signed_in
from tests.web.conftest import fields, on_both

# Early enough to book that day at nine.
TUESDAY = NINE - timedelta(hours=3)
CLINIC = clinic(
    visit_types=[visit_type(name="Follow-up"), needled(name="Needles")],
    practitioners=[
        practitioner("ana", name="Ana Ruiz", offers=["follow-up", "needles"]),
        practitioner("ben", name="Ben Okoro"),
        practitioner("lin", name="Linh Pham", offers=["needles"]),
    ],
)


@pytest.fixture
def app(database_url: str, standing_clock: StandingClock) -> Iterator[Flask]:
    with standing(database_url) as app:
        with app.app_context():
            set_up(CLINIC)
        standing_clock.at(TUESDAY)
        yield app


@pytest.fixture
def ana(app: Flask) -> Who:
    with app.app_context():
        return hired(Role.PRACTITIONER, practitioner="ana", name="Ana Ruiz", email="ana@clinic.example")


@pytest.fixture
def page(app: Flask, ana: Who) -> FlaskClient:
    return signed_in(app, ana)


def with_ana(app: Flask, **how: Any) -> Booked:
    with app.app_context():
        return booked(**({"practitioner": "ana"} | how))


def with_ben(app: Flask, **how: Any) -> Booked:
    patient = {"first_name": "Tom", "last_name": "Berg", "email": "tom@example.com"}
    with app.app_context():
        return booked(**({"practitioner": "ben"} | patient | how))


def post(page: FlaskClient, path: str, data: dict[str, str]) -> Any:
    """A form without its page, with the token that the browser has."""
    token = re.search(r'name="csrf_token" value="([^"]+)"', page.get("/mine/feed").text)
    assert token
    return page.post(path, data={"csrf_token": token[1]} | data)


def without_tokens(page: str) -> str:
    return re.sub(r'(name="csrf_token" value|name="csrf-token" content)="[^"]*"', "", page)


def tap(page: FlaskClient, reference: str, to: str, **more: str) -> Any:
    """Taps a button of today's page, as its form sends it."""
    today = page.get("/mine/today").text
    form = re.search(rf'<form[^>]*/visits/{reference}/status".*?value="{to}".*?</form>', today, re.DOTALL)
    assert form, f"{to} isn't offered"
    sent = fields(form[0].rpartition("<form")[2])
    return page.post(f"/mine/visits/{reference}/status", data=sent | {"to": to} | more)


@pytest.fixture
def statements(app: Flask) -> Iterator[list[str]]:
    said: list[str] = []

    def heard(_c: Any, _k: Any, statement: str, *_: Any) -> None:
        said.append(statement)

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", heard)
    yield said
    event.remove(engine, "before_cursor_execute", heard)


def test_today_has_the_next_patient_on_top_and_the_day_as_a_list(
    app: Flask, page: FlaskClient, standing_clock: StandingClock
) -> None:
    with_ana(app, note="My knee, again.")
    with_ana(
        app, starts_at=NINE + timedelta(hours=2), first_name="Noor", last_name="Aziz", email="n@example.com"
    )
    with_ben(app)
    shown = page.get("/mine/today")
    assert shown.status_code == 200
    words = re.sub(r"<[^>]+>", " ", shown.text)
    words = re.sub(r"\s+", " ", words)
    assert "Next: 9:00 am Rosa Lima" in words and "My knee, again." in words and "Room 1" in words
    assert "Noor Aziz" in words and "Free, 90 minutes" in words and "Break" in words
    assert "Tom Berg" not in words
    assert words.index("Next: 9:00 am") < words.index("The day")


def test_a_day_without_visits_says_so(page: FlaskClient) -> None:
    assert "No visits today." in page.get("/mine/today").text


def test_a_poll_without_news_is_a_304_and_with_news_the_day_alone(
    app: Flask, page: FlaskClient, standing_clock: StandingClock
) -> None:
    first = page.get("/mine/today")
    polled = {"X-Poll": "1", "If-None-Match": f'"{first.headers["X-Etag"]}"'}
    assert page.get("/mine/today", headers=polled).status_code == 304
    standing_clock.on(minutes=1)
    assert page.get("/mine/today", headers=polled).status_code == 304
    with_ana(app)
    news = page.get("/mine/today", headers=polled)
    assert news.status_code == 200 and "Rosa Lima" in news.text and "<html" not in news.text


def test_today_costs_few_statements(
    app: Flask, page: FlaskClient, standing_clock: StandingClock, statements: list[str]
) -> None:
    for number in range(5):
        with_ana(app, starts_at=NINE + timedelta(minutes=30 * number), email=f"r{number}@example.com")
    page.get("/mine/today")
    with_ana(app, starts_at=NINE + timedelta(hours=4), email="late@example.com")
    statements.clear()
    assert page.get("/mine/today").status_code == 200
    said = [one for one in statements if not one.startswith(("BEGIN", "COMMIT", "ROLLBACK"))]
    assert len(said) <= 6, "\n".join(said)


def test_nothing_of_one_browser_is_in_the_page_of_another(app: Flask, ana: Who, page: FlaskClient) -> None:
    other = signed_in(app, ana, app.test_client())
    ours = set(re.findall(r'name="csrf_token" value="([^"]+)"', page.get("/mine/today").text))
    theirs = set(re.findall(r'name="csrf_token" value="([^"]+)"', other.get("/mine/today").text))
    assert ours and theirs and not ours & theirs
    assert "\x02" not in page.get("/mine/today").text


def test_the_audit_knows_who_looked(app: Flask, page: FlaskClient, standing_clock: StandingClock) -> None:
    reference = with_ana(app).reference
    page.get("/mine/today")
    page.get("/mine/today")
    page.get(f"/mine/visits/{reference}")
    with app.app_context():
        seen = [(row["what"], row["subject"]) for row in rows(AuditEntry) if row["kind"] == "read"]
    assert seen == [("saw own day", "day/2026-09-15"), ("opened visit", f"appointment/{reference}")]


def test_the_day_that_a_refused_tap_shows_is_seen(app: Flask, page: FlaskClient) -> None:
    reference = with_ana(app).reference
    refused = post(page, f"/mine/visits/{reference}/status", {"key": "12345678", "to": "needles-out"})
    assert refused.status_code == 409 and "Rosa" in refused.text
    with app.app_context():
        seen = [row["subject"] for row in rows(AuditEntry) if row["what"] == "saw own day"]
    assert seen == ["day/2026-09-15"]


def test_a_visit_of_ones_own_patient_is_shown_whoever_gives_it(app: Flask, page: FlaskClient) -> None:
    mine = with_ana(app).reference
    with app.app_context():
        other = booked(NINE + timedelta(days=1), practitioner="ben").reference
    shown = page.get(f"/mine/visits/{mine}")
    assert shown.status_code == 200 and other in shown.text and "Booked" in shown.text
    assert "Ben Okoro" in page.get(f"/mine/visits/{other}").text
    # Theirs to see, not theirs to tap.
    key = {"key": "12345678", "to": "arrived"}
    assert post(page, f"/mine/visits/{other}/status", key).status_code == 404


@pytest.mark.parametrize("what", ["", "/move"])
def test_somebody_elses_patient_is_not_there(app: Flask, page: FlaskClient, what: str) -> None:
    reference = with_ben(app).reference
    theirs, nobodys = page.get(f"/mine/visits/{reference}{what}"), page.get(f"/mine/visits/NOTTHERE22{what}")
    assert theirs.status_code == nobodys.status_code == 404
    assert without_tokens(theirs.text) == without_tokens(nobodys.text)


def test_the_week_and_the_month_show_visits(app: Flask, page: FlaskClient) -> None:
    with_ana(app)
    week = page.get("/mine/week/2026-09-15")
    assert week.status_code == 200 and "Rosa Lima" in week.text and "Sun, Sep 13" in week.text
    assert page.get("/mine/week").status_code == 200
    assert page.get("/mine/week?day=2026-10-01").location == "/mine/week/2026-10-01"
    month = page.get("/mine/month/2026-09")
    assert "September 2026" in month.text and "Rosa" not in month.text and "own-count" in month.text


@on_both
@pytest.mark.parametrize(
    "path",
    ["week/yesterday", "week/0001-01-01", "week/9999-12-31", "week/20260915", "week/2026-09-31", "month/2026-13",
     "month/x", "month/99999-01", "colleagues/2026-02-30", "visits/%00", "visits/x%20y"],
)  # fmt: skip
def test_an_absurd_address_is_not_there(page: FlaskClient, path: str) -> None:
    assert page.get(f"/mine/{path}").status_code == 404


def days_of(page: str) -> tuple[list[str], list[str]]:
    """The days of a week's page that a phone folds away, and those that it shows."""
    folded, _gap, _rest = page.partition("own-folded")[2].partition("</div>")
    every = re.findall(r'id="day-([\d-]+)"', page)
    away = re.findall(r'id="day-([\d-]+)"', folded)
    return away, [day for day in every if day not in away]


def test_the_present_week_begins_with_today_on_a_phone(
    app: Flask, ana: Who, page: FlaskClient, standing_clock: StandingClock
) -> None:
    standing_clock.at(NINE + timedelta(days=1))
    page = signed_in(app, ana)
    away, shown = days_of(page.get("/mine/week").text)
    assert (away, shown[0]) == (["2026-09-14", "2026-09-15"], "2026-09-16")
    assert 'href="#earlier"' in page.get("/mine/week").text
    for other in ("2026-09-01", "2026-10-01"):
        shown_then = page.get(f"/mine/week/{other}").text
        assert days_of(shown_then)[0] == [] and 'href="#earlier"' not in shown_then


def test_who_is_free_first_stands_first_in_a_line(
    app: Flask, ana: Who, standing_clock: StandingClock
) -> None:
    with app.app_context():
        set_up(
            clinic(
                practitioners=[
                    practitioner("ana", name="Ana Ruiz"),
                    practitioner("ben", name="Ben Okoro"),
                    practitioner("cora", name="Cora Lind"),
                    practitioner("dag", name="Dag Holm", hours={"friday": ["9:00-12:00"]}),
                ]
            )
        )
    with_ben(app)
    standing_clock.at(NINE + timedelta(minutes=10))
    lines = re.findall(
        r"<summary>(.*?)</summary>", signed_in(app, ana).get("/mine/colleagues").text, re.DOTALL
    )
    assert [" ".join(re.sub(r"<[^>]+>", " ", line).split()) for line in lines] == [
        "Cora Lind ○ free until 12:00 pm",
        "Ben Okoro ◐ free from 9:30 am",
        "Dag Holm – not in",
    ]


def test_colleagues_are_free_or_busy_without_names(app: Flask, page: FlaskClient) -> None:
    with_ben(app)
    shown = page.get("/mine/colleagues/2026-09-15").text
    assert "Ben Okoro" in shown and "9:00 am – 9:30 am" in shown and "9:30 am – 12:00 pm" in shown
    assert "Tom" not in shown and "Berg" not in shown and "Follow-up" not in shown


def test_colleagues_are_not_shown_where_the_clinic_doesnt_want_it(app: Flask, page: FlaskClient) -> None:
    with app.app_context():
        set_up(clinic(rules={"colleagues": "nothing"}))
    assert page.get("/mine/colleagues").status_code == 404
    assert "Colleagues" not in page.get("/mine/week").text


def send_time_off(page: FlaskClient, path: str = "/mine/time-off", **typed: str) -> Any:
    return page.post(path, data=fields(page.get(path).text) | typed)


def test_time_off_is_entered_and_taken_back(app: Flask, page: FlaskClient) -> None:
    lunch = {"first": "2026-09-15", "opens": "11:00", "closes": "12:00", "reason": "Dentist"}
    assert send_time_off(page, **lunch).status_code == 303
    shown = page.get("/mine/time-off").text
    assert "Tue, Sep 15, 11:00 am – 12:00 pm" in shown and "Dentist" in shown
    (entered,) = absences(app)
    assert entered["account_id"] is not None
    sent = {"key": "abcdefgh"}
    assert post(page, f"/mine/time-off/{entered['id']}/take-back", sent).status_code == 303
    assert absences(app) == []


def test_visits_beyond_the_first_page_lead_to_their_free_times(
    app: Flask, page: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("booking.services.own_day.time_off.TIMES_A_PAGE", 2)
    for n in range(3):
        with_ana(app, starts_at=NINE + timedelta(minutes=30 * n), email=f"r{n}@example.com")
    send_time_off(page, first="2026-09-15")
    page.get("/mine/time-off")
    first = page.get("/mine/time-off").text
    (onward,) = re.findall(r'href="(/mine/time-off\?page=\d[^"]*)"', first)
    assert first.count("could move to") == 2
    later = page.get(onward).text
    assert later.count("could move to") == 1 and "/mine/time-off?page=1#off-" in later
    assert page.get("/mine/time-off?page=0").text.count("could move to") == 2
    assert page.get("/mine/time-off?page=x").status_code == 422


def test_what_is_entered_beyond_the_first_page_leads_from_the_top_to_its_free_times(
    app: Flask, page: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("booking.services.own_day.time_off.TIMES_A_PAGE", 2)
    for n in (0, 1, 48, 49):
        with_ana(app, starts_at=NINE + timedelta(minutes=30 * n), email=f"r{n}@example.com")
    send_time_off(page, first="2026-09-15")
    top, _, below = page.get("/mine/time-off").text.partition("own-form")
    (there,) = re.findall(r'href="#([^"]*)">Look at them', top)
    assert f'id="{there}"' in below and "could move to" not in top
    assert below.count("could move to") == 2 and below.count("Rosa Lima</a>") == 2
    send_time_off(page, first="2026-09-16")
    top, _, below = page.get("/mine/time-off").text.partition("own-form")
    (onward,) = re.findall(r'href="(/mine/time-off\?page=2#[^"]*)"', top)
    assert onward in below
    assert page.get(onward).text.count("could move to") == 2


def test_what_is_entered_behind_a_long_list_is_said_and_found(
    app: Flask, page: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("booking.services.own_day.time_off.LISTED", 2)
    with_ana(app, starts_at=NINE + timedelta(days=7))
    send_time_off(page, first="2026-09-16", last="2026-09-18", opens="10:00", closes="11:00")
    assert said_on_top(page).startswith("Time off is entered on 3 days. Nobody is booked then.")
    send_time_off(page, first="2026-09-22", reason="Dentist")
    shown = page.get("/mine/time-off").text
    top, _, below = shown.partition("own-form")
    assert "Tue, Sep 22" in top and "1 visit is booked then." in top and "Dentist" not in below
    (there,) = re.findall(r'href="([^"]*)">Look at it', top)
    path, _, anchor = there.partition("#")
    assert f'id="{anchor}"' in page.get(path).text and "could move to" in page.get(path).text
    # All of it is reached by going on, each once.
    (later,) = re.findall(r'href="([^"]*)">Later', below)
    onward = page.get(later).text
    assert re.findall(r"Take back<[^>]*>: (\w+, \w+ \d+)", shown + onward) == [
        f"{day}, Sep {n}" for day, n in (("Wed", 16), ("Thu", 17), ("Fri", 18), ("Tue", 22))
    ]
    assert ">Later" not in onward and 'href="/mine/time-off">From today on' in onward
    assert page.get("/mine/time-off?since=soon").status_code == 200


def said_on_top(page: FlaskClient, path: str = "/mine/time-off") -> str:
    """What the page says above its form, in words."""
    found = re.search(r'<div class="notice[^>]*role="status".*?</div>', page.get(path).text, re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", found[0]).split()) if found else ""


def button_words(page: FlaskClient) -> list[str]:
    found = re.findall(r"<button[^>]*>(.*?)</button>", page.get("/mine/time-off").text)
    return [re.sub(r"<[^>]+>", "", words) for words in found]


def test_what_was_entered_and_taken_back_is_said_on_top_once(app: Flask, page: FlaskClient) -> None:
    reference = with_ana(app).reference
    send_time_off(page, first="2026-09-15", opens="09:00", closes="12:00")
    assert page.get("/mine/time-off").text.count(f'/mine/visits/{reference}/move"') == 1
    assert said_on_top(page) == ""
    send_time_off(page, first="2026-09-15", opens="09:00", closes="12:00")
    said = said_on_top(page)
    assert said.startswith("Time off is entered: Tue, Sep 15, 9:00 am – 12:00 pm")
    assert "1 visit is booked then. It stays until somebody moves it. Look at it" in said
    send_time_off(page, first="2026-09-21")
    assert said_on_top(page) == "Time off is entered: Mon, Sep 21 Nobody is booked then."
    assert button_words(page)[-1] == "Take back: Mon, Sep 21"
    send_time_off(page, first="2026-09-22", last="2026-09-24", opens="09:00", closes="10:00")
    assert said_on_top(page).startswith("Time off is entered on 3 days.")
    number = absences(app)[0]["id"]
    post(page, f"/mine/time-off/{number}/take-back", {"key": "abcdefgh"})
    assert said_on_top(page) == "Taken back. This time can be booked again."


def test_time_off_where_nobody_works_anyway_is_taken_and_said(app: Flask, page: FlaskClient) -> None:
    send_time_off(page, first="2026-09-20")
    assert said_on_top(page) == (
        "Time off is entered: Sun, Sep 20 You don't work on that Sunday: nothing changes."
    ).replace("'", "&#39;")
    send_time_off(page, first="2026-09-18", last="2026-09-20", opens="09:00", closes="10:00")
    assert "You don&#39;t work then: Sat, Sep 19; Sun, Sep 20. Nothing changes there." in said_on_top(page)
    send_time_off(page, first="2026-09-18", opens="18:00", closes="19:00")
    assert "You don&#39;t work then: nothing changes." in said_on_top(page)
    assert len(absences(app)) == 5
    send_time_off(page, first="2026-09-18", opens="13:00")
    assert said_on_top(page).startswith("Time off is entered: Fri, Sep 18, 1:00 pm until midnight")
    with app.app_context():
        desk = signed_in(app, hired(Role.DESK))
    send_time_off(desk, "/desk/time-off", practitioner="ben", first="2026-09-20")
    said = said_on_top(desk, "/desk/time-off")
    assert "Ben Okoro, Sun, Sep 20" in said and "Ben Okoro doesn&#39;t work on that Sunday" in said


def test_time_off_names_what_is_booked_with_a_free_time_for_each(app: Flask, page: FlaskClient) -> None:
    reference = with_ana(app).reference
    send_time_off(page, first="2026-09-15", last="2026-09-16")
    shown = page.get("/mine/time-off").text
    assert "1 visit stands in it:" in shown and f"/mine/visits/{reference}/move" in shown
    assert re.search(r"could move to (Mon|Thu), Sep 1[47], .*?, with Ana Ruiz", shown)
    (there,) = re.findall(r'href="([^"]*/move\?[^"]*)"', shown)
    assert "Move it and tell the patient" in page.get(there).text
    with app.app_context():
        assert [row["status"] for row in rows(Appointment)] == ["booked"]


@on_both
@pytest.mark.parametrize(
    ("typed", "word"),
    [
        ({}, "Please write the first day."),
        ({"first": "soon"}, "Please write a date"),
        ({"first": "2026-09-15\x00"}, "Please write a date"),
        ({"first": "9" * 5000}, "Please write a date"),
        ({"first": "2999-01-01"}, "Please write a date"),
        ({"first": "2026-09-15", "last": "2026-09-14"}, "lies before the first"),
        ({"first": "2026-09-01"}, "These days are over."),
        ({"first": "2026-09-15", "last": "2027-12-31"}, "too long"),
        ({"first": "2026-09-15", "opens": "noon"}, "Please write a time"),
        ({"first": "2026-09-15", "opens": "12:03"}, "steps of five minutes"),
        ({"first": "2026-09-15", "opens": "14:00", "closes": "13:00"}, "ends before it begins"),
        ({"first": "2026-09-15", "reason": "x" * 600}, "Please shorten it to 200 letters: these are 600."),
    ],
)  # fmt: skip
def test_time_off_that_makes_no_sense_is_refused_with_a_word(
    app: Flask, page: FlaskClient, typed: dict[str, str], word: str
) -> None:
    answer = send_time_off(page, **typed)
    assert answer.status_code == 422 and word in answer.text
    assert typed.get("reason", "") in answer.text
    assert absences(app) == []


def test_all_that_is_wrong_with_time_off_is_said_at_once(app: Flask, page: FlaskClient) -> None:
    wrong = {
        "first": "2026-09-15",
        "last": "2026-09-14",
        "opens": "14:00",
        "closes": "13:00",
        "reason": "x" * 600,
    }
    answer = send_time_off(page, **wrong)
    said = answer.text.partition('id="errors"')[2].partition("</ul>")[0]
    for words in ("lies before the first", "ends before it begins", "Please shorten it"):
        assert words in said
    assert absences(app) == []


def test_somebody_elses_time_off_is_not_there(app: Flask, page: FlaskClient) -> None:
    with app.app_context():
        desk = signed_in(app, hired(Role.DESK))
    entered = send_time_off(desk, "/desk/time-off", practitioner="ben", first="2026-09-15")
    assert entered.status_code == 303 and "Ben Okoro" in desk.get("/desk/time-off").text
    assert "Sep 15" not in page.get("/mine/time-off").text
    (theirs,) = absences(app)
    for number in (theirs["id"], 999_999, 10**15):
        answer = post(page, f"/mine/time-off/{number}/take-back", {"key": "abcdefgh"})
        assert answer.status_code == 404
    assert len(absences(app)) == 1


@on_both
@pytest.mark.parametrize("whom", ["", "nobody", "x" * 500, "a\x00"])
def test_the_desk_says_who_is_away(app: Flask, whom: str) -> None:
    with app.app_context():
        desk = signed_in(app, hired(Role.DESK))
    answer = send_time_off(desk, "/desk/time-off", practitioner=whom, first="2026-09-15", reason="A cold")
    assert answer.status_code == 422 and "Please choose who is away." in answer.text
    assert "A cold" in answer.text


def absences(app: Flask) -> list[Any]:
    with app.app_context():
        return rows(Absence)


def wish(page: FlaskClient, name: str) -> Any:
    shown = page.get("/mine/feed").text
    form = re.search(rf"<form[^>]*>(?:(?!</form>).)*?value=\"{name}\".*?</form>", shown, re.DOTALL)
    assert form, f"{name} isn't offered"
    return page.post("/mine/feed", data=fields(form[0]) | {"wish": name})


def address_of(page: FlaskClient) -> str:
    found = re.search(r"https?://[^/]+(/feed/[\w-]+\.ics)", page.get("/mine/feed").text)
    assert found
    return found[1]


def test_a_feed_is_made_fetched_and_ended(app: Flask, page: FlaskClient) -> None:
    with_ana(app)
    assert "/feed/" not in page.get("/mine/feed").text.replace("/mine/feed", "")
    assert wish(page, "make").status_code == 303
    address = address_of(page)
    anybody = app.test_client()
    fetched = anybody.get(address)
    assert fetched.status_code == 200 and fetched.mimetype == "text/calendar"
    assert b"SUMMARY:R. L." in fetched.data
    again = anybody.get(address, headers={"If-None-Match": fetched.headers["ETag"]})
    assert again.status_code == 304 and again.data == b""
    compressed = fetched.headers["ETag"].rstrip('"') + ':gzip"'
    assert anybody.get(address, headers={"If-None-Match": compressed}).status_code == 304

    wish(page, "names")
    assert b"SUMMARY:Rosa Lima" in anybody.get(address, headers={"If-None-Match": compressed}).data
    wish(page, "make")
    assert anybody.get(address).status_code == 404
    newer = address_of(page)
    wish(page, "revoke")
    assert anybody.get(newer).status_code == 404
    wish(page, "make")
    assert address_of(page) not in (address, newer)
    assert anybody.get(newer).status_code == anybody.get(address).status_code == 404


@on_both
@pytest.mark.parametrize(
    "token", ["x", "1-", "0-aaaaaaaaaaaaaaaaaaaaaaaaaa", "1-aaaaaaaaaaaaaaaaaaaaaaaaaa", "é" * 40, "9" * 4000]
)
def test_a_wrong_feed_is_not_there(app: Flask, page: FlaskClient, token: str) -> None:
    assert app.test_client().get(f"/feed/{token}.ics").status_code == 404


def test_a_feed_ends_with_its_account(app: Flask, page: FlaskClient, ana: Who) -> None:
    wish(page, "make")
    address = address_of(page)
    with app.app_context(), db.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE staff_accounts SET active = false")
    assert app.test_client().get(address).status_code == 404


@on_both
@pytest.mark.parametrize(
    "data", [{}, {"wish": "make"}, {"key": "12345678"}, {"key": "12345678", "wish": "all\x00"}]
)
def test_a_wish_that_makes_no_sense_is_refused(page: FlaskClient, data: dict[str, str]) -> None:
    assert post(page, "/mine/feed", data).status_code == 422


def test_the_mail_of_the_evening_is_wished_and_stopped(app: Flask, page: FlaskClient) -> None:
    wish(page, "mail")
    assert "goes to ana@clinic.example" in page.get("/mine/feed").text
    wish(page, "no-mail")
    assert "Send me this mail" in page.get("/mine/feed").text


def test_nobody_but_a_practitioner_has_a_day_of_their_own(app: Flask) -> None:
    with app.app_context():
        desk, lost = hired(Role.DESK), hired(Role.PRACTITIONER, name="Not joined")
    for who in (desk, lost):
        client = signed_in(app, who)
        for path in ("today", "week", "month", "time-off", "feed", "colleagues"):
            assert client.get(f"/mine/{path}").status_code == 404


def test_a_link_of_the_feed_is_no_secret_of_a_row(app: Flask, ana: Who) -> None:
    with app.app_context():
        assert feeds.token(ana.account_id, 1) != feeds.token(ana.account_id, 2)
        assert feeds.token(ana.account_id, 1) != feeds.token(ana.account_id + 1, 1)


def test_taps_follow_a_visit_with_needles_and_are_taken_back(
    app: Flask, ana: Who, standing_clock: StandingClock
) -> None:
    reference = with_ana(app, visit_type="needles").reference
    standing_clock.at(NINE)
    page = signed_in(app, ana)
    assert tap(page, reference, "arrived").status_code == 303
    assert "Rosa Lima is here." in page.get("/mine/today").text
    for to in ("checked-in", "needles-in"):
        assert tap(page, reference, to).status_code == 303
    lying = page.get("/mine/today").text
    assert "Room 1: needles out at 9:25 am" in lying
    assert f'id="tap-{reference}-fulfilled"' not in lying
    for to in ("needles-out", "fulfilled"):
        assert tap(page, reference, to).status_code == 303
    undo = re.search(r'action="(/mine/undo/\d+)"', page.get("/mine/today").text)
    assert undo
    assert post(page, undo[1], {"key": "undo-1234"}).status_code == 303
    assert "Taken back." in page.get("/mine/today").text
    assert f'id="tap-{reference}-fulfilled"' in page.get("/mine/today").text


def test_the_last_few_taps_are_taken_back_one_after_the_other_and_are_no_news(
    app: Flask, ana: Who, standing_clock: StandingClock
) -> None:
    reference = with_ana(app, visit_type="needles").reference
    standing_clock.at(NINE)
    page = signed_in(app, ana)

    def told() -> tuple[str, str, str]:
        """What is said on the day, the words of its button, and the version that is one's own."""
        text = page.get("/mine/today").text
        toast = re.search(r'class="toast">\s*<p>(.*?)</p>(.*?)</div>', text, re.DOTALL)
        own = re.search(rf'data-own="{reference}" data-version="(\d+)"', text)
        assert toast and own and f'data-visit="{reference}" data-version="{own[1]}"' in text
        button = re.search(r"<button[^>]*>(.*?)</button>", toast[2])
        undo.append(re.search(r'action="(/mine/undo/\d+)"', toast[2]))
        return toast[1], button[1] if button else "", own[1]

    undo: list[Any] = []
    tap(page, reference, "arrived")
    assert told() == ("Rosa Lima is here.", "Undo", "2")
    tap(page, reference, "checked-in")
    assert told() == ("Rosa Lima is in the room.", "Undo", "3")
    assert post(page, undo[-1][1], {"key": "undo-0001"}).status_code == 303
    assert told() == ("Taken back.", "Undo as well: Rosa Lima is here.", "4")
    assert post(page, undo[-1][1], {"key": "undo-0002"}).status_code == 303
    assert told() == ("Taken back.", "", "5")
    assert f'id="tap-{reference}-arrived"' in page.get("/mine/today").text
    # Told once, and nothing of it to whoever signs in next in this browser.
    assert 'class="toast"' not in page.get("/mine/today").text
    tap(page, reference, "arrived")
    with app.app_context():
        ben = hired(Role.PRACTITIONER, practitioner="ben", name="Ben Okoro")
    with page.session_transaction() as kept:
        doing = kept["doing"]
    assert "Lima" not in str(doing)
    theirs = signed_in(app, ben)
    with theirs.session_transaction() as kept:
        kept["doing"] = doing
    assert "Rosa Lima is here." not in theirs.get("/mine/today").text


def test_a_tap_that_is_too_long_ago_is_not_offered_to_be_taken_back(
    app: Flask, ana: Who, standing_clock: StandingClock
) -> None:
    reference = with_ana(app, visit_type="needles").reference
    standing_clock.at(NINE)
    page = signed_in(app, ana)
    tap(page, reference, "arrived")
    for _ in range(3):
        standing_clock.on(minutes=4)
        page.get("/mine/today")
    tap(page, reference, "checked-in")
    undo = re.search(r'action="(/mine/undo/\d+)"', page.get("/mine/today").text)
    assert undo and post(page, undo[1], {"key": "undo-0001"}).status_code == 303
    text = page.get("/mine/today").text
    assert "Taken back." in text and "Undo as well" not in text


def test_a_tap_that_can_not_be_taken_back_just_now_still_can_a_little_later(
    app: Flask, ana: Who, standing_clock: StandingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = with_ana(app).reference
    standing_clock.at(NINE)
    page = signed_in(app, ana)
    tap(page, reference, "arrived")
    undo = re.search(r'action="(/mine/undo/\d+)"', page.get("/mine/today").text)
    assert undo

    def busy(*_: Any, **__: Any) -> None:
        raise Busy(retry_after=1)

    with monkeypatch.context() as patched:
        patched.setattr(undoing, "undo", busy)
        answer = post(page, undo[1], {"key": "undo-0001"})
    assert answer.status_code == 503 and 'value="undo-0001"' in answer.text
    with page.session_transaction() as kept:
        assert len(kept["doing"]["taps"]) == 1
    assert post(page, undo[1], {"key": "undo-0001"}).status_code == 303


def test_a_tap_on_what_a_colleague_changed_says_so(
    app: Flask, ana: Who, standing_clock: StandingClock
) -> None:
    reference = with_ana(app).reference
    standing_clock.at(NINE)
    page = signed_in(app, ana)
    old = tap(page, reference, "checked-in")
    assert old.status_code == 303
    stale = post(
        page, f"/mine/visits/{reference}/status", {"to": "noshow", "version": "1", "key": "a-no-show"}
    )
    assert stale.status_code == 409 and 'role="alert"' in stale.text and "In the room" in stale.text


@on_both
def test_ones_only_visit_of_a_patient_opens_when_it_was_cancelled_and_shows_nothing_else_of_them(
    app: Flask, page: FlaskClient
) -> None:
    visit = with_ana(app)
    with app.app_context():
        others = [booked(NINE + timedelta(days=days), practitioner="ben").reference for days in (1, 2)]
        for number, one in enumerate((visit.reference, others[1])):
            statuses.cancel(hired(), one, by=Actor.PATIENT, reason="Ill", key=f"cancel-0{number}")
    assert f"/mine/visits/{visit.reference}" in page.get("/mine/today").text
    shown = page.get(f"/mine/visits/{visit.reference}")
    assert shown.status_code == 200 and "Ill" in shown.text and "What happened" in shown.text
    assert all(words not in shown.text for words in ("Next visits", "Ben Okoro", *others))
    assert [page.get(f"/mine/visits/{other}").status_code for other in others] == [404, 404]
    assert (
        post(page, f"/mine/visits/{visit.reference}/status", {"to": "arrived", "key": "12345678"}).status_code
        == 409
    )
    with app.app_context():
        assert "opened visit" in [row["what"] for row in rows(AuditEntry)]
        booked(NINE + timedelta(days=3), practitioner="ana")
    assert "Next visits" in page.get(f"/mine/visits/{visit.reference}").text


@on_both
@pytest.mark.parametrize(
    ("data", "status"),
    [
        ({}, 422),
        ({"to": "arrived"}, 422),
        ({"to": "arrived", "key": "short"}, 422),
        ({"to": "arrived", "key": "\x00" * 10}, 422),
        ({"key": "12345678"}, 422),
        ({"to": "cancelled", "key": "12345678"}, 422),
        ({"to": "x" * 5000, "key": "12345678"}, 422),
        ({"to": "ar\x00rived", "key": "12345678"}, 422),
    ],
)
def test_a_tap_that_makes_no_sense_is_refused(
    app: Flask, page: FlaskClient, data: dict[str, str], status: int
) -> None:
    reference = with_ana(app).reference
    assert post(page, f"/mine/visits/{reference}/status", data).status_code == status


@pytest.mark.parametrize(
    "wanted", ["https://evil.example/", "//evil.example", "/mine/../\\evil", "/desk", "/mine/\r\nx"]
)
def test_a_tap_leads_to_pages_of_ones_own_only(
    app: Flask, ana: Who, standing_clock: StandingClock, wanted: str
) -> None:
    reference = with_ana(app).reference
    standing_clock.at(NINE)
    assert tap(signed_in(app, ana), reference, "arrived", next=wanted).location == "/mine/today"


def test_undo_of_what_isnt_ones_own_is_not_there(app: Flask, page: FlaskClient) -> None:
    with_ben(app)
    for entry in (1, 999_999, 10**12):
        assert post(page, f"/mine/undo/{entry}", {"key": "12345678"}).status_code == 404


@on_both
@pytest.mark.parametrize(
    "time", ["", "soon", "2026-09-15T17:01:00Z", "9" * 4000, "2026-09-17T17:00:00Z\x00 ana"]
)
def test_a_move_to_no_time_is_refused_with_a_word(app: Flask, page: FlaskClient, time: str) -> None:
    reference = with_ana(app).reference
    answer = post(page, f"/mine/visits/{reference}/move", {"time": time, "key": "12345678"})
    assert answer.status_code == 422 and "Please choose one of the times." in answer.text


def test_a_move_to_a_free_time_and_to_one_that_is_taken(app: Flask, page: FlaskClient) -> None:
    reference = with_ana(app).reference
    with_ana(app, starts_at=NINE + timedelta(hours=1), first_name="Noor", email="n@example.com")
    path = f"/mine/visits/{reference}/move"
    assert "The nearest free times" in page.get(path).text
    taken = post(page, path, {"time": "2026-09-15T17:00:00Z ana", "key": "12345678", "tell": "yes"})
    assert taken.status_code == 409 and 'role="alert"' in taken.text
    moved = post(page, path, {"time": "2026-09-15T18:00:00Z ana", "key": "12345679", "tell": "yes"})
    assert moved.status_code == 303
    assert "11:00 am" in page.get(f"/mine/visits/{reference}").text


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html.partition("<main")[2]).split())


def chosen(page: FlaskClient, reference: str, time: str) -> Any:
    """The page that says what this time would mean."""
    return page.get(f"/mine/visits/{reference}/move", query_string={"time": time})


def move_to(page: FlaskClient, reference: str, time: str, **more: str) -> Any:
    form = re.search(
        r'<form method="post" data-behaviour.*?</form>', chosen(page, reference, time).text, re.DOTALL
    )
    assert form
    return page.post(f"/mine/visits/{reference}/move", data=fields(form[0]) | {"tell": "yes"} | more)


def undo_last(page: FlaskClient, shown: str) -> Any:
    form = re.search(r'<form method="post" action="(/mine/undo/\d+)".*?</form>', shown, re.DOTALL)
    assert form
    return page.post(form[1], data=fields(form[0]))


def test_a_move_says_before_how_the_patient_is_told_and_is_taken_back(
    app: Flask, ana: Who, standing_clock: StandingClock
) -> None:
    reference = with_ana(app, phone="+18185550123").reference
    path = f"/mine/visits/{reference}"
    standing_clock.at(NINE - timedelta(hours=2))
    page = signed_in(app, ana)
    before = text_of(chosen(page, reference, "2026-09-15T18:00:00Z ana").text)
    assert "Tuesday, September 15, 2026, 11:00 am" in before and "with Ana Ruiz" in before
    assert "The patient is told by e-mail, at rosa@example.com, at 7:03 am" in before
    assert "they go on the list of calls as well" in before and "What they would read" in before
    moved = move_to(page, reference, "2026-09-15T18:00:00Z ana")
    assert (moved.status_code, moved.location) == (303, path)
    after = text_of(page.get(path).text)
    assert "Moved to Tue, Sep 15, 11:00 am, with Ana Ruiz. The patient is told at 7:03 am" in after
    assert "they go on the list of calls as well" in after
    tap(page, reference, "arrived")
    assert undo_last(page, page.get(path).text).location == path
    again = page.get(path).text
    assert "Taken back. Undo as well: Moved to Tue, Sep 15, 11:00 am, with Ana Ruiz." in text_of(again)
    # They have read of it meanwhile, and read that it isn't so.
    standing_clock.at(NINE - timedelta(minutes=116))
    with app.app_context():
        heard()
    assert undo_last(page, again).location == path
    back = text_of(page.get(path).text)
    assert "9:00 am – 9:30 am" in back and "Taken back. The patient is told at 7:07 am" in back


@on_both
def test_a_visit_that_is_given_to_a_colleague_is_taken_back_by_whoever_gave_it(
    app: Flask, page: FlaskClient, standing_clock: StandingClock
) -> None:
    reference = with_ana(app).reference
    form = re.search(
        r'<form method="post" data-behaviour.*?</form>',
        chosen(page, reference, "2026-09-15T17:00:00Z ben").text,
        re.DOTALL,
    )
    assert form
    for _ in "pressed", "twice":
        moved = page.post(f"/mine/visits/{reference}/move", data=fields(form[0]) | {"tell": "yes"})
        assert moved.location == "/mine/today"
    assert page.get(f"/mine/visits/{reference}").status_code == 404
    shown = page.get("/mine/today").text
    assert "Moved to Tue, Sep 15, 10:00 am, with Ben Okoro." in shown and "Rosa" not in shown
    (undo,) = re.findall(r'action="(/mine/undo/\d+)"', shown)
    with app.app_context():
        lin = signed_in(app, hired(Role.PRACTITIONER, practitioner="lin"))
    assert post(lin, undo, {"key": "12345678"}).status_code == 404
    assert post(page, undo, {"key": "12345678"}).location == "/mine/today"
    shown = page.get("/mine/today").text
    assert "Taken back." in shown and "Rosa Lima" in shown
    # For as long as it can be taken back.
    move_to(page, reference, "2026-09-15T17:00:00Z ben")
    (undo,) = re.findall(r'action="(/mine/undo/\d+)"', page.get("/mine/today").text)
    standing_clock.on(minutes=11)
    assert post(page, undo, {"key": "87654321"}).status_code == 404


def test_a_time_that_takes_a_reason_asks_for_it_and_keeps_what_was_typed(
    app: Flask, page: FlaskClient
) -> None:
    reference = with_ana(app).reference
    asked = chosen(page, reference, "2026-09-15T19:00:00Z ana").text
    assert "in the practitioner&#39;s break" in asked and 'name="reason"' in asked
    refused = move_to(page, reference, "2026-09-15T19:00:00Z ana", reason=" ")
    assert refused.status_code == 409 and "It can be done with a reason" in refused.text
    stale = move_to(page, reference, "2026-09-15T19:00:00Z ana", reason="She has to leave", version="7")
    assert stale.status_code == 409 and 'value="She has to leave"' in stale.text
    assert move_to(page, reference, "2026-09-15T19:00:00Z ana", reason="She has to leave").status_code == 303
    assert "She has to leave" in page.get(f"/mine/visits/{reference}").text


def test_a_time_at_which_the_patient_is_elsewhere_says_so(app: Flask, page: FlaskClient) -> None:
    reference = with_ana(app).reference
    with_ana(app, starts_at=NINE + timedelta(hours=1), practitioner="ben")
    shown = chosen(page, reference, "2026-09-15T17:00:00Z ana")
    assert "The patient&#39;s other visit: Tue, Sep 15, 10:00 am, with Ben Okoro." in shown.text
    assert 'name="tell"' not in shown.text and "Other free times" in shown.text
    assert chosen(page, reference, "soon").status_code == 422


def test_who_never_came_is_marked_as_on_the_board_and_hides_nobody_who_is_next(
    app: Flask, ana: Who, standing_clock: StandingClock
) -> None:
    ruth = with_ana(app, first_name="Ruth").reference
    with_ana(app, starts_at=NINE + timedelta(minutes=30), first_name="Teresa")
    standing_clock.at(NINE + timedelta(minutes=31))
    page = signed_in(app, ana)
    today = page.get("/mine/today").text
    card = re.search(r'<section class="own-card next".*?</section>', today, re.DOTALL)
    assert card and "Teresa" in card[0] and "Ruth" not in card[0]
    assert f'Over and not settled: <a href="#day-{ruth}">9:00 am Ruth Lima</a></p>' in today
    row = re.search(rf'<li class="own-visit[^>]*id="day-{ruth}".*?</li>', today, re.DOTALL)
    assert row and "Not arrived" in row[0] and "Booked" not in row[0]
    assert tap(page, ruth, "noshow").status_code == 303
    assert "Over and not settled" not in page.get("/mine/today").text
