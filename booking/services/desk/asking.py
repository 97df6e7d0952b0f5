"""The question that a visit asks when it is to go elsewhere, and what is in the way.

The pages that show where a visit could go, and the change itself under its lock, ask the same `latitudes`: what is
shown is what is accepted.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Select, and_, exists, or_, select
from sqlalchemy.orm import Session

from booking.errors import BeyondHorizon, NotFound, NotOffered
from booking.formatting import iso_utc
from booking.models import (
    LONGEST_VISIT,
    Absence,
    AbsenceKind,
    Appointment,
    BookableBy,
    Claim,
    Hold,
)
from booking.scheduling.latitude import Latitude, Own, Taken, latitudes, shape_of_uses
from booking.scheduling.needles import rest
from booking.scheduling.offers import Use
from booking.scheduling.situation import Situation
from booking.scheduling.timeline import CELL_MINUTES, Window, cell_at, instant_of
from booking.scheduling.visit import Shape
from booking.services import claims
from booking.services.availability import situation, taken_under_lock
from booking.services.clinic import Clinic, Practitioner, Thing, VisitType
from booking.services.occupancies import Ignoring, Kept, known, known_of_patient, shared_versions
from booking.services.question import Question
from booking.services.staff.who import Who

# Nobody plans further, and dates have an end.
_YEARS = timedelta(days=3 * 366)


@dataclass(frozen=True)
class Place:
    """Where and how a visit is to be; None keeps. Names are slugs; `phase_minutes` one number a phase of the type."""

    starts_at: datetime | None = None
    practitioner: str | None = None
    room: str | None = None
    devices: tuple[str, ...] | None = None
    visit_type: str | None = None
    phase_minutes: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Wanted:
    """A place in the clinic's own words. `shapes`: what the visit takes with each of `people`; `current`: as it is."""

    visit_type: VisitType
    people: tuple[Practitioner, ...]
    shapes: Mapping[int, Shape]
    rooms: tuple[Thing, ...]
    devices: tuple[Thing, ...]
    current: Shape
    shortened: bool = False

    @property
    def resource_ids(self) -> list[int]:
        return [*(one.id for one in self.people), *(one.id for one in (*self.rooms, *self.devices))]


@dataclass(frozen=True)
class Answer:
    """What staff may do with a visit, for everybody who was asked about. `as_it_is`: the same where nothing that is penciled
    in gives way.
    """

    situation: Situation
    own: Own
    by_practitioner: Mapping[int, Latitude]
    as_it_is: Mapping[int, Latitude]


# The visit as it is


def shape_of(clinic: Clinic, appointment: Appointment, uses: Sequence[Use] = ()) -> Shape:
    """What the visit takes: as its type and practitioner say, with its own minutes; if it took something else, by an
    older clinic's file, then that. Without `uses`, what it should take.
    """
    visit_type = clinic.visit_type_by_id[appointment.visit_type_id]
    person = clinic.practitioner_by_id[appointment.practitioner_id]
    offering = person.offerings.get(visit_type.slug)
    own = appointment.phase_minutes
    if own and len(own) == len(visit_type.phases):
        shape = visit_type.shape(tuple(own))
    else:
        shape = offering.shape if offering else visit_type.shape()
    hands = [use for use in uses if use.resource_id == appointment.practitioner_id]
    if not hands or _as_taken(shape, appointment, uses):
        return shape
    kinds = {device.id: device.kind for device in clinic.devices}
    return shape_of_uses(
        appointment.from_cell,
        appointment.to_cell,
        hands,
        next((use for use in uses if use.resource_id == appointment.room_id), None),
        {kinds[use.resource_id]: use for use in uses if use.resource_id in kinds},
        like=shape,
    )


def rest_of(appointment: Appointment, uses: Iterable[Use]) -> timedelta:
    """How long the visit's patient rests with the needles, by what the visit has taken."""
    hands = [(use.from_cell, use.to_cell) for use in uses if use.resource_id == appointment.practitioner_id]
    return rest(appointment.from_cell, appointment.to_cell, hands)


