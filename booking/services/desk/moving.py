"""A visit gets another place: time, practitioner, room, devices, type or length.

By membership, as everywhere: `places` shows what `change` finds once more under the lock. Rules may be passed with a
reason, which is kept; a clash may not.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from booking import clock
from booking.errors import (
    Clash,
    IllegalStatus,
    NeedsReason,
    NotChangeable,
    NotFound,
    PatientElsewhere,
    SlotTaken,
    StaleEdit,
)
from booking.formatting import iso_utc
from booking.models import Actor, Appointment
from booking.scheduling.latitude import OF_THE_START, Breach, Latitude, Taken, assign, latitudes
from booking.scheduling.offers import Assignment, Use
from booking.scheduling.status import Status
from booking.scheduling.timeline import CELL_MINUTES, instant_of
from booking.services import claims, giving_way, notices, placing, tasks, wording
from booking.services.allowances import Planned, asks_first
from booking.services.claims import uses_of
from booking.services.clinic import Clinic, Practitioner, the_clinic
from booking.services.desk import states, statuses, whom_to_call
from booking.services.desk.asking import (
    Answer,
    Place,
    Wanted,
    asked,
    asked_under_lock,
    elsewhere,
    in_the_way_at,
    start_of,
    wanted,
)
from booking.services.desk.states import Changed
from booking.services.idempotency import Key, once
from booking.services.occupancies import window_for
from booking.services.plans.besides import is_near_a_plan
from booking.services.staff.ownership import appointment_for
from booking.services.staff.who import Who
from booking.services.transaction import reading
from booking.services.visits import shaped

__all__ = ["Changed", "Place", "Preview", "change", "preview"]

# In these the visit has a place that can still be changed.
_HAS_A_PLACE = (Status.BOOKED, Status.ARRIVED, Status.CHECKED_IN)

# So long somebody who is here waits for a visit that is moved.
_WAITS_HERE = timedelta(hours=3)


@dataclass(frozen=True)
class Preview:
    """What a change would mean. `channel`: "email", "text", "call", or "" where nobody would be told.

    `to_call`: they stand on the list of calls, until reached. `owed`: they are told whatever staff choose, for they haven't heard
    of the visit, asked for an answer, or are to be called about it. `unheard`: nobody would be told, for they hear of the visit
    with what was decided of its plan. `here_since`: when they came, if they are here and stay; `comes_again`: they are here, and
    are booked for another time. `room` and `devices` are None and empty where it can't be; `phase_minutes` are those of the visit
    as it would be. `breaches`: codes that need a reason, with their facts in `facts`. `clash`: what is in the way, as in the
    refusal Clash. `elsewhere`: the patient's other visit, as in the refusal PatientElsewhere, or None. With one of the two, it
    can't be. `text`: the words, without the link. `stale`: what became of the visit since it was shown.
    """

    reference: str
    version: int
    starts_at: datetime
    ends_at: datetime
    practitioner: str
    room: str | None
    devices: tuple[str, ...]
    phase_minutes: tuple[int, ...]
    channel: str
    address: str
    subject: str
    text: str
    due_at: datetime | None
    to_call: bool
    owed: bool
    unheard: bool
    here_since: datetime | None
    comes_again: bool
    breaches: tuple[str, ...]
    clash: tuple[dict[str, Any], ...]
    elsewhere: dict[str, Any] | None
    facts: dict[str, Any]
    stale: StaleEdit | None


@dataclass(frozen=True)
class _Asked:
    """A wish with its answer. `start` is a cell, `stays`: the same start with the same person."""

    clinic: Clinic
    uses: tuple[Use, ...]
    wish: Wanted
    person: Practitioner
    start: int
    answer: Answer
    stays: bool
    place: Place

    @property
    def latitude(self) -> Latitude:
        return self.answer.by_practitioner[self.person.id]

    @property
    def taken(self) -> tuple[Taken, ...]:
        return self.latitude.taken_at(self.start)

    @property
    def is_free(self) -> bool:
        """Whether nothing is in the way, not even what would give way."""
        return not self.answer.as_it_is[self.person.id].taken_at(self.start)

    @property
    def end(self) -> int:
        return self.start + self.latitude.person.shape.length


@dataclass(frozen=True)
class _Found:
    """A place as the visit would have it: without the visits `given_way`, which are named in `facts`, and with the rules that it
    breaks.
    """

    asked: _Asked
    breaches: tuple[Breach, ...]
    given_way: frozenset[int]
    facts: dict[str, Any]


def change(
    who: Who,
    reference: str,
    place: Place,
    *,
    version: int | None,
    reason: str = "",
    tell: bool = True,
    spoken: bool = False,
    own: bool = False,
    key: str,
) -> Changed:
    """Gives the visit another place, once per key. The same place as before is a quiet success. `own`: only if it is one that `who`
    gives.

    The patient is told of another time, person or end, in three minutes, if `tell`; of another room or device nobody is.
    `spoken`: whoever changes it has just told them on the telephone, so that nobody else does.
    Raises NeedsReason, Clash, PatientElsewhere, StaleEdit, NotChangeable, IllegalStatus where needles are in and it would be a
    visit without a rest, NotOffered, BeyondHorizon, NotFound, KeyReused.
    """
    content = ["change", reference, vars(place), version, reason, tell, spoken]
    answer = once(
        Key.of(who.key, key, content),
        lambda session: vars(
            _change(
                session, who, reference, place, version, reason.strip(), tell=tell, spoken=spoken, own=own
            )
        ),
    )
    return Changed(**answer)


def preview(who: Who, reference: str, place: Place, *, version: int | None = None) -> Preview:
    """What `change` would do, and what the patient would be told. Changes nothing. `version`: in which the visit is shown.

    Raises NotFound, NotOffered, NotChangeable, IllegalStatus, BeyondHorizon.
    """
    now = clock.now()
    with reading() as session:
        appointment = appointment_for(session, who, reference)
        clinic = the_clinic(session)
        found = _ask(session, clinic, appointment, place, now, lock=False)
        stale = states.changed_since(session, clinic, appointment, version)
        return _preview(session, who, appointment, found, now, stale)


def where_it_begins(
    session: Session, clinic: Clinic, appointment: Appointment, place: Place, now: datetime
) -> tuple[tuple[Taken, ...], tuple[Breach, ...]]:
    """What keeps the visit from this place at its own start, with its own practitioner: as `change` would find it."""
    found = _ask(session, clinic, appointment, place, now, lock=False)
    return found.taken, _breaches(found, appointment)


def _change(
    session: Session,
    who: Who,
    reference: str,
    place: Place,
    version: int | None,
    reason: str,
    *,
    tell: bool,
    spoken: bool,
    own: bool,
) -> Changed:
    now = clock.now()
    appointment = appointment_for(session, who, reference, for_update=True)
    if own and appointment.practitioner_id != who.practitioner_id:
        raise NotFound
    clinic = the_clinic(session)
    states.refuse_stale(session, clinic, appointment, version)
    found = _ask(session, clinic, appointment, place, now, lock=True)
    _refuse_clash(session, who, appointment, found, now)
    room_made = _making_room(session, who, clinic, appointment, found, now, lock=True)
    found, breaches = room_made.asked, room_made.breaches
    if breaches and not reason:
        raise NeedsReason(breaches=[*breaches], facts=room_made.facts)
    gave_way = giving_way.give_up(session, room_made.given_way, Actor.STAFF, now, who)

    before = states.snapshot(appointment, found.uses)
    # Whom somebody is to call hears of what comes now instead.
    owed = not tell and not spoken and whom_to_call.to_be_called_about(session, appointment, now)
    known = notices.known_of(appointment, clinic)
    visit, goes_home = _assigned(appointment, found), _goes_home(appointment, found, now)
    uses = sorted([*visit.uses, visit.patient_use(appointment.patient_id)])
    placing.put(session, appointment, visit)
    _take_type(appointment, place, found)
    if goes_home:
        appointment.status, appointment.arrived_at = Status.BOOKED, None
    if states.snapshot(appointment, uses) == before:
        return states.unchanged(clinic, appointment)

    claims.exchange(session, found.uses, uses, appointment_id=appointment.id)
    told = notices.Told(None, [])
    if not states.same_entry(before, states.snapshot(appointment, uses)):
        appointment.sequence += 1
        if not found.stays:
            appointment.confirmed_at = appointment.cannot_come_at = None
        tell = (tell or owed) and not spoken
        told = notices.changed_by_clinic(session, clinic, appointment, known, now, tell=tell, spoken=spoken)
        tasks.moved(session, clinic, appointment, now)
    else:
        states.remind_as_the_type_wants(session, appointment, before)
    return states.keep(
        session,
        who,
        clinic,
        appointment,
        "changed" if found.stays else "moved",
        before,
        uses,
        now,
        why=reason,
        told=told,
        breaches=[*breaches],
        dropped=told.dropped,
        spoken=spoken,
        **({"gave_way": gave_way} if gave_way else {}),
        **_moved(clinic, before, appointment, uses, told.tells),
    )


def what_gives_way(
    session: Session, who: Who, clinic: Clinic, appointment: Appointment, place: Place, now: datetime
) -> dict[str, Any]:
    """What gives way to the visit at this place, as facts of the breach PENCILED."""
    found = _ask(session, clinic, appointment, place, now, lock=False)
    there = _making_room(session, who, clinic, appointment, found, now, lock=False)
    gives_way: dict[str, Any] = there.facts.get(Breach.PENCILED, {})
    return gives_way


def _making_room(
    session: Session,
    who: Who,
    clinic: Clinic,
    appointment: Appointment,
    found: _Asked,
    now: datetime,
    *,
    lock: bool,
) -> _Found:
    """The place without the few visits that give way to it; where none need, the place as it is."""
    of_the_patient = _breaches_of_the_patient(session, clinic, appointment, found, now)
    breaches = (*_breaches(found, appointment), *of_the_patient)
    if found.taken or found.is_free:
        return _Found(found, breaches, frozenset(), facts_of(found.answer, breaches))

    def without(others: frozenset[int]) -> _Asked:
        return _ask(session, clinic, appointment, found.place, now, lock=lock, without=others)

    given_way = giving_way.few(session, found.start, found.end, lambda others: without(others).is_free)
    if given_way is None:
        raise SlotTaken
    free = without(given_way)
    breaches = (*_breaches(free, appointment), Breach.PENCILED, *of_the_patient)
    visits = giving_way.named(session, clinic, who, given_way)
    facts = facts_of(free.answer, breaches) | {Breach.PENCILED.value: {"visits": visits}}
    return _Found(free, breaches, given_way, facts)


def _ask(
    session: Session,
    clinic: Clinic,
    appointment: Appointment,
    place: Place,
    now: datetime,
    *,
    lock: bool,
    without: frozenset[int] = frozenset(),
) -> _Asked:
    """The wish in the clinic's words, and what the engine says to it. Raises NotChangeable and what `wanted` raises."""
    refuse_settled(appointment)
    start = start_of(clinic, appointment, place, now)
    uses = uses_of(session, appointment)
    wish = wanted(clinic, appointment, uses, place)
    (person,) = wish.people
    stays = start == appointment.from_cell and person.id == appointment.practitioner_id
    if appointment.status is Status.CHECKED_IN and start != appointment.from_cell:
        # Who lies in the room has begun when they began.
        raise NotChangeable(visit_status=appointment.status.value)
    on = clinic.times.local_date(instant_of(start))
    ask = asked_under_lock if lock else asked
    answer = ask(session, clinic, appointment, uses, wish, window_for(clinic, on, on), now, without)
    phases = answer.by_practitioner[person.id].person.shape.phases
    if statuses.needles_are_in(appointment) and all(phase.practitioner for phase in phases):
        # Where nobody rests, nothing would say when they come out.
        status = appointment.status.value
        raise IllegalStatus(visit_status=status, to=status, because="needles")
    return _Asked(clinic, uses, wish, person, start, answer, stays, place)


