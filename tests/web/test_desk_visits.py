"""A visit in full and its change form, as the desk sees them."""

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from booking.models import Appointment, AuditEntry, Room
from booking.reminders.delivery import deliver_due
from booking.scheduling.timeline import cell_at
from booking.services.desk import moving
from booking.services.desk.moving import Place
from booking.services.staff.who import Who
from tests.clinics import clinic, practitioner, set_up
from tests.conftest import StandingClock
from tests.services.making import NEXT_WEEK, NINE, booked, rows
from tests.staffing import hired, signed_in
from tests.web.conftest import fields, on_both

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


def test_the_form_says_as_the_board_does_that_somebody_does_not_give_the_visit(
    app: Flask, desk: FlaskClient
) -> None:
    with app.app_context():
        reference = booked(NINE, visit_type="first", practitioner="ana").reference
    words = "This person doesn't give that visit."
    cell = cell_at(NINE + timedelta(hours=1))
    dragged = desk.get(f"/desk/visits/{reference}/why?practitioner=ben&cell={cell}").get_json()
    assert dragged["words"] == [words]
    page = desk.get(f"/desk/visits/{reference}/change?practitioner=ben")
    assert page.status_code == 409 and words in unescape(page.text)
    assert '<option value="ben" selected>' in page.text


@pytest.mark.clinic(clinic(devices=[{"id": "lamp", "name": "Lamp", "kind": "lamp"}]))
@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("time=09:03", "The time isn't understood."),
        ("minutes=500", "no part of a visit takes more than 8 hours"),
        ("device=lamp", "This kind of visit doesn't need that device."),
    ],
)
def test_the_form_says_which_part_of_a_wish_cannot_be(
    desk: FlaskClient, reference: str, query: str, words: str
) -> None:
    page = desk.get(f"/desk/visits/{reference}/change?{query}")
    assert page.status_code in (409, 422) and words in unescape(page.text)


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


def test_the_fields_say_what_the_preview_says_and_what_is_chosen_in_them_is_what_happens(
    app: Flask, desk: FlaskClient, reference: str
) -> None:
    with app.app_context():
        longer = [{"visit_type": "follow-up", "phase_minutes": [45]}]
        cleo = practitioner("cleo", offers=longer, rooms=["room-2"])
        set_up(clinic(practitioners=[practitioner("ana", rooms=["room-1"]), cleo]))
    change = f"/desk/visits/{reference}/change"

    def shown(page: str) -> tuple[str, list[str], list[str]]:
        what = re.search(r'class="visit-when">(.*?)</p>', page, re.DOTALL)
        assert what
        chosen = re.findall(r'<option value="(room-\d)" selected', page)
        return (
            re.sub(r"<[^>]+>", "", what[1]),
            chosen,
            re.findall(r'name="minutes" min="5" max="480" step="5" value="(\d*)"', page),
        )

    cell = cell_at(NINE + timedelta(hours=1))
    found = desk.get(f"{change}?cell={cell}&practitioner=cleo").text
    told = "Tuesday, September 15, 2026, 10:00 am – 10:45 am, 45 minutes, with Cleo, Room 2"
    assert shown(found) == (told, ["room-2"], ["45"])
    # Sent as they stand, they are no wishes: with Ana the visit is what it was.
    stood = fields(found) | {"visit_type": "follow-up", "room": "room-2", "minutes": "45", "time": "10:00"}
    with_ana = desk.get(change, query_string=stood | {"practitioner": "ana"}).text
    assert shown(with_ana)[1:] == (["room-1"], ["30"])
    # What the visit has now may be wished for as well, with whom it isn't usual.
    chosen = desk.get(change, query_string=stood | {"room": "room-1", "minutes": "30"}).text
    assert shown(chosen)[0].endswith("10:30 am, 30 minutes, with Cleo, Room 1")
    assert shown(chosen)[1:] == (["room-1"], ["30"])
    asked = fields(chosen) | {"tell": "no", "reason": "The patient asked"}
    assert desk.post(change, data=asked).status_code == 303
    with app.app_context():
        [visit] = rows(Appointment)
        room = next(one["id"] for one in rows(Room) if one["slug"] == "room-1")
    assert (visit["room_id"], visit["to_cell"] - visit["from_cell"]) == (room, 6)


