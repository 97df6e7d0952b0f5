"""What a practitioner or the desk changes of a plan that runs: confirmed, stopped, paused, decided after a reassessment; and what
its patient gives up of it.

Each is one transaction and one message. Who still waits to hear of an earlier change by us is told of a stop or a pause also
without `tell`. Nothing is decided for the practitioner: these keep what they decide, and say
beforehand what it does to which visits (`preview`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum

from sqlalchemy.orm import Session

from booking import clock
from booking.errors import NotChangeable, NotFound, TooLateToChange
from booking.formatting import iso_utc
from booking.models import Appointment, BookableBy, Plan, PlanStatus
from booking.scheduling.plans.course import Course, Phase
from booking.scheduling.plans.keeping import Role, is_gated
from booking.scheduling.plans.windows import Presence
from booking.scheduling.status import Status
from booking.services import notices
from booking.services.clinic import Clinic, the_clinic
from booking.services.desk.owed import any_waits_for_news
from booking.services.idempotency import Answer, Key, once
from booking.services.plans.altering import (
    PATIENT,
    By,
    add,
    changed,
    give_up,
    lock_what_they_take,
    make_firm,
    may_take,
    running,
    running_by_link,
    visits_to_change,
)
from booking.services.plans.as_it_was import AsItWas, as_it_is
from booking.services.plans.frequency import Fitted, next_stage, refuse_unasked
from booking.services.plans.prescribing import refuse_more_than_a_week
from booking.services.plans.reading import PlanView, brief, view
from booking.services.plans.said import GIVEN_UP, TOLD, WENT_ON, cut_short
from booking.services.plans.visits import PlanVisit, look_after, shaped
from booking.services.rows import Row
from booking.services.staff import audit
from booking.services.staff.ownership import plan_for
from booking.services.staff.who import Who


class Decision(StrEnum):
    """What a practitioner decides after a reassessment."""

    CONTINUE = "continue"
    TAPER = "taper"
    STOP = "stop"
    REFER = "refer"


@dataclass(frozen=True)
class Outcome:
    """What a change does, or did, to a plan's visits. `untold`: the patient hears of it when the practitioner has told them."""

    reference: str
    status: str
    cancelled: list[str]
    firm: list[str]
    told: bool


def confirm(who: Who, reference: str, *, version: int | None = None, key: str) -> Outcome:
    """A practitioner agrees to a plan that its patient began by themselves: its visits stand, and one message lists them. Its
    history says whether that was after the examination. Twice is a quiet success. Raises NotChangeable, StaleEdit, NotFound,
    KeyReused.
    """

    def action(session: Session) -> Answer:
        plan, now, clinic = _running(session, who, reference, version)
        if plan.confirmed_at is not None:
            return vars(_outcome(plan, [], [], told=False))
        was = as_it_is(session, plan)
        examined = any(one.came(now) for one in view(session, clinic, plan).standing)
        plan.confirmed_at = now
        visits = _gated_no_more(plan, clinic, visits_to_change(session, plan))
        by = By.staff(who)
        make_firm(session, visits, by, now)
        _changed(session, who, plan, "confirmed", by, now, was, examined=examined)
        notices.plan_changed(session, clinic, plan, visits, now, notices.as_penciled(clinic, visits))
        return vars(_outcome(plan, [], visits, told=True))

    return Outcome(**once(Key.of(who.key, key, ["confirm plan", reference]), action))


def stop(
    who: Who, reference: str, reason: str, *, tell: bool = True, version: int | None = None, key: str
) -> Outcome:
    """Stops a plan: all of its visits ahead are cancelled, and one message says which. Twice is a quiet success. Raises
    NotChangeable, StaleEdit, NotFound, KeyReused.
    """

    def action(session: Session) -> Answer:
        if plan_for(session, who, reference).status is PlanStatus.STOPPED:
            return vars(_outcome(plan_for(session, who, reference), [], [], told=False))
        plan, now, clinic = _running(session, who, reference, version)
        by, was = By.staff(who, reason), as_it_is(session, plan)
        visits = visits_to_change(session, plan)
        tells = tell or any_waits_for_news(session, clinic, visits, now)
        _give_up(session, plan, visits, by, now, missed=True, tell=tells)
        plan.status = PlanStatus.STOPPED
        _changed(session, who, plan, "stopped", by, now, was)
        _tell(session, clinic, plan, visits, [], now, tell=tells)
        return vars(_outcome(plan, visits, [], told=tells))

    return Outcome(**once(Key.of(who.key, key, ["stop plan", reference, reason, tell]), action))


