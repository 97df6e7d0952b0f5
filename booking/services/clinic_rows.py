"""A clinic's definition in rows: written, compared and read back.

`apply` may run again and again: rows are matched by their ids of the file, so nothing is doubled. What future visits
depend on isn't taken away silently: people, rooms, devices and visit types with upcoming visits can't be removed, and
visits that a change leaves outside working hours are named.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import time, timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from booking import clock
from booking.errors import Refusal
from booking.models import (
    Absence,
    AbsenceKind,
    Appointment,
    Claim,
    Clinic,
    ClinicDatedHours,
    ClinicHours,
    DatedWorkingHours,
    Device,
    Modality,
    Offering,
    Practitioner,
    Resource,
    ResourceKind,
    Room,
    VisitPhase,
    VisitType,
    WorkingHours,
)
from booking.scheduling.hours import DatedHours as EngineDatedHours, Hours, open_timeline, window_of
from booking.scheduling.status import LIVE
from booking.scheduling.timeline import cell_from, instant_of
from booking.services import absences, claims, clinic_file
from booking.services.clinic import CHANGES_CLINIC
from booking.services.clinic_file import WEEKDAYS, Away, ClinicFile, Week
from booking.services.reconciling import write_missing
from booking.services.transaction import transaction

_VISIT_TYPE_FIELDS = (
    "name", "kind", "summary", "on_request", "price_cents", "price_shown", "bring", "arrive_early_minutes", "tell_us",
    "room_kinds", "pause_before_minutes", "pause_after_minutes", "turnover_before_minutes", "turnover_after_minutes",
    "buffers_within_hours", "notice_minutes", "cut_off_minutes", "reminder_days",
)  # fmt: skip
_RULES = (
    "step_minutes", "notice_minutes", "first_visit_notice_minutes", "horizon_days", "cut_off_minutes", "at_once",
    "visits_without_staff", "reminder_days", "texts_a_day", "texts_a_week",
)  # fmt: skip
_ABOUT = ("name", "message_name", "zone", "address", "arrival", "phone", "phone_hours", "mailbox", "welcome")
_POLICIES = ("cancellation", "policies", "privacy", "text_consent", "text_consent_version")


class StillNeeded(Refusal):
    """What the file no longer has is needed by upcoming visits. Facts: `needed`, a list of sentences."""

    code = "still_needed"


@dataclass(frozen=True)
class Applied:
    """What a file changed, in words, and the upcoming visits that now lie outside working hours: reference, when, with whom."""

    changes: tuple[str, ...]
    outside_hours: tuple[str, ...]


def apply(definition: ClinicFile, *, dry_run: bool = False) -> Applied:
    """Makes the clinic what the definition says, in one transaction; with `dry_run`, only says what would change.

    Raises StillNeeded when something is to go that upcoming visits depend on.
    """
    with transaction() as session:
        session.info[CHANGES_CLINIC] = True
        # Whoever books from now on waits, and then begins anew with what is written here.
        claims.lock(
            session, session.scalars(select(Resource.id).where(Resource.kind != ResourceKind.PATIENT))
        )
        before = read_back(session)
        changes = tuple(_differences(before, definition))
        if changes:
            _refuse_what_is_needed(session, definition)
            _write(session, definition)
        outside = tuple(_outside_hours(session, definition)) if changes else ()
        if dry_run:
            session.rollback()
        return Applied(changes, outside)


def read_back(session: Session) -> ClinicFile | None:
    """The definition that the rows amount to, or None without a clinic."""
    row = session.get(Clinic, 1)
    if row is None:
        return None
    people = session.scalars(
        select(Practitioner).where(Practitioner.active).order_by(Practitioner.position)
    ).all()
    entered = session.scalars(select(Absence).where(Absence.file_key.is_not(None)).order_by(Absence.id)).all()
    modality_slugs = {one.id: one.slug for one in session.scalars(select(Modality))}
    visit_types = session.scalars(
        select(VisitType).where(VisitType.active).order_by(VisitType.position)
    ).all()
    type_slugs = {one.id: one.slug for one in visit_types}
    return ClinicFile.model_validate(
        {
            "clinic": {name: getattr(row, name) for name in _ABOUT},
            "policies": {name: getattr(row, name) for name in _POLICIES} | {"version": row.policy_version},
            "rules": {name: getattr(row, name) for name in _RULES}
            | {"limits": row.limits, "texts": (row.texts_from, row.texts_until)},
            "hours": _week(row.hours),
            "dated_hours": _dated(row.dated_hours),
            "closures": _away(one for one in entered if one.resource_id is None),
            "modalities": [
                {"id": one.slug, "name": one.name, "summary": one.summary, "symbol": one.symbol}
                for one in session.scalars(
                    select(Modality).where(Modality.active).order_by(Modality.position)
                )
            ],
            "visit_types": [
                {name: getattr(one, name) for name in _VISIT_TYPE_FIELDS}
                | {
                    "id": one.slug,
                    "modality": modality_slugs[one.modality_id],
                    "phases": [
                        {
                            "name": phase.name,
                            "minutes": phase.minutes,
                            "needs": ["practitioner"] * phase.practitioner
                            + ["room"] * phase.room
                            + phase.device_kinds,
                        }
                        for phase in one.phases
                    ],
                }
                for one in visit_types
            ],
            "rooms": [
                {"id": one.slug, "name": one.name, "kind": one.room_kind}
                for one in session.scalars(select(Room).where(Room.active).order_by(Room.id))
            ],
            "devices": [
                {"id": one.slug, "name": one.name, "kind": one.device_kind}
                for one in session.scalars(select(Device).where(Device.active).order_by(Device.id))
            ],
            "practitioners": [
                {
                    "id": one.slug,
                    "name": one.name,
                    "credentials": one.credentials,
                    "profile": one.profile,
                    "rooms": one.room_order,
                    "at_once": one.at_once,
                    "hours": _week(_of(session, WorkingHours, one)),
                    "dated_hours": _dated(_of(session, DatedWorkingHours, one)),
                    "away": _away(absence for absence in entered if absence.resource_id == one.id),
                    "offers": [
                        {
                            "visit_type": type_slugs[offer.visit_type_id],
                            "bookable_by": offer.bookable_by,
                            "takes_new": offer.takes_new,
                            "phase_minutes": offer.phase_minutes,
                        }
                        for offer in _of(session, Offering, one)
                        if offer.visit_type_id in type_slugs
                    ],
                }
                for one in people
            ],
        }
    )


def _of(session: Session, kind: Any, person: Practitioner) -> list[Any]:
    return list(session.scalars(select(kind).where(kind.practitioner_id == person.id).order_by(kind.id)))


def _week(rows: list[Any]) -> dict[str, list[tuple[time, time]]]:
    return {
        day: [(row.opens, row.closes) for row in rows if row.weekday == number]
        for number, day in enumerate(WEEKDAYS)
    }


def _dated(rows: list[Any]) -> list[dict[str, Any]]:
    days = dict.fromkeys(row.on for row in rows)
    return [
        {
            "on": day,
            "hours": [(row.opens, row.closes) for row in rows if row.on == day and row.opens is not None],
        }
        for day in days
    ]


# Absences of the file: one row for whole days, one row a day where it names hours. The key says which entry of the
# file a row belongs to, so that an entry can be found again.


def _key(whose: str, away: Away) -> str:
    hours = away.model_dump(mode="json")["hours"] or ""
    return f"{whose}|{away.first}|{away.last}|{hours}|"


def _away(rows: Iterator[Absence]) -> list[dict[str, Any]]:
    entries: dict[str, dict[str, Any]] = {}
    for row in rows:
        whose, first, last, hours, _ = str(row.file_key).split("|")
        entries.setdefault(
            f"{whose}|{first}|{last}|{hours}",
            {"first": first, "last": last, "hours": hours or None, "reason": row.reason},
        )
    return list(entries.values())


def _differences(before: ClinicFile | None, after: ClinicFile) -> Iterator[str]:
    if before is None:
        yield f"a new clinic: {after.clinic.name}"
        return
    yield from _compared("", _in_order(before), _in_order(after))


def _in_order(definition: ClinicFile) -> dict[str, Any]:
    """The definition with those lists sorted whose order means nothing."""
    plain = definition.model_dump(mode="json")
    for visit_type in plain["visit_types"]:
        for phase in visit_type["phases"]:
            phase["needs"] = sorted(set(phase["needs"]))
    for one in (plain, *plain["practitioners"]):
        for name, key in (
            ("dated_hours", "on"),
            ("closures", "first"),
            ("away", "first"),
            ("rooms", "id"),
            ("devices", "id"),
        ):
            if isinstance(one.get(name), list) and one.get(name) and isinstance(one[name][0], dict):
                one[name].sort(key=lambda entry, key=key: (entry[key], str(entry)))
    return plain


def _compared(place: str, before: Any, after: Any) -> Iterator[str]:
    """Each difference as a line: what it was and what it becomes."""
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys((*before, *after)):
            yield from _compared(f"{place}.{name}".lstrip("."), before.get(name), after.get(name))
    elif _named(before) and _named(after):
        old, new = ({one["id"]: one for one in some} for some in (before, after))
        for name in dict.fromkeys((*old, *new)):
            if name not in new:
                yield f"{place} {name}: goes"
            elif name not in old:
                yield f"{place} {name}: is new"
            else:
                yield from _compared(f"{place} {name}", old[name], new[name])
        if list(old) != list(new) and set(old) == set(new):
            yield f"{place}: another order"
    else:
        yield f"{place}: {_short(before)} becomes {_short(after)}"


def _named(some: Any) -> bool:
    return (
        isinstance(some, list) and bool(some) and all(isinstance(one, dict) and "id" in one for one in some)
    )


def _short(value: Any) -> str:
    words = str(value)
    return words if len(words) <= 60 else words[:57] + "…"


def _refuse_what_is_needed(session: Session, definition: ClinicFile) -> None:
    upcoming = Appointment.to_cell > cell_from(clock.now())
    live = Appointment.status.in_(LIVE)
    needed = []
    for kind, column, kept in (
        (Practitioner, Appointment.practitioner_id, {one.id for one in definition.practitioners}),
        (Room, Appointment.room_id, {one.id for one in definition.rooms}),
        (VisitType, Appointment.visit_type_id, {one.id for one in definition.visit_types}),
    ):
        counted = select(kind.slug, func.count()).join(Appointment, column == kind.id).where(upcoming, live)
        for slug, visits in session.execute(counted.group_by(kind.slug)):
            if slug not in kept:
                needed.append(f"{slug} has {visits} upcoming visits; move them first, or keep it in the file")
    in_use = (
        select(Device.slug, func.count())
        .join(Claim, Claim.resource_id == Device.id)
        .where(Claim.to_cell > cell_from(clock.now()), Claim.appointment_id.is_not(None))
        .group_by(Device.slug)
    )
    for slug, visits in session.execute(in_use):
        if slug not in {one.id for one in definition.devices}:
            needed.append(
                f"{slug} is needed by {visits} upcoming visits; move them first, or keep it in the file"
            )
    if needed:
        raise StillNeeded(needed=needed)


def _write(session: Session, definition: ClinicFile) -> None:
    _write_clinic(session, definition)
    modalities = _matched(session, Modality, definition.modalities)
    for position, modality in enumerate(definition.modalities):
        row = modalities[modality.id]
        row.name, row.summary, row.symbol, row.position = (
            modality.name,
            modality.summary,
            modality.symbol,
            position,
        )
    session.flush()
    # A new row is nothing to write before it is filled in, though others are looked up meanwhile.
    with session.no_autoflush:
        visit_types = _matched(session, VisitType, definition.visit_types)
        for position, visit_type in enumerate(definition.visit_types):
            _write_visit_type(
                visit_types[visit_type.id], visit_type, modalities[visit_type.modality].id, position
            )
    for kind, given, column in (
        (Room, definition.rooms, "room_kind"),
        (Device, definition.devices, "device_kind"),
    ):
        rows = _matched(session, kind, given)
        for thing in given:
            rows[thing.id].name = thing.name
            setattr(rows[thing.id], column, thing.kind)
    people = _matched(session, Practitioner, definition.practitioners)
    for position, person in enumerate(definition.practitioners):
        row = people[person.id]
        row.name, row.credentials, row.profile = person.name, person.credentials, person.profile
        row.room_order, row.at_once, row.position = list(person.rooms), person.at_once, position
    session.flush()
    for person in definition.practitioners:
        _write_work(session, people[person.id], person, visit_types)
    _write_absences(session, definition, people)
    session.execute(
        update(Resource)
        .where(Resource.kind != ResourceKind.PATIENT)
        .values(version=Resource.version + 1)
        .execution_options(synchronize_session=False)
    )
    session.flush()
    # Other reminder times, another zone: what is queued is planned anew.
    write_missing(session)


def _write_clinic(session: Session, definition: ClinicFile) -> None:
    row = session.get(Clinic, 1)
    if row is None:
        row = Clinic(id=1, version=0)
        session.add(row)
    row.version += 1
    for part, names in (
        (definition.clinic, _ABOUT),
        (definition.policies, _POLICIES),
        (definition.rules, _RULES),
    ):
        for name in names:
            setattr(row, name, getattr(part, name))
    row.policy_version = definition.policies.version
    row.limits = [limit.model_dump() for limit in definition.rules.limits]
    row.texts_from, row.texts_until = definition.rules.texts
    row.hours = [
        ClinicHours(weekday=day, opens=opens, closes=closes)
        for day, opens, closes in _hours(definition.hours)
    ]
    row.dated_hours = [
        ClinicDatedHours(on=dated.on, opens=opens, closes=closes)
        for dated in definition.dated_hours
        for opens, closes in _or_none(dated.hours)
    ]
    session.flush()


def _or_none(stretches: list[tuple[time, time]]) -> list[tuple[time, time]] | list[tuple[None, None]]:
    """A day without hours is a row without times."""
    return stretches or [(None, None)]


def _matched(session: Session, kind: Any, given: list[Any]) -> dict[str, Any]:
    """The rows of a kind by their ids of the file: made where missing, put to rest where the file has them no more."""
    rows = {row.slug: row for row in session.scalars(select(kind))}
    wanted = {one.id for one in given}
    for slug, row in rows.items():
        row.active = slug in wanted
    for one in given:
        if one.id not in rows:
            rows[one.id] = kind(slug=one.id, name=one.name)
            session.add(rows[one.id])
    return rows


def _write_visit_type(row: VisitType, given: clinic_file.VisitType, modality_id: int, position: int) -> None:
    for name in _VISIT_TYPE_FIELDS:
        setattr(row, name, getattr(given, name))
    row.modality_id, row.position = modality_id, position
    row.phases = [
        VisitPhase(
            position=number,
            name=phase.name,
            minutes=phase.minutes,
            practitioner="practitioner" in phase.needs,
            room="room" in phase.needs,
            device_kinds=[need for need in phase.needs if need not in ("practitioner", "room")],
        )
        for number, phase in enumerate(given.phases)
    ]


def _write_work(
    session: Session, row: Practitioner, given: clinic_file.Practitioner, visit_types: dict[str, VisitType]
) -> None:
    for kind in (WorkingHours, DatedWorkingHours, Offering):
        for old in _of(session, kind, row):
            session.delete(old)
    session.flush()
    session.add_all(
        WorkingHours(practitioner_id=row.id, weekday=day, opens=opens, closes=closes)
        for day, opens, closes in _hours(given.hours)
    )
    session.add_all(
        DatedWorkingHours(practitioner_id=row.id, on=dated.on, opens=opens, closes=closes)
        for dated in given.dated_hours
        for opens, closes in _or_none(dated.hours)
    )
    session.add_all(
        Offering(
            practitioner_id=row.id,
            visit_type_id=visit_types[offer.visit_type].id,
            bookable_by=offer.bookable_by,
            takes_new=offer.takes_new,
            phase_minutes=offer.phase_minutes,
        )
        for offer in given.offers
    )
    session.flush()


def _hours(week: Week) -> list[tuple[int, time, time]]:
    return [
        (number, opens, closes) for number, day in enumerate(WEEKDAYS) for opens, closes in getattr(week, day)
    ]


def _write_absences(session: Session, definition: ClinicFile, people: dict[str, Any]) -> None:
    wanted: dict[str, tuple[AbsenceKind, int | None, int, int, str]] = {}
    # The clinic has no id, so nobody's can be the same.
    entries = [("", AbsenceKind.CLOSURE, None, definition.closures)] + [
        (person.id, AbsenceKind.TIME_OFF, people[person.id].id, person.away)
        for person in definition.practitioners
    ]
    for whose, kind, resource_id, given in entries:
        for away in given:
            for suffix, from_cell, to_cell in _cells(away, definition):
                wanted[_key(whose, away) + suffix] = (kind, resource_id, from_cell, to_cell, away.reason)
    for row in session.scalars(select(Absence).where(Absence.file_key.is_not(None))).all():
        same = wanted.get(str(row.file_key))
        if same == (row.kind, row.resource_id, row.from_cell, row.to_cell, row.reason):
            del wanted[str(row.file_key)]
            if row.resource_id is None:
                _fill_for_newcomers(session, row)
        else:
            absences.take_back(session, row)
    for key, (kind, resource_id, from_cell, to_cell, reason) in wanted.items():
        absences.enter(session, kind, resource_id, from_cell, to_cell, reason=reason, file_key=key)


def _fill_for_newcomers(session: Session, closure: Absence) -> None:
    """A closure holds for practitioners who came after it was entered, too."""
    everybody = session.scalars(select(Practitioner.id)).all()
    claims.fill_absences(
        session, [claims.Stretch(one, closure.from_cell, closure.to_cell) for one in everybody]
    )


def _cells(away: Away, definition: ClinicFile) -> Iterator[tuple[str, int, int]]:
    if away.hours is None:
        window = window_of(away.first, away.last, definition.zone)
        yield "", window.start, window.end
        return
    day = away.first
    while day <= away.last:
        window = window_of(day, day, definition.zone)
        hours = open_timeline(window, definition.zone, [Hours(day.weekday(), *away.hours)])
        if hours:
            yield (
                str(day),
                window.start + (hours & -hours).bit_length() - 1,
                window.start + hours.bit_length(),
            )
        day += timedelta(days=1)


def _outside_hours(session: Session, definition: ClinicFile) -> Iterator[str]:
    """Upcoming visits that don't lie in their practitioner's working hours as the file has them."""
    now = clock.now()
    upcoming = session.execute(
        select(Appointment.reference, Appointment.from_cell, Appointment.to_cell, Practitioner.slug)
        .join(Practitioner, Practitioner.id == Appointment.practitioner_id)
        .where(Appointment.to_cell > cell_from(now), Appointment.status.in_(LIVE))
        .order_by(Appointment.from_cell)
    )
    zone = definition.zone
    people = {person.id: person for person in definition.practitioners}
    for reference, from_cell, to_cell, slug in upcoming:
        on = instant_of(from_cell).astimezone(zone).date()
        window = window_of(on, on, zone)
        open_cells = window.full
        for week, dated in (
            (definition.hours, definition.dated_hours),
            (people[slug].hours, people[slug].dated_hours),
        ):
            open_cells &= open_timeline(
                window,
                zone,
                [Hours(*hours) for hours in _hours(week)],
                [EngineDatedHours(one.on, tuple(one.hours)) for one in dated],
            )
        if window.stretch(from_cell, to_cell) & ~open_cells:
            yield f"{reference}  {instant_of(from_cell).astimezone(zone):%a, %b %d, %Y, %H:%M}  {slug}"
