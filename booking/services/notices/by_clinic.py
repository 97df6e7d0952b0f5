"""What a visit tells that the clinic booked, changed or cancelled: in three minutes, for it may be taken back."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking.formatting import iso_utc
from booking.models import Actor, Appointment, Channel, Message, MessageState
from booking.scheduling.reminder_times import before_texts
from booking.scheduling.status import Status
from booking.services import digests
from booking.services.clinic import Clinic
from booking.services.notices.calling import pass_on_of
from booking.services.notices.knowing import Knew, facts_of, known_of
from booking.services.notices.news import ToTell, heard as as_heard, to_tell
from booking.services.notices.reminding import remind_now, reminders
from booking.services.notices.unheard import (
    as_decided,
    as_they_know,
    hears,
    is_heard_of,
    is_soon,
    is_unheard,
    news_of,
    waits_again,
)
from booking.services.notices.waiting import (
    drop_waiting,
    known_with_plan,
    told_apart,
    told_with_plan,
    waiting_with_plan,
    went,
)
from booking.services.notices.ways import (
    TAKEN_BACK_WITHIN,
    called_too,
    next_start,
    text_hours,
    way_of_answer,
    way_of_clinic,
)
from booking.services.notices.writing import (
    ANSWERS,
    ON_SHORT_NOTICE,
    answer,
    next_resend,
    row_of,
    without_why,
)
from booking.services.rows import Row, add_all


class Told(NamedTuple):
    """What a change by the clinic told: when it goes and how, and what still waited that it took the place of. `corrects`:
    the patient had heard otherwise, or nothing. `to_call`: they stand on the list of calls, until reached. `knew`: when the
    visit began as far as they knew, ISO in UTC. `after_all`: as far as they knew, we had cancelled it. `tells`: there was
    something to tell, and they were to hear it. `unheard`: they haven't heard of the visit at all, which is told with what was
    decided of its plan. `decided`: how they knew the visit that was decided to be otherwise, before this told of it.
    """

    due_at: datetime | None
    dropped: list[Row]
    corrects: bool = False
    channel: Channel | None = None
    to_call: bool = False
    knew: str | None = None
    after_all: bool = False
    tells: bool = False
    unheard: bool = False
    decided: Knew = {}


def booked_by_clinic(
    session: Session, clinic: Clinic, appointment: Appointment, now: datetime, *, tell: bool
) -> Told:
    """The reminders that are still to come, and if `tell`, a confirmation in three minutes, by mail or text. Nobody is
    called to hear what they have just said on the telephone.
    """
    told = []
    if tell:
        told = _but_calls(told_by_clinic(clinic, appointment, "confirmation", now, appointment.starts_at, {}))
    return _written(session, appointment, told, reminders(clinic, appointment, now), [], now)


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
    `tell` as well, and so is what a message about its plan was to tell of it. Twice moved is told once, and moved back not
    at all, and of a visit of which they haven't heard nothing. `spoken`: they have just heard it on the telephone, so that they
    needn't be called or reminded now either.
    """
    dropped = [
        *waiting_with_plan(session, appointment, known),
        *drop_waiting(session, appointment, "The visit was changed.", now),
    ]
    if appointment.status is not Status.BOOKED:
        pass_on_of(session, appointment, now)
        return Told(None, dropped)
    now_known = known_of(appointment, clinic)
    news = news_of(session, appointment, known, dropped, now_known, now)
    rows = reminders(clinic, appointment, now)
    unheard = news is not None and news.unheard and not spoken
    tells = news is not None and not news.unheard and (tell or news.owed)
    decided = as_decided(session, appointment) if unheard else {}
    if tells or spoken:
        decided = hears(session, clinic, appointment)
    told: list[Row] = []
    if news and tells:
        told = told_by_clinic(clinic, appointment, news.kind, now, appointment.starts_at, news.facts)
        if spoken:
            told = _but_calls(told)
    elif not spoken:
        rows += remind_now(appointment, dropped, rows, now)
    moves = any(known[name] != now_known[name] for name in ("old_starts_at", "old_practitioner"))
    found = _written(
        session, appointment, told, rows, dropped, now, corrects=news is not None, moves=moves and not spoken
    )
    return found._replace(tells=tells and not spoken, unheard=unheard, decided=decided)


