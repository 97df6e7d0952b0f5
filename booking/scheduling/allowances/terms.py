"""The terms of a pool of visits: for what care, how many, in which time, and what else is asked. Values only.

Modalities are named by their slugs. `of` and `as_plain` go from and to plain values, as the database keeps them.
"""

import enum
from calendar import monthrange
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any


class Kind(enum.StrEnum):
    INSURANCE = "insurance"
    MEDICARE_ADVANTAGE = "medicare_advantage"
    ORIGINAL_MEDICARE = "original_medicare"
    AUTHORISATION = "authorisation"
    PACKAGE = "package"
    MEMBERSHIP = "membership"


class Beyond(enum.StrEnum):
    """What is done about a visit that is beyond: say so, or ask staff before it is booked."""

    WARN = "warn"
    ASK = "ask"


def usual_beyond(kind: Kind) -> Beyond:
    """Medicare Advantage wants its own decision before a visit beyond, and no waiver takes its place."""
    return Beyond.ASK if kind is Kind.MEDICARE_ADVANTAGE else Beyond.WARN


class SameDay(enum.StrEnum):
    """How visits of one day count: each, all as one, or those of one modality as one."""

    EACH = "each"
    ONE = "one"
    ONE_A_KIND = "one_a_kind"


class Span(enum.StrEnum):
    """ELEVEN_MONTHS: Medicare's year. It begins with a visit, and anew with the first one after eleven full months."""

    ROLLING = "rolling"
    CALENDAR_YEAR = "calendar_year"
    CONTRACT_YEAR = "contract_year"
    ELEVEN_MONTHS = "eleven_months"
    LIFETIME = "lifetime"
    MONTH = "month"


