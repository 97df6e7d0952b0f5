"""A kind of care that begins in a later week of a plan: whoever is new to it begins it there with its first visit."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from booking import clock
from booking.errors import PlanRulesBroken
from booking.models import BookableBy, Reminders
from booking.scheduling.plans.keeping import Role
from booking.scheduling.plans.windows import Presence, TimeWindow
from booking.services.clinic import present
from booking.services.desk import new_visit
from booking.services.desk.new_visit import DeskWish
from booking.services.plans import arranging
from booking.services.plans.booking import BookedPlan, book
from booking.services.plans.changing import Decision, decide
from booking.services.plans.choosing import VisitWish
from booking.services.plans.frequency import change_doses
from booking.services.plans.impossible import Lack
from booking.services.plans.lacking import missing
from booking.services.plans.prescribing import Prescription
from booking.services.plans.proposing import propose
from booking.services.plans.reading import by_link
from booking.services.plans.wanted import PlanWanted, weeks_within_horizon
from tests.clinics import plan_clinic, plan_template, set_up
from tests.conftest import StandingClock
from tests.services.plans.making import (
    BOTH,
    FIRST_DAY,
    FOLLOW_UP,
    at,
    patient,
    practitioner,
    prescribed,
    proposed,
    running,
    seen,
    wish,
)
from tests.staffing import hired

pytestmark = pytest.mark.usefixtures("standing_clock", "context")

CHIROPRACTIC = "chiropractic-follow-up"


@pytest.fixture(autouse=True)
def clinic_with_later_kinds(context: Any, standing_clock: Any) -> None:
    """Acupuncture first, chiropractic from the third week on; in "looked-at" somebody looks again before."""
    alone, both = (
        {"weeks": 2, "doses": doses} for doses in ({FOLLOW_UP: 1}, {FOLLOW_UP: 1, CHIROPRACTIC: 2})
    )
    turned = [
        {"weeks": 1, "doses": {CHIROPRACTIC: 1}},
        {"weeks": 1, "doses": {FOLLOW_UP: 1, CHIROPRACTIC: 1}},
    ]
    look = {"reassessment": ["acupuncture-reassessment"]}
    later = plan_template("later", {}, phases=[alone, both], self_service=True)
    looked_at = plan_template("looked-at", {}, phases=[alone, both], **look)
    weekly = plan_template("weekly", {FOLLOW_UP: 1}, weeks=4)
    set_up(plan_clinic(plan_templates=[later, looked_at, weekly, plan_template("turned", {}, phases=turned)]))


def chiropractic(plan: BookedPlan) -> list[tuple[int, str, Role | None]]:
    """The visits of that kind in order: week, what and as what."""
    return [
        (one.week, one.visit_type.slug, one.role)
        for one in seen(plan).standing
        if one.care.slug == CHIROPRACTIC and one.role is not Role.REASSESSMENT
    ]


FIRST_OF_ALL = [
    (2, "chiropractic-first", Role.FIRST),
    (2, CHIROPRACTIC, Role.DOSE),
    (3, CHIROPRACTIC, Role.DOSE),
    (3, CHIROPRACTIC, Role.DOSE),
]


def by_its_link() -> BookedPlan:
    return running(prescribed(patient(), "later", returning=()))


def by_themselves() -> BookedPlan:
    asked = wish(proposed("later", returning=frozenset())[0], "later", returning=())
    return book(asked, actor="visitor", key="book-plan")


def by_the_desk() -> BookedPlan:
    asked = Prescription(patient(), "later", FIRST_DAY, prescribed_by="mei")
    arranged = arranging.arranged(hired(), asked)
    proposal = propose(arranged.wanted).proposals[0]
    return arranging.book_whole(
        hired(), arranged, proposal.wishes, reminders=Reminders.EMAIL, key="book-plan"
    )


@pytest.mark.parametrize("booked", [by_its_link, by_themselves, by_the_desk])
def test_what_is_proposed_can_be_booked_by_whoever_is_new(booked: Callable[[], BookedPlan]) -> None:
    plan = booked()
    assert chiropractic(plan) == FIRST_OF_ALL
    assert seen(plan).standing[0].visit_type.slug == "acupuncture-first"


def test_each_proposal_begins_it_with_its_first_visit_which_takes_longer() -> None:
    proposals = proposed("later", returning=frozenset({"acupuncture"}))
    assert len(proposals) > 1
    for proposal in proposals:
        first, *others = (one for one in proposal.visits if one.care == CHIROPRACTIC)
        assert (first.role, first.week) == (Role.FIRST, 2)
        assert (first.to_cell - first.cell, {one.to_cell - one.cell for one in others}) == (8, {4})
    (known, *_) = proposed("later", returning=BOTH)
    assert {one.role for one in known.visits} == {Role.DOSE}


def test_where_only_follow_ups_fit_that_week_is_named_and_another_window_helps() -> None:
    mondays = Presence((TimeWindow(frozenset({0}), 9 * 60, 10 * 60),))
    wanted = PlanWanted(
        present().plan_template("turned").course, FIRST_DAY, mondays, returning=frozenset({"chiropractic"})
    )
    found = propose(wanted)
    assert found.proposals == () and found.impossible
    assert found.impossible.week == 1
    (reason,) = found.impossible.reasons
    assert (reason.care.slug, reason.lack, reason.days) == (FOLLOW_UP, Lack.WINDOWS, 0)
    assert "window" in {one.kind for one in found.impossible.relaxations}


def test_by_the_link_it_isnt_left_out() -> None:
    made = prescribed(patient(), "later", returning=())
    plan = by_link(made.reference, made.token)
    visits = tuple(
        VisitWish(one.visit_type.replace("chiropractic-first", CHIROPRACTIC), one.practitioner, one.starts_at)
        for one in proposed("later", returning=frozenset())[0].wishes
    )
    asked = wish(
        proposed("later")[0], "later", plan=made.reference, token=made.token, audience=BookableBy.LINK,
        phone=plan.phone,
    )  # fmt: skip
    with pytest.raises(PlanRulesBroken) as refused:
        book(replace(asked, visits=visits), actor="link", key="book-plan")
    assert refused.value.facts["faults"] == [{"rule": "first_visit", "week": 3, "care": CHIROPRACTIC}]


# Beyond the horizon


def across(template: str) -> BookedPlan:
    """A plan of which only the first two weeks can be booked yet."""
    clinic = present()
    course = clinic.plan_template("weekly").course
    long = replace(course, phases=course.phases * 10)
    weeks = weeks_within_horizon(clinic, long, FIRST_DAY, clock.now())
    plan = running(
        prescribed(patient(), template, first_day=FIRST_DAY + timedelta(weeks=weeks - 2), returning=())
    )
    assert chiropractic(plan) == [] and len(seen(plan).standing) in (2, 3)
    return plan


def test_beyond_the_horizon_it_begins_with_its_first_visit_once_it_can_be_booked(
    standing_clock: StandingClock,
) -> None:
    plan = across("later")
    standing_clock.on(weeks=3)
    change_doses(hired(), plan.reference, 2, {}, "", key="doses-001")
    assert chiropractic(plan) == FIRST_OF_ALL


def test_so_does_the_next_stage(standing_clock: StandingClock) -> None:
    plan = across("looked-at")
    standing_clock.on(weeks=3)
    decide(practitioner(), plan.reference, Decision.CONTINUE, told=True, key="decide-01")
    assert chiropractic(plan) == FIRST_OF_ALL


def test_what_was_never_booked_in_its_week_is_made_up_from_the_first_visit_on(
    standing_clock: StandingClock,
) -> None:
    plan = across("later")
    standing_clock.at(at(seen(plan).first_day + timedelta(days=14), 8))
    lacks = [one for one in missing(seen(plan), clock.now()) if one.care.slug == CHIROPRACTIC]
    assert [(one.visit_type.slug, one.waits) for one in lacks] == [
        ("chiropractic-first", False),
        (CHIROPRACTIC, True),
    ]


# More or less often


def test_a_kind_that_is_added_begins_with_its_first_visit() -> None:
    plan = running(prescribed(patient(), "weekly", returning=("acupuncture",)))
    change_doses(hired(), plan.reference, 1, {CHIROPRACTIC: (1, 1)}, "", key="doses-001")
    assert chiropractic(plan) == [
        (1, "chiropractic-first", Role.FIRST),
        (2, CHIROPRACTIC, Role.DOSE),
        (3, CHIROPRACTIC, Role.DOSE),
    ]


@pytest.mark.parametrize("is_said", [True, False])
def test_not_for_whom_it_isnt_new(is_said: bool, standing_clock: StandingClock) -> None:
    """Said when it was prescribed, or seen from a visit besides since then."""
    rosa = patient()
    known = ("acupuncture", "chiropractic") if is_said else ("acupuncture",)
    plan = running(prescribed(rosa, "weekly", returning=known))
    if not is_said:
        on = FIRST_DAY - timedelta(days=3)
        asked = DeskWish(rosa, "chiropractic-first", None, at(on, 9), reason="Asked.")
        new_visit.book(hired(), asked, key="book-0001")
        standing_clock.at(at(on, 11))
    change_doses(hired(), plan.reference, 1, {CHIROPRACTIC: (1, 1)}, "", key="doses-001")
    assert [role for _week, _type, role in chiropractic(plan)] == [Role.DOSE] * 3
