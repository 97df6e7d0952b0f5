"""Closing a day: what nobody settled, and one button for all whose patients had come."""

from datetime import date

from flask import url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as lazy

from booking.services.desk import closing
from booking.services.desk.closing import Left
from booking.services.staff import audit
from booking.web import access, asked
from booking.web.desk import answers, blueprint, saying
from booking.web.pages import the_clinic_of_this_request, today
from booking.web.staff import staff_page

_LEFT_AS = {
    Left.CAME: lazy("They came; counts as attended."),
    Left.NEVER_CHECKED_IN: lazy(
        "Nobody checked them in. If this stays so, it counts as attended, “not closed”."
    ),
    Left.NEEDLES_IN: lazy("Counts as attended. Needles have to be out before it is done."),
}


@blueprint.get("/close")
def close_today() -> ResponseReturnValue:
    return _page(today(the_clinic_of_this_request()))


@blueprint.get("/close/<day>")
def close(day: str) -> ResponseReturnValue:
    return _page(asked.day(day))


def _page(on: date) -> ResponseReturnValue:
    """Past visits of the day that nobody settled."""
    who = access.who()
    audit.saw_this_hour(who, "saw unsettled", f"day/{on}")
    found = closing.unsettled(who, on)
    return staff_page(
        "desk/close.html",
        on=on,
        found=found,
        to_come=0 if found else closing.to_come(who, on),
        left_as=_LEFT_AS,
        closes=sum(1 for one in found if one.closes),
        saying=saying,
        key=asked.fresh_key(),
        done=answers.what_was_done(),
    )


@blueprint.post("/close/<day>")
def close_day(day: str) -> ResponseReturnValue:
    """Settles all whose patients had come."""
    on, who, key = asked.day(day), access.who(), asked.key()

    def action() -> ResponseReturnValue:
        closed = closing.close_day(who, on, key=key)
        one = closed[0] if len(closed) == 1 else None
        return answers.done(
            saying.closed([visit.name for visit in closed]),
            asked.onward(url_for("desk.close", day=on.isoformat())),
            entry=one.entry_id if one else None,
            version=one.version if one else None,
        )

    return answers.attempt(action, answers.no_page)
