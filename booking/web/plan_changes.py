"""What the desk and practitioners change of a plan that runs, each on a page that shows beforehand what it would do.

Nothing is done that wasn't shown: the form sends a mark of what was seen, and where that isn't so any more, it is shown anew.
"""

from collections.abc import Callable

from flask import abort, flash, get_flashed_messages, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from booking import clock
from booking.errors import (
    BeyondCoverage,
    KeyReused,
    NotChangeable,
    NotFound,
    NotOffered,
    OldPlaceTaken,
    PlanRulesBroken,
    Refusal,
    StaleEdit,
    TooLateToUndo,
    VisitsTaken,
)
from booking.services.clinic import Clinic
from booking.services.plans import changing, reading, repairing, taking_back
from booking.services.plans.reading import PlanView
from booking.web import access, asked, payer, plan_next
from booking.web.change_words import in_the_way
from booking.web.free import instant
from booking.web.pages import the_clinic_of_this_request
from booking.web.plan_change import Change
from booking.web.plan_change_kinds import CHANGES
from booking.web.plan_words import broken
from booking.web.staff import staff_page
from booking.web.staff_plans import Ways, is_called, say, say_done

REFUSALS = (BeyondCoverage, KeyReused, NotChangeable, NotOffered, PlanRulesBroken, StaleEdit, VisitsTaken)


def change_page(ways: Ways, reference: str, name: str) -> ResponseReturnValue:
    """The form of a change; with what it would do, where the address says enough or nothing needs to be said."""
    kind = CHANGES.get(name) or abort(404)
    plan = reading.opened(access.who(), reference)
    if not plan_next.fits(plan, name):
        return _not_now(ways, reference)
    change = kind(plan, request.args)
    return _gone(ways, change) or _page(ways, change, shown=change.is_asked)


def changed(ways: Ways, reference: str, name: str) -> ResponseReturnValue:
    """Shows what was asked for, or does it once that was seen."""
    if name in _AT_ONCE:
        return _at_once(ways, reference, name)
    kind = CHANGES.get(name) or abort(404)
    plan, key = reading.opened(access.who(), reference), asked.key()
    seen = asked.version()
    do = "do" in request.form
    if do and seen is None:
        abort(422)
    # Sent once more, a form is answered as it was the first time, whatever the plan is by now.
    as_seen = seen == plan.version or not do
    if as_seen and not plan_next.fits(plan, name):
        return _not_now(ways, reference)
    change = kind(plan, request.form)
    if gone := _gone(ways, change):
        return gone
    if "step" in request.form:
        return _page(ways, change, shown=False)
    trouble = change.trouble
    if trouble:
        return _page(ways, change, 422, trouble=trouble, shown=False)
    if not do:
        return _page(ways, change, shown=True)
    try:
        if as_seen and request.form.get("shown") != change.mark(access.who()):
            words = _("This is what it would do now. Please look at it, and press once more.")
            return _page(ways, change, 409, trouble=words, shown=True)
        onward = change.do(access.who(), seen, key)
    except (*REFUSALS, NotFound) as refusal:
        return _refused(ways, reference, kind, refusal)
    say(change.done if as_seen else _("This was sent before. This is how the plan stands now."))
    where = onward or {"endpoint": "plan"}
    if "change" in where:
        return redirect(url_for(ways.change, reference=reference, **where), 303)
    return redirect(url_for(ways.plan, reference=reference), 303)


def _refused(ways: Ways, reference: str, kind: type[Change], refusal: Refusal) -> ResponseReturnValue:
    """The form once more, with the plan as it is now and all that was typed."""
    words = refused(the_clinic_of_this_request(), refusal)
    plan = reading.opened(access.who(), reference)
    if not plan_next.fits(plan, kind.name):
        return _not_now(ways, reference)
    change = kind(plan, request.form)
    if gone := _gone(ways, change):
        return gone
    can_be_shown = not isinstance(refusal, NotOffered | PlanRulesBroken) and not change.trouble
    status = 422 if isinstance(refusal, BeyondCoverage | NotOffered | PlanRulesBroken) else 409
    return _page(ways, change, status, trouble=words, shown=can_be_shown)


def refused(clinic: Clinic, refusal: Refusal) -> str:
    """Why it wasn't done, in words."""
    if isinstance(refusal, VisitsTaken):
        lost = [
            _(
                "%(when)s with %(who)s",
                when=clinic.times.short_moment(at),
                who=clinic.practitioner(one["practitioner"]).name,
            )
            for one in refusal.facts["lost"]
            if (at := instant(one["starts_at"]))
        ]
        if not lost:
            return _("There is nothing ahead any more that this could change.")
        return _("Nothing was changed. These times aren't free any more: %(times)s.", times="; ".join(lost))
    if isinstance(refusal, StaleEdit):
        return _("Nothing was changed: somebody else changed this plan meanwhile. This is how it stands now.")
    if isinstance(refusal, PlanRulesBroken):
        words = [broken(clinic, fault) for fault in refusal.facts["faults"]]
        return " ".join([_("These visits wouldn't keep the plan."), *words])
    if isinstance(refusal, BeyondCoverage):
        return payer.ask_first()
    if isinstance(refusal, NotOffered):
        return _("Nobody gives all that this plan asks for any more.")
    if isinstance(refusal, KeyReused):
        return _("This form was sent before, with something else in it. Please look at the plan first.")
    return _("Nothing was changed: this can't be done with this plan any more.")


def _not_now(ways: Ways, reference: str) -> ResponseReturnValue:
    say(_("Nothing was changed: this can't be done with this plan now."), trouble=True)
    return redirect(url_for(ways.plan, reference=reference), 303)