def pause(
    who: Who,
    reference: str,
    first: date,
    last: date,
    reason: str,
    *,
    tell: bool = True,
    version: int | None = None,
    key: str,
) -> Outcome:
    """Gives up the visits from one day to another, both included: travel, illness. Nothing is offered on those days from then
    on; what the doses lack stands on the plan as left, until other times are chosen. Raises NotChangeable, StaleEdit,
    NotFound, KeyReused.
    """

    def action(session: Session) -> Answer:
        plan, now, clinic = _running(session, who, reference, version)
        by, was = By.staff(who, reason), as_it_is(session, plan)
        presence = Presence.of(plan.presence)
        plan.presence = Presence(presence.windows, (*presence.away, (first, last))).as_plain()
        visits = [
            one
            for one in visits_to_change(session, plan)
            if first <= clinic.times.local_date(one.starts_at) <= last
        ]
        tells = tell or any_waits_for_news(session, clinic, visits, now)
        _give_up(session, plan, visits, by, now, missed=True, tell=tells)
        _changed(session, who, plan, "paused", by, now, was, first=first.isoformat(), last=last.isoformat())
        _tell(session, clinic, plan, visits, [], now, tell=tells)
        return vars(_outcome(plan, visits, [], told=tells))

    content = ["pause plan", reference, first.isoformat(), last.isoformat(), reason, tell]
    return Outcome(**once(Key.of(who.key, key, content), action))


def go_on(
    who: Who, reference: str, first: date, reason: str, *, version: int | None = None, key: str
) -> None:
    """The plan goes on from a day on which it would rest: the pause is over before it, and what it took from then on can be made up
    on these days again. No visit is changed, and nobody is written to. Raises NotChangeable where it doesn't rest on this day,
    StaleEdit, NotFound, KeyReused.
    """

    def action(session: Session) -> Answer:
        plan, now, clinic = _running(session, who, reference, version)
        before = view(session, clinic, plan).pauses
        after = cut_short(before, first)
        if after == before:
            raise NotChangeable(visit_status=plan.status.value)
        was, presence = as_it_is(session, plan), Presence.of(plan.presence)
        away = [one for one in presence.away if one in after or one not in before]
        away += [one for one in after if one not in before]
        plan.presence = Presence(presence.windows, tuple(away)).as_plain()
        _changed(session, who, plan, WENT_ON, By.staff(who, reason), now, was, first=first.isoformat())
        return {}

    once(Key.of(who.key, key, ["go on", reference, first.isoformat(), reason]), action)


def cancelled_from(
    plan: PlanView, reference: str, now: datetime
) -> tuple[tuple[PlanVisit, ...], tuple[PlanVisit, ...]]:
    """Of a visit and all later ones those that its patient may cancel, and those past their cut-off, which stay. Raises
    NotFound.
    """
    first = plan.that_stands(reference)
    if first is None:
        raise NotFound
    later = [
        one
        for one in plan.standing
        if one.starts_at >= first.starts_at and one.starts_at > now and one.status is Status.BOOKED
    ]
    return (
        tuple(one for one in later if one.may_change(now)),
        tuple(one for one in later if not one.may_change(now)),
    )


def cancel_from(
    reference: str,
    token: str,
    visit: str,
    reason: str,
    *,
    version: int | None = None,
    actor: str,
    key: str,
) -> None:
    """Cancels a visit of a plan and all later ones, as its patient wished; what is past its cut-off stays. The plan isn't ended
    by it, as somebody prescribed it: what it lacks then is missing, and staff see that its patient gave it up.

    Raises TooLateToChange where none can be cancelled any more, NotChangeable, StaleEdit, NotFound, KeyReused.
    """

    def action(session: Session) -> Answer:
        plan = running_by_link(session, reference, token, version)
        now, clinic = clock.now(), the_clinic(session)
        visits = visits_to_change(session, plan)
        gone, stays = cancelled_from(view(session, clinic, plan), visit, now)
        if not gone:
            until = max((one.change_until for one in stays), default=now)
            raise TooLateToChange(until=iso_utc(until), phone=clinic.phone)
        references, by = {one.reference for one in gone}, PATIENT._replace(why=reason)
        going = [one for one in visits if one.reference in references]
        _give_up(session, plan, going, by, now, missed=True, tell=True)
        since: Row = {"from": iso_utc(gone[0].starts_at)}
        changed(session, plan, GIVEN_UP, by, now, **since)
        _tell(session, clinic, plan, going, [], now, tell=True)
        return {}

    once(Key.of(actor, key, ["cancel from", reference, visit, reason]), action)


