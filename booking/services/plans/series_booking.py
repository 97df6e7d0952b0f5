"""Booking a series: at the desk for a patient, or by the link of a visit for whoever has it.

All its visits are booked or none, by the same use case as a plan (`booking.services.plans.booking`), once per key.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from booking import clock
from booking.errors import NotChangeable
from booking.models import BookableBy, Patient, Payment, PlanReminders, Reminders, VisitKind
from booking.scheduling.status import Status
from booking.services.booking import left_without_staff
from booking.services.clinic import Clinic, VisitType, the_clinic
from booking.services.desk.records import standing
from booking.services.plans import series as looked_at
from booking.services.plans.booking import BookedPlan, book
from booking.services.plans.choosing import PlanWish, VisitWish
from booking.services.plans.series import Preview, Series, Slot
from booking.services.plans.wanted import PlanWanted
from booking.services.staff.who import Who
from booking.services.transaction import reading
from booking.services.visits import Visit, opened, shaped

# At the desk


def preview_for(who: Who, patient: str, series: Series, returning: frozenset[str]) -> Preview:
    """What can be had of a series for this patient. Raises NotFound, RecordMerged, NotOffered."""
    with reading() as session:
        record = standing(session, who, patient)
    return looked_at.preview(series, _wanted_for(record, series, returning))


def book_for(
    who: Who,
    patient: str,
    series: Series,
    visits: Sequence[VisitWish],
    *,
    name: str,
    returning: frozenset[str],
    reminders: Reminders,
    text_consent: bool,
    reminded_of: PlanReminders,
    beyond: str = "",
    key: str,
) -> BookedPlan:
    """Books these visits of a series for a patient. `beyond`: as of `PlanWish`. Raises what `book` raises, RecordMerged."""
    with reading() as session:
        record = standing(session, who, patient)
        wish = PlanWish(
            template="",
            first_day=series.first_day,
            visits=tuple(visits),
            first_name=record.first_name,
            last_name=record.last_name,
            email=record.email,
            phone=record.phone,
            reminders=reminders,
            text_consent=text_consent,
            reminded_of=reminded_of,
            returning=tuple(sorted(returning)),
            audience=BookableBy.STAFF,
            staff=who,
            course=series.course,
            name=name,
            patient_id=record.id,
            beyond=beyond,
        )
    return book(wish, actor=who.key, key=key)


def _wanted_for(record: Patient, series: Series, returning: frozenset[str]) -> PlanWanted:
    return looked_at.wanted_for(series, BookableBy.STAFF, returning=returning, patient_id=record.id)


# By the link of a visit


@dataclass(frozen=True)
class Again:
    """A visit at whose weekday and time its patient may come again, week after week, and at another one besides. `care`: what they
    book then. `most`: how many more visits they may book without staff. `practitioner`: with whom, unless that person gives it
    no more.
    """

    visit: Visit
    care: VisitType
    practitioner: str | None
    most: int
    patient_id: int
    payment: Payment | None

    @property
    def weekday(self) -> int:
        return self._local.weekday()

    def series(self, weeks: int, also: tuple[int, int] | None = None) -> Series:
        """So many weeks of it, from the day after the visit on. `also`: the weekday and the minute of a second one each week."""
        times = [(self.weekday, self._local.hour * 60 + self._local.minute), *([also] if also else [])]
        slots = tuple(Slot(self.care.slug, *time, self.practitioner) for time in times)
        return Series(slots, self._local.date() + timedelta(days=1 if also else 7), weeks)

    @property
    def _local(self) -> datetime:
        return self.visit.starts_at.astimezone(self.visit.clinic.zone)


def may_come_again(visit: Visit) -> bool:
    """Whether there is something that whoever has this visit's link may book week after week."""
    care = ordinary_visit(visit.clinic, visit.visit_type)
    offered = care is not None and bool(visit.clinic.who_offers(care, BookableBy.LINK))
    return offered and not visit.in_plan and visit.status is not Status.CANCELLED


def again(reference: str, token: str) -> Again:
    """What this link lets somebody book again. Raises NotFound, NotChangeable where that is nothing."""
    now = clock.now()
    with reading() as session:
        clinic, appointment = the_clinic(session), opened(session, reference, token, now)
        visit = shaped(clinic, appointment)
        care = ordinary_visit(clinic, visit.visit_type)
        if care is None or not may_come_again(visit):
            raise NotChangeable(visit_status=visit.status.value)
        people = clinic.who_offers(care, BookableBy.LINK)
        person = visit.practitioner.slug if visit.practitioner in people else None
        most = left_without_staff(session, clinic, appointment.email, appointment.phone, now)
        return Again(visit, care, person, most, appointment.patient_id, appointment.payment)


def preview_again(found: Again, series: Series, *, visitor: str | None) -> Preview:
    """What can be had of a series of it. Raises NotOffered."""
    return looked_at.preview(series, _wanted_again(found, series, visitor))


def book_again(
    found: Again,
    series: Series,
    visits: Sequence[VisitWish],
    *,
    name: str,
    policy_version: str,
    visitor: str | None,
    actor: str,
    key: str,
) -> BookedPlan:
    """Books these visits for whoever has the visit, with its contact, its reminders and as it is paid. Raises what `book`
    raises.
    """
    visit, wanted = found.visit, _wanted_again(found, series, visitor)
    wish = PlanWish(
        template="",
        first_day=wanted.first_day,
        visits=tuple(visits),
        first_name=visit.first_name,
        last_name=visit.last_name,
        email=visit.email,
        phone=visit.phone,
        reminders=visit.reminders,
        reminded_of=PlanReminders.EACH,
        payment=found.payment,
        policy_version=policy_version,
        returning=tuple(wanted.returning),
        audience=BookableBy.LINK,
        visitor=visitor,
        course=wanted.course,
        name=name,
        patient_id=found.patient_id,
    )
    return book(wish, actor=actor, key=key)


def _wanted_again(found: Again, series: Series, visitor: str | None) -> PlanWanted:
    """As for somebody whom we don't know: the visit may have been booked with another's name and number."""
    return looked_at.wanted_for(
        series,
        BookableBy.LINK,
        # Whoever begins with this visit has begun by then.
        returning=frozenset({found.care.modality.slug}),
        visitor=visitor,
    )


def ordinary_visit(clinic: Clinic, visit_type: VisitType) -> VisitType | None:
    """What follows on a visit of this type: the same again, or after a first visit the first of its kind of care that isn't
    one; None where there is nothing that anybody may choose.
    """
    alike = (visit_type, *clinic.visit_types.values())
    return next(
        (
            one
            for one in alike
            if one.modality == visit_type.modality
            and one.kind is not VisitKind.FIRST
            and not one.on_request
            and one.slug in clinic.visit_types
        ),
        None,
    )
