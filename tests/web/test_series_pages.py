"""Several visits at once: at the desk, again every week by a visit's link, and two kinds of care on one day."""

import html
import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from booking.models import Appointment, Patient, Plan, Reminders
from booking.scheduling.plans.windows import Presence, TimeWindow
from booking.scheduling.timeline import instant_of
from booking.services import inbound_texts
from booking.services.clinic import present
from booking.services.staff.who import Who
from tests.clinics import plan_clinic
from tests.services.making import NINE, booked, rows
from tests.services.plans.making import FIRST_DAY, at, prescribed, running
from tests.staffing import signed_in

pytestmark = pytest.mark.clinic(plan_clinic())

NEW, BOOK = "/desk/series/new", "/desk/series/book"
TUESDAYS = {
    "first_day": "2026-09-21",
    "weeks": "3",
    "every": "1",
    "visit_type-1": "acupuncture-follow-up",
    "weekday-1": "1",
    "time-1": "09:00",
    "with-1": "mei",
    "returning": ["acupuncture"],
}


@pytest.fixture
def visit(app: Flask) -> Any:
    """Rosa's first visit, on the Tuesday of the week before; and somebody's in the second week, when Mei has no time for her."""
    with app.app_context():
        made = booked(NINE, visit_type="acupuncture-first", practitioner="mei")
        second = at(FIRST_DAY, 9).replace(day=29)
        booked(second, visit_type="acupuncture-first", practitioner="mei", email="other@example.com")
    return made


@pytest.fixture
def rosa(app: Flask, visit: Any) -> str:
    with app.app_context():
        return str(rows(Patient)[0]["reference"])


@pytest.fixture
def desk(app: Flask, rosa: str, dana: Who) -> FlaskClient:
    return signed_in(app, dana)


def fields(page: TestResponse, action: str) -> dict[str, list[str]]:
    """What a browser sends of the form with this action as it is shown."""
    found: dict[str, list[str]] = {}
    forms = re.findall(rf'<form[^>]*action="{re.escape(action)}".*?</form>', page.text, re.DOTALL)
    for tag in re.findall(r"<input [^>]*>", forms[-1]):
        kind, name, value = (re.search(rf'{one}="([^"]*)"', tag) for one in ("type", "name", "value"))
        if name and (not kind or kind[1] not in ("checkbox", "radio") or " checked" in tag):
            found.setdefault(name[1], []).append(html.unescape(value[1]) if value else "")
    for name, options in re.findall(r'<select [^>]*name="([^"]+)"[^>]*>(.*?)</select>', forms[-1], re.DOTALL):
        chosen = re.search(r'value="([^"]*)" selected', options)
        found[name] = [chosen[1] if chosen else ""]
    return found


def of_plans(app: Flask) -> list[Any]:
    with app.app_context():
        return [row for row in rows(Appointment) if row["plan_id"]]


def test_the_desk_sees_each_date_and_books_them_with_what_takes_a_clashs_place(
    app: Flask, desk: FlaskClient, rosa: str, visit: Any
) -> None:
    assert f"{NEW}?patient={rosa}" in desk.get(f"/desk/patients/{rosa}").text
    again = desk.get(f"{NEW}?patient={rosa}&visit={visit.reference}")
    begun = fields(again, NEW)
    assert (begun["visit_type-1"], begun["with-1"]) == (["acupuncture-follow-up"], ["mei"])
    preview = desk.post(NEW, data=begun | TUESDAYS)
    assert preview.status_code == 200 and "Mei Tanaka is fully booked then." in preview.text
    asked = fields(preview, BOOK)
    unanswered = desk.post(BOOK, data=asked)
    assert unanswered.status_code == 422 and "Please choose for each date" in unanswered.text
    assert not of_plans(app)
    options = re.findall(r'type="radio" name="date-2" value="([^"]+)"', unanswered.text)
    assert len(options) == 4 and options[-1] == "out"
    answered = fields(unanswered, BOOK) | {"date-2": options[0]}
    done = desk.post(BOOK, data=answered)
    assert done.status_code == 303 and len(of_plans(app)) == 3
    assert desk.post(BOOK, data=answered).location == done.location and len(of_plans(app)) == 3
    there = desk.get(done.location).text
    assert "Booked: all of these visits." in there and "Move this and all later" in there
    assert "Prescribed" not in there and "Holiday or illness" not in there
    assert "<dt>From</dt><dd>Tue, Sep 22 to Tue, Oct 6</dd>" in there, "its visits, not its weeks"
    assert "Cancel all that lie ahead" in there and "Rosa" not in desk.get("/desk/plans").text


