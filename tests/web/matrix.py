"""What the matrix of access needs to know about routes: how to build their addresses and forms.

For each name in an address, `VALUES` says which value leads to a record of one's own, to somebody else's, and to
nothing. A name that means different things on different routes is written as "endpoint/name". A plain value, such as a
day, is the same for everybody. `FORMS` has what a route must be sent to come as far as asking whose record it is;
without an entry, the token and a key alone are sent.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from secrets import token_hex
from typing import Any

from flask import Flask
from sqlalchemy import select, update

from booking import clock
from booking.models import (
    Absence,
    AbsenceKind,
    Actor,
    Appointment,
    Coverage,
    HistoryEntry,
    InboundText,
    Merge,
    Message,
    Patient,
    Plan,
    PlanStatus,
    Practitioner,
    Reminders,
    Role,
    SignIn,
    StaffAccount,
    Task,
    TaskKind,
)
from booking.models.base import random_reference
from booking.scheduling.allowances.usual import USUAL
from booking.scheduling.timeline import cell_at
from booking.services import rows
from booking.services.own_day import feed
from booking.services.plans import links as plan_links
from booking.services.staff import accounts, drafts, letters, library, sign_ins
from booking.services.staff.who import Who
from booking.services.transaction import reading, run
from tests.clinics import clinic, plan_template, practitioner, set_up, visit_type
from tests.services.making import NEXT_WEEK, NINE, booked
from tests.staffing import hired

OWN, OTHER, NOTHING = "own", "other", "nothing"
WHOSE = (OWN, OTHER, NOTHING)

DAY = "2026-09-15"


@dataclass
class World:
    """A clinic with two practitioners, a visit of each, and one person of each role. Ana is the practitioner."""

    app: Flask
    people: dict[Role, Who] = field(default_factory=dict)
    # By whose they are, seen from Ana.
    visits: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    patients: dict[str, str] = field(default_factory=dict)
    # Somebody who may be looked after by managers, an owner who may not, and somebody who was only invited.
    clerk: int = 0
    leaver: int = 0
    other_owner: int = 0
    invited: int = 0
    invited_owner: int = 0


def made(app: Flask) -> World:
    world = World(app)
    with app.app_context():
        set_up(
            clinic(
                modalities=[{"id": "care", "name": "Care"}, {"id": "other", "name": "Other care"}],
                visit_types=[visit_type(), visit_type("massage", modality="other")],
                practitioners=[
                    practitioner("ana", name="Ana Ruiz", offers=["follow-up", "massage"]),
                    practitioner("ben", name="Ben Okoro"),
                ],
                plan_templates=[plan_template("gentle", {"follow-up": 1}, rest_days={}, self_service=True)],
            )
        )
        for role in Role:
            slug = "ana" if role is Role.PRACTITIONER else None
            world.people[role] = hired(role, practitioner=slug, name=f"One {role.value}")
        for whose, slug, first_name in ((OWN, "ana", "Rosa"), (OTHER, "ben", "Sam")):
            patient = {"first_name": first_name, "email": f"{first_name}@example.com".lower()}
            visit = booked(NINE, practitioner=slug, **patient)
            # One that stands whatever a test does to the first.
            booked(NEXT_WEEK, practitioner=slug, **patient)
            world.visits[whose], world.tokens[whose] = visit.reference, visit.token
            with reading() as session:
                wanted = select(Patient.reference).join(Appointment, Appointment.patient_id == Patient.id)
                world.patients[whose] = session.scalars(
                    wanted.where(Appointment.reference == visit.reference)
                ).one()
        world.visits[NOTHING] = world.patients[NOTHING] = "ZZZZZZZZZZ"
        world.clerk = hired(Role.DESK, name="A clerk").account_id
        world.leaver = hired(Role.DESK, name="Somebody who leaves").account_id
        world.other_owner = hired(Role.OWNER, name="Another owner").account_id
        world.invited = accounts.invite(accounts.OPERATOR, "new@clinic.example", [Role.DESK]).number
        owner = accounts.invite(accounts.OPERATOR, "new-owner@clinic.example", [Role.OWNER])
        world.invited_owner = owner.number
        hashed = library.hashed("a kettle on the stove")

        def with_passwords(session: Any) -> None:
            for account in session.scalars(select(StaffAccount).where(StaffAccount.invitation.is_(None))):
                account.password = hashed

        run(with_passwords)
    return world


Value = Callable[[World, Role, str], Any]


def plain(value: Any) -> Value:
    """The same for everybody: it names no record."""
    return lambda _world, _role, _whose: value


def _visit(world: World, _role: Role, whose: str) -> str:
    return world.visits[whose]


def _patient(world: World, _role: Role, whose: str) -> str:
    return world.patients[whose]


def _account(world: World, _role: Role, whose: str) -> int:
    return {OWN: world.clerk, OTHER: world.other_owner, NOTHING: 9999}[whose]


def _leaver(world: World, _role: Role, whose: str) -> int:
    return {OWN: world.leaver, OTHER: world.other_owner, NOTHING: 9999}[whose]


def _invited(world: World, _role: Role, whose: str) -> int:
    return {OWN: world.invited, OTHER: world.invited_owner, NOTHING: 9999}[whose]


def _draft(world: World, role: Role, whose: str) -> int:
    if whose == NOTHING:
        return 9999
    with world.app.app_context():
        owner = world.people[role].account_id if whose == OWN else world.clerk
        drafts.keep(owner, "/desk/somewhere", [("note", "half a sentence")])
        return drafts.of(owner)[0].number


def _sign_in(world: World, role: Role, whose: str) -> int:
    if whose == NOTHING:
        return 9999
    with world.app.app_context():
        owner = world.people[role].account_id if whose == OWN else world.other_owner
        sign_ins.begin(owner, address="127.0.0.1", browser="another", phone=False)
        with reading() as session:
            wanted = select(SignIn.id).where(SignIn.account_id == owner).order_by(SignIn.id.desc())
            return session.scalars(wanted).first() or 0


def _entry(world: World, _role: Role, whose: str) -> int:
    """An entry of a visit's history."""
    if whose == NOTHING:
        return 999_999
    with world.app.app_context(), reading() as session:
        wanted = select(HistoryEntry.id).join(Appointment, Appointment.id == HistoryEntry.appointment_id)
        return session.scalars(wanted.where(Appointment.reference == world.visits[whose])).first() or 0