def _assigned(appointment: Appointment, found: _Asked) -> Assignment:
    """The room and the devices that it gets. With somebody else, their rooms come first; else what it has stays if it can."""
    own: tuple[int, ...] = ()
    if found.person.id == appointment.practitioner_id:
        own = (
            *([appointment.room_id] if appointment.room_id else []),
            *(use.resource_id for use in found.uses),
        )
    return assign(found.answer.situation, found.person.id, found.start, found.answer.own, preferred=own)


def _goes_home(appointment: Appointment, found: _Asked, now: datetime) -> bool:
    """Whether the patient, who is here, comes again, on another day or so much later that nobody waits for it: the visit is one
    that is booked, and they are told and reminded.
    """
    if appointment.status is not Status.ARRIVED or found.start == appointment.from_cell:
        return False
    starts_at = instant_of(found.start)
    waits = found.start < appointment.from_cell or starts_at <= now + _WAITS_HERE
    return not (waits and statuses.is_today(found.clinic.times, starts_at, now))


def _here_since(appointment: Appointment, found: _Asked, now: datetime) -> datetime | None:
    stays = appointment.status is not Status.BOOKED and not _goes_home(appointment, found, now)
    return appointment.arrived_at if stays else None


def refuse_settled(appointment: Appointment) -> None:
    """Refuses visits that have no place any more."""
    if appointment.status not in _HAS_A_PLACE:
        raise NotChangeable(visit_status=appointment.status.value)


