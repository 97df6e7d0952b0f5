"""The clinic's file: read whole, faults with lines, applied again and again, written back."""

import json
from datetime import date, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import tomli_w
from flask import Flask
from sqlalchemy import select

from booking.demo import making
from booking.extensions import db
from booking.models import Claim, Clinic, Message, Practitioner, Reminders, Resource, Room, VisitType
from booking.services import clinic_file, clinic_reading, clinic_rows, visits
from booking.services.clinic_file import ClinicFile, FileFault
from booking.services.clinic_rows import StillNeeded
from booking.services.transaction import reading
from tests.clinics import clinic, every_day, practitioner, rooms, set_up, visit_type
from tests.conftest import MONDAY
from tests.services.making import NEXT_WEEK, booked, rows

pytestmark = pytest.mark.usefixtures("standing_clock", "context")

DEMO = making.FILE.read_text(encoding="utf-8")
FRIDAY = NEXT_WEEK.date() + timedelta(days=4)


def day(after: int, hours: str | None = None) -> dict[str, Any]:
    on = FRIDAY + timedelta(days=after)
    return {"first": on, "last": on} | ({"hours": hours} if hours else {})


# Whatever is wrong with a file is found before any database is asked.
the_file_alone = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


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


def small(**how: Any) -> str:
    """A small clinic as a file, with some of its parts replaced by whatever it may be."""
    plain = json.loads(clinic().model_dump_json(exclude_none=True, exclude_defaults=True))
    for place, value in how.items():
        *path, last = place.split("__")
        part: Any = plain
        for name in path:
            part = part[int(name)] if name.isdigit() else part.setdefault(name, {})
        part[last] = value
    return tomli_w.dumps(plain)


