"""What is done to a visit from its panel and from the board: another place, a step of its day, a note, its messages."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from enum import StrEnum
from typing import Any, TypeVar

from flask import abort, request, url_for
from flask.typing import ResponseReturnValue

from booking.errors import OldPlaceTaken, Refusal
from booking.models import Actor, Channel
from booking.scheduling.status import Status
from booking.services.clinic import Clinic
from booking.services.desk import moving, panel, resending, statuses, undoing
from booking.services.desk.moving import Changed
from booking.services.desk.statuses import Move
from booking.services.staff import audit
from booking.services.staff.who import Who
from booking.web import access, asked, contacts
from booking.web.desk import answers, blueprint, refusing, saying, telling
from booking.web.desk.change_form import wish_of
from booking.web.desk.refusing import No
from booking.web.desk.visits import PATH, cancel_page, change_page, visit_page
from booking.web.pages import the_clinic_of_this_request

Kind = TypeVar("Kind", bound=StrEnum)

_STEPS: dict[Move, Callable[..., Changed]] = {
    Move.CONFIRM: statuses.confirm,
    Move.ARRIVE: statuses.arrive,
    Move.START: statuses.start,
    Move.NEEDLES_IN: statuses.needles_in,
    Move.NEEDLES_OUT: statuses.needles_out,
    Move.FINISH: statuses.finish,
    Move.NO_SHOW: statuses.no_show,
}


@blueprint.post(f"{PATH}/change")
def change(reference: str) -> ResponseReturnValue:
    """Gives the visit another place. Refused, the form comes back as it was typed, with what is in the way."""
    who = access.who()
    found = panel.head(who, reference)
    wish = wish_of(found, request.form)
    if wish.unclear:
        return _unclear(wish.unclear) if answers.wants_json() else change_page(found, wish)
    key, reason = asked.key(), asked.reason()

    def action() -> ResponseReturnValue:
        changed = moving.change(
            who,
            reference,
            wish.place,
            version=asked.version(),
            reason=reason,
            tell=_tells(),
            spoken=_spoken(),
            key=key,
        )
        return _done(found.clinic, changed)

    return answers.attempt(action, lambda no: _refused_change(who, reference, no))


def _refused_change(who: Who, reference: str, no: No) -> ResponseReturnValue:
    """The form once more, against the visit as it is by now."""
    found = panel.head(who, reference)
    wish = wish_of(found, request.form)
    preview = None
    if no.code in ("needs_reason", "stale_edit", "clash"):
        # A visit that was cancelled meanwhile can't be anywhere.
        with suppress(Refusal):
            preview = moving.preview(who, reference, wish.place)
    return change_page(found, wish, preview, no)


def _done(clinic: Clinic, changed: Changed) -> ResponseReturnValue:
    """Says where the visit is now, and whether the patient hears of it."""
    number = None
    if changed.channel == Channel.CALL:
        number = panel.head(access.who(), changed.reference).appointment.phone
    return answers.done(
        saying.now_is(clinic, changed, spoken=_spoken(), number=number),
        asked.onward(url_for("desk.visit", reference=changed.reference)),
        entry=changed.entry_id,
        version=changed.version,
        make_up=_make_up(changed),
    )


def _make_up(changed: Changed) -> str | None:
    """Where the desk finds what makes up for a visit of a plan that was just missed or cancelled."""
    if changed.state["status"] not in (Status.NOSHOW, Status.CANCELLED):
        return None
    found = panel.brief(access.who(), changed.reference)
    if found.plan is None or not found.to_make_up:
        return None
    return url_for("desk.plan", reference=found.plan.plan, _anchor="missing")


@blueprint.post(f"{PATH}/status")
def status(reference: str) -> ResponseReturnValue:
    """One step of the day, by `to`; or with `correct` another status than was said, and why."""
    return _corrected(reference, wanted) if (wanted := request.form.get("correct")) else _stepped(reference)


def _corrected(reference: str, wanted: str) -> ResponseReturnValue:
    """`wanted`: a status and whose wish it was, as in "cancelled patient"."""
    who, key, reason, tell = access.who(), asked.key(), asked.reason(), _tells()
    status_word, _space, by_word = wanted.partition(" ")
    to, by = _one_of(Status, status_word), _by(by_word)

    def action() -> ResponseReturnValue:
        changed = statuses.correct(
            who, reference, to, by=by, reason=reason, tell=tell, version=asked.version(), key=key
        )
        return _settled(changed, saying.corrected(the_clinic_of_this_request(), to, by, changed))

    return answers.attempt(
        action,
        lambda no: _on_visit(
            reference, no, typed_correction=wanted, typed_reason=reason, typed_untold=not tell
        ),
        helps=lambda refusal: _another_time(who, reference, refusal),
    )


def _stepped(reference: str) -> ResponseReturnValue:
    who, key = access.who(), asked.key()
    move = _one_of(Move, request.form.get("to", ""))
    step = _STEPS.get(move) or abort(422)

    def action() -> ResponseReturnValue:
        changed = step(who, reference, version=asked.version(), key=key)
        return _settled(changed, str(saying.MOVES[move][1]))

    return answers.attempt(
        action,
        lambda no: _on_visit(reference, no),
        helps=lambda refusal: _another_time(who, reference, refusal),
    )


def _settled(changed: Changed, says: str) -> ResponseReturnValue:
    return answers.done(
        says,
        asked.onward(url_for("desk.visit", reference=changed.reference)),
        entry=changed.entry_id,
        version=changed.version,
        make_up=_make_up(changed),
    )


def _another_time(who: Who, reference: str, refusal: Refusal) -> str | None:
    """Where whoever comes late, and whose time is taken, finds another one: a visit of the same kind, booked anew."""
    if not isinstance(refusal, OldPlaceTaken):
        return None
    found = panel.brief(who, reference)
    return url_for(
        "desk.new_visit", patient=found.patient.reference, visit_type=found.visit_type.slug,
        practitioner=found.practitioner.slug,
    )  # fmt: skip


@blueprint.post(f"{PATH}/cancel")
def cancel(reference: str) -> ResponseReturnValue:
    """Cancels the visit; `by`: whose wish it was, "patient" or "staff"."""
    who, key, reason, by = access.who(), asked.key(), asked.reason(), _by(request.form.get("by", ""))

    def action() -> ResponseReturnValue:
        changed = statuses.cancel(
            who,
            reference,
            by=by,
            reason=reason,
            tell=_tells(),
            spoken=_spoken(),
            version=asked.version(),
            key=key,
        )
        return _done(the_clinic_of_this_request(), changed)

    return answers.attempt(action, lambda no: cancel_page(reference, no, reason, by))


@blueprint.get("/undo/<int:entry>", endpoint="ask_undo")
def ask_undo(entry: int) -> ResponseReturnValue:
    """What would be taken back, as a question: for whoever no longer has in sight what they did last."""
    clinic, who = the_clinic_of_this_request(), access.who()
    try:
        doing = undoing.look(who, entry)
    except Refusal as refusal:
        no = refusing.no(refusal, clinic)
        return no.as_json(), no.status
    audit.saw_visit(who, doing.reference, panel.head(who, doing.reference).patient_id)
    if doing.refusal:
        no = refusing.no(doing.refusal, clinic)
        return no.as_json() | {"name": doing.name}, no.status
    return {
        "ok": True,
        "question": saying.what_was_done(clinic, doing),
        "note": saying.was_told(clinic, doing),
        "name": doing.name,
    }


@blueprint.post("/undo/<int:entry>")
def undo(entry: int) -> ResponseReturnValue:
    """Takes back what was done a moment ago."""
    who, key = access.who(), asked.key()

    def action() -> ResponseReturnValue:
        changed = undoing.undo(who, entry, key=key)
        onward = asked.onward(url_for("desk.visit", reference=changed.reference))
        says = saying.undone(the_clinic_of_this_request(), undoing.look(who, entry), changed)
        return answers.done(says, onward, version=changed.version, visit=changed.reference)

    return answers.attempt(action, answers.no_page)


@blueprint.post(f"{PATH}/note")
def note(reference: str) -> ResponseReturnValue:
    """The desk's own note about the visit."""
    who, key = access.who(), asked.key()
    typed = request.form.get("note", "")
    try:
        words = contacts.note(typed)
    except contacts.Unreadable as fault:
        no = No("too_long", 422, str(fault), "")
        return (no.as_json(), 422) if answers.wants_json() else _on_visit(reference, no, typed_note=typed)

    def action() -> ResponseReturnValue:
        panel.note(who, reference, words, version=asked.version(), key=key)
        return answers.done(saying.noted(), asked.onward(url_for("desk.visit", reference=reference)))

    return answers.attempt(action, lambda no: _on_visit(reference, no, typed_note=typed))


