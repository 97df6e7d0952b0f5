"""Who is the same patient, and how many visits one contact may have ahead."""

from datetime import timedelta
from typing import Any

import pytest

from booking.errors import SlotTaken, TooManyVisits
from booking.models import Appointment, BookableBy, Patient, Reminders
from booking.services import visits
from tests.clinics import clinic, practitioner, set_up
from tests.services.making import NEXT_WEEK, NINE, booked, rows

pytestmark = pytest.mark.usefixtures("standing_clock", "context")

HOUR = timedelta(hours=1)
BY_PHONE: dict[str, Any] = {"email": None, "phone": "+18185550123", "reminders": Reminders.CALL}


def twice(first: dict[str, Any], second: dict[str, Any]) -> int:
    """How many records two bookings make."""
    set_up()
    booked(NINE, **first)
    booked(NINE + HOUR, **second)
    return len(rows(Patient))


def named(first_name: str, last_name: str, **how: Any) -> dict[str, Any]:
    return {"first_name": first_name, "last_name": last_name} | how


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(("rosa", "DE LA CRUZ"), id="case"),
        pytest.param(("Rósa", "de la Crúz"), id="accents"),
        pytest.param(("Ro\u0301sa", "de la Cruz"), id="accents of their own"),
        pytest.param(("  Rosa ", "de\u00a0la \t Cruz"), id="spaces"),
        pytest.param(("Ro\u200bsa", "de la\u200d Cruz\ufeff"), id="letters without width"),
        pytest.param(("\u200fRosa", "de la Cr\u00aduz"), id="marks of direction and soft hyphens"),
        pytest.param(("Ｒｏｓａ", "de la Cruz"), id="wide letters"),
    ],
)
@pytest.mark.parametrize("contact", [{}, BY_PHONE], ids=["by e-mail", "by phone"])
def test_one_name_in_many_spellings_is_one_patient(name: tuple[str, str], contact: dict[str, Any]) -> None:
    assert twice(named("Rosa", "de la Cruz", **contact), named(*name, **contact)) == 1


@pytest.mark.parametrize(
    ("one", "other"), [("Straße", "STRASSE"), ("ΣΊΣΥΦΟΣ", "σίσυφος"), ("Łukasz", "łukasz")]
)
def test_case_is_that_of_every_alphabet(one: str, other: str) -> None:
    assert twice(named(one, "Lima"), named(other, "Lima")) == 1


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(named("Rosalia", "Lima"), id="a longer name"),
        pytest.param(named("Lima", "Rosa"), id="the other way round"),
        pytest.param(named("Rosa", "Lima", email="rosa.lima@example.com"), id="another address"),
        pytest.param(named("Rosa", "Lima", **BY_PHONE), id="nothing in common but the name"),
        pytest.param(named("Omar", "Lima"), id="a couple with one address"),
    ],
)
def test_whoever_differs_in_name_or_in_every_contact_is_another_patient(other: dict[str, Any]) -> None:
    assert twice(named("Rosa", "Lima"), other) == 2


def test_a_couple_with_one_address_may_come_at_one_time() -> None:
    set_up(clinic(practitioners=[practitioner("ana"), practitioner("ben")]))
    booked(practitioner="ana")
    booked(practitioner="ben", first_name="Omar")
    assert len(rows(Patient)) == 2
    with pytest.raises(SlotTaken):
        booked(NINE + HOUR / 4, practitioner="ben")


def test_one_contact_in_common_is_enough_and_changes_nothing_of_the_record() -> None:
    set_up()
    booked(phone="+18185550123")
    before = rows(Patient)
    booked(NINE + HOUR, **(BY_PHONE | named("ROSA", "LIMA")))
    booked(NINE + 2 * HOUR, phone="+18185550199")
    assert rows(Patient) == before
    # Each visit keeps what was typed for it.
    assert [row["phone"] for row in rows(Appointment)] == ["+18185550123", "+18185550123", "+18185550199"]
    assert rows(Appointment)[1]["first_name"] == "ROSA"


def test_of_several_records_the_oldest_is_joined() -> None:
    set_up()
    booked()
    booked(NINE + HOUR, **BY_PHONE)
    assert len(rows(Patient)) == 2
    booked(NINE + 2 * HOUR, phone="+18185550123")
    assert [row["patient_id"] for row in rows(Appointment)].count(rows(Patient)[0]["id"]) == 2


# "ﷺ" is one letter, and eighteen without its ligature.
@pytest.mark.parametrize("letter", ["ﷺ", "ß", "É", "字"])
def test_names_as_long_as_may_be_are_compared_as_well(letter: str) -> None:
    long = letter * 100
    assert twice(named(long, long), named(long.lower(), long)) == 1


def test_long_names_that_differ_at_their_end_differ() -> None:
    assert twice(named("ﷺ" * 100, "Lima"), named("ﷺ" * 99 + "a", "Lima")) == 2


# At most six upcoming visits without staff


def six(**how: Any) -> list[Any]:
    set_up()
    return [booked(NEXT_WEEK + timedelta(days=number // 3, hours=number % 3), **how) for number in range(6)]


def seventh(**how: Any) -> Any:
    return booked(NEXT_WEEK + timedelta(days=3), **how)


@pytest.mark.parametrize("contact", [{}, BY_PHONE], ids=["by e-mail", "by phone"])
def test_a_seventh_visit_is_for_staff_to_book(contact: dict[str, Any]) -> None:
    six(**contact)
    with pytest.raises(TooManyVisits):
        seventh(**contact)
    # The contact counts, not the name.
    with pytest.raises(TooManyVisits):
        seventh(first_name="Omar", **contact)
    seventh(audience=BookableBy.STAFF, **contact)


def test_the_contact_that_has_fewer_does_not_help() -> None:
    six(**BY_PHONE)
    with pytest.raises(TooManyVisits):
        seventh(phone="+18185550123")
    seventh()


@pytest.mark.parametrize("contact", [{}, BY_PHONE], ids=["by e-mail", "by phone"])
def test_a_cancelled_visit_does_not_count(contact: dict[str, Any]) -> None:
    made = six(**contact)
    visits.cancel(made[3].reference, made[3].token, "", actor="t", key="c")
    seventh(**contact)


def test_a_visit_counts_until_its_end(standing_clock: Any) -> None:
    six()
    last = {"starts_at": NEXT_WEEK + timedelta(days=4)}
    standing_clock.at(NEXT_WEEK + timedelta(minutes=25))
    with pytest.raises(TooManyVisits):
        booked(**last, key="too early")
    standing_clock.on(minutes=5)
    booked(**last, key="now")


def test_the_clinic_decides_how_many() -> None:
    set_up(clinic(rules={"visits_without_staff": 1}))
    booked()
    with pytest.raises(TooManyVisits) as refused:
        booked(NINE + HOUR)
    assert refused.value.facts["limit"] == 1
