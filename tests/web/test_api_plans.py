"""Plans for programs: proposed, booked whole or not at all, and looked at; and what is refused of them."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from flask import Flask
from flask.testing import FlaskClient
from limits import parse
from sqlalchemy import select
from werkzeug.test import TestResponse

from booking import clock
from booking.formatting import iso_utc
from booking.models import AbsenceKind, Appointment, Coverage, Plan
from booking.scheduling.allowances.terms import Beyond, Kind, Span, Terms, Window
from booking.scheduling.plans.windows import Presence, TimeWindow
from booking.scheduling.timeline import cell_at
from booking.services import absences
from booking.services.clinic import present
from booking.services.plans.changing import pause
from booking.services.transaction import run
from booking.web import limits
from tests.clinics import plan_clinic, plan_template
from tests.conftest import StandingClock
from tests.services.making import booked, rows
from tests.services.plans import making
from tests.services.plans.making import FIRST_DAY
from tests.staffing import hired
from tests.web.conftest import on_both

pytestmark = pytest.mark.clinic(plan_clinic())

ALONE, BOTH = {"acupuncture-follow-up": 1}, {"acupuncture-follow-up": 1, "chiropractic-follow-up": 1}
PHASES = [{"weeks": 1, "doses": ALONE}, {"weeks": 2, "doses": BOTH}]
BEGUN_LATER = plan_clinic(plan_templates=[plan_template("later", {}, phases=PHASES, self_service=True)])
MONDAYS = {"weekdays": ["mon"], "from": "08:00", "to": "12:00"}
WEDNESDAYS = {"weekdays": ["wed"], "from": "13:00", "to": "24:00"}
ASKED: dict[str, Any] = {
    "template": "disc-gentle",
    "first_day": FIRST_DAY.isoformat(),
    "windows": [MONDAYS, WEDNESDAYS],
    "practitioners": {"acupuncture": ["mei"], "chiropractic": ["aaron"]},
    "returning": ["acupuncture", "chiropractic"],
}
ROSA = {"first_name": "Rosa", "last_name": "Lima", "email": "rosa@example.com", "phone": None}

Ask = Callable[..., TestResponse]


@pytest.fixture
def ask(client: FlaskClient) -> Ask:
    """Asks for proposals. What is None is left out."""

    def post(token: str = "", **how: Any) -> TestResponse:
        body = {name: value for name, value in (ASKED | how).items() if value is not None}
        return client.post("/api/v1/plan-proposals", json=body, headers=bearer(token))

    return post


@pytest.fixture
def book(client: FlaskClient) -> Ask:
    """Books these visits. What is None is left out."""

    def post(visits: list[Any], key: str | None = "k1", token: str = "", **how: Any) -> TestResponse:
        body = ASKED | {"visits": visits, "patient": ROSA, "reminders": "email"} | how
        body = {name: value for name, value in body.items() if value is not None}
        headers = {"Idempotency-Key": key} if key is not None else {}
        return client.post("/api/v1/plans", json=body, headers=headers | bearer(token))

    return post


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def best(answer: TestResponse) -> list[dict[str, str]]:
    """The visits of the best proposal, as they are booked."""
    assert answer.status_code == 200, answer.text
    visits = answer.get_json()["proposals"][0]["visits"]
    return [{name: one[name] for name in ("visit_type", "practitioner", "starts_at")} for one in visits]


@pytest.fixture
def visits(ask: Ask) -> list[dict[str, str]]:
    return best(ask())


def fields(answer: TestResponse) -> list[str]:
    assert answer.status_code == 422, answer.text
    return [error["field"] for error in answer.get_json()["errors"]]


# What is there


def test_templates_say_what_they_prescribe_and_who_may_begin_them(client: FlaskClient) -> None:
    templates = {one["id"]: one for one in client.get("/api/v1/plan-templates").get_json()["plan_templates"]}
    assert {name: one["self_service"] for name, one in templates.items()} == {
        "disc": False,
        "disc-gentle": True,
        "weekly": False,
    }
    assert templates["disc"]["phases"] == [
        {
            "weeks": 4,
            "every": 1,
            "doses": [
                {"visit_type": "acupuncture-follow-up", "fewest": 3, "most": 3},
                {"visit_type": "chiropractic-follow-up", "fewest": 2, "most": 2},
            ],
        }
    ]
    assert templates["disc"]["rest_days"] == {"acupuncture": 1}
    assert templates["weekly"]["weeks"] == 6


# Proposals


def test_proposals_are_whole_plans_in_the_words_of_the_clinic(ask: Ask) -> None:
    answer = ask().get_json()
    assert answer["impossible"] is None and answer["notes"] == []
    assert answer["time_zone"] == "America/Los_Angeles"
    first = answer["proposals"][0]
    assert set(first) == {"title", "measure", "score", "visits", "beyond_allowance"}
    assert first["title"] == "Mon 9:00 am, Wed 1:00 pm with Mei Tanaka and Aaron Feld"
    assert first["score"] > 0 and first["beyond_allowance"] == []
    assert len(first["visits"]) == 4 * 3 + 1
    assert set(first["visits"][0]) == {
        "visit_type", "practitioner", "starts_at", "local", "week", "provisional", "bent",
    }  # fmt: skip
    assert [one["week"] for one in first["visits"]] == [1] * 3 + [2] * 3 + [3] * 3 + [4] * 4
    # Only the first of each kind of care is firm until a practitioner agrees.
    assert [one["visit_type"] for one in first["visits"] if not one["provisional"]] == [
        "acupuncture-follow-up",
        "chiropractic-follow-up",
    ]
    for one in first["visits"]:
        assert one["local"][11:16] < "12:00" or one["local"][11:16] >= "13:00"
        assert date.fromisoformat(one["local"][:10]).weekday() in (0, 2)


def test_somebody_new_begins_with_the_first_visits(ask: Ask) -> None:
    types = [one["visit_type"] for one in best(ask(returning=None))]
    assert types.count("acupuncture-first") == types.count("chiropractic-first") == 1
    assert types.index("acupuncture-first") < types.index("acupuncture-follow-up")


@on_both
@pytest.mark.clinic(BEGUN_LATER)
def test_so_does_who_is_new_to_what_begins_in_a_later_week_and_books_it(ask: Ask, book: Ask) -> None:
    how = {"template": "later", "returning": ["acupuncture"]}
    visits = best(ask(**how))
    types = [one["visit_type"] for one in visits if one["practitioner"] == "aaron"]
    assert types == ["chiropractic-first", "chiropractic-follow-up"]
    made = book(visits, **how)
    assert made.status_code == 201, made.text
    assert [one["visit_type"] for one in made.get_json()["visits"]] == [one["visit_type"] for one in visits]


def test_days_away_are_left_free(ask: Ask) -> None:
    monday = FIRST_DAY + timedelta(days=7)
    days = {"first": monday.isoformat(), "last": monday.isoformat()}
    windows = [MONDAYS, WEDNESDAYS, {"weekdays": ["fri", "sat"], "from": "08:00", "to": "17:00"}]
    found = ask(away=[days], windows=windows).get_json()["proposals"]
    assert found
    assert not [
        one for plan in found for one in plan["visits"] if one["local"].startswith(monday.isoformat())
    ]


def test_what_was_bent_is_said_in_words(ask: Ask, app: Flask) -> None:
    with app.app_context():
        mei = present().practitioner("mei").id
        for day in (FIRST_DAY + timedelta(days=15), FIRST_DAY + timedelta(days=25)):
            cells = cell_at(making.at(day, 8)), cell_at(making.at(day, 20))
            run(lambda session, cells=cells: absences.enter(session, AbsenceKind.TIME_OFF, mei, *cells))  # type: ignore[misc]
    once = {"weekdays": ["tue", "fri"], "from": "15:00", "to": "15:50"}
    answer = ask(template="weekly", windows=[once], practitioners={"acupuncture": ["mei"]})
    said = [one["bent"] for one in answer.get_json()["proposals"][0]["visits"] if one["bent"]]
    assert said in (
        ["Week 3, Friday 3:00 pm instead of Tuesday 3:00 pm: Mei Tanaka is away."],
        ["Week 4, Tuesday 3:00 pm instead of Friday 3:00 pm: Mei Tanaka is away."],
    )


def test_windows_that_never_meet_come_with_the_reason_and_what_would_help(ask: Ask) -> None:
    at_night = {"weekdays": ["sun"], "from": "00:00", "to": "05:00"}
    answer = ask(windows=[at_night], template="weekly").get_json()
    assert answer["proposals"] == []
    none = answer["impossible"]
    assert none["week"] == 1
    assert none["reasons"][0] == {
        "code": "windows",
        "message": "Acupuncture in week 1: the chosen times fit on no day, and it takes 1.",
    }
    window = next(one for one in none["relaxations"] if one["code"] == "window")
    assert window["message"] == "Come on Monday mornings as well."
    assert window["window"] == {"weekdays": ["mon"], "from": "00:00", "to": "12:00"}
    # What would help is asked for as it is given.
    again = ask(windows=[at_night, window["window"]], template="weekly").get_json()
    assert again["proposals"] and again["impossible"] is None


def test_whoever_is_away_is_named_with_others_and_another_day(ask: Ask, app: Flask) -> None:
    with app.app_context():
        mei = present().practitioner("mei").id
        cells = cell_at(making.at(FIRST_DAY, 0)), cell_at(making.at(FIRST_DAY + timedelta(days=5), 0))
        run(lambda session: absences.enter(session, AbsenceKind.TIME_OFF, mei, *cells))
    with_mei = {"template": "weekly", "windows": [MONDAYS], "practitioners": {"acupuncture": ["mei"]}}
    none = ask(**with_mei).get_json()["impossible"]
    assert {"code": "away", "message": "Mei Tanaka is away until Saturday, September 26."} in none["reasons"]
    helps = {one["code"]: one for one in none["relaxations"]}
    assert helps["practitioners"]["modality"] == "acupuncture"
    assert ask(**with_mei | {"practitioners": None}).get_json()["proposals"]
    later = helps["start"]["first_day"]
    assert ask(**with_mei, first_day=later).get_json()["proposals"]


def test_a_plan_across_the_horizon_is_proposed_as_far_as_it_goes(ask: Ask) -> None:
    today = date(2026, 9, 14)
    answer = ask(template="weekly", first_day=(today + timedelta(days=100)).isoformat()).get_json()
    assert {one["week"] for one in answer["proposals"][0]["visits"]} == {1, 2, 3}
    assert answer["notes"] == [
        {
            "code": "horizon",
            "message": "Only the first 3 weeks of 6 can be booked yet; the others follow later.",
        }
    ]
    last = ask(template="weekly", first_day=(today + timedelta(days=120)).isoformat()).get_json()
    assert last["impossible"]["reasons"][0]["code"] == "beyond_horizon"


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"first_day": None}, "first_day"), ({"first_day": "2026-02-30"}, "first_day"), ({"first_day": 20260921}, "first_day"),
    ({"first_day": "2026-09-13"}, "first_day"), ({"first_day": "2027-01-13"}, "first_day"),
    ({"first_day": "2099-12-31"}, "first_day"), ({"template": None}, "template"), ({"template": ""}, "template"),
    ({"template": ["disc"]}, "template"), ({"colour": "red"}, "colour"),
    ({"windows": [{"weekdays": [], "from": "09:00", "to": "10:00"}]}, "windows.0.weekdays"),
    ({"windows": [{"weekdays": ["someday"], "from": "09:00", "to": "10:00"}]}, "windows.0.weekdays.0"),
    ({"windows": [{"weekdays": ["mon"] * 8, "from": "09:00", "to": "10:00"}]}, "windows.0.weekdays"),
    ({"windows": [{"weekdays": ["mon"], "from": "10:00", "to": "10:00"}]}, "windows.0"),
    ({"windows": [{"weekdays": ["mon"], "from": "24:00", "to": "24:00"}]}, "windows.0"),
    ({"windows": [{"weekdays": ["mon"], "from": "9:00", "to": "10:00"}]}, "windows.0.from"),
    ({"windows": [{"weekdays": ["mon"], "from": "09:00", "to": "24:30"}]}, "windows.0.to"),
    ({"windows": [{"weekdays": ["mon"], "from": "09:00", "to": "10:00\n"}]}, "windows.0.to"),
    ({"windows": [{"weekdays": ["mon"], "from": "٠٩:00", "to": "10:00"}]}, "windows.0.from"),
    ({"windows": [{"weekdays": ["mon"], "opens": 540, "to": "10:00"}]}, "windows.0.from"),
    ({"windows": [{"weekdays": ["mon"], "from": 540, "to": "10:00"}]}, "windows.0.from"),
    ({"windows": "any"}, "windows"), ({"windows": [MONDAYS] * 21}, "windows"),
    ({"away": [{"first": "2026-09-23", "last": "2026-09-22"}]}, "away.0"), ({"away": [{"first": "2026-09-23"}]}, "away.0.last"),
    ({"away": [{"first": "2026-09-23", "last": "2026-09-23"}] * 11}, "away"),
    ({"practitioners": {"acupuncture": []}}, "practitioners.acupuncture"), ({"practitioners": ["mei"]}, "practitioners"),
    ({"practitioners": {"surgery": ["mei"]}}, "practitioners"), ({"practitioners": {"acupuncture": ["mei"] * 21}}, "practitioners.acupuncture"),
    ({"practitioners": {"acupuncture": ["mei", "nobody"]}}, "practitioners"),
    ({"returning": ["surgery"]}, "returning"), ({"returning": "acupuncture"}, "returning"),
]  # fmt: skip


@on_both
def test_bad_input_names_its_field(ask: Ask) -> None:
    for how, field in WRONG:
        assert field in fields(ask(**how)), how


@on_both
def test_names_that_the_clinic_doesnt_have_are_not_there(ask: Ask, book: Ask, visits: list[Any]) -> None:
    strange = [*visits[:-1], visits[-1] | {"visit_type": "surgery"}]
    nobody = [*visits[:-1], visits[-1] | {"practitioner": "nobody"}]
    for answer in (
        ask(template="nothing"),
        book(visits, template="nothing"),
        book(strange),
        book(nobody),
    ):
        assert (answer.status_code, answer.get_json()["code"]) == (404, "not_found")


def test_somebody_who_doesnt_give_it_is_an_empty_answer_with_that_reason(ask: Ask) -> None:
    none = ask(template="weekly", practitioners={"acupuncture": ["aaron"]}).get_json()["impossible"]
    assert "not_offered" in [one["code"] for one in none["reasons"]]
    assert "practitioners" in [one["code"] for one in none["relaxations"]]


def test_searches_are_counted_with_those_of_pages(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(limits.RATES, "search", parse("2 per minute"))
    answers = [ask(first_day="2020-01-01") for _ in range(3)]
    assert [one.status_code for one in answers] == [422, 422, 429]
    assert int(answers[2].headers["Retry-After"]) > 0


# Booking


@on_both
def test_a_plan_is_booked_whole_and_seen_as_it_stands(
    book: Ask, visits: list[Any], client: FlaskClient, app: Flask
) -> None:
    answer = book(visits)
    assert answer.status_code == 201, answer.text
    made = answer.get_json()
    assert set(made) == {"reference", "plan_url", "plan_token", "visits"}
    assert made["plan_url"] == f"http://visits.example/plan/{made['reference']}/{made['plan_token']}"
    assert [one["starts_at"] for one in made["visits"]] == [one["starts_at"] for one in visits]
    first = made["visits"][0]
    assert set(first) == {
        "reference", "visit_type", "starts_at", "local", "practitioner", "provisional", "manage_url", "manage_token",
    }  # fmt: skip
    assert first["local"] == "2026-09-21T09:00-07:00" and not first["provisional"]
    with app.app_context():
        (plan,) = rows(Plan)
        assert plan["first_day"] == FIRST_DAY and plan["presence"]["windows"][1]["closes"] == 24 * 60
        assert plan["only_with"] == {"acupuncture": ["mei"], "chiropractic": ["aaron"]}
        assert len(rows(Appointment)) == 13

    # A visit is a visit: its own token moves and cancels it, and the plan shows how it stands.
    gone = client.post(
        f"/api/v1/appointments/{first['reference']}/cancel",
        json={},
        headers=bearer(first["manage_token"]) | {"Idempotency-Key": "x"},
    )
    assert gone.status_code == 200
    shown = client.get(f"/api/v1/plans/{made['reference']}", headers=bearer(made["plan_token"])).get_json()
    assert (shown["template"], shown["status"], shown["first_day"]) == (
        "disc-gentle",
        "running",
        "2026-09-21",
    )
    assert [one["status"] for one in shown["visits"]] == ["cancelled", *["booked"] * 12]
    assert shown["visits"][1].items() >= (made["visits"][1] | {"week": 1}).items()
    (acupuncture, _) = shown["weeks"][0]["doses"]
    assert acupuncture == {
        "visit_type": "acupuncture-follow-up", "fewest": 2, "most": 2,
        "booked": 1, "attended": 0, "missed": 1, "made_up": 0, "left": 1,
    }  # fmt: skip
    assert "Rosa" not in str(shown) and "rosa@" not in str(shown)


@on_both
def test_a_provisional_visit_is_said_to_be_so_and_nobody_confirms_it(
    book: Ask, visits: list[Any], client: FlaskClient
) -> None:
    made = book(visits).get_json()["visits"]
    firm, provisional = made[0], made[-1]
    for one, status in ((firm, 200), (provisional, 409)):
        address, token = f"/api/v1/appointments/{one['reference']}", bearer(one["manage_token"])
        shown = client.get(address, headers=token).get_json()
        assert (shown["status"], shown["provisional"]) == ("booked", one["provisional"])
        answer = client.post(f"{address}/confirm", json={}, headers=token | {"Idempotency-Key": "coming-1"})
        assert answer.status_code == status
        after = client.get(address, headers=token).get_json()
        assert (after["confirmed_at"] is None) == one["provisional"]
    assert answer.get_json()["code"] == "only_penciled_in"


@on_both
def test_the_same_key_gets_the_same_answer_and_books_nothing_twice(
    book: Ask, visits: list[Any], app: Flask
) -> None:
    first, second = book(visits), book(visits)
    assert (first.status_code, first.get_json()) == (second.status_code, second.get_json())
    other = book(visits, note="Please ring twice.")
    assert (other.status_code, other.get_json()["code"]) == (422, "key_reused")
    with app.app_context():
        assert len(rows(Plan)) == 1 and len(rows(Appointment)) == 13


@on_both
def test_the_same_key_gets_the_same_answer_on_the_next_day_and_when_the_plan_has_changed_since(
    ask: Ask, book: Ask, prescribed: "Prescribed", standing_clock: StandingClock, app: Flask
) -> None:
    ida = {"first_name": "Ida", "last_name": "Lund", "email": "ida@example.com", "phone": None}
    today = {"first_day": clock.now().date().isoformat(), "windows": None, "practitioners": None}
    visits = best(ask(**today))
    answer = book(visits, patient=ida, **today)
    of_plan = OF_PLAN | prescribed._asdict()
    chosen = best(ask(**of_plan))
    its = book(chosen, key="k2", **of_plan)
    assert (answer.status_code, its.status_code) == (201, 201), its.text
    with app.app_context():
        pause(hired(), prescribed.plan, FIRST_DAY, FIRST_DAY + timedelta(days=2), "Ill", key="pause-001")
    standing_clock.on(hours=20)
    assert book(visits, patient=ida, **today).get_json() == answer.get_json()
    assert book(chosen, key="k2", **of_plan).get_json() == its.get_json()
    # The day counts for whatever is asked for anew, and another token is another content.
    assert fields(book(visits, key="k3", **today)) == ["first_day"]
    other = book(chosen, key="k2", **of_plan | {"token": "x"})
    assert (other.status_code, other.get_json()["code"]) == (422, "key_reused")


def test_without_a_key_nothing_is_booked(book: Ask, visits: list[Any], app: Flask) -> None:
    answer = book(visits, key=None)
    assert (answer.status_code, answer.get_json()["code"]) == (400, "idempotency_key_missing")
    with app.app_context():
        assert rows(Appointment) == []


@on_both
def test_what_was_taken_comes_with_what_can_take_its_place(book: Ask, visits: list[Any], app: Flask) -> None:
    with app.app_context():
        gone = visits[3]
        booked(
            making.datetime.fromisoformat(gone["starts_at"]),
            visit_type=gone["visit_type"],
            practitioner=gone["practitioner"],
            first_name="Omar",
            email="omar@example.com",
        )
        before = len(rows(Appointment))
    answer = book(visits, windows=None, practitioners=None)
    assert (answer.status_code, answer.get_json()["code"]) == (409, "visits_taken")
    (lost,) = answer.get_json()["lost"]
    assert {name: lost[name] for name in gone} == gone
    assert lost["local"].endswith("-07:00")
    assert 1 <= len(lost["replacements"]) <= 3
    with app.app_context():
        assert len(rows(Appointment)) == before and rows(Plan) == []
    # Each that is named will do.
    for number, instead in enumerate(lost["replacements"]):
        assert set(instead) == {"starts_at", "local", "practitioner"}
        there = gone | {"starts_at": instead["starts_at"], "practitioner": instead["practitioner"]}
        mended = [there if one == gone else one for one in visits]
        contact = ROSA | {"first_name": f"Rosa {'abc'[number]}", "email": f"rosa{number}@example.com"}
        again = book(mended, key=f"again{number}", windows=None, practitioners=None, patient=contact)
        assert again.status_code == (201 if number == 0 else 409), again.text
    # The same key is answered as it was.
    assert book(visits, windows=None, practitioners=None).get_json() == answer.get_json()


def test_visits_that_break_the_plans_rules_are_refused(book: Ask, visits: list[Any], app: Flask) -> None:
    moved = [visits[0] | {"starts_at": "2026-09-22T16:00:00Z"}, *visits[1:]]
    slipped_in = [*visits, visits[0] | {"starts_at": "2026-11-30T17:00:00Z"}]
    other_kind = [*visits[:-1], visits[-1] | {"visit_type": "chiropractic-first"}]
    for number, (wrong, rule) in enumerate(
        [
            (visits[1:], "too_few"),
            (moved, "rest_days"),
            (slipped_in, "not_of_the_plan"),
            (other_kind, "first_visit"),
            (visits[:-1], "no_reassessment"),
        ]
    ):
        answer = book(wrong, key=f"wrong{number}")
        told = answer.get_json()
        assert (answer.status_code, told["code"]) == (422, "plan_rules_broken"), rule
        assert rule in [fault["rule"] for fault in told["faults"]]
        assert {error["field"] for error in told["errors"]} == {"visits"}
    assert told["errors"] == [{"field": "visits", "message": "Week 4: nobody looks again how it went."}]
    with app.app_context():
        assert rows(Appointment) == [] and rows(Plan) == []


@on_both
def test_what_is_booked_is_what_was_asked_for(ask: Ask, book: Ask, visits: list[Any], app: Flask) -> None:
    """Somebody new begins with first visits, and all lie in the windows that are sent along, and on no day away."""
    away = [{"first": FIRST_DAY.isoformat(), "last": FIRST_DAY.isoformat()}]
    for number, (how, rule) in enumerate(
        [
            ({"returning": None}, "first_visit"),
            ({"returning": ["acupuncture"]}, "first_visit"),
            ({"windows": [MONDAYS]}, "windows"),
            ({"windows": [], "away": away}, "windows"),
        ]
    ):
        answer = book(visits, key=f"wrong{number}", **how)
        assert (answer.status_code, answer.get_json()["code"]) == (422, "plan_rules_broken"), how
        assert {fault["rule"] for fault in answer.get_json()["faults"]} == {rule}
    with app.app_context():
        assert rows(Plan) == []
    assert book(best(ask(returning=None)), returning=None).status_code == 201


@on_both
def test_weeks_that_can_not_be_booked_whole_are_booked_not_at_all(ask: Ask, book: Ask, app: Flask) -> None:
    first_day = clock.now().date() + timedelta(days=103)
    open_hours = {"windows": None, "practitioners": None}
    visits = best(ask(first_day=first_day.isoformat(), **open_hours))
    # Two weeks are whole, and the third has its first days.
    last = first_day + timedelta(days=14)
    with app.app_context():
        third = visits[0] | {"starts_at": iso_utc(making.at(last, 9))}
    for number, (day, of_them) in enumerate([(first_day, [*visits, third]), (last, [third])]):
        answer = book(of_them, key=f"far{number}", first_day=day.isoformat(), **open_hours)
        assert (answer.status_code, answer.get_json()["code"]) == (409, "beyond_horizon")
        assert answer.get_json()["last_day"] == (clock.now().date() + timedelta(days=120)).isoformat()
    with app.app_context():
        assert rows(Plan) == []
    assert book(visits, first_day=first_day.isoformat(), **open_hours).status_code == 201


@pytest.mark.clinic(making.clinic_with_a_longer_look())
def test_hours_for_which_there_is_no_look_neednt_be_named_again(ask: Ask, book: Ask) -> None:
    narrow = [{"weekdays": ["tue"], "from": "15:00", "to": "15:50"}]
    how = {"template": "weekly", "returning": ["acupuncture"], "practitioners": None}
    answer = ask(windows=narrow, **how)
    assert [one["code"] for one in answer.get_json()["notes"]] == ["no_reassessment"]
    assert book(best(answer), windows=[], key="said", **how).status_code == 422
    assert book(best(answer), windows=None, **how).status_code == 201


@on_both
def test_with_whom_it_is_to_be_is_somebody_of_the_clinic_and_so_are_the_visits(
    book: Ask, visits: list[Any], app: Flask
) -> None:
    """Kept with the plan, a name that nobody has took the pages from all who came across it."""
    nobody = book(visits, practitioners={"acupuncture": ["nobody"]})
    assert (nobody.status_code, fields(nobody)) == (422, ["practitioners"])
    other = book(visits, practitioners={"acupuncture": ["dan"]})
    assert (other.status_code, other.get_json()["code"]) == (422, "plan_rules_broken")
    assert {fault["rule"] for fault in other.get_json()["faults"]} == {"not_of_the_plan"}
    with app.app_context():
        assert rows(Plan) == []


def test_what_needs_a_practitioner_is_proposed_but_not_booked(ask: Ask, book: Ask) -> None:
    wanted = {"template": "weekly", "windows": [MONDAYS]}
    answer = ask(**wanted)
    assert not any(one["provisional"] for one in answer.get_json()["proposals"][0]["visits"])
    refused = book(best(answer), **wanted)
    assert (refused.status_code, refused.get_json()["code"]) == (403, "needs_prescription")
    assert refused.get_json()["phone"] == "+18185550100"


def test_one_contact_has_one_plan_that_they_began(ask: Ask, book: Ask, visits: list[Any]) -> None:
    assert book(visits).status_code == 201
    later = (FIRST_DAY + timedelta(days=56)).isoformat()
    again = book(best(ask(first_day=later)), key="again", first_day=later)
    assert (again.status_code, again.get_json()["code"]) == (409, "plan_running")


WRONG_TO_BOOK: list[tuple[dict[str, Any], str]] = [
    ({"visits": []}, "visits"), ({"visits": None}, "visits"), ({"visits": "all"}, "visits"),
    ({"visits": [{}] * 41}, "visits"), ({"patient": None}, "patient"), ({"reminders": None}, "reminders"),
    ({"visits": [{"visit_type": "weekly", "practitioner": "mei", "starts_at": "2026-09-21T09:00:00"}]}, "visits.0.starts_at"),
    ({"visits": [{"visit_type": "weekly", "practitioner": "mei", "starts_at": "2026-09-21T16:01:00Z"}]}, "visits.0.starts_at"),
    ({"visits": [{"visit_type": "weekly", "starts_at": "2026-09-21T16:00:00Z"}]}, "visits.0.practitioner"),
    ({"patient": {"first_name": "Rosa", "last_name": "Lima"}}, "patient"), ({"reminders": "call"}, "patient.phone"),
    ({"reminders": "text", "patient": ROSA | {"phone": "(818) 555-0123"}}, "text_consent"),
    ({"first_day": "2026-09-13"}, "first_day"), ({"payment": "gold"}, "payment"), ({"note": "x" * 2001}, "note"),
    ({"plan": ""}, "plan"), ({"rosa@example.com": 1}, ""),
]  # fmt: skip


@on_both
def test_bad_input_books_nothing_and_repeats_nothing(
    book: Ask, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "_hit", lambda *_: None)
    one = {"visit_type": "weekly", "practitioner": "mei", "starts_at": "2026-09-21T16:00:00Z"}
    for how, field in WRONG_TO_BOOK:
        answer = book(**{"visits": [one]} | how)
        assert field in fields(answer), how
        assert "Lima" not in answer.text and "rosa@" not in answer.text
    with app.app_context():
        assert rows(Appointment) == []


# Plans that were prescribed


class Prescribed(NamedTuple):
    plan: str
    token: str


@pytest.fixture
def prescribed(app: Flask) -> Prescribed:
    """Twice and once a week instead of three times and twice, and with Mei only."""
    with app.app_context():
        doses = {"acupuncture-follow-up": (2, 2), "chiropractic-follow-up": (1, 1)}
        made = making.prescribed(making.patient(), doses=doses, only={"acupuncture": ("mei",)})
        return Prescribed(made.reference, made.token)


OF_PLAN = {"template": None, "first_day": None, "practitioners": None, "returning": None}


@on_both
def test_the_token_of_a_prescribed_plan_books_what_was_prescribed(
    ask: Ask, book: Ask, prescribed: Prescribed, client: FlaskClient
) -> None:
    how = OF_PLAN | prescribed._asdict()
    seen = client.get(f"/api/v1/plans/{prescribed.plan}", headers=bearer(prescribed.token)).get_json()
    assert (seen["status"], seen["visits"]) == ("prescribed", [])
    answer = ask(**how)
    chosen = best(answer)
    assert len(chosen) == 13 and {"mei"} == {
        one["practitioner"] for one in chosen if one["visit_type"] == "acupuncture-follow-up"
    }
    assert not any(one["provisional"] for one in answer.get_json()["proposals"][0]["visits"])
    made = book(chosen, **how)
    assert made.status_code == 201, made.text
    assert made.get_json()["reference"] == prescribed.plan
    assert made.get_json()["plan_token"] == prescribed.token
    # A form that comes again is answered as it was; a new one finds the plan running.
    assert book(chosen, **how).get_json() == made.get_json()
    for again in (book(chosen, key="again", **how), ask(**how)):
        assert (again.status_code, again.get_json()["code"]) == (409, "plan_running")


def test_days_on_which_somebody_is_away_leave_the_hours_that_were_prescribed(app: Flask, ask: Ask) -> None:
    mondays = Presence((TimeWindow(frozenset({0}), 9 * 60, 12 * 60),))
    with app.app_context():
        made = making.prescribed(making.patient(), "weekly", presence=mondays)
        how = OF_PLAN | {"plan": made.reference, "token": made.token, "windows": None}
    answer = ask(**how, away=[{"first": "2026-09-22", "last": "2026-09-25"}]).get_json()
    starts = [datetime.fromisoformat(one["local"]) for one in answer["proposals"][0]["visits"]]
    assert len(starts) == 6
    assert all(one.weekday() == 0 and one.hour < 12 for one in starts)


def test_a_prescribed_plan_isnt_booked_otherwise(ask: Ask, book: Ask, prescribed: Prescribed) -> None:
    """Whoever has the link for two a week can't slip three in."""
    how = OF_PLAN | prescribed._asdict()
    three = best(ask(template="disc", windows=None, practitioners=None))
    refused = book(three, **how)
    assert (refused.status_code, refused.get_json()["code"]) == (422, "plan_rules_broken")
    assert "too_many" in [fault["rule"] for fault in refused.get_json()["faults"]]
    assert fields(ask(**how | {"template": "disc-gentle"})) == ["template"]


