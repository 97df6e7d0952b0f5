"""A practitioner's day on a phone: who is next, needles in and forgotten, news from the desk, time off, the calendar.

With and without JavaScript, by keyboard alone, and light enough for a cellar with one bar of reception.
"""

import gzip
import re
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Page, expect
from sqlalchemy import select, update

from booking.extensions import db
from booking.models import Appointment, Role, SignIn as SignInRow
from booking.services.desk import statuses
from booking.services.staff import sign_ins
from booking.services.staff.who import Who
from booking.services.transaction import reading
from tests.browser.conftest import DESKTOP, PHONE, NewPage, comes, fits
from tests.browser.interception import intercept
from tests.clinics import clinic, needled, practitioner, rooms, set_up, visit_type
from tests.conftest import StandingClock
from tests.services.making import NINE, booked
from tests.staffing import hired

Axe = Callable[[Page], None]
EARLY = NINE - timedelta(hours=3)


@pytest.fixture
def app(app: Flask, standing_clock: StandingClock) -> Flask:
    with app.app_context():
        set_up(
            clinic(
                visit_types=[visit_type(name="Follow-up"), needled(name="With needles")],
                rooms=rooms(3),
                practitioners=[
                    practitioner("ana", name="Ana Ruiz", offers=["follow-up", "needles"]),
                    practitioner("ben", name="Ben Okoro"),
                ],
            )
        )
        standing_clock.at(EARLY)
        for minutes, first, last, kind in (
            (0, "Rosa", "Lima", "needles"),
            (60, "Noor", "Aziz", "needles"),
            (120, "Tom", "Berg", "follow-up"),
            (300, "Ida", "Sørensen", "follow-up"),
        ):
            booked(
                NINE + timedelta(minutes=minutes),
                practitioner="ana",
                visit_type=kind,
                first_name=first,
                last_name=last,
                email=f"{first.lower()}@example.com",
                note="My left knee hurts on stairs." if first == "Rosa" else "",
            )
    return app


@pytest.fixture
def ana(app: Flask) -> Who:
    with app.app_context():
        return hired(Role.PRACTITIONER, practitioner="ana", name="Ana Ruiz")


SignIn = Callable[[Page], Page]
At = Callable[[datetime], None]


@pytest.fixture
def at(app: Flask, standing_clock: StandingClock) -> At:
    """Turns the clock. Somebody used the phone meanwhile: left alone for five minutes, it would lock."""

    def turned_to(instant: datetime) -> None:
        standing_clock.at(instant)
        with app.app_context(), db.engine.begin() as connection:
            connection.execute(update(SignInRow).values(active_at=instant))

    return turned_to


@pytest.fixture
def sign_in(app: Flask, ana: Who, live: str) -> SignIn:
    """Lets a page in as Ana. How one signs in has stories of its own."""

    def let_in(page: Page) -> Page:
        with app.app_context():
            secret = sign_ins.begin(ana.account_id, address="127.0.0.1", browser="test", phone=True)
        cookie = app.session_interface.get_signing_serializer(app).dumps({"sign_in": secret})  # type: ignore[attr-defined]
        page.context.add_cookies([{"name": app.config["SESSION_COOKIE_NAME"], "value": cookie, "url": live}])
        return page

    return let_in


def tap(page: Page, words: str) -> None:
    """Taps and waits for the page that says what was done."""
    before = page.locator("#own-day").get_attribute("data-etag")
    page.get_by_role("button", name=re.compile(f"^{words} ?: ")).first.click()
    expect(page.locator("#own-day")).not_to_have_attribute("data-etag", before or "")


