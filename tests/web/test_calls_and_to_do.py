"""The lists of the desk: calls, things to do, messages, the day at a glance, and the day that is closed."""

import re
from datetime import timedelta
from html import unescape
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, update

from booking.extensions import db
from booking.models import (
    Appointment,
    AuditEntry,
    Heartbeat,
    InboundText,
    Message,
    MessageState,
    Patient,
    Payment,
    PlanReminders,
    Reminders,
    Role,
    Task,
)
from booking.reminders.delivery import deliver_due
from booking.scheduling.timeline import cell_at
from booking.services import inbound_texts
from booking.services.desk import moving
from booking.services.desk.moving import Place
from booking.services.transaction import run
from tests.clinics import clinic, every_day, plan_clinic, practitioner, set_up
from tests.conftest import StandingClock
from tests.services.making import NEXT_WEEK, NINE, booked, rows
from tests.services.plans.making import patient, prescribed, running
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
        later = NEXT_WEEK + timedelta(hours=1)
        booked(later, practitioner="ben", phone="+18185550123", email=None, reminders=Reminders.CALL)
        standing_clock.on(days=4, hours=3)
        deliver_due()
        desk = signed_in(app, hired(Role.DESK))
    poll = {"X-Poll": "1"}
    cards = desk.get("/desk/calls", headers=poll)
    again = desk.get("/desk/calls", headers=poll | {"If-None-Match": cards.headers["ETag"]})
    assert "(818) 555-0123" in cards.text and "<html" not in cards.text and again.status_code == 304
    page = desk.get("/desk/calls").text
    assert "(818) 555-0123" in page
    assert "We expect you on Monday, September 21, 2026, 9:00 am, with Ana Ruiz. Are you coming?" in page
    assert "And on the same day at 10:00 am, with Ben" in page and page.count("Are you coming?") == 1
    assert "Follow-up" not in page
    after = press(desk, "/desk/calls", f"/desk/calls/{visit.reference}", outcome="no-answer")
    assert "No answer: 1" in after.text
    with app.app_context():
        theo = signed_in(app, hired(Role.DESK, name="Theo Lind"))
    stale = theo.get("/desk/calls").text
    after = press(desk, "/desk/calls", f"/desk/calls/{visit.reference}", outcome="reached")
    assert "Nobody is to be called." in after.text
    # Whoever comes second hears of it, and takes nothing back that isn't theirs.
    second = theo.post(
        f"/desk/calls/{visit.reference}",
        data=fields(stale) | {"outcome": "left-message"},
        follow_redirects=True,
    ).text
    assert re.search(r"Rosa Lima: Dana Desk has called before you, at .*: Reached\. That stands\.", second)
    assert "Undo" not in second
    back = desk.post(
        f"/desk/calls/{visit.reference}",
        data=fields(after.text[after.text.index('class="done"') :]) | {"outcome": "back"},
        follow_redirects=True,
    )
    assert "(818) 555-0123" in back.text


def test_a_visit_of_the_next_morning_is_said_with_its_day(app: Flask, standing_clock: StandingClock) -> None:
    hours = every_day("7:00-20:00")
    evening = NEXT_WEEK.astimezone(ZoneInfo("America/Los_Angeles")).replace(hour=19, minute=15)
    morning = evening + timedelta(hours=11, minutes=45)
    with app.app_context():
        set_up(clinic(hours=hours, practitioners=[practitioner(hours=hours)]))
        for at in (evening, morning):
            booked(at, phone="+18185550123", email=None, reminders=Reminders.CALL)
        standing_clock.at(morning - timedelta(hours=23))
        deliver_due()
        desk = signed_in(app, hired(Role.DESK))
    page = desk.get("/desk/calls").text
    assert page.count("Are you coming?") == 1
    assert "And on Tue, Sep 22, 7:00 am, with" in page and "same day" not in page


