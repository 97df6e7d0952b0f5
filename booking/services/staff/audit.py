"""Who saw or did what, when, and from where. Written here only, and never rewritten.

A read is opening a patient, a visit's panel, a message or an export, or a search's hits. The board writes one entry a
person, day shown and hour.
"""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from booking import clock
from booking.models import AuditEntry
from booking.services import rows
from booking.services.staff.who import Who
from booking.services.transaction import reading, run


def saw(
    who: Who, what: str, subject: str = "", patient_ids: Iterable[int | None] = (None,), **facts: object
) -> None:
    """Writes down a read: one entry for each patient whose data was shown, or one without a patient."""
    entries = [_row(who, "read", what, subject, patient_id, facts) for patient_id in patient_ids]
    run(lambda session: rows.add_all(session, AuditEntry, entries))


def saw_this_hour(who: Who, what: str, subject: str) -> None:
    """Writes down a read once an hour, however often it comes, as of a board that lies open."""
    once = f"{what} {subject} {who.account_id} {clock.now():%Y%m%d%H}"[:120]
    with reading() as session:
        if session.scalar(select(AuditEntry.id).where(AuditEntry.once == once)) is not None:
            return
    entry = _row(who, "read", what, subject, None, {}) | {"once": once}
    try:
        run(lambda session: rows.add_all(session, AuditEntry, [entry]))
    except IntegrityError:
        # Another window of the same person wrote it at this moment.
        return


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


def who_saw(patient_id: int, since: datetime, until: datetime) -> list[AuditEntry]:
    """All entries about a patient between two instants, both included, oldest first."""
    with reading() as session:
        return list(
            session.scalars(
                select(AuditEntry)
                .where(AuditEntry.patient_id == patient_id, AuditEntry.at >= since, AuditEntry.at <= until)
                .order_by(AuditEntry.at, AuditEntry.id)
            )
        )


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
