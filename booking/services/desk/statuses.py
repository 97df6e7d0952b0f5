"""How a visit goes: arrived, in the room, needles, done, no-show, cancelled, confirmed, and corrected.

Each step is one tap, one history entry and one version, and can be undone. A button pressed twice succeeds quietly.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking import clock
from booking.errors import IllegalStatus, NeedsReason, OldPlaceTaken
from booking.formatting import Times, iso_utc
from booking.models import Actor, Appointment, HistoryEntry
from booking.scheduling.offers import Use
from booking.scheduling.status import CORRECTIONS, LIVE, NO_SHOW_AFTER, Status, can
from booking.scheduling.timeline import cell_from, instant_of
from booking.services import claims, notices, placing, tasks, wording
from booking.services.claims import uses_of
from booking.services.clinic import Clinic, the_clinic
from booking.services.desk import owed, states
from booking.services.desk.asking import in_the_way, rest_of
from booking.services.desk.states import Changed
from booking.services.idempotency import Key, once
from booking.services.plans.links import make_up_address
from booking.services.rows import Row
from booking.services.staff.ownership import appointment_for
from booking.services.staff.who import Who
from booking.services.transaction import reading
from booking.services.visits import shaped

# Why a no-show is here after all.
CAME_LATE = "Came late"


class Move(StrEnum):
    """What can be offered for a visit, as the form's `to`."""

    ARRIVE = "arrived"
    START = "checked-in"
    FINISH = "fulfilled"
    NO_SHOW = "noshow"
    CONFIRM = "confirmed"
    NEEDLES_IN = "needles-in"
    NEEDLES_OUT = "needles-out"
    CANCEL = "cancelled"


class Standing(Protocol):
    """How a visit stands, as far as the moves depend on it. `has_needles`: its type has a rest."""

    @property
    def status(self) -> Status: ...
    @property
    def starts_at(self) -> datetime: ...
    @property
    def confirmed_at(self) -> datetime | None: ...
    @property
    def needles_in_at(self) -> datetime | None: ...
    @property
    def needles_out_at(self) -> datetime | None: ...
    @property
    def has_needles(self) -> bool: ...


def possible(visit: Standing, now: datetime, times: Times) -> tuple[Move, ...]:
    """The moves to offer, in the order in which a day goes. Illegal ones aren't among them."""
    may_be_here = is_today(times, visit.starts_at, now)
    offered = {
        Move.CONFIRM: visit.status is Status.BOOKED and visit.confirmed_at is None and now < visit.starts_at,
        # Also who comes late.
        Move.ARRIVE: visit.status in (Status.BOOKED, Status.NOSHOW) and may_be_here,
        Move.START: visit.status in (Status.BOOKED, Status.ARRIVED) and may_be_here,
        Move.NEEDLES_IN: visit.has_needles
        and visit.needles_in_at is None
        and visit.status in (Status.ARRIVED, Status.CHECKED_IN)
        and may_be_here,
        Move.NEEDLES_OUT: visit.status is Status.CHECKED_IN and needles_are_in(visit),
        Move.FINISH: not needles_are_in(visit)
        and (
            visit.status in (Status.ARRIVED, Status.CHECKED_IN)
            or (visit.status is Status.BOOKED and now >= visit.starts_at)
        ),
        Move.NO_SHOW: visit.status is Status.BOOKED and now >= visit.starts_at + NO_SHOW_AFTER,
        Move.CANCEL: visit.status in (Status.BOOKED, Status.ARRIVED),
    }
    return tuple(move for move, legal in offered.items() if legal)


def arrive(who: Who, reference: str, *, version: int | None = None, key: str) -> Changed:
    """The patient is here. A no-show of the same day came late, and takes back the rest of the time.

    Raises IllegalStatus, also on another day than the visit's; OldPlaceTaken, StaleEdit, NotFound.
    """

    def step(session: Session, clinic: Clinic, visit: Appointment, now: datetime) -> str:
        refuse_another_day(clinic, visit.status, visit.starts_at, Status.ARRIVED, now)
        late = visit.status is Status.NOSHOW
        if late:
            _take_back_the_rest(session, clinic, who, visit, now)
            visit.status = Status.ARRIVED
        else:
            _move(visit, Status.ARRIVED)
        visit.arrived_at = now
        return CAME_LATE if late else ""

    return _step(who, reference, Status.ARRIVED, step, version, key)


