"""A plan prescribed for one patient: what is kept, who hears of it, taken back, and booked whole by the desk."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from booking.errors import (
    ContactCannotBeReached,
    NotChangeable,
    NotFound,
    PlanRulesBroken,
    PlanRunning,
    VisitsTaken,
)
from booking.models import (
    Appointment,
    Message,
    Patient,
    Plan,
    PlanEntry,
    PlanReminders,
    Reminders,
    TextConsent,
)
from booking.scheduling.plans.windows import Presence, TimeWindow
from booking.services.desk import statuses
from booking.services.plans import arranging, links, prescribing, reading
from booking.services.plans.arranging import Arranged
from booking.services.plans.booking import BookedPlan
from booking.services.plans.choosing import Agreed, Agreement, VisitWish
from booking.services.plans.prescribing import Prescription
from booking.services.plans.proposing import propose
from tests.clinics import plan_clinic, set_up
from tests.conftest import StandingClock
from tests.services.making import NINE, booked, rows
from tests.services.plans.making import FIRST_DAY, practitioner, prescribed, running
from tests.staffing import hired

PHONE = "+18185550199"


@pytest.fixture(autouse=True)
def a_clinic(context: Flask, standing_clock: StandingClock) -> None:
    set_up(plan_clinic())


def patient(**how: Any) -> str:
    booked(NINE, visit_type="acupuncture-first", practitioner="mei", **how)
    return str(rows(Patient)[0]["reference"])


def wanted(reference: str, **how: Any) -> Prescription:
    return Prescription(**{"patient": reference, "template": "weekly", "first_day": FIRST_DAY} | how)


def arranged(reference: str, **how: Any) -> Arranged:
    return arranging.arranged(hired(), wanted(reference, prescribed_by="mei", **how))


def visits_of(asked: Arranged) -> tuple[VisitWish, ...]:
    best = propose(asked.wanted).proposals[0]
    return tuple(VisitWish(one.visit_type.slug, one.practitioner.slug, one.starts_at) for one in best.visits)


def book_whole(asked: Arranged, visits: tuple[VisitWish, ...], who: Any = None, **how: Any) -> BookedPlan:
    return arranging.book_whole(
        who or hired(), asked, visits, **{"reminders": Reminders.EMAIL, "key": "book-plan"} | how
    )


def test_a_practitioner_prescribes_once_and_the_link_goes() -> None:
    mei, reference = practitioner("mei"), patient()
    made = prescribing.prescribe(mei, wanted(reference, reason=" Numbness "), tell=True, key="prescribe")
    assert (
        prescribing.prescribe(mei, wanted(reference, reason=" Numbness "), tell=True, key="prescribe") == made
    )
    (plan,) = rows(Plan)
    assert (plan["status"], plan["prescribed_by"], plan["reason"]) == (
        "prescribed",
        mei.practitioner_id,
        "Numbness",
    )
    assert made.told and [row["kind"] for row in rows(Message) if row["subject"].startswith("plan/")] == [
        "plan-link"
    ]
    assert reading.by_link(made.reference, made.token).name == "Weekly"


def test_the_patients_agreement_is_kept_with_who_when_and_how() -> None:
    mei, reference = practitioner("mei"), patient()
    agreed = Agreement(Agreed.IN_PERSON, "Maria Lopez")
    made = prescribing.prescribe(mei, wanted(reference, agreed=agreed), tell=False, key="prescribe")
    (plan,) = rows(Plan)
    (entry,) = rows(PlanEntry)
    assert plan["agreed_at"] == entry["at"] == plan["made_at"]
    assert entry["facts"]["agreed"] == {"how": "in_person", "by": "Maria Lopez"}
    again = arranging.arranged_again(hired(), made.reference)
    by_phone = replace(again, prescription=replace(again.prescription, agreed=Agreement(Agreed.TELEPHONE)))
    book_whole(by_phone, visits_of(again))
    assert rows(PlanEntry)[-1]["facts"]["agreed"] == {"how": "telephone", "by": ""}
    assert rows(Plan)[0]["agreed_at"] == plan["agreed_at"], "Since when they agree stays."


def test_nobody_agreed_where_nobody_says_so() -> None:
    prescribing.prescribe(practitioner("mei"), wanted(patient()), tell=False, key="prescribe")
    assert rows(Plan)[0]["agreed_at"] is None and "agreed" not in rows(PlanEntry)[0]["facts"]


def test_whoever_cant_be_written_to_is_told_nothing() -> None:
    reference = patient(email=None, phone=PHONE, reminders=Reminders.CALL)
    assert not prescribing.prescribe(hired(), wanted(reference), tell=True, key="prescribe").told


@pytest.mark.parametrize("doses", [{"acupuncture-follow-up": (7, 7)}, {"acupuncture-follow-up": (0, 0)}])
def test_doses_that_no_week_has_room_for_are_refused(doses: dict[str, tuple[int, int]]) -> None:
    with pytest.raises(PlanRulesBroken):
        prescribing.prescribe(hired(), wanted(patient(), doses=doses), tell=True, key="prescribe")
    assert rows(Plan) == []


def test_what_somebody_had_here_isnt_begun_anew(standing_clock: StandingClock) -> None:
    reference, same_day = patient(), {"template": "disc", "first_day": NINE.date()}
    assert arranged(reference, **same_day).wanted.returning == frozenset(), (
        "It may lie behind the plan's first."
    )
    standing_clock.on(days=2)
    assert arranged(reference, **same_day).wanted.returning == {"acupuncture"}


def test_nor_what_they_will_have_had_before_the_first_day() -> None:
    reference = patient()
    assert arranged(reference, template="disc").wanted.returning == {"acupuncture"}
    prescribing.prescribe(practitioner("mei"), wanted(reference), tell=False, key="prescribe")
    assert rows(Plan)[0]["known_in"] == ["acupuncture"]


def test_nor_what_they_are_treated_in_just_now(standing_clock: StandingClock) -> None:
    reference = patient()
    standing_clock.at(NINE + timedelta(minutes=20))
    statuses.start(hired(), rows(Appointment)[0]["reference"], key="start-01")
    today = wanted(reference, first_day=NINE.date())
    prescribing.prescribe(practitioner("mei"), today, tell=False, key="prescribe")
    assert rows(Plan)[0]["known_in"] == ["acupuncture"]


def test_taken_back_the_link_opens_nothing() -> None:
    made = prescribed(patient())
    prescribing.withdraw(hired(), made.reference, "a mistake", key="withdraw")
    prescribing.withdraw(hired(), made.reference, "a mistake", key="withdraw once more")
    for number in (1, 2):
        with pytest.raises(NotFound):
            reading.by_link(made.reference, links.token(made.reference, number) if number == 1 else "x")
    with pytest.raises(NotChangeable):
        prescribing.send_link(hired(), made.reference, key="send")
    with pytest.raises(PlanRunning):
        arranging.arranged_again(hired(), made.reference)


def test_what_is_booked_is_neither_taken_back_nor_sent() -> None:
    made = prescribed(patient())
    running(made)
    for press in (
        lambda: prescribing.withdraw(hired(), made.reference, "", key="withdraw"),
        lambda: prescribing.send_link(hired(), made.reference, key="send-it"),
    ):
        with pytest.raises(NotChangeable):
            press()


def test_others_patients_plans_are_not_there() -> None:
    made = prescribed(patient())
    with pytest.raises(NotFound):
        reading.opened(practitioner("lin"), made.reference)
    with pytest.raises(NotFound):
        prescribing.prescribe(
            practitioner("lin"), wanted(rows(Patient)[0]["reference"]), tell=True, key="other"
        )


def test_the_desk_books_it_whole_and_once() -> None:
    dana, asked = hired(), arranged(patient())
    visits = visits_of(asked)
    made = book_whole(asked, visits, dana)
    assert book_whole(asked, visits, dana) == made and len(rows(Plan)) == 1
    of_plan = [row for row in rows(Appointment) if row["plan_id"] is not None]
    assert len(of_plan) == 6 and rows(Plan)[0]["status"] == "running"
    assert [row["actor_name"] for row in rows(PlanEntry)] == [dana.name, dana.name]


def test_days_away_that_were_prescribed_stay_when_the_desk_asks_for_other_times() -> None:
    away = ((FIRST_DAY, FIRST_DAY + timedelta(days=2)),)
    made = prescribed(patient(), presence=Presence(away=away))
    mornings = Presence((TimeWindow(frozenset(range(6)), 8 * 60, 12 * 60),))
    wanted = arranging.arranged_again(hired(), made.reference, presence=mornings).wanted
    assert wanted.presence == Presence(mornings.windows, away)


def test_a_visit_that_was_lost_is_chosen_anew_for_the_same_plan() -> None:
    dana, asked = hired(), arranged(patient())
    visits = visits_of(asked)
    booked(
        visits[2].starts_at, visit_type=visits[2].visit_type, practitioner=visits[2].practitioner,
        first_name="Sam", email="sam@example.com",
    )  # fmt: skip
    with pytest.raises(VisitsTaken) as refused:
        book_whole(asked, visits, dana)
    (lost,) = refused.value.facts["lost"]
    assert lost["replacements"] and not [row for row in rows(Appointment) if row["plan_id"] is not None]
    again = arranging.arranged_again(dana, refused.value.facts["plan"])
    book_whole(again, visits_of(replace(again)), dana, key="book-again")
    assert [row["status"] for row in rows(Plan)] == ["running"]


def test_what_is_refused_at_the_last_step_is_prescribed_once() -> None:
    dana, asked = hired(), arranged(patient(phone=PHONE))
    visits = visits_of(asked)
    with pytest.raises(ContactCannotBeReached) as unasked:
        book_whole(asked, visits, dana, reminders=Reminders.TEXT)
    with pytest.raises(PlanRulesBroken) as broken:
        book_whole(asked, visits[:2], dana)
    (plan,) = rows(Plan)
    assert unasked.value.facts["plan"] == broken.value.facts["plan"] == plan["reference"]
    # By the back button, with other reminders.
    book_whole(asked, visits, dana, reminded_of=PlanReminders.DIGEST)
    assert [(row["status"], row["reminded_of"]) for row in rows(Plan)] == [("running", "digest")]


def test_who_agreed_to_texts_before_isnt_asked_again() -> None:
    reference = patient(email=None, phone=PHONE, reminders=Reminders.TEXT, text_consent=True)
    asked = arranged(reference)
    assert asked.whose.texts and asked.whose.reminders is Reminders.TEXT
    book_whole(asked, visits_of(asked), reminders=Reminders.TEXT)
    assert len(rows(TextConsent)) == 1
    assert {row["reminders"] for row in rows(Appointment) if row["plan_id"]} == {"text"}


def test_other_visits_of_the_patient_keep_their_days_of_rest() -> None:
    reference = patient()
    there = NINE + timedelta(days=7)
    booked(there, visit_type="acupuncture-follow-up", practitioner="mei", first_name="Rosa", last_name="Lima")
    asked = arranged(reference, returning=("acupuncture",))
    days = {one.starts_at.date() for one in visits_of(asked) if one.visit_type == "acupuncture-follow-up"}
    near = {there.date() + timedelta(days=days) for days in (-1, 0, 1)}
    assert not days & near
