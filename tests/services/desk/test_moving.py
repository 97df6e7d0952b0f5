"""Moving and changing visits at the desk: what is kept, what is asked, what is refused, and what the patient hears."""

from datetime import date, timedelta
from typing import Any

import pytest

from booking.errors import (
    BeyondHorizon,
    Clash,
    IllegalStatus,
    KeyReused,
    NeedsReason,
    NotChangeable,
    NotFound,
    NotOffered,
    PatientElsewhere,
    StaleEdit,
)
from booking.models import (
    AbsenceKind,
    Appointment,
    AuditEntry,
    Claim,
    HistoryEntry,
    Message,
    Reminders,
    Role,
)
from booking.scheduling.timeline import cell_at
from booking.services import absences, visits
from booking.services.clinic import present
from booking.services.desk import statuses
from booking.services.desk.moving import Changed, Place, change, preview
from booking.services.desk.panel import head
from booking.services.desk.places import places
from booking.services.desk.undoing import undo
from booking.services.transaction import run
from tests.clinics import clinic, needled, practitioner, rooms, set_up, visit_type
from tests.conftest import MONDAY
from tests.services.making import NEXT_WEEK, NINE, booked, heard, rows
from tests.staffing import hired

HOUR = timedelta(hours=1)
TUESDAY = date(2026, 9, 15)

pytestmark = pytest.mark.usefixtures("standing_clock", "context", "the_clinic_of_two")


@pytest.fixture
def the_clinic_of_two(context: Any, standing_clock: Any) -> None:
    set_up(
        clinic(
            visit_types=[
                visit_type(pause_after_minutes=10),
                needled(),
                visit_type("long", phases=[{"name": "treatment", "minutes": 60}]),
                visit_type("talk", reminder_days=[2]),
            ],
            practitioners=[
                practitioner("ana", offers=["follow-up", "needles", "long", "talk"]),
                practitioner("ben", offers=["follow-up", "long"]),
            ],
            rooms=[*rooms(2), *rooms(1, "gym")],
            about={"phone": "(818) 555-0100"},
        )
    )


def moved(reference: str, key: str = "move-0001", who: Any = None, **how: Any) -> Changed:
    given = {name: how.pop(name) for name in ("reason", "tell", "version") if name in how}
    return change(who or hired(), reference, Place(**how), **({"version": None, "key": key} | given))


def the_visit(reference: str) -> Any:
    return next(row for row in rows(Appointment) if row["reference"] == reference)


def told(kind: str = "change") -> list[Any]:
    return [row for row in rows(Message) if row["kind"] == kind]


def taken() -> list[Any]:
    return [(row["resource_id"], row["from_cell"], row["to_cell"]) for row in rows(Claim)]


# Moving


def test_a_visit_moves_and_the_patient_is_told_in_three_minutes(standing_clock: Any) -> None:
    visit = booked(practitioner="ana")
    sent_everything()
    dana = hired()
    changed = moved(visit.reference, who=dana, starts_at=NINE + HOUR, version=1)
    row = the_visit(visit.reference)
    assert row["from_cell"] == cell_at(NINE + HOUR)
    assert (row["version"], row["sequence"]) == (2, 1)
    assert changed.told and changed.due_at == "2026-09-14T15:03:00Z"
    (message,) = told()
    assert message["due_at"] == MONDAY + timedelta(minutes=3)
    assert message["facts"]["old_starts_at"] == "2026-09-15T16:00:00Z"
    assert message["facts"]["by_clinic"]
    entry = rows(HistoryEntry)[-1]
    assert (entry["what"], entry["actor"], entry["actor_name"]) == ("moved", "staff", "Dana Desk")
    assert entry["id"] == changed.entry_id and entry["account_id"] == dana.account_id
    assert rows(AuditEntry)[-1]["what"] == "moved"
    assert {cell for _, cell, _ in taken()} == {cell_at(NINE + HOUR)}


def test_the_confirmation_that_still_waits_is_sent_as_it_is_now() -> None:
    """The patient never heard of the old time, so there is nothing to tell them of it."""
    visit = booked(practitioner="ana")
    moved(visit.reference, starts_at=NINE + HOUR, tell=False)
    waiting = [row for row in rows(Message) if row["state"] == "queued"]
    assert [row["kind"] for row in waiting if not row["kind"].startswith("reminder")] == ["confirmation"]
    assert {row["sequence"] for row in waiting} == {1}


