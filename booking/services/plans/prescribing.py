"""Prescribing a plan: a copy of a template, changed for one patient, with a link by which they book it whole."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from booking import clock
from booking.errors import NotChangeable, PlanRulesBroken
from booking.models import Actor, Appointment, Plan, PlanReminders, PlanStatus
from booking.models.base import random_reference
from booking.scheduling.hours import day_at
from booking.scheduling.plans.course import Course, Dose
from booking.scheduling.plans.windows import Presence
from booking.scheduling.status import Status
from booking.scheduling.timeline import cell_from
from booking.services import notices
from booking.services.clinic import Clinic, the_clinic
from booking.services.desk.records import habits, locked_record, standing
from booking.services.idempotency import Answer, Key, once
from booking.services.plans import links
from booking.services.plans.besides import elsewhere
from booking.services.plans.choosing import Agreement
from booking.services.plans.reading import PlanView, view
from booking.services.plans.recording import noted
from booking.services.plans.wanted import Besides
from booking.services.staff import audit
from booking.services.staff.ownership import plan_for
from booking.services.staff.who import Who
from booking.services.transaction import reading


@dataclass(frozen=True)
class Prescription:
    """What is prescribed, checked for form. Names are slugs.

    `doses`: by visit type the fewest and the most a week, where they aren't the template's; 0 leaves a kind of care out.
    `returning`: None for what the patient's visits before the first day say. `prescribed_by`: who decides, where that isn't who
    enters it. `agreed`: None while the patient hasn't.
    """

    patient: str
    template: str
    first_day: date
    doses: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    presence: Presence = Presence()
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    wished: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    returning: tuple[str, ...] | None = None
    prescribed_by: str | None = None
    reason: str = ""
    reminded_of: PlanReminders = PlanReminders.BOTH
    agreed: Agreement | None = None


@dataclass(frozen=True)
class Prescribed:
    """The plan that was prescribed, and the number of the link by which the patient books it. Plain values: they are kept."""

    reference: str
    link_number: int
    told: bool

    @property
    def token(self) -> str:
        return links.token(self.reference, self.link_number)

    @property
    def address(self) -> str:
        return links.address(self.reference, self.link_number)


def prescribe(who: Who, wish: Prescription, *, tell: bool, key: str) -> Prescribed:
    """Prescribes a plan, once per key. With `tell` the patient gets the link by which they book it.

    Raises PlanRulesBroken for doses that no week has room for, NotFound, RecordMerged, KeyReused.
    """
    content = ["prescribe", *(str(value) for value in vars(wish).values()), tell]
    return Prescribed(**once(Key.of(who.key, key, content), lambda s: _prescribe(s, who, wish, tell)))


def _prescribe(session: Session, who: Who, wish: Prescription, tell: bool) -> Answer:
    now, clinic = clock.now(), the_clinic(session)
    patient = locked_record(session, who, wish.patient)
    template = clinic.plan_template(wish.template)
    course = with_doses(clinic, template.course, wish.doses)
    decides = clinic.practitioner(wish.prescribed_by).id if wish.prescribed_by else who.practitioner_id
    plan = Plan(
        reference=random_reference(),
        patient_id=patient.id,
        template=template.slug,
        name=template.name,
        course=course.as_plain(),
        first_day=wish.first_day,
        status=PlanStatus.PRESCRIBED,
        presence=wish.presence.as_plain(),
        only_with={name: list(people) for name, people in wish.only.items()},
        rather_with={name: list(people) for name, people in wish.wished.items()},
        known_in=sorted(
            known_in(session, clinic, patient.id, wish.first_day)
            if wish.returning is None
            else wish.returning
        ),
        first_name=patient.first_name,
        last_name=patient.last_name,
        email=patient.email,
        phone=patient.phone,
        reminders=habits(session, patient).reminders,
        reminded_of=wish.reminded_of,
        prescribed_by=decides,
        reason=wish.reason.strip()[:500],
        agreed_at=now if wish.agreed else None,
        made_at=now,
        made_by=Actor.STAFF,
        changed_at=now,
    )
    session.add(plan)
    session.flush()
    noted(
        session, plan, "prescribed", Actor.STAFF, now,
        why=plan.reason, name=who.name, account_id=who.account_id, doses=plan.course["phases"],
        **({"agreed": wish.agreed.as_plain} if wish.agreed else {}),
    )  # fmt: skip
    audit.did(session, who, "prescribed plan", f"plan/{plan.reference}", patient.id)
    told = tell and notices.plan_prescribed(session, plan, now)
    return {"reference": plan.reference, "link_number": plan.link_number, "told": told}


def besides(who: Who, patient_reference: str, course: Course) -> tuple[Besides, ...]:
    """Visits that the patient has after today of this course's kinds of care, and from which a plan keeps its days of rest;
    in order. Raises NotFound, RecordMerged.
    """
    with reading() as session:
        clinic, patient = the_clinic(session), standing(session, who, patient_reference)
        there = elsewhere(session, clinic, patient.id, None)
    today = clinic.times.local_date(clock.now())
    modalities = {clinic.visit_type(name).modality.slug for name in course.kinds}
    found = (Besides(on, one) for modality in modalities for on, one in there.get(modality, {}).items())
    return tuple(sorted((one for one in found if one.on > today), key=lambda one: one.on))


def send_link(who: Who, reference: str, *, key: str) -> bool:
    """Sends the patient the link to a plan that isn't booked yet, once more. Says whether there is a way to. Raises
    NotFound, NotChangeable, KeyReused.
    """

    def action(session: Session) -> Answer:
        plan = plan_for(session, who, reference, for_update=True)
        if plan.status is not PlanStatus.PRESCRIBED:
            raise NotChangeable(visit_status=plan.status.value)
        audit.did(session, who, "sent plan link", f"plan/{reference}", plan.patient_id)
        return {"told": notices.plan_prescribed(session, plan, clock.now())}

    told: bool = once(Key.of(who.key, key, ["plan link", reference]), action)["told"]
    return told


def withdraw(who: Who, reference: str, reason: str, *, key: str) -> None:
    """Takes back a plan of which nothing is booked yet; its link opens nothing from then on. Twice is a quiet success. Raises
    NotFound, NotChangeable, KeyReused.
    """

    def action(session: Session) -> Answer:
        now = clock.now()
        plan = plan_for(session, who, reference, for_update=True)
        if plan.status is PlanStatus.STOPPED:
            return {}
        if plan.status is not PlanStatus.PRESCRIBED:
            raise NotChangeable(visit_status=plan.status.value)
        plan.status, plan.changed_at = PlanStatus.STOPPED, now
        plan.version += 1
        plan.link_number += 1
        noted(
            session, plan, "withdrawn", Actor.STAFF, now, why=reason.strip()[:500], name=who.name,
            account_id=who.account_id,
        )  # fmt: skip
        audit.did(session, who, "withdrew plan", f"plan/{reference}", plan.patient_id)
        return {}

    once(Key.of(who.key, key, ["withdraw plan", reference]), action)


def plans_of(who: Who, patient_reference: str) -> tuple[PlanView, ...]:
    """All plans of a patient, the latest first. Raises NotFound, RecordMerged."""
    with reading() as session:
        clinic, patient = the_clinic(session), standing(session, who, patient_reference)
        plans = session.scalars(select(Plan).where(Plan.patient_id == patient.id).order_by(Plan.id.desc()))
        return tuple(view(session, clinic, plan) for plan in plans)


def with_doses(clinic: Clinic, course: Course, doses: Mapping[str, tuple[int, int]]) -> Course:
    """The same course with other doses in all its phases. Raises PlanRulesBroken for what no week has room for, and for a
    plan without any visit.
    """
    refuse_more_than_a_week(clinic, course, {care: doses[care] for care in course.kinds if care in doses})
    phases = []
    for phase in course.phases:
        given = ((one, doses.get(one.visit_type, (one.fewest, one.most))) for one in phase.doses)
        kept = tuple(Dose(one.visit_type, *dose) for one, dose in given if dose[1])
        if kept:
            phases.append(replace(phase, doses=kept))
    if not phases:
        raise PlanRulesBroken(faults=[{"rule": "too_few", "week": 1, "care": ""}])
    return replace(course, phases=tuple(phases))


def refuse_more_than_a_week(
    clinic: Clinic, course: Course, doses: Mapping[str, tuple[int, int]], week: int = 0
) -> None:
    """Refuses doses, from a week on, for which no week has room between the days of rest. Raises PlanRulesBroken."""
    broken = []
    for care, (fewest, most) in doses.items():
        rest = course.rest_days.get(clinic.visit_type(care).modality.slug, 0)
        if not 0 <= fewest <= most <= 7 or (fewest - 1) * (rest + 1) >= 7:
            broken.append({"rule": "too_many", "week": week + 1, "care": care})
    if broken:
        raise PlanRulesBroken(faults=broken)


def treated_in(who: Who, patient_reference: str, first_day: date) -> set[str]:
    """The modalities in which a patient will have been treated here when a plan begins on this day. Raises NotFound,
    RecordMerged.
    """
    with reading() as session:
        clinic, patient = the_clinic(session), standing(session, who, patient_reference)
        return known_in(session, clinic, patient.id, first_day)


def known_in(session: Session, clinic: Clinic, patient_id: int, first_day: date | None = None) -> set[str]:
    """The modalities in which a patient has been treated here before, or is just now. `first_day`: or will have been, by what
    is booked, when a plan begins on it.
    """
    until = cell_from(clock.now())
    if first_day is not None:
        until = max(until, day_at(first_day, clinic.zone).from_cell)
    had = session.scalars(
        select(Appointment.visit_type_id)
        .where(
            Appointment.patient_id == patient_id,
            # Whoever is treated now may be done before the time is over.
            or_(Appointment.to_cell <= until, Appointment.status != Status.BOOKED),
            Appointment.status.not_in((Status.CANCELLED, Status.NOSHOW)),
            # What is only penciled in may not come, and if it is over so, nobody was treated.
            or_(Appointment.penciled.is_(False), Appointment.status != Status.BOOKED),
        )
        .distinct()
    )
    return {clinic.visit_type_by_id[visit_type].modality.slug for visit_type in had}