def test_a_call_about_a_week_names_all_its_visits_and_leads_to_their_plan(
    app: Flask, standing_clock: StandingClock
) -> None:
    with app.app_context():
        set_up(plan_clinic())
        made = prescribed(patient(email=None), "disc")
        plan = running(made, reminders=Reminders.CALL, reminded_of=PlanReminders.DIGEST)
        standing_clock.at(min(row["due_at"] for row in rows(Message) if row["kind"] == "plan-digest"))
        while deliver_due():
            pass
        desk = signed_in(app, hired())
    said = unescape(re.sub(r"<[^>]+>", "", desk.get("/desk/calls").text))
    assert "“We expect you on Monday, September 21, 2026, 9:00 am, with Mei Tanaka." in said
    assert re.findall("And on (.*?),? with", said) == [
        "the same day at 10:00 am", "Wed, Sep 23, 9:00 am", "Wed, Sep 23, 10:00 am", "Fri, Sep 25, 9:00 am",
    ]  # fmt: skip
    assert f"/desk/plans/{plan.reference}" in desk.get("/desk/calls").text
    assert "All visits of the plan" in said and "others have changed" not in said


def test_an_estimate_is_settled_by_one_button(app: Flask, desk: FlaskClient) -> None:
    with app.app_context():
        booked(NEXT_WEEK, payment=Payment.SELF)
        (task,) = rows(Task)
    page = desk.get("/desk/to-do").text
    assert "Good-faith estimate" in page
    assert "Rosa Lima" in page
    assert "Estimate given" in page and ">Done<" not in page
    after = press(desk, "/desk/to-do", f"/desk/to-do/{task['id']}")
    assert "Nothing is due" in after.text
    assert "Estimate given. It is off the list." in after.text
    with app.app_context():
        assert rows(Task)[0]["settled_by"] == "Dana Desk"
    back = fields(after.text[after.text.index('class="done"') :])
    assert (
        "Good-faith estimate" in desk.post(f"/desk/to-do/{task['id']}", data=back, follow_redirects=True).text
    )


def test_in_the_panel_a_task_says_what_was_done_and_has_a_way_back(app: Flask, desk: FlaskClient) -> None:
    with app.app_context():
        visit = booked(NEXT_WEEK, payment=Payment.INSURANCE)
        (task,) = rows(Task)
    address = f"/desk/to-do/{task['id']}"
    panel = desk.get(f"/desk/visits/{visit.reference}?panel=1").text
    form = panel[panel.index(f'action="{address}"') :]
    form = form[: form.index("</form>")]
    assert "Coverage checked" in form and "Done" not in form
    done = desk.post(address, data=fields(form), headers={"Accept": "application/json"}).json
    assert (done["says"], done["back"]) == ("Coverage checked. It is off the list.", address)
    sent = fields(form) | {"key": "another-key-1", "do": "back"}
    assert desk.post(done["back"], data=sent, headers={"Accept": "application/json"}).json["back"] is None
    assert "Coverage checked" in desk.get(f"/desk/visits/{visit.reference}").text


def test_a_call_shows_what_to_know_before_one_dials(app: Flask) -> None:
    with app.app_context():
        booked(NEXT_WEEK, phone="+18185550123")
        run(
            lambda session: [
                session.execute(update(Message).values(state=MessageState.DEAD)),
                session.execute(
                    update(Patient).values(flags=["hard of hearing"], desk_note="Ring twice, he is slow.")
                ),
            ]
        )
        desk = signed_in(app, hired(Role.DESK))
    page = desk.get("/desk/calls").text
    number = page[page.index("(818) 555-0123") :]
    assert "hard of hearing" in number[: number.index("</p>")]
    assert "Ring twice, he is slow." in page
    assert "Mon, Sep 21, 9:00 am" in page
    assert "R reached, L left a message, O no answer" in page


def test_the_menu_says_how_much_presses(app: Flask, standing_clock: StandingClock) -> None:
    with app.app_context():
        booked(NINE, payment=Payment.SELF)
        booked(NEXT_WEEK, first_name="Ida", payment=Payment.SELF)
        inbound_texts.receive("+18185550123", "Where do I park?", "sm-1")
        standing_clock.at(NINE + timedelta(hours=1))
        desk = signed_in(app, hired(Role.DESK))
        ana = signed_in(app, hired(Role.PRACTITIONER, practitioner="ana"))

    def counts(page: str) -> dict[str, str]:
        found = re.findall(r'<a href="([^"]+)"[^>]*>[^<]*<span class="count">(\d+)</span></a>', page)
        return dict(found)

    menu = counts(desk.get("/desk/patients").text)
    assert menu == {"/desk/to-do": "1", "/desk/messages": "1", "/desk/close": "1"}
    # Never as it was before what was done on the page before.
    with app.app_context():
        (text,) = rows(InboundText)
    read = press(desk, "/desk/messages", f"/desk/replies/{text['id']}")
    assert counts(read.text) == {"/desk/to-do": "1", "/desk/close": "1"}
    # Nor where the board's scripts did it.
    with app.app_context():
        (task,) = [one for one in rows(Task) if one["settled_at"] is None and one["due_on"] <= NINE.date()]
    form = fields(desk.get("/desk/to-do").text) | {"key": "settle-001"}
    settled = desk.post(f"/desk/to-do/{task['id']}", data=form, headers={"Accept": "application/json"})
    assert settled.json["ok"]
    assert counts(desk.get("/desk/patients").text) == {"/desk/close": "1"}
    assert 'class="count"' not in ana.get("/mine/today").text