def test_the_desk_reads_which_dates_are_too_near_a_visit_of_a_plan(
    app: Flask, desk: FlaskClient, rosa: str
) -> None:
    begun = fields(desk.get(f"{NEW}?patient={rosa}"), NEW) | TUESDAYS | {"with-1": ""}
    words = "too near a visit of their plan"
    assert words not in desk.post(NEW, data=begun).text
    mondays = Presence((TimeWindow(frozenset({0}), 9 * 60, 17 * 60),))
    with app.app_context():
        running(prescribed(rosa, "weekly"), presence=mondays)
    assert desk.post(NEW, data=begun).text.count(words) == 3


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"time-1": "9"}, "Line 1"),
        ({"with-1": "aaron"}, "doesn&#39;t give that"),
        ({"weeks": "99"}, "Please choose from 1 to 17 weeks"),
        ({"first_day": "2020-01-01"}, "first day from today on"),
        (
            {"visit_type-2": "acupuncture-follow-up", "weekday-2": "1", "time-2": "15:00"},
            "at most once a day",
        ),
        ({"do": "day"}, "choose two kinds of care"),
    ],
)
def test_what_isnt_understood_is_said_and_stays(
    desk: FlaskClient, rosa: str, typed: dict[str, str], said: str
) -> None:
    begun = fields(desk.get(f"{NEW}?patient={rosa}"), NEW)
    answer = desk.post(NEW, data=begun | TUESDAYS | typed)
    assert answer.status_code == 422 and said in answer.text
    assert 'value="acupuncture-follow-up" selected' in answer.text


def test_the_desk_finds_two_kinds_of_care_on_one_day(app: Flask, desk: FlaskClient, rosa: str) -> None:
    begun = fields(desk.get(f"{NEW}?patient={rosa}"), NEW)
    both = {"visit_type-1": "acupuncture-follow-up", "visit_type-2": "chiropractic-follow-up", "do": "day"}
    days = desk.post(NEW, data=begun | {"first_day": "2026-09-22"} | both)
    assert days.status_code == 200 and "Tuesday, September 22" in days.text
    preview = desk.post(NEW, data=fields_of_way(days))
    done = desk.post(BOOK, data=fields(preview, BOOK))
    assert done.status_code == 303 and len(of_plans(app)) == 2
    with app.app_context():
        assert [row["name"] for row in rows(Plan)] == ["Two visits on one day"]


def fields_of_way(page: TestResponse) -> dict[str, list[str]]:
    """What the first way of the page sends."""
    form = re.findall(r"<form.*?</form>", page.text.split("<ul", 1)[1], re.DOTALL)[0]
    return {
        name: [html.unescape(value)] for name, value in re.findall(r'name="([^"]+)" value="([^"]*)"', form)
    }


