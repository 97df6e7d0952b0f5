"""What is changed of a plan that runs: shown beforehand, done by one press, refused in words; by desk and practitioners."""

import re
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import delete, update
from werkzeug.test import TestResponse

from booking import clock
from booking.extensions import db
from booking.models import (
    Appointment,
    Claim,
    Message,
    MessageState,
    Patient,
    Plan,
    PlanEntry,
    Reminders,
    Role,
)
from booking.scheduling.allowances.terms import Beyond, Kind, Span, Terms, Window
from booking.scheduling.status import Status
from booking.services import clinic_rows
from booking.services.clinic import present
from booking.services.clinic_file import ClinicFile
from booking.services.desk.coverage import record
from booking.services.desk.statuses import cancel, correct, no_show
from booking.services.plans import shifting
from booking.services.plans.booking import BookedPlan, book
from booking.services.plans.changing import pause, stop
from booking.services.plans.extending import extend
from booking.services.plans.reading import PlanView
from booking.services.plans.visits import PlanVisit
from booking.services.staff.who import Who
from booking.web.free import instant
from tests.clinics import plan_clinic, set_up
from tests.conftest import StandingClock
from tests.services.making import booked, rows
from tests.services.plans.making import (
    FIRST_DAY,
    at,
    patient,
    prescribed,
    proposed,
    running,
    seen,
    times_told,
    wish,
)
from tests.staffing import hired, signed_in
from tests.web.conftest import fields, on_both

pytestmark = pytest.mark.clinic(plan_clinic())


@pytest.fixture
def disc(app: Flask) -> BookedPlan:
    """Acupuncture three times and chiropractic twice in each of four weeks, and a reassessment."""
    with app.app_context():
        return running(prescribed(patient()))


@pytest.fixture
def weekly(app: Flask) -> BookedPlan:
    with app.app_context():
        return running(prescribed(patient(), "weekly"))


def staff(app: Flask, slug: str) -> FlaskClient:
    with app.app_context():
        who = hired(Role.PRACTITIONER, practitioner=slug, name=slug.title())
    return signed_in(app, who)


def all_of(app: Flask, kind: Any) -> list[Any]:
    with app.app_context():
        return rows(kind)


def told(app: Flask) -> list[Any]:
    """The messages about changes, without those that another one has taken in."""
    changes = [row for row in all_of(app, Message) if row["kind"] == "plan-change"]
    return [row for row in changes if row["state"] is not MessageState.DROPPED]


def view(app: Flask, plan: BookedPlan) -> PlanView:
    with app.app_context():
        return seen(plan)


def link_of(app: Flask, plan: BookedPlan) -> str:
    with app.app_context():
        return f"/plan/{plan.reference}/{seen(plan).token}"


def address(plan: BookedPlan, change: str = "", where: str = "desk") -> str:
    return f"/{where}/plans/{plan.reference}" + (f"/change/{change}" if change else "")


def asked(client: FlaskClient, to: str, **typed: str) -> TestResponse:
    """The form filled in and sent, to be shown what it would do."""
    begun = client.get(to)
    assert begun.status_code == 200
    return client.post(to.partition("?")[0], data=fields(begun.text) | typed)


def pressed(client: FlaskClient, page: TestResponse, to: str, **typed: str) -> TestResponse:
    assert 'name="do"' in page.text, page.text
    return client.post(to.partition("?")[0], data=fields(page.text) | {"do": "1"} | typed)


def after(client: FlaskClient, done: TestResponse) -> str:
    assert done.status_code == 303, done.text
    return client.get(done.location).text


# Confirmed


@pytest.fixture
def gentle(app: Flask) -> BookedPlan:
    """A plan that its patient began by themselves."""
    with app.app_context():
        return book(wish(proposed("disc-gentle")[0], "disc-gentle"), actor="t", key="gentle-1")


def test_a_plan_that_its_patient_began_is_confirmed(
    app: Flask, dana: Who, gentle: BookedPlan, standing_clock: StandingClock
) -> None:
    desk = signed_in(app, dana)
    page = desk.get(address(gentle))
    # Before the examination it asks once more, with whom that is.
    assert "Confirm the plan" not in page.text and "Yes, confirm it now" in page.text
    assert "Not confirmed yet" in desk.get("/desk/plans?need=not_confirmed").text
    standing_clock.at(datetime.fromisoformat(gentle.visits[0]["starts_at"]) + timedelta(hours=1))
    desk = signed_in(app, dana)
    page = desk.get(address(gentle))
    assert "Confirm the plan" in page.text and "Yes, confirm it now" not in page.text
    assert "To be confirmed" in desk.get("/desk/plans?need=unconfirmed").text
    to = address(gentle, "confirm")
    done = desk.post(to, data=fields(page.text) | {"key": "confirm-1"})
    assert "Confirmed." in (there := after(desk, done)) and "Confirm the plan" not in there
    assert "Confirmed after the examination" in there
    assert all_of(app, Plan)[0]["confirmed_at"] is not None and len(told(app)) == 1
    assert not any(row["penciled"] for row in all_of(app, Appointment))


@on_both
def test_a_plan_that_is_confirmed_before_the_examination_says_so(
    app: Flask, dana: Who, gentle: BookedPlan
) -> None:
    desk = signed_in(app, dana)
    sent = fields(desk.get(address(gentle)).text) | {"key": "confirm-1"}
    assert "Confirmed before the examination" in after(desk, desk.post(address(gentle, "confirm"), data=sent))


def test_a_plan_that_was_stopped_is_not_confirmed(app: Flask, dana: Who, gentle: BookedPlan) -> None:
    desk = signed_in(app, dana)
    page = desk.get(address(gentle))
    with app.app_context():
        stop(dana, gentle.reference, "", key="stop-0001")
    done = desk.post(address(gentle, "confirm"), data=fields(page.text) | {"key": "confirm-1"})
    assert "Nothing was changed" in after(desk, done)
    assert all_of(app, Plan)[0]["confirmed_at"] is None


# Missed


@pytest.fixture
def missed(app: Flask, weekly: BookedPlan, standing_clock: StandingClock) -> BookedPlan:
    """Its second visit was missed, and its week isn't over."""
    with app.app_context():
        standing_clock.at(at(FIRST_DAY + timedelta(days=7), 8))
        visit = seen(weekly).standing[1]
    client = signed_in(app, _clerk(app))
    page = client.get(f"/desk/visits/{visit.reference}/cancel")
    version = re.search(r'name="version" value="(\d+)"', page.text)
    assert version
    answer = client.post(
        f"/desk/visits/{visit.reference}/cancel",
        data=fields(page.text) | {"reason": "Ill", "version": version[1], "key": "cancel-001"},
    )
    assert answer.status_code < 400
    return weekly


