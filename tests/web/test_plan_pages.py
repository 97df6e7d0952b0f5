"""The patient's pages of plans: from a link, or from the start page, to all visits booked; and the plan as it then stands."""

import re
from datetime import UTC, date, datetime, time, timedelta
from html import unescape
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import delete, select, update
from werkzeug.test import TestResponse

from booking import clock
from booking.models import Actor, Appointment, Coverage, Hold, Patient, Plan, PlanStatus, Reminders
from booking.scheduling.allowances.terms import Beyond, Kind, Span, Terms, Window
from booking.scheduling.plans.windows import Presence, TimeWindow
from booking.scheduling.status import Status
from booking.scheduling.timeline import cell_at
from booking.services import links
from booking.services.booking import Wish, book
from booking.services.desk import statuses
from booking.services.plans import reading
from booking.services.plans.choosing import VisitWish
from booking.services.plans.prescribing import Prescribed
from booking.services.transaction import run
from booking.web.patient.plan_choice import Choice
from tests.clinics import plan_clinic
from tests.conftest import StandingClock
from tests.services.making import NEXT_WEEK, booked, rows
from tests.services.plans import making
from tests.services.plans.making import patient, prescribed
from tests.staffing import hired, signed_in
from tests.web.conftest import on_both

pytestmark = pytest.mark.clinic(plan_clinic())

MAIL = {"email": "rosa@example.com", "reminders": "email", "reminded_of": "both"}
ROSA = MAIL | {"first_name": "Rosa", "last_name": "Lima"}
KNOWN = "known_acupuncture=yes&known_chiropractic=no"
ASKED = "asked=1&first=2026-09-21"
OWN = "/plans/disc-gentle"


def link(app: Flask, template: str = "disc", **how: Any) -> str:
    with app.app_context():
        made: Prescribed = prescribed(patient(), template, **how)
        return f"/plan/{made.reference}/{made.token}"


def hidden(page: TestResponse, form: int = 0) -> dict[str, Any]:
    """The hidden fields of one of the page's forms with a token."""
    forms = [one for one in page.text.split("<form")[1:] if "csrf_token" in one]
    found: dict[str, Any] = {}
    for name, value in re.findall(r'<input type="hidden" name="([\w-]+)" value="([^"]*)"', forms[form]):
        found.setdefault(name, []).append(unescape(value))
    return found


def words(page: TestResponse) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", unescape(page.text)).split())


def chosen(client: FlaskClient, way: str, answers: str = ASKED, number: int = 0) -> TestResponse:
    """The details page of the first proposal."""
    proposals = client.get(f"{way}/proposals?{answers}")
    assert proposals.status_code == 200, words(proposals)
    answer = client.post(f"{way}/choose", data=hidden(proposals, number))
    assert answer.status_code == 303, words(answer)
    return client.get(answer.location)


def sent(client: FlaskClient, way: str, page: TestResponse, **typed: Any) -> TestResponse:
    return client.post(f"{way}/details", data=hidden(page) | typed)


def visits_on(page: TestResponse) -> tuple[VisitWish, ...]:
    choice = Choice.read(hidden(page)["visits"][0])
    assert choice is not None
    return choice.visits


def take(app: Flask, visit: VisitWish) -> None:
    """Somebody else books this time."""
    with app.app_context():
        book(
            Wish(
                visit.visit_type, visit.practitioner, visit.starts_at, "Omar", "Reyes", "omar@example.com", None,
                Reminders.EMAIL,
            ),
            actor="test", key="key-of-omar",
        )  # fmt: skip


def all_of(app: Flask, kind: Any) -> list[Any]:
    with app.app_context():
        return rows(kind)


# From the link to "You are booked"


def test_the_link_says_what_was_prescribed_and_asks_when_one_can_come(
    client: FlaskClient, app: Flask
) -> None:
    page = client.get(link(app))
    assert "When can you come?" in page.text
    assert "3 times a week and" in words(page) and "twice a week, for 4 weeks, from" in words(page)
    assert 'name="first" value="2026-09-21"' in page.text
    assert 'value="5-morning"' in page.text and 'value="6-morning"' not in page.text, (
        "the clinic is closed on Sundays"
    )
    assert 'value="5-evening"' not in page.text, "and on Saturday afternoons"
    assert "known_acupuncture" not in page.text, "what was prescribed says who is new"


@pytest.mark.usefixtures("standing_clock")
def test_four_pages_lead_from_the_link_to_twenty_booked_visits(client: FlaskClient, app: Flask) -> None:
    way = link(app)
    details = chosen(client, way)
    assert "For Rosa Lima." in words(details) and 'value="rosa@example.com"' in details.text
    answer = sent(client, way, details, **MAIL)
    assert answer.status_code == 303, words(answer)
    booked = client.get(answer.location)
    assert "You are booked." in words(booked) and "We wrote to r…@example.com, with all visits." in words(
        booked
    )
    made = all_of(app, Appointment)
    assert sorted(row["plan_role"] for row in made) == ["dose"] * 20 + ["reassessment"]
    assert len(re.findall(r'href="/visit/', booked.text)) == 21
    (plan,) = all_of(app, Plan)
    assert plan["status"] is PlanStatus.RUNNING or plan["status"] == "running"
    assert all_of(app, Hold) == []


def test_what_was_chosen_is_held_while_one_types(client: FlaskClient, app: Flask) -> None:
    details = chosen(client, link(app))
    assert len(all_of(app, Hold)) == len(visits_on(details)) == 21


