"""Coverage on staff pages: recorded, shown wherever a visit is, and nothing that was typed is lost."""

import re
from datetime import date
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from booking.models import Appointment, Coverage, Patient, PatientChange, Role
from booking.scheduling.allowances.usual import USUAL
from booking.scheduling.timeline import instant_of
from booking.web import allowance_words
from tests.services.making import NEXT_WEEK, booked, rows
from tests.staffing import hired, signed_in
from tests.web.conftest import TRYING, fields, on_both_where_trying

FORM = {
    "name": "Blue Shield", "kind": "insurance", "modalities": "care", "limit": "12", "span": "calendar_year",
    "cap_span": "calendar_year", "same_day": "each", "beyond": "",
}  # fmt: skip


@pytest.fixture
def rosa(app: Flask) -> str:
    with app.app_context():
        booked(NEXT_WEEK, practitioner="ana", phone="+18185550199")
        return str(rows(Patient)[0]["reference"])


def of(app: Flask, kind: Any) -> list[Any]:
    with app.app_context():
        return rows(kind)


def send(
    browser: FlaskClient, reference: str, part: str = "", key: str = "a key of mine", **typed: Any
) -> TestResponse:
    form = {"csrf_token": token(browser, reference), "key": key.replace(" ", "-")} | typed
    return browser.post(f"/desk/patients/{reference}/coverage{part}", data=form)


def token(browser: FlaskClient, reference: str) -> str:
    page = browser.get(f"/desk/patients/{reference}/coverage?new=package").text
    return fields(page.partition("<main")[2])["csrf_token"]


def add(browser: FlaskClient, reference: str, **typed: Any) -> TestResponse:
    return send(browser, reference, **FORM | typed)


def plain(page: str) -> str:
    """What is read on a page."""
    return " ".join(re.sub(r"<[^>]+>", " ", page.partition("<main")[2]).split())


def test_it_is_added_and_shown_on_the_patients_page_and_with_the_visit(
    desk: FlaskClient, app: Flask, rosa: str
) -> None:
    (visit,) = of(app, Appointment)
    assert "Coverage" not in plain(desk.get(f"/desk/visits/{visit['reference']}?panel=1").text)
    answer = add(desk, rosa)
    assert answer.status_code == 303
    shown = plain(desk.get(answer.location).text)
    left = "Care: 11 of 12 left until Dec 31, 2026"
    assert "Added: Blue Shield." in shown and left in shown and "0 used, 1 booked" in shown
    assert "It is not a promise that a visit is covered." in shown
    page = plain(desk.get(f"/desk/patients/{rosa}").text)
    assert left in page and "Coverage added" in page and "Blue Shield; Insurance; Care; 12 visits" in page
    panel = plain(desk.get(f"/desk/visits/{visit['reference']}").text)
    assert f"{left}; this visit is the 1st" in panel


def test_what_is_left_is_said_of_the_year_in_which_a_visit_lies_as_well(
    desk: FlaskClient, app: Flask, rosa: str
) -> None:
    (visit,) = of(app, Appointment)
    assert instant_of(visit["from_cell"]).date() > date(2026, 9, 16)
    added = add(desk, rosa, span="contract_year", month_day="9/16")
    left = "Care: 12 of 12 left until Sep 15, 2026 (0 used, 0 booked) ; then 11 of 12 left until Sep 15, 2027"
    assert left in plain(desk.get(added.location).text)
    assert left in plain(desk.get(f"/desk/patients/{rosa}").text)


@pytest.mark.parametrize("usual", USUAL)
def test_a_form_begins_with_what_is_usual_and_can_be_sent_as_it_is(
    desk: FlaskClient, app: Flask, rosa: str, usual: str
) -> None:
    page = desk.get(f"/desk/patients/{rosa}/coverage?new={usual}")
    assert page.status_code == 200
    sent = as_sent(page.text) | {"modalities": "care", "key": f"key-of-{usual}"}
    sent["limit"] = sent["limit"] or "20"
    answer = desk.post(f"/desk/patients/{rosa}/coverage", data=sent)
    assert answer.status_code == 303
    number = of(app, Coverage)[0]["id"]
    again = as_sent(desk.get(f"/desk/patients/{rosa}/coverage?change={number}").text)
    same = desk.post(f"/desk/patients/{rosa}/coverage/{number}", data=again | {"modalities": "care"})
    assert same.status_code == 303
    assert [one["what"] for one in of(app, PatientChange)] == ["coverage_added"], (
        "The same again changes nothing."
    )


def as_sent(page: str) -> dict[str, Any]:
    """The form of the terms as a browser would send it."""
    form = re.search(
        r'<form method="post" action="[^"]*/coverage(/\d+)?".*?</form>', page.partition("<main")[2], re.S
    )
    assert form
    found: dict[str, Any] = {}
    for tag in re.findall(r"<input [^>]*>", form[0]):
        name, value = re.search(r'name="([^"]*)"', tag), re.search(r'value="([^"]*)"', tag)
        assert name and value
        if 'type="checkbox"' not in tag or " checked" in tag:
            found.setdefault(name[1], []).append(value[1])
    for name_, choices in re.findall(r'<select id="[^"]*" name="([^"]*)".*?>(.*?)</select>', form[0], re.S):
        chosen = re.search(r'value="([^"]*)" selected', choices) or re.search(r'value="([^"]*)"', choices)
        assert chosen
        found.setdefault(name_, []).append(chosen[1])
    return {name: values if name.startswith("auth_") else values[-1] for name, values in found.items()}


