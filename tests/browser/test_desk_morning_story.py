"""The desk's morning, by keyboard: ten patients checked in, two moved, one no-show, one walk-in, needles forgotten, the
day closed.
"""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Page, expect
from sqlalchemy import update

from booking.models import Appointment, Message, MessageState, Payment
from booking.scheduling.status import Status
from booking.services.desk.calls import settle
from booking.services.desk.whom_to_call import Outcome
from booking.services.transaction import run
from tests.browser.conftest import DESKTOP, PHONE, Enter, comes, fits, picture
from tests.clinics import clinic, needled, practitioner, set_up, visit_type
from tests.conftest import StandingClock
from tests.services.making import NINE, booked, heard, rows
from tests.staffing import hired

NAMES = ("Ada", "Bea", "Cleo", "Dora", "Ella", "Fay", "Gwen", "Hana", "Iris", "Jill")
HALF = timedelta(minutes=30)


@pytest.fixture
def app(app: Flask, standing_clock: StandingClock) -> Flask:
    """Five patients with each of two, from half past nine on; Noel at nine with Ben, who won't come."""
    with app.app_context():
        set_up(
            clinic(
                visit_types=[visit_type("follow-up", name="Follow-up"), needled("needles", name="Needles")],
                practitioners=[
                    practitioner("ana", name="Ana Ruiz", offers=["follow-up", "needles"]),
                    practitioner("ben", name="Ben Okoro", offers=["follow-up"]),
                ],
                rooms=[{"id": f"room-{n}", "name": f"Room {n}", "kind": "room"} for n in range(1, 5)],
            )
        )
        booked(NINE, practitioner="ben", first_name="Noel", email="noel@example.com")
        for number, name in enumerate(NAMES):
            begins = NINE + HALF * (1 + number % 5)
            who, kind = ("ana", "follow-up") if number < 5 else ("ben", "follow-up")
            booked(
                begins,
                practitioner=who,
                visit_type=kind,
                first_name=name,
                email=f"{name}@example.com".lower(),
            )
        booked(NINE + timedelta(hours=5), practitioner="ana", visit_type="needles", first_name="Nina")
    standing_clock.at(NINE + timedelta(minutes=20))
    return app


def of(app: Flask, name: str) -> Any:
    with app.app_context():
        return next(row for row in rows(Appointment) if row["first_name"] == name)


def chosen(page: Page) -> str:
    return page.evaluate("document.querySelector('.v.chosen')?.dataset.ref ?? ''")


def go_to(page: Page, reference: str) -> None:
    """Chooses a visit by arrows alone."""
    for key in (
        ("ArrowUp",) * 8 + ("ArrowLeft",) + (("ArrowDown",) * 8 + ("ArrowUp",) * 8 + ("ArrowRight",)) * 2
    ):
        if chosen(page) == reference:
            return
        page.keyboard.press(key)
    assert chosen(page) == reference


def test_the_desks_morning_by_keyboard_alone(
    app: Flask, enter: Enter, axe: Any, standing_clock: StandingClock
) -> None:
    page = enter(DESKTOP)
    page.goto("/desk/day/2026-09-15")
    for name in NAMES:
        reference = of(app, name)["reference"]
        go_to(page, reference)
        page.keyboard.press("a")
        expect(page.locator(f"#v-{reference}")).to_contain_text("Here")
    axe(page)
    picture(page, "morning-here")

    for name in ("Dora", "Ella"):
        visit = of(app, name)
        go_to(page, visit["reference"])
        # Past the others, to the first place in the afternoon that keeps all rules.
        page.keyboard.press("m")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        expect(page.locator('[data-dialog="move"]')).to_be_visible()
        page.keyboard.press("Enter")
        expect(page.locator('[data-dialog="move"]')).to_be_hidden()
        expect(page.locator(".toasts")).to_contain_text(f"{name} Lima: Now")
        assert of(app, name)["from_cell"] > visit["from_cell"]

    noel = of(app, "Noel")["reference"]
    go_to(page, noel)
    page.keyboard.press("Enter")
    panel = page.locator("[data-panel]")
    expect(panel.get_by_role("heading", name="Noel Lima")).to_be_focused()
    axe(page)
    picture(page, "morning-panel")
    panel.get_by_role("button", name="No-show").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".toasts")).to_contain_text("no-show")
    assert of(app, "Noel")["status"] is Status.NOSHOW
    page.keyboard.press("Escape")

    # Somebody who is here books once more.
    page.keyboard.press("n")
    expect(page.get_by_label("Who is it?")).to_be_focused()
    page.keyboard.type("ada")
    page.keyboard.press("Enter")
    expect(page.locator("input[name=time]:focus")).to_be_checked()
    page.keyboard.press("Enter")
    page.wait_for_url("**/desk/day/**")
    with app.app_context():
        walked_in = rows(Appointment)[-1]
    assert (walked_in["first_name"], walked_in["booked_by"]) == ("Ada", "staff")


