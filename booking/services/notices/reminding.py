"""The reminders of one visit: which are still ahead, which aren't written and why, and those whose time has come."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from booking.models import Appointment, Channel, PlanReminders, Reminders
from booking.scheduling.reminder_times import days_before, not_after, text_due
from booking.services.clinic import Clinic
from booking.services.message_rows import REMINDED_BY, Unwritten, WhyNot
from booking.services.notices.ways import has_own_contact
from booking.services.notices.writing import ANSWERS, address_of, row_of
from booking.services.rows import Row


def reminders(clinic: Clinic, appointment: Appointment, now: datetime) -> list[Row]:
    """The reminders of an appointment that are still ahead. One whose time is past, or now, isn't written: the
    confirmation is the reminder.
    """
    return [one for one in _decided(clinic, appointment, now) if not isinstance(one, Unwritten)]


def unwritten(clinic: Clinic, appointment: Appointment, now: datetime) -> list[Unwritten]:
    """The others, and why: what is past by now may have been written when it was ahead."""
    return [one for one in _decided(clinic, appointment, now) if isinstance(one, Unwritten)]


def reminder_days(clinic: Clinic, appointment: Appointment) -> tuple[int, ...]:
    """How many days before a visit somebody is reminded of it. In dense care the day before is enough."""
    if _of_none(appointment):
        return ()
    if appointment.plan is not None:
        return (1,)
    return clinic.visit_type_by_id[appointment.visit_type_id].reminder_days


def _of_none(appointment: Appointment) -> WhyNot | None:
    """Why somebody isn't reminded of a visit at all: it is only penciled in, or they want the list of the week alone, which goes
    to the plan's contact.
    """
    if appointment.penciled:
        return WhyNot.PENCILED
    wants_list = appointment.plan is not None and appointment.plan.reminded_of is PlanReminders.DIGEST
    if wants_list and not has_own_contact(appointment):
        return WhyNot.WANTS_LIST
    return None


def _decided(clinic: Clinic, appointment: Appointment, now: datetime) -> Iterator[Row | Unwritten]:
    """Each reminder that a visit has or might have: the row of one that is ahead, or why it isn't written."""
    wants_none = WhyNot.WANTS_NONE if appointment.reminders is Reminders.NONE else None
    if why := _of_none(appointment) or wants_none:
        yield Unwritten("reminder", None, why)
        return
    last_use = not_after(appointment.starts_at)
    days_of_type = clinic.visit_type_by_id[appointment.visit_type_id].reminder_days
    wanted = reminder_days(clinic, appointment)
    for days in (*wanted, *(one for one in days_of_type if one not in wanted)):
        kind = f"reminder-{days}d"
        if days not in wanted:
            yield Unwritten(kind, None, WhyNot.NOT_ON_PLANS)
            continue
        for channel in REMINDED_BY[appointment.reminders]:
            due: datetime | None = days_before(appointment.starts_at, days, clinic.zone)
            if channel is Channel.TEXT and due is not None:
                hours = clinic.text_rules
                due = text_due(due, last_use, clinic.zone, hours.starts, hours.ends)
            address = address_of(appointment, channel)
            if due is None:
                yield Unwritten(kind, channel, WhyNot.NO_TEXT_HOURS)
            elif not address:
                yield Unwritten(kind, channel, WhyNot.NO_CONTACT)
            elif now < due <= last_use:
                yield row_of(appointment, kind, channel, address, now, due, last_use)
            else:
                yield Unwritten(kind, channel, WhyNot.LATE)


def remind_now(
    appointment: Appointment, dropped: Iterable[Row], written: Iterable[Row], now: datetime
) -> Iterator[Row]:
    """Reminders that were dropped when their time had come: once more, now, to the contact as it is, unless they are
    `written` for a later time.
    """
    there, last_use = {(row["kind"], row["channel"]) for row in written}, not_after(appointment.starts_at)
    for one in dropped:
        if one["kind"] in ANSWERS or now >= last_use:
            continue
        kind, channel = one["kind"], Channel(one["channel"])
        address = address_of(appointment, channel)
        if address and (kind, channel) not in there:
            there.add((kind, channel))
            yield row_of(appointment, kind, channel, address, now, now, last_use, one["facts"])


def called_now(appointment: Appointment, dropped: Iterable[Row], now: datetime) -> Iterator[Row]:
    """What a call that was dropped was to tell of how the visit stands, or a message of what the clinic changed, by a call to
    the number as it is. Nobody is called to hear what they have booked on the telephone.
    """
    last_use = not_after(appointment.starts_at)
    for one in dropped:
        facts, is_call = one["facts"], Channel(one["channel"]) is Channel.CALL
        news = one["kind"] != "confirmation" or "after_all" in facts or "old_starts_at" in facts
        changed = facts.get("by_clinic") and news
        if one["kind"] in ANSWERS and (is_call or changed) and appointment.phone:
            yield row_of(
                appointment, one["kind"], Channel.CALL, appointment.phone, now, now, last_use, one["facts"]
            )