def test_the_times_that_were_ticked_are_kept(client: FlaskClient, app: Flask) -> None:
    way = link(app, "weekly")
    details = chosen(client, way, "asked=1&first=2026-09-21&t=5-morning")
    assert len(re.findall(r"Sat, \w+ \d+, (?:8|9|10|11):", words(details))) >= 6


def test_an_absence_is_kept(client: FlaskClient, app: Flask) -> None:
    way = link(app, "weekly")
    asked = "asked=1&first=2026-09-21&away_from_1=2026-09-21&away_to_1=2026-09-24"
    first = visits_on(chosen(client, way, asked))[0]
    assert first.starts_at.date().isoformat() in ("2026-09-25", "2026-09-26")


def test_whom_one_wishes_for_is_rather_chosen(client: FlaskClient, app: Flask) -> None:
    way = link(app, "weekly")
    back = words(client.get(f"{way}?asked=1&first=2026-09-21&whom_acupuncture=dan"))
    assert "(acupuncture), or whoever is free" in back
    visits = visits_on(chosen(client, way, "asked=1&first=2026-09-21&whom_acupuncture=dan"))
    assert {one.practitioner for one in visits} == {"dan"}


def test_the_plan_remembers_what_was_answered(client: FlaskClient, app: Flask) -> None:
    way = link(app, "weekly")
    answers = "asked=1&first=2026-09-22&t=1-evening&t=2-evening&away_from_1=2026-10-05&away_to_1=2026-10-06&whom_acupuncture=mei"
    sent(client, way, chosen(client, way, answers), **MAIL)
    (plan,) = all_of(app, Plan)
    assert plan["presence"] == {
        "windows": [{"weekdays": [1, 2], "opens": 960, "closes": 1440}],
        "away": [["2026-10-05", "2026-10-06"]],
    }
    assert plan["rather_with"] == {"acupuncture": ["mei"]}
    assert plan["first_day"].isoformat() == "2026-09-22"


def test_windows_that_were_agreed_are_ticked_or_said(client: FlaskClient, app: Flask) -> None:
    evenings = Presence((TimeWindow(frozenset({1, 3}), 16 * 60, 24 * 60),))
    page = client.get(link(app, presence=evenings)).text
    assert (
        'value="1-evening" checked' in page
        and 'value="3-evening" checked' in page
        and 'value="2-evening" checked' not in page
    )


def test_windows_that_cant_be_ticked_can_be_kept_or_left(client: FlaskClient, app: Flask) -> None:
    odd = Presence((TimeWindow(frozenset({1, 3}), 13 * 60 + 30, 16 * 60 + 30),))
    way = link(app, "weekly", presence=odd)
    page = client.get(way)
    assert "As we noted: Tuesday and Thursday 1:30 pm to 4:30 pm" in words(page)
    kept = visits_on(chosen(client, way, "asked=1&first=2026-09-21&agreed=1"))
    assert all(13 <= (one.starts_at.hour - 7) <= 15 for one in kept)


# What can go wrong


UNCLEAR = {
    "first=": "Please write the first day",
    "first=2026-09-01": "The first day is over already.",
    "first=2026-09-20": "Your plan begins on Monday, September 21, 2026 at the earliest.",
    "first=2028-09-01": "Please choose a first day before",
    "first=2026-09-21&away_to_1=2026-09-25": "From which day on can't you come?",
    "first=2026-09-21&away_from_1=tomorrow": "Please write a day",
    "first=2026-09-21&away_from_2=2026-09-25&away_to_2=2026-09-21": "The last day lies before the first.",
}


def test_what_cant_be_understood_is_said_beside_it_and_kept(client: FlaskClient, app: Flask) -> None:
    way = link(app)
    for answers, says in UNCLEAR.items():
        page = client.get(f"{way}/proposals?asked=1&t=1-evening&{answers}")
        assert page.status_code == 422, answers
        assert says in words(page) and 'value="1-evening" checked' in page.text


def test_where_no_plan_fits_the_week_the_reasons_and_what_helps_are_said(
    client: FlaskClient, app: Flask
) -> None:
    way = link(app)
    page = client.get(f"{way}/proposals?asked=1&first=2026-09-21&t=1-evening&t=3-evening")
    assert "We found no plan that fits." in words(page) and "Week 1 doesn't work:" in words(page)
    (fixes,) = re.findall(r"With this it works:</h2>(.*?)</ul>", page.text, re.DOTALL)
    addresses = [unescape(one) for one in re.findall(r'class="row" href="([^"]+)"', fixes)]
    assert addresses
    shown = words(client.get(addresses[0]))
    assert "Which plan suits you?" in shown and "The steadiest: mostly the same days" in shown


def test_a_time_taken_before_choosing_is_named_with_others_and_the_rest_is_held(
    client: FlaskClient, app: Flask
) -> None:
    way = link(app)
    proposals = client.get(f"{way}/proposals?{ASKED}")
    form = hidden(proposals)
    lost = Choice.read(form["visits"][0]).visits[4]  # type: ignore[union-attr]
    take(app, lost)
    page = client.get(client.post(f"{way}/choose", data=form).location)
    assert "Somebody else has just taken one of your times." in words(page)
    assert len(all_of(app, Hold)) == 20
    other = unescape(re.findall(r'name="instead" value="([^"]+)"', page.text)[0])
    page = sent(client, way, page, instead=other)
    assert page.status_code == 200 and "just taken" not in words(page)
    assert sent(client, way, page, **MAIL).status_code == 303
    assert len(all_of(app, Appointment)) == 22


