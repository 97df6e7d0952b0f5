"""One visit of a plan is moved with all later ones like it, or none is."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from booking import clock
from booking.errors import BeyondCoverage, NotFound, StaleEdit, VisitsTaken
from booking.models import (
    Actor,
    Appointment,
    BookableBy,
    Claim,
    HistoryEntry,
    Message,
    Patient,
    Payment,
    PlanEntry,
    Task,
    TaskKind,
)
from booking.scheduling.allowances.terms import Authorisation, Beyond, Kind, Span, Terms, Window
from booking.scheduling.plans.keeping import Rule
from booking.services import links, visits
from booking.services.clinic import present
from booking.services.desk import coverage, statuses
from booking.services.plans import shifting
from booking.services.plans.booking import BookedPlan
from booking.services.plans.shifting import openings, preview, shift, shift_by_link
from booking.services.plans.visits import PlanVisit
from booking.services.rescheduling import reschedule
from booking.services.search import free_times
from tests.clinics import plan_clinic, set_up
from tests.conftest import StandingClock
from tests.services.making import booked, rows
from tests.services.plans.making import at, patient, prescribed, running, seen, times_told
from tests.staffing import hired

pytestmark = pytest.mark.usefixtures("standing_clock", "context")

WEEK, HOUR = timedelta(days=7), timedelta(hours=1)
ACUPUNCTURE = "acupuncture-follow-up"


@pytest.fixture(autouse=True)
def clinic_with_plans(context: Any, standing_clock: Any) -> None:
    set_up(plan_clinic())


@pytest.fixture
def weekly() -> BookedPlan:
    return running(prescribed(patient(), "weekly"))


def second(plan: BookedPlan) -> PlanVisit:
    return seen(plan).standing[1]


def test_all_later_ones_move_by_as_much_and_one_message_tells_of_them(weekly: BookedPlan) -> None:
    visit = second(weekly)
    done = shift(hired(), weekly.reference, visit.reference, visit.starts_at + HOUR, None, key="shift-001")
    assert len(done.shifts) == 5
    after = seen(weekly).standing
    assert [one.starts_at - visit.starts_at for one in after[1:]] == [HOUR + week * WEEK for week in range(5)]
    assert after[0].starts_at == visit.starts_at - WEEK
    assert [row["what"] for row in rows(HistoryEntry)].count("moved") == 5
    (told,) = [row for row in rows(Message) if row["kind"] == "plan-change" and row["state"] == "queued"]
    assert [len(one) for one in times_told(told["facts"]).values()] == [5, 5, 0]
    waiting = [row for row in rows(Message) if row["kind"] == "reminder-1d" and row["state"] == "queued"]
    assert {row["sequence"] for row in waiting} == {0, 1} and len(waiting) == 6


def test_moved_far_ahead_the_plan_owes_an_estimate_once() -> None:
    """Whoever pays themselves is owed one for what lies three business days ahead, which the first visit didn't."""
    tomorrow = clock.now().date() + timedelta(days=1)
    made = prescribed(patient(), "weekly", first_day=tomorrow)
    plan = running(made, payment=Payment.SELF)
    first = seen(plan).standing[0]
    assert first.starts_at.date() == tomorrow and not rows(Task)
    far = first.starts_at + 2 * WEEK + HOUR
    done = shift(hired(), plan.reference, first.reference, far, None, key="shift-001")
    assert len(done.shifts) == 6
    (owed,) = rows(Task)
    moved = next(row for row in rows(Appointment) if row["reference"] == first.reference)
    assert (owed["kind"], owed["appointment_id"]) == (TaskKind.ESTIMATE, moved["id"])
    # Ten business days ahead, there are three of them for it.
    assert owed["due_on"] == tomorrow + timedelta(days=2)
    shift(hired(), plan.reference, first.reference, far + HOUR, None, key="shift-002")
    assert rows(Task) == [owed]


def test_over_their_own_old_times_they_move_too(weekly: BookedPlan) -> None:
    visit = second(weekly)
    quarter = timedelta(minutes=15)
    shift(hired(), weekly.reference, visit.reference, visit.starts_at + quarter, None, key="shift-001")
    assert second(weekly).starts_at == visit.starts_at + quarter
    for row in rows(Appointment):
        own = [claim for claim in rows(Claim) if claim["appointment_id"] == row["id"]]
        assert min(claim["from_cell"] for claim in own) == row["from_cell"]


