"""What a patient does by their link: moving, cancelling, confirming, correcting."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from booking import clock
from booking.errors import (
    ContactCannotBeReached,
    KeyReused,
    NotChangeable,
    NotFound,
    SlotTaken,
    StaleEdit,
    TooLateToChange,
    TooSoon,
)
from booking.formatting import iso_utc
from booking.models import (
    Absence,
    AbsenceKind,
    Appointment,
    BookableBy,
    Claim,
    HistoryEntry,
    Message,
    Practitioner,
    Reminders,
)
from booking.scheduling.timeline import cell_at
from booking.services import absences, links, reconciling, visits
from booking.services.booking import Booked
from booking.services.desk import moving
from booking.services.desk.asking import Place
from booking.services.rescheduling import reschedule
from booking.services.search import free_times
from booking.services.transaction import transaction
from tests.clinics import clinic, needled, practitioner, rooms, set_up
from tests.services.making import NEXT_WEEK, NINE, booked, rows
from tests.staffing import hired

pytestmark = pytest.mark.usefixtures("standing_clock", "context")


def moved(
    visit: Booked, starts_at: datetime, practitioner: str | None = None, key: str = "m", **how: Any
) -> None:
    reschedule(visit.reference, visit.token, starts_at, practitioner, actor="test", key=key, **how)


def queued() -> set[tuple[str, int]]:
    return {(row["kind"], row["sequence"]) for row in rows(Message) if row["state"] == "queued"}


def test_a_visit_moves_and_its_old_time_is_free() -> None:
    set_up(clinic(rooms=rooms(1)))
    visit = booked(NEXT_WEEK)
    moved(visit, NEXT_WEEK + timedelta(hours=2))
    (row,) = rows(Appointment)
    assert row["from_cell"] == cell_at(NEXT_WEEK + timedelta(hours=2))
    assert (row["sequence"], row["version"]) == (1, 2)
    booked(NEXT_WEEK, first_name="Omar", email="omar@example.com")


def test_a_visit_that_staff_made_longer_keeps_its_length_and_is_offered_only_where_that_fits() -> None:
    set_up(clinic(rooms=rooms(1)))
    visit = booked(NEXT_WEEK)
    moving.change(hired(), visit.reference, Place(phase_minutes=(60,)), version=1, key="longer-1")
    booked(NEXT_WEEK + timedelta(hours=2), first_name="Omar", email="omar@example.com")
    shown = visits.visit(visit.reference, visit.token)
    day = shown.starts_at.date()
    free = {one.starts_at for one in free_times("follow-up", None, day, 1, moved=shown.moved).each()}
    assert NEXT_WEEK + timedelta(hours=1) in free and NEXT_WEEK + timedelta(hours=1.5) not in free
    with pytest.raises(SlotTaken) as refused:
        moved(visit, NEXT_WEEK + timedelta(hours=1.5))
    assert {one["starts_at"] for one in refused.value.facts["alternatives"]} <= {iso_utc(one) for one in free}
    moved(visit, NEXT_WEEK + timedelta(hours=1), key="again")
    row = next(row for row in rows(Appointment) if row["reference"] == visit.reference)
    assert (row["to_cell"] - row["from_cell"], row["phase_minutes"]) == (12, [60])


def test_the_link_of_a_visit_does_not_show_when_its_patient_has_others() -> None:
    set_up(clinic(rooms=rooms(2), practitioners=[practitioner("ana"), practitioner("ben")]))
    visit = booked(NEXT_WEEK, practitioner="ana")
    other = NEXT_WEEK + timedelta(hours=1)

    def free() -> set[datetime]:
        link = visits.visit(visit.reference, visit.token)
        found = free_times(
            "follow-up", "ana", NEXT_WEEK.date(), 1, audience=BookableBy.LINK, moved=link.moved
        )
        return {one.starts_at for one in found.each()}

    before = free()
    booked(other, practitioner="ben")
    assert other in before and free() == before
    with pytest.raises(SlotTaken):
        moved(visit, other, "ana")


def test_a_visit_moves_by_a_quarter_of_an_hour_over_its_own_old_time() -> None:
    set_up(clinic(rooms=rooms(1)))
    visit = booked(NEXT_WEEK)
    moved(visit, NEXT_WEEK + timedelta(minutes=15))
    assert {claim["from_cell"] for claim in rows(Claim)} == {cell_at(NEXT_WEEK) + 3}


def test_a_refused_move_leaves_the_visit_where_it_was() -> None:
    set_up(clinic(rooms=rooms(1)))
    visit = booked(NEXT_WEEK)
    booked(NEXT_WEEK + timedelta(hours=1), first_name="Omar", email="omar@example.com")
    before = rows(Claim), rows(Message), rows(HistoryEntry)
    with pytest.raises(SlotTaken) as refused:
        moved(visit, NEXT_WEEK + timedelta(hours=1))
    assert len(refused.value.facts["alternatives"]) == 3
    assert (rows(Claim), rows(Message), rows(HistoryEntry)) == before


def test_a_move_tells_of_the_new_time_and_reminds_of_nothing_else() -> None:
    set_up()
    visit = booked(NEXT_WEEK)
    assert queued() == {("confirmation", 0), ("reminder-3d", 0), ("reminder-1d", 0)}
    moved(visit, NEXT_WEEK + timedelta(days=1))
    assert queued() == {("change", 1), ("reminder-3d", 1), ("reminder-1d", 1)}


def test_the_same_time_again_is_a_quiet_success_that_tells_nobody() -> None:
    set_up()
    visit = booked(NEXT_WEEK)
    moved(visit, NEXT_WEEK, "ana")
    moved(visit, NEXT_WEEK, None, key="other")
    assert rows(Appointment)[0]["sequence"] == 0
    assert queued() == {("confirmation", 0), ("reminder-3d", 0), ("reminder-1d", 0)}


def test_a_stale_move_is_refused() -> None:
    set_up()
    visit = booked(NEXT_WEEK)
    moved(visit, NEXT_WEEK + timedelta(hours=1), version=1)
    with pytest.raises(StaleEdit) as refused:
        moved(visit, NEXT_WEEK + timedelta(hours=2), key="late", version=1)
    ana = {"practitioner": "ana", "status": "booked"}
    assert refused.value.facts == {
        "shown": {"starts_at": "2026-09-21T16:00:00Z"} | ana,
        "now": {"starts_at": "2026-09-21T17:00:00Z"} | ana,
    }


def test_a_move_keeps_the_patient_out_of_two_places() -> None:
    set_up(clinic(practitioners=[practitioner("ana"), practitioner("ben")]))
    visit = booked(NEXT_WEEK, practitioner="ana")
    booked(NEXT_WEEK + timedelta(hours=2), practitioner="ana")
    with pytest.raises(SlotTaken):
        moved(visit, NEXT_WEEK + timedelta(hours=2), "ben")


def test_the_cut_off_itself_is_in_time(standing_clock: Any) -> None:
    set_up()
    visit = booked(NEXT_WEEK)
    standing_clock.at(NEXT_WEEK - timedelta(hours=24))
    moved(visit, NEXT_WEEK + timedelta(hours=1))
    standing_clock.at(NEXT_WEEK + timedelta(hours=1) - timedelta(hours=24) + timedelta(seconds=1))
    with pytest.raises(TooLateToChange) as refused:
        moved(visit, NEXT_WEEK + timedelta(days=1), key="late")
    assert refused.value.facts["phone"] == "+18185550100"
    with pytest.raises(TooLateToChange):
        visits.cancel(visit.reference, visit.token, "", actor="test", key="c")


def test_a_move_into_the_notice_is_too_soon(standing_clock: Any) -> None:
    set_up()
    visit = booked(NEXT_WEEK)
    standing_clock.at(NINE - timedelta(hours=1))
    with pytest.raises(TooSoon):
        moved(visit, NINE)


def test_cancelling_frees_the_time_and_says_so() -> None:
    set_up(clinic(rooms=rooms(1)))
    visit = booked(NEXT_WEEK)
    for key in ("once", "twice"):
        visits.cancel(visit.reference, visit.token, "Feeling better", actor="test", key=key)
    (row,) = rows(Appointment)
    assert (row["status"], row["cancel_reason"], row["sequence"]) == ("cancelled", "Feeling better", 1)
    assert rows(Claim) == []
    assert queued() == {("cancellation", 1)}
    assert [entry["what"] for entry in rows(HistoryEntry)] == ["booked", "cancelled"]
    booked(NEXT_WEEK, first_name="Omar", email="omar@example.com")


def test_confirming_is_kept_and_twice_is_once() -> None:
    set_up()
    visit = booked(NEXT_WEEK)
    for key in ("once", "twice"):
        visits.confirm(visit.reference, visit.token, actor="test", key=key)
    shown = visits.visit(visit.reference, visit.token)
    assert shown.confirmed_at == clock.now()
    assert shown.sequence == 0
    assert [entry["what"] for entry in rows(HistoryEntry)] == ["booked", "confirmed"]


def test_a_move_asks_for_a_new_confirmation() -> None:
    set_up()
    visit = booked(NEXT_WEEK)
    visits.confirm(visit.reference, visit.token, actor="test", key="c")
    moved(visit, NEXT_WEEK + timedelta(hours=1))
    assert visits.visit(visit.reference, visit.token).confirmed_at is None


def test_cannot_come_tells_the_clinic_and_the_visit_stands(standing_clock: Any) -> None:
    set_up()
    visit = booked(NEXT_WEEK)
    standing_clock.at(NEXT_WEEK - timedelta(hours=3))
    for key in ("once", "twice"):
        visits.cannot_come(visit.reference, visit.token, actor="test", key=key)
    assert rows(Appointment)[0]["status"] == "booked"
    (told,) = [row for row in rows(Message) if row["kind"] == "cannot-come"]
    assert told["address"] == "desk@clinic.example"


def test_what_is_over_can_not_be_changed(standing_clock: Any) -> None:
    set_up()
    visit = booked(NEXT_WEEK)
    standing_clock.at(NEXT_WEEK)
    for change in (visits.confirm, visits.cannot_come):
        with pytest.raises(NotChangeable):
            change(visit.reference, visit.token, actor="test", key=change.__name__)


def test_a_contact_is_corrected_and_told_anew() -> None:
    set_up()
    visit = booked(NEXT_WEEK)
    token = visits.correct_contact(
        visit.reference, visit.token, "rosa@right.example", None, actor="test", key="c"
    )
    live = [row for row in rows(Message) if row["state"] == "queued"]
    assert {row["address"] for row in live} == {"rosa@right.example"}
    assert {row["kind"] for row in live} == {"confirmation", "reminder-3d", "reminder-1d"}
    with pytest.raises(ContactCannotBeReached):
        visits.correct_contact(visit.reference, token, None, "+18185550123", actor="test", key="d")


def test_whoever_was_written_to_by_mistake_has_a_link_that_opens_nothing() -> None:
    set_up()
    visit = booked(NEXT_WEEK)
    token = visits.correct_contact(
        visit.reference, visit.token, "rosa@right.example", None, actor="test", key="c"
    )
    with pytest.raises(NotFound):
        visits.visit(visit.reference, visit.token)
    assert visits.visit(visit.reference, token).email == "rosa@right.example"
    again = visits.correct_contact(
        visit.reference, visit.token, "rosa@right.example", None, actor="test", key="c"
    )
    assert again == token


def test_a_stale_change_of_a_contact_is_refused() -> None:
    set_up()
    visit = booked(NEXT_WEEK)
    who = (visit.reference, visit.token)
    token = visits.correct_contact(*who, "rosa@right.example", None, actor="t", key="c", version=1)
    with pytest.raises(StaleEdit):
        visits.correct_contact(
            visit.reference, token, "rosa@stale.example", None, actor="t", key="d", version=1
        )


def test_corrected_reminders_are_left_alone_by_the_net_under_the_outbox() -> None:
    set_up()
    visit = booked(NEXT_WEEK)
    visits.correct_contact(visit.reference, visit.token, "rosa@right.example", None, actor="t", key="c")
    before = rows(Message)
    assert not reconciling.anything_wrong()
    with transaction() as session:
        assert reconciling.write_missing(session) == 0
    assert rows(Message) == before


def test_a_patient_may_change_their_mind_and_the_clinic_hears_it_each_time(standing_clock: Any) -> None:
    set_up()
    visit = booked(NEXT_WEEK)
    standing_clock.at(NEXT_WEEK - timedelta(hours=3))
    who = (visit.reference, visit.token)
    visits.cannot_come(*who, actor="t", key="1")
    visits.confirm(*who, actor="t", key="2")
    visits.cannot_come(*who, actor="t", key="3")
    told = [(row["kind"], row["address"]) for row in rows(Message) if row["address"].startswith("desk")]
    assert told == [
        ("cannot-come", "desk@clinic.example"),
        ("comes-after-all", "desk@clinic.example"),
        ("cannot-come", "desk@clinic.example"),
    ]


@pytest.mark.parametrize(
    "change",
    [
        lambda reference, token: visits.visit(reference, token),
        lambda reference, token: visits.confirm(reference, token, actor="t", key=f"{reference}{token}"),
        lambda reference, token: visits.cancel(reference, token, "", actor="t", key=f"{reference}{token}"),
        lambda reference, token: visits.cannot_come(reference, token, actor="t", key=f"{reference}{token}"),
        lambda reference, token: visits.correct_contact(
            reference, token, "a@example.com", None, actor="t", key=f"{reference}{token}"
        ),
        lambda reference, token: reschedule(
            reference, token, NEXT_WEEK, None, actor="t", key=f"{reference}{token}"
        ),
    ],
)
def test_a_wrong_or_foreign_link_opens_nothing(change: Any) -> None:
    set_up()
    mine, other = booked(NEXT_WEEK), booked(NINE, first_name="Omar", email="omar@example.com")
    for reference, token in (
        (mine.reference, other.token),
        (mine.reference, mine.token[:-1]),
        (mine.reference, ""),
        (mine.reference, links.token(mine.reference, 2)),
        ("NOSUCHVISIT", mine.token),
    ):
        with pytest.raises(NotFound):
            change(reference, token)


def test_a_link_ends_thirty_days_after_the_visit(standing_clock: Any) -> None:
    set_up()
    visit = booked(NINE)
    standing_clock.at(NINE + timedelta(days=30))
    assert visits.visit(visit.reference, visit.token).reference == visit.reference
    standing_clock.at(NINE + timedelta(days=30, minutes=31))
    with pytest.raises(NotFound):
        visits.visit(visit.reference, visit.token)


def test_the_same_key_for_another_change_is_refused() -> None:
    set_up()
    visit = booked(NEXT_WEEK)
    moved(visit, NEXT_WEEK + timedelta(hours=1), key="same")
    moved(visit, NEXT_WEEK + timedelta(hours=1), key="same")
    with pytest.raises(KeyReused):
        moved(visit, NEXT_WEEK + timedelta(hours=2), key="same")
    assert rows(Appointment)[0]["sequence"] == 1


def away(slug: str, first: datetime, last: datetime, kind: AbsenceKind = AbsenceKind.TIME_OFF) -> None:
    with transaction() as session:
        who = (
            session.query(Practitioner).filter_by(slug=slug).one().id
            if kind is AbsenceKind.TIME_OFF
            else None
        )
        absences.enter(session, kind, who, cell_at(first), cell_at(last))


def claimed_by_absences() -> set[tuple[int, int]]:
    return {(row["from_cell"], row["to_cell"]) for row in rows(Claim) if row["absence_id"]}


def test_somebody_may_fall_ill_on_a_booked_day() -> None:
    set_up()
    visit = booked(NEXT_WEEK + timedelta(hours=1))
    away("ana", NEXT_WEEK, NEXT_WEEK + timedelta(hours=3))
    start = cell_at(NEXT_WEEK)
    assert claimed_by_absences() == {(start, start + 12), (start + 18, start + 36)}
    assert visits.visit(visit.reference, visit.token).starts_at == NEXT_WEEK + timedelta(hours=1)
    # When the visit goes, its cells belong to the time off in the same transaction.
    moved(visit, NEXT_WEEK + timedelta(days=1))
    assert claimed_by_absences() == {(start, start + 12), (start + 12, start + 18), (start + 18, start + 36)}
    assert not list(free_times("follow-up", "ana", NEXT_WEEK.date(), 1).each())[:1] or all(
        free.starts_at >= NEXT_WEEK + timedelta(hours=3)
        for free in free_times("follow-up", "ana", NEXT_WEEK.date(), 1).each()
    )


def test_a_visit_within_time_off_can_not_move_within_it() -> None:
    set_up()
    visit = booked(NEXT_WEEK + timedelta(hours=1))
    away("ana", NEXT_WEEK, NEXT_WEEK + timedelta(hours=3))
    with pytest.raises(SlotTaken):
        moved(visit, NEXT_WEEK + timedelta(hours=1, minutes=15))


def test_a_closure_holds_for_everybody() -> None:
    set_up(clinic(practitioners=[practitioner("ana"), practitioner("ben")]))
    away("", NEXT_WEEK, NEXT_WEEK + timedelta(hours=8), AbsenceKind.CLOSURE)
    found = free_times("follow-up", None, NEXT_WEEK.date(), 1)
    assert list(found.each()) == []
    assert found.reason and found.reason.why == "closed"
    assert found.first_free and found.first_free.same
    with pytest.raises(SlotTaken):
        booked(NEXT_WEEK)


def test_an_absence_that_is_taken_back_frees_its_time() -> None:
    set_up()
    away("ana", NEXT_WEEK, NEXT_WEEK + timedelta(hours=8))
    with transaction() as session:
        absences.take_back(session, session.query(Absence).one())
    assert claimed_by_absences() == set()
    booked(NEXT_WEEK)


def test_no_absence_falls_into_a_rest() -> None:
    set_up(clinic(visit_types=[needled()], practitioners=[practitioner(offers=["needles"])]))
    away("ana", NEXT_WEEK + timedelta(minutes=20), NEXT_WEEK + timedelta(minutes=25))
    with pytest.raises(SlotTaken):
        booked(NEXT_WEEK, visit_type="needles")


def test_reminders_by_call_have_a_number() -> None:
    set_up()
    booked(NEXT_WEEK, phone="+18185550123", reminders=Reminders.CALL)
    calls = [row for row in rows(Message) if row["channel"] == "call"]
    assert {row["address"] for row in calls} == {"+18185550123"}
