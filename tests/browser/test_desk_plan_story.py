"""Plans by staff in a browser: prescribed on a phone in four taps, and booked whole at the desk by keyboard."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Page, expect

from booking.models import Appointment, Patient, Plan, Role
from booking.services.desk import statuses
from booking.services.plans.booking import book
from booking.services.staff import sign_ins
from tests.browser.conftest import DESKTOP, PHONE, SMALLEST, Enter, NewPage, fits, picture
from tests.clinics import plan_clinic, set_up
from tests.conftest import StandingClock
from tests.services.making import NINE, booked, rows
from tests.services.plans.making import FIRST_DAY, at, patient, prescribed, proposed, running, seen, wish
from tests.staffing import hired


@pytest.fixture
def app(app: Flask, standing_clock: StandingClock) -> Flask:
    with app.app_context():
        set_up(plan_clinic())
        booked(NINE, visit_type="acupuncture-first", practitioner="mei")
    return app


def all_of(app: Flask, kind: Any) -> list[Any]:
    with app.app_context():
        return rows(kind)


@pytest.fixture
def mei(app: Flask, live: str, new_page: NewPage) -> Any:
    """A phone on which Mei is signed in."""

    def let_in(**how: Any) -> Page:
        page = new_page(PHONE, **how)
        with app.app_context():
            who = hired(Role.PRACTITIONER, practitioner="mei", name="Mei Tanaka")
            secret = sign_ins.begin(who.account_id, address="127.0.0.1", browser="test", phone=True)
        cookie = app.session_interface.get_signing_serializer(app).dumps({"sign_in": secret})  # type: ignore[attr-defined]
        page.context.add_cookies([{"name": app.config["SESSION_COOKIE_NAME"], "value": cookie, "url": live}])
        return page

    return let_in


@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "plain"])
def test_at_the_end_of_a_visit_a_plan_is_prescribed_in_four_taps(
    app: Flask, mei: Any, axe: Any, javascript: bool
) -> None:
    page: Page = mei(javascript=javascript)
    visit = all_of(app, Appointment)[0]["reference"]
    page.goto(f"/mine/visits/{visit}")
    taps = 0

    def tap(place: Any) -> None:
        nonlocal taps
        place.tap()
        taps += 1

    tap(page.get_by_role("link", name="End of visit: prescribe a plan"))
    expect(page.get_by_role("heading", name="A plan for Rosa Lima")).to_be_visible()
    if javascript:
        axe(page)
        picture(page, "plan-choose")
    tap(page.get_by_role("link", name="Disc gentle"))
    expect(page.get_by_role("group", name="Acupuncture", exact=True)).to_contain_text("2 a week")
    if javascript:
        axe(page)
        picture(page, "plan-prescribe")
    # Once more and back: not needed, but it works where it stands.
    page.get_by_role("button", name="More: Acupuncture").tap()
    expect(page.get_by_role("group", name="Acupuncture", exact=True)).to_contain_text("3 a week")
    page.get_by_role("button", name="Fewer: Acupuncture").tap()
    expect(page.get_by_role("group", name="Acupuncture", exact=True)).to_contain_text("2 a week")
    tap(page.get_by_role("button", name="Prescribe, and send the link"))
    expect(page.locator(".notice.good")).to_contain_text("The link was sent.")
    assert taps <= 4
    (plan,) = all_of(app, Plan)
    assert (plan["template"], plan["status"]) == ("disc-gentle", "prescribed")
    if javascript:
        axe(page)
        picture(page, "plan-prescribed")
    page.get_by_role("link", name="Show the link").tap()
    expect(page.locator(".plan-address")).to_contain_text(f"/plan/{plan['reference']}/")
    if javascript:
        axe(page)
        picture(page, "plan-link")
    page.go_back()
    page.get_by_role("button", name="Undo: take the plan back").tap()
    expect(page.locator(".notice.good")).to_contain_text("Taken back.")
    assert all_of(app, Plan)[0]["status"] == "stopped"
    page.goto("/mine/plans")
    expect(page.get_by_text("No plans here.")).to_be_visible()


def test_the_desk_books_a_whole_plan_by_keyboard(app: Flask, enter: Enter, axe: Any) -> None:
    page = enter(DESKTOP)
    patient = all_of(app, Patient)[0]["reference"]
    page.goto(f"/desk/patients/{patient}")

    def press(*keys: str) -> None:
        for key in keys:
            page.keyboard.press(key)

    # From the patient: the template, what is asked for, the proposals, booked.
    page.get_by_role("link", name="New plan").focus()
    press("Enter")
    expect(page.get_by_role("link", name="Disc", exact=False).first).to_be_focused()
    axe(page)
    picture(page, "plan-new")
    press("Enter")
    monday = page.get_by_role("checkbox", name="Monday Morning")
    expect(monday).to_be_focused()
    axe(page)
    # Monday mornings and middays, as it happens; then Enter, as in any form.
    press("Space", "Tab", "Space")
    picture(page, "plan-form")
    for day in ("Tuesday", "Wednesday", "Thursday", "Friday"):
        page.get_by_role("checkbox", name=f"{day} Morning").focus()
        press("Space")
    page.get_by_role("textbox", name="Reason").focus()
    page.keyboard.type("Numbness")
    press("Enter")
    book = page.get_by_role("button", name="Book this plan").first
    expect(book).to_be_focused()
    axe(page)
    picture(page, "plan-proposals")

    # One visit at another time, and back to the plan.
    page.get_by_role("button", name="Another time").nth(2).focus()
    press("Enter")
    expect(page.get_by_text("All other visits stay as they are.")).to_be_visible()
    axe(page)
    picture(page, "plan-times")
    press("Enter")
    expect(page.get_by_role("button", name="Book this plan")).to_be_focused()
    press("Enter")
    expect(page.get_by_text("Booked: all visits of the plan.")).to_be_visible()
    axe(page)
    picture(page, "plan-page")
    (plan,) = all_of(app, Plan)
    visits = [row for row in all_of(app, Appointment) if row["plan_id"] == plan["id"]]
    assert (plan["status"], plan["reason"], len(visits)) == ("running", "Numbness", 21)

    page.goto("/desk/plans")
    expect(page.get_by_role("link", name="Rosa Lima")).to_be_visible()
    axe(page)
    picture(page, "plan-board")
    page.set_viewport_size(PHONE)
    fits(page)
    picture(page, "plan-board")
    page.get_by_role("link", name="Rosa Lima").click()
    expect(page.get_by_role("heading", name="Rosa Lima")).to_be_visible()


def test_where_no_plan_fits_one_press_helps(app: Flask, enter: Enter, axe: Any) -> None:
    page = enter(PHONE)
    patient = all_of(app, Patient)[0]["reference"]
    page.goto(f"/desk/plans/new?patient={patient}&template=disc")
    for size in (SMALLEST, PHONE):
        page.set_viewport_size(size)
        fits(page)
    page.get_by_role("checkbox", name="Saturday Midday").check()
    page.get_by_role("button", name="Show proposals").last.click()
    expect(page.get_by_role("heading", name="No plan fits")).to_be_visible()
    axe(page)
    picture(page, "plan-impossible")
    page.locator("form button.tap").first.click()
    expect(page.get_by_role("button", name="Book this plan").first).to_be_visible()
    axe(page)
    picture(page, "plan-proposals")


def test_all_that_may_be_done_with_a_plan_stands_on_its_page(
    app: Flask, enter: Enter, axe: Any, standing_clock: StandingClock
) -> None:
    """Begun by its patient, who then missed a visit: what is offered, and each change before it is done."""
    with app.app_context():
        made = book(wish(proposed("disc-gentle")[0], "disc-gentle"), actor="t", key="gentle-1")
        visit = seen(made).standing[0]
        standing_clock.at(visit.starts_at + timedelta(minutes=30))
        statuses.no_show(hired(), visit.reference, key="noshow-01")
    page = enter(PHONE)
    address = f"/desk/plans/{made.reference}"
    page.goto(address)
    # Nobody has examined them yet, so confirming asks once more.
    expect(page.get_by_role("button", name="Yes, confirm it now")).to_be_hidden()
    expect(page.get_by_role("button", name="Take this one").first).to_be_visible()
    page.get_by_text("Change the plan").click()
    axe(page)
    picture(page, "plan-next")
    fits(page)
    page.set_viewport_size(SMALLEST)
    fits(page)
    page.set_viewport_size(DESKTOP)
    axe(page)
    picture(page, "plan-next")
    page.get_by_role("button", name="Take this one").first.click()
    expect(page.get_by_text("Booked. The patient gets a message about it.")).to_be_visible()
    page.get_by_text("Confirm before the examination").click()
    page.get_by_role("button", name="Yes, confirm it now").click()
    expect(page.get_by_text("Confirmed. The patient gets one list of the visits.")).to_be_visible()

    # Fewer by a press of the minus, shown by Enter in the reason's field, and done by its own button.
    page.goto(f"{address}/change/doses")
    page.get_by_label("From").select_option("2")
    page.get_by_role("button", name="Fewer: Acupuncture").click()
    expect(page.get_by_label("Acupuncture", exact=True)).to_contain_text("1 a week")
    page.get_by_role("textbox", name="Reason").fill("Better")
    page.get_by_role("textbox", name="Reason").press("Enter")
    expect(page.get_by_role("heading", name="Cancelled")).to_be_visible()
    assert page.get_by_role("textbox", name="Reason").input_value() == "Better"
    axe(page)
    picture(page, "plan-doses")
    page.get_by_role("button", name="Change it so").click()
    expect(page.get_by_text("Changed.")).to_be_visible()

    page.goto(f"{address}/change/decide")
    page.get_by_label("End the plan here").check()
    page.get_by_role("button", name="Show what it does").last.click()
    expect(page.get_by_role("button", name="Decide so")).to_be_visible()
    axe(page)
    picture(page, "plan-decide")

    page.goto(f"{address}/change/pause")
    for field in ("From", "To, this day included"):
        page.get_by_label(field).fill(str(FIRST_DAY + timedelta(days=14)))
    page.get_by_role("button", name="Show what it does").last.click()
    expect(page.get_by_role("button", name="Give these visits up")).to_be_visible()
    axe(page)
    picture(page, "plan-pause")
    page.get_by_role("button", name="Give these visits up").click()
    page.get_by_role("link", name="It goes on sooner").click()
    expect(page.get_by_role("heading", name="No pause any more")).to_be_visible()
    axe(page)
    picture(page, "plan-go-on")
    page.get_by_role("button", name="It goes on from that day").click()
    expect(page.get_by_text("The pause is over before that day.")).to_be_visible()
    expect(page.get_by_role("link", name="It goes on sooner")).to_have_count(0)

    page.goto(address)
    page.locator(".plan-week").last.locator("summary").click()
    page.get_by_role("link", name="Move this and all later").last.click()
    page.get_by_label("Time").fill("15:00")
    page.get_by_role("button", name="Show what it does").last.click()
    expect(page.get_by_role("heading", name="What it would do")).to_be_visible()
    axe(page)
    picture(page, "plan-shift")

    page.goto(f"{address}/change/stop")
    axe(page)
    picture(page, "plan-stop")
    page.set_viewport_size(PHONE)
    axe(page)
    picture(page, "plan-stop")
    page.get_by_role("button", name="Stop the plan").click()
    expect(page.get_by_text("Stopped. The visits ahead are cancelled.")).to_be_visible()


def test_after_the_reassessment_somebody_comes_less_often(
    app: Flask, mei: Any, standing_clock: StandingClock
) -> None:
    """Decided on a phone; the visits that follow are shown before they are booked."""
    with app.app_context():
        made = running(prescribed(patient()))
        standing_clock.at(at(FIRST_DAY + timedelta(days=27), 8))
    page: Page = mei()
    page.goto(f"/mine/plans/{made.reference}")
    page.get_by_role("link", name="Decide how it goes on").tap()
    page.get_by_label("Come less often from now on").check()
    page.get_by_label("for how many weeks").fill("2")
    for care, times in (("Acupuncture", 2), ("Chiropractic", 1)):
        for left in range(times - 1, -1, -1):
            page.get_by_role("button", name=f"Fewer: {care}").tap()
            expect(page.get_by_label(care, exact=True)).to_contain_text(f"{left + 1} a week")
    page.get_by_role("button", name="Show what it does").last.tap()
    expect(page.get_by_text("2 further weeks, up to ")).to_be_visible()
    page.get_by_role("button", name="Decide so").tap()
    expect(page.get_by_role("heading", name="Booked")).to_be_visible()
    page.get_by_role("button", name="Book these visits").tap()
    expect(page.get_by_text("Booked. The visits")).to_be_visible()
    with app.app_context():
        plan = seen(made)
        assert [(dose.booked, dose.left) for week in plan.weeks[4:] for dose in week.doses] == [(1, 0)] * 4
