"""What a change tells to whom: messages written in the transaction of the change.

Nobody sends anything from here; the worker does (`booking.reminders`). These functions are parts of use cases: they
receive the session and never commit. A change drops what is queued about the appointment and writes anew, under the
appointment's sequence, so nothing stale is sent and nothing is sent twice.
"""

import secrets
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, func, or_, select, update
from sqlalchemy.orm import Session

from booking.formatting import iso_utc
from booking.models import Appointment, Channel, Message, MessageState, Plan, PlanReminders, PlanStatus
from booking.scheduling.reminder_times import (
    before_texts,
    clinic_text_due,
    days_before,
    not_after,
    text_due,
)
from booking.scheduling.status import Status
from booking.scheduling.timeline import cell_from
from booking.services import digests
from booking.services.clinic import Clinic
from booking.services.message_rows import REMINDED_BY, bare_row
from booking.services.rows import Row, add_all

# A change by the clinic waits so long, for it may be taken back.
TAKEN_BACK_WITHIN = timedelta(minutes=3)
# What the clinic changes less than this before a visit is told by telephone as well.
SOON = timedelta(hours=24)
# The link to a plan that isn't booked yet is of use so long.
PLAN_LINK_OF_USE = timedelta(days=7)
# Why somebody is called rather than written to, as the facts of a call keep it.
UNREACHABLE, ON_SHORT_NOTICE, ASKED = "unreachable", "soon", "asked"


def booked(session: Session, clinic: Clinic, appointment: Appointment, now: datetime) -> None:
    """A confirmation at once, and the reminders that are still to come."""
    add_all(
        session, Message, [*_answer(appointment, "confirmation", now), *reminders(clinic, appointment, now)]
    )


def plan_booked(
    session: Session, clinic: Clinic, plan: Plan, visits: Sequence[Appointment], now: datetime
) -> None:
    """One confirmation of all visits at once, and the reminders of each that are still to come."""
    rows = list(of_plan(plan, "plan-confirmation", now, visits[-1].starts_at))
    for visit in visits:
        rows += reminders(clinic, visit, now)
    add_all(session, Message, rows)
    digests.replan(session, clinic, plan, now)


def plan_prescribed(session: Session, plan: Plan, now: datetime) -> bool:
    """The link by which a patient books their plan, now. Says whether there is a way to send it."""
    return _sent_anew(session, plan, "plan-link", now)


def plan_contact_corrected(session: Session, clinic: Clinic, plan: Plan, now: datetime) -> None:
    """What is queued about a plan goes to the contact as it is now, as one message: the link to book it, or all visits."""
    session.execute(
        update(Message)
        .where(Message.subject == f"plan/{plan.reference}", Message.state == MessageState.QUEUED)
        .values(state=MessageState.DROPPED, last_error="The contact was corrected.")
    )
    if plan.status is PlanStatus.PRESCRIBED:
        _sent_anew(session, plan, "plan-link", now)
    elif plan.status is PlanStatus.RUNNING:
        _sent_anew(session, plan, "plan-confirmation", now)
    digests.replan(session, clinic, plan, now)


def _sent_anew(session: Session, plan: Plan, kind: str, now: datetime) -> bool:
    """A link to a plan, as often as it is asked for."""
    rows = list(of_plan(plan, kind, now, now + PLAN_LINK_OF_USE))
    last = session.scalar(
        select(func.max(Message.resend)).where(
            Message.subject == f"plan/{plan.reference}", Message.kind == kind
        )
    )
    add_all(session, Message, [row | {"resend": 0 if last is None else last + 1} for row in rows])
    return bool(rows)


def make_up_offered(session: Session, plan: Plan, now: datetime) -> bool:
    """The link to times for visits that a plan lacks, now. Says whether there is a way to send it."""
    return _sent_anew(session, plan, "plan-make-up", now)