def phase_minutes_of(clinic: Clinic, appointment: Appointment) -> tuple[int, ...]:
    """Minutes of each phase of the visit's type, as this visit has them."""
    shape = shape_of(clinic, appointment)
    return tuple(phase.cells * CELL_MINUTES for phase in shape.phases)


def spread(minutes: Sequence[int], total: int) -> tuple[int, ...] | None:
    """The same phases with another total: the longest one gives or takes, then the others, five minutes each at least.

    None for a total that isn't a multiple of five, or too short for so many phases.
    """
    found = list(minutes)
    if total % CELL_MINUTES or total < CELL_MINUTES * len(found):
        return None
    left = total - sum(found)
    for index in sorted(range(len(found)), key=lambda one: -found[one]):
        by = max(left, CELL_MINUTES - found[index])
        found[index] += by
        left -= by
    return tuple(found)


def _as_taken(shape: Shape, appointment: Appointment, uses: Sequence[Use]) -> bool:
    """Whether the visit has taken what this shape takes."""

    def lengths(resource_id: int | None) -> list[tuple[int, int]]:
        start = appointment.from_cell
        return [
            (use.from_cell - start, use.to_cell - start) for use in uses if use.resource_id == resource_id
        ]

    return (
        shape.length == appointment.to_cell - appointment.from_cell
        and lengths(appointment.practitioner_id) == [part[:2] for part in shape.practitioner]
        and lengths(appointment.room_id) == ([shape.room[:2]] if shape.room else [])
    )


# The place that it wants


def wanted(
    clinic: Clinic, appointment: Appointment, uses: Sequence[Use], place: Place, *, anyone: bool = False
) -> Wanted:
    """The place in the clinic's own words; with `anyone`, with everybody who gives such visits.

    Raises NotFound for unknown names, NotOffered where the person doesn't give that visit, it can't be as long, or
    doesn't need the device.
    """
    visit_type = (
        clinic.visit_type(place.visit_type)
        if place.visit_type
        else clinic.visit_type_by_id[appointment.visit_type_id]
    )
    giver = clinic.practitioner_by_id[appointment.practitioner_id]
    other_type = visit_type.id != appointment.visit_type_id
    person = clinic.practitioner(place.practitioner) if place.practitioner else giver
    people: tuple[Practitioner, ...] = (person,)
    if anyone:
        people = clinic.who_offers(visit_type, BookableBy.STAFF)
        people = people if any(one.id == giver.id for one in people) else (*people, giver)
    current = shape_of(clinic, appointment, uses)
    shapes = {}
    for one in people:
        shape = _shape_with(clinic, appointment, current, visit_type, one, giver, place.phase_minutes)
        if shape is not None:
            shapes[one.id] = shape
    people = tuple(one for one in people if one.id in shapes)
    if not people:
        raise NotOffered(because="person")
    kinds = {kind for shape in shapes.values() for kind in shape.room_kinds}
    stays = place.starts_at is None or _cell(place.starts_at) == appointment.from_cell
    same = stays and person is giver and not other_type and not anyone
    rooms = tuple(room for room in clinic.rooms if room.kind in kinds)
    here = tuple(room for room in clinic.rooms if room.id == appointment.room_id)
    if place.room:
        rooms = (_thing(clinic.rooms, place.room),)
    elif same and here and (appointment.started_at is not None or here[0] not in rooms):
        # Whoever lies there isn't carried elsewhere by a change of something else.
        rooms = here
    return Wanted(
        visit_type=visit_type,
        people=people,
        shapes=shapes,
        rooms=rooms,
        devices=_devices(clinic, shapes.values(), place.devices),
        current=current,
        shortened=_shortened(visit_type, person, place.phase_minutes, None if other_type else appointment),
    )