def _clerk(app: Flask) -> Who:
    with app.app_context():
        return hired(Role.DESK, name="Cancelling Clerk")


def takes(page: TestResponse) -> list[str]:
    return re.findall(r'name="take" value="([^"]+)"', page.text)


def test_a_missed_visit_is_made_up_by_one_press(app: Flask, dana: Who, missed: BookedPlan) -> None:
    desk = signed_in(app, dana)
    page = desk.get(address(missed))
    assert "Missing visits" in page.text and 1 <= len(takes(page)) <= 3
    done = desk.post(
        address(missed, "make-up"),
        data=fields(page.text) | {"key": "take-00001", "take": takes(page)[0]},
    )
    assert "Booked." in (there := after(desk, done)) and "Missing visits" not in there
    assert "Booked a visit in place of one that was missed or cancelled" in there
    assert len(view(app, missed).standing) == 6


def test_who_can_only_be_called_is_promised_no_message(app: Flask, dana: Who) -> None:
    with app.app_context():
        plan = running(prescribed(patient(email=None), "weekly"), reminders=Reminders.CALL)
        day = seen(plan).visits[1].starts_at.date()
        pause(dana, plan.reference, day, day, "Away", tell=False, key="pause-001")
    desk = signed_in(app, dana)
    page = desk.get(address(plan))
    typed = {"key": "take-00001", "take": takes(page)[0]}
    there = after(desk, desk.post(address(plan, "make-up"), data=fields(page.text) | typed))
    assert "Booked. Nobody is written to: they go on the list of calls." in there
    assert "Put them on the list of calls" in asked(desk, address(plan, "stop")).text


def test_a_make_up_time_that_was_taken_is_said_and_others_are_shown(
    app: Flask, dana: Who, missed: BookedPlan
) -> None:
    desk = signed_in(app, dana)
    page = desk.get(address(missed))
    _week, care, person, start = takes(page)[0].split(" ")
    starts_at = instant(start)
    assert starts_at
    with app.app_context():
        booked(starts_at, visit_type=care, practitioner=person, first_name="Sam", email="sam@example.com")
    done = desk.post(
        address(missed, "make-up"),
        data=fields(page.text) | {"key": "take-00001", "take": takes(page)[0]},
    )
    there = desk.get(done.location)
    assert "free any more" in there.text and takes(page)[0] not in takes(there) and takes(there)
    assert len(view(app, missed).standing) == 5


def test_the_patient_is_sent_the_link_to_the_times(app: Flask, dana: Who, missed: BookedPlan) -> None:
    desk = signed_in(app, dana)
    page = desk.get(address(missed))
    done = desk.post(address(missed, "offer"), data=fields(page.text) | {"key": "offer-0001"})
    assert "was sent" in after(desk, done)
    assert all_of(app, PlanEntry)[-1]["what"] == "offered make-up"
    form = fields(page.text) | {"missing": "1 acupuncture-follow-up"}
    said = desk.post(address(missed, "not-needed"), data=form | {"key": "without-reason"})
    assert "Please say why" in after(desk, said)
    said = desk.post(address(missed, "not-needed"), data=form | {"key": "not-needed", "reason": "Feels well"})
    assert "Missing visits" not in (there := after(desk, said)) and "of week 2 isn’t needed" in there


@on_both
def test_what_isnt_needed_is_taken_back_where_it_is_said_and_on_the_plans_page(
    app: Flask, dana: Who, missed: BookedPlan
) -> None:
    desk, to = signed_in(app, dana), address(missed, "needed")
    form = fields(desk.get(address(missed)).text) | {"missing": "1 acupuncture-follow-up", "reason": "Well"}

    def undos(page: str) -> list[dict[str, str]]:
        return [
            fields(one.partition("</form>")[0]) for one in page.split("<form ") if f'action="{to}"' in one
        ]

    def is_missing() -> bool:
        return [week.left for week in view(app, missed).weeks] == [0, 1, 0, 0, 0, 0]

    said = after(desk, desk.post(address(missed, "not-needed"), data=form | {"key": "not-needed"}))
    in_confirmation, in_list = undos(said)
    assert in_confirmation["entry"] == in_list["entry"] and in_confirmation["key"] != in_list["key"]
    (again,) = undos(desk.get(address(missed)).text)
    assert not is_missing()
    # What somebody else changed since is shown first.
    stale = {"key": "needed-stale", "version": str(int(again["version"]) - 1)}
    assert "somebody else changed this plan" in after(desk, desk.post(to, data=again | stale))
    assert not is_missing()
    for one in (in_confirmation, in_confirmation, in_list):
        back = after(desk, desk.post(to, data=one))
        assert "this visit is missing once more" in back and "of week 2 is needed after all" in back
        assert is_missing() and undos(back) == []
    assert [row["what"] for row in all_of(app, PlanEntry)[-2:]] == ["not needed", "needed"]
    # It may be said once more, and taken back once more.
    said = after(desk, desk.post(address(missed, "not-needed"), data=form | {"key": "not-again"}))
    assert not is_missing() and desk.post(to, data=undos(said)[1]).status_code == 303 and is_missing()
    for entry, status in (("", 422), ("x", 422), ("99999", 404), (str(int(again["entry"]) - 1), 404)):
        odd = again | {"key": f"odd-entry-{entry}", "entry": entry}
        assert desk.post(to, data=odd).status_code == status, entry


def test_what_isnt_needed_of_a_visit_that_took_place_after_all_is_listed_no_more(
    app: Flask, dana: Who, weekly: BookedPlan, standing_clock: StandingClock
) -> None:
    with app.app_context():
        visit = seen(weekly).standing[0]
        standing_clock.at(visit.starts_at + timedelta(minutes=20))
        no_show(dana, visit.reference, key="noshow-001")
    desk = signed_in(app, dana)
    form = fields(desk.get(address(weekly)).text) | {"missing": "0 acupuncture-follow-up", "reason": "Well"}
    said = after(desk, desk.post(address(weekly, "not-needed"), data=form | {"key": "not-needed"}))
    assert 'id="not-needed"' in said
    with app.app_context():
        correct(dana, visit.reference, Status.FULFILLED, reason="Came late", key="correct-1")
    assert 'id="not-needed"' not in desk.get(address(weekly)).text


@on_both
def test_a_make_up_that_nobody_offered_books_nothing(app: Flask, dana: Who, missed: BookedPlan) -> None:
    desk = signed_in(app, dana)
    form = fields(desk.get(address(missed)).text)
    start = "2026-09-28T16:00:00Z"
    for number, take in enumerate(("", "rubbish", f"1 no mei {start}")):
        typed = {"key": f"take-0000{number}", "take": take}
        assert desk.post(address(missed, "make-up"), data=form | typed).status_code in (404, 422), take
    nothing = {"key": "take-00003", "take": f"99 acupuncture-follow-up mei {start}"}
    said = after(desk, desk.post(address(missed, "make-up"), data=form | nothing))
    assert "isn’t missing any more" in said and len(view(app, missed).standing) == 5


