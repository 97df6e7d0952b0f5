"""How what the clinic, or a patient, changes of a plan as a whole reaches whoever it is for: in time, and nobody else."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from booking import clock
from booking.models import (
    Appointment,
    BookableBy,
    Channel,
    OptOut,
    Patient,
    Plan,
    PlanReminders,
    Reminders,
    TextConsent,
)
from booking.reminders import bounces
from booking.services import links, visits
from booking.services.clinic import present
from booking.services.desk import calls, statuses
from booking.services.desk.moving import Place, change
from booking.services.plans import links as plan_links
from booking.services.plans.booking import BookedPlan, book
from booking.services.plans.changing import Decision, cancel_from, confirm, decide, pause, stop, told_now
from booking.services.plans.make_ups import make_up_times
from booking.services.plans.repairing import take_for
from booking.services.plans.shifting import shift
from booking.services.transaction import run
from tests.clinics import plan_clinic, plan_template, set_up
from tests.conftest import StandingClock
from tests.reminders.conftest import drain, messages, text_files, ways
from tests.reminders.sink import Sink
from tests.services.making import rows
from tests.services.plans.making import (
    FOLLOW_UP,
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

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture(autouse=True)
def clinic_with_plans(app: Flask, context: Any, standing_clock: StandingClock) -> None:
    set_up(plan_clinic())


def texted(template: str = "weekly") -> BookedPlan:
    """A plan of somebody who gave a number only, and wants texts."""
    return running(prescribed(patient(email=None), template), reminders=Reminders.TEXT, text_consent=True)


def to_call() -> list[tuple[str, str, str]]:
    """Who is on the list of calls: of which visit, about what and why."""
    drain()
    return [(one.reference, one.kind, one.why.value) for one in calls.call_list(hired()).calls]


# In time


def shifted(
    plan: BookedPlan, number: int, by: timedelta, key: str = "shift-001", *, tell: bool = True
) -> None:
    """A visit and all later ones begin so much later."""
    visit = seen(plan).visits[number]
    shift(
        hired(), plan.reference, visit.reference, visit.starts_at + by, None, "Mei is late.",
        partly=True, tell=tell, key=key,
    )  # fmt: skip


def test_a_text_about_visits_that_begin_before_texts_may_go_goes_from_six_and_they_are_called(
    app: Flask, standing_clock: StandingClock
) -> None:
    plan = texted()
    first = seen(plan).visits[0]
    drain()
    standing_clock.at(first.starts_at - 13 * HOUR)  # Eight in the evening, before a visit at nine.
    there = len(text_files(app))
    shifted(plan, 0, 2 * HOUR)
    standing_clock.on(minutes=3)
    assert to_call() == [(first.reference, "change", "soon")]
    standing_clock.at(first.starts_at - 3 * HOUR - timedelta(seconds=1))
    drain()
    assert len(text_files(app)) == there
    standing_clock.at(first.starts_at - 3 * HOUR)
    drain()
    assert text_files(app)[-1].startswith("Test Clinic: some of your visits have changed")
    assert ways("plan-change") == {("text", "simulated")}


def test_who_has_had_their_text_of_the_day_is_called_about_tomorrow(
    app: Flask, standing_clock: StandingClock
) -> None:
    plan = texted()
    second = seen(plan).visits[1]
    standing_clock.at(second.starts_at - DAY)
    drain()
    there = len(text_files(app))
    standing_clock.on(hours=1)
    shifted(plan, 1, 2 * HOUR)
    standing_clock.on(minutes=3)
    assert to_call() == [(second.reference, "change", "soon")]
    assert (len(text_files(app)), ways("plan-change")) == (there, {("text", "dropped")})


def test_who_is_told_of_tomorrow_by_mail_is_called_as_well_unless_nobody_is_told(
    standing_clock: StandingClock,
) -> None:
    plan = running(prescribed(patient(), "weekly"))
    second = seen(plan).visits[1]
    drain()
    standing_clock.at(second.starts_at - 20 * HOUR)
    shifted(plan, 1, HOUR, tell=False)
    standing_clock.on(minutes=3)
    assert to_call() == []
    shifted(plan, 1, HOUR, "shift-002")
    standing_clock.on(minutes=3)
    assert to_call() == [(second.reference, "change", "soon")]
    assert [row["state"].value for row in messages(kind="plan-change")] == ["sent"]
    (call,) = calls.call_list(hired()).calls
    assert call.written == calls.Written(Channel.EMAIL, clock.now(), gone=True)


def test_what_is_moved_with_all_later_ones_is_said_to_be_moved_from_where_it_was(
    sink: Sink, standing_clock: StandingClock
) -> None:
    plan = running(prescribed(patient(), "weekly"))
    drain()
    sink.taken.clear()
    moment, was = present().times.moment, seen(plan).visits
    shifted(plan, 3, DAY)
    standing_clock.on(minutes=3)
    drain()
    (mail,) = sink.taken
    said = str(mail.get_body(("plain",)).get_content())
    for before, after in zip(was[3:], seen(plan).visits[3:], strict=True):
        assert after.starts_at == before.starts_at + DAY
        told = f"Your visit is moved to this time. It was {moment(before.starts_at)}."
        assert f"{moment(after.starts_at)}, with {after.practitioner.name}. {told}" in said
    assert "Cancelled:" not in said and "New:" not in said


def paused(plan: BookedPlan, number: int) -> None:
    day = seen(plan).visits[number].starts_at.date()
    pause(hired(), plan.reference, day, day, "Away", key=f"pause-00{number}")


def test_what_told_of_two_changes_is_of_use_until_the_last_of_their_visits(
    standing_clock: StandingClock,
) -> None:
    plan = running(prescribed(patient(), "weekly"))
    drain()
    first, second, *_ = seen(plan).visits
    standing_clock.at(first.starts_at - 3 * HOUR)
    paused(plan, 3)
    standing_clock.on(minutes=1)
    paused(plan, 0)
    standing_clock.on(minutes=3)
    drain()
    (sent,) = messages(kind="plan-change", state="sent")
    standing_clock.at(first.starts_at + HOUR)
    assert bounces.receive(bounces.Report(sent["mail_id"], "no such user"))
    assert to_call() == [(second.reference, "change", "unreachable")]


def test_what_is_moved_on_without_a_word_while_its_move_waits_to_be_told_is_told_as_it_stands(
    sink: Sink, standing_clock: StandingClock
) -> None:
    plan = running(prescribed(patient(), "weekly"))
    drain()
    standing_clock.on(hours=2)
    sink.taken.clear()
    knew = seen(plan).visits[2].starts_at
    shifted(plan, 2, 2 * HOUR)
    standing_clock.on(minutes=1)
    shifted(plan, 2, 2 * HOUR, "shift-002", tell=False)
    standing_clock.on(minutes=3)
    drain()
    (mail,) = sink.taken
    said = str(mail.get_body(("plain",)).get_content())
    moment = present().times.moment
    told = f"{moment(knew + 4 * HOUR)}, with Mei Tanaka. Your visit is moved to this time. It was {moment(knew)}."
    assert told in said
    assert moment(knew + 2 * HOUR) not in said


# Their own


def gave_up(plan: BookedPlan, number: int) -> None:
    """The patient cancels a visit and all later ones by the link of the plan."""
    token = plan_links.token(plan.reference, rows(Plan)[0]["link_number"])
    cancel_from(
        plan.reference, token, plan.visits[number]["reference"], "", actor="rosa", key=f"from-{number:03}"
    )
    drain()


def test_a_text_about_what_they_changed_themselves_goes_at_once_whatever_went_before(
    app: Flask, standing_clock: StandingClock
) -> None:
    set_up(plan_clinic(rules={"texts_a_week": 1}))
    plan = texted()
    drain()
    first = seen(plan).visits[0]
    standing_clock.at(first.starts_at - 36 * HOUR)  # Nine in the evening.
    there = len(text_files(app))
    gave_up(plan, 4)
    standing_clock.on(minutes=3)
    drain()
    assert len(text_files(app)) == there + 1
    standing_clock.at(first.starts_at - DAY)
    drain()
    assert len(text_files(app)) == there + 2  # It counts among no texts that we begin: they are reminded.
    gave_up(plan, 2)
    standing_clock.on(minutes=3)
    assert (to_call(), len(text_files(app))) == ([], there + 3)


def test_nobody_is_called_about_what_they_changed_themselves_and_no_text_can_tell(
    standing_clock: StandingClock,
) -> None:
    plan = texted()
    drain()
    run(lambda session: session.add(OptOut(phone="+18185550123", at=clock.now(), words="STOP")))
    gave_up(plan, 2)
    standing_clock.on(minutes=3)
    assert (to_call(), ways("plan-change")) == ([], {("text", "dead")})


# To nobody else


def given_to_others(plan: BookedPlan, *numbers: int, email: str | None, phone: str | None = None) -> None:
    """The contact of these visits is corrected by their own links; that of the plan stays."""
    for number in numbers:
        reference = plan.visits[number]["reference"]
        row = next(row for row in rows(Appointment) if row["reference"] == reference)
        token = links.token(reference, row["link_number"])
        visits.correct_contact(reference, token, email, phone, actor="son", key=f"contact-{number}")


def agreed_to_texts(phone: str) -> None:
    given = {"phone": phone, "wording": "Yes", "wording_version": "1", "given_at": clock.now()}
    (one,) = rows(Patient)
    run(lambda session: session.add(TextConsent(patient_id=one["id"], **given)))


def test_who_has_two_visits_of_a_plan_is_not_told_of_the_others_nor_given_the_plan(
    sink: Sink, standing_clock: StandingClock
) -> None:
    plan = running(prescribed(patient(), "weekly"))
    given_to_others(plan, 2, 4, email="son@example.com")
    drain()
    standing_clock.on(hours=1)
    sink.taken.clear()
    for number in (2, 4):
        reference = plan.visits[number]["reference"]
        statuses.cancel(hired(), reference, reason="Mei is ill.", key=f"cancel-{number}")
    standing_clock.on(minutes=3)
    drain()
    assert [mail["To"] for mail in sink.taken] == ["son@example.com"] * 2
    assert {row["state"].value for row in messages(kind="cancellation")} == {"sent"}
    assert not [mail for mail in sink.taken if "/plan/" in str(mail.get_body(("plain",)).get_content())]


def test_who_has_two_visits_of_a_day_is_reminded_of_them_without_the_plans_link(
    app: Flask, standing_clock: StandingClock
) -> None:
    plan = texted("disc")
    first, *_ = seen(plan).visits
    agreed_to_texts("+18185550177")
    given_to_others(plan, 0, 1, email=None, phone="+18185550177")
    drain()
    there = len(text_files(app))
    standing_clock.at(first.starts_at - DAY)
    drain()
    (said,) = text_files(app)[there:]
    assert said.startswith("Test Clinic: your visits: ")
    assert "/plan/" not in said
    assert f"/v/{first.reference}" in said


# The contact of one visit


def paused_third(plan: BookedPlan) -> None:
    paused(plan, 2)


def stopped(plan: BookedPlan) -> None:
    stop(hired(), plan.reference, "Gone abroad", key="stop-0001")


def decided(plan: BookedPlan) -> None:
    decide(practitioner(), plan.reference, Decision.STOP, told=True, key="decide-01")


def decided_and_told_later(plan: BookedPlan) -> None:
    decide(practitioner(), plan.reference, Decision.STOP, told=False, key="decide-01")
    told_now(practitioner(), plan.reference, key="told-0001")


def moved_along(plan: BookedPlan) -> None:
    shifted(plan, 1, HOUR)


@pytest.mark.parametrize(
    ("done", "says"),
    [
        (paused_third, "Cancelled"),
        (stopped, "Cancelled"),
        (decided, "Cancelled"),
        (decided_and_told_later, "Cancelled"),
        (lambda plan: gave_up(plan, 2), "Cancelled"),
        (moved_along, "Moved"),
    ],
)
def test_whoever_has_one_visit_of_a_plan_is_told_once_what_becomes_of_it_with_the_plan(
    sink: Sink, standing_clock: StandingClock, done: Any, says: str
) -> None:
    plan = running(prescribed(patient(), "weekly"))
    given_to_others(plan, 2, email="son@example.com")
    drain()
    standing_clock.on(hours=1)
    sink.taken.clear()
    was = seen(plan).visits[2].starts_at
    done(plan)
    standing_clock.on(minutes=1)
    shifted(plan, 0, HOUR) if done is paused_third else None
    standing_clock.on(minutes=4)
    drain()
    (mail,) = [one for one in sink.taken if one["To"] == "son@example.com"]
    assert mail["Subject"].startswith(says) and "/plan/" not in str(mail.get_body(("plain",)).get_content())
    assert present().times.moment(was) in str(mail.get_body(("plain",)).get_content())
    assert [one["To"] for one in sink.taken].count("rosa@example.com") == 1


def test_whose_visit_was_cancelled_before_hears_nothing_of_the_one_that_took_its_time(
    sink: Sink, standing_clock: StandingClock
) -> None:
    plan = running(prescribed(patient(), "weekly"))
    given_to_others(plan, 2, email="son@example.com")
    drain()
    visit = seen(plan).visits[2]
    statuses.cancel(hired(), visit.reference, reason="They know.", tell=False, key="cancel-01")
    offered = make_up_times(seen(plan), BookableBy.STAFF)[0]
    care, who = offered.missed.care.slug, visit.practitioner.slug
    take_for(hired(), plan.reference, offered.missed.week, care, visit.starts_at, who, key="make-up-1")
    standing_clock.on(hours=1)
    drain()
    sink.taken.clear()
    day = visit.starts_at.date()
    pause(hired(), plan.reference, day, day, "Away", key="pause-001")
    standing_clock.on(minutes=4)
    drain()
    (mail,) = sink.taken
    assert mail["To"] == "rosa@example.com"
    assert present().times.moment(visit.starts_at) in str(mail.get_body(("plain",)).get_content())


def test_a_visit_that_is_moved_on_before_its_move_is_told_elsewhere_is_not_cancelled_there(
    sink: Sink, standing_clock: StandingClock
) -> None:
    plan = running(prescribed(patient(), "weekly"))
    given_to_others(plan, 2, email="son@example.com")
    drain()
    standing_clock.on(hours=1)
    sink.taken.clear()
    was = seen(plan).visits[2]
    shifted(plan, 2, HOUR)
    there = Place(starts_at=was.starts_at + 2 * HOUR)
    change(hired(), was.reference, there, version=None, reason="Mei is late.", key="move-0001")
    standing_clock.on(minutes=4)
    drain()
    said = {one["To"]: str(one.get_body(("plain",)).get_content()) for one in sink.taken}
    moment = present().times.moment
    assert f"It was {moment(was.starts_at)}." in said["son@example.com"]
    of_plan = said["rosa@example.com"]
    assert "Cancelled" not in of_plan and moment(was.starts_at + HOUR) not in of_plan
    changed = of_plan.partition("Changed:")[2].partition("All other")[0].partition("These are all")[0]
    assert moment(was.starts_at + 2 * HOUR) in changed and f"It was {moment(was.starts_at)}." in changed


def test_a_move_that_waits_to_be_told_there_is_told_also_where_the_plan_is_only_confirmed(
    sink: Sink, standing_clock: StandingClock
) -> None:
    set_up(
        plan_clinic(
            plan_templates=[
                plan_template(
                    "own", {FOLLOW_UP: 1}, self_service=True, reassessment=["acupuncture-reassessment"]
                )
            ]
        )
    )
    plan = book(wish(proposed("own")[0], "own"), actor="rosa", key="book-0001")
    given_to_others(plan, 2, email="son@example.com")
    drain()
    standing_clock.on(hours=1)
    sink.taken.clear()
    visit = seen(plan).visits[2]
    there = Place(starts_at=visit.starts_at + HOUR)
    change(hired(), visit.reference, there, version=None, reason="Mei is late.", key="move-0001")
    confirm(practitioner(), plan.reference, key="confirm-1")
    standing_clock.on(minutes=4)
    drain()
    (mail,) = [one for one in sink.taken if one["To"] == "son@example.com"]
    assert f"It was {present().times.moment(visit.starts_at)}." in str(mail)


def test_who_has_one_visit_of_a_plan_is_reminded_of_it_where_the_plan_sends_lists_alone(
    sink: Sink, standing_clock: StandingClock
) -> None:
    plan = running(prescribed(patient(), "weekly"), reminded_of=PlanReminders.DIGEST)
    given_to_others(plan, 2, email="son@example.com")
    drain()
    sink.taken.clear()
    standing_clock.at(seen(plan).visits[2].starts_at - DAY)
    drain()
    assert [one["Subject"][:8] for one in sink.taken if one["To"] == "son@example.com"] == ["Reminder"]


# Moved without a word, when its reminder's time has come


def test_a_call_that_reminds_of_a_visit_stays_when_it_is_moved_along_without_a_word(
    standing_clock: StandingClock,
) -> None:
    plan = running(prescribed(patient(email=None), "weekly"), reminders=Reminders.CALL)
    first = seen(plan).visits[0]
    drain()
    standing_clock.at(first.starts_at - 20 * HOUR)
    assert to_call() == [(first.reference, "reminder", "wanted")]
    shifted(plan, 0, HOUR, tell=False)
    assert to_call() == [(first.reference, "reminder", "wanted")]
