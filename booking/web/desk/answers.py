"""How actions of the desk are asked for and answered: forms get a page back, the board's scripts get JSON."""

import re
import secrets
from collections.abc import Callable
from datetime import date
from typing import Any

from flask import abort, flash, get_flashed_messages, redirect, request, url_for
from flask.typing import ResponseReturnValue

from booking import clock
from booking.errors import Refusal
from booking.web.desk import saying
from booking.web.desk.saying import No
from booking.web.pages import the_clinic_of_this_request
from booking.web.staff import staff_page

_KEY = re.compile(r"[!-~]{8,80}\Z")
_LOCAL = re.compile(r"/(?![/\\])[!-~]{0,500}\Z")
LONGEST_REASON = 500
# How far from today somebody may look: further, and a typing error is more likely than a wish.
_DAYS_AROUND = 3 * 366


def wants_json() -> bool:
    return request.accept_mimetypes.best_match(("text/html", "application/json"), "text/html") != "text/html"


def key() -> str:
    """The form's key. A form without one is none of ours."""
    given = request.form.get("key", "")
    return given if _KEY.match(given) else abort(422)


def fresh_key() -> str:
    return secrets.token_urlsafe(16)


def version() -> int | None:
    """The version of the visit as it was shown; None where the form doesn't say."""
    return number(request.form.get("version"))


def number(words: str | None) -> int | None:
    """A whole number, or None where nothing is said. Whatever else stands there isn't understood."""
    if not words:
        return None
    return int(words) if words.isascii() and words.isdigit() and len(words) < 10 else abort(422)


def reason() -> str:
    """What was typed as a reason, without what no keyboard makes, and not longer than is kept."""
    typed = request.form.get("reason", "")
    return "".join(letter for letter in typed if letter.isprintable()).strip()[:LONGEST_REASON]


def day(words: str) -> date:
    """A day as addresses write it; whatever else stands there is not there."""
    return day_or_none(words) or abort(404)


def day_or_none(words: str) -> date | None:
    """A day as forms write it, not years from now; None for whatever else was typed."""
    try:
        on = date.fromisoformat(words) if len(words) == 10 else None
    except ValueError:
        return None
    return on if on and abs((on - clock.now().date()).days) <= _DAYS_AROUND else None


def onward(otherwise: str) -> str:
    """Where the form wants to go on, if that is a page of ours."""
    wanted = request.form.get("next") or request.args.get("next") or ""
    return wanted if _LOCAL.match(wanted) else otherwise


def done(
    says: str, then: str, *, entry: int | None = None, version: int | None = None, back: str | None = None
) -> ResponseReturnValue:
    """It is done: said in JSON, or on the page that follows, with a way back where there is one: the undoing of a
    history entry, or what takes a form at the address `back`.
    """
    if wants_json():
        return {"ok": True, "entry": entry, "says": says, "version": version}
    if entry is not None:
        back = url_for("desk.undo", entry=entry)
    flash({"says": says, "back": back, "key": fresh_key(), "next": then}, "done")  # type: ignore[arg-type]
    return redirect(then, 303)


def attempt(
    action: Callable[[], ResponseReturnValue], page: Callable[[No], ResponseReturnValue]
) -> ResponseReturnValue:
    """Does it, or says why not: in JSON, or on `page`, which keeps what was typed."""
    try:
        return action()
    except Refusal as refusal:
        no = saying.no(refusal, the_clinic_of_this_request())
        if wants_json():
            return no.as_json(), no.status
        if no.status in (404, 503):
            raise
        return page(no)


def no_page(no: No) -> ResponseReturnValue:
    """Why not, on a page of its own, with the way back."""
    return staff_page("desk/visit_no.html", no.status, no=no, next=onward(url_for("desk.today_board")))


def what_was_done() -> list[Any]:
    """What was done by the form before this page. Told once."""
    return get_flashed_messages(category_filter=["done"])