def test_what_a_colleague_has_made_up_meanwhile_is_said(app: Flask, dana: Who, missed: BookedPlan) -> None:
    desk, theo = signed_in(app, dana), signed_in(app, _clerk(app))
    page = desk.get(address(missed))
    first, *_, last = takes(page)
    theirs = fields(theo.get(address(missed)).text) | {"key": "take-00001", "take": first}
    assert theo.post(address(missed, "make-up"), data=theirs).status_code == 303
    form = fields(page.text)
    for number, (what, typed) in enumerate(
        (
            ("make-up", {"take": last}),
            ("not-needed", {"missing": "1 acupuncture-follow-up", "reason": "Well"}),
        )
    ):
        late = desk.post(address(missed, what), data=form | typed | {"key": f"too-late-{number}"})
        assert "isn’t missing any more. This is how the plan stands now." in after(desk, late), what
    assert len(view(app, missed).standing) == 6 and "of week 2 isn’t needed" not in page.text


# Decided


def test_after_the_reassessment_it_is_decided_and_the_patient_told_only_if_they_know(
    app: Flask, disc: BookedPlan, standing_clock: StandingClock
) -> None:
    with app.app_context():
        standing_clock.at(at(FIRST_DAY + timedelta(days=27), 8))
    mei = staff(app, "mei")
    assert "Decide how it goes on" in mei.get(address(disc, where="mine")).text
    to = address(disc, "decide", where="mine")
    shown = asked(mei, to, decision="taper", weeks="2", **{"dose-acupuncture-follow-up": "1-1"})
    assert "2 further weeks, up to " in shown.text
    done = pressed(
        mei, shown, to, decision="taper", weeks="2", reason="Better", **{"dose-acupuncture-follow-up": "1-1"}
    )
    assert done.status_code == 303 and "from_week=4" in done.location
    with app.app_context():
        terms = Terms(Kind.INSURANCE, ("acupuncture",), 12, Window(Span.CALENDAR_YEAR), beyond=Beyond.ASK)
        record(hired(), rows(Patient)[0]["reference"], "Blue Shield", terms, key="record-1")
    plan = view(app, disc)
    assert (plan.course.weeks, plan.decided_phases, told(app)) == (6, 1, [])
    assert plan.course.doses("acupuncture-follow-up")[4:] == ((1, 1), (1, 1))
    # The further visits are chosen on the page that follows, which says what it would book.
    further = mei.get(done.location)
    assert "Booked" in further.text and "The decision is kept." in further.text
    assert further.text.count("may not be covered</span>") == 3 and "Book these visits" in further.text
    unasked = pressed(mei, further, address(disc, "doses", where="mine"), from_week="4", tell="1")
    assert unasked.status_code == 422 and "ask the payer" in unasked.text and not told(app)
    booked_all = pressed(
        mei, unasked, address(disc, "doses", where="mine"), from_week="4", tell="1", payer="1"
    )
    assert booked_all.status_code == 303, booked_all.text
    assert not any(week.left for week in view(app, disc).weeks[4:]) and len(told(app)) == 1
    assert sum(one.role == "reassessment" for one in view(app, disc).standing) == 2
    stands = mei.get(address(disc, where="mine")).text
    assert "Decided after a reassessment" in stands
    assert "3 visits ahead may not be covered" in stands and stands.count("may not be covered</span>") == 4


def test_after_further_weeks_the_form_begins_with_what_was_prescribed(app: Flask, disc: BookedPlan) -> None:
    with app.app_context():
        cancel(hired(), seen(disc).standing[2].reference, key="cancel-01")
        extend(hired(), disc.reference, "", key="extend-01")
    page = staff(app, "mei").get(address(disc, "decide", where="mine")).text
    assert 'name="weeks" min="1" max="26" value="4"' in page
    assert "3 a week" in page and "2 a week" in page


def test_before_the_end_a_plan_is_ended_with_what_lies_ahead(app: Flask, dana: Who, disc: BookedPlan) -> None:
    mei = staff(app, "mei")
    to = address(disc, "decide", where="mine")
    shown = asked(mei, to, decision="refer")
    assert "(21)" in shown.text
    done = pressed(mei, shown, to, decision="refer", told="1")
    assert done.status_code == 303
    there = signed_in(app, dana).get(address(disc)).text
    assert "Decided before the reassessment" in there and "Nothing more to do: it is over." in there
    assert view(app, disc).status == "completed" and len(told(app)) == 1


PHASES = [
    {"weeks": 2, "doses": {"acupuncture-follow-up": 3}},
    {"weeks": 2, "doses": {"acupuncture-follow-up": 1}},
]
TWO_PHASES = {"rest_days": {"acupuncture": 1}, "reassessment": ["acupuncture-reassessment"]}


@pytest.fixture
def tapering(app: Flask) -> BookedPlan:
    """Acupuncture three times a week, and once a week after the reassessment. Of that the last visit isn't booked yet."""
    with app.app_context():
        template = {"id": "tapering", "name": "Tapering", "phases": PHASES} | TWO_PHASES
        set_up(plan_clinic(plan_templates=[template]))
        plan = running(prescribed(patient(), "tapering"))
        last = next(one for one in reversed(seen(plan).standing) if one.role == "dose")
        with db.engine.begin() as connection:
            connection.execute(delete(Claim).where(Claim.appointment_id == last.id))
            connection.execute(
                update(Appointment)
                .where(Appointment.id == last.id)
                .values(status="cancelled", plan_role=None)
            )
    return plan


def penciled(app: Flask, plan: BookedPlan) -> list[bool]:
    return [one.penciled for one in view(app, plan).standing if one.week > 1 and one.role == "dose"]


def test_to_taper_goes_on_into_the_phase_that_is_prescribed_next(app: Flask, tapering: BookedPlan) -> None:
    mei, to = staff(app, "mei"), address(tapering, "decide", where="mine")
    assert penciled(app, tapering) == [True]
    page = mei.get(to).text
    assert "Go on as prescribed: acupuncture once a week, for 2 weeks" in page
    shown = asked(mei, to, decision="taper")
    assert "Firm from now on <span" in shown.text and "Booked <span" in shown.text
    assert "Cancelled" not in shown.text and "further week" not in shown.text
    assert re.search(
        r"<dt>After</dt><dd>Acupuncture once a week, for 2 weeks. Acupuncture: \w{3} ", shown.text
    )
    done = pressed(mei, shown, to, decision="taper", told="1", reason="Better")
    assert done.location == address(tapering, where="mine")
    assert penciled(app, tapering) == [False, False]
    plan = view(app, tapering)
    assert [week.left for week in plan.weeks] == [0] * 4 and (plan.course.weeks, plan.decided_phases) == (
        4,
        1,
    )
    (message,) = told(app)
    with app.app_context():
        assert [len(one) for one in times_told(message["facts"]).values()] == [0, 1, 1]
    assert all_of(app, PlanEntry)[-1]["facts"]["decision"] == "taper"