def _refuse_clash(session: Session, who: Who, appointment: Appointment, found: _Asked, now: datetime) -> None:
    taken = found.taken
    if not taken:
        return
    if Taken.PATIENT_ELSEWHERE in taken:
        other = elsewhere(session, found.clinic, appointment, found.start, found.end)
        if other is not None:
            raise PatientElsewhere(**other)
    raise Clash(
        with_=in_the_way_at(
            session,
            found.clinic,
            who,
            appointment,
            found.answer,
            found.person.id,
            found.start,
            taken,
            now,
        )
    )


def _breaches(found: _Asked, appointment: Appointment) -> tuple[Breach, ...]:
    """The rules that the new place breaks, but for those that the visit breaks already where it stands."""
    breaches = found.latitude.breaches_at(found.start)
    if not found.stays:
        return breaches
    return tuple(code for code in breaches if code not in OF_THE_START | _broken_already(found, appointment))


def _breaches_of_the_patient(
    session: Session, clinic: Clinic, appointment: Appointment, found: _Asked, now: datetime
) -> tuple[Breach, ...]:
    """On another day, or of another kind of care, the payer may have to be asked first who needn't be where it stands, and a plan
    may have too little rest from it that has enough.
    """
    on, was = clinic.times.local_date, clinic.visit_type_by_id[appointment.visit_type_id]
    there = Planned(instant_of(found.start), found.wish.visit_type.modality.slug)
    here = Planned(appointment.starts_at, was.modality.slug)
    if on(there.starts_at) == on(here.starts_at) and there.modality == here.modality:
        return ()
    patient, plan = appointment.patient_id, appointment.plan_id
    asks = asks_first(session, clinic, patient, [there], now, {appointment.reference: here})
    near = is_near_a_plan(session, clinic, patient, there, here, of_plan=plan)
    return (*([Breach.BEYOND_COVERAGE] if asks else []), *([Breach.NEAR_PLAN] if near else []))


