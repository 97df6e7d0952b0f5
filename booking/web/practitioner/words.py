"""What only practitioners read of statuses and taps; the words for the rest are those that the desk reads."""

from typing import Any

from flask_babel import lazy_gettext as lazy

from booking.scheduling.status import Status
from booking.services.desk.statuses import Move
from booking.services.own_day.day import OwnVisit
from booking.web.visit_words import STANDINGS

# By which class a status is coloured here: on a list of one's own, what is done steps back.
_TONES: dict[Status, str] = {
    Status.PROPOSED: "waits",
    Status.PENDING: "waits",
    Status.WAITLIST: "waits",
    Status.BOOKED: "ahead",
    Status.ARRIVED: "here",
    Status.CHECKED_IN: "inside",
    Status.FULFILLED: "past",
    Status.NOSHOW: "off",
    Status.CANCELLED: "off",
}
# A symbol, a word, and the colour's name: never colour alone.
STATUSES: dict[Status, tuple[str, Any, str]] = {
    status: (STANDINGS[status].symbol, STANDINGS[status].words, tone) for status, tone in _TONES.items()
}

_TAPPED: dict[Move, Any] = {
    Move.ARRIVE: lazy("%(name)s is here."),
    Move.START: lazy("%(name)s is in the room."),
    Move.NEEDLES_IN: lazy("%(name)s: needles in."),
    Move.NEEDLES_OUT: lazy("%(name)s: needles out."),
    Move.FINISH: lazy("%(name)s is done."),
    Move.NO_SHOW: lazy("%(name)s: no-show."),
}


def tapped(move: Move, visit: OwnVisit) -> str:
    """What was done, in a sentence."""
    words = str(_TAPPED[move])
    return words % {"name": visit.name}
