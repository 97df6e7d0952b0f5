"""A visit in full and its change form, as the desk sees them."""

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from booking.models import AuditEntry
from booking.reminders.delivery import deliver_due
from booking.scheduling.timeline import cell_at
from booking.services.staff.who import Who
from tests.conftest import StandingClock
from tests.services.making import NEXT_WEEK, NINE, booked, rows
from tests.staffing import signed_in
from tests.web.conftest import fields

JSON = {"Accept": "application/json"}


@pytest.fixture
def reference(app: Flask) -> str:
    with app.app_context():
        return booked(NINE, practitioner="ana", note="Ground floor, please.").reference


def opened_by(app: Flask) -> list[tuple[str, str]]:
    with app.app_context():
        return [(row["name"], row["what"]) for row in rows(AuditEntry) if row["kind"] == "read"]


def test_a_visit_shows_its_patient_its_history_and_its_messages(
    app: Flask, desk: FlaskClient, reference: str
) -> None:
    page = desk.get(f"/desk/visits/{reference}")
    assert page.status_code == 200
    for words in (
        "Rosa Lima",
        "Ana Ruiz",
        "Ground floor, please.",
        "Confirmation",
        "Booked for",
        "the patient",
    ):
        assert words in page.text
    assert opened_by(app) == [("Dana Desk", "opened visit")]


def test_the_panel_is_the_same_without_the_page_around_it(desk: FlaskClient, reference: str) -> None:
    panel = desk.get(f"/desk/visits/{reference}?panel=1").text
    assert panel.lstrip().startswith("<article")
    assert "Rosa Lima" in panel
    assert "<html" not in panel


def test_a_link_that_went_out_is_shown_without_its_token(
    app: Flask, desk: FlaskClient, standing_clock: StandingClock
) -> None:
    with app.app_context():
        visit = booked(NEXT_WEEK)
        token = visit.token
        deliver_due()
    page = desk.get(f"/desk/visits/{visit.reference}").text
    assert f"/visit/{visit.reference}/…" in page
    assert token not in page


def test_only_moves_that_are_legal_are_offered(
    app: Flask, dana: Who, desk: FlaskClient, reference: str, standing_clock: StandingClock
) -> None:
    def offered() -> set[str]:
        text = desk.get(f"/desk/visits/{reference}").text
        return {
            word for word in ("arrived", "checked-in", "fulfilled", "noshow") if f'value="{word}"' in text
        }

    assert offered() == set()
    standing_clock.at(NINE)
    signed_in(app, dana, desk)
    assert offered() == {"arrived", "checked-in", "fulfilled"}
    standing_clock.on(minutes=15)
    signed_in(app, dana, desk)
    assert offered() == {"arrived", "checked-in", "fulfilled", "noshow"}


def test_where_it_can_go_is_told_in_cells(desk: FlaskClient, reference: str) -> None:
    found = desk.get(f"/desk/visits/{reference}/places?day=2026-09-15").json
    ana = found["practitioners"]["ana"]
    start = cell_at(NINE)
    assert any(first <= start < last for first, last in ana["free"])
    assert all(first >= found["cell0"] for first, _last in ana["free"] + ana["reason"])


def test_why_not_is_told_in_words(app: Flask, desk: FlaskClient, reference: str) -> None:
    with app.app_context():
        booked(NINE + timedelta(hours=1), practitioner="ana", first_name="Zoe")
    why = desk.get(
        f"/desk/visits/{reference}/why?practitioner=ana&cell={cell_at(NINE + timedelta(hours=1))}"
    ).json
    assert any("Zoe Lima" in words for words in why["words"])
    early = cell_at(NINE - timedelta(hours=2))
    assert "working hours" in desk.get(f"/desk/visits/{reference}/why?practitioner=ana&cell={early}").text


@pytest.mark.parametrize(
    ("asked", "with_whom", "minutes"), [("room=room-1", "ben", 60), ("length=45", "ana", 30)]
)
def test_a_room_and_a_length_are_asked_about_like_the_change_that_names_them(
    app: Flask, desk: FlaskClient, reference: str, asked: str, with_whom: str, minutes: int
) -> None:
    with app.app_context():
        booked(NINE + timedelta(hours=1), practitioner=with_whom, first_name="Zoe")
    cell = cell_at(NINE + timedelta(minutes=minutes))

    def free(query: str) -> bool:
        path = f"/desk/visits/{reference}/places?day=2026-09-15{query}"
        return any(
            first <= cell < last for first, last in desk.get(path).json["practitioners"]["ana"]["free"]
        )

    assert free("")
    assert not free(f"&{asked}")
    why = f"/desk/visits/{reference}/why?practitioner=ana&cell={cell}"
    assert desk.get(why).json["words"] == []
    assert any("Zoe Lima" in words for words in desk.get(f"{why}&{asked}").json["words"])


