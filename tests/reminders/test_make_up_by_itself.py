"""Where the clinic's file says so, times that make up for a missed visit are sent by themselves: once, and not in vain."""

from datetime import timedelta
from threading import Thread
from typing import Any

import pytest
from flask import current_app
from structlog.testing import capture_logs

from booking import clock
from booking.models import BookableBy, Patient, PlanEntry, Reminders
from booking.scheduling.allowances.terms import Beyond, Kind, Span, Terms, Window
from booking.scheduling.plans.keeping import Role
from booking.scheduling.status import Status
from booking.services import links as visit_links, notices, visits
from booking.services.clinic_file import ClinicFile
from booking.services.desk import new_visit, panel, records, statuses, undoing
from booking.services.desk.coverage import record
from booking.services.desk.new_visit import DeskWish
from booking.services.desk.records import Values
from booking.services.plans import offering
from booking.services.plans.booking import BookedPlan
from booking.services.plans.changing import cancel_from, go_on, pause
from booking.services.plans.make_ups import make_up_times
from booking.services.plans.repairing import offer, take
from tests.clinics import plan_clinic, set_up
from tests.conftest import StandingClock
from tests.reminders.conftest import drain, message, messages
from tests.reminders.sink import Sink
from tests.services.making import rows
from tests.services.plans.making import (
    FOLLOW_UP,
    at,
    patient,
    prescribed,
    running,
    seen,
    where_mei_is_alone,
)
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


def test_what_somebody_else_cancels_makes_nobody_a_second_mail(
    plan: BookedPlan, sink: Sink, standing_clock: StandingClock
) -> None:
    other = running(prescribed(patient("Ida", "ida@example.com"), "weekly"), key="other-plan")
    cancelled(plan)
    standing_clock.on(minutes=4)
    assert offering.send_due() == 1
    standing_clock.on(minutes=10)
    cancelled(other, 3)
    standing_clock.on(minutes=4)
    assert offering.send_due() == 1, "hers alone"
    assert offers(plan, sink) == 1 and offers(other, sink) == 1


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


def test_words_about_what_was_missed_send_nothing_again(
    plan: BookedPlan, sink: Sink, standing_clock: StandingClock
) -> None:
    visit = seen(plan).visits[2]
    standing_clock.at(visit.starts_at + timedelta(minutes=30))
    statuses.no_show(hired(), visit.reference, key="missed-01")
    standing_clock.on(minutes=4)
    assert offering.send_due() == 1
    standing_clock.on(minutes=4)
    panel.note(hired(), visit.reference, "Has a cold.", key="note-0001")
    values = Values(first_name="Rosa", last_name="Lima", email="new@example.com", phone=None)
    records.edit(hired(), rows(Patient)[0]["reference"], values, version=1, visits_too=True, key="edit-0001")
    standing_clock.on(minutes=4)
    assert offering.send_due() == 0
    statuses.correct(hired(), visit.reference, Status.CANCELLED, reason="Was ill.", key="correct-1")
    standing_clock.on(minutes=4)
    assert offering.send_due() == 0


def test_who_was_said_to_have_been_here_and_was_not_is_sent_times(
    plan: BookedPlan, standing_clock: StandingClock
) -> None:
    visit = seen(plan).visits[2]
    standing_clock.at(visit.ends_at)
    statuses.finish(hired(), visit.reference, key="done-0001")
    standing_clock.on(minutes=4)
    assert offering.send_due() == 0
    statuses.correct(hired(), visit.reference, Status.NOSHOW, reason="Mistaken", key="correct-1")
    standing_clock.on(minutes=4)
    assert offering.send_due() == 1


