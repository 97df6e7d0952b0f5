"""What plans cost beyond the finder: through HTTP, booked whole, and all of them on one board."""

import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from itertools import count
from typing import Any
from unittest import mock

from flask import Flask

from bench import yardsticks
from bench.measuring import Figure, interleaved, statements
from bench.plan_storm import clinic_with_plans, first_days
from bench.staff import sign_in
from booking import clock
from booking.extensions import db
from booking.models import (
    Actor,
    Appointment,
    BookableBy,
    Patient,
    Plan,
    PlanStatus,
    Reminders,
)
from booking.models.base import random_reference
from booking.scheduling.plans.proposals import propose as find_plans
from booking.scheduling.plans.task import Task
from booking.scheduling.timeline import cell_at
from booking.services import booking, patients, rows
from booking.services.clinic import present
from booking.services.plans.adherence import adherence
from booking.services.plans.booking import book
from booking.services.plans.choosing import PlanWish
from booking.services.plans.proposing import plans_for, propose
from booking.services.plans.wanted import Asked, PlanWanted
from booking.services.search import free_times
from booking.services.transaction import reading, run
from tests.staffing import hired

PLANS = 200
_numbers = count()


def figures(kind: str, repeats: int) -> Iterator[Figure]:
    """Processor time, in this process, on one database."""
    with (
        tempfile.TemporaryDirectory() as instance,
        clinic_with_plans(kind, instance) as (url, app),
        app.app_context(),
    ):
        yield _through_http(app, repeats)
        yield _whole(repeats)
        yield from _board(app, url, repeats)


def asking_for_proposals(app: Flask, first_day: date) -> Callable[[], None]:
    """Asks for a plan of somebody who has been here before, through the API, each time as if for the first time."""
    client = app.test_client()
    body = {
        "template": "disc",
        "first_day": first_day.isoformat(),
        "returning": ["acupuncture", "chiropractic"],
    }

    def ask() -> None:
        plans_for.cache_clear()
        answer = client.post("/api/v1/plan-proposals", json=body)
        assert answer.get_json()["proposals"], answer.get_data(as_text=True)

    return ask


def _through_http(app: Flask, repeats: int) -> Figure:
    first_day = first_days()[0]
    course = present().plan_template("disc").course
    wanted = PlanWanted(course, first_day, returning=frozenset({"acupuncture", "chiropractic"}))

    def task() -> Task:
        with reading() as session:
            return Asked.of(session, present(), wanted, clock.now()).task

    # Each is asked for once: a task remembers what was worked out for it, which no request finds.
    tasks = iter([task() for _ in range(repeats + 1)])
    both = {"finder": lambda: find_plans(next(tasks)), "http": asking_for_proposals(app, first_day)}
    found = interleaved(both, repeats, 1, time.process_time)
    return Figure(
        f"three proposals through HTTP against the finder alone ({found['finder'] * 1000:.0f} ms)",
        found["http"] / found["finder"],
        at_most=1.2,
    )


def _whole(repeats: int) -> Figure:
    """Twenty visits and a reassessment, against one visit. What is proposed before isn't counted."""
    took: dict[str, list[float]] = {"plan": [], "visit": []}
    for plan, single in zip(wishes(repeats + 1), _single_wishes(repeats + 1), strict=True):
        for name, action in (
            ("plan", lambda plan=plan: book(plan, actor="bench", key=f"plan {next(_numbers)}")),
            (
                "visit",
                lambda single=single: booking.book(single, actor="bench", key=f"visit {next(_numbers)}"),
            ),
        ):
            began = time.process_time()
            action()
            took[name].append(time.process_time() - began)
    # The first of each reads what is kept from then on.
    plan, visit = (statistics.median(took[name][1:]) for name in ("plan", "visit"))
    return Figure(
        f"booking 20 visits and a reassessment against booking one ({visit * 1000:.1f} ms)",
        plan / visit,
        at_most=6,
    )