def _absence(world: World, role: Role, whose: str) -> int:
    """Time off of Ana's, or of Ben's."""
    if whose == NOTHING:
        return 9999
    slug = "ana" if whose == OWN else "ben"
    with world.app.app_context(), reading() as session:
        resource = session.scalars(select(Practitioner.id).where(Practitioner.slug == slug)).one()
    row = Absence(
        kind=AbsenceKind.TIME_OFF,
        resource_id=resource,
        from_cell=6_100_000,
        to_cell=6_100_010,
        made_at=clock.now(),
    )
    return _added(world, row)


def _message(world: World, _role: Role, whose: str) -> int:
    if whose == NOTHING:
        return 9999
    with world.app.app_context(), reading() as session:
        wanted = select(Message.id).where(Message.subject == f"appointment/{world.visits[whose]}")
        return session.scalars(wanted).first() or 0


def _task(world: World, _role: Role, whose: str) -> int:
    if whose == NOTHING:
        return 9999
    with world.app.app_context(), reading() as session:
        visit = session.scalars(
            select(Appointment.id).where(Appointment.reference == world.visits[whose])
        ).one()
    now = clock.now()
    return _added(world, Task(kind=TaskKind.COVERAGE, appointment_id=visit, due_on=now.date(), made_at=now))


def _reply(world: World, _role: Role, whose: str) -> int:
    if whose == NOTHING:
        return 9999
    mark = token_hex(8)
    row = InboundText(
        provider_id=mark, phone="+18185550123", words="Late", taken_for="message", received_at=clock.now()
    )
    return _added(world, row)


def _merge(world: World, _role: Role, whose: str) -> int:
    """A merge that was taken back: as little of a merge as there can be."""
    if whose == NOTHING:
        return 9999
    with world.app.app_context(), reading() as session:
        kept = session.scalars(select(Patient.id).where(Patient.reference == world.patients[whose])).one()
    now = clock.now()
    return _added(world, Merge(kept_id=kept, gone_id=kept, at=now, name="somebody", facts={}, undone_at=now))


