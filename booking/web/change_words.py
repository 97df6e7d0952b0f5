"""What a change of a visit means, in the words that all staff read: whom it tells how and when, which rules it passes, and
what is in the way.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from flask_babel import gettext as _, lazy_gettext as lazy

from booking import clock
from booking.formatting import phone
from booking.models import Channel
from booking.scheduling.latitude import Breach, Taken
from booking.services.clinic import Clinic
from booking.services.desk.moving import Changed, Preview
from booking.services.notices import TAKEN_BACK_WITHIN
from booking.services.plans.suffering import suffering
from booking.services.staff.who import Who
from booking.services.wording import Words
from booking.web import plan_words

CHANNELS: Mapping[Channel, Any] = {
    Channel.EMAIL: lazy("by e-mail"),
    Channel.TEXT: lazy("by text"),
    Channel.CALL: lazy("by telephone"),
}
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


# Whom it tells


def tells(clinic: Clinic, preview: Words | Preview) -> str:
    """Whom a change would tell how and when, and whether it is told whatever staff choose."""
    says = told(clinic, preview)
    return f"{says} {told_anyway()}" if preview.owed else says


def told(clinic: Clinic, words: Words | Preview) -> str:
    """Whether and how the patient would be told, in sentences."""
    if words.unheard:
        return _(
            "They haven't heard of this visit yet, so nobody is written to: it is told with what was decided."
        )
    if not words.channel or words.due_at is None:
        return _("Nobody is written to.")
    if not words.address:
        return _without_a_way()
    address = phone(words.address) if words.address.startswith("+") else words.address
    if words.channel == Channel.CALL:
        return _("Call %(number)s to tell them: they go on the list of calls.", number=address)
    says = _(
        "The patient is told %(way)s, at %(address)s, at %(time)s; until then it can be taken back.",
        way=CHANNELS[Channel(words.channel)],
        address=address,
        time=when(clinic, words.due_at),
    )
    return f"{says} {_called_too()}" if words.to_call else says


def told_anyway() -> str:
    """Why "tell nobody" isn't offered."""
    return _("Earlier news of this visit hasn't reached them yet, so they can't be left untold.")


def told_at(clinic: Clinic, changed: Changed, number: str | None = None) -> str:
    """When and how the patient hears of a change that was made; nothing where that isn't known."""
    if changed.due_at is None:
        return ""
    at = when(clinic, datetime.fromisoformat(changed.due_at))
    if changed.channel == Channel.CALL:
        number = phone(number) if number else _("the patient")
        return _(
            "Call %(number)s to tell them: they are on the list of calls from %(time)s on.",
            number=number,
            time=at,
        )
    way = CHANNELS[Channel(changed.channel)]
    says = _("The patient is told at %(time)s, %(way)s.", time=at, way=way)
    return f"{says} {_called_too()}" if changed.to_call else says


def heard(clinic: Clinic, changed: Changed, *, spoken: bool = False, number: str | None = None) -> str:
    """Whether and how the patient hears of a change that was made. `spoken`: they know from the telephone. `number`: by which
    they can be called.
    """
    if changed.told:
        return told_at(clinic, changed, number)
    return _("The patient was told on the phone.") if spoken else _("Nobody is written to.")


def _without_a_way() -> str:
    return _(
        "They left neither a number nor an address: they stand on the list of calls until somebody has told them."
    )


def _called_too() -> str:
    return _(
        "As the visit is soon, they go on the list of calls as well, in %(minutes)d minutes, until you reach them.",
        minutes=TAKEN_BACK_WITHIN.seconds // 60,
    )


def when(clinic: Clinic, at: datetime) -> str:
    """The time; with the day where that isn't today."""
    times = clinic.times
    today = times.local_date(at) == times.local_date(clock.now())
    return times.time(at) if today else times.short_moment(at)


# Who is here


def who_is_here(clinic: Clinic, preview: Preview) -> str:
    """What to know of a patient who has come already; nothing of one who hasn't."""
    if preview.comes_again:
        return comes_again()
    return here_since(clinic, preview.here_since) if preview.here_since else ""


def here_since(clinic: Clinic, arrived_at: datetime | None) -> str:
    """What to know before the visit of somebody who is here is moved or cancelled."""
    if arrived_at is None:
        return _("The patient is here already: tell them yourself.")
    return _(
        "The patient is here already, since %(time)s: tell them yourself.", time=clinic.times.time(arrived_at)
    )


def comes_again() -> str:
    """Of who is here, and whose visit is moved so that nobody waits for it."""
    return _("The patient is here already. The visit is booked anew, and they come another time.")


# What it passes, and what is in the way


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


def not_offered(facts: Mapping[str, Any]) -> tuple[str, str] | None:
    """Why a visit can't be as somebody wishes, wherever it goes, and what helps; None where that isn't known."""
    return {
        "person": (str(_TAKEN[Taken.NOT_OFFERED]), _("Please choose another person, or another visit.")),
        "device": (_("This kind of visit doesn't need that device."), _("Please choose another device.")),
        "length": (_("This kind of visit can't be as long as that."), _("Please choose another length.")),
    }.get(facts.get("because", ""))


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


def of_its_plan(who: Who, clinic: Clinic, preview: Preview) -> list[str]:
    """What the visit's plan wouldn't keep any more, with better times; nothing where it keeps all, or where there is none."""
    suffers = suffering(who, preview.reference, preview.starts_at, preview.ends_at)
    if suffers is None:
        return []
    return [
        *dict.fromkeys(plan_words.broken(clinic, fault.facts, suffers.weeks) for fault in suffers.faults),
        *([plan_words.better(clinic, suffers.better)] if suffers.better else []),
    ]
