"""What is news to a patient: what they know of a visit so far, held against how it is now."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking.formatting import iso_utc
from booking.models import Appointment, HistoryEntry
from booking.services.clinic import Clinic
from booking.services.notices.writing import ANSWERS
from booking.services.rows import Row


def known_of(appointment: Appointment, clinic: Clinic) -> Row:
    """What a patient knows of a visit as it stands, as the facts of a later change."""
    person = clinic.practitioner_by_id[appointment.practitioner_id]
    return known_as(appointment.starts_at, appointment.ends_at, person.slug)


def known_as(starts_at: datetime, ends_at: datetime, practitioner: str) -> Row:
    """The same of a visit that is to be so."""
    return {
        "old_starts_at": iso_utc(starts_at),
        "old_ends_at": iso_utc(ends_at),
        "old_practitioner": practitioner,
    }


def moved_from(
    session: Session, visits: Iterable[int], gone: Collection[str], whose: Mapping[str, int] | None = None
) -> dict[int, Row]:
    """Those of these visits, by their ids, that their patient knows elsewhere than they are: each with the facts of the move from
    there, the last of the times that are `gone`, ISO in UTC, at which it was, but for those that are known to be another's: `whose`
    has the ids of the visits that the patient knew there.
    """
    entries = session.execute(
        select(HistoryEntry.appointment_id, HistoryEntry.facts)
        .where(HistoryEntry.appointment_id.in_(visits), HistoryEntry.what == "moved")
        .order_by(HistoryEntry.id.desc())
    )
    found: dict[int, Row] = {}
    for number, facts in entries:
        at = facts["from"]
        if at in gone and (whose or {}).get(at, number) == number:
            found.setdefault(number, facts)
    return found


def heard(waiting: list[Row]) -> Row:
    """How a patient knows a visit, as `known_of` has it, where what is `waiting` was to tell that it is otherwise by now."""
    facts: Row = {}
    for one in waiting:
        if one["kind"] in ANSWERS:
            facts |= {name: said for name, said in one["facts"].items() if name.startswith("old_")}
    return facts


def is_change_by_clinic(kind: str, facts: Row) -> bool:
    """Whether a message about a visit tells its patient how the clinic has changed what they know: no first confirmation does."""
    return bool(facts.get("by_clinic")) and (kind != "confirmation" or bool(facts.get("after_all")))


class ToTell(NamedTuple):
    """What a change by the clinic has to tell: `facts` are what the patient knows so far. `owed`: whatever staff choose."""

    kind: str
    facts: Row
    owed: bool


def to_tell(known: Row, waiting: list[Row], now_known: Row) -> ToTell | None:
    """What is to be told of a visit that was `known` so and is `now_known` otherwise, when what is `waiting` goes no more.
    None where the patient knows it as it is.
    """
    kind, facts, owed = "change", dict(known), False
    for one in waiting:
        if one["kind"] not in ANSWERS:
            continue
        # It was to be told; dropped for a change that is told to nobody, they would hear of neither.
        owed = True
        if one["kind"] == "confirmation":
            # Never heard of, or taken back from a cancellation.
            kind = "confirmation"
        facts |= {name: one["facts"][name] for name in (*known, "after_all") if name in one["facts"]}
    return ToTell(kind, facts, owed) if kind == "confirmation" or facts != now_known else None
