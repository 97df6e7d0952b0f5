"""The clinic as pages and use cases see it: one frozen snapshot, read whole and kept while its version stands.

The rows are few and change seldom, so a process reads them once and then asks for the version only. The snapshot is
the bridge between rows and the pure core: it has the zone, the rules, and each practitioner's shape of each visit.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from babel import Locale
from flask import current_app
from sqlalchemy import select
from sqlalchemy.orm import Session

from booking.errors import ClinicNotReady, NotFound
from booking.formatting import Times
from booking.models import (
    BookableBy,
    Clinic as ClinicRow,
    DatedWorkingHours,
    Device,
    Modality as ModalityRow,
    Offering as OfferingRow,
    PlanTemplate as PlanTemplateRow,
    Practitioner as PractitionerRow,
    PriceShown,
    Room as RoomRow,
    VisitKind,
    VisitType as VisitTypeRow,
    WorkingHours,
)
from booking.scheduling.hours import DatedHours, Hours
from booking.scheduling.plans.course import Course
from booking.scheduling.situation import Limit
from booking.scheduling.timeline import CELL_MINUTES
from booking.scheduling.visit import Pad, Phase, Shape
from booking.services.lookup import Lookup
from booking.services.transaction import reading


@dataclass(frozen=True)
class Modality:
    id: int
    slug: str
    name: str
    summary: str
    symbol: str


@dataclass(frozen=True)
class PhaseOf:
    """A phase as people speak of it; the engine has its own."""

    name: str
    minutes: int
    practitioner: bool
    room: bool
    device_kinds: tuple[str, ...]


@dataclass(frozen=True)
class VisitType:
    id: int
    slug: str
    name: str
    modality: Modality
    kind: VisitKind
    summary: str
    on_request: bool
    price_cents: int | None
    price_shown: PriceShown
    bring: str
    arrive_early_minutes: int
    tell_us: str
    phases: tuple[PhaseOf, ...]
    room_kinds: tuple[str, ...]
    pause: Pad
    turnover: Pad
    buffers_within_hours: bool
    notice: timedelta
    cut_off: timedelta
    reminder_days: tuple[int, ...]

    @property
    def minutes(self) -> int:
        return sum(phase.minutes for phase in self.phases)

    def shape(self, minutes: tuple[int, ...] | None = None) -> Shape:
        """What the engine needs to know, with a practitioner's own minutes per phase where they differ."""
        return Shape(
            phases=tuple(
                Phase(
                    cells=(own or phase.minutes) // CELL_MINUTES,
                    practitioner=phase.practitioner,
                    room=phase.room,
                    devices=frozenset(phase.device_kinds),
                )
                for phase, own in zip(self.phases, minutes or (None,) * len(self.phases), strict=True)
            ),
            room_kinds=self.room_kinds,
            pause=self.pause,
            turnover=self.turnover,
            buffers_within_hours=self.buffers_within_hours,
        )


@dataclass(frozen=True)
class Offering:
    """That a practitioner offers a visit type, and how."""

    visit_type: str
    bookable_by: BookableBy
    takes_new: bool
    shape: Shape

    @property
    def minutes(self) -> int:
        return self.shape.length * CELL_MINUTES


@dataclass(frozen=True)
class Practitioner:
    id: int
    slug: str
    name: str
    credentials: str
    profile: str
    room_order: tuple[int, ...]
    at_once: int
    hours: tuple[Hours, ...]
    dated_hours: tuple[DatedHours, ...]
    offerings: Mapping[str, Offering]


@dataclass(frozen=True)
class Thing:
    """A room or a device."""

    id: int
    slug: str
    name: str
    kind: str


@dataclass(frozen=True)
class PlanTemplate:
    """What plans are made from. `self_service`: patients may begin it by themselves."""

    id: int
    slug: str
    name: str
    summary: str
    self_service: bool
    course: Course


@dataclass(frozen=True)
class TextRules:
    """When and how often the clinic itself may begin a text."""

    starts: time
    ends: time
    a_day: int
    a_week: int