@the_file_alone
@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({"visit_types__0__phases": [{"name": "t", "minutes": "33"}]}, "visit_types.1.phases.1.minutes"),
        ({"visit_types__0__phases": [{"name": "t", "minutes": 33.0}]}, "visit_types.1.phases.1.minutes"),
        ({"visit_types__0__phases": [{"name": "t", "minutes": "thirty"}]}, "visit_types.1.phases.1.minutes"),
        ({"visit_types__0__phases": [{"name": "t", "minutes": True}]}, "visit_types.1.phases.1.minutes"),
        ({"visit_types__0__phases": "treatment"}, "visit_types.1.phases"),
        ({"visit_types__0__phases": [7]}, "visit_types.1.phases.1"),
        ({"visit_types__0__pause_after_minutes": "7"}, "visit_types.1.pause_after_minutes"),
        ({"rules__step_minutes": "7"}, "rules.step_minutes"),
        ({"clinic__zone": ["x"]}, "clinic.zone"),
        ({"clinic__zone": 7}, "clinic.zone"),
        ({"clinic__phone": ["x"]}, "clinic.phone"),
        ({"clinic__mailbox": {"x": 1}}, "clinic.mailbox"),
        ({"clinic__mailbox": "no-reply@clinic.example"}, "clinic.mailbox"),
        ({"clinic__mailbox": "donotreply@clinic.example"}, "clinic.mailbox"),
        ({"clinic__address": "1 Main Street"}, "clinic.address"),
        ({"clinic__name": "Clinic\u0007"}, "clinic.name"),
        ({"clinic__name": "Clinic\u0000"}, "clinic.name"),
        ({"clinic__message_name": "Clinic\u0000"}, "clinic.message_name"),
        ({"clinic__message_name": "Clinic\nBcc: all"}, "clinic.message_name"),
        ({"clinic__name": "Clinic\nBcc: all"}, "clinic.name"),
        ({"policies__privacy": "We keep\u0000 your secrets."}, "policies.privacy"),
        ({"practitioners__0__credentials": "M.D.\u0000"}, "practitioners.1.credentials"),
        ({"visit_types__0__phases": [{"name": "t\u0000", "minutes": 30}]}, "visit_types.1.phases.1.name"),
        ({"rooms": [{"id": "r", "name": "Room", "kind": "room\u0000"}]}, "rooms.1.kind"),
        ({"rooms": [{"id": "room", "name": "r" * 81, "kind": "room"}]}, "rooms.1.name"),
        ({"modalities": [{"id": "care", "name": "c" * 81}]}, "modalities.1.name"),
        ({"closures": [{"first": date(9999, 12, 31), "last": date(9999, 12, 31)}]}, "closures.1.first"),
        ({"closures": [{"first": date(1, 1, 1), "last": FRIDAY}]}, "closures.1.first"),
        ({"closures": [{"first": FRIDAY, "last": MONDAY.date()}]}, "closures.1"),
        ({"closures": [{"first": "soon", "last": FRIDAY}]}, "closures.1.first"),
        ({"closures": [day(0), day(1), day(0)]}, "closures.3"),
        ({"closures": [day(0, "9:00-10:00"), day(0, "9:00-10:00")]}, "closures.2"),
        ({"dated_hours": [{"on": date(9999, 12, 31)}]}, "dated_hours.1.on"),
        ({"dated_hours": [{"on": FRIDAY}, {"on": FRIDAY, "hours": ["9:00-10:00"]}]}, "dated_hours.2"),
        ({"practitioners__0__away": [day(0), day(0)]}, "practitioners.1.away.2"),
        ({"practitioners__0__dated_hours": [{"on": FRIDAY}, {"on": FRIDAY}]}, "practitioners.1.dated_hours.2"),
        ({"practitioners__0__offers": [7]}, "practitioners.1.offers.1"),
        ({"practitioners__0__offers": ["follow-up", "follow-up"]}, "practitioners.1.offers.2"),
        ({"practitioners__0__hours": {"monday": ["21:00-22:00"]}}, "practitioners.1.hours.monday"),
        ({"practitioners__0__hours": {"monday": ["9:00-11:00", "10:00-12:00"]}}, "practitioners.1.hours"),
        ({"practitioners__0__hours": {"monday": ["9:00-25:00"]}}, "practitioners.1.hours.monday.1"),
        ({"rules__reminder_days": [3, 1, 3]}, "rules.reminder_days"),
        ({"rules__reminder_days": ["1", 1]}, "rules.reminder_days"),
        ({"visit_types__0__reminder_days": [2, 2]}, "visit_types.1.reminder_days"),
        ({"rules__reminder_days": [[1]]}, "rules.reminder_days.1"),
        ({"rules__texts": "9:00-0:00"}, "rules.texts"),
        ({"rules__texts": ["9:00", "19:00"]}, "rules.texts"),
        ({"rules__limits": [{"scope": "patient", "per": "day", "visits": 1, "visit_type": "x"}]}, "rules.limits.1"),
        ({"rules": "none"}, "rules"),
        ({"rooms": {"id": "x"}}, "rooms"),
    ],
)  # fmt: skip
def test_whatever_stands_there_has_a_place_a_line_and_a_reason(given: dict[str, Any], place: str) -> None:
    text = small(**given)
    found = faults(text)
    assert [words for _, words in found if words.startswith((f"{place}: ", f"{place}."))], found
    assert all(0 < line <= len(text.splitlines()) for line, _ in found), found


def test_a_part_that_is_missing_is_named_although_it_has_no_line() -> None:
    assert (0, "clinic: is missing") in faults('[hours]\nmonday = ["9:00-17:00"]\n')


@pytest.mark.parametrize("name", ["x" * 120, "Ä" * 120])
def test_names_as_long_as_may_be_fit_into_the_database(name: str) -> None:
    long = {"name": name}
    set_up(clinic(visit_types=[visit_type(**long)], practitioners=[practitioner(**long)], about=long))
    assert rows(Clinic)[0]["name"] == name


def test_a_small_file_is_fine_as_it_is() -> None:
    assert clinic_file.parse(small()) == clinic()
    assert clinic_file.parse(small(rules__reminder_days=[3, 1], rules__texts="9:00-24:00")).rules.texts == (
        time(9),
        time(0),
    )