def test_a_time_taken_while_typing_loses_nothing_that_was_typed(
    client: FlaskClient, app: Flask, standing_clock: StandingClock
) -> None:
    way = link(app)
    details = chosen(client, way)
    standing_clock.on(minutes=11)
    take(app, visits_on(details)[3])
    page = sent(client, way, details, note="Stairs are hard.", **MAIL | {"email": "rl@example.org"})
    assert page.status_code == 409
    assert "Somebody else has just taken one of your times." in words(page)
    assert 'value="rl@example.org"' in page.text and "Stairs are hard." in page.text
    assert len(all_of(app, Appointment)) == 1
    other = unescape(re.findall(r'name="instead" value="([^"]+)"', page.text)[0])
    typed = MAIL | {"email": "rl@example.org", "note": "Stairs are hard."}
    page = sent(client, way, page, instead=other, **typed)
    assert 'value="rl@example.org"' in page.text and "Stairs are hard." in page.text
    assert sent(client, way, page, **typed).status_code == 303
    assert [row["note"] for row in all_of(app, Appointment) if row["note"]] == ["Stairs are hard."]


def test_one_visit_is_exchanged_on_a_page_of_its_own_that_keeps_everything(
    client: FlaskClient, app: Flask
) -> None:
    way = link(app)
    details = chosen(client, way)
    before = visits_on(details)
    page = sent(client, way, details, other="2", note="Stairs are hard.", **MAIL)
    assert "Another time for this visit" in words(page)
    options = [unescape(one) for one in re.findall(r'name="instead" value="([^"]+)"', page.text)]
    assert in_order(page.text) and "These too" not in page.text, "no time was ticked, so none lies outside"
    assert len(options) > 3
    page = client.post(f"{way}/details", data=hidden(page) | {"instead": options[0]})
    assert page.status_code == 200 and "Stairs are hard." in page.text
    assert "Changed: " in words(page) and '<details class="choice" open>' in page.text, "one sees that it was"
    after = visits_on(page)
    assert len(set(before) - set(after)) == 1 and len(after) == len(before)
    assert sent(client, way, page, **MAIL).status_code == 303


@pytest.mark.parametrize("prescribed_to_them", [True, False])
def test_a_time_outside_those_that_were_ticked_is_taken_and_booked(
    client: FlaskClient, app: Flask, prescribed_to_them: bool
) -> None:
    way = link(app, "weekly") if prescribed_to_them else OWN
    details = chosen(client, way, f"{ASKED}&{KNOWN}&t=1-morning&t=3-morning")
    page = sent(client, way, details, other="2", **ROSA)
    inside, outside = page.text.split("These too, outside the times that you ticked")
    assert in_order(inside) and in_order(outside)
    there = re.findall(r'name="instead" value="([^"]+)"', outside)[0]
    page = client.post(f"{way}/details", data=hidden(page) | {"instead": unescape(there)})
    assert set(visits_on(page)) - set(visits_on(details))
    answer = sent(client, way, page, **ROSA)
    assert answer.status_code == 303, words(answer)
    booked_at = {row["from_cell"] for row in all_of(app, Appointment)}
    assert booked_at == {cell_at(one.starts_at) for one in visits_on(page)}


def in_order(times: str) -> bool:
    starts = re.findall(r'name="instead" value="2 (\S+) ', times)
    return len(starts) > 0 and starts == sorted(starts)


def test_keeping_the_visit_changes_nothing(client: FlaskClient, app: Flask) -> None:
    way = link(app)
    details = chosen(client, way)
    page = sent(client, way, details, other="2", note="Stairs", **MAIL)
    page = client.post(f"{way}/details", data=hidden(page) | {"keep": "1"})
    assert visits_on(page) == visits_on(details) and "Stairs" in page.text
    assert "Nothing was changed." in words(page)


def test_details_that_dont_fit_are_said_and_everything_is_kept(client: FlaskClient, app: Flask) -> None:
    way = link(app)
    details = chosen(client, way)
    page = sent(client, way, details, email="", phone="", reminders="email", note="Stairs")
    assert page.status_code == 422
    assert "One is enough." in words(page) and "Stairs" in page.text
    assert visits_on(page) == visits_on(details)
    assert all_of(app, Appointment) == []


def test_a_second_tap_and_the_back_button_book_nothing_twice(client: FlaskClient, app: Flask) -> None:
    way = link(app)
    details = chosen(client, way)
    first = sent(client, way, details, **MAIL)
    again = sent(client, way, details, **MAIL)
    other = sent(client, way, details, **MAIL | {"note": "More"})
    for answer in (first, again, other):
        assert "/booked" in answer.location
    assert len(all_of(app, Appointment)) == 21
    assert client.get(f"{way}/proposals?{ASKED}").location.endswith(way)


@on_both
def test_visits_that_nobody_proposed_are_refused(client: FlaskClient, app: Flask) -> None:
    way = link(app)
    details = chosen(client, way)
    form = hidden(details)
    few = Choice(visits_on(details)[:5]).written
    page = client.post(f"{way}/details", data=form | MAIL | {"visits": few})
    assert page.status_code == 422
    assert "These visits aren't what the plan asks for." in words(page)
    assert all_of(app, Appointment) == []


NO_CHOICE = [
    "", "nonsense", "a.b.c~", "acupuncture-follow-up.mei.zzzzzzz", "x" * 3000, "acupuncture-follow-up.nobody.3hq2k",
]  # fmt: skip