def plan_changed(
    session: Session, clinic: Clinic, plan: Plan, visits: Sequence[Appointment], now: datetime, facts: Row, *,
    tell: bool = True,
) -> None:  # fmt: skip
    """One message about several visits of a plan at once, now, if `tell`; and what else goes about each of them from then on.

    `visits`: those that were changed, as they are now. `facts`: {"cancelled": [ISO in UTC, …], "added": […], "firm": […]},
    when they began or begin. The plan's sequence has grown by the change.
    """
    rows: list[Row] = []
    for visit in visits:
        drop_queued(session, visit, "The plan was changed.")
        if visit.status is Status.BOOKED:
            rows += reminders(clinic, visit, now)
    useful_until = max([visit.ends_at for visit in visits], default=now + PLAN_LINK_OF_USE)
    message = of_plan(plan, "plan-change", now, useful_until, facts) if tell else ()
    add_all(session, Message, [*message, *rows])
    digests.replan(session, clinic, plan, now)


def of_plan(
    plan: Plan, kind: str, now: datetime, useful_until: datetime, facts: Row | None = None
) -> Iterator[Row]:
    """A message about a whole plan at once, by mail if there is an address, else by text if texts are wanted."""
    if plan.email:
        channel, address = Channel.EMAIL, plan.email
    elif plan.phone and Channel.TEXT in REMINDED_BY[plan.reminders]:
        channel, address = Channel.TEXT, plan.phone
    else:
        return
    row = bare_row(f"plan/{plan.reference}", kind, channel, address, now, now, useful_until)
    yield row | {"sequence": plan.sequence, "facts": facts or {}}


def moved(session: Session, clinic: Clinic, appointment: Appointment, known: Row, now: datetime) -> None:
    """Tells of the new time, and reminds of it instead of the old one. `known`: what the patient knew (`known_of`)."""
    drop_queued(session, appointment, "The visit was moved.")
    add_all(
        session, Message, [*_answer(appointment, "change", now, known), *reminders(clinic, appointment, now)]
    )
    digests.replan_of(session, appointment, now)


class Told(NamedTuple):
    """What a change by the clinic told: when it goes and how, and what still waited that it took the place of. `corrects`:
    the patient had heard otherwise, or nothing. `to_call`: they stand on the list of calls, until reached. `knew`: when the
    visit began as far as they knew, ISO in UTC. `after_all`: as far as they knew, we had cancelled it. `tells`: there was
    something to tell, and they were to hear it.
    """

    due_at: datetime | None
    dropped: list[Row]
    corrects: bool = False
    channel: Channel | None = None
    to_call: bool = False
    knew: str | None = None
    after_all: bool = False
    tells: bool = False


def known_of(appointment: Appointment, clinic: Clinic) -> Row:
    """What a patient knows of a visit as it stands, as the facts of a later change."""
    person = clinic.practitioner_by_id[appointment.practitioner_id]
    return known_as(appointment.starts_at, appointment.ends_at, person.slug)


def known_as(starts_at: datetime, ends_at: datetime, practitioner: str) -> Row:
    """The same of a visit that is to be so."""
    return {
        "old_starts_at": iso_utc(starts_at),
        "old_ends_at": iso_utc(ends_at),
        "old_practitioner": practitioner,
    }


def changed_by_clinic(
    session: Session,
    clinic: Clinic,
    appointment: Appointment,
    known: Row,
    now: datetime,
    *,
    tell: bool,
    spoken: bool = False,
) -> Told:
    """Tells of what the clinic changed, in three minutes, so that it can be taken back; and reminds of the new time.

    `known`: what the patient knows so far (`known_of`). What still waits to be told is told as it is now, without
    `tell` as well. Twice moved is told once, and moved back not at all. `spoken`: they have just
    heard it on the telephone, so that they needn't be called or reminded now either.
    """
    dropped = _drop_waiting(session, appointment, "The visit was changed.", now)
    if appointment.status is not Status.BOOKED:
        return Told(None, dropped)
    now_known = known_of(appointment, clinic)
    news = to_tell(known, dropped, now_known)
    rows = reminders(clinic, appointment, now)
    told = []
    tells = news is not None and (tell or news.owed)
    if news and tells:
        told = _by_clinic(clinic, appointment, news.kind, now, appointment.starts_at, news.facts)
        if spoken:
            told = _but_calls(told)
    elif not spoken:
        rows += _remind_now(appointment, dropped, rows, now)
    add_all(session, Message, [*told, *rows])
    digests.replan_of(session, appointment, now)
    moves = any(known[name] != now_known[name] for name in ("old_starts_at", "old_practitioner"))
    found = _told(appointment, told, dropped, now, corrects=news is not None, moves=moves and not spoken)
    return found._replace(tells=tells and not spoken)