@dataclass(frozen=True)
class Clinic:
    """Everything about the clinic that changes by its file only. Of one version, for one process."""

    version: int
    name: str
    message_name: str
    zone: ZoneInfo
    address: tuple[str, ...]
    arrival: str
    phone: str
    phone_hours: str
    mailbox: str
    welcome: str
    privacy: str
    policies: str
    cancellation: str
    policy_version: str
    text_consent: str
    text_consent_version: str
    step_cells: int
    horizon_days: int
    visits_without_staff: int
    # What practitioners see of colleagues' days: "busy" (free or busy, no names) or "nothing".
    colleagues: str
    # To whom visits give way that nobody has decided on: "first_visits" (and the desk), "desk" or "nobody".
    penciled_gives_way_to: str
    # What a plan that a patient begins is until a practitioner confirms it, but for first visits: "penciled" or "firm".
    plans_patients_begin: str
    # Who sends the link to times that make up for a missed visit: "desk" or "worker".
    make_up_sent_by: str
    limits: tuple[Limit, ...]
    text_rules: TextRules
    # When somebody on a plan gets the list of their next week: a weekday, Monday is 0, and a time on the wall.
    digest: tuple[int, time]
    hours: tuple[Hours, ...]
    dated_hours: tuple[DatedHours, ...]
    modalities: tuple[Modality, ...]
    visit_types: Mapping[str, VisitType]
    practitioners: Mapping[str, Practitioner]
    plan_templates: Mapping[str, PlanTemplate]
    # Those that the clinic has no more as well: past visits speak of them.
    visit_type_by_id: Mapping[int, VisitType]
    practitioner_by_id: Mapping[int, Practitioner]
    rooms: tuple[Thing, ...]
    devices: tuple[Thing, ...]
    locale: Locale

    @cached_property
    def times(self) -> Times:
        return Times(self.zone, self.locale)

    @cached_property
    def visit_type_slugs(self) -> Mapping[int, str]:
        """Slugs of visit types by their ids."""
        return {visit_type.id: visit_type.slug for visit_type in self.visit_types.values()}

    @cached_property
    def visit_types_ever(self) -> Mapping[str, VisitType]:
        """By their slugs, those that the clinic has no more as well: plans that are over speak of them."""
        return {visit_type.slug: visit_type for visit_type in self.visit_type_by_id.values()}

    def visit_type(self, slug: str) -> VisitType:
        """Raises NotFound."""
        try:
            return self.visit_types[slug]
        except KeyError:
            raise NotFound from None

    def practitioner(self, slug: str) -> Practitioner:
        """Raises NotFound."""
        try:
            return self.practitioners[slug]
        except KeyError:
            raise NotFound from None

    def plan_template(self, slug: str) -> PlanTemplate:
        """Raises NotFound."""
        try:
            return self.plan_templates[slug]
        except KeyError:
            raise NotFound from None

    def person(self, slug: str | None) -> Practitioner | None:
        """Whoever has this name or had it: those that the clinic has no more as well."""
        everybody = (one for one in self.practitioner_by_id.values() if one.slug == slug)
        return self.practitioners.get(slug or "") or next(everybody, None)

    def who_offers(self, visit_type: VisitType, audience: BookableBy) -> tuple[Practitioner, ...]:
        """Those with whom this audience may book it, by name. Staff may book all, links what patients may, and more.

        A first visit is for new patients, so it is offered by those only who take some; staff decide for themselves.
        """
        meant_for_new = visit_type.kind is VisitKind.FIRST and audience is not BookableBy.STAFF
        open_to = {
            BookableBy.PATIENTS: (BookableBy.PATIENTS,),
            BookableBy.LINK: (BookableBy.PATIENTS, BookableBy.LINK),
            BookableBy.STAFF: tuple(BookableBy),
        }[audience]
        return tuple(
            person
            for person in self.practitioners.values()
            if (offering := person.offerings.get(visit_type.slug))
            and offering.bookable_by in open_to
            and (offering.takes_new or not meant_for_new)
        )


# Marks the session of a transaction that changes the clinic's own rows.
CHANGES_CLINIC = "changes the clinic"

_VERSION = select(ClinicRow.version)  # Asked by every request, so put together once.
_VERSION_NOW = Lookup(_VERSION)


def the_clinic(session: Session) -> Clinic:
    """The clinic as it is now. Raises ClinicNotReady when none has been set up."""
    return at_version(session, session.connection().scalar(_VERSION))


