"""A visit in full: what is read for it, whom it is shown to, and the desk's note."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from booking.errors import NotFound, StaleEdit
from booking.models import AuditEntry, Channel, HistoryEntry, Payment, Role, TaskKind
from booking.scheduling.status import Status
from booking.services.desk import panel, statuses
from booking.services.desk.statuses import Move
from booking.services.message_rows import WhyNot
from tests.clinics import clinic, practitioner, set_up
from tests.conftest import StandingClock
from tests.services.making import NEXT_WEEK, NINE, booked, rows
from tests.staffing import hired


@pytest.fixture(autouse=True)
def clinic_is_set_up(context: Flask, standing_clock: Any) -> None:
    set_up(clinic(practitioners=[practitioner(), practitioner("ben")]))


def test_everything_about_a_visit_comes_at_once(context: Flask) -> None:
    visit = booked(NEXT_WEEK, payment=Payment.SELF, practitioner="ana")
    booked(NEXT_WEEK + timedelta(days=1))
    found = panel.panel(hired(), visit.reference)
    assert (found.name, found.practitioner.slug, found.minutes) == ("Rosa Lima", "ana", 30)
    assert found.phases == (("treatment", 30),)
    assert [entry.what for entry in found.history] == ["booked"]
    assert [one.kind for one in found.messages] == ["confirmation", "reminder-3d", "reminder-1d"]
    assert all(one.waits for one in found.messages) and found.unwritten == ()
    # It is Monday: three days before Tuesday are past, and the confirmation is the reminder.
    tomorrow = panel.panel(hired(), booked(NINE, email="otto@example.com").reference)
    assert tomorrow.unwritten == (("reminder-3d", Channel.EMAIL, WhyNot.LATE),)
    assert [other.starts_at for other in found.next_visits] == [NEXT_WEEK + timedelta(days=1)]
    assert [kind for _number, kind, _due in found.tasks] == [TaskKind.ESTIMATE]


def test_only_legal_moves_and_corrections_are_offered(context: Flask, standing_clock: StandingClock) -> None:
    visit, who = booked(NINE), hired()
    assert panel.panel(who, visit.reference).moves == (Move.CONFIRM, Move.CANCEL)
    standing_clock.at(NINE + timedelta(minutes=15))
    assert Move.NO_SHOW in panel.panel(who, visit.reference).moves
    statuses.arrive(who, visit.reference, key="arrive-01")
    found = panel.panel(who, visit.reference)
    assert Move.NO_SHOW not in found.moves
    assert set(found.corrections) == {Status.BOOKED, Status.NOSHOW}


def test_opening_is_written_down_with_the_patient(context: Flask) -> None:
    visit = booked(NEXT_WEEK)
    panel.panel(hired(name="Dana Desk"), visit.reference)
    (entry,) = rows(AuditEntry)
    assert (entry["name"], entry["what"], entry["subject"]) == (
        "Dana Desk",
        "opened visit",
        f"appointment/{visit.reference}",
    )
    assert entry["patient_id"] is not None


def test_a_practitioner_opens_only_visits_of_their_patients(context: Flask) -> None:
    visit = booked(NEXT_WEEK, practitioner="ana")
    assert panel.panel(hired(Role.PRACTITIONER, practitioner="ana"), visit.reference).name == "Rosa Lima"
    with pytest.raises(NotFound):
        panel.panel(hired(Role.PRACTITIONER, practitioner="ben"), visit.reference)


def test_a_note_is_one_change_with_its_entry(context: Flask) -> None:
    visit, who = booked(NEXT_WEEK), hired(name="Dana Desk")
    panel.note(who, visit.reference, "Rings before.", version=1, key="note-0001")
    panel.note(who, visit.reference, "Rings before.", version=1, key="note-0002")
    found = panel.panel(who, visit.reference)
    assert (found.desk_note, found.version) == ("Rings before.", 2)
    assert [(row["what"], row["actor_name"]) for row in rows(HistoryEntry)] == [
        ("booked", ""),
        ("noted", "Dana Desk"),
    ]


def test_what_a_note_said_before_stays_in_the_history(context: Flask) -> None:
    visit, who = booked(NEXT_WEEK), hired()
    for words in ("Rings before.", "Rings after.", ""):
        panel.note(who, visit.reference, words, key=f"note {words}")
    noted = panel.panel(who, visit.reference).history[:3]
    assert [entry.facts.get("said") for entry in noted] == ["Rings after.", "Rings before.", ""]


def test_another_note_meanwhile_is_stale_and_another_change_is_not(
    context: Flask, standing_clock: StandingClock
) -> None:
    visit, who = booked(NEXT_WEEK), hired(name="Dana Desk")
    statuses.confirm(who, visit.reference, key="confirm-1")
    panel.note(who, visit.reference, "Mine.", version=1, key="note-0001")
    with pytest.raises(StaleEdit) as refused:
        panel.note(hired(), visit.reference, "Theirs.", version=2, key="note-0002")
    assert (refused.value.facts["by"], refused.value.facts["what"]) == ("Dana Desk", "noted")
