"""Tomorrow's list by mail, the evening before, to whoever wishes it: initials and times only, and a link to the page.

The worker asks `write_due` again and again; a list is written once for an account and a day. What it says is read when
it is sent.
"""

from dataclasses import dataclass
from datetime import date, time, timedelta

from flask import current_app
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from booking import clock
from booking.models import Message, Role, StaffAccount
from booking.scheduling.hours import day_at
from booking.scheduling.status import Status
from booking.scheduling.timeline import Window, instant_of
from booking.services import notices
from booking.services.clinic import Clinic, Practitioner, the_clinic
from booking.services.own_day.day import OwnVisit, visits_between
from booking.services.transaction import reading, run

AT = time(18)
KIND = "tomorrow"


@dataclass(frozen=True)
class Tomorrow:
    """A day's list. `link` leads to the page with names, behind the sign-in."""

    on: date
    visits: tuple[OwnVisit, ...]
    link: str


def write_due() -> int:
    """Writes the lists of tomorrow that are wished and not written yet, from six in the evening on. Returns how many."""
    now = clock.now()
    with reading() as session:
        clinic = the_clinic(session)
        local = clinic.times.local(now)
        if local.time() < AT:
            return 0
        on = local.date() + timedelta(days=1)
        wished = [
            (account.id, account.email)
            for account in session.scalars(select(StaffAccount).where(StaffAccount.tomorrow_by_mail))
            if _wishes(account) and _visits(session, clinic, account, on)
        ]
        subjects = {_subject(account_id, on) for account_id, _ in wished}
        written = set(session.scalars(select(Message.subject).where(Message.subject.in_(subjects))))
    until = instant_of(day_at(on, clinic.zone).to_cell)
    number = 0
    for account_id, email in wished:
        subject = _subject(account_id, on)
        if subject in written:
            continue
        try:
            run(lambda session: notices.own_list(session, subject, KIND, email, now, until))  # noqa: B023
            number += 1
        except IntegrityError:
            # Another worker wrote it at this moment.
            continue
    return number


def still_wished(session: Session, message: Message) -> bool:
    """Whether a list that waits is still wished, at this address."""
    account = session.get(StaffAccount, _read(message)[0])
    return account is not None and _wishes(account) and account.email == message.address


def the_list(session: Session, clinic: Clinic, message: Message) -> Tomorrow | None:
    """What a list says now; None if by now there are no visits."""
    account_id, on = _read(message)
    visits = _visits(session, clinic, session.get_one(StaffAccount, account_id), on)
    link = f"{current_app.config['BOOKING'].base_url}/mine/week/{on.isoformat()}"
    return Tomorrow(on, visits, link) if visits else None


def _wishes(account: StaffAccount) -> bool:
    return account.active and account.tomorrow_by_mail and Role.PRACTITIONER in account.role_names


def _visits(session: Session, clinic: Clinic, account: StaffAccount, on: date) -> tuple[OwnVisit, ...]:
    person: Practitioner | None = clinic.practitioner_by_id.get(account.practitioner_id or 0)
    if person is None:
        return ()
    day = day_at(on, clinic.zone)
    visits, _ = visits_between(session, clinic, person, Window.of(day.from_cell, day.to_cell))
    return tuple(visit for visit in visits if visit.status is not Status.CANCELLED)


def _subject(account_id: int, on: date) -> str:
    return f"{KIND}/{account_id}/{on.isoformat()}"


def _read(message: Message) -> tuple[int, date]:
    _, account_id, on = message.subject.split("/")
    return int(account_id), date.fromisoformat(on)
