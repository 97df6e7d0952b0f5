"""A visit booked by the desk, while the patient is on the telephone or stands at the counter.

The same engine and the same rows as a patient's own booking (`booking.services.booking`), but for whom staff know, and
beyond the rules with a reason. Who it is is chosen, not guessed: a record, or a new one after likely ones were shown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from booking import clock
from booking.errors import (
    Clash,
    ContactCannotBeReached,
    LikelyKnown,
    NeedsReason,
    NotOffered,
    PatientElsewhere,
    Refusal,
)
from booking.models import Actor, Appointment, BookableBy, Patient, Payment, Reminders, VisitKind
from booking.scheduling.latitude import NOTHING, Breach, Latitude, Taken, assign, latitudes
from booking.scheduling.offers import Assignment, Offers
from booking.scheduling.status import Status
from booking.scheduling.timeline import cell_at
from booking.services import booking, giving_way, history, notices, patients, rows
from booking.services.allowances import Planned, asks_first
from booking.services.availability import locked
from booking.services.booking import Booked, Wish
from booking.services.clinic import Clinic, Practitioner, VisitType, the_clinic
from booking.services.desk import people, statuses
from booking.services.desk.asking import Answer as Asked, elsewhere, in_the_way_at, refuse_absurd
from booking.services.desk.records import (
    Habits,
    Values,
    ahead_of,
    habits,
    locked_record,
    may_be_texted,
    standing,
    usual_reminders,
)
from booking.services.idempotency import Answer, Key, answer_to, once
from booking.services.occupancies import Ignoring
from booking.services.plans.besides import days_near_plans, is_near_a_plan
from booking.services.question import Question
from booking.services.reminded import BY_TEXT
from booking.services.staff import audit
from booking.services.staff.who import Who
from booking.services.transaction import reading
from booking.services.visits import refuse_unreachable

# So many cells before their hours somebody may be in, or after them.
_ABOUT = 12


@dataclass(frozen=True)
class NewPatient:
    """Somebody who isn't here yet. `not_these`: references of likely records that were shown, and are others."""

    first_name: str
    last_name: str
    phone: str | None
    email: str | None
    born_on: date | None = None
    not_these: tuple[str, ...] = ()


@dataclass(frozen=True)
class DeskWish:
    """What the desk wants to book, checked for form. Names are slugs; `practitioner` None is anyone.

    `patient`: the reference of a record, or somebody new. `reminders` None is what the patient had last time, else by
    mail, else by a call. `reason`: why beyond the rules, if it is. `short_notice`: what is written as the reason where
    none was given and nothing but the clinic's notice is broken; empty, and a reason is asked for. `here`: the patient
    stands at the counter, has arrived with the booking, isn't written to, and needs no contact if nobody reminds them.
    """

    patient: str | NewPatient
    visit_type: str
    practitioner: str | None
    starts_at: datetime
    reminders: Reminders | None = None
    payment: Payment | None = None
    note: str = ""
    text_consent: bool = False
    reason: str = ""
    short_notice: str = ""
    tell: bool = True
    here: bool = False


@dataclass(frozen=True)
class BookedHere(Booked):
    """The same, with the entry of the history by which it is taken back."""

    entry_id: int


class Ahead(NamedTuple):
    """A visit to which a patient is to come, or has come."""

    reference: str
    starts_at: datetime
    ends_at: datetime
    practitioner: Practitioner


@dataclass(frozen=True)
class Known:
    """A patient whom the form is about: how to reach them, what they need, and what they usually book."""

    reference: str
    values: Values
    habits: Habits
    texts: bool
    upcoming: tuple[Ahead, ...]
    # The types of the visits that they had or are to have, the latest first.
    had: tuple[VisitType, ...]
    # By modality the days on which a further visit breaks the rest of a plan of theirs.
    near_plans: Mapping[str, frozenset[date]]

    @property
    def name(self) -> str:
        return f"{self.values.first_name} {self.values.last_name}"


