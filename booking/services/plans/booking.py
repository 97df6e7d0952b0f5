"""Booking a plan: all its visits or none, in one transaction.

What was chosen from a proposal is checked against what the plan prescribes, and looked up again under the lock, like a
single visit. What was lost meanwhile is named, with times that take its place; the rest is as it was.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from booking import clock
from booking.errors import (
    BeyondHorizon,
    ContactCannotBeReached,
    NeedsPrescription,
    NotFound,
    PlanRulesBroken,
    PlanRunning,
    Refusal,
    VisitsTaken,
)
from booking.formatting import iso_utc
from booking.models import (
    Actor,
    Appointment,
    BookableBy,
    Patient,
    Plan,
    PlanStatus,
)
from booking.scheduling.plans.course import LOOKED_AT_WITHIN, Course
from booking.scheduling.plans.keeping import Fault, Role, Rule, faults, waiting
from booking.scheduling.plans.windows import Presence, TimeWindow
from booking.scheduling.status import LIVE
from booking.scheduling.timeline import cell_from
from booking.services import claims, giving_way, holds, notices, patients, tasks
from booking.services.allowances import Planned
from booking.services.booking import refuse_too_many
from booking.services.clinic import Clinic, the_clinic
from booking.services.desk.records import lock_record, may_be_texted
from booking.services.idempotency import Answer, Key, given_before, once
from booking.services.plans import links as plan_links
from booking.services.plans.allowed import refuse_beyond
from booking.services.plans.besides import too_near
from booking.services.plans.choosing import (
    Chosen,
    PlanWish,
    choose,
    questions_for,
)
from booking.services.plans.ground import Ground
from booking.services.plans.proposing import can_be_looked_at
from booking.services.plans.recording import begin, new_plan, noted, record_all
from booking.services.plans.replacing import replacements, wanted_with
from booking.services.plans.wanted import Asked, first_visit_of, last_day, weeks_within_horizon
from booking.services.reminded import BY_TEXT
from booking.services.staff import audit
from booking.services.text_consent import agreed, keep_consent
from booking.services.visits import refuse_unreachable


@dataclass(frozen=True)
class BookedPlan:
    """The plan that was booked, as it was then. Plain values: they are kept. `visits`: {"reference", "link_number",
    "visit_type", "starts_at", "local", "practitioner", "penciled"} each, in order.
    """

    reference: str
    link_number: int
    visits: list[dict[str, Any]]

    @property
    def token(self) -> str:
        return plan_links.token(self.reference, self.link_number)


def booked_before(actor: str, key: str, sent: Any) -> BookedPlan | None:
    """What `book` answered to the same that was `sent` under this key, if it did. Raises what it raised; KeyReused."""
    answer = given_before(Key.of(actor, key, sent))
    return BookedPlan(**answer) if answer else None


def book(wish: PlanWish, *, actor: str, key: str, sent: Any = None) -> BookedPlan:
    """Books all visits of a plan or a series, once per key, and queues one confirmation and the reminders. `sent`: what came with
    the key, where the wish depends on the day and on the plan as well.

    Raises VisitsTaken with what was lost and what could take its place, PlanRulesBroken where the visits aren't what the
    plan prescribes, or lie outside the hours that were said, NeedsPrescription for a plan that patients don't begin by themselves,
    PlanRunning, BeyondCoverage where staff are to be asked first, and where they don't say why it is booked all the same;
    BeyondHorizon for weeks that can't be booked whole yet, and for a series of a patient, as TooManyVisits; SlotTaken where what
    gives way is decided on at this moment; ContactCannotBeReached, NotOffered, NotFound, KeyReused.
    """

    def with_replacements(refusal: Refusal) -> Refusal:
        if isinstance(refusal, VisitsTaken):
            found = replacements(wish, refusal.facts.pop("numbers"))
            refusal.facts["lost"] = [
                one | {"replacements": there} for one, there in zip(refusal.facts["lost"], found, strict=True)
            ]
        return refusal

    its = Key.of(actor, key, _content(wish) if sent is None else sent)
    return BookedPlan(**once(its, lambda session: _book(session, wish), on_refusal=with_replacements))


def _content(wish: PlanWish) -> dict[str, Any]:
    content = {
        name: value.as_plain() if isinstance(value, Presence | Course) else value
        for name, value in vars(wish).items()
    }
    del content["visitor"], content["staff"], content["hours_said"], content["windows_bind"]
    return content


def _book(session: Session, wish: PlanWish) -> Answer:
    now, clinic = clock.now(), the_clinic(session)
    refuse_unreachable(wish.reminders, wish.email, wish.phone)
    prescribed = _prescribed(session, clinic, wish, now)
    known = prescribed.patient_id if prescribed else wish.patient_id
    if wish.reminders in BY_TEXT and not _agrees_to_texts(session, wish, known):
        raise ContactCannotBeReached(field="text_consent")
    course = _course(clinic, wish, prescribed)
    chosen = choose(clinic, course, wish.first_day, wish.visits)
    _refuse_broken_rules(session, clinic, course, wish, chosen, now)
    if wish.audience is not BookableBy.STAFF:
        _refuse_others({**wish.only, **(prescribed.only_with if prescribed else {})}, chosen)
        if wish.hours_said and wish.windows_bind:
            _refuse_outside(wish, chosen)
        if wish.course is None:
            known_in = wish.returning if prescribed is None else prescribed.known_in
            _refuse_without_first_visits(clinic, known_in, chosen)

    if prescribed is None:
        known = _locked_record(session, wish)
    else:
        patients.lock_contacts(session, wish.email, wish.phone)
    begun = prescribed is None and wish.audience is not BookableBy.STAFF
    if begun and wish.course is not None:
        _refuse_beyond_rules_of_single_visits(session, clinic, wish, now)
    patient_id = known or patients.join(session, wish.first_name, wish.last_name, wish.email, wish.phone)
    holder = holds.of_plan(wish.plan) if wish.plan else wish.visitor
    held = holds.of_visitor(session, holder)
    ground = Ground.locked(
        session, clinic, questions_for(clinic, chosen, wish.audience, limited=prescribed is None), wish.first_day,
        wish.first_day + timedelta(days=course.weeks * 7 - 1 + LOOKED_AT_WITHIN), now,
        patient_id=patient_id, visitor=holder, also=claims.held_by(session, held),
    )  # fmt: skip
    assigned, given_way = giving_way.together(session, ground, [one.wanted for one in chosen])
    near = (
        too_near(session, clinic, prescribed, wish.first_day, (one.kept for one in chosen))
        if prescribed
        else []
    )
    lost = [
        number
        for number, (one, assignment) in enumerate(zip(chosen, assigned, strict=True))
        if assignment is None or one.kept in near
    ]
    if lost:
        raise VisitsTaken(lost=[chosen[number].facts for number in lost], numbers=lost)
    if begun and wish.course is None:
        # Only where all could be booked: else a number would say for nothing that its owner has a plan here.
        _refuse_running(session, clinic, wish, now)
    by_staff = wish.audience is BookableBy.STAFF
    if (by_staff and not wish.beyond) or (prescribed is not None and not by_staff):
        # Whoever books by themselves may have given another's name and number: of coverage nothing is said.
        planned = [
            Planned(visit.starts_at, clinic.visit_type(visit.visit_type).modality.slug)
            for visit in wish.visits
        ]
        refuse_beyond(session, clinic, patient_id, planned, now)
    giving_way.give_up(session, given_way, Actor.SYSTEM, now)
    claims.drop_holds(session, held)
    plan = prescribed or new_plan(session, clinic, wish, course, patient_id, now)
    begin(session, clinic, plan, wish, now)
    by = Actor.STAFF if wish.audience is BookableBy.STAFF else Actor.PATIENT
    pending = waiting(
        course,
        [one.kept for one in chosen],
        decided=plan.decided_phases,
        confirmed=plan.confirmed_at is not None,
    )
    visits = [
        (one, assignment, waits)
        for one, assignment, waits in zip(chosen, assigned, pending, strict=True)
        if assignment is not None
    ]
    booked = record_all(
        session,
        plan,
        visits,
        by,
        now,
        payment=wish.payment,
        note=wish.note,
        policy_version=wish.policy_version,
        **({"actor_name": wish.staff.name, "account_id": wish.staff.account_id} if wish.staff else {}),
    )
    if wish.text_consent and wish.phone:
        keep_consent(session, clinic, wish.phone, patient_id, now)
    _note_booked(session, plan, wish, by, now, len(booked))
    tasks.owe(session, clinic, booked[0], now)
    notices.plan_booked(session, clinic, plan, booked, now)
    return _answer(clinic, plan, booked)


def _locked_record(session: Session, wish: PlanWish) -> int | None:
    """The record for which is booked, if one is known, or which it is a part of by now; nobody merges it, nor makes one with this
    contact, until the transaction ends.
    """
    its = select(Patient.reference).where(Patient.id == wish.patient_id)
    reference = session.scalar(its) if wish.patient_id else None
    if reference is None:
        patients.lock_contacts(session, wish.email, wish.phone)
        return None
    lock_record(session, reference, wish.email, wish.phone)
    stands = func.coalesce(Patient.merged_into_id, Patient.id)
    return session.scalar(select(stands).where(Patient.id == wish.patient_id))


def _agrees_to_texts(session: Session, wish: PlanWish, known: int | None) -> bool:
    """Now, or before: of a plan that was prescribed, at this number. What follows on a visit is reminded of as that one is: they
    agreed with it, and where its number wants no texts any more the worker finds another way.
    """
    if wish.audience is BookableBy.STAFF and known is not None:
        return wish.text_consent or may_be_texted(session, session.get_one(Patient, known))
    follows_on_a_visit = wish.audience is BookableBy.LINK and wish.course is not None
    agreed_before = wish.plan is not None and known is not None and agreed(session, known, wish.phone)
    return wish.text_consent or follows_on_a_visit or agreed_before


def _note_booked(session: Session, plan: Plan, wish: PlanWish, by: Actor, now: datetime, visits: int) -> None:
    staff = wish.staff
    if staff is None:
        noted(session, plan, "booked", by, now, visits=visits)
        return
    noted(
        session, plan, "booked", by, now,
        why=wish.beyond, name=staff.name, account_id=staff.account_id, visits=visits,
        **({"agreed": wish.agreed.as_plain} if wish.agreed else {}),
    )  # fmt: skip
    audit.did(session, staff, "booked plan", f"plan/{plan.reference}", plan.patient_id)


def _refuse_broken_rules(
    session: Session, clinic: Clinic, course: Course, wish: PlanWish, chosen: Sequence[Chosen], now: datetime
) -> None:
    weeks = weeks_within_horizon(clinic, course, wish.first_day, now)
    if wish.course is None and weeks < course.weeks:
        doses = [one.kept.week for one in chosen if one.kept.role is not Role.REASSESSMENT]
        if not weeks or max(doses, default=0) >= weeks:
            raise BeyondHorizon(last_day=last_day(clinic, now).isoformat())
    broken = faults(course, [one.kept for one in chosen], range(weeks))
    if broken and all(one.rule is Rule.NO_REASSESSMENT for one in broken):
        # Where there is no time for it yet, the plan was proposed without; staff find one later.
        wanted = wanted_with(session, clinic, wish)
        if not wish.hours_said and not wish.presence.windows:
            # They may have said so when it was proposed. Of that we know that they can come at these times.
            wanted = replace(wanted, presence=replace(wish.presence, windows=_hours_of(wish, chosen)))
        asked = Asked.of(session, clinic, wanted, now)
        broken = [one for one in broken if can_be_looked_at(asked, chosen, one.week)]
    if broken or not chosen:
        raise PlanRulesBroken(faults=[one.facts for one in broken])


def _refuse_others(only: Mapping[str, Sequence[str]], chosen: Sequence[Chosen]) -> None:
    """Where somebody is named, nobody comes to others. A look is given by whoever has time for it."""
    broken = [
        Fault(Rule.NOT_OF_THE_PLAN, one.kept.week, one.kept.care)
        for one in chosen
        if one.kept.role is not Role.REASSESSMENT
        and one.practitioner.slug not in only.get(one.kept.modality, (one.practitioner.slug,))
    ]
    if broken:
        raise PlanRulesBroken(faults=[one.facts for one in broken])


def _refuse_outside(wish: PlanWish, chosen: Sequence[Chosen]) -> None:
    """A program that says when its patient can come books nothing for other times."""
    broken = [
        Fault(Rule.WINDOWS, kept.week, kept.care)
        for kept in (one.kept for one in chosen)
        if not any(
            opens <= kept.starts and kept.ends <= closes
            for opens, closes in wish.presence.on(wish.first_day + timedelta(days=kept.day))
        )
    ]
    if broken:
        raise PlanRulesBroken(faults=[one.facts for one in broken])


def _refuse_without_first_visits(clinic: Clinic, known_in: Sequence[str], chosen: Sequence[Chosen]) -> None:
    """By themselves nobody leaves out the first visit of a kind of care that is new to them."""
    begun: set[str] = set()
    broken: list[Fault] = []
    for one in (one for one in chosen if one.kept.role is not Role.REASSESSMENT):
        care = clinic.visit_type(one.kept.care)
        new = one.kept.modality not in known_in and care.slug not in begun
        if new and one.kept.role is not Role.FIRST and first_visit_of(clinic, care) is not None:
            broken.append(Fault(Rule.FIRST_VISIT, one.kept.week, care.slug))
        begun.add(care.slug)
    if broken:
        raise PlanRulesBroken(faults=[one.facts for one in broken])


def _hours_of(wish: PlanWish, chosen: Sequence[Chosen]) -> tuple[TimeWindow, ...]:
    """Of the weekday of each visit the time that it takes."""
    first = wish.first_day.weekday()
    return tuple(
        TimeWindow(frozenset({(first + kept.day) % 7}), kept.starts, kept.ends)
        for kept in (one.kept for one in chosen)
    )


def _prescribed(session: Session, clinic: Clinic, wish: PlanWish, now: datetime) -> Plan | None:
    if wish.plan is None:
        return None
    if wish.audience is BookableBy.STAFF:
        found = session.scalar(select(Plan).where(Plan.reference == wish.plan).with_for_update())
    else:
        found = plan_links.plan_by_link(session, wish.plan, wish.token or "", now, for_update=True)
    if found is None:
        raise NotFound
    if found.status is not PlanStatus.PRESCRIBED:
        raise PlanRunning(phone=clinic.phone)
    if wish.audience is not BookableBy.STAFF and wish.first_day < found.first_day:
        raise PlanRulesBroken(faults=[Fault(Rule.NOT_OF_THE_PLAN, 0).facts])
    return found


def _course(clinic: Clinic, wish: PlanWish, prescribed: Plan | None) -> Course:
    if prescribed is not None:
        return Course.of(prescribed.course)
    if wish.course is None and wish.audience is BookableBy.PATIENTS:
        if not clinic.plan_template(wish.template).self_service:
            raise NeedsPrescription(phone=clinic.phone)
    return wish.course_of(clinic)


def _refuse_running(session: Session, clinic: Clinic, wish: PlanWish, now: datetime) -> None:
    """A contact has one plan that they began and that has visits ahead. Raises PlanRunning."""
    ahead = exists().where(
        Appointment.plan_id == Plan.id, Appointment.status.in_(LIVE), Appointment.to_cell > cell_from(now)
    )
    for column, contact in ((Plan.email, wish.email), (Plan.phone, wish.phone)):
        running = select(Plan.id).where(
            column == contact,
            Plan.by_themselves,
            Plan.status == PlanStatus.RUNNING,
            ahead,
        )
        if contact and session.scalar(running.limit(1)) is not None:
            raise PlanRunning(phone=clinic.phone)


def _refuse_beyond_rules_of_single_visits(
    session: Session, clinic: Clinic, wish: PlanWish, now: datetime
) -> None:
    """What holds for the single visits of patients holds for those of their series as well."""
    last = clinic.times.local_date(now) + timedelta(days=clinic.horizon_days)
    if any(clinic.times.local_date(visit.starts_at) > last for visit in wish.visits):
        raise BeyondHorizon(last_day=last.isoformat())
    refuse_too_many(session, clinic, wish.email, wish.phone, now, len(wish.visits))


def _answer(clinic: Clinic, plan: Plan, booked: Sequence[Appointment]) -> Answer:
    return {
        "reference": plan.reference,
        "link_number": plan.link_number,
        "visits": [
            {
                "reference": one.reference,
                "link_number": one.link_number,
                "visit_type": clinic.visit_type_by_id[one.visit_type_id].slug,
                "starts_at": iso_utc(one.starts_at),
                "local": clinic.times.iso_local(one.starts_at),
                "practitioner": clinic.practitioner_by_id[one.practitioner_id].slug,
                "penciled": one.penciled,
            }
            for one in booked
        ],
    }
