"""What the desk does to a visit, by forms and by the board's scripts: each answer, each refusal, nothing typed lost."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from booking.models import Appointment, Message, MessageState, Role
from booking.scheduling.status import Status
from booking.scheduling.timeline import cell_at
from booking.services.clinic_file import ClinicFile
from booking.services.staff.who import Who
from tests.clinics import clinic, visit_type
from tests.conftest import StandingClock
from tests.services.making import NEXT_WEEK, NINE, booked, rows
from tests.staffing import hired, signed_in
from tests.web.conftest import fields, on_both

pytestmark = on_both


def with_devices() -> ClinicFile:
    """Two lasers, of which each visit takes one."""
    phases = [{"name": "treatment", "minutes": 30, "needs": ["practitioner", "room", "laser"]}]
    lasers = [{"id": f"laser-{n}", "name": f"Laser {n}", "kind": "laser"} for n in (1, 2)]
    return clinic(visit_types=[visit_type(phases=phases)], devices=lasers)


JSON = {"Accept": "application/json"}
Post = Callable[..., TestResponse]


@pytest.fixture
def reference(app: Flask) -> str:
    with app.app_context():
        return booked(NINE, practitioner="ana").reference


def poster(client: FlaskClient) -> Post:
    """Sends a form with a token and a key of its own: as a script would, or with `plain` as a page does."""
    token = fields(client.get("/desk/calls").text)["csrf_token"]
    sent = iter(range(1000))

    def send(path: str, *, plain: bool = False, **typed: Any) -> TestResponse:
        form = {"csrf_token": token, "key": f"test-key-{next(sent)}"} | typed
        return client.post(path, data=form, headers={} if plain else JSON)

    return send


@pytest.fixture
def post(desk: FlaskClient) -> Post:
    return poster(desk)


@pytest.fixture
def colleague(app: Flask) -> Post:
    """The same for Eve, who works at the desk as well."""
    with app.app_context():
        eve = hired(Role.DESK, name="Eve Early")
    return poster(signed_in(app, eve))


def main_fields(page: TestResponse) -> dict[str, str]:
    # The bar above has forms of its own.
    return fields(page.text.partition("<main")[2])


def stands(app: Flask, reference: str) -> Any:
    with app.app_context():
        return next(row for row in rows(Appointment) if row["reference"] == reference)


def test_a_move_is_said_and_taken_back(app: Flask, post: Post, reference: str) -> None:
    later = NINE + timedelta(hours=1)
    moved = post(f"/desk/visits/{reference}/change", cell=cell_at(later), version=1, tell="yes").json
    assert (moved["ok"], moved["version"]) == (True, 2)
    assert "10:00 am" in moved["says"]
    assert "told at" in moved["says"]
    undone = post(moved["back"]).json
    assert undone["ok"]
    assert stands(app, reference)["from_cell"] == cell_at(NINE)


def test_a_change_of_room_alone_says_which(post: Post, reference: str) -> None:
    moved = post(f"/desk/visits/{reference}/change", room="room-2", version=1).json
    assert moved["says"] == "Now Tue, Sep 15, 9:00 am, with Ana Ruiz; Room 1 → Room 2. Nobody is written to."


def test_by_a_form_it_leads_on_with_a_way_back(desk: FlaskClient, post: Post, reference: str) -> None:
    answer = post(
        f"/desk/visits/{reference}/change", plain=True, day="2026-09-15", time="10:00", version=1,
        next="/desk/to-do",
    )  # fmt: skip
    assert (answer.status_code, answer.headers["Location"]) == (303, "/desk/to-do")
    page = desk.get("/desk/to-do").text
    assert "Now Tue, Sep 15, 10:00 am" in page
    assert "/desk/undo/" in page
    assert "/desk/undo/" not in desk.get("/desk/to-do").text


def test_nobody_is_led_to_another_site(post: Post, reference: str) -> None:
    for elsewhere in ("//evil.example", "https://evil.example", "/\\evil.example"):
        answer = post(f"/desk/visits/{reference}/note", plain=True, note="x", next=elsewhere)
        assert answer.headers["Location"] == f"/desk/visits/{reference}"


def test_beyond_the_rules_asks_why_and_then_does_it(app: Flask, post: Post, reference: str) -> None:
    early = cell_at(NINE - timedelta(hours=2))
    refused = post(f"/desk/visits/{reference}/change", cell=early, version=1)
    assert (refused.status_code, refused.json["code"]) == (409, "needs_reason")
    assert refused.json["needs_reason"] == ["That is outside working hours."]
    done = post(f"/desk/visits/{reference}/change", cell=early, version=1, reason="They fly at noon.")
    assert done.status_code == 200
    assert stands(app, reference)["from_cell"] == early


def test_a_clash_names_with_whom(app: Flask, post: Post, reference: str) -> None:
    with app.app_context():
        booked(NINE + timedelta(hours=1), practitioner="ana", first_name="Zoe")
    clash = cell_at(NINE + timedelta(hours=1))
    refused = post(f"/desk/visits/{reference}/change", cell=clash, version=1, reason="Now.")
    assert (refused.status_code, refused.json["code"]) == (409, "clash")
    assert any("Zoe Lima" in words for words in refused.json["alternatives"])


def test_a_stale_edit_says_who_changed_what_and_offers_both(
    post: Post, colleague: Post, reference: str
) -> None:
    later = cell_at(NINE + timedelta(hours=1))
    assert colleague(f"/desk/visits/{reference}/change", cell=later, version=1).status_code == 200
    page = post(f"/desk/visits/{reference}/change", plain=True, day="2026-09-15", time="11:00", version=1)
    assert page.status_code == 409
    for words in (
        "Moved by Eve Early",
        "You saw: Tuesday, September 15, 2026, 9:00 am",
        "11:00 am",
        'value="11:00"',
    ):
        assert words in page.text
    again = fields(page.text[page.text.index("What it would be") :])
    assert again["version"] == "2"


def test_the_form_of_a_visit_that_was_cancelled_meanwhile_says_so_and_keeps_what_was_typed(
    post: Post, colleague: Post, reference: str
) -> None:
    assert colleague(f"/desk/visits/{reference}/cancel", reason="Called", version=1).json["ok"]
    page = post(f"/desk/visits/{reference}/change", plain=True, day="2026-09-15", time="11:00", version=1)
    assert page.status_code == 409
    for words in ("Cancelled by Eve Early", "Change the visit of Rosa Lima", 'value="11:00"'):
        assert words in page.text
    assert "What it would be" not in page.text


def test_the_steps_of_a_visit(
    app: Flask, dana: Who, desk: FlaskClient, post: Post, reference: str, standing_clock: StandingClock
) -> None:
    standing_clock.at(NINE)
    signed_in(app, dana, desk)
    for to, then in (
        ("arrived", Status.ARRIVED),
        ("checked-in", Status.CHECKED_IN),
        ("fulfilled", Status.FULFILLED),
    ):
        answer = post(f"/desk/visits/{reference}/status", to=to)
        assert answer.json["ok"], answer.json
        assert stands(app, reference)["status"] is then


def test_what_does_not_follow_is_refused_in_words(post: Post, reference: str) -> None:
    refused = post(f"/desk/visits/{reference}/status", to="noshow")
    assert (refused.status_code, refused.json["code"]) == (409, "illegal_status")
    assert "9:15 am" in refused.json["advice"]
    refused = post(f"/desk/visits/{reference}/status", to="arrived")
    assert refused.json["advice"] == "That can be said on the day of the visit only, Tue, Sep 15."


def test_a_correction_needs_its_reason(
    app: Flask, dana: Who, desk: FlaskClient, post: Post, reference: str, standing_clock: StandingClock
) -> None:
    standing_clock.at(NINE + timedelta(minutes=20))
    signed_in(app, dana, desk)
    post(f"/desk/visits/{reference}/status", to="noshow")
    page = post(f"/desk/visits/{reference}/status", plain=True, correct="arrived", reason="")
    assert page.status_code == 409
    assert "A correction needs a reason." in page.text
    assert post(f"/desk/visits/{reference}/status", correct="arrived", reason="Was in the hall.").json["ok"]
    assert stands(app, reference)["status"] is Status.ARRIVED


def test_a_correction_that_is_refused_keeps_its_reason_and_leaves_the_note_alone(
    app: Flask, dana: Who, desk: FlaskClient, post: Post, reference: str, standing_clock: StandingClock
) -> None:
    standing_clock.at(NINE)
    signed_in(app, dana, desk)
    post(f"/desk/visits/{reference}/note", note="Comes with her son.")
    for to in ("arrived", "checked-in"):
        assert post(f"/desk/visits/{reference}/status", to=to).json["ok"]
    for path in ("status", "status?panel=1"):
        page = post(
            f"/desk/visits/{reference}/{path}",
            plain=True,
            correct="arrived",
            reason="Wrong patient.",
            version=3,
        )
        assert page.status_code == 409
        assert 'required value="Wrong patient."' in page.text
        assert '<option value="arrived" selected>' in page.text
        assert ">Comes with her son.</textarea>" in page.text


def test_cancelling_asks_once_and_tells_only_if_wished(
    app: Flask, desk: FlaskClient, post: Post, reference: str
) -> None:
    asked = desk.get(f"/desk/visits/{reference}/cancel").text
    assert "Cancel it, tell nobody" in asked or "Cancel it" in asked
    post(f"/desk/visits/{reference}/cancel", tell="no", reason="Called us", version=1)
    assert stands(app, reference)["status"] is Status.CANCELLED
    with app.app_context():
        assert [row for row in rows(Message) if row["kind"] == "cancellation"] == []


@pytest.mark.clinic(with_devices())
def test_another_device_alone_is_named_in_what_is_said_and_in_the_history(
    desk: FlaskClient, post: Post, reference: str
) -> None:
    done = post(f"/desk/visits/{reference}/change", device="laser-2", version=1)
    assert done.json["says"] == "Now Tue, Sep 15, 9:00 am, with Ana; Laser 1 → Laser 2. Nobody is written to."
    page = desk.get(f"/desk/visits/{reference}").text
    assert "Laser 1 → Laser 2" in page


def test_whose_wish_a_cancellation_was_is_corrected_in_its_panel(
    app: Flask, desk: FlaskClient, post: Post, reference: str
) -> None:
    post(f"/desk/visits/{reference}/cancel", by="patient", tell="no", reason="Called us", version=1)
    page = desk.get(f"/desk/visits/{reference}").text
    # First what wasn't said before.
    assert re.findall(r'<option value="(cancelled \w+)"', page) == ["cancelled staff", "cancelled patient"]
    wrong = {"correct": "cancelled staff", "version": "2"}
    refused = post(f"/desk/visits/{reference}/status", plain=True, **wrong)
    assert refused.status_code == 409 and '<option value="cancelled staff" selected>' in refused.text
    refused = post(f"/desk/visits/{reference}/status", plain=True, tell="no", **wrong)
    assert 'name="tell" value="no" checked' in refused.text
    done = post(f"/desk/visits/{reference}/status", reason="Ana is ill.", **wrong)
    assert done.json["says"].startswith("Corrected to: Cancelled by the clinic. The patient is told at ")
    page = desk.get(f"/desk/visits/{reference}").text
    assert "Corrected: Cancelled by the patient → Cancelled by the clinic" in page
    assert "by the clinic: Ana is ill." in page


def test_a_cancellation_is_taken_back_from_the_page_that_follows(
    app: Flask, desk: FlaskClient, post: Post, reference: str
) -> None:
    board = f"/desk/day/2026-09-15?visit={reference}"
    asked = desk.get(f"/desk/visits/{reference}/cancel?next={quote(board)}")
    answer = desk.post(f"/desk/visits/{reference}/cancel", data=main_fields(asked) | {"tell": "yes"})
    assert (answer.status_code, answer.location) == (303, board)
    page = desk.get(board).text
    assert "Cancelled. The patient is told at" in page
    undone = re.search(r'action="(/desk/undo/\d+)"', page)
    says = undone and post(undone[1]).json["says"]
    stands_again = "Booked, Tue, Sep 15, 9:00 am, with Ana Ruiz"
    assert says and says.startswith(f"Rosa Lima: Taken back. Was: Cancelled. Now: {stands_again}.")
    assert stands(app, reference)["status"] is Status.BOOKED


def test_a_note_is_kept_and_one_that_is_too_long_is_not_lost(
    app: Flask, desk: FlaskClient, post: Post, reference: str
) -> None:
    post(f"/desk/visits/{reference}/note", note="Comes with her son.")
    assert "Comes with her son." in desk.get(f"/desk/visits/{reference}").text
    page = post(f"/desk/visits/{reference}/note", plain=True, note="x" * 2001)
    assert page.status_code == 422
    assert "x" * 2001 in page.text
    assert stands(app, reference)["desk_note"] == "Comes with her son."
    post(f"/desk/visits/{reference}/note", note="Comes alone.")
    page = desk.get(f"/desk/visits/{reference}")
    assert re.search(r"Note changed.*?Before:</span> Comes with her son\.", page.text, re.DOTALL)


def test_a_note_written_meanwhile_by_somebody_else_is_not_overwritten(
    app: Flask, post: Post, colleague: Post, reference: str
) -> None:
    colleague(f"/desk/visits/{reference}/note", note="Theirs.", version=1)
    for mine in ("Mine.", ""):
        page = post(f"/desk/visits/{reference}/note", plain=True, note=mine, version=1)
        assert page.status_code == 409
        # Both are in sight, so that one press may keep both.
        assert '<span class="soft">Now it says:</span> Theirs.' in page.text
        assert f">{mine}</textarea>" in page.text
        assert stands(app, reference)["desk_note"] == "Theirs."


def test_one_reminder_is_taken_back_from_the_panel(app: Flask, post: Post) -> None:
    with app.app_context():
        booked(NEXT_WEEK)
        reminder = next(row for row in rows(Message) if row["kind"] == "reminder-3d")
    assert post(f"/desk/messages/{reminder['id']}", do="take-back").json["ok"]
    with app.app_context():
        states = {row["kind"]: row["state"] for row in rows(Message)}
    assert states["reminder-3d"] is MessageState.DROPPED
    assert states["reminder-1d"] is MessageState.QUEUED
    assert post(f"/desk/messages/{reminder['id']}", do="text").status_code == 409


_ODD = ("", "absurd", "\x00", "x" * 5000, "-1", "💉")


@pytest.mark.parametrize(
    "field", ["to", "correct", "version", "cell", "day", "time", "practitioner", "room", "length"]
)
def test_absurd_forms_get_a_clear_no(post: Post, reference: str, field: str) -> None:
    for path in ("change", "status"):
        for odd in _ODD:
            for plain in (True, False):
                answer = post(f"/desk/visits/{reference}/{path}", plain=plain, **{field: odd})
                assert answer.status_code < 500, (path, field, odd)


@pytest.mark.parametrize(
    "path",
    [
        "/desk/visits/{}/change", "/desk/visits/{}/status", "/desk/visits/{}/cancel", "/desk/visits/{}/note",
        "/desk/messages/1", "/desk/replies/1", "/desk/calls/{}", "/desk/to-do/1", "/desk/undo/1",
        "/desk/close/2026-09-14",
    ],
)  # fmt: skip
def test_a_form_without_a_proper_key_is_none_of_ours(post: Post, reference: str, path: str) -> None:
    for key in ("", "short", "with space", "x" * 81, "\x00" * 10):
        assert post(path.format(reference), key=key).status_code == 422


@pytest.mark.parametrize(
    ("path", "typed"),
    [
        ("/desk/visits/NOTTHERE/status", {"to": "arrived"}),
        ("/desk/visits/NOTTHERE/cancel", {}),
        ("/desk/visits/NOTTHERE/change", {"cell": "5964960"}),
        ("/desk/visits/NOTTHERE/note", {"note": "x"}),
        ("/desk/calls/NOTTHERE", {"outcome": "reached"}),
        ("/desk/messages/4711", {"do": "again"}),
        ("/desk/messages/99999999999999999999", {"do": "again"}),
        ("/desk/to-do/99999999999999999999", {}),
        ("/desk/replies/99999999999999999999", {}),
        ("/desk/undo/99999999999999999999", {}),
        # One more than any row's number.
        ("/desk/messages/2147483648", {"do": "again"}),
        ("/desk/to-do/2147483648", {}),
        ("/desk/replies/2147483648", {}),
        ("/desk/undo/2147483648", {}),
    ],
)
def test_what_is_not_there_is_not_found(post: Post, path: str, typed: dict[str, str]) -> None:
    assert post(path, **typed).status_code == 404
    assert post(path, plain=True, **typed).status_code == 404


def test_what_u_would_take_back_is_named_before_and_after(
    desk: FlaskClient, dana: Who, app: Flask, post: Post, reference: str, standing_clock: StandingClock
) -> None:
    standing_clock.at(NINE + timedelta(minutes=20))
    signed_in(app, dana, desk)
    post(f"/desk/visits/{reference}/status", to="noshow")
    back = post(f"/desk/visits/{reference}/status", correct="booked", reason="Waits outside.").json["back"]
    asked = desk.get(back, headers=JSON).json
    assert asked["question"] == "Rosa Lima, 9:20 am: Corrected: No-show → Booked"
    assert (asked["name"], asked["note"]) == ("Rosa Lima", "")
    done = post(back).json
    assert done["says"] == "Rosa Lima: Taken back. Was: Corrected: No-show → Booked. Now: No-show."
    assert done["visit"] == reference
    standing_clock.at(NINE + timedelta(minutes=31))
    signed_in(app, dana, desk)
    earlier = back.replace(back.rpartition("/")[2], str(int(back.rpartition("/")[2]) - 1))
    late = desk.get(earlier, headers=JSON)
    assert (late.status_code, late.json["name"]) == (409, "Rosa Lima")


def test_a_no_show_who_comes_late_is_here_or_finds_another_time(
    desk: FlaskClient, dana: Who, app: Flask, post: Post, reference: str, standing_clock: StandingClock
) -> None:
    with app.app_context():
        other = booked(
            NINE + timedelta(hours=4), practitioner="ana", first_name="Otto", email="o@example.com"
        )
    standing_clock.at(NINE + timedelta(minutes=16))
    signed_in(app, dana, desk)
    post(f"/desk/visits/{reference}/status", to="noshow")
    assert "Came late" in desk.get(f"/desk/visits/{reference}").text
    late = post(f"/desk/visits/{reference}/status", to="arrived").json
    assert late["says"] == "Here." and stands(app, reference)["status"] is Status.ARRIVED
    post(late["back"])
    taken = post(
        f"/desk/visits/{other.reference}/change", cell=cell_at(NINE + timedelta(minutes=20)), reason="Waits."
    )
    assert taken.json["ok"], taken.json
    refused = post(f"/desk/visits/{reference}/status", to="arrived")
    assert refused.status_code == 409 and "Otto Lima" in refused.json["alternatives"][0]
    assert desk.get(refused.json["times"]).status_code == 200
    page = post(f"/desk/visits/{reference}/status", plain=True, to="arrived")
    assert "Find a time" in page.text and "/desk/book?patient=" in page.text


def test_a_cancelled_visit_is_found_from_the_board_and_taken_back(
    desk: FlaskClient, app: Flask, post: Post, colleague: Post, reference: str
) -> None:
    day = "/desk/day/2026-09-15"
    assert f"{day}/cancelled" not in desk.get(day).text
    assert "No visit is cancelled." in desk.get(f"{day}/cancelled").text
    colleague(f"/desk/visits/{reference}/cancel", by="patient", reason="Ill", version=1)
    assert f'href="{day}/cancelled"' in desk.get(day).text
    week = "/desk/week/ana/2026-09-15"
    assert f'href="{week}/cancelled"' in desk.get(week).text
    for address in (f"{day}/cancelled", f"{week}/cancelled"):
        text = " ".join(re.sub(r"<[^>]+>", " ", desk.get(address).text).split())
        assert "9:00 am Rosa Lima" in text and "Cancelled by the patient" in text and ": Ill" in text
    assert "Rosa Lima" not in desk.get("/desk/week/ben/2026-09-15/cancelled").text
    assert f'href="/desk/visits/{reference}"' in desk.get(f"{day}/cancelled").text
    page = desk.get(f"/desk/visits/{reference}").text
    assert "Take the cancellation back" in page
    undone = re.search(r'action="(/desk/undo/\d+)"', page)
    assert undone and post(undone[1], plain=True).status_code == 303
    assert stands(app, reference)["status"] is Status.BOOKED


def test_the_room_is_read_before_the_kind_of_care(desk: FlaskClient, reference: str) -> None:
    assert '<span class="ty">Room 1, Follow-up' in desk.get("/desk/day/2026-09-15").text
