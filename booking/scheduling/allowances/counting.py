"""Which visit draws on which pool, and what is left. A pure function of visits and pools: counted anew each time it is asked.

Visits are counted in the order of their days, each against the pools in their order: it draws on the first one that has
room for it. So a visit never changes how an earlier one counts, and the order in which visits were booked doesn't matter.
A visit that no pool has room for is beyond, and draws on none.
"""

import enum
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import NamedTuple

from booking.scheduling.allowances.terms import Asked, Authorisation, Beyond, SameDay, Span, Terms, Window

LOW_AT = 3
ENDS_WITHIN = timedelta(days=14)


class State(enum.StrEnum):
    ATTENDED = "attended"
    BOOKED = "booked"
    MISSED = "missed"
    CANCELLED_LATE = "cancelled_late"


@dataclass(frozen=True)
class Visit:
    """A visit by its local day. `at` puts those of one day in order; `name` is whatever the caller knows it by."""

    day: date
    modality: str
    state: State = State.BOOKED
    name: str = ""
    at: int = 0


@dataclass(frozen=True)
class Pool:
    """`ended_on`: from this day on it counts no more."""

    id: int
    name: str
    terms: Terms
    ended_on: date | None = None

    def is_valid(self, day: date) -> bool:
        """Whether anything of it may be drawn on this day, if there is room."""
        terms = self.terms
        if _is_over(self, day) or _outside(terms, day):
            return False
        given = (_on_day(one, day)[0] is Standing.DRAWS for one in terms.authorisations)
        return terms.free != 0 or any(given)


class Standing(enum.StrEnum):
    """How a visit counts. The last five are beyond: above the limit; waiting for an authorisation that was asked for; without
    one; before what was recorded begins; after it ends. UNRECORDED: nothing is recorded for such care.
    """

    DRAWS = "draws"
    SAME_DAY = "same_day"
    NOT_COUNTED = "not_counted"
    UNRECORDED = "unrecorded"
    ABOVE = "above"
    ASKED = "asked"
    UNAUTHORISED = "unauthorised"
    BEFORE = "before"
    AFTER = "after"


# What says most about a visit that several pools have no room for.
_TELLING = (Standing.ABOVE, Standing.ASKED, Standing.UNAUTHORISED, Standing.BEFORE, Standing.AFTER)


@dataclass(frozen=True)
class Mark:
    """How a visit counts: on which pool it draws, or which one says why it is beyond. `number`: which visit of the pool it is
    in its window. `stops`: staff are to be asked before it is booked. `since`: when what it comes before begins, or what it
    comes after ended.
    """

    standing: Standing
    pool: int | None = None
    number: int = 0
    stops: bool = False
    since: date | None = None

    @property
    def beyond(self) -> bool:
        return self.standing in _TELLING


class Draw(NamedTuple):
    """A visit drawn from a pool. `authorisation`: which one of the pool's it used, if any."""

    day: date
    modality: str
    state: State
    authorisation: int | None = None


@dataclass(frozen=True)
class Bound:
    """One of the limits of a pool around a day, until `last`. `used` has what was attended or counts as that. Nothing is left of
    what isn't `valid` on that day; where it `begins` later, `to_come` is left from then on.
    """

    limit: int
    used: int
    booked: int
    last: date | None
    authorisation: str | None = None
    valid: bool = True
    begins: date | None = None

    @property
    def to_come(self) -> int:
        return max(0, self.limit - self.used - self.booked)

    @property
    def left(self) -> int:
        return self.to_come if self.valid else 0


@dataclass(frozen=True)
class Left:
    """What is left of a pool on a day: by its tightest bound. Without bounds nobody has recorded a limit."""

    pool: Pool
    bounds: tuple[Bound, ...]

    @property
    def tightest(self) -> Bound | None:
        return min(self.bounds, key=lambda one: (one.left, one.last or date.max), default=None)


@dataclass(frozen=True)
class Low:
    """A pool that runs low: so few are `left`, or it `ends` soon."""

    pool: Pool
    left: int | None
    ends: date | None


