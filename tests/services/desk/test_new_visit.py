"""The desk books: for whom it has chosen, beyond the rules with a reason, never over a clash, once."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from booking import clock
from booking.errors import (
    Clash,
    ContactCannotBeReached,
    IllegalStatus,
    KeyReused,
    LikelyKnown,
    NeedsReason,
    NotFound,
    NotOffered,
    PatientElsewhere,
    RecordMerged,
)
from booking.models import (
    Appointment,
    AuditEntry,
    BookableBy,
    Claim,
    HistoryEntry,
    Message,
    OptOut,
    Patient,
    Reminders,
    TextConsent,
)
from booking.services import rows as new_rows
from booking.services.clinic import present
from booking.services.desk import merging, new_visit, openings, statuses
from booking.services.desk.new_visit import DeskWish, NewPatient
from booking.services.desk.undoing import undo
from booking.services.staff.who import Who
from booking.services.transaction import run
from tests.clinics import clinic, practitioner, set_up, visit_type
from tests.conftest import MONDAY, StandingClock
from tests.services.making import NINE, booked, rows
from tests.staffing import hired

PHONE = "+18185550199"
MARIA = NewPatient("Maria", "Lopez", PHONE, None, date(1950, 3, 4))

MARIA_TOO = NewPatient("Maria", "Lopez", "+18185550111", None)


@pytest.fixture
def who(context: Flask, standing_clock: StandingClock) -> Who:
    set_up(
        clinic(
            visit_types=[visit_type(), visit_type("special", on_request=True)],
            practitioners=[
                practitioner("ana", offers=["follow-up", "special"]),
                practitioner("ben"),
            ],
        )
    )
    return hired(name="Dana Desk")


def rosa() -> str:
    booked(practitioner="ana")
    return str(rows(Patient)[0]["reference"])


def wish(patient: Any, starts_at: Any = NINE + timedelta(hours=1), **how: Any) -> DeskWish:
    return DeskWish(
        patient, **({"visit_type": "follow-up", "practitioner": None, "starts_at": starts_at} | how)
    )


def book(who: Who, asked: DeskWish, key: str = "key-1") -> Any:
    made = new_visit.book(who, asked, key=key)
    return next(one for one in rows(Appointment) if one["reference"] == made.reference)


def test_a_known_patient_is_booked_as_the_record_says(who: Who) -> None:
    reference = rosa()
    visit = book(who, wish(reference))
    (patient,) = rows(Patient)
    assert (visit["patient_id"], visit["first_name"], visit["email"], visit["reminders"], visit["booked_by"]) == (
        patient["id"], "Rosa", "rosa@example.com", "email", "staff",
    )  # fmt: skip
    entry = rows(HistoryEntry)[-1]
    assert (entry["what"], entry["actor_name"], entry["account_id"], entry["why"]) == (
        "booked",
        "Dana Desk",
        who.account_id,
        "",
    )
    assert [one["what"] for one in rows(AuditEntry)] == ["booked"]
    assert {one["resource_id"] for one in rows(Claim) if one["appointment_id"] == visit["id"]} >= {
        patient["id"]
    }


def test_told_in_three_minutes_or_not_and_reminded_in_any_case(who: Who) -> None:
    reference = rosa()
    later = NINE + timedelta(days=7)
    told, quiet = (
        book(who, wish(reference, later)),
        book(who, wish(reference, later + timedelta(hours=2), tell=False), "key-2"),
    )

    def kinds(visit: Any) -> dict[str, float]:
        return {
            one["kind"]: (one["due_at"] - one["written_at"]).total_seconds()
            for one in rows(Message)
            if one["appointment_id"] == visit["id"]
        }

    assert kinds(told)["confirmation"] == 180
    assert "confirmation" not in kinds(quiet)
    assert {kind for kind in kinds(told) if kind.startswith("reminder")} == set(kinds(quiet)) != set()


def test_starts_go_by_five_minutes(who: Who) -> None:
    visit = book(who, wish(rosa(), NINE + timedelta(minutes=65)))
    assert visit["from_cell"] * 300 == (NINE + timedelta(minutes=65)).timestamp()


def test_the_same_wish_twice_is_one_visit_and_another_is_refused(who: Who) -> None:
    reference = rosa()
    assert book(who, wish(reference)) == book(who, wish(reference))
    assert len(rows(Appointment)) == 2
    with pytest.raises(KeyReused):
        book(who, wish(reference, NINE + timedelta(hours=5)))


@pytest.mark.parametrize(
    ("starts_at", "breach"),
    [
        (NINE + timedelta(hours=9), "outside_hours"),
        (NINE - timedelta(days=2), "in_the_past"),
        (NINE + timedelta(days=370), "beyond_horizon"),
        (NINE - timedelta(days=1) + timedelta(minutes=-30), "too_soon"),
    ],
)
def test_beyond_the_rules_it_takes_a_reason(who: Who, starts_at: Any, breach: str) -> None:
    reference = rosa()
    with pytest.raises(NeedsReason) as refused:
        book(who, wish(reference, starts_at))
    assert breach in refused.value.facts["breaches"]
    assert len(rows(Appointment)) == 1
    visit = book(who, wish(reference, starts_at, reason="Flies tomorrow"), "key-2")
    entry = rows(HistoryEntry)[-1]
    assert entry["appointment_id"] == visit["id"] and entry["why"] == "Flies tomorrow"
    assert breach in entry["facts"]["breaches"]


def test_a_reason_that_nothing_needs_is_not_kept(who: Who) -> None:
    book(who, wish(rosa(), reason="Just so"))
    assert rows(HistoryEntry)[-1]["why"] == ""


def test_what_patients_may_not_book_the_desk_books(who: Who) -> None:
    book(who, wish(rosa(), visit_type="special"))


def test_nobody_books_over_a_clash_and_it_is_said_with_whom(who: Who) -> None:
    rosa()
    with pytest.raises(Clash) as refused:
        book(who, wish(MARIA, NINE, practitioner="ana", reason="Please"))
    (in_the_way,) = refused.value.facts["with_"]
    assert (in_the_way["what"], in_the_way["whose"]) == ("practitioner", "Rosa Lima")
    assert len(rows(Patient)) == 1 and len(rows(Appointment)) == 1


def test_with_anyone_somebody_else_gives_it(who: Who) -> None:
    rosa()
    visit = book(who, wish(MARIA, NINE))
    assert visit["practitioner_id"] != rows(Appointment)[0]["practitioner_id"]


def test_the_patients_second_visit_at_that_time_is_refused_with_the_other_one(who: Who) -> None:
    reference = rosa()
    with pytest.raises(PatientElsewhere) as refused:
        book(who, wish(reference, NINE + timedelta(minutes=15), practitioner="ben"))
    assert refused.value.facts["reference"] == rows(Appointment)[0]["reference"]


def test_somebody_new_is_made_with_the_visit(who: Who) -> None:
    visit = book(who, wish(MARIA))
    (made,) = rows(Patient)
    assert (made["first_name"], made["phone"], made["born_on"], visit["patient_id"]) == (
        "Maria",
        PHONE,
        date(1950, 3, 4),
        made["id"],
    )
    assert visit["reminders"] == "call"
    assert [one["what"] for one in rows(AuditEntry) if one["kind"] == "write"] == ["made patient", "booked"]


def test_likely_records_are_shown_before_a_new_one_is_made(who: Who) -> None:
    reference = rosa()
    new = NewPatient("Roza", "Lima", PHONE, None)
    with pytest.raises(LikelyKnown) as refused:
        book(who, wish(new))
    assert refused.value.facts["patients"] == [reference] and len(rows(Patient)) == 1
    book(who, wish(NewPatient("Roza", "Lima", PHONE, None, None, (reference,))))
    assert len(rows(Patient)) == 2


def test_somebody_new_sent_twice_is_one_record(who: Who) -> None:
    assert book(who, wish(MARIA)) == book(who, wish(MARIA))
    assert len(rows(Patient)) == len(rows(Appointment)) == 1


def test_the_same_person_written_by_two_desks_at_once_is_shown_to_the_second(who: Who) -> None:
    book(who, wish(MARIA))

    def action(session: Any) -> None:
        new_visit._refuse_made_meanwhile(session, MARIA)

    with pytest.raises(LikelyKnown):
        run(action)


def test_texts_need_consent_that_stands(who: Who) -> None:
    booked(email=None, phone=PHONE, reminders=Reminders.TEXT, text_consent=True)
    reference = str(rows(Patient)[0]["reference"])
    assert book(who, wish(reference))["reminders"] == "text"
    assert len(rows(TextConsent)) == 1
    with pytest.raises(ContactCannotBeReached):
        book(who, wish(MARIA_TOO, NINE + timedelta(hours=4), reminders=Reminders.TEXT), "key-2")
    stop = OptOut(phone=PHONE, at=rows(Appointment)[0]["booked_at"], words="STOP")
    run(lambda session: new_rows.add(session, stop))
    assert book(who, wish(reference, NINE + timedelta(hours=5)), "key-3")["reminders"] == "call"


def test_who_was_merged_is_booked_under_the_record_that_stayed(who: Who) -> None:
    stays = rosa()
    booked(NINE + timedelta(days=1), last_name="Limas", email="other@example.com")
    goes = str(rows(Patient)[1]["reference"])
    merging.merge(who, stays, goes, stays_version=1, goes_version=1, key="merge-1")
    with pytest.raises(RecordMerged) as refused:
        book(who, wish(goes))
    assert refused.value.facts == {"into": stays}


def test_unknown_names_are_not_found(who: Who) -> None:
    reference = rosa()
    for number, asked in enumerate(
        (wish("NOTHERE"), wish(reference, visit_type="nothing"), wish(reference, practitioner="nobody"))
    ):
        with pytest.raises(NotFound):
            book(who, asked, f"key-{number + 10}")


def test_the_next_times_are_some_of_each_day_and_never_where_the_patient_is(who: Who) -> None:
    reference = rosa()
    found = openings.next_times("follow-up", None, NINE.date(), besides=new_visit.known(who, reference))
    assert len(found) == openings.TIMES_SHOWN
    assert NINE not in [one.starts_at for one in found]
    assert found[0].starts_at == NINE + timedelta(minutes=30)
    by_day: dict[date, int] = {}
    for one in found:
        by_day[one.starts_at.date()] = by_day.get(one.starts_at.date(), 0) + 1
    assert max(by_day.values()) == openings.TIMES_A_DAY


def test_of_many_visits_ahead_each_counts_as_time_in_which_the_patient_is_elsewhere(who: Who) -> None:
    for day in range(8):
        booked(
            NINE + timedelta(days=day + (2 if day > 3 else 0)), practitioner="ana", audience=BookableBy.STAFF
        )
    patient = new_visit.known(who, rows(Patient)[0]["reference"])
    last = patient.upcoming[-1][1]
    on = (last - timedelta(hours=7)).date()
    free = openings.next_times("follow-up", None, on, besides=patient)
    assert free and last not in [one.starts_at for one in free]


def test_the_form_begins_as_the_last_visit_was_booked(who: Who) -> None:
    reference = rosa()
    run(lambda session: session.execute(update(Appointment).values(payment="self")))
    found = new_visit.known(who, reference)
    assert (found.habits.reminders, found.habits.payment) == ("email", "self")
    assert [one.slug for one in found.had] == ["follow-up"]
    assert [one[0] for one in found.upcoming] == [rows(Appointment)[0]["reference"]]


def test_what_was_cancelled_is_no_visit_that_they_had(who: Who) -> None:
    reference = rosa()
    statuses.cancel(who, rows(Appointment)[0]["reference"], key="cancel-01")
    assert new_visit.known(who, reference).had == ()


def test_times_within_the_notice_are_shown_first_and_marked(who: Who, standing_clock: StandingClock) -> None:
    standing_clock.at(MONDAY + timedelta(hours=1, minutes=2))
    found = openings.next_times("follow-up", None)
    soon = [one.starts_at - MONDAY for one in found if one.soon]
    assert soon == [
        timedelta(hours=1, minutes=5),
        *(timedelta(hours=1, minutes=35 + 30 * n) for n in range(3)),
    ]
    assert [one.soon for one in found] == [True] * 4 + [False] * openings.TIMES_SHOWN
    assert not any(one.soon for one in openings.next_times("follow-up", None, NINE.date()))


def test_the_notice_alone_needs_no_words_of_the_desk_and_anything_else_does(who: Who) -> None:
    reference, soon = rosa(), MONDAY + timedelta(hours=1)
    book(who, wish(reference, soon, short_notice="By telephone"))
    entry = rows(HistoryEntry)[-1]
    assert (entry["why"], entry["facts"]["breaches"]) == ("By telephone", ["too_soon"])
    before_hours = MONDAY + timedelta(minutes=30)
    with pytest.raises(NeedsReason) as refused:
        book(who, wish(reference, before_hours, short_notice="By telephone"), "key-2")
    assert set(refused.value.facts["breaches"]) == {"too_soon", "outside_hours"}
    book(
        who, wish(reference, soon + timedelta(hours=1, minutes=-30), reason="Pain", short_notice="x"), "key-3"
    )
    assert rows(HistoryEntry)[-1]["why"] == "Pain"


def test_who_walks_in_is_booked_and_here_in_one_and_not_written_to(
    who: Who, standing_clock: StandingClock
) -> None:
    reference, now = rosa(), MONDAY + timedelta(hours=2, minutes=5)
    standing_clock.at(now + timedelta(minutes=3))
    visit = book(who, wish(reference, now, short_notice="Walk-in", here=True))
    assert (visit["status"], visit["arrived_at"], visit["version"]) == ("arrived", clock.now(), 1)
    entry = rows(HistoryEntry)[-1]
    assert (entry["what"], entry["facts"]["state"]["status"]) == ("booked", "arrived")
    assert [one for one in rows(Message) if one["appointment_id"] == visit["id"]] == []


def test_who_walks_in_out_of_hours_takes_a_reason(who: Who, standing_clock: StandingClock) -> None:
    reference, now = rosa(), MONDAY - timedelta(hours=4)
    standing_clock.at(now)
    ana: dict[str, Any] = {"practitioner": "ana", "short_notice": "Walk-in", "here": True}
    with pytest.raises(NeedsReason) as refused:
        book(who, wish(reference, now, **ana))
    assert "outside_hours" in refused.value.facts["breaches"]
    book(who, wish(reference, now, **ana, reason="Great pain"), "key-2")
    assert rows(HistoryEntry)[-1]["why"] == "Great pain"


def test_who_walks_in_is_sent_to_nobody_who_is_not_in(context: Flask, standing_clock: StandingClock) -> None:
    """Ben isn't in on Mondays, and Ana's day ends at noon: she is asked for a short while after, before anyone else."""
    set_up(
        clinic(
            visit_types=[visit_type()],
            practitioners=[
                practitioner("ben", hours={"tuesday": ["9:00-17:00"]}),
                practitioner("ana", hours={"monday": ["9:00-12:00"]}),
                practitioner("zoe", hours={"monday": ["9:00-11:30"]}),
            ],
        )
    )
    who, noon = hired(), MONDAY + timedelta(hours=4)

    def seen(minutes: int, practitioner: str | None = None) -> Any:
        standing_clock.at(noon + timedelta(minutes=minutes))
        found = openings.walk_in("follow-up", practitioner)
        return found and (found.practitioner.slug, found.breaches, found.hours)

    ana = (noon - timedelta(hours=3), noon)
    assert seen(-60) == ("ana", (), ana)
    assert seen(-10) == ("ana", ("outside_hours",), ana)
    assert seen(30) == ("ana", ("outside_hours",), ana)
    assert seen(60) is None and seen(-300) is None
    # Whoever is named is asked for knowingly.
    assert seen(-60, "ben") == ("ben", ("outside_hours",), None)
    standing_clock.at(noon + timedelta(hours=1))
    with pytest.raises(NotOffered):
        book(who, wish(NOBODY, noon + timedelta(hours=1), here=True, reason="Great pain"))
    standing_clock.at(noon + timedelta(minutes=30))
    visit = book(who, wish(NOBODY, noon + timedelta(minutes=30), here=True, reason="Great pain"), "key-2")
    assert visit["practitioner_id"] == present().practitioners["ana"].id


def new(name: str) -> NewPatient:
    """Somebody who leaves no way to reach them."""
    first, last = name.split()
    return NewPatient(first, last, None, None)


NOBODY = new("Walter Inn")


def test_who_walks_in_needs_no_number_and_is_reminded_of_nothing(
    who: Who, standing_clock: StandingClock
) -> None:
    now = MONDAY + timedelta(hours=2)
    standing_clock.at(now)
    visit = book(who, wish(NOBODY, now, short_notice="Walk-in", here=True))
    assert (visit["status"], visit["email"], visit["phone"], visit["reminders"]) == (
        "arrived",
        None,
        None,
        "none",
    )
    assert rows(Message) == []
    reference = rows(Patient)[-1]["reference"]
    again = now + timedelta(days=7)
    with pytest.raises(ContactCannotBeReached):
        book(who, wish(reference, again), "key-2")
    with pytest.raises(ContactCannotBeReached):
        book(who, wish(reference, now, reminders=Reminders.EMAIL, here=True), "key-3")
    with pytest.raises(ContactCannotBeReached):
        book(who, wish(replace(NOBODY, first_name="Willa"), again), "key-4")
    undo(who, rows(HistoryEntry)[-1]["id"], key="undo-0001")
    assert rows(Appointment)[-1]["status"] == "cancelled"


def test_whom_who_walks_in_would_see_is_said_before(who: Who, standing_clock: StandingClock) -> None:
    """And it is who the visit is booked with."""
    now = MONDAY + timedelta(hours=2)
    standing_clock.at(now + timedelta(minutes=3))
    for number, name in enumerate(("Otto Quist", "Ina Berg")):
        found = openings.walk_in("follow-up", None)
        assert found is not None and found.room
        visit = book(who, wish(new(name), now, here=True), f"key-{number}")
        assert visit["practitioner_id"] == found.practitioner.id
    assert openings.walk_in("follow-up", None) is None
    standing_clock.at(now - timedelta(hours=8))
    assert openings.walk_in("follow-up", "ana") is not None


def test_who_walks_in_is_never_asked_about_the_notice(who: Who, standing_clock: StandingClock) -> None:
    """At eleven in the morning about nothing; out of hours about the hours."""
    now = MONDAY + timedelta(hours=3)
    standing_clock.at(now)
    book(who, wish(NOBODY, now, here=True))
    standing_clock.at(now - timedelta(hours=8))
    with pytest.raises(NeedsReason) as refused:
        book(who, wish(new("Ina Berg"), now - timedelta(hours=8), practitioner="ana", here=True), "key-2")
    assert "too_soon" not in refused.value.facts["breaches"]


def test_nobody_is_here_a_day_before(who: Who) -> None:
    reference = rosa()
    with pytest.raises(IllegalStatus):
        book(who, wish(reference, here=True))
    assert len(rows(Appointment)) == 1


def proposed(who: Who, practitioner: str | None = None, visit_type: str = "follow-up") -> Any:
    """After Rosa's last visit, on Tuesday at nine with Ana: days and time after it, and with whom."""
    known, house = new_visit.known(who, rows(Patient)[0]["reference"]), present()
    found = openings.proposed(house, house.visit_types[visit_type], practitioner, known)
    return found and (found.starts_at - NINE, found.practitioner.slug)


