"""What a patient's record says, and its edits; its page is `record_page`.

Each edit raises `edit` by one and appends one change, so that what somebody saw can be told from what stands now.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import Select, and_, not_, select
from sqlalchemy.orm import Session

from booking import clock
from booking.errors import ContactCannotBeReached, RecordMerged, StaleRecord
from booking.formatting import iso_utc
from booking.models import (
    FLAGS,
    Actor,
    Appointment,
    Channel,
    Patient,
    PatientChange,
    Payment,
    Plan,
    PlanStatus,
    Reminders,
)
from booking.scheduling.status import LIVE, Status
from booking.scheduling.timeline import cell_from
from booking.services import history, notices, rows, text_consent
from booking.services.clinic import Clinic, the_clinic
from booking.services.desk.reminding import Otherwise, Theirs, Way, remind_otherwise, ways_now
from booking.services.desk.states import BOOKED_BY_MISTAKE
from booking.services.idempotency import Answer, Key, once
from booking.services.patients import name_key
from booking.services.plans import correcting
from booking.services.reminded import AS_THEY_ARE, BY_TEXT, Author, Wished
from booking.services.staff import audit
from booking.services.staff.ownership import patient_for
from booking.services.staff.who import Who
from booking.services.transaction import lock_names, reading
from booking.services.visits import refuse_unreachable

# What the desk has taken back: nobody was to come, and nobody has cancelled anything.
BY_MISTAKE = and_(Appointment.cancelled_by == Actor.STAFF, Appointment.cancel_reason == BOOKED_BY_MISTAKE)
# Changes of what the record itself says: each raises its edit. Those of the coverage beside it don't.
_OF_THE_RECORD = PatientChange.what.not_like("coverage%")
_OPEN = (PlanStatus.PRESCRIBED, PlanStatus.RUNNING)
FIELDS = ("first_name", "last_name", "phone", "email", "born_on", "flags", "preferences", "desk_note")


@dataclass(frozen=True)
class Values:
    """What staff write into a record, checked for form by whoever made it."""

    first_name: str
    last_name: str
    phone: str | None
    email: str | None
    born_on: date | None = None
    flags: tuple[str, ...] = ()
    preferences: str = ""
    desk_note: str = ""

    @classmethod
    def of(cls, patient: Patient) -> "Values":
        return cls(
            patient.first_name,
            patient.last_name,
            patient.phone,
            patient.email,
            patient.born_on,
            tuple(patient.flags),
            patient.preferences,
            patient.desk_note,
        )

    def plain(self) -> dict[str, Any]:
        """As JSON carries it."""
        return {
            **vars(self),
            "born_on": self.born_on.isoformat() if self.born_on else None,
            "flags": list(self.flags),
        }

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> "Values":
        born_on = values["born_on"]
        return cls(
            **{
                **values,
                "born_on": date.fromisoformat(born_on) if born_on else None,
                "flags": tuple(values["flags"]),
            }
        )


@dataclass(frozen=True)
class Habits:
    """How the patient's last visit was booked: what a new one begins with."""

    reminders: Reminders
    payment: Payment | None


@dataclass(frozen=True)
class Edited:
    """What an edit did to upcoming visits: the references of those that were changed with it. `kept`: when those begin that
    have another contact, and stay as they are; `kept_plans`: how many plans do, with their visits. `ended`: links to some of
    them, or to plans, open nothing any more; `written`: the patient is sent new ones. `reminded`: some of them are reminded of
    otherwise from now on.
    """

    visits: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    kept_plans: int = 0
    ended: bool = False
    written: bool = False
    reminded: bool = False

    @classmethod
    def of(cls, otherwise: Otherwise) -> "Edited":
        kept = sorted(iso_utc(one.starts_at) for one in otherwise.kept)
        return cls(kept=kept, kept_plans=len(otherwise.kept_plans), reminded=otherwise.changes)

    def with_reminded(self, other: "Edited") -> "Edited":
        kept = sorted({*self.kept, *other.kept})
        return replace(
            self, kept=kept, kept_plans=max(self.kept_plans, other.kept_plans), reminded=other.reminded
        )


