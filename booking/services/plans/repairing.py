"""Keeping a plan whole: what it lacks, times that make up for it, and what it would suffer if one visit were elsewhere.

Nothing is held until it is chosen; what is chosen is looked up anew under the lock, and what was lost is proposed anew.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from math import prod
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking import clock
from booking.errors import BeyondCoverage, NotFound, NotOffered, PlanRulesBroken, Refusal
from booking.formatting import iso_utc
from booking.models import Appointment, BookableBy, Plan, PlanEntry, PlanStatus
from booking.scheduling.plans.course import Course
from booking.scheduling.plans.keeping import Fault, Role, Rule
from booking.scheduling.status import Status
from booking.scheduling.timeline import cell_at
from booking.services import notices
from booking.services.allowances import Planned
from booking.services.clinic import Clinic, VisitType, the_clinic
from booking.services.idempotency import Answer, Key, once
from booking.services.plans import links
from booking.services.plans.allowed import refuse_beyond
from booking.services.plans.altering import (
    PATIENT,
    By,
    add,
    as_they_wait,
    begun_at,
    changed,
    give_up,
    lock_what_they_take,
    may_take,
    refuse_at_rest,
    running,
    visits_to_change,
)
from booking.services.plans.asking_again import (
    asked_for,
    chosen_of,
    kept_of,
    near_besides,
    suffers,
    too_near,
)
from booking.services.plans.choosing import Chosen, VisitWish, choose
from booking.services.plans.ground import Wanted
from booking.services.plans.reading import PlanView, PlanVisit, firsts_due, kept_at, view
from booking.services.plans.recording import noted
from booking.services.plans.replacing import OFFERED, Instead, breaks, instead_of
from booking.services.plans.said import ASKED_FOR, MADE_UP, NEEDED, NOT_NEEDED, OFFERED_MAKE_UP
from booking.services.plans.wanted import Asked
from booking.services.staff import audit
from booking.services.staff.ownership import appointment_for, plan_for
from booking.services.staff.who import Who
from booking.services.transaction import reading, run

_LOOKED_AT = 1000
"""So many ways to choose among what is offered of a week are looked at, and then no further times are offered."""


class Missed(NamedTuple):
    """A visit that a plan still lacks: of which kind of care, in which week, and in whose place, if it was booked once.

    `begins`: the visit type with which its kind of care is to begin, where the first visit was missed and nothing took place
    since; `waits` for that first visit to be chosen. `in_place`: no dose lacks it, and the first visit can only take the next
    one's place.
    """

    care: VisitType
    week: int
    visit: PlanVisit | None
    begins: VisitType | None = None
    waits: bool = False
    in_place: bool = False

    @property
    def visit_type(self) -> VisitType:
        """As what it is made up."""
        return self.begins or self.care

    @property
    def role(self) -> Role:
        return Role.FIRST if self.begins else Role.DOSE


@dataclass(frozen=True)
class MakeUp:
    """What a plan lacks, and times that would take its place. `replaces`: the visit that a first one at these times replaces,
    because it would come before it or too near.
    """

    missed: Missed
    times: tuple[Instead, ...]
    replaces: PlanVisit | None = None


def missing(plan: PlanView, now: datetime) -> list[Missed]:
    """All visits that are to be chosen anew, by week: what the plan's weeks lack, of weeks that are over as well; and of each
    kind of care whose first visit was missed that one, before all others.
    """
    found = _lacked(plan, now)
    for care, (begins, was) in firsts_due(plan.clinic, plan.visits, now).items():
        theirs = [number for number, one in enumerate(found) if one.care == care]
        first = next((number for number in theirs if _is_open(plan, found[number], now)), None)
        for number in theirs:
            marks = {"begins": begins} if number == first else {"waits": True}
            found[number] = found[number]._replace(**marks)
        following = _next_of(plan, care, now)
        if first is None and following is not None:
            found.append(Missed(care, following.week, was, begins, in_place=True))
    return sorted(found, key=lambda one: one.week)


def lacking(plan: PlanView, now: datetime) -> list[Missed]:
    """The visits that a plan's weeks lack, those of weeks that are over as well, by week."""
    return [one for one in missing(plan, now) if not one.in_place]


