"""Two records of one patient become one, and two again if that was a mistake.

Visits, what they claim of the patient's time, plans, what insurance or packages allow, and consents go over to the record that
stays; messages and history are the visits' and the plans' own and go with them. What was typed into the record that goes stays
there, so that nothing is lost, and fills what is empty in the other. Links of patients open their visits as before.

Locks, in this order: the records by their references and contacts, so that nobody books for them, edits them or joins
them meanwhile; their visits, as whoever moves one does; their time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session, aliased

from booking import clock
from booking.errors import NotFound, NotMergeable, VisitsOverlap
from booking.models import Appointment, Claim, Coverage, Merge, Patient, Plan, TextConsent
from booking.scheduling.timeline import cell_from
from booking.services import claims, rows
from booking.services.clinic import Clinic, the_clinic
from booking.services.desk import people
from booking.services.desk.directory import plain
from booking.services.desk.people import Found
from booking.services.desk.record_page import SHOWN, VisitLine, visit_line
from booking.services.desk.records import (
    Values,
    ahead_of,
    lock_record,
    refuse_stale_record,
    standing,
    write,
)
from booking.services.idempotency import Answer, Key, once
from booking.services.staff import audit
from booking.services.staff.who import Who
from booking.services.transaction import Contention, reading

_NAMES = ("first_name", "last_name")
_TELL_APART = (*_NAMES, "phone", "email", "born_on")
# What goes over with a patient's visits, by the names that a merge's facts have.
_BELONGINGS: Mapping[str, Any] = {
    "visits": Appointment,
    "consents": TextConsent,
    "plans": Plan,
    "coverages": Coverage,
}


@dataclass(frozen=True)
class Side:
    """One of the two records: what it says, and what belongs to it."""

    id: int
    reference: str
    edit: int
    values: Values
    visits: int
    consents: int
    plans: int
    coverages: int
    upcoming: tuple[VisitLine, ...]

    @property
    def name(self) -> str:
        return f"{self.values.first_name} {self.values.last_name}"


@dataclass(frozen=True)
class Preview:
    """What a merge would do. `merged`: what the record says then. With `overlapping` visits it can't be done yet.

    `alike` and `differing`: in what both name, birthday and contact are the same, or not, where both say something.
    `doubtful`: it may well be two people.
    """

    stays: Side
    goes: Side
    merged: Values
    filled: tuple[str, ...]
    alike: tuple[str, ...]
    differing: tuple[str, ...]
    doubtful: bool
    overlapping: tuple[tuple[VisitLine, VisitLine], ...]


@dataclass(frozen=True)
class Candidate:
    """A record that may be of the same person: in what it says the same, and whether that speaks for one person."""

    found: Found
    alike: tuple[str, ...]
    likely: bool


def candidates(who: Who, reference: str) -> tuple[Candidate, ...]:
    """Records that may be of the same person as this one, likeliest first. Raises NotFound, RecordMerged."""
    with reading() as session:
        patient = standing(session, who, reference)
    values = Values.of(patient)
    some = people.alike(
        who,
        patient.first_name,
        patient.last_name,
        email=patient.email,
        phone=patient.phone,
        born_on=patient.born_on,
        besides=[patient.id],
    )
    return tuple(_candidate(values, one) for one in some)


def preview(who: Who, stays: str, goes: str) -> Preview:
    """What would become of both records. Raises NotMergeable for one and the same, NotFound, RecordMerged."""
    with reading() as session:
        clinic = the_clinic(session)
        kept, gone = _both(session, who, stays, goes)
        stay, go = Values.of(kept), Values.of(gone)
        merged = together(stay, go)
        alike = _alike(stay, go)
        found = Preview(
            stays=_side(session, clinic, kept),
            goes=_side(session, clinic, gone),
            merged=merged,
            filled=tuple(_filled(stay, merged)),
            alike=tuple(name for name, same in alike.items() if same),
            differing=tuple(name for name, same in alike.items() if not same),
            doubtful=_doubtful(stay, go, alike),
            overlapping=tuple(
                (visit_line(clinic, one), visit_line(clinic, other))
                for one, other in _overlapping(session, kept.id, gone.id)
            ),
        )
    audit.saw(who, "opened patient", f"patient/{stays}", [kept.id, gone.id])
    return found


def merge(who: Who, stays: str, goes: str, *, stays_version: int, goes_version: int, key: str) -> int:
    """Merges the record `goes` into `stays`, once per key. Returns the merge's number, by which it can be taken back.

    Raises VisitsOverlap while upcoming visits of the two overlap, StaleRecord, NotMergeable, RecordMerged, NotFound,
    KeyReused.
    """

    def action(session: Session) -> Answer:
        kept, gone = _locked(session, who, stays, goes)
        refuse_stale_record(session, kept, stays_version)
        refuse_stale_record(session, gone, goes_version)
        now = clock.now()
        _lock_visits(session, kept.id, gone.id)
        claims.lock(session, [kept.id, gone.id])
        overlapping = _overlapping(session, kept.id, gone.id)
        if overlapping:
            raise VisitsOverlap(pairs=[[one.reference, other.reference] for one, other in overlapping])
        going_over = {name: _ids(session, kind, gone.id) for name, kind in _BELONGINGS.items()}
        # All that lead here, however many merges ago: each points to the record that stands.
        earlier = list(session.scalars(select(Patient.id).where(Patient.merged_into_id == gone.id)))
        _hand_over(session, going_over, gone.id, kept.id)
        before, going = Values.of(kept), Values.of(gone)
        after = together(before, going)
        write(session, who, kept, "merged", after, now, other=gone.reference)
        write(session, who, gone, "merged_into", going, now, other=kept.reference)
        _point(session, [gone.id, *earlier], kept.id, now)
        facts: dict[str, Any] = going_over | {
            "earlier": earlier,
            "filled": {name: [before.plain()[name], after.plain()[name]] for name in _filled(before, after)},
        }
        merged = Merge(kept_id=kept.id, gone_id=gone.id, at=now, name=who.name, facts=facts)
        rows.add(session, merged)
        for one, other in ((kept, gone), (gone, kept)):
            audit.did(session, who, "merged", f"patient/{one.reference}", one.id, other=other.reference)
        return {"merge": merged.id}

    content = ["merge", stays, goes, stays_version, goes_version]
    number: int = once(Key.of(who.key, key, content), action)["merge"]
    return number


def take_back(who: Who, stays: str, merge_id: int, *, key: str) -> str:
    """Takes a merge back, once per key: both records as they were. Returns the reference of the one that is back.

    What was changed in the visits since stays changed, visits booked since stay where they were booked unless they are of a
    plan that goes back, and what somebody wrote since over what the merge had filled in stays written.
    Raises NotFound, NotMergeable for one that was taken back already, RecordMerged, KeyReused.
    """

    def action(session: Session) -> Answer:
        found = session.get(Merge, merge_id)
        kept = standing(session, who, stays)
        if found is None or found.kept_id != kept.id:
            raise NotFound
        _lock_both(session, kept, session.get_one(Patient, found.gone_id))
        kept = standing(session, who, stays, for_update=True)
        found, gone = session.get_one(Merge, merge_id), session.get_one(Patient, found.gone_id)
        if found.undone_at is not None:
            raise NotMergeable(because="undone")
        now = clock.now()
        facts = found.facts
        _lock_visits(session, kept.id, gone.id)
        claims.lock(session, [kept.id, gone.id])
        going_back = {name: facts.get(name, []) for name in _BELONGINGS}
        of_plans = select(Appointment.id).where(Appointment.plan_id.in_(going_back["plans"]))
        going_back["visits"] = sorted({*going_back["visits"], *session.scalars(of_plans)})
        _hand_over(session, going_back, kept.id, gone.id)
        now_plain = Values.of(kept).plain()
        restored = {
            name: before for name, (before, after) in facts["filled"].items() if now_plain[name] == after
        }
        gone.merged_into_id = None
        write(session, who, gone, "merge_taken_back", Values.of(gone), now, other=kept.reference)
        _point(session, facts["earlier"], gone.id, now)
        values = Values.from_plain(now_plain | restored)
        write(session, who, kept, "merge_taken_back", values, now, other=gone.reference)
        found.undone_at = now
        session.flush()
        for one, other in ((kept, gone), (gone, kept)):
            audit.did(
                session, who, "took merge back", f"patient/{one.reference}", one.id, other=other.reference
            )
        return {"reference": gone.reference}

    reference: str = once(Key.of(who.key, key, ["take merge back", stays, merge_id]), action)["reference"]
    return reference


def together(stays: Values, goes: Values) -> Values:
    """What the record says after a merge: its own words, and the other's where it says nothing; flags of both; both
    notes.
    """
    return replace(
        stays,
        phone=stays.phone or goes.phone,
        email=stays.email or goes.email,
        born_on=stays.born_on or goes.born_on,
        flags=(*stays.flags, *(flag for flag in goes.flags if flag not in stays.flags)),
        preferences=_joined(stays.preferences, goes.preferences),
        desk_note=_joined(stays.desk_note, goes.desk_note),
    )


def _candidate(values: Values, found: Found) -> Candidate:
    alike = _alike(values, found)
    same = tuple(name for name, equal in alike.items() if equal)
    return Candidate(found, same, likely=not _doubtful(values, found, alike))


def _alike(one: Values, other: Values | Found) -> dict[str, bool]:
    """Whether each of the fields that tell people apart is the same in both: of those in which both say something."""
    both = {name: (getattr(one, name), getattr(other, name)) for name in _TELL_APART}
    return {
        name: left == right or (name in _NAMES and plain(left) == plain(right))
        for name, (left, right) in both.items()
        if left and right
    }


def _doubtful(one: Values, other: Values | Found, alike: dict[str, bool]) -> bool:
    """Whether too little speaks for one person: another birthday, another first name, as of couples who share a telephone,
    or another last name with nothing else the same.
    """
    first, last = (people.alike_names(getattr(one, name), getattr(other, name)) for name in _NAMES)
    something = any(same for name, same in alike.items() if name not in _NAMES)
    return not alike.get("born_on", True) or not (first and (last or something))


def _joined(one: str, other: str) -> str:
    return one if other in one else f"{one}\n{other}".strip()


def _filled(before: Values, after: Values) -> list[str]:
    return [name for name, value in before.plain().items() if after.plain()[name] != value]


def _both(session: Session, who: Who, stays: str, goes: str) -> tuple[Patient, Patient]:
    if stays == goes:
        raise NotMergeable(because="same")
    return standing(session, who, stays), standing(session, who, goes)


def _locked(session: Session, who: Who, stays: str, goes: str) -> tuple[Patient, Patient]:
    """Both records, with nobody booking for them, editing or merging them until the transaction ends."""
    _lock_both(session, *_both(session, who, stays, goes))
    return _both(session, who, stays, goes)


def _lock_both(session: Session, kept: Patient, gone: Patient) -> None:
    """Locks both by their references, and all contacts by which somebody joins them: those of records that were merged
    into them before as well. Raises Contention where another merge came in between.
    """
    contacts = _contacts(session, kept.id, gone.id)
    lock_record(session, kept.reference, *contacts, other=gone.reference)
    session.expire_all()
    if not _contacts(session, kept.id, gone.id) <= contacts:
        raise Contention(retry_after=2)


def _contacts(session: Session, *patient_ids: int) -> set[str | None]:
    found = session.execute(
        select(Patient.email, Patient.phone).where(
            or_(Patient.id.in_(patient_ids), Patient.merged_into_id.in_(patient_ids))
        )
    )
    return {contact for row in found for contact in row}


def _lock_visits(session: Session, *patient_ids: int) -> None:
    """As whoever changes a plan or a visit does, before the patient's time is locked."""
    for kind in (Plan, Appointment):
        wanted = select(kind.id).where(kind.patient_id.in_(sorted(patient_ids)))
        session.execute(wanted.order_by(kind.id).with_for_update())
    session.expire_all()


