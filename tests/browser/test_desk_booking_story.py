"""Patients at the desk in a browser: booked by keyboard alone, somebody new who may be known, two records merged."""

import re
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESKTOP, PHONE, Enter, comes, fits, picture
from tests.clinics import clinic, practitioner, set_up, visit_type
from tests.services.making import NINE, booked, rows


@pytest.fixture
def app(app: Flask, standing_clock: Any) -> Flask:
    with app.app_context():
        set_up(
            clinic(
                visit_types=[
                    visit_type("follow-up", name="Follow-up", kind="returning"),
                    visit_type("first", kind="first", name="First visit"),
                ],
                practitioners=[
                    practitioner("ana", name="Ana Ruiz", offers=["follow-up", "first"]),
                    practitioner("ben", name="Ben Okoro"),
                ],
            )
        )
        booked(first_name="Rosalía", last_name="González", phone="+18185550199", practitioner="ana")
        booked(
            NINE + timedelta(days=1),
            first_name="Rosalia",
            last_name="Gonzalez-Ruiz",
            email="ruiz@example.com",
        )
        booked(NINE + timedelta(hours=2), first_name="Wei", last_name="Li", email="wei@example.com")
    return app


def of(app: Flask, kind: Any) -> list[Any]:
    with app.app_context():
        return rows(kind)


class Keys:
    """A keyboard that counts."""

    def __init__(self, page: Page) -> None:
        self.page, self.pressed = page, 0

    def press(self, *names: str) -> None:
        for name in names:
            self.page.keyboard.press(name)
            self.pressed += 1

    def type(self, words: str) -> None:
        self.page.keyboard.type(words)
        self.pressed += len(words)


def test_a_known_patient_is_booked_by_keyboard_alone(enter: Enter, app: Flask, axe: Any) -> None:
    from booking.models import Appointment

    page = enter(DESKTOP)
    page.goto("/desk/book")
    keys = Keys(page)
    expect(page.get_by_label("Who is it?")).to_be_focused()
    keys.type("gons 0199")
    expect(page.locator("#hits a.hit")).to_have_count(1)
    axe(page)
    picture(page, "book-seek")
    keys.press("Enter")
    expect(page.get_by_role("heading", name="New visit: Rosalía González")).to_be_visible()
    expect(page.locator("input[name=time]:focus")).to_be_checked()
    axe(page)
    picture(page, "book-known")
    keys.press("ArrowDown", "Enter")
    page.wait_for_url("**/desk/day/**")
    visit = of(app, Appointment)[-1]
    assert (visit["last_name"], visit["booked_by"]) == ("González", "staff")
    # Whom, and when: two fields; the visit and all else are as last time.
    assert keys.pressed <= 15


def test_of_several_who_are_found_nobody_is_chosen_by_the_first_enter(enter: Enter, app: Flask) -> None:
    with app.app_context():
        for first, day in (("Rosa", 1), ("Victor", 2)):
            booked(NINE + timedelta(days=day), first_name=first, email=f"{first}@example.com")
    page = enter(DESKTOP)
    page.goto("/desk/book")
    page.keyboard.type("Lima")
    page.keyboard.press("Enter")
    hits = page.locator("#hits a.hit")
    expect(hits.first).to_be_focused()
    expect(page).to_have_url(re.compile("/desk/book$"))
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("patient="))


def test_the_place_of_the_board_is_booked_with_three_keys_after_the_name(enter: Enter, app: Flask) -> None:
    from booking.models import Appointment

    page = enter(DESKTOP)
    cell = int((NINE + timedelta(hours=5)).timestamp()) // 300
    page.goto(f"/desk/book?day=2026-09-15&cell={cell}&practitioner=ben")
    expect(page.get_by_text("Tue, Sep 15, 2:00 pm, with Ben Okoro")).to_be_visible()
    page.keyboard.type("wei")
    # Pressed before anything is found: it waits for what was typed.
    page.keyboard.press("Enter")
    expect(page.locator("input[name=time]:focus")).to_be_checked()
    page.keyboard.press("Enter")
    page.wait_for_url("**/desk/day/2026-09-15**")
    assert of(app, Appointment)[-1]["from_cell"] == cell


