"""Locked in the middle of a form: what was typed comes back to whom it was about, beside the board as well."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Locator, Page, expect

from booking.models import Appointment, Patient, Role
from booking.services.desk import panel as panel_of
from booking.services.staff import drafts
from booking.services.staff.who import Who
from tests.browser.conftest import DESKTOP, PHONE, NewPage
from tests.clinics import clinic, practitioner, rooms, set_up
from tests.conftest import StandingClock
from tests.services.making import booked, rows
from tests.staffing import hired, signed_in
from tests.web.test_lock import PIN, with_pin

DAY = "/desk/day/2026-09-15"
Axe = Callable[[Page], None]


@pytest.fixture
def app(app: Flask, standing_clock: StandingClock) -> Flask:
    with app.app_context():
        people = [practitioner("ana", name="Ana Ruiz"), practitioner("ben", name="Ben Okoro")]
        set_up(clinic(practitioners=people, rooms=rooms(3)))
    return app


@pytest.fixture
def clerk(app: Flask) -> Who:
    return with_pin(app, Role.DESK)


@pytest.fixture
def enter(new_page: NewPage, app: Flask, clerk: Who, live: str) -> Callable[..., Page]:
    def make(size: Any = DESKTOP, **how: Any) -> Page:
        page = new_page(size, **how)
        client = signed_in(app, clerk)
        cookie = next(iter(client._cookies.values()))
        page.context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": live}])
        return page

    return make


def visit(app: Flask, **how: Any) -> str:
    with app.app_context():
        return str(booked(**{"practitioner": "ana"} | how).reference)


def lock(page: Page) -> None:
    """As after a quarter of an hour: a dialog would lie over the button."""
    page.locator("form[data-lock]").evaluate("form => form.requestSubmit()")
    expect(page.get_by_role("heading", name="Locked")).to_be_visible()


def open_again(page: Page) -> None:
    expect(page.get_by_label("PIN")).to_be_focused()
    page.keyboard.type(PIN)
    page.keyboard.press("Enter")


def kept(app: Flask, clerk: Who) -> list[drafts.Kept]:
    with app.app_context():
        return drafts.of(clerk.account_id)


def is_back(page: Page) -> None:
    expect(page.locator(".toasts")).to_contain_text("What you typed is back.")
    expect(page.locator(".toasts")).not_to_contain_text("elsewhere")


def note_in(page: Page) -> Locator:
    return page.locator("[data-panel]").get_by_label("Note of the desk")


def test_two_visits_that_are_being_booked_come_back_each_into_its_own_form(
    app: Flask, enter: Callable[..., Page]
) -> None:
    visit(app)
    visit(app, first_name="Zoe", practitioner="ben")
    with app.app_context():
        people = [row["reference"] for row in rows(Patient)]
    page = enter()
    windows = [page, page.context.new_page(), page.context.new_page()]
    asked = [*(f"patient={one}" for one in people), "new=1"]
    for window, about in zip(windows, asked, strict=True):
        window.goto(f"/desk/book?{about}&visit_type=follow-up")
        window.locator("details:has([name='note']) summary").click()
        window.locator("[name='note']").fill(f"About {about}")
    for window in windows:
        lock(window)
    page.bring_to_front()
    open_again(page)
    expect(page.locator("[name='note']")).to_have_value(f"About {asked[0]}")
    for window in windows[1:]:
        # As it does by itself within ten seconds.
        window.reload()
    for window, about in zip(windows, asked, strict=True):
        expect(window.locator("[name='note']")).to_have_value(f"About {about}")
        expect(window.locator("[name='note']")).to_be_visible()
    expect(windows[0].locator(".toasts")).to_contain_text("What you typed is back.")


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_a_note_that_is_being_typed_beside_the_board_comes_back_there(
    app: Flask, clerk: Who, enter: Callable[..., Page], size: Any
) -> None:
    reference = visit(app)
    page = enter(size)
    page.goto(f"{DAY}?visit={reference}")
    for words in ("Rings twice", "Rings twice, then waits"):
        note_in(page).fill(words)
        lock(page)
        with page.expect_response("**/forget"):
            open_again(page)
        expect(note_in(page)).to_have_value(words)
        expect(note_in(page)).to_be_focused()
        is_back(page)
    page.get_by_role("button", name="Keep the note").click()
    expect(page.locator("[data-panel] .plain-lines", has_text="note")).to_be_visible()
    with app.app_context():
        assert rows(Appointment)[0]["desk_note"] == "Rings twice, then waits"
    assert not kept(app, clerk)


def test_notes_of_panels_that_were_closed_are_kept_and_come_back_with_their_visits(
    app: Flask, clerk: Who, enter: Callable[..., Page]
) -> None:
    rosa, zoe = visit(app), visit(app, first_name="Zoe", practitioner="ben")
    page = enter()
    page.goto(f"{DAY}?visit={rosa}")
    note_in(page).fill("Rings twice")
    page.locator(f"[data-ref='{zoe}']").first.click()
    expect(page.locator("#visit-name")).to_have_text("Zoe Lima")
    note_in(page).fill("Wants the light room")
    lock(page)
    assert {one.path.split("/")[3] for one in kept(app, clerk)} == {rosa, zoe}
    open_again(page)
    expect(note_in(page)).to_have_value("Wants the light room")
    expect(page.locator(".toasts a[href='/staff/drafts']")).to_be_visible()
    page.locator(f"[data-ref='{rosa}']").first.click()
    expect(note_in(page)).to_have_value("Rings twice")
    expect(page.locator(".toasts a[href='/staff/drafts']")).to_have_count(0)
    expect(page.locator(".toasts")).to_contain_text("What you typed is back.")
    # And by the list, from anywhere.
    lock(page)
    page.goto("/staff/locked?next=/staff/drafts")
    open_again(page)
    rings = page.locator("section", has_text="Rings twice")
    rings.get_by_role("link", name="Open the form with it").click()
    expect(note_in(page)).to_have_value("Rings twice")


def test_a_note_that_a_colleague_changed_meanwhile_is_not_written_over(
    app: Flask, enter: Callable[..., Page]
) -> None:
    reference = visit(app)
    page = enter()
    page.goto(f"{DAY}?visit={reference}")
    note_in(page).fill("Rings twice")
    lock(page)
    with app.app_context():
        panel_of.note(hired(name="Kim Colleague"), reference, "Comes with her son.", key="a-colleague")
    open_again(page)
    expect(note_in(page)).to_have_value("Rings twice")
    page.get_by_role("button", name="Keep the note").click()
    panel = page.locator("[data-panel]")
    expect(panel).to_contain_text("Now it says: Comes with her son.")
    expect(note_in(page)).to_have_value("Rings twice")


def begin_early_move(page: Page) -> Locator:
    """By keys to a quarter past eight, which is outside working hours."""
    page.goto(DAY)
    for key in ("ArrowDown", "m", *["Shift+ArrowUp"] * 9, "Enter"):
        page.keyboard.press(key)
    question = page.get_by_role("dialog")
    expect(question).to_contain_text("outside working hours")
    return question


def test_the_reason_for_a_move_comes_back_on_the_page_that_asks_the_same(
    app: Flask, clerk: Who, enter: Callable[..., Page], axe: Axe
) -> None:
    reference = visit(app)
    page = enter()
    begin_early_move(page).get_by_label("The reason").fill("She comes early")
    lock(page)
    (draft,) = kept(app, clerk)
    assert (draft.path, dict(draft.fields)["reason"]) == (
        f"/desk/visits/{reference}/change",
        "She comes early",
    )
    open_again(page)
    expect(page.get_by_role("heading", name="Change the visit of Rosa Lima")).to_be_visible()
    expect(page.get_by_label("Why?")).to_have_value("She comes early")
    is_back(page)
    axe(page)
    page.get_by_role("button", name="Change it and tell the patient").click()
    expect(page.locator("[data-panel]")).to_contain_text("8:15")
    assert not kept(app, clerk)


def test_a_reason_that_was_given_or_left_is_no_longer_being_typed(
    app: Flask, clerk: Who, enter: Callable[..., Page]
) -> None:
    visit(app)
    page = enter()
    question = begin_early_move(page)
    question.get_by_label("The reason").fill("She comes early")
    question.get_by_role("button", name="Leave it").click()
    expect(question).to_have_count(0)
    lock(page)
    assert not kept(app, clerk)
    open_again(page)
    expect(page.locator("[data-desk]")).to_be_visible()


def test_a_reason_in_a_dialog_is_found_in_the_list_with_a_way_back(
    app: Flask, enter: Callable[..., Page], axe: Axe
) -> None:
    visit(app)
    page = enter()
    begin_early_move(page).get_by_label("The reason").fill("She comes early")
    lock(page)
    page.goto("/staff/locked?next=/staff/drafts")
    open_again(page)
    expect(page.get_by_role("heading", name="What you typed", exact=True)).to_be_visible()
    expect(page.get_by_text("She comes early")).to_be_visible()
    axe(page)
    page.get_by_role("link", name="Open the form with it").click()
    expect(page.get_by_label("Why?")).to_have_value("She comes early")


def test_what_a_visit_was_to_be_changed_to_comes_back_in_its_form(
    app: Flask, clerk: Who, enter: Callable[..., Page], axe: Axe
) -> None:
    reference = visit(app)
    page = enter()
    page.goto(f"/desk/visits/{reference}/change?next={DAY}")
    page.get_by_label("Day").fill("2026-09-22")
    page.get_by_label("Practitioner").select_option("ben")
    page.get_by_label("Room").select_option("room-2")
    lock(page)
    assert len(kept(app, clerk)) == 1
    with page.expect_response("**/forget"):
        open_again(page)
    expect(page.get_by_label("Day")).to_have_value("2026-09-22")
    expect(page.get_by_label("Practitioner")).to_have_value("ben")
    expect(page.get_by_label("Room")).to_have_value("room-2")
    is_back(page)
    expect(page.get_by_role("link", name="Leave it as it is")).to_have_attribute("href", DAY)
    # By the list, which sends nothing of a form that only asks.
    page.get_by_label("Time").fill("10:30")
    lock(page)
    page.goto("/staff/locked?next=/staff/drafts")
    open_again(page)
    expect(page.get_by_role("button", name="Send it as it is")).to_have_count(0)
    axe(page)
    page.get_by_role("link", name="Open the form with it").click()
    expect(page.get_by_label("Time")).to_have_value("10:30")


def test_a_reason_never_gets_into_the_form_of_another_wish(app: Flask, enter: Callable[..., Page]) -> None:
    reference = visit(app)
    page = enter()
    change = f"/desk/visits/{reference}/change"
    page.goto(f"{change}?day=2026-09-15&time=08:00&practitioner=ana")
    page.get_by_label("Why?").fill("She comes early")
    lock(page)
    page.goto(f"/staff/locked?next={change}?day%3D2026-09-15%26time%3D07:00%26practitioner%3Dana")
    open_again(page)
    expect(page.locator(".toasts a[href='/staff/drafts']")).to_be_visible()
    expect(page.get_by_label("Why?")).to_have_value("")
    expect(page.locator("form[method='post'] input[name='time']")).to_have_value("07:00")
    page.goto("/staff/drafts")
    page.get_by_role("link", name="Open the form with it").click()
    expect(page.get_by_label("Why?")).to_have_value("She comes early")
    expect(page.locator("form[method='post'] input[name='time']")).to_have_value("08:00")