class ToTell(NamedTuple):
    """What a change by the clinic has to tell: `facts` are what the patient knows so far. `owed`: whatever staff choose."""

    kind: str
    facts: Row
    owed: bool


def to_tell(known: Row, waiting: list[Row], now_known: Row) -> ToTell | None:
    """What is to be told of a visit that was `known` so and is `now_known` otherwise, when what is `waiting` goes no more.
    None where the patient knows it as it is.
    """
    kind, facts, owed = "change", dict(known), False
    for one in waiting:
        if one["kind"] not in ANSWERS:
            continue
        # It was to be told; dropped for a change that is told to nobody, they would hear of neither.
        owed = True
        if one["kind"] == "confirmation":
            # Never heard of, or taken back from a cancellation.
            kind = "confirmation"
        facts |= {name: one["facts"][name] for name in (*known, "after_all") if name in one["facts"]}
    return ToTell(kind, facts, owed) if kind == "confirmation" or facts != now_known else None


def booked_by_clinic(
    session: Session, clinic: Clinic, appointment: Appointment, now: datetime, *, tell: bool
) -> Told:
    """The reminders that are still to come, and if `tell`, a confirmation in three minutes, by mail or text. Nobody is
    called to hear what they have just said on the telephone.
    """
    told = []
    if tell:
        told = _but_calls(_by_clinic(clinic, appointment, "confirmation", now, appointment.starts_at, {}))
    add_all(session, Message, [*told, *reminders(clinic, appointment, now)])
    return _told(appointment, told, [], now)


def cancelled_by_clinic(
    session: Session, clinic: Clinic, appointment: Appointment, now: datetime, *, tell: bool
) -> Told:
    """Tells in three minutes that the clinic has cancelled, if `tell`; nothing else about the visit goes any more."""
    dropped = _drop_waiting(session, appointment, "The visit was cancelled.", now)
    told = []
    if tell:
        told = _by_clinic(clinic, appointment, "cancellation", now, appointment.ends_at, {})
    add_all(session, Message, told)
    digests.replan_of(session, appointment, now)
    return _told(appointment, told, dropped, now)


def cancelled_as_asked(session: Session, appointment: Appointment, now: datetime, *, tell: bool) -> Told:
    """Tells in three minutes, if `tell`, that the desk has cancelled as the patient asked, by mail or text. Nobody is called
    to hear what they have just said.
    """
    dropped = _drop_waiting(session, appointment, "The visit was cancelled.", now)
    way, told = way_of_answer(appointment, now, appointment.ends_at), []
    if tell and way is not None:
        until = appointment.ends_at
        told = [_row(appointment, "cancellation", way.channel, way.address, now, way.due_at, until)]
    add_all(session, Message, told)
    digests.replan_of(session, appointment, now)
    return _told(appointment, told, dropped, now)


