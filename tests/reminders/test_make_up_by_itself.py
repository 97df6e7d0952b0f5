"""Where the clinic's file says so, times that make up for a missed visit are sent by themselves: once, and not in vain."""

from datetime import timedelta
from typing import Any

import pytest

from booking.models import BookableBy, Patient, PlanEntry, Reminders
from booking.scheduling.allowances.terms import Beyond, Kind, Span, Terms, Window
from booking.services import links as visit_links, visits
from booking.services.desk import statuses, undoing
from booking.services.desk.coverage import record
from booking.services.plans import offering
from booking.services.plans.booking import BookedPlan
from booking.services.plans.changing import cancel_from
from booking.services.plans.make_ups import make_up_times
from booking.services.plans.repairing import offer, take
from tests.clinics import plan_clinic, set_up
from tests.conftest import StandingClock
from tests.reminders.conftest import drain, message
from tests.reminders.sink import Sink
from tests.services.making import rows
from tests.services.plans.making import patient, prescribed, running, seen
from tests.staffing import hired

pytestmark = pytest.mark.usefixtures("standing_clock", "context")


def clinic_that_sends(by: str = "worker") -> None:
    set_up(plan_clinic(rules={"make_up_sent_by": by}))


@pytest.fixture
def plan(context: Any, standing_clock: Any) -> BookedPlan:
    clinic_that_sends()
    made = running(prescribed(patient()), key="book-plan")
    drain()
    return made


def cancelled(plan: BookedPlan, number: int = 2) -> None:
    """By its patient, who hears of it at once."""
    visit = seen(plan).visits[number]
    token = visit_links.token(visit.reference, visit.link_number)
    visits.cancel(visit.reference, token, "", actor="t", key=f"cancel-{number}")
    drain()


def offers(plan: BookedPlan, sink: Sink) -> int:
    """How many mails with the link to times for what is missing have gone."""
    drain()
    bodies = [str(mail.get_body(("plain",)).get_content()) for mail in sink.taken]
    return sum(
        "Times for the visits that you still need" in words and plan.token in words for words in bodies
    )


def test_a_cancelled_visit_makes_one_mail_with_other_times(
    plan: BookedPlan, sink: Sink, standing_clock: StandingClock
) -> None:
    cancelled(plan)
    assert offering.send_due() == 0, "it may be taken back yet"
    standing_clock.on(minutes=4)
    assert offering.send_due() == 1
    assert offers(plan, sink) == 1
    assert [row["actor"] for row in rows(PlanEntry) if row["what"] == "offered make-up"] == ["system"]
    standing_clock.on(minutes=10)
    assert offering.send_due() == 0
    cancelled(plan, 4)
    standing_clock.on(minutes=4)
    assert offering.send_due() == 1 and offers(plan, sink) == 2


def test_a_no_show_makes_one_mail_unless_it_is_taken_back(
    plan: BookedPlan, sink: Sink, standing_clock: StandingClock
) -> None:
    visit = seen(plan).visits[2]
    standing_clock.at(visit.starts_at + timedelta(minutes=30))
    entry = statuses.no_show(hired(), visit.reference, key="missed-01").entry_id
    undoing.undo(hired(), entry or 0, key="undo-0001")
    standing_clock.on(minutes=4)
    assert offering.send_due() == 0
    statuses.no_show(hired(), visit.reference, key="missed-02")
    standing_clock.on(minutes=4)
    assert offering.send_due() == 1 and offers(plan, sink) == 1


def test_what_is_chosen_before_the_message_goes_drops_it(
    plan: BookedPlan, sink: Sink, standing_clock: StandingClock
) -> None:
    cancelled(plan)
    standing_clock.on(minutes=4)
    assert offering.send_due() == 1
    (lacks,) = make_up_times(seen(plan), BookableBy.LINK)
    chosen, missed = lacks.times[0], lacks.missed
    take(
        plan.reference, plan.token, missed.week, missed.care.slug, chosen.starts_at,
        chosen.practitioner.slug, actor="t", key="take-0001",
    )  # fmt: skip
    assert offers(plan, sink) == 0
    assert message(kind="plan-make-up")["last_error"] == "Nothing is to be made up any more."


def test_what_the_desk_has_sent_is_not_sent_again(plan: BookedPlan, standing_clock: StandingClock) -> None:
    cancelled(plan)
    standing_clock.on(minutes=1)
    offer(hired(), plan.reference, key="offer-001")
    standing_clock.on(minutes=4)
    assert offering.send_due() == 0


def test_where_the_payer_is_to_be_asked_first_nothing_is_sent(
    plan: BookedPlan, standing_clock: StandingClock
) -> None:
    terms = Terms(
        Kind.INSURANCE, ("acupuncture", "chiropractic"), 5, Window(Span.LIFETIME), beyond=Beyond.ASK
    )
    record(hired(), rows(Patient)[0]["reference"], "Blue Shield", terms, key="record-1")
    cancelled(plan)
    standing_clock.on(minutes=4)
    assert offering.send_due() == 0


def test_who_gave_up_all_later_visits_or_can_only_be_called_is_sent_nothing(
    plan: BookedPlan, standing_clock: StandingClock
) -> None:
    third = seen(plan).visits[2].reference
    cancel_from(plan.reference, plan.token, third, "Moving", actor="t", key="cancel-01")
    other = running(
        prescribed(patient("Otto", None)), key="other-plan", reminders=Reminders.CALL, first_name="Otto"
    )
    cancelled(other)
    standing_clock.on(minutes=4)
    assert offering.send_due() == 0


def test_nothing_is_sent_by_itself_where_the_desk_agrees_first(
    context: Any, standing_clock: StandingClock
) -> None:
    clinic_that_sends("desk")
    plan = running(prescribed(patient()))
    cancelled(plan)
    standing_clock.on(minutes=4)
    assert offering.send_due() == 0