def sent_everything() -> None:
    run(
        lambda session: session.execute(
            Message.__table__.update().where(Message.kind == "confirmation").values(state="sent")
        )
    )


def test_twice_moved_is_told_once_and_moved_back_not_at_all() -> None:
    visit = booked(practitioner="ana")
    sent_everything()
    moved(visit.reference, "move-0001", starts_at=NINE + HOUR)
    moved(visit.reference, "move-0002", starts_at=NINE + 2 * HOUR)
    (waiting,) = [row for row in told() if row["state"] == "queued"]
    assert waiting["facts"]["old_starts_at"] == "2026-09-15T16:00:00Z"
    moved(visit.reference, "move-0003", starts_at=NINE)
    assert [row for row in told() if row["state"] == "queued"] == []


def test_what_was_to_be_told_is_told_as_it_is_now_whatever_is_chosen_later() -> None:
    """Dropped for a second move that is told to nobody, they would hear of neither."""
    visit = booked(practitioner="ana")
    sent_everything()
    moved(visit.reference, "move-0001", starts_at=NINE + HOUR)
    assert preview(hired(), visit.reference, Place(starts_at=NINE + 2 * HOUR)).owed
    moved(visit.reference, "move-0002", starts_at=NINE + 2 * HOUR, tell=False)
    (waiting,) = [row for row in told() if row["state"] == "queued"]
    assert (waiting["sequence"], waiting["facts"]["old_starts_at"]) == (2, "2026-09-15T16:00:00Z")
    moved(visit.reference, "move-0003", starts_at=NINE, tell=False)
    assert [row for row in told() if row["state"] == "queued"] == []


def test_without_telling_the_reminders_speak_of_the_new_time_all_the_same() -> None:
    visit = booked(NEXT_WEEK, practitioner="ana")
    sent_everything()
    changed = moved(visit.reference, starts_at=NEXT_WEEK + HOUR, tell=False)
    assert not changed.told and changed.due_at is None and told() == []
    waiting = {row["kind"]: row["due_at"] for row in rows(Message) if row["state"] == "queued"}
    assert waiting == {f"reminder-{days}d": NEXT_WEEK + HOUR - timedelta(days=days) for days in (3, 1)}


def test_whoever_has_neither_mail_nor_texts_is_put_on_the_list_of_calls() -> None:
    visit = booked(practitioner="ana", email=None, phone="+18185550123", reminders=Reminders.CALL)
    moved(visit.reference, starts_at=NINE + HOUR)
    (message,) = told()
    assert message["channel"] == "call" and message["address"] == "+18185550123"


def test_the_same_place_is_a_quiet_success() -> None:
    visit = booked(practitioner="ana")
    changed = moved(visit.reference, starts_at=NINE, practitioner="ana")
    assert changed.entry_id is None and changed.version == 1
    assert len(rows(HistoryEntry)) == 1


def test_a_key_moves_once() -> None:
    visit = booked(practitioner="ana")
    dana = hired()
    first = moved(visit.reference, who=dana, starts_at=NINE + HOUR)
    assert moved(visit.reference, who=dana, starts_at=NINE + HOUR) == first
    with pytest.raises(KeyReused):
        moved(visit.reference, who=dana, starts_at=NINE + 2 * HOUR)
    assert the_visit(visit.reference)["version"] == 2


def test_another_practitioner_is_told_and_the_room_may_stay() -> None:
    visit = booked(practitioner="ana")
    sent_everything()
    moved(visit.reference, practitioner="ben")
    row = the_visit(visit.reference)
    assert present().practitioner_by_id[row["practitioner_id"]].slug == "ben"
    assert row["sequence"] == 1 and len(told()) == 1


# Changing


def test_of_another_room_nobody_is_told_and_the_calendar_entry_stays() -> None:
    visit = booked(practitioner="ana")
    before = rows(Message)
    moved(visit.reference, room="room-2")
    row = the_visit(visit.reference)
    room = next(room for room in present().rooms if room.slug == "room-2")
    assert row["room_id"] == room.id and row["sequence"] == 0 and row["version"] == 2
    assert rows(Message) == before
    assert rows(HistoryEntry)[-1]["what"] == "changed"
    assert (room.id, cell_at(NINE), cell_at(NINE) + 6) in taken()