def start(who: Who, reference: str, *, version: int | None = None, key: str) -> Changed:
    """The patient is in the room, and the visit begins. Raises as `arrive`."""

    def step(session: Session, clinic: Clinic, visit: Appointment, now: datetime) -> None:
        refuse_another_day(clinic, visit.status, visit.starts_at, Status.CHECKED_IN, now)
        _move(visit, Status.CHECKED_IN)
        visit.arrived_at = visit.arrived_at or now
        visit.started_at = now

    return _step(who, reference, Status.CHECKED_IN, step, version, key)


def finish(who: Who, reference: str, *, version: int | None = None, key: str) -> Changed:
    """The visit is done. Raises IllegalStatus, also while needles are in or before its day; StaleEdit, NotFound."""

    def step(session: Session, clinic: Clinic, visit: Appointment, now: datetime) -> None:
        if now < visit.starts_at:
            refuse_another_day(clinic, visit.status, visit.starts_at, Status.FULFILLED, now)
        done(visit, now)

    return _step(who, reference, Status.FULFILLED, step, version, key)


def done(visit: Appointment, now: datetime) -> None:
    """Makes a visit done. A part of use cases. Raises IllegalStatus."""
    if needles_are_in(visit):
        raise IllegalStatus(visit_status=visit.status.value, to=Status.FULFILLED.value, because="needles")
    _move(visit, Status.FULFILLED)
    visit.ended_at = now


def no_show(who: Who, reference: str, *, version: int | None = None, key: str) -> Changed:
    """The patient hasn't come, from a quarter of an hour after the start on. Gives back the rest of the time; nobody is
    written to. Raises IllegalStatus, StaleEdit, NotFound.
    """

    def step(session: Session, clinic: Clinic, visit: Appointment, now: datetime) -> None:
        if visit.status is Status.BOOKED:
            _refuse_early_no_show(visit, now)
        _move(visit, Status.NOSHOW)
        _missed(session, visit, now)

    return _step(who, reference, Status.NOSHOW, step, version, key)


def confirm(who: Who, reference: str, *, version: int | None = None, key: str) -> Changed:
    """The patient has told the desk that they come. Raises IllegalStatus, StaleEdit, NotFound."""

    def step(session: Session, clinic: Clinic, visit: Appointment, now: datetime) -> None:
        if visit.status is not Status.BOOKED:
            raise IllegalStatus(visit_status=visit.status.value, to=Move.CONFIRM.value, because="")
        visit.confirmed_at, visit.cannot_come_at = now, None

    return _step(who, reference, Move.CONFIRM, step, version, key, already=lambda visit: visit.confirmed_at)


def needles_in(who: Who, reference: str, *, version: int | None = None, key: str) -> Changed:
    """The needles are in: from now on the rest is counted. Whoever wasn't in the room yet is from now on.

    In again after they were out counts anew. Raises IllegalStatus, also for a visit without a rest; StaleEdit, NotFound.
    """

    def step(session: Session, clinic: Clinic, visit: Appointment, now: datetime) -> None:
        to = Move.NEEDLES_IN.value
        if not rest_of(visit, uses_of(session, visit)):
            raise IllegalStatus(visit_status=visit.status.value, to=to, because="no_needles")
        refuse_another_day(clinic, visit.status, visit.starts_at, Status.CHECKED_IN, now)
        if not can(visit.status, Status.CHECKED_IN):
            raise IllegalStatus(visit_status=visit.status.value, to=to, because="")
        if visit.status is not Status.CHECKED_IN:
            visit.status = Status.CHECKED_IN
            visit.arrived_at = visit.arrived_at or now
            visit.started_at = now
        visit.needles_in_at, visit.needles_out_at = now, None

    return _step(who, reference, Move.NEEDLES_IN, step, version, key, already=needles_are_in)


def needles_out(who: Who, reference: str, *, version: int | None = None, key: str) -> Changed:
    """The needles are out. Raises IllegalStatus where none were in, StaleEdit, NotFound."""

    def step(session: Session, clinic: Clinic, visit: Appointment, now: datetime) -> None:
        if visit.needles_in_at is None:
            raise IllegalStatus(
                visit_status=visit.status.value, to=Move.NEEDLES_OUT.value, because="no_needles"
            )
        visit.needles_out_at = now

    return _step(
        who, reference, Move.NEEDLES_OUT, step, version, key, already=lambda visit: visit.needles_out_at
    )


