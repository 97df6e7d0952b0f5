"""When to come: earlier and later days, parts of the day, somebody in particular, and the page that is kept for all."""

import re
from html import unescape
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.clinics import clinic, every_day, practitioner, set_up, visit_type
from tests.services.making import NINE, booked
from tests.web.conftest import Send, fields

TIMES = "/book/follow-up"
NINE_WITH_ANA = "2026-09-15T16:00:00Z ana"


def times_of(page: str) -> list[str]:
    return re.findall(r'name="time" value="([^"]+)"', page)


def days_of(page: str) -> list[str]:
    return re.findall(r"<h2>(\w+, \w+ \d+)", page)


def link(page: str, words: str) -> str:
    """Where the link with these words leads."""
    found = re.search(rf'<a href="([^"]+)"[^>]*>{re.escape(words)}', page)
    assert found, f"no link says {words}"
    return unescape(found[1])


def clinic_of(app: Flask, *people: dict[str, Any], **how: Any) -> None:
    with app.app_context():
        set_up(clinic(practitioners=list(people), **how))


def test_later_days_follow_without_a_gap_and_earlier_ones_lead_back(client: FlaskClient) -> None:
    first = client.get(TIMES).text
    assert days_of(first)[0] == "Monday, September 14" and days_of(first)[-1] == "Friday, September 18"
    assert "Earlier days" not in first
    later = client.get(link(first, "Later days")).text
    assert days_of(later)[0] == "Monday, September 21"
    assert days_of(client.get(link(later, "Earlier days")).text) == days_of(first)


def test_the_last_day_that_can_be_booked_has_no_later_days(client: FlaskClient) -> None:
    # Monday, 90 days from now, is Sunday, December 13.
    page = client.get(f"{TIMES}?from=2026-12-07").text
    assert days_of(page)[-1] == "Friday, December 11"
    assert "Later days" not in page


@pytest.mark.parametrize("way", ["with=ana", "with=anyone"])
def test_other_days_and_parts_keep_whom_one_asked_for(client: FlaskClient, way: str) -> None:
    page = client.get(f"{TIMES}?{way}&part=morning").text
    later = link(page, "Later days")
    assert ("with=ana" in later) == (way == "with=ana") and "part=morning" in later
    assert ("with=ana" in link(page, "Afternoon")) == (way == "with=ana")


def test_morning_and_afternoon_leave_out_the_other(client: FlaskClient) -> None:
    hours = {
        part: {int(time[11:13]) - 7 for time in times_of(client.get(f"{TIMES}?part={part}").text)}
        for part in ("morning", "afternoon")
    }
    assert hours["morning"] and all(hour < 12 for hour in hours["morning"])
    assert hours["afternoon"] and all(12 <= hour < 17 for hour in hours["afternoon"])


def test_the_part_that_was_chosen_is_marked(client: FlaskClient) -> None:
    page = client.get(f"{TIMES}?part=morning").text
    assert re.search(r'aria-current="true">Morning</a>', page)
    assert not re.search(r'aria-current="true">(Any time|Afternoon)</a>', page)


@pytest.mark.parametrize("day", ["", "&day=2026-09-15"])
def test_a_part_without_times_leads_to_the_whole_day(client: FlaskClient, app: Flask, day: str) -> None:
    clinic_of(app, practitioner("ana", hours=every_day("13:00-17:00")))
    page = client.get(f"{TIMES}?with=ana&part=morning{day}").text
    assert "No mornings are free in these days." in page
    assert times_of(page) == []
    whole = client.get(link(page, "See the times of the whole day")).text
    assert times_of(whole) and "with=ana" in link(page, "See the times of the whole day")


def test_all_times_of_a_day_lead_back_to_all_days(client: FlaskClient) -> None:
    page = client.get(f"{TIMES}?with=ana").text
    whole = client.get(link(page, "All times of this day")).text
    assert len(days_of(whole)) == 1
    assert link(whole, "Back to all days") == f"{TIMES}?with=ana"


def test_whoever_is_away_is_said_to_be_so_until_they_are_back(client: FlaskClient, app: Flask) -> None:
    away = [{"first": "2026-09-14", "last": "2026-09-25", "reason": "Vacation"}]
    clinic_of(app, practitioner("ana", name="Ana Ruiz", away=away), practitioner("ben", name="Ben Okoro"))
    page = client.get(f"{TIMES}?with=ana&day=2026-09-16").text
    assert "Ana Ruiz is away until " in page and "Vacation" not in page
    # The day that is named is the one on which she is there again.
    back = re.search(r"Ana Ruiz is away until (\w+, \w+ \d+)\.", page)
    assert back and back[1] == "Monday, September 28"
    assert "Mon, Sep 28, 9:00 am, with Ana Ruiz" in page
    assert "Wed, Sep 16, 9:00 am, with Ben Okoro" in page


def test_only_with_somebody_shows_only_their_times(client: FlaskClient, app: Flask) -> None:
    page = client.get(TIMES).text
    assert "<strong>First available</strong></span></summary>" in page
    ana = client.get(link(page, "<strong>Only with Ana Ruiz</strong>")).text
    assert "<strong>Ana Ruiz</strong></span></summary>" in ana
    assert {time.partition(" ")[2] for time in times_of(ana)} == {"ana"}
    with app.app_context():
        booked(NINE, practitioner="ana")
    assert NINE_WITH_ANA not in client.get(f"{TIMES}?with=ana&day=2026-09-15").text
    assert "2026-09-15T16:00:00Z ben" in client.get(f"{TIMES}?day=2026-09-15").text