@on_both
def test_whoever_comes_as_often_as_before_instead_keeps_the_rhythm(app: Flask) -> None:
    with app.app_context():
        rarer = {"weeks": 4, "every": 2, "doses": {"acupuncture-follow-up": 1}}
        phases = [{"weeks": 2, "doses": {"acupuncture-follow-up": 2}}, rarer]
        template = {"id": "rarer", "name": "Rarer", "phases": phases} | TWO_PHASES
        set_up(plan_clinic(plan_templates=[template]))
        plan = running(prescribed(patient(), "rarer"))
    mei, to = staff(app, "mei"), address(plan, "decide", where="mine")
    page = mei.get(to).text
    assert "Go on as prescribed: acupuncture once every second week, for 4 weeks" in page
    assert "Come as often as before instead: acupuncture twice a week, for 4 weeks" in page
    shown = asked(mei, to, decision="continue")
    assert re.search(r"<dt>After</dt><dd>Acupuncture twice a week, for 4 weeks\. ", shown.text)
    assert "next page" not in shown.text and "Firm from now on" in shown.text
    done = pressed(mei, shown, to, decision="continue", told="1")
    assert done.location == address(plan, where="mine")
    found = view(app, plan)
    assert found.course.doses("acupuncture-follow-up") == ((2, 2),) * 6
    doses = [[one for one in week.visits if one.stands and one.role == "dose"] for week in found.weeks]
    assert [len(week) for week in doses] == [2] * 6 and [week.left for week in found.weeks] == [0] * 6
    assert not any(one.penciled for one in found.standing)
    assert len([one for one in found.standing if one.role == "reassessment"]) == 2
    (message,) = told(app)
    with app.app_context():
        assert len(times_told(message["facts"])["added"]) >= 6


def test_what_comes_every_second_week_is_named_so_when_it_is_changed(app: Flask, dana: Who) -> None:
    with app.app_context():
        phases = [{"weeks": 4, "every": 2, "doses": {"acupuncture-follow-up": 1}}]
        template = {"id": "rare", "name": "Rare", "phases": phases} | TWO_PHASES
        set_up(plan_clinic(plan_templates=[template]))
        plan = running(prescribed(patient(), "rare"))
    page = asked(signed_in(app, dana), address(plan, "doses"), step="acupuncture-follow-up+").text
    assert "2 every 2 weeks" in page and "2 a week" not in page


def test_where_less_was_not_prescribed_next_to_taper_leads_to_how_often(app: Flask) -> None:
    with app.app_context():
        same = [{"weeks": 2, "doses": {"acupuncture-follow-up": 2}}] * 2
        template = {"id": "same", "name": "Same", "phases": same} | TWO_PHASES
        set_up(plan_clinic(plan_templates=[template]))
        plan = running(prescribed(patient(), "same"))
    mei, to = staff(app, "mei"), address(plan, "decide", where="mine")
    assert "Go on as prescribed: acupuncture twice a week" in mei.get(to).text
    done = pressed(mei, asked(mei, to, decision="taper"), to, decision="taper")
    assert "from_week=2" in done.location
    further = mei.get(done.location)
    fewer = {"from_week": "2", "dose-acupuncture-follow-up": "1-1"}
    doses = address(plan, "doses", where="mine")
    shown = mei.post(doses, data=fields(further.text) | fewer)
    assert pressed(mei, shown, doses, **fewer).status_code == 303
    assert [
        len([one for one in week.visits if one.stands and one.role == "dose"])
        for week in view(app, plan).weeks
    ] == [2, 2, 1, 1]


NOTHING = {"dose-acupuncture-follow-up": "0-0", "dose-chiropractic-follow-up": "0-0"}
UNCLEAR: list[dict[str, str]] = [
    {},
    {"decision": "dance"},
    {"decision": "taper"},
    {"decision": "continue", "weeks": "99"},
    {"decision": "taper"} | NOTHING,
]


def test_a_decision_that_isnt_understood_is_asked_again(app: Flask, disc: BookedPlan) -> None:
    mei, to = staff(app, "mei"), address(disc, "decide", where="mine")
    for typed in UNCLEAR:
        answer = asked(mei, to, reason="Much better", **typed)
        assert answer.status_code == 422 and "Error" in answer.text, typed
        assert 'value="Much better"' in answer.text, typed
    assert view(app, disc).decided_phases == 0


# Looked at again


def test_a_reassessment_that_was_called_off_is_booked_anew_from_the_plans_page(
    app: Flask, dana: Who, disc: BookedPlan
) -> None:
    desk, look = signed_in(app, dana), address(disc, "look")
    assert look not in desk.get(address(disc)).text and desk.get(look).status_code == 303
    with app.app_context():
        cancel(dana, seen(disc).standing[-1].reference, key="cancel-01")
    assert "Nobody is booked to look again" in desk.get(address(disc)).text
    shown = desk.get(look)
    assert "reassessment" in shown.text.lower() and "Booked <span" in shown.text
    page = after(desk, pressed(desk, shown, look, reason="Was ill"))
    assert "The reassessment is shown below." in page and "Booked a reassessment" in page
    assert view(app, disc).standing[-1].role == "reassessment" and look not in page
    # Where there is no time for it, that is said.
    with app.app_context():
        last = seen(disc).standing[-1]
        day = present().times.local_date(last.starts_at)
        pause(dana, disc.reference, day, day + timedelta(days=30), "Ill", key="pause-001")
    shown = desk.get(look)
    assert (
        "No time was found for the reassessment after week 4." in shown.text and 'name="do"' not in shown.text
    )


def test_weeks_that_are_too_far_ahead_are_named_with_when_they_can_be_booked(app: Flask, dana: Who) -> None:
    with app.app_context():
        first = clock.now().date() + timedelta(days=103)
        plan = running(prescribed(patient(), first_day=first))
    desk, doses = signed_in(app, dana), address(plan, "doses")
    shown = asked(desk, doses, from_week="1", **{"dose-acupuncture-follow-up": "2-2"}).text
    with app.app_context():
        day = present().times.day(clock.now().date() + timedelta(days=3))
    assert f"Weeks 3 to 4 lie too far ahead. Week 3 can be booked from {day} on" in shown
    assert address(plan, "look") not in desk.get(address(plan)).text


