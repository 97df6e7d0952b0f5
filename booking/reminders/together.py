"""What a message says that goes for several visits: see `sharing`."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking.models import Appointment, Channel, Message, Plan
from booking.reminders.plans import AboutPlan, about_plan
from booking.reminders.sharing import CHANGE, FACT
from booking.services import links as visit_links, notices, wording
from booking.services.clinic import Clinic
from booking.services.plans import links
from booking.services.visits import Visit, shaped

DAY = "plan-day"


def about(session: Session, clinic: Clinic, message: Message, now: datetime) -> tuple[str, AboutPlan]:
    """Whose words it goes in, and what it says."""
    noted: dict[str, list[int]] = message.facts[FACT]
    rows = session.scalars(
        select(Appointment).where(Appointment.id.in_(noted["visits"])).order_by(Appointment.from_cell)
    ).all()
    visits = [shaped(clinic, row) for row in rows]
    plan_ids = {row.plan_id for row in rows}
    plan = session.get(Plan, number) if len(plan_ids) == 1 and (number := plan_ids.pop()) else None
    if message.kind.startswith("reminder-"):
        own_links = tuple(visit_links.address(one.reference, one.link_number) for one in visits)
        link = _link(plan, visits[0], message)
        return DAY, AboutPlan(tuple(visits), link, "", own_links=own_links)
    assert plan is not None  # Changes go together within one plan only.
    return CHANGE, _changes(session, clinic, plan, noted["messages"], visits, now)


def _changes(
    session: Session, clinic: Clinic, plan: Plan, messages: list[int], visits: list[Visit], now: datetime
) -> AboutPlan:
    told = session.scalars(select(Message).where(Message.id.in_(messages))).all()
    first = next((one for one in told if one.kind == CHANGE), told[0])
    of_kind: dict[str, list[tuple[Visit, dict[str, Any]]]] = {}
    for visit in visits:
        for one in told:
            if one.appointment_id == visit.id:
                of_kind.setdefault(one.kind, []).append((visit, one.facts))
    # What they never heard of isn't said to be cancelled.
    never = {int(number) for number, known in first.facts.get(notices.KNEW, {}).items() if known is None}
    gone = [
        wording.as_heard(clinic, visit, facts)
        for visit, facts in of_kind.get("cancellation", ())
        if visit.id not in never
    ]
    new = [visit for visit, _ in of_kind.get("confirmation", ())]
    about = about_plan(session, clinic, first, plan, now)
    moved = of_kind.get("change", ())
    told_alone = {visit.id for visit, _ in moved} | {visit.id for visit in new}
    return replace(
        about,
        moved=(
            *(one for one in about.moved if one[0].id not in told_alone),
            *((visit, wording.news(clinic, visit, facts).said) for visit, facts in moved),
        ),
        added=_in_order(
            *(one for one in about.added if one.id not in {visit.id for visit, _ in moved}), *new
        ),
        called_off=_in_order(*about.called_off, *gone),
    )


def _in_order(*visits: Visit) -> tuple[Visit, ...]:
    """Each once."""
    return tuple(sorted({one.id: one for one in visits}.values(), key=lambda one: one.starts_at))


def _link(plan: Plan | None, first: Visit, message: Message) -> str:
    """To all of them where one link opens all, for whoever has the plan; else to the first."""
    if plan is not None and message.address in (plan.email, plan.phone):
        return links.address(plan.reference, plan.link_number)
    address = visit_links.short_address if message.channel is Channel.TEXT else visit_links.address
    return address(first.reference, first.link_number)
