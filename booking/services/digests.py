"""The list of a plan's visits of next week, which its patient gets while they can still be changed.

One for each plan and week in which a visit stands. It is written ahead, with the plan and with every change of its visits;
what it says is read when it goes. Parts of use cases: they receive the session and never commit.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking.models import (
    Appointment,
    Channel,
    Message,
    MessageState,
    Plan,
    PlanReminders,
    PlanStatus,
)
from booking.scheduling.reminder_times import not_after, on_the_wall, text_due
from booking.scheduling.status import Status
from booking.scheduling.timeline import cell_from
from booking.services.clinic import Clinic, the_clinic
from booking.services.message_rows import REMINDED_BY, Unwritten, WhyNot, bare_row
from booking.services.rows import Row, add_all

KIND = "plan-digest"
NOTHING_STANDS = "No visit stands in that week."
# Of reminders as well.
WANTED_OTHERWISE = "They want to be reminded in another way."
Change = tuple[Message | None, Row]
# Plans that are looked at together, and the weeks ahead in which a visit of one can lie.
_AT_ONCE, _WEEKS = 20, 30


def week_of(subject: str) -> date:
    """The Monday of the week that a digest is about."""
    return date.fromisoformat(subject.split("/")[2])


def replan(session: Session, clinic: Clinic, plan: Plan, now: datetime) -> None:
    """Puts the digests of a plan right: a week in which a visit stands has one, one in which none stands has none."""
    put_right(session, changes(session, clinic, [plan], now))


def replan_of(session: Session, visit: Appointment, now: datetime) -> None:
    """The same for the plan of a visit that was changed, if it has one."""
    if visit.plan_id is not None:
        session.flush()
        replan(session, the_clinic(session), session.get_one(Plan, visit.plan_id), now)


def changes(session: Session, clinic: Clinic, plans: Sequence[Plan], now: datetime) -> list[Change]:
    """What is to be changed: a digest that is missing (None), or one that is queued otherwise than it should be, and the row
    as it should be; an empty row for one that is to be dropped.
    """
    found: list[Change] = []
    for start in range(0, len(plans), _AT_ONCE):
        found += _changes(session, clinic, plans[start : start + _AT_ONCE], now)
    return found


def _changes(session: Session, clinic: Clinic, plans: Sequence[Plan], now: datetime) -> Iterator[Change]:
    visits: dict[int, list[Appointment]] = {plan.id: [] for plan in plans}
    for one in session.scalars(
        select(Appointment).where(
            Appointment.plan_id.in_(visits),
            Appointment.to_cell > cell_from(now),
            Appointment.status == Status.BOOKED,
            Appointment.penciled.is_(False),
        )
    ):
        visits[one.plan_id or 0].append(one)
    wanted = {
        (row["subject"], row["channel"]): row
        for plan in plans
        for row in _wanted(clinic, plan, visits[plan.id], now)
    }
    this_week = monday_of(clinic.times.local_date(now))
    subjects = {
        subject_of(plan, this_week + timedelta(weeks=week)) for plan in plans for week in range(_WEEKS)
    }
    written = {
        (message.subject, message.channel): message
        for message in session.scalars(
            select(Message).where(Message.subject.in_(subjects), Message.kind == KIND).order_by(Message.id)
        )
    }
    for place, row in wanted.items():
        if place not in written:
            yield None, row
    for place, message in written.items():
        row = wanted.get(place, {})
        if not _as_it_should_be(message, row, now):
            yield message, row


def put_right(session: Session, wrong: Iterable[Change]) -> int:
    """Writes what is missing, and changes what isn't as it should be. Returns how many were missing."""
    missing: list[Row] = []
    for message, row in wrong:
        if message is None:
            missing.append(row)
        elif row:
            message.state, message.last_error = MessageState.QUEUED, ""
            message.address = row["address"]
            message.due_at, message.not_after = row["due_at"], row["not_after"]
        else:
            message.state, message.last_error = MessageState.DROPPED, NOTHING_STANDS
    add_all(session, Message, missing)
    return len(missing)


def unwritten(clinic: Clinic, plan: Plan, visit: Appointment, now: datetime) -> list[Unwritten]:
    """Why the list of a visit's week isn't written: what is past by now may have been written when it was ahead."""
    if visit.penciled:
        return [Unwritten(KIND, None, WhyNot.PENCILED)]
    return [one for one in _decided(clinic, plan, [visit], now) if isinstance(one, Unwritten)]


def _wanted(clinic: Clinic, plan: Plan, visits: Iterable[Appointment], now: datetime) -> list[Row]:
    """The digests of a plan that are still to come, by each channel that its patient wants."""
    return [one for one in _decided(clinic, plan, visits, now) if not isinstance(one, Unwritten)]


def _decided(
    clinic: Clinic, plan: Plan, visits: Iterable[Appointment], now: datetime
) -> Iterator[Row | Unwritten]:
    """The row of each digest that is still to come, or why it isn't written."""
    if plan.reminded_of is PlanReminders.EACH or plan.status is not PlanStatus.RUNNING:
        not_running = plan.status is not PlanStatus.RUNNING
        yield Unwritten(KIND, None, WhyNot.NOT_RUNNING if not_running else WhyNot.WANTS_EACH)
        return
    first: dict[date, datetime] = {}
    for visit in visits:
        monday = monday_of(clinic.times.local_date(visit.starts_at))
        first[monday] = min(visit.starts_at, first.get(monday, visit.starts_at))
    for monday, starts_at in sorted(first.items()):
        last_use, rules = not_after(starts_at), clinic.text_rules
        for channel in REMINDED_BY[plan.reminders]:
            due: datetime | None = due_before(clinic, monday)
            if channel is Channel.TEXT and due is not None:
                due = text_due(due, last_use, clinic.zone, rules.starts, rules.ends)
            address = plan.email if channel is Channel.EMAIL else plan.phone
            if due is None:
                yield Unwritten(KIND, channel, WhyNot.NO_TEXT_HOURS)
            elif not address:
                yield Unwritten(KIND, channel, WhyNot.NO_CONTACT)
            elif now < due <= last_use:
                yield bare_row(subject_of(plan, monday), KIND, channel, address, now, due, last_use)
            else:
                yield Unwritten(KIND, channel, WhyNot.LATE)


def monday_of(day: date) -> date:
    """The first day of the week that a list of it is about."""
    return day - timedelta(days=day.weekday())


def subject_of(plan: Plan, monday: date) -> str:
    """What the list of this week is filed under."""
    return f"plan/{plan.reference}/{monday.isoformat()}"


def due_before(clinic: Clinic, monday: date) -> datetime:
    """When the digest of a week is due: on the clinic's day for it, the last one before that week."""
    weekday, at = clinic.digest
    return on_the_wall(monday - timedelta(days=7 - weekday), at, clinic.zone)


def _as_it_should_be(message: Message, row: Row, now: datetime) -> bool:
    if message.last_error in (NOTHING_STANDS, WANTED_OTHERWISE):
        return not row
    # One that is due already, or that was put off after a try, is the worker's.
    untouched = message.due_at > now and not message.attempts and not message.last_error
    if message.state is not MessageState.QUEUED or not untouched:
        return True
    of_row = (row.get("address"), row.get("due_at"), row.get("not_after"))
    return (message.address, message.due_at, message.not_after) == of_row
