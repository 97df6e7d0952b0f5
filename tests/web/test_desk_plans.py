"""A plan arranged at the desk: asked for, proposed, exchanged, booked; its page, its link, and the board of all."""

import html
import re
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from booking.models import Appointment, BookableBy, Hold, Message, Patient, Plan, PlanEntry
from booking.scheduling.allowances.terms import Beyond, Kind, Span, Terms, Window
from booking.scheduling.plans.windows import Presence, TimeWindow
from booking.scheduling.timeline import cell_at
from booking.services import holds
from booking.services.desk import coverage
from booking.services.plans.asking_again import wanted_by
from booking.services.plans.holding import hold_plan
from booking.services.plans.proposing import propose
from booking.services.plans.reading import by_link
from booking.services.staff.who import Who
from booking.web.free import instant
from tests.clinics import plan_clinic
from tests.services.making import NINE, booked, rows
from tests.services.plans.making import FIRST_DAY, at, prescribed, running, seen
from tests.staffing import signed_in
from tests.web.conftest import fields, on_both

pytestmark = pytest.mark.clinic(plan_clinic())

NEW, BOOK = "/desk/plans/new", "/desk/plans/book"
ASKED = {"template": "disc", "prescribed_by": "mei", "first_day": "2026-09-21"}


@pytest.fixture
def rosa(app: Flask, standing_clock: Any) -> str:
    """A patient who has had acupuncture here."""
    with app.app_context():
        booked(NINE, visit_type="acupuncture-first", practitioner="mei")
        standing_clock.on(days=2)
        return str(rows(Patient)[0]["reference"])


@pytest.fixture
def desk(app: Flask, rosa: str, dana: Who) -> FlaskClient:
    """Signed in once the clock is turned: a shift ends."""
    return signed_in(app, dana)


def all_of(app: Flask, kind: Any) -> list[Any]:
    with app.app_context():
        return rows(kind)


def form_of(page: TestResponse, number: int = 0, marker: str = 'class="proposal"') -> list[tuple[str, str]]:
    """The hidden fields, selects and all of the form of this number among those marked so."""
    found = re.findall(rf"<form {marker}.*?</form>", page.text, re.DOTALL)[number]
    pairs = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', found)
    for name, options in re.findall(r'<select [^>]*name="([^"]+)">(.*?)</select>', found, re.DOTALL):
        chosen = re.search(r'value="([^"]*)" selected', options) or re.search(r'value="([^"]*)"', options)
        assert chosen
        pairs.append((name, chosen[1]))
    return [(name, html.unescape(value)) for name, value in pairs]


def sent(pairs: list[tuple[str, str]], **more: str) -> dict[str, Any]:
    """As a browser sends them."""
    found: dict[str, Any] = {}
    for name, value in [*pairs, *more.items()]:
        found.setdefault(name, []).append(value)
    return found


def asked(desk: FlaskClient, rosa: str, **more: Any) -> TestResponse:
    begun = desk.get(f"{NEW}?patient={rosa}&template=disc")
    token = re.search(r'name="csrf_token" value="([^"]*)"', begun.text)
    assert token
    values = {"csrf_token": token[1], "key": "ask-for-a-plan", "patient": rosa, "returning": ["acupuncture"]}
    return desk.post(NEW, data=values | ASKED | more)


def test_from_the_patients_page_a_plan_is_booked_in_four_steps(
    app: Flask, desk: FlaskClient, rosa: str
) -> None:
    assert f"{NEW}?patient={rosa}" in desk.get(f"/desk/patients/{rosa}").text
    assert "template=disc" in desk.get(f"{NEW}?patient={rosa}").text
    form = desk.get(f"{NEW}?patient={rosa}&template=disc").text
    assert 'value="2026-09-21"' in form and 'value="mei" selected' in form
    proposals = asked(desk, rosa)
    assert proposals.status_code == 200 and proposals.text.count('class="proposal"') >= 1
    done = desk.post(BOOK, data=sent(form_of(proposals)))
    assert done.status_code == 303
    (plan,) = all_of(app, Plan)
    visits = [row for row in all_of(app, Appointment) if row["plan_id"] == plan["id"]]
    assert (plan["status"], plan["prescribed_by"] is not None) == ("running", True)
    # Three and two in each of four weeks, and somebody who looks again.
    assert len(visits) == 21 and {row["booked_by"] for row in visits} == {"staff"}
    assert [(row["what"], row["actor_name"]) for row in all_of(app, PlanEntry)] == [
        ("prescribed", "Dana Desk"),
        ("booked", "Dana Desk"),
    ]
    kinds = [row["kind"] for row in all_of(app, Message)]
    assert kinds.count("plan-confirmation") == 1 and "plan-link" not in kinds
    there = desk.get(done.location)
    assert "Booked: all visits of the plan." in there.text
    # The same form once more: the same plan, nothing twice.
    assert desk.post(BOOK, data=sent(form_of(proposals))).location == done.location
    assert len(all_of(app, Plan)) == 1


