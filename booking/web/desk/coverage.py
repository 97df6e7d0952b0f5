"""A patient's coverage: what is recorded, what is left, and the forms by which desk and practitioners record it."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from flask import abort, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from booking.errors import RecordMerged, StaleRecord
from booking.scheduling.allowances.usual import USUAL
from booking.services.desk import coverage, running_low
from booking.services.desk.coverage import Line, Recorded
from booking.web import access, allowance_words, asked
from booking.web.desk import answers, blueprint
from booking.web.desk.coverage_forms import (
    CAP_SPANS,
    WORDS,
    as_typed,
    terms_typed,
    typed_now,
)
from booking.web.desk.patient_forms import Typed
from booking.web.pages import the_clinic_of_this_request
from booking.web.staff import staff_page

PATH = "/patients/<reference>/coverage"


@blueprint.get(PATH)
def coverage_of(reference: str) -> ResponseReturnValue:
    """What is recorded; `?new=` begins a form with what is usual, `?change=` one with a pool as it is."""
    try:
        found = coverage.recorded(access.who(), reference)
    except RecordMerged as refusal:
        return redirect(url_for("desk.coverage_of", reference=refusal.facts["into"]), 303)
    usual, number = request.args.get("new", ""), asked.number(request.args.get("change"))
    if number is not None:
        line = found.line(number)
        return _page(found, as_typed(line.pool.name, line.pool.terms), line)
    if usual in USUAL:
        terms = USUAL[usual](found.today)
        return _page(found, as_typed(str(allowance_words.KINDS[terms.kind]), terms))
    return _page(found)


@blueprint.post(PATH)
def add_coverage(reference: str) -> ResponseReturnValue:
    """Adds a pool, or shows the form again with what is in the way."""
    who, key, form = access.who(), asked.key(), typed_now()
    found = coverage.recorded(who, reference, opened=False)
    read = terms_typed(form, found.clinic, None)
    if read is None:
        return _page(coverage.recorded(who, reference), form, status=422)
    coverage.record(who, reference, *read, key=key)
    return _done(reference, _("Added: %(name)s.", name=read[0]))


@blueprint.post(f"{PATH}/<int:number>")
def change_coverage(reference: str, number: int) -> ResponseReturnValue:
    """Keeps other terms, or shows the form again with what is in the way."""
    who, key, form = access.who(), asked.key(), typed_now()
    found = coverage.recorded(who, reference, opened=False)
    line = found.line(number)
    shown = request.form.get("shown", "")
    read = terms_typed(form, found.clinic, line.pool.terms)
    if read is None:
        return _page(coverage.recorded(who, reference), form, line, status=422, shown=shown)
    try:
        coverage.change(who, reference, number, *read, shown=shown, key=key)
    except StaleRecord as refusal:
        latest = coverage.recorded(who, reference)
        return _page(latest, form, latest.line(number), status=409, stale=refusal)
    return _done(reference, _("Saved: %(name)s.", name=read[0]))


@blueprint.post(f"{PATH}/<int:number>/end")
def end_coverage(reference: str, number: int) -> ResponseReturnValue:
    """It counts no more; or with `do` = mistake it never did, with `do` = back it does again."""
    what, who, key = request.form.get("do", ""), access.who(), asked.key()
    acts: dict[str, tuple[Callable[[], None], str]] = {
        "end": (
            lambda: coverage.end(who, reference, number, key=key),
            _("Ended. Visits before today still count on it."),
        ),
        "mistake": (
            lambda: coverage.end(who, reference, number, mistake=True, key=key),
            _("Taken off, as if it had never been recorded."),
        ),
        "back": (lambda: coverage.reopen(who, reference, number, key=key), _("It counts again.")),
    }
    if what not in acts:
        # What isn't there is not found, whatever was to become of it.
        coverage.recorded(who, reference, opened=False).line(number)
        abort(422)
    act, says = acts[what]
    act()
    return _done(reference, says)


@blueprint.post(f"{PATH}/<int:number>/earlier")
def draw_coverage_earlier(reference: str, number: int) -> ResponseReturnValue:
    """Draws on it before the one above it."""
    coverage.draw_earlier(access.who(), reference, number, key=asked.key())
    return _done(reference, _("The order is changed."))


@blueprint.post(f"{PATH}/<int:number>/improving")
def record_improving(reference: str, number: int) -> ResponseReturnValue:
    """A practitioner records that the patient is improving; with `do` = back takes that back."""
    improves = request.form.get("do") != "back"
    coverage.improving(access.who(), reference, number, improves=improves, key=asked.key())
    says = _("Recorded as improving, as of today.") if improves else _("Taken back.")
    return _done(reference, says)


@blueprint.post(f"{PATH}/<int:number>/seen")
def see_to_coverage(reference: str, number: int) -> ResponseReturnValue:
    """The desk has seen to what runs low: off the list."""
    seen = request.form.get("seen", "")

    def action() -> ResponseReturnValue:
        running_low.see_to(access.who(), reference, number, seen, key=asked.key())
        return answers.done(_("Seen to. It is off the list."), url_for("desk.to_do"))

    return answers.attempt(action, answers.no_page)


def _done(reference: str, says: str) -> ResponseReturnValue:
    return answers.done(says, url_for("desk.coverage_of", reference=reference))


def _page(
    found: Recorded,
    form: Typed | None = None,
    line: Line | None = None,
    *,
    status: int = 200,
    shown: str = "",
    stale: StaleRecord | None = None,
) -> ResponseReturnValue:
    """`stale`: somebody changed it since; what was typed stands in the form, how it is now beside it, and it can be saved."""
    who = access.who()
    return staff_page(
        "desk/coverage.html",
        status,
        found=found,
        form=form,
        line=line,
        shown=shown or (line.shown if line else ""),
        stale=stale,
        stale_at=_time_of(stale) if stale else "",
        key=asked.fresh_key(),
        desk=who.sees_everybody,
        practises=who.practitioner_id is not None,
        done=answers.what_was_done(),
        field_words=_field_words(form),
        allowing=allowance_words,
        modalities=_modalities(found, line),
        choices={
            "kind": allowance_words.KINDS.items(),
            "span": allowance_words.SPANS.items(),
            "cap_span": [(span, allowance_words.SPANS[span]) for span in CAP_SPANS],
            "same_day": allowance_words.SAME_DAY.items(),
            "beyond": allowance_words.BEYOND.items(),
            "state": allowance_words.STATES.items(),
        },
        usual=allowance_words.USUAL,
    )


def _field_words(form: Typed | None) -> dict[str, Any]:
    rows = len(form.values["authorisations"]) if form else 0
    return dict(WORDS) | {
        f"authorisation-{number}": _("Authorization, line %(number)d", number=number + 1)
        for number in range(rows)
    }


def _modalities(found: Recorded, line: Line | None) -> list[tuple[str, str]]:
    """Those of the clinic, and what a pool has of those that it has no more."""
    names = {one.slug: one.name for one in found.clinic.modalities}
    kept = line.pool.terms.modalities if line else ()
    return [*names.items(), *((slug, slug) for slug in kept if slug not in names)]


def _time_of(stale: StaleRecord) -> str:
    return the_clinic_of_this_request().times.time(datetime.fromisoformat(stale.facts["at"]))