@blueprint.post("/messages/<int:message>")
def message(message: int) -> ResponseReturnValue:
    """`do`: again, email, text, call (the same another way), take-back or settle."""
    who, key, wanted = access.who(), asked.key(), request.form.get("do", "")
    says = telling.MESSAGE_DONE.get(wanted) or abort(422)

    def action() -> ResponseReturnValue:
        if wanted == "take-back":
            resending.take_back(who, message, key=key)
        elif wanted == "settle":
            resending.settle(who, message, key=key)
        else:
            resending.resend(who, message, None if wanted == "again" else Channel(wanted), key=key)
        return answers.done(str(says), asked.onward(url_for("desk.messages")))

    return answers.attempt(action, answers.no_page)


def _on_visit(reference: str, no: No, **typed: Any) -> ResponseReturnValue:
    who = access.who()
    found = panel.brief(who, reference)
    audit.saw_visit(who, reference, found.patient_id)
    return visit_page(found, no, **typed)


def _unclear(what: Iterable[str]) -> ResponseReturnValue:
    return No("unclear", 422, refusing.unclear(what), "").as_json(), 422


def _tells() -> bool:
    """Whether the patient is to be told: "yes", or "no"; "phone", where they have just heard it on the telephone."""
    return request.form.get("tell") not in ("no", "phone")


def _spoken() -> bool:
    return request.form.get("tell") == "phone"


def _by(words: str) -> Actor:
    """Whose wish a cancellation is: the clinic's, where the form doesn't say, so that nobody is left untold."""
    by = _one_of(Actor, words or Actor.STAFF)
    return by if by is not Actor.SYSTEM else abort(422)


def _one_of(kind: type[Kind], words: str) -> Kind:
    """A word of ours, or 422."""
    try:
        return kind(words)
    except ValueError:
        abort(422)