def test_its_own_start_is_free_only_in_a_room_that_is_and_as_long_as_nobody_else_comes(
    app: Flask, desk: FlaskClient, reference: str, standing_clock: StandingClock
) -> None:
    with app.app_context():
        booked(NINE, practitioner="ben", first_name="Otto", email="otto@example.com")
        booked(NINE + timedelta(minutes=45), practitioner="ana", first_name="Zoe", email="zoe@example.com")
    cell = cell_at(NINE)

    def words(query: str) -> str:
        return " ".join(
            desk.get(f"/desk/visits/{reference}/why?practitioner=ana&cell={cell}{query}").json["words"]
        )

    def stands(query: str) -> str:
        found = desk.get(f"/desk/visits/{reference}/places?day=2026-09-15{query}").json["practitioners"][
            "ana"
        ]
        held = [kind for kind in ("free", "reason") if any(a <= cell < b for a, b in found[kind])]
        return held[0] if held else "taken"

    assert (stands(""), stands("&room=room-1"), stands("&length=45")) == ("free", "free", "free")
    assert (stands("&room=room-2"), stands("&length=60"), stands("&length=15")) == (
        "taken",
        "taken",
        "reason",
    )
    assert "Otto Lima" in words("&room=room-2") and "Zoe Lima" in words("&length=60")
    assert "shorter" in words("&length=15") and words("&length=45") == ""


def test_times_are_found_and_lead_to_the_step_that_asks(desk: FlaskClient, reference: str) -> None:
    page = desk.get(f"/desk/visits/{reference}/times?weekday=2&part=morning&practitioner=ben")
    assert "Wed, Sep 16" in page.text
    assert "Thu, Sep 17" not in page.text
    cell = cell_at(NINE + timedelta(days=1))
    step = desk.get(f"/desk/visits/{reference}/change?cell={cell}&practitioner=ben")
    assert "What it would be" in step.text
    assert "Change it and tell the patient" in step.text
    assert "What they would read" in step.text


def test_the_form_says_what_is_broken_and_asks_why(desk: FlaskClient, reference: str) -> None:
    page = desk.get(f"/desk/visits/{reference}/change?day=2026-09-15&time=07:00").text
    assert "outside working hours" in page
    assert 'id="reason"' in page


def test_the_form_names_with_whom_it_clashes(app: Flask, desk: FlaskClient, reference: str) -> None:
    with app.app_context():
        booked(NINE + timedelta(hours=1), practitioner="ana", first_name="Zoe")
    page = desk.get(f"/desk/visits/{reference}/change?day=2026-09-15&time=10:00").text
    assert "It can't be there." in page
    assert "Zoe Lima" in page
    assert "Change it and tell" not in page


def links(page: str, path: str) -> list[str]:
    return [unescape(one) for one in re.findall(r'href="([^"]+)"', page) if path in one and "cell=" in one]


def test_instead_of_a_clash_three_near_times_for_the_same_wish_are_one_click_away(
    app: Flask, desk: FlaskClient, reference: str
) -> None:
    with app.app_context():
        booked(NINE + timedelta(hours=1), practitioner="ana", first_name="Zoe")
    change = f"/desk/visits/{reference}/change"
    page = desk.get(f"{change}?day=2026-09-15&time=10:00&minutes=60").text
    assert "Free near that time, with Ana Ruiz" in page
    near = links(page, change)
    assert len(near) == 3
    assert all("minutes=60" in one and "practitioner=ana" in one for one in near)
    step = desk.get(near[0]).text
    assert "Change it and tell the patient" in step and 'name="minutes" value="60"' in step
    # The same, where somebody was faster.
    form = fields(step) | {"time": "10:00", "day": "2026-09-15", "tell": "yes"}
    refused = desk.post(change, data=form)
    assert refused.status_code == 409
    assert len(links(refused.text, change)) == 3


def test_a_change_that_was_begun_goes_on_to_the_times_and_back(desk: FlaskClient, reference: str) -> None:
    form = desk.get(f"/desk/visits/{reference}/change").text
    times = f"/desk/visits/{reference}/times"
    assert f'formaction="{times}"' in form
    asked = (
        "day=2026-09-17&time=11:00&practitioner=ben&visit_type=follow-up&room=room-2&minutes=45&next=/desk/"
    )
    page = desk.get(f"{times}?{asked}").text
    assert "Thu, Sep 17" in page and "Wed, Sep 16" not in page
    assert '<option value="ben" selected>' in page and '<option value="room-2" selected>' in page
    assert 'name="minutes" min="5" max="480" step="5" value="45"' in page
    found = links(page, "/change")
    assert found and all("minutes=45" in one and "practitioner=ben" in one for one in found)
    assert all("room=room-2" in one and "next=" in one for one in found)
    later = unescape(re.findall(r'href="([^"]+)">Later times', page)[0])
    assert "minutes=45" in later and "room=room-2" in later and "practitioner=ben" in later


