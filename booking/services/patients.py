"""Who is the same patient.

A booking joins a record only if first and last name, and e-mail or phone, are equal after normalising. It shows and
changes nothing of that record. Everything else is a new record; staff merge those that turn out to be one.
"""

import hashlib
import unicodedata

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from booking import clock
from booking.models import Patient
from booking.services import rows
from booking.services.transaction import lock_names

_KEY_LENGTH = 220  # As long as the column.

_patients = Patient.__table__.c
_KNOWN_BY_EMAIL, _KNOWN_BY_PHONE = (
    # Who is known under a record that was merged into another is known under that one, which stands: merges see to it.
    select(func.min(func.coalesce(_patients.merged_into_id, _patients.id))).where(
        column == bindparam("contact"), _patients.name_key == bindparam("name_key")
    )
    for column in (_patients.email, _patients.phone)
)


def name_key(first_name: str, last_name: str) -> str:
    """Both names without case, accents, surplus spaces and invisible letters: what two records are compared by."""
    key = f"{_plain(first_name)}|{_plain(last_name)}"
    # A few letters become many without their case and accents.
    return key if len(key) <= _KEY_LENGTH else hashlib.sha256(key.encode()).hexdigest()


def lock_contacts(session: Session, *contacts: str | None) -> None:
    """Makes whoever books with one of these contacts wait until this transaction ends.

    Else two requests at one moment would make two records of one patient, who could then be in two places at once.
    Taken before any resource, in sorted order. SQLite has one writer at a time anyway.
    """
    lock_names(session, *(contact for contact in contacts if contact))


def join(session: Session, first_name: str, last_name: str, email: str | None, phone: str | None) -> int:
    """The id of the record that a booking with this name and contact joins, the oldest of several; else of a new one."""
    key = name_key(first_name, last_name)
    # One indexed probe for each contact; an OR over two columns would read the whole table.
    found = [
        session.connection().scalar(statement, {"contact": contact, "name_key": key})
        for statement, contact in ((_KNOWN_BY_EMAIL, email), (_KNOWN_BY_PHONE, phone))
        if contact
    ]
    known: list[int] = [patient_id for patient_id in found if patient_id is not None]
    if known:
        return min(known)
    patient = Patient(
        first_name=first_name,
        last_name=last_name,
        name_key=key,
        email=email,
        phone=phone,
        created_at=clock.now(),
    )
    rows.add(session, patient)
    return patient.id


def _plain(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name)
    bare = "".join(
        letter
        for letter in letters
        if not unicodedata.combining(letter) and unicodedata.category(letter) != "Cf"
    )
    return " ".join(bare.casefold().split())