def to_edit(who: Who, reference: str) -> tuple[Values, int, int]:
    """What the record says, its edit, and how many visits are ahead. Written down as seen.

    Raises NotFound, RecordMerged.
    """
    with reading() as session:
        patient = standing(session, who, reference)
        ahead = len(_ahead(session, patient.id, clock.now()))
        found = Values.of(patient), patient.edit, ahead
    audit.saw(who, "opened patient", f"patient/{reference}", [patient.id])
    return found


def reminded_now(who: Who, reference: str) -> tuple[Way, ...]:
    """How the patient is reminded of what is to come. Raises NotFound, RecordMerged."""
    with reading() as session:
        return ways_now(session, standing(session, who, reference).id, clock.now())


def edit(
    who: Who,
    reference: str,
    values: Values,
    *,
    version: int,
    visits_too: bool,
    key: str,
    wished: Wished = AS_THEY_ARE,
) -> Edited:
    """Writes these values into the record, once per key.

    `visits_too`: upcoming visits and plans that have the old name, number or address, and no other, get the new one. Whoever is
    written to elsewhere than before is told, and the old links end; so they do where texts went to the old number. Plans of
    which nothing is booked yet get it in any case, and so do visits and plans that were called off: whoever is to be told of
    that by the clinic is told there. The same values again change nothing.
    `wished`: how upcoming visits and open plans with the record's contact are reminded of from now on; what of it that needs and
    they lack, they get. Nobody is written to about that.
    Raises StaleRecord, ContactCannotBeReached (facts: `field`, and `visit` or `plan`), RecordMerged, NotFound, KeyReused.
    """

    def action(session: Session) -> Answer:
        now = clock.now()
        clinic = the_clinic(session)
        found = standing(session, who, reference)
        before = Values.of(found)
        open_plans = [one for one in correcting.lock_plans(session, found.id, now) if one.status in _OPEN]
        # Nobody books for, or merges, whom we change: they take the same locks.
        lock_record(session, reference, before.email, before.phone, values.email, values.phone)
        patient = standing(session, who, reference, for_update=True)
        before = Values.of(patient)
        refuse_stale_record(session, patient, version)
        was, now_is = _identity(before), _identity(values)
        theirs = Theirs(patient.id, was, now_is, visits_too=visits_too)
        otherwise = (
            _reminded(session, who, clinic, theirs, open_plans, wished, now) if wished.changes else None
        )
        edited = Edited.of(otherwise) if otherwise else Edited()
        if before == values and not edited.reminded:
            return vars(edited)
        what = "edited" if before != values else "reminders_changed"
        write(session, who, patient, what, values, now, **(_as_facts(wished) if edited.reminded else {}))
        if was != now_is:
            plans = correcting.correct_plans(session, who, patient.id, was, now_is, now, begun_too=visits_too)
            concerned = (Status.BOOKED, Status.CANCELLED) if visits_too else (Status.CANCELLED,)
            corrected = _change_visits(session, who, clinic, patient.id, was, now_is, now, concerned, plans)
            correcting.tell(session, clinic, plans.told, now)
            edited = corrected.with_reminded(edited)
        if otherwise is not None:
            notices.take_way(session, clinic, otherwise.visits, otherwise.plans, otherwise.left, now)
        audit.did(session, who, "edited patient", f"patient/{reference}", patient.id)
        return vars(edited)

    content = ["edit patient", reference, values.plain(), version, visits_too, *wished]
    return Edited(**once(Key.of(who.key, key, content), action))


def habits(session: Session, patient: Patient) -> Habits:
    """How the last visit was booked, as far as it fits how the patient can be reached."""
    last = session.scalar(
        select(Appointment)
        .where(
            Appointment.patient_id == patient.id,
            not_(BY_MISTAKE),
        )
        .order_by(Appointment.to_cell.desc())
        .limit(1)
    )
    if last is None:
        return Habits(usual_reminders(patient.email, patient.phone), None)
    reminders = last.reminders
    try:
        refuse_unreachable(reminders, patient.email, patient.phone)
        if reminders in BY_TEXT and not may_be_texted(session, patient):
            raise ContactCannotBeReached(field="text_consent")
    except ContactCannotBeReached:
        reminders = usual_reminders(patient.email, patient.phone)
    return Habits(reminders, last.payment)


def usual_reminders(email: str | None, phone: str | None) -> Reminders:
    """Of someone who has not chosen: by mail, else by a call."""
    return Reminders.EMAIL if email else Reminders.CALL if phone else Reminders.NONE


