"""Moving one visit of a plan with all later ones like it: previewed, all at once or not at all, one message."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from booking import clock
from booking.errors import NotFound, StaleEdit, VisitsTaken
from booking.formatting import iso_utc
from booking.models import Actor, Appointment, BookableBy, Plan
from booking.scheduling.hours import instant_at, wall_at
from booking.scheduling.plans.keeping import Fault
from booking.scheduling.reasons import Reason
from booking.scheduling.timeline import cell_at
from booking.services import notices, placing, tasks
from booking.services.availability import locked
from booking.services.clinic import Clinic, Practitioner, the_clinic
from booking.services.desk.owed import any_waits_for_news
from booking.services.idempotency import Answer, Key, once
from booking.services.occupancies import Ignoring
from booking.services.plans import as_told
from booking.services.plans.allowed import refuse_moved_beyond
from booking.services.plans.altering import (
    PATIENT,
    By,
    changed,
    lock_what_they_take,
    may_take,
    note,
    running,
    running_by_link,
    visits_to_change,
)
from booking.services.plans.as_it_was import as_it_is
from booking.services.plans.asking_again import asked_for, kept_of, suffers
from booking.services.plans.besides import near_besides
from booking.services.plans.ground import Wanted, question_of
from booking.services.plans.reading import PlanView, brief
from booking.services.plans.replacing import OFFERED
from booking.services.plans.visits import PlanVisit
from booking.services.plans.wanted import Asked
from booking.services.staff import audit
from booking.services.staff.who import Who


@dataclass(frozen=True)
class Shift:
    """A visit and where it would go; `free` says whether it can be had there, `why` why not, where that is known. `late`: its
    patient moves it no more, whatever is free. `refused`: it was to be moved there, and couldn't, which nothing that may be
    shown says.
    """

    visit: PlanVisit
    starts_at: datetime
    practitioner: Practitioner
    free: bool
    why: Reason | None = None
    late: bool = False
    refused: bool = False


@dataclass(frozen=True)
class Shifts:
    """What moving a visit and all later ones would do. `broken`: what the plan wouldn't keep any more. `partly`: those that
    can't be moved may stay. `better`: where this visit would begin so that all can be moved and the plan is kept, the nearest
    first; looked for where not all can.
    """

    shifts: tuple[Shift, ...]
    broken: tuple[Fault, ...]
    partly: bool = False
    better: tuple[datetime, ...] = ()

    @property
    def going(self) -> tuple[Shift, ...]:
        """Those that are moved."""
        return tuple(one for one in self.shifts if one.free or not self.partly)

    @property
    def possible(self) -> bool:
        return bool(self.going) and all(one.free for one in self.going)


@dataclass(frozen=True)
class Openings:
    """Where a visit could go with all later ones like it. `best`: one time a day of its week at which all of them can be had and
    the plan is kept. `days`, `minutes`: of that week and of the day, where at least one can be had; at others none can.
    """

    best: tuple[datetime, ...]
    days: tuple[date, ...]
    minutes: tuple[int, ...]


def alike(plan: PlanView, visit: PlanVisit, now: datetime) -> list[PlanVisit]:
    """This visit, and the later ones of its kind on its weekday at its time, that are still ahead."""
    zone = plan.clinic.zone

    def slot(one: PlanVisit) -> tuple[str, int, time]:
        local = one.starts_at.astimezone(zone)
        return one.care.slug, local.weekday(), local.time()

    return [
        one
        for one in plan.standing
        if one.starts_at >= visit.starts_at and one.starts_at > now and slot(one) == slot(visit)
    ]


def preview(
    plan: PlanView,
    reference: str,
    starts_at: datetime,
    practitioner: str | None,
    audience: BookableBy,
    *,
    partly: bool = False,
    refused: Collection[str] = (),
) -> Shifts:
    """What it would do to move this visit to `starts_at`, and all later ones like it by as much, or, `partly`, those of them
    that can be. `practitioner` None is each visit's own. `refused`: references of visits that couldn't be moved there when it was
    tried. Patients don't move what is past its cut-off. Raises NotFound.
    """
    visit, now = _standing(plan, reference), clock.now()
    person = plan.clinic.practitioner(practitioner) if practitioner else None
    asked = asked_for(plan, audience)
    shifts = []
    for one in alike(plan, visit, now):
        to = _shifted(plan, visit, starts_at, one)
        whom = person or one.practitioner
        if _is_late(one, audience, now):
            shifts.append(Shift(one, to or one.starts_at, whom, free=False, late=True))
            continue
        inside = to is not None and asked.ground.holds(plan.clinic.times.local_date(to))
        wanted = Wanted(one.visit_type.slug, whom.id, cell_at(to)) if to and inside else None
        free = wanted is not None and asked.ground.for_moved(wanted, one.id) is not None
        why = asked.ground.why_not_moved(wanted, one.id) if wanted and not free else None
        again = free and one.reference in refused
        shifts.append(Shift(one, to or one.starts_at, whom, free and not again, why, refused=again))
    found = Shifts(tuple(shifts), (), partly)
    going = [one for one in shifts if not one.late]
    # Where something is in the way of which nothing is known, nobody can say when all can be moved.
    known = not any(one.refused for one in going) and not all(one.free for one in going)
    better = _better(asked, plan, visit, starts_at, going)[:OFFERED] if known else ()
    return replace(found, broken=_broken(asked, plan, found.going), better=better)


def openings(plan: PlanView, reference: str, audience: BookableBy) -> Openings:
    """Where a visit could go with all later ones like it, each with whom it has now. Raises NotFound."""
    visit, now = _standing(plan, reference), clock.now()
    asked = asked_for(plan, audience)
    going = [
        Shift(one, one.starts_at, one.practitioner, free=True)
        for one in alike(plan, visit, now)
        if not _is_late(one, audience, now)
    ]
    days, minutes = [], set()
    for day in range(visit.week * 7, visit.week * 7 + 7):
        free = set().union(*_free_for_each(asked, plan, day - _day(plan, visit), going, always=True))
        if free:
            days.append(plan.first_day + timedelta(days=day))
            minutes |= free
    best = _better(asked, plan, visit, visit.starts_at, going) if going else []
    return Openings(tuple(sorted(best)), tuple(days), tuple(sorted(minutes)))


def own_visit_there(plan: PlanView, one: Shift) -> PlanVisit | None:
    """Which other visit of the plan is where this one would go."""
    ends_at = one.starts_at + _length(one.visit)
    return next(
        (
            other
            for other in plan.standing
            if other != one.visit and other.starts_at < ends_at and one.starts_at < other.ends_at
        ),
        None,
    )


def shift(
    who: Who,
    reference: str,
    visit: str,
    starts_at: datetime,
    practitioner: str | None,
    reason: str = "",
    *,
    beyond: str = "",
    partly: bool = False,
    tell: bool = True,
    version: int | None = None,
    key: str,
) -> Shifts:
    """Moves a visit and all later ones like it, or, `partly`, those of them that can be, in one transaction and one message.
    `beyond`: why all the same, where the payer is to be asked first. Who still waits to hear of an earlier change by us is told
    also without `tell`.

    Raises VisitsTaken with those that can't be had, BeyondCoverage, NotChangeable, StaleEdit, NotFound, KeyReused.
    """
    change = preview(brief(who, reference), visit, starts_at, practitioner, BookableBy.STAFF, partly=partly)

    def action(session: Session) -> Answer:
        plan = running(session, who, reference, version)
        _carry_out(session, plan, change, By.staff(who, reason, beyond), BookableBy.STAFF, tell=tell)
        audit.did(session, who, "moved plan", f"plan/{reference}", plan.patient_id)
        return {}

    content = ["shift", reference, visit, iso_utc(starts_at), practitioner, reason, tell, partly, beyond]
    once(Key.of(who.key, key, content), action)
    return change


def shift_by_link(
    reference: str,
    token: str,
    visit: str,
    starts_at: datetime,
    *,
    refused: Collection[str] = (),
    version: int | None = None,
    actor: str,
    key: str,
) -> Shifts:
    """Moves a visit and all later ones like it as their patient wished: those that can be, in one transaction and one message.
    What is past its cut-off stays, and so do those that were `refused` there before.

    Raises VisitsTaken with those that can't be had, BeyondCoverage, NotChangeable, StaleEdit, NotFound, KeyReused.
    """
    shown = as_told.by_link(reference, token)
    change = preview(shown, visit, starts_at, None, BookableBy.LINK, partly=True, refused=refused)

    def action(session: Session) -> Answer:
        plan = running_by_link(session, reference, token, version)
        _carry_out(session, plan, change, PATIENT, BookableBy.LINK, tell=True)
        return {}

    content = ["shift", reference, visit, iso_utc(starts_at), *sorted(refused)]
    once(Key.of(actor, key, content), action)
    return change


# Parts


def _standing(plan: PlanView, reference: str) -> PlanVisit:
    visit = plan.that_stands(reference)
    if visit is None:
        raise NotFound
    return visit


def _is_late(visit: PlanVisit, audience: BookableBy, now: datetime) -> bool:
    return audience is not BookableBy.STAFF and not visit.may_change(now)


def _carry_out(
    session: Session, plan: Plan, change: Shifts, by: By, audience: BookableBy, *, tell: bool
) -> None:
    """Moves what goes, all of it, and tells of it. The plan is locked."""
    now, clinic = clock.now(), the_clinic(session)
    was = as_it_is(session, plan) if by.actor is Actor.STAFF else None
    rows = {one.reference: one for one in visits_to_change(session, plan)}
    going = [(rows[one.visit.reference], one) for one in change.going if one.visit.reference in rows]
    if any(row.version != one.visit.version for row, one in going):
        raise StaleEdit(shown=None, now={"status": plan.status.value})
    moved = [row for row, _ in going]
    tell = tell or any_waits_for_news(session, clinic, moved, now)
    knew, people = notices.as_known(clinic, moved), [one.practitioner for _, one in going]
    lock_what_they_take(session, moved, may_take(clinic, plan, people))
    if going and not by.beyond:
        modality = going[0][1].visit.visit_type.modality.slug
        there = {row.reference: (row.starts_at, one.starts_at) for row, one in going}
        refuse_moved_beyond(session, plan, there, modality, now, audience)
    lost = [
        one for row, one in going if not _moved(session, clinic, plan, row, one, by, audience, now, tell=tell)
    ]
    if lost or not going:
        raise VisitsTaken(lost=[_named(one) | {"replacements": []} for one in lost])
    changed(session, plan, "moved", by, now, was=was, visits=len(going))
    notices.plan_changed(session, clinic, plan, moved, now, knew, tell=tell)


def _shifted(plan: PlanView, visit: PlanVisit, starts_at: datetime, one: PlanVisit) -> datetime | None:
    """When a later visit begins if this one is moved so: by as many days, at the same time of the wall clock. None where no
    clock shows that time.
    """
    zone = plan.clinic.zone
    to = starts_at.astimezone(zone)
    days = (to.date() - visit.starts_at.astimezone(zone).date()).days
    on = one.starts_at.astimezone(zone).date() + timedelta(days=days)
    return instant_at(on, to.time(), zone)


def _broken(asked: Asked, plan: PlanView, shifts: Iterable[Shift]) -> tuple[Fault, ...]:
    """What the plan wouldn't keep any more, also of its rest from visits besides."""
    there = [
        (one.visit, replace(one.visit, starts_at=one.starts_at, ends_at=one.starts_at + _length(one.visit)))
        for one in shifts
    ]
    broken = suffers(plan, {one.reference: (one.starts_at, one.ends_at) for _, one in there})
    others = asked.wanted.elsewhere
    for before, after in there:
        broken += near_besides(plan, others, kept_of(plan, before), kept_of(plan, after))
    return tuple(broken)


