"""Plans in words: short, true, and naming what is meant."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from booking import clock
from booking.models import AbsenceKind, BookableBy
from booking.scheduling.plans.course import Course, Dose, Moved, Phase
from booking.scheduling.plans.keeping import Rule
from booking.scheduling.plans.windows import Presence, TimeWindow
from booking.scheduling.reasons import Reason, Why
from booking.scheduling.timeline import cell_at
from booking.services import absences
from booking.services.clinic import present
from booking.services.clinic_file import ClinicFile
from booking.services.plans.choosing import VisitWish
from booking.services.plans.impossible import Impossible, Lack, Relaxation, WeekReason
from booking.services.plans.proposing import Bent, Proposal, Proposals, ProposedVisit, propose
from booking.services.plans.wanted import Besides, PlanWanted
from booking.services.transaction import run
from booking.web import course_words, plan_none_words, plan_words, series_words
from tests.clinics import plan_clinic, set_up
from tests.services.plans.making import BOTH, FIRST_DAY, at

pytestmark = [pytest.mark.clinic(plan_clinic()), pytest.mark.usefixtures("context")]

TUE, WED, THU, SAT = 1, 2, 3, 5


def wanted(template: str = "weekly", **how: Any) -> PlanWanted:
    course = present().plan_template(template).course
    return PlanWanted(**{"course": course, "first_day": FIRST_DAY, "returning": BOTH} | how)


def windows(*stretches: tuple[set[int], int, int]) -> Presence:
    return Presence(tuple(TimeWindow(frozenset(days), opens, closes) for days, opens, closes in stretches))


def title(found: Proposals) -> str:
    return plan_words.title(found, found.proposals[0])


@pytest.mark.parametrize(
    ("words", "joined"),
    [
        ([], ""),
        (["Mon"], "Mon"),
        (["Mon", "Wed"], "Mon and Wed"),
        (["Mon", "Wed", "Fri"], "Mon, Wed and Fri"),
    ],
)
def test_a_list_reads_as_people_say_it(words: list[str], joined: str) -> None:
    assert plan_words.list_of(words) == joined


# Titles


def test_a_title_says_when_one_comes_and_to_whom() -> None:
    presence = windows(({TUE, THU}, 16 * 60, 17 * 60), ({SAT}, 8 * 60, 9 * 60))
    disc = wanted("disc", presence=presence, only={"acupuncture": ("mei",)})
    acupuncture = replace(
        disc.course,
        phases=(replace(disc.course.phases[0], doses=disc.course.phases[0].doses[:1]),),
        reassessment=(),
    )
    found = propose(replace(disc, course=acupuncture))
    assert title(found) == "Tue and Thu 4:00 pm, Sat 8:00 am with Mei Tanaka"


def test_two_visits_of_one_trip_are_named_by_the_first() -> None:
    found = propose(wanted("disc-gentle", presence=windows(({TUE, THU}, 9 * 60, 10 * 60 + 30))))
    assert title(found).endswith(" with Mei Tanaka and Aaron Feld")
    assert title(found).startswith("Tue and Thu 9:00 am")


def test_two_trips_of_one_day_are_both_named() -> None:
    apart = windows(({TUE}, 9 * 60, 9 * 60 + 50), ({TUE}, 14 * 60, 14 * 60 + 20))
    one_each = {
        "phases": [{"weeks": 4, "doses": {"acupuncture-follow-up": [1, 1], "chiropractic-follow-up": [1, 1]}}]
    }
    course = type(wanted().course).of(one_each)
    assert (
        title(propose(wanted(course=course, presence=apart)))
        == "Tue 9:00 am and 2:00 pm with Mei Tanaka and Aaron Feld"
    )


def test_a_plan_without_regular_times_is_named_by_its_days() -> None:
    found = propose(wanted())
    varying = replace(found.proposals[0], regular=())
    assert plan_words.title(found, varying) == "6 visits from Mon, Sep 21 to Mon, Oct 26 with Mei Tanaka"


def test_what_holds_for_most_visits_only_is_said_to_be_mostly_so() -> None:
    found = propose(wanted())
    first = found.proposals[0]
    moved = tuple(
        replace(visit, cell=visit.cell + 12) if number < 2 else visit
        for number, visit in enumerate(first.visits)
    )
    assert plan_words.title(found, replace(first, visits=moved)) == "Mostly Mon 9:00 am with Mei Tanaka"
    one_moved = (*moved[:1], *first.visits[1:])
    assert plan_words.title(found, replace(first, visits=one_moved)) == "Mon 9:00 am with Mei Tanaka"


# What one is good for, among others


def with_visits(proposal: Proposal, *, days: int = 0, minutes: int = 0, **how: Any) -> Proposal:
    """The same so much later, by `other-times`."""
    moved = tuple(replace(one, cell=one.cell + days * 288 + minutes // 5, **how) for one in proposal.visits)
    regular = tuple(one._replace(weekday=one.weekday + days) for one in proposal.regular)
    return replace(proposal, measure="other-times", visits=moved, regular=regular)


def test_one_that_only_lies_elsewhere_is_named_by_what_is_other() -> None:
    found = propose(wanted())
    first = found.proposals[0]
    lin = found.clinic.practitioner("lin")
    for other, words in (
        (with_visits(first, days=2, minutes=120), "Wed instead of Mon."),
        (with_visits(first, minutes=120), "Later in the day."),
        (with_visits(first, minutes=-120), "Earlier in the day."),
        (with_visits(first, minutes=30), "Later in the day."),
        (with_visits(first, minutes=5, practitioner=lin), f"With {lin.name}."),
        (with_visits(first, minutes=5), "Many visits are at another time of the same days, or with somebody else."),
    ):  # fmt: skip
        assert plan_words.good_for(replace(found, proposals=(first, other)), other) == words
    both_days = replace(
        first, measure="other-times", regular=(*first.regular, first.regular[0]._replace(weekday=4))
    )
    assert plan_words.good_for(replace(found, proposals=(first, both_days)), both_days) == "Also on Fri."
    twice = replace(first, regular=both_days.regular)
    fewer = replace(first, measure="other-times")
    assert plan_words.good_for(replace(found, proposals=(twice, fewer)), fewer) == "Not on Fri."


def test_a_day_on_which_one_comes_all_the_same_is_not_said_to_be_left_out() -> None:
    found = propose(wanted())
    first = found.proposals[0]
    friday = replace(first.visits[1], cell=first.visits[1].cell + 4 * 288)
    all_weeks = replace(
        with_visits(first, days=4), visits=(*first.visits, *with_visits(first, days=4).visits),
        regular=(*first.regular, first.regular[0]._replace(weekday=4)),
    )  # fmt: skip
    once = replace(first, measure="other-times", visits=(first.visits[0], friday, *first.visits[2:]))
    assert "Fri" not in plan_words.good_for(replace(found, proposals=(all_weeks, once)), once)
    assert "Fri" not in plan_words.good_for(replace(found, proposals=(once, all_weeks)), all_weeks)


def test_a_long_wait_between_two_visits_of_a_day_is_said() -> None:
    apart = windows(({TUE, THU}, 9 * 60, 9 * 60 + 50), ({TUE, THU}, 11 * 60, 11 * 60 + 30))
    found = propose(wanted("disc-gentle", presence=apart))
    visits = found.proposals[0].visits
    before, after = visits[:2]
    minutes = (after.starts_at - before.ends_at) // timedelta(minutes=1)
    assert minutes > 60, "They come in two ways on one day."
    said = plan_words.waits(found.clinic, found.wanted.course, visits)
    hour = f"Then 1 hour {minutes - 60} minutes until the next visit"
    assert said[1] == hour and 2 not in said
    near = (before, replace(after, cell=before.to_cell + 3), *visits[2:])
    assert 1 not in plan_words.waits(found.clinic, found.wanted.course, near)
    unpaired = replace(found.wanted.course, pairing=None)
    assert plan_words.waits(found.clinic, unpaired, visits) == {}


# What is bent

WEDNESDAY = date(2026, 10, 7)


def bent(hour: int, minute: int = 0, *, on: date = WEDNESDAY, who: str = "mei", **how: Any) -> str | None:
    """The words of a visit in week 3 that should be on Wednesday at 9:15 with Mei."""
    clinic = present()
    visit_type = clinic.visit_type("acupuncture-follow-up")
    cell = cell_at(at(on, hour, minute))
    usual = {
        "day": WEDNESDAY,
        "minute": 9 * 60 + 15,
        "practitioner": clinic.practitioner("mei"),
        "why": Reason(Why.AWAY, until=date(2026, 10, 8)),
    }
    visit = ProposedVisit(
        visit_type=visit_type, care=visit_type.slug, role="dose", practitioner=clinic.practitioner(who), cell=cell,  # type: ignore[arg-type]
        to_cell=cell + 10, week=2, room_kind="treatment", penciled=False, bent=Bent(**usual | how),
    )  # fmt: skip
    return plan_words.bent(clinic, visit)


def test_a_visit_at_its_regular_time_has_nothing_to_say() -> None:
    visit = propose(wanted()).proposals[0].visits[0]
    assert visit.bent is None and plan_words.bent(present(), visit) is None


def test_a_bent_visit_says_what_is_other_and_why() -> None:
    assert bent(10) == "Week 3, Wednesday 10:00 am instead of 9:15 am: Mei Tanaka is away."
    assert bent(10, on=date(2026, 10, 8)) == (
        "Week 3, Thursday 10:00 am instead of Wednesday 9:15 am: Mei Tanaka is away."
    )
    assert bent(9, 15, who="dan") == (
        "Week 3, Wednesday 9:15 am with Daniel Okafor instead of Mei Tanaka: Mei Tanaka is away."
    )
    assert bent(10, who="dan") == (
        "Week 3, Wednesday 10:00 am with Daniel Okafor instead of 9:15 am with Mei Tanaka: Mei Tanaka is away."
    )


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"cannot_come": True}, "that is outside the chosen times."),
        ({"why": None}, "so all visits fit together best."),
        *(({"why": Reason(why)}, None) for why in Why),
    ],
)
def test_each_reason_ends_a_sentence(how: dict[str, Any], why: str | None) -> None:
    said = bent(10, **how)
    assert said is not None and said.startswith("Week 3, Wednesday 10:00 am instead of 9:15 am: ")
    assert said.endswith(why or ".") and "%" not in said


def test_the_words_of_a_visit_that_the_finder_bent() -> None:
    """Mei is away once on each of the two days on which the patient can come."""
    mei = present().practitioner("mei").id
    for day in (FIRST_DAY + timedelta(days=15), FIRST_DAY + timedelta(days=25)):
        cells = cell_at(at(day, 8)), cell_at(at(day, 20))
        run(lambda session, cells=cells: absences.enter(session, AbsenceKind.TIME_OFF, mei, *cells))  # type: ignore[misc]
    once = windows(({TUE, 4}, 15 * 60, 15 * 60 + 50))
    first = propose(wanted(only={"acupuncture": ("mei",)}, presence=once)).proposals[0]
    said = [words for visit in first.visits if (words := plan_words.bent(present(), visit))]
    assert said in (
        ["Week 3, Friday 3:00 pm instead of Tuesday 3:00 pm: Mei Tanaka is away."],
        ["Week 4, Tuesday 3:00 pm instead of Friday 3:00 pm: Mei Tanaka is away."],
    )


def test_each_visit_that_the_title_leaves_out_is_named_bent_or_besides() -> None:
    found = propose(wanted())
    first = found.proposals[0]
    assert plan_words.different(found.clinic, first) == []
    friday = replace(first.visits[1], cell=first.visits[1].cell + 4 * 288)
    (regular,) = first.regular
    was = Bent(FIRST_DAY + timedelta(days=7), regular.minute, regular.practitioner, Reason(Why.CLOSED))
    besides = ["Week 2, also Friday 9:00 am."]
    assert plan_words.different(found.clinic, replace(first, visits=(*first.visits, friday))) == besides
    assert plan_words.different(
        found.clinic, replace(first, visits=(first.visits[0], replace(friday, bent=was), *first.visits[2:]))
    ) == ["Week 2, Friday 9:00 am instead of Monday 9:00 am: Mei Tanaka isn't here then."]
    # What is said to be mostly so isn't all named.
    mostly = replace(first, visits=(*first.visits, *(friday for _ in range(3))))
    assert plan_words.is_mostly(found.clinic, mostly)
    assert plan_words.different(found.clinic, mostly) == []


# Why there is none, and what would help


def why(
    lack: Lack | None, *, days: int = 1, needs: int = 3, engine: Any = (), besides: Any = (), **how: Any
) -> list[str]:
    care = present().visit_type("acupuncture-follow-up")
    found = Impossible(2, (WeekReason(care, lack, days, needs, engine, besides),), ())
    return [said.message for said in plan_none_words.reasons(present(), wanted(**how), found)]


def test_why_there_is_none_names_the_week_and_the_kind_of_care() -> None:
    assert why(Lack.WINDOWS) == ["Acupuncture in week 3: the chosen times fit on 1 day, and it takes 3."]
    assert why(Lack.WINDOWS, days=0) == [
        "Acupuncture in week 3: the chosen times fit on no day, and it takes 3."
    ]
    assert why(Lack.REST_DAYS) == [
        "Acupuncture in week 3: the times are too near each other; a free day has to lie between two visits."
    ]
    visit = Besides(date(2026, 12, 10), present().visit_type("acupuncture-first"))
    assert why(Lack.ELSEWHERE, besides=(visit,)) == [
        "Acupuncture in week 3: too near to what is booked already. You have Acupuncture-First on Thu, Dec 10; "
        "a free day has to lie between two of these visits."
    ]
    # Where it is one reason of several; and as staff read it.
    assert why(Lack.WINDOWS, besides=(visit,), audience=BookableBy.STAFF)[1:] == [
        "Outside the plan they have Acupuncture-First on Thu, Dec 10; "
        "a free day has to lie between two of these visits."
    ]
    assert why(Lack.TOGETHER) == ["Acupuncture has times in week 3, but not all together."]
    assert why(Lack.BEYOND_HORIZON) == ["A plan that begins so late can't be booked yet."]


def test_two_kinds_of_care_that_dont_go_together_are_one_reason() -> None:
    clinic = present()
    found = Impossible(
        0,
        tuple(
            WeekReason(clinic.visit_type(name), Lack.TOGETHER, 0, 2)
            for name in ("acupuncture-follow-up", "chiropractic-follow-up")
        ),
        (),
    )
    (said,) = plan_none_words.reasons(clinic, wanted("disc"), found)
    assert said == ("together", "Acupuncture and chiropractic each have times in week 1, but not together.")


def test_whoever_is_away_is_named_and_the_rest_in_general() -> None:
    mei = present().practitioner("mei")
    away = (Reason(Why.AWAY, until=date(2026, 10, 12)), mei)
    rooms = (Reason(Why.NO_ROOM), None)
    assert why(None, engine=(away, rooms)) == [
        "Acupuncture in week 3: there are times on 1 day, and it takes 3.",
        "Mei Tanaka is away until Monday, October 12.",
        "On the other days all our rooms are taken.",
    ]
    # Where the windows are in the way, other times of the same days would do.
    assert why(Lack.WINDOWS, engine=(away, rooms))[1:] == ["Mei Tanaka is away until Monday, October 12."]
    for one in Why:
        assert all(
            "%" not in said and said.endswith(".") for said in why(None, engine=((Reason(one), None),))
        )


@pytest.mark.parametrize(
    ("kind", "facts", "words"),
    [
        ("window", {"weekday": WED, "opens": 0, "closes": 720}, "Come on Wednesday mornings as well."),
        (
            "window",
            {"weekday": WED, "opens": 720, "closes": 1440},
            "Come on Wednesday afternoons or evenings as well.",
        ),
        (
            "window",
            {"weekday": TUE, "opens": 0, "closes": 720},
            "Come on Tuesday at any time of the morning.",
        ),
        ("any_time", {}, "Leave the times open, and choose among what is found."),
        (
            "practitioners",
            {"modality": "acupuncture"},
            "Have acupuncture with anyone, not only with Mei Tanaka.",
        ),
        ("start", {"day": date(2026, 12, 3)}, "Start on Thursday, December 3."),
        (
            "start",
            {"day": date(2026, 12, 3), "any_time": True},
            "Start on Thursday, December 3. Leave the times open as well.",
        ),
        ("besides", {}, "Move the visits outside the plan to days on which they aren't in the way."),
        ("besides", {"on": date(2026, 12, 10)}, "Move Acupuncture-Follow-Up of Thu, Dec 10 to another day."),
        (
            "fewer",
            {"week": 2, "visits": 2},
            "Have acupuncture only 2 times in week 3. Please ask us about it.",
        ),
        ("fewer", {"week": 2, "visits": 1}, "Have acupuncture once in week 3. Please ask us about it."),
        ("fewer", {"week": 2, "visits": 0}, "Leave out acupuncture in week 3. Please ask us about it."),
    ],
)
def test_what_would_help_is_something_to_do(kind: str, facts: dict[str, Any], words: str) -> None:
    clinic = present()
    if kind in ("fewer", "besides"):
        facts = facts | {"care": clinic.visit_type("acupuncture-follow-up")}
    asked = wanted(only={"acupuncture": ("mei",)}, presence=windows(({TUE}, 9 * 60, 10 * 60)))
    assert plan_none_words.relaxation(clinic, asked, Relaxation(kind, facts)) == words
    at_the_desk = plan_none_words.relaxation(
        clinic, replace(asked, audience=BookableBy.STAFF), Relaxation(kind, facts)
    )
    assert at_the_desk == words.removesuffix(" Please ask us about it.")


def test_whoever_has_left_is_named_still() -> None:
    definition = plan_clinic().model_dump(mode="json")
    definition["practitioners"] = [one for one in definition["practitioners"] if one["id"] != "dan"]
    set_up(ClinicFile.model_validate(definition))
    anyone = Relaxation("practitioners", {"modality": "acupuncture"})
    said = plan_none_words.relaxation(present(), wanted(only={"acupuncture": ("dan",)}), anyone)
    assert said.startswith("Have acupuncture with anyone, not only with Dan")


def test_how_long_one_waits_between_two_visits_is_said_where_that_isnt_one_trip() -> None:
    clinic = present()
    first = VisitWish("acupuncture-follow-up", "mei", at(FIRST_DAY, 9))
    soon, later = (
        VisitWish("chiropractic-follow-up", "aaron", at(FIRST_DAY, *start)) for start in ((10,), (11, 20))
    )
    assert series_words.way(clinic, (first, soon)) == [
        series_words.visit(clinic, first),
        series_words.visit(clinic, soon),
    ]
    assert series_words.way(clinic, (first, later))[1] == "Then 1 hour 30 minutes until the next visit"


# What holds for all proposals


def test_weeks_beyond_the_horizon_are_said_to_follow() -> None:
    today = present().times.local_date(clock.now())
    found = propose(wanted(first_day=today + timedelta(days=100)))
    assert plan_words.notes(found) == [
        ("horizon", "Only the first 3 weeks of 6 can be booked yet; the others follow later.")
    ]


def test_what_the_search_left_open_is_said_and_what_it_didnt_isnt() -> None:
    found = propose(wanted())
    assert plan_words.notes(found) == []
    first = replace(found.proposals[0], cost=200, bound=190, looked_at=False)
    codes = {said.code: said.message for said in plan_words.notes(replace(found, proposals=(first,)))}
    assert set(codes) == {"stopped_early", "no_reassessment"}
    assert "up to 5 % better" in codes["stopped_early"]
    first = replace(found.proposals[0], stopped=True)
    assert plan_words.notes(replace(found, proposals=(first,))) == [
        ("stopped_early", "The search ended early: there may be other plans to choose from.")
    ]


def test_each_broken_rule_has_words() -> None:
    for rule in Rule:
        said = plan_words.broken(present(), {"rule": rule.value, "week": 2, "care": "acupuncture-follow-up"})
        assert said.startswith("Week 2, acupuncture: ") and said.endswith(".")
    assert plan_words.broken(present(), {"rule": "trips", "week": 1, "care": ""}) == "Week 1: too many trips."


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (3, "(3 visits were moved there from earlier weeks)"),
        (2, "(2 visits were moved there from earlier weeks)"),
        (1, "(1 visit was moved there from an earlier week)"),
    ],
)
def test_what_was_moved_is_named_as_far_as_it_is_still_prescribed_there(left: int, words: str) -> None:
    care = "acupuncture-follow-up"
    phases = (Phase(4, (Dose(care, 3, 3),)), Phase(1, (Dose(care, left, left),)))
    course = Course(phases, {}, moved=(Moved(2, care, 3, 4),))
    assert course_words.prescribed(present(), course).endswith(words)


@pytest.mark.parametrize(
    ("care", "words"),
    [
        ("acupuncture-reassessment", "After the last week, acupuncture: somebody looks again"),
        ("", "After the last week: somebody looks again"),
    ],
)
def test_what_lies_after_the_last_week_is_in_no_week(care: str, words: str) -> None:
    fault = {"rule": Rule.REASSESSMENT_PLACE.value, "week": 5, "care": care}
    assert plan_words.broken(present(), fault, 4).startswith(words)
    assert plan_words.broken(present(), fault, 5).startswith("Week 5")
