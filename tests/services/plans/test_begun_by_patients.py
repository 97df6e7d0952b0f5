"""What a plan that its patient begins is until a practitioner has examined them: as the clinic's file says."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from booking import clock
from booking.formatting import iso_utc
from booking.models import Appointment, BookableBy, Message, Patient
from booking.scheduling.status import Status
from booking.services.desk.statuses import cancel, finish, no_show
from booking.services.plans.adherence import Need, adherence
from booking.services.plans.beginning import make_the_next_firm
from booking.services.plans.booking import book
from booking.services.plans.changing import Decision, decide
from booking.services.plans.make_ups import make_up_times
from booking.services.plans.prescribing import treated_in
from booking.services.plans.repairing import take_for
from booking.services.transaction import run
from tests.clinics import plan_clinic, set_up
from tests.conftest import StandingClock
from tests.services.making import rows
from tests.services.plans.making import FOLLOW_UP, practitioner, proposed, seen, times_told, wish
from tests.staffing import hired

pytestmark = pytest.mark.usefixtures("standing_clock", "context")


def live(kind: str) -> list[Any]:
    return [row for row in rows(Message) if row["kind"] == kind and row["state"] == "queued"]


@pytest.mark.parametrize(("setting", "firm"), [({}, 2), ({"plans_patients_begin": "firm"}, 13)])
def test_the_clinics_file_says_whether_it_waits(
    context: Any, standing_clock: Any, setting: dict[str, Any], firm: int
) -> None:
    set_up(plan_clinic(rules=setting))
    proposal = proposed("disc-gentle")[0]
    assert sum(not one.penciled for one in proposal.visits) == firm
    made = book(wish(proposal, "disc-gentle"), actor="t", key="gentle-1")
    booked = rows(Appointment)
    assert len(booked) == 13 and sum(not row["penciled"] for row in booked) == firm
    needs = {need for row in adherence(hired()).rows for need in row.needs}
    assert (Need.NOT_CONFIRMED in needs) == (not setting)
    # Whoever began it by themselves is bound by the clinic's limits as before.
    assert seen(made).is_limited


def test_what_was_only_penciled_in_and_is_over_has_not_been_come_to(
    context: Any, standing_clock: StandingClock
) -> None:
    set_up(plan_clinic())
    made = book(wish(proposed("disc-gentle")[0], "disc-gentle"), actor="t", key="gentle-1")
    standing_clock.on(days=60)
    plan = seen(made)
    assert sum(one.came(clock.now()) for one in plan.visits) == 2, "the first of each kind"
    assert sum(dose.attended for week in plan.weeks for dose in week.doses) == 2
    (row,) = adherence(hired()).rows
    assert Need.UNCONFIRMED in row.needs and Need.UNDECIDED not in row.needs and Need.GATE not in row.needs
    # Whoever is checked in has come all the same.
    penciled = next(one for one in plan.visits if one.penciled)
    settled = update(Appointment).where(Appointment.id == penciled.id).values(status=Status.FULFILLED)
    run(lambda session: session.execute(settled))
    assert sum(one.came(clock.now()) for one in seen(made).visits) == 3


@pytest.mark.parametrize("comes", [False, True], ids=["no-show", "cancelled"])
def test_where_the_first_visit_is_lost_the_next_of_its_kind_is_firm_and_reminded_of(
    context: Any, standing_clock: StandingClock, comes: bool
) -> None:
    set_up(plan_clinic())
    made = book(wish(proposed("disc-gentle")[0], "disc-gentle"), actor="t", key="gentle-1")
    first, following = [
        one for one in seen(made).standing if one.role == "dose" and one.care.slug == FOLLOW_UP
    ][:2]
    assert following.penciled and make_the_next_firm() == 0
    if comes:
        cancel(hired(), first.reference, key="cancel-01")
    else:
        standing_clock.at(first.starts_at + timedelta(minutes=20))
        no_show(hired(), first.reference, key="noshow-01")
    assert make_the_next_firm() == 1
    firm = [one for one in seen(made).standing if not one.penciled and one.care == first.care]
    assert [one.reference for one in firm] == [following.reference]
    reminded = {row["appointment_id"] for row in live("reminder-1d")}
    assert following.id in reminded and times_told(live("plan-change")[-1]["facts"])["firm"] == {
        iso_utc(one.starts_at) for one in firm
    }
    assert make_the_next_firm() == 0


def test_what_makes_up_for_a_lost_first_visit_is_firm_and_so_is_what_was_penciled_in_before_it(
    context: Any, standing_clock: StandingClock
) -> None:
    set_up(plan_clinic())
    made = book(wish(proposed("disc-gentle")[0], "disc-gentle"), actor="t", key="gentle-1")
    first = next(one for one in seen(made).standing if one.care.slug == FOLLOW_UP)
    cancel(hired(), first.reference, key="cancel-01")
    (offered,) = make_up_times(seen(made), BookableBy.STAFF)
    time = offered.times[-1]
    took = take_for(
        hired(), made.reference, 0, FOLLOW_UP, time.starts_at, time.practitioner.slug, key="take-0001"
    )
    of_kind = [one for one in seen(made).standing if one.care == first.care]
    assert of_kind[0].penciled and of_kind[0].starts_at < time.starts_at
    assert [one.reference for one in of_kind if not one.penciled] == [took]
    # Else it would pass, and nobody would have been reminded of it.
    assert make_the_next_firm() == 1
    firm = [one.reference for one in seen(made).standing if one.care == first.care and not one.penciled]
    assert firm == [of_kind[0].reference, took]
    assert make_the_next_firm() == 0


def test_who_is_new_and_lost_their_first_visit_chooses_that_before(
    context: Any, standing_clock: StandingClock
) -> None:
    set_up(plan_clinic())
    proposal = proposed("disc-gentle", returning=frozenset())[0]
    made = book(wish(proposal, "disc-gentle", returning=()), actor="t", key="gentle-1")
    first = next(one for one in seen(made).standing if one.begins)
    cancel(hired(), first.reference, key="cancel-01")
    assert make_the_next_firm() == 0 and Need.NO_FIRST_VISIT in adherence(hired()).rows[0].needs


def test_what_was_only_penciled_in_makes_nobody_one_who_was_treated_before(
    context: Any, standing_clock: StandingClock
) -> None:
    """Else the next plan would begin with follow-ups, of somebody who never had a first visit."""
    set_up(plan_clinic())
    proposal = proposed("disc-gentle", returning=frozenset())[0]
    made = book(wish(proposal, "disc-gentle", returning=()), actor="t", key="gentle-1")
    (rosa,) = [row["reference"] for row in rows(Patient)]
    last = seen(made).standing[-1].ends_at
    behind_it = last.date() + timedelta(days=2)
    assert treated_in(hired(), rosa, behind_it) == {"acupuncture", "chiropractic"}
    follow_up = next(one for one in seen(made).standing if one.penciled)
    for first in [one for one in seen(made).standing if one.begins]:
        standing_clock.at(first.ends_at)
        no_show(hired(), first.reference, key=f"no-show {first.reference}")
    assert treated_in(hired(), rosa, behind_it) == set()
    standing_clock.at(last + timedelta(days=1))
    assert treated_in(hired(), rosa, behind_it) == set()
    # Who came all the same is new no more.
    finish(hired(), follow_up.reference, key="finish-01")
    assert treated_in(hired(), rosa, behind_it) == {follow_up.care.modality.slug}


@pytest.mark.parametrize("setting", [{}, {"plans_patients_begin": "firm"}], ids=["penciled", "firm"])
def test_whoever_decides_how_it_goes_on_lifts_the_limits(
    context: Any, standing_clock: StandingClock, setting: dict[str, Any]
) -> None:
    set_up(plan_clinic(rules=setting))
    made = book(wish(proposed("disc-gentle")[0], "disc-gentle"), actor="t", key="gentle-1")
    standing_clock.on(minutes=10)
    decide(practitioner(), made.reference, Decision.CONTINUE, told=True, weeks=2, key="decide-01")
    assert not seen(made).is_limited
