"""Treatment plans in words, for pages and programs: what a proposal is called, what was bent, and which rules some visits don't
keep. Why there is none: `plan_none_words`.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

from flask_babel import gettext as _, lazy_gettext as lazy, ngettext

from booking.formatting import Times
from booking.scheduling.hours import wall_at
from booking.scheduling.plans.course import Course
from booking.scheduling.plans.keeping import Role, Rule
from booking.scheduling.reasons import Why
from booking.services.clinic import Clinic
from booking.services.plans.proposing import Bent, Proposal, Proposals, ProposedVisit
from booking.services.plans.replacing import Instead

_A_MONDAY = date(2001, 1, 1)
_NOON = 12 * 60
MOSTLY = 0.8
"""Where fewer visits than this are at the regular times, those are only most of it."""
_NOTICED = 20
"""By more minutes than this, on average, visits have to lie apart to be said to be earlier or later in the day."""


class Said(NamedTuple):
    """A sentence, with the code by which programs tell it from others."""

    code: str
    message: str


def list_of(words: Sequence[str]) -> str:
    """As in "Mon, Wed and Fri"."""
    if len(words) < 2:
        return "".join(words)
    return _("%(some)s and %(last)s", some=", ".join(words[:-1]), last=words[-1])


def within(name: str) -> str:
    """The name of a kind of care within a sentence."""
    return name[:1].lower() + name[1:]


# What a proposal is called


def title(found: Proposals, proposal: Proposal) -> str:
    """When one comes and to whom, as in "Tue and Thu 4:00 pm, Sat 8:00 am with Rosa Delgado"."""
    doses, people = _doses(proposal), list_of(_people(proposal))
    if not proposal.regular:
        times = found.clinic.times
        return ngettext(
            "%(num)d visit from %(first)s to %(last)s with %(people)s",
            "%(num)d visits from %(first)s to %(last)s with %(people)s",
            len(doses),
            first=times.short_date(doses[0].starts_at),
            last=times.short_date(doses[-1].starts_at),
            people=people,
        )
    regular = _regular_times(found, proposal)
    if is_mostly(found.clinic, proposal):
        return _("Mostly %(times)s with %(people)s", times=regular, people=people)
    return _("%(times)s with %(people)s", times=regular, people=people)


def good_for(found: Proposals, proposal: Proposal) -> str:
    """What speaks for it among the others, or distinguishes it from them."""
    words = {
        "steady": _("The steadiest: mostly the same days, times and people."),
        "fewest-trips": _("The fewest ways to the clinic."),
        "soonest": _("The earliest in each week."),
    }
    return words.get(proposal.measure) or _elsewhere(found, proposal)


def _elsewhere(found: Proposals, proposal: Proposal) -> str:
    """Of one that only lies elsewhere than the others: its days, else its time of day, else its people."""
    times = found.clinic.times
    others = [one for one in found.proposals if one is not proposal]
    if on_days := _other_days(times, proposal, others):
        return on_days
    at, others_at = _time_of_day(times, proposal), [_time_of_day(times, one) for one in others]
    if all(at > one + _NOTICED for one in others_at):
        return _("Later in the day.")
    if all(at < one - _NOTICED for one in others_at):
        return _("Earlier in the day.")
    people = _people(proposal)
    if all(set(people) != set(_people(one)) for one in others):
        return _("With %(people)s.", people=list_of(people))
    return _("Many visits are at another time of the same days, or with somebody else.")


def _other_days(times: Times, proposal: Proposal, others: Sequence[Proposal]) -> str:
    """Its regular weekdays on which no other has a visit, and regular ones of all others on which it has none."""

    def names(weekdays: set[int]) -> str:
        return list_of([times.short_weekday(_A_MONDAY + timedelta(days=one)) for one in sorted(weekdays)])

    new = _regular_days(proposal, times).difference(*(_weekdays(one, times) for one in others))
    gone = set.intersection(*(_regular_days(one, times) for one in others)) - _weekdays(proposal, times)
    if new and gone:
        return _("%(new)s instead of %(gone)s.", new=names(new), gone=names(gone))
    if new:
        return _("Also on %(new)s.", new=names(new))
    return _("Not on %(gone)s.", gone=names(gone)) if gone else ""


def _regular_days(proposal: Proposal, times: Times) -> set[int]:
    return {one.weekday for one in proposal.regular} or _weekdays(proposal, times)


def _weekdays(proposal: Proposal, times: Times) -> set[int]:
    return {times.local(one.starts_at).weekday() for one in _doses(proposal)}


def _time_of_day(times: Times, proposal: Proposal) -> float:
    """When its visits begin on average, in minutes."""
    starts = [times.local(one.starts_at) for one in _doses(proposal)]
    return sum(at.hour * 60 + at.minute for at in starts) / len(starts)


def _doses(proposal: Proposal) -> list[ProposedVisit]:
    return [visit for visit in proposal.visits if visit.role is not Role.REASSESSMENT]


def _people(proposal: Proposal) -> list[str]:
    return list(dict.fromkeys(visit.practitioner.name for visit in _doses(proposal)))


def _regular_times(found: Proposals, proposal: Proposal) -> str:
    """The ways to the clinic: visits of one trip begin with its first."""
    clinic, pairing = found.clinic, found.wanted.course.pairing
    days: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for one in proposal.regular:
        length = one.practitioner.offerings[one.care].minutes
        days[one.weekday].append((one.minute, one.minute + length))
    groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for weekday, stretches in sorted(days.items()):
        groups[_begins(stretches, pairing.gap if pairing else 0)].append(weekday)
    return ", ".join(
        _(
            "%(days)s %(times)s",
            days=list_of([clinic.times.short_weekday(_A_MONDAY + timedelta(days=one)) for one in weekdays]),
            times=list_of([clinic.times.wall_time(wall_at(minute)) for minute in minutes]),
        )
        for minutes, weekdays in groups.items()
    )


def _begins(stretches: Iterable[tuple[int, int]], gap: int) -> tuple[int, ...]:
    begins, until = [], None
    for starts, ends in sorted(stretches):
        if until is None or starts - until > gap:
            begins.append(starts)
        until = ends if until is None else max(until, ends)
    return tuple(begins)


def is_mostly(clinic: Clinic, proposal: Proposal) -> bool:
    """Whether so few visits are at the regular times that those are only most of it."""
    doses = _doses(proposal)
    there = sum(_is_regular(clinic, proposal, visit) for visit in doses)
    return bool(proposal.regular) and there < MOSTLY * len(doses)


def _is_regular(clinic: Clinic, proposal: Proposal, visit: ProposedVisit) -> bool:
    at = clinic.times.local(visit.starts_at)
    return any(
        (one.care, one.weekday, one.minute) == (visit.care, at.weekday(), at.hour * 60 + at.minute)
        for one in proposal.regular
    )


# Waiting between two visits of a day


def waits(clinic: Clinic, course: Course, visits: Sequence[ProposedVisit]) -> dict[int, str]:
    """How long one waits before a visit, by its number in order, where it is on the day of the one before but not on one way
    with it, though the plan pairs kinds of care.
    """
    if course.pairing is None:
        return {}
    day = clinic.times.local_date
    found = {}
    for number, (before, one) in enumerate(pairwise(visits), start=1):
        wait = (one.starts_at - before.ends_at) // timedelta(minutes=1)
        if day(before.starts_at) == day(one.starts_at) and wait > course.pairing.gap:
            found[number] = then_until_the_next(wait)
    return found


def then_until_the_next(minutes: int) -> str:
    """As in "Then 1 hour 15 minutes until the next visit"."""
    hours, rest = divmod(minutes, 60)
    parts = [ngettext("%(num)d hour", "%(num)d hours", hours)] if hours else []
    parts += [ngettext("%(num)d minute", "%(num)d minutes", rest)] if rest else []
    return _("Then %(time)s until the next visit", time=" ".join(parts))


# What was bent


def bent(clinic: Clinic, visit: ProposedVisit) -> str | None:
    """As in "Week 3, Wednesday 10:00 am instead of 9:15 am: Mei Tanaka is away."; None for a visit at its regular time."""
    if visit.bent is None:
        return None
    is_now, regularly = _differences(clinic.times, visit, visit.bent)
    return _(
        "Week %(week)d, %(now)s instead of %(regularly)s: %(why)s",
        week=visit.week + 1,
        now=is_now,
        regularly=regularly,
        why=_why_bent(visit.bent),
    )


def different(clinic: Clinic, proposal: Proposal) -> list[str]:
    """What a plan's title doesn't say: each visit that isn't at a regular time, bent or besides. Where the title says itself that
    it is mostly so, or names no times, the bent ones.
    """
    said, whole = [], bool(proposal.regular) and not is_mostly(clinic, proposal)
    for visit in _doses(proposal):
        if words := bent(clinic, visit):
            said.append(words)
        elif whole and not _is_regular(clinic, proposal, visit):
            said.append(
                _(
                    "Week %(week)d, also %(day)s %(time)s.",
                    week=visit.week + 1,
                    day=clinic.times.weekday(clinic.times.local_date(visit.starts_at)),
                    time=clinic.times.time(visit.starts_at),
                )
            )
    return said


def _differences(times: Times, visit: ProposedVisit, was: Bent) -> tuple[str, str]:
    """When and with whom it is, and as much of the regular time as is other."""
    day, person = times.local_date(visit.starts_at), visit.practitioner
    at, regular_at = times.time(visit.starts_at), times.wall_time(wall_at(was.minute))
    with_other = person.slug != was.practitioner.slug
    is_now = _("%(day)s %(time)s", day=times.weekday(day), time=at)
    if with_other:
        is_now = _("%(when)s with %(who)s", when=is_now, who=person.name)
    if day != was.day:
        regularly = _("%(day)s %(time)s", day=times.weekday(was.day), time=regular_at)
    elif at != regular_at:
        regularly = regular_at
    else:
        return is_now, was.practitioner.name
    if with_other:
        regularly = _("%(when)s with %(who)s", when=regularly, who=was.practitioner.name)
    return is_now, regularly


def _why_bent(was: Bent) -> str:
    if was.cannot_come:
        return _("that is outside the chosen times.")
    if was.why is None:
        return _("so all visits fit together best.")
    words = {
        Why.AWAY: lazy("%(who)s is away."),
        Why.CLOSED: lazy("%(who)s isn't here then."),
        Why.TOO_SHORT: lazy("%(who)s isn't here long enough then."),
        Why.FULLY_BOOKED: lazy("%(who)s has no time then."),
        Why.LIMIT_REACHED: lazy("there are as many visits that day or week as we plan."),
        Why.NO_ROOM: lazy("all our rooms are taken then."),
        Why.NO_DEVICE: lazy("what this visit needs is taken then."),
        Why.PATIENT_BUSY: lazy("there is another visit at that time."),
        Why.TOO_SOON: lazy("that is too soon to book."),
        Why.BEYOND_HORIZON: lazy("that is too far ahead to book yet."),
    }.get(was.why.why, lazy("that is taken."))
    return str(words) % {"who": was.practitioner.name}


# What holds for all proposals


def _how_much_better(unproven: Iterable[Proposal]) -> str:
    """By how much a plan may be better than these, at the most, if that is known."""
    if not all(one.bound for one in unproven):
        return _("Not everything was looked through: there may be a better plan.")
    return _(
        "Not everything was looked through: there may be a plan that is up to %(percent)d %% better.",
        percent=max(-((one.bound - one.cost) * 100 // one.cost) for one in unproven),
    )


def notes(found: Proposals) -> list[Said]:
    """What somebody should know who chooses among these proposals."""
    said, whole = [], found.wanted.course.weeks
    if found.proposals and found.weeks < whole:
        said.append(
            Said(
                "horizon",
                ngettext(
                    "Only the first week of %(whole)d can be booked yet; the others follow later.",
                    "Only the first %(num)d weeks of %(whole)d can be booked yet; the others follow later.",
                    found.weeks,
                    whole=whole,
                ),
            )
        )
    unproven = [one for one in found.proposals if one.bound < one.cost]
    left_open = [_how_much_better(unproven)] if unproven else []
    if any(one.stopped for one in found.proposals):
        left_open.append(_("The search ended early: there may be other plans to choose from."))
    if left_open:
        said.append(Said("stopped_early", " ".join(left_open)))
    if any(not one.looked_at for one in found.proposals):
        said.append(
            Said(
                "no_reassessment",
                _("There is no time yet to look again how it went; we will find one with you."),
            )
        )
    return said


# Which rules some visits don't keep


def better(clinic: Clinic, times: Sequence[Instead]) -> str:
    """As in "Better: Wed, Sep 23, 9:15 am with Mei Tanaka; …"."""
    named = [
        _(
            "%(when)s with %(name)s",
            when=clinic.times.short_moment(one.starts_at),
            name=one.practitioner.name,
        )
        for one in times
    ]
    return _("Better: %(times)s.", times="; ".join(named))


def broken(clinic: Clinic, fault: Mapping[str, Any], weeks: int | None = None) -> str:
    """A fault as PlanRulesBroken names it, as in "Week 2, acupuncture: too few visits.". `weeks`: so many the plan has, where
    something may lie after them.
    """
    what = str(_BROKEN[Rule(fault["rule"])])
    visit_type = clinic.visit_types.get(fault["care"])
    if weeks is not None and fault["week"] > weeks:
        if visit_type is None:
            return _("After the last week: %(what)s", what=what)
        return _("After the last week, %(care)s: %(what)s", care=within(visit_type.modality.name), what=what)
    if visit_type is None:
        return _("Week %(week)d: %(what)s", week=fault["week"], what=what)
    care = within(visit_type.modality.name)
    if fault["week"] < 1:
        return _("Before the plan begins, %(care)s: %(what)s", care=care, what=what)
    return _("Week %(week)d, %(care)s: %(what)s", week=fault["week"], care=care, what=what)


_BROKEN = {
    Rule.TOO_FEW: lazy("too few visits."),
    Rule.TOO_MANY: lazy("too many visits."),
    Rule.REST_DAYS: lazy("too little rest between two visits."),
    Rule.FIRST_VISIT: lazy("the first visit isn't the first."),
    Rule.TRIPS: lazy("too many trips."),
    Rule.NO_REASSESSMENT: lazy("nobody looks again how it went."),
    Rule.REASSESSMENT_PLACE: lazy("somebody looks again too early, too late, or once too often."),
    Rule.PAIR_ORDER: lazy("this visit should come first on its day, and comes after the other."),
    Rule.WINDOWS: lazy("a visit outside the chosen times."),
    Rule.NOT_OF_THE_PLAN: lazy("a visit that isn't part of the plan."),
}