def test_somebody_new_who_may_be_known(enter: Enter, app: Flask, axe: Any) -> None:
    from booking.models import Patient

    page = enter(DESKTOP)
    page.goto("/desk/book")
    page.keyboard.type("roza gonzales")
    expect(page.locator("#hits a.hit")).to_have_count(2)
    page.get_by_role("link", name="Somebody new").click()
    expect(page.get_by_label("First name")).to_have_value("Roza")
    expect(page.get_by_label("Visit", exact=True)).to_have_value("first")
    page.get_by_label("Phone", exact=True).fill("(818) 555-0111")
    page.get_by_label("Visit", exact=True).select_option("follow-up")
    expect(page.get_by_text("A follow-up, and Care would be new to this patient.")).to_be_visible()
    page.get_by_label("With").select_option("ana")
    expect(page.locator("input[name=times_for]")).to_have_value("follow-up ana")
    expect(page.locator("#times")).not_to_contain_text("Ben Okoro")
    axe(page)
    picture(page, "book-new")
    page.get_by_role("button", name="Book", exact=True).click()
    expect(page.get_by_role("heading", name="Is it one of these?")).to_be_visible()
    expect(page.get_by_label("Phone", exact=True)).to_have_value("(818) 555-0111")
    axe(page)
    picture(page, "book-likely")
    # Chosen by mistake: the time that was asked for stays there, and all that was typed comes back.
    time = page.locator("input[name=time]:checked").input_value()
    page.get_by_role("button", name="Rosalía González").click()
    expect(page.get_by_role("heading", name="New visit: Rosalía González")).to_be_visible()
    expect(page.locator("input[name=time]:focus")).to_have_value(time)
    axe(page)
    picture(page, "book-likely-chosen")
    page.get_by_role("button", name="It is somebody new").click()
    expect(page.get_by_label("Phone", exact=True)).to_have_value("(818) 555-0111")
    expect(page.locator("input[name=time]:checked")).to_have_value(time)
    page.get_by_role("button", name="Book", exact=True).click()
    page.wait_for_url("**/desk/day/**")
    assert [one["first_name"] for one in of(app, Patient)][-1] == "Roza"