def news_owed(
    session: Session, clinic: Clinic, appointment: Appointment, dropped: list[Row], now: datetime
) -> list[Row]:
    """What `dropped` was to tell of a visit, as it is now: for a change that tells nothing itself."""
    now_known = known_of(appointment, clinic)
    news = to_tell(now_known, dropped, now_known)
    if news is None:
        return []
    rows = told_by_clinic(clinic, appointment, news.kind, now, appointment.starts_at, news.facts)
    # The change may have left the visit where it was, under the same sequence.
    return [row | {"resend": next_resend(session, appointment, [news.kind])} for row in rows]


def cancelled_by_clinic(
    session: Session, clinic: Clinic, appointment: Appointment, now: datetime, *, tell: bool
) -> Told:
    """Tells in three minutes that the clinic has cancelled, if `tell`, unless they haven't heard of the visit; nothing else about
    it goes any more.
    """
    dropped = [
        *waiting_with_plan(session, appointment, known_of(appointment, clinic)),
        *drop_waiting(session, appointment, "The visit was cancelled.", now),
    ]
    told, decided = list[Row](), as_decided(session, appointment)
    soon = is_soon(session, now, appointment.starts_at)
    unheard = not soon and is_unheard(session, appointment, dropped)
    if tell and not unheard:
        facts = as_they_know(session, appointment, {}) | as_heard(dropped)
        told = told_by_clinic(clinic, appointment, "cancellation", now, appointment.ends_at, facts)
        decided = hears(session, clinic, appointment)
    found = _written(session, appointment, told, [], dropped, now)
    return found._replace(unheard=unheard, decided=decided)


def cancelled_as_asked(
    session: Session, clinic: Clinic, appointment: Appointment, now: datetime, *, tell: bool
) -> Told:
    """Tells in three minutes, if `tell`, that the desk has cancelled as the patient asked, by mail or text. Nobody is called
    to hear what they have just said.
    """
    knew, decided = as_they_know(session, appointment, {}), as_decided(session, appointment)
    dropped = [
        *told_apart(session, clinic, appointment, known_of(appointment, clinic)),
        *drop_waiting(session, appointment, "The visit was cancelled.", now),
    ]
    way, told = way_of_answer(appointment, now, appointment.ends_at), []
    if tell and way is not None:
        until, facts = appointment.ends_at, knew | as_heard(dropped)
        told = [row_of(appointment, "cancellation", way.channel, way.address, now, way.due_at, until, facts)]
    return _written(session, appointment, told, [], dropped, now)._replace(decided=decided)


def cancelled_by_clinic_instead(
    session: Session, clinic: Clinic, appointment: Appointment, dropped: list[Row], now: datetime
) -> Told:
    """Tells in three minutes that the clinic has cancelled, where it was said to be the patient's wish and they heard nothing.
    `dropped`: what that cancellation took the place of.
    """
    told = told_by_clinic(clinic, appointment, "cancellation", now, appointment.ends_at, as_heard(dropped))
    # It may have been told in vain before.
    number = next_resend(session, appointment, ["cancellation"])
    told = [row | {"resend": number} for row in told]
    return _written(session, appointment, told, [], [], now)


def wish_corrected(session: Session, appointment: Appointment) -> Told:
    """What waits to tell in writing that a visit is cancelled says it as whose wish that was by now. Nothing else is told."""
    waits = session.scalars(
        select(Message)
        .where(
            Message.appointment_id == appointment.id,
            Message.sequence == appointment.sequence,
            Message.kind == "cancellation",
            Message.channel != Channel.CALL,
            Message.state == MessageState.QUEUED,
        )
        .order_by(Message.id)
        .with_for_update()
    ).all()
    of_clinic = {"by_clinic": True, "begins_at": iso_utc(appointment.starts_at)}
    for message in waits:
        kept = {name: said for name, said in message.facts.items() if name not in of_clinic}
        message.facts = kept | (of_clinic if appointment.cancelled_by is Actor.STAFF else {})
    return Told(waits[0].due_at, [], channel=waits[0].channel) if waits else Told(None, [])


