"""What somebody has just done on their own pages: told once, on the page that follows, with a way back.

The last few taps and moves are taken back one after the other. It stands in the session, which is the browser's: so without a
patient's name, and of another account nothing is told or taken back.
"""

import secrets
from datetime import datetime
from typing import Any

from flask import render_template, session
from flask_babel import gettext as _
from markupsafe import Markup

from booking import clock
from booking.errors import NotFound
from booking.services.clinic import Clinic
from booking.services.desk.states import Changed
from booking.services.desk.statuses import Move
from booking.services.history import UNDO_WITHIN
from booking.services.own_day import visit as own_visits
from booking.web import access, change_words
from booking.web.practitioner import words
from booking.web.visit_words import person

_TAPS_KEPT = 5


def tapped(move: Move, changed: Changed) -> None:
    """A tap was done."""
    _did([move.value, changed.reference], changed)


def moved(clinic: Clinic, changed: Changed, *, spoken: bool) -> None:
    """A visit was moved: where to, and how its patient hears of it. `spoken`: they were told on the telephone."""
    at = clinic.times.short_moment(datetime.fromisoformat(changed.state["starts_at"]))
    name = person(clinic, changed.state["practitioner"])
    heard = change_words.heard(clinic, changed, spoken=spoken)
    _did([_("Moved to %(when)s, with %(name)s.", when=at, name=name)], changed, heard)


def taken_back(clinic: Clinic, entry: int, changed: Changed) -> None:
    """A tap or a move was taken back: the one before it is next."""
    doing = _mine()
    doing["taps"] = [tap for tap in doing["taps"] if tap[0] != entry]
    _keep(doing | {"did": [], "heard": change_words.told_at(clinic, changed)}, changed)


def _did(what: list[str], changed: Changed, heard: str = "") -> None:
    """`what`: a tap and whose visit it was, or a sentence."""
    doing = _mine()
    if changed.entry_id is not None:
        others = [tap for tap in doing["taps"] if tap[0] != changed.entry_id]
        doing["taps"] = [*others, [changed.entry_id, int(clock.now().timestamp()), *what]][-_TAPS_KEPT:]
    _keep(doing | {"did": what, "heard": heard}, changed)


def stays(entry: int) -> None:
    """A tap can't be taken back any more."""
    doing = _mine()
    session["doing"] = doing | {"taps": [tap for tap in doing["taps"] if tap[0] != entry]}


def toast() -> Markup:
    """What was just done, with a button that takes back the last tap; told once."""
    doing = _mine()
    did, heard = doing.pop("did", None), doing.pop("heard", "")
    if did is None:
        return Markup()
    session["doing"] = doing
    since = (clock.now() - UNDO_WITHIN).timestamp()
    entry, _at, *last = next((tap for tap in reversed(doing["taps"]) if tap[1] >= since), (None, 0))
    return Markup(  # noqa: S704 - written by our own template, which escapes
        render_template(
            "practitioner/toast.html",
            says=f"{_in_words(did)} {heard}".strip(),
            entry=entry,
            besides=_in_words(last) if last and last != did else "",
            key=secrets.token_urlsafe(12),
        )
    )


def _in_words(did: list[str]) -> str:
    """What was done, in a sentence; or that it was taken back."""
    if len(did) < 2:
        return did[0] if did else _("Taken back.")
    move, reference = did
    try:
        return words.tapped(Move(move), own_visits.brief(access.who(), reference))
    except NotFound:
        # Given to a colleague meanwhile.
        return _("That is done.")


def own_changes() -> dict[str, int]:
    """The versions that one's own changes have led to, by visit, since the day was last asked for: they are no news."""
    doing = _mine()
    own: dict[str, int] = doing.pop("own", {})
    if own:
        session["doing"] = doing
    return own


def _mine() -> dict[str, Any]:
    account, doing = access.who().account_id, session.get("doing", {})
    return dict(doing) if doing.get("of") == account else {"of": account, "taps": []}


def _keep(doing: dict[str, Any], changed: Changed) -> None:
    session["doing"] = doing | {"own": doing.get("own", {}) | {changed.reference: changed.version}}
