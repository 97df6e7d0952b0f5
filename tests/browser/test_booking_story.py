"""A patient books, changes and cancels: with and without JavaScript, on a phone and a desktop, by keyboard alone."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Page, expect

from booking.reminders.delivery import deliver_due
from booking.services import visits
from tests.browser.conftest import DESKTOP, PHONE, NewPage, comes, fits
from tests.clinics import clinic, practitioner, set_up, visit_type
from tests.conftest import StandingClock
from tests.services.making import NEXT_WEEK, NINE, booked

Axe = Callable[[Page], None]


@pytest.fixture
def app(app: Flask, standing_clock: Any) -> Flask:
    with app.app_context():
        set_up(
            clinic(
                visit_types=[
                    visit_type(
                        "follow-up",
                        name="Follow-up",
                        summary="For people who were here before.",
                        price_cents=9500,
                        price_shown="exact",
                    ),
                    visit_type("first", name="First visit", kind="first", bring="Your insurance card"),
                    visit_type(
                        "special",
                        name="With warmth",
                        on_request=True,
                        tell_us="Tell us if smoke troubles you.",
                    ),
                ],
                practitioners=[
                    practitioner(
                        "ana", name="Ana Ruiz", profile="Listens.", offers=["follow-up", "first", "special"]
                    ),
                    practitioner("ben", name="Ben Okoro", offers=["follow-up"]),
                ],
            )
        )
    return app


def fill_in(page: Page, first: str = "Rosa") -> None:
    page.get_by_label("First name").fill(first)
    page.get_by_label("Last name").fill("Lima")
    page.get_by_label("E-mail", exact=True).fill("rosa@example.com")
    page.get_by_label("By e-mail").check()


def book(page: Page, time: int = 20) -> None:
    page.goto("/")
    page.get_by_role("link", name="Book a visit").click()
    page.get_by_role("link", name=re.compile("Follow-up")).click()
    comes(page, "When would you like to come?")
    page.locator(".slots button").nth(time % page.locator(".slots button").count()).click()
    fill_in(page)
    page.get_by_role("button", name="Book this visit").click()
    comes(page, "You are booked.")


@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "plain"])
@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_a_visit_is_booked_confirmed_moved_and_cancelled(
    new_page: NewPage, viewport: Any, javascript: bool
) -> None:
    page = new_page(viewport, javascript=javascript)
    book(page, time=-1)
    page.get_by_role("link", name="See or change this visit").click()
    page.get_by_role("button", name="Yes, I'm coming").click()
    expect(page.get_by_role("status")).to_contain_text("We know that you are coming.")
    before = page.locator(".when").inner_text()
    page.get_by_role("link", name="Move to another time").click()
    page.locator(".slots button").last.click()
    comes(page, "Your visit is moved.")
    assert page.locator(".when").inner_text() != before
    page.get_by_role("link", name="Cancel the visit").click()
    page.get_by_role("button", name="Cancel the visit").click()
    comes(page, "This visit is cancelled.")


def test_by_keyboard_alone(desktop: Page) -> None:
    page = desktop
    page.goto("/")

    def press_until(name: str, key: str = "Tab") -> None:
        """Tabs on until the focused thing bears this name, as somebody without a mouse would."""
        for _ in range(60):
            page.keyboard.press(key)
            if name in page.evaluate("document.activeElement.innerText || document.activeElement.name || ''"):
                outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
                assert outline != "none", f"the focus on {name} can't be seen"
                return
        raise AssertionError(f"Tab never reaches {name}")

    page.keyboard.press("Tab")
    assert "Skip to the page" in page.evaluate("document.activeElement.innerText")

    def go(heading: str) -> None:
        page.keyboard.press("Enter")
        comes(page, heading)

    press_until("Book a visit")
    go("What would you like to book?")
    press_until("Follow-up")
    go("When would you like to come?")
    press_until("2:")
    go("Who is coming?")
    press_until("first_name")
    page.keyboard.type("Rosa")
    press_until("last_name")
    page.keyboard.type("Lima")
    press_until("email")
    page.keyboard.type("rosa@example.com")
    press_until("reminders")
    page.keyboard.press("Space")
    press_until("Book this visit")
    go("You are booked.")


def test_every_page_and_error_state_is_accessible(new_page: NewPage, axe: Axe, app: Flask) -> None:
    for viewport in (PHONE, DESKTOP):
        page = new_page(viewport)
        for path in ("/", "/book", "/care/care", "/with/ana", "/book/follow-up", "/book/follow-up?with=ben", "/privacy", "/policies",
                     "/my-visit", "/nothing", "/book/special", "/api/v1/", "/demo/mail", "/book/follow-up?day=2026-09-19"):  # fmt: skip
            page.goto(path)
            # At a desk the same stands in other places; nothing of it is named or coloured otherwise.
            if viewport == PHONE:
                axe(page)
            fits(page)
        page.goto("/book/follow-up")
        page.locator("summary").click()
        axe(page)
        page.locator(".slots button").last.click()
        comes(page, "Who is coming?")
        axe(page)
        page.get_by_role("button", name="Book this visit").click()
        expect(page).to_have_title(re.compile("^Error:"))
        expect(page.locator("#errors")).to_be_focused()
        axe(page)
        fill_in(page, first=f"Rosa {viewport['width']}".replace("390", "P").replace("1280", "D"))
        page.get_by_role("button", name="Book this visit").click()
        comes(page, "You are booked.")
        axe(page)
        for link, heading in (
            ("See or change this visit", "Your visit"),
            ("Not right? Correct it.", "How do we reach you?"),
        ):
            page.get_by_role("link", name=link).click()
            comes(page, heading)
            axe(page)
        for link, heading in (
            ("Move to another time", "To which time shall we move it?"),
            ("Cancel the visit", "Cancel this visit?"),
        ):
            page.go_back()
            comes(page, "Your visit")
            page.get_by_role("link", name=link).click()
            comes(page, heading)
            axe(page)
        with app.app_context():
            deliver_due()
        page.goto("/demo/mail")
        axe(page)
        page.locator("a.row").first.click()
        comes(page, re.compile("^Your visit on"))
        axe(page)


def choose(page: Page, time: str) -> None:
    page.locator(f'button[value="{time}"]').click()


def somebody_else_books(app: Flask, hours: float = 0) -> None:
    """Ana's time on Tuesday, at nine or so many hours later."""
    with app.app_context():
        booked(
            NINE + timedelta(hours=hours),
            practitioner="ana",
            first_name=f"Omar {'later' if hours else ''}",
            email="omar@example.com",
        )


