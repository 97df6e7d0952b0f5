"""How and when a patient hears of what the clinic changes: by mail, text or telephone, and on short notice by both."""

from collections.abc import Iterable, Sequence
from datetime import datetime, time, timedelta
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo

from booking.models import Appointment, Channel, Reminders
from booking.scheduling.reminder_times import before_texts, clinic_text_due
from booking.services.clinic import Clinic
from booking.services.message_rows import REMINDED_BY

# A change by the clinic waits so long, for it may be taken back.
TAKEN_BACK_WITHIN = timedelta(minutes=3)
# What the clinic changes less than this before a visit is told by telephone as well.
SOON = timedelta(hours=24)


class Contact(Protocol):
    """Whoever is told: a visit, or a plan, by the contact that it has."""

    @property
    def email(self) -> str | None: ...
    @property
    def phone(self) -> str | None: ...
    @property
    def reminders(self) -> Reminders: ...


class Way(NamedTuple):
    """How and when a patient hears of what the clinic changes. `to_call`: they stand on the list of calls, until reached."""

    channel: Channel
    address: str
    due_at: datetime
    to_call: bool


def way_of_clinic(
    clinic: Clinic,
    appointment: Appointment,
    now: datetime,
    useful_until: datetime,
    starts: Sequence[datetime],
    *,
    moves: bool = True,
) -> Way | None:
    """The way of a change that is made now to a visit that begins, or began until now, at `starts`. None where nobody can
    be told in time. `moves`: to another time or person, or cancelled.
    """
    (channel, address), due = channel_of_clinic(appointment), now + TAKEN_BACK_WITHIN
    if due > useful_until:
        return None
    begins, hours = next_start(starts, now), text_hours(clinic)
    early = appointment.phone is not None and before_texts(due, begins, *hours)
    to_call = channel is Channel.CALL or early or (moves and called_too(appointment, now, starts))
    if channel is Channel.TEXT:
        due = clinic_text_due(due, begins, *hours) or due
    return Way(channel, address, due, to_call)


def way_of_answer(appointment: Appointment, now: datetime, useful_until: datetime) -> Way | None:
    """The way of `cancelled_as_asked`. None where nobody is written to."""
    (channel, address), due = channel_of_clinic(appointment), now + TAKEN_BACK_WITHIN
    if channel is Channel.CALL or due > useful_until:
        return None
    return Way(channel, address, due, to_call=False)


def channel_of_clinic(contact: Contact) -> tuple[Channel, str]:
    """How the patient hears of what the clinic changes: by mail, by text if texts are wanted, else by a call; the number is
    empty where there is none, and the desk has to find another way.
    """
    if contact.email:
        return Channel.EMAIL, contact.email
    if contact.phone and Channel.TEXT in REMINDED_BY[contact.reminders]:
        return Channel.TEXT, contact.phone
    return Channel.CALL, contact.phone or ""


def has_own_contact(appointment: Appointment) -> bool:
    """Whether a visit of a plan is told to another contact than the plan."""
    plan, (_, address) = appointment.plan, channel_of_clinic(appointment)
    return plan is not None and address not in ("", plan.email, plan.phone)


def on_short_notice(at: datetime, starts: Iterable[datetime]) -> bool:
    """Whether what the clinic changed at that moment has to be told by telephone as well: the visit begins, or began until
    then, less than a day later.
    """
    return any(at < start <= at + SOON for start in starts)


def called_too(appointment: Appointment, at: datetime, starts: Iterable[datetime]) -> bool:
    """Whether a change on short notice is told by telephone as well: whoever has no number is promised no call."""
    if not on_short_notice(at, starts):
        return False
    # A visit that is only just being booked has no record beside it yet; its own number is that record's.
    return bool(appointment.phone or (appointment.patient and appointment.patient.phone))


def next_start(starts: Sequence[datetime], now: datetime) -> datetime:
    """The next of the times at which a visit begins and began; the first of them where all have passed."""
    return min((start for start in starts if start > now), default=starts[0])


def text_hours(clinic: Clinic) -> tuple[ZoneInfo, time, time]:
    return clinic.zone, clinic.text_rules.starts, clinic.text_rules.ends
