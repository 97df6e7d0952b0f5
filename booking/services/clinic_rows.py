"""Applying a clinic's file: what it changes is compared (`clinic_changes`), refused, or written (`clinic_writing`).

`apply` may run again and again: rows are matched by their ids of the file, so nothing is doubled. What future visits
depend on isn't taken away silently: people, rooms, devices and visit types with upcoming visits can't be removed, nor
visit types that a plan asks for, and visits that a change leaves outside working hours are named.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from booking import clock
from booking.errors import Refusal
from booking.models import (
    SERIES,
    Appointment,
    Claim,
    Device,
    Plan,
    PlanStatus,
    Practitioner,
    Resource,
    ResourceKind,
    Room,
    VisitType,
)
from booking.scheduling.hours import DatedHours as EngineDatedHours, Hours, open_timeline, window_of
from booking.scheduling.plans.course import Course
from booking.scheduling.status import LIVE
from booking.scheduling.timeline import cell_from, instant_of
from booking.services import claims
from booking.services.clinic import CHANGES_CLINIC
from booking.services.clinic_changes import differences
from booking.services.clinic_file import ClinicFile
from booking.services.clinic_reading import read_back
from booking.services.clinic_writing import stretches_of, write
from booking.services.transaction import transaction


class StillNeeded(Refusal):
    """What the file no longer has is needed by upcoming visits, or by plans. Facts: `needed`, a list of sentences."""

    code = "still_needed"


@dataclass(frozen=True)
class Applied:
    """What a file changed, in words, and the upcoming visits that now lie outside working hours: reference, when, with whom."""

    changes: tuple[str, ...]
    outside_hours: tuple[str, ...]


def apply(definition: ClinicFile, *, dry_run: bool = False) -> Applied:
    """Makes the clinic what the definition says, in one transaction; with `dry_run`, only says what would change.

    Raises StillNeeded when something is to go that upcoming visits or plans depend on.
    """
    with transaction() as session:
        session.info[CHANGES_CLINIC] = True
        # Whoever books from now on waits, and then begins anew with what is written here.
        claims.lock(
            session, session.scalars(select(Resource.id).where(Resource.kind != ResourceKind.PATIENT))
        )
        before = read_back(session)
        changes = tuple(differences(before, definition))
        if changes:
            _refuse_what_is_needed(session, definition)
            write(session, definition)
        outside = tuple(_outside_hours(session, definition)) if changes else ()
        if dry_run:
            session.rollback()
        return Applied(changes, outside)


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
    visit_types = {one.id for one in definition.visit_types}
    for slug, plans in _asked_for_by_plans(session).items():
        if slug not in visit_types:
            needed.append(
                f"{slug} is asked for by {plans} plans that run or wait to be booked; stop or withdraw them first, or keep it "
                "in the file"
            )
    if needed:
        raise StillNeeded(needed=needed)


def _asked_for_by_plans(session: Session) -> Counter[str]:
    """Visit types that plans name, each with how many of them: what is missed there is booked anew, also where all is over. A
    series asks for nothing but its visits.
    """
    courses = session.scalars(
        select(Plan.course).where(
            Plan.status.in_((PlanStatus.PRESCRIBED, PlanStatus.RUNNING)), Plan.template != SERIES
        )
    )
    return Counter(
        name for course in map(Course.of, courses) for name in {*course.kinds, *course.reassessment}
    )


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
                [Hours(*hours) for hours in stretches_of(week)],
                [EngineDatedHours(one.on, tuple(one.hours)) for one in dated],
            )
        if window.stretch(from_cell, to_cell) & ~open_cells:
            yield f"{reference}  {instant_of(from_cell).astimezone(zone):%a, %b %d, %Y, %H:%M}  {slug}"
