"""A series: its dates looked at one by one, what can't be with what takes its place, booked whole; and two kinds of care in one
go.
"""

from datetime import time, timedelta
from time import perf_counter
from typing import Any

import pytest

from booking.errors import BeyondCoverage, TooManyVisits, VisitsTaken
from booking.models import (
    AbsenceKind,
    Appointment,
    BookableBy,
    Message,
    Patient,
    Payment,
    Plan,
    PlanReminders,
    Reminders,
    Task,
    TaskKind,
)
from booking.scheduling.allowances.terms import Authorisation, Beyond, Kind, Span, Terms, Window
from booking.scheduling.reasons import Why
from booking.scheduling.timeline import cell_at
from booking.services import absences, links
from booking.services.clinic import present
from booking.services.clinic_file import ClinicFile
from booking.services.desk import coverage
from booking.services.plans import adherence, same_day, series_booking
from booking.services.plans.booking import BookedPlan
from booking.services.plans.choosing import VisitWish
from booking.services.plans.reading import notes, opened
from booking.services.plans.series import MOST_VISITS, MOST_WEEKS, Preview, Series, Slot
from booking.services.rescheduling import reschedule
from booking.services.staff.who import Who
from booking.services.transaction import run
from tests.clinics import plan_clinic, set_up
from tests.services.making import NINE, booked, rows
from tests.services.plans.making import BOTH, FIRST_DAY, at, patient, prescribed, running
from tests.staffing import hired

pytestmark = pytest.mark.usefixtures("standing_clock", "context")

TUE, THU = 1, 3


@pytest.fixture(autouse=True)
def _clinic(context: Any) -> None:
    set_up(plan_clinic())


def series(*slots: Slot, weeks: int = 4, **how: Any) -> Series:
    return Series(
        slots or (Slot("acupuncture-follow-up", TUE, 9 * 60), Slot("acupuncture-follow-up", THU, 16 * 60)),
        FIRST_DAY,
        weeks,
        **how,
    )


def looked_at(who: Who, of: str, wanted: Series, returning: frozenset[str] = BOTH) -> Preview:
    return series_booking.preview_for(who, of, wanted, returning)


def whole(
    who: Who, of: str, wanted: Series, visits: tuple[VisitWish, ...], key: str = "series-1", **how: Any
) -> BookedPlan:
    return series_booking.book_for(
        who, of, wanted, visits, name="Several visits", returning=BOTH, reminders=Reminders.EMAIL,
        text_consent=False, reminded_of=PlanReminders.BOTH, key=key, **how,
    )  # fmt: skip


def test_dates_too_near_a_plans_visits_say_so_and_none_is_offered_in_a_place(context: Any) -> None:
    rosa, zone = patient(), present().zone
    plan = running(prescribed(rosa, "weekly"))
    days = [one.starts_at.astimezone(zone).date() for one in opened(hired(), plan.reference).standing]
    near = {day + timedelta(days=apart) for day in days for apart in (-1, 0, 1)}
    weekday = (days[0].weekday() + 1) % 7
    wanted = series(
        Slot("acupuncture-follow-up", weekday, 10 * 60), Slot("chiropractic-follow-up", weekday, 14 * 60)
    )
    found = looked_at(hired(), rosa, wanted)
    assert [one.near_plan for one in found.dates] == [one.slot.minute == 10 * 60 for one in found.dates]
    assert all(one.visit for one in found.dates)
    # At seven the clinic is closed, and other times are looked for.
    closed = looked_at(hired(), rosa, series(Slot("acupuncture-follow-up", weekday, 7 * 60)))
    offered = {free.starts_at.astimezone(zone).date() for one in closed.dates for free in one.instead}
    assert closed.visits == () and offered and not offered & near


def test_where_the_payer_is_to_be_asked_first_staff_say_why_they_book_a_series() -> None:
    who, rosa = hired(), patient()
    terms = Terms(Kind.INSURANCE, ("acupuncture",), 7, Window(Span.CALENDAR_YEAR), beyond=Beyond.ASK)
    coverage.record(who, rosa, "Blue Shield", terms, key="coverage")
    found = looked_at(who, rosa, series())
    assert [one.beyond for one in found.dates] == [False] * 7 + [True]
    with pytest.raises(BeyondCoverage):
        whole(who, rosa, series(), found.visits)
    made = whole(who, rosa, series(), found.visits, key="series-2", beyond="The payer was asked.")
    assert [note.why for note in notes(who, made.reference)] == ["The payer was asked."]