def test_that_the_patient_agreed_goes_along_to_the_plan(app: Flask, desk: FlaskClient, rosa: str) -> None:
    refused = asked(desk, rosa, agreed_by="Maria Lopez")
    assert refused.status_code == 422 and "Please choose how they agreed." in refused.text
    assert 'value="Maria Lopez"' in refused.text
    done = desk.post(BOOK, data=sent(form_of(asked(desk, rosa, agreed="telephone"))))
    assert "<dt>Agreed</dt><dd>on the telephone · " in desk.get(done.location).text


def test_that_the_patient_agrees_is_recorded_where_the_desk_books_what_was_prescribed(
    app: Flask, desk: FlaskClient, rosa: str
) -> None:
    linked = asked(desk, rosa, do="link")
    assert "<dt>Agreed</dt><dd>Not recorded</dd>" in desk.get(linked.location).text
    (plan,) = all_of(app, Plan)
    begun = desk.get(f"{NEW}?plan={plan['reference']}")
    assert 'name="agreed"' in begun.text
    form = fields(begun.text.partition("<main")[2]) | {"agreed": "telephone", "first_day": "2026-09-21"}
    done = desk.post(BOOK, data=sent(form_of(desk.post(NEW, data=form))))
    there = desk.get(done.location).text
    assert "Booked; the patient agreed: on the telephone" in there and "Prescribed;" not in there


def test_where_the_payer_is_to_be_asked_first_the_desk_is_told_and_says_so(
    app: Flask, desk: FlaskClient, rosa: str, dana: Who
) -> None:
    terms = Terms(Kind.INSURANCE, ("acupuncture",), 10, Window(Span.CALENDAR_YEAR), beyond=Beyond.ASK)
    with app.app_context():
        coverage.record(dana, rosa, "Blue Shield", terms, key="coverage")
    proposals = asked(desk, rosa)
    # She has had one of acupuncture, and the plan has twelve.
    assert "3 visits may not be covered" in proposals.text and 'name="payer"' in proposals.text
    unasked = desk.post(BOOK, data=sent(form_of(proposals)))
    assert unasked.status_code == 422 and "Please ask the payer first" in unasked.text
    assert all(row["plan_id"] is None for row in all_of(app, Appointment))
    done = desk.post(BOOK, data=sent(form_of(unasked), payer="1"))
    assert done.status_code == 303 and "The payer was asked." in desk.get(done.location).text
    assert len(all_of(app, Plan)) == 1


def test_one_visit_is_exchanged_before_booking(app: Flask, desk: FlaskClient, rosa: str) -> None:
    proposals = asked(desk, rosa)
    form = form_of(proposals)
    times = desk.post(BOOK, data=sent(form, exchange="0"))
    assert times.status_code == 200 and "All other visits stay as they are." in times.text
    taken = re.search(r'name="take" value="([^"]+)" autofocus', times.text)
    assert taken
    chosen = desk.post(
        BOOK, data=sent(form_of(times, marker='method="post" action="/desk/plans/book"'), take=taken[1])
    )
    assert chosen.status_code == 200
    before = {value for name, value in form if name == "visit"}
    after = {value for name, value in form_of(chosen) if name == "visit"}
    assert len(before - after) == len(after - before) == 1 and len(after) == len(before)
    assert desk.post(BOOK, data=sent(form_of(chosen))).status_code == 303
    starts = {
        row["starts_at"] if "starts_at" in row else row["from_cell"] for row in all_of(app, Appointment)
    }
    assert len(starts) >= len(after)


def test_what_was_taken_meanwhile_is_replaced_and_looked_at(app: Flask, desk: FlaskClient, rosa: str) -> None:
    form = form_of(asked(desk, rosa))
    visit_type, person, start = next(value for name, value in form if name == "visit").split(" ")
    starts_at = instant(start)
    assert starts_at
    with app.app_context():
        booked(
            starts_at, visit_type=visit_type, practitioner=person, first_name="Sam", email="sam@example.com"
        )
    lost = desk.post(BOOK, data=sent(form))
    assert lost.status_code == 409 and "was taken meanwhile. Instead:" in lost.text
    assert all_of(app, Plan)[0]["status"] == "prescribed"
    again = desk.post(BOOK, data=sent(form_of(lost)))
    assert again.status_code == 303
    assert [row["status"] for row in all_of(app, Plan)] == ["running"]


