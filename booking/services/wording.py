"""The words of messages, for those who send them and for those who want to see them before.

`booking.reminders` makes whole messages of them; the desk shows what a patient would be told.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from flask import current_app, render_template
from flask_babel import gettext as _

from booking.formatting import phone
from booking.models import Channel
from booking.services import links
from booking.services.clinic import Clinic
from booking.services.notices import Way
from booking.services.visits import Visit

# What one text holds in the letters that phones send cheaply.
TEXT_LENGTH = 160
_GSM = set(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ ÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)


@dataclass(frozen=True)
class Words:
    """What somebody would be told, how and when. Without a channel, nobody is told. The link's token isn't in it.

    `to_call`: they stand on the list of calls, until reached. `owed`: they are told whatever staff choose. `unheard`: nobody is
    told, for they haven't heard of the visit yet.
    """

    channel: str
    address: str
    subject: str
    text: str
    due_at: datetime | None
    to_call: bool = False
    owed: bool = False
    unheard: bool = False


NOTHING = Words("", "", "", "", None)
UNHEARD = replace(NOTHING, unheard=True)


@dataclass(frozen=True)
class News:
    """What a change tells of: whether the visit is at another time, and in sentences all that is another."""

    moved: bool
    said: str


def news(clinic: Clinic, visit: Visit, known: Mapping[str, Any]) -> News:
    """What differs from what the patient knew, which is written as `notices.known_of` writes it."""
    starts_at, ends_at = (
        datetime.fromisoformat(known[name]) if name in known else None
        for name in ("old_starts_at", "old_ends_at")
    )
    times, said = clinic.times, []
    moved = starts_at != visit.starts_at
    if moved:
        said.append(_("Your visit is moved to this time."))
    if moved and starts_at:
        said.append(_("It was %(when)s.", when=times.moment(starts_at)))
    if starts_at and ends_at and ends_at - starts_at != visit.ends_at - visit.starts_at:
        said.append(_("It now takes until %(time)s.", time=times.time(visit.ends_at)))
    before = known.get("old_practitioner", visit.practitioner.slug)
    if before != visit.practitioner.slug:
        person = clinic.person(before)
        old = person.name if person else before
        said.append(_("It is with %(name)s now, not with %(old)s.", name=visit.practitioner.name, old=old))
    return News(moved, " ".join(said))


def as_heard(clinic: Clinic, visit: Visit, known: Mapping[str, Any]) -> Visit:
    """The visit as its patient knew it, which is written as in `news`: also where that is how it is."""
    if "old_starts_at" not in known:
        return visit
    person = clinic.person(known["old_practitioner"]) or visit.practitioner
    starts_at, ends_at = (datetime.fromisoformat(known[name]) for name in ("old_starts_at", "old_ends_at"))
    return replace(visit, starts_at=starts_at, ends_at=ends_at, practitioner=person)


def after_all_news(clinic: Clinic, visit: Visit, facts: Mapping[str, Any]) -> News | None:
    """What is another by now of a visit that takes place after all, than it was when its patient heard that it is cancelled."""
    if not facts.get("after_all") or "old_starts_at" not in facts:
        return None
    found = news(clinic, visit, facts)
    return found if found.said else None


def of_change(clinic: Clinic, visit: Visit, known: Mapping[str, Any], way: Way) -> Words:
    """What a patient is told of a visit that the clinic changed. `visit` is as it would be, `known` as in `news`."""
    return _of("change", clinic, visit, way, news=news(clinic, visit, known))


def of_confirmation(clinic: Clinic, visit: Visit, way: Way, facts: Mapping[str, Any]) -> Words:
    """What a patient is told who hasn't heard of the visit yet, or heard that it is cancelled, as the `facts` say. `visit` is
    as it would be.
    """
    after_all = bool(facts.get("after_all"))
    return _of(
        "confirmation", clinic, visit, way, after_all=after_all, news=after_all_news(clinic, visit, facts)
    )


def of_cancellation(clinic: Clinic, visit: Visit, way: Way, *, by_clinic: bool, make_up: str) -> Words:
    """What a patient is told of a visit that is cancelled: by the clinic, or as they asked. `make_up`: where another time for it
    is chosen, if it is one of a plan.
    """
    return _of("cancellation", clinic, visit, way, by_clinic=by_clinic, make_up=make_up)


def in_one_text(kind: str, facts: dict[str, Any], *, any_length: bool = False) -> str:
    """A text of 160 letters: with the link, or where that is too long with the phone number."""
    words = _plain(render_template(f"text/{kind}.txt", short=False, **facts))
    if len(words) > TEXT_LENGTH and not any_length:
        words = _plain(render_template(f"text/{kind}.txt", short=True, **facts))
    return words


def without_tokens(text: str) -> str:
    """What staff may read: the link's address without what opens it."""
    return re.sub(r"(/(?:visit|v|plan)/\w+/|/staff/(?:invitation|reset)/)[\w.-]+", r"\1…", text)


def _of(
    kind: str,
    clinic: Clinic,
    visit: Visit,
    way: Way,
    *,
    news: News | None = None,
    by_clinic: bool = True,
    after_all: bool = False,
    make_up: str = "",
) -> Words:
    channel, address = way.channel, way.address
    if channel is Channel.CALL:
        return Words(channel.value, address, "", _to_say(kind, clinic, visit), way.due_at, way.to_call)
    facts = {
        "clinic": clinic,
        "times": clinic.times,
        "phone": phone(clinic.phone),
        "visit": visit,
        "link": links.address(visit.reference, visit.link_number),
        "short_link": links.short_address(visit.reference, visit.link_number),
        "may_change": visit.may_change(way.due_at),
        "news": news,
        "by_clinic": by_clinic,
        "after_all": after_all,
        "corrected": False,
        "make_up": make_up,
        "start": current_app.config["BOOKING"].base_url,
    }
    if channel is Channel.TEXT:
        text = in_one_text(kind, facts)
        return Words(channel.value, address, "", without_tokens(text), way.due_at, way.to_call)
    subject = " ".join(render_template(f"mail/{kind}.subject.txt", **facts).split())
    text = render_template(f"mail/{kind}.txt", **facts).strip()
    return Words(channel.value, address, subject, without_tokens(text), way.due_at, way.to_call)


def _to_say(kind: str, clinic: Clinic, visit: Visit) -> str:
    """One sentence for the telephone."""
    when = clinic.times.moment(visit.starts_at)
    if kind == "cancellation":
        return str(_("The visit on %(when)s can't take place. May we find another time?", when=when))
    return str(_("Your visit is now on %(when)s, with %(name)s.", when=when, name=visit.practitioner.name))


def _plain(words: str) -> str:
    """In the letters of GSM-7: a single other one would cut a text from 160 letters to 70."""
    written = " ".join(words.split())
    letters = []
    for letter in written:
        if letter not in _GSM:
            letter = "".join(part for part in unicodedata.normalize("NFKD", letter) if part in _GSM)
        letters.append(letter or "")
    return "".join(letters)