@on_both
def test_a_choice_that_is_none_leads_back_or_is_refused(client: FlaskClient, app: Flask) -> None:
    way = link(app)
    form = hidden(chosen(client, way)) | MAIL
    for visits in NO_CHOICE:
        answer = client.post(f"{way}/details", data=form | {"visits": visits})
        assert answer.status_code in (303, 404, 409, 422), visits
        there = client.get(f"{way}/details", query_string={"asked": "1", "visits": visits})
        assert there.status_code in (303, 404), visits
    assert all_of(app, Appointment) == []


@on_both
def test_absurd_answers_and_buttons_do_nothing(client: FlaskClient, app: Flask) -> None:
    way = link(app)
    odd = f"{ASKED}&t=9z&t=5m5&t=&whom_acupuncture=nobody&away_from_9=x&known_acupuncture=yes&agreed=1"
    details = chosen(client, way, odd)
    before = visits_on(details)
    for typed in (
        {"other": "99"}, {"other": "-1"}, {"other": "x"}, {"instead": "99 2026-09-22T16:00:00Z mei"},
        {"instead": "0 yesterday mei"}, {"instead": ""}, {"keep": "?"},
    ):  # fmt: skip
        page = sent(client, way, details, **typed)
        assert page.status_code == 200 and visits_on(page) == before
    assert client.get(f"{way}/proposals?asked=1&first=9999-12-31").status_code == 422
    assert client.get(f"{way}/proposals?asked=1&first=0001-01-01").status_code == 422
    lost = {"asked": "1", "first": "2026-09-21", "visits": Choice(before).written, "lost": ["99", "-1", "x"]}
    assert client.get(f"{way}/details", query_string=lost).status_code == 200


def test_a_spoilt_link_opens_nothing(client: FlaskClient, app: Flask) -> None:
    way = link(app)
    for page in ("", "/proposals?asked=1", "/details", "/booked", "/calendar.ics"):
        assert client.get(f"{way}x{page}").status_code == 404


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_looking_changes_nothing(client: FlaskClient, app: Flask, method: str) -> None:
    """Mail scanners open links, and whatever links they find there."""
    way = link(app)
    details = chosen(client, way)
    with app.app_context():
        run(lambda session: session.execute(delete(Hold)))
    query = {"asked": "1", "first": "2026-09-21", "visits": Choice(visits_on(details)).written}
    before = [all_of(app, kind) for kind in (Plan, Appointment, Hold)]
    for page in ("", f"/proposals?{ASKED}", "/booked", "/calendar.ics"):
        assert client.open(f"{way}{page}", method=method).status_code < 400
    assert client.open(f"{way}/details", method=method, query_string=query).status_code == 200
    for page in ("/plans", OWN, f"{OWN}/proposals?{ASKED}&{KNOWN}"):
        assert client.open(page, method=method).status_code == 200
    assert [all_of(app, kind) for kind in (Plan, Appointment, Hold)] == before


# A plan that one begins by oneself


def test_the_start_page_leads_to_plans_that_one_may_begin(client: FlaskClient) -> None:
    assert "I was told to come two or three times a week" in client.get("/").text
    page = client.get("/plans").text
    assert OWN in page and '/plans/disc"' not in page
    assert client.get("/plans/disc").status_code == 404


def test_whether_one_is_new_is_asked_by_kind_of_care(client: FlaskClient) -> None:
    assert "Have you had acupuncture with us before?" in words(client.get(OWN))
    page = client.get(f"{OWN}/proposals?asked=1&first=2026-09-21&known_acupuncture=yes")
    assert page.status_code == 422
    assert "Please say whether you have had chiropractic with us before." in words(page)


def test_what_one_begins_by_oneself_is_penciled_in_but_for_the_first_visits(
    client: FlaskClient, app: Flask
) -> None:
    details = chosen(client, OWN, f"asked=1&first=2026-09-21&{KNOWN}")
    assert "penciled in" in words(details)
    answer = sent(client, OWN, details, **ROSA)
    assert answer.status_code == 303, words(answer)
    page = client.get(answer.location)
    booked = words(page)
    made = all_of(app, Appointment)
    assert len([row for row in made if not row["penciled"]]) == 2
    assert "Your times are kept for you." in booked and "You are booked" not in booked
    assert f"2 visits are booked, {len(made) - 2} are penciled in." in booked
    # Nobody is asked whether they come to what isn't decided.
    ways = re.findall(r'href="(/visit/[^"]+)"', page.text)
    first, *_, last = (words(client.get(one)) for one in ways)
    # Nor does a page that was open since then say so for them.
    refused = client.post(f"{ways[-1]}/confirm", data=hidden(client.get(ways[0])))
    assert refused.status_code == 409 and "only penciled in" in words(refused)
    assert all(row["confirmed_at"] is None for row in all_of(app, Appointment))
    assert "Yes, I'm coming" in first and "Yes, I'm coming" not in last and "penciled in" in last
    assert {row["first_name"] for row in made} == {"Rosa"}


def test_what_nobody_confirmed_was_penciled_in_and_not_come_to(
    client: FlaskClient, app: Flask, standing_clock: StandingClock
) -> None:
    answer = sent(client, OWN, chosen(client, OWN, f"asked=1&first=2026-09-21&{KNOWN}"), **ROSA)
    standing_clock.on(days=17)
    page = words(client.get(answer.location.removesuffix("/booked")))
    assert page.count("✔ You came") == 2 and "You have come 2 times." in page
    assert "✎ Was penciled in" in page and "✎ Penciled in" in page


