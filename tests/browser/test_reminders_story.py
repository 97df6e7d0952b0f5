"""On a phone somebody on a plan has texts instead of mail from now on."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Page

from booking.models import Message
from tests.browser.conftest import DESKTOP, PHONE, NewPage, comes, fits
from tests.clinics import plan_clinic, set_up
from tests.services.making import rows
from tests.services.plans.making import patient, prescribed, running


@pytest.fixture
def app(app: Flask, standing_clock: Any) -> Flask:
    with app.app_context():
        set_up(plan_clinic())
    return app


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_texts_instead_of_mail(app: Flask, new_page: NewPage, axe: Callable[[Page], None], size: Any) -> None:
    with app.app_context():
        made = running(prescribed(patient()))
        link = f"/plan/{made.reference}/{made.token}"
    page = new_page(size, javascript=size is not PHONE)
    page.goto(link)
    comes(page, "Your plan")
    page.get_by_role("link", name="How we remind you").click()
    comes(page, "How we remind you")
    if size is DESKTOP:
        axe(page)
    fits(page)
    page.get_by_label("By text message").check()
    page.get_by_label("Please text me.").check()
    page.get_by_role("button", name="Save").click()
    comes(page, "Your plan")
    page.get_by_text("We have changed that. We remind you by text message.").wait_for()
    fits(page)
    with app.app_context():
        waits = [row for row in rows(Message) if row["state"] == "queued"]
    reminding = {row["channel"] for row in waits if row["kind"] in ("reminder-1d", "plan-digest")}
    assert reminding == {"text"} and len(waits) > 20