def _shortened(
    visit_type: VisitType,
    person: Practitioner,
    minutes: tuple[int, ...] | None,
    appointment: Appointment | None,
) -> bool:
    """Whether a phase is to be shorter than it should be, and than it is already."""
    if minutes is None:
        return False
    offering = person.offerings.get(visit_type.slug)
    usual = [
        phase.cells * CELL_MINUTES for phase in (offering.shape if offering else visit_type.shape()).phases
    ]
    own = appointment.phase_minutes if appointment else None
    least = [min(pair) for pair in zip(usual, own, strict=True)] if own and len(own) == len(usual) else usual
    return any(one < enough for one, enough in zip(minutes, least, strict=True))


def _shape_with(
    clinic: Clinic,
    appointment: Appointment,
    current: Shape,
    visit_type: VisitType,
    person: Practitioner,
    giver: Practitioner,
    minutes: tuple[int, ...] | None,
) -> Shape | None:
    """What the visit would take with this person, or None if they don't give it."""
    offering = person.offerings.get(visit_type.slug)
    keeps = person is giver and visit_type.id == appointment.visit_type_id
    if offering is None and not keeps:
        return None
    if minutes is not None:
        fit = len(minutes) == len(visit_type.phases) and all(
            one >= CELL_MINUTES and not one % CELL_MINUTES for one in minutes
        )
        if not fit or sum(minutes) > LONGEST_VISIT * CELL_MINUTES:
            raise NotOffered(because="length")
        return visit_type.shape(minutes)
    if keeps:
        return current
    assert offering is not None
    if visit_type.id != appointment.visit_type_id:
        return offering.shape
    theirs = giver.offerings.get(visit_type.slug)
    return offering.shape if theirs is not None and theirs.shape == current else current


def _devices(clinic: Clinic, shapes: Iterable[Shape], slugs: tuple[str, ...] | None) -> tuple[Thing, ...]:
    kinds = {kind for shape in shapes for kind in shape.devices}
    named = [_thing(clinic.devices, slug) for slug in slugs or ()]
    if any(device.kind not in kinds for device in named):
        raise NotOffered(because="device")
    settled = {device.kind for device in named}
    return (*named, *(one for one in clinic.devices if one.kind in kinds - settled))


def _thing(things: Iterable[Thing], slug: str) -> Thing:
    found = next((one for one in things if one.slug == slug), None)
    if found is None:
        raise NotFound
    return found


def start_of(clinic: Clinic, appointment: Appointment, place: Place, now: datetime) -> int:
    """The cell at which the visit is to begin. Raises BeyondHorizon for a time that nobody plans, NotOffered between
    two cells.
    """
    if place.starts_at is None:
        return appointment.from_cell
    refuse_absurd(clinic, place.starts_at.date(), now)
    return _cell(place.starts_at)


def refuse_absurd(clinic: Clinic, on: date, now: datetime) -> None:
    """Refuses days that are years away, in either direction."""
    if not now.date() - _YEARS <= on <= now.date() + _YEARS:
        last = clinic.times.local_date(now) + timedelta(days=clinic.horizon_days)
        raise BeyondHorizon(last_day=last.isoformat())


def _cell(starts_at: datetime) -> int:
    try:
        return cell_at(starts_at)
    except ValueError:
        raise NotOffered from None


# The answer


def asked_under_lock(
    session: Session,
    clinic: Clinic,
    appointment: Appointment,
    uses: tuple[Use, ...],
    question: Wanted,
    window: Window,
    now: datetime,
    without: frozenset[int] = frozenset(),
) -> Answer:
    """The answer, with everything locked that the visit leaves or may take. `without`: visits that are to be given up for it."""
    ids = list({*question.resource_ids, appointment.patient_id})
    leaves = [use.resource_id for use in uses]
    taken = taken_under_lock(session, clinic, ids, window, now, also=leaves)
    return _answer(clinic, appointment, uses, question, window, now, taken, without)


