"""How a patient is reminded, changed on the pages of a visit and a plan, and at the desk with the record."""

import re
from html import unescape
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update
from werkzeug.test import TestResponse

from booking.models import SERIES, Appointment, Message, Patient, Plan
from booking.services.plans.changing import stop
from booking.services.transaction import run
from tests.clinics import plan_clinic
from tests.services.making import NEXT_WEEK, booked, rows
from tests.services.plans.making import patient, practitioner, prescribed, running
from tests.web.conftest import Send, fields

PHONE = "+18185550123"
of_plans = pytest.mark.clinic(plan_clinic())


def words(answer: TestResponse) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", unescape(answer.text)).split())


def of(app: Flask, kind: Any) -> list[Any]:
    with app.app_context():
        return rows(kind)


def queued(app: Flask, kind: str) -> set[str]:
    return {row["channel"] for row in of(app, Message) if (row["kind"], row["state"]) == (kind, "queued")}


def checked(answer: TestResponse, name: str) -> list[str]:
    return re.findall(rf'name="{name}" value="(\w+)" checked', answer.text)


@pytest.fixture
def visit(app: Flask) -> str:
    with app.app_context():
        made = booked(NEXT_WEEK, phone=PHONE)
        return f"/visit/{made.reference}/{made.token}"


@pytest.fixture
def plan(app: Flask) -> str:
    with app.app_context():
        made = running(prescribed(patient()))
        return f"/plan/{made.reference}/{made.token}"


# A visit


def test_a_visit_is_reminded_of_by_text_instead(
    client: FlaskClient, send: Send, app: Flask, visit: str
) -> None:
    page = client.get(f"{visit}/contact")
    assert checked(page, "reminders") == ["email"]
    typed = {"email": "", "phone": "8185550123", "reminders": "text"}
    answer = send(page, f"{visit}/contact", **typed)
    assert answer.status_code == 422 and "please tick that we may text you" in words(answer)
    assert checked(answer, "reminders") == ["text"] and 'value="8185550123"' in answer.text
    answer = send(answer, f"{visit}/contact", **typed, text_consent="y")
    assert answer.status_code == 303 and queued(app, "reminder-1d") == {"text"}
    assert "It is corrected." in words(client.get(answer.location))


def test_a_change_of_the_way_alone_is_said_on_the_visits_page_once(
    client: FlaskClient, send: Send, app: Flask, visit: str
) -> None:
    assert "We remind you by e-mail." in words(client.get(visit))
    typed = {"email": "rosa@example.com", "phone": PHONE, "reminders": "call"}
    answer = send(client.get(f"{visit}/contact"), f"{visit}/contact", **typed)
    assert answer.location == visit
    assert "We have changed that. We remind you by a phone call." in words(client.get(visit))
    assert "We have changed that." not in words(client.get(visit))
    assert [row["kind"] for row in of(app, Message)].count("confirmation") == 1


@pytest.mark.parametrize("by", ["pigeon", "text "])
def test_a_way_that_there_is_not_is_refused(client: FlaskClient, send: Send, visit: str, by: str) -> None:
    typed = {"email": "rosa@example.com", "phone": PHONE, "reminders": by}
    assert send(client.get(f"{visit}/contact"), f"{visit}/contact", **typed).status_code == 422


# A plan


@of_plans
def test_a_plan_is_reminded_of_by_text_and_by_the_list_alone(
    client: FlaskClient, send: Send, app: Flask, plan: str
) -> None:
    assert f"{plan}/reminders" in client.get(plan).text
    page = client.get(f"{plan}/reminders")
    assert (checked(page, "reminders"), checked(page, "reminded_of")) == (["email"], ["both"])
    typed = {"reminders": "text", "reminded_of": "digest"}
    answer = send(page, f"{plan}/reminders", **typed)
    assert answer.status_code == 422 and "please tick that we may text you" in words(answer)
    assert (checked(answer, "reminders"), checked(answer, "reminded_of")) == (["text"], ["digest"])
    answer = send(answer, f"{plan}/reminders", **typed, text_consent="y")
    assert answer.location == plan
    said = "We have changed that. We remind you by text message. Once a week"
    assert said in words(client.get(plan)) and said not in words(client.get(plan))
    assert queued(app, "plan-digest") == {"text"} and queued(app, "reminder-1d") == set()
    assert "may text you" not in words(client.get(f"{plan}/reminders"))