@dataclass(frozen=True)
class Count:
    """All visits with their marks, in the order in which they were counted, and what was drawn from each pool."""

    pools: tuple[Pool, ...]
    marks: tuple[tuple[Visit, Mark], ...]
    draws: Mapping[int, tuple[Draw, ...]] = field(repr=False)

    def mark_of(self, name: str) -> Mark | None:
        return next((mark for visit, mark in self.marks if visit.name == name), None)

    def left(self, day: date) -> tuple[Left, ...]:
        """What is left of each pool on this day: its limit without what was attended and what is booked. Before it begins, and
        after its end, nothing.
        """
        return tuple(
            Left(pool, tuple(_valid_bounds(pool.terms, self.draws[pool.id], day)))
            for pool in self.pools
            if not _is_over(pool, day)
        )

    def left_until(self, day: date, until: date = date.min) -> tuple[Left, ...]:
        """The same, and behind each pool what is left of it on the first day of each later window in which a visit of its kinds of
        care lies, or which begins by the day `until`. Rolling days have no such windows.
        """
        return tuple(each for one in self.left(day) for each in (one, *self._later(one, until)))

    def _later(self, left: Left, until: date) -> Iterator[Left]:
        pool, terms = left.pool, left.pool.terms
        if Span.ROLLING in {terms.window.span, terms.cap.window.span if terms.cap else None}:
            return
        days = (visit.day for visit, _mark in self.marks if visit.modality in terms.modalities)
        last_visit = max((until, *days))
        while (bound := left.tightest) and bound.last and bound.last < last_visit:
            day = bound.last + timedelta(1)
            if not pool.is_valid(day):
                return
            left = Left(pool, tuple(_valid_bounds(terms, self.draws[pool.id], day)))
            yield left

    def low(self, today: date) -> tuple[Low, ...]:
        """The pools that run low."""
        found = []
        for one in self.left(today):
            if _outside(one.pool.terms, today):
                continue
            bound, ends = one.tightest, _ends(one.pool.terms)
            is_low = bound and bound.valid and bound.limit and bound.left <= LOW_AT
            left = bound.left if bound and is_low else None
            soon = ends if ends and today <= ends <= today + ENDS_WITHIN else None
            if left is not None or soon:
                found.append(Low(one.pool, left, soon))
        return tuple(found)


def count(pools: Iterable[Pool], visits: Iterable[Visit]) -> Count:
    """How these visits count against these pools, which are drawn on in their order."""
    accounts = [_Account(pool) for pool in pools if not pool.terms.void]
    in_order = sorted(visits, key=lambda one: (one.day, one.at, one.modality, one.state, one.name))
    marks = tuple((visit, _mark(visit, accounts)) for visit in in_order)
    return Count(
        tuple(one.pool for one in accounts), marks, {one.pool.id: tuple(one.draws) for one in accounts}
    )


@dataclass(frozen=True)
class Besides:
    """All visits counted with `these` among them. `pushed`: the names of those that are booked and beyond only because of these."""

    count: Count
    these: tuple[Mark, ...]
    pushed: tuple[str, ...]


def besides(before: Count, these: Sequence[Visit]) -> Besides:
    """How these visits count besides those that were counted before. Each has a name of its own."""
    if not these:
        return Besides(before, (), ())
    whole = count(before.pools, [*(visit for visit, _mark in before.marks), *these])
    marks = {visit.name: mark for visit, mark in whole.marks}
    beyond = {visit.name for visit, mark in before.marks if mark.beyond}
    new = {visit.name for visit in these}
    pushed = tuple(
        visit.name
        for visit, mark in whole.marks
        if mark.beyond and visit.state is State.BOOKED and visit.name not in new | beyond
    )
    return Besides(whole, tuple(marks[visit.name] for visit in these), pushed)


