"""Today at a glance: a page, and the fragment of it that keeps itself fresh."""

import hashlib

from flask import Response, render_template, request
from flask.typing import ResponseReturnValue

from booking.scheduling.timeline import instant_of
from booking.services.desk import glance as service
from booking.services.staff import audit
from booking.web import access
from booking.web.desk import answers, blueprint, saying, telling
from booking.web.staff import staff_page


@blueprint.get("/glance")
def glance() -> ResponseReturnValue:
    """What wants somebody's eyes now. What asks for it by itself gets the lists alone, or a 304 where nothing changed."""
    who = access.who()
    found = service.glance(who)
    words = {
        "clinic": found.clinic,
        "found": found,
        "saying": saying,
        "telling": telling,
        "instant_of": instant_of,
    }
    lists = render_template("desk/glance_lists.html", times=found.clinic.times, **words)
    tag = hashlib.sha256(lists.encode()).hexdigest()[:16]
    if request.headers.get("X-Poll") or request.args.get("fragment"):
        if tag in request.headers.get("If-None-Match", ""):
            response = Response(status=304)
        else:
            audit.saw_this_hour(who, "saw glance", f"glance/{found.on}")
            response = Response(lists, mimetype="text/html")
        response.headers["ETag"] = f'W/"{tag}"'
        return response
    audit.saw_this_hour(who, "saw glance", f"glance/{found.on}")
    return staff_page("desk/glance.html", **words, tag=tag, done=answers.what_was_done())