@of_plans
def test_a_page_that_is_not_true_any_more_says_so_and_shows_how_it_is(
    client: FlaskClient, send: Send, app: Flask, plan: str
) -> None:
    stale = client.get(f"{plan}/reminders")
    send(client.get(f"{plan}/reminders"), f"{plan}/reminders", reminders="call", reminded_of="each")
    answer = send(stale, f"{plan}/reminders", reminders="email", reminded_of="both")
    assert answer.status_code == 409
    assert (checked(answer, "reminders"), checked(answer, "reminded_of")) == (["call"], ["each"])
    assert of(app, Plan)[0]["reminders"] == "call"


@of_plans
def test_a_visit_of_a_plan_leads_to_the_plans_page_while_it_runs(
    client: FlaskClient, send: Send, app: Flask, plan: str
) -> None:
    href = re.findall(r'href="(/visit/[^"]+)"', client.get(plan).text)[0]
    page = client.get(f"{href}/contact")
    assert f"{plan}/reminders" in page.text and checked(page, "reminders") == []
    # Nothing but the contact is changed there, whatever is sent.
    typed = {"email": "", "phone": PHONE, "reminders": "call"}
    answer = send(page, f"{href}/contact", **typed)
    assert answer.status_code == 422 and f"{plan}/reminders" in answer.text
    assert {row["reminders"] for row in of(app, Appointment)} == {"email"}


@of_plans
def test_a_plan_that_is_over_or_not_booked_has_nothing_to_be_reminded_of(
    client: FlaskClient, app: Flask
) -> None:
    with app.app_context():
        waits = prescribed(patient("Omar", "omar@example.com"))
        runs = running(prescribed(patient()))
        over, link = f"/plan/{runs.reference}/{runs.token}", f"/plan/{waits.reference}/{waits.token}"
    page = client.get(f"{over}/reminders")
    with app.app_context():
        stop(practitioner(), runs.reference, "", key="stop-0001")
    for way in (over, link):
        assert client.get(f"{way}/reminders").location == way
        sent = client.post(f"{way}/reminders", data=fields(page.text) | {"reminders": "call"})
        assert sent.location == way
    assert client.get(f"{over[:-1]}x/reminders").status_code == 404


# At the desk


def sent(desk: FlaskClient, page: TestResponse, where: str, **typed: str) -> TestResponse:
    right = {"first_name": "Rosa", "last_name": "Lima", "phone": PHONE, "visits_too": "1"}
    return desk.post(where, data=fields(page.text.partition("<main")[2]) | right | typed)


def test_the_refusal_of_the_desk_leads_to_other_reminders_and_with_them_the_address_goes(
    desk: FlaskClient, app: Flask, visit: str
) -> None:
    (rosa,) = of(app, Patient)
    where = f"/desk/patients/{rosa['reference']}/edit"
    page = desk.get(where)
    assert "Reminders of upcoming visits Now: By e-mail (a visit)." in words(page)
    assert "Reminded of" not in words(page)
    answer = sent(desk, page, where)
    assert answer.status_code == 422 and 'href="#reminders"' in answer.text
    assert "Please keep an address, or choose other reminders below." in words(answer)
    answer = sent(desk, answer, where, reminders="text")
    assert "Please ask, and tick it." in words(answer) and 'value="text" selected' in answer.text
    answer = sent(desk, answer, where, reminders="text", text_consent="1")
    shown = desk.get(answer.location)
    assert "Saved. They are reminded in the new way. An upcoming visit has it too." in words(shown)
    assert "The patient is sent a new link now; those from before open nothing any more." in words(shown)
    assert "Reminders By text message (a visit)" in words(shown)
    assert "Edited Reminders: By text message" in words(shown)
    (row,) = of(app, Appointment)
    assert (row["email"], row["reminders"]) == (None, "text") and queued(app, "reminder-3d") == {"text"}
    assert "Reminders changed" in words(desk.get(f"/desk/visits/{row['reference']}"))


