"""Closing a day: what nobody settled; and taking a closing back."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, func, select
from sqlalchemy.orm import Session

from booking import clock
from booking.errors import NotChangeable, NotFound, StaleEdit
from booking.models import Appointment, HistoryEntry
from booking.scheduling.hours import day_at
from booking.scheduling.status import LIVE, Status
from booking.scheduling.timeline import cell_in, instant_of
from booking.services.claims import uses_of
from booking.services.clinic import Clinic, the_clinic
from booking.services.desk import states
from booking.services.desk.asking import refuse_absurd
from booking.services.desk.statuses import done, needles_are_in
from booking.services.desk.undoing import take_back
from booking.services.history import UNDO_WITHIN
from booking.services.idempotency import Answer, Key, once
from booking.services.staff import audit
from booking.services.staff.who import Who
from booking.services.transaction import reading

_CLOSES = (Status.ARRIVED, Status.CHECKED_IN)


@dataclass(frozen=True)
class Unsettled:
    """A past visit that nobody settled. `closes`: closing the day makes it done; `left_as`: what is counted if nobody says
    more.
    """

    reference: str
    version: int
    name: str
    practitioner: str
    starts_at: datetime
    ends_at: datetime
    status: Status
    penciled: bool
    needles_in: bool
    closes: bool

    @property
    def left_as(self) -> "Left":
        if self.needles_in:
            return Left.NEEDLES_IN
        if self.closes:
            return Left.CAME
        return Left.PENCILED if self.penciled else Left.NEVER_CHECKED_IN


@dataclass(frozen=True)
class Closed:
    """Whose visits closing a day has made done. `entry_id`: of its first history entry, by which all of it is taken back."""

    names: tuple[str, ...]
    entry_id: int | None


@dataclass(frozen=True)
class Reopened:
    """A closing that was taken back: whose visits are open again, and whose were changed since and stay as they are, with
    by whom, as in a StaleEdit.
    """

    on: date
    names: tuple[str, ...]
    changed: tuple[tuple[str, dict[str, Any]], ...]


class Left(StrEnum):
    """How a visit stands that nobody settles."""

    CAME = "came"
    NEVER_CHECKED_IN = "never checked in"
    PENCILED = "penciled in"
    NEEDLES_IN = "needles in"


_UNSETTLED = and_(
    Appointment.from_cell >= bindparam("day_from"),
    Appointment.from_cell < bindparam("day_to"),
    # Says the same for the index, which has the end.
    Appointment.to_cell > bindparam("day_from"),
    Appointment.to_cell <= bindparam("over_by"),
    Appointment.status.in_(LIVE),
)
_TO_COME = and_(
    Appointment.from_cell >= bindparam("day_from"),
    Appointment.from_cell < bindparam("day_to"),
    Appointment.to_cell > bindparam("over_by"),
    Appointment.status.in_(LIVE),
)
# How many of them there are, as a part of other statements.
UNSETTLED = select(func.count(Appointment.id)).where(_UNSETTLED)


def bounds(clinic: Clinic, on: date, now: datetime) -> dict[str, Any]:
    """What these statements want to know of a day and of now."""
    day = day_at(on, clinic.zone)
    return {
        "day_from": day.from_cell,
        "day_to": day.to_cell,
        "over_by": cell_in(now),
    }


def unsettled(who: Who, on: date) -> list[Unsettled]:
    """The visits of a local day that are over and neither done nor missed nor cancelled, in order; practitioners' own
    for practitioners. Raises BeyondHorizon for a day that is years away.
    """
    now = clock.now()
    with reading() as session:
        clinic = the_clinic(session)
        refuse_absurd(clinic, on, now)
        return [_unsettled(clinic, visit) for visit in _open(session, clinic, who, on, now)]


def to_come(who: Who, on: date) -> int:
    """How many visits of a local day aren't over yet, and stand."""
    with reading() as session:
        clinic = the_clinic(session)
        wanted = select(func.count(Appointment.id)).where(_TO_COME, *_own(who))
        return session.scalar(wanted, bounds(clinic, on, clock.now())) or 0


