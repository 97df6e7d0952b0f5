"""Months of patients on plans: some don't come, some cancel, practitioners fall ill; the desk makes up what was missed.

In the real database with the real outbox. At the end everything is counted again from what is in the rows.
"""

import random
import tempfile
from collections import Counter, defaultdict
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

from flask import Flask
from sqlalchemy import select

from bench.clinic import make_app
from bench.crowds import OVERLAPS, count
from booking import clock
from booking.errors import Refusal
from booking.extensions import db
from booking.models import (
    AbsenceKind,
    Actor,
    Appointment,
    BookableBy,
    Message,
    MessageState,
    Plan,
    Reminders,
    Role,
)
from booking.reminders.delivery import deliver_due
from booking.reminders.worker import Worker
from booking.scheduling.hours import day_at
from booking.scheduling.plans.keeping import Role as Part
from booking.scheduling.plans.windows import Presence, TimeWindow
from booking.scheduling.status import Status
from booking.services import absences, clinic_rows
from booking.services.clinic import Clinic, present
from booking.services.desk import statuses
from booking.services.plans import changing, repairing
from booking.services.plans.booking import book
from booking.services.plans.choosing import PlanWish
from booking.services.plans.lacking import lacking
from booking.services.plans.make_ups import make_up_times
from booking.services.plans.proposing import propose
from booking.services.plans.reading import opened
from booking.services.plans.wanted import PlanWanted
from booking.services.staff.who import Who
from booking.services.transaction import run
from tests import databases
from tests.clinics import plan_clinic, practitioner, rooms

MISSED = 0.11
ILL = 0.01
TEMPLATES = ("disc-gentle", "disc-gentle", "disc", "weekly")
PRESENCES = (
    Presence(),
    Presence((TimeWindow(frozenset(range(5)), 13 * 60, 17 * 60),)),
    Presence((TimeWindow(frozenset(range(6)), 8 * 60, 13 * 60),)),
)
WRONG = (
    "overlaps",
    "rest_days_broken",
    "doses_not_accounted_for",
    "told_twice",
    "not_reminded",
    "not_confirmed",
)


@dataclass
class Ledger:
    """What happened, as whoever stands beside it would write it down."""

    plans: list[str] = field(default_factory=list)
    happened: Counter[str] = field(default_factory=Counter)
    # Visits of plans that didn't take place, by their reference.
    missed: set[str] = field(default_factory=set)


