"""What a plan's page needs besides the plan: whose it is, and the link to hand over."""

from dataclasses import dataclass

from sqlalchemy import select

from booking.errors import NotFound
from booking.models import Patient, PlanStatus
from booking.services.desk.records import may_be_texted, standing
from booking.services.plans import links
from booking.services.staff import audit
from booking.services.staff.ownership import appointment_for, plan_for
from booking.services.staff.who import Who
from booking.services.transaction import reading


@dataclass(frozen=True)
class Link:
    """A plan's link, as it is in messages. `booked`: it shows what is booked by now."""

    reference: str
    name: str
    booked: bool
    address: str


def link_of(who: Who, reference: str) -> Link:
    """The link to a plan, to be shown to its patient; written down as shown. Raises NotFound also for a plan that was taken
    back, whose link opens nothing.
    """
    with reading() as session:
        plan = plan_for(session, who, reference)
        if plan.status is PlanStatus.STOPPED:
            raise NotFound
        found = Link(
            reference=reference,
            name=f"{plan.first_name} {plan.last_name}",
            booked=plan.status is not PlanStatus.PRESCRIBED,
            address=links.address(plan.reference, plan.link_number),
        )
        patient_id = plan.patient_id
    audit.saw(who, "showed plan link", f"plan/{reference}", [patient_id])
    return found


def patient_of(who: Who, reference: str) -> str:
    """The reference of a plan's patient. Raises NotFound."""
    with reading() as session:
        plan = plan_for(session, who, reference)
        return session.scalars(select(Patient.reference).where(Patient.id == plan.patient_id)).one()


@dataclass(frozen=True)
class Whose:
    """A patient for whom a plan is about to be prescribed, and whether there is a way to send them a link."""

    reference: str
    name: str
    reached_at: str


def whose_visit(who: Who, reference: str) -> Whose:
    """The patient of a visit; that it was seen is written down, once an hour. Raises NotFound, RecordMerged."""
    with reading() as session:
        visit = appointment_for(session, who, reference)
        wanted = select(Patient.reference).where(Patient.id == visit.patient_id)
        patient = standing(session, who, session.scalars(wanted).one())
        by_text = patient.phone if may_be_texted(session, patient) else None
        name = f"{patient.first_name} {patient.last_name}"
        found, patient_id = Whose(patient.reference, name, patient.email or by_text or ""), patient.id
    audit.saw_visit(who, reference, patient_id)
    return found