def known(who: Who, reference: str) -> Known:
    """The patient of this reference, for the form. Written down as seen. Raises NotFound, RecordMerged."""
    with reading() as session:
        clinic = the_clinic(session)
        patient = standing(session, who, reference)
        ahead = session.scalars(ahead_of(patient.id, clock.now()))
        found = Known(
            reference=patient.reference,
            values=Values.of(patient),
            habits=habits(session, patient),
            texts=may_be_texted(session, patient),
            upcoming=tuple(
                Ahead(
                    one.reference,
                    one.starts_at,
                    one.ends_at,
                    clinic.practitioner_by_id[one.practitioner_id],
                )
                for one in ahead
            ),
            had=_had(session, clinic, patient),
            near_plans=days_near_plans(session, clinic, patient.id),
        )
    audit.saw(who, "opened patient", f"patient/{reference}", [patient.id])
    return found


def _had(session: Session, clinic: Clinic, patient: Patient) -> tuple[VisitType, ...]:
    found = session.scalars(
        select(Appointment.visit_type_id)
        .where(
            Appointment.patient_id == patient.id,
            Appointment.status.not_in((Status.CANCELLED, Status.NOSHOW)),
        )
        .group_by(Appointment.visit_type_id)
        .order_by(func.max(Appointment.to_cell).desc())
    )
    return tuple(clinic.visit_type_by_id[one] for one in found)


def likely_type(
    clinic: Clinic, had: Sequence[VisitType] = (), practitioner: str | None = None
) -> VisitType | None:
    """What is most likely to be booked: as last time; after a first visit what follows on it; and of a kind of care that
    the patient hasn't `had` here, its first visit. None where that would be a guess.

    `practitioner`: with whom, if that is known.
    """
    person = clinic.practitioners.get(practitioner or "")
    offered = [one for one in clinic.visit_types.values() if person is None or one.slug in person.offerings]
    care = {one.modality.slug for one in offered}
    last = next((one for one in had if one.modality.slug in care), None)
    if last is not None and last.kind is not VisitKind.FIRST and last.slug in {one.slug for one in offered}:
        return last
    if last is not None:
        return next(
            (one for one in offered if one.modality == last.modality and one.kind is not VisitKind.FIRST),
            None,
        )
    kinds = {one.kind for one in clinic.visit_types.values() if one.modality.slug in care}
    kind = VisitKind.FIRST if VisitKind.FIRST in kinds else VisitKind.EITHER
    meant = [one for one in offered if one.kind is kind]
    return meant[0] if len(care) == len(meant) == 1 else None


def book(who: Who, wish: DeskWish, *, key: str) -> BookedHere:
    """Books for whom the desk has chosen, once per key, and tells them in three minutes, or not.

    Raises LikelyKnown, NeedsReason, Clash, PatientElsewhere, NotOffered, BeyondHorizon for a day that is years away,
    ContactCannotBeReached, IllegalStatus for who can't be here yet, RecordMerged, NotFound, KeyReused.
    """
    if isinstance(wish.patient, NewPatient) and answer_to(who.key, key) is None:
        _refuse_known(who, wish.patient)
    content = {**vars(wish), "patient": _content(wish.patient)}
    answer = once(
        Key.of(who.key, key, ["book at the desk", content]), lambda session: _book(session, who, wish)
    )
    return BookedHere(**answer)


def _content(patient: str | NewPatient) -> Any:
    # Whom the clerk has looked at meanwhile is no part of what was asked for.
    return patient if isinstance(patient, str) else vars(replace(patient, not_these=()))


def _refuse_known(who: Who, new: NewPatient) -> None:
    """Shows likely records first. Whoever has seen them may say that it is somebody else."""
    likely = people.alike(
        who, new.first_name, new.last_name, email=new.email, phone=new.phone, born_on=new.born_on
    )
    if any(one.reference not in new.not_these for one in likely):
        raise LikelyKnown(patients=[one.reference for one in likely])