def _lacked(plan: PlanView, now: datetime) -> list[Missed]:
    today = plan.clinic.times.local_date(now)
    found = []
    for week in plan.weeks:
        if week.first > today and not any(dose.missed for dose in week.doses):
            continue
        for dose in week.doses:
            gone = [
                one
                for one in week.visits
                if not one.stands and one.role in (Role.DOSE, Role.FIRST) and one.care == dose.care
            ]
            for number in range(dose.left):
                of = gone[-1 - number] if number < len(gone) else None
                found.append(Missed(dose.care, week.number, of))
    return found


def still_lacking(plan: PlanView, now: datetime) -> list[Missed]:
    """Those of a running plan that can be made up yet: until the end of the week after theirs."""
    if plan.status is not PlanStatus.RUNNING:
        return []
    return [one for one in missing(plan, now) if _is_open(plan, one, now)]


def _is_open(plan: PlanView, missed: Missed, now: datetime) -> bool:
    day = (plan.clinic.times.local_date(now) - plan.first_day).days
    return day < min(missed.week + 2, plan.course.weeks) * 7


def _next_of(plan: PlanView, care: VisitType, now: datetime) -> PlanVisit | None:
    """The next visit of a kind of care that hasn't begun yet."""
    return next(
        (
            one
            for one in plan.standing
            if one.care == care
            and one.role is Role.DOSE
            and one.status is Status.BOOKED
            and one.starts_at > now
        ),
        None,
    )


def in_whose_place(plan: PlanView, missed: Missed, audience: BookableBy, now: datetime) -> PlanVisit | None:
    """The visit that gives its place to a first one, where that can't come before it; patients give up none past its cut-off."""
    following = _next_of(plan, missed.care, now) if missed.begins else None
    if following is None or (audience is not BookableBy.STAFF and not following.may_change(now)):
        return None
    return following


def make_up_times(plan: PlanView, audience: BookableBy) -> list[MakeUp]:
    """For each visit that a plan lacks up to three times that keep days of rest and windows: in its own week, or, where that
    has none, in the next one. Whichever is taken for one of them, all that are offered for the others can still be. Of a kind of
    care that hasn't begun there are times for its first visit only: before the next one, else in its place.
    """
    if plan.status is not PlanStatus.RUNNING:
        return []
    asked = asked_for(plan, audience)
    now = asked.ground.now
    lacks = [one for one in missing(plan, now) if not one.waits]
    others = [chosen_of(plan, one) for one in plan.standing]
    offered = [[one] if one else [] for one in _one_each(asked, plan, lacks, others)]
    for number, missed in enumerate(lacks):
        besides = [
            [as_chosen(plan, lacks[n], one) for one in times]
            for n, times in enumerate(offered)
            if times and n != number
        ]
        firsts = [*others, *(times[0] for times in besides)]
        for time in _times(asked, plan, missed, firsts, most=7):
            one = as_chosen(plan, missed, time)
            if (
                len(offered[number]) < OFFERED
                and all(time.day != there.day for there in offered[number])
                and all(
                    _go_together(asked, one, other, [there for there in firsts if there is not times[0]])
                    for times in besides
                    for other in times
                )
                and _keeps_trips(asked, one, others, besides)
            ):
                offered[number].append(time)
    found = [MakeUp(missed, tuple(times)) for missed, times in zip(lacks, offered, strict=True)]
    return [
        _in_place(asked, plan, one, found, replaced)
        if not one.times and (replaced := in_whose_place(plan, one.missed, audience, now))
        else one
        for one in found
    ]


