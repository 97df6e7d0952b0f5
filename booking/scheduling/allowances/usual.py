"""What payers and packages usually allow: what a form begins with. Every figure can be changed there."""

from calendar import monthrange
from collections.abc import Callable, Mapping
from datetime import date, timedelta

from booking.scheduling.allowances.terms import (
    Asked,
    Authorisation,
    Beyond,
    Cap,
    Kind,
    Span,
    Terms,
    Window,
)

_NEEDLES, _SPINE = "acupuncture", "chiropractic"
_YEAR, _EVER = Window(Span.CALENDAR_YEAR), Window(Span.LIFETIME)


def months_after(day: date, months: int) -> date:
    """The same day so many months later; the last of that month where it has no such day."""
    whole = day.year * 12 + day.month - 1 + months
    year, month = divmod(whole, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def _insurance(_today: date) -> Terms:
    return Terms(Kind.INSURANCE, (_NEEDLES,), None, _YEAR)


def _shared(_today: date) -> Terms:
    return Terms(Kind.INSURANCE, (_NEEDLES, _SPINE), 20, _YEAR)


def _medicare_advantage(_today: date) -> Terms:
    # NCD 30.3.3, the floor for such plans.
    return Terms(
        Kind.MEDICARE_ADVANTAGE,
        (_NEEDLES,),
        12,
        Window(Span.ROLLING, days=90),
        more=8,
        cap=Cap(20, Window(Span.ELEVEN_MONTHS)),
        beyond=Beyond.ASK,
    )


def _original_medicare(_today: date) -> Terms:
    # It doesn't pay acupuncturists directly.
    return Terms(Kind.ORIGINAL_MEDICARE, (_NEEDLES,), 0, _EVER)


def _veterans(today: date) -> Terms:
    referral = Authorisation("", Asked.GIVEN, today, today + timedelta(days=59), 12)
    return Terms(Kind.AUTHORISATION, (_NEEDLES,), None, _EVER, free=0, authorisations=(referral,))


def _authorisation(_today: date) -> Terms:
    asked = Authorisation("", Asked.ASKED)
    return Terms(Kind.AUTHORISATION, (_NEEDLES,), None, _YEAR, free=0, authorisations=(asked,))


def _package(today: date) -> Terms:
    ends = months_after(today, 12) - timedelta(days=1)
    return Terms(Kind.PACKAGE, (), 12, _EVER, begins=today, ends=ends)


def _membership(today: date) -> Terms:
    return Terms(Kind.MEMBERSHIP, (), 8, Window(Span.MONTH), begins=today)


USUAL: Mapping[str, Callable[[date], Terms]] = {
    "insurance": _insurance,
    "shared": _shared,
    "medicare-advantage": _medicare_advantage,
    "original-medicare": _original_medicare,
    "authorisation": _authorisation,
    "veterans": _veterans,
    "package": _package,
    "membership": _membership,
}