def _broken_already(found: _Asked, appointment: Appointment) -> frozenset[Breach]:
    """What the visit breaks where it stands, as it is."""
    ask, wish = found.answer, found.wish
    if wish.visit_type.id != appointment.visit_type_id:
        return frozenset()
    here = replace(
        ask.situation,
        practitioners=(replace(found.latitude.person, shape=wish.current),),
        rooms=tuple(room for room in ask.situation.rooms if room.id == appointment.room_id),
    )
    codes = set(latitudes(here, ask.own)[found.person.id].breaches_at(appointment.from_cell))
    # Of another room it is asked anew.
    of_the_room = {Breach.TURNOVER, Breach.OTHER_ROOM_KIND}
    return frozenset(codes if here.rooms else codes - of_the_room)


def facts_of(answer: Answer, codes: Iterable[Breach]) -> dict[str, Any]:
    """What helps to understand the breaches, by code."""
    facts = answer.situation.circumstances
    known: dict[Breach, dict[str, Any]] = {
        Breach.TOO_SOON: {"earliest": iso_utc(facts.not_before)},
        Breach.BEYOND_HORIZON: {"last_day": facts.last_day.isoformat()},
    }
    return {code.value: known[code] for code in codes if code in known}


def _take_type(appointment: Appointment, place: Place, found: _Asked) -> None:
    """Keeps type and own minutes, where they were chosen."""
    if found.wish.visit_type.id != appointment.visit_type_id:
        appointment.visit_type_id = found.wish.visit_type.id
        appointment.phase_minutes = None
    if place.phase_minutes is not None:
        appointment.phase_minutes = list(place.phase_minutes)


