"""A patient's coverage as staff record it: added, changed, put in another order, ended.

What was recorded is never removed: an ended pool counts for the visits before, and each change stands in the patient's
history with the terms before and after.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking import clock
from booking.errors import NotFound, StaleRecord
from booking.formatting import iso_utc
from booking.models import Coverage, Patient, PatientChange
from booking.scheduling.allowances.counting import Left, Mark, Pool
from booking.scheduling.allowances.terms import Terms
from booking.services import rows
from booking.services.allowances import (
    Allowances,
    allowances_of,
    coverages_of,
    pool_of,
)
from booking.services.clinic import Clinic, the_clinic
from booking.services.desk.records import lock_record, standing
from booking.services.idempotency import Answer, Key, once
from booking.services.staff import audit
from booking.services.staff.who import Who
from booking.services.transaction import reading


@dataclass(frozen=True)
class Line:
    """A pool as pages show it. `left`: on the present day; None once it has ended. `later`: in each later window in which a visit
    lies. `shown`: to tell stale edits by.
    """

    pool: Pool
    left: Left | None
    later: tuple[Left, ...]
    made_at: datetime
    ended_at: datetime | None
    shown: str


@dataclass(frozen=True)
class BeyondLine:
    """A visit that is booked and lies beyond."""

    reference: str
    starts_at: datetime
    mark: Mark
    pool: Pool


@dataclass(frozen=True)
class Recorded:
    """A patient's coverage. `ended`: what counts no more."""

    clinic: Clinic
    today: date
    patient: str
    name: str
    lines: tuple[Line, ...]
    ended: tuple[Line, ...]
    beyond: tuple[BeyondLine, ...]

    def line(self, number: int) -> Line:
        """Raises NotFound."""
        found = next((one for one in self.lines if one.pool.id == number), None)
        if found is None:
            raise NotFound
        return found


def recorded(who: Who, reference: str, *, opened: bool = True) -> Recorded:
    """A patient's coverage; that it was opened is written down, but where the patient's page shows it or nobody sees it.

    Raises NotFound, RecordMerged.
    """
    now = clock.now()
    with reading() as session:
        clinic = the_clinic(session)
        patient = standing(session, who, reference)
        found = _recorded(session, clinic, patient, now)
        patient_id = patient.id
    if opened:
        audit.saw(who, "opened coverage", f"patient/{reference}", [patient_id])
    return found


def record(who: Who, reference: str, name: str, terms: Terms, *, key: str) -> int:
    """Adds a pool after those that there are, once per key. Raises NotFound, RecordMerged, KeyReused."""

    def action(session: Session, patient: Patient, now: datetime) -> Answer:
        there = coverages_of(session, patient.id)
        position = max((one.position for one in there), default=-1) + 1
        row = Coverage(
            patient_id=patient.id,
            name=name,
            terms=terms.as_plain(),
            position=position,
            made_at=now,
            changed_at=now,
        )
        rows.add(session, row)
        told(session, who, patient, "coverage_added", row.id, now, None, {"name": name} | row.terms)
        return {"coverage": row.id}

    number: int = once_of(who, reference, key, ["add coverage", name, terms.as_plain()], action)["coverage"]
    return number


def change(who: Who, reference: str, number: int, name: str, terms: Terms, *, shown: str, key: str) -> None:
    """Writes other terms, once per key; the same again changes nothing. When the patient was recorded as improving stays.

    Raises StaleRecord if it was changed since it was `shown`, NotFound, RecordMerged, KeyReused.
    """

    def action(session: Session, patient: Patient, now: datetime) -> Answer:
        row = its(session, patient, number)
        after = replace(terms, improving=Terms.of(row.terms).improving)
        if (row.name, row.terms) == (name, after.as_plain()):
            return {}
        if _shown(row) != shown:
            by = _changed_by(session, patient, number)
            raise StaleRecord(by=by, at=iso_utc(row.changed_at), changes={})
        _write(session, who, patient, row, "coverage_changed", now, name, after)
        return {}

    once_of(who, reference, key, ["change coverage", number, name, terms.as_plain(), shown], action)


def end(who: Who, reference: str, number: int, *, mistake: bool = False, key: str) -> None:
    """From today on it counts no more; with `mistake` it never did. Raises NotFound, RecordMerged, KeyReused."""

    def action(session: Session, patient: Patient, now: datetime) -> Answer:
        row = its(session, patient, number)
        if row.ended_at is None:
            row.ended_at = now
            terms = replace(Terms.of(row.terms), void=mistake)
            _write(session, who, patient, row, "coverage_ended", now, row.name, terms)
        return {}

    once_of(who, reference, key, ["end coverage", number, mistake], action)


def reopen(who: Who, reference: str, number: int, *, key: str) -> None:
    """Takes back that it was ended. Raises NotFound, RecordMerged, KeyReused."""

    def action(session: Session, patient: Patient, now: datetime) -> Answer:
        row = its(session, patient, number)
        if row.ended_at is not None:
            row.ended_at = None
            terms = replace(Terms.of(row.terms), void=False)
            _write(session, who, patient, row, "coverage_reopened", now, row.name, terms)
        return {}

    once_of(who, reference, key, ["reopen coverage", number], action)