def taken_back(
    session: Session,
    clinic: Clinic,
    appointment: Appointment,
    sequence: int,
    dropped: list[Row],
    known: Row | None,
    now: datetime,
    *,
    spoken: Collection[int] = (),
    by_clinic: bool = True,
) -> Told:
    """What follows on a change that was taken back: its message is dropped; if it went already, another one goes.

    `sequence` was the visit's after that change, and has grown since by what was done and taken back, of which they may have
    heard too. `dropped` is what it took the place of, and `known` is what it told: None for a cancellation, `by_clinic` or
    as they had asked. `spoken`: the sequences that were told on the telephone. Whoever is here is told by whoever sees them.
    """
    last = appointment.sequence - 1
    went = (bool(spoken) and appointment.status is Status.BOOKED) or _went(
        session, appointment, range(sequence, last + 1)
    )
    heard_last = last in spoken or _went(session, appointment, [last])
    waited = _drop_waiting(session, appointment, "The change was taken back.", now)
    cancelled = appointment.status is Status.CANCELLED
    rows = reminders(clinic, appointment, now) if appointment.status is Status.BOOKED else []
    told: list[Row] = []
    if went and cancelled:
        told = _by_clinic(clinic, appointment, "cancellation", now, appointment.ends_at, {})
    elif went and known is None:
        facts = {"after_all": True} if by_clinic else {}
        told = _by_clinic(clinic, appointment, "confirmation", now, appointment.starts_at, facts)
    elif went:
        # What corrects something that they have heard waited itself, and says what they know.
        news = to_tell(known or {}, [] if heard_last else waited, known_of(appointment, clinic))
        if news is not None:
            told = _by_clinic(clinic, appointment, news.kind, now, appointment.starts_at, news.facts)
    elif not cancelled:
        for one in (row for row in dropped if row["kind"] in ANSWERS):
            facts = one["facts"]
            told += (
                _by_clinic(clinic, appointment, one["kind"], now, appointment.starts_at, facts)
                if facts.get("by_clinic")
                else _answer(appointment, one["kind"], now, facts)
            )
    if appointment.status is Status.BOOKED and not told:
        rows += _remind_now(appointment, [*dropped, *waited], rows, now)
    add_all(session, Message, told)
    add_all(session, Message, rows)
    digests.replan_of(session, appointment, now)
    return _told(appointment, told, waited, now, corrects=went)


def channel_of_clinic(appointment: Appointment) -> tuple[Channel, str]:
    """How the patient hears of what the clinic changes: by mail, by text if texts are wanted, else by a call; the number is
    empty where the visit has none, and the desk has to find another way.
    """
    if appointment.email:
        return Channel.EMAIL, appointment.email
    if appointment.phone and Channel.TEXT in REMINDED_BY[appointment.reminders]:
        return Channel.TEXT, appointment.phone
    return Channel.CALL, appointment.phone or ""


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
    begins, hours = _next_start(starts, now), _text_hours(clinic)
    early = appointment.phone is not None and before_texts(due, begins, *hours)
    to_call = channel is Channel.CALL or early or (moves and _called_too(appointment, now, starts))
    if channel is Channel.TEXT:
        due = clinic_text_due(due, begins, *hours) or due
    return Way(channel, address, due, to_call)


def way_of_answer(appointment: Appointment, now: datetime, useful_until: datetime) -> Way | None:
    """The way of `cancelled_as_asked`. None where nobody is written to."""
    (channel, address), due = channel_of_clinic(appointment), now + TAKEN_BACK_WITHIN
    if channel is Channel.CALL or due > useful_until:
        return None
    return Way(channel, address, due, to_call=False)


def on_short_notice(at: datetime, starts: Iterable[datetime]) -> bool:
    """Whether what the clinic changed at that moment has to be told by telephone as well: the visit begins, or began until
    then, less than a day later.
    """
    return any(at < start <= at + SOON for start in starts)


def _called_too(appointment: Appointment, at: datetime, starts: Iterable[datetime]) -> bool:
    """Whether a change on short notice is told by telephone as well: whoever has no number is promised no call."""
    # A visit that is only just being booked has no record beside it yet; its own number is that record's.
    of_record = appointment.patient.phone if appointment.patient else None
    return on_short_notice(at, starts) and bool(appointment.phone or of_record)


def contact_corrected(
    session: Session, clinic: Clinic, appointment: Appointment, now: datetime, *, with_plan: bool = False
) -> None:
    """The confirmation and the reminders once more, to the contact as it is now, as a numbered resend. `with_plan`: its plan's
    confirmation goes for all visits.
    """
    dropped = _drop_waiting(session, appointment, "The contact was corrected.", now)
    answer = [] if with_plan else _answer(appointment, "confirmation", now)
    rows = [*answer, *reminders(clinic, appointment, now)]
    # Put off, or in a worker's hand at this moment: they go to the new contact now.
    rows += _remind_now(appointment, dropped, rows, now)
    _add_resend(session, appointment, rows)


