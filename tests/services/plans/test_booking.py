"""A plan is booked whole or not at all."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, select

from booking import clock
from booking.errors import (
    BeyondCoverage,
    ContactCannotBeReached,
    KeyReused,
    NeedsPrescription,
    NotFound,
    PlanRulesBroken,
    PlanRunning,
    VisitsTaken,
)
from booking.extensions import db
from booking.models import (
    Appointment,
    BookableBy,
    Channel,
    Claim,
    Coverage,
    HistoryEntry,
    Message,
    Patient,
    Plan,
    PlanEntry,
    PlanReminders,
    Reminders,
)
from booking.scheduling.allowances.terms import Beyond, Kind, Span, Terms, Window
from booking.services import links, reconciling, visits as own_visits
from booking.services.desk import coverage
from booking.services.plans.allowed import allowed
from booking.services.plans.asking_again import wanted_by
from booking.services.plans.booking import book
from booking.services.plans.choosing import VisitWish
from booking.services.plans.proposing import propose
from booking.services.plans.reading import by_link
from booking.services.transaction import run
from tests.clinics import plan_clinic, set_up
from tests.conftest import StandingClock
from tests.services.making import booked, rows
from tests.services.plans.making import FIRST_DAY, patient, prescribed, proposed, running, seen, wish
from tests.staffing import hired

pytestmark = pytest.mark.usefixtures("standing_clock", "context")


@pytest.fixture(autouse=True)
def clinic_with_plans(context: Any, standing_clock: Any) -> None:
    set_up(plan_clinic())


def nothing_was_written() -> None:
    for kind in (Appointment, Claim, HistoryEntry, Message, Patient, Plan, PlanEntry):
        assert rows(kind) == [], kind


def test_all_visits_of_a_prescribed_plan_are_booked_at_once() -> None:
    made = running(prescribed(patient()))
    visits = rows(Appointment)
    assert len(made.visits) == len(visits) == 21
    assert {row["plan_id"] for row in visits} == {rows(Plan)[0]["id"]}
    assert [row["plan_role"] for row in visits].count("reassessment") == 1
    assert not any(row["penciled"] for row in visits)
    (plan,) = rows(Plan)
    assert (plan["status"], plan["by_themselves"], bool(plan["confirmed_at"])) == ("running", False, True)
    assert [row["what"] for row in rows(PlanEntry)] == ["prescribed", "booked"]
    assert {row["what"] for row in rows(HistoryEntry)} == {"booked"} and len(rows(HistoryEntry)) == 21
    # One confirmation of all, and the day before each day a reminder.
    kinds = [row["kind"] for row in rows(Message)]
    assert (
        kinds.count("plan-confirmation") == 1 and "confirmation" not in kinds and "reminder-3d" not in kinds
    )
    assert {row["patient_id"] for row in visits} == {rows(Patient)[0]["id"]}
    # What they take is claimed like that of single ones.
    claims = rows(Claim)
    for visit in visits:
        own = [row for row in claims if row["appointment_id"] == visit["id"]]
        assert {visit["patient_id"], visit["practitioner_id"], visit["room_id"]} <= {
            row["resource_id"] for row in own
        }


def test_the_same_key_books_once() -> None:
    asked = wish(proposed("disc-gentle")[0], "disc-gentle")
    first, again = (book(asked, actor="t", key="same-key") for _ in range(2))
    assert first == again and len(rows(Plan)) == 1
    with pytest.raises(KeyReused):
        book(replace(asked, note="otherwise"), actor="t", key="same-key")


def test_of_a_plan_begun_by_its_patient_later_visits_are_penciled_in_and_not_reminded_of() -> None:
    book(wish(proposed("disc-gentle")[0], "disc-gentle"), actor="t", key="gentle-1")
    visits = rows(Appointment)
    firm = [row for row in visits if not row["penciled"]]
    assert len(firm) == 2 and len(visits) == 13
    reminded = {row["appointment_id"] for row in rows(Message) if row["kind"].startswith("reminder")}
    assert reminded == {row["id"] for row in firm}
    assert rows(Plan)[0]["by_themselves"] and rows(Plan)[0]["confirmed_at"] is None


def test_one_visit_lost_meanwhile_books_nothing_and_names_what_could_take_its_place() -> None:
    first = proposed("disc-gentle")[0]
    lost = first.visits[3]
    booked(
        lost.starts_at,
        visit_type=lost.visit_type.slug,
        practitioner=lost.practitioner.slug,
        first_name="Bo",
        email="bo@example.com",
    )
    before = len(rows(Appointment))
    asked = wish(first, "disc-gentle")
    with pytest.raises(VisitsTaken) as refused:
        book(asked, actor="t", key="gentle-1")
    assert len(rows(Appointment)) == before and rows(Plan) == []
    (named,) = refused.value.facts["lost"]
    assert (named["visit_type"], named["practitioner"]) == (lost.visit_type.slug, lost.practitioner.slug)
    replacement = named["replacements"][0]
    instead = VisitWish(
        lost.visit_type.slug, replacement["practitioner"], datetime.fromisoformat(replacement["starts_at"])
    )
    visits = tuple(instead if one.starts_at == lost.starts_at else one for one in asked.visits)
    assert len(book(replace(asked, visits=visits), actor="t", key="gentle-2").visits) == 13


def by_kind(visits: tuple[VisitWish, ...]) -> tuple[VisitWish, ...]:
    """The acupuncture, then the chiropractic, then the reassessment; each in order."""
    return tuple(
        sorted(visits, key=lambda one: ("reassessment" in one.visit_type, one.visit_type, one.starts_at))
    )


@pytest.mark.parametrize(
    ("spoil", "rule"),
    [
        (lambda visits: visits[1:], "too_few"),
        (lambda visits: (*visits, visits[1]), "too_many"),
        (lambda visits: visits[:-1], "no_reassessment"),
        # On the day of the first one.
        (lambda visits: (visits[0], visits[1]._replace(starts_at=visits[0].starts_at), *visits[2:]), "rest_days"),
        (lambda visits: (), None),
    ],
)  # fmt: skip
def test_what_is_not_prescribed_is_refused(spoil: Any, rule: str | None) -> None:
    asked = wish(proposed("disc-gentle")[0], "disc-gentle")
    with pytest.raises(PlanRulesBroken) as refused:
        book(replace(asked, visits=spoil(by_kind(asked.visits))), actor="t", key="spoiled-1")
    if rule:
        assert rule in [fault["rule"] for fault in refused.value.facts["faults"]]
    nothing_was_written()


def test_a_visit_of_no_kind_of_the_plan_is_refused() -> None:
    asked = wish(proposed("weekly")[0], "weekly", audience=BookableBy.STAFF)
    other = asked.visits[0]._replace(visit_type="chiropractic-follow-up", practitioner="aaron")
    with pytest.raises(PlanRulesBroken):
        book(replace(asked, visits=(other, *asked.visits[1:])), actor="t", key="other-001")
    nothing_was_written()


def test_three_and_two_a_week_need_a_prescription() -> None:
    with pytest.raises(NeedsPrescription):
        book(wish(proposed("disc")[0], "disc"), actor="t", key="disc-0001")
    nothing_was_written()


def test_a_contact_has_one_plan_of_their_own_at_a_time(standing_clock: StandingClock) -> None:
    best = proposed("disc-gentle")[0]
    book(wish(best, "disc-gentle"), actor="t", key="gentle-1")
    with pytest.raises(PlanRunning):
        book(wish(proposed("disc-gentle")[0], "disc-gentle", first_name="Ana"), actor="t", key="gentle-2")
    # Whoever asks with times that nobody can have isn't told of it.
    with pytest.raises(VisitsTaken):
        book(wish(best, "disc-gentle", first_name="Ana"), actor="t", key="gentle-4")
    # Once all its visits are over, whatever was decided of it, another one may begin.
    standing_clock.on(days=60)
    later = FIRST_DAY + timedelta(days=63)
    best = proposed("disc-gentle", later)[0]
    assert book(wish(best, "disc-gentle", first_day=later), actor="t", key="gentle-3")


@pytest.mark.parametrize(
    "how", [{"email": None}, {"reminders": Reminders.TEXT}, {"reminders": Reminders.TEXT, "phone": "+18185550123"}]
)  # fmt: skip
def test_reminders_fit_the_contact(how: dict[str, Any]) -> None:
    with pytest.raises(ContactCannotBeReached):
        book(wish(proposed("disc-gentle")[0], "disc-gentle", **how), actor="t", key="reach-001")
    nothing_was_written()


@pytest.mark.parametrize(
    ("prescription", "rule"),
    [({"returning": ()}, "first_visit"), ({"only": {"acupuncture": ("dan",)}}, "not_of_the_plan")],
)
def test_by_its_link_no_first_visit_is_left_out_and_nobody_else_is_chosen(
    prescription: dict[str, Any], rule: str
) -> None:
    """Proposals of somebody who isn't new, with anybody, sent by whoever has the link."""
    made = prescribed(patient(), **prescription)
    plan = by_link(made.reference, made.token)
    best = next(one for one in proposed() if any(visit.practitioner.slug == "mei" for visit in one.visits))
    asked = wish(
        best, plan.template, plan=made.reference, token=made.token, email=plan.email, phone=plan.phone,
        audience=BookableBy.LINK, first_day=plan.first_day,
    )  # fmt: skip
    with pytest.raises(PlanRulesBroken) as refused:
        book(asked, actor="link", key="slipped-1")
    assert {fault["rule"] for fault in refused.value.facts["faults"]} == {rule}
    assert not rows(Appointment)
    # What was prescribed so, the desk may book otherwise.
    if rule == "not_of_the_plan":
        assert book(replace(asked, audience=BookableBy.STAFF, staff=hired()), actor="desk", key="desk-0001")


