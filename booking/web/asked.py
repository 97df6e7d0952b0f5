"""What forms and addresses of staff pages ask for: a key, a version, a number, a day, and where to go on.

Whatever isn't understood is answered here: a form that no page of ours sends with 422, an address of nothing with 404.
"""

import re
import secrets
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from flask import abort, request

from booking import clock
from booking.scheduling.hours import instant_at
from booking.scheduling.timeline import CELL_MINUTES, CELL_SECONDS
from booking.web.numerals import whole

_KEY = re.compile(r"[!-~]{8,80}\Z")
_LOCAL = re.compile(r"/(?![/\\])[!-~]{0,500}\Z")
LONGEST_REASON = 500
# Later ones have no instant on every machine.
FURTHEST_CELL = 2**31 // CELL_SECONDS
# How far from today somebody may look: further, and a typing error is more likely than a wish.
_DAYS_AROUND = 3 * 366


def key() -> str:
    """The form's key. A form without one is none of ours."""
    return given_key() or abort(422)


def given_key() -> str:
    """The same where a page has its own answer to a form without one: nothing."""
    given = request.form.get("key", "")
    return given if _KEY.match(given) else ""


def fresh_key() -> str:
    return secrets.token_urlsafe(16)


def version() -> int | None:
    """The version of the visit as it was shown; None where the form doesn't say."""
    return number(request.form.get("version"))


def number(words: str | None) -> int | None:
    """A whole number, or None where nothing is said. Whatever else stands there isn't understood."""
    if not words:
        return None
    found = whole(words)
    return abort(422) if found is None else found


def cell(words: str | None) -> int | None:
    """A cell that has an instant; None for anything else."""
    found = whole(words)
    return found if found and found < FURTHEST_CELL else None


def wall_time(words: str) -> time | None:
    """A time like 13:05 or 13:05:00, by five minutes; None for anything else."""
    try:
        found = time.fromisoformat(words if len(words) in (5, 8) else "")
    except ValueError:
        return None
    between = found.minute % CELL_MINUTES or found.second or found.microsecond
    return None if found.tzinfo or between else found


def moment(on: str, at: str, zone: ZoneInfo) -> datetime | None:
    """The instant of a day and a time as forms write them; None where one isn't understood, or no clock shows it."""
    day, wall = day_or_none(on), wall_time(at)
    return instant_at(day, wall, zone) if day and wall else None


def reason() -> str:
    """What was typed as a reason, without what no keyboard makes, and not longer than is kept."""
    typed = request.form.get("reason", "")
    return "".join(letter for letter in typed if letter.isprintable()).strip()[:LONGEST_REASON]


def day(words: str) -> date:
    """A day as addresses write it; whatever else stands there is not there."""
    return day_or_none(words) or abort(404)


def day_or_none(words: str, around: int = _DAYS_AROUND) -> date | None:
    """A day as forms write it, not more than so many days from today; None for whatever else was typed."""
    try:
        on = date.fromisoformat(words) if len(words) == 10 else None
    except ValueError:
        return None
    return on if on and abs((on - clock.now().date()).days) <= around else None


def is_far(words: str) -> bool:
    """Whether a form names a day, but one further from today than anybody may look."""
    return day_or_none(words) is None and day_or_none(words, around=date.max.toordinal()) is not None


def onward(otherwise: str) -> str:
    """Where the form wants to go on, if that is a page of ours."""
    wanted = request.form.get("next") or request.args.get("next") or ""
    return wanted if _LOCAL.match(wanted) else otherwise
