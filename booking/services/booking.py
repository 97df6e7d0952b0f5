"""Booking a visit: the whole story in order.

We book by membership. The page shows what the engine offers; here the same offers are computed again under the lock,
and the chosen start is looked up among them. There is no second validator that could disagree with the first.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, or_, select
from sqlalchemy.orm import Session

from booking import clock
from booking.errors import ContactCannotBeReached, Refusal, SlotTaken, TooManyVisits
from booking.formatting import iso_utc
from booking.models import SERIES, Actor, Appointment, BookableBy, Payment, Plan, Reminders
from booking.models.base import random_reference
from booking.scheduling.offers import Assignment, assign
from booking.scheduling.status import LIVE, Status
from booking.scheduling.timeline import cell_at, cell_from
from booking.services import claims, giving_way, history, holds, links, notices, patients, rows, tasks
from booking.services.availability import locked, refusal_at
from booking.services.clinic import Clinic, the_clinic
from booking.services.idempotency import Answer, Key, once
from booking.services.occupancies import Ignoring
from booking.services.question import Question
from booking.services.reminded import BY_TEXT
from booking.services.search import alternatives
from booking.services.text_consent import keep_consent
from booking.services.visits import refuse_unreachable

_UPCOMING_BY_EMAIL, _UPCOMING_BY_PHONE = (
    select(func.count(Appointment.id)).where(
        column == bindparam("contact"),
        Appointment.to_cell > bindparam("now"),
        Appointment.status.in_(LIVE),
        or_(
            Appointment.plan_id.is_(None),
            select(Plan.template).where(Plan.id == Appointment.plan_id).scalar_subquery() == SERIES,
        ),
    )
    for column in (Appointment.email, Appointment.phone)
)


@dataclass(frozen=True)
class Wish:
    """What somebody wants to book, checked for form by whoever made it. Names are slugs; `practitioner` None is anyone.

    `visitor` is the mark of the visitor whose hold may be used up.
    """

    visit_type: str
    practitioner: str | None
    starts_at: datetime
    first_name: str
    last_name: str
    email: str | None
    phone: str | None
    reminders: Reminders
    text_consent: bool = False
    payment: Payment | None = None
    note: str = ""
    policy_version: str = ""
    audience: BookableBy = BookableBy.PATIENTS
    visitor: str | None = None


@dataclass(frozen=True)
class Booked:
    """The visit that was booked, as it was then, and the number of the link that opens it. Plain values: they are kept."""

    reference: str
    link_number: int
    starts_at: str
    local: str
    practitioner: str

    @property
    def token(self) -> str:
        return links.token(self.reference, self.link_number)


def book(wish: Wish, *, actor: str, key: str) -> Booked:
    """Books a visit, once per key, and queues the confirmation and the reminders.

    Raises SlotTaken with the nearest alternatives, TooSoon, BeyondHorizon, LimitReached, NotOffered, TooManyVisits,
    ContactCannotBeReached, or KeyReused; NotFound for a visit type or practitioner that doesn't exist.
    """
    content = dict(vars(wish))
    # Whose hold it was is no part of what was asked for: the same form may come back in another session.
    del content["visitor"]

    def with_alternatives(refusal: Refusal) -> Refusal:
        if isinstance(refusal, SlotTaken):
            refusal.facts["alternatives"] = alternatives(
                wish.visit_type, wish.practitioner, wish.starts_at, wish.audience
            )
        return refusal

    answer = once(
        Key.of(actor, key, content), lambda session: _book(session, wish), on_refusal=with_alternatives
    )
    return Booked(**answer)


def _book(session: Session, wish: Wish) -> Answer:
    now = clock.now()
    clinic = the_clinic(session)
    question = Question.of(clinic, wish.visit_type, wish.practitioner, wish.audience)
    refuse_unreachable(wish.reminders, wish.email, wish.phone)
    if wish.reminders in BY_TEXT and not wish.text_consent:
        raise ContactCannotBeReached(field="text_consent")
    patients.lock_contacts(session, wish.email, wish.phone)
    if wish.audience is not BookableBy.STAFF:
        refuse_too_many(session, clinic, wish.email, wish.phone, now)

    patient_id = patients.join(session, wish.first_name, wish.last_name, wish.email, wish.phone)
    held = holds.of_visitor(session, wish.visitor)
    offers = locked(
        session, question, wish.starts_at, now, ignoring=Ignoring(visitor=wish.visitor), patient_id=patient_id,
        also=claims.held_by(session, held),
    )  # fmt: skip
    start = cell_at(wish.starts_at)
    offer = offers.at(start)
    given_way: frozenset[int] = frozenset()
    if offer is None and question.takes_penciled:
        instead = giving_way.offers_without(
            session, question, wish.starts_at, now, visitor=wish.visitor, patient_id=patient_id
        )
        if instead is not None:
            offers, given_way = instead
            offer = offers.at(start)
    if offer is None:
        raise refusal_at(offers, start, clinic.phone)

    giving_way.give_up(session, given_way, Actor.SYSTEM, now)
    visit = assign(offers.situation, offer.practitioner_id, start)
    claims.drop_holds(session, held)
    by = Actor.STAFF if wish.audience is BookableBy.STAFF else Actor.PATIENT
    appointment = record(session, clinic, wish, patient_id, visit, by, now)
    notices.booked(session, clinic, appointment, now)
    return answer_of(clinic, appointment)


def record(
    session: Session,
    clinic: Clinic,
    wish: Wish,
    patient_id: int,
    visit: Assignment,
    by: Actor,
    now: datetime,
    *,
    here: bool = False,
    **history_of: Any,
) -> Appointment:
    """The appointment, what it takes, its patient's consent, its first entry of history, and what the desk owes for it.

    A part of use cases that have locked everything in `visit`, and the patient. `here`: the patient has arrived already.
    `history_of`: who did it and why, as `history.note` takes them.
    """
    status = Status.ARRIVED if here else Status.BOOKED
    appointment = Appointment(
        reference=random_reference(),
        patient_id=patient_id,
        practitioner_id=visit.practitioner_id,
        visit_type_id=clinic.visit_type(wish.visit_type).id,
        room_id=visit.room,
        from_cell=visit.from_cell,
        to_cell=visit.to_cell,
        first_name=wish.first_name,
        last_name=wish.last_name,
        email=wish.email,
        phone=wish.phone,
        reminders=wish.reminders,
        payment=wish.payment,
        note=wish.note,
        policy_version=wish.policy_version,
        booked_at=now,
        booked_by=by,
        changed_at=now,
        status=status,
        arrived_at=now if here else None,
    )
    rows.add(session, appointment)
    claims.take(session, [*visit.uses, visit.patient_use(patient_id)], appointment_id=appointment.id)
    claims.bump(session, [use.resource_id for use in visit.uses] + [patient_id])
    if wish.text_consent and wish.phone:
        keep_consent(session, clinic, wish.phone, patient_id, now)
    facts: dict[str, Any] = {
        "starts_at": iso_utc(appointment.starts_at),
        "practitioner": clinic.practitioner_by_id[visit.practitioner_id].slug,
    }
    if here:
        facts["state"] = facts | {"status": status.value}
    history.note(session, appointment, "booked", by, **facts, **history_of)
    tasks.owe(session, clinic, appointment, now)
    return appointment


def answer_of(clinic: Clinic, appointment: Appointment) -> Answer:
    """What `Booked` is made of."""
    return {
        "reference": appointment.reference,
        "link_number": appointment.link_number,
        "starts_at": iso_utc(appointment.starts_at),
        "local": clinic.times.iso_local(appointment.starts_at),
        "practitioner": clinic.practitioner_by_id[appointment.practitioner_id].slug,
    }


def refuse_too_many(
    session: Session, clinic: Clinic, email: str | None, phone: str | None, now: datetime, more: int = 1
) -> None:
    """So many upcoming visits at the most for one e-mail address or phone number, without staff; those of plans don't count,
    those of series do. `more`: are to be booked. Raises TooManyVisits.
    """
    if more > left_without_staff(session, clinic, email, phone, now):
        raise TooManyVisits(limit=clinic.visits_without_staff, phone=clinic.phone)


def left_without_staff(
    session: Session, clinic: Clinic, email: str | None, phone: str | None, now: datetime
) -> int:
    """How many more visits may be booked with these contacts without staff."""
    ahead = [
        session.connection().scalars(statement, {"contact": contact, "now": cell_from(now)}).one()
        for statement, contact in ((_UPCOMING_BY_EMAIL, email), (_UPCOMING_BY_PHONE, phone))
        if contact
    ]
    return max(0, clinic.visits_without_staff - max(ahead, default=0))
