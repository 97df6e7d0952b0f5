"""Staff sign in with a code, and a screen that locked in mid-form opens again with what was typed: by mouse and by keyboard."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Page, expect

from booking.models import Patient, Role
from booking.services.desk import statuses
from booking.services.staff import accounts, drafts, library, second_factor
from booking.services.staff.accounts import OPERATOR
from booking.services.staff.who import Who
from tests.browser.conftest import DESKTOP, PHONE, NewPage, picture
from tests.browser.interception import intercept
from tests.clinics import plan_clinic, set_up
from tests.conftest import StandingClock
from tests.services.making import NINE, booked, rows
from tests.staffing import hired

Axe = Callable[[Page], None]
EMAIL, PASSWORD, PIN = "olga@clinic.example", "a kettle on the stove", "271828"


@pytest.fixture
def app(app: Flask, standing_clock: Any) -> Flask:
    with app.app_context():
        set_up()
        mark = accounts.invite(OPERATOR, EMAIL, [Role.OWNER]).link.rpartition("/")[2]
        accounts.accept(mark, name="Olga Stone", password=PASSWORD, pin=PIN)
    return app


def code_of(app: Flask, secret: str) -> str:
    with app.app_context():
        return str(library._security().totp_factory.generate_totp_password(secret))


def with_codes(app: Flask) -> tuple[str, list[str]]:
    """Switches the codes on, with one of half a minute ago, so that the present one still counts."""
    with app.app_context():
        who = Who(accounts.by_address(EMAIL), "Olga", frozenset({Role.OWNER}))
        begun = second_factor.prepare(who)
        factory = library._security().totp_factory
        # Codes change each half minute: one of the last half may not become one of the last but one meanwhile.
        if time.time() % 30 > 25:
            time.sleep(30 - time.time() % 30)
        earlier = factory._totp.from_source(begun.secret).generate(time.time() - 30).token
        return begun.secret, second_factor.turn_on(who, begun.secret, earlier)


def sign_in(page: Page, to: str = "/staff/accounts") -> None:
    page.goto(to)
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def idle(page: Page, standing_clock: StandingClock, minutes: int) -> None:
    """Lets time pass, for the server and for the page."""
    standing_clock.on(minutes=minutes)
    page.clock.fast_forward(minutes * 60_000)


@pytest.mark.parametrize("size", [PHONE, DESKTOP])
def test_signing_in_asks_for_the_password_and_then_the_code(
    app: Flask, new_page: NewPage, axe: Axe, size: Any
) -> None:
    secret, _ = with_codes(app)
    page = new_page(size)
    page.goto("/staff/accounts")
    axe(page)
    sign_in(page)
    expect(page.get_by_role("heading", name="Your code")).to_be_visible()
    axe(page)
    page.get_by_label("Code").fill("000000")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_label("Code")).to_be_focused()
    axe(page)
    page.get_by_label("Code").fill(code_of(app, secret))
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Accounts")).to_be_visible()
    for path in ("/staff/accounts", "/staff/me", "/staff/audit", "/staff/sign-ins", "/staff/drafts"):
        page.goto(path)
        axe(page)


def test_by_keyboard_alone_a_recovery_code_opens_the_account(app: Flask, new_page: NewPage) -> None:
    _, recovery = with_codes(app)
    page = new_page(DESKTOP)
    page.goto("/staff/sign-in?next=/staff/me")
    tab_to(page, "email")
    page.keyboard.type(EMAIL)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_label("Code")).to_be_focused()
    page.keyboard.type(recovery[0])
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="My account")).to_be_visible()


def test_the_codes_are_set_up_and_switched_on(app: Flask, new_page: NewPage, axe: Axe) -> None:
    page = new_page(PHONE)
    sign_in(page, "/staff/me/codes")
    expect(page.get_by_role("img", name="The key as a picture")).to_be_visible()
    axe(page)
    secret = page.locator("input[name='secret']").input_value()
    page.get_by_label("Code").fill(code_of(app, secret))
    page.get_by_role("button", name="Switch the codes on").click()
    expect(page.locator(".codes li")).to_have_count(8)
    axe(page)


@pytest.mark.parametrize("by_keyboard", [False, True])
def test_a_screen_that_locks_in_mid_form_opens_with_what_was_typed(
    new_page: NewPage, axe: Axe, standing_clock: StandingClock, by_keyboard: bool
) -> None:
    page = new_page(DESKTOP)
    page.clock.install()
    sign_in(page)
    if by_keyboard:
        tab_to(page, "email")
        page.keyboard.type("new@clinic.example")
        page.keyboard.press("Tab")
        page.keyboard.type("Nora Nové")
        tab_to(page, "roles")
        page.keyboard.press("Space")
    else:
        page.get_by_label("E-mail").fill("new@clinic.example")
        page.get_by_label("Name").fill("Nora Nové")
        page.get_by_label("Owner", exact=True).check()
    page.clock.run_for(1000)
    idle(page, standing_clock, 15)
    expect(page.get_by_role("heading", name="Locked")).to_be_visible()
    expect(page.get_by_text("Nora")).to_have_count(0)
    expect(page.get_by_label("PIN")).to_be_focused()
    axe(page)
    page.keyboard.type("000001")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("4 more tries")
    expect(page.get_by_label("PIN")).to_be_focused()
    axe(page)
    page.keyboard.type(PIN)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Accounts")).to_be_visible()
    expect(page.get_by_label("E-mail")).to_have_value("new@clinic.example")
    expect(page.get_by_label("Name")).to_have_value("Nora Nové")
    expect(page.get_by_label("Owner", exact=True)).to_be_checked()
    expect(page.get_by_label("E-mail")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_text("The invitation is on its way.")).to_be_visible()
    page.goto("/staff/drafts")
    expect(page.get_by_text("nothing left")).to_be_visible()


def test_a_screen_that_is_locked_by_its_button_keeps_what_was_typed(new_page: NewPage) -> None:
    page = new_page(DESKTOP)
    sign_in(page)
    page.get_by_label("E-mail").fill("new@clinic.example")
    page.get_by_role("button", name="Lock").click()
    expect(page.get_by_role("heading", name="Locked")).to_be_visible()
    page.keyboard.type(PIN)
    page.keyboard.press("Enter")
    expect(page.get_by_label("E-mail")).to_have_value("new@clinic.example")


def test_a_shift_that_ends_in_mid_form_leads_over_the_sign_in_back_to_what_was_typed(
    new_page: NewPage, standing_clock: StandingClock
) -> None:
    page = new_page(DESKTOP)
    page.clock.install()
    sign_in(page)
    page.get_by_label("E-mail").fill("new@clinic.example")
    standing_clock.on(hours=12)
    page.clock.fast_forward(61_000)
    page.get_by_label("Name").press("N")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Accounts")).to_be_visible()
    expect(page.get_by_label("E-mail")).to_have_value("new@clinic.example")


def test_what_was_given_back_is_no_draft_any_more_until_it_is_locked_once_more(new_page: NewPage) -> None:
    page = new_page(DESKTOP)
    sign_in(page)
    page.get_by_label("E-mail").fill("new@clinic.example")
    for _ in range(2):
        page.get_by_role("button", name="Lock").click()
        expect(page.get_by_role("heading", name="Locked")).to_be_visible()
        page.keyboard.type(PIN)
        with page.expect_response("**/forget"):
            page.keyboard.press("Enter")
        expect(page.get_by_label("E-mail")).to_have_value("new@clinic.example")
    page.goto("/staff/drafts")
    expect(page.get_by_text("nothing left")).to_be_visible()


def test_a_draft_is_opened_in_its_form(new_page: NewPage, axe: Axe) -> None:
    page = new_page(DESKTOP)
    sign_in(page)
    page.get_by_label("E-mail").fill("new@clinic.example")
    page.get_by_role("button", name="Lock").click()
    expect(page.get_by_role("heading", name="Locked")).to_be_visible()
    page.goto("/staff/locked?next=/staff/drafts")
    page.keyboard.type(PIN)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="What you typed")).to_be_visible()
    axe(page)
    page.get_by_role("link", name="Open the form with it").click()
    expect(page.get_by_label("E-mail")).to_have_value("new@clinic.example")


def test_a_visit_that_was_being_booked_comes_back_with_its_times_and_the_one_that_was_chosen(
    app: Flask, new_page: NewPage
) -> None:
    page = new_page(DESKTOP)
    sign_in(page, "/desk/book?new=1&visit_type=follow-up")
    page.get_by_label("First name").fill("Nora")
    page.get_by_label("From this day on").fill("2026-09-28")
    times = page.locator("#time input[value^='2026-09-28']")
    expect(times.nth(2)).to_be_visible()
    times.nth(2).check()
    chosen = times.nth(2).get_attribute("value")
    locked_and_opened(page)
    expect(page.get_by_label("First name")).to_have_value("Nora")
    expect(page.locator(f"#time input[value='{chosen}']")).to_be_checked()
    expect(page.locator(".toasts")).to_contain_text("What you typed is back.")
    # Locked once more, and the time goes to somebody else meanwhile.
    page.get_by_label("Last name").fill("Quist")
    page.get_by_role("button", name="Lock").click()
    expect(page.get_by_role("heading", name="Locked")).to_be_visible()
    with app.app_context():
        booked(datetime.fromisoformat(str(chosen).split()[0]), practitioner="ana")
    page.keyboard.type(PIN)
    page.keyboard.press("Enter")
    expect(page.get_by_label("Last name")).to_have_value("Quist")
    expect(page.locator("#times .error")).to_contain_text("isn’t free any more")
    expect(page.locator("#time input:checked")).to_have_count(0)


def test_a_plan_that_was_being_arranged_comes_back_with_all_that_was_asked_for(
    app: Flask, new_page: NewPage
) -> None:
    with app.app_context():
        set_up(plan_clinic())
        booked(NINE, visit_type="acupuncture-first", practitioner="mei")
        rosa = rows(Patient)[0]["reference"]
    page = new_page(DESKTOP)
    sign_in(page, f"/desk/plans/new?patient={rosa}&template=disc")
    page.get_by_role("checkbox", name="Tuesday Morning").check()
    page.get_by_label("Prescribed by").select_option("mei")
    page.get_by_role("textbox", name="Reason").fill("Numbness")
    page.get_by_role("button", name="Fewer: Acupuncture").click()
    dose = page.get_by_role("group", name="Acupuncture").get_by_role("status")
    expect(dose).to_have_text("2 a week")
    # From the form itself, and from the page that answers it.
    for then in ("", "No plan fits"):
        if then:
            page.get_by_role("textbox", name="Reason").press("Enter")
            expect(page.get_by_role("heading", name=then)).to_be_visible()
        locked_and_opened(page)
        expect(page.get_by_role("textbox", name="Reason")).to_have_value("Numbness")
        expect(page.get_by_role("checkbox", name="Tuesday Morning")).to_be_checked()
        expect(page.get_by_label("Prescribed by")).to_have_value("mei")
        expect(dose).to_have_text("2 a week")
    page.goto("/staff/drafts")
    expect(page.get_by_text("nothing left")).to_be_visible()


def locked_and_opened(page: Page) -> None:
    page.get_by_role("button", name="Lock").click()
    expect(page.get_by_role("heading", name="Locked")).to_be_visible()
    page.keyboard.type(PIN)
    page.keyboard.press("Enter")


def test_of_several_forms_at_one_address_the_right_one_gets_what_was_typed(
    app: Flask, new_page: NewPage
) -> None:
    with app.app_context():
        visit = booked(NINE - timedelta(hours=18))
        statuses.arrive(hired(), visit.reference, key="arrive-01")
    page = new_page(DESKTOP)
    sign_in(page, f"/desk/visits/{visit.reference}")
    page.get_by_text("Not right? Correct it.").click()
    page.get_by_label("Why?").fill("The wrong one")
    locked_and_opened(page)
    expect(page.locator("#correct-why")).to_have_value("The wrong one")


def test_what_was_typed_about_somebody_else_is_not_given_back_here(app: Flask, new_page: NewPage) -> None:
    with app.app_context():
        booked()
        rosa = rows(Patient)[0]["reference"]
        typed = [("new", "1"), ("first_name", "Nora"), ("note", "Left knee")]
        drafts.keep(accounts.by_address(EMAIL), "/desk/book", typed, page="/desk/book?new=1")
    page = new_page(DESKTOP)
    sign_in(page, f"/desk/book?patient={rosa}")
    expect(page.get_by_role("heading", name="Rosa Lima")).to_be_visible()
    locked_and_opened(page)
    expect(page.locator(".toasts a[href='/staff/drafts']")).to_be_visible()
    expect(page.locator("[name='note']")).to_have_value("")
    page.goto("/staff/drafts")
    expect(page.get_by_text("Left knee")).to_be_visible()


def test_a_locked_screen_says_of_when_it_is_and_that_it_has_no_connection(
    new_page: NewPage, axe: Axe
) -> None:
    page = new_page(PHONE)
    sign_in(page)
    expect(page.get_by_role("heading", name="Accounts")).to_be_visible()
    page.get_by_role("button", name="Lock").click()
    expect(page.get_by_role("heading", name="Locked")).to_be_visible()
    # No needles are in, and that is of this time as well.
    expect(page.get_by_text("As of ")).to_be_visible()
    without = page.get_by_text("No connection. This is how it stood at the last answer.")
    expect(without).to_have_count(0)
    look = "document.dispatchEvent(new Event('visibilitychange'))"
    intercept(page, "**/staff/locked**", lambda route: route.abort())
    page.evaluate(look)
    expect(without).to_be_in_viewport()
    # In words that one can see, not only hear.
    assert page.locator("[data-stale]").evaluate("one => one.offsetHeight > 10 && one.offsetWidth > 100")
    axe(page)
    picture(page, "locked-without-connection")
    page.unroute("**/staff/locked**")
    page.evaluate(look)
    expect(without).to_have_count(0)


def test_without_javascript_what_was_sent_too_late_can_be_sent_again(
    new_page: NewPage, standing_clock: StandingClock
) -> None:
    page = new_page(DESKTOP, javascript=False)
    sign_in(page)
    page.get_by_label("E-mail").fill("new@clinic.example")
    page.get_by_label("Name").fill("Nora Nové")
    page.get_by_label("Owner", exact=True).check()
    standing_clock.on(minutes=15)
    page.get_by_role("button", name="Invite").click()
    page.get_by_label("PIN").fill(PIN)
    page.get_by_role("button", name="Open").click()
    page.get_by_role("button", name="Send it as it is").click()
    expect(page.get_by_text("The invitation is on its way.")).to_be_visible()


def tab_to(page: Page, name: str) -> None:
    """Tab until a field of this name has the focus."""
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.name") == name:
            return
    raise AssertionError(f"{name} can't be reached by Tab")
