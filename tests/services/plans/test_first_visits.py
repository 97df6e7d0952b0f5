"""A first visit that was missed: the patient still has one before any follow-up of that kind of care."""

from datetime import date, datetime, timedelta
from itertools import product

import pytest

from booking import clock
from booking.errors import NotFound, PlanRulesBroken
from booking.models import AbsenceKind, Appointment, BookableBy, Message, Patient
from booking.scheduling.allowances.counting import State
from booking.scheduling.allowances.terms import Kind, Span, Terms, Window
from booking.scheduling.plans.keeping import Role, Rule, faults
from booking.scheduling.plans.windows import Presence, TimeWindow
from booking.scheduling.timeline import cell_at
from booking.services import absences
from booking.services.allowances import allowances_of
from booking.services.clinic import present
from booking.services.desk import coverage, new_visit, record_page, statuses
from booking.services.desk.asking import Place
from booking.services.desk.moving import change
from booking.services.desk.new_visit import DeskWish
from booking.services.plans.adherence import Need, adherence
from booking.services.plans.asking_again import kept_of
from booking.services.plans.booking import BookedPlan, book
from booking.services.plans.changing import confirm
from booking.services.plans.frequency import change_doses
from booking.services.plans.lacking import lacking, missing
from booking.services.plans.make_ups import MakeUp, as_chosen, make_up_times
from booking.services.plans.reading import by_link
from booking.services.plans.repairing import not_needed, take, take_for
from booking.services.plans.visits import PlanVisit
from booking.services.transaction import reading, run
from tests.clinics import plan_clinic, plan_template, set_up
from tests.conftest import StandingClock
from tests.services.making import rows
from tests.services.plans.making import (
    FIRST,
    FIRST_DAY,
    FOLLOW_UP,
    at,
    patient,
    practitioner,
    prescribed,
    proposed,
    running,
    seen,
    times_told,
    wish,
)
from tests.staffing import hired

pytestmark = pytest.mark.usefixtures("standing_clock", "context")

CHIROPRACTIC = "chiropractic-follow-up"


def begun(template: str, clock_: StandingClock | None = None) -> BookedPlan:
    """Somebody's plan, to whom acupuncture is new, and who misses its first visit, if there is a clock; it is the night after."""
    plan = running(prescribed(patient(), template, returning=("chiropractic",)))
    if clock_:
        first = acupuncture(plan)[0]
        assert first.role is Role.FIRST and first.visit_type.slug == FIRST
        clock_.at(first.starts_at + timedelta(minutes=20))
        statuses.no_show(hired(), first.reference, key="noshow-01")
        clock_.at(first.starts_at + timedelta(hours=20))
    return plan


def acupuncture(plan: BookedPlan) -> list[PlanVisit]:
    return [
        one for one in seen(plan).standing if one.care.slug == FOLLOW_UP and one.role is not Role.REASSESSMENT
    ]


def chosen(plan: BookedPlan, one: MakeUp, number: int = 0) -> None:
    """The patient takes one of these times by the link."""
    time = one.times[number]
    take(
        plan.reference, plan.token, one.missed.week, one.missed.care.slug, time.starts_at, time.practitioner.slug,
        replaces=one.replaces.starts_at if one.replaces else None, actor="link", key=f"take-{time.starts_at}",
    )  # fmt: skip


def test_what_makes_up_for_a_first_visit_is_one_and_comes_before_the_next(
    standing_clock: StandingClock,
) -> None:
    set_up(plan_clinic())
    plan = begun("weekly", standing_clock)
    (offered,) = make_up_times(seen(plan), BookableBy.LINK)
    following = acupuncture(plan)[0]
    assert offered.missed.visit_type.slug == FIRST and offered.replaces is None
    assert offered.times and all(one.starts_at < following.starts_at for one in offered.times)
    assert all((one.ends_at - one.starts_at) == timedelta(minutes=80) for one in offered.times)
    row = adherence(hired()).rows[0]
    assert Need.NO_FIRST_VISIT in row.needs
    chosen(plan, offered)
    first = acupuncture(plan)[0]
    assert (first.role, first.visit_type.slug, first.week) == (Role.FIRST, FIRST, 0)
    assert len(acupuncture(plan)) == 6 and missing(seen(plan), clock.now()) == []
    assert Need.NO_FIRST_VISIT not in adherence(hired()).rows[0].needs