def test_by_its_link_a_plan_begins_on_no_day_before_its_own() -> None:
    made = prescribed(patient(), first_day=FIRST_DAY + timedelta(days=7))
    plan = by_link(made.reference, made.token)
    asked = wish(
        proposed()[0], plan.template, plan=made.reference, token=made.token, email=plan.email, phone=plan.phone,
        audience=BookableBy.LINK,
    )  # fmt: skip
    with pytest.raises(PlanRulesBroken):
        book(asked, actor="link", key="earlier-1")
    assert not rows(Appointment)
    # The desk may.
    assert book(replace(asked, audience=BookableBy.STAFF, staff=hired()), actor="desk", key="desk-0001")


def test_a_plan_link_opens_its_own_plan_only_and_books_once() -> None:
    made = prescribed(patient())
    with pytest.raises(NotFound):
        by_link(made.reference, "a" * 26)
    running(made)
    with pytest.raises(PlanRunning) as refused:
        running(made, key="book-again")
    assert refused.value.facts == {"phone": "+18185550100"}


def test_the_plan_tells_week_by_week_what_became_of_it() -> None:
    plan = seen(running(prescribed(patient())))
    assert len(plan.weeks) == 4
    for week in plan.weeks:
        assert {(dose.care.slug, dose.booked, dose.attended, dose.left) for dose in week.doses} == {
            ("acupuncture-follow-up", 3, 0, 0),
            ("chiropractic-follow-up", 2, 0, 0),
        }