def test_the_menu_costs_one_statement_in_ten_seconds_and_a_boards_poll_none(
    app: Flask, desk: FlaskClient, standing_clock: StandingClock
) -> None:
    def said(path: str, **headers: str) -> list[str]:
        found: list[str] = []

        def heard(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
            if "inbound_texts" in statement:
                found.append(statement)

        with app.app_context():
            engine = db.engine
        event.listen(engine, "before_cursor_execute", heard)
        try:
            assert desk.get(path, headers=headers).status_code == 200
        finally:
            event.remove(engine, "before_cursor_execute", heard)
        return found

    assert len(said("/desk/day/2026-09-15")) == 1
    assert said("/desk/patients") == []
    standing_clock.on(seconds=10)
    assert len(said("/desk/patients")) == 1
    standing_clock.on(seconds=10)
    assert said("/desk/day/2026-09-15/fragment", **{"X-Poll": "1"}) == []


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


def test_the_glance_says_when_the_worker_last_looked_and_its_gaps_lead_to_booking(
    app: Flask, standing_clock: StandingClock
) -> None:
    standing_clock.at(NINE)
    with app.app_context():
        beat = {"worker": "w", "started_at": NINE, "ticked_at": NINE, "trouble": ""}
        run(lambda session: session.add(Heartbeat(**beat)))
        desk = signed_in(app, hired(Role.DESK))
    page = desk.get("/desk/glance").text
    assert "Messages are being sent; the worker last looked at 9:00 am." in page
    gap = re.search(r'href="(/desk/book[^"]*practitioner=ana)"><strong>1:00 pm', page)
    assert gap
    form = fields(desk.get(unescape(gap[1])).text.partition("<main")[2])
    assert (form["cell"], form["day"]) == (str(cell_at(NINE + timedelta(hours=4))), "2026-09-15")


def test_the_glance_has_times_who_never_came_and_closes_the_day_in_the_afternoon(
    app: Flask, standing_clock: StandingClock
) -> None:
    with app.app_context():
        booked(NINE, practitioner="ana", first_name="Ida")
        booked(NINE + timedelta(hours=6), practitioner="ana", first_name="Zoe")
    standing_clock.at(NINE + timedelta(hours=1))

    def shown() -> str:
        with app.app_context():
            desk = signed_in(app, hired(Role.DESK))
        return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", desk.get("/desk/glance?fragment=1").text))

    assert "9:00 am Ida Lima not arrived, over since 9:30 am" in shown()
    assert "3:00 pm Zoe Lima" in shown()
    assert "One visit is over, and nobody has settled it." not in shown()
    standing_clock.at(NINE + timedelta(hours=7))
    assert "2 visits are over, and nobody has settled them. Close the day" in shown()


def test_closing_begins_with_today(desk: FlaskClient) -> None:
    page = desk.get("/desk/close").text
    assert "Close Monday, September 14" in page
    assert '<a href="/desk/close" aria-current="page">' in page


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
    page = desk.get("/desk/close/2026-09-15").text
    assert "Settle all 2 who came" in page
    assert page.count("They came; counts as attended.") == 2
    assert page.count("Nobody checked them in. If this stays so, it counts as attended, “not closed”.") == 1
    assert re.findall(r'value="(\S+)">(They[^<]*)', page) == [
        ("fulfilled", "They came"),
        ("noshow", "They didn’t come"),
    ]
    after = press(desk, "/desk/close/2026-09-15", "/desk/close/2026-09-15")
    assert "2 visits are done: Ida Lima, Zoe Lima." in after.text
    # All of it is taken back at once, but for what a colleague changed since.
    back, typed = back_of(after)
    with app.app_context():
        theo = signed_in(app, hired(Role.DESK, name="Theo Lind"))
    press(
        theo,
        f"/desk/visits/{came[1]}",
        f"/desk/visits/{came[1]}/status",
        correct="noshow",
        reason="No one came",
    )
    reopened = desk.post(back, data=typed, follow_redirects=True).text
    assert "Taken back. One visit is open again: Ida Lima." in reopened
    assert "Changed since, and left as it is: Zoe Lima: Corrected by Theo Lind, 6:00 pm." in reopened
    press(desk, "/desk/close/2026-09-15", "/desk/close/2026-09-15")
    after = press(desk, "/desk/close/2026-09-15", f"/desk/visits/{missing}/status", to="noshow")
    assert "Everything that is over is settled." in after.text


def test_what_was_only_penciled_in_is_settled_in_its_own_words(
    app: Flask, desk: FlaskClient, standing_clock: StandingClock
) -> None:
    with app.app_context():
        reference = booked(practitioner="ana", first_name="Ida").reference
        run(lambda session: session.execute(update(Appointment).values(penciled=True)))
        standing_clock.at(NINE + timedelta(hours=2))
        desk = signed_in(app, hired(Role.DESK))
    close = "/desk/close/2026-09-15"
    page = desk.get(close).text
    assert "Penciled in, never confirmed: doesn’t count unless you settle it." in page
    assert "◌</i> Was penciled in" in page and "attended" not in page
    # They never read that it was booked: it isn't theirs to miss.
    assert "They didn’t come" not in page
    assert f'href="/desk/visits/{reference}/cancel?next={close}">Cancel' in page
    shown = desk.get("/desk/day/2026-09-15").text
    assert "Was penciled in" in shown and "Not arrived" not in shown
    after = press(desk, close, f"/desk/visits/{reference}/status", to="fulfilled")
    assert "Everything that is over is settled." in after.text


def test_of_one_visit_that_closing_the_day_settles_one_hears_whose_it_was_and_takes_it_back(
    app: Flask, standing_clock: StandingClock
) -> None:
    with app.app_context():
        ida = booked(practitioner="ana", first_name="Ida").reference
        booked(NINE + timedelta(hours=6), practitioner="ana", first_name="Zoe")
        standing_clock.at(NINE + timedelta(hours=2))
        desk = signed_in(app, hired(Role.DESK))
    press(desk, f"/desk/visits/{ida}", f"/desk/visits/{ida}/status", to="arrived")
    after = press(desk, "/desk/close/2026-09-15", "/desk/close/2026-09-15")
    assert "One visit is done: Ida Lima." in after.text
    assert "Everything that is over is settled. One visit is still to come." in after.text
    back, typed = back_of(after)
    assert "They came; counts as attended." in desk.post(back, data=typed, follow_redirects=True).text


def back_of(page: Any) -> tuple[str, dict[str, Any]]:
    """Where the button leads that takes back what was done last, and what its form sends."""
    told = page.text.partition('class="toasts"')[2]
    back = re.search(r'action="([^"]+)"', told)
    assert back
    return back[1], fields(told)


def test_a_call_about_what_was_changed_meanwhile_is_refused_with_the_name(
    app: Flask, desk: FlaskClient, standing_clock: StandingClock
) -> None:
    with app.app_context():
        visit = booked(NINE - timedelta(hours=18), phone="+18185550123", practitioner="ana").reference
        where = Place(starts_at=NINE - timedelta(hours=17))
        moving.change(hired(), visit, where, version=1, key="move-0001")
        standing_clock.on(minutes=3)
        desk = signed_in(app, hired(Role.DESK))
    shown = fields(desk.get("/desk/calls").text.partition("<main")[2])
    with app.app_context():
        where = Place(starts_at=NINE - timedelta(hours=17, minutes=30))
        moving.change(hired(), visit, where, version=2, key="move-0002")
    answer = desk.post(f"/desk/calls/{visit}", data=shown | {"outcome": "reached"})
    assert answer.status_code == 409 and "<h2>Rosa Lima: " in answer.text


def test_practitioners_have_none_of_these(app: Flask) -> None:
    with app.app_context():
        theirs = signed_in(app, hired(Role.PRACTITIONER, practitioner="ana"))
    for path in ("calls", "to-do", "messages", "glance", "close/2026-09-14"):
        assert theirs.get(f"/desk/{path}").status_code == 404