def test_where_it_cannot_come_before_the_next_it_takes_that_ones_place(standing_clock: StandingClock) -> None:
    """Two a week, a free day between them: on no day before the next one it would keep its rest."""
    set_up(plan_clinic(plan_templates=[plan_template("twice", {FOLLOW_UP: 2})]))
    plan = begun("twice", standing_clock)
    following, second = acupuncture(plan)[:2]
    (offered,) = make_up_times(seen(plan), BookableBy.LINK)
    assert offered.replaces == following and offered.times
    assert offered.times[0].starts_at == following.starts_at
    chosen(plan, offered)
    first, *others = acupuncture(plan)
    assert (first.role, first.starts_at) == (Role.FIRST, following.starts_at)
    assert others[0].reference == second.reference and len(others) == 6
    (gone,) = [row for row in rows(Appointment) if row["reference"] == following.reference]
    assert (gone["status"], gone["plan_role"]) == ("cancelled", None)
    (told,) = [row for row in rows(Message) if row["kind"] == "plan-change"]
    assert [len(one) for one in times_told(told["facts"]).values()] == [1, 1, 0]
    # What the week lacks now is an ordinary visit, and until that is booked nothing was made up.
    (dose,) = seen(plan).weeks[0].doses
    assert (dose.booked, dose.missed, dose.made_up, dose.left) == (1, 1, 0, 1)
    (again,) = make_up_times(seen(plan), BookableBy.LINK)
    assert (again.missed.week, again.missed.visit_type.slug, again.replaces) == (0, FOLLOW_UP, None)
    chosen(plan, again)
    assert missing(seen(plan), clock.now()) == []
    after = seen(plan)
    assert faults(after.course, [kept_of(after, one) for one in after.standing], range(0)) == []
    assert sum(dose.made_up for week in after.weeks for dose in week.doses) == 1


def test_no_visit_is_given_up_that_was_not_shown_to_be(standing_clock: StandingClock) -> None:
    """While the page is open the desk moves the next one: nearer, or, where it was to give its place, to another day."""
    set_up(plan_clinic())
    plan = begun("weekly", standing_clock)
    (before,) = make_up_times(seen(plan), BookableBy.LINK)

    def agreed(on: date, key: str) -> str:
        one = acupuncture(plan)[0]
        change(hired(), one.reference, Place(at(on, 11)), version=one.version, reason="Asked.", key=key)
        return one.reference

    last = before.times[-1].starts_at.astimezone(present().zone).date()
    following = agreed(last + timedelta(days=1), "change-01")
    with pytest.raises(PlanRulesBroken):
        chosen(plan, before, len(before.times) - 1)
    assert acupuncture(plan)[0].reference == following

    agreed(FIRST_DAY + timedelta(days=2), "change-02")
    (in_place,) = make_up_times(seen(plan), BookableBy.LINK)
    assert in_place.replaces and in_place.replaces.reference == following and in_place.times
    agreed(FIRST_DAY + timedelta(days=4), "change-03")
    with pytest.raises(PlanRulesBroken):
        chosen(plan, in_place)
    assert acupuncture(plan)[0].reference == following


def test_in_the_next_ones_place_it_keeps_the_ways_of_a_week_whichever_is_taken_besides(
    standing_clock: StandingClock,
) -> None:
    """Each two of what is offered would keep them, and all together not."""
    doses: dict[str, int | str] = {FOLLOW_UP: 3, CHIROPRACTIC: 2}
    few = plan_template("few", doses, pairing={"gap_minutes": 15}, most_trips=3)
    set_up(plan_clinic(plan_templates=[few]))
    plan = begun("few", standing_clock)
    following = acupuncture(plan)[0]
    afternoon = Place(starts_at=at(following.starts_at.date(), 14))
    change(
        hired(), following.reference, afternoon, version=following.version, reason="Asked.", key="change-01"
    )
    friday = [cell_at(at(FIRST_DAY + timedelta(days=4), hour)) for hour in (8, 20)]
    for person in (present().practitioner("aaron"), present().practitioner("lin")):
        run(lambda session, who=person.id: absences.enter(session, AbsenceKind.TIME_OFF, who, *friday))  # type: ignore[misc]
    for number, one in enumerate(one for one in seen(plan).standing if one.week == 0):
        if one.care.slug == CHIROPRACTIC:
            statuses.cancel(hired(), one.reference, key=f"cancel-{number}-1")
    found = seen(plan)
    offered = make_up_times(found, BookableBy.LINK)
    (first,) = (one for one in offered if one.replaces)
    assert len(offered) == 3 and all(one.times for one in offered)
    standing = [kept_of(found, one) for one in found.standing if one != first.replaces]
    for times in product(*(one.times for one in offered)):
        taken = [as_chosen(found, one.missed, time).kept for one, time in zip(offered, times, strict=True)]
        broken = {one.rule for one in faults(found.course, [*standing, *taken])}
        assert broken <= {Rule.TOO_FEW, Rule.TOO_MANY}