def draw_earlier(who: Who, reference: str, number: int, *, key: str) -> None:
    """Puts a pool before the one that is drawn on before it. Raises NotFound, RecordMerged, KeyReused."""

    def action(session: Session, patient: Patient, now: datetime) -> Answer:
        row = its(session, patient, number)
        standing_ones = [one for one in coverages_of(session, patient.id) if one.ended_at is None]
        at = standing_ones.index(row) if row in standing_ones else 0
        if at:
            standing_ones[at - 1 : at + 1] = [row, standing_ones[at - 1]]
            for position, one in enumerate(standing_ones):
                one.position = position
            told(session, who, patient, "coverage_moved", number, now)
        return {}

    once_of(who, reference, key, ["coverage earlier", number], action)


def improving(who: Who, reference: str, number: int, *, improves: bool = True, key: str) -> None:
    """A practitioner records that the patient is improving, as of today; with `improves` False takes the last record back.

    Raises NotFound for whoever is none, RecordMerged, KeyReused.
    """
    if who.practitioner_id is None:
        raise NotFound

    def action(session: Session, patient: Patient, now: datetime) -> Answer:
        row = its(session, patient, number)
        terms, today = Terms.of(row.terms), the_clinic(session).times.local_date(now)
        days = (*terms.improving, today) if improves else terms.improving[:-1]
        if not improves or today not in terms.improving:
            after = replace(terms, improving=days)
            _write(session, who, patient, row, "coverage_improving", now, row.name, after)
        return {}

    once_of(who, reference, key, ["improving", number, improves], action)


# Parts that others share as well.


def once_of(
    who: Who,
    reference: str,
    key: str,
    content: list[Any],
    action: Callable[[Session, Patient, datetime], Answer],
) -> Answer:
    """Does it once per key, on the record as it stands, while nobody else changes it."""

    def locked(session: Session) -> Answer:
        standing(session, who, reference)
        lock_record(session, reference)
        return action(session, standing(session, who, reference, for_update=True), clock.now())

    return once(Key.of(who.key, key, [reference, *content]), locked)


def its(session: Session, patient: Patient, number: int) -> Coverage:
    row = session.get(Coverage, number)
    if row is None or row.patient_id != patient.id:
        raise NotFound
    return row


def _shown(row: Coverage) -> str:
    return row.changed_at.isoformat()


def _write(
    session: Session,
    who: Who,
    patient: Patient,
    row: Coverage,
    what: str,
    now: datetime,
    name: str,
    terms: Terms,
) -> None:
    before = {"name": row.name} | row.terms
    row.name, row.terms, row.changed_at = name, terms.as_plain(), now
    session.flush()
    told(session, who, patient, what, row.id, now, before, {"name": name} | row.terms)


def told(
    session: Session,
    who: Who,
    patient: Patient,
    what: str,
    number: int,
    now: datetime,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    **facts: Any,
) -> None:
    """In the history of the patient and in the audit. The record itself, and so its edit, stays."""
    changes = {"changes": {"coverage": [before, after]}} if after and before != after else {}
    row = {
        "patient_id": patient.id,
        "at": now,
        "account_id": who.account_id or None,
        "name": who.name,
        "what": what,
        "facts": {"coverage": number} | changes | facts,
    }
    rows.add_all(session, PatientChange, [row])
    audit.did(session, who, what, f"patient/{patient.reference}", patient.id, coverage=number)


def _changed_by(session: Session, patient: Patient, number: int) -> str:
    changes = session.scalars(
        select(PatientChange)
        .where(PatientChange.patient_id == patient.id, PatientChange.what.like("coverage%"))
        .order_by(PatientChange.id.desc())
    )
    return next((one.name for one in changes if one.facts.get("coverage") == number), "")


def _recorded(session: Session, clinic: Clinic, patient: Patient, now: datetime) -> Recorded:
    coverages = coverages_of(session, patient.id)
    counts = allowances_of(session, clinic, patient.id, now)
    left: defaultdict[int, list[Left]] = defaultdict(list)
    for one in counts.count.left_until(clinic.times.local_date(now)):
        left[one.pool.id].append(one)
    lines = [
        Line(
            pool_of(clinic, one), next(iter(left[one.id]), None), tuple(left[one.id][1:]), one.made_at, one.ended_at,
            _shown(one),
        )
        for one in coverages
    ]  # fmt: skip
    return Recorded(
        clinic=clinic,
        today=clinic.times.local_date(now),
        patient=patient.reference,
        name=f"{patient.first_name} {patient.last_name}",
        lines=tuple(one for one in lines if one.ended_at is None),
        ended=tuple(one for one in lines if one.ended_at is not None),
        beyond=beyond_of(counts),
    )


def beyond_of(counts: Allowances) -> tuple[BeyondLine, ...]:
    return tuple(
        BeyondLine(name, counts.starts[name], mark, pool)
        for name, mark in counts.ahead_beyond()
        if (pool := counts.pool(mark)) is not None
    )
