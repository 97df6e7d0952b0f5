"""What somebody's insurance allows, recorded at the desk while they stand there: seen, read out, and counted."""

import re
from datetime import timedelta

import pytest
from flask import Flask
from playwright.sync_api import Page, expect

from booking.models import Patient
from tests.browser.accessibility import assert_accessible
from tests.browser.conftest import DESKTOP, PHONE, Enter, comes, picture
from tests.clinics import clinic, practitioner, set_up
from tests.conftest import StandingClock
from tests.services.making import NINE, booked, rows


@pytest.fixture
def app(app: Flask, standing_clock: StandingClock) -> Flask:
    with app.app_context():
        set_up(clinic(practitioners=[practitioner("ana", name="Ana Ruiz")]))
        for week in range(4):
            booked(NINE + timedelta(days=7 * week), practitioner="ana", phone="+18185550199")
    return app


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_coverage_is_recorded_and_what_lies_beyond_it_is_found(
    enter: Enter, app: Flask, size: object
) -> None:
    with app.app_context():
        reference = rows(Patient)[0]["reference"]
    page: Page = enter(size)
    page.goto(f"/desk/patients/{reference}")
    page.get_by_role("link", name="Add or change coverage").click()
    comes(page, re.compile("^Coverage of"))
    assert_accessible(page)
    page.get_by_role("link", name="Medicare Advantage").click()
    page.get_by_label("Name").fill("Blue Plan C")
    page.get_by_label("Visits allowed").fill("3")
    page.get_by_label("Care", exact=True).check()
    assert_accessible(page)
    picture(page, "coverage-form")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_text("Care: 0 of 3 left")).to_be_visible()
    expect(page.get_by_text("may not be covered")).to_be_visible()
    assert_accessible(page)
    picture(page, "coverage")
    page.goto("/desk/to-do")
    expect(page.get_by_text("A visit is booked that may not be covered")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("button", name="Seen to").click()
    expect(page.get_by_text("A visit is booked that may not be covered")).to_have_count(0)