def test_of_a_visit_in_the_way_one_key_leads_to_its_move_and_any_other_field_still_books(
    enter: Enter, app: Flask, axe: Any
) -> None:
    page = enter(DESKTOP)
    page.goto("/desk/book?q=wei")
    page.keyboard.press("Enter")
    page.get_by_label("Day", exact=True).fill("2026-09-15")
    page.get_by_label("Time, by five minutes").fill("11:10")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Move that visit")).to_be_focused()
    axe(page)
    picture(page, "book-elsewhere")
    page.get_by_label("Time, by five minutes").press("Enter")
    expect(page.get_by_role("button", name="Move that visit")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**/change?next=**")
    page.get_by_role("link", name="Leave it as it is").click()
    expect(page.get_by_label("Time, by five minutes")).to_have_value("11:10")
    expect(page.locator("input[name=time]:focus")).to_have_value("other")


def test_a_walk_in_is_booked_and_here_with_one_press_and_u_takes_back_both(
    enter: Enter, app: Flask, standing_clock: Any
) -> None:
    from booking.models import Appointment

    standing_clock.at(NINE + timedelta(hours=1))
    page = enter(DESKTOP)
    page.goto("/desk/book?q=wei")
    page.locator("a.hit").click()
    page.get_by_label("Now").check()
    page.keyboard.press("Enter")
    toasts = page.locator(".toasts")
    expect(toasts).to_contain_text("Booked, and here: Wei Li, Tue, Sep 15, 10:00 am")
    expect(page.locator("[data-panel]").get_by_text("Here").first).to_be_visible()
    assert of(app, Appointment)[-1]["status"] == "arrived"
    page.keyboard.press("u")
    expect(toasts).to_contain_text("Taken back.")
    assert of(app, Appointment)[-1]["status"] == "cancelled"


@pytest.mark.parametrize(
    ("day", "first"), [("2026-09-15", "Rosalía González"), ("2026-09-16", "Rosalia Gonzalez-Ruiz")]
)
def test_whoever_comes_on_the_boards_day_is_found_first(enter: Enter, day: str, first: str) -> None:
    page = enter(DESKTOP)
    page.goto(f"/desk/day/{day}")
    page.get_by_label("Find a patient").fill("gonz")
    expect(page.locator("#hits a.hit")).to_have_count(2)
    expect(page.locator("#hits a.hit").first).to_contain_text(first)


def test_a_booking_and_a_cancellation_are_taken_back_by_u(enter: Enter, app: Flask) -> None:
    from booking.models import Appointment

    page = enter(DESKTOP)
    cell = int((NINE + timedelta(hours=5)).timestamp()) // 300
    page.goto(f"/desk/book?q=wei&day=2026-09-15&cell={cell}&practitioner=ben")
    page.locator("a.hit").click()
    expect(page.locator("input[name=time]:focus")).to_be_checked()
    page.keyboard.press("Enter")
    toasts = page.locator(".toasts")
    expect(toasts).to_contain_text("Booked: Wei Li, Tue, Sep 15, 2:00 pm, with Ben Okoro.")
    expect(toasts.get_by_role("button", name="Undo")).to_be_visible()
    visits = page.locator("[data-column=ben] .v[data-ref]", has_text="Wei Li")
    expect(visits).to_have_count(2)
    # The board's keys are there as soon as its panel is.
    panel = page.locator("[data-panel]")
    expect(panel.get_by_role("heading", name="Wei Li")).to_be_visible()
    page.keyboard.press("u")
    expect(toasts).to_contain_text("Taken back.")
    expect(visits).to_have_count(1)
    assert of(app, Appointment)[-1]["cancel_reason"] == "Booked by mistake"
    page.goto(f"/desk/day/2026-09-15?visit={of(app, Appointment)[0]['reference']}")
    panel.get_by_role("link", name="Cancel…").click()
    page.get_by_label("The clinic").check()
    page.get_by_role("button", name="Cancel it and tell the patient").click()
    expect(toasts).to_contain_text("Cancelled.")
    expect(toasts.get_by_role("button", name="Undo")).to_be_visible()
    expect(panel.get_by_role("heading", name="Rosalía González")).to_be_visible()
    page.keyboard.press("u")
    expect(toasts).to_contain_text("Taken back.")
    assert of(app, Appointment)[0]["status"] == "booked"


def test_without_javascript_another_person_shows_other_times_before_anything_is_booked(
    enter: Enter, app: Flask
) -> None:
    from booking.models import Appointment

    page = enter(PHONE, javascript=False)
    page.goto("/desk/book?new=1&q=maria+lopez")
    page.get_by_label("Phone", exact=True).fill("(818) 555-0111")
    page.get_by_label("Visit", exact=True).select_option("follow-up")
    page.get_by_label("With").select_option("ben")
    page.get_by_role("button", name="Book", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing is booked yet.")
    expect(page.get_by_label("Phone", exact=True)).to_have_value("(818) 555-0111")
    expect(page.locator("#times")).not_to_contain_text("Ana Ruiz")
    assert len(of(app, Appointment)) == 3
    page.locator("label.choice-of-time", has_text="Ben Okoro").first.click()
    page.get_by_role("button", name="Book", exact=True).click()
    page.wait_for_url("**/desk/day/**")
    assert of(app, Appointment)[-1]["last_name"] == "Lopez"


def test_two_records_are_merged_by_keyboard_and_taken_apart_again(enter: Enter, app: Flask, axe: Any) -> None:
    from booking.models import Appointment

    before = [one["patient_id"] for one in of(app, Appointment)]
    page = enter(DESKTOP)
    page.goto("/desk/patients")
    page.keyboard.type("0199")
    expect(page.locator("#hits a.hit")).to_have_count(1)
    axe(page)
    picture(page, "patients")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Rosalía González")).to_be_visible()
    axe(page)
    picture(page, "patient")
    page.get_by_role("link", name="Merge with another record").press("Enter")
    likely = page.get_by_role("link", name="Rosalia Gonzalez-Ruiz")
    axe(page)
    picture(page, "merge-choose")
    likely.press("Enter")
    expect(page.get_by_role("heading", name="Merge two records")).to_be_visible()
    axe(page)
    picture(page, "merge")
    page.get_by_role("button", name="Merge the two").press("Enter")
    expect(page.get_by_text("The two records are one now.")).to_be_visible()
    assert len({one["patient_id"] for one in of(app, Appointment)}) == 2
    axe(page)
    picture(page, "merged")
    page.get_by_role("button", name="Take the merge back").press("Enter")
    expect(page.get_by_text("Taken back.")).to_be_visible()
    assert [one["patient_id"] for one in of(app, Appointment)] == before


def test_a_stale_edit_shows_both_and_loses_nothing(enter: Enter, axe: Any) -> None:
    page, other = enter(DESKTOP), enter(DESKTOP)
    page.goto("/desk/patients?q=0199")
    page.locator("a.hit").click()
    page.wait_for_url(re.compile("/desk/patients/[^?]+$"))
    address = page.url
    for one in (page, other):
        one.goto(f"{address}/edit")
    axe(page)
    picture(page, "edit")
    other.get_by_label("Phone", exact=True).fill("(818) 555-0177")
    other.get_by_role("button", name="Save").click()
    expect(other.get_by_text("Saved.")).to_be_visible()
    page.get_by_label("Phone", exact=True).fill("(818) 555-0166")
    page.get_by_label("Last name").fill("Pereira")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Dana Desk changed it at")).to_be_visible()
    axe(page)
    picture(page, "edit-stale")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Pereira")).to_be_visible()
    expect(page.get_by_text("(818) 555-0166").first).to_be_visible()


@pytest.mark.parametrize("javascript", [True, False])
def test_on_a_phone_and_without_javascript_all_of_it_works(
    enter: Enter, app: Flask, javascript: bool
) -> None:
    from booking.models import Appointment

    page = enter(PHONE, javascript=javascript)
    page.goto("/desk/book")
    page.get_by_label("Who is it?").fill("wei")
    page.get_by_role("button", name="Find").click()
    if not javascript:
        page.locator("a.hit").click()
    expect(page.get_by_role("heading", name="New visit: Wei Li")).to_be_visible()
    page.get_by_label("With").select_option("ben")
    page.get_by_role("button", name="Show the times").click()
    expect(page.locator("#times")).not_to_contain_text("Ana Ruiz")
    fits(page)
    if javascript:
        picture(page, "book-known")
    page.get_by_role("button", name="Book", exact=True).click()
    page.wait_for_url("**/desk/day/**")
    assert of(app, Appointment)[-1]["booked_by"] == "staff"
    page.goto("/desk/patients?q=gonz")
    fits(page)
    picture(page, "patients")
    other = (page.locator("a.hit").last.get_attribute("href") or "").rpartition("/")[2]
    page.locator("a.hit").first.click()
    comes(page, re.compile("Gonz[aá]lez"))
    record = page.url
    for name, address in (
        ("patient", record),
        ("edit", f"{record}/edit"),
        ("merge-choose", f"{record}/merge"),
        ("merge", f"{record}/merge?with={other}"),
    ):
        page.goto(address)
        fits(page)
        picture(page, name)
    # What a merge makes of the two is what one has to see of it.
    visits = page.get_by_role("row", name="Visits, with their messages and history")
    visits.scroll_into_view_if_needed()
    expect(visits.get_by_text("2", exact=True)).to_be_in_viewport(ratio=1)


def test_an_address_stands_in_one_line_where_there_is_room(enter: Enter, app: Flask) -> None:
    with app.app_context():
        booked(
            NINE + timedelta(days=2),
            first_name="Dolores",
            last_name="Kowalski",
            email="patient93@mail.example",
        )
    page = enter(DESKTOP)
    page.goto("/desk/book?q=dolores")
    address = page.locator("a.hit span", has_text="patient93@mail.example")
    expect(address).to_be_visible()
    assert address.evaluate("one => one.getBoundingClientRect().height < 30")


def test_of_who_walks_in_it_is_said_with_whom_and_that_nobody_is_written_to(
    enter: Enter, app: Flask, axe: Any, standing_clock: Any
) -> None:
    standing_clock.on(hours=3)
    page = enter(DESKTOP)
    page.goto("/desk/book?new=1&visit_type=follow-up")
    write, said = page.get_by_label("Write to the patient"), page.get_by_text("so nobody is written to")
    expect(write).to_be_visible()
    expect(said).to_be_hidden()
    page.get_by_label("Now walk-in, and is here · Ana Ruiz, in Room").check()
    expect(write).to_be_hidden()
    expect(said).to_be_visible()
    axe(page)
    page.get_by_label("With").select_option("Ben Okoro")
    expect(page.get_by_label("is here · Ben Okoro, in Room")).to_be_checked()
    page.get_by_label("First name").fill("Walter")
    page.get_by_label("Last name").fill("Inn")
    page.get_by_role("button", name="Book", exact=True).click()
    expect(page.get_by_role("status").get_by_text("Booked, and here: Walter Inn")).to_be_visible()


def test_a_phone_has_room_for_the_sheet_of_a_day(enter: Enter, axe: Any) -> None:
    page = enter(PHONE)
    page.goto("/desk/day/2026-09-15/sheet")
    fits(page)
    expect(page.get_by_text("(818) 555-0199").first).to_be_in_viewport(ratio=1)
    axe(page)
    picture(page, "day-sheet")
    # Printed, it is a table.
    page.emulate_media(media="print")
    expect(page.get_by_role("columnheader", name="Phone").first).to_be_visible()