def test_a_patient_comes_at_the_same_time_every_week(app: Flask, client: FlaskClient, visit: Any) -> None:
    with app.app_context():
        path = f"/visit/{visit.reference}/{visit.token}"
    assert f"{path}/weekly" in client.get(f"{path}/booked").text
    asked = client.get(f"{path}/weekly").text
    assert "For how many more weeks?" in asked and 'value="5"' in asked and 'value="6"' not in asked
    dates = client.get(f"{path}/weekly?weeks=3")
    assert "Mei Tanaka is fully booked then." in dates.text and "Nothing is booked yet." in dates.text
    unanswered = client.post(f"{path}/weekly", data=fields(dates, f"{path}/weekly"))
    assert unanswered.status_code == 422 and not of_plans(app)
    sent = fields(unanswered, f"{path}/weekly")
    twice = client.post(f"{path}/weekly", data=sent | {"date-2": sent["date-1"]})
    assert twice.status_code == 422 and "These are on one day: " in twice.text
    sent = fields(twice, f"{path}/weekly") | {"date-2": "out"}
    done = client.post(f"{path}/weekly", data=sent)
    assert done.status_code == 303 and len(of_plans(app)) == 2
    assert client.post(f"{path}/weekly", data=sent).location == f"{done.location}?again=1"
    there = client.get(done.location).text
    assert "You are booked." in there and "2 visits, all of them." in there
    assert "Booked already" in dates.text and f'href="{path}"' in there, "it says what they were begun from"
    # What was booked together isn't begun again from one of its visits.
    assert "every week" not in client.get(re.findall(r'href="(/visit/[^"]+)"', there)[1]).text
    assert "Your visits" in client.get(done.location.removesuffix("/booked")).text
    assert client.get(f"{path}/weekly?weeks=4").text.count('type="radio"') == 3
    # All that were booked together are moved or cancelled from one of them on.
    first = re.findall(r'href="(/visit/[^"]+)"', there)[1].split("/")[2]
    later = f"{done.location.removesuffix('/booked')}/from/{first}"
    assert "2 visits: Tuesday at" in client.get(f"{later}/move").text
    going = client.get(f"{later}/cancel")
    assert "Cancel these 2 visits?" in going.text and "Your plan" not in going.text
    assert client.post(f"{later}/cancel", data=fields(going, f"{later}/cancel")).status_code == 303
    ended = client.get(done.location.removesuffix("/booked")).text
    assert "Your visits are cancelled." in ended and "missing" not in ended


@pytest.mark.parametrize("said", ["yes", "STOP"])
def test_who_is_reminded_by_text_comes_again_whatever_number_the_record_has(
    app: Flask, client: FlaskClient, said: str
) -> None:
    """The number stands in the visit. What may go to it is asked when it goes: after STOP the worker finds another way."""
    with app.app_context():
        booked(at(FIRST_DAY, 14), visit_type="acupuncture-first", practitioner="mei")
        by_text = booked(
            NINE, visit_type="acupuncture-first", practitioner="mei", phone="+18185550199", reminders=Reminders.TEXT,
            text_consent=True,
        )  # fmt: skip
        assert [row["phone"] for row in rows(Patient)] == [None]
        if said == "STOP":
            inbound_texts.receive("+18185550199", "STOP", "provider-1")
        path = f"/visit/{by_text.reference}/{by_text.token}/weekly"
    done = client.post(path, data=fields(client.get(f"{path}?weeks=2"), path))
    assert done.status_code == 303, done.text
    assert [(row["phone"], str(row["reminders"])) for row in of_plans(app)] == [("+18185550199", "text")] * 2


def test_a_patient_comes_at_two_times_every_week(app: Flask, client: FlaskClient, visit: Any) -> None:
    """Tuesday 9:00, which is booked already, and Thursday 14:00: of the same week as well."""
    with app.app_context():
        path = f"/visit/{visit.reference}/{visit.token}/weekly"
    for wrong in ("also=3", "also=3&at=4", "also=3&at=16:02", "also=1&at=14:00", "also=9&at=14:00"):
        refused = client.get(f"{path}?weeks=2&{wrong}")
        assert refused.status_code == 422 and "Please choose both the other weekday" in refused.text, wrong
        assert 'value="2" checked' in refused.text, "what was asked for is still there"
    many = client.get(f"{path}?weeks=3&also=3&at=14:00")
    assert many.status_code == 422 and "Here you can book 5 more visits." in many.text
    dates = client.get(f"{path}?weeks=2&also=3&at=14:00")
    assert re.findall(r"(?:Tue|Thu), Sep \d+, \d+:00 [ap]m", dates.text)[:5] == [
        "Tue, Sep 15, 9:00 am",
        "Thu, Sep 17, 2:00 pm",
        "Tue, Sep 22, 9:00 am",
        "Thu, Sep 24, 2:00 pm",
        "Tue, Sep 29, 9:00 am",
    ]
    done = client.post(path, data=fields(dates, path) | {"date-4": "out"})
    assert done.status_code == 303
    with app.app_context():
        local = [present().times.short_moment(instant_of(row["from_cell"])) for row in of_plans(app)]
    assert local == ["Thu, Sep 17, 2:00 pm", "Tue, Sep 22, 9:00 am", "Thu, Sep 24, 2:00 pm"]