def taken_back(
    session: Session,
    clinic: Clinic,
    appointment: Appointment,
    sequence: int,
    dropped: list[Row],
    known: Row | None,
    now: datetime,
    *,
    since: datetime,
    spoken: Collection[int] = (),
    by_clinic: bool = True,
    decided: Knew,
) -> Told:
    """What follows on a change that was taken back: its message is dropped; if it went already, another one goes.

    `sequence` was the visit's after that change, and has grown since by what was done and taken back, of which they may have heard
    too, also `since` it from a message of their plan. `dropped` is what it took the place of, and `known` is what it told: None for
    a cancellation, `by_clinic` or as they had asked. `spoken`: the sequences that were told on the telephone. `decided`: how they
    knew it before, where it was decided to be otherwise: of that they hear as they would have. Whoever is here is told by whoever
    sees them.
    """
    last, never = appointment.sequence - 1, None in decided.values()
    heard = (
        (bool(spoken) and appointment.status is Status.BOOKED)
        or went(session, appointment, range(sequence, last + 1))
        # A message about all of the plan leaves out what they never heard of.
        or (not never and told_with_plan(session, appointment, since) is not None)
        or (never and is_heard_of(session, appointment))
    )
    heard_last = last in spoken or went(session, appointment, [last])
    waited = drop_waiting(session, appointment, "The change was taken back.", now)
    cancelled = appointment.status is Status.CANCELLED
    rows = reminders(clinic, appointment, now) if appointment.status is Status.BOOKED else []
    now_known, told, news = known_of(appointment, clinic), list[Row](), None
    with_plan = not cancelled and waiting_with_plan(session, appointment, now_known)
    waits = bool(decided) and not heard and waits_again(session, appointment, decided)
    if decided and not heard and not waits:
        if with_plan:
            known_with_plan(session, appointment, decided)
        else:
            (before,) = decided.values()
            news = to_tell(facts_of(before), [], now_known) if before else ToTell("confirmation", {}, True)
    elif heard and cancelled:
        told = told_by_clinic(clinic, appointment, "cancellation", now, appointment.ends_at, {})
    elif heard and known is None:
        facts = {"after_all": True} | as_heard(dropped) if by_clinic else {}
        told = told_by_clinic(clinic, appointment, "confirmation", now, appointment.starts_at, facts)
    elif heard:
        # What corrects something that they have heard waited itself, and says what they know.
        news = to_tell(known or {}, [] if heard_last else waited, now_known)
    elif not cancelled and not with_plan:
        for one in (row for row in dropped if row["kind"] in ANSWERS):
            facts = one["facts"]
            told += (
                told_by_clinic(clinic, appointment, one["kind"], now, appointment.starts_at, facts)
                if facts.get("by_clinic")
                else answer(appointment, one["kind"], now, facts)
            )
    if news is not None:
        told = told_by_clinic(clinic, appointment, news.kind, now, appointment.starts_at, news.facts)
    if appointment.status is Status.BOOKED and not told:
        rows += remind_now(appointment, [*dropped, *waited], rows, now)
    return _written(session, appointment, told, rows, waited, now, corrects=heard)


def told_by_clinic(
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
    begins, due = next_start(starts, now), now + TAKEN_BACK_WITHIN
    facts = without_why(facts) | {"by_clinic": True, "begins_at": iso_utc(begins)}
    rows = [row_of(appointment, kind, way.channel, way.address, now, way.due_at, useful_until, facts)]
    early = before_texts(due, begins, *text_hours(clinic))
    if early and appointment.phone and way.channel is not Channel.CALL:
        called = facts | {"why": ON_SHORT_NOTICE}
        rows.append(
            row_of(appointment, kind, Channel.CALL, appointment.phone, now, due, useful_until, called)
        )
    return rows


def _but_calls(rows: list[Row]) -> list[Row]:
    """These, for somebody who has just been on the telephone."""
    return [row for row in rows if row["channel"] is not Channel.CALL]


def _written(
    session: Session,
    appointment: Appointment,
    told: list[Row],
    reminding: list[Row],
    dropped: list[Row],
    now: datetime,
    *,
    corrects: bool = False,
    moves: bool = True,
) -> Told:
    """Writes what is told of a visit and what reminds of it, puts the list of its week right, and says what was told: by
    message rather than by telephone, where both do.
    """
    add_all(session, Message, [*told, *reminding])
    digests.replan_of(session, appointment, now)
    pass_on_of(session, appointment, now)
    row = next((row for row in told if row["channel"] is not Channel.CALL), told[0] if told else None)
    if row is None:
        return Told(None, dropped, corrects)
    begins = [
        datetime.fromisoformat(one["facts"]["begins_at"]) for one in told if "begins_at" in one["facts"]
    ]
    called = any(one["channel"] is Channel.CALL for one in told)
    return Told(
        row["due_at"],
        dropped,
        corrects,
        channel=row["channel"],
        to_call=called or (moves and called_too(appointment, now, begins)),
        knew=row["facts"].get("old_starts_at"),
        after_all=row["facts"].get("after_all", False),
    )
