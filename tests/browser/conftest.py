"""Stories in Debian's Chromium, against the application on a port of its own.

The browser reaches nothing but that port, stands in another time zone than the clinic, and a page that logs an error
or asks anybody else for anything fails its test.
"""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Page,
    Request,
    ViewportSize,
    expect,
    sync_playwright,
)

from tests import databases
from tests.browser.accessibility import assert_accessible
from tests.browser.serving import chromium_flags, chromium_program, free_address, serving
from tests.conftest import StandingClock, standing
from tests.staffing import hired, signed_in

PHONE: ViewportSize = {"width": 390, "height": 844}
SMALLEST: ViewportSize = {"width": 320, "height": 640}
"""What a screen of 1280 px shows at 400 %."""
DESKTOP: ViewportSize = {"width": 1280, "height": 800}


@pytest.fixture
def database_url() -> Iterator[str]:
    """SQLite only: what pages do on each database is the concern of the tests below the browser."""
    with databases.renewed("sqlite") as url:
        yield url


@pytest.fixture
def address() -> str:
    """Where this test's application answers; its messages link to it."""
    return free_address()


@pytest.fixture
def app(database_url: str, address: str) -> Iterator[Flask]:
    with standing(database_url, BOOKING_BASE_URL=address) as app:
        yield app


@pytest.fixture
def live(app: Flask, address: str, standing_clock: StandingClock) -> Iterator[str]:
    """The application, serving at the address that this returns, at the time of the standing clock."""

    with serving(app, address, lambda: standing_clock.now):
        yield address


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    program = chromium_program()
    if program is None:
        raise RuntimeError("Chromium is missing; run `make test`, which installs it or says how.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=chromium_flags())
        yield browser
        browser.close()


NewPage = Callable[..., Page]


@pytest.fixture
def new_page(chromium: Browser, live: str) -> Iterator[NewPage]:
    """Pages of visitors who don't know one another: `new_page(PHONE, javascript=False)`."""
    faults: list[str] = []
    contexts = []

    def heard(message: ConsoleMessage) -> None:
        # An answer of 409 or 422 is logged as a resource that failed to load. It is an answer.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            faults.append(f"logged: {message.text}")

    def asked(request: Request) -> None:
        if not request.url.startswith((f"{live}/", "data:", "blob:", "about:")):
            faults.append(f"asked for {request.url}")

    def make(
        viewport: ViewportSize = PHONE, javascript: bool = True, touch: bool = False, **how: Any
    ) -> Page:
        phone = viewport["width"] < 600
        visitor = chromium.new_context(
            viewport=viewport, java_script_enabled=javascript, base_url=live, has_touch=phone or touch,
            is_mobile=phone, locale="en-US", timezone_id="Europe/Berlin", reduced_motion="reduce", **how,
        )  # fmt: skip
        visitor.set_default_timeout(10_000)
        visitor.on("console", heard)
        visitor.on("weberror", lambda error: faults.append(f"failed: {error.error}"))
        visitor.on("request", asked)
        contexts.append(visitor)
        return visitor.new_page()

    yield make
    for visitor in contexts:
        visitor.close()
    assert not faults, "The pages " + "; ".join(faults)


@pytest.fixture
def phone(new_page: NewPage) -> Page:
    return new_page(PHONE)


@pytest.fixture
def desktop(new_page: NewPage) -> Page:
    return new_page(DESKTOP)


@pytest.fixture
def phone_without_javascript(new_page: NewPage) -> Page:
    return new_page(PHONE, javascript=False)


@pytest.fixture
def axe() -> Callable[[Page], None]:
    """`axe(page)` fails with every fault of accessibility that is found on the page."""
    return assert_accessible


Enter = Callable[..., Page]


@pytest.fixture
def enter(app: Flask, live: str, new_page: Callable[..., Page]) -> Enter:
    """A page of a browser in which a desk clerk is signed in."""

    def signed_page(*how: Any, **more: Any) -> Page:
        with app.app_context():
            client = signed_in(app, hired())
        page = new_page(*how, **more)
        kept = client.get_cookie(app.config["SESSION_COOKIE_NAME"])
        assert kept is not None
        page.context.add_cookies([{"name": kept.key, "value": kept.value, "url": live}])
        return page

    return signed_page


def comes(page: Page, heading: str | re.Pattern[str]) -> None:
    """Waits for the page with this heading: a click that leads to another page returns before that page is there."""
    expect(page.get_by_role("heading", level=1)).to_have_text(heading, timeout=30_000)


def fits(page: Page) -> None:
    """Nothing is wider than the screen."""
    page.wait_for_load_state()
    assert page.viewport_size
    # Not the window's own width: a phone widens that until the page has room.
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"], page.url


def picture(page: Page, name: str) -> None:
    """For eyes: kept only where a folder for pictures is named."""
    folder = os.environ.get("DESK_PICTURES")
    if folder:
        page.screenshot(path=str(Path(folder) / f"{name}-{page.viewport_size['width']}.png"), full_page=True)