def cancelled(session: Session, appointment: Appointment, now: datetime) -> None:
    """Tells of the cancellation, with an entry that takes the visit out of the patient's calendar."""
    drop_queued(session, appointment, "The visit was cancelled.")
    add_all(session, Message, _answer(appointment, "cancellation", now, useful_until=appointment.ends_at))
    digests.replan_of(session, appointment, now)


def cannot_come(session: Session, clinic: Clinic, appointment: Appointment, now: datetime) -> None:
    """Tells the clinic at once that a patient can't come to a visit that they may no longer cancel themselves."""
    _tell_clinic(session, clinic, appointment, "cannot-come", now)


def comes_after_all(session: Session, clinic: Clinic, appointment: Appointment, now: datetime) -> None:
    """Takes back what `cannot_come` told the clinic."""
    _tell_clinic(session, clinic, appointment, "comes-after-all", now)


def links_wanted(
    session: Session, channel: Channel, address: str, now: datetime, useful_until: datetime
) -> None:
    """Queues an answer to "send me my link again".

    Nothing is looked up here, so that a contact that nobody knows costs the same time; the worker finds the visits.
    """
    subject = f"contact/{secrets.token_hex(8)}"
    add_all(session, Message, [bare_row(subject, "links", channel, address, now, now, useful_until)])


def text_answer(session: Session, kind: str, phone: str, now: datetime, useful_until: datetime) -> None:
    """Queues our answer to a text that somebody sent us."""
    subject = f"contact/{secrets.token_hex(8)}"
    add_all(session, Message, [bare_row(subject, kind, Channel.TEXT, phone, now, now, useful_until)])


def own_list(
    session: Session, subject: str, kind: str, address: str, now: datetime, useful_until: datetime
) -> None:
    """Queues a practitioner's own list. What it says is read when it goes."""
    add_all(session, Message, [bare_row(subject, kind, Channel.EMAIL, address, now, now, useful_until)])


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
            address = _address(appointment, channel)
            if due is not None and now < due <= last_use and address:
                rows.append(_row(appointment, f"reminder-{days}d", channel, address, now, due, last_use))
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


def another_way(session: Session, appointment: Appointment, message: Message, now: datetime) -> None:
    """Writes anew what could not reach the patient: a text as a mail if there is an address, else on the list of calls
    to make; a mail that the clinic began on that list, if there is a number.
    """
    by_mail = message.channel is Channel.TEXT and appointment.email
    of_the_clinic = message.kind.startswith("reminder-") or message.facts.get("by_clinic")
    own_wish = message.channel is Channel.EMAIL or message.kind == "cancellation"
    if own_wish and not of_the_clinic and not by_mail:
        return
    channel = Channel.EMAIL if by_mail else Channel.CALL
    address = appointment.email if by_mail else appointment.phone
    there = select(Message.id).where(
        Message.subject == message.subject,
        Message.kind == message.kind,
        Message.sequence == message.sequence,
        Message.channel == channel,
    )
    if address and session.scalar(there.limit(1)) is None:
        facts = message.facts | ({"why": UNREACHABLE} if channel is Channel.CALL else {})
        row = _row(appointment, message.kind, channel, address, now, now, message.not_after, facts)
        add_all(session, Message, [row | {"sequence": message.sequence}])


def plan_another_way(session: Session, plan: Plan, message: Message, now: datetime) -> bool:
    """Writes anew what could not reach a plan's patient: a text as a mail if there is an address, else as a call about the next
    visit that it names. Says whether there is such a way. A mail that answers what they have just done is in their hands.
    """
    if message.channel is Channel.EMAIL and message.kind in ("plan-link", "plan-confirmation"):
        return False
    if message.channel is Channel.TEXT and plan.email:
        row = bare_row(
            message.subject, message.kind, Channel.EMAIL, plan.email, now, now, message.not_after
        ) | {"sequence": message.sequence, "facts": message.facts}
        channel = Channel.EMAIL
    else:
        visit = _next_of(session, plan, message, now)
        if visit is None or not plan.phone:
            return False
        kind, facts = _SAID_BY_CALL[message.kind], {"why": UNREACHABLE, "plan": plan.reference}
        last_use, channel = not_after(visit.starts_at), Channel.CALL
        row = _row(visit, kind, channel, plan.phone, now, now, last_use, facts)
    there = select(Message.id).where(
        Message.subject == row["subject"],
        Message.kind == row["kind"],
        Message.sequence == row["sequence"],
        Message.channel == channel,
    )
    if session.scalar(there.limit(1)) is None:
        add_all(session, Message, [row])
    return True