def test_what_is_refused_at_the_last_step_is_the_same_plan_when_it_is_booked_again(
    app: Flask, desk: FlaskClient, rosa: str
) -> None:
    proposals = asked(desk, rosa)
    form = [pair for pair in form_of(proposals) if pair[0] != "reminders"]
    unreachable = desk.post(BOOK, data=sent(form, reminders="text"))
    assert unreachable.status_code == 422 and "a number is needed" in unreachable.text
    visits = [pair for pair in form if pair[0] == "visit"]
    few = [pair for pair in form if pair not in visits[3:]]
    broken = desk.post(BOOK, data=sent(few, reminders="email"))
    assert broken.status_code == 422 and "don&#39;t keep the plan" in broken.text
    (plan,) = all_of(app, Plan)
    its = f'name="plan" value="{plan["reference"]}"'
    assert its in unreachable.text and its in broken.text
    # Whoever goes back takes another proposal for the same plan.
    done = desk.post(BOOK, data=sent(form_of(proposals, 1)))
    assert done.status_code == 303
    assert [row["status"] for row in all_of(app, Plan)] == ["running"]


def test_only_the_link_is_sent(app: Flask, desk: FlaskClient, rosa: str) -> None:
    done = asked(desk, rosa, do="link", when=["1-evening", "3-evening"])
    assert done.status_code == 303 and "The link was sent." in desk.get(done.location).text
    (plan,) = all_of(app, Plan)
    assert plan["status"] == "prescribed"
    assert plan["presence"]["windows"] == [{"weekdays": [1, 3], "opens": 960, "closes": 1440}]
    # And then it is booked for them all the same.
    begun = desk.get(f"{NEW}?plan={plan['reference']}")
    assert re.search(r'value="1-evening"[^>]* checked', begun.text)


def test_what_was_prescribed_is_booked_at_the_desk(app: Flask, desk: FlaskClient, rosa: str) -> None:
    with app.app_context():
        made = prescribed(rosa, doses={"acupuncture-follow-up": (2, 2)})
    assert f"{NEW}?plan={made.reference}" in desk.get(f"/desk/plans/{made.reference}").text
    proposals = asked(desk, rosa, plan=made.reference, returning=[])
    assert desk.post(BOOK, data=sent(form_of(proposals))).status_code == 303
    (plan,) = all_of(app, Plan)
    visits = [row for row in all_of(app, Appointment) if row["plan_id"] == plan["id"]]
    assert (plan["reference"], plan["status"], len(visits)) == (made.reference, "running", 17)
    # By the back button it leads to the plan.
    for again in (desk.post(BOOK, data=sent(form_of(proposals))), desk.get(f"{NEW}?plan={made.reference}")):
        assert again.status_code == 303 and again.location == f"/desk/plans/{made.reference}"
    assert len(all_of(app, Plan)) == 1


def test_what_the_patient_chose_by_the_link_is_booked_at_the_desk(
    app: Flask, desk: FlaskClient, rosa: str
) -> None:
    """They are told to call while it is kept."""
    with app.app_context():
        made = prescribed(rosa)
        plan = by_link(made.reference, made.token)
        chosen = propose(wanted_by(plan, BookableBy.LINK)).proposals[-1].wishes
        hold_plan(
            plan.course, plan.first_day, chosen,
            audience=BookableBy.LINK, visitor=holds.of_plan(plan.reference), network="here",
        )  # fmt: skip
    proposals = asked(desk, rosa, plan=made.reference, returning=[])
    assert proposals.text.index("Chosen by the link, and kept until") < proposals.text.index(" with ")
    assert desk.post(BOOK, data=sent(form_of(proposals))).status_code == 303
    cells = {row["from_cell"] for row in all_of(app, Appointment) if row["plan_id"] is not None}
    assert cells == {cell_at(one.starts_at) for one in chosen} and not all_of(app, Hold)


