"""Sending somebody the links of their visits again: of a plan of theirs one link, by which all its visits are seen."""

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, exists, select
from sqlalchemy.orm import Session

from booking import clock
from booking.models import Appointment, Channel, Message, Plan
from booking.scheduling.status import LIVE
from booking.scheduling.timeline import cell_from
from booking.services import links, notices
from booking.services.clinic import Practitioner, the_clinic
from booking.services.plans import links as plan_links
from booking.services.plans.as_told import as_told
from booking.services.transaction import transaction

USEFUL_FOR = timedelta(hours=12)
_MOST = 20


class Linked(NamedTuple):
    """A link, and the next visit that it opens. `more`: so many further ones."""

    starts_at: datetime
    practitioner: Practitioner
    address: str
    more: int = 0


def ask(contact: str) -> None:
    """Queues the links of this contact's upcoming visits, to be sent to the same contact.

    Nothing is looked up here, so a contact that nobody knows costs the same time and gets the same answer.
    """
    now = clock.now()
    channel = Channel.EMAIL if "@" in contact else Channel.TEXT
    with transaction() as session:
        notices.links_wanted(session, channel, contact, now, now + USEFUL_FOR)


def by_mail(session: Session, message: Message) -> None:
    """For a number that no text may go to: the links go to the e-mail addresses on record with its visits."""
    addresses = session.scalars(select(Appointment.email).where(*_upcoming(message)).distinct())
    for address in sorted(one for one in addresses if one):
        notices.links_wanted(session, Channel.EMAIL, address, clock.now(), message.not_after)


def links_of(session: Session, message: Message) -> list[Linked]:
    """What opens the upcoming visits that were booked with the contact of a "links" message, soonest first."""
    clinic, plans = the_clinic(session), _plans(session, message)
    found = [one for plan in plans if (one := _of_plan(session, plan))]
    visits = session.scalars(
        select(Appointment)
        .where(
            *_upcoming(message),
            Appointment.plan_id.is_(None) | Appointment.plan_id.not_in([plan.id for plan in plans]),
        )
        .order_by(Appointment.from_cell)
        .limit(_MOST)
    )
    address = links.short_address if message.channel is Channel.TEXT else links.address
    found += [
        Linked(
            one.starts_at,
            clinic.practitioner_by_id[one.practitioner_id],
            address(one.reference, one.link_number),
        )
        for one in visits
    ]
    return sorted(found, key=lambda one: one.starts_at)[:_MOST]


def _upcoming(message: Message) -> tuple[ColumnElement[bool], ...]:
    return (
        (Appointment.email if message.channel is Channel.EMAIL else Appointment.phone) == message.address,
        Appointment.to_cell > cell_from(clock.now()),
        Appointment.status.in_(LIVE),
    )


def _plans(session: Session, message: Message) -> list[Plan]:
    """The plans that have upcoming visits, and this contact. Not one of which a visit was ever given another: its link shows
    all.
    """
    its, of_visit = (Plan.email, Appointment.email)
    if message.channel is Channel.TEXT:
        its, of_visit = (Plan.phone, Appointment.phone)
    elsewhere = exists().where(Appointment.plan_id == Plan.id, of_visit.is_distinct_from(message.address))
    ahead = select(Appointment.plan_id).where(*_upcoming(message))
    wanted = select(Plan).where(Plan.id.in_(ahead), its == message.address, ~elsewhere)
    return list(session.scalars(wanted.order_by(Plan.id)))


def _of_plan(session: Session, plan: Plan) -> Linked | None:
    """As its patient knows it."""
    now = clock.now()
    ahead = [one for one in as_told(session, plan).visits if one.status in LIVE and one.ends_at > now]
    if not ahead:
        return None
    address = plan_links.address(plan.reference, plan.link_number)
    return Linked(ahead[0].starts_at, ahead[0].practitioner, address, len(ahead) - 1)
