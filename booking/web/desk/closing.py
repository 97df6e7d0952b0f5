"""Closing a day: what nobody settled, one button for all whose patients had come, and one that takes that back."""

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
    Left.PENCILED: lazy("Penciled in, never confirmed: doesn’t count unless you settle it."),
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
        return answers.done(
            saying.closed(closed.names),
            asked.onward(url_for("desk.close", day=on.isoformat())),
            back=url_for("desk.reopen_day", entry=closed.entry_id) if closed.entry_id else None,
        )

    return answers.attempt(action, answers.no_page)


@blueprint.post("/close/undo/<int:entry>")
def reopen_day(entry: int) -> ResponseReturnValue:
    """Takes back all that the closing settled which wrote this entry."""
    who, key = access.who(), asked.key()

    def action() -> ResponseReturnValue:
        found = closing.reopen_day(who, entry, key=key)
        says = saying.reopened(the_clinic_of_this_request(), found)
        return answers.done(says, asked.onward(url_for("desk.close", day=found.on.isoformat())))

    return answers.attempt(action, answers.no_page)