# More or less often


def test_less_often_from_a_week_on_is_shown_and_done(app: Flask, dana: Who, disc: BookedPlan) -> None:
    desk = signed_in(app, dana)
    to = address(disc, "doses")
    typed = {"from_week": "2", "dose-acupuncture-follow-up": "2-2"}
    shown = asked(desk, to, **typed)
    assert "Cancelled" in shown.text and "(2)" in shown.text and len(view(app, disc).standing) == 21
    done = pressed(desk, shown, to, reason="Better", tell="1", **typed)
    assert "Changed." in after(desk, done)
    plan = view(app, disc)
    assert len(plan.standing) == 19 and len(told(app)) == 1
    assert plan.course.doses("acupuncture-follow-up") == ((3, 3), (3, 3), (2, 2), (2, 2))


def test_every_second_week_from_a_week_on_is_shown_and_done(
    app: Flask, dana: Who, weekly: BookedPlan
) -> None:
    desk, to = signed_in(app, dana), address(weekly, "doses")
    form = desk.get(to)
    assert "In which weeks" in form.text and '<option value="">As it is</option>' in form.text
    shown = asked(desk, to, from_week="2", every="2")
    assert '<option value="2" selected>' in shown.text and "1 every 2 weeks" in shown.text
    before, now = re.findall(r"<dt>(?:Before|After)</dt><dd>([^<]*)</dd>", shown.text)
    assert "once a week, for 4 weeks" in before and "once every second week, for 4 weeks" in now
    # Another rhythm than the one that was shown is shown first.
    other = pressed(desk, shown, to, from_week="2", every="3", tell="1")
    assert other.status_code == 409 and "This is what it would do now." in other.text
    done = pressed(desk, shown, to, from_week="2", every="2", tell="1")
    assert "Changed." in after(desk, done)
    assert sorted(one.week for one in view(app, weekly).standing) == [0, 1, 2, 4]
    same = asked(desk, to, from_week="4", every="2")
    assert "No visit is changed by it." in same.text and 'name="do"' not in same.text
    nonsense = asked(desk, to, from_week="2", every="0")
    assert nonsense.status_code == 200 and "No visit is changed by it." in nonsense.text


def test_who_decides_to_taper_may_choose_every_second_week_alone(
    app: Flask, disc: BookedPlan, standing_clock: StandingClock
) -> None:
    with app.app_context():
        standing_clock.at(at(FIRST_DAY + timedelta(days=27), 8))
    mei, to = staff(app, "mei"), address(disc, "decide", where="mine")
    shown = asked(mei, to, decision="taper", weeks="4")
    assert shown.status_code == 422 and "Please say how often they come from now on." in shown.text
    as_it_is = asked(mei, to, decision="taper", weeks="4", every="1")
    assert as_it_is.status_code == 422 and "Please say how often they come from now on." in as_it_is.text
    typed = {"decision": "taper", "weeks": "4", "every": "2"}
    shown = asked(mei, to, **typed)
    assert "3 every 2 weeks" in shown.text
    done = pressed(mei, shown, to, **typed)
    further = mei.get(done.location)
    assert "Booked" in further.text and "(11)" in further.text
    done = pressed(mei, further, address(disc, "doses", where="mine"), from_week="4")
    assert done.status_code == 303
    assert {one.week for one in view(app, disc).standing if one.role != "reassessment"} == {0, 1, 2, 3, 4, 6}


def test_the_preview_shows_the_weeks_before_and_after(app: Flask, dana: Who, disc: BookedPlan) -> None:
    fewer = {"dose-acupuncture-follow-up": "2-2", "dose-chiropractic-follow-up": "1-1"}
    page = asked(signed_in(app, dana), address(disc, "doses"), from_week="2", **fewer).text
    before, now = re.findall(r"<dt>(?:Before|After)</dt><dd>([^<]*)</dd>", page)
    assert before.startswith("Acupuncture 3 times a week and chiropractic twice a week, for 2 weeks. ")
    assert now.startswith("Acupuncture twice a week and chiropractic once a week, for 2 weeks. ")
    weekdays = re.compile(r"Mon|Tue|Wed|Thu|Fri|Sat")
    for words, number in ((before, 3), (now, 2)):
        of_acupuncture = words.partition(". ")[2].partition(";")[0]
        assert of_acupuncture.startswith("Acupuncture: ") and len(weekdays.findall(of_acupuncture)) == number


def test_a_kind_of_care_that_was_set_to_none_has_its_field_still(
    app: Flask, dana: Who, disc: BookedPlan
) -> None:
    desk, to, care = signed_in(app, dana), address(disc, "doses"), "dose-chiropractic-follow-up"
    # Also where the whole plan has none of it.
    for week in ("2", "0"):
        none = {"from_week": week, care: "0-0"}
        assert pressed(desk, asked(desk, to, **none), to, **none).status_code == 303
        form = desk.get(f"{to}?from_week=2")
        assert f'name="{care}" value=""' in form.text and 'role="status">none</span>' in form.text
        if week == "2":
            assert 'role="status">2 a week, then none</span>' in desk.get(f"{to}?from_week=1").text
    one_more = asked(desk, to, from_week="2", step="chiropractic-follow-up+")
    assert f'name="{care}" value="1-1"' in one_more.text and 'role="status">1 a week' in one_more.text
    again = {"from_week": "2", care: "1-1"}
    assert pressed(desk, asked(desk, to, **again), to, **again).status_code == 303
    assert view(app, disc).course.doses("chiropractic-follow-up") == ((0, 0), (0, 0), (1, 1), (1, 1))
    assert not any(week.left for week in view(app, disc).weeks)


def test_plus_and_minus_of_a_change_keep_what_was_typed(app: Flask, dana: Who, disc: BookedPlan) -> None:
    desk = signed_in(app, dana)
    answer = asked(
        desk, address(disc, "doses"), from_week="2", step="acupuncture-follow-up-", reason="Better"
    )
    assert "2 a week" in answer.text and 'value="Better"' in answer.text and 'name="do"' not in answer.text


def test_something_else_than_was_shown_is_shown_first(app: Flask, dana: Who, disc: BookedPlan) -> None:
    desk = signed_in(app, dana)
    to = address(disc, "doses")
    shown = asked(desk, to, from_week="2", **{"dose-acupuncture-follow-up": "2-2"})
    other = pressed(desk, shown, to, from_week="1", **{"dose-acupuncture-follow-up": "2-2"})
    assert other.status_code == 409 and "(3)" in other.text
    assert len(view(app, disc).standing) == 21