@pytest.mark.parametrize(
    "presence", [Presence(), Presence((TimeWindow(frozenset({1, 3}), 9 * 60, 12 * 60),))]
)
def test_two_first_visits_in_the_places_of_others_go_together(
    presence: Presence, standing_clock: StandingClock
) -> None:
    """Two a week of each kind, a free day between two of one, and the first of both missed."""
    rest = {"acupuncture": 1, "chiropractic": 1}
    both = plan_template("both", {FOLLOW_UP: 2, CHIROPRACTIC: 2}, rest_days=rest, pairing={"gap_minutes": 15})
    set_up(plan_clinic(plan_templates=[both]))
    plan = running(prescribed(patient(), "both", returning=(), presence=presence), presence=presence)
    missed = [one for one in seen(plan).standing if one.role is Role.FIRST]
    standing_clock.at(missed[-1].starts_at + timedelta(minutes=20))
    for number, one in enumerate(missed):
        statuses.no_show(hired(), one.reference, key=f"noshow-{number}1")
    standing_clock.at(missed[-1].starts_at + timedelta(hours=20))
    found = seen(plan)
    offered = make_up_times(found, BookableBy.LINK)
    assert len(offered) == 2 and all(one.replaces and one.times for one in offered)
    replaced = [one.replaces for one in offered]
    standing = [kept_of(found, one) for one in found.standing if one not in replaced]
    for times in product(*(one.times for one in offered)):
        at_once = [as_chosen(found, one.missed, time).kept for one, time in zip(offered, times, strict=True)]
        broken = {one.rule for one in faults(found.course, [*standing, *at_once])}
        assert broken <= {Rule.TOO_FEW, Rule.TOO_MANY}
        sooner, later = sorted(at_once)
        assert sooner.day != later.day or sooner.ends <= later.starts
    # Whichever is taken of the first one, the other can be had with all that was offered for it.
    for make_up in offered:
        chosen(plan, make_up, len(make_up.times) - 1)
    assert [one.role for one in seen(plan).standing].count(Role.FIRST) == 2


def test_nothing_else_of_its_kind_is_offered_before_the_first_visit(standing_clock: StandingClock) -> None:
    set_up(plan_clinic())
    plan = begun("disc", standing_clock)
    statuses.cancel(hired(), acupuncture(plan)[-1].reference, key="cancel-01")
    found = seen(plan)
    assert [one.week for one in lacking(found, clock.now())] == [0, 3]
    (offered,) = make_up_times(found, BookableBy.LINK)
    assert offered.missed.begins and offered.missed.week == 0
    with pytest.raises(NotFound):
        last = acupuncture(plan)[-1]
        take_for(
            hired(), plan.reference, 3, FOLLOW_UP, last.starts_at + timedelta(days=2), "mei", key="take-001"
        )
    chosen(plan, offered)
    assert [one.missed.week for one in make_up_times(seen(plan), BookableBy.STAFF)] == [0, 3]


def test_a_week_that_is_whole_without_it_is_begun_with_it_all_the_same(standing_clock: StandingClock) -> None:
    set_up(plan_clinic(plan_templates=[plan_template("range", {FOLLOW_UP: "1-2"})]))
    plan = begun("range", standing_clock)
    assert lacking(seen(plan), clock.now()) == []
    (offered,) = make_up_times(seen(plan), BookableBy.LINK)
    assert offered.replaces == acupuncture(plan)[0]
    with pytest.raises(NotFound):
        not_needed(hired(), plan.reference, offered.missed.week, FOLLOW_UP, "Was here.", key="not-0001")
    chosen(plan, offered)
    assert acupuncture(plan)[0].role is Role.FIRST and missing(seen(plan), clock.now()) == []


def doses(plan: BookedPlan, from_week: int, number: int) -> None:
    often, key = {CHIROPRACTIC: (number, number)}, f"doses-{from_week}-{number}"
    change_doses(hired(), plan.reference, from_week, often, "", key=key)


def chiropractic(plan: BookedPlan) -> list[tuple[int, Role | None, str]]:
    """Its visits that stand, in order: the week, and as what."""
    standing = (one for one in seen(plan).standing if one.care.slug == CHIROPRACTIC)
    return [
        (one.week, one.role, one.visit_type.slug) for one in standing if one.role is not Role.REASSESSMENT
    ]


def away(person: str, *off: datetime) -> None:
    who = present().practitioner(person).id
    run(lambda session: absences.enter(session, AbsenceKind.TIME_OFF, who, *map(cell_at, off)))


