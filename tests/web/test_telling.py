"""Whether and how a patient hears of what the desk does: asked before, said after, and said where one calls."""

import html
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from booking.models import Actor, Appointment, Message, MessageState, Reminders
from booking.reminders.delivery import deliver_due
from booking.scheduling.timeline import cell_at
from booking.services.desk import statuses
from booking.services.transaction import run
from tests.conftest import StandingClock
from tests.services.making import NEXT_WEEK, NINE, booked, rows
from tests.staffing import hired, signed_in
from tests.web.conftest import fields

SOON = NINE - timedelta(hours=18)
ONLY_PHONE: Any = {"email": None, "phone": "+18185550123", "reminders": Reminders.CALL}
JSON = {"Accept": "application/json"}


def visit_of(app: Flask, starts_at: Any = SOON, **how: Any) -> str:
    with app.app_context():
        reference = booked(starts_at, practitioner="ana", **how).reference
        while deliver_due():
            pass
    return reference


def sent(desk: FlaskClient, reference: str, what: str, **typed: Any) -> Any:
    """Presses a button of the page that asks, as a script does."""
    page = desk.get(f"/desk/visits/{reference}/cancel").text.partition("<main")[2]
    hidden = {name: value for name, value in fields(page).items() if name in ("csrf_token", "key")}
    return desk.post(f"/desk/visits/{reference}/{what}", data=hidden | typed, headers=JSON).json


def cancelled_by(app: Flask) -> Actor:
    with app.app_context():
        by: Actor = rows(Appointment)[0]["cancelled_by"]
    return by


def test_a_cancellation_asks_whose_wish_it_is_and_begins_with_the_patients(
    app: Flask, desk: FlaskClient
) -> None:
    reference = visit_of(app, phone="+18185550123")
    page = desk.get(f"/desk/visits/{reference}/cancel").text
    assert "Who wants it cancelled?" in page
    assert '<input type="radio" name="by" value="patient" checked autofocus>' in page
    assert "it counts as cancelled late" in page
    assert "they go on the list of calls as well, in 3 minutes" in page
    said = sent(desk, reference, "cancel", by="patient", tell="yes")["says"]
    assert said == "Cancelled. The patient is told at 8:03 am, by e-mail."
    assert cancelled_by(app) is Actor.PATIENT
    assert "Nobody is to be called." in desk.get("/desk/calls").text
    assert "Cancelled, as the patient asked" in desk.get(f"/desk/visits/{reference}").text


def test_what_the_clinic_cancels_on_short_notice_is_written_and_called_and_both_are_said(
    app: Flask, desk: FlaskClient, standing_clock: StandingClock
) -> None:
    reference = visit_of(app, phone="+18185550123")
    said = sent(desk, reference, "cancel", by="staff", reason="Ana is ill.", tell="yes")["says"]
    assert said.startswith("Cancelled. The patient is told at 8:03 am, by e-mail.")
    assert said.endswith("they go on the list of calls as well, in 3 minutes, until you reach them.")
    assert cancelled_by(app) is Actor.STAFF
    assert "Nobody is to be called." in desk.get("/desk/calls").text
    standing_clock.on(minutes=3)
    calls = desk.get("/desk/calls").text
    assert "Cancelled by us on short notice" in calls and "Why: Ana is ill." in calls
    assert "They are written to by e-mail at 8:03 am." in calls
    with app.app_context():
        while deliver_due():
            pass
    assert "They were written to by e-mail at 8:03 am" in desk.get("/desk/calls").text


def test_who_is_only_called_is_said_to_be_called(app: Flask, desk: FlaskClient) -> None:
    reference = visit_of(app, NEXT_WEEK, **ONLY_PHONE)
    page = desk.get(f"/desk/visits/{reference}/cancel").text
    assert "Call (818) 555-0123 to tell them: they go on the list of calls." in page
    assert "Cancel it, and put them on the list of calls" in page
    assert "nobody has to call: they asked for it themselves" in page
    later = cell_at(NEXT_WEEK + timedelta(hours=1))
    preview = desk.get(f"/desk/visits/{reference}/change?cell={later}", headers=JSON).json
    assert preview["channel"] == "call"
    said = sent(desk, reference, "change", cell=later, version=1, tell="yes")["says"]
    assert "Call (818) 555-0123 to tell them: they are on the list of calls from 8:03 am on." in said


