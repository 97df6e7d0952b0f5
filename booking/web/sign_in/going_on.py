"""Where a person goes after signing in or opening the screen again."""

import re

from flask import current_app, request, url_for
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from booking.services.staff import drafts
from booking.services.staff.who import Who
from booking.web import staff

_LONGEST = 1000


def wanted() -> str:
    """The page of ours that the request wants to go on to, or nothing."""
    return local(request.values.get("next", ""))


def local(address: str) -> str:
    """An address if it leads to a page of this site, else nothing: no other site gets somebody who just signed in."""
    if len(address) > _LONGEST or not re.fullmatch(r"/(?![/\\])[!-~]*", address):
        return ""
    return "" if "\\" in address or address.startswith("/staff/lock") else address


def home(who: Who) -> str:
    """The page with which somebody begins."""
    return url_for(staff.home(who))


def onward(who: Who, address: str) -> str:
    """To what was kept while the screen was locked, if anything was; else to the page that was wanted, if it is one."""
    if not endpoint_at(address, "GET"):
        address = ""
    if not address.startswith(url_for("sign_in.draft_list")) and drafts.of(who.account_id):
        # The page itself puts what was typed back in its place, if it can.
        return f"{address}#kept" if address else url_for("sign_in.draft_list")
    return address or home(who)


def endpoint_at(path: str, method: str) -> str:
    """Where an address leads, as the table of access calls it; nothing for what is no longer there."""
    try:
        endpoint, _values = current_app.url_map.bind("").match(path.partition("?")[0], method=method)
    except (HTTPException, RequestRedirect):
        return ""
    return str(endpoint)
