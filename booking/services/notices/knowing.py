"""How a patient knows visits of a plan that may be otherwise by now, by the visits' ids: each as it was when they last heard of it,
or None where they don't know that it stands.

What they are yet to be told is the difference between that and the visits as they are, read when it is shown or sent. So of two
changes of which they have heard neither the earlier knowledge counts (`later | earlier`), what is back as they knew it is no
news, and whatever becomes of a visit needs no following.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from booking.formatting import iso_utc
from booking.models import Appointment
from booking.scheduling.status import Status
from booking.services.clinic import Clinic, Practitioner
from booking.services.rows import Row

Knew = dict[str, Row | None]
_PLACE = ("old_starts_at", "old_practitioner")
# Where the facts of a change of a plan keep it.
KNEW = "knew"


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


class Shown(Protocol):
    """A visit as pages and messages have it."""

    @property
    def starts_at(self) -> datetime: ...
    @property
    def ends_at(self) -> datetime: ...
    @property
    def practitioner(self) -> Practitioner: ...
    @property
    def penciled(self) -> bool: ...


def known_visit(visit: Shown) -> Row:
    """How a patient knows a visit that they know as it is."""
    place = known_as(visit.starts_at, visit.ends_at, visit.practitioner.slug)
    return place | {"penciled": visit.penciled}


def as_known(clinic: Clinic, visits: Iterable[Appointment]) -> Knew:
    """That these visits are known as they are, or were until they were cancelled."""
    return {str(one.id): known_of(one, clinic) | {"penciled": one.penciled} for one in visits}


def as_penciled(clinic: Clinic, visits: Iterable[Appointment]) -> Knew:
    """That these visits are known where they are, penciled in."""
    return {str(one.id): known_of(one, clinic) | {"penciled": True} for one in visits}


def never_known(visits: Iterable[Appointment]) -> Knew:
    """That nobody knows of these visits."""
    return {str(one.id): None for one in visits}


def as_they_are(clinic: Clinic, visits: Iterable[Appointment], now: datetime) -> Knew:
    """Those of these visits that are ahead and stand, as they are, and those that are cancelled."""
    known = as_known(clinic, visits := list(visits))
    return {
        str(one.id): None if one.status is Status.CANCELLED else known[str(one.id)]
        for one in visits
        if one.status is Status.CANCELLED or (one.status is Status.BOOKED and one.starts_at > now)
    }


def facts_of(known: Row) -> Row:
    """How a visit is known, as the facts of a message about it alone."""
    return {name: said for name, said in known.items() if name != "penciled"}


def begins(known: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(known["old_starts_at"])


def same_place(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether a visit is known to be at the same time, with the same person."""
    return all(one[name] == other[name] for name in _PLACE)


class News(NamedTuple):
    """What is other than a patient knows it: the ids of visits that are elsewhere, don't stand any more, are new, or are
    penciled in no more.
    """

    moved: tuple[int, ...]
    cancelled: tuple[int, ...]
    added: tuple[int, ...]
    firm: tuple[int, ...]


def news(knew: Mapping[str, Row | None], are: Mapping[str, Row | None], now: datetime) -> News:
    """What is news to who `knew` visits so, as they `are` by now: None of what doesn't stand. Nothing is said of what isn't
    among these, nor of what would be past.
    """
    moved, cancelled, added, firm = list[int](), list[int](), list[int](), list[int]()
    for number in knew.keys() & are.keys():
        known, there = knew[number], are[number]
        if there is None:
            if known is not None and begins(known) > now:
                cancelled.append(int(number))
        elif known is None:
            added.append(int(number))
        elif not same_place(known, there):
            moved.append(int(number))
        elif known["penciled"] and not there["penciled"]:
            firm.append(int(number))
    return News(tuple(moved), tuple(cancelled), tuple(added), tuple(firm))