def close_day(who: Who, on: date, *, key: str) -> Closed:
    """Makes all visits of the day done that are over and whose patients had come, and returns which.

    Those that stand as booked stay so: they count as attended, "not closed", unless they were only penciled in. So do those
    whose needles are still in.
    Raises BeyondHorizon for a day that is years away, KeyReused.
    """

    def action(session: Session) -> Answer:
        now = clock.now()
        clinic = the_clinic(session)
        refuse_absurd(clinic, on, now)
        closing = [visit for visit in _open(session, clinic, who, on, now, for_update=True) if _closes(visit)]
        entries = []
        for visit in closing:
            uses = uses_of(session, visit)
            before = states.snapshot(visit, uses)
            done(visit, now)
            kept = states.keep(
                session, who, clinic, visit, Status.FULFILLED.value, before, uses, now, closing=key
            )
            entries.append(kept.entry_id)
        audit.did(session, who, "closed day", f"day/{on.isoformat()}", visits=len(closing))
        return {"names": [_name(visit) for visit in closing], "entry_id": entries[0] if entries else None}

    answer = once(Key.of(who.key, key, ["close day", on]), action)
    return Closed(tuple(answer["names"]), answer["entry_id"])


def reopen_day(who: Who, entry_id: int, *, key: str) -> Reopened:
    """Takes back, within ten minutes and in one step, all that one closing has settled; not what was changed since.

    Twice is a quiet success. Raises TooLateToUndo, NotChangeable for an entry that no closing has written, NotFound,
    KeyReused.
    """

    def action(session: Session) -> Answer:
        clinic = the_clinic(session)
        names, changed = [], []
        settled = _settled_with(session, who, entry_id)
        for number, visit in settled:
            try:
                take_back(session, who, number)
                names.append(_name(visit))
            except StaleEdit as refusal:
                changed.append([_name(visit), refusal.facts])
        on = clinic.times.local_date(settled[0][1].starts_at).isoformat()
        audit.did(session, who, "reopened day", f"day/{on}", visits=len(names))
        return {"on": on, "names": names, "changed": changed}

    answer = once(Key.of(who.key, key, ["reopen day", entry_id]), action)
    changed = tuple((name, facts) for name, facts in answer["changed"])
    return Reopened(date.fromisoformat(answer["on"]), tuple(answer["names"]), changed)


def _settled_with(session: Session, who: Who, entry_id: int) -> list[tuple[int, Appointment]]:
    """What the closing has settled that wrote this entry: the entry of each visit, and the visit, in order. Locked, in the
    order of the visits' ids. Raises NotFound, NotChangeable.
    """
    first = session.get(HistoryEntry, entry_id)
    if first is None:
        raise NotFound
    if "closing" not in first.facts:
        raise NotChangeable(visit_status=session.get_one(Appointment, first.appointment_id).status.value)
    entries = session.scalars(
        select(HistoryEntry).where(
            HistoryEntry.account_id == first.account_id,
            HistoryEntry.at.between(first.at - UNDO_WITHIN, first.at + UNDO_WITHIN),
        )
    )
    numbers = {
        one.appointment_id: one.id for one in entries if one.facts.get("closing") == first.facts["closing"]
    }
    visits = session.scalars(
        select(Appointment)
        .where(Appointment.id.in_(numbers), *_own(who))
        .order_by(Appointment.id)
        .with_for_update(of=Appointment)
    ).all()
    if not visits:
        raise NotFound
    return [(numbers[visit.id], visit) for visit in _in_order(visits)]


def _open(
    session: Session, clinic: Clinic, who: Who, on: date, now: datetime, *, for_update: bool = False
) -> list[Appointment]:
    """Visits of the day that are over and unsettled, in order. To be changed, they are locked in order of their ids."""
    wanted = select(Appointment).where(_UNSETTLED, *_own(who))
    if for_update:
        wanted = wanted.order_by(Appointment.id).with_for_update(of=Appointment)
    return _in_order(session.scalars(wanted, bounds(clinic, on, now)))


def _in_order(visits: Iterable[Appointment]) -> list[Appointment]:
    return sorted(visits, key=lambda visit: (visit.from_cell, visit.id))


def _name(visit: Appointment) -> str:
    return f"{visit.first_name} {visit.last_name}"


def _own(who: Who) -> list[ColumnElement[bool]]:
    """Of which visits somebody closes the day: practitioners of their own."""
    return [] if who.sees_everybody else [Appointment.practitioner_id == (who.practitioner_id or 0)]


def _unsettled(clinic: Clinic, visit: Appointment) -> Unsettled:
    return Unsettled(
        reference=visit.reference,
        version=visit.version,
        name=_name(visit),
        practitioner=clinic.practitioner_by_id[visit.practitioner_id].name,
        starts_at=instant_of(visit.from_cell),
        ends_at=instant_of(visit.to_cell),
        status=visit.status,
        penciled=visit.penciled,
        needles_in=needles_are_in(visit),
        closes=_closes(visit),
    )


def _closes(visit: Appointment) -> bool:
    return visit.status in _CLOSES and not needles_are_in(visit)
