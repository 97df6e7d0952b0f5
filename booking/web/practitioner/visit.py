"""A visit of the practitioner's: seen in full, tapped on, moved to another time."""

from collections.abc import Callable

from flask import abort, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from booking import clock
from booking.errors import UNANSWERED, NotFound, Refusal
from booking.services.desk import moving, statuses, undoing
from booking.services.desk.moving import Changed, Place
from booking.services.desk.statuses import Move
from booking.services.own_day import visit as own_visits
from booking.services.own_day.visit import FullVisit
from booking.web import access, asked, change_words
from booking.web.free import instant
from booking.web.pages import the_clinic_of_this_request
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
    except (NotFound, *UNANSWERED):
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
    except (NotFound, *UNANSWERED):
        raise
    except Refusal as refusal:
        doing.stays(entry)
        return refused(refusal)
    doing.taken_back(the_clinic_of_this_request(), entry, changed)
    return redirect(_next(), 303)


@blueprint.get("/visits/<reference>/move")
def ask_move(reference: str) -> ResponseReturnValue:
    """Other times for a visit that can't stay where it is; once one is chosen, what that would mean."""
    return _move_page(reference, request.args.get("time", ""))


@blueprint.post("/visits/<reference>/move")
def move(reference: str) -> ResponseReturnValue:
    who, key = access.who(), asked.key()
    wanted, tell = request.form.get("time", ""), request.form.get("tell")
    place = _place(wanted)
    if place is None:
        return _move_page(reference, wanted)
    spoken = tell == "phone"
    try:
        changed = moving.change(
            who,
            reference,
            place,
            version=asked.version(),
            reason=asked.reason(),
            tell=tell not in ("no", "phone"),
            spoken=spoken,
            own=True,
            key=key,
        )
    except (NotFound, *UNANSWERED):
        raise
    except Refusal as refusal:
        return _move_page(reference, wanted, refusal)
    clinic = the_clinic_of_this_request()
    doing.moved(clinic, changed, spoken=spoken)
    given_to = clinic.person(changed.state["practitioner"])
    if given_to is None or given_to.id != who.practitioner_id:
        # Whose it is now may be nobody of theirs.
        return redirect(url_for("practitioner.today"), 303)
    return redirect(url_for("practitioner.visit", reference=reference), 303)


def _place(words: str) -> Place | None:
    """A time and with whom, as our own links write it; None for anything else."""
    start, _between, whom = words.partition(" ")
    starts_at = instant(start)
    return Place(starts_at=starts_at, practitioner=whom or None) if starts_at else None


def _move_page(reference: str, wanted: str = "", refusal: Refusal | None = None) -> ResponseReturnValue:
    who, place, preview = access.who(), _place(wanted), None
    found = own_visits.full_visit(who, reference)
    if not found.own or not found.visit.waits:
        return redirect(url_for("practitioner.visit", reference=reference), 303)
    clinic = found.clinic
    if place is not None:
        try:
            preview = moving.preview(who, reference, place)
        except NotFound:
            raise
        except Refusal as why:
            refusal = refusal or why
    status, trouble = 200, ""
    if refusal is not None:
        words = staff_words_for(refusal)
        status, trouble = words.status, f"{words.title} {staff_advice_for(refusal, clinic)}"
    elif place is None and (wanted or request.method == "POST"):
        status, trouble = 422, _("Please choose one of the times.")
    in_the_way = [change_words.in_the_way(clinic, one) for one in preview.clash] if preview else []
    if preview and preview.elsewhere:
        in_the_way.append(change_words.elsewhere(clinic, preview.elsewhere))
    return staff_page(
        "practitioner/move.html",
        status,
        clinic=clinic,
        found=found,
        free=own_visits.other_times(who, reference),
        key=asked.fresh_key(),
        trouble=trouble,
        wanted=wanted,
        preview=preview,
        in_the_way=in_the_way,
        new_practitioner=clinic.person(preview.practitioner) if preview else None,
        broken=change_words.breaches(clinic, preview.breaches, preview.facts) if preview else [],
        reason=request.form.get("reason") or (change_words.usual_reason(preview.breaches) if preview else ""),
        here_already=change_words.who_is_here(clinic, preview) if preview else "",
        of_its_plan=change_words.of_its_plan(who, clinic, preview) if preview else [],
        told=change_words.tells(clinic, preview) if preview else "",
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
