"""What to bring to the visits of a plan, and how early to come: for each first visit, by day, but not for one that follows
another.
"""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from booking.models import Message
from booking.reminders.composing import compose
from booking.services import links, visits
from booking.services.clinic import the_clinic
from booking.services.clinic_file import ClinicFile
from booking.services.plans.booking import BookedPlan
from booking.services.transaction import reading
from tests.clinics import plan_clinic, plan_template
from tests.services.making import rows
from tests.services.plans.making import patient, prescribed, running
from tests.web.test_plan_pages import words


def where_first_visits_are_prepared() -> ClinicFile:
    """With a plan that wants both kinds of care on one day."""
    both = plan_template(
        "both",
        {"acupuncture-follow-up": 1, "chiropractic-follow-up": 1},
        weeks=2,
        pairing={"gap_minutes": 15},
    )
    definition = plan_clinic(plan_templates=[both]).model_dump(mode="json")
    told = {
        "acupuncture-first": {"bring": "A list of your medicines.", "arrive_early_minutes": 10},
        "chiropractic-first": {"bring": "Pictures of your back.", "arrive_early_minutes": 15},
    }
    types = [one | told.get(one["id"], {}) for one in definition["visit_types"]]
    return ClinicFile.model_validate(definition | {"visit_types": types})


pytestmark = pytest.mark.clinic(where_first_visits_are_prepared())


@pytest.fixture
def plan(app: Flask) -> BookedPlan:
    """Both first visits on one day, one behind the other."""
    with app.app_context():
        return running(prescribed(patient(), "both", returning=()))


def page_of(app: Flask, plan: BookedPlan, number: int) -> str:
    visit = plan.visits[number]
    with app.app_context():
        return f"/visit/{visit['reference']}/{links.token(visit['reference'], visit['link_number'])}"


def test_who_is_booked_reads_for_each_first_visit_what_to_bring(
    app: Flask, client: FlaskClient, plan: BookedPlan
) -> None:
    first, second = plan.visits[:2]
    assert first["local"][:10] == second["local"][:10]
    with app.app_context():
        page = words(client.get(f"/plan/{plan.reference}/{plan.token}/booked"))
    assert page.count("A list of your medicines.") == page.count("Pictures of your back.") == 1
    of_other = page.partition("For other first visits")[2]
    assert "Sat, Sep 26, 8:45 am" in of_other[:30] and "Please bring: A list of your medicines." in of_other
    assert page.count("minutes early") == 1


def test_nobody_comes_early_to_a_visit_that_follows_another(
    app: Flask, client: FlaskClient, plan: BookedPlan
) -> None:
    pages = [words(client.get(page_of(app, plan, number))) for number in (0, 1)]
    assert ["minutes early" in page for page in pages] == [True, False]


def test_where_it_follows_no_more_they_do(app: Flask, client: FlaskClient, plan: BookedPlan) -> None:
    reference, token = page_of(app, plan, 0).split("/")[2:]
    with app.app_context():
        visits.cancel(reference, token, "", actor="rosa", key="cancel-01")
    assert "10 minutes early" in words(client.get(page_of(app, plan, 1)))


def test_the_mail_says_where_to_read_it_and_nothing_of_what(app: Flask, plan: BookedPlan) -> None:
    with app.app_context(), reading() as session:
        (told,) = [row["id"] for row in rows(Message) if row["kind"] == "plan-confirmation"]
        mail = compose(session, the_clinic(session), session.get_one(Message, told))
    for said in (mail.text, mail.html):
        assert "What to bring is on these pages, too." in said
        assert "medicines" not in said and "Pictures" not in said