def _next_of(session: Session, plan: Plan, message: Message, now: datetime) -> Appointment | None:
    """The next visit of a plan that still stands, after the message was due: a digest's first."""
    wanted = select(Appointment).where(
        Appointment.plan_id == plan.id,
        Appointment.status == Status.BOOKED,
        Appointment.from_cell > cell_from(max(now, message.due_at)),
    )
    return session.scalar(wanted.order_by(Appointment.from_cell).limit(1))


# What somebody is called about instead of a message about a whole plan.
_SAID_BY_CALL = {
    "plan-link": "confirmation",
    "plan-confirmation": "confirmation",
    "plan-change": "change",
    "plan-make-up": "change",
    digests.KIND: "reminder-week",
}


def sent_again(
    session: Session, appointment: Appointment, message: Message, channel: Channel, now: datetime
) -> None:
    """What a message told, once more, by this channel and to the contact as it is now, as a numbered resend.

    The caller has made sure that it is still true, still of use, and that there is such a contact.
    """
    address = _address(appointment, channel) or ""
    to_call = channel is Channel.CALL
    facts = _without_why(message.facts) | ({"why": ASKED} if to_call else {})
    row = _row(appointment, message.kind, channel, address, now, now, message.not_after, facts)
    row["state"] = MessageState.TO_CALL if to_call else MessageState.QUEUED
    _add_resend(session, appointment, [row])


def call_made(session: Session, appointment: Appointment, kind: str, now: datetime) -> Message:
    """A call about a change on short notice, on the list of calls like one that the outbox asked for."""
    last_use, facts = not_after(appointment.starts_at), {"why": ON_SHORT_NOTICE}
    row = _row(appointment, kind, Channel.CALL, appointment.phone or "", now, now, last_use, facts)
    message = Message(
        **row | {"state": MessageState.TO_CALL, "resend": _next_resend(session, appointment, [kind])}
    )
    session.add(message)
    session.flush()
    return message


def stop_writing(session: Session, appointment: Appointment, why: str) -> list[Message]:
    """Drops what waits to tell in writing how the visit stands, as the clinic changed it, and returns it. What a worker holds
    goes all the same, and so does a first confirmation, which brings the patient their link.
    """
    waits = session.scalars(
        select(Message)
        .where(
            Message.appointment_id == appointment.id,
            Message.sequence == appointment.sequence,
            Message.kind.in_(ANSWERS),
            Message.channel != Channel.CALL,
            Message.state == MessageState.QUEUED,
        )
        .order_by(Message.id)
        .with_for_update()
    )
    stopped = [
        message
        for message in waits
        if message.facts.get("by_clinic")
        and (message.kind != "confirmation" or message.facts.get("after_all"))
    ]
    for message in stopped:
        message.state, message.last_error = MessageState.DROPPED, why
    return stopped


def drop_queued(session: Session, appointment: Appointment, why: str) -> None:
    """Drops what is queued about an appointment, and the calls that nobody has made yet. What a worker holds at this
    moment it checks again before sending.
    """
    session.connection().execute(_DROP, {"visit": appointment.id, "why": why})


# What tells a patient how their visit stands.
ANSWERS = ("confirmation", "change", "cancellation")
# How a message ends that another one told along.
TOLD_TOGETHER = "told together"
# Where the facts of a message about several visits keep which they were, by their ids.
NAMED = "named"