def test_a_series_is_one_booking_with_one_person_and_one_confirmation() -> None:
    who, rosa = hired(), patient()
    found = looked_at(who, rosa, series())
    assert len(found.dates) == 8 and not found.clashes
    assert len({one.practitioner for one in found.visits}) == 1
    made = whole(who, rosa, series(), found.visits)
    assert whole(who, rosa, series(), found.visits) == made
    plan, kinds = opened(who, made.reference), [row["kind"] for row in rows(Message)]
    assert plan.is_series and len(plan.standing) == 8 and not any(one.penciled for one in plan.visits)
    assert (
        kinds.count("plan-confirmation") == 1
        and "reminder-3d" not in kinds
        and kinds.count("reminder-1d") == 8
    )
    # It asks for nothing, so nothing of it is short, and nobody has to look at it.
    assert not any(week.left for week in plan.weeks) and not adherence.adherence(who).rows


def test_a_date_that_cant_be_has_its_reason_and_times_in_its_place() -> None:
    who, rosa = hired(), patient()
    away = FIRST_DAY + timedelta(days=8)
    booked(at(away, 8 + 1), visit_type="acupuncture-first", practitioner="mei", email="other@example.com")
    wanted = series(Slot("acupuncture-follow-up", TUE, 9 * 60, "mei"), weeks=3)
    found = looked_at(who, rosa, wanted)
    (clash,) = found.clashes
    assert (clash.on, clash.slot.wall, clash.why and clash.why.why) == (away, time(9), Why.FULLY_BOOKED)
    # The same day with her, the same time with somebody else, another day.
    assert {(one.day - 8, one.practitioner.slug) for one in clash.instead} == {
        (-1, "mei"),
        (0, "mei"),
        (0, "dan"),
    }
    assert at(away, 9) in {one.starts_at for one in clash.instead if one.practitioner.slug == "dan"}
    other = clash.instead[0]
    visits = (*found.visits, VisitWish("acupuncture-follow-up", other.practitioner.slug, other.starts_at))
    assert len(whole(who, rosa, wanted, visits).visits) == 3
    ana = patient("Ana", "ana@example.com")
    # Two dates aren't offered the same day, and none a day that is nearer to another date.
    twice = series(
        Slot("acupuncture-follow-up", TUE, 9 * 60), Slot("acupuncture-follow-up", THU, 9 * 60), weeks=2
    )
    for who_else in ("mei", "dan"):
        for day in (away, away + timedelta(days=2)):
            run(
                lambda session, who=who_else, day=day: absences.enter(  # type: ignore[misc]
                    session,
                    AbsenceKind.TIME_OFF,
                    present().practitioner(who).id,
                    cell_at(at(day, 9)),
                    cell_at(at(day, 10)),
                )
            )
    tuesday, thursday = (
        {one.day - 8 for one in clash.instead} for clash in looked_at(who, ana, twice).clashes
    )
    assert tuesday == {-1, 0, 1} and thursday == {2, 3, 4}


def test_what_the_longest_series_can_have_is_said_at_once() -> None:
    """The finder of plans took minutes for it: each week more doubled them."""
    began = perf_counter()
    slots = Slot("acupuncture-follow-up", TUE, 9 * 60), Slot("chiropractic-follow-up", TUE, 10 * 60)
    found = looked_at(hired(), patient(), series(*slots, weeks=MOST_WEEKS))
    assert len(found.visits) == 2 * MOST_WEEKS and len({one.practitioner for one in found.visits}) == 2
    set_up(plan_clinic(rules={"limits": [{"scope": "patient", "per": "week", "visits": 2}]}))
    days = [Slot("acupuncture-follow-up", day, 9 * 60) for day in range(4)]
    found = looked_at(hired(), patient("Ana", "ana@example.com"), series(*days, weeks=10))
    assert len(found.dates) == MOST_VISITS and len(found.visits) == 20
    assert not any(one.instead for one in found.clashes), "the week has its two"
    assert perf_counter() - began < 10


