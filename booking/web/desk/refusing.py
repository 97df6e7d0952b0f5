"""Why something can't be, or takes a reason, in the words of the desk's pages."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask_babel import gettext as _, lazy_gettext as lazy

from booking.errors import (
    Clash,
    IllegalStatus,
    NeedsReason,
    NotChangeable,
    OldPlaceTaken,
    PatientElsewhere,
    Refusal,
    StaleEdit,
)
from booking.scheduling.latitude import Breach, Taken
from booking.services.clinic import Clinic
from booking.services.desk.statuses import Move
from booking.web.desk.saying import by_whom
from booking.web.visit_words import status
from booking.web.words import staff_advice_for, staff_words_for

_BREACHES: Mapping[str, Any] = {
    Breach.IN_THE_PAST: lazy("That time has passed."),
    Breach.TOO_SOON: lazy("That is sooner than the clinic's notice."),
    Breach.BEYOND_HORIZON: lazy("That is beyond the days that are open for booking."),
    Breach.OUTSIDE_HOURS: lazy("That is outside working hours."),
    Breach.IN_A_BREAK: lazy("That is in the practitioner's break."),
    Breach.PRACTITIONER_LIMIT: lazy("The practitioner has as many of these visits as planned."),
    Breach.PATIENT_LIMIT: lazy("The patient has as many visits that day or week as planned."),
    Breach.PAUSE: lazy("The practitioner's pause between visits is cut short."),
    Breach.TURNOVER: lazy("The room's time to be made ready is cut short."),
    Breach.TOO_MANY_AT_ONCE: lazy("The practitioner has as many patients at once as planned."),
    Breach.SHORTENED: lazy("The visit is shorter than its type says."),
    Breach.OTHER_ROOM_KIND: lazy("This kind of room isn't meant for the visit."),
    Breach.PENCILED: lazy("It is held for a plan that nobody has decided on yet."),
    Breach.BEYOND_COVERAGE: lazy("It may not be covered: the payer is to be asked first."),
    Breach.NEAR_PLAN: lazy(
        "The patient's plan has too little rest from it: a visit of the same kind is too near."
    ),
    "correction": lazy("A correction needs a reason."),
}
_TAKEN: Mapping[str, Any] = {
    Taken.NOT_OFFERED: lazy("This person doesn't give that visit."),
    Taken.AWAY: lazy("They are away."),
    Taken.PRACTITIONER_TAKEN: lazy("The practitioner has another patient."),
    Taken.ROOM_TAKEN: lazy("No room is free."),
    Taken.DEVICE_TAKEN: lazy("What the visit needs is in use."),
    Taken.PATIENT_ELSEWHERE: lazy("The patient has another visit then."),
    Taken.UNDER_WAY: lazy("The visit has begun; its time stays."),
}


def breaches(clinic: Clinic, codes: Iterable[str], facts: Mapping[str, Any]) -> list[str]:
    """What is broken, a sentence each; `facts` by code, as far as they are known."""
    return [words for code in codes for words in hindrance(clinic, code, facts.get(code, {}))]


def usual_reason(codes: Iterable[str]) -> str:
    """The reason that stands there already: where nothing is passed but what gives way anyway."""
    return _("Penciled in, and gave way") if set(codes) == {Breach.PENCILED} else ""


def penciled_there() -> str:
    return _("Something is penciled in there.")


def _held(clinic: Clinic, facts: Mapping[str, Any]) -> list[str]:
    """What is penciled in there, and what becomes of it."""
    found = []
    for one in facts["visits"]:
        about = {
            "whose": one["whose"] or _("another patient"),
            "when": clinic.times.short_moment(datetime.fromisoformat(one["starts_at"])),
            "name": one["name"],
            "decides": one["decides"] or _("a practitioner"),
        }
        found.append(
            _(
                "Held for the plan of %(whose)s until %(decides)s decides how it goes on: %(when)s, with %(name)s.",
                **about,
            )
        )
    found.append(_("That visit gives way: it is cancelled, and stands in its plan as to be booked again."))
    return found


def hindrance(clinic: Clinic, code: str, facts: Mapping[str, Any]) -> list[str]:
    """What keeps a place, in sentences: with whom it clashes, if that is known."""
    if code == Taken.PATIENT_ELSEWHERE and "starts_at" in facts:
        return [elsewhere(clinic, facts)]
    if facts.get("with_"):
        return [in_the_way(clinic, one) for one in facts["with_"]]
    if facts.get("visits"):
        return _held(clinic, facts)
    return [str(_TAKEN.get(code) or _BREACHES.get(code, code))]


def in_the_way(clinic: Clinic, one: Mapping[str, Any]) -> str:
    """As in "Room 2: Rosa Lima, 9:00 am to 9:30 am."."""
    stretch = _stretch(clinic, one)
    if one["by"] == "visit":
        # Whose it is isn't told to whoever doesn't see that patient.
        return _(
            "%(name)s: %(whose)s, %(when)s.",
            name=one["name"],
            whose=one["whose"] or _("another visit"),
            when=stretch,
        )
    words = {
        "hold": lazy("somebody is booking that time just now"),
        "away": lazy("away"),
        "closed": lazy("the clinic is closed"),
        "out_of_use": lazy("out of use"),
    }.get(one["by"], lazy("taken"))
    return _("%(name)s: %(what)s, %(when)s.", name=one["name"], what=words, when=stretch)


def _stretch(clinic: Clinic, one: Mapping[str, Any]) -> str:
    """As in "9:00 am to 9:30 am"; with the day where it isn't one."""
    times = clinic.times
    starts_at, ends_at = (datetime.fromisoformat(one[name]) for name in ("from", "to"))
    same_day = times.local_date(starts_at) == times.local_date(ends_at)
    write = times.time if same_day else times.short_moment
    return _("%(first)s to %(last)s", first=write(starts_at), last=write(ends_at))