def test_needles_that_were_forgotten_stand_in_the_glance_and_come_out(
    app: Flask, enter: Enter, axe: Any, standing_clock: StandingClock
) -> None:
    nina = of(app, "Nina")["reference"]
    standing_clock.at(NINE + timedelta(hours=5))
    page = enter(DESKTOP)
    page.goto(f"/desk/visits/{nina}")
    page.get_by_role("button", name="In the room").press("Enter")
    expect(page.locator(".done")).to_contain_text("In the room.")
    page.get_by_role("button", name="Needles in").press("Enter")
    expect(page.locator(".needles-line")).to_contain_text("Needles out at 2:25 pm")
    axe(page)
    page.get_by_role("button", name="Done", exact=True).wait_for(state="detached")
    standing_clock.on(minutes=31)
    page = enter(DESKTOP)
    page.goto("/desk/day/2026-09-22")
    expect(page.get_by_role("link", name="needles still in, due out at 2:25 pm")).to_be_in_viewport()
    axe(page)
    picture(page, "board-needles")
    page.get_by_role("link", name="needles still in, due out at 2:25 pm").press("Enter")
    expect(page.get_by_role("complementary", name="The visit")).to_contain_text("Nina Lima")
    page.wait_for_url("**/desk/day/2026-09-22?visit=" + nina)
    page.goto("/desk/glance")
    expect(page.locator(".glance-list.clay")).to_contain_text("still in, due out at 2:25 pm")
    axe(page)
    picture(page, "glance-needles")
    page.get_by_role("link", name="Nina Lima").first.press("Enter")
    expect(page.locator(".needles-line.over")).to_be_visible()
    picture(page, "visit-needles")
    page.get_by_role("button", name="Needles out").press("Enter")
    expect(page.locator(".needles-line")).to_have_count(0)
    page.locator(".done").get_by_role("button", name="Undo").press("Enter")
    expect(page.locator(".needles-line.over")).to_be_visible()


def test_the_day_is_closed_by_one_key(
    app: Flask, enter: Enter, axe: Any, standing_clock: StandingClock
) -> None:
    for_phone = enter(PHONE)
    for_phone.goto(f"/desk/visits/{of(app, 'Ada')['reference']}")
    here = for_phone.get_by_role("button", name="Here")
    assert (here.bounding_box() or {"height": 0})["height"] >= 44
    here.tap()
    expect(for_phone.locator(".done")).to_contain_text("Here.")
    axe(for_phone)
    standing_clock.at(NINE + timedelta(hours=10))
    page = enter(DESKTOP)
    page.goto("/desk/glance")
    expect(page.locator(".close-day")).to_contain_text("12 visits are over, and nobody has settled them.")
    expect(page.get_by_role("navigation", name="Staff")).to_contain_text("Close the day 12")
    axe(page)
    picture(page, "glance-closes")
    page.locator(".close-day").get_by_role("link", name="Close the day").click()
    expect(page.get_by_role("button", name="Settle the one who came")).to_be_focused()
    axe(page)
    picture(page, "close")
    page.keyboard.press("Enter")
    expect(page.locator(".done")).to_contain_text("is done")
    assert of(app, "Ada")["status"] is Status.FULFILLED
    assert of(app, "Bea")["status"] is Status.BOOKED
    page.keyboard.press("u")
    expect(page.locator(".done")).to_contain_text("Taken back. One visit is open again: Ada Lima.")
    assert of(app, "Ada")["status"] is Status.ARRIVED


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_a_time_is_found_and_taken_in_two_clicks_from_the_visit(
    app: Flask, enter: Enter, axe: Any, viewport: Any
) -> None:
    reference = of(app, "Jill")["reference"]
    page = enter(viewport)
    page.goto(f"/desk/visits/{reference}")
    page.get_by_role("link", name="Find a time").click()
    comes(page, "Find a time for Jill Lima")
    axe(page)
    picture(page, "times")
    page.locator(".free-times a").nth(2).click()
    expect(page.get_by_role("heading", name="What it would be")).to_be_visible()
    axe(page)
    picture(page, "preview")
    page.get_by_role("button", name="Change it and tell the patient").click()
    expect(page.locator(".done")).to_contain_text("The patient is told at")
    assert of(app, "Jill")["version"] == 2


