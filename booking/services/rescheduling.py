"""Moving a visit to another time.

One transaction: lock the old and the new resources, compute the offers as if the visit weren't there, exchange its old
claims for the new ones. A refusal rolls all of it back, so a visit may move by a quarter of an hour over its own old
time, and is never without one.
"""

from datetime import datetime

from sqlalchemy.orm import Session

from booking import clock
from booking.errors import Refusal, SlotTaken
from booking.formatting import iso_utc
from booking.models import Actor, BookableBy, Plan
from booking.scheduling.offers import assign
from booking.scheduling.timeline import cell_at
from booking.services import claims, history, holds, notices, placing, tasks
from booking.services.availability import locked, refusal_at
from booking.services.clinic import the_clinic
from booking.services.idempotency import Answer, Key, once
from booking.services.occupancies import Ignoring
from booking.services.plans.allowed import refuse_moved_beyond
from booking.services.question import Moved, Question
from booking.services.search import alternatives
from booking.services.visits import opened, refuse_stale, refuse_too_late, visit as visit_of


def reschedule(
    reference: str,
    token: str,
    starts_at: datetime,
    practitioner: str | None,
    *,
    actor: str,
    key: str,
    version: int | None = None,
    visitor: str | None = None,
) -> None:
    """Moves the patient's visit, once per key, and tells them of the new time.

    `practitioner` None is anyone. `version` is that of the visit as it was shown. The same time with the same
    practitioner is a quiet success that tells nobody.
    Raises SlotTaken with alternatives, TooSoon, BeyondHorizon, LimitReached, NotOffered, TooLateToChange, NotChangeable,
    StaleEdit, KeyReused, BeyondCoverage; NotFound for a link that doesn't open the visit.
    """
    shown = visit_of(reference, token)
    visit_type = shown.visit_type.slug

    def with_alternatives(refusal: Refusal) -> Refusal:
        if isinstance(refusal, SlotTaken):
            refusal.facts["alternatives"] = alternatives(
                visit_type, practitioner, starts_at, BookableBy.LINK, moved=shown.moved
            )
        return refusal

    content = ["reschedule", reference, iso_utc(starts_at), practitioner, version]
    once(
        Key.of(actor, key, content),
        lambda session: _reschedule(session, reference, token, starts_at, practitioner, version, visitor),
        on_refusal=with_alternatives,
    )


def _reschedule(
    session: Session,
    reference: str,
    token: str,
    starts_at: datetime,
    practitioner: str | None,
    version: int | None,
    visitor: str | None,
) -> Answer:
    now = clock.now()
    clinic = the_clinic(session)
    appointment = opened(session, reference, token, now, for_update=True)
    refuse_stale(session, clinic, appointment, version)
    refuse_too_late(clinic, appointment, now)

    start = cell_at(starts_at)
    own = clinic.practitioner_by_id[appointment.practitioner_id].slug
    if start == appointment.from_cell and practitioner in (None, own):
        # Nothing to do, and nobody to tell. "First available" at the same time keeps who it was.
        return {"reference": reference}
    held = holds.of_visitor(session, visitor)
    question = Question.of(
        clinic,
        clinic.visit_type_by_id[appointment.visit_type_id].slug,
        practitioner,
        BookableBy.LINK,
        Moved.of(appointment),
    )
    offers = locked(
        session,
        question,
        starts_at,
        now,
        ignoring=Ignoring(appointment_id=appointment.id, visitor=visitor),
        patient_id=appointment.patient_id,
        also=[*claims.taken_by(session, [appointment.id]), *claims.held_by(session, held)],
    )
    offer = offers.at(start)
    if offer is None:
        raise refusal_at(offers, start, clinic.phone)

    plan = session.get(Plan, appointment.plan_id) if appointment.plan_id else None
    modality = clinic.visit_type_by_id[appointment.visit_type_id].modality.slug
    refuse_moved_beyond(session, plan, {reference: (appointment.starts_at, starts_at)}, modality, now)
    known = notices.known_of(appointment, clinic)
    claims.drop_holds(session, held)
    placing.move(session, appointment, assign(offers.situation, offer.practitioner_id, start))
    appointment.version += 1
    appointment.changed_at = now
    session.flush()
    facts = {
        "from": known["old_starts_at"],
        "to": iso_utc(appointment.starts_at),
        "from_practitioner": known["old_practitioner"],
        "to_practitioner": clinic.practitioner_by_id[appointment.practitioner_id].slug,
    }
    history.note(session, appointment, "moved", Actor.PATIENT, **facts)
    notices.moved(session, clinic, appointment, known, now)
    tasks.moved(session, clinic, appointment, now)
    return {"reference": reference}