def test_a_prescribed_plan_begins_on_its_first_day_or_later(
    ask: Ask, book: Ask, prescribed: Prescribed, visits: list[Any]
) -> None:
    how = OF_PLAN | prescribed._asdict() | {"first_day": (FIRST_DAY - timedelta(days=1)).isoformat()}
    assert fields(ask(**how)) == fields(book(visits, **how)) == ["first_day"]


def test_what_a_prescription_leaves_open_is_as_it_is_asked_for(
    ask: Ask, book: Ask, prescribed: Prescribed
) -> None:
    how = OF_PLAN | prescribed._asdict()
    aaron = best(ask(**how | {"practitioners": {"chiropractic": ["aaron"]}}))
    refused = book(aaron, **how | {"practitioners": {"chiropractic": ["lin"]}})
    assert (refused.status_code, refused.get_json()["code"]) == (422, "plan_rules_broken")
    nobody = book(aaron, key="nobody", **how | {"practitioners": {"chiropractic": ["nobody"]}})
    assert (nobody.status_code, fields(nobody)) == (422, ["practitioners"])
    made = book(aaron, key="k2", **how | {"practitioners": {"chiropractic": ["aaron"]}})
    assert made.status_code == 201, made.text


@on_both
def test_a_plan_opens_for_its_own_token_only(
    ask: Ask, book: Ask, prescribed: Prescribed, client: FlaskClient, visits: list[Any]
) -> None:
    for token in ("", "x", prescribed.token[:-1], prescribed.token.upper()):
        for reference in (prescribed.plan, "ZZZZZZZZZZ", "a" * 60):
            for answer in (
                ask(**OF_PLAN | {"plan": reference, "token": token}),
                book(visits, **OF_PLAN | {"plan": reference, "token": token}),
                client.get(f"/api/v1/plans/{reference}", headers=bearer(token)),
            ):
                assert (answer.status_code, answer.get_json()["code"]) == (404, "not_found")
    # A token says nothing without the plan that it opens.
    assert fields(ask(token=prescribed.token)) == fields(book(visits, token=prescribed.token)) == ["plan"]