@pytest.mark.parametrize("week", [0, 1])
def test_a_kind_of_care_that_is_chosen_again_begins_with_its_first_visit(week: int) -> None:
    set_up(plan_clinic())
    plan = running(prescribed(patient(), "disc", returning=()))
    doses(plan, 0, 0)
    assert chiropractic(plan) == []
    doses(plan, week, 2)
    first, *others = chiropractic(plan)
    assert first == (week, Role.FIRST, "chiropractic-first")
    assert {(role, care) for _, role, care in others} == {(Role.DOSE, CHIROPRACTIC)}
    assert [there for there, *_ in (first, *others)] == [one for one in range(week, 4) for _ in range(2)]
    assert missing(seen(plan), clock.now()) == []
    assert not faults(seen(plan).course, [kept_of(seen(plan), one) for one in seen(plan).standing])
    assert Need.NO_FIRST_VISIT not in adherence(hired()).rows[0].needs


def test_where_no_first_visit_can_be_had_in_a_week_the_next_one_begins_with_it() -> None:
    set_up(plan_clinic())
    plan = running(prescribed(patient(), "disc", returning=()))
    doses(plan, 0, 0)
    # Twenty minutes are left of each day of the first week: enough for what follows upon a first visit.
    for day in (FIRST_DAY + timedelta(days=number) for number in range(7)):
        for person in ("aaron", "lin"):
            away(person, at(day, 8), at(day, 16, 40))
    doses(plan, 0, 2)
    first, *others = chiropractic(plan)
    assert first == (1, Role.FIRST, "chiropractic-first") and len(others) == 5


def test_more_of_a_kind_whose_follow_ups_are_ahead_leaves_the_first_one_to_be_chosen(
    standing_clock: StandingClock,
) -> None:
    set_up(plan_clinic())
    plan = begun("weekly", standing_clock)
    change_doses(hired(), plan.reference, 1, {FOLLOW_UP: (2, 2)}, "", key="doses-001")
    assert {one.role for one in acupuncture(plan)} == {Role.DOSE}
    assert [one.begins is not None for one in missing(seen(plan), clock.now())] == [True]


def test_who_came_to_a_follow_up_is_new_no_more(standing_clock: StandingClock) -> None:
    set_up(plan_clinic())
    plan = begun("weekly", standing_clock)
    standing_clock.at(acupuncture(plan)[0].ends_at)
    found = seen(plan)
    assert found.firsts_due(clock.now()) == {}
    (offered,) = make_up_times(found, BookableBy.LINK)
    assert offered.missed.visit_type.slug == FOLLOW_UP and offered.times
    chosen(plan, offered)
    assert missing(seen(plan), clock.now()) == []


def has_one_besides(clock_: StandingClock, rosa: str) -> str:
    """The desk books a single first visit for the next morning, and it takes place; its reference."""
    on = clock.now().astimezone(present().zone).date() + timedelta(days=1)
    visit = new_visit.book(hired(), DeskWish(rosa, FIRST, None, at(on, 9), reason="Asked."), key="book-0001")
    clock_.at(at(on, 11))
    return visit.reference


def test_who_had_a_first_visit_besides_is_new_no_more(standing_clock: StandingClock) -> None:
    set_up(plan_clinic())
    plan = begun("weekly", standing_clock)
    rosa = adherence(hired()).rows[0].patient
    besides = has_one_besides(standing_clock, rosa)
    assert seen(plan).firsts_due(clock.now()) == {}
    assert Need.NO_FIRST_VISIT not in adherence(hired()).rows[0].needs
    (offered,) = make_up_times(seen(plan), BookableBy.LINK)
    assert (offered.missed.visit_type.slug, offered.replaces) == (FOLLOW_UP, None) and offered.times
    # Unless they didn't come to that one either.
    statuses.no_show(hired(), besides, key="noshow-02")
    assert [care.slug for care in seen(plan).firsts_due(clock.now())] == [FOLLOW_UP]
    assert Need.NO_FIRST_VISIT in adherence(hired()).rows[0].needs


def test_what_was_before_the_plan_does_not_count(standing_clock: StandingClock) -> None:
    """Whoever prescribed it wanted a first visit all the same."""
    set_up(plan_clinic())
    rosa = patient()
    has_one_besides(standing_clock, rosa)
    plan = running(prescribed(rosa, "weekly", returning=("chiropractic",)))
    standing_clock.at(acupuncture(plan)[0].ends_at)
    statuses.no_show(hired(), acupuncture(plan)[0].reference, key="noshow-01")
    assert [care.slug for care in seen(plan).firsts_due(clock.now())] == [FOLLOW_UP]