@pytest.mark.parametrize("what", ["change", "cancel"])
def test_who_has_just_heard_it_on_the_phone_is_told_by_nobody_else(
    app: Flask, desk: FlaskClient, standing_clock: StandingClock, what: str
) -> None:
    reference = visit_of(app, phone="+18185550123")
    wish = {"cell": cell_at(SOON + timedelta(hours=1))} if what == "change" else {"by": "staff"}
    said = sent(desk, reference, what, tell="phone", version=1, **wish)["says"]
    assert said.endswith("The patient was told on the phone.")
    assert "told on the phone" in desk.get(f"/desk/visits/{reference}").text
    standing_clock.on(minutes=3)
    with app.app_context():
        while deliver_due():
            pass
        kinds = {row["kind"] for row in rows(Message)}
    assert not kinds & {"change", "cancellation"}
    assert "Nobody is to be called." in desk.get("/desk/calls").text


def test_of_a_patient_who_is_here_one_is_warned(
    app: Flask, desk: FlaskClient, standing_clock: StandingClock
) -> None:
    reference = visit_of(app, NINE)
    later = cell_at(NINE + timedelta(hours=1))
    change = f"/desk/visits/{reference}/change?cell={later}"
    assert desk.get(change, headers=JSON).json["here"] == ""
    standing_clock.at(NINE - timedelta(minutes=20))
    with app.app_context():
        statuses.arrive(hired(), reference, key="arrive-01")
        desk = signed_in(app, hired())
    here = "The patient is here already, since 8:40 am: tell them yourself."
    assert desk.get(change, headers=JSON).json["here"] == here
    assert here in desk.get(change).text
    page = desk.get(f"/desk/visits/{reference}/cancel").text
    assert here in page and "Cancel it and write to them" not in page
    assert (
        sent(desk, reference, "cancel", by="staff", tell="yes")["says"] == "Cancelled. Nobody is written to."
    )
    assert "Nobody is to be called." in desk.get("/desk/calls").text
    # Moved to another day, they go home, which is said, and hear of it like anybody.
    going_home = visit_of(app, NINE + timedelta(hours=2))
    next_week = f"/desk/visits/{going_home}/change?cell={cell_at(NEXT_WEEK)}"
    assert desk.get(next_week, headers=JSON).json["here"] == ""
    with app.app_context():
        statuses.arrive(hired(), going_home, key="arrive-02")
    again = "The patient is here already. The visit is booked anew, and they come another time."
    assert desk.get(next_week, headers=JSON).json["here"] == again
    assert again in desk.get(next_week).text


def test_who_has_not_heard_of_an_earlier_change_can_not_be_left_untold(app: Flask, desk: FlaskClient) -> None:
    reference = visit_of(app, phone="+18185550123")
    change = f"/desk/visits/{reference}/change?cell={cell_at(SOON + timedelta(minutes=30))}"
    assert "Change it, tell nobody" in desk.get(change).text
    assert "Cancel it, tell nobody" in desk.get(f"/desk/visits/{reference}/cancel").text
    assert desk.get(change, headers=JSON).json["owed"] is False
    sent(desk, reference, "change", cell=cell_at(SOON + timedelta(hours=1)), version=1, tell="yes")
    assert "Change it, tell nobody" not in desk.get(change).text
    asked = desk.get(change, headers=JSON).json
    assert asked["owed"] is True and "so they can't be left untold" in asked["tells"]
    cancel = desk.get(f"/desk/visits/{reference}/cancel").text
    assert "Cancel it, tell nobody" not in cancel and "so they can&#39;t be left untold" in cancel
    # What is said after it names the call as well.
    said = sent(desk, reference, "change", cell=cell_at(SOON + timedelta(minutes=30)), version=2, tell="no")[
        "says"
    ]
    assert "by e-mail. As the visit is soon, they go on the list of calls as well" in said


