"""Patients are found by any part of what one remembers, and only by whom they are to be found."""

from datetime import date, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event

from booking import clock
from booking.extensions import db
from booking.models import AuditEntry, Patient, Reminders, Role
from booking.services import rows
from booking.services.desk import people, statuses
from booking.services.desk.directory import Asked, Directory, Entry, asked, one_error_apart, sound
from booking.services.patients import name_key
from booking.services.transaction import run
from tests.clinics import clinic, practitioner, set_up
from tests.conftest import StandingClock
from tests.services.making import NINE, booked, rows as rows_of
from tests.staffing import hired


def patient(first_name: str = "Rosa", last_name: str = "Lima", **how: Any) -> Patient:
    """A record as it comes about; nobody has booked anything with it."""
    made = Patient(
        **{
            "first_name": first_name,
            "last_name": last_name,
            "name_key": name_key(first_name, last_name),
            "email": None,
            "phone": "+18185550123",
            "created_at": clock.now(),
        }
        | how
    )
    run(lambda session: rows.add(session, made))
    return made


def names(words: str, who: Any = None) -> list[str]:
    return [one.name for one in people.search(who or hired(), words).found]


@pytest.fixture(autouse=True)
def some_patients(context: Flask, standing_clock: StandingClock) -> None:
    set_up(clinic(practitioners=[practitioner("ana"), practitioner("ben")]))
    patient("Rosalía", "González-Ruiz", phone="+18185550199", born_on=date(1950, 3, 4))
    patient("Catherine", "O'Brien", phone="+13105557788", born_on=date(1962, 11, 30))
    patient("Wei", "Li", phone=None, email="wei.li@example.com")
    patient("Robert", "Smith", phone="+18185552222", born_on=date(1950, 12, 1))


@pytest.mark.parametrize(
    "words",
    ["rosal", "ROSALIA", "gonz", "ruiz", "nzále", "gonzalez rosalia", "ruiz ros", "gonsales", "rosaila gonzalez",
     "555-0199", "(818) 555-0199", "818 555 0199", "0199", "+1 818 555 0199", "3/4/1950", "03/04/50", "1950-03-04",
     "3/4", "gonz 1950", "ros 0199"],
)  # fmt: skip
def test_any_part_of_name_number_or_birthday_finds_her_first(context: Flask, words: str) -> None:
    assert names(words)[0] == "Rosalía González-Ruiz"


@pytest.mark.parametrize(
    "words", ["obrien", "o'brien", "brien cath", "kathrine", "catherin obrein", "7788", "11/30/1962"]
)
def test_apostrophes_and_spellings_are_forgiven(context: Flask, words: str) -> None:
    assert names(words)[0] == "Catherine O'Brien"


def test_every_part_must_fit(context: Flask) -> None:
    assert names("rosalia smith") == []
    assert names("rosalia 7788") == []


def test_a_year_finds_all_born_in_it(context: Flask) -> None:
    assert sorted(names("1950")) == ["Robert Smith", "Rosalía González-Ruiz"]


def test_an_address_is_found_as_a_whole(context: Flask) -> None:
    assert names("Wei.Li@example.com") == ["Wei Li"]


@pytest.mark.parametrize("words", ["wei.l", "Wei.Li@exam", "li@ex", "@example", "example.com"])
def test_any_part_of_an_address_finds_whose_it_is(context: Flask, words: str) -> None:
    assert names(words) == ["Wei Li"]


def test_whose_address_begins_so_is_first(context: Flask) -> None:
    patient("Ada", "Zorn", phone=None, email="li@example.com")
    assert names("li@") == ["Ada Zorn", "Wei Li"]


@pytest.mark.parametrize("words", ["wei%li@", "wei_li@", "@"])
def test_what_no_address_has_finds_nobody(context: Flask, words: str) -> None:
    assert names(words) == []


@pytest.mark.parametrize(
    "words", ["", "   ", "\x00", "%", "_", "'", "\ud800", "5", "@", "x" * 5000, "((((", "😀"]
)
def test_absurd_questions_find_nobody_and_break_nothing(context: Flask, words: str) -> None:
    assert names(words) == []