def test_with_whom_is_as_few_as_can_be_and_nobody_in_two_places() -> None:
    """Mei gives both kinds, and no two visits without a pause: her needles are another's where nobody else adjusts."""
    definition = plan_clinic().model_dump(mode="json")
    for one in definition["visit_types"]:
        if one["id"] == "acupuncture-follow-up":
            one["pause_after_minutes"] = 10
    people = {one["id"]: one for one in definition["practitioners"]}
    people["mei"]["offers"] += [one for one in people["lin"]["offers"] if "follow-up" in str(one)]
    definition["practitioners"] = [people["mei"], people["dan"]]
    set_up(ClinicFile.model_validate(definition))
    slots = Slot("acupuncture-follow-up", TUE, 9 * 60), Slot("chiropractic-follow-up", TUE, 9 * 60 + 50)
    found = looked_at(hired(), patient(), series(*slots))
    assert [one.practitioner for one in found.visits] == ["dan", "mei"] * 4
    # Who has the most dates has all they can; the others are one person's.
    for day in (8, 15):
        booked(
            at(FIRST_DAY + timedelta(days=day), 16), visit_type="acupuncture-follow-up", practitioner="mei",
            email=f"ana{day}@example.com",
        )  # fmt: skip
    alone = looked_at(hired(), patient("Ana", "ana@example.com"), series(slots[0]._replace(minute=16 * 60)))
    assert [one.practitioner for one in alone.visits] == ["dan"] * 4
    booked(
        at(FIRST_DAY + timedelta(days=1), 16),
        visit_type="acupuncture-follow-up",
        practitioner="dan",
        email="a@b.example",
    )
    alone = looked_at(hired(), patient("Eva", "eva@example.com"), series(slots[0]._replace(minute=16 * 60)))
    assert [one.practitioner for one in alone.visits] == ["mei", "dan", "dan", "dan"]


def test_what_was_lost_meanwhile_is_named_and_nothing_is_booked() -> None:
    who, rosa = hired(), patient()
    wanted = series(Slot("acupuncture-follow-up", TUE, 9 * 60, "mei"))
    visits = looked_at(who, rosa, wanted).visits
    booked(visits[1].starts_at, visit_type="acupuncture-first", practitioner="mei", email="other@example.com")
    with pytest.raises(VisitsTaken) as refused:
        whole(who, rosa, wanted, visits)
    (lost,) = refused.value.facts["lost"]
    assert lost["practitioner"] == "mei" and lost["replacements"]
    assert not rows(Plan) and len(rows(Appointment)) == 1


def test_somebody_new_begins_with_a_first_visit_and_what_is_too_far_ahead_is_said() -> None:
    who, rosa = hired(), patient()
    tuesdays, wednesdays = (
        looked_at(
            who, rosa, series(Slot("acupuncture-follow-up", day, 9 * 60), weeks=17, every=4), frozenset()
        )
        for day in (TUE, TUE + 1)
    )
    assert [one.visit_type.slug for one in tuesdays.dates][:2] == [
        "acupuncture-first",
        "acupuncture-follow-up",
    ]
    assert tuesdays.dates[0].begins and not tuesdays.dates[1].begins
    # To the very day, which is a Tuesday.
    assert not tuesdays.clashes
    assert [one.why.why for one in wednesdays.clashes if one.why] == [Why.BEYOND_HORIZON]


def test_a_patient_comes_again_by_the_link_of_a_visit_as_far_as_single_visits_go() -> None:
    made = booked(NINE, visit_type="acupuncture-first", practitioner="mei", email="rosa@example.com")
    found = series_booking.again(made.reference, made.token)
    assert (found.care.slug, found.practitioner, found.most) == ("acupuncture-follow-up", "mei", 5)

    def again(weeks: int, key: str) -> BookedPlan:
        series = found.series(weeks)
        visits = series_booking.preview_again(found, series, visitor=None).visits
        return series_booking.book_again(
            found,
            series,
            visits,
            name="Several visits",
            policy_version="1",
            visitor=None,
            actor="link",
            key=key,
        )

    with pytest.raises(TooManyVisits):
        again(6, "six-more")
    assert len(again(5, "five-more").visits) == 5
    (plan,) = rows(Plan)
    assert (plan["made_by"], plan["by_themselves"], plan["email"]) == ("patient", False, "rosa@example.com")
    assert series_booking.again(made.reference, made.token).most == 0
    assert not any(row["penciled"] for row in rows(Appointment))
    (of_series, *_) = [row for row in rows(Appointment) if row["plan_id"]]
    assert of_series["patient_id"] == plan["patient_id"]