def _moved(
    clinic: Clinic, before: states.Snapshot, appointment: Appointment, uses: Iterable[Use], tell: bool
) -> dict[str, Any]:
    """What a history shows: where from and where to, in names."""
    people, types = clinic.practitioner_by_id, clinic.visit_type_by_id
    rooms = {room.id: room.name for room in clinic.rooms}
    return {
        "from": iso_utc(instant_of(before["from_cell"])),
        "to": iso_utc(appointment.starts_at),
        "from_practitioner": people[before["practitioner_id"]].slug,
        "to_practitioner": people[appointment.practitioner_id].slug,
        "from_room": rooms.get(before["room_id"]),
        "to_room": rooms.get(appointment.room_id or 0),
        "from_devices": _devices(clinic, (Use(*use) for use in before["uses"])),
        "to_devices": _devices(clinic, uses),
        "from_minutes": (before["to_cell"] - before["from_cell"]) * CELL_MINUTES,
        "to_minutes": (appointment.to_cell - appointment.from_cell) * CELL_MINUTES,
        "from_type": types[before["visit_type_id"]].name,
        "to_type": types[appointment.visit_type_id].name,
        "tell": tell and appointment.status is Status.BOOKED,
    }


def _devices(clinic: Clinic, uses: Iterable[Use]) -> str:
    taken = {use.resource_id for use in uses}
    return ", ".join(device.name for device in clinic.devices if device.id in taken)


def _preview(
    session: Session,
    who: Who,
    appointment: Appointment,
    found: _Asked,
    now: datetime,
    stale: StaleEdit | None,
) -> Preview:
    clinic, taken = found.clinic, found.taken
    other = None
    if Taken.PATIENT_ELSEWHERE in taken:
        other = elsewhere(session, clinic, appointment, found.start, found.end)
    # The patient's other visit is named once, as theirs.
    besides = [code for code in taken if not (other and code is Taken.PATIENT_ELSEWHERE)]
    clash = in_the_way_at(
        session, clinic, who, appointment, found.answer, found.person.id, found.start, besides, now
    )
    room_made = _making_room(session, who, clinic, appointment, found, now, lock=False)
    found, breaches = room_made.asked, room_made.breaches
    visit = _assigned(appointment, found) if not taken else None
    starts_at, ends_at = instant_of(found.start), instant_of(found.end)
    told, owed = _told(session, clinic, appointment, found, starts_at, ends_at, now)
    return Preview(
        reference=appointment.reference,
        version=appointment.version,
        starts_at=starts_at,
        ends_at=ends_at,
        practitioner=found.person.slug,
        room=next((one.slug for one in clinic.rooms if visit and one.id == visit.room), None),
        devices=tuple(one.slug for one in clinic.devices if visit and one.id in visit.devices),
        phase_minutes=tuple(phase.cells * CELL_MINUTES for phase in found.latitude.person.shape.phases),
        channel=told.channel,
        address=told.address,
        subject=told.subject,
        text=told.text,
        due_at=told.due_at,
        to_call=told.to_call,
        owed=owed,
        unheard=told.unheard,
        here_since=_here_since(appointment, found, now),
        comes_again=_goes_home(appointment, found, now),
        breaches=tuple(breaches),
        clash=tuple(clash),
        elsewhere=other,
        facts=room_made.facts,
        stale=stale,
    )


def _told(
    session: Session,
    clinic: Clinic,
    appointment: Appointment,
    found: _Asked,
    starts_at: datetime,
    ends_at: datetime,
    now: datetime,
) -> tuple[wording.Words, bool]:
    """The words that would go, if any would, and whether they go whatever staff choose."""
    same = found.stays and ends_at == appointment.ends_at
    booked = appointment.status is Status.BOOKED or _goes_home(appointment, found, now)
    starts = [starts_at, appointment.starts_at]
    way = notices.way_of_clinic(clinic, appointment, now, starts_at, starts, moves=not found.stays)
    if same or way is None or not booked:
        return wording.NOTHING, False
    known = notices.known_of(appointment, clinic)
    to_be = notices.known_as(starts_at, ends_at, found.person.slug)
    with_plan = notices.waiting_with_plan(session, appointment, known)
    waits = [*with_plan, *notices.waiting(session, appointment, now)]
    news = notices.news_of(session, appointment, known, waits, to_be, now)
    if news is None or news.unheard:
        return wording.UNHEARD if news else wording.NOTHING, False
    owed = news.owed or whom_to_call.to_be_called_about(session, appointment, now)
    visit = replace(
        shaped(clinic, appointment), starts_at=starts_at, ends_at=ends_at, practitioner=found.person
    )
    if news.kind == "confirmation":
        return wording.of_confirmation(clinic, visit, way, news.facts), owed
    return wording.of_change(clinic, visit, news.facts, way), owed
