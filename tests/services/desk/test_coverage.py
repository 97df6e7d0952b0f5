"""A patient's coverage: recorded by staff, counted from their visits as they stand, and listed where it runs low."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from flask import Flask

from booking import clock
from booking.errors import NeedsReason, NotFound, StaleRecord
from booking.models import Appointment, AuditEntry, Coverage, HistoryEntry, Patient, PatientChange, Role
from booking.scheduling.allowances.counting import Standing
from booking.scheduling.allowances.terms import Beyond, Kind, Span, Terms, Window
from booking.services import visits
from booking.services.allowances import Allowances, Planned, allowances_of
from booking.services.clinic import the_clinic
from booking.services.desk import coverage, new_visit, records, statuses
from booking.services.desk.moving import Place, change, preview
from booking.services.desk.panel import panel
from booking.services.desk.running_low import running_low, see_to
from booking.services.rescheduling import reschedule
from booking.services.staff.who import Who
from booking.services.transaction import reading
from tests.clinics import clinic, practitioner, set_up
from tests.conftest import StandingClock
from tests.services.making import NEXT_WEEK, NINE, booked, rows
from tests.staffing import hired

TERMS = Terms(Kind.INSURANCE, ("care",), 3, Window(Span.CALENDAR_YEAR))


@pytest.fixture(autouse=True)
def clinic_is_set_up(context: Flask, standing_clock: Any) -> None:
    set_up(clinic(practitioners=[practitioner("ana"), practitioner("ben")]))


@pytest.fixture
def desk() -> Who:
    return hired()


@pytest.fixture
def rosa() -> str:
    booked(practitioner="ana")
    return str(rows(Patient)[0]["reference"])


def added(who: Who, reference: str, terms: Terms = TERMS, name: str = "Blue Shield", key: str = "") -> int:
    return coverage.record(who, reference, name, terms, key=key or f"add {name}")


def counted(*planned: Planned, without: tuple[str, ...] = ()) -> Allowances:
    with reading() as session:
        return allowances_of(
            session, the_clinic(session), rows(Patient)[0]["id"], clock.now(), planned, without
        )


def test_where_the_payer_is_to_be_asked_first_the_desk_says_why_it_books_or_moves(
    desk: Who, rosa: str
) -> None:
    added(desk, rosa, replace(TERMS, limit=1, beyond=Beyond.ASK, ends=NEXT_WEEK.date()))
    wish = new_visit.DeskWish(rosa, "follow-up", "ana", NINE + timedelta(days=1))
    for again in range(2):
        with pytest.raises(NeedsReason) as refused:
            new_visit.book(desk, wish, key=f"unasked-{again}")
        assert refused.value.facts["breaches"] == ["beyond_coverage"]
    made = new_visit.book(desk, replace(wish, reason="They agreed on the phone"), key="asked-01")
    (entry,) = [row for row in rows(HistoryEntry) if row["what"] == "booked" and row["why"]]
    assert (entry["why"], entry["facts"]["breaches"]) == ("They agreed on the phone", ["beyond_coverage"])
    # It is beyond where it stands already, and may go elsewhere.
    change(desk, made.reference, Place(NINE + timedelta(days=2)), version=None, key="move-001")


def test_a_visit_that_is_moved_beyond_what_asks_first_takes_a_reason(desk: Who, rosa: str) -> None:
    added(desk, rosa, replace(TERMS, beyond=Beyond.ASK, ends=NEXT_WEEK.date()))
    (visit,) = rows(Appointment)
    beyond = Place(NEXT_WEEK + timedelta(days=7))
    assert preview(desk, visit["reference"], beyond).breaches == ("beyond_coverage",)
    with pytest.raises(NeedsReason):
        change(desk, visit["reference"], beyond, version=None, key="move-001")
    change(desk, visit["reference"], beyond, version=None, reason="She pays herself", key="move-002")
    assert rows(HistoryEntry)[-1]["facts"]["breaches"] == ["beyond_coverage"]


def days(number: int) -> list[Any]:
    return [booked(NINE + timedelta(days=1 + 7 * week), practitioner="ana") for week in range(number)]


def test_what_is_recorded_counts_every_visit_however_it_was_booked(desk: Who, rosa: str) -> None:
    added(desk, rosa)
    (line,) = coverage.recorded(desk, rosa).lines
    bound = line.left and line.left.tightest
    assert bound and (bound.used, bound.booked, bound.left, bound.last) == (0, 1, 2, date(2026, 12, 31))
    booked(NEXT_WEEK, practitioner="ben")
    (line,) = coverage.recorded(desk, rosa).lines
    assert line.left and line.left.tightest and line.left.tightest.left == 1


def test_a_visit_counts_as_it_stands_now(desk: Who, rosa: str, standing_clock: StandingClock) -> None:
    added(desk, rosa)
    visit = booked(NEXT_WEEK, practitioner="ana")

    def left() -> Any:
        bound = coverage.recorded(desk, rosa).lines[0].left.tightest  # type: ignore[union-attr]
        return bound.used, bound.booked, bound.left  # type: ignore[union-attr]

    assert left() == (0, 2, 1)
    reschedule(visit.reference, visit.token, NEXT_WEEK + timedelta(days=1), None, actor="t", key="move")
    assert left() == (0, 2, 1)
    visits.cancel(visit.reference, visit.token, "", actor="t", key="cancel")
    assert left() == (0, 1, 2)
    standing_clock.at(NINE + timedelta(minutes=20))
    first = rows_of_visits()[0]
    statuses.no_show(desk, first, version=None, key="no show")
    assert left() == (0, 0, 3)


def rows_of_visits() -> list[str]:
    return [row["reference"] for row in rows(Appointment)]


def test_visits_about_to_be_booked_are_marked_and_push_others_out(desk: Who, rosa: str) -> None:
    added(desk, rosa, replace(TERMS, limit=2, beyond=Beyond.ASK))
    last = booked(NEXT_WEEK, practitioner="ana")
    before, after = NINE + timedelta(days=1), NEXT_WEEK + timedelta(days=1)
    found = counted(Planned(after, "care"), Planned(before, "care"), Planned(after, "other"))
    assert [mark.standing for mark in found.these] == [Standing.ABOVE, Standing.DRAWS, Standing.UNRECORDED]
    assert found.pushed == (last.reference,) and found.stops
    # The visit that gives way leaves its place to the one that comes instead.
    assert not counted(Planned(after, "care"), without=(last.reference,)).these[0].beyond
    # Nothing was kept by asking.
    assert not counted().ahead_beyond()


def test_the_panel_says_what_is_left_where_something_is_recorded(desk: Who, rosa: str) -> None:
    (reference,) = rows_of_visits()
    assert panel(desk, reference).allowance is None
    added(desk, rosa)
    found = panel(desk, reference).allowance
    assert found and found.mark.number == 1 and found.left.tightest and found.left.tightest.left == 2


def test_each_change_stands_in_the_history_and_the_audit(desk: Who, rosa: str) -> None:
    first, second = added(desk, rosa), added(desk, rosa, name="Package")
    assert added(desk, rosa) == first, "The same form twice adds one."
    shown = coverage.recorded(desk, rosa).line(first).shown
    coverage.change(
        desk, rosa, first, "Blue Shield Gold", replace(TERMS, limit=5), shown=shown, key="change it"
    )
    coverage.draw_earlier(desk, rosa, second, key="up one")
    assert [one.pool.id for one in coverage.recorded(desk, rosa).lines] == [second, first]
    coverage.end(desk, rosa, second, key="end it all")
    coverage.reopen(desk, rosa, second, key="after all")
    whats = ["added", "added", "changed", "moved", "ended", "reopened"]
    assert [one["what"] for one in rows(PatientChange)] == [f"coverage_{what}" for what in whats]
    assert [one["what"] for one in rows(AuditEntry) if one["kind"] == "write"] == [
        f"coverage_{what}" for what in whats
    ]
    before, after = rows(PatientChange)[2]["facts"]["changes"]["coverage"]
    assert (before["limit"], after["limit"], after["name"]) == (3, 5, "Blue Shield Gold")


def test_a_change_of_what_somebody_else_changed_is_refused(
    desk: Who, rosa: str, standing_clock: StandingClock
) -> None:
    number = added(desk, rosa)
    shown = coverage.recorded(desk, rosa).line(number).shown
    standing_clock.at(clock.now() + timedelta(minutes=1))
    theo = hired(name="Theo")
    coverage.change(theo, rosa, number, "Gold", TERMS, shown=shown, key="theo's form")
    with pytest.raises(StaleRecord) as refused:
        coverage.change(desk, rosa, number, "Silver", TERMS, shown=shown, key="dana's form")
    assert refused.value.facts["by"] == "Theo"
    assert rows(Coverage)[0]["name"] == "Gold"


def test_the_record_can_be_edited_after_its_coverage_was_changed(desk: Who, rosa: str) -> None:
    values, version, _ahead = records.to_edit(desk, rosa)
    records.edit(
        desk,
        rosa,
        replace(values, preferences="Mornings"),
        version=version,
        visits_too=False,
        key="first edit",
    )
    added(desk, rosa)
    later = replace(values, preferences="Mornings", desk_note="Rings twice")
    records.edit(desk, rosa, later, version=version + 1, visits_too=False, key="second edit")
    with pytest.raises(StaleRecord) as refused:
        records.edit(desk, rosa, values, version=version, visits_too=False, key="third edit")
    assert refused.value.facts["changes"] == {
        "preferences": ["", "Mornings"],
        "desk_note": ["", "Rings twice"],
    }


def test_what_has_ended_counts_for_visits_before(desk: Who, rosa: str, standing_clock: StandingClock) -> None:
    number = added(desk, rosa)
    standing_clock.at(NINE + timedelta(days=1))
    coverage.end(desk, rosa, number, key="end it all")
    new = added(desk, rosa, name="Another")
    found = coverage.recorded(desk, rosa)
    assert [one.pool.id for one in found.lines] == [new] and [one.pool.id for one in found.ended] == [number]
    assert found.lines[0].left and found.lines[0].left.tightest and found.lines[0].left.tightest.left == 3
    # Recorded by mistake, it has never counted.
    coverage.reopen(desk, rosa, number, key="after all")
    coverage.end(desk, rosa, number, mistake=True, key="a mistake")
    left = coverage.recorded(desk, rosa).lines[0].left
    assert left and left.tightest and left.tightest.left == 2


def test_a_practitioner_records_for_their_own_patients_and_who_improves(desk: Who, rosa: str) -> None:
    ana = hired(Role.PRACTITIONER, practitioner="ana", name="Ana")
    ben = hired(Role.PRACTITIONER, practitioner="ben", name="Ben")
    number = added(ana, rosa, replace(TERMS, limit=0, more=8))
    with pytest.raises(NotFound):
        coverage.recorded(ben, rosa)
    with pytest.raises(NotFound):
        coverage.improving(ben, rosa, number, key="not mine")
    with pytest.raises(NotFound):
        coverage.improving(desk, rosa, number, key="no practitioner")
    assert len(coverage.recorded(ana, rosa).beyond) == 1
    coverage.improving(ana, rosa, number, key="improves")
    coverage.improving(ana, rosa, number, key="improves, again")
    assert Terms.of(rows(Coverage)[0]["terms"]).improving == (date(2026, 9, 14),)
    assert not coverage.recorded(ana, rosa).beyond
    # The form of its terms leaves it as it is.
    shown = coverage.recorded(ana, rosa).line(number).shown
    coverage.change(ana, rosa, number, "Gold", replace(TERMS, limit=0, more=7), shown=shown, key="the terms")
    assert Terms.of(rows(Coverage)[0]["terms"]).improving
    coverage.improving(ana, rosa, number, improves=False, key="taken back")
    assert len(coverage.recorded(ana, rosa).beyond) == 1


def test_another_patients_pool_is_not_there(desk: Who, rosa: str) -> None:
    number = added(desk, rosa)
    booked(NEXT_WEEK, practitioner="ben", first_name="Sam", email="sam@example.com")
    sam = str(rows(Patient)[1]["reference"])
    for act in (coverage.end, coverage.reopen, coverage.draw_earlier):
        with pytest.raises(NotFound):
            act(desk, sam, number, key="somebody else's")
    with pytest.raises(NotFound):
        coverage.change(desk, sam, number, "x", TERMS, shown="", key="somebody else's too")


def test_what_runs_low_is_on_the_desks_list_until_it_is_seen_to(desk: Who, rosa: str) -> None:
    number = added(desk, rosa, replace(TERMS, limit=4))
    (low,) = running_low(desk)
    assert (low.coverage, low.patient, low.low and low.low.left, low.beyond) == (number, rosa, 3, ())
    assert running_low(hired(Role.PRACTITIONER, practitioner="ana")) == ()
    see_to(desk, rosa, number, low.seen, key="seen to it")
    assert running_low(desk) == ()
    # It comes back when nothing is left, and when visits are booked beyond.
    days(3)
    (low,) = running_low(desk)
    assert low.low and low.low.left == 0
    see_to(desk, rosa, number, low.seen, key="seen to that")
    beyond = booked(NEXT_WEEK + timedelta(days=22), practitioner="ana")
    (low,) = running_low(desk)
    assert [one.reference for one in low.beyond] == [beyond.reference]
    assert low.due_on == date(2026, 10, 12)


def test_an_end_that_is_near_is_on_the_list_and_whoever_stays_away_isnt(
    desk: Who, rosa: str, standing_clock: StandingClock
) -> None:
    ends = date(2026, 9, 28)
    added(desk, rosa, replace(TERMS, limit=99, ends=ends))
    (low,) = running_low(desk)
    assert low.low and low.low.ends == ends
    coverage.change(
        desk, rosa, low.coverage, "Gold", TERMS, shown=coverage.recorded(desk, rosa).line(low.coverage).shown, key="new terms"
    )  # fmt: skip
    assert len(running_low(desk)) == 1
    standing_clock.at(NINE + timedelta(days=40))
    assert running_low(desk) == ()
