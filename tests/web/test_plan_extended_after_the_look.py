"""A plan whose look came isn't extended before it is decided how it goes on, and its page says so."""

from datetime import timedelta

import pytest
from flask import Flask

from booking.services.desk.statuses import cancel
from booking.services.staff.who import Who
from tests.clinics import plan_clinic
from tests.conftest import StandingClock
from tests.services.plans.making import patient, prescribed, running, seen
from tests.staffing import signed_in

pytestmark = pytest.mark.clinic(plan_clinic())


def test_the_page_says_what_comes_first(app: Flask, dana: Who, standing_clock: StandingClock) -> None:
    with app.app_context():
        plan = running(prescribed(patient()))
        (look,) = (one for one in seen(plan).standing if one.role == "reassessment")
        cancel(dana, next(one for one in seen(plan).standing if one.week == 3).reference, key="cancel-01")
    desk, page = signed_in(app, dana), f"/desk/plans/{plan.reference}"
    extend = f"{page}/change/extend"
    sentence = "can be extended by what is missing once it is decided"
    before = desk.get(page).text
    assert extend in before and sentence not in before
    standing_clock.at(look.ends_at + timedelta(hours=1))
    desk = signed_in(app, dana)
    there = desk.get(page).text
    assert extend not in there and sentence in there and "Decide how it goes on" in there
    assert desk.get(extend).location == page