@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "plain"])
def test_a_patient_arrives_rests_with_needles_and_is_done(
    new_page: NewPage, sign_in: SignIn, at: At, axe: Axe, javascript: bool
) -> None:
    page = sign_in(new_page(PHONE, javascript=javascript))
    at(NINE - timedelta(minutes=4))
    page.goto("/mine/today")
    expect(page.locator(".own-card").first).to_contain_text("Next: 9:00 am Rosa Lima")
    expect(page.locator(".own-card").first).to_contain_text("My left knee hurts on stairs.")
    tap(page, "Here")
    expect(page.locator(".toast")).to_contain_text("Rosa Lima is here.")
    # The wrong one: taken back, and tapped again.
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".toast")).to_contain_text("Taken back.")
    expect(page.locator(".own-card").first).to_contain_text("Booked")
    tap(page, "Here")

    at(NINE + timedelta(minutes=3))
    tap(page, "In the room")
    at(NINE + timedelta(minutes=18))
    tap(page, "Needles in")
    first = page.locator(".own-card").first
    expect(first).to_contain_text("Room 1: needles out at 9:43 am")
    expect(first.get_by_role("button")).to_have_count(1)
    expect(page.get_by_role("button", name=re.compile("^Done ?: Rosa"))).to_have_count(0)
    if javascript:
        axe(page)

    # Forgotten: five minutes over, it turns clay, by itself or with the next look.
    at(NINE + timedelta(minutes=48))
    if javascript:
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    else:
        page.reload()
    expect(page.locator(".own-card.needles.over")).to_contain_text(
        "Room 1: needles still in, due out at 9:43 am"
    )
    expect(page.locator(".own-card.needles.over")).to_contain_text("Over time by 5 minutes")
    if javascript:
        expect(page.locator("[data-say]")).to_have_text("Needles are over time.")
        axe(page)
    tap(page, "Needles out")
    expect(page.locator(".own-card.needles")).to_have_count(0)
    tap(page, "Done")
    expect(page.locator(".own-card").first).to_contain_text("Next: 10:00 am Noor Aziz")


def test_a_no_show_is_offered_after_a_quarter_of_an_hour(phone: Page, sign_in: SignIn, at: At) -> None:
    sign_in(phone)
    at(NINE + timedelta(minutes=14))
    phone.goto("/mine/today")
    no_show = phone.get_by_role("button", name=re.compile("^No-show ?: Rosa"))
    expect(no_show).to_have_count(0)
    expect(phone.locator(".own-card").first).to_contain_text("14 min late")
    at(NINE + timedelta(minutes=15))
    phone.reload()
    tap(phone, "No-show")
    expect(phone.locator(".toast")).to_contain_text("Rosa Lima: no-show.")
    expect(phone.locator(".own-card").first).to_contain_text("Next: 10:00 am Noor Aziz")


def test_news_from_the_desk_comes_by_itself_and_is_marked_until_seen(
    app: Flask, phone: Page, sign_in: SignIn, at: At, axe: Axe
) -> None:
    sign_in(phone)
    at(NINE - timedelta(minutes=4))
    phone.goto("/mine/today")
    phone.get_by_role("button", name=re.compile("^In the room ?: Rosa")).focus()
    with app.app_context():
        reference = phone.locator("[data-visit]").nth(1).get_attribute("data-visit")
        assert reference
        desk = hired(Role.DESK)
        statuses.arrive(desk, reference, key="arrived-1")
    # The page looks by itself every eight seconds.
    expect(phone.locator(".own-news")).to_contain_text(
        "One visit has changed since you last looked.", timeout=10_000
    )
    expect(phone.locator(".own-visit.changed")).to_have_count(1)
    expect(phone.locator(".own-visit.changed")).to_contain_text("Noor Aziz changed")
    expect(phone.get_by_role("button", name=re.compile("^In the room ?: Rosa"))).to_be_focused()
    axe(phone)
    # It stays marked until it is seen, over the pages.
    phone.reload()
    expect(phone.locator(".own-visit.changed")).to_have_count(1)
    phone.get_by_role("button", name="Seen").click()
    expect(phone.locator(".own-visit.changed")).to_have_count(0)
    phone.reload()
    expect(phone.locator(".own-news")).to_be_hidden()
    # One's own tap is no news, nor is its undoing, nor what was tapped on the visit's own page.
    tap(phone, "In the room")
    expect(phone.locator(".own-news")).to_be_hidden()
    phone.get_by_role("button", name="Undo").click()
    expect(phone.locator(".toast")).to_contain_text("Taken back.")
    expect(phone.locator(".own-news")).to_be_hidden()
    phone.locator(".own-visit .own-name", has_text="Rosa").click()
    phone.get_by_role("button", name=re.compile("^In the room ?: Rosa")).click()
    expect(phone.locator(".toast")).to_contain_text("Rosa Lima is in the room.")
    phone.goto("/mine/today")
    expect(phone.locator(".own-card").first).to_contain_text("In the room")
    expect(phone.locator(".own-visit.changed")).to_have_count(0)
    expect(phone.locator(".own-news")).to_be_hidden()