class _Account:
    """A pool while it is counted."""

    def __init__(self, pool: Pool) -> None:
        self.pool, self.terms = pool, pool.terms
        self.draws = [Draw(pool.terms.used_on or date.min, "", State.ATTENDED)] * pool.terms.used

    def ask(self, visit: Visit) -> tuple[Standing, date | None, int | None]:
        """Whether there is room for a visit: DRAWS (by which authorisation), or why not, and since when or until when."""
        terms, day = self.terms, visit.day
        if outside := _outside(terms, day):
            return *outside, None
        drawn = [draw.day for draw in self.draws]
        number = _used(terms.window, day, drawn) + 1
        full = terms.limit is not None and number > _limit_on(terms, terms.limit, day, drawn)
        if full or (terms.cap and _used(terms.cap.window, day, drawn) >= terms.cap.limit):
            return Standing.ABOVE, None, None
        if terms.free is None or number <= terms.free:
            return Standing.DRAWS, None, None
        return self._authorised(day)

    def _authorised(self, day: date) -> tuple[Standing, date | None, int | None]:
        standing, when = Standing.UNAUTHORISED, None
        for index, one in enumerate(self.terms.authorisations):
            found, since = _on_day(one, day)
            if found is Standing.DRAWS:
                used = sum(draw.authorisation == index for draw in self.draws)
                if one.count is None or used < one.count:
                    return Standing.DRAWS, None, index
                found = Standing.ABOVE
            if standing is Standing.UNAUTHORISED or _TELLING.index(found) < _TELLING.index(standing):
                standing, when = found, since
        return standing, when, None

    def shares(self, visit: Visit) -> bool:
        """Whether another visit of that day has drawn for this one as well."""
        if self.terms.same_day is SameDay.EACH:
            return False
        return any(
            draw.day == visit.day
            and draw.modality
            and (self.terms.same_day is SameDay.ONE or draw.modality == visit.modality)
            for draw in reversed(self.draws)
        )

    def was_counted(self, visit: Visit) -> bool:
        """Whether the payer has counted it already."""
        terms = self.terms
        if not terms.used or terms.used_on is None or visit.day >= terms.used_on:
            return False
        return _outside(terms, visit.day) is None

    def counts(self, visit: Visit) -> bool:
        """Whether a visit in this state counts here at all."""
        not_counted = {
            State.MISSED: not self.terms.counts_missed,
            State.CANCELLED_LATE: not self.terms.counts_late,
        }
        return not not_counted.get(visit.state, False)

    def number(self, day: date) -> int:
        return _used(self.terms.window, day, [draw.day for draw in self.draws])


def _mark(visit: Visit, accounts: Sequence[_Account]) -> Mark:
    refused: list[tuple[Standing, date | None, _Account]] = []
    for account in accounts:
        pool = account.pool
        if visit.modality not in pool.terms.modalities or _is_over(pool, visit.day):
            continue
        if account.was_counted(visit):
            # Whether there is room for it was the payer's question.
            return Mark(Standing.NOT_COUNTED, pool.id)
        if account.shares(visit) and account.counts(visit):
            return Mark(Standing.SAME_DAY, pool.id, account.number(visit.day))
        standing, since, authorisation = account.ask(visit)
        if standing is not Standing.DRAWS:
            refused.append((standing, since, account))
            continue
        if not account.counts(visit):
            return Mark(Standing.NOT_COUNTED, pool.id)
        account.draws.append(Draw(visit.day, visit.modality, visit.state, authorisation))
        return Mark(Standing.DRAWS, pool.id, account.number(visit.day))
    if not refused:
        return Mark(Standing.UNRECORDED)
    if visit.state in (State.MISSED, State.CANCELLED_LATE):
        return Mark(Standing.NOT_COUNTED)
    standing, since, account = min(refused, key=lambda one: _TELLING.index(one[0]))
    stops = any(
        one.terms.beyond is Beyond.ASK
        for why, _since, one in refused
        if one is account or why is not Standing.AFTER
    )
    return Mark(standing, account.pool.id, stops=stops, since=since)


def _is_over(pool: Pool, day: date) -> bool:
    return pool.ended_on is not None and day >= pool.ended_on


def _outside(terms: Terms, day: date) -> tuple[Standing, date] | None:
    """On a day on which a pool isn't valid: BEFORE or AFTER, and when it begins or ended."""
    if terms.begins and day < terms.begins:
        return Standing.BEFORE, terms.begins
    if terms.ends and day > terms.ends:
        return Standing.AFTER, terms.ends
    return None


def _used(window: Window, day: date, drawn: Sequence[date]) -> int:
    """How many were drawn by now in the window in which a visit on this day lies."""
    first, _last = window.around(day, drawn)
    return sum(first <= one for one in drawn)


def _limit_on(terms: Terms, limit: int, day: date, drawn: Sequence[date]) -> int:
    """The limit for a visit on this day, with what is allowed besides to those who improve."""
    if not terms.improving:
        return limit
    first, _last = terms.bettering.around(day, drawn)
    return limit + terms.more if any(first <= one <= day for one in terms.improving) else limit


def _on_day(one: Authorisation, day: date) -> tuple[Standing, date | None]:
    """How an authorisation stands to a visit on this day."""
    if one.begins and day < one.begins:
        return Standing.BEFORE, one.begins
    if one.ends and day > one.ends:
        return Standing.AFTER, one.ends
    return (Standing.DRAWS if one.state is Asked.GIVEN else Standing.ASKED), None


def _valid_bounds(terms: Terms, draws: Sequence[Draw], day: date) -> Iterable[Bound]:
    bounds, outside = _bounds(terms, draws, day), _outside(terms, day)
    if outside is None:
        return bounds
    standing, since = outside
    last = since - timedelta(1) if standing is Standing.BEFORE else None
    return [replace(one, last=last, valid=False, begins=None) for one in bounds]


