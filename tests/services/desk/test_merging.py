"""Two records become one, and two again, with everything where it belongs."""

from datetime import date, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from booking.errors import NotFound, NotMergeable, RecordMerged, StaleRecord, VisitsOverlap
from booking.extensions import db
from booking.models import Appointment, AuditEntry, Claim, Patient, Reminders, TextConsent
from booking.scheduling.status import Status
from booking.services import visits
from booking.services.desk import merging, people, record_page, records, statuses
from booking.services.desk.moving import Place, change
from booking.services.desk.records import Values
from booking.services.desk.undoing import undo
from booking.services.transaction import run
from tests.clinics import clinic, practitioner, set_up
from tests.conftest import StandingClock
from tests.services.making import NINE, booked, rows
from tests.staffing import hired

PHONE = "+18185550199"


@pytest.fixture(autouse=True)
def a_clinic(context: Flask, standing_clock: StandingClock) -> None:
    set_up(clinic(practitioners=[practitioner("ana"), practitioner("ben")]))


def two_records(other_start: Any = NINE + timedelta(days=1)) -> tuple[str, str]:
    """Rosa Lima by mail, and Rosa Lima-Costa by phone with her consent to texts."""
    booked()
    booked(
        other_start,
        last_name="Lima-Costa",
        email=None,
        phone=PHONE,
        reminders=Reminders.TEXT,
        text_consent=True,
    )
    one, other = (row["reference"] for row in rows(Patient))
    return one, other


def merge(
    stays: str, goes: str, key: str = "merge-1", who: Any = None, versions: tuple[int, int] = (1, 1)
) -> int:
    return merging.merge(
        who or hired(), stays, goes, stays_version=versions[0], goes_version=versions[1], key=key
    )


def state() -> dict[str, Any]:
    """What belongs to whom, without what only grows."""
    with db.engine.connect() as connection:
        claims = connection.execute(
            select(Claim.resource_id, Claim.from_cell, Claim.appointment_id).order_by(Claim.id)
        ).all()
    return {
        "visits": [(one["reference"], one["patient_id"], one["version"]) for one in rows(Appointment)],
        "consents": [(one["id"], one["patient_id"]) for one in rows(TextConsent)],
        "claims": claims,
        "patients": [
            {name: one[name] for name in (*records.FIELDS, "merged_into_id", "name_key")}
            for one in rows(Patient)
        ],
    }


def test_likely_duplicates_come_first(context: Flask) -> None:
    stays, goes = two_records()
    assert [(one.found.reference, one.likely) for one in merging.candidates(hired(), stays)] == [(goes, True)]


def test_two_who_share_a_telephone_are_not_said_to_be_one_person(context: Flask) -> None:
    for n, (first, last) in enumerate((("Nora", "Haddad"), ("Teresa", "Haddad"), ("Norah", "Costa"))):
        booked(
            NINE + timedelta(hours=n),
            first_name=first,
            last_name=last,
            email=f"{first}@example.com",
            phone=PHONE,
        )
    nora = str(rows(Patient)[0]["reference"])
    assert {one.found.name: (one.alike, one.likely) for one in merging.candidates(hired(), nora)} == {
        "Teresa Haddad": (("last_name", "phone"), False),
        "Norah Costa": (("phone",), True),
    }


def test_a_preview_says_what_goes_where_and_changes_nothing(context: Flask) -> None:
    stays, goes = two_records()
    before = state()
    found = merging.preview(hired(), stays, goes)
    assert (found.stays.visits, found.goes.visits, found.goes.consents) == (1, 1, 1)
    assert (
        found.filled == ("phone",)
        and found.merged.phone == PHONE
        and found.merged.email == "rosa@example.com"
    )
    assert found.overlapping == () and state() == before


def test_a_preview_names_no_cancelled_visit_among_the_next(context: Flask) -> None:
    stays, goes = two_records()
    statuses.cancel(hired(), rows(Appointment)[1]["reference"], key="cancel-01")
    found = merging.preview(hired(), stays, goes)
    assert (len(found.stays.upcoming), found.goes.upcoming, found.goes.visits) == (1, (), 1)


ROSA = Values("Rosa", "Lima", PHONE, None, date(1950, 3, 4))
MAIL = "another@example.com"