def cancel(
    who: Who,
    reference: str,
    *,
    by: Actor = Actor.STAFF,
    reason: str = "",
    tell: bool = True,
    spoken: bool = False,
    version: int | None = None,
    key: str,
) -> Changed:
    """Cancels the visit and frees its time, `by` the wish of the patient or of the clinic.

    The patient is told in three minutes, if `tell`; not who is here. Who still waits to hear of an earlier change by us is told
    also without. Who asked for it themselves isn't called, nor is whoever has just heard it on the telephone (`spoken`). Raises
    IllegalStatus, StaleEdit, NotFound.
    """
    reason = reason.strip()[:500]

    def action(session: Session) -> dict[str, Any]:
        now, clinic, visit = _opened(session, who, reference)
        if visit.status is Status.CANCELLED:
            return vars(states.unchanged(clinic, visit))
        states.refuse_stale(session, clinic, visit, version)
        uses = uses_of(session, visit)
        before = states.snapshot(visit, uses)
        hears = not spoken and visit.status is Status.BOOKED
        hears = hears and (tell or (by is Actor.STAFF and owed.waits_for_news(session, clinic, visit, now)))
        _move(visit, Status.CANCELLED)
        placing.cancel(session, visit, by, reason, now)
        session.flush()
        if by is Actor.PATIENT:
            told = notices.cancelled_as_asked(session, clinic, visit, now, tell=hears)
        else:
            told = notices.cancelled_by_clinic(session, clinic, visit, now, tell=hears)
        changed = states.keep(
            session, who, clinic, visit, "cancelled", before, (), now, why=reason, told=told,
            tell=hears and by is Actor.STAFF and not told.unheard, by=by.value, spoken=spoken, dropped=told.dropped,
        )  # fmt: skip
        return vars(changed)

    key_of = Key.of(who.key, key, ["desk cancel", reference, by.value, reason, tell, spoken, version])
    return Changed(**once(key_of, action))


def preview_cancellation(who: Who, reference: str, by: Actor = Actor.STAFF) -> wording.Words:
    """What the patient would be told. Raises NotFound."""
    now = clock.now()
    with reading() as session:
        visit, clinic = appointment_for(session, who, reference), the_clinic(session)
        way = (
            notices.way_of_answer(visit, now, visit.ends_at)
            if by is Actor.PATIENT
            else notices.way_of_clinic(clinic, visit, now, visit.ends_at, [visit.starts_at])
        )
        if way is None or visit.status is not Status.BOOKED:
            return wording.NOTHING
        by_clinic, waits = by is Actor.STAFF, owed.waiting(session, clinic, visit, now)
        unheard = notices.is_unheard(session, visit, waits) and not notices.is_soon(
            session, now, visit.starts_at
        )
        if by_clinic and unheard:
            return wording.UNHEARD
        knew = notices.as_they_know(session, visit, {}) | notices.heard(waits)
        words = wording.of_cancellation(
            clinic,
            wording.as_heard(clinic, shaped(clinic, visit), knew),
            way,
            by_clinic=by_clinic,
            make_up=make_up_address(session, visit.id, way.address),
        )
        return replace(words, owed=by_clinic and owed.waits_for_news(session, clinic, visit, now))


