"""The list of a plan's week by telephone: one call that names all visits of that week, until somebody has made it."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from booking.models import Message, Patient, PlanEntry, PlanReminders, Reminders
from booking.reminders import bounces
from booking.scheduling.plans.windows import Presence, TimeWindow
from booking.services import links, reconciling, visits
from booking.services.clinic import present
from booking.services.desk import calls, moving, panel, records, statuses
from booking.services.desk.moving import Place
from booking.services.desk.pressing import pressing
from booking.services.desk.records import Values
from booking.services.desk.whom_to_call import Outcome
from booking.services.plans import taking_back
from booking.services.plans.booking import BookedPlan, book
from booking.services.plans.changing import pause
from booking.services.plans.visits import PlanVisit
from booking.services.transaction import run
from booking.web.desk import telling
from tests.clinics import plan_clinic, plan_template, set_up
from tests.conftest import StandingClock
from tests.reminders.conftest import drain
from tests.services.making import rows
from tests.services.plans.making import FOLLOW_UP, patient, prescribed, proposed, running, seen, wish
from tests.staffing import hired

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def plan(context: Flask, standing_clock: StandingClock) -> BookedPlan:
    """Of somebody who wants the list of each week, and no more, by telephone: five visits a week."""
    set_up(plan_clinic())
    made = prescribed(patient(email=None), "disc")
    return running(made, reminders=Reminders.CALL, reminded_of=PlanReminders.DIGEST)


@pytest.fixture
def week(plan: BookedPlan, standing_clock: StandingClock) -> list[PlanVisit]:
    """The visits of its second week, of which they are to be called now."""
    standing_clock.at(due(1))
    drain()
    return [one for one in seen(plan).visits if one.week == 1 and one.role != "look"]


def due(number: int) -> datetime:
    """When the list of a week is due."""
    lists: list[datetime] = [row["due_at"] for row in rows(Message) if row["kind"] == "plan-digest"]
    return sorted(lists)[number]


def named() -> list[list[datetime]]:
    """Of each card the times that it names. As many as the number at the desk says."""
    drain()
    found = calls.call_list(hired()).calls
    assert pressing(hired(), present()).calls == len(found)
    return [sorted([one.starts_at, *(other.starts_at for other in one.also)]) for one in found]


def begin(some: list[PlanVisit]) -> list[datetime]:
    return [one.starts_at for one in some]


def cannot_come(visit: PlanVisit) -> None:
    token = links.token(visit.reference, visit.link_number)
    visits.cannot_come(visit.reference, token, actor="t", key=f"cannot {visit.reference}")


def cancelled(visit: PlanVisit) -> None:
    statuses.cancel(hired(), visit.reference, tell=False, key=f"cancel {visit.reference}")


def moved_away(visit: PlanVisit) -> None:
    """To the Saturday before that week."""
    there = Place(starts_at=visit.starts_at - 2 * DAY)
    moving.change(hired(), visit.reference, there, version=None, reason="So", tell=False, key="move-0001")


def test_one_call_names_all_visits_of_the_week(plan: BookedPlan, week: list[PlanVisit]) -> None:
    assert len(week) == 5 and named() == [begin(week)]
    (call,) = calls.call_list(hired()).calls
    assert (call.kind, call.why, call.plan, call.others_changed) == (
        "reminder", calls.Why.WANTED, plan.reference, False,
    )  # fmt: skip
    assert telling.sentence(present(), call).startswith("“We expect you on Monday, September 28")
    assert telling.also(present(), call, call.also[-1]) == "“And on Fri, Oct 2, 9:00 am, with Mei Tanaka.”"
    calls.settle(hired(), call.reference, Outcome.REACHED, key="call-0001")
    assert named() == []
    calls.put_back(hired(), call.reference, key="back-0001")
    assert named() == [begin(week)]


def test_a_reminder_of_the_same_visit_is_said_with_it(context: Flask, standing_clock: StandingClock) -> None:
    set_up(plan_clinic())
    made = prescribed(patient(email=None), "disc")
    plan = running(made, reminders=Reminders.CALL, reminded_of=PlanReminders.BOTH)
    week = [one for one in seen(plan).visits if one.week == 0]
    for moment in (due(0), week[0].starts_at - 20 * HOUR):
        standing_clock.at(moment)
        assert named() == [begin(week)]
    calls.settle(hired(), week[0].reference, Outcome.REACHED, key="call-0001")
    assert named() == [], "the second of that day as well"
    standing_clock.at(week[2].starts_at - 20 * HOUR)
    assert named() == [begin(week[2:4])]


def test_what_is_only_penciled_in_is_not_named(context: Flask, standing_clock: StandingClock) -> None:
    set_up(plan_clinic())
    proposal = proposed("disc-gentle")[0]
    plan = book(
        wish(
            proposal, "disc-gentle", email=None, phone="+18185550123", reminders=Reminders.CALL,
            reminded_of=PlanReminders.DIGEST,
        ),
        actor="t", key="gentle-1",
    )  # fmt: skip
    standing_clock.at(due(0))
    first = [one for one in seen(plan).visits if one.week == 0]
    firm = [one for one in first if not one.penciled]
    assert 0 < len(firm) < len(first) and named() == [begin(firm)]


def test_the_saturday_before_is_not_named_with_the_week(
    context: Flask, standing_clock: StandingClock
) -> None:
    twice = plan_template("twice", {FOLLOW_UP: 2}, weeks=2)
    set_up(plan_clinic(plan_templates=[twice]))
    on_tuesdays_and_saturdays = Presence((TimeWindow(frozenset({1, 5}), 8 * 60, 17 * 60),))
    made = prescribed(patient(email=None), "twice")
    booked = running(
        made,
        presence=on_tuesdays_and_saturdays,
        reminders=Reminders.CALL,
        reminded_of=PlanReminders.DIGEST,
    )
    standing_clock.at(due(1))
    assert named()[-1] == begin([one for one in seen(booked).visits if one.week == 1])


@pytest.mark.parametrize("alone", [cannot_come, cancelled, moved_away])
def test_whatever_becomes_of_the_visit_that_carries_it_the_others_are_still_to_be_told(
    week: list[PlanVisit], alone: Any
) -> None:
    first, *others = week
    alone(first)
    assert named() == [begin(others)]
    for one in others:
        cannot_come(one)
    assert named() == []


def test_who_cannot_come_to_one_before_it_is_due_is_told_of_the_others(
    plan: BookedPlan, standing_clock: StandingClock
) -> None:
    standing_clock.at(due(1) - timedelta(minutes=5))
    first, *others = [one for one in seen(plan).visits if one.week == 1 and one.role != "look"]
    cannot_come(first)
    standing_clock.on(minutes=6)
    assert named() == [begin(others)]


def test_once_the_first_of_the_week_has_begun_the_others_are_still_to_be_told(
    week: list[PlanVisit], standing_clock: StandingClock
) -> None:
    standing_clock.at(week[0].starts_at + timedelta(minutes=5))
    assert reconciling.anything_wrong()
    run(reconciling.write_missing)
    assert named() == [begin(week[1:])] and not reconciling.anything_wrong()
    standing_clock.at(week[-1].starts_at + timedelta(minutes=30))
    run(reconciling.write_missing)
    assert named() == [] and not reconciling.anything_wrong()


def test_a_pause_of_the_week_ends_it_and_a_change_of_another_one_leaves_it(
    plan: BookedPlan, week: list[PlanVisit]
) -> None:
    later = next(one for one in seen(plan).visits if one.week == 2).starts_at.date()
    pause(hired(), plan.reference, later, later, "Away", key="pause-001")
    assert named() == [begin(week)]
    (card,) = calls.call_list(hired()).calls
    assert card.others_changed and not card.plan_only
    days = [one.starts_at.date() for one in week]
    pause(hired(), plan.reference, days[0], days[-1], "Away", key="pause-002")
    drain()
    assert [one.plan_only for one in calls.call_list(hired()).calls] == [True]


def test_a_pause_that_is_taken_back_leaves_it_as_it_was(plan: BookedPlan, week: list[PlanVisit]) -> None:
    for number, days in enumerate((week[:2], week)):
        first, last = days[0].starts_at.date(), days[-1].starts_at.date()
        pause(hired(), plan.reference, first, last, "Away", tell=False, key=f"pause-{number}")
        assert named() == ([begin(week[2:])] if number == 0 else [])
        entry = [row["id"] for row in rows(PlanEntry) if row["what"] == "paused"][-1]
        taking_back.take_back(hired(), plan.reference, entry, key=f"back-{number}00")
        assert named() == [begin(week)]


def test_it_goes_by_the_number_that_was_corrected_meanwhile(plan: BookedPlan, week: list[PlanVisit]) -> None:
    values = Values("Rosa", "Lima", "+18185550188", None)
    records.edit(hired(), rows(Patient)[0]["reference"], values, version=1, visits_too=True, key="edit-0001")
    assert named() == [begin(week)]
    assert [one.phone for one in calls.call_list(hired()).calls] == ["+18185550188"]


def test_a_list_that_comes_back_is_a_call_at_the_plans_number_also_where_its_first_visit_has_another(
    context: Flask, standing_clock: StandingClock
) -> None:
    set_up(plan_clinic())
    plan = running(prescribed(patient(), "disc"), reminded_of=PlanReminders.DIGEST)
    week = [one for one in seen(plan).visits if one.week == 1 and one.role != "look"]
    token = links.token(week[0].reference, week[0].link_number)
    visits.correct_contact(week[0].reference, token, "son@example.com", None, actor="son", key="contact-1")
    standing_clock.at(due(1))
    drain()
    (went,) = [row for row in rows(Message) if row["kind"] == "plan-digest" and row["state"] == "sent"]
    bounces.receive(bounces.Report(went["mail_id"], "no such user"))
    assert named() == [begin(week)]
    (call,) = calls.call_list(hired()).calls
    assert (call.phone, call.why) == ("+18185550123", calls.Why.UNREACHABLE)
    (said,) = [one for one in panel.panel(hired(), call.reference).messages if one.kind == "reminder-week"]
    assert not said.may_go_again and said.other_ways == ()