def test_twenty_visits_take_a_handful_of_statements() -> None:
    """One for each table rather than one for each visit."""
    made = prescribed(patient())
    said: list[str] = []

    def listen(*given: Any) -> None:
        said.append(given[2])

    plan = by_link(made.reference, made.token)
    proposal = propose(wanted_by(plan, BookableBy.LINK)).proposals[0]
    asked = wish(proposal, "disc", plan=made.reference, token=made.token, audience=BookableBy.LINK)
    event.listen(db.engine, "before_cursor_execute", listen)
    try:
        book(asked, actor="t", key="counted-1")
    finally:
        event.remove(db.engine, "before_cursor_execute", listen)
    assert len(said) <= 40, "\n".join(said)


# What is kept of a prescription, and what stops a patient


def covered(reference: str, limit: int, beyond: Beyond) -> None:
    """Somebody's insurance allows so many visits of acupuncture and chiropractic a year."""

    def action(session: Any) -> None:
        terms = Terms(
            Kind.INSURANCE, ("acupuncture", "chiropractic"), limit, Window(Span.CALENDAR_YEAR), beyond=beyond
        )
        patient_id = session.scalars(select(Patient.id).where(Patient.reference == reference)).one()
        session.add(
            Coverage(
                patient_id=patient_id, name="Blue Shield", terms=terms.as_plain(), made_at=clock.now(), changed_at=clock.now(),
            )
        )  # fmt: skip

    run(action)