def present() -> Clinic:
    """The clinic as it is now, for pages. Raises ClinicNotReady when none has been set up."""
    found = _VERSION_NOW()
    known = kept_at(found.version) if found is not None else None
    if known is not None:
        return known
    with reading() as session:
        return the_clinic(session)


def kept() -> Clinic | None:
    """The clinic as this process saw it last, if it did, for whoever asks for its version together with something else."""
    found: Clinic | None = current_app.extensions.get("booking_clinic")
    return found


def kept_at(version: int | None) -> Clinic | None:
    """The same, if it is the clinic of this version."""
    found = kept()
    return found if found is not None and found.version == version else None


def missing_pages() -> list[str]:
    """Which pages that a provider must show are missing, in words; nothing when all are there."""
    try:
        clinic = present()
    except ClinicNotReady:
        return [
            "No clinic has been set up, so there is no privacy notice to show. Run: flask clinic apply FILE"
        ]
    pages = {"privacy": clinic.privacy, "policies": clinic.policies, "cancellation": clinic.cancellation}
    return [
        f"The clinic's file has no {name}; patients must be able to read it."
        for name, words in pages.items()
        if not words.strip()
    ]


def at_version(session: Session, version: int | None) -> Clinic:
    """The snapshot of this version, which the caller has just read."""
    if version is None:
        raise ClinicNotReady
    found = kept_at(version)
    if found is None:
        found = _read(session)
        # A version that the reading transaction itself has made may be rolled back, and come again with other rows.
        if found.version == version and not session.info.get(CHANGES_CLINIC):
            current_app.extensions["booking_clinic"] = found
    return found


def _read(session: Session) -> Clinic:
    row = session.scalars(select(ClinicRow).execution_options(populate_existing=True)).one()
    modalities = {
        found.id: Modality(found.id, found.slug, found.name, found.summary, found.symbol)
        for found in session.scalars(select(ModalityRow).order_by(ModalityRow.position))
    }
    type_rows = session.scalars(select(VisitTypeRow).order_by(VisitTypeRow.position)).all()
    by_id = {found.id: _visit_type(found, modalities[found.modality_id], row) for found in type_rows}
    rooms = {
        found.slug: Thing(found.id, found.slug, found.name, found.room_kind)
        for found in session.scalars(select(RoomRow).where(RoomRow.active).order_by(RoomRow.name))
    }
    devices = tuple(
        Thing(found.id, found.slug, found.name, found.device_kind)
        for found in session.scalars(select(Device).where(Device.active).order_by(Device.name))
    )
    people = session.scalars(select(PractitionerRow).order_by(PractitionerRow.name)).all()
    weekly = session.scalars(select(WorkingHours).order_by(WorkingHours.weekday, WorkingHours.opens)).all()
    dated = session.scalars(
        select(DatedWorkingHours).order_by(DatedWorkingHours.on, DatedWorkingHours.opens)
    ).all()
    offerings = session.scalars(select(OfferingRow)).all()

    def practitioner(person: PractitionerRow) -> Practitioner:
        mine = [offering for offering in offerings if offering.practitioner_id == person.id]
        return Practitioner(
            id=person.id,
            slug=person.slug,
            name=person.name,
            credentials=person.credentials,
            profile=person.profile,
            room_order=tuple(rooms[slug].id for slug in person.room_order if slug in rooms),
            at_once=person.at_once or row.at_once,
            hours=tuple(
                Hours(h.weekday, h.opens, h.closes) for h in weekly if h.practitioner_id == person.id
            ),
            dated_hours=_dated([h for h in dated if h.practitioner_id == person.id]),
            offerings={
                by_id[offering.visit_type_id].slug: _offering(offering, by_id[offering.visit_type_id])
                for offering in mine
                # What somebody who is gone once offered may not fit the visit type as it is now.
                if person.active and offering.visit_type_id in by_id
            },
        )

    templates = session.scalars(
        select(PlanTemplateRow).where(PlanTemplateRow.active).order_by(PlanTemplateRow.position)
    )
    people_by_id = {person.id: practitioner(person) for person in people}
    active_types = {found.slug: by_id[found.id] for found in type_rows if found.active}
    return Clinic(
        version=row.version,
        name=row.name,
        message_name=row.message_name,
        zone=ZoneInfo(row.zone),
        address=tuple(row.address),
        arrival=row.arrival,
        phone=row.phone,
        phone_hours=row.phone_hours,
        mailbox=row.mailbox,
        welcome=row.welcome,
        privacy=row.privacy,
        policies=row.policies,
        cancellation=row.cancellation,
        policy_version=row.policy_version,
        text_consent=row.text_consent,
        text_consent_version=row.text_consent_version,
        step_cells=row.step_minutes // CELL_MINUTES,
        horizon_days=row.horizon_days,
        visits_without_staff=row.visits_without_staff,
        colleagues=row.colleagues,
        penciled_gives_way_to=row.penciled_gives_way_to,
        plans_patients_begin=row.plans_patients_begin,
        make_up_sent_by=row.make_up_sent_by,
        limits=tuple(Limit(**limit) for limit in row.limits),
        text_rules=TextRules(row.texts_from, row.texts_until, row.texts_a_day, row.texts_a_week),
        digest=_weekly(row.digest),
        hours=tuple(Hours(h.weekday, h.opens, h.closes) for h in row.hours),
        dated_hours=_dated(row.dated_hours),
        modalities=tuple(dict.fromkeys(visit_type.modality for visit_type in active_types.values())),
        visit_types=active_types,
        practitioners={person.slug: people_by_id[person.id] for person in people if person.active},
        plan_templates={
            one.slug: PlanTemplate(
                one.id, one.slug, one.name, one.summary, one.self_service, Course.of(one.course)
            )
            for one in templates
        },
        visit_type_by_id=by_id,
        practitioner_by_id=people_by_id,
        rooms=tuple(rooms.values()),
        devices=devices,
        locale=Locale.parse(current_app.config["BABEL_DEFAULT_LOCALE"]),
    )


