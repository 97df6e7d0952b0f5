"""Patients at the desk and booking for them, through the client: words, statuses, and nothing typed lost."""

import re
from datetime import timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update
from werkzeug.test import TestResponse

from booking.models import Appointment, AuditEntry, HistoryEntry, Message, Patient, Role
from booking.services.staff import drafts
from booking.services.staff.who import Who
from booking.services.transaction import run
from booking.web.desk.patient_forms import FIELD_WORDS
from tests.clinics import clinic, practitioner, set_up, visit_type
from tests.conftest import StandingClock
from tests.services.making import NINE, booked, rows
from tests.staffing import hired, signed_in
from tests.web.conftest import TRYING, fields, on_both, on_both_where_trying


@pytest.fixture
def who(app: Flask) -> Who:
    with app.app_context():
        return hired()


@pytest.fixture
def desk(app: Flask, who: Who) -> FlaskClient:
    return signed_in(app, who)


@pytest.fixture
def rosa(app: Flask) -> str:
    """Her record's reference. She has a visit on Tuesday at nine, with Ana."""
    with app.app_context():
        booked(phone="+18185550199", practitioner="ana")
        return str(rows(Patient)[0]["reference"])


def of(app: Flask, kind: Any) -> list[Any]:
    with app.app_context():
        return rows(kind)


def form_of(page: TestResponse) -> dict[str, str]:
    # The bar above has forms of its own.
    return fields(page.text.partition("<main")[2])


def send(desk: FlaskClient, page: TestResponse, to: str, **typed: Any) -> TestResponse:
    return desk.post(to, data=form_of(page) | typed)


def test_a_search_shows_whom_it_finds_and_json_says_the_same(desk: FlaskClient, rosa: str) -> None:
    page = desk.get("/desk/patients?q=lim+0199")
    assert f"/desk/patients/{rosa}" in page.text and "(818) 555-0199" in page.text
    found = desk.get("/desk/patients?q=lim", headers={"Accept": "application/json"}).json
    assert found == {
        "patients": [
            {"reference": rosa, "name": "Rosa Lima", "phone": "+18185550199", "email": "rosa@example.com",
             "born_on": None, "flags": []}
        ],
        "more": False,
    }  # fmt: skip
    assert "Nobody is found by" in desk.get("/desk/patients?q=nobody").text
    # By which part of an address somebody was found is seen.
    assert "rosa<wbr>@example" in desk.get("/desk/patients?q=@exam").text


@pytest.mark.parametrize(
    "where", ["/desk/patients?q=lima", "/desk/book?q=lima", "/desk/patients/{}/merge?q=lima"]
)
def test_whoever_is_found_is_shown_with_their_next_visit(
    desk: FlaskClient, rosa: str, app: Flask, where: str
) -> None:
    with app.app_context():
        booked(NINE + timedelta(days=1), first_name="Wei", email="wei@example.com", phone="+18185550111")
        wei = rows(Patient)[1]["reference"]
    assert "next Tue, Sep 15, 9:00 am" in desk.get(where.format(wei)).text


def test_the_boards_search_shows_first_who_comes_on_its_day(desk: FlaskClient, rosa: str, app: Flask) -> None:
    with app.app_context():
        booked(NINE + timedelta(days=1), first_name="Ada", email="ada@example.com")
        ada = rows(Patient)[1]["reference"]
    assert '<input type="hidden" name="day" value="2026-09-15">' in desk.get("/desk/day/2026-09-15").text
    for day, first, second in (("2026-09-15", rosa, ada), ("2026-09-16", ada, rosa)):
        text = desk.get(f"/desk/patients?q=lima&day={day}").text
        assert text.index(f"/desk/patients/{first}") < text.index(f"/desk/patients/{second}")


def test_a_page_of_a_patient_has_what_the_desk_asks_for(desk: FlaskClient, rosa: str, app: Flask) -> None:
    page = desk.get(f"/desk/patients/{rosa}").text
    for words in ("Rosa Lima", "(818) 555-0199", "Tue, Sep 15, 9:00 am", "Ana Ruiz", "No-shows", "Cancelled late",
                  "Confirmation", "Has not agreed to texts", "Book a visit"):  # fmt: skip
        assert words in page
    assert "opened patient" in [one["what"] for one in of(app, AuditEntry)]


@pytest.mark.parametrize(
    ("by", "reason", "words"),
    [
        ("patient", "", "by the patient, late"),
        ("staff", "", "by the clinic"),
        ("staff", "Booked by mistake", "booked by mistake"),
    ],
)
def test_a_cancelled_visit_stands_among_the_past_with_who_cancelled_it(
    desk: FlaskClient, rosa: str, app: Flask, by: str, reason: str, words: str
) -> None:
    cancelled = update(Appointment).values(
        status="cancelled", cancelled_by=by, cancel_reason=reason, cancelled_at=NINE - timedelta(hours=1)
    )
    with app.app_context():
        run(lambda session: session.execute(cancelled))
    ahead, _, past = desk.get(f"/desk/patients/{rosa}").text.partition("Past and cancelled visits")
    assert "None is booked." in ahead and "Sep 15" not in ahead
    assert words in past


def test_an_edit_is_saved_and_said(desk: FlaskClient, rosa: str, app: Flask) -> None:
    page = desk.get(f"/desk/patients/{rosa}/edit")
    answer = send(
        desk, page, f"/desk/patients/{rosa}/edit", first_name="Rosa", last_name="Pereira", phone="(818) 555-0199",
        email="rosa@example.com", born_on="3/4/1950", flags=["interpreter", "ground floor"], preferences="Mornings",
        desk_note="", visits_too="1",
    )  # fmt: skip
    assert answer.status_code == 303
    shown = desk.get(answer.location).text
    for words in (
        "Saved. An upcoming visit has it too.",
        "Rosa Pereira",
        "March 4, 1950",
        "Ground floor",
        "Interpreter",
    ):
        assert words in shown
    assert of(app, Appointment)[0]["last_name"] == "Pereira"