def _book(session: Session, who: Who, wish: DeskWish) -> Answer:
    now = clock.now()
    clinic = the_clinic(session)
    question = Question.of(clinic, wish.visit_type, wish.practitioner, BookableBy.STAFF)
    refuse_absurd(clinic, wish.starts_at.date(), now)
    patient, consented, usual = _patient(session, who, wish, now)
    reminders = wish.reminders or usual
    if not (wish.here and reminders is Reminders.NONE):
        refuse_unreachable(reminders, patient.email, patient.phone)
    if reminders in BY_TEXT and not (consented or wish.text_consent):
        raise ContactCannotBeReached(field="text_consent")
    if wish.here:
        statuses.refuse_another_day(clinic, Status.BOOKED, wish.starts_at, Status.ARRIVED, now)

    offers = locked(session, question, wish.starts_at, now, patient_id=patient.id)
    offers, given_way = _making_room(session, question, offers, wish, patient.id, now)
    visit, breaches = _place(session, who, clinic, offers, wish, patient.id, now, given_way)
    gave_way = giving_way.give_up(session, given_way, Actor.STAFF, now, who)
    appointment = booking.record(
        session,
        clinic,
        Wish(
            visit_type=wish.visit_type,
            practitioner=wish.practitioner,
            starts_at=wish.starts_at,
            first_name=patient.first_name,
            last_name=patient.last_name,
            email=patient.email,
            phone=patient.phone,
            reminders=reminders,
            text_consent=wish.text_consent and not consented,
            payment=wish.payment,
            note=wish.note,
            audience=BookableBy.STAFF,
        ),
        patient.id,
        visit,
        Actor.STAFF,
        now,
        here=wish.here,
        name=who.name,
        account_id=who.account_id or None,
        why=(wish.reason or wish.short_notice) if breaches else "",
        breaches=[code.value for code in breaches],
        **({"gave_way": gave_way} if gave_way else {}),
    )
    notices.booked_by_clinic(session, clinic, appointment, now, tell=wish.tell and not wish.here)
    audit.did(session, who, "booked", f"appointment/{appointment.reference}", patient.id)
    (entry,) = history.entries_of(session, appointment)
    return booking.answer_of(clinic, appointment) | {"entry_id": entry.id}


def _patient(session: Session, who: Who, wish: DeskWish, now: datetime) -> tuple[Patient, bool, Reminders]:
    """The record, with nobody merging or editing it meanwhile; whether it may be texted; how it is usually reminded."""
    if isinstance(wish.patient, NewPatient):
        new = wish.patient
        patients.lock_contacts(session, new.email, new.phone)
        _refuse_made_meanwhile(session, new)
        made = Patient(
            first_name=new.first_name,
            last_name=new.last_name,
            name_key=patients.name_key(new.first_name, new.last_name),
            email=new.email,
            phone=new.phone,
            born_on=new.born_on,
            created_at=now,
            changed_at=now,
        )
        rows.add(session, made)
        audit.did(session, who, "made patient", f"patient/{made.reference}", made.id)
        return made, False, usual_reminders(new.email, new.phone)
    found = locked_record(session, who, wish.patient)
    return found, may_be_texted(session, found), habits(session, found).reminders


def _refuse_made_meanwhile(session: Session, new: NewPatient) -> None:
    """The same name and contact, written by a colleague since the likely records were looked up."""
    same_name = Patient.name_key == patients.name_key(new.first_name, new.last_name)
    for column, given in ((Patient.email, new.email), (Patient.phone, new.phone)):
        if given is None:
            continue
        there = select(Patient.reference).where(column == given, same_name, Patient.merged_into_id.is_(None))
        found = list(session.scalars(there))
        if set(found) - set(new.not_these):
            raise LikelyKnown(patients=found)


def _making_room(
    session: Session, question: Question, offers: Offers, wish: DeskWish, patient_id: int, now: datetime
) -> tuple[Offers, frozenset[int]]:
    """For a time that only visits take which give way: the offers without a few of them, and which those are. Else the
    offers as they are.
    """
    try:
        start = cell_at(wish.starts_at)
    except ValueError:
        return offers, frozenset()

    def without(others: frozenset[int]) -> Offers:
        return locked(
            session, question, wish.starts_at, now, ignoring=Ignoring(others=others), patient_id=patient_id
        )

    def is_free(asked: Offers) -> bool:
        return any(not one.taken_at(start) for one in latitudes(asked.situation).values())

    if question.clinic.penciled_gives_way_to == "nobody" or is_free(offers):
        return offers, frozenset()
    longest = max((one.shape.length for one in offers.situation.practitioners), default=0)
    found = giving_way.few(session, start, start + longest, lambda others: is_free(without(others)))
    return (without(found), found) if found else (offers, frozenset())