def test_a_time_that_was_just_taken_is_told_accessibly(phone: Page, axe: Axe, app: Flask) -> None:
    phone.goto("/book/follow-up?day=2026-09-15&with=ana")
    somebody_else_books(app)
    choose(phone, "2026-09-15T16:00:00Z ana")
    expect(phone).to_have_title(re.compile("^Just taken:"))
    expect(phone.get_by_role("alert")).to_be_focused()
    axe(phone)
    choose(phone, "2026-09-15T17:00:00Z ana")
    comes(phone, "Who is coming?")
    # A hold lapses when one types for long.
    phone.goto("/book/follow-up/details?time=2026-09-15T18:00:00Z&with=ana")
    comes(phone, "Who is coming?")
    somebody_else_books(app, hours=2)
    fill_in(phone)
    phone.get_by_role("button", name="Book this visit").click()
    expect(phone).to_have_title(re.compile("^Error:"))
    expect(phone.get_by_role("alert")).to_contain_text("Somebody else has just taken that time.")
    axe(phone)
    phone.locator('button[name="other_time"]').first.click()
    expect(phone).to_have_title(re.compile("^Who is coming?"))
    expect(phone.get_by_label("First name")).to_have_value("Rosa")
    phone.get_by_role("button", name="Book this visit").click()
    comes(phone, "You are booked.")


def test_links_on_their_way_are_told_accessibly(phone: Page, axe: Axe) -> None:
    phone.goto("/my-visit")
    phone.get_by_label("E-mail or phone").fill("rosa at example")
    phone.get_by_role("button", name="Send me my links").click()
    expect(phone).to_have_title(re.compile("^Error:"))
    axe(phone)
    phone.get_by_label("E-mail or phone").fill("rosa@example.com")
    phone.get_by_role("button", name="Send me my links").click()
    expect(phone.get_by_role("status")).to_contain_text("your links are on their way to it")
    axe(phone)


