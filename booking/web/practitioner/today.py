"""Today, on a phone between two patients: who lies with needles, who is next, and the day as a list.

The page is written once a minute at the most while nothing changes, and kept; what belongs to a request alone (its
token, its keys, what was just done) is put into it. It asks for itself again, and an answer without news is a 304.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime

from flask import Response, current_app, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import generate_csrf
from markupsafe import Markup

from booking import clock
from booking.errors import Refusal
from booking.services.own_day.day import OwnDay, own_day
from booking.services.staff import audit
from booking.services.staff.who import Who
from booking.web import access
from booking.web.practitioner import blueprint, doing
from booking.web.practitioner.words import STATUSES
from booking.web.staff import staff_page
from booking.web.visit_words import TAPS
from booking.web.words import staff_advice_for, staff_words_for

PAGES_KEPT = 64
# No keyboard makes these, so nothing that anybody typed can pass for them.
TOKEN, KEY, TOASTS, NOTICE = "\x02token\x03", "\x02key\x03", "\x02toasts\x03", "\x02notice\x03"


@dataclass(frozen=True)
class Kept:
    """A day as it was written: the whole page, and the part of it that is asked for again."""

    day: OwnDay
    until: datetime
    etag: str
    fragment: str
    page: str


@blueprint.get("/today")
def today() -> ResponseReturnValue:
    who = access.who()
    kept = _written(own_day(who))
    polled = "X-Poll" in request.headers
    if polled and request.if_none_match.contains(kept.etag):
        return _answer("", kept.etag, 304)
    _note(who, kept)
    if polled:
        return _answer(_filled(kept.fragment), kept.etag)
    return _answer(_filled(kept.page, toasts=_toasts()), kept.etag)


def refused(refusal: Refusal) -> ResponseReturnValue:
    """The day as it is now, with why a tap didn't count."""
    who = access.who()
    kept = _written(own_day(who))
    _note(who, kept)
    words = staff_words_for(refusal)
    notice = render_template(
        "practitioner/refused.html", title=words.title, advice=staff_advice_for(refusal, kept.day.clinic)
    )
    return _answer(_filled(kept.page, notice=notice), kept.etag, words.status)


def _note(who: Who, kept: Kept) -> None:
    audit.saw_this_hour(who, "saw own day", f"day/{kept.day.on.isoformat()}")


def visits_path() -> str:
    """What stands before a visit's reference in its address."""
    return url_for("practitioner.visit", reference="-").removesuffix("-")


def _written(day: OwnDay) -> Kept:
    """The day in HTML: kept while it is the same and the minute lasts."""
    now = clock.now().replace(second=0, microsecond=0)
    # By the sign-in: a phone locks sooner than a desk's screen, and its page says so.
    pages: dict[int, Kept] = current_app.extensions.setdefault("booking_own_pages", {})
    sign_in_id = access.who().sign_in_id
    before = pages.get(sign_in_id)
    if before is not None and before.day is day and before.until == now:
        return before
    fragment = render_template(
        "practitioner/day.html",
        day=day,
        now=now,
        times=day.clinic.times,
        statuses=STATUSES,
        taps=TAPS,
        # Asked for once: a day links to its visits a hundred times.
        visits_path=visits_path(),
        plans_path=url_for("practitioner.plan", reference="-").removesuffix("-"),
        token=TOKEN,
        key=KEY,
    )
    etag = hashlib.sha256(fragment.encode()).hexdigest()[:20]
    page, _ = staff_page(
        "practitioner/today.html",
        clinic=day.clinic,
        day=day,
        fragment=fragment,
        etag=etag,
        toasts=TOASTS,
        notice=NOTICE,
        # The menu has forms as well.
        csrf_token=lambda: TOKEN,
    )
    kept = Kept(day, now, etag, fragment, page)
    if len(pages) >= PAGES_KEPT:
        pages.clear()
    pages[sign_in_id] = kept
    return kept


def _filled(written: str, *, toasts: str = "", notice: str = "") -> str:
    filled = written.replace(TOKEN, generate_csrf()).replace(KEY, secrets.token_urlsafe(12))
    return filled.replace(TOASTS, toasts).replace(NOTICE, notice)


def _toasts() -> str:
    """What was just done, and which changes are one's own and so no news; shown once."""
    own = [
        Markup('<span hidden data-own="{}" data-version="{}"></span>').format(reference, version)
        for reference, version in doing.own_changes().items()
    ]
    return doing.toast() + Markup().join(own)


def _answer(body: str, etag: str, status: int = 200) -> Response:
    response = make_response(body, status)
    # Said to the page's own script alone; nothing of it may stay in a browser.
    response.headers["X-Etag"] = etag
    return response
