"""A message's words: three files for each kind, text first.

Messages say the least: the clinic's name for messages, the time with its zone, the place, the practitioner's name, the
phone and the link. No treatment and no complaint, in sender, subject, text or calendar. The styles of mails are
written into their elements, since mail programs read no style sheets.
"""

import re
from dataclasses import replace
from typing import Any

from flask import current_app, render_template
from sqlalchemy.orm import Session

from booking import clock
from booking.formatting import phone
from booking.models import Appointment, Channel, Message
from booking.reminders import plans, sharing, together
from booking.reminders.channels import Composed
from booking.services import calendar, links, links_again, wording
from booking.services.clinic import Clinic
from booking.services.own_day import tomorrow
from booking.services.plans.links import make_up_address
from booking.services.staff import letters
from booking.services.visits import Visit, shaped

# Which kinds bring a calendar entry, and what it asks the calendar to do.
_CALENDAR: dict[str, calendar.Method] = {
    "confirmation": "REQUEST",
    "change": "REQUEST",
    "cancellation": "CANCEL",
}
_CALENDARS = ("plan-confirmation", "plan-change")


class NothingToSay(Exception):
    """There is nothing to tell this contact any more."""


def compose(session: Session, clinic: Clinic, message: Message) -> Composed:
    """The message as it goes out now. Raises NothingToSay where a contact has no visits to tell of."""
    if message.kind.startswith("staff-"):
        return _to_staff(session, clinic, message)
    kind = re.sub(r"-\d+d$", "", message.kind)
    if sharing.FACT in message.facts:
        kind, about = together.about(session, clinic, message, clock.now())
        facts = _several(clinic, about)
    elif plan := plans.plan_of(session, message):
        facts = _several(clinic, plans.about_plan(session, clinic, message, plan, clock.now()))
    else:
        facts = _facts(session, clinic, message)
    facts["corrected"] = bool(message.facts.get("corrected"))
    make = _text if message.channel is Channel.TEXT else _mail
    composed = make(clinic, message, kind, facts)
    return replace(composed, named=facts["about"].named) if "about" in facts else composed


def _to_staff(session: Session, clinic: Clinic, message: Message) -> Composed:
    """A letter about an account. Its link is made now, so that no row holds what opens it."""
    account = letters.account_of(session, message)
    if account is None:
        raise NothingToSay
    link = {"staff-invitation": letters.invitation_link, "staff-reset": letters.reset_link}.get(message.kind)
    facts = {
        "clinic": clinic,
        "times": clinic.times,
        "phone": phone(clinic.phone),
        "visit": None,
        "name": account.name,
        "link": link(account) if link else "",
        "start": current_app.config["BOOKING"].base_url,
    }
    return _mail(clinic, message, message.kind, facts)


def _facts(session: Session, clinic: Clinic, message: Message) -> dict[str, Any]:
    visit: Visit | None = None
    linked: list[links_again.Linked] = []
    if message.appointment_id is not None:
        visit = shaped(clinic, session.get_one(Appointment, message.appointment_id))
    elif message.kind == "links":
        linked = links_again.links_of(session, message)
        if not linked:
            raise NothingToSay
    if visit and message.kind == "cancellation":
        visit = wording.as_heard(clinic, visit, message.facts)
    own_list = tomorrow.the_list(session, clinic, message) if message.kind == tomorrow.KIND else None
    if own_list is None and message.kind == tomorrow.KIND:
        raise NothingToSay
    return {
        "clinic": clinic,
        "times": clinic.times,
        "phone": phone(clinic.phone),
        "visit": visit,
        "link": _link(visit) if visit else "",
        "short_link": _short_link(visit) if visit else "",
        "start": current_app.config["BOOKING"].base_url,
        "make_up": make_up_address(session, visit.id, message.address)
        if visit and message.kind == "cancellation"
        else "",
        "may_change": visit.may_change(clock.now()) if visit else False,
        "linked": linked,
        "own_list": own_list,
        "by_clinic": bool(message.facts.get("by_clinic")),
        "after_all": bool(message.facts.get("after_all")),
        "news": _news(clinic, visit, message) if visit else None,
    }


def _news(clinic: Clinic, visit: Visit, message: Message) -> wording.News | None:
    if message.kind == "change":
        return wording.news(clinic, visit, message.facts)
    return wording.after_all_news(clinic, visit, message.facts)


def _several(clinic: Clinic, about: plans.AboutPlan) -> dict[str, Any]:
    return {
        "clinic": clinic,
        "times": clinic.times,
        "phone": phone(clinic.phone),
        "visit": None,
        "about": about,
    }


def _link(visit: Visit) -> str:
    return links.address(visit.reference, visit.link_number)


def _short_link(visit: Visit) -> str:
    """The same for a text, in which each letter counts."""
    return links.short_address(visit.reference, visit.link_number)


def _mail(clinic: Clinic, message: Message, kind: str, facts: dict[str, Any]) -> Composed:
    method, entries = _entries(message, kind, facts)
    text = render_template(f"mail/{kind}.txt", **facts)
    return Composed(
        to=message.address,
        subject=" ".join(render_template(f"mail/{kind}.subject.txt", **facts).split()),
        text=text,
        kept=wording.without_tokens(text),
        html=render_template(f"mail/{kind}.html", **facts),
        mail_id=message.mail_id,
        calendar=entries,
        calendar_method=method,
        reply_to=clinic.mailbox,
        sender_name=clinic.message_name,
    )


def _entries(message: Message, kind: str, facts: dict[str, Any]) -> tuple[str, bytes]:
    """What a mail brings for the calendar, and what it asks the calendar to do. Calendars take a request about one visit
    only; several come as a file, each under the UID that it has by itself, so that what is told of it later finds it.
    """
    visit: Visit | None = facts["visit"]
    if visit and kind in _CALENDAR:
        method = _CALENDAR[kind]
        return method, calendar.entry(visit, method=method, attendee=message.address)
    if kind in _CALENDARS:
        visits = (*facts["about"].visits, *facts["about"].called_off)
        return ("PUBLISH", calendar.plan_calendar(visits)) if visits else ("", b"")
    return "", b""


def _text(clinic: Clinic, message: Message, kind: str, facts: dict[str, Any]) -> Composed:
    """One text of 160 letters: with the link, or where that is too long with the phone number. Links that somebody
    asked for come in as many as it takes.
    """
    words = wording.in_one_text(kind, facts, any_length=kind == "links")
    return Composed(
        to=message.address,
        subject=clinic.message_name,
        text=words,
        kept=wording.without_tokens(words),
        mail_id=message.mail_id,
    )