def _gone(ways: Ways, change: Change) -> ResponseReturnValue | None:
    if not change.gone:
        return None
    say(change.gone, trouble=True)
    return redirect(url_for(ways.plan, reference=change.plan.reference), 303)


def _page(
    ways: Ways, change: Change, status: int = 200, *, trouble: str = "", shown: bool
) -> tuple[str, int]:
    try:
        preview = change.preview(access.who()) if shown else None
    except (NotOffered, PlanRulesBroken) as refusal:
        preview, status, trouble = None, 422, refused(change.plan.clinic, refusal)
    return staff_page(
        "staff/plan_change.html",
        status,
        clinic=change.plan.clinic,
        change=change,
        plan=change.plan,
        ways=ways,
        is_called=is_called(change.plan),
        preview=preview,
        mark=change.mark_of(preview) if preview else "",
        trouble=trouble,
        told=get_flashed_messages(category_filter=["plan"]),
        key=asked.fresh_key(),
    )


# Done by one press, without a page


def _at_once(ways: Ways, reference: str, name: str) -> ResponseReturnValue:
    plan = reading.brief(access.who(), reference)
    try:
        _AT_ONCE[name](plan, asked.key())
    except REFUSALS as refusal:
        say(refused(plan.clinic, refusal), trouble=True)
    return redirect(url_for(ways.plan, reference=reference), 303)


def _confirm(plan: PlanView, key: str) -> None:
    # What the patient changed meanwhile is theirs to change: the desk confirms the plan, not each time.
    changing.confirm(access.who(), plan.reference, key=key)
    say_done(plan, _("Confirmed."), _("The patient gets one list of the visits."), _to_be_called())


def _told(plan: PlanView, key: str) -> None:
    if not changing.told_now(access.who(), plan.reference, key=key):
        say(_("Nothing waits any more: the patient was told before."))
    elif any(plan.untold_news(clock.now())):
        say_done(plan, _("Kept."), _("The patient gets one list of the visits."), _to_be_called())
    else:
        say(_("Kept."))


def _make_up(plan: PlanView, key: str) -> None:
    week, care, person, start, replaces = (request.form.get("take", "").split(" ") + [""] * 5)[:5]
    number, starts_at = asked.number(week), instant(start)
    if number is None or starts_at is None:
        abort(422)
    plan.clinic.visit_type(care), plan.clinic.practitioner(person)
    try:
        repairing.take_for(
            access.who(), plan.reference, number, care, starts_at, person,
            replaces=instant(replaces), beyond=payer.was_asked(request.form), key=key,
        )  # fmt: skip
    except NotFound:
        say(_missing_no_more(), trouble=True)
        return
    say_done(plan, _("Booked."), _("The patient gets a message about it."), _to_be_called())


def _missing_no_more() -> str:
    return _("Nothing was changed: this visit isn’t missing any more. This is how the plan stands now.")


def _to_be_called() -> str:
    return _("Nobody is written to: they go on the list of calls.")


def _offer(plan: PlanView, key: str) -> None:
    if repairing.offer(access.who(), plan.reference, key=key):
        say(_("The link to these times was sent. Nothing is held until they choose."))
    else:
        say(_("There is no way to write to them. Please call them, or show them the link."), trouble=True)


def _not_needed(plan: PlanView, key: str) -> None:
    week, care = [*request.form.get("missing", "").split(" "), ""][:2]
    number, why = asked.number(week), asked.reason()
    if number is None:
        abort(422)
    plan.clinic.visit_type(care)
    if not why:
        say(_("Please say why this visit isn't needed."), trouble=True)
        return
    try:
        entry = repairing.not_needed(access.who(), plan.reference, number, care, why, key=key)
    except NotFound:
        say(_missing_no_more(), trouble=True)
        return
    say(_("Kept: this visit isn't needed. Nobody was written to."))
    flash(str(entry), "plan-not-needed")


def _needed(plan: PlanView, key: str) -> None:
    entry = asked.number(request.form.get("entry", ""))
    if entry is None:
        abort(422)
    repairing.needed(access.who(), plan.reference, entry, version=asked.version(), key=key)
    say(_("Taken back: this visit is missing once more. Nobody was written to."))


def _take_back(plan: PlanView, key: str) -> None:
    entry = asked.number(request.form.get("entry", ""))
    if entry is None:
        abort(422)
    try:
        taking_back.take_back(access.who(), plan.reference, entry, key=key)
    except (NotChangeable, OldPlaceTaken, StaleEdit, TooLateToUndo) as refusal:
        say(_not_taken_back(plan.clinic, refusal), trouble=True)
    else:
        say(_("Taken back: the plan and its visits are as they were. Nobody is told of it."))


def _not_taken_back(clinic: Clinic, refusal: Refusal) -> str:
    """Why what was done to a plan stays, in words."""
    if isinstance(refusal, OldPlaceTaken):
        taken = [
            _("%(day)s, %(what)s", day=clinic.times.short_date(at), what=in_the_way(clinic, one))
            for one in refusal.facts["by"]
            if (at := instant(one["visit"]))
        ]
        words = _("Nothing was taken back: where visits were before, something else is by now.")
        return " ".join([words, *taken])
    if isinstance(refusal, StaleEdit):
        return _(
            "Nothing was taken back: this plan, or one of these visits, was changed since. This is how it stands now."
        )
    if isinstance(refusal, TooLateToUndo):
        return _(
            "Nothing was taken back: that can be done for three minutes, while the patient isn’t told. Please change the plan instead."
        )
    return _("Nothing was taken back: this can’t be undone.")


_AT_ONCE: dict[str, Callable[[PlanView, str], None]] = {
    "confirm": _confirm,
    "told": _told,
    "make-up": _make_up,
    "not-needed": _not_needed,
    "needed": _needed,
    "take-back": _take_back,
    "offer": _offer,
}
