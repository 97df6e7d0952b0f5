"""Proposals from what is really free: complete, by the rules, explained; and why there is none."""

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from booking import clock
from booking.errors import NotOffered
from booking.models import AbsenceKind, BookableBy
from booking.scheduling.plans.keeping import Kept, Role, faults
from booking.scheduling.plans.windows import Presence, TimeWindow
from booking.scheduling.reasons import Why
from booking.scheduling.timeline import cell_at
from booking.services import absences
from booking.services.clinic import present
from booking.services.plans.impossible import Lack
from booking.services.plans.proposing import Proposal, propose
from booking.services.plans.visits import kept_at
from booking.services.plans.wanted import PlanWanted
from booking.services.transaction import run
from tests.clinics import plan_clinic, practitioner, set_up
from tests.services.making import booked
from tests.services.plans.making import BOTH, FIRST_DAY, at, proposed

pytestmark = pytest.mark.usefixtures("standing_clock", "context")

TUE, THU, FRI, SAT = 1, 3, 4, 5
EVENINGS = Presence((TimeWindow(frozenset({TUE, THU}), 15 * 60, 17 * 60),))


@pytest.fixture(autouse=True)
def clinic_with_plans(context: Any, standing_clock: Any) -> None:
    set_up(plan_clinic())


def wanted(template: str = "disc", **how: Any) -> PlanWanted:
    course = present().plan_template(template).course
    return PlanWanted(**{"course": course, "first_day": FIRST_DAY, "returning": BOTH} | how)


def kept(proposal: Proposal) -> list[Kept]:
    clinic = present()
    return [
        kept_at(clinic, FIRST_DAY, one.starts_at, one.ends_at, clinic.visit_type(one.care), one.role)
        for one in proposal.visits
    ]


@pytest.mark.parametrize(("template", "new"), [("disc", True), ("disc-gentle", False), ("weekly", True)])
def test_each_proposal_keeps_all_that_is_prescribed(template: str, new: bool) -> None:
    returning = frozenset() if new else BOTH
    found = propose(wanted(template, returning=returning))
    course = present().plan_template(template).course
    assert found.impossible is None and 1 <= len(found.proposals) <= 3
    for one in found.proposals:
        assert faults(course, kept(one)) == []
        firsts = {visit.care for visit in one.visits if visit.role is Role.FIRST}
        assert firsts == (set(course.kinds) if new else set())
        assert one.cost == one.bound and one.looked_at
        assert len({visit.cell for visit in one.visits}) == len(one.visits)


def test_proposals_are_unlike_each_other() -> None:
    first, second, *_ = proposed()
    places = [
        {(one.care, one.cell, one.practitioner.slug) for one in some.visits} for some in (first, second)
    ]
    assert len(places[1] - places[0]) * 3 >= len(places[1])


def test_regular_times_are_the_rule() -> None:
    """Where nothing is in the way, all weeks are alike."""
    first = proposed()[0]
    times = Counter(
        (one.care, one.starts_at.astimezone(present().zone).strftime("%a %H:%M"))
        for one in first.visits
        if one.role is Role.DOSE
    )
    assert set(times.values()) == {4}
    assert len(first.regular) == 5 and not any(one.bent for one in first.visits)


def test_a_visit_lies_wholly_inside_a_window_and_outside_an_absence() -> None:
    away = (FIRST_DAY + timedelta(days=8), FIRST_DAY + timedelta(days=8))
    presence = Presence((*EVENINGS.windows, TimeWindow(frozenset({SAT}), 8 * 60, 13 * 60)), (away,))
    found = propose(wanted("disc-gentle", presence=presence))
    zone = present().zone
    for one in found.proposals[0].visits:
        starts, ends = one.starts_at.astimezone(zone), one.ends_at.astimezone(zone)
        assert starts.date() != away[0]
        minutes = starts.hour * 60 + starts.minute, ends.hour * 60 + ends.minute
        assert any(
            window.opens <= minutes[0] and minutes[1] <= window.closes and starts.weekday() in window.weekdays
            for window in presence.windows
        )


def test_what_is_taken_once_bends_one_visit_and_says_why() -> None:
    """Somebody is away once on each of the two days on which the patient can come."""
    tuesday, friday = FIRST_DAY + timedelta(days=15), FIRST_DAY + timedelta(days=25)
    mei = present().practitioner("mei").id
    for day in (tuesday, friday):
        cells = cell_at(at(day, 8)), cell_at(at(day, 20))
        run(lambda session, cells=cells: absences.enter(session, AbsenceKind.TIME_OFF, mei, *cells))  # type: ignore[misc]
    one_time = Presence((TimeWindow(frozenset({TUE, FRI}), 15 * 60, 15 * 60 + 50),))
    first = propose(wanted("weekly", only={"acupuncture": ("mei",)}, presence=one_time)).proposals[0]
    (bent,) = [one for one in first.visits if one.bent]
    (regular,) = first.regular
    assert bent.bent is not None and bent.bent.why is not None and bent.bent.why.why is Why.AWAY
    assert bent.bent.day in (tuesday, friday) and bent.bent.day.weekday() == regular.weekday
    assert bent.bent.minute == regular.minute == 15 * 60


