"""A visit of the practitioner's: seen in full, tapped on, moved to another time."""

from collections.abc import Callable

from flask import abort, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from booking import clock
from booking.errors import Busy, NotFound, Refusal
from booking.services.desk import moving, statuses, undoing
from booking.services.desk.moving import Changed, Place
from booking.services.desk.statuses import Move
from booking.services.own_day import visit as own_visits
from booking.services.own_day.visit import FullVisit
from booking.web import access, asked
from booking.web.free import instant
from booking.web.practitioner import blueprint, doing
from booking.web.practitioner.today import refused, visits_path
from booking.web.practitioner.words import STATUSES
from booking.web.staff import staff_page
from booking.web.visit_words import TAPS, happened, whom
from booking.web.words import staff_advice_for, staff_words_for

_TAPS: dict[Move, Callable[..., Changed]] = {
    Move.ARRIVE: statuses.arrive,
    Move.START: statuses.start,
    Move.FINISH: statuses.finish,
    Move.NO_SHOW: statuses.no_show,
    Move.NEEDLES_IN: statuses.needles_in,
    Move.NEEDLES_OUT: statuses.needles_out,
}


@blueprint.get("/visits/<reference>")
def visit(reference: str) -> ResponseReturnValue:
    return _page(own_visits.full_visit(access.who(), reference))


@blueprint.post("/visits/<reference>/status")
def status(reference: str) -> ResponseReturnValue:
    """One tap: how the visit goes. Who gives it taps; others see."""
    who, key = access.who(), asked.key()
    own_visits.refuse_of_others(who, reference)
    try:
        move = Move(request.form.get("to", ""))
        tap = _TAPS[move]
    except (ValueError, KeyError):
        abort(422)
    try:
        changed = tap(who, reference, version=asked.version(), key=key)
    except NotFound:
        raise
    except Refusal as refusal:
        return refused(refusal)
    doing.tapped(move, changed)
    return redirect(_next(), 303)


@blueprint.post("/undo/<int:entry>")
def undo(entry: int) -> ResponseReturnValue:
    """Takes back a tap: the last one, then the one before."""
    who, key = access.who(), asked.key()
    own_visits.refuse_of_others_by_entry(who, entry)
    try:
        changed = undoing.undo(who, entry, key=key)
    except (NotFound, Busy):
        raise
    except Refusal as refusal:
        doing.stays(entry)
        return refused(refusal)
    doing.taken_back(entry, changed)
    return redirect(_next(), 303)


@blueprint.get("/visits/<reference>/move")
def ask_move(reference: str) -> ResponseReturnValue:
    """Other times for a visit that can't stay where it is."""
    return _move_page(reference)


@blueprint.post("/visits/<reference>/move")
def move(reference: str) -> ResponseReturnValue:
    who, key = access.who(), asked.key()
    own_visits.refuse_of_others(who, reference)
    start, _between, whom = request.form.get("time", "").partition(" ")
    starts_at = instant(start)
    if starts_at is None:
        return _move_page(reference, 422, _("Please choose one of the times."))
    try:
        changed = moving.change(
            who,
            reference,
            Place(starts_at=starts_at, practitioner=whom or None),
            version=asked.version(),
            tell="tell" in request.form,
            key=f"{key} {start}"[:80],
        )
    except NotFound:
        raise
    except Refusal as refusal:
        words = staff_words_for(refusal)
        found = own_visits.full_visit(who, reference)
        return _move_page(reference, words.status, f"{words.title} {staff_advice_for(refusal, found.clinic)}")
    doing.moved(changed)
    return redirect(url_for("practitioner.visit", reference=reference), 303)


def _move_page(reference: str, status: int = 200, trouble: str = "") -> ResponseReturnValue:
    found = own_visits.full_visit(access.who(), reference)
    if not found.own or not found.visit.waits:
        return redirect(url_for("practitioner.visit", reference=reference), 303)
    return staff_page(
        "practitioner/move.html",
        status,
        clinic=found.clinic,
        found=found,
        free=own_visits.other_times(access.who(), reference),
        key=asked.fresh_key(),
        trouble=trouble,
    )


def _page(found: FullVisit) -> ResponseReturnValue:
    now = clock.now()
    return staff_page(
        "practitioner/visit.html",
        clinic=found.clinic,
        found=found,
        visit=found.visit,
        now=now,
        moves=found.visit.moves(now, found.clinic.times) if found.own else (),
        movable=found.own and found.visit.waits and found.visit.ends_at > now,
        history=[
            (entry, happened(found.clinic, entry), whom(found.clinic, entry.actor, entry.name))
            for entry in found.history
        ],
        statuses=STATUSES,
        taps=TAPS,
        visits_path=visits_path(),
        key=asked.fresh_key(),
        toast=doing.toast(),
    )


def _next() -> str:
    """Where the form wants to go on: a page of the practitioner's, else today."""
    wanted = request.form.get("next", "")
    if wanted.startswith("/mine/") and wanted.isascii() and wanted.isprintable() and "\\" not in wanted:
        return wanted
    return url_for("practitioner.today")