def test_a_second_plan_by_oneself_is_refused_with_words(client: FlaskClient, app: Flask) -> None:
    answers = f"asked=1&first=2026-09-21&{KNOWN}"
    sent(client, OWN, chosen(client, OWN, answers), **ROSA)
    later = answers.replace("2026-09-21", "2026-10-26")
    page = sent(client, OWN, chosen(client, OWN, later), **ROSA)
    assert page.status_code == 409
    assert "There is a plan with this e-mail address or phone number already." in words(page)


# The plan as it stands


def running(client: FlaskClient, app: Flask) -> str:
    way = link(app)
    sent(client, way, chosen(client, way), **MAIL)
    return way


def test_the_link_then_shows_every_visit_with_a_way_to_its_page(client: FlaskClient, app: Flask) -> None:
    way = running(client, app)
    page = client.get(way)
    assert "Your next visit" in words(page) and "21 visits lie ahead." in words(page)
    addresses = re.findall(r'href="(/visit/[^"]+)"', page.text)
    assert len(addresses) == 21
    assert client.get(addresses[0]).status_code == 200
    assert "we look together how it went" in words(page)


def test_a_cancelled_visit_is_said_and_its_week_lacks_one(client: FlaskClient, app: Flask) -> None:
    way = running(client, app)
    address = re.findall(r'href="(/visit/[^"]+)"', client.get(way).text)[5]
    client.post(f"{address}/cancel", data=hidden(client.get(f"{address}/cancel")))
    page = words(client.get(way))
    assert "Cancelled" in page and "1 visit is missing in this week." in page
    cancelled = client.get(address).text
    assert f'href="{way}"' in cancelled and f'href="{way}/make-up"' in cancelled, "it stays in its plan"
    assert "Book another time" not in cancelled
    # Who was given the link of one visit alone sees no others by it.
    with app.app_context():
        run(lambda session: session.execute(update(Appointment).values(email="neighbor@example.com")))
    assert way not in client.get(address).text


def test_what_is_over_counts_as_come(client: FlaskClient, app: Flask, standing_clock: StandingClock) -> None:
    way = running(client, app)
    standing_clock.on(days=9)
    # Settled or not, as often as the list says so.
    with app.app_context():
        first = min(rows(Appointment), key=lambda one: one["from_cell"])
        change = update(Appointment).where(Appointment.id == first["id"]).values(status=Status.FULFILLED)
        run(lambda session: session.execute(change))
    page = words(client.get(way))
    came = page.count("✔ You came")
    assert came > 1 and f"You have come {came} times." in page


def test_one_calendar_file_has_every_visit_and_no_treatment(client: FlaskClient, app: Flask) -> None:
    way = running(client, app)
    answer = client.get(f"{way}/calendar.ics")
    assert answer.mimetype == "text/calendar"
    assert answer.text.count("BEGIN:VEVENT") == 21 and answer.text.count("BEGIN:VCALENDAR") == 1
    assert "cupuncture" not in answer.text and "STATUS:CONFIRMED" in answer.text


def test_before_it_is_booked_there_is_no_calendar(client: FlaskClient, app: Flask) -> None:
    way = link(app)
    assert client.get(f"{way}/calendar.ics").location == way


# What was missed


def missed(client: FlaskClient, app: Flask, standing_clock: StandingClock, care: str = "acupuncture") -> str:
    """The link of a plan whose patient didn't come to the first such visit of the second week."""
    way = running(client, app)
    with app.app_context():
        visits = reading.by_link(*way.split("/")[2:]).weeks[1].visits
        visit = next(one for one in visits if one.visit_type.slug == f"{care}-follow-up")
        standing_clock.at(visit.starts_at + timedelta(minutes=20))
        statuses.no_show(hired(), visit.reference, key="noshow-01")
    return way


def times_on(page: TestResponse) -> list[str]:
    return [unescape(one) for one in re.findall(r'name="time" value="([^"]+)"', page.text)]


def test_what_was_missed_is_chosen_anew_by_the_link(
    client: FlaskClient, app: Flask, standing_clock: StandingClock
) -> None:
    way = missed(client, app, standing_clock)
    shown = client.get(way)
    assert "In week 2 one visit is missing." in words(shown) and f"{way}/make-up" in shown.text
    page = client.get(f"{way}/make-up")
    assert page.status_code == 200 and "Another time for your visit" in words(page)
    times = times_on(page)
    assert 1 <= len(times) <= 3
    before = all_of(app, Appointment)
    answer = client.post(f"{way}/make-up", data=hidden(page) | {"time": times[0]})
    assert answer.status_code == 303, words(answer)
    made = all_of(app, Appointment)
    assert len(made) == len(before) + 1
    shown = client.get(answer.location)
    assert "Booked:" in words(shown) and "is missing" not in words(shown)
    assert client.get(f"{way}/make-up").location == way
    # The same button again, another one of the same page, and a page that was open elsewhere.
    for key, start in (({}, times[0]), ({}, times[-1]), ({"key": "another-key"}, times[-1])):
        form = hidden(page) | {"time": start} | key
        assert client.post(f"{way}/make-up", data=form).status_code == 303
    assert len(all_of(app, Appointment)) == len(made)