@pytest.mark.parametrize(
    ("other", "alike", "differing", "doubtful"),
    [
        (Values("ROSA", "Líma", None, MAIL), ["first_name", "last_name"], [], False),
        (Values("Rosa", "Costa", PHONE, None), ["first_name", "phone"], ["last_name"], False),
        (Values("Rosa", "Costa", None, MAIL), ["first_name"], ["last_name"], True),
        (Values("Wei", "Chen", PHONE, None), ["phone"], ["first_name", "last_name"], True),
        (Values("Wei", "Lima", PHONE, None), ["last_name", "phone"], ["first_name"], True),
        (
            Values("Roza", "Lima", None, MAIL, date(1950, 4, 3)),
            ["last_name"],
            ["first_name", "born_on"],
            True,
        ),
        (
            Values("Wei", "Chen", "+18185550111", MAIL, date(1988, 1, 1)),
            [],
            ["first_name", "last_name", "phone", "born_on"],
            True,
        ),
    ],
)
def test_a_preview_says_in_what_the_two_differ_and_whether_they_may_be_two_people(
    context: Flask, other: Values, alike: list[str], differing: list[str], doubtful: bool
) -> None:
    stays, goes = two_records()
    for reference, values in ((stays, ROSA), (goes, other)):
        known = {
            name: getattr(values, name) for name in ("first_name", "last_name", "phone", "email", "born_on")
        }
        run(lambda session, one=reference, known=known: session.execute(_changed(one, known)))
    found = merging.preview(hired(), stays, goes)
    assert (list(found.alike), list(found.differing), found.doubtful) == (alike, differing, doubtful)


def _changed(reference: str, known: dict[str, Any]) -> Any:
    return update(Patient.__table__).where(Patient.__table__.c.reference == reference).values(known)


def test_everything_of_both_is_with_the_one_that_stays(context: Flask) -> None:
    stays, goes = two_records()
    who = hired()
    merge(stays, goes, who=who)
    one, other = rows(Patient)
    assert {row["patient_id"] for row in rows(Appointment)} == {one["id"]}
    assert {row["patient_id"] for row in rows(TextConsent)} == {one["id"]}
    assert not [claim for claim in state()["claims"] if claim.resource_id == other["id"]]
    assert (one["phone"], other["merged_into_id"], other["phone"]) == (PHONE, one["id"], PHONE)
    page = record_page.record(who, stays)
    assert len(page.upcoming) == 2 and page.consents and [line.reference for line in page.merges] == [goes]
    with pytest.raises(RecordMerged) as refused:
        record_page.record(who, goes)
    assert refused.value.facts == {"into": stays}
    assert [hit.reference for hit in people.search(who, "lima").found] == [stays]
    written = [entry for entry in rows(AuditEntry) if entry["what"] == "merged"]
    assert {entry["patient_id"] for entry in written} == {one["id"], other["id"]}


def test_the_record_that_stays_tells_a_merge_once(context: Flask) -> None:
    stays, goes = two_records()
    merge(stays, goes)
    assert [one.what for one in record_page.record(hired(), stays).changes] == ["merged"]


def test_links_of_patients_open_their_visits_as_before(context: Flask) -> None:
    booked_first = booked()
    stays = rows(Patient)[0]["reference"]
    other = booked(NINE + timedelta(days=1), last_name="Lima-Costa", email="other@example.com")
    goes = rows(Patient)[1]["reference"]
    merge(stays, goes)
    for one in (booked_first, other):
        assert visits.visit(one.reference, one.token).reference == one.reference
    visits.confirm(other.reference, other.token, actor="link", key="confirm-1")


def test_whoever_books_with_the_merged_name_joins_the_one_that_stayed(context: Flask) -> None:
    stays, goes = two_records()
    merge(stays, goes)
    booked(
        NINE + timedelta(days=2), last_name="Lima-Costa", email=None, phone=PHONE, reminders=Reminders.CALL
    )
    assert len(rows(Patient)) == 2
    assert {row["patient_id"] for row in rows(Appointment)} == {rows(Patient)[0]["id"]}


