"""The words of what insurance and packages allow, for patients and for staff. Never a promise that something is covered."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from itertools import groupby
from typing import Any

from flask_babel import gettext as _, lazy_gettext as lazy, ngettext

from booking.scheduling.allowances.counting import Bound, Left, Mark, Pool, Standing
from booking.scheduling.allowances.terms import (
    Asked,
    Authorisation,
    Beyond,
    Kind,
    SameDay,
    Span,
    Terms,
    Window,
)
from booking.services.allowances import OfVisit
from booking.services.clinic import Clinic

KINDS: Mapping[Kind, Any] = {
    Kind.INSURANCE: lazy("Insurance"),
    Kind.MEDICARE_ADVANTAGE: lazy("Medicare Advantage"),
    Kind.ORIGINAL_MEDICARE: lazy("Original Medicare"),
    Kind.AUTHORISATION: lazy("Authorization"),
    Kind.PACKAGE: lazy("Package"),
    Kind.MEMBERSHIP: lazy("Membership"),
}
SPANS: Mapping[Span, Any] = {
    Span.ROLLING: lazy("In so many days"),
    Span.CALENDAR_YEAR: lazy("In a calendar year"),
    Span.CONTRACT_YEAR: lazy("In a contract year"),
    Span.ELEVEN_MONTHS: lazy("In Medicare’s year: anew after eleven full months"),
    Span.LIFETIME: lazy("In all"),
    Span.MONTH: lazy("In a month"),
}
SAME_DAY: Mapping[SameDay, Any] = {
    SameDay.EACH: lazy("Each counts"),
    SameDay.ONE: lazy("They count as one"),
    SameDay.ONE_A_KIND: lazy("Those of one kind of care count as one"),
}
BEYOND: Mapping[Beyond, Any] = {
    Beyond.WARN: lazy("Say so before it is booked"),
    Beyond.ASK: lazy("Stop: ask staff before it is booked"),
}
STATES: Mapping[Asked, Any] = {
    Asked.ASKED: lazy("Asked for"),
    Asked.GIVEN: lazy("Given"),
}
USUAL: Mapping[str, Any] = {
    "insurance": lazy("Insurance, by the year"),
    "shared": lazy("Insurance, 20 a year for two kinds of care"),
    "medicare-advantage": lazy("Medicare Advantage"),
    "original-medicare": lazy("Original Medicare"),
    "authorisation": lazy("Authorization"),
    "veterans": lazy("Veterans’ referral"),
    "package": lazy("Package of 12"),
    "membership": lazy("Membership"),
}


def beyond(numbers: Iterable[int], *, stops: bool = False) -> str:
    """For whoever chooses: which visits, by their numbers in the list they see, may not be covered. "" for none. `stops`: staff
    are asked before they are booked.
    """
    which = sorted(set(numbers))
    if not which:
        return ""
    if stops:
        return ngettext(
            "Visit %(which)s may not be covered.", "Visits %(which)s may not be covered.", len(which),
            which=numbers_in_words(which),
        )  # fmt: skip
    return ngettext(
        "Visit %(which)s may not be covered; we will check and call you before you come.",
        "Visits %(which)s may not be covered; we will check and call you before you come.",
        len(which),
        which=numbers_in_words(which),
    )


def pushed(clinic: Clinic, starts: Iterable[datetime]) -> str:
    """For whoever chooses: visits booked already that may not be covered once these are booked. "" for none."""
    which = [clinic.times.short_moment(one) for one in starts]
    if not which:
        return ""
    return ngettext(
        "With them, a visit that is booked already may not be covered: %(which)s.",
        "With them, %(num)d visits that are booked already may not be covered: %(which)s.",
        len(which),
        which="; ".join(which),
    )


def numbers_in_words(numbers: Sequence[int]) -> str:
    """As in "3, 5 and 21–24"."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    words = [
        str(first) if first == last else f"{first}–{last}" if last > first + 1 else f"{first}, {last}"
        for first, last in runs
    ]
    if len(words) == 1:
        return words[0]
    return _("%(some)s and %(last)s", some=", ".join(words[:-1]), last=words[-1])


