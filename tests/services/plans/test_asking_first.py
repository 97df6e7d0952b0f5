"""Whoever changes a plan so that visits are booked or moved beyond its patient's coverage asks the payer first, and says so."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from booking import clock
from booking.errors import BeyondCoverage
from booking.models import Appointment, BookableBy, Patient, PlanEntry
from booking.scheduling.allowances.terms import Beyond, Kind, Span, Terms, Window
from booking.services.clinic import present
from booking.services.desk import coverage
from booking.services.desk.running_low import running_low
from booking.services.desk.statuses import cancel
from booking.services.plans import altering
from booking.services.plans.booking import BookedPlan
from booking.services.plans.changing import Decision, decide, pause
from booking.services.plans.extending import extend
from booking.services.plans.frequency import change_doses
from booking.services.plans.make_ups import make_up_times
from booking.services.plans.repairing import not_needed, take, take_for
from booking.services.plans.replacing import Instead
from booking.services.plans.shifting import shift
from booking.services.transaction import run
from tests.clinics import plan_clinic, plan_template, set_up
from tests.services.making import rows
from tests.services.plans.making import FIRST_DAY, patient, practitioner, prescribed, running, seen
from tests.staffing import hired

pytestmark = pytest.mark.usefixtures("standing_clock", "context")

ACUPUNCTURE, CHIROPRACTIC, DAY = "acupuncture-follow-up", "chiropractic-follow-up", timedelta(days=1)


@pytest.fixture
def plan(context: Any, standing_clock: Any) -> BookedPlan:
    """Once a week for two weeks, and for two more after a look. The second visit is given up, and the last isn't booked yet; what
    is booked is covered up to its last day, and no visit more.
    """
    weeks = {"weeks": 2, "doses": {ACUPUNCTURE: 1}}
    phases = [weeks, weeks | {"reassessed": False}]
    template = plan_template("stages", {}, phases=phases, reassessment=["acupuncture-reassessment"])
    set_up(plan_clinic(plan_templates=[template]))
    made, dana = running(prescribed(patient(), "stages")), hired()

    def not_booked_yet(session: Session) -> None:
        row = altering.running(session, dana, made.reference, None)
        last = altering.visits_to_change(session, row)[-1:]
        altering.lock_what_they_take(session, last)
        altering.give_up(session, last, altering.By.staff(dana), clock.now())

    run(not_booked_yet)
    pause(dana, made.reference, FIRST_DAY + 7 * DAY, FIRST_DAY + 13 * DAY, "Travels", key="pause-001")
    standing = seen(made).standing
    terms = Terms(
        Kind.PACKAGE, ("acupuncture",), len(standing), Window(Span.LIFETIME), beyond=Beyond.ASK,
        ends=present().times.local_date(standing[-1].starts_at),
    )  # fmt: skip
    coverage.record(dana, rows(Patient)[0]["reference"], "Package", terms, key="coverage")
    return made


def more_often(plan: BookedPlan, beyond: str, key: str) -> None:
    change_doses(hired(), plan.reference, 2, {ACUPUNCTURE: (2, 2)}, "So.", beyond=beyond, key=key)


def extended(plan: BookedPlan, beyond: str, key: str) -> None:
    extend(hired(), plan.reference, "So.", beyond=beyond, key=key)


def decided(plan: BookedPlan, beyond: str, key: str) -> None:
    decide(practitioner(), plan.reference, Decision.CONTINUE, note="So.", beyond=beyond, told=False, key=key)


def shifted(plan: BookedPlan, beyond: str, key: str) -> None:
    *_, last = seen(plan).standing
    shift(hired(), plan.reference, last.reference, last.starts_at + DAY, None, "So.", beyond=beyond, key=key)


@pytest.mark.parametrize("change", [more_often, extended, decided, shifted])
def test_what_a_change_books_beyond_the_coverage_wants_a_reason_under_the_lock_and_keeps_it(
    plan: BookedPlan, change: Callable[[BookedPlan, str, str], None]
) -> None:
    before = rows(Appointment)
    with pytest.raises(BeyondCoverage):
        change(plan, "", "change-01")
    assert rows(Appointment) == before
    change(plan, "The payer was asked.", "change-02")
    assert rows(Appointment) != before
    assert rows(PlanEntry)[-1]["why"] == "So. The payer was asked."


def test_each_make_up_time_about_which_the_payer_is_to_be_asked_is_listed_until_its_visit_is_there_or_not_needed() -> (
    None
):
    set_up(plan_clinic())
    made, dana = running(prescribed(patient())), hired()
    for visit in seen(made).standing[2:4]:
        cancel(dana, visit.reference, key=f"cancel {visit.reference}")
    for kind, number in Counter(one.visit_type.modality.slug for one in seen(made).standing).items():
        terms = Terms(Kind.PACKAGE, (kind,), number, Window(Span.LIFETIME), beyond=Beyond.ASK)
        coverage.record(dana, rows(Patient)[0]["reference"], kind, terms, key=f"coverage {kind}")
    acupuncture, chiropractic = make_up_times(seen(made), BookableBy.LINK)

    def asked(week: int, care: str, time: Instead) -> None:
        with pytest.raises(BeyondCoverage):
            take(
                made.reference, made.token, week, care, time.starts_at, time.practitioner.slug, actor="link",
                key=f"take {time.starts_at}",
            )  # fmt: skip

    def listed() -> list[datetime]:
        return sorted(wish.starts_at for one in running_low(dana) for wish in one.wished)

    first, second = chiropractic.times[:2]
    asked(0, ACUPUNCTURE, acupuncture.times[0])
    asked(0, CHIROPRACTIC, first)
    assert listed() == [acupuncture.times[0].starts_at, first.starts_at]
    asked(0, CHIROPRACTIC, second)
    assert listed() == [acupuncture.times[0].starts_at, second.starts_at], "They would rather have another."
    not_needed(dana, made.reference, 0, ACUPUNCTURE, "Is well.", key="not-needed")
    assert listed() == [second.starts_at]
    take_for(
        dana, made.reference, 0, CHIROPRACTIC, second.starts_at, second.practitioner.slug,
        beyond="The payer was asked.", key="take-it",
    )  # fmt: skip
    assert listed() == []


def test_a_make_up_time_is_listed_also_where_no_visit_counts_any_more() -> None:
    """The clinic cancelled all of them: none draws on the coverage, which is over besides."""
    set_up(plan_clinic())
    made, dana = running(prescribed(patient())), hired()
    terms = Terms(
        Kind.PACKAGE, ("acupuncture", "chiropractic"), 20, Window(Span.LIFETIME), beyond=Beyond.ASK,
        ends=FIRST_DAY,
    )  # fmt: skip
    coverage.record(dana, rows(Patient)[0]["reference"], "Package", terms, key="coverage")
    for visit in seen(made).standing:
        cancel(dana, visit.reference, key=f"cancel {visit.reference}")
    *_, lacking = make_up_times(seen(made), BookableBy.LINK)
    assert asked_first(made, lacking.missed.week, lacking.missed.care.slug, lacking.times[-1]) == [
        lacking.times[-1].starts_at
    ]


def test_a_make_up_time_is_listed_also_where_it_pushes_another_kind_of_care_beyond() -> None:
    """It has room in a package for both; the last visit hasn't then, and for that the payer is to be asked."""
    set_up(plan_clinic())
    made, dana = running(prescribed(patient())), hired()
    *_, last = seen(made).standing
    lost = next(one for one in seen(made).standing if one.care.modality != last.care.modality)
    cancel(dana, lost.reference, key="cancel")
    for name, kinds, number, beyond in (
        ("Package", ("acupuncture", "chiropractic"), len(seen(made).standing), Beyond.WARN),
        ("Plan", (last.care.modality.slug,), 0, Beyond.ASK),
    ):
        terms = Terms(Kind.PACKAGE, kinds, number, Window(Span.LIFETIME), beyond=beyond)
        coverage.record(dana, rows(Patient)[0]["reference"], name, terms, key=f"coverage {name}")
    (lacking,) = make_up_times(seen(made), BookableBy.LINK)
    time = lacking.times[0]
    assert asked_first(made, lost.week, lost.care.slug, time) == [time.starts_at]
    assert [one.pool.name for one in running_low(dana) if one.wished] == ["Plan"]


def asked_first(plan: BookedPlan, week: int, care: str, time: Instead) -> list[datetime]:
    """What the desk has on its list once a patient chose this time."""
    with pytest.raises(BeyondCoverage):
        take(
            plan.reference, plan.token, week, care, time.starts_at, time.practitioner.slug, actor="link", key="take-it",
        )  # fmt: skip
    return [wish.starts_at for one in running_low(hired()) for wish in one.wished]


def test_what_was_beyond_where_it_stands_is_moved_without(plan: BookedPlan) -> None:
    shifted(plan, "The payer was asked.", "change-01")
    *_, last = seen(plan).standing
    shift(hired(), plan.reference, last.reference, last.starts_at + DAY, None, key="change-02")
    assert seen(plan).standing[-1].starts_at == last.starts_at + DAY
