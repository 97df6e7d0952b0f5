"""Patients, found by the desk with a telephone at the ear: by any part of a name, a number, a date of birth or an address.

The process keeps a directory of them (`booking.services.desk.directory`) and asks the database at each search for the
records that changed since. What is shown is fetched anew, for whoever may see it, and the hits are written down.
"""

import re
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice

from flask import current_app
from sqlalchemy import Select, bindparam, case, select
from sqlalchemy.orm import Session

from booking import clock
from booking.models import Appointment, Patient
from booking.scheduling.hours import day_at
from booking.scheduling.status import Status
from booking.services.clinic import present
from booking.services.desk.directory import (
    Asked,
    Directory,
    Entry,
    asked,
    names_in,
    one_error_apart,
    plain,
    sound,
)
from booking.services.occupancies import within
from booking.services.staff import audit
from booking.services.staff.ownership import theirs
from booking.services.staff.who import Who
from booking.services.transaction import reading

SHOWN = 12
# A transaction may take some time from its `changed_at` to its commit, and machines' clocks differ a little.
_OVERLAP = timedelta(minutes=5)
# So many changed records are looked through beside the directory, before it is made anew.
_CHANGED_AT_MOST = 256
_BATCH = 200
# One word of what addresses are made of.
_MAY_BE_AN_ADDRESS = re.compile(r"[\w.+-]{3,}")
# Fewer letters of one are a part of nearly all.
_PART_OF_AN_ADDRESS = 3

_table = Patient.__table__.c
_ENTRIES = select(
    _table.id,
    _table.first_name,
    _table.last_name,
    _table.phone,
    _table.born_on,
    _table.merged_into_id.is_not(None),
    _table.email,
)
_LATE = _table.changed_at >= bindparam("since")
_CHANGED = _ENTRIES.where(_LATE)
_ALL = _ENTRIES.add_columns(_LATE)
_SHOWN = select(
    _table.id,
    _table.reference,
    _table.first_name,
    _table.last_name,
    _table.phone,
    _table.email,
    _table.born_on,
    _table.flags,
).where(_table.merged_into_id.is_(None))

# Put together once: every search asks it.
_SHOWN_OF_ALL = _SHOWN.where(_table.id.in_(bindparam("ids", expanding=True)))
_EXPECTED = select(Appointment.patient_id).where(within(Appointment), Appointment.status != Status.CANCELLED)


@dataclass(frozen=True)
class Found:
    """A patient in a list: enough to tell two apart."""

    id: int
    reference: str
    first_name: str
    last_name: str
    phone: str | None
    email: str | None
    born_on: date | None
    flags: Sequence[str]

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}"


@dataclass(frozen=True)
class Search:
    """Whom a question means, surest first. `more`: there are more than are shown."""

    words: str
    found: tuple[Found, ...]
    more: bool


@dataclass(frozen=True)
class _Kept:
    """What a process knows, and since when it has to ask."""

    directory: Directory
    asked_at: datetime


def search(who: Who, words: str, *, day: date | None = None, shown: int = SHOWN) -> Search:
    """Patients whom `who` may see and whom these words mean. Every part must fit; errors of typing are forgiven.

    Whoever has a visit on that `day` comes first, if no error has to be forgiven. The hits are written down as seen.
    Nothing but spaces finds nobody.
    """
    now = clock.now()
    bounds = _bounds(day) if day else None
    with reading() as session:
        directory, found = _directory(session, now), list[Found]()
        if "@" not in words:
            first = set(session.connection().scalars(_EXPECTED, bounds)) if bounds else set[int]()
            found = _fetched(session, who, directory.find(asked(words, now.year), first), shown + 1)
        if not found and ("@" in words or _MAY_BE_AN_ADDRESS.fullmatch(words.strip())):
            found = _by_email(session, directory, who, words.strip(), shown + 1)
    hits = tuple(found[:shown])
    if hits:
        audit.saw(who, "searched", patient_ids=[one.id for one in hits])
    return Search(words, hits, len(found) > shown)


def prepare() -> None:
    """Makes the directory before anybody searches. Raises Busy."""
    with reading() as session:
        _directory(session, clock.now())