def test_a_time_lost_meanwhile_brings_others(
    client: FlaskClient, app: Flask, standing_clock: StandingClock
) -> None:
    way = missed(client, app, standing_clock)
    page = client.get(f"{way}/make-up")
    start, person = times_on(page)[0].split()
    take(app, VisitWish("acupuncture-follow-up", person, datetime.fromisoformat(start)))
    before = len(all_of(app, Appointment))
    page = client.post(f"{way}/make-up", data=hidden(page) | {"time": f"{start} {person}"})
    assert page.status_code == 409 and "Somebody else has just taken that time." in words(page)
    assert len(all_of(app, Appointment)) == before
    others = times_on(page)
    assert others and f"{start} {person}" not in others
    assert client.post(f"{way}/make-up", data=hidden(page) | {"time": others[0]}).status_code == 303
    assert len(all_of(app, Appointment)) == before + 1


def test_what_its_week_has_no_time_for_is_made_up_in_the_next_and_once(
    client: FlaskClient, app: Flask, standing_clock: StandingClock
) -> None:
    way = missed(client, app, standing_clock, "chiropractic")
    with app.app_context():
        week = reading.by_link(*way.split("/")[2:]).weeks[2]
    standing_clock.at(datetime.combine(week.first, time(8), UTC))
    page = client.get(f"{way}/make-up")
    starts = [datetime.fromisoformat(one.split()[0]).date() for one in times_on(page)]
    assert starts and all(week.first <= one <= week.last for one in starts)
    answer = client.post(f"{way}/make-up", data=hidden(page) | {"time": times_on(page)[0]})
    shown = words(client.get(answer.location))
    assert "Booked:" in shown and "missing" not in shown
    assert client.get(f"{way}/make-up").location == way


@on_both
def test_absurd_times_book_nothing(client: FlaskClient, app: Flask, standing_clock: StandingClock) -> None:
    way = missed(client, app, standing_clock)
    form = hidden(client.get(f"{way}/make-up"))
    before = all_of(app, Appointment)
    for number, typed in enumerate(
        (
            {}, {"time": ""}, {"time": "now mei"}, {"time": "2026-09-29T16:00:00Z nobody"}, {"week": "x"},
            {"time": "2026-09-29T16:00:00Z mei", "week": "999"}, {"time": "2026-09-29T16:00:00Z mei", "care": "x"},
            {"time": "2026-12-21T17:00:00Z mei"}, {"time": "2026-09-01T17:00:00Z mei"}, {"key": ""},
            {"time": "2026-09-30T03:00:00Z mei"},
        )
    ):  # fmt: skip
        answer = client.post(f"{way}/make-up", data=form | {"key": f"odd-{number}"} | typed)
        assert answer.status_code in (303, 409), typed
    assert all_of(app, Appointment) == before


def test_a_plan_that_lacks_nothing_asks_for_nothing(client: FlaskClient, app: Flask) -> None:
    way = running(client, app)
    assert "missing" not in words(client.get(way))
    assert client.get(f"{way}/make-up").location == way
    assert client.get(f"{way}x/make-up").status_code == 404


@on_both
def test_a_key_that_no_page_gives_books_nothing(client: FlaskClient, app: Flask) -> None:
    way = running(client, app)
    visit = re.findall(r'href="(/visit/[^"]+)"', client.get(way).text)[0]
    fields = hidden(client.get(visit)) | {"week": "1", "care": "x", "time": "2026-09-21T16:00:00Z mei"}
    for page in ("details", "make-up"):
        for key in ("\x00" * 9, "x" * 5000, "", "ä" * 10):
            assert client.post(f"{way}/{page}", data=fields | {"key": key}).status_code == 303
    assert len(all_of(app, Appointment)) == 21


# What insurance allows


def insured(app: Flask, limit: int, beyond: Beyond, **more: Any) -> str:
    """The link of somebody whose insurance allows so many visits of acupuncture and chiropractic a year."""
    with app.app_context():
        reference = patient()
        made = prescribed(reference, "disc")

        def cover(session: Any) -> None:
            terms = Terms(
                Kind.INSURANCE,
                ("acupuncture", "chiropractic"),
                limit,
                Window(Span.CALENDAR_YEAR),
                beyond=beyond,
                **more,
            )
            session.add(
                Coverage(
                    patient_id=session.scalars(select(Patient.id).where(Patient.reference == reference)).one(),
                    name="Blue Shield", terms=terms.as_plain(), made_at=clock.now(), changed_at=clock.now(),
                )
            )  # fmt: skip

        run(cover)
        return f"/plan/{made.reference}/{made.token}"


def test_visits_beyond_what_insurance_allows_are_marked_before_booking_and_after(
    client: FlaskClient, app: Flask, standing_clock: StandingClock
) -> None:
    way = insured(app, 20, Beyond.WARN)
    says = "Visit 21 may not be covered; we will check and call you before you come."
    assert says in words(client.get(f"{way}/proposals?{ASKED}"))
    details = chosen(client, way)
    assert says in words(details) and "Visit 21: may not be covered" in words(details)
    assert "20 of 20 left" in words(details)
    assert sent(client, way, details, **MAIL).status_code == 303
    page = words(client.get(way))
    assert page.count("may not be covered") == 2
    assert "This is not a promise that a visit is covered." in page
    # What makes up for a missed one is marked while it is chosen, like all others.
    with app.app_context():
        visit = reading.by_link(*way.split("/")[2:]).weeks[1].visits[0]
        standing_clock.at(visit.starts_at + timedelta(minutes=20))
        statuses.no_show(hired(), visit.reference, key="noshow-01")
    page = words(client.get(f"{way}/make-up"))
    assert "a later visit may not be covered then" in page and "0 of 20 left" in page


