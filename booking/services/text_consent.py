"""Whether somebody agreed to texts at a number. Parts of use cases: they receive the session and never commit."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking.errors import ContactCannotBeReached
from booking.models import OptOut, TextConsent
from booking.services import rows
from booking.services.clinic import Clinic


def agreed(session: Session, patient_id: int, phone: str | None) -> bool:
    """Whether this patient agreed to texts at this number, and the number didn't say STOP since."""
    if not phone or said_stop(session, phone):
        return False
    given = select(TextConsent.id).where(TextConsent.patient_id == patient_id, TextConsent.phone == phone)
    return session.scalar(given.limit(1)) is not None


def said_stop(session: Session, phone: str | None) -> bool:
    return phone is not None and session.get(OptOut, phone) is not None


def keep_consent(session: Session, clinic: Clinic, phone: str, patient_id: int, now: datetime) -> None:
    """Keeps that somebody agreed to texts, with the words that they saw."""
    rows.add(
        session,
        TextConsent(
            patient_id=patient_id,
            phone=phone,
            wording=clinic.text_consent,
            wording_version=clinic.text_consent_version,
            given_at=now,
        ),
    )


def agree(
    session: Session, clinic: Clinic, patient_id: int, phone: str, now: datetime, *, ticked: bool
) -> None:
    """Keeps that they agree to texts at this number, if they say so now. Raises ContactCannotBeReached where they don't and never
    did.
    """
    if agreed(session, patient_id, phone):
        return
    if not ticked:
        raise ContactCannotBeReached(field="text_consent")
    keep_consent(session, clinic, phone, patient_id, now)


def refuse_stopped(session: Session, phone: str | None) -> None:
    """Refuses texts to a number that said STOP. Asked only of a number that is known to be theirs: of others nobody is told."""
    if said_stop(session, phone):
        raise ContactCannotBeReached(field="stopped")