def take(
    reference: str, token: str, week: int, care: str, starts_at: datetime, practitioner: str, *,
    actor: str, key: str,
) -> str:  # fmt: skip
    """Books what a patient chose of the times for a visit that their plan lacks; returns its reference.

    Raises VisitsTaken, PlanRulesBroken for a time that isn't one of those, NotChangeable, NotFound, KeyReused; BeyondCoverage
    where staff are to be asked first, who find on their list which time it is.
    """

    def action(session: Session) -> Answer:
        plan = links.plan_by_link(session, reference, token, clock.now(), for_update=True)
        return _take(session, plan, week, care, starts_at, practitioner, PATIENT, BookableBy.LINK)

    def asking_staff(refusal: Refusal) -> Refusal:
        if isinstance(refusal, BeyondCoverage):
            run(lambda session: _asked_for(session, reference, token, week, care, starts_at))
        return refusal

    content = ["make up", reference, week, care, starts_at, practitioner]
    return str(once(Key.of(actor, key, content), action, on_refusal=asking_staff)["reference"])


def take_for(
    who: Who, reference: str, week: int, care: str, starts_at: datetime, practitioner: str, *,
    beyond: str = "", key: str,
) -> str:  # fmt: skip
    """The same by the desk. `beyond`: why it is booked all the same where the payer is to be asked first. Raises as `take`."""

    def action(session: Session) -> Answer:
        plan = plan_for(session, who, reference, for_update=True)
        audit.did(session, who, MADE_UP, f"plan/{reference}", plan.patient_id)
        by = By.staff(who, beyond)
        return _take(session, plan, week, care, starts_at, practitioner, by, BookableBy.STAFF)

    content = ["make up", reference, week, care, starts_at, practitioner, beyond]
    return str(once(Key.of(who.key, key, content), action)["reference"])


def offer(who: Who, reference: str, *, key: str) -> bool:
    """Sends the patient the link to the times for what their plan lacks. Says whether there is a way to. Raises NotFound,
    NotChangeable, KeyReused.
    """

    def action(session: Session) -> Answer:
        now, plan = clock.now(), running(session, who, reference, None)
        noted(
            session, plan, OFFERED_MAKE_UP, By.staff(who).actor, now, name=who.name,
            account_id=who.account_id,
        )  # fmt: skip
        audit.did(session, who, OFFERED_MAKE_UP, f"plan/{reference}", plan.patient_id)
        return {"told": notices.make_up_offered(session, plan, now)}

    return bool(once(Key.of(who.key, key, ["offer make-up", reference]), action)["told"])


def not_needed(who: Who, reference: str, week: int, care: str, why: str, *, key: str) -> int:
    """Says of one visit that a plan lacks, and why, that it isn't to be made up: the plan asks for it no more. Nobody is
    written to. Returns the number of what was noted, by which it is taken back (`needed`). Raises NotFound where none of this
    kind is lacking in this week, NotChangeable, KeyReused.
    """

    def action(session: Session) -> Answer:
        now, plan = clock.now(), running(session, who, reference, None)
        lacks = lacking(view(session, the_clinic(session), plan), now)
        if not any((one.week, one.care.slug) == (week, care) for one in lacks):
            raise NotFound
        entry = changed(session, plan, NOT_NEEDED, By.staff(who, why), now, week=week, care=care)
        audit.did(session, who, NOT_NEEDED, f"plan/{reference}", plan.patient_id)
        return {"entry": entry}

    return int(once(Key.of(who.key, key, ["not needed", reference, week, care, why]), action)["entry"])


def needed(who: Who, reference: str, entry: int, *, version: int | None = None, key: str) -> None:
    """Takes back that a visit isn't needed, which was noted under this number: the plan lacks it once more. Twice is a quiet
    success. Raises StaleEdit, NotChangeable, NotFound, KeyReused.
    """

    def action(session: Session) -> Answer:
        now, plan = clock.now(), plan_for(session, who, reference, for_update=True)
        said = _said(session, plan)
        taken_back = next((one for one in said if one.id == entry and one.what == NOT_NEEDED), None)
        if taken_back is None:
            raise NotFound
        if any(one.what == NEEDED and one.facts["entry"] == entry for one in said):
            return {}
        plan = running(session, who, reference, version)
        changed(session, plan, NEEDED, By.staff(who), now, **taken_back.facts, entry=entry)
        audit.did(session, who, NEEDED, f"plan/{reference}", plan.patient_id)
        return {}

    once(Key.of(who.key, key, ["needed", reference, entry]), action)


