"""What a visit tells that its patient booked or changed themselves: at once, to them, or to the clinic."""

from datetime import datetime

from sqlalchemy.orm import Session

from booking.models import Appointment, Channel, Message, Plan
from booking.services import digests
from booking.services.clinic import Clinic
from booking.services.notices.by_clinic import news_owed
from booking.services.notices.calling import pass_on_of
from booking.services.notices.knowing import known_of
from booking.services.notices.reminding import called_now, remind_now, reminders
from booking.services.notices.waiting import drop_queued, drop_waiting, tell_with_plan, told_apart
from booking.services.notices.ways import channel_of_clinic
from booking.services.notices.writing import add_resend, answer, row_of
from booking.services.rows import Row, add_all


def booked(session: Session, clinic: Clinic, appointment: Appointment, now: datetime) -> None:
    """A confirmation at once, and the reminders that are still to come."""
    add_all(
        session, Message, [*answer(appointment, "confirmation", now), *reminders(clinic, appointment, now)]
    )


def moved(session: Session, clinic: Clinic, appointment: Appointment, known: Row, now: datetime) -> None:
    """Tells of the new time, and reminds of it instead of the old one. `known`: what the patient knew (`known_of`)."""
    told_apart(session, clinic, appointment, known)
    drop_queued(session, appointment, "The visit was moved.")
    add_all(
        session, Message, [*answer(appointment, "change", now, known), *reminders(clinic, appointment, now)]
    )
    digests.replan_of(session, appointment, now)
    pass_on_of(session, appointment, now)


def cancelled(session: Session, clinic: Clinic, appointment: Appointment, now: datetime) -> None:
    """Tells of the cancellation, with an entry that takes the visit out of the patient's calendar."""
    told_apart(session, clinic, appointment, known_of(appointment, clinic))
    drop_queued(session, appointment, "The visit was cancelled.")
    add_all(session, Message, answer(appointment, "cancellation", now, useful_until=appointment.ends_at))
    digests.replan_of(session, appointment, now)
    pass_on_of(session, appointment, now)


def contact_corrected(
    session: Session, clinic: Clinic, appointment: Appointment, now: datetime, *, with_plan: bool = False
) -> None:
    """The confirmation and the reminders once more, to the contact as it is now, as a numbered resend. `with_plan`: its plan's
    confirmation goes for all visits; not while a decision waits to be told, so that what waited of this one goes by itself.
    """
    dropped = drop_waiting(session, appointment, "The contact was corrected.", now)
    tells = tell_with_plan(session, appointment, dropped)
    confirmed = [] if with_plan else answer(appointment, "confirmation", now, {"corrected": True})
    rows = [*confirmed, *reminders(clinic, appointment, now)]
    # Put off, or in a worker's hand at this moment: they go to the new contact now.
    rows += remind_now(appointment, dropped, rows, now)
    if channel_of_clinic(appointment)[0] is Channel.CALL:
        rows += called_now(appointment, dropped, now)
    elif with_plan and not tells and _has_untold(session, appointment):
        rows += news_owed(session, clinic, appointment, dropped, now)
    add_resend(session, appointment, rows)


def cannot_come(session: Session, clinic: Clinic, appointment: Appointment, now: datetime) -> None:
    """Tells the clinic at once that a patient can't come to a visit that they may no longer cancel themselves."""
    _tell_clinic(session, clinic, appointment, "cannot-come", now)
    pass_on_of(session, appointment, now)


def comes_after_all(session: Session, clinic: Clinic, appointment: Appointment, now: datetime) -> None:
    """Takes back what `cannot_come` told the clinic."""
    _tell_clinic(session, clinic, appointment, "comes-after-all", now)


def _has_untold(session: Session, appointment: Appointment) -> bool:
    """Whether its plan has a decision that waits to be told."""
    plan = session.get(Plan, appointment.plan_id or 0)
    return plan is not None and bool(plan.untold)


def _tell_clinic(
    session: Session, clinic: Clinic, appointment: Appointment, kind: str, now: datetime
) -> None:
    """A mail to the clinic's own mailbox. It may be told the same more than once: patients change their minds."""
    row = row_of(appointment, kind, Channel.EMAIL, clinic.mailbox, now, now, appointment.ends_at)
    add_resend(session, appointment, [row])
