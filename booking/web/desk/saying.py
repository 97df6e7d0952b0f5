"""The words of the desk's pages: what was done to a visit, and how it stands."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from flask_babel import gettext as _, lazy_gettext as lazy, ngettext

from booking.errors import StaleEdit
from booking.models import Actor, TaskKind
from booking.scheduling.status import Status
from booking.services.clinic import Clinic
from booking.services.desk.closing import Reopened
from booking.services.desk.moving import Changed
from booking.services.desk.statuses import Move
from booking.services.desk.undoing import Doing
from booking.web import change_words
from booking.web.visit_words import (
    CANCELLED_BY,
    HAPPENED,
    STANDINGS,
    TAPS,
    changed_besides,
    happened,
    person,
    whom,
)

# What the button says where a no-show comes after all.
CAME_LATE = lazy("Came late")
# What a button says, and what is said once it is done.
MOVES: Mapping[Move, tuple[Any, Any]] = {
    move: (TAPS[move], says)
    for move, says in (
        (Move.CONFIRM, lazy("Noted that they are coming.")),
        (Move.ARRIVE, lazy("Here.")),
        (Move.START, lazy("In the room.")),
        (Move.NEEDLES_IN, lazy("Needles are in.")),
        (Move.NEEDLES_OUT, lazy("Needles are out.")),
        (Move.FINISH, lazy("Done.")),
        (Move.NO_SHOW, lazy("Noted as no-show. Nobody was written to.")),
        (Move.CANCEL, lazy("Cancelled.")),
    )
}

TASKS: Mapping[TaskKind, Any] = {
    TaskKind.ESTIMATE: lazy("Good-faith estimate"),
    TaskKind.COVERAGE: lazy("Check the coverage"),
}
# What the button of a task says, and what is said once it is done.
TASK_DONE: Mapping[TaskKind, tuple[Any, Any]] = {
    TaskKind.ESTIMATE: (lazy("Estimate given"), lazy("Estimate given. It is off the list.")),
    TaskKind.COVERAGE: (lazy("Coverage checked"), lazy("Coverage checked. It is off the list.")),
}


def leave_it(clinic: Clinic, stale: StaleEdit) -> str:
    """As in "Leave it at 11:45 am": where a colleague has put the visit meanwhile."""
    was, now = stale.facts["shown"] or {}, stale.facts["now"]
    times, starts_at = clinic.times, datetime.fromisoformat(now["starts_at"])
    if now["starts_at"] != was.get("starts_at"):
        seen_on = "starts_at" in was and times.local_date(datetime.fromisoformat(was["starts_at"]))
        write = times.time if seen_on == times.local_date(starts_at) else times.short_moment
        return _("Leave it at %(when)s", when=write(starts_at))
    person = clinic.person(now["practitioner"])
    if person and now["practitioner"] != was["practitioner"]:
        return _("Leave it with %(name)s", name=person.name)
    return _("Leave it as it is now")


def now_is(clinic: Clinic, changed: Changed, *, spoken: bool = False, number: str | None = None) -> str:
    """Where a visit is after a change, what else is new, and whether its patient hears of it. `spoken`: they know from the
    telephone. `number`: by which they can be called.
    """
    if changed.state["status"] == Status.CANCELLED:
        says = _("Cancelled.")
    else:
        now = _(
            "Now %(when)s, with %(name)s",
            when=clinic.times.short_moment(datetime.fromisoformat(changed.state["starts_at"])),
            name=person(clinic, changed.state["practitioner"]),
        )
        says = "; ".join([now, *changed_besides(changed.facts)]) + "."
    return f"{says} {change_words.heard(clinic, changed, spoken=spoken, number=number)}"


def corrections(possible: Iterable[Status], cancelled_by: Actor | None) -> list[tuple[str, str]]:
    """What a visit can be corrected to, as values of the form and words. Of a cancellation it says whose wish it was, first
    what wasn't said before.
    """
    found: list[tuple[str, str]] = []
    for one in possible:
        if one is Status.CANCELLED:
            wishes = sorted(CANCELLED_BY, key=lambda by: by is cancelled_by)
            found += [(f"{one} {by}", str(CANCELLED_BY[by])) for by in wishes]
        else:
            found.append((one.value, str(STANDINGS[one].words)))
    return found


def corrected(clinic: Clinic, to: Status, by: Actor, changed: Changed) -> str:
    """Nobody is written to about a correction, of what the clinic wished the patient may not know; but what waits goes, and so
    does a change of which they knew nothing.
    """
    if to is not Status.CANCELLED:
        says = _("Corrected to: %(status)s.", status=STANDINGS[to].words)
        hears = changed.told or changed.to_call
        return f"{says} {change_words.told_at(clinic, changed, None)}" if hears else says
    says = _("Corrected to: %(status)s.", status=CANCELLED_BY[by])
    if changed.told:
        return f"{says} {change_words.told_at(clinic, changed, None)}"
    return f"{says} {_('Nobody is written to.')}"


def undone(clinic: Clinic, doing: Doing, changed: Changed) -> str:
    """Whose visit it was, what is taken back, how it stands now, and whether its patient hears of it."""
    stands = str(STANDINGS[Status(changed.state["status"])].words)
    if doing.entry.what in ("moved", "changed", "cancelled"):
        stands = _(
            "%(status)s, %(when)s, with %(name)s",
            status=stands,
            when=clinic.times.short_moment(datetime.fromisoformat(changed.state["starts_at"])),
            name=person(clinic, changed.state["practitioner"]),
        )
    says = _(
        "%(name)s: Taken back. Was: %(what)s. Now: %(stands)s.",
        name=doing.name,
        what=happened(clinic, doing.entry),
        stands=stands,
    )
    return f"{says} {change_words.told_at(clinic, changed)}".strip()


def what_was_done(clinic: Clinic, doing: Doing) -> str:
    """As in "Noah Shaw, 6:15 am: Corrected: No-show → Here"."""
    return _(
        "%(name)s, %(time)s: %(what)s",
        name=doing.name,
        time=clinic.times.time(doing.entry.at),
        what=happened(clinic, doing.entry),
    )


def was_told(clinic: Clinic, doing: Doing) -> str:
    """What to know before something is taken back of which its patient has heard."""
    if doing.told_at is None:
        return ""
    return _(
        "The patient was told at %(time)s, and is told again if you take it back.",
        time=clinic.times.time(doing.told_at),
    )


def cancelled_by(actor: Actor | None) -> str:
    """Whose wish a cancellation was, as in "by the clinic"."""
    if actor is Actor.PATIENT:
        return _("the patient")
    return _("the clinic")


def noted() -> str:
    return _("The note is kept.")


def back_on_the_list() -> str:
    return _("Back on the list.")


def closed(names: Sequence[str]) -> str:
    """Whose visits closing the day has settled."""
    if not names:
        return _("Nothing was left to settle by itself.")
    return ngettext(
        "One visit is done: %(names)s.",
        "%(num)d visits are done: %(names)s.",
        len(names),
        names=", ".join(names),
    )


def reopened(clinic: Clinic, found: Reopened) -> str:
    """Whose visits are open again once a closing was taken back, and whose aren't, since somebody changed them."""
    if found.names:
        says = [
            ngettext(
                "Taken back. One visit is open again: %(names)s.",
                "Taken back. %(num)d visits are open again: %(names)s.",
                len(found.names),
                names=", ".join(found.names),
            )
        ]
    else:
        says = [_("Nothing was taken back.")]
    if found.changed:
        says.append(_("Changed since, and left as it is:"))
        says += [
            _("%(name)s: %(what)s", name=name, what=by_whom(clinic, facts)) for name, facts in found.changed
        ]
    return " ".join(says)


def by_whom(clinic: Clinic, facts: Mapping[str, Any]) -> str:
    """Who changed a visit meanwhile, what, and when."""
    return _(
        "%(what)s by %(who)s, %(time)s.",
        what=HAPPENED.get(facts["what"], facts["what"]),
        who=whom(clinic, facts.get("by_actor", ""), facts.get("by", "")),
        time=clinic.times.time(datetime.fromisoformat(facts["at"])) if facts.get("at") else "",
    )


def due(on: date, today: date, clinic: Clinic) -> str:
    """As in "today", or "since Monday, September 14"."""
    if on == today:
        return _("today")
    if on < today:
        return _("since %(day)s", day=clinic.times.short_day(on))
    return _("by %(day)s", day=clinic.times.short_day(on))