def test_a_profile_stands_beside_the_name(client: FlaskClient, app: Flask) -> None:
    clinic_of(app, practitioner("ana", credentials="L.Ac.", profile="Listens."))
    page = client.get(TIMES).text
    assert "L.Ac." in page and "Listens." in page


def test_what_is_booked_by_link_only_stands_in_no_list_and_opens_by_its_link(
    client: FlaskClient, send: Send, app: Flask
) -> None:
    by_link = {"visit_type": "quiet", "bookable_by": "link"}
    types = [visit_type(), visit_type("quiet", name="Quiet hour")]
    clinic_of(app, practitioner("ana", offers=["follow-up", by_link]), practitioner("ben"), visit_types=types)
    for listed in ("/book", "/care/care", "/with/ana", TIMES):
        assert "Quiet hour" not in client.get(listed).text
    assert client.get("/book/quiet").status_code == 409
    assert "Ben doesn't give this visit." in unescape(client.get("/book/quiet?with=ben").text)
    page = client.get("/book/quiet?with=ana")
    held = send(page, "/book/quiet/time", time=NINE_WITH_ANA)
    assert held.status_code == 303
    assert "Quiet hour" in client.get(held.headers["Location"]).text


def test_what_only_staff_may_book_opens_by_no_link(client: FlaskClient, send: Send, app: Flask) -> None:
    by_staff = {"visit_type": "quiet", "bookable_by": "staff"}
    types = [visit_type(), visit_type("quiet")]
    clinic_of(app, practitioner("ana", offers=["follow-up", by_staff]), visit_types=types)
    page = client.get("/book/quiet?with=ana")
    assert times_of(page.text) == []
    assert send(page, "/book/quiet/time", time=NINE_WITH_ANA).status_code == 409


def test_deep_links_lead_to_what_they_name(client: FlaskClient) -> None:
    ana, ben = client.get("/with/ana").text, client.get("/with/ben").text
    assert "What would you like to book with Ana Ruiz?" in ana
    assert 'href="/book/first?with=ana"' in ana and "/book/first" not in ben
    care = client.get("/care/care").text
    assert "See all kinds of care" in care and 'href="/book/follow-up"' in care
    assert "Have you had care with us before?" in care


def test_what_is_asked_for_at_a_visit_is_told_but_not_to_be_chosen(client: FlaskClient) -> None:
    page = client.get("/book").text
    assert "Ask for it at your visit; your practitioner decides with you." in page
    assert "Tell us about a pacemaker." in page and 'href="/book/special"' not in page


# The page is written once for everybody; these are what may differ.


def test_each_visitor_of_the_kept_page_has_a_token_of_their_own(app: Flask) -> None:
    visitors = [app.test_client() for _ in range(3)]
    pages = [visitor.get(TIMES) for visitor in visitors]
    tokens = [fields(page.text)["csrf_token"] for page in pages]
    assert len(set(tokens)) == 3
    assert all("the-token-of-this-form" not in page.text for page in pages)
    for visitor, token in zip(visitors, tokens, strict=True):
        own = visitor.post(f"{TIMES}/time", data={"csrf_token": token, "time": ""})
        assert own.status_code == 303
    others = visitors[0].post(f"{TIMES}/time", data={"csrf_token": tokens[1], "time": ""})
    assert others.status_code == 400


def test_two_questions_are_two_pages(client: FlaskClient) -> None:
    pages = {
        query: times_of(client.get(f"{TIMES}?{query}").text)
        for query in ("", "with=ben", "part=morning", "part=afternoon", "day=2026-09-15", "from=2026-09-15")
    }  # fmt: skip
    assert len({tuple(times) for times in pages.values()}) == len(pages)


def test_a_booking_by_somebody_else_shows_at_once(client: FlaskClient, app: Flask) -> None:
    asked = f"{TIMES}?with=ana&day=2026-09-15"
    assert NINE_WITH_ANA in client.get(asked).text
    with app.app_context():
        booked(NINE, practitioner="ana")
    assert NINE_WITH_ANA not in client.get(asked).text


def test_a_hold_is_taken_for_others_and_free_for_its_holder(
    app: Flask, client: FlaskClient, standing_clock: Any
) -> None:
    asked = f"{TIMES}?with=ana&day=2026-09-15"
    holder = app.test_client()
    held = holder.post(f"{TIMES}/time", data=fields(holder.get(asked).text) | {"time": NINE_WITH_ANA})
    assert held.status_code == 303
    for _ in range(2):
        assert NINE_WITH_ANA not in client.get(asked).text
        assert NINE_WITH_ANA in holder.get(asked).text
    standing_clock.on(minutes=10)
    assert NINE_WITH_ANA in client.get(asked).text


def test_times_that_have_become_too_soon_are_gone_from_the_kept_page(
    client: FlaskClient, standing_clock: Any
) -> None:
    asked = f"{TIMES}?day=2026-09-14"
    first = times_of(client.get(asked).text)[0]
    standing_clock.on(hours=2, minutes=15)
    assert first not in client.get(asked).text
