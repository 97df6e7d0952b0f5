"""Whether a message is still true, wanted and of use: asked immediately before it is sent."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from booking.models import YET_TO_GO, Appointment, Channel, Message, MessageState, OptOut, Plan, TextConsent
from booking.reminders import plans
from booking.scheduling.reminder_times import clinic_text_due, not_after, text_due, within_text_hours
from booking.scheduling.status import Status
from booking.services import digests, notices
from booking.services.clinic import Clinic
from booking.services.history import UNDO_WITHIN
from booking.services.own_day import tomorrow

_HANDED_OVER = (MessageState.SENDING, MessageState.SENT, MessageState.SIMULATED, MessageState.UNSURE)
# Answers to what a patient has just done: neither quiet hours nor caps bind them. What the clinic did itself and tells
# in the same words says so in its facts ("by_clinic"), and is bound.
_ANSWERS = (
    "confirmation", "change", "cancellation", "links", "text-help", "text-message",
    "plan-link", "plan-confirmation",
)  # fmt: skip
# What the clinic begins about a plan counts for the caps like a reminder; what its patient changed themselves is an answer.
_BEGUN = (digests.KIND, "plan-change", "plan-make-up")
TO_THE_CLINIC = ("cannot-come", "comes-after-all")


@dataclass(frozen=True)
class Drop:
    """It isn't sent, and why."""

    why: str


@dataclass(frozen=True)
class Wait:
    """It goes later."""

    until: datetime


@dataclass(frozen=True)
class OtherWay:
    """A text that can't go: by mail, or if there is no address, on the list of calls to make."""

    why: str


Verdict = Drop | Wait | OtherWay | None


def verdict(session: Session, clinic: Clinic, message: Message, now: datetime) -> Verdict:
    """None for a message that may go now.

    For a text it is asked once more in the transaction that hands it over, so that two workers never pass a cap together.
    """
    if notices.is_about_a_plan(message.kind, message.channel, message.facts):
        return None  # It only hangs on its visit, and is passed on to another one.
    if now > message.not_after:
        return Drop("It came too late to be of use.")
    appointment = session.get(Appointment, message.appointment_id) if message.appointment_id else None
    if appointment is not None and (untrue := _untrue(message, appointment)):
        return Drop(untrue)
    if appointment is not None and not _is_awaited(message, appointment):
        if appointment.status is Status.ARRIVED and now < appointment.starts_at:
            # They may be somebody else; as long as that can be taken back, what is to be told waits.
            return Wait(now + UNDO_WITHIN)
        return Drop(f"The visit is {appointment.status.value}.")
    plan = plans.plan_of(session, message)
    if plan is not None and (untrue := plans.untrue(session, clinic, message, plan, now)):
        return Drop(untrue)
    if plan is not None and message.channel is Channel.CALL:
        return OtherWay("It is told by telephone.")
    if message.kind == tomorrow.KIND and not tomorrow.still_wished(session, message):
        return Drop("It isn't wished any more.")
    if message.channel is Channel.TEXT:
        return _text(session, clinic, message, now)
    return None


def _untrue(message: Message, appointment: Appointment) -> str | None:
    """Why a message about a visit is no longer true."""
    if message.sequence != appointment.sequence:
        return "The visit was changed."
    if message.kind in TO_THE_CLINIC:
        said = appointment.cannot_come_at is not None
        return None if said == (message.kind == "cannot-come") else "The patient has changed their mind."
    if message.address and message.address not in (appointment.email, appointment.phone):
        return "The contact was corrected."
    if message.kind == "cancellation":
        return None if appointment.status is Status.CANCELLED else "The visit stands again."
    if message.kind.startswith("reminder") and appointment.cannot_come_at is not None:
        return "The patient has said that they can't come."
    return None


def _is_awaited(message: Message, appointment: Appointment) -> bool:
    """Whether the patient of a visit is still to come, or the message is about something else than that."""
    return message.kind in (*TO_THE_CLINIC, "cancellation") or appointment.status is Status.BOOKED