def correct(
    who: Who,
    reference: str,
    to: Status,
    *,
    by: Actor = Actor.STAFF,
    reason: str,
    tell: bool = True,
    version: int | None = None,
    key: str,
) -> Changed:
    """Another status than was said, with a reason. The moments that no longer hold are cleared; the history has them.

    `by`: for a cancellation, whose wish it was; of one that is cancelled already, that and the reason are said anew, and nobody is
    told anew: they needn't come either way. What still waits to be told says it so. Who heard nothing, for it was said to be their
    own wish, is told of the clinic's as of any, if `tell`. So is whose visit was given another place while they were said to be
    here: they come after all, and know only the old one. A missed visit that comes after all takes back the rest of its time.
    Raises NeedsReason, IllegalStatus, OldPlaceTaken, StaleEdit, NotFound.
    """
    reason = reason.strip()[:500]

    def action(session: Session) -> dict[str, Any]:
        now, clinic, visit = _opened(session, who, reference)
        cancelled = visit.status is Status.CANCELLED
        same_wish = (visit.cancelled_by, visit.cancel_reason) == (by, reason)
        if visit.status is to and (same_wish or not cancelled):
            return vars(states.unchanged(clinic, visit))
        states.refuse_stale(session, clinic, visit, version, same_will_do=not cancelled)
        if to not in CORRECTIONS.get(visit.status, ()):
            raise IllegalStatus(visit_status=visit.status.value, to=to.value, because="")
        if to is Status.NOSHOW:
            _refuse_early_no_show(visit, now)
        elif visit.status is Status.NOSHOW and to is Status.ARRIVED:
            refuse_another_day(clinic, visit.status, visit.starts_at, to, now)
        if not reason:
            raise NeedsReason(breaches=["correction"], facts={})
        before = states.snapshot(visit, uses_of(session, visit))
        if visit.status not in LIVE and to in LIVE:
            _take_back_the_rest(session, clinic, who, visit, now)
        if cancelled:
            visit.cancelled_by, visit.cancel_reason = by, reason
        else:
            visit.status = to
            _moments(visit, to, now)
        if to is Status.NOSHOW:
            _missed(session, visit, now)
        elif to is Status.CANCELLED and not cancelled:
            placing.cancel(session, visit, by, reason, now)
        session.flush()
        uses, told = uses_of(session, visit), notices.wish_corrected(session, visit)
        facts: dict[str, Any] = {"from": before["status"], "to": to.value}
        if to is Status.BOOKED and (known := _known_when_it_left(session, clinic, visit, now)):
            told = notices.changed_by_clinic(session, clinic, visit, known, now, tell=True)
            told = told._replace(knew=told.knew or known["old_starts_at"])
            visit.confirmed_at = visit.cannot_come_at = None
            facts["tell"] = told.tells
        if tell and cancelled and (done := _said_as_their_wish(session, visit, before, now)):
            was_to_tell = done.facts.get("dropped", [])
            told = notices.cancelled_by_clinic_instead(session, clinic, visit, was_to_tell, now)
            facts["tell"] = True
        return vars(
            states.keep(
                session, who, clinic, visit, "corrected", before, uses, now, why=reason, told=told, **facts
            )
        )

    key_of = Key.of(who.key, key, ["correct", reference, to.value, by.value, reason, tell, version])
    return Changed(**once(key_of, action))


# Parts


def _known_when_it_left(session: Session, clinic: Clinic, visit: Appointment, now: datetime) -> Row | None:
    """What its patient knows of a visit that is to come after all, as it was before it was said that they are here or didn't come,
    where it was given another place since: nobody is written to of that. None where it is as they know it.
    """
    entries = session.scalars(
        select(HistoryEntry).where(HistoryEntry.appointment_id == visit.id).order_by(HistoryEntry.id.desc())
    )
    kept = (one.facts["before"] for one in entries if "before" in one.facts)
    known = next((one for one in kept if one["status"] == Status.BOOKED), None)
    if known is None or visit.starts_at <= now or states.same_entry(known, states.snapshot(visit, ())):
        return None
    person = clinic.practitioner_by_id[known["practitioner_id"]]
    return notices.known_as(instant_of(known["from_cell"]), instant_of(known["to_cell"]), person.slug)


def _said_as_their_wish(
    session: Session, visit: Appointment, before: states.Snapshot, now: datetime
) -> HistoryEntry | None:
    """The cancellation of a visit that is the clinic's wish only now, where its patient has heard nothing of it."""
    if (before["cancelled_by"], visit.cancelled_by) != (Actor.PATIENT.value, Actor.STAFF):
        return None
    done = session.scalars(
        select(HistoryEntry)
        .where(HistoryEntry.appointment_id == visit.id, HistoryEntry.what == "cancelled")
        .order_by(HistoryEntry.id.desc())
        .limit(1)
    ).first()
    if done is None or done.actor is Actor.PATIENT or done.facts.get("spoken") or visit.starts_at <= now:
        return None
    return None if notices.cancellation_told(session, visit, done.at) else done


# What a step does; it may say why.
Step = Callable[[Session, Clinic, Appointment, datetime], str | None]


def _step(
    who: Who,
    reference: str,
    to: Status | Move,
    step: Step,
    version: int | None,
    key: str,
    *,
    already: Callable[[Appointment], object] | None = None,
) -> Changed:
    """One tap: once per key, and quietly nothing where it is so `already`."""

    def action(session: Session) -> dict[str, Any]:
        now, clinic, visit = _opened(session, who, reference)
        if already(visit) if already else visit.status.value == to.value:
            return vars(states.unchanged(clinic, visit))
        states.refuse_stale(session, clinic, visit, version, same_will_do=True)
        before = states.snapshot(visit, uses_of(session, visit))
        why = step(session, clinic, visit, now) or ""
        session.flush()
        what, uses = to.value.replace("-", "_") if isinstance(to, Move) else to.value, uses_of(session, visit)
        return vars(states.keep(session, who, clinic, visit, what, before, uses, now, why=why))

    return Changed(**once(Key.of(who.key, key, ["step", reference, to.value, version]), action))


