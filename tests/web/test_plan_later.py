"""One visit of a plan with all later ones, moved or cancelled by the plan's link: shown before, done once, told once."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from booking.models import Appointment, HistoryEntry, Message, PlanEntry
from booking.scheduling.allowances.terms import Beyond
from booking.scheduling.status import Status
from booking.services import links
from booking.services.plans import series_booking
from booking.services.plans.changing import stop
from booking.services.plans.prescribing import Prescribed
from booking.services.plans.reading import by_link
from booking.services.plans.visits import PlanVisit
from booking.services.rescheduling import reschedule
from tests.clinics import plan_clinic
from tests.conftest import StandingClock
from tests.services.making import NINE, booked, rows
from tests.services.plans.making import patient, prescribed, running, times_told
from tests.staffing import hired, signed_in
from tests.web.conftest import on_both
from tests.web.test_plan_pages import hidden, insured, words

pytestmark = pytest.mark.clinic(plan_clinic())

ZONE = ZoneInfo("America/Los_Angeles")
HOUR, WEEK = timedelta(hours=1), timedelta(days=7)
ACUPUNCTURE = "acupuncture-follow-up"


@pytest.fixture
def link(app: Flask) -> str:
    """Of six visits, one a week at the same time."""
    return a_link(app, "weekly")


def a_link(app: Flask, template: str, first_name: str = "Rosa") -> str:
    with app.app_context():
        plan = running(prescribed(patient(first_name), template), key=f"book-{first_name}")
        return f"/plan/{plan.reference}/{plan.token}"


def standing(app: Flask, link: str) -> tuple[PlanVisit, ...]:
    with app.app_context():
        return by_link(*link.split("/")[2:]).standing


def second(app: Flask, link: str) -> PlanVisit:
    return standing(app, link)[1]


def page_of(visit: PlanVisit, app: Flask) -> str:
    with app.app_context():
        return f"/visit/{visit.reference}/{links.token(visit.reference, visit.link_number)}"


def test_each_button_says_what_it_takes(client: FlaskClient, app: Flask) -> None:
    """Those of one kind, weekday and time are moved; all are cancelled, the look as well."""
    link = a_link(app, "disc")
    first = standing(app, link)[0]
    local = first.starts_at.astimezone(ZONE)
    move = f"Move this and all later visits on {local:%A}, {local:%-I:%M} am (4 visits)"
    cancel = "Cancel this and all later visits, on all days (21 visits)"
    for page in (link, page_of(first, app)):
        shown = words(client.get(page))
        assert move in shown and cancel in shown
    assert "Cancel these 21 visits?" in words(client.get(f"{link}/from/{first.reference}/cancel"))


def preview(client: FlaskClient, link: str, visit: PlanVisit, by: timedelta = HOUR) -> TestResponse:
    """What it would do to move a visit and all later ones by so much."""
    local = visit.starts_at.astimezone(ZONE) + by
    return client.get(f"{link}/from/{visit.reference}/move?to={local:%Y-%m-%d}+{local:%H:%M}")


def of(app: Flask, table: Any, **like: Any) -> list[Any]:
    with app.app_context():
        return [row for row in rows(table) if all(row[name] == value for name, value in like.items())]


# Moved


def test_from_the_plan_or_the_visit_to_all_of_them_moved_with_one_message(
    client: FlaskClient, app: Flask, link: str
) -> None:
    visit = second(app, link)
    way = f"{link}/from/{visit.reference}/move"
    first = standing(app, link)[0]
    assert f"{link}/from/{first.reference}/move" in client.get(link).text
    assert way in client.get(page_of(visit, app)).text
    choose = client.get(way)
    assert "5 visits: " in words(choose) and "All of them can be:" in words(choose)
    assert choose.text.count('name="to"') >= 5 and '<select id="time"' in choose.text
    before = of(app, Appointment)
    shown = preview(client, link, visit)
    assert shown.status_code == 200 and "Move these 5 visits?" in words(shown)
    assert words(shown).count("instead of") == 5 and "stay as" not in words(shown)
    assert of(app, Appointment) == before
    answer = client.post(way, data=hidden(shown))
    assert (answer.status_code, answer.location) == (303, link), words(answer)
    after = standing(app, link)
    assert [one.starts_at - visit.starts_at for one in after[1:]] == [HOUR + week * WEEK for week in range(5)]
    assert after[0] == first and len(of(app, Message, kind="plan-change")) == 1
    page = words(client.get(link))
    assert "Your visits are moved. We are writing to r…@example.com." in page
    assert "Your visits are moved." not in words(client.get(link)), "it is said once"


@on_both
def test_the_same_form_again_is_answered_as_the_first_time(
    client: FlaskClient, app: Flask, link: str
) -> None:
    visit = second(app, link)
    form = hidden(preview(client, link, visit))
    for _again in range(2):
        assert client.post(f"{link}/from/{visit.reference}/move", data=form).location == link
    assert len(of(app, Message, kind="plan-change")) == 1
    assert len(of(app, HistoryEntry, what="moved")) == 5
    # The same key with another wish moves nothing, and says so.
    other = client.post(f"{link}/from/{visit.reference}/move", data=form | {"time": "14:00"})
    assert other.status_code == 409 and "This page was sent before" in words(other)
    assert len(of(app, HistoryEntry, what="moved")) == 5


def test_whoever_saw_something_else_sees_it_as_it_is_and_nothing_is_moved(
    client: FlaskClient, app: Flask, link: str
) -> None:
    visit, third = standing(app, link)[1:3]
    way = f"{link}/from/{visit.reference}/move"
    form = hidden(preview(client, link, visit))
    with app.app_context():
        for minutes in (60, 75):
            booked(
                third.starts_at + timedelta(minutes=minutes), visit_type=ACUPUNCTURE,
                practitioner=third.practitioner.slug, first_name=f"Bo{minutes}", email=f"bo{minutes}@example.com",
            )  # fmt: skip
    as_they_are = standing(app, link)
    shown = client.post(way, data=form)
    assert shown.status_code == 409 and "This is what it would do now." in words(shown)
    assert "Move these 4 visits?" in words(shown) and "This visit stays as it is" in words(shown)
    assert "Mei Tanaka is fully booked then." in words(shown) and "(818) 555-0100" in words(shown)
    assert standing(app, link) == as_they_are
    # One was moved alone meanwhile: it isn't like the others any more.
    with app.app_context():
        token = links.token(third.reference, third.link_number)
        reschedule(third.reference, token, third.starts_at + WEEK / 7, None, actor="link", key="alone-001")
    later = client.post(way, data=hidden(shown))
    assert later.status_code == 409 and "stays as it is" not in words(later)
    assert client.post(way, data=hidden(later)).status_code == 303
    after = standing(app, link)
    assert after[2].starts_at == third.starts_at + WEEK / 7 and after[1].starts_at == visit.starts_at + HOUR


def test_an_older_version_of_the_plan_is_refused(client: FlaskClient, app: Flask, link: str) -> None:
    first, visit = standing(app, link)[:2]
    form = hidden(preview(client, link, visit))
    assert client.post(
        f"{link}/from/{first.reference}/move", data=hidden(preview(client, link, first, HOUR / 4))
    ).location
    moved = standing(app, link)
    answer = client.post(f"{link}/from/{visit.reference}/move", data=form)
    assert answer.status_code == 409 and "your visits were changed meanwhile" in words(answer)
    assert standing(app, link) == moved


def test_from_a_visit_past_its_cut_off_nothing_is_offered_that_would_be_refused(
    client: FlaskClient, app: Flask, link: str, standing_clock: StandingClock
) -> None:
    visit, third = standing(app, link)[1:3]
    standing_clock.at(visit.change_until + timedelta(minutes=1))
    for page in (link, page_of(visit, app)):
        assert "and all later visits" not in words(client.get(page))
    for what in ("move", "cancel"):
        assert client.get(f"{link}/from/{visit.reference}/{what}").location == link
    assert "and all later visits on Monday, 9:00 am (4 visits)" in words(client.get(page_of(third, app)))


def test_what_is_past_its_cut_off_since_it_was_shown_stays_and_is_named(
    client: FlaskClient, app: Flask, link: str, standing_clock: StandingClock
) -> None:
    visit = second(app, link)
    way = f"{link}/from/{visit.reference}/move"
    form = hidden(preview(client, link, visit))
    standing_clock.at(visit.change_until + timedelta(minutes=1))
    shown = client.post(way, data=form)
    assert (
        shown.status_code == 409
        and "Move these 4 visits?" in words(shown)
        and "Changes here ended" in words(shown)
    )
    assert "please call us: (818) 555-0100" in words(shown)
    assert client.post(way, data=hidden(shown)).status_code == 303
    after = standing(app, link)
    assert after[1].starts_at == visit.starts_at and after[2].starts_at == visit.starts_at + WEEK + HOUR


def test_what_the_plan_would_not_keep_is_said(client: FlaskClient, app: Flask) -> None:
    link = a_link(app, "disc")
    first, other = [one for one in standing(app, link) if one.care.slug == ACUPUNCTURE][:2]
    shown = preview(client, link, first, other.starts_at - first.starts_at - timedelta(days=1))
    assert shown.status_code == 200
    assert "Your plan isn't kept then as it was prescribed:" in words(shown)
    assert "acupuncture: too little rest between two visits." in words(shown)


def test_what_may_not_be_covered_is_marked_as_on_the_plans_page(client: FlaskClient, app: Flask) -> None:
    link = insured(app, 10, Beyond.WARN)
    with app.app_context():
        running(Prescribed(link.split("/")[2], 1, told=True))
    visit = next(one for one in standing(app, link) if one.care.slug == ACUPUNCTURE)
    shown = words(preview(client, link, visit, 5 * HOUR))
    moved = shown.count("instead of")
    assert 0 < shown.count("! may not be covered") < moved and "of 10 left" in shown
    assert "we will check and call you before you come" in shown


def test_nobody_is_in_two_places(client: FlaskClient, app: Flask) -> None:
    link = a_link(app, "disc")
    first, other = [one for one in standing(app, link) if one.care.slug == ACUPUNCTURE][:2]
    shown = words(preview(client, link, first, other.starts_at - first.starts_at))
    assert "None of them can be moved there." in shown and "You have Acupuncture" in shown


@on_both
def test_of_a_series_of_their_own_what_was_refused_stays_and_the_rest_is_moved(
    client: FlaskClient, app: Flask
) -> None:
    """Who began it may only have given a name that is known: nothing is said of when its patient comes besides."""
    with app.app_context():
        made = booked(NINE, visit_type=ACUPUNCTURE, practitioner="mei")
        found = series_booking.again(made.reference, made.token)
        series = found.series(4)
        dates = series_booking.preview_again(found, series, visitor=None).visits
        plan = series_booking.book_again(
            found,
            series,
            dates,
            name="Several",
            policy_version="1",
            visitor=None,
            actor="link",
            key="again-01",
        )
        booked(NINE + 3 * WEEK + HOUR, visit_type="chiropractic-follow-up", practitioner="aaron")
        link = f"/plan/{plan.reference}/{plan.token}"
    before = standing(app, link)
    way = f"{link}/from/{before[0].reference}/move"
    first = preview(client, link, before[0])
    assert "Move these 4 visits?" in words(first)
    again = client.post(way, data=hidden(first))
    assert again.status_code == 409 and standing(app, link) == before
    assert "one of these times at least is taken" in words(again)
    assert "Move these 3 visits?" in words(again) and "This visit stays as it is" in words(again)
    assert "That time can't be booked here. To have that changed, please call us" in words(again)
    assert "All of them can be:" not in words(again)
    assert client.post(way, data=hidden(again)).location == link
    after = [one.starts_at - was.starts_at for one, was in zip(standing(app, link), before, strict=True)]
    assert after == [HOUR, HOUR, timedelta(0), HOUR]
    (told,) = of(app, Message, kind="plan-change")
    with app.app_context():
        assert len(times_told(told["facts"])["added"]) == 3


def test_of_several_weeks_what_is_missing_is_said_once(client: FlaskClient, app: Flask, link: str) -> None:
    way = f"{link}/from/{standing(app, link)[1].reference}/cancel"
    client.post(way, data=hidden(client.get(way)))
    page = words(client.get(link))
    assert "5 visits are missing in weeks 2 to 6." in page and "In week" not in page


def test_of_the_last_visit_alone_nothing_more_is_offered(client: FlaskClient, app: Flask, link: str) -> None:
    last = standing(app, link)[-1]
    assert "/from/" not in client.get(page_of(last, app)).text
    for what in ("move", "cancel"):
        assert client.get(f"{link}/from/{last.reference}/{what}").location == link


# Cancelled


def test_this_and_all_later_ones_are_cancelled_and_the_desk_sees_it(
    client: FlaskClient, app: Flask, link: str
) -> None:
    visit = standing(app, link)[2]
    way = f"{link}/from/{visit.reference}/cancel"
    assert way in client.get(page_of(visit, app)).text
    shown = client.get(way)
    assert "Cancel these 4 visits?" in words(shown) and "Your plan isn't ended by that." in words(shown)
    form = hidden(shown) | {"reason": "I am <moving> away."}
    for _again in range(2):
        assert client.post(way, data=form).location == link
    assert len(of(app, Appointment, status=Status.CANCELLED)) == 4
    assert len(of(app, Message, kind="plan-change")) == 1
    page = words(client.get(link))
    assert "Your visits are cancelled." in page and "4 visits are missing in weeks 3 to 6." in page
    with app.app_context():
        desk = signed_in(app, hired())
    board = words(desk.get("/desk/plans"))
    # Those before it are still ahead, and the next one stands beside it.
    assert f"Has cancelled all visits from {visit.starts_at:%a, %b} {visit.starts_at.day} on" in board
    told = desk.get(f"/desk/plans/{link.split('/')[2]}").text
    assert "Cancelled one visit and all later ones" in told and "I am &lt;moving&gt; away." in told


def test_whoever_saw_other_visits_sees_these_first(
    client: FlaskClient, app: Flask, link: str, standing_clock: StandingClock
) -> None:
    visit = second(app, link)
    way = f"{link}/from/{visit.reference}/cancel"
    form = hidden(client.get(way)) | {"reason": "Because"}
    standing_clock.at(visit.change_until + timedelta(minutes=1))
    shown = client.post(way, data=form)
    assert shown.status_code == 409 and "Because" in shown.text
    assert "Cancel these 4 visits?" in words(shown) and "This visit stays as it is" in words(shown)
    assert "please call us: (818) 555-0100" in words(shown)
    assert not of(app, Appointment, status=Status.CANCELLED)
    assert client.post(way, data=hidden(shown)).status_code == 303
    assert standing(app, link)[-1].reference == visit.reference


def test_a_reason_that_is_too_long_is_refused_and_stays(client: FlaskClient, app: Flask, link: str) -> None:
    way = f"{link}/from/{second(app, link).reference}/cancel"
    shown = client.post(way, data=hidden(client.get(way)) | {"reason": "x" * 501})
    assert shown.status_code == 422 and "x" * 501 in shown.text
    assert not of(app, Appointment, status=Status.CANCELLED)


# Whatever else is sent


@on_both
def test_the_visit_of_another_plan_is_not_there(client: FlaskClient, app: Flask, link: str) -> None:
    other = second(app, a_link(app, "weekly", "Omar"))
    own = second(app, link)
    form = hidden(client.get(f"{link}/from/{own.reference}/cancel")) | {"reason": ""}
    for reference in (other.reference, "NOBODYS", "\x00", "💥", "x" * 300):
        for what in ("move", "cancel"):
            assert client.get(f"{link}/from/{reference}/{what}").status_code == 404
            assert client.post(f"{link}/from/{reference}/{what}", data=form).status_code == 404
    assert client.get(f"{link}x/from/{own.reference}/move").status_code == 404
    assert not of(app, PlanEntry, what="moved")


@on_both
def test_absurd_wishes_move_and_cancel_nothing(client: FlaskClient, app: Flask, link: str) -> None:
    visit = second(app, link)
    way = f"{link}/from/{visit.reference}"
    form, cancelling = hidden(preview(client, link, visit)), hidden(client.get(f"{way}/cancel"))
    day = str(form["day"][0])
    before = of(app, Appointment)
    for number, typed in enumerate(
        (
            {"day": "", "time": ""}, {"day": "tomorrow"}, {"day": day, "time": "25:00"}, {"time": "9:03"},
            {"day": "9999-12-31"}, {"day": "0001-01-01"}, {"day": "2026-12-21"}, {"day": "\x00"}, {"time": "💥"},
            {"day": "x" * 3000}, {"to": "x y"}, {"shown": ""}, {"shown": "\x00"}, {"key": ""}, {"key": "\x00" * 9},
            {"version": "x"}, {"version": "99"},
        )
    ):  # fmt: skip
        answer = client.post(f"{way}/move", data=form | {"key": f"odd-key-{number}"} | typed)
        assert answer.status_code in (409, 422), typed
        asked = client.get(f"{way}/move", query_string={"day": day, "time": "10:00"} | typed)
        assert asked.status_code in (200, 422), typed
    for number, typed in enumerate(
        (
            {"shown": ""},
            {"shown": "💥"},
            {"key": ""},
            {"version": "x"},
            {"version": "99"},
            {"reason": "x" * 9999},
        )
    ):
        answer = client.post(f"{way}/cancel", data=cancelling | {"key": f"odd-key-{number}"} | typed)
        assert answer.status_code in (409, 422), typed
    assert of(app, Appointment) == before


def test_their_own_time_is_no_other_one(client: FlaskClient, app: Flask, link: str) -> None:
    shown = preview(client, link, second(app, link), timedelta(0))
    assert shown.status_code == 422 and "That is their time already." in words(shown)


def test_where_all_of_them_are_over_nothing_is_moved_or_cancelled(
    client: FlaskClient, app: Flask, link: str, standing_clock: StandingClock
) -> None:
    visit = standing(app, link)[-2]
    way = f"{link}/from/{visit.reference}"
    moving, cancelling = hidden(preview(client, link, visit)), hidden(client.get(f"{way}/cancel"))
    standing_clock.at(visit.starts_at + WEEK)
    for what, form in (("move", moving | {"time": ""}), ("cancel", cancelling)):
        assert client.get(f"{way}/{what}").location == link
        assert client.post(f"{way}/{what}", data=form).location == link
    assert client.post(f"{way}/move", data=moving).status_code == 409
    assert not of(app, HistoryEntry, what="moved") and not of(app, HistoryEntry, what="cancelled")


def test_of_a_plan_that_was_stopped_meanwhile_its_page_says_so(
    client: FlaskClient, app: Flask, link: str
) -> None:
    visit = second(app, link)
    way = f"{link}/from/{visit.reference}"
    moving, cancelling = hidden(preview(client, link, visit)), hidden(client.get(f"{way}/cancel"))
    with app.app_context():
        stop(hired(), link.split("/")[2], "", key="stop-0001")
    for what, form in (("move", moving), ("cancel", cancelling)):
        assert client.get(f"{way}/{what}").location == link
        assert client.post(f"{way}/{what}", data=form).location == link
    assert "Your plan has ended." in words(client.get(link))