def test_what_has_another_contact_and_stays_as_it_is_is_named(
    desk: FlaskClient, rosa: str, app: Flask
) -> None:
    with app.app_context():
        booked(NINE + timedelta(days=1), email="daughter@example.com", phone="+18185550199")
    page = desk.get(f"/desk/patients/{rosa}/edit")
    answer = send(
        desk, page, f"/desk/patients/{rosa}/edit", first_name="Rosa", last_name="Lima", phone="(818) 555-0188",
        email="rosa@example.com", born_on="", preferences="", desk_note="", visits_too="1",
    )  # fmt: skip
    assert (
        "Saved. An upcoming visit has it too. A visit has another contact and stays as it is: Wed, Sep 16, 9:00 am."
    ) in desk.get(answer.location).text


@on_both
@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"first_name": ""}, "Please write the first name."),
        ({"phone": "12"}, "Please write a phone number"),
        ({"email": "no address"}, "Please write an e-mail address"),
        ({"phone": "", "email": ""}, "One is enough."),
        ({"born_on": "31/31/1950"}, "Please write the date of birth like 3/4/1950."),
        ({"born_on": "3/4/1850"}, "Please look at the year"),
        ({"born_on": "2/30/1950"}, "Please write the date of birth"),
        ({"flags": "pilot"}, "Please choose from the list."),
        ({"desk_note": "x" * 3000}, "Please shorten it"),
        ({"email": ""}, "An upcoming visit is reminded by e-mail."),
    ],
)
def test_what_does_not_fit_is_said_beside_it_and_nothing_is_lost(
    desk: FlaskClient, rosa: str, typed: dict[str, str], words: str
) -> None:
    page = desk.get(f"/desk/patients/{rosa}/edit")
    right = {"first_name": "Rosa", "last_name": "Kept-as-typed", "phone": "8185550199", "email": "rosa@example.com",
             "born_on": "", "preferences": "", "desk_note": "", "visits_too": "1"}  # fmt: skip
    answer = send(desk, page, f"/desk/patients/{rosa}/edit", **(right | typed))
    assert answer.status_code == 422
    assert words in answer.text and "Kept-as-typed" in answer.text
    # The summary names the field.
    (name,) = typed if len(typed) == 1 else ("phone",)
    assert f"<strong>{FIELD_WORDS[name]}:</strong> " in answer.text
    assert "Kept-as-typed" not in desk.get(f"/desk/patients/{rosa}").text


def test_a_stale_edit_shows_who_changed_what_and_keeps_what_was_typed(
    desk: FlaskClient, rosa: str, app: Flask
) -> None:
    mine = desk.get(f"/desk/patients/{rosa}/edit")
    right = {"first_name": "Rosa", "last_name": "Lima", "phone": "8185550199", "email": "rosa@example.com"}
    with app.app_context():
        other = signed_in(app, hired(name="Carla Colleague"))
    theirs = other.get(f"/desk/patients/{rosa}/edit")
    changed = right | {"phone": "8185550177", "preferences": "Mornings"}
    assert send(other, theirs, f"/desk/patients/{rosa}/edit", **changed).status_code == 303
    answer = send(
        desk, mine, f"/desk/patients/{rosa}/edit", **(right | {"phone": "8185550166", "last_name": "Costa"})
    )
    assert answer.status_code == 409
    for words in (
        "Carla Colleague changed it at 8:00 am",
        "(818) 555-0177",
        "You typed: (818) 555-0166",
        "Costa",
        "Mornings",
    ):
        assert words in answer.text
    assert 'value="8185550166"' in answer.text
    again = send(desk, answer, f"/desk/patients/{rosa}/edit",
                 **(right | {"phone": "8185550166", "last_name": "Costa", "preferences": "Mornings"}))  # fmt: skip
    assert again.status_code == 303
    shown = desk.get(again.location).text
    assert "(818) 555-0166" in shown and "Costa" in shown and "Mornings" in shown


def test_two_records_are_merged_and_taken_apart_again(desk: FlaskClient, rosa: str, app: Flask) -> None:
    with app.app_context():
        booked(NINE + timedelta(days=1), last_name="Limas", email="other@example.com")
        goes = str(rows(Patient)[1]["reference"])
    choose = desk.get(f"/desk/patients/{rosa}/merge")
    assert f"with={goes}" in choose.text
    page = desk.get(f"/desk/patients/{rosa}/merge?with={goes}")
    assert "Merge the two" in page.text and "This one goes into it" in page.text
    merged = send(desk, page, f"/desk/patients/{rosa}/merge")
    assert merged.status_code == 303
    shown = desk.get(merged.location)
    assert "The two records are one now." in shown.text and "Wed, Sep 16" in shown.text
    led = desk.get(f"/desk/patients/{goes}")
    assert (led.status_code, led.location) == (303, f"/desk/patients/{rosa}")
    key = re.search(r'name="key" value="([^"]+)"', shown.text)
    back = re.search(r'action="(/desk/patients/\w+/merge/\d+/take-back)"', shown.text)
    assert key and back
    token = form_of(shown)["csrf_token"]
    answer = desk.post(back[1], data={"csrf_token": token, "key": key[1]})
    assert answer.status_code == 303
    assert "Taken back." in desk.get(answer.location).text
    assert desk.get(f"/desk/patients/{goes}").status_code == 200