def wishes(number: int) -> Iterator[PlanWish]:
    """Plans of as many weeks, each proposed when the one before is booked."""
    course = present().plan_template("disc").course
    returning = frozenset({"acupuncture", "chiropractic"})
    first_day = first_days()[0]
    for one in range(number):
        wanted = PlanWanted(course, first_day, returning=returning, audience=BookableBy.STAFF)
        proposal = propose(wanted).proposals[0]
        visits = proposal.wishes
        yield PlanWish(
            "disc", first_day, visits, "Bench", "Guest", f"plan{one}@example.com", None, Reminders.EMAIL,
            returning=tuple(sorted(returning)), audience=BookableBy.STAFF,
        )  # fmt: skip


def _single_wishes(number: int) -> Iterator[booking.Wish]:
    free = list(free_times("acupuncture-follow-up", None, first_days()[0] + timedelta(days=42), 28).each())
    for one, time_ in enumerate(random.Random(1).sample(free, number)):
        yield booking.Wish(
            "acupuncture-follow-up", time_.practitioner.slug, time_.starts_at, "Single", "Guest",
            f"single{one}@example.com", None, Reminders.EMAIL,
        )  # fmt: skip


def _board(app: Flask, url: str, repeats: int) -> Iterator[Figure]:
    fill(PLANS)
    yardsticks.fill(url)
    who = hired()
    signed = sign_in(app, who)
    client = app.test_client(use_cookies=False)
    with mock.patch.dict(os.environ, {"YARDSTICK_DATABASE_URL": url}):
        reader = yardsticks.create().test_client()

    def board() -> None:
        answer = client.get("/desk/plans", headers=signed.cookie)
        assert answer.status_code == 200, answer.status_code

    found = interleaved(
        {"board": board, "R": lambda: reader.get("/read?group=7")}, repeats, 3, time.process_time
    )
    yield Figure(f"the adherence board of {PLANS} running plans", found["board"] / found["R"], "R", at_most=2)
    said = statements(db.engine, lambda: adherence(who))
    yield Figure("  its statements", float(said), "", at_most=8)


def fill(plans: int) -> None:
    """Running plans in their second week, with two visits a week: rows only, since nobody books on this board."""
    clinic = present()
    care, people = clinic.visit_type("acupuncture-follow-up"), list(clinic.practitioners.values())
    today = clinic.times.local_date(clock.now())
    first_day = today - timedelta(days=8)

    def action(session: Any) -> None:
        for number in range(plans):
            plan = new_plan(session, f"board{number}", first_day, PlanStatus.RUNNING)
            person = people[number % 2].id
            visits = [visit_of(plan, person, care.id, first_day, day) for day in (0, 2, 7, 9, 14, 16, 21, 23)]
            rows.add_many(session, Appointment, visits)

    run(action)


def new_plan(session: Any, name: str, first_day: date, status: PlanStatus) -> Plan:
    """A plan of somebody of this name, without visits."""
    course = present().plan_template("disc-gentle").course.as_plain()
    patient = Patient(
        first_name="Board", last_name=name, name_key=patients.name_key("Board", name),
        email=f"{name}@example.com", created_at=clock.now(), changed_at=clock.now(),
    )  # fmt: skip
    rows.add(session, patient)
    plan = Plan(
        reference=random_reference(), patient_id=patient.id, template="disc-gentle", name="Board", course=course,
        first_day=first_day, status=status, first_name="Board", last_name="Guest",
        email=patient.email, reminders=Reminders.EMAIL, made_at=clock.now(), made_by=Actor.STAFF,
        changed_at=clock.now(), confirmed_at=clock.now(),
    )  # fmt: skip
    rows.add(session, plan)
    return plan


def visit_of(plan: Plan, person: int, care: int, first_day: date, day: int, hour: int = 9) -> dict[str, Any]:
    local = clock.now().astimezone(present().zone).replace(hour=hour, minute=0, second=0, microsecond=0)
    start = cell_at(
        local.replace(year=first_day.year, month=first_day.month, day=first_day.day) + timedelta(days=day)
    )
    return {
        "reference": random_reference(), "patient_id": plan.patient_id, "practitioner_id": person, "visit_type_id": care,
        "from_cell": start, "to_cell": start + 10, "first_name": "Board", "last_name": "Guest", "email": plan.email,
        "reminders": Reminders.EMAIL, "booked_at": clock.now(), "changed_at": clock.now(), "plan_id": plan.id,
        "plan_role": "dose", "penciled": False,
    }  # fmt: skip
