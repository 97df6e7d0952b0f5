"""A patient's visit, as its link opens it: seen, confirmed, cancelled, or told that they can't come.

The link is the only key here; whoever has no right one gets NotFound. A GET changes nothing: mail scanners open links.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking import clock
from booking.errors import (
    ContactCannotBeReached,
    NotChangeable,
    OnlyPenciledIn,
    StaleEdit,
    TooLateToChange,
)
from booking.formatting import iso_utc
from booking.models import Actor, Appointment, Reminders
from booking.scheduling.status import Status
from booking.services import history, links, notices, placing, reminded, text_consent
from booking.services.clinic import Clinic, Practitioner, VisitType, the_clinic
from booking.services.idempotency import Answer, Key, once
from booking.services.question import Moved
from booking.services.reminded import BY_EMAIL, BY_PHONE
from booking.services.transaction import reading


class Changeable:
    """A visit that its patient may move or cancel until its type's cut-off, at exactly that instant included."""

    visit_type: VisitType
    starts_at: datetime
    status: Status

    @property
    def change_until(self) -> datetime:
        return self.starts_at - self.visit_type.cut_off

    def may_change(self, now: datetime) -> bool:
        return self.status is Status.BOOKED and now <= self.change_until


@dataclass(frozen=True)
class Visit(Changeable):
    """A visit as its patient may see it. Nothing of the patient's record is in it but what they typed for this visit."""

    clinic: Clinic
    id: int
    # The same visit, where other times for it are asked for.
    moved: Moved
    reference: str
    version: int
    sequence: int
    link_number: int
    status: Status
    starts_at: datetime
    ends_at: datetime
    visit_type: VisitType
    practitioner: Practitioner
    first_name: str
    last_name: str
    email: str | None
    phone: str | None
    reminders: Reminders
    confirmed_at: datetime | None
    cannot_come_at: datetime | None
    cancelled_at: datetime | None
    changed_at: datetime
    # It holds its time until a practitioner has decided.
    penciled: bool = False
    # It was booked with others, as a plan or a series.
    in_plan: bool = False

    @property
    def token(self) -> str:
        return links.token(self.reference, self.link_number)

    @property
    def initials(self) -> str:
        """Enough for the clinic to know who it is, in a mail that others may see."""
        return f"{self.first_name[0]}. {self.last_name[0]}."

    @property
    def minutes(self) -> int:
        return int((self.ends_at - self.starts_at).total_seconds()) // 60

    def moved_to(self, starts_at: datetime) -> "Visit":
        """The same visit at another time, as it would be."""
        return replace(self, starts_at=starts_at, ends_at=self.ends_at + (starts_at - self.starts_at))

    def is_settled(self, now: datetime) -> bool:
        """Past its cut-off: from here on, changes go by telephone."""
        return now > self.change_until

    def is_ahead(self, now: datetime) -> bool:
        return self.status is Status.BOOKED and now < self.starts_at


def visit(reference: str, token: str) -> Visit:
    """The visit that this link opens. Raises NotFound."""
    with reading() as session:
        clinic = the_clinic(session)
        return shaped(clinic, opened(session, reference, token, clock.now()))


def confirm(reference: str, token: str, *, actor: str, key: str) -> None:
    """Keeps that the patient said "Yes, I'm coming"; the clinic hears of it if they had said that they can't.

    Twice is a quiet success. Raises OnlyPenciledIn, NotFound, NotChangeable, KeyReused.
    """

    def action(session: Session) -> Answer:
        now = clock.now()
        appointment = opened(session, reference, token, now, for_update=True)
        _refuse_settled(appointment, now)
        if appointment.penciled:
            raise OnlyPenciledIn
        if appointment.confirmed_at is None:
            changed_their_mind = appointment.cannot_come_at is not None
            appointment.confirmed_at = appointment.changed_at = now
            appointment.cannot_come_at = None
            appointment.version += 1
            history.note(session, appointment, "confirmed", Actor.PATIENT)
            if changed_their_mind:
                notices.comes_after_all(session, the_clinic(session), appointment, now)
        return {}

    once(Key.of(actor, key, ["confirm", reference]), action)


def cancel(
    reference: str, token: str, reason: str, *, actor: str, key: str, version: int | None = None
) -> None:
    """Cancels the visit, frees its time and tells the patient. Twice is a quiet success.

    Raises TooLateToChange after the cut-off, NotChangeable, StaleEdit, NotFound, KeyReused.
    """

    def action(session: Session) -> Answer:
        now = clock.now()
        clinic = the_clinic(session)
        appointment = opened(session, reference, token, now, for_update=True)
        if appointment.status is Status.CANCELLED:
            return {}
        refuse_stale(session, clinic, appointment, version)
        refuse_too_late(clinic, appointment, now)
        placing.cancel(session, appointment, Actor.PATIENT, reason, now)
        appointment.version += 1
        appointment.changed_at = now
        history.note(session, appointment, "cancelled", Actor.PATIENT, why=reason)
        notices.cancelled(session, clinic, appointment, now)
        return {}

    once(Key.of(actor, key, ["cancel", reference, reason]), action)


def cannot_come(reference: str, token: str, *, actor: str, key: str) -> None:
    """Keeps "I can't come", said after the cut-off: the clinic is told at once; the visit stands until staff free it.

    Twice is a quiet success. Raises NotFound, NotChangeable, KeyReused.
    """

    def action(session: Session) -> Answer:
        now = clock.now()
        clinic = the_clinic(session)
        appointment = opened(session, reference, token, now, for_update=True)
        _refuse_settled(appointment, now)
        if appointment.cannot_come_at is None:
            appointment.cannot_come_at = appointment.changed_at = now
            appointment.confirmed_at = None
            appointment.version += 1
            history.note(session, appointment, "cannot_come", Actor.PATIENT)
            notices.cannot_come(session, clinic, appointment, now)
        return {}

    once(Key.of(actor, key, ["cannot_come", reference]), action)


