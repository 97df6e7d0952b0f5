"""How often a patient comes, changed from a week on: what goes, what comes, in one transaction and one message."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import combinations, pairwise, product
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from booking import clock
from booking.errors import PlanRulesBroken
from booking.models import BookableBy, Plan
from booking.scheduling.plans.course import Course, Dose, Moved, Phase
from booking.scheduling.plans.keeping import Kept, Role, is_due, look_of, ways
from booking.scheduling.timeline import instant_of
from booking.services import notices
from booking.services.allowances import Planned
from booking.services.clinic import Clinic, VisitType, the_clinic
from booking.services.desk.owed import any_waits_for_news
from booking.services.idempotency import Answer, Key, once
from booking.services.plans.allowed import refuse_beyond
from booking.services.plans.altering import (
    By,
    add,
    as_they_wait,
    changed,
    give_up,
    lock_what_they_take,
    may_take,
    running,
    visits_to_change,
)
from booking.services.plans.as_it_was import as_it_is
from booking.services.plans.asking_again import as_they_stand, asked_for, chosen_of, kept_of
from booking.services.plans.choosing import Chosen, choose
from booking.services.plans.lacking import Missed
from booking.services.plans.make_ups import as_chosen, as_missed
from booking.services.plans.prescribing import refuse_more_than_a_week
from booking.services.plans.proposing import look_for
from booking.services.plans.reading import PlanView, brief, view, weeks_with, with_kinds_of
from booking.services.plans.replacing import instead_of, time_of, usual_times
from booking.services.plans.said import LOOK_BOOKED
from booking.services.plans.visits import PlanVisit, look_after
from booking.services.plans.wanted import LATEST_START, Asked
from booking.services.plans.weeks import Week, not_needed_of
from booking.services.staff import audit
from booking.services.staff.who import Who


@dataclass(frozen=True)
class Fitted:
    """What another course does to a plan: which visits go, which come, and what couldn't be found: doses, and after which stages
    somebody looks again. The weeks that are `too_far` ahead can't be booked yet.
    """

    course: Course
    goes: tuple[PlanVisit, ...]
    comes: tuple[Chosen, ...]
    lacks: tuple[Missed, ...]
    too_far: range
    unseen: tuple[int, ...] = ()


def with_other_doses(
    plan: PlanView,
    from_week: int,
    doses: dict[str, tuple[int, int]],
    audience: BookableBy,
    *,
    every: int | None = None,
) -> Fitted:
    """What it would do to a plan to have other doses from a week on, by visit type, and another rhythm, if `every` says in each of
    how many weeks they come. What goes is what leaves the fewest ways
    where kinds of care are paired, and the others the farthest apart; what comes makes the fewest ways, and lies at times that the
    plan has already, if that can be.
    """
    refuse_more_than_a_week(plan.clinic, plan.course, doses, from_week)
    course = from_week_on(plan.course, from_week, doses, every)
    now = clock.now()
    standing = [one for one in plan.standing if one.role is not Role.REASSESSMENT]
    goes = list(_too_many(plan, course, standing, from_week, now))
    return fitted(plan, course, from_week, goes, audience)


def next_stage(plan: PlanView, *, as_before: bool = False) -> Fitted | None:
    """What it would do to a plan to go on into the stage that is prescribed next: what its weeks lack and nobody has missed is
    booked, and what they have too many goes. None where nothing is prescribed next. `as_before`: as often as until then.
    """
    stage = plan.decided_phases + 1
    if stage >= len(plan.course.stages):
        return None
    weeks, now = plan.course.stages[stage], clock.now()
    whole = plan.course.as_before(stage) if as_before else plan.course
    course = whole.until(weeks.stop)
    standing = [one for one in plan.standing if one.role in (Role.DOSE, Role.FIRST)]
    goes = list(_too_many(plan, course, standing, weeks.start, now))
    return replace(fitted(plan, course, weeks.start, goes, BookableBy.STAFF), course=whole)


def looked_at_again(plan: PlanView) -> Fitted:
    """What it would do to a plan to have somebody look again after each stage that has nobody."""
    asked = asked_for(plan, BookableBy.STAFF, until=_soon(plan))
    found = _with_looks(asked, plan, Fitted(plan.course, (), (), (), range(0)), 0)
    return replace(found, course=plan.course)


def without_look(plan: PlanView, course: Course, visits: Sequence[Kept], weeks: range) -> list[int]:
    """The stages of a course, from the first of these weeks on and not decided upon, after which somebody is to look again as far
    as these go, and nobody of these visits does.
    """
    return [
        stage
        for stage in range(plan.decided_phases, course.looks)
        if course.stages[stage].stop > weeks.start
        and is_due(course, stage, visits, weeks.stop)
        and look_of(course, visits, stage) is None
    ]


def fitted(
    plan: PlanView, course: Course, from_week: int, goes: Sequence[PlanVisit], audience: BookableBy
) -> Fitted:
    """What comes so that a plan has this course from a week on, once some visits are gone."""
    now, plan = clock.now(), with_kinds_of(plan, course)
    asked = asked_for(plan, audience, course, until=_soon(plan))
    found = _with_looks(asked, plan, _filled(asked, plan, from_week, goes), from_week)
    looks = [one for one in _looks_from(plan, asked.course, from_week) if one.starts_at > now]
    if found.lacks and looks:
        # Where a look that is booked leaves no room for what it is to see, it is booked anew.
        again = _with_looks(asked, plan, _filled(asked, plan, from_week, [*goes, *looks]), from_week)
        if len(again.lacks) < len(found.lacks) and len(again.unseen) <= len(found.unseen):
            return again
    return found


def _looks_from(plan: PlanView, course: Course, from_week: int) -> list[PlanVisit]:
    """The looks after the stages from a week on that wait for a decision."""
    stages = range(plan.decided_phases, course.looks)
    looks = (
        look_after(plan.clinic, plan.first_day, course, plan.standing, stage)
        for stage in stages
        if course.stages[stage].stop > from_week
    )
    return list({one.reference: one for one in looks if one}.values())


def _filled(asked: Asked, plan: PlanView, from_week: int, goes: Sequence[PlanVisit]) -> Fitted:
    """What comes so that all weeks from that one on have their doses, once some visits are gone."""
    weeks = weeks_with(plan, asked.course, [one for one in plan.visits if one not in goes])
    others = [chosen_of(plan, one) for one in plan.standing if one not in goes]
    comes: list[Chosen] = []
    lacks: list[Missed] = []
    now = asked.ground.now
    ahead = {one.kept.care for one in others if instant_of(one.wanted.cell) > now}
    due = {care: first for care, (first, _) in plan.firsts_due(now).items() if care.slug not in ahead}
    for week in weeks[from_week : asked.weeks]:
        wanted = list(_never_booked(week, due))
        found = _of_week(asked, plan, wanted, others)
        due = {care: first for care, first in due.items() if not _begins(care, found)}
        others += found
        comes += found
        had = Counter(one.kept.care for one in found)
        for missed in wanted:
            if had[missed.care.slug] <= 0:
                lacks.append(missed)
            had[missed.care.slug] -= 1
    course = asked.wanted.course
    return Fitted(course, tuple(goes), tuple(comes), tuple(lacks), range(asked.weeks, course.weeks))


def _never_booked(week: Week, due: Mapping[VisitType, VisitType]) -> Iterator[Missed]:
    """What a week lacks that was never booked. Of each kind of care of which a first visit is due that one comes first, and the
    others wait for it.
    """
    for dose in week.doses:
        for number in range(dose.never_booked):
            begins = due.get(dose.care)
            yield Missed(
                dose.care, week.number, None, None if number else begins, waits=bool(number and begins)
            )


def _soon(plan: PlanView) -> date:
    """Until when somebody can look again, however long ago the days for that were over."""
    return plan.clinic.times.local_date(clock.now()) + timedelta(days=LATEST_START)


def _with_looks(asked: Asked, plan: PlanView, change: Fitted, from_week: int) -> Fitted:
    """The same with somebody who looks again after each stage from a week on that has nobody, if there is a time."""
    others = [chosen_of(plan, one) for one in plan.standing if one not in change.goes] + [*change.comes]
    unseen = []
    weeks = range(from_week, asked.weeks)
    for stage in without_look(plan, asked.course, [one.kept for one in others], weeks):
        wish = look_for(asked, others, stage)
        if wish is None:
            unseen.append(stage)
        else:
            others += choose(plan.clinic, asked.course, plan.first_day, [wish])
            change = replace(change, comes=(*change.comes, others[-1]))
    return replace(change, unseen=tuple(unseen))


def change_doses(
    who: Who, reference: str, from_week: int, doses: dict[str, tuple[int, int]], reason: str, *,
    every: int | None = None, beyond: str = "", tell: bool = True, version: int | None = None, key: str,
) -> Fitted:  # fmt: skip
    """Changes how often a patient comes from a week on, as `with_other_doses` shows it, in one transaction and one message.
    `beyond`: why all the same, where the payer is to be asked first.

    Raises VisitsTaken, PlanRulesBroken, BeyondCoverage, NotChangeable, StaleEdit, NotFound, KeyReused.
    """
    change = with_other_doses(brief(who, reference), from_week, doses, BookableBy.STAFF, every=every)
    plain = {care: list(dose) for care, dose in doses.items()}
    facts = {"from_week": from_week + 1, "doses": plain, "every": every}
    content = ["change doses", reference, from_week, doses, every, reason, tell, beyond]
    carry_out(
        who, reference, change, "changed doses", By.staff(who, reason, beyond), content, facts,
        tell=tell, version=version, key=key,
    )  # fmt: skip
    return change


def book_looks(
    who: Who, reference: str, reason: str, *, beyond: str = "", tell: bool = True, version: int | None = None,
    key: str,
) -> Fitted:  # fmt: skip
    """Books the looks that a plan lacks, as `looked_at_again` shows it, in one transaction and one message. `beyond`: as above.

    Raises VisitsTaken, BeyondCoverage, NotChangeable, StaleEdit, NotFound, KeyReused.
    """
    change = looked_at_again(brief(who, reference))
    carry_out(
        who, reference, change, LOOK_BOOKED, By.staff(who, reason, beyond),
        ["look", reference, reason, tell, beyond], {}, tell=tell, version=version, key=key,
    )  # fmt: skip
    return change


def carry_out(
    who: Who, reference: str, change: Fitted, what: str, by: By, content: list[Any], facts: dict[str, Any],
    *, tell: bool, version: int | None, key: str,
) -> None:  # fmt: skip
    """Gives up what goes and books what comes, in one transaction and one message. `what`, `facts`: for the plan's history. Who
    still waits to hear of an earlier change by us of what goes is told also without `tell`.
    """

    def action(session: Session) -> Answer:
        now, clinic = clock.now(), the_clinic(session)
        plan = running(session, who, reference, version)
        was, go = as_it_is(session, plan), {one.reference for one in change.goes}
        going = [one for one in visits_to_change(session, plan) if one.reference in go]
        lock_what_they_take(
            session, going, may_take(clinic, plan, (one.practitioner for one in change.comes))
        )
        refuse_unasked(session, clinic, plan, change, by, now)
        tells = tell or any_waits_for_news(session, clinic, going, now)
        give_up(session, going, by, now, plan=plan.reference, tell=tells)
        shown = view(session, clinic, plan)
        coming = as_they_wait(plan, change.course, as_they_stand(shown), change.comes)
        added = add(session, clinic, plan, coming, by, now, audience=BookableBy.STAFF)
        plan.course = change.course.as_plain()
        changed(session, plan, what, by, now, was=was, **facts)
        audit.did(session, who, what, f"plan/{reference}", plan.patient_id)
        knew = notices.as_known(clinic, going) | notices.never_known(added)
        notices.plan_changed(session, clinic, plan, [*going, *added], now, knew, tell=tells)
        return {}

    once(Key.of(who.key, key, content), action)


def refuse_unasked(
    session: Session, clinic: Clinic, plan: Plan, change: Fitted | None, by: By, now: datetime
) -> None:
    """Refuses to book what comes where the payer is to be asked before, and nobody says why it is done all the same. The patient
    is locked.
    """
    if change is None or by.beyond:
        return
    coming = [Planned(instant_of(one.wanted.cell), one.visit_type.modality.slug) for one in change.comes]
    refuse_beyond(session, clinic, plan.patient_id, coming, now, [one.reference for one in change.goes])


def from_week_on(
    course: Course, week: int, doses: dict[str, tuple[int, int]], every: int | None = None
) -> Course:
    """The same course, with other doses from a week on in all phases that have some of the kind; in all, where none of them has;
    where a phase has some only every so many weeks, from the next of those on, unless `every` gives it another rhythm. A further
    week has what is moved there still, unless there are none but such. Raises PlanRulesBroken where nothing is left of a phase.
    """
    pieces: list[tuple[int, Phase]] = []
    before = 0
    for phase in course.phases:
        until = max(0, week - before)
        until = min(phase.weeks, until + -until % (1 if every else phase.every))
        if until:
            until_then = replace(phase, weeks=until, reassessed=phase.reassessed and until == phase.weeks)
            pieces.append((before, until_then))
        if until < phase.weeks:
            pieces.append((before + until, replace(phase, weeks=phase.weeks - until)))
        before += phase.weeks
    further = {one.to for one in course.moved}
    later = [first for first, phase in pieces if first >= week and phase.doses]
    changed = [first for first in later if first not in further] or later
    there = {dose.visit_type for first, phase in pieces if first in changed for dose in phase.doses}
    new = tuple(Dose(care, *dose) for care, dose in doses.items() if care not in there and dose[1])

    def with_others(phase: Phase) -> Phase:
        kept = tuple(
            Dose(one.visit_type, *given)
            for one in phase.doses
            if (given := doses.get(one.visit_type, (one.fewest, one.most)))[1]
        )
        if not kept + new:
            raise PlanRulesBroken(faults=[{"rule": "too_few", "week": week + 1, "care": ""}])
        return replace(phase, doses=kept + new, every=every or phase.every)

    phases = [with_others(phase) if first in changed else phase for first, phase in pieces]
    after = _with_what_was_moved(course, replace(course, phases=tuple(phases), moved=()), week)
    none = {care for care, (_fewest, most) in doses.items() if not most}
    return _with_further_weeks(course, after, [one for one in later if one not in changed], none)


# Parts


def _with_what_was_moved(before: Course, after: Course, from_week: int) -> Course:
    """A week from which visits were moved keeps those that it has left, where it is to have so many."""
    moved: list[Moved] = []
    for one in before.moved:
        visits = one.visits
        if one.week >= from_week:
            left, asked = (course.doses(one.visit_type)[one.week][0] for course in (before, after))
            others = sum(n for week, care, n, _to in moved if (week, care) == (one.week, one.visit_type))
            visits = min(visits, asked - left - others)
        if visits > 0:
            moved.append(one._replace(visits=visits))
    return replace(after, moved=tuple(moved))


def _with_further_weeks(
    before: Course, after: Course, weeks: Collection[int], none: Collection[str]
) -> Course:
    """Of these further weeks, each a phase, what isn't moved there any more goes, and all of a kind of which there is to be
    none.
    """

    def moved(course: Course, week: int, care: str) -> int:
        return sum(one.visits for one in course.moved if (one.to, one.visit_type) == (week, care))

    phases, first = [], 0
    for phase in after.phases:
        if first in weeks:
            fewer = [
                (one, moved(before, first, one.visit_type) - moved(after, first, one.visit_type))
                for one in phase.doses
                if one.visit_type not in none
            ]
            kept = (Dose(one.visit_type, one.fewest - gone, one.most - gone) for one, gone in fewer)
            phase = replace(phase, doses=tuple(one for one in kept if one.most > 0))
        phases.append(phase)
        first += phase.weeks
    return replace(after, phases=tuple(phases))


def _of_week(
    asked: Asked, plan: PlanView, wanted: Sequence[Missed], others: Sequence[Chosen]
) -> list[Chosen]:
    """The best times for what one week is to have besides: as many as can be, on the fewest ways, at times that the plan has. What
    waits for a first visit isn't had without it.

    Each kind of care leads once, on each day on which it can be, and the others follow.
    """
    usual, best = usual_times(others), list[Chosen]()
    of_week = [one.kept for one in others if wanted and one.kept.week == wanted[0].week]
    whole = Counter(one.care for one in of_week) + Counter(one.care.slug for one in wanted)

    def cost(found: Sequence[Chosen]) -> tuple[int, int, int]:
        on_ways = ways(asked.course, [*of_week, *(one.kept for one in found)])
        return len(wanted) - len(found), on_ways, sum(time_of(one) not in usual for one in found)

    for lead in dict.fromkeys(one for one in wanted if not one.waits):
        following = list(wanted)
        following.remove(lead)
        for first in _times(asked, plan, lead, others, most=7):
            found = [first]
            for one in following:
                if not one.waits or _begins(one.care, found):
                    found += _times(asked, plan, one, [*others, *found], most=1)
            if not best or cost(found) < cost(best):
                best = found
            if cost(best) <= (0, max(whole.values()), 0):
                return best
    return best


def _begins(care: VisitType, visits: Iterable[Chosen]) -> bool:
    return any(one.kept.care == care.slug and one.kept.role is Role.FIRST for one in visits)


def _times(asked: Asked, plan: PlanView, missed: Missed, others: Sequence[Chosen], most: int) -> list[Chosen]:
    """Times for one more visit of a kind, the best first."""
    lost = as_missed(asked, plan, missed, others)
    found = instead_of(asked, lost, others, most, rather_as=others) if lost else []
    return [as_chosen(plan, missed, one) for one in found]


def _too_many(
    plan: PlanView, course: Course, visits: Sequence[PlanVisit], from_week: int, now: datetime
) -> Iterator[PlanVisit]:
    """Visits ahead beyond the most of their weeks: the same weekday goes in all of them, if that can be. What the week before
    lacks they make up for: so many stay.
    """
    for week in range(from_week, course.weeks):
        of_week = [one for one in visits if one.week == week and one.care.slug in plan.course.kinds]
        past = [one for one in of_week if one.starts_at <= now]
        choices = []
        for care in plan.course.kinds:
            ahead = [one for one in of_week if one.care.slug == care and one not in past]
            most = _most(plan, course, care, visits, week) - sum(one.care.slug == care for one in past)
            choices.append(list(combinations(ahead, max(0, min(most, len(ahead))))))
        kept = _best_to_keep(plan, course, past, choices)
        yield from (one for one in of_week if one not in past and one not in kept)


def _most(plan: PlanView, course: Course, care: str, visits: Iterable[PlanVisit], week: int) -> int:
    """How many visits of a kind of care a week may have, with those that make up for the week before."""
    weekly = course.doses(care)
    if not week:
        return weekly[week][1]
    own = (
        one
        for one in visits
        if one.care.slug == care and plan.made_up.get(one.reference, one.week) == one.week
    )
    had = (
        sum(one.week == week - 1 for one in own)
        + not_needed_of(course, plan.visits, plan.not_needed)[week - 1, care]
    )
    return weekly[week][1] + max(0, weekly[week - 1][0] - had)


def _best_to_keep(
    plan: PlanView,
    course: Course,
    past: Sequence[PlanVisit],
    choices: Iterable[Iterable[tuple[PlanVisit, ...]]],
) -> tuple[PlanVisit, ...]:
    """Of all choices, one for each kind of care, those with the first visits of a kind, on the fewest ways, and with the longest
    rest between any two of a kind.
    """

    def worth(chosen: tuple[tuple[PlanVisit, ...], ...]) -> tuple[int, int, int]:
        all_kept = [one for some in chosen for one in some]
        on_ways = ways(course, (kept_of(plan, one) for one in (*past, *all_kept)))
        begun = sum(one.begins for one in all_kept)
        return begun, -on_ways, sum(_rest(some, plan.clinic.zone) for some in chosen)

    best = max(product(*choices), key=worth)
    return tuple(one for some in best for one in some)


def _rest(visits: Sequence[PlanVisit], zone: ZoneInfo) -> int:
    """The fewest days between any two of these visits of one week, across the week's edge as well."""
    days = sorted(one.starts_at.astimezone(zone).date() for one in visits)
    if not days:
        return 0
    apart = [(later - sooner).days for sooner, later in pairwise(days)]
    return min([*apart, 7 - (days[-1] - days[0]).days])