def test_the_days_that_are_asked_for_most_are_one_press_away_and_none_beyond_them_is_shown(
    desk: FlaskClient, reference: str
) -> None:
    times = f"/desk/visits/{reference}/times"
    page = desk.get(f"{times}?part=morning&weekday=4").text
    quick = {
        words: unescape(address)
        for address, words in re.findall(r'<a class="button quiet small" href="([^"]+)"[^>]*>([^<]+)<', page)
    }
    assert list(quick) == ["Today", "Tomorrow", "This week", "Next week"]
    days = {
        words: set(re.findall(r"<strong>(\w+, \w+ \d+)", desk.get(address).text))
        for words, address in quick.items()
    }
    assert days["Today"] == {"Mon, Sep 14"} and days["Tomorrow"] == {"Tue, Sep 15"}
    assert days["This week"] >= days["Today"] and "Mon, Sep 21" in days["Next week"]
    tomorrow = desk.get(quick["Tomorrow"]).text
    assert "part=morning" in quick["Tomorrow"] and "1:00 pm" not in tomorrow
    assert (
        'id="until" name="until" value="2026-09-15"' in tomorrow
        and 'aria-current="true">Tomorrow' in tomorrow
    )
    # With the last day filled, no later one is offered.
    narrow = desk.get(f"{times}?from=2026-09-15&until=2026-09-15").text
    assert "Later times" not in narrow
    for ends in ("2026-09-01", "x", "2099-01-01"):
        refused = desk.get(f"{times}?from=2026-09-15&until={ends}")
        assert refused.status_code == 422 and "days from today on" in refused.text


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
    cell = cell_at(NINE + timedelta(hours=1))
    # The board has it from both questions: for a drop, and for what is about to be put there.
    for asked in ("why?practitioner=ana&", "change?practitioner=ana&"):
        found = desk.get(f"/desk/visits/{reference}/{asked}cell={cell}", headers=JSON).json
        assert found["other"] == other
        assert (
            desk.get(f"/desk/visits/{reference}/{asked}cell={cell + 24}", headers=JSON).json["other"] is None
        )


def test_a_preview_for_the_board_comes_as_json(desk: FlaskClient, reference: str) -> None:
    asked = f"/desk/visits/{reference}/change?cell={cell_at(NINE + timedelta(hours=2))}"
    found = desk.get(asked, headers=JSON).json
    assert found["needs_reason"] == []
    assert "rosa@example.com" in found["tells"]
    assert found["text"]


def test_a_preview_for_the_board_says_what_a_colleague_did_meanwhile(
    app: Flask, desk: FlaskClient, reference: str
) -> None:
    asked = f"/desk/visits/{reference}/change?cell={cell_at(NINE + timedelta(hours=2))}&version="
    assert "stale" not in desk.get(f"{asked}1", headers=JSON).json
    eve = None
    for place, leave in (
        (Place(NINE + timedelta(hours=1)), "Leave it at 10:00 am"),
        (Place(NINE + timedelta(days=1)), "Leave it at Wed, Sep 16, 9:00 am"),
        (Place(practitioner="ben"), "Leave it with Ben Okoro"),
        (Place(room="room-2"), "Leave it as it is now"),
    ):
        version = desk.get(f"{asked}", headers=JSON).json["version"]
        with app.app_context():
            eve = eve or hired(name="Eve Early")
            moving.change(eve, reference, place, version=None, key=f"by-a-colleague-{version}")
        found = desk.get(f"{asked}{version}", headers=JSON).json
        assert found["version"] == version + 1 and found["text"]
        assert found["leave"] == leave
        assert found["stale"][0] == "This visit was changed in the meantime."
        assert "by Eve Early" in found["stale"][-1]
    assert desk.get(f"{asked}x", headers=JSON).status_code == 422


@on_both
@pytest.mark.parametrize(
    "query",
    [
        "day=nonsense&time=09:00", "day=2026-09-15&time=25:00", "day=2026-09-15&time=09:03", "day=9999-12-31&time=09:00",
        "minutes=7", "minutes=30&minutes=30", "minutes=99999", "cell=x", "cell=99999999999", f"cell=000000000001{'9' * 30}", "length=3", "length=0",
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


@on_both
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


def test_a_day_that_is_years_away_is_said_to_be(desk: FlaskClient, reference: str) -> None:
    page = desk.get(f"/desk/visits/{reference}/change?day=2031-02-03&time=09:00")
    assert page.status_code == 422
    assert "That day is too far away. Please look at the year." in page.text
    assert "isn’t understood" not in page.text and 'value="2031-02-03"' in page.text
