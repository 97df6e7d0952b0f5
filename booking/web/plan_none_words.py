"""Why there is no plan, and what would help, in words for whoever asked: the patient reads what they may do, and staff what they
may.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from flask_babel import gettext as _, lazy_gettext as lazy, ngettext

from booking.formatting import Times
from booking.models import BookableBy
from booking.scheduling.reasons import Reason, Why
from booking.scheduling.timeline import instant_of
from booking.services.clinic import Clinic
from booking.services.plans.ground import named
from booking.services.plans.impossible import Impossible, Lack, Relaxation, WeekReason
from booking.services.plans.wanted import PlanWanted
from booking.web.plan_words import Said, list_of, within

_A_MONDAY = date(2001, 1, 1)
_NOON = 12 * 60


# Why there is none


def reasons(clinic: Clinic, wanted: PlanWanted, found: Impossible) -> list[Said]:
    """Why the week that fails can't be, each reason once, the weightiest first."""
    said = []
    for one in found.reasons:
        said.append(_lack(clinic, wanted, found, one))
        if one.lack not in (Lack.TOGETHER, Lack.BEYOND_HORIZON, Lack.STOPPED, Lack.LIMITS):
            said += _of_engine(clinic, one)
        if one.besides and one.lack is not Lack.ELSEWHERE:
            said.append(Said("besides", _besides(clinic, wanted, one)))
    return list(dict.fromkeys(said))


def _lack(clinic: Clinic, wanted: PlanWanted, found: Impossible, one: WeekReason) -> Said:
    week, care = found.week + 1, one.care.modality.name
    if one.lack is Lack.BEYOND_HORIZON:
        return Said("beyond_horizon", _("A plan that begins so late can't be booked yet."))
    if one.lack is Lack.STOPPED:
        return Said(
            "stopped",
            _("There are too many ways to look through in time. Choose fewer times, or one practitioner."),
        )
    if one.lack is Lack.LIMITS:
        return Said("limits", _("We found none that keeps the clinic's limits of visits a week."))
    if one.lack is Lack.TOGETHER:
        first, *others = (reason.care.modality.name for reason in found.reasons)
        cares = list_of([first, *map(within, others)])
        if len(found.reasons) == 1:
            return Said(
                "together",
                _("%(care)s has times in week %(week)d, but not all together.", care=care, week=week),
            )
        return Said(
            "together",
            _("%(cares)s each have times in week %(week)d, but not together.", cares=cares, week=week),
        )
    if one.lack is Lack.ELSEWHERE:
        return Said(
            "elsewhere",
            _(
                "%(care)s in week %(week)d: too near to what is booked already. %(besides)s",
                care=care,
                week=week,
                besides=_besides(clinic, wanted, one),
            ),
        )
    if one.lack is Lack.REST_DAYS:
        return Said("rest_days", _too_near(wanted, one, week))
    days = ngettext("%(num)d day", "%(num)d days", one.days) if one.days else _("no day")
    facts = {"care": care, "week": week, "days": days, "needs": one.needs}
    if one.lack is Lack.WINDOWS:
        return Said(
            "windows",
            _(
                "%(care)s in week %(week)d: the chosen times fit on %(days)s, and it takes %(needs)d.",
                **facts,
            ),
        )
    return Said(
        "too_few",
        _("%(care)s in week %(week)d: there are times on %(days)s, and it takes %(needs)d.", **facts),
    )


def _is_for_staff(wanted: PlanWanted) -> bool:
    return wanted.audience is BookableBy.STAFF


def _besides(clinic: Clinic, wanted: PlanWanted, one: WeekReason) -> str:
    """As in "You have Cupping on Thu, Dec 10; a free day has to lie between two of these visits"."""
    visits = list_of(
        [
            _("%(visit)s on %(day)s", visit=visit.visit_type.name, day=clinic.times.short_day(visit.on))
            for visit in one.besides
        ]
    )
    rest = wanted.course.rest_days.get(one.care.modality.slug, 0)
    if not rest:
        why = _("two of these visits can't be on one day.")
    else:
        why = ngettext(
            "a free day has to lie between two of these visits.",
            "%(num)d free days have to lie between two of these visits.",
            rest,
        )
    if _is_for_staff(wanted):
        return _("Outside the plan they have %(visits)s; %(why)s", visits=visits, why=why)
    return _("You have %(visits)s; %(why)s", visits=visits, why=why)


def _too_near(wanted: PlanWanted, one: WeekReason, week: int) -> str:
    rest = wanted.course.rest_days.get(one.care.modality.slug, 0)
    facts = {"care": one.care.modality.name, "week": week}
    if not rest:
        return _("%(care)s in week %(week)d: the times lie before the first visit can be.", **facts)
    return ngettext(
        "%(care)s in week %(week)d: the times are too near each other; a free day has to lie between two visits.",
        "%(care)s in week %(week)d: the times are too near each other; %(num)d free days have to lie between two visits.",
        rest,
        **facts,
    )


