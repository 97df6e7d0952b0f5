"""A visit of a plan is moved, at the desk or by its link: what the plan wouldn't keep any more is said before."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from booking.services import links
from booking.services.clinic import present
from booking.services.plans.booking import BookedPlan
from booking.web.free import instant
from tests.clinics import plan_clinic
from tests.services.plans.making import patient, practitioner, prescribed, running, seen
from tests.staffing import hired, signed_in
from tests.web.conftest import Send

pytestmark = pytest.mark.clinic(plan_clinic())


def test_the_form_says_what_suffers_and_names_better_times(app: Flask, standing_clock: Any) -> None:
    with app.app_context():
        plan = seen(running(prescribed(patient())))
        first, second = [one for one in plan.standing if one.care.slug == "acupuncture-follow-up"][:2]
        local = (first.starts_at + timedelta(days=1)).astimezone(present().zone)
        client, whose = signed_in(app, hired()), signed_in(app, practitioner(second.practitioner.slug))
    address = f"/desk/visits/{second.reference}/change?day={local:%Y-%m-%d}&time={local:%H:%M}"
    page = client.get(address).text
    assert "Its plan wouldn't be kept any more." in page
    assert "acupuncture: too little rest between two visits." in page and "Better: " in page
    said = client.get(address, headers={"Accept": "application/json"}).get_json()
    assert "too little rest" in said["tells"]
    # Whoever gives it reads the same.
    there = f"{local.astimezone(UTC):%Y-%m-%dT%H:%M:00Z} {second.practitioner.slug}"
    own = whose.get(f"/mine/visits/{second.reference}/move", query_string={"time": there}).text
    assert "acupuncture: too little rest between two visits." in own and "Better: " in own


def test_its_patient_is_asked_whether_it_shall_be_there_all_the_same(
    app: Flask, client: FlaskClient, send: Send, standing_clock: Any
) -> None:
    with app.app_context():
        made = running(prescribed(patient()))
        plan = seen(made)
        first, second = [one for one in plan.standing if one.care.slug == "acupuncture-follow-up"][2:4]
        way = f"/visit/{second.reference}/{links.token(second.reference, 1)}"
        near = first.starts_at + timedelta(days=1)
    there = f"{near:%Y-%m-%dT%H:%M:00Z} {second.practitioner.slug}"

    def press(words: str, **more: str) -> Any:
        return send(client.get(f"{way}/move"), f"{way}/move", time=words, **more)

    asked = press(there)
    assert asked.status_code == 200 and "Move it there all the same?" in asked.text
    assert "acupuncture: too little rest between two visits." in asked.text
    better = re.findall(r'<button name="time" value="([^"]+)"', asked.text)
    assert better and standing(app, made, second.reference) == second.starts_at
    # One of the times that keep the plan is taken at once; the other one once it was asked.
    assert press(better[0]).status_code == 303
    assert standing(app, made, second.reference) == datetime.fromisoformat(better[0].split()[0])
    assert press(there, sure="1").status_code == 303
    assert standing(app, made, second.reference) == near


def test_other_times_begin_near_its_own_with_those_first_that_keep_the_plan(
    app: Flask, client: FlaskClient, send: Send, standing_clock: Any
) -> None:
    with app.app_context():
        made = running(prescribed(patient()))
        visit = [one for one in seen(made).standing if one.care.slug == "acupuncture-follow-up"][7]
        own = visit.starts_at.astimezone(present().zone).date()
        way = f"/visit/{visit.reference}/{links.token(visit.reference, 1)}/move"
    page = client.get(way)
    first, keep = page.text.index('id="days"'), page.text.index("These times keep your plan:")
    starts = [instant(one) for one in re.findall(r'<button name="time" value="(\S+) ', page.text[first:])]
    assert starts and own - timedelta(days=3) < min(one.date() for one in starts if one) <= own
    kept = re.findall(r'<button name="time" value="([^"]+)"', page.text[keep:first])
    assert kept and kept == sorted(kept)
    # Earlier days can be looked at, and what keeps the plan is taken at once.
    assert "Earlier days" in page.text
    assert "These times keep your plan:" not in client.get(f"{way}?from={own - timedelta(days=9)}").text
    assert send(page, way, time=kept[0]).status_code == 303
    assert standing(app, made, visit.reference) == datetime.fromisoformat(kept[0].split()[0])


def standing(app: Flask, made: BookedPlan, reference: str) -> datetime:
    with app.app_context():
        return next(one.starts_at for one in seen(made).standing if one.reference == reference)
