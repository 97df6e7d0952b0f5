"""The clinic's file: read whole, faults with lines, applied again and again, written back."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from flask import Flask

from booking.demo import making
from booking.models import Claim, Clinic, Message, Practitioner, Resource
from booking.services import clinic_file, clinic_rows
from booking.services.clinic_file import FileFault
from booking.services.clinic_rows import StillNeeded
from booking.services.transaction import reading
from tests.clinics import clinic, practitioner, rooms, set_up, visit_type
from tests.services.making import NEXT_WEEK, booked, rows

pytestmark = pytest.mark.usefixtures("standing_clock", "context")

DEMO = making.FILE.read_text(encoding="utf-8")


def faults(text: str) -> list[tuple[int, str]]:
    with pytest.raises(FileFault) as fault:
        clinic_file.parse(text)
    return fault.value.faults


def line_of(words: str) -> int:
    return next(number for number, line in enumerate(DEMO.splitlines(), 1) if words in line)


@pytest.mark.parametrize(
    ("was", "becomes", "reason"),
    [
        ('zone = "America/Los_Angeles"', 'zone = "Mars/Olympus"', "is no time zone"),
        ('monday = ["9:00-18:00"]', 'monday = ["9:00-18:03"]', "multiples of five"),
        ('monday = ["9:00-18:00"]', 'monday = ["18:00-9:00"]', "ends before it begins"),
        ("step_minutes = 15", "step_minutes = 7", "multiples of five"),
        ("horizon_days = 90", "horizon_days = 9000", "365"),
        ('mailbox = "frontdesk@stillwater.example"', 'mailbox = "nobody"', "mailbox"),
        ('id = "maple"', 'id = "alder"', "is there twice"),
        ("notice_minutes = 120", "notise_minutes = 120", "notise_minutes"),
    ],
)
def test_each_fault_has_its_line_and_reason(was: str, becomes: str, reason: str) -> None:
    found = faults(DEMO.replace(was, becomes, 1))
    assert any(reason in words for _, words in found), found
    assert all(line > 0 for line, _ in found)
    if "twice" not in reason:
        assert line_of(was) in [line for line, _ in found]


def test_all_faults_come_at_once() -> None:
    text = DEMO.replace('"America/Los_Angeles"', '"Mars"').replace("step_minutes = 15", "step_minutes = 7")
    assert len(faults(text)) == 2


def test_what_is_no_toml_names_the_line() -> None:
    assert faults("[clinic]\nname = ")[0][0] == 2


def test_a_file_applies_again_and_again_without_duplicates() -> None:
    definition = clinic_file.parse(DEMO)
    assert clinic_rows.apply(definition).changes
    before = [len(rows(kind)) for kind in (Resource, Claim, Practitioner)]
    assert clinic_rows.apply(definition).changes == ()
    assert [len(rows(kind)) for kind in (Resource, Claim, Practitioner)] == before
    assert rows(Clinic)[0]["version"] == 1


def test_what_is_written_back_is_what_was_applied() -> None:
    definition = clinic_file.parse(DEMO)
    clinic_rows.apply(definition)
    with reading() as session:
        shown = clinic_rows.read_back(session)
    assert shown is not None
    text = tomli_w.dumps(json.loads(shown.model_dump_json(exclude_none=True, exclude_defaults=True)))
    assert clinic_file.parse(text) == definition


def test_changes_are_told_in_words() -> None:
    set_up()
    told = clinic_rows.apply(clinic(rules={"horizon_days": 30}, rooms=rooms(3)), dry_run=True)
    assert told.changes == ("rules.horizon_days: 90 becomes 30", "rooms room-3: is new")
    assert clinic_rows.apply(clinic()).changes == ()


def test_what_upcoming_visits_need_does_not_go_silently() -> None:
    set_up(clinic(practitioners=[practitioner("ana"), practitioner("ben")]))
    booked(NEXT_WEEK, practitioner="ben")
    with pytest.raises(StillNeeded) as refused:
        clinic_rows.apply(clinic())
    assert refused.value.facts["needed"] == [
        "ben has 1 upcoming visits; move them first, or keep it in the file"
    ]


def test_visits_outside_new_hours_are_named() -> None:
    set_up()
    visit = booked(NEXT_WEEK)
    applied = clinic_rows.apply(clinic(practitioners=[practitioner(hours={"monday": ["13:00-17:00"]})]))
    assert applied.outside_hours == (visit.reference,)


def test_other_reminder_times_plan_what_is_queued_anew() -> None:
    set_up()
    booked(NEXT_WEEK)
    clinic_rows.apply(clinic(rules={"reminder_days": [2]}))
    queued = {row["kind"] for row in rows(Message) if row["state"] == "queued"}
    assert queued == {"confirmation", "reminder-2d"}
    clinic_rows.apply(clinic())
    queued = {row["kind"] for row in rows(Message) if row["state"] == "queued"}
    assert queued == {"confirmation", "reminder-3d", "reminder-1d"}


def test_a_closure_of_the_file_closes_and_opens_again() -> None:
    day = NEXT_WEEK.date().isoformat()
    set_up(clinic(closures=[{"first": day, "last": day}]))
    assert len(rows(Claim)) == 1
    set_up(
        clinic(
            closures=[{"first": day, "last": day}], practitioners=[practitioner("ana"), practitioner("zoe")]
        )
    )
    assert len(rows(Claim)) == 2
    set_up()
    assert rows(Claim) == []


def test_own_durations_are_a_practitioners_own() -> None:
    slow = practitioner("ana", offers=[{"visit_type": "follow-up", "phase_minutes": [45]}])
    set_up(clinic(practitioners=[slow]))
    booked(NEXT_WEEK)
    assert {row["to_cell"] - row["from_cell"] for row in rows(Claim)} == {9}


def test_the_command_shows_and_applies(context: Flask, tmp_path: Path) -> None:
    run = context.test_cli_runner().invoke
    (tmp_path / "clinic.toml").write_text(DEMO)
    (tmp_path / "bad.toml").write_text(DEMO.replace("step_minutes = 15", "step_minutes = 7"))
    refused = run(args=["clinic", "apply", str(tmp_path / "bad.toml")])
    assert refused.exit_code == 1
    assert f"bad.toml:{line_of('step_minutes = 15')}: rules.step_minutes" in refused.output
    assert "Applied 1 changes." in run(args=["clinic", "apply", str(tmp_path / "clinic.toml")]).output
    (tmp_path / "back.toml").write_text(run(args=["clinic", "show"]).output)
    assert "Nothing to change." in run(args=["clinic", "apply", str(tmp_path / "back.toml")]).output


def test_the_doctor_says_what_is_wrong(context: Flask) -> None:
    run = context.test_cli_runner().invoke
    empty = run(args=["doctor"])
    assert empty.exit_code == 1
    assert "No clinic has been set up." in empty.output
    assert "No worker has ticked" in empty.output
    telling: dict[str, Any] = {"message_name": "Best Acupuncture"}
    set_up(
        clinic(
            about=telling,
            rooms=[],
            visit_types=[
                visit_type(
                    room_kinds=[], phases=[{"name": "long", "minutes": 400, "needs": ["practitioner"]}]
                )
            ],
        )
    )
    told = run(args=["doctor"]).output
    assert "would tell everybody" in told
    assert "has no free time in 90 days: too_short" in told


def test_messages_are_listed_without_addresses(context: Flask) -> None:
    set_up()
    booked(NEXT_WEEK + timedelta(hours=1))
    listed = context.test_cli_runner().invoke(args=["messages"]).output
    assert "reminder-3d" in listed and "queued" in listed
    assert "rosa@example.com" not in listed