def test_the_menu_is_made_for_a_thumb_and_what_locks_is_not_beside_what_signs_out(
    phone: Page, sign_in: SignIn
) -> None:
    sign_in(phone)
    phone.goto("/mine/today")
    menu = phone.get_by_role("navigation", name="Staff")
    boxes = [one.bounding_box() for one in menu.locator("a:visible, button:visible").all()]
    assert boxes and all(box and box["height"] >= 44 and box["width"] >= 44 for box in boxes)
    # At most two rows of it.
    assert len({box["y"] for box in boxes if box}) <= 2
    expect(menu.get_by_role("button", name="Lock")).to_be_visible()
    expect(menu.get_by_role("button", name="Sign out")).to_be_hidden()
    phone.locator(".who").click()
    phone.get_by_role("main").get_by_role("button", name="Sign out").click()
    expect(phone.get_by_role("heading", name="Sign in")).to_be_visible()


def test_a_day_without_connection_says_so_wherever_it_is_scrolled_to(
    phone: Page, sign_in: SignIn, at: At, axe: Axe
) -> None:
    sign_in(phone)
    at(NINE - timedelta(minutes=4))
    phone.goto("/mine/today")
    without = phone.get_by_text("No connection. This is how the day stood at the last answer.")
    look = "document.dispatchEvent(new Event('visibilitychange'))"
    intercept(phone, "**/mine/today", lambda route: route.abort())
    phone.evaluate(look)
    expect(without).to_be_in_viewport()
    axe(phone)
    phone.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    expect(without).to_be_in_viewport()
    phone.unroute("**/mine/today")
    phone.evaluate(look)
    expect(without).to_have_count(0)


def test_two_who_tap_the_same_get_one_success_and_one_word(
    app: Flask, phone: Page, sign_in: SignIn, at: At, standing_clock: StandingClock
) -> None:
    sign_in(phone)
    at(NINE)
    phone.goto("/mine/today")
    with app.app_context():
        reference = phone.locator("[data-visit]").first.get_attribute("data-visit")
        assert reference
        statuses.start(hired(Role.DESK), reference, key="started-1")
    phone.get_by_role("button", name=re.compile("^Here ?: Rosa")).click()
    expect(phone.get_by_role("alert")).to_be_visible()
    expect(phone.locator(".own-card").first).to_contain_text("In the room: Rosa Lima")
    # It goes on looking for news of the day, and sends the tap no second time.
    with phone.expect_response(lambda answer: "x-poll" in answer.request.headers) as polled:
        phone.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    assert polled.value.url.endswith("/mine/today")
    assert polled.value.status in (200, 304)
    expect(phone.get_by_role("alert")).to_be_visible()
    # Left alone, the phone locks, and opens at the day.
    standing_clock.on(minutes=5)
    with phone.expect_navigation():
        phone.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(phone.get_by_role("heading", name="Locked")).to_be_visible()
    assert phone.url.endswith("next=%2Fmine%2Ftoday")