def test_a_room_of_another_kind_needs_a_reason() -> None:
    visit = booked(practitioner="ana")
    with pytest.raises(NeedsReason) as refused:
        moved(visit.reference, "room-0001", room="gym-1")
    assert refused.value.facts["breaches"] == ["other_room_kind"]
    moved(visit.reference, "room-0002", room="gym-1", reason="All others are being painted.")
    # There it stays, whatever else changes.
    changed = moved(visit.reference, "long-0001", phase_minutes=(45,))
    assert the_visit(visit.reference)["room_id"] == next(
        room.id for room in present().rooms if room.slug == "gym-1"
    )
    assert changed.entry_id


def test_a_longer_visit_ends_later_in_the_calendar_and_keeps_its_length_when_it_moves() -> None:
    visit = booked(practitioner="ana")
    moved(visit.reference, "long-0001", phase_minutes=(45,))
    row = the_visit(visit.reference)
    assert row["to_cell"] - row["from_cell"] == 9 and row["sequence"] == 1
    moved(visit.reference, "move-0001", starts_at=NINE + 2 * HOUR, practitioner="ben")
    row = the_visit(visit.reference)
    assert row["to_cell"] - row["from_cell"] == 9


def test_a_shorter_one_needs_a_reason_once() -> None:
    visit = booked(practitioner="ana")
    with pytest.raises(NeedsReason) as refused:
        moved(visit.reference, "short-0001", phase_minutes=(20,))
    assert refused.value.facts["breaches"] == ["shortened"]
    moved(visit.reference, "short-0002", phase_minutes=(20,), reason="Came late.")
    entry = rows(HistoryEntry)[-1]
    assert entry["why"] == "Came late." and entry["facts"]["breaches"] == ["shortened"]
    moved(visit.reference, "short-0003", phase_minutes=(20,), room="room-2")


@pytest.mark.parametrize("minutes", [(), (30, 30), (0,), (7,), (-5,), (6000,)])
def test_absurd_lengths_are_refused(minutes: tuple[int, ...]) -> None:
    visit = booked(practitioner="ana")
    with pytest.raises(NotOffered) as refused:
        moved(visit.reference, phase_minutes=minutes)
    assert refused.value.facts == {"because": "length"}


def test_another_visit_type_brings_its_own_length() -> None:
    visit = booked(practitioner="ana")
    moved(visit.reference, visit_type="needles")
    row = the_visit(visit.reference)
    assert row["to_cell"] - row["from_cell"] == 10
    assert present().visit_type_by_id[row["visit_type_id"]].slug == "needles"


def test_another_type_at_the_same_time_is_reminded_of_as_that_type_is_and_tells_nobody() -> None:
    visit = booked(NEXT_WEEK, practitioner="ana")
    sent_everything()

    def reminded() -> set[str]:
        return {row["kind"] for row in rows(Message) if row["state"] == "queued"}

    usual = reminded()
    assert usual == {"reminder-3d", "reminder-1d"}
    changed = moved(visit.reference, visit_type="talk")
    assert the_visit(visit.reference)["sequence"] == 0 and not changed.told
    assert reminded() == {"reminder-2d"}
    undo(hired(), changed.entry_id or 0, key="undo-0001")
    assert reminded() == usual


def test_what_somebody_does_not_give_is_refused() -> None:
    visit = booked(practitioner="ana", visit_type="needles")
    with pytest.raises(NotOffered) as refused:
        moved(visit.reference, practitioner="ben")
    assert refused.value.facts == {"because": "person"}
    for unknown in ({"practitioner": "zoe"}, {"room": "cellar"}, {"visit_type": "x"}, {"devices": ("x",)}):
        with pytest.raises(NotFound):
            moved(visit.reference, f"unknown-{unknown}", **unknown)


def test_times_that_nobody_plans_are_refused() -> None:
    visit = booked(practitioner="ana")
    with pytest.raises(BeyondHorizon):
        moved(visit.reference, "far-0001", starts_at=NINE.replace(year=9999))
    with pytest.raises(NotOffered):
        moved(visit.reference, "far-0002", starts_at=NINE + timedelta(minutes=2))


# Beyond the rules, never beyond the clash


def test_hours_and_notice_are_passed_with_a_reason_which_is_kept() -> None:
    visit = booked(practitioner="ana")
    late = NINE + timedelta(hours=9)
    with pytest.raises(NeedsReason) as refused:
        moved(visit.reference, "late-0001", starts_at=late)
    assert refused.value.facts["breaches"] == ["outside_hours"]
    assert the_visit(visit.reference)["version"] == 1
    moved(visit.reference, "late-0002", starts_at=late, reason="  She works until six.  ")
    entry = rows(HistoryEntry)[-1]
    assert entry["why"] == "She works until six."
    assert entry["facts"]["breaches"] == ["outside_hours"]
    # Another room of a visit that stands there already asks nothing again.
    moved(visit.reference, "late-0003", room="room-2")