@pytest.mark.parametrize("day", ["x", "2020-01-01", "2099-01-01", "2026-02-30"])
def test_a_day_that_cannot_be_is_said_on_the_page_that_asked_for_it(
    desk: FlaskClient, reference: str, day: str
) -> None:
    page = desk.get(f"/desk/visits/{reference}/times?weekday=5&part=morning&from={day}")
    assert page.status_code == 422
    assert "Please look at this again" in page.text and 'value="morning" selected' in page.text


def test_a_length_that_is_not_understood_finds_no_times_and_is_said(
    desk: FlaskClient, reference: str
) -> None:
    page = desk.get(f"/desk/visits/{reference}/times?minutes=7")
    assert page.status_code == 422
    assert "go by five minutes" in page.text
    assert links(page.text, "/change") == []


@pytest.mark.parametrize(
    ("page", "button"), [("change?day=2026-09-16", "Change it and"), ("cancel", "Cancel it and")]
)
def test_the_buttons_come_before_the_words_that_go_out(
    desk: FlaskClient, reference: str, page: str, button: str
) -> None:
    text = desk.get(f"/desk/visits/{reference}/{page}").text
    assert text.index(button) < text.index("What they would read")


def test_the_patients_other_visit_is_one_link_away(app: Flask, desk: FlaskClient, reference: str) -> None:
    with app.app_context():
        other = booked(NINE + timedelta(hours=1), practitioner="ben").reference
    page = desk.get(f"/desk/visits/{reference}/change?day=2026-09-15&time=10:00&practitioner=ana").text
    assert f"/desk/visits/{other}/change" in page
    assert "Move the other visit" in page


def test_a_preview_for_the_board_comes_as_json(desk: FlaskClient, reference: str) -> None:
    asked = f"/desk/visits/{reference}/change?cell={cell_at(NINE + timedelta(hours=2))}"
    found = desk.get(asked, headers=JSON).json
    assert found["needs_reason"] == []
    assert "rosa@example.com" in found["tells"]
    assert found["text"]


@pytest.mark.parametrize(
    "query",
    [
        "day=nonsense&time=09:00", "day=2026-09-15&time=25:00", "day=2026-09-15&time=09:03", "day=9999-12-31&time=09:00",
        "minutes=7", "minutes=30&minutes=30", "minutes=99999", "cell=x", "cell=99999999999", "length=3", "length=0",
        "cell=1", "day=2026-09-15&time=09:00%00", "minutes=-5", "length=99999",
    ],
)  # fmt: skip
def test_what_is_not_understood_is_said_and_never_breaks(
    desk: FlaskClient, reference: str, query: str
) -> None:
    assert 400 <= desk.get(f"/desk/visits/{reference}/change?{query}").status_code < 500


@pytest.mark.parametrize("query", ["room=none", "visit_type=none", "device=none", "practitioner=none"])
def test_names_that_the_clinic_does_not_have_are_not_found(
    desk: FlaskClient, reference: str, query: str
) -> None:
    assert desk.get(f"/desk/visits/{reference}/change?{query}").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "places", "places?day=x", "places?day=9999-01-01", "why?cell=x", "why", "why?cell=99999999&practitioner=%00",
        "times?from=x", "why?practitioner=ana&cell=5000000", "places?day=2026-09-15&room=none",
        "places?day=2026-09-15&length=3", "places?day=2026-09-15&length=x", "places?day=2026-09-15&length=99999",
        "why?practitioner=ana&cell=5964960&room=none", "why?practitioner=ana&cell=5964960&length=7",
        "places?day=2026-09-15&room=%00",
    ],
)  # fmt: skip
def test_absurd_questions_get_a_clear_no(desk: FlaskClient, reference: str, path: str) -> None:
    assert 400 <= desk.get(f"/desk/visits/{reference}/{path}").status_code < 500


def test_filters_that_make_no_sense_are_left_aside(desk: FlaskClient, reference: str) -> None:
    path = f"/desk/visits/{reference}/times?weekday=9&weekday=x&part=night&practitioner=nobody"
    assert desk.get(path).status_code == 200


@pytest.mark.parametrize("ending", ["", "?panel=1", "/change", "/times", "/cancel", "/places?day=2026-09-15"])
def test_what_is_not_there_is_not_found(desk: FlaskClient, ending: str) -> None:
    assert desk.get(f"/desk/visits/NOTTHERE{ending}").status_code == 404


def test_the_form_keeps_what_was_typed(desk: FlaskClient, reference: str) -> None:
    page = desk.get(f"/desk/visits/{reference}/change?day=2026-09-16&time=11:03&practitioner=ben").text
    assert 'value="2026-09-16"' in page
    assert 'value="11:03"' in page
    assert '<option value="ben" selected>' in page
    assert fields(page)


def test_staff_of_nobody_are_asked_to_sign_in(client: FlaskClient, reference: str) -> Any:
    assert client.get(f"/desk/visits/{reference}").status_code == 303