@pytest.mark.parametrize(("limit", "number"), [(21, 0), (20, 1)])
@pytest.mark.parametrize("rule", Beyond)
def test_a_visit_booked_before_that_a_plan_pushes_beyond_is_named_before_it_is_booked(
    client: FlaskClient, app: Flask, rule: Beyond, limit: int, number: int
) -> None:
    way, later = insured(app, limit, rule), NEXT_WEEK + timedelta(days=35)
    with app.app_context():
        booked(later, visit_type="acupuncture-follow-up", practitioner="mei", last_name="Lima")
        desk = signed_in(app, hired())
    says = "With them, a visit that is booked already may not be covered: Mon, Oct 26, 9:00 am."
    for page in (client.get(f"{way}/proposals?{ASKED}"), chosen(client, way)):
        assert says in words(page) and ("Visit 21 may not be covered" in words(page)) == bool(number)
        assert ("will check and call you" in words(page)) == (rule is Beyond.WARN)
        assert ("keep the times for ten minutes" in words(page)) == (rule is Beyond.ASK)
    form = {"plan": way.split("/")[2], "template": "disc", "first_day": "2026-09-21", "key": "ask-for-a-plan"}
    token = {"csrf_token": hidden(desk.get("/desk/plans/new?plan=" + form["plan"]))["csrf_token"]}
    proposals = words(desk.post("/desk/plans/new", data=form | token))
    assert f"{1 + number} visit" in proposals
    assert "Booked already, and may not be covered then: Mon, Oct 26, 9:00 am." in proposals
    assert ("I have asked the payer" in proposals) == (rule is Beyond.ASK)
    if rule is Beyond.WARN:
        sent(client, way, chosen(client, way), **MAIL)
        page = words(desk.get(f"/desk/plans/{form['plan']}"))
        assert "1 visit besides this plan may not be covered" in page
        assert ("1 visit ahead may not be covered" in page) == bool(number)


def ends(session: Any, day: str) -> None:
    one = session.scalars(select(Coverage)).one()
    one.terms = one.terms | {"ends": day}


@pytest.mark.parametrize("rule", Beyond)
def test_a_visits_own_page_and_the_days_to_move_it_to_say_what_may_not_be_covered_and_why(
    client: FlaskClient, app: Flask, rule: Beyond
) -> None:
    way = insured(app, 30, rule)
    assert sent(client, way, chosen(client, way), **MAIL).status_code == 303
    first, *_, last = re.findall(r'href="(/visit/[^"]+)"', client.get(way).text)
    left = "Acupuncture and Chiropractic: 9 of 30 left until Dec 31, 2026."
    assert left in words(client.get(first)) and "This is not a promise" in words(client.get(first))
    assert "may not be" not in words(client.get(first)) + words(client.get(f"{first}/move"))
    with app.app_context():
        run(lambda session: ends(session, "2026-09-22"))
    page = words(client.get(last))
    assert "This visit may not be covered; we will check and call you before you come." in page
    assert "Your coverage, as we have noted it, lasts until Sep 22, 2026." in page
    assert "may not be covered" not in words(client.get(first))
    days = client.get(f"{first}/move?from=2026-09-22")
    moving = words(days)
    assert "Wednesday, September 23 ! may not be covered" in moving
    assert "Tuesday, September 22" in moving and moving.count("Tuesday, September 22 !") == 0
    assert ("before we move it there. Please call us" in moving) == (rule is Beyond.ASK)
    assert ("we will check and call you before you come" in moving) == (rule is Beyond.WARN)
    to_wednesday = next(time for time in times_on(days) if time.startswith("2026-09-23"))
    sure = words(client.post(f"{first}/move", data=hidden(days) | {"time": to_wednesday}))
    assert "Move it there all the same? From Monday" in sure and "! may not be covered Where it says" in sure


def test_what_is_left_is_said_window_by_window_of_a_plan_that_reaches_into_the_next(
    client: FlaskClient, app: Flask
) -> None:
    way = insured(app, 5, Beyond.WARN, begins=date(2026, 10, 1))
    details = chosen(client, way)
    assert "0 of 5 left until Sep 30, 2026, then 5 of 5 left until Dec 31, 2026" in words(details)
    assert sent(client, way, details, **MAIL).status_code == 303
    left = "0 of 5 left until Sep 30, 2026, then 0 of 5 left until Dec 31, 2026"
    assert left in words(client.get(way))
    with app.app_context():
        desk = signed_in(app, hired())
    assert left in words(desk.get(f"/desk/plans/{way.split('/')[2]}"))


def test_of_coverage_nothing_is_said_by_the_link_of_a_plan_that_nobody_has_confirmed(
    client: FlaskClient, app: Flask, standing_clock: StandingClock
) -> None:
    way = insured(app, 21, Beyond.ASK)
    with app.app_context():
        making.running(Prescribed(way.split("/")[2], 1, told=True))
        begun = {"by_themselves": True, "confirmed_at": None, "made_by": Actor.PATIENT}
        run(lambda session: session.execute(update(Plan).values(begun)))
        visit = reading.by_link(*way.split("/")[2:]).weeks[1].visits[0]
        standing_clock.at(visit.starts_at + timedelta(minutes=20))
        statuses.no_show(hired(), visit.reference, key="noshow-01")
    one = re.findall(r'href="(/visit/[^"]+)"', client.get(way).text)[-1]
    for page in map(client.get, (way, f"{way}/make-up", one, f"{one}/move")):
        assert page.status_code == 200
        assert not re.search("cover|insur|of 21 left", words(page))
    asked = hidden(client.get(f"{way}/make-up"))
    assert client.post(f"{way}/make-up", data=asked).location.startswith(way)


