"""Why something can't be, or takes a reason, in the words of the desk's pages."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask_babel import gettext as _

from booking.errors import (
    Clash,
    IllegalStatus,
    NeedsReason,
    NotChangeable,
    NotOffered,
    OldPlaceTaken,
    PatientElsewhere,
    Refusal,
    StaleEdit,
)
from booking.services.clinic import Clinic
from booking.services.desk.statuses import Move
from booking.web.change_words import (
    breaches,
    elsewhere,
    in_the_way,
    not_offered,
    penciled_there,
    usual_reason,
)
from booking.web.desk.saying import by_whom
from booking.web.visit_words import status
from booking.web.words import staff_advice_for, staff_words_for


def unclear(what: Iterable[str]) -> str:
    """Why a change can't be made of what was typed. "far": a day that is years away."""
    if "far" in what:
        return _("That day is too far away. Please look at the year.")
    if "time" in what:
        return _("The time isn't understood. It goes by five minutes.")
    return _(
        "The length isn't understood. Minutes go by five minutes, and no part of a visit takes more than 8 hours."
    )


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
    elif isinstance(refusal, NotOffered):
        title, advice = not_offered(facts) or (title, advice)
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
