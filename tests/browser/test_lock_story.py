"""Locked in the middle of a form: what was typed comes back to whom it was about, beside the board as well."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Locator, Page, expect

from booking.models import Appointment, HistoryEntry, Patient, Role
from booking.scheduling.allowances.terms import Beyond
from booking.services.desk import panel as panel_of, statuses, undoing
from booking.services.plans.booking import BookedPlan
from booking.services.plans.changing import pause
from booking.services.plans.reading import by_link
from booking.services.staff import drafts
from booking.services.staff.who import Who
from tests.browser.conftest import DESKTOP, PHONE, NewPage
from tests.clinics import clinic, plan_clinic, practitioner, rooms, set_up
from tests.conftest import StandingClock
from tests.services.making import booked, rows
from tests.services.plans.making import patient, prescribed, running, seen
from tests.staffing import hired, signed_in
from tests.web.test_lock import PIN, with_pin
from tests.web.test_plan_pages import MAIL, chosen, insured, sent

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


def is_kept_no_more(page: Page, app: Flask, clerk: Who) -> None:
    """The page has it forgotten as soon as it is back."""
    for _ in range(50):
        if not kept(app, clerk):
            return
        page.wait_for_timeout(100)
    assert not kept(app, clerk)


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


def test_nor_once_the_panel_was_drawn_anew_again_and_again(app: Flask, enter: Callable[..., Page]) -> None:
    rosa, zoe = visit(app), visit(app, first_name="Zoe", practitioner="ben")
    page = enter()
    page.goto(f"{DAY}?visit={rosa}")
    note_in(page).fill("Rings twice")
    lock(page)
    with app.app_context():
        panel_of.note(hired(name="Kim Colleague"), rosa, "Comes with her son.", key="a-colleague")
    open_again(page)
    expect(note_in(page)).to_have_value("Rings twice")
    for reference, name in [(zoe, "Zoe Lima"), (rosa, "Rosa Lima")] * 2:
        page.locator(f"[data-ref='{reference}']").first.click()
        expect(page.locator("#visit-name")).to_have_text(name)
    # Also where the screen locks once more.
    lock(page)
    open_again(page)
    expect(note_in(page)).to_have_value("Rings twice")
    page.locator(f"[data-ref='{zoe}']").first.click()
    expect(page.locator("#visit-name")).to_have_text("Zoe Lima")
    page.locator(f"[data-ref='{rosa}']").first.click()
    expect(note_in(page)).to_have_value("Rings twice")
    keep, panel = page.get_by_role("button", name="Keep the note"), page.locator("[data-panel]")
    keep.click()
    expect(panel).to_contain_text("Now it says: Comes with her son.")
    with app.app_context():
        assert {row["desk_note"] for row in rows(Appointment)} == {"Comes with her son.", ""}
    # She has seen both: what she keeps now is meant, and what she writes after that is upon her own words.
    for words in ("Rings twice", "Rings twice, then waits"):
        note_in(page).fill(words)
        keep.click()
        expect(panel.locator(".plain-lines", has_text="note").first).to_be_visible()
        expect(panel).not_to_contain_text("Now it says")
        expect(note_in(page)).to_have_js_property("defaultValue", words)
    with app.app_context():
        assert {row["desk_note"] for row in rows(Appointment)} == {"Rings twice, then waits", ""}


def test_words_whose_form_is_gone_from_the_panel_are_kept(
    app: Flask, clerk: Who, enter: Callable[..., Page]
) -> None:
    rosa, zoe = visit(app), visit(app, first_name="Zoe", practitioner="ben")
    with app.app_context():
        statuses.cancel(hired(), rosa, key="cancelled")
    page = enter()
    page.goto(f"{DAY}?visit={rosa}")
    page.get_by_text("Not right? Correct it.").click()
    why = page.locator("#correct-why")
    why.fill("She was here")
    lock(page)
    with page.expect_response("**/forget"):
        open_again(page)
    expect(why).to_have_value("She was here")
    with app.app_context():
        undoing.undo(hired(name="Kim Colleague"), rows(HistoryEntry)[-1]["id"], key="a-colleague")
    for reference, name in ((zoe, "Zoe Lima"), (rosa, "Rosa Lima")):
        page.locator(f"[data-ref='{reference}']").first.click()
        expect(page.locator("#visit-name")).to_have_text(name)
    page.locator(".panel-close").click()
    page.locator(f"[data-ref='{rosa}']").first.click()
    expect(note_in(page)).to_be_visible()
    expect(why).to_have_count(0)
    lock(page)
    assert ["reason", "She was here"] in kept(app, clerk)[0].fields


def locked_elsewhere(page: Page, by: str = "/desk/calls") -> None:
    """In another window, before this one looks."""
    other = page.context.new_page()
    other.goto(by)
    lock(other)
    other.close()
    page.bring_to_front()


def is_still_kept(page: Page, app: Flask, clerk: Who) -> drafts.Kept:
    """Said to be elsewhere, and there."""
    expect(page.locator(".toasts a[href='/staff/drafts']")).to_be_visible()
    expect(page.locator(".toasts")).not_to_contain_text("What you typed is back.")
    (draft,) = kept(app, clerk)
    return draft


def test_a_press_that_came_too_late_waits_to_be_sent(
    app: Flask, clerk: Who, enter: Callable[..., Page]
) -> None:
    reference = visit(app)
    page = enter()
    page.goto(f"{DAY}?visit={reference}")
    expect(note_in(page)).to_be_visible()
    locked_elsewhere(page)
    page.locator("[data-panel]").get_by_role("button", name="Confirmed").click()
    expect(page.get_by_role("heading", name="Locked")).to_be_visible()
    open_again(page)
    expect(note_in(page)).to_be_visible()
    assert is_still_kept(page, app, clerk).path == f"/desk/visits/{reference}/status"
    page.locator(".toasts a[href='/staff/drafts']").click()
    page.get_by_role("link", name="Open the form with it").click()
    expect(note_in(page)).to_be_visible()
    is_still_kept(page, app, clerk)
    page.goto("/staff/drafts")
    page.get_by_role("button", name="Send it as it is").click()
    page.wait_for_url("**/desk/**")
    with app.app_context():
        assert rows(Appointment)[0]["confirmed_at"]
    assert not kept(app, clerk)


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


@pytest.mark.parametrize("early", [False, True])
def test_a_move_that_is_sent_too_late_comes_back_as_the_page_that_asks_the_same(
    app: Flask, clerk: Who, enter: Callable[..., Page], early: bool
) -> None:
    visit(app)
    page = enter()
    if early:
        question = begin_early_move(page)
        question.get_by_label("The reason").fill("She comes early")
    else:
        page.goto(DAY)
        for key in ("ArrowDown", "m", "ArrowDown", "Enter"):
            page.keyboard.press(key)
        question = page.get_by_role("dialog")
    locked_elsewhere(page)
    question.get_by_role("button", name="Move and tell the patient").click()
    expect(page.get_by_role("heading", name="Locked")).to_be_visible()
    open_again(page)
    expect(page.get_by_role("heading", name="Change the visit of Rosa Lima")).to_be_visible()
    if early:
        expect(page.get_by_label("Why?")).to_have_value("She comes early")
    is_back(page)
    page.get_by_role("button", name="Change it and tell the patient").click()
    expect(page.locator("[data-panel]")).to_contain_text(
        "→ Tue, Sep 15, 8:15 am" if early else "→ Tue, Sep 15, 9:15 am"
    )
    assert not kept(app, clerk)


@pytest.mark.parametrize("by", [DAY, "/desk/patients", "/desk/book?day=2026-09-15"])
def test_whom_one_looks_for_comes_back_in_its_field_and_stands_in_no_address(
    app: Flask, clerk: Who, enter: Callable[..., Page], by: str
) -> None:
    visit(app)
    page = enter()
    page.goto(by)
    field = page.locator("input[name='q']")
    field.fill("lima")
    expect(page.locator("#hits")).to_contain_text("Rosa Lima")
    lock(page)
    assert "lima" not in page.url.lower()
    (draft,) = kept(app, clerk)
    assert draft.seeks
    open_again(page)
    expect(field).to_have_value("lima")
    expect(page.locator("#hits")).to_contain_text("Rosa Lima")
    is_back(page)
    is_kept_no_more(page, app, clerk)


def test_whom_one_looked_for_stands_in_the_list_and_is_never_sent(
    app: Flask, clerk: Who, enter: Callable[..., Page]
) -> None:
    page = enter()
    page.goto("/desk/patients")
    page.locator("input[name='q']").fill("lima")
    lock(page)
    page.goto("/staff/locked?next=/staff/drafts")
    open_again(page)
    expect(page.get_by_role("heading", name="A search")).to_be_visible()
    expect(page.get_by_role("definition")).to_have_text("lima")
    expect(page.get_by_role("button", name="Send it as it is")).to_have_count(0)
    page.get_by_role("link", name="Open the form with it").click()
    expect(page.locator("input[name='q']")).to_have_value("lima")


def test_days_on_which_a_time_is_looked_for_come_back(
    app: Flask, clerk: Who, enter: Callable[..., Page]
) -> None:
    reference = visit(app)
    page = enter()
    page.goto(f"/desk/visits/{reference}/times")
    page.get_by_label("Until").fill("2026-09-16")
    # Before it is asked for.
    lock(page)
    open_again(page)
    expect(page.get_by_label("Until")).to_have_value("2026-09-16")
    is_back(page)
    is_kept_no_more(page, app, clerk)


def test_a_filter_comes_back_as_what_it_shows(app: Flask, new_page: NewPage, live: str) -> None:
    owner = with_pin(app, Role.OWNER)
    page = new_page(DESKTOP)
    cookie = next(iter(signed_in(app, owner)._cookies.values()))
    page.context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": live}])
    page.goto("/staff/audit")
    page.get_by_label("From (day)").fill("2026-09-14")
    page.get_by_label("Patient's reference").fill("abc")
    lock(page)
    open_again(page)
    expect(page.get_by_label("From (day)")).to_have_value("2026-09-14")
    expect(page.get_by_label("Patient's reference")).to_have_value("abc")
    expect(page.get_by_role("main")).to_contain_text("There is no entry like that.")
    is_back(page)
    is_kept_no_more(page, app, owner)


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


def test_a_note_that_is_sent_after_the_screen_locked_is_kept_once(
    app: Flask, clerk: Who, enter: Callable[..., Page], standing_clock: StandingClock
) -> None:
    reference = visit(app)
    page = enter()
    page.goto(f"{DAY}?visit={reference}")
    note_in(page).fill("Rings twice")
    # The server knows it before the page does.
    standing_clock.on(minutes=15)
    page.get_by_role("button", name="Keep the note").click()
    expect(page.get_by_role("heading", name="Locked")).to_be_visible()
    assert len(kept(app, clerk)) == 1
    open_again(page)
    expect(note_in(page)).to_have_value("Rings twice")
    is_back(page)


def test_each_line_of_a_coverage_comes_back_as_it_was_also_once_it_was_refused(
    app: Flask, clerk: Who, enter: Callable[..., Page]
) -> None:
    visit(app)
    with app.app_context():
        rosa = rows(Patient)[0]["reference"]
    page = enter()
    page.goto(f"/desk/patients/{rosa}/coverage?new=medicare-advantage")
    page.get_by_label("Name").fill("Blue Plan C")
    page.get_by_label("Visits allowed").fill("12")
    page.get_by_label("Care", exact=True).check()
    page.locator("#authorisation-0").fill("A-1")
    page.locator("#authorisation-0-count").fill("6")
    page.get_by_role("button", name="Add").click()
    page.locator("main a[href*='change=']").click()
    second = page.locator("#authorisation-1")
    second.fill("B-2")
    lock(page)
    open_again(page)
    expect(second).to_have_value("B-2")
    expect(page.locator("#authorisation-0")).to_have_value("A-1")
    is_back(page)
    page.get_by_label("Visits allowed").fill("many")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_label("Visits allowed")).to_have_attribute("aria-invalid", "true")
    # A line that the page has only once the one before is kept.
    page.locator("#authorisation-2").fill("C-3")
    lock(page)
    open_again(page)
    expect(second).to_have_value("B-2")
    expect(page.get_by_label("Visits allowed")).to_have_value("many")
    page.locator(".toasts a[href='/staff/drafts']").click()
    expect(page.get_by_role("heading", name="What you typed", exact=True)).to_be_visible()
    assert ["auth_number", "C-3"] in kept(app, clerk)[0].fields


def test_dates_that_are_looked_at_lead_back_to_what_was_asked_for(
    app: Flask, enter: Callable[..., Page]
) -> None:
    visit(app)
    with app.app_context():
        rosa = rows(Patient)[0]["reference"]
    page = enter()
    page.goto(f"/desk/series/new?patient={rosa}")
    page.get_by_label("Visit, line 1").select_option("follow-up")
    page.get_by_label("Weekday, line 1").select_option(index=2)
    page.get_by_label("Time, line 1").fill("10:00")
    weekday = page.get_by_label("Weekday, line 1").input_value()
    page.get_by_role("button", name="Show the dates").last.click()
    expect(page.get_by_role("button", name="Book these visits")).to_be_visible()
    lock(page)
    open_again(page)
    expect(page.get_by_label("Visit, line 1")).to_have_value("follow-up")
    expect(page.get_by_label("Weekday, line 1")).to_have_value(weekday)
    expect(page.get_by_label("Time, line 1")).to_have_value("10:00")
    is_back(page)


@pytest.fixture
def plan(app: Flask) -> BookedPlan:
    with app.app_context():
        set_up(plan_clinic())
        return running(prescribed(patient()))


def test_why_a_missing_visit_is_not_needed_comes_back_to_that_one(
    app: Flask, enter: Callable[..., Page], plan: BookedPlan
) -> None:
    with app.app_context():
        first, last = (seen(plan).visits[number].starts_at.date() for number in (2, 8))
        pause(hired(), plan.reference, first, last, "Away", tell=False, key="pause-001")
    page = enter()
    page.goto(f"/desk/plans/{plan.reference}")
    whys = page.locator("form[action$='not-needed'] [name='reason']")
    expect(whys.nth(2)).to_be_attached()
    for number, words in ((0, "Better"), (2, "Travels")):
        whys.nth(number).evaluate("field => field.closest('details').open = true")
        whys.nth(number).fill(words)
    lock(page)
    open_again(page)
    expect(whys.nth(0)).to_have_value("Better")
    expect(whys.nth(2)).to_have_value("Travels")
    expect(whys.nth(1)).to_have_value("")
    is_back(page)


@pytest.fixture
def missed(app: Flask, standing_clock: StandingClock) -> str:
    """A plan of which two visits of a week were missed, and whose payer is asked before more are booked."""
    with app.app_context():
        set_up(plan_clinic())
    client = app.test_client()
    way = insured(app, 21, Beyond.ASK, counts_missed=True)
    reference, token = way.split("/")[2:]
    assert sent(client, way, chosen(client, way), **MAIL).status_code == 303
    with app.app_context():
        week = sorted(by_link(reference, token).weeks[1].visits, key=lambda one: one.starts_at)[:2]
        standing_clock.at(week[-1].starts_at + timedelta(minutes=20))
        for number, one in enumerate(week):
            statuses.no_show(hired(), one.reference, key=f"no-show-{number}")
    return reference


def test_what_was_said_of_one_time_never_gets_beside_another(
    app: Flask, clerk: Who, enter: Callable[..., Page], missed: str, standing_clock: StandingClock
) -> None:
    page = enter()
    page.goto(f"/desk/plans/{missed}")
    times = page.locator("form.plan-instead")
    takes = times.locator("[name='take']")
    offered = takes.evaluate_all("fields => fields.map((field) => field.value)")
    assert len(offered) > 1
    times.nth(1).get_by_label("I have asked the payer").check()
    lock(page)
    with page.expect_response("**/forget"):
        open_again(page)
    is_back(page)
    expect(times.nth(1).get_by_label("I have asked the payer")).to_be_checked()
    assert takes.evaluate_all("fields => fields.map((field) => field.value)") == offered
    assert page.locator("[name='payer']:checked").count() == 1
    # The time itself is gone by the next time: then it stays where it is kept.
    lock(page)
    standing_clock.at(datetime.fromisoformat(offered[1].split()[-1]) + timedelta(minutes=5))
    open_again(page)
    expect(times.first).to_be_visible()
    assert dict(is_still_kept(page, app, clerk).fields)["take"] == offered[1]
    assert page.locator("[name='payer']:checked").count() == 0
    assert offered[1] not in takes.evaluate_all("fields => fields.map((field) => field.value)")


def test_doses_that_were_chosen_by_buttons_come_back(
    app: Flask, clerk: Who, enter: Callable[..., Page], plan: BookedPlan
) -> None:
    page = enter()
    page.goto(f"/desk/plans/{plan.reference}/change/doses")
    dose = page.locator(".dose", has_text="Acupuncture").get_by_role("status")
    before = dose.inner_text()
    page.get_by_role("button", name="Fewer: Acupuncture").click()
    expect(dose).not_to_have_text(before)
    fewer = dose.inner_text()
    lock(page)
    with page.expect_response("**/forget"):
        open_again(page)
    expect(dose).to_have_text(fewer)
    is_back(page)
    is_kept_no_more(page, app, clerk)


def test_a_choice_that_is_no_longer_offered_stays_where_it_is_kept(
    app: Flask, clerk: Who, enter: Callable[..., Page], plan: BookedPlan
) -> None:
    there = f"/desk/plans/{plan.reference}/change/doses"
    with app.app_context():
        drafts.keep(clerk.account_id, there, [("from_week", "99"), ("reason", "Two words")], page=there)
    page = enter()
    page.goto(f"{there}#kept")
    expect(page.locator("#reason")).to_have_value("Two words")
    expect(page.locator("#from_week")).not_to_have_value("")
    expect(page.locator(".toasts a[href='/staff/drafts']")).to_be_visible()
    assert len(kept(app, clerk)) == 1


def test_what_is_typed_about_further_weeks_comes_back_to_those(
    app: Flask, clerk: Who, enter: Callable[..., Page], plan: BookedPlan
) -> None:
    page = enter()
    there = f"/desk/plans/{plan.reference}/change/doses"
    page.goto(f"{there}?further=1&from_week=2")
    heading = page.get_by_role("heading", name="Visits of the further weeks")
    expect(heading).to_be_visible()
    page.locator("#reason").fill("Two words")
    lock(page)
    # Not into the form of another change, which stands at the same address.
    page.goto(f"/staff/locked?next={there}")
    open_again(page)
    expect(page.get_by_role("heading", name="More or less often")).to_be_visible()
    is_still_kept(page, app, clerk)
    expect(page.locator("#reason")).to_have_value("")
    page.goto("/staff/drafts")
    page.get_by_role("link", name="Open the form with it").click()
    expect(heading).to_be_visible()
    expect(page.locator("#reason")).to_have_value("Two words")
    is_back(page)
    is_kept_no_more(page, app, clerk)


def test_wherever_the_desk_writes_words_they_come_back(
    app: Flask, clerk: Who, enter: Callable[..., Page], plan: BookedPlan
) -> None:
    with app.app_context():
        whose, reference = rows(Patient)[0]["reference"], rows(Appointment)[0]["reference"]
    page = enter()
    for path, field in (
        (f"/desk/visits/{reference}", "note"),
        (f"/desk/visits/{reference}/cancel", "reason"),
        (f"/desk/patients/{whose}/edit", "desk_note"),
        (f"/desk/patients/{whose}/edit", "preferences"),
        ("/desk/time-off", "reason"),
        *(
            (f"/desk/plans/{plan.reference}/change/{change}", "reason")
            for change in ("doses", "pause", "decide", "stop")
        ),
    ):
        page.goto(path)
        typed = page.locator(f"main [name='{field}']").last
        typed.fill("Two words")
        lock(page)
        with page.expect_response("**/forget"):
            open_again(page)
        expect(typed).to_have_value("Two words")
        is_back(page)
    is_kept_no_more(page, app, clerk)


@pytest.fixture
def mei(app: Flask, plan: BookedPlan) -> Who:
    return with_pin(app, Role.PRACTITIONER, practitioner="mei")


@pytest.fixture
def own(app: Flask, plan: BookedPlan, standing_clock: StandingClock) -> str:
    """A visit of hers that is about to begin."""
    with app.app_context():
        found = next(one for one in seen(plan).visits if one.practitioner.slug == "mei")
    standing_clock.at(found.starts_at - timedelta(minutes=5))
    return str(found.reference)


@pytest.fixture
def phone(app: Flask, new_page: NewPage, mei: Who, own: str, live: str) -> Page:
    page = new_page(PHONE)
    cookie = next(iter(signed_in(app, mei)._cookies.values()))
    page.context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": live}])
    return page


@pytest.mark.parametrize(("way", "press"), [("", "Arrived|Here"), ("/move", "Move it")])
def test_a_practitioners_press_that_came_too_late_waits_to_be_sent(
    app: Flask, mei: Who, phone: Page, own: str, way: str, press: str
) -> None:
    phone.goto(f"/mine/visits/{own}{way}")
    if way:
        phone.locator("main").get_by_role("link", name=re.compile("am,|pm,")).first.click()
    button = phone.locator("main").get_by_role("button", name=re.compile(press)).first
    name = button.inner_text()
    locked_elsewhere(phone, "/mine/time-off")
    button.click()
    expect(phone.get_by_role("heading", name="Locked")).to_be_visible()
    open_again(phone)
    expect(phone.get_by_role("heading", name="What you typed", exact=True)).to_be_visible()
    phone.get_by_role("link", name="Open the form with it").click()
    expect(phone.locator("main").get_by_role("button", name=name).first).to_be_visible()
    if way:
        # The form asks the same as before: it is pressed once more.
        is_back(phone)
    else:
        assert is_still_kept(phone, app, mei).path == f"/mine/visits/{own}/status"


def test_wherever_a_practitioner_writes_words_they_come_back(phone: Page, own: str, plan: BookedPlan) -> None:
    page = phone
    for path in (
        "/mine/time-off",
        f"/mine/visits/{own}/plan/weekly",
        f"/mine/plans/{plan.reference}/change/pause",
    ):
        page.goto(path)
        typed = page.locator("main [name='reason']").last
        typed.fill("Two words")
        lock(page)
        with page.expect_response("**/forget"):
            open_again(page)
        expect(typed).to_have_value("Two words")
        is_back(page)
