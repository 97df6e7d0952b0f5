"""What somebody has just done on their own pages: told once, on the page that follows, with a way back.

The last few taps are taken back one after the other. It stands in the session, which is the browser's; of another
account nothing is told or taken back.
"""

import secrets
from typing import Any

from flask import render_template, session
from flask_babel import gettext as _
from markupsafe import Markup

from booking import clock
from booking.services.desk.states import UNDO_WITHIN, Changed
from booking.web import access

_TAPS_KEPT = 5


def tapped(says: str, changed: Changed) -> None:
    """A tap was done. `says`: what, in a sentence."""
    doing = _mine()
    if changed.entry_id is not None:
        others = [tap for tap in doing["taps"] if tap[0] != changed.entry_id]
        doing["taps"] = [*others, [changed.entry_id, says, int(clock.now().timestamp())]][-_TAPS_KEPT:]
    _keep(doing | {"says": says}, changed)


def taken_back(entry: int, changed: Changed) -> None:
    """A tap was taken back: the one before it is next."""
    doing = _mine()
    doing["taps"] = [tap for tap in doing["taps"] if tap[0] != entry]
    _keep(doing | {"says": _("Taken back.")}, changed)


def stays(entry: int) -> None:
    """A tap can't be taken back any more."""
    doing = _mine()
    session["doing"] = doing | {"taps": [tap for tap in doing["taps"] if tap[0] != entry]}


def moved(changed: Changed) -> None:
    """A visit was moved: its own page shows where it is."""
    _keep(_mine(), changed)


def toast() -> Markup:
    """What was just done, with a button that takes back the last tap; told once."""
    doing = _mine()
    says = doing.pop("says", None)
    if says is None:
        return Markup()
    session["doing"] = doing
    since = (clock.now() - UNDO_WITHIN).timestamp()
    last = next((tap for tap in reversed(doing["taps"]) if tap[2] >= since), None)
    return Markup(  # noqa: S704 - written by our own template, which escapes
        render_template("practitioner/toast.html", says=says, last=last, key=secrets.token_urlsafe(12))
    )


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