def may_be_texted(session: Session, patient: Patient) -> bool:
    """Whether they agreed to texts at their number, and the number didn't say STOP since."""
    return text_consent.agreed(session, patient.id, patient.phone)


# Parts that other use cases of records share.


def ahead_of(patient_id: int, now: datetime) -> Select[tuple[Appointment]]:
    """The visits of a patient that are to come or under way, the next one first. What was cancelled isn't."""
    return (
        select(Appointment)
        .where(
            Appointment.patient_id == patient_id,
            Appointment.to_cell > cell_from(now),
            Appointment.status.in_(LIVE),
        )
        .order_by(Appointment.to_cell)
    )


def standing(session: Session, who: Who, reference: str, *, for_update: bool = False) -> Patient:
    """The patient of this reference, fresh if it is about to change. Raises NotFound, RecordMerged."""
    if for_update:
        session.expire_all()
    patient = patient_for(session, who, reference)
    if patient.merged_into_id is not None:
        into = session.scalar(select(Patient.reference).where(Patient.id == patient.merged_into_id))
        raise RecordMerged(into=into)
    return patient


def lock_record(session: Session, reference: str, *contacts: str | None, other: str = "") -> None:
    """Makes whoever books for this record, edits or merges it, or joins it by one of these contacts, wait.

    With `other`, that record as well: all in one go, in sorted order.
    """
    records = [f"patient {one}" for one in (reference, other) if one]
    lock_names(session, *records, *(contact for contact in contacts if contact))


def locked_record(session: Session, who: Who, reference: str) -> Patient:
    """The record, which nobody edits, merges or books for until the transaction ends. Raises NotFound, RecordMerged."""
    found = standing(session, who, reference)
    lock_record(session, reference, found.email, found.phone)
    return standing(session, who, reference, for_update=True)


def refuse_stale_record(session: Session, patient: Patient, version: int) -> None:
    if version == patient.edit:
        return
    shown, latest = _as_of(session, patient, version), _latest(session, patient.id)
    now = Values.of(patient).plain()
    before = shown.plain() if shown else {}
    raise StaleRecord(
        by=latest.name if latest else "",
        at=iso_utc(latest.at) if latest else "",
        changes={name: [before[name], now[name]] for name in before if before[name] != now[name]},
    )


def write(
    session: Session, who: Who, patient: Patient, what: str, values: Values, now: datetime, **facts: Any
) -> None:
    """Writes values into a record that is locked, with the change that tells of it."""
    before, after = Values.of(patient).plain(), values.plain()
    changes = {name: [before[name], after[name]] for name in FIELDS if before[name] != after[name]}
    for name in FIELDS:
        setattr(patient, name, getattr(values, name) if name != "flags" else list(values.flags))
    patient.name_key = name_key(values.first_name, values.last_name)
    patient.edit += 1
    patient.changed_at = now
    session.flush()
    row = {
        "patient_id": patient.id,
        "at": now,
        "account_id": who.account_id or None,
        "name": who.name,
        "what": what,
        "facts": {"changes": changes} | facts,
    }
    rows.add_all(session, PatientChange, [row])


def _as_of(session: Session, patient: Patient, edit: int) -> Values | None:
    """What the record said at an edit: the changes since, taken back one by one."""
    back = patient.edit - edit
    if not 0 <= back <= 200:
        return None
    values = Values.of(patient).plain()
    changes = session.scalars(
        select(PatientChange)
        .where(PatientChange.patient_id == patient.id, _OF_THE_RECORD)
        .order_by(PatientChange.id.desc())
        .limit(back)
    ).all()
    for change in changes:
        values |= {name: before for name, (before, _after) in change.facts.get("changes", {}).items()}
    return Values.from_plain(values) if len(changes) == back else None


def _latest(session: Session, patient_id: int) -> PatientChange | None:
    return session.scalar(
        select(PatientChange)
        .where(PatientChange.patient_id == patient_id, _OF_THE_RECORD)
        .order_by(PatientChange.id.desc())
        .limit(1)
    )


def _ahead(
    session: Session, patient_id: int, now: datetime, statuses: Collection[Status] = (Status.BOOKED,)
) -> Sequence[Appointment]:
    return session.scalars(
        select(Appointment).where(
            Appointment.patient_id == patient_id,
            Appointment.to_cell > cell_from(now),
            Appointment.from_cell > cell_from(now),
            Appointment.status.in_(statuses),
        )
    ).all()