def _opened(session: Session, who: Who, reference: str) -> tuple[datetime, Clinic, Appointment]:
    now = clock.now()
    visit = appointment_for(session, who, reference, for_update=True)
    return now, the_clinic(session), visit


def _move(visit: Appointment, to: Status) -> None:
    if not can(visit.status, to):
        raise IllegalStatus(visit_status=visit.status.value, to=to.value, because="")
    visit.status = to


def is_today(times: Times, starts_at: datetime, now: datetime) -> bool:
    """Whether a visit that begins then is one of this day, by the clinic's calendar: nobody is here for one of another day."""
    return times.local_date(starts_at) == times.local_date(now)


def refuse_another_day(
    clinic: Clinic, status: Status, starts_at: datetime, to: Status, now: datetime
) -> None:
    """Refuses what needs the patient of a visit that begins then to be here, on another day."""
    if not is_today(clinic.times, starts_at, now):
        raise IllegalStatus(
            visit_status=status.value, to=to.value, because="another_day", starts_at=iso_utc(starts_at)
        )


def _refuse_early_no_show(visit: Appointment, now: datetime) -> None:
    not_before = visit.starts_at + NO_SHOW_AFTER
    if now < not_before:
        raise IllegalStatus(
            visit_status=visit.status.value,
            to=Status.NOSHOW.value,
            because="too_early",
            not_before=iso_utc(not_before),
        )


def needles_are_in(visit: Appointment | Standing) -> bool:
    return visit.needles_in_at is not None and visit.needles_out_at is None


def _moments(visit: Appointment, to: Status, now: datetime) -> None:
    """Clears what no longer holds in a corrected status, and sets what it needs."""
    if to in (Status.BOOKED, Status.NOSHOW, Status.CANCELLED):
        visit.arrived_at = None
    elif to is not Status.FULFILLED:
        visit.arrived_at = visit.arrived_at or now
    if to not in (Status.CHECKED_IN, Status.FULFILLED):
        visit.started_at = visit.needles_in_at = visit.needles_out_at = None
    elif to is Status.CHECKED_IN:
        visit.started_at = visit.started_at or now
    visit.ended_at = now if to is Status.FULFILLED else None


def _missed(session: Session, visit: Appointment, now: datetime) -> None:
    """What follows on a visit to which nobody came."""
    _give_back_the_rest(session, visit, now)
    tasks.pass_on(session, visit, now)


def _give_back_the_rest(session: Session, visit: Appointment, now: datetime) -> None:
    """Cuts what the visit has taken at the next cell; time off that waited takes the rest at once."""
    uses, cut = uses_of(session, visit), cell_from(now)
    kept = [use._replace(to_cell=min(use.to_cell, cut)) for use in uses if use.from_cell < cut]
    # What was cut has no buffer any more: nobody was there.
    kept = [use._replace(after=0) if use.to_cell == cut else use for use in kept]
    if kept != list(uses):
        claims.lock(session, {use.resource_id for use in uses})
        claims.exchange(session, uses, kept, appointment_id=visit.id)


def _take_back_the_rest(
    session: Session, clinic: Clinic, who: Who, visit: Appointment, now: datetime
) -> None:
    """What the visit had taken when it last was to be given, if that is still free: a no-show gave the rest back.

    Raises OldPlaceTaken.
    """
    entries = session.scalars(
        select(HistoryEntry).where(HistoryEntry.appointment_id == visit.id).order_by(HistoryEntry.id.desc())
    )
    given = next((one for one in entries if one.facts.get("before", {}).get("status") in LIVE), None)
    if given is not None:
        uses = states.uses_in(session, visit, given.facts["before"])
        take_again(session, clinic, who, visit, uses, given.at, now)


def take_again(
    session: Session,
    clinic: Clinic,
    who: Who,
    visit: Appointment,
    uses: Sequence[Use],
    since: datetime,
    now: datetime,
) -> None:
    """Gives a visit back what it had taken until `since`, if nobody has taken it meanwhile. Raises OldPlaceTaken.

    Time off that had waited for it doesn't count: it waits again.
    """
    has = uses_of(session, visit)
    if sorted(has) == sorted(uses):
        return
    claims.lock(session, {use.resource_id for use in (*has, *uses)})
    taken = in_the_way(session, clinic, who, uses, visit.id, now, absences_since=since)
    if taken:
        raise OldPlaceTaken(by=taken)
    claims.free_lapsed_in(session, uses, now)
    claims.exchange(session, has, uses, appointment_id=visit.id, absences_before=since)
