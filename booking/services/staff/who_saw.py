"""Who saw a patient's record between two instants: whatever is written down about them, and who looked at a list on which
one of their visits stood.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking.models import Appointment, AuditEntry, HistoryEntry, StaffAccount
from booking.scheduling.hours import week_start
from booking.scheduling.status import Status
from booking.services.clinic import Clinic, the_clinic
from booking.services.desk.glance import AHEAD
from booking.services.staff.audit import about, records_of, written_between
from booking.services.transaction import reading

_OWN = ("saw own day", "saw own week")
# Lists of a day or a week. Closing a day and what else was done by them is written down about its patients.
_LISTS = ("saw board", "printed day", "saw glance", "saw unsettled", *_OWN)


@dataclass(frozen=True)
class Looks:
    """`entries`: about the patient, under whichever record. `lists`: looks at a board or another list of a day or a week while a
    visit of theirs stood on it. Both oldest first.
    """

    entries: tuple[AuditEntry, ...]
    lists: tuple[AuditEntry, ...]


@dataclass(frozen=True)
class _Stood:
    """Where a visit stood, and from when until when it stood there; `until` is None where it still does. `refused`: its patient
    had said that they can't come, which "At a glance" shows on the days before as well.
    """

    on: date
    practitioner: str
    refused: bool
    since: datetime
    until: datetime | None

    @property
    def subjects(self) -> tuple[str, ...]:
        week, ahead = week_start(self.on), AHEAD.days if self.refused else 0
        glances = (f"glance/{self.on - timedelta(days=days)}" for days in range(ahead + 1))
        return (
            *glances,
            f"board/{self.on}",
            f"day/{self.on}",
            f"board/{self.practitioner}/{week}",
            f"week/{week}",
        )


def who_saw(patient_id: int, since: datetime, until: datetime) -> Looks:
    """All looks at a patient between two instants, both included. One that is written down once an hour stands for all of it."""
    with reading() as session:
        clinic = the_clinic(session)
        wanted = (
            select(AuditEntry, StaffAccount.practitioner_id)
            .outerjoin(StaffAccount, StaffAccount.id == AuditEntry.account_id)
            .where(written_between(since, until))
            .order_by(AuditEntry.at, AuditEntry.id)
        )
        entries = session.scalars(wanted.where(about(session, patient_id)))
        stood = list(_stood(session, clinic, records_of(session, patient_id)))
        subjects = {subject for one in stood for subject in one.subjects}
        of_days = wanted.where(AuditEntry.what.in_(_LISTS), AuditEntry.subject.in_(subjects))
        lists = [
            entry
            for entry, practitioner_id in session.execute(of_days)
            if any(_showed(clinic, entry, practitioner_id, one) for one in stood)
        ]
        return Looks(tuple(entries), tuple(lists))


def _stood(session: Session, clinic: Clinic, records: list[int]) -> Iterator[_Stood]:
    """Where the visits of these records stand and have stood, as their history has it."""
    visits = session.scalars(select(Appointment).where(Appointment.patient_id.in_(records))).all()
    told = session.scalars(
        select(HistoryEntry)
        .where(HistoryEntry.appointment_id.in_([visit.id for visit in visits]))
        .order_by(HistoryEntry.id)
    ).all()
    for visit in visits:
        stages = list(_stages([entry for entry in told if entry.appointment_id == visit.id]))
        ends = [at for at, *_ in stages[1:]] + [None]
        for (since, starts_at, practitioner, refused), until in zip(stages, ends, strict=True):
            on = clinic.times.local_date(datetime.fromisoformat(starts_at))
            yield _Stood(on, practitioner, refused, since, until)


def _stages(told: Iterable[HistoryEntry]) -> Iterator[tuple[datetime, str, str, bool]]:
    """From when on a visit was when, with whom, and with its patient having said that they can't come."""
    place, refused = None, False
    for entry in told:
        place, refused = _place(entry) or place, _refused(entry, before=refused)
        if place is not None:
            yield entry.at, *place, refused


def _place(entry: HistoryEntry) -> tuple[str, str] | None:
    """When and with whom the visit was from then on; None where that stayed as it was."""
    facts: dict[str, Any] = entry.facts.get("state", entry.facts if entry.what == "booked" else {})
    if entry.what == "moved" and not facts:
        facts = {"starts_at": entry.facts["to"], "practitioner": entry.facts["to_practitioner"]}
    if "starts_at" not in facts or "practitioner" not in facts:
        return None
    return facts["starts_at"], facts["practitioner"]


def _refused(entry: HistoryEntry, *, before: bool) -> bool:
    """Whether the patient had said from then on that they can't come, of a visit that was still expected."""
    after = entry.facts.get("after")
    if after is not None:
        return after["cannot_come_at"] is not None and after["status"] == Status.BOOKED.value
    return entry.what == "cannot_come" or (before and entry.what not in ("confirmed", "moved", "cancelled"))


def _showed(clinic: Clinic, entry: AuditEntry, practitioner_id: int | None, stood: _Stood) -> bool:
    """Whether a look at a list may have shown the visit there. One that is written down once an hour stands for all of it."""
    if entry.subject not in stood.subjects:
        return False
    last = entry.at
    if entry.once is not None:
        last = entry.at.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    if last < stood.since or (stood.until is not None and entry.at > stood.until):
        return False
    own = clinic.practitioner_by_id.get(practitioner_id or 0)
    return entry.what not in _OWN or (own is not None and own.slug == stood.practitioner)