def test_what_coverage_leaves_is_said_to_its_token_and_stops_a_booking(
    ask: Ask, book: Ask, prescribed: Prescribed, app: Flask
) -> None:
    how = OF_PLAN | prescribed._asdict()
    assert ask(**how).get_json()["proposals"][0]["beyond_allowance"] == []

    def cover(session: Any) -> None:
        (patient_id,) = session.scalars(select(Plan.patient_id))
        terms = Terms(
            Kind.INSURANCE, ("acupuncture", "chiropractic"), 11, Window(Span.CALENDAR_YEAR), beyond=Beyond.ASK
        )
        session.add(
            Coverage(
                patient_id=patient_id, name="Blue Shield", terms=terms.as_plain(), made_at=clock.now(), changed_at=clock.now(),
            )
        )  # fmt: skip

    with app.app_context():
        run(cover)
    answer = ask(**how)
    chosen = best(answer)
    assert answer.get_json()["proposals"][0]["beyond_allowance"] == [one["starts_at"] for one in chosen[11:]]
    refused = book(chosen, **how)
    assert (refused.status_code, refused.get_json()["code"]) == (409, "beyond_coverage")
    assert refused.get_json()["phone"] == "+18185550100"
    with app.app_context():
        assert rows(Appointment) == []
    # Of somebody who isn't known nothing is said.
    assert all(one["beyond_allowance"] == [] for one in ask().get_json()["proposals"])
