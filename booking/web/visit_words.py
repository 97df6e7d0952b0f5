"""The words of a visit that all staff read, at the desk and on their own day: how it stands, what can be tapped, and
what was done to it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask_babel import gettext as _, lazy_gettext as lazy

from booking.models import Actor
from booking.scheduling.status import Status
from booking.services.clinic import Clinic
from booking.services.desk.statuses import Move
from booking.services.history import Entry


@dataclass(frozen=True)
class Standing:
    """A status as people see it: symbol, word and the name of its colours."""

    symbol: str
    words: Any
    tone: str


STANDINGS: Mapping[Status, Standing] = {
    Status.BOOKED: Standing("○", lazy("Booked"), "plain"),
    Status.ARRIVED: Standing("◆", lazy("Here"), "blue"),
    Status.CHECKED_IN: Standing("●", lazy("In the room"), "blue"),
    Status.FULFILLED: Standing("✔", lazy("Done"), "green"),
    Status.NOSHOW: Standing("✕", lazy("No-show"), "clay"),
    Status.CANCELLED: Standing("✕", lazy("Cancelled"), "clay"),
    Status.PROPOSED: Standing("?", lazy("Proposed"), "amber"),
    Status.PENDING: Standing("?", lazy("Waiting"), "amber"),
    Status.WAITLIST: Standing("?", lazy("On the waiting list"), "amber"),
}

# Whose wish a cancellation was.
CANCELLED_BY: Mapping[Actor, Any] = {
    Actor.PATIENT: lazy("Cancelled by the patient"),
    Actor.STAFF: lazy("Cancelled by the clinic"),
}

# What a button says.
TAPS: Mapping[Move, Any] = {
    Move.CONFIRM: lazy("Confirmed"),
    Move.ARRIVE: lazy("Here"),
    Move.START: lazy("In the room"),
    Move.NEEDLES_IN: lazy("Needles in"),
    Move.NEEDLES_OUT: lazy("Needles out"),
    Move.FINISH: lazy("Done"),
    Move.NO_SHOW: lazy("No-show"),
    Move.CANCEL: lazy("Cancel…"),
}

# What the history and the audit have, without its facts.
HAPPENED: Mapping[str, Any] = {
    "booked": lazy("Booked"),
    "moved": lazy("Moved"),
    "made firm": lazy("Stands, penciled in no more"),
    "gave way": lazy("Was penciled in, and gave way to another visit"),
    "came back": lazy("Penciled in again: what it gave way to was taken back"),
    "changed": lazy("Changed"),
    "cancelled": lazy("Cancelled"),
    "confirmed": lazy("Said that they are coming"),
    "cannot_come": lazy("Said that they can't come"),
    "contact_corrected": lazy("Contact corrected"),
    "number_corrected": lazy("Telephone number corrected"),
    "name_corrected": lazy("Name corrected"),
    "reminders_changed": lazy("Reminders changed"),
    "arrived": lazy("Here"),
    "checked-in": lazy("In the room"),
    "needles_in": lazy("Needles in"),
    "needles_out": lazy("Needles out"),
    "fulfilled": lazy("Done"),
    "noshow": lazy("No-show"),
    "noted": lazy("Note changed"),
    "undone": lazy("Taken back"),
    "corrected": lazy("Corrected"),
    "merged": lazy("Record merged"),
    "unmerged": lazy("Record taken apart again"),
}


def happened(clinic: Clinic, entry: Entry) -> str:
    """One entry of the history, in a sentence without its subject."""
    says = _happened(clinic, entry)
    return _("%(what)s; told on the phone", what=says) if entry.facts.get("spoken") else says


def _happened(clinic: Clinic, entry: Entry) -> str:
    facts, times = entry.facts, clinic.times
    if entry.what == "cancelled" and facts.get("by") == Actor.PATIENT:
        return _("Cancelled, as the patient asked")
    if entry.what in ("moved", "changed"):
        return _changed(clinic, facts)
    if entry.what == "booked" and "starts_at" in facts:
        here = facts.get("state", {}).get("status") == Status.ARRIVED
        words = (
            _("Booked for %(when)s, with %(name)s, and here")
            if here
            else _("Booked for %(when)s, with %(name)s")
        )
        return words % {
            "when": times.short_moment(datetime.fromisoformat(facts["starts_at"])),
            "name": person(clinic, facts.get("practitioner")),
        }
    if entry.what == "corrected":
        before, after = _stood(facts["before"]), _stood(facts["after"])
        if before == after:
            return _("Corrected: why it was cancelled")
        return _("Corrected: %(before)s → %(after)s", before=before, after=after)
    if entry.what == "undone":
        return _("Taken back: %(what)s", what=HAPPENED.get(facts.get("undid", ""), facts.get("undid", "")))
    return str(HAPPENED.get(entry.what, entry.what))


def whom(clinic: Clinic, actor: Actor | str, name: str) -> str:
    """Who did it: the patient, somebody by name, or the clinic's own programs."""
    if actor == Actor.PATIENT:
        return _("the patient")
    return name or (_("staff") if actor == Actor.STAFF else _("automatically"))


def person(clinic: Clinic, slug: str | None) -> str:
    found = clinic.person(slug)
    return found.name if found else slug or "–"


def status(value: str) -> str:
    return str(STANDINGS[Status(value)].words)


def _stood(visit: Mapping[str, Any]) -> str:
    """How a visit stood, and of a cancelled one whose wish that was."""
    by = visit["cancelled_by"] if visit["status"] == Status.CANCELLED else None
    return str(CANCELLED_BY.get(by) or status(visit["status"]))


def _changed(clinic: Clinic, facts: Mapping[str, Any]) -> str:
    """What is other than before: time, person, room, length, type."""
    times, parts = clinic.times, []
    if facts.get("from") and facts["from"] != facts.get("to"):
        old, new = (datetime.fromisoformat(facts[name]) for name in ("from", "to"))
        parts.append(_("%(old)s → %(new)s", old=times.short_moment(old), new=times.short_moment(new)))
    people = (facts.get("from_practitioner"), facts.get("to_practitioner"))
    if people[0] != people[1]:
        parts.append(_("%(old)s → %(new)s", old=person(clinic, people[0]), new=person(clinic, people[1])))
    return "; ".join([*parts, *changed_besides(facts)]) or _("Changed")


def changed_besides(facts: Mapping[str, Any]) -> list[str]:
    """What is other than before, besides time and person: room, device, type, length."""
    parts = []
    for name, words in (
        ("room", lazy("%(old)s → %(new)s")),
        ("devices", lazy("%(old)s → %(new)s")),
        ("type", lazy("%(old)s → %(new)s")),
        ("minutes", lazy("%(old)s → %(new)s minutes")),
    ):
        old, new = facts.get(f"from_{name}"), facts.get(f"to_{name}")
        if old != new:
            parts.append(str(words) % {"old": old or "–", "new": new or "–"})
    return parts