def test_a_day_by_keyboard_alone(new_page: NewPage, sign_in: SignIn, at: At) -> None:
    page = sign_in(new_page(DESKTOP))
    at(NINE)
    page.goto("/mine/today")

    def go_to(name: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            focused = page.evaluate("document.activeElement.textContent.trim()")
            if re.match(name, focused):
                return
        raise AssertionError(f"{name} isn't reached by Tab.")

    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    for words in ("In the room: Rosa", "Needles in: Rosa", "Needles out: Rosa", "Done: Rosa"):
        before = page.locator("#own-day").get_attribute("data-etag") or ""
        go_to(words)
        page.keyboard.press("Enter")
        expect(page.locator("#own-day")).not_to_have_attribute("data-etag", before)
    go_to("Undo")
    page.keyboard.press("Enter")
    expect(page.locator(".toast")).to_contain_text("Taken back.")
    expect(page.locator(".own-card").first).to_contain_text("In the room: Rosa Lima")


def test_today_is_light(app: Flask, phone: Page, sign_in: SignIn, at: At) -> None:
    """Cold, with everything that it needs: at most 30 kB on the wire, and nothing from elsewhere."""
    sizes: dict[str, int] = {}

    def came(response: Any) -> None:
        sent = response.request.sizes()
        sizes[re.sub(r"/static/\w+/", "", response.url.partition("//")[2].partition("/")[2])] = (
            sent["responseBodySize"] + sent["responseHeadersSize"]
        )

    sign_in(phone)
    at(NINE)
    phone.on("response", came)
    phone.goto("/mine/today", wait_until="networkidle")
    sys.stdout.write(f"\nToday, cold: {sizes}, {sum(sizes.values())} bytes\n")
    assert sum(sizes.values()) <= 30_000, sizes
    assert not any("htmx" in name for name in sizes)
    assert len(gzip.compress(phone.content().encode())) < 10_000


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_every_page_is_accessible_and_fits_its_window(
    app: Flask, new_page: NewPage, sign_in: SignIn, viewport: Any, at: At, axe: Axe
) -> None:
    page = sign_in(new_page(viewport))
    at(NINE)
    page.goto("/mine/today")
    reference = page.locator("[data-visit]").nth(3).get_attribute("data-visit")
    for path, heading in (
        ("today", "My day, Tue, Sep 15"),
        ("week", "Sun, Sep 13 – Sat, Sep 19"),
        ("month", "September 2026"),
        ("colleagues", "Colleagues, Tuesday, September 15"),
        ("time-off", "My time off"),
        ("feed", "My calendar"),
        (f"visits/{reference}", "Ida Sørensen"),
        (f"visits/{reference}/move", "Move Ida Sørensen"),
    ):
        page.goto(f"/mine/{path}")
        comes(page, heading)
        axe(page)
        fits(page)


@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "plain"])
def test_a_week_begins_with_today_on_a_phone_and_shows_what_was_on_a_tap(
    new_page: NewPage, sign_in: SignIn, at: At, axe: Axe, javascript: bool
) -> None:
    at(NINE + timedelta(days=1))
    page = sign_in(new_page(PHONE, javascript=javascript))
    page.goto("/mine/week")
    days = page.locator(".own-column h2")
    expect(days.filter(visible=True).first).to_have_text("Wed, Sep 16 · today")
    page.get_by_role("link", name="Earlier this week").click()
    expect(days.filter(visible=True).first).to_have_text("Mon, Sep 14")
    expect(page.get_by_role("link", name="Rosa Lima")).to_be_visible()
    if javascript:
        axe(page)
        page.set_viewport_size(DESKTOP)
        page.goto("/mine/month")
        page.goto("/mine/week")
        expect(page.get_by_role("link", name="Earlier this week")).to_be_hidden()
        expect(days.filter(visible=True).first).to_have_text("Mon, Sep 14")


def test_colleagues_are_a_line_each_with_their_day_behind_a_tap(
    phone: Page, sign_in: SignIn, at: At, axe: Axe
) -> None:
    sign_in(phone)
    at(NINE)
    phone.goto("/mine/colleagues")
    ben = phone.locator(".own-people details")
    expect(ben).to_contain_text("free until 12:00 pm")
    expect(ben.get_by_text("Busy:")).to_be_hidden()
    ben.locator("summary").click()
    expect(ben.get_by_text("Busy:")).to_be_visible()
    axe(phone)


def test_a_locked_phone_still_says_when_needles_come_out(
    app: Flask, phone: Page, sign_in: SignIn, at: At, axe: Axe
) -> None:
    sign_in(phone)
    at(NINE)
    phone.goto("/mine/today")
    tap(phone, "In the room")
    tap(phone, "Needles in")
    phone.get_by_role("button", name="Lock").click()
    expect(phone.get_by_role("heading", name="Locked")).to_be_visible()
    card = phone.locator(".own-card")
    expect(card).to_have_text(re.compile("Room 1: needles out at 9:25 am"))
    expect(phone.get_by_text("Rosa")).to_have_count(0)
    axe(phone)
    at(NINE + timedelta(minutes=30))
    phone.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(phone.locator(".own-card.over")).to_have_text(
        re.compile("Room 1: needles still in, due out at 9:25 am")
    )
    expect(phone.locator("[data-say]")).to_have_text("Needles are over time.")
    axe(phone)
    # Asking for that keeps nothing open.
    phone.goto("/mine/today")
    expect(phone.get_by_role("heading", name="Locked")).to_be_visible()
    # Taken out at the desk: it goes by itself.
    with app.app_context():
        reference = visits_of_today()[0]
        statuses.needles_out(hired(Role.DESK), reference, key="out-00001")
    expect(card).to_have_count(0, timeout=15_000)