def asked(
    session: Session,
    clinic: Clinic,
    appointment: Appointment,
    uses: tuple[Use, ...],
    question: Wanted,
    window: Window,
    now: datetime,
    without: frozenset[int] = frozenset(),
    versions: Mapping[int, int] | None = None,
) -> Answer:
    """The answer, for a page: what is kept of the clinic's people and things is used, the patient is read. `versions` as
    `versions_now` gave them before the session had read anything.
    """
    if versions is None:
        _, versions = shared_versions(session)
    taken = known(session, clinic, question.resource_ids, window, now, versions, keep=True)
    taken = taken | known_of_patient(session, clinic, appointment.patient_id, window, now)
    return _answer(clinic, appointment, uses, question, window, now, taken, without)


def _answer(
    clinic: Clinic,
    appointment: Appointment,
    uses: tuple[Use, ...],
    question: Wanted,
    window: Window,
    now: datetime,
    taken: Mapping[int, Kept],
    without: frozenset[int],
) -> Answer:
    own = Own(uses)
    asks = Question(
        clinic=clinic,
        visit_type=question.visit_type,
        wanted=None,
        practitioners=question.people,
        rooms=question.rooms,
        devices=question.devices,
        rules=(),
        audience=BookableBy.STAFF,
    )

    def situated(ignoring: Ignoring) -> Situation:
        return situation(asks, window, now, taken, ignoring, appointment.patient_id, question.shapes)

    def allowed(there: Situation) -> dict[int, Latitude]:
        return latitudes(there, own, shortened=question.shortened)

    found = situated(Ignoring(appointment.id, others=without))
    as_it_is = by_practitioner = allowed(found)
    if clinic.penciled_gives_way_to != "nobody" and any(one.giving_way for one in taken.values()):
        penciled = allowed(situated(Ignoring(appointment.id, others=without, penciled=True)))
        by_practitioner = {person: one.over(penciled[person]) for person, one in as_it_is.items()}
    return Answer(found, own, by_practitioner, as_it_is)


# What is in the way


def in_the_way_at(
    session: Session,
    clinic: Clinic,
    who: Who,
    appointment: Appointment,
    answer: Answer,
    practitioner_id: int,
    cell: int,
    codes: Iterable[Taken],
    now: datetime,
) -> list[dict[str, Any]]:
    """Who or what takes what this start would need, for each of the codes."""
    person = answer.situation.by_id[practitioner_id]
    shape, uses = person.shape, list[Use]()
    for code in codes:
        if code in (Taken.AWAY, Taken.PRACTITIONER_TAKEN):
            uses += [Use.of(person.id, cell, part) for part in shape.practitioner]
        elif code is Taken.ROOM_TAKEN and shape.room:
            uses += [Use.of(room.id, cell, shape.room) for room in answer.situation.rooms]
        elif code is Taken.DEVICE_TAKEN:
            uses += [
                Use.of(device.id, cell, shape.devices[device.kind])
                for device in answer.situation.devices
                if device.kind in shape.devices
            ]
        elif code is Taken.PATIENT_ELSEWHERE:
            uses.append(Use(appointment.patient_id, cell, cell + shape.length))
    return in_the_way(session, clinic, who, list(dict.fromkeys(uses)), appointment.id, now)