def test_whoever_comes_later_or_changes_is_found_at_once(
    context: Flask, standing_clock: StandingClock
) -> None:
    assert names("lima") == []
    standing_clock.on(hours=3)
    booked()
    assert names("lima") == ["Rosa Lima"]

    def rename(session: Any) -> None:
        one = session.query(Patient).filter_by(last_name="Lima").one()
        one.last_name, one.changed_at = "Pereira", clock.now()

    run(rename)
    assert names("pereira") == ["Rosa Pereira"]
    assert names("lima") == []


def test_merged_records_are_not_shown(context: Flask, standing_clock: StandingClock) -> None:
    assert names("smith") == ["Robert Smith"]
    standing_clock.on(minutes=1)

    def merge(session: Any) -> None:
        gone = session.query(Patient).filter_by(last_name="Smith").one()
        gone.merged_into_id, gone.changed_at = 1, clock.now()

    run(merge)
    assert names("smith") == []


def test_whoever_is_meant_and_comes_on_that_day_is_first(
    context: Flask, standing_clock: StandingClock
) -> None:
    for number in range(people.SHOWN + 3):
        patient(f"Anna{number:02}", "Costa")
    patient("Ada", "Smithers")

    def found(words: str, day: date | None = None) -> list[str]:
        return [one.name for one in people.search(hired(), words, day=day).found]

    by_name = found("costa")
    assert by_name[0] == "Anna00 Costa" and len(by_name) == people.SHOWN
    by_phone: Any = {
        "last_name": "Costa",
        "email": None,
        "phone": "+18185550123",
        "reminders": Reminders.CALL,
    }
    booked(first_name="Anna14", **by_phone)
    booked(NINE + timedelta(hours=1), first_name="Anna13", **by_phone)
    cancelled = booked(NINE + timedelta(hours=2), first_name="Anna12", **by_phone)
    statuses.cancel(hired(), cancelled.reference, key="cancel-01")
    tuesday = clock.now().date() + timedelta(days=1)
    assert found("costa", tuesday) == ["Anna13 Costa", "Anna14 Costa", *by_name[:-2]]
    assert found("costa", tuesday + timedelta(days=1)) == by_name == found("costa")
    # Also one whom the directory has met since it was made.
    standing_clock.on(minutes=20)
    booked(NINE + timedelta(hours=5), first_name="Zoe", last_name="Costa", email="zoe@example.com")
    assert set(found("costa", tuesday)[:3]) == {"Anna13 Costa", "Anna14 Costa", "Zoe Costa"}
    # Also before whoever has the name exactly; but not where an error would have to be forgiven.
    booked(NINE + timedelta(hours=6), first_name="Ada", **by_phone | {"last_name": "Smithers"})
    assert found("smith") == ["Robert Smith", "Ada Smithers"]
    assert found("smith", tuesday) == ["Ada Smithers", "Robert Smith"]
    assert found("zmith", tuesday) == found("zmith")


def test_a_practitioner_finds_their_own_patients_only(context: Flask) -> None:
    booked(practitioner="ana")
    ana = hired(Role.PRACTITIONER, practitioner="ana")
    ben = hired(Role.PRACTITIONER, practitioner="ben")
    assert names("lima", ana) == ["Rosa Lima"]
    assert names("lima", ben) == [] == names("smith", ana)


def test_hits_are_written_down_as_seen_and_misses_are_not(context: Flask) -> None:
    who = hired()
    people.search(who, "smith")
    people.search(who, "nobody")
    (entry,) = rows_of(AuditEntry)
    assert (entry["what"], entry["kind"], entry["account_id"]) == ("searched", "read", who.account_id)
    assert entry["patient_id"] == next(one["id"] for one in rows_of(Patient) if one["last_name"] == "Smith")


def test_more_than_are_shown_is_said(context: Flask) -> None:
    for number in range(15):
        patient("Ann", f"Miller{'abcdefghijklmno'[number]}", phone=f"+1213555{number:04}")
    found = people.search(hired(), "ann")
    assert len(found.found) == people.SHOWN and found.more


