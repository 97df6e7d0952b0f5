"""Several visits of a plan are missing at once: what is offered for one of them goes with what is offered for the others."""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import combinations, product
from typing import Any

import pytest

from booking.errors import NeedsReason, PlanRulesBroken, VisitsTaken
from booking.formatting import iso_utc
from booking.models import AbsenceKind, BookableBy, HistoryEntry
from booking.scheduling.latitude import Breach
from booking.scheduling.plans.keeping import Rule, faults
from booking.scheduling.plans.windows import Presence, TimeWindow
from booking.scheduling.timeline import cell_at
from booking.services import absences
from booking.services.clinic import present
from booking.services.desk import new_visit, openings
from booking.services.desk.moving import Place, change, preview
from booking.services.desk.new_visit import DeskWish
from booking.services.desk.statuses import cancel
from booking.services.plans import shifting
from booking.services.plans.asking_again import kept_of, wanted_by
from booking.services.plans.booking import BookedPlan, book
from booking.services.plans.lacking import missing
from booking.services.plans.make_ups import MakeUp, as_chosen, make_up_times
from booking.services.plans.proposing import propose
from booking.services.plans.reading import PlanView, by_link
from booking.services.plans.repairing import take, take_for
from booking.services.plans.suffering import better_times, suffering_of
from booking.services.transaction import run
from tests.clinics import plan_clinic, plan_template, set_up
from tests.conftest import StandingClock
from tests.services.making import booked, rows
from tests.services.plans.making import FIRST_DAY, at, patient, prescribed, proposed, running, seen, wish
from tests.staffing import hired

pytestmark = pytest.mark.usefixtures("standing_clock", "context")

ACUPUNCTURE = "acupuncture-follow-up"


def lost(plan: BookedPlan, *which: int) -> PlanView:
    """Of the second week these visits of acupuncture are cancelled."""
    of_week = [one for one in seen(plan).standing if one.week == 1 and one.care.slug == ACUPUNCTURE]
    for number in which:
        cancel(hired(), of_week[number].reference, key=f"cancel-{number}-1")
    return seen(plan)


def go_together(plan: PlanView, offered: list[MakeUp]) -> None:
    """Whichever is taken of each, the plan keeps its rules, and no two are at once."""
    standing = [kept_of(plan, one) for one in plan.standing]
    for times in product(*(one.times for one in offered)):
        taken = [as_chosen(plan, one.missed, time).kept for one, time in zip(offered, times, strict=True)]
        broken = {one.rule for one in faults(plan.course, [*standing, *taken])}
        assert broken <= {Rule.TOO_FEW, Rule.TOO_MANY}
        assert all(
            one.day != other.day or one.ends <= other.starts or other.ends <= one.starts
            for one, other in combinations([*standing, *taken], 2)
        )


def test_two_of_a_kind_are_offered_days_that_go_together(context: Any) -> None:
    set_up(plan_clinic())
    plan = running(prescribed(patient()))
    after = lost(plan, 0, 2)
    offered = make_up_times(after, BookableBy.LINK)
    assert len(offered) == 2 and all(one.times for one in offered)
    go_together(after, offered)
    # What was offered for the second can still be had once the first was taken.
    for number, one in enumerate(offered):
        time = one.times[0]
        take(
            plan.reference, plan.token, one.missed.week, ACUPUNCTURE, time.starts_at, time.practitioner.slug,
            actor="link", key=f"take-000{number}",
        )  # fmt: skip
    assert sum(week.left for week in seen(plan).weeks) == 0