def _bounds(terms: Terms, draws: Sequence[Draw], day: date) -> Iterable[Bound]:
    before = [draw.day for draw in draws if draw.day <= day]
    if terms.limit is not None:
        yield _bound(terms.window, _limit_on(terms, terms.limit, day, before), draws, day)
    if terms.cap:
        yield _bound(terms.cap.window, terms.cap.limit, draws, day)
    if terms.free is not None:
        yield from _authorised(terms, terms.free, draws, day)


def _authorised(terms: Terms, free: int, draws: Sequence[Draw], day: date) -> Iterable[Bound]:
    """One bound: what is still free of an authorisation, and what was given and is unused; where nothing is either, what was given
    for the days that come next, or else for those that were last. None where an authorisation doesn't say how many, or nothing
    was ever given.
    """
    given = [(index, one) for index, one in enumerate(terms.authorisations) if one.state is Asked.GIVEN]
    valid = [(index, one) for index, one in given if _on_day(one, day)[0] is Standing.DRAWS]
    if not (valid or free) and given:
        index, one = min(given, key=lambda each: _distance(each[1], day))
        if one.count is not None:
            drawn = [draw for draw in draws if draw.authorisation == index]
            begins = one.begins if one.begins and day < one.begins else None
            yield replace(_of(drawn, one.count, one.ends, one.number), valid=False, begins=begins)
        return
    if any(one.count is None for _index, one in valid) or not (free or given):
        return
    parts = [_bound(terms.window, free, draws, day)] if free else []
    for index, one in valid:
        drawn = [draw for draw in draws if draw.authorisation == index]
        parts.append(_of(drawn, one.count or 0, one.ends, one.number))
    # What is used up says nothing of what the others leave.
    parts = [one for one in parts if one.left] or parts
    if len(parts) == 1:
        yield parts[0]
        return
    limit, left = sum(one.limit for one in parts), sum(one.left for one in parts)
    used = sum(min(one.used, one.limit) for one in parts)
    last = min((one.last for one in parts if one.last), default=None)
    yield Bound(limit, used, limit - used - left, last)


def _distance(one: Authorisation, day: date) -> tuple[bool, timedelta]:
    """How near an authorisation is to a day that it hasn't: those ahead come first."""
    if one.begins and day < one.begins:
        return False, one.begins - day
    return True, day - (one.ends or day)


def _bound(window: Window, limit: int, draws: Sequence[Draw], day: date) -> Bound:
    if window.span is Span.ROLLING:
        return _rolling(window, limit, draws, day)
    before = [draw.day for draw in draws if draw.day <= day]
    first, last = window.around(day, before)
    if window.span is Span.ELEVEN_MONTHS and first == day and day not in before:
        # No such year runs: what counts is the one that begins with the next visit, if there is one.
        ahead = next((draw.day for draw in draws if draw.day > day), None)
        if ahead is None:
            return Bound(limit, 0, 0, None)
        first, last = window.around(ahead)
    return _of(
        [draw for draw in draws if first <= draw.day <= last], limit, None if last == date.max else last
    )


def _rolling(window: Window, limit: int, draws: Sequence[Draw], day: date) -> Bound:
    """Of all windows of so many days in which the day lies, the one with most visits: one more has to fit into each."""
    days = timedelta(window.days - 1)
    ends = {day, *(draw.day for draw in draws if day <= draw.day <= day + days)}
    fullest: list[Draw] = []
    for end in sorted(ends):
        within = [draw for draw in draws if end - days <= draw.day <= end]
        if len(within) >= len(fullest):
            fullest = within
    # Until then it stays so; on the day after, the first of these no longer counts.
    return _of(fullest, limit, fullest[0].day + days if fullest else None)


def _of(draws: Sequence[Draw], limit: int, last: date | None, authorisation: str | None = None) -> Bound:
    booked = sum(draw.state is State.BOOKED for draw in draws)
    return Bound(limit, len(draws) - booked, booked, last, authorisation)


def _ends(terms: Terms) -> date | None:
    """The last day on which anything can be drawn, if there is one."""
    ends = [terms.ends] if terms.ends else []
    given = [one for one in terms.authorisations if one.state is Asked.GIVEN]
    if terms.free is not None and given:
        last = [one.ends for one in given if one.ends]
        if len(last) == len(given):
            ends.append(max(last))
    return min(ends, default=None)
