"""Booking: it works, each refusal, the messages, the history, and nothing half-written."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from booking.errors import (
    BeyondHorizon,
    ContactCannotBeReached,
    KeyReused,
    NotFound,
    NotOffered,
    SlotTaken,
    TooManyVisits,
    TooSoon,
)
from booking.extensions import db
from booking.models import (
    Appointment,
    Claim,
    HistoryEntry,
    Hold,
    KeptAnswer,
    Message,
    Patient,
    Reminders,
    Resource,
    TextConsent,
)
from booking.services import holds
from booking.services.search import free_times
from tests.clinics import clinic, needled, practitioner, rooms, set_up, visit_type
from tests.conftest import MONDAY
from tests.services.making import NINE, booked, rows

pytestmark = pytest.mark.usefixtures("standing_clock", "context")


def test_a_booked_visit_takes_practitioner_room_and_patient() -> None:
    set_up()
    booked()
    (visit,) = rows(Appointment)
    claims = rows(Claim)
    assert {claim["resource_id"] for claim in claims} == {
        visit["practitioner_id"],
        visit["room_id"],
        visit["patient_id"],
    }
    assert {(claim["from_cell"], claim["to_cell"]) for claim in claims} == {
        (visit["from_cell"], visit["to_cell"])
    }
    assert visit["to_cell"] - visit["from_cell"] == 6


def test_rest_takes_the_room_but_not_the_practitioner() -> None:
    set_up(clinic(visit_types=[needled()], practitioners=[practitioner(offers=["needles"])]))
    booked(visit_type="needles")
    (visit,) = rows(Appointment)
    start = visit["from_cell"]
    of = lambda who: sorted(  # noqa: E731
        (claim["from_cell"] - start, claim["to_cell"] - start)
        for claim in rows(Claim)
        if claim["resource_id"] == who
    )
    assert of(visit["practitioner_id"]) == [(0, 3), (8, 10)]
    assert of(visit["room_id"]) == [(0, 10)]
    assert of(visit["patient_id"]) == [(0, 10)]


def test_one_acupuncturist_treats_in_two_rooms() -> None:
    set_up(clinic(visit_types=[needled()], practitioners=[practitioner(offers=["needles"])]))
    booked(visit_type="needles")
    booked(NINE + timedelta(minutes=15), visit_type="needles", first_name="Omar", email="omar@example.com")
    first, second = rows(Appointment)
    assert first["practitioner_id"] == second["practitioner_id"]
    assert first["room_id"] != second["room_id"]


def test_the_confirmation_and_both_reminders_are_written_with_the_visit() -> None:
    set_up()
    start = NINE + timedelta(days=7)
    booked(start)
    found = {message["kind"]: message for message in rows(Message)}
    assert set(found) == {"confirmation", "reminder-3d", "reminder-1d"}
    assert found["reminder-3d"]["due_at"].replace(tzinfo=start.tzinfo) == start - timedelta(days=3)
    assert found["reminder-1d"]["due_at"].replace(tzinfo=start.tzinfo) == start - timedelta(days=1)
    assert found["confirmation"]["due_at"].replace(tzinfo=start.tzinfo) == MONDAY
    assert len({message["mail_id"] for message in found.values()}) == 3


def test_a_reminder_whose_time_is_past_is_not_written() -> None:
    set_up()
    booked(NINE)  # 25 hours ahead: a day before is an hour away, three days before is past.
    assert {message["kind"] for message in rows(Message)} == {"confirmation", "reminder-1d"}


def test_a_reminder_that_would_be_due_now_is_not_written() -> None:
    set_up(clinic(practitioners=[practitioner(hours={"tuesday": ["8:00-12:00"]})]))
    booked(MONDAY + timedelta(days=1))
    assert {message["kind"] for message in rows(Message)} == {"confirmation"}


def test_the_history_says_who_booked() -> None:
    set_up()
    booked()
    (entry,) = rows(HistoryEntry)
    assert (entry["what"], entry["actor"]) == ("booked", "patient")


def test_the_same_key_books_once_and_answers_the_same() -> None:
    set_up()
    first = booked(key="once")
    assert booked(key="once") == first
    assert len(rows(Appointment)) == 1
    assert len(rows(Message)) == 2


def test_the_same_key_with_other_content_is_refused() -> None:
    set_up()
    booked(key="once")
    with pytest.raises(KeyReused):
        booked(NINE + timedelta(hours=1), key="once")
    assert len(rows(Appointment)) == 1


def test_a_refusal_is_kept_under_its_key_as_well() -> None:
    set_up()
    booked(key="first")
    other = {"first_name": "Omar", "email": "omar@example.com"}
    set_up(clinic(rooms=rooms(1)))
    with pytest.raises(SlotTaken) as refused:
        booked(key="second", **other)
    with db.engine.begin() as connection:
        connection.execute(Claim.__table__.delete())
        connection.execute(Resource.__table__.update().values(version=Resource.version + 1))
    with pytest.raises(SlotTaken) as again:
        booked(key="second", **other)
    assert again.value.facts == refused.value.facts
    booked(key="third", **other)


def test_a_key_is_forgotten_after_a_day(standing_clock: Any) -> None:
    set_up()
    booked(key="once")
    standing_clock.on(hours=24, minutes=1)
    with pytest.raises(TooSoon):
        booked(NINE, key="once", first_name="Omar", email="omar@example.com")
    booked(NINE + timedelta(days=1), key="once again")


def test_a_taken_time_is_refused_with_the_nearest_three() -> None:
    set_up()
    booked()
    with pytest.raises(SlotTaken) as refused:
        booked(first_name="Omar", email="omar@example.com")
    nearest = [one["starts_at"] for one in refused.value.facts["alternatives"]]
    assert nearest == ["2026-09-15T16:30:00Z", "2026-09-15T16:45:00Z", "2026-09-15T17:00:00Z"]


def test_a_refused_booking_leaves_nothing_behind() -> None:
    set_up()
    booked()
    before = [len(rows(kind)) for kind in (Appointment, Claim, Message, HistoryEntry, Patient)]
    with pytest.raises(SlotTaken):
        booked(first_name="Omar", email="omar@example.com")
    assert [len(rows(kind)) for kind in (Appointment, Claim, Message, HistoryEntry, Patient)] == before
    assert len(rows(KeptAnswer)) == 2


def test_a_patient_is_never_in_two_places_at_once() -> None:
    set_up(clinic(practitioners=[practitioner("ana"), practitioner("ben")]))
    booked(practitioner="ana")
    with pytest.raises(SlotTaken):
        booked(NINE + timedelta(minutes=15), practitioner="ben")


@pytest.mark.parametrize(
    "same",
    [
        {"first_name": "ROSA", "last_name": " lima "},
        {"first_name": "Rósa", "last_name": "Líma"},
        {"phone": "+18185550123"},
    ],
)
def test_who_has_the_same_name_and_contact_is_the_same_patient(same: dict[str, Any]) -> None:
    set_up()
    booked(phone="+18185550123")
    booked(NINE + timedelta(hours=1), **({"phone": None} | same))
    assert len(rows(Patient)) == 1
    (record,) = rows(Patient)
    assert (record["first_name"], record["last_name"]) == ("Rosa", "Lima")


@pytest.mark.parametrize("other", [{"first_name": "Omar"}, {"email": "rosa.lima@example.com"}])
def test_a_couple_may_share_an_address_and_a_name_may_have_two(other: dict[str, Any]) -> None:
    set_up()
    booked()
    booked(**other, practitioner=None, starts_at=NINE + timedelta(hours=1))
    assert len(rows(Patient)) == 2


def test_anyone_is_who_has_the_fewest_visits_that_day_then_by_name() -> None:
    set_up(
        clinic(practitioners=[practitioner("zoe"), practitioner("ana"), practitioner("mia")], rooms=rooms(3))
    )
    names = []
    for hour in range(4):
        booked(NINE + timedelta(hours=hour % 3, minutes=30 * (hour // 3)), email=f"{hour}@example.com")
    people = {row["id"]: row["slug"] for row in rows_of_practitioners()}
    names = [people[visit["practitioner_id"]] for visit in rows(Appointment)]
    assert names == ["ana", "mia", "zoe", "ana"]


def rows_of_practitioners() -> list[Any]:
    from booking.models import Practitioner

    return rows(Practitioner)


def test_notice_is_inclusive_and_in_real_minutes(standing_clock: Any) -> None:
    set_up()
    standing_clock.at(NINE - timedelta(hours=2))
    booked(NINE)
    standing_clock.on(seconds=1)
    with pytest.raises(TooSoon) as refused:
        booked(NINE, first_name="Omar", email="omar@example.com")
    assert refused.value.facts["earliest"] == "2026-09-15T16:00:01Z"


def test_the_horizon_is_the_last_day_included() -> None:
    set_up(clinic(rules={"horizon_days": 7}))
    booked(NINE + timedelta(days=6))  # Monday in a week: day 7.
    with pytest.raises(BeyondHorizon) as refused:
        booked(NINE + timedelta(days=7))
    assert refused.value.facts["last_day"] == "2026-09-21"


def test_what_patients_may_not_book_is_refused() -> None:
    staff_only = practitioner(offers=[{"visit_type": "follow-up", "bookable_by": "staff"}])
    set_up(clinic(practitioners=[staff_only]))
    with pytest.raises(NotOffered):
        booked()
    set_up(clinic(visit_types=[visit_type(on_request=True)]))
    with pytest.raises(NotOffered):
        booked()


def test_a_first_visit_goes_to_who_takes_new_patients() -> None:
    full = practitioner("ana", offers=["follow-up", {"visit_type": "first", "takes_new": False}])
    set_up(
        clinic(
            visit_types=[visit_type(), visit_type("first", kind="first")],
            practitioners=[full, practitioner("ben", offers=["first"])],
        )
    )
    with pytest.raises(NotOffered):
        booked(visit_type="first", practitioner="ana")
    booked(visit_type="first")
    booked(NINE + timedelta(hours=1), practitioner="ana")


@pytest.mark.parametrize("unknown", [{"visit_type": "nothing"}, {"practitioner": "nobody"}])
def test_unknown_names_are_not_found(unknown: dict[str, str]) -> None:
    set_up()
    with pytest.raises(NotFound):
        booked(**unknown)


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"email": None, "phone": None}, "email"),
        ({"reminders": Reminders.TEXT, "phone": None}, "phone"),
        ({"reminders": Reminders.CALL, "phone": None}, "phone"),
        ({"reminders": Reminders.BOTH, "email": None, "phone": "+18185550123"}, "email"),
        ({"reminders": Reminders.TEXT, "phone": "+18185550123"}, "text_consent"),
    ],
)
def test_reminders_must_fit_the_contacts(asked: dict[str, Any], field: str) -> None:
    set_up()
    with pytest.raises(ContactCannotBeReached) as refused:
        booked(**asked)
    assert refused.value.facts["field"] == field


def test_consent_to_texts_is_kept_with_its_words() -> None:
    set_up()
    booked(reminders=Reminders.TEXT, phone="+18185550123", text_consent=True)
    (consent,) = rows(TextConsent)
    assert (consent["wording"], consent["wording_version"]) == ("Please text me.", "1")


def test_six_upcoming_visits_are_enough_without_staff() -> None:
    set_up()
    for hour in range(6):
        booked(NINE + timedelta(days=hour // 3 * 1, hours=hour % 3), first_name=f"Guest {hour}")
    with pytest.raises(TooManyVisits) as refused:
        booked(NINE + timedelta(days=2))
    assert refused.value.facts == {"limit": 6, "phone": "+18185550100"}


def test_visits_without_an_address_are_not_counted_together() -> None:
    set_up()
    for number in range(7):
        booked(
            NINE + timedelta(days=number // 3, hours=number % 3),
            email=None, phone=f"+1818555020{number}", reminders=Reminders.CALL,
        )  # fmt: skip
    assert len(rows(Appointment)) == 7


def test_an_own_hold_is_used_up_by_the_booking() -> None:
    set_up()
    holds.hold("follow-up", None, NINE, visitor="me", network="here")
    with pytest.raises(SlotTaken):
        booked(first_name="Omar", email="omar@example.com")
    booked(visitor="me")
    assert rows(Hold) == []


def test_a_lapsed_hold_is_in_nobodys_way(standing_clock: Any) -> None:
    set_up()
    holds.hold("follow-up", None, NINE, visitor="someone", network="there")
    standing_clock.on(minutes=10)
    booked()
    assert rows(Hold) == []


def test_every_offered_time_can_be_booked() -> None:
    set_up(
        clinic(
            visit_types=[needled(turnover_after_minutes=10, pause_after_minutes=5)],
            practitioners=[practitioner("ana", offers=["needles"]), practitioner("ben", offers=["needles"])],
            rules={"visits_without_staff": 100},
        )
    )
    made = 0
    while offers := list(free_times("needles", None, NINE.date(), 1).each()):
        booked(offers[made % len(offers)].starts_at, visit_type="needles", email=f"{made}@example.com")
        made += 1
    assert made >= 10
    with db.engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(Appointment)) == made