@pytest.mark.parametrize(
    ("typed", "says", "at"),
    [
        ({"name": " "}, "Please write what it is called", "name"),
        ({"modalities": []}, "Please choose at least one kind of care.", "modalities"),
        ({"modalities": "witchcraft"}, "Please choose from the list.", "modalities"),
        ({"limit": ""}, "Please write how many visits are allowed.", "limit"),
        ({"limit": "-1"}, "Please write a number from 0 to 400.", "limit"),
        ({"limit": "many"}, "Please write a number from 0 to 400.", "limit"),
        ({"span": "rolling"}, "Please write how many days.", "days"),
        ({"span": "contract_year", "month_day": "2/30"}, "Please write month and day, like 7/1.", "month_day"),
        ({"ends": "31st of June"}, "Please write a date like 12/31/2026.", "ends"),
        ({"begins": "12/31/2026", "ends": "12/30/2026"}, "The last day lies before the first.", "ends"),
        ({"used": "5"}, "Please write the day as of which that is so.", "used_on"),
        ({"cap": "8"}, "That is less than the visits allowed.", "cap"),
        ({"kind": "magic"}, "Please choose from the list.", "kind"),
        ({"auth_number": "A1", "auth_state": "given", "auth_begins": "2026-12-01", "auth_ends": "2026-11-01",
          "auth_count": ""}, "The last day lies before the first.", "authorisation-0"),
    ],
)  # fmt: skip
def test_what_isnt_understood_is_said_and_nothing_typed_is_lost(
    desk: FlaskClient, app: Flask, rosa: str, typed: dict[str, Any], says: str, at: str
) -> None:
    answer = add(desk, rosa, **{"name": "Gold & Silver", "used_on": ""} | typed)
    assert answer.status_code == 422
    assert says in plain(answer.text) and f'href="#{at}"' in answer.text and f'id="{at}"' in answer.text
    if "name" not in typed:
        assert 'value="Gold &amp; Silver"' in answer.text
    assert not of(app, Coverage)


@on_both_where_trying("absurd", ["", *TRYING, "-1", "0/0", "١٢"])
def test_absurd_words_never_break_it(desk: FlaskClient, rosa: str, absurd: str) -> None:
    given = {"csrf_token": token(desk, rosa)}
    for name in (
        *FORM,
        "days",
        "month_day",
        "more",
        "cap",
        "free",
        "begins",
        "ends",
        "used",
        "used_on",
        "shown",
    ):
        form = FORM | given | {"key": f"absurd-{name}", name: absurd}
        status = desk.post(f"/desk/patients/{rosa}/coverage", data=form).status_code
        assert status in (303, 422), name
    row = {f"auth_{name}": absurd for name in ("number", "state", "begins", "ends", "count")}
    assert add(desk, rosa, key="absurd-rows", **row).status_code in (303, 422)
    for part in ("/1/end", "/1/seen", "/99/end", "/99/earlier"):
        answer = send(desk, rosa, part, key="absurd-acts", do=absurd, seen=absurd)
        assert answer.status_code in (303, 404, 422)
    assert desk.get(f"/desk/patients/{rosa}/coverage?new={absurd[:200]}").status_code == 200
    assert desk.get(f"/desk/patients/{rosa}/coverage?change={absurd[:9]}").status_code in (200, 404, 422)


def test_of_two_who_change_it_the_second_sees_what_the_first_wrote(
    desk: FlaskClient, app: Flask, rosa: str
) -> None:
    add(desk, rosa)
    number = of(app, Coverage)[0]["id"]
    answer = send(
        desk, rosa, f"/{number}", key="second change", **FORM | {"limit": "9", "shown": "an older one"}
    )
    assert answer.status_code == 409
    text = plain(answer.text)
    assert (
        "This was changed in the meantime." in text and "Dana Desk changed it" in text and "12 visits" in text
    )
    assert 'value="9"' in answer.text
    kept = desk.post(
        f"/desk/patients/{rosa}/coverage/{number}", data=as_sent(answer.text) | {"modalities": "care"}
    )
    assert kept.status_code == 303 and of(app, Coverage)[0]["terms"]["limit"] == 9


def test_it_is_put_first_ended_and_taken_back(desk: FlaskClient, app: Flask, rosa: str) -> None:
    add(desk, rosa)
    add(desk, rosa, key="another key", name="Package", kind="package")
    first, second = (one["id"] for one in of(app, Coverage))
    page = desk.get(send(desk, rosa, f"/{second}/earlier", key="put earlier").location).text
    assert page.index("1. Package") < page.index("2. Blue Shield")
    page = desk.get(send(desk, rosa, f"/{first}/end", key="the end of it", do="end").location).text
    assert "Ended. Visits before today still count on it." in page and "Take that back" in page
    page = desk.get(send(desk, rosa, f"/{first}/end", key="the way back", do="back").location).text
    assert "It counts again." in page and "2. Blue Shield" in page
    assert send(desk, rosa, f"/{first}/end", key="something else", do="burn").status_code == 422