def test_where_staff_are_to_be_asked_first_its_link_books_nothing_and_staff_say_why_they_do() -> None:
    reference = patient()
    covered(reference, 20, Beyond.ASK)
    made = prescribed(reference)
    with pytest.raises(BeyondCoverage) as refused:
        running(made)
    assert refused.value.facts == {"phone": "+18185550100"}
    with pytest.raises(BeyondCoverage):
        running(made, key="not-for-them", beyond="It is for staff to say.")
    assert rows(Appointment) == [] and rows(Plan)[0]["status"] == "prescribed"
    proposal = propose(wanted_by(by_link(made.reference, made.token), BookableBy.STAFF)).proposals[0]
    how = {"plan": made.reference, "audience": BookableBy.STAFF, "staff": hired()}
    with pytest.raises(BeyondCoverage):
        book(wish(proposal, "disc", **how), actor="staff", key="by-staff")
    how["beyond"] = "The payer was asked."
    assert len(book(wish(proposal, "disc", **how), actor="staff", key="said-why").visits) == 21
    assert rows(PlanEntry)[-1]["why"] == "The payer was asked."


def test_of_a_pool_that_is_over_its_patient_is_told_nothing() -> None:
    made = prescribed(patient())
    today = clock.now().date()
    for number, ends in enumerate((today - timedelta(days=1), today)):
        terms = Terms(Kind.PACKAGE, ("acupuncture",), 12, Window(Span.LIFETIME), ends=ends)
        coverage.record(
            hired(), rows(Patient)[0]["reference"], f"Package {number}", terms, key=f"pool-{number}"
        )
    left = allowed(by_link(made.reference, made.token), ()).left
    assert [one.pool.name for one in left] == ["Package 1"]


@pytest.mark.parametrize("said", [None, PlanReminders.EACH])
def test_of_what_somebody_is_reminded_is_as_was_prescribed_unless_they_say(
    said: PlanReminders | None,
) -> None:
    made = prescribed(patient(), reminded_of=PlanReminders.DIGEST)
    plan = by_link(made.reference, made.token)
    proposal = propose(wanted_by(plan, BookableBy.LINK)).proposals[0]
    asked = wish(proposal, "disc", plan=made.reference, token=made.token, audience=BookableBy.LINK)
    book(replace(asked, reminded_of=said), actor="link", key="book-plan")
    assert rows(Plan)[0]["reminded_of"] is (said or PlanReminders.DIGEST)


def test_whoever_wants_the_list_of_the_week_alone_still_hears_of_changes_by_text() -> None:
    made = prescribed(patient(email=None), reminded_of=PlanReminders.DIGEST)
    plan = by_link(made.reference, made.token)
    proposal = propose(wanted_by(plan, BookableBy.LINK)).proposals[0]
    asked = wish(
        proposal, "disc", plan=made.reference, token=made.token, audience=BookableBy.LINK, email=None,
        phone="+18185550123", reminders=Reminders.TEXT, text_consent=True,
    )  # fmt: skip
    first = book(asked, actor="link", key="book-plan").visits[0]
    kinds = {row["kind"] for row in rows(Message)}
    assert "plan-digest" in kinds and not any(kind.startswith("reminder-") for kind in kinds)
    assert {row["reminders"] for row in rows(Appointment)} == {Reminders.TEXT}
    assert not reconciling.anything_wrong()
    token = links.token(first["reference"], first["link_number"])
    own_visits.cancel(first["reference"], token, "", actor="link", key="cancel-01")
    (told,) = (row for row in rows(Message) if row["kind"] == "cancellation")
    assert (told["channel"], told["address"]) == (Channel.TEXT, "+18185550123")
    assert not any(row["kind"].startswith("reminder-") for row in rows(Message))