def test_nothing_at_all_is_no_plan(app: Flask, dana: Who, disc: BookedPlan) -> None:
    desk = signed_in(app, dana)
    none = {"dose-acupuncture-follow-up": "0-0", "dose-chiropractic-follow-up": "0-0"}
    answer = asked(desk, address(disc, "doses"), from_week="2", **none)
    assert answer.status_code == 422 and "too few visits" in answer.text


# Paused


def test_a_holiday_is_shown_and_its_visits_given_up(app: Flask, dana: Who, disc: BookedPlan) -> None:
    desk = signed_in(app, dana)
    to = address(disc, "pause")
    first = FIRST_DAY + timedelta(days=14)
    typed = {"first": first.isoformat(), "last": (first + timedelta(days=6)).isoformat()}
    shown = asked(desk, to, reason="Travels", **typed)
    assert "(5)" in shown.text and 'value="Travels"' in shown.text
    form = {**typed, "reason": "Travels", "tell": "1"}
    done = pressed(desk, shown, to, **form)
    assert "given up" in after(desk, done)
    assert [week.left for week in view(app, disc).weeks] == [0, 0, 5, 0] and len(told(app)) == 1
    extend = address(disc, "extend")
    assert extend in desk.get(address(disc)).text
    longer = desk.get(extend)
    assert "1 further week, up to" in longer.text and "Moved to the end of the plan" in longer.text
    assert after(desk, pressed(desk, longer, extend, reason="Travels")).count("Extended") == 3
    found = view(app, disc)
    assert [week.left for week in found.weeks] == [0] * 5 and found.course.looks == 1
    assert len(found.weeks[4].visits) >= 5 and found.standing[-1].role == "reassessment"
    assert desk.get(extend).location == address(disc)
    # Sent once more, it is the same; nothing is done twice.
    assert pressed(desk, shown, to, **form).location == done.location
    assert len(told(app)) == 1
    # Something else in a form that was sent is refused.
    altered = pressed(desk, shown, to, **{**form, "reason": "Ill"})
    assert altered.status_code == 409 and "sent before" in altered.text and 'value="Ill"' in altered.text


def test_a_pause_that_is_called_off_is_ended_from_the_plans_page(
    app: Flask, dana: Who, weekly: BookedPlan, client: FlaskClient, standing_clock: StandingClock
) -> None:
    desk, to = signed_in(app, dana), address(weekly, "go-on")
    assert to not in desk.get(address(weekly)).text and "be done with this plan now" in after(
        desk, desk.get(to)
    )
    first, last = FIRST_DAY + timedelta(days=7), FIRST_DAY + timedelta(days=20)
    with app.app_context():
        pause(dana, weekly.reference, first, last, "Travels", key="pause-001")
    page = desk.get(address(weekly)).text
    assert to in page and "Paused from Mon, Sep 28 to Sun, Oct 11." in page
    assert "Your plan is paused from Mon, Sep 28" in client.get(link_of(app, weekly)).text
    shown = desk.get(to)
    assert 'name="first" value="2026-09-28"' in shown.text and "Mon, Sep 28 – Sun, Oct 11" in shown.text
    assert "Mon, Sep 28, 9:00 am, Acupuncture" in shown.text and 'name="tell"' not in shown.text
    for day, words in (
        ("", "Please choose the day"),
        ("2026-09-01", "That day is over."),
        ("2026-10-12", "rest on that day"),
    ):
        answer = desk.post(to, data=fields(shown.text) | {"first": day, "reason": "At home"})
        assert words in answer.text and 'name="do"' not in answer.text, day
        assert f'name="first" value="{day}"' in answer.text and 'value="At home"' in answer.text
    form = {"first": "2026-10-05", "reason": "At home"}
    later = desk.post(to, data=fields(shown.text) | form)
    done = pressed(desk, later, to, **form)
    there = after(desk, done)
    assert "The pause is over before that day." in there and "Paused from Mon, Sep 28 to Sun, Oct 4." in there
    assert "Ended the pause sooner" in there
    # Sent once more, it is the same.
    again = pressed(desk, later, to, **form)
    assert again.location == done.location
    assert "This was sent before. This is how the plan stands now." in after(desk, again)
    assert len(view(app, weekly).pauses) == 1
    whole = pressed(desk, desk.get(to), to)
    assert "Paused" not in after(desk, whole).split("What was done")[0].split("Change the plan")[0]
    mine = client.get(link_of(app, weekly)).text
    assert "paused" not in mine and "1 visit is missing in this week." in mine


@pytest.mark.clinic(plan_clinic(rules={"make_up_sent_by": "worker"}))
def test_where_the_worker_sends_times_the_end_of_a_pause_says_so(
    app: Flask, dana: Who, weekly: BookedPlan
) -> None:
    words = "The patient is sent the link to times for what is missing."
    with app.app_context():
        pause(dana, weekly.reference, FIRST_DAY, FIRST_DAY, "Ill", key="pause-001")
    assert words in signed_in(app, dana).get(address(weekly, "go-on")).text


@pytest.mark.clinic(plan_clinic(rules={"make_up_sent_by": "worker"}))
def test_who_can_only_be_called_is_to_be_called_about_the_end_of_a_pause(app: Flask, dana: Who) -> None:
    with app.app_context():
        made = prescribed(patient(email=None), "weekly")
        plan = running(made, reminders=Reminders.CALL)
        pause(dana, plan.reference, FIRST_DAY, FIRST_DAY, "Ill", key="pause-001")
    shown = signed_in(app, dana).get(address(plan, "go-on")).text
    assert "Please call the patient about what is missing." in shown and "is sent the link" not in shown


def test_a_plan_that_is_over_is_extended_from_now_on(
    app: Flask, dana: Who, disc: BookedPlan, standing_clock: StandingClock
) -> None:
    first = FIRST_DAY + timedelta(days=21)
    with app.app_context():
        pause(dana, disc.reference, first, first + timedelta(days=12), "Ill", key="pause-001")
        standing_clock.at(at(first + timedelta(days=14), 8))
    desk, extend = signed_in(app, dana), address(disc, "extend")
    shown = desk.get(extend)
    assert "1 further week, up to Sunday, November 1" in shown.text
    page = after(desk, pressed(desk, shown, extend))
    assert "Extended" in page and "then no visits, for 1 week, then acupuncture 3 times a week" in page
    found = view(app, disc)
    assert [week.left for week in found.weeks] == [0] * 6 and len(found.weeks[5].visits) >= 5
    assert desk.get(address(disc, "doses")).status_code == 200


