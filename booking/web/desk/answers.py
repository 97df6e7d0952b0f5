"""How actions of the desk are answered: forms get a page back, the board's scripts get JSON."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from flask import flash, get_flashed_messages, redirect, request, session, url_for
from flask.typing import ResponseReturnValue

from booking import clock
from booking.errors import Refusal
from booking.web import asked
from booking.web.desk import refusing
from booking.web.desk.refusing import No
from booking.web.pages import the_clinic_of_this_request
from booking.web.staff import staff_page


def wants_json() -> bool:
    return request.accept_mimetypes.best_match(("text/html", "application/json"), "text/html") != "text/html"


def done(
    says: str,
    then: str,
    *,
    entry: int | None = None,
    version: int | None = None,
    back: str | None = None,
    visit: str | None = None,
    make_up: str | None = None,
) -> ResponseReturnValue:
    """It is done: said in JSON, or on the page that follows, with a way back where there is one: the undoing of a
    history entry, or what takes a form at the address `back`. `visit`: the one that scripts are to show. `make_up`: where the
    times stand that make up for it.
    """
    # For the menu's numbers: what they were before is no longer so.
    session["did_at"] = clock.now().timestamp()
    if entry is not None:
        back = url_for("desk.undo", entry=entry)
    if wants_json():
        return {
            "ok": True,
            "back": back,
            "says": says,
            "version": version,
            "visit": visit,
            "make_up": make_up,
        }
    told = {"says": says, "back": back, "key": asked.fresh_key(), "next": then, "make_up": make_up}
    flash(told, "done")  # type: ignore[arg-type]
    return redirect(then, 303)


def attempt(
    action: Callable[[], ResponseReturnValue],
    page: Callable[[No], ResponseReturnValue],
    *,
    helps: Callable[[Refusal], str | None] = lambda _refusal: None,
) -> ResponseReturnValue:
    """Does it, or says why not: in JSON, or on `page`, which keeps what was typed. `helps`: where another time is found."""
    try:
        return action()
    except Refusal as refusal:
        no = replace(refusing.no(refusal, the_clinic_of_this_request()), times=helps(refusal))
        if wants_json():
            return no.as_json(), no.status
        if no.status in (404, 503):
            raise
        return page(no)


def no_page(no: No) -> ResponseReturnValue:
    """Why not, on a page of its own, with the way back."""
    return staff_page("desk/visit_no.html", no.status, no=no, next=asked.onward(url_for("desk.today_board")))


def what_was_done() -> list[Any]:
    """What was done by the form before this page. Told once."""
    return get_flashed_messages(category_filter=["done"])