@dataclass(frozen=True)
class Suffering:
    """What a plan wouldn't keep any more if one of its visits were elsewhere, and times that keep all of it."""

    faults: tuple[Fault, ...]
    better: tuple[Instead, ...]


def suffering(who: Who, reference: str, starts_at: datetime, ends_at: datetime) -> Suffering | None:
    """What the plan of a visit would suffer if that were at another time; None where it wouldn't, or where there is no plan
    that runs. Raises NotFound.
    """
    with reading() as session:
        appointment = appointment_for(session, who, reference)
        plan = session.get(Plan, appointment.plan_id) if appointment.plan_id else None
        if plan is None:
            return None
        found = view(session, the_clinic(session), plan)
    return suffering_of(found, reference, starts_at, ends_at, BookableBy.STAFF)


def suffering_of(
    plan: PlanView, reference: str, starts_at: datetime, ends_at: datetime, audience: BookableBy
) -> Suffering | None:
    """The same of a plan that is seen already."""
    visit = plan.that_stands(reference)
    if visit is None or plan.status is not PlanStatus.RUNNING:
        return None
    there = kept_at(plan.clinic, plan.first_day, starts_at, ends_at, visit.care, visit.role or Role.DOSE)
    broken = suffers(plan, {reference: (starts_at, ends_at)})
    broken += near_besides(plan, kept_of(plan, visit), there, audience)
    if not broken:
        return None
    try:
        better = better_times(plan, visit, audience)
    except NotOffered:
        # The clinic offers no more what the plan asks for besides.
        better = []
    return Suffering(tuple(broken), tuple(better))


def better_times(
    plan: PlanView, visit: PlanVisit, audience: BookableBy, asked: Asked | None = None
) -> list[Instead]:
    """Times for one visit of a plan that keep all of its rules. `asked`: what the plan asks for, where that is known already."""
    others = [chosen_of(plan, one) for one in plan.standing if one.reference != visit.reference]
    return instead_of(asked or asked_for(plan, audience), chosen_of(plan, visit), others)


class TimesThatKeep:
    """Times for visits of several plans that keep their rules, for one visit after the other: none is proposed twice."""

    def __init__(self, audience: BookableBy) -> None:
        self._audience = audience
        self._asked: dict[int, Asked] = {}
        self._proposed: set[tuple[datetime, int]] = set()

    def of(self, plan: PlanView, reference: str) -> tuple[Instead, ...]:
        """For this visit of the plan; none for what the plan asks for no more, or the clinic offers no more."""
        visit = plan.that_stands(reference)
        if visit is None:
            return ()
        if plan.id not in self._asked:
            try:
                self._asked[plan.id] = asked_for(plan, self._audience)
            except NotOffered:
                return ()
        found = [
            one
            for one in better_times(plan, visit, self._audience, self._asked[plan.id])
            if (one.starts_at, one.practitioner.id) not in self._proposed
        ]
        self._proposed |= {(one.starts_at, one.practitioner.id) for one in found}
        return tuple(found)


# Parts


def as_missed(plan: PlanView, missed: Missed, others: Sequence[Chosen]) -> Chosen | None:
    """What is missed, as something that is to be replaced: what was booked once, else like another of its kind."""
    if missed.visit is not None:
        like: Chosen | None = chosen_of(plan, missed.visit)
    else:
        like = next((one for one in others if one.kept.care == missed.care.slug), None)
    if like is None:
        return None
    kept = like.kept._replace(day=missed.week * 7 + like.kept.day % 7, role=missed.role)
    return like._replace(visit_type=missed.visit_type, kept=kept)


