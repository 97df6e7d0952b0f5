"""Sending somebody the links of their visits again."""

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking import clock
from booking.models import Appointment, Channel, Message
from booking.scheduling.status import LIVE
from booking.scheduling.timeline import cell_from
from booking.services import notices
from booking.services.transaction import transaction

USEFUL_FOR = timedelta(hours=12)


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
    addresses = {visit.email for visit in visits_of(session, message) if visit.email}
    for address in sorted(addresses):
        notices.links_wanted(session, Channel.EMAIL, address, clock.now(), message.not_after)


def visits_of(session: Session, message: Message) -> list[Appointment]:
    """The upcoming visits that were booked with the contact of a "links" message, soonest first."""
    contact = Appointment.email if message.channel is Channel.EMAIL else Appointment.phone
    return list(
        session.scalars(
            select(Appointment)
            .where(
                contact == message.address,
                Appointment.to_cell > cell_from(clock.now()),
                Appointment.status.in_(LIVE),
            )
            .order_by(Appointment.from_cell)
            .limit(20)
        )
    )
