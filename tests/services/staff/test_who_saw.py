"""Who saw a patient's record: under whichever record of theirs, by the clinic's days, on lists on which their visits stood."""

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from booking import clock
from booking.models import Patient, Role
from booking.services import visits
from booking.services.desk import glance, merging, panel, statuses
from booking.services.desk.moving import Place, change
from booking.services.staff import audit
from booking.services.staff.audit import Asked
from booking.services.staff.who import Who
from booking.services.staff.who_saw import who_saw
from booking.services.transaction import reading
from tests.clinics import clinic, practitioner, set_up
from tests.conftest import MONDAY, StandingClock
from tests.services.making import NINE, booked, rows
from tests.staffing import hired

DAY = timedelta(days=1)


@pytest.fixture
def dana(context: Flask, standing_clock: StandingClock) -> Who:
    set_up(clinic(practitioners=[practitioner("ana"), practitioner("ben")]))
    return hired(name="Dana Desk")


def entries(patient_id: int) -> list[tuple[str, str]]:
    found = who_saw(patient_id, MONDAY, clock.now()).entries
    return [(one.what, one.subject.partition("/")[0]) for one in found if one.kind == "read"]


def lists(patient_id: int) -> list[tuple[str, str]]:
    return [(one.name, one.subject) for one in who_saw(patient_id, MONDAY, clock.now()).lists]


def one_patient(reference: str) -> Patient:
    with reading() as session:
        return session.scalars(select(Patient).where(Patient.reference == reference)).one()


def test_what_was_seen_under_either_record_is_found_under_both(
    dana: Who, standing_clock: StandingClock
) -> None:
    first = booked()
    second = booked(NINE + DAY, last_name="Lima-Costa", email="costa@example.com")
    stays, goes = (one_patient(row["reference"]) for row in rows(Patient))
    panel.panel(dana, first.reference)
    panel.panel(dana, second.reference)
    assert entries(stays.id) == entries(goes.id) == [("opened visit", "appointment")]
    merge = merging.merge(
        dana, stays.reference, goes.reference, stays_version=1, goes_version=1, key="merge-12"
    )
    assert entries(stays.id) == entries(goes.id) == [("opened visit", "appointment")] * 2
    owner = hired(Role.OWNER)
    for one in (stays, goes):
        found = audit.look(owner, Asked(patient=one.reference))
        assert [entry.what for entry in found].count("opened visit") == 2

    # Meanwhile the record that stays shows the other's visits as well.
    standing_clock.on(minutes=10)
    audit.saw(dana, "opened patient", f"patient/{stays.reference}", [stays.id])
    standing_clock.on(minutes=10)
    merging.take_back(dana, stays.reference, merge, key="take-back")
    standing_clock.on(minutes=10)
    audit.saw(dana, "opened coverage", f"patient/{stays.reference}", [stays.id])
    theirs = [what for what, _ in entries(goes.id)]
    assert "opened patient" in theirs and "opened coverage" not in theirs
    assert [what for what, _ in entries(stays.id)].count("opened visit") == 1


def test_who_looked_at_a_list_while_a_visit_stood_on_it_is_found(
    dana: Who, standing_clock: StandingClock
) -> None:
    ana, ben = (hired(Role.PRACTITIONER, practitioner=slug, name=slug) for slug in ("ana", "ben"))
    audit.saw(dana, "printed day", "board/2026-09-15")
    standing_clock.on(hours=1, minutes=30)
    # Before it was booked, but in an hour of which the later looks aren't written down.
    audit.saw_this_hour(dana, "saw board", "board/2026-09-15")
    audit.saw_this_hour(dana, "saw board", "board/2026-09-16")
    standing_clock.on(minutes=10)
    visit = booked()
    patient = one_patient(rows(Patient)[0]["reference"])
    for who in (ana, ben):
        audit.saw_this_hour(who, "saw own day", "day/2026-09-15")
        audit.saw_this_hour(who, "saw own week", "week/2026-09-13")
    audit.saw_this_hour(dana, "saw board", "board/ana/2026-09-13")
    audit.saw_this_hour(dana, "saw board", "board/ben/2026-09-13")
    assert lists(patient.id) == [
        ("Dana Desk", "board/2026-09-15"),
        ("ana", "day/2026-09-15"),
        ("ana", "week/2026-09-13"),
        ("Dana Desk", "board/ana/2026-09-13"),
    ]

    standing_clock.on(hours=1)
    change(dana, visit.reference, Place(starts_at=NINE + DAY), version=None, key="moved-12")
    standing_clock.on(hours=1)
    before = len(lists(patient.id))
    audit.saw_this_hour(ben, "saw glance", "glance/2026-09-15")
    audit.saw_this_hour(ana, "saw board", "board/2026-09-15")
    assert len(lists(patient.id)) == before
    audit.saw_this_hour(ana, "saw board", "board/2026-09-16")
    assert lists(patient.id)[before:] == [("ana", "board/2026-09-16")]