def test_where_one_cannot_be_none_is_moved_and_it_is_named(weekly: BookedPlan) -> None:
    visit = second(weekly)
    person = visit.practitioner.slug
    for minutes in (60, 75):
        booked(
            visit.starts_at + 2 * WEEK + timedelta(minutes=minutes), visit_type=ACUPUNCTURE, practitioner=person,
            first_name=f"Bo{minutes}", email=f"bo{minutes}@example.com",
        )  # fmt: skip
    shown = preview(seen(weekly), visit.reference, visit.starts_at + HOUR, None, BookableBy.STAFF)
    assert [one.free for one in shown.shifts] == [True, True, False, True, True] and not shown.possible
    (better,) = {one.astimezone(present().zone).date() for one in shown.better[:1]}
    assert abs(better - visit.starts_at.date()) < WEEK and shown.shifts[2].why is not None
    assert preview(seen(weekly), visit.reference, shown.better[0], None, BookableBy.STAFF).possible
    before = rows(Appointment)
    with pytest.raises(VisitsTaken) as refused:
        shift(hired(), weekly.reference, visit.reference, visit.starts_at + HOUR, None, key="shift-001")
    assert len(refused.value.facts["lost"]) == 1 and rows(Appointment) == before
    done = shift(
        hired(), weekly.reference, visit.reference, visit.starts_at + HOUR, None, partly=True, key="s-2"
    )
    assert len(done.going) == 4 and done.possible
    after = [one.starts_at for one in seen(weekly).standing]
    assert after[3] == visit.starts_at + 2 * WEEK and after[4] == visit.starts_at + 3 * WEEK + HOUR


def test_what_the_plan_would_not_keep_any_more_is_said() -> None:
    plan = running(prescribed(patient(), "disc"))
    first, other = [one for one in seen(plan).standing if one.care.slug == ACUPUNCTURE][:2]
    next_to = other.starts_at - timedelta(days=1)
    shown = preview(seen(plan), first.reference, next_to, None, BookableBy.STAFF)
    assert Rule.REST_DAYS in {fault.rule for fault in shown.broken}


def test_nor_of_its_rest_from_a_visit_besides_which_is_named_as_no_better_time(weekly: BookedPlan) -> None:
    visit, zone = second(weekly), present().zone
    own = [one.starts_at.astimezone(zone).date() for one in seen(weekly).standing]
    near = own[1] + timedelta(days=2)
    whom = {"first_name": "Rosa", "last_name": "Lima", "email": "rosa@example.com", "phone": "+18185550123"}
    booked(at(own[3] + timedelta(days=3), 14), visit_type=ACUPUNCTURE, **whom)

    shown = preview(seen(weekly), visit.reference, at(near, 9), None, BookableBy.STAFF)
    assert [(one.rule, one.week) for one in shown.broken] == [(Rule.REST_DAYS, 3)]
    for audience in (BookableBy.STAFF, BookableBy.LINK):
        best = openings(seen(weekly), visit.reference, audience).best
        days = {one.astimezone(zone).date() for one in best}
        assert days and not days & {near, near + timedelta(days=1), near + timedelta(days=2)}
        # Where one is taken, too.
        busy = preview(seen(weekly), visit.reference, at(near, 3), None, audience)
        assert busy.better and not {one.astimezone(zone).date() for one in busy.better} & {near}


def test_a_visit_of_another_plan_is_not_found(weekly: BookedPlan) -> None:
    with pytest.raises(NotFound):
        shift(hired(), weekly.reference, "NONE", second(weekly).starts_at, None, key="shift-001")


# By the patient


def by_patient(plan: BookedPlan, visit: PlanVisit, **how: Any) -> None:
    asked = {"actor": "link", "key": "shift-by-link"} | how
    shift_by_link(plan.reference, plan.token, visit.reference, visit.starts_at + HOUR, **asked)


def test_a_patient_moves_them_in_one_message_and_stands_in_the_history(weekly: BookedPlan) -> None:
    visit, version = second(weekly), seen(weekly).version
    for _again in range(2):
        by_patient(weekly, visit, version=version)
    after = seen(weekly).standing
    assert [one.starts_at - visit.starts_at for one in after[1:]] == [HOUR + week * WEEK for week in range(5)]
    moved = [row for row in rows(HistoryEntry) if row["what"] == "moved"]
    assert len(moved) == 5 and {row["actor"] for row in moved} == {Actor.PATIENT}
    (entry,) = [row for row in rows(PlanEntry) if row["what"] == "moved"]
    assert entry["actor"] is Actor.PATIENT
    (told,) = [row for row in rows(Message) if row["kind"] == "plan-change"]
    assert len(times_told(told["facts"])["added"]) == 5
    with pytest.raises(StaleEdit):
        by_patient(weekly, after[2], version=version, key="another-key")


