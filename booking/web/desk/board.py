"""The desk's board: a day or a week at a glance, and the small answer that keeps it fresh on every desk.

What is written of a board is kept in the process for as long as everything that it shows stands, and goes out under a
tag made of its content: a page that asks again and has it already gets a 304.
"""

import hashlib
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from flask import Response, abort, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from booking import clock
from booking.scheduling.timeline import instant_of
from booking.services.desk import board
from booking.services.desk.board import Asked, BoardDay, Stamp, View
from booking.services.desk.cancelled import cancelled_on
from booking.services.staff import audit
from booking.web import access
from booking.web.asked import day_or_none
from booking.web.desk import blueprint, saying
from booking.web.pages import today
from booking.web.staff import staff_page

_KEPT_AT_MOST = 32
# What was done years ago is looked at here, as in no form.
_DAYS_AROUND = 3660


@dataclass(frozen=True)
class Written:
    """A board as HTML, with the tag of its content, for as long as its stamp holds."""

    stamp: Stamp
    board: BoardDay
    html: str
    tag: str
    # What stands around it and is the same for everybody: the same rules hold for keeping it.
    around: dict[str, Markup]


@blueprint.get("/")
def today_board() -> ResponseReturnValue:
    """Leads to today, or to the day that a form asks for; one that can't be shown is said on the board of today."""
    clinic = board.the_clinic_of(access.who())
    view, person, typed = _view(), request.args.get("person", ""), request.args.get("day", "")
    on = day_or_none(typed, _DAYS_AROUND) if typed else today(clinic)
    if on is None:
        return _page(Asked(today(clinic), View.PEOPLE if person else view, person), typed=typed[:10])
    if person:
        return redirect(url_for("desk.week", person=person, day=on.isoformat()), 303)
    return redirect(url_for("desk.day", day=on.isoformat(), **_said(view)), 303)


@blueprint.get("/day/<day>")
def day(day: str) -> ResponseReturnValue:
    """A day: practitioners side by side, rooms, or a list."""
    return _page(Asked(_day(day), _view()))


@blueprint.get("/day/<day>/fragment")
def day_fragment(day: str) -> ResponseReturnValue:
    """The same without the page around it, for a board that lies open."""
    return _fragment(Asked(_day(day), _view()))


@blueprint.get("/week/<person>/<day>")
def week(person: str, day: str) -> ResponseReturnValue:
    """The week of one practitioner that has this day in it."""
    return _page(Asked(_day(day), View.PEOPLE, person))


@blueprint.get("/week/<person>/<day>/fragment")
def week_fragment(person: str, day: str) -> ResponseReturnValue:
    return _fragment(Asked(_day(day), View.PEOPLE, person))


@blueprint.get("/day/<day>/cancelled")
def day_cancelled(day: str) -> ResponseReturnValue:
    """The visits that the board counts as cancelled, and doesn't draw."""
    return _cancelled(Asked(_day(day), View.PEOPLE))


@blueprint.get("/week/<person>/<day>/cancelled")
def week_cancelled(person: str, day: str) -> ResponseReturnValue:
    return _cancelled(Asked(_day(day), View.PEOPLE, person))


@blueprint.get("/day/<day>/sheet")
def sheet(day: str) -> ResponseReturnValue:
    """What is needed on paper if the network fails: a sheet for the desk, and one for each practitioner."""
    _, found = board.board(access.who(), Asked(_day(day), View.PEOPLE))
    audit.saw(access.who(), "printed day", f"board/{found.on}")
    return staff_page(
        "desk/day_sheet.html", clinic=found.clinic, board=found, printed=clock.now(), **_words(found)
    )


def _cancelled(asked: Asked) -> ResponseReturnValue:
    clinic, found = cancelled_on(access.who(), asked)
    _note(asked)
    return staff_page(
        "desk/cancelled.html",
        clinic=clinic,
        asked=asked,
        cancelled=found,
        saying=saying,
        board_link=_link(asked, asked.on),
    )


def _page(asked: Asked, *, typed: str | None = None) -> ResponseReturnValue:
    """A board. `typed`: a day that was asked for and can't be shown."""
    written = _written(asked)
    _note(asked)
    found = written.board
    around = (
        written.around if typed is None else written.around | {"tools": _around("tools", asked, found, typed)}
    )
    return staff_page(
        "desk/board.html",
        200 if typed is None else 422,
        clinic=found.clinic,
        board=found,
        asked=asked,
        fragment=Markup(written.html),  # noqa: S704 - written by our own template, which escapes
        tag=written.tag,
        View=View,
        **around,
        **_ways(asked, found),
    )