def correct_contact(
    reference: str,
    token: str,
    email: str | None,
    phone: str | None,
    *,
    reminders: Reminders | None = None,
    agrees_to_texts: bool = False,
    actor: str,
    key: str,
    version: int | None = None,
) -> str:
    """Changes where we write to about this visit, and tells the new contact; and how we remind of it, which is told to nobody.
    The patient's record stays as it is.

    Returns the token that opens the visit from now on: whoever was written to by mistake has a link that opens nothing.
    Consent to texts was given for a number; a new number gets none until it is given again. `agrees_to_texts`: they give it now.
    Raises ContactCannotBeReached where the reminders that were chosen don't fit, or texts aren't agreed to, StaleEdit,
    NotChangeable, NotFound, KeyReused.
    """

    def action(session: Session) -> Answer:
        now = clock.now()
        clinic = the_clinic(session)
        appointment = opened(session, reference, token, now, for_update=True)
        _refuse_settled(appointment, now)
        refuse_stale(session, clinic, appointment, version)
        by = reminders or appointment.reminders
        refuse_unreachable(by, email, phone)
        before = (appointment.email, appointment.phone)
        if reminders in reminded.BY_TEXT and phone:
            if phone == appointment.phone:
                text_consent.refuse_stopped(session, phone)
            text_consent.agree(session, clinic, appointment.patient_id, phone, now, ticked=agrees_to_texts)
        changed = reminded.remind_by(session, [appointment], by, reminded.PATIENT, now)
        left = notices.leave_way(session, clinic, [appointment], [], changed, now) if changed else None
        if before != (email, phone):
            if any(old and old != new for old, new in zip(before, (email, phone), strict=True)):
                appointment.link_number += 1
            history.note(session, appointment, "contact_corrected", Actor.PATIENT)
            appointment.email, appointment.phone = email, phone
            appointment.changed_at = now
            appointment.version += 1
            session.flush()
            notices.contact_corrected(session, clinic, appointment, now)
        if left is not None:
            notices.take_way(session, clinic, [appointment], [], left, now)
        return {"link_number": appointment.link_number}

    content = ["contact", reference, email, phone, reminders, agrees_to_texts]
    answer = once(Key.of(actor, key, content), action)
    return links.token(reference, answer["link_number"])


def texts_agreed(reference: str, token: str) -> bool:
    """Whether its patient agreed to texts at the number that the visit has. Raises NotFound."""
    with reading() as session:
        appointment = opened(session, reference, token, clock.now())
        return text_consent.agreed(session, appointment.patient_id, appointment.phone)


# Parts that other use cases of the link share.


def opened(
    session: Session, reference: str, token: str, now: datetime, *, for_update: bool = False
) -> Appointment:
    """The appointment that this link opens, locked if it is about to change. Raises NotFound."""
    if for_update:
        session.execute(select(Appointment.id).where(Appointment.reference == reference).with_for_update())
    return links.appointment_by_link(session, reference, token, now)


def shaped(clinic: Clinic, appointment: Appointment) -> Visit:
    return Visit(
        clinic=clinic,
        id=appointment.id,
        moved=Moved.of(appointment),
        reference=appointment.reference,
        version=appointment.version,
        sequence=appointment.sequence,
        link_number=appointment.link_number,
        status=appointment.status,
        starts_at=appointment.starts_at,
        ends_at=appointment.ends_at,
        visit_type=clinic.visit_type_by_id[appointment.visit_type_id],
        practitioner=clinic.practitioner_by_id[appointment.practitioner_id],
        first_name=appointment.first_name,
        last_name=appointment.last_name,
        email=appointment.email,
        phone=appointment.phone,
        reminders=appointment.reminders,
        confirmed_at=appointment.confirmed_at,
        cannot_come_at=appointment.cannot_come_at,
        cancelled_at=appointment.cancelled_at,
        changed_at=appointment.changed_at,
        penciled=appointment.penciled,
        in_plan=appointment.plan_id is not None,
    )


def refuse_unreachable(reminders: Reminders, email: str | None, phone: str | None) -> None:
    """Refuses reminders that the contacts given can't be reached by."""
    if not email and not phone:
        raise ContactCannotBeReached(field="email")
    if reminders in BY_EMAIL and not email:
        raise ContactCannotBeReached(field="email")
    if reminders in BY_PHONE and not phone:
        raise ContactCannotBeReached(field="phone")


def refuse_stale(session: Session, clinic: Clinic, appointment: Appointment, version: int | None) -> None:
    """Refuses a change that was made on a page which is no longer true, with both states."""
    if version is None or version == appointment.version:
        return
    raise StaleEdit(
        shown=history.state_at(session, appointment, version),
        now=history.state_of(clinic, appointment),
    )


def refuse_too_late(clinic: Clinic, appointment: Appointment, now: datetime) -> None:
    """Refuses what patients may do until the cut-off only. The cut-off itself is still in time."""
    _refuse_settled(appointment, now)
    until = appointment.starts_at - clinic.visit_type_by_id[appointment.visit_type_id].cut_off
    if now > until:
        raise TooLateToChange(until=iso_utc(until), phone=clinic.phone)


def _refuse_settled(appointment: Appointment, now: datetime) -> None:
    if appointment.status is not Status.BOOKED or now >= appointment.starts_at:
        raise NotChangeable(visit_status=appointment.status.value)