def _of_engine(clinic: Clinic, one: WeekReason) -> list[Said]:
    """Who is away; and where nothing would help but other days, the most frequent reason of all."""
    said = [
        Said("away", _("%(who)s is away until %(day)s.", who=who.name, day=clinic.times.day(reason.until)))
        for reason, who in one.why
        if who is not None and reason.why is Why.AWAY and reason.until is not None
    ]
    general = next((reason for reason, who in one.why if who is None), None)
    if one.lack is None and general is not None and not (said and general.why is Why.AWAY):
        said.append(Said(general.why.value, _general(clinic.times, general)))
    return said


def _general(times: Times, reason: Reason) -> str:
    if reason.why is Why.BEYOND_HORIZON and reason.until:
        return _("You can book up to %(day)s.", day=times.day(reason.until))
    if reason.why is Why.TOO_SOON and reason.not_before is not None:
        return _(
            "It is too soon to book here; from %(when)s on you can.",
            when=times.short_moment(instant_of(reason.not_before)),
        )
    words = {
        Why.NOT_OFFERED: lazy("Nobody of those chosen gives this visit."),
        Why.CLOSED: lazy("Nobody who gives it is here on the other days."),
        Why.TOO_SHORT: lazy("On the other days nobody is here long enough for it."),
        Why.AWAY: lazy("Everybody who gives it is away on the other days."),
        Why.FULLY_BOOKED: lazy("The other days are fully booked."),
        Why.LIMIT_REACHED: lazy("On the other days we take no more of these visits."),
        Why.NO_ROOM: lazy("On the other days all our rooms are taken."),
        Why.NO_DEVICE: lazy("On the other days what this visit needs is taken."),
        Why.PATIENT_BUSY: lazy("On the other days there is another visit."),
    }
    return str(words.get(reason.why, lazy("Nothing is free on the other days.")))


# What would help


def relaxation(clinic: Clinic, wanted: PlanWanted, one: Relaxation) -> str:
    """What to do, as in "Come on Wednesday mornings as well."."""
    words = _change(clinic, wanted, one.kind, one.facts)
    if one.facts.get("any_time"):
        return _("%(change)s Leave the times open as well.", change=words)
    return words


def _change(clinic: Clinic, wanted: PlanWanted, kind: str, facts: Mapping[str, Any]) -> str:
    if kind == "window":
        return _one_more_window(clinic, wanted, facts)
    if kind == "practitioners":
        return _anyone(clinic, wanted, facts)
    if kind == "besides" and not facts.get("on"):
        return _("Move the visits outside the plan to days on which they aren't in the way.")
    if kind == "besides":
        return _(
            "Move %(visit)s of %(day)s to another day.",
            visit=facts["care"].name,
            day=clinic.times.short_day(facts["on"]),
        )
    if kind == "start":
        return _("Start on %(day)s.", day=clinic.times.day(facts["day"]))
    if kind == "fewer":
        fewer = _fewer(facts)
        return fewer if _is_for_staff(wanted) else _("%(change)s Please ask us about it.", change=fewer)
    return _("Leave the times open, and choose among what is found.")


def _one_more_window(clinic: Clinic, wanted: PlanWanted, facts: Mapping[str, Any]) -> str:
    weekday, opens, closes = facts["weekday"], facts["opens"], facts["closes"]
    name = clinic.times.weekday(_A_MONDAY + timedelta(days=weekday))
    # Whoever comes then anyway is asked for the rest of it.
    comes = any(
        weekday in one.weekdays and one.opens < closes and opens < one.closes
        for one in wanted.presence.windows
    )
    if closes <= _NOON:
        words = (
            _("Come on %(weekday)s at any time of the morning.")
            if comes
            else _("Come on %(weekday)s mornings as well.")
        )
    elif comes:
        words = _("Come on %(weekday)s at any time from noon on.")
    else:
        words = _("Come on %(weekday)s afternoons or evenings as well.")
    return words % {"weekday": name}


def _anyone(clinic: Clinic, wanted: PlanWanted, facts: Mapping[str, Any]) -> str:
    modality = next(one for one in clinic.modalities if one.slug == facts["modality"])
    people = [person.name for person in named(clinic, wanted.only[modality.slug])]
    return _(
        "Have %(care)s with anyone, not only with %(people)s.",
        care=within(modality.name),
        people=list_of(people),
    )


def _fewer(facts: Mapping[str, Any]) -> str:
    care, week = facts["care"], facts["week"] + 1
    name = within(care.modality.name)
    if not facts["visits"]:
        return _("Leave out %(care)s in week %(week)d.", care=name, week=week)
    return ngettext(
        "Have %(care)s once in week %(week)d.",
        "Have %(care)s only %(num)d times in week %(week)d.",
        facts["visits"],
        care=name,
        week=week,
    )
