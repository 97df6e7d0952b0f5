"""Whom the desk tells of a move, and how: asked in the board's dialog; and whose wish a cancellation is, by one key."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Page, Route, expect

from booking.models import Actor, Appointment, Message, Reminders
from booking.reminders.delivery import deliver_due
from booking.services.desk import statuses
from tests.browser.conftest import DESKTOP, PHONE, Enter
from tests.browser.interception import intercept
from tests.clinics import clinic, practitioner, set_up, visit_type
from tests.conftest import StandingClock
from tests.services.making import NINE, booked, rows
from tests.staffing import hired

DAY = "/desk/day/2026-09-15"


@pytest.fixture
def app(app: Flask, standing_clock: Any) -> Flask:
    with app.app_context():
        set_up(
            clinic(
                visit_types=[visit_type(name="Follow-up")],
                practitioners=[practitioner("ana", name="Ana Ruiz")],
            )
        )
    return app


def in_app(app: Flask, **how: Any) -> str:
    with app.app_context():
        reference = booked(practitioner="ana", **how).reference
        while deliver_due():
            pass
    return reference


def kinds(app: Flask) -> set[str]:
    with app.app_context():
        return {row["kind"] for row in rows(Message)}


def move_to_the_next_free(page: Page) -> Any:
    """By keys, as far as the question."""
    page.goto(DAY)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("m")
    expect(page.locator(".lit").first).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    question = page.get_by_role("dialog")
    expect(question).to_be_visible()
    return question


def test_whoever_has_just_heard_it_on_the_phone_is_told_by_nobody_else(
    enter: Enter, app: Flask, axe: Any
) -> None:
    in_app(app, phone="+18185550123")
    page = enter(DESKTOP)
    question = move_to_the_next_free(page)
    expect(question).to_contain_text("The patient is told by e-mail, at rosa@example.com")
    axe(page)
    question.get_by_role("button", name="Move, told on the phone just now").click()
    expect(page.locator(".toasts")).to_contain_text("The patient was told on the phone.")
    assert "change" not in kinds(app)


def test_whoever_has_only_a_telephone_goes_on_the_list_of_calls(enter: Enter, app: Flask) -> None:
    in_app(app, email=None, phone="+18185550123", reminders=Reminders.CALL)
    page = enter(DESKTOP)
    question = move_to_the_next_free(page)
    expect(question).to_contain_text("Call (818) 555-0123 to tell them")
    question.get_by_role("button", name="Move, and put them on the list of calls").click()
    expect(page.locator(".toasts")).to_contain_text("Call (818) 555-0123 to tell them")
    assert "change" in kinds(app)


def test_an_answer_that_comes_late_says_nothing_about_another_move(enter: Enter, app: Flask) -> None:
    in_app(app)
    page = enter(DESKTOP)
    page.goto(DAY)
    late: list[Route] = []
    intercept(page, "**/change?*", lambda route: route.continue_() if late else late.append(route))
    question = move_to_the_next_free(page)
    expect(question).not_to_contain_text("is told")
    page.keyboard.press("Escape")
    expect(question).to_be_hidden()
    for key in ("m", "ArrowDown", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    expect(question).to_contain_text("The patient is told")
    preview = question.locator("[data-preview]")
    says = preview.inner_text()
    (first,) = late
    with page.expect_response("**/change?*"):
        first.continue_()
    page.evaluate("new Promise((done) => setTimeout(done, 200))")
    assert preview.inner_text() == says


def test_keys_that_are_pressed_while_the_dialog_closes_are_pressed(enter: Enter, app: Flask) -> None:
    in_app(app)
    page = enter(DESKTOP)
    question = move_to_the_next_free(page)
    # What an answer does begins after the dialog is closed, and fast fingers are in between.
    page.evaluate(
        """() => {
            document.querySelector("dialog[open]").close();
            for (const key of ["m", "ArrowDown", "Enter"])
                document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
        }"""
    )
    expect(question).to_contain_text("The patient is told")


def test_before_somebody_who_is_here_is_moved_the_dialog_says_so(
    enter: Enter, app: Flask, standing_clock: StandingClock, axe: Any
) -> None:
    reference = in_app(app)
    standing_clock.at(NINE - timedelta(minutes=20))
    with app.app_context():
        statuses.arrive(hired(), reference, key="arrive-01")
    page = enter(DESKTOP)
    question = move_to_the_next_free(page)
    here = question.get_by_role("alert").filter(has_text="The patient is here already, since 8:40 am")
    expect(here).to_be_visible()
    axe(page)


@pytest.mark.parametrize("window", [DESKTOP, PHONE])
def test_one_key_says_that_the_clinic_cancels(enter: Enter, app: Flask, axe: Any, window: Any) -> None:
    reference = in_app(app, phone="+18185550123")
    page = enter(window)
    page.goto(f"/desk/visits/{reference}/cancel")
    expect(page.get_by_label("The patient", exact=True)).to_be_focused()
    expect(page.get_by_role("button", name="Cancel it and write to them")).to_be_visible()
    expect(page.get_by_role("button", name="Cancel it and tell the patient")).to_be_hidden()
    axe(page)
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("button", name="Cancel it and tell the patient")).to_be_visible()
    expect(page.get_by_role("button", name="Cancel it and write to them")).to_be_hidden()
    axe(page)
    page.keyboard.press("Enter")
    expect(page.locator("[data-said]")).to_contain_text("Cancelled. The patient is told at")
    with app.app_context():
        assert rows(Appointment)[0]["cancelled_by"] is Actor.STAFF