def test_who_practises_records_who_improves(app: Flask, desk: FlaskClient, rosa: str) -> None:
    add(desk, rosa, limit="0", more="8")
    with app.app_context():
        ana = hired(Role.PRACTITIONER, practitioner="ana", name="Ana Ruiz")
    browser = signed_in(app, ana)
    number = of(app, Coverage)[0]["id"]
    assert "Record: is improving" not in desk.get(f"/desk/patients/{rosa}/coverage").text
    page = browser.get(f"/desk/patients/{rosa}/coverage").text
    assert "Record: is improving" in page and "may not be covered" in page and "/mine/visits/" in page
    page = browser.get(send(browser, rosa, f"/{number}/improving", key="is improving").location).text
    assert "recorded as improving on Sep 14, 2026" in page and "may not be covered" not in page


def test_what_runs_low_is_on_the_list_of_things_to_do(desk: FlaskClient, app: Flask, rosa: str) -> None:
    assert "runs low" not in plain(desk.get("/desk/to-do").text).partition("What these are")[0]
    add(desk, rosa, limit="0")
    add(desk, rosa, key="another key", name="Package", limit="0")
    page = desk.get("/desk/to-do")
    text = plain(page.text)
    assert "A visit is booked that may not be covered: ask the payer" in text and "Rosa Lima" in text
    (seen,) = re.findall(r'name="seen" value="([^"]*)"', page.text)
    number = of(app, Coverage)[0]["id"]
    answer = send(desk, rosa, f"/{number}/seen", key="it is seen to", seen=seen)
    assert answer.status_code == 303 and answer.location == "/desk/to-do"
    assert "may not be covered" not in desk.get("/desk/to-do").text


def test_a_visit_beyond_says_so_with_the_visit(desk: FlaskClient, app: Flask, rosa: str) -> None:
    add(desk, rosa, limit="0", kind="medicare_advantage")
    (visit,) = of(app, Appointment)
    text = plain(desk.get(f"/desk/visits/{visit['reference']}").text)
    assert (
        "0 of 0 left until Dec 31, 2026; this visit may not be covered: more visits than are recorded" in text
    )
    assert "ask the payer before it takes place" in text


def test_what_is_only_asked_for_is_said_to_be_that(desk: FlaskClient, app: Flask, rosa: str) -> None:
    row = {"auth_number": "", "auth_state": "asked", "auth_begins": "", "auth_ends": "", "auth_count": ""}
    text = plain(desk.get(add(desk, rosa, kind="authorisation", limit="", **row).location).text)
    assert "Care: nothing is authorized yet" in text and "Authorization asked for, not given yet" in text
    assert "the authorization is asked for, not given yet" in text
    (pool,) = of(app, Coverage)
    given = {"auth_number": "A17", "auth_state": "given", "auth_begins": "9/1/2026", "auth_ends": "12/31/2026",
             "auth_count": "12"}  # fmt: skip
    page = desk.get(f"/desk/patients/{rosa}/coverage?change={pool['id']}").text
    given["shown"] = fields(page.partition("<main")[2])["shown"]
    sent = FORM | given | {"kind": "authorisation", "limit": ""}
    answer = send(desk, rosa, f"/{pool['id']}", key="it was given", **sent)
    text = plain(desk.get(answer.location).text)
    assert "Care: 11 of 12 left of authorization A17 until Dec 31, 2026" in text
    assert "Authorization A17 given: 12 visits, Sep 1, 2026 – Dec 31, 2026" in text


def test_what_is_authorised_from_a_later_day_on_says_from_when(
    desk: FlaskClient, app: Flask, rosa: str
) -> None:
    row = {"auth_number": "A17", "auth_state": "given", "auth_begins": "9/20/2026", "auth_ends": "12/31/2026",
           "auth_count": "10"}  # fmt: skip
    text = plain(desk.get(add(desk, rosa, kind="authorisation", limit="", free="0", **row).location).text)
    says = "Care: 9 of 10 left of authorization A17 from Sep 20, 2026 until Dec 31, 2026 (0 used, 1 booked)"
    assert says in text and "0 of 0" not in text


@pytest.mark.parametrize(
    ("numbers", "says"),
    [
        ([], ""),
        ([21], "Visit 21 may not be covered; we will check and call you before you come."),
        ([24, 21, 22, 23], "Visits 21–24 may not be covered; we will check and call you before you come."),
        ([3, 5, 6], "Visits 3 and 5, 6 may not be covered; we will check and call you before you come."),
        (
            [3, 7, 21, 22, 23],
            "Visits 3, 7 and 21–23 may not be covered; we will check and call you before you come.",
        ),
    ],
)
def test_the_words_for_whoever_chooses(app: Flask, numbers: list[int], says: str) -> None:
    with app.test_request_context():
        assert allowance_words.beyond(numbers) == says