def test_by_every_week_nothing_is_booked_that_its_page_didnt_offer(
    app: Flask, client: FlaskClient, visit: Any
) -> None:
    with app.app_context():
        path = f"/visit/{visit.reference}/{visit.token}/weekly"
    page = client.get(f"{path}?weeks=3")
    shown, elsewhere = (
        fields(page, path),
        re.findall(r'type="radio" name="date-2" value="([^"]+)"', page.text),
    )
    for slipped in (
        "acupuncture-follow-up mei 2026-09-24T20:00:00Z",
        "acupuncture-follow-up mei 2026-12-22T17:00:00Z",
        "acupuncture-follow-up dan 2026-09-22T16:00:00Z",
        "acupuncture-reassessment mei 2026-09-22T16:00:00Z",
        "surgery nobody 2026-09-22T16:00:00Z",
    ):
        refused = client.post(path, data=shown | {"date-1": slipped, "date-2": "out"})
        assert refused.status_code == 409 and "This can&#39;t be had any more: " in refused.text, slipped
        assert not of_plans(app)
    # What takes a clash's place is offered, and a form that comes twice is answered as it was.
    sent = shown | {"date-2": elsewhere[0]}
    done = client.post(path, data=sent)
    assert done.status_code == 303 and len(of_plans(app)) == 3
    assert client.post(path, data=sent).location == f"{done.location}?again=1"


def test_a_patient_books_two_kinds_of_care_on_one_day(app: Flask, client: FlaskClient, visit: Any) -> None:
    assert "/together" in client.get("/book").text
    kinds = "kind=acupuncture-follow-up&kind=chiropractic-first"
    assert client.get("/together?kind=acupuncture-follow-up&first=2026-09-22").status_code == 422
    assert client.get(f"/together?{kinds}&first=1999-01-01").status_code == 422
    days = client.get(f"/together?{kinds}&first=2026-09-22")
    assert "Tuesday, September 22" in days.text and days.text.count("<h2") == 5
    chosen = re.findall(r'name="visits" value="([^"]+)"', days.text)[0]
    action = "/together/acupuncture-follow-up+chiropractic-first/choose"
    held = client.post(action, data=fields(days, action) | {"first": "2026-09-22", "visits": chosen})
    details = client.get(held.location)
    book = action.replace("choose", "details")
    assert details.status_code == 200 and "Of what should we remind you?" not in details.text
    who = {"first_name": "Rosa", "last_name": "Lima", "email": "rosa@example.com", "reminders": "email"}
    assert client.post(book, data=fields(details, book)).status_code == 422
    done = client.post(book, data=fields(details, book) | who)
    assert done.status_code == 303 and "You are booked." in client.get(done.location).text
    (whole,) = set(re.findall(r'href="(/plan/\w+/\w+)"', client.get(done.location).text))
    for page in (details.text, client.get(done.location).text, client.get(whole).text):
        assert "Week 1" not in page and "Week by week" not in page
    assert "<h3>Tuesday, September 22" in details.text
    there = client.get(whole).text
    assert "<h2>Tuesday, September 22" in there and '<span class="when">' not in there
    visits = of_plans(app)
    assert len(visits) == 2 and not any(row["penciled"] for row in visits)
    assert client.get("/together/acupuncture-follow-up+acupuncture-first/details").status_code == 404