def _overlapping(session: Session, one_id: int, other_id: int) -> list[tuple[Appointment, Appointment]]:
    """Visits under way or ahead that the patient would have at the same time."""
    one, other = aliased(Claim), aliased(Claim)
    pairs = session.execute(
        select(one.appointment_id, other.appointment_id)
        .join(other, (other.from_cell < one.to_cell) & (other.to_cell > one.from_cell))
        .where(
            one.resource_id == one_id,
            other.resource_id == other_id,
            one.to_cell > cell_from(clock.now()),
            other.to_cell > cell_from(clock.now()),
        )
        .order_by(one.from_cell)
    ).all()
    return [
        (session.get_one(Appointment, first), session.get_one(Appointment, second)) for first, second in pairs
    ]


def _ids(session: Session, kind: Any, patient_id: int) -> list[int]:
    return list(session.scalars(select(kind.id).where(kind.patient_id == patient_id).order_by(kind.id)))


def _hand_over(session: Session, belongings: Mapping[str, Sequence[int]], from_id: int, to_id: int) -> None:
    """Gives these visits, their claims of the patient's time, and all else of these belongings to the other record.

    Where two past visits overlap, the time of the one stays where it was: it is over, and nobody needs it any more.
    """
    without_sync = {"synchronize_session": False}
    for name, kind in _BELONGINGS.items():
        session.execute(
            update(kind)
            .where(kind.id.in_(belongings[name]), kind.patient_id == from_id)
            .values(patient_id=to_id)
            .execution_options(**without_sync)
        )
    there = aliased(Claim)
    overlaps = (
        select(there.id)
        .where(there.resource_id == to_id, there.to_cell > Claim.from_cell, there.from_cell < Claim.to_cell)
        .exists()
    )
    session.execute(
        update(Claim)
        .where(Claim.appointment_id.in_(belongings["visits"]), Claim.resource_id == from_id, ~overlaps)
        .values(resource_id=to_id)
        .execution_options(**without_sync)
    )
    claims.bump(session, [from_id, to_id])
    session.expire_all()


def _point(session: Session, patient_ids: list[int], to_id: int, now: datetime) -> None:
    """Says of records that were merged where they are now: always one that stands, so that nobody follows them further."""
    for patient_id in sorted(patient_ids):
        gone = session.get_one(Patient, patient_id)
        gone.merged_into_id, gone.changed_at = to_id, now
    session.flush()


def _side(session: Session, clinic: Clinic, patient: Patient) -> Side:
    ahead = ahead_of(patient.id, clock.now())
    counts = {name: len(_ids(session, kind, patient.id)) for name, kind in _BELONGINGS.items()}
    return Side(
        id=patient.id,
        reference=patient.reference,
        edit=patient.edit,
        values=Values.of(patient),
        upcoming=tuple(visit_line(clinic, one) for one in session.scalars(ahead.limit(SHOWN))),
        **counts,
    )