def test_what_comes_again_every_week_is_paid_as_its_visit_is_and_owes_what_that_owes() -> None:
    made = booked(NINE, visit_type="acupuncture-first", practitioner="mei", payment=Payment.SELF)
    found = series_booking.again(made.reference, made.token)
    weeks = found.series(2)
    visits = series_booking.preview_again(found, weeks, visitor=None).visits
    series_booking.book_again(
        found, weeks, visits, name="", policy_version="1", visitor=None, actor="link", key="again-01"
    )
    of_series = [row for row in rows(Appointment) if row["plan_id"]]
    assert [row["payment"] for row in of_series] == [Payment.SELF] * 2
    owed = {row["appointment_id"] for row in rows(Task) if row["kind"] == TaskKind.ESTIMATE}
    assert of_series[0]["id"] in owed


@pytest.mark.parametrize("email", ["stranger@example.org", "rosa@example.com"])
def test_by_the_link_of_a_visit_nothing_is_said_of_its_patients_coverage_or_other_visits(email: str) -> None:
    """Rosa's name and number are known to more than her."""
    rosa = patient()
    covered = Terms(Kind.PACKAGE, ("acupuncture",), 0, Window(Span.LIFETIME), beyond=Beyond.ASK)
    coverage.record(hired(), rosa, "Ten visits", covered, key="coverage-1")
    booked(
        NINE + timedelta(days=7), visit_type="chiropractic-first", practitioner="aaron", phone="+18185550123"
    )
    made = booked(NINE, visit_type="acupuncture-first", practitioner="mei", phone="+18185550123", email=email)
    assert len(rows(Patient)) == 1
    found = series_booking.again(made.reference, made.token)
    seen = series_booking.preview_again(found, found.series(2), visitor=None)
    assert [(one.visit is not None, one.beyond) for one in seen.dates] == [(True, False)] * 2

    def again(*visits: VisitWish) -> BookedPlan:
        return series_booking.book_again(
            found,
            found.series(2),
            visits,
            name="",
            policy_version="1",
            visitor=None,
            actor="link",
            key=f"again-{len(visits)}",
        )

    # As when booking, they hear that it is taken.
    with pytest.raises(VisitsTaken):
        again(*seen.visits)
    assert len(again(seen.visits[1]).visits) == 1


def test_nor_is_anything_said_of_it_where_a_visit_of_such_a_series_is_moved() -> None:
    made = booked(NINE, visit_type="acupuncture-first", practitioner="mei", email="rosa@example.com")
    found = series_booking.again(made.reference, made.token)
    (one,) = series_booking.preview_again(found, found.series(1), visitor=None).visits
    of_series = series_booking.book_again(
        found, found.series(1), [one], name="", policy_version="1", visitor=None, actor="link", key="again-01"
    )
    on = present().times.local_date(one.starts_at)
    until = Authorisation(begins=on - timedelta(days=60), ends=on, count=20)
    terms = Terms(
        Kind.INSURANCE, ("acupuncture",), None, Window(Span.CALENDAR_YEAR), free=0, authorisations=(until,), beyond=Beyond.ASK
    )  # fmt: skip
    coverage.record(hired(), rows(Patient)[0]["reference"], "Blue Shield", terms, key="coverage")
    (visit,) = of_series.visits
    there, token = one.starts_at + timedelta(days=1), links.token(visit["reference"], visit["link_number"])
    reschedule(visit["reference"], token, there, "mei", actor="link", key="moved-01")
    assert [seen.starts_at for seen in opened(hired(), of_series.reference).standing] == [there]


def test_two_kinds_of_care_are_found_one_after_the_other_on_each_day() -> None:
    days = same_day.days_with_both(
        ("acupuncture-follow-up", "chiropractic-follow-up"),
        FIRST_DAY,
        audience=BookableBy.PATIENTS,
        visitor=None,
        most=2,
    )
    assert [one.on for one in days] == [FIRST_DAY, FIRST_DAY + timedelta(days=1)]
    zone = present().zone
    for day in days:
        assert len(day.ways) >= 3
        for way in day.ways:
            assert {one.visit_type for one in way} == {"acupuncture-follow-up", "chiropractic-follow-up"}
            assert {one.starts_at.astimezone(zone).date() for one in way} == {day.on}