def of_pools(clinic: Clinic, found: Iterable[Left]) -> list[str]:
    """As in "Acupuncture: 5 of 12 left until Dec 31, 2026, then 12 of 12 left until Dec 31, 2027", of each pool with a limit."""
    by_pool = groupby((one for one in found if one.bounds), key=lambda one: one.pool)
    return [
        _("%(care)s: %(left)s", care=care(clinic, pool.terms), left=in_turn(clinic, of_pool))
        for pool, of_pool in by_pool
    ]


def in_turn(clinic: Clinic, found: Iterable[Left]) -> str:
    """What is left of a pool in one window after the other."""
    return _(", then ").join(left(clinic, one) for one in found)


def left(clinic: Clinic, found: Left) -> str:
    """As in "5 of 12 left until Dec 31": by what leaves least."""
    bound = found.tightest
    if bound is None:
        terms = found.pool.terms
        if terms.free == 0 and not any(one.state is Asked.GIVEN for one in terms.authorisations):
            return _("nothing is authorized yet")
        return _("no number of visits is recorded")
    return _bound(clinic, bound)


def bounds(clinic: Clinic, found: Left) -> list[str]:
    """The same for each limit of the pool, where there are several."""
    return [_bound(clinic, one) for one in found.bounds] if len(found.bounds) > 1 else []


def used(bound: Bound) -> str:
    """As in "4 used, 3 booked"."""
    return _("%(used)d used, %(booked)d booked", used=bound.used, booked=bound.booked)


def of_visit(clinic: Clinic, pool: Pool, found: Left, mark: Mark) -> str:
    """As in "Acupuncture: 5 of 12 left until Dec 31; this visit is the 7th"."""
    whose = _("%(care)s: %(left)s", care=care(clinic, pool.terms), left=left(clinic, found))
    if mark.beyond:
        return _("%(left)s; this visit may not be covered: %(why)s", left=whose, why=why_beyond(clinic, mark))
    if mark.standing is Standing.SAME_DAY:
        return _("%(left)s; this visit counts with another of its day", left=whose)
    return _("%(left)s; this visit is the %(number)s", left=whose, number=_ordinal(mark.number))


def to_patient(clinic: Clinic, found: OfVisit) -> tuple[str, str]:
    """To whose visit it is: what is left, where a number is recorded, and why it may not be covered, or nothing."""
    return "".join(of_pools(clinic, [found.left])), why(clinic, found.mark) if found.mark.beyond else ""


def why(clinic: Clinic, mark: Mark) -> str:
    """Why a visit may not be covered, to whose it is."""
    since = day(clinic, mark.since) if mark.since else ""
    return {
        Standing.ABOVE: _("It is beyond the number of visits that we have noted."),
        Standing.ASKED: _("We have asked for an authorization, and have no answer yet."),
        Standing.UNAUTHORISED: _("We have no authorization noted for it."),
        Standing.BEFORE: _("Your coverage, as we have noted it, begins on %(day)s.", day=since),
        Standing.AFTER: _("Your coverage, as we have noted it, lasts until %(day)s.", day=since),
    }[mark.standing]


def why_beyond(clinic: Clinic, mark: Mark) -> str:
    """Why a visit is beyond, for staff."""
    since = day(clinic, mark.since) if mark.since else ""
    words = {
        Standing.ABOVE: _("more visits than are recorded"),
        Standing.ASKED: _("the authorization is asked for, not given yet"),
        Standing.UNAUTHORISED: _("no authorization is recorded"),
        Standing.BEFORE: _("before it begins on %(day)s", day=since),
        Standing.AFTER: _("after it ended on %(day)s", day=since),
    }[mark.standing]
    return _("%(why)s; ask the payer before it takes place", why=words) if mark.stops else words


def care(clinic: Clinic, terms: Terms) -> str:
    """The kinds of care of a pool, as in "Acupuncture and Chiropractic"."""
    names = {one.slug: one.name for one in clinic.modalities}
    words = [names.get(slug, slug) for slug in terms.modalities]
    if len(words) < 2:
        return "".join(words)
    return _("%(some)s and %(last)s", some=", ".join(words[:-1]), last=words[-1])