def as_chosen(plan: PlanView, missed: Missed, time: Instead) -> Chosen:
    """What is missed, at a time that would take its place."""
    kept = kept_at(plan.clinic, plan.first_day, time.starts_at, time.ends_at, missed.care, missed.role)
    wanted = Wanted(missed.visit_type.slug, time.practitioner.id, cell_at(time.starts_at))
    return Chosen(missed.visit_type, time.practitioner, kept, wanted)


def _in_place(
    asked: Asked, plan: PlanView, missing: MakeUp, offered: Iterable[MakeUp], replaced: PlanVisit
) -> MakeUp:
    """Times at which a first visit takes another one's place, at its own time if that can be, and that go with all others."""
    missed, was = missing.missed, chosen_of(plan, replaced)
    others = [chosen_of(plan, one) for one in plan.standing if one.reference != replaced.reference]
    without = asked.without(replaced.id)
    lost = was._replace(visit_type=missed.visit_type, kept=was.kept._replace(role=missed.role))
    times = [
        time
        for time in instead_of(without, lost, others, most=7)
        if all(
            _go_together(without, as_chosen(plan, missed, time), as_chosen(plan, one.missed, other), others)
            for one in offered
            for other in one.times
        )
    ]
    return MakeUp(missed, tuple(times[:OFFERED]), replaced)