@pytest.fixture
def merged_meanwhile(desk: FlaskClient, rosa: str, app: Flask) -> TestResponse:
    """The form of a record that a colleague merges into Rosa's while somebody types."""
    with app.app_context():
        booked(NINE + timedelta(days=1), last_name="Limas", email="other@example.com")
        goes = str(rows(Patient)[1]["reference"])
    form = desk.get(f"/desk/patients/{goes}/edit")
    page = desk.get(f"/desk/patients/{rosa}/merge?with={goes}")
    assert send(desk, page, f"/desk/patients/{rosa}/merge").status_code == 303
    return form


@pytest.mark.parametrize("phone", ["8185550166", "816"])
def test_what_was_typed_into_a_record_that_was_merged_stands_beside_the_one_that_stayed(
    desk: FlaskClient, rosa: str, app: Flask, merged_meanwhile: TestResponse, phone: str
) -> None:
    goes = of(app, Patient)[1]["reference"]
    mine = {"first_name": "Rosa", "last_name": "Limas", "phone": phone, "email": "other@example.com",
            "flags": ["interpreter"], "desk_note": "Rings twice."}  # fmt: skip
    answer = send(desk, merged_meanwhile, f"/desk/patients/{goes}/edit", **mine)
    assert answer.status_code == 409
    words = re.sub(r"<[^>]+>", "", answer.text)
    for said in (
        "This record was merged into another one.",
        "Phone: (818) 555-0199. You typed: ",
        "Note of the desk: nothing. You typed: Rings twice.",
        "To look after: nothing. You typed: Interpreter.",
    ):
        assert said in words
    assert "First name: " not in words
    # What is saved now is the record that stayed, as it stands.
    assert f'action="/desk/patients/{rosa}/edit"' in answer.text
    assert 'value="+18185550199"' in answer.text and f'value="{phone}"' not in answer.text
    assert 'value="interpreter" checked' not in answer.text and ">Rings twice.<" not in answer.text


def test_records_whose_visits_overlap_show_them_and_no_button(
    desk: FlaskClient, rosa: str, app: Flask
) -> None:
    with app.app_context():
        booked(last_name="Limas", email="other@example.com", practitioner="ben")
        goes = str(rows(Patient)[1]["reference"])
    page = desk.get(f"/desk/patients/{rosa}/merge?with={goes}").text
    assert "These visits overlap" in page and "Merge the two" not in page


def test_two_records_of_different_people_are_warned_of_and_the_differences_marked(
    desk: FlaskClient, rosa: str, app: Flask
) -> None:
    with app.app_context():
        booked(NINE + timedelta(days=1), first_name="Wei", last_name="Chen", email="wei@example.com")
        booked(NINE + timedelta(days=2), last_name="Limas", email="other@example.com")
        wei, alike = (one["reference"] for one in rows(Patient)[1:])
    page = desk.get(f"/desk/patients/{rosa}/merge?with={wei}").text
    assert "Is this one person?" in page
    assert "Different in the two: First name, Last name, E-mail. Nothing is the same in both." in page
    assert page.count('<tr class="differs">') == 3
    page = desk.get(f"/desk/patients/{rosa}/merge?with={alike}").text
    assert "Is this one person?" not in page and page.count('<tr class="differs">') == 2


def test_a_relative_with_the_same_telephone_is_not_called_the_same_person(
    desk: FlaskClient, rosa: str, app: Flask
) -> None:
    with app.app_context():
        booked(NINE + timedelta(days=1), first_name="Tom", email="tom@example.com", phone="+18185550199")
    page = desk.get(f"/desk/patients/{rosa}/merge").text
    assert "Likely the same person" not in page and "No record looks like the same person." in page
    # What is left to do is to type a name.
    assert re.search(r'<input[^>]+id="q"[^>]+ autofocus', page)
    _, _, others = page.partition("<h2>Something is the same, but perhaps another person</h2>")
    assert "Tom Lima" in others and "The same in both: Last name, Phone." in others


def test_the_same_record_twice_is_said(desk: FlaskClient, rosa: str) -> None:
    assert desk.get(f"/desk/patients/{rosa}/merge?with={rosa}").status_code == 409


# Booking at the desk.


def choices(page: TestResponse) -> list[str]:
    return re.findall(r'name="time" value="(2026-[^"]+)"', page.text)


def test_a_known_patient_is_booked_in_one_form(desk: FlaskClient, rosa: str, app: Flask) -> None:
    assert f"/desk/book?patient={rosa}" in desk.get("/desk/book?q=lima").text
    page = desk.get(f"/desk/book?patient={rosa}")
    assert "Is booked already:" in page.text
    times = choices(page)
    assert times and "2026-09-15T16:00:00Z ana" not in times
    assert re.search(r'value="([^"]+)" checked', page.text)[1] == times[0]  # type: ignore[index]
    assert "after the last one booked" in page.text
    answer = send(desk, page, "/desk/book", visit_type="follow-up", practitioner="", time=times[0], tell="1",
                  reminders="email")  # fmt: skip
    assert answer.status_code == 303, answer.text
    visit = of(app, Appointment)[-1]
    # A week after the visit that they have.
    assert answer.location == f"/desk/day/2026-09-22?visit={visit['reference']}"
    assert (visit["booked_by"], visit["email"], visit["phone"]) == (
        "staff",
        "rosa@example.com",
        "+18185550199",
    )
    told = [
        one
        for one in of(app, Message)
        if one["appointment_id"] == visit["id"] and one["kind"] == "confirmation"
    ]
    assert [(one["due_at"] - one["written_at"]).total_seconds() for one in told] == [180]