def test_the_past_and_the_notice_are_two_things() -> None:
    visit = booked(practitioner="ana")
    with pytest.raises(NeedsReason) as refused:
        moved(visit.reference, "soon-0001", starts_at=MONDAY + HOUR)
    assert "too_soon" in refused.value.facts["breaches"]
    with pytest.raises(NeedsReason) as refused:
        moved(visit.reference, "soon-0002", starts_at=MONDAY - timedelta(days=3) + HOUR)
    assert "in_the_past" in refused.value.facts["breaches"]
    assert "too_soon" not in refused.value.facts["breaches"]


def test_the_pause_may_be_shortened_but_nobody_sits_on_anothers_lap() -> None:
    booked(NINE, practitioner="ana")
    other = booked(NINE + 2 * HOUR, practitioner="ana", email="ben@example.com", first_name="Ben")
    with pytest.raises(NeedsReason) as refused:
        moved(other.reference, "pause-0001", starts_at=NINE + timedelta(minutes=30))
    assert refused.value.facts["breaches"] == ["pause"]
    moved(other.reference, "pause-0002", starts_at=NINE + timedelta(minutes=30), reason="In a hurry.")
    with pytest.raises(Clash) as clash:
        moved(other.reference, "clash-0001", starts_at=NINE + timedelta(minutes=25), reason="Please!")
    (with_,) = clash.value.facts["with_"]
    assert with_["what"] == "practitioner" and with_["name"] == "Ana" and with_["whose"] == "Rosa Lima"
    assert (with_["from"], with_["to"]) == ("2026-09-15T16:00:00Z", "2026-09-15T16:30:00Z")


def test_rooms_are_named_with_whoever_is_in_them() -> None:
    for number, person in enumerate(("ana", "ben")):
        booked(NINE, practitioner=person, email=f"{number}@example.com", first_name=f"Guest{number}")
    visit = booked(NINE + HOUR, practitioner="ana", visit_type="long")
    with pytest.raises(Clash) as clash:
        moved(visit.reference, "clash-0001", starts_at=NINE, room="room-1", practitioner="ana", reason="x")
    assert {one["what"] for one in clash.value.facts["with_"]} == {"practitioner", "room"}


def time_off(slug: str | None, first: Any, last: Any) -> None:
    person = present().practitioners[slug].id if slug else None
    kind = AbsenceKind.TIME_OFF if slug else AbsenceKind.CLOSURE
    run(lambda session: absences.enter(session, kind, person, cell_at(first), cell_at(last)).id)


@pytest.mark.parametrize("whose", ["ana", None])
def test_time_off_and_closures_cannot_be_passed(whose: str | None) -> None:
    visit = booked(practitioner="ana")
    time_off(whose, NINE + HOUR, NINE + 3 * HOUR)
    with pytest.raises(Clash) as clash:
        moved(visit.reference, starts_at=NINE + HOUR, reason="Please!")
    assert clash.value.facts["with_"][0]["by"] == ("away" if whose else "closed")


def test_a_visit_inside_time_off_keeps_its_own_time_and_gives_up_what_it_leaves() -> None:
    visit = booked(practitioner="ana")
    time_off("ana", NINE, NINE + 2 * HOUR)
    moved(visit.reference, "room-0001", room="room-2")
    ana = present().practitioners["ana"].id
    assert (ana, cell_at(NINE), cell_at(NINE) + 6) in taken()
    moved(visit.reference, "move-0001", starts_at=NINE + 5 * HOUR)
    with pytest.raises(Clash):
        moved(visit.reference, "back-0001", starts_at=NINE, reason="x")


def test_a_second_visit_of_the_patient_is_refused_with_the_other_one() -> None:
    first = booked(NINE, practitioner="ana")
    second = booked(NINE + 5 * HOUR, practitioner="ben")
    with pytest.raises(PatientElsewhere) as refused:
        moved(second.reference, starts_at=NINE, reason="x")
    facts = refused.value.facts
    assert facts["reference"] == first.reference and facts["practitioner"] == "ana"


# Who, and when not


