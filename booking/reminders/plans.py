"""Messages about a whole plan: whether they are still true, and what they say.

They are read from the plan's visits as they stand when the message goes, not as they were when it was written; what was decided
and is yet to be told they don't say. Like all messages they name times and people, never a treatment.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.orm import Session

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

    `moved`: each with what is other than before, in words. `added`, `firm`: what a change did, in order, as far as it is still so.
    `called_off`: the cancelled visits, as they were known. `this_week`: a digest that was late. `own_links`: to each
    of the visits, where they are reminded of one by one.
    """

    visits: tuple[Visit, ...]
    link: str
    practitioner: str
    moved: tuple[tuple[Visit, str], ...] = ()
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
    def cancelled(self) -> tuple[Visit, ...]:
        """Those of the cancelled visits in whose place no other stands."""
        begin = {one.starts_at for one in self.visits}
        return tuple(one for one in self.called_off if one.starts_at not in begin)

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
    stands, all_of_them = {one.id: one for one in standing}, {one.id: one for one in visits}
    knew: notices.Knew = message.facts.get(notices.KNEW, {})
    off = {str(one.id): None for one in visits if one.status is Status.CANCELLED}
    found = notices.news(knew, off | {str(one.id): notices.known_visit(one) for one in standing}, now)
    known = {
        number: _as_known(clinic, all_of_them[number], knew[str(number)] or {})
        for number in (*found.moved, *found.cancelled)
    }
    called_off = _in_order(known[number] for number in found.cancelled)
    # What is booked at the time of one that was called off takes its place.
    before = {one.starts_at: one for one in called_off}
    new = _in_order(stands[number] for number in found.added)
    changed = [*(stands[number] for number in found.moved), *(one for one in new if one.starts_at in before)]
    return AboutPlan(
        standing,
        link,
        name,
        moved=tuple(
            (one, _changed(clinic, one, known.get(one.id) or before[one.starts_at]))
            for one in _in_order(changed)
        ),
        added=tuple(one for one in new if one.starts_at not in before),
        firm=_in_order(stands[number] for number in found.firm),
        called_off=called_off,
    )


def _as_told(
    session: Session, clinic: Clinic, plan: Plan, visits: Sequence[Visit], now: datetime
) -> tuple[Visit, ...]:
    """Those ahead as their patient knows them: without what was decided and waits to be told, in their calendar as well. Of a plan
    that was stopped since nothing stands.
    """
    waits = notices.yet_to_hear(session, plan) if plan.status is not PlanStatus.STOPPED else {}
    found: dict[datetime, Visit] = {}
    for one in sorted(visits, key=lambda one: one.changed_at):
        there = notices.known_visit(one) if one.is_ahead(now) else None
        number = str(one.id)
        known = waits.get(number, there) if one.status in (Status.BOOKED, Status.CANCELLED) else None
        # What begins by the end of tomorrow is shown as it is, as on their page.
        if number in waits and there is not None and notices.is_soon(session, now, one.starts_at):
            known = there
        if known is None:
            continue
        shown = one
        if there is None or not notices.same_place(known, there):
            shown = replace(_as_known(clinic, one, known), status=Status.BOOKED, sequence=one.sequence - 1)
        if shown.is_ahead(now):
            found[shown.starts_at] = replace(shown, penciled=known["penciled"])
    return tuple(found[at] for at in sorted(found))


def next_start(session: Session, message: Message, now: datetime) -> datetime | None:
    """When the next of the visits begins, or began until then, of which a change of a plan tells; None where all are past."""
    knew: notices.Knew = message.facts[notices.KNEW]
    visits = session.scalars(
        select(Appointment).where(Appointment.id.in_(map(int, knew)), Appointment.status == Status.BOOKED)
    )
    starts = [
        *(one.starts_at for one in visits),
        *(notices.begins(known) for known in knew.values() if known),
    ]
    return min((start for start in starts if start > now), default=None)


def _as_known(clinic: Clinic, visit: Visit, known: Mapping[str, Any]) -> Visit:
    return replace(wording.as_heard(clinic, visit, known), penciled=known["penciled"])


def _in_order(visits: Iterable[Visit]) -> tuple[Visit, ...]:
    return tuple(sorted(visits, key=lambda one: (one.starts_at, one.id)))


def _changed(clinic: Clinic, visit: Visit, knew: Visit) -> str:
    """What is other of a visit than they knew it, or the one in whose place it is, in words."""
    said = [wording.news(clinic, visit, notices.known_visit(knew)).said]
    if knew.id != visit.id:
        said.append(_("It is booked anew at the same time, with a new link."))
    return " ".join(one for one in said if one)


def _is_named(clinic: Clinic, visit: Visit, first: date, last: date) -> bool:
    """Whether a digest of these days names a visit: nobody is reminded of what is only penciled in."""
    on = clinic.times.local_date(visit.starts_at)
    return first <= on <= last and not visit.penciled and visit.cannot_come_at is None


def visits_of_plan(session: Session, clinic: Clinic, plan: Plan) -> list[Visit]:
    rows = session.scalars(
        select(Appointment).where(Appointment.plan_id == plan.id).order_by(Appointment.from_cell)
    )
    return [shaped(clinic, row) for row in rows]