def in_the_way(
    session: Session,
    clinic: Clinic,
    who: Who,
    uses: Sequence[Use],
    ignoring: int,
    now: datetime,
    *,
    absences_since: datetime | None = None,
) -> list[dict[str, Any]]:
    """What of others overlaps with these uses, as facts of a Clash; with `absences_since`, of absences only those that were made
    later. Names of patients only for those who may see them.
    """
    if not uses:
        return []
    meets = claims.meeting(set(uses))
    found = session.execute(
        select(Claim.resource_id, Claim.from_cell, Claim.to_cell, Claim.hold_id, Appointment, Absence.kind)
        .outerjoin(Appointment, Appointment.id == Claim.appointment_id)
        .outerjoin(Absence, Absence.id == Claim.absence_id)
        .outerjoin(Hold, Hold.id == Claim.hold_id)
        .where(
            meets,
            or_(Claim.appointment_id.is_(None), Claim.appointment_id != ignoring),
            or_(Hold.id.is_(None), Hold.lapses_at > now),
            *([or_(Absence.id.is_(None), Absence.made_at > absences_since)] if absences_since else []),
        )
        .order_by(Claim.from_cell, Claim.resource_id)
    ).all()
    facts = []
    for resource_id, from_cell, to_cell, hold_id, other, absence in found:
        what, name = _named(clinic, resource_id)
        shown = other is not None and (
            who.sees_everybody or other.practitioner_id == (who.practitioner_id or 0)
        )
        by = "visit" if other is not None else "hold" if hold_id else _BY[absence]
        facts.append(
            {
                "what": what,
                "name": name,
                "by": by,
                "whose": f"{other.first_name} {other.last_name}" if shown else "",
                "from": iso_utc(instant_of(from_cell)),
                "to": iso_utc(instant_of(to_cell)),
                "reference": other.reference if shown else None,
            }
        )
    if absences_since is not None:
        # For a visit that comes back: who only holds its place hasn't taken it.
        return facts
    return facts + [
        {
            "what": "practitioner",
            "name": clinic.practitioner_by_id[whom].name,
            "by": "hold",
            "whose": "",
            "from": iso_utc(instant_of(from_cell)),
            "to": iso_utc(instant_of(to_cell)),
            "reference": None,
        }
        for whom, from_cell, to_cell in session.execute(_held_over_what_gives_way(uses, now))
    ]


def _held_over_what_gives_way(uses: Iterable[Use], now: datetime) -> Select[tuple[int, int, int]]:
    """Holds that meet these uses and claim nothing: what is penciled in there keeps its claims until it is booked over."""
    meets = (
        and_(
            Hold.practitioner_id == use.resource_id,
            Hold.to_cell > use.from_cell,
            Hold.from_cell < use.to_cell,
        )
        for use in set(uses)
    )
    return (
        select(Hold.practitioner_id, Hold.from_cell, Hold.to_cell)
        .where(or_(*meets), Hold.lapses_at > now, ~exists().where(Claim.hold_id == Hold.id))
        .order_by(Hold.from_cell, Hold.id)
    )


_BY = {
    AbsenceKind.TIME_OFF: "away",
    AbsenceKind.CLOSURE: "closed",
    AbsenceKind.OUT_OF_USE: "out_of_use",
}


def elsewhere(
    session: Session, clinic: Clinic, appointment: Appointment, from_cell: int, to_cell: int
) -> dict[str, Any] | None:
    """The patient's other visit at that time, as facts of PatientElsewhere."""
    other = session.scalar(
        select(Appointment)
        .join(Claim, Claim.appointment_id == Appointment.id)
        .where(
            Claim.resource_id == appointment.patient_id,
            Claim.to_cell > from_cell,
            Claim.from_cell < to_cell,
            Appointment.id != appointment.id,
        )
        .order_by(Claim.from_cell)
        .limit(1)
    )
    if other is None:
        return None
    person = clinic.practitioner_by_id[other.practitioner_id]
    return {
        "reference": other.reference,
        "starts_at": iso_utc(other.starts_at),
        "ends_at": iso_utc(other.ends_at),
        "practitioner": person.slug,
        "practitioner_name": person.name,
    }


def _named(clinic: Clinic, resource_id: int) -> tuple[str, str]:
    person = clinic.practitioner_by_id.get(resource_id)
    if person is not None:
        return "practitioner", person.name
    for what, things in (("room", clinic.rooms), ("device", clinic.devices)):
        for thing in things:
            if thing.id == resource_id:
                return what, thing.name
    return "patient", ""