@on_both
@pytest.mark.parametrize(("by", "says"), [(Actor.PATIENT, False), (Actor.STAFF, True)])
def test_of_a_visit_that_somebody_booked_by_a_name_nothing_of_coverage_is_said(
    client: FlaskClient, app: Flask, by: Actor, says: bool
) -> None:
    insured(app, 0, Beyond.WARN)
    with app.app_context():
        visit = booked(NEXT_WEEK, visit_type="acupuncture-follow-up", practitioner="mei")
        run(lambda session: session.execute(update(Appointment).values(booked_by=by)))
        there = f"/visit/{visit.reference}/{visit.token}"
    for page in (client.get(there), client.get(f"{there}/move")):
        assert page.status_code == 200 and bool(re.search("cover|0 of 0 left", words(page))) == says


def test_where_staff_are_to_be_asked_first_nothing_is_booked_here(client: FlaskClient, app: Flask) -> None:
    way = insured(app, 20, Beyond.ASK)
    proposals, details = client.get(f"{way}/proposals?{ASKED}"), chosen(client, way)
    for page in (proposals, details):
        assert (
            "Visit 21 may not be covered. Before we book these visits, we have to ask your insurance"
            in words(page)
        )
        assert "keep the times for ten minutes" in words(page) and "will check and call you" not in words(
            page
        )
    # Nothing is asked that can't be sent.
    assert "Please call us" in words(details)
    assert "Book these" not in words(details) and "<form" not in details.text
    refused = client.post(f"{way}/details", data=hidden(proposals) | MAIL | {"key": "book-it-all-the-same"})
    assert refused.status_code == 409 and "Before we book these visits" in words(refused)
    assert all_of(app, Appointment) == []


def test_what_makes_up_for_a_missed_visit_isnt_booked_before_the_payer_was_asked(
    client: FlaskClient, app: Flask, standing_clock: StandingClock
) -> None:
    way = insured(app, 21, Beyond.ASK, counts_missed=True)
    reference, token = way.split("/")[2:]
    assert sent(client, way, chosen(client, way), **MAIL).status_code == 303
    with app.app_context():
        visit = reading.by_link(reference, token).weeks[1].visits[0]
        standing_clock.at(visit.starts_at + timedelta(minutes=20))
        statuses.no_show(hired(), visit.reference, key="noshow-01")
        desk = signed_in(app, hired())
    assert "would like" not in words(desk.get("/desk/to-do"))
    before = all_of(app, Appointment)
    page = client.get(f"{way}/make-up")
    assert "we have to ask your insurance before we book it" in words(page)
    start, _between, person = times_on(page)[0].partition(" ")
    for _again in range(2):
        refused = client.post(f"{way}/make-up", data=hidden(page) | {"time": f"{start} {person}"})
        assert refused.status_code == 409 and "we will check and call you" in words(refused)
        assert f"{start} {person}" in times_on(refused), "it can still be chosen"
    assert all_of(app, Appointment) == before
    to_do = words(desk.get("/desk/to-do"))
    assert to_do.count("The patient would like") == 1 and "ask the payer, then book it" in to_do
    assert words(desk.get(f"/desk/plans/{reference}")).count("Chose a time about which") == 1
    # The desk books it once it says that the payer was asked; then it waits no more.
    plan = desk.get(f"/desk/plans/{reference}")
    take = f"1 {visit.care.slug} {person} {start}"
    form = re.search(rf'<form class="plan-instead".*?value="{take}".*?</form>', plan.text, re.DOTALL)
    assert form and 'name="payer"' in form[0]
    make_up = f"/desk/plans/{reference}/change/make-up"
    unasked = desk.post(make_up, data=hidden(plan) | {"key": "make-up-1", "take": take})
    assert "Please ask the payer first" in words(desk.get(unasked.location))
    assert all_of(app, Appointment) == before
    desk.post(make_up, data=hidden(plan) | {"key": "make-up-2", "take": take, "payer": "1"})
    assert "The payer was asked." in words(desk.get(f"/desk/plans/{reference}"))
    assert "would like" not in words(desk.get("/desk/to-do"))
    assert len(all_of(app, Appointment)) == len(before) + 1


def test_of_somebody_without_a_link_nothing_of_coverage_is_said(client: FlaskClient, app: Flask) -> None:
    insured(app, 1, Beyond.ASK)
    details = chosen(client, OWN, f"{ASKED}&{KNOWN}")
    assert "may not be covered" not in words(details)
    assert sent(client, OWN, details, **ROSA).status_code == 303


def test_a_contact_is_corrected_for_one_visit_of_a_plan_and_says_so(client: FlaskClient, app: Flask) -> None:
    with app.app_context():
        plan = making.running(prescribed(patient(), "weekly"))
        visit = plan.visits[0]
        page = f"/visit/{visit['reference']}/{links.token(visit['reference'], visit['link_number'])}/contact"
    asked = client.get(page)
    assert "for this one visit only" in words(asked) and "call (818) 555-0100" in words(asked)
    answer = client.post(page, data=hidden(asked) | {"email": "rosa@right.example"})
    done = words(client.get(answer.location))
    assert "It is corrected for this one visit. We are writing to the new address." in done
    assert "The other visits that you booked together stay as they were." in done
    assert "Nothing more to do." not in done
    with app.app_context():
        kept = [row["email"] for row in all_of(app, Appointment)]
    assert kept == ["rosa@right.example", *["rosa@example.com"] * 5]