def _visit_type(row: VisitTypeRow, modality: Modality, clinic: ClinicRow) -> VisitType:
    notice = row.notice_minutes
    if notice is None and row.kind is VisitKind.FIRST:
        notice = clinic.first_visit_notice_minutes
    return VisitType(
        id=row.id,
        slug=row.slug,
        name=row.name,
        modality=modality,
        kind=row.kind,
        summary=row.summary,
        on_request=row.on_request,
        price_cents=row.price_cents,
        price_shown=row.price_shown,
        bring=row.bring,
        arrive_early_minutes=row.arrive_early_minutes,
        tell_us=row.tell_us,
        phases=tuple(
            PhaseOf(phase.name, phase.minutes, phase.practitioner, phase.room, tuple(phase.device_kinds))
            for phase in row.phases
        ),
        room_kinds=tuple(row.room_kinds),
        pause=_pad(row.pause_before_minutes, row.pause_after_minutes),
        turnover=_pad(row.turnover_before_minutes, row.turnover_after_minutes),
        buffers_within_hours=row.buffers_within_hours,
        notice=timedelta(minutes=clinic.notice_minutes if notice is None else notice),
        cut_off=timedelta(
            minutes=clinic.cut_off_minutes if row.cut_off_minutes is None else row.cut_off_minutes
        ),
        reminder_days=tuple(clinic.reminder_days if row.reminder_days is None else row.reminder_days),
    )


def _offering(row: OfferingRow, visit_type: VisitType) -> Offering:
    minutes = tuple(row.phase_minutes) if row.phase_minutes else None
    return Offering(visit_type.slug, row.bookable_by, row.takes_new, visit_type.shape(minutes))


def _pad(before_minutes: int, after_minutes: int) -> Pad:
    return Pad(before_minutes // CELL_MINUTES, after_minutes // CELL_MINUTES)


def _dated(rows: list) -> tuple[DatedHours, ...]:  # type: ignore[type-arg]
    """Rows of one date together; a row without times says that the day is free of hours."""
    days = dict.fromkeys(row.on for row in rows)
    return tuple(
        DatedHours(
            day, tuple((row.opens, row.closes) for row in rows if row.on == day and row.opens is not None)
        )
        for day in days
    )


_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def _weekly(words: str) -> tuple[int, time]:
    """A time of the week as the clinic's row has it, such as "friday 10:00"."""
    day, at = words.split()
    return _DAYS.index(day), time.fromisoformat(at)