def _length(visit: PlanVisit) -> timedelta:
    return visit.ends_at - visit.starts_at


def _better(
    asked: Asked, plan: PlanView, visit: PlanVisit, wished: datetime, shifts: Sequence[Shift]
) -> tuple[datetime, ...]:
    """When this visit would begin, in its week and one time a day, so that all can be moved and the plan is kept; the nearest
    first.
    """
    zone = plan.clinic.zone
    found = []
    for day in range(visit.week * 7, visit.week * 7 + 7):
        minutes = _free_for_all(asked, plan, day - _day(plan, visit), shifts)
        on = plan.first_day + timedelta(days=day)
        starts = [at for minute in minutes if (at := instant_at(on, wall_at(minute), zone))]
        for at in sorted(starts, key=lambda at: abs(_minute(at, zone) - _minute(wished, zone))):
            going = [replace(one, starts_at=_shifted(plan, visit, at, one.visit) or at) for one in shifts]
            if at != visit.starts_at and not _broken(asked, plan, going):
                found.append(at)
                break
    return tuple(sorted(found, key=lambda at: abs(at - wished)))


def _free_for_all(asked: Asked, plan: PlanView, days: int, shifts: Sequence[Shift]) -> set[int]:
    """At which minutes of their days all of these could begin, each so many days later than it does now."""
    free = _free_for_each(asked, plan, days, shifts)
    return set.intersection(*free) if free else set()