def _coverage(world: World, _role: Role, whose: str) -> int:
    if whose == NOTHING:
        return 9999
    with world.app.app_context(), reading() as session:
        patient = session.scalars(select(Patient.id).where(Patient.reference == world.patients[whose])).one()
    now = clock.now()
    terms = USUAL["package"](now.date()).as_plain()
    row = Coverage(patient_id=patient, name="Package", terms=terms, made_at=now, changed_at=now)
    return _added(world, row)


def _plan(world: World, _role: Role, whose: str) -> str:
    """A plan that was prescribed, and isn't booked."""
    if whose == NOTHING:
        return "ZZZZZZZZZZ"
    with world.app.app_context(), reading() as session:
        patient = session.scalars(select(Patient).where(Patient.reference == world.patients[whose])).one()
    plan = Plan(
        reference=random_reference(), patient_id=patient.id, template="weekly", name="Weekly",
        course={"phases": [{"weeks": 1, "doses": {"follow-up": [1, 1]}}]}, first_day=date(2026, 9, 21),
        status=PlanStatus.PRESCRIBED, first_name="Rosa", last_name="Lima", email="rosa@example.com",
        reminders=Reminders.EMAIL, made_at=clock.now(), made_by=Actor.STAFF, changed_at=clock.now(),
    )  # fmt: skip
    reference = plan.reference
    _added(world, plan)
    return reference


def _added(world: World, row: Any) -> int:
    with world.app.app_context():
        run(lambda session: rows.add(session, row))
    return int(row.id)


# Names in addresses, for staff.
VALUES: dict[str, Value] = {
    "reference": _visit,
    "desk.patient/reference": _patient,
    **{
        f"desk.{page}/reference": _patient
        for page in (
            "add_coverage",
            "change_coverage",
            "coverage_of",
            "draw_coverage_earlier",
            "end_coverage",
        )
    },
    **{f"desk.{page}/reference": _patient for page in ("record_improving", "see_to_coverage")},
    **{
        f"desk.{page}/number": _coverage
        for page in (
            "change_coverage",
            "draw_coverage_earlier",
            "end_coverage",
            "record_improving",
            "see_to_coverage",
        )
    },
    **{
        f"desk.{page}/reference": _patient
        for page in ("choose_to_merge", "edit_patient", "merge", "save_patient", "take_merge_back")
    },
    **{
        f"{audience}.{page}/reference": _plan
        for audience in ("desk", "practitioner")
        for page in ("plan", "plan_link", "send_plan_link", "withdraw_plan", "plan_change", "change_plan")
    },
    "change": plain("stop"),
    "template": plain("gentle"),
    "day": plain(DAY),
    "month": plain("2026-09"),
    "person": plain("ana"),
    "practitioner": plain("ana"),
    "entry": _entry,
    "merge": _merge,
    "message": _message,
    "task": _task,
    "text": _reply,
    "desk.take_back_time_off/number": _absence,
    "practitioner.take_back_time_off/number": _absence,
    # sign_in
    "number": _account,
    "sign_in.invite_again/number": _invited,
    "sign_in.deactivate/number": _leaver,
    "sign_in.forget_draft/number": _draft,
    "sign_in.end_sign_in/number": _sign_in,
}

# What a route must be sent, besides its token and a key.
FORMS: dict[str, dict[str, str]] = {
    "desk.add_coverage": {
        "name": "Blue Shield",
        "kind": "insurance",
        "modalities": "care",
        "limit": "12",
        "span": "calendar_year",
        "cap_span": "calendar_year",
        "same_day": "each",
    },
    "desk.end_coverage": {"do": "end"},
    "desk.called": {"outcome": "reached"},
    "desk.message": {"do": "settle"},
    "desk.change": {"room": "", "version": "1"},
    "desk.status": {"to": "confirmed"},
    "patient.move": {"time": "2026-09-22T16:00:00Z ana"},
    "practitioner.status": {"to": "confirmed"},
    "desk.cancel": {"reason": "ill", "version": "1"},
}

# What a route asks for behind the question mark.
QUERIES: dict[str, dict[str, str]] = {
    "desk.places": {"day": DAY},
    "desk.why": {"cell": str(cell_at(NINE)), "practitioner": "ana"},
}