def simulated(kind: str, first: datetime, days: int, patients: int) -> dict[str, Any]:
    """So many patients begin plans in the first two thirds of these days. What happened, and what was wrong."""
    dice, ledger = random.Random(5), Ledger()
    with tempfile.TemporaryDirectory() as instance, _clinic(kind, instance) as app, app.app_context():
        worker, who = Worker(app, "soak"), Who(0, "Desk", frozenset({Role.DESK}))
        beginning = Counter(dice.randrange(max(1, days * 2 // 3)) for _ in range(patients))
        for day in range(days):
            morning = first + timedelta(days=day)
            with clock.turned_to(morning):
                for number in range(beginning[day]):
                    _begin(dice, ledger, f"{day}-{number}")
                _fall_ill(dice, ledger, who)
                _make_up(dice, ledger, who)
                _decide(dice, ledger, who)
                worker.tidy()
            _the_day(dice, ledger, who, morning)
        with clock.turned_to(first + timedelta(days=days)):
            return {"days": days, "plans": len(ledger.plans), **ledger.happened} | _wrong(app, ledger, who)


@contextmanager
def _clinic(kind: str, instance: str) -> Any:
    people = [
        practitioner(
            f"{modality[:3]}-{number}",
            name=f"{modality.title()} {number}",
            hours={day: ["8:00-12:00", "13:00-17:00"] for day in ("monday", "tuesday", "wednesday", "thursday", "friday")}
            | {"saturday": ["8:00-13:00"]},
            offers=[
                f"{modality}-first", f"{modality}-follow-up",
                {"visit_type": f"{modality}-reassessment", "bookable_by": "link"},
            ],
        )
        for modality, several in (("acupuncture", 5), ("chiropractic", 3))
        for number in range(several)
    ]  # fmt: skip
    with getattr(databases, kind)() as url:
        app = make_app(url, instance)
        with app.app_context():
            clinic_rows.apply(
                plan_clinic(practitioners=people, rooms=[*rooms(8, "treatment"), *rooms(4, "adjusting")])
            )
        try:
            yield app
        finally:
            with app.app_context():
                db.engine.dispose()


def _begin(dice: random.Random, ledger: Ledger, key: str) -> None:
    """Somebody begins a plan at the desk, or the gentle one by themselves."""
    clinic, template, presence = present(), dice.choice(TEMPLATES), dice.choice(PRESENCES)
    audience = BookableBy.PATIENTS if template == "disc-gentle" else BookableBy.STAFF
    today = clinic.times.local_date(clock.now())
    first_day = today + timedelta(days=7 - today.weekday())
    returning = frozenset({"acupuncture", "chiropractic"}) if dice.random() < 0.5 else frozenset[str]()
    course = clinic.plan_template(template).course
    wanted = PlanWanted(course, first_day, presence, returning=returning, audience=audience)
    found = propose(wanted).proposals
    if not found:
        ledger.happened["no proposal"] += 1
        return
    visits = found[0].wishes
    wish = PlanWish(
        template, first_day, visits, "Soak", f"Guest {key}", f"soak{key}@example.com", None, Reminders.EMAIL,
        presence=presence, returning=tuple(sorted(returning)), audience=audience,
    )  # fmt: skip
    try:
        ledger.plans.append(book(wish, actor="soak", key=f"begin {key}").reference)
        ledger.happened["begun"] += 1
    except Refusal as refusal:
        ledger.happened[refusal.code] += 1


def _the_day(dice: random.Random, ledger: Ledger, who: Who, morning: datetime) -> None:
    """The visits of a day, each in its turn, and the worker every hour."""
    clinic = present()
    day = day_at(clinic.times.local_date(morning), clinic.zone)
    with db.engine.connect() as connection:
        visits = connection.execute(
            select(Appointment.reference, Appointment.from_cell)
            .where(
                Appointment.from_cell >= day.from_cell,
                Appointment.from_cell < day.to_cell,
                Appointment.status == Status.BOOKED,
            )
            .order_by(Appointment.from_cell)
        ).all()
    for hour in range(24):
        now = morning + timedelta(hours=hour)
        for reference, from_cell in visits:
            begins = datetime.fromtimestamp(from_cell * 300, UTC)
            if now <= begins < now + timedelta(hours=1) and dice.random() < MISSED:
                _is_missed(dice, ledger, who, reference, begins)
        with clock.turned_to(now):
            while deliver_due():
                pass


def _is_missed(dice: random.Random, ledger: Ledger, who: Who, reference: str, begins: datetime) -> None:
    with suppress(Refusal):
        if dice.random() < 0.5:
            with clock.turned_to(begins + timedelta(minutes=20)):
                statuses.no_show(who, reference, key=f"noshow {reference}")
            ledger.happened["no-show"] += 1
        else:
            with clock.turned_to(begins - timedelta(hours=1)):
                statuses.cancel(who, reference, by=Actor.PATIENT, key=f"cancel {reference}")
            ledger.happened["cancelled"] += 1
        ledger.missed.add(reference)


def _fall_ill(dice: random.Random, ledger: Ledger, who: Who) -> None:
    """Somebody is ill today: their visits are cancelled by the clinic."""
    clinic = present()
    day = day_at(clinic.times.local_date(clock.now()), clinic.zone)
    for person in clinic.practitioners.values():
        if dice.random() >= ILL:
            continue
        cells = (person.id, day.from_cell, day.to_cell)
        run(lambda session, cells=cells: absences.enter(session, AbsenceKind.TIME_OFF, *cells))  # type: ignore[misc]
        with db.engine.connect() as connection:
            theirs = connection.scalars(
                select(Appointment.reference).where(
                    Appointment.practitioner_id == person.id,
                    Appointment.from_cell >= day.from_cell,
                    Appointment.to_cell <= day.to_cell,
                    Appointment.status == Status.BOOKED,
                )
            ).all()
        for reference in theirs:
            with suppress(Refusal):
                statuses.cancel(who, reference, reason="ill", key=f"ill {reference}")
                ledger.missed.add(reference)
        ledger.happened["ill"] += 1


def _make_up(dice: random.Random, ledger: Ledger, who: Who) -> None:
    """The desk offers times for what plans lack, and most patients take one."""
    for reference in ledger.plans:
        plan = opened(who, reference)
        if plan.status.value != "running" or not lacking(plan, clock.now()):
            continue
        for one in make_up_times(plan, BookableBy.STAFF)[:1]:
            if one.times and dice.random() < 0.7:
                time, key = one.times[0], f"make up {reference} {clock.now():%j}"
                with suppress(Refusal):
                    repairing.take_for(
                        who, reference, one.missed.week, one.missed.care.slug, time.starts_at,
                        time.practitioner.slug, replaces=one.replaces.starts_at if one.replaces else None, key=key,
                    )  # fmt: skip
                    ledger.happened["made up"] += 1


def _decide(dice: random.Random, ledger: Ledger, who: Who) -> None:
    """Practitioners confirm plans after the first visit, and decide after the reassessment."""
    now = clock.now()
    for reference in ledger.plans:
        plan = opened(who, reference)
        if plan.status.value != "running":
            continue
        began = any(one.ends_at < now for one in plan.standing)
        if plan.confirmed_at is None and began:
            changing.confirm(who, reference, key=f"confirm {reference}")
            ledger.happened["confirmed"] += 1
        looks = [one for one in plan.standing if one.role is Part.REASSESSMENT]
        if len(looks) > plan.decided_phases and looks[plan.decided_phases].ends_at < now:
            decision = dice.choice((changing.Decision.STOP, changing.Decision.REFER))
            done = changing.decide(who, reference, decision, told=True, key=f"decide {reference}")
            ledger.missed.update(done.cancelled)
            ledger.happened["decided"] += 1


# What must not be


def _wrong(app: Flask, ledger: Ledger, who: Who) -> dict[str, Any]:
    clinic = present()
    plans = [opened(who, reference) for reference in ledger.plans]
    with db.engine.connect() as connection:
        visits = connection.execute(select(Appointment.__table__)).mappings().all()
        messages = connection.execute(select(Message.__table__)).mappings().all()
        told_of = {row.reference: row.id for row in connection.execute(select(Plan.reference, Plan.id))}
    sent = [row for row in messages if row["state"] in (MessageState.SENT, MessageState.SIMULATED)]
    return {
        "sent": dict(Counter(row["kind"] for row in sent)),
        "overlaps": count(app, OVERLAPS),
        "rest_days_broken": _too_near(clinic, visits),
        "doses_not_accounted_for": [plan.reference for plan in plans if not _accounted_for(plan, ledger)],
        "told_twice": _twice(sent),
        "not_reminded": _not_reminded(clinic, visits, sent),
        "not_confirmed": sorted(
            told_of.keys()
            - {row["subject"].removeprefix("plan/") for row in sent if row["kind"] == "plan-confirmation"}
        ),
    }


def _too_near(clinic: Clinic, visits: Any) -> list[str]:
    """Acupuncture on two days in a row, or on one."""
    days: dict[int, list[tuple[date, str]]] = defaultdict(list)
    for row in visits:
        modality = clinic.visit_type_by_id[row["visit_type_id"]].modality.slug
        if modality == "acupuncture" and row["status"] not in (Status.CANCELLED, Status.NOSHOW):
            on = clinic.times.local_date(datetime.fromtimestamp(row["from_cell"] * 300, UTC))
            days[row["patient_id"]].append((on, row["reference"]))
    return [
        later[1]
        for theirs in days.values()
        for sooner, later in pairwise(sorted(theirs))
        if (later[0] - sooner[0]).days <= 1
    ]


def _accounted_for(plan: Any, ledger: Ledger) -> bool:
    """Whether what the plan's weeks say is what happened to its visits."""
    doses = [one for one in plan.visits if one.role in (Part.DOSE, Part.FIRST)]
    missed = {one.reference for one in doses if not one.stands}
    # What was penciled in and not confirmed in time nobody has come to.
    lapsed = {one.reference for one in doses if one.penciled and one.starts_at < clock.now()}
    said = sum(dose.booked + dose.attended for week in plan.weeks for dose in week.doses)
    lacks = sum(dose.missed for week in plan.weeks for dose in week.doses)
    return (said, lacks) == (len(doses) - len(missed), len(missed)) and missed <= ledger.missed | lapsed


def _twice(sent: Any) -> list[Any]:
    told = Counter(
        (row["subject"], row["kind"], row["sequence"], row["channel"], row["resend"]) for row in sent
    )
    return [one for one, times in told.items() if times > 1]


def _not_reminded(clinic: Clinic, visits: Any, sent: Any) -> list[str]:
    """Days that somebody came without a reminder the day before, though their visit stood firm two days before."""
    reminded = set()
    by_id = {row["id"]: row for row in visits}
    for row in sent:
        if row["kind"] == "reminder-1d" and row["appointment_id"] in by_id:
            visit = by_id[row["appointment_id"]]
            on = clinic.times.local_date(datetime.fromtimestamp(visit["from_cell"] * 300, UTC))
            reminded.add((visit["patient_id"], on))
    lacking = []
    for row in visits:
        begins = datetime.fromtimestamp(row["from_cell"] * 300, UTC)
        on = clinic.times.local_date(begins)
        stood = row["changed_at"].replace(tzinfo=UTC) < begins - timedelta(days=2)
        if begins > clock.now() or not stood or row["status"] != Status.BOOKED or row["penciled"]:
            continue
        if (row["patient_id"], on) not in reminded:
            lacking.append(row["reference"])
    return lacking