def test_taken_back_all_is_as_it_was(context: Flask) -> None:
    stays, goes = two_records()
    before = state()
    who = hired()
    number = merge(stays, goes, who=who)
    assert state() != before
    assert merging.take_back(who, stays, number, key="back-1") == goes
    assert state() == before
    assert merging.take_back(who, stays, number, key="back-1") == goes
    with pytest.raises(NotMergeable):
        merging.take_back(who, stays, number, key="back-2")
    assert {one.reference for one in people.search(who, "lima").found} == {stays, goes}


def test_what_happened_since_is_kept_when_it_is_taken_back(context: Flask) -> None:
    stays, goes = two_records()
    who = hired()
    number = merge(stays, goes, who=who)
    new_phone = "+18185550177"
    records.edit(
        who, stays, Values("Rosa", "Lima", new_phone, "rosa@example.com"), version=2, visits_too=True, key="e"
    )
    later = booked(NINE + timedelta(days=2), email="rosa@example.com")
    merging.take_back(who, stays, number, key="back-1")
    one, other = rows(Patient)
    assert one["phone"] == new_phone and other["phone"] == PHONE
    where = {row["reference"]: (row["patient_id"], row["phone"]) for row in rows(Appointment)}
    assert where[later.reference][0] == one["id"]
    assert (other["id"], new_phone) in where.values()


def test_overlapping_visits_are_named_and_nothing_is_merged(context: Flask) -> None:
    stays, goes = two_records(NINE)
    before = state()
    pairs = [[row["reference"] for row in rows(Appointment)]]
    found = merging.preview(hired(), stays, goes)
    assert [[one.reference, other.reference] for one, other in found.overlapping] == pairs
    with pytest.raises(VisitsOverlap) as refused:
        merge(stays, goes)
    assert refused.value.facts == {"pairs": pairs} and state() == before


def test_past_visits_that_overlapped_are_no_obstacle(context: Flask, standing_clock: StandingClock) -> None:
    stays, goes = two_records(NINE)
    before = state()
    standing_clock.on(days=7)
    number = merge(stays, goes)
    assert {row["patient_id"] for row in rows(Appointment)} == {rows(Patient)[0]["id"]}
    merging.take_back(hired(), stays, number, key="back-1")
    assert state() == before


def test_a_record_that_changed_since_it_was_looked_at_is_not_merged(context: Flask) -> None:
    stays, goes = two_records()
    records.edit(hired(), goes, Values("Rosa", "Costa", PHONE, None), version=1, visits_too=False, key="e")
    with pytest.raises(StaleRecord):
        merge(stays, goes)
    merge(stays, goes, key="merge-2", versions=(1, 2))


def test_merged_one_after_the_other_and_taken_back_in_turn(context: Flask) -> None:
    stays, goes = two_records()
    booked(NINE + timedelta(days=3), first_name="Rosie", email="rosie@example.com")
    third = rows(Patient)[2]["reference"]
    before = state()
    who = hired()
    first = merge(goes, third, who=who)
    second = merge(stays, goes, key="merge-2", who=who, versions=(1, 2))
    one, other, last = rows(Patient)
    assert other["merged_into_id"] == last["merged_into_id"] == one["id"]
    with pytest.raises(RecordMerged):
        merging.take_back(who, goes, first, key="back-1")
    merging.take_back(who, stays, second, key="back-2")
    merging.take_back(who, goes, first, key="back-3")
    assert state() == before


