"""Who saw a patient's record: under whichever record of theirs, by the clinic's days, on lists on which their visits stood."""

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from booking import clock
from booking.models import Patient, Role
from booking.services.desk import merging, panel
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