def _one_each(
    asked: Asked, plan: PlanView, lacks: Sequence[Missed], others: Sequence[Chosen]
) -> list[Instead | None]:
    """A time for each visit that is lacking, so that all can be had together: the best ones, or the earliest of each week
    where more of them fit in by that.
    """

    def fitted(best: Callable[[list[Instead]], Instead], most: int) -> list[Instead | None]:
        there, found = list(others), list[Instead | None]()
        for missed in lacks:
            times = _times(asked, plan, missed, there, most)
            found.append(best(times) if times else None)
            there += [as_chosen(plan, missed, best(times))] if times else []
        return found

    def whole(found: list[Instead | None]) -> tuple[int, int]:
        had = [(one, missed.week) for one, missed in zip(found, lacks, strict=True) if one]
        return len(had), sum(one.day // 7 == week for one, week in had)

    found = fitted(lambda times: times[0], 1)
    if len(lacks) == 1 or whole(found) == (len(lacks), len(lacks)):
        return found
    return max(found, fitted(lambda times: min(times, key=lambda one: one.starts_at), 7), key=whole)


def _go_together(asked: Asked, one: Chosen, other: Chosen, others: Iterable[Chosen]) -> bool:
    """Whether both can be had, besides others."""
    if breaks(asked.course, [*(there.kept for there in others), other.kept], one.kept):
        return False
    if one.kept.day != other.kept.day:
        return True
    apart = one.kept.ends <= other.kept.starts or other.kept.ends <= one.kept.starts
    return apart and None not in asked.ground.together([other.wanted, one.wanted])


def _keeps_trips(
    asked: Asked, one: Chosen, others: Iterable[Chosen], besides: Iterable[Sequence[Chosen]]
) -> bool:
    """Whether a time keeps the ways a week of the plan whichever is taken of all others: that isn't said by pairs. Where there are
    too many to be looked at, no.
    """
    if asked.course.most_trips is None:
        return True
    week = one.kept.week
    of_week = [{time.kept if time.kept.week == week else None for time in times} for times in besides]
    if prod(len(times) for times in of_week) > _LOOKED_AT:
        return False
    standing = [there.kept for there in others if there.kept.week == week]
    return not any(
        breaks(asked.course, [*standing, *filter(None, taken)], one.kept) for taken in product(*of_week)
    )


def _times(
    asked: Asked, plan: PlanView, missed: Missed, others: Sequence[Chosen], most: int = OFFERED
) -> list[Instead]:
    lost = None if missed.in_place else as_missed(plan, missed, others)
    if lost is None:
        return []
    found = instead_of(asked, lost, others, most)
    if found or missed.week + 1 >= asked.weeks:
        return found
    next_week = lost._replace(kept=lost.kept._replace(day=lost.kept.day + 7))
    return instead_of(asked, next_week, others, most)


def _said(session: Session, plan: Plan) -> Sequence[PlanEntry]:
    """What was said of a plan's visits that aren't needed, or are after all."""
    wanted = select(PlanEntry).where(PlanEntry.plan_id == plan.id, PlanEntry.what.in_((NOT_NEEDED, NEEDED)))
    return session.scalars(wanted).all()


def _asked_for(
    session: Session, reference: str, token: str, week: int, care: str, starts_at: datetime
) -> None:
    now = clock.now()
    plan = links.plan_by_link(session, reference, token, now)
    noted(session, plan, ASKED_FOR, PATIENT.actor, now, week=week, care=care, starts_at=iso_utc(starts_at))


def _take(
    session: Session,
    plan: Plan,
    week: int,
    care: str,
    starts_at: datetime,
    practitioner: str,
    by: By,
    audience: BookableBy,
) -> Answer:
    now, clinic = clock.now(), the_clinic(session)
    refuse_at_rest(plan)
    shown = view(session, clinic, plan)
    missed = next(
        (one for one in missing(shown, now) if (one.week, one.care.slug) == (week, care) and not one.waits),
        None,
    )
    if missed is None:
        raise NotFound
    course = Course.of(plan.course)
    wish = VisitWish(missed.visit_type.slug, practitioner, starts_at)
    (chosen,) = choose(clinic, course, plan.first_day, [wish])
    others = [kept_of(shown, one) for one in shown.standing]
    broken = breaks(course, others, chosen.kept)
    replaced = in_whose_place(shown, missed, audience, now) if broken or missed.in_place else None
    if replaced is not None:
        week = replaced.week
        others = [kept_of(shown, one) for one in shown.standing if one.reference != replaced.reference]
        broken = breaks(course, others, chosen.kept)
    if not 0 <= chosen.kept.week - week <= 1:
        broken = [Fault(Rule.NOT_OF_THE_PLAN, chosen.kept.week, care)]
    if broken:
        raise PlanRulesBroken(faults=[one.facts for one in broken])
    going = _given_up(session, clinic, plan, replaced, chosen, by, now) if replaced else []
    cancelled = begun_at(going)
    coming = as_they_wait(plan, course, others, [chosen])
    (made,) = add(session, clinic, plan, coming, by, now, audience=audience)
    if not (audience is BookableBy.STAFF and by.why):
        # Asked once the patient is locked: of two at one moment the second one counts the first.
        planned = Planned(starts_at, missed.care.modality.slug)
        refuse_beyond(session, clinic, plan.patient_id, [planned], now, [made.reference])
    if (audience is BookableBy.STAFF or not plan.is_limited) and too_near(
        session, clinic, plan, plan.first_day, [chosen.kept]
    ):
        raise PlanRulesBroken(faults=[Fault(Rule.REST_DAYS, chosen.kept.week, care).facts])
    changed(session, plan, MADE_UP, by, now, visit=made.reference, week=week + 1)
    told = {"added": begun_at([made])} | ({"cancelled": cancelled} if cancelled else {})
    notices.plan_changed(session, clinic, plan, [*going, made], now, told)
    return {"reference": made.reference}


def _given_up(
    session: Session, clinic: Clinic, plan: Plan, visit: PlanVisit, chosen: Chosen, by: By, now: datetime
) -> list[Appointment]:
    """Gives up the visit in whose place a first one comes, with all locked that either takes."""
    going = [one for one in visits_to_change(session, plan) if one.reference == visit.reference]
    lock_what_they_take(session, going, may_take(clinic, plan, [chosen.practitioner]))
    give_up(session, going, by, now, plan=plan.reference)
    return going