def _locked_ahead(
    session: Session, patient_id: int, now: datetime, statuses: Collection[Status]
) -> Sequence[Appointment]:
    """The same, locked and fresh."""
    ids = sorted(one.id for one in _ahead(session, patient_id, now, statuses))
    session.execute(
        select(Appointment.id).where(Appointment.id.in_(ids)).order_by(Appointment.id).with_for_update()
    )
    session.expire_all()
    return _ahead(session, patient_id, now, statuses)


def _identity(values: Values) -> correcting.Identity:
    return correcting.Identity(values.first_name, values.last_name, values.email, values.phone)


def _change_visits(
    session: Session,
    who: Who,
    clinic: Clinic,
    patient_id: int,
    before: correcting.Identity,
    after: correcting.Identity,
    now: datetime,
    concerned: Collection[Status],
    plans: correcting.Corrected,
) -> Edited:
    """Gives visits ahead of the statuses that are `concerned` the new name and contact where they have the old ones, and no
    other contact. `plans`: what became of their plans, which tell of all visits.
    """
    told, kept_plans = ({plan.id for plan in some} for some in plans)
    edited, ended = Edited(kept_plans=len(kept_plans)), list[Appointment]()
    for visit in _locked_ahead(session, patient_id, now, concerned):
        stands = visit.status is Status.BOOKED
        was = correcting.Identity(visit.first_name, visit.last_name, visit.email, visit.phone)
        now_is = was.corrected(before, after)
        if now_is is None:
            # What the patient has cancelled is nothing to tell them of.
            if visit.cancelled_by is not Actor.PATIENT and visit.plan_id not in kept_plans:
                edited.kept.append(iso_utc(visit.starts_at))
            continue
        if now_is == was:
            continue
        contact_changed, ends = now_is[2:] != was[2:], False
        if contact_changed:
            try:
                refuse_unreachable(visit.reminders, now_is.email, now_is.phone)
            except ContactCannotBeReached as refusal:
                if stands:
                    raise ContactCannotBeReached(visit=visit.reference, **refusal.facts) from None
                # Taken back, it is to remind them after all.
                visit.reminders = usual_reminders(now_is.email, now_is.phone)
            ends = correcting.ends_links(session, was, now_is)
            visit.link_number += 1 if ends else 0
        visit.first_name, visit.last_name, visit.email, visit.phone = now_is
        visit.version += 1
        visit.changed_at = now
        session.flush()
        what = "contact_corrected" if ends else "number_corrected" if contact_changed else "name_corrected"
        history.note(session, visit, what, Actor.STAFF, name=who.name, account_id=who.account_id or None)
        if not stands:
            notices.cancellation_corrected(session, visit, now)
            continue
        if ends:
            ended.append(visit)
            notices.contact_corrected(session, clinic, visit, now, with_plan=visit.plan_id in told)
        elif contact_changed:
            notices.number_corrected(session, visit, was.phone)
        edited.visits.append(visit.reference)
    edited.kept.sort()
    anew: list[Plan | Appointment] = [*correcting.listed_anew(plans)]
    anew += [one for one in ended if one.plan_id not in told]
    written = any(notices.channel_of_clinic(one)[0] is not Channel.CALL for one in anew)
    return replace(edited, ended=bool(ended or anew), written=written)


def _reminded(
    session: Session,
    who: Who,
    clinic: Clinic,
    theirs: Theirs,
    open_plans: Sequence[Plan],
    wished: Wished,
    now: datetime,
) -> Otherwise:
    """Has what is theirs and ahead remind as is wished, as far as it can be before their contact is right."""
    ahead = _locked_ahead(session, theirs.patient_id, now, (Status.BOOKED,))
    author = Author(Actor.STAFF, who.name, who.account_id or None)
    return remind_otherwise(session, clinic, theirs, ahead, open_plans, wished, author, now)


def _as_facts(wished: Wished) -> dict[str, str]:
    return {
        name: value.value
        for name, value in (("reminders", wished.by), ("reminded_of", wished.of))
        if value is not None
    }


def known_flags(given: Sequence[str]) -> tuple[str, ...]:
    """Those that there are, in our order."""
    return tuple(flag for flag in FLAGS if flag in given)