WEEK, HOUR = timedelta(days=7), timedelta(hours=1)


def test_after_a_visit_the_next_is_proposed_a_week_later_with_the_same_person(who: Who) -> None:
    rosa()
    assert proposed(who) == (WEEK, "ana")
    assert proposed(who, "ben") == (WEEK, "ben")


def test_where_the_week_later_is_taken_the_first_after_a_day_of_rest_is_proposed(who: Who) -> None:
    rosa()
    booked(NINE + WEEK, practitioner="ana", first_name="Wei", email="wei@example.com")
    assert proposed(who) == (timedelta(days=2), "ana")
    # The last of several counts; nobody is proposed a time at which they are elsewhere.
    booked(NINE + WEEK - 5 * timedelta(days=1), practitioner="ben")
    assert proposed(who, "ben") == (timedelta(days=9), "ben")


def test_whom_the_last_visit_was_with_does_not_matter_where_they_do_not_give_this_one(who: Who) -> None:
    booked(practitioner="ben")
    assert proposed(who, visit_type="special") == (WEEK, "ana")


def test_without_a_visit_ahead_nothing_follows(who: Who, standing_clock: StandingClock) -> None:
    rosa()
    standing_clock.at(NINE + timedelta(days=1))
    assert proposed(who) is None


LIKELY = [
    # What they had, the latest first; with whom; what the form begins with.
    ([], None, None),
    ([], "ana", "first"),
    ([], "cleo", None),
    ([], "dev", None),
    (["follow-up"], None, "follow-up"),
    (["first"], None, "follow-up"),
    (["first"], "ana", "follow-up"),
    (["cupping", "first"], None, "cupping"),
    (["cupping"], "cleo", None),
    (["massage-90"], "cleo", "massage-90"),
    (["massage-90", "first"], "ana", "follow-up"),
    (["cupping"], "dev", "follow-up"),
    (["first"], "eve", "adjust"),
]


@pytest.mark.parametrize(("had", "practitioner_", "likely"), LIKELY)
def test_the_form_begins_with_the_visit_that_is_likely_and_guesses_none(
    context: Flask,
    standing_clock: StandingClock,
    had: list[str],
    practitioner_: str | None,
    likely: str | None,
) -> None:
    set_up(
        clinic(
            modalities=[{"id": one, "name": one.title()} for one in ("needling", "massage", "bones")],
            visit_types=[
                visit_type("first", kind="first", modality="needling"),
                visit_type("follow-up", kind="returning", modality="needling"),
                visit_type("cupping", modality="needling"),
                visit_type("massage-60", modality="massage"),
                visit_type("massage-90", modality="massage"),
                visit_type("adjust", modality="bones"),
            ],
            practitioners=[
                practitioner("ana", offers=["first", "follow-up", "cupping"]),
                practitioner("cleo", offers=["massage-60", "massage-90"]),
                practitioner("dev", offers=["follow-up"]),
                practitioner("eve", offers=["adjust"]),
            ],
        )
    )
    known = present()
    found = new_visit.likely_type(known, [known.visit_types[slug] for slug in had], practitioner_)
    assert (found.slug if found else None) == likely