def test_a_missed_visit_is_corrected_to_cancelled_by_whom(
    app: Flask, desk: FlaskClient, standing_clock: StandingClock
) -> None:
    reference = visit_of(app, NINE)
    standing_clock.at(NINE + timedelta(minutes=20))
    with app.app_context():
        statuses.no_show(hired(), reference, key="noshow-01")
        desk = signed_in(app, hired())
    page = desk.get(f"/desk/visits/{reference}").text
    assert '<option value="cancelled patient">Cancelled by the patient</option>' in page
    form = fields(page) | {"correct": "cancelled patient", "reason": "They had called.", "key": "correct-01"}
    said = desk.post(f"/desk/visits/{reference}/status", data=form, headers=JSON).json
    assert said["says"] == "Corrected to: Cancelled by the patient. Nobody is written to."
    assert cancelled_by(app) is Actor.PATIENT


def test_a_corrected_wish_says_that_the_patient_is_still_to_be_told(
    app: Flask, desk: FlaskClient, standing_clock: StandingClock
) -> None:
    reference = visit_of(app, phone="+18185550123")
    sent(desk, reference, "cancel", by="staff", reason="Ana is ill.", tell="yes")

    def corrected_to(by: str) -> str:
        form = fields(desk.get(f"/desk/visits/{reference}").text)
        form |= {"correct": f"cancelled {by}", "reason": "They phoned.", "key": f"correct-{by}"}
        says: str = desk.post(f"/desk/visits/{reference}/status", data=form, headers=JSON).json["says"]
        return says

    told = "The patient is told at 8:03 am, by e-mail."
    assert corrected_to("patient") == f"Corrected to: Cancelled by the patient. {told}"
    standing_clock.on(minutes=4)
    with app.app_context():
        while deliver_due():
            pass
        (words,) = [row["sent_text"] for row in rows(Message) if row["kind"] == "cancellation"]
    assert "sorry" not in words
    assert corrected_to("staff") == "Corrected to: Cancelled by the clinic. Nobody is written to."


@pytest.mark.parametrize("by", ["system", "nobody"])
def test_nobody_else_can_have_cancelled(app: Flask, desk: FlaskClient, by: str) -> None:
    reference = visit_of(app)
    page = desk.get(f"/desk/visits/{reference}/cancel").text.partition("<main")[2]
    form = fields(page) | {"by": by}
    assert desk.post(f"/desk/visits/{reference}/cancel", data=form).status_code == 422


def test_what_became_of_a_call_stands_on_the_visit_in_words(
    app: Flask, desk: FlaskClient, standing_clock: StandingClock
) -> None:
    reference = visit_of(app, phone="+18185550123")
    sent(desk, reference, "change", cell=cell_at(SOON + timedelta(hours=1)), version=1, tell="yes")
    standing_clock.on(minutes=3)
    page = desk.get("/desk/calls").text
    form = page[page.index(f'action="/desk/calls/{reference}"') :]
    desk.post(f"/desk/calls/{reference}", data=fields(form) | {"outcome": "left-message"})
    shown = desk.get(f"/desk/visits/{reference}").text
    assert "Left a message (Dana Desk)" in shown and "left-message" not in shown
    assert "on the list of calls</span>" in shown and "called</span>" not in shown
    assert "Left a message: Mon, Sep 14, 8:03 am" in desk.get("/desk/calls").text
    assert called(desk, reference, "reached").startswith("Reached: Rosa Lima.")
    shown = desk.get(f"/desk/visits/{reference}").text
    assert "called</span>" in shown and "on the list of calls</span>" not in shown


def called(desk: FlaskClient, reference: str, outcome: str) -> str:
    """What is said once a call was made."""
    page = desk.get("/desk/calls").text
    form = page[page.index(f'action="/desk/calls/{reference}"') :]
    typed = fields(form[: form.index("</form>")]) | {"outcome": outcome}
    return str(desk.post(f"/desk/calls/{reference}", data=typed, headers=JSON).json["says"])


