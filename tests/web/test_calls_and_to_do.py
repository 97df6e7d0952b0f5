"""The lists of the desk: calls, things to do, messages, the day at a glance, and the day that is closed."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from booking.models import AuditEntry, InboundText, Message, MessageState, Payment, Reminders, Role, Task
from booking.reminders.delivery import deliver_due
from booking.services import inbound_texts
from booking.services.transaction import run
from tests.conftest import StandingClock
from tests.services.making import NEXT_WEEK, NINE, booked, rows
from tests.staffing import hired, signed_in
from tests.web.conftest import fields


@pytest.fixture
def desk(app: Flask) -> FlaskClient:
    with app.app_context():
        who = hired(Role.DESK, name="Dana Desk")
    return signed_in(app, who)


def press(desk: FlaskClient, page: str, action: str, **typed: str) -> Any:
    """Presses a button of the form that leads to `action` on a page."""
    text = desk.get(page).text
    form = text[text.index(f'action="{action}"') :]
    return desk.post(action, data=fields(form[: form.index("</form>")]) | typed, follow_redirects=True)


def test_a_call_shows_number_and_sentence_and_names_no_treatment(
    app: Flask, desk: FlaskClient, standing_clock: StandingClock
) -> None:
    with app.app_context():
        visit = booked(
            NEXT_WEEK, practitioner="ana", phone="+18185550123", email=None, reminders=Reminders.CALL
        )
        standing_clock.on(days=4, hours=2)
        deliver_due()
        desk = signed_in(app, hired(Role.DESK))
    page = desk.get("/desk/calls").text
    assert "(818) 555-0123" in page
    assert "We expect you on Monday, September 21, 2026, 9:00 am, with Ana Ruiz. Are you coming?" in page
    assert "Follow-up" not in page
    after = press(desk, "/desk/calls", f"/desk/calls/{visit.reference}", outcome="no-answer")
    assert "No answer: 1" in after.text
    after = press(desk, "/desk/calls", f"/desk/calls/{visit.reference}", outcome="reached")
    assert "Nobody is to be called." in after.text
    back = desk.post(
        f"/desk/calls/{visit.reference}",
        data=fields(after.text[after.text.index('class="done"') :]) | {"outcome": "back"},
        follow_redirects=True,
    )
    assert "(818) 555-0123" in back.text


def test_an_estimate_is_settled_by_one_button(app: Flask, desk: FlaskClient) -> None:
    with app.app_context():
        booked(NEXT_WEEK, payment=Payment.SELF)
        (task,) = rows(Task)
    page = desk.get("/desk/to-do").text
    assert "Good-faith estimate" in page
    assert "Rosa Lima" in page
    after = press(desk, "/desk/to-do", f"/desk/to-do/{task['id']}")
    assert "Nothing is due" in after.text
    with app.app_context():
        assert rows(Task)[0]["settled_by"] == "Dana Desk"


def test_messages_that_failed_are_sent_again_and_replies_read(app: Flask, desk: FlaskClient) -> None:
    with app.app_context():
        booked(NEXT_WEEK)
        inbound_texts.receive("+18185550123", "Where do I park?", "sm-1")
        run(
            lambda session: session.execute(
                update(Message)
                .where(Message.kind == "confirmation")
                .values(state=MessageState.DEAD, last_error="550 no such user")
            )
        )
        failed = next(row for row in rows(Message) if row["kind"] == "confirmation")
        (text,) = rows(InboundText)
    page = desk.get("/desk/messages").text
    for words in ("550 no such user", "Where do I park?", "Reminder, 3 days before"):
        assert words in page
    after = press(desk, "/desk/messages", f"/desk/messages/{failed['id']}", do="again")
    assert "It goes again now." in after.text
    assert "550 no such user" not in after.text
    after = press(desk, "/desk/messages", f"/desk/replies/{text['id']}")
    assert "All are read." in after.text


def test_a_glance_that_asks_again_gets_304_and_leaves_no_trace(app: Flask, desk: FlaskClient) -> None:
    page = desk.get("/desk/glance")
    assert "No messages are going out." in page.text

    def reads() -> int:
        with app.app_context():
            return len(rows(AuditEntry))

    fragment = desk.get("/desk/glance", headers={"X-Poll": "1"})
    assert "<html" not in fragment.text
    before = reads()
    same = desk.get("/desk/glance", headers={"X-Poll": "1", "If-None-Match": fragment.headers["ETag"]})
    assert (same.status_code, same.text) == (304, "")
    assert reads() == before
    with app.app_context():
        inbound_texts.receive("+18185550123", "I am late", "sm-2")
    other = desk.get("/desk/glance", headers={"X-Poll": "1", "If-None-Match": fragment.headers["ETag"]})
    assert "I am late" in other.text


def test_the_day_is_closed_by_one_button_and_the_rest_one_by_one(
    app: Flask, desk: FlaskClient, standing_clock: StandingClock
) -> None:
    with app.app_context():
        came = [
            booked(NINE + timedelta(hours=hour), practitioner="ana", first_name=name).reference
            for hour, name in enumerate(("Ida", "Zoe"))
        ]
        missing = booked(NINE, practitioner="ben", first_name="Ben").reference
        standing_clock.at(NINE + timedelta(hours=9))
        desk = signed_in(app, hired(Role.DESK))
    for reference in came:
        press(desk, f"/desk/visits/{reference}", f"/desk/visits/{reference}/status", to="arrived")
    assert "Settle all 2 who came" in desk.get("/desk/close/2026-09-15").text
    after = press(desk, "/desk/close/2026-09-15", "/desk/close/2026-09-15")
    assert "2 visits are done." in after.text
    after = press(desk, "/desk/close/2026-09-15", f"/desk/visits/{missing}/status", to="noshow")
    assert "Everything that is over is settled." in after.text


def test_practitioners_have_none_of_these(app: Flask) -> None:
    with app.app_context():
        theirs = signed_in(app, hired(Role.PRACTITIONER, practitioner="ana"))
    for path in ("calls", "to-do", "messages", "glance", "close/2026-09-14"):
        assert theirs.get(f"/desk/{path}").status_code == 404