@dataclass(frozen=True)
class Window:
    """The time in which so many visits are allowed. `days` is of ROLLING; `month` and `day` say when a CONTRACT_YEAR, and
    `day` when a MONTH begins: on the last of the month where it has no such day.
    """

    span: Span
    days: int = 0
    month: int = 1
    day: int = 1

    def around(self, day: date, drawn: Sequence[date] = ()) -> tuple[date, date]:
        """The first and last day of the window in which a visit on this day lies. `drawn`: days of visits before it, in order."""
        match self.span:
            case Span.ROLLING:
                return day - timedelta(self.days - 1), day
            case Span.CALENDAR_YEAR:
                return date(day.year, 1, 1), date(day.year, 12, 31)
            case Span.CONTRACT_YEAR:
                year = day.year if day >= _on(day.year, self.month, self.day) else day.year - 1
                return _on(year, self.month, self.day), _on(year + 1, self.month, self.day) - _ONE_DAY
            case Span.MONTH:
                months = day.year * 12 + day.month - 1
                months -= day < self._month_begins(months)
                return self._month_begins(months), self._month_begins(months + 1) - _ONE_DAY
            case Span.ELEVEN_MONTHS:
                first = _last_beginning((*drawn, day))
                return first, _medicare_year_after(first) - _ONE_DAY
            case Span.LIFETIME:
                return date.min, date.max

    def _month_begins(self, months: int) -> date:
        return _on(months // 12, months % 12 + 1, self.day)

    def as_plain(self) -> dict[str, Any]:
        return {"span": self.span.value, "days": self.days, "month": self.month, "day": self.day}

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> "Window":
        return cls(Span(given["span"]), given.get("days", 0), given.get("month", 1), given.get("day", 1))


@dataclass(frozen=True)
class Cap:
    """At most so many in a second, longer window."""

    limit: int
    window: Window


class Asked(enum.StrEnum):
    ASKED = "asked"
    GIVEN = "given"


@dataclass(frozen=True)
class Authorisation:
    """What a payer agreed to, or was asked for. `count` None: not said how many."""

    number: str = ""
    state: Asked = Asked.GIVEN
    begins: date | None = None
    ends: date | None = None
    count: int | None = None

    def as_plain(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "state": self.state.value,
            "begins": _plain_day(self.begins),
            "ends": _plain_day(self.ends),
            "count": self.count,
        }

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> "Authorisation":
        begins, ends = _day(given.get("begins")), _day(given.get("ends"))
        return cls(given.get("number", ""), Asked(given["state"]), begins, ends, given.get("count"))


@dataclass(frozen=True)
class Terms:
    """`limit` None: only the authorisations limit it. `more`: so many besides once the patient was recorded as improving, on
    these days. `free`: so many first visits of a window need no authorisation, all others one; None: none does.
    `used`: so many were used before the day `used_on`, as the payer says, ours included.
    `void`: it was recorded by mistake.
    """

    kind: Kind
    modalities: tuple[str, ...]
    limit: int | None
    window: Window
    more: int = 0
    improving: tuple[date, ...] = ()
    cap: Cap | None = None
    free: int | None = None
    authorisations: tuple[Authorisation, ...] = ()
    same_day: SameDay = SameDay.EACH
    counts_missed: bool = False
    counts_late: bool = False
    beyond: Beyond = Beyond.WARN
    begins: date | None = None
    ends: date | None = None
    used: int = 0
    used_on: date | None = None
    void: bool = False

    @property
    def bettering(self) -> Window:
        """The window in which the patient has to have been recorded as improving."""
        return self.cap.window if self.cap else self.window

    def as_plain(self) -> dict[str, Any]:
        return {
            "kind": self.kind.value,
            "modalities": list(self.modalities),
            "limit": self.limit,
            "window": self.window.as_plain(),
            "more": self.more,
            "improving": [day.isoformat() for day in self.improving],
            "cap": {"limit": self.cap.limit, "window": self.cap.window.as_plain()} if self.cap else None,
            "free": self.free,
            "authorisations": [one.as_plain() for one in self.authorisations],
            "same_day": self.same_day.value,
            "counts_missed": self.counts_missed,
            "counts_late": self.counts_late,
            "beyond": self.beyond.value,
            "begins": _plain_day(self.begins),
            "ends": _plain_day(self.ends),
            "used": self.used,
            "used_on": _plain_day(self.used_on),
            "void": self.void,
        }

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> "Terms":
        kind, cap = Kind(given["kind"]), given.get("cap")
        return cls(
            kind=kind,
            modalities=tuple(given["modalities"]),
            limit=given.get("limit"),
            window=Window.of(given["window"]),
            more=given.get("more", 0),
            improving=tuple(date.fromisoformat(day) for day in given.get("improving", ())),
            cap=Cap(cap["limit"], Window.of(cap["window"])) if cap else None,
            free=given.get("free"),
            authorisations=tuple(Authorisation.of(one) for one in given.get("authorisations", ())),
            same_day=SameDay(given.get("same_day", SameDay.EACH)),
            counts_missed=given.get("counts_missed", False),
            counts_late=given.get("counts_late", False),
            beyond=Beyond(given.get("beyond", usual_beyond(kind))),
            begins=_day(given.get("begins")),
            ends=_day(given.get("ends")),
            used=given.get("used", 0),
            used_on=_day(given.get("used_on")),
            void=given.get("void", False),
        )


_ONE_DAY = timedelta(days=1)


def _on(year: int, month: int, day: int) -> date:
    """This day, or the last of its month where there is none such."""
    return date(year, month, min(day, monthrange(year, month)[1]))


def _medicare_year_after(first: date) -> date:
    """When the year that began with this visit is over: eleven full months after the month of that visit."""
    return date(first.year + 1, first.month, 1)


def _last_beginning(drawn: Sequence[date]) -> date:
    """The last visit with which a Medicare year began."""
    first = drawn[0]
    for day in drawn:
        if day >= _medicare_year_after(first):
            first = day
    return first


def _plain_day(day: date | None) -> str | None:
    return day.isoformat() if day else None


def _day(words: str | None) -> date | None:
    return date.fromisoformat(words) if words else None