def test_a_search_asks_a_few_statements_however_many_patients(context: Flask) -> None:
    who = hired()
    people.search(who, "smith")
    said: list[str] = []

    def note(*given: Any) -> None:
        said.append(given[2])

    event.listen(db.engine, "before_cursor_execute", note)
    people.search(who, "gonzalez")
    event.remove(db.engine, "before_cursor_execute", note)
    # What changed, whom to show, and one entry of the audit.
    assert len([one for one in said if not one.startswith(("BEGIN", "COMMIT"))]) == 3


@pytest.mark.parametrize(
    ("first", "last", "how"),
    [
        ("Robert", "Smyth", {}),
        ("Bob", "Smith", {"phone": "+18185552222"}),
        ("Rob", "Smith", {"born_on": date(1950, 12, 1)}),
        ("Roberta", "Smith", {}),
    ],
)
def test_likely_duplicates_are_found(context: Flask, first: str, last: str, how: dict[str, Any]) -> None:
    assert "Robert Smith" in [one.name for one in people.alike(hired(), first, last, **how)]


def test_somebody_else_is_no_likely_duplicate(context: Flask) -> None:
    assert people.alike(hired(), "Maria", "Lopez", phone="+18185550000", born_on=date(1950, 12, 1)) == ()


def test_the_directory_is_made_anew_after_many_changes(context: Flask, standing_clock: StandingClock) -> None:
    names("smith")
    for number in range(people._CHANGED_AT_MOST + 2):
        patient("Zoe", f"Quill{number}", phone=f"+1213{number:07}")
    assert len(names("quill")) == people.SHOWN
    assert context.extensions["booking_directory"].directory.changed
    assert len(names("quill")) == people.SHOWN
    assert names("smith") == ["Robert Smith"]


# The directory by itself.


def test_what_a_question_asks_for() -> None:
    assert asked("Li 818-555", 2026) == [Asked(digits="818555"), Asked(name="li")]
    assert asked("3/4/50", 2026) == [Asked(born="1950-03-04")]
    assert asked("3/4/20", 2026) == [Asked(born="2020-03-04")]
    assert asked("1950", 2026) == [Asked(digits="1950", born="1950")]
    assert asked("13/45", 2026) == [Asked(digits="1345")]


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [("rosa", "rosa", True), ("rosa", "roza", True), ("rosa", "rsoa", True), ("rosa", "ros", True),
     ("rosa", "rosas", True), ("rosa", "mosa", True), ("rosa", "sora", False), ("rosa", "ro", False)],
)  # fmt: skip
def test_one_error(one: str, other: str, alike: bool) -> None:
    assert one_error_apart(one, other) is one_error_apart(other, one) is alike


def test_spellings_that_sound_the_same() -> None:
    assert sound("gonzalez") == sound("gonsales")
    assert sound("catherine") == sound("katerine")
    assert sound("philip") == sound("filip")


def test_a_directory_of_nobody_finds_nobody() -> None:
    empty = Directory.of([])
    assert list(empty.find(asked("rosa 818 1950", 2026))) == [] == list(empty.find([]))
    late = empty.with_changed([Entry(1, "Rosa", "Lima", None, None, False)])
    assert list(late.find(asked("rosa", 2026))) == [1]
    assert (
        list(late.with_changed([Entry(1, "Rosa", "Lima", None, None, True)]).find(asked("rosa", 2026))) == []
    )


def test_an_address_of_a_moment_ago_is_found_and_the_one_before_it_is_not() -> None:
    old, new = "rosa@old.example", "rosa@new.example"
    made = Directory.of([Entry(1, "Rosa", "Lima", None, None, False, old)])
    late = made.with_changed([Entry(1, "Rosa", "Lima", None, None, False, new)])
    assert (made.with_address("old.ex", 9), late.with_address("new.ex", 9)) == ({1}, {1})
    assert late.with_address("old.ex", 9) == set()


def test_an_address_that_is_nearly_everybodys_says_of_nobody_who_has_it() -> None:
    kept = Directory.of(Entry(n, "Rosa", "Lima", None, None, False, f"rosa{n}@x.example") for n in range(4))
    assert kept.with_address("rosa", 4) == {0, 1, 2, 3}
    assert kept.with_address("rosa", 3) is None