@pytest.mark.parametrize(
    ("until", "due"), [("24:00", "20 23:30"), ("23:30", "21 09:00"), ("22:00", "21 09:00")]
)
def test_texts_go_until_the_end_of_the_day_if_the_clinic_says_so(until: str, due: str) -> None:
    late = every_day("8:00-24:00")
    set_up(clinic(rules={"texts": f"9:00-{until}", "reminder_days": [1]}, hours=late,
                  practitioners=[practitioner(hours=late)]))  # fmt: skip
    booked(NEXT_WEEK + timedelta(hours=14, minutes=30), reminders=Reminders.TEXT, email=None,
           phone="+18185550123", text_consent=True)  # fmt: skip
    (reminder,) = [row for row in rows(Message) if row["kind"] == "reminder-1d"]
    assert f"{reminder['due_at'].astimezone(ZoneInfo('America/Los_Angeles')):%d %H:%M}" == due


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
        shown = clinic_reading.read_back(session)
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
    assert applied.outside_hours == (f"{visit.reference}  Mon, Sep 21, 2026, 09:00  ana",)


def test_other_reminder_times_plan_what_is_queued_anew() -> None:
    set_up()
    booked(NEXT_WEEK)
    clinic_rows.apply(clinic(rules={"reminder_days": [2]}))
    queued = {row["kind"] for row in rows(Message) if row["state"] == "queued"}
    assert queued == {"confirmation", "reminder-2d"}
    clinic_rows.apply(clinic())
    queued = {row["kind"] for row in rows(Message) if row["state"] == "queued"}
    assert queued == {"confirmation", "reminder-3d", "reminder-1d"}


def with_a_device(**how: Any) -> ClinicFile:
    phases = [{"name": "treatment", "minutes": 30, "needs": ["practitioner", "room", "laser"]}]
    return clinic(
        **(
            {"visit_types": [visit_type(phases=phases)], "rooms": rooms(1), "devices": rooms(1, "laser")}
            | how
        )
    )


def another(kind: str) -> list[dict[str, str]]:
    return [{"id": "another", "name": "Another", "kind": kind}]


MASSAGE = visit_type("massage")


@pytest.mark.parametrize(
    ("without", "named"),
    [
        pytest.param({"rooms": another("room")}, "room-1 has 1 upcoming visits", id="the room"),
        pytest.param(
            {"devices": another("laser")}, "laser-1 is needed by 1 upcoming visits", id="the device"
        ),
        pytest.param(
            {"visit_types": [MASSAGE], "practitioners": [practitioner(offers=["massage"])]},
            "follow-up has 1 upcoming visits",
            id="the visit type",
        ),
    ],
)
def test_neither_room_nor_device_nor_visit_type_goes_while_a_visit_needs_it(
    without: dict[str, Any], named: str, standing_clock: Any
) -> None:
    set_up(with_a_device())
    booked(NEXT_WEEK)
    before = rows(Clinic), rows(Resource), rows(VisitType)
    with pytest.raises(StillNeeded) as refused:
        clinic_rows.apply(with_a_device(**without))
    assert [sentence for sentence in refused.value.facts["needed"] if named in sentence]
    assert (rows(Clinic), rows(Resource), rows(VisitType)) == before
    # When the visit is over, it may go.
    standing_clock.at(NEXT_WEEK + timedelta(minutes=30))
    assert clinic_rows.apply(with_a_device(**without)).changes


def test_what_a_cancelled_visit_needed_may_go() -> None:
    set_up(with_a_device())
    visit = booked(NEXT_WEEK)
    visits.cancel(visit.reference, visit.token, "", actor="t", key="c")
    assert clinic_rows.apply(with_a_device(devices=another("laser"), rooms=another("room"))).changes


