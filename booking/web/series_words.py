"""A series in words, for patients and staff: each date with its visit, or with why it can't be and what could take its place.

How a date is chosen is one field, `date-3`: a visit, or OUT where it is to be left out. Dates that have to be decided upon are
named by `open`, so that a form without an answer isn't taken for one that leaves them out.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from flask_babel import gettext as _
from werkzeug.datastructures import MultiDict

from booking.errors import VisitsTaken
from booking.scheduling.plans.task import Pairing
from booking.services.clinic import Clinic
from booking.services.plans.choosing import VisitWish
from booking.services.plans.replacing import Instead
from booking.services.plans.series import MOST_VISITS, DateOf, Preview
from booking.web import reasons, wishes
from booking.web.free import instant
from booking.web.numerals import whole
from booking.web.plan_words import list_of, then_until_the_next

OUT = "out"


class Option(NamedTuple):
    """Something that can be chosen for a date: what the form sends, and its words."""

    value: str
    words: str
    picked: bool


@dataclass(frozen=True)
class Shown:
    """A date as a form shows it. `value`: what it sends as it is, or "" where it can't be: then `why` says so, and `options` are
    what could take its place. `must`: it can't be left out. `wrong`: it was sent without an answer.
    """

    number: int
    when: str
    what: str
    value: str
    picked: bool
    beyond: bool
    near_plan: bool
    why: str
    options: tuple[Option, ...]
    must: bool
    wrong: bool

    @property
    def field(self) -> str:
        return f"date-{self.number}"

    @property
    def has_times(self) -> bool:
        """Whether something could take its place."""
        return any(one.value != OUT for one in self.options)


class Picked(NamedTuple):
    """What a form chose. `open`: the numbers of dates that have no answer yet."""

    visits: tuple[VisitWish, ...]
    open: frozenset[int]


def shown(found: Preview, sent: "MultiDict[str, str] | None") -> list[Shown]:
    """All dates in order. `sent`: the form as it came back, so that what was picked stays so."""
    return [_shown(found, number, one, sent) for number, one in enumerate(found.dates, 1)]


def _shown(found: Preview, number: int, one: DateOf, sent: "MultiDict[str, str] | None") -> Shown:
    answer = None if sent is None else sent.get(f"date-{number}")
    wish, value = one.visit, wishes.written(one.visit) if one.visit else ""
    options = tuple(
        Option(words, instead(found.clinic, free), words == answer)
        for free in one.instead
        if (words := wishes.written(VisitWish(one.visit_type.slug, free.practitioner.slug, free.starts_at)))
    )
    leaves_out = answer == OUT or (sent is None and not options)
    times = found.clinic.times
    return Shown(
        number=number,
        when=times.short_moment(wish.starts_at)
        if wish
        else _("%(day)s, %(time)s", day=times.short_day(one.on), time=times.wall_time(one.slot.wall)),
        what=_(
            "%(visit)s, %(name)s",
            visit=one.visit_type.name,
            name=found.clinic.practitioner(wish.practitioner).name,
        )
        if wish
        else one.visit_type.name,
        value=value,
        picked=sent is None or answer not in (None, OUT),
        beyond=one.beyond,
        near_plan=one.near_plan,
        why="" if wish else why(one),
        options=(*options, *([] if one.begins else [Option(OUT, _("Leave this date out"), leaves_out)])),
        must=one.begins,
        wrong=sent is not None and not wish and answer not in {option.value for option in options} | {OUT},
    )


def why(one: DateOf) -> str:
    """Why a date can't be."""
    if one.why is None:
        return _("Another of these visits is in the way.")
    return reasons.sentence(one.why, one.question)


def instead(clinic: Clinic, free: Instead) -> str:
    """What could take a date's place."""
    return _(
        "%(when)s with %(name)s", when=clinic.times.short_moment(free.starts_at), name=free.practitioner.name
    )


def visit(clinic: Clinic, one: VisitWish) -> str:
    """As in "9:00 am: Acupuncture with Mei Tanaka"."""
    return _(
        "%(time)s %(visit)s with %(name)s",
        time=clinic.times.time(one.starts_at),
        visit=clinic.visit_type(one.visit_type).name,
        name=clinic.practitioner(one.practitioner).name,
    )


def way(clinic: Clinic, visits: Iterable[VisitWish]) -> list[str]:
    """Two visits of a day, a line each, and between them how long one waits, where that isn't one trip."""
    first, second = visits
    lines = [visit(clinic, first), visit(clinic, second)]
    offering = clinic.practitioner(first.practitioner).offerings[first.visit_type]
    wait = (second.starts_at - first.starts_at) // timedelta(minutes=1) - offering.minutes
    if wait > Pairing().gap:
        lines.insert(1, then_until_the_next(wait))
    return lines


def name(clinic: Clinic, visits: tuple[VisitWish, ...]) -> str:
    """What visits that were booked together are called."""
    days = {clinic.times.local_date(one.starts_at) for one in visits}
    return _("Two visits on one day") if len(days) == 1 and len(visits) == 2 else _("Several visits")


def lost(clinic: Clinic, refusal: VisitsTaken) -> str:
    """Which of the chosen times can't be had any more."""
    starts = [instant(one["starts_at"]) for one in refusal.facts["lost"]]
    return gone(clinic, [one for one in starts if one])


def gone(clinic: Clinic, starts: Iterable[datetime]) -> str:
    times = "; ".join(clinic.times.short_moment(one) for one in starts)
    return _(
        "Nothing is booked yet. This can't be had any more: %(times)s. Please choose again.", times=times
    )


def on_one_day(clinic: Clinic, visits: tuple[VisitWish, ...]) -> str:
    """Which of the chosen times are on one day though they are of one kind; in words."""
    by_day = defaultdict(list)
    for one in visits:
        by_day[clinic.times.local_date(one.starts_at), clinic.visit_type(one.visit_type).modality].append(one)
    pairs = [
        list_of([clinic.times.short_moment(one.starts_at) for one in some])
        for some in by_day.values()
        if len(some) > 1
    ]
    if not pairs:
        return _("These dates don't go together. Please choose other times for them.")
    return _(
        "These are on one day: %(times)s. Please choose another time for one of them.", times="; ".join(pairs)
    )


# How a choice travels


def chosen(sent: "MultiDict[str, str]") -> Picked:
    """What a form chose, in order."""
    answers = {number: sent.get(f"date-{number}", "") for number in range(1, MOST_VISITS + 1)}
    visits = [wish for words in answers.values() if (wish := wishes.read(words))]
    asked = {number for one in sent.getlist("open") if (number := whole(one, 2)) is not None}
    unanswered = {number for number in asked if not answers.get(number)}
    return Picked(tuple(sorted(visits, key=lambda one: one.starts_at)), frozenset(unanswered))