def _text(session: Session, clinic: Clinic, message: Message, now: datetime) -> Verdict:
    """What binds texts: STOP, consent for that number, and for what the clinic itself begins, hours and caps."""
    if session.get(OptOut, message.address) is not None:
        return OtherWay("This number wants no texts.")
    if message.kind.startswith("text-"):
        return None
    consent = select(TextConsent.id).where(TextConsent.phone == message.address).limit(1)
    if session.scalar(consent) is None:
        return OtherWay("Nobody agreed to texts at this number.")
    rules = clinic.text_rules
    by_clinic = bool(message.facts.get("by_clinic"))
    if (message.kind in _ANSWERS and not by_clinic) or notices.OWN in message.facts:
        return None
    begins, last_use = _begins(session, message, now), message.not_after
    if begins is not None:
        last_use = not_after(begins)
        later = clinic_text_due(now, begins, clinic.zone, rules.starts, rules.ends)
        if later is None or later > now:
            return Wait(later) if later else OtherWay("No text can go before the visit begins.")
    elif not within_text_hours(now, clinic.zone, rules.starts, rules.ends):
        later = text_due(now, message.not_after, clinic.zone, rules.starts, rules.ends)
        return Wait(later) if later and later > now else OtherWay("No text can go before it is too late.")
    if message.kind == digests.KIND and _reminders_ahead(session, clinic, message, now) >= rules.a_week:
        plan = plans.plan_of(session, message)
        if plan is None or not _is_reminded_of_each(session, clinic, message, plan, now):
            return OtherWay("Reminders are this number's texts of that week.")
        no_room = "The reminders of these visits are this number's texts of that week."
        return OtherWay(no_room) if plan.email else Drop(no_room)
    today = now.astimezone(clinic.zone).date()
    if _texts_since(session, message, now - timedelta(days=7)) >= rules.a_week:
        return OtherWay("This number has had its texts of this week.")
    midnight = datetime.combine(today, datetime.min.time(), clinic.zone)
    if _texts_since(session, message, midnight) >= rules.a_day:
        morning = datetime.combine(today + timedelta(days=1), rules.starts, clinic.zone)
        return Wait(morning) if morning <= last_use else OtherWay("This number has had its text of today.")
    return None


def _begins(session: Session, message: Message, now: datetime) -> datetime | None:
    """When the visit that the clinic changed begins, or began until then; of a plan's visits the next one that is ahead."""
    if message.kind == "plan-change":
        return plans.next_start(session, message, now)
    return datetime.fromisoformat(message.facts["begins_at"]) if message.facts.get("by_clinic") else None


def _reminders_ahead(session: Session, clinic: Clinic, message: Message, now: datetime) -> int:
    """On how many days of the next seven this number is reminded by text: a list of the week never takes a reminder's place."""
    soon = Message.due_at <= now + timedelta(days=7)
    waits = Message.state == MessageState.QUEUED
    due = session.scalars(select(Message.due_at).where(*_reminds(message), waits, soon))
    return len({clinic.times.local_date(at) for at in due})


def _is_reminded_of_each(
    session: Session, clinic: Clinic, message: Message, plan: Plan, now: datetime
) -> bool:
    """Whether this number is reminded by text, or just was, of each of the visits that a list of the week names: others may share
    it.
    """
    named = {visit.id for visit in plans.about_plan(session, clinic, message, plan, now).visits}
    goes = or_(
        Message.state.in_((*YET_TO_GO, MessageState.SENT, MessageState.SIMULATED)),
        Message.settled_as == notices.TOLD_TOGETHER,
    )
    return named <= {*session.scalars(select(Message.appointment_id).where(*_reminds(message), goes))}


def _reminds(message: Message) -> tuple[ColumnElement[bool], ...]:
    """Another one that reminds the same number by text."""
    return (
        Message.address == message.address,
        Message.channel == Channel.TEXT,
        Message.kind.startswith("reminder-"),
    )


def _texts_since(session: Session, message: Message, since: datetime) -> int:
    """Texts that the clinic began to this number."""
    begun = or_(
        Message.kind.startswith("reminder"),
        and_(Message.kind.in_(_BEGUN), Message.facts[notices.OWN].as_boolean().is_not(True)),
        Message.facts["by_clinic"].as_boolean(),
    )
    return (
        session.scalar(
            select(func.count())
            .select_from(Message)
            .where(
                Message.address == message.address,
                Message.channel == Channel.TEXT,
                begun,
                Message.handed_over_at >= since,
                Message.state.in_(_HANDED_OVER),
            )
        )
        or 0
    )