def query(world: World, endpoint: str) -> dict[str, str]:
    if endpoint in ("desk.new_plan", "desk.new_series"):
        return {"patient": world.patients[OWN]}
    return QUERIES.get(endpoint, {})


def form(world: World, endpoint: str) -> dict[str, str]:
    if endpoint == "desk.merge":
        return {"with": world.patients[OTHER]}
    if endpoint in ("desk.propose_plan", "desk.book_plan"):
        return {"patient": world.patients[OWN], "template": "gentle"}
    if endpoint in ("desk.look_at_series", "desk.book_series"):
        return {"patient": world.patients[OWN]}
    return FORMS.get(endpoint, {})


# Records that a role declared with `own`, `self` or `staff` doesn't reach; where an address names none, there are none.
RECORDS = ("reference", "entry", "number", "token", "merge", "message", "task", "text")


def value(endpoint: str, name: str) -> Value:
    """Raises KeyError for a name of which nobody has said what it leads to."""
    return VALUES.get(f"{endpoint}/{name}") or VALUES[name]


# Links: what opens them, and the same spoilt.


def _patients_link(world: World) -> dict[str, Any]:
    return {"reference": world.visits[OWN], "token": world.tokens[OWN]}


def _plans_link(world: World) -> dict[str, Any]:
    reference = _plan(world, Role.OWNER, OWN)
    with world.app.app_context():
        return {"reference": reference, "token": plan_links.token(reference, 1)}


def _plans_visit(world: World) -> dict[str, Any]:
    link = _plans_link(world)
    with world.app.app_context():
        plan = select(Plan.id).where(Plan.reference == link["reference"]).scalar_subquery()
        visit = Appointment.reference == world.visits[OWN]
        run(lambda session: session.execute(update(Appointment).where(visit).values(plan_id=plan)))
    return link | {"visit": world.visits[OWN]}


def _invitation(world: World) -> dict[str, Any]:
    with world.app.app_context(), reading() as session:
        return {"token": letters.invitation_mark(session.get_one(StaffAccount, world.invited))}


def _reset(world: World) -> dict[str, Any]:
    with world.app.app_context(), reading() as session:
        return {"token": library.reset_mark(session.get_one(StaffAccount, world.clerk))}


def _feed(world: World) -> dict[str, Any]:
    with world.app.app_context():
        who = world.people[Role.PRACTITIONER]
        feed.make(who, key=token_hex(8))
        return {"token": str(feed.settings(who).address).rpartition("/")[2].removesuffix(".ics")}


LINKS: dict[str, Callable[[World], dict[str, Any]]] = {
    "patient": _patients_link,
    "api": _patients_link,
    "api.plan": _plans_link,
    "patient.plan": _plans_link,
    **{
        f"patient.plan_{page}": _plans_link
        for page in ("booked", "calendar", "details", "make_up", "proposals", "reminders")
    },
    "patient.book_plan": _plans_link,
    "patient.choose_plan": _plans_link,
    **{f"patient.{page}_later": _plans_visit for page in ("ask_to_cancel", "cancel", "choose_for", "move")},
    "feed.calendar": _feed,
    "patient.take_make_up": _plans_link,
    "patient.remind_of_plan": _plans_link,
    "sign_in.invitation": _invitation,
    "sign_in.accept": _invitation,
    "sign_in.new_password": _reset,
    "sign_in.set_password": _reset,
}

# Addresses of pages that are open to everybody.
OPEN: dict[str, dict[str, Any]] = {
    "static": {"path": "nothing.css"},
    "patient.times": {"visit_type": "follow-up"},
    "patient.hold": {"visit_type": "follow-up"},
    "patient.details": {"visit_type": "follow-up"},
    "patient.book": {"visit_type": "follow-up"},
    "patient.choose_in": {"modality": "care"},
    "patient.choose_with": {"practitioner": "ana"},
    **{
        f"patient.{page}": {"kinds": "follow-up+massage"}
        for page in ("choose_together", "together_details", "book_together")
    },
    **{
        f"patient.{page}": {"template": "gentle"}
        for page in ("begin_plan", "own_proposals", "choose_own", "own_details", "book_own")
    },
}