# Every change says these, so they are put together once.
_DROP = (
    update(Message)
    .where(
        Message.appointment_id == bindparam("visit"),
        Message.state.in_((MessageState.QUEUED, MessageState.TO_CALL)),
        Message.settled_at.is_(None),
    )
    .values(state=MessageState.DROPPED, last_error=bindparam("why"))
)
_WAITING = (
    select(
        Message.kind,
        Message.channel,
        Message.facts,
        Message.state,
        Message.sequence,
        # What a worker has tried, or put off for a reason, was due as well.
        (or_(Message.due_at <= bindparam("now"), Message.attempts > 0, Message.last_error != "")).label(
            "due"
        ),
    )
    .where(
        Message.appointment_id == bindparam("visit"),
        Message.state.in_((MessageState.QUEUED, MessageState.SENDING, MessageState.TO_CALL)),
        Message.settled_at.is_(None),
    )
    .order_by(Message.id)
)


def _drop_waiting(session: Session, appointment: Appointment, why: str, now: datetime) -> list[Row]:
    """Drops all that waits, and returns what of it counts: see `waiting`."""
    found = waiting(session, appointment, now)
    drop_queued(session, appointment, why)
    return found


def waiting(session: Session, appointment: Appointment, now: datetime) -> list[Row]:
    """What waits to be told, as {"kind", "channel", "facts"}: answers that are queued, or that are to be told by a call
    which nobody has made yet, each kind once; and reminders whose time has come, such as such a call. Those of another time
    are written anew by `reminders`.
    """
    answers: dict[str, Row] = {}
    reminding: list[Row] = []
    wanted = {"visit": appointment.id, "now": now}
    for kind, channel, facts, state, sequence, due in session.connection().execute(_WAITING, wanted).all():
        row = {"kind": kind, "channel": channel.value, "facts": dict(facts)}
        if kind in ANSWERS and state is MessageState.QUEUED:
            answers[kind] = row
        elif (
            kind in ANSWERS and state is MessageState.TO_CALL and not _went(session, appointment, [sequence])
        ):
            answers.setdefault(kind, row)
        elif kind.startswith("reminder-") and due:
            reminding.append(row)
    return [*answers.values(), *reminding]


def _remind_now(
    appointment: Appointment, dropped: list[Row], written: list[Row], now: datetime
) -> Iterator[Row]:
    """Reminders that were dropped when their time had come: once more, now, to the contact as it is, unless they are
    `written` for a later time.
    """
    there, last_use = {(row["kind"], row["channel"]) for row in written}, not_after(appointment.starts_at)
    for one in dropped:
        if one["kind"] in ANSWERS or now >= last_use:
            continue
        kind, channel = one["kind"], Channel(one["channel"])
        address = _address(appointment, channel)
        if address and (kind, channel) not in there:
            there.add((kind, channel))
            yield _row(appointment, kind, channel, address, now, now, last_use, one["facts"])


def _by_clinic(
    clinic: Clinic, appointment: Appointment, kind: str, now: datetime, useful_until: datetime, facts: Row
) -> list[Row]:
    """A message that the clinic begins, in three minutes. A visit that begins before texts may go again is told of at
    once, and its patient is called as well.
    """
    old = facts.get("old_starts_at")
    starts = [appointment.starts_at, *([datetime.fromisoformat(old)] if old else [])]
    way = way_of_clinic(clinic, appointment, now, useful_until, starts)
    if way is None:
        return []
    begins, due = _next_start(starts, now), now + TAKEN_BACK_WITHIN
    facts = _without_why(facts) | {"by_clinic": True, "begins_at": iso_utc(begins)}
    rows = [_row(appointment, kind, way.channel, way.address, now, way.due_at, useful_until, facts)]
    early = before_texts(due, begins, *_text_hours(clinic))
    if early and appointment.phone and way.channel is not Channel.CALL:
        called = facts | {"why": ON_SHORT_NOTICE}
        rows.append(_row(appointment, kind, Channel.CALL, appointment.phone, now, due, useful_until, called))
    return rows


def _but_calls(rows: list[Row]) -> list[Row]:
    """These, for somebody who has just been on the telephone."""
    return [row for row in rows if row["channel"] is not Channel.CALL]


def _next_start(starts: Sequence[datetime], now: datetime) -> datetime:
    """The next of the times at which a visit begins and began; the first of them where all have passed."""
    return min((start for start in starts if start > now), default=starts[0])


