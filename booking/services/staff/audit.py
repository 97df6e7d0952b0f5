"""Who saw or did what, when, and from where. Written here only, and never rewritten.

A read is opening a patient, their coverage, a visit's panel or a plan, or a search's hits: the use case that opens them writes it.
Pages that list people, and forms about a visit, write one entry a person, page and hour (`saw_this_hour`): their views do.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask import current_app
from sqlalchemy import ColumnElement, Select, and_, false, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from booking import clock
from booking.errors import TooMuchForAFile
from booking.models import AuditEntry, Merge, Patient
from booking.services import rows
from booking.services.staff.who import Who
from booking.services.transaction import reading, run

# A page of the list, and what one export holds at the most.
A_PAGE = 200
AN_EXPORT = 10_000
_NOTED_AT_MOST = 4096


@dataclass(frozen=True)
class Asked:
    """Which entries: about a patient, by a person, between two instants (both included), older than an entry."""

    patient: str = ""
    account_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    before: int | None = None


@dataclass(frozen=True)
class Entry:
    """An entry as a page or an export shows it. `patient` is a reference, and empty where nobody's data was shown."""

    number: int
    at: datetime
    name: str
    kind: str
    what: str
    patient: str
    patient_name: str
    subject: str
    address: str
    facts: dict[str, Any]


def saw(
    who: Who, what: str, subject: str = "", patient_ids: Iterable[int | None] = (None,), **facts: object
) -> None:
    """Writes down a read: one entry for each patient whose data was shown, or one without a patient."""
    entries = [_row(who, "read", what, subject, patient_id, facts) for patient_id in patient_ids]
    run(lambda session: rows.add_all(session, AuditEntry, entries))


def saw_this_hour(who: Who, what: str, subject: str, patient_id: int | None = None) -> None:
    """Writes down a read once an hour, however often it comes, as of a board that lies open."""
    once = f"{what} {subject} {who.account_id} {clock.now():%Y%m%d%H}"[:120]
    # What this process has written or found written needn't be asked for again.
    noted: set[str] = current_app.extensions.setdefault("booking_noted_this_hour", set())
    if once in noted:
        return
    with reading() as session:
        there = session.scalar(select(AuditEntry.id).where(AuditEntry.once == once)) is not None
    if not there:
        entry = _row(who, "read", what, subject, patient_id, {}) | {"once": once}
        # Another window of the same person may write it at this moment.
        with suppress(IntegrityError):
            run(lambda session: rows.add_all(session, AuditEntry, [entry]))
    if len(noted) > _NOTED_AT_MOST:
        noted.clear()
    noted.add(once)


def saw_visit(who: Who, reference: str, patient_id: int) -> None:
    """Writes down, once an hour, that a form or an answer about a visit was shown. Its panel is written down each time."""
    saw_this_hour(who, "opened visit", f"appointment/{reference}", patient_id)


def did(
    session: Session,
    who: Who,
    what: str,
    subject: str = "",
    patient_id: int | None = None,
    **facts: object,
) -> None:
    """Writes down a change, in its own transaction."""
    rows.add_all(session, AuditEntry, [_row(who, "write", what, subject, patient_id, facts)])


def records_of(session: Session, patient_id: int) -> list[int]:
    """All records of the person whose record this is: those that were merged into one, whichever is asked about."""
    stands = session.get_one(Patient, patient_id).merged_into_id or patient_id
    wanted = select(Patient.id).where(or_(Patient.id == stands, Patient.merged_into_id == stands))
    return list(session.scalars(wanted.order_by(Patient.id)))


def about(session: Session, patient_id: int) -> ColumnElement[bool]:
    """Entries about a patient, under whichever record; also about the one that showed theirs until a merge was taken back."""
    own = records_of(session, patient_id)
    undone = session.scalars(select(Merge).where(Merge.undone_at.is_not(None)))
    meanwhile = [
        and_(AuditEntry.patient_id == one.kept_id, written_between(one.at, one.undone_at))
        for one in undone
        # What had been merged into the one that went was shown too.
        if one.undone_at and not {one.gone_id, *one.facts["earlier"]}.isdisjoint(own)
    ]
    return or_(AuditEntry.patient_id.in_(own), *meanwhile)


def written_between(since: datetime, until: datetime) -> ColumnElement[bool]:
    """Entries of what happened between two instants, both included. One that is written once an hour stands for all of it."""
    from_hour = since.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return and_(
        AuditEntry.at.between(from_hour, until), or_(AuditEntry.at >= since, AuditEntry.once.is_not(None))
    )


def look(who: Who, asked: Asked) -> list[Entry]:
    """A page of the entries that were asked for, newest first; the look is written down, at one patient each time."""
    patient_id = _patient_id(asked.patient)
    if patient_id is None:
        saw_this_hour(who, "looked into audit", "audit")
    else:
        saw(who, "looked into audit", "audit", [patient_id])
    return _found(asked, A_PAGE)


def _found(asked: Asked, limit: int) -> list[Entry]:
    with reading() as session:
        found = session.execute(_asked(session, asked).order_by(AuditEntry.id.desc()).limit(limit)).all()
    return [
        Entry(
            number=entry.id,
            at=entry.at,
            name=entry.name,
            kind=entry.kind,
            what=entry.what,
            patient=reference or "",
            patient_name=f"{first_name} {last_name}" if reference else "",
            subject=entry.subject,
            address=entry.address,
            facts=entry.facts,
        )
        for entry, reference, first_name, last_name in found
    ]


def export(who: Who, asked: Asked) -> list[Entry]:
    """The same for a file, which is written down itself: who took what along. Raises TooMuchForAFile."""
    entries = _found(asked, AN_EXPORT + 1)
    if len(entries) > AN_EXPORT:
        raise TooMuchForAFile(limit=AN_EXPORT)
    patients = {entry.patient for entry in entries if entry.patient}
    patient_id = _patient_id(asked.patient)
    saw(who, "exported audit", "audit", (patient_id,), entries=len(entries), patients=len(patients))
    return entries


def _patient_id(reference: str) -> int | None:
    if not reference:
        return None
    with reading() as session:
        return session.scalar(select(Patient.id).where(Patient.reference == reference))


def _asked(session: Session, asked: Asked) -> Select[Any]:
    wanted = select(AuditEntry, Patient.reference, Patient.first_name, Patient.last_name).outerjoin(
        Patient, Patient.id == AuditEntry.patient_id
    )
    if asked.patient:
        patient_id = session.scalar(select(Patient.id).where(Patient.reference == asked.patient))
        wanted = wanted.where(false() if patient_id is None else about(session, patient_id))
    if asked.account_id is not None:
        wanted = wanted.where(AuditEntry.account_id == asked.account_id)
    if asked.since is not None:
        wanted = wanted.where(AuditEntry.at >= asked.since)
    if asked.until is not None:
        wanted = wanted.where(AuditEntry.at <= asked.until)
    if asked.before is not None:
        wanted = wanted.where(AuditEntry.id < asked.before)
    return wanted


def _row(
    who: Who, kind: str, what: str, subject: str, patient_id: int | None, facts: dict[str, object]
) -> rows.Row:
    return {
        "at": clock.now(),
        "account_id": who.account_id or None,
        "name": who.name,
        "kind": kind,
        "what": what,
        "patient_id": patient_id,
        "subject": subject,
        "address": who.address,
        "facts": facts,
        "once": None,
    }