def tapers(plan: PlanView) -> bool:
    """Whether they come less often in the stage that is prescribed next, if one is, than until now."""
    course, stage = plan.course, plan.decided_phases + 1
    return stage < len(course.stages) and course.weekly(stage) < course.weekly(stage - 1)


def into_next(plan: PlanView, decision: Decision | None) -> Fitted | None:
    """What a decision to go on would do to the stage that is prescribed next. To continue where that has fewer visits a week is to
    come as often as before. None where nothing is prescribed next, or the plan doesn't go on.
    """
    if decision not in (Decision.CONTINUE, Decision.TAPER):
        return None
    return next_stage(plan, as_before=decision is Decision.CONTINUE and tapers(plan))


def decide(
    who: Who,
    reference: str,
    decision: Decision,
    *,
    note: str = "",
    beyond: str = "",
    told: bool,
    weeks: int | None = None,
    doses: dict[str, tuple[int, int]] | None = None,
    every: int | None = None,
    version: int | None = None,
    key: str,
) -> Outcome:
    """Keeps what a practitioner decided after a reassessment, and acts on it.

    To continue or to taper goes on into the phase that is prescribed next, or in its weeks as often as before (`into_next`): its
    penciled visits become firm, and its weeks become whole. A plan without a next phase goes on for `weeks` with the doses
    prescribed last, and to taper with `doses`: those visits are then proposed and chosen like others. To stop or to refer cancels
    what lies ahead. The patient's message lists which visits stand and which are cancelled, never the decision, and goes only if
    the practitioner has `told` the patient; else it waits until they have (`told_now`). `beyond`: why visits are booked all the
    same where the payer is to be asked first. Raises VisitsTaken, BeyondCoverage, NotChangeable, StaleEdit, NotFound, KeyReused.
    """
    following = into_next(brief(who, reference), decision)

    def action(session: Session) -> Answer:
        plan, now, clinic = _running(session, who, reference, version)
        by, was, course = By.staff(who, note, beyond), as_it_is(session, plan), Course.of(plan.course)
        seen = _is_seen_again(view(session, clinic, plan), now)
        visits = visits_to_change(session, plan)
        cancelled: list[Appointment] = []
        firm: list[Appointment] = []
        added: list[Appointment] = []
        if decision in (Decision.STOP, Decision.REFER):
            cancelled = visits
            _give_up(session, plan, cancelled, by, now, missed=True, tell=told)
            plan.status = PlanStatus.COMPLETED
        else:
            # Who decides how it goes on has agreed to it: what follows needn't wait for that any more.
            if plan.confirmed_at is None or plan.is_limited:
                plan.confirmed_at = now
            plan.decided_phases += 1
            if plan.decided_phases >= len(course.stages):
                refuse_more_than_a_week(clinic, course, doses or {}, course.weeks)
                plan.course = _going_on(course, weeks, doses, every).as_plain()
            elif following:
                plan.course = following.course.as_plain()
            go = {one.reference for one in following.goes} if following else set()
            comes = following.comes if following else ()
            cancelled = [one for one in visits if one.reference in go]
            firm = [one for one in _gated_no_more(plan, clinic, visits) if one.reference not in go]
            lock_what_they_take(
                session, [*cancelled, *firm], may_take(clinic, plan, (one.practitioner for one in comes))
            )
            refuse_unasked(session, clinic, plan, following, by, now)
            _give_up(session, plan, cancelled, by, now, tell=told)
            make_firm(session, firm, by, now)
            coming = [(one, False) for one in comes]
            added = add(session, clinic, plan, coming, by, now, audience=BookableBy.STAFF)
        _changed(session, who, plan, "decided", by, now, was, decision=decision.value, told=told, seen=seen)
        before = notices.told_at_last(session, plan) if told else {}
        if not told:
            plan.untold_since = plan.untold_since or now
        _tell(session, clinic, plan, cancelled, firm, now, added=added, before=before, tell=told)
        return vars(_outcome(plan, cancelled, firm, told=told))

    content = ["decide plan", reference, decision.value, note, told, weeks, doses, every, beyond]
    return Outcome(**once(Key.of(who.key, key, content), action))


