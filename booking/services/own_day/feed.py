"""A practitioner's calendar as a feed that phones and calendar programs fetch again and again.

Its address is the only key: an HMAC of the account and a number that revoking raises, so no row holds a secret. It says
the least: initials unless names are wished, the room, no treatment. An entry has a UID of its own, not the patient's:
whoever is a patient here as well would else have one entry overwrite the other in their calendar.

It is a calendar, no message between calendars: a METHOD would want an organizer, another DTSTAMP, and a word in the
answer's type. Nor has an entry a CLASS: of one that is private, Google shows "busy" and no more, to its owner too.
"""

import hashlib
import hmac
import re
from base64 import b32encode
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from flask import current_app
from flask_babel import gettext
from icalendar import Calendar, Event
from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from booking import clock
from booking.errors import NotFound
from booking.models import Appointment, Role, StaffAccount
from booking.scheduling.hours import day_at
from booking.scheduling.status import Status
from booking.services.clinic import Clinic, the_clinic
from booking.services.idempotency import Answer, Key, once
from booking.services.own_day.whose import initials, practitioner_of
from booking.services.own_day.zone import timezone
from booking.services.staff import audit
from booking.services.staff.who import Who
from booking.services.transaction import reading

KEPT_AFTER = timedelta(days=30)
AHEAD = timedelta(days=400)
REFRESH = timedelta(minutes=15)
FEEDS_KEPT = 32
_TOKEN = re.compile(r"([1-9]\d{0,8})-([a-z2-7]{26})")


@dataclass(frozen=True)
class Settings:
    """What somebody has chosen about their calendar elsewhere. `address` is None without a feed."""

    clinic: Clinic
    address: str | None
    names: bool
    tomorrow_by_mail: bool
    email: str

    @property
    def subscribe(self) -> str | None:
        """The same address, as a tap on it opens the calendar program."""
        return self.address and re.sub(r"^https?:", "webcal:", self.address)


@dataclass(frozen=True)
class Feed:
    """A feed at this moment. `etag` changes with whatever the feed says; `body` is written when it is asked for."""

    etag: str
    who: Who
    clinic: Clinic
    names: bool
    mark: tuple[Any, ...]

    def body(self) -> bytes:
        kept: dict[int, tuple[str, bytes]] = current_app.extensions.setdefault("booking_feeds", {})
        before = kept.get(self.who.account_id)
        if before is not None and before[0] == self.etag:
            return before[1]
        written = _written(self)
        if len(kept) >= FEEDS_KEPT:
            kept.clear()
        kept[self.who.account_id] = (self.etag, written)
        return written


def token(account_id: int, number: int) -> str:
    """The secret part of a feed's address: whose it is, and 128 bits that only this installation can make."""
    key = current_app.config["BOOKING"].link_key.encode()
    mark = hmac.new(key, f"feed {account_id} {number}".encode(), hashlib.sha256).digest()
    return f"{account_id}-{b32encode(mark[:16]).decode().rstrip('=').lower()}"


def settings(who: Who) -> Settings:
    """What somebody has chosen. Raises NotFound for who gives no visits."""
    with reading() as session:
        clinic = the_clinic(session)
        practitioner_of(clinic, who)
        account = session.get_one(StaffAccount, who.account_id)
        address = None
        if account.feed_number > 0:
            base = current_app.config["BOOKING"].base_url
            address = f"{base}/feed/{token(account.id, account.feed_number)}.ics"
        return Settings(clinic, address, account.feed_names, account.tomorrow_by_mail, account.email)


def make(who: Who, *, key: str) -> None:
    """Makes a feed, or a new address for it: the old one opens nothing from now on."""
    _change(who, key, "made feed", lambda account: {"feed_number": abs(account.feed_number) + 1})


def revoke(who: Who, *, key: str) -> None:
    """Ends the feed. A later one has another address."""
    _change(who, key, "revoked feed", lambda account: {"feed_number": -abs(account.feed_number)})


def show_names(who: Who, names: bool, *, key: str) -> None:
    """Says whether the feed has names or initials."""
    _change(who, key, "changed feed", lambda _: {"feed_names": names}, names)


def wish_tomorrow(who: Who, wished: bool, *, key: str) -> None:
    """Says whether tomorrow's list comes by mail the evening before."""
    _change(who, key, "changed tomorrow's mail", lambda _: {"tomorrow_by_mail": wished}, wished)


def _change(who: Who, key: str, what: str, values: Any, content: object = None) -> None:
    def action(session: Session) -> Answer:
        practitioner_of(the_clinic(session), who)
        account = session.get_one(StaffAccount, who.account_id, with_for_update=True)
        for name, value in values(account).items():
            setattr(account, name, value)
        audit.did(session, who, what, f"account/{who.account_id}")
        return {}

    once(Key.of(who.key, key, [what, content]), action)