def test_an_hour_in_which_somebody_looked_is_found_from_any_minute_of_it_on(
    dana: Who, standing_clock: StandingClock
) -> None:
    visit = booked()
    patient = one_patient(rows(Patient)[0]["reference"])

    def looked() -> None:
        audit.saw_this_hour(dana, "saw board", "board/2026-09-15")
        audit.saw_visit(dana, visit.reference, patient.id)

    looked()
    audit.saw(dana, "opened patient", f"patient/{patient.reference}", [patient.id])
    standing_clock.on(minutes=20)
    since = clock.now()
    standing_clock.on(minutes=10)
    looked()
    found = who_saw(patient.id, since, clock.now())
    assert [one.what for one in found.entries] == ["opened visit"]
    assert [one.subject for one in found.lists] == ["board/2026-09-15"]
    # Nor is it in the hour after.
    standing_clock.on(hours=1)
    found = who_saw(patient.id, clock.now(), clock.now())
    assert not found.entries and not found.lists


def test_what_was_seen_through_two_merges_is_found_once_both_are_taken_back(
    dana: Who, standing_clock: StandingClock
) -> None:
    for days, name in enumerate(("Lima", "Lima-Costa", "Costa")):
        booked(NINE + days * DAY, last_name=name, email=f"{name}@example.com")
    first, second, third = (one_patient(row["reference"]) for row in rows(Patient))

    def merge(stays: Patient, goes: Patient, key: str) -> int:
        edits = [one_patient(one.reference).edit for one in (stays, goes)]
        return merging.merge(
            dana, stays.reference, goes.reference, stays_version=edits[0], goes_version=edits[1], key=key
        )

    into_second = merge(second, first, "merge-12")
    standing_clock.on(minutes=10)
    into_third = merge(third, second, "merge-23")
    standing_clock.on(minutes=10)
    audit.saw(dana, "opened patient", f"patient/{third.reference}", [third.id])
    standing_clock.on(minutes=10)
    merging.take_back(dana, third.reference, into_third, key="back-0023")
    assert entries(first.id) == [("opened patient", "patient")]
    merging.take_back(dana, second.reference, into_second, key="back-0012")
    standing_clock.on(minutes=10)
    audit.saw(dana, "opened patient", f"patient/{third.reference}", [third.id])
    for one in (first, second):
        assert entries(one.id) == [("opened patient", "patient")]


def test_who_read_at_a_glance_that_they_cant_come_is_found(dana: Who, standing_clock: StandingClock) -> None:
    visit = booked(NINE + DAY)
    patient = one_patient(rows(Patient)[0]["reference"])

    def looked() -> int:
        """How many have the visit in their list."""
        on = glance.glance(dana).on
        audit.saw_this_hour(dana, "saw glance", f"glance/{on}")
        standing_clock.on(minutes=61)
        return len(glance.glance(dana).cannot_come)

    assert looked() == 0 and lists(patient.id) == []
    visits.cannot_come(visit.reference, visit.token, actor="t", key="12345678")
    assert looked() == 1 and lists(patient.id) == [("Dana Desk", "glance/2026-09-14")]
    # She comes after all: only her own day has her from then on.
    statuses.confirm(dana, visit.reference, key="confirmed")
    standing_clock.on(hours=1)
    assert looked() == 0 and len(lists(patient.id)) == 1
    standing_clock.on(days=2)
    looked()
    assert [subject for _, subject in lists(patient.id)] == ["glance/2026-09-14", "glance/2026-09-16"]