def _text_hours(clinic: Clinic) -> tuple[ZoneInfo, time, time]:
    return clinic.zone, clinic.text_rules.starts, clinic.text_rules.ends


def _without_why(facts: Row) -> Row:
    """What a call was for isn't what the next message about the same is for."""
    return {name: said for name, said in facts.items() if name != "why"}


def _told(
    appointment: Appointment,
    rows: list[Row],
    dropped: list[Row],
    now: datetime,
    *,
    corrects: bool = False,
    moves: bool = True,
) -> Told:
    """What these rows tell: by message rather than by telephone, where both do."""
    row = next((row for row in rows if row["channel"] is not Channel.CALL), rows[0] if rows else None)
    if row is None:
        return Told(None, dropped, corrects)
    begins = [
        datetime.fromisoformat(one["facts"]["begins_at"]) for one in rows if "begins_at" in one["facts"]
    ]
    called = any(one["channel"] is Channel.CALL for one in rows)
    return Told(
        row["due_at"],
        dropped,
        corrects,
        channel=row["channel"],
        to_call=called or (moves and _called_too(appointment, now, begins)),
        knew=row["facts"].get("old_starts_at"),
        after_all=row["facts"].get("after_all", False),
    )


def _went(session: Session, appointment: Appointment, sequences: Sequence[int]) -> bool:
    """Whether the patient was told, or may have been told, how the visit stood under these sequences: reminded as well."""
    told = session.scalars(
        select(Message).where(
            Message.appointment_id == appointment.id,
            Message.sequence.in_(sequences),
            or_(Message.kind.in_(ANSWERS), Message.kind.startswith("reminder-")),
            or_(
                Message.state.not_in((MessageState.QUEUED, MessageState.DROPPED, MessageState.DEAD)),
                Message.settled_as == TOLD_TOGETHER,
            ),
        )
    )
    return any(one.state is not MessageState.TO_CALL or one.settled_at is not None for one in told)


def _address(appointment: Appointment, channel: Channel) -> str | None:
    return appointment.email if channel is Channel.EMAIL else appointment.phone


def _tell_clinic(
    session: Session, clinic: Clinic, appointment: Appointment, kind: str, now: datetime
) -> None:
    """A mail to the clinic's own mailbox. It may be told the same more than once: patients change their minds."""
    row = _row(appointment, kind, Channel.EMAIL, clinic.mailbox, now, now, appointment.ends_at)
    _add_resend(session, appointment, [row])


def _add_resend(session: Session, appointment: Appointment, rows: list[Row]) -> None:
    """Writes messages that may have been written before, under the next number."""
    number = _next_resend(session, appointment, [row["kind"] for row in rows])
    add_all(session, Message, [row | {"resend": number} for row in rows])


def _next_resend(session: Session, appointment: Appointment, kinds: list[str]) -> int:
    last = session.scalar(
        select(func.max(Message.resend)).where(
            Message.appointment_id == appointment.id,
            Message.sequence == appointment.sequence,
            Message.kind.in_(kinds),
        )
    )
    return 0 if last is None else last + 1


def _answer(
    appointment: Appointment,
    kind: str,
    now: datetime,
    facts: Row | None = None,
    useful_until: datetime | None = None,
) -> Iterator[Row]:
    """A message at once, by mail if there is an address, else by text if texts are wanted; else nobody is written to,
    and the page that answers is the answer.
    """
    until = useful_until or appointment.starts_at
    if appointment.email:
        yield _row(appointment, kind, Channel.EMAIL, appointment.email, now, now, until, facts)
    elif appointment.phone and Channel.TEXT in REMINDED_BY[appointment.reminders]:
        yield _row(appointment, kind, Channel.TEXT, appointment.phone, now, now, until, facts)


def _row(
    appointment: Appointment,
    kind: str,
    channel: Channel,
    address: str,
    now: datetime,
    due: datetime,
    last_use: datetime,
    facts: Row | None = None,
) -> Row:
    subject = f"appointment/{appointment.reference}"
    return bare_row(subject, kind, channel, address, now, due, last_use) | {
        "sequence": appointment.sequence,
        "appointment_id": appointment.id,
        "facts": facts or {},
    }
