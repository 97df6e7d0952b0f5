"""Keeping a plan whole: what it lacks is booked, offered to its patient, or said not to be needed.

What is chosen is looked up anew under the lock, and what was lost is proposed anew.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking import clock
from booking.errors import BeyondCoverage, NotFound, PlanRulesBroken, Refusal
from booking.formatting import iso_utc
from booking.models import Appointment, BookableBy, Plan, PlanEntry
from booking.scheduling.plans.course import Course
from booking.scheduling.plans.keeping import Fault, Rule
from booking.scheduling.status import Status
from booking.services import notices
from booking.services.allowances import Planned
from booking.services.clinic import Clinic, the_clinic
from booking.services.idempotency import Answer, Key, once
from booking.services.plans import links
from booking.services.plans.allowed import refuse_beyond
from booking.services.plans.altering import (
    PATIENT,
    By,
    add,
    as_they_wait,
    changed,
    give_up,
    lock_what_they_take,
    may_take,
    refuse_at_rest,
    running,
    visits_to_change,
)
from booking.services.plans.asking_again import as_they_stand, kept_of
from booking.services.plans.besides import may_know, too_near
from booking.services.plans.choosing import Chosen, VisitWish, choose
from booking.services.plans.lacking import in_whose_place, lacking, missed_in, missing
from booking.services.plans.reading import PlanView, view
from booking.services.plans.recording import noted
from booking.services.plans.replacing import breaks
from booking.services.plans.said import ASKED_FOR, MADE_UP, NEEDED, NOT_NEEDED, OFFERED_MAKE_UP
from booking.services.plans.visits import PlanVisit
from booking.services.staff import audit
from booking.services.staff.ownership import plan_for
from booking.services.staff.who import Who
from booking.services.transaction import run


def take(
    reference: str, token: str, week: int, care: str, starts_at: datetime, practitioner: str, *,
    replaces: datetime | None = None, actor: str, key: str,
) -> str:  # fmt: skip
    """Books what a patient chose of the times for a visit that their plan lacks; returns its reference. `replaces`: when the visit
    begins that was shown to give its place; no other one is given up.

    Raises VisitsTaken, PlanRulesBroken for a time that isn't one of those, NotChangeable, NotFound, KeyReused; BeyondCoverage
    where staff are to be asked first, who find on their list which time it is.
    """

    def action(session: Session) -> Answer:
        plan = links.plan_by_link(session, reference, token, clock.now(), for_update=True)
        return _take(session, plan, week, care, starts_at, practitioner, replaces, PATIENT, BookableBy.LINK)

    def asking_staff(refusal: Refusal) -> Refusal:
        if isinstance(refusal, BeyondCoverage):
            run(lambda session: _asked_for(session, reference, token, week, care, starts_at))
        return refusal

    content = ["make up", reference, week, care, starts_at, practitioner, replaces]
    return str(once(Key.of(actor, key, content), action, on_refusal=asking_staff)["reference"])


def take_for(
    who: Who, reference: str, week: int, care: str, starts_at: datetime, practitioner: str, *,
    replaces: datetime | None = None, beyond: str = "", key: str,
) -> str:  # fmt: skip
    """The same by the desk. `beyond`: why it is booked all the same where the payer is to be asked first. Raises as `take`."""

    def action(session: Session) -> Answer:
        plan = plan_for(session, who, reference, for_update=True)
        audit.did(session, who, MADE_UP, f"plan/{reference}", plan.patient_id)
        by = By.staff(who, beyond=beyond)
        return _take(session, plan, week, care, starts_at, practitioner, replaces, by, BookableBy.STAFF)

    content = ["make up", reference, week, care, starts_at, practitioner, replaces, beyond]
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
        shown = view(session, the_clinic(session), plan)
        if not any((one.week, one.care.slug) == (week, care) for one in lacking(shown, now)):
            raise NotFound
        fewest = replace(shown.course, moved=()).doses(care)[week][0]
        entry = changed(
            session, plan, NOT_NEEDED, By.staff(who, why), now, week=week, care=care, fewest=fewest,
            visit=_not_yet_said_of(shown, week, care),
        )  # fmt: skip
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


def _not_yet_said_of(plan: PlanView, week: int, care: str) -> str | None:
    """Which of the visits that a week missed isn't needed: not one of which that was said before, and rather one to which the
    patient didn't come, as they may have come after all.
    """
    before = {one.visit for one in plan.not_needed}
    missed = [one for one in missed_in(plan.weeks[week], care) if one.reference not in before]
    found = max(missed, key=lambda one: (one.status is Status.NOSHOW, one.starts_at), default=None)
    return found.reference if found else None


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
    replaces: datetime | None,
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
    following = in_whose_place(shown, missed, audience, now)
    replaced = following if following and following.starts_at == replaces else None
    week = replaced.week if replaced else week
    others = as_they_stand(shown)
    if replaced:
        del others[kept_of(shown, replaced)]
    broken = breaks(course, list(others), chosen.kept)
    if replaced is None and (replaces or missed.in_place):
        # The visit that was to give its place lies elsewhere by now.
        broken = [Fault(Rule.NOT_OF_THE_PLAN, chosen.kept.week, care)]
    if not 0 <= chosen.kept.week - week <= 1:
        broken = [Fault(Rule.NOT_OF_THE_PLAN, chosen.kept.week, care)]
    if broken:
        raise PlanRulesBroken(faults=[one.facts for one in broken])
    going = _given_up(session, clinic, plan, replaced, chosen, by, now) if replaced else []
    coming = as_they_wait(plan, course, others, [chosen])
    (made,) = add(session, clinic, plan, coming, by, now, audience=audience)
    if not by.beyond and may_know(plan, audience):
        # Asked once the patient is locked: of two at one moment the second one counts the first.
        planned = Planned(starts_at, missed.care.modality.slug)
        refuse_beyond(session, clinic, plan.patient_id, [planned], now, [made.reference])
    if may_know(plan, audience) and too_near(session, clinic, plan, plan.first_day, [chosen.kept]):
        raise PlanRulesBroken(faults=[Fault(Rule.REST_DAYS, chosen.kept.week, care).facts])
    changed(session, plan, MADE_UP, by, now, visit=made.reference, week=week + 1)
    knew = notices.as_known(clinic, going) | notices.never_known([made])
    notices.plan_changed(session, clinic, plan, [*going, made], now, knew)
    return {"reference": made.reference}


def _given_up(
    session: Session, clinic: Clinic, plan: Plan, visit: PlanVisit, chosen: Chosen, by: By, now: datetime
) -> list[Appointment]:
    """Gives up the visit in whose place a first one comes, with all locked that either takes."""
    going = [one for one in visits_to_change(session, plan) if one.reference == visit.reference]
    lock_what_they_take(session, going, may_take(clinic, plan, [chosen.practitioner]))
    give_up(session, going, by, now, plan=plan.reference)
    return going