def test_a_first_visit_stands_at_the_regular_time_of_its_day() -> None:
    """Tuesday and Saturday; in the first week Saturday isn't possible, and in the others Thursday."""
    mei = present().practitioner("mei").id
    for day in (5, 7 + 3, 14 + 3, 21 + 3):
        on = FIRST_DAY + timedelta(days=day)
        cells = cell_at(at(on, 7)), cell_at(at(on, 20))
        run(lambda session, cells=cells: absences.enter(session, AbsenceKind.TIME_OFF, mei, *cells))  # type: ignore[misc]
    course = wanted("disc-gentle").course
    alone = replace(course, phases=(replace(course.phases[0], doses=course.phases[0].doses[:1]),), reassessment=())  # fmt: skip
    times = Presence(
        (
            TimeWindow(frozenset({TUE}), 9 * 60, 10 * 60 + 20),
            TimeWindow(frozenset({THU}), 9 * 60, 9 * 60 + 50),
            TimeWindow(frozenset({SAT}), 8 * 60, 8 * 60 + 50),
        )
    )
    first = propose(
        wanted(course=alone, returning=frozenset(), only={"acupuncture": ("mei",)}, presence=times)
    ).proposals[0]
    begins, thursday = first.visits[:2]
    assert begins.role is Role.FIRST and begins.bent is None
    assert thursday.bent is not None and thursday.bent.day == FIRST_DAY + timedelta(days=5)
    assert thursday.bent.why is not None and thursday.bent.why.why is Why.AWAY
    assert not any(one.bent for one in first.visits[2:])


def test_days_of_rest_are_kept_from_visits_that_the_patient_has_besides() -> None:
    elsewhere = {"acupuncture": {FIRST_DAY: present().visit_type("acupuncture-first")}}
    first = propose(wanted("disc-gentle", elsewhere=elsewhere)).proposals[0]
    days = {
        (one.starts_at.astimezone(present().zone).date())
        for one in first.visits
        if one.visit_type.modality.slug == "acupuncture"
    }
    assert not days & {FIRST_DAY, FIRST_DAY + timedelta(days=1)}


def test_so_does_the_look_at_the_end() -> None:
    course = replace(
        present().plan_template("disc-gentle").course, reassessment=("acupuncture-reassessment",)
    )

    def looked_at(besides: set[date]) -> date:
        there = {"acupuncture": dict.fromkeys(besides, present().visit_type("acupuncture-first"))}
        first = propose(wanted(course=course, elsewhere=there)).proposals[0]
        (look,) = [one for one in first.visits if one.role is Role.REASSESSMENT]
        return look.starts_at.astimezone(present().zone).date()

    besides = set[date]()
    for _ in range(2):
        # The visit besides is on the next day, each time.
        day = looked_at(besides)
        assert all(abs(day - one) > timedelta(days=1) for one in besides)
        besides.add(day + timedelta(days=1))


def test_only_with_somebody_is_with_nobody_else() -> None:
    found = proposed(only={"acupuncture": ("dan",), "chiropractic": ("lin",)})
    people = {(one.care, one.practitioner.slug) for one in found[0].visits if one.role is Role.DOSE}
    assert people == {("acupuncture-follow-up", "dan"), ("chiropractic-follow-up", "lin")}


def test_of_a_plan_that_somebody_begins_by_themselves_only_first_visits_are_firm() -> None:
    by_themselves = proposed("disc-gentle")[0]
    firm = [one for one in by_themselves.visits if not one.penciled]
    assert Counter(one.care for one in firm) == {"acupuncture-follow-up": 1, "chiropractic-follow-up": 1}
    assert not any(one.penciled for one in proposed("disc-gentle", audience=BookableBy.STAFF)[0].visits)


def test_windows_that_are_too_narrow_are_named_with_one_more_that_helps() -> None:
    found = propose(wanted("disc", presence=Presence((TimeWindow(frozenset({TUE}), 15 * 60, 17 * 60),))))
    assert found.proposals == () and found.impossible is not None
    assert found.impossible.week == 0
    assert {one.lack for one in found.impossible.reasons} == {Lack.WINDOWS}
    kinds = [one.kind for one in found.impossible.relaxations]
    assert "any_time" in kinds