def _free_for_each(
    asked: Asked, plan: PlanView, days: int, shifts: Sequence[Shift], *, always: bool = False
) -> list[set[int]]:
    """The same for each of them alone; `always`, also when the patient said that they can't come."""
    found = []
    for one in shifts:
        day, visit_type = _day(plan, one.visit) + days, one.visit.visit_type
        choices = asked.choices(visit_type, day, always=always) if 0 <= day < len(asked.days) else ()
        found.append({choice.starts for choice in choices if choice.person == one.practitioner.id})
    return found


def _day(plan: PlanView, visit: PlanVisit) -> int:
    """On which day of the plan a visit is."""
    return (plan.clinic.times.local_date(visit.starts_at) - plan.first_day).days


def _minute(at: datetime, zone: ZoneInfo) -> int:
    local = at.astimezone(zone)
    return local.hour * 60 + local.minute


def _moved(
    session: Session,
    clinic: Clinic,
    plan: Plan,
    row: Appointment,
    one: Shift,
    by: By,
    audience: BookableBy,
    now: datetime,
    *,
    tell: bool,
) -> bool:
    """Moves one visit, which is locked with all that it leaves and takes; False where it can't be had there."""
    question = question_of(
        clinic, one.visit.visit_type.slug, [one.practitioner.slug], audience, limited=plan.is_limited
    )
    offers = locked(
        session, question, one.starts_at, now, ignoring=Ignoring(appointment_id=row.id),
        patient_id=plan.patient_id,
    )  # fmt: skip
    place = offers.assigned(one.practitioner.id, cell_at(one.starts_at))
    if place is None:
        return False
    known = notices.known_of(row, clinic)
    placing.move(session, row, place)
    row.version += 1
    row.changed_at = now
    session.flush()
    facts = {
        "from": known["old_starts_at"],
        "to": iso_utc(row.starts_at),
        "from_practitioner": known["old_practitioner"],
        "to_practitioner": one.practitioner.slug,
    }
    note(session, row, "moved", by, tell=tell, **facts)
    tasks.moved(session, clinic, row, now)
    return True


def _named(one: Shift) -> dict[str, object]:
    return {
        "reference": one.visit.reference,
        "visit_type": one.visit.visit_type.slug,
        "starts_at": iso_utc(one.starts_at),
        "practitioner": one.practitioner.slug,
    }