def terms(clinic: Clinic, found: Terms) -> list[str]:
    """What a pool allows, in a few lines."""
    lines = [_allowed(clinic, found)]
    if found.cap:
        lines.append(
            _("At most %(limit)d %(window)s", limit=found.cap.limit, window=window(clinic, found.cap.window))
        )
    if found.more:
        lines.append(_improving(clinic, found))
    lines += [authorisation(clinic, one) for one in found.authorisations]
    if found.free:
        lines.append(
            ngettext(
                "The first visit needs no authorization.",
                "The first %(num)d visits need no authorization.",
                found.free,
            )
        )
    if found.begins or found.ends:
        lines.append(_("Valid %(when)s", when=_from_to(clinic, found.begins, found.ends)))
    if found.used and found.used_on:
        lines.append(
            _(
                "%(used)d were used before %(day)s, as the payer says.",
                used=found.used,
                day=day(clinic, found.used_on),
            )
        )
    if found.same_day is not SameDay.EACH:
        lines.append(_("Visits of one day: %(how)s", how=SAME_DAY[found.same_day]))
    counts = [
        str(words)
        for counts, words in (
            (found.counts_missed, lazy("no-shows")),
            (found.counts_late, lazy("late cancellations")),
        )
        if counts
    ]
    if counts:
        lines.append(_("Counted too: %(what)s", what=", ".join(counts)))
    lines.append(_("Visits beyond: %(what)s", what=BEYOND[found.beyond]))
    return lines


def line(clinic: Clinic, kept: Mapping[str, Any]) -> str:
    """A pool as it was kept in a patient's history, in one line."""
    found = Terms.of(kept)
    return "; ".join([str(kept["name"]), str(KINDS[found.kind]), care(clinic, found), *terms(clinic, found)])


def window(clinic: Clinic, found: Window) -> str:
    """As in "in 90 days"."""
    return {
        Span.ROLLING: _("in %(days)d days", days=found.days),
        Span.CALENDAR_YEAR: _("in a calendar year"),
        Span.CONTRACT_YEAR: _("in a contract year from %(month)d/%(day)d", month=found.month, day=found.day),
        Span.ELEVEN_MONTHS: _("in Medicare’s year, which begins anew after eleven full months"),
        Span.LIFETIME: _("in all"),
        Span.MONTH: _("in a month from the %(day)s on", day=_ordinal(found.day)),
    }[found.span]


def authorisation(clinic: Clinic, one: Authorisation) -> str:
    """As in "Authorization A123 given: 12 visits, Feb 1, 2026 – Mar 31, 2026"."""
    name = _("Authorization %(number)s", number=one.number) if one.number else _("Authorization")
    parts = [
        part
        for part in (
            ngettext("%(num)d visit", "%(num)d visits", one.count) if one.count is not None else "",
            _from_to(clinic, one.begins, one.ends),
        )
        if part
    ]
    state = _("given") if one.state is Asked.GIVEN else _("asked for, not given yet")
    return f"{name} {state}" + (f": {', '.join(parts)}" if parts else "")


def day(clinic: Clinic, on: date) -> str:
    """As in "Dec 31, 2026"."""
    return clinic.times.dated(on)


def _allowed(clinic: Clinic, found: Terms) -> str:
    when = window(clinic, found.window)
    if found.limit is None:
        return _("As many as are authorized") if found.free is not None else _("No number is recorded")
    return ngettext("%(num)d visit %(when)s", "%(num)d visits %(when)s", found.limit, when=when)


def _improving(clinic: Clinic, found: Terms) -> str:
    if not found.improving:
        return _("%(more)d more once recorded as improving", more=found.more)
    return _(
        "%(more)d more: recorded as improving on %(days)s",
        more=found.more,
        days=", ".join(day(clinic, one) for one in found.improving),
    )


def _bound(clinic: Clinic, bound: Bound) -> str:
    number = bound.to_come if bound.begins else bound.left
    words = _("%(left)d of %(limit)d left", left=number, limit=bound.limit)
    if bound.authorisation is not None:
        words += " " + _("of authorization %(number)s", number=bound.authorisation or "–")
    if bound.begins:
        words += " " + _("from %(day)s", day=day(clinic, bound.begins))
    if bound.last:
        words += " " + _("until %(day)s", day=day(clinic, bound.last))
    return words


def _from_to(clinic: Clinic, first: date | None, last: date | None) -> str:
    if first and last:
        return f"{day(clinic, first)} – {day(clinic, last)}"
    if first:
        return _("from %(day)s on", day=day(clinic, first))
    return _("until %(day)s", day=day(clinic, last)) if last else ""


def _ordinal(number: int) -> str:
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
