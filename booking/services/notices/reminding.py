"""The reminders of one visit: which are still ahead, and those whose time has come."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from booking.models import Appointment, Channel, PlanReminders
from booking.scheduling.reminder_times import days_before, not_after, text_due
from booking.services.clinic import Clinic
from booking.services.message_rows import REMINDED_BY
from booking.services.notices.writing import ANSWERS, address_of, row_of
from booking.services.rows import Row


def reminders(clinic: Clinic, appointment: Appointment, now: datetime) -> list[Row]:
    """The reminders of an appointment that are still ahead. One whose time is past, or now, isn't written: the
    confirmation is the reminder.
    """
    last_use = not_after(appointment.starts_at)
    rows = []
    for days in reminder_days(clinic, appointment):
        for channel in REMINDED_BY[appointment.reminders]:
            due: datetime | None = days_before(appointment.starts_at, days, clinic.zone)
            if channel is Channel.TEXT and due is not None:
                hours = clinic.text_rules
                due = text_due(due, last_use, clinic.zone, hours.starts, hours.ends)
            address = address_of(appointment, channel)
            if due is not None and now < due <= last_use and address:
                rows.append(row_of(appointment, f"reminder-{days}d", channel, address, now, due, last_use))
    return rows


def reminder_days(clinic: Clinic, appointment: Appointment) -> tuple[int, ...]:
    """How many days before a visit somebody is reminded of it. In dense care the day before is enough, or the list of the
    week, if that alone is wanted; what is only penciled in is nothing to remind of.
    """
    if appointment.penciled:
        return ()
    if appointment.plan is not None:
        return () if appointment.plan.reminded_of is PlanReminders.DIGEST else (1,)
    return clinic.visit_type_by_id[appointment.visit_type_id].reminder_days


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