def test_the_same_form_twice_books_once_and_shows_it(desk: FlaskClient, rosa: str, app: Flask) -> None:
    page = desk.get(f"/desk/book?patient={rosa}")
    form = {"visit_type": "follow-up", "practitioner": "", "time": choices(page)[0], "tell": "1"}
    first, second = (send(desk, page, "/desk/book", **form) for _ in range(2))
    assert first.location == second.location and len(of(app, Appointment)) == 2
    other = send(desk, page, "/desk/book", **(form | {"time": choices(page)[1]}))
    assert other.location == first.location and len(of(app, Appointment)) == 2


def test_the_place_from_the_board_is_chosen(desk: FlaskClient, rosa: str, app: Flask) -> None:
    cell = int((NINE.timestamp() + 3900) // 300)
    page = desk.get(f"/desk/book?patient={rosa}&day=2026-09-15&cell={cell}&practitioner=ben")
    assert "10:05 am" in page.text and "from the board" in page.text
    answer = send(desk, page, "/desk/book", visit_type="follow-up", practitioner="ben", time=choices(page)[0])
    assert answer.status_code == 303
    assert of(app, Appointment)[-1]["from_cell"] == cell


NEW = {"new": "1", "first_name": "Maria", "last_name": "Lopez", "phone": "(818) 555-0111", "email": "",
       "born_on": "3/4/1950", "visit_type": "first", "practitioner": "", "tell": "1"}  # fmt: skip


def test_somebody_new_is_booked_in_the_same_form(desk: FlaskClient, app: Flask) -> None:
    page = desk.get("/desk/book?new=1&q=maria+lopez")
    assert 'value="Maria"' in page.text and 'value="Lopez"' in page.text
    answer = send(desk, page, "/desk/book", **NEW, time=choices(page)[0])
    assert answer.status_code == 303, answer.text
    (made,) = of(app, Patient)
    assert (made["phone"], made["born_on"].isoformat()) == ("+18185550111", "1950-03-04")
    assert of(app, Appointment)[0]["reminders"] == "call"


def test_likely_duplicates_are_shown_first_and_one_more_press_makes_a_new_record(
    desk: FlaskClient, rosa: str, app: Flask
) -> None:
    page = desk.get("/desk/book?new=1")
    form = NEW | {"first_name": "Roza", "last_name": "Lima", "time": choices(page)[0]}
    answer = send(desk, page, "/desk/book", **form)
    assert answer.status_code == 409
    assert (
        "Is it one of these?" in answer.text
        and f'name="whom" value="{rosa}"' in answer.text
        and 'value="Roza"' in answer.text
    )
    hidden = form_of(answer)
    assert hidden["not"] == rosa
    again = desk.post("/desk/book", data=hidden | form)
    assert again.status_code == 303
    assert len(of(app, Patient)) == 2


def test_beyond_the_rules_asks_for_a_reason_and_keeps_it(desk: FlaskClient, rosa: str, app: Flask) -> None:
    page = desk.get(f"/desk/book?patient={rosa}")
    form = {"visit_type": "follow-up", "practitioner": "ana", "time": "other", "other_day": "2026-09-15",
            "other_time": "18:00", "tell": "1"}  # fmt: skip
    answer = send(desk, page, "/desk/book", **form)
    assert (
        answer.status_code in (409, 422)
        and "outside working hours" in answer.text
        and 'value="18:00"' in answer.text
    )
    # Where the screen locks here, the page to which it opens has a place for the reason as well.
    again = re.search(r'data-page="([^"]+)"', answer.text)
    assert again and 'id="reason" name="reason" value=""' in desk.get(unescape(again[1])).text
    answer = send(desk, answer, "/desk/book", **(form | {"reason": "Flies at noon"}))
    assert answer.status_code == 303
    entry = of(app, HistoryEntry)[-1]
    assert (entry["why"], entry["facts"]["breaches"]) == ("Flies at noon", ["outside_hours"])


def test_a_walk_in_begins_now_and_needs_no_more_words(
    app: Flask, rosa: str, who: Who, standing_clock: StandingClock
) -> None:
    standing_clock.on(hours=2, minutes=3)
    desk = signed_in(app, who)
    page = desk.get(f"/desk/book?patient={rosa}")
    answer = send(desk, page, "/desk/book", visit_type="follow-up", practitioner="", time="now", tell="1")
    assert answer.status_code == 303, answer.text
    assert of(app, Appointment)[-1]["from_cell"] * 300 == int(standing_clock.now.timestamp()) // 300 * 300


def test_a_walk_in_is_here_at_once_and_undo_takes_back_both(
    app: Flask, rosa: str, who: Who, standing_clock: StandingClock
) -> None:
    standing_clock.on(hours=2, minutes=3)
    desk = signed_in(app, who)
    page = desk.get(f"/desk/book?patient={rosa}")
    form = {"visit_type": "follow-up", "practitioner": "ana", "time": "now", "tell": "1"}
    page = send(desk, page, "/desk/book", **form, show="1")
    board = desk.get(send(desk, page, "/desk/book", **form).location)
    assert (
        "Booked, and here: Rosa Lima, Mon, Sep 14, 10:00 am, with Ana Ruiz. Nobody is written to now."
        in board.text
    )
    visit = of(app, Appointment)[-1]
    assert (visit["status"], visit["arrived_at"]) == ("arrived", standing_clock.now)
    assert "with Ana Ruiz, and here" in desk.get(f"/desk/visits/{visit['reference']}").text
    way_back = re.search(r'action="(/desk/undo/\d+)"', board.text)
    assert way_back
    desk.post(way_back[1], data=fields(board.text.partition('class="toasts"')[2]))
    visit = of(app, Appointment)[-1]
    assert (visit["status"], visit["arrived_at"]) == ("cancelled", None)


def test_a_walk_in_without_a_number_sees_with_whom_before_and_is_asked_for_nothing_else(
    app: Flask, who: Who, standing_clock: StandingClock
) -> None:
    standing_clock.on(hours=3)
    desk = signed_in(app, who)
    page = desk.get("/desk/book?new=1&visit_type=follow-up")
    assert re.search(r"walk-in, and is here · Ana Ruiz, in Room \d", page.text)
    assert "we can't reach them afterwards" in page.text
    form = {"first_name": "Walter", "last_name": "Inn", "visit_type": "follow-up", "time": "now", "tell": "1"}
    answer = send(desk, page, "/desk/book", **form)
    assert answer.status_code == 303, answer.text
    assert "with Ana Ruiz. Nobody is written to now." in desk.get(answer.location).text
    # Whoever isn't here has to be reached.
    later = send(
        desk,
        page,
        "/desk/book",
        **(form | {"time": "2026-09-21T16:00:00Z ana", "first_name": "Otto", "last_name": "Quist"}),
    )
    assert later.status_code == 422 and "One is enough." in later.text
    patient = of(app, Patient)[-1]["reference"]
    page = desk.get(f"/desk/book?patient={patient}&visit_type=follow-up")
    assert "Write to the patient" not in page.text
    later = send(desk, page, "/desk/book", visit_type="follow-up", time="2026-09-21T16:00:00Z ana", tell="1")
    assert later.status_code == 422 and "The record has no phone number and no e-mail address." in later.text


def test_the_record_of_a_walk_in_without_a_number_can_be_corrected_and_gets_no_contact_taken_away(
    app: Flask, who: Who, standing_clock: StandingClock
) -> None:
    standing_clock.on(hours=3)
    desk = signed_in(app, who)
    page = desk.get("/desk/book?new=1&visit_type=follow-up")
    send(desk, page, "/desk/book", first_name="Walter", last_name="In", visit_type="follow-up", time="now")
    edit = f"/desk/patients/{of(app, Patient)[-1]['reference']}/edit"
    walter = {"first_name": "Walter", "last_name": "Inn", "flags": ["ground floor"], "desk_note": "Deaf"}
    assert send(desk, desk.get(edit), edit, **walter).status_code == 303
    patient = of(app, Patient)[-1]
    assert (patient["last_name"], patient["phone"], patient["desk_note"]) == ("Inn", None, "Deaf")
    assert send(desk, desk.get(edit), edit, **(walter | {"phone": "(818) 555-0166"})).status_code == 303
    again = send(desk, desk.get(edit), edit, **(walter | {"phone": "", "email": ""}))
    assert again.status_code == 422 and "One is enough." in again.text


def test_a_walk_in_out_of_hours_is_asked_for_a_reason(
    app: Flask, rosa: str, who: Who, standing_clock: StandingClock
) -> None:
    standing_clock.on(hours=-4)
    desk = signed_in(app, who)
    form = {"visit_type": "follow-up", "practitioner": "ana", "time": "now", "tell": "1"}
    page = send(desk, desk.get(f"/desk/book?patient={rosa}"), "/desk/book", **form, show="1")
    assert re.search("needs a reason</span> <span[^>]*>Ana Ruiz&#39;s day begins at 9:00 am.", page.text)
    refused = send(desk, page, "/desk/book", **form)
    assert refused.status_code in (409, 422) and "Please write why." not in refused.text
    assert '<p class="hint" id="reason-broken">That is outside working hours.' in refused.text
    refused = send(desk, refused, "/desk/book", **form, reason="   ")
    assert refused.status_code in (409, 422) and "Please write why." in refused.text
    assert 'value="now" checked' in refused.text and len(of(app, Appointment)) == 1
    assert send(desk, refused, "/desk/book", **form, reason="Great pain").status_code == 303
    entry = of(app, HistoryEntry)[-1]
    assert entry["why"] == "Great pain" and "outside_hours" in entry["facts"]["breaches"]


def test_no_second_visit_of_a_day_is_chosen_by_itself(desk: FlaskClient, rosa: str) -> None:
    """From the board of the day on which they come."""
    page = desk.get(f"/desk/book?patient={rosa}&day=2026-09-15")
    assert choices(page)[0].startswith("2026-09-15")
    assert re.search(r'value="([^"]+)" checked', page.text)[1].startswith("2026-09-16")  # type: ignore[index]


def test_the_patients_other_visit_at_that_time_is_shown_with_a_way_to_move_it(
    desk: FlaskClient, rosa: str
) -> None:
    page = desk.get(f"/desk/book?patient={rosa}&practitioner=ben")
    answer = send(
        desk, page, "/desk/book", visit_type="follow-up", practitioner="ben", time="2026-09-15T16:00:00Z ben"
    )
    assert answer.status_code == 409
    assert "The patient&#39;s other visit" in answer.text and "Move that visit" in answer.text


def test_what_is_taken_is_said_with_whom(desk: FlaskClient, rosa: str, app: Flask) -> None:
    page = desk.get("/desk/book?new=1")
    answer = send(desk, page, "/desk/book", **NEW, time="2026-09-15T16:00:00Z ana")
    assert answer.status_code == 409
    assert "Ana Ruiz: Rosa Lima" in answer.text and 'value="Maria"' in answer.text


def test_another_visit_shows_its_times_and_keeps_what_was_typed(desk: FlaskClient) -> None:
    page = desk.get("/desk/book?new=1")
    shown = send(
        desk, page, "/desk/book", **(NEW | {"visit_type": "follow-up", "practitioner": "ben"}), show="1"
    )
    assert shown.status_code == 200 and 'value="Maria"' in shown.text
    assert choices(shown) and all(one.endswith(" ben") for one in choices(shown))


def test_nobody_chosen_is_said(desk: FlaskClient) -> None:
    page = desk.get("/desk/book")
    answer = desk.post(
        "/desk/book", data=form_of(desk.get("/desk/book?new=1")) | {"new": "", "visit_type": "first"}
    )
    assert page.status_code == 200 and answer.status_code == 422
    assert "Please choose the patient" in answer.text


def test_the_form_carries_no_guess_from_the_search_to_a_patient(desk: FlaskClient, rosa: str) -> None:
    assert "visit_type=" not in desk.get("/desk/book?q=lima").text
    assert "visit_type=first" in desk.get("/desk/book?q=lima&visit_type=first").text
    # Nor from somebody new to a record that they may have; what was chosen stays.
    for visit, then in (("first", "follow-up"), ("special", "special")):
        page = desk.get(f"/desk/book?new=1&visit_type={visit}")
        form = AS_ROSA | {"visit_type": visit, "time": "2026-09-21T16:00:00Z ana"}
        likely = send(desk, page, "/desk/book", **form)
        assert likely.status_code == 409
        known = send(desk, likely, "/desk/book", **form, whom=rosa)
        assert chosen(known) == then
        assert chosen(desk.post("/desk/book", data=stands(known) | {"whom": ""})) == visit


AS_ROSA = NEW | {
    "first_name": "Roza",
    "last_name": "Lima",
    "born_on": "3/4/50",
    "note": "By the window",
    "reminders": "call",
}
# Rosa is with Ana then.
AT_NINE = "2026-09-15T16:00:00Z ben"


def stands(page: TestResponse) -> dict[str, str]:
    """All that the form would send, without the buttons: as its browser reads it."""
    form = page.text.partition('<form id="booking"')[2].partition("</form>")[0]
    found = form_of(page)
    found |= dict(re.findall(r'name="(\w+)" value="([^"]*)" checked', form))
    found |= dict(
        re.findall(r'<input type="(?:text|tel|email|date|time)"[^>]* name="(\w+)" value="([^"]*)"', form)
    )
    found |= dict(re.findall(r'<textarea[^>]* name="(\w+)"[^>]*>([^<]*)<', form))
    for name, options in re.findall(r'<select[^>]* name="(\w+)"[^>]*>(.*?)</select>', form):
        found[name] = next(iter(re.findall(r'value="([^"]*)" selected', options)), "")
    return {name: unescape(value) for name, value in found.items()}


@on_both
def test_all_that_was_typed_stays_through_who_it_is_and_through_the_visit_that_is_moved_first(
    desk: FlaskClient, rosa: str, app: Flask, who: Who
) -> None:
    page = desk.get("/desk/book?new=1&from=2026-09-15&visit_type=follow-up")
    asked = stands(page) | AS_ROSA | {"visit_type": "follow-up", "time": AT_NINE}
    likely = desk.post("/desk/book", data=asked)
    known = desk.post("/desk/book", data=stands(likely) | {"whom": rosa})
    assert known.status_code == 200 and "New visit: Rosa Lima" in known.text
    # Though it isn't offered: she has another visit at that time.
    assert f'value="{AT_NINE}" checked autofocus' in known.text
    assert "You typed: Roza Lima · (818) 555-0111 · 3/4/50" in known.text
    new = stands(desk.post("/desk/book", data=stands(known) | {"whom": ""}))
    assert {name: new[name] for name in AS_ROSA} | {"patient": new.get("patient", "")} == {
        **AS_ROSA, "visit_type": "follow-up", "patient": "",
    }  # fmt: skip

    elsewhere = desk.post("/desk/book", data=stands(known))
    assert elsewhere.status_code == 409 and f'value="{AT_NINE}" checked' in elsewhere.text
    (other,) = re.findall(r'name="move" value="(\w+)"', elsewhere.text)
    led = desk.post("/desk/book", data=stands(elsewhere) | {"move": other})
    assert led.status_code == 303 and led.location.startswith(f"/desk/visits/{other}/change?next=")
    assert "window" not in led.location and "Roza" not in led.location
    change = desk.get(f"{led.location}&time=14:00")
    sent = {name: unescape(value) for name, value in form_of(change).items()}
    moved = desk.post(f"/desk/visits/{other}/change", data=sent | {"tell": "phone"})
    assert moved.status_code == 303, moved.text
    back = desk.get(moved.location)
    for name, value in stands(elsewhere).items():
        assert name in ("key", "csrf_token") or stands(back)[name] == value
    booked_ = desk.post("/desk/book", data=stands(back))
    assert booked_.status_code == 303, booked_.text
    visit = of(app, Appointment)[-1]
    assert (visit["note"], visit["reminders"]) == ("By the window", "call")
    assert visit["from_cell"] == NINE.timestamp() // 300
    with app.app_context():
        assert drafts.of(who.account_id) == [], "What is booked is no draft."


def test_a_time_that_was_typed_stays_while_the_other_visit_is_moved(
    desk: FlaskClient, rosa: str, app: Flask
) -> None:
    page = desk.get(f"/desk/book?patient={rosa}&practitioner=ben&visit_type=follow-up")
    typed = {"time": "other", "other_day": "2026-09-15", "other_time": "09:05", "reason": "Flies at noon"}
    elsewhere = desk.post("/desk/book", data=stands(page) | typed)
    (other,) = re.findall(r'name="move" value="(\w+)"', elsewhere.text)
    led = desk.post("/desk/book", data=stands(elsewhere) | typed | {"move": other})
    (address,) = parse_qs(urlsplit(led.location).query)["next"]
    page = desk.get(address)
    # Enter books it.
    assert 'value="other" checked autofocus' in page.text
    back = stands(page)
    assert {name: back[name] for name in typed} == typed
    # It is theirs who typed it, and of an address that keeps nothing the rest is so.
    with app.app_context():
        colleague = signed_in(app, hired(name="Theo"))
    for client, where in ((colleague, address), (desk, re.sub("kept=[0-9]+", "kept=999999", address))):
        shown = client.get(where)
        assert "New visit: Rosa Lima" in shown.text and "Flies at noon" not in shown.text


def chosen(page: TestResponse) -> str:
    """The visit that the form has chosen; empty for none."""
    found = re.search(
        r'<option value="([^"]*)" selected',
        page.text.partition('name="visit_type"')[2].partition("</select")[0],
    )
    return found[1] if found else ""


def test_somebody_new_begins_with_the_first_visit_and_a_follow_up_is_only_remarked_on(
    app: Flask, desk: FlaskClient
) -> None:
    with app.app_context():
        set_up(
            clinic(
                modalities=[{"id": "needles", "name": "Acupuncture"}, {"id": "massage", "name": "Massage"}],
                visit_types=[
                    visit_type("first", kind="first", modality="needles"),
                    visit_type("follow-up", kind="returning", modality="needles"),
                    visit_type("massage", modality="massage"),
                ],
                practitioners=[
                    practitioner("ana", offers=["first", "follow-up"]),
                    practitioner("ben", offers=["massage"]),
                ],
            )
        )
    page = desk.get("/desk/book?new=1")
    assert chosen(page) == "" and "Choose the visit" in page.text and choices(page) == []
    assert chosen(desk.get("/desk/book?new=1&practitioner=ana")) == "first"
    refused = send(desk, page, "/desk/book", **(NEW | {"visit_type": "", "time": ""}))
    assert refused.status_code == 422 and "Please choose a visit." in refused.text
    # With whom says of which kind.
    shown = send(desk, page, "/desk/book", **(NEW | {"visit_type": "", "practitioner": "ben", "show": "1"}))
    assert chosen(shown) == "massage" and choices(shown)
    remarked = send(desk, page, "/desk/book", **(NEW | {"visit_type": "follow-up", "show": "1"}))
    assert "A follow-up, and Acupuncture would be new to this patient." in remarked.text
    booked_ = send(
        desk, remarked, "/desk/book", **(NEW | {"visit_type": "follow-up", "time": choices(remarked)[0]})
    )
    assert booked_.status_code == 303
    with app.app_context():
        maria = rows(Patient)[0]["reference"]
    known = desk.get(f"/desk/book?patient={maria}")
    assert chosen(known) == "follow-up" and "would be new" not in known.text


def test_whoever_does_not_give_the_visit_stays_chosen_and_it_is_said(desk: FlaskClient, rosa: str) -> None:
    page = desk.get(f"/desk/book?patient={rosa}")
    shown = send(desk, page, "/desk/book", visit_type="first", practitioner="ben", show="1")
    assert "Ben Okoro doesn’t give this visit." in shown.text
    assert '<option value="ben" selected>' in shown.text and choices(shown) == []


def test_times_within_the_notice_are_marked_and_booked_without_a_reason(
    desk: FlaskClient, rosa: str, app: Flask
) -> None:
    _week_later, soon, *_ = choices(page := desk.get(f"/desk/book?patient={rosa}"))
    assert soon.startswith("2026-09-14T16:00:00Z") and "sooner than the notice" in page.text
    # Nothing that is sooner is chosen by itself.
    other = desk.get("/desk/book?new=1&visit_type=follow-up").text
    assert re.search(r'value="([^"]+)" checked', other)[1].startswith("2026-09-14T17:00:00Z")  # type: ignore[index]
    answer = send(desk, page, "/desk/book", visit_type="follow-up", practitioner="", time=soon, tell="1")
    assert answer.status_code == 303, answer.text
    entry = of(app, HistoryEntry)[-1]
    assert (entry["why"], entry["facts"]["breaches"]) == ("By telephone, on short notice", ["too_soon"])


def test_a_place_of_the_board_within_the_notice_asks_no_reason_and_one_that_is_past_does(
    app: Flask, rosa: str, who: Who, standing_clock: StandingClock
) -> None:
    standing_clock.on(hours=2)
    desk = signed_in(app, who)

    def from_the_board(**ahead: float) -> TestResponse:
        cell = int((standing_clock.now + timedelta(**ahead)).timestamp()) // 300
        page = desk.get(f"/desk/book?patient={rosa}&day=2026-09-14&cell={cell}&practitioner=ben")
        return send(
            desk, page, "/desk/book", visit_type="follow-up", practitioner="ben", time=choices(page)[0]
        )

    assert from_the_board(minutes=30).status_code == 303
    past = from_the_board(minutes=-30)
    assert past.status_code == 409 and "That time has passed." in past.text


@pytest.mark.parametrize("otherwise", [{"practitioner": "ben"}, {"visit_type": "first"}])
def test_what_was_chosen_after_the_times_were_shown_shows_its_own_and_books_nothing(
    desk: FlaskClient, rosa: str, app: Flask, otherwise: dict[str, str]
) -> None:
    """Without JavaScript the times on the page are still those of before."""
    page = desk.get(f"/desk/book?patient={rosa}&practitioner=ana")
    form = {
        "visit_type": "follow-up",
        "practitioner": "ana",
        "time": choices(page)[0],
        "note": "By the window",
    }
    again = send(desk, page, "/desk/book", **(form | otherwise))
    assert again.status_code == 200 and len(of(app, Appointment)) == 1
    assert "These are other times" in again.text and "By the window" in again.text
    person = otherwise.get("practitioner", "ana")
    assert choices(again) and all(one.endswith(f" {person}") for one in choices(again))
    answer = send(desk, again, "/desk/book", **(form | otherwise | {"time": choices(again)[0]}))
    assert answer.status_code == 303


def test_a_time_that_only_wants_a_reason_stays_chosen(desk: FlaskClient, rosa: str, app: Flask) -> None:
    page = desk.get(f"/desk/book?patient={rosa}")
    early = "2026-09-15T14:00:00Z ana"
    form = {"visit_type": "follow-up", "practitioner": "", "time": early}
    refused = send(desk, page, "/desk/book", **form)
    assert refused.status_code == 409 and f'value="{early}" checked' in refused.text
    assert send(desk, refused, "/desk/book", **form, reason="Flies at noon").status_code == 303


def test_a_booking_is_said_with_a_way_back_and_its_form_books_anew_after_it(
    desk: FlaskClient, rosa: str, app: Flask
) -> None:
    page = desk.get(f"/desk/book?patient={rosa}")
    form = {"visit_type": "follow-up", "practitioner": "ana", "time": "2026-09-15T17:00:00Z ana"}
    page = send(desk, page, "/desk/book", **form, show="1")
    board = desk.get(send(desk, page, "/desk/book", **form).location)
    assert "Booked: Rosa Lima, Tue, Sep 15, 10:00 am, with Ana Ruiz. Nobody is written to now." in board.text
    way_back = re.search(r'action="(/desk/undo/\d+)"', board.text)
    assert way_back
    hidden = fields(board.text.partition('class="toasts"')[2])
    undone = desk.post(way_back[1], data=hidden)
    assert (undone.status_code, undone.location) == (303, hidden["next"])
    assert "Taken back." in desk.get(undone.location).text
    visit = of(app, Appointment)[-1]
    assert (visit["status"], visit["cancel_reason"]) == ("cancelled", "Booked by mistake")
    assert "Taken back: Booked" in desk.get(f"/desk/visits/{visit['reference']}").text
    # The back button brings the form, whose key is used up.
    again = send(desk, page, "/desk/book", **form)
    assert again.status_code == 409
    assert "The visit that this form booked was cancelled." in again.text
    assert f'value="{form["time"]}" checked' in again.text
    assert send(desk, again, "/desk/book", **form).status_code == 303
    assert len(of(app, Appointment)) == 3


@on_both_where_trying("words", ["", *TRYING, "-1", "../../etc"])
def test_absurd_words_never_break_a_page(desk: FlaskClient, rosa: str, words: str) -> None:
    for path, names in (
        ("/desk/patients", ["q", "next"]),
        (f"/desk/patients/{rosa}", ["past", "changes", "next"]),
        (f"/desk/patients/{rosa}/merge", ["q", "with", "next"]),
        (
            "/desk/book",
            [
                "q",
                "patient",
                "new",
                "visit_type",
                "practitioner",
                "from",
                "day",
                "cell",
                "next",
                "time",
                "kept",
            ],
        ),
    ):
        assert desk.get(path, query_string=dict.fromkeys(names, words)).status_code < 500
        for name in names:
            assert desk.get(path, query_string={name: words}).status_code < 500
    book = form_of(desk.get("/desk/book?new=1"))
    edit = form_of(desk.get(f"/desk/patients/{rosa}/edit"))
    booked_with = [
        *NEW,
        "q",
        "patient",
        "time",
        "other_day",
        "other_time",
        "reminders",
        "payment",
        "note",
        "reason",
        "not",
        "cell",
        "kept",
        "whom",
        "ours",
        "move",
    ]
    edited = [*NEW, "version", "flags", "preferences", "desk_note"]
    for path, hidden, names in (
        ("/desk/book", book, booked_with),
        (f"/desk/patients/{rosa}/edit", edit, edited),
        (f"/desk/patients/{rosa}/merge", edit, ["with", "version", "other_version", "reason"]),
        (f"/desk/patients/{rosa}/merge/99999999999/take-back", edit, ["version"]),
    ):
        for name in [*names, "key", "next"]:
            answer = desk.post(path, data=hidden | {name: words})
            assert answer.status_code < 500, (path, name)
        everything = {"csrf_token": hidden["csrf_token"]} | dict.fromkeys([*names, "key", "next"], words)
        assert desk.post(path, data=everything).status_code < 500


@on_both
def test_a_reference_that_no_database_takes_is_nobodys(desk: FlaskClient, rosa: str) -> None:
    book = form_of(desk.get("/desk/book?new=1"))
    for name, path in (("patient", "/desk/book"), ("with", f"/desk/patients/{rosa}/merge")):
        for words in ("\x00", f"{rosa}\x00"):
            assert desk.get(path, query_string={name: words}).status_code == 404
            assert desk.post(path, data=book | {name: words, "time": "now"}).status_code == 404


def test_practitioners_see_their_own_patients_and_change_nobody(app: Flask, rosa: str) -> None:
    with app.app_context():
        ana = signed_in(app, hired(Role.PRACTITIONER, practitioner="ana"))
        ben = signed_in(app, hired(Role.PRACTITIONER, practitioner="ben"))
    page = ana.get(f"/desk/patients/{rosa}")
    assert page.status_code == 200 and "Edit" not in page.text
    assert ben.get(f"/desk/patients/{rosa}").status_code == 404
    assert (
        "Rosa" in ana.get("/desk/patients?q=lima").text
        and "Rosa" not in ben.get("/desk/patients?q=lima").text
    )
    for path in (f"/desk/patients/{rosa}/edit", f"/desk/patients/{rosa}/merge", "/desk/book"):
        assert ana.get(path).status_code == 404