@on_both
def test_days_that_arent_understood_give_nothing_up(app: Flask, dana: Who, disc: BookedPlan) -> None:
    desk = signed_in(app, dana)
    for first, last in (
        ("", ""),
        ("2026-09-30", "2026-09-28"),
        ("2026-09-01", "2026-09-02"),
        ("soon", "9999-99-99"),
    ):
        answer = asked(desk, address(disc, "pause"), first=first, last=last, reason="Travels")
        assert answer.status_code == 422 and 'value="Travels"' in answer.text, first
    assert len(view(app, disc).standing) == 21


# Stopped


def test_a_plan_is_stopped_quietly_if_so_wished(app: Flask, dana: Who, disc: BookedPlan) -> None:
    desk = signed_in(app, dana)
    to = address(disc, "stop")
    page = desk.get(to)
    assert "(21)" in page.text and "checked" in page.text
    done = pressed(desk, page, to, reason="Moves away")
    there = after(desk, done)
    assert "Stopped." in there and "Change the plan" not in there
    assert "Nothing more to do: it is over." in there and "not booked" not in there
    assert view(app, disc).standing == () and told(app) == []
    entry = all_of(app, PlanEntry)[-1]
    assert (entry["what"], entry["why"], entry["actor_name"]) == ("stopped", "Moves away", "Dana Desk")
    assert desk.get(to).location == address(disc)


def test_what_was_changed_meanwhile_is_said_and_shown(app: Flask, dana: Who, disc: BookedPlan) -> None:
    desk, aaron = signed_in(app, dana), staff(app, "aaron")
    to = address(disc, "stop")
    page = desk.get(to)
    pause_at = address(disc, "pause", where="mine")
    typed = {"first": FIRST_DAY.isoformat(), "last": FIRST_DAY.isoformat()}
    pressed(aaron, asked(aaron, pause_at, **typed), pause_at, **typed)
    late = pressed(desk, page, to, reason="Moves away")
    assert late.status_code == 409 and "somebody else changed this plan" in late.text
    assert 'value="Moves away"' in late.text and view(app, disc).status == "running"
    assert pressed(desk, late, to, reason="Moves away").status_code == 303


# Moved with all later ones


def test_a_visit_that_a_colleague_cancelled_meanwhile_is_said_to_be_gone(
    app: Flask, dana: Who, weekly: BookedPlan
) -> None:
    desk, visit = signed_in(app, dana), view(app, weekly).standing[1]
    to = address(weekly, f"shift?visit={visit.reference}")
    typed = {"day": (FIRST_DAY + timedelta(days=10)).isoformat(), "time": "14:00", "who": ""}
    shown = asked(desk, to, **typed)
    with app.app_context():
        cancel(hired(), visit.reference, key="cancel-001")
    words = "This visit was cancelled or missed meanwhile. This is how the plan stands now."
    assert words in after(desk, desk.get(to))
    form = fields(shown.text) | typed
    assert words in after(desk, desk.post(address(weekly, "shift"), data=form))
    assert words in after(desk, pressed(desk, shown, address(weekly, "shift"), **typed))
    assert len(view(app, weekly).standing) == 5
    assert desk.get(address(weekly, "shift?visit=not-of-this-plan")).status_code == 404


def test_a_visit_and_all_later_ones_are_moved(app: Flask, dana: Who, weekly: BookedPlan) -> None:
    desk = signed_in(app, dana)
    visit = view(app, weekly).standing[1]
    to = address(weekly, f"shift?visit={visit.reference}")
    assert to in desk.get(address(weekly)).text
    day = (FIRST_DAY + timedelta(days=10)).isoformat()
    typed = {"day": day, "time": "14:00", "who": ""}
    shown = asked(desk, to, **typed)
    assert "Moved" in shown.text and "(5)" in shown.text
    # Where the screen locks here, the form can be had again.
    assert f'data-page="{to}"' in shown.text
    done = pressed(desk, shown, to, tell="1", **typed)
    assert "Moved:" in after(desk, done)
    with app.app_context():
        starts = [one.starts_at for one in seen(weekly).standing]
        assert starts[1] == at(FIRST_DAY + timedelta(days=10), 14)
    assert len(told(app)) == 1