def elsewhere(clinic: Clinic, facts: Mapping[str, Any]) -> str:
    """The patient's other visit at that time."""
    return _(
        "The patient's other visit: %(when)s, with %(name)s.",
        when=clinic.times.short_moment(datetime.fromisoformat(facts["starts_at"])),
        name=facts["practitioner_name"],
    )


def unclear(what: Iterable[str]) -> str:
    """Why a change can't be made of what was typed. "far": a day that is years away."""
    if "far" in what:
        return _("That day is too far away. Please look at the year.")
    return _("The time or the length isn't understood. Both go by five minutes.")


@dataclass(frozen=True)
class No:
    """A refusal in words. `needs_reason`: what would be broken; `more`: what is in the way. `other`: the visit that is;
    `times`: where another time is found; `usual`: the reason that may stand there already.
    """

    code: str
    status: int
    title: str
    advice: str
    needs_reason: tuple[str, ...] = ()
    more: tuple[str, ...] = ()
    other: str | None = None
    times: str | None = None
    usual: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "ok": False,
            "code": self.code,
            "title": self.title,
            "advice": self.advice,
            "needs_reason": list(self.needs_reason),
            "alternatives": list(self.more),
            "other": self.other,
            "times": self.times,
            "usual": self.usual,
        }


def no(refusal: Refusal, clinic: Clinic) -> No:
    """Why something was refused, for staff, with what helps."""
    words, facts = staff_words_for(refusal), refusal.facts
    title, advice = str(words.title), staff_advice_for(refusal, clinic)
    needs: list[str] = []
    more: list[str] = []
    other, usual = None, ""
    if isinstance(refusal, NeedsReason):
        needs = breaches(clinic, facts["breaches"], facts.get("facts", {}))
        usual = usual_reason(facts["breaches"])
        if usual:
            title, advice = penciled_there(), _("It can be taken all the same: press once more.")
    elif isinstance(refusal, Clash):
        more = [in_the_way(clinic, one) for one in facts["with_"]]
    elif isinstance(refusal, OldPlaceTaken):
        more = [in_the_way(clinic, one) for one in facts["by"]]
    elif isinstance(refusal, PatientElsewhere):
        more, other = [elsewhere(clinic, facts)], facts["reference"]
    elif isinstance(refusal, StaleEdit) and facts.get("what"):
        more = [by_whom(clinic, facts)]
    elif isinstance(refusal, IllegalStatus):
        advice = _illegal(clinic, facts)
    elif isinstance(refusal, NotChangeable):
        advice = _("It stands as: %(status)s.", status=status(facts["visit_status"]))
    return No(refusal.code, words.status, title, advice, tuple(needs), tuple(more), other, usual=usual)


def _illegal(clinic: Clinic, facts: Mapping[str, Any]) -> str:
    because = facts.get("because")
    if because == "needles":
        return _("The needles are still in. Press “Needles out” first.")
    if because == "no_needles":
        out = facts.get("to") == Move.NEEDLES_OUT
        return _("No needles are in.") if out else _("This kind of visit has no rest with needles.")
    if because == "too_early":
        when = clinic.times.short_moment(datetime.fromisoformat(facts["not_before"]))
        return _("That can be said from %(when)s on.", when=when)
    if because == "another_day":
        when = clinic.times.short_date(datetime.fromisoformat(facts["starts_at"]))
        return _("That can be said on the day of the visit only, %(when)s.", when=when)
    return _(
        "It stands as: %(status)s. To say otherwise, correct it with a reason.",
        status=status(facts["visit_status"]),
    )