def alike(
    who: Who,
    first_name: str,
    last_name: str,
    *,
    email: str | None = None,
    phone: str | None = None,
    born_on: date | None = None,
    besides: Iterable[int] = (),
    shown: int = 6,
) -> tuple[Found, ...]:
    """Records that may be of the same person, likeliest first: a name that sounds the same; the same number or address
    with one name alike; the same birthday with one name alike.
    """
    now = clock.now()
    left_out = set(besides)
    first, last = names_in(first_name), names_in(last_name)
    with reading() as session:
        directory = _directory(session, now)
        by_name = directory.find([Asked(name=name) for name in (*first[:1], *last[:1])])
        born = directory.find([Asked(born=born_on.isoformat())]) if born_on else ()
        likely = _fetched(session, who, (one for one in by_name if one not in left_out), shown)
        others = _fetched(session, who, (one for one in born if one not in left_out), 40)
        for column, given in ((_table.email, email), (_table.phone, phone)):
            if given:
                rows = session.connection().execute(_theirs(_SHOWN, who).where(column == given).limit(20))
                others = [Found(*row) for row in rows if row.id not in left_out] + others

    def one_name_alike(one: Found) -> bool:
        return alike_names(one.first_name, first_name) or alike_names(one.last_name, last_name)

    found = {one.id: one for one in (*likely, *(one for one in others if one_name_alike(one)))}
    hits = tuple(islice(found.values(), shown))
    if hits:
        audit.saw(who, "searched", patient_ids=[one.id for one in hits])
    return hits


def alike_names(one: str, other: str) -> bool:
    """Whether two names begin alike or sound alike, but for an error."""
    left, right = plain(one), plain(other)
    return left[:3] == right[:3] or one_error_apart(sound(left), sound(right))


def _bounds(day: date) -> dict[str, int]:
    cells = day_at(day, present().zone)
    return {"start": cells.from_cell, "end": cells.to_cell}


def _directory(session: Session, now: datetime) -> Directory:
    """The directory as of now: one statement, that reads what has changed lately."""
    kept = _kept()
    if kept is None or len(kept.directory.changed) > _CHANGED_AT_MOST:
        # One thread makes it anew, which takes a while; the others wait for it.
        with _MAKING:
            again = _kept()
            if again is kept:
                again = current_app.extensions["booking_directory"] = _Kept(_made(session, now), now)
            kept = again
    assert kept is not None
    since = min(kept.asked_at, now) - _OVERLAP
    rows = session.connection().execute(_CHANGED, {"since": since})
    directory = kept.directory.with_changed(map(Entry._make, rows.all()))
    # Several threads may come here at once; each keeps what is true, the last one stays.
    current_app.extensions["booking_directory"] = _Kept(directory, now)
    return directory


def _made(session: Session, now: datetime) -> Directory:
    entries, lately = [], {}
    for *row, late in session.connection().execute(_ALL, {"since": now - _OVERLAP}):
        entries.append(Entry(*row))
        if late:
            lately[entries[-1].id] = entries[-1]
    return Directory.of(entries, lately)


def _kept() -> _Kept | None:
    found: _Kept | None = current_app.extensions.get("booking_directory")
    return found


_MAKING = threading.Lock()


def _fetched(session: Session, who: Who, ids: Iterable[int], wanted: int) -> list[Found]:
    """The first so many of these whom `who` may see, in this order."""
    found: list[Found] = []
    rest = iter(ids)
    batch = wanted if who.sees_everybody else _BATCH
    statement = _theirs(_SHOWN_OF_ALL, who)
    while len(found) < wanted and (some := list(islice(rest, batch))):
        rows = session.connection().execute(statement, {"ids": some})
        by_id = {row.id: Found(*row) for row in rows}
        found += [by_id[one] for one in some if one in by_id]
    return found[:wanted]


def _by_email(session: Session, directory: Directory, who: Who, words: str, wanted: int) -> list[Found]:
    """Those whose address begins so, then those that have it elsewhere: a name may stand behind a dot or a number."""
    address = "".join(letter for letter in words.lower() if letter.isprintable())[:254]
    begins = has = _table.email.startswith(address, autoescape=True)
    if len(address) >= _PART_OF_AN_ADDRESS:
        has = _table.email.contains(address, autoescape=True)
        # Mostly nobody has it, or a few: then the database needn't look through all addresses.
        few = directory.with_address(address, _BATCH)
        if few is not None and not few:
            return []
        has = has if few is None else has & _table.id.in_(few)
    found = _theirs(_SHOWN, who).where(has).order_by(case((begins, 0), else_=1), _table.email, _table.id)
    rows = session.connection().execute(found.limit(wanted))
    return [Found(*row) for row in rows]


def _theirs(statement: Select[tuple[object, ...]], who: Who) -> Select[tuple[object, ...]]:
    return statement if who.sees_everybody else statement.where(theirs(who, Patient.id))
