"""A storm of whole plans: many processes want the same few practitioners for weeks. All of a plan is booked, or nothing."""

import random
import tempfile
import threading
import time
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

from flask import Flask
from sqlalchemy import text

from bench.clinic import make_app
from bench.crowds import OVERLAPS, count, crowd
from booking import clock
from booking.errors import Busy, Refusal, VisitsTaken
from booking.extensions import db
from booking.models import BookableBy, Reminders, Role
from booking.services import clinic_rows
from booking.services.clinic import present
from booking.services.plans import changing
from booking.services.plans.booking import BookedPlan, book
from booking.services.plans.choosing import PlanWish, VisitWish
from booking.services.plans.proposing import propose
from booking.services.plans.wanted import PlanWanted
from booking.services.staff.who import Who
from tests import databases
from tests.clinics import plan_clinic

TEMPLATES = {"disc-gentle": 13, "weekly": 6}
"""With the visits of each."""

# A plan that runs has all of its visits with all of their claims; one that was stopped has none; all are told of.
HALF_PLANS = """
    SELECT count(*) FROM plans p WHERE p.template = :template AND (
    (p.status = 'running' AND (SELECT count(*) FROM appointments a WHERE a.plan_id = p.id AND a.status = 'booked'
        AND (SELECT count(*) FROM claims c WHERE c.appointment_id = a.id) >= 3) <> :visits)
    OR (p.status <> 'running' AND EXISTS (SELECT 1 FROM appointments a JOIN claims c ON c.appointment_id = a.id
        WHERE a.plan_id = p.id))
    OR NOT EXISTS (
        SELECT 1 FROM messages m WHERE m.subject = 'plan/' || p.reference AND m.kind = 'plan-confirmation'))
"""


def first_days() -> list[date]:
    """A few Mondays ahead."""
    today = present().times.local_date(clock.now())
    monday = today + timedelta(days=7 - today.weekday())
    return [monday + timedelta(days=7 * week) for week in range(3)]


def wishes(audience: BookableBy = BookableBy.STAFF) -> list[PlanWish]:
    """What everybody wants: the best proposals of each template and first day, as they were before anybody booked."""
    found = []
    for template in TEMPLATES:
        course = present().plan_template(template).course
        returning = frozenset({"acupuncture", "chiropractic"})
        for first_day in first_days():
            wanted = PlanWanted(course, first_day, returning=returning, audience=audience)
            for proposal in propose(wanted).proposals:
                visits = proposal.wishes
                found.append(
                    PlanWish(
                        template, first_day, visits, "Storm", "Guest", None, None, Reminders.EMAIL,
                        returning=tuple(sorted(returning)), audience=audience,
                    )
                )  # fmt: skip
    return found


def _crowd_of_plans(
    url: str, seed: int, attempts: int, wanted: list[PlanWish], barrier: Any, results: Any
) -> None:
    """One process: books plans, takes what is offered for visits that were lost, and stops some."""
    dice, outcomes, mine = random.Random(seed), Counter[str](), list[BookedPlan]()
    with tempfile.TemporaryDirectory() as instance:
        app = make_app(url, instance)
        with app.app_context():
            who = Who(0, f"Desk {seed}", frozenset({Role.DESK}))
            barrier.wait(60)
            for number in range(attempts):
                if number % 5 == 0:
                    with suppress(threading.BrokenBarrierError):
                        barrier.wait(5)
                key = f"{seed}-{number}"
                try:
                    if mine and dice.random() < 0.3:
                        plan = mine.pop(dice.randrange(len(mine)))
                        changing.stop(who, plan.reference, "", tell=False, key=key)
                        outcomes["stopped"] += 1
                    else:
                        asked = replace(dice.choice(wanted), email=f"guest{key}@example.com")
                        mine.append(_booked(asked, key, outcomes))
                        outcomes["booked"] += 1
                except Busy:
                    outcomes["busy (503)"] += 1
                except Refusal as refusal:
                    outcomes[refusal.code] += 1
            db.engine.dispose()
    results.put(outcomes)


def _booked(asked: PlanWish, key: str, outcomes: Counter[str]) -> BookedPlan:
    """The plan, with what took the place of visits that were lost, as long as there is something."""
    for again in range(4):
        try:
            return book(asked, actor="storm", key=f"{key}-{again}")
        except VisitsTaken as refusal:
            outcomes["some lost"] += 1
            asked = replace(asked, visits=_replaced(asked.visits, refusal.facts["lost"]))
    return book(asked, actor="storm", key=f"{key}-last")


def _replaced(visits: tuple[VisitWish, ...], lost: list[dict[str, Any]]) -> tuple[VisitWish, ...]:
    instead = {
        (one["visit_type"], one["starts_at"]): one["replacements"][0] for one in lost if one["replacements"]
    }

    def one(visit: VisitWish) -> VisitWish:
        at = visit.starts_at.strftime("%Y-%m-%dT%H:%M:%SZ")
        new = instead.get((visit.visit_type, at))
        if new is None:
            return visit
        return VisitWish(visit.visit_type, new["practitioner"], datetime.fromisoformat(new["starts_at"]))

    return tuple(one(visit) for visit in visits)


@contextmanager
def clinic_with_plans(kind: str, instance: str) -> Any:
    with getattr(databases, kind)() as url:
        app = make_app(url, instance)
        with app.app_context():
            clinic_rows.apply(plan_clinic())
        try:
            yield url, app
        finally:
            with app.app_context():
                db.engine.dispose()


def half_plans(app: Flask) -> int:
    """Plans of which something is missing, or was left behind."""
    with app.app_context(), db.engine.connect() as connection:
        return sum(
            connection.execute(text(HALF_PLANS), {"template": template, "visits": visits}).scalar_one()
            for template, visits in TEMPLATES.items()
        )


def through_plans(kind: str, attempts: int, processes: int = 8) -> dict[str, Any]:
    """So many plans that several processes want at once. What came of them, with overlaps and half-booked plans."""
    with tempfile.TemporaryDirectory() as instance, clinic_with_plans(kind, instance) as (url, app):
        with app.app_context():
            wanted = wishes()
        began = time.perf_counter()
        outcomes = crowd(_crowd_of_plans, processes, url, attempts, wanted)
        return {
            "attempts": sum(outcomes.values()),
            "seconds": round(time.perf_counter() - began, 1),
            "outcomes": dict(outcomes),
            "overlaps": count(app, OVERLAPS),
            "half_bookings": half_plans(app),
        }
