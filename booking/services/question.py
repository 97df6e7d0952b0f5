"""What somebody asks for: a visit type, with one practitioner or anyone, as one audience may book it."""

from dataclasses import dataclass
from typing import NamedTuple

from booking.errors import NotOffered
from booking.models import Appointment, BookableBy, VisitKind
from booking.scheduling.rules import PATIENT_RULES, STAFF_RULES
from booking.scheduling.situation import Rule
from booking.scheduling.visit import Shape
from booking.services.clinic import Clinic, Practitioner, Thing, VisitType


class Moved(NamedTuple):
    """A visit that is to lie elsewhere: its own time counts as free, it keeps the minutes that staff have given it, and it keeps
    off the other visits of its plan, if it has one.
    """

    appointment_id: int
    phase_minutes: tuple[int, ...] | None
    patient_id: int
    plan_id: int | None

    @classmethod
    def of(cls, appointment: Appointment) -> "Moved":
        own = appointment.phase_minutes
        return cls(appointment.id, tuple(own) if own else None, appointment.patient_id, appointment.plan_id)


@dataclass(frozen=True)
class Question:
    """`wanted` is the practitioner asked for, or None for anyone; `practitioners` are those who may give the visit.

    `horizon_days`: how far ahead it may be, where that isn't what the clinic's rules say. `phase_minutes`: how long it takes,
    where that isn't what its practitioners take. `moved`: the visit that is to be there, if there is one already.
    """

    clinic: Clinic
    visit_type: VisitType
    wanted: Practitioner | None
    practitioners: tuple[Practitioner, ...]
    rooms: tuple[Thing, ...]
    devices: tuple[Thing, ...]
    rules: tuple[Rule, ...]
    audience: BookableBy
    horizon_days: int | None = None
    phase_minutes: tuple[int, ...] | None = None
    moved: Moved | None = None

    def shape_with(self, person: Practitioner) -> Shape:
        """What the visit takes with one of those who may give it."""
        if self.phase_minutes:
            return self.visit_type.shape(self.phase_minutes)
        return person.offerings[self.visit_type.slug].shape

    @property
    def resource_ids(self) -> list[int]:
        """Everybody and everything that the visit may take, but for the patient."""
        return [
            *(person.id for person in self.practitioners),
            *(room.id for room in self.rooms),
            *(device.id for device in self.devices),
        ]

    @property
    def takes_penciled(self) -> bool:
        """Whether visits give way to it that nobody has decided on: to a patient's first one, where the clinic wants it so. One
        that is moved keeps to what is free.
        """
        return (
            self.moved is None
            and self.visit_type.kind is VisitKind.FIRST
            and self.audience is not BookableBy.STAFF
            and self.clinic.penciled_gives_way_to == "first_visits"
        )

    @classmethod
    def of(
        cls,
        clinic: Clinic,
        visit_type: str,
        practitioner: str | None,
        audience: BookableBy = BookableBy.PATIENTS,
        moved: Moved | None = None,
    ) -> "Question":
        """Raises NotFound for a name that the clinic doesn't have, NotOffered where this audience may not book it at all.

        A person who doesn't offer it makes a question without practitioners: its answer is empty, with that reason.
        """
        asked = clinic.visit_type(visit_type)
        wanted = clinic.practitioner(practitioner) if practitioner else None
        if wanted is None:
            people = clinic.who_offers(asked, audience)
        else:
            # Whoever names the person has their link; they are on no list of ours.
            by_link = BookableBy.LINK if audience is BookableBy.PATIENTS else audience
            people = tuple(person for person in clinic.who_offers(asked, by_link) if person is wanted)
        if (not people and wanted is None) or (asked.on_request and audience is BookableBy.PATIENTS):
            raise NotOffered
        return cls.with_people(clinic, asked, people, audience, wanted=wanted, moved=moved)

    @classmethod
    def with_people(
        cls,
        clinic: Clinic,
        visit_type: VisitType,
        people: tuple[Practitioner, ...],
        audience: BookableBy,
        *,
        wanted: Practitioner | None = None,
        moved: Moved | None = None,
    ) -> "Question":
        """The same with these people, of whom there may be none, and for a visit type that the clinic may have no more."""
        own = moved.phase_minutes if moved else None
        device_kinds = {kind for phase in visit_type.phases for kind in phase.device_kinds}
        return cls(
            clinic=clinic,
            visit_type=visit_type,
            wanted=wanted,
            practitioners=people,
            rooms=tuple(room for room in clinic.rooms if room.kind in visit_type.room_kinds),
            devices=tuple(device for device in clinic.devices if device.kind in device_kinds),
            rules=STAFF_RULES if audience is BookableBy.STAFF else PATIENT_RULES,
            audience=audience,
            # The clinic may have given its visit type other phases since.
            phase_minutes=own if own and len(own) == len(visit_type.phases) else None,
            moved=moved,
        )
