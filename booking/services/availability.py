"""The engine, asked under the lock: what a booking may take, and why it may not.

The page with the free times (`booking.services.search`) asks the same `situation`, so that the two can't disagree.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy.orm import Session

from booking.errors import BeyondHorizon, LimitReached, NotOffered, Refusal, SlotTaken, TooSoon
from booking.formatting import iso_utc
from booking.scheduling import offers as engine
from booking.scheduling.hours import days_of
from booking.scheduling.rules import HORIZON, NOTICE, PATIENT_LIMITS
from booking.scheduling.situation import Circumstances, Practitioner, Situation, Thing
from booking.scheduling.timeline import Window
from booking.scheduling.visit import Shape
from booking.services import claims
from booking.services.clinic import Clinic
from booking.services.occupancies import NOTHING_IGNORED, Ignoring, Kept, Stretch, hours_of, known, window_for
from booking.services.question import Question
from booking.services.transaction import Contention


def locked(
    session: Session,
    question: Question,
    starts_at: datetime,
    now: datetime,
    *,
    ignoring: Ignoring = NOTHING_IGNORED,
    patient_id: int | None = None,
    also: Iterable[int] = (),
) -> engine.Offers:
    """The offers around one start, computed under the lock of everything that they may take.

    Frees what lapsed holds keep there. `also`: further resources to lock, such as those that a moved visit leaves.
    """
    wanted = question.resource_ids
    if patient_id is not None:
        wanted.append(patient_id)
    on = question.clinic.times.local_date(starts_at)
    window = window_for(question.clinic, on, on)
    taken = taken_under_lock(session, question.clinic, wanted, window, now, also=also)
    return engine.find(situation(question, window, now, taken, ignoring, patient_id))


def taken_under_lock(
    session: Session,
    clinic: Clinic,
    wanted: list[int],
    window: Window,
    now: datetime,
    *,
    also: Iterable[int],
) -> dict[int, Kept]:
    """Locks the resources that are wanted, and `also` others, and returns what is taken of the wanted ones.

    Frees what lapsed holds keep of them in the window.
    """
    versions = claims.lock(session, {*wanted, *also})
    taken = known(session, clinic, wanted, window, now, versions, keep=False)
    if any(entry.clinic_version != clinic.version for entry in taken.values()):
        # The clinic was changed between the question and the lock: begin anew, with its rules of now.
        raise Contention(retry_after=2)
    lapsed = {
        claim.hold_id
        for entry in taken.values()
        for claim in entry.lapsed
        if claim.hold_id is not None and claim.meets(window)
    }
    claims.free_lapsed(session, lapsed, taken)
    return taken


def refusal_at(found: engine.Offers, cell: int, phone: str) -> Refusal:
    """Why a start isn't among the offers, for whoever wanted it. `phone` is the clinic's."""
    asked, facts = found.situation, found.situation.circumstances
    if not asked.practitioners:
        return NotOffered()
    bit = asked.window.bit(cell)
    for person in asked.practitioners:
        if not bit & HORIZON.permitted(asked, person):
            return BeyondHorizon(last_day=facts.last_day.isoformat())
        if not bit & NOTICE.permitted(asked, person):
            return TooSoon(earliest=iso_utc(facts.not_before))
        if not bit & PATIENT_LIMITS.permitted(asked, person):
            return LimitReached(phone=phone)
    return SlotTaken()


def situation(
    question: Question,
    window: Window,
    now: datetime,
    taken: Mapping[int, Kept],
    ignoring: Ignoring = NOTHING_IGNORED,
    patient_id: int | None = None,
    shapes: Mapping[int, Shape] | None = None,
) -> Situation:
    """Everything that decides where the visit can begin, within the window. `taken` is what `known` gave.

    `shapes`: what the visit takes with each practitioner, where that isn't what they offer.
    """
    clinic = question.clinic
    people, rooms, devices = question.practitioners, question.rooms, question.devices
    names = clinic.visit_type_slugs
    occupancies = {resource_id: entry.within(window, ignoring, names) for resource_id, entry in taken.items()}
    hours = hours_of(clinic, window, now)
    # Somebody whom the clinic has no more has no hours.
    gone = (0, 0)
    return Situation(
        window=window,
        days=days_of(window, clinic.zone),
        practitioners=tuple(
            Practitioner(
                id=person.id,
                slug=person.slug,
                name=person.name,
                open=hours.get(person.id, gone)[0],
                grid=hours.get(person.id, gone)[1],
                shape=shapes[person.id] if shapes else question.shape_with(person),
                occupancy=occupancies[person.id],
                room_order=person.room_order,
                at_once=person.at_once,
            )
            for person in people
        ),
        rooms=tuple(Thing(room.id, room.kind, room.name, occupancies[room.id]) for room in rooms),
        devices=tuple(Thing(one.id, one.kind, one.name, occupancies[one.id]) for one in devices),
        rules=question.rules,
        circumstances=Circumstances(
            zone=clinic.zone,
            now=now,
            notice=question.visit_type.notice,
            horizon_days=question.horizon_days or clinic.horizon_days,
            visit_type=question.visit_type.slug,
            limits=clinic.limits,
        ),
        closed=_ones(window, taken[people[0].id].closures) if people else 0,
        patient=None if patient_id is None else occupancies[patient_id],
    )


def _ones(window: Window, parts: Iterable[Stretch]) -> int:
    ones = 0
    for from_cell, to_cell in parts:
        ones |= window.stretch(from_cell, to_cell)
    return ones
