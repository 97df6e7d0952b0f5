"""The calendar feed: made, shown and ended by whose it is, and fetched by calendar programs."""

import secrets
from collections.abc import Callable

from flask import Response, abort, redirect, request, url_for
from flask.typing import ResponseReturnValue

from booking.services.own_day import feed as feeds
from booking.services.staff import audit
from booking.services.staff.who import Who
from booking.web import access, asked
from booking.web.codes import for_a_camera
from booking.web.practitioner import blueprint, feed_blueprint
from booking.web.staff import staff_page

_WISHES: dict[str, Callable[[Who, str], None]] = {
    "make": lambda who, key: feeds.make(who, key=key),
    "revoke": lambda who, key: feeds.revoke(who, key=key),
    "names": lambda who, key: feeds.show_names(who, True, key=key),
    "initials": lambda who, key: feeds.show_names(who, False, key=key),
    "mail": lambda who, key: feeds.wish_tomorrow(who, True, key=key),
    "no-mail": lambda who, key: feeds.wish_tomorrow(who, False, key=key),
}


@blueprint.get("/feed")
def feed_settings() -> ResponseReturnValue:
    found = feeds.settings(access.who())
    return staff_page(
        "practitioner/feed.html",
        clinic=found.clinic,
        chosen=found,
        picture=for_a_camera(found.subscribe) if found.subscribe else "",
        key=secrets.token_urlsafe(12),
    )


@blueprint.post("/feed")
def change_feed() -> ResponseReturnValue:
    key = asked.key()
    wish = _WISHES.get(request.form.get("wish", "")) or abort(422)
    wish(access.who(), key)
    return redirect(url_for("practitioner.feed_settings"), 303)


@feed_blueprint.get("/feed/<token>.ics")
def calendar(token: str) -> ResponseReturnValue:
    """The feed. 304 while nothing has changed."""
    found = feeds.feed(token, address=request.remote_addr or "")
    # A compressed answer's tag says so after a colon.
    known = {tag.partition(":")[0] for tag in request.if_none_match.as_set(include_weak=True)}
    unquoted = {tag.removeprefix("W/").strip('"') for tag in known}
    if found.etag in unquoted:
        response = Response(status=304)
    else:
        audit.saw_this_hour(found.who, "read feed", f"feed/{found.who.account_id}")
        response = Response(found.body(), content_type="text/calendar; charset=utf-8")
        response.headers["Content-Disposition"] = 'inline; filename="visits.ics"'
    response.set_etag(found.etag)
    response.headers["Cache-Control"] = "private, no-cache"
    return response