def test_all_of_a_week_are_offered_times_that_go_together(context: Any) -> None:
    set_up(plan_clinic())
    plan = running(prescribed(patient()))
    for number, one in enumerate(one for one in seen(plan).standing if one.week == 1):
        cancel(hired(), one.reference, key=f"cancel-{number}-1")
    after = seen(plan)
    offered = make_up_times(after, BookableBy.STAFF)
    assert len(offered) == 5 and all(one.times for one in offered)
    assert all(time.day // 7 == 1 for one in offered for time in one.times)
    go_together(after, offered)


@pytest.mark.parametrize("until", [17, 12])
def test_the_desk_reads_the_times_that_the_patient_does(until: int, context: Any) -> None:
    """Staff may book any minute, and what was missed stood at one that patients don't choose. In the windows, or outside them."""
    set_up(plan_clinic())
    tuesdays = Presence((TimeWindow(frozenset({1}), 9 * 60, until * 60),))
    plan = running(prescribed(patient(), "weekly", presence=tuesdays), presence=tuesdays)
    (visit,) = (one for one in seen(plan).standing if one.week == 1)
    odd = Place(at(FIRST_DAY + timedelta(days=8), 11, 10))
    change(hired(), visit.reference, odd, version=visit.version, reason="Asked.", key="change-01")
    if until == 12:
        for person in ("mei", "dan"):
            cells = [cell_at(at(FIRST_DAY + timedelta(days=8), hour)) for hour in (12, 20)]
            who = present().practitioner(person).id
            run(
                lambda session, who=who, cells=cells: absences.enter(
                    session, AbsenceKind.TIME_OFF, who, *cells
                )
            )  # type: ignore[misc]
    after = lost(plan, 0)
    desk, link = (make_up_times(after, audience) for audience in (BookableBy.STAFF, BookableBy.LINK))
    assert desk == link and desk[0].times


def test_where_no_such_time_is_left_the_desk_reads_one_at_any_minute(context: Any) -> None:
    set_up(plan_clinic())
    tuesdays = Presence((TimeWindow(frozenset({1}), 9 * 60 + 5, 9 * 60 + 55),))
    plan = running(prescribed(patient(), "weekly"))
    cancel(hired(), next(one for one in seen(plan).standing if one.week == 1).reference, key="cancel-01")
    after = replace(seen(plan), presence=tuesdays)
    desk, link = (make_up_times(after, audience)[0] for audience in (BookableBy.STAFF, BookableBy.LINK))
    assert not desk.outside and [one.starts_at for one in desk.times] == [
        at(FIRST_DAY + timedelta(days=8), 9, 5)
    ]
    assert link.outside and link.times


def test_what_is_missing_of_a_week_is_named_earliest_first(context: Any) -> None:
    set_up(plan_clinic())
    plan = lost(running(prescribed(patient())), 0, 1)
    gone = [one for one in plan.visits if not one.stands]
    assert [one.visit for one in missing(plan, gone[0].starts_at)] == gone


def test_the_best_day_for_one_is_left_where_it_leaves_no_day_for_the_other(context: Any) -> None:
    """Tuesday to Thursday, a free day between two, and on the days that go together only the other practitioner."""
    set_up(plan_clinic(plan_templates=[plan_template("twice", {ACUPUNCTURE: 2})]))
    days = Presence((TimeWindow(frozenset({1, 2, 3}), 9 * 60, 17 * 60),))
    plan = running(prescribed(patient(), "twice"), presence=days)
    after = lost(plan, 0, 1)
    person = next(one.practitioner for one in after.visits if one.week == 1)
    assert all(one.practitioner == person for one in after.visits if one.week == 1)
    for number in (8, 10):
        cells = [cell_at(at(FIRST_DAY + timedelta(days=number), hour)) for hour in (8, 20)]
        run(lambda session, cells=cells: absences.enter(session, AbsenceKind.TIME_OFF, person.id, *cells))  # type: ignore[misc]
    offered = make_up_times(after, BookableBy.STAFF)
    assert [{time.day for time in one.times} for one in offered] in ([{8}, {10}], [{10}, {8}])


def test_whichever_is_taken_of_a_whole_week_the_ways_of_the_plan_suffice(context: Any) -> None:
    """Each two of what is offered would keep them, and all together not."""
    doses: dict[str, int | str] = {ACUPUNCTURE: 3, "chiropractic-follow-up": 2}
    few = plan_template("few", doses, pairing={"gap_minutes": 15}, most_trips=4)
    set_up(plan_clinic(plan_templates=[few]))
    plan = running(prescribed(patient(), "few"))
    for number, one in enumerate(one for one in seen(plan).standing if one.week == 1):
        cancel(hired(), one.reference, key=f"cancel-{number}-1")
    after = seen(plan)
    offered = make_up_times(after, BookableBy.STAFF)
    assert len(offered) == 5 and all(one.times for one in offered)
    go_together(after, offered)


def test_where_there_is_one_day_only_there_are_several_times_of_it(context: Any) -> None:
    """On others first: on a day an hour apart where the patient can come on no other."""
    once = plan_template("once", {ACUPUNCTURE: 1})
    set_up(plan_clinic(plan_templates=[once]))
    tuesdays = Presence((TimeWindow(frozenset({1}), 9 * 60, 17 * 60),))
    (offered,) = make_up_times(
        lost(running(prescribed(patient(), "once"), presence=tuesdays), 0), BookableBy.LINK
    )
    assert len(offered.times) == 3 and {time.day for time in offered.times} == {8}
    for one, other in combinations(offered.times, 2):
        assert abs(one.starts_at - other.starts_at) >= timedelta(hours=1)


def test_where_the_best_time_of_a_day_is_offered_for_another_the_next_best_is(context: Any) -> None:
    """Two visits at nine of two days: each is offered all three mornings, and on each a time beside what the other is offered."""
    both = plan_template("both", {ACUPUNCTURE: 1, "chiropractic-follow-up": 1})
    set_up(plan_clinic(plan_templates=[both]))
    mornings = Presence((TimeWindow(frozenset({1, 2, 3}), 9 * 60, 12 * 60),))
    plan = running(prescribed(patient(), "both"), presence=mornings)
    _, adjusted = (one for one in seen(plan).standing if one.week == 1)
    nine = Place(at(FIRST_DAY + timedelta(days=9), 9))
    change(hired(), adjusted.reference, nine, version=adjusted.version, reason="Asked.", key="change-01")
    for number, one in enumerate(one for one in seen(plan).standing if one.week == 1):
        cancel(hired(), one.reference, key=f"cancel-{number}-1")
    after = seen(plan)
    offered = make_up_times(after, BookableBy.LINK)
    assert [sorted(time.day % 7 for time in one.times) for one in offered] == [[1, 2, 3]] * 2
    go_together(after, offered)


def test_no_day_is_offered_that_is_too_near_to_a_visit_besides_the_plan(context: Any) -> None:
    set_up(plan_clinic())
    plan = running(prescribed(patient(), "weekly"))
    after = lost(plan, 0)
    (before,) = make_up_times(after, BookableBy.STAFF)
    day = before.times[0].day
    noon = at(FIRST_DAY + timedelta(days=day), 14)
    booked(noon, visit_type=ACUPUNCTURE, practitioner=before.times[0].practitioner.slug)
    (now,) = make_up_times(after, BookableBy.STAFF)
    assert now.times and all(abs(one.day - day) > 1 for one in now.times)

    # Nor is it taken, where the other was booked after the times were shown.
    chosen = before.times[0]
    for how in (
        lambda *which: take(plan.reference, plan.token, *which, actor="link", key="take-0001"),
        lambda *which: take_for(hired(), plan.reference, *which, key="take-0002"),
    ):
        with pytest.raises(PlanRulesBroken) as refused:
            how(
                before.missed.week,
                ACUPUNCTURE,
                at(FIRST_DAY + timedelta(days=day), 9),
                chosen.practitioner.slug,
            )
        assert {one["rule"] for one in refused.value.facts["faults"]} == {Rule.REST_DAYS}


def test_a_plan_that_nobody_prescribed_tells_whoever_has_its_link_nothing_of_other_visits(
    context: Any,
) -> None:
    """They may only have given a name that is known."""
    set_up(plan_clinic())
    plan = book(wish(proposed("disc-gentle")[0], "disc-gentle"), actor="t", key="book-0001")
    after = lost(plan, 0)
    (before,) = make_up_times(after, BookableBy.LINK)
    day = before.times[0].day
    booked(
        at(FIRST_DAY + timedelta(days=day), 14), visit_type=ACUPUNCTURE, practitioner=before.times[0].practitioner.slug,
        first_name="Rosa", last_name="Lima", email="rosa@example.com",
    )  # fmt: skip
    assert make_up_times(after, BookableBy.LINK) == [before]
    assert make_up_times(after, BookableBy.STAFF)[0].times[0].day != day
    time = before.times[0]
    take(
        plan.reference, plan.token, before.missed.week, ACUPUNCTURE, time.starts_at, time.practitioner.slug,
        actor="link", key="take-0001",
    )  # fmt: skip


def test_nor_when_its_patient_comes_besides_which_is_refused_as_what_somebody_else_took(
    context: Any,
) -> None:
    set_up(plan_clinic())
    plan = book(wish(proposed("disc-gentle")[0], "disc-gentle"), actor="t", key="book-0001")
    after, desk = lost(plan, 0), BookableBy.STAFF
    (before,) = make_up_times(after, BookableBy.LINK)
    first, second = before.times[:2]
    moved = after.standing[0]
    exchange = better_times(after, moved, BookableBy.LINK)
    openings = shifting.openings(after, moved.reference, BookableBy.LINK)
    for time in (first.starts_at, exchange[0].starts_at, openings.best[0]):
        booked(
            time, visit_type="chiropractic-follow-up", first_name="Rosa", last_name="Lima",
            email="rosa@example.com",
        )  # fmt: skip

    assert make_up_times(after, BookableBy.LINK) == [before]
    assert better_times(after, moved, BookableBy.LINK) == exchange
    assert shifting.openings(after, moved.reference, BookableBy.LINK) == openings
    assert first.starts_at not in {one.starts_at for one in make_up_times(after, desk)[0].times}
    assert exchange[0] not in better_times(after, moved, desk)

    # What somebody else took.
    booked(second.starts_at, visit_type=ACUPUNCTURE, practitioner=second.practitioner.slug)
    refused = []
    for number, time in enumerate((first, second)):
        with pytest.raises(VisitsTaken) as taken:
            take(
                plan.reference, plan.token, before.missed.week, ACUPUNCTURE, time.starts_at,
                time.practitioner.slug, actor="link", key=f"take-000{number}",
            )  # fmt: skip
        (facts,) = taken.value.facts["lost"]
        refused.append(facts | {"starts_at": "", "practitioner": ""})
    assert refused[0] == refused[1]
    with pytest.raises(VisitsTaken):
        shifting.shift_by_link(
            plan.reference, plan.token, moved.reference, openings.best[0], actor="link", key="shift-0001"
        )


def test_a_make_up_in_the_next_week_counts_for_its_own_where_the_dose_is_a_range(
    context: Any, standing_clock: StandingClock
) -> None:
    set_up(plan_clinic(plan_templates=[plan_template("range", {ACUPUNCTURE: "1-2"})]))
    plan = running(prescribed(patient(), "range"))
    for number, visit in enumerate([one for one in seen(plan).standing if one.week in (1, 2)][:3]):
        cancel(hired(), visit.reference, key=f"cancel-{number}-1")
    standing_clock.at(at(FIRST_DAY + timedelta(days=13), 20))
    (offered,) = make_up_times(seen(plan), BookableBy.LINK)
    (time, *_) = offered.times
    assert (offered.missed.week, time.day // 7) == (1, 2)
    take(
        plan.reference, plan.token, 1, ACUPUNCTURE, time.starts_at, time.practitioner.slug,
        actor="link", key="take-0001",
    )  # fmt: skip
    assert make_up_times(seen(plan), BookableBy.LINK) == []
    assert counts(plan, 1) == (0, 2, 1, 0) and counts(plan, 2) == (2, 1, 0, 0)
    # It isn't one of the week in which it lies: that lacks its own once it is given up.
    own, made_up = sorted((one for one in seen(plan).standing if one.week == 2), key=lambda one: one.id)
    cancel(hired(), own.reference, key="cancel-own")
    assert counts(plan, 1) == (0, 2, 1, 0) and counts(plan, 2) == (1, 2, 0, 1)
    cancel(hired(), made_up.reference, key="cancel-made-up")
    assert counts(plan, 1) == (0, 2, 0, 1) and counts(plan, 2) == (0, 3, 0, 1)


def test_what_was_missed_of_a_range_that_is_kept_all_the_same_was_not_made_up(context: Any) -> None:
    set_up(plan_clinic(plan_templates=[plan_template("range", {ACUPUNCTURE: "1-2"})]))
    plan = running(prescribed(patient(), "range"))
    lost(plan, 0)
    assert counts(plan, 1) == (1, 1, 0, 0)


def counts(plan: BookedPlan, week: int) -> tuple[int, int, int, int]:
    """Of the only kind of care: booked, missed, made up, left."""
    (dose,) = seen(plan).weeks[week].doses
    return dose.booked, dose.missed, dose.made_up, dose.left


def test_a_visit_besides_a_plan_that_leaves_it_no_rest_takes_a_reason_at_the_desk_and_none_from_the_patient(
    context: Any,
) -> None:
    set_up(plan_clinic())
    rosa = patient()
    plan = running(prescribed(rosa, "weekly"))
    local = seen(plan).standing[2].starts_at.astimezone(present().zone)
    near, far = (at(local.date() + timedelta(days=days), 14) for days in (1, 2))
    asked = DeskWish(rosa, ACUPUNCTURE, None, near)
    with pytest.raises(NeedsReason) as refused:
        new_visit.book(hired(), asked, key="book-near-1")
    assert refused.value.facts["breaches"] == ["near_plan"]
    made = new_visit.book(hired(), replace(asked, reason="Acute pain."), key="book-near-2")
    (entry,) = [row for row in rows(HistoryEntry) if row["what"] == "booked" and row["why"] == "Acute pain."]
    assert entry["facts"]["breaches"] == ["near_plan"] and made
    # Another kind of care, and a day that leaves rest, take none; whoever books by themselves reads nothing of it.
    new_visit.book(
        hired(), DeskWish(rosa, "chiropractic-follow-up", None, near - timedelta(hours=4)), key="book-else-1"
    )
    new_visit.book(hired(), DeskWish(rosa, ACUPUNCTURE, None, far + timedelta(days=1)), key="book-far-01")
    booked(
        at(local.date() + timedelta(days=8), 15),
        visit_type=ACUPUNCTURE,
        first_name="Rosa",
        last_name="Lima",
        email="rosa@example.com",
    )


def test_times_too_near_a_plans_visits_are_not_offered_to_its_patient(context: Any) -> None:
    set_up(plan_clinic())
    rosa, dana = patient(), hired()
    plan = running(prescribed(rosa, "weekly"))
    known, zone = new_visit.known(dana, rosa), present().zone
    on = seen(plan).standing[2].starts_at.astimezone(zone).date()
    near = {on + timedelta(days=days) for days in (-1, 0, 1)}

    def days(besides: Any) -> set[Any]:
        found = openings.next_times(ACUPUNCTURE, None, on - timedelta(days=2), besides=besides)
        return {one.starts_at.astimezone(zone).date() for one in found}

    assert days(None) & near and days(known) and not days(known) & near
    free = openings.next_times(ACUPUNCTURE, None, besides=known)[-1].starts_at
    new_visit.book(dana, DeskWish(rosa, ACUPUNCTURE, None, free), key="book-free-1")


def test_a_visit_that_is_moved_near_a_plans_takes_a_reason_once_and_none_where_it_is_near_already(
    context: Any,
) -> None:
    set_up(plan_clinic())
    rosa, dana = patient(), hired()
    plan = running(prescribed(rosa, "weekly"))
    on = seen(plan).standing[2].starts_at.astimezone(present().zone).date()
    near, nearer, far = (at(on + timedelta(days=days), 14) for days in (1, 0, 3))
    visit = new_visit.book(dana, DeskWish(rosa, ACUPUNCTURE, None, far), key="book-far-01").reference

    assert preview(dana, visit, Place(near)).breaches == ("near_plan",)
    with pytest.raises(NeedsReason) as refused:
        change(dana, visit, Place(near), version=None, key="move-near-1")
    assert refused.value.facts["breaches"] == ["near_plan"]
    change(dana, visit, Place(near), version=None, reason="Acute pain.", key="move-near-2")
    entry = rows(HistoryEntry)[-1]
    assert (entry["why"], entry["facts"]["breaches"]) == ("Acute pain.", ["near_plan"])

    # Near the same visit it may be elsewhere; away from it, and of its own plan, nothing is asked.
    for place in (nearer, far):
        assert preview(dana, visit, Place(place)).breaches == ()
        change(dana, visit, Place(place), version=None, key=f"move {place:%d}")
    third, fourth = seen(plan).standing[2:4]
    beside = third.starts_at + timedelta(days=6)
    assert Breach.NEAR_PLAN not in preview(dana, fourth.reference, Place(beside)).breaches
    # As another kind of care it was near none.
    other = new_visit.book(dana, DeskWish(rosa, "chiropractic-follow-up", None, near), key="book-else-1")
    as_this = Place(visit_type=ACUPUNCTURE, practitioner=third.practitioner.slug)
    assert preview(dana, other.reference, as_this).breaches == ("near_plan",)


def test_a_plan_is_not_booked_too_near_a_visit_that_came_between(context: Any) -> None:
    set_up(plan_clinic())
    made = prescribed(patient(), "weekly")
    proposal = propose(wanted_by(by_link(made.reference, made.token), BookableBy.LINK)).proposals[0]
    second = proposal.visits[1]
    day = second.starts_at.astimezone(present().zone).date()
    booked(
        at(day, 15), visit_type=ACUPUNCTURE, practitioner=second.practitioner.slug,
        first_name="Rosa", last_name="Lima", email="rosa@example.com", phone="+18185550123",
    )  # fmt: skip
    by_its_link = {"plan": made.reference, "token": made.token, "audience": BookableBy.LINK}
    with pytest.raises(VisitsTaken) as refused:
        book(wish(proposal, "weekly", **by_its_link), actor="link", key="book-plan-1")
    (lost_one,) = refused.value.facts["lost"]
    assert lost_one["starts_at"] == iso_utc(second.starts_at) and lost_one["replacements"]
    days = [
        datetime.fromisoformat(one["starts_at"]).astimezone(present().zone).date()
        for one in lost_one["replacements"]
    ]
    assert all(abs((one - day).days) > 1 for one in days)


@pytest.mark.parametrize("template", ["weekly", "disc-gentle"])
def test_before_a_visit_is_moved_near_one_besides_the_plan_that_is_said(context: Any, template: str) -> None:
    set_up(plan_clinic())
    prescribed_one = template == "weekly"
    plan = (
        running(prescribed(patient(), template))
        if prescribed_one
        else book(wish(proposed(template)[0], template, phone="+18185550123"), actor="t", key="book-0001")
    )
    last = [one for one in seen(plan).standing if one.care.slug == ACUPUNCTURE and one.role][-1]
    day = FIRST_DAY + timedelta(days=7 * seen(plan).course.weeks - 2)
    booked(
        at(day - timedelta(days=1), 14), visit_type=ACUPUNCTURE, first_name="Rosa", last_name="Lima",
        email="rosa@example.com", phone="+18185550123",
    )  # fmt: skip

    def said(audience: BookableBy) -> list[Rule]:
        to = at(day, 9)
        found = suffering_of(seen(plan), last.reference, to, to + (last.ends_at - last.starts_at), audience)
        return [one.rule for one in found.faults] if found else []

    assert Rule.REST_DAYS in said(BookableBy.STAFF)
    assert (Rule.REST_DAYS in said(BookableBy.LINK)) is prescribed_one