def test_three_merges_deep_everything_leads_to_the_record_that_stands_and_comes_apart_in_turn(
    context: Flask,
) -> None:
    who, phones = hired(), [f"+1818555010{number}" for number in range(4)]
    for day, phone in enumerate(phones):
        booked(
            NINE + timedelta(days=day),
            first_name=f"Rosa{day}",
            email=None,
            phone=phone,
            reminders=Reminders.CALL,
        )
    k, g, x, y = (row["reference"] for row in rows(Patient))

    def where() -> list[int | None]:
        return [row["merged_into_id"] for row in rows(Patient)]

    states, numbers = [state()], []
    for key, (stays, goes) in enumerate(((x, y), (g, x), (k, g))):
        numbers.append(merge(stays, goes, f"merge-{key}", who, (1, 2 if key else 1)))
        states.append(state())
    ids = [row["id"] for row in rows(Patient)]
    assert where() == [None, ids[0], ids[0], ids[0]]
    with pytest.raises(RecordMerged) as refused:
        record_page.record(who, y)
    assert refused.value.facts == {"into": k}
    for key, (stays, number) in enumerate(((x, numbers[0]), (g, numbers[1]))):
        with pytest.raises(RecordMerged):
            merging.take_back(who, stays, number, key=f"early-{key}")
    for key, stays in reversed(list(enumerate((x, g, k)))):
        merging.take_back(who, stays, numbers[key], key=f"back-{key}")
        assert state() == states[key]
    assert where() == [None] * 4


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_booking_never_joins_a_merged_record(context: Flask, number: int) -> None:
    phones = [f"+1818555010{each}" for each in range(4)]

    def book(each: int, day: int) -> str:
        start = NINE + timedelta(days=day)
        return booked(
            start, first_name=f"Rosa{each}", email=None, phone=phones[each], reminders=Reminders.CALL
        ).reference

    for each in range(4):
        book(each, each)
    k, g, x, y = (row["reference"] for row in rows(Patient))
    who = hired()
    for key, (stays, goes) in enumerate(((x, y), (g, x), (k, g))):
        last = merge(stays, goes, f"merge-{key}", who, (1, 2 if key else 1))
    later = book(number, 7)
    ids = [row["id"] for row in rows(Patient)]
    assert {row["reference"]: row["patient_id"] for row in rows(Appointment)}[later] == ids[0]
    merging.take_back(who, k, last, key="back-0001")
    again = book(number, 8)
    assert {row["reference"]: row["patient_id"] for row in rows(Appointment)}[again] == ids[1]


def test_the_same_or_nobody_cannot_be_merged(context: Flask) -> None:
    stays, _ = two_records()
    with pytest.raises(NotMergeable):
        merge(stays, stays)
    with pytest.raises(NotFound):
        merge(stays, "NOTHERE", key="merge-2")
    with pytest.raises(NotFound):
        merging.take_back(hired(), stays, 12345, key="back-1")


def test_what_the_other_knows_fills_what_is_empty(context: Flask) -> None:
    one = Values("Rosa", "Lima", None, "a@example.com", None, ("interpreter",), "", "Kind")
    other = Values(
        "R.", "Lima", PHONE, "b@example.com", date(1950, 3, 4), ("wheelchair",), "Mornings", "Pays late"
    )
    assert merging.together(one, other) == Values(
        "Rosa", "Lima", PHONE, "a@example.com", date(1950, 3, 4), ("interpreter", "wheelchair"), "Mornings", "Kind\nPays late",
    )  # fmt: skip


def times_claimed_of(reference: str) -> list[int]:
    """The starts of what a visit has claimed of its own patient's time."""
    with db.engine.connect() as connection:
        wanted = (
            select(Claim.from_cell)
            .join(Appointment, Appointment.id == Claim.appointment_id)
            .where(Appointment.reference == reference, Claim.resource_id == Appointment.patient_id)
        )
        return list(connection.scalars(wanted))


def test_a_move_undone_after_a_merge_takes_the_time_of_the_record_that_stayed(context: Flask) -> None:
    stays, goes = two_records()
    visit, who = rows(Appointment)[1], hired()
    moved = change(
        who,
        visit["reference"],
        Place(starts_at=NINE + timedelta(days=1, hours=1)),
        version=1,
        key="move-0001",
    )
    assert moved.entry_id
    merge(stays, goes)
    undo(who, moved.entry_id, key="undo-0001")
    assert times_claimed_of(visit["reference"]) == [visit["from_cell"]]


def test_a_no_show_corrected_after_a_merge_takes_the_time_of_the_record_that_stayed(
    context: Flask, standing_clock: StandingClock
) -> None:
    goes, stays = two_records()
    visit, who = rows(Appointment)[0], hired()
    standing_clock.at(NINE + timedelta(minutes=16))
    statuses.no_show(who, visit["reference"], key="noshow-01")
    merge(stays, goes)
    statuses.correct(who, visit["reference"], Status.ARRIVED, reason="Here", key="correct-1")
    assert times_claimed_of(visit["reference"]) == [visit["from_cell"]]
