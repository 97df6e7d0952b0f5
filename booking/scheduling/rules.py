"""The clinic's rules, each a small function from a situation to the starts that it permits.

Each audience has an ordered tuple of rules. Staff have a shorter one; the clash of claims is no rule and in no tuple,
since nobody can pass it.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from booking.scheduling.hours import day_at, day_of, week_start
from booking.scheduling.occupancy import Visit
from booking.scheduling.situation import Limit, Practitioner, Rule, Scope, Situation
from booking.scheduling.timeline import Window, cell_from


def notice(situation: Situation, person: Practitioner) -> int:
    """The start is far enough ahead."""
    return situation.window.stretch(cell_from(situation.circumstances.not_before), situation.window.end)


def horizon(situation: Situation, person: Practitioner) -> int:
    """The start lies on the last day that may be booked, or before."""
    last = day_at(situation.circumstances.last_day, situation.circumstances.zone)
    return situation.window.stretch(situation.window.start, last.to_cell)


def on_grid(situation: Situation, person: Practitioner) -> int:
    """The start is one of those that patients are offered."""
    return person.grid


def practitioner_limits(situation: Situation, person: Practitioner) -> int:
    """No practitioner gives more visits in a day or a week than the clinic wants."""
    return _limited(situation, person, "practitioner", person.occupancy.visits)


def patient_limits(situation: Situation, person: Practitioner) -> int:
    """No patient gets more visits in a day or a week than the clinic wants, as far as it is known who it is."""
    return _limited(situation, person, "patient", situation.patient.visits if situation.patient else ())


def _limited(situation: Situation, person: Practitioner, scope: Scope, counted: Iterable[Visit]) -> int:
    permitted = situation.window.full
    facts = situation.circumstances
    for limit in facts.limits:
        bound = limit.visit_type in (None, facts.visit_type) and limit.practitioner in (None, person.slug)
        if bound and limit.scope == scope:
            permitted &= ~_full_periods(situation.window, counted, limit, facts.zone)
    return permitted


def _full_periods(window: Window, visits: Iterable[Visit], limit: Limit, zone: ZoneInfo) -> int:
    """The cells of the days or weeks that have as many visits as may be."""
    days = Counter(
        day_of(visit.from_cell, zone) for visit in visits if limit.visit_type in (None, visit.visit_type)
    )
    full = 0
    if limit.per == "day":
        for on, visits_that_day in days.items():
            if visits_that_day >= limit.visits:
                day = day_at(on, zone)
                full |= window.stretch(day.from_cell, day.to_cell)
        return full
    weeks: Counter[date] = Counter()
    for on, visits_that_day in days.items():
        weeks[week_start(on)] += visits_that_day
    for sunday, visits_that_week in weeks.items():
        if visits_that_week >= limit.visits:
            first, last = day_at(sunday, zone), day_at(sunday + timedelta(days=6), zone)
            full |= window.stretch(first.from_cell, last.to_cell)
    return full


HORIZON = Rule("beyond_horizon", horizon)
NOTICE = Rule("too_soon", notice)
PRACTITIONER_LIMITS = Rule("practitioner_limit", practitioner_limits)
PATIENT_LIMITS = Rule("patient_limit", patient_limits)
GRID = Rule("off_grid", on_grid)

PATIENT_RULES = (GRID, HORIZON, NOTICE, PRACTITIONER_LIMITS, PATIENT_LIMITS)
# Staff are held to what a patient is held to, but for the grid.
STAFF_RULES = (HORIZON, NOTICE, PRACTITIONER_LIMITS, PATIENT_LIMITS)