def test_what_they_chose_from_another_first_day_is_seen_and_asked_for_at_the_desk(
    app: Flask, desk: FlaskClient, rosa: str
) -> None:
    """Nothing fits from the day that was prescribed, nor at the times they gave: kept is what they chose all the same."""
    tuesdays = Presence((TimeWindow(frozenset({1}), 960, 1440),))
    with app.app_context():
        made = prescribed(rosa, presence=tuesdays)
        plan = by_link(made.reference, made.token)
        later = plan.first_day + timedelta(days=8)
        wanted = wanted_by(plan, BookableBy.LINK, first_day=later, presence=Presence())
        chosen = propose(wanted).proposals[0].wishes
    assert "Chosen by the link" not in desk.get(f"/desk/plans/{made.reference}").text
    with app.app_context():
        hold_plan(
            plan.course, later, chosen,
            audience=BookableBy.LINK, visitor=holds.of_plan(plan.reference), network="here",
        )  # fmt: skip
    there = desk.get(f"/desk/plans/{made.reference}").text
    assert (
        f"Chosen by the link: {len(chosen)} visits, from " in there and "kept for the patient until" in there
    )
    begun = desk.get(f"{NEW}?plan={made.reference}")
    assert f'name="first_day" value="{later}"' in begun.text
    form = fields(begun.text.partition("<main")[2]) | {"first_day": later.isoformat(), "when": "1-evening"}
    proposals = desk.post(NEW, data=form)
    assert proposals.text.count('class="proposal"') == 1 and "Chosen by the link, and kept" in proposals.text
    assert desk.post(BOOK, data=sent(form_of(proposals))).status_code == 303
    cells = {row["from_cell"] for row in all_of(app, Appointment) if row["plan_id"] is not None}
    assert cells == {cell_at(one.starts_at) for one in chosen} and not all_of(app, Hold)


def test_why_no_plan_fits_and_what_would_help(app: Flask, desk: FlaskClient, rosa: str) -> None:
    none = asked(desk, rosa, when=["1-evening"])
    assert none.status_code == 200 and "No plan fits in week 1: Rosa Lima" in none.text
    (fields, *_others) = [
        form for form in re.findall(r"<form method=.*?</form>", none.text, re.DOTALL) if "quiet tap" in form
    ]
    pairs = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', fields)
    assert desk.post(NEW, data=sent(pairs)).text.count('class="proposal"') >= 1
    # What she has besides is said before anything is asked for, and where it is in the way.
    with app.app_context():
        booked(at(FIRST_DAY + timedelta(days=3), 10), visit_type="acupuncture-follow-up", practitioner="mei")
    form = desk.get(f"{NEW}?patient={rosa}&template=disc")
    assert "a visit of the same kind besides: Acupuncture-Follow-Up, Thu, Sep 24." in form.text
    # On Saturdays the clinic closes at one.
    assert 'value="5-midday"' in form.text and 'value="5-evening"' not in form.text
    none = asked(desk, rosa).text
    assert "Outside the plan they have Acupuncture-Follow-Up on Thu, Sep 24" in none
    assert "Move Acupuncture-Follow-Up of Thu, Sep 24 to another day." in none and "Please ask us" not in none
    assert "Leave the times open as well." in asked(desk, rosa, when=["5-evening"]).text


def test_plus_and_minus_and_going_back_keep_what_was_asked(desk: FlaskClient, rosa: str) -> None:
    fewer = asked(desk, rosa, step="acupuncture-follow-up-", when=["2-morning"], reason="Numbness")
    assert "2 a week" in fewer.text and re.search(r'value="2-morning"[^>]* checked', fewer.text)
    assert 'value="Numbness"' in fewer.text
    # Where the screen locks on one of these pages, its form can be had again.
    for page in (fewer, asked(desk, rosa)):
        again = re.search(r'data-page="([^"]+)"', page.text)
        assert again and 'name="reason"' in desk.get(html.unescape(again[1])).text


@on_both
def test_what_isnt_understood_is_said(desk: FlaskClient, rosa: str) -> None:
    wrong: list[dict[str, str]] = [
        {"first_day": "yesterday"},
        {"first_day": "2026-09-01"},
        {"prescribed_by": "nobody"},
        {"dose-acupuncture-follow-up": "7-7"},
        {"dose-acupuncture-follow-up": "0-0", "dose-chiropractic-follow-up": "0-0"},
    ]
    for typed in wrong:
        answer = asked(desk, rosa, **typed)
        assert answer.status_code == 422 and "Error" in answer.text, typed