def test_a_stale_edit_says_who_did_what() -> None:
    visit = booked(practitioner="ana")
    moved(visit.reference, "first-0001", who=hired(name="Carla"), starts_at=NINE + HOUR, version=1)
    with pytest.raises(StaleEdit) as stale:
        moved(visit.reference, "second-001", starts_at=NINE + 2 * HOUR, version=1)
    facts = stale.value.facts
    assert (facts["by"], facts["by_actor"], facts["what"]) == ("Carla", "staff", "moved")
    assert facts["shown"]["starts_at"] == "2026-09-15T16:00:00Z"
    assert facts["now"]["starts_at"] == "2026-09-15T17:00:00Z"


def test_what_is_over_has_no_place_any_more(standing_clock: Any) -> None:
    visit = booked(practitioner="ana")
    visits.cancel(visit.reference, visit.token, "", actor="t", key="c")
    with pytest.raises(NotChangeable):
        moved(visit.reference, starts_at=NINE + HOUR)


def test_who_is_in_the_room_keeps_the_time(standing_clock: Any) -> None:
    visit = booked(practitioner="ana")
    standing_clock.at(NINE)
    statuses.start(hired(), visit.reference, key="start-0001")
    with pytest.raises(NotChangeable):
        moved(visit.reference, "move-0001", starts_at=NINE + HOUR, reason="x")
    moved(visit.reference, "long-0001", phase_minutes=(60,))
    assert told() == []


def test_a_visit_that_is_not_theirs_is_not_there() -> None:
    visit = booked(practitioner="ana")
    stranger = hired(Role.PRACTITIONER, practitioner="ben")
    for call in (
        lambda: moved(visit.reference, who=stranger, starts_at=NINE + HOUR),
        lambda: preview(stranger, visit.reference, Place()),
        lambda: places(stranger, visit.reference, TUESDAY),
        lambda: head(stranger, visit.reference),
    ):
        with pytest.raises(NotFound):
            call()


# The preview


def test_a_preview_has_the_words_and_changes_nothing() -> None:
    visit = booked(practitioner="ana")
    before = (rows(Message), rows(Appointment), rows(Claim))
    found = preview(hired(), visit.reference, Place(starts_at=NINE + HOUR, practitioner="ben"))
    assert (found.channel, found.address, found.practitioner) == ("email", "rosa@example.com", "ben")
    assert "10:00" in found.subject and "Ben" in found.text
    assert visit.token not in found.text
    assert not found.breaches and not found.clash and found.elsewhere is None
    assert (rows(Message), rows(Appointment), rows(Claim)) == before


def test_a_preview_names_what_is_broken_and_who_is_in_the_way() -> None:
    visit = booked(practitioner="ana")
    booked(NINE + HOUR, practitioner="ana", email="ben@example.com", first_name="Ben")
    assert preview(hired(), visit.reference, Place(starts_at=NINE - 4 * HOUR)).breaches == ("outside_hours",)
    (with_,) = preview(hired(), visit.reference, Place(starts_at=NINE + HOUR)).clash
    assert with_["whose"] == "Ben Lima"


def test_a_preview_of_a_room_tells_nobody() -> None:
    visit = booked(practitioner="ana")
    assert preview(hired(), visit.reference, Place(room="room-2")).channel == ""


def test_by_telephone_the_preview_is_a_sentence_to_say() -> None:
    visit = booked(practitioner="ana", email=None, phone="+18185550123", reminders=Reminders.CALL)
    found = preview(hired(), visit.reference, Place(starts_at=NINE + HOUR))
    assert found.channel == "call" and found.text.startswith("Your visit is now on")


def test_somebody_who_has_arrived_and_comes_on_another_day_is_booked_again_and_told(
    standing_clock: Any,
) -> None:
    visit, dana = booked(), hired()
    standing_clock.at(NINE - timedelta(minutes=5))
    statuses.arrive(dana, visit.reference, key="arrive-01")
    place = Place(starts_at=NEXT_WEEK)
    assert preview(dana, visit.reference, place).channel == "email"
    moved = change(dana, visit.reference, place, version=None, key="move-0001")
    assert moved.told
    row = rows(Appointment)[0]
    assert (row["status"], row["arrived_at"]) == ("booked", None)
    # The confirmation hadn't gone yet, and tells of the new time.
    assert {row["kind"] for row in rows(Message) if row["state"] == "queued"} == {
        "confirmation",
        "reminder-3d",
        "reminder-1d",
    }
    assert moved.entry_id
    undo(dana, moved.entry_id, key="undo-0001")
    row = rows(Appointment)[0]
    assert (row["status"], row["arrived_at"]) == ("arrived", NINE - timedelta(minutes=5))