def _place(
    session: Session,
    who: Who,
    clinic: Clinic,
    offers: Offers,
    wish: DeskWish,
    patient_id: int,
    now: datetime,
    given_way: frozenset[int] = frozenset(),
) -> tuple[Assignment, tuple[Breach, ...]]:
    """With whom and where, and which rules that breaks: none, if anybody can give it within them. `given_way`: visits that are
    to be given up for it.
    """
    found = latitudes(offers.situation)
    try:
        start = cell_at(wish.starts_at)
    except ValueError:
        raise NotOffered from None
    if wish.here and wish.practitioner is None:
        found = about(offers, found, start)
    if not found:
        raise NotOffered
    best = choice(offers, found, start)
    taken = best.taken_at(start)
    if taken:
        raise _clash(session, who, clinic, offers, found, best, start, taken, patient_id, now)
    breaches, facts = best.breaches_at(start), dict[str, Any]()
    if given_way:
        breaches = (*breaches, Breach.PENCILED)
        facts[Breach.PENCILED.value] = {"visits": giving_way.named(session, clinic, who, given_way)}
    planned = Planned(wish.starts_at, clinic.visit_type(wish.visit_type).modality.slug)
    if asks_first(session, clinic, patient_id, [planned], now):
        breaches = (*breaches, Breach.BEYOND_COVERAGE)
    if is_near_a_plan(session, clinic, patient_id, planned):
        breaches = (*breaches, Breach.NEAR_PLAN)
    why = wish.reason or (wish.short_notice if breaches == (Breach.TOO_SOON,) else "")
    # Nobody is asked why those who stand here come so soon.
    to_explain = [code.value for code in breaches if not (wish.here and code is Breach.TOO_SOON)]
    if to_explain and not why:
        raise NeedsReason(breaches=to_explain, facts=facts)
    return assign(offers.situation, best.person.id, start), breaches


def at_work(offers: Offers, one: Latitude, start: int) -> range:
    """From when until when somebody is in, on the day of this start."""
    days = (day for day in offers.situation.days if day.from_cell <= start < day.to_cell)
    return next(map(one.at_work, days), range(0))


def about(offers: Offers, found: dict[int, Latitude], start: int) -> dict[int, Latitude]:
    """Those who are in at this start, or may still be, or be early: whom somebody who stands at the counter could see."""
    return {
        number: one
        for number, one in found.items()
        if (hours := at_work(offers, one, start)) and hours[0] - _ABOUT <= start < hours[-1] + 1 + _ABOUT
    }


def choice(offers: Offers, found: dict[int, Latitude], start: int) -> Latitude:
    """With whom it is: whoever is offered then and breaks no rule, else with whom the least is in the way, then who is in, then
    with whom the fewest rules are broken, then by name.
    """

    def trouble(one: Latitude) -> tuple[int, bool, int, str]:
        is_out = start not in at_work(offers, one, start)
        return len(one.taken_at(start)), is_out, len(one.breaches_at(start)), one.person.name

    offer = offers.at(start)
    if offer is not None and offer.practitioner_id in found:
        offered = found[offer.practitioner_id]
        if not offered.breaches_at(start):
            return offered
    return min(found.values(), key=trouble)


def _clash(
    session: Session,
    who: Who,
    clinic: Clinic,
    offers: Offers,
    found: dict[int, Latitude],
    best: Latitude,
    start: int,
    taken: tuple[Taken, ...],
    patient_id: int,
    now: datetime,
) -> Refusal:
    """What is in the way, with the person for whom it is least."""
    to_be = Appointment(id=0, patient_id=patient_id)
    if Taken.PATIENT_ELSEWHERE in taken:
        other = elsewhere(session, clinic, to_be, start, start + best.person.shape.length)
        if other is not None:
            return PatientElsewhere(**other)
    asked = Asked(offers.situation, NOTHING, found, found)
    in_the_way = in_the_way_at(session, clinic, who, to_be, asked, best.person.id, start, taken, now)
    return Clash(with_=in_the_way)
