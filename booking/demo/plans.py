"""The demo's plans: one that runs, one of which a visit gave way, one that its patient began by themselves, and one whose link
waits to be opened.
"""

from contextlib import suppress
from datetime import date, datetime, time, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking import clock
from booking.demo.people import Person
from booking.errors import SlotTaken
from booking.models import BookableBy, Patient, Reminders, Role, StaffAccount
from booking.scheduling.allowances.terms import Kind, Span, Terms, Window
from booking.scheduling.plans.windows import Presence, TimeWindow
from booking.services import patients
from booking.services.booking import Wish, book as book_visit
from booking.services.clinic import Clinic
from booking.services.desk import coverage
from booking.services.plans import prescribing, reading
from booking.services.plans.asking_again import wanted_by
from booking.services.plans.booking import book
from booking.services.plans.choosing import PlanWish
from booking.services.plans.prescribing import Prescription
from booking.services.plans.proposing import propose
from booking.services.plans.wanted import PlanWanted
from booking.services.staff.who import Who
from booking.services.transaction import run

_MON, _TUE, _WED, _THU, _SAT = 0, 1, 2, 3, 5
# "Tuesdays and Thursdays after four, and Saturday mornings"
_EVENINGS = Presence(
    (
        TimeWindow(frozenset({_TUE, _THU}), 15 * 60, 19 * 60),
        TimeWindow(frozenset({_SAT}), 8 * 60, 13 * 60),
    )
)
_MORNINGS = Presence((TimeWindow(frozenset({_MON, _WED}), 9 * 60, 12 * 60),))
_KNOWN_IN = ("acupuncture", "chiropractic")


def make(clinic: Clinic, people: list[Person], now: datetime) -> None:
    """Four plans, made at the times at which they would have been."""
    monday = clinic.times.local_date(now)
    monday -= timedelta(days=monday.weekday())
    runs, begins, waits, looked_at, new = people
    desk = run(_at_the_desk)
    first_day = monday - timedelta(days=14)
    with clock.turned_to(_noon(clinic, first_day - timedelta(days=6))):
        reference = run(lambda session: _record(session, runs))
        _insured(desk, reference)
        plan = prescribing.prescribe(
            desk,
            Prescription(
                reference, "disc", first_day, presence=_EVENINGS, returning=_KNOWN_IN,
                prescribed_by="mei-tanaka", reason="Disc L5/S1, seen together.",
            ),
            tell=True, key="demo disc",
        )  # fmt: skip
        _book(plan.reference, plan.token)
    first_day = monday - timedelta(days=21)
    with clock.turned_to(_noon(clinic, first_day - timedelta(days=4))):
        reference = run(lambda session: _record(session, looked_at))
        plan = prescribing.prescribe(
            desk,
            Prescription(
                reference, "low-back", first_day, presence=_MORNINGS, returning=("acupuncture",),
                prescribed_by="daniel-okafor",
            ),
            tell=True, key="demo low back",
        )  # fmt: skip
        _book(plan.reference, plan.token)
    with clock.turned_to(now - timedelta(days=2)):
        _take_penciled(plan.reference, plan.token, new)
        _begin(clinic, begins, monday + timedelta(days=7))
    with clock.turned_to(now - timedelta(hours=3)):
        reference = run(lambda session: _record(session, waits))
        prescribing.prescribe(
            desk,
            Prescription(
                reference, "sciatica", monday + timedelta(days=7), returning=("acupuncture",),
                prescribed_by="mei-tanaka",
            ),
            tell=True, key="demo sciatica",
        )  # fmt: skip


def _noon(clinic: Clinic, day: date) -> datetime:
    return datetime.combine(day, time(12), clinic.zone)


def _book(reference: str, token: str) -> None:
    """As the patient does by the plan's link: the first proposal."""
    plan = reading.by_link(reference, token)
    proposal = propose(wanted_by(plan, BookableBy.LINK)).proposals[0]
    visits = proposal.wishes
    book(
        PlanWish(
            plan.template, plan.first_day, visits, plan.first_name, plan.last_name, plan.email, plan.phone,
            Reminders.EMAIL, policy_version="2026-09", presence=plan.presence, returning=plan.returning,
            plan=reference, token=token, audience=BookableBy.LINK,
        ),
        actor="demo", key=f"demo {reference}",
    )  # fmt: skip


def _take_penciled(reference: str, token: str, person: Person) -> None:
    """Somebody new books their first visit at a time that gives way: the first that has room for it."""
    for visit in reading.by_link(reference, token).standing:
        if visit.penciled:
            wish = Wish(
                "acupuncture-first", visit.practitioner.slug, visit.starts_at, person.first_name, person.last_name,
                person.email, person.phone, Reminders.EMAIL, policy_version="2026-09",
            )  # fmt: skip
            with suppress(SlotTaken):
                book_visit(wish, actor="demo", key=f"demo {visit.reference}")
                return


def _begin(clinic: Clinic, person: Person, first_day: date) -> None:
    """Somebody new begins the gentle plan by themselves."""
    course = clinic.plan_template("disc-gentle").course
    proposal = propose(PlanWanted(course, first_day, _EVENINGS)).proposals[0]
    visits = proposal.wishes
    book(
        PlanWish(
            "disc-gentle", first_day, visits, person.first_name, person.last_name, person.email, person.phone,
            Reminders.EMAIL, policy_version="2026-09", presence=_EVENINGS,
        ),
        actor="demo", key="demo gentle",
    )  # fmt: skip


def _insured(desk: Who, reference: str) -> None:
    terms = Terms(Kind.INSURANCE, _KNOWN_IN, 20, Window(Span.CALENDAR_YEAR))
    coverage.record(desk, reference, "Twenty visits a year", terms, key="demo coverage")


def _at_the_desk(session: Session) -> Who:
    """One of the clerks."""
    accounts = session.scalars(select(StaffAccount).order_by(StaffAccount.id))
    clerk = next(one for one in accounts if Role.DESK in one.role_names)
    return Who(clerk.id, clerk.name, frozenset({Role.DESK}))


def _record(session: Session, person: Person) -> str:
    """The patient's record, made where there is none; its reference."""
    number = patients.join(session, person.first_name, person.last_name, person.email, person.phone)
    return session.get_one(Patient, number).reference