def test_a_visit_is_accessible_in_every_state(
    phone: Page, axe: Axe, app: Flask, standing_clock: StandingClock
) -> None:
    with app.app_context():
        visit = booked(NEXT_WEEK)
        link = f"/visit/{visit.reference}/{visit.token}"
    phone.goto(f"{link}x")
    comes(phone, "This page is not here.")
    axe(phone)
    phone.goto(f"{link}/move?with=ana&day=2026-09-14")
    choose(phone, "2026-09-14T20:00:00Z ana")
    comes(phone, "Move it to a time that is soon?")
    axe(phone)
    phone.get_by_role("button", name="Yes, move it").click()
    comes(phone, "Your visit is moved.")
    expect(phone.get_by_role("heading", name="Need to change it?")).to_be_visible()
    axe(phone)
    phone.get_by_role("button", name="I can't come").click()
    expect(phone.get_by_role("status")).to_contain_text("We know that you can't come.")
    axe(phone)
    standing_clock.on(days=1)
    phone.goto(link)
    comes(phone, "This visit is over.")
    axe(phone)


def test_a_visit_that_was_changed_meanwhile_or_cancelled_is_accessible(
    phone: Page, axe: Axe, app: Flask
) -> None:
    with app.app_context():
        visit = booked(NEXT_WEEK)
        link = f"/visit/{visit.reference}/{visit.token}"
    phone.goto(f"{link}/move?with=ana&day=2026-09-22")
    with app.app_context():
        visits.cancel(visit.reference, visit.token, "", actor="test", key="elsewhere")
    choose(phone, "2026-09-22T16:00:00Z ana")
    comes(phone, "This visit is cancelled.")
    expect(phone.get_by_role("alert")).to_contain_text("Now it is: cancelled.")
    axe(phone)
    phone.goto(link)
    comes(phone, "This visit is cancelled.")
    axe(phone)


def test_a_double_tap_and_the_back_button_are_safe(phone: Page) -> None:
    book(phone)
    where = phone.url
    phone.go_back()
    phone.get_by_role("button", name="Book this visit").dblclick()
    phone.wait_for_url(f"{where}*")


def test_later_days_come_in_place_with_javascript_and_as_a_page_without(new_page: NewPage) -> None:
    page = new_page(PHONE)
    page.goto("/book/follow-up")
    days = page.locator("#days .day")
    expect(days).to_have_count(5)
    page.get_by_role("link", name="Later days").click()
    expect(days).to_have_count(10)
    plain = new_page(PHONE, javascript=False)
    plain.goto("/book/follow-up")
    plain.get_by_role("link", name="Later days").click()
    plain.wait_for_url("**from=**")
    expect(plain.locator("#days .day")).to_have_count(5)


def test_targets_are_large_and_nothing_scrolls_sideways_at_four_times_the_size(new_page: NewPage) -> None:
    page = new_page({"width": 320, "height": 640})
    for path in ("/", "/book", "/book/follow-up"):
        page.goto(path)
        fits(page)
        heights = page.evaluate(
            "[...document.querySelectorAll('button, .button')].map(one => one.getBoundingClientRect().height)"
        )
        assert all(height >= 56 for height in heights), path
        small = page.evaluate(
            "[...document.querySelectorAll('main a:not(p a), header a, nav a')].filter(one => one.offsetParent)"
            ".filter(one => one.getBoundingClientRect().height < 48).map(one => one.innerText)"
        )
        assert small == [], path


def test_a_public_page_is_small_and_asks_for_little(new_page: NewPage) -> None:
    page = new_page(PHONE)
    sizes: list[int] = []
    page.on(
        "requestfinished",
        lambda request: sizes.append(
            request.sizes()["responseBodySize"] + request.sizes()["responseHeadersSize"]
        ),
    )
    page.goto("/book/follow-up", wait_until="networkidle")
    assert len(sizes) <= 6
    assert sum(sizes) <= 60_000


def test_the_confirmation_prints_without_what_paper_does_not_need(desktop: Page) -> None:
    book(desktop)
    desktop.emulate_media(media="print")
    expect(desktop.locator(".facts-list")).to_be_visible()
    expect(desktop.get_by_role("link", name="See or change this visit")).to_be_hidden()