def test_a_call_that_was_made_says_who_was_reached_and_what_needs_not_be_written(
    app: Flask, desk: FlaskClient, standing_clock: StandingClock
) -> None:
    reference = visit_of(app, phone="+18185550123")
    sent(desk, reference, "change", cell=cell_at(SOON + timedelta(hours=1)), version=1, tell="yes")
    standing_clock.on(minutes=3)
    assert called(desk, reference, "no-answer") == "No answer: Rosa Lima. They stay on the list."
    left = called(desk, reference, "left-message")
    assert left == "Left a message: Rosa Lima. They stay on the list until you reach them."
    said = called(desk, reference, "reached")
    assert said == "Reached: Rosa Lima. The e-mail that was to go at 8:03 am isn't sent."
    with app.app_context():
        (told,) = [row for row in rows(Message) if row["kind"] == "change" and row["channel"] == "email"]
    assert told["state"] == "dropped"


def test_no_answer_is_taken_back_but_not_what_a_colleague_has_done_since(
    app: Flask, desk: FlaskClient, standing_clock: StandingClock
) -> None:
    reference = visit_of(app, phone="+18185550123")
    sent(desk, reference, "change", cell=cell_at(SOON + timedelta(hours=1)), version=1, tell="yes")
    standing_clock.on(minutes=3)
    assert called(desk, reference, "no-answer").startswith("No answer: Rosa Lima.")
    assert "No answer: 1" in desk.get("/desk/calls").text
    assert called(desk, reference, "back") == "Taken back: Rosa Lima is on the list."
    assert "No answer: 1" not in desk.get("/desk/calls").text
    called(desk, reference, "no-answer")
    stale = fields(desk.get("/desk/calls").text.partition("<main")[2])
    standing_clock.on(minutes=1)
    with app.app_context():
        called(signed_in(app, hired(name="Theo Lind")), reference, "reached")
    answer = desk.post(f"/desk/calls/{reference}", data=stale | {"outcome": "back"}, headers=JSON).json
    assert answer["says"] == "Rosa Lima: Theo Lind has called since, at 8:04 am: Reached. That stands."


def test_without_a_number_no_call_is_promised_and_one_button_says_that_they_were_told(
    app: Flask, desk: FlaskClient, standing_clock: StandingClock
) -> None:
    reference = visit_of(app)
    assert "list of calls" not in desk.get(f"/desk/visits/{reference}/cancel").text.partition("<main")[2]
    said = sent(desk, reference, "cancel", by="staff", tell="yes")["says"]
    assert said == "Cancelled. The patient is told at 8:03 am, by e-mail."
    standing_clock.on(minutes=3)
    assert "Nobody is to be called." in desk.get("/desk/calls").text
    with app.app_context():
        run(lambda session: session.execute(update(Message).values(state=MessageState.DEAD)))
    page = desk.get("/desk/calls").text
    assert "No telephone number: find another way." in page and "T: told" in page
    assert 'value="told"' in page and 'value="reached"' not in page and 'value="no-answer"' not in page
    assert called(desk, reference, "told") == "Told: Rosa Lima."
    assert "Nobody is to be called." in desk.get("/desk/calls").text


def test_a_cancellation_taken_back_after_they_heard_of_it_is_said_so(
    app: Flask, desk: FlaskClient, standing_clock: StandingClock
) -> None:
    reference = visit_of(app, phone="+18185550123")
    back = sent(desk, reference, "cancel", by="staff", tell="phone")["back"]
    page = desk.get(f"/desk/visits/{reference}").text
    desk.post(back, data=fields(page) | {"key": "undo-0001"}, headers=JSON)
    standing_clock.on(minutes=3)
    page = html.unescape(desk.get("/desk/calls").text)
    assert "Takes place after all" in page
    assert (
        "“We told you that the visit on Monday, September 14, 2026, 3:00 pm can't take place. "
        "It does take place after all, with Ana Ruiz. Can you come?”"
    ) in page
    with app.app_context():
        while deliver_due():
            pass
        (mail,) = [row for row in rows(Message) if row["kind"] == "confirmation" and row["sequence"] == 2]
    assert mail["facts"]["after_all"]
