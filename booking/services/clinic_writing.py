"""A clinic written into rows. Part of the use case in `clinic_rows`: it receives the session and never commits."""

from collections.abc import Iterator
from datetime import time, timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from booking.models import (
    Absence,
    AbsenceKind,
    Clinic,
    ClinicDatedHours,
    ClinicHours,
    DatedWorkingHours,
    Device,
    Modality,
    Offering,
    PlanTemplate,
    Practitioner,
    Resource,
    ResourceKind,
    Room,
    VisitPhase,
    VisitType,
    WorkingHours,
)
from booking.scheduling.hours import Hours, open_timeline, window_of
from booking.services import absences, claims, clinic_file
from booking.services.clinic_file import WEEKDAYS, Away, ClinicFile, Week
from booking.services.clinic_reading import ABOUT, POLICIES, RULES, VISIT_TYPE_FIELDS, key_of, rows_of
from booking.services.reconciling import write_missing


def write(session: Session, definition: ClinicFile) -> None:
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
    with session.no_autoflush:
        templates = _matched(session, PlanTemplate, definition.plan_templates)
        for position, template in enumerate(definition.plan_templates):
            _write_template(templates[template.id], template, position)
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
        (definition.clinic, ABOUT),
        (definition.policies, POLICIES),
        (definition.rules, RULES),
    ):
        for name in names:
            setattr(row, name, getattr(part, name))
    row.policy_version = definition.policies.version
    row.limits = [limit.model_dump() for limit in definition.rules.limits]
    row.texts_from, row.texts_until = definition.rules.texts
    row.hours = [
        ClinicHours(weekday=day, opens=opens, closes=closes)
        for day, opens, closes in stretches_of(definition.hours)
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
    for name in VISIT_TYPE_FIELDS:
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


def _write_template(row: PlanTemplate, given: clinic_file.PlanTemplate, position: int) -> None:
    row.name, row.summary, row.self_service = given.name, given.summary, given.self_service
    row.course, row.position = given.as_course(), position


def _write_work(
    session: Session, row: Practitioner, given: clinic_file.Practitioner, visit_types: dict[str, VisitType]
) -> None:
    for kind in (WorkingHours, DatedWorkingHours, Offering):
        for old in rows_of(session, kind, row):
            session.delete(old)
    session.flush()
    session.add_all(
        WorkingHours(practitioner_id=row.id, weekday=day, opens=opens, closes=closes)
        for day, opens, closes in stretches_of(given.hours)
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


def stretches_of(week: Week) -> list[tuple[int, time, time]]:
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
                wanted[key_of(whose, away) + suffix] = (kind, resource_id, from_cell, to_cell, away.reason)
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