def test_what_went_comes_back_as_the_same() -> None:
    set_up(clinic(rooms=rooms(2)))
    before = {row["slug"]: row["id"] for row in rows(Room)}
    set_up(clinic(rooms=rooms(1)))
    assert [row["active"] for row in rows(Room)] == [True, False]
    set_up(clinic(rooms=rooms(2)))
    assert {row["slug"]: row["id"] for row in rows(Room)} == before


def all_rows() -> dict[str, list[Any]]:
    with db.engine.connect() as connection:
        return {
            table.name: sorted(map(str, connection.execute(select(table))))
            for table in db.metadata.sorted_tables
        }


def test_a_dry_run_writes_nothing_to_any_table() -> None:
    set_up(with_a_device(closures=[{"first": FRIDAY, "last": FRIDAY}]))
    visit = booked(NEXT_WEEK)
    before = all_rows()
    new = clinic(
        about={"zone": "America/New_York"},
        rules={"reminder_days": [2], "limits": [{"scope": "patient", "per": "day", "visits": 1}]},
        rooms=rooms(3),
        devices=rooms(2, "laser"),
        visit_types=[visit_type(), MASSAGE],
        practitioners=[practitioner(hours={"friday": ["13:00-17:00"]}), practitioner("zoe")],
        closures=[{"first": FRIDAY, "last": FRIDAY + timedelta(days=1)}],
    )
    told = clinic_rows.apply(new, dry_run=True)
    assert [words.split()[0] for words in told.outside_hours] == [visit.reference]
    assert all_rows() == before
    assert clinic_rows.apply(new) == told
    assert all_rows() != before


@pytest.mark.parametrize(
    "later",
    [
        pytest.param({"closures": [day(-2), day(0), day(5, "9:00-10:00")]}, id="closures in front"),
        pytest.param({"closures": [day(0, "8:00-9:00"), day(0)]}, id="a closure of hours of the same day"),
        pytest.param({"rooms": [*another("room"), *rooms(2)]}, id="a room in front"),
        pytest.param({"devices": [*another("laser"), *rooms(1, "laser")]}, id="devices"),
        pytest.param(
            {"dated_hours": [{"on": FRIDAY + timedelta(days=3)}, {"on": FRIDAY, "hours": ["10:00-12:00"]}]},
            id="dated hours in any order",
        ),
        pytest.param(
            {"practitioners": [practitioner("zoe"), practitioner("ana", away=[day(3), day(1)])]},
            id="a practitioner in front, and days off in any order",
        ),
        pytest.param({"visit_types": [MASSAGE, visit_type()]}, id="a visit type in front"),
        pytest.param({"visit_types": [visit_type(), MASSAGE]}, id="a visit type at the end"),
        pytest.param({"rules": {"texts": "9:00-24:00"}}, id="texts until midnight"),
        pytest.param(
            {
                "visit_types": [
                    visit_type(phases=[{"name": "t", "minutes": 30, "needs": ["room", "practitioner"]}])
                ]
            },
            id="needs in another order",
        ),
        pytest.param(
            {"practitioners": [practitioner("clinic", away=[day(0)])], "closures": [day(0)]},
            id="somebody called clinic who is away on a day on which it closes",
        ),
    ],
)
def test_a_file_that_grew_applies_once_and_then_changes_nothing(later: dict[str, Any]) -> None:
    set_up(clinic(closures=[day(0)]))
    assert clinic_rows.apply(clinic(**later)).changes
    before = all_rows()
    assert clinic_rows.apply(clinic(**later)).changes == ()
    assert all_rows() == before


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


@the_file_alone
def test_what_practitioners_see_of_colleagues_is_the_clinics_to_say() -> None:
    set_up(clinic(rules={"colleagues": "nothing"}))
    assert clinic_reading_of_now().rules.colleagues == "nothing"
    with pytest.raises(FileFault, match=r"rules\.colleagues"):
        clinic_file.parse(DEMO.replace("[rules]", '[rules]\ncolleagues = "names"'))


def clinic_reading_of_now() -> ClinicFile:
    with reading() as session:
        found = clinic_reading.read_back(session)
    assert found is not None
    return found