def test_a_number_that_is_corrected_beside_an_address_sends_nothing_and_says_nothing_of_links(
    desk: FlaskClient, app: Flask, visit: str
) -> None:
    (rosa,) = of(app, Patient)
    where = f"/desk/patients/{rosa['reference']}/edit"
    before = of(app, Message)
    answer = sent(desk, desk.get(where), where, email=rosa["email"], phone="(818) 555-0188")
    shown = words(desk.get(answer.location))
    assert "Saved. An upcoming visit has it too." in shown and "new link" not in shown
    assert of(app, Message) == before
    (row,) = of(app, Appointment)
    assert row["phone"] == "+18185550188"
    assert "Telephone number corrected" in words(desk.get(f"/desk/visits/{row['reference']}"))


@of_plans
def test_the_desk_changes_of_what_a_plan_reminds(desk: FlaskClient, app: Flask, plan: str) -> None:
    (rosa,) = of(app, Patient)
    where = f"/desk/patients/{rosa['reference']}/edit"
    answer = sent(desk, desk.get(where), where, email="rosa@example.com", reminded_of="each")
    shown = words(desk.get(answer.location))
    assert "By e-mail: The day before each visit (" in shown
    assert "Reminders of upcoming visits changed Reminders: The day before each visit" in shown
    assert queued(app, "plan-digest") == set() and queued(app, "reminder-1d") == {"email"}
    (row,) = of(app, Plan)
    assert "Reminders changed" in words(desk.get(f"/desk/plans/{row['reference']}"))


@pytest.mark.parametrize("typed", [{"reminders": "pigeon"}, {"reminded_of": "moons"}])
def test_what_the_desk_can_not_choose_is_refused_and_the_rest_is_kept(
    desk: FlaskClient, app: Flask, visit: str, typed: dict[str, str]
) -> None:
    where = f"/desk/patients/{of(app, Patient)[0]['reference']}/edit"
    answer = sent(
        desk, desk.get(where), where, email="rosa@example.com", preferences="Kept as typed", **typed
    )
    assert answer.status_code == 422 and "Please choose from the list." in words(answer)
    assert "Kept as typed" in answer.text


def test_texts_to_a_new_number_that_the_visits_do_not_get_are_refused_where_that_is_ticked(
    desk: FlaskClient, app: Flask, visit: str
) -> None:
    where = f"/desk/patients/{of(app, Patient)[0]['reference']}/edit"
    typed = {"email": "rosa@example.com", "phone": "8185550177", "reminders": "text", "text_consent": "1"}
    form = fields(desk.get(where).text.partition("<main")[2]) | {"first_name": "Rosa", "last_name": "Lima"}
    answer = desk.post(where, data=form | typed)
    assert answer.status_code == 422 and 'href="#visits_too"' in answer.text
    assert sent(desk, answer, where, **typed).status_code == 303


@of_plans
def test_a_series_of_one_day_is_asked_of_nothing_but_the_way(
    client: FlaskClient, send: Send, app: Flask
) -> None:
    with app.app_context():
        made = running(prescribed(patient()))
        way = f"/plan/{made.reference}/{made.token}"
        first = rows(Appointment)[0]["id"]

        def of_one_day(session: Any) -> None:
            session.execute(update(Plan).values(template=SERIES))
            session.execute(update(Appointment).where(Appointment.id != first).values(plan_id=None))

        run(of_one_day)
    page = client.get(f"{way}/reminders")
    assert "Your visits" in words(page) and "Of what" not in words(page)
    assert send(page, f"{way}/reminders", reminders="call").location == way
    (plan,) = of(app, Plan)
    assert (plan["reminders"], plan["reminded_of"]) == ("call", "both")


def test_who_has_nothing_ahead_is_asked_for_no_reminders(desk: FlaskClient, app: Flask) -> None:
    with app.app_context():
        rosa = patient()
    assert "Reminders" not in words(desk.get(f"/desk/patients/{rosa}/edit"))
