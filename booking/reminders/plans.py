"""Messages about a whole plan: whether they are still true, and what they say.

They are read from the plan's visits as they stand when the message goes, not as they were when it was written; what was decided
and is yet to be told they don't say. Like all messages they name times and people, never a treatment.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import chain
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.orm import Session

from booking.formatting import iso_utc
from booking.models import Appointment, Message, Plan, PlanStatus
from booking.scheduling.status import Status
from booking.services import digests, notices, wording
from booking.services.clinic import Clinic
from booking.services.plans import links
from booking.services.plans.lacking import still_lacking
from booking.services.plans.reading import view
from booking.services.visits import Visit, shaped

# What a plan has to be for these to be of use.
_WHILE = {"plan-link": PlanStatus.PRESCRIBED, "plan-make-up": PlanStatus.RUNNING}


@dataclass(frozen=True)
class AboutPlan:
    """What a message about a plan has to say. `visits`: those ahead that stand, in order; of a digest those of its week.

    `moved`: each with what is other than before, in words. `cancelled`, `added`, `firm`: what a change did, in order, as far as it
    is still so. `called_off`: the cancelled visits, as they were known. `this_week`: a digest that was late. `own_links`: to each
    of the visits, where they are reminded of one by one.
    """

    visits: tuple[Visit, ...]
    link: str
    practitioner: str
    moved: tuple[tuple[Visit, str], ...] = ()
    cancelled: tuple[datetime, ...] = ()
    added: tuple[Visit, ...] = ()
    firm: tuple[Visit, ...] = ()
    called_off: tuple[Visit, ...] = ()
    this_week: bool = False
    own_links: tuple[str, ...] = ()

    @property
    def named(self) -> tuple[int, ...]:
        """The ids of all visits of which it tells."""
        return tuple(visit.id for visit in (*self.visits, *self.called_off))

    @property
    def given_up(self) -> tuple[tuple[datetime, str], ...]:
        """The times that were cancelled, each with whom, where that is known."""
        names = {one.starts_at: one.practitioner.name for one in self.called_off}
        return tuple((at, names.get(at, "")) for at in self.cancelled)

    @property
    def has_others(self) -> bool:
        """Whether visits stand of which nothing else is said."""
        said = {one.id for one in (*self.added, *self.firm, *(visit for visit, _ in self.moved))}
        return any(one.id not in said for one in self.visits)

    @property
    def only_firm(self) -> bool:
        """Whether nothing else happened than that visits which were penciled in stand now."""
        return bool(self.firm) and not (self.penciled or self.moved or self.cancelled or self.added)

    @property
    def penciled(self) -> bool:
        return any(visit.penciled for visit in self.visits)


def plan_of(session: Session, message: Message) -> Plan | None:
    """The plan that a message is about as a whole; None for a message about something else."""
    if not message.kind.startswith("plan-"):
        return None
    reference = message.subject.split("/")[1]
    return session.scalar(select(Plan).where(Plan.reference == reference))


def untrue(session: Session, clinic: Clinic, message: Message, plan: Plan, now: datetime) -> str | None:
    """Why a message about a plan is no longer true."""
    if message.address not in (plan.email, plan.phone):
        return "The contact was corrected."
    wanted = _WHILE.get(message.kind)
    if wanted and plan.status is not wanted:
        return f"The plan is {plan.status.value}."
    if message.kind == "plan-make-up" and not still_lacking(view(session, clinic, plan), now):
        return "Nothing is to be made up any more."
    if wanted:
        return None
    about = about_plan(session, clinic, message, plan, now)
    if message.kind == "plan-change":
        said = about.moved or about.cancelled or about.added or about.firm
        return None if said else "The visits were changed again."
    return None if about.visits else digests.NOTHING_STANDS


def about_plan(session: Session, clinic: Clinic, message: Message, plan: Plan, now: datetime) -> AboutPlan:
    """What a message about a plan says now."""
    link = links.address(plan.reference, plan.link_number)
    person = clinic.practitioner_by_id.get(plan.prescribed_by or 0)
    visits, name = visits_of_plan(session, clinic, plan), person.name if person else ""
    standing = tuple(one for one in visits if one.is_ahead(now))
    if message.kind == digests.KIND:
        monday = digests.week_of(message.subject)
        days = (monday, monday + timedelta(days=6))
        of_week = tuple(one for one in standing if _is_named(clinic, one, *days))
        return AboutPlan(of_week, link, name, this_week=clinic.times.local_date(now) >= monday)
    if message.kind == "plan-make-up":
        return AboutPlan(standing, links.address_of_times(plan), name)
    standing = _as_told(session, clinic, plan, visits, now)
    facts: dict[str, Any] = message.facts
    begin = {iso_utc(one.starts_at): one for one in standing}
    off = [one for one in visits if one.status is Status.CANCELLED]
    knew = _as_known(session, clinic, facts, (*standing, *off))
    # Whatever the change itself did to it, a visit may have been moved on by itself since.
    new = {*facts.get("added", ())}
    added = [
        one
        for one in standing
        if iso_utc(one.starts_at) in new or (one.id in knew and knew[one.id].starts_at != one.starts_at)
    ]
    left = {knew[one.id].starts_at for one in added if one.id in knew}
    called_off = tuple(knew[one.id] for one in off if one.id in knew and knew[one.id].starts_at not in left)
    # What is booked at the time of one that was called off takes its place.
    before = {one.starts_at: one for one in called_off}
    was = {one.id: known for one in added if (known := knew.get(one.id) or before.get(one.starts_at))}
    gone = [datetime.fromisoformat(at) for at in facts.get("cancelled", ()) if at not in begin]
    return AboutPlan(
        standing,
        link,
        name,
        moved=tuple((one, _changed(clinic, one, was[one.id])) for one in added if one.id in was),
        cancelled=tuple(at for at in gone if at not in left),
        added=tuple(one for one in added if one.id not in was),
        firm=_those(begin, facts.get("firm", ())),
        called_off=called_off,
    )


def _as_told(
    session: Session, clinic: Clinic, plan: Plan, visits: Sequence[Visit], now: datetime
) -> tuple[Visit, ...]:
    """Those ahead as their patient knows them: without what was decided and waits to be told, in their calendar as well. Of a plan
    that was stopped since nothing stands.
    """
    untold = plan.untold if plan.status is not PlanStatus.STOPPED else {}
    _gone, firm, added = notices.times_told(untold).values()
    new = {one.id for one in visits if one.status is Status.BOOKED and iso_utc(one.starts_at) in added}
    changed = [one for one in visits if one.status is Status.CANCELLED or one.id in new]
    knew = _as_known(session, clinic, untold, changed)
    found: dict[datetime, Visit] = {}
    for one in sorted(visits, key=lambda one: one.changed_at):
        shown = one
        if one.id in knew:
            shown = replace(knew[one.id], status=Status.BOOKED, sequence=one.sequence - 1)
        elif one.id in new:
            continue
        if shown.is_ahead(now):
            penciled = one.penciled or iso_utc(one.starts_at) in firm
            found[shown.starts_at] = replace(shown, penciled=penciled)
    return tuple(found[at] for at in sorted(found))


def next_start(message: Message, now: datetime) -> datetime | None:
    """When the next of the visits begins, or began until then, of which a change of a plan tells; None where all are past."""
    told = map(datetime.fromisoformat, chain.from_iterable(notices.times_told(message.facts).values()))
    return min((start for start in told if start > now), default=None)


def _as_known(
    session: Session, clinic: Clinic, facts: Mapping[str, Any], visits: Sequence[Visit]
) -> dict[int, Visit]:
    """Those of these visits, by their ids, that were at a time that is given up, as their patient knew them there: also those that
    were moved on before they heard of it.
    """
    gone, people, whose = facts.get("cancelled", ()), facts.get("knew", {}), facts.get("whose", {})
    moves = notices.moved_from(session, [one.id for one in visits], gone, whose)
    found = {}
    for one in visits:
        move = moves.get(one.id, {})
        at = move.get("from", iso_utc(one.starts_at))
        theirs = at in gone and whose.get(at, one.id) == one.id
        if move or (one.status is Status.CANCELLED and theirs):
            starts_at = datetime.fromisoformat(at)
            person = clinic.practitioner_by_id.get(people.get(at)) or clinic.person(
                move.get("from_practitioner", "")
            )
            found[one.id] = replace(
                one,
                starts_at=starts_at,
                ends_at=starts_at + (one.ends_at - one.starts_at),
                practitioner=person or one.practitioner,
            )
    return found


def _changed(clinic: Clinic, visit: Visit, knew: Visit) -> str:
    """What is other of a visit than they knew it, or the one in whose place it is, in words."""
    known = notices.known_as(knew.starts_at, knew.ends_at, knew.practitioner.slug)
    said = [wording.news(clinic, visit, known).said]
    if knew.id != visit.id:
        said.append(_("It is booked anew at the same time, with a new link."))
    return " ".join(one for one in said if one)


def _those(begin: dict[str, Visit], starts: Sequence[str]) -> tuple[Visit, ...]:
    return tuple(begin[at] for at in starts if at in begin)


def _is_named(clinic: Clinic, visit: Visit, first: date, last: date) -> bool:
    """Whether a digest of these days names a visit: nobody is reminded of what is only penciled in."""
    on = clinic.times.local_date(visit.starts_at)
    return first <= on <= last and not visit.penciled and visit.cannot_come_at is None


def visits_of_plan(session: Session, clinic: Clinic, plan: Plan) -> list[Visit]:
    rows = session.scalars(
        select(Appointment).where(Appointment.plan_id == plan.id).order_by(Appointment.from_cell)
    )
    return [shaped(clinic, row) for row in rows]
