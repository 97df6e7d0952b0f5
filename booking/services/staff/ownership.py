"""What is whose: records are fetched for somebody, or not at all.

Not there and not yours are the same NotFound. The desk, managers and owners see all patients; a practitioner sees those whom they
have, had within twelve months or will have, to whom they prescribed a plan within these, or whose plan names them, and all visits
of those, whoever gives them. A visit of their own that was cancelled stays theirs to open, as it stands on their day, even if it
was the only one.
"""

from datetime import timedelta

from sqlalchemy import ColumnElement, Text, and_, bindparam, cast, exists, false, literal, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from booking import clock
from booking.errors import NotFound
from booking.models import (
    Appointment,
    HistoryEntry,
    Message,
    Patient,
    Plan,
    PlanEntry,
    PlanStatus,
    Practitioner,
    StaffAccount,
)
from booking.scheduling.status import Status
from booking.scheduling.timeline import cell_from
from booking.services.history import UNDO_WITHIN
from booking.services.staff.who import Who
from booking.services.transaction import reading

HAD_WITHIN = timedelta(days=365)
_NOTHING = false()

# Nearly everything that staff do begins with this one, so it is put together once.
_OF_REFERENCE = select(Appointment).where(Appointment.reference == bindparam("reference"))
# As it is by the time that nobody else changes it.
_LOCKED = _OF_REFERENCE.with_for_update(of=Appointment).execution_options(populate_existing=True)


def appointment_for(
    session: Session,
    who: Who,
    reference: str,
    *,
    for_update: bool = False,
    besides: ColumnElement[bool] = _NOTHING,
) -> Appointment:
    """The appointment of this reference, if it is one that `who` may see, or of those `besides`; locked if it is about to
    change.

    Raises NotFound.
    """
    _refuse_rubbish(reference)
    wanted = _LOCKED if for_update else _OF_REFERENCE
    if not who.sees_everybody:
        wanted = wanted.where(or_(besides, _gives(who, Appointment), theirs(who, Appointment.patient_id)))
    appointment = session.scalar(wanted, {"reference": reference})
    if appointment is None:
        raise NotFound
    return appointment


def appointment_of(
    session: Session,
    who: Who,
    kind: type[HistoryEntry] | type[Message],
    number: int,
    *,
    for_update: bool = False,
) -> Appointment:
    """The same for the appointment that an entry of the history, or a message, is about; for an entry also if `who` has done
    this a moment ago: whoever has given a visit to a colleague takes that back. Raises NotFound.
    """
    reference = session.scalar(
        select(Appointment.reference)
        .join(kind, kind.appointment_id == Appointment.id)
        .where(kind.id == number)
    )
    if reference is None:
        raise NotFound
    done_by_them = exists().where(
        HistoryEntry.id == number,
        HistoryEntry.account_id == who.account_id,
        HistoryEntry.at >= clock.now() - UNDO_WITHIN,
    )
    besides = done_by_them if kind is HistoryEntry else _NOTHING
    return appointment_for(session, who, reference, for_update=for_update, besides=besides)


def patient_for(session: Session, who: Who, reference: str, *, for_update: bool = False) -> Patient:
    """The patient of this reference, if it is one whom `who` may see; locked if the record is about to change.

    Raises NotFound.
    """
    _refuse_rubbish(reference)
    wanted = select(Patient).where(Patient.reference == reference, theirs(who, Patient.id))
    patient = session.scalar(wanted.with_for_update(of=Patient) if for_update else wanted)
    if patient is None:
        raise NotFound
    return patient


def plan_for(session: Session, who: Who, reference: str, *, for_update: bool = False) -> Plan:
    """The plan of this reference, if its patient is one whom `who` may see, or if `who` has changed it a moment ago, which they
    may take back; locked if it is about to change.

    Raises NotFound.
    """
    _refuse_rubbish(reference)
    wanted = select(Plan).where(Plan.reference == reference)
    if not who.sees_everybody:
        changed_by_them = exists().where(
            PlanEntry.plan_id == Plan.id,
            PlanEntry.account_id == who.account_id,
            PlanEntry.at >= clock.now() - UNDO_WITHIN,
        )
        wanted = wanted.where(or_(changed_by_them, theirs(who, Plan.patient_id)))
    if for_update:
        wanted = wanted.with_for_update(of=Plan).execution_options(populate_existing=True)
    plan = session.scalar(wanted)
    if plan is None:
        raise NotFound
    return plan


def own_account(who: Who) -> StaffAccount:
    """Their own account, as it is now. Raises NotFound."""
    with reading() as session:
        account = session.get(StaffAccount, who.account_id)
    if account is None:
        raise NotFound
    return account


def _refuse_rubbish(reference: str) -> None:
    """What PostgreSQL can't even be asked for isn't there: a reference comes from a form as well as from a path."""
    if "\x00" in reference:
        raise NotFound


def theirs(who: Who, patient_id: InstrumentedAttribute[int]) -> ColumnElement[bool]:
    """Whether a patient is one whom `who` may see."""
    if who.sees_everybody:
        return patient_id.is_not(None)
    given, plan = aliased(Appointment), aliased(Plan)
    prescribed = plan.prescribed_by == (who.practitioner_id or 0)
    return or_(
        exists().where(
            given.patient_id == patient_id,
            _gives(who, given),
            given.status != Status.CANCELLED,
        ),
        exists().where(
            plan.patient_id == patient_id,
            or_(prescribed, _names(plan, who)),
            or_(
                plan.status.in_((PlanStatus.PRESCRIBED, PlanStatus.RUNNING)),
                # They have yet to tell the patient what they decided.
                plan.untold_since.is_not(None),
                # What became of their own plan they see, even if no visit of it took place.
                and_(prescribed, plan.made_at > clock.now() - HAD_WITHIN),
            ),
        ),
    )


def _names(plan: type[Plan], who: Who) -> ColumnElement[bool]:
    """Whether a plan says that its visits are to be with `who`. Its kinds of care, which are followed by a colon, may be called
    the same.
    """
    name = select(Practitioner.slug).where(Practitioner.id == (who.practitioner_id or 0)).scalar_subquery()
    return or_(
        *(
            cast(people, Text).contains(literal('"').concat(name).concat(follows))
            for people in (plan.only_with, plan.rather_with)
            for follows in ('"]', '",')
        )
    )


def _gives(who: Who, visit: type[Appointment]) -> ColumnElement[bool]:
    """Whether it is a visit that `who` gives, gave within twelve months, or was to give."""
    return and_(
        visit.practitioner_id == (who.practitioner_id or 0),
        visit.to_cell > cell_from(clock.now() - HAD_WITHIN),
    )