def feed(given: str, *, address: str) -> Feed:
    """The feed that this token opens. `address`: from where it is asked, for the audit.

    Raises NotFound for a wrong or revoked token, and for an account that has ended.
    """
    found = _TOKEN.fullmatch(given)
    account_id = int(found[1]) if found else 0
    now = clock.now()
    with reading() as session:
        account = session.get(StaffAccount, account_id)
        # An unknown account is compared as well, so that it takes the same time as a wrong token.
        expected = token(account_id, account.feed_number if account else 0)
        right = hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace"))
        if account is None or not right or account.feed_number < 1 or not account.active:
            raise NotFound
        if Role.PRACTITIONER not in account.role_names:
            raise NotFound
        clinic = the_clinic(session)
        who = Who(
            account_id=account.id,
            name=account.name,
            roles=frozenset({Role.PRACTITIONER}),
            practitioner_id=account.practitioner_id,
            address=address,
        )
        practitioner_of(clinic, who)
        names, number = account.feed_names, account.feed_number
        mark = _mark(session, clinic, who, now)
    words = f"{account_id} {number} {names} {mark}"
    return Feed(hashlib.sha256(words.encode()).hexdigest()[:24], who, clinic, names, mark)


def _mark(session: Session, clinic: Clinic, who: Who, now: datetime) -> tuple[Any, ...]:
    """What the feed depends on: the visits in it, the clinic, and the day. Whatever is changed in it or comes into it has
    the latest change; whatever goes makes it fewer.
    """
    today = clinic.times.local_date(now)
    found = session.execute(
        select(
            func.count(Appointment.id),
            func.sum(Appointment.version),
            func.max(Appointment.id),
            func.max(Appointment.changed_at),
        ).where(*_shown(clinic, who, today))
    ).one()
    return (clinic.version, today, *found)


def _shown(clinic: Clinic, who: Who, today: date) -> tuple[Any, ...]:
    since = day_at(today - KEPT_AFTER, clinic.zone)
    until = day_at(today + AHEAD, clinic.zone)
    return (
        Appointment.practitioner_id == who.practitioner_id,
        Appointment.to_cell > since.from_cell,
        Appointment.from_cell < until.to_cell,
        or_(
            Appointment.status != Status.CANCELLED,
            Appointment.cancelled_at >= _instant_of_day(clinic, today - KEPT_AFTER),
        ),
    )


def _instant_of_day(clinic: Clinic, on: date) -> datetime:
    return datetime.fromtimestamp(day_at(on, clinic.zone).from_cell * 300, clinic.zone)


def _written(shown: Feed) -> bytes:
    clinic, today = shown.clinic, shown.mark[1]
    with reading() as session:
        visits = session.scalars(
            select(Appointment)
            .where(*_shown(clinic, shown.who, today))
            .order_by(Appointment.from_cell, Appointment.id)
        ).all()
    rooms = {room.id: room.name for room in clinic.rooms}
    calendar = Calendar()
    calendar.add("prodid", "-//clinic-booking//own visits//EN")
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    name = gettext("Visits at %(clinic)s", clinic=clinic.message_name)
    calendar.add("name", name)
    calendar.add("x-wr-calname", name)
    calendar.add("x-wr-timezone", clinic.zone.key)
    calendar.add("refresh-interval", REFRESH, parameters={"VALUE": "DURATION"})
    calendar.add("x-published-ttl", "PT15M")
    calendar.add_component(timezone(clinic.zone, (today - KEPT_AFTER).year))
    for visit in visits:
        calendar.add_component(_entry(shown, visit, rooms.get(visit.room_id or 0, "")))
    written: bytes = calendar.to_ical()
    return written


def _entry(shown: Feed, visit: Appointment, room: str) -> Event:
    base = current_app.config["BOOKING"].base_url
    cancelled = visit.status is Status.CANCELLED
    name = (
        f"{visit.first_name} {visit.last_name}"
        if shown.names
        else initials(visit.first_name, visit.last_name)
    )
    event = Event()
    event.add("uid", f"{visit.reference}-given@{urlsplit(base).hostname}")
    event.add("dtstamp", visit.changed_at)
    event.add("created", visit.booked_at)
    event.add("last-modified", visit.changed_at)
    # Not the patient's number: that one grows only with what the patient was told.
    event.add("sequence", visit.version)
    event.add("dtstart", visit.starts_at.astimezone(shown.clinic.zone))
    event.add("dtend", visit.ends_at.astimezone(shown.clinic.zone))
    event.add("summary", gettext("Cancelled: %(name)s", name=name) if cancelled else name)
    if room:
        event.add("location", room)
    event.add("status", "CANCELLED" if cancelled else "CONFIRMED")
    event.add("transp", "TRANSPARENT" if cancelled else "OPAQUE")
    event.add("url", f"{base}/mine/visits/{visit.reference}")
    return event