def test_one_more_evening_is_enough_where_it_is() -> None:
    """Each relaxation that is named makes the plan possible."""
    presence = Presence((TimeWindow(frozenset({TUE}), 15 * 60, 17 * 60),))
    found = propose(wanted("disc-gentle", presence=presence))
    assert found.impossible is not None
    (window,) = [one for one in found.impossible.relaxations if one.kind == "window"]
    more = TimeWindow(frozenset({window.facts["weekday"]}), window.facts["opens"], window.facts["closes"])  # type: ignore[arg-type]
    again = propose(wanted("disc-gentle", presence=Presence((*presence.windows, more))))
    assert again.proposals and again.impossible is None


def test_somebody_who_is_away_is_named_with_another_practitioner_and_a_later_start() -> None:
    clinic = present()
    mei = clinic.practitioner("mei").id
    first, last = at(FIRST_DAY, 0), at(FIRST_DAY + timedelta(days=5), 0)
    run(lambda session: absences.enter(session, AbsenceKind.TIME_OFF, mei, cell_at(first), cell_at(last)))
    found = propose(wanted("disc", only={"acupuncture": ("mei",)}))
    assert found.impossible is not None and found.impossible.week == 0
    (reason,) = found.impossible.reasons
    named = {person.slug for why, person in reason.why if person and why.why is Why.AWAY}
    assert named == {"mei"}
    kinds = {one.kind: one.facts for one in found.impossible.relaxations}
    assert kinds["practitioners"] == {"modality": "acupuncture"}
    later = kinds["start"]["day"]
    assert isinstance(later, date)
    again = propose(wanted("disc", only={"acupuncture": ("mei",)}, first_day=later))
    assert again.proposals


def test_beyond_the_horizon_it_is_offered_as_far_as_it_goes() -> None:
    today = present().times.local_date(clock.now())
    found = propose(wanted("weekly", first_day=today + timedelta(days=100)))
    assert found.weeks == 3 and len(found.proposals[0].visits) == 3
    none = propose(wanted("weekly", first_day=today + timedelta(days=119)))
    assert none.impossible is not None and none.impossible.reasons[0].lack is Lack.BEYOND_HORIZON


def test_what_nobody_gives_is_not_offered() -> None:
    people = [practitioner("aaron", offers=["chiropractic-follow-up", "chiropractic-first"])]
    set_up(plan_clinic(practitioners=people))
    with pytest.raises(NotOffered):
        propose(wanted("weekly"))


def test_what_others_have_booked_is_not_proposed() -> None:
    regular = proposed("weekly")[0].visits[0]
    booked(regular.starts_at, visit_type=regular.visit_type.slug, practitioner=regular.practitioner.slug)
    again = propose(wanted("weekly")).proposals
    for one in again:
        for visit in one.visits:
            assert (visit.cell, visit.practitioner.slug) != (regular.cell, regular.practitioner.slug)


def test_across_a_clock_change_the_clocks_show_the_same_time() -> None:
    first = propose(wanted("weekly", first_day=date(2026, 10, 19))).proposals[0]
    walls = {one.starts_at.astimezone(present().zone).strftime("%a %H:%M") for one in first.visits}
    assert len(walls) == 1
    assert len({one.starts_at.strftime("%H:%M") for one in first.visits}) == 2


def test_visits_that_are_booked_already_are_named_as_the_reason_not_the_windows() -> None:
    there = present().visit_type("acupuncture-first")
    days = [FIRST_DAY + timedelta(days=number) for number in range(0, 7, 2)]
    found = propose(wanted("disc", elsewhere={"acupuncture": dict.fromkeys(days, there)}))
    assert found.impossible is not None and found.impossible.week == 0
    assert [one.lack for one in found.impossible.reasons] == [Lack.ELSEWHERE]
    assert found.impossible.reasons[0].besides == tuple((day, there) for day in days)


def test_a_visit_besides_is_the_reason_also_where_days_enough_are_left_and_moving_it_helps() -> None:
    """Of three visits around one on Thursday only two have their days of rest."""
    thursday, there = FIRST_DAY + timedelta(days=10), present().visit_type("acupuncture-first")
    how: dict[str, Any] = {"elsewhere": {"acupuncture": {thursday: there}}}
    none = propose(wanted("disc", **how)).impossible
    assert none is not None and none.week == 1
    ((_, lack, *_, besides),) = none.reasons
    assert (lack, besides) == (Lack.ELSEWHERE, ((thursday, there),))
    assert {"on": thursday, "care": there} in [one.facts for one in none.relaxations if one.kind == "besides"]
    # With times on which the plan can't be, two changes at once are named.
    how["presence"] = Presence((TimeWindow(frozenset({TUE}), 20 * 60, 21 * 60),))
    none = propose(wanted("disc", **how)).impossible
    assert none is not None and none.relaxations and all(one.facts["any_time"] for one in none.relaxations)