@on_both
def test_visits_that_break_the_plan_are_not_booked(app: Flask, desk: FlaskClient, rosa: str) -> None:
    form = [pair for pair in form_of(asked(desk, rosa)) if pair[0] != "visit"]
    start = "2026-09-22T16:00:00Z"
    for visits in ([], ["rubbish"], [f"disc mei {start}"], [f"acupuncture-follow-up mei {start}"]):
        assert desk.post(BOOK, data=sent(form) | {"visit": visits}).status_code in (404, 422), visits
    assert not [row for row in all_of(app, Appointment) if row["plan_id"] is not None]


def test_somebody_unknown_and_plans_that_arent_there(desk: FlaskClient, rosa: str) -> None:
    for address in (
        f"{NEW}?patient=ZZZZ",
        NEW,
        f"{NEW}?plan=ZZZZ",
        f"{NEW}?patient={rosa}&template=no",
        "/desk/plans/ZZZZ",
    ):
        assert desk.get(address).status_code == 404
    assert desk.get("/desk/plans?practitioner=nobody").status_code == 404
    assert desk.get("/desk/plans?need=rest").status_code == 404


def test_the_board_and_the_panel_lead_to_the_plan(app: Flask, desk: FlaskClient, rosa: str) -> None:
    with app.app_context():
        made = prescribed(rosa)
        booking = running(made)
    board = desk.get("/desk/plans").text
    assert f"/desk/plans/{made.reference}" in board and "Goes as planned" in board
    assert made.reference not in desk.get("/desk/plans?need=short").text
    assert made.reference in desk.get("/desk/plans?practitioner=mei").text
    panel = desk.get(f"/desk/visits/{booking.visits[4]['reference']}?panel=1").text
    assert f"/desk/plans/{made.reference}" in panel and re.search(r"visit \d+ of \d+", panel)
    assert re.search(r"Booked for [^<]*, with (Mei Tanaka|Daniel Okafor|Aaron Feld|Linh Pham)", panel)
    assert made.reference in desk.get(f"/desk/patients/{rosa}").text


def test_what_was_missed_leads_to_the_times_that_make_up_for_it(
    app: Flask, rosa: str, dana: Who, standing_clock: Any
) -> None:
    with app.app_context():
        booking = running(prescribed(rosa))
        visit, other, *_rest = seen(booking).visits
        standing_clock.at(visit.starts_at + timedelta(minutes=30))
    desk = signed_in(app, dana)
    path, there = f"/desk/visits/{visit.reference}", f"/desk/plans/{booking.reference}#missing"
    assert "Times that make up for it" not in desk.get(path).text
    typed = fields(desk.get(path).text.partition("<main")[2]) | {"to": "noshow"}
    told = desk.post(f"{path}/status", data=typed, headers={"Accept": "application/json"})
    assert told.json and told.json["make_up"] == there
    assert f'href="{there}">Times that make up for it' in desk.get(path).text
    assert 'id="missing"' in desk.get(there).text
    # As a page says it.
    path = f"/desk/visits/{other.reference}"
    typed = fields(desk.get(f"{path}/cancel").text.partition("<main")[2]) | {"by": "patient"}
    done = desk.post(f"{path}/cancel", data=typed, follow_redirects=True).text
    assert f'href="{there}">Times that make up for it' in done.partition('class="toasts"')[2]


def test_what_is_over_and_not_settled_has_come_in_the_table_and_in_its_row(
    app: Flask, rosa: str, dana: Who, standing_clock: Any
) -> None:
    with app.app_context():
        booking = running(prescribed(rosa))
        standing_clock.at(seen(booking).visits[1].ends_at)
    page = html.unescape(signed_in(app, dana).get(f"/desk/plans/{booking.reference}").text)
    came = sum(int(one) for one in re.findall(r'data-label="Came">(\d+)<', page)) // 2
    assert came == page.count("Came, not closed") == 2


def test_what_is_booked_before_the_plan_begins_counts_as_had(
    app: Flask, desk: FlaskClient, rosa: str
) -> None:
    def ticked() -> list[str]:
        page = desk.get(f"{NEW}?patient={rosa}&template=disc")
        return re.findall(r'name="returning" value="([^"]+)" checked', page.text)

    with app.app_context():
        booked(NINE + timedelta(days=7), visit_type="chiropractic-follow-up", practitioner="aaron")
    assert ticked() == ["acupuncture"], "the plan begins before it"
    with app.app_context():
        booked(NINE + timedelta(days=3), visit_type="chiropractic-follow-up", practitioner="aaron")
    assert sorted(ticked()) == ["acupuncture", "chiropractic"]