def told_now(who: Who, reference: str, *, key: str) -> bool:
    """The patient has been told what was decided: what waited for that goes now, once, as far as it is still so. Says whether
    anything waited. Raises NotFound, KeyReused.
    """

    def action(session: Session) -> Answer:
        plan, now, clinic = (
            plan_for(session, who, reference, for_update=True),
            clock.now(),
            the_clinic(session),
        )
        if plan.untold_since is None:
            return {"waited": False}
        _changed(session, who, plan, TOLD, By.staff(who), now, None)
        notices.plan_changed(session, clinic, plan, [], now, notices.told_at_last(session, plan))
        return {"waited": True}

    return bool(once(Key.of(who.key, key, ["told plan", reference]), action)["waited"])


def preview(
    plan: PlanView, decision: Decision, now: datetime
) -> tuple[tuple[PlanVisit, ...], tuple[PlanVisit, ...]]:
    """Which visits a decision would cancel, and which it would make firm."""
    ahead = plan.ahead(now)
    if decision in (Decision.STOP, Decision.REFER):
        return ahead, ()
    return (), tuple(one for one in ahead if _is_gated_no_more(plan.course, one, plan.decided_phases + 1))


def _going_on(
    course: Course, weeks: int | None, doses: dict[str, tuple[int, int]] | None, every: int | None
) -> Course:
    """The course with one more phase: as was prescribed last, or with other doses or another rhythm."""
    last = course.last_prescribed
    kept = [
        dose._replace(fewest=given[0], most=given[1])
        for dose in last.doses
        if (given := (doses or {}).get(dose.visit_type, (dose.fewest, dose.most)))[1]
    ]
    further = Phase(weeks or last.weeks, tuple(kept) or last.doses, every or last.every)
    return replace(course, phases=(*course.phases, further))


def _is_seen_again(plan: PlanView, now: datetime) -> bool:
    """Whether the look took place upon which is decided next."""
    look = look_after(plan.clinic, plan.first_day, plan.course, plan.standing, plan.decided_phases)
    return look is not None and look.came(now)


def _running(
    session: Session, who: Who, reference: str, version: int | None
) -> tuple[Plan, datetime, Clinic]:
    return running(session, who, reference, version), clock.now(), the_clinic(session)


def _gated_no_more(plan: Plan, clinic: Clinic, visits: list[Appointment]) -> list[Appointment]:
    """The penciled ones of these visits that no decision is waited for any more."""
    course, decided = Course.of(plan.course), plan.decided_phases
    return [one for one in visits if _is_gated_no_more(course, shaped(clinic, plan, one), decided)]


def _is_gated_no_more(course: Course, visit: PlanVisit, decided: int) -> bool:
    """Whether a penciled visit waits for no decision any more, once so many stages are decided upon."""
    return visit.penciled and not is_gated(course, visit.week, visit.role or Role.DOSE, decided)


def _give_up(
    session: Session,
    plan: Plan,
    visits: list[Appointment],
    by: By,
    now: datetime,
    *,
    missed: bool = False,
    tell: bool,
) -> None:
    """Cancels visits of a plan."""
    lock_what_they_take(session, visits)
    give_up(session, visits, by, now, missed=missed, plan=plan.reference, tell=tell)


def _tell(
    session: Session,
    clinic: Clinic,
    plan: Plan,
    gone: list[Appointment],
    firm: list[Appointment],
    now: datetime,
    *,
    added: Sequence[Appointment] = (),
    before: notices.Knew | None = None,
    tell: bool,
) -> None:
    """One message about all visits that are cancelled, or firm from now on, or new, if there are any; and about what
    waited to be told, as they knew it `before`.
    """
    knew = notices.as_known(clinic, gone) | notices.as_penciled(clinic, firm) | notices.never_known(added)
    notices.plan_changed(session, clinic, plan, [*gone, *firm, *added], now, knew | (before or {}), tell=tell)


def _changed(
    session: Session, who: Who, plan: Plan, what: str, by: By, now: datetime, was: AsItWas | None, **facts: object
) -> None:  # fmt: skip
    changed(session, plan, what, by, now, was=was, **facts)
    audit.did(session, who, f"{what} plan", f"plan/{plan.reference}", plan.patient_id)


def _outcome(plan: Plan, cancelled: list[Appointment], firm: list[Appointment], *, told: bool) -> Outcome:
    return Outcome(
        plan.reference,
        plan.status.value,
        [one.reference for one in cancelled],
        [one.reference for one in firm],
        told,
    )
