"""What plans cost in a clinic that has had a hundred times as many of them: proposed, booked whole, on the board, on their page."""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from itertools import count
from typing import Any

from flask import Flask
from sqlalchemy import text

from bench.measuring import Figure, interleaved
from bench.plan_services import PLANS, asking_for_proposals, fill, new_plan, visit_of, wishes
from bench.plan_storm import clinic_with_plans
from bench.staff import sign_in
from booking import clock
from booking.extensions import db
from booking.models import Appointment, Claim, Plan, PlanEntry, PlanStatus
from booking.services import rows
from booking.services.clinic import present
from booking.services.plans import changing, links
from booking.services.plans.adherence import adherence
from booking.services.plans.booking import book
from booking.services.plans.finishing import end_what_is_over
from booking.services.transaction import run
from tests.staffing import hired

OVER, LONG = 20, 100
"""So many plans are over in the clinic with a short history, and so many times as many in that with a long one."""
_DAYS = (0, 2, 7, 9, 14, 16, 21, 23)
_HOURS = range(9, 17)
_numbers = count()


def growth(kind: str, repeats: int) -> Iterator[Figure]:
    """The same on a clinic with a short and with a long history of plans, in turns. Nothing is kept of what was asked before."""
    with ExitStack() as stack:
        short, long = (stack.enter_context(_clinic(kind, times)) for times in (1, LONG))
        for what, made, turns, times in (
            ("three proposals through HTTP", _proposals, repeats * 3, 1),
            ("the board of plans, read anew", _board, repeats * 4, 3),
            ("the board's page, while nothing changes", _page_of_board, repeats * 4, 10),
            ("a plan's page", _page_of_plan, repeats * 4, 5),
            ("ending plans that are over", _ending, repeats * 4, 5),
        ):
            took = interleaved({"short": made(short), "long": made(long)}, turns, times, time.perf_counter)
            yield _figure(what, took["short"], took["long"])
        yield _figure("booking 20 visits and a reassessment", *_booked(short, long, repeats * 3))


def _figure(what: str, short: float, long: float) -> Figure:
    return Figure(f"{what} ({short * 1000:.1f} ms), with the long history", long / short, at_most=1.15)


@contextmanager
def _clinic(kind: str, times: int) -> Iterator[Flask]:
    with tempfile.TemporaryDirectory() as instance, clinic_with_plans(kind, instance) as (_url, app):
        with app.app_context():
            _past(OVER * times)
            fill(PLANS)
            if db.engine.dialect.name == "postgresql":
                # Which would do so by itself; on SQLite nobody does.
                with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                    connection.execute(text("VACUUM ANALYZE"))
        yield app


def _past(plans: int) -> None:
    """So many plans that are over, each with eight visits and their claims, back through the years."""
    clinic = present()
    care, people = clinic.visit_type("acupuncture-follow-up"), list(clinic.practitioners.values())
    places = [(person, hour, day) for day in (0, 1) for hour in _HOURS for person in people]
    today = clinic.times.local_date(clock.now())

    def action(session: Any) -> None:
        for number in range(plans):
            months, place = divmod(number, len(places))
            person, hour, day = places[place]
            first_day = today - timedelta(days=28 * (months + 2) - day)
            plan = new_plan(session, f"past{number}", first_day, PlanStatus.COMPLETED)
            visits = [
                visit_of(plan, person.id, care.id, first_day, on, hour) | {"status": "fulfilled"}
                for on in _DAYS
            ]
            rows.add_many(session, Appointment, visits)
            made = session.execute(
                text("SELECT id, from_cell, to_cell FROM appointments WHERE plan_id = :plan"),
                {"plan": plan.id},
            ).all()
            claims = [
                {
                    "appointment_id": one.id,
                    "resource_id": taken,
                    "from_cell": one.from_cell,
                    "to_cell": one.to_cell,
                }
                for one in made
                for taken in (person.id, plan.patient_id)
            ]
            rows.add_many(session, Claim, claims)
            entry = {
                "plan_id": plan.id,
                "at": clock.now(),
                "actor": "staff",
                "actor_name": "",
                "why": "",
                "facts": {},
            }
            rows.add_many(
                session, PlanEntry, [entry | {"what": what} for what in ("prescribed", "booked", "ended")]
            )

    run(action)


def _proposals(app: Flask) -> Callable[[], object]:
    with app.app_context():
        today = present().times.local_date(clock.now())
    return asking_for_proposals(app, today + timedelta(days=7 - today.weekday()))


def _board(app: Flask) -> Callable[[], object]:
    with app.app_context():
        who = hired()

    def read() -> None:
        with app.app_context():
            assert len(adherence(who).rows) == PLANS

    return read


def _page_of_board(app: Flask) -> Callable[[], object]:
    with app.app_context():
        signed = sign_in(app, hired())
    return _page(app, "/desk/plans", headers=signed.cookie)


def _page_of_plan(app: Flask) -> Callable[[], object]:
    with app.app_context(), db.engine.connect() as connection:
        plans = Plan.__table__
        running = connection.execute(
            plans.select().where(plans.c.status == PlanStatus.RUNNING).limit(1)
        ).one()
        path = f"/plan/{running.reference}/{links.token(running.reference, running.link_number)}"
    return _page(app, path)


def _page(app: Flask, path: str, **how: Any) -> Callable[[], object]:
    client = app.test_client(use_cookies=False)

    def ask() -> None:
        answer = client.get(path, **how)
        assert answer.status_code == 200, answer.status_code

    return ask


def _ending(app: Flask) -> Callable[[], object]:
    def end() -> None:
        with app.app_context():
            assert end_what_is_over() == 0

    return end


def _booked(short: Flask, long: Flask, times: int) -> tuple[float, float]:
    """The median seconds of each. What was booked is stopped before the next turn, so that all find the same."""
    took: dict[Flask, list[float]] = {short: [], long: []}
    for _ in range(times + 1):
        for app, seconds in took.items():
            with app.app_context():
                (wish,) = wishes(1)
                began = time.perf_counter()
                made = book(wish, actor="bench", key=f"plan {next(_numbers)}")
                seconds.append(time.perf_counter() - began)
                changing.stop(hired(), made.reference, "", tell=False, key=f"stopped {next(_numbers)}")
    # The first of each reads what is kept from then on.
    return statistics.median(took[short][1:]), statistics.median(took[long][1:])
