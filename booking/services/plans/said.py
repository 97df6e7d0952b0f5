"""What a plan's history says that its visits don't: on which days it rests, which missing visits aren't needed, for which week a
make-up is, and from when on its patient has given it up.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Select, exists, select
from sqlalchemy.orm import Session, aliased

from booking.models import PlanEntry

PAUSED, NOT_NEEDED, NEEDED, GIVEN_UP = "paused", "not needed", "needed", "given up"
# Sooner than a pause would have it: from its "first" day on.
WENT_ON = "went on"
# Nothing of its kind was firm any more.
MADE_FIRM = "made firm"
# Over, with nothing left to decide.
ENDED = "ended"
# What was missing is booked, or has further weeks instead.
MADE_UP, EXTENDED, LOOK_BOOKED = "made up", "extended", "look booked"
# The patient was told what had been decided before.
TOLD = "told"
# A change by staff, as if it hadn't been: "entry" is its number.
TAKEN_BACK = "taken back"
# What counts on what was missing at that time: it can't come back.
WITHOUT_IT = (MADE_UP, EXTENDED, NOT_NEEDED, PAUSED, ENDED, "changed doses")
# Times that make up for what is missing were sent.
OFFERED_MAKE_UP = "offered make-up"
# A make-up time that a patient chose, and about which the payer is to be asked before it is booked.
ASKED_FOR = "asked for"

_DAY = timedelta(days=1)
_LATER = aliased(PlanEntry)
# Of what was done to a plan that it wasn't taken back.
_STANDS = ~exists().where(
    _LATER.plan_id == PlanEntry.plan_id,
    _LATER.what == TAKEN_BACK,
    _LATER.facts["entry"].as_integer() == PlanEntry.id,
)


def was_done_since(session: Session, plan_id: int | None, what: Iterable[str], since: datetime) -> bool:
    """Whether any of this was done to a plan after that moment, and wasn't taken back."""
    wanted = select(PlanEntry.id).where(
        PlanEntry.plan_id == plan_id, PlanEntry.at > since, PlanEntry.what.in_([*what]), _STANDS
    )
    return session.scalar(wanted.limit(1)) is not None


class Pause(NamedTuple):
    """Days on which a plan rests, both included: travel, illness."""

    first: date
    last: date


class NotNeeded(NamedTuple):
    """That a week doesn't need a visit that it lacks, of so many that were prescribed then, the `fewest`; which `visit` was missed,
    if one was. Either is None where it wasn't kept.
    """

    week: int
    care: str
    visit: str | None
    fewest: int | None


class Said(NamedTuple):
    """`not_needed`: what was said of visits that it lacks, but for what was taken back (`weeks.not_needed_of`).
    `made_up`: by the references of visits that make up for others the week, from 0 on, of whose dose they are.
    `given_up_from`: when the first of the visits began that its patient cancelled last, with all later ones.
    `freed`: days on which it was to rest, and doesn't.
    """

    pauses: tuple[Pause, ...]
    not_needed: tuple[NotNeeded, ...]
    made_up: Mapping[str, int]
    given_up_from: datetime | None = None
    freed: tuple[Pause, ...] = ()


NOTHING_SAID = Said((), (), {})


def pause_on(day: date, pauses: Iterable[Pause]) -> Pause | None:
    """The pause that holds this day; the one that lasts longest, if several do."""
    there = [one for one in pauses if one.first <= day <= one.last]
    return max(there, key=lambda one: one.last, default=None)


def cut_short(pauses: Sequence[Pause], day: date) -> tuple[Pause, ...]:
    """These pauses where the plan goes on from this day, on which it would rest: of that rest, of however many pauses it is, what
    lies before the day is left. Others stay.
    """
    rests_until = day - _DAY
    for one in sorted(pauses):
        if one.first <= rests_until + _DAY:
            rests_until = max(rests_until, one.last)
    return tuple(
        one if one.first > rests_until else one._replace(last=min(one.last, day - _DAY))
        for one in pauses
        if one.first < day or one.first > rests_until
    )


def cut_off(pauses: Sequence[Pause], day: date) -> tuple[Pause, ...]:
    """The days on which it rests no more then."""
    left = cut_short(pauses, day)
    return tuple(Pause(max(one.first, day), one.last) for one in pauses if one not in left)


def said_of(session: Session, plan_ids: Iterable[int] | Select[tuple[int]]) -> dict[int, Said]:
    """By plan what was said of it, if anything was. One statement."""
    pauses: dict[int, tuple[Pause, ...]] = {}
    freed: dict[int, tuple[Pause, ...]] = {}
    not_needed: dict[int, dict[int, NotNeeded]] = {}
    made_up: dict[int, dict[str, int]] = {}
    given_up: dict[int, datetime] = {}
    entries = session.execute(
        select(PlanEntry.id, PlanEntry.plan_id, PlanEntry.what, PlanEntry.facts)
        .where(
            PlanEntry.plan_id.in_(plan_ids),
            PlanEntry.what.in_((PAUSED, NOT_NEEDED, NEEDED, MADE_UP, GIVEN_UP, WENT_ON, TAKEN_BACK)),
        )
        .order_by(PlanEntry.id)
    ).all()
    # Looked up here: the statement would look for each entry of a whole board.
    taken_back = {facts["entry"] for _, _, what, facts in entries if what == TAKEN_BACK}
    for number, plan_id, what, facts in entries:
        if number in taken_back or what == TAKEN_BACK:
            continue
        if what == PAUSED:
            days = date.fromisoformat(facts["first"]), date.fromisoformat(facts["last"])
            pauses[plan_id] = (*pauses.get(plan_id, ()), Pause(*days))
        elif what == WENT_ON:
            first = date.fromisoformat(facts["first"])
            rests = pauses.get(plan_id, ())
            freed[plan_id] = (*freed.get(plan_id, ()), *cut_off(rests, first))
            pauses[plan_id] = cut_short(rests, first)
        elif what == GIVEN_UP:
            given_up[plan_id] = datetime.fromisoformat(facts["from"])
        elif what == MADE_UP:
            made_up.setdefault(plan_id, {})[facts["visit"]] = facts["week"] - 1
        elif what == NOT_NEEDED:
            note = NotNeeded(facts["week"], facts["care"], facts.get("visit"), facts.get("fewest"))
            not_needed.setdefault(plan_id, {})[number] = note
        else:
            not_needed.get(plan_id, {}).pop(facts["entry"], None)
    return {
        plan_id: Said(
            pauses.get(plan_id, ()),
            tuple(not_needed.get(plan_id, {}).values()),
            made_up.get(plan_id, {}),
            given_up.get(plan_id),
            freed.get(plan_id, ()),
        )
        for plan_id in pauses.keys() | not_needed.keys() | made_up.keys() | given_up.keys()
    }