def visits_of_today() -> list[str]:
    with reading() as session:
        return list(session.scalars(select(Appointment.reference).order_by(Appointment.from_cell)))


@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "plain"])
def test_an_afternoon_off_shows_who_is_booked_and_moves_them(
    new_page: NewPage, sign_in: SignIn, at: At, axe: Axe, javascript: bool
) -> None:
    page = sign_in(new_page(PHONE, javascript=javascript))
    at(NINE)
    page.goto("/mine/time-off")
    page.get_by_role("button", name="Enter time off").click()
    expect(page.get_by_role("link", name="Please write the first day.")).to_be_visible()
    if javascript:
        axe(page)
    page.get_by_label("First day").fill("2026-09-15")
    page.get_by_label("From", exact=True).fill("13:00")
    page.get_by_label("Why").fill("Dentist")
    page.get_by_role("button", name="Enter time off").click()
    said = page.locator(".notice").first
    expect(said).to_contain_text("Time off is entered: Tue, Sep 15, 1:00 pm")
    expect(said).to_contain_text("1 visit is booked then.")
    expect(said).to_be_in_viewport()
    off = page.locator(".own-card")
    expect(off).to_contain_text("Tue, Sep 15, 1:00 pm")
    expect(off).to_contain_text("1 visit stands in it")
    expect(off).to_contain_text("could move to Tue, Sep 15")
    if javascript:
        axe(page)
    said.get_by_role("link", name="Look at it").click()
    expect(off).to_be_in_viewport()
    off.get_by_role("link", name=re.compile("^Move ?: Ida")).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Move Ida Sørensen")
    page.get_by_role("main").get_by_role("link").filter(has_text="Ana Ruiz").first.click()
    meant = page.get_by_role("region", name="What it would be")
    expect(meant).to_contain_text("The patient is told by e-mail, at ida@example.com")
    meant.get_by_text("What they would read").click()
    expect(meant.get_by_text("You are booked.")).to_be_visible()
    if javascript:
        axe(page)
        fits(page)
    # Taken back, and moved once more.
    again = page.url
    page.get_by_role("button", name="Move it and tell the patient").click()
    expect(page.locator(".toast")).to_contain_text("Moved to")
    expect(page.locator(".toast")).to_contain_text("The patient is told at")
    if javascript:
        axe(page)
        fits(page)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".toast")).to_contain_text("Taken back.")
    expect(page.locator(".own-dl")).to_contain_text("2:00 pm")
    page.goto(again)
    page.get_by_role("button", name="Move it and tell the patient").click()
    expect(page.locator(".toast")).to_contain_text("Moved to")
    page.goto("/mine/time-off")
    expect(page.locator(".own-card")).not_to_contain_text("stands in it")
    page.get_by_role("button", name=re.compile("Take back")).click()
    expect(page.get_by_text("None is entered.")).to_be_visible()


def test_the_calendar_is_made_and_switched_off(phone: Page, sign_in: SignIn, axe: Axe) -> None:
    sign_in(phone)
    phone.goto("/mine/feed")
    phone.get_by_role("button", name="Make the address").click()
    subscribe = phone.get_by_role("link", name="Add to this device's calendar")
    assert re.match(r"webcal://127\.0\.0\.1:\d+/feed/", subscribe.get_attribute("href") or "")
    phone.get_by_text("Show a code").click()
    expect(phone.get_by_role("img", name=re.compile("code for a camera"))).to_be_visible()
    axe(phone)
    phone.get_by_role("button", name="Switch it off").click()
    expect(phone.get_by_role("button", name="Make the address")).to_be_visible()
