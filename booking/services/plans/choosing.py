"""What somebody wants to book of a plan, and what they chose, in the words of its rules and of the engine."""

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple

from booking.errors import PlanRulesBroken
from booking.formatting import iso_utc
from booking.models import BookableBy, Payment, PlanReminders, Reminders
from booking.scheduling.plans.course import Course
from booking.scheduling.plans.keeping import Kept, Role
from booking.scheduling.plans.windows import Presence
from booking.scheduling.timeline import cell_at, instant_of
from booking.services.clinic import Clinic, Practitioner, VisitType
from booking.services.plans.ground import Wanted, question_of
from booking.services.plans.wanted import first_visit_of
from booking.services.question import Question
from booking.services.staff.who import Who


class VisitWish(NamedTuple):
    """A visit of a plan, as somebody chose it. Names are slugs."""

    visit_type: str
    practitioner: str
    starts_at: datetime


class Agreed(enum.StrEnum):
    """How somebody agreed to a plan that staff prescribe or book. Whoever books by a link agrees by that."""

    IN_PERSON = "in_person"
    TELEPHONE = "telephone"


class Agreement(NamedTuple):
    """The patient's agreement to a plan, as staff record it. `by`: who agreed for them, where it wasn't they."""

    how: Agreed
    by: str = ""

    @property
    def as_plain(self) -> dict[str, str]:
        return {"how": self.how.value, "by": self.by}


@dataclass(frozen=True)
class PlanWish:
    """What somebody wants to book, checked for form by whoever made it.

    `plan`, `token`: of a plan that a practitioner prescribed; its template and what it prescribes are taken from there.
    `presence`, `only`, `wished`, `returning`: as they were asked for, kept for what is found for this plan later.
    `hours_said`: whether `presence` is what the visits were proposed for, or whoever books needn't repeat that.
    `windows_bind`: whether nothing is booked outside of it; pages offer such times in exchange for one visit, and say so.
    `reminded_of`: as was prescribed, if left out; else both. `staff`: who books it, where that isn't the patient.
    `course`, `name`: of a series, which has no template. `patient_id`: whose series it is, where that is known already.
    `beyond`: why staff book it all the same where the payer is to be asked first. `agreed`: that the patient agreed, where staff
    book what was prescribed before.
    """

    template: str
    first_day: date
    visits: tuple[VisitWish, ...]
    first_name: str
    last_name: str
    email: str | None
    phone: str | None
    reminders: Reminders
    text_consent: bool = False
    reminded_of: PlanReminders | None = None
    payment: Payment | None = None
    note: str = ""
    policy_version: str = ""
    presence: Presence = Presence()
    hours_said: bool = True
    windows_bind: bool = True
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    wished: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    returning: tuple[str, ...] = ()
    plan: str | None = None
    token: str | None = None
    audience: BookableBy = BookableBy.PATIENTS
    visitor: str | None = None
    staff: Who | None = None
    course: Course | None = None
    name: str = ""
    patient_id: int | None = None
    beyond: str = ""
    agreed: Agreement | None = None

    def course_of(self, clinic: Clinic) -> Course:
        """What is to be kept, of one that wasn't prescribed. Raises NotFound."""
        return self.course or clinic.plan_template(self.template).course


class Chosen(NamedTuple):
    """A visit that was chosen, in the words of the plan's rules and of the engine."""

    visit_type: VisitType
    practitioner: Practitioner
    kept: Kept
    wanted: Wanted

    @property
    def facts(self) -> dict[str, str]:
        """As the refusal VisitsTaken names it."""
        return {
            "visit_type": self.visit_type.slug,
            "starts_at": iso_utc(instant_of(self.wanted.cell)),
            "practitioner": self.practitioner.slug,
        }


def choose(clinic: Clinic, course: Course, first_day: date, visits: Iterable[VisitWish]) -> list[Chosen]:
    """The visits in order. Raises NotFound for names that the clinic doesn't have, PlanRulesBroken for visits of none of
    the plan's kinds.
    """
    cares = {clinic.visit_type(name).modality.slug: clinic.visit_type(name) for name in course.kinds}
    found = []
    for visit in sorted(visits, key=lambda one: one.starts_at):
        visit_type, person = clinic.visit_type(visit.visit_type), clinic.practitioner(visit.practitioner)
        local = visit.starts_at.astimezone(clinic.zone)
        day, minute = (local.date() - first_day).days, local.hour * 60 + local.minute
        offering = person.offerings.get(visit_type.slug)
        minutes = offering.minutes if offering else visit_type.minutes
        care, modality = cares.get(visit_type.modality.slug), visit_type.modality.slug
        if visit_type.slug in course.reassessment:
            kept = Kept(day, minute, minute + minutes, visit_type.slug, modality, Role.REASSESSMENT)
        elif care is not None and visit_type == care:
            kept = Kept(day, minute, minute + minutes, care.slug, modality, Role.DOSE)
        elif care is not None and visit_type == first_visit_of(clinic, care):
            kept = Kept(day, minute, minute + minutes, care.slug, modality, Role.FIRST)
        else:
            week = day // 7 + 1
            raise PlanRulesBroken(faults=[{"rule": "not_of_the_plan", "week": week, "care": visit_type.slug}])
        found.append(
            Chosen(visit_type, person, kept, Wanted(visit_type.slug, person.id, cell_at(visit.starts_at)))
        )
    return found


def questions_for(
    clinic: Clinic, chosen: Iterable[Chosen], audience: BookableBy, *, limited: bool
) -> dict[str, Question]:
    """What is asked of the engine for these visits: those people, and all rooms and devices that would do. `limited`: whether the
    clinic's limits per patient bind them.
    """
    people: dict[str, set[str]] = {}
    for one in chosen:
        people.setdefault(one.visit_type.slug, set()).add(one.practitioner.slug)
    found = {}
    for name, slugs in people.items():
        # A reassessment comes with its plan only; the others are on the clinic's lists, or come with a person's name.
        found[name] = question_of(clinic, name, sorted(slugs), audience, limited=limited)
    return found
