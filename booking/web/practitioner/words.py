"""What practitioners read of statuses, of taps and of a visit's history."""

from typing import Any

from flask_babel import gettext as _, lazy_gettext as lazy

from booking.models import Actor
from booking.scheduling.status import Status
from booking.services.clinic import Clinic
from booking.services.desk.statuses import Move
from booking.services.history import Entry
from booking.services.own_day.day import OwnVisit
from booking.web.free import instant

# A symbol, a word, and the colour's name: never colour alone.
STATUSES: dict[Status, tuple[str, Any, str]] = {
    Status.PROPOSED: ("◌", lazy("penciled in"), "waits"),
    Status.PENDING: ("◌", lazy("not sure yet"), "waits"),
    Status.WAITLIST: ("◌", lazy("on the waitlist"), "waits"),
    Status.BOOKED: ("○", lazy("booked"), "ahead"),
    Status.ARRIVED: ("◐", lazy("arrived"), "here"),
    Status.CHECKED_IN: ("●", lazy("in the room"), "inside"),
    Status.FULFILLED: ("✓", lazy("done"), "past"),
    Status.NOSHOW: ("✕", lazy("did not come"), "off"),
    Status.CANCELLED: ("✕", lazy("cancelled"), "off"),
}

TAPS: dict[Move, Any] = {
    Move.ARRIVE: lazy("Arrived"),
    Move.START: lazy("Start"),
    Move.NEEDLES_IN: lazy("Needles in"),
    Move.NEEDLES_OUT: lazy("Needles out"),
    Move.FINISH: lazy("Done"),
    Move.NO_SHOW: lazy("No-show"),
}

_TAPPED: dict[Move, Any] = {
    Move.ARRIVE: lazy("%(name)s has arrived."),
    Move.START: lazy("%(name)s is in the room."),
    Move.NEEDLES_IN: lazy("%(name)s: needles in."),
    Move.NEEDLES_OUT: lazy("%(name)s: needles out."),
    Move.FINISH: lazy("%(name)s is done."),
    Move.NO_SHOW: lazy("%(name)s did not come."),
}

_HAPPENED: dict[str, Any] = {
    "booked": lazy("Booked"),
    "moved": lazy("Moved to another time"),
    "changed": lazy("Changed"),
    "cancelled": lazy("Cancelled"),
    "confirmed": lazy("Confirmed"),
    "cannot_come": lazy("Said that they can't come"),
    "contact_corrected": lazy("Contact corrected"),
    "arrived": lazy("Arrived"),
    "checked-in": lazy("In the room"),
    "fulfilled": lazy("Done"),
    "noshow": lazy("Did not come"),
    "needles_in": lazy("Needles in"),
    "needles_out": lazy("Needles out"),
    "corrected": lazy("Corrected"),
    "undone": lazy("Taken back"),
}

_ACTORS: dict[Actor, Any] = {
    Actor.PATIENT: lazy("the patient"),
    Actor.STAFF: lazy("the clinic"),
    Actor.SYSTEM: lazy("by itself"),
}


def tapped(move: Move, visit: OwnVisit) -> str:
    """What was done, in a sentence."""
    words = str(_TAPPED[move])
    return words % {"name": visit.name}


def happened(clinic: Clinic, entry: Entry) -> str:
    """An entry of the history: what, and of a move from when to when."""
    words = str(_HAPPENED.get(entry.what) or entry.what.replace("_", " ").replace("-", " ").capitalize())
    old, new = instant(str(entry.facts.get("from", ""))), instant(str(entry.facts.get("to", "")))
    if old and new and old != new:
        times = clinic.times
        return _(
            "%(what)s: %(old)s → %(new)s",
            what=words,
            old=times.short_moment(old),
            new=times.short_moment(new),
        )
    return words


def by_whom(entry: Entry) -> str:
    return entry.name or str(_ACTORS[entry.actor])
