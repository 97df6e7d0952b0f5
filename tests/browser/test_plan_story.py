"""A patient books a plan: from its link with and without JavaScript on a phone, and by themselves from the start page."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Page, expect

from booking import clock
from booking.models import Reminders
from booking.services.booking import Wish, book
from booking.services.desk import statuses
from booking.services.plans.prescribing import Prescribed
from booking.services.plans.reading import by_link
from booking.web.patient.plan_choice import Choice
from tests.browser.conftest import DESKTOP, PHONE, SMALLEST, NewPage, comes, fits, picture
from tests.clinics import plan_clinic, set_up
from tests.services.plans.making import patient, prescribed, running
from tests.staffing import hired

Axe = Callable[[Page], None]


@pytest.fixture
def app(app: Flask, standing_clock: Any) -> Flask:
    with app.app_context():
        set_up(plan_clinic())
    return app


@pytest.fixture
def link(app: Flask) -> str:
    with app.app_context():
        made = prescribed(patient())
        return f"/plan/{made.reference}/{made.token}"


def chosen(page: Page) -> Choice:
    found = Choice.read(page.locator("input[name=visits]").first.get_attribute("value") or "")
    assert found is not None
    return found


def to_details(page: Page, link: str) -> None:
    page.goto(link)
    comes(page, "When can you come?")
    page.get_by_role("button", name="Show me plans").click()
    comes(page, "Which plan suits you?")
    page.get_by_role("button", name="Choose this one").first.click()
    comes(page, "How do we reach you?")


@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "plain"])
def test_from_the_link_to_twenty_booked_visits(new_page: NewPage, link: str, javascript: bool) -> None:
    page = new_page(PHONE, javascript=javascript)
    page.goto(link)
    comes(page, "When can you come?")
    page.get_by_text("Only at certain times").click()
    for weekday in ("Monday", "Wednesday", "Friday"):
        day = page.get_by_role("group", name=weekday, exact=True)
        day.get_by_label(re.compile("Morning")).check()
        day.get_by_label(re.compile("Midday")).check()
        day.get_by_label(re.compile("Afternoon")).check()
    page.get_by_role("button", name="Show me plans").click()
    comes(page, "Which plan suits you?")
    page.get_by_role("button", name="Choose this one").first.click()
    comes(page, "How do we reach you?")
    before = chosen(page)

    # One of the visits is exchanged, and what was typed stays.
    page.get_by_label("Anything we should know?").fill("Stairs are hard.")
    page.get_by_text("See all visits, or change one").click()
    page.get_by_role("button", name=re.compile("Another time")).nth(1).click()
    comes(page, "Another time for this visit")
    page.locator(".slots button").first.click()
    comes(page, "How do we reach you?")
    assert len(set(before.visits) - set(chosen(page).visits)) == 1
    expect(page.get_by_label("Anything we should know?")).to_have_value("Stairs are hard.")

    page.get_by_label("By e-mail").check()
    page.get_by_role("button", name="Book these 21 visits").click()
    comes(page, "You are booked.")
    expect(page.locator(".plan-visits li")).to_have_count(21)
    page.get_by_role("link", name="See or change my visits").click()
    comes(page, "Your plan")
    page.locator(".plan-visits a").nth(2).click()
    comes(page, "Your visit")
    page.go_back()
    comes(page, "Your plan")


def test_somebody_begins_a_plan_by_themselves(phone: Page) -> None:
    page = phone
    page.goto("/")
    page.get_by_role("link", name="I was told to come two or three times a week").click()
    comes(page, "Several visits a week")
    page.get_by_role("link", name=re.compile("Disc gentle")).click()
    comes(page, "When can you come?")
    page.get_by_role("group", name=re.compile("acupuncture")).get_by_label("Yes").check()
    page.get_by_role("group", name=re.compile("chiropractic")).get_by_label(re.compile("No,")).check()
    page.get_by_role("button", name="Show me plans").click()
    comes(page, "Which plan suits you?")
    page.get_by_role("button", name="Choose this one").first.click()
    comes(page, "Who is coming?")
    page.get_by_label("First name").fill("Rosa")
    page.get_by_label("Last name").fill("Lima")
    page.get_by_label("E-mail", exact=True).fill("rosa@example.com")
    page.get_by_label("By e-mail").check()
    page.get_by_role("button", name=re.compile(r"Book these \d+ visits")).last.click()
    comes(page, "Your times are kept for you.")
    expect(page.locator(".plan-visits .amber").first).to_contain_text("Penciled in")


def test_enter_books_and_exchanges_nothing(phone: Page, link: str) -> None:
    page = phone
    to_details(page, link)
    page.get_by_label("By e-mail").check()
    page.get_by_label("E-mail", exact=True).press("Enter")
    comes(page, "You are booked.")


def test_every_page_and_error_state_is_accessible_and_fits(
    new_page: NewPage, app: Flask, link: str, axe: Axe
) -> None:
    for viewport in (PHONE, SMALLEST, DESKTOP):
        page = new_page(viewport)

        def looked_at(name: str, page: Page = page) -> None:
            fits(page)
            if page.viewport_size == PHONE:
                axe(page)
            picture(page, name)

        page.goto("/plans")
        looked_at("plans")
        page.goto(link)
        looked_at("ask")
        for summary in page.locator("summary").all():
            summary.click()
        looked_at("ask-open")
        page.goto("/plans/disc-gentle/proposals?asked=1&first=2026-01-01&away_to_1=2026-09-25")
        looked_at("ask-wrong")
        page.goto(f"{link}/proposals?asked=1&first=2026-09-21&t=1-evening&t=3-evening")
        comes(page, "We found no plan that fits.")
        looked_at("no-plan")
        page.goto(
            f"{link}/proposals?asked=1&first=2026-09-21&t=0-morning&t=2-morning&t=4-morning&t=1-afternoon&t=3-afternoon&t=2-afternoon"
        )
        comes(page, "Which plan suits you?")
        looked_at("proposals")
        page.get_by_role("button", name="Choose this one").first.click()
        comes(page, "How do we reach you?")
        page.get_by_text("See all visits, or change one").click()
        looked_at("details")
        page.get_by_role("button", name=re.compile("Another time")).nth(1).click()
        comes(page, "Another time for this visit")
        looked_at("other")
        page.get_by_role("button", name="Keep the visit as it is").click()
        page.get_by_label("E-mail", exact=True).fill("nobody")
        page.get_by_role("button", name="Book these 21 visits").click()
        expect(page.get_by_role("alert")).to_be_visible()
        looked_at("details-wrong")


def test_a_time_taken_meanwhile_is_told_where_the_reader_is_put(
    phone: Page, app: Flask, link: str, axe: Axe, standing_clock: Any
) -> None:
    page = phone
    to_details(page, link)
    standing_clock.on(minutes=11)
    lost = chosen(page).visits[3]
    with app.app_context():
        book(
            Wish(
                lost.visit_type, lost.practitioner, lost.starts_at, "Omar", "Reyes", "omar@example.com", None,
                Reminders.EMAIL,
            ),
            actor="test", key="key-of-omar",
        )  # fmt: skip
    page.get_by_label("By e-mail").check()
    page.get_by_role("button", name="Book these 21 visits").click()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Somebody else has just taken one of your times.")
    expect(alert).to_be_focused()
    axe(page)
    fits(page)
    picture(page, "details-lost")
    page.locator(".notice .slots button").first.click()
    comes(page, "How do we reach you?")
    page.get_by_role("button", name="Book these 21 visits").click()
    comes(page, "You are booked.")
    axe(page)
    picture(page, "booked")
    page.get_by_role("link", name="See or change my visits").click()
    comes(page, "Your plan")
    axe(page)
    picture(page, "plan")

    # One of them moved to where the plan isn't kept: that is said before, with times at which it is.
    page.locator(".plan-visits a").nth(1).click()
    page.get_by_role("link", name="Move to another time").click()
    comes(page, "To which time shall we move it?")
    page.get_by_role("button", name="8:00 am").first.click()
    comes(page, "Move it there all the same?")
    expect(page.locator(".notice")).to_contain_text("Before the plan begins, chiropractic:")
    axe(page)
    fits(page)
    picture(page, "move-sure")
    page.locator(".slots button").first.click()
    comes(page, "Your visit is moved.")


@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "plain"])
def test_a_visit_that_was_missed_is_made_up_by_the_link(
    new_page: NewPage, app: Flask, link: str, axe: Axe, standing_clock: Any, javascript: bool
) -> None:
    with app.app_context():
        reference, token = link.split("/")[2:]
        running(Prescribed(reference, 1, told=True))
        missed = by_link(reference, token).weeks[1].visits[0]
        standing_clock.at(missed.starts_at + timedelta(minutes=20))
        statuses.no_show(hired(), missed.reference, key="noshow-01")
    page = new_page(PHONE, javascript=javascript)
    page.goto(link)
    expect(page.locator(".notice.wait")).to_contain_text("In week 2 one visit is missing.")
    picture(page, "plan-lacks")
    if javascript:
        axe(page)
    page.get_by_role("link", name="Choose another time").click()
    comes(page, "Another time for your visit")
    buttons = page.locator(".slots button")
    assert 1 <= buttons.count() <= 3
    for button in buttons.all():
        box = button.bounding_box()
        assert box is not None and box["height"] >= 44 and box["width"] >= 44
    fits(page)
    picture(page, "make-up")
    if javascript:
        axe(page)
    buttons.first.click()
    comes(page, "Your plan")
    expect(page.get_by_role("status")).to_contain_text("Booked:")
    expect(page.get_by_text("is missing")).to_have_count(0)
    fits(page)
    picture(page, "made-up")
    if javascript:
        axe(page)


@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "plain"])
def test_a_visit_and_all_later_ones_are_moved_and_then_cancelled(
    new_page: NewPage, app: Flask, axe: Axe, javascript: bool
) -> None:
    with app.app_context():
        made = running(prescribed(patient("Omar", "omar@example.com"), "weekly"))
        link = f"/plan/{made.reference}/{made.token}"
    page = new_page(PHONE, javascript=javascript)

    def looked_at(name: str) -> None:
        for viewport in (SMALLEST, PHONE):
            page.set_viewport_size(viewport)
            fits(page)
        picture(page, name)
        if javascript:
            axe(page)

    page.goto(link)
    comes(page, "Your plan")
    page.locator(".plan-visits a").nth(1).click()
    comes(page, "Your visit")
    looked_at("visit-later")
    page.get_by_role("link", name="Move this and all later visits").click()
    comes(page, "Move this and all later visits")
    looked_at("later-times")
    for button in page.locator(".slots button").all():
        box = button.bounding_box()
        assert box is not None and box["height"] >= 56
    # A time at which one of them can't be isn't among those, and what would happen is shown.
    page.get_by_label("Day").select_option(index=0)
    page.get_by_label("Time").select_option(label="10:00 am")
    page.get_by_role("button", name="Show me the visits").click()
    comes(page, "Move these 5 visits?")
    page.get_by_role("link", name="Choose another time").click()
    page.locator(".slots button").first.click()
    comes(page, "Move these 5 visits?")
    expect(page.get_by_text("instead of")).to_have_count(5)
    looked_at("later-move")
    page.get_by_role("button", name="Move these 5 visits").click()
    comes(page, "Your plan")
    expect(page.get_by_role("status")).to_contain_text("Your visits are moved.")
    looked_at("later-moved")

    page.get_by_role("link", name="Cancel this and all later visits").click()
    comes(page, "Cancel these 6 visits?")
    looked_at("later-cancel")
    page.get_by_label("Why?").fill("I am moving away.")
    page.get_by_role("button", name="Cancel these 6 visits").click()
    comes(page, "Your plan")
    expect(page.get_by_role("status")).to_contain_text("Your visits are cancelled.")
    looked_at("later-cancelled")


def test_what_stays_and_what_is_wrong_is_told_where_the_reader_is_put(
    phone: Page, app: Flask, axe: Axe, standing_clock: Any
) -> None:
    with app.app_context():
        made = running(prescribed(patient("Omar", "omar@example.com"), "weekly"))
        visit = by_link(made.reference, made.token).standing[0]
        way = f"/plan/{made.reference}/{made.token}/from/{visit.reference}"
    page, in_time, late = phone, clock.now(), visit.starts_at - timedelta(hours=2)
    for wrong in ("day=tomorrow&time=noon", "day=2026-09-21"):
        page.goto(f"{way}/move?{wrong}")
        expect(page.get_by_role("alert")).to_contain_text("Please choose a day and a time.")
        axe(page)
    page.locator(".slots button").first.click()
    comes(page, "Move these 6 visits?")
    # Until it is pressed, the first of them can't be changed any more.
    standing_clock.at(late)
    page.get_by_role("button", name="Move these 6 visits").click()
    comes(page, "Move these 5 visits?")
    expect(page.get_by_role("region", name="This visit stays as it is")).to_contain_text("Changes here ended")
    axe(page)
    fits(page)
    picture(page, "later-stays")
    standing_clock.at(in_time)
    page.goto(f"{way}/cancel")
    comes(page, "Cancel these 6 visits?")
    standing_clock.at(late)
    page.get_by_role("button", name="Cancel these 6 visits").click()
    comes(page, "Cancel these 5 visits?")
    axe(page)
    fits(page)
    picture(page, "later-cancel-stays")