def test_calls_are_answered_by_single_letters_with_nothing_in_focus(
    app: Flask, enter: Enter, axe: Any
) -> None:
    with app.app_context():
        booked(NINE + timedelta(days=2), first_name="Kay", email="kay@example.com", phone="+18185550123")
        failed = update(Message).where(Message.address == "kay@example.com").values(state=MessageState.DEAD)
        run(lambda session: session.execute(failed))
    page = enter(DESKTOP)
    page.goto("/desk/calls")
    expect(page.get_by_role("heading", name="Kay Lima")).to_be_visible()
    axe(page)
    picture(page, "calls-keys")
    page.keyboard.press("o")
    expect(page.locator(".done")).to_contain_text("No answer: Kay Lima. They stay on the list.")
    expect(page.locator(".call-card")).to_contain_text("No answer: 1")
    page.keyboard.press("u")
    expect(page.locator(".done")).to_contain_text("Taken back: Kay Lima is on the list.")
    expect(page.locator(".call-card")).not_to_contain_text("No answer: 1")
    page.keyboard.press("r")
    expect(page.locator(".done")).to_contain_text("Reached: Kay Lima.")
    expect(page.get_by_role("heading", name="Kay Lima")).to_have_count(0)
    page.keyboard.press("u")
    expect(page.locator(".done")).to_contain_text("Taken back: Kay Lima is on the list.")
    expect(page.get_by_role("heading", name="Kay Lima")).to_be_visible()
    # A colleague is quicker: it is said where it stands, and no key answers it any more.
    with app.app_context():
        (kay,) = [row for row in rows(Appointment) if row["first_name"] == "Kay"]
        settle(hired(name="Theo Lind"), kay["reference"], Outcome.LEFT_MESSAGE, key="call-0001")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator(".call-card")).to_contain_text("A colleague has settled this call.")
    expect(page.locator(".call-card button")).to_have_count(0)
    axe(page)


def test_a_task_settled_beside_the_board_is_taken_back_by_u(app: Flask, enter: Enter, axe: Any) -> None:
    with app.app_context():
        # For Thursday, it was to be checked on Wednesday.
        visit = booked(
            NINE + timedelta(days=2), practitioner="ana", first_name="Kay", payment=Payment.INSURANCE
        )
    page = enter(DESKTOP)
    page.goto(f"/desk/day/2026-09-17?visit={visit.reference}")
    panel = page.locator("[data-panel]")
    settle = panel.get_by_role("button", name="Coverage checked")
    expect(settle).to_be_visible()
    expect(panel.get_by_role("button", name="Done")).to_have_count(0)
    settle.click()
    expect(page.locator(".toasts")).to_contain_text("Coverage checked. It is off the list.")
    expect(settle).to_have_count(0)
    axe(page)
    page.keyboard.press("u")
    expect(page.locator(".toasts")).to_contain_text("Back on the list.")
    expect(settle).to_be_visible()


def test_a_change_that_clashes_is_put_right_by_one_click_and_told_without_scrolling(
    app: Flask, enter: Enter, axe: Any
) -> None:
    jill, gwen = of(app, "Jill")["reference"], of(app, "Gwen")
    with app.app_context():
        heard()
    page = enter({"width": 1280, "height": 720})
    page.goto(f"/desk/visits/{jill}/change?cell={gwen['from_cell']}")
    expect(page.locator(".meant")).to_contain_text("Gwen Lima")
    near = page.locator(".free-times a")
    expect(near).to_have_count(3)
    axe(page)
    picture(page, "clash")
    near.first.click()
    for name in ("Change it and tell the patient", "Change it, tell nobody"):
        expect(page.get_by_role("button", name=name)).to_be_in_viewport(ratio=1)
    page.get_by_label("Minutes: treatment").fill("45")
    page.get_by_role("button", name="Find a time").click()
    expect(page.get_by_label("Minutes: treatment")).to_have_value("45")
    axe(page)
    picture(page, "times-wish")
    page.locator(".free-times a").first.click()
    expect(page.get_by_label("Minutes: treatment")).to_have_value("45")
    page.get_by_role("button", name="Change it and tell the patient").click()
    expect(page.locator(".done")).to_contain_text("The patient is told at")
    assert of(app, "Jill")["to_cell"] - of(app, "Jill")["from_cell"] == 9


@pytest.mark.parametrize("path", ["calls", "to-do", "messages", "glance", "close/2026-09-15"])
def test_the_lists_are_accessible_and_fit_a_phone(app: Flask, enter: Enter, axe: Any, path: str) -> None:
    page = enter(PHONE)
    page.goto(f"/desk/{path}")
    axe(page)
    fits(page)
    picture(page, path.partition("/")[0])


def test_everything_goes_without_javascript(app: Flask, enter: Enter) -> None:
    reference = of(app, "Jill")["reference"]
    with app.app_context():
        heard()
    page = enter(DESKTOP, javascript=False)
    page.goto(f"/desk/visits/{reference}/change")
    page.get_by_label("Time", exact=True).fill("15:30")
    page.get_by_role("button", name="See what it means").click()
    page.get_by_role("button", name="Change it, tell nobody").click()
    expect(page.locator(".done")).to_contain_text("Now Tue, Sep 15, 3:30 pm")
    page.locator(".done").get_by_role("button", name="Undo").click()
    expect(page.locator(".done")).to_contain_text("Taken back.")
    page.get_by_label("Note of the desk").fill("Rings before.")
    page.get_by_role("button", name="Keep the note").click()
    expect(page.get_by_label("Note of the desk")).to_have_value("Rings before.")
