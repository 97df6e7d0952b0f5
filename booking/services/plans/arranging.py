"""A plan that the desk arranges for a patient, on the telephone or at the counter: asked for, exchanged, booked.

What is prescribed and what is booked are two steps, each once: whoever loses some visits meanwhile chooses again for the same
plan, and one of which nothing was booked still has its link.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking import clock
from booking.errors import PlanRulesBroken, PlanRunning, Refusal
from booking.models import Appointment, BookableBy, Patient, PlanReminders, PlanStatus, Reminders
from booking.scheduling.plans.keeping import faults
from booking.scheduling.plans.windows import Presence
from booking.scheduling.status import Status
from booking.scheduling.timeline import CELL_MINUTES
from booking.services.clinic import Clinic, Practitioner, the_clinic
from booking.services.desk.records import habits, may_be_texted, standing
from booking.services.plans import asking_again, prescribing
from booking.services.plans.besides import elsewhere
from booking.services.plans.booking import BookedPlan, book
from booking.services.plans.choosing import PlanWish, VisitWish, choose
from booking.services.plans.holding import HeldFor, held_for
from booking.services.plans.prescribing import Prescription
from booking.services.plans.proposing import ProposedVisit, penciled
from booking.services.plans.reading import view
from booking.services.plans.wanted import PlanWanted, weeks_within_horizon
from booking.services.staff import audit
from booking.services.staff.ownership import plan_for
from booking.services.staff.who import Who
from booking.services.transaction import reading


@dataclass(frozen=True)
class Whose:
    """The patient for whom a plan is arranged. `usual`: who gave or gives their latest visit. `reminders`: what they may
    choose, and what they had last.
    """

    reference: str
    first_name: str
    last_name: str
    email: str | None
    phone: str | None
    texts: bool
    reminders: Reminders
    returning: tuple[str, ...]
    usual: Practitioner | None

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}"


@dataclass(frozen=True)
class Arranged:
    """A plan as it is asked for at the desk: a new one, or one that was prescribed before (`plan`)."""

    clinic: Clinic
    whose: Whose
    name: str
    prescription: Prescription
    wanted: PlanWanted
    plan: str | None = None


def whose(who: Who, patient: str, first_day: date | None = None) -> Whose:
    """The patient of this reference, for the form; written down as seen. `first_day`: of the plan, before which what is booked
    counts as had. Raises NotFound, RecordMerged.
    """
    with reading() as session:
        record = standing(session, who, patient)
        found = _whose(session, the_clinic(session), record, first_day)
    audit.saw(who, "opened patient", f"patient/{patient}", [record.id])
    return found


def arranged(who: Who, wish: Prescription) -> Arranged:
    """What is to be proposed for a new plan. Raises PlanRulesBroken for doses that no week has room for, NotFound,
    RecordMerged.
    """
    with reading() as session:
        clinic, record = the_clinic(session), standing(session, who, wish.patient)
        template = clinic.plan_template(wish.template)
        course = prescribing.with_doses(clinic, template.course, wish.doses)
        patient = _whose(session, clinic, record, wish.first_day)
        returning = patient.returning if wish.returning is None else wish.returning
        wanted = PlanWanted(
            course=course,
            first_day=wish.first_day,
            presence=wish.presence,
            only=wish.only,
            wished=wish.wished,
            returning=frozenset(returning),
            audience=BookableBy.STAFF,
            patient_id=record.id,
            elsewhere=elsewhere(session, clinic, record.id, None),
            prescribed=True,
            limited=False,
        )
    return Arranged(clinic, patient, template.name, replace(wish, returning=tuple(returning)), wanted)


def arranged_again(
    who: Who,
    reference: str,
    *,
    first_day: date | None = None,
    presence: Presence | None = None,
    only: Mapping[str, tuple[str, ...]] | None = None,
    wished: Mapping[str, tuple[str, ...]] | None = None,
) -> Arranged:
    """The same for a plan that was prescribed. What isn't given is as it was prescribed; so are the days on which the patient is
    away. Raises PlanRunning for one that is booked already or was taken back, NotFound, RecordMerged.
    """
    with reading() as session:
        clinic, plan = the_clinic(session), plan_for(session, who, reference)
        if plan.status is not PlanStatus.PRESCRIBED:
            raise PlanRunning(phone=clinic.phone)
        found = view(session, clinic, plan)
        patient = _whose(session, clinic, session.get_one(Patient, plan.patient_id))
    if presence is not None:
        presence = replace(presence, away=found.presence.away)
    wanted = replace(
        asking_again.wanted_by(found, BookableBy.STAFF, first_day=first_day, presence=presence),
        only=found.only if only is None else only,
        wished=found.wished if wished is None else wished,
    )
    wish = Prescription(
        patient=patient.reference,
        template=found.template,
        first_day=wanted.first_day,
        presence=wanted.presence,
        only=wanted.only,
        wished=wanted.wished,
        returning=found.returning,
        prescribed_by=found.prescribed_by.slug if found.prescribed_by else None,
        reason=found.reason,
        reminded_of=found.reminded_of,
    )
    return Arranged(clinic, patient, found.name, wish, wanted, reference)


def chosen_by_link(asked: Arranged) -> tuple[tuple[ProposedVisit, ...], datetime] | None:
    """What the patient has chosen by the plan's link and not booked, as long as it is kept for them, and until when: they were
    told to call. None also where it isn't the whole plan as it is asked for here, as from another first day.
    """
    held = held_for(asked.plan) if asked.plan else None
    return (as_chosen(asked, held.visits), held.until) if held and _is_whole(asked, held) else None


def begins_by_link(asked: Arranged) -> date | None:
    """From which first day on what the patient has chosen by the link is the whole plan; None where nothing is kept, or not all."""
    held = held_for(asked.plan) if asked.plan else None
    if held is None:
        return None
    first = asked.clinic.times.local_date(held.visits[0].starts_at)
    for day in (asked.wanted.first_day, *(first - timedelta(days=before) for before in range(7))):
        if _is_whole(replace(asked, wanted=replace(asked.wanted, first_day=day)), held):
            return day
    return None


def _is_whole(asked: Arranged, held: HeldFor) -> bool:
    try:
        chosen = choose(asked.clinic, asked.wanted.course, asked.wanted.first_day, held.visits)
    except PlanRulesBroken:
        return False
    weeks = range(
        weeks_within_horizon(asked.clinic, asked.wanted.course, asked.wanted.first_day, clock.now())
    )
    return not faults(asked.wanted.course, [one.kept for one in chosen], weeks)


def as_chosen(asked: Arranged, visits: Iterable[VisitWish]) -> tuple[ProposedVisit, ...]:
    """These visits as a proposal shows them, in order. Raises NotFound, PlanRulesBroken for visits of none of its kinds."""
    chosen = choose(asked.clinic, asked.wanted.course, asked.wanted.first_day, visits)
    found = [
        ProposedVisit(
            visit_type=one.visit_type,
            care=one.kept.care,
            role=one.kept.role,
            practitioner=one.practitioner,
            cell=one.wanted.cell,
            to_cell=one.wanted.cell + (one.kept.ends - one.kept.starts) // CELL_MINUTES,
            week=one.kept.week,
            room_kind=None,
            penciled=False,
        )
        for one in chosen
    ]
    return tuple(penciled(asked.clinic, asked.wanted, found))


def book_whole(
    who: Who,
    asked: Arranged,
    visits: tuple[VisitWish, ...],
    *,
    reminders: Reminders,
    text_consent: bool = False,
    reminded_of: PlanReminders = PlanReminders.BOTH,
    beyond: str = "",
    key: str,
) -> BookedPlan:
    """Books all visits of a plan for a patient, once per key, and prescribes it first if that hasn't been done. `beyond`: as of
    `PlanWish`.

    Raises what `prescribe` and `book` raise; once it is prescribed, a refusal names the `plan` as well.
    """
    wish = asked.prescription
    plan = asked.plan or prescribing.prescribe(who, wish, tell=False, key=f"{key[:70]} plan").reference
    with reading() as session:
        plan_for(session, who, plan)
    wanted = PlanWish(
        template=wish.template,
        first_day=wish.first_day,
        visits=visits,
        first_name=asked.whose.first_name,
        last_name=asked.whose.last_name,
        email=asked.whose.email,
        phone=asked.whose.phone,
        reminders=reminders,
        text_consent=text_consent,
        reminded_of=reminded_of,
        presence=wish.presence,
        only=wish.only,
        wished=wish.wished,
        returning=wish.returning or (),
        plan=plan,
        audience=BookableBy.STAFF,
        staff=who,
        beyond=beyond,
        agreed=wish.agreed if asked.plan else None,
    )
    # Another choice under the same key is another wish: some visits were lost meanwhile, or somebody went back to the page.
    choice = visits, reminders, text_consent, reminded_of, beyond
    chosen = hashlib.sha256(f"{key} {choice}".encode()).hexdigest()[:40]
    try:
        return book(wanted, actor=who.key, key=chosen)
    except Refusal as refusal:
        refusal.facts["plan"] = plan
        raise


def _whose(session: Session, clinic: Clinic, record: Patient, first_day: date | None = None) -> Whose:
    latest = session.scalar(
        select(Appointment.practitioner_id)
        .where(Appointment.patient_id == record.id, Appointment.status != Status.CANCELLED)
        .order_by(Appointment.to_cell.desc())
        .limit(1)
    )
    person = clinic.practitioner_by_id.get(latest or 0)
    return Whose(
        reference=record.reference,
        first_name=record.first_name,
        last_name=record.last_name,
        email=record.email,
        phone=record.phone,
        texts=may_be_texted(session, record),
        reminders=habits(session, record).reminders,
        returning=tuple(sorted(prescribing.known_in(session, clinic, record.id, first_day))),
        usual=person if person and person.slug in clinic.practitioners else None,
    )