def test_a_visit_that_is_cancelled_at_that_moment_is_said_to_be_gone(
    app: Flask, dana: Who, weekly: BookedPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, visit = signed_in(app, dana), view(app, weekly).standing[1]
    typed = {"day": (FIRST_DAY + timedelta(days=10)).isoformat(), "time": "14:00", "who": ""}
    to, moved = address(weekly, f"shift?visit={visit.reference}"), shifting.shift

    def first_cancelled(*args: Any, **how: Any) -> Any:
        cancel(hired(), visit.reference, key="cancel-001")
        return moved(*args, **how)

    shown = asked(desk, to, **typed)
    monkeypatch.setattr(shifting, "shift", first_cancelled)
    assert "was cancelled or missed meanwhile" in after(desk, pressed(desk, shown, to, **typed))


def test_visits_are_moved_beyond_what_asks_first_once_the_payer_was_asked(
    app: Flask, dana: Who, weekly: BookedPlan
) -> None:
    desk = signed_in(app, dana)
    *_, visit, last = view(app, weekly).standing
    until = present_day(app, last)
    terms = Terms(Kind.PACKAGE, ("acupuncture",), 12, Window(Span.LIFETIME), beyond=Beyond.ASK, ends=until)
    with app.app_context():
        record(hired(), rows(Patient)[0]["reference"], "Package", terms, key="record-1")
    to = address(weekly, f"shift?visit={visit.reference}")
    typed = {"day": (present_day(app, visit) + timedelta(days=1)).isoformat(), "time": "14:00", "who": ""}
    shown = asked(desk, to, **typed)
    assert shown.text.count("may not be covered</span>") == 1 and 'name="payer"' in shown.text
    unasked = pressed(desk, shown, to, **typed)
    assert unasked.status_code == 422 and "ask the payer" in unasked.text
    assert view(app, weekly).standing[-1].starts_at == last.starts_at
    assert "The payer was asked." in after(desk, pressed(desk, unasked, to, payer="1", **typed))


def present_day(app: Flask, visit: PlanVisit) -> date:
    with app.app_context():
        return present().times.local_date(visit.starts_at)


def test_what_isnt_free_there_and_what_isnt_kept_is_said(app: Flask, dana: Who, weekly: BookedPlan) -> None:
    desk = signed_in(app, dana)
    plan = view(app, weekly)
    visit = plan.standing[1]
    to = address(weekly, f"shift?visit={visit.reference}")
    sunday = asked(desk, to, day=(FIRST_DAY + timedelta(days=13)).isoformat(), time="10:00", reason="Work")
    assert "Not free there" in sunday.text and 'name="do"' not in sunday.text
    assert "Mei Tanaka doesn&#39;t work then" in sunday.text
    offered = re.findall(r'name="instead" value="([^"]+)"', sunday.text)
    taken = desk.post(to.partition("?")[0], data=fields(sunday.text) | {"instead": offered[0]})
    assert f'value="{offered[0][:10]}"' in taken.text and 'name="do"' in taken.text
    assert 'value="Work"' in sunday.text
    nearer = asked(desk, to, day=(FIRST_DAY + timedelta(days=1)).isoformat(), time="10:00")
    assert "keep any more" in nearer.text
    assert view(app, weekly).standing == plan.standing


@on_both
def test_a_time_that_isnt_understood_moves_nothing(app: Flask, dana: Who, weekly: BookedPlan) -> None:
    desk, before = signed_in(app, dana), view(app, weekly).standing
    to = address(weekly, f"shift?visit={before[1].reference}")
    wrong: list[dict[str, str]] = [
        {"day": "soon"},
        {"time": "10:07"},
        {"time": "25:00"},
        {"who": "nobody"},
        {"who": "aaron"},
        {"day": "2026-09-01"},
        {"time": "10:00+02:00"},
        {},
    ]
    for typed in wrong:
        assert asked(desk, to, **typed).status_code == 422, typed
    for day, says in (("2020-01-01", "That time is over."), ("2032-01-01", "too far ahead")):
        assert says in asked(desk, to, day=day).text
    for day in ("2027-06-01", "2026-09-15"):
        outside = asked(desk, to, day=day, time="10:00").text
        assert "that is outside the weeks of the plan." in outside and 'name="do"' not in outside
    assert view(app, weekly).standing == before


# Who


CHANGES = (
    "confirm",
    "told",
    "make-up",
    "not-needed",
    "needed",
    "offer",
    "decide",
    "doses",
    "look",
    "pause",
    "stop",
    "shift",
)


def test_practitioners_change_plans_of_their_own_patients_only(app: Flask, disc: BookedPlan) -> None:
    people = {one.practitioner.slug for one in view(app, disc).standing}
    stranger = next(slug for slug in ("dan", "lin", "mei", "aaron") if slug not in people)
    client = staff(app, stranger)
    token = fields(client.get("/mine/plans").text)
    for change in CHANGES:
        to = address(disc, change, where="mine")
        assert client.get(to).status_code == 404
        sent = client.post(to, data=token | {"key": "somebody-else", "do": "1", "version": "1"})
        assert sent.status_code == 404
    own = staff(app, "mei")
    page = own.get(address(disc, where="mine")).text
    assert all(address(disc, change, where="mine") in page for change in ("doses", "pause", "stop", "decide"))
    assert len(view(app, disc).standing) == 21


def test_what_doesnt_fit_isnt_offered(app: Flask, dana: Who, weekly: BookedPlan) -> None:
    desk = signed_in(app, dana)
    page = desk.get(address(weekly)).text
    assert address(weekly, "stop") in page
    assert address(weekly, "decide") not in page and "Missing visits" not in page
    assert desk.get(address(weekly, "decide")).status_code == 303
    assert desk.get(address(weekly, "dance")).status_code == 404


# Given up for another visit


def test_a_time_that_is_held_for_a_plan_is_taken_by_one_more_press(
    app: Flask, dana: Who, weekly: BookedPlan
) -> None:
    plan = view(app, weekly)
    held = plan.standing[3]
    with app.app_context():
        with db.engine.begin() as connection:
            connection.execute(update(Appointment).where(Appointment.id == held.id).values(penciled=True))
        otto = patient("Otto", "otto@example.com")
    desk, local = signed_in(app, dana), held.starts_at.astimezone(plan.clinic.zone)
    wanted = {
        "patient": otto, "visit_type": held.visit_type.slug, "practitioner": held.practitioner.slug, "tell": "1",
        "time": "other", "other_day": local.date().isoformat(), "other_time": f"{local:%H:%M}",
    }  # fmt: skip
    page = desk.post("/desk/book", data=fields(desk.get(f"/desk/book?patient={otto}").text) | wanted)
    assert "Held for the plan of Rosa Lima until Mei Tanaka decides how it goes on" in page.text
    (reason,) = re.findall(r'name="reason" value="([^"]+)"', page.text)
    done = desk.post("/desk/book", data=fields(page.text) | wanted | {"reason": reason})
    assert done.status_code == 303
    assert [row["status"] for row in all_of(app, Appointment) if row["id"] == held.id] == ["cancelled"]
    there = desk.get(f"/desk/visits/{held.reference}").text
    assert "Was penciled in, and gave way to another visit" in there


# What nobody gives any more


def nobody_gives(*slugs: str) -> ClinicFile:
    """The clinic once its file names nobody for these visit types."""
    definition = plan_clinic().model_dump(mode="json")
    for person in definition["practitioners"]:
        person["offers"] = [one for one in person["offers"] if one["visit_type"] not in slugs]
    return ClinicFile.model_validate(definition)


def once_nobody_gives(app: Flask, disc: BookedPlan, *slugs: str) -> None:
    """The plan lacks its look and one visit by then."""
    with app.app_context():
        (look,) = (one for one in seen(disc).standing if one.role == "reassessment")
        cancel(hired(), look.reference, key="cancel-01")
        cancel(hired(), seen(disc).standing[0].reference, key="cancel-02")
        clinic_rows.apply(nobody_gives(*slugs))


@pytest.mark.parametrize("change", ["look", "extend", "doses?from_week=1"])
def test_what_nobody_gives_any_more_is_said_on_the_pages_of_change(
    change: str, app: Flask, desk: FlaskClient, disc: BookedPlan
) -> None:
    once_nobody_gives(app, disc, "acupuncture-follow-up")
    page = desk.get(address(disc, change))
    assert page.status_code == 422 and "Nobody gives all that this plan asks for any more." in page.text
    assert f'href="{address(disc)}"' in page.text
    sent = desk.post(
        address(disc, change.partition("?")[0]), data=fields(page.text) | {"do": "1", "from_week": "1"}
    )
    assert sent.status_code == 422 and "Nobody gives all that this plan asks for any more." in sent.text


def test_doses_are_changed_though_nobody_gives_the_look_any_more(
    app: Flask, desk: FlaskClient, disc: BookedPlan
) -> None:
    once_nobody_gives(app, disc, "acupuncture-reassessment", "chiropractic-reassessment")
    fewer = {"from_week": "1", "dose-acupuncture-follow-up": "2-2"}
    shown = asked(desk, address(disc, "doses"), **fewer)
    assert shown.status_code == 200 and "No time was found for the reassessment after week 4." in shown.text
    assert "Changed." in after(desk, pressed(desk, shown, address(disc, "doses"), **fewer))