def _around(name: str, asked: Asked, found: BoardDay, typed: str | None = None) -> Markup:
    """A part of what stands around a board."""
    now = clock.now().date()
    return Markup(  # noqa: S704 - as above
        render_template(
            f"desk/board_{name}.html",
            board=found,
            asked=asked,
            clinic=found.clinic,
            times=found.clinic.times,
            typed=typed,
            reaches=(now - timedelta(days=_DAYS_AROUND), now + timedelta(days=_DAYS_AROUND)),
            today=today(found.clinic),
            View=View,
            **_ways(asked, found),
        )
    )


def _ways(asked: Asked, found: BoardDay) -> dict[str, Any]:
    """Where the board's links lead."""
    step = 7 if asked.person else 1
    return {
        "fragment_link": _link(asked, asked.on, "fragment"),
        "this_link": _link(asked, asked.on),
        "earlier": _link(asked, asked.on - timedelta(days=step)),
        "later": _link(asked, asked.on + timedelta(days=step)),
        "today_link": _link(asked, today(found.clinic)),
        "cancelled_link": _link(asked, asked.on, "cancelled"),
    }


def _fragment(asked: Asked) -> ResponseReturnValue:
    """304 where the browser has this board already. It costs what asking for the stamp costs."""
    written = _written(asked)
    if written.tag in request.headers.get("If-None-Match", ""):
        response = Response(status=304)
    else:
        _note(asked)
        response = Response(written.html, mimetype="text/html")
    response.headers["ETag"] = f'W/"{written.tag}"'
    return response


def _written(asked: Asked) -> Written:
    kept: dict[Asked, Written] = current_app.extensions.setdefault("booking_boards", {})
    found = kept.get(asked)
    who = access.who()
    if found is not None and board.stamp(who, asked) == found.stamp:
        return found
    stamp, fresh = board.board(who, asked)
    values = {"board": fresh, "asked": asked, "clinic": fresh.clinic, "times": fresh.clinic.times}
    template = "desk/board_list.html" if asked.view is View.LIST else "desk/board_grid.html"
    html = render_template(template, **values, **_words(fresh), **_ways(asked, fresh))
    around = {name: _around(name, asked, fresh) for name in ("tools", "dialogs", "counts")}
    found = Written(stamp, fresh, html, hashlib.sha256(html.encode()).hexdigest()[:16], around)
    if len(kept) >= _KEPT_AT_MOST:
        # Other threads come here as well; what is thrown away is written again when somebody asks.
        kept.clear()
    kept[asked] = found
    return found


def _note(asked: Asked) -> None:
    """Writes down that a day was seen, once an hour."""
    subject = f"board/{asked.person}/{asked.first}" if asked.person else f"board/{asked.on}"
    audit.saw_this_hour(access.who(), "saw board", subject)


def _words(found: BoardDay) -> dict[str, Any]:
    """How the templates write cells: with am and pm, and without where an hour stands beside it."""
    times = found.clinic.times

    def at(cell: int) -> str:
        return times.time(instant_of(cell))

    def short(cell: int) -> str:
        return at(cell).removesuffix(" am").removesuffix(" pm")

    def hour(cell: int) -> str:
        return at(cell).replace(":00", "")

    # Put together once a board, not once a visit.
    visits = url_for("desk.visit", reference="-").removesuffix("-")

    def visit_link(visit: board.Visit) -> str:
        return visits + visit.reference

    return {"at": at, "short": short, "hour": hour, "visit_link": visit_link}


def _link(asked: Asked, on: date, part: str = "") -> str:
    """The address of a board, or of a part of it."""
    ending = f"_{part}" if part else ""
    if asked.person:
        return url_for(f"desk.week{ending}", person=asked.person, day=on.isoformat())
    return url_for(f"desk.day{ending}", day=on.isoformat(), **_said(asked.view))


def _said(view: View) -> dict[str, str]:
    return {} if view is View.PEOPLE else {"view": view.value}


def _view() -> View:
    try:
        return View(request.args.get("view") or View.PEOPLE)
    except ValueError:
        return View.PEOPLE


def _day(words: str) -> date:
    """A day as addresses write it; whatever else stands there is not there."""
    return day_or_none(words, _DAYS_AROUND) or abort(404)