@pytest.mark.parametrize(
    ("hours", "status", "channel"),
    # Tuesday, a quarter to eight in the evening: half past seven tomorrow is another day, though no half day away.
    [(11.75, "booked", "email"), (0.75, "arrived", "")],
)
def test_who_is_here_in_the_evening_and_is_moved_to_the_next_morning_goes_home(
    standing_clock: Any, hours: float, status: str, channel: str
) -> None:
    visit, dana, evening = booked(), hired(), NINE + 10.75 * HOUR
    standing_clock.at(evening - 2 * HOUR)
    moved(visit.reference, "move-0001", dana, starts_at=evening, reason="Late")
    heard()
    standing_clock.at(evening)
    statuses.arrive(dana, visit.reference, key="arrive-01")
    # A change of something else leaves them here.
    moved(visit.reference, "move-0002", dana, practitioner="ben", reason="Late")
    assert the_visit(visit.reference)["status"] == "arrived"
    place = Place(starts_at=evening + hours * HOUR)
    seen = preview(dana, visit.reference, place)
    assert (seen.comes_again, seen.here_since is None, seen.channel) == (
        (status == "booked",) * 2 + (channel,)
    )
    change(dana, visit.reference, place, version=None, reason="Late", key="move-0003")
    row = the_visit(visit.reference)
    assert (row["status"], row["arrived_at"]) == (status, None if status == "booked" else evening)
    assert bool([one for one in told() if one["state"] == "queued"]) == bool(channel)


@pytest.mark.parametrize(
    ("stood", "hours", "status"),
    # At nine. From nine to eight in the evening nobody waits; from ten to noon they do, and nobody who is here already for the
    # evening goes because it is an hour sooner.
    [(0, 11, "booked"), (1, 3, "arrived"), (11, 10, "arrived")],
)
def test_who_is_here_and_is_moved_hours_later_on_the_same_day_goes_home_and_is_told(
    standing_clock: Any, stood: float, hours: float, status: str
) -> None:
    visit, dana = booked(), hired()
    standing_clock.at(NINE - HOUR)
    if stood:
        moved(visit.reference, "move-0001", dana, starts_at=NINE + stood * HOUR, reason="Late")
    heard()
    standing_clock.at(NINE)
    statuses.arrive(dana, visit.reference, key="arrive-01")
    place = Place(starts_at=NINE + hours * HOUR)
    seen = preview(dana, visit.reference, place)
    assert (seen.comes_again, bool(seen.channel)) == ((status == "booked",) * 2)
    change(dana, visit.reference, place, version=None, reason="Late", key="move-0002")
    row = the_visit(visit.reference)
    assert (row["status"], row["arrived_at"]) == (status, None if status == "booked" else NINE)
    assert bool([one for one in told() if one["state"] == "queued"]) == (status == "booked")


def test_a_preview_speaks_of_what_the_patient_knows() -> None:
    """Whoever hasn't heard of the visit is told of it, whatever staff choose; moved back, nobody is told anything."""
    visit = booked(practitioner="ana")
    first = preview(hired(), visit.reference, Place(starts_at=NINE + HOUR))
    assert first.owed and first.subject.startswith("Your visit on")
    sent_everything()
    moved(visit.reference, "move-0001", starts_at=NINE + HOUR)
    back = preview(hired(), visit.reference, Place(starts_at=NINE))
    assert (back.channel, back.text, back.owed) == ("", "", False)
    further = preview(hired(), visit.reference, Place(starts_at=NINE + 2 * HOUR))
    assert "It was Tuesday, September 15, 2026, 9:00 am." in further.text and further.owed


def test_a_visit_with_needles_in_becomes_none_without_a_rest(standing_clock: Any) -> None:
    reference = booked(NINE, visit_type="needles", practitioner="ana").reference
    standing_clock.at(NINE)
    statuses.start(hired(), reference, key="start-001")
    statuses.needles_in(hired(), reference, key="needles-1")
    with pytest.raises(IllegalStatus) as refused:
        moved(reference, visit_type="follow-up", reason="Was a mistake")
    assert refused.value.facts["because"] == "needles"
    with pytest.raises(IllegalStatus):
        preview(hired(), reference, Place(visit_type="follow-up"))
    statuses.needles_out(hired(), reference, key="needles-2")
    moved(reference, visit_type="follow-up", reason="Was a mistake", key="move-0002")
    assert (
        the_visit(reference)["visit_type_id"]
        != the_visit(
            booked(NEXT_WEEK, visit_type="needles", first_name="Otto", email="o@example.com").reference
        )["visit_type_id"]
    )