def test_the_link_of_a_plan_that_nobody_prescribed_does_not_tell_of_visits_besides(
    standing_clock: StandingClock,
) -> None:
    set_up(plan_clinic())
    asked = wish(
        proposed("disc-gentle", returning=frozenset({"chiropractic"}))[0],
        "disc-gentle",
        returning=("chiropractic",),
    )
    plan = book(asked, actor="visitor", key="begun-0001")
    first = acupuncture(plan)[0]
    standing_clock.at(first.ends_at)
    statuses.no_show(hired(), first.reference, key="noshow-01")
    has_one_besides(standing_clock, adherence(hired()).rows[0].patient)
    assert [care.slug for care in by_link(plan.reference, plan.token).firsts_due(clock.now())] == [FOLLOW_UP]
    confirm(practitioner(), plan.reference, key="confirm-01")
    assert by_link(plan.reference, plan.token).firsts_due(clock.now()) == {}


def test_by_the_link_nothing_gives_its_place_past_its_cut_off(standing_clock: StandingClock) -> None:
    set_up(plan_clinic())
    plan = begun("disc", standing_clock)
    following = acupuncture(plan)[0]
    standing_clock.at(following.change_until + timedelta(minutes=1))
    (offered,) = make_up_times(seen(plan), BookableBy.LINK)
    assert offered.times == () and offered.replaces is None
    (offered,) = make_up_times(seen(plan), BookableBy.STAFF)
    assert offered.replaces == following and offered.times


@pytest.mark.parametrize("audience", [BookableBy.LINK, BookableBy.STAFF])
def test_what_gives_its_place_is_no_late_cancellation_and_takes_nothing_of_the_coverage(
    audience: BookableBy, standing_clock: StandingClock
) -> None:
    """It is exchanged: by its patient up to the last moment, by the desk after it as well."""
    set_up(plan_clinic())
    plan = begun("disc", standing_clock)
    following, rosa = acupuncture(plan)[0], str(rows(Patient)[0]["reference"])
    terms = Terms(Kind.PACKAGE, ("acupuncture",), 30, Window(Span.LIFETIME))
    coverage.record(hired(), rosa, "Package", terms, key="coverage")

    def counted() -> tuple[int, int]:
        with reading() as session:
            count = allowances_of(session, seen(plan).clinic, rows(Patient)[0]["id"], clock.now()).count
        states = [visit.state for visit, _mark in count.marks]
        assert State.CANCELLED_LATE not in states
        return record_page.record(hired(), rosa).late_cancellations, len(states)

    before = counted()
    late = timedelta(0) if audience is BookableBy.LINK else timedelta(minutes=1)
    standing_clock.at(following.change_until + late)
    (offered,) = make_up_times(seen(plan), audience)
    assert offered.replaces == following
    if audience is BookableBy.LINK:
        chosen(plan, offered)
    else:
        time = offered.times[0]
        take_for(
            hired(), plan.reference, offered.missed.week, FOLLOW_UP, time.starts_at, time.practitioner.slug,
            replaces=following.starts_at, key="take-0001",
        )  # fmt: skip
    (gone,) = [row for row in rows(Appointment) if row["reference"] == following.reference]
    assert gone["status"] == "cancelled" and counted() == before


def test_all_that_is_cancelled_begins_with_a_first_visit_once_it_is_chosen_anew() -> None:
    set_up(plan_clinic())
    plan = begun("weekly")
    for number, one in enumerate(acupuncture(plan)):
        statuses.cancel(hired(), one.reference, key=f"cancel-{number}-1")
    (offered,) = make_up_times(seen(plan), BookableBy.LINK)
    assert offered.missed.begins and offered.missed.week == 0
    chosen(plan, offered)
    types = {one.missed.visit_type.slug for one in make_up_times(seen(plan), BookableBy.LINK)}
    assert types == {FOLLOW_UP} and at(FIRST_DAY, 0) < acupuncture(plan)[0].starts_at


def test_the_desk_makes_the_next_visit_the_first_one_on_the_board(standing_clock: StandingClock) -> None:
    set_up(plan_clinic())
    plan = begun("weekly", standing_clock)
    following = acupuncture(plan)[0]
    change(
        hired(), following.reference, Place(visit_type=FIRST), version=following.version, reason="No first visit.",
        key="change-01",
    )  # fmt: skip
    found = seen(plan)
    assert found.firsts_due(clock.now()) == {}
    (offered,) = make_up_times(found, BookableBy.LINK)
    assert offered.missed.visit_type.slug == FOLLOW_UP