@pytest.mark.parametrize("other", ["worker", "desk"])
def test_whoever_sends_it_at_the_same_moment_sends_it_alone(
    plan: BookedPlan, standing_clock: StandingClock, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    """The first of two has the plan while the second one comes for it."""
    cancelled(plan)
    standing_clock.on(minutes=4)
    app, now = current_app._get_current_object(), standing_clock.now  # type: ignore[attr-defined]
    written, sent = notices.make_up_offered, list[int]()

    def second() -> None:
        with app.app_context(), clock.turned_to(now):
            sent.append(offering.send_due())

    after = Thread(target=second)

    def first(*given: Any) -> bool:
        with monkeypatch.context() as patched:
            patched.setattr(notices, "make_up_offered", written)
            after.start()
            after.join(timeout=1)
            return written(*given)

    with monkeypatch.context() as patched:
        patched.setattr(notices, "make_up_offered", first)
        sent.append(
            offering.send_due() if other == "worker" else offer(hired(), plan.reference, key="offer-1")
        )
    after.join()
    assert sorted(sent) == [0, 1]
    assert len(messages(kind="plan-make-up")) == 1


def test_a_plan_of_which_nobody_gives_a_kind_of_care_any_more_keeps_no_other_from_it(
    plan: BookedPlan, standing_clock: StandingClock
) -> None:
    definition = plan_clinic(rules={"make_up_sent_by": "worker"}).model_dump(mode="json")
    for person in definition["practitioners"]:
        person["offers"] = [one for one in person["offers"] if "chiropractic" not in one["visit_type"]]
    other = running(prescribed(patient("Ida", "ida@example.com"), "weekly"), key="other-plan")
    cancelled(plan)
    cancelled(other, 3)
    set_up(ClinicFile.model_validate(definition))
    standing_clock.on(minutes=4)
    with capture_logs() as logged:
        assert offering.send_due() == 1
    assert not logged


def test_what_a_pause_has_taken_is_offered_by_nobody_but_the_desk(
    plan: BookedPlan, standing_clock: StandingClock
) -> None:
    first = seen(plan).visits[0].starts_at.date()
    week = first + timedelta(days=6)
    pause(hired(), plan.reference, first, week, "In hospital", tell=False, key="pause-001")
    standing_clock.on(minutes=4)
    assert offering.send_due() == 0
    later = next(n for n, one in enumerate(seen(plan).visits) if one.starts_at.date() > week)
    cancelled(plan, later)
    standing_clock.at(at(first, 8))
    assert offering.send_due() == 0, "it rests"
    standing_clock.at(at(week + timedelta(days=1), 8))
    assert offering.send_due() == 1


def test_who_comes_back_sooner_is_sent_times_once_that_cant_be_taken_back(
    plan: BookedPlan, sink: Sink, standing_clock: StandingClock
) -> None:
    first = seen(plan).visits[0].starts_at.date()
    pause(hired(), plan.reference, first, first + timedelta(days=6), "Travels", tell=False, key="pause-001")
    standing_clock.on(days=1)
    assert offering.send_due() == 0
    go_on(hired(), plan.reference, first, "Stays", key="go-on-001")
    standing_clock.on(minutes=2)
    assert offering.send_due() == 0
    standing_clock.on(minutes=1)
    assert offering.send_due() == 1 and offers(plan, sink) == 1 and offering.send_due() == 0


def test_who_comes_back_sooner_is_sent_times_also_where_some_were_sent_of_another_visit_meanwhile(
    plan: BookedPlan, sink: Sink, standing_clock: StandingClock
) -> None:
    first = seen(plan).visits[0].starts_at.date()
    pause(hired(), plan.reference, first, first + timedelta(days=6), "Travels", tell=False, key="pause-001")
    later = [n for n, one in enumerate(seen(plan).visits) if one.starts_at.date() > first + timedelta(days=6)]
    cancelled(plan, later[0])
    standing_clock.on(minutes=4)
    assert offering.send_due() == 1 and offering.send_due() == 0
    go_on(hired(), plan.reference, first, "Stays", key="go-on-001")
    standing_clock.on(minutes=4)
    assert offering.send_due() == 1 and offers(plan, sink) == 2 and offering.send_due() == 0


def test_what_was_offered_already_is_not_offered_again_because_a_pause_that_took_nothing_is_over(
    plan: BookedPlan, standing_clock: StandingClock
) -> None:
    day = seen(plan).visits[0].starts_at.date() + timedelta(days=6)
    pause(hired(), plan.reference, day, day, "Travels", tell=False, key="pause-001")
    cancelled(plan)
    standing_clock.on(minutes=4)
    assert offering.send_due() == 1
    go_on(hired(), plan.reference, day, "Stays", key="go-on-001")
    standing_clock.on(minutes=4)
    assert offering.send_due() == 0


def test_who_gave_up_is_sent_nothing_for_what_had_to_stay_until_something_is_booked_again(
    plan: BookedPlan, sink: Sink, standing_clock: StandingClock
) -> None:
    second, third = seen(plan).visits[1:3]
    standing_clock.at(second.starts_at - timedelta(hours=1))
    cancel_from(plan.reference, plan.token, second.reference, "Moving", actor="t", key="cancel-01")
    standing_clock.at(second.starts_at + timedelta(minutes=30))
    statuses.no_show(hired(), second.reference, key="missed-01")
    standing_clock.on(minutes=4)
    assert offering.send_due() == 0
    chosen = next(one for one in make_up_times(seen(plan), BookableBy.LINK) if one.times)
    time, missed = chosen.times[0], chosen.missed
    take(
        plan.reference, plan.token, missed.week, missed.care.slug, time.starts_at, time.practitioner.slug,
        actor="t", key="take-0001",
    )  # fmt: skip
    assert time.starts_at >= third.starts_at
    assert offering.send_due() == 1


def test_what_was_penciled_in_is_offered_again_where_it_was_missed_and_not_where_it_gave_way(
    context: Any, standing_clock: StandingClock
) -> None:
    where_mei_is_alone(make_up_sent_by="worker")
    plan = running(prescribed(patient(), "stages"))
    gives_way, missed = (one for one in seen(plan).standing if one.penciled and one.role is Role.DOSE)
    other = DeskWish(patient("Otto", None), FOLLOW_UP, None, gives_way.starts_at, reason="Penciled in")
    new_visit.book(hired(), other, key="desk-0001")
    standing_clock.on(minutes=4)
    assert not seen(plan).that_stands(gives_way.reference) and offering.send_due() == 0
    cancelled(plan, seen(plan).visits.index(seen(plan).that_stands(missed.reference)))
    standing_clock.on(minutes=4)
    assert offering.send_due() == 1


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
