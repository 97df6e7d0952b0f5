"""A visit of a plan is moved at the desk: what the plan wouldn't keep any more is said before."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from booking.services.clinic import present
from tests.clinics import plan_clinic
from tests.services.plans.making import patient, prescribed, running, seen
from tests.staffing import hired, signed_in

pytestmark = pytest.mark.clinic(plan_clinic())


def test_the_form_says_what_suffers_and_names_better_times(app: Flask, standing_clock: Any) -> None:
    with app.app_context():
        plan = seen(running(prescribed(patient())))
        first, second = [one for one in plan.standing if one.care.slug == "acupuncture-follow-up"][:2]
        local = (first.starts_at + timedelta(days=1)).astimezone(present().zone)
        client = signed_in(app, hired())
    address = f"/desk/visits/{second.reference}/change?day={local:%Y-%m-%d}&time={local:%H:%M}"
    page = client.get(address).text
    assert "Its plan wouldn't be kept any more." in page
    assert "acupuncture: too little rest between two visits." in page and "Better: " in page
    said = client.get(address, headers={"Accept": "application/json"}).get_json()
    assert "too little rest" in said["tells"]