def test_a_patient_does_not_move_what_is_past_its_cut_off(
    weekly: BookedPlan, standing_clock: StandingClock
) -> None:
    visit = second(weekly)
    standing_clock.at(visit.change_until + timedelta(minutes=1))
    shown = preview(seen(weekly), visit.reference, visit.starts_at + HOUR, None, BookableBy.LINK, partly=True)
    assert [one.late for one in shown.shifts] == [True, False, False, False, False] and len(shown.going) == 4
    assert not any(
        one.late
        for one in preview(
            seen(weekly), visit.reference, visit.starts_at + HOUR, None, BookableBy.STAFF
        ).shifts
    )
    by_patient(weekly, visit)
    after = seen(weekly).standing
    assert after[1].starts_at == visit.starts_at and after[2].starts_at == visit.starts_at + WEEK + HOUR


def test_where_all_could_be_is_offered_once_a_day_and_keeps_the_plan(weekly: BookedPlan) -> None:
    visit = second(weekly)
    found = openings(seen(weekly), visit.reference, BookableBy.LINK)
    days = [one.astimezone(present().zone).date() for one in found.best]
    assert len(days) == len(set(days)) >= 5 and set(days) <= set(found.days)
    for time in found.best:
        shown = preview(seen(weekly), visit.reference, time, None, BookableBy.LINK)
        assert shown.possible and not shown.broken


def test_a_visit_that_was_moved_alone_meanwhile_is_not_moved_as_it_was_shown(
    weekly: BookedPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit, third = second(weekly), seen(weekly).standing[2]
    before = preview(
        seen(weekly), visit.reference, visit.starts_at + HOUR, None, BookableBy.LINK, partly=True
    )
    reschedule(
        third.reference, links.token(third.reference, third.link_number), third.starts_at + HOUR / 4, None,
        actor="link", key="alone-001",
    )  # fmt: skip
    as_it_is = seen(weekly).standing
    monkeypatch.setattr(shifting, "preview", lambda *_, **__: before)
    with pytest.raises(StaleEdit):
        by_patient(weekly, visit)
    assert seen(weekly).standing == as_it_is


def test_a_visit_that_is_moved_alone_is_not_offered_where_another_of_its_plan_is(weekly: BookedPlan) -> None:
    first, other = seen(weekly).standing[:2]
    on, whom = (
        present().times.local_date(other.starts_at),
        {"mei": "dan", "dan": "mei"}[other.practitioner.slug],
    )
    link = visits.visit(first.reference, links.token(first.reference, 1))

    def free() -> set[datetime]:
        found = free_times(ACUPUNCTURE, whom, on, 1, audience=BookableBy.LINK, moved=link.moved)
        return {one.starts_at for one in found.each()}

    before = free()
    assert before and not any(abs(start - other.starts_at) < timedelta(minutes=50) for start in before)
    statuses.cancel(hired(), other.reference, reason="Mei is ill.", key="cancel-01")
    assert before < free() and other.starts_at in free()


def test_by_its_link_no_visit_is_moved_to_where_staff_are_to_ask_the_payer_first(weekly: BookedPlan) -> None:
    *_, last = seen(weekly).standing
    on = present().times.local_date(last.starts_at)
    until = Authorisation(begins=on - timedelta(days=60), ends=on, count=20)
    terms = Terms(
        Kind.INSURANCE,
        ("acupuncture",),
        None,
        Window(Span.CALENDAR_YEAR),
        free=0,
        authorisations=(until,),
        beyond=Beyond.ASK,
    )
    coverage.record(hired(), rows(Patient)[0]["reference"], "Blue Shield", terms, key="coverage")
    day = timedelta(days=1)

    def moved_to(starts_at: datetime, key: str) -> None:
        token = links.token(last.reference, 1)
        reschedule(last.reference, token, starts_at, last.practitioner.slug, actor="link", key=key)

    with pytest.raises(BeyondCoverage):
        moved_to(last.starts_at + day, "beyond-01")
    with pytest.raises(BeyondCoverage):
        shift_by_link(
            weekly.reference, weekly.token, seen(weekly).standing[-2].reference,
            seen(weekly).standing[-2].starts_at + day, actor="link", key="beyond-02",
        )  # fmt: skip
    assert seen(weekly).standing[-1].starts_at == last.starts_at
    moved_to(last.starts_at + HOUR, "within-01")
    assert seen(weekly).standing[-1].starts_at == last.starts_at + HOUR
